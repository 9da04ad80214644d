# tests/e2e/progress.sh - long work tells a person at a terminal how it goes, and nobody else.
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

at_terminal() {
	run python3 tests/e2e/progress.py kuke --host "unix://$D/k.sock" "$@"
}

tells_how_it_goes() {
	arm 'containerd.container_create.begin=delay(2500)'
	cell_yaml a >"$D/a.yaml"
	at_terminal apply -f "$D/a.yaml"
	expect_status 0
	expect_out $'Cell "a": created\n'
	# In one line, which is taken away at the end.
	expect_out '\r\x1b[K1 s  '
	expect_out '\r\x1b[K2 s  '
	[[ $out == *"\\r\\x1b[K'" ]] || fail "the line stays: $out"
}

is_silent_when_quick() {
	arm ''
	at_terminal kill a --realm r --space s --stack t
	expect_status 0
	[[ $out == *$'\n'"''" ]] || fail "it tells of quick work: $out"
}

is_silent_without_terminal() {
	arm 'containerd.container_create.begin=delay(1500)'
	run kuked start a --realm r --space s --stack t
	expect_status 0
	expect_equal "$err" ""
}

survives_kills() {
	local role
	arm 'containerd.container_create.begin=delay(2500)'
	cell_yaml c >"$D/c.yaml"
	(wait_until 5 eval '[ "$(cell_state c)" = Pending ]' && pause 1.3 && for role in reconciler network containerd; do
		kill -9 "$(worker_pid $role)"
	done) &
	at_terminal apply -f "$D/c.yaml"
	expect_status 0
	expect_out $'Cell "c": created\n'
	[[ $out == *"\\r\\x1b[K'" && $out != *Error* ]] || fail "it is not told well: $out"
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
it "tells how long it takes" tells_how_it_goes
it "is silent when it is quick" is_silent_when_quick
it "is silent without a terminal" is_silent_without_terminal
it "goes on while workers die" survives_kills
kuked delete realm r --cascade >/dev/null
