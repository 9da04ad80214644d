# tests/support/image.bash - images made on the spot, of the host's own static busybox. Works below $D.
#
# Sourced, or run by programs: image.bash docker|oci DIR FILE [gzip]
# shellcheck shell=bash

# image_make FILE [gzip]: a docker-save archive of busybox.
image_make() {
	local dir=$D/image layer=layer.tar digest config
	rm -rf "$dir"
	mkdir -p "$dir/rootfs/bin" "$dir/rootfs/etc" "$dir/rootfs/www" "$dir/rootfs/tmp" "$dir/save"
	cp "$(command -v busybox)" "$dir/rootfs/bin/busybox"
	local applet
	for applet in sh httpd sleep ping wget cat echo true false id hostname dd tail nc ls head yes env; do
		ln -s busybox "$dir/rootfs/bin/$applet"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000:web:/www:/bin/sh\n' >"$dir/rootfs/etc/passwd"
	printf 'root:x:0:\nweb:x:1000:\nlog:x:1001:web\n' >"$dir/rootfs/etc/group"
	echo '<h1>hello from kukeon</h1>' >"$dir/rootfs/www/index.html"
	tar -C "$dir/rootfs" --sort=name --mtime=@0 -cf "$dir/save/$layer" .
	digest=$(sha256sum "$dir/save/$layer" | cut -d' ' -f1)
	if [ "${2:-}" = gzip ]; then
		gzip -n "$dir/save/$layer"
		mv "$dir/save/$layer.gz" "$dir/save/$layer"
	fi
	printf '{"architecture":"amd64","os":"linux","config":{"Cmd":["/bin/sh"],"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
		"$digest" >"$dir/save/config.json"
	printf '[{"Config":"config.json","RepoTags":["busybox:latest"],"Layers":["%s"]}]' "$layer" \
		>"$dir/save/manifest.json"
	tar -C "$dir/save" -cf "$1" config.json "$layer" manifest.json
}

# oci_make FILE: the same image as an OCI layout.
oci_make() {
	local dir=$D/image config manifest size blobs=$D/oci/blobs/sha256
	image_make "$D/for-oci.tar"
	rm -rf "$D/oci"
	mkdir -p "$blobs"
	local layer config_file=$dir/save/config.json
	layer=$(sha256sum "$dir/save/layer.tar" | cut -d' ' -f1)
	config=$(sha256sum "$config_file" | cut -d' ' -f1)
	cp "$dir/save/layer.tar" "$blobs/$layer"
	cp "$config_file" "$blobs/$config"
	printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:%s","size":%s}]}' \
		"$config" "$(stat -c %s "$config_file")" "$layer" "$(stat -c %s "$blobs/$layer")" >"$D/manifest"
	manifest=$(sha256sum "$D/manifest" | cut -d' ' -f1)
	size=$(stat -c %s "$D/manifest")
	mv "$D/manifest" "$blobs/$manifest"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$D/oci/oci-layout"
	printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"annotations":{"org.opencontainers.image.ref.name":"docker.io/library/oci:1"}}]}' \
		"$manifest" "$size" >"$D/oci/index.json"
	tar -C "$D/oci" -cf "$1" oci-layout index.json blobs
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	set -eu
	D=$2
	case $1 in
	docker) image_make "$3" "${4:-}" ;;
	oci) oci_make "$3" ;;
	esac
fi
