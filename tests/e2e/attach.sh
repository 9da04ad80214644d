# tests/e2e/attach.sh - kuke attach, and kuke run without -d: rows 110-117, and what a session outlives.
# limit: 240
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash

scope=(--realm r --space s --stack t)

# at_terminal: a Python script on standard input, with tests/support/terminal.py, attach(NAME, …) and kuke(…).
at_terminal() {
	{
		cat <<-'END'
			from terminal import *
			KUKE = ["kuke", "--host", "unix://" + os.environ["D"] + "/k.sock"]
			SCOPE = ["--realm", "r", "--space", "s", "--stack", "t"]
			D, RP = os.environ["D"], os.environ["RP"]
			def attach(name, *flags, **more):
			    return Terminal(*KUKE, "attach", name, *SCOPE, *flags, **more)
			def kuke(*words):
			    status, text = run(*KUKE, *words, *SCOPE)
			    if status:
			        fail(f"{words}: {status} {text}")
			    return text
		END
		cat
	} | D=$D RP=$RP PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/support python3 - || fail "the script above failed"
}

# shell NAME [LINE…]: the manifest of a cell that is a shell at a terminal, with further lines of its container.
shell() {
	local line
	printf 'apiVersion: v1beta1\nkind: Cell\nmetadata: {name: %s}\nspec:\n  realmId: r\n  spaceId: s\n  stackId: t\n' "$1"
	printf '  containers:\n    - id: main\n      image: busybox\n      attachable: true\n      command: /bin/sh\n'
	shift
	for line; do
		printf '      %s\n' "$line"
	done
}

# made NAME [LINE…]
made() {
	shell "$@" | kuked apply -f - >/dev/null
}

# What a client needs is the socket, whose directory is deep, and a short name of it.
has_its_files() {
	local dir=$RP/data/r/s/t/a/main/tty link
	expect_equal "$(stat -c '%A %U' "$dir/socket")" 'srw-rw---- root'
	expect_equal "$(stat -c %A "$dir/capture")" '-rw-r-----'
	link=$RP/s/$(printf r_s_t_a_main | sha256sum | cut -c 1-16)
	expect_equal "$(readlink "$link")" "$dir/socket"
	expect_equal "$(stat -c %A "$RP/bin/kuketty")" '-rwxr-xr-x'
}

same_shell() {
	at_terminal <<-'END'
		t = attach("a", rows=33, columns=99)
		t.until("To detach, press .. twice")
		t.until("/ # ")
		t.type("stty size\r")
		t.until("\n33 99\r")
		t.resize(44, 111)
		t.type("stty size\r")
		t.until("\n44 111\r")
		t.type("MARK=x; echo mar'ked'\r")
		t.until("\nmarked")
		t.leave()
		# It goes on where it was, and shows what there was.
		t = attach("a")
		t.until("33 99.*44 111.*\nmarked.*/ # ".replace(".*", r"[\s\S]*"))
		t.type("echo P[$MARK]\r")
		t.until(r"\nP\[x\]")
		# One of these is just a key.
		t.type("echo rea'dy'; od -c\r")
		t.until("\nready")
		t.type("a\x1d")
		# What is pasted is no wish to leave.
		t.type("b\x1b[200~\x1d\x1d\x1b[201~\r\x04")
		t.until(r"a 035   b 033   \[   2   0   0   ~ 035 035 033   \[")
		t.type("echo still he're'\r")
		t.until("still here")
		t.leave()
		# Not told: where it is, for the answer would be typed.
		t = attach("a")
		t.until("still here")
		t.look(0.5)
		if b"\x1b[6n" in t.seen[:t.at]:
		    fail(f"it is asked again: {t.seen}")
		t.leave()
	END
}

two_at_once() {
	at_terminal <<-'END'
		first, second = attach("a", rows=30, columns=90), attach("a", rows=20, columns=70)
		first.until("/ # ")
		second.until("/ # ")
		first.type("echo o'n'e; stty size\r")
		for t in first, second:
		    t.until("\none\r\n30 90")
		second.type("echo t'w'o; stty size\r")
		for t in first, second:
		    t.until("\ntwo\r\n20 70")
		second.kill()
		first.type("echo th're'e; stty size\r")
		first.until("\nthree\r\n30 90")
		first.leave()
	END
}

