# tests/e2e/cp.sh - kuke cp: files out of a container, and into it.
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

scope=(--realm r --space s --stack t)

cp_() {
	kuked cp "${scope[@]}" "$@"
}

# in_c COMMAND: in the container.
in_c() {
	kuked exec "${scope[@]}" c -- sh -c "$1"
}

# What there is below a directory: type, mode, owner, size, name, where a link leads.
listing() {
	(cd "$1" && find . -printf '%y %m %U:%G %s %p %l\n' | sed 's/^d \([0-9]*\) \([0-9:]*\) [0-9]*/d \1 \2/' | sort -k 5)
}

tree_make() {
	mkdir -p "$D/tree/sub/deep"
	echo one >"$D/tree/one"
	printf '\0\1\2' >"$D/tree/sub/bin ary"
	ln -s one "$D/tree/link"
	ln -s /etc/nowhere "$D/tree/dangling"
	ln "$D/tree/one" "$D/tree/sub/deep/same"
	mkfifo "$D/tree/fifo"
	chmod 4750 "$D/tree/sub/bin ary"
	chown 1234:4321 "$D/tree/one"
	touch -d '2001-02-03 04:05:06 UTC' "$D/tree/sub"
	: >"$D/tree/sub/empty"
	touch -d '2001-02-03 04:05:06 UTC' "$D/tree/sub"
}

there_and_back() {
	tree_make
	run cp_ -a "$D/tree" c:/tmp
	expect_equal "$status$out$err" 0
	expect_equal "$(in_c 'cat /tmp/tree/sub/deep/same; stat -c %u:%g /tmp/tree/one; readlink /tmp/tree/dangling')" $'one\n1234:4321\n/etc/nowhere'
	cp_ -a c:/tmp/tree "$D/back"
	expect_equal "$(listing "$D/back")" "$(listing "$D/tree")"
	expect_equal "$(stat -c %Y "$D/back/sub")" "$(stat -c %Y "$D/tree/sub")"
	[ "$D/back/one" -ef "$D/back/sub/deep/same" ] || fail "two names became two files"
	# Without -a it is root's there.
	cp_ "$D/tree/one" c:/tmp/mine
	expect_equal "$(in_c 'stat -c %u:%g /tmp/mine; cat /tmp/mine')" $'0:0\none'
	expect_equal "$(kukel cp "${scope[@]}" c:/tmp/mine "$D/local" && cat "$D/local")" one
}

# As cp has it.
names() {
	in_c 'mkdir -p /n/dir; echo x >/n/dir/x'
	cp_ c:/n/dir "$D/n1"
	expect_equal "$(ls "$D/n1")" x
	mkdir "$D/n2"
	cp_ c:/n/dir "$D/n2"
	expect_equal "$(ls "$D/n2")" dir
	cp_ c:/n/dir/. "$D/n2"
	expect_equal "$(ls "$D/n2" | tr '\n' ' ')" 'dir x '
	cp_ c:/n/dir/x "$D/n2/y"
	cp_ c:n/dir/x "$D/n2/z"
	expect_equal "$(cat "$D/n2/y" "$D/n2/z")" $'x\nx'
	(cd "$D/n2" && exec kuke --host "unix://$D/k.sock" cp "${scope[@]}" y c:/n/from-here)
	expect_equal "$(in_c 'cat /n/from-here')" x
	cp_ "$D/n2/dir/" c:/n/new
	expect_equal "$(in_c 'ls /n/new')" x
	touch "$D/n2/a:b"
	(cd "$D/n2" && exec kuke --host "unix://$D/k.sock" cp "${scope[@]}" ./a:b c:/n/)
	expect_equal "$(in_c 'ls /n/a:b')" /n/a:b
	in_c 'ln -s dir /n/link'
	cp_ c:/n/link "$D/n3"
	expect_equal "$(readlink "$D/n3")" dir
	cp_ -L c:/n/link "$D/n4"
	expect_equal "$(ls "$D/n4")" x
}

streams() {
	cp_ c:/n/dir - | tar tf - | tr '\n' ' ' >"$D/out"
	expect_equal "$(<"$D/out")" 'dir/ dir/x '
	tar c -C "$D/tree" sub | cp_ - c:/tmp/
	expect_equal "$(in_c 'ls /tmp/sub | tr "\n" " "')" 'bin ary deep empty '
	run cp_ - c:/n/dir/x </dev/null
	expect_refusal 'in the container: /n/dir/x is no directory'
	echo nonsense >"$D/nonsense"
	run cp_ - c:/tmp <"$D/nonsense"
	expect_refusal 'in the container: read the stream: '
}

# What takes no place takes none there.
sparse() {
	truncate -s 1G "$D/sparse"
	printf end | dd of="$D/sparse" bs=1 seek=$((1 << 29)) conv=notrunc status=none
	cp_ "$D/sparse" c:/tmp/sparse
	[ "$(in_c 'du -k /tmp/sparse | cut -f 1')" -lt 1000 ] || fail "$(in_c 'du -k /tmp/sparse')"
	cp_ c:/tmp/sparse "$D/sparse.back"
	[ "$(du -k "$D/sparse.back" | cut -f 1)" -lt 1000 ] || fail "$(du -k "$D/sparse.back")"
	expect_equal "$(stat -c %s "$D/sparse.back")" $((1 << 30))
	cmp "$D/sparse" "$D/sparse.back" || fail "they differ"
	in_c 'rm /tmp/sparse'
}

