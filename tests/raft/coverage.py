#!/usr/bin/python3
"""coverage -- which lines, branches and conditions of the core its transcripts and simulator run.

    tests/raft/coverage.py [--seeds N] [--seconds S] [--cases] [--missed]
    tests/raft/coverage.py --transcripts [--llvm 14]            what CI runs (run_coverage.sh)

Builds with Debian's clang-19 (packages clang-19, llvm-19, libclang-rt-19-dev), plays all
transcripts and N seeds of S simulated seconds, and prints a table of raft/*.c: lines, branches
(each condition of an expression, both ways) and MC/DC. --transcripts leaves out the seeds, --cases
adds the unit cases (test_raft), --missed names what nothing ran. Fails if a line of the step was
not run, or a branch in twenty; with the unit cases, of all of raft/. Versions before 18 of LLVM do
not know MC/DC.

Left out, as no correct core runs them: failure branches of CHECK, mutants (RAFT_MUTANT, false in
all that ships, and what they would do), in check.c, which is one long CHECK, what is returned of a
broken invariant -- and three lines, CASES_ONLY. MC/DC is as the compiler counts it, with nothing
left out.
"""

import argparse
import glob
import json
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TRANSCRIPTS, SIMULATOR, CASES = "raft_transcript_prog", "sim_raft_sim_prog", "test_raft"
FLAGS = "-fprofile-instr-generate -fcoverage-mapping -Wno-error"
MCDC_SINCE = 18
# Of the module, but not of the step: bytes, restoring, words. Their errors are for the unit cases
# and the fuzz targets.
BESIDE = {"codec.c", "init.c", "names.c"}
# The last line of each: nothing that reaches the step from outside can make it run. Unit cases do.
CASES_ONLY = {"conf.c": {
    "        if (reached * 2 <= voters(conf, half))\n            return false;\n":
        "a quorum counted for the second time (I14) is what it was",
    "    }\n    return RAFT_CHANGE_MALFORMED;\n":
        "what is no operation was refused when the change was read (codec.c)",
    "        if (change->ops[i].id == 0)\n            return false;\n":
        "so was a change of nobody"}}


class Build:
    """A tree of its own, the programs that run in it, and the tools that read what they leave."""

    def __init__(self, options):
        self.llvm = options.llvm
        self.folder = os.path.join(ROOT, "build", f"raft-coverage-{self.llvm}")
        self.programs = [TRANSCRIPTS]
        self.programs += [] if options.transcripts else [SIMULATOR]
        self.programs += [CASES] if options.cases else []

    def tool(self, name):
        return f"{name}-{self.llvm}"

    def program(self, name):
        return os.path.join(self.folder, "tests", name)


def shell(*command, **more):
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, **more)
    if done.returncode != 0:
        raise SystemExit(f"coverage: failed: {' '.join(command)}")
    return done


def build(built, jobs):
    if not shutil.which(built.tool("clang")) or not shutil.which(built.tool("llvm-cov")):
        raise SystemExit(f"coverage: needs clang-{built.llvm}, llvm-{built.llvm}, "
                         f"libclang-rt-{built.llvm}-dev")
    mcdc = " -fcoverage-mcdc" if built.llvm >= MCDC_SINCE else ""
    shell("cmake", "-B", built.folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
          f"-DCMAKE_C_COMPILER={built.tool('clang')}", "-DCMAKE_C_FLAGS_DEBUG=-O1 -g1",
          f"-DCMAKE_C_FLAGS={FLAGS}{mcdc}", stdout=subprocess.DEVNULL)
    shell("cmake", "--build", built.folder, f"-j{jobs}", "--target", *built.programs,
          stdout=subprocess.DEVNULL)


def run(built, options):
    for old in glob.glob(os.path.join(built.folder, "run-*")):
        os.remove(old)
    # %m: processes of one program add to one file.
    env = dict(os.environ, LLVM_PROFILE_FILE=os.path.join(built.folder, "run-%m.profraw"))
    arguments = {TRANSCRIPTS: [], CASES: ["-j1"],
                 SIMULATOR: ["--seeds", str(options.seeds), "--seconds", str(options.seconds)]}
    for name in built.programs:
        shell(built.program(name), *arguments[name], env=env)


def export(built):
    profile = os.path.join(built.folder, "run-all.profdata")
    shell(built.tool("llvm-profdata"), "merge", "-sparse", "-o", profile,
          *glob.glob(os.path.join(built.folder, "run-*.profraw")))
    objects = [built.program(name) for name in built.programs]
    files = sorted(glob.glob(os.path.join(ROOT, "raft", "*.c")))
    others = [word for path in objects[1:] for word in ("-object", path)]
    common = [objects[0], *others, "-instr-profile", profile]
    command = [built.tool("llvm-cov"), "export", *common]
    report = json.loads(shell(*command, *files, capture_output=True, text=True).stdout)
    # Of an object that no program links there is nothing to report: it would count as covered.
    unseen = set(files) - {file["filename"] for file in report["data"][0]["files"]}
    if unseen:
        raise SystemExit(f"coverage: in no program: {' '.join(sorted(unseen))}")
    lcov = shell(*command, "-format=lcov", *files, capture_output=True, text=True).stdout
    return report["data"][0], lcov


def closing(text, at):
    """The place behind the parenthesis that closes the one at `at`."""
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] == "(") - (text[i] == ")")
        if depth == 0:
            return i + 1
    return len(text)