# Two terminals of one cell have one shim: each has its own size and its own keys, whoever of them was started again.
side_by_side() {
	{
		shell pair 'restartPolicy: always'
		shell pair 'restartPolicy: always' | sed -n 's/id: main/id: side/; /- id/,$p'
	} | kuked apply -f - >/dev/null
	at_terminal <<-'END'
		def next_one(name):
		    shown = kuke("get", "container", name, "--cell", "pair", "-o", "json")
		    return '"restartCount": 1' in shown and '"state": "Ready"' in shown
		main = attach("pair", "--container", "main", rows=20, columns=70)
		side = attach("pair", "--container", "side", rows=33, columns=99)
		for t, size in (main, "20 70"), (side, "33 99"):
		    t.until("/ # ")
		    t.type("stty size\r")
		    t.until("\n" + size)
		for name, other in ("side", main), ("main", None):
		    if name == "main":
		        main.leave()
		        main = attach("pair", "--container", "main", rows=20, columns=70)
		        main.until("/ # ")
		    t = side if name == "side" else main
		    t.type("exit\r")
		    expect(t.end(), 0)
		    wait_for("the next one", lambda: next_one(name))
		    t = attach("pair", "--container", name, rows=25, columns=77)
		    t.until("/ # ")
		    for i in range(4):
		        t.type(f"echo n'e'w{i}; stty size\r")
		        t.until(f"\nnew{i}\r\n25 77")
		    t.leave()
	END
	kuked delete cell pair "${scope[@]}" >/dev/null
}

# Ctrl-C is for who runs there.
keys_go_there() {
	at_terminal <<-'END'
		t = attach("a")
		t.until("/ # ")
		t.type("""sh -c "trap 'echo cau''ght; exit 5' INT; echo lis''tening; while :; do sleep 0.1; done"; echo en'ded' $?\r""")
		t.until("\nlistening")
		t.type("\x03")
		t.until("caught[\\s\\S]*\nended 5")
		t.type("echo co'pying'; cat\r")
		t.until("\ncopying")
		t.type("x" * 3000 + "\r")
		t.until("x{3000}\r\nx{3000}")
		t.type("\x04")
		t.until("/ # ")
		t.leave()
	END
}

# Nobody but the container and kuketty has to live.
outlives_all() {
	local pid
	pid=$(task_pid a)
	KUKEOND=$(<"$D/kukeond.pid") CONTAINERD=$containerd_pid at_terminal <<-'END'
		t = attach("a")
		t.until("/ # ")
		t.type("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i + 1)); done; echo al'l'\r")
		t.until("line 100\r")
		for name in "KUKEOND", "CONTAINERD":
		    os.kill(int(os.environ[name]), signal.SIGKILL)
		t.until("\nall\r")
		lines = re.findall(rb"\nline (\d+)\r", t.seen)
		expect(lines, [b"%d" % i for i in range(20000)], "what was shown")
		t.resize(50, 120)
		t.type("stty size\r")
		t.until("\n50 120\r")
		t.leave()
	END
	containerd_start
	wait_until 10 kuked get realms || fail "kukeond does not answer"
	expect_equal "$(kuked log a "${scope[@]}" | grep -c $'^line [0-9]*\r$')" 20000
	expect_equal "$(task_pid a)" "$pid"
}

# What holds the terminal may die too: its like goes on, and shows again what there was.
holder_dies() {
	at_terminal <<-'END'
		t = attach("a")
		t.until("/ # ")
		t.type("echo be'fore'\r")
		t.until("\nbefore")
		oldest = run("pgrep", "-o", "-f", f"kuketty .*{RP}/data/r/s/t/a/")[1].strip()
		for i in range(3):
		    worker = run("pgrep", "-P", oldest)[1].strip()
		    os.kill(int(worker), signal.SIGKILL)
		    t.until(r"\x1b\[2J[\s\S]*\nbefore")
		    t.type("echo af'ter'\r")
		    t.until("\nafter")
		t.leave()
	END
}

