"""tests/e2e/model_look.py - the real system beside the model: the documents that it shows, and the host."""

import glob
import os
import subprocess

from model_tree import *
from rpc import *

RUN_PATH = os.environ["RUN_PATH"]
SUFFIX = os.environ["SUFFIX"]
GROUP = os.environ["GROUP"]
POOL = os.environ["POOL"]
OURS = f"kukeon:{os.environ['INSTANCE']}:"
TABLE = f"kukeon_{os.environ['INSTANCE']}"
PATIENCE = 15 * int(os.environ.get("CK_TIMEOUT_MULTIPLIER", "1"))  # seconds for what comes by an event

# --- documents ---


def namespace(realm):
    return f"{realm}.{SUFFIX}"


def labels_check(doc, path, node):
    got = doc["metadata"]["labels"] or {}
    managed = {f"{kind.lower()}.kukeon.io": name for kind, name in zip(KINDS, path)}
    if len(path) == 1:
        managed["realm.kukeon.io"] = namespace(path[0])
    same(f"labels of {path}", {key: got[key] for key in got if key not in managed}, node.labels)
    if node.is_managed is not None:
        same(f"labels of ours of {path}", {key: got[key] for key in got if key in managed},
            managed if node.is_managed else {})


def doc_check(doc, path, node):
    """Is the document what the model has of the object?"""
    kind, spec = KINDS[len(path) - 1], doc["spec"]
    same("kind, name", (doc["kind"], doc["metadata"]["name"]), (kind, path[-1]))
    same("parents", tuple(spec[part] for part in PARTS if part in spec), path[:-1])
    labels_check(doc, path, node)
    if kind == "Cell":
        specs_check(spec["containers"], path, node)
        if node.is_settled:
            states_check(doc, path, node)
        return
    same(f"state of {path}", doc["status"]["state"], "Ready")
    if kind == "Realm":
        same(f"namespace of {path}", spec["namespace"], namespace(path[0]))
    elif kind == "Space":
        same(f"network of {path}", spec.get("network") or {}, DENY if node.is_shut else {})
    else:
        same(f"id of {path}", spec["id"], node.id)


def fields(spec):
    return {field: spec[field] for field in ("id", *FIELDS) if spec.get(field)}


def specs_check(specs, path, cell):
    same(f"containers of {path}", [fields(spec) for spec in specs],
        [fields(spec) for spec in cell.specs.values()])
    for spec in specs:
        same(f"owner of {path} {spec['id']}", tuple(spec[part] for part in PARTS), path)


def statuses(doc):
    return {status["id"]: status for status in doc["status"]["containers"]}


def states_check(doc, path, cell):
    got = statuses(doc)
    ids = cell.specs if cell.is_failed else cell.records
    same(f"state of {path}", doc["status"]["state"], cell.state())
    same(f"statuses of {path}", list(got), list(cell.specs))
    same(f"states of {path}", {id: got[id]["state"] for id in ids}, {id: cell.states[id] for id in ids})
    for id in cell.running() - cell.fresh:
        same(f"start of {path} {id}, which nobody started again", got[id]["startTime"], cell.began[id])


def document_get(path):
    kind = KINDS[len(path) - 1]
    return ok("Get" + kind, {"Doc": document(path)})[kind]


def has_settled(path, cell):
    doc = document_get(path)
    got = statuses(doc)
    began = {id: got[id]["startTime"] for id in cell.fresh}
    is_owed = any(status.get("backoff", {}).get("nextTime", NEVER) != NEVER for status in got.values())
    if doc["status"]["state"] != cell.state() or is_owed or \
        any(got[id]["state"] != cell.states[id] for id in cell.records) or \
        any(began[id] in (NEVER, cell.began.get(id)) for id in began):
        return False
    cell.began.update(began)
    cell.fresh.clear()
    cell.is_settled = True
    return True


def settle(path, cell):
    """Wait for what happens to a cell by itself."""
    end = time.monotonic() + PATIENCE
    while not (cell.is_settled and not cell.fresh) and not has_settled(path, cell):
        if time.monotonic() > end:
            raise Wrong(f"{path}, after {PATIENCE} s", document_get(path)["status"],
                {"state": cell.state(), "containers": cell.states, "started anew": cell.fresh})
        time.sleep(0.005)


# --- the host: one function for each thing, what is there and what ought to be ---


