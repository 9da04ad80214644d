# tests/e2e/forward.sh - cells reach out beside others who filter what the host forwards: iptables with a policy of
# DROP, and Docker's way of setting one. The host is a network namespace of the test's own.
# limit: 120
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

# shellcheck source=tests/support/host.bash
. tests/support/host.bash

reaches_out() {
	nsenter -t "$(task_pid a)" -n ping -c 1 -W 0.3 203.0.113.2
}

before_the_space() {
	on_host iptables -P FORWARD DROP
	cell_yaml a | kuked apply -f - >/dev/null || fail "not applied"
	reaches_out || fail "it does not reach out"
	on_host iptables -S FORWARD | grep -q "kukeon_$instance" || fail "iptables does not show the rule"
}

flushed() {
	on_host iptables -F FORWARD
	within 1000 reaches_out || fail "it does not reach out again"
}

docker_comes() {
	on_host iptables -F FORWARD
	on_host iptables -N DOCKER-USER
	on_host iptables -A DOCKER-USER -j RETURN
	on_host iptables -I FORWARD -j DOCKER-USER
	within 1000 reaches_out || fail "it does not reach out again"
	within 1000 docker_has_them || fail "not in Docker's place: $(on_host iptables -S)"
}

docker_has_them() {
	[ "$(on_host iptables -S DOCKER-USER | grep -c "kukeon_$instance")" = 2 ]
}

reject_at_the_end() {
	on_host iptables -F
	on_host iptables -X
	on_host iptables -P FORWARD ACCEPT
	on_host iptables -A FORWARD -j REJECT
	within 1000 reaches_out || fail "it does not reach out again"
}

everything_flushed() {
	on_host nft flush ruleset
	within 1000 masquerades || fail "the rules are not made again"
	reaches_out || fail "it does not reach out"
}

masquerades() {
	on_host nft list table inet "kukeon_$instance" | grep masquerade
}

nothing_stays() {
	on_host iptables -P FORWARD DROP
	within 1000 eval 'on_host iptables -S FORWARD | grep -q kukeon' || fail "no rule to remove"
	kuked delete realm r --cascade >/dev/null || fail "the realm stays"
	! on_host nft list ruleset | grep kukeon || fail "rules stay"
}

hosts_make || exit 1
containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
it "cells reach out where FORWARD drops" before_the_space
it "rules that are flushed come back" flushed
it "rules go where Docker provides for them" docker_comes
it "a REJECT at the end of FORWARD does not stop cells" reject_at_the_end
it "all rules of the host flushed: ours come back" everything_flushed
it "leaves no rule with others" nothing_stays
