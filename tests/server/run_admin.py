#!/usr/bin/python3
"""run_admin -- what an operator does to a running server: checkpoints, configuration, figures."""

import os
import shutil
import socket
import sys
import threading
import time

from varve_process import (Cases, Error, STOPS_WITHIN_S, Server, Skipped, encode, free_port, must,
                           must_fail, wait_until)

SLOW_US = 100_000


def info(client, section):
    text = client.call("INFO", section).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


# ---- Checkpoints ------------------------------------------------------------------------------


def open_copy(path):
    """A server over a checkpoint, moved to where it cannot reach what it was linked from."""
    folder = os.path.dirname(path) + ".copy"
    os.makedirs(folder)
    shutil.copytree(path, os.path.join(folder, "data"))
    return Server(folder=folder)


def a_checkpoint_is_a_store_of_what_was_answered():
    with Server() as s:
        c = s.client()
        for i in range(200):
            c.call("SET", f"k{i}", "v" * (i * 37))
        began = int(time.time())
        must(c.call("SAVE") == "OK")
        must(began <= c.call("LASTSAVE") <= time.time())
        c.call("SET", "late", 1)
        must(info(c, "persistence")["rdb_saves"] == "1")
        with open_copy(os.path.join(s.data, "checkpoint")) as copy:
            d = copy.client()
            must(d.call("DBSIZE") == 200)
            must(d.call("GET", "k199") == b"v" * 199 * 37)
            must(d.call("GET", "late") is None)
            must(d.call("SET", "late", 2) == "OK")


def saving_under_load_keeps_order_and_loses_nothing():
    """A writer counts up; each checkpoint has what was answered before it, and no hole."""
    with Server() as s:
        c = s.client()
        answered = 0
        is_over = False

        def write():
            nonlocal answered
            w = s.client(60)
            i = 0
            while not is_over:
                w.socket.sendall(b"".join(encode("SET", f"n{i + j}", i + j) for j in range(50)))
                for _ in range(50):
                    w.reply()
                i += 50
                answered = i

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(4):
                before = answered
                # In one piece: it cannot be over before the others are heard.
                c.socket.sendall(encode("BGSAVE") + encode("BGSAVE") + encode("SAVE"))
                must(c.reply() == "Background saving started")
                must_fail("ERR Background save already in progress", c.reply)
                must_fail("ERR Background save already in progress", c.reply)
                while info(c, "persistence")["rdb_bgsave_in_progress"] == "1":
                    time.sleep(0.01)
                must(info(c, "persistence")["rdb_last_bgsave_status"] == "ok")
        finally:
            is_over = True
            writer.join()
        names = sorted(os.listdir(s.data))
        must(names == ["0", "checkpoint"], names)
        with open_copy(os.path.join(s.data, "checkpoint")) as copy:
            d = copy.client()
            count = d.call("DBSIZE")
            must(before <= count <= answered, before, count, answered)
            for i in range(0, count, 97):
                must(d.call("GET", f"n{i}") == b"%d" % i)


def a_crash_between_two_checkpoints_leaves_one():
    """Every state that renames can leave: the old one steps aside, the new one is not in place."""
    with Server() as s:
        c = s.client()
        c.call("SET", "a", 1)
        must(c.call("SAVE") == "OK")
        place = os.path.join(s.data, "checkpoint")
        s.stop()
        os.rename(place, place + ".old")
        os.makedirs(place + ".new/0")
        with open(place + ".new/0/half", "w") as f:
            f.write("x")
        s.start()
        must(os.path.isdir(place + "/0"))
        c = s.client()
        must(c.call("SAVE") == "OK")
        must(sorted(os.listdir(s.data)) == ["0", "checkpoint"])


def a_checkpoint_that_fails_is_an_error_and_the_old_one_stays():
    with Server() as s:
        c = s.client()
        c.call("SET", "a", 1)
        must(c.call("SAVE") == "OK")
        with open(os.path.join(s.data, "checkpoint.new"), "w") as f:
            f.write("in the way")
        must_fail("ERR the checkpoint failed", lambda: c.call("SAVE"))
        must(info(c, "persistence")["rdb_last_bgsave_status"] == "err")
        must(os.path.isdir(os.path.join(s.data, "checkpoint", "0")))
        must_fail("ERR Errors trying to SHUTDOWN. Check logs.", lambda: c.call("SHUTDOWN", "SAVE"))
        must(c.call("SET", "a", 2) == "OK")
        os.unlink(os.path.join(s.data, "checkpoint.new"))
        must(c.call("SAVE") == "OK")
        must(info(c, "persistence")["rdb_last_bgsave_status"] == "ok")


