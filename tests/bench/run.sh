# tests/bench/run.sh - measure the release build beside the floors, in one run: medians, ratios, the
# target of each, and what the last baseline said. BASELINE=FILE compares; SAVE=FILE writes a new one.
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

BENCH=${BENCH:-$KUKE_BIN/tests/bench}
BASELINE=${BASELINE:-tests/bench/baseline}
SAVE=${SAVE:-}
ROUNDS=${ROUNDS:-20}  # of one cell made and deleted
CELLS=${CELLS:-100}   # cells of one file
STORED=${STORED:-1000}
RUNNING=${RUNNING:-1000} # cells that run at once, in spaces of 200
SCOPE=(--realm r --space s --stack t)

# row NAME VALUE UNIT LIMIT: one line; smaller is better everywhere.
row() {
	local last
	last=$(sed -n "s/^$1	//p" "$BASELINE" 2>/dev/null)
	awk -v name="$1" -v value="$2" -v unit="$3" -v limit="$4" -v last="${last:-}" 'BEGIN {
		printf "%-46s %9.2f %-4s", name, value, unit
		printf "  %-10s", (limit == "" ? "-" : "<= " limit)
		printf "  %9s", (last == "" ? "-" : sprintf("%.2f", last))
		print limit == "" || value <= limit ? "" : "   over"
	}'
	[ -z "$SAVE" ] || printf '%s\t%s\n' "$1" "$2" >>"$SAVE.new"
}

ratio() {
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a / b }'
}

ms() {
	awk -v us="$1" 'BEGIN { printf "%.2f", us / 1000 }'
}

# timed COMMAND…: its wall time in microseconds, in $us. Its output is kept out of the way.
timed() {
	local start=${EPOCHREALTIME/./}
	"$@" >"$D/timed.out" 2>&1 || fail "failed: $*: $(<"$D/timed.out")"
	us=$((${EPOCHREALTIME/./} - start))
}

median() {
	sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'
}

percentile_99() {
	sort -n | awk '{ a[NR] = $1 } END { print a[int(NR * 0.99 + 0.99)] }'
}

spawn() {
	"$BENCH/spawn" "$@" || fail "spawn $*"
}

bench_start() {
	local empty version own
	read -r empty _ < <(spawn 200 "$BENCH/empty")
	read -r version _ < <(spawn 200 kuke version --no-daemon)
	read -r own _ < <(spawn 20 kuke get cells --no-daemon --run-path "$RP")
	row "empty program" "$(ms "$empty")" ms ""
	row "kuke version --no-daemon" "$(ms "$version")" ms ""
	row "kuke version / empty program" "$(ratio "$version" "$empty")" x 2.5
	row "kuke get cells --no-daemon, 1 cell" "$(ms "$own")" ms 25
}

# get_cells NAME LIMIT ARG…
get_cells() {
	local name=$1 limit=$2 middle
	shift 2
	read -r middle _ < <(spawn 50 kuke --host "unix://$D/k.sock" get cells "$@")
	row "$name" "$(ms "$middle")" ms "$limit"
}

bench_messages() {
	local middle
	read -r middle _ < <("$BENCH/roundtrip" "$KUKE_BIN/kukeond" 20000)
	row "message round trip, supervisor and worker" "$middle" us 60
}

# pss PID…: MiB of all.
pss() {
	local pid
	for pid; do
		cat "/proc/$pid/smaps_rollup"
	done | awk '/^Pss:/ { kb += $2 } END { printf "%.2f", kb / 1024 }'
}

rss() {
	awk '/^Rss:/ { printf "%.2f", $2 / 1024 }' "/proc/$1/smaps_rollup"
}

# bench_memory NAME LIMIT-SUPERVISOR LIMIT-ALL
bench_memory() {
	local workers pid
	mapfile -t workers < <(pgrep -P "$daemon_pid")
	row "PSS of the supervisor, $1" "$(pss "$daemon_pid")" MiB "$2"
	for pid in "${workers[@]}"; do
		row "RSS of $(<"/proc/$pid/comm"), $1" "$(rss "$pid")" MiB ""
	done
	row "PSS of all five, $1" "$(pss "$daemon_pid" "${workers[@]}")" MiB "$3"
}

