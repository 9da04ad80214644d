# tests/chaos/soak.sh - many clients at once for a long time, while workers die, hang and garble their replies:
# each reply is checked against what its client knows of its own cell; at the end the world is what the
# clients know, then nothing is left of it, and the supervisor is as large as it was.
#
# SOAK_SECONDS, CLIENTS, SEED: what is random in a client's verbs, and in the faults.
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash
# shellcheck source=tests/chaos/world.bash
. tests/chaos/world.bash

SOAK_SECONDS=${SOAK_SECONDS:-3600}
CLIENTS=${CLIENTS:-20}
SEED=${SEED:-$((EPOCHSECONDS % 32768))}
SCOPE=(--realm r --space s --stack t)
VERBS=(apply apply apply get get stop start kill delete create)
REPLY_LIMIT=60 # seconds; no reply takes so long
RSS_GROWTH=1024 # KiB that the supervisor may have more at the end than when it was warm

# --- a client, and what it knows: ---
# absent; made: by create, and not running; ended: that one was started, and its shell had nothing to do;
# running, stopped: with the arguments of $version. It is in containerd when $has_record is 1.

model_load() {
	state=absent version=0 has_record=0
	[ ! -f "$D/model.$1" ] || read -r state version has_record <"$D/model.$1"
}

model_save() {
	echo "$state $version $has_record" >"$D/model.$1"
}

# ask VERB…: one reply, in $status and $out; what is on the wrong stream counts, too.
ask() {
	local began=${EPOCHREALTIME/./} ms
	asked="$*"
	out=$(timeout $REPLY_LIMIT kuke --host "unix://$D/k.sock" "$@" 2>"$D/stderr.$name")
	status=$?
	[ ! -s "$D/stderr.$name" ] || out+=$(<"$D/stderr.$name")
	ms=$(((${EPOCHREALTIME/./} - began) / 1000))
	n_replies=$((n_replies + 1))
	[ "$ms" -le "$slowest" ] || slowest=$ms
}

wrong() {
	printf '%s, %s: %s\n  status %s: %s\n  instead of %s: %s\n' "$(date +%T)" "$state" "$asked" "$status" \
		"$out" "$1" "$2" >>"$D/wrong"
	# From a state that is known again.
	kuked delete cell "$name" "${SCOPE[@]}" >/dev/null 2>&1
	state=absent has_record=0
	return 1
}

# reply STATUS TEXT: that was to be said.
reply() {
	[ "$status $out" = "$1 $2" ] || wrong "$1" "$2"
}

no_cell() {
	reply 1 "Error: cell \"$name\" not found in realm \"r\", space \"s\", stack \"t\""
}

try_apply() {
	local want=$((RANDOM % 2)) said="updated"$'\n'"  - container \"main\" updated: args"
	case $state in
	absent) said=created ;;
	made | ended) said+=", attachable" ;;
	running) [ $want != "$version" ] || said=unchanged ;;
	stopped) [ $want != "$version" ] || said="updated"$'\n'"  - runtime stopped: containers re-materialized"$'\n'"  - container \"main\" re-materialized" ;;
	esac
	ask apply -f "$D/$name.$want.yaml"
	reply 0 "Cell \"$name\": $said" && state=running version=$want has_record=1
}

try_create() {
	ask create cell "$name" --image busybox "${SCOPE[@]}"
	if [ "$state" = absent ]; then
		reply 0 "Cell \"$name\" (realm \"r\", space \"s\", stack \"t\")
  - metadata: created
  - cgroup: created
  - root container: created
  - container \"main\": created
  - containers: not started" && state=made
	else
		reply 1 "Error: cell \"$name\" already exists in realm=\"r\" space=\"s\" stack=\"t\"; start it with \`kuke start $name\`, or remove it with \`kuke delete cell $name\`"
	fi
}

