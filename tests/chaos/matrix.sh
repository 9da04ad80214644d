# tests/chaos/matrix.sh - every verb, every point that it passes, every way to die there: the user sees the
# same as without it, and the world is the same afterwards.
#
# The points are found, not listed: each verb runs once with all of them leaving a note. VERBS and FAULTS
# narrow the matrix down.
# limit: 1500
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

FAULTS=${FAULTS:-kill crash exit stop corrupt delay(30)}
SCOPE=(--realm r --space s --stack t)
HEARTBEAT=300ms

# arm SPECIFICATION: in all workers, and in those that take their place.
arm() {
	printf '{"method":"KukeonV1.ArmFaults","params":[{"Specification":"%s"}],"id":0}' "$1" |
		socat -t5 - "UNIX-CONNECT:$D/k.sock" | grep -q '"Err":null' || fail "the faults can't be armed"
}

# --- the verbs: how each comes about, what is done, and what is true afterwards ---

cell_is() {
	expect_equal "$(cell_state "$1")" "$2"
	expect_equal "$(tasks_of "$1")" "$3"
}

tasks_of() {
	ctr_test -n "r.$id.test" tasks ls | awk -v cell="s_t_$1_" 'index($1, cell) == 1 && $3 == "RUNNING" { n++ } END { print n + 0 }'
}

# One address, one link and three pinned namespaces for each cell that has a network; no other record,
# layer, journal or temporary file.
world_is() {
	local n_cells=$1 n_containers=$2
	expect_equal "leases $(grep -rl "^s_t_.*_root" "/var/lib/cni/networks/$network" 2>/dev/null | wc -l)" "leases $n_cells"
	expect_equal "pins $(grep -c "$RP/run/netns/k" /proc/mounts)" "pins $((n_cells * 3))"
	wait_until 5 links_are "$n_cells" || fail "links: $(links), not $n_cells"
	expect_equal "records $(ctr_test -n "r.$id.test" containers ls -q | wc -l)" "records $n_containers"
	expect_equal "layers $(ctr_test -n "r.$id.test" snapshots ls | grep -c '^s_t_')" "layers $n_containers"
	expect_equal "$(find "$RP/data" -name 'metadata.json.*')" ""
}

links() {
	ip -d link show type veth | grep -c "kukeon:$instance:"
}

links_are() {
	[ "$(links)" = "$1" ]
}

journal_is_empty() {
	[ -z "$(find "$RP/journal" -mindepth 1 2>/dev/null)" ]
}

present() {
	kuked apply -f "$D/c.yaml" >/dev/null
}

absent() {
	kuked delete cell c "${SCOPE[@]}" >/dev/null 2>&1 || :
}

prepare_apply_new() { absent; }
do_apply_new() { kuked apply -f "$D/c.yaml"; }
after_apply_new() {
	cell_is c Ready 1
	world_is 1 1
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
	cell_is c Ready 2
	world_is 1 2
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
	cell_is c Stopped 0
	world_is 0 1
}

prepare_start() {
	present
	kuked stop c "${SCOPE[@]}" >/dev/null
}
do_start() { kuked start c "${SCOPE[@]}"; }
after_start() { after_apply_new; }

prepare_kill() { present; }
do_kill() { kuked kill c "${SCOPE[@]}"; }
after_kill() { after_stop; }

prepare_delete_cell() { present; }
do_delete_cell() { kuked delete cell c "${SCOPE[@]}"; }
after_delete_cell() {
	run kuked get cell c "${SCOPE[@]}"
	expect_status 1
	world_is 0 0
}

prepare_delete_stack() { present; }
do_delete_stack() { kuked delete stack t --realm r --space s --cascade; }
after_delete_stack() {
	run kuked get stack t --realm r --space s
	expect_status 1
	world_is 0 0
}

prepare_create_cell() { absent; }
do_create_cell() { kuked create cell c --image busybox "${SCOPE[@]}"; }
after_create_cell() {
	expect_equal "$(cell_state c)" Stopped
	world_is 0 0
}

