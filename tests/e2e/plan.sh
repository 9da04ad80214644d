# tests/e2e/plan.sh - what an apply would do: kuke apply --dry-run and kuke diff.
# limit: 180
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

scope=(--realm r --space s --stack t)
harmless=$KUKE_BIN/tests/e2e/harmless

program_make() {
	[ -x "$harmless" ] || make -s "V=${KUKE_BIN##*/}" "build/${KUKE_BIN##*/}/tests/e2e/harmless"
}

# What is there: files with their contents, containers, cgroups, links.
everything() {
	find "$RP" -type f ! -name log ! -path "*/netns/*" -exec md5sum {} + | sort
	find "$RP" -printf '%p %y %T@\n' | sort
	ctr_test namespaces ls -q
	ctr_test -n "r.$id.test" containers ls -q
	ctr_test -n "r.$id.test" tasks ls | sort
	find "/sys/fs/cgroup/unified/kuke-$id" "/sys/fs/cgroup/kuke-$id" -type d 2>/dev/null
	ip -o link
}

# entries FILE: of an apply's JSON, without what only a plan has.
entries() {
	python3 -c '
import json, sys
for entry in json.load(open(sys.argv[1]))["resources"]:
    print(json.dumps({key: entry[key] for key in entry if key not in ("effects", "values", "details")}))' "$1"
}

# comes_true FILE STATUS: the plan has this exit status and changes nothing, and the apply does what it says.
comes_true() {
	local before after way status
	before=$(everything)
	for way in kuked kukel; do
		run $way apply --dry-run -f "$1" -o json
		expect_status "$2"
		printf '%s\n' "$out" >"$D/$way.plan"
	done
	after=$(everything)
	[ "$before" = "$after" ] || fail "the plan changed: $(diff <(echo "$before") <(echo "$after"))"
	expect_equal "$(<"$D/kuked.plan")" "$(<"$D/kukel.plan")"
	run "$harmless" kuke --run-path "$RP" --containerd-socket "$D/containerd.sock" apply --dry-run -f "$1" -o json
	expect_status "$2"
	expect_equal "$out" "$(<"$D/kuked.plan")"
	kuked apply -f "$1" -o json >"$D/done" 2>/dev/null
	status=$?
	expect_equal "$(entries "$D/done")" "$(entries "$D/kuked.plan")"
	expect_equal "$status" $(($2 == 1))
	[[ $2 = 1 ]] || comes_to_nothing "$1"
}

# Applied, there is nothing left to do, unless one document of the file takes back what another says.
comes_to_nothing() {
	[[ $1 = *twice* ]] && return
	run kuked diff -f "$1"
	expect_equal "$out" ""
	expect_status 0
}

new_tree() {
	cat >"$D/tree.yaml" <<-END
		apiVersion: v1beta1
		kind: Stack
		metadata: {name: t2, labels: {a: b}}
		spec: {realmId: r, spaceId: s2}
		---
		apiVersion: v1beta1
		kind: Space
		metadata: {name: s2}
		spec: {realmId: r}
		---
	END
	cell_yaml web >>"$D/tree.yaml"
	comes_true "$D/tree.yaml" 2
}

changed() {
	sed -i 's/labels: {a: b}/labels: {a: c}/; s/^    spec: {realmId: r}$/&/' "$D/tree.yaml"
	sed -i '/name: s2}/,/realmId/s/spec: {realmId: r}/spec: {realmId: r, network: {egress: {default: deny}}}/' "$D/tree.yaml"
	comes_true "$D/tree.yaml" 2
}

containers_changed() {
	{
		cell_yaml web
		printf '    - {id: side, image: busybox, command: /bin/sleep, args: ["1000"]}\n'
	} >"$D/web.yaml"
	comes_true "$D/web.yaml" 2
	run kuked apply --dry-run -f <(sed 's/    - {id: side, image: busybox.*/      env: [A=B]\n      restartPolicy: never/' "$D/web.yaml")
	expect_out 'container "main" updated: env, restartPolicy (recreates the container)'
	expect_out 'container "side" removed (deletes the container)'
	expect_status 2
	sed -i 's/    - {id: side/    - {id: other/' "$D/web.yaml"
	comes_true "$D/web.yaml" 2
}