def shutdown_saves_if_it_is_told_to():
    with Server() as s:
        c = s.client()
        c.call("SET", "a", 1)
        c.send("SHUTDOWN", "SAVE")
        must(c.is_closed())
        must(s.process.wait(STOPS_WITHIN_S) == 0)
        must(os.path.isdir(os.path.join(s.data, "checkpoint", "0")))
        s.start()
        c = s.client()
        c.call("SET", "b", 1)
        c.send("SHUTDOWN", "NOSAVE", "NOW", "FORCE")
        must(c.is_closed())
        must(s.process.wait(STOPS_WITHIN_S) == 0)
        s.start()
        must(s.client().call("GET", "b") == b"1")


def the_log_is_made_short():
    with Server("--log-segment-size", "1mb") as s:
        c = s.client(60)
        c.socket.sendall(b"".join(encode("SET", f"k{i}", "x" * 1000) for i in range(4000)))
        for _ in range(4000):
            c.reply()
        before = int(info(c, "persistence")["aof_current_size"])
        must(c.call("BGREWRITEAOF") == "Background append only file rewriting started")
        wait_until(lambda: int(info(c, "persistence")["aof_current_size"]) <= before // 2,
                   "the log stays as long as it was")


# ---- Configuration ----------------------------------------------------------------------------


def a_configuration_file_is_read_included_and_rewritten():
    s = Server()
    path = os.path.join(s.folder, "varve.conf")
    with open(path, "w") as f:
        f.write("# mine\nhz 20\n\n\nslave-priority 5\ninclude %s/more-*.conf\n" % s.folder)
    with open(os.path.join(s.folder, "more-1.conf"), "w") as f:
        f.write("timeout 77\n")
    original = s.command

    def command():
        return original()[:2] + [path] + original()[2:]

    s.command = command
    with s:
        c = s.client()
        must(c.call("CONFIG", "GET", "timeout") == [b"timeout", b"77"])
        must(c.call("CONFIG", "GET", "dir") == [b"dir", os.path.realpath(s.data).encode()])
        must(c.call("CONFIG", "SET", "hz", "30", "maxclients", "99") == "OK")
        must(c.call("CONFIG", "REWRITE") == "OK")
        with open(path) as f:
            text = f.read()
        must(text.startswith("# mine\nhz 30\n\nreplica-priority 5\ninclude "), text)
        must("# Generated by CONFIG REWRITE\n" in text and "maxclients 99\n" in text, text)
        must(not os.path.exists(path + ".new"))
        s.stop()
        s.start()
        must(s.client().call("CONFIG", "GET", "maxclients", "hz") ==
             [b"maxclients", b"99", b"hz", b"30"])
        os.unlink(path)
        must(s.client().call("CONFIG", "REWRITE") == "OK", "the file was gone")
        must(os.path.exists(path))


