"""case_expiry -- past, present, far and too far; what keeps an expiry and what ends it."""

import time

from .case_argument import is_over_at_once
from .pair import BIG, SETUP


def expiries(pair):
    """Past, present, far and too far; conditions; what keeps and what ends an expiry."""
    now = int(time.time())
    times = ["-1", "0", "1", str(now - 1), str(now + 1000), "99999999999", "9223372036854775",
             "9223372036854776", BIG, "-9223372036854775808", "-9223372036854775"]
    commands = []
    for t in times:
        for name in ("EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"):
            for condition in ((), ("NX",), ("XX",), ("GT",), ("LT",), ("NX", "GT"), ("XX", "LT"),
                              ("GT", "LT"), ("XX", "GT"), ("bad",), ("NX", "XX")):
                for key in ("k", "t"):
                    commands.append((name, key, t, *condition))
    pair.each_alone([c for c in commands if not is_over_at_once(c)], SETUP)
    keep = [("APPEND", "t", "x"), ("SETRANGE", "t", "1", "x"), ("SET", "t", "v"), ("PERSIST", "t"),
            ("SET", "t", "v", "KEEPTTL"), ("GETSET", "t", "v"), ("GETDEL", "t"), ("MSET", "t", "v"),
            ("GETEX", "t"), ("GETEX", "t", "PERSIST"), ("INCRBYFLOAT", "k", "1.5"),
            ("MSETNX", "t", "1"),
            ("SETNX", "t", "v"), ("SET", "t", "v", "XX"), ("SET", "t", "v", "NX"),
            ("DEL", "t", "t")]
    found = []
    ends = pair.connect()
    for command in keep:
        pair.ask(ends, [("FLUSHALL",), *SETUP, command, ("PEXPIRETIME", "t"), ("PEXPIRETIME", "k"),
                        ("EXPIRETIME", "t"), ("EXPIRETIME", "nothing"), ("EXISTS", "t", "t", "k")],
                 found)
    pair.check(found)
