# tests/e2e/heal.sh - what somebody takes away while cells run: it is noticed within a second, made again, and the
# containers do not notice.
# limit: 240
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

scope=(--realm r --space s --stack t)
n_cells=20

cells_apply() {
	local i
	for ((i = 0; i < n_cells; i++)); do
		cell_yaml "c$i"
		echo ---
	done >"$D/cells.yaml"
	kuked apply -f "$D/cells.yaml" >/dev/null || fail "not applied"
	for ((i = 0; i < n_cells; i++)); do
		cell_ip "c$i"
	done >"$D/ips"
}

# All processes of the cells, by container.
tasks() {
	ctr_test -n "r.$id.test" tasks ls | awk 'NR > 1 { print $1, $2, $3 }' | sort
}

bridge() {
	cell_json c0 | sed -n 's/.*"bridgeName": "\(.*\)".*/\1/p'
}

# heals CHECK COMMAND…: the command breaks it, and within a second the check holds again.
heals() {
	local check=$1 before
	shift
	before=$(tasks)
	"$@" || fail "could not be broken: $*"
	within 1000 "$check" || fail "not repaired within a second"
	expect_equal "$(tasks)" "$before"
}

in_cell() {
	local pid
	pid=$(task_pid "$1")
	shift
	nsenter -t "$pid" -n "$@"
}

all_reachable() {
	local i
	for i in 0 7 19; do
		ping -c 1 -W 0.1 "${ips[i]}" || return 1
	done
	in_cell c0 ping -c 1 -W 0.1 "${ips[19]}"
}

links_are_there() {
	[ "$(ip -o link show master "$(bridge)" | wc -l)" = $n_cells ]
}

# The kernel takes up to a second more until a new bridge has a carrier.
bridge_deleted() {
	heals links_are_there ip link del "$(bridge)"
	within 2000 all_reachable || fail "not reachable"
}

bridge_down() {
	heals all_reachable ip link set "$(bridge)" down
}

bridge_without_address() {
	heals all_reachable ip addr flush dev "$(bridge)"
}

link_of() {
	ip -o link show | grep -F "r/s/t/$1" | sed 's/^[0-9]*: \([^@:]*\).*/\1/'
}

link_deleted() {
	heals all_reachable ip link del "$(link_of c7)"
}

link_off_its_bridge() {
	heals all_reachable ip link set "$(link_of c7)" nomaster
}

rules_are_there() {
	nft list table inet "kukeon_$instance" | grep -q masquerade &&
		nft list set inet "kukeon_$instance" bridges | grep -q "$(bridge)"
}

rules_deleted() {
	heals rules_are_there nft delete table inet "kukeon_$instance"
}

rule_deleted() {
	heals rules_are_there nft flush chain inet "kukeon_$instance" outgoing
}

conflist_is_there() {
	grep -q "$(bridge)" "$RP/data/r/s/network.conflist"
}

conflist_deleted() {
	heals conflist_is_there rm "$RP/data/r/s/network.conflist"
}

conflist_edited() {
	heals conflist_is_there cp /dev/null "$RP/data/r/s/network.conflist"
}

lease() {
	echo "/var/lib/cni/networks/$(sed 's/.*"network":"\([^"]*\)".*/\1/' "$RP/data/r/s/network.json")/${ips[3]}"
}

lease_is_there() {
	grep -q s_t_c3_root "$(lease)"
}

lease_deleted() {
	heals lease_is_there rm "$(lease)"
}

cgroup_is_there() {
	[ -n "$(find /sys/fs/cgroup -maxdepth 4 -path "*/kuke-$id/r/empty" 2>/dev/null)" ]
}

# Only what holds no process can be removed: seen by the pass, which follows containerd's return as well.
cgroup_deleted() {
	kuked create space empty --realm r >/dev/null
	cgroup_is_there || fail "there is no cgroup"
	find /sys/fs/cgroup -maxdepth 4 -path "*/kuke-$id/r/empty" -exec rmdir {} + 2>/dev/null
	kuked refresh >/dev/null
	wait_until 5 cgroup_is_there || fail "not repaired"
	kuked delete space empty --realm r >/dev/null
}

namespaces_unpinned() {
	local pid pin
	pid=$(task_pid c5)
	pin=$(cell_pin c5)
	umount -l "$pin" && rm "$pin"
	wait_until 10 is_another c5 "$pid" || fail "the cell is not started again"
	wait_until 5 state_is c5 Ready || fail "the cell is not Ready"
	ping -c 1 -W 1 "$(cell_ip c5)" || fail "the cell is not reachable"
}

# The file that pins the network namespace of a cell.
cell_pin() {
	local file inode
	inode=$(stat -Lc %i "/proc/$(task_pid "$1")/ns/net")
	for file in "$RP"/run/netns/*; do
		[ "$(stat -Lc %i "$file")" != "$inode" ] || echo "$file"
	done
}

shim_killed() {
	pkill -9 -f "containerd-shim.*-id s_t_c1_main .*$D/containerd.sock" || fail "no shim was found"
	within 1000 state_is c1 Error || fail "reported as $(cell_state c1)"
	kuked start c1 "${scope[@]}" >/dev/null || fail "it does not start again"
	state_is c1 Ready || fail "it is $(cell_state c1)"
}

task_removed() {
	ctr_test -n "r.$id.test" tasks rm -f s_t_c2_main >/dev/null
	within 1000 state_is c2 Error || fail "reported as $(cell_state c2)"
	kuked start c2 "${scope[@]}" >/dev/null || fail "it does not start again"
}

containerd_killed() {
	local before
	before=$(tasks)
	kill -9 "$containerd_pid"
	# Whoever follows its events has tried in vain by now.
	wait_until 5 grep -q "event stream ended" "$D/kukeond.log" || fail "nobody saw it go"
	containerd_start
	wait_until 5 all_ready || fail "states are wrong: $(kuked get cells)"
	expect_equal "$(tasks)" "$before"
	kill -9 "$(task_pid c4)"
	within 1000 state_is c4 Error || fail "an exit is not seen any more: $(cell_state c4)"
	kuked start c4 "${scope[@]}" >/dev/null || fail "it does not start again"
}

all_ready() {
	[ "$(kuked get cells | grep -c ' Ready ')" = $n_cells ]
}

network_worker_was_dead() {
	local bridge
	bridge=$(bridge)
	kill -9 "$(worker_pid network)"
	ip link del "$bridge"
	wait_until 2 all_reachable || fail "what happened while nobody looked is not repaired"
}

all_removed() {
	kuked delete realm r --cascade >/dev/null || fail "the realm stays"
	expect_equal "$(kuked get realms)" 'No realms found.'
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
it "applies $n_cells cells" cells_apply
mapfile -t ips <"$D/ips"
it "a bridge that is deleted" bridge_deleted
it "a bridge that is set down" bridge_down
it "a bridge whose address is removed" bridge_without_address
it "a link that is deleted" link_deleted
it "a link that is taken off its bridge" link_off_its_bridge
it "a table of rules that is deleted" rules_deleted
it "a rule that is flushed" rule_deleted
it "a conflist that is deleted" conflist_deleted
it "a conflist that is overwritten" conflist_edited
it "a lease that is deleted" lease_deleted
it "a bridge that is deleted while the network worker is dead" network_worker_was_dead
it "a cgroup that is removed" cgroup_deleted
it "namespaces that lose their pins: the cell is started again" namespaces_unpinned
it "a shim that is killed is reported" shim_killed
it "a task that is removed is reported" task_removed
it "containerd that is killed" containerd_killed
it "removes all that it made" all_removed
