"""tests/e2e/hostile_values.py - requests that are well-formed, of values that are not: hostile_values.py CASE

The wrong types are made from the tables of the daemon, see schema.c.
"""

from hostile import *

# What may stand for a field of a document, by its type; the wrong ones are all others.
VALUES = {
    "bool": [True, False], "int": [7, -7], "fraction": [1.5], "vast": [1e300], "string": ["text"],
    "list": [[]], "object": [{}], "ints": [[5]], "strings": [["a"]], "bools": [[True]], "lists": [[[]]],
    "objects": [[{}]], "int_map": [{"a": 5}], "list_map": [{"a": []}], "object_map": [{"a": {}}],
}
RIGHT = {
    "bool": ["bool"], "int": ["int"], "string": ["string"], "label": [], "time": [],
    "strings": ["list", "strings"], "ints": ["list", "ints"], "map": ["object"],
    "object": ["object", "int_map", "list_map", "object_map"], "list": ["list", "objects"],
}
MORE_WRONG = {
    "label": ["", "Bogus", 99, -1, None], "time": ["", "yesterday", "2026-13-01T00:00:00Z"],
    "int": [1 << 63, -(1 << 63) - 1, 1e3], "string": ["a\0b"], "map": [{"a": "b\0c"}], "strings": [["a\0b"]],
}
# In YAML plain text is a string, a number or a label as it is wanted; a fraction is cut.
YAML_RIGHT = {
    **RIGHT, "string": ["string", "int", "bool", "fraction", "vast"], "int": ["int", "fraction"],
    "strings": ["list", "strings", "ints", "bools"], "map": ["object", "int_map"], "label": ["fraction"],
}


def wrong_values(field, right):
    for kind, values in VALUES.items():
        if kind not in right[field["type"]] and not (field["type"] == "label" and kind == "int"):
            yield from values
    if right is RIGHT:
        yield from MORE_WRONG.get(field["type"], [])


def walk(fields, wrap, in_yaml):
    """Each field of a document, with a function that makes the document of its value alone."""
    for field in fields:
        if in_yaml and not field["in_yaml"]:
            continue

        def make(value, name=field["name"]):
            return wrap({name: value})

        yield field, make
        if field["type"] == "object":
            yield from walk(field["fields"], make, in_yaml)
        elif field["type"] == "list":
            yield from walk(field["fields"], lambda value, make=make: make([value]), in_yaml)


def tables():
    return json.loads(subprocess.run([os.environ["SCHEMA"]], capture_output=True, check=True).stdout)


def error_names(answer, field, frame):
    """One error, on one line, that names the field: by its key or, of states, as the reference does."""
    expect(answer["result"], None, f"result for {frame}")
    error = answer["error"]
    if not isinstance(error, str) or "\n" in error or len(error) > 1000:
        fail(f"not one clear error for {frame}: {error!r}")
    if field.get("what", field["name"]) not in error:
        fail(f"the error for {frame} does not name {field['name']}: {error!r}")


def wrong_types():
    """Every wrong type for every field of every argument of every method, from the tables."""
    schema = tables()
    frames, fields = [], []
    for method in schema["methods"]:
        args = [({"name": "the arguments"}, value) for value in (5, "x", [], True, 1.5)]
        args += [(scalar, {scalar["name"]: value}) for scalar in schema["scalars"]
            for value in wrong_values(scalar, RIGHT)]
        if method["kind"]:
            args += [({"name": "Doc"}, {"Doc": value}) for value in (5, "x", [], True, 1.5)]
            args += [(field, {"Doc": make(value)})
                for field, make in walk(schema["kinds"][method["kind"]], lambda doc: doc, False)
                for value in wrong_values(field, RIGHT)]
        frames += [(method["name"], [value]) for field, value in args]
        fields += [field for field, value in args]
    with Others():
        before = everything()
        answers = batches(frames)
        for frame, field, answer in zip(frames, fields, answers):
            if next(m for m in schema["methods"] if m["name"] == frame[0])["is_local"]:
                expect(answer["error"], "rpc: can't find method KukeonV1." + frame[0])
            else:
                error_names(answer, field, frame)
        unchanged(before)
    print(len(frames), "requests")
    if len(frames) < 10000:
        fail(f"only {len(frames)} requests: the tables were not read")


def limits_of_values():
    """One byte or item more than each field may have."""
    schema = tables()
    frames, fields = [], []
    for kind, document in schema["kinds"].items():
        for field, make in walk(document, lambda doc: doc, False):
            values = []
            if field["type"] in ("string", "strings") and field["max"]:
                text = "x" * (field["max"] + 1)
                values.append(text if field["type"] == "string" else [text])
            if field["type"] == "map":
                values += [{"a": "x" * (field["max"] + 1)}, {"x" * (field["max"] + 1): "a"}]
                values.append({f"k{i}": "" for i in range(field["max_items"] + 1)})
            elif field["max_items"]:
                values.append([{"list": {}, "ints": 1}.get(field["type"], "")] * (field["max_items"] + 1))
            frames += [("Get" + kind, [{"Doc": make(value)}]) for value in values]
            fields += [field] * len(values)
    with Others():
        for frame, field, answer in zip(frames, fields, batches(frames)):
            error_names(answer, field, (frame[0], field))
    print(len(frames), "requests")