# Kill to ready, by the clock of the log.
bench_restart() {
	local role i before at ready
	for ((i = 0; i < 25; i++)); do
		for role in cgroup network containerd reconciler; do
			before=$(grep -c "the $role worker is ready" "$D/kukeond.log")
			at=$((${EPOCHREALTIME/./} / 1000))
			kill -9 "$(worker_pid $role)"
			wait_until 10 eval "[ \$(grep -c 'the $role worker is ready' '$D/kukeond.log') -gt $before ]" ||
				fail "the $role worker does not come back"
			ready=$(grep "the $role worker is ready" "$D/kukeond.log" | tail -n 1 | cut -d' ' -f1)
			echo $(($(date -d "$ready" +%s%3N) - at))
		done
	done >"$D/restarts"
	row "worker kill to ready, median" "$(median <"$D/restarts")" ms 50
	row "worker kill to ready, 99th percentile" "$(percentile_99 <"$D/restarts")" ms 100
}

# A random worker dies five times a second, as long as the file `kills` is there.
kills() {
	local roles=(reconciler containerd network cgroup)
	while [ -e "$D/kills" ]; do
		kill -9 "$(worker_pid "${roles[RANDOM % 4]}")" 2>/dev/null
		pause 0.2
	done
}

# What users notice of it.
bench_kills() {
	local calm killed
	read -r _ calm < <(spawn 2000 kuke --host "unix://$D/k.sock" get cells)
	touch "$D/kills"
	kills &
	read -r _ killed < <(spawn 2000 kuke --host "unix://$D/k.sock" get cells)
	rm "$D/kills"
	wait $!
	row "kuke get cells, 99th percentile" "$(ms "$calm")" ms ""
	row "the same, a worker killed every 200 ms" "$(ms "$killed")" ms ""
	row "99th percentile under kills / without" "$(ratio "$killed" "$calm")" x 3
}

# The specification and parent snapshot of cell "one", for the floor.
floor_prepare() {
	namespace=r.$id.test
	ctr_test -n "$namespace" containers info s_t_one_main >"$D/info.json"
	python3 - "$D/info.json" >"$D/spec.json" <<-'END'
		import json, sys
		print(json.dumps(json.load(open(sys.argv[1]))["Spec"]))
	END
	parent=$(ctr_test -n "$namespace" snapshots info s_t_one_main | sed -n 's/.*"Parent": "\(.*\)".*/\1/p')
}

# floor N CONCURRENCY: $create, $delete (medians), $create_all, $delete_all (per cell), microseconds.
floor() {
	{
		read -r create _
		read -r delete _
		read -r create_all delete_all
	} < <("$BENCH/floor" "$D/containerd.sock" "$namespace" docker.io/library/busybox:latest "$parent" \
		"$D/spec.json" "$1" "$2")
	[ -n "${delete_all:-}" ] || fail "the floor could not be measured"
}

# Ours and the floor by turns: what slows the machine for a while slows both.
bench_one_cell() {
	local i
	cell_yaml b >"$D/b.yaml"
	for ((i = 0; i < ROUNDS; i++)); do
		timed kuked apply -f "$D/b.yaml"
		echo "$us" >>"$D/applied"
		floor 1 1
		echo "$create" >>"$D/created.raw"
		echo "$delete" >>"$D/deleted.raw"
		timed kuked delete cell b "${SCOPE[@]}"
		echo "$us" >>"$D/deleted"
		timed ctr_test -n "$namespace" run --rm docker.io/library/busybox:latest c /bin/true
		echo "$us" >>"$D/ctr"
	done
	local applied deleted ctr
	applied=$(median <"$D/applied")
	deleted=$(median <"$D/deleted")
	ctr=$(median <"$D/ctr")
	create=$(median <"$D/created.raw")
	delete=$(median <"$D/deleted.raw")
	row "raw create of one container" "$(ms "$create")" ms ""
	row "ctr run --rm of true" "$(ms "$ctr")" ms ""
	row "apply of one cell" "$(ms "$applied")" ms ""
	row "apply of one cell / raw create" "$(ratio "$applied" "$create")" x 1.2
	row "apply of one cell / ctr run" "$(ratio "$applied" "$ctr")" x ""
	row "raw delete of one container" "$(ms "$delete")" ms ""
	row "delete of one cell" "$(ms "$deleted")" ms ""
	row "delete of one cell / raw delete" "$(ratio "$deleted" "$delete")" x 1.25
}