try_get() {
	local want shown
	ask get cell "$name" "${SCOPE[@]}" -o json
	case $state in
	absent)
		reply 1 "Error: cell \"$name\" not found in stack \"r\"/\"s\"/\"t\""
		return
		;;
	running) want="^0 Ready sleep 100$version &" ;;
	stopped) want="^0 Stopped sleep 100$version &" ;;
	made) want='^0 Stopped $' ;;
	ended) want='^0 (Ready|Exited) $' ;;
	esac
	shown=${out#*'"status"'}
	shown=${shown#*$'\n    "state": "'}
	shown="$status ${shown%%\"*} $(grep -o 'sleep 100[01] &' <<<"$out")"
	[[ $shown =~ $want ]] || wrong 0 "$want"
}

# halt VERB REPLY
halt() {
	local then=$state
	ask "$1" "$name" "${SCOPE[@]}"
	case $state in
	absent)
		no_cell
		return
		;;
	running) then=stopped ;;
	ended) then=made ;;
	esac
	reply 0 "$2 cell \"$name\" from stack \"t\"" && state=$then
}

try_stop() { halt stop Stopped; }
try_kill() { halt kill Killed; }

try_start() {
	# Its shell may be there still, or not any more.
	[ "$state" != ended ] || return 0
	ask start "$name" "${SCOPE[@]}"
	case $state in
	absent) no_cell ;;
	running) reply 1 "Error: cell \"$name\" has running containers and must first be stopped" ;;
	stopped) reply 0 "Started cell \"$name\" from stack \"t\"" && state=running ;;
	made) reply 0 "Started cell \"$name\" from stack \"t\"" && state=ended has_record=1 ;;
	esac
}

try_delete() {
	ask delete cell "$name" "${SCOPE[@]}"
	case $state in
	absent) no_cell ;;
	*) reply 0 "Deleted cell \"$name\" from stack \"t\"" && state=absent has_record=0 ;;
	esac
}

# client NUMBER END: any verb, until this second.
client() {
	local name=c$1 n_replies=0 slowest=0 asked out status state version has_record
	RANDOM=$(((SEED + $1 * 7919 + n_phases * 104729) % 32768))
	model_load "$1"
	while [ "$EPOCHSECONDS" -lt "$2" ]; do
		"try_${VERBS[RANDOM % ${#VERBS[@]}]}"
	done
	model_save "$1"
	echo "$n_replies $slowest" >>"$D/replies"
}

# leave NUMBER
leave() {
	local name=c$1 n_replies=0 slowest=0 asked out status state version has_record
	model_load "$1"
	try_delete
	model_save "$1"
	echo "$n_replies $slowest" >>"$D/replies"
}

# --- the faults ---

GARBLED=(reconciler.api_request containerd.container_create containerd.container_remove
	containerd.container_list network.cell_network_ensure network.cell_network_remove
	cgroup.cgroup_ensure cgroup.cgroup_remove)
ROLES=(reconciler containerd network cgroup)

note() {
	echo "$*" >>"$D/faults"
}

# hit SIGNAL ROLE
hit() {
	local pid
	pid=$(worker_pid "$2") && kill "-$1" "$pid" 2>/dev/null && note "$1 $2"
}

