#!/usr/bin/python3
"""Redis' own test suite, unchanged, against a varve server.

    tests/redis/run_redis_suite.py [UNIT...]

The suite is that of Debian's source package (Redis 7.0.15), fetched once into build/redis. It runs
in its external mode against fresh servers, in the profile of suite.py: all of it over io_uring, and
all of it over plain calls and epoll. A test that fails fails the run. skip.txt has those that
cannot pass yet because a *command* is missing, a line each:

    name of the test | the missing command

Each entry is checked: the command is one of Redis', varve does not have it (COMMAND INFO is asked),
and the text of the test names it. So an entry goes as soon as its command comes. Two other words
may stand for the command, and are checked by a run of their own: "alone" for a test that counts on
what a skipped one before it does; it must pass without company. "redis-server" for a test that
Redis 7.0.15 does not pass itself.

Many tests of the suite count on the machine's pace: that a command is over within so many
milliseconds, or has not begun yet. If up to three tests fail, their units run once more, on a
fresh server; what fails again has failed. A server that crashes or hangs has no second try.

passes.txt keeps how many tests of each unit pass, over either back end; fewer fail the run, and the
total may not become smaller than it ever was (git knows).
"""

import argparse
import concurrent.futures
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "server")]
from suite import ROOT, WENT_DOWN, Reference, Suite, Texts  # noqa: E402
from server import Connection, Server  # noqa: E402
from varve_process import has_ring  # noqa: E402

SKIPS = os.path.join(HERE, "skip.txt")
PASSES = os.path.join(HERE, "passes.txt")
AGAIN_MAX = 3


class OverBackend(Server):
    """A server that was asked to use one back end, and what it does use."""

    def __init__(self, backend, *flags):
        super().__init__("--io-backend", backend, *flags)
        self.backend = backend
        self.served_by = None

    def start(self):
        super().start()
        self.served_by = "io_uring" if has_ring(self.process.pid) else "posix"
        if self.backend not in ("auto", self.served_by):
            self.kill()
            raise RuntimeError(f"{self.backend} was asked for, and {self.served_by} serves")
        return self


class Run:
    """Units against one server."""

    def __init__(self, backend, label, units, deny=()):
        self.label = f"{label}-{backend}"
        self.units = units.split()
        self.backend = backend
        self.deny = deny
        self.found = {}
        self.served_by = None

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
        server = OverBackend(self.backend, "--enable-debug-command", "yes")
        found, trouble = suite.run(label, server, units, skips, deny=self.deny)
        self.found.update(found)
        self.served_by = server.served_by
        return trouble

    def failures(self, trouble):
        return ([f"{self.label}: {words}" for words in trouble]
                + [f"{self.label}: {name}: {words}" for name, unit in self.found.items()
                   for _, words in unit.failed])


def is_final(trouble):
    """The server crashed, or something hung: that is no matter of a busy machine."""
    return any(words.startswith((WENT_DOWN, "stopped after")) for words in trouble)


# The longest first, so that they end together. Where tests load what Redis saved, or have it keep
# what has expired, DEBUG is left out.
RUNS = [
    ("others", """unit/bitops unit/bitfield unit/dump unit/pubsub unit/slowlog unit/introspection
        unit/introspection-2 unit/latency-monitor integration/redis-cli"""),
    ("keys", """unit/pause unit/protocol unit/quit unit/info-command unit/type/string unit/type/incr
        unit/keyspace unit/scan"""),
    ("no-debug", "unit/expire unit/other unit/multi", ["needs:debug"]),
]
BACKENDS = ["auto", "posix"]
BESIDE = 4  # Each other: most of their time is waiting.


class Round:
    """All units over one back end."""

    def __init__(self, backend):
        self.backend = backend
        self.runs = [Run(backend, *row) for row in RUNS]

    def choose(self, units):
        for run in self.runs:
            run.units = [unit for unit in run.units if not units or unit in units]
        self.runs = [run for run in self.runs if run.units] or sys.exit("suite: no such unit")

    def found(self):
        return {name: unit for run in self.runs for name, unit in run.found.items()}

    def passed(self):
        return sum(len(unit.ok) for unit in self.found().values())

    def served_by(self):
        return self.runs[0].served_by


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


def run_alone(suite, skips, whole):
    """Run the tests that need to be without company; those that pass count."""
    found = whole.found()
    names = [name for name, why in skips.items() if why == "alone"]
    units = units_of(names, found)
    if not units:
        return []
    again, trouble = suite.run("alone-" + whole.backend, OverBackend(whole.backend), units,
                               only=names)
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


def compare_passes(whole, kept):
    """What passes less often than it did, in words; what passes more often is printed."""
    bad = []
    for unit, said in whole.found().items():
        now, once = len(said.ok), kept.get(unit, 0)
        if now < once:
            bad.append(f"{unit} over {whole.served_by()}: {now} tests pass, {once} did: "
                       "it may only grow")
        elif now > once:
            print(f"{unit}: {now} tests pass, {once} are kept: raise passes.txt")
    return bad


# ---- The run -----------------------------------------------------------------------------------

def print_run(run):
    print(f"{run.label + ':':28s}    ok   err  skipped  denied  seconds")
    for name, unit in run.found.items():
        print(f"  {name:26s} {len(unit.ok):5d} {len(unit.failed):5d} {len(unit.skipped):8d} "
              f"{unit.denied:7d} {unit.seconds:8d}")
    print(flush=True)


def run_all(suite, rounds, skips):
    """The longest runs of all rounds first."""
    runs = [run for row in zip(*[whole.runs for whole in rounds]) for run in row]
    with concurrent.futures.ThreadPoolExecutor(BESIDE) as pool:
        return [words for failures in pool.map(lambda run: run.start(suite, skips), runs)
                for words in failures]


def judge(suite, skips, rounds, kept):
    """What is wrong with a run of everything, beside tests that fail."""
    failures = []
    for whole in rounds:
        met = {name for unit in whole.found().values() for name in unit.skipped}
        failures += [f"skip.txt: {name}: no such test was met" for name in skips if name not in met]
    found = rounds[0].found()
    failures += ["skip.txt: " + words for words in judge_commands(suite, skips, found)]
    failures += ask_reference(suite, skips, found)
    for whole in rounds:
        failures += run_alone(suite, skips, whole)
        failures += compare_passes(whole, kept)
    if sum(kept.values()) < greatest_total_ever():
        failures.append("passes.txt: the total was greater once: it may only grow")
    return failures


def main():
    parser = argparse.ArgumentParser(description="Run Redis' test suite against varve.")
    parser.add_argument("units", nargs="*", metavar="UNIT")
    options = parser.parse_args()
    rounds = [Round(backend) for backend in BACKENDS]
    for whole in rounds:
        whole.choose(options.units)

    started = time.monotonic()
    suite = Suite()
    skips = read_skips()
    with open(PASSES) as f:
        kept = parse_passes(f.read())
    failures = run_all(suite, rounds, skips)
    if not options.units:
        failures += judge(suite, skips, rounds, kept)

    for whole in rounds:
        for run in whole.runs:
            print_run(run)
    for words in failures:
        print("FAIL  " + words)
    for whole in rounds:
        print(f"Redis 7.0.15's suite: {whole.passed()} tests pass of varve over "
              f"{whole.served_by()} ({sum(kept.values())} are kept)")
    print(f"in {time.monotonic() - started:.0f} s")
    skipped = sum(len(unit.skipped) for whole in rounds for unit in whole.found().values())
    print(f"{sum(whole.passed() for whole in rounds)} passed, {len(failures)} failed, "
          f"{skipped} skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
