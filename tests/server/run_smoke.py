#!/usr/bin/python3
"""run_smoke -- the server as a process: what a client, a signal and a bad start see of it."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

from varve_process import (Cases, STARTS_WITHIN_S, STOPS_WITHIN_S, Server, VARVE, encode, must,
                           must_fail, wait_until)


def set_and_get():
    with Server() as s:
        c = s.client()
        must(c.call("SET", "greeting", "hello") == "OK")
        must(c.call("GET", "greeting") == b"hello")
        must(c.call("GET", "nothing") is None)
        must(c.call("DEL", "greeting", "nothing") == 1)
        must(c.call("DBSIZE") == 0)
        must_fail("ERR unknown command", lambda: c.call("NOSUCH"))
        must_fail("ERR wrong number", lambda: c.call("GET"))


def an_inline_command_is_answered():
    with Server() as s:
        with socket.create_connection(("127.0.0.1", s.port)) as raw:
            raw.sendall(b"PING\r\n")
            must(raw.recv(100) == b"+PONG\r\n")


def a_pipeline_of_any_depth_is_answered_in_order():
    """100,000 commands are sent before the first reply is read."""
    count = 100_000
    with Server() as s:
        c = s.client(60)
        requests = b"".join(encode("SET", f"k{i}", i) + encode("GET", f"k{i}")
                            for i in range(count // 2))
        sender = threading.Thread(target=c.socket.sendall, args=(requests,))
        sender.start()
        time.sleep(1)  # The server has to stop reading in between.
        for i in range(count // 2):
            must(c.reply() == "OK")
            must(c.reply() == b"%d" % i, "reply", i)
        sender.join()
        must(c.call("DBSIZE") == count // 2)


def a_slow_reader_costs_bounded_memory():
    """100 MB of replies that nobody reads do not become 100 MB of memory."""
    with Server() as s:
        c = s.client(60)
        c.call("SET", "big", b"x" * 100_000)
        before = used_memory(s)
        other = s.client(60)
        requests = encode("GET", "big") * 1000
        sender = threading.Thread(target=other.socket.sendall, args=(requests,))
        sender.start()
        time.sleep(1)
        grown = used_memory(s) - before
        must(grown < 16 << 20, "memory grew by", grown)
        for _ in range(1000):
            must(len(other.reply()) == 100_000)
        sender.join()


def info(client, section):
    text = client.call("INFO", section).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def used_memory(server):
    c = server.client()
    used = int(info(c, "memory")["used_memory"])
    c.close()
    return used


def big_values_come_back_whole():
    sizes = [0, 1, 2047, 2048, 2049, 65_536, 65_537, 1 << 20, (1 << 20) + 1, 20 << 20]
    with Server() as s:
        c = s.client(60)
        for size in sizes:
            must(c.call("SET", f"v{size}", value(size)) == "OK")
        for size in sizes:
            must(c.call("GET", f"v{size}") == value(size), "size", size)
            must(c.call("STRLEN", f"v{size}") == size)
        must_fail("ERR Protocol error: invalid bulk length",
                  lambda: raw_call(s, b"*2\r\n$3\r\nGET\r\n$1000000000\r\n"))


def value(size):
    return (hashlib.sha256(b"%d" % size).digest() * (size // 32 + 1))[:size]


def raw_call(server, data):
    c = server.client()
    c.socket.sendall(data)
    return c.reply()


def a_bad_frame_gets_redis_error_and_ends_the_connection():
    with Server() as s:
        c = s.client()
        c.socket.sendall(b"*1\r\n:1\r\n")
        must_fail("ERR Protocol error: expected '$', got ':'", c.reply)
        must(c.is_closed())
        c = s.client()
        c.socket.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET a b\r\n")
        must(c.is_closed(), "a browser's request was read on")
        must(s.client().call("GET", "a") is None)


def transactions_of_two_connections():
    with Server() as s:
        a, b = s.client(), s.client()
        must(a.call("MULTI") == "OK")
        must(a.call("SET", "x", 1) == "QUEUED")
        must(a.call("INCR", "x") == "QUEUED")
        must(b.call("GET", "x") is None)
        must(a.call("EXEC") == ["OK", 2])
        must(b.call("GET", "x") == b"2")

        must(a.call("WATCH", "x") == "OK")
        must(b.call("SET", "x", 5) == "OK")
        a.call("MULTI")
        a.call("SET", "x", 6)
        must(a.call("EXEC") is None, "the watched key was written")
        must(a.call("GET", "x") == b"5")

        must(a.call("WATCH", "absent") == "OK")
        b.call("SET", "absent", 1)
        b.call("DEL", "absent")
        a.call("MULTI")
        a.call("PING")
        must(a.call("EXEC") is None, "the watched key came and went")

        must(a.call("WATCH", "x") == "OK")
        b.call("SET", "y", 1)
        a.call("MULTI")
        a.call("SET", "x", 7)
        must(a.call("EXEC") == ["OK"])

        must(a.call("WATCH", "x") == "OK")
        b.call("FLUSHDB")
        a.call("MULTI")
        a.call("PING")
        must(a.call("EXEC") is None, "the watched key was flushed")


def scanning():
    with Server() as s:
        c = s.client()
        keys = {b"key:%d" % i for i in range(1000)}
        for key in keys:
            c.send("SET", key, key)
        for _ in keys:
            must(c.reply() == "OK")
        must(c.call("DBSIZE") == 1000)
        must(set(c.call("KEYS", "*")) == keys)
        seen, cursor = set(), b"0"
        while True:
            cursor, page = c.call("SCAN", cursor, "COUNT", 100)
            seen |= set(page)
            if cursor == b"0":
                break
        must(seen == keys, "SCAN missed", len(keys - seen))
        must(c.call("RANDOMKEY") in keys)
        c.call("SELECT", 3)
        must(c.call("DBSIZE") == 0)
        c.call("SET", "other", 1)
        must(c.call("FLUSHDB") == "OK")
        must(c.call("DBSIZE") == 0)
        c.call("SELECT", 0)
        must(c.call("DBSIZE") == 1000)
        must(c.call("FLUSHALL") == "OK")
        must(c.call("KEYS", "*") == [])
        must(c.call("DBSIZE") == 0)


def own_writes_are_seen_by_keys_in_one_pipeline():
    with Server() as s:
        c = s.client()
        c.socket.sendall(encode("SET", "a", 1) + encode("KEYS", "*") + encode("DBSIZE"))
        must(c.reply() == "OK")
        must(c.reply() == [b"a"])
        must(c.reply() == 1)


def keys_expire_by_themselves():
    """They live longer from try to try, until there was time to see all of them alive."""
    with Server() as s:
        c = s.client()
        c.call("SET", "stays", 1)
        expired = 0
        for life_s in 4, 16, 64:
            began = time.monotonic()
            c.socket.sendall(b"".join(encode("SET", f"t{i}", i, "PX", life_s * 1000 + i)
                                      for i in range(300)))
            for i in range(300):
                c.reply()
            size, left_ms = c.call("DBSIZE"), c.call("PTTL", "t299")
            was_in_time = time.monotonic() < began + life_s
            wait_until(lambda: c.call("DBSIZE") == 1,
                       "nobody read the keys, and they are still there")
            expired += 300
            wait_until(lambda: int(info(c, "stats")["expired_keys"]) >= expired, "the count")
            must(info(c, "stats")["expired_keys"] == str(expired), info(c, "stats"))
            if was_in_time:
                must(size == 301, size)
                must(0 < left_ms <= life_s * 1000 + 299, left_ms)
                break
        must(was_in_time, "300 writes took more than", life_s, "s")
        must(c.call("GET", "t0") is None)
        must(c.call("GET", "stays") == b"1")


def flushed_rows_are_purged():
    with Server() as s:
        c = s.client()
        for i in range(2000):
            c.send("SET", f"k{i}", "v" * 100)
        for i in range(2000):
            c.reply()
        c.call("FLUSHALL")
        wait_until(lambda: info(c, "varve")["databases_to_purge"] == "0", "the purge")
        must(c.call("DBSIZE") == 0)


def fill(c, count, size):
    for i in range(count):
        c.send("SET", f"k{i}", value(size + i % 7))
        if i % 100 == 99:
            for _ in range(100):
                must(c.reply() == "OK")


def check(c, count, size):
    for i in range(count):
        must(c.call("GET", f"k{i}") == value(size + i % 7), "key", i)


def a_restart_keeps_everything():
    s = Server().start()
    try:
        c = s.client()
        fill(c, 1000, 3000)
        c.call("SELECT", 5)
        c.call("SET", "five", "5", "EX", 1000)
        c.call("SELECT", 6)
        c.call("SET", "gone", 1)
        c.call("FLUSHDB")
        must(s.stop(signal.SIGTERM) == 0, "exit status after SIGTERM")
        must("bye bye" in s.log())
        s.start()
        c = s.client()
        check(c, 1000, 3000)
        must(c.call("DBSIZE") == 1000)
        c.call("SELECT", 5)
        must(c.call("GET", "five") == b"5")
        must(900 < c.call("TTL", "five") <= 1000)
        c.call("SELECT", 6)
        must(c.call("DBSIZE") == 0 and c.call("GET", "gone") is None)
    finally:
        s.destroy()


def a_kill_keeps_what_was_acknowledged(*arguments):
    """A loader notes what it was told; the server is killed in the middle; all of it is there."""
    s = Server(*arguments).start()
    acknowledged = {}
    try:
        for round_ in range(3):
            c = s.client(60)
            stop = threading.Timer(0.5, lambda: s.process.kill())
            i = 0
            try:
                while True:
                    key = f"r{round_}-{i}"
                    must(c.call("SET", key, value(500 + i % 3000)) == "OK")
                    acknowledged[key] = 500 + i % 3000
                    if i == 0:
                        stop.start()
                    i += 1
            except OSError:
                pass
            stop.join()
            s.process.wait()
            s.start()
            c = s.client(60)
            # Each kill may have cut one write that is there without having been acknowledged.
            more = c.call("DBSIZE") - len(acknowledged)
            must(0 <= more <= round_ + 1, more, "keys more than were acknowledged")
            for key, size in acknowledged.items():
                must(c.call("GET", key) == value(size), key, "was acknowledged and is lost")
    finally:
        s.destroy()


def a_kill_in_relaxed_mode_keeps_what_was_acknowledged():
    a_kill_keeps_what_was_acknowledged("--durability", "relaxed")


def posix_io_serves_too():
    with Server("--io-backend", "posix") as s:
        c = s.client()
        fill(c, 500, 3000)
        check(c, 500, 3000)
        must(info(c, "varve")["io_backend"] == "posix")


def sleeps(pid):
    """How often the serving thread has gone to sleep."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt"))


