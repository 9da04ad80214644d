# tests/e2e/events.sh - what happens is numbered, kept, followed and waited for: kuke events, get -w, wait.
# limit: 180
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

scope=(--realm r --space s --stack t)

# following FILE COMMAND…: kuke with the daemon, into FILE, until the case kills it.
following() {
	local file=$1
	shift
	(exec kuke --host "unix://$D/k.sock" "$@" >"$file" 2>&1 </dev/null) &
	follower=$!
}

# reasons_of OBJECT: of its events, in their order.
reasons_of() {
	kuked events | awk -v object="$1" '$3 " " $4 == object { print $2 }' | paste -sd' '
}

sequences() {
	kuked events -o json | python3 -c '
import json, sys
numbers = [json.loads(line)["sequence"] for line in sys.stdin]
assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "a gap"
print(numbers[0], numbers[-1])'
}

life_of_a_cell() {
	cell_yaml web /bin/sh -c 'sleep 0.3; exit 3' >"$D/web.yaml"
	kuked apply -f "$D/web.yaml" >/dev/null
	wait_until 5 state_is web Error || fail "$(cell_json web)"
	wait_until 5 eval '[[ $(reasons_of "cell r/s/t/web") = "Created Ready Error" ]]' ||
		fail "of the cell: $(reasons_of "cell r/s/t/web")"
	expect_equal "$(reasons_of "container r/s/t/web/main")" "Ready Error"
	run kuked events --cell web
	expect_out 'Ready -> Error, exit status 3'
	cell_yaml web >"$D/web.yaml"
	kuked apply -f "$D/web.yaml" >/dev/null
	expect_out_of 'container "main" updated: command, args' kuked events --cell web
	kuked delete cell web "${scope[@]}" >/dev/null
	expect_equal "$(kuked events --cell web | tail -n 2 | awk '{ print $2, $3 }')" "Deleted container
Deleted cell"
	run kuked events --realm nobody
	expect_out 'No events found.'
	sequences >/dev/null || fail "the numbers have a gap"
}

# expect_out_of TEXT COMMAND…
expect_out_of() {
	local text=$1
	shift
	run "$@"
	expect_out "$text"
}

# By the daemon and in-process, at the same time.
many_writers() {
	local i pids=()
	for i in 1 2 3 4; do
		(
			for k in 1 2 3; do
				kuked create realm "d$i$k" && kukel create realm "l$i$k" && kuked delete realm "l$i$k" && kukel delete realm "d$i$k"
			done
		) >/dev/null 2>&1 &
		pids+=($!)
	done
	wait "${pids[@]}"
	sequences >/dev/null || fail "the numbers have a gap"
	expect_equal "$(kuked events | grep -c 'Deleted .*realm [dl][0-9]')" 24
}

since() {
	local stamp last
	stamp=$(kuked events -o json | tail -n 1 | python3 -c 'import json, sys; print(json.load(sys.stdin)["time"])')
	expect_equal "$(kuked events --since "$stamp" | wc -l)" 1
	expect_equal "$(kuked events --since 1h | wc -l)" "$(kuked events | wc -l)"
	run kuked events --since yesterday
	expect_refusal 'invalid --since "yesterday"'
	run kuked events -o yaml
	expect_refusal 'invalid --output "yaml": want json'
	expect_equal "$(kukel events)" "$(kuked events)"
}

followed() {
	local i
	following "$D/followed" events -f
	wait_until 5 [ -s "$D/followed" ]
	expect_equal "$(wc -l <"$D/followed")" 10
	cell_yaml f >"$D/f.yaml"
	for i in 1 2 3; do
		kuked apply -f "$D/f.yaml" >/dev/null
		kill -9 "$(worker_pid reconciler)"
		kuked delete -f "$D/f.yaml" >/dev/null
	done
	wait_until 5 eval '[ "$(grep -c "Deleted .* cell" "$D/followed")" = 3 ]' || fail "$(<"$D/followed")"
	expect_equal "$(grep 'r/s/t/f' "$D/followed" | awk '{ print $2 }' | paste -sd' ')" \
		"$(for i in 1 2 3; do echo Created Ready Ready Deleted Deleted; done | paste -sd' ')"
	kukel create realm other >/dev/null
	wait_until 5 grep -q 'realm other' "$D/followed" || fail "what was done in-process is not seen"
	kukel delete realm other >/dev/null
	kill "$follower"
	! grep -q Warning "$D/followed" || fail "$(<"$D/followed")"
}

