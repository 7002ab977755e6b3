"""suite -- Redis' test suite as a thing to run: fetched, pointed at a server, its log read."""

import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "clients"))
from server import Server  # noqa: E402

LOGS = os.path.join(os.environ.get("VARVE_BUILD", os.path.join(ROOT, "build")), "redis")

# What the suite itself calls slow, and tags that ask for the inside of a Redis: its replicas, its
# HyperLogLogs, a maxmemory below what it holds already. With --ignore-encoding a value may be kept
# in another form than Redis keeps it in.
DENIED = "slow needs:repl needs:pfdebug needs:config-maxmemory".split()
PROFILE = ["--ignore-encoding", "--ignore-digest"]

RUN_LIMIT_S = 800
WENT_DOWN = "the server went down"
# Between its processes the suite talks through one of the 32 ports below its base port.
PORTS, FIRST_PORT, PLACES = 64, 21100, 90
STALL_LIMIT_S = 300  # One test makes 10,000 durable writes one by one; the device may be busy.
EVENT = re.compile(r"^\[(ok|err|skip|ignore|exception|TIMEOUT)\]: (.*?)(?: \(\d+ ms\))?$")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Reference(Server):
    """A redis-server to ask the same."""

    def command(self):
        os.makedirs(os.path.join(self.base, "data"), exist_ok=True)
        return ["redis-server", "--port", str(self.port), "--dir",
                os.path.join(self.base, "data"), "--save", ""]


class Unit:
    """What the suite said of one unit."""

    def __init__(self):
        self.ok = []
        self.failed = []  # Name, and the words of the failure.
        self.skipped = []
        self.denied = 0
        self.seconds = 0


class Suite:
    def __init__(self):
        done = subprocess.run([os.path.join(ROOT, "scripts", "fetch-source"), LOGS, "redis"],
                              stdout=subprocess.PIPE, check=False, text=True)
        if done.returncode != 0:
            sys.exit("redis suite: no source package")
        self.source = done.stdout.strip()
        self.places = itertools.count(random.randrange(PLACES))  # Each run has one of its own.

    def run(self, label, server, units, skip=(), only=(), deny=()):
        """Run units against a server that is made for it: unit -> Unit, and what went wrong with
        the run as a whole. Tests are left out by name, or all but some, or by tag."""
        folder = tempfile.mkdtemp(prefix="varve-suite-")
        log = os.path.join(LOGS, label + ".log")
        try:
            self.lay_out(folder)
            with server:
                command = self.command(folder, server.port, units, skip, only, deny)
                status = run_logged(command, folder, log)
                down = server.read_log() if server.process.poll() is not None else None
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        found = read_log(log)
        trouble = [f"{unit}: not run" for unit in units if unit not in found]
        if status is None:
            trouble.append(f"stopped after {RUN_LIMIT_S} s")
        elif status != 0 and not any(unit.failed for unit in found.values()):
            trouble.append(f"it ended with status {status}; see {os.path.relpath(log, ROOT)}")
        if down is not None:
            trouble.append(f"{WENT_DOWN}:\n{down}")
        return found, trouble

    def lay_out(self, folder):
        """A tree that looks like a built Redis: its tests, Debian's programs, a tmp of its own."""
        tests = os.path.join(self.source, "tests")
        os.makedirs(os.path.join(folder, "tests", "tmp"))
        os.makedirs(os.path.join(folder, "src"))
        for name in os.listdir(tests):
            if name != "tmp":
                os.symlink(os.path.join(tests, name), os.path.join(folder, "tests", name))
        for program in ("redis-cli", "redis-benchmark"):
            os.symlink(shutil.which(program), os.path.join(folder, "src", program))

    def command(self, folder, port, units, skip, only, deny):
        names = os.path.join(folder, "skip")
        with open(names, "w") as f:
            f.writelines(name + "\n" for name in skip)
        out = ["tclsh", "tests/test_helper.tcl", "--host", "127.0.0.1", "--port", str(port),
               "--baseport", str(FIRST_PORT + PORTS * next(self.places)), "--durable", "--timeout",
               str(STALL_LIMIT_S), "--skipfile", names, "--tags",
               " ".join("-" + tag for tag in [*DENIED, *deny])] + PROFILE
        for unit in units:
            out += ["--single", unit]
        for name in only:
            out += ["--only", name]
        return out

    def commands(self):
        """The names of Redis' commands as COMMAND INFO has them: get, config|set."""
        out = set()
        folder = os.path.join(self.source, "src", "commands")
        for file in os.listdir(folder):
            if file.endswith(".json"):
                with open(os.path.join(folder, file)) as f:
                    for name, facts in json.load(f).items():
                        container = facts.get("container")
                        out.add((f"{container}|{name}" if container else name).lower())
        return out


def run_logged(command, folder, log):
    env = dict(os.environ, TERM="dumb")
    with open(log, "w") as out:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, env=env, start_new_session=True)
        try:
            return process.wait(RUN_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            return None


def read_log(log):
    found = {}
    unit = Unit()
    with open(log, errors="replace") as f:
        lines = [COLOUR.sub("", line.rstrip("\n")) for line in f]
    for i, line in enumerate(lines):
        if line.startswith("Testing "):
            unit = found.setdefault(line[len("Testing "):], Unit())
            continue
        done = re.match(r"^\[\d+/\d+ done\]: \S+ \((\d+) seconds\)", line)
        if done:
            unit.seconds = int(done.group(1))
        event = EVENT.match(line)
        if not event:
            continue
        kind, text = event.groups()
        if kind == "ok":
            unit.ok.append(text)
        elif kind == "skip":
            unit.skipped.append(text)
        elif kind == "ignore":
            unit.denied += 1
        else:
            name = re.sub(r" in tests/\S+\.tcl$", "", text)
            unit.failed.append((name, "\n".join([text] + details(lines[i + 1:]))))
    return found


def details(lines):
    out = []
    for line in lines[:12]:
        if line.startswith("[") or line.startswith("Testing ") or "The End" in line:
            break
        out.append("    " + line)
    return out


class Texts:
    """The text of each test, found by the name that the suite prints."""

    # test {name} ..., or a procedure test_such that puts words before the name.
    HEAD = re.compile(r'^\s*(test\w*) (?:\{(.*?)\}|"((?:[^"\\]|\\.)*)")', re.M)
    # What stands for anything in a quoted name: $word, $word($other), ${word}, [command].
    VARIABLE = re.compile(r"\$\w+(?:\(\$?\w+\))?|\$\{\w+\}|\[[^\]]*\]")

    def __init__(self, suite, units):
        self.tests = []
        for unit in units:
            with open(os.path.join(suite.source, "tests", unit + ".tcl"), errors="replace") as f:
                text = f.read()
            heads = list(self.HEAD.finditer(text))
            ends = [head.start() for head in heads[1:]] + [len(text)]
            self.tests += [(self.pattern(*head.groups()), text[head.end():end])
                           for head, end in zip(heads, ends)]

    def pattern(self, procedure, braced, quoted):
        if braced is not None:
            name = re.escape(braced)
        else:
            parts = self.VARIABLE.split(re.sub(r"\\(.)", r"\1", quoted))
            name = ".*".join(re.escape(part) for part in parts)
        return re.compile(("" if procedure == "test" else ".*") + name + r"\Z")

    def name(self, test, command):
        """Whether each word of the command is in the test's name or in its text."""
        words = [re.compile(r"\b" + re.escape(w) + r"\b", re.I) for w in command.split("|")]
        return any(pattern.match(test) and all(word.search(test + " " + text) for word in words)
                   for pattern, text in self.tests)
