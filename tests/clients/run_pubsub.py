#!/usr/bin/python3
"""Messages as clients see them: redis-py subscribes, hears keyspace events and monitors; a thousand
raw subscribers all receive all messages, in order, while others are served."""

import resource
import selectors
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from server import Checks, Connection, Server, command  # noqa: E402

SUBSCRIBERS = 1000
MESSAGES = 60
FILES = 4096  # The server keeps some for its own.
PATIENCE_S = 60


def next_message(pubsub, kind):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        m = pubsub.get_message(timeout=0.2)
        if m is not None and m["type"] == kind:
            return m
    return None


def subscriptions(check, server):
    import redis
    r = redis.Redis(port=server.port, decode_responses=True)
    p = r.pubsub()
    p.subscribe("news")
    p.psubscribe("n*")
    check("a subscription is confirmed", next_message(p, "psubscribe")["data"] == 2)
    check("PUBLISH counts channel and pattern", r.publish("news", "hello") == 2)
    check("a message comes", next_message(p, "message")["data"] == "hello")
    m = next_message(p, "pmessage")
    check("with its pattern", (m["pattern"], m["channel"]) == ("n*", "news"), m)
    check("PUBSUB", (r.pubsub_channels(), r.pubsub_numsub("news"), r.pubsub_numpat())
          == (["news"], [("news", 1)], 1))
    check("PING", p.ping() is None and next_message(p, "pong") is not None)
    p.unsubscribe()
    p.punsubscribe()
    check("it ends", next_message(p, "punsubscribe")["data"] == 0 and r.publish("news", "x") == 0)
    heard = []
    p.subscribe(**{"handled": lambda m: heard.append(m["data"])})
    thread = p.run_in_thread(sleep_time=0.01)
    deadline = time.monotonic() + PATIENCE_S
    while r.publish("handled", "one") == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    while not heard and time.monotonic() < deadline:
        time.sleep(0.01)
    thread.stop()
    thread.join()
    check("a handler in a thread is called", "one" in heard, heard)


def events(check, server):
    import redis
    r = redis.Redis(port=server.port, decode_responses=True)
    p = r.pubsub()
    r.config_set("notify-keyspace-events", "KEA")
    check("the classes are told", r.config_get("notify-keyspace-events")
          == {"notify-keyspace-events": "AKE"})
    p.psubscribe("__keyevent@0__:*")
    next_message(p, "psubscribe")
    with r.pipeline() as t:
        t.set("ev", 1, px=50).incr("ev").execute()
    said = [next_message(p, "pmessage")["channel"].split(":", 1)[1] for _ in range(4)]
    check("events of a transaction, and expired at its time",
          said == ["set", "expire", "incrby", "expired"], said)
    check("the key is gone", r.get("ev") is None)
    r.config_set("notify-keyspace-events", "")


def monitor(check, server):
    import redis
    r = redis.Redis(port=server.port)
    with r.monitor() as m:
        r.set("mon", 'a "b"\n')
        line = m.next_command()
        check("MONITOR", line["command"] == 'SET mon a "b"\\n' and line["db"] == 0, line)


def receive_all(connections, expected):
    """Everybody reads until it has this many bytes; what each got."""
    got = {c: b"" for c in connections}
    selector = selectors.DefaultSelector()
    for c in connections:
        c.socket.setblocking(False)
        selector.register(c.socket, selectors.EVENT_READ, c)
    open_count = len(connections)
    deadline = time.monotonic() + PATIENCE_S
    while open_count and time.monotonic() < deadline:
        for key, _ in selector.select(timeout=1):
            c = key.data
            data = c.socket.recv(1 << 16)
            got[c] += data
            if not data or len(got[c]) >= expected:
                selector.unregister(c.socket)
                open_count -= 1
    return list(got.values())


def crowd(check, server):
    connections = [Connection(server.port) for _ in range(SUBSCRIBERS)]
    for c in connections:
        c.send(command("SUBSCRIBE", "crowd"))
    for c in connections:
        c.reply()
    publisher = Connection(server.port)
    other = Connection(server.port)
    publisher.send(b"".join(command("PUBLISH", "crowd", i) for i in range(MESSAGES)))
    took = []
    for i in range(20):
        start = time.monotonic()
        other.ask("SET", "other", i)
        took.append(time.monotonic() - start)
    counts = [publisher.reply() for _ in range(MESSAGES)]
    check("each message reaches everybody", counts == [SUBSCRIBERS] * MESSAGES, counts[:3])
    expected = b"".join(b"*3\r\n$7\r\nmessage\r\n$5\r\ncrowd\r\n$%d\r\n%d\r\n" % (len(str(i)), i)
                        for i in range(MESSAGES))
    got = receive_all(connections, len(expected))
    check("in order", all(g == expected for g in got), sum(g != expected for g in got))
    # One may be slow by a busy device.
    check("meanwhile others are served", sorted(took)[-2] < 5, took)
    for c in connections:
        c.close()
    deadline = time.monotonic() + PATIENCE_S
    while other.ask("PUBSUB", "CHANNELS") and time.monotonic() < deadline:
        time.sleep(0.05)
    check("who leaves is no subscriber", other.ask("PUBLISH", "crowd", "x") == 0)


def main():
    check = Checks()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        print(f"SKIPPED: {FILES} files cannot be open at once, {hard} can")
        return 77
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))
    with Server() as server:
        subscriptions(check, server)
        events(check, server)
        monitor(check, server)
        crowd(check, server)
        check("it stops cleanly", server.stop() == 0, server.read_log())
    return check.close()


if __name__ == "__main__":
    sys.exit(main())
