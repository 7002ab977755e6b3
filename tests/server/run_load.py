#!/usr/bin/python3
"""run_load -- many clients, slow clients, greedy clients: what they cost, and who notices."""

import os
import resource
import socket
import sys
import threading
import time

from varve_process import (COMES_WITHIN_S, Cases, Server, Skipped, encode, must, must_fail,
                           wait_until)

IDLE = 10_000
IDLE_BYTES_MAX = 16 << 10
BURST = 1000
SLOW_S = 2
SLOW_MAX = 10  # Writes of 200 that may be so slow: a busy device keeps some of them waiting.


def raise_file_limit(count):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        hard = max(hard, count)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    except (OSError, ValueError) as e:
        raise Skipped(f"{count} files cannot be open at once: {e}") from e


def info(server, section, name):
    c = server.client()
    text = c.call("INFO", section).decode()
    c.close()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)[name]


def rss_bytes(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) << 10


def read_exactly(sock, size):
    while size > 0:
        data = sock.recv(min(size, 1 << 20))
        must(data, "the connection ended with", size, "bytes to come")
        size -= len(data)


def ten_thousand_idle_connections_are_cheap():
    """They come in a storm, while somebody works; each has sent what outgrows its buffers."""
    raise_file_limit(IDLE + 500)
    burst = b"PING\r\n" * BURST
    with Server("--maxclients", str(IDLE + 100)) as s:
        worker = s.client(60)
        worker.call("SET", "k", "v")
        used, rss = int(info(s, "memory", "used_memory")), rss_bytes(s)
        idle = []
        for i in range(IDLE):
            sock = socket.create_connection(("127.0.0.1", s.port), COMES_WITHIN_S)
            idle.append(sock)
            if i % 100 == 0:
                must(worker.call("GET", "k") == b"v")
            sock.sendall(burst)
        wait_until(lambda: int(info(s, "clients", "connected_clients")) > IDLE,
                   "not all were accepted")
        for sock in idle:
            read_exactly(sock, BURST * len("+PONG\r\n"))
        time.sleep(3)  # A second of silence, and a second until all have been looked at.

        def costs():
            """Of one: bytes of the budget, and of RSS."""
            return ((int(info(s, "memory", "used_memory")) - used) / IDLE,
                    (rss_bytes(s) - rss) / IDLE)

        wait_until(lambda: max(costs()) < IDLE_BYTES_MAX, "less than", costs)
        print("      an idle connection: {:,.0f} bytes of the budget, {:,.0f} of RSS"
              .format(*costs()))
        for sock in idle[::97]:
            sock.sendall(b"PING\r\n")
            must(sock.recv(100) == b"+PONG\r\n")
        for sock in idle:
            sock.close()
        wait_until(lambda: int(info(s, "clients", "connected_clients")) < 10,
                   "those who left are still there")


def a_million_commands_may_be_sent_before_the_first_reply_is_read():
    """As client libraries do it. Both sides would wait for ever if the server stopped reading."""
    half = 500_000
    value = b"0123456789abcdef"
    with Server("--maxmemory", "1gb") as s:
        before = rss_bytes(s)
        c = s.client(600)
        c.socket.sendall(encode("SET", "key", value) * half)
        c.socket.sendall(encode("GET", "key") * half)
        grown = rss_bytes(s) - before
        read_exactly(c.socket, half * (len(b"+OK\r\n") + len(b"$16\r\n\r\n") + len(value)))
        must(c.call("GET", "key") == value)
        must(grown < 200 << 20, "memory grew by", grown)


def cpu_ticks(server):
    with open(f"/proc/{server.process.pid}/stat", encoding="ascii") as stat:
        words = stat.read().rpartition(")")[2].split()
    return int(words[11]) + int(words[12])


def a_request_of_a_million_words_costs_what_its_words_cost():
    """Processor time, not the clock: of one request, and of its words in two hundred."""
    count, parts = 1_000_000, 200
    words = [f"word{i}" for i in range(count)]
    each = count // parts
    costs = []
    with Server("--maxmemory", "1gb") as s:
        c = s.client(600)
        for requests in ([words[i:i + each] for i in range(0, count, each)], [words]):
            before = cpu_ticks(s)
            for some in requests:
                must(c.call("EXISTS", *some) == 0)
            costs.append(cpu_ticks(s) - before)
    must(costs[1] < 6 * costs[0] + 100, "ticks of two hundred requests, and of one:", costs)


def slow_readers_cost_bounded_memory():
    """Half a gigabyte of replies that nobody reads; who reads is served meanwhile."""
    clients, each, size = 100, 50, 100_000
    cap = 256 << 20
    with Server() as s:
        worker = s.client(60)
        worker.call("SET", "big", b"x" * size)
        slow = [s.client(COMES_WITHIN_S) for _ in range(clients)]
        for c in slow:
            c.socket.sendall(encode("GET", "big") * each)
        took = []
        for i in range(200):
            began = time.monotonic()
            must(worker.call("SET", "small", i) == "OK")
            took.append(time.monotonic() - began)
            time.sleep(0.005)
        must(rss_bytes(s) < cap, "RSS is", rss_bytes(s))
        slow_ones = [seconds for seconds in took if seconds >= SLOW_S]
        must(len(slow_ones) <= SLOW_MAX, "writes took, in seconds:", slow_ones)
        for c in slow:
            read_exactly(c.socket, each * (size + len("$100000\r\n\r\n")))
            must(c.call("PING") == "PONG")


