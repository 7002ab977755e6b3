#!/usr/bin/python3
"""Unmodified clients and tools: redis-cli and its modes, redis-benchmark, redis-py, hiredis,
redis-rb, phpredis, ioredis and node-redis, Celery, RQ and redis_exporter, as their packages are.

What each of them does with a server of strings is in docs/clients.md."""

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
import urllib.request

sys.path.insert(0, __file__.rsplit("/", 1)[0])
import languages  # noqa: E402
from server import Checks, Server, free_port  # noqa: E402

PATIENCE_S = 60
NODE_PACKAGES = ["ioredis@6.0.0", "redis@6.3.1"]  # As in docs/clients.md.

# What the dashboards for redis_exporter draw.
EXPORTED = """redis_uptime_in_seconds redis_connected_clients redis_blocked_clients
    redis_memory_used_bytes redis_memory_max_bytes redis_memory_used_rss_bytes
    redis_commands_processed_total redis_commands_total{cmd="set"}
    redis_commands_duration_seconds_total{cmd="set"} redis_keyspace_hits_total
    redis_keyspace_misses_total redis_net_input_bytes_total redis_net_output_bytes_total
    redis_db_keys{db="db0"} redis_db_keys_expiring{db="db0"} redis_expired_keys_total
    redis_evicted_keys_total redis_rejected_connections_total redis_connections_received_total
    redis_slowlog_length redis_instance_info{ redis_config_maxclients
    redis_connected_slaves""".split()


def run(*words, stdin=None, limit=120, cwd=None):
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, timeout=limit, check=False,
                              cwd=cwd)
    except subprocess.TimeoutExpired as e:
        return None, f"no end after {limit} s; " + (e.output or b"").decode(errors="replace")
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def cli(server, *words, **more):
    return run("redis-cli", "-p", str(server.port), *words, **more)


