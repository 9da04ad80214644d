# tests/e2e/restart.sh - containers that end: who is started again, when, and what is seen of it.
# limit: 240
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

scope=(--realm r --space s --stack t)

# restart_yaml NAME POLICY-LINES COMMAND…
restart_yaml() {
	local name=$1 policy=$2
	shift 2
	cell_yaml "$name" /bin/sh -c "$@"
	printf '      %s\n' "$policy"
}

field() {
	kuked get container main --cell "$1" "${scope[@]}" -o json |
		sed -n "s/^ *\"$2\": \"\?\([^\",]*\)\"\?,\?\$/\1/p" | tail -n 1
}

restarts_are() {
	[ "$(field "$1" restartCount)" -ge "$2" ]
}

# at TEXT: time of the first log line with it behind the last mark, in ms.
at() {
	date -d "$(tail -n +"$mark" "$D/kukeond.log" | grep -m1 "$1" | cut -d' ' -f1)" +%s%3N
}

mark_set() {
	mark=$(($(wc -l <"$D/kukeond.log") + 1))
}

gone() {
	local name
	for name; do
		kuked delete cell "$name" "${scope[@]}" >/dev/null || fail "cell $name stays"
	done
}

comes_back() {
	local pid ip
	restart_yaml back 'restartPolicy: always' 'sleep 1000' >"$D/back.yaml"
	kuked apply -f "$D/back.yaml" >/dev/null
	pid=$(task_pid back)
	ip=$(cell_ip back)
	mark_set
	kill -9 "$pid"
	wait_until 5 is_another back "$pid" || fail "it does not come back: $(cell_json back)"
	wait_until 5 state_is back Ready || fail "it is not Ready: $(cell_json back)"
	expect_equal "$(field back restartCount)" 1
	expect_equal "$(cell_ip back)" "$ip"
	[ $(($(at 'is started again') - $(at "'s_t_back_main' ended"))) -le 50 ] || fail "it took $(($(at 'is started again') - $(at "'s_t_back_main' ended"))) ms to begin"
	run kuked apply -f "$D/back.yaml"
	expect_equal "$out" 'Cell "back": unchanged'
	gone back
}

backs_off() {
	restart_yaml loop 'restartPolicy: always' 'exit 3' >"$D/loop.yaml"
	run kuked apply -f "$D/loop.yaml"
	expect_status 0
	wait_until 5 restarts_are loop 2 || fail "no restarts: $(cell_json loop)"
	wait_until 5 eval 'kuked get containers --cell loop "${scope[@]}" | grep -q "2, next try in [0-9]*s "' ||
		fail "the next try is not shown: $(kuked get containers --cell loop "${scope[@]}")"
	expect_equal "$(cell_state loop)" Degraded
	cell_json loop | grep -q 'ended with status 3; it is started again' || fail "$(cell_json loop)"
	run kuked apply -f "$D/loop.yaml"
	expect_equal "$out" 'Cell "loop": unchanged'
	run kuked stop loop "${scope[@]}"
	expect_equal "$(cell_state loop)" Stopped
	local n
	n=$(field loop restartCount)
	pause 3
	expect_equal "$(field loop restartCount)" "$n"
	expect_equal "$(cell_state loop)" Stopped
	gone loop
}

gives_up() {
	restart_yaml tired 'restartPolicy: on-failure' 'exit 4' >"$D/tired.yaml"
	printf '      restartMaxRetries: 2\n      restartBackoffSeconds: 0\n' >>"$D/tired.yaml"
	kuked apply -f "$D/tired.yaml" >/dev/null
	wait_until 10 state_is tired Error || fail "it is not given up: $(cell_json tired)"
	expect_equal "$(field tired restartCount)" 2
	cell_json tired | grep -q 'given up' || fail "$(cell_json tired)"
	# Whoever starts it gives it as many tries again.
	kuked start tired "${scope[@]}" >/dev/null
	wait_until 10 eval '[ "$(field tired restartCount)" = 4 ]' || fail "$(cell_json tired)"
	wait_until 5 state_is tired Error || fail "$(cell_json tired)"
	gone tired
}

ends_well() {
	restart_yaml job 'restartPolicy: on-failure' 'exit 0' >"$D/job.yaml"
	kuked apply -f "$D/job.yaml" >/dev/null
	wait_until 5 state_is job Exited || fail "$(cell_json job)"
	expect_equal "$(field job restartCount)" 0
	gone job
}

# One of two: the other is the same process all the time.
leaves_the_others() {
	local pid
	restart_yaml two 'restartPolicy: always' 'sleep 1000' >"$D/two.yaml"
	cell_yaml two /bin/sh -c 'sleep 0.5; exit 1' | sed '1,/containers:/d; s/id: main/id: side/' >>"$D/two.yaml"
	printf '      restartPolicy: always\n' >>"$D/two.yaml"
	kuked apply -f "$D/two.yaml" >/dev/null
	pid=$(task_pid two)
	wait_until 10 eval 'cell_json two | grep -q "\"restartCount\": 2"' || fail "$(cell_json two)"
	expect_equal "$(task_pid two)" "$pid"
	gone two
}

# What can't be started has its next try, and its cell does not fail with it.
can_not_be_started() {
	local pid dir
	dir=$(mktemp -d "$D/fault.XXXX")
	restart_yaml lost 'restartPolicy: always' 'sleep 1000' >"$D/lost.yaml"
	kuked apply -f "$D/lost.yaml" >/dev/null
	pid=$(task_pid lost)
	arm "dir=$dir;containerd.container_start.begin=1*error(IO)"
	kill -9 "$pid"
	wait_until 5 is_another lost "$pid" || fail "it does not come back: $(cell_json lost)"
	wait_until 5 state_is lost Ready || fail "$(cell_json lost)"
	expect_equal "$(field lost restartCount)" 2
	arm ''
	gone lost
}