# What is not kept any more is said to be missing.
gap() {
	local reply last
	last=$(sequences | cut -d' ' -f2)
	mv "$RP/events" "$RP/events.1"
	python3 - "$RP/events" "$last" <<-'END'
		import json, sys
		with open(sys.argv[1], "w") as file:
		    for number in range(int(sys.argv[2]) + 100, int(sys.argv[2]) + 200):
		        file.write(json.dumps({"sequence": number, "time": "2026-01-01T00:00:00Z", "kind": "Realm", "realm": "x",
		            "reason": "Ready", "message": ""}) + "\n")
	END
	rm "$RP/events.1"
	reply=$(call ListEvents "{\"Since\": $((last + 9))}")
	[[ $reply = *'"Missed":90'* ]] || fail "${reply:0:300}"
	reply=$(call ListEvents "{\"Since\": $((last + 1000))}")
	[[ $reply = *'"Missed":-1'* ]] || fail "${reply:0:300}"
	reply=$(call ListEvents "{\"Since\": $((last + 150)), \"Limit\": 3}")
	[[ $reply = *'"Missed":0'* && $(grep -o '"sequence"' <<<"$reply" | wc -l) = 3 ]] || fail "${reply:0:300}"
	# A line that was torn by a death is none; the next one is whole.
	printf '{"sequence":' >>"$RP/events"
	kuked create realm torn >/dev/null
	kuked delete realm torn >/dev/null
	expect_equal "$(kuked events | grep -c 'realm torn')" 3
	sequences >/dev/null || fail "the numbers have a gap"
}

# call METHOD ARGUMENTS
call() {
	printf '{"method":"KukeonV1.%s","params":[%s],"id":1}\n' "$1" "$2" | socat -t5 - "UNIX-CONNECT:$D/k.sock"
}

# It is put away when it is large, and the numbers go on.
rotated() {
	local last
	last=$(sequences | cut -d' ' -f2)
	python3 - "$RP/events" "$last" <<-'END'
		import json, sys
		with open(sys.argv[1], "a") as file:
		    for number in range(int(sys.argv[2]) + 1, int(sys.argv[2]) + 15000):
		        file.write(json.dumps({"sequence": number, "time": "2026-01-01T00:00:00Z", "kind": "Realm", "realm": "x",
		            "reason": "Ready", "message": "x" * 200}) + "\n")
	END
	kuked create realm turned >/dev/null
	[ -e "$RP/events.1" ] || fail "it was not put away: $(stat -c %s "$RP/events")"
	[ "$(stat -c %s "$RP/events")" -lt 10000 ] || fail "it did not begin anew"
	sequences >/dev/null || fail "the numbers have a gap"
	expect_equal "$(kuked events | tail -n 2 | awk '{ print $2, $4 }')" "Created turned
Ready turned"
	kuked delete realm turned >/dev/null
}

watched() {
	following "$D/watched" get cells -w
	local table=$follower
	following "$D/names" get containers -w -o name
	local names=$follower
	following "$D/other" get cell other "${scope[@]}" -w -o json
	wait_until 5 eval 'kuked get realms >/dev/null'
	cell_yaml w >"$D/w.yaml"
	kuked apply -f "$D/w.yaml" >/dev/null
	wait_until 5 grep -q 'w .* Ready' "$D/watched" || fail "$(<"$D/watched")"
	kuked kill w "${scope[@]}" >/dev/null
	wait_until 5 grep -q 'w .* Stopped' "$D/watched" || fail "$(<"$D/watched")"
	kill -9 "$(worker_pid reconciler)" "$(worker_pid containerd)"
	kuked delete -f "$D/w.yaml" >/dev/null
	wait_until 5 grep -q 'w .* Deleted' "$D/watched" || fail "$(<"$D/watched")"
	expect_equal "$(grep -c NAME "$D/watched")" 1
	expect_equal "$(sort -u "$D/names")" main
	expect_equal "$(<"$D/other")" ""
	kill "$table" "$names" "$follower"
}

