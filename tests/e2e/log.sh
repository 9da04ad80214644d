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

# written BYTES: so many are in the log of cell `when`.
written() {
	[ "$(stat -c %s "$RP/data/r/s/t/when/main/log")" = "$1" ]
}

shows_since() {
	local before
	cell_yaml when /bin/sh -c 'echo one; while [ ! -e /go ]; do sleep 0.05; done; echo two; sleep 1000' >"$D/when.yaml"
	kuked apply -f "$D/when.yaml" >/dev/null
	wait_until 5 written 4 || fail "nothing is written"
	before=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
	touch "/proc/$(task_pid when)/root/go"
	wait_until 5 written 8 || fail "the second line is not written"
	expect_equal "$(kuked log when "${scope[@]}")" $'one\ntwo'
	run kuked log when "${scope[@]}" --since "$before"
	expect_equal "$out" two
	expect_equal "$(kukel log when "${scope[@]}" --since "$before" --tail 5)" two
	expect_equal "$(kuked log when "${scope[@]}" --since 1h --tail 1)" two
	expect_equal "$(kuked log when "${scope[@]}" --since 1h)" $'one\ntwo'
	expect_equal "$(kuked log when "${scope[@]}" --since 0s)" ""
	expect_equal "$(kuked log when "${scope[@]}" --since 0s --tail 0)" ""
	expect_equal "$(kuked log when "${scope[@]}" --since 99999999h)" $'one\ntwo'
	run kuked log when "${scope[@]}" --since yesterday
	expect_refusal 'invalid --since "yesterday": want a duration'
	# What comes after a restart has its own time. One who empties the log is shown all.
	kuked restart when "${scope[@]}" >/dev/null
	wait_until 5 written 16 || fail "it is not written any more"
	expect_equal "$(kuked log when "${scope[@]}" --since "$before")" $'two\none\ntwo'
	echo anew >"$RP/data/r/s/t/when/main/log"
	expect_equal "$(kuked log when "${scope[@]}" --since "$before")" anew
	kuked delete cell when "${scope[@]}" >/dev/null
	[ ! -e "$RP/data/r/s/t/when" ] || fail "the log is left"
}

# Both outputs are kept in one file, and can be told apart.
tells_more() {
	local time='[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]+Z'
	cell_yaml both /bin/sh -c 'echo out one; sleep 0.1; echo err one >&2; sleep 0.1; printf "out two"; sleep 0.1; printf "ERR" >&2; sleep 0.1; echo; sleep 1000' >"$D/both.yaml"
	kuked apply -f "$D/both.yaml" >/dev/null
	wait_until 5 eval '[ "$(kuked log both "${scope[@]}" | wc -l)" = 3 ]' || fail "$(kuked log both "${scope[@]}")"
	expect_equal "$(kuked log both "${scope[@]}")" $'out one\nerr one\nout twoERR'
	expect_equal "$(kuked log both "${scope[@]}" --stream out)" $'out one\nout two'
	expect_equal "$(kuked log both "${scope[@]}" --stream err)" $'err one\nERR'
	expect_equal "$(kuked log both "${scope[@]}" --stream err --tail 1)" ERR
	expect_equal "$(kuked log both "${scope[@]}" --stream out --tail 1)" 'out two'
	expect_equal "$(kuked log both "${scope[@]}" --stream err --tail 9)" $'err one\nERR'
	expect_equal "$(kuked log both "${scope[@]}" --stream out --tail 0)" ""
	run kuked log both "${scope[@]}" --timestamps --tail 2
	[[ $out =~ ^$time\ err\ one$'\n'$time\ out\ twoERR$ ]] || fail "$out"
	expect_equal "$(kuked log both "${scope[@]}" --timestamps | cut -d ' ' -f 1 | sort -c 2>&1)" ""
	run kuked log both "${scope[@]}" --stream in
	expect_refusal 'invalid --stream "in": want out or err'
	# Without an index nothing is known, and nothing is left out.
	rm "$RP/data/r/s/t/both/main/log.times"
	expect_equal "$(kuked log both "${scope[@]}" --timestamps --tail 1)" '- out twoERR'
	expect_equal "$(kuked log both "${scope[@]}" --since 0s | wc -l)" 3
	kuked delete cell both "${scope[@]}" >/dev/null
}