# A program that takes the whole screen gives it back.
screen_is_restored() {
	at_terminal <<-'END'
		t = attach("a")
		t.until("/ # ")
		t.type(r"printf '\033[?10''49h\033[?2004h'; sl''eep 0.1; echo fu'll'" "\r")
		t.until("full")
		t.type("\x1d\x1d")
		t.until(r"\x1b\[\?1049l")
		t.until(r"\x1b\[\?2004l")
		t.until("Detached")
		expect(t.end(), 0)
		t = attach("a")
		t.until("full")
		t.type(r"printf '\033[?10''49l'" "\r")
		t.leave()
	END
}

# Input that nobody reads stops at the one who types it.
input_waits() {
	made deaf 'args: ["-c", "stty -icanon -echo; while [ ! -e /go ]; do sleep 0.05; done; dd bs=1 count=100000 2>/dev/null | md5sum; sleep 1000"]'
	PID=$(task_pid deaf) at_terminal <<-'END'
		import hashlib, threading
		t = attach("deaf")
		t.until("To detach")
		text = bytes(97 + i % 26 for i in range(100000))
		feeder = threading.Thread(target=lambda: [t.type(text[i:i + 1000]) for i in range(0, len(text), 1000)])
		feeder.start()
		wait_for("the pipe is full", lambda: True)
		open(f"/proc/{os.environ['PID']}/root/go", "w").close()
		t.until(hashlib.md5(text).hexdigest())
		feeder.join()
		t.leave()
	END
	kuked delete cell deaf "${scope[@]}" >/dev/null
}

# kilobytes: the largest of those that hold a terminal.
holders_rss() {
	ps -o rss= -p "$(pgrep -d, -f "kuketty .*$RP/data/r/s/t/noise/")" | sort -n | tail -n 1
}

# As much as it can write, of anything. A sanitizer takes memory of its own.
noise_is_borne() {
	local most=20480
	nm "$KUKE_BIN/kuke" | grep -q '__asan_init\|__tsan_init' && most=204800
	made noise 'logging: {maxBytes: 1000000, maxFiles: 2}' 'args: ["-c", "while [ ! -e /go ]; do sleep 0.05; done; while :; do head -c 10000000 /dev/urandom; done"]'
	MOST=$most PID=$(task_pid noise) at_terminal <<-'END'
		t = attach("noise")
		t.until("To detach")
		slow = attach("noise")
		open(f"/proc/{os.environ['PID']}/root/go", "w").close()
		seen = 0
		while seen < 50000000:
		    t.look(LIMIT)
		    seen += len(t.seen)
		    t.seen, t.at = b"", 0
		rss = max(int(line.split()[1]) for pid in (t.pid, slow.pid)
		          for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))
		if rss > int(os.environ["MOST"]):
		    fail(f"the client takes {rss} KiB")
		began = time.monotonic()
		t.type("\x1d\x1d")
		t.until("Detached")
		expect(t.end(), 0)
		if time.monotonic() - began > 1:
		    fail(f"it takes {time.monotonic() - began} s to leave")
		slow.kill()
	END
	[ "$(holders_rss)" -lt 20480 ] || fail "kuketty takes $(holders_rss) KiB"
	[ "$(du -k "$RP/data/r/s/t/noise/main/tty" | cut -f 1)" -lt 2100 ] || fail "$(du -k "$RP/data/r/s/t/noise/main/tty")"
	kuked kill noise "${scope[@]}" >/dev/null
	kuked delete cell noise "${scope[@]}" >/dev/null
}

# holders DIRECTORY: how many processes and descriptors those of cell `a` have.
holders() {
	local pid
	for pid in $(pgrep -f "kuketty .*$RP/data/r/s/t/a/"); do
		ls "/proc/$pid/fd" | wc -l
	done | sort -n | tr '\n' ' '
}

often() {
	local before after
	before="$(holders)$(ls "$RP/data/r/s/t/a/main/tty" "$RP/s" | tr '\n' ' ')"
	DAEMON=$(<"$D/kukeond.pid") at_terminal <<-'END'
		t = attach("a")
		t.leave()
		for i in range(50):
		    role = ["reconciler", "containerd", "network", "cgroup"][i % 4]
		    t = attach("a")
		    run("pkill", "-9", "-P", os.environ["DAEMON"], "-f", f"^kukeond: {role}$")
		    t.until("/ # ")
		    if i % 3 == 2:
		        t.kill()
		    else:
		        t.leave()
	END
	after="$(holders)$(ls "$RP/data/r/s/t/a/main/tty" "$RP/s" | tr '\n' ' ')"
	wait_until 5 eval '[ "$(holders)$(ls "$RP/data/r/s/t/a/main/tty" "$RP/s" | tr "\n" " ")" = "'"$before"'" ]' || fail "$before became $after"
}

