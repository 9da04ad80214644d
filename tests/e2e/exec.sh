# tests/e2e/exec.sh - further processes in a container: their output, input, exit status, terminal; workers die meanwhile.
# limit: 180
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

scope=(--realm r --space s --stack t)

ex() {
	kuked exec "${scope[@]}" "$@"
}

status_and_output() {
	local way
	for way in kuked kukel; do
		run $way exec "${scope[@]}" web -- sh -c 'echo out; echo err >&2; exit 7'
		expect_equal "$status $out $err" "7 out err"
		run $way exec "${scope[@]}" web true
		expect_equal "$status$out$err" 0
		run $way exec web "${scope[@]}" -- sh -c 'kill -9 $$'
		expect_status 137
	done
	run ex web ls -l -d /
	expect_out 'root'
	expect_equal "$(ex web -- sh -c 'seq 100000' | md5sum)" "$(seq 100000 | md5sum)"
	expect_equal "$(ex web -- sh -c 'head -c 3000000 /dev/zero' | wc -c)" 3000000
}

input() {
	expect_equal "$(echo hi | ex -i web cat)" hi
	expect_equal "$(head -c 3000000 /dev/urandom | tee "$D/random" | ex -i web -- sh -c md5sum | cut -d' ' -f1)" "$(md5sum <"$D/random" | cut -d' ' -f1)"
	expect_equal "$(ex -i web cat </dev/null)" ""
	# Without -i it has none, and ours is not touched.
	expect_equal "$(echo kept | { ex web -- sh -c 'cat; echo none'; cat; })" "none
kept"
}

fields() {
	expect_equal "$(ex -e A=1 -e B=2 -w /tmp web -- sh -c 'echo $A $B; pwd')" "1 2
/tmp"
	expect_equal "$(ex -u 1000:2000 web -- id -u)" 1000
	expect_equal "$(ex -u 1000:2000 web -- id -g)" 2000
	expect_equal "$(ex -c side pair -- sh -c 'echo $WHO')" side
	run ex -c nobody web true
	expect_refusal 'container "nobody" not found in cell "web"'
	run ex pair true
	expect_refusal 'multiple containers in cell; specify --container'
}

refused() {
	run ex web
	expect_refusal 'a command is required: kuke exec <cell> -- <command>'
	run ex nobody true
	expect_refusal 'cell "nobody" not found'
	run ex web -- nothing-like-that
	expect_equal "$status" 127
	expect_err '"nothing-like-that" is not in the container'
	run ex web -- /etc
	expect_equal "$status" 126
	expect_err '"/etc" can'\''t be run: permission denied'
	run ex -e 1 web true
	expect_refusal 'invalid --env "1": want NAME=value'
	run ex -it web sh </dev/null
	expect_refusal 'standard input is no terminal'
	run ex -u nobody-here web true
	expect_status 1
	expect_err 'nobody-here'
	kuked kill pair "${scope[@]}" >/dev/null
	run ex -c main pair true
	expect_refusal 'the container does not run'
	kuked start pair "${scope[@]}" >/dev/null
	run ex -c main pair -- echo again
	expect_equal "$out" again
	! find /tmp -maxdepth 1 -name 'kuke-exec-*' -newer "$D/busybox.tar" | grep -q . || fail "pipes are left"
}

# Whoever does not listen any more is no reason to wait; that the output is nowhere is an error.
unheard() {
	expect_equal "$(timeout 20 kuke --host "unix://$D/k.sock" exec "${scope[@]}" web yes | head -n 1; echo "${PIPESTATUS[0]}")" $'y\n141'
	expect_equal "$(timeout 20 kuke --host "unix://$D/k.sock" exec "${scope[@]}" web -- sh -c 'yes; exit 5' | head -n 1; echo "${PIPESTATUS[0]}")" $'y\n141'
	run eval 'ex web -- echo lost >/dev/full'
	expect_refusal 'write what the command says: no space left on device'
	wait_until 5 eval '! ex web -- pgrep yes' || fail "it goes on: $(ex web -- ps)"
}

# One that has closed its outputs is still to be ended.
silent() {
	(exec kuke --host "unix://$D/k.sock" exec "${scope[@]}" web -- sh -c ': >/tmp/silent; exec >&- 2>&-; sleep 1000') &
	local session=$!
	wait_until 5 ex web -- test -e /tmp/silent
	kill -TERM "$session"
	wait_until 10 eval '! kill -0 '$session || fail "it waits for the end"
	wait "$session"
	expect_equal $? 143
}