# numbers FILE: of lines, each is there, once, and in its place.
numbers() {
	seq "$n_lines" | cmp - "$1" || fail "$(diff <(seq "$n_lines") "$1" | head -n 5)"
}

rotates() {
	local follower n_lines=40000
	cell_yaml rot /bin/sh -c "while [ ! -e /go ]; do sleep 0.05; done; seq $n_lines; sleep 1000" |
		sed 's/image: busybox/image: busybox\n      logging: {maxBytes: 65536, maxFiles: 10}/' >"$D/rot.yaml"
	kuked apply -f "$D/rot.yaml" >/dev/null
	(exec kuke --host "unix://$D/k.sock" log rot "${scope[@]}" -f >"$D/followed" 2>"$D/followed.err") &
	follower=$!
	wait_until 5 eval '[ -n "$(ls -l /proc/'$follower'/fd 2>/dev/null | grep inotify)" ]' || fail "it does not watch"
	# It has missed some of that, and has to catch up with files that have other names by then.
	kill -STOP $follower
	touch "/proc/$(task_pid rot)/root/go"
	wait_until 10 grep -q "^$n_lines\$" "$RP/data/r/s/t/rot/main/log" || fail "it is not written"
	kill -CONT $follower
	wait_until 10 grep -q "^$n_lines\$" "$D/followed" || fail "$(tail -n 1 "$D/followed") $(<"$D/followed.err")"
	kill -INT $follower
	wait $follower
	numbers "$D/followed"
	kuked log rot "${scope[@]}" >"$D/shown"
	numbers "$D/shown"
	expect_equal "$(kuked log rot "${scope[@]}" --tail 15000 | head -n 1)" 25001
	expect_equal "$(kuked log rot "${scope[@]}" --timestamps | cut -d ' ' -f 2 | cksum)" "$(seq $n_lines | cksum)"
	[ -e "$RP/data/r/s/t/rot/main/log.3" ] || fail "it is one file"
	# One that is empty, as behind a rotation on a disk that is full, has no line.
	: >"$RP/data/r/s/t/rot/main/log"
	expect_equal "$(kuked log rot "${scope[@]}" --tail 1)" "$(tail -n 1 "$RP/data/r/s/t/rot/main/log.1")"
	# Some bytes more for the index of what is written.
	find "$RP/data/r/s/t/rot/main" -name 'log*' -size +66k | grep -q . && fail "a file is too large"
	kuked delete cell rot "${scope[@]}" >/dev/null
}

keeps_as_much_as_it_is_told() {
	cell_yaml few /bin/sh -c "seq 20000; sleep 1000" |
		sed 's/image: busybox/image: busybox\n      logging: {maxBytes: 65536, maxFiles: 2}/' >"$D/few.yaml"
	kuked apply -f "$D/few.yaml" >/dev/null
	wait_until 5 eval '[ "$(kuked log few "${scope[@]}" --tail 1)" = 20000 ]' || fail "$(kuked log few "${scope[@]}" --tail 1)"
	expect_equal "$(ls "$RP/data/r/s/t/few/main" | tr '\n' ' ')" 'log log.1 log.1.times log.times '
	expect_equal "$(kuked log few "${scope[@]}" | tail -n +2 | awk 'NR > 1 && $1 != last + 1 { print } { last = $1 }')" ""
	sed 's/maxFiles: 2/maxFiles: 0/; s/65536/-1/' "$D/few.yaml" >"$D/bad.yaml"
	run kuked apply -f "$D/bad.yaml"
	expect_err 'container "main": logging.maxBytes must be >= 0, got -1'
	expect_err 'container "main": logging.maxFiles must be between 1 and 100, got 0'
	kuked delete cell few "${scope[@]}" >/dev/null
}

