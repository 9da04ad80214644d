# tests/e2e/acceptance.sh - the acceptance cases of the command line, row by row, under their numbers.
#
# Rows build on those before them, as the table does. What is not there: attach on a terminal (110-117), init,
# daemon and uninstall (129-143), status and doctor (144-151).
# limit: 240
# shellcheck shell=bash source=tests/support/lib.bash
. tests/support/lib.bash

default_sock=/run/kukeon/kukeond.sock
scope=(--realm r1 --space s1 --stack t1)

# bare COMMAND…: as on a host where nobody listens at the default path, whatever there is on this one.
bare() {
	unshare --mount sh -c 'mount -t tmpfs tmpfs /run && exec "$@"' - "$@"
}

# someone ARGUMENT…: kuke, as a user without a group. A checkout may lie where others can't look.
someone() {
	setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/nonexistent "$D/kuke" "$@"
}

# refused TEXT COMMAND…
refused() {
	run "${@:2}"
	expect_refusal "$1"
}

# says TEXT COMMAND…: it succeeds.
says() {
	run "${@:2}"
	expect_status 0
	expect_out "$1"
}

# unknown_flag FLAG COMMAND…
unknown_flag() {
	refused "unknown flag: $1" "${@:2}"
	expect_equal "$out" ""
}

# lists NAME…: is what a table in $out shows in its first column.
lists() {
	expect_equal "$(awk 'NR > 2 { print $1 }' <<<"$out" | xargs)" "$*"
}

