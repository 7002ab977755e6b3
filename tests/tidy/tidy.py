#!/usr/bin/python3
"""tidy -- the house rules, checked.

    tests/tidy/tidy.py                     everything that needs no build
    tests/tidy/tidy.py --objects DIR       also the objects of DIR's module archives
    tests/tidy/tidy.py --rule NAME         only this rule; may be repeated
    tests/tidy/tidy.py --base REVISION     name the functions that grew long since

A rule is a function from a tree to findings; what it knows is in rules.py. Its tests are in
tidy_test.py and data/. The last line is "N passed, N failed", a rule counting as one; exit status
1 if one failed.
"""

import argparse
import concurrent.futures
import fnmatch
import functools
import os
import re
import subprocess
import sys

import rules

HERE = os.path.dirname(os.path.abspath(__file__))
EXCLUDED = ("build", "data", ".git", os.path.join("tests", "tidy", "data"))
CODE = (".c", ".h")
TEXT = CODE + (".py", ".sh", ".cmake")
SHELL_FOLDERS = ("scripts", ".ci")


class Tree:
    """The files of a source tree, read once."""

    def __init__(self, root, objects=None):
        self.root = root
        self.objects = objects
        self.files = []
        for folder, inner, files in os.walk(root):
            here = os.path.relpath(folder, root)
            inner[:] = [d for d in inner if os.path.normpath(os.path.join(here, d)) not in EXCLUDED]
            self.files += [os.path.normpath(os.path.join(here, f)) for f in files]
        self.files.sort()

    def code(self):
        return [f for f in self.files if f.endswith(CODE)]

    def pages(self):
        return [f for f in self.files if f.endswith(".md")]

    def prose(self):
        """Files that people write by hand and read in a column."""
        return [f for f in self.files if f.endswith(TEXT) or f == "CMakeLists.txt"
                or os.path.dirname(f) in SHELL_FOLDERS]

    @functools.lru_cache(maxsize=None)
    def text(self, path):
        with open(os.path.join(self.root, path), errors="replace") as f:
            return f.read()

    @functools.lru_cache(maxsize=None)
    def bare(self, path):
        """The text with comments and strings blanked out; lines stay where they are."""
        return blank(self.text(path))


# A comment of either kind, a string, a character: whatever begins first holds the others.
TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def blank(text):
    def keep_lines(match):
        token = match.group(0)
        if token[0] == '"' and is_include(text, match.start()):
            return token
        return re.sub(r"[^\n]", " ", token)
    return TOKEN.sub(keep_lines, text)


def is_include(text, at):
    line = text[text.rfind("\n", 0, at) + 1:at]
    return re.match(r"\s*#\s*include\s*$", line) is not None


def matches(path, patterns):
    return any(fnmatch.fnmatch(path, p) for p in patterns)


def line_at(text, at):
    return text.count("\n", 0, at) + 1


def words_pattern(words):
    """A call of one of the words; not a member's, and not a longer name's."""
    names = "|".join(re.escape(w).replace(r"\*", r"\w*") for w in words)
    return re.compile(r"(?<![\w.>])(" + names + r")\s*\(")


# ---- The rules -------------------------------------------------------------------------------

def rule_includes(tree):
    """A folder includes what stands below it, and of others only what is public."""
    for path in tree.code():
        folder = path.split(os.sep)[0]
        for match in re.finditer(r'^\s*#\s*include\s*"([^"]+)"', tree.bare(path), re.MULTILINE):
            fault = include_fault(path, folder, match.group(1))
            if fault:
                yield path, line_at(tree.bare(path), match.start(1)), fault


def include_fault(path, folder, target):
    if folder not in rules.MAY_INCLUDE:
        return None
    parts = target.split("/")
    if len(parts) == 1:
        # Rows of a table that the file itself expands.
        return None if target.endswith(".inc") else f'"{target}" is not named from the top'
    module, header = parts[0], "/".join(parts[1:])
    allowed = list(rules.MAY_INCLUDE[folder])
    for files, also, never in rules.FILE_INCLUDES:
        if fnmatch.fnmatch(path, files):
            allowed += also
            if matches(target, never):
                return f"{files} may not include {target}"
    if module == folder:
        return None
    if module not in allowed:
        return f"{folder} may not include {module}"
    public = [module + ".h"] + rules.PUBLIC_HEADERS.get(module, [])
    if not matches(header, public) or matches(header, rules.PRIVATE_HEADERS.get(module, [])):
        return f"{target} is private to {module}"
    return None


