# tests/support/lib.bash - what the end-to-end tests share: a private containerd, a kukeond of their own,
# images made on the spot, and the proof that nothing is left on the host.
#
# A test calls `it "does something" function` for each case; a case fails by calling fail, or through one
# of the expect_ functions. KUKE_BIN is the directory of kuke and kukeond.
# shellcheck shell=bash
set -u

KUKE_BIN=${KUKE_BIN:-$PWD/build/debug}
PATH=$KUKE_BIN:$PATH
unset KUKEON_HOST KUKEON_NO_DAEMON KUKEON_RUN_PATH KUKE_GET_OUTPUT KUKE_CONFIGURATION

daemon_pid=
containerd_pid=
n_passed=0
n_failed=0
n_skipped=0

fail() {
	printf '    %s\n' "$*" >&2
	exit 1
}

# A case runs in a subshell, so that it can fail anywhere and leaves no variables behind.
it() {
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then
		n_passed=$((n_passed + 1))
		printf 'ok      %s: %s\n' "$test_name" "$name"
	else
		n_failed=$((n_failed + 1))
		printf 'FAILED  %s: %s\n%s\n' "$test_name" "$name" "$output"
		[ ! -f "$D/kukeond.log" ] || tail -n 15 "$D/kukeond.log" | sed 's/^/    log: /'
	fi
}

skip() {
	n_skipped=$((n_skipped + 1))
	printf 'skipped %s: %s (%s)\n' "$test_name" "$1" "$2"
}

# wait_until SECONDS COMMAND…: until it succeeds; a poll, for what has no event a shell could wait for.
wait_until() {
	local end=$((SECONDS + $1 * ${CK_TIMEOUT_MULTIPLIER:-1}))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		pause 0.02
	done
}

# within MS COMMAND…: the same for what has to be quick.
within() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000 * ${CK_TIMEOUT_MULTIPLIER:-1}))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/./}" -lt $end ] || return 1
		pause 0.01
	done
}

# A substitution each time would be a process each time, and in a test that is long enough the number of one comes again, which
# bash does not bear.
exec {never}<> <(:)
pause() {
	read -rt "$1" -u "$never" || :
}

# worker_pid ROLE
worker_pid() {
	pgrep -P "$daemon_pid" -f "^kukeond: $1\$"
}

# faults_arm SPECIFICATION: once; prints the reply.
faults_arm() {
	socat -t5 - "UNIX-CONNECT:$D/k.sock" \
		<<<'{"method":"KukeonV1.ArmFaults","params":[{"Specification":"'"$1"'"}],"id":0}'
}

# arm SPECIFICATION: in all workers, and in those that take their place.
arm() {
	wait_until 5 arm_try "$1" || fail "the faults can't be armed: $1"
}

arm_try() {
	[[ $(faults_arm "$1") == *'"Err":null'* ]]
}

# run COMMAND…: keeps $out, $err and $status.
run() {
	out=$("$@" 2>"$D/stderr")
	status=$?
	err=$(<"$D/stderr")
}

expect_status() {
	[ "$status" = "$1" ] || fail "status $status, not $1; stdout: $out; stderr: $err"
}

expect_out() {
	[[ $out == *"$1"* ]] || fail "stdout lacks '$1': $out; stderr: $err"
}

expect_err() {
	[[ $err == *"$1"* ]] || fail "stderr lacks '$1': $err; stdout: $out"
}

# The contract of every refusal: status 1, one line on standard error.
expect_refusal() {
	expect_status 1
	# The problems of a manifest stand below each other.
	[[ $err == "Error: "* && ($err != *$'\n'* || $err == "Error: validation failed:"$'\n  '*) ]] ||
		fail "not one line of 'Error: …': $err"
	expect_err "$1"
}

expect_equal() {
	[ "$1" = "$2" ] || fail "'$1' is not '$2'"
}

# json EXPRESSION: of the document d on standard input, in Python.
json() {
	python3 -c "import json, sys; d = json.load(sys.stdin); print($1)"
}

containerd_start() {
	mkdir -p "$D/containerd"
	cat >"$D/containerd.toml" <<-END
		version = 2
		root = "$D/containerd/root"
		state = "$D/containerd/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		  address = "$D/containerd.sock"
	END
	containerd --config "$D/containerd.toml" >>"$D/containerd.log" 2>&1 &
	containerd_pid=$!
	wait_until 10 ctr -a "$D/containerd.sock" version || fail "containerd does not answer"
}

daemon_run() {
	exec kukeond serve --socket "$D/k.sock" --run-path "$RP" --containerd-socket "$D/containerd.sock" \
		--containerd-namespace-suffix "$id.test" --cgroup-root "/kuke-$id" \
		--pod-subnet-cidr "$pool.0.0/16" --configuration "$RP/none.yaml" "$@" \
		>>"$D/kukeond.log" 2>&1
}