def who_is_not_trusted_may_send_little():
    with Server("--requirepass", "secret") as s:
        for bad in b"*11\r\n", b"*2\r\n$4\r\nAUTH\r\n$16385\r\n":
            c = s.client()
            c.socket.sendall(bad)
            must_fail("ERR Protocol error: unauthenticated", c.reply)
            must(c.is_closed())
        c = s.client()
        must_fail("NOAUTH", lambda: c.call("SET", "k", b"x" * 16000))
        must(c.call("AUTH", "secret") == "OK")
        must(c.call("SET", "k", b"x" * 16385) == "OK")
        must(c.call("DEL", *range(20)) == 0)


def a_request_beyond_the_limit_ends_its_connection():
    with Server("--client-query-buffer-limit", "1mb", "--proto-max-bulk-len", "1mb") as s:
        c = s.client()
        try:
            c.socket.sendall(encode("MSET", *[b"x" * 1000] * 2000))
            must_fail("ERR Protocol error: too big request", c.reply)
            must(c.is_closed())
        except (ConnectionError, BrokenPipeError):
            pass  # It was closed while more came.
        c = s.client()
        must(c.call("DBSIZE") == 0)
        wait_until(lambda: "Closing client that reached max query buffer length: id=" in s.log(),
                   "nobody is told")
        must("client_query_buffer_limit_disconnections:1\r\n" in
             c.call("INFO", "everything").decode())


def a_stranger_who_says_much_is_told_of():
    with Server("--requirepass", "secret", "--loglevel", "verbose") as s:
        c = s.client()
        c.socket.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000\r\n")
        must_fail("ERR Protocol error: unauthenticated bulk length", c.reply)
        must(c.is_closed())
        wait_until(lambda: "Protocol error: unauthenticated bulk length, from client: id=" in
                   s.log(), "nobody is told")


def output_beyond_the_limit_ends_its_connection():
    with Server() as s:
        c = s.client()
        c.call("CONFIG", "SET", "client-output-buffer-limit", "normal 300kb 0 0")
        c.call("SET", "big", b"x" * 100_000)
        greedy = s.client()
        greedy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            greedy.socket.sendall(encode("GET", "big") * 200)
        except (ConnectionError, BrokenPipeError):
            pass
        wait_until(lambda: "closed for overcoming of output buffer limits" in s.log(),
                   "nobody was closed")
        must(c.call("PING") == "PONG")


def without_descriptors_accepting_waits():
    """Said once; those who come wait in the kernel's queue, and are served when there are some."""
    with Server() as s:
        c = s.client()
        c.call("PING")  # So that its own descriptor is one of those counted.
        pid = s.process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        taken = max(int(name) for name in os.listdir(f"/proc/{pid}/fd")) + 1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (taken, limits[1]))
        waiting = [socket.create_connection(("127.0.0.1", s.port), COMES_WITHIN_S)
                   for _ in range(100)]
        for sock in waiting:
            sock.sendall(b"PING\r\n")
        wait_until(lambda: "cannot be accepted" in s.log(), "that is not said")
        time.sleep(1)
        must(c.call("PING") == "PONG")
        must(s.log().count("cannot be accepted") == 1, s.log())
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        for sock in waiting:
            must(sock.recv(100) == b"+PONG\r\n")
        wait_until(lambda: s.log().count("accepted again") == 1, "that is not said")


def those_who_leave_in_the_middle_leave_nothing():
    """Half a request, a reply never read, a transaction never executed: then the client is gone."""
    with Server() as s:
        c = s.client(60)
        c.call("SET", "big", b"x" * 1_000_000)
        used = int(info(s, "memory", "used_memory"))
        for i in range(200):
            leaver = s.client()
            leaver.socket.sendall((encode("GET", "big") * 5,
                                   encode("MULTI") + encode("SET", "t", 1),
                                   b"*3\r\n$3\r\nSET\r\n$1\r\nh\r\n$900000\r\n" + b"y" * 100_000,
                                   encode("WATCH", "big"))[i % 4])
            leaver.close()
        wait_until(lambda: int(info(s, "clients", "connected_clients")) <= 2,
                   "they are still there")
        must(c.call("EXISTS", "t", "h") == 0)
        grown = int(info(s, "memory", "used_memory")) - used
        must(grown < 4 << 20, "they left", grown, "bytes")


def many_threads_of_pipelines_are_answered_in_order():
    """Each client counts a key of its own up, in pipelines of changing depth."""
    failures = []

    def count_up(server, number):
        try:
            c = server.client(60)
            expected = 0
            for depth in (1, 700, 3, 90, 2000, 1):
                c.socket.sendall(encode("INCR", f"n{number}") * depth)
                for _ in range(depth):
                    expected += 1
                    must(c.reply() == expected)
        except Exception as e:  # Of a thread: kept for the case.
            failures.append(e)

    with Server() as s:
        threads = [threading.Thread(target=count_up, args=(s, i)) for i in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        must(not failures, failures)


CASES = [
    ten_thousand_idle_connections_are_cheap,
    a_million_commands_may_be_sent_before_the_first_reply_is_read,
    a_request_of_a_million_words_costs_what_its_words_cost,
    slow_readers_cost_bounded_memory, who_is_not_trusted_may_send_little,
    a_request_beyond_the_limit_ends_its_connection, a_stranger_who_says_much_is_told_of,
    output_beyond_the_limit_ends_its_connection,
    without_descriptors_accepting_waits, those_who_leave_in_the_middle_leave_nothing,
    many_threads_of_pipelines_are_answered_in_order,
]


def main():
    cases = Cases()
    wanted = sys.argv[1:]
    for case in CASES:
        if not wanted or case.__name__ in wanted:
            cases.run(case)
    return cases.end()


if __name__ == "__main__":
    sys.exit(main())
