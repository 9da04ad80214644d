"""tests/support/rpc.py - kukeonv1 by hand, for tests that choose every byte of a request.

A script says `from rpc import *`; SOCKET in the environment is the daemon's. Each wait has a limit, and
a script fails by an exception or through fail().
"""

import base64
import contextlib
import copy
import json
import os
import re
import resource
import socket
import sys
import time

LIMIT = 30 * int(os.environ.get("CK_TIMEOUT_MULTIPLIER", "1"))  # seconds for one answer
SOCKET = os.environ["SOCKET"]

NEVER = "0001-01-01T00:00:00Z"
TIMES = {"createdAt": NEVER, "updatedAt": NEVER, "readyAt": NEVER}

# The zero documents of section 9, which failed replies carry and requests begin with.
ZERO = {
    "Realm": {
        "apiVersion": "", "kind": "", "metadata": {"name": "", "labels": None},
        "spec": {"namespace": ""},
        "status": {"state": "Pending", **TIMES},
    },
    "Space": {
        "apiVersion": "", "kind": "", "metadata": {"name": "", "labels": None},
        "spec": {"realmId": ""},
        "status": {"state": "Pending", **TIMES},
    },
    "Stack": {
        "apiVersion": "", "kind": "", "metadata": {"name": "", "labels": None},
        "spec": {"id": "", "realmId": "", "spaceId": ""},
        "status": {"state": "Pending", "cgroupPath": "", **TIMES},
    },
    "Cell": {
        "apiVersion": "", "kind": "", "metadata": {"name": "", "labels": None},
        "spec": {"id": "", "realmId": "", "spaceId": "", "stackId": "", "containers": None},
        "status": {"state": "Pending", "cgroupPath": "", "network": {}, "containers": None, **TIMES},
    },
    "Container": {
        "apiVersion": "", "kind": "", "metadata": {"name": "", "labels": None},
        "spec": {
            "id": "", "realmId": "", "spaceId": "", "stackId": "", "cellId": "", "image": "",
            "command": "", "args": None, "env": None, "ports": None, "volumes": None,
            "networks": None, "networksAliases": None, "privileged": False, "restartPolicy": "",
        },
        "status": {
            "name": "", "id": "", "state": "Pending", "createdAt": NEVER, "restartCount": 0,
            "restartTime": NEVER, "startTime": NEVER, "finishTime": NEVER, "exitCode": 0,
            "exitSignal": "",
        },
    },
}


def fail(text):
    raise SystemExit(text)


def expect(got, want, what=""):
    if got != want or isinstance(got, bool) != isinstance(want, bool):
        fail(f"{what}{': ' if what else ''}got {got!r}, not {want!r}")


def expect_in(part, whole, what=""):
    if part not in whole:
        fail(f"{what}{': ' if what else ''}{part!r} is not in {whole!r}")


class Conn:
    """One connection; what is sent is sent as it is, one write per part."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(LIMIT)
        self.socket.connect(SOCKET)
        self.buffer = b""

    def send(self, *parts):
        for part in parts:
            self.socket.sendall(part.encode() if isinstance(part, str) else part)

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()

    def line(self):
        """The bytes of the next response; b"" when there is none any more."""
        while b"\n" not in self.buffer:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                expect(self.buffer, b"", "a cut response")
                return b""
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def recv(self):
        line = self.line()
        if not line:
            fail("the connection was closed, not answered")
        response = json.loads(line)
        expect(sorted(response), ["error", "id", "result"], "members of a response")
        return response

    def eof(self):
        expect(self.line(), b"", "instead of the end")

    def call(self, method, *params):
        """Whole response to KukeonV1.<method>."""
        self.send(request(method, *params))
        return self.recv()


def request(method, *params, id=0):
    return json.dumps({"method": "KukeonV1." + method, "params": list(params) or [{}], "id": id}) + "\n"


def call(method, *params):
    """Result of a call on a connection of its own; transport errors fail."""
    conn = Conn()
    response = conn.call(method, *params)
    conn.close()
    expect(response["error"], None, method)
    return response["result"]


def ok(method, *params):
    """The Result of a call that must succeed."""
    result = call(method, *params)
    expect(result["Err"], None, method)
    return result.get("Result", result)


def refused(text):
    """Send raw bytes; the error of the one response. The connection must stay usable."""
    conn = Conn()
    conn.send(text)
    response = conn.recv()
    expect(response["result"], None, f"result for {text!r}")
    conn.send(PING)
    expect(conn.recv()["result"]["OK"], True, f"ping after {text!r}")
    conn.close()
    return response["error"]


def doc(kind, name, **spec):
    """A document as the client builds it for a look-up."""
    document = copy.deepcopy(ZERO[kind])
    document["metadata"]["name"] = name
    document["spec"].update(spec)
    return document


def missing(kind):
    """What a get has for an object that is not there."""
    document = copy.deepcopy(ZERO[kind])
    document.update(apiVersion="v1beta1", kind=kind)
    if kind == "Cell":
        document["spec"]["containers"] = document["status"]["containers"] = []
    return document


def container(name, *command, **spec):
    document = copy.deepcopy(ZERO["Container"]["spec"])
    document.update(id=name, image="busybox", command=command[0], args=list(command[1:]) or None)
    document.update(spec)
    return document


def cell(name, *containers):
    return doc("Cell", name, id=name, realmId="r", spaceId="s", stackId="t", containers=list(containers))


def yaml(text):
    return {"RawYAML": base64.b64encode(text.encode()).decode(), "Team": ""}


def error_of(result, kind, message, zero):
    """Application error: its kind and text, and a Result as if nothing had happened."""
    expect(result["Err"], {"Kind": kind, "Message": message})
    expect(result["Result"], zero, "Result of a failed call")


def wait_for(what, check):
    end = time.monotonic() + LIMIT
    while not check():
        if time.monotonic() > end:
            fail(f"no {what} within {LIMIT} s")
        time.sleep(0.01)


PING = request("Ping")