def must_sleep_while_it_waits(s, times):
    """In 2,000 commands that wait for each other, in the best of some rounds."""
    c = s.client()
    count = 0
    for _ in range(20):  # On a full machine it may find the next command whenever it looks.
        before = sleeps(s.process.pid)
        for _ in range(2000):
            must(c.call("PING") == "PONG")
        count = max(count, sleeps(s.process.pid) - before)
    must(count > times or os.cpu_count() == 1, "slept at most", count, "times in 2,000 commands")


def without_busy_poll_a_server_that_waits_sleeps():
    with Server("--busy-poll", "no") as s:
        must(s.client().call("CONFIG", "GET", "busy-poll") == [b"busy-poll", b"no"])
        must_sleep_while_it_waits(s, 200)


def with_one_processor_a_server_that_waits_sleeps():
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, processors[:1])
    try:
        with Server() as s:
            os.sched_setaffinity(0, processors[1:] or processors)
            must(s.client().call("CONFIG", "GET", "busy-poll") == [b"busy-poll", b"yes"])
            must_sleep_while_it_waits(s, 1500)  # Where it looks, up to a thousand.
    finally:
        os.sched_setaffinity(0, processors)


def a_store_larger_than_memory_is_served():
    """More data than all memory: reads come from the disk, commands wait for them."""
    with Server("--maxmemory", "48mb") as s:
        c = s.client(60)
        fill(c, 40_000, 3000)
        must(int(info(c, "varve")["disk_bytes"]) > 48 << 20)
        for i in range(0, 40_000, 37):
            must(c.call("GET", f"k{i}") == value(3000 + i % 7), "key", i)
        keys = [f"k{i}" for i in range(0, 40_000, 2500)]
        must(c.call("MGET", *keys) == [value(3000 + int(k[1:]) % 7) for k in keys])
        must(int(info(c, "varve")["commands_that_waited"]) > 0)


