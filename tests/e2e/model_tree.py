"""tests/e2e/model_tree.py - the model: a tree of what there is, which says what each verb must come to.

It has the reference's word, and where that leaves something open, that of the design and the other tests.
"""

import json

KINDS = "Realm", "Space", "Stack", "Cell"
APPLIED = (*KINDS, "Container")  # in this order
PARTS = "realmId", "spaceId", "stackId", "cellId"

IMAGE, LOST = "busybox", "nobody/has:this"
SLEEPS = [f'trap "exit 0" TERM; sleep 100{i} & wait' for i in range(2)]
FATES = {SLEEPS[0]: "Ready", SLEEPS[1]: "Ready", "exit 0": "Exited", "exit 3": "Error", None: "Exited"}
BAKED = "image", "command", "args", "env"  # a container is made anew for them
FIELDS = (*BAKED, "networksAliases", "restartPolicy", "restartBackoffSeconds", "restartMaxRetries", "attachable")
DENY = {"egress": {"default": "deny"}}


class Wrong(Exception):
    """What is not as the model says."""

    def __init__(self, what, got, want):
        super().__init__(f"{what}\n  expected: {shown(want)}\n  got:      {shown(got)}")


def shown(value):
    return value if isinstance(value, str) else json.dumps(value, default=sorted)


def same(what, got, want):
    if got != want:
        raise Wrong(what, got, want)


class Refusal(Exception):
    """The error that a verb must have: its kind, None for any; its text, or a tuple of parts of it."""

    def __init__(self, kind, text):
        super().__init__(kind, text)
        self.kind = kind
        self.text = text

    def check(self, got):
        if isinstance(self.text, str):
            same("error", got, self.text)
        elif not all(part in got for part in self.text):
            raise Wrong("error", got, self.text)


class Scope:
    """A realm, a space or a stack."""

    def __init__(self, name, labels, is_managed, is_shut=False):
        self.labels = labels or {}
        self.is_managed = is_managed  # has labels of ours; None: made as a parent, nobody says
        self.is_shut = is_shut        # a space: nothing goes out
        self.id = name                # of a stack
        self.images = set()           # of a realm


class Cell:
    """A cell, and what is there of it on the host."""

    def __init__(self, specs, labels, is_managed):
        self.labels = labels or {}
        self.is_managed = is_managed
        self.specs = {spec["id"]: spec for spec in specs}
        self.states = dict.fromkeys(self.specs, "NotCreated")
        self.records = set()     # ids of containers that containerd has
        self.is_wanted = False   # to run
        self.is_failed = False
        self.has_group = False
        self.has_network = False
        self.is_settled = True   # else an event is awaited
        self.began = {}          # when containers started, as was seen
        self.fresh = set()       # ids of those that were started since

    def state(self):
        states = set(self.states.values())
        if not self.is_wanted:
            return "Stopped"
        if self.is_failed:
            return "Failed"
        if "Ready" in states:
            return "Degraded" if "Error" in states else "Ready"
        return "Error" if "Error" in states else "Exited"

    def is_up(self):
        return self.state() in ("Ready", "Degraded")

    def tasks(self):
        """Ids of containers that run, or have ended by themselves."""
        return {id for id in self.records if self.states[id] in ("Ready", "Exited", "Error")}

    def running(self):
        return {id for id in self.records if self.states[id] == "Ready"}

    def start(self, images):
        """Whether it can be started: where an image is missing, nothing was running before."""
        self.is_wanted = self.has_group = self.has_network = True
        self.is_failed = not {spec["image"] for spec in self.specs.values()} <= images
        if self.is_failed:
            self.states.update((id, "NotCreated") for id in self.specs if id not in self.records)
            return False
        for id, spec in self.specs.items():
            if self.states[id] == "Ready":
                continue
            self.states[id] = fate(spec)
            if self.states[id] == "Ready":
                self.fresh.add(id)
            else:
                self.is_settled = False
        self.records = set(self.specs)
        return True

    def halt(self):
        self.is_wanted = self.is_failed = self.has_network = False
        self.is_settled = True
        self.fresh.clear()
        self.states = dict.fromkeys(self.specs, "Stopped")

    def replace(self, specs):
        """Other containers: those that stay the same go on."""
        old, self.specs = self.specs, {spec["id"]: spec for spec in specs}
        kept = {id for id in old if id in self.specs and not is_made_anew(old[id], self.specs[id])}
        self.records &= kept
        self.fresh &= kept
        self.states = {id: self.states[id] if id in kept else "NotCreated" for id in self.specs}


def fate(spec):
    """What becomes of a container by itself. A shell at a terminal waits for somebody to sit down."""
    if spec.get("attachable") and not spec.get("args"):
        return "Ready"
    return FATES[(spec.get("args") or [None])[-1]]


def is_made_anew(old, new):
    return any(old.get(field) != new.get(field) for field in BAKED)


def container_changes(old, new):
    fields = [field for field in FIELDS if old.get(field) != new.get(field)]
    return [f'container "{new["id"]}" updated: {", ".join(fields)}'] if fields else []