ends_with_the_shell() {
	made e
	at_terminal <<-'END'
		t = attach("e")
		t.until("/ # ")
		t.type("exit 3\r")
		expect(t.end(), 0, "the status at the end")
		if b"Detached" in t.seen:
		    fail(f"{t.seen}")
	END
	wait_until 5 state_is e Error || fail "$(cell_json e)"
	expect_equal "$(cell_json e | sed -n 's/.*"exitCode": \([0-9]*\).*/\1/p')" 3
	[ ! -e "$RP/data/r/s/t/e/main/tty/socket" ] || fail "the socket is left"
	expect_equal "$(find "$RP/s" -lname "*/t/e/*")" ""
	# Again: a new shell at the same place.
	kuked start e "${scope[@]}" >/dev/null
	at_terminal <<-'END'
		t = attach("e")
		t.until("exit 3")
		t.type("echo n'ew'\r")
		t.until("\nnew")
		t.leave()
	END
	kuked stop e "${scope[@]}" >/dev/null
	kuked delete cell e "${scope[@]}" >/dev/null
}

state_is() {
	[ "$(cell_state "$1")" = "$2" ]
}

# refused TEXT NAME [FLAG…]: at a terminal.
refused() {
	local text=$1
	shift
	TEXT=$text at_terminal <<-END
		t = attach($(printf '"%s", ' "$@"))
		t.until("Error: .*" + re.escape(os.environ["TEXT"]))
		expect(t.end(), 1)
	END
}

refuses() {
	run kuked attach a "${scope[@]}"
	expect_refusal 'standard input is no terminal: attach from one, or use `kuke exec -i` or `kuke log`'
	run kuked attach
	expect_err 'accepts 1 arg'
	run kuked attach a --cell a
	expect_err 'unknown flag: --cell'
	run kuked attach a --realm ""
	expect_refusal 'realm name is required (--realm)'
	run kuked attach ghost "${scope[@]}"
	expect_refusal 'cell "ghost" does not exist; create it first with '
	cell_yaml plain >"$D/plain.yaml"
	kuked apply -f "$D/plain.yaml" >/dev/null
	run kuked attach plain "${scope[@]}"
	expect_refusal 'no attachable container in cell (cell "plain")'
	refused 'container "main" in cell "plain" is not attachable: container is not attachable; recreate with attachable=true' plain --container main
	refused 'container "nobody" not found in cell "a": container not found' a --container nobody
	kuked stop plain "${scope[@]}" >/dev/null
	run kuked attach plain "${scope[@]}"
	expect_refusal 'cell "plain" is in state Stopped (no work container is running); start it first with `kuke start plain`'
	made two
	shell two | sed -n 's/id: main/id: side/; /- id/,$p' >"$D/side"
	{
		shell two
		cat "$D/side"
	} | kuked apply -f - >/dev/null
	refused 'multiple attachable containers in cell; specify --container (cell "two"): candidates: main, side' two
	kuked exec two "${scope[@]}" --container main -- kill -9 1 || :
	kuked delete cell two "${scope[@]}" >/dev/null
	kuked delete cell plain "${scope[@]}" >/dev/null
}

# One more than there is room for.
too_many() {
	at_terminal <<-'END'
		import socket
		path = os.readlink([e.path for e in os.scandir(RP + "/s") if "/t/a/" in os.readlink(e.path)][0])
		os.chdir(os.path.dirname(path))
		others = []
		for i in range(32):
		    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		    s.connect("socket")
		    s.send(b"s" + struct.pack("HH", 24, 80))
		    others.append(s)
		    s.recv(20000)
		t = attach("a")
		t.until('32 are attached to container "main" already')
		expect(t.end(), 1)
		# Who never said how large it is gives its place up.
		others.pop().close()
		silent = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		silent.connect("socket")
		t = attach("a")
		t.until("/ # ")
		expect(silent.recv(1), b"")
		t.leave()
		others.pop().close()
		t = attach("a")
		t.until("/ # ")
		t.leave()
	END
}

# Whoever held the terminal was killed, all of it: nobody answers where its socket still is.
dead_socket() {
	made dead
	pkill -9 -f "kuketty .*$RP/data/r/s/t/dead/"
	refused 'attach to container "main" in cell "dead": nobody answers for its terminal at' dead
	kuked restart dead "${scope[@]}" >/dev/null
	at_terminal <<-'END'
		t = attach("dead")
		t.until("/ # ")
		t.leave()
	END
	pkill -9 -f "kuketty .*$RP/data/r/s/t/dead/"
	kuked delete cell dead "${scope[@]}" >/dev/null
	expect_equal "$(find "$RP/s" -lname "*/t/dead/*")" ""
}

fields() {
	mkdir "$D/volume"
	made f 'env: ["n=5"]' 'tty: {prompt: "front> ", logLevel: debug, scrollbackBytes: 0, onInit: [{script: "echo first; export LOST=1"}, {script: "echo second$LOST; echo x >>/v/made", runOn: create}]}' \
		"volumes: [{kind: bind, source: $D/volume, target: /v}]"
	at_terminal <<-'END'
		t = attach("f")
		t.type("echo th'ird' $TERM $n\r")
		t.until("\nthird xterm 5")
		t.until("front> ")
		t.leave()
		t = attach("f")
		t.type("echo fou'rth'\r")
		t.until("\nfourth")
		if b"third" in t.seen:
		    fail(f"there is a scrollback: {t.seen}")
		t.leave()
	END
	kuked log f "${scope[@]}" | tr -d '\r' | head -n 2 >"$D/shown"
	expect_equal "$(<"$D/shown")" $'first\nsecond'
	grep -q 'debug kuketty .*a client has left' "$RP/data/r/s/t/f/main/tty/kuketty.log" || fail "it tells nothing"
	kuked restart f "${scope[@]}" >/dev/null
	wait_until 5 eval '[ "$(kuked log f "${scope[@]}" | grep -c first)" = 2 ]' || fail "it does not run again"
	expect_equal "$(<"$D/volume/made")" x
	# A stage that fails is the end of it.
	made g 'tty: {onInit: [{script: "exit 4"}]}' 'restartPolicy: never'
	wait_until 5 state_is g Error || fail "$(cell_json g)"
	expect_equal "$(cell_json g | sed -n 's/.*"exitCode": \([0-9]*\).*/\1/p')" 4
	run kuked apply -f <(shell h 'tty: {onInit: [{script: x, runOn: create}]}')
	expect_err 'onInit[0]: a stage that runs on create prepares what outlives the container: add a volume'
	run kuked apply -f <(shell h 'tty: {logFile: /run/kukeon/tty/capture}')
	expect_err 'container "main": tty.logFile "/run/kukeon/tty/capture": that is another file of the terminal'
	run kuked apply -f <(shell h 'tty: {scrollbackBytes: 99999999}')
	expect_err 'container "main": tty.scrollbackBytes must be between 0 and 8388608, got 99999999'
	kuked delete cell f "${scope[@]}" >/dev/null
	kuked delete cell g "${scope[@]}" >/dev/null
}

