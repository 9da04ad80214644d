"""tests/e2e/progress.py COMMAND…: run it with a terminal as its standard error; print what came on its standard
output and, quoted, on the terminal."""
import os
import pty
import subprocess
import sys

controller, terminal = pty.openpty()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=terminal, stdin=subprocess.DEVNULL)
os.close(terminal)
told = b""
while True:
    try:
        chunk = os.read(controller, 4096)
    except OSError:
        break
    if not chunk:
        break
    told += chunk
sys.stdout.write(process.stdout.read().decode())
print(repr(told.decode()))
sys.exit(process.wait())
