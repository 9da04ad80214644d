# tests/e2e/ssh.sh - kuke --host ssh://…: the system's ssh, and a server of the test's own, lead to kukeond.
# limit: 180
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

scope=(--realm r --space s --stack t)
user=$(id -un)
host=unix://$D/k.sock

# What a user has in ~/.ssh, and in ~/bin; on other machines kuke is missing, or old.
keys_make() {
	local key
	for key in host user other; do
		ssh-keygen -q -t ed25519 -N '' -f "$D/$key.key"
	done
	ssh-keygen -q -t ed25519 -N secret -f "$D/locked.key"
	cat "$D"/{user,locked}.key.pub >"$D/authorized_keys"
	ssh_configure user host
	mkdir -p "$D/bin" "$D/none" "$D/old"
	printf '#!/bin/sh\nexec /usr/bin/ssh -F %s "$@"\n' "$D/ssh_config" >"$D/bin/ssh"
	printf '#!/bin/sh\necho '\''Error: unknown command "__dial-stdio" for "kuke"'\'' >&2\nexit 1\n' >"$D/old/kuke"
	chmod +x "$D/bin/ssh" "$D/old/kuke"
	PATH=$D/bin:$PATH
}

# ssh_configure KEY KEY-OF-THE-HOST
ssh_configure() {
	printf '* %s\n' "$(<"$D/$2.key.pub")" >"$D/known_hosts"
	cat >"$D/ssh_config" <<-END
		IdentityFile $D/$1.key
		IdentitiesOnly yes
		UserKnownHostsFile $D/known_hosts
		GlobalKnownHostsFile none
		# What gets in the way of others.
		LogLevel DEBUG3
		RemoteCommand false
		RequestTTY force
		ForwardAgent yes
	END
}

# sshd_start DIRECTORY [LINE]: one whose sessions find kuke there, and take $host for theirs; sets $sshd_pid and $there.
sshd_start() {
	local port
	for _ in 1 2 3 4 5; do
		port=$((20000 + RANDOM % 12000))
		cat >"$D/sshd_config" <<-END
			ListenAddress 127.0.0.1
			Port $port
			HostKey $D/host.key
			PidFile none
			AuthorizedKeysFile $D/authorized_keys
			StrictModes no
			UsePAM no
			PasswordAuthentication no
			SetEnv PATH=$1:/usr/bin:/bin HOME=$HOME KUKEON_HOST=$host KUKEON_CONTAINERD_SOCKET=$D/containerd.sock ASAN_OPTIONS=log_path=$D/asan
			${2:-}
		END
		/usr/sbin/sshd -D -e -f "$D/sshd_config" >>"$D/sshd.log" 2>&1 &
		sshd_pid=$!
		wait_until 5 sshd_answers "$port" && break
	done
	there=ssh://$user@127.0.0.1:$port
}

sshd_answers() {
	[[ $(head -c 4 <"/dev/tcp/127.0.0.1/$1") == SSH- ]]
}

sshd_stop() {
	kill "$sshd_pid"
	wait "$sshd_pid"
}

# A case that failed may have left one more.
sshd_sweep() {
	pkill -f "^sshd: /usr/sbin/sshd -D -e -f $D/sshd_config"
	finish
}

over() {
	kuke --host "$there" "$@"
}

# ssh_pid [WORD]: of the client whose command line has the word.
ssh_pid() {
	pgrep -f "^/usr/bin/ssh -F $D/ssh_config .*${1:-}"
}

is_all_over() {
	! ssh_pid && ! pgrep -P "$sshd_pid"
}

# alike COMMAND…: it says the same, here and over ssh.
alike() {
	local want
	run kuked "$@"
	want="$status $out $err"
	run over "$@"
	expect_equal "$status $out $err" "$want"
}

same() {
	alike get realms -o yaml
	alike get cell web "${scope[@]}" -o json
	alike get cell nobody "${scope[@]}"
	alike get cells -A -o name
	alike wait web "${scope[@]}" --for=ready
	alike events -A
	alike version
	alike diff -f "$D/web.yaml"
	# More than any buffer on the way holds, there and back.
	printf -- '---\n{apiVersion: v1beta1, kind: Realm, metadata: {name: realm%04d}, spec: {namespace: ns}}\n' {1..2000} >"$D/big.yaml"
	alike apply --dry-run -f "$D/big.yaml"
	expect_equal "$status" 2
	cell_yaml remote >"$D/remote.yaml"
	run over apply -f "$D/remote.yaml"
	expect_equal "$out" 'Cell "remote": created'
	expect_equal "$(cell_state remote)" Ready
	alike apply -f "$D/remote.yaml"
	run over kill remote "${scope[@]}"
	expect_equal "$out" 'Killed cell "remote" from stack "t"'
	expect_equal "$(over delete -f - <"$D/remote.yaml" | head -n 1)" 'Cell "remote": deleted'
	expect_equal "$(over create realm other && over delete realm other)" "$(kuked create realm other && kuked delete realm other)"
	run over run -f "$D/remote.yaml" -d
	expect_status 0
	run over delete cell remote "${scope[@]}"
	expect_equal "$out" 'Deleted cell "remote" from stack "t"'
}

