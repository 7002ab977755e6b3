#!/usr/bin/python3
"""What clients and tools send before their user's first command, byte for byte, and the facts in
the replies that they depend on.

For those that no package here brings (go-redis, lettuce, jedis, StackExchange.Redis, redisson,
Sidekiq, BullMQ, RedisInsight, RedisShake, redis-py 8), and for what the others ask when a password
is set. A conversation is data: commands, and what must hold of each reply. Sent as one pipeline, as
clients do, and answered in order.
"""

import re
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from server import Checks, Connection, Server, command  # noqa: E402

PASSWORD = "correct horse"


# ---- What must hold of a reply -----------------------------------------------------------------

def ok(reply):
    return reply == "+OK"


def error(*prefixes):
    starts = tuple("-" + p for p in prefixes)
    return lambda reply: isinstance(reply, str) and reply.startswith(starts)


def ok_or_error(reply):
    """The client goes on after an error, whichever it is."""
    return ok(reply) or error("ERR ")(reply)


def anything(reply):
    return not (isinstance(reply, str) and reply.startswith("-"))


def equal(value):
    return lambda reply: reply == value


def text(*patterns):
    """A bulk or verbatim string in which each pattern is found, each at the start of a line."""
    def holds(reply):
        return isinstance(reply, bytes) and all(re.search(rb"^(?:txt:)?" + p.encode(), reply, re.M)
                                                for p in patterns)
    return holds


def hello(proto):
    """The map of HELLO: lettuce wants id, mode, role and version; jedis wants proto."""
    def holds(reply):
        if isinstance(reply, list):
            reply = dict(zip(reply[::2], reply[1::2]))
        return (isinstance(reply, dict) and reply.get(b"proto") == proto
                and reply.get(b"mode") == b"standalone" and reply.get(b"role") == b"master"
                and isinstance(reply.get(b"id"), int) and reply.get(b"modules") == []
                and version_of(reply.get(b"version", b"")) >= (7, 0))
    return holds


def version_of(dotted):
    return tuple(int(part) for part in dotted.split(b"."))


def newer_than(*wanted):
    """Sidekiq, BullMQ and RQ refuse an older redis_version."""
    def holds(reply):
        found = re.search(rb"^(?:txt:)?redis_version:([\d.]+)\r$", reply, re.M)
        return found is not None and version_of(found.group(1)) >= wanted
    return holds


def parameter(name, value):
    """CONFIG GET of one, as a map or a flat array."""
    pair = [name.encode(), value.encode()]
    return lambda reply: reply in (pair, dict([pair]))


# ---- Conversations: (who, has a password, [(command, what must hold)]) ---------------------------

SETINFO = [("CLIENT SETINFO LIB-NAME x", ok), ("CLIENT SETINFO LIB-VER 1.2.3", ok)]
SERVER_INFO = text("redis_version:7", "redis_mode:standalone", "run_id:[0-9a-f]{40}", "tcp_port:")
REPLICATION_INFO = text("role:master", "connected_slaves:0", "master_replid:[0-9a-f]{40}",
                        "master_repl_offset:")

