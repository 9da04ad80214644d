# tests/e2e/api.sh - kukeonv1 on the wire: frames made by hand, in every form a client may send them.
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

# A Python script on standard input, with the helpers of tests/support/rpc.py.
rpc() {
	{
		echo 'from rpc import *'
		cat
	} | SOCKET=$D/k.sock LOG=$D/kukeond.log DAEMON=$daemon_pid PYTHONDONTWRITEBYTECODE=1 \
		PYTHONPATH=tests/support python3 - || fail "the script above failed"
}

# --- section 2: framing ---

framing() {
	rpc <<-'END'
		c = Conn()
		c.send('\r\n\t { "method" :\n"KukeonV1.Ping",\n\t"params": [ {\n} ]\n, "id" : 1\n}')
		expect(c.recv()["id"], 1)
		ping = '{"method":"KukeonV1.Ping","params":[{}],"id":%d}'
		c.send(ping % 2 + ping % 3 + " \n\n " + ping % 4)
		expect([c.recv()["id"] for i in range(3)], [2, 3, 4])
		c.send(*(ping % 5))
		expect(c.recv()["id"], 5)
		c.send(ping[:20] % (), *[ping[20:] % 6 + ping[:30]], ping[30:] % 7)
		expect([c.recv()["id"] for i in range(2)], [6, 7])
	END
}

# Brackets and quotes inside strings are no structure.
strings_are_passed_over() {
	rpc <<-'END'
		c = Conn()
		for text in '{[', ']}', '\\"}', '\\\\', '"'.replace('"', '\\"'):
		    c.send('{"noise":"%s","method":"KukeonV1.Ping","params":[{}],"id":"%s"}' % (text, text))
		    expect(c.recv()["id"], json.loads('"%s"' % text))
	END
}

escapes() {
	rpc <<-'END'
		c = Conn()
		c.send(r'{"method":"KukeonV1.\u0050ing","params":[{}],"\u0069d":1}')
		expect(c.recv(), {"id": 1, "result": {"OK": True, "Version": "0.1.0", "Err": None}, "error": None})
		note = '<&>\u2028\u2029\u00e9\U0001f600 "\\/\b\f\t'
		sent = json.dumps(note).replace("<", r"\u003c").replace("&", r"\u0026").replace("/", r"\/")
		expect_in(r"\ud83d\ude00", sent)
		realm = json.dumps(doc("Realm", "x")).replace('"labels": null', '"labels": {"note": %s}' % sent)
		c.send('{"method":"KukeonV1.CreateRealm","params":[{"Doc":%s}],"id":2}' % realm)
		expect(c.recv()["result"]["Err"], None)
		labels = ok("GetRealm", {"Doc": doc("Realm", "x")})["Realm"]["metadata"]["labels"]
		expect(labels["note"], note)
		ok("DeleteRealm", {"Doc": doc("Realm", "x")})
	END
}

