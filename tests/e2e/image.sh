# tests/e2e/image.sh - archives of both kinds, compressed or not, and what becomes of them.
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

loads_docker() {
	image_make "$D/plain.tar"
	run kukel image load "$D/plain.tar" --realm r
	expect_equal "$out" "loaded 1 image(s) into realm \"r\" (namespace \"r.$id.test\"):
  - docker.io/library/busybox:latest"
	run kukel image load - --realm r <"$D/plain.tar"
	expect_status 0
	run kukel get images --realm r
	expect_out 'docker.io/library/busybox:latest'
}

loads_gzip() {
	image_make "$D/gzip.tar" gzip
	sed -i 's/busybox:latest/zipped:latest/' "$D/image/save/manifest.json"
	tar -C "$D/image/save" -cf "$D/gzip.tar" config.json layer.tar manifest.json
	run kukel image load "$D/gzip.tar" --realm r
	expect_out 'docker.io/library/zipped:latest'
}

loads_oci_from_stdin() {
	oci_make "$D/oci.tar"
	run kukel image load - --realm r < <(cat "$D/oci.tar")
	expect_out 'docker.io/library/oci:1'
}

runs_each() {
	local image
	for image in busybox zipped oci:1; do
		cell_yaml one /bin/sleep 1000 >"$D/one.yaml"
		sed -i "s/image: busybox/image: $image/" "$D/one.yaml"
		run kuked apply -f "$D/one.yaml"
		expect_status 0
		expect_equal "$(cell_state one)" Ready
	done
	run kuked delete realm r --cascade
	expect_status 0
}

# A layer of 300 MB: the worker that streams it must not grow with it.
stays_small() {
	local pid peak=0 rss
	image_make "$D/big.tar"
	head -c 300M /dev/zero | tr '\0' x >"$D/image/rootfs/big"
	tar -C "$D/image/rootfs" -cf "$D/image/save/layer.tar" .
	sed -i "s/sha256:[0-9a-f]*/sha256:$(sha256sum "$D/image/save/layer.tar" | cut -d' ' -f1)/" "$D/image/save/config.json"
	tar -C "$D/image/save" -cf "$D/big.tar" config.json layer.tar manifest.json
	kuked create realm r >/dev/null
	kukel image load "$D/big.tar" --realm r >"$D/big.out" 2>&1 &
	local client=$!
	while kill -0 $client 2>/dev/null; do
		for pid in $(pgrep -P $client); do
			rss=$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null)
			[ "${rss:-0}" -le "$peak" ] || peak=$rss
		done
		pause 0.05
	done
	wait $client || fail "$(<"$D/big.out")"
	[ "$peak" -gt 0 ] && [ "$peak" -lt 40000 ] || fail "a worker grew to $peak KiB"
}

deletes() {
	run kukel image delete busybox --realm r
	expect_equal "$out" "deleted image \"docker.io/library/busybox:latest\" from realm \"r\" (namespace \"r.$id.test\")"
	run kukel get images --realm r
	expect_equal "$out" 'No images found.'
	run kuked delete realm r
	expect_status 0
}

containerd_start
daemon_start
kuked create realm r >/dev/null
it "loads what docker save wrote, twice" loads_docker
it "loads gzipped layers" loads_gzip
it "loads an OCI layout from standard input" loads_oci_from_stdin
it "runs each of them" runs_each
it "loads a large archive in little memory" stays_small
it "deletes an image" deletes
