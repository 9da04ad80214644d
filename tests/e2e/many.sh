# tests/e2e/many.sh - verbs for many cells at once, what is kukeond's own, and the fields of documents.
# limit: 150
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

ten() {
	local i
	for i in 0 1 2 3 4 5 6 7 8 9; do
		echo ---
		cell_yaml "c$i" | sed "s/^metadata:.*/metadata: {name: c$i, labels: {app: ten}}/"
	done
}

# Each of them takes its whole grace.
stopped_together() {
	local began
	ten | kuked apply -f - >/dev/null
	began=$EPOCHSECONDS
	run kuked stop -l app=ten
	expect_status 0
	expect_equal "$out" "$(printf 'Stopped cell "c%s" from stack "t"\n' 0 1 2 3 4 5 6 7 8 9)"
	[ $((EPOCHSECONDS - began)) -lt 40 ] || fail "one after the other: $((EPOCHSECONDS - began)) s"
	run kuked start --all --realm r
	expect_equal "$out" "$(printf 'Started cell "c%s" from stack "t"\n' 0 1 2 3 4 5 6 7 8 9)"
	run kuked start -l app=ten
	expect_status 1
	expect_equal "$out" ""
	expect_equal "$(grep -c 'has running containers' <<<"$err")" 10
	expect_equal "$(sed -n 1p <<<"$err")" 'Error: start cell "c0": cell "c0" has running containers and must first be stopped'
	run kukel kill -A
	expect_equal "$(wc -l <<<"$out")" 10
}

while_workers_die() {
	local role
	run kuked start -A
	expect_status 0
	(exec kuke --host "unix://$D/k.sock" restart -A >"$D/restarted" 2>&1) &
	local all=$!
	for role in reconciler containerd network; do
		kill -9 "$(worker_pid $role)"
		pause 0.1
	done
	wait "$all" || fail "$(<"$D/restarted")"
	expect_equal "$(<"$D/restarted")" "$(printf 'Restarted cell "c%s" from stack "t"\n' 0 1 2 3 4 5 6 7 8 9)"
	expect_equal "$(kuked get cells -o 'jsonpath={range .items[*]}{.status.state}{"\n"}{end}' | sort | uniq -c | xargs)" "10 Ready"
	kuked kill -A >/dev/null
	kuked delete stack t --realm r --space s --cascade >/dev/null
}

nobody() {
	run kuked stop -l app=none
	expect_equal "$status$out" "0No cells matched the selector."
	run kuked stop -A --realm nobody
	expect_equal "$status$out" "0No cells found."
	run kuked stop web -A
	expect_refusal '--all cannot be combined with a resource name'
	run kuked stop -A -l a=b
	expect_refusal '--all cannot be combined with --selector'
	run kuked stop
	expect_status 1
}

# Of all realms, although a variable names one.
all_realms() {
	kuked create realm other >/dev/null
	export KUKE_GET_SPACE_REALM=other
	cell_yaml a | kuked apply -f - >/dev/null
	expect_equal "$(kuked get spaces -o name)" ""
	expect_equal "$(kuked get spaces -A -o name)" s
	unset KUKE_GET_SPACE_REALM
	run kuked get space s -A
	expect_refusal '--all cannot be combined with a resource name'
	kuked delete realm other >/dev/null
	kuked delete cell a --realm r --space s --stack t >/dev/null
}

# What runs kukeond is not stopped or removed by the way.
the_system() {
	local own='realm "kuke-system" is kukeond'\''s own: pass --force'
	kuked create realm kuke-system >/dev/null
	kukel image load "$D/busybox.tar" --realm kuke-system >/dev/null
	cell_yaml own | sed 's/realmId: r/realmId: kuke-system/; s/^metadata:.*/metadata: {name: own, labels: {app: own}}/' >"$D/own.yaml"
	kuked apply -f "$D/own.yaml" >/dev/null
	local scope=(--realm kuke-system --space s --stack t)
	local way verb
	for way in kuked kukel; do
		for verb in stop kill restart "delete cell" "purge cell"; do
			# shellcheck disable=SC2086
			run $way $verb own "${scope[@]}"
			expect_refusal "$own"
		done
		run $way delete realm kuke-system --cascade
		expect_refusal "$own"
		run $way purge space s --realm kuke-system --cascade
		expect_refusal "$own"
		run $way stop -A
		expect_out 'No cells found.'
		run $way kill -l app=own
		expect_out 'No cells matched the selector.'
		run $way delete -f "$D/own.yaml"
		expect_status 1
		expect_out "$own"
	done
	expect_equal "$(kuked get cell own "${scope[@]}" -o 'jsonpath={.status.state}')" Ready
	run kuked kill own "${scope[@]}" --force
	expect_out 'Killed cell "own"'
	run kuked delete realm kuke-system --cascade --force
	expect_out 'Deleted realm "kuke-system"'
}

explained() {
	run kuke explain cell.spec.containers.image
	expect_equal "$out" 'cell.spec.containers.image <string, required, a change recreates the container>
  Image that it is made from'
	run kuke explain spaces
	expect_out 'Space (apiVersion v1beta1)'
	expect_out '  spec <object>'
	run kuke explain cell.status.state
	expect_out 'one of: Pending, Ready, Stopped'
	run kuke explain cell.spek
	expect_refusal 'there is no field "spek"; there are apiVersion, kind, metadata, spec, status'
	run kuke explain cell.metadata.name.first
	expect_refusal 'nothing is below "cell.metadata.name"'
	run kuke explain planet
	expect_refusal 'unknown kind "planet"'
	run kuke explain
	expect_refusal 'accepts 1 arg(s), received 0'
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
it "stops and starts many at once, and tells it in order" stopped_together
it "does so while workers are killed" while_workers_die
it "says that there are none" nobody
it "gets those of all realms" all_realms
it "leaves alone what is kukeond's own" the_system
it "tells what fields are for" explained
kuked delete realm r --cascade >/dev/null