# The floor at the number in flight that is best for it, then by turns with ours.
bench_many_cells() {
	local i concurrency best=0 best_create=0
	for concurrency in 2 4 8; do
		floor "$CELLS" "$concurrency"
		[ "$best" != 0 ] && [ "$create_all" -gt "$best_create" ] || {
			best=$concurrency
			best_create=$create_all
		}
	done
	for ((i = 0; i < CELLS; i++)); do
		echo ---
		cell_yaml "m$i"
	done >"$D/many.yaml"
	for i in 1 2 3; do
		floor "$CELLS" "$best"
		echo "$create_all" >>"$D/many.created.raw"
		echo "$delete_all" >>"$D/many.deleted.raw"
		timed kuked apply -f "$D/many.yaml"
		echo $((us / CELLS)) >>"$D/many.applied"
		[ "$i" != 1 ] || bench_memory "$CELLS cells" "" ""
		timed kuked delete -f "$D/many.yaml" --force
		echo $((us / CELLS)) >>"$D/many.deleted"
	done
	create=$(median <"$D/many.created.raw")
	delete=$(median <"$D/many.deleted.raw")
	us=$(median <"$D/many.applied")
	row "raw create, each of $CELLS, best concurrency" "$(ms "$create")" ms ""
	row "apply of $CELLS cells in one file, each" "$(ms "$us")" ms ""
	row "apply of $CELLS cells / raw create" "$(ratio "$us" "$create")" x 1.2
	us=$(median <"$D/many.deleted")
	row "raw delete, each of $CELLS, best concurrency" "$(ms "$delete")" ms ""
	row "delete of $CELLS cells, each" "$(ms "$us")" ms ""
	row "delete of $CELLS cells / raw delete" "$(ratio "$us" "$delete")" x ""
}

# Many stored cells, stopped: copies of one that is.
stored_make() {
	local i dir=$RP/data/r/s/t
	kuked stop one "${SCOPE[@]}" >/dev/null
	daemon_stop
	for ((i = 0; i < STORED; i++)); do
		mkdir "$dir/n$i"
		sed "s/\"one\"/\"n$i\"/; s/_one_/_n${i}_/; s,t/one,t/n$i," "$dir/one/metadata.json" \
			>"$dir/n$i/metadata.json"
	done
	daemon_start
}

cpu_ticks() {
	local pid
	for pid in "$daemon_pid" $(pgrep -P "$daemon_pid"); do
		cut -d' ' -f14,15 "/proc/$pid/stat"
	done | awk '{ n += $1 + $2 } END { print n }'
}

# The share of one core over a while without any request: the while is what is measured.
bench_idle() {
	local before after
	before=$(cpu_ticks)
	sleep 40
	after=$(cpu_ticks)
	row "idle CPU with $STORED cells" "$(ratio $((after - before)) 40)" % 0.3
}

bench_stored() {
	local idle full pids
	daemon_stop
	daemon_start
	kuked get cells -o json >/dev/null
	mapfile -t pids < <(pgrep -P "$daemon_pid")
	idle=$(pss "$daemon_pid" "${pids[@]}")
	stored_make
	get_cells "kuke get cells, $STORED cells" ""
	mapfile -t pids < <(pgrep -P "$daemon_pid")
	get_cells "kuke get cells -o json, $STORED cells" 25 -o json
	full=$(pss "$daemon_pid" "${pids[@]}")
	row "growth per stored cell" "$(awk -v a="$full" -v b="$idle" -v n="$STORED" \
		'BEGIN { printf "%.2f", (a - b) * 1024 / n }')" KiB 10
	bench_idle
	find "$RP/data/r/s/t" -maxdepth 1 -name 'n[0-9]*' -exec rm -rf {} +
}

# From the end of its process to the next one, beside the making of a task by hand.
bench_exit() {
	local i pid
	{
		cell_yaml again
		echo '      restartPolicy: always'
	} >"$D/again.yaml"
	kuked apply -f "$D/again.yaml" >/dev/null
	for ((i = 0; i < ROUNDS; i++)); do
		# One that ran for long begins anew, without a pause.
		kuked restart again "${SCOPE[@]}" >/dev/null
		pid=$(task_pid again)
		python3 - "$pid" "$D/containerd/state/io.containerd.runtime.v2.task/$namespace/s_t_again_main/init.pid" <<-'END'
			import os, signal, sys, time
			old, path = sys.argv[1:]
			start = time.monotonic()
			os.kill(int(old), signal.SIGKILL)
			while True:
			    try:
			        pid = open(path).read()
			        if pid and pid != old and open(f"/proc/{pid}/comm").read() == "sleep\n":
			            break
			    except OSError:
			        pass
			print(int((time.monotonic() - start) * 1e6))
		END
		floor 1 1
		echo "$create" >>"$D/created.exit"
	done >"$D/exits"
	local exit create
	exit=$(median <"$D/exits")
	create=$(median <"$D/created.exit")
	row "container exit to running again" "$(ms "$exit")" ms ""
	row "container exit to running again, beyond raw" "$(ms $((exit - create)))" ms 50
	kuked delete cell again "${SCOPE[@]}" >/dev/null
}

