#!/usr/bin/python3
"""run_redis_differential -- the same bytes to varve and to a real redis-server, the same answers?

Each group is a list of steps over a few connections; a step sends raw bytes on one of them to both
servers and reads both answers to their end. They must be equal to the byte, unless DIFFERENCES says
how this command may differ, and why. A row of DIFFERENCES that nothing needs is a failure too.

The last group is random: SEED (argument 1, or a fixed one) and COMMANDS (argument 2). Redis 7.0 is
needed; without it the script says so and is skipped.
"""

import itertools
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from varve_process import Cases, Server, encode, free_port, must

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 7015
COMMANDS = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
SHOWN = 12  # Differences printed of a case.

BIG = "9223372036854775807"

# Debian's redis-tools has the server under another name: it looks at what it is called.
BINARY = shutil.which("redis-server") or shutil.which("redis-check-rdb")


class Redis:
    """A redis-server that keeps nothing."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="redis-test-")
        self.port = free_port()

    def __enter__(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--dir", self.folder, "--save", "",
             "--appendonly", "no", "--maxmemory", "256mb"],
            executable=BINARY, stdout=subprocess.DEVNULL)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("redis-server does not answer")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


# ---- Replies -----------------------------------------------------------------------------------


def reply_end(data, at):
    """Where the reply that begins at ends, or None if it is not all there."""
    line = data.find(b"\r\n", at)
    if line < 0:
        return None
    kind, rest, end = data[at:at + 1], data[at + 1:line], line + 2
    if kind in b"$=!" and int(rest) >= 0:
        end += int(rest) + 2
        return end if end <= len(data) else None
    if kind in b"*~>%|" and int(rest) > 0:
        count = int(rest) * (2 if kind in b"%|" else 1)
        for _ in range(count):
            end = reply_end(data, end)
            if end is None:
                return None
        return reply_end(data, end) if kind == b"|" else end
    return end


class End:
    """One connection to one server."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""
        self.is_over = False

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            self.is_over = True

    def receive(self):
        try:
            got = self.socket.recv(1 << 20)
        except ConnectionError:
            got = b""
        self.is_over |= not got
        self.data += got

    def glance(self):
        """Take what comes within a moment: a server that closes may take back what is not read."""
        self.socket.settimeout(0.005)
        try:
            self.receive()
        except TimeoutError:
            pass
        self.socket.settimeout(20)

    def replies(self, count):
        """count replies, or what came before the end of the connection."""
        out, at = [], 0
        while len(out) < count:
            end = reply_end(self.data, at)
            if end is not None:
                out.append(self.data[at:end])
                at = end
            elif self.is_over:
                out.append(self.data[at:] + b"<end>")
                at = len(self.data)
                break
            else:
                self.receive()
        self.data = self.data[at:]
        return out

    def rest(self):
        """All that comes until the server closes."""
        while not self.is_over:
            self.receive()
        data, self.data = self.data, b""
        return data


# ---- What may differ ---------------------------------------------------------------------------


def same_kind(a, b):
    """Both errors or neither: the words are another matter."""
    return a[:1] == b[:1]


def same_shape(a, b):
    """Equal but for digits."""
    return re.sub(rb"[\d.$]+", b"0", a) == re.sub(rb"[\d.$]+", b"0", b)


def same_greeting(a, b):
    return b"server" in a and same_shape(a, b)


def same_elements(a, b):
    """Arrays with the same elements in another order."""
    def elements(data):
        at, out = data.index(b"\r\n") + 2, []
        while at < len(data):
            end = reply_end(data, at)
            out.append(data[at:end])
            at = end
        return sorted(out)
    return a[:1] == b[:1] == b"*" and elements(a) == elements(b)


def near(span):
    """Integers that differ by no more: the servers look at their clocks one after the other."""
    def compare(a, b):
        return (a[:1] == b[:1] == b":" and abs(int(a[1:]) - int(b[1:])) <= span
                and (int(a[1:]) < 0) == (int(b[1:]) < 0))
    return compare


def both_arrays(a, b):
    return a[:1] == b[:1] == b"*"


def dead_ones_counted(a, b):
    """Keys that are over, and not removed yet."""
    return a[:1] == b[:1] == b":" and abs(int(a[1:]) - int(b[1:])) <= 10


ALWAYS, SOMETIMES = True, False

