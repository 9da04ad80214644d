# tests/e2e/resilience.sh - workers die, and no client notices.
# limit: 400
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

KILLS=${KILLS:-100}

is_back() {
	local pid
	pid=$(worker_pid "$1") && [ "$pid" != "$2" ] && grep -q "the $1 worker is ready pid=$pid" "$D/kukeond.log"
}

named_by_role() {
	local role
	for role in reconciler containerd network cgroup; do
		expect_equal "$(worker_pid $role | wc -l)" 1
	done
	expect_equal "$(pgrep -P "$daemon_pid" | wc -l)" 4
	expect_equal "$(cat "/proc/$daemon_pid/comm")" kukeond
}

killed_idle() {
	local role pid
	for role in reconciler containerd network cgroup; do
		pid=$(worker_pid $role)
		kill -9 "$pid"
		run kuked get cells
		expect_status 0
		wait_until 5 is_back $role "$pid" || fail "the $role worker did not come back"
		grep -q "the $role worker died: signal 9" "$D/kukeond.log" || fail "the log does not say why"
	done
}

killed_all_at_once() {
	local role
	for role in reconciler containerd network cgroup; do
		kill -9 "$(worker_pid $role)"
	done
	run kuked get cells
	expect_status 0
}

# One apply with one kill at a random moment of it.
apply_and_kill() {
	local name=$1 roles=(reconciler containerd network cgroup) pid
	cell_yaml "$name" >"$D/$name.yaml"
	kuked apply -f "$D/$name.yaml" >"$D/$name.out" 2>"$D/$name.err" &
	local client=$!
	pause "0.$(printf %03d $((RANDOM % 150)))"
	pid=$(worker_pid "${roles[RANDOM % 4]}") && kill -9 "$pid" 2>/dev/null
	wait $client || fail "apply failed: $(cat "$D/$name.out" "$D/$name.err")"
	expect_equal "$(<"$D/$name.out")" "Cell \"$name\": created"
	expect_equal "$(<"$D/$name.err")" ""
}

killed_during_apply() {
	local i leases
	for ((i = 1; i <= KILLS; i++)); do
		apply_and_kill "k$i"
		expect_equal "$(cell_state "k$i")" Ready
		expect_equal "$(ctr_test -n "r.$id.test" tasks ls -q)" "s_t_k${i}_main"
		leases=$(grep -rl "^s_t_k${i}_root" /var/lib/cni/networks | wc -l)
		expect_equal "$leases" 1
		run kuked delete cell "k$i" --realm r --space s --stack t
		expect_status 0
	done
	expect_equal "$(ctr_test -n "r.$id.test" containers ls -q)" ""
	expect_equal "$(ctr_test -n "r.$id.test" snapshots ls | grep -c s_t_)" 0
	expect_equal "$(find "$RP/run" -name 'k*' | wc -l)" 0
	expect_equal "$(find "$RP/journal" -mindepth 1 2>/dev/null | wc -l)" 0
}

stopped_worker_recovers() {
	local pid
	pid=$(worker_pid network)
	kill -STOP "$pid"
	run kuked get cells
	expect_status 0
	cell_yaml stopped >"$D/stopped.yaml"
	run kuked apply -f "$D/stopped.yaml"
	expect_equal "$out" 'Cell "stopped": created'
	grep -q 'no sign of life within the heartbeat limit' "$D/kukeond.log" || fail "the log does not say why"
}

# Whoever does not need the one that hangs does not wait for it: the answer is there while it still hangs.
others_go_on() {
	local role pid
	for role in containerd network cgroup; do
		pid=$(worker_pid $role)
		kill -STOP "$pid"
		run kuked get cells
		expect_status 0
		[ "$(ps -o state= -p "$pid")" = T ] || fail "the answer came only when the $role worker was replaced"
		wait_until 15 is_back $role "$pid" || fail "the $role worker was not replaced"
	done
	run kuked get cells
	expect_status 0
}