stopped() {
	kuked kill web "${scope[@]}" >/dev/null
	run kuked diff -f "$D/web.yaml"
	expect_out 'runtime stopped: containers re-materialized (starts the containers)'
	expect_status 2
	comes_true "$D/web.yaml" 2
	kuked kill web "${scope[@]}" >/dev/null
	sed 's/^metadata:.*/metadata: {name: web, labels: {x: y}}/' "$D/web.yaml" >"$D/labelled.yaml"
	run kuked diff -f "$D/labelled.yaml"
	expect_equal "$out" 'Cell "web": updated
  - metadata.labels (in place)
  - runtime: started
      metadata.labels: none -> {"x":"y"}'
	comes_true "$D/labelled.yaml" 2
}

refused() {
	sed '/containers:/i\  nestedCgroupRuntime: true' "$D/web.yaml" >"$D/breaking.yaml"
	comes_true "$D/breaking.yaml" 1
	expect_equal "$(kuked diff -f "$D/breaking.yaml" 2>&1 | head -n 2)" 'Cell "web": failed
  Error: cell "web" has breaking changes: [spec.nestedCgroupRuntime]. Delete the cell and recreate it with the new spec'
	run kuked diff -f /dev/null
	expect_refusal 'failed to parse YAML: no documents found in input'
	run kuked diff
	expect_refusal 'file flag is required'
	run kuked diff -f "$D/no such file"
	expect_refusal 'failed to open file'
}

container_document() {
	printf '{kind: Container, metadata: {name: %s}, spec: {id: %s, realmId: r, spaceId: s, stackId: t, cellId: %s, image: busybox, ' \
		"$2" "$2" "$1"
	printf 'command: /bin/sleep, args: ["%s"]}}\n' "$3"
}

several_of_one() {
	{
		cell_yaml twin
		echo ---
		cell_yaml twin /bin/sleep 2000
		echo ---
		container_document twin side 1000
		echo ---
		container_document twin side 2000
	} >"$D/twice.yaml"
	comes_true "$D/twice.yaml" 2
	comes_true "$D/twice.yaml" 2
	container_document nobody side 1000 >"$D/orphan.yaml"
	comes_true "$D/orphan.yaml" 1
}

values() {
	run kuked diff -f <(sed 's/image: busybox/image: other/; s/1000/2000/' "$D/web.yaml")
	expect_out 'spec.containers[main].image: "busybox" -> "other"'
	expect_out 'spec.containers[main].args: ["1000"] -> ["2000"]'
	printf '{kind: Realm, metadata: {name: r}, spec: {registryCredentials: [{username: u, password: hidden}]}}\n' >"$D/realm.yaml"
	run kuked diff -f "$D/realm.yaml"
	expect_out 'spec.registryCredentials: another one, it is secret'
	[[ $out$err != *hidden* ]] || fail "a secret was shown: $out"
}

# One that dies under it is replaced: the plan is the same.
killed() {
	local point dir want
	want=$(kuked diff -f "$D/tree.yaml")
	cell_yaml new >"$D/new.yaml"
	for point in reconciler.before_answer containerd.container_list.begin containerd.container_list.end; do
		dir=$(mktemp -d "$D/fault.XXXX")
		arm "dir=$dir;$point=1*kill"
		run kuked diff -f "$D/labelled.yaml" -f "$D/labelled.yaml"
		expect_equal "$err$out" ""
		expect_status 0
		[ -e "$dir/$point.1" ] || fail "$point was not passed"
		arm ''
	done
	expect_equal "$(kuked diff -f "$D/tree.yaml")" "$want"
}

program_make || exit 1
containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
it "a new tree comes up as planned" new_tree
it "changes of a tree come about as planned" changed
it "containers are made, made anew and deleted as planned" containers_changed
it "a cell that is down comes up as planned" stopped
it "what is refused is refused by the plan" refused
it "several documents of one object are planned one after the other" several_of_one
it "shows values before and after, and no secrets" values
it "says the same when a worker is killed" killed
kuked delete realm r --cascade >/dev/null
