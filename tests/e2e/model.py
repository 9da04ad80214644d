"""tests/e2e/model.py - a random walk: each verb is done to the model of model_tree.py and to the real system.

Its reply is compared each time, all that there is now and then (model_look.py). SOCKET, RUN_PATH, CONTAINERD,
SUFFIX, GROUP, POOL and INSTANCE in the environment are the daemon's, REALM is the first one's name, ARCHIVE
has the image that cells run. MODEL_STEPS says how long the walk is, MODEL_SEED what is random in it.
"""

import collections
import random
import signal
import traceback

from model_look import *

STEPS = int(os.environ["MODEL_STEPS"])
SEED = int(os.environ["MODEL_SEED"] or random.randrange(1 << 32))
REALM, ARCHIVE = os.environ["REALM"], os.environ["ARCHIVE"]
LOOK_EVERY = 25   # verbs, between two looks at everything
KUKE_SHARE = 0.1  # of the verbs, done by kuke instead of a call
CELLS_UP = 4      # at once

# So few that one meets the other; the networks of r/s-s and r-s/s would have the same name. The realms have
# names of their own, as the leases of all tests of a host are in one place.
NAMES = (REALM, REALM + "-s"), ("s", "s-s"), ("t", "u"), ("a", "b", "c")
LABELS = None, {"x": "1"}, {"x": "2", "y": ""}
SHELL = {"id": "main", "image": IMAGE, "command": "/bin/sh", "attachable": True}
LEVELS = "RealmName", "SpaceName", "StackName", "CellName"
# With others a container might be started for ever, or at some time.
POLICIES = {True: {"restartPolicy": "always"}, False: {"restartPolicy": "on-failure", "restartMaxRetries": 1}}
PURGED = {
    "Realm": ["orphaned-containers", "cni-resources", "all-metadata"],
    "Space": ["cni-network", "cni-cache", "orphaned-containers", "all-metadata"],
    "Stack": ["cni-resources", "orphaned-containers", "all-metadata"],
    "Cell": ["cni-resources", "orphaned-containers", "all-metadata"],
}


class Step:
    """A verb and what it must come to: a refusal, or a Result that @check has nothing against. kuke is told
    @argv instead, with @text on standard input; it prints @out, a text or a function that looks at it."""

    def __init__(self, method, params, refusal, check, told="", argv=(), text=None, out=None):
        self.method = method
        self.params = params
        self.refusal = self.kuke_refusal = refusal
        self.check = check
        self.told = f"{method} {told}"
        self.argv = argv
        self.text = text
        self.out = out
        self.is_bad = False  # kuke fails, although the call does not

    def call(self):
        result = call(self.method, self.params)
        if not self.refusal:
            same("error", result["Err"], None)
            self.check(result.get("Result", result))
        elif not result["Err"]:
            raise Wrong("no error", result, self.refusal.text)
        else:
            self.refusal.check(result["Err"]["Message"])
            same("kind of the error", result["Err"]["Kind"], self.refusal.kind or result["Err"]["Kind"])

    def kuke(self, is_in_process):
        where = ["--run-path", RUN_PATH] if is_in_process else ["--host", "unix://" + SOCKET]
        self.told = f"kuke {where[0]} … {' '.join(self.argv)} {shown_yaml(self.text or '')}"
        done = subprocess.run(["kuke", *where, *self.argv], input=self.text, capture_output=True, text=True,
            timeout=LIMIT, check=False)
        if self.kuke_refusal:
            same("status, output", (done.returncode, done.stdout), (1, ""))
            same("begin and end of the error", (done.stderr[:7], done.stderr[-1:]), ("Error: ", "\n"))
            self.kuke_refusal.check(done.stderr[7:-1])
            return
        same("status, errors", (done.returncode, bool(done.stderr)), (int(self.is_bad), self.is_bad))
        if callable(self.out):
            self.out(done.stdout)
        else:
            same("output", done.stdout, self.out)


def shown_yaml(text):
    return text.replace("\n", " ")


def lines(*texts):
    return "".join(text + "\n" for text in texts)


def flags_check(want):
    """Of a Result, those."""
    return lambda result: same("result", {key: result.get(key) for key in want}, want)


def scope_argv(path):
    """--realm r --space s …, of the parents of @path."""
    return [arg for part, name in zip(KINDS, path[:-1]) for arg in ("--" + part.lower(), name)]


def set_flags(**flags):
    return [f"--{name}" for name, is_set in flags.items() if is_set]


# --- what is said of documents ---