daemon_start() {
	if [ "${FORM:-}" = cell ]; then
		cell_start "$@"
	else
		daemon_run "$@" &
		daemon_pid=$!
	fi
	wait_until 10 kuked get realms || fail "kukeond does not answer"
}

# With FORM=cell, kukeond runs in a cell of its own, as `kuke init` sets it up. It is told by a file what others are told by
# flags.
cell_kuke() {
	KUKEOND_SOCKET=$D/k.sock KUKEON_POD_SUBNET_CIDR=$pool.0.0/16 KUKEOND_CONFIGURATION=$D/kukeond.yaml kuke \
		--run-path "$RP" --containerd-socket "$D/containerd.sock" "$@"
}

cell_start() {
	local flag key
	{
		printf 'spec:\n  containerdNamespaceSuffix: %s\n  cgroupRoot: %s\n  podSubnetCIDR: %s\n' \
			"$id.test" "/kuke-$id" "$pool.0.0/16"
		while [ $# -gt 1 ]; do
			flag=${1#--}
			key=$(sed 's/-./\U&/g; s/-//g' <<<"$flag")
			printf '  %s: %s\n' "$key" "$2"
			shift 2
		done
	} >"$D/kukeond.yaml"
	cell_kuke init >"$D/init.out" 2>&1 || fail "no init: $(<"$D/init.out")"
	daemon_pid=$(<"$D/kukeond.pid")
	ln -sf "$RP/data/kuke-system/kukeon/kukeon/kukeond/kukeond/log" "$D/kukeond.log"
}

# What it has set up goes, so that what the test has left is left alone.
cell_remove() {
	[ -d "$RP/data/kuke-system" ] || return 0
	cell_kuke daemon reset --purge-system
	cell_kuke purge realm default --cascade --force
	umount "$RP/run"
} >/dev/null 2>&1

# The same on a host that starts kukeond again whenever it ends, as an init does. In a cell it is containerd that does.
daemon_keep() {
	if [ "${FORM:-}" = cell ]; then
		daemon_start "$@"
		return
	fi
	touch "$D/kept"
	while [ -e "$D/kept" ]; do
		(daemon_run "$@")
	done 2>/dev/null &
	keeper_pid=$!
	wait_until 10 kuked get realms || fail "kukeond does not answer"
}

daemon_let_go() {
	rm "$D/kept"
	kill "$(<"$D/kukeond.pid")"
	wait "$keeper_pid"
}

daemon_stop() {
	if [ "${FORM:-}" = cell ]; then
		cell_kuke daemon stop >/dev/null 2>&1
	else
		kill "$daemon_pid" 2>/dev/null
		wait "$daemon_pid" 2>/dev/null
	fi
}

# kuke through the daemon of this test, and in-process on its run path.
kuked() {
	kuke --host "unix://$D/k.sock" "$@"
}

kukel() {
	kuke --run-path "$RP" "$@"
}

ctr_test() {
	ctr -a "$D/containerd.sock" "$@"
}

# image_make FILE [gzip], oci_make FILE
# shellcheck source=tests/support/image.bash
. tests/support/image.bash

# cell_yaml NAME [COMMAND ARG…]: a manifest of one cell with one container in r/s/t.
cell_yaml() {
	local name=$1 arg
	shift
	[ $# -gt 0 ] || set -- /bin/sleep 1000
	printf 'apiVersion: v1beta1\nkind: Cell\nmetadata: {name: %s}\nspec:\n  realmId: r\n  spaceId: s\n  stackId: t\n' "$name"
	printf '  containers:\n    - id: main\n      image: busybox\n      command: %s\n      args:\n' "$1"
	shift
	for arg; do
		printf "        - '%s'\n" "${arg//\'/\'\'}"
	done
}

cell_json() {
	kuked get cell "$1" --realm r --space s --stack t -o json
}

cell_state() {
	cell_json "$1" | sed -n '/"status"/,$s/^    "state": "\(.*\)",$/\1/p' | head -n 1
}

# state_is CELL STATE
state_is() {
	[ "$(cell_state "$1")" = "$2" ]
}

# task_pid CELL: of its container main, in realm r, space s, stack t; nothing where it does not run.
task_pid() {
	ctr_test -n "r.$id.test" tasks ls | awk -v id="s_t_$1_main" '$1 == id && $3 == "RUNNING" { print $2 }'
}

# is_another CELL PID: it runs, as another process.
is_another() {
	local pid
	pid=$(task_pid "$1")
	[ -n "$pid" ] && [ "$pid" != "$2" ]
}

cell_ip() {
	cell_json "$1" | sed -n 's/.*"ip": "\(.*\)".*/\1/p'
}

# fnv TEXT: its FNV-1a hash, the number that names of a run path's objects and those of bridges carry.
fnv() {
	local hash=2166136261 i
	for ((i = 0; i < ${#1}; i++)); do
		hash=$((((hash ^ $(printf %d "'${1:i:1}")) * 16777619) & 0xffffffff))
	done
	printf %08x $hash
}

# What host-local keeps of this test: its addresses, and directories with nothing in them but which was its last one.
leases() {
	local last
	find /var/lib/cni/networks -name "$pool.*"
	for last in /var/lib/cni/networks/*/last_reserved_ip.0; do
		[[ $(<"$last") == "$pool".* && -z $(find "${last%/*}" -name '[0-9]*') ]] && echo "${last%/*}"
	done
	return 0
} 2>/dev/null

# All that a test could leave behind, one line each.
host_state() {
	ip -d link show | grep -o "kukeon:$instance:.*"
	nft list tables | grep "kukeon_$instance"
	[ -z "$containerd_pid" ] || ctr_test namespaces ls -q | grep -F ".$id.test"
	grep -o "[^ ]*$id[^ ]*" /proc/mounts | sort -u
	find /sys/fs/cgroup -maxdepth 3 -name "kuke-$id" 2>/dev/null
	pgrep -af "containerd-shim.*$id" || :
	pgrep -af "kukeond?:? .*$id" || :
	pgrep -af "kuketty .*$id" || :
	leases
	[ ! -d "$RP/data" ] || find "$RP/data" -mindepth 1
}

# Links go away a moment after their namespace: the kernel works on it, and tells no shell.
nothing_left() {
	[ -z "$(host_state)" ]
}

# What a failed test left is cleared away by hand, or it would fail the next ones.
sweep() {
	local mount link group
	pkill -9 -f "containerd-shim.* $D/containerd.sock"
	pkill -9 -f "kuketty .*$D/"
	pkill -9 -f "^kuke: .*" -P $$
	while read -r mount; do
		umount -l "$mount"
	done < <(cut -d' ' -f2 /proc/mounts | grep "^$D/" | sort -r)
	for link in $(ip -o link show | grep -oE ' (k-[0-9a-f]{8}|kv[0-9a-f]{11})[:@]' | tr -d ' :@'); do
		ip -d link show "$link" | grep -q "kukeon:$instance:" && ip link del "$link"
	done
	nft delete table inet "kukeon_$instance"
	for group in /sys/fs/cgroup/*/"kuke-$id" /sys/fs/cgroup/"kuke-$id"; do
		[ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} +
	done
	leases | xargs -r rm -rf
} 2>/dev/null

# A pool of addresses that no other test on this host has, as long as this process lives.
pool_take() {
	local n owner
	until [ -n "${pool:-}" ]; do
		n=$((16 + RANDOM % 200))
		owner=$(readlink "/tmp/kuke-pool.$n") && ! kill -0 "$owner" 2>/dev/null && rm -f "/tmp/kuke-pool.$n"
		ln -s $$ "/tmp/kuke-pool.$n" 2>/dev/null && pool=10.$n
	done
}

finish() {
	[ ! -e "$D/kept" ] || daemon_let_go
	daemon_stop
	[ "${FORM:-}" != cell ] || cell_remove
	wait_until 5 nothing_left || {
		n_failed=$((n_failed + 1))
		printf 'FAILED  %s: leaves nothing behind\n%s\n' "$test_name" "$(host_state)"
		sweep
	}
	local findings
	findings=$(grep -hE -A 20 'Sanitizer|runtime error:' "$D/kukeond.log" "$D/stderr" 2>/dev/null)
	[ -z "$findings" ] || {
		n_failed=$((n_failed + 1))
		printf 'FAILED  %s: finds no fault by a sanitizer\n' "$test_name"
		sed 's/^/    /' <<<"$findings"
	}
	# A case may have started another one.
	pkill -f "^containerd --config $D/containerd.toml"
	wait "$containerd_pid" 2>/dev/null
	umount -R "$RP/run/netns" 2>/dev/null
	rm -rf "$D" "/tmp/kuke-pool.${pool#10.}"
	printf 'counted %d %d %d\n' "$n_passed" "$n_failed" "$n_skipped"
	[ "$n_failed" = 0 ] || exit 1
}

test_name=$(basename "$0" .sh)
id=t$(od -An -N3 -tx1 /dev/urandom | tr -d ' \n')
D=$(mktemp -d "/tmp/kuke-$id.XXXX")
RP=$D/rp
export HOME=$D/home
mkdir -p "$HOME" "$RP"
instance=$(fnv "$RP")
pool=
pool_take
trap 'finish' EXIT
trap 'exit 1' TERM INT
