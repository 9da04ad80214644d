# tests/support/setup.bash - kukeond as `kuke init` sets it up: on a run path and with names of the test's own. Sourced behind
# lib.bash by tests that look at this themselves.
# shellcheck shell=bash

export KUKEON_NAMESPACE_SUFFIX=$id.test KUKEON_CGROUP_ROOT=/kuke-$id KUKEON_POD_SUBNET_CIDR=$pool.0.0/16
export KUKEON_CONTAINERD_SOCKET=$D/containerd.sock KUKEOND_CONFIGURATION=$D/etc/kukeond.yaml
socket=$RP/kukeond.sock

# kuke on the test's run path, in-process; and by the kukeond that was set up there.
ki() {
	kuke --run-path "$RP" "$@"
}

kd() {
	kuke --host "unix://$socket" "$@"
}

# The process of kukeond, as the kernel has it.
kukeond_pid() {
	pgrep -f "kukeond serve .*--run-path $RP( |\$)"
}

answers() {
	kd get realms
}

is_gone() {
	[ -z "$(kukeond_pid)" ]
}

# All processes of kukeond at once, as when its container is killed.
container_kill() {
	local pid
	pid=$(kukeond_pid) || fail "kukeond does not run"
	# shellcheck disable=SC2046
	kill -9 "$pid" $(pgrep -P "$pid")
}

setup_finish() {
	[ ! -d "$RP/data" ] || ki uninstall -y >/dev/null 2>&1
	finish
}
trap setup_finish EXIT
