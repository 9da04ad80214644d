# tests/e2e/init.sh - kuke init makes a host of a machine, kuke daemon rules over kukeond, kuke uninstall takes all away again.
# limit: 300
# shellcheck source=tests/support/lib.bash source=tests/support/setup.bash
. tests/support/lib.bash
. tests/support/setup.bash

cell_file() {
	cat <<-END
		apiVersion: v1beta1
		kind: Cell
		metadata: {name: $1}
		spec:
		  realmId: default
		  spaceId: default
		  stackId: default
		  containers:
		    - id: main
		      image: busybox
		      command: /bin/httpd
		      args: ['-f', '-h', '/www']
		      restartPolicy: always
	END
}

page() {
	busybox wget -qO- "http://$(kd get cell "$1" -o jsonpath='{.status.network.ip}')/"
}

# task_of CELL: the process of its container, in the default realm.
task_of() {
	ctr_test -n "default.$id.test" tasks ls | awk -v id="default_default_$1_main" '$1 == id && $3 == "RUNNING" { print $2 }'
}

reports() {
	run ki init
	expect_status 0
	expect_equal "$(head -n 1 <<<"$out")" "Initialized Kukeon runtime"
	expect_out "Realm: default (namespace: default.$id.test)"
	expect_out "System realm: kuke-system (namespace: kuke-system.$id.test)"
	expect_out "Run path: $RP"
	expect_out "Kukeond image: kukeon.internal/kukeond:"
	expect_out '    - network "kuke-system-kukeon": created'
	expect_out '    - cell "kukeond": created (image kukeon.internal/kukeond:'
	expect_out "    - cell containers: started"
	expect_equal "$(tail -n 1 <<<"$out")" "kukeond is ready (unix://$socket)"
}

is_set_up() {
	expect_equal "$(kd get realms -o name | tr '\n' ' ')" "default kuke-system "
	expect_equal "$(kd get cell kukeond --realm kuke-system --space kukeon --stack kukeon -o jsonpath='{.status.state}')" Ready
	expect_equal "$(stat -c '%a %U:%G' "$socket")" "660 root:kukeon"
	expect_equal "$(stat -c '%a %U:%G' "$RP")" "2750 root:kukeon"
	expect_equal "$(stat -c '%a %U:%G' "$RP/data/default/metadata.json")" "640 root:kukeon"
}

# What its workers keep is what they keep on a host, and the container has not much more to lose.
is_confined() {
	local pid caps
	pid=$(kukeond_pid)
	caps=$(ctr_test -n "kuke-system.$id.test" containers info kukeon_kukeon_kukeond_kukeond |
		json "' '.join(sorted(d['Spec']['process']['capabilities']['bounding']))")
	[[ $caps != *CAP_SYS_MODULE* && $caps != *CAP_SYS_RAWIO* && $caps != *CAP_MKNOD* ]] || fail "it may do too much: $caps"
	expect_equal "$(sed -n 's/^CapEff:\t//p' "/proc/$pid/status")" 0000000000000000
	[ "$(readlink "/proc/$pid/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ] || fail "it has no root of its own"
	expect_equal "$(readlink "/proc/$pid/ns/net")" "$(readlink /proc/self/ns/net)"
	[ ! -e "/proc/$pid/root/bin/sh" ] || fail "its image has a shell"
}

repeats() {
	local before
	before=$(kukeond_pid)
	run ki init
	expect_status 0
	expect_equal "$(head -n 1 <<<"$out")" "Kukeon runtime already initialized"
	expect_out '    - cell "kukeond": already existed'
	expect_out "    - cell containers: already running"
	[[ $out != *": created"* ]] || fail "something was made anew: $out"
	expect_equal "$(kukeond_pid)" "$before"
}

# as_user GROUP COMMAND…: as somebody who is in no other group.
as_user() {
	local group=$1
	shift
	HOME=$D setpriv --reuid 65534 --regid "$group" --clear-groups -- "$@"
}

is_for_group() {
	chmod 755 "$D"
	run as_user kukeon "$KUKE_BIN/kuke" --host "unix://$socket" --configuration "$D/none.yaml" get realms
	expect_status 0
	expect_out "kuke-system"
	run as_user nogroup "$KUKE_BIN/kuke" --host "unix://$socket" --configuration "$D/none.yaml" get realms
	expect_refusal "permission denied"
	expect_err "sudo usermod -aG kukeon"
}

