#!/usr/bin/python3
"""run_memory -- a server in a control group of 512 MiB keeps to the budget it takes from it.

Several times its budget is loaded, read back, scanned with every value compared, and read again
after a restart. Then thousands of replies are asked for and not read, requests are begun and not
finished, transactions are queued and not run. Whatever clients do: the budget holds, nobody is
killed for want of memory, and other clients' writes go on.
"""

import os
import random
import resource
import socket
import subprocess
import sys
import threading
import time

from memory_group import MemoryGroup, Unavailable
from varve_process import COMES_WITHIN_S, Cases, Server, VARVE, encode, must, wait_until

MIB = 1 << 20
LIMIT = 512 * MIB
BUDGET = LIMIT // 2      # What a server takes that is not told anything else.
OVERHEAD = BUDGET // 8   # Of the program and its allocator, beyond the budget.
RECORDS = 1_010_000
BATCH = 200
CLIENTS = 1000
FILES = 4 * CLIENTS
STARVED_S = 5    # Who found no memory for a reply so long is told so (server/client.c).
POOL = os.urandom(16 * MIB)


class GroupServer(Server):
    """In the group, with nothing said about memory."""

    def __init__(self, group, *arguments):
        super().__init__(*arguments)
        self.group = group

    def command(self):
        return [VARVE, "server", "--port", str(self.port), "--dir", self.data] + self.arguments

    def launch(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log,
                                            preexec_fn=self.group.join)

    def resident(self, field="VmHWM"):
        with open(f"/proc/{self.process.pid}/status") as f:
            for line in f:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) << 10
        return 0


# ---- Data ----------------------------------------------------------------------------------------

def key(i):
    return b"key:%08d" % (i * 7919 % 100_000_000)


def value(i):
    """About 1 KiB; every 16th is 10 KiB. Does not compress."""
    size = 10 * 1024 if i % 16 == 0 else 1000 + i % 48
    at = i * 2_654_435_761 % (len(POOL) - 16 * 1024)
    return POOL[at:at + size]


def load(server, first, last):
    """SET records [first, last) in a pipeline of two batches. How many bytes of values."""
    c = server.client(COMES_WITHIN_S)
    total = waiting = 0
    for begin in range(first, last, BATCH):
        out = []
        for i in range(begin, min(begin + BATCH, last)):
            v = value(i)
            total += len(v)
            out.append(b"*3\r\n$3\r\nSET\r\n$12\r\n%s\r\n$%d\r\n%s\r\n" % (key(i), len(v), v))
        c.socket.sendall(b"".join(out))
        waiting += len(out)
        while waiting > BATCH:
            must(c.file.read(5) == b"+OK\r\n", "a write was refused")
            waiting -= 1
    for _ in range(waiting):
        must(c.file.read(5) == b"+OK\r\n", "a write was refused")
    c.close()
    return total


