/*
 * How fast the log takes entries: what staging and writing cost the processor in relaxed mode, and
 * how durable appends compare with a bare O_DIRECT | O_DSYNC writer in the same run. Nothing is
 * asserted but that it works; the figures are for whoever changes the code.
 * Arguments: entries, durable appends, directory. An optimised build and some hundred thousand
 * entries make the figures mean something.
 */
#include "base/alloc.h"
#include "base/budget.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/env.h"
#include "base/histogram.h"
#include "base/log.h"

#include "cache/cache.h"
#include "vlog/vlog.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { BODY_MAX = 64 * 1024, ROUND = 500, BARE_SIZE = 64 * 1024 * 1024 };

struct bench {
    struct budget budget;
    struct env env;
    struct io_ring *ring;
    struct io_ring *background;
    struct cache *cache;
    struct vlog *log;
    uint64_t next_id;
    uint64_t index;
    bool waits; /* For durable writes: by a plain call; else by the ring. */
    uint8_t *body;
    char dir[128];
};

static void must(struct status s)
{
    if (failed(s))
        (void)fprintf(stderr, "%s from %s:%u\n", status_name(s.code), s.file, s.line);
    CHECK(succeeded(s));
}

static uint64_t now(void)
{
    return clock_ns(clock_system());
}

/* Processor time of this thread so far: what other work on the machine does not change. */
static uint64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct status take_id(void *context, uint64_t *out_id)
{
    struct bench *b = context;
    *out_id = b->next_id++;
    return status_ok();
}

static struct status no_entry(void *context, const struct vlog_replayed *e)
{
    (void)context;
    (void)e;
    return status_ok();
}

static void open_log(struct bench *b, enum vlog_mode mode)
{
    struct errbuf err = { { 0 } };
    struct vlog_config config = {
        .env = &b->env,
        .cache = b->cache,
        .dir = b->dir,
        .options = { .mode = mode },
        .take_file_id = take_id,
        .id_context = b,
        .err = &err,
    };
    must(vlog_open(&config, b->ring, no_entry, NULL, &b->log));
}

static void remove_files(const char *dir)
{
    char path[512];
    DIR *d = opendir(dir);

    CHECK(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.')
            (void)unlink(path);
    }
    (void)closedir(d);
}

static void close_log(struct bench *b)
{
    vlog_close(b->log, b->ring);
    remove_files(b->dir);
}

/* ---- Pieces -----------------------------------------------------------------------------------
 */

static void step(struct bench *b)
{
    enum vlog_step s;

    while ((s = b->waits ? vlog_write_wait(b->log, b->ring, now())
                         : vlog_write_step(b->log, b->ring, now())) != VLOG_IDLE) {
        CHECK(s != VLOG_BROKEN);
        if (s == VLOG_WANTS) {
            io_ring_wait(b->ring, UINT64_MAX);
            while (io_ring_done(b->ring) != NULL)
                ;
        }
    }
}

static void stage(struct bench *b, uint32_t body_size, uint32_t value_size)
{
    struct vlog_handle handle;
    struct bytes value = bytes_of(b->body, value_size);
    struct vlog_entry e = {
        .group = 1,
        .term = 1,
        .index = ++b->index,
        .body = bytes_of(b->body, body_size),
        .values = &value,
        .value_count = value_size > 0,
        .out_handles = &handle,
    };
    uint64_t lsn;
    struct status s;

    while ((s = vlog_stage(b->log, &e, &lsn)).code == ST_AGAIN)
        step(b);
    must(s);
}

/* Between measurements: prepare segments, let go of the old ones. */
static void background(struct bench *b)
{
    struct vlog_segment_info info[16];

    size_t count = vlog_segments(b->log, info, 16);
    for (size_t i = 0; i + 1 < count && i < 16; i++)
        vlog_release(b->log, b->background, info[i].id);
    while (vlog_work_step(b->log, b->background, now()) == VLOG_AGAIN)
        ;
}

/* ---- Relaxed ----------------------------------------------------------------------------------
 */

