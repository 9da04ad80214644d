# tests/e2e/reload.sh - kukeond is replaced while it runs, and its workers are looked at.
# limit: 200
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

RELOADS=${RELOADS:-100}
SCOPE=(--realm r --space s --stack t)

workers_pids() {
	pgrep -P "$daemon_pid" | sort -n
}

# The binary as an upgrade puts it in place: another file under the same name.
install_anew() {
	cp "$KUKE_BIN/kukeond" "$D/bin/.new"
	mv "$D/bin/.new" "$D/bin/kukeond"
}

replaces_all() {
	local before after pid inode
	before=$(workers_pids)
	install_anew
	inode=$(stat -c %i "$D/bin/kukeond")
	run kuked daemon reload
	expect_status 0
	expect_out "kukeond reloaded (version 0.1.0, pid $daemon_pid)"
	after=$(workers_pids)
	expect_equal "$(wc -l <<<"$after")" 4
	expect_equal "$(comm -12 <(sort <<<"$before") <(sort <<<"$after"))" ""
	for pid in $daemon_pid $after; do
		expect_equal "$(stat -L -c %i "/proc/$pid/exe")" "$inode"
	done
	expect_equal "$(<"/proc/$daemon_pid/comm")" kukeond
	expect_equal "$(tr '\0' ' ' <"/proc/$daemon_pid/cmdline" | cut -d' ' -f1-2)" "kukeond serve"
	expect_equal "$(pgrep -P "$daemon_pid" -x kukeond)" ""
}

by_signal() {
	local before
	before=$(worker_pid reconciler)
	kill -USR2 "$daemon_pid"
	wait_until 10 eval '[ "$(worker_pid reconciler)" != '"$before"' ] && [ -n "$(worker_pid reconciler)" ]' ||
		fail "the reconciler was not replaced"
	wait_until 10 kuked get cells
}

# A half request, an idle connection and a slow call: all go on over the reload.
keeps_connections() {
	python3 - "$D/k.sock" <<-'END'
		import json, socket, subprocess, sys
		def connect():
		    s = socket.socket(socket.AF_UNIX)
		    s.settimeout(20)
		    s.connect(sys.argv[1])
		    return s
		def call(method, op=None):
		    text = {"method": "KukeonV1." + method, "params": [{}], "id": 1}
		    return json.dumps(text).encode() + b"\n"
		def answer(s):
		    text = b""
		    while not text.endswith(b"\n"):
		        piece = s.recv(65536)
		        assert piece, "the connection was closed"
		        text += piece
		    return json.loads(text)
		idle, half, many = connect(), connect(), connect()
		half.sendall(call("ListRealms")[:20])
		many.sendall(b"".join(call("ListCells") for i in range(300)))
		reload = connect()
		reload.sendall(call("ReloadDaemon"))
		assert answer(reload)["result"]["Err"] is None
		half.sendall(call("ListRealms")[20:])
		assert answer(half)["result"]["Realms"]
		idle.sendall(call("Ping"))
		assert answer(idle)["result"]["OK"]
		got = b""
		while got.count(b"\n") < 300:
		    piece = many.recv(65536)
		    assert piece, "the connection was closed"
		    got += piece
		for line in got.splitlines():
		    assert json.loads(line)["error"] is None
	END
}

# A call that takes its time, and what was answered before, both over a reload.
keeps_operations() {
	cell_yaml slow /bin/sh -c 'trap "" TERM; while :; do sleep 0.1; done' >"$D/slow.yaml"
	kuked apply -f "$D/slow.yaml" >/dev/null
	kuked stop slow "${SCOPE[@]}" >"$D/stop.out" 2>&1 &
	local client=$! i
	for ((i = 0; i < 5; i++)); do
		kuked daemon reload >/dev/null || fail "reload $i failed"
	done
	wait $client || fail "stop failed: $(<"$D/stop.out")"
	expect_equal "$(<"$D/stop.out")" 'Stopped cell "slow" from stack "t"'
	kuked delete cell slow "${SCOPE[@]}" >/dev/null
}

# refused TEXT: the daemon goes on as it was.
refused() {
	local before
	before=$(workers_pids)
	run kuked daemon reload
	expect_refusal "kukeond can't take over, nothing was changed: "
	expect_err "$1"
	expect_equal "$(workers_pids)" "$before"
	run kuked get cells
	expect_status 0
}

