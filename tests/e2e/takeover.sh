# tests/e2e/takeover.sh - a state directory that the Go release left is listed, started, stopped and deleted.
#
# The fixture is written by hand, as behaviour.md (1.1, 1.2, 2, 6), manifests.md (8.5) and api.md (12) describe it.
# shellcheck shell=bash source=tests/support/lib.bash
. tests/support/lib.bash

realm=lab-$id
namespace=$realm.$id.test
network=$realm-web
bridge=k-$(fnv "$network")
# Not the first of the pool, which a space without a record would get.
subnet=$pool.7
scope=(--realm "$realm" --space web --stack shop)
stack_dir=$RP/data/$realm/web/shop
never='"0001-01-01T00:00:00Z"'
once='"2026-05-04T09:30:00.12Z"'
subtree='["cpu", "io", "memory", "pids"]'

# document DIR: metadata.json of what is on standard input, with its lock beside it.
document() {
	mkdir -p "$1"
	chmod 02750 "$1"
	cat >"$1/metadata.json"
	chmod 0644 "$1/metadata.json"
	: >"$1/metadata.json.lock"
}

# status STATE PATH: what statuses of all kinds have in common.
status() {
	cat <<-END
		"state": $1,
		    "cgroupPath": "/kuke-$id/$2",
		    "subtreeControllers": $subtree,
		    "cgroupReady": true,
		    "createdAt": $once,
		    "updatedAt": $once,
		    "readyAt": $once
	END
}

realm_write() {
	document "$RP/data/$realm" <<-END
		{
		  "apiVersion": "v1beta1",
		  "kind": "Realm",
		  "metadata": {
		    "name": "$realm",
		    "labels": {"realm.kukeon.io": "$namespace"},
		    "generation": 1
		  },
		  "spec": {
		    "namespace": "$namespace"
		  },
		  "status": {
		    "containerdNamespaceReady": true,
		    $(status '"Ready"' "$realm")
		  }
		}
	END
	# A secret of the realm is no space.
	mkdir -m 0700 "$RP/data/$realm/secrets"
	(umask 077 && printf secret >"$RP/data/$realm/secrets/token")
}

space_write() {
	local dir=$RP/data/$realm/web
	document "$dir" <<-END
		{
		  "apiVersion": "v1beta1",
		  "kind": "Space",
		  "metadata": {
		    "name": "web",
		    "labels": {"realm.kukeon.io": "$realm", "space.kukeon.io": "web"},
		    "generation": 1
		  },
		  "spec": {
		    "realmId": "$realm",
		    "cniConfigPath": "$dir/network.conflist"
		  },
		  "status": {
		    $(status '"Ready"' "$realm/web")
		  }
		}
	END
	printf '{"version":"v1","subnetCIDR":"%s.0/24"}' "$subnet" >"$dir/network.json"
	cat >"$dir/network.conflist" <<-END
		{
		  "cniVersion": "0.4.0",
		  "name": "$network",
		  "plugins": [
		    {
		      "type": "bridge",
		      "bridge": "$bridge",
		      "isGateway": true,
		      "ipMasq": true,
		      "ipam": {
		        "type": "host-local",
		        "ranges": [[{"subnet": "$subnet.0/24"}]],
		        "routes": [{"dst": "0.0.0.0/0"}]
		      }
		    },
		    {"type": "loopback"}
		  ]
		}
	END
	chmod 0600 "$dir/network.json" "$dir/network.conflist"
}

# State 1 is Ready, to a release that counted them.
stack_write() {
	document "$stack_dir" <<-END
		{
		  "apiVersion": "v1beta1",
		  "kind": "Stack",
		  "metadata": {
		    "name": "shop",
		    "labels": {"realm.kukeon.io": "$realm", "space.kukeon.io": "web", "stack.kukeon.io": "shop"},
		    "generation": 1
		  },
		  "spec": {
		    "id": "shop",
		    "realmId": "$realm",
		    "spaceId": "web"
		  },
		  "status": {
		    $(status 1 "$realm/web/shop")
		  }
		}
	END
}

