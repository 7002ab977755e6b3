#!/usr/bin/python3
"""Redis' own test suite, unchanged, against a varve server.

    tests/redis/run_redis_suite.py [UNIT...]

The suite is that of Debian's source package (Redis 7.0.15), fetched once into build/redis. It runs
in its external mode against fresh servers, in the profile of suite.py. A test that fails fails the
run. skip.txt has those that cannot pass yet because a *command* is missing, a line each:

    name of the test | the missing command

Each entry is checked: the command is one of Redis', varve does not have it (COMMAND INFO is asked),
and the text of the test names it. So an entry goes as soon as its command comes. Two other words
may stand for the command, and are checked by a run of their own: "alone" for a test that counts on
what a skipped one before it does; it must pass without company. "redis-server" for a test that
Redis 7.0.15 does not pass itself.

Many tests of the suite count on the machine's pace: that a command is over within so many
milliseconds, or has not begun yet. If up to three tests fail, their units run once more, on a
fresh server; what fails again has failed. A server that crashes or hangs has no second try.

passes.txt keeps how many tests of each unit pass; fewer fail the run, and the total may not become
smaller than it ever was (git knows).
"""

import argparse
import concurrent.futures
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from suite import ROOT, WENT_DOWN, Reference, Suite, Texts  # noqa: E402
from server import Connection, Server  # noqa: E402

SKIPS = os.path.join(HERE, "skip.txt")
PASSES = os.path.join(HERE, "passes.txt")
AGAIN_MAX = 3


class Run:
    """Units against one server."""

    def __init__(self, label, units, backend="auto", deny=()):
        self.label = label
        self.units = units.split()
        self.backend = backend
        self.deny = deny
        self.found = {}

    def start(self, suite, skips):
        trouble = self.play(suite, skips, self.label, self.units)
        failures = self.failures(trouble)
        again = [unit for unit in self.units
                 if unit not in self.found or self.found[unit].failed]
        if again and len(failures) <= AGAIN_MAX + len(trouble) and not is_final(trouble):
            for words in failures:
                print("again:", words, flush=True)
            failures = self.failures(self.play(suite, skips, self.label + "-again", again))
        return failures

    def play(self, suite, skips, label, units):
        """What is found takes the place of what was found of these units. What went wrong."""
        server = Server("--io-backend", self.backend, "--enable-debug-command", "yes")
        found, trouble = suite.run(label, server, units, skips, deny=self.deny)
        self.found.update(found)
        return trouble

    def failures(self, trouble):
        return ([f"{self.label}: {words}" for words in trouble]
                + [f"{self.label}: {name}: {words}" for name, unit in self.found.items()
                   for _, words in unit.failed])


def is_final(trouble):
    """The server crashed, or something hung: that is no matter of a busy machine."""
    return any(words.startswith((WENT_DOWN, "stopped after")) for words in trouble)


# Beside each other, as much of their time is waiting. Where tests load what Redis saved, or have it
# keep what has expired, DEBUG is left out.
RUNS = [
    Run("suite", """unit/pause unit/protocol unit/quit unit/info-command unit/type/string
        unit/type/incr unit/keyspace unit/scan unit/bitops unit/bitfield unit/dump unit/pubsub
        unit/slowlog unit/introspection unit/introspection-2 unit/latency-monitor
        integration/redis-cli"""),
    Run("suite-no-debug", "unit/expire unit/other unit/multi", deny=["needs:debug"]),
]
# Those in which reading, writing and waiting are most of the work; not counted.
POSIX = Run("suite-posix", """unit/pause unit/protocol unit/quit unit/type/incr unit/scan
    unit/expire unit/multi unit/pubsub unit/slowlog integration/redis-cli""", "posix",
            ["needs:debug"])


# ---- What is skipped, and why ------------------------------------------------------------------

def read_skips():
    """test -> why"""
    out = {}
    with open(SKIPS) as f:
        for line in f:
            line = line.rstrip("\n")
            if line and not line.startswith("#"):
                name, bar, why = line.rpartition(" | ")
                if not bar:
                    sys.exit(f"redis suite: skip.txt: no command in: {line}")
                out[name] = why
    return out


def judge_commands(suite, skips, units):
    """The entries for which a missing command is no reason, in words."""
    known = suite.commands()
    texts = Texts(suite, units)
    bad = []
    with Server() as server:
        c = Connection(server.port)
        for name, why in skips.items():
            if why in ("alone", "redis-server"):
                continue
            if why not in known:
                bad.append(f"{name}: {why} is no command of Redis")
            elif c.ask("COMMAND", "INFO", why) != [None]:
                bad.append(f"{name}: {why} exists: run the test")
            elif not texts.name(name, why):
                bad.append(f"{name}: its text does not name {why}")
        c.close()
    return bad


