# tests/e2e/apply.sh - a cell from a manifest to a running container with an address, and away again.
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

applies() {
	cell_yaml web /bin/httpd -f -p 80 -h /www >"$D/web.yaml"
	run kuked apply -f "$D/web.yaml"
	expect_status 0
	expect_out 'Cell "web": created'
	expect_equal "$(cell_state web)" Ready
	run busybox wget -qO- "http://$(cell_ip web)/"
	expect_out 'hello from kukeon'
}

applies_again() {
	run kuked apply -f "$D/web.yaml"
	expect_status 0
	expect_equal "$out" 'Cell "web": unchanged'
}

names_changes() {
	sed -i "s/'80'/'8080'/" "$D/web.yaml"
	run kuked apply -f "$D/web.yaml"
	expect_status 0
	expect_out 'Cell "web": updated'
	expect_out '  - container "main" updated: args'
	run busybox wget -qO- "http://$(cell_ip web):8080/"
	expect_out 'hello from kukeon'
}

deletes() {
	run kuked delete cell web --realm r --space s --stack t
	expect_equal "$out" 'Deleted cell "web" from stack "t"'
	run kuked delete realm r --cascade
	expect_equal "$out" 'Deleted realm "r"'
	expect_equal "$(ctr_test namespaces ls -q | grep -vE '^(default|kuke-system)[.]')" ''
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
it "creates a cell that answers on its address" applies
it "reports unchanged the second time" applies_again
it "updates and names what changed" names_changes
it "deletes all of it" deletes