# ---- Starts that must not succeed --------------------------------------------------------------

def start_fails(server, status, *words):
    server.launch()
    got = server.process.wait(STARTS_WITHIN_S)
    log = server.log()
    server.process = None
    must(got == status, f"exit status {got}, expected {status}:", log)
    for word in words:
        must(word in log, f"the log does not say {word!r}:", log)


def a_second_server_is_told_who_has_the_directory():
    with Server() as s:
        other = Server(data=s.data)
        try:
            start_fails(other, 1, f"process {s.process.pid} on")
            must(s.client().call("PING") == "PONG")
        finally:
            other.destroy()


def a_line_that_is_not_understood_stops_the_start():
    s = Server()
    try:
        path = os.path.join(s.folder, "varve.conf")
        for line, words in (("prot 6379", ("unknown parameter 'prot'", "'port'")),
                            ("port 99999", ("'port'", "a number from 0 to 65535")),
                            ("durability maybe", ("'durability'", "durable or relaxed")),
                            ("dir \"open", ("a quote is not closed",)),
                            ("maxclients", ("'maxclients'", "wrong number of arguments"))):
            with open(path, "w") as f:
                f.write(f"# a comment\n\n{line}\n")
            done = subprocess.run([VARVE, "server", path], capture_output=True, text=True,
                                  timeout=30, check=False)
            must(done.returncode == 2, line, "was taken")
            for word in (f"{path}:3:",) + words:
                must(word in done.stderr, f"{word!r} is not said of {line!r}:", done.stderr)
        done = subprocess.run([VARVE, "server", "--hz", "0"], capture_output=True, text=True,
                              timeout=30, check=False)
        must(done.returncode == 2 and "--hz" in done.stderr, done.stderr)
    finally:
        s.destroy()


