# tests/e2e/parity.sh - with the daemon and in-process: the same verbs, the same output, one state.
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

PARALLEL=${PARALLEL:-$((50 / ${CK_TIMEOUT_MULTIPLIER:-1}))} # an emulated machine would need longer than a worker may

# The same from both sides. Ages may move on between two looks, a real difference stays.
expect_same() {
	local try
	for try in 1 2 3; do
		cmp -s <(kuked "$@") <(kukel "$@" --no-daemon) && return
	done
	fail "$* differs: $(diff <(kuked "$@") <(kukel "$@" --no-daemon))"
}

same_output() {
	local kind format
	cell_yaml one >"$D/one.yaml"
	run kuked apply -f "$D/one.yaml"
	expect_out 'Cell "one": created'
	for kind in realms spaces stacks cells containers; do
		for format in table wide yaml json; do
			expect_same get $kind -o $format
		done
	done
	cmp <(kuked get cell one --realm r --space s --stack t -o yaml) \
		<(KUKEON_NO_DAEMON=true KUKEON_RUN_PATH=$RP kuke get cell one --realm r --space s --stack t -o yaml) ||
		fail "get cell one differs"
}

parallel_beside_daemon() {
	local i pids=()
	for ((i = 0; i < PARALLEL; i++)); do
		cell_yaml "p$i" >"$D/p$i.yaml"
		kukel apply -f "$D/p$i.yaml" >"$D/p$i.out" 2>&1 &
		pids+=($!)
	done
	for ((i = 0; i < PARALLEL; i++)); do
		wait "${pids[i]}" || fail "apply of p$i: status $?: $(<"$D/p$i.out")"
	done
	expect_equal "$(kuked get cells | grep -c ' Ready ')" $((PARALLEL + 1))
	expect_equal "$(ctr_test -n "r.$id.test" tasks ls | grep -c RUNNING)" $((PARALLEL + 1))
	run kuked delete space s --realm r --cascade
	expect_status 0
}

verbs_in_process() {
	local scope="--realm r --space s --stack t"
	run kukel apply -f "$D/one.yaml"
	expect_equal "$out" 'Cell "one": created'
	run kukel apply -f "$D/one.yaml"
	expect_equal "$out" 'Cell "one": unchanged'
	# shellcheck disable=SC2086
	{
		run kukel stop one $scope
		expect_equal "$out" 'Stopped cell "one" from stack "t"'
		run kukel start one $scope
		expect_equal "$out" 'Started cell "one" from stack "t"'
		run kukel kill one $scope
		expect_equal "$out" 'Killed cell "one" from stack "t"'
		run kukel delete cell one $scope
		expect_equal "$out" 'Deleted cell "one" from stack "t"'
	}
	run env KUKEON_NO_DAEMON=true KUKEON_RUN_PATH="$RP" kuke delete realm r --cascade
	expect_equal "$out" 'Deleted realm "r"'
}

reading_makes_nothing() {
	run kuke --run-path "$D/none" get realms
	expect_equal "$out" 'No realms found.'
	run kuke --run-path "$D/none" get cells -o json
	expect_equal "$out" '[]'
	run kuke --run-path "$D/none" get realm x
	expect_refusal 'realm "x" not found'
	[ ! -e "$D/none" ] || fail "a run path was made"
}

promotion_blocked() {
	run env KUKEON_NO_DAEMON=false kuke --host unix:///nope.sock --run-path "$RP" get realms
	expect_refusal 'dial kukeond at /nope.sock'
	run kuke --host unix:///nope.sock --run-path "$RP" get realms --no-daemon=false
	expect_refusal 'dial kukeond at /nope.sock'
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
it "shows the same in every kind and format" same_output
it "takes $PARALLEL in-process applies beside a daemon" parallel_beside_daemon
daemon_stop
it "does every verb without a daemon" verbs_in_process
it "makes nothing where it only reads" reading_makes_nothing
it "does not promote where it is told not to" promotion_blocked
