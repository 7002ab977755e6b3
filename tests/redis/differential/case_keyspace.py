"""case_keyspace -- databases, walks over all keys, and values too large for a row."""

import itertools

from varve_process import encode, must

from .pair import NUMBERS
from .reply import value as value_of
from .stream import Found


def databases(pair):
    """SELECT's range, and keys of one name in several databases."""
    found = []
    ends = pair.connect()
    for n in NUMBERS + ["15", "16", "2147483647", "2147483648", "-2147483649"]:
        pair.ask(ends, [("SELECT", n), ("SET", "k", "v" + n), ("GET", "k"), ("DBSIZE",),
                        ("FLUSHDB",), ("SELECT", "0")], found)
    for arguments in ((), ("ASYNC",), ("SYNC",), ("sync",), ("bad",), ("SYNC", "ASYNC")):
        pair.ask(ends, [("SET", "k", "1"), ("SELECT", "1"), ("SET", "k", "1"),
                        ("FLUSHDB", *arguments), ("DBSIZE",), ("SELECT", "0"), ("DBSIZE",),
                        ("FLUSHALL", *arguments), ("DBSIZE",)], found)
    pair.check(found)


def scans(pair):
    """SCAN's options and errors; every key once."""
    options = [("MATCH", "*"), ("MATCH", "k[0-4]*"), ("MATCH",), ("COUNT", "1000"), ("COUNT", "1"),
               ("COUNT", "0"), ("COUNT", "-1"), ("COUNT", "x"), ("COUNT",), ("TYPE", "string"),
               ("TYPE", "STRING"), ("TYPE", "hash"), ("TYPE", "nosuch"), ("TYPE",), ("bad", "x"),
               ("match", "none*")]
    found = []
    ends = pair.connect()
    pair.ask(ends, [("FLUSHALL",)], found)
    pair.ask(ends, [("SCAN", "0", *[w for o in some for w in o]) for count in range(3)
                    for some in itertools.permutations(options, count)], found)
    pair.ask(ends, [("SET", f"k{i}", "v") for i in range(200)] + [("SET", "", "v")], found)
    for pattern in ("*", "**", "k1*", "k[0-4]?", "k[^1]", "k\\*", "?1", "", "k[", "k[1-",
                    "*9*9", "k1\\"):
        pair.ask(ends, [("KEYS", pattern)], found)
        for more in ((), ("COUNT", "7"), ("TYPE", "string"), ("TYPE", "list")):
            keys = [scan(end, "MATCH", pattern, *more) for end in ends.ends]
            if keys[0] != keys[1]:
                found.append(Found((b"SCAN", pattern.encode()), *map(repr, keys)))
    pair.check(found)


def scan(end, *options):
    """All keys, sorted."""
    cursor, keys = b"0", []
    while True:
        end.send(encode("SCAN", cursor, *options))
        words = end.replies(1)[0].split(b"\r\n")
        cursor = words[2]
        keys += words[5::2]
        if cursor == b"0":
            return sorted(keys)


def large_values(pair):
    """Values around the limits of a row and of a chunk, written, cut and grown."""
    found = []
    ends = pair.connect()
    for size in (65_535, 65_536, 65_537, 81_920, 200_000):
        value = bytes(i * 7 % 251 for i in range(size))
        pair.ask(ends, [("FLUSHALL",), ("SET", "k", value), ("STRLEN", "k"),
                        ("APPEND", "k", "tail"),
                        ("GETRANGE", "k", "-10", "-1"),
                        ("SETRANGE", "k", str(size - 5), "0123456789"),
                        ("GET", "k"), ("GETRANGE", "k", "65530", "65545"),
                        ("SETRANGE", "k", "150000", "z"),
                        ("GET", "k"), ("GETSET", "k", value), ("GETDEL", "k"), ("EXISTS", "k"),
                        ("MSET", "a", value, "b", value[::-1]), ("MGET", "a", "b"), ("INCR", "a"),
                        ("INCRBYFLOAT", "a", "1"), ("SET", "a", "5", "GET"),
                        ("DEL", "a", "b")], found)
    pair.check(found)


def dumps_are_exchanged(pair):
    """What one server dumps the other restores, and what it says then is the same."""
    client = pair.connect()
    values = [b"", b"0", b"-129", b"70000", b"99999999999", b"text", bytes(range(256)),
              b"ab" * 4000, b"\x00" * 70_000]
    for value in values:
        for source, target in (client.ends, client.ends[::-1]):
            for end in (source, target):
                end.send(encode("SET", "k", value) + encode("DEL", "copy"))
                end.replies(2)
            source.send(encode("DUMP", "k"))
            payload = value_of(source.replies(1)[0])
            target.send(encode("RESTORE", "copy", "0", payload) + encode("GET", "copy"))
            replies = target.replies(2)
            must(replies == [b"+OK\r\n", b"$%d\r\n%s\r\n" % (len(value), value)],
                 f"{value[:20]!r} as {payload[:40]!r}: {replies!r:.200}")