broken_binaries() {
	local old=$D/bin/kukeond
	trap 'install_anew' EXIT
	mv "$old" "$D/bin/good"
	run kuked daemon reload
	expect_refusal "no such file or directory"
	head -c 100000 /dev/urandom >"$old"
	chmod +x "$old"
	refused "exec format error"
	head -c 100000 "$D/bin/good" >"$old"
	refused ""
	cp "$D/bin/good" "$old" && chmod -x "$old"
	refused "permission denied"
	rm "$old"
	cp /bin/true "$old"
	refused "its check of itself says nothing"
	cp /bin/false "$old"
	refused "its check of itself says nothing"
	cp /bin/echo "$old"
	refused "serve --socket"
	printf 'int main(void) { for (;;) ; }' | gcc -x c - -o "$old"
	refused "its check of itself does not end"
	mv "$D/bin/good" "$old"
	run kuked daemon reload
	expect_status 0
}

broken_configuration() {
	echo 'spec: [' >"$RP/none.yaml"
	refused "server configuration is invalid"
	rm "$RP/none.yaml"
	run kuked daemon reload
	expect_status 0
}

# load NAME: what one client does, over and over, until the file `load` is gone.
load() {
	local name=$1 n=0
	cell_yaml "$name" >"$D/$name.yaml"
	while [ -e "$D/load" ]; do
		kuked apply -f "$D/$name.yaml" &&
			kuked get cell "$name" "${SCOPE[@]}" &&
			kuked stop "$name" "${SCOPE[@]}" &&
			kuked start "$name" "${SCOPE[@]}" &&
			kuked delete cell "$name" "${SCOPE[@]}" || return 1
		n=$((n + 1))
	done >"$D/$name.out" 2>"$D/$name.err"
	# Whatever was lost would show in what was said.
	expect_equal "$(grep -c ': created$' "$D/$name.out")" "$n"
	expect_equal "$(grep -c '^Deleted cell' "$D/$name.out")" "$n"
	expect_equal "$(<"$D/$name.err")" ""
	[ "$n" -gt 0 ] || fail "nothing was done"
}

many_reloads_under_load() {
	local i pids=() pid
	touch "$D/load"
	trap 'rm -f "$D/load"' EXIT
	for i in 1 2 3 4; do
		load "l$i" &
		pids+=($!)
	done
	for ((i = 1; i <= RELOADS; i++)); do
		kuked daemon reload >/dev/null || fail "reload $i failed"
	done
	rm "$D/load"
	for pid in "${pids[@]}"; do
		wait "$pid" || fail "a client failed: $(cat "$D"/l*.err)"
	done
	expect_equal "$(ctr_test -n "r.$id.test" containers ls -q)" ""
	expect_equal "$(grep -c 'error supervisor' "$D/kukeond.log")" "$(grep -c "can't take over\|kukeond: no such" "$D/kukeond.log")"
}

# Nothing is passed on by accident.
descriptors() {
	local before
	before=$(ls "/proc/$daemon_pid/fd" | wc -l)
	kuked daemon reload >/dev/null
	kuked daemon reload >/dev/null
	wait_until 5 eval '[ "$(ls /proc/'"$daemon_pid"'/fd | wc -l)" = '"$before"' ]' ||
		fail "descriptors: $(ls -l "/proc/$daemon_pid/fd")"
}

shows_workers() {
	run kuked daemon workers
	expect_status 0
	expect_equal "$(head -n 1 <<<"$out" | xargs)" \
		"ROLE PID STATE GEN UPTIME RESTARTS IN-FLIGHT QUEUED RSS LOG-LEVEL LAST DEATH"
	local role
	for role in reconciler containerd network cgroup; do
		grep -qE "^$role +$(worker_pid $role) +Ready " <<<"$out" || fail "$role: $out"
	done
	grep -qE "^supervisor +$daemon_pid +Ready " <<<"$out" || fail "supervisor: $out"
	run kuked daemon workers -o json
	python3 -c 'import json,sys; assert [w["role"] for w in json.load(sys.stdin)][0] == "supervisor"' <<<"$out" ||
		fail "$out"
}