CONVERSATIONS = [
    ("redis-py 8", False, [
        ("HELLO 3", hello(3)),
        ("CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type internal-ip", error("ERR ")),
        ("CLIENT SETNAME n", ok), *SETINFO, ("SELECT 1", ok)]),
    ("redis-py 8, with a password", True, [
        ("HELLO 3 AUTH default $PASSWORD", hello(3)), *SETINFO, ("PING", equal("+PONG"))]),
    ("ioredis 6", False, [
        ("hello 3", hello(3)), ("client SETINFO LIB-VER 6.0.0", ok),
        ("client SETINFO LIB-NAME ioredis", ok), ("info", text("loading:0", "role:master"))]),
    ("node-redis 6", False, [
        ("HELLO 3 SETNAME n", hello(3)), ("SELECT 2", ok), *SETINFO,
        ("CLIENT MAINT_NOTIFICATIONS ON", error("ERR "))]),
    ("go-redis 9", False, [
        ("HELLO 3 SETNAME n", hello(3)), ("SELECT 3", ok), ("READONLY", ok_or_error),
        ("CLIENT SETNAME n", ok), *SETINFO]),
    ("go-redis 9, with a password", True, [
        ("HELLO 3", error("NOAUTH ")), ("HELLO 3 AUTH default wrong", error("WRONGPASS ")),
        ("HELLO 3 AUTH default $PASSWORD", hello(3)), ("SELECT 3", ok)]),
    ("lettuce", False, [
        ("HELLO 3", hello(3)), ("CLIENT SETNAME n", ok), ("SELECT 0", ok),
        ("READONLY", ok_or_error), *SETINFO, ("PING", equal("+PONG"))]),
    ("lettuce, when it asks for too much", False, [
        ("HELLO 4", error("NOPROTO ")), ("PING", equal("+PONG"))]),
    ("jedis", False, [
        ("HELLO 3", hello(3)), *SETINFO, ("HELLO 2", hello(2)), ("PING", equal("+PONG"))]),
    ("jedis, with a password", True, [
        ("GET k", error("NOAUTH ")), ("AUTH wrong", error("WRONGPASS ")),
        ("AUTH $PASSWORD", ok), ("AUTH default $PASSWORD", ok), *SETINFO]),
    ("StackExchange.Redis", False, [
        ("CLIENT SETNAME n", ok), *SETINFO, ("CLIENT ID", lambda reply: reply > 0),
        ("CONFIG GET timeout", parameter("timeout", "0")),
        ("CONFIG GET replica-read-only", parameter("replica-read-only", "yes")),
        ("CONFIG GET databases", parameter("databases", "16")),
        ("SENTINEL MASTERS", error("ERR unknown command")),
        ("INFO replication", REPLICATION_INFO), ("INFO server", SERVER_INFO),
        ("CLUSTER NODES", error("ERR ")),
        ("GET __Booksleeve_TieBreak", equal(None)),
        ("ECHO 0123-4567", equal(b"0123-4567")),
        ("SUBSCRIBE __Booksleeve_MasterChanged",
         equal([b"subscribe", b"__Booksleeve_MasterChanged", 1]))]),
    ("redisson", False, [
        ("PING", equal("+PONG")), ("CLIENT SETNAME n", ok),
        ("CLIENT CAPA redirect", error("ERR ")),
        ("SET k v", ok),
        ("WAIT 0 1000", equal(0)), ("INFO all", REPLICATION_INFO)]),
    ("redisson, a batch without replies", False, [
        ("CLIENT REPLY OFF", None), ("SET k w", None), ("CLIENT REPLY ON", ok),
        ("GET k", equal(b"w")), ("CLIENT REPLY SKIP", None), ("SET k x", None),
        ("GET k", equal(b"x"))]),
    ("Sidekiq 7", False, [
        ("HELLO 3", hello(3)), ("INFO", newer_than(7, 0, 0)),
        ("INFO", text("maxmemory_policy:noeviction"))]),
    ("BullMQ", False, [
        ("info", newer_than(6, 2, 0)), ("info", text("maxmemory_policy:noeviction"))]),
    ("Celery's Kombu", False, [
        ("PING", equal("+PONG")), ("SELECT 1", ok), ("SET lock token NX PX 300000", ok),
        ("EVALSHA " + 40 * "0" + " 1 lock token", error("ERR ", "NOSCRIPT "))]),
    ("a health check, inline", False, [
        ("inline:PING", equal("+PONG")), ("inline:", None),
        ("inline:info replication", REPLICATION_INFO), ("inline:get 'a b'", equal(None))]),
    ("redis-cli's hints", False, [
        ("COMMAND DOCS", lambda reply: b"get" in reply),
        ("HELLO 3", hello(3)),
        ("COMMAND DOCS", lambda reply: b"summary" in reply[b"get"])]),
    ("redis-benchmark", False, [
        ("CONFIG GET save", parameter("save", "")),
        ("CONFIG GET appendonly", parameter("appendonly", "yes"))]),
    ("RedisInsight", False, [
        ("CLUSTER INFO", error("ERR ")), ("INFO", SERVER_INFO), ("MODULE LIST", error("ERR ")),
        ("COMMAND INFO ft.search", equal([None])), ("CONFIG GET databases", anything),
        ("CLIENT LIST", text(r"id=\d+ addr=127.0.0.1:\d+ ")), ("SET k v", ok),
        ("DBSIZE", lambda reply: reply > 0),
        ("SCAN 0 MATCH * COUNT 500 TYPE string",
         lambda reply: int(reply[0]) < 1 << 53 and b"k" in reply[1]),
        ("TTL k", equal(-1)), ("TYPE k", equal("+string")),
        ("MEMORY USAGE k SAMPLES 0", lambda reply: reply > 0), ("SLOWLOG GET 10", anything)]),
    ("RedisShake", False, [
        ("SELECT 4", ok), ("SET from v", ok), ("CONFIG GET maxmemory", anything),
        ("RESTORE from 0 $DUMP", equal("-BUSYKEY Target key name already exists.")),
        ("RESTORE from 0 $DUMP REPLACE", ok), ("RESTORE to 5000 $DUMP", ok),
        ("GET to", equal(b"shaken")), ("PTTL to", lambda reply: 0 < reply <= 5000)]),
]


def dump_of(port, value):
    c = Connection(port)
    c.ask("SET", "dumped", value)
    out = c.ask("DUMP", "dumped")
    c.close()
    return out


def converse(check, who, port, words, steps):
    c = Connection(port)
    try:
        requests = [(line, expand(line, words)) for line, _ in steps]
        c.send(b"".join(request for _, request in requests))
        for (line, _), (_, holds) in zip(requests, steps):
            if holds is None:
                continue
            reply = c.reply()
            if not holds(reply):
                check(who, False, f"{line} -> {reply!r:.300}")
                return
        check(who, True)
    except (OSError, ValueError) as e:
        check(who, False, e)
    finally:
        c.close()


def expand(line, words):
    if line.startswith("inline:"):
        return line[len("inline:"):].encode() + b"\r\n"
    return command(*(words.get(word, word) for word in line.split()))


def hints_are_prompt(check, port):
    """A terminal waits for COMMAND DOCS before its first prompt. On a machine that is busy the best
    of some tries tells."""
    c = Connection(port)
    took = []
    while not took or min(took) >= 0.5 and len(took) < 20:
        started = time.monotonic()
        c.ask("COMMAND", "DOCS")
        took.append(time.monotonic() - started)
    c.close()
    check("COMMAND DOCS within half a second", min(took) < 0.5, f"{min(took):.3f} s")


def main():
    check = Checks()
    with Server() as plain, Server("--requirepass", PASSWORD) as guarded:
        words = {"$PASSWORD": PASSWORD, "$DUMP": dump_of(plain.port, "shaken")}
        for who, has_password, steps in CONVERSATIONS:
            converse(check, who, (guarded if has_password else plain).port, words, steps)
        hints_are_prompt(check, plain.port)
    return check.close()


if __name__ == "__main__":
    sys.exit(main())