needs_root() {
	run as_user nogroup "$KUKE_BIN/kuke" --configuration "$D/none.yaml" init
	expect_refusal "sudo kuke init"
	run as_user nogroup "$KUKE_BIN/kuke" --configuration "$D/none.yaml" daemon start
	expect_refusal "sudo kuke daemon start"
}

refuses_bad_hosts() {
	touch "$D/file"
	run ki --containerd-socket "$D/nope.sock" init
	expect_refusal "failed to connect to containerd: $D/nope.sock"
	run ki --containerd-socket "$D/file" init
	expect_refusal "$D/file is not a socket file"
	run ki init --cgroup-root /kuke-other
	expect_refusal "kukeon instance mismatch"
	run ki init --kukeond-image example.com/nobody:1
	expect_refusal 'image "example.com/nobody:1" is not in realm "kuke-system"'
	run ki init --on-host --kukeond-image example.com/nobody:1
	expect_refusal "not both"
	answers >/dev/null || fail "kukeond is gone"
}

runs_cells() {
	ki image load "$D/busybox.tar" >/dev/null || fail "no image"
	cell_file web >"$D/web.yaml"
	run kd apply -f "$D/web.yaml"
	expect_status 0
	expect_equal "$(page web)" "<h1>hello from kukeon</h1>"
	run kd exec web -- /bin/sh -c 'exit 7'
	expect_status 7
	run kd doctor
	expect_out "No leaks found."
}

# What a manifest names is the host's, whatever root kukeond has.
sees_the_host() {
	mkdir -p "$D/shared/dir"
	echo seen >"$D/shared/dir/file"
	ln -s /"${D#/}/shared/dir/file" "$D/shared/link"
	printf secret >"$D/shared/secret"
	cell_file host | sed "s|restartPolicy: always|volumes: [{source: $D/shared, target: /shared, readOnly: true}]\n      secrets: [{name: word, fromFile: $D/shared/secret, mountPath: /word}, {name: WORD, fromFile: $D/shared/secret}]\n      user: web|; s|'/www'|'/www', '-p', '8080'|" >"$D/host.yaml"
	run kd apply -f "$D/host.yaml"
	expect_status 0
	# shellcheck disable=SC2016
	run kd exec host -- /bin/sh -c 'cat /shared/dir/file /word; echo " $WORD $(id -u)"'
	expect_out "seen"
	expect_out "secret secret 1000"
	sed "s|$D/shared,|$D/missing,|" "$D/host.yaml" >"$D/missing.yaml"
	run kd apply -f "$D/missing.yaml"
	expect_status 1
	expect_out "bind mount of '$D/missing'"
	run kd delete cell host
	expect_status 0
}

survives_workers() {
	local pid role
	pid=$(kukeond_pid)
	for role in reconciler containerd network cgroup; do
		pkill -9 -P "$pid" -f "kukeond: $role"
		cell_file "w-$role" >"$D/w.yaml"
		run kd apply -f "$D/w.yaml"
		expect_status 0
		run kd delete cell "w-$role"
		expect_status 0
	done
	expect_equal "$(kukeond_pid)" "$pid"
}

# A request that is under way is answered by the next kukeond, which nobody but containerd starts.
comes_back() {
	local before pid
	before=$(task_of web)
	cell_file slow >"$D/slow.yaml"
	kd get realms >/dev/null || fail "no kukeond"
	socat -t5 - "UNIX-CONNECT:$socket" \
		<<<'{"method":"KukeonV1.ArmFaults","params":[{"Specification":"containerd.container_create.begin=delay(1500)"}],"id":0}' >/dev/null
	kd apply -f "$D/slow.yaml" >"$D/slow.out" 2>&1 &
	pid=$!
	wait_until 5 test -d "$RP/data/default/default/default/slow" || fail "the request did not get there"
	container_kill
	wait "$pid" || fail "the request was lost: $(<"$D/slow.out")"
	expect_equal "$(<"$D/slow.out")" 'Cell "slow": created'
	expect_equal "$(task_of web)" "$before"
	run kd delete cell slow
	expect_status 0
}