explains_deaths() {
	local report pid signal=11
	# Faults of memory are a sanitizer's to tell, and would count as found by it.
	nm "$KUKE_BIN/kukeond" | grep -q '__asan_init\|__tsan_init' && signal=6
	pid=$(worker_pid cgroup)
	kill -$signal "$pid"
	kuked get cells >/dev/null
	wait_until 5 eval 'kuked daemon workers | grep -q "^cgroup .* Ready .*signal '$signal'"'
	run kuked daemon workers
	report=$(sed -n "s/^cgroup .*signal $signal ([A-Za-z ]*), report \(.*\.txt\).*/\1/p" <<<"$out")
	[ -f "$report" ] || fail "no report '$report': $out"
	local word
	for word in "^worker      cgroup" "^pid         $pid" "how         signal $signal" "^build       [0-9a-f]\{40\}" \
		"end of its log" "last messages" " from supervisor \(event\|request\) "; do
		grep -q "$word" "$report" || fail "the report lacks '$word': $(<"$report")"
	done
	grep -q 'crash: #[0-9]* kukeond+0x[0-9a-f]* kk_worker_main' "$report" || fail "no backtrace: $(<"$report")"
	[[ $report == "$RP/crash/"* ]] || fail "it is not where reports belong: $report"
}

# A request that ends its worker each time is given up, and nobody else notices.
quarantine() {
	cell_yaml poison >"$D/poison.yaml"
	arm 'network.lease_taken=crash'
	run kuked apply -f "$D/poison.yaml"
	arm ''
	expect_status 1
	expect_out "the network worker ended (signal 6 (Aborted), report $RP/crash/"
	grep -q "reconciler_gen\|the reconciler worker died" <(tail -n 60 "$D/kukeond.log") && fail "the reconciler died too"
	run kuked apply -f "$D/poison.yaml"
	expect_status 0
	run kuked delete cell poison "${SCOPE[@]}"
	expect_status 0
}

level_of_one() {
	run kuked daemon log-level network=debug
	expect_status 0
	expect_equal "$out" "Log level of network set to debug"
	cell_yaml loud >"$D/loud.yaml"
	kuked apply -f "$D/loud.yaml" >/dev/null
	kuked delete cell loud "${SCOPE[@]}" >/dev/null
	grep -q ' debug network ' "$D/kukeond.log" || fail "network says no more than before"
	! grep -q ' debug \(supervisor\|reconciler\|containerd\|cgroup\) ' "$D/kukeond.log" ||
		fail "another says more: $(grep ' debug ' "$D/kukeond.log" | grep -v network)"
	# A successor is told as well.
	kill -9 "$(worker_pid network)"
	wait_until 5 eval 'kuked daemon workers | grep -q "^network .* Ready .* debug "' || fail "its successor says less"
	kuked daemon log-level network=info >/dev/null
	run kuked daemon log-level nothing=debug
	expect_refusal 'there is no role "nothing": it is one of supervisor, reconciler, containerd, network, cgroup'
	run kuked daemon log-level network=loud
	expect_refusal 'there is no log level "loud": it is one of error, warning, info, debug, trace'
	run kuked daemon log-level network
	expect_refusal '"network" is not <role>=<level>, as in network=debug'
}

# One command is followed over all processes by its operation.
one_operation() {
	local op role
	for role in supervisor reconciler containerd network cgroup; do
		kuked daemon log-level $role=debug >/dev/null
	done
	cell_yaml traced >"$D/traced.yaml"
	kuked apply -f "$D/traced.yaml" >/dev/null
	op=$(sed -n 's/.* op=\([0-9a-f]*\) call method=KukeonV1.ApplyDocuments.*/\1/p' "$D/kukeond.log" | tail -n 1)
	for role in reconciler containerd network cgroup; do
		grep -q " $role gen=[0-9]* op=$op " "$D/kukeond.log" || fail "nothing of $role under op=$op"
		kuked daemon log-level $role=info >/dev/null
	done
	kuked daemon log-level supervisor=info >/dev/null
	kuked delete cell traced "${SCOPE[@]}" >/dev/null
}

mkdir "$D/bin"
install_anew
PATH=$D/bin:$PATH
containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
it "replaces supervisor and workers by the file on disk" replaces_all
it "does the same on SIGUSR2" by_signal
it "keeps connections, half requests and calls" keeps_connections
it "keeps operations that take longer than it" keeps_operations
it "refuses a binary that can't take over" broken_binaries
it "refuses a configuration that can't be read" broken_configuration
it "passes no descriptor on but its own" descriptors
it "loses nothing in $RELOADS reloads under load" many_reloads_under_load
it "shows its workers" shows_workers
it "turns up the log of one worker alone" level_of_one
it "marks the lines of one command in all processes" one_operation
it "explains a death" explains_deaths
it "gives up on a request that ends its worker each time" quarantine
kuked delete realm r --cascade >/dev/null