def wrong_types_in_yaml():
    """The same in manifests, which JSON is as well."""
    schema = tables()
    frames, fields = [], []
    for kind, document in schema["kinds"].items():
        for field, make in walk(document, lambda doc: {"kind": kind, **doc}, True):
            if field["name"] in ("kind", "apiVersion"):
                continue
            for value in wrong_values(field, YAML_RIGHT):
                method = ("ApplyDocuments", "DeleteDocuments")[len(frames) % 2]
                frames.append((method, [yaml(json.dumps(make(value)))]))
                fields.append((field, make(value)))
    with Others():
        before = everything()
        for (field, made), answer in zip(fields, batches(frames)):
            expect(answer["error"], None, made)
            err, result = answer["result"]["Err"], answer["result"]["Result"]
            expect(result, {"Resources": None}, made)
            name = field.get("what", field["name"])
            if not re.search(r"line 1: .*%s" % re.escape(name), err["Message"]) or \
                err["Message"].count("\n") > 1:
                fail(f"not one error that names {name} for {made}: {err}")
        unchanged(before)
    print(len(frames), "requests")


def odd_numbers():
    """Whatever its size, a number is an integer or refused with the name of its field."""
    document = json.dumps({**doc("Realm", "numbers"), "metadata": {"name": "numbers", "generation": "N"}})
    frame = '{"method":"KukeonV1.%s","id":1,"params":[{"Doc":%s,"noise":"N"}]}'
    with Others():
        before = everything()
        for number, is_int in [
            ("0", True), ("-0", True), ("-1", True),
            ("9223372036854775807", True), ("-9223372036854775808", True),
            ("9223372036854775808", False), ("-9223372036854775809", False), ("1.0", False), ("1e3", False),
            ("1E400", False), ("-1e-400", False), ("1e999999999999999999", False), ("0.1", False),
            ("-0.0", False),
            ("9" * 100000, False), ("1." + "0" * 100000, False), ("1" + "0" * 308 + ".5", False),
        ]:
            # Where nobody asks for it, any will do.
            text = (frame % ("GetRealm", document)).replace('"noise":"N"', '"noise":' + number)
            conn = Conn()
            conn.send(text.replace('"generation": "N"', '"generation": 5'))
            answer = conn.recv()
            expect((answer["error"], answer["result"]["Err"]), (None, None), number[:50])
            conn.close()
            text = (frame % ("CreateRealm", document)).replace('"N"', number)
            if is_int:
                text = text.replace("CreateRealm", "GetRealm")
                conn = Conn()
                conn.send(text)
                expect(conn.recv()["error"], None, number)
                conn.close()
            else:
                expect_in("'generation'", refused(text), number[:50])
        for number in "01", "+1", "1.", ".5", "1e", "--1", "0x10", "NaN", "Infinity", "1_000", "1e400.5", "-":
            conn = Conn()
            conn.send((frame % ("CreateRealm", document)).replace('"N"', number))
            conn.eof()
            conn.close()
        unchanged(before)