rules() {
	local where='(cell "kukeond" in realm "kuke-system")' before
	before=$(task_of web)
	run ki daemon stop
	expect_equal "$out" "kukeond stopped $where"
	is_gone || fail "it still runs"
	run ki daemon stop
	expect_equal "$out" "kukeond is already stopped $where"
	run ki daemon logs
	expect_status 0
	expect_out "kukeond stopped"
	expect_err "kukeond is not running $where"
	run ki daemon start
	expect_equal "$out" "kukeond started $where"
	run ki daemon start
	expect_equal "$out" "kukeond is already running $where"
	run ki daemon restart --timeout 3s
	expect_equal "$out" "kukeond stopped $where"$'\n'"kukeond started $where"
	run ki daemon kill
	expect_equal "$out" "kukeond force-killed $where"
	run ki daemon kill
	expect_equal "$out" "kukeond is already stopped $where"
	run ki daemon restart
	expect_equal "$out" "kukeond was already stopped $where"$'\n'"kukeond started $where"
	run ki daemon stop --timeout abc
	expect_refusal 'invalid argument "abc" for "--timeout" flag'
	run ki daemon stop extra
	expect_refusal 'unknown command "extra" for "kuke daemon stop"'
	run ki daemon stop --run-path ""
	expect_refusal "the run path is empty"
	expect_equal "$(task_of web)" "$before"
}

# containerd looks after it: who stops it must be heard there as well.
stays_stopped() {
	local end
	run ki daemon stop
	expect_status 0
	end=$((SECONDS + 5))
	while [ $SECONDS -lt $end ]; do
		is_gone || fail "containerd has started it again"
		pause 0.2
	done
	run ki daemon start
	expect_status 0
}

# A stop that does not get through is made good by a kill, in the time that was given.
stops_the_stuck() {
	kill -STOP "$(kukeond_pid)"
	run ki daemon stop --timeout 1s
	expect_status 0
	expect_out "kukeond force-killed after 1s grace period expired"
	is_gone || fail "it still runs"
	run ki daemon start
	expect_status 0
	kill -STOP "$(kukeond_pid)"
	run ki daemon start
	expect_status 0
	expect_out "socket $socket is unreachable; restarting cell"
	answers >/dev/null || fail "it does not answer"
}

stays_in_front() {
	ki daemon stop >/dev/null
	ki daemon start --foreground &
	local pid=$! status
	wait_until 10 answers || fail "it does not answer"
	ki daemon stop >/dev/null || fail "it can't be stopped"
	wait $pid
	status=$?
	expect_equal $status 3
	ki daemon start --foreground 2>"$D/front.err" &
	pid=$!
	wait_until 10 answers || fail "it does not answer"
	container_kill
	wait $pid
	status=$?
	expect_equal $status 1
	expect_equal "$(<"$D/front.err")" 'Error: kukeond has ended (cell "kukeond" in realm "kuke-system")'
	wait_until 15 answers || fail "it does not come back"
}

another_binary() {
	mkdir -p "$D/new"
	cp "$KUKE_BIN/kukeond" "$D/new/kukeond"
	printf 'another' >>"$D/new/kukeond"
	ln -f "$D/new/kukeond" "$D/new/kuke"
}

reloads() {
	local pid root
	another_binary
	pid=$(kukeond_pid)
	root=/proc/$pid/root
	cell_file during >"$D/during.yaml"
	kd apply -f "$D/during.yaml" >"$D/during.out" 2>&1 &
	run "$D/new/kuke" --run-path "$RP" daemon reload
	expect_status 0
	expect_equal "$out" "kukeond reloaded (version 0.1.0, pid $pid)"
	cmp "$D/new/kukeond" "$root/bin/kukeond" || fail "it is not the new binary"
	wait || fail "the request was lost: $(<"$D/during.out")"
	expect_equal "$(<"$D/during.out")" 'Cell "during": created'
	kd delete cell during >/dev/null
	run "$D/new/kuke" --run-path "$RP" init
	expect_status 0
	expect_out '    - cell "kukeond": already existed'
	expect_equal "$(kukeond_pid)" "$pid"
	# So does the one that it gets after a crash.
	container_kill
	wait_until 15 answers || fail "it does not come back"
	cmp "$D/new/kukeond" "/proc/$(kukeond_pid)/root/bin/kukeond" || fail "it fell back to the old binary"
}