def units_of(names, found):
    return [unit for unit, said in found.items() if set(names) & set(said.skipped)]


def run_alone(suite, skips, found):
    """Run the tests that need to be without company; those that pass count."""
    names = [name for name, why in skips.items() if why == "alone"]
    units = units_of(names, found)
    if not units:
        return []
    again, trouble = suite.run("alone", Server(), units, only=names)
    for unit, said in again.items():
        found[unit].ok += said.ok
        for name in said.ok:
            found[unit].skipped.remove(name)
        trouble += [f"alone: {words}" for _, words in said.failed]
    return trouble


def ask_reference(suite, skips, found):
    """A test is not one that Redis fails if Redis passes it."""
    names = [name for name, why in skips.items() if why == "redis-server"]
    units = units_of(names, found)
    if not units:
        return []
    answer, _ = suite.run("redis-server", Reference(), units, only=names)
    failed = {name for said in answer.values() for name, _ in said.failed}
    return [f"skip.txt: {name}: redis-server passes it" for name in names if name not in failed]


# ---- The number --------------------------------------------------------------------------------

def parse_passes(text):
    out = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            unit, count = line.split()
            out[unit] = int(count)
    return out


def greatest_total_ever():
    """Of what the history of passes.txt shows; 0 where there is no history to ask."""
    path = os.path.relpath(PASSES, ROOT)

    def git(*words):
        done = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True,
                              check=False)
        return done.stdout if done.returncode == 0 else ""

    return max((sum(parse_passes(git("show", f"{commit}:{path}")).values())
                for commit in git("log", "--format=%H", "--", path).split()), default=0)


def compare_passes(found, kept):
    """What passes less often than it did, in words; what passes more often is printed."""
    bad = []
    for unit, said in found.items():
        now, once = len(said.ok), kept.get(unit, 0)
        if now < once:
            bad.append(f"{unit}: {now} tests pass, {once} did: it may only grow")
        elif now > once:
            print(f"{unit}: {now} tests pass, {once} are kept: raise passes.txt")
    return bad


# ---- The run -----------------------------------------------------------------------------------

def chosen(runs, units):
    for run in runs:
        run.units = [unit for unit in run.units if unit in units]
    return [run for run in runs if run.units] or sys.exit("redis suite: no such unit")


def print_run(run):
    print(f"{run.label + ':':28s}    ok   err  skipped  denied  seconds")
    for name, unit in run.found.items():
        print(f"  {name:26s} {len(unit.ok):5d} {len(unit.failed):5d} {len(unit.skipped):8d} "
              f"{unit.denied:7d} {unit.seconds:8d}")
    print(flush=True)


def run_all(suite, runs, skips):
    with concurrent.futures.ThreadPoolExecutor(len(runs)) as pool:
        return [words for failures in pool.map(lambda run: run.start(suite, skips), runs)
                for words in failures]


def main():
    parser = argparse.ArgumentParser(description="Run Redis' test suite against varve.")
    parser.add_argument("units", nargs="*", metavar="UNIT")
    options = parser.parse_args()
    runs = chosen(RUNS, options.units) if options.units else RUNS + [POSIX]

    started = time.monotonic()
    suite = Suite()
    skips = read_skips()
    failures = run_all(suite, runs, skips)
    counted = [run for run in runs if run is not POSIX]
    found = {name: unit for run in counted for name, unit in run.found.items()}
    with open(PASSES) as f:
        kept = parse_passes(f.read())
    if not options.units:
        met = {name for unit in found.values() for name in unit.skipped}
        failures += [f"skip.txt: {name}: no such test was met" for name in skips if name not in met]
        failures += ["skip.txt: " + words for words in judge_commands(suite, skips, found)]
        failures += ask_reference(suite, skips, found)
        failures += run_alone(suite, skips, found)
        failures += compare_passes(found, kept)
        if sum(kept.values()) < greatest_total_ever():
            failures.append("passes.txt: the total was greater once: it may only grow")

    for run in runs:
        print_run(run)
    for words in failures:
        print("FAIL  " + words)
    passed = sum(len(unit.ok) for unit in found.values())
    everything = sum(len(unit.ok) for run in runs for unit in run.found.values())
    skipped = sum(len(unit.skipped) for unit in found.values())
    print(f"Redis 7.0.15's suite: {passed} tests pass of varve ({sum(kept.values())} are kept), "
          f"in {time.monotonic() - started:.0f} s")
    print(f"{everything} passed, {len(failures)} failed, {skipped} skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