# Mostly kills. What counts as a worker's own doing, to hang and to garble, comes to each worker every 5 s and
# no oftener: a request that meets it three times is refused, and that is promised.
torment() {
	local n point role
	RANDOM=$(((SEED + n_phases) % 32768))
	for ((n = 1; ; n++)); do
		pause 0.2
		role=${ROLES[n / 6 % 4]}
		if [ $((n % 6)) != 0 ]; then
			hit KILL "${ROLES[RANDOM % 4]}"
			[ $((RANDOM % 5)) != 0 ] || hit KILL "${ROLES[RANDOM % 4]}"
		elif [ $((RANDOM % 2)) = 0 ]; then
			hit STOP "$role"
		else
			point=${GARBLED[RANDOM % ${#GARBLED[@]}]}.end
			mkdir -p "$D/garbled.$n_phases.$n"
			arm_try "dir=$D/garbled.$n_phases.$n;$point=1*corrupt" && note "garbled $point"
		fi
	done
}

# --- the course of it ---

all_are_back() {
	local role
	for role in "${ROLES[@]}"; do
		worker_pid "$role" || return 1
	done
	arm_try "" && kuked get cells
}

# each COMMAND ARG…: for all clients at once, with the number first.
each() {
	local command=$1 i pids=()
	shift
	for ((i = 1; i <= CLIENTS; i++)); do
		"$command" "$i" "$@" &
		pids+=($!)
	done
	wait "${pids[@]}"
}

# phase SECONDS
phase() {
	local tormentor
	n_phases=$((n_phases + 1))
	torment >/dev/null 2>&1 &
	tormentor=$!
	each client $((EPOCHSECONDS + $1))
	kill "$tormentor"
	wait "$tormentor" 2>/dev/null
	wait_until 20 all_are_back || fail "the workers do not come back"
}

# What the supervisor holds, in $rss and $n_fds.
measure() {
	local fds
	rss=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$daemon_pid/status")
	fds=("/proc/$daemon_pid/fd"/*)
	n_fds=${#fds[@]}
}

all_replies_were_right() {
	[ ! -s "$D/wrong" ] || fail "$(grep -c '^[0-9]' "$D/wrong") are wrong: $(head -n 60 "$D/wrong")"
}

world_is_as_known() {
	local i state version has_record n_running=0 n_records=0 n_networks=0
	for ((i = 1; i <= CLIENTS; i++)); do
		model_load "$i"
		n_records=$((n_records + has_record))
		[ "$state" != running ] || n_running=$((n_running + 1))
		[[ $state != @(running|ended) ]] || n_networks=$((n_networks + 1))
	done
	world_is "$n_running" "$n_records" "$n_networks" "$n_records"
}

# Notes of a reconciler that died of the news that its answer had arrived go when they are old.
journal_expires() {
	compgen -G "$RP/journal/*" | xargs -r touch -d '-1 hour'
	wait_until 10 journal_is_empty || fail "journal: $(find "$RP/journal")"
}

all_left() {
	world_is 0 0 0 0
	journal_expires
}

supervisor_has_not_grown() {
	printf 'RSS %d KiB, when warm %d; %d descriptors, when warm %d\n' "$rss" "$warm_rss" "$n_fds" "$warm_fds"
	[ "$rss" -le $((warm_rss + RSS_GROWTH)) ] && [ "$n_fds" -le "$warm_fds" ]
}

count_of() {
	grep -c "^$1" "$D/faults"
}

: >"$D/wrong"
: >"$D/faults"
n_phases=0
warm_up=$((SOAK_SECONDS / 6 > 300 ? 300 : SOAK_SECONDS / 6))
echo "seed $SEED: $CLIENTS clients, $SOAK_SECONDS s"
containerd_start
daemon_start --heartbeat-limit 1s --reconcile-interval 3s
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
for ((i = 1; i <= CLIENTS; i++)); do
	for version in 0 1; do
		cell_yaml "c$i" /bin/sh -c "trap exit TERM; sleep 100$version & wait" >"$D/c$i.$version.yaml"
	done
done
kuked create space s --realm r >/dev/null
kuked create stack t --realm r --space s >/dev/null
network=$(sed -n 's/.*"network":"\([^"]*\)".*/\1/p' "$RP/data/r/s/network.json")
phase $warm_up
measure
warm_rss=$rss warm_fds=$n_fds
it "is as the clients know, when warm" world_is_as_known
phase $((SOAK_SECONDS - warm_up))
it "is as the clients know, at the end" world_is_as_known
each leave
measure
it "gives no reply that its client did not expect" all_replies_were_right
it "leaves nothing of the cells" all_left
it "has a supervisor that has not grown" supervisor_has_not_grown
awk '{ n += $1; if ($2 > slowest) slowest = $2 } END { printf "%d replies, the slowest after %d ms\n", n, slowest }' "$D/replies"
printf '%d kills, %d stops, %d garbled replies; ' "$(count_of KILL)" "$(count_of STOP)" "$(count_of garbled)"
supervisor_has_not_grown
kuked delete realm r --cascade >/dev/null