def rule_calls(tree):
    """Only base/ talks to the machine, and nobody calls what cannot be called safely."""
    unsafe = words_pattern(rules.UNSAFE_CALLS.split())
    machine = {kind: words_pattern(names.split()) for kind, names in rules.MACHINE_CALLS.items()}
    for path in tree.code():
        bare = tree.bare(path)
        for match in unsafe.finditer(bare):
            yield path, line_at(bare, match.start()), f"{match.group(1)}() has a safe form"
        allowed = [kind for files, kinds, _ in rules.CALLS_ALLOWED
                   if fnmatch.fnmatch(path, files) for kind in kinds]
        for kind, pattern in machine.items():
            if kind in allowed:
                continue
            for match in pattern.finditer(bare):
                yield path, line_at(bare, match.start()), f"{match.group(1)}() is base's ({kind})"


def rule_globals(tree):
    """No object of a module has data that can change; constants may hold addresses."""
    allowed = {(member, symbol) for member, symbol, _ in rules.WRITABLE_ALLOWED}
    for archive in archives(tree):
        for member, section, symbol in symbols_of(archive):
            if not re.match(r"\.(data|bss|tdata|tbss)|\*COM\*", section):
                continue
            if section.startswith(".data.rel.ro") or symbol.startswith((".", "__gnu_lto_")):
                continue
            symbol = re.sub(r"\.\d+$", "", symbol)  # A static of a function is numbered.
            if (member, symbol) not in allowed:
                yield member, 0, f"{symbol} in {section} can be written to"


def rule_needs(tree):
    """The core of Raft needs nothing of the machine but to copy and fill memory."""
    for archive in archives(tree):
        for member, section, symbol in symbols_of(archive):
            named = any(fnmatch.fnmatch(member, f) for f in rules.RAFT_CORE + rules.RAFT_DRIVER)
            if member.startswith("raft/") and not named:
                yield member, 0, "is neither of the core nor of its driver"
            for files, names in rules.NEEDS:
                if section == "*UND*" and fnmatch.fnmatch(member, files) and \
                        not any(fnmatch.fnmatch(symbol, n) for n in names):
                    yield member, 0, f"{symbol} is not for {files}"


def archives(tree):
    names = [f"lib{module}.a" for module in rules.MAY_INCLUDE]
    found = [os.path.join(tree.objects, n) for n in names
             if os.path.exists(os.path.join(tree.objects, n))]
    if not found:
        raise SystemExit(f"tidy: no archives of modules in {tree.objects}")
    return found


def symbols_of(archive):
    """(member, section, symbol) of every object in it."""
    module = os.path.basename(archive)[3:-2]
    shown = subprocess.run(["objdump", "-t", archive], capture_output=True, text=True, check=True)
    member = ""
    for line in shown.stdout.splitlines():
        named = re.match(r"(\S+)\.o:\s+file format", line)
        if named:
            member = f"{module}/{named.group(1)}"
        entry = re.match(r"[0-9a-f]{16} .{7} (\S+)\s+[0-9a-f]{16}\s+(?:\.hidden )?(\S+)$", line)
        if entry:
            yield member, entry.group(1), entry.group(2)


def rule_format(tree):
    """clang-format finds nothing to change."""
    files = [f for f in tree.code() if not os.path.basename(f).startswith(".")]
    batches = [files[i::4] for i in range(4) if files[i::4]]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for output in pool.map(functools.partial(format_faults, tree), batches):
            for match in re.finditer(r"^(\S+?):(\d+):\d+: error:", output, re.MULTILINE):
                yield match.group(1), int(match.group(2)), "not as clang-format would have it"


def format_faults(tree, files):
    command = ["clang-format-14", "--dry-run", "-Werror", "--style=file"]
    return subprocess.run(command + files, cwd=tree.root, capture_output=True, text=True).stderr


