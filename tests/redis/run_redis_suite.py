#!/usr/bin/python3
"""Redis' own test suite, unchanged, against a varve server.

    tests/redis/run_redis_suite.py [--backend NAME] [UNIT...]

The suite is that of Debian's source package (Redis 7.0.15), fetched once into build/redis. It runs
in its external mode against fresh servers, in the profile below. A test that fails fails the run.
One that cannot pass yet because a *command* is missing stands in skip.txt, a line each:

    name of the test | the missing command

and nothing else is a reason. Each entry is checked: the command is one of Redis', varve does not
have it (COMMAND INFO is asked), the text of the test names it, and the suite met the test. So an
entry goes as soon as its command comes. passes.txt keeps how many tests of each unit pass; fewer
fail the run, and what was once kept there in the total may not shrink either (git knows).
"""

import argparse
import concurrent.futures
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "clients"))
from server import Connection, Server  # noqa: E402

BUILD = os.environ.get("VARVE_BUILD", os.path.join(ROOT, "build"))
SKIPS = os.path.join(HERE, "skip.txt")
PASSES = os.path.join(HERE, "passes.txt")

UNITS = """unit/protocol unit/quit unit/info-command unit/type/string unit/type/incr unit/keyspace
    unit/scan unit/expire unit/bitops unit/bitfield unit/other unit/multi unit/dump unit/pubsub
    unit/slowlog unit/introspection unit/introspection-2 unit/pause unit/latency-monitor
    integration/redis-cli""".split()

# Runs beside each other, each with its own server: what the POSIX back end is asked, it is asked
# while the other one waits.
RUNS = [
    ("auto", UNITS),
    ("posix", """unit/protocol unit/quit unit/type/string unit/type/incr unit/scan unit/expire
        unit/multi unit/pubsub""".split()),
]

# What the suite itself calls slow, and the features of Redis that its tags ask for and that a
# server of this kind is not asked to have: replicas, the counters of HyperLogLog, sub-commands of
# DEBUG that rewrite a Redis' own memory, a maxmemory that evicts.
DENIED = """slow needs:debug needs:repl needs:save needs:reset needs:config-maxmemory
    needs:config-resetstat needs:pfdebug needs:latency""".split()
PROFILE = ["--singledb", "--ignore-encoding", "--ignore-digest"]

RUN_LIMIT_S = 600
STALL_LIMIT_S = 60
EVENT = re.compile(r"^\[(ok|err|skip|ignore|exception|TIMEOUT)\]: (.*?)(?: \(\d+ ms\))?$")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Unit:
    """What the suite said of one unit."""

    def __init__(self):
        self.ok = 0
        self.skipped = []
        self.failed = []
        self.denied = 0
        self.seconds = 0


# ---- The suite -------------------------------------------------------------------------------

def fetch():
    done = subprocess.run([os.path.join(ROOT, "scripts", "fetch-source"),
                           os.path.join(BUILD, "redis"), "redis"],
                          stdout=subprocess.PIPE, check=False, text=True)
    if done.returncode != 0:
        sys.exit("redis suite: no source package")
    return done.stdout.strip()


def lay_out(source, folder):
    """A tree that looks like a built Redis: its tests, Debian's programs, a tmp of its own."""
    os.makedirs(os.path.join(folder, "tests", "tmp"))
    os.makedirs(os.path.join(folder, "src"))
    for name in os.listdir(os.path.join(source, "tests")):
        if name != "tmp":
            os.symlink(os.path.join(source, "tests", name), os.path.join(folder, "tests", name))
    for program in ("redis-cli", "redis-benchmark"):
        os.symlink(shutil.which(program), os.path.join(folder, "src", program))


def run_suite(source, backend, units, skips):
    """unit -> Unit, and the words of a run that ended before its end."""
    folder = tempfile.mkdtemp(prefix="varve-suite-")
    log = os.path.join(BUILD, "redis", backend + ".log")
    try:
        lay_out(source, folder)
        names = os.path.join(folder, "skip")
        with open(names, "w") as f:
            f.writelines(name + "\n" for name in skips)
        with Server("--io-backend", backend, "--protected-mode", "no") as server:
            command = ["tclsh", "tests/test_helper.tcl", "--host", "127.0.0.1", "--port",
                       str(server.port), "--baseport", str(random.randrange(21000, 28000)),
                       "--durable", "--timeout", str(STALL_LIMIT_S), "--skipfile", names,
                       "--tags", " ".join("-" + tag for tag in DENIED)] + PROFILE
            for unit in units:
                command += ["--single", unit]
            status = run_logged(command, folder, log)
            stopped = server.process.poll() is not None
            said = server.read_log() if stopped else ""
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    found = read_log(log)
    trouble = [f"{unit}: not run" for unit in units if unit not in found]
    if status is None:
        trouble.append(f"stopped after {RUN_LIMIT_S} s")
    elif status != 0 and not any(unit.failed for unit in found.values()):
        trouble.append(f"the suite ended with status {status}; see {os.path.relpath(log, ROOT)}")
    if stopped:
        trouble.append("the server went down:\n" + said)
    return found, trouble


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
            unit.ok += 1
        elif kind == "skip":
            unit.skipped.append(text)
        elif kind == "ignore":
            unit.denied += 1
        else:
            unit.failed.append("\n".join([text] + details(lines[i + 1:])))
    return found


def details(lines):
    out = []
    for line in lines[:12]:
        if line.startswith("[") or line.startswith("Testing ") or "The End" in line:
            break
        out.append("    " + line)
    return out


