# tests/e2e/overview.sh - what all is there and what it uses: kuke tree, kuke top.
# limit: 120
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

scope=(--realm r --space s --stack t)

a_tree() {
	local out
	out=$(kuked tree | sed 's/ *$//')
	expect_equal "$(awk 'NR > 2' <<<"$out" | sed 's/  [A-Z].*//; s/ *$//')" "realm alone
realm r
└─ space s
   └─ stack t
      ├─ cell busy
      │  └─ container main
      └─ cell web
         ├─ container main
         └─ container side"
	[[ $out =~ cell\ web\ +Ready\ +$(cell_ip web)\ +[0-9.]+\ [KM]iB ]] || fail "$out"
	[[ $out =~ container\ side\ +Ready ]] || fail "$out"
	expect_equal "$(kukel tree | awk '{ print $1, $2, $3 }')" "$(kuked tree | awk '{ print $1, $2, $3 }')"
	expect_equal "$(kuked tree --realm alone | awk 'NR > 2 { print $1, $2, $3 }')" "realm alone Ready"
	kuked kill web "${scope[@]}" >/dev/null
	[[ $(kuked tree) =~ cell\ web\ +Stopped\ +-\  ]] || fail "$(kuked tree)"
	kuked start web "${scope[@]}" >/dev/null
}

the_top() {
	local share
	run kuked top --interval 500ms
	expect_status 0
	expect_equal "$(awk 'NR == 1 { print $1, $6, $7, $8, $9 } NR > 2 { print $1, $2, $3, $4, $5 }' <<<"$out")" \
		"NAME CPU MEMORY LIMIT PIDS
busy r s t Ready
web r s t Ready"
	share=$(awk '$1 == "busy" { print int($6) }' <<<"$out")
	[ "$share" -ge 20 ] && [ "$share" -le 110 ] || fail "a loop uses $share %"
	expect_out '32.0 MiB'
	run kuked top web --interval 100ms
	expect_equal "$(awk 'NR > 2 { print $1, $NF }' <<<"$out")" "web 2"
	run kukel top --once --realm alone --interval 100ms
	expect_equal "$out" 'No cells found.'
	run kuked top --interval 5
	expect_refusal 'invalid --interval "5"'
}

# On a terminal it goes on, in the same place.
live() {
	(exec timeout 3 script -qec "kuke --host unix://$D/k.sock top --interval 100ms" /dev/null >"$D/live" 2>&1 </dev/null)
	[ "$(grep -c NAME "$D/live")" -ge 3 ] || fail "$(<"$D/live")"
}

# Only people see them, and only those who want to.
colors() {
	local kuke="kuke --host unix://$D/k.sock get cells"
	expect_equal "$(script -qec "$kuke" /dev/null </dev/null | grep -c $'\033\[32mReady\033\[0m')" 2
	expect_equal "$(NO_COLOR=1 script -qec "$kuke" /dev/null </dev/null | grep -c $'\033')" 0
	expect_equal "$(TERM=dumb script -qec "$kuke" /dev/null </dev/null | grep -c $'\033')" 0
	expect_equal "$(kuked get cells | grep -c $'\033')" 0
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kuked create realm alone >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
{
	cell_yaml web
	printf '    - {id: side, image: busybox, command: /bin/sleep, args: ["1000"]}\n---\n'
	cell_yaml busy /bin/sh -c 'while :; do :; done'
	printf '      resources: {memoryLimitBytes: 33554432}\n'
} | kuked apply -f - >/dev/null
it "draws a tree" a_tree
it "tells what cells use" the_top
it "goes on on a terminal" live
it "has colours for people" colors
kuked delete realm r --cascade >/dev/null
kuked delete realm alone >/dev/null