other_gone() {
	kuked delete realm other --cascade >/dev/null 2>&1 || :
}

prepare_create_realm() { other_gone; }
do_create_realm() { kuked create realm other; }
after_create_realm() {
	ctr_test namespaces ls -q | grep -q "^other\.$id" || fail "no namespace"
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
	! ctr_test namespaces ls -q | grep -q "^other\.$id" || fail "the namespace is left"
	[ -z "$(find /sys/fs/cgroup -maxdepth 3 -path "*/kuke-$id/other")" ] || fail "a cgroup is left"
	expect_equal "$(ip -d link show type bridge | grep -c "kukeon:$instance:other/")" 0
}

cgroup_there() {
	[ -n "$(find /sys/fs/cgroup -maxdepth 6 -path "*/kuke-$id/$1" 2>/dev/null | head -n 1)" ] || fail "no cgroup $1"
}

VERBS=${VERBS:-$(declare -F | sed -n 's/declare -f do_//p')}

# --- the matrix ---

# verb_run VERB: its output and status, as a user sees them.
verb_run() {
	run "do_$1"
	printf '%s\n%s\n%s' "$status" "$out" "$err"
}

points_of() {
	local dir=$D/notes.$1
	mkdir -p "$dir"
	"prepare_$1"
	arm "dir=$dir;*=note"
	verb_run "$1" >"$D/expected.$1"
	arm ""
	(cd "$dir" && printf '%s\n' * | grep -v '\.worker_')
}

# Is this fault of any meaning at this point? Only a reply can be garbled, and events have none.
applies() {
	[ "$2" != corrupt ] || [[ $1 == *.end && $1 != reconciler.task_exited.* && $1 != reconciler.api_answered.* ]]
}

one_case() {
	local verb=$1 point=$2 fault=$3 dir
	dir=$(mktemp -d "$D/case.XXXX")
	"prepare_$verb"
	arm "dir=$dir;$point=1*$fault"
	verb_run "$verb" >"$D/got"
	# An exit is followed up by itself, now before the verb ends and now behind it.
	[ -e "$dir/$point.1" ] || echo "$verb $point" >>"$D/missed"
	cmp -s "$D/expected.$verb" "$D/got" || fail "it shows: $(diff "$D/expected.$verb" "$D/got")"
	arm ""
	"after_$verb"
	# Who dies of the news that an answer arrived leaves its notes to expire.
	[[ $point != reconciler.api_answered.* ]] || rm -rf "$RP/journal"
	wait_until 5 journal_is_empty || fail "journal: $(find "$RP/journal")"
	rm -rf "$dir"
}

matrix() {
	local verb points point fault
	for verb in $VERBS; do
		points=$(points_of "$verb")
		for point in $points; do
			for fault in $FAULTS; do
				applies "$point" "$fault" || continue
				n_cases=$((n_cases + 1))
				it "$verb, $fault at $point" one_case "$verb" "$point" "$fault"
			done
		done
	done
}

n_cases=0
: >"$D/missed"
containerd_start
daemon_start --heartbeat-limit $HEARTBEAT --reconcile-interval 0
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
cell_yaml c /bin/sh -c 'trap exit TERM; while :; do sleep 0.05; done' >"$D/c.yaml"
sed 's/0.05/0.06/' "$D/c.yaml" >"$D/changed.yaml"
{
	cat "$D/c.yaml"
	sed -n '/- id: main/,$p' "$D/c.yaml" | sed 's/id: main/id: more/'
} >"$D/added.yaml"
kuked apply -f "$D/c.yaml" >/dev/null
network=$(sed -n 's/.*"network":"\([^"]*\)".*/\1/p' "$RP/data/r/s/network.json")
matrix
printf '%d cases, %d of them with the point not passed this time\n' "$n_cases" "$(wc -l <"$D/missed")"
kuked delete realm r --cascade >/dev/null
other_gone