# No byte is lost when those who have nothing to do with it die: all of kukeond, and containerd.
outlives() {
	local n_lines=1000000
	cell_yaml long /bin/sh -c "while [ ! -e /go ]; do sleep 0.05; done; seq $n_lines; sleep 1000" |
		sed 's/image: busybox/image: busybox\n      logging: {maxBytes: 0}/' >"$D/long.yaml"
	kuked apply -f "$D/long.yaml" >/dev/null
	touch "/proc/$(task_pid long)/root/go"
	kill -9 "$(<"$D/kukeond.pid")" "$containerd_pid"
	wait_until 20 eval '[ "$(tail -n 1 "$RP/data/r/s/t/long/main/log")" = '$n_lines' ]' || fail "$(tail -n 1 "$RP/data/r/s/t/long/main/log")"
	numbers "$RP/data/r/s/t/long/main/log"
	containerd_start
	wait_until 30 kuked get realms || fail "kukeond does not answer"
	kuked log long "${scope[@]}" >"$D/shown"
	numbers "$D/shown"
	# The one that writes it dies: another one goes on.
	pkill -9 -f "kuketty .*$RP/data/r/s/t/long/" -P "$(pgrep -o -f "kuketty .*$RP/data/r/s/t/long/")" || fail "there is none"
	kuked exec "${scope[@]}" long -- sh -c 'echo still there >/proc/1/fd/1'
	wait_until 5 eval '[ "$(kuked log long "${scope[@]}" --tail 1)" = "still there" ]' || fail "nothing is written any more"
	kuked delete cell long "${scope[@]}" >/dev/null
	wait_until 5 eval '! pgrep -f "kuketty .*$RP/data/r/s/t/long/"' || fail "it is left"
}

# A container does not mind whether there is room for what it has to say.
bears_a_full_disk() {
	local dir=$RP/data/r/s/t/full/main
	mkdir -p "$dir"
	mount -t tmpfs -o size=128k full "$dir" || fail "no file system could be made"
	cell_yaml full /bin/sh -c 'echo begin; seq 100000; : >/written; while [ ! -e /go ]; do sleep 0.05; done; echo end; sleep 1000' >"$D/full.yaml"
	kuked apply -f "$D/full.yaml" >/dev/null
	wait_until 10 [ -e "/proc/$(task_pid full)/root/written" ] || fail "it waits"
	expect_equal "$(kuked log full "${scope[@]}" | head -n 1)" begin
	mount -o remount,size=1m "$dir"
	touch "/proc/$(task_pid full)/root/go"
	wait_until 5 eval '[ "$(kuked log full "${scope[@]}" --tail 1)" = end ]' || fail "it is not written again: $(kuked log full "${scope[@]}" --tail 2)"
	[[ $(kuked log full "${scope[@]}" --tail 2 | head -n 1) =~ ^\[kuketty:\ [0-9]+\ bytes\ are\ lost:\ no\ space\ left\ on\ device\]$ ]] || fail "$(kuked log full "${scope[@]}" --tail 2)"
	expect_equal "$(cell_state full)" Ready
	umount -l "$dir"
	kuked delete cell full "${scope[@]}" >/dev/null
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
	# A socket says it in another way.
	timeout 20 python3 - kuke --host "unix://$D/k.sock" log c "${scope[@]}" -f <<-'END' || fail "it goes on without a peer"
		import socket, subprocess, sys
		ours, theirs = socket.socketpair()
		follower = subprocess.Popen(sys.argv[1:], stdout=theirs)
		theirs.close()
		ours.recv(100)
		ours.close()
		follower.wait()
	END
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
daemon_keep
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
cell_yaml c /bin/sh -c 'echo one; echo two; echo three; trap exit TERM; sleep 1000 & wait' >"$D/c.yaml"
kuked apply -f "$D/c.yaml" >/dev/null
wait_until 5 eval 'kuked log c "${scope[@]}" | grep -q three'
it "shows what was written, of a stopped cell too" shows
it "shows the last lines" shows_the_end
it "shows what was written since" shows_since
it "tells both outputs apart, and when a line was written" tells_more
it "goes through files that are rotated" rotates
it "keeps as much as it is told to" keeps_as_much_as_it_is_told
it "loses nothing when all of kukeond and containerd are killed" outlives
it "bears a full disk" bears_a_full_disk
it "follows until it is interrupted, or the cell is deleted" follows
it "ends with its reader" ends_with_its_reader
it "picks the container, or says which there are" picks
it "says what is wrong" refuses
kuked delete realm r --cascade >/dev/null
