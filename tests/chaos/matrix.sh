# tests/chaos/matrix.sh - every verb, every point that it passes, every way to die there: the user sees the
# same as without it, and the world is the same afterwards.
#
# The points are found, not listed: each verb runs once with all of them leaving a note. The dimensions, each
# of which its variable narrows down (empty: none of it), as VERBS does for all:
#   FAULTS      what a worker does at the point
#   PAIRS       the worker at the point is killed there, and at the same moment each of these
#   SUPERVISOR  1: the supervisor is killed at the point, alone, and at the same moment each of PAIRS
# limit: 3600
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash
# shellcheck source=tests/chaos/world.bash
. tests/chaos/world.bash

VERBS=${VERBS:-}
FAULTS=${FAULTS-kill crash exit stop corrupt delay(30)}
PAIRS=${PAIRS-reconciler containerd network cgroup}
SUPERVISOR=${SUPERVISOR-1}
SCOPE=(--realm r --space s --stack t)
# Short where a worker hangs until it is found out, long where one is stopped for a moment.
HEARTBEAT_SHORT=150ms
HEARTBEAT_LONG=10s

# --- the verbs: how each comes about, what is done, and what is true afterwards ---

present() {
	kuked apply -f "$D/c.yaml" >/dev/null
}

absent() {
	kuked delete cell c "${SCOPE[@]}" >/dev/null 2>&1 || :
}

prepare_apply_new() { absent; }
do_apply_new() { kuked apply -f "$D/c.yaml"; }
after_apply_new() {
	cell_is c Ready
	world_is 1 1 1 1
}

prepare_apply_same() { present; }
do_apply_same() { kuked apply -f "$D/c.yaml"; }
after_apply_same() { after_apply_new; }

prepare_apply_changed() { present; }
do_apply_changed() { kuked apply -f "$D/changed.yaml"; }
after_apply_changed() { after_apply_new; }

prepare_apply_added() { present; }
do_apply_added() { kuked apply -f "$D/added.yaml"; }
after_apply_added() {
	cell_is c Ready
	world_is 2 2 1 1
}

prepare_get() { present; }
do_get() { kuked get cells -o json | grep -v 'At":'; }
after_get() { after_apply_new; }

prepare_get_cell() { present; }
do_get_cell() { kuked get cell c "${SCOPE[@]}" -o yaml | grep -v 'At:'; }
after_get_cell() { after_apply_new; }

prepare_stop() { present; }
do_stop() { kuked stop c "${SCOPE[@]}"; }
after_stop() {
	cell_is c Stopped
	world_is 0 1 0 1
}

prepare_start() {
	present
	kuked stop c "${SCOPE[@]}" >/dev/null
}
do_start() { kuked start c "${SCOPE[@]}"; }
after_start() { after_apply_new; }

prepare_restart() { present; }
do_restart() { kuked restart c "${SCOPE[@]}"; }
after_restart() { after_apply_new; }

# No verb, but what follows from the end of a container.
prepare_comeback() { kuked apply -f "$D/always.yaml" >/dev/null; }
do_comeback() {
	local pid
	pid=$(task_pid c)
	kill -9 "$pid"
	wait_until 10 is_another c "$pid" && wait_until 5 state_is c Ready && echo "it is back"
}
after_comeback() { after_apply_new; }

prepare_kill() { present; }
do_kill() { kuked kill c "${SCOPE[@]}"; }
after_kill() { after_stop; }

prepare_delete_cell() { present; }
do_delete_cell() { kuked delete cell c "${SCOPE[@]}"; }
after_delete_cell() {
	run kuked get cell c "${SCOPE[@]}"
	expect_status 1
	world_is 0 0 0 0
}

prepare_delete_stack() { present; }
do_delete_stack() { kuked delete stack t --realm r --space s --cascade; }
after_delete_stack() {
	run kuked get stack t --realm r --space s
	expect_status 1
	world_is 0 0 0 0
}

prepare_create_cell() { absent; }
do_create_cell() { kuked create cell c --image busybox "${SCOPE[@]}"; }
after_create_cell() {
	cell_is c Stopped
	world_is 0 0 0 0
}

other_gone() {
	kuked delete realm other --cascade >/dev/null 2>&1 || :
}

prepare_create_realm() { other_gone; }
do_create_realm() { kuked create realm other; }
after_create_realm() {
	[[ $(world other) == *"namespace other.$id."* ]] || fail "no namespace"
	cgroup_there other
}

prepare_create_space() {
	other_gone
	kuked create realm other >/dev/null
}
do_create_space() { kuked create space o --realm other; }
after_create_space() {
	local bridge
	bridge=$(sed -n 's/.*"bridge":"\([^"]*\)".*/\1/p' "$RP/data/other/o/network.json")
	ip link show "$bridge" >/dev/null || fail "no bridge"
	nft list set inet "kukeon_$instance" bridges | grep -q "\"$bridge\"" || fail "no rule"
	cgroup_there other/o
}

prepare_create_stack() {
	other_gone
	kuked create realm other >/dev/null
	kuked create space o --realm other >/dev/null
}
do_create_stack() { kuked create stack k --realm other --space o; }
after_create_stack() { cgroup_there other/o/k; }