def interactive(server, lines):
    """What redis-cli shows on a terminal when these lines are typed, each at an empty prompt."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(["redis-cli", "-p", str(server.port)], stdin=theirs, stdout=theirs,
                               stderr=theirs, close_fds=True, env=dict(os.environ, TERM="xterm"))
    os.close(theirs)
    out = b""
    # Drawn anew or not, it is the last that is shown; of a line that is typed it is not.
    prompt = re.compile(rb"127\.0\.0\.1:%d> (\x1b\[0K\r\x1b\[\d+C)?$" % server.port)
    for line in lines:
        shown = len(out)
        while not prompt.search(out[shown:]) and select.select([ours], [], [], PATIENCE_S)[0]:
            out += os.read(ours, 65536)
        os.write(ours, line)
    try:
        process.wait(timeout=PATIENCE_S)
        while select.select([ours], [], [], 0.2)[0]:
            out += os.read(ours, 65536)
    except (OSError, subprocess.TimeoutExpired):
        process.kill()
    os.close(ours)
    return out.decode(errors="replace")


def shown(is_enough, server, *words):
    """What redis-cli, which goes on for ever, prints until it is enough."""
    process = subprocess.Popen(["stdbuf", "-oL", "redis-cli", "-p", str(server.port), *words],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    out = b""
    while not is_enough(out.decode(errors="replace")):
        data = b""
        if select.select([process.stdout], [], [], PATIENCE_S)[0]:
            data = os.read(process.stdout.fileno(), 65536)
        if not data:
            break
        out += data
    process.kill()
    process.wait()
    process.stdout.close()
    return out.decode(errors="replace")


def redis_cli(check, server):
    status, out = cli(server, stdin=b"set c:k 'a b'\nget c:k\nmulti\nincr c:n\nexec\n")
    check("redis-cli, commands from standard input", status == 0 and "a b" in out, out)
    out = interactive(server, [b"set c:i 77\r", b"get c:i\r", b"quit\r"])
    check("redis-cli, interactive", '"77"' in out, out)
    status, out = cli(server, "--scan", "--pattern", "c:*")
    check("redis-cli --scan", status == 0 and "c:k" in out.split(), out)
    status, out = cli(server, "--bigkeys")
    check("redis-cli --bigkeys", status == 0 and "Biggest string" in out, out)
    status, out = cli(server, "--memkeys")
    check("redis-cli --memkeys", status == 0 and "Biggest string" in out, out)
    status, out = cli(server, "--hotkeys")
    check("redis-cli --hotkeys", "LFU maxmemory policy is not selected" in out, out)
    status, out = cli(server, "--pipe", stdin=b"SET c:p 1\r\nINCR c:p\r\n")
    check("redis-cli --pipe", status == 0 and "errors: 0, replies: 2" in out, out)
    out = shown(lambda out: "subscribe" in out and "c:news" in out, server, "subscribe", "c:news")
    check("redis-cli subscribe", "subscribe" in out and "c:news" in out, out)
    out = shown(lambda out: out.startswith("OK"), server, "monitor")
    check("redis-cli monitor", out.startswith("OK"), out)
    out = shown(lambda out: "requests" in out and out.count("\n") >= 3, server, "--stat")
    check("redis-cli --stat", "requests" in out and out.count("\n") >= 3, out)
    status, out = cli(server, "--latency", "--raw")
    check("redis-cli --latency", status == 0 and len(out.split()) == 4, out)
    status, out = cli(server, "-3", "hello", "3")
    check("redis-cli -3", "proto" in out, out)


def redis_benchmark(check, server):
    status, out = run("redis-benchmark", "-p", str(server.port), "-t", "set,get,incr,mset,ping",
                      "-n", "20000", "-c", "50", "-P", "16", "-r", "10000", "-q")
    check("redis-benchmark", status == 0 and "GET:" in out and "rror" not in out, out)


def redis_py(check, server):
    import redis
    r = redis.Redis(port=server.port)
    with r.pipeline(transaction=False) as p:
        for i in range(1000):
            p.set(f"py:{i}", f"v{i}")
        check("redis-py, a pipeline", p.execute() == [True] * 1000)
    with r.pipeline() as p:
        p.watch("py:n")
        p.multi()
        p.incr("py:n")
        p.expire("py:n", 100)
        check("redis-py, WATCH and MULTI", p.execute() == [1, True])
        p.watch("py:n")
        redis.Redis(port=server.port).incr("py:n")
        p.multi()
        p.incr("py:n")
        try:
            p.execute()
            check("redis-py, a watched key that changed", False)
        except redis.WatchError:
            check("redis-py, a watched key that changed", True)
    check("redis-py, TTL", 0 < r.ttl("py:n") <= 100)
    check("redis-py, scan_iter", sum(1 for _ in r.scan_iter("py:*")) == 1001)


def hiredis(check, server, folder):
    source = write(folder, "h.c", languages.HIREDIS)
    status, out = run("gcc", source, "-o", os.path.join(folder, "h"), "-lhiredis")
    if check("hiredis builds", status == 0, out):
        program(check, "hiredis", os.path.join(folder, "h"), server)


def npm_install(folder):
    """As often as a registry may be out of reach for a moment."""
    for pause_s in 1, 10, 30, 0:
        status, out = run("npm", "install", "--no-audit", "--no-fund", "--prefix", folder,
                          *NODE_PACKAGES, limit=300)
        if status == 0:
            break
        time.sleep(pause_s)
    return status, out


def node(check, server, folder):
    status, out = npm_install(folder)
    if check("npm installs ioredis and redis", status == 0, out):
        for name, text in (("ioredis", languages.IOREDIS), ("node-redis", languages.NODE_REDIS)):
            program(check, name, "node", write(folder, name + ".js", text), server, cwd=folder)


def scripted(check, server, folder):
    program(check, "redis-rb", "ruby", write(folder, "t.rb", languages.RUBY), server)
    program(check, "phpredis", "php", write(folder, "t.php", languages.PHP), server)
    program(check, "Celery's results", "/usr/bin/python3",
            write(folder, "celery_app.py", languages.CELERY), server, cwd=folder)


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as f:
        f.write(text)
    return path


def program(check, name, *words, cwd=None):
    """The last of the words is the server; what is run ends well and says that it is done."""
    status, out = run(*words[:-1], str(words[-1].port), cwd=cwd)
    check(f"{name}: strings, pipelines, transactions, pub/sub", status == 0 and "done" in out,
          f"exit {status} {out}")


def rq(check, server):
    """RQ's workers connect, ask who they are, and register; its queues are lists and hashes."""
    import redis
    from rq import Queue, Worker
    from rq.utils import get_version
    r = redis.Redis(port=server.port)
    check("RQ reads the version", get_version(r) >= (7, 0, 0), get_version(r))
    worker = Worker(["default"], connection=r, name="w1")
    check("RQ's worker finds its address by CLIENT LIST",
          worker.ip_address.startswith("127.0.0.1:"), worker.ip_address)
    try:
        Queue(connection=r).enqueue(print, "hello")
        check("RQ is told which command is missing", False, "it was enqueued: extend this test")
    except redis.ResponseError as e:
        check("RQ is told which command is missing", "unknown command" in str(e), e)


def exporter(check, server):
    """prometheus-redis-exporter, one scrape: what its dashboards show is there."""
    port = free_port()
    process = subprocess.Popen(
        ["prometheus-redis-exporter", "--redis.addr", f"redis://127.0.0.1:{server.port}",
         "--web.listen-address", f"127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    text = ""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # It is here.
    deadline = time.monotonic() + PATIENCE_S
    while not text and time.monotonic() < deadline:
        try:
            with opener.open(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as page:
                text = page.read().decode()
        except OSError:
            time.sleep(0.05)
    process.kill()
    process.wait()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("redis_"))
    check("redis_exporter is up", values.get("redis_up") == "1", text[-600:])
    check("redis_exporter's scrape has no error",
          values.get('redis_exporter_last_scrape_error{err=""}') == "0",
          [line for line in text.splitlines() if "scrape_error" in line])
    missing = [name for name in EXPORTED if not any(key.startswith(name) for key in values)]
    check("redis_exporter shows what dashboards draw", not missing, missing)


def main():
    check = Checks()
    folder = tempfile.mkdtemp(prefix="varve-clients-")
    try:
        with Server() as server:
            redis_cli(check, server)
            redis_benchmark(check, server)
            redis_py(check, server)
            hiredis(check, server, folder)
            scripted(check, server, folder)
            rq(check, server)
            exporter(check, server)
            node(check, server, folder)
            check("it stops cleanly", server.stop() == 0, server.read_log())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return check.close()


if __name__ == "__main__":
    sys.exit(main())
