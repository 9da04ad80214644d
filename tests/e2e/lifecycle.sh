# tests/e2e/lifecycle.sh - start, restart, stop, kill, exits, limits, cascades, and what the states say of them.
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

scope=(--realm r --space s --stack t)

stop_start_kill() {
	cell_yaml c >"$D/c.yaml"
	run kuked apply -f "$D/c.yaml"
	expect_status 0
	run kuked start c "${scope[@]}"
	expect_refusal 'must first be stopped'
	run kuked stop c "${scope[@]}"
	expect_equal "$out" 'Stopped cell "c" from stack "t"'
	expect_equal "$(cell_state c)" Stopped
	expect_equal "$(ctr_test -n "r.$id.test" tasks ls -q)" ""
	run kuked start c "${scope[@]}"
	expect_equal "$out" 'Started cell "c" from stack "t"'
	expect_equal "$(cell_state c)" Ready
	run kuked kill c "${scope[@]}"
	expect_equal "$out" 'Killed cell "c" from stack "t"'
	expect_equal "$(cell_state c)" Stopped
}

restarts() {
	local pid ip
	cell_yaml c /bin/sh -c 'trap "exit 0" TERM; sleep 1000 & wait' >"$D/c.yaml"
	kuked apply -f "$D/c.yaml" >/dev/null
	pid=$(task_pid c)
	ip=$(cell_ip c)
	run kuked restart c "${scope[@]}"
	expect_equal "$out" 'Restarted cell "c" from stack "t"'
	expect_equal "$(cell_state c)" Ready
	is_another c "$pid" || fail "it is the same process"
	expect_equal "$(cell_ip c)" "$ip"
	run kuked stop c "${scope[@]}"
	run kuked restart c "${scope[@]}"
	expect_equal "$out" 'Started cell "c" from stack "t"'
	expect_equal "$(cell_state c)" Ready
	run kuked restart ghost "${scope[@]}"
	expect_refusal 'cell "ghost" not found in realm "r", space "s", stack "t"'
}

selects() {
	local name
	for name in a b; do
		cell_yaml $name /bin/sh -c 'trap "exit 0" TERM; sleep 1000 & wait' | sed "s/metadata: {/metadata: {labels: {tier: x}, /" >"$D/$name.yaml"
		kuked apply -f "$D/$name.yaml" >/dev/null
	done
	run kuked stop -l tier=x "${scope[@]}"
	expect_equal "$out" $'Stopped cell "a" from stack "t"\nStopped cell "b" from stack "t"'
	run kuked start -l tier=x
	expect_equal "$out" $'Started cell "a" from stack "t"\nStarted cell "b" from stack "t"'
	run kuked start -l tier=x
	expect_status 1
	expect_equal "$(grep -c '^\(Error: \)\?start cell "[ab]": cell "[ab]" has running containers' <<<"$err")" 2
	run kuked restart -l tier=x
	expect_equal "$out" $'Restarted cell "a" from stack "t"\nRestarted cell "b" from stack "t"'
	run kuked kill -l tier=x --stack other
	expect_equal "$out" 'No cells matched the selector.'
	run kuked kill -l tier=x
	expect_equal "$out" $'Killed cell "a" from stack "t"\nKilled cell "b" from stack "t"'
	run kuked kill a -l tier=x
	expect_refusal '--selector cannot be combined'
}

# A shell that ignores TERM is killed after the grace; the layer it wrote to is still there.
stop_escalates_and_keeps_the_layer() {
	cell_yaml deaf /bin/sh -c 'trap "" TERM; echo kept >/tmp/file; while :; do sleep 1; done' >"$D/deaf.yaml"
	run kuked apply -f "$D/deaf.yaml"
	expect_status 0
	local began=$SECONDS
	run kuked stop deaf "${scope[@]}"
	expect_status 0
	[ $((SECONDS - began)) -ge 4 ] || fail "no grace was given"
	run kuked start deaf "${scope[@]}"
	expect_status 0
	expect_equal "$(cat "/proc/$(task_pid deaf)/root/tmp/file")" kept
	run kuked delete cell deaf "${scope[@]}"
	expect_status 0
}

exits_are_told_apart() {
	cell_yaml good /bin/sh -c 'sleep 0.3; exit 0' >"$D/good.yaml"
	cell_yaml bad /bin/sh -c 'sleep 0.3; exit 7' >"$D/bad.yaml"
	run kuked apply -f "$D/good.yaml"
	run kuked apply -f "$D/bad.yaml"
	wait_until 5 state_is good Exited || fail "good is $(cell_state good)"
	wait_until 5 state_is bad Error || fail "bad is $(cell_state bad)"
	run kuked get container main --cell bad "${scope[@]}" -o json
	expect_out '"exitCode": 7'
}

out_of_memory() {
	cell_yaml hungry /bin/sh -c 'sleep 0.3; x=a; while :; do x=$x$x; done' >"$D/hungry.yaml"
	printf '      resources: {memoryLimitBytes: 33554432}\n' >>"$D/hungry.yaml"
	run kuked apply -f "$D/hungry.yaml"
	expect_status 0
	wait_until 20 state_is hungry Error || fail "hungry is $(cell_state hungry)"
	run kuked get container main --cell hungry "${scope[@]}" -o json
	expect_out '"exitCode": 137'
	expect_out '"reason": "OOMKilled"'
	run kuked get cell hungry "${scope[@]}" -o yaml
	expect_out 'OOMKilled'
}

killed_processes() {
	kuked get container main --cell parent "${scope[@]}" -o json | sed -n 's/.*"message": "\([0-9]*\) process.*/\1/p'
}

more_killed_than() {
	[ "$(killed_processes)" -gt "$1" ] 2>/dev/null
}

# The first process lives on while its children are killed; a new cgroup worker goes on watching.
out_of_memory_survived() {
	local before
	cell_yaml parent /bin/sh -c 'while :; do (x=a; while :; do x=$x$x; done); sleep 0.1; done' >"$D/parent.yaml"
	printf '      resources: {memoryLimitBytes: 33554432}\n' >>"$D/parent.yaml"
	run kuked apply -f "$D/parent.yaml"
	expect_status 0
	wait_until 20 more_killed_than 0 || fail "no kill was noticed: $(cell_json parent)"
	expect_equal "$(cell_state parent)" Ready
	pkill -9 -P "$daemon_pid" -x kk-cgroup
	before=$(killed_processes)
	wait_until 20 more_killed_than $((before + 2)) || fail "the new worker does not watch"
	run kuked delete cell parent "${scope[@]}"
	expect_status 0
}

children_are_minded() {
	run kuked delete realm r
	expect_refusal 'resource has child resources: realm "r" has 1 space(s). Use --cascade to delete them or --force'
	run kuked delete stack t --realm r --space s
	expect_refusal 'Use --cascade'
	run kuked delete realm r --cascade
	expect_equal "$out" 'Deleted realm "r"'
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
it "stops, starts and kills" stop_start_kill
it "restarts what runs, and starts what does not" restarts
it "does a verb to all cells with a label" selects
it "escalates to SIGKILL and keeps the writable layer" stop_escalates_and_keeps_the_layer
it "tells a clean exit from a failure" exits_are_told_apart
it "says when memory ran out" out_of_memory
it "says that processes of a running container ran out of memory" out_of_memory_survived
it "minds children" children_are_minded