socket_of_the_url() {
	run kuke --host "$there$D/k.sock" get cells -A -o name
	expect_equal "$out" web
	run env KUKEON_HOST="$there/" kuke get cells -A -o name
	expect_equal "$out" web
	run kuke --host "$there/nobody/listens.sock" get realms
	expect_refusal "Error: dial kukeond at $there/nobody/listens.sock: /nobody/listens.sock: dial unix /nobody/listens.sock: connect: no such file or directory"
	run kuke --host "$there/nobody/listens.sock" log web
	expect_refusal 'Error: dial kukeond at /nobody/listens.sock: dial unix'
	# In-process there is no host.
	run kuke --host ssh://nobody.invalid --run-path "$RP" get cells -A -o name
	expect_equal "$out" web
}

status_there() {
	local want
	run kuke --host "unix://$D/k.sock" --run-path "$RP" --containerd-socket "$D/containerd.sock" status
	want="$status $(sed 's/rtt [^,]*//' <<<"$out")"
	run over --run-path "$RP" status
	expect_equal "$status $(sed 's/rtt [^,]*//' <<<"$out")" "$want"
}

logs() {
	alike log web "${scope[@]}"
	expect_out "a line"
	alike log web "${scope[@]}" --tail 1
	alike log nobody "${scope[@]}"
	(exec kuke --host "$there" log -f web "${scope[@]}" >"$D/followed" 2>&1) &
	local follower=$!
	wait_until 5 grep -q 'a line' "$D/followed" || fail "$(<"$D/followed")"
	kuked exec "${scope[@]}" web -- sh -c 'echo one more >/proc/1/fd/1'
	within 2000 grep -q 'one more' "$D/followed" || fail "$(<"$D/followed")"
	kill -TERM "$follower"
	wait "$follower"
	expect_equal "$?" 0
	wait_until 5 is_all_over || fail "it goes on there"
}

commands() {
	run over exec "${scope[@]}" web -- sh -c 'echo out; echo err >&2; exit 7'
	expect_equal "$status $out $err" "7 out err"
	# Each word arrives as it is.
	run over exec "${scope[@]}" -e 'A=it'\''s "$HOME" \\ *' web -- sh -c 'printf "%s|" "$A" "$@"' sh 'a  b' '' '--host' $'c\nd' '$(e)' '~'
	expect_equal "$out" 'it'\''s "$HOME" \\ *|a  b||--host|'$'c\nd|$(e)|~|'
	expect_equal "$(echo hi | over exec "${scope[@]}" -i web cat)" hi
	expect_equal "$(head -c 3000000 /dev/urandom | tee "$D/random" | over exec "${scope[@]}" -i web -- sh -c md5sum | cut -d' ' -f1)" \
		"$(md5sum <"$D/random" | cut -d' ' -f1)"
	expect_equal "$(over exec "${scope[@]}" web -- sh -c 'head -c 3000000 /dev/zero' | wc -c)" 3000000
	expect_equal "$(echo kept | { over exec "${scope[@]}" web -- sh -c 'cat; echo none'; cat; })" "none
kept"
	run over exec "${scope[@]}" web -- sh -c 'exit 255'
	expect_equal "$status$err" 255
	run over exec "${scope[@]}" web -- nothing-like-that
	expect_equal "$status" 127
	expect_err '"nothing-like-that" is not in the container'
	run over exec "${scope[@]}" web
	expect_refusal 'a command is required: kuke exec <cell>'
}

# in_terminal COMMAND…: with keys from standard input. A shell that stayed around would be interrupted too.
in_terminal() {
	SHELL=/bin/bash timeout 20 script -qefc "$*" /dev/null
}

terminal() {
	in_terminal "stty rows 33 cols 99; kuke --host $there exec ${scope[*]} -it web -- sh -c 'sleep 0.3; stty size; exit 5'" </dev/null >"$D/screen"
	expect_equal "$?" 5
	grep -q '33 99' "$D/screen" || fail "$(<"$D/screen")"
	# Ctrl-C reaches the program. A log is just left.
	interrupted 4 "exec ${scope[*]} -it web -- sh -c 'trap \"echo caught; exit 4\" INT; echo a line; while :; do sleep 0.1; done'"
	grep -q caught "$D/screen" || fail "$(<"$D/screen")"
	interrupted 0 "log -f web ${scope[*]}"
}