def read_samples(server, count):
    c = server.client(COMES_WITHIN_S)
    rng = random.Random(count)
    for _ in range(count // 100):
        sample = [rng.randrange(RECORDS) for _ in range(100)]
        must(c.call("MGET", *map(key, sample)) == [value(i) for i in sample], "other values")
    c.close()


def scan(server):
    """SCAN to the end: every key, none twice, each with its value."""
    c = server.client(COMES_WITHIN_S)
    numbers = {key(i): i for i in range(RECORDS)}
    must(c.call("DBSIZE") == RECORDS, "other keys are counted")
    cursor = None
    while cursor != b"0":
        cursor, page = c.call("SCAN", cursor or b"0", "COUNT", 1000)
        for k, v in zip(page, c.call("MGET", *page) if page else []):
            must(k in numbers, "shown twice, or nobody's key:", k)
            must(v == value(numbers.pop(k)), "another value of", k)
    must(not numbers, len(numbers), "keys were not shown")
    c.close()


def info(server):
    c = server.client(COMES_WITHIN_S)
    text = c.call("INFO", "everything").decode()
    c.close()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def must_keep_to_budget(server, what):
    """Say what memory was needed so far, and hold it to the limits."""
    seen = info(server)
    peak, resident = int(seen["used_memory_peak"]), server.resident()
    print(f"      {what}: budget {peak // MIB} of {BUDGET // MIB} MiB at most, resident "
          f"{resident // MIB} MiB at most; the group {server.group.peak_bytes() // MIB} of "
          f"{LIMIT // MIB} MiB, limit met {server.group.hits()} times", flush=True)
    must(int(seen["maxmemory"]) == BUDGET, "the group's limit was not seen:", seen["maxmemory"])
    must(peak <= BUDGET + OVERHEAD, "the budget was passed:", peak)
    must(resident <= BUDGET + OVERHEAD, "more is resident than the budget:", resident)
    must(server.group.kills() == 0, "the kernel killed somebody")


# ---- Cases ---------------------------------------------------------------------------------------

def many_times_the_budget_is_loaded(server):
    began = time.monotonic()
    size = load(server, 0, RECORDS)
    must(size >= 4 * BUDGET and size >= 3 * LIMIT, "too little:", size)
    print(f"      {size // MIB} MiB of values in {time.monotonic() - began:.1f} s")
    must_keep_to_budget(server, "loaded")


def it_is_read_back_and_scanned(server):
    read_samples(server, 10_000)
    scan(server)
    must_keep_to_budget(server, "read and scanned")


def it_is_there_after_a_restart(server):
    must(server.stop() == 0, "it did not stop cleanly")
    server.start()
    read_samples(server, 5000)
    load(server, 0, 20_000)
    must_keep_to_budget(server, "restarted")


def connect(server, count=CLIENTS):
    return [socket.create_connection(("127.0.0.1", server.port), COMES_WITHIN_S)
            for _ in range(count)]


def read_replies(sock, count, want, asked):
    """All of them are the value want, and nothing is left out. How many were refused because
    nobody took what held the memory: none before its time."""
    file = sock.makefile("rb")
    refused = 0
    for _ in range(count):
        line = file.readline()
        if line.startswith(b"-OOM ") and time.monotonic() > asked + STARVED_S:
            refused += 1
            continue
        must(line == b"$%d\r\n" % len(want), "not the value but", line)
        must(file.read(len(want) + 2)[:-2] == want, "another value")
    file.close()
    return refused


def ask_and_do_not_read(server, size, count):
    """Every client asks for many values and reads nothing; others go on; then all is read."""
    want = POOL[:size]
    c = server.client(COMES_WITHIN_S)
    for i in range(16):
        must(c.call("SET", f"big{i}", want) == "OK")
    c.close()
    clients = connect(server)
    asked = time.monotonic()
    for i, sock in enumerate(clients):
        sock.sendall(encode("GET", f"big{i % 16}") * count)
    time.sleep(0.5)
    load(server, 0, 20_000)
    must_keep_to_budget(server, f"{CLIENTS} clients, {count} replies of {size >> 10} KiB each")
    refused = 0
    for sock in clients:
        refused += read_replies(sock, count, want, asked)
        sock.close()
    if refused:
        print(f"      {refused} replies were refused, after {STARVED_S} s without memory for them")
    must(refused < CLIENTS * count, "nobody was served")


def replies_that_nobody_reads(server):
    ask_and_do_not_read(server, 300 << 10, 3)


def deep_pipelines_that_nobody_reads(server):
    ask_and_do_not_read(server, 15 << 10, 100)


def requests_that_are_not_finished(server):
    """1 MiB of a value of 40 MiB each: no more is believed than was sent."""
    clients = connect(server)
    half = b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$%d\r\n" % (40 * MIB) + POOL[:MIB]
    for sock in clients:
        threading.Thread(target=send_if_it_is_taken, args=(sock, half)).start()
    time.sleep(1)
    load(server, 0, 20_000)
    must_keep_to_budget(server, f"{CLIENTS} requests of 40 MiB, begun")
    for sock in clients:
        sock.close()


def transactions_that_are_not_run(server):
    clients = connect(server, 200)
    queued = encode("MULTI") + encode("SET", "t", POOL[:MIB]) * 8
    for sock in clients:
        threading.Thread(target=send_if_it_is_taken, args=(sock, queued)).start()
    time.sleep(1)
    load(server, 0, 20_000)
    must_keep_to_budget(server, f"{len(clients)} transactions of 8 MiB, queued")
    for sock in clients:
        sock.close()


def send_if_it_is_taken(sock, data):
    try:
        sock.sendall(data)
    except OSError:
        pass  # It was told that there is no memory, and let go.


def everything_is_given_back(server):
    wait_until(lambda: int(info(server)["mem_clients_normal"]) <= MIB,
               "clients that are gone hold memory")
    read_samples(server, 2000)


def main():
    try:
        group = MemoryGroup(LIMIT)
    except Unavailable as why:
        print(f"SKIPPED: {why}")
        return 77
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        print(f"SKIPPED: {FILES} files cannot be open at once, {hard} can")
        return 77
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))
    cases = Cases()
    with group:
        server = GroupServer(group)
        try:
            server.start()
            for case in (many_times_the_budget_is_loaded, it_is_read_back_and_scanned,
                         it_is_there_after_a_restart, replies_that_nobody_reads,
                         deep_pipelines_that_nobody_reads, requests_that_are_not_finished,
                         transactions_that_are_not_run, everything_is_given_back):
                cases.run(case, server)
        finally:
            server.destroy()
    return cases.end()


if __name__ == "__main__":
    sys.exit(main())
