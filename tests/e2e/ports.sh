# tests/e2e/ports.sh - ports of the host that lead to cells, cells in more than one network, and the names that the
# cells of a space have for each other. The host is a network namespace of the test's own.
# limit: 180
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

scope=(--realm r --space s --stack t)
# shellcheck source=tests/support/host.bash
. tests/support/host.bash

# in_cell CELL COMMAND…: of this host, in the cell's network.
in_cell() {
	local pid
	pid=$(task_pid "$1")
	shift
	nsenter -t "$pid" -n "$@"
}

# server NAME SPACE [FIELD…]: a cell that answers on port 80 with its name.
server() {
	local name=$1 space=$2 line
	shift 2
	cell_yaml "$name" | sed "s/spaceId: s/spaceId: $space/" >"$D/$name.yaml"
	for line; do
		printf '      %s\n' "$line" >>"$D/$name.yaml"
	done
	kuked apply -f "$D/$name.yaml" >"$D/applied" || fail "not applied: $(<"$D/applied")"
	background in_cell_of "$space" "$name" socat "-lp$id" TCP-LISTEN:80,fork,reuseaddr "EXEC:/bin/echo $name"
	background in_cell_of "$space" "$name" socat "-lp$id" UDP-LISTEN:53,fork,reuseaddr "EXEC:/bin/echo $name"
	within 2000 listens "$space" "$name" || fail "$name does not listen"
}

# background COMMAND…: it holds none of the descriptors of the case.
background() {
	(
		exec >/dev/null 2>&1 </dev/null
		"$@"
	) &
}

in_cell_of() {
	local pid
	pid=$(ctr_test -n "r.$id.test" tasks ls | awk -v id="$1_t_$2_main" '$1 == id { print $2 }')
	shift 2
	nsenter -t "$pid" -n "$@"
}

listens() {
	[[ $(in_cell_of "$1" "$2" ss -lntu) == *udp*:53*tcp*:80* ]]
}

# asks FROM… ADDRESS:PORT: what the server there says.
asks() {
	"${@:1:$#-1}" socat -T1 - "TCP:${*: -1},connect-timeout=1" </dev/null
}

out_there() {
	ip netns exec "$beyond" "$@"
}

published() {
	server web s 'ports: ["8080:80", "203.0.113.7:81:80/tcp", "5353:53/udp"]'
	expect_equal "$(asks out_there 203.0.113.1:8080)" web
	expect_equal "$(asks out_there 203.0.113.7:81)" web
	! asks out_there 203.0.113.1:81 2>/dev/null || fail "81 is open at another address"
	expect_equal "$(asks on_host 127.0.0.1:8080)" web
	expect_equal "$(asks on_host 203.0.113.1:8080)" web
	expect_equal "$(echo | out_there socat -T1 - UDP:203.0.113.1:5353)" web
	cell_yaml near | kuked apply -f - >/dev/null
	expect_equal "$(asks in_cell near 203.0.113.1:8080)" web
	expect_equal "$(asks in_cell web 203.0.113.1:8080)" web
	kuked delete cell near "${scope[@]}" >/dev/null
	run kuked apply -f "$D/web.yaml"
	expect_out unchanged
}

only_published() {
	! asks out_there "$(cell_ip web):80" 2>/dev/null || fail "an outsider reaches a port that is not published"
	expect_equal "$(asks on_host "$(cell_ip web):80")" web
}

taken() {
	cell_yaml second >"$D/second.yaml"
	echo '      ports: ["8080:90"]' >>"$D/second.yaml"
	run kuked apply -f "$D/second.yaml"
	expect_status 1
	expect_out "port 8080:90 can't be published: cell r/s/t/web has it"
	background on_host socat "-lp$id" TCP-LISTEN:8090,fork,reuseaddr EXEC:/bin/true
	within 2000 eval 'on_host ss -lnt | grep -q :8090' || fail "the program does not listen"
	sed -i 's/8080:90/8090/' "$D/second.yaml"
	run kuked apply -f "$D/second.yaml"
	expect_status 1
	expect_out "port 8090 can't be published: a program of the host has it"
	sed -i 's/8090/http/' "$D/second.yaml"
	run kuked apply -f "$D/second.yaml"
	expect_status 1
	expect_err 'port "http" is not [address:]hostPort[:port][/tcp|/udp]'
	! kuked get cell second "${scope[@]}" >/dev/null 2>&1 || fail "there is a cell"
}