# What is no UTF-8 becomes U+FFFD, and the answer is UTF-8 again.
invalid_utf8() {
	rpc <<-'END'
		realm = json.dumps(doc("Realm", "x")).replace('"labels": null', '"labels": {"note": "MARK"}')
		frame = '{"method":"KukeonV1.CreateRealm","params":[{"Doc":%s}],"id":2}' % realm
		for raw, want in [
		    (b"a\xff\xfeb", "a\ufffd\ufffdb"),
		    (b"\xc3(", "\ufffd("),
		    (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
		    (b"\xf0\x9f\x98", "\ufffd\ufffd\ufffd"),
		    (b"ok \xf0\x9f\x98\x80 \x80", "ok \U0001f600 \ufffd"),
		]:
		    c = Conn()
		    c.send(frame.encode().replace(b"MARK", raw))
		    expect(c.recv()["result"]["Err"], None)
		    labels = ok("GetRealm", {"Doc": doc("Realm", "x")})["Realm"]["metadata"]["labels"]
		    expect(labels["note"], want, repr(raw))
		    ok("DeleteRealm", {"Doc": doc("Realm", "x")})
	END
}

# --- section 3: requests ---

ids() {
	rpc <<-'END'
		c = Conn()
		for id in ["0", "7", "-1", "1.5", "true", "false", "null", '""', '"abc"', '"\u00e9\\n"', "[]",
		    '[1,"a",null]', "{}", '{"a":{"b":[1]}}', "9007199254740993", "-9223372036854775808"]:
		    c.send('{"method":"KukeonV1.Ping","params":[{}],"id":%s}' % id)
		    line = c.line()
		    expect(json.loads(line)["id"], json.loads(id), id)
		    expect_in('"id":' + id.split("\\")[0].strip('"'), line.decode().replace('"id":"', '"id":'))
	END
}

# There are no notifications.
missing_ids() {
	rpc <<-'END'
		c = Conn()
		for id in "", ',"id":null':
		    c.send('{"method":"KukeonV1.Ping","params":[{}]%s}' % id)
		    expect_in(b'"id":null', c.line())
		    c.send('{"method":"KukeonV1.ListRealms","params":[{}]%s}' % id)
		    expect_in(b'"id":null', c.line())
		    c.send('{"method":"KukeonV1.Nope","params":[{}]%s}' % id)
		    expect_in(b'"id":null', c.line())
	END
}

params() {
	rpc <<-'END'
		c = Conn()
		for params in "[]", "[null]", "[{}]", "[{},5,null]", '[{"noise":[1]},[]]':
		    c.send('{"method":"KukeonV1.Ping","params":%s,"id":1}' % params)
		    expect(c.recv()["result"]["OK"], True, params)
		    c.send('{"method":"KukeonV1.ListRealms","params":%s,"id":1}' % params)
		    expect(c.recv()["result"], {"Realms": [], "Err": None}, params)
		    # A zero Doc: the name is what is missing.
		    c.send('{"method":"KukeonV1.GetRealm","params":%s,"id":1}' % params)
		    expect(c.recv()["result"]["Err"]["Kind"], "RealmNameRequired", params)
	END
}

unknown_members() {
	rpc <<-'END'
		c = Conn()
		c.send('{"jsonrpc":"2.0","x":{"y":[]},"method":"KukeonV1.Ping","params":[{"z":1}],"id":1,"meta":null}')
		expect(c.recv()["result"]["OK"], True)
		d = doc("Realm", "x", noise={"a": [1, None]})
		d["more"] = d["metadata"]["less"] = "noise"
		expect(ok("GetRealm", {"Doc": d, "Noise": True})["MetadataExists"], False)
	END
}

# As Go does, below the members of the request itself.
any_case() {
	rpc <<-'END'
		ok("CreateRealm", {"doc": {"METADATA": {"NAME": "x", "Labels": {"Case": "Kept"}}, "Spec": {}}})
		realm = ok("GetRealm", {"DOC": {"metaData": {"namE": "x"}}})
		expect(realm["MetadataExists"], True)
		expect(realm["Realm"]["metadata"]["labels"]["Case"], "Kept")
		expect(ok("ListSpaces", {"realmname": "x"}), {"Spaces": [], "Err": None})
		raw = yaml("kind: Realm\nmetadata: {name: x}\n")["RawYAML"]
		expect(ok("DeleteDocuments", {"rawyaml": raw})["Resources"][0]["action"], "deleted")
	END
}

# --- section 4 and 6: responses ---

pipelining() {
	rpc <<-'END'
		c = Conn()
		methods = ["Ping", "ListRealms", "Nope", "GetRealm"]
		c.send("".join(request(methods[i % 4], {"Doc": doc("Realm", "r%d" % i)}, id=i) for i in range(100)))
		answers = [c.recv() for i in range(100)]
		expect(sorted(a["id"] for a in answers), list(range(100)))
		for a in answers:
		    if a["id"] % 4 == 2:
		        expect(a["error"], "rpc: can't find method KukeonV1.Nope")
		    else:
		        expect(a["result"]["Err"], None)
	END
}

# Whoever is done first answers first.
completion_order() {
	rpc <<-'END'
		c = Conn()
		c.send(request("CreateCell", {"Doc": cell("c", container("main", "/bin/sleep", "1000"))}, id=9)
		    + request("ListRealms", id=10) + PING)
		expect(sorted([c.recv()["id"], c.recv()["id"]]), [0, 10])
		expect(c.recv()["id"], 9)
		ok("DeleteCell", {"Doc": cell("c")})
	END
}

half_close() {
	rpc <<-'END'
		c = Conn()
		c.send(request("CreateStack", {"Doc": doc("Stack", "x", realmId="r", spaceId="s")}, id=1) + PING)
		c.half_close()
		answers = {a["id"]: a for a in (c.recv(), c.recv())}
		c.eof()
		expect(answers[1]["result"]["Result"]["Created"], True)
		# In the middle of a value: what came before is answered, the rest is nothing.
		c = Conn()
		c.send(request("DeleteStack", {"Doc": doc("Stack", "x", realmId="r", spaceId="s")}, id=1) + '{"method":"Kuke')
		c.half_close()
		expect(c.recv()["result"]["Err"], None)
		c.eof()
	END
}

# A client that gives up changes nothing about its request.
client_vanishes() {
	rpc <<-'END'
		c = Conn()
		c.send(request("CreateStack", {"Doc": doc("Stack", "gone", realmId="r", spaceId="s")}))
		c.close()
		where = {"Doc": doc("Stack", "gone", realmId="r", spaceId="s")}
		wait_for("stack", lambda: ok("GetStack", where)["Stack"]["status"]["state"] == "Ready")
		ok("DeleteStack", where)
	END
}

# A call that carries an id of its own is done once, however often it is sent.
operations_by_id() {
	rpc <<-'END'
		def named(op, method, params):
		    return json.dumps({"method": "KukeonV1." + method, "params": [params], "id": 7, "op": op}) + "\n"

		def asked(op, method, params):
		    c = Conn()
		    c.send(named(op, method, params))
		    return c.recv()

		where = {"Doc": doc("Stack", "once", realmId="r", spaceId="s")}
		first = asked("00000000000000aa", "CreateStack", where)
		expect(first["result"]["Result"]["Created"], True)
		expect(asked("00000000000000aa", "CreateStack", where), first, "asked again")
		expect(call("CreateStack", where)["Result"]["Created"], False, "another operation")
		found = ok("GetOperation", {"Id": "00000000000000aa"})
		expect((found["Method"], found["State"]), ("KukeonV1.CreateStack", "finished"))
		expect(found["Reply"], first["result"])
		expect(asked("00000000000000aa", "DeleteStack", where)["error"],
		    "jsonrpc: the operation id belongs to another request")
		missing = call("GetOperation", {"Id": "00000000000000ab"})
		expect(missing["Err"]["Kind"], "OperationNotFound")
		for op in ("", "aa", "00000000000000AA", "00000000000000zz", 7, "00000000000000aa0"):
		    expect(asked(op, "ListRealms", {})["error"],
		        "jsonrpc: op is not an operation id of 16 hexadecimal digits", repr(op))
		expect(asked(None, "ListRealms", {})["error"], None)
		ok("DeleteStack", where)
	END
}

# The connection is lost while the call is under way: who asks again gets its answer.
operation_is_resumed() {
	rpc <<-'END'
		text = "".join("---\nkind: Stack\nmetadata: {name: again%d}\nspec: {realmId: r, spaceId: s}\n" % i for i in range(40))
		line = json.dumps({"method": "KukeonV1.ApplyDocuments", "params": [yaml(text)], "id": 1, "op": "00000000000000b%d"}) + "\n"
		for i in range(8):
		    lost, back = Conn(), Conn()
		    lost.send(line % i)
		    if i % 2:
		        lost.close()
		    back.send(line % i)
		    actions = {r["action"] for r in back.recv()["result"]["Result"]["Resources"]}
		    expect(actions, {"created"}, f"round {i}")
		    if i % 2 == 0:
		        lost.eof()
		    ok("DeleteDocuments", yaml(text))
	END
}

probes() {
	rpc <<-'END'
		for i in range(200):
		    Conn().close()
		    c = Conn()
		    c.half_close()
		    c.eof()
		expect(call("Ping")["OK"], True)
	END
}

# Answers of 40 MB in all, more than any socket holds: none is cut or mixed with another.
atomic_responses() {
	rpc <<-'END'
		text = "".join("---\nkind: Realm\nmetadata: {name: bulk%d, labels: {x: %s}}\n" % (i, "y" * 60000) for i in range(10))
		ok("ApplyDocuments", yaml(text))
		c = Conn()
		c.send("".join(request("ListRealms", id=i) for i in range(64)))
		answers = [c.recv() for i in range(64)]
		expect(sorted(a["id"] for a in answers), list(range(64)))
		expect({len(a["result"]["Realms"]) for a in answers}, {11})
		ok("DeleteDocuments", yaml(text))
	END
}

# --- section 5: failures of the transport ---

unknown_methods() {
	rpc <<-'END'
		frame = '{"method":%s,"params":[{}],"id":1}'
		for method, text in [
		    ("KukeonV1.Nope", "rpc: can't find method KukeonV1.Nope"),
		    ("KukeonV1.ping", "rpc: can't find method KukeonV1.ping"),
		    ("KukeonV1.", "rpc: can't find method KukeonV1."),
		    ("KukeonV1.LoadImage", "rpc: can't find method KukeonV1.LoadImage"),
		    ("KukeonV1.ListSecrets", "rpc: can't find method KukeonV1.ListSecrets"),
		    ("Foo.Ping", "rpc: can't find service Foo.Ping"),
		    ("kukeonv1.Ping", "rpc: can't find service kukeonv1.Ping"),
		    ("KukeonV1.More.Ping", "rpc: can't find service KukeonV1.More.Ping"),
		    ("KukeonV10.Ping", "rpc: can't find service KukeonV10.Ping"),
		    (".Ping", "rpc: can't find service .Ping"),
		    ("Ping", "rpc: service/method request ill-formed: Ping"),
		    ("", "rpc: service/method request ill-formed: "),
		    ("<b>\u00e9", "rpc: service/method request ill-formed: <b>\u00e9"),
		]:
		    expect(refused(frame % json.dumps(method)), text)
		expect(refused('{"params":[{}],"id":1}'), "rpc: service/method request ill-formed: ")
		expect(refused(frame % "null"), "rpc: service/method request ill-formed: ")
	END
}

bad_params() {
	rpc <<-'END'
		for members in "", ',"params":null':
		    frame = '{"method":"KukeonV1.GetRealm"%s,"id":1}' % members
		    expect(refused(frame), "jsonrpc: request body missing params")
		for params in "{}", '"x"', "5", "true":
		    frame = '{"method":"KukeonV1.GetRealm","params":%s,"id":1}' % params
		    expect_in("json: cannot unmarshal", refused(frame), params)
	END
}

# Nothing that could be answered: the end, but not before what was under way.
closing_frames() {
	rpc <<-'END'
		for frame in [
		    '{"method":5,"params":[{}],"id":1}', '{"method":{},"params":[{}],"id":1}',
		    '{"method":["KukeonV1.Ping"],"params":[{}],"id":1}', '{"method":true,"params":[{}],"id":1}',
		    "[]", "[%s]" % PING.strip(), '"KukeonV1.Ping"', "5 ", "null ", "true ", "}", "x", ",", "\0",
		    '{"method":}', "{]", '{"method":"KukeonV1.Ping",}', "{'method':'KukeonV1.Ping'}", "{method:1}",
		    '{"method":"KukeonV1.Ping" "id":1}', '{"id":01}', '{"id":nan}', '{"a":"\t"}', '{"a":"\\x"}',
		    '{"a":"\\u12"}', "{}}", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02\0\x01\0",
		]:
		    c = Conn()
		    c.send(request("CreateRealm", {"Doc": doc("Realm", "r")}, id=1) + request("ListRealms", id=2) + frame)
		    answered = 3 if frame == "{}}" else 2
		    answers = [c.recv() for i in range(answered)]
		    expect(sorted(str(a["id"]) for a in answers), ["1", "2", "None"][:answered], frame)
		    c.eof()
		    # What follows on the same connection is not served any more.
		    c = Conn()
		    c.send(frame)
		    try:
		        c.send(PING)
		    except BrokenPipeError:
		        pass
		    if frame == "{}}":
		        c.recv()
		    c.eof()
		expect(call("Ping")["OK"], True)
	END
}

wrong_types() {
	rpc <<-'END'
		for kind, path, value in [
		    ("Realm", "", "x"), ("Realm", "", 5), ("Realm", "", []), ("Realm", "metadata", []),
		    ("Realm", "metadata.name", 5), ("Realm", "metadata.labels", []), ("Realm", "metadata.labels", {"a": 1}),
		    ("Realm", "spec", "x"), ("Realm", "spec.namespace", {}), ("Realm", "apiVersion", 1),
		    ("Realm", "status", True), ("Realm", "metadata.generation", "1"), ("Realm", "metadata.generation", 1.5),
		    ("Space", "spec.realmId", None), ("Space", "spec.realmId", True),
		    ("Cell", "spec.containers", {}), ("Cell", "spec.containers", [5]),
		    ("Cell", "spec.containers", [{"args": "x"}]), ("Cell", "spec.containers", [{"args": [1]}]),
		    ("Cell", "spec.containers", [{"privileged": "yes"}]), ("Cell", "status.network", []),
		    ("Container", "status.exitCode", "0"), ("Container", "status.restartCount", 1.5),
		]:
		    d = doc(kind, "x", **{"realmId": "r", "spaceId": "s", "stackId": "t"} if kind != "Realm" else {})
		    if not path:
		        d = value
		    else:
		        where = d
		        for key in path.split(".")[:-1]:
		            where = where[key]
		        where[path.split(".")[-1]] = value
		    frame = request("Get" + kind, {"Doc": d})
		    if value is None:  # null is no value, whatever the type
		        expect(call("Get" + kind, {"Doc": d})["Err"]["Kind"], "RealmNameRequired")
		        continue
		    expect_in("json: cannot unmarshal", refused(frame), frame)
		for args in '5', '"x"', '[]', 'true':
		    frame = '{"method":"KukeonV1.GetRealm","params":[%s],"id":1}' % args
		    expect_in("json: cannot unmarshal", refused(frame), frame)
		expect_in("json: cannot unmarshal", refused(request("ApplyDocuments", {"RawYAML": 5})))
	END
}

bad_states() {
	rpc <<-'END'
		for kind in "Realm", "Space", "Stack", "Cell", "Container":
		    d = doc(kind, "x", **{"realmId": "r", "spaceId": "s", "stackId": "t", "cellId": "c"} if kind != "Realm" else {})
		    word = kind.lower()
		    for value, text in [
		        ("", word + ' state: unknown label ""'), ("Bogus", word + ' state: unknown label "Bogus"'),
		        ("ready", word + ' state: unknown label "ready"'), (99, word + " state: int 99 out of range"),
		        (-1, word + " state: int -1 out of range"),
		    ]:
		        d["status"]["state"] = value
		        expect(refused(request("Get" + kind, {"Doc": d})), text)
		    for value in None, [], 1.5, True:
		        d["status"]["state"] = value
		        expect_in(word + " state: ", refused(request("Get" + kind, {"Doc": d})))
		    for value in 0, 1, "Ready":
		        d["status"]["state"] = value
		        conn = Conn()
		        expect(conn.call("Get" + kind, {"Doc": d})["error"], None)
	END
}

times() {
	rpc <<-'END'
		d = doc("Realm", "x")
		for value in "", "yesterday", "2026-13-01T00:00:00Z", "2026-01-02", "2026-01-02 03:04:05Z", "2026-01-02T03:04:05":
		    d["status"]["createdAt"] = value
		    expect_in("parsing time", refused(request("GetRealm", {"Doc": d})), value)
		for value in None, "0001-01-01T00:00:00Z", "2026-01-02T03:04:05.678901234Z", "2026-01-02T03:04:05+02:00":
		    d["status"]["createdAt"] = value
		    expect(ok("GetRealm", {"Doc": d})["MetadataExists"], False, value)
		del d["status"]["createdAt"]
		ok("GetRealm", {"Doc": d})
	END
}

base64_of_yaml() {
	rpc <<-'END'
		for method in "ApplyDocuments", "DeleteDocuments":
		    for value in "%%%%", "kind", "YQ", "YQ=", "YQ===", "Y=Q=", "=YQ=", "a-_b", "YQ==YQ==":
		        if value == "kind":
		            continue  # that is base64
		        expect_in("illegal base64 data", refused(request(method, {"RawYAML": value})), value)
		    for value in None, "":
		        message = call(method, {"RawYAML": value})["Err"]["Message"]
		        expect_in("no documents found in input", message)
		    expect_in("no documents found in input", call(method)["Err"]["Message"])
	END
}

# --- section 9 and 12: the frames ---

example_ping() {
	rpc <<-'END'
		c = Conn()
		c.send('{"method":"KukeonV1.Ping","params":[{}],"id":0}\n')
		expect(c.recv(), {"id": 0, "result": {"OK": True, "Version": "0.1.0", "Err": None}, "error": None})
	END
}

example_get() {
	rpc <<-'END'
		result = call("GetRealm", {"Doc": doc("Realm", "r")})
		expect(sorted(result), ["Err", "Result"])
		result = ok("GetRealm", {"Doc": doc("Realm", "r")})
		expect(sorted(result), ["CgroupExists", "ContainerdNamespaceExists", "MetadataExists", "Realm"])
		expect([result[k] for k in result if k != "Realm"], [True, True, True])
		realm = result["Realm"]
		expect((realm["apiVersion"], realm["kind"]), ("v1beta1", "Realm"))
		expect(realm["metadata"], {"name": "r", "labels": {"realm.kukeon.io": realm["spec"]["namespace"]}, "generation": 1})
		expect(realm["status"]["state"], "Ready")
		expect_in("/kuke-", realm["status"]["cgroupPath"])
		expect({type(x) for x in realm["status"]["subtreeControllers"]}, {str})
		for key in "createdAt", "updatedAt", "readyAt":
		    expect(bool(re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z", realm["status"][key])), True, key)
		# apiVersion may be absent or ours, the kind is nobody's business.
		d = doc("Realm", "r")
		d["kind"] = "Cell"
		expect(ok("GetRealm", {"Doc": d})["MetadataExists"], True)
		for version, kind in ("v1beta1", None), ("v2", "ConversionFailed"):
		    d = doc("Realm", "r")
		    d["apiVersion"] = version
		    err = call("GetRealm", {"Doc": d})["Err"]
		    expect(err and err["Kind"], kind)
	END
}

example_get_missing() {
	rpc <<-'END'
		where = {"realmId": "r", "spaceId": "s", "stackId": "t"}
		expect(call("GetSpace", {"Doc": doc("Space", "nope", realmId="r")}), {"Err": None, "Result": {
		    "Space": missing("Space"), "MetadataExists": False, "CgroupExists": False, "CNINetworkExists": False}})
		expect(call("GetStack", {"Doc": doc("Stack", "nope", realmId="r", spaceId="s")}), {"Err": None, "Result": {
		    "Stack": missing("Stack"), "MetadataExists": False, "CgroupExists": False}})
		expect(call("GetCell", {"Doc": doc("Cell", "nope", **where)}), {"Err": None, "Result": {
		    "Cell": missing("Cell"), "MetadataExists": False, "CgroupExists": False, "RootContainerExists": False,
		    "RootContainerTaskRunning": False}})
		# The parent is missing as well: no different.
		expect(ok("GetCell", {"Doc": doc("Cell", "nope", realmId="x", spaceId="y", stackId="z")})["Cell"], missing("Cell"))
		realm = ok("GetRealm", {"Doc": doc("Realm", "nope")})
		expect((realm["Realm"], realm["MetadataExists"], realm["CgroupExists"]), (missing("Realm"), False, False))
	END
}

example_create_cell() {
	rpc <<-'END'
		d = cell("c", container("main", "/bin/sleep", "1000", env=[]))
		d["spec"]["runtimeEnv"] = ["A=1&2"]
		result = ok("CreateCell", {"Doc": d})
		expect(result["Containers"], [{"Name": "main", "ExistsPre": False, "ExistsPost": True, "Created": True}])
		made = result["Cell"]
		pre = ["MetadataExistsPre", "CgroupExistsPre", "RootContainerExistsPre", "StartedPre"]
		post = ["MetadataExistsPost", "CgroupExistsPost", "CgroupCreated", "RootContainerExistsPost",
		    "RootContainerCreated", "StartedPost", "Started", "Created"]
		expect(sorted(result), sorted(pre + post + ["Cell", "Containers"]))
		expect([result[k] for k in pre], [False] * 4)
		expect([result[k] for k in post], [True] * 8)
		expect(made["status"]["state"], "Ready")
		expect("runtimeEnv" in made["spec"], False, "transport-only runtimeEnv")
		expect(made["metadata"]["labels"], {"realm.kukeon.io": "r", "space.kukeon.io": "s",
		    "stack.kukeon.io": "t", "cell.kukeon.io": "c"})
		again = ok("CreateCell", {"Doc": d})
		expect([again["Created"], again["MetadataExistsPre"], again["Started"]], [False, True, True])
		got = ok("GetCell", {"Doc": cell("c")})
		expect([got[k] for k in got if k != "Cell"], [True] * 4)
		listed = ok("ListContainers", {"RealmName": "r", "SpaceName": "s", "StackName": "t", "CellName": "c"})
		spec = listed["Containers"][0]
		expect((spec["id"], spec["cellId"], spec["containerdId"]), ("main", "c", "s_t_c_main"))
		expect("status" in spec, False, "status in a list of containers")
		shown = ok("GetContainer", {"Doc": doc("Container", "main", realmId="r", spaceId="s", stackId="t", cellId="c")})
		expect((shown["CellMetadataExists"], shown["ContainerExists"]), (True, True))
		expect((shown["Container"]["metadata"]["name"], shown["Container"]["status"]["state"]), ("main", "Ready"))
		expect("containerdId" in shown["Container"]["spec"], False, "containerdId of a container")
	END
}

# null where something was never set, [] where it was set to nothing.
null_or_absent() {
	rpc <<-'END'
		made = ok("GetCell", {"Doc": cell("c")})["Cell"]
		spec = made["spec"]["containers"][0]
		expect([spec[k] for k in ("ports", "volumes", "networks", "networksAliases")], [None] * 4)
		expect((spec["env"], spec["args"]), ([], ["1000"]))
		for key in "registryCredentials", "tty", "git", "workingDir", "secrets", "root", "attachable":
		    expect(key in spec, False, key)
		expect(set(made["spec"]) & {"tty", "provenance", "autoDelete"}, set())
		status = made["status"]["containers"][0]
		expect((status["finishTime"], status["exitCode"], status["exitSignal"]), (NEVER, 0, ""))
		ok("ApplyDocuments", yaml("kind: Realm\nmetadata: {name: plain}\nspec: {}\n"))
		expect(ok("GetRealm", {"Doc": doc("Realm", "plain")})["Realm"]["metadata"]["labels"], None)
		expect(ok("ListSpaces", {"RealmName": "plain"}), {"Spaces": [], "Err": None})
		expect(ok("ListStacks", {"RealmName": "nope"}), {"Stacks": [], "Err": None})
		expect(ok("ListCells", {"RealmName": "plain", "SpaceName": "x"}), {"Cells": [], "Err": None})
		expect(ok("ListContainers", {"CellName": "nope"}), {"Containers": [], "Err": None})
		ok("DeleteRealm", {"Doc": doc("Realm", "plain")})
		empty = ok("MaterializeCell", {"Doc": cell("hollow")})
		expect(empty["Containers"], None, "Containers of a request without any")
		expect(empty["Cell"]["spec"]["containers"], [])
		expect(empty["Cell"]["status"]["containers"], [])
		ok("DeleteCell", {"Doc": cell("hollow")})
	END
}

example_apply() {
	rpc <<-'END'
		result = ok("ApplyDocuments", yaml("""
		kind: Realm
		metadata: {name: dev}
		---
		kind: Space
		metadata: {name: bad_name}
		spec: {realmId: dev}
		---
		kind: Space
		metadata: {name: web}
		spec: {realmId: dev}
		""".replace("\t", "")))
		entries = {e["index"]: e for e in result["Resources"]}
		expect(entries[0], {"index": 0, "kind": "Realm", "name": "dev", "action": "created"})
		expect(entries[2], {"index": 2, "kind": "Space", "name": "web", "action": "created"})
		failed = entries[1]
		expect_in("bad_name", failed.pop("error"))
		expect(failed, {"index": 1, "kind": "Space", "name": "bad_name", "action": "failed"})
		again = ok("ApplyDocuments", yaml("kind: Realm\nmetadata: {name: dev, labels: {a: b}}\n"))["Resources"][0]
		expect((again["action"], bool(again["changes"])), ("updated", True))
		parse = call("ApplyDocuments", yaml("kind: Bogus\nmetadata: {name: x}\n"))["Err"]
		expect(parse["Kind"], "Unknown")
		expect_in("validation failed", parse["Message"])
		gone = ok("DeleteDocuments", {**yaml("kind: Realm\nmetadata: {name: dev}\n"), "Cascade": True})["Resources"][0]
		expect((gone["action"], gone["cascaded"]), ("deleted", ["1 space(s) deleted"]))
		expect("details" in gone, False)
	END
}

example_delete() {
	rpc <<-'END'
		error_of(call("DeleteRealm", {"Doc": doc("Realm", "r"), "Force": False, "Cascade": False}),
		    "ResourceHasDependencies", 'failed to delete realm: resource has child resources: realm "r" has 1 space(s). '
		    "Use --cascade to delete them or --force to skip validation",
		    {"Realm": ZERO["Realm"], "Deleted": None, "MetadataDeleted": False, "CgroupDeleted": False,
		        "ContainerdNamespaceDeleted": False})
	END
}

# Kind and text of a failure, and the zero value of the reply's Result.
application_errors() {
	rpc <<-'END'
		named = {"realmId": "r", "spaceId": "s", "stackId": "t"}
		flags = ["MetadataExists", "CgroupExists"]
		error_of(call("GetRealm", {"Doc": doc("Realm", "")}), "RealmNameRequired", "realm name is required",
		    {"Realm": ZERO["Realm"], "MetadataExists": False, "CgroupExists": False, "ContainerdNamespaceExists": False})
		error_of(call("GetSpace", {"Doc": doc("Space", "", realmId="r")}), "SpaceNameRequired", "space name is required",
		    {"Space": ZERO["Space"], "MetadataExists": False, "CgroupExists": False, "CNINetworkExists": False})
		error_of(call("GetStack", {"Doc": doc("Stack", "", realmId="r", spaceId="s")}), "StackNameRequired",
		    "stack name is required", {"Stack": ZERO["Stack"], "MetadataExists": False, "CgroupExists": False})
		error_of(call("GetCell", {"Doc": doc("Cell", "", **named)}), "CellNameRequired", "cell name is required",
		    {"Cell": ZERO["Cell"], "MetadataExists": False, "CgroupExists": False, "RootContainerExists": False,
		        "RootContainerTaskRunning": False})
		zero = {"Space": ZERO["Space"], "Created": False, "CgroupCreated": False, "CNINetworkCreated": False}
		for name in "Metadata", "Cgroup", "CNINetwork":
		    zero[name + "ExistsPre"] = zero[name + "ExistsPost"] = False
		result = call("CreateSpace", {"Doc": doc("Space", "x", realmId="nope")})
		error_of(result, "RealmNotFound", result["Err"]["Message"], zero)
		expect_in("failed to create space: realm not found", result["Err"]["Message"])
		result = call("StartCell", {"Doc": cell("nope")})
		error_of(result, result["Err"]["Kind"], 'cell "nope" not found in realm "r", space "s", stack "t"',
		    {"Cell": ZERO["Cell"], "Started": False})
		result = call("StartCell", {"Doc": cell("c")})
		error_of(result, "Unknown", result["Err"]["Message"], {"Cell": ZERO["Cell"], "Started": False})
		expect_in("must first be stopped", result["Err"]["Message"])
		result = call("DeleteCell", {"Doc": cell("nope")})
		error_of(result, result["Err"]["Kind"], 'cell "nope" not found in realm "r", space "s", stack "t"',
		    {"Cell": ZERO["Cell"], "ContainersDeleted": False, "CgroupDeleted": False, "MetadataDeleted": False})
		result = call("CreateRealm", {"Doc": doc("Realm", "a_b")})
		expect(result["Err"], {"Kind": "Unknown", "Message":
		    'realm name is invalid: "a_b" contains disallowed character (must not contain \'_\' or \'/\')'})
		result = call("ApplyDocuments", yaml("# nothing\n"))
		error_of(result, "Unknown", result["Err"]["Message"], {"Resources": None})
		result = call("GetContainer", {"Doc": doc("Container", "nope", cellId="c", **named)})
		error_of(result, result["Err"]["Kind"], result["Err"]["Message"],
		    {"Container": ZERO["Container"], "CellMetadataExists": False, "ContainerExists": False})
		expect_in('container "nope" not found in cell "c" at run-path ', result["Err"]["Message"])
	END
}

image_is_missing() {
	rpc <<-'END'
		result = call("CreateCell", {"Doc": cell("x", container("main", "/bin/true", image="nobody/has:this"))})
		expect(result["Err"]["Kind"], "ImageNotFound")
		zero = {"Cell": ZERO["Cell"], "Containers": None}
		for name in "Metadata", "Cgroup", "RootContainer":
		    zero[name + "ExistsPre"] = zero[name + "ExistsPost"] = False
		for name in "CgroupCreated", "RootContainerCreated", "StartedPre", "StartedPost", "Started", "Created":
		    zero[name] = False
		expect(result["Result"], zero)
	END
}

# Integers are digits, whatever they stand for.
plain_numbers() {
	rpc <<-'END'
		c = Conn()
		c.send(request("ListCells") + request("GetCell", {"Doc": cell("c")}) + request("ListContainers"))
		for i in range(3):
		    line = re.sub(rb'"(\\.|[^"\\])*"', b'""', c.line())
		    expect(re.findall(rb"-?\d+[.eE][^,}\]]*", line), [])
	END
}

# --- limits ---

half_requests() {
	rpc <<-'END'
		idle = [Conn() for i in range(20)]
		for c in idle:
		    c.send(PING[:25])
		expect(call("Ping")["OK"], True)
		for c in idle:
		    c.send(PING[25:])
		    expect(c.recv()["result"]["OK"], True)
	END
}

# Up to 12 MiB are a request; more end the connection, and nobody else notices.
large_requests() {
	rpc <<-'END'
		def rss():
		    return int(re.search(r"VmRSS:\s+(\d+)", open("/proc/%s/status" % os.environ["DAEMON"]).read())[1])
		result = call("ApplyDocuments", yaml("# large\n" * 1000000))
		expect_in("no documents found in input", result["Err"]["Message"])
		before = rss()
		c = Conn()
		try:
		    c.send('{"method":"KukeonV1.Ping","id":"')
		    for i in range(1000):
		        c.send("x" * 1048576)
		    fail("a request of 1 GB was taken")
		except (BrokenPipeError, ConnectionResetError):
		    pass
		expect(call("Ping")["OK"], True)
		wait_for("end of the memory", lambda: rss() < before + 40000)
	END
}

deep_requests() {
	rpc <<-'END'
		for text in "[" * 500000, '{"a":' * 100000, '[{"a":' * 3000 + "1" + "}]" * 3000:
		    c = Conn()
		    # It is closed as soon as it is too deep, perhaps before all is sent.
		    try:
		        c.send('{"method":"KukeonV1.Ping","id":1,"params":' + text)
		        c.half_close()
		    except OSError:
		        pass
		    c.eof()
		    expect(call("Ping")["OK"], True)
	END
}

# 1000 connections; one more is closed at once, and has a place when another ends.
many_clients() {
	rpc <<-'END'
		soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
		resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
		clients = [Conn() for i in range(1000)]
		clients[-1].send(PING)
		clients[-1].recv()
		for i in range(3):
		    Conn().eof()
		clients[0].send(PING)
		expect(clients[0].recv()["result"]["OK"], True)
		clients.pop().close()
		def served():
		    c = Conn()
		    try:
		        c.send(PING)
		    except BrokenPipeError:
		        return False
		    return c.line() != b""
		wait_for("place for a client", served)
	END
}

# A client that never reads: its answers are kept up to a limit, then it goes.
deaf_client() {
	rpc <<-'END'
		c = Conn()
		pings = PING * 2000
		try:
		    for i in range(2000):
		        c.send(pings)
		    fail("4 million answers were kept for it")
		except (BrokenPipeError, ConnectionResetError):
		    pass
		expect(call("Ping")["OK"], True)
	END
}

# --- section 1: socket, pid file, peers ---

socket_files() {
	expect_equal "$(stat -c '%F %a %u:%g' "$D/k.sock")" "socket $1 0:$2"
	expect_equal "$(<"$D/kukeond.pid")" "$daemon_pid"
	expect_equal "$(wc -c <"$D/kukeond.pid")" "$((${#daemon_pid} + 1))"
}

peers_are_logged() {
	rpc <<-'END'
		call("GetRealm", {"Doc": doc("Realm", "peer")})
		line = "call method=KukeonV1.GetRealm peer_pid=%d peer_uid=0" % os.getpid()
		wait_for(repr(line), lambda: line + "\n" in open(os.environ["LOG"]).read())
	END
}

other_user_is_logged() {
	chmod 755 "$D"
	rpc <<-'END'
		log = open(os.environ["LOG"])
		os.setgroups([])
		os.setgid(65533)
		os.setuid(65534)
		ok("ListRealms")
		line = "call method=KukeonV1.ListRealms peer_pid=%d peer_uid=65534" % os.getpid()
		wait_for(repr(line), lambda: line + "\n" in log.read())
	END
}

strangers_are_kept_out() {
	chmod 755 "$D"
	rpc <<-'END'
		os.setgroups([])
		os.setgid(65532)
		os.setuid(65532)
		try:
		    Conn()
		    fail("anyone may connect")
		except PermissionError:
		    pass
	END
}

# --- section 6: signals ---

level_of_one_worker() {
	printf 'apiVersion: v1beta1\nkind: ServerConfiguration\nspec: {workers: {network: {logLevel: debug}}}\n' >"$RP/none.yaml"
	rpc <<-'END'
		import signal
		log = open(os.environ["LOG"])
		log.seek(0, 2)
		seen = ""
		def said(text):
		    global seen
		    seen += log.read()
		    return text in seen
		def reread():
		    os.kill(int(os.environ["DAEMON"]), signal.SIGHUP)
		    wait_for("reading again", lambda: said("configuration read again"))
		space = {"Doc": doc("Space", "s", realmId="r")}
		reread()
		ok("GetSpace", space)
		wait_for("debug line", lambda: said(" debug network ") and said("done msg=space_network_get"))
		expect(sorted(set(re.findall(r" debug (\w+) ", seen))), ["network"])
		# A file that can't be read changes nothing.
		path = os.environ["SOCKET"].replace("k.sock", "rp/none.yaml")
		open(path, "w").write(": : :\n")
		os.kill(int(os.environ["DAEMON"]), signal.SIGHUP)
		wait_for("complaint", lambda: said("configuration not read again"))
		seen = ""
		ok("GetSpace", space)
		wait_for("debug line", lambda: said("done msg=space_network_get"))
		os.unlink(path)
		seen = ""
		reread()
		seen = ""
		ok("GetSpace", space)
		reread()
		expect(said(" debug "), False, "debug lines after the level was taken back")
	END
}

term_drains() {
	rpc <<-'END'
		import select, signal
		log = open(os.environ["LOG"])
		log.seek(0, 2)
		seen = ""
		def said(text):
		    global seen
		    seen += log.read()
		    return text in seen
		cells = ""
		for i in range(8):
		    cells += "---\nkind: Cell\nmetadata: {name: d%d}\nspec:\n  realmId: r\n  spaceId: s\n  stackId: t\n" % i
		    cells += "  containers: [{id: main, image: busybox, command: /bin/sleep, args: ['1000']}]\n"
		busy, idle = Conn(), Conn()
		busy.send(request("ApplyDocuments", yaml(cells), id=5))
		wait_for("start of the call", lambda: said("call method=KukeonV1.ApplyDocuments"))
		os.kill(int(os.environ["DAEMON"]), signal.SIGTERM)
		wait_for("drain", lambda: said("going down"))
		expect(select.select([busy.socket], [], [], 0)[0], [], "answered before it could be drained")
		idle.send(PING)
		answer = busy.recv()
		expect((answer["id"], answer["error"], answer["result"]["Err"]), (5, None, None))
		expect([e["action"] for e in answer["result"]["Result"]["Resources"]], ["created"] * 8)
		busy.eof()
		idle.eof()
		for name in "k.sock", "kukeond.pid":
		    path = os.environ["SOCKET"].replace("k.sock", name)
		    wait_for("end of " + path, lambda: not os.path.exists(path))
		try:
		    Conn()
		    fail("someone still listens")
		except FileNotFoundError:
		    pass
	END
}

workloads_go_on() {
	expect_equal "$(ctr_test -n "r.$id.test" tasks ls | grep -c RUNNING)" 9
	rpc <<-'END'
		states = {c["metadata"]["name"]: c["status"]["state"] for c in ok("ListCells")["Cells"]}
		expect(states, {**{"d%d" % i: "Ready" for i in range(8)}, "c": "Ready"})
	END
}

# --- regressions ---

# More requests at once than a connection may have under way: the others wait, and are answered.
burst() {
	rpc <<-'END'
		for is_closing in False, True:
		    c = Conn()
		    c.socket.settimeout(5)
		    c.send("".join(request("ListRealms", id=i) for i in range(300)))
		    if is_closing:
		        c.half_close()
		    answers = []
		    while len(answers) < 300:
		        try:
		            answers.append(c.recv()["id"])
		        except TimeoutError:
		            fail("only %d of 300 requests are answered" % len(answers))
		    expect(sorted(answers), list(range(300)))
	END
}

ids_are_verbatim() {
	rpc <<-'END'
		for id in "1.50", "1e3", "0.1", "-0", "18446744073709551615", "123456789012345678901234567890", r'"\u00e9"', r'"\/"':
		    c = Conn()
		    c.send('{"method":"KukeonV1.Ping","params":[{}],"id":%s}' % id)
		    expect_in('"id":%s,' % id, c.line().decode())
	END
}

# A number that nobody asks for may have any size.
large_numbers() {
	rpc <<-'END'
		for number in "18446744073709551615", "1e400":
		    c = Conn()
		    c.send('{"method":"KukeonV1.Ping","params":[{"noise":%s}],"id":1}' % number)
		    expect(c.recv()["id"], 1)
	END
}

# Go puts U+FFFD for half of a surrogate pair, as for any byte that is no UTF-8.
lone_surrogates() {
	rpc <<-'END'
		for text in r"a\ud800b", r"\udc00", r"\ud83d\u0041":
		    c = Conn()
		    c.send('{"method":"KukeonV1.Ping","params":[{}],"id":"%s"}' % text)
		    expect(c.recv()["result"]["OK"], True, text)
	END
}

exact_texts() {
	rpc <<-'END'
		for params, word in ("{}", "object"), ('"x"', "string"), ("5", "number"), ("true", "bool"):
		    expect(refused('{"method":"KukeonV1.GetRealm","params":%s,"id":1}' % params),
		        "json: cannot unmarshal %s into Go value of type [1]interface {}" % word)
		expect(refused(request("ApplyDocuments", {"RawYAML": "%%%%"})), "illegal base64 data at input byte 0")
		d = doc("Realm", "x")
		d["status"]["createdAt"] = ""
		expect_in('parsing time "\\"\\"" as "\\"2006-01-02T15:04:05Z07:00\\"": cannot parse',
		    refused(request("GetRealm", {"Doc": d})))
	END
}

# The method is looked up first, whatever its params and however long its name.
methods_come_first() {
	rpc <<-'END'
		expect(refused('{"method":"KukeonV1.Nope","id":1}'), "rpc: can't find method KukeonV1.Nope")
		expect(refused('{"method":"Foo.Ping","params":{},"id":1}'), "rpc: can't find service Foo.Ping")
		name = "KukeonV1." + "x" * 200
		expect(refused('{"method":"%s","params":[{}],"id":1}' % name), "rpc: can't find method " + name)
	END
}

# A flag or filter of the wrong type is an error; taken for absent, it would select everything.
argument_types() {
	rpc <<-'END'
		for frame in [
		    request("DeleteRealm", {"Doc": doc("Realm", "nope"), "Cascade": "yes"}),
		    request("DeleteRealm", {"Doc": doc("Realm", "nope"), "Force": 1}),
		    request("ListSpaces", {"RealmName": 5}), request("ListCells", {"RealmName": ["r"]}),
		    '{"method":"KukeonV1.Ping","params":[5],"id":1}',
		]:
		    expect_in("json: cannot unmarshal", refused(frame), frame)
	END
}

names_are_trimmed() {
	rpc <<-'END'
		expect(ok("GetRealm", {"Doc": doc("Realm", " r\n")})["MetadataExists"], True)
		expect(ok("GetStack", {"Doc": doc("Stack", "t ", realmId=" r", spaceId="s\t")})["MetadataExists"], True)
		expect(call("GetRealm", {"Doc": doc("Realm", " ")})["Err"]["Kind"], "RealmNameRequired")
	END
}

missing_realm_has_no_namespace() {
	rpc <<-'END'
		expect(call("GetRealm", {"Doc": doc("Realm", "nope")}), {"Err": None, "Result": {"Realm": missing("Realm"),
		    "MetadataExists": False, "CgroupExists": False, "ContainerdNamespaceExists": False}})
	END
}

deletes_all() {
	rpc <<-'END'
		result = ok("DeleteRealm", {"Doc": doc("Realm", "r"), "Cascade": True})
		expect(result["Deleted"], ["space:s", "metadata", "cgroup", "namespace"])
		expect([result["MetadataDeleted"], result["CgroupDeleted"], result["ContainerdNamespaceDeleted"]], [True] * 3)
		expect(ok("ListRealms"), {"Realms": [], "Err": None})
	END
}

containerd_start
daemon_start
image_make "$D/busybox.tar"
it "reads values however they are cut and joined" framing
it "passes over brackets in strings" strings_are_passed_over
it "decodes escapes" escapes
it "repairs what is no UTF-8" invalid_utf8
it "echoes ids of every type" ids
it "answers without an id" missing_ids
it "takes missing, null and extra params" params
it "ignores unknown members" unknown_members
it "takes keys in any case" any_case
it "names what it does not serve" unknown_methods
it "refuses params that are none" bad_params
it "tolerates probes" probes
it "answers Ping as the example does" example_ping
kuked create realm r >/dev/null
kuked create space s --realm r >/dev/null
kuked create stack t --realm r --space s >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
it "closes on what can't be answered" closing_frames
it "refuses wrong types" wrong_types
it "refuses states that are none" bad_states
it "refuses times that are none" times
it "refuses base64 that is none" base64_of_yaml
it "answers 100 requests that came together" pipelining
it "answers in the order of completion" completion_order
it "answers after a half-close" half_close
it "finishes for a client that is gone" client_vanishes
it "does what has an id once" operations_by_id
it "gives the answer to who comes back for it" operation_is_resumed
it "never mixes responses" atomic_responses
it "shows what is there" example_get
it "shows zero documents for what is not" example_get_missing
it "creates a cell as the example does" example_create_cell
it "tells null from empty and absent" null_or_absent
it "reports each document of an apply" example_apply
it "refuses to delete a parent as the example does" example_delete
it "answers failures with a zero Result" application_errors
it "answers a failed create with a zero Result" image_is_missing
it "writes plain numbers" plain_numbers
it "waits for the rest of a request" half_requests
it "bounds a request" large_requests
it "survives deep nesting" deep_requests
it "bounds the clients" many_clients
it "bounds what a client leaves unread" deaf_client
it "answers 300 requests that came together" burst
it "echoes ids byte for byte" ids_are_verbatim
it "takes numbers of any size" large_numbers
it "takes half of a surrogate pair" lone_surrogates
it "refuses with the reference's own words" exact_texts
it "looks for the method first" methods_come_first
it "refuses arguments of the wrong type" argument_types
it "trims names" names_are_trimmed
it "shows no namespace of a realm that is not there" missing_realm_has_no_namespace
it "is its owner's socket" socket_files 600 0
it "logs who called" peers_are_logged
it "re-reads the level of one worker" level_of_one_worker
it "answers what is under way before it ends" term_drains
wait "$daemon_pid"
daemon_status=$?
it "ends with status 0" expect_equal "$daemon_status" 0
daemon_start --socket-gid 65533
it "is its group's socket where one is configured" socket_files 660 65533
it "logs a caller of another user" other_user_is_logged
it "keeps others out" strangers_are_kept_out
it "left the workloads alone" workloads_go_on
it "deletes all of it" deletes_all