def entry_key(entry):
    """Changes may be in any order; an error is compared by itself."""
    rest = {key: value for key, value in entry.items() if key != "error"}
    return {**rest, "changes": sorted(entry.get("changes", []))}


def entries_check(got, want):
    same("documents", [entry_key(entry) for entry in got], [entry_key(entry) for entry in want])
    for one, other in zip(got, want):
        if other["action"] == "failed":
            other["error"].check(one["error"])


def entries_read(text, indexes):
    """The entries that kuke prints, but for their indexes."""
    entries = []
    for line in text.splitlines():
        head = re.fullmatch(r'(\w+) "(.*)": (.*)', line)
        if head:
            entries.append(dict(index=indexes[len(entries)], kind=head[1], name=head[2], action=head[3]))
        elif line.startswith("  Error: "):
            entries[-1]["error"] = line[9:]
        elif line.startswith("  - containers: "):
            entries[-1]["details"] = {"containers": line[16:]}
        elif line.endswith(" (cascade)"):
            entries[-1]["cascaded"] = [line[4:-10]]
        else:
            same("begin of a line", line[:4], "  - ")
            entries[-1].setdefault("changes", []).append(line[4:])
    return entries


# --- what is said of a deletion ---


def removed_flags(verb, kind, is_cascade, is_force):
    want = {"MetadataDeleted": True, "CgroupDeleted": True}
    if kind == "Cell":
        want["ContainersDeleted"] = True
    if kind == "Space":
        want["CNINetworkDeleted"] = True
    if verb == "Delete":
        return {**want, "ContainerdNamespaceDeleted": True} if kind == "Realm" else want
    if kind == "Realm":
        want = {"RealmDeleted": True}
    if kind == "Stack":
        return {"Purged": PURGED[kind]}
    return {**want, "Purged": PURGED[kind], "PurgeSucceeded": True, "Cascade": is_cascade, "Force": is_force}


def removed_words(path, children):
    own = {1: ["namespace"], 2: ["network"]}.get(len(path), [])
    return sorted(["metadata", "cgroup", *own, *(f"{word(child)}:{child[-1]}" for child in children)])


def removed_lines(verb, path):
    kind = KINDS[len(path) - 1]
    parent = f' from {word(path[:-1])} "{path[-2]}"' if len(path) > 1 else ""
    said = [f'{verb}d {word(path)} "{path[-1]}"{parent}']
    if verb == "Purge" and kind == "Space":
        said.append("Deleted resources -> metadata:true cgroup:true cni:true")
    if verb == "Purge":
        said.append(f"Additional resources purged: [{' '.join(PURGED[kind])}]")
    return lines(*said)


