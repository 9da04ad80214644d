# tests/e2e/badinput.sh - what a careless user types: one clear line, status 1, nothing left.
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

# refused TEXT YAML: applying it fails with TEXT, and nothing exists afterwards.
refused() {
	printf '%b' "$2" >"$D/bad.yaml"
	run kuked apply -f "$D/bad.yaml"
	expect_refusal "$1"
	nothing_was_made
}

nothing_was_made() {
	expect_equal "$(kuked get realms -o json | tr -d ' \n' | grep -o '"name":"[^"]*"' | tr '\n' ' ')" '"name":"r" '
	expect_equal "$(find "$RP/data" -mindepth 2 -name metadata.json | wc -l)" 1
}

files() {
	run kuked apply -f /missing.yaml
	expect_refusal 'failed to open file "/missing.yaml": open /missing.yaml: no such file or directory'
	run kuked apply
	expect_refusal 'file flag is required'
	refused 'no documents found in input' ''
	refused 'no documents found in input' '# only a comment\n'
	refused 'must be a map' 'just text\n'
	refused 'failed to parse YAML: line 3' 'kind: Realm\nmetadata:\t{name: x}\n\tspec: {}\n'
	refused 'failed to parse YAML' 'kind: Realm\nmetadata: {name: x\n'
}

# State that another user could change is no state to rule this host by.
foreign_run_paths() {
	mkdir -p "$D/foreign/rp" "$D/closed/rp"
	chown 65534 "$D/foreign/rp" "$D/closed"
	chmod 700 "$D/closed"
	run kuke --run-path "$D/foreign/rp" create realm x
	expect_refusal "run path $D/foreign/rp belongs to user 65534: root must own it (chown root $D/foreign/rp)"
	run kuke --run-path "$D/closed/rp" create realm x
	expect_refusal "run path $D/closed/rp: only user 65534 may enter $D/closed; choose a path that root can enter"
	expect_equal "$(find "$D/foreign/rp" "$D/closed/rp" -mindepth 1)" ""
}

documents() {
	refused 'unknown kind: Bogus' 'kind: Bogus\nmetadata: {name: x}\n'
	refused 'unsupported apiVersion: v9' 'apiVersion: v9\nkind: Realm\nmetadata: {name: x}\n'
	refused 'metadata.name is required' 'kind: Realm\nmetadata: {}\n'
	refused 'document 1 (Space "y"): spec.realmId is required' \
		'kind: Realm\nmetadata: {name: x}\n---\nkind: Space\nmetadata: {name: y}\n'
	refused "key 'name' is there twice" 'kind: Realm\nmetadata: {name: x, name: y}\n'
}

unknown_fields() {
	run kuked apply -f - <<<'{kind: Realm, metadata: {name: r, bogus: 1}}'
	expect_equal "$out" 'Realm "r": unchanged'
	expect_err "unknown field 'metadata.bogus' ignored"
}

# Problems of one document leave the others alone, and say which it was.
names() {
	local name
	for name in '../x' 'a_b' "$(printf 'n%.0s' {1..200})" 'UPPER' '-x' volumes; do
		printf 'kind: Realm\nmetadata: {name: "%s"}\n' "$name" >"$D/bad.yaml"
		run kuked apply -f "$D/bad.yaml"
		expect_status 1
		expect_out ': failed'
		expect_out 'realm name is invalid'
		expect_equal "$err" 'Error: config error: some resources failed to apply'
		nothing_was_made
		run kuked create realm -- "$name"
		expect_refusal 'realm name is invalid'
	done
	printf 'kind: Realm\nmetadata: {name: "%s"}\n' "$(printf 'n%.0s' {1..300})" >"$D/bad.yaml"
	run kuked apply -f "$D/bad.yaml"
	expect_refusal "'name' is longer than"
	run kuked create space s --realm nope
	expect_refusal 'realm not found: "nope"'
	nothing_was_made
}

missing_image() {
	cell_yaml c >"$D/c.yaml"
	sed -i 's/image: busybox/image: nobody\/has:this/' "$D/c.yaml"
	run kuked apply -f "$D/c.yaml"
	expect_status 1
	expect_out 'image not found: "nobody/has:this"'
	expect_out 'kuke image load'
	[ ! -e "$RP/data/r/s/t/c" ] || fail "the cell is left on disk"
	expect_equal "$(ctr_test -n "r.$id.test" containers ls -q)" ''
	expect_equal "$(find "$RP/run" -name 'k*' 2>/dev/null)" ''
	run kuked delete space s --realm r --cascade
	expect_status 0
}

bad_command() {
	cell_yaml c /no/such/program >"$D/c.yaml"
	run kuked apply -f "$D/c.yaml"
	expect_status 1
	expect_out '/no/such/program'
	[ ! -e "$RP/data/r/s/t/c" ] || fail "the cell is left on disk"
	expect_equal "$(ctr_test -n "r.$id.test" containers ls -q)" ''
	run kuked delete space s --realm r --cascade
	expect_status 0
}

archives() {
	head -c 200M /dev/urandom >"$D/garbage"
	run kukel image load "$D/garbage" --realm r
	expect_refusal 'failed to load image'
	head -c 300000 "$D/busybox.tar" >"$D/cut.tar"
	run kukel image load "$D/cut.tar" --realm r
	expect_refusal 'failed to load image'
	: >"$D/empty"
	run kukel image load "$D/empty" --realm r
	expect_refusal 'image tarball is required'
	run kukel image load - --realm r </dev/null
	expect_refusal 'image tarball is required'
	run kukel image load /missing.tar --realm r
	expect_refusal 'no such file'
	run kukel image load "$D/busybox.tar" --realm nope
	expect_refusal 'realm not found: nope'
	run kukel image delete nope:1 --realm r
	expect_refusal 'image "nope:1" not found in realm "r"'
	expect_equal "$(ctr_test -n "r.$id.test" leases ls -q)" ''
	expect_equal "$(ctr_test -n "r.$id.test" content ls -q | wc -l)" "$1"
}

hosts() {
	run kuke --host unix:///nobody/listens.sock get realms
	expect_refusal 'dial kukeond at /nobody/listens.sock: dial unix /nobody/listens.sock: connect: no such file or directory'
	run kuke --host tcp://x get realms
	expect_refusal 'unsupported kukeon host scheme: "tcp://x" (expected unix:// or ssh://)'
	run kuke --host ssh://127.0.0.1:1 get realms
	expect_refusal 'Error: dial kukeond at ssh://127.0.0.1:1: ssh: connect to host 127.0.0.1 port 1: Connection refused'
	run kuke --host ssh://-oProxyCommand=x get realms
	expect_refusal 'invalid kukeon host "ssh://-oProxyCommand=x": that is no name of a host'
	run kuke --host ssh://a:0 get realms
	expect_refusal 'invalid kukeon host "ssh://a:0": the port is no number from 1 to 65535'
	run kuke --host unix:// get realms
	expect_refusal 'unix path is empty'
	# A checkout may lie where others can't look.
	chmod 755 "$D"
	cp "$KUKE_BIN/kuke" "$D/kuke"
	run setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent "$D/kuke" --host "unix://$D/k.sock" get realms
	expect_refusal 'usermod -aG kukeon'
	run setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent "$D/kuke" --run-path "$RP" image load x.tar
	expect_refusal 'command must run as root'
}

second_daemon() {
	run kukeond serve --socket "$D/other.sock" --run-path "$RP" --configuration "$RP/none.yaml"
	expect_refusal 'another kukeond runs on run path'
	run kukeond serve --socket "$D/k.sock" --run-path "$D/rp2" --configuration "$RP/none.yaml"
	expect_refusal 'another daemon listens on'
	run kukeond serve --socket "$D/busybox.tar" --run-path "$D/rp2" --configuration "$RP/none.yaml"
	expect_refusal 'is no socket'
	run kukeond serve --run-path "$RP" --cgroup-root /elsewhere --configuration "$RP/none.yaml"
	expect_refusal 'kukeon instance mismatch'
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
it "refuses a run path that another user owns" foreign_run_paths
it "refuses files that are none" files
it "refuses documents that are wrong, and applies nothing" documents
it "tells which fields it does not know" unknown_fields
it "refuses names" names
it "undoes a cell whose image is missing" missing_image
it "refuses archives, and keeps nothing of them" archives 0
kukel image load "$D/busybox.tar" --realm r >/dev/null
it "undoes a cell whose command is missing" bad_command
it "refuses hosts it can't reach" hosts
it "refuses a second daemon" second_daemon
kuked delete realm r --cascade >/dev/null
