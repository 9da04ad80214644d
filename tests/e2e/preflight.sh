# tests/e2e/preflight.sh - kuke doctor host tells what a machine lacks, and the way out.
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

finds_all() {
	run kuke doctor host --containerd-socket "$D/containerd.sock"
	expect_status 0
	expect_out "containerd   OK    $D/containerd.sock"
	for row in nftables overlay bridge veth nf_tables; do
		grep -qE "^  $row +OK " <<<"$out" || fail "$row: $out"
	done
	expect_equal "$(tail -n 1 <<<"$out")" "Status: OK"
}

finds_no_containerd() {
	run kuke doctor host --containerd-socket "$D/nobody.sock"
	expect_status 1
	expect_out "containerd   FAIL"
	expect_out "↳ apt install containerd"
	expect_out "Status: FAIL"
}

tells_programs() {
	run kuke doctor host --containerd-socket "$D/nobody.sock" -o json
	expect_status 1
	expect_equal "$(json '(d["ok"], [c["status"] for c in d["checks"] if c["name"] == "containerd"])' <<<"$out")" "(False, ['FAIL'])"
	run kuke doctor host -o xml
	expect_refusal 'invalid --output "xml"'
}

finds_no_programs() {
	run env PATH=/nonexistent "$KUKE_BIN/kuke" doctor host --containerd-socket "$D/containerd.sock"
	expect_out "runc         WARN  not in PATH"
	getent group kukeon >/dev/null || expect_out "groupadd and useradd"
}

finds_a_full_disk() {
	mkdir -p "$RP"
	mount -t tmpfs -o size=1m tmpfs "$RP"
	dd if=/dev/zero of="$RP/much" bs=1k count=1000 2>/dev/null
	run kuke doctor host --containerd-socket "$D/containerd.sock" --run-path "$RP"
	umount "$RP"
	expect_status 1
	expect_out "run path     FAIL  $RP: "
	expect_out "make room there"
}

containerd_start
it "finds a machine in order" finds_all
it "finds that there is no containerd" finds_no_containerd
it "tells programs too" tells_programs
it "finds that there are no programs" finds_no_programs
it "finds a full disk" finds_a_full_disk
