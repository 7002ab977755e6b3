#!/usr/bin/python3
"""Debian's own package index through the server: what goes in comes out, byte for byte, also when
the server is killed in the middle of it.

  1. Loaded with redis-cli --pipe, read back with redis-py and by SCAN.
  2. Loaded again, newer values over older ones, by a loader that records each reply, while the
     server is killed ten times with SIGKILL: what was acknowledged is there, what was not is old or
     new, never half. Small memtables, so that kills fall into flushes and compactions.
"""

import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from server import Checks, Connection, Server, command  # noqa: E402

KILLS = 10


def records():
    """name -> record, of every package; later versions of a name get a number behind it."""
    text = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=True).stdout
    out = {}
    for record in text.split(b"\n\n"):
        if not record.startswith(b"Package: "):
            continue
        name = b"pkg:" + record.split(b"\n", 1)[0][9:]
        key = name
        n = 1
        while key in out:
            n += 1
            key = b"%s#%d" % (name, n)
        out[key] = record
    return out


def load_by_pipe(server, data):
    payload = b"".join(command("SET", k, v) for k, v in data.items())
    done = subprocess.run(["redis-cli", "-p", str(server.port), "--pipe"], input=payload,
                          capture_output=True, check=False)
    return done.stdout.decode() + done.stderr.decode()


def read_by_redis_py(server, data):
    import redis
    r = redis.Redis(port=server.port)
    keys = list(data)
    for i in range(0, len(keys), 500):
        part = keys[i:i + 500]
        for key, value in zip(part, r.mget(part)):
            if value != data[key]:
                return f"{key}: {value!r:.80}"
    return ""


def read_by_scan(server, data):
    c = Connection(server.port)
    seen = {}
    cursor = b"0"
    while True:
        cursor, keys = c.ask("SCAN", cursor, "COUNT", 1000)
        for key in keys:
            seen[key] = True
        if cursor == b"0":
            break
    missing = set(data) - set(seen)
    extra = set(seen) - set(data)
    size = c.ask("DBSIZE")
    c.close()
    if missing or extra or size != len(data):
        return f"{len(missing)} missing, {len(extra)} extra, DBSIZE {size} of {len(data)}"
    return ""


class Loader(threading.Thread):
    """SETs in pipelines of 50, in order; remembers what was acknowledged and what was under way."""

    def __init__(self, port, work, acknowledged, pending):
        super().__init__()
        self.port, self.work = port, work
        self.acknowledged, self.pending = acknowledged, pending

    def run(self):
        try:
            c = Connection(self.port)
            while self.work:
                part = self.work[-50:]
                for key, value in part:
                    self.pending.setdefault(key, []).append(value)
                c.send(b"".join(command("SET", k, v) for k, v in part))
                for key, value in part:
                    if c.reply() != "+OK":
                        return
                    self.acknowledged[key] = value
                    self.pending.pop(key, None)
                del self.work[-50:]
        except OSError:
            pass


def check_after_kill(server, data, acknowledged, pending):
    c = Connection(server.port)
    keys = list(set(acknowledged) | set(pending))
    for i in range(0, len(keys), 500):
        part = keys[i:i + 500]
        for key, got in zip(part, c.ask("MGET", *part)):
            allowed = [acknowledged.get(key)] + pending.get(key, [])
            if got not in allowed:
                return f"{key}: {got!r:.60} is none of {len(allowed)} allowed values"
            acknowledged[key] = got
            pending.pop(key, None)
            if got is None:
                acknowledged.pop(key)
    c.close()
    return ""


def info(server, field):
    c = Connection(server.port)
    text = c.ask("INFO", "everything").decode()
    c.close()
    for line in text.splitlines():
        if line.startswith(field + ":"):
            return int(line.split(":")[1])
    return None


def killed_load(check, data):
    flags = ["--write-buffer-size", "1mb", "--log-size-max", "4mb", "--log-segment-size", "1mb",
             "--table-size", "512kb", "--level-base-size", "2mb", "--durability", "relaxed"]
    rng = random.Random(7)
    with Server(*flags) as server:
        acknowledged, pending = {}, {}
        wrong = ""
        flushed = compacted = 0
        for kill in range(KILLS):
            work = [(k, b"%d:" % kill + v) for k, v in data.items()]
            rng.shuffle(work)
            loader = Loader(server.port, work, acknowledged, pending)
            loader.start()
            time.sleep(rng.uniform(0.15, 0.9))
            flushed += (info(server, "flushes") or 0) > 0
            compacted += (info(server, "compactions") or 0) > 0
            server.kill()
            loader.join()
            server.start()
            wrong = wrong or check_after_kill(server, data, acknowledged, pending)
        check(f"{KILLS} kills -9 lose no acknowledged write ({len(acknowledged)} keys)", not wrong,
              wrong)
        check("kills fell among flushes and compactions", flushed > 0 and compacted > 0,
              f"flushed {flushed}, compacted {compacted}")
        check("it stops cleanly afterwards", server.stop() == 0, server.read_log())


def main():
    check = Checks()
    data = records()
    check(f"the package index has {len(data)} records, {sum(map(len, data.values())) >> 20} MiB",
          len(data) > 50000)
    with Server() as server:
        said = load_by_pipe(server, data)
        check("redis-cli --pipe loads it", f"errors: 0, replies: {len(data)}" in said, said)
        wrong = read_by_redis_py(server, data)
        check("redis-py reads it back byte for byte", not wrong, wrong)
        wrong = read_by_scan(server, data)
        check("SCAN and DBSIZE agree", not wrong, wrong)
        check("it stops cleanly", server.stop() == 0, server.read_log())
        server.start()
        wrong = read_by_redis_py(server, data)
        check("it is all there after a restart", not wrong, wrong)
    killed_load(check, data)
    return check.close()


if __name__ == "__main__":
    sys.exit(main())