# said REPLY COMMAND…: kuke says so, and nothing else.
said() {
	local want=$1 got
	shift
	# shellcheck disable=SC2053 # it is a pattern
	got=$(kuked "$@" 2>&1) && [[ $got == $want ]] || echo "$*: $got" >>"$D/unexpected"
	echo "$*" >>"$D/said"
}

# client NUMBER: 25 verbs on a cell of its own.
client() {
	local name=p$1 scope=(--realm r --space s --stack t) i
	cell_yaml "$name" /bin/sh -c 'trap exit TERM; sleep 1000 & wait' >"$D/$name.yaml"
	for ((i = 0; i < 5; i++)); do
		said "Cell \"$name\": created" apply -f "$D/$name.yaml"
		said "*Ready*" get cell "$name" "${scope[@]}"
		said "Stopped cell \"$name\" from stack \"t\"" stop "$name" "${scope[@]}"
		said "Started cell \"$name\" from stack \"t\"" start "$name" "${scope[@]}"
		said "Deleted cell \"$name\" from stack \"t\"" delete cell "$name" "${scope[@]}"
	done
}

kill_for_ever() {
	local roles=(reconciler containerd network cgroup)
	while :; do
		pause 0.2
		kill -9 "$(worker_pid "${roles[RANDOM % 4]}")"
		echo >>"$D/killed"
	done >/dev/null 2>&1
}

killed_for_ever() {
	local i killer clients=() began=$SECONDS
	: >"$D/unexpected"
	kill_for_ever &
	killer=$!
	for i in 1 2 3 4 5 6 7 8; do
		client "$i" >/dev/null 2>&1 &
		clients+=($!)
	done
	wait "${clients[@]}"
	kill $killer
	[ ! -s "$D/unexpected" ] || fail "$(<"$D/unexpected")"
	expect_equal "$(wc -l <"$D/said")" 200
	[ $((SECONDS - began)) -lt $((60 * ${CK_TIMEOUT_MULTIPLIER:-1})) ] || fail "it took $((SECONDS - began)) s"
	[ "$(wc -l <"$D/killed")" -ge 20 ] || fail "only $(wc -l <"$D/killed") were killed"
	expect_equal "$(ctr_test -n "r.$id.test" containers ls -q)" ""
	expect_equal "$(ctr_test -n "r.$id.test" snapshots ls | grep -c s_t_)" 0
	expect_equal "$(find "$RP/run" -name 'k*' | wc -l)" 0
}