runs() {
	at_terminal <<-'END'
		def started(*words):
		    return Terminal(*KUKE, "run", *words, *SCOPE)
		t = started("--image", "busybox", "--name", "r1")
		t.until('Cell "r1"')
		t.until("containers: started")
		t.until("/ # ")
		t.type("echo ru'ns'\r")
		t.until("\nruns")
		t.leave()
		t = started("r1")
		t.until("containers: not started")
		t.until("\nruns")
		t.type("exit\r")
		expect(t.end(), 0)
		wait_for("it is over", lambda: "Exited" in kuke("get", "cell", "r1", "-o", "json"))
		t = started("r1")
		t.until("containers: started")
		t.until("/ # ")
		t.leave()
		# What was made for the session goes with it, unless somebody has left it.
		t = started("--image", "busybox", "--name", "r2", "--rm")
		t.until("/ # ")
		t.type("exit\r")
		expect(t.end(), 0)
		expect(run(*KUKE, "get", "cell", "r2", *SCOPE)[0], 1, "whether the cell is there")
		t = started("--image", "busybox", "--name", "r2", "--rm")
		t.until("/ # ")
		t.leave()
		kuke("get", "cell", "r2")
		kuke("delete", "cell", "r2")
		kuke("delete", "cell", "r1")
		# In-process it is alike.
		t = Terminal("kuke", "--run-path", RP, "--containerd-socket", D + "/containerd.sock", "run", "--image", "busybox",
		             "--name", "r3", "--rm", *SCOPE)
		t.until("/ # ")
		t.type("exit\r")
		expect(t.end(), 0)
		expect(run(*KUKE, "get", "cell", "r3", *SCOPE)[0], 1, "whether the cell is there")
		for i in range(5):
		    t = started("--image", "busybox", "--command", "/bin/true", "--name", "r4")
		    expect(t.end(), 0)
		    kuke("delete", "cell", "r4")
		    t = started("--image", "busybox", "--command", "/bin/true", "--name", "r4", "--rm")
		    expect(t.end(), 0)
		    expect(run(*KUKE, "get", "cell", "r4", *SCOPE)[0], 1, "whether the cell is there")
		# What was written at its end is shown to the end, however slowly.
		t = Terminal(*KUKE, "run", "--image", "busybox", "--command", "/bin/sh", "--name", "r5", *SCOPE)
		t.until("/ # ")
		t.type("exec seq 300000\r")
		wait_for("it is over", lambda: "Exited" in kuke("get", "cell", "r5", "-o", "json"))
		while t.look(LIMIT) and not t.seen.endswith(b"\x1b[0m"):
		    time.sleep(0.001)
		expect(t.end(), 0)
		if b"\r\n300000\r\n" not in t.seen:
		    fail(f"the end is missing: {t.seen[-300:]}")
		kuke("delete", "cell", "r5")
	END
	# Nothing is made for whom it is of no use.
	run kuked run --image busybox --name none "${scope[@]}"
	expect_refusal 'standard input is no terminal'
	cell_yaml plain >"$D/plain.yaml"
	at_terminal <<-'END'
		t = Terminal(*KUKE, "run", "-f", D + "/plain.yaml")
		t.until(re.escape('no attachable container in cell (cell "plain")'))
		t.until("-d/--detach")
		expect(t.end(), 1)
		t = Terminal(*KUKE, "run", "-f", D + "/plain.yaml", "--container", "main")
		t.until(re.escape('is not attachable: container is not attachable; recreate with attachable=true; available attachable containers: <none>'))
		expect(t.end(), 1)
	END
	expect_equal "$(kuked get cells "${scope[@]}" -o name | grep -v '^a$')" ""
}

