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

# A neighbour of the host that no space knows.
neighbour_make() {
	ip netns add "$id-out"
	ip link add "v$id" type veth peer name eth0 netns "$id-out"
	ip addr add 203.0.113.1/24 dev "v$id"
	ip link set "v$id" up
	ip -n "$id-out" addr add 203.0.113.2/24 dev eth0
	ip -n "$id-out" addr add 203.0.113.3/24 dev eth0
	ip -n "$id-out" link set eth0 up
	ip -n "$id-out" route add default via 203.0.113.1
	for port in 25 80 81 443; do
		ip netns exec "$id-out" socat "TCP-LISTEN:$port,fork,reuseaddr" "EXEC:/bin/echo passed" >/dev/null 2>&1 &
		listeners+=($!)
	done
}

# tcp ADDRESS PORT: what becomes of a connection of cell e.
tcp() {
	local answer
	answer=$(in_cell e /bin/nc -w 2 "$1" "$2" </dev/null 2>&1)
	echo "${answer##*: }"
}

bridge_of() {
	cell_json "$1" | sed -n 's/.*"bridgeName": "\(.*\)",/\1/p'
}

# pings ADDRESS: cell e does.
pings() {
	in_cell e /bin/ping -c 1 -W 1 "$1" >/dev/null
}

# policy TEXT: the space with this egress policy.
policy() {
	printf 'kind: Space\nmetadata: {name: s}\nspec:\n  realmId: r\n  network: {egress: %s}\n' "$1" | kuked apply -f -
}

egress_is_kept() {
	cell_yaml e >"$D/e.yaml"
	kuked apply -f "$D/e.yaml" >/dev/null
	wait_until 5 pings 203.0.113.2 || fail "without a policy the neighbour is not reached"
	expect_equal "$(tcp 203.0.113.2 81)" passed
	run policy '{default: deny, allow: [{cidr: 203.0.113.2/32, ports: [80, 443]}, {cidr: 203.0.113.3/32, ports: [25]}]}'
	expect_equal "$out" $'Space "s": updated\n  - spec.network'
	expect_equal "$(tcp 203.0.113.2 80) $(tcp 203.0.113.2 443) $(tcp 203.0.113.3 25)" "passed passed passed"
	expect_equal "$(tcp 203.0.113.2 25) $(tcp 203.0.113.3 80)" "No route to host No route to host"
	! pings 203.0.113.2 || fail "a port lets other protocols through"
	! pings 203.0.113.1 || fail "the host is reached"
	ping -c 1 -W 2 "$(cell_ip e)" >/dev/null || fail "the host does not reach the cell"
	run policy '{default: deny, allow: [{cidr: 203.0.113.2/32, ports: [443, 80]}, {cidr: 203.0.113.3/32, ports: [25]}]}'
	run policy '{default: deny, allow: [{cidr: 203.0.113.2/32, ports: [443, 80]}, {cidr: 203.0.113.3/32, ports: [25]}]}'
	expect_equal "$out" 'Space "s": unchanged'
	run policy '{default: DENY, allow: [{cidr: 203.0.113.1/24}, {cidr: "2001:db8::/32"}]}'
	expect_equal "$(tcp 203.0.113.3 81)" passed
	wait_until 5 pings 203.0.113.3 || fail "an allowed network is not reached"
	run policy '{default: deny}'
	! pings 203.0.113.2 || fail "what is allowed no more is reached"
}

# It is there again with the rules, for whatever makes them again.
egress_knows_names() {
	run policy '{default: deny, allow: [{host: localhost, ports: [80]}]}'
	expect_status 0
	nft list chain inet "kukeon_$instance" "egress_$(bridge_of e)" | grep -q 'ip daddr 127.0.0.1 tcp dport 80 accept' ||
		fail "no rule: $(nft list chain inet "kukeon_$instance" "egress_$(bridge_of e)")"
	run policy '{default: deny, allow: [{host: localhost, ports: [80]}]}'
	expect_equal "$out" 'Space "s": unchanged'
}

