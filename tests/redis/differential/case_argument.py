"""case_argument -- how many, numbers in every spelling, options that exclude each other."""

import itertools
import re

from .pair import BIG, NUMBERS, SETUP


def every_arity(pair):
    """Each command with 0 to 6 arguments, in MULTI too."""
    found = []
    words = ["k", "100000", "200000", "k2", "300000", "k3"]
    names = sorted(c.name for c in pair.grammar.all)
    names += ["quit", "reset", "client", "config", "NOSUCH", "gEt"]
    for name in names:
        for count in range(7):
            command = (*name.split("|"), *words[:count])
            client = pair.connect()
            pair.ask(client, [("FLUSHALL",), *SETUP, command, ("GET", "k")], found)
            pair.ask(client, [("MULTI",), command, ("PING",), ("EXEC",), ("GET", "k")], found)
            client.close()
    pair.check(found)


def numbers_everywhere(pair):
    """Every spelling of a number wherever one is taken, on integer, text and no value."""
    commands = []
    for n in NUMBERS:
        for key in ("k", "t", "none"):
            for name in ("INCRBY", "DECRBY", "INCRBYFLOAT", "EXPIRE", "PEXPIRE", "EXPIREAT",
                         "PEXPIREAT"):
                commands.append((name, key, n))
            commands += [("SETRANGE", key, n, "x"), ("GETRANGE", key, n, "1"),
                         ("GETRANGE", key, "0", n), ("SETEX", key, n, "v"),
                         ("PSETEX", key, n, "v"), ("SET", key, "v", "EX", n),
                         ("SET", key, "v", "PX", n), ("SET", key, "v", "EXAT", n),
                         ("SET", key, "v", "PXAT", n), ("GETEX", key, "EX", n),
                         ("GETEX", key, "PX", n), ("GETEX", key, "EXAT", n),
                         ("GETEX", key, "PXAT", n)]
        commands += [("SELECT", n), ("SCAN", n), ("SCAN", "0", "COUNT", n),
                     ("SET", "k", n), ("CLIENT", "LIST", "ID", n)]
    pair.each_alone([c for c in commands
                if not is_cursor_of_strtoul(c) and not is_over_at_once(c)], SETUP)


def is_cursor_of_strtoul(command):
    """SCAN with a cursor that is not digits: see docs/decisions/resp.md."""
    return command[0] == "SCAN" and not re.fullmatch(r"0|[1-9]\d*", command[1])


def is_over_at_once(command):
    """An expiry within milliseconds: over for one server's next command and not for the other's."""
    words = [str(w).upper() for w in command]
    place = (2 if words[0] in ("PEXPIRE", "PSETEX") else
             words.index("PX") + 1 if "PX" in words[:-1] else None)
    return place is not None and words[place] in ("1", "10")


def counters(pair):
    """INCR and its family at the ends of their ranges, and how floats are spelled."""
    values = NUMBERS + ["3.0e3", "1.5", "-1.5", "0.1", "1e-7", "1e20", "1e308", "1e4932", "5e-324",
                        "0.30000000000000004", "100000000000000000000", "1.7976931348623157e308",
                        "3.14159265358979323846", "-0.0", ".5", "5.", "1e", "1,5", "0b1", "INF"]
    commands = [("INCR", "k"), ("DECR", "k"), ("INCRBY", "k", "1"), ("DECRBY", "k", BIG),
                ("INCRBY", "k", BIG), ("INCRBY", "k", "-9223372036854775808"),
                ("DECRBY", "k", "-9223372036854775808")] + [
                    ("INCRBYFLOAT", "k", by) for by in values]
    found = []
    pair.ask_all(([("SET", "k", value), command, ("GET", "k"), ("STRLEN", "k")]
                  for value, command in itertools.product(values, commands)), found)
    pair.check(found)


def option_conflicts(pair):
    """SET, GETEX and EXPIRE with every combination of up to three options."""
    options = [("NX",), ("XX",), ("GET",), ("KEEPTTL",), ("EX", "100"), ("PX", "-5"), ("EX",),
               ("EXAT", "99999999999"), ("PXAT", "1"), ("nx",), ("bad",), ("PERSIST",), ("EX", "0"),
               ("GT",), ("LT",), ("gt",)]
    commands = []
    for key in ("k", "t", "none"):
        for count in range(4):
            for some in itertools.permutations(options, count):
                if count == 3 and sum(o[0] in ("bad", "nx", "gt", "PERSIST", "GT", "LT")
                                      for o in some) > 1:
                    continue
                rest = [w for o in some for w in o]
                commands.append(("SET", key, "v", *rest))
        for count in range(3):
            for some in itertools.permutations(options, count):
                rest = [w for o in some for w in o]
                commands += [("GETEX", key, *rest), ("EXPIRE", key, "100", *rest),
                             ("PEXPIREAT", key, "99999999999998", *rest),
                             ("EXPIRE", key, "-1", *rest)]
    found = []
    pair.ask_all(([("DEL", "none"), *SETUP, command, ("GET", command[1]), ("TTL", command[1])]
                  for command in commands), found)
    pair.check(found)


def ranges(pair):
    """GETRANGE and SETRANGE around the ends of short, long and missing strings."""
    commands = []
    places = ["0", "1", "3", "4", "5", "-1", "-3", "-4", "-5", "-100", "100", BIG, "-" + BIG]
    for key in ("k", "none", "long"):
        for a, b in itertools.product(places, places):
            commands.append(("GETRANGE", key, a, b))
            commands.append((key, a, b))
        for a in places[:9] + ["536870911", "536870912", "4294967296", BIG]:
            for value in ("", "xy"):
                if a != "536870911" or value == "":
                    commands.append(("SETRANGE", key, a, value))
    setup = [("SET", "k", "0123"), ("SET", "long", "a" * 70_000)]
    found = []
    pair.ask_all(([*setup, ("DEL", "none"), command, ("STRLEN", command[1])]
                  for command in commands), found)
    pair.check(found)