# interrupted STATUS COMMAND: its exit status when a user at a terminal has seen a line, and has enough of it.
interrupted() {
	local session
	rm -f "$D/keys" "$D/screen"
	mkfifo "$D/keys"
	(in_terminal "kuke --host $there $2" <"$D/keys" >"$D/screen" 2>&1) &
	session=$!
	exec 7>"$D/keys"
	wait_until 5 grep -qs 'a line' "$D/screen" || fail "$(<"$D/screen")"
	printf '\003' >&7
	wait "$session"
	expect_equal "$?" "$1"
	exec 7>&-
}

# Whoever sits at a terminal is asked, and nobody else.
passphrase() {
	ssh_configure locked host
	run setsid -w kuke --host "$there" get cells -A -o name
	expect_refusal 'Permission denied'
	expect_err 'see whether `ssh -oBatchMode=yes -p '
	(
		wait_until 5 grep -q passphrase "$D/screen"
		# Nobody else writes on that line, however long it takes.
		sleep 1.5
		echo secret
		sleep 1
	) | in_terminal "kuke --host $there apply -f $D/web.yaml" >"$D/screen"
	expect_equal "$(tail -n 1 "$D/screen" | tr -d '\r')" 'Cell "web": unchanged'
	! grep -q $'\033\\[K' "$D/screen" || fail "$(cat -v "$D/screen")"
}

# When the user goes, what was begun there goes too.
ended() {
	local signal session n
	for signal in TERM HUP; do
		n=$((100000 + RANDOM))
		(exec kuke --host "$there" exec "${scope[@]}" web -- sleep $n) &
		session=$!
		wait_until 5 pgrep -f "^sleep $n\$" || fail "it did not begin"
		kill -$signal "$session"
		wait "$session"
		expect_equal "$?" $((128 + $(kill -l $signal)))
		wait_until 5 eval "! pgrep -f '^sleep $n\$'" || fail "it goes on there"
	done
	wait_until 5 is_all_over || fail "$(ssh_pid) $(pgrep -P "$sshd_pid" -a)"
}

unreachable() {
	run kuke --host ssh://127.0.0.1:1 get realms
	expect_refusal 'Error: dial kukeond at ssh://127.0.0.1:1: ssh: connect to host 127.0.0.1 port 1: Connection refused — see whether `ssh '
	run kuke --host ssh://127.0.0.1:1 log web
	expect_refusal 'Error: dial kukeond at ssh://127.0.0.1:1: ssh: connect to host'
	run kuke --host ssh://nobody.invalid get realms
	expect_refusal 'Could not resolve hostname nobody.invalid'
	run kuke --host ssh://-oProxyCommand=x get realms
	expect_refusal 'that is no name of a host'
	run env PATH="$KUKE_BIN" kuke --host "$there" get realms
	expect_refusal "dial kukeond at $there: there is no ssh on this machine: install openssh-client"
	run env PATH="$KUKE_BIN" kuke --host "$there" log web
	expect_refusal "dial kukeond at $there: there is no ssh on this machine"
	run over --configuration "$D/nothing.yaml" get realms
	expect_status 0
}

refused() {
	ssh_configure other host
	run setsid -w kuke --host "$there" get realms
	expect_refusal "$user@127.0.0.1: Permission denied (publickey"
	run setsid -w kuke --host "$there" exec web true
	expect_refusal "$user@127.0.0.1: Permission denied (publickey"
	ssh_configure user other
	run setsid -w kuke --host "$there" get realms
	expect_refusal 'Host key verification failed'
}

# On that machine, or on what is no machine of ours at all.
no_kuke() {
	local sshd_pid there
	sshd_start "$D/none"
	run over get realms
	expect_refusal "Error: dial kukeond at $there: there is no kuke on 127.0.0.1: install it there"
	run over log web
	expect_status 1
	expect_err "Error: dial kukeond at $there: there is no kuke on 127.0.0.1: install it there"
	sshd_stop
	sshd_start "$D/old"
	run over get realms
	expect_refusal 'kuke on 127.0.0.1 is too old for ssh: install this version there'
	sshd_stop
	sshd_start "$D/none" 'ForceCommand echo "This account is not available."; exit 1'
	run over get realms
	expect_refusal "Error: dial kukeond at $there: This account is not available"
	sshd_stop
	sshd_start "$D/none" 'ForceCommand yes'
	run timeout 20 kuke --host "$there" get realms
	expect_refusal "Error: dial kukeond at $there: "
	sshd_stop
	# A login that is not silent is none the worse.
	sshd_start "$KUKE_BIN" 'ForceCommand echo Welcome; echo Beware >&2; eval "$SSH_ORIGINAL_COMMAND"'
	run over get cells -A -o name
	expect_equal "$status $out $err" "0 web "
	sshd_stop
	# From there it would go on and on.
	host=ssh://127.0.0.1:1
	sshd_start "$KUKE_BIN"
	run over get realms
	expect_refusal 'kuke on that machine has ssh://127.0.0.1:1 for its own host: name the socket there'
	run over log web
	expect_refusal 'kuke on that machine has ssh://127.0.0.1:1 for its own host'
	run kuke --host "$there$D/k.sock" get cells -A -o name
	expect_equal "$out" web
	sshd_stop
}