def spans(text, pattern):
    """(first, behind the last) of each call that pattern begins."""
    return [(m.start(), closing(text, m.end() - 1)) for m in re.finditer(pattern, text)]


def behind_mutant(text, at):
    """RAFT_MUTANT(x) && more ...: where the rest ends that is never asked."""
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] == "(") - (text[i] == ")")
        if depth < 0 or (depth == 0 and (text[i] in "?;" or text.startswith("||", i))):
            return i
    return len(text)


class Source:
    """What of a file is left out."""

    def __init__(self, path, without_cases):
        with open(path) as f:
            self.text = f.read()
        self.is_check = path.endswith("/check.c")
        self.starts = [0]
        for line in self.text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.hidden = spans(self.text, r"\bCHECK\(")
        for first, last in spans(self.text, r"!?\bRAFT_MUTANT\("):
            is_asked = self.text[first] == "!" or not self.text[last:].lstrip().startswith("&&")
            self.hidden.append((first, last if is_asked else behind_mutant(self.text, last)))
        self.lines = set()
        for m in re.finditer(r"if \(RAFT_MUTANT\(\w+\)(?: && [^|{;]*)?\)( {)?\n", self.text):
            number = self.line_at(m.end() - 1) + 1
            self.lines.add(number)
            while m.group(1) and self.line(number).strip() != "}":
                number += 1
                self.lines.add(number)
        if self.is_check:
            self.lines |= {i for i in range(1, len(self.starts))
                           if re.match(r"\s*return (false|RAFT_I\w+);", self.line(i))}
        for code in CASES_ONLY.get(os.path.basename(path), {}) if without_cases else ():
            if self.text.count(code) != 1:
                raise SystemExit(f"coverage: CASES_ONLY is not of {path}: {code}")
            self.lines.add(self.line_at(self.text.index(code) + len(code) - 1))

    def line(self, number):
        return self.text[self.starts[number - 1]:self.starts[number]]

    def line_at(self, place):
        return self.text.count("\n", 0, place) + 1

    def hides(self, line, column):
        place = self.starts[line - 1] + column - 1
        return line in self.lines or any(a <= place < b for a, b in self.hidden)


def count_lines(lcov, path, source):
    missed, total, here = [], 0, False
    for line in lcov.splitlines():
        if line.startswith("SF:"):
            here = line[3:] == path
        elif here and line.startswith("DA:"):
            number, times = [int(x) for x in line[3:].split(",")[:2]]
            if number not in source.lines:
                total += 1
                if times == 0:
                    missed.append(number)
    return total, missed


def count_branches(branches, source):
    """Each condition, true and false; in check.c the way that breaks nothing is enough."""
    missed, total = [], 0
    for line, column, _, _, yes, no, file_id, *_ in branches:
        if file_id != 0 or source.hides(line, column):
            continue
        if source.is_check and (yes == 0) != (no == 0):
            continue
        total += 2
        missed += [f"{line}:{column} never {word}"
                   for times, word in ((yes, "true"), (no, "false")) if times == 0]
    return total, missed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--llvm", type=int, default=19)
    parser.add_argument("--transcripts", action="store_true")
    parser.add_argument("--cases", action="store_true")
    parser.add_argument("--missed", action="store_true")
    options = parser.parse_args()
    built = Build(options)
    build(built, options.jobs)
    run(built, options)
    report, lcov = export(built)
    sums = {"the step": [0] * 6, "beside it": [0] * 6}
    print(f"{'raft/':16s}{'lines':>7s}{'missed':>8s}{'branches':>10s}{'missed':>8s}"
          f"{'MC/DC':>8s}{'missed':>8s}")
    named = []
    for file in report["files"]:
        path = file["filename"]
        name = os.path.basename(path)
        source = Source(path, not options.cases)
        lines, missed_lines = count_lines(lcov, path, source)
        branches, missed_branches = count_branches(file["branches"], source)
        mcdc = file["summary"].get("mcdc", {"count": 0, "covered": 0})
        row = [lines, len(missed_lines), branches, len(missed_branches), mcdc["count"],
               mcdc["count"] - mcdc["covered"]]
        total = sums["beside it" if name in BESIDE else "the step"]
        for i, number in enumerate(row):
            total[i] += number
        print(f"{name:16s}" + "".join(f"{n:>{w}d}" for n, w in zip(row, (7, 8, 10, 8, 8, 8))))
        named += [f"raft/{name}:{n}: {source.line(n).strip()}" for n in missed_lines]
        named += [f"raft/{name}:{words}: {source.line(int(words.split(':')[0])).strip()}"
                  for words in missed_branches]
    sums["all of it"] = [sum(row) for row in zip(*sums.values())]
    for name, (lines, a, branches, b, conditions, c) in sums.items():
        print(f"{name}: {100 - 100 * a / lines:.2f} % of lines, "
              f"{100 - 100 * b / branches:.2f} % of branches"
              + (f", {100 - 100 * c / conditions:.2f} % of MC/DC" if conditions else ""))
    if options.missed:
        print("\n".join(named))
    asked = sums["all of it" if options.cases else "the step"]
    is_enough = asked[1] == 0 and 20 * asked[3] <= asked[2]
    print("coverage: " + ("enough" if is_enough else "a line is missed, or too many branches"))
    return 0 if is_enough else 1


if __name__ == "__main__":
    sys.exit(main())
