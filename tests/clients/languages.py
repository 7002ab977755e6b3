"""languages -- what clients of several languages run: strings, a pipeline, a transaction, pub/sub.

Each program takes the port, and prints "done" when everything it asked was answered as its library
promises.
"""

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
    freeReplyObject(redisCommand(c, "SUBSCRIBE h:news"));
    redisContext *other = redisConnect("127.0.0.1", atoi(argv[argc - 1]));
    freeReplyObject(redisCommand(other, "PUBLISH h:news %b", "a\0b", (size_t)3));
    if (redisGetReply(c, (void **)&r) != REDIS_OK || r->elements != 3) return 5;
    if (r->element[2]->len != 3 || memcmp(r->element[2]->str, "a\0b", 3) != 0) return 6;
    freeReplyObject(r);
    redisFree(other);
    redisFree(c);
    puts("done");
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
  const heard = new Promise(resolve => other.on('pmessage', (p, c, m) => resolve(p + c + m)));
  await other.psubscribe('io:n*');
  if (await r.publish('io:news', 'hello') !== 1) throw new Error('publish');
  if (await heard !== 'io:n*io:newshello') throw new Error('pmessage');
  let seen = 0;
  for await (const keys of r.scanStream({ match: 'io:*', count: 100 })) seen += keys.length;
  if (seen < 1000) throw new Error('scan');
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
  const other = r.duplicate();
  await other.connect();
  const heard = new Promise(resolve => other.subscribe('nr:news', resolve));
  while (await r.publish('nr:news', 'hello') !== 1) ;
  if (await heard !== 'hello') throw new Error('subscribe');
  await other.close();
  await r.close();
  console.log('done');
})().catch(e => { console.error(e); process.exit(1); });
"""

RUBY = """
require 'redis'
r = Redis.new(port: ARGV[0].to_i, timeout: 60)
r.set('rb:k', "v\\0w")
raise 'get' unless r.get('rb:k') == "v\\0w"
oks = r.pipelined { |p| 1000.times { |i| p.set("rb:#{i}", "x#{i}") } }
raise 'pipeline' unless oks == ['OK'] * 1000
raise 'multi' unless r.multi { |t| t.incr('rb:n'); t.incr('rb:n') } == [1, 2]
other = Redis.new(port: ARGV[0].to_i, timeout: 60)
aborted = r.watch('rb:n') do
  other.incr('rb:n')
  r.multi { |t| t.incr('rb:n') }
end
raise 'watch' unless aborted.nil?
raise 'scan' unless r.scan_each(match: 'rb:*').count == 1002
begin
  r.incr('rb:k')
  raise 'error'
rescue Redis::CommandError => e
  raise e unless e.message =~ /ERR value is not an integer/
end
heard = nil
r.subscribe('rb:news') do |on|
  on.subscribe { other.publish('rb:news', 'hello') }
  on.message { |channel, text| heard = channel + text; r.unsubscribe }
end
raise 'subscribe' unless heard == 'rb:newshello'
raise 'info' unless r.info['redis_version'] >= '7'
puts 'done'
"""

PHP = """<?php
function want($what, $ok) { if (!$ok) { fwrite(STDERR, "$what\\n"); exit(1); } }
$child = pcntl_fork(); // Before there is a connection that both would close.
if ($child === 0) {
    $late = new Redis();
    $late->connect('127.0.0.1', (int)$argv[1]);
    for ($i = 0; $i < 100000 && $late->publish('php:news', 'hello') !== 1; $i++) usleep(1000);
    exit(0);
}
$r = new Redis();
$r->connect('127.0.0.1', (int)$argv[1]);
want('set', $r->set('php:k', "v\\0w") === true);
want('get', $r->get('php:k') === "v\\0w");
want('none', $r->get('php:none') === false);
$p = $r->pipeline();
for ($i = 0; $i < 1000; $i++) $p->set("php:$i", "x$i");
want('pipeline', $p->exec() === array_fill(0, 1000, true));
want('multi', $r->multi()->incr('php:n')->incr('php:n')->exec() === [1, 2]);
$other = new Redis();
$other->connect('127.0.0.1', (int)$argv[1]);
$r->watch('php:n');
$other->incr('php:n');
want('watch', $r->multi()->incr('php:n')->exec() === false);
want('lock', $r->set('php:lock', '1', ['nx', 'px' => 500000]) === true);
want('locked', $r->set('php:lock', '2', ['nx', 'px' => 500000]) === false);
want('ttl', $r->pttl('php:lock') > 0);
want('error', $r->incr('php:k') === false && strpos($r->getLastError(), 'ERR value') === 0);
$seen = 0;
$cursor = null;
$r->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
while ($keys = $r->scan($cursor, 'php:*', 100)) $seen += count($keys);
want('scan', $seen >= 1000);
want('info', $r->info()['redis_version'] >= '7');
$r->setOption(Redis::OPT_READ_TIMEOUT, 100);
$r->subscribe(['php:news'], function ($r, $channel, $text) {
    want('subscribe', $channel . $text === 'php:newshello');
    echo "done\\n";
    $r->close(); // Or the end of the script waits for one more message.
    exit(0);     // The only way out of the loop.
});
"""

# Celery keeps results as strings and tells of them by pub/sub; its queue is elsewhere here, as a
# queue in Redis wants lists.
CELERY = """
import sys
import celery
from celery.contrib.testing.worker import start_worker
app = celery.Celery('t', broker='memory://', backend='redis://127.0.0.1:%s/1' % sys.argv[1])
app.conf.worker_hijack_root_logger = False

@app.task
def add(a, b):
    return a + b

@app.task
def broken():
    raise ValueError('no such luck')

with start_worker(app, pool='solo', perform_ping_check=False, loglevel='ERROR'):
    assert add.delay(2, 3).get(timeout=100) == 5
    group = celery.group(add.s(i, i) for i in range(10))()
    assert group.get(timeout=100) == [2 * i for i in range(10)]
    result = broken.delay()
    assert isinstance(result.get(timeout=100, propagate=False), ValueError)
    assert result.state == 'FAILURE'
    assert app.AsyncResult(result.id).state == 'FAILURE'
    result.forget()
    assert app.AsyncResult(result.id).state == 'PENDING'
print('done')
"""
