"""tests/e2e/hostile.py - clients that mean no good, and the others that must not notice: hostile.py CASE

SOCKET, LOG and DAEMON in the environment are the daemon's socket, log and pid, RUN_PATH and SCHEMA its run
path and the program that dumps the tables; PATIENCE is what a second of a plain build is to this one. Requests
that are wrong in their values alone are in hostile_values.py.
"""

import contextlib
import random
import struct
import subprocess
import threading

from rpc import *

DAEMON = int(os.environ["DAEMON"])
PATIENCE = float(os.environ["PATIENCE"])
MIB = 1 << 20
REQUEST_MAX = 12 * MIB   # supervisor/front.h
CLIENTS_MAX = 1000
BUFFERS_MAX = 256 * MIB
CALLS_MAX = 128
HALF_REQUEST = 30        # seconds
KEPT = (24 if PATIENCE == 1 else 1024) * MIB  # memory that the allocator may keep; sanitizers do
TOO_LARGE = '{"id":null,"result":null,"error":"request is too large"}'
CLOSED = (BrokenPipeError, ConnectionResetError)

# --- the daemon, seen from outside ---


def workers():
    """Names and pids of the workers; one that ends meanwhile is none."""
    pids = subprocess.run(["pgrep", "-P", str(DAEMON)], capture_output=True, text=True).stdout
    found = {}
    for pid in pids.split():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found[open(f"/proc/{pid}/comm").read().strip()] = int(pid)
    return found


def memory(what="VmRSS"):
    text = open(f"/proc/{DAEMON}/status").read()
    return int(re.search(what + r":\s+(\d+)", text)[1]) * 1024


def memory_peak_reset():
    open(f"/proc/{DAEMON}/clear_refs", "w").write("5")


def descriptors():
    return len(os.listdir(f"/proc/{DAEMON}/fd"))


def delay(pid):
    """Seconds that a process was ready to run, while others had the processor."""
    return int(open(f"/proc/{pid}/schedstat").read().split()[1]) / 1e9


class Patience:
    """Measures how long an answer takes, less what the rest of the machine takes away from it."""

    def __init__(self):
        self.pids = [DAEMON, workers()["kk-reconciler"], os.getpid()]
        self.worst = 0

    def delays(self):
        return sum(delay(pid) for pid in self.pids)

    def measure(self, what, ask):
        delayed, begin = self.delays(), time.monotonic()
        ask()
        took = time.monotonic() - begin - (self.delays() - delayed)
        self.worst = max(self.worst, took)
        if took > PATIENCE:
            fail(f"{what} took {took:.3f} s beside what others took of the machine")


def pinged(conn):
    conn.send(PING)
    expect(conn.recv()["result"]["OK"], True)


def listed(conn):
    conn.send(request("ListCells"))
    response = conn.recv()
    expect((response["error"], response["result"]["Err"]), (None, None))


def get_cells():
    subprocess.run(["kuke", "--host", "unix://" + SOCKET, "get", "cells"], check=True,
        stdout=subprocess.DEVNULL)


def on_new(ask):
    conn = Conn()
    ask(conn)
    conn.close()


def bystander(*kept_only):
    """The others: until standard input ends, on a connection kept and on new ones."""
    patience, kept, n = Patience(), Conn(), 0
    pinged(kept)
    print("ready", flush=True)
    os.set_blocking(0, False)
    while sys.stdin.buffer.raw.read(1) is None:
        patience.measure("a ping", lambda: pinged(kept))
        patience.measure("a list", lambda: listed(kept))
        if not kept_only:
            patience.measure("a new connection's ping", lambda: on_new(pinged))
            patience.measure("a new connection's list", lambda: on_new(listed))
        n += 1
        time.sleep(0.001)
    print(n, round(patience.worst, 3), flush=True)


