# tests/e2e/fields.sh - what a manifest says of a container is how it runs, seen from inside and from the host.
# limit: 240
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

scope=(--realm r --space s --stack t)

# up NAME [FIELD…]: a cell whose container sleeps, with these lines of YAML.
up() {
	local name=$1 line
	shift
	cell_yaml "$name" >"$D/$name.yaml"
	for line; do
		printf '      %s\n' "$line" >>"$D/$name.yaml"
	done
	run kuked apply -f "$D/$name.yaml"
	expect_status 0
	run kuked apply -f "$D/$name.yaml"
	expect_out "Cell \"$name\": unchanged"
}

down() {
	kuked delete cell "$1" "${scope[@]}" >/dev/null || fail "cell $1 stays"
}

# inside CELL COMMAND…: in all its namespaces, as its user and with its capabilities.
inside() {
	local cell=$1
	shift
	ctr_test -n "r.$id.test" tasks exec --exec-id "x$RANDOM" "s_t_${cell}_main" "$@"
}

proc() {
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$(task_pid "$1")/status"
}

# The value of a limit in the cgroup of a cell's container, whichever version the host has.
limit() {
	local dir
	dir=$(find /sys/fs/cgroup -path "*/kuke-$id/r/s/t/$1/*/$2" | head -n 1)
	cat "$dir"
}

# nofile PID: how many files it may open.
nofile() {
	awk '/^Max open files/ { print $5 == "unlimited" ? 1048576 : $5 }' "/proc/$1/limits"
}

secure_by_default() {
	up plain
	expect_equal "$(proc plain Seccomp)" 2
	expect_equal "$(proc plain NoNewPrivs)" 1
	expect_equal "$(proc plain CapEff)" 00000000a80425fb
	! inside plain /bin/unshare -m /bin/true || fail "it makes namespaces"
	inside plain /bin/sh -c 'echo x 2>/dev/null >/proc/sys/kernel/hostname' && fail "it writes to /proc/sys"
	expect_equal "$(nofile "$(task_pid plain)")" "$(($(nofile "$containerd_pid") < 1048576 ? $(nofile "$containerd_pid") : 1048576))"
	down plain
}

open_where_asked() {
	up open 'securityOpts: ["seccomp=unconfined", "no-new-privileges=false"]' \
		'capabilities: {add: [NET_ADMIN], drop: [chown]}'
	expect_equal "$(proc open Seccomp)" 0
	expect_equal "$(proc open NoNewPrivs)" 0
	expect_equal "$(proc open CapEff)" 00000000a80435fa
	down open
}

who_and_where() {
	up who 'user: "1000:2000"' 'workingDir: /tmp' 'readOnlyRootFilesystem: true' \
		'env: ["A=b c", "PATH=/bin"]' 'tmpfs: [{path: /scratch, sizeBytes: 65536, options: [mode=777]}]'
	expect_equal "$(proc who Uid)" "$(printf '1000\t1000\t1000\t1000')"
	expect_equal "$(readlink "/proc/$(task_pid who)/cwd")" /tmp
	tr '\0' '\n' <"/proc/$(task_pid who)/environ" >"$D/environ"
	grep -qx 'A=b c' "$D/environ" || fail "no A: $(<"$D/environ")"
	grep -qx KUKEON_CELL_NAME=who "$D/environ" || fail "no KUKEON_CELL_NAME"
	! inside who /bin/sh -c 'echo >/x' 2>/dev/null || fail "the root is writable"
	inside who /bin/sh -c 'echo >/scratch/x' || fail "the tmpfs is not"
	grep -q ' /scratch .*size=64k' "/proc/$(task_pid who)/mounts" || fail "no size: $(grep scratch "/proc/$(task_pid who)/mounts")"
	down who
}

limits() {
	up small 'resources: {memoryLimitBytes: 33554432, pidsLimit: 17, cpuShares: 512}'
	if [ -d /sys/fs/cgroup/memory ]; then
		expect_equal "$(limit small memory.limit_in_bytes)" 33554432
		expect_equal "$(limit small cpu.shares)" 512
	else
		expect_equal "$(limit small memory.max)" 33554432
	fi
	expect_equal "$(limit small pids.max)" 17
	down small
}

mounts() {
	mkdir "$D/data" && echo hello >"$D/data/file"
	up mounted "volumes:" "  - {source: $D/data, target: /ro, readOnly: true}" "  - {source: $D/data, target: /rw}" \
		"  - {kind: tmpfs, target: /mem, sizeBytes: 131072, mode: 0700}" 'devices: [/dev/fuse]'
	expect_equal "$(inside mounted /bin/cat /ro/file)" hello
	! inside mounted /bin/sh -c 'echo >/ro/x' 2>/dev/null || fail "read-only is writable"
	inside mounted /bin/sh -c 'echo >/rw/x' || fail "the other one is not"
	[ -e "$D/data/x" ] || fail "it is not the host's directory"
	grep -q ' /mem tmpfs .*size=128k,mode=700' "/proc/$(task_pid mounted)/mounts" || fail "no tmpfs: $(grep /mem "/proc/$(task_pid mounted)/mounts")"
	[ -c "/proc/$(task_pid mounted)/root/dev/fuse" ] || fail "no device"
	down mounted
}

host_namespaces() {
	local pid
	up host 'hostNetwork: true' 'hostPID: true' 'hostCgroup: true'
	pid=$(task_pid host)
	for ns in net pid cgroup; do
		expect_equal "$(readlink "/proc/$pid/ns/$ns")" "$(readlink "/proc/self/ns/$ns")"
	done
	down host
}

