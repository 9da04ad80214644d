# tests/e2e/complete.sh - what a shell offers while a kuke command is typed: rows 152-156.
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

scope=(--realm r --space s --stack t)

# asked WORD…: what is offered, on one line.
asked() {
	KUKEON_HOST="unix://$D/k.sock" kuke __completeNoDesc "$@" 2>"$D/stderr" | tr '\n' ' '
}

scripts() {
	local shell
	for shell in bash zsh fish; do
		run kuke autocomplete $shell
		expect_status 0
		[ ${#out} -gt 50 ] || fail "$shell: $out"
		expect_out __complete
	done
	run kuke autocomplete zsh
	expect_out compdef
	run kuke autocomplete
	expect_status 0
	expect_out 'Usage:'
}

commands() {
	expect_equal "$(asked ge)" "get :4 "
	expect_equal "$(asked create "")" "realm space stack cell :4 "
	expect_equal "$(asked get c)" "cell container :4 "
	[[ $(asked "") == *"apply "*"delete "*"version "* && $(asked "") != *__complete* ]] || fail "$(asked "")"
	run kuke __complete del
	expect_equal "$out" $'delete\tDelete objects by name or manifest\n:4'
	expect_err 'Completion ended with directive: ShellCompDirectiveNoFileComp'
	expect_equal "$(asked start --sp)" "--space :4 "
	expect_equal "$(asked apply -f "")" ":0 "
	expect_equal "$(asked nonsense "")" ":4 "
	run kuke --help
	[[ $out != *__complete* ]] || fail "it is shown: $out"
	run kuke __complet
	expect_err 'unknown command "__complet"'
}

names() {
	expect_equal "$(asked get cell "${scope[@]}" "")" "c d1 d2 :4 "
	expect_equal "$(asked get cell "${scope[@]}" d)" "d1 d2 :4 "
	expect_equal "$(asked get cell c "${scope[@]}" "")" ":4 "
	expect_equal "$(asked stop "")" ":4 "
	expect_equal "$(asked purge space --realm r "")" "s :4 "
	expect_equal "$(asked get cells --realm "")" "r :4 "
	expect_equal "$(asked get cells --realm=)" "--realm=r :4 "
	expect_equal "$(asked start c --realm r --space "")" "s :4 "
	expect_equal "$(asked log c "${scope[@]}" --container "")" "main :4 "
	expect_equal "$(asked get container "${scope[@]}" --cell c "")" "main :4 "
	expect_equal "$(asked get container "${scope[@]}" "")" ":4 "
	expect_equal "$(asked get realm -o "")" "yaml json table wide name jsonpath= :4 "
	expect_equal "$(asked apply -o "")" "yaml json :4 "
	expect_equal "$(asked create realm "")" ":0 "
}

in_bash() {
	local line=$1
	bash -c 'source <(kuke autocomplete bash); COMP_LINE=$1 COMP_POINT=${#1}; __kuke_complete; echo "${COMPREPLY[*]}"' - "$line"
}

bash_asks() {
	export KUKEON_HOST="unix://$D/k.sock"
	expect_equal "$(in_bash 'kuke get re')" realm
	expect_equal "$(in_bash 'kuke stop --realm r --space s --stack t ')" "c d1 d2"
	expect_equal "$(in_bash 'kuke get cells --realm=')" r
}

nobody_answers() {
	local began=$SECONDS
	kill -STOP "$daemon_pid"
	expect_equal "$(asked get cell "${scope[@]}" "")" ":4 "
	kill -CONT "$daemon_pid"
	[ $((SECONDS - began)) -le 3 ] || fail "it took $((SECONDS - began)) s"
	daemon_stop
	expect_equal "$(asked get cell "${scope[@]}" "")" ":4 "
	expect_equal "$(KUKEON_NO_DAEMON=true KUKEON_RUN_PATH=$RP KUKEON_CONTAINERD_SOCKET=$D/containerd.sock asked get cell "${scope[@]}" d)" "d1 d2 :4 "
	KUKE_CONFIGURATION=$D/broken.yaml asked get cell "" | grep -qx ':4 ' || fail "a broken kuke.yaml is told"
}

echo ': : :' >"$D/broken.yaml"
containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
for name in c d1 d2; do
	cell_yaml $name >"$D/$name.yaml"
	kuked apply -f "$D/$name.yaml" >/dev/null
done
it "prints a script for each shell" scripts
it "offers commands and flags" commands
it "offers the names of what is there" names
it "is asked by bash" bash_asks
it "offers nothing when nobody answers, in time" nobody_answers
kukel delete realm r --cascade >/dev/null