def output(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def ctr(*argv):
    return output("ctr", "-a", os.environ["CONTAINERD"], *argv)


def container_id(path, id):
    return "_".join((*path[1:], id))


def on_disk(model):
    top = os.path.join(RUN_PATH, "data")
    got = {os.path.relpath(place, top) for place, _, names in os.walk(top) if "metadata.json" in names}
    return got, {"/".join(path) for path in model}


def links():
    """Names of our links, by what they belong to."""
    return {link["ifalias"][len(OURS):]: link["ifname"] for link in json.loads(output("ip", "-j", "link"))
        if link.get("ifalias", "").startswith(OURS)}


def networks(model):
    return set(links()), {"/".join(path) for path in model.below((), 2)} | \
        {"/".join(path) for path, cell in model.cells() if cell.has_network}


def nft_elements(kind, name):
    """Of a set or map of our table, which is there with the first space."""
    listing = subprocess.run(["nft", "-j", "list", kind, "inet", TABLE, name], capture_output=True, text=True,
        check=False)
    if listing.returncode:
        return []
    elements, = [part[kind].get("elem", []) for part in json.loads(listing.stdout)["nftables"] if kind in part]
    return sorted(element[0] if kind == "map" else element for element in elements)


def rules(model):
    names = links()
    bridges = {path: names["/".join(path)] for path in model.below((), 2)}
    return (nft_elements("set", "bridges"), nft_elements("map", "egress")), \
        (sorted(bridges.values()), sorted(bridges[path] for path in bridges if model[path].is_shut))


def pins(model):
    mounted = sum(f" {RUN_PATH}/run/netns/k" in line for line in open("/proc/mounts"))
    # Several containers have UTS and IPC in common, too.
    return mounted, sum(3 if len(cell.specs) > 1 else 1 for _, cell in model.cells() if cell.has_network)


def network_name(path):
    with open(os.path.join(RUN_PATH, "data", *path[:2], "network.json")) as file:
        return json.load(file)["network"]


def leases(model):
    files = glob.glob(f"/var/lib/cni/networks/*/{POOL}.*")
    got = [(file.split("/")[-2], open(file).readline().strip()) for file in files]
    want = [(network_name(path), container_id(path, "root")) for path, cell in model.cells()
        if cell.has_network]
    return sorted(got), sorted(want)


def groups(model):
    """Directories down to those of containers, in any hierarchy: not all have all."""
    tops = glob.glob(f"/sys/fs/cgroup/{GROUP}") + glob.glob(f"/sys/fs/cgroup/*/{GROUP}")
    got = {os.path.relpath(place, top) for top in tops for place, _, _ in os.walk(top)}
    want = {"/".join(path) for path in model if len(path) < 4 or model[path].has_group}
    want |= {"/".join((*path, container_id(path, id))) for path, cell in model.cells() for id in cell.tasks()}
    return {place for place in got if place != "." and place.count("/") < 5}, want


def namespaces(model):
    got = {name for name in ctr("namespaces", "ls", "-q").split() if name.endswith(SUFFIX)}
    return got, {namespace(path[0]) for path in model}


def containers(model):
    """Records, layers, tasks and those that run, in each realm."""
    got, want = {}, {}
    for realm, in model.below((), 1):
        space = "-n", namespace(realm)
        tasks = [line.split() for line in ctr(*space, "tasks", "ls").splitlines()[1:]]
        layers = [line.split()[0] for line in ctr(*space, "snapshots", "ls").splitlines()[1:]]
        got[realm] = (sorted(ctr(*space, "containers", "ls", "-q").split()),
            sorted(layer for layer in layers if not layer.startswith("sha256:")),
            sorted(task[0] for task in tasks), sorted(task[0] for task in tasks if task[2] == "RUNNING"))
        cells = [(path, cell) for path, cell in model.cells() if path[0] == realm]
        want[realm] = tuple(sorted(container_id(path, id) for path, cell in cells for id in ids(cell))
            for ids in (lambda cell: cell.records, lambda cell: cell.records, Cell.tasks, Cell.running))
    return got, want


def host_check(model):
    """A link goes away a moment after its namespace: the kernel works on it, and tells nobody."""
    end = time.monotonic() + PATIENCE
    for look in on_disk, networks, rules, pins, leases, groups, namespaces, containers:
        got, want = look(model)
        while got != want and time.monotonic() < end:
            time.sleep(0.02)
            got, want = look(model)
        same(f"{look.__name__}, on the host", got, want)


def everything_check(model):
    for path, cell in model.cells():
        settle(path, cell)
    for depth, kind in enumerate(KINDS, 1):
        docs = ok(f"List{kind}s")[f"{kind}s"]
        paths = [document_path(doc) for doc in docs]
        same(f"List{kind}s", paths, model.below((), depth))
        for path, doc in zip(paths, docs):
            doc_check(doc, path, model[path])
            doc_check(document_get(path), path, model[path])
    host_check(model)
