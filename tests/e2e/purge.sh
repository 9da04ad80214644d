# tests/e2e/purge.sh - kuke purge and kuke refresh: rows 88-90 and 97, and what is found of a lost realm.
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

scope=(--realm r --space s --stack t)

minds_children() {
	run kuked purge realm r
	expect_refusal 'failed to purge realm: resource has child resources: realm "r" has 1 space(s). Use --cascade to purge them or --force to skip validation'
	run kuked purge space s --realm r
	expect_refusal 'space "s" has 1 stack(s). Use --cascade to purge them'
	run kuked purge stack t --realm r --space s
	expect_refusal 'stack "t" has 1 cell(s). Use --cascade to purge them'
	expect_equal "$(cell_state c)" Ready
	run kuked purge
	expect_status 0
	expect_out 'Usage:'
}

purges_in_order() {
	run kuked purge cell c "${scope[@]}"
	expect_status 0
	expect_equal "$out" $'Purged cell "c" from stack "t"\nAdditional resources purged: [cni-resources orphaned-containers all-metadata]'
	expect_equal "$(ctr_test -n "r.$id.test" containers ls -q)" ""
	run kuked purge cell c "${scope[@]}"
	expect_refusal 'cell "c" not found in realm "r", space "s", stack "t"'
	run kuked purge stack t --realm r --space s
	expect_out 'Purged stack "t" from space "s"'
	run kuked purge space s --realm r
	expect_status 0
	expect_out $'Purged space "s" from realm "r"\nDeleted resources -> metadata:true cgroup:true cni:true\n'
	run kuked purge space s --realm r
	expect_refusal 'space "s" not found in realm "r"'
}

purges_what_is_lost() {
	kuked apply -f "$D/c.yaml" >/dev/null
	find "$RP/data/r" -name metadata.json -delete
	kuked refresh >/dev/null
	run kuked purge realm r --force
	expect_status 0
	expect_out 'Purged realm "r"'
	[ ! -e "$RP/data/r" ] || fail "files are left: $(find "$RP/data/r")"
	expect_equal "$(ctr_test namespaces ls -q | grep -Fx "r.$id.test")" ""
	expect_equal "$(ctr_test -n "r.$id.test" tasks ls -q)" ""
	expect_equal "$(find "$RP/run/netns" -mindepth 1 2>/dev/null)" ""
	expect_equal "$(grep -l "^kukeon:$(instance):" /sys/class/net/*/ifalias 2>/dev/null)" ""
}

instance() {
	sed -n 's/.*"instance" *: *"\([^"]*\)".*/\1/p' "$RP/.kukeon-instance.json"
}

# Nobody purged it: what there is of its network is that of another one now.
made_anew_over_the_lost() {
	kuked create realm r >/dev/null
	kukel image load "$D/busybox.tar" --realm r >/dev/null
	kuked apply -f "$D/c.yaml" >/dev/null
	find "$RP/data/r/s" -name metadata.json -delete
	rm "$RP/data/r/s/network.json"
	run kuked apply -f "$D/c.yaml"
	expect_status 0
	expect_equal "$(cell_state c)" Ready
	run kuked delete space s --realm r --cascade
	expect_status 0
}

# Row 88: with nobody there, and with nothing there.
purges_in_process() {
	daemon_stop
	run kukel create realm r9
	run kukel purge realm r9
	expect_status 0
	expect_out 'Purged realm "r9"'
	run kukel get realm r9
	expect_err 'realm "r9" not found'
	run kukel purge realm r9
	expect_status 0
	run kuke --host "unix://$D/k.sock" --run-path "$RP" purge realm r9 --no-daemon
	expect_status 0
	run kuked purge realm r9
	expect_refusal 'dial kukeond'
}

# Row 97, and what a look finds.
refreshes() {
	local pid
	kuked apply -f "$D/c.yaml" >/dev/null
	pid=$(task_pid c)
	run kuked refresh
	expect_status 0
	expect_equal "$out" 'Refreshed metadata status:
  Realms: 1 (r)
  Spaces: 1 (s)
  Stacks: 1 (t)
  Cells: 1 (c)
  Containers: 1 (r/s/t/c/main)

Updated:
  (none)

Errors:
  (none)'
	kill -STOP "$(worker_pid containerd)"
	kill -9 "$pid"
	kill -9 "$(worker_pid containerd)"
	wait_until 5 state_is c Error || fail "$(cell_json c)"
	daemon_stop
	kukel start c "${scope[@]}" >/dev/null
	kill -9 "$(task_pid c)"
	run kukel refresh
	expect_out $'Updated:\n  Cells: 1 (c)\n  Containers: 1 (r/s/t/c/main)'
	echo broken >"$RP/data/r/s/metadata.json"
	run kukel refresh
	expect_status 0
	run kukel create realm a
	for name in b d e f g; do kukel create realm $name >/dev/null; done
	run kukel refresh
	expect_out '  Realms: 7 (a, b, d, e, f, ...)'
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
cell_yaml c >"$D/c.yaml"
kuked apply -f "$D/c.yaml" >/dev/null
it "minds children" minds_children
it "purges from the cell up" purges_in_order
it "purges what is left of a realm that lost its documents" purges_what_is_lost
it "makes a cell anew over what is left of a lost one" made_anew_over_the_lost
it "tells what a look found" refreshes
daemon_stop
it "purges in-process" purges_in_process
for realm in r a b d e f g; do
	kukel purge realm $realm --cascade >/dev/null
done