# container CELL ID COMMAND ARGS VOLUMES [MORE]: its specification, as the Go daemon completes it.
container() {
	cat <<-END
		{
		  "id": "$2",
		  "containerdId": "web_shop_$1_$2",
		  "realmId": "$realm",
		  "spaceId": "web",
		  "stackId": "shop",
		  "cellId": "$1",
		  ${6-}
		  "image": "docker.io/library/busybox:latest",
		  "command": "$3",
		  "args": $4,
		  "env": null,
		  "ports": null,
		  "volumes": $5,
		  "networks": null,
		  "networksAliases": null,
		  "privileged": false,
		  "cniConfigPath": "$RP/data/$realm/web/network.conflist",
		  "restartPolicy": ""
		}
	END
}

# container_status ID STATE
container_status() {
	cat <<-END
		{
		  "name": "$1",
		  "id": "$1",
		  "state": $2,
		  "createdAt": $once,
		  "restartCount": 0,
		  "restartTime": $never,
		  "startTime": $once,
		  "finishTime": $never,
		  "exitCode": 0,
		  "exitSignal": ""
		}
	END
}

# cell_write NAME STATE CONTAINER-STATE [VERSION]: a server of its own name, and a pause container that holds its
# namespaces.
cell_write() {
	local dir=$stack_dir/$1 serve='["-c", "echo '"$1"' >/tmp/index.html; trap \"exit 0\" TERM; httpd -f -p 8080 -h /tmp & wait"]'
	document "$dir" <<-END
		{
		  "apiVersion": "${4:-v1beta1}",
		  "kind": "Cell",
		  "metadata": {
		    "name": "$1",
		    "labels": {
		      "cell.kukeon.io": "$1",
		      "realm.kukeon.io": "$realm",
		      "space.kukeon.io": "web",
		      "stack.kukeon.io": "shop",
		      "tier": "$1"
		    },
		    "generation": 2
		  },
		  "spec": {
		    "id": "$1",
		    "realmId": "$realm",
		    "spaceId": "web",
		    "stackId": "shop",
		    "rootContainerId": "root",
		    "containers": [
		      $(container "$1" httpd /bin/sh "$serve" null),
		      $(container "$1" root /.kukeon/bin/kukepause null "[{\"kind\": \"bind\", \"source\": \"$RP/bin/kukepause\",
		        \"target\": \"/.kukeon/bin/kukepause\", \"readOnly\": true}]" '"root": true,')
		    ]
		  },
		  "status": {
		    "network": {"bridgeName": "$bridge"},
		    "containers": [
		      $(container_status httpd "$3"),
		      $(container_status root "$3")
		    ],
		    "readyObserved": true,
		    $(status "$2" "$realm/web/shop/$1")
		  }
		}
	END
	echo "$1" >"$dir/etc-hostname"
	printf '127.0.0.1\tlocalhost\n::1\tlocalhost\n%s.9\t%s\n' "$subnet" "$1" >"$dir/etc-hosts"
	mkdir -m 02750 "$dir/httpd" "$dir/root"
	: >"$dir/httpd/log"
}

# The helper of the Go release is a program that waits; this one is a script, so that no compiler is needed.
fixture_write() {
	umask 022
	mkdir -p "$RP/bin" "$RP/s"
	cat >"$RP/bin/kukepause" <<-'END'
		#!/bin/sh
		trap 'exit 0' TERM INT
		sleep 1000000 &
		wait
	END
	chmod 0750 "$RP/bin/kukepause"
	printf '{\n  "containerdNamespaceSuffix": "%s",\n  "cgroupRoot": "%s"\n}\n' "$id.test" "/kuke-$id" \
		>"$RP/.kukeon-instance.json"
	chmod 0640 "$RP/.kukeon-instance.json"
	realm_write
	space_write
	stack_write
	cell_write halted '"Stopped"' '"Stopped"'
	cell_write lost '"Ready"' '"Ready"'
	cell_write ended '"Exited"' '"Exited"'
	# Stopped, to a release that counted states.
	cell_write old 2 2
	cell_write future '"Stopped"' '"Stopped"' v9
	cell_write broken '"Stopped"' '"Stopped"'
	truncate -s -200 "$stack_dir/broken/metadata.json"
	sums=$(sha256sum "$stack_dir"/{future,broken}/metadata.json)
}

