"""case_transaction -- MULTI, EXEC, DISCARD and WATCH, in and out of order."""

from .pair import SETUP


def transactions(pair):
    """MULTI, EXEC, DISCARD and WATCH, in and out of order; errors while queueing and running."""
    steps = [
        [("EXEC",)], [("DISCARD",)], [("UNWATCH",)], [("MULTI",), ("MULTI",), ("PING",), ("EXEC",)],
        [("MULTI",), ("WATCH", "k"), ("SET", "k", "1"), ("EXEC",)],
        [("MULTI",), ("UNWATCH",), ("EXEC",)], [("MULTI",), ("EXEC",)],
        [("MULTI",), ("NOSUCH",), ("EXEC",)], [("MULTI",), ("GET",), ("SET", "k", "1"), ("EXEC",)],
        [("MULTI",), ("GET",), ("DISCARD",), ("EXEC",)], [("MULTI",), ("EXEC", "x"), ("EXEC",)],
        [("MULTI",), ("DISCARD", "x"), ("EXEC",)], [("MULTI",), ("MULTI", "x"), ("EXEC",)],
        [("MULTI",), ("SET", "k", "text"), ("INCR", "k"), ("GET", "k"), ("EXEC",)],
        [("MULTI",), ("SELECT", "3"), ("SET", "k", "3"), ("EXEC",), ("GET", "k"), ("SELECT", "0")],
        [("MULTI",), ("SELECT", "99"), ("GET", "k"), ("EXEC",)],
        [("MULTI",), ("FLUSHALL",), ("DBSIZE",), ("SET", "a", "1"), ("KEYS", "*"), ("EXEC",)],
        [("MULTI",), ("RESET",), ("EXEC",)], [("WATCH",)], [("WATCH", "k"), ("EXEC",)],
        [("WATCH", "k"), ("SET", "k", "2"), ("MULTI",), ("GET", "k"), ("EXEC",)],
        [("WATCH", "k"), ("SET", "k", "2"), ("UNWATCH",), ("MULTI",), ("GET", "k"), ("EXEC",)],
        [("WATCH", "k"), ("SET", "k", "2"), ("MULTI",), ("DISCARD",), ("MULTI",), ("GET", "k"),
         ("EXEC",)],
        [("WATCH", "none"), ("SET", "none", "1"), ("DEL", "none"), ("MULTI",), ("EXEC",)],
        [("WATCH", "none"), ("DEL", "none"), ("MULTI",), ("PING",), ("EXEC",)],
        [("WATCH", "k"), ("EXPIRE", "k", "100"), ("MULTI",), ("PING",), ("EXEC",)],
        [("WATCH", "k"), ("GETEX", "k"), ("MULTI",), ("PING",), ("EXEC",)],
        [("WATCH", "k"), ("SET", "k", "v", "NX"), ("MULTI",), ("PING",), ("EXEC",)],
        [("WATCH", "k"), ("FLUSHDB",), ("MULTI",), ("PING",), ("EXEC",)],
        [("WATCH", "none"), ("FLUSHALL",), ("MULTI",), ("PING",), ("EXEC",)],
        [("WATCH", "k"), ("SELECT", "1"), ("SET", "k", "x"), ("SELECT", "0"), ("MULTI",),
         ("PING",), ("EXEC",)],
        [("WATCH", "none"), ("FLUSHDB",), ("SET", "none", "1"), ("FLUSHALL",), ("MULTI",),
         ("PING",), ("EXEC",)],
        [("WATCH", "none"), ("SET", "x", "1"), ("FLUSHDB",), ("SET", "x", "1"), ("FLUSHALL",),
         ("MULTI",), ("PING",), ("EXEC",)],
        [("MULTI",), ("PING",), ("PING", "a", "b"), ("ECHO",), ("EXEC",), ("EXEC",)],
        [("MULTI",), ("HELLO", "3"), ("GET", "none"), ("EXEC",), ("GET", "none"), ("HELLO", "2")],
        [("MULTI",), ("CLIENT", "SETNAME", "a b"), ("CLIENT", "GETNAME"), ("EXEC",)],
        [("MULTI",), ("CLIENT", "NOSUCH"), ("EXEC",)], [("MULTI",), ("CONFIG", "GET"), ("EXEC",)],
        [("MULTI",), ("SET", "k", "1", "EX"), ("SET", "k", "2", "EX", "0"), ("GET", "k"),
         ("EXEC",)],
        [("MULTI",), ("MSET", "a"), ("EXEC",)], [("MULTI",), ("MSET", "a", "1", "b"), ("EXEC",)],
    ]
    found = []
    for step in steps:
        ends = pair.connect()
        pair.ask(ends, [("FLUSHALL",), *SETUP, *step, ("GET", "k"), ("DBSIZE",), ("PING",)], found)
    pair.check(found)


def watches_of_two_clients(pair):
    """What another client does between WATCH and EXEC."""
    others = [("SET", "k", "2"), ("GET", "k"), ("DEL", "k"), ("EXPIRE", "k", "100"),
              ("PERSIST", "k"),
              ("EXPIRE", "none", "1"), ("SETNX", "k", "1"), ("APPEND", "k", ""),
              ("SETRANGE", "k", "0", ""),
              ("GETDEL", "none"), ("SET", "none", "1"), ("FLUSHDB",), ("FLUSHALL",), ("INCR", "t"),
              ("MSET", "z", "1", "k", "2"), ("MSETNX", "z", "1", "k", "2"), ("GETSET", "k", "10"),
              ("EXPIRE", "k", "-1"), ("PERSIST", "t"), ("GETEX", "t", "PERSIST")]
    found = []
    for other in others:
        for watched in ("k", "none", "t"):
            one, two = pair.connect(), pair.connect()
            pair.ask(one, [("FLUSHALL",), *SETUP, ("WATCH", watched)], found)
            pair.ask(two, [other], found)
            pair.ask(one, [("MULTI",), ("GET", watched), ("EXEC",)], found)
            one.close()
            two.close()
    pair.check(found)