privileged() {
	up mighty 'privileged: true'
	expect_equal "$(proc mighty Seccomp)" 0
	[ "$((0x$(proc mighty CapEff) & 0x200000))" != 0 ] || fail "no CAP_SYS_ADMIN"
	down mighty
}

secrets() {
	printf 'first\nsecond\n' >"$D/key" && chmod 600 "$D/key"
	up keeper 'user: "1000"' 'secrets:' "  - {name: KEY, fromFile: $D/key}" \
		'  - {name: FROM_ENV, fromEnv: TEST_SECRET}' \
		"  - {name: key, fromFile: $D/key, mountPath: /run/key}"
	tr '\0' '\n' <"/proc/$(task_pid keeper)/environ" >"$D/environ"
	grep -qx KEY=first "$D/environ" && grep -qx second "$D/environ" || fail "no KEY: $(<"$D/environ")"
	grep -qx 'FROM_ENV=of the daemon' "$D/environ" || fail "no FROM_ENV"
	expect_equal "$(inside keeper /bin/cat /run/key)" "$(<"$D/key")"
	expect_equal "$(stat -c %a "$RP/run/secrets")" 700
	! grep -rq first "$RP/data" || fail "it is in the store"
	# The next start reads it anew.
	echo third >"$D/key"
	kuked restart keeper "${scope[@]}" >/dev/null
	expect_equal "$(inside keeper /bin/cat /run/key)" third
	down keeper
	[ -z "$(find "$RP/run/secrets" -type f)" ] || fail "the file stays"
}

# refused NAME TEXT FIELD…
refused() {
	local name=$1 text=$2 line
	shift 2
	cell_yaml "$name" >"$D/$name.yaml"
	for line; do
		printf '      %s\n' "$line" >>"$D/$name.yaml"
	done
	run kuked apply -f "$D/$name.yaml"
	expect_status 1
	[[ $out$err == *"$text"* ]] || fail "no '$text': $out$err"
	! kuked get cell "$name" "${scope[@]}" >/dev/null 2>&1 || fail "there is a cell $name"
}

bad_secrets() {
	refused bad 'has no variable '\''NOT_THERE'\''' 'secrets: [{name: A, fromEnv: NOT_THERE}]'
	refused bad "open /not/there: no such file" 'secrets: [{name: A, fromFile: /not/there}]'
	refused bad 'exactly one of fromFile, fromEnv' 'secrets: [{name: A}]'
	refused bad "without '/'" 'secrets: [{name: ../../x, fromEnv: HOME, mountPath: /x}]'
	refused bad 'secretRef is not supported yet' 'secrets: [{name: A, secretRef: {name: a, realm: r}}]'
}

bad_fields() {
	refused bad 'resolve device "/dev/nothing"' 'devices: [/dev/nothing]'
	refused bad "bind mount of '/not/there'" 'volumes: [{source: /not/there, target: /x}]'
	refused bad 'unsupported securityOpt "apparmor=x"' 'securityOpts: [apparmor=x]'
	refused bad 'nobody-here' 'user: nobody-here'
}

space_yaml() {
	printf 'kind: Space\nmetadata: {name: s}\nspec:\n  realmId: r\n  defaults:\n    container: %s\n' "$1"
}

space_defaults() {
	space_yaml '{user: "1234", resources: {pidsLimit: 23}, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}' |
		kuked apply -f - >/dev/null || fail "not applied"
	up heir
	expect_equal "$(proc heir Uid | cut -f 1)" 1234
	expect_equal "$(proc heir CapEff)" 0000000000000000
	expect_equal "$(limit heir pids.max)" 23
	! cell_json heir | grep -q 1234 || fail "the default is in the document"
	# A start takes over what the space has by then.
	space_yaml '{user: "4321"}' | kuked apply -f - >/dev/null
	kuked restart heir "${scope[@]}" >/dev/null
	expect_equal "$(proc heir Uid | cut -f 1)" 4321
	run kuked apply -f "$D/heir.yaml"
	expect_out unchanged
	down heir
	space_yaml '{}' | kuked apply -f - >/dev/null
}

run_with_env() {
	cell_yaml once >"$D/once.yaml"
	run kuked run -f "$D/once.yaml" -d --env ONCE=yes
	expect_status 0
	tr '\0' '\n' <"/proc/$(task_pid once)/environ" | grep -qx ONCE=yes || fail "no variable"
	! cell_json once | grep -q ONCE || fail "it is in the document"
	kuked restart once "${scope[@]}" >/dev/null
	! tr '\0' '\n' <"/proc/$(task_pid once)/environ" | grep -qx ONCE=yes || fail "it is there for ever"
	down once
}

all_removed() {
	kuked delete realm r --cascade >/dev/null || fail "the realm stays"
}

export TEST_SECRET='of the daemon'
containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
it "confines a container that asks for nothing" secure_by_default
it "opens what is asked for" open_where_asked
it "user, directory, variables, read-only root, tmpfs" who_and_where
it "limits" limits
it "volumes and devices" mounts
it "namespaces of the host" host_namespaces
it "privileged" privileged
it "secrets from files and variables" secrets
it "refuses secrets that can't be read" bad_secrets
it "refuses what can't be, and makes nothing" bad_fields
it "defaults of the space" space_defaults
it "variables of one run" run_with_env
it "removes all that it made" all_removed