waited() {
	local began
	cell_yaml late >"$D/late.yaml"
	following "$D/ready" wait late "${scope[@]}" --for ready --timeout 20s
	kuked apply -f "$D/late.yaml" >/dev/null
	wait "$follower" || fail "$(<"$D/ready")"
	expect_equal "$(<"$D/ready")" 'Cell "late" is ready'
	following "$D/gone" wait late "${scope[@]}" --for=gone --timeout=20s
	following "$D/stopped" wait late "${scope[@]}" --for=stopped --timeout=20s
	kuked kill late "${scope[@]}" >/dev/null
	wait "$follower" || fail "$(<"$D/stopped")"
	run kuked wait late "${scope[@]}" --timeout 200ms
	expect_refusal 'timed out after 200ms waiting for cell "late" to be ready: it is Stopped'
	kuked delete -f "$D/late.yaml" >/dev/null
	wait_until 5 grep -q 'Cell "late" is gone' "$D/gone" || fail "$(<"$D/gone")"
	run kuked wait late "${scope[@]}" --timeout 200ms
	expect_refusal 'timed out after 200ms waiting for cell "late" to be ready: there is none'
	run kukel wait late "${scope[@]}" --for gone
	expect_equal "$out" 'Cell "late" is gone'
	run kuked wait
	expect_refusal 'requires at least 1 arg(s), only received 0'
	run kuked wait late --for=happy
	expect_refusal 'invalid --for "happy": want ready, stopped or gone'
	run kuked wait late --timeout=soon
	expect_refusal 'invalid --timeout "soon": want a duration, as 30s'
}

# In-process nobody sees an exit: it is looked for.
waited_in_process() {
	cell_yaml short /bin/sh -c 'exit 0' >"$D/short.yaml"
	kukel apply -f "$D/short.yaml" >/dev/null
	run kukel wait short "${scope[@]}" --for stopped --timeout 10s
	expect_equal "$out" 'Cell "short" is stopped'
	kuked delete -f "$D/short.yaml" >/dev/null
}

formats() {
	cell_yaml a | kuked apply -f - >/dev/null
	cell_yaml b | kuked apply -f - >/dev/null
	expect_equal "$(kuked get cells -o name)" "a
b"
	expect_equal "$(kuked get cells -o 'jsonpath={range .items[*]}{.metadata.name} {.status.state}{"\n"}{end}')" "a Ready
b Ready"
	expect_equal "$(kuked get cell a "${scope[@]}" -o jsonpath={.spec.containers[0].image})" busybox
	expect_equal "$(kukel get containers --cell b -o name)" main
	run kuked get cells -o 'jsonpath={.items[}'
	expect_refusal 'invalid output format: jsonpath={.items[}'
	run kuked get cells -o xml
	expect_refusal 'invalid output format: xml (supported: yaml, json, table, wide), or name, or jsonpath=…'
}

# Whoever only waits holds nobody up.
drained() {
	following "$D/last" events -f
	wait_until 5 [ -s "$D/last" ]
	kill -TERM "$daemon_pid"
	within 2000 eval '! kill -0 "$daemon_pid" 2>/dev/null' || fail "a follower held up the end"
	kill "$follower" 2>/dev/null
	daemon_pid=
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
it "tells the life of a cell" life_of_a_cell
it "numbers the events of daemon and in-process commands without a gap" many_writers
it "shows those since a time" since
it "follows, also when the reconciler is killed" followed
it "shows objects again as they change" watched
it "waits for cells to be ready, stopped and gone" waited
it "waits in-process" waited_in_process
it "prints names and paths" formats
it "says what it has missed" gap
it "puts the log away when it is large" rotated
kuked delete realm r --cascade >/dev/null
it "goes down although somebody follows" drained
