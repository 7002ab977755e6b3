"""ledger -- clients that know exactly what a server owes them after a crash.

Writers send units in pipelines of changing depth: a SET, or a MULTI of three commands and EXEC.
What unit n of a writer does follows from its number, every unit writes a value that carries the
number, and a connection's commands run in order. So after a crash the greatest number found says
how far the writer came, and everything else must be exactly as the units up to there left it:

  1. A unit whose reply was read is there, and so is one that a reader has seen.
  2. A unit is there whole or not at all; none is there without those before it.
  3. Of the values counted up under WATCH each was claimed by one client, and all up to the last.
"""

import random
import threading

from varve_process import Error, encode, must

WRITERS, COUNTERS, SLOTS = 3, 2, 24
DEPTHS = (1, 4, 40)


def unit(writer, n):
    """The commands of unit n: pairs of a slot and a value, None for a delete."""
    rng = random.Random(n * 64 + writer)

    def value():
        size = rng.choice((10, 10, 10, 100, 100, 1000, 3000, rng.choice((3000, 70_000))))
        return b"%d:" % n + b"%c" % (97 + n % 26) * size

    if rng.randrange(3) > 0:
        return [(rng.randrange(SLOTS), value())]
    slots = rng.sample(range(SLOTS), 3)
    return [(slots[0], value()), (slots[1], None), (slots[2], value())]


def key(writer, slot):
    return b"w%d:%d" % (writer, slot)


def request(writer, n):
    commands = [encode("DEL", key(writer, slot)) if value is None
                else encode("SET", key(writer, slot), value) for slot, value in unit(writer, n)]
    if len(commands) == 1:
        return commands[0]
    return encode("MULTI") + b"".join(commands) + encode("EXEC")


def take_replies(client, writer, n):
    commands = len(unit(writer, n))
    if commands == 1:
        must(client.reply() == "OK")
        return
    must(client.reply() == "OK")
    for _ in range(commands):
        must(client.reply() == "QUEUED")
    results = client.reply()
    must(len(results) == commands and not any(isinstance(r, Error) for r in results), results)


def number_in(value):
    return int(value.split(b":", 1)[0]) if value is not None else 0


def slots_of(client, writer):
    return [client.call("GET", key(writer, slot)) for slot in range(SLOTS)]


def last_unit(slots):
    return max(map(number_in, slots))


class Ledger:
    """What was acknowledged; note is called with a line for each acknowledgement."""

    def __init__(self, note=None):
        self.note = note
        self.units = [0] * WRITERS
        self.counted = 0
        self.claimed = set()
        self.lock = threading.Lock()

    def saw(self, writer, n):
        with self.lock:
            if n <= self.units[writer]:
                return
            self.units[writer] = n
            if self.note:
                self.note(f"unit {writer} {n}")

    def counted_to(self, n):
        with self.lock:
            if n <= self.counted:
                return
            self.counted = n
            if self.note:
                self.note(f"counted {n}")

    def claims(self, n):
        """EXEC gave this number to somebody."""
        with self.lock:
            must(n not in self.claimed, n, "was counted up to by two")
            self.claimed.add(n)

    def read_line(self, line):
        words = line.split()
        if words[0] == "unit":
            self.saw(int(words[1]), int(words[2]))
        else:
            self.counted_to(int(words[1]))

    # ---- Clients: each until its connection ends, or writes are refused.

    def write(self, server, writer, seed):
        rng = random.Random(seed)
        client = server.client()
        n = last_unit(slots_of(client, writer))
        while True:
            depth = rng.choice(DEPTHS)
            client.socket.sendall(b"".join(request(writer, n + i + 1) for i in range(depth)))
            for _ in range(depth):
                n += 1
                take_replies(client, writer, n)
                self.saw(writer, n)

    def read(self, server, seed):
        rng = random.Random(seed)
        client = server.client()
        while True:
            asked = [(rng.randrange(WRITERS), rng.randrange(SLOTS)) for _ in range(20)]
            client.socket.sendall(b"".join(encode("GET", key(w, s)) for w, s in asked))
            for w, _ in asked:
                self.saw(w, number_in(client.reply()))

    def count(self, server, name):
        client = server.client()
        while True:
            client.send("WATCH", "count")
            client.send("GET", "count")
            must(client.reply() == "OK")
            n = int(client.reply() or 0)
            self.counted_to(n)
            client.socket.sendall(encode("MULTI") + encode("SET", "count", n + 1) +
                                  encode("SET", f"claim:{n + 1}", name) + encode("EXEC"))
            for expected in "OK", "QUEUED", "QUEUED":
                must(client.reply() == expected)
            if client.reply() is not None:
                self.claims(n + 1)
                self.counted_to(n + 1)

    def start(self, server, seed):
        """All clients, as threads. The list that is returned fills with what went wrong."""
        wrong = []

        def run(client, *arguments):
            try:
                client(*arguments)
            except (OSError, ValueError):
                pass  # The server is gone.
            except Error as e:
                if not str(e).startswith(("MISCONF", "EXECABORT", "LOADING")):
                    wrong.append(e)
            except AssertionError as e:
                wrong.append(e)

        jobs = [(self.write, server, w, seed + w) for w in range(WRITERS)]
        jobs += [(self.count, server, f"c{i}") for i in range(COUNTERS)]
        jobs += [(self.read, server, seed)]
        threads = [threading.Thread(target=run, args=job, daemon=True) for job in jobs]
        for t in threads:
            t.start()
        return threads, wrong

    # ---- After the crash

    def verify(self, server):
        client = server.client(60)
        for writer in range(WRITERS):
            found = slots_of(client, writer)
            last = last_unit(found)
            must(last >= self.units[writer], f"writer {writer}: unit {self.units[writer]} was "
                 f"acknowledged, {last} is the last one there")
            expected = [None] * SLOTS
            for n in range(1, last + 1):
                for slot, value in unit(writer, n):
                    expected[slot] = value
            wrong = [s for s in range(SLOTS) if found[s] != expected[s]]
            must(not wrong, f"writer {writer}, whose last unit is {last}: slots {wrong} are not "
                 f"as it left them")
        count = int(client.call("GET", "count") or 0)
        must(count >= self.counted, f"{self.counted} was counted, {count} is there")
        claims = client.call("MGET", *[f"claim:{n}" for n in range(1, count + 2)])
        must(all(claims[:count]) and claims[count] is None, "a claim without its count")
        client.close()
