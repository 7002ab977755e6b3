#!/usr/bin/python3
"""run_commands_page -- docs/commands.md says of every command of Redis 7.2 what is so.

The page is made of three things: the command table of a varve that runs (COMMAND DOCS), what
Redis 7.2 has and why some of it is absent (commands.toml), and what may differ
(differential/differences.toml). REWRITE=1 writes it anew; otherwise it has to be the same already.
"""

import os
import sys
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "server"))

from varve_process import Cases, Server, must  # noqa: E402

from differential.difference import Differences  # noqa: E402
from differential.grammar import read  # noqa: E402
from differential.link import asker  # noqa: E402
from differential.redis_process import Redis, is_redis_7_0  # noqa: E402

PAGE = os.path.join(ROOT, "docs", "commands.md")
FACTS = os.path.join(HERE, "commands.toml")
STATES = ["yes", "not yet", "never"]
NEWER = ["client|no-touch", "client|setinfo", "cluster|myshardid", "waitaof"]

HEAD = """# Commands

Of the {all} commands and subcommands of Redis 7.2, varve has {yes}; {not_yet} are not there yet,
{never} never will be. Where it has one, it has all of its options; only of DEBUG it has
what tests and tools use (`DEBUG HELP`). The reference is redis-server 7.0.15, byte for byte; the
last sections list what differs, and limits. `COMMAND DOCS` describes each.

This page is written by `tests/redis/run_commands_page.py`.
"""

MORE = """
## More than Redis 7.2

{names}, and `SET` with `IFEQ` or `IFNE`, as in Redis 8.4.
A lock that only its holder gives back needs no script.
"""

DIFFERENCES = """
## Differences

A million random commands, and cases for each command, are sent to both servers in every run of the
tests, and the answers compared as bytes (`tests/redis/run_differential.py`). These may differ:

| command | reason |
| --- | --- |
"""

LIMITS = """
## Limits

What is beyond is answered with `ERR command is too large` or `ERR transaction is too large`, and
nothing of it is done. Redis has none of these, or larger ones. A string of more than a command may
write is not copied, not moved to another database, not renamed into another hash slot, and not what
BITOP makes; its holes do not count, and a rename within a slot moves nothing.

| what | at most |
| --- | --- |
| a key | 64,000 bytes |
| a string | 512 MiB, as in Redis; in one argument 48 MiB (`proto-max-bulk-len`) |
| a request | 64 MiB (`client-query-buffer-limit`), 1,048,576 words |
| what one command, or a whole transaction, writes | 63 MiB |
| a transaction | 65,536 commands of 64 MiB |
| keys that a client watches | 65,536 |
| what KEYS finds | 512 MiB |
| subscriptions of all clients | a 32nd of `maxmemory`, at most 64 MiB |
"""


class Facts:
    """commands.toml."""

    def __init__(self):
        with open(FACTS, "rb") as f:
            table = tomllib.load(f)
        self.groups = table["groups"]
        self.names = [name for group in self.groups.values() for name, _ in group["commands"]]
        self.absent = {name: row for row in table["absent"] for name in row["commands"]}

    def state(self, name, ours):
        """"yes", or what it is instead, and why."""
        row = self.absent.get(name)
        if name in ours and not (row and row.get("is_refused")):
            return "yes", ""
        row = row or next(g for g in self.groups.values() if name in dict(g["commands"]))
        must("absent" in row, f"{name} is absent, and {FACTS} does not say why")
        return row["absent"], row["reason"]


def shown(name):
    """As it is typed."""
    return f"`{name.replace('|', ' ').upper()}`"


def group_section(title, names, facts, ours):
    """One row a state and reason."""
    rows = {}
    for name in names:
        rows.setdefault(facts.state(name, ours), []).append(name)
    have = len(rows.get(("yes", ""), ()))
    lines = [f"\n## {title.replace('_', ' ')}: {have} of {len(names)}\n", "| | |", "| --- | --- |"]
    for state, reason in sorted(rows, key=lambda row: (STATES.index(row[0]), row[1])):
        words = " ".join(shown(name) for name in rows[state, reason])
        lines.append(f"| {state} | {words}{' -- ' + reason if reason else ''} |")
    return "\n".join(lines) + "\n"


def subject(row):
    """What a row of differences.toml is about."""
    kinds = {"*": "any", "*|help": "`HELP` of any command",
             "conversation": "bytes that are not quite the protocol",
             "heard": "messages to subscribers"}
    return ", ".join(kinds.get(name) or shown(name) for name in row.get("about", row["commands"]))


def page(ours, facts, differences):
    counts = dict.fromkeys(STATES, 0)
    for name in facts.names:
        counts[facts.state(name, ours)[0]] += 1
    more = sorted(set(ours) - set(facts.names))
    text = HEAD.format(all=len(facts.names), yes=counts["yes"], not_yet=counts["not yet"],
                       never=counts["never"])
    for title, group in facts.groups.items():
        text += group_section(title, [name for name, _ in group["commands"]], facts, ours)
    text += MORE.format(names=", ".join(map(shown, more))) + DIFFERENCES
    text += "".join(f"| {subject(row)} | {row['reason']} |\n" for row in differences.rows)
    return text + LIMITS


def the_page_is_current(ours):
    text = page(ours, Facts(), Differences())
    if os.environ.get("REWRITE"):
        with open(PAGE, "w", encoding="utf-8") as f:
            f.write(text)
    with open(PAGE, encoding="utf-8") as f:
        must(f.read() == text, "docs/commands.md is not what the table says: REWRITE=1 writes it")


def reasons_are_about_what_is_absent(ours):
    facts = Facts()
    idle = [name for name, row in facts.absent.items()
            if name not in facts.names or (name in ours) != row.get("is_refused", False)]
    must(not idle, "commands.toml gives reasons for", idle)


def facts_are_those_of_redis():
    """All that a Redis 7.0 tells of itself; it does not tell what only a sentinel has."""
    facts = Facts()
    with Redis() as redis:
        theirs = read(asker(redis.port))
    mine = {name for name in facts.names if name.split("|")[0] != "sentinel"} - set(NEWER)
    must(mine == set(theirs), "commands.toml differs from Redis in", mine ^ set(theirs))
    for group in facts.groups.values():
        for name, since in group["commands"]:
            must(name not in theirs or theirs[name][0][b"since"].decode() == since, name, since)


def main():
    cases = Cases()
    with Server() as varve:
        ours = read(asker(varve.port))
    cases.run(the_page_is_current, ours)
    cases.run(reasons_are_about_what_is_absent, ours)
    if is_redis_7_0():
        cases.run(facts_are_those_of_redis)
    return cases.end()


if __name__ == "__main__":
    sys.exit(main())