# What the Go release leaves in containerd: the image, the record of a stopped cell with what it has written; and
# the leases of addresses, which outlive a reboot.
host_write() {
	local name leases=/var/lib/cni/networks/$network
	ctr_test -n "$namespace" images import "$D/busybox.tar"
	for name in httpd root; do
		ctr_test -n "$namespace" run --cgroup "/kuke-$id/$realm/web/shop/halted/web_shop_halted_$name" \
			--label kukeon.io/cell=halted --label kukeon.io/stack=shop --label kukeon.io/space=web \
			--label "kukeon.io/realm=$realm" docker.io/library/busybox:latest "web_shop_halted_$name" \
			/bin/sh -c 'echo kept >/tmp/kept'
	done
	mkdir -p "$leases"
	printf 'web_shop_lost_root\r\neth0' >"$leases/$subnet.9"
	printf %s "$subnet.9" >"$leases/last_reserved_ip.0"
} >/dev/null

# cell_get CELL EXPRESSION: of its document d.
cell_get() {
	kuked get cell "$1" "${scope[@]}" -o json | json "$2"
}

state_of() {
	cell_get "$1" 'd["status"]["state"]'
}

# tasks CELL: the processes of its containers that run, as NAME=PID.
tasks() {
	ctr_test -n "$namespace" tasks ls |
		awk -v cell="web_shop_$1_" '$3 == "RUNNING" && index($1, cell) == 1 { print substr($1, length(cell) + 1) "=" $2 }' |
		sort | xargs
}

# up CELL: it runs, in the network that was recorded, and answers.
up() {
	local ip tasks
	tasks=$(tasks "$1")
	[[ $tasks =~ ^httpd=([0-9]+)' 'root=[0-9]+$ ]] || fail "of cell $1 runs: $tasks"
	expect_equal "$(state_of "$1")" Ready
	ip=$(cell_get "$1" 'd["status"]["network"]["ip"], d["status"]["network"]["bridgeName"]')
	[[ $ip =~ ^("$subnet".[0-9]+)" $bridge"$ ]] || fail "it is in another network: $ip"
	ip=${BASH_REMATCH[1]}
	wait_until 5 busybox wget -qO- "http://$ip:8080/" || fail "it does not answer on $ip"
	expect_equal "$(busybox wget -qO- "http://$ip:8080/")" "$1"
}

# starts CELL
starts() {
	run kuked start "$1" "${scope[@]}"
	expect_equal "$out$err" "Started cell \"$1\" from stack \"shop\""
	up "$1"
}

lists_what_holds_cells() {
	run kuked get realms -o json
	expect_equal "$(json 'len(d), d[0]["metadata"]["name"], d[0]["spec"]["namespace"], d[0]["status"]["state"]' <<<"$out")" \
		"1 $realm $namespace Ready"
	run kuked get spaces -o json
	expect_equal "$(json 'len(d), d[0]["metadata"]["name"], d[0]["spec"]["realmId"], d[0]["status"]["state"]' <<<"$out")" \
		"1 web $realm Ready"
	run kuked get stacks -o json
	expect_equal "$(json 'len(d), d[0]["metadata"]["name"], d[0]["spec"]["spaceId"], d[0]["status"]["state"]' <<<"$out")" \
		"1 shop web Ready"
}

lists_the_cells() {
	run kuked get cells -o json
	expect_equal "$(json '*(c["metadata"]["name"] for c in d)' <<<"$out")" "broken ended future halted lost old"
	expect_equal "$(state_of halted) $(state_of old)" "Stopped Stopped"
	expect_equal "$(cell_get old '*(c["name"] + " " + c["state"] for c in d["status"]["containers"])')" "httpd Stopped root Stopped"
}

exited_is_exited() {
	expect_equal "$(state_of ended)" Exited
}