/* Entries in batches of so many, against plain writes of the same bytes. */
static void relaxed(struct bench *b, uint64_t entries, uint32_t body, uint32_t value,
                    uint32_t group)
{
    struct io_file *file;
    char path[256];
    uint64_t log_ns = 0;
    uint64_t bare_ns = 0;
    uint64_t rounds = entries / group / ROUND + 1;
    uint64_t at = 0;

    (void)snprintf(path, sizeof path, "%s/bare", b->dir);
    must(io_open(b->env.io, path, IO_WRITE | IO_CREATE, &file));
    open_log(b, VLOG_RELAXED);
    struct vlog_stats before;
    struct vlog_stats after;
    for (uint64_t round = 0; round < rounds; round++) {
        vlog_stats(b->log, &before);
        uint64_t start = cpu_ns();
        for (uint32_t i = 0; i < ROUND; i++) {
            for (uint32_t j = 0; j < group; j++)
                stage(b, body, value);
            step(b);
        }
        log_ns += cpu_ns() - start;
        background(b);
        vlog_stats(b->log, &after);
        size_t size = (size_t)((after.payload_bytes - before.payload_bytes) / ROUND) + 40;
        uint8_t *bytes = calloc(1, size);
        start = cpu_ns();
        for (uint32_t i = 0; i < ROUND; i++, at += size)
            must(io_write(b->ring, file, bytes, size, at));
        bare_ns += cpu_ns() - start;
        free(bytes);
        if (at > BARE_SIZE) {
            must(io_truncate(file, 0));
            at = 0;
        }
    }
    double n = (double)(rounds * ROUND * group);
    printf("relaxed  body %5u value %5u group %3u: %7.0f ns of processor an entry, plain writes "
           "%7.0f, the log's "
           "own %6.0f\n",
           body, value, group, (double)log_ns / n, (double)bare_ns / n,
           ((double)log_ns - (double)bare_ns) / n);
    io_close(file);
    close_log(b);
}

/* ---- Durable ----------------------------------------------------------------------------------
 */

struct bare {
    struct io_file *file;
    uint8_t *block;
    uint64_t at;
};

/* A zero-filled file, opened as the log opens its segments. */
static void bare_open(struct bench *b, struct bare *w, size_t size, bool is_filled)
{
    char path[256];

    (void)snprintf(path, sizeof path, "%s/bare", b->dir);
    w->block = alloc_aligned(alloc_heap(), IO_ALIGN, 1 << 20);
    memset(w->block, 0, 1 << 20);
    must(io_open(b->env.io, path, IO_WRITE | IO_CREATE | IO_TRUNCATE, &w->file));
    must(io_allocate(w->file, 0, BARE_SIZE));
    for (uint64_t at = 0; at < BARE_SIZE && is_filled; at += 1 << 20)
        must(io_write(b->ring, w->file, w->block, 1 << 20, at));
    must(io_sync(b->ring, w->file));
    io_close(w->file);
    must(io_open(b->env.io, path, IO_WRITE | IO_DIRECT | IO_DSYNC, &w->file));
    memset(w->block, 1, size);
    w->at = 0;
}

static void bare_write(struct bench *b, struct bare *w, size_t size, struct histogram *h)
{
    uint64_t start = now();

    if (w->at + size > BARE_SIZE)
        w->at = 0;
    must(io_write(b->ring, w->file, w->block, size, w->at));
    w->at += size;
    histogram_add(h, now() - start);
}

static void bare_close(struct bare *w)
{
    io_close(w->file);
    free(w->block);
}

static void print_times(const char *who, const struct histogram *h, uint64_t cpu)
{
    printf("%s %.1f us, p50 %.1f, p99 %.1f, processor %.1f | ", who, histogram_mean(h) / 1e3,
           histogram_percentile(h, 50) / 1e3, histogram_percentile(h, 99) / 1e3,
           (double)cpu / (double)h->count / 1e3);
}