# One that can't take over leaves all as it was, also for the next start, and where a reload before was killed in between.
refuses_a_bad_binary() {
	local pid bin
	pid=$(kukeond_pid)
	bin=/proc/$pid/root/bin
	mkdir -p "$D/bad"
	cp "$KUKE_BIN/kuke" "$D/bad/kuke"
	printf 'bad' >>"$D/bad/kuke"
	ln "$bin/kukeond" "$bin/kukeond.old"
	cp "$D/bad/kuke" "$bin/new"
	mv "$bin/new" "$bin/kukeond"
	cp "$RP/.kukeon-instance.json" "$D/instance"
	echo broken >"$RP/.kukeon-instance.json"
	run "$D/bad/kuke" --run-path "$RP" daemon reload
	cp "$D/instance" "$RP/.kukeon-instance.json"
	expect_refusal "can't take over, nothing was changed"
	answers >/dev/null || fail "kukeond is gone"
	expect_equal "$(kukeond_pid)" "$pid"
	cmp "$D/new/kukeond" "/proc/$pid/root/bin/kukeond" || fail "the binary was replaced"
	[ ! -e "$bin/kukeond.old" ] || fail "there is a copy left"
}

# Where a reload is of no use, as from a release that is too old for it, a restart brings the new binary too.
restarts_with_another_binary() {
	local before
	before=$(task_of web)
	run "$D/new/kuke" --run-path "$RP" daemon restart
	expect_status 0
	expect_out 'kukeond started (cell "kukeond" in realm "kuke-system", from this binary)'
	cmp "$D/new/kukeond" "/proc/$(kukeond_pid)/root/bin/kukeond" || fail "it is the old binary"
	run "$D/new/kuke" --run-path "$RP" daemon restart
	expect_out 'kukeond started (cell "kukeond" in realm "kuke-system")'
	run ki daemon restart
	expect_out 'from this binary)'
	expect_equal "$(task_of web)" "$before"
}

recreates() {
	run ki daemon recreate
	expect_status 0
	expect_out "kukeond cell deleted"
	expect_out "kukeond recreated (cell \"kukeond\" in realm \"kuke-system\", image kukeon.internal/kukeond:"
	expect_out "kukeond is ready (unix://$socket)"
	run "$D/new/kuke" --run-path "$RP" init
	expect_status 0
	expect_out '    - cell "kukeond": recreated (image digest drift on kukeon.internal/kukeond:'
	run ki init
	expect_status 0
}

# That of somebody's own is kept, though it is named nowhere but in the cell.
restarts_with_its_own_image() {
	ctr_test -n "kuke-system.$id.test" images tag kukeon.internal/kukeond:local example.com/kukeond:mine >/dev/null
	run ki daemon recreate --kukeond-image example.com/kukeond:mine
	expect_status 0
	run "$D/new/kuke" --run-path "$RP" daemon restart
	expect_equal "$out" $'kukeond stopped (cell "kukeond" in realm "kuke-system")\nkukeond started (cell "kukeond" in realm "kuke-system")'
	expect_equal "$(kd get cell kukeond --realm kuke-system --space kukeon --stack kukeon -o jsonpath='{.spec.containers[0].image}')" \
		example.com/kukeond:mine
	run ki daemon recreate
	expect_status 0
}

# What is done here is not done here where another machine is meant.
stays_at_home() {
	local words
	for words in "daemon stop" "daemon reset" "uninstall -y" init "image prune --realm default"; do
		# shellcheck disable=SC2086
		run ki --host ssh://nowhere.invalid $words
		expect_refusal "this is done on this machine alone, and --host names ssh://nowhere.invalid: do it there, or leave that out"
		# shellcheck disable=SC2086
		KUKEON_HOST=ssh://nowhere.invalid run ki $words
		expect_refusal "this is done on this machine alone, and KUKEON_HOST names ssh://nowhere.invalid"
	done
	# What can be done either way is done as --run-path says.
	KUKEON_HOST=ssh://nowhere.invalid run ki get realms
	expect_status 0
	answers >/dev/null || fail "kukeond is gone"
}

# kuke of another instance on the same host.
kuke_two() {
	KUKEON_NAMESPACE_SUFFIX=two.$id.test KUKEON_CGROUP_ROOT=/kuke-$id/two kuke --run-path "$D/rp2" "$@"
}