# The tries are counted on disk: neither reconciler nor daemon begin anew.
outlives_us() {
	local n
	restart_yaml last 'restartPolicy: on-failure' 'sleep 0.2; exit 1' >"$D/last.yaml"
	printf '      restartMaxRetries: 3\n      restartBackoffSeconds: 1\n' >>"$D/last.yaml"
	kuked apply -f "$D/last.yaml" >/dev/null
	wait_until 5 restarts_are last 1 || fail "$(cell_json last)"
	kill -9 "$(worker_pid reconciler)"
	wait_until 8 restarts_are last 2 || fail "$(cell_json last)"
	kill -9 "$daemon_pid"
	wait "$daemon_pid" 2>/dev/null
	daemon_start
	wait_until 8 state_is last Error || fail "$(cell_json last)"
	expect_equal "$(field last restartCount)" 3
	gone last
	n=$(ctr_test -n "r.$id.test" containers ls -q | wc -l)
	expect_equal "$n" 0
	echo "$daemon_pid" >"$D/daemon_pid"
}

# It ended while nobody was there to see it.
ended_unseen() {
	local pid
	restart_yaml unseen 'restartPolicy: always' 'sleep 1000' >"$D/unseen.yaml"
	kuked apply -f "$D/unseen.yaml" >/dev/null
	pid=$(task_pid unseen)
	kill -STOP "$daemon_pid"
	kill -9 "$(worker_pid reconciler)" "$pid"
	kill -CONT "$daemon_pid"
	wait_until 5 is_another unseen "$pid" || fail "it does not come back: $(cell_json unseen)"
	wait_until 5 state_is unseen Ready || fail "$(cell_json unseen)"
	gone unseen
}

deletes_itself() {
	restart_yaml once 'restartPolicy: never' 'sleep 0.3' >"$D/once.yaml"
	sed -i 's/^spec:/spec:\n  autoDelete: true/' "$D/once.yaml"
	kuked apply -f "$D/once.yaml" >/dev/null
	wait_until 5 eval '! kuked get cell once "${scope[@]}"' || fail "it stays: $(cell_json once)"
	wait_until 5 eval '[ -z "$(ctr_test -n "r.$id.test" containers ls -q)" ]' || fail "its container stays"
	# One that failed is kept, to be looked at; one that somebody stopped as well.
	sed -i 's/sleep 0.3/exit 1/' "$D/once.yaml"
	kuked apply -f "$D/once.yaml" >/dev/null
	wait_until 5 state_is once Error || fail "$(cell_json once)"
	gone once
	sed -i 's/exit 1/trap "exit 0" TERM; sleep 1000 \& wait/' "$D/once.yaml"
	kuked apply -f "$D/once.yaml" >/dev/null
	kuked stop once "${scope[@]}" >/dev/null
	kuked refresh >/dev/null 2>&1
	expect_equal "$(cell_state once)" Stopped
	gone once
}

# An in-process command looks, and leaves the rest to the daemon.
in_process_looks() {
	restart_yaml look 'restartPolicy: always' 'exit 3' >"$D/look.yaml"
	daemon_stop
	kukel apply -f "$D/look.yaml" >/dev/null
	run kukel get cell look "${scope[@]}" -o json
	expect_out '"restartCount": 0'
	daemon_start
	wait_until 5 restarts_are look 1 || fail "$(cell_json look)"
	gone look
	echo "$daemon_pid" >"$D/daemon_pid"
}

# Twenty of them, as fast as they can: whoever asks is answered.
crowd() {
	local i began
	for ((i = 0; i < 20; i++)); do
		restart_yaml "crowd$i" 'restartPolicy: always' 'exit 1'
		echo ---
	done >"$D/crowd.yaml"
	kuked apply -f "$D/crowd.yaml" >/dev/null || fail "they can't be applied"
	for ((i = 0; i < 20; i++)); do
		wait_until 20 restarts_are "crowd$i" 2 || fail "$(cell_json "crowd$i")"
	done
	wait_until 10 eval '[ "$(kuked get cells | grep -c "^crowd.*Degraded")" = 20 ]' || fail "$(kuked get cells)"
	run kuked delete stack t --realm r --space s --cascade
	expect_status 0
	expect_equal "$(ctr_test -n "r.$id.test" containers ls -q | wc -l)" 0
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
it "starts a container again that was killed, within 50 ms" comes_back
it "waits longer each time, and says so" backs_off
it "gives up after as many tries as it may have" gives_up
it "leaves one alone that ended well" ends_well
it "leaves the other containers of a cell alone" leaves_the_others
it "tries again what could not be started" can_not_be_started
it "counts on when it was killed itself" outlives_us
[ ! -e "$D/daemon_pid" ] || daemon_pid=$(<"$D/daemon_pid")
it "starts what ended unseen" ended_unseen
it "deletes a cell with autoDelete when its work is over, and no other" deletes_itself
it "leaves restarts to the daemon when in-process" in_process_looks
[ ! -e "$D/daemon_pid" ] || daemon_pid=$(<"$D/daemon_pid")
it "serves others while twenty cells crash" crowd
kuked delete realm r --cascade >/dev/null