# c1_yaml [NAME [COMMAND…]]: a manifest of a cell in r1/s1/t1, which ends when it is told to.
c1_yaml() {
	local name=${1:-c1}
	shift
	[ $# -gt 0 ] || set -- /bin/sh -c 'trap "exit 0" TERM; sleep 1000 & wait'
	cell_yaml "$name" "$@" | sed 's/Id: \([rst]\)$/Id: \11/'
}

# c1_apply: it runs, in a realm that has its images.
c1_apply() {
	kuked create realm r1
	kukel image load "$D/busybox.tar" --realm r1
	kukel image load "$D/oci.tar" --realm r1
	kuked apply -f "$D/c1.yaml"
} >/dev/null

c1_state() {
	kuked get cell c1 "${scope[@]}" -o json | json 'd["status"]["state"]'
}

# Containers of realm r1 that run.
running() {
	ctr_test -n "r1.$id.test" tasks ls | awk '$3 == "RUNNING" { print $1 }' | xargs
}

namespaces() {
	ctr_test namespaces ls -q | grep -F ".$id.test" | xargs
}

# groups_of PATH: its cgroups, of either version.
groups_of() {
	find /sys/fs/cgroup -path "*/kuke-$id/$1" -prune
}

row_1() {
	says Usage: bare kuke
	expect_equal "$(stat -c %a "$HOME/.kuke/kuke.yaml")" 600
}

# What it finds without HOME, as a service, is not for others to write.
without_home() {
	local home
	home=$(getent passwd 0 | cut -d: -f6)
	mkdir "$D/root"
	cp "$KUKE_BIN/kuke" "$D/root/kuke"
	run unshare -m --propagation private sh -c 'mount --bind "$1" "$2" && exec env -u HOME "$2/kuke"' sh "$D/root" "$home"
	expect_status 0
	expect_equal "$(stat -c %a "$D/root/.kuke/kuke.yaml")" 600
}

# The reader has gone before anything is written.
reader_has_gone() {
	run python3 - kuke --run-path "$D/nobody" --containerd-socket "$D/containerd.sock" get realms --no-daemon <<-'END'
		import os, subprocess, sys
		reader, writer = os.pipe()
		os.close(reader)
		sys.exit(subprocess.run(sys.argv[1:], stdout=writer).returncode)
	END
	expect_status 0
	expect_equal "$err" ""
}

row_2() {
	local words
	for words in "-h" "--help" "get -h" "create realm -h" "help create"; do
		# shellcheck disable=SC2086
		says Usage: bare kuke $words
	done
}

row_4() {
	run bare kuke bogus
	expect_status 1
	expect_err 'unknown command "bogus" for "kuke"'
	expect_err "Run 'kuke --help' for usage."
}

row_5() {
	run bare kuke appyl
	expect_status 1
	expect_err 'Did you mean this?'
	expect_err $'\tapply'
}

row_6() {
	local help
	help=$(bare kuke get -h)
	says "$help" bare kuke get bogus
	expect_err 'unknown command "bogus" for "kuke get"'
	run bare kuke get cel
	expect_status 0
	expect_err $'Did you mean this?\n\tcell'
}

row_8() {
	run bare kuke --no-daemon get realms
	expect_status 1
	expect_err 'unknown command "realms" for "kuke"'
}

row_9() {
	local words
	for words in "apply -f x.yaml" "create realm x" "run x" "delete realm x" "kill x" "start x" "restart x" \
		"stop x" "log x" refresh "image load x"; do
		# shellcheck disable=SC2086
		unknown_flag --no-daemon bare kuke $words --no-daemon
	done
}

row_10() {
	cp "$KUKE_BIN/kuke" "$D/foo"
	run "$D/foo"
	expect_status 1
	expect_err 'unknown entry command: foo'
}

row_12() {
	says 'Client: ' bare kuke version --no-daemon
	expect_equal "$(wc -l <<<"$out")" 1
}

row_13() {
	says 'Client: ' bare kuke version
	expect_err "Warning: daemon unreachable: dial kukeond at $default_sock"
}

row_14() {
	run kuked version
	expect_status 0
	[[ $out =~ ^'Client: '[^$'\n']+$'\n''Daemon: '[^$'\n']+$ ]] || fail "not two versions: $out"
	expect_equal "$err" ""
}

# A daemon that answers any question with another version.
row_15() {
	local other=$D/other.sock listener
	# shellcheck disable=SC2016
	echo 'read -r line; echo '\''{"id":0,"result":{"OK":true,"Version":"9.9.9","Err":null},"error":null}'\' >"$D/other"
	socat "UNIX-LISTEN:$other,fork" "EXEC:sh $D/other" &
	listener=$!
	wait_until 5 test -S "$other" || fail "nobody listens"
	run kuke --host "unix://$other" version --strict
	kill "$listener"
	expect_status 1
	expect_err 'Warning: version mismatch (client: '
}

row_19() {
	expect_equal "$(stat -c %a "$D/k.sock")" 660
	refused 'permission denied' someone --host "unix://$D/k.sock" get realms
	expect_err 'usermod -aG kukeon'
}

# settings TEXT: as the client's configuration file.
settings() {
	mkdir -p "$HOME/.kuke"
	printf '%b' "$1" >"$HOME/.kuke/kuke.yaml"
}

row_20() {
	settings 'kind: Foo\n'
	refused 'has kind "Foo", want "ClientConfiguration"' bare kuke get realms
}

row_21() {
	settings ': : :\n'
	refused 'client configuration is invalid' bare kuke get realms
}

row_22() {
	settings "spec:\n  host: unix://$D/k.sock\n"
	says 'No realms found.' kuke get realms
}

row_25() {
	rm "$HOME/.kuke/kuke.yaml"
	printf 'spec:\n  host: unix://%s/k.sock\n' "$D" >"$D/a.yaml"
	says 'No realms found.' env KUKE_CONFIGURATION="$D/a.yaml" kuke get realms
	[ ! -e "$HOME/.kuke/kuke.yaml" ] || fail "kuke.yaml was written"
}

# empty KIND…
empty() {
	local kind
	for kind; do
		run kuked get "$kind" -o json
		expect_status 0
		expect_equal "$out" '[]'
	done
}

row_29() {
	run kuked create realm r1
	expect_status 0
	expect_equal "$out" "Realm \"r1\" (namespace \"r1.$id.test\")
  - metadata: created
  - containerd namespace: created
  - cgroup: created"
}

row_30() {
	says 'already existed' kuked create realm r1
	expect_equal "$(grep -c 'already existed' <<<"$out")" 3
}

row_34() {
	refused 'realm name is invalid' kuked create realm bad_r
	expect_err '"bad_r"'
}

row_35() {
	refused 'space name "bad_space"' kuked create space bad_space --realm r1
	refused 'space name "bad/space"' kuked create space bad/space --realm r1
}

row_36() {
	says 'Space "s1" (realm "r1", network "r1-s1")' kuked create space s1 --realm r1
	expect_out '  - network: created'
}

row_37() {
	refused realm kuked create space s1 --realm nope
	[ ! -e "$RP/data/nope" ] || fail "files were written: $(find "$RP/data/nope")"
}

row_44() {
	says '  - containers: not started' kuked create cell --image docker.io/library/alpine:3 "${scope[@]}"
	[[ $out =~ Cell\ \"(alpine-[0-9a-f]{6})\" ]] || fail "no such name: $out"
	kuked delete cell "${BASH_REMATCH[1]}" "${scope[@]}"
}

row_45() {
	local rows
	run kuked get realms
	expect_status 0
	mapfile -t rows <<<"$out"
	expect_equal "$(xargs <<<"${rows[0]}")" 'NAME STATE AGE'
	[[ ${rows[1]} =~ ^[-\ ]+$ ]] || fail "no dashes: ${rows[1]}"
	[[ ${rows[2]} =~ ^r1\ +Ready\ +[0-9]+[smh]\ *$ ]] || fail "no row of r1: ${rows[2]}"
}

row_46() {
	says NAMESPACE kuked get realms -o wide
	expect_out "r1.$id.test"
}

row_47() {
	run kuked get realm r1
	expect_status 0
	expect_equal "$(head -n 1 <<<"$out" | xargs)" 'NAME STATE AGE'
	lists r1
	[[ $out != *metadata:* ]] || fail "it is more than a table: $out"
}

row_48() {
	says metadata: kuked get realm r1 -o yaml
	expect_out 'cgroupPath: '
	expect_out 'state: Ready'
}

row_49() {
	run kuked get realm r1 -o json
	expect_equal "$(json 'd["metadata"]["name"], d["spec"]["namespace"], d["status"]["state"], d["status"]["cgroupPath"]' <<<"$out")" \
		"r1 r1.$id.test Ready /kuke-$id/r1"
	[ -n "$(groups_of r1)" ] || fail "there is no such cgroup"
}

row_51() {
	refused 'invalid output format: xml (supported: yaml, json, table, wide)' kuked get realms -o xml
	# Which the Go release does not have.
	expect_equal "$(kuked get realms -o name)" "$(kuked get realms | awk 'NR > 2 { print $1 }')"
}

row_52() {
	export KUKE_GET_OUTPUT=json
	run kuked get realms
	expect_equal "$(json 'd[0]["metadata"]["name"]' <<<"$out")" r1
	says 'name: r1' kuked get realms -o yaml
}

row_54() {
	refused "empty value after '='" kuked get realms -l 'a='
	refused 'empty clause' kuked get realms -l 'a=b,,c'
	refused "empty key after '!'" kuked get realms -l '!'
}

row_55() {
	c1_yaml c2 | sed 's/{name/{labels: {env: prod}, name/' >"$D/c2.yaml"
	kuked apply -f "$D/c2.yaml" >/dev/null
	run kuked get cells -l env=prod
	lists c2
	run kuked get cells -l '!env'
	lists c1
	run kuked get cells -l 'env!=prod'
	lists c1
	kuked delete cell c2 "${scope[@]}"
}

row_57() {
	run kuked get spaces
	expect_status 0
	lists s1
}

row_60() {
	says 'No containers found for cell "c1" realm "default".' kuked get containers --cell c1 --realm default
	expect_out 'Hint: cell "c1" exists in realm "r1" space "s1" stack "t1"'
}

# The realm finds a namespace that has the image already.
row_66() {
	ctr_test -n "reverse.$id.test" images import "$D/busybox.tar" >/dev/null
	{
		cell_yaml c
		printf -- '---\nkind: Stack\nmetadata: {name: t}\nspec: {realmId: r, spaceId: s}\n'
		printf -- '---\nkind: Space\nmetadata: {name: s}\nspec: {realmId: r}\n'
		printf -- '---\nkind: Realm\nmetadata: {name: r}\n'
	} | sed 's/\(realmId: r\|name: r\)\b/\1everse/' >"$D/reverse.yaml"
	run kuked apply -f "$D/reverse.yaml"
	expect_status 0
	expect_equal "$out" 'Realm "reverse": created
Space "s": created
Stack "t": created
Cell "c": created'
}

row_67() {
	local first
	run kuked apply -f "$D/reverse.yaml" -o json
	expect_status 0
	first=$(json 'sorted(d["resources"][0])' <<<"$out")
	[[ $first == *"'action', "*"'index', 'kind', 'name'"* ]] || fail "it has $first"
	kuked delete realm reverse --cascade
}

row_68() {
	printf 'kind: Realm\nmetadata: {name: half}\n---\nkind: Bogus\nmetadata: {name: x}\n' >"$D/bogus.yaml"
	run kuked apply -f "$D/bogus.yaml"
	expect_status 1
	expect_err 'validation failed:'
	expect_err 'unknown kind: Bogus'
	refused 'realm "half" not found' kuked get realm half
}

row_69() {
	printf 'kind: Space\nmetadata: {name: x}\n---\nkind: Stack\nmetadata: {}\nspec: {realmId: r1, spaceId: s1}\n' \
		>"$D/two-faults.yaml"
	run kuked apply -f "$D/two-faults.yaml"
	expect_status 1
	expect_err 'document 0 (Space "x"): spec.realmId is required'
	expect_err 'document 1 (Stack): metadata.name is required'
}

row_70() {
	local name
	for name in bad_cell bad/cell; do
		c1_yaml "$name" >"$D/bad.yaml"
		run kuked apply -f "$D/bad.yaml"
		expect_refusal 'config error: some resources failed to apply'
		expect_out "Cell \"$name\": failed"
		[[ $out =~ $'\n''  Error: '[^$'\n']*cell[^$'\n']*"\"$name\"" ]] || fail "it does not say why: $out"
	done
}

row_71() {
	refused unknown bare kuke apply -b x
	refused unknown bare kuke apply --config x
}

row_72() {
	sed -i 's/image: busybox/image: oci:1/' "$D/c1.yaml"
	says 'Cell "c1": updated' kuked apply -f "$D/c1.yaml"
	[[ $out =~ $'\n''  - '[^$'\n']*'"main"' ]] || fail "it does not name the container: $out"
}

row_73() {
	echo '{kind: Realm, metadata: {name: gone}}' >"$D/gone.yaml"
	says 'Realm "gone": not found' kuked delete -f "$D/gone.yaml"
	says 'Realm "gone": not found' kuked delete -f "$D/gone.yaml"
}

row_74() {
	refused 'resource has child resources' kuked delete realm r1
	expect_err 'Use --cascade to delete them or --force'
}

row_75() {
	expect_equal "$(running)" s1_t1_c1_main
	says 'Deleted cell "c1" from stack "t1"' kuked delete cell c1 "${scope[@]}"
	[ ! -e "$RP/data/r1/s1/t1/c1" ] || fail "files are left: $(find "$RP/data/r1/s1/t1/c1")"
	expect_equal "$(groups_of r1/s1/t1/c1)" ""
	expect_equal "$(ctr_test -n "r1.$id.test" containers ls -q)" ""
	refused 'cell "c1" not found' kuked get cell c1 "${scope[@]}"
}

row_77() {
	says 'Deleted realm "r1"' kuked delete realm r1 --cascade
	expect_equal "$(namespaces)" "custom.$id.test"
	expect_equal "$(groups_of r1)" ""
}

row_81() {
	says 'Stopped cell "c1" from stack "t1"' kuked stop c1 "${scope[@]}"
	expect_equal "$(c1_state)" Stopped
	says 'Started cell "c1" from stack "t1"' kuked start c1 "${scope[@]}"
	expect_equal "$(c1_state)" Ready
}

row_83() {
	says 'Killed cell "c1" from stack "t1"' kuked kill c1 "${scope[@]}"
	expect_equal "$(c1_state)" Stopped
	expect_equal "$(running)" ""
}

row_84() {
	refused 'cell name is required' bare kuke start
	refused '--selector cannot be combined' bare kuke start x -l a=b
}

row_87() {
	kuked start c1 "${scope[@]}"
	says 'Restarted cell "c1"' kuked restart c1 "${scope[@]}"
	kuked stop c1 "${scope[@]}"
	says 'Started cell "c1"' kuked restart c1 "${scope[@]}"
}

row_88() {
	kukel create realm r9
	says 'Purged realm "r9"' kukel purge realm r9
	[ ! -e "$RP/data/r9" ] || fail "files are left: $(find "$RP/data/r9")"
	expect_equal "$(groups_of r9)" ""
	expect_equal "$(namespaces)" "custom.$id.test r1.$id.test"
}

row_91() {
	echo '{kind: Realm, metadata: {name: inside}}' >"$D/realm.yaml"
	says 'Realm "inside": created' kukel apply -f "$D/realm.yaml"
	[ -f "$RP/data/inside/metadata.json" ] || fail "there is no file"
	kukel delete realm inside
}

# The run path is that of kuke.yaml, so that KUKEON_NO_DAEMON alone is what makes a verb work in-process.
row_92() {
	settings "spec:\n  runPath: $RP\n  host: unix:///nope.sock\n"
	export KUKEON_NO_DAEMON=true
	says 'Realm "z"' kuke create realm z
	says 'Deleted realm "z"' kuke delete realm z
	says 'Killed cell "c1"' kuke kill c1 "${scope[@]}"
	says '  - containers: started' kuke run c1 -d "${scope[@]}"
}

same_from_both_sides() {
	cmp -s <(kuked get realms) <(kukel get realms --no-daemon)
}

# An age may move on between two looks, a real difference stays.
row_95() {
	kuked get realms | grep -q '^r1 ' || fail "nothing is shown"
	wait_until 5 same_from_both_sides || fail "$(diff <(kuked get realms) <(kukel get realms --no-daemon))"
}

row_96() {
	settings "spec:\n  runPath: $RP\n"
	refused 'dial kukeond' bare kuke get realms
}

row_97() {
	local line
	says 'Refreshed metadata status:' kuked refresh
	for line in '  Realms: 2 (r1, r2)' Updated: Errors: '  (none)'; do
		expect_out $'\n'"$line"
	done
}

row_99() {
	refused 'mutually exclusive' bare kuke run c -f x.yaml
	refused 'mutually exclusive' bare kuke run c --image b
}

row_100() {
	refused '--name is only valid with' bare kuke run -f x.yaml --name y
	expect_err 'not -f/--file'
}

row_104() {
	{
		c1_yaml a
		echo ---
		c1_yaml b
	} >"$D/two-docs.yaml"
	refused 'expected a single Cell document, got 2' kuked run -f "$D/two-docs.yaml" -d
}

row_105() {
	c1_yaml new >"$D/new.yaml"
	says '  - containers: started' kuked run -f "$D/new.yaml" -d
	says 'already existed' kuked run -f "$D/new.yaml" -d
	expect_out '  - containers: not started'
}

row_106() {
	sed -i 's/image: busybox/image: oci:1/' "$D/new.yaml"
	refused 'refusing to attach (--require-synced)' kuked run -f "$D/new.yaml" -d --require-synced
	expect_err '.image (actual='
}

row_107() {
	run kuked run -f "$D/new.yaml" -d
	expect_status 0
	[[ $err == *'notice: cell "new"'*'is OutOfSync with on-disk spec'* ]] || fail "no notice: $err"
}

row_109() {
	run kuked run --image busybox -d -o json "${scope[@]}"
	expect_status 0
	[[ $(json 'd["cell"]["name"], d["started"]' <<<"$out") == busybox-??????" True" ]] || fail "$out"
}

row_118() {
	c1_yaml c3 /bin/sh -c 'echo hi; trap "exit 0" TERM; sleep 1000 & wait' >"$D/c3.yaml"
	kuked apply -f "$D/c3.yaml" >/dev/null
	wait_until 5 says hi kuked log c3 "${scope[@]}" || fail "$out"
}

# followed TEXT: was shown by the one that follows.
followed() {
	grep -q "$1" "$D/followed"
}

row_119() {
	local follower
	(exec kuke --host "unix://$D/k.sock" log c3 "${scope[@]}" -f >"$D/followed" 2>&1) &
	follower=$!
	wait_until 5 followed hi || fail "it does not begin"
	echo more >>"$RP/data/r1/s1/t1/c3/main/log"
	wait_until 5 followed more || fail "it does not go on"
	kill -INT "$follower"
	wait "$follower" || fail "status $?"
}

row_120() {
	rm "$RP/data/r1/s1/t1/c3/main/log"
	refused 'has no log file at ' kuked log c3 "${scope[@]}"
}

row_121() {
	refused 'is required' kukel image load
	refused 'not both' kukel image load a.tar --from-docker b
}

row_122() {
	refused 'command must run as root: ' someone --run-path "$RP" image load a.tar
	expect_err 'sudo kuke image load'
}

row_123() {
	: >"$D/empty"
	refused 'image tarball is required' kukel image load "$D/empty"
	refused 'image tarball is required' kukel image load - </dev/null
}

row_124() {
	head -c 100000 /dev/urandom >"$D/random.tar"
	refused 'failed to load image' kukel image load "$D/random.tar"
}

row_125() {
	local archive
	for archive in busybox oci; do
		says "loaded 1 image(s) into realm \"default\" (namespace \"default.$id.test\"):
  - docker.io/library/$archive:" kukel image load "$D/$archive.tar"
		says "docker.io/library/$archive:" kukel get image --realm default
	done
}

row_128() {
	says 'released ' kukel image prune
	expect_out 'lease(s), retained '
	says 'released 0' kukel image prune
}

row_152() {
	says __complete bare kuke autocomplete bash
	says compdef bare kuke autocomplete zsh
	says complete bare kuke autocomplete fish
	[ "${#out}" -gt 50 ] || fail "that is little: $out"
}

# offers LINE… -- WORD…: what is typed so far.
offers() {
	local line lines=()
	while [ "$1" != -- ]; do
		lines+=("$1")
		shift
	done
	run env KUKEON_HOST="unix://$D/k.sock" kuke __complete "${@:2}"
	expect_status 0
	for line in "${lines[@]}"; do
		grep -qE "^$line($(printf '\t')|$)" <<<"$out" || fail "no line $line: $out"
	done
}

row_154() {
	local began=$SECONDS
	run bare kuke __complete get cell "${scope[@]}" ""
	expect_status 0
	expect_equal "$out" :4
	[ $((SECONDS - began)) -le 3 ] || fail "it took $((SECONDS - began)) s"
}

row_157() {
	[ -f "$D/kukeond.pid" ] || fail "there is no pid file"
	expect_equal "$(stat -c %a "$D/k.sock") $(<"$D/kukeond.pid")" "600 $daemon_pid"
	kill -TERM "$daemon_pid"
	wait_until 10 gone || fail "$(ls "$D") is left"
}

gone() {
	[ ! -e "$D/k.sock" ] && [ ! -e "$D/kukeond.pid" ] && ! kill -0 "$daemon_pid" 2>/dev/null
}

row_158() {
	daemon_start --reconcile-interval junk
	grep -q 'WARN .*"junk".* 30s' "$D/kukeond.log" || fail "no warning"
	daemon_stop
}

row_159() {
	echo 'kind: ClientConfiguration' >"$D/server.yaml"
	refused 'want "ServerConfiguration"' kukeond serve --configuration "$D/server.yaml" \
		--socket "$D/other.sock" --run-path "$D/other"
}

deletes_all() {
	local realm
	for realm in r1 r2 default; do
		says "Deleted realm \"$realm\"" kukel delete realm $realm --cascade
	done
}

chmod 755 "$D"
cp "$KUKE_BIN/kuke" "$D/kuke"
containerd_start
image_make "$D/busybox.tar"
oci_make "$D/oci.tar"
c1_yaml >"$D/c1.yaml"

it "row 1: shows help, and writes kuke.yaml" row_1
it "finds kuke.yaml without HOME" without_home
it "is silent when nobody reads on" reader_has_gone
it "row 2: shows the help of verbs" row_2
it "row 4: does not know a verb" row_4
it "row 5: guesses what was meant" row_5
it "row 6: shows the help of a group for an unknown word" row_6
it "row 7: does not know a flag" unknown_flag --bogus bare kuke get realms --bogus
it "row 8: has no --no-daemon before a verb" row_8
it "row 9: has no --no-daemon for verbs that lost it" row_9
it "row 10: is nothing under another name" row_10
it "row 11: is what KUKEON_DEBUG_MODE says" says 'Client: ' env KUKEON_DEBUG_MODE=kuke "$D/foo" version --no-daemon
it "row 12: shows its own version" row_12
it "row 13: shows its own version where no daemon is" row_13
daemon_start --reconcile-interval 0 --socket-gid 65533
it "row 14: shows both versions" row_14
it "row 15: minds a daemon of another version" row_15
it "row 16: says that no daemon is there" refused \
	"Error: dial kukeond at $default_sock: dial unix $default_sock: connect: no such file or directory" bare kuke get realms
it "row 17: says what ssh does not reach" refused 'Error: dial kukeond at ssh://127.0.0.1:1: ssh: connect to host' kuke --host ssh://127.0.0.1:1 get realms
it "row 18: has no tcp" refused '(expected unix:// or ssh://)' kuke --host tcp://a get realms
it "row 19: says which group may talk to the daemon" row_19
it "row 20: minds the kind of kuke.yaml" row_20
it "row 21: minds the syntax of kuke.yaml" row_21
it "row 22: goes to the host of kuke.yaml" row_22
it "row 23: goes to KUKEON_HOST rather" refused /nope.sock env KUKEON_HOST=unix:///nope.sock kuke get realms
it "row 24: goes to --host rather" says 'No realms found.' env KUKEON_HOST=unix:///nope.sock kuke --host "unix://$D/k.sock" get realms
it "row 25: reads the file KUKE_CONFIGURATION names" row_25
it "row 26: has no realms, in JSON" empty realm
it "row 27: has no realms" says 'No realms found.' kuked get realms
it "row 28: has nothing else, in JSON" empty cells space stack container
it "row 29: creates a realm" row_29
it "row 30: says that the realm is there" row_30
it "row 31: creates a realm in another namespace" says "(namespace \"custom.$id.test\")" kuked create realm r2 --namespace "custom.$id.test"
it "row 32: wants a name" refused 'realm name is required (usage: kuke create realm [name]' bare kuke create realm
it "row 33: wants one name" refused 'accepts at most 1 arg(s), received 2' kuked create realm a b
it "row 34: minds the name of a realm" row_34
it "row 35: minds the name of a space" row_35
it "row 36: creates a space" row_36
it "row 37: creates no space without its realm" row_37
it "row 38: creates a stack" says 'Stack "t1" (realm "r1", space "s1")' kuked create stack t1 --realm r1 --space s1
it "row 39: minds the name of a stack" refused 'stack name "bad/stack"' kuked create stack bad/stack --realm r1 --space s1
it "row 40: wants a source for a cell" refused 'kuke create cell requires --image' bare kuke create cell x
it "row 41: wants one source for a cell" refused 'none of the others can be' kuked create cell x --image a --clone b
it "row 42: wants an image beside --command" refused '--command is only valid with --image' kuked create cell x --command ls
it "row 43: takes no --env beside --image" refused '--env is not valid with --image' kuked create cell x --image busybox --env A=1
it "row 44: names a cell after its image" row_44
it "row 45: lists realms" row_45
it "row 46: lists realms with their namespaces" row_46
it "row 47: shows a realm as a table" row_47
it "row 48: shows a realm as YAML" row_48
it "row 49: shows a realm as JSON" row_49
it "row 50: does not find a realm" refused 'Error: realm "nope" not found' kuked get realm nope
it "row 51: minds the format" row_51
it "row 52: takes the format from KUKE_GET_OUTPUT" row_52
it "row 53: takes no selector beside a name" refused '--selector cannot be combined with a resource name' kuked get realm r1 -l a=b
it "row 54: minds the selector" row_54
c1_apply
it "row 55: selects by label" row_55
it "row 56: looks for a space in realm default" refused 'space "s1" not found in realm "default"' kuked get space s1
it "row 57: lists the spaces of all realms" row_57
it "row 58: takes an empty realm for none" refused 'realm name is required (--realm)' kuked get cell c1 --realm ""
it "row 59: wants the cell of a container" refused 'cell name is required (--cell)' kuked get container w
it "row 60: hints at a cell elsewhere" row_60
it "row 61: wants a file" refused 'file flag is required' bare kuke apply
it "row 62: does not find the file" refused \
	'failed to open file "/missing.yaml": open /missing.yaml: no such file or directory' kuked apply -f /missing.yaml
it "row 63: minds the format of a report" refused 'invalid --output "table": want json or yaml' kuked apply -f "$D/r.yaml" -o table
it "row 64: applies standard input" says 'Realm "piped": created' kuked apply -f - <<<'{kind: Realm, metadata: {name: piped}}'
it "row 65: applies it again" says 'Realm "piped": unchanged' kuked apply -f - <<<'{kind: Realm, metadata: {name: piped}}'
kuked delete realm piped >/dev/null
it "row 66: applies what comes first first" row_66
it "row 67: reports in JSON" row_67
it "row 68: applies nothing beside an unknown kind" row_68
it "row 69: tells all that is wrong with documents" row_69
it "row 70: minds the name of a cell" row_70
it "row 71: has no -b and no --config" row_71
it "row 72: updates a cell whose image changed" row_72
it "row 73: is content with what is gone" row_73
it "row 74: deletes no realm that has spaces" row_74
it "row 75: deletes a cell that runs" row_75
it "row 76: does not find the cell to delete" refused \
	'cell "ghost" not found in realm "default", space "default", stack "default"' kuked delete cell ghost
it "row 77: deletes a realm and all in it" row_77
it "row 78: wants the realm to delete" refused 'accepts 1 arg(s), received 0' bare kuke delete realm
it "row 79: has no -o where one thing is deleted" refused "unknown shorthand flag: 'o' in -o" bare kuke delete realm x -o json
it "row 80: shows the help of delete for an unknown word" says Usage: bare kuke delete bogus
c1_yaml >"$D/c1.yaml"
c1_apply
it "row 81: stops a cell and starts it" row_81
it "row 82: starts no cell that runs" refused 'must first be stopped' kuked start c1 "${scope[@]}"
it "row 83: kills a cell" row_83
it "row 84: wants a cell or a selector to start" row_84
it "row 85: starts what no selector finds" says 'No cells matched the selector.' kuked start -l nope=1
it "row 86: wants the cell to stop" refused 'accepts 1 arg(s), received 0' bare kuke stop
it "row 87: restarts a cell" row_87
daemon_stop
it "row 88: purges a realm in-process" row_88
it "row 89: purges no realm that has spaces" refused 'Use --cascade to purge them or --force to skip validation' kukel purge realm r1
it "row 90: purges no space that has stacks" refused \
	'Use --cascade to purge them or --force to skip validation' kukel purge space s1 --realm r1
it "row 91: applies in-process" row_91
it "row 92: does every verb in-process" row_92
it "row 93: stays out of the process for KUKEON_NO_DAEMON=false" refused 'dial kukeond' \
	bare env KUKEON_NO_DAEMON=false kuke --run-path "$RP" get realms
it "row 94: stays out of the process for --no-daemon=false" refused 'dial kukeond' bare kuke --run-path "$RP" get realms --no-daemon=false
daemon_start --reconcile-interval 0
it "row 95: shows the same from both sides" row_95
it "row 96: stays out of the process for a run path in kuke.yaml" row_96
rm "$HOME/.kuke/kuke.yaml"
it "row 97: tells what it looked at" row_97
it "row 98: wants something to run" refused 'a source is required: <cell>' bare kuke run
it "row 99: wants one thing to run" row_99
it "row 100: takes no name beside a file" row_100
it "row 101: takes no container where it does not attach" refused \
	'--container is incompatible with -d/--detach' bare kuke run --image a -d --container m
it "row 102: reports nothing where it attaches" refused '--output is incompatible with attach mode' bare kuke run --image a -o json
it "row 103: does not find the cell to run" refused \
	'cell not found (cell "ghost" in realm="default" space="default" stack="default")' kuked run ghost -d
it "row 104: runs one document" row_104
it "row 105: runs a file, and again" row_105
it "row 106: refuses a cell that is not that of the file" row_106
it "row 107: notices a cell that is not that of the file" row_107
it "row 108: points from a profile to a blueprint" refused --from-blueprint bare kuke run x -p prof
it "row 109: reports what it ran" row_109
it "row 118: shows what was written" row_118
it "row 119: follows what is written" row_119
it "row 120: minds a log that is not there" row_120
kuked create realm default >/dev/null
it "row 121: wants one archive" row_121
it "row 122: loads for root alone" row_122
it "row 123: minds an empty archive" row_123
it "row 124: minds an archive that is none" row_124
it "row 125: loads archives of both kinds" row_125
it "row 126: does not find the image to delete" refused 'image "nope:1" not found in realm "default"' kukel image delete nope:1
it "row 127: lists no images" says Usage: bare kuke image ls
it "row 128: prunes" row_128
it "row 152: prints a script for each shell" row_152
it "row 153: offers cells" offers c1 :4 -- get cell "${scope[@]}" ""
it "row 154: offers nothing where nobody answers" row_154
it "row 155: offers formats" offers yaml json table wide :4 -- get realm -o ""
it "row 156: offers kinds" offers realm space stack cell -- create ""
it "row 157: is gone with socket and pid file when it is told to" row_157
it "row 158: takes the usual interval for one that is none" row_158
it "row 159: minds the kind of kukeond.yaml" row_159
it "deletes the realms" deletes_all