def containers_changes(old, new):
    """From specs by id to others."""
    return [change for id in new if id in old for change in container_changes(old[id], new[id])] + \
        [f'container "{id}" added' for id in new if id not in old] + \
        [f'container "{id}" removed' for id in old if id not in new]


# --- names, documents ---


def word(path):
    return KINDS[len(path) - 1].lower()


def quoted(path):
    """realm "r", space "s", …"""
    return ", ".join(f'{kind.lower()} "{name}"' for kind, name in zip(KINDS, path))


def not_found(path):
    where = f" in {quoted(path[:-1])}" if len(path) > 1 else ""
    return Refusal(None, f'{word(path)} "{path[-1]}" not found{where}')


def name_check(path):
    name, rule = path[-1], "contains disallowed character (must not contain '_' or '/')"
    if "_" in name and len(path) == 1:
        raise Refusal("Unknown", f'realm name is invalid: "{name}" {rule}')
    if "_" in name:
        raise Refusal("Unknown", f'name is invalid: {word(path)} name "{name}" {rule}')


def document(path, labels=None, **spec):
    return {"apiVersion": "v1beta1", "kind": KINDS[len(path) - 1],
        "metadata": {"name": path[-1], "labels": labels}, "spec": {**dict(zip(PARTS, path[:-1])), **spec}}


def cell_document(path, specs, labels=None, **spec):
    return document(path, labels, id=path[-1], containers=specs, **spec)


def container_document(path, spec):
    return {"apiVersion": "v1beta1", "kind": "Container", "metadata": {"name": spec["id"], "labels": None},
        "spec": {**dict(zip(PARTS, path)), **spec}}


def document_path(doc):
    """Of a container, that of its cell."""
    path = tuple(doc["spec"][part] for part in PARTS if part in doc["spec"])
    return path if doc["kind"] == "Container" else (*path, doc["metadata"]["name"])


# --- the tree ---