def odd_text():
    """Bytes that are no UTF-8, surrogates, zero bytes: repaired, or refused, never taken for another text."""
    with Others():
        before = everything()
        # As a name: no name at all, whatever becomes of it.
        for raw in [
            b"a\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80", b"\\ud800", b"\\udc00\\ud800", b"\\u0000", b"x\\u0000y", b"\xe2\x80\xae",
            b"\\u202e", b"\xf0\x9f\x98\x80", b"../r", b"r/../r", b".", b"..", b"a b", b"A", b"\\u2044", b"-a",
            b"a-", b"a--b", b"x" * 64, b"secrets", b"%2e%2e", b"$(id)", b"`id`", b"'", b'\\"', b"\\\\", b"*", b"~",
        ]:
            for method, kind in ("CreateRealm", "Realm"), ("CreateSpace", "Space"):
                frame = json.dumps({"method": "KukeonV1." + method, "id": 1,
                    "params": [{"Doc": doc(kind, "MARK", **{"realmId": "r"} if kind == "Space" else {})}]})
                conn = Conn()
                conn.send(frame.encode().replace(b"MARK", raw))
                answer = conn.recv()
                if not answer["error"] and not answer["result"]["Err"]:
                    fail(f"{method} of {raw!r} is taken: {answer}")
                conn.close()
        # As a filter: what it is not, it does not find.
        for raw in b"r\\u0000", b"r\xff", b"R", b"r\\ud800", b"r/", b"./r", b"*", b"":
            conn = Conn()
            conn.send(b'{"method":"KukeonV1.ListSpaces","id":1,"params":[{"RealmName":"%s"}]}' % raw)
            answer = conn.recv()
            if raw == b"r\\u0000":
                expect_in("RealmName", answer["error"])
            else:
                expect(len(answer["result"]["Spaces"]) > 0, raw == b"", raw)
            conn.close()
        # As a method, an id, a key: the answer is one line of UTF-8, and the connection goes on.
        frames = [
            b'{"method":"KukeonV1.%s","id":1,"params":[{}]}', b'{"method":"KukeonV1.Ping","id":"%s","params":[{}]}',
            b'{"method":"KukeonV1.ListCells","id":1,"params":[{"%s":1}]}',
            b'{"%s":1,"method":"KukeonV1.Ping","id":1}',
        ]
        for raw in [
            b"\xff\xfe", b"\xc0\x80", b"\\ud800", b"\\u0000", b"\\u000a", b"\xe2\x80\xa8", b"\\\\", b"\x7f",
        ]:
            conn = Conn()
            for frame in frames:
                if raw == b"\\u0000" and b'"%s":' in frame:
                    continue  # jansson knows no such key: the connection ends
                conn.send(frame % raw)
                line = conn.line()
                expect(sorted(json.loads(line.decode())), ["error", "id", "result"], raw)
            pinged(conn)
            conn.close()
        unchanged(before)


def twice():
    """Keys that are there twice: the last one counts, as in Go; nothing is made of both."""
    with Others():
        before = everything()
        for text, kind in [
            ('{"metadata":{"name":"a"},"metadata":{"name":""}}', "RealmNameRequired"),
            ('{"metadata":{"name":"a","name":""}}', "RealmNameRequired"),
            ('{"metadata":{"name":"a"},"apiVersion":"v1beta1","apiVersion":"v2"}', "ConversionFailed"),
        ]:
            conn = Conn()
            conn.send('{"method":"KukeonV1.Ping","method":"KukeonV1.CreateRealm","id":1,"params":[{}],'
                '"params":[{"Doc":{},"Doc":%s}]}' % text)
            expect(conn.recv()["result"]["Err"]["Kind"], kind)
            conn.close()
        expect_in("'generation'", refused('{"method":"KukeonV1.GetRealm","id":1,"params":[{"Doc":{"metadata":'
            '{"generation":1,"generation":"1"}}}]}'))
        unchanged(before)


def own_members():
    """What the daemon keeps beside a document is not for a client to bring, nor what it observes."""
    hostile = {"want": "stopped", "op": "0" * 16, "action": "updated", "changes": ["x"], "bootId": "x",
        "made": True}
    with Others():
        document = {**doc("Realm", "own"), "kukeon": hostile, "KUKEON": hostile}
        document["status"].update(state="Failed", reason="evil", message="evil", cgroupPath="/evil",
            subtreeControllers=["evil"])
        document["metadata"].update(generation=99)
        made = ok("CreateRealm", {"Doc": document})["Realm"]
        expect((made["status"]["state"], made["metadata"]["generation"]), ("Ready", 1))
        expect("evil" in json.dumps(made), False, "a status of the client's")
        stored = json.load(open(os.environ["RUN_PATH"] + "/data/own/metadata.json"))["kukeon"]
        expect({key: stored.get(key) for key in ("want", "action", "changes")},
            {"want": None, "action": "created", "changes": None})
        expect(stored["bootId"] != "x" and stored["op"] != "0" * 16, True)
        ok("DeleteRealm", {"Doc": document})


def log_lines():
    """What a client says is quoted in the log, but writes no lines of its own."""
    log = open(os.environ["LOG"])
    log.seek(0, 2)
    with Others():
        for text in [
            "\n2026-01-01T00:00:00.000Z error supervisor gen=1 evil", "\r\x1b[2Jevil", "evil\u2028x", "\x00evil",
        ]:
            name = "a_" + text.replace("\0", "")
            refused(request("No" + text))
            for method in "GetRealm", "CreateRealm":
                call(method, {"Doc": doc("Realm", name)})
            call("ApplyDocuments", yaml("kind: %s\n" % json.dumps("No" + text)))
    begin = re.compile(r"20\d\d-\d\d-\d\dT[\d:.]+Z (error|warning|info|debug) \w+ ")
    for line in log.read().split("\n")[:-1]:
        if not begin.match(line) or re.search(r"[\0-\x1f\x7f]", line) or line.startswith("2026-01-01"):
            fail(f"a line of the log: {line!r}")


if __name__ == "__main__":
    globals()[sys.argv[1]]()
