# tests/chaos/world.bash - what is true of the world: of containerd, the network,
# cgroups and the run path. Sourced behind lib.bash.
#
# All of it is asked after each case of the matrix: where it can be had without a process, it is.
# shellcheck shell=bash disable=SC2154

CHAOS=$KUKE_BIN/tests/chaos

# world REALM
world() {
	"$CHAOS/world" "$D/containerd.sock" "$1.$id.test"
}

cell_is() {
	local json
	json=$(cell_json "$1")
	json=${json#*'"status"'}
	json=${json#*$'\n    "state": "'}
	expect_equal "${json%%\"*}" "$2"
}

# world_is TASKS RECORDS NETWORKS CGROUPS: so many run, and of all the rest there is what they need and no
# more: a layer to a record; an address, files, a link and a pinned namespace to the network of a cell.
world_is() {
	local all kind name status n_tasks=0 n_records=0 n_layers=0
	all=$(world r) || fail "containerd: $all"
	while read -r kind name _ status; do
		case $kind.$name.$status in
		task.*.RUNNING) n_tasks=$((n_tasks + 1)) ;;
		container.*) n_records=$((n_records + 1)) ;;
		snapshot.s_t_*) n_layers=$((n_layers + 1)) ;;
		esac
	done <<<"$all"
	expect_equal "$n_tasks tasks, $n_records records, $n_layers layers" "$1 tasks, $2 records, $2 layers"
	leases_are "$3"
	files_are "$3"
	# Several containers have more in common than the network.
	pins_are $(($3 + ($2 > 1 ? 2 : 0)))
	wait_until 5 links_are "$3" || fail "not $3 links"
	groups_are "$4"
	expect_equal "$(find "$RP/data" -name 'metadata.json.*')" ""
}

leases_are() {
	local file line n=0
	for file in "/var/lib/cni/networks/$network"/*; do
		line=
		read -r line <"$file" || :
		[[ $line != s_t_*_root* ]] || n=$((n + 1))
	done
	expect_equal "$n leases" "$1 leases"
}

# What cells have of their network in the runtime directory.
files_are() {
	local dirs
	shopt -s nullglob
	dirs=("$RP/run/cells/r/s/t"/*/)
	shopt -u nullglob
	expect_equal "files of ${#dirs[@]} cells" "files of $1 cells"
}

pins_are() {
	local mounts rest pin="$RP/run/netns/k"
	mounts=$(</proc/mounts)
	rest=${mounts//"$pin"/}
	expect_equal "$(((${#mounts} - ${#rest}) / ${#pin})) pins" "$1 pins"
}

links_are() {
	local file alias n=0
	for file in /sys/class/net/kv*/ifalias; do
		read -r alias 2>/dev/null <"$file" || continue
		[[ $alias != "kukeon:$instance:"* ]] || n=$((n + 1))
	done
	[ "$n" = "$1" ]
}

# Of cells, in each hierarchy.
groups_are() {
	local roots groups
	shopt -s nullglob
	roots=(/sys/fs/cgroup/{,*/}"kuke-$id"/[r]/)
	groups=(/sys/fs/cgroup/{,*/}"kuke-$id/r/s/t"/*/)
	shopt -u nullglob
	expect_equal "cgroups: ${#groups[@]}" "cgroups: $(($1 * ${#roots[@]}))"
}

journal_is_empty() {
	! compgen -G "$RP/journal/*" >/dev/null
}