class Walk:
    """What is done next. Each verb is a function that picks an object, asks the model, and returns the step;
    None where there is nothing that it could be done with."""

    def __init__(self):
        self.chance = random.Random(SEED)
        self.model = Model()

    def likely(self, share):
        return self.chance.random() < share

    def some(self, depth):
        """A path; most often of something that is there."""
        there = self.model.below((), depth)
        if there and self.likely(0.8):
            return self.chance.choice(there)
        return tuple(self.chance.choice(names) for names in NAMES[:depth])

    def some_new(self, depth):
        """A path; most often in something that is there."""
        path = self.some(depth)
        if depth > 1 and self.likely(0.7):
            path = (*self.some(depth - 1), path[-1])
        if self.likely(0.03) and (depth == 1 or path[:-1] in self.model):
            path = (*path[:-1], "bad_name")
        return path

    def some_depth(self, *weights):
        return self.chance.choices(range(1, len(weights) + 1), weights)[0]

    def some_labels(self):
        return self.chance.choice(LABELS)

    def some_spec(self, id, is_alone):
        """A container. Where another one might run beside it, it has its image: nobody says what becomes of
        the other one if not."""
        script = self.chance.choices(list(FATES)[:4], (5, 4, 1, 1))[0]
        spec = {"id": id, "image": LOST if is_alone and self.likely(0.1) else IMAGE, "command": "/bin/sh",
            "args": ["-c", script]}
        if self.likely(0.3):
            spec["env"] = [self.chance.choice(("A=1", "A=2"))]
        if self.likely(0.3):
            spec["networksAliases"] = [self.chance.choice(("one", "two"))]
        if self.likely(0.3):
            spec.update(POLICIES[FATES[script] == "Ready"], restartBackoffSeconds=0)
        return spec

    def some_specs(self):
        if self.likely(0.75):
            return [self.some_spec("main", True)]
        return [self.some_spec("main", False), self.some_spec("side", False)]

    def asked(self, function, *args):
        """What the model says: a result, or a refusal."""
        try:
            return function(*args), None
        except Refusal as refusal:
            return None, refusal

    def settle(self, path):
        if len(path) == 4 and path in self.model:
            settle(path, self.model[path])

    def can_start(self, *paths):
        """May these cells run beside those that do? Then they are ready for it, and most find their image."""
        cells = [self.model.get(path) for path in paths]
        n_new = sum(not (cell and cell.is_up()) for cell in cells)
        if n_new and self.model.n_up() + n_new > CELLS_UP:
            return False
        for path in paths:
            self.settle(path)
            realm = self.model.get(path[:1])
            if realm and not realm.images and self.likely(0.6):
                output("kuke", "--run-path", RUN_PATH, "image", "load", ARCHIVE, "--realm", path[0])
                realm.images.add(IMAGE)
        return True

    def result_check(self, path, want):
        """The document in the Result, and these flags."""
        kind, node = KINDS[len(path) - 1], self.model.get(path)

        def check(result):
            doc_check(result[kind], path, node)
            flags_check(want)(result)
        return check

    # --- create ---

    def create(self):
        depth = self.some_depth(1, 2, 3)
        path, labels, is_shut = self.some_new(depth), self.some_labels(), depth == 2 and self.likely(0.2)
        was, refusal = self.asked(self.model.create, path, labels, is_shut)
        want, made = {"Created": not was}, "already existed" if was else "created"
        own = {1: "ContainerdNamespace", 2: "CNINetwork"}.get(depth)
        for name in filter(None, ("Metadata", "Cgroup", own)):
            want.update({name + "ExistsPre": was, name + "ExistsPost": True, name + "Created": not was})
        del want["MetadataCreated"]
        host = {1: ["  - containerd namespace: " + made], 2: ["  - network: " + made]}.get(depth, [])
        where = {1: f'namespace "{namespace(path[0])}"', 2: f'{quoted(path[:1])}, network "{"-".join(path)}"'}
        head = f'{KINDS[depth - 1]} "{path[-1]}" ({where.get(depth, quoted(path[:-1]))})'
        doc = document(path, labels, **({"network": DENY} if is_shut else {}))
        has_flags = not labels and not is_shut  # kuke has no flags for those
        return Step("Create" + KINDS[depth - 1], {"Doc": doc}, refusal, self.result_check(path, want),
            f"{'/'.join(path)} labels {labels}{' shut' * is_shut}",
            ["create", word(path), path[-1], *scope_argv(path)] if has_flags else (),
            out=lines(head, "  - metadata: " + made, *host, "  - cgroup: " + made))

    def create_cell(self):
        path, labels, specs = self.some_new(4), self.some_labels(), self.some_specs()
        is_started = self.likely(0.5)
        if is_started and not self.can_start(path):
            return None
        was, refusal = self.asked(self.model.create_cell, path, specs, labels, is_started)
        want = {"Created": not was, "Started": is_started, "StartedPost": is_started, "StartedPre": False,
            "CgroupCreated": not was, "RootContainerCreated": not was, "Containers": [{"Name": spec["id"],
                "ExistsPre": was, "ExistsPost": True, "Created": not was} for spec in specs]}
        for name in "Metadata", "Cgroup", "RootContainer":
            want.update({name + "ExistsPre": was, name + "ExistsPost": True})
        return Step("CreateCell" if is_started else "MaterializeCell",
            {"Doc": document(path, labels, containers=specs)}, refusal, self.result_check(path, want),
            f"{'/'.join(path)} labels {labels} {json.dumps(specs)}")

    def kuke_create_cell(self):
        path = self.some_new(4)
        if path in self.model:
            where = " ".join(f'{kind.lower()}="{name}"' for kind, name in zip(KINDS, path[:-1]))
            refusal = Refusal(None, (f'cell "{path[-1]}" already exists in {where}; ',))
        else:
            _, refusal = self.asked(self.model.create_cell, path, [SHELL], None, False)
        return Step(None, None, refusal, None,
            argv=["create", "cell", path[-1], "--image", IMAGE, *scope_argv(path)],
            out=lines(f'Cell "{path[-1]}" ({quoted(path[:-1])})', "  - metadata: created",
                "  - cgroup: created", "  - root container: created", '  - container "main": created',
                "  - containers: not started"))

    # --- start, stop, kill, restart, and somebody who kills by himself ---

    def cell_step(self, method, path, refusal, want, said):
        return Step(method, {"Doc": document(path)}, refusal, self.result_check(path, want), "/".join(path),
            [method[:-4].lower(), path[-1], *scope_argv(path)],
            out=lines(f'{said} cell "{path[-1]}" from stack "{path[2]}"'))

    def start(self):
        path = self.some(4)
        if not self.can_start(path):
            return None
        _, refusal = self.asked(self.model.start, path)
        return self.cell_step("StartCell", path, refusal, {"Started": True}, "Started")

    def restart(self):
        path = self.some(4)
        if not self.can_start(path):
            return None
        was_up, refusal = self.asked(self.model.restart, path)
        return self.cell_step("RestartCell", path, refusal, {"Started": True, "Restarted": was_up},
            "Restarted" if was_up else "Started")

    def stop(self):
        path = self.some(4)
        _, refusal = self.asked(self.model.stop, path)
        return self.cell_step("StopCell", path, refusal, {"Stopped": True}, "Stopped")

    def kill(self):
        path = self.some(4)
        _, refusal = self.asked(self.model.stop, path)
        return self.cell_step("KillCell", path, refusal, {"Killed": True}, "Killed")

    def crash(self):
        """A process is killed: it comes back, or not, as its policy says."""
        running = [(path, id) for path, cell in self.model.cells() if cell.is_up()
            for id in sorted(cell.running())]
        if not running:
            return None
        path, id = self.chance.choice(running)
        cell = self.model[path]
        settle(path, cell)
        for line in ctr("-n", namespace(path[0]), "tasks", "ls").splitlines():
            if line.split()[0] == container_id(path, id):
                os.kill(int(line.split()[1]), signal.SIGKILL)
        if "restartPolicy" in cell.specs[id]:
            cell.fresh.add(id)
        else:
            cell.states[id] = "Error"
        cell.is_settled = False
        settle(path, cell)
        return Step("GetCell", {"Doc": document(path)}, None, self.result_check(path, {}),
            f"{'/'.join(path)} after {id} was killed")

    # --- delete, purge ---

    def remove(self):
        depth, verb = self.some_depth(1, 2, 4, 8), self.chance.choice(("Delete", "Delete", "Purge"))
        path, kind = self.some(depth), KINDS[depth - 1]
        is_cascade, is_force = depth < 4 and self.likely(0.25), depth < 4 and self.likely(0.1)
        is_lost = verb == "Purge" and depth == 1 and path not in self.model
        result, refusal = ((), 0), None
        if not is_lost:  # else what is left of it is purged, and nothing is
            # Forcing takes the children along: without their parent nobody could manage them any more.
            result, refusal = self.asked(self.model.remove, path, is_cascade or is_force, verb.lower())

        def check(got):
            flags_check(removed_flags(verb, kind, is_cascade, is_force))(got)
            if depth < 4:
                same("Deleted", sorted(got["Deleted"]), removed_words(path, result[0]))
        flags = set_flags(cascade=is_cascade, force=is_force)
        return Step(verb + kind, {"Doc": document(path), "Cascade": is_cascade, "Force": is_force}, refusal,
            check, " ".join(["/".join(path), *flags]),
            [verb.lower(), word(path), path[-1], *scope_argv(path), *flags], out=removed_lines(verb, path))

    # --- documents ---

    def some_scope_document(self):
        depth = self.some_depth(1, 2, 3)
        path = self.some_new(depth)
        scope = self.model.get(path)
        labels = scope.labels or None if scope and self.likely(0.5) else self.some_labels()
        spec = {}
        if depth == 1 and scope and self.likely(0.1):
            spec["namespace"] = "another"
        if depth == 2 and (scope.is_shut if scope and self.likely(0.6) else self.likely(0.3)):
            spec["network"] = DENY
        if depth == 3 and self.likely(0.4):
            spec["id"] = self.chance.choice((path[-1], "another"))
        return document(path, labels, **spec)

    def some_cell_document(self):
        path = self.some_new(4)
        cell = self.model.get(path)
        if not cell or self.likely(0.2):
            return cell_document(path, self.some_specs(), self.some_labels())
        specs = [dict(spec) for spec in cell.specs.values()]
        labels = cell.labels if self.likely(0.8) else self.some_labels()
        if self.likely(0.05):
            return cell_document(path, specs, labels, nestedCgroupRuntime=True)
        if self.likely(0.05):
            specs[0]["hostPID"] = True
        elif self.likely(0.6):
            self.change_specs(specs)
        return cell_document(path, specs, labels)

    def change_specs(self, specs):
        """One container more, or fewer, or another one."""
        if self.likely(0.3) and specs[0]["image"] != LOST:
            if len(specs) > 1:
                specs.pop(self.chance.randrange(2))
            else:
                specs.append(self.some_spec("side" if specs[0]["id"] == "main" else "main", False))
            return
        i = self.chance.randrange(len(specs))
        specs[i] = self.some_spec(specs[i]["id"], len(specs) == 1)

    def some_container_document(self):
        """For a cell that runs, or is not there: what becomes of one that does not run nobody says."""
        path, id = self.some(4), self.chance.choice(("main", "side"))
        if path not in self.model:
            return container_document(path, self.some_spec(id, False))
        cell = self.model[path]
        if cell.state() != "Ready":
            return None
        is_same = id in cell.specs and self.likely(0.4)
        return container_document(path, cell.specs[id] if is_same else self.some_spec(id, False))

    def some_documents(self):
        kinds = self.some_scope_document, self.some_cell_document, self.some_container_document
        n = self.chance.choice((1, 1, 1, 1, 2, 3, 4))
        docs = [doc for doc in (self.chance.choices(kinds, (4, 5, 1))[0]() for _ in range(n)) if doc]
        if docs and docs[-1]["kind"] == "Cell" and self.likely(0.2):
            docs.append(cell_document(document_path(docs[-1]), self.some_specs(), self.some_labels()))
        return docs

    def spoil(self, docs):
        """Something is wrong with them, so nothing is done."""
        doc = docs[0] = copy.deepcopy(docs[0])
        what = self.chance.randrange(3)
        if what == 0:
            doc["apiVersion"] = "v2"
        elif what == 1 and doc["kind"] == "Cell":
            doc["spec"]["containers"] = []
        else:
            doc["kind"] = "Bogus"

    def documents_step(self, method, docs, function, params, argv):
        if self.likely(0.05):
            self.spoil(docs)
        text = "---\n".join(json.dumps(doc) + "\n" for doc in docs)
        entries, refusal = self.asked(function)
        step = Step(method, {**yaml(text), **params}, refusal,
            lambda result: entries_check(result["Resources"], entries),
            f"{params or ''} {shown_yaml(text)}", [*argv, "-f", "-"], text)
        if entries:
            indexes = [entry["index"] for entry in entries]
            step.out = lambda out: entries_check(entries_read(out, indexes), entries)
            step.is_bad = any(entry["action"] == "failed" for entry in entries)
        return step

    def apply(self):
        docs = self.some_documents()
        cells = {document_path(doc) for doc in docs if doc["kind"] in ("Cell", "Container")}
        if not docs or not self.can_start(*sorted(cells)):
            return None
        return self.documents_step("ApplyDocuments", docs, lambda: self.model.apply(docs), {}, ["apply"])

    def delete(self):
        docs, is_cascade = self.some_documents(), self.likely(0.2)
        if not docs:
            return None
        return self.documents_step("DeleteDocuments", docs, lambda: self.model.delete(docs, is_cascade),
            {"Cascade": is_cascade}, ["delete", *set_flags(cascade=is_cascade)])

    # --- looking ---

    def get(self):
        depth = self.some_depth(1, 1, 1, 2)
        path = self.some_new(depth)
        kind, node = KINDS[depth - 1], self.model.get(path)
        self.settle(path)
        own = {1: "ContainerdNamespace", 2: "CNINetwork", 4: "RootContainer"}.get(depth)
        want = {name + "Exists": bool(node) for name in ("Metadata", "Cgroup", own) if name}
        if depth == 4:
            want["RootContainerTaskRunning"] = bool(node) and node.is_up()
        state = node.state() if depth == 4 and node else "Ready"

        def check_missing(result):
            same("document", result[kind], missing(kind))
            flags_check(want)(result)

        def out(text):
            row = [path[-1], *path[:-1], state, *["-"] * (depth == 4)]
            same("rows", [line.split()[:-1] for line in text.splitlines()[2:]], [row])
        step = Step("Get" + kind, {"Doc": document(path)}, None, self.result_check(path, want) if node else
            check_missing, "/".join(path), ["get", word(path), path[-1], *scope_argv(path)], out=out)
        if not node:  # which is no error of the call
            stack = "/".join(f'"{name}"' for name in path[:-1])
            step.kuke_refusal = not_found(path) if depth < 4 else \
                Refusal(None, f'cell "{path[-1]}" not found in stack {stack}')
        return step

    def get_container(self):
        path, id = self.some(4), self.chance.choice(("main", "side"))
        cell, refusal = self.model.get(path), None
        self.settle(path)
        if not cell:
            refusal = Refusal(None, f'failed to get cell "{path[-1]}": cell not found')
        elif id not in cell.specs:
            refusal = Refusal(None,
                f'container "{id}" not found in cell "{path[-1]}" at run-path "{RUN_PATH}"')

        def check(result):
            container = result["Container"]
            same("name", container["metadata"]["name"], id)
            same("spec", fields(container["spec"]), fields(cell.specs[id]))
            if id in cell.records:
                same("state", container["status"]["state"], cell.states[id])
                same("flags", (result["CellMetadataExists"], result["ContainerExists"]), (True, True))
        return Step("GetContainer", {"Doc": container_document(path, {"id": id})}, refusal, check,
            f"{'/'.join(path)} {id}")

    def list(self):
        depth = self.some_depth(1, 1, 1, 1)
        above, kind = self.some(4)[:self.chance.randrange(depth)], KINDS[depth - 1]
        want = self.model.below(above, depth)
        return Step(f"List{kind}s", dict(zip(LEVELS, above)), None,
            lambda result: same("list", [document_path(doc) for doc in result[kind + "s"]], want),
            "/".join(above))

    def containers_in(self, above):
        return [(*path, id) for path, cell in self.model.cells() if path[:len(above)] == above
            for id in cell.specs]

    def list_containers(self):
        above = self.some(4)[:self.chance.randrange(5)]
        want = self.containers_in(above)

        def check(result):
            specs = result["Containers"]
            same("list", [(*(spec[part] for part in PARTS), spec["id"]) for spec in specs], want)
        return Step("ListContainers", dict(zip(LEVELS, above)), None, check, "/".join(above))

    def refresh(self):
        for path, cell in self.model.cells():
            settle(path, cell)
        want = {f"{kind}sFound": [path[-1] for path in self.model.below((), depth)]
            for depth, kind in enumerate(KINDS, 1)}
        want["ContainersFound"] = ["/".join(path) for path in self.containers_in(())]
        want["Errors"] = []
        want.update({f"{kind}sUpdated": [] for kind in APPLIED})
        return Step("RefreshAll", {}, None, flags_check(want))

    def nameless(self):
        """A part of the path is missing."""
        depth = self.some_depth(1, 1, 1, 1)
        path, i = list(self.some(depth)), self.chance.randrange(depth)
        path[i] = self.chance.choice(("", " "))
        method = self.chance.choice(("Get", "Create", "Delete", "Purge")) + KINDS[depth - 1]
        refusal = Refusal(KINDS[i] + "NameRequired", f"{KINDS[i].lower()} name is required")
        return Step(method, {"Doc": document(tuple(path))}, refusal, None, f"{path}")

    def do(self, step):
        """By a call, or by kuke with the daemon or in-process."""
        if step.argv and (not step.method or self.likely(KUKE_SHARE)):
            step.kuke(self.likely(0.5))
        else:
            step.call()


