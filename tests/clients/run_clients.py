#!/usr/bin/python3
"""Unmodified clients: redis-cli and its modes, redis-benchmark, redis-py, hiredis, ioredis and
node-redis connect, pipeline, and run transactions."""

import fcntl
import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from server import Checks, Server  # noqa: E402

HIREDIS = r"""
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) {
    redisContext *c = redisConnect("127.0.0.1", atoi(argv[argc - 1]));
    redisReply *r = NULL;
    if (c == NULL || c->err) return 1;
    for (int i = 0; i < 1000; i++) redisAppendCommand(c, "SET h:%d %b", i, "v\0w", (size_t)3);
    for (int i = 0; i < 1000; i++) {
        if (redisGetReply(c, (void **)&r) != REDIS_OK || strcmp(r->str, "OK") != 0) return 2;
        freeReplyObject(r);
    }
    r = redisCommand(c, "GET h:999");
    if (r == NULL || r->len != 3 || memcmp(r->str, "v\0w", 3) != 0) return 3;
    freeReplyObject(r);
    freeReplyObject(redisCommand(c, "MULTI"));
    freeReplyObject(redisCommand(c, "INCR h:n"));
    freeReplyObject(redisCommand(c, "INCR h:n"));
    r = redisCommand(c, "EXEC");
    if (r == NULL || r->elements != 2 || r->element[1]->integer != 2) return 4;
    freeReplyObject(r);
    redisFree(c);
    return 0;
}
"""

IOREDIS = """
const Redis = require('ioredis');
(async () => {
  const r = new Redis(+process.argv[2], '127.0.0.1');
  await r.set('io:k', 'v');
  if (await r.get('io:k') !== 'v') throw new Error('get');
  const p = r.pipeline();
  for (let i = 0; i < 1000; i++) p.set('io:' + i, 'x' + i);
  for (const [e, v] of await p.exec()) if (e || v !== 'OK') throw new Error('pipeline');
  await r.del('io:n');
  const t = await r.multi().incr('io:n').incr('io:n').exec();
  if (t[1][1] !== 2) throw new Error('multi');
  await r.watch('io:n');
  const other = r.duplicate();
  await other.incr('io:n');
  if (await r.multi().incr('io:n').exec() !== null) throw new Error('watch');
  r.disconnect(); other.disconnect();
  console.log('done');
})().catch(e => { console.error(e); process.exit(1); });
"""

NODE_REDIS = """
const { createClient } = require('redis');
(async () => {
  const r = createClient({ url: 'redis://127.0.0.1:' + process.argv[2] });
  r.on('error', e => { console.error(e); process.exit(1); });
  await r.connect();
  await r.set('nr:k', 'v');
  if (await r.get('nr:k') !== 'v') throw new Error('get');
  const all = [];
  for (let i = 0; i < 1000; i++) all.push(r.set('nr:' + i, 'x' + i));
  for (const v of await Promise.all(all)) if (v !== 'OK') throw new Error('pipeline');
  await r.del('nr:n');
  const t = await r.multi().incr('nr:n').incr('nr:n').exec();
  if (Number(t[1]) !== 2) throw new Error('multi');
  await r.close();
  console.log('done');
})().catch(e => { console.error(e); process.exit(1); });
"""


def run(*words, stdin=None, limit=120, cwd=None):
    done = subprocess.run(words, input=stdin, capture_output=True, timeout=limit, check=False,
                          cwd=cwd)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def cli(server, *words, **more):
    return run("redis-cli", "-p", str(server.port), *words, **more)


def interactive(server, lines):
    """What redis-cli shows on a terminal when these lines are typed, each after an answer."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(["redis-cli", "-p", str(server.port)], stdin=theirs, stdout=theirs,
                               stderr=theirs, close_fds=True)
    os.close(theirs)
    out = b""
    for line in lines:
        while select.select([ours], [], [], 1.0)[0]:
            out += os.read(ours, 65536)
        os.write(ours, line)
    try:
        process.wait(timeout=10)
        while select.select([ours], [], [], 0.2)[0]:
            out += os.read(ours, 65536)
    except (OSError, subprocess.TimeoutExpired):
        process.kill()
    os.close(ours)
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
    status, out = run("timeout", "3", "stdbuf", "-oL", "redis-cli", "-p",
                      str(server.port), "--stat")
    check("redis-cli --stat", "requests" in out and out.count("\n") >= 3, out)
    status, out = run("timeout", "3", "redis-cli", "-p", str(server.port), "--latency", "--raw")
    check("redis-cli --latency", "error" not in out.lower(), out)
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
    source = os.path.join(folder, "h.c")
    with open(source, "w") as f:
        f.write(HIREDIS)
    status, out = run("gcc", source, "-o", os.path.join(folder, "h"), "-lhiredis")
    if check("hiredis builds", status == 0, out):
        status, out = run(os.path.join(folder, "h"), str(server.port))
        check("hiredis pipelines and runs transactions", status == 0, f"exit {status} {out}")


def node(check, server, folder):
    status, out = run("npm", "install", "--no-audit", "--no-fund", "--prefix", folder, "ioredis",
                      "redis", limit=300)
    if not check("npm installs ioredis and redis", status == 0, out):
        return
    for name, script in (("ioredis", IOREDIS), ("node-redis", NODE_REDIS)):
        path = os.path.join(folder, name + ".js")
        with open(path, "w") as f:
            f.write(script)
        status, out = run("node", path, str(server.port), cwd=folder)
        check(f"{name} pipelines and runs transactions", status == 0 and "done" in out, out)


def main():
    check = Checks()
    folder = tempfile.mkdtemp(prefix="varve-clients-")
    try:
        with Server() as server:
            redis_cli(check, server)
            redis_benchmark(check, server)
            redis_py(check, server)
            hiredis(check, server, folder)
            node(check, server, folder)
            check("it stops cleanly", server.stop() == 0, server.read_log())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return check.close()


if __name__ == "__main__":
    sys.exit(main())