egress_is_repaired() {
	local table
	table=kukeon_$(sed -n 's/^kukeon:\([^:]*\):r\/s$/\1/p' "/sys/class/net/$(bridge_of e)/ifalias")
	# Or they would be there again before anybody looks.
	kill -STOP "$(worker_pid network)"
	nft delete table inet "$table"
	wait_until 4 pings 203.0.113.2 || fail "the rules are still there"
	kill -CONT "$(worker_pid network)"
	cell_yaml f >"$D/f.yaml"
	kuked apply -f "$D/f.yaml" >/dev/null
	! pings 203.0.113.2 || fail "the rules came back without the policy"
	# Another space with the same policy has its own rules still.
	printf 'kind: Space\nmetadata: {name: twin}\nspec:\n  realmId: r\n  network: {egress: {default: deny}}\n' | kuked apply -f - >/dev/null
	nft flush chain inet "$table" "egress_$(bridge_of e)"
	kuked restart f --realm r --space s --stack t >/dev/null
	! pings 203.0.113.2 || fail "a chain that was emptied stays so"
	run policy '{default: allow}'
	wait_until 5 pings 203.0.113.2 || fail "the policy stays when it is gone"
	kuked delete space twin --realm r >/dev/null
	run nft list table inet "$table"
	[[ $out != *egress_* ]] || fail "a chain is left: $out"
	policy '{default: deny}' >/dev/null
}

egress_is_checked() {
	local text
	while IFS='|' read -r policy text; do
		run policy "$policy"
		expect_status 1
		expect_equal "$out" ""
		expect_err "validation failed:
  document 0 (Space \"s\"): $text"
	done <<-'END'
		{default: maybe}|egress default must be 'allow' or 'deny'
		{default: deny, allow: [{}]}|egress allow rule 0: egress allow rule requires exactly one of host or cidr
		{default: deny, allow: [{cidr: 10.0.0.0/8}, {host: a, cidr: 10.0.0.0/8}]}|egress allow rule 1: egress allow rule must not set both
		{default: deny, allow: [{cidr: 10.0.0.0}]}|egress allow rule 0: egress allow rule cidr is not a valid CIDR: "10.0.0.0"
		{default: deny, allow: [{cidr: 10.0.0.0/33}]}|egress allow rule 0: egress allow rule cidr is not a valid CIDR
		{default: deny, allow: [{cidr: "10.0.0.0/8 accept; x"}]}|egress allow rule 0: egress allow rule cidr is not a valid CIDR
		{default: deny, allow: [{cidr: 10.0.0.0/8, ports: [0]}]}|egress allow rule 0: egress allow rule port must be within [1, 65535]: 0
		{default: deny, allow: [{cidr: 10.0.0.0/8, ports: [65536]}]}|egress allow rule 0: egress allow rule port must be within [1, 65535]: 65536
	END
	run policy '{default: deny, allow: [{host: example.invalid}]}'
	expect_status 1
	expect_out 'failed to apply egress policy: failed to resolve egress allow rule host: "example.invalid": '
	# It is kept, not forgotten: the space says so, and is tried again.
	run kuked get space s --realm r -o json
	[[ $out != *'10.0.0.0'* ]] || fail "a policy that was refused is stored"
	expect_out '"state": "Failed"'
	expect_out 'failed to resolve egress allow rule host'
	run policy '{default: deny, allow: [{host: example.invalid}]}'
	expect_status 1
	run policy '{default: deny, allow: [{cidr: 10.0.0.0/8}]}'
	expect_status 0
	[[ $(kuked get space s --realm r -o json) == *'"state": "Ready"'* ]] || fail "it is still Failed"
}

listeners=()
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
neighbour_make
it "lets a cell reach what the policy of its space allows" egress_is_kept
it "makes the policy anew with the rules" egress_is_repaired
it "lets out to a host by its name" egress_knows_names
it "refuses a policy that makes no sense" egress_is_checked
kill "${listeners[@]}"
ip netns del "$id-out"
it "keeps spaces apart" spaces_are_apart