# A container's links lead nowhere but into it.
links_stay_inside() {
	in_c "mkdir -p /evil; ln -s $D /evil/out; ln -s / /evil/root; echo inside >/evil-mark"
	run cp_ "$D/tree/one" c:/evil/out/stolen
	[ "$status" != 0 ] && [ ! -e "$D/stolen" ] || fail "it was written outside"
	cp_ c:/evil/root/evil-mark "$D/mark"
	expect_equal "$(<"$D/mark")" inside
	# Nor do those of an archive lead out of the place that it is copied to.
	mkdir -p "$D/escape" "$D/target" "$D/goal"
	ln -s "$D/goal" "$D/escape/way"
	tar c -C "$D/escape" way >"$D/escape.tar"
	rm "$D/escape/way"
	mkdir "$D/escape/way"
	echo x >"$D/escape/way/x"
	tar r -C "$D/escape" -f "$D/escape.tar" way/x
	in_c 'mkdir -p /t'
	run cp_ - c:/t <"$D/escape.tar"
	expect_equal "$(ls "$D/goal")" ""
}

# Whatever libraries and tables lie in a container, none of it is run by whoever goes there.
runs_nothing_of_it() {
	local gconv there
	gconv=$(dirname "$(find /usr/lib -name 'gconv-modules*' | head -n 1)")
	[ "$gconv" != . ] || gconv=/usr/lib/$(gcc -print-multiarch)/gconv
	gcc -shared -fPIC -o "$D/EVIL.so" -xc - <<-'END'
		#include <fcntl.h>
		#include <unistd.h>
		__attribute__((constructor)) static void evil(void)
		{
			close(open("/evil-ran", O_CREAT | O_WRONLY, 0600));
		}
	END
	there=/proc/$(task_pid c)/root
	mkdir -p "$there$gconv"
	cp "$D/EVIL.so" "$there$gconv/"
	printf 'module ANSI_X3.4-1968// UTF-8// EVIL 1\nmodule UTF-8// ANSI_X3.4-1968// EVIL 1\nmodule ANSI_X3.4-1968// INTERNAL EVIL 1\nmodule INTERNAL ANSI_X3.4-1968// EVIL 1\n' >"$there$gconv/gconv-modules"
	in_c 'echo x >"/n/$(printf "\303\251")"; touch -d 2001-02-03 /n/dir/x'
	cp_ -a c:/n "$D/evil-out"
	cp_ -a "$D/evil-out" c:/evil-in
	[ ! -e "$there/evil-ran" ] || fail "code of the container was run"
	expect_equal "$(in_c 'ls /evil-in')" "$(in_c 'ls /n')"
}

# Without -a only what is said by the permissions goes along, and a directory that is there stays as it is.
modes() {
	in_c 'mkdir -p /m/sticky; echo x >/m/suid; chmod 4755 /m/suid; chmod 1777 /m/sticky'
	cp_ c:/m/suid "$D/suid"
	expect_equal "$(stat -c %a "$D/suid")" 755
	cp_ "$D/tree/." c:/m/sticky
	expect_equal "$(in_c 'stat -c %a /m/sticky')" 1777
	mknod "$D/device" c 1 3
	run cp_ "$D/device" c:/m/null
	expect_refusal 'device is a device: it is copied with -a alone'
}

refuses() {
	run cp_ a b
	expect_refusal 'one side must be <cell>:<path>, the other one a path of this machine'
	run cp_ c:/a c:/b
	expect_refusal 'one side must be <cell>:<path>'
	run cp_ c: "$D/x"
	expect_refusal 'a path is missing in "c:"'
	run cp_ ghost:/x "$D/x"
	expect_refusal 'cell "ghost" not found'
	run cp_ c:/nothing "$D/x"
	expect_refusal 'in the container: read '
	[ ! -e "$D/x" ] || fail "something is there"
	run cp_ "$D/nothing" c:/tmp
	expect_refusal 'nothing'
	run cp_ "$D/tree" c:/no/such/place
	expect_refusal 'in the container: /no/such: no such file or directory'
	run cp_ c:/n/dir "$D/no/such/place"
	expect_refusal "$D/no/such: no such file or directory"
	run cp_ "$D/tree/one" c:/tmp/file/
	expect_refusal 'in the container: /tmp/file/ is no directory'
	run cp_ --container nobody c:/n/dir "$D/x"
	expect_refusal 'container "nobody" not found in cell "c": container not found'
	run env HOME=/ setpriv --reuid 65534 --clear-groups kuke cp c:/n/dir "$D/x"
	expect_refusal 'command must run as root'
	kuked stop c "${scope[@]}" >/dev/null
	run cp_ c:/n/dir "$D/x"
	expect_refusal 'the container does not run'
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
cell_yaml c /bin/sh -c 'trap exit TERM; while :; do sleep 0.1; done' >"$D/c.yaml"
kuked apply -f "$D/c.yaml" >/dev/null
in_c 'mkdir -p /tmp'
it "copies a tree there and back" there_and_back
it "names things as cp does" names
it "takes and gives a stream" streams
it "keeps holes" sparse
it "follows no link out of the container, nor out of the target" links_stay_inside
it "runs nothing of the container" runs_nothing_of_it
it "takes no more than permissions along" modes
it "says what is wrong" refuses
kuked delete realm r --cascade >/dev/null
