# tests/e2e/init_faults.sh - an init or uninstall that is killed, or that the host lets down, is completed by the next.
# limit: 300
# shellcheck source=tests/support/lib.bash source=tests/support/setup.bash
. tests/support/lib.bash
. tests/support/setup.bash

completes() {
	run ki init
	expect_status 0
	expect_equal "$(tail -n 1 <<<"$out")" "kukeond is ready (unix://$socket)"
	expect_equal "$(kd get cells --realm kuke-system -o name)" kukeond
	run kd doctor
	expect_out "No leaks found."
}

killed_at() {
	KUKEON_FAULTS="client.$1=kill" ki init >/dev/null 2>&1
	expect_equal $? 137
	completes
	run ki uninstall -y
	expect_status 0
	[ ! -e "$RP" ] || fail "$RP is still there"
}

# A worker that dies is nothing that init would notice.
loses_workers() {
	local point
	mkdir -p "$D/faults"
	for point in cgroup.cgroup_ensure.begin cgroup.cgroup_ensure.end network.space_network_ensure.begin \
		network.space_network_ensure.end network.bridge_made network.cell_network_ensure.end \
		containerd.namespace_ensure.end containerd.image_load.begin containerd.image_load.end \
		containerd.blobs_stored containerd.container_create.begin containerd.record_made \
		containerd.container_create.end containerd.container_start.begin containerd.container_start.end \
		reconciler.saved reconciler.phase_done reconciler.before_answer; do
		run env KUKEON_FAULTS="dir=$D/faults;$point=1*kill" kuke --run-path "$RP" init
		[ "$status" = 0 ] || fail "$point: status $status: $err"
		expect_equal "$(tail -n 1 <<<"$out")" "kukeond is ready (unix://$socket)"
		run ki uninstall -y
		expect_status 0
	done
}

# Both go as if nothing had been in the way, and what is half gone is no obstacle.
uninstall_killed_at() {
	ki init >/dev/null || fail "no init"
	KUKEON_FAULTS="client.$1=kill" ki uninstall -y >/dev/null 2>&1
	expect_equal $? 137
	run ki uninstall -y
	expect_status 0
	[ ! -e "$RP" ] || fail "$RP is still there"
	expect_equal "$(host_state)" ""
}

init_between() {
	ki init >/dev/null || fail "no init"
	KUKEON_FAULTS="client.uninstall_purged=kill" ki uninstall -y >/dev/null 2>&1
	completes
	ki uninstall -y >/dev/null || fail "no uninstall"
}

fills_the_disk() {
	mkdir -p "$RP"
	mount -t tmpfs -o size=16k,nr_inodes=64 tmpfs "$RP"
	run ki init
	expect_status 1
	expect_err "no space left on device"
	[[ $err == "Error: "* && $err != *$'\n'* ]] || fail "not one line: $err"
	mount -o remount,size=64m,nr_inodes=0 "$RP"
	completes
	run ki uninstall -y
	expect_status 0
	expect_out "  - $RP: emptied (it is a mount point)"
	expect_equal "$(ls -A "$RP")" ""
	umount "$RP" && rmdir "$RP" || fail "$RP is in use"
}

# A file of that name is somebody's.
spares_a_file() {
	mkdir -p "$RP"
	echo precious >"$socket"
	run timeout 60 kuke --run-path "$RP" init
	expect_status 1
	expect_err "$socket"
	expect_equal "$(<"$socket")" precious
	rm "$socket"
	completes
}

waits_for_no_containerd() {
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$D/dead.sock"
	run kuke --run-path "$D/rp-dead" --containerd-socket "$D/dead.sock" init
	expect_status 1
	expect_err "containerd"
	[[ $err == "Error: "* ]] || fail "$err"
	[ ! -e "$D/rp-dead" ] || fail "it has made something"
}

# While it goes on, somebody else begins as well: both end well, with one kukeond.
twice_at_once() {
	local first status
	ki uninstall -y >/dev/null
	ki init >"$D/first" 2>&1 &
	first=$!
	run ki init
	expect_status 0
	wait $first
	status=$?
	[ $status = 0 ] || fail "the other one: $(<"$D/first")"
	expect_equal "$(pgrep -cf "kukeond serve .*--run-path $RP( |\$)")" 1
	completes
}

containerd_start
for point in init_joined init_dirs_made init_default_made init_image_loaded init_cell_made; do
	it "completes an init that was killed at $point" killed_at "$point"
done
it "does not notice workers that die" loses_workers
for point in uninstall_stopped uninstall_purged; do
	it "completes an uninstall that was killed at $point" uninstall_killed_at "$point"
done
it "sets up again what an uninstall left half done" init_between
it "says that the disk is full, and goes on when it is not" fills_the_disk
it "does not take the socket's name from a file" spares_a_file
it "does not wait for a containerd that is not there" waits_for_no_containerd
it "may be run twice at once" twice_at_once
