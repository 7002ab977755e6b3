#!/usr/bin/python3
"""bench/compare and the runner's command line, as a user meets them.

Speed is not judged here, only that a comparison runs, says what it should and leaves nothing
behind. Engines without a store stand in for the sides.
"""

import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VARVE = os.environ.get("VARVE", os.path.join(ROOT, "build", "release", "varve"))
COMPARE = [os.path.join(ROOT, "bench", "compare"), "--bench", f"{VARVE} bench"]
BENCH = [VARVE, "bench"]
counts = {True: 0, False: 0}


def check(name, good, words=""):
    counts[bool(good)] += 1
    if not good:
        print(f"FAILED {name}: {words}")


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=120)
    return done.returncode, done.stdout


def compare_loads(folder):
    out, summary = os.path.join(folder, "out.tsv"), os.path.join(folder, "out.json")
    table = os.path.join(folder, "out.md")
    status, text = run(*COMPARE, "--scale", "0.001", "--rounds", "2", "--ours",
                       "null", "--peers", "null-again", "--dir", folder, "fillrandom-1k")
    check("an unknown engine fails", status == 1 and "no engine" in text, text)
    status, text = run(*COMPARE, "--scale", "0.01", "--rounds", "3", "--ours",
                       "null", "--peers", "null", "--dir", folder, "--out", out, "--json", summary,
                       "--markdown", table, "fillrandom-1k", "readrandom-1k")
    check("a comparison ends well", status == 0, text)
    with open(out, encoding="utf-8") as file:
        rows = [line.split("\t") for line in file]
    check("a row each round", len(rows) == 1 + 3 + 3 and len({len(row) for row in rows}) == 1, rows)
    with open(summary, encoding="utf-8") as file:
        scenarios = json.load(file)
    with open(table, encoding="utf-8") as file:
        rows = [line.count("|") for line in file]
    check("a table with a row a side", rows == [10] * (2 + 2), rows)
    check("a summary each scenario", [len(s["sides"]["null"]) for s in scenarios] == [3, 3])
    left = [name for name in os.listdir(folder) if name.startswith("varve-compare-")]
    check("nothing is left behind", not left, left)


def flags_given(log):
    """Of each run, in order: its engine, and all it was told but for where its files are."""
    with open(log, encoding="utf-8") as file:
        for line in file:
            flags = line.split()
            engine = next(f for f in flags if f.startswith("--engine="))
            yield engine[len("--engine="):], [f for f in flags if not f.startswith(
                ("--engine=", "--db=", "--results="))]


def sides_are_equal(folder):
    """Whatever varve is told, the engine beside it is told too, in turn."""
    log, wrapper = os.path.join(folder, "given"), os.path.join(folder, "bench")
    with open(wrapper, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\necho "$@" >> {log}\nexec {VARVE} bench "$@"\n')
    os.chmod(wrapper, 0o755)
    status, text = run(COMPARE[0], "--bench", wrapper, "--scale", "0.001", "--rounds", "2",
                       "--peers", "null", "--dir", folder, "fillrandom-1k", "readrandom-1k")
    check("varve is compared", status == 0 and "varve / null:" in text, text)
    given = list(flags_given(log))
    ours, theirs = given[::2], given[1::2]
    check("two rounds, a load and two rounds, by turns", len(given) == 4 + 6 and
          all(engine == "varve" for engine, _ in ours) and
          all(engine == "null" for engine, _ in theirs), given)
    check("both are told the same", [f for _, f in ours] == [f for _, f in theirs], given)
    loads = [f for _, f in given if "--benchmarks=fillrandom" in f]
    reads = [f for _, f in given if "--benchmarks=readrandom[W2]" in f]
    check("loads are settled", len(loads) == 6 and all("--settle" in f for f in loads), given)
    check("reads are of a store opened anew",
          len(reads) == 4 and all("--use_existing_db" in f for f in reads), given)
    check("values are checked", not any("--noverify" in f for _, f in given), given)


def compare_sync(folder):
    status, text = run(*COMPARE, "--scale", "0.1", "--rounds", "1", "--ours",
                       "null", "--peers", "bare", "--dir", folder, "fillsync-1k-8")
    if "around the page cache" in text:
        return
    check("durable puts are compared", status == 0 and "null / bare:" in text, text)


def varve_itself(folder):
    """Every kind of work on varve, every value checked; small memtables, so that much happens."""
    common = [*BENCH, f"--db={folder}/varve", "--num=3000", "--seek_nexts=5", "--reopen",
              "--fieldlength=50", "--write_buffer_size=1000000"]
    for value_size in "100", "1000", "5000":
        status, text = run(
            *common, f"--value_size={value_size}", "--threads=2", "--benchmarks=filluniquerandom,"
            "overwrite,readrandom,multireadrandom,readseq,readreverse,seekrandom,readwhilewriting,"
            "updaterandom,deleterandom,readmissing,ycsbload,ycsba,ycsbd,ycsbe,ycsbf")
        check(f"varve is measured with values of {value_size}", status == 0 and
              "(6000 of 6000 found)" in text and text.count("Return=OK") == 10 and
              "NOT_FOUND" not in text, text)
        status, text = run(*common, f"--value_size={value_size}", "--batch_size=5", "--threads=2",
                           "--benchmarks=fillbatch,deleteseq,filluniquerandom,multireadrandom")
        check(f"batches are measured with values of {value_size}", status == 0 and
              "(6000 of 6000 found)" in text, text)


def refusals(folder):
    foreign = os.path.join(folder, "foreign")
    os.makedirs(os.path.join(foreign, "precious"))
    for words, command in [
        ("did you mean --num?", [*BENCH, "--nun=3"]),
        ("did you mean fillrandom", [*BENCH, "--engine=null", "--benchmarks=fillrandm"]),
        ("cannot do what readrandom asks", [*BENCH, "--engine=bare", "--benchmarks=readrandom"]),
        ("the engine null has no --bloom_bits", [*BENCH, "--engine=null", "--bloom_bits=3"]),
        ("no benchmark made", [*BENCH, "--engine=null", f"--db={foreign}"]),
    ]:
        status, text = run(*command)
        check(words, status != 0 and words in text, text)
    status, text = run(*COMPARE, "fillrandom-1kk")
    check("an unknown scenario is refused", status != 0 and "there are: all" in text, text)
    status, text = run(*BENCH, "--help")
    check("help lists all", status == 0 and "fillseq" in text and "--num=1000000" in text, text)
    status, text = run(*BENCH, "--engine=null", f"--db={folder}/db", "--num=1000",
                       "--benchmarks=fillseq")
    check("the header is db_bench's", "Keys:       16 bytes each" in text and
          "RawSize:    0.1 MB (estimated)" in text and "fillseq      : " in text, text)


def main():
    if not os.path.exists(VARVE):
        print(f"no {VARVE}")
        return 77
    with tempfile.TemporaryDirectory(prefix="bench-test-") as folder:
        compare_loads(folder)
        compare_sync(folder)
        sides_are_equal(folder)
        varve_itself(folder)
        refusals(folder)
    print(f"{counts[True]} passed, {counts[False]} failed")
    return 1 if counts[False] else 0


if __name__ == "__main__":
    sys.exit(main())
