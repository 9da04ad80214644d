# tests/e2e/skew.sh - releases that differ: what a newer one has written is left alone, and people are told.
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

state() {
	find "$RP" -type f ! -name '*.lock' ! -name .lock -exec sha256sum {} + | sort
}

refuses_the_future() {
	local before
	kukel create realm r >/dev/null || fail "no realm"
	python3 - "$RP/.kukeon-instance.json" <<-'END'
		import json, sys
		d = json.load(open(sys.argv[1]))
		assert d["stateVersion"] == 1, d
		d["stateVersion"] = 2
		json.dump(d, open(sys.argv[1], "w"))
	END
	before=$(state)
	run kukel create realm other
	expect_refusal "was written by a newer kukeon (state version 2, this one knows 1)"
	run kukel get realms
	expect_refusal "install that one, nothing was changed"
	run timeout 10 kukeond serve --socket "$D/k.sock" --run-path "$RP" --containerd-socket "$D/containerd.sock" \
		--configuration "$D/none.yaml"
	expect_status 1
	expect_err "was written by a newer kukeon"
	expect_equal "$(state)" "$before"
	sed -i 's/"stateVersion": 2/"stateVersion": 1/' "$RP/.kukeon-instance.json"
	run kukel get realms -o name
	expect_equal "$out" r
	kukel delete realm r --cascade >/dev/null || fail "the realm stays"
}

# What neither of two releases has written in common, the older one does not stumble over.
takes_unknown_keys() {
	local file=$RP/data/r/metadata.json
	kukel create realm r >/dev/null || fail "no realm"
	python3 - "$file" <<-'END'
		import json, sys
		d = json.load(open(sys.argv[1]))
		d["spec"]["later"] = {"a": [1]}
		d["status"]["later"] = "x"
		d["later"] = None
		json.dump(d, open(sys.argv[1], "w"))
	END
	run kukel get realm r -o jsonpath='{.status.state}'
	expect_equal "$out" Ready
	kukel delete realm r --cascade >/dev/null || fail "the realm stays"
}

# peer VERSION: a kukeond of that release, as far as it takes to list realms.
peer() {
	python3 - "$D/peer.sock" "$1" <<-'END' &
		import json, socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.bind(sys.argv[1])
		s.listen()
		while True:
		    c, _ = s.accept()
		    for line in c.makefile():
		        request = json.loads(line)
		        result = {"Version": sys.argv[2]} if request["method"].endswith("Ping") else {"Realms": [], "Err": None}
		        c.sendall(json.dumps({"id": request["id"], "result": result, "error": None}).encode() + b"\n")
	END
	peer_pid=$!
	wait_until 5 test -S "$D/peer.sock"
}

# warned_of VERSION: is somebody at a terminal told of it? A script never is.
warned_of() {
	local said
	peer "$1"
	said=$(python3 tests/e2e/progress.py kuke --host "unix://$D/peer.sock" get realms)
	run kuke --host "unix://$D/peer.sock" get realms
	kill $peer_pid
	rm "$D/peer.sock"
	expect_status 0
	expect_equal "$err" ""
	[[ $said == *"Warning: kuke is "*", kukeond $1: "* ]]
}

tells_of_another_release() {
	warned_of 0.9.3 || fail "no warning"
	warned_of 9.1.0 || fail "no warning"
}

says_nothing_of_a_repair() {
	! warned_of "$(kuke version --no-daemon | sed 's/Client: //; s/[0-9]*$/99/')" || fail "a warning"
}

export KUKEON_CONTAINERD_SOCKET=$D/containerd.sock KUKEON_NAMESPACE_SUFFIX=$id.test KUKEON_CGROUP_ROOT=/kuke-$id
containerd_start
it "leaves alone what a newer release has written" refuses_the_future
it "takes documents with keys that it does not know" takes_unknown_keys
it "tells people of another release, but not scripts" tells_of_another_release
it "says nothing of one that only repairs" says_nothing_of_a_repair
