# tests/e2e/containerd.sh - containerd dies and comes back under a kukeond that goes on.
# limit: 300
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

# The shell would tell of it.
containerd_kill() {
	kill -9 "$containerd_pid"
	wait "$containerd_pid"
} 2>/dev/null

daemon_kill() {
	kill -9 "$daemon_pid"
	wait "$daemon_pid"
} 2>/dev/null

# The pid of a container's first process, by its cgroup: containerd can't be asked.
container_pid() {
	local group
	for group in "/sys/fs/cgroup/memory/kuke-$id/r/s/t/$1" "/sys/fs/cgroup/kuke-$id/r/s/t/$1"; do
		[ ! -d "$group" ] || find "$group" -name cgroup.procs -exec cat {} + | sort -n | head -n 1
	done
}

container_log() {
	cat "$RP/data/r/s/t/$1/main/log"
}

answers_web() {
	run timeout 5 busybox wget -qO- "http://$1/"
	expect_out 'hello from kukeon'
}

workers_are_the_same() {
	expect_equal "$(pgrep -P "$daemon_pid" | tr '\n' ' ')" "$workers"
	! grep -q 'worker died' "$D/kukeond.log" || fail "a worker died: $(grep 'worker died' "$D/kukeond.log")"
}

applies() {
	cell_yaml web /bin/httpd -f -p 80 -h /www >"$D/web.yaml"
	cell_yaml leaves /bin/sh -c 'while [ ! -e /tmp/end ]; do sleep 0.05; done; rm /tmp/end; exit 5' >"$D/leaves.yaml"
	# shellcheck disable=SC2016 # the shell in the container expands it
	cell_yaml talks /bin/sh -c 'i=0; while :; do i=$((i + 1)); echo "line $i"; sleep 0.02; done' >"$D/talks.yaml"
	local name
	for name in web leaves talks; do
		run kuked apply -f "$D/$name.yaml"
		expect_out "Cell \"$name\": created"
	done
	answers_web "$(cell_ip web)"
}

# --- containerd is down ---

cells_go_on() {
	local began=$SECONDS
	answers_web "$(cell_ip web)"
	run kuked get cells
	expect_status 0
	expect_equal "$(grep -c ' Ready ' <<<"$out")" 3
	run kuked get cell web --realm r --space s --stack t
	expect_out Ready
	run kuked version
	expect_out 'Daemon: '
	[ $((SECONDS - began)) -le 3 ] || fail "that took $((SECONDS - began)) s"
}

deadline_passes() {
	local began=$SECONDS
	run kuked create realm late
	expect_refusal containerd
	[ $((SECONDS - began)) -le 20 ] || fail "that took $((SECONDS - began)) s"
	run kuked get realms
	[[ $out != *late* ]] || fail "something is left of it: $out"
}

# Whose fault it was: the worker's answer comes before the one that misses it.
deadline_names_the_cause() {
	local i pids=()
	for i in 1 2 3 4; do
		kuked create realm "late$i" >/dev/null 2>"$D/late$i.err" &
		pids+=($!)
	done
	for i in 1 2 3 4; do
		wait "${pids[i - 1]}" && fail "late$i was created"
		grep -qE 'is it running\?|failed to connect to containerd' "$D/late$i.err" || fail "$(<"$D/late$i.err")"
	done
}

ends_meanwhile() {
	local pid
	pid=$(container_pid leaves)
	: >"/proc/$pid/root/tmp/end"
	wait_until 5 eval "! kill -0 $pid" || fail "it goes on"
}

applies_logged() {
	grep -c 'call method=KukeonV1.ApplyDocuments' "$D/kukeond.log"
}

applies_exceed() {
	[ "$(applies_logged)" -gt "$1" ]
}

