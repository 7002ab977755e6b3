"""difference -- what may differ and why: differences.toml, read, applied and counted.

A row excuses the answer of the commands it names, if the two answers compare as the row says. It
is a fault if its witness (shown_by, sent) does not differ so, if a row is never needed, and if it
is needed for a greater share of its commands' answers (at_most) than the reason allows.
"""

import collections
import fnmatch
import itertools
import os
import re
import tomllib

from .reply import elements, is_aggregate, value

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "differences.toml")
LEFT = re.compile(rb"(?<=unsubscribe\r\n)\$\d+\r\n.*?\r\n(?=:\d+\r\n)", re.S)
ENOUGH = 50  # Answers of a row's commands, before their share says anything.


def is_error(reply):
    return reply[:1] in (b"-", b"!")


def in_order(row, mine, theirs):
    """The same elements, in another order."""
    return (is_aggregate(mine) and mine[:1] == theirs[:1]
            and sorted(elements(mine)) == sorted(elements(theirs)))


def in_fewer(row, mine, theirs):
    """Some of their elements, and of others only those of commands that Redis does not have."""
    if not is_aggregate(mine) or mine[:1] != theirs[:1]:
        return False
    more = set(elements(mine)) - set(elements(theirs))
    return {value(e).decode() for e in more} <= row["besides"]


def in_number(row, mine, theirs):
    """Integers of one sign that differ by row["span"] at most."""
    if mine[:1] != b":" or theirs[:1] != b":":
        return False
    a, b = int(mine[1:]), int(theirs[1:])
    return abs(a - b) <= row["span"] and (a < 0) == (b < 0)


def in_value(row, mine, theirs):
    """No error on either side, and one type: the value itself is the server's own."""
    return mine[:1] == theirs[:1] and not is_error(mine)


def in_null(row, mine, theirs):
    """As "value", and one may have it where the other has none."""
    return not is_error(mine) and not is_error(theirs)


def in_words(row, mine, theirs):
    """Errors on both sides, with one prefix."""
    return is_error(mine) and is_error(theirs) and mine.split(b" ")[0] == theirs.split(b" ")[0]


def in_refusal(row, mine, theirs):
    """An error of ours, named by row["error"]."""
    line = b"-" + row["error"].encode()
    return mine.startswith(line) or b"\n" + line in mine


def in_acceptance(row, mine, theirs):
    """Redis 7.0 does not know this yet."""
    return not is_error(mine) and re.match(rb"-ERR (unknown|syntax|Unrecognized|wrong number)",
                                           theirs) is not None


def in_abort(row, mine, theirs):
    """No answer at all where Redis runs the transaction."""
    return mine in (b"*-1\r\n", b"_\r\n") and is_aggregate(theirs)


def in_length(row, mine, theirs):
    """The same error, cut off."""
    return is_error(mine) and len(mine) > 1023 and theirs.startswith(mine[:-2])


def in_silence(row, mine, theirs):
    """Redis says nothing, or nothing more."""
    return mine.startswith(theirs)


def in_unknown(row, mine, theirs):
    """Reply by reply, the same or unknown to us."""
    ours, others = (elements(b"*\r\n" + data) for data in (mine, theirs))
    return len(ours) == len(others) and all(
        a == b or a.startswith(b"-ERR unknown ") for a, b in zip(ours, others))


def in_leaving(row, mine, theirs):
    """The same, but for the order of what is no longer subscribed to."""
    return (sorted(LEFT.findall(mine)) == sorted(LEFT.findall(theirs))
            and LEFT.sub(b"", mine) == LEFT.sub(b"", theirs))


def in_lines(row, mine, theirs):
    """The same lines, in another order."""
    return sorted(mine.split(b"\r\n")) == sorted(theirs.split(b"\r\n"))


def by_patterns(reply):
    """Channel and message of what a pattern matched."""
    parts = elements(reply) if is_aggregate(reply) else []
    return tuple(parts[2:]) if parts[:1] == [b"$8\r\npmessage\r\n"] else ()


def in_pushes(row, mine, theirs):
    """The same answers, and the same pushes at other places between them; what several patterns
    match comes in any order of these."""
    def parted(data):
        replies = elements(b"*\r\n" + data)
        for is_push in (False, True):
            some = [r for r in replies if (r[:1] == b">") == is_push]
            for matched, same in itertools.groupby(some, by_patterns):
                yield from sorted(same) if matched else same

    return list(parted(mine)) == list(parted(theirs))


def in_parts(row, mine, theirs):
    """Equal, once row["parts"] is cut out of both."""
    bare = [re.sub(row["parts"].encode(), b"", reply, flags=re.S) for reply in (mine, theirs)]
    return bare[0] == bare[1]


COMPARE = {"order": in_order, "fewer": in_fewer, "number": in_number, "value": in_value,
           "null": in_null, "words": in_words, "refusal": in_refusal, "acceptance": in_acceptance,
           "parts": in_parts, "silence": in_silence, "unknown": in_unknown, "length": in_length,
           "abort": in_abort, "lines": in_lines, "leaving": in_leaving, "pushes": in_pushes}


def repeated(text):
    """"x{9}" is nine x."""
    return re.sub(r"(.)\{(\d+)\}", lambda m: m[1] * int(m[2]), text).encode()


class Differences:
    """The table, and how often each row was needed."""

    def __init__(self, path=FILE):
        with open(path, "rb") as f:
            table = tomllib.load(f)
        self.rows = table["difference"]
        self.unsent = {name: row["reason"] for row in table["unsent"] for name in row["commands"]}
        self.rows_of = {}
        for row in self.rows:
            row.update(used=0, compare=COMPARE[row["differs"]],
                       pattern=re.compile(row.get("when", "").encode(), re.S | re.I))
        self.asked = collections.Counter()
        self.staged = None  # The row whose witness is played.

    def tell_newer(self, names):
        """Commands that Redis does not have."""
        for row in self.rows:
            row["besides"] = names

    def about(self, name):
        """The rows that name this command, or all of its kind ("*|help")."""
        if name not in self.rows_of:
            self.rows_of[name] = [row for row in self.rows if any(
                fnmatch.fnmatchcase(name, pattern) for pattern in row["commands"])]
        return self.rows_of[name]

    def is_plain(self, name):
        """No row is about just this command."""
        return all(row["commands"] == ["*"] or row.get("is_staged") for row in self.about(name))

    def excuse(self, name, words, mine, theirs):
        """The row that allows these answers to differ, or None."""
        for row in self.about(name):
            if row.get("is_staged") and row is not self.staged:
                continue
            if row["pattern"].search(b" ".join(words)) and row["compare"](row, mine, theirs):
                row["used"] += 1
                return row
        return None

    def witnesses(self):
        """Rows, and what must show them: commands, or bytes."""
        for row in self.rows:
            if "shown_by" in row:
                yield row, [tuple(repeated(w) for w in words) for words in row["shown_by"]]
            elif "sent" in row:
                yield row, repeated(row["sent"])

    def faults(self):
        """Rows that nothing needed, and rows that were needed too often."""
        for row in self.rows:
            names = ", ".join(row["commands"])
            asked = sum(count for name, count in self.asked.items() if row in self.about(name))
            if not row["used"] and not row.get("by_chance"):
                yield f"{names}: no answer differed in {row['differs']}"
            elif asked > ENOUGH and row["used"] > asked * row.get("at_most", 1):
                yield f"{names}: {row['used']} of {asked} answers differed in {row['differs']}"
