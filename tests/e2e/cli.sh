# tests/e2e/cli.sh - the command line, by the rows of the acceptance table.
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

help_rows() {
	run kuke
	expect_status 0
	[ "$(stat -c %a "$HOME/.kuke/kuke.yaml")" = 600 ] || fail "row 1: kuke.yaml"
	local words
	for words in "-h" "--help" "get -h" "create realm -h" "help create"; do
		# shellcheck disable=SC2086
		run kuke $words
		expect_status 0
		expect_out Usage
	done
}

unknown_rows() {
	run kuke bogus
	expect_status 1
	expect_err 'unknown command "bogus" for "kuke"'
	expect_err "Run 'kuke --help' for usage."
	run kuke appyl
	expect_err 'Did you mean this?'
	expect_err apply
	run kuke get bogus
	expect_status 0
	run kuke get realms --bogus
	expect_err 'Error: unknown flag: --bogus'
	run kuke --no-daemon get realms
	expect_err 'unknown command "realms" for "kuke"'
	local verb
	for verb in "apply -f x.yaml" "create realm x" "delete realm x" "kill x" "start x" "restart x" "stop x" "image load x"; do
		# shellcheck disable=SC2086
		run kuke $verb --no-daemon
		expect_status 1
		expect_err 'unknown flag: --no-daemon'
	done
	run kuke delete realm x -o json
	expect_err "unknown shorthand flag: 'o' in -o"
	run kuke image ls
	expect_status 0
}

dispatch_rows() {
	cp "$KUKE_BIN/kuke" "$D/foo"
	run "$D/foo"
	expect_status 1
	expect_err 'unknown entry command: foo'
	run env KUKEON_DEBUG_MODE=kuke "$D/foo" version --no-daemon
	expect_out 'Client: '
}

version_rows() {
	run kuke version --no-daemon
	expect_equal "$(wc -l <<<"$out")" 1
	run kuke --host unix:///nope.sock version
	expect_status 0
	expect_err 'Warning: daemon unreachable: dial kukeond at /nope.sock'
	run kuked version
	expect_out 'Daemon: '
	expect_equal "$err" ''
}

settings_rows() {
	mkdir -p "$HOME/.kuke"
	echo 'kind: Foo' >"$HOME/.kuke/kuke.yaml"
	run kuke get realms
	expect_err 'has kind "Foo", want "ClientConfiguration"'
	echo ': : :' >"$HOME/.kuke/kuke.yaml"
	run kuke get realms
	expect_err 'client configuration is invalid'
	printf 'spec:\n  host: unix://%s/k.sock\n' "$D" >"$HOME/.kuke/kuke.yaml"
	run kuke get realms
	expect_status 0
	run env KUKEON_HOST=unix:///nope.sock kuke get realms
	expect_err /nope.sock
	run env KUKEON_HOST=unix:///nope.sock kuke --host "unix://$D/k.sock" get realms
	expect_status 0
	printf 'spec:\n  runPath: %s\n  host: unix:///nope.sock\n' "$RP" >"$HOME/.kuke/kuke.yaml"
	run kuke get realms
	expect_err 'dial kukeond'
	rm "$HOME/.kuke/kuke.yaml"
}

empty_rows() {
	local kind
	run kuked get realms
	expect_equal "$out" 'No realms found.'
	for kind in realm space stack cell container; do
		run kuked get $kind -o json
		expect_equal "$out" '[]'
	done
}