# ---- What is skipped, and why ------------------------------------------------------------------

def read_skips():
    """[(name, command)]"""
    out = []
    with open(SKIPS) as f:
        for line in f:
            line = line.rstrip("\n")
            if line and not line.startswith("#"):
                name, bar, command = line.rpartition(" | ")
                if not bar:
                    sys.exit(f"redis suite: skip.txt: no command in: {line}")
                out.append((name, command))
    return out


def commands_of_redis(source):
    """Names as COMMAND INFO has them: get, config|set."""
    out = set()
    folder = os.path.join(source, "src", "commands")
    for file in os.listdir(folder):
        if file.endswith(".json"):
            with open(os.path.join(folder, file)) as f:
                for name, facts in json.load(f).items():
                    container = facts.get("container")
                    out.add((f"{container}|{name}" if container else name).lower())
    return out


class Texts:
    """The text of each test of the suite, found by the name that the suite prints."""

    # test {name} ..., or a procedure test_such that puts words before the name.
    HEAD = re.compile(r'^\s*(test\w*) (?:\{(.*?)\}|"((?:[^"\\]|\\.)*)")', re.M)
    # What stands for anything in a quoted name: $word, $word($other), ${word}, [command].
    VARIABLE = re.compile(r"\$\w+(?:\(\$?\w+\))?|\$\{\w+\}|\[[^\]]*\]")

    def __init__(self, source, units):
        self.tests = []
        for unit in units:
            with open(os.path.join(source, "tests", unit + ".tcl"), errors="replace") as f:
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


def judge_skips(skips, source, units, met):
    """The entries of skip.txt that are no reason to skip a test, as words."""
    known = commands_of_redis(source)
    texts = Texts(source, units)
    bad = []
    with Server() as server:
        c = Connection(server.port)
        for name, command in skips:
            if command not in known:
                bad.append(f"{name}: {command} is no command of Redis")
            elif c.ask("COMMAND", "INFO", command) != [None]:
                bad.append(f"{name}: {command} exists: run the test")
            elif name not in met:
                bad.append(f"{name}: the suite has not met such a test")
            elif not texts.name(name, command):
                bad.append(f"{name}: its text does not name {command}")
        c.close()
    return bad


# ---- The number --------------------------------------------------------------------------------

def parse_passes(text):
    out = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            unit, count = line.split()
            out[unit] = int(count)
    return out


def kept_passes():
    with open(PASSES) as f:
        return parse_passes(f.read())


def greatest_total_ever():
    """Of what the history of passes.txt shows; 0 where there is no history to ask."""
    path = os.path.relpath(PASSES, ROOT)

    def git(*words):
        done = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True,
                              check=False)
        return done.stdout if done.returncode == 0 else ""

    totals = [sum(parse_passes(git("show", f"{commit}:{path}")).values())
              for commit in git("log", "--format=%H", "--", path).split()]
    return max(totals, default=0)


# ---- The report --------------------------------------------------------------------------------

def print_run(backend, found):
    print(f"{backend + ':':28s}    ok   err  skipped  denied  seconds")
    for name, unit in found.items():
        print(f"  {name:26s} {unit.ok:5d} {len(unit.failed):5d} {len(unit.skipped):8d} "
              f"{unit.denied:7d} {unit.seconds:8d}")
    print(flush=True)


def total(found, what):
    return sum(what(unit) for unit in found.values())


def main():
    parser = argparse.ArgumentParser(description="Run Redis' test suite against varve.")
    parser.add_argument("units", nargs="*", metavar="UNIT")
    parser.add_argument("--backend", choices=["auto", "posix"])
    options = parser.parse_args()
    whole = not options.units and not options.backend

    source = fetch()
    skips = read_skips()
    runs = RUNS if whole else [(options.backend or "auto", options.units or UNITS)]
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(len(runs)) as pool:
        futures = [pool.submit(run_suite, source, backend, units, [name for name, _ in skips])
                   for backend, units in runs]
        results = [future.result() for future in futures]

    failures = []
    for (backend, _), (found, trouble) in zip(runs, results):
        print_run(backend, found)
        failures += [f"{backend}: {name}: {words}" for name, unit in found.items()
                     for words in unit.failed]
        failures += [f"{backend}: {words}" for words in trouble]
    found = results[0][0]
    passed = total(found, lambda unit: unit.ok)
    kept = kept_passes()
    for name, unit in found.items():
        if unit.ok < kept.get(name, 0):
            failures.append(f"{name}: {unit.ok} tests pass, {kept[name]} did; may only grow")
        elif unit.ok > kept.get(name, 0):
            print(f"{name}: {unit.ok} tests pass, {kept.get(name, 0)} are kept: raise passes.txt")
    if whole:
        if sum(kept.values()) < greatest_total_ever():
            failures.append("passes.txt: the total was greater once; it may only grow")
        met = {name for unit in found.values() for name in unit.skipped}
        failures += ["skip.txt: " + words for words in judge_skips(skips, source, UNITS, met)]

    for words in failures:
        print("FAIL  " + words)
    print(f"Redis 7.0.15's suite: {passed} tests pass of varve ({sum(kept.values())} are kept), "
          f"{time.monotonic() - started:.0f} s")
    skipped = total(found, lambda unit: len(unit.skipped))
    everything = sum(total(found, lambda unit: unit.ok) for found, _ in results)
    print(f"{everything} passed, {len(failures)} failed, {skipped} skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