# The name of a socket may have 107 bytes, a path of ours has more.
deep() {
	local name=a123456789012345678901234567890123456789012345678901234567890
	made "$name"
	NAME=$name at_terminal <<-'END'
		t = attach(os.environ["NAME"])
		t.until("/ # ")
		t.leave()
	END
	kuked delete cell "$name" "${scope[@]}" >/dev/null
}

all_ended() {
	wait_until 5 eval '! pgrep -f "kuketty .*$RP/data/r/"' || fail "$(pgrep -af "kuketty .*$RP/data/r/")"
	expect_equal "$(ls "$RP/s")" ""
}

containerd_start
daemon_keep
image_make "$D/busybox.tar"
kuked create realm r >/dev/null
kukel image load "$D/busybox.tar" --realm r >/dev/null
made a
it "has a socket where it belongs" has_its_files
it "reaches the same shell again, and shows what there was" same_shell
it "has several users at once" two_at_once
it "keeps two terminals of a cell apart" side_by_side
it "passes on the keys" keys_go_there
it "gives the screen back" screen_is_restored
it "outlives all of kukeond, and containerd" outlives_all
it "outlives the process that holds the terminal" holder_dies
it "lets input wait that nobody reads" input_waits
it "bears any noise" noise_is_borne
it "comes and goes 50 times while workers are killed" often
it "ends with the shell" ends_with_the_shell
it "reaches one that lies deep" deep
it "says why it can't" refuses
it "says that there are too many" too_many
it "says that nobody answers" dead_socket
it "has a prompt, stages, and a scrollback as it is told" fields
it "runs a cell and sits down at it" runs
kuked delete realm r --cascade >/dev/null
it "leaves nothing" all_ended