asks_meanwhile() {
	local before
	before=$(applies_logged)
	cell_yaml asked >"$D/asked.yaml"
	kuked apply -f "$D/asked.yaml" >"$D/asked.out" 2>"$D/asked.err" &
	local client=$!
	wait_until 5 applies_exceed "$before" || fail "the call did not begin"
	cells_go_on
	kill -0 $client || fail "it did not wait: $(cat "$D/asked.out" "$D/asked.err")"
	echo $client >"$D/asked.pid"
}

# --- containerd is back ---

request_succeeds() {
	local client
	client=$(<"$D/asked.pid")
	wait_until 30 eval "! kill -0 $client" || fail "it waits still"
	expect_equal "$(<"$D/asked.err")" ''
	expect_equal "$(<"$D/asked.out")" 'Cell "asked": created'
	expect_equal "$(cell_state asked)" Ready
}

states_are_right() {
	expect_equal "$(cell_state web)" Ready
	answers_web "$(cell_ip web)"
	wait_until 20 state_is leaves Error || fail "leaves is $(cell_state leaves)"
	run kuked get container main --cell leaves --realm r --space s --stack t -o json
	expect_out '"exitCode": 5'
	run kuked apply -f "$D/web.yaml"
	expect_equal "$out" 'Cell "web": unchanged'
}

verbs_work() {
	run kuked create realm late
	expect_out 'Realm "late"'
	run kuked delete realm late
	expect_status 0
	run kuked stop asked --realm r --space s --stack t
	expect_status 0
	run kuked start leaves --realm r --space s --stack t
	expect_status 0
	expect_equal "$(cell_state leaves)" Ready
	run kuked delete cell asked --realm r --space s --stack t
	expect_status 0
}

# A worker that dies while there is no containerd is replaced, and waits like the one before.
worker_dies_meanwhile() {
	local pid
	pid=$(pgrep -P "$daemon_pid" -f '^kukeond: containerd$')
	kill -9 "$pid"
	wait_until 5 eval "pgrep -P $daemon_pid -f '^kukeond: containerd\$' | grep -vx $pid" || fail "it did not come back"
	asks_meanwhile
}

# --- both are down ---

last_line() {
	container_log talks | tail -n 2 | sed -n '1s/line //p'
}

has_line() {
	[ "$(last_line)" -ge "$1" ]
}

output_goes_on() {
	expect_equal "$(pgrep -f "kukeond.*$D/k.sock|containerd --config $D/")" ''
	wait_until 10 has_line $(($(last_line) + 20)) || fail "nothing is written"
	answers_web "$1"
}

nothing_is_missing() {
	local n
	n=$(last_line)
	wait_until 10 has_line $((n + 20)) || fail "nothing is written"
	container_log talks | sed '$d' | awk '$0 != "line " NR { print "line " NR " is " $0; exit 1 }' || fail "a gap"
	expect_equal "$(cell_state talks)" Ready
	expect_equal "$(cell_state web)" Ready
	answers_web "$(cell_ip web)"
}

deletes() {
	run kuked delete realm r --cascade
	expect_equal "$out" 'Deleted realm "r"'
	expect_equal "$(ctr_test namespaces ls -q)" ''
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
it "applies" applies
workers=$(pgrep -P "$daemon_pid" | tr '\n' ' ')
ip=$(cell_ip web)
containerd_kill
it "serves what needs no containerd" cells_go_on
it "says when a deadline passed" deadline_passes
it "says why a deadline passed" deadline_names_the_cause
it "lets a container end meanwhile" ends_meanwhile
it "lets a request wait" asks_meanwhile
containerd_start
it "answers the request that waited" request_succeeds
it "shows what happened meanwhile" states_are_right
it "serves every verb again" verbs_work
it "has needed no restart of its own" workers_are_the_same
containerd_kill
it "replaces its worker meanwhile" worker_dies_meanwhile
containerd_start
it "answers the request that waited for both" request_succeeds
daemon_kill
containerd_kill
it "loses no output while both are down" output_goes_on "$ip"
containerd_start
daemon_start
it "finds all as it was" nothing_is_missing
it "deletes all of it" deletes