# A session is between client and shim: nobody else is needed for it.
survives() {
	local role
	(exec kuke --host "unix://$D/k.sock" exec "${scope[@]}" -i web -- sh -c 'echo begun; read x; echo "$x"; exit 9' \
		<>"$D/in" >"$D/session" 2>&1) &
	local session=$!
	wait_until 5 grep -q begun "$D/session" || fail "it did not begin"
	for role in containerd reconciler; do
		kill -9 "$(worker_pid $role)"
	done
	kill -9 "$containerd_pid"
	containerd_start
	wait_until 10 kuked get realms
	echo goes-on >"$D/in"
	wait "$session"
	expect_equal "$? $(tail -n 1 "$D/session")" "9 goes-on"
	expect_equal "$(cell_state web)" Ready
}

killed_while_it_starts() {
	local point dir
	for point in containerd.exec_start.{begin,end} reconciler.before_answer containerd.exec_wait.end; do
		dir=$(mktemp -d "$D/fault.XXXX")
		arm "dir=$dir;$point=1*kill"
		run ex web -- sh -c 'echo once >>/tmp/marks; echo done; exit 3'
		expect_equal "$status $out $err" "3 done "
		[ -e "$dir/$point.1" ] || fail "$point was not passed"
		arm ''
	done
	expect_equal "$(ex web -- sh -c 'wc -l </tmp/marks')" 4
}

# in_terminal COMMAND…: with keys from standard input.
in_terminal() {
	timeout 20 script -qefc "$*" /dev/null
}

terminal() {
	local kuke="kuke --host unix://$D/k.sock exec ${scope[*]}"
	in_terminal "stty rows 33 cols 99; $kuke -it web -- sh -c 'sleep 0.3; stty size; tty; exit 5'" </dev/null >"$D/screen" && fail "the status is lost"
	grep -q '33 99' "$D/screen" || fail "$(<"$D/screen")"
	grep -q /dev/pts "$D/screen" || fail "$(<"$D/screen")"
	# Ctrl-C reaches the program and not kuke.
	mkfifo "$D/keys"
	(in_terminal "$kuke -it web -- sh -c 'trap \"echo caught; exit 4\" INT; echo ready; while :; do sleep 0.1; done'" <"$D/keys" >"$D/screen" 2>&1) &
	local session=$!
	exec 7>"$D/keys"
	wait_until 5 grep -q ready "$D/screen" || fail "$(<"$D/screen")"
	printf '\003' >&7
	wait "$session"
	expect_equal "$?" 4
	exec 7>&-
	grep -q caught "$D/screen" || fail "$(<"$D/screen")"
}

# Without a terminal a signal is passed on.
signalled() {
	(exec kuke --host "unix://$D/k.sock" exec "${scope[@]}" web -- sh -c 'trap "echo caught; exit 6" TERM; echo ready; while :; do sleep 0.1; done' >"$D/signalled") &
	local session=$!
	wait_until 5 grep -q ready "$D/signalled"
	kill -TERM "$session"
	wait "$session"
	expect_equal "$? $(tail -n 1 "$D/signalled")" "6 caught"
}

ends_with_its_container() {
	(exec kuke --host "unix://$D/k.sock" exec "${scope[@]}" -c main pair -- sh -c 'echo ready; sleep 1000' >"$D/ends") &
	local session=$!
	wait_until 5 grep -q ready "$D/ends"
	kuked kill pair "${scope[@]}" >/dev/null
	wait "$session"
	expect_equal "$?" 137
}

mkfifo "$D/in"
containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
{
	cell_yaml web
	echo ---
	cell_yaml pair
	printf '    - {id: side, image: busybox, command: /bin/sleep, args: ["1000"], env: [WHO=side]}\n'
} | kuked apply -f - >/dev/null
it "passes on output and exit status" status_and_output
it "passes on input" input
it "minds user, directory, environment and container" fields
it "refuses what can't be" refused
it "goes on when workers and containerd are killed" survives
it "runs it once when a worker is killed while it starts" killed_while_it_starts
it "gives it a terminal" terminal
it "passes on a signal" signalled
it "does not talk to the wall" unheard
it "can be ended when it is silent" silent
it "ends with its container" ends_with_its_container
kuked delete realm r --cascade >/dev/null