def maxmemory_is_what_it_was_until_the_next_start():
    s = Server()
    path = os.path.join(s.folder, "varve.conf")
    with open(path, "w") as f:
        f.write("maxmemory 128mb\n")
    original = s.command

    def command():
        words = original()
        at = words.index("--maxmemory")
        return words[:2] + [path] + words[2:at] + words[at + 2:]

    s.command = command
    with s:
        c = s.client()
        must(info(c, "memory")["maxmemory"] == str(128 << 20))
        must(c.call("CONFIG", "SET", "maxmemory", "192mb") == "OK")
        must(c.call("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"%d" % (192 << 20)])
        must(info(c, "memory")["maxmemory"] == str(128 << 20), "INFO tells what holds")
        must(info(c, "varve")["budget_cap"] == str(128 << 20))
        must(f"maxmemory stays at {128 << 20} bytes until the next start" in s.log(), s.log())
        must_fail("ERR CONFIG SET failed (possibly related to argument 'maxmemory')",
                  lambda: c.call("CONFIG", "SET", "maxmemory", "much"))
        must(c.call("CONFIG", "REWRITE") == "OK")
        s.stop()
        s.start()
        c = s.client()
        must(info(c, "memory")["maxmemory"] == info(c, "varve")["budget_cap"] == str(192 << 20))


def timer_of(local, peer):
    """What a connection of this machine waits for, and for how many seconds, as the kernel has it
    (proc_net_tcp.txt): 1 an answer to what was sent, 2 the time to ask whether the peer lives."""
    with open("/proc/net/tcp") as f:
        for line in f.readlines()[1:]:
            words = line.split()
            ports = [int(words[i].split(":")[1], 16) for i in (1, 2)]
            if ports == [local, peer] and words[3] == "01":
                kind, when = (int(word, 16) for word in words[5].split(":"))
                return kind, when / os.sysconf("SC_CLK_TCK")
    raise Skipped(f"/proc/net/tcp does not list {local} to {peer}")


def peers_are_asked_whether_they_live():
    """tcp-keepalive, seen from outside: in the timers of the server's ends of connections."""
    for arguments, least_s, most_s in [([], 40, 300), (["--tcp-keepalive", "40"], 0, 40),
                                       (["--tcp-keepalive", "0"], None, None)]:
        with Server(*arguments) as s:
            c = s.client()
            must(c.call("PING") == "PONG")
            c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            mine = c.socket.getsockname()[1]
            wait_until(lambda: timer_of(mine, s.port)[0] != 1, "the request is not acknowledged")
            if timer_of(mine, s.port)[0] != 2:
                raise Skipped("this kernel does not show timers of connections")
            wait_until(lambda: timer_of(s.port, mine)[0] != 1, "the answer is not acknowledged")
            kind, when_s = timer_of(s.port, mine)
            if least_s is None:
                must(kind == 0, f"timer {kind}")
            else:
                must(kind == 2 and least_s <= when_s <= most_s, f"timer {kind} in {when_s} s")


def what_can_harm_is_behind_a_gate():
    with Server() as s:
        c = s.client()
        must_fail("ERR DEBUG command not allowed", lambda: c.call("DEBUG", "SLEEP", 0))
        must(c.call("MULTI") == "OK")
        must_fail("ERR DEBUG command not allowed", lambda: c.call("DEBUG", "SLEEP", 0))
        must_fail("EXECABORT", lambda: c.call("EXEC"))
        must_fail("ERR CONFIG SET failed (possibly related to argument 'dbfilename') - can't set "
                  "protected config", lambda: c.call("CONFIG", "SET", "dbfilename", "x"))
    with Server("--enable-debug-command", "local", "--enable-protected-configs", "yes") as s:
        c = s.client()
        must(c.call("DEBUG", "SLEEP", 0) == "OK")
        must_fail("ERR CONFIG SET failed (possibly related to argument 'dbfilename') - dbfilename "
                  "can't be a path", lambda: c.call("CONFIG", "SET", "dbfilename", "../x"))
        must(c.call("CONFIG", "SET", "dbfilename", "x") == "OK")
        must(c.call("SAVE") == "OK")
        must(os.path.isdir(os.path.join(s.data, "x")))


def addresses_can_be_changed_while_clients_stay():
    with Server() as s:
        c = s.client()
        old = s.port
        new = free_port()
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = other.getsockname()[1]
            must_fail("ERR CONFIG SET failed (possibly related to argument 'port') - Unable to "
                      "listen on this port. Check server logs.",
                      lambda: c.call("CONFIG", "SET", "timeout", 9, "port", taken, "hz", 20))
        must(c.call("CONFIG", "GET", "timeout", "hz", "port") ==
             [b"port", b"%d" % old, b"timeout", b"0", b"hz", b"10"])
        while not can_set_port(c, new):
            new = free_port()  # Others were faster.
        must(c.call("PING") == "PONG")
        s.port = new
        must(s.client().call("PING") == "PONG")
        wait_until(lambda: not is_listening("127.0.0.1", old), "the old port is still open")
        must(c.call("CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2") == "OK")
        must(is_listening("127.0.0.2", new) and is_listening("127.0.0.1", new))
        must_fail("ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind",
                  lambda: c.call("CONFIG", "SET", "bind", "0.0.0.0"))
        must_fail("ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind",
                  lambda: c.call("CONFIG", "SET", "bind", "127.0.0.3 nowhere.invalid"))
        must(not is_listening("127.0.0.3", new))
        must(c.call("CONFIG", "SET", "bind", "127.0.0.1") == "OK")
        must(is_listening("127.0.0.1", new))


def can_set_port(client, port):
    try:
        return client.call("CONFIG", "SET", "port", port) == "OK"
    except Error as e:
        must("Unable to listen on this port" in str(e), e)
        return False


def is_listening(address, port):
    try:
        socket.create_connection((address, port), 5).close()
        return True
    except OSError:
        return False


def who_looks_for_the_process_finds_it():
    s = Server()
    path = os.path.join(s.folder, "pid")
    sock = os.path.join(s.folder, "sock")
    s.arguments += ["--pidfile", path, "--unixsocket", sock, "--unixsocketperm", "700"]
    with s:
        with open(path) as f:
            must(int(f.read()) == s.process.pid)
        must(os.stat(sock).st_mode & 0o777 == 0o700)
        s.stop()
        must(not os.path.exists(path))
        s.start()


# ---- Figures ----------------------------------------------------------------------------------


def slow_commands_are_found():
    """One that sleeps is, and none that took less; on a busy machine others may have taken long."""
    with Server("--enable-debug-command", "yes", "--latency-monitor-threshold", "50") as s:
        c = s.client()
        c.call("CLIENT", "SETNAME", "me")
        c.call("CONFIG", "SET", "slowlog-log-slower-than", SLOW_US)
        c.call("SET", "a", 1)
        c.call("DEBUG", "SLEEP", "0.2")
        entries = c.call("SLOWLOG", "GET")
        must(all(entry[2] >= SLOW_US for entry in entries), entries)
        slept = [entry for entry in entries if entry[3] == [b"DEBUG", b"SLEEP", b"0.2"]]
        must(len(slept) == 1 and slept[0][5] == b"me", entries)
        must(200_000 <= slept[0][2] < 200_000_000, "these are no microseconds:", slept)
        latest = {event: worst for event, _, _, worst in c.call("LATENCY", "LATEST")}
        must(200 <= latest.get(b"command", 0) < 200_000, latest)
        stats = info(c, "commandstats")["cmdstat_debug"]
        stats = dict(field.split("=") for field in stats.split(","))
        must(stats["calls"] == "1" and 200_000 <= int(stats["usec"]) < 200_000_000, stats)
        must("latency_percentiles_usec_set" in info(c, "latencystats"))
        c.call("CONFIG", "SET", "requirepass", "secret")
        c.call("CONFIG", "SET", "slowlog-log-slower-than", 0)
        c.call("CONFIG", "SET", "requirepass", "other")
        entry = c.call("SLOWLOG", "GET", 1)[0]
        must(entry[3] == [b"CONFIG", b"SET", b"requirepass", b"(redacted)"], entry)
        c.call("CONFIG", "SET", "requirepass", "")


def every_field_of_info_that_tools_read_is_there():
    fields = {
        "server": "redis_version redis_mode os process_id run_id tcp_port uptime_in_seconds "
                  "uptime_in_days redis_build_id server_name executable config_file listener0",
        "clients": "connected_clients blocked_clients maxclients tracking_clients "
                   "total_blocking_keys_on_nokey",
        "memory": "used_memory used_memory_human used_memory_rss used_memory_peak used_memory_lua "
                  "used_memory_dataset maxmemory maxmemory_policy mem_fragmentation_ratio "
                  "number_of_cached_scripts allocator_allocated allocator_active "
                  "allocator_resident mem_clients_normal",
        "persistence": "loading rdb_bgsave_in_progress rdb_last_save_time rdb_last_bgsave_status "
                       "rdb_changes_since_last_save aof_enabled aof_rewrite_in_progress "
                       "async_loading rdb_last_bgsave_time_sec aof_current_size",
        "stats": "total_commands_processed instantaneous_ops_per_sec instantaneous_input_kbps "
                 "total_net_input_bytes keyspace_hits keyspace_misses expired_keys evicted_keys "
                 "rejected_connections total_error_replies total_connections_received "
                 "pubsub_channels pubsub_patterns total_forks total_reads_processed "
                 "acl_access_denied_auth acl_access_denied_cmd",
        "replication": "role connected_slaves master_replid master_repl_offset",
        "cpu": "used_cpu_sys used_cpu_user used_cpu_sys_main_thread",
        "cluster": "cluster_enabled",
    }
    with Server() as s:
        c = s.client()
        c.call("SET", "a", 1)
        for section, names in fields.items():
            found = info(c, section)
            missing = [name for name in names.split() if name not in found]
            must(not missing, section, "lacks", missing)
        must(info(c, "server")["listener0"] == f"name=tcp,bind=127.0.0.1,bind=-::1,port={s.port}")
        must_fail("WRONGPASS", lambda: c.call("AUTH", "nobody", "x"))
        must(info(c, "stats")["acl_access_denied_auth"] == "1")
        must(info(c, "keyspace")["db0"].startswith("keys=1,expires=0,avg_ttl="))
        before = int(info(c, "persistence")["rdb_changes_since_last_save"])
        c.call("GET", "a")
        must(int(info(c, "persistence")["rdb_changes_since_last_save"]) == before)
        c.call("SET", "a", 2)
        must(int(info(c, "persistence")["rdb_changes_since_last_save"]) > before)


CASES = [
    a_checkpoint_is_a_store_of_what_was_answered, saving_under_load_keeps_order_and_loses_nothing,
    a_crash_between_two_checkpoints_leaves_one,
    a_checkpoint_that_fails_is_an_error_and_the_old_one_stays, shutdown_saves_if_it_is_told_to,
    the_log_is_made_short, a_configuration_file_is_read_included_and_rewritten,
    maxmemory_is_what_it_was_until_the_next_start, peers_are_asked_whether_they_live,
    what_can_harm_is_behind_a_gate, who_looks_for_the_process_finds_it,
    addresses_can_be_changed_while_clients_stay, slow_commands_are_found,
    every_field_of_info_that_tools_read_is_there,
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
