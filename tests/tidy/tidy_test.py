#!/usr/bin/python3
"""Tests of tidy: every rule rejects the bad inputs of data/<rule>/ and nothing else in them.

A case is a text: its comment, the files of a small tree, and what the rule must answer.

    Why the rule says what it says.
    == lsm/bad.c
    #include "server/server.h"
    == expect
    lsm/bad.c:1: lsm may not include server

Files of a case of `globals` or `needs` are compiled first. An empty expectation
is a case that must pass.
"""

import os
import re
import subprocess
import sys
import tempfile

import tidy

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


def read_case(path):
    with open(path) as f:
        parts = re.split(r"^== (\S+)\n", f.read(), flags=re.MULTILINE)
    files = dict(zip(parts[1::2], parts[2::2]))
    return files, [line for line in files.pop("expect").splitlines() if line]


def write_tree(root, files):
    for name, text in files.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
    with open(os.path.join(TOP, ".clang-format")) as f:
        style = f.read()
    with open(os.path.join(root, ".clang-format"), "w") as f:
        f.write(style)


def compile_tree(root, files):
    for name in files:
        folder, file = name.split("/")
        made = os.path.join(root, file[:-2] + ".c.o")
        subprocess.run(["gcc", "-fPIC", "-c", os.path.join(root, name), "-o", made], check=True)
        subprocess.run(["ar", "rc", os.path.join(root, f"lib{folder}.a"), made], check=True)


def run_case(rule, path):
    """None, or what is wrong."""
    files, expected = read_case(path)
    with tempfile.TemporaryDirectory() as root:
        write_tree(root, files)
        if rule in tidy.OF_OBJECTS:
            compile_tree(root, files)
        tree = tidy.Tree(root, root)
        found = [f"{p}:{line}: {what}" for p, line, what in sorted(set(tidy.RULES[rule](tree)))]
    found.sort()
    if found == sorted(expected):
        return None
    return "expected\n  " + "\n  ".join(sorted(expected)) + "\nfound\n  " + "\n  ".join(found)


def test_function_sizes():
    text = "int f(int x)\n{\n    return x;\n}\n\nstatic void\ng(void (*h)(int), int y)\n{\n\n\n}\n"
    sizes = tidy.function_sizes(text)
    return None if sizes == {"f": 1, "g": 2} else f"sizes {sizes}"


def main():
    outcomes = [("function_sizes", test_function_sizes())]
    for rule in tidy.RULES:
        folder = os.path.join(HERE, "data", rule)
        cases = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        bad = 0
        for case in cases:
            path = os.path.join(folder, case)
            bad += bool(read_case(path)[1])
            outcomes.append((f"{rule}/{case}", run_case(rule, path)))
        outcomes.append((f"{rule} has a bad input", None if bad else "none in data/" + rule))
    failed = 0
    for name, fault in outcomes:
        print(f"{'FAIL' if fault else 'ok  '}  {name}" + (f"\n{fault}" if fault else ""))
        failed += bool(fault)
    print(f"{len(outcomes) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
