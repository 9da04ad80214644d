# tests/e2e/sandbox.sh - what the processes of kukeond can't do: as README.md says, and as they find out.
# limit: 200
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

# What none of them may do, with whatever arguments.
FORBIDDEN=(execve execveat fork vfork ptrace process_vm_readv process_vm_writev bpf kexec_load init_module
	finit_module delete_module reboot swapon swapoff acct settimeofday clock_settime pivot_root chroot mknod
	mknodat keyctl add_key perf_event_open userfaultfd io_uring_setup iopl ioperm capset setuid setgid setgroups
	setresuid personality open_by_handle_at quotactl syslog memfd_create socketpair listen
	accept4 chown fchownat setxattr link linkat symlink symlinkat fanotify_init seccomp landlock_create_ruleset)
# What some may do with certain arguments: all zero is none of them.
CONDITIONAL=(socket mount umount2 unshare setns clone kill tgkill prctl ioctl)

declare -A trigger=(
	[cgroup]=cgroup.cgroup_get.begin
	[containerd]=containerd.namespace_get.begin
	[network]=network.space_network_get.begin
	[reconciler]=reconciler.api_request.begin
)

pid_of() {
	[ "$1" = supervisor ] && echo "$daemon_pid" || worker_pid "$1"
}

status_of() {
	sed -n "s/^$2:\t//p" "/proc/$(pid_of "$1")/status"
}

# readme ROLE COLUMN: a cell of the table.
readme() {
	sed -n "s/^| $1 |/&/p" README.md | awk -F ' *[|] *' -v n="$2" -v role="$1" '$2 == role && NF == 6 { print $n }' | head -n 1
}

capabilities_as_documented() {
	local role set
	for role in supervisor reconciler containerd network cgroup; do
		set=$(capsh --decode="$(status_of $role CapEff)" | cut -d= -f2)
		expect_equal "$role ${set:-none}" "$role $(readme $role 3)"
		expect_equal "$(status_of $role NoNewPrivs)" 1
		expect_equal "$(status_of $role CapInh) $(status_of $role CapAmb)" "0000000000000000 0000000000000000"
	done
	for role in reconciler containerd network cgroup; do
		expect_equal "$(status_of $role CapBnd)" "$(status_of $role CapEff)"
		expect_equal "$(status_of $role CapPrm)" "$(status_of $role CapEff)"
		expect_equal "$role Seccomp $(status_of $role Seccomp)" "$role Seccomp $1"
	done
}

limits_hold() {
	local role
	for role in reconciler containerd network cgroup; do
		grep -qE '^Max core file size +0 +0 ' "/proc/$(worker_pid $role)/limits" || fail "$role may dump core"
		grep -qE '^Max address space +[0-9]+ +[0-9]+ ' "/proc/$(worker_pid $role)/limits" ||
			[ "$sanitized" = 1 ] || fail "$role may have all memory"
	done
}

score() {
	cat "/proc/$1/oom_score_adj"
}

# Supervisor, workers, shims, containers.
killed_in_order() {
	local task shim role
	task=$(ctr_test -n "r.$id.test" tasks ls | awk '$1 == "s_t_c_main" { print $2 }')
	shim=$(ps -o ppid= -p "$task" | tr -d ' ')
	for role in reconciler containerd network cgroup; do
		[ "$(score "$daemon_pid")" -lt "$(score "$(worker_pid $role)")" ] || fail "supervisor and $role"
		[ "$(score "$(worker_pid $role)")" -lt "$(score "$shim")" ] || fail "$role and shim"
	done
	[ "$(score "$shim")" -lt "$(score "$task")" ] || fail "shim and container"
	expect_equal "$(score "$task")" 100
}

# No mapping that two of them could write to.
no_shared_memory() {
	local role
	for role in supervisor reconciler containerd network cgroup; do
		! grep -E '^[0-9a-f-]+ .w.s ' "/proc/$(pid_of $role)/maps" || fail "$role has shared memory"
	done
}

number_of() {
	printf '#include <sys/syscall.h>\nSYS_%s\n' "$1" | gcc -E -P - | tail -n 1
}