# amid COMMAND…: it is carried out while an apply waits for its answer, which comes all the same.
amid() {
	local dir client
	dir=$(mktemp -d "$D/fault.XXXX")
	arm "dir=$dir;reconciler.before_answer=1*delay(1000)"
	(exec kuke --host "$there" apply -f "$D/amid.yaml" >"$D/amid" 2>&1) &
	client=$!
	wait_until 10 [ -e "$dir/reconciler.before_answer.1" ] || fail "it was not begun: $(<"$D/amid")"
	"$@"
	wait "$client" || fail "it failed: $(<"$D/amid")"
	expect_equal "$(<"$D/amid")" 'Cell "amid": created'
	expect_equal "$(kuked delete cell amid "${scope[@]}")" 'Deleted cell "amid" from stack "t"'
}

ssh_killed() {
	local pid
	pid=$(ssh_pid dial-stdio) || fail "there is no ssh"
	kill -9 "$pid"
}

session_killed() {
	pkill -P "$sshd_pid" || fail "there is no session"
}

kukeond_killed() {
	kill -9 "$(<"$D/kukeond.pid")"
}

kukeond_reloaded() {
	run over daemon reload
	expect_out 'kukeond reloaded'
}

lost_and_found() {
	cell_yaml amid >"$D/amid.yaml"
	amid ssh_killed
	amid session_killed
	amid kukeond_killed
	amid kukeond_reloaded
	wait_until 5 is_all_over || fail "$(ssh_pid) $(pgrep -P "$sshd_pid" -a)"
}

# More than the server takes at once.
many() {
	local i clients=()
	for ((i = 0; i < 20; i++)); do
		(exec kuke --host "$there" get cells -A -o name >"$D/many.$i" 2>&1) &
		clients+=($!)
		(exec kuke --host "$there" exec "${scope[@]}" web -- echo done >"$D/done.$i" 2>&1) &
		clients+=($!)
	done
	wait "${clients[@]}"
	expect_equal "$(cat "$D"/{many,done}.* | sort | uniq -c | tr -s ' ')" " 20 done
 20 web"
	# Verbs for many cells go there several at once.
	for i in 1 2 3 4 5 6; do
		cell_yaml "m$i"
		echo ---
	done >"$D/many.yaml"
	over apply -f "$D/many.yaml" >/dev/null
	run over kill -A "${scope[@]}"
	expect_equal "$(grep -c '^Killed cell "m.*" from stack "t"$' <<<"$out")" 6
	expect_equal "$(over delete -f "$D/many.yaml" | grep -c '^Cell "m.*": deleted$')" 6
	kuked start web "${scope[@]}" >/dev/null
}

completed() {
	expect_equal "$(KUKEON_HOST=$there kuke __complete get cell "${scope[@]}" "" 2>/dev/null | head -n 1)" web
	[[ $(kuke __complete "" 2>/dev/null) != *dial* && $(kuke --help) != *dial* ]] || fail "it is shown"
}

nothing_runs() {
	wait_until 10 is_all_over || fail "$(ssh_pid) $(pgrep -P "$sshd_pid" -a)"
	expect_equal "$(find /tmp -maxdepth 1 -name 'kuke-exec-*' -newer "$D/busybox.tar")" ""
	! grep -h . "$D"/asan.* || fail "a fault was found by a sanitizer"
}

# Where the package has not made it yet.
[ -d /run/sshd ] || mkdir /run/sshd
keys_make
containerd_start
daemon_keep
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
cell_yaml web /bin/sh -c 'echo a line; echo another; trap exit TERM; while :; do sleep 0.1; done' >"$D/web.yaml"
kuked apply -f "$D/web.yaml" >/dev/null
sshd_start "$KUKE_BIN"
trap sshd_sweep EXIT
it "says what it says here" same
it "goes to the socket that the URL names, or to the one kuke there knows" socket_of_the_url
it "tells whether that machine is well" status_there
it "shows logs, and goes on with them" logs
it "runs commands with their words, input, output and exit status" commands
it "gives a command a terminal" terminal
it "lets ssh ask who sits at a terminal" passphrase
ssh_configure user host
it "ends there what ends here" ended
it "says what can't be reached" unreachable
it "says who is refused" refused
ssh_configure user host
it "says that no kuke is there, or none of use" no_kuke
it "gets its answer although the connection is lost amid an operation" lost_and_found
it "takes turns with 40 at once" many
it "completes names over it" completed
it "leaves no process behind" nothing_runs
kuked delete realm r --cascade >/dev/null