# The image is that of the binary, wherever and whenever it is made.
is_reproducible() {
	run kuke_two init --no-wait
	expect_status 0
	[[ $out != *"kukeond is ready"* ]] || fail "it has waited"
	expect_equal "$(kuke_two get image --realm kuke-system -o json | json "d[0]['digest']")" \
		"$(ki get image --realm kuke-system -o json | json "d[0]['digest']")"
	run kuke_two uninstall -y
	expect_status 0
	answers >/dev/null || fail "the other one is gone"
	# Of several instances, the first to go takes the group along.
	ki init >/dev/null || fail "the group did not come back"
}

# A path that is not there yet, one that a file names, one that is a file system of its own.
lives_in_odd_places() {
	local file=$D/etc/two.yaml
	cd "$D" || fail "no $D"
	export KUKEON_NAMESPACE_SUFFIX=two.$id.test KUKEON_CGROUP_ROOT=/kuke-$id/two
	run kuke --run-path rp2 init --on-host
	expect_status 0
	expect_out "kukeond is ready (unix://$D/rp2/kukeond.sock)"
	run kuke --run-path rp2 uninstall -y
	expect_status 0
	[ ! -e /rp2 ] || fail "it has made /rp2"
	mkdir -p "$D/etc" "$D/rp2"
	mount -t tmpfs rp2 "$D/rp2" || fail "no file system could be made"
	printf 'apiVersion: v1beta1\nkind: ServerConfiguration\nmetadata: {name: two}\nspec: {runPath: %s}\n' "$D/rp2" >"$file"
	run kuke init --server-configuration "$file"
	expect_status 0
	expect_out "kukeond is ready (unix://$D/rp2/kukeond.sock)"
	run kuke uninstall -y --server-configuration "$file"
	expect_status 0
	expect_out "  - $D/rp2: emptied (it is a mount point)"
	expect_equal "$(ls -A "$D/rp2")" ""
	umount "$D/rp2" || fail "it is not mounted any more"
	answers >/dev/null || fail "the other one is gone"
}

resets() {
	mkdir -p "$RP/data/default/sentinel-dir"
	run ki daemon reset
	expect_status 0
	expect_out "kukeond cell deleted"
	run ki daemon reset
	expect_out "kukeond cell already torn down"
	run ki daemon start
	expect_refusal "kuke init"
	# Nothing that a service manager would try again.
	run ki daemon start --foreground
	expect_status 3
	expect_err "kukeond has no cell, run \`sudo kuke init\`"
	# Whoever was to make it anew has died over that.
	touch "$RP/.kukeond-remake"
	run ki daemon start
	expect_status 0
	answers >/dev/null || fail "it does not answer"
	[ ! -e "$RP/.kukeond-remake" ] || fail "it was not told that it is complete"
	run ki daemon reset --purge-system
	expect_status 0
	expect_out "removed $RP/data/kuke-system"
	[ ! -e "$RP/data/kuke-system" ] || fail "it is still there"
	[ -d "$RP/data/default/sentinel-dir" ] || fail "it took too much"
	rmdir "$RP/data/default/sentinel-dir"
	run ki daemon start
	expect_refusal "kukeon host is not initialized"
	# The file system that it is on may come yet.
	run ki daemon start --foreground
	expect_status 1
	expect_err "kukeon host is not initialized"
	[ -n "$(task_of web)" ] || fail "the cell is gone"
	run ki init
	expect_equal "$(head -n 1 <<<"$out")" "Initialized Kukeon runtime"
}

# The same on the host itself.
on_host() {
	local before
	before=$(task_of web)
	run ki init --on-host
	expect_status 0
	expect_out "Kukeond image: none (on the host)"
	expect_out "    - kukeond on the host: started"
	expect_out "kukeond is ready (unix://$socket)"
	expect_equal "$(readlink "/proc/$(kukeond_pid)/ns/mnt")" "$(readlink /proc/self/ns/mnt)"
	run kd get cells --realm kuke-system
	expect_out "No cells found"
	run ki init --on-host
	expect_out "    - kukeond on the host: already running"
	expect_equal "$(page web)" "<h1>hello from kukeon</h1>"
	run ki daemon restart
	expect_equal "$out" $'kukeond stopped (on the host)\nkukeond started (on the host)'
	run ki daemon kill
	expect_equal "$out" "kukeond force-killed (on the host)"
	run ki daemon stop
	expect_equal "$out" "kukeond is already stopped (on the host)"
	run ki daemon start
	expect_equal "$out" "kukeond started (on the host)"
	run ki daemon logs
	expect_out "kukeond listening socket=$socket"
	ki daemon stop >/dev/null
	ki daemon start --foreground 2>"$D/front.err" &
	wait_until 10 answers || fail "it does not answer: $(<"$D/front.err")"
	ki daemon stop >/dev/null || fail "it can't be stopped"
	wait $!
	expect_equal $? 3
	ki daemon start >/dev/null
	ki daemon reload >/dev/null || fail "no reload"
	expect_equal "$(task_of web)" "$before"
	run ki init
	expect_status 0
	expect_out '    - cell "kukeond": created'
}