def a_directory_with_other_files_is_left_alone():
    s = Server()
    try:
        os.mkdir(s.data)
        with open(os.path.join(s.data, "thesis.tex"), "w") as f:
            f.write("important")
        start_fails(s, 2, "thesis.tex")
        must(os.listdir(s.data) == ["thesis.tex"], "something was changed")
    finally:
        s.destroy()


def the_world_is_not_listened_to_without_a_password():
    s = Server("--bind", "0.0.0.0")
    try:
        start_fails(s, 2, "no password")
        s.arguments = ["--bind", "0.0.0.0", "--requirepass", "secret"]
        s.launch()
        c = connect_when_up(s)
        must_fail("NOAUTH", lambda: c.call("GET", "a"))
        must_fail("WRONGPASS", lambda: c.call("AUTH", "wrong"))
        must_fail("ERR Protocol error: unauthenticated bulk length",
                  lambda: raw_call(s, b"*2\r\n$4\r\nAUTH\r\n$100000\r\n"))
        must(c.call("AUTH", "secret") == "OK")
        must(c.call("SET", "a", 1) == "OK")
    finally:
        s.destroy()


def what_is_in_the_way_is_said_in_words():
    with Server() as s:
        for arguments, status, words in (
                (["--port", str(s.port), "--dir", s.folder + "/b"], 1,
                 ("Address already in use", "--port")),
                (["--dir", "/nowhere/at/all"], 1, ("/nowhere/at/all", "No such file or directory")),
                (["--dir", "/etc/passwd"], 2, ("/etc/passwd", "Not a directory")),
                (["--unixsocket", "/nowhere/at/all"], 1, ("No such file or directory",)),
                (["--maxmemory", "64mb", "--cache-size", "64mb"], 2,
                 ("leave too little", "cache-size", "64 MB")),
                (["--port=7000"], 2, ("two words",))):
            other = Server(*arguments)
            try:
                start_fails(other, status, *words)
                must(other.log().count(words[0]) == 1, "said twice:", other.log())
            finally:
                other.destroy()


def connect_when_up(server):
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        try:
            return server.client()
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(server.log())


# ---- Clients and settings -----------------------------------------------------------------------

def clients_beyond_the_limit_are_told():
    with Server("--maxclients", "3") as s:
        clients = [s.client()]
        wait_until(lambda: are_connected(clients[0], 1), "the end of who saw it start")
        while len(clients) < 3:
            clients.append(s.client())
            clients[-1].call("PING")
        extra = s.client()
        must_fail("ERR max number of clients reached", extra.reply)
        must(extra.is_closed())
        clients.pop().close()
        wait_until(lambda: are_connected(clients[0], 2), "the end of a client")
        must(s.client().call("PING") == "PONG")


