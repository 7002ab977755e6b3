#!/usr/bin/python3
"""runner -- builds every preset and runs every test, and counts what passed.

scripts/test is the door: it installs what is missing and starts this. A stage is a build and what
runs on it; all stages run even when an earlier one failed, so that one run shows everything.
Counted as tests are: each Criterion case, each plain program, each check of tests/tidy, each fuzz
target, each file under clang-tidy, and each script tests/*/run_*.sh or run_*.py (or the cases it
counts itself, if its last line is "N passed, N failed").

A script is started in the top folder with VARVE (the release binary), VARVE_BUILD (build/) and
VARVE_JOBS in its environment. Exit status 77 of a program or a script means that the machine cannot
run it; it is counted as skipped, and its last line says why.

Whole outputs are in build/test/<stage>/<test>.log.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build")
LOGS = os.path.join(BUILD, "test")
PRESETS = ["release", "asan", "tsan", "fuzz"]
TESTS_ALONE = ["tsan", "fuzz"]  # Half of the modules, and no program, is in a test of those.
TAIL_LINES = 40
NOTE_SIZE = 80
SKIPPED = 77
BUILD_LIMIT_S = 1200
TEST_LIMIT_S = 1500
SCRIPT_LIMIT_S = 1500
FUZZ_HANGS_S = 25
COUNTED = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")


class Result:
    """What one executable or check said: counts, and the words to show."""

    def __init__(self, name, passed=0, failed=0, skipped=0, note="", tail=""):
        self.name = name
        self.passed = passed
        self.failed = failed
        self.skipped = skipped
        self.note = note
        self.tail = tail
        self.seconds = 0.0


class Report:
    """Prints results as they come and adds them up by stage."""

    def __init__(self):
        self.stages = {}
        self.started = time.monotonic()
        self.lock = threading.Lock()

    def stage(self, name, what):
        self.stages.setdefault(name, [0, 0, 0, time.monotonic(), 0.0])
        print(f"\n[{self.clock()}] {name}: {what}", flush=True)

    def clock(self):
        seconds = int(time.monotonic() - self.started)
        return f"{seconds // 60:2d}:{seconds % 60:02d}"

    def add(self, stage, result):
        with self.lock:
            self.add_alone(stage, result)

    def add_alone(self, stage, result):
        row = self.stages[stage]
        row[0] += result.passed
        row[1] += result.failed
        row[2] += result.skipped
        row[4] = time.monotonic() - row[3]
        word = "FAIL" if result.failed else "skip" if result.skipped and not result.passed else "ok"
        count = f"{result.passed} passed" + (f", {result.failed} FAILED" if result.failed else "")
        if result.skipped:
            count += f", {result.skipped} skipped"
        note = f"  {result.note}" if result.note else ""
        line = f"  {word:4s}  {result.name:34s} {count:22s} {result.seconds:6.1f} s{note}"
        print(line, flush=True)
        if result.failed and result.tail:
            print("\n".join("        | " + line for line in result.tail.splitlines()), flush=True)

    def finish(self):
        passed = sum(row[0] for row in self.stages.values())
        failed = sum(row[1] for row in self.stages.values())
        skipped = sum(row[2] for row in self.stages.values())
        print(f"\n{'stage':12s} {'passed':>7s} {'failed':>7s} {'skipped':>8s} {'seconds':>8s}")
        for name, row in self.stages.items():
            print(f"{name:12s} {row[0]:7d} {row[1]:7d} {row[2]:8d} {row[4]:8.1f}")
        total = f"{passed} passed, {failed} failed"
        print("\n" + total + (f", {skipped} skipped" if skipped else ""), flush=True)
        return 1 if failed or not passed else 0


def tail_of(path, lines=TAIL_LINES):
    with open(path, errors="replace") as f:
        kept = f.readlines()[-lines:]
    return "".join(kept) + f"(whole output: {os.path.relpath(path, ROOT)})"


def last_line(path):
    with open(path, errors="replace") as f:
        lines = f.read().strip().splitlines()
    return lines[-1][:NOTE_SIZE] if lines else ""


def run(command, log, limit_s, env=None, cwd=ROOT):
    """Run to the end or to the limit; returns the exit status, or None if it was cut off."""
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with open(log, "w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=cwd,
                                   stdin=subprocess.DEVNULL, env=env, start_new_session=True)
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            out.write(f"\nrunner: stopped after {limit_s} s\n")
            return None


def timed(function, *arguments):
    start = time.monotonic()
    result = function(*arguments)
    result.seconds = time.monotonic() - start
    return result


def in_parallel(report, stage, jobs, tasks):
    """Run (function, arguments...) tasks, some at a time, reporting each as it ends."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(*task) for task in tasks]
        for future in concurrent.futures.as_completed(futures):
            report.add(stage, future.result())


