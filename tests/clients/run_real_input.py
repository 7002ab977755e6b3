#!/usr/bin/python3
"""Debian's own package index through the server: what goes in comes out, byte for byte, also when
the server is killed in the middle of it.

  1. Loaded with redis-cli --pipe, read back with redis-py and by SCAN.
  2. Loaded again, newer values over older ones, by a loader that records each reply, while the
     server is killed ten times with SIGKILL, in durable mode and in relaxed: what was acknowledged
     is there, what was not is old or new, never half.

Some of the kills must have come inside of a flush, and some inside of a compaction. Which of the
two is under way follows from the flags of the round: buffers so small and levels so patient that
tables come from flushes only; or tables in level 0 that wait to be compacted, and buffers so large
that nothing is flushed. The kill follows the appearance of a table. It was inside if the table is
gone when the server has started again with no work to do: then no edit had named it, and it was
removed as what an unfinished job leaves.
"""

import os
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from server import Checks, Connection, Server, command  # noqa: E402

KILLS = 10
KILLS_MAX = 400  # On a busy machine most of them come late.
DIES_WITHIN_S = 30
KILLER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "table_killer.py")

PATIENT = ["--level0-compact", "100", "--level0-slow", "500", "--level0-stop", "1000",
           "--level-base-size", "100gb"]
FLAGS = {
    "flush": ["--write-buffer-size", "1mb"] + PATIENT,
    "compaction": ["--write-buffer-size", "256mb", "--level0-compact", "2",
                   "--level-base-size", "2mb", "--table-size", "256kb"],
    "anything": ["--write-buffer-size", "1mb", "--level0-compact", "3", "--level-base-size", "2mb",
                 "--table-size", "256kb"],
}
NO_WORK = ["--write-buffer-size", "256mb"] + PATIENT
TURNS = ["flush", "compaction", "flush", "compaction", "anything"]


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


def connect_when_up(port):
    """At the first moment there is: the work that is to be interrupted may be short."""
    deadline = time.monotonic() + DIES_WITHIN_S
    while True:
        try:
            return Connection(port)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.002)


class Loader(threading.Thread):
    """SETs in pipelines of 50, in order; remembers what was acknowledged and what was under way."""

    def __init__(self, port, work, acknowledged, pending):
        super().__init__()
        self.port, self.work = port, work
        self.acknowledged, self.pending = acknowledged, pending

    def run(self):
        try:
            c = connect_when_up(self.port)
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


def info(server, *fields):
    c = Connection(server.port)
    text = c.ask("INFO", "everything").decode()
    c.close()
    values = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return [values[f] for f in fields]


def kill_at_table(server, count, delay_us):
    """Start the server and have it killed when it has begun its count-th table: which one?"""
    killer = subprocess.Popen([sys.executable, KILLER, server.folder(), str(count), str(delay_us)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ready = killer.stdout.readline()
    server.launch()
    try:
        name, _ = killer.communicate(f"{server.process.pid}\n", timeout=DIES_WITHIN_S)
    except subprocess.TimeoutExpired:
        killer.kill()
        killer.communicate()
        name = ""
    server.kill()
    return name.strip() if ready else ""


def load_and_kill(server, aim, work, acknowledged, pending, rng):
    """The name of the table that was being written, if there was one."""
    server.flags = server.common + FLAGS[aim]
    loader = Loader(server.port, work, acknowledged, pending)
    loader.start()
    if aim == "anything":
        server.start()
        time.sleep(rng.uniform(0.02, 0.5))
        server.kill()
        name = ""
    else:
        # Flushes leave some whole tables, so that there is something to compact.
        count = rng.randint(3, 5) if aim == "flush" else rng.randint(1, 4)
        name = kill_at_table(server, count, rng.choice((0, rng.randrange(3000))))
    loader.join()
    return name if name and os.path.exists(os.path.join(server.folder(), name)) else ""


def was_inside(server, table):
    """Started without work to do, the server had removed the table: nothing had named it."""
    return (table and not os.path.exists(os.path.join(server.folder(), table)) and
            info(server, "flushes", "compactions", "trivial_moves") == ["0", "0", "0"])


def killed_load(check, data, durability):
    rng = random.Random()
    acknowledged, pending, inside = {}, {}, {"flush": 0, "compaction": 0}
    wrong = ""
    kills = 0
    with Server("--durability", durability, "--log-segment-size", "1mb") as server:
        server.common = list(server.flags)
        server.kill()
        while not wrong and (kills < KILLS or 0 in inside.values()) and kills < KILLS_MAX:
            aim = TURNS[kills % len(TURNS)]
            work = [(k, b"%d:" % kills + v) for k, v in data.items()]
            rng.shuffle(work)
            table = load_and_kill(server, aim, work, acknowledged, pending, rng)
            kills += 1
            server.flags = server.common + NO_WORK
            server.start()
            if was_inside(server, table):
                inside[aim] += 1
            wrong = check_after_kill(server, data, acknowledged, pending)
            server.kill()
        check(f"{kills} kills -9 lose no acknowledged {durability} write "
              f"({len(acknowledged)} keys)", not wrong, wrong)
        check(f"of them {inside['flush']} came inside of a flush, {inside['compaction']} inside of "
              "a compaction", all(inside.values()), inside)
        server.start()
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
    for durability in ("durable", "relaxed"):
        killed_load(check, data, durability)
    return check.close()


if __name__ == "__main__":
    sys.exit(main())
