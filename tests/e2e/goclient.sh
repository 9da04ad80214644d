# tests/e2e/goclient.sh - kukeond driven by Go's own net/rpc/jsonrpc.
# limit: 300
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

cases=(
	"ping:answers Ping"
	"create:creates a realm, a space and a stack"
	"apply:applies documents"
	"get:gets a cell, and what is not there"
	"list:lists cells and containers"
	"lifecycle:stops, starts and kills"
	"failures:fails with a kind, and goes on"
	"concurrent:serves 100 goroutines on one connection"
	"remove:deletes the cell, then the realm with all in it"
)

# The standard library alone, compiled here: without optimisation that is sooner done.
go_build() {
	(cd tests/e2e/goclient && env GO111MODULE=off GOTOOLCHAIN=local GOPROXY=off GOFLAGS= GOPATH="$D/go" \
		GOCACHE="$D/gocache" CGO_ENABLED=0 "$go" build -gcflags='all=-N -l' -o "$D/goclient" .)
}

client_case() {
	run "$D/goclient" "$D/k.sock" "$1"
	expect_status 0
	expect_equal "$out$err" ''
}

go=$(command -v go || command -v /usr/local/go/bin/go)
containerd_start
daemon_start
image_make "$D/busybox.tar"
if [ -z "$go" ]; then
	skip "speaks with Go's client" "no go on this machine"
elif ! go_build; then
	it "builds the client" fail "go build failed"
else
	for entry in "${cases[@]}"; do
		it "${entry#*:}" client_case "${entry%%:*}"
		[ "${entry%%:*}" != create ] || kukel image load "$D/busybox.tar" --realm r >/dev/null
	done
fi