def rule_comments(tree):
    """Comments are prose between slashes and stars, and name no debt."""
    debt = re.compile(r"\b(TODO|FIXME|XXX)\b")
    for path in tree.code():
        text = tree.text(path)
        for match in TOKEN.finditer(text):
            token = match.group(0)
            if token.startswith("//"):
                yield path, line_at(text, match.start()), "// is a note to self"
            if token.startswith("/"):
                for word in debt.finditer(token):
                    line = line_at(text, match.start() + word.start())
                    yield path, line, f"{word.group(1)}: do it, or say what is so"


def rule_watched(tree):
    """Sanitizers, warnings and clang-tidy see everything: nothing tells them to look away."""
    for path in tree.prose():
        if os.path.dirname(path) != os.path.join("tests", "tidy"):
            for match in rules.LOOKS_AWAY.finditer(tree.text(path)):
                line = line_at(tree.text(path), match.start())
                yield path, line, f"{match.group(0)} hides what a checker would see"


def rule_lines(tree):
    """No line is longer than a page is wide."""
    for path in tree.prose():
        for number, line in enumerate(tree.text(path).splitlines(), 1):
            if len(line) > rules.LINE_MAX:
                yield path, number, f"{len(line)} columns, of {rules.LINE_MAX}"


def rule_openings(tree):
    """A file begins by saying what it is; a .c may leave that to the header of its module."""
    for path in tree.code():
        if path.endswith(("_test.c", "_contract.c")):
            continue
        included = re.findall(r'^#include "(.*)"', tree.text(path), re.MULTILINE)
        if path.endswith(".c") and any(is_own_header(path, header) for header in included):
            continue
        if not tree.text(path).startswith(("/*\n * ", "/* ")):
            yield path, 1, "does not begin by saying what it is"


def is_own_header(path, header):
    """Of the same module, or helpers of tests beside it."""
    own = path.split(os.sep)[0]
    return header.startswith(own + "/") or os.path.basename(header) == path_stem(path) + ".h"


def path_stem(path):
    return os.path.splitext(os.path.basename(path))[0]


def rule_links(tree):
    """A page links what is there, and an index links all its pages."""
    present = set(tree.files) | {os.path.dirname(f) for f in tree.files}
    for page in tree.pages():
        linked = set()
        for match in re.finditer(r"\]\(([^)#\s:]+)(?:#[^)]*)?\)", tree.text(page)):
            target = os.path.normpath(os.path.join(os.path.dirname(page), match.group(1)))
            linked.add(target)
            if target not in present:
                yield page, line_at(tree.text(page), match.start()), f"{target} is not there"
        for inner in tree.pages():
            if os.path.dirname(inner) == page[:-len(".md")] and inner not in linked:
                yield page, 1, f"{inner} is not linked"


def rule_promises(tree):
    """A promise names tests, and they are there."""
    known = KnownTests(tree)
    for page in tree.pages():
        if os.path.dirname(page) == os.path.join("docs", "promises"):
            for number, last in last_cells(tree.text(page)):
                named = re.findall(r"`([^`]+)`", last)
                if not named:
                    yield page, number, "no test is named"
                for name in named:
                    if not known.has(name):
                        yield page, number, f"there is no test {name}"


def rule_pointers(tree):
    """A page that says where things are is right: the file is there, and the word is in it."""
    words = {f: set(re.findall(r"\w+", tree.text(f))) for f in tree.files if f.endswith(TEXT)}
    known = set().union(*words.values()) | {path_stem(f) for f in tree.files}
    for page in (p for p in rules.POINTERS if p in tree.files):
        for match in re.finditer(r"`([^`\n]+)`", tree.text(page)):
            line = line_at(tree.text(page), match.start())
            file, _, names = match.group(1).partition(": ")
            path = os.path.normpath(os.path.join(os.path.dirname(page), file))
            if re.fullmatch(r"\w+\.[ch]", file) and path not in words:
                yield page, line, f"{path} is not there"
            for name in re.findall(r"\w+", names) if path in words else ():
                if name not in words[path]:
                    yield page, line, f"{path} has no {name}"
            name = re.fullmatch(r"(\w+_\w+)(\(\))?", match.group(1))
            if name and name.group(1) not in known:
                yield page, line, f"nothing is named {name.group(1)}"