asks_first() {
	run ki uninstall <<<no
	expect_status 1
	expect_out "Are you sure? (yes/no) Aborted."
	expect_equal "$err" "Error: uninstall aborted"
	run ki uninstall </dev/null
	expect_refusal "read confirmation: EOF"
	answers >/dev/null || fail "kukeond is gone"
}

# What is mounted there is somebody's: it is let go of, not emptied.
spares_mounts() {
	mkdir -p "$D/precious" "$RP/data/mounted"
	touch "$D/precious/thing"
	mount --bind "$D/precious" "$RP/data/mounted"
	run ki uninstall < <(printf 'what\nyes\n')
	expect_status 0
	expect_equal "$(grep -o 'Are you sure' <<<"$out" | wc -l)" 2
	expect_out "  - kukeond: stopped (pid "
	expect_out "  - realm \"default\" (namespace \"default.$id.test\"): purged"
	expect_out "  - realm \"kuke-system\" (namespace \"kuke-system.$id.test\"): purged"
	expect_out "  - $RP: removed"
	$is_group_taken || expect_out "  - group \"kukeon\": removed"
	[ -e "$D/precious/thing" ] || fail "it deleted through a mount"
}

spares_what_is_not_its_own() {
	mkdir -p "$D/strange/sub"
	echo dear >"$D/strange/sub/file"
	run ki --run-path "$D/strange" uninstall -y
	expect_status 1
	expect_err "$D/strange is no run path of kukeon's (it has no .kukeon-instance.json): nothing was removed"
	expect_equal "$(cat "$D/strange/sub/file")" dear
	expect_equal "$(cd "$D/strange" && find . -type f)" ./sub/file
}

# Of a kukeon that this host has: that one goes on needing it.
is_group_taken=false
! getent group kukeon >/dev/null || is_group_taken=true

leaves_nothing() {
	expect_equal "$(host_state)" ""
	[ ! -e "$RP" ] || fail "$RP is still there"
	$is_group_taken || ! getent passwd kukeon || fail "the user is still there"
	$is_group_taken || ! getent group kukeon || fail "the group is still there"
	run ki uninstall -y
	expect_status 0
	expect_out "  - kukeond: absent"
	expect_out "  - $RP: "
	$is_group_taken || expect_out "  - user \"kukeon\": absent"
	[ ! -e "$RP" ] || fail "uninstall has made $RP"
}

containerd_start
image_make "$D/busybox.tar"
it "makes a host and says how" reports
it "leaves realms, modes, a group and a socket" is_set_up
it "gives kukeond's container what it needs and no more" is_confined
it "changes nothing the second time" repeats
it "lets the group in and nobody else" is_for_group
it "needs root" needs_root
it "refuses a host that lacks something" refuses_bad_hosts
it "runs cells from within a cell" runs_cells
it "takes what manifests name from the host" sees_the_host
it "loses no request when workers die" survives_workers
it "comes back when its container is killed" comes_back
it "is started, stopped, killed, restarted" rules
it "stays stopped" stays_stopped
it "is killed when it does not end, started when it does not answer" stops_the_stuck
it "stays in front for a service manager" stays_in_front
it "is replaced by a new binary without losing a request" reloads
it "keeps its binary when another can't take over" refuses_a_bad_binary
it "is made anew" recreates
it "is started anew from another binary" restarts_with_another_binary
it "keeps an image of somebody's own" restarts_with_its_own_image
it "does nothing here that is meant for elsewhere" stays_at_home
it "is one image on all hosts" is_reproducible
it "may live in odd places" lives_in_odd_places
it "loses its cell by reset, and nothing else" resets
it "runs on the host itself" on_host
it "asks before it leaves" asks_first
it "leaves what is mounted to its owner" spares_mounts
it "spares what is not its own" spares_what_is_not_its_own
it "leaves nothing behind" leaves_nothing