# What containerd leaves when the worker dies while a shim is being started: it is connected to, and says nothing.
hung_shim() {
	local scope=(--realm r --space s --stack t) socket hung began=$SECONDS
	cell_yaml hung >"$D/hung.yaml"
	kuked apply -f "$D/hung.yaml" >/dev/null
	kuked kill hung "${scope[@]}" >/dev/null
	socket=/run/containerd/s/$(printf %s "$D/containerd.sock/r.$id.test/s-t-hung" | sha256sum | cut -d' ' -f1)
	(exec -a containerd-shim-runc-v2 /usr/bin/python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
time.sleep(1000)' "$socket" -namespace "r.$id.test" -id s_t_hung_main -address "$D/containerd.sock") >/dev/null 2>&1 &
	hung=$!
	wait_until 5 [ -S "$socket" ] || fail "the shim does not listen"
	run kuked start hung "${scope[@]}"
	expect_equal "$out" 'Started cell "hung" from stack "t"'
	expect_equal "$(cell_state hung)" Ready
	! kill "$hung" 2>/dev/null || fail "the shim is still there"
	[ $((SECONDS - began)) -lt 10 ] || fail "it took $((SECONDS - began)) s"
}

# What containerd can't take away any more when a deletion was cut short, and no task of that name can be made.
stuck_bundle() {
	local scope=(--realm r --space s --stack t) began=$SECONDS
	local tasks=$D/containerd/state/io.containerd.runtime.v2.task/r.$id.test
	cell_yaml stuck >"$D/stuck.yaml"
	kuked apply -f "$D/stuck.yaml" >/dev/null
	kuked kill stuck "${scope[@]}" >/dev/null
	mkdir -p "$tasks"/{,.}s_t_stuck_main/rootfs
	touch "$tasks"/{,.}s_t_stuck_main/log.json
	run kuked start stuck "${scope[@]}"
	expect_equal "$out" 'Started cell "stuck" from stack "t"'
	expect_equal "$(cell_state stuck)" Ready
	run kuked delete cell stuck "${scope[@]}"
	expect_equal "$out" 'Deleted cell "stuck" from stack "t"'
	[ ! -e "$tasks/s_t_stuck_main" ] && [ ! -e "$tasks/.s_t_stuck_main" ] || fail "its directories are still there"
	[ $((SECONDS - began)) -lt 10 ] || fail "it took $((SECONDS - began)) s"
}

killed_shim() {
	pkill -9 -f "containerd-shim-runc-v2 -namespace r.$id.test -id s_t_hung_main "
	run kuked delete cell hung --realm r --space s --stack t
	expect_equal "$out" 'Deleted cell "hung" from stack "t"'
	expect_equal "$(ctr_test -n "r.$id.test" containers ls -q)" ""
}

# A pipe that is full, and nobody at its other end: the API must not wait for it.
unread_log() {
	local i reader writer
	mkfifo "$D/unread"
	exec {reader}<>"$D/unread" {writer}>"$D/unread"
	kukeond serve --socket "$D/unread.sock" --run-path "$D/unread.rp" --log-level trace \
		--containerd-socket "$D/containerd.sock" --configuration "$RP/none.yaml" \
		--cgroup-root "/kuke-$id-unread" 2>&$writer &
	local pid=$!
	wait_until 10 kuke --host "unix://$D/unread.sock" get realms || fail "it does not start"
	for ((i = 0; i < 300; i++)); do
		timeout 5 kuke --host "unix://$D/unread.sock" get realms >/dev/null || fail "call $i hangs"
	done
	kill $pid
	wait $pid
	exec {reader}<&- {writer}>&-
}

supervisor_killed() {
	local workers
	workers=$(pgrep -P "$daemon_pid")
	kill -9 "$daemon_pid"
	wait_until 5 eval '! ps -o pid= -p '"$(echo $workers | tr ' ' ,)" || fail "workers outlive the supervisor"
	expect_equal "$(ctr_test -n "r.$id.test" tasks ls | grep -c RUNNING)" 1
	# Nobody starts it again: that is said, soon.
	run timeout 3 kuke --host "unix://$D/k.sock" get cells
	expect_refusal 'connect: connection refused'
}

# It is away for some milliseconds; who comes just then waits.
nobody_is_turned_away() {
	local i pid
	for ((i = 0; i < 10; i++)); do
		pid=$(<"$D/kukeond.pid")
		kill -9 "$pid"
		run kuked get cells
		expect_status 0
		expect_equal "$err" ""
	done
}

taken_over() {
	expect_equal "$(cell_state stopped)" Ready
	run kuked delete realm r --cascade
	expect_status 0
}

# outlived POINT ACTION COMMAND…: what a command says is what it says without the death.
outlived() {
	local point=$1 action=$2 dir
	shift 2
	dir=$(mktemp -d "$D/fault.XXXX")
	wait_until 10 kuked get realms
	arm "dir=$dir;$point=1*$action"
	run "$@"
	wait_until 2 [ -e "$dir/$point.1" ] || fail "$point was not passed"
	expect_equal "$err" ""
	expect_status 0
}

supervisor_killed_in_a_call() {
	local point scope=(--realm r --space s --stack t)
	cell_yaml o >"$D/o.yaml"
	for point in supervisor.{request_taken,reply_taken}; do
		outlived $point kill kuked apply -f "$D/o.yaml"
		expect_equal "$out" 'Cell "o": created'
		outlived $point kill kuked stop o "${scope[@]}"
		expect_out 'Stopped cell "o"'
		outlived $point kill kuked start o "${scope[@]}"
		expect_out 'Started cell "o"'
		outlived $point kill kuked get cells
		outlived $point kill kuked delete cell o "${scope[@]}"
		expect_out 'Deleted cell "o"'
		expect_equal "$(ctr_test -n "r.$id.test" containers ls -q)" ""
	done
	# Its answer written, its notes not yet dropped.
	kuked apply -f "$D/o.yaml" >/dev/null
	outlived supervisor.response_written kill kuked delete cell o "${scope[@]}"
	expect_out 'Deleted cell "o"'
	find "$RP/journal" -mindepth 1 | grep -q . || fail "no notes were left"
	rm -rf "$RP/journal"
}

# Each of several documents of one object is carried out once, wherever the reconciler dies.
killed_between_documents() {
	local point want dir
	{
		cell_yaml twin /bin/sleep 1000
		echo ---
		cell_yaml twin /bin/sleep 2000
		echo ---
		printf '{kind: Container, metadata: {name: side}, spec: {id: side, realmId: r, spaceId: s, stackId: t, cellId: twin, '
		printf 'image: busybox, command: /bin/sleep, args: ["3000"]}}\n'
	} >"$D/twins.yaml"
	want='Cell "twin": created
Cell "twin": updated
  - container "main" updated: args
Container "side": created'
	for point in reconciler.{turn_begun,saved,phase_done,before_answer} containerd.container_{remove,start}.end; do
		dir=$(mktemp -d "$D/fault.XXXX")
		arm "dir=$dir;$point=2*kill"
		run kuked apply -f "$D/twins.yaml"
		expect_equal "$err" ""
		expect_equal "$out" "$want"
		[ -e "$dir/$point.1" ] || fail "$point was not passed"
		arm ''
		expect_equal "$(ctr_test -n "r.$id.test" tasks ls | grep -c RUNNING)" 2
		expect_equal "$(pgrep -fc '^/bin/sleep [23]000$')" 2
		run kuked delete -f "$D/twins.yaml"
		expect_equal "$out" 'Container "side": failed
  Error: unknown kind: Container
Cell "twin": deleted
  - containers: 2 deleted
Cell "twin": not found'
		wait_until 2 eval '[ "$(find "$RP/journal" -mindepth 1 2>/dev/null | grep -c result)" = 0 ]' || fail "results are kept: $(find "$RP/journal")"
	done
}

# Supervisor and client die together: what was begun is finished by the next supervisor, without anybody asking.
finished_for_nobody() {
	local point dir client scope=(--realm r --space s --stack t)
	for point in reconciler.turn_begun reconciler.saved network.lease_taken containerd.record_made reconciler.before_answer; do
		dir=$(mktemp -d "$D/fault.XXXX")
		arm "dir=$dir;$point=1*stop"
		cell_yaml n >"$D/n.yaml"
		(exec kuke --host "unix://$D/k.sock" apply -f "$D/n.yaml" >/dev/null 2>&1) &
		client=$!
		wait_until 5 [ -e "$dir/$point.1" ] || fail "$point was not passed"
		kill -9 "$client" "$(<"$D/kukeond.pid")"
		wait_until 10 eval '[ "$(cell_state n)" = Ready ]' || fail "after $point: $(cell_json n)"
		wait_until 10 eval '[ -z "$(find "$RP/journal" -name .request 2>/dev/null)" ]' || fail "$point: not finished"
		expect_equal "$(ctr_test -n "r.$id.test" tasks ls | grep -c RUNNING)" 1
		run kuked delete cell n "${scope[@]}"
		expect_out 'Deleted cell "n"'
		expect_equal "$(ctr_test -n "r.$id.test" containers ls -q)" ""
	done
	rm -rf "$RP/journal"
}

# A client that comes back late: what it asked for was finished meanwhile, and undone by somebody else.
finished_before_it_was_asked() {
	local dir client scope=(--realm r --space s --stack t)
	dir=$(mktemp -d "$D/fault.XXXX")
	arm "dir=$dir;network.lease_taken=1*stop"
	cell_yaml late >"$D/late.yaml"
	(exec kuke --host "unix://$D/k.sock" apply -f "$D/late.yaml" >"$D/late" 2>&1) &
	client=$!
	wait_until 5 [ -e "$dir/network.lease_taken.1" ] || fail "the cell was not begun"
	kill -STOP "$client"
	kill -9 "$(<"$D/kukeond.pid")"
	wait_until 10 eval '[ "$(cell_state late)" = Ready ]' || fail "not finished: $(cell_json late)"
	wait_until 10 eval 'find "$RP/journal" -name .reply | grep -q .' || fail "its answer was not kept"
	kuked delete cell late "${scope[@]}" >/dev/null
	kill -CONT "$client"
	wait "$client" || fail "the client failed: $(<"$D/late")"
	expect_equal "$(<"$D/late")" 'Cell "late": created'
	run kuked get cell late "${scope[@]}"
	expect_refusal 'cell "late" not found'
	wait_until 5 eval '[ -z "$(find "$RP/journal" -type f 2>/dev/null)" ]' || fail "its answer is kept for ever"
}

# containerd, still clearing up behind a worker that died, took away what the next one has made.
made_anew() {
	local dir scope=(--realm r --space s --stack t)
	dir=$(mktemp -d "$D/fault.XXXX")
	arm "dir=$dir;containerd.container_start.begin=1*error(CONTAINER_NOT_FOUND)"
	cell_yaml anew >"$D/anew.yaml"
	run kuked apply -f "$D/anew.yaml"
	expect_equal "$out" 'Cell "anew": created'
	[ -e "$dir/containerd.container_start.begin.1" ] || fail "the fault was not met"
	expect_equal "$(cell_state anew)" Ready
	run kuked delete cell anew "${scope[@]}"
	expect_out 'Deleted cell "anew"'
}

# Just when it has begun: its shim finds no directory.
swept_bundle() {
	local sweeper bundle=$D/containerd/state/io.containerd.runtime.v2.task/r.$id.test/s_t_swept_main
	cell_yaml swept /bin/sleep 1000 >"$D/swept.yaml"
	for i in 1 2 3 4 5; do
		(
			until [ -d "$bundle" ]; do :; done
			rm -rf "$bundle"
		) &
		sweeper=$!
		run kuked apply -f "$D/swept.yaml"
		wait "$sweeper"
		expect_equal "$out" 'Cell "swept": created'
		expect_equal "$(cell_state swept)" Ready
		run kuked delete cell swept --realm r --space s --stack t
		expect_out 'Deleted cell "swept"'
	done
}

malformed_faults() {
	local spec
	for spec in network.lease_taken 'a=1*frobnicate' 'a=x*kill' 'a=delay(soon)' 'a=error(NONSENSE)' 'a=1*kill' 'a=note'; do
		faults_arm "$spec" | grep -q '"Kind":"Unknown","Message":"fault specification: ' || fail "$spec: $(faults_arm "$spec")"
	done
	arm ''
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
it "runs one supervisor and four workers, named by role" named_by_role
it "answers while a worker is killed, and has it back" killed_idle
it "answers after all workers were killed" killed_all_at_once
it "applies $KILLS times under random kills with the same output" killed_during_apply
it "serves 8 clients 200 verbs while a worker is killed every 200 ms" killed_for_ever
it "makes anew what was cleared away meanwhile" made_anew
it "carries out each document of one cell once when it is killed between them" killed_between_documents
it "begins again when the directory of a task is swept away" swept_bundle
it "clears away a shim that hangs" hung_shim
it "deletes a cell whose shim was killed" killed_shim
it "clears away a directory that containerd does not" stuck_bundle
it "replaces a worker that hangs" stopped_worker_recovers
it "answers while a worker hangs that is not needed" others_go_on
it "serves although nobody reads its log" unread_log
it "ends its workers, and no container, when it is killed" supervisor_killed
daemon_start
it "takes over what the former one left" taken_over
it "refuses faults that make no sense, in one line" malformed_faults
daemon_stop
daemon_keep
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
it "answers as if nothing had been when the supervisor is killed in a call" supervisor_killed_in_a_call
it "turns nobody away that comes just after it was killed" nobody_is_turned_away
it "finishes what was begun when supervisor and client are gone" finished_for_nobody
it "gives its answer to a client that comes back late, and does nothing twice" finished_before_it_was_asked
kuked delete realm r --cascade >/dev/null