class KnownTests:
    """
    What a promise may name: a file, a suite, `suite/case`, a program (`epoch_prog`, or with its
    folder, `base_epoch_prog`), `file/word` for a case that a macro makes, a word of the tests, or
    the beginning of one (`powercut_*`).
    """

    def __init__(self, tree):
        tests = [f for f in tree.files if f.startswith("tests" + os.sep) and not f.endswith(".md")]
        self.files = set(tree.files)
        self.programs = {os.path.basename(os.path.dirname(f)) + "_" + path_stem(f) for f in tests}
        self.programs |= {path_stem(f) for f in tests}
        self.text = "\n".join(tree.text(f) for f in tests if f.endswith(TEXT + (".txt",)))
        self.words_of = {path_stem(f): set(re.findall(r"\w+", tree.text(f))) for f in tests}
        self.words = set(re.findall(r"\w+", self.text))
        self.cases = set(re.findall(r"\bTest\(\s*(\w+),\s*(\w+)", self.text))
        self.suites = {suite for suite, _ in self.cases}

    def has(self, name):
        suite, slash, case = name.replace("::", "/").partition("/")
        if name in self.files or name in self.programs:
            return True
        if slash and suite in self.suites:
            return case == "*" or (suite, case) in self.cases
        if slash:
            return case in self.words_of.get(suite, ())
        begin = re.match(r"\w*", name).group(0)
        return name in self.words or (begin != name and begin != "" and begin in self.text)


def last_cells(text):
    """(line, last cell) of the rows of all tables, without their heads."""
    lines = text.splitlines()
    is_rule = [re.match(r"\|[-:| ]+\|$", line) is not None for line in lines] + [False]
    for i, line in enumerate(lines):
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        if len(cells) >= 2 and not is_rule[i] and not is_rule[i + 1]:
            yield i + 1, cells[-1]


RULES = {
    "includes": rule_includes,
    "calls": rule_calls,
    "globals": rule_globals,
    "needs": rule_needs,
    "format": rule_format,
    "comments": rule_comments,
    "watched": rule_watched,
    "lines": rule_lines,
    "openings": rule_openings,
    "links": rule_links,
    "promises": rule_promises,
    "pointers": rule_pointers,
}


OF_OBJECTS = ("globals", "needs")


# ---- A report, no rule: functions that grew long ----------------------------------------------

def function_sizes(text):
    """Lines of each function's body; clang-format puts its braces into the first column."""
    sizes = {}
    name, start = None, 0
    head = ""
    for number, line in enumerate(blank(text).splitlines(), 1):
        if line == "{":
            named = re.search(r"(\w+)\s*\([^()]*(?:\([^()]*\)[^()]*)*\)[^()]*$", head)
            name, start = (named.group(1) if named else "?"), number
        elif line.startswith("}"):
            if name:
                sizes[name] = number - start - 1
            name, head = None, ""
        elif name is None:
            head = line if line[:1].strip() else head + " " + line.strip()
    return sizes


def grown(tree, base):
    for path in tree.code():
        if path.startswith("tests"):
            continue
        before = {}
        if base:
            shown = subprocess.run(["git", "show", f"{base}:{path}"], cwd=tree.root, text=True,
                                   capture_output=True)
            before = function_sizes(shown.stdout)
        for name, size in function_sizes(tree.text(path)).items():
            if size > rules.FUNCTION_MAX and before.get(name, 0) <= rules.FUNCTION_MAX:
                yield path, name, size


def main():
    parser = argparse.ArgumentParser(description="Check the house rules.")
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(HERE)))
    parser.add_argument("--objects", help="a build folder with the modules' archives")
    parser.add_argument("--rule", action="append", choices=RULES)
    parser.add_argument("--base", help="a revision to compare the sizes of functions with")
    options = parser.parse_args()

    objects = os.path.abspath(options.objects) if options.objects else None
    tree = Tree(os.path.abspath(options.root), objects)
    passed = failed = 0
    for name in options.rule or RULES:
        if name in OF_OBJECTS and not objects:
            continue
        found = sorted(set(RULES[name](tree)))
        for path, line, what in found:
            print(f"{path}:{line}: {what} [{name}]")
        passed, failed = (passed, failed + 1) if found else (passed + 1, failed)
        print(f"{'FAIL' if found else 'ok  '}  {name}: {RULES[name].__doc__}")
    if not options.rule:
        for path, name, size in grown(tree, options.base):
            print(f"note  {path}: {name} has {size} lines")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
