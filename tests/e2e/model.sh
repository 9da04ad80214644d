# tests/e2e/model.sh - random verbs, done to a simple model of the tree and to the real system: the same results.
# limit: 300
#
# MODEL_STEPS: how many (500). MODEL_SEED: what is random in them; a failure prints it.
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

MODEL_STEPS=${MODEL_STEPS:-500}

model() {
	SOCKET=$D/k.sock RUN_PATH=$RP CONTAINERD=$D/containerd.sock SUFFIX=$id.test GROUP=kuke-$id POOL=$pool \
		INSTANCE=$instance REALM=$id ARCHIVE=$D/busybox.tar MODEL_STEPS=$MODEL_STEPS MODEL_SEED=${MODEL_SEED:-} \
		PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/support python3 tests/e2e/model.py || fail "the walk above failed"
}

# The cells of a walk that failed would hide what is left by a fault.
clear_up() {
	local realm
	for realm in $(kuked get realms | awk 'NR > 2 { print $1 }'); do
		kuked delete realm "$realm" --cascade >/dev/null
	done
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
it "$MODEL_STEPS random verbs have the results that the model says" model
clear_up
