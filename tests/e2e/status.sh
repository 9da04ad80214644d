# tests/e2e/status.sh - kuke status: daemon, host, state, storage, and whether daemon and in-process commands agree.
# limit: 120
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

status() {
	kuke --host "unix://$D/k.sock" --run-path "$RP" --containerd-socket "$D/containerd.sock" status "$@"
}

all_is_well() {
	run status
	expect_status 0
	expect_equal "$(grep -E '^[A-Z]+$' <<<"$out" | paste -sd' ')" "DAEMON HOST STATE STORAGE PARITY"
	expect_equal "$(tail -n 1 <<<"$out")" "Status: OK"
	expect_out "unix://$D/k.sock (rtt "
	expect_out "4 ready ("
	expect_out "$D/containerd.sock (reachable)"
	expect_out "$RP (no orphan entries)"
	expect_out "1 kukeon namespaces, all claimed by a realm"
	[[ $out =~ r\.$id\.test\ \([1-9][0-9]*\ snapshots,\ [0-9]+\ leases,\ [1-9][0-9]*\ blobs,\ [0-9.]+\ [KM]iB\) ]] || fail "$out"
	expect_out "1 items match (c)"
	expect_out "1 items match (main)"
	run status --json
	expect_equal "$(python3 -c '
import json, sys
d = json.load(sys.stdin)
print(d["ok"], d["checks"][0]["section"], d["checks"][0]["status"], [c["storage"]["blobs"] > 0 for c in d["checks"] if "storage" in c])' <<<"$out")" \
		"True daemon OK [True]"
}

what_is_not() {
	local other
	touch "$RP/strange"
	ip link add "kv$id" type bridge
	ip link set "kv$id" alias "kukeon:$instance:r/s/t/ghost"
	ctr_test namespaces create "other.$id.test"
	run status
	expect_status 0
	expect_out "orphan entries: strange"
	expect_out "residual namespaces: other.$id.test"
	expect_out "1 things belong to nothing"
	expect_out '↳ see `kuke doctor`'
	rm "$RP/strange"
	ip link del "kv$id"
	ctr_test namespaces remove "other.$id.test" >/dev/null
	# Two run paths are two states.
	other=$D/other
	mkdir "$other"
	run kuke --host "unix://$D/k.sock" --run-path "$other" --containerd-socket "$D/containerd.sock" status
	expect_status 1
	expect_out "daemon-only: r; in-process-only: -"
	expect_equal "$(tail -n 1 <<<"$out")" "Status: FAIL"
	expect_equal "$(find "$other" -mindepth 1)" ""
}

a_worker_is_down() {
	kill -STOP "$(worker_pid cgroup)"
	run status
	expect_out "unix://$D/k.sock (rtt "
	kill -CONT "$(worker_pid cgroup)" 2>/dev/null
	wait_until 20 eval 'status >/dev/null' || fail "$(status)"
}

no_daemon() {
	run kuke --host "unix://$D/none.sock" --run-path "$RP" --containerd-socket "$D/containerd.sock" status
	expect_status 1
	expect_equal "$(head -n 1 <<<"$out")" DAEMON
	[[ $out =~ socket\ +FAIL\ +unix://$D/none.sock\ \(dial\ failed ]] || fail "$out"
	expect_out "containerd-ns  OK"
	expect_equal "$(tail -n 1 <<<"$out")" "Status: FAIL"
	run kuke --host "unix://$D/none.sock" --run-path "$RP" --containerd-socket "$D/none.sock" status --json
	expect_status 1
	expect_equal "$(python3 -c '
import json, sys
d = json.load(sys.stdin)
c = d["checks"][0]
print(d["ok"], c["section"], c["status"], "remediation" in c, [c["status"] for c in d["checks"] if c["name"] == "containerd"])' <<<"$out")" \
		"False daemon FAIL True ['FAIL']"
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
cell_yaml c | kuked apply -f - >/dev/null
it "row 146: says that all is well" all_is_well
it "says what is not" what_is_not
it "answers while a worker hangs" a_worker_is_down
it "rows 144, 145: says that there is no daemon" no_daemon
kuked delete realm r --cascade >/dev/null
