# tests/e2e/network.sh - cells reach each other and the host; what a cell finds in its /etc.
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

in_cell() {
	local cell=$1 pid
	shift
	pid=$(ctr_test -n "r.$id.test" tasks ls | awk -v id="s_t_${cell}_main" '$1 == id { print $2 }')
	nsenter -t "$pid" -n -u -m -p "$@"
}

reach_each_other() {
	local bridge_ip
	run kuked apply -f "$D/two.yaml"
	expect_status 0
	bridge_ip=$(cell_ip a)
	bridge_ip=${bridge_ip%.*}.1
	in_cell a /bin/ping -c 1 -W 2 "$(cell_ip b)" || fail "a does not reach b"
	in_cell b /bin/ping -c 1 -W 2 "$(cell_ip a)" || fail "b does not reach a"
	in_cell a /bin/ping -c 1 -W 2 "$bridge_ip" || fail "a does not reach the bridge"
	ping -c 1 -W 2 "$(cell_ip a)" || fail "the host does not reach a"
	expect_equal "$(in_cell a /bin/ping -c 1 -W 2 127.0.0.1 | grep -c '1 packets received')" 1
}

knows_itself() {
	expect_equal "$(in_cell a /bin/hostname)" a
	expect_equal "$(in_cell a /bin/cat /etc/hostname)" a
	in_cell a /bin/cat /etc/hosts | grep -q "^$(cell_ip a)	a\$" || fail "no line for a in /etc/hosts"
	in_cell a /bin/cat /etc/resolv.conf >/dev/null || fail "no /etc/resolv.conf"
}

outlives_a_container() {
	local before pid
	before=$(cell_ip a)
	cat >>"$D/a.yaml" <<-END
		    - id: second
		      image: busybox
		      command: /bin/sleep
		      args: ["1000"]
	END
	run kuked apply -f "$D/a.yaml"
	expect_out 'container "second" added'
	ctr_test -n "r.$id.test" tasks kill -s SIGKILL s_t_a_main
	wait_until 5 eval '[ "$(cell_state a)" = Degraded ]' || fail "state is $(cell_state a)"
	ping -c 1 -W 2 "$before" || fail "the network went with the container"
	sed 's/id: second/id: third/' <<<"$(tail -n 4 "$D/a.yaml")" >>"$D/a.yaml"
	run kuked apply -f "$D/a.yaml"
	expect_out 'container "third" added'
	expect_equal "$(cell_ip a)" "$before"
	pid=$(ctr_test -n "r.$id.test" tasks ls | awk '$1 == "s_t_a_third" { print $2 }')
	nsenter -t "$pid" -n ip -4 -o addr show dev eth0 | grep -qF " $before/" || fail "the third is elsewhere"
	run kuked delete cell a --realm r --space s --stack t
	expect_status 0
}

spaces_are_apart() {
	sed -e 's/spaceId: s/spaceId: other/' -e 's/name: a}/name: far}/' "$D/single.yaml" >"$D/far.yaml"
	run kuked apply -f "$D/far.yaml"
	expect_status 0
	local far
	far=$(kuked get cell far --realm r --space other --stack t -o json | sed -n 's/.*"ip": "\(.*\)".*/\1/p')
	ping -c 1 -W 2 "$far" || fail "the host does not reach it"
	! in_cell b /bin/ping -c 1 -W 1 "$far" || fail "a cell of another space is reached"
	[ "${far%.*}" != "$(cell_ip b | sed 's/\.[0-9]*$//')" ] || fail "two spaces share a subnet"
	run kuked delete realm r --cascade
	expect_status 0
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
cell_yaml a >"$D/a.yaml"
cell_yaml a >"$D/single.yaml"
{
	cat "$D/a.yaml"
	echo ---
	cell_yaml b
} >"$D/two.yaml"
it "connects two cells of a space, and the host" reach_each_other
it "gives a cell its name and its hosts file" knows_itself
it "outlives a container, and a new one joins" outlives_a_container
it "keeps spaces apart" spaces_are_apart