# The call goes through to the user all the same: the successor answers it.
pass() {
	case $1 in
	network) run kuked get space s --realm r ;;
	*) run kuked get realm r ;;
	esac
	expect_status 0
}

# tried ROLE CALL: the worker dies of it, and the report tells of what.
tried() {
	local role=$1 call=$2 number dir pid report
	number=$(number_of "$call")
	[[ $number =~ ^[0-9]+$ ]] || return 0 # another machine has no such call
	dir=$(mktemp -d "$D/fault.XXXX")
	pid=$(worker_pid "$role")
	arm "dir=$dir;${trigger[$role]}=1*syscall($number)"
	pass "$role"
	[ -e "$dir/${trigger[$role]}.1" ] || fail "$role: the point was not passed"
	report=$(find "$RP/crash" -name "*-$role-$pid.txt")
	[ -n "$report" ] || fail "$role lives on after $call"
	grep -q "signal 31 forbidden system call $number\$" "$report" || fail "$role: $call: $(<"$report")"
}

forbidden_acts() {
	local call
	for call in "${FORBIDDEN[@]}" "${CONDITIONAL[@]}"; do
		tried "$1" "$call"
	done
	arm ""
}

# Only who has sockets may make one, and only of its kind.
not_of_this_role() {
	local pair
	for pair in reconciler:connect cgroup:connect reconciler:bind cgroup:bind containerd:bind \
		reconciler:setns cgroup:setns containerd:setns cgroup:rename containerd:inotify_init1; do
		tried "${pair%:*}" "${pair#*:}"
	done
	arm ""
}

# It fails, the worker goes on.
denied() {
	local pid dir role
	for role in reconciler containerd network cgroup; do
		dir=$(mktemp -d "$D/fault.XXXX")
		pid=$(worker_pid $role)
		arm "dir=$dir;${trigger[$role]}=1*syscall($(number_of ptrace))"
		pass $role
		wait_until 5 grep -q "$role .*system call $(number_of ptrace): Operation not permitted" "$D/kukeond.log" ||
			fail "$role could"
		expect_equal "$(worker_pid $role)" "$pid"
	done
	arm ""
}

unknown_mode() {
	run kukeond serve --socket "$D/x.sock" --run-path "$D/x" --sandbox loose
	expect_status 1
	expect_err 'Error: sandbox "loose" is none of kill, deny, off'
}

# The daemon starts workers for as long as it lives: they have what they need, from first to last.
successors_have_the_same() {
	local role
	for role in reconciler containerd network cgroup; do
		kill -9 "$(worker_pid $role)"
		wait_until 5 eval 'kuked daemon workers | grep -q "^'$role' .* Ready "' || fail "$role does not come back"
	done
	capabilities_as_documented "$1"
	kuked daemon reload >/dev/null || fail "it can't be reloaded"
	capabilities_as_documented "$1"
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
cell_yaml c >"$D/c.yaml"
kuked apply -f "$D/c.yaml" >/dev/null
sanitized=0
filtered=2
if nm "$KUKE_BIN/kukeond" | grep -q '__asan_init\|__tsan_init'; then
	sanitized=1
	filtered=0
fi
it "gives each process the capabilities of README.md" capabilities_as_documented $filtered
it "bounds each worker" limits_hold
it "is killed for memory behind what it runs" killed_in_order
it "shares no memory" no_shared_memory
it "gives successors the same" successors_have_the_same $filtered
if [ $sanitized = 0 ]; then
	for role in reconciler containerd network cgroup; do
		it "ends the $role worker for what it must not do" forbidden_acts $role
	done
	it "ends a worker for what another may do" not_of_this_role
	daemon_stop
	daemon_start --sandbox deny
	it "denies instead, where it is told to" denied
	daemon_stop
	daemon_start --sandbox off
	it "forbids nothing, where it is told to" expect_equal "$(status_of network Seccomp)" 0
fi
it "refuses another mode" unknown_mode
kuked delete realm r --cascade >/dev/null