create_rows() {
	run kuked create realm r1
	expect_equal "$out" "Realm \"r1\" (namespace \"r1.$id.test\")
  - metadata: created
  - containerd namespace: created
  - cgroup: created"
	run kuked create realm r1
	expect_equal "$(grep -c 'already existed' <<<"$out")" 3
	run kuked create realm r2 --namespace "custom.$id.test"
	expect_out "(namespace \"custom.$id.test\")"
	run kuke create realm
	expect_err 'realm name is required (usage: kuke create realm [name]'
	run kuked create realm a b
	expect_err 'accepts at most 1 arg(s), received 2'
	run kuked create realm bad_r
	expect_err 'realm name is invalid'
	run kuked create space bad/space --realm r1
	expect_err 'bad/space'
	run kuked create space s1 --realm r1
	expect_out 'Space "s1" (realm "r1", network "r1-s1")'
	expect_out '  - network: created'
	run kuked create stack t1 --realm r1 --space s1
	expect_out 'Stack "t1" (realm "r1", space "s1")'
	run kuke create cell x
	expect_err 'kuke create cell requires --image'
	run kuked create cell x --image a --clone b
	expect_err 'none of the others can be'
	run kuked create cell x --command ls
	expect_err '--command is only valid with --image'
	run kuked create cell x --image busybox --env A=1
	expect_err '--env is not valid with --image'
	run kuked create cell --image docker.io/library/alpine:3 --realm r1 --space s1 --stack t1
	[[ $out =~ Cell\ \"alpine-[0-9a-f]{6}\" ]] || fail "row 44: $out"
	expect_out '  - containers: not started'
}

get_rows() {
	run kuked get realms
	expect_equal "$(head -n 1 <<<"$out" | tr -s ' ')" 'NAME STATE AGE'
	run kuked get realms -o wide
	expect_out NAMESPACE
	run kuked get realm r1 -o yaml
	expect_out 'state: Ready'
	expect_out "cgroupPath: /kuke-$id/r1"
	run kuked get realm nope
	expect_err 'Error: realm "nope" not found'
	run kuked get realms -o xml
	expect_err 'invalid output format: xml (supported: yaml, json, table, wide)'
	run env KUKE_GET_OUTPUT=json kuke --host "unix://$D/k.sock" get realm r1
	expect_out '"name": "r1"'
	run kuked get realm r1 -l a=b
	expect_err '--selector cannot be combined with a resource name'
	run kuked get realms -l 'a='
	expect_err "empty value after '='"
	run kuked get realms -l 'a=b,,c'
	expect_err 'empty clause'
	run kuked get realms -l '!'
	expect_err "empty key after '!'"
	run kuked get space s1
	expect_err 'space "s1" not found in realm "default"'
	run kuked get spaces
	expect_out s1
	run kuked get cell c1 --realm ""
	expect_err 'realm name is required (--realm)'
	run kuked get container w
	expect_err 'cell name is required (--cell)'
}

apply_rows() {
	run kuked apply -f "$D/r.yaml" -o table
	expect_err 'invalid --output "table": want json or yaml'
	run kuked apply -f - <<<'{kind: Realm, metadata: {name: piped}}'
	expect_equal "$out" 'Realm "piped": created'
	run kuked apply -f - <<<'{kind: Realm, metadata: {name: piped}}'
	expect_equal "$out" 'Realm "piped": unchanged'
	run kuked apply -o json -f - <<<'{kind: Realm, metadata: {name: piped}}'
	expect_out '"action": "unchanged"'
	run kuked apply -f - <<<'{kind: Realm, metadata: {name: piped, bogus: 1}}'
	expect_err "unknown field 'metadata.bogus' ignored"
	echo '{kind: Realm, metadata: {name: gone}}' >"$D/gone.yaml"
	run kuked delete -f "$D/gone.yaml"
	expect_status 0
	expect_equal "$out" 'Realm "gone": not found'
	run kuked delete cell ghost
	expect_err 'cell "ghost" not found in realm "default", space "default", stack "default"'
	run kuke delete realm
	expect_err 'accepts 1 arg(s), received 0'
	run kuke start
	expect_err 'cell name is required'
	run kuked start -l nope=1
	expect_equal "$out" 'No cells matched the selector.'
	run kuke stop
	expect_err 'accepts 1 arg(s), received 0'
}

removes_all() {
	local realm
	for realm in r1 r2 piped; do
		run kuked delete realm $realm --cascade
		expect_status 0
	done
}

containerd_start
daemon_start
it "rows 1-3: help" help_rows
it "rows 4-9: unknown words" unknown_rows
it "rows 10-11: dispatch" dispatch_rows
it "rows 12-14: version" version_rows
it "rows 20-25, 96: settings" settings_rows
it "rows 26-28: empty lists" empty_rows
it "rows 29-44: create" create_rows
it "rows 45-59: get" get_rows
it "rows 61-86: apply, delete, start, stop" apply_rows
it "deletes the realms" removes_all