# prompt COMMAND…: microseconds until a shell asks for a command, at a terminal.
prompt() {
	PYTHONPATH=tests/support PYTHONDONTWRITEBYTECODE=1 python3 - "$@" <<-'END' || fail "no prompt: $*"
		from terminal import *
		began = time.monotonic()
		t = Terminal(*sys.argv[1:])
		t.until("/ # ")
		print(int((time.monotonic() - began) * 1e6))
		t.type("exit\r")
		t.end()
	END
}

bench_terminal() {
	local i pids
	for ((i = 0; i < ROUNDS; i++)); do
		prompt kuke --host "unix://$D/k.sock" run "${SCOPE[@]}" --image busybox --name p --rm >>"$D/prompts"
		prompt ctr -a "$D/containerd.sock" -n "$namespace" run --rm -t docker.io/library/busybox:latest p /bin/sh >>"$D/prompts.ctr"
	done
	local ours theirs
	ours=$(median <"$D/prompts")
	theirs=$(median <"$D/prompts.ctr")
	row "prompt of ctr run -t" "$(ms "$theirs")" ms ""
	row "prompt of kuke run" "$(ms "$ours")" ms ""
	row "prompt of kuke run / ctr run -t" "$(ratio "$ours" "$theirs")" x 1.5
	mapfile -t pids < <(pgrep -f "kuketty .*$RP/data/r/s/t/one/")
	row "PSS of kuketty, a container" "$(awk -v mib="$(pss "${pids[@]}")" 'BEGIN { print mib * 1024 }')" KiB ""
}

# Cells that run, as many as a large host has.
bench_running() {
	local i before after
	for ((i = 0; i < RUNNING; i++)); do
		echo ---
		cell_yaml "k$i" | sed "s/spaceId: s/spaceId: s$((i / 200))/"
	done >"$D/running.yaml"
	timed kuked apply -f "$D/running.yaml"
	row "apply of $RUNNING cells, each" "$(ms $((us / RUNNING)))" ms ""
	for i in 1 2 3 4 5; do
		timed kuked apply -f "$D/running.yaml"
		echo "$us"
	done >"$D/unchanged"
	row "unchanged apply of $RUNNING cells" "$(ms "$(median <"$D/unchanged")")" ms 300
	get_cells "kuke get cells -o json, $RUNNING that run" 25 -o json
	before=$(cpu_ticks)
	sleep 60
	after=$(cpu_ticks)
	row "CPU of a minute with $RUNNING running cells" "$(ratio $((after - before)) 100)" s ""
	timed kuked delete -f "$D/running.yaml"
	row "delete of $RUNNING cells, each" "$(ms $((us / RUNNING)))" ms ""
}

bench_all() {
	cell_yaml one >"$D/one.yaml"
	kuked apply -f "$D/one.yaml"
	floor_prepare
	printf '%-46s %9s %-4s  %-10s  %9s\n' what measured "" target last
	bench_start
	get_cells "kuke get cells, 1 cell" 4
	bench_messages
	bench_memory idle 3 16
	bench_restart
	bench_kills
	bench_one_cell
	bench_many_cells
	bench_exit
	bench_terminal
	bench_stored
	bench_running
	kuked delete realm r --cascade --force
}

# What is below /run on a host is in memory here too, for the floor as for us.
memory_mount() {
	mkdir -p "$D/containerd/state" "$RP/run"
	mount -t tmpfs kuke "$D/containerd/state"
	mount -t tmpfs kuke "$RP/run"
}

memory_unmount() {
	daemon_stop
	kill "$containerd_pid"
	wait "$containerd_pid"
	umount "$D/containerd/state" "$RP/run"
}

[ -z "$SAVE" ] || : >"$SAVE.new"
memory_mount
containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
bench_all
memory_unmount
[ -z "$SAVE" ] || mv "$SAVE.new" "$SAVE"
