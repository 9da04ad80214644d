"""tests/support/terminal.py - a user at a terminal, for tests that type and look.

A script says `from terminal import *`; each wait has a limit, and what was seen so far is told when it is over.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

LIMIT = 20 * int(os.environ.get("CK_TIMEOUT_MULTIPLIER", "1"))  # seconds for what is waited for


def fail(text):
    sys.exit(text)


def expect(got, want, what=""):
    if got != want:
        fail(f"{what} {got!r} is not {want!r}")


def wait_for(what, condition, limit=LIMIT):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            fail(f"{what}: not within {limit} s")
        time.sleep(0.02)


class Terminal:
    """A command at a terminal of its own."""

    def __init__(self, *command, rows=24, columns=80):
        self.seen = b""
        self.at = 0  # of what was seen: what has been waited for lies before
        self.status = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)
        self.resize(rows, columns)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys):
        os.write(self.fd, keys.encode() if isinstance(keys, str) else keys)

    def look(self, limit):
        """What comes within that time; False: nothing more will."""
        if not select.select([self.fd], [], [], max(limit, 0))[0]:
            return True
        try:
            chunk = os.read(self.fd, 65536)
        except OSError:
            chunk = b""
        self.seen += chunk
        return bool(chunk)

    def until(self, pattern, limit=LIMIT):
        """Wait until it shows that, and take it for seen. Returns the match."""
        pattern = re.compile(pattern.encode() if isinstance(pattern, str) else pattern)
        end = time.monotonic() + limit
        while True:
            match = pattern.search(self.seen, self.at)
            if match:
                self.at = match.end()
                return match
            left = end - time.monotonic()
            if left < 0 or not self.look(left):
                fail(f"{pattern.pattern!r} is not shown: {self.seen[self.at:][-2000:]!r}")

    def end(self, limit=LIMIT):
        """Its exit status, once it has ended by itself."""
        end = time.monotonic() + limit
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                fail(f"it does not end: {self.seen[-2000:]!r}")
            else:
                self.look(0.05)
        while self.look(0.2) and select.select([self.fd], [], [], 0)[0]:
            pass
        os.close(self.fd)
        return self.status

    def leave(self):
        self.type("\x1d\x1d")
        self.until("Detached")
        expect(self.end(), 0, "the status of who leaves")

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def run(*command):
    """(status, standard output and error) of one that has no terminal."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, text=True)
    return done.returncode, done.stdout