changed_in_place() {
	local pid
	pid=$(task_pid web)
	sed -i 's/"8080:80", /"8081:80", /' "$D/web.yaml"
	run kuked apply -f "$D/web.yaml"
	expect_out 'container "main" updated: ports'
	expect_equal "$(task_pid web)" "$pid"
	expect_equal "$(asks out_there 203.0.113.1:8081)" web
	! asks out_there 203.0.113.1:8080 2>/dev/null || fail "the old port is open"
}

flushed() {
	on_host nft flush ruleset
	within 1000 eval '[ "$(asks out_there 203.0.113.1:8081)" = web ]' || fail "not repaired"
}

closed_with_the_cell() {
	kuked stop web "${scope[@]}" >/dev/null
	! asks on_host 127.0.0.1:8081 2>/dev/null || fail "the port is open"
	! on_host nft list ruleset | grep -q 8081 || fail "the rule stays"
	kuked delete cell web "${scope[@]}" >/dev/null
}

knows() {
	in_cell_of "$1" "$2" true && grep -qE "^$3	(.* )?$4( |\$)" "$RP/run/cells/r/$1/t/$2/etc-hosts"
}

by_name() {
	server a s 'networksAliases: [db, db.internal]'
	server b s
	knows s b "$(cell_ip a)" db || fail "a new cell does not know the older one: $(<"$RP/run/cells/r/s/t/b/etc-hosts")"
	knows s b "$(cell_ip a)" db.internal || fail "no second alias"
	within 2000 knows s a "$(cell_ip b)" b || fail "the older one does not know the new one"
	ctr_test -n "r.$id.test" tasks exec --exec-id x s_t_a_main /bin/ping -c 1 b >/dev/null || fail "a can't ping b by name"
	kuked delete cell b "${scope[@]}" >/dev/null
	within 2000 eval "! grep -q '\bb\b' '$RP/run/cells/r/s/t/a/etc-hosts'" || fail "who is gone is still known"
}

joined() {
	local there
	kuked create space other --realm r >/dev/null
	server c s 'networks: [other]' 'networksAliases: [see]'
	server d other
	there=$(in_cell c ip -4 -o addr show dev eth1 | sed 's/.*inet \([0-9.]*\).*/\1/')
	expect_equal "$(asks in_cell_of other d "$there:80")" c
	expect_equal "$(asks in_cell c "$(other_ip):80")" d
	! asks in_cell a "$(other_ip):80" 2>/dev/null || fail "a space is open to who has not joined"
	within 2000 knows other d "$there" see || fail "d does not know its guest"
	within 2000 knows s c "$(other_ip)" d || fail "the guest does not know d: $(<"$RP/run/cells/r/s/t/c/etc-hosts")"
	run kuked apply -f "$D/c.yaml"
	expect_out unchanged
	on_host ip link del "$(on_host ip -o link show | grep -F 'r/s/t/c@r/other' | sed 's/^[0-9]*: \([^@:]*\).*/\1/')"
	within 2000 eval '[ "$(asks in_cell_of other d "$there:80")" = c ]' || fail "the second link is not repaired"
	sed -i 's/networks: .*/networks: []/' "$D/c.yaml"
	kuked apply -f "$D/c.yaml" >/dev/null
	! in_cell c ip link show eth1 >/dev/null 2>&1 || fail "it still has its second link"
}

other_ip() {
	kuked get cell d --realm r --space other --stack t -o json | sed -n 's/.*"ip": "\(.*\)".*/\1/p'
}

joins_nothing() {
	cell_yaml lost >"$D/lost.yaml"
	echo '      networks: [nowhere]' >>"$D/lost.yaml"
	run kuked apply -f "$D/lost.yaml"
	expect_status 1
	expect_out "there is no space 'r/nowhere' to join"
	! kuked get cell lost "${scope[@]}" >/dev/null 2>&1 || fail "there is a cell"
}

all_removed() {
	kuked delete realm r --cascade >/dev/null || fail "the realm stays"
	! on_host nft list ruleset | grep kukeon || fail "rules stay"
}

hosts_make || exit 1
containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
it "publishes ports of a cell" published
it "lets nobody in elsewhere" only_published
it "refuses a port that is taken, or none" taken
it "changes ports under a running cell" changed_in_place
it "opens them again when all rules are flushed" flushed
it "closes them with the cell" closed_with_the_cell
it "cells know each other by name and alias" by_name
it "a cell joins a second space" joined
it "refuses to join what is not there" joins_nothing
it "removes all that it made" all_removed
