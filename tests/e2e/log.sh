# tests/e2e/log.sh - kuke log: rows 113 and 118-120, and what a reader expects of --follow and --tail.
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

scope=(--realm r --space s --stack t)

shows() {
	run kuked log c "${scope[@]}"
	expect_status 0
	expect_equal "$out" $'one\ntwo\nthree'
	expect_equal "$err" ""
	run kukel log c "${scope[@]}"
	expect_equal "$out" $'one\ntwo\nthree'
	run kuked stop c "${scope[@]}"
	run kuked logs c "${scope[@]}"
	expect_equal "$out" $'one\ntwo\nthree'
}

shows_the_end() {
	local n expected
	for n in 0 1 2 3 4 all; do
		run kuked log c "${scope[@]}" --tail $n
		expected=$(printf 'one\ntwo\nthree\n' | tail -n "${n/all/9}")
		expect_equal "$out" "$expected"
	done
	# Lines that are longer than what is read at once, and a last one without its end.
	head -c 200000 /dev/zero | tr '\0' x >"$RP/data/r/s/t/c/main/log"
	printf '\nlast' >>"$RP/data/r/s/t/c/main/log"
	run kuked log c "${scope[@]}" --tail 1
	expect_equal "$out" last
	expect_equal "$(kuked log c "${scope[@]}" --tail 2 | wc -c)" 200005
	run kuked log c "${scope[@]}" --tail some
	expect_refusal 'invalid argument "some" for "--tail" flag'
	run kuked log c "${scope[@]}" --tail -1
	expect_refusal 'invalid argument "-1" for "--tail" flag'
}

# noted BYTES: the index has seen a log of that many.
noted() {
	[ "$(tail -n 1 "$RP/data/r/s/t/when/main/log.times" | sed 's/.* 0*//')" = "$1" ]
}

shows_since() {
	local before
	cell_yaml when /bin/sh -c 'echo one; while [ ! -e /go ]; do sleep 0.05; done; echo two; sleep 1000' >"$D/when.yaml"
	kuked apply -f "$D/when.yaml" >/dev/null
	wait_until 5 noted 4 || fail "nothing is noted"
	before=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
	touch "/proc/$(task_pid when)/root/go"
	wait_until 5 noted 8 || fail "the second line is not noted"
	expect_equal "$(kuked log when "${scope[@]}")" $'one\ntwo'
	run kuked log when "${scope[@]}" --since "$before"
	expect_equal "$out" two
	expect_equal "$(kukel log when "${scope[@]}" --since "$before" --tail 5)" two
	expect_equal "$(kuked log when "${scope[@]}" --since 1h --tail 1)" two
	expect_equal "$(kuked log when "${scope[@]}" --since 1h)" $'one\ntwo'
	expect_equal "$(kuked log when "${scope[@]}" --since 0s --tail 0)" ""
	expect_equal "$(kuked log when "${scope[@]}" --since 99999999h)" $'one\ntwo'
	run kuked log when "${scope[@]}" --since yesterday
	expect_refusal 'invalid --since "yesterday": want a duration'
	# Who takes the place of a reconciler goes on with it, and one who empties the log is shown all.
	kill -9 "$(worker_pid reconciler)"
	kuked restart when "${scope[@]}" >/dev/null
	wait_until 5 noted 16 || fail "it is not noted any more: $(<"$RP/data/r/s/t/when/main/log.times")"
	: >"$RP/data/r/s/t/when/main/log"
	echo anew >"$RP/data/r/s/t/when/main/log"
	expect_equal "$(kuked log when "${scope[@]}" --since 0s)" anew
	kuked delete cell when "${scope[@]}" >/dev/null
	[ ! -e "$RP/data/r/s/t/when" ] || fail "the index is left"
}

has() {
	grep -q "$1" "$D/followed"
}