prepare_delete_realm() { prepare_create_stack; }
do_delete_realm() { kuked delete realm other --cascade; }
after_delete_realm() {
	[ ! -e "$RP/data/other" ] || fail "documents are left"
	[[ $(world other) != *"namespace other.$id."* ]] || fail "the namespace is left"
	[ -z "$(find /sys/fs/cgroup -maxdepth 3 -path "*/kuke-$id/other")" ] || fail "a cgroup is left"
	expect_equal "$(ip -d link show type bridge | grep -c "kukeon:$instance:other/")" 0
}

cgroup_there() {
	[ -n "$(find /sys/fs/cgroup -maxdepth 6 -path "*/kuke-$id/$1" 2>/dev/null | head -n 1)" ] || fail "no cgroup $1"
}

# Verbs that only look: as they found it, so they leave it.

prepare_diff() { present; }
do_diff() {
	kuked diff -f "$D/changed.yaml"
	echo "status $?"
}
after_diff() { after_apply_new; }

prepare_dry_run() { absent; }
do_dry_run() {
	kuked apply --dry-run -f "$D/c.yaml"
	echo "status $?"
}
after_dry_run() { world_is 0 0 0 0; }

prepare_wait() { present; }
do_wait() { kuked wait c "${SCOPE[@]}" --for=ready --timeout 10s; }
after_wait() { after_apply_new; }

prepare_tree() { present; }
do_tree() { kuked tree | grep -o '[a-z]* c .*Ready'; }
after_tree() { after_apply_new; }

prepare_refresh() { present; }
do_refresh() { kuked refresh; }
after_refresh() { after_apply_new; }

prepare_doctor_fix() { present; }
do_doctor_fix() { kuked doctor --fix | grep -i leak; }
after_doctor_fix() { after_apply_new; }

# Further verbs that change something.

prepare_exec() { present; }
do_exec() {
	echo "of the user" | kuked exec -i c "${SCOPE[@]}" -- /bin/sh -c 'read -r line; echo "heard: $line"; exit 7'
	echo "status $?"
}
after_exec() { after_apply_new; }

prepare_purge_cell() { present; }
do_purge_cell() { kuked purge cell c "${SCOPE[@]}"; }
after_purge_cell() { after_delete_cell; }

prepare_run_detached() { absent; }
do_run_detached() { kuked run -d -f "$D/c.yaml"; }
after_run_detached() { after_apply_new; }

prepare_apply_policy() {
	present
	kuked apply -f "$D/open.yaml" >/dev/null
}
do_apply_policy() { kuked apply -f "$D/shut.yaml"; }
after_apply_policy() {
	after_apply_new
	nft list table inet "kukeon_$instance" | grep -q 'ip daddr 127.0.0.1 tcp dport 80 accept' || fail "no rule"
}

# By how they begin: apply is all five of them.
VERBS=$(declare -F | sed -n 's/declare -f do_//p' | grep -E "^(${VERBS// /|})")

# --- the matrix ---

# verb_run VERB: its status and output, as a user sees them, in $seen.
verb_run() {
	run "do_$1"
	seen="status $status"$'\n'"$out"$'\n'"$err"
}

# What a worker does by itself when the verb is done, and belongs to it.
aftermath_is_over() {
	journal_is_empty && [[ ! -e $1/containerd.task_ended || -e $1/reconciler.task_exited.end ]]
}

# What the verb says without a fault, in $expected; the points that it passes, in $points, and those of the
# supervisor in $own_points.
verb_learn() {
	local dir=$D/notes
	rm -rf "$dir"
	mkdir "$dir"
	"prepare_$1"
	arm "dir=$dir;*=note"
	verb_run "$1"
	expect_status 0
	expected=$seen
	wait_until 5 aftermath_is_over "$dir" || fail "$1 has no end"
	arm ""
	points=$(cd "$dir" && printf '%s\n' * | grep -v -e '\.worker_' -e '^supervisor\.')
	own_points=$(cd "$dir" && printf '%s\n' supervisor.*)
}