# (what the command looks like, how the answers compare, why, whether some answer must differ so)
DIFFERENCES = [
    (rb"^ttl ", near(1), "the clocks are looked at one after the other", SOMETIMES),
    (rb"^pttl ", near(500), "likewise", SOMETIMES),
    (rb"^(p?expiretime) ", near(500), "likewise, after a relative EXPIRE", SOMETIMES),
    (rb"^time$", same_shape, "likewise", SOMETIMES),
    (rb"^dbsize$", dead_ones_counted,
     "a dead key is removed by its next reader or a moment later", SOMETIMES),
    (rb"^keys ", same_elements, "order: Redis' is that of its hash table", ALWAYS),
    (rb"^command LIST ", same_elements, "order: Redis' is that of its hash table", SOMETIMES),
    (rb"^scan ", both_arrays,
     "cursors and order are our own; whole walks are compared apart", ALWAYS),
    (rb"^randomkey$", same_kind, "any key", SOMETIMES),
    (rb"^hello", same_shape, "we announce 7.2.4 (libraries ask for it); ids", ALWAYS),
    (rb"^exec$", same_greeting, "HELLO's answer, as above", ALWAYS),
    (rb"^client ID$", near(1 << 30), "connections are counted apart", SOMETIMES),
    (rb"^config SET maxmemory ", same_kind,
     "it is fixed at the start: memory is shared out then", ALWAYS),
    (rb"^dump ", same_kind, "we write an older version of the form, uncompressed", ALWAYS),
    (rb"^command INFO .*set$", same_kind, "notes in key specifications are left out", ALWAYS),
]


def is_excused(command, a, b, used):
    for i, (pattern, compare, _, _) in enumerate(DIFFERENCES):
        if re.search(pattern, command) and compare(a, b):
            used.add(i)
            return True
    return False


# ---- Both servers ------------------------------------------------------------------------------


# The same of a whole connection: (what was sent, how all that came back compares, why).
RAW_DIFFERENCES = [
    (rb"(POST|Host:) ", lambda a, b: b == b"",
     "a request of a browser ends the connection; Redis drops what it has not sent yet, we send "
     "what was answered before"),
]


# Not compared inside an EXEC's reply, where no row above applies to them.
UNORDERED = ("KEYS", "RANDOMKEY", "TIME", "SCAN", "DBSIZE", "TTL", "PTTL", "PEXPIRETIME",
             "EXPIRETIME", "DUMP")