def environment():
    """Debian's own python3 before any other, since python3-redis is installed for that one."""
    env = dict(os.environ)
    env["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin:" + env.get("PATH", "")
    env["LC_ALL"] = "C.UTF-8"
    env["ASAN_OPTIONS"] = "detect_stack_use_after_return=1:strict_string_checks=1"
    env["UBSAN_OPTIONS"] = "print_stacktrace=1"
    env["TSAN_OPTIONS"] = "second_deadlock_stack=1"
    return env


# ---- Building --------------------------------------------------------------------------------

def build(preset, jobs):
    log = os.path.join(LOGS, "build", preset + ".log")
    target = "tests" if preset in TESTS_ALONE else "all"
    script = (f"cmake --preset {preset} -DVARVE_TESTS=ON && "
              f"cmake --build build/{preset} -j{jobs} --target {target}")
    status = run(["/bin/bash", "-c", script], log, BUILD_LIMIT_S)
    if status == 0:
        return Result("build " + preset, passed=1)
    return Result("build " + preset, failed=1, tail=tail_of(log))


# ---- Criterion cases and programs ------------------------------------------------------------

class Test:
    """What CMake registered, with the properties that matter here."""

    def __init__(self, shown):
        properties = {p["name"]: p["value"] for p in shown.get("properties", [])}
        self.name = shown["name"]
        self.command = shown["command"]
        self.is_criterion = "criterion" in properties.get("LABELS", [])
        self.limit_s = int(properties.get("TIMEOUT", TEST_LIMIT_S))
        self.folder = properties.get("WORKING_DIRECTORY", ROOT)
        self.locks = sorted(properties.get("RESOURCE_LOCK", []))
        self.cost = float(properties.get("COST", 1))


def tests_of(preset):
    shown = subprocess.run(["ctest", "--show-only=json-v1"], capture_output=True, text=True,
                           cwd=os.path.join(BUILD, preset), stdin=subprocess.DEVNULL)
    listed = json.loads(shown.stdout or '{"tests": []}')["tests"]
    return [Test(t) for t in listed if "command" in t]


def run_test(stage, test):
    return timed(run_criterion if test.is_criterion else run_program, stage, test)


def rows_of(tests):
    """Rows of tests that may run beside each other, the longest first: those that share a resource
    are one row."""
    rows = {}
    for number, test in enumerate(tests):
        rows.setdefault(tuple(test.locks) or number, []).append(test)
    return sorted(rows.values(), key=lambda row: -sum(test.cost for test in row))


def run_criterion(stage, test):
    log = os.path.join(LOGS, stage, test.name + ".log")
    summary = os.path.join(LOGS, stage, test.name + ".json")
    if os.path.exists(summary):
        os.remove(summary)
    command = test.command + ["-j1", f"--json={summary}"]
    status = run(command, log, test.limit_s, environment(), test.folder)
    try:
        with open(summary) as f:
            counts = json.load(f)
        passed, failed = counts["passed"], counts["failed"] + counts["errored"]
        skipped = counts["skipped"]
    except (OSError, ValueError, KeyError):
        passed, failed, skipped = 0, 1, 0
    if status != 0 and failed == 0:
        failed = 1  # All cases passed, and then it crashed or leaked.
    if passed + failed == 0:
        failed = 1
    return Result(test.name, passed, failed, skipped, tail=tail_of(log) if failed else "")


def run_program(stage, test):
    log = os.path.join(LOGS, stage, test.name + ".log")
    command = test.command
    if stage == "tsan":
        # The thread sanitizer of this gcc wants its shadow where randomisation may put a library.
        command = ["setarch", "-R"] + command
    status = run(command, log, test.limit_s, environment(), test.folder)
    if status == SKIPPED:
        return Result(test.name, skipped=1, note=last_line(log))
    if status == 0:
        return Result(test.name, passed=1, note=last_line(log))
    return Result(test.name, failed=1, tail=tail_of(log))


def stage_tests(preset):
    def stage(report, options):
        tests = tests_of(preset)
        if not tests:
            report.add(preset, Result("tests to run", failed=1, tail="CMake registered none"))

        def run_row(row):
            for test in row:
                report.add(preset, run_test(preset, test))

        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for done in [pool.submit(run_row, row) for row in rows_of(tests)]:
                done.result()
    return stage


# ---- Fuzzing ---------------------------------------------------------------------------------

def run_fuzzer(name, seconds):
    target = name[len("fuzz_"):]
    log = os.path.join(LOGS, "fuzz", target + ".log")
    grown = os.path.join(BUILD, "fuzz", "corpus", target)
    seeds = os.path.join(ROOT, "tests", "data", "fuzz", target)
    words = seeds + ".dict"
    os.makedirs(grown, exist_ok=True)
    artifacts = f"{os.path.dirname(log)}/{target}-"
    program = [os.path.join(BUILD, "fuzz", "tests", name), f"-timeout={FUZZ_HANGS_S}",
               "-rss_limit_mb=2048", f"-artifact_prefix={artifacts}"]
    command = program + [f"-max_total_time={seconds}", "-print_final_stats=1"]
    command += [f"-dict={words}"] if os.path.exists(words) else []
    command += [grown] + ([seeds] if os.path.isdir(seeds) else [])
    status = run(command, log, seconds + 120, environment())
    if status != 0 and was_the_machine(program, artifacts):
        status = run(command, log, seconds + 120, environment())
    with open(log, errors="replace") as f:
        executed = re.search(r"stat::number_of_executed_units:\s*(\d+)", f.read())
    if status == 0 and executed and int(executed.group(1)) > 0:
        return Result(name, passed=1, note=f"{int(executed.group(1)):,} executions")
    return Result(name, failed=1, tail=tail_of(log))


def was_the_machine(program, artifacts):
    """The fuzzer gave an input up that took long, by the clock; by itself it takes no time."""
    slow = glob.glob(glob.escape(artifacts) + "timeout-*")
    others = set(glob.glob(glob.escape(artifacts) + "*")) - set(slow)
    if not slow or any(not os.path.basename(path).split("-")[1].startswith("slow")
                       for path in others):
        return False
    return all(run(program + [path], path + ".log", 2 * FUZZ_HANGS_S, environment()) == 0
               for path in slow)


def stage_fuzz(report, options):
    names = ["fuzz_" + file[:-len("_fuzz.c")]
             for file in sorted(os.listdir(os.path.join(ROOT, "tests", "fuzz")))
             if file.endswith("_fuzz.c")]
    in_parallel(report, "fuzz", options.jobs,
                [(timed, run_fuzzer, n, options.fuzz_seconds) for n in names])


# ---- House rules, clang-tidy, whole programs --------------------------------------------------

def run_script(stage, name, command):
    log = os.path.join(LOGS, stage, name.replace("/", "_") + ".log")
    env = environment()
    env.update(VARVE=os.path.join(BUILD, "release", "varve"), VARVE_BUILD=BUILD,
               VARVE_JOBS=str(os.cpu_count()))
    status = run(command, log, SCRIPT_LIMIT_S, env)
    last = last_line(log)
    if status == SKIPPED:
        return Result(name, skipped=1, note=last)
    counted = COUNTED.match(last)
    passed, failed, skipped = (int(n or 0) for n in counted.groups()) if counted else (0, 0, 0)
    if status != 0 and failed == 0:
        failed = 1
    if status == 0 and passed + failed + skipped == 0:
        passed = 1
    note = "" if counted else last
    return Result(name, passed, failed, skipped, note, tail_of(log) if failed else "")


def stage_tidy(report, options):
    for name, command in (("tidy/rules", ["tests/tidy/tidy.py", "--objects", "build/release"]),
                          ("tidy/self-test", ["tests/tidy/tidy_test.py"])):
        if os.path.exists(os.path.join(ROOT, command[0])):
            report.add("tidy", timed(run_script, "tidy", name, ["/usr/bin/python3"] + command))


def stage_lint(report, options):
    """clang-tidy with the checks of .clang-tidy, over every file of the modules."""
    database = os.path.join(BUILD, "fuzz", "compile_commands.json")
    with open(database) as f:
        files = sorted({entry["file"] for entry in json.load(f)})
    folders = ("tests", "build", "examples")
    files = [f for f in files if os.path.relpath(f, ROOT).split(os.sep)[0] not in folders]
    in_parallel(report, "lint", options.jobs, [(timed, run_clang_tidy, f) for f in files])


def run_clang_tidy(path):
    name = os.path.relpath(path, ROOT)
    log = os.path.join(LOGS, "lint", name.replace("/", "_") + ".log")
    status = run(["clang-tidy-14", "--quiet", "-p", os.path.join(BUILD, "fuzz"), path], log, 180)
    if status == 0:
        return Result(name, passed=1)
    return Result(name, failed=1, tail=tail_of(log))


def stage_scripts(report, options):
    tests = os.path.join(ROOT, "tests")
    found = []
    for folder in sorted(os.listdir(tests)):
        inside = os.path.join(tests, folder)
        for file in sorted(os.listdir(inside)) if os.path.isdir(inside) else []:
            path = os.path.join(inside, file)
            if re.fullmatch(r"run_.*\.(sh|py)", file):
                found.append((f"{folder}/{file}", path))
    for name, path in found:
        interpreter = ["/usr/bin/python3"] if path.endswith(".py") else ["/bin/bash"]
        report.add("scripts", timed(run_script, "scripts", name, interpreter + [path]))


# Name, what it is, presets it needs, how it runs. In this order; those of ASIDE run together at the
# end: the scripts one after another, waiting for devices and timers half of their time, beside them
# the others on all cores.
STAGES = [
    ("tidy", "the house rules", ["release"], stage_tidy),
    ("release", "cases and programs, as shipped", ["release"], stage_tests("release")),
    ("asan", "the same under the address and undefined-behaviour sanitizers", ["asan"],
     stage_tests("asan")),
    ("tsan", "programs under the thread sanitizer", ["tsan"], stage_tests("tsan")),
    ("scripts", "whole programs: clients, crashes", ["release"], stage_scripts),
    ("lint", "clang-tidy", ["fuzz"], stage_lint),
    ("fuzz", "every decoder", ["fuzz"], stage_fuzz),
]
SLOW = ASIDE = ("scripts", "lint", "fuzz")


def run_stages(report, options, stages):
    """One after another; those of ASIDE in two rows at once."""
    def run_row(row):
        for name, _, _, function in row:
            function(report, options)

    for stage in (s for s in stages if s[0] not in ASIDE):
        report.stage(*stage[:2])
        run_row([stage])
    aside = [s for s in stages if s[0] in ASIDE]
    for stage in aside:
        report.stage(*stage[:2])
    rows = [[s for s in aside if s[0] == "scripts"], [s for s in aside if s[0] != "scripts"]]
    with concurrent.futures.ThreadPoolExecutor(len(rows)) as pool:
        for row in [pool.submit(run_row, row) for row in rows]:
            row.result()


def main():
    listing = "\n".join(f"  {name:9s} {what}" for name, what, _, _ in STAGES)
    parser = argparse.ArgumentParser(description="Build and test varve.",
                                     epilog="stages:\n" + listing,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", metavar="STAGE")
    parser.add_argument("--quick", action="store_true", help=f"leave out {', '.join(SLOW)}")
    parser.add_argument("--fuzz-seconds", type=int, default=60, help="for each target")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    known = [name for name, _, _, _ in STAGES]
    unknown = [name for name in options.stages if name not in known]
    if unknown:
        parser.error(f"no such stage: {' '.join(unknown)}")
    chosen = options.stages or [n for n in known if not (options.quick and n in SLOW)]

    os.chdir(ROOT)
    shutil.rmtree(LOGS, ignore_errors=True)
    report = Report()
    needed = [p for p in PRESETS if any(p in s[2] for s in STAGES if s[0] in chosen)]
    broken = set()
    report.stage("build", ", ".join(needed))
    for preset in needed:
        result = timed(build, preset, options.jobs)
        report.add("build", result)
        if result.failed:
            broken.add(preset)
    run_stages(report, options, [s for s in STAGES
                                 if s[0] in chosen and not broken.intersection(s[2])])
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