class Others:
    """What must hold around a hostile client: others are served all the time, the processes stay the
    same, memory and descriptors come back. @kept_only: new connections have no place meanwhile."""

    def __init__(self, kept_only=False, restarts=False):
        self.kept_only = kept_only
        self.restarts = restarts

    def __enter__(self):
        self.workers = workers()
        self.memory = memory()
        self.descriptors = descriptors()
        memory_peak_reset()
        self.child = subprocess.Popen([sys.executable, __file__, "bystander", *["kept"] * self.kept_only],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        expect(self.child.stdout.readline(), "ready\n", "the others")
        return self

    def __exit__(self, failed, *_):
        self.child.stdin.close()
        said = self.child.stdout.read()
        status = self.child.wait()
        if failed:
            return
        expect(status, 0, "the others: status")
        if int(said.split()[0]) == 0:
            fail("the others were not served once")
        Patience().measure("kuke get cells", get_cells)
        if not self.restarts:
            expect(workers(), self.workers, "workers")
        os.kill(DAEMON, 0)
        wait_for("end of the connections", lambda: descriptors() <= self.descriptors)
        wait_for("end of the memory", lambda: memory() <= self.memory + KEPT)

    def peak(self):
        """Bytes that the supervisor had more than before, at its peak."""
        return memory("VmHWM") - self.memory


def everything():
    """All that the daemon has, and all that is on its disk."""
    kinds = "Realms", "Spaces", "Stacks", "Cells", "Containers"
    files = [os.path.join(place, name) for place, _, names in os.walk(os.environ["RUN_PATH"])
        for name in names]
    return sorted(json.dumps(item) for kind in kinds for item in ok("List" + kind)[kind]) + sorted(files)


def unchanged(before):
    after = everything()
    for text in {*before} ^ {*after}:
        fail(f"{'gone' if text in before else 'new'}: {text[:1000]}")


def send_anyway(conn, *parts):
    """Send as much as is taken; the bytes that were."""
    n = 0
    for part in parts:
        view = memoryview(part.encode() if isinstance(part, str) else part)
        while view:
            try:
                sent = conn.socket.send(view)
            except CLOSED:
                return n
            n += sent
            view = view[sent:]
    return n


def hang_up(conn):
    """Go with unread data, and at once."""
    conn.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


def together(n, function):
    """@function n times at once; what fails in one fails here."""
    failures = []

    def run(i):
        try:
            function(i)
        except BaseException as failure:  # pylint: disable=broad-except
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for failure in failures:
        raise failure


def pipeline(conn, requests):
    """Send all and read as many responses meanwhile, each by its id."""
    sender = threading.Thread(target=lambda: send_anyway(conn, *requests))
    sender.start()
    answers = {}
    for _ in requests:
        response = conn.recv()
        answers[response["id"]] = response
    sender.join()
    expect(len(answers), len(requests), "ids")
    return answers


def batches(frames):
    """The responses to all @frames, in their order."""
    conn, answers = Conn(), []
    for i in range(0, len(frames), CALLS_MAX):
        part = [json.dumps({"method": "KukeonV1." + method, "params": params, "id": i + k})
            for k, (method, params) in enumerate(frames[i:i + CALLS_MAX])]
        found = pipeline(conn, ["\n".join(part)] + [""] * (len(part) - 1))
        answers += [found[i + k] for k in range(len(part))]
    return answers


# --- bytes ---


def garbage():
    """Random bytes, bytes of other protocols, halves: the end, without an answer."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    others = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"SSH-2.0-x\r\n", b"\0" * 70000, b"\xff" * 70000,
        b"\x80\x81\x82", b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0", b"{" + b"\xff" * 65536, b"{\0}"]
    with Others():
        for i in range(300):
            raw = others[i] if i < len(others) else chance.randbytes(chance.randrange(1, 65536))
            if i % 3 == 0:
                raw = b"{" + raw.replace(b"}", b"{")  # "{}" would be a request
            conn = Conn()
            send_anyway(conn, raw)
            try:
                conn.half_close()
            except OSError:
                pass  # closed already
            line = conn.line()
            if line not in (b"", TOO_LARGE.encode()):
                fail(f"{raw[:100]!r}… is answered: {line[:200]!r}")
            conn.close()


def no_requests():
    """JSON that is no request: the end, or the documented text."""
    ill = "rpc: service/method request ill-formed: "
    missing_params = "jsonrpc: request body missing params"
    with Others():
        for text in ["1 ", "-1.5e3 ", '"x"', "null ", "true ", "[]", "[[]]", "[" + PING + "]",
            '{"method":1}', '{"method":[]}', '{"method":{}}', '{"method":false,"id":1,"params":[{}]}']:
            conn = Conn()
            conn.send(text)
            conn.eof()
        for text, error in [
            ("{}", ill), ('{"id":1}', ill), ('{"a":{"method":"KukeonV1.Ping"}}', ill),
            ('{"method":"","params":[{}]}', ill), ('{"method":"Ping","params":[{}]}', ill + "Ping"),
            ('{"method":"KukeonV1.Ping"}', missing_params),
            ('{"method":"KukeonV1.ListCells"}', missing_params),
            ('{"method":"KukeonV1.ListCells","params":{}}',
                "json: cannot unmarshal object into Go value of type [1]interface {}"),
            ('{"method":"KukeonV1.Nope","params":[{}]}', "rpc: can't find method KukeonV1.Nope"),
            ('{"method":"a.b","params":[{}]}', "rpc: can't find service a.b"),
            (request("x" * 600), "rpc: can't find method: its name is too long"),
            (request("x" * (11 * MIB)), "rpc: can't find method: its name is too long"),
        ]:
            expect(refused(text), error, text[:100])


def huge_requests():
    """1 GB as one request, of every form: cut at the limit, and kept no longer."""
    head = '{"method":"KukeonV1.Ping","params":[{}],"id":'
    piece = MIB * 4
    with Others() as others:
        for begin, filling in [(head + '"', b"x"), (head, b" "), (head, b"1"), ('{"method":"', b"\xff"),
            ('{"method":"KukeonV1.ListCells","params":[{"RealmName":"', b"\\u0041")]:
            conn = Conn()
            sent = send_anyway(conn, begin, *[filling * (piece // len(filling))] * 250)
            if not REQUEST_MAX <= sent <= REQUEST_MAX + 2 * MIB:
                fail(f"{sent} bytes of a request of 1 GB were taken")
            expect(conn.line().decode(), TOO_LARGE)
            conn.eof()
        # As many blanks as anyone likes are no request, and are not kept.
        conn = Conn()
        expect(send_anyway(conn, *[b" \n" * (piece // 2)] * 16), 16 * piece)
        pinged(conn)
        conn.close()
        if others.peak() > 64 * MIB * PATIENCE:
            fail(f"the supervisor took {others.peak() // MIB} MiB more")


def many_values():
    """A tree takes a hundred times the memory of its text: values have a limit as well."""
    with Others() as others:
        for filling in "{},", "[],", "0,", '"":0,', "[[],{}],":
            text = '{"method":"KukeonV1.ListCells","id":1,"params":[{"x":['
            conn = Conn()
            send_anyway(conn, text, filling * (11 * MIB // len(filling)), "0]}]}")
            expect(conn.line().decode(), TOO_LARGE)
            conn.eof()
        # Just below the limit of each kind.
        for filling, n in ("{},", 1 << 17), ("0,", (1 << 18) - 10), ('"a":{"b":[]},', 1 << 16):
            brackets = "[%s0]" if filling[0] != '"' else '{%s"z":0}'
            conn = Conn()
            conn.send('{"method":"KukeonV1.ListRealms","id":1,"params":[{"x":' +
                brackets % (filling * (n - 4)) + "}]}")
            expect(conn.recv()["error"], None, filling)
            conn.close()
        if others.peak() > 128 * MIB * PATIENCE:
            fail(f"the supervisor took {others.peak() // MIB} MiB more")


def nest(depth, left, right, middle="1"):
    return left * depth + middle + right * depth


def deep_requests():
    """10 000 levels, and a million: the end, or an error that says so; nobody runs out of stack."""
    realm = json.dumps(doc("Realm", "deep"))
    with Others():
        before = everything()
        for left, right in ("[", "]"), ('{"a":', "}"), ('[{"a":', "}]"), ("[", ""), ("[[{", "}}]"):
            for depth in 2500, 10000, 1000000:
                deep = nest(depth, left, right)
                for frame in [
                    deep, '{"a":' + deep + "}", '{"method":"KukeonV1.Ping","id":' + deep + ',"params":[{}]}',
                    '{"method":"KukeonV1.CreateRealm","id":1,"params":' + deep + "}",
                    '{"method":"KukeonV1.CreateRealm","id":1,"params":[' + deep + "]}",
                    '{"method":"KukeonV1.CreateRealm","id":1,"params":[{"Doc":%s}]}'
                    % realm.replace('"labels": null', '"labels":{"x":%s}' % deep),
                ]:
                    if len(frame) > REQUEST_MAX:
                        continue
                    conn = Conn()
                    send_anyway(conn, frame)
                    try:
                        conn.half_close()
                    except OSError:
                        pass
                    conn.eof()
                    conn.close()
        # As deep as is read.
        deep = nest(2000, "[", "]")
        expect_in("cannot unmarshal the arguments", refused(
            '{"method":"KukeonV1.CreateRealm","id":1,"params":[%s]}' % deep))
        expect_in("'labels'", refused('{"method":"KukeonV1.CreateRealm","id":1,"params":[{"Doc":%s}]}'
            % realm.replace('"labels": null', '"labels":{"x":%s}' % deep)))
        unchanged(before)


def hostile_yaml():
    """What takes libyaml more than linear time or memory, and what is just broken."""
    n = 4 * MIB
    head = "kind: Realm\nmetadata:\n  name: x\n  labels:\n"
    laughs = "a0: &a0 [lol]\n" + "".join(f"a{i}: &a{i} [{f'*a{i - 1}, ' * 9}]\n" for i in range(1, 12))
    with Others():
        before = everything()
        for text, error in [
            (nest(10000, "[", "]"), "levels deep"), ("[" * n, "levels deep"),
            ("{a: " * (n // 4), "levels deep"), ("- " * (n // 2), "levels deep"),
            ("? " * (n // 2), "levels deep"),
            ("".join(" " * i + "a:\n" for i in range(3000)), "levels deep"),
            (head + "    x: " + nest(10000, "[", "]"), "levels deep"),
            ("".join(f"- &a{i} a\n" for i in range(100000)), "anchors"),
            ("".join(f"%TAG !a{i}! tag:x\n" for i in range(100000)), "%TAG directives"),
            ("[" + "a," * (n // 2), "tokens"), ("---\n" * (n // 4), "tokens"),
            ("---\nkind: Realm\n" * (n // 16), "tokens"), ("[" + "a: b, " * (n // 6), "tokens"),
            (head + "".join(f"    k{i}: a\n" for i in range(100000)), "more than 4096 items"),
            (laughs, "unknown kind"), ("a: &x [*x]\n", "unknown kind"), ("*x", "undefined alias"),
            (head + "    x: *y\n", "undefined alias"), ("#" * n, "no documents found"),
            (" " * n, "no documents found"), ("\t" * n, "failed to parse YAML"),
            ("\0" * n, "failed to parse YAML"), (b"\xff" * n, "failed to parse YAML"),
            ("a: '" + "x" * n, "failed to parse YAML"),
            ("a: " + "x" * n, "unknown kind"), ('a: "' + "\\x41" * (n // 4) + '"', "unknown kind"),
            (":" * n, "failed to parse YAML"),
            (b"kind: Realm\nmetadata: {name: \xc0\xaf}\n", "failed to parse YAML"),
            (head + '    x: "\\uD800"\n', "failed to parse YAML"), (head + '    x: "a\\0b"\n', "zero byte"),
            (head + "    x: 1\n    x: 2\n", "twice"),
            ("kind: Realm\nkind: Realm\nmetadata: {name: x}\n", "twice"),
        ]:
            raw = text if isinstance(text, bytes) else text.encode()
            for method in "ApplyDocuments", "DeleteDocuments":
                if len(raw) > MIB and method == "DeleteDocuments":
                    continue  # the same reader
                result = call(method, {"RawYAML": base64.b64encode(raw).decode()})
                expect(result["Result"], {"Resources": None}, raw[:60])
                expect_in(error, result["Err"]["Message"], repr(raw[:60]))
        unchanged(before)


# --- connections ---


def slow_requests():
    """A byte at a time, on a hundred connections in turn."""
    with Others():
        conns = [Conn() for _ in range(100)]
        for byte in PING.encode():
            for conn in conns:
                conn.socket.send(bytes([byte]))
        for conn in conns:
            expect(conn.recv()["result"]["OK"], True)
            conn.close()


def sleeper():
    """Runs beside all other cases: the time of half a request ends, that of an idle client does not."""
    idle, half, slow, silent = Conn(), Conn(), Conn(), Conn()
    pinged(idle)
    half.send(PING[:20])
    begin = time.monotonic()
    slow.send("{")
    ends = {}
    while time.monotonic() < begin + HALF_REQUEST + 5 and len(ends) < 2:
        time.sleep(0.25)
        if "slow" not in ends:
            try:
                slow.socket.send(b" ")
            except CLOSED:
                ends["slow"] = time.monotonic() - begin
        half.socket.setblocking(False)
        try:
            expect(half.socket.recv(1), b"", "answer to half a request")
            ends["half"] = time.monotonic() - begin
        except BlockingIOError:
            pass
    for name in "half", "slow":
        took = ends.get(name, 0)
        if not HALF_REQUEST - 1 < took < HALF_REQUEST + 3:
            fail(f"the {name} request had {took:.1f} s: {ends}")
    for conn in idle, silent:
        pinged(conn)


def connected(n):
    """Connections that were made, of which as many as have a place are open."""
    conns = []
    for _ in range(n):
        conn = Conn.__new__(Conn)
        conn.buffer = b""
        conn.socket = socket.socket(socket.AF_UNIX)
        conn.socket.connect(SOCKET)  # waits while the backlog is full
        conn.socket.settimeout(LIMIT)
        conns.append(conn)
    return conns


def served(conn):
    """Is it? A refused one is closed without a word."""
    try:
        conn.send(PING)
        line = conn.line()
    except CLOSED:
        return False
    if line:
        expect(json.loads(line)["result"]["OK"], True)
    return line != b""


def descriptors_allow(n):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < n:
        resource.setrlimit(resource.RLIMIT_NOFILE, (n, max(n, hard)))


def crowd():
    """10 000 connections: 1000 are served, the others closed, and later there is a place again."""
    descriptors_allow(11000)
    with Others(kept_only=True) as others:
        conns = connected(10000)
        n = sum(served(conn) for conn in conns)
        if not CLIENTS_MAX - 10 <= n <= CLIENTS_MAX:
            fail(f"{n} of 10000 connections are served")
        if descriptors() > others.descriptors + CLIENTS_MAX:
            fail(f"the supervisor has {descriptors()} descriptors")
        for conn in conns:
            conn.close()
        wait_for("place", lambda: served(Conn()))


def few_descriptors_of(limit):
    conns, before = connected(300), workers()
    n = sum(served(conn) for conn in conns)
    if not (0 < n < limit if limit == 64 else n == 0):
        fail(f"{n} of 300 connections are served with {limit} descriptors")
    if n:
        os.kill(before["kk-cgroup"], 9)
        wait_for("worker", lambda: workers().get("kk-cgroup", 0) not in (0, before["kk-cgroup"]))
    for conn in conns:
        conn.close()


def few_descriptors():
    """The daemon runs out of descriptors before it has all clients: workers have their share."""
    limits = resource.prlimit(DAEMON, resource.RLIMIT_NOFILE)
    with Others(kept_only=True, restarts=True):
        try:
            for limit in 64, 20:
                resource.prlimit(DAEMON, resource.RLIMIT_NOFILE, (limit, limits[1]))
                few_descriptors_of(limit)
        finally:
            resource.prlimit(DAEMON, resource.RLIMIT_NOFILE, limits)
        wait_for("place", lambda: served(Conn()))
        expect(ok("GetRealm", {"Doc": doc("Realm", "r")})["CgroupExists"], True)


def vanish():
    """Connect and go, with nothing said, half a request, a whole one or many."""
    many = "".join(request("ListCells", id=i) for i in range(50))
    with Others():
        for text in "", PING[:30], PING, request("ListCells"), many, "{" * 1000:
            for i in range(1000 if len(text) < 1000 else 100):
                conn = Conn()
                send_anyway(conn, text)
                if i % 2:
                    hang_up(conn)
                else:
                    conn.close()


def hang_ups():
    """Whoever leaves without its answer, has asked all the same, and once."""
    log = open(os.environ["LOG"])
    log.seek(0, 2)

    def names():
        return {realm["metadata"]["name"] for realm in ok("ListRealms")["Realms"]}

    with Others():
        before = names()
        asked = []
        for method, params in [("ListCells", {}), ("GetRealm", {"Doc": doc("Realm", "r")}), ("Ping", {}),
            ("GetCell", {"Doc": cell("x")}), ("ListContainers", {})]:
            for leave in hang_up, Conn.close:
                conn = Conn()
                conn.send(request(method, params) * 20)
                leave(conn)
                asked += [method] * 20 if method != "Ping" else []
        made = []
        for i in range(20):
            made.append(f"gone{i}")
            conn = Conn()
            conn.send(request("CreateRealm", {"Doc": doc("Realm", made[-1])}))
            (hang_up if i % 2 else Conn.close)(conn)
        # More than a connection may have under way, in one write; with answers that wait unread.
        many = [f"many{i}" for i in range(CALLS_MAX + 40)]
        conn = Conn()
        conn.send(request("ListCells"),
            "".join(request("CreateRealm", {"Doc": doc("Realm", name)}) for name in many))
        hang_up(conn)
        made += many
        wait_for("realms", lambda: names() == before | set(made))
        conn = Conn()
        conn.send("".join(request("DeleteRealm", {"Doc": doc("Realm", name)}) for name in made))
        conn.close()
        wait_for("end of the realms", lambda: names() == before)
        asked += ["CreateRealm", "DeleteRealm"] * len(made) + ["ListCells"]
        # Each call is told of once, by the process that made it.
        said = re.findall(r"call method=KukeonV1\.(\w+) peer_pid=%d " % os.getpid(), log.read())
        asked += ["ListRealms"] * said.count("ListRealms")
        expect(sorted(said), sorted(asked))


def pipelining():
    """10 000 requests in one go, then 10 000 of all kinds."""
    kinds = ["Ping", "ListRealms", "Nope", "ListCells", "GetRealm"]
    with Others():
        for methods in ["Ping"], ["ListCells"], kinds:
            n = 10000 if "GetRealm" not in methods else 5000
            answers = pipeline(Conn(), [request(methods[i % len(methods)], {"Doc": doc("Realm", "r")}, id=i)
                for i in range(n)])
            for i in range(n):
                if methods[i % len(methods)] == "Nope":
                    expect(answers[i]["error"], "rpc: can't find method KukeonV1.Nope")
                else:
                    expect(answers[i]["result"]["Err"], None)


def many_calls():
    """As many calls as all connections may have: nobody else has to wait for all of them."""
    def one(i):
        conn, params = Conn(), {"Doc": doc("Realm", "r")}
        send_anyway(conn, "".join(request("GetRealm", params, id=k) for k in range(CALLS_MAX)))
        expect(sorted(conn.recv()["id"] for k in range(CALLS_MAX)), list(range(CALLS_MAX)))

    with Others():
        together(130, one)


def large_requests():
    """Clients with as much as a request may be, pipelined, and of everything that is slow to read."""
    comment = yaml("#" + "x" * (8 * MIB))
    many_tokens = yaml("[" + "a," * (4 * MIB))
    much = "x" * (11 * MIB)
    escapes = r"\u0041" * (MIB * 3 // 2) + r"\ud800"
    texts = [request("ApplyDocuments", comment), request("ApplyDocuments", many_tokens),
        request("ListCells", {"RealmName": much}), request("GetRealm", {"Doc": doc("Realm", much)}),
        '{"method":"KukeonV1.ListCells","id":0,"params":[{"RealmName":"%s"}]}' % escapes]

    def one(i):
        conn = Conn()
        send_anyway(conn, texts[i % len(texts)], texts[(i + 1) % len(texts)])
        for _ in range(2):
            expect(conn.recv()["id"], 0)

    with Others() as others:
        together(6, one)
        if others.peak() > (BUFFERS_MAX + 256 * MIB) * PATIENCE:
            fail(f"the supervisor took {others.peak() // MIB} MiB more")


def hoarders():
    """50 clients with almost a whole request each: whoever has most has to go, the others are served."""
    text = request("ListCells", {"RealmName": "x" * (11 * MIB)})
    with Others() as others:
        conns = [Conn() for _ in range(50)]
        for conn in conns:
            send_anyway(conn, text[:-4])
        if others.peak() > (BUFFERS_MAX + 64 * MIB) * PATIENCE:
            fail(f"the supervisor took {others.peak() // MIB} MiB more")
        n = 0
        for conn in conns:
            try:
                conn.send(text[-4:])
                n += conn.line() != b""
            except CLOSED:
                pass
            conn.close()
        if not 5 <= n <= 30:
            fail(f"{n} of 50 requests of 11 MiB had room")


def deaf_clients_of(n):
    with Others() as others:
        conns = [Conn() for _ in range(n)]
        for conn in conns:
            send_anyway(conn, "".join(request("ListRealms", id=i) for i in range(60)))
        # One that reads, if slowly, has all of its answers meanwhile.
        reader = Conn()
        for _ in range(20):
            reader.send(request("ListRealms"))
            while reader.socket.recv(4096)[-1:] != b"\n":
                pass
        if others.peak() > (BUFFERS_MAX + 96 * MIB) * PATIENCE:
            fail(f"the supervisor took {others.peak() // MIB} MiB more")
        for conn in *conns, reader:
            conn.close()
        # Pings that nobody reads.
        conn = Conn()
        sent = send_anyway(conn, *[PING * 2000] * 2000)
        if sent == len(PING) * 4000000:
            fail("4 million answers were kept for one client")


def deaf_clients():
    """Large answers that nobody reads: kept up to a limit, each and all together."""
    bulk = "".join("---\nkind: Realm\nmetadata: {name: bulk%d, labels: {x: %s}}\n" % (i, "y" * 60000)
        for i in range(16))
    ok("ApplyDocuments", yaml(bulk))
    try:
        deaf_clients_of(30)
    finally:
        ok("DeleteDocuments", yaml(bulk))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