/* One entry after another, each waited for, in turn with bare writes of as many blocks. */
static void durable(struct bench *b, uint64_t appends, uint32_t body, bool waits)
{
    struct histogram *log = malloc(sizeof *log);
    struct histogram *bare = malloc(sizeof *bare);
    size_t blocks = align_up(body + 72, IO_ALIGN);
    struct bare w;
    uint64_t log_ns = 0;
    uint64_t bare_ns = 0;
    uint64_t log_cpu = 0;
    uint64_t bare_cpu = 0;

    b->waits = waits;
    histogram_init(log);
    histogram_init(bare);
    bare_open(b, &w, blocks, true);
    open_log(b, VLOG_DURABLE);
    background(b);
    for (uint64_t done = 0; done < appends; done += ROUND) {
        uint64_t start = now();
        uint64_t cpu = cpu_ns();
        for (uint32_t i = 0; i < ROUND; i++) {
            uint64_t begin = now();
            stage(b, body, 0);
            step(b);
            histogram_add(log, now() - begin);
        }
        log_ns += now() - start;
        log_cpu += cpu_ns() - cpu;
        background(b);
        start = now();
        cpu = cpu_ns();
        for (uint32_t i = 0; i < ROUND; i++)
            bare_write(b, &w, blocks, bare);
        bare_ns += now() - start;
        bare_cpu += cpu_ns() - cpu;
    }
    printf("durable  body %5u by a %s: ", body, waits ? "call" : "ring");
    print_times("log", log, log_cpu);
    print_times("bare", bare, bare_cpu);
    printf("ratio %.2f\n", (double)bare_ns / (double)log_ns);
    bare_close(&w);
    close_log(b);
    free(log);
    free(bare);
}

/* What zero-filling is worth for writes of a size: filled and only reserved blocks, in turn. */
static void fill(struct bench *b, size_t size, bool is_filled, uint64_t count)
{
    struct histogram *h = malloc(sizeof *h);
    struct bare w;

    histogram_init(h);
    bare_open(b, &w, size, is_filled);
    for (uint64_t i = 0; i < count && w.at + size <= BARE_SIZE; i++)
        bare_write(b, &w, size, h);
    printf("blocks   %7zu bytes, %s: mean %7.1f us p50 %7.1f p99 %7.1f\n", size,
           is_filled ? "zero-filled" : "reserved   ", histogram_mean(h) / 1e3,
           histogram_percentile(h, 50) / 1e3, histogram_percentile(h, 99) / 1e3);
    bare_close(&w);
    remove_files(b->dir);
    free(h);
}

int main(int argc, char **argv)
{
    uint64_t entries = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000;
    uint64_t appends = argc > 2 ? strtoull(argv[2], NULL, 10) : 500;
    const char *parent = argc > 3 ? argv[3] : "/tmp";
    struct bench *b = calloc(1, sizeof *b);
    struct cache_options cache = { .size_bytes = 1 << 20 };
    const char *why;

    CHECK(b != NULL);
    budget_init(&b->budget, 0);
    b->env = (struct env) {
        .alloc = alloc_heap(),
        .clock = clock_system(),
        .budget = &b->budget,
        .log = log_none(),
    };
    b->next_id = 1;
    b->body = calloc(1, BODY_MAX);
    must(io_open_machine(alloc_heap(), IO_KIND_URING, &b->env.io, &why));
    must(io_ring_create(b->env.io, NULL, &b->ring));
    must(io_ring_create(b->env.io, NULL, &b->background));
    must(cache_create(&b->env, &cache, &b->cache));
    (void)snprintf(b->dir, sizeof b->dir, "%s/varve-log-speed-%ld", parent, (long)getpid());
    must(io_mkdir(b->env.io, b->dir));

    for (uint32_t group = 1; group <= 64; group *= 8)
        relaxed(b, entries, 100, 0, group);
    relaxed(b, entries / 4, 1024, 0, 1);
    relaxed(b, entries / 8, 60, 4096, 1);
    for (int round = 0; round < 2; round++) {
        durable(b, appends, 1024, true);
        durable(b, appends, 1024, false);
    }
    for (size_t size = 4096; size <= 1 << 20 && argc > 1; size *= 16) {
        fill(b, size, true, appends);
        fill(b, size, false, appends);
    }
    printf("log_speed_prog: %llu checks\n", (unsigned long long)b->index);

    io_ring_destroy(b->ring);
    io_ring_destroy(b->background);
    cache_destroy(b->cache);
    (void)rmdir(b->dir);
    io_close_machine(b->env.io);
    free(b->body);
    free(b);
    return 0;
}
