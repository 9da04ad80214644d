# tests/e2e/run.sh - kuke run, detached: rows 98-109.
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

scope=(--realm r --space s --stack t)

# refused TEXT ARGUMENT…
refused() {
	local text=$1
	shift
	run kuked run "$@"
	expect_refusal "$text"
}

flags_are_checked() {
	refused 'a source is required: <cell>'
	refused 'the <cell> positional argument is mutually exclusive with' c -f x.yaml
	refused 'mutually exclusive' c --image b
	refused 'none of the others can be; [file image] were all set' -f x.yaml --image b
	refused '--name is only valid with --image/--from-blueprint/--from-config/--clone, not -f/--file' -f x.yaml --name y
	refused 'not the <cell> positional' c --name y
	refused '--container is incompatible with -d/--detach' --image a -d --container m
	refused '--output is incompatible with attach mode' --image a -o json
	refused 'invalid --output "table": want json or yaml' --image a -d -o table
	refused '--require-synced is only valid with -f/--file' c -d --require-synced
	refused '--command is only valid with --image' c -d --command ls
	refused '--from-blueprint' x -p prof
	refused '--env requires KEY=VALUE (got: "A")' c -d --env A
	refused '--env KEY must be non-empty (got: "=1")' c -d --env =1
	refused '--env A supplied twice with different values ("1" vs "2"); pick one' c -d --env A=1 --env B=3 --env A=2
	refused 'standard input is no terminal: attach from one' --image busybox </dev/null
	run kuked run c -b
	expect_err 'unknown shorthand flag'
}

manifests_are_checked() {
	refused 'cell not found (cell "ghost" in realm="default" space="default" stack="default")' ghost -d
	{
		cat "$D/c.yaml"
		echo ---
		cat "$D/c.yaml"
	} >"$D/two.yaml"
	refused 'expected a single Cell document, got 2' -f "$D/two.yaml" -d
	echo '{kind: Realm, metadata: {name: x}}' >"$D/realm.yaml"
	refused 'expected kind "Cell", got "Realm"' -f "$D/realm.yaml" -d
	refused 'failed to open file "/missing.yaml"' -f /missing.yaml -d
	run kuked run -f - -d <<<'{kind: Cell, metadata: {name: x}, spec: {containers: []}}'
	expect_refusal 'spec.containers is required and cannot be empty'
}

runs_a_manifest() {
	run kuked run -f "$D/c.yaml" -d
	expect_status 0
	expect_out 'Cell "c" (realm "r", space "s", stack "t")'
	expect_out '  - container "main": created'
	expect_out '  - containers: started'
	expect_equal "$(cell_state c)" Ready
	run kuked run -f "$D/c.yaml" -d
	expect_status 0
	expect_out '  - metadata: already existed'
	expect_out '  - container "main": already existed'
	expect_out '  - containers: not started'
	expect_equal "$err" ""
	kuked kill c "${scope[@]}" >/dev/null
	run kuked run c -d "${scope[@]}"
	expect_out '  - containers: started'
	expect_equal "$(cell_state c)" Ready
}

sees_a_difference() {
	sed 's/image: busybox/image: other/' "$D/c.yaml" >"$D/drift.yaml"
	run kuked run -f "$D/drift.yaml" -d --require-synced
	expect_refusal 'refusing to attach (--require-synced)'
	expect_err 'spec.containers["main"].image (actual="busybox", desired="other")'
	run kuked run -f "$D/drift.yaml" -d
	expect_status 0
	[[ $err == 'notice: cell "c" is OutOfSync with on-disk spec (diverging: spec.containers["main"].image'* ]] ||
		fail "no notice: $err"
	{
		cat "$D/c.yaml"
		sed -n '/- id: main/,$p' "$D/c.yaml" | sed 's/id: main/id: more/'
	} >"$D/drift.yaml"
	run kuked run -f "$D/drift.yaml" -d --require-synced
	expect_refusal 'spec.containers (count: actual=1, desired=2)'
}

runs_an_image() {
	local name
	run kuked run --image busybox --command /bin/true -d -o json "${scope[@]}" --rm
	expect_status 0
	name=$(sed -n 's/.*"name": "\(busybox-[0-9a-f]\{6\}\)".*/\1/p' <<<"$out")
	[ -n "$name" ] || fail "no name: $out"
	expect_out '"started": true'
	expect_out '"realmId": "r"'
	wait_until 5 eval '! kuked get cell '"$name"' "${scope[@]}"' || fail "it stays: $(cell_json "$name")"
	run kuked run --image busybox --command /bin/true --name mine -d "${scope[@]}"
	expect_out 'Cell "mine" (realm "r"'
	refused 'cell "mine" already exists in realm="r" space="s" stack="t"; run `kuke run mine`' --image busybox --name mine -d "${scope[@]}"
	wait_until 5 state_is mine Exited || fail "$(cell_json mine)"
	refused 'cell "mine" is there already, and --rm is for one that is made' mine --rm -d "${scope[@]}"
}

fills_the_blanks() {
	sed -e '/realmId\|spaceId\|stackId/d' -e 's/name: c}/name: blank}/' "$D/c.yaml" >"$D/blank.yaml"
	run kuked run -f "$D/blank.yaml" -d "${scope[@]}"
	expect_status 0
	expect_equal "$(cell_state blank)" Ready
	run kuked delete cell blank "${scope[@]}"
	expect_status 0
}

has_its_environment() {
	cell_yaml e /bin/sh -c 'echo "A is $A, B is $B"; sleep 1000' >"$D/e.yaml"
	kuked run -f "$D/e.yaml" -d --env A=1 --env 'B=x y' >/dev/null
	wait_until 5 eval '[ "$(kuked log e "${scope[@]}")" = "A is 1, B is x y" ]' || fail "$(kuked log e "${scope[@]}")"
	run kuked get cell e "${scope[@]}" -o json
	[[ $out != *'x y'* ]] || fail "it is stored: $out"
	kuked kill e "${scope[@]}" >/dev/null
	kuked run e -d --env A=2 "${scope[@]}" >/dev/null
	wait_until 5 eval '[ "$(kuked log e "${scope[@]}" --tail 1)" = "A is 2, B is " ]' || fail "$(kuked log e "${scope[@]}")"
}

runs_in_process() {
	daemon_stop
	run kukel run --image busybox -d --rm "${scope[@]}"
	expect_refusal '--rm needs kukeond'
	run kukel run --image busybox --command /bin/true --name here -d "${scope[@]}"
	expect_status 0
	expect_out '  - containers: started'
	run kukel delete realm r --cascade
	expect_status 0
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kuked create space s --realm r >/dev/null
kuked create stack t --realm r --space s >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
cell_yaml c >"$D/c.yaml"
it "says which flags make no sense" flags_are_checked
it "says what is no manifest of a cell" manifests_are_checked
it "runs a manifest, and leaves alone what runs" runs_a_manifest
it "says what differs from the manifest" sees_a_difference
it "runs an image, and deletes it when it is over" runs_an_image
it "puts a cell where the flags say" fills_the_blanks
it "gives a start its environment, and no other" has_its_environment
it "runs in-process" runs_in_process