follows() {
	local follower
	cell_yaml f /bin/sh -c 'echo begun; while [ ! -e /go ]; do sleep 0.05; done; echo went; sleep 1000' >"$D/f.yaml"
	kuked apply -f "$D/f.yaml" >/dev/null
	(exec kuke --host "unix://$D/k.sock" log f "${scope[@]}" -f >"$D/followed" 2>"$D/followed.err") &
	follower=$!
	wait_until 5 has begun || fail "it shows nothing"
	touch "/proc/$(task_pid f)/root/go"
	wait_until 5 has went || fail "it does not go on"
	# What there is to do costs nothing, and needs no daemon.
	expect_equal "$(ls "/proc/$follower/task" | wc -l)" 1
	expect_equal "$(pgrep -P $follower)" ""
	kill -INT $follower
	wait $follower || fail "status $? after SIGINT"
	expect_equal "$(<"$D/followed.err")" ""
	(exec kuke --host "unix://$D/k.sock" log f "${scope[@]}" -f --tail 0 >"$D/followed" 2>&1) &
	follower=$!
	wait_until 5 eval '[ -n "$(ls -l /proc/'$follower'/fd 2>/dev/null | grep inotify)" ]' || fail "it does not watch"
	kuked delete cell f "${scope[@]}" >/dev/null
	wait_until 5 eval '! kill -0 '$follower || fail "it goes on without the cell"
	wait $follower || fail "status $? after the end of the cell"
	expect_equal "$(<"$D/followed")" ""
}

ends_with_its_reader() {
	local follower
	mkfifo "$D/fifo"
	(exec kuke --host "unix://$D/k.sock" log c "${scope[@]}" -f >"$D/fifo" 2>"$D/followed.err") &
	follower=$!
	head -n 1 <"$D/fifo" >/dev/null
	wait_until 5 eval '! kill -0 '$follower || fail "it goes on without a reader"
	expect_equal "$(<"$D/followed.err")" ""
}

refuses() {
	run kuked log ghost "${scope[@]}"
	expect_refusal 'cell "ghost" not found'
	run kuked log c "${scope[@]}" --cell c
	expect_err 'unknown flag: --cell'
	run kuked log c "${scope[@]}" --container nobody
	expect_refusal 'container "nobody" not found in cell "c": container not found'
	run kuked log
	expect_refusal 'accepts 1 arg(s), received 0'
	run kuked log c --realm ""
	expect_refusal 'realm name is required (--realm)'
	rm "$RP/data/r/s/t/c/main/log"
	run kuked log c "${scope[@]}"
	expect_refusal "cell \"c\" container \"main\" has no log file at $RP/data/r/s/t/c/main/log"
}

picks() {
	cell_yaml two /bin/sh -c 'echo of main; sleep 1000' >"$D/two.yaml"
	cell_yaml two /bin/sh -c 'echo of side >&2; sleep 1000' | sed '1,/containers:/d; s/id: main/id: side/' >>"$D/two.yaml"
	kuked apply -f "$D/two.yaml" >/dev/null
	run kuked log two "${scope[@]}"
	expect_refusal 'specify --container (cell "two"): candidates: main, side'
	wait_until 5 eval '[ "$(kuked log two "${scope[@]}" --container side)" = "of side" ]' || fail "it shows something else"
	sed -i 's/id: main/id: main\n      root: true/' "$D/two.yaml"
	run kuked delete cell two "${scope[@]}"
	kuked apply -f "$D/two.yaml" >/dev/null
	wait_until 5 eval '[ "$(kuked log two "${scope[@]}")" = "of side" ]' || fail "the root is not left out"
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
cell_yaml c /bin/sh -c 'echo one; echo two; echo three; trap exit TERM; sleep 1000 & wait' >"$D/c.yaml"
kuked apply -f "$D/c.yaml" >/dev/null
wait_until 5 eval 'kuked log c "${scope[@]}" | grep -q three'
it "shows what was written, of a stopped cell too" shows
it "shows the last lines" shows_the_end
it "shows what was written since" shows_since
it "follows until it is interrupted, or the cell is deleted" follows
it "ends with its reader" ends_with_its_reader
it "picks the container, or says which there are" picks
it "says what is wrong" refuses
kuked delete realm r --cascade >/dev/null
