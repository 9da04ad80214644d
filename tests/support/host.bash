# tests/support/host.bash - a host of the test's own: a network namespace in which kukeond runs, and a machine beside it.
# Sourced behind lib.bash by tests that change rules of a host, or look at it from outside.
# shellcheck shell=bash

host="$id-host" beyond="$id-out"

# Nothing but the network is another one: `ip netns exec` would hide mounts from containerd.
hosts_make() {
	ip netns add "$host" && ip netns add "$beyond" || return
	ip -n "$host" link set lo up
	ip -n "$host" link add eth0 type veth peer name eth0 netns "$beyond"
	ip -n "$host" addr add 203.0.113.1/24 dev eth0
	ip -n "$host" addr add 203.0.113.7/24 dev eth0
	ip -n "$host" link set eth0 up
	ip -n "$beyond" addr add 203.0.113.2/24 dev eth0
	ip -n "$beyond" link set eth0 up
	ip -n "$beyond" route add default via 203.0.113.1
	mkdir -p "$D/bin"
	cat >"$D/bin/kukeond" <<-END
		#!/bin/sh
		exec nsenter --net=/run/netns/$host $KUKE_BIN/kukeond "\$@"
	END
	chmod +x "$D/bin/kukeond"
	PATH=$D/bin:$PATH
	trap hosts_remove EXIT
}

hosts_remove() {
	daemon_stop
	pkill -f "^socat -lp$id"
	ip netns del "$host"
	ip netns del "$beyond"
	finish
}

on_host() {
	ip netns exec "$host" "$@"
}