def are_connected(client, count):
    return info(client, "clients")["connected_clients"] == str(count)


def idle_clients_are_let_go():
    with Server("--timeout", "1") as s:
        c = s.client(60)
        began = time.monotonic()
        c.call("PING")
        must(c.is_closed())
        must(time.monotonic() - began > 0.9, "it was let go early")


def config_get_and_set():
    with Server() as s:
        c = s.client()
        must(c.call("CONFIG", "GET", "maxmemory-policy") == [b"maxmemory-policy", b"noeviction"])
        must(c.call("CONFIG", "GET", "save") == [b"save", b""])
        must(c.call("CONFIG", "SET", "timeout", "100", "maxclients", "50") == "OK")
        must(c.call("CONFIG", "GET", "timeout") == [b"timeout", b"100"])
        must_fail("ERR CONFIG SET failed (possibly related to argument 'databases') - can't set",
                  lambda: c.call("CONFIG", "SET", "databases", "1"))
        must_fail("ERR CONFIG SET failed (possibly related to argument 'hz')",
                  lambda: c.call("CONFIG", "SET", "timeout", "7", "hz", "x"))
        must(c.call("CONFIG", "GET", "timeout") == [b"timeout", b"100"], "half of it was set")
        must_fail("ERR Unknown option", lambda: c.call("CONFIG", "SET", "nosuch", "1"))
        must(c.call("CONFIG", "SET", "requirepass", "pw") == "OK")
        must_fail("NOAUTH", lambda: s.client().call("PING"))


def the_stop_command_stops():
    s = Server().start()
    try:
        c = s.client()
        c.call("SET", "a", 1)
        c.send("SHUTDOWN", "NOSAVE")
        must(c.is_closed())
        must(s.process.wait(STOPS_WITHIN_S) == 0)
        s.start()
        must(s.client().call("GET", "a") == b"1")
    finally:
        s.destroy()


def client_list_and_info():
    with Server() as s:
        c = s.client()
        c.call("CLIENT", "SETNAME", "me")
        line = c.call("CLIENT", "LIST").decode()
        must(" name=me " in line and " cmd=client|list " in line, line)
        wait_until(lambda: are_connected(c, 1), "the end of who saw it start")
        server = info(c, "server")
        must(server["redis_mode"] == "standalone" and server["tcp_port"] == str(s.port))
        c.call("SET", "a", 1)
        must(info(c, "keyspace")["db0"].startswith("keys=1,expires=0"))
        must(info(c, "varve")["store_state"] == "healthy")


def supervisor_is_told():
    s = Server()
    path = os.path.join(s.folder, "notify")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    listener.settimeout(STARTS_WITHIN_S)
    s.env["NOTIFY_SOCKET"] = path
    try:
        s.start()
        must(listener.recv(100) == b"READY=1")
        must(s.stop() == 0)
        must(listener.recv(100) == b"STOPPING=1")
    finally:
        listener.close()
        s.destroy()


CASES = [
    set_and_get, an_inline_command_is_answered, a_pipeline_of_any_depth_is_answered_in_order,
    a_slow_reader_costs_bounded_memory, big_values_come_back_whole,
    a_bad_frame_gets_redis_error_and_ends_the_connection, transactions_of_two_connections,
    scanning, own_writes_are_seen_by_keys_in_one_pipeline, keys_expire_by_themselves,
    flushed_rows_are_purged, a_restart_keeps_everything, a_kill_keeps_what_was_acknowledged,
    a_kill_in_relaxed_mode_keeps_what_was_acknowledged, posix_io_serves_too,
    without_busy_poll_a_server_that_waits_sleeps,
    with_one_processor_a_server_that_waits_sleeps,
    a_store_larger_than_memory_is_served, a_second_server_is_told_who_has_the_directory,
    a_line_that_is_not_understood_stops_the_start, a_directory_with_other_files_is_left_alone,
    the_world_is_not_listened_to_without_a_password, what_is_in_the_way_is_said_in_words,
    clients_beyond_the_limit_are_told,
    idle_clients_are_let_go, config_get_and_set, the_stop_command_stops, client_list_and_info,
    supervisor_is_told,
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
