# tests/e2e/doctor.sh - what is left over is found and removed, and nothing else; the controllers that limits need.
# limit: 120
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

scope=(--realm r --space s --stack t)

healthy() {
	run kuked doctor
	expect_equal "$status$out$err" "0No leaks found."
	run kukel doctor -o json
	expect_equal "$out" "[]"
	run kuked doctor -o yaml
	expect_refusal 'invalid --output "yaml": want json'
}

# Its document is gone, and with it all that knew of it.
lost_cell() {
	local pid out
	cell_yaml lost | kuked apply -f - >/dev/null
	pid=$(task_pid lost)
	rm -rf "$RP/data/r/s/t/lost"
	run kuked doctor
	expect_status 1
	expect_out "container s_t_lost_main"
	expect_out "lease of s_t_lost_root in network r-s"
	expect_out "cgroup /kuke-$id/r/s/t/lost, with processes"
	expect_equal "$(grep -c 'r/s/t/lost' <<<"$out")" 4
	kill -0 "$pid" || fail "a look has ended it"
	run kuked doctor --fix
	expect_status 0
	expect_out "Removed container s_t_lost_main"
	expect_out "No leaks found."
	! kill -0 "$pid" 2>/dev/null || fail "it still runs"
	expect_equal "$(cell_state kept)" Ready
	healthy
}

by_hand() {
	local table
	ip link add "kv$id" type bridge
	ip link set "kv$id" alias "kukeon:$instance:r/s/t/ghost"
	ip link add "kx$id" type bridge
	ip link set "kx$id" alias "kukeon:ffffffff:r/s/t/ghost"
	for top in /sys/fs/cgroup/pids /sys/fs/cgroup/unified /sys/fs/cgroup; do
		[ ! -d "$top/kuke-$id" ] || mkdir -p "$top/kuke-$id/old/s"
	done
	ctr_test namespaces create "other.$id.test"
	run kukel doctor
	expect_status 1
	table=$(awk 'NR > 2 { print $1, $2, $3 }' <<<"$out" | sort)
	[[ $table = *"link kv$id r/s/t/ghost"* ]] || fail "$table"
	[[ $table = *"cgroup /kuke-$id/old old"* ]] || fail "$table"
	[[ $table != *"kx$id"* ]] || fail "another instance's: $table"
	[[ $out = *"containerd namespace other.$id.test"*"by hand: it may be another instance's"* ]] || fail "$out"
	run kuked doctor --fix
	expect_status 1
	expect_out "Removed link kv$id"
	expect_out "Removed cgroup /kuke-$id/old"
	expect_err '1 thing(s) belong to nothing'
	! ip link show "kv$id" >/dev/null 2>&1 || fail "the link is there"
	ip link show "kx$id" >/dev/null || fail "another instance's link was removed"
	ctr_test namespaces ls -q | grep -q "other.$id.test" || fail "a namespace was removed"
	ip link del "kx$id"
	ctr_test namespaces remove "other.$id.test" >/dev/null
	healthy
	expect_equal "$(cell_state kept)" Ready
}

# Who dies amid it is replaced, and the same comes out.
killed() {
	local point dir
	for point in network.network_inventory.end containerd.container_list.end cgroup.cgroup_inventory.begin network.cell_network_remove.end; do
		cell_yaml gone | kuked apply -f - >/dev/null
		rm -rf "$RP/data/r/s/t/gone"
		dir=$(mktemp -d "$D/fault.XXXX")
		arm "dir=$dir;$point=1*kill"
		run kuked doctor --fix
		expect_equal "$status$err" 0
		expect_out 'No leaks found.'
		[ -e "$dir/$point.1" ] || fail "$point was not passed"
		arm ''
	done
}

# What is being made has a layer before it has a record.
in_the_making() {
	local applier
	arm "containerd.container_create.begin=delay(1500)"
	cell_yaml made | kuked apply -f - >/dev/null &
	applier=$!
	wait_until 5 eval 'ctr_test -n "r.$id.test" snapshots ls | grep -q s_t_made' || fail "no layer"
	run kuked doctor --fix
	expect_equal "$status$err" 0
	expect_out 'No leaks found.'
	wait $applier || fail "the apply failed"
	arm ''
	expect_equal "$(cell_state made)" Ready
	kuked delete cell made --realm r --space s --stack t >/dev/null
}

# fake CONTROLLERS ENABLED: a cgroup root.
fake() {
	mkdir -p "$D/cgroup"
	echo "$1" >"$D/cgroup/cgroup.controllers"
	echo "$2" >"$D/cgroup/cgroup.subtree_control"
}

controllers() {
	fake "cpuset cpu io memory pids" "cpu io memory pids"
	run kuke doctor cgroups --no-probe --root "$D/cgroup"
	expect_equal "$status$out$err" 0
	run kuke doctor cgroups --no-probe --root "$D/cgroup" --verbose-status
	expect_out 'required:  cpu, memory, io, pids'
	expect_out '  memory: enabled'
	fake "cpuset cpu io memory pids" "cpu io pids"
	run kuke doctor cgroups --no-probe --root "$D/cgroup"
	expect_equal "$status$out" 1
	expect_err 'memory: needs-delegation'
	expect_err "fix: echo \"+memory\" | sudo tee $D/cgroup/cgroup.subtree_control"
	expect_err "cgroup pre-flight: missing controllers at $D/cgroup/cgroup.subtree_control"
	fake "cpu io pids" "cpu io pids"
	run kuke doctor cgroups --no-probe --root "$D/cgroup"
	expect_err 'memory: kernel-missing'
	run kuke doctor cgroups --no-probe --root "$D/nowhere"
	expect_refusal "cgroup pre-flight: read $D/nowhere/cgroup.controllers: "
}

usage() {
	run kuke doctor cgroups --no-probe x
	expect_refusal 'positional name "x" is only valid with --scope realm|space|stack|cell'
	run kuke doctor cgroups --no-probe --scope cell c1 --realm r
	expect_refusal '--scope cell requires --space'
	run kuke doctor cgroups --no-probe --scope realm
	expect_refusal '--scope realm requires a positional <name> argument'
	run kuke doctor cgroups --no-probe --scope planet x
	expect_refusal '--scope must be one of: realm, space, stack, cell (got "planet")'
	run kuked doctor cgroups --no-probe --scope realm nobody
	expect_refusal 'realm "nobody" not found'
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
cell_yaml kept | kuked apply -f - >/dev/null
it "finds nothing where nothing is left over" healthy
it "finds and removes what is left of a cell" lost_cell
it "removes what was made by hand, and leaves what is others'" by_hand
it "comes to an end when a worker is killed" killed
it "does not take what is being made for a leak" in_the_making
it "rows 148, 149: looks for controllers" controllers
it "rows 150, 151: minds its arguments" usage
kuked delete realm r --cascade >/dev/null