class Pair:
    """Both servers, and what was found to differ."""

    def __init__(self, varve, redis):
        self.ports = (varve.port, redis.port)
        self.used = set()

    def connect(self):
        return tuple(End(port) for port in self.ports)

    def ask(self, ends, commands, found):
        """Pipelined: commands are tuples of words. Differences go to found."""
        data = b"".join(encode(*c) for c in commands)
        for end in ends:
            end.send(data)
        mine, theirs = (end.replies(len(commands)) for end in ends)
        for command, a, b in itertools.zip_longest(commands, mine, theirs):
            if a != b:
                self.note(command, a, b, found)

    def note(self, command, a, b, found):
        words = b" ".join(w if isinstance(w, bytes) else str(w).encode() for w in command)
        name = words.split(b" ")[0].lower()
        key = name + words[len(name):]
        if a is None or b is None or not is_excused(key, a, b, self.used):
            found.append((words[:200], a and a[:300], b and b[:300]))

    def raw(self, data, found, pieces=1):
        """A whole connection: these bytes, then no more; all that is answered."""
        ends = self.connect()
        answers = []
        for end in ends:
            size = max(1, -(-len(data) // pieces))
            for at in range(0, len(data), size):
                end.send(data[at:at + size])
                if pieces > 1:
                    end.glance()
            try:
                end.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            answers.append(end.rest())
            end.socket.close()
        if answers[0] != answers[1] and not any(
                re.search(pattern, data) and compare(*answers)
                for pattern, compare, _ in RAW_DIFFERENCES):
            found.append((data[:200], answers[0][:300], answers[1][:300]))

    def check(self, found):
        for words, a, b in found[:SHOWN]:
            print(f"  {words!r}\n    varve {a!r}\n    redis {b!r}")
        must(not found, len(found), "answers differ")


PAIR = None


def each_alone(commands, setup=()):
    """Every command on data that setup has made anew; all of it pipelined on one connection."""
    found = []
    ends = PAIR.connect()
    for command in commands:
        PAIR.ask(ends, [("FLUSHALL",), *setup, command, ("GET", "k"), ("TYPE", "k"),
                        ("PTTL", "k"), ("DBSIZE",)], found)
    PAIR.check(found)


# ---- Cases -------------------------------------------------------------------------------------

SINGLE = ["PING", "ECHO", "GET", "SET", "GETSET", "GETDEL", "GETEX", "MGET", "MSET", "MSETNX",
          "SETNX", "SETEX", "PSETEX", "APPEND", "STRLEN", "GETRANGE", "SETRANGE", "INCR",
          "DECR", "INCRBY", "DECRBY", "INCRBYFLOAT", "DEL", "UNLINK", "EXISTS", "TYPE", "EXPIRE",
          "PEXPIRE", "EXPIREAT", "PEXPIREAT", "TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "PERSIST",
          "SCAN", "KEYS", "DBSIZE", "RANDOMKEY", "FLUSHDB", "FLUSHALL", "SELECT", "MULTI", "EXEC",
          "DISCARD", "WATCH", "UNWATCH", "TIME", "TOUCH", "RENAME", "RENAMENX", "COPY", "MOVE",
          "SWAPDB", "DUMP", "RESTORE", "OBJECT", "MEMORY", "WAIT"]

# What a Redis 7.0 dumped: a number, a short string; and what it cannot have.
PAYLOADS = [b"\x00\xc1\xd2\x04\x0a\x00" + bytes.fromhex("008708a144825ced"),
            b"\x00\x05hello\x0a\x00" + bytes.fromhex("6372df766534200a"), b"",
            b"\x00\x05hello\x0a\x00xxxxxxxx"]

NUMBERS = ["0", "1", "-1", "10", "-0", "+1", "01", " 1", "1 ", "1.0", "1e3", "abc", "", "0x10",
           BIG, "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
           "18446744073709551616", "9223372036854775", "9223372036854776", "1\x00", "nan", "inf"]

SETUP = [("SET", "k", "10"), ("SET", "t", "text", "PXAT", "99999999999999")]


def every_arity():
    """Each command with 0 to 6 arguments, in MULTI too."""
    found = []
    words = ["k", "100000", "200000", "k2", "300000", "k3"]
    for name in SINGLE + ["RESET", "COMMAND", "CLIENT", "CONFIG", "NOSUCH", "get", "sEt"]:
        for count in range(7):
            if name in ("COMMAND", "CLIENT", "CONFIG") and count == 0:
                continue
            command = (name, *words[:count])
            ends = PAIR.connect()
            PAIR.ask(ends, [("FLUSHALL",), *SETUP, command, ("GET", "k"), ("RESET",)], found)
            if name not in UNORDERED:
                PAIR.ask(ends, [("MULTI",), command, ("PING",), ("EXEC",), ("GET", "k"),
                                ("RESET",)], found)
            for end in ends:
                end.socket.close()
    PAIR.check(found)


def numbers_everywhere():
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
    each_alone([c for c in commands
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


def counters():
    """INCR and its family at the ends of their ranges, and how floats are spelled."""
    found = []
    ends = PAIR.connect()
    values = NUMBERS + ["3.0e3", "1.5", "-1.5", "0.1", "1e-7", "1e20", "1e308", "1e4932", "5e-324",
                        "0.30000000000000004", "100000000000000000000", "1.7976931348623157e308",
                        "3.14159265358979323846", "-0.0", ".5", "5.", "1e", "1,5", "0b1", "INF"]
    for value in values:
        for command in [("INCR", "k"), ("DECR", "k"), ("INCRBY", "k", "1"), ("DECRBY", "k", BIG),
                        ("INCRBY", "k", BIG), ("INCRBY", "k", "-9223372036854775808"),
                        ("DECRBY", "k", "-9223372036854775808")] + [
                            ("INCRBYFLOAT", "k", by) for by in values]:
            PAIR.ask(ends, [("SET", "k", value), command, ("GET", "k"), ("STRLEN", "k")], found)
    PAIR.check(found)


def option_conflicts():
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
    ends = PAIR.connect()
    for at in range(0, len(commands), 50):
        batch = []
        for command in commands[at:at + 50]:
            batch += [("DEL", "none"), *SETUP, command, ("GET", command[1]),
                      ("TTL", command[1])]
        PAIR.ask(ends, batch, found)
    PAIR.check(found)


def expiries():
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
    each_alone([c for c in commands if not is_over_at_once(c)], SETUP)
    keep = [("APPEND", "t", "x"), ("SETRANGE", "t", "1", "x"), ("SET", "t", "v"), ("PERSIST", "t"),
            ("SET", "t", "v", "KEEPTTL"), ("GETSET", "t", "v"), ("GETDEL", "t"), ("MSET", "t", "v"),
            ("GETEX", "t"), ("GETEX", "t", "PERSIST"), ("INCRBYFLOAT", "k", "1.5"),
            ("MSETNX", "t", "1"),
            ("SETNX", "t", "v"), ("SET", "t", "v", "XX"), ("SET", "t", "v", "NX"),
            ("DEL", "t", "t")]
    found = []
    ends = PAIR.connect()
    for command in keep:
        PAIR.ask(ends, [("FLUSHALL",), *SETUP, command, ("PEXPIRETIME", "t"), ("PEXPIRETIME", "k"),
                        ("EXPIRETIME", "t"), ("EXPIRETIME", "nothing"), ("EXISTS", "t", "t", "k")],
                 found)
    PAIR.check(found)


def ranges():
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
    ends = PAIR.connect()
    for command in commands:
        PAIR.ask(ends, [*setup, ("DEL", "none"), command, ("STRLEN", command[1])], found)
    PAIR.check(found)


def transactions():
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
        ends = PAIR.connect()
        PAIR.ask(ends, [("FLUSHALL",), *SETUP, *step, ("GET", "k"), ("DBSIZE",), ("PING",)], found)
    PAIR.check(found)


def watches_of_two_clients():
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
            one, two = PAIR.connect(), PAIR.connect()
            PAIR.ask(one, [("FLUSHALL",), *SETUP, ("WATCH", watched)], found)
            PAIR.ask(two, [other], found)
            PAIR.ask(one, [("MULTI",), ("GET", watched), ("EXEC",)], found)
            for end in (*one, *two):
                end.socket.close()
    PAIR.check(found)


def databases():
    """SELECT's range, and keys of one name in several databases."""
    found = []
    ends = PAIR.connect()
    for n in NUMBERS + ["15", "16", "2147483647", "2147483648", "-2147483649"]:
        PAIR.ask(ends, [("SELECT", n), ("SET", "k", "v" + n), ("GET", "k"), ("DBSIZE",),
                        ("FLUSHDB",), ("SELECT", "0")], found)
    for arguments in ((), ("ASYNC",), ("SYNC",), ("sync",), ("bad",), ("SYNC", "ASYNC")):
        PAIR.ask(ends, [("SET", "k", "1"), ("SELECT", "1"), ("SET", "k", "1"),
                        ("FLUSHDB", *arguments), ("DBSIZE",), ("SELECT", "0"), ("DBSIZE",),
                        ("FLUSHALL", *arguments), ("DBSIZE",)], found)
    PAIR.check(found)


def scans():
    """SCAN's options and errors; every key once."""
    options = [("MATCH", "*"), ("MATCH", "k[0-4]*"), ("MATCH",), ("COUNT", "1000"), ("COUNT", "1"),
               ("COUNT", "0"), ("COUNT", "-1"), ("COUNT", "x"), ("COUNT",), ("TYPE", "string"),
               ("TYPE", "STRING"), ("TYPE", "hash"), ("TYPE", "nosuch"), ("TYPE",), ("bad", "x"),
               ("match", "none*")]
    found = []
    ends = PAIR.connect()
    PAIR.ask(ends, [("FLUSHALL",)], found)
    for count in range(3):
        for some in itertools.permutations(options, count):
            PAIR.ask(ends, [("SCAN", "0", *[w for o in some for w in o])], found)
    PAIR.ask(ends, [("SET", f"k{i}", "v") for i in range(200)], found)
    for pattern in ("*", "k1*", "k[0-4]?", "k[^1]", "k\\*", "?1", "", "k[", "k[1-", "*9*9", "k1\\"):
        PAIR.ask(ends, [("KEYS", pattern)], found)
        for more in ((), ("COUNT", "7"), ("TYPE", "string"), ("TYPE", "list")):
            keys = [scan(end, "MATCH", pattern, *more) for end in ends]
            if keys[0] != keys[1]:
                found.append((b"SCAN " + pattern.encode(), repr(keys[0]), repr(keys[1])))
    PAIR.check(found)


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


def greetings():
    """HELLO, AUTH, CLIENT and the rest of what libraries say first, in both protocols."""
    steps = [
        [("HELLO",)], [("HELLO", "2")], [("HELLO", "3")], [("HELLO", "1")], [("HELLO", "4")],
        [("HELLO", "x")], [("HELLO", "3", "AUTH", "default", "x")], [("HELLO", "3", "AUTH", "a")],
        [("HELLO", "3", "SETNAME", "me"), ("CLIENT", "GETNAME")], [("HELLO", "3", "SETNAME")],
        [("HELLO", "3", "SETNAME", "a b"), ("CLIENT", "GETNAME")], [("HELLO", "3", "bad")],
        [("HELLO", "AUTH", "default", "x")], [("HELLO", "2", "SETNAME", "a", "AUTH", "x", "y")],
        [("HELLO", "")], [("HELLO", "-3")], [("HELLO", BIG)],
        [("HELLO", "3", "AUTH", "nobody", "")],
        [("AUTH", "x")], [("AUTH", "default", "x")], [("AUTH", "a", "b")],
        [("AUTH", "a", "b", "c")],
        [("AUTH",)], [("AUTH", "default", "")], [("CLIENT", "GETNAME")], [("CLIENT", "ID")],
        [("CLIENT", "SETNAME", "x"), ("CLIENT", "GETNAME"), ("CLIENT", "SETNAME", ""),
         ("CLIENT", "GETNAME")], [("CLIENT", "SETNAME", "a\nb")], [("CLIENT", "SETNAME", "ä")],
        [("CLIENT", "SETNAME")], [("CLIENT", "GETNAME", "x")], [("CLIENT", "ID", "x")],
        [("CLIENT", "NOSUCH")], [("CLIENT",)], [("CLIENT", "LIST", "bad")],
        [("CLIENT", "LIST", "TYPE")], [("CLIENT", "LIST", "TYPE", "bad")],
        [("CLIENT", "LIST", "TYPE", "pubsub")], [("CLIENT", "LIST", "TYPE", "replica")],
        [("CLIENT", "LIST", "ID")], [("CLIENT", "LIST", "ID", "0")], [("CLIENT", "INFO", "x")],
        [("SELECT", "4"), ("CLIENT", "SETNAME", "y"), ("RESET",), ("CLIENT", "GETNAME")],
        [("RESET",)], [("RESET", "x")], [("QUIT",)], [("QUIT", "x")], [("PING", "")],
        [("PING", "a", "b")], [("ECHO", "")], [("ECHO", "a", "b")], [("COMMAND", "COUNT", "x")],
        [("COMMAND", "NOSUCH")], [("COMMAND", "INFO", "get", "nosuch", "set")],
        [("COMMAND", "LIST", "bad")],
        [("COMMAND", "LIST", "FILTERBY", "MODULE", "x")],
        [("COMMAND", "LIST", "FILTERBY", "PATTERN", "incr*")], [("CONFIG", "GET")],
        [("CONFIG", "GET", "maxmemory")], [("CONFIG", "GET", "nosuch")], [("CONFIG", "SET")],
        [("CONFIG", "SET", "maxmemory")], [("CONFIG", "SET", "nosuch", "1")],
        [("CONFIG", "SET", "maxmemory", "x")], [("CONFIG", "SET", "timeout", "-1")],
        [("CONFIG", "SET", "timeout", "0", "timeout", "0")], [("CONFIG", "NOSUCH")],
        [("CONFIG", "SET", "daemonize", "yes")], [("CONFIG", "SET", "appendonly", "x")],
        [("CONFIG", "RESETSTAT")], [("CONFIG", "RESETSTAT", "x")], [("INFO", "nosuch")],
        [("TIME", "x")], [("SHUTDOWN", "bad")], [("SHUTDOWN", "ABORT")],
        [("SHUTDOWN", "ABORT", "NOW")],
    ]
    found = []
    for protocol in ([], [("HELLO", "3")]):
        for step in steps:
            ends = PAIR.connect()
            PAIR.ask(ends, protocol + step + [("GET", "none"), ("PING",)], found)
            for end in ends:
                end.socket.close()
    PAIR.check(found)


def replies_of_resp3():
    """The same commands with their answers in RESP3."""
    found = []
    ends = PAIR.connect()
    PAIR.ask(ends, [("HELLO", "3"), ("FLUSHALL",), *SETUP, ("GET", "none"), ("MGET", "k", "none"),
                    ("GETDEL", "none"), ("GETEX", "none"), ("GETSET", "new", "1"),
                    ("SET", "k", "1", "NX"), ("SET", "k", "1", "GET"),
                    ("SET", "none", "1", "XX", "GET"),
                    ("INCRBYFLOAT", "k", "1.5"), ("RANDOMKEY",),
                    ("SCAN", "0", "COUNT", "1000", "MATCH", "x"),
                    ("KEYS", "k"), ("CONFIG", "GET", "maxmemory"), ("CONFIG", "GET", "nosuch"),
                    ("COMMAND", "COUNT", "x"), ("CLIENT", "GETNAME"), ("TIME",), ("WATCH", "k"),
                    ("SET", "k", "2"), ("MULTI",), ("GET", "k"), ("EXEC",), ("MULTI",),
                    ("GET", "none"),
                    ("MGET", "none", "k"), ("NOSUCH",), ("EXEC",), ("MULTI",), ("GET", "none"),
                    ("INCR", "t"),
                    ("EXEC",), ("FLUSHALL",), ("RANDOMKEY",), ("COMMAND", "INFO", "nosuch"),
                    ("RESET",),
                    ("GET", "none")], found)
    PAIR.check(found)


def passwords():
    """With a password: what is allowed before it, and what is said."""
    found = []
    admin = PAIR.connect()
    PAIR.ask(admin, [("CONFIG", "SET", "requirepass", "secret")], found)
    steps = [
        [("PING",)], [("GET", "k")], [("AUTH", "bad")], [("AUTH", "secret")], [("QUIT",)],
        [("RESET",)],
        [("AUTH", "default", "secret"), ("PING",)], [("AUTH", "other", "secret")], [("HELLO",)],
        [("HELLO", "3")], [("HELLO", "3", "AUTH", "default", "secret"), ("PING",)], [("NOSUCH",)],
        [("HELLO", "3", "AUTH", "default", "bad")], [("GET",)], [("MULTI",)], [("EXEC",)],
        [("COMMAND",)],
        [("AUTH", "secret"), ("RESET",), ("PING",)], [("CLIENT", "SETNAME", "x")], [("HELLO", "9")],
        [("HELLO", "2", "SETNAME", "x")], [("CONFIG", "GET", "requirepass")], [("SHUTDOWN",)],
        [("AUTH", "secret"), ("MULTI",), ("AUTH", "bad"), ("PING",), ("EXEC",)],
    ]
    for step in steps:
        ends = PAIR.connect()
        PAIR.ask(ends, step + [("PING",)], found)
        for end in ends:
            end.socket.close()
    for data in (b"*11\r\n", b"*10\r\n$4\r\nPING\r\n", b"*2\r\n$4\r\nAUTH\r\n$16385\r\n",
                 b"*2\r\n$4\r\nAUTH\r\n$16384\r\n"):
        PAIR.raw(data, found)
    PAIR.ask(admin, [("CONFIG", "SET", "requirepass", "")], found)
    PAIR.check(found)


def bad_frames():
    """Bytes that are not the protocol, and lengths beyond the limits, whole and in pieces."""
    streams = [
        b"*1\r\n$4\r\nPING\r\n", b"*-1\r\nPING\r\n", b"*0\r\nPING\r\n", b"\r\n\r\nPING\r\n",
        b"*\r\n",
        b"*x\r\nPING\r\n", b"*1\r\nPING\r\n", b"*1\r\n$x\r\nPING\r\n", b"*1\r\n$-1\r\nPING\r\n",
        b"*1\r\n$\r\nPING\r\n", b"*1\r\n:4\r\nPING\r\n", b"*1\r\n$5\r\nPING\r\n",
        b"*1\r\n$4\r\nPINGxx",
        b"*1\r\n$3\r\nPING\r\n", b"*2147483648\r\n", b"*9223372036854775808\r\n",
        b"*-2147483649\r\n",
        b"*1\r\n$536870913\r\n", b"*1\r\n$9223372036854775807\r\n", b"*1 \r\n$4\r\nPING\r\n",
        b"*01\r\n$4\r\nPING\r\n", b"*+1\r\n$4\r\nPING\r\n", b"*1\r\n$04\r\nPING\r\n",
        b"*1\n$4\nPING\n",
        b"PING\n", b"PING\r\n", b"PING", b"  PING  \r\n", b"\tPING\r\n", b"ping\r\nPING hello\r\n",
        b"SET a b c d\r\n", b"GET\r\n", b"get a b\r\n", b"nosuch a b\r\n", b"PING \"a b\"\r\n",
        b"PING 'a b'\r\n", b"PING \"a\\x41\\n\\\"\"\r\n", b"PING 'a\\'b\\n'\r\n",
        b"PING \"a\r\nPING\r\n",
        b"PING 'a\r\n", b"PING \"a\"b\r\n", b"PING a\"b\"\r\n", b"PING \"\"\r\n", b"\"PING\"\r\n",
        b"PING \\x41\r\n", b"PING \"\\xZZ\\x4\"\r\n", b"'PI'NG\r\n", b"\"\"\r\n", b"\"\" a\r\n",
        b"$4\r\nPING\r\n",
        b"+PING\r\n", b":1\r\n", b"-ERR\r\nPING\r\n", b"{}\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"*1\r\n$4\r\nQUIT\r\n*1\r\n$4\r\nPING\r\n",
        b"QUIT\r\nPING\r\n",
        b"PING " + b"a" * 60_000 + b"\r\n", b"*1\r\n$" + b"1" * 40 + b"\r\n",
        b"*" + b"1" * 30 + b"\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\nGET k\r\n", b"*1\r\n$0\r\n\r\nPING\r\n",
        b"*2\r\n$0\r\n\r\n$1\r\nx\r\n", b"*2\r\n$4\r\nECHO\r\n$3\r\n\r\n\x00\r\n",
        encode("ECHO", b"\xff\x00\r\n"), encode(b"\xff\x00\n", "a"),
        encode("nosuch", "a" * 300, "b\r\nc"),
        encode("x" * 300, "y" * 100, "z" * 100, "w" * 100), encode("GET" + "x" * 200),
        encode("SET", "k", "v", "a\r\nb"), encode("CONFIG", "SET", "a\r\nb", "c"),
        encode("CLIENT", "a\r\nb"), encode("CLIENT", "x" * 200), encode("COMMAND", "x\x00y"),
        encode("nosuch", *["a" * 20] * 20), encode("SCAN", "0", "TYPE", "a" * 100),
    ]
    found = []
    for data in streams:
        PAIR.raw(data, found)
        PAIR.raw(data, found, pieces=3)
        PAIR.raw(b"MULTI\r\n" + data + b"EXEC\r\n", found)
    PAIR.check(found)


def large_values():
    """Values around the limits of a row and of a chunk, written, cut and grown."""
    found = []
    ends = PAIR.connect()
    for size in (65_535, 65_536, 65_537, 81_920, 200_000):
        value = bytes(i * 7 % 251 for i in range(size))
        PAIR.ask(ends, [("FLUSHALL",), ("SET", "k", value), ("STRLEN", "k"),
                        ("APPEND", "k", "tail"),
                        ("GETRANGE", "k", "-10", "-1"),
                        ("SETRANGE", "k", str(size - 5), "0123456789"),
                        ("GET", "k"), ("GETRANGE", "k", "65530", "65545"),
                        ("SETRANGE", "k", "150000", "z"),
                        ("GET", "k"), ("GETSET", "k", value), ("GETDEL", "k"), ("EXISTS", "k"),
                        ("MSET", "a", value, "b", value[::-1]), ("MGET", "a", "b"), ("INCR", "a"),
                        ("INCRBYFLOAT", "a", "1"), ("SET", "a", "5", "GET"),
                        ("DEL", "a", "b")], found)
    PAIR.check(found)


# ---- Random ------------------------------------------------------------------------------------


class Generator:
    """Commands over a few keys, most of them well-formed."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.far = 4_000_000_000

    def key(self):
        return self.r.choice(["a", "b", "c", "d", "long", "num", "{t}1", "", "k\r\n", "é"])

    def value(self):
        r = self.r
        return r.choice([lambda: str(r.randint(-100, 100)), lambda: r.choice(NUMBERS),
                         lambda: "v" * r.randint(0, 20), lambda: "x" * r.choice([64, 5000, 66_000]),
                         lambda: str(r.random() * 100), lambda: b"\x00\xff\r\n"])()

    def number(self):
        r = self.r
        return r.choice(NUMBERS) if r.random() < 0.2 else str(r.randint(-30, 30))

    def expiry(self):
        """None in the past: SET leaves a dead key then, and the removal of one that is watched is
        told from a client's delete by Redis alone, see docs/decisions/resp.md."""
        r = self.r
        return r.choice([("EX", str(r.randint(10**6, 10**7))),
                         ("PX", str(r.randint(10**9, 10**10))),
                         ("EXAT", str(self.far + r.randint(0, 99))), ("PXAT", str(self.far * 1000)),
                         ("EX", "0"), ("KEEPTTL",),
                         ("PX", r.choice(["0", "-5", "x", BIG]))])

    def command(self):
        r, key, value, number = self.r, self.key, self.value, self.number
        cond = lambda: r.choice([(), (), ("NX",), ("XX",), ("GT",), ("LT",), ("nx",), ("bad",)])
        makers = [
            (12, lambda: ("SET", key(), value())),
            (6, lambda: ("SET", key(), value(), *r.choice([(), ("NX",), ("XX",)]),
                         *r.choice([(), ("GET",)]), *r.choice([(), self.expiry()]))),
            (12, lambda: ("GET", key())), (3, lambda: ("GETSET", key(), value())),
            (2, lambda: ("GETDEL", key())),
            (3, lambda: ("GETEX", key(), *r.choice([(), ("PERSIST",), self.expiry()]))),
            (4, lambda: ("MGET", *[key() for _ in range(r.randint(1, 5))])),
            (4, lambda: ("MSET", *[w for _ in range(r.randint(1, 4)) for w in (key(), value())])),
            (2, lambda: ("MSETNX", *[w for _ in range(r.randint(1, 3)) for w in (key(), value())])),
            (2, lambda: ("SETNX", key(), value())),
            (2, lambda: ("SETEX", key(), str(10**6), value())),
            (5, lambda: ("APPEND", key(), value())), (3, lambda: ("STRLEN", key())),
            (4, lambda: ("GETRANGE", key(), number(), number())),
            (4, lambda: ("SETRANGE", key(), str(r.choice([0, 1, 7, 65_530, 70_000])), value())),
            (6, lambda: (r.choice(["INCR", "DECR"]), key())),
            (5, lambda: (r.choice(["INCRBY", "DECRBY"]), key(), number())),
            (3, lambda: ("INCRBYFLOAT", key(), r.choice([number(), str(round(r.random(), 3))]))),
            (6, lambda: (r.choice(["DEL", "UNLINK", "EXISTS"]),
                         *[key() for _ in range(r.randint(1, 3))])),
            (2, lambda: ("TYPE", key())),
            (4, lambda: (r.choice(["RENAME", "RENAMENX"]), key(), key())),
            (3, lambda: ("COPY", key(), key(),
                         *r.choice([(), (), ("DB", "1"), ("DB", "0", "REPLACE"), ("DB", "x")]),
                         *r.choice([(), ("REPLACE",)]))),
            (3, lambda: ("MOVE", key(), r.choice(["0", "1", "2", "16", "x"]))),
            (0.5, lambda: ("SWAPDB", r.choice(["0", "1"]), r.choice(["0", "1", "2", "16"]))),
            (2, lambda: ("TOUCH", *[key() for _ in range(r.randint(1, 3))])),
            (1, lambda: ("RESTORE", key(), r.choice(["0", "0", "-1"]), r.choice(PAYLOADS),
                         *r.choice([(), ("REPLACE",), ("REPLACE",), ("ABSTTL",)]))),
            (4, lambda: ("EXPIREAT", key(),
                         r.choice([str(self.far), str(self.far + 5), "1", number()]), *cond())),
            (2, lambda: ("PEXPIREAT", key(), str(self.far * 1000 + r.randint(0, 9)), *cond())),
            (2, lambda: ("EXPIRE", key(), r.choice(["-1", "0", "1000000"]), *cond())),
            (3, lambda: (r.choice(["PEXPIRETIME", "EXPIRETIME", "TTL", "PTTL"]), key())),
            (2, lambda: ("PERSIST", key())), (2, lambda: ("DBSIZE",)),
            (2, lambda: ("KEYS", r.choice(["*", "?", "l*"]))),
            (1, lambda: ("RANDOMKEY",)), (0.3, lambda: (r.choice(["FLUSHDB", "FLUSHALL"]),)),
            (2, lambda: ("SELECT", r.choice(["0", "0", "1", "2", "16", "x"]))),
            (1, lambda: (r.choice(["PING", "ECHO", "NOSUCH", "GET", "SET"]),
                         *["w"] * r.randint(0, 3))),
            (5, lambda: ("MULTI",)), (4, lambda: ("EXEC",)), (1, lambda: ("DISCARD",)),
            (3, lambda: ("WATCH", *[key() for _ in range(r.randint(1, 2))])),
            (1, lambda: ("UNWATCH",)),
        ]
        return r.choices([m for _, m in makers], [w for w, _ in makers])[0]()


def random_commands():
    """Three clients, one after another, a few commands at a time; one speaks RESP3."""
    found = []
    generator = Generator(SEED)
    clients = [PAIR.connect() for _ in range(3)]
    in_multi = [False] * 3
    PAIR.ask(clients[0], [("FLUSHALL",)], found)
    PAIR.ask(clients[2], [("HELLO", "3")], found)
    sent = 0
    while sent < COMMANDS and not found:
        i = generator.r.randrange(3)
        batch = [generator.command() for _ in range(generator.r.choice([1, 1, 2, 5, 40]))]
        batch, in_multi[i] = without_unordered(batch, in_multi[i])
        PAIR.ask(clients[i], batch, found)
        sent += len(batch)
    if found:
        print(f"  seed {SEED}, after {sent} commands")
    PAIR.check(found)


def without_unordered(batch, is_in):
    """The commands to send, and whether a MULTI is open behind them."""
    out = []
    for c in batch:
        if is_in and c[0] in UNORDERED:
            continue
        is_in = (is_in or c[0] == "MULTI") and c[0] not in ("EXEC", "DISCARD")
        out.append(c)
    return out, is_in


def every_excuse_is_needed():
    unused = [row[0] for i, row in enumerate(DIFFERENCES) if row[3] and i not in PAIR.used]
    must(not unused, "no answer differed so:", unused)


def main():
    global PAIR
    version = BINARY and subprocess.run(["redis-server", "--version"], executable=BINARY,
                                        capture_output=True, text=True, check=True).stdout
    if not version or "v=7.0." not in version:
        print(f"redis-server 7.0 is needed to compare with; there is {version or 'none'}")
        return 77
    cases = Cases()
    with Server() as varve, Redis() as redis:
        PAIR = Pair(varve, redis)
        for case in (every_arity, numbers_everywhere, counters, option_conflicts, expiries, ranges,
                     transactions, watches_of_two_clients, databases, scans, greetings,
                     replies_of_resp3, passwords, bad_frames, large_values, random_commands,
                     every_excuse_is_needed):
            cases.run(case)
    return cases.end()


if __name__ == "__main__":
    sys.exit(main())