# Whoever believes the document says Ready.
lost_is_looked_for() {
	[[ $(state_of lost) != Ready || -n $(tasks lost) ]] || fail "it is said to be Ready, and nothing of it runs"
	[[ $(tasks halted)$(tasks old)$(tasks ended) == "" ]] || fail "cells run that were not running"
}

shows_a_cell() {
	expect_equal "$(cell_get halted 'd["metadata"]["labels"]["tier"], d["spec"]["rootContainerId"], d["status"]["createdAt"]')" \
		"halted root 2026-05-04T09:30:00.12Z"
	expect_equal "$(cell_get halted '*(c["id"] + " " + c["command"] for c in d["spec"]["containers"])')" \
		"httpd /bin/sh root /.kukeon/bin/kukepause"
	expect_equal "$(cell_get halted '*(v["source"] for c in d["spec"]["containers"] for v in c["volumes"] or [])')" \
		"$RP/bin/kukepause"
}

shows_the_unreadable() {
	expect_equal "$(cell_get broken 'd["metadata"]["name"], d["status"]["state"], d["status"]["reason"]')" \
		"broken Failed DocumentUnreadable"
	expect_equal "$(cell_get future 'd["metadata"]["name"]')" future
	run kuked start broken "${scope[@]}"
	expect_refusal "$stack_dir/broken/metadata.json"
}

# left_alone CELL: its document is that of the fixture.
left_alone() {
	grep -F "/$1/" <<<"$sums" | sha256sum -c --quiet || fail "the document of $1 was changed"
}

broken_is_left_alone() {
	kuked refresh >/dev/null
	left_alone broken
}

# Who can't know what a document says must neither act upon it nor write it anew, in words of today.
future_is_left_alone() {
	kuked refresh >/dev/null
	left_alone future
	expect_equal "$(state_of future)" Failed
	run kuked start future "${scope[@]}"
	expect_refusal v9
	left_alone future
	expect_equal "$(tasks future)" ""
}

layer_is_kept() {
	local pid
	pid=$(tasks halted)
	pid=${pid#httpd=}
	expect_equal "$(cat "/proc/${pid%% *}/root/tmp/kept")" kept
}

stops() {
	run kuked stop halted "${scope[@]}"
	expect_equal "$out$err" 'Stopped cell "halted" from stack "shop"'
	expect_equal "$(state_of halted)" Stopped
	expect_equal "$(tasks halted)" ""
	starts halted
}

deletes_a_cell() {
	run kuked delete cell halted "${scope[@]}"
	expect_equal "$out$err" 'Deleted cell "halted" from stack "shop"'
	[ ! -e "$stack_dir/halted" ] || fail "files are left: $(find "$stack_dir/halted")"
	expect_equal "$(ctr_test -n "$namespace" containers ls -q | grep _halted_)" ""
	expect_equal "$(ctr_test -n "$namespace" snapshots ls | grep _halted_)" ""
	run kuked get cell halted "${scope[@]}"
	expect_refusal 'cell "halted" not found'
}

deletes_all() {
	run kuked delete realm "$realm" --cascade
	expect_equal "$out$err" "Deleted realm \"$realm\""
	expect_equal "$(ctr_test namespaces ls -q)" ""
}

fixture_write
containerd_start
image_make "$D/busybox.tar"
host_write
daemon_start --reconcile-interval 0
kuked refresh >/dev/null
it "lists the realm, the space and the stack" lists_what_holds_cells
it "lists the cells" lists_the_cells
it "lists a cell as Exited that has exited" exited_is_exited
it "lists no cell as Ready that is not there" lost_is_looked_for
it "shows a cell" shows_a_cell
it "shows what it can't read" shows_the_unreadable
it "leaves a damaged document alone" broken_is_left_alone
it "leaves a document of a later release alone" future_is_left_alone
it "starts a stopped cell" starts halted
it "keeps what it has written" layer_is_kept
it "starts what a reboot has ended" starts lost
it "starts what has exited" starts ended
it "starts a cell of a release that counted states" starts old
it "stops a cell, and starts it again" stops
it "deletes a cell" deletes_a_cell
it "deletes the realm and all in it" deletes_all