# one_case VERB POINT ACTION [ROLE…]: these processes are killed when one of them is stopped at the point.
one_case() {
	local verb=$1 point=$2 action=$3 dir=$D/case.$n_all.$n_cases striker=
	shift 3
	mkdir "$dir"
	"prepare_$verb"
	wait_until 5 journal_is_empty || fail "the preparation has no end"
	arm "dir=$dir;$point=1*$action"
	if [ $# -gt 0 ]; then
		"$CHAOS/strike" "$dir" "$(<"$D/kukeond.pid")" "$@" >"$dir.strike" 2>&1 &
		striker=$!
		# shellcheck disable=SC2064
		trap "kill $striker 2>/dev/null" EXIT
	fi
	verb_run "$verb"
	# What follows from the verb passes its point behind the end of it.
	if ! wait_until 2 [ -e "$dir/$point.1" ]; then
		echo "$verb $point $action $*" >>"$D/missed"
	elif [ -n "$striker" ]; then
		wait "$striker" || fail "$(<"$dir.strike")"
	fi
	[ "$seen" = "$expected" ] || fail "it shows: $(diff <(echo "$expected") <(echo "$seen"))"
	arm ""
	"after_$verb"
	# The news that an answer has arrived died with whoever had it: its notes are left to expire.
	[[ $point != @(reconciler.api_answered|reconciler.task_exited|supervisor.response_written)* ]] || rm -rf "$RP/journal"
	wait_until 5 journal_is_empty || {
		find "$RP/journal"
		rm -rf "$RP/journal"
		fail "the journal is not empty"
	}
}

try() {
	local name=$1
	shift
	n_cases=$((n_cases + 1))
	it "$name" one_case "$@"
}

# Is this fault of any meaning at this point? Only a reply can be garbled, and events have none.
applies() {
	[ "$2" != corrupt ] || [[ $1 == *.end && $1 != reconciler.task_exited.* && $1 != reconciler.api_answered.* ]]
}

try_faults() {
	local fault
	for fault in $FAULTS; do
		if [ "$fault" != stop ] && applies "$2" "$fault"; then
			try "$1, $fault at $2" "$1" "$2" "$fault"
		fi
	done
}

try_stop() {
	try "$1, stop at $2" "$1" "$2" stop
}

try_pairs() {
	local role=${2%%.*} other
	for other in $PAIRS; do
		[ "$other" != "$role" ] || continue
		try "$1, kill at $2, and the $other worker" "$1" "$2" stop "$role" "$other"
	done
}

try_orphan() {
	try "$1, kill of the supervisor at $2" "$1" "$2" orphan
}

try_own() {
	local fault
	for fault in kill crash exit 'delay(30)'; do
		try "$1, $fault at $2" "$1" "$2" "$fault"
	done
}

try_orphan_pairs() {
	local role
	for role in $PAIRS; do
		try "$1, kill of the supervisor at $2, and of the $role worker" "$1" "$2" stop "$role" supervisor
	done
}

# dimension NAME TRY [TRY-OWN]: TRY is called with each verb and each of its points in workers, TRY-OWN with
# those in the supervisor. The daemon runs already.
dimension() {
	local name=$1 try=$2 try_own=${3:-:} verb point began=${EPOCHREALTIME/./} n_cases=0
	: >"$D/missed"
	for verb in $VERBS; do
		verb_learn "$verb"
		for point in $points; do
			"$try" "$verb" "$point"
		done
		for point in $own_points; do
			"$try_own" "$verb" "$point"
		done
	done
	[ ! -s "$D/missed" ] || sed "s/^/missed  $test_name: /" "$D/missed"
	printf -v name '%s: %d cases, %d ms each, %d of them with the point not passed' "$name" "$n_cases" \
		$(((${EPOCHREALTIME/./} - began) / (n_cases ? n_cases : 1) / 1000)) "$(wc -l <"$D/missed")"
	sizes+=("$name")
	n_all=$((n_all + n_cases))
}

sizes=()
n_all=0
containerd_start
daemon_start --heartbeat-limit $HEARTBEAT_SHORT --reconcile-interval 0
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
cell_yaml c /bin/sh -c 'trap exit TERM; sleep 1000 & wait' >"$D/c.yaml"
sed 's/1000/1001/' "$D/c.yaml" >"$D/changed.yaml"
{
	cat "$D/c.yaml"
	printf '      %s\n' 'restartPolicy: always' 'restartBackoffSeconds: 0'
} >"$D/always.yaml"
{
	cat "$D/c.yaml"
	sed -n '/- id: main/,$p' "$D/c.yaml" | sed 's/id: main/id: more/'
} >"$D/added.yaml"
printf 'kind: Space\nmetadata: {name: s}\nspec:\n  realmId: r\n' >"$D/open.yaml"
{
	cat "$D/open.yaml"
	echo '  network: {egress: {default: deny, allow: [{host: localhost, ports: [80]}]}}'
} >"$D/shut.yaml"
kuked apply -f "$D/c.yaml" >/dev/null
network=$(sed -n 's/.*"network":"\([^"]*\)".*/\1/p' "$RP/data/r/s/network.json")
[[ " $FAULTS " != *" stop "* ]] || dimension "a worker stops" try_stop
daemon_stop
daemon_start --heartbeat-limit $HEARTBEAT_LONG --reconcile-interval 0
[[ $FAULTS =~ ^\ *(stop)?\ *$ ]] || dimension "a worker fails" try_faults
[ -z "$PAIRS" ] || dimension "two workers are killed" try_pairs
if [ "$SUPERVISOR" = 1 ]; then
	daemon_stop
	daemon_keep --heartbeat-limit $HEARTBEAT_LONG --reconcile-interval 0
	dimension "the supervisor dies" try_orphan try_own
	[ -z "$PAIRS" ] || dimension "the supervisor and a worker are killed" try_orphan_pairs try_orphan_pairs
fi
kuked delete realm r --cascade >/dev/null
other_gone
printf '%s\n' "${sizes[@]}" "all: $n_all cases"
