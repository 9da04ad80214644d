# tests/e2e/hostile.sh - clients that mean no good: what becomes of them, and that nobody else notices.
# limit: 300
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

# One case of a Python file beside this one.
python_case() {
	SOCKET=$D/k.sock LOG=$D/kukeond.log DAEMON=$daemon_pid RUN_PATH=$RP SCHEMA=$schema PATIENCE=$((patience * ${CK_TIMEOUT_MULTIPLIER:-1})) \
		PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/support python3 "tests/e2e/$1.py" "$2" ||
		fail "the case above failed"
}

hostile() {
	python_case hostile "$1"
}

values() {
	python_case hostile_values "$1"
}

# The tables as the daemon has them; `make check` has made it already.
schema_make() {
	[ -x "$schema" ] || make -s "V=${KUKE_BIN##*/}" "build/${KUKE_BIN##*/}/tests/e2e/schema" ||
		fail "no program that dumps the tables"
}

# as UID GID COMMAND…
as() {
	env HOME=/nonexistent setpriv --reuid "$1" --regid "$2" --clear-groups "${@:3}"
}

# The directories above the socket are open to all; the socket's own mode is what keeps strangers out.
strangers_are_refused() {
	chmod 755 "$D"
	run as 65534 65534 kuke --host "unix://$D/k.sock" get cells
	expect_refusal 'permission denied'
	run as 65534 0 kuke --host "unix://$D/k.sock" get cells
	expect_refusal 'permission denied'
	kuked get cells >/dev/null || fail "root is refused"
}

# With --socket-gid, one who is in the group may, and is seen; one who is not may not.
group_is_served() {
	chmod 755 "$D"
	run as 65531 65533 kuke --host "unix://$D/k.sock" get cells
	expect_status 0
	wait_until 5 grep -q 'call method=KukeonV1.ListCells peer_pid=[0-9]* peer_uid=65531$' "$D/kukeond.log" ||
		fail "the log does not tell of uid 65531"
	run as 65531 65532 kuke --host "unix://$D/k.sock" get cells
	expect_refusal 'permission denied'
}

# Neither member of the group nor stranger can take the socket's place, or stop the daemon by its files.
socket_is_safe() {
	as 65531 65533 rm -f "$D/k.sock" "$D/kukeond.pid" 2>/dev/null
	[ -S "$D/k.sock" ] || fail "another user removed the socket"
	[ -f "$D/kukeond.pid" ] || fail "another user removed the pid file"
	kuked get cells >/dev/null || fail "not served"
}

sleeper_is_done() {
	[ "$sleeper_status" = 0 ] || fail "$(<"$D/sleeper")"
}

case ${KUKE_BIN##*/} in
asan | tsan | cov) patience=8 ;;
*) patience=1 ;;
esac
schema=$KUKE_BIN/tests/e2e/schema
containerd_start
daemon_start
kuked create realm r >/dev/null
kuked create space s --realm r >/dev/null
kuked create stack t --realm r --space s >/dev/null
it "has the tables" schema_make
hostile sleeper >"$D/sleeper" 2>&1 &
sleeper_pid=$!
it "closes on garbage" hostile garbage
it "closes on JSON that is no request, or says why" hostile no_requests
it "cuts a request of 1 GB at its limit" hostile huge_requests
it "cuts a request of millions of values" hostile many_values
it "survives 10 000 levels of JSON" hostile deep_requests
it "refuses YAML that would take for ever" hostile hostile_yaml
it "waits for slow requests, and nobody for them" hostile slow_requests
it "serves 1000 of 10 000 connections" hostile crowd
it "keeps descriptors for its workers" hostile few_descriptors
it "forgets who connects and goes" hostile vanish
it "does what was asked once, whoever hangs up" hostile hang_ups
it "answers 10 000 requests that came together" hostile pipelining
it "serves others beside 16 000 calls" hostile many_calls
it "serves others beside large requests" hostile large_requests
it "bounds what all clients send" hostile hoarders
it "bounds what all clients leave unread" hostile deaf_clients
it "refuses every wrong type for every field" values wrong_types
it "refuses every wrong type in a manifest" values wrong_types_in_yaml
it "knows the limit of every field" values limits_of_values
it "takes numbers for what they are" values odd_numbers
it "takes text for what it is" values odd_text
it "takes the last of two" values twice
it "keeps its own members to itself" values own_members
it "writes its own log" values log_lines
it "refuses strangers" strangers_are_refused
wait "$sleeper_pid"
sleeper_status=$?
it "ends half a request after 30 s, and no idle client" sleeper_is_done
daemon_stop
daemon_start --socket-gid 65533
it "serves its group and tells of who called" group_is_served
it "is not stopped by another user" socket_is_safe
kuked delete realm r --cascade >/dev/null