class Model(dict):
    """All objects, by path. A verb changes them, and returns what it must report, or raises a Refusal."""

    def below(self, path, depth=None):
        """Paths of the objects in @path, all of them or those of one depth."""
        return sorted(p for p in self
            if p[:len(path)] == path and len(p) > len(path) and depth in (None, len(p)))

    def children(self, path):
        return self.below(path, len(path) + 1)

    def cells(self):
        return [(path, self[path]) for path in self.below((), 4)]

    def n_up(self):
        return sum(cell.is_up() for _, cell in self.cells())

    def found(self, path):
        if path not in self:
            raise not_found(path)
        return self[path]

    # --- create ---

    def parents_check(self, path):
        for i in range(1, len(path)):
            if path[:i] not in self:
                raise Refusal(KINDS[i - 1] + "NotFound",
                    (f"failed to create {word(path)}: {KINDS[i - 1].lower()} not found",))

    def create(self, path, labels, is_shut):
        """Was it there?"""
        if path in self:
            return True
        name_check(path)
        self.parents_check(path)
        self[path] = Scope(path[-1], labels, True, is_shut)
        return False

    def create_cell(self, path, specs, labels, is_started):
        """Was it there?"""
        if path in self:
            if is_started and self[path].state() != "Ready":
                self.bring_up(path, "failed to start cell containers")
            return True
        self.parents_check(path)
        name_check(path)
        self.add_cell(path, Cell(specs, labels, True), is_started)
        return False

    def add_cell(self, path, cell, is_started):
        """What can't be created leaves nothing behind."""
        if is_started and not cell.start(self[path[:1]].images):
            raise Refusal("ImageNotFound", ("failed to create cell", "image not found"))
        self[path] = cell

    def bring_up(self, path, failure):
        if not self[path].start(self[path[:1]].images):
            raise Refusal("ImageNotFound", (failure, "image not found"))

    # --- start, stop, restart ---

    def start(self, path):
        state = self.found(path).state()
        if state == "Ready":
            raise Refusal("Unknown", f'cell "{path[-1]}" has running containers and must first be stopped')
        is_recovered = state in ("Failed", "Error", "Degraded")
        self.bring_up(path, f"failed to recover {state} cell: " if is_recovered else
            "failed to start cell containers: ")

    def stop(self, path):
        self.found(path).halt()

    def restart(self, path):
        """Did it run?"""
        is_running = self.found(path).state() == "Ready"
        if is_running:
            self.stop(path)
        self.start(path)
        return is_running

    # --- delete, purge ---

    def remove(self, path, is_deep, verb):
        """Its children that went along, and the number of its containers."""
        node, kind, children = self.found(path), word(path), self.children(path)
        if children and not is_deep:
            raise Refusal("ResourceHasDependencies", f"failed to {verb} {kind}: resource has child resources: "
                f'{kind} "{path[-1]}" has {len(children)} {word(children[0])}(s). '
                f"Use --cascade to {verb} them or --force to skip validation")
        for one in (path, *self.below(path)):
            del self[one]
        return children, len(node.records) if kind == "cell" else 0

    # --- documents ---

    def apply(self, docs):
        return self.documents(docs, self.apply_one, APPLIED)

    def delete(self, docs, is_deep):
        return self.documents(docs, lambda doc: self.delete_one(doc, is_deep), APPLIED[::-1])

    def documents(self, docs, function, order):
        """An entry for each document, in the order in which they are done."""
        validate(docs)
        entries = []
        for index, doc in sorted(enumerate(docs), key=lambda item: (order.index(item[1]["kind"]), item[0])):
            entry = {"index": index, "kind": doc["kind"], "name": doc["metadata"]["name"]}
            try:
                entry.update(function(doc))
            except Refusal as refusal:
                entry.update(action="failed", error=refusal)
            entries.append(entry)
        return entries

    def apply_one(self, doc):
        path, spec, labels = document_path(doc), doc["spec"], doc["metadata"]["labels"] or {}
        if doc["kind"] == "Container":
            return self.apply_container(path, spec)
        name_check(path)
        for i in range(1, len(path)):
            self.setdefault(path[:i], Scope(path[i - 1], None, None))
        if doc["kind"] == "Cell":
            return self.apply_cell(path, labels, spec)
        return self.apply_scope(path, labels, spec)

    def apply_scope(self, path, labels, spec):
        is_shut = "network" in spec
        if path not in self:
            self[path] = Scope(spec.get("id", path[-1]), labels, False, is_shut)
            return {"action": "created"}
        scope, id = self[path], spec.get("id", self[path].id)
        breaking_check(path, "spec.namespace", "namespace" in spec)
        changes = [field for field, is_changed in (("metadata.labels", scope.labels != labels),
            ("spec.network", scope.is_shut != is_shut), ("spec.id", scope.id != id)) if is_changed]
        scope.labels, scope.is_shut, scope.id = labels, is_shut, id
        return {"action": "updated", "changes": changes} if changes else {"action": "unchanged"}

    def apply_cell(self, path, labels, spec):
        if path not in self:
            self.add_cell(path, Cell(spec["containers"], labels, False), True)
            return {"action": "created"}
        cell = self[path]
        breaking_check(path, "spec.nestedCgroupRuntime", "nestedCgroupRuntime" in spec)
        if any("hostPID" in one for one in spec["containers"]):
            raise Refusal(None, (f'cell "{path[-1]}" has breaking changes: [', "hostPID", "Delete the cell"))
        changes = ["metadata.labels"] if cell.labels != labels else []
        cell.labels = labels
        return self.update_cell(path, spec["containers"], changes)

    def update_cell(self, path, specs, changes):
        cell = self[path]
        changes += containers_changes(cell.specs, {spec["id"]: spec for spec in specs})
        if not changes and cell.state() == "Ready":
            return {"action": "unchanged"}
        if not changes:
            changes = ["runtime stopped: containers re-materialized",
                *(f'container "{id}" re-materialized' for id in cell.specs)]
        cell.replace(specs)
        self.bring_up(path, "")
        return {"action": "updated", "changes": changes}

    def apply_container(self, path, spec):
        if path not in self:
            raise Refusal(None, f'parent cell "{path[-1]}" not found: cell not found')
        cell, spec = self[path], {key: value for key, value in spec.items() if key not in PARTS}
        is_new = spec["id"] not in cell.specs
        entry = self.update_cell(path, list({**cell.specs, spec["id"]: spec}.values()), [])
        return {"action": "created"} if is_new else entry

    def delete_one(self, doc, is_deep):
        path = document_path(doc)
        if doc["kind"] == "Container":
            raise Refusal(None, "unknown kind: Container")
        if path not in self:
            return {"action": "not found"}
        children, n_containers = self.remove(path, is_deep, "delete")
        if doc["kind"] == "Cell":
            return {"action": "deleted", "details": {"containers": f"{n_containers} deleted"}}
        if children:
            return {"action": "deleted", "cascaded": [f"{len(children)} {word(children[0])}(s) deleted"]}
        return {"action": "deleted"}


def validate(docs):
    """One that is wrong, and nothing is done."""
    problems = []
    for i, doc in enumerate(docs):
        if doc["apiVersion"] != "v1beta1":
            problems += [f"document {i} (", "unsupported apiVersion: v2 (expected v1beta1)"]
        elif doc["kind"] not in APPLIED:
            problems += [f"document {i} (", "unknown kind: " + doc["kind"]]
        elif doc["spec"].get("containers") == []:
            problems.append(f'document {i} (Cell "{doc["metadata"]["name"]}"): '
                "spec.containers is required and cannot be empty")
    if problems:
        raise Refusal("Unknown", ("validation failed:\n  ", *problems))


def breaking_check(path, field, is_breaking):
    if is_breaking:
        raise Refusal(None, f'{word(path)} "{path[-1]}" has breaking changes: [{field}]. '
            f"Delete the {word(path)} and recreate it with the new spec")