VERBS = {
    Walk.create: 12, Walk.create_cell: 10, Walk.kuke_create_cell: 2, Walk.apply: 20,
    Walk.start: 8, Walk.restart: 4, Walk.stop: 5, Walk.kill: 5, Walk.crash: 3, Walk.remove: 12, Walk.delete: 4,
    Walk.get: 8, Walk.get_container: 3, Walk.list: 3, Walk.list_containers: 2, Walk.refresh: 2,
    Walk.nameless: 1,
}


def walk_on(walk, told):
    """To the end, with the steps in @told."""
    n_done = 0
    while n_done < STEPS:
        step = walk.chance.choices(list(VERBS), VERBS.values())[0](walk)
        if not step:
            continue
        n_done += 1
        told.append((n_done, step))
        walk.do(step)
        if n_done % LOOK_EVERY == 0 or n_done == STEPS:
            everything_check(walk.model)


def main():
    told = collections.deque(maxlen=10)
    try:
        walk_on(Walk(), told)
    except (Exception, SystemExit) as failure:  # pylint: disable=broad-except
        print(f"seed {SEED}: {failure}\nthe last verbs were")
        for n, step in told:
            print(f"  {n}: {step.told}")
        if not isinstance(failure, (Wrong, SystemExit)):
            traceback.print_exc()
        sys.exit(1)


if __name__ == "__main__":
    main()
