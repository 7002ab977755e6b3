/*
 * The log under ThreadSanitizer, on the real machine: one writer, readers of fresh and old values,
 * and the background adopting, rewriting and dropping behind their backs. Checked:
 *   - every value read is the one that was staged, whichever file it has moved to;
 *   - a published entry was acknowledged;
 *   - after a reopen all that was acknowledged and not flushed is replayed.
 */
#include "base/alloc.h"
#include "base/budget.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/thread.h"

#include "cache/cache.h"
#include "vlog/vlog.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    READERS = 3,
    ENTRIES = 12000,
    VALUES = 2,
    VALUE_MAX = 900,
    SEGMENT_SIZE = 256 * 1024,
    CACHE_SIZE = 512 * 1024,
    FILES_MAX = 1024,
    DROP_BEHIND = 6000, /* Entries this far behind the newest are dropped. */
    AHEAD_MAX = 800, /* The writer is at most so many entries ahead of the background's rounds. */
};

struct house {
    struct env env;
    struct budget budget;
    struct cache *cache;
    struct vlog *log;
    char dir[64];
    _Atomic uint64_t next_id;

    /* By index; published by `published` (release), read by readers (acquire). */
    struct vlog_handle handles[ENTRIES + 1][VALUES];
    uint64_t lsns[ENTRIES + 1];
    _Atomic uint64_t published;
    _Atomic uint64_t oldest;           /* Entries below may be gone. */
    _Atomic uint64_t reading[READERS]; /* What each reader stands at; UINT64_MAX: nothing. */
    _Atomic uint64_t swept;            /* Published when the background's last round began. */
    _Atomic bool is_done;
    _Atomic uint32_t has_work;

    /* The background's manifest. */
    struct vlog_file files[FILES_MAX];
    uint64_t last_index[FILES_MAX]; /* The last entry with a value in it. */
    size_t file_count;
    uint64_t flushed_lsn;
    uint64_t replay_from;

    _Atomic uint64_t reads;
    uint64_t rewritten;
    uint64_t dropped;
    uint64_t replayed;
    uint64_t expected_index;
};

struct reader {
    struct house *h;
    uint32_t number;
};

static size_t value_size(uint64_t index, uint32_t which)
{
    return hash_u64(index * VALUES + which) % VALUE_MAX;
}

static void fill(uint64_t index, uint32_t which, uint8_t *out)
{
    size_t size = value_size(index, which);
    struct rand r;
    rand_seed(&r, index * VALUES + which);
    rand_fill(&r, out, size);
}

static struct io_ring *ring_of(struct house *h)
{
    struct io_ring *ring;
    CHECK(succeeded(io_ring_create(h->env.io, NULL, &ring)));
    return ring;
}

static struct status take_id(void *context, uint64_t *out_id)
{
    struct house *h = context;
    *out_id = atomic_fetch_add(&h->next_id, 1);
    return status_ok();
}

static void wake(void *context)
{
    struct house *h = context;
    atomic_store(&h->has_work, 1);
    futex_wake(&h->has_work, 1);
}

/* ---- The writer ------------------------------------------------------------------------------ */

static void step(struct house *h, struct io_ring *ring)
{
    enum vlog_step s;

    do {
        s = vlog_write_step(h->log, ring, clock_ns(h->env.clock));
        CHECK(s != VLOG_BROKEN);
        if (s == VLOG_WANTS) {
            io_ring_wait(ring, UINT64_MAX);
            while (io_ring_done(ring) != NULL)
                ;
        }
    } while (s == VLOG_WANTS || s == VLOG_AGAIN);
}

static void stage(struct house *h, struct io_ring *ring, uint64_t index)
{
    uint8_t bytes[VALUES][VALUE_MAX];
    struct bytes values[VALUES];
    struct vlog_entry e = {
        .group = 1,
        .term = 1,
        .index = index,
        .body = bytes_of(&index, sizeof index),
        .values = values,
        .value_count = VALUES,
        .out_handles = h->handles[index],
    };
    struct status s;

    for (uint32_t i = 0; i < VALUES; i++) {
        fill(index, i, bytes[i]);
        values[i] = bytes_of(bytes[i], value_size(index, i));
    }
    while ((s = vlog_stage(h->log, &e, &h->lsns[index])).code == ST_AGAIN)
        step(h, ring);
    CHECK(succeeded(s));
}

static void run_writer(void *context)
{
    struct house *h = context;
    struct io_ring *ring = ring_of(h);
    uint64_t index = 0;
    struct rand r;

    rand_seed(&r, 1);
    while (index < ENTRIES) {
        uint64_t count = 1 + rand_below(&r, 8);
        for (uint64_t i = 0; i < count && index < ENTRIES; i++)
            stage(h, ring, ++index);
        step(h, ring);
        CHECK(vlog_written_lsn(h->log) >= h->lsns[index]);
        atomic_store_explicit(&h->published, index, memory_order_release);
        while (index > atomic_load(&h->swept) + AHEAD_MAX) {
            wake(h);
            thread_yield();
        }
    }
    atomic_store(&h->is_done, true);
    wake(h);
    io_ring_destroy(ring);
}

/* ---- Readers --------------------------------------------------------------------------------- */

/* Stand at an entry that will stay until we leave; 0: none there yet. */
static uint64_t stand(struct house *h, uint32_t number, struct rand *r)
{
    uint64_t published = atomic_load_explicit(&h->published, memory_order_acquire);
    uint64_t oldest = atomic_load(&h->oldest);

    if (published <= oldest)
        return 0;
    /* Half of the reads are of the newest few. */
    uint64_t span = published - oldest;
    if (rand_below(r, 2) == 0 && span > 20)
        span = 20;
    uint64_t index = published - rand_below(r, span);
    atomic_store(&h->reading[number], index);
    if (index <= atomic_load(&h->oldest)) {
        atomic_store(&h->reading[number], UINT64_MAX);
        return 0;
    }
    return index;
}

static void read_entry(struct house *h, struct fetch *f, uint64_t index)
{
    uint8_t want[VALUE_MAX];

    for (uint32_t i = 0; i < VALUES; i++) {
        struct bytes value;
        struct status s = vlog_read(h->log, f, &h->handles[index][i], &value);
        if (failed(s))
            (void)fprintf(stderr, "entry %llu: %s\n", (unsigned long long)index, f->err.text);
        CHECK(succeeded(s));
        fill(index, i, want);
        CHECK(bytes_equal(value, bytes_of(want, value_size(index, i))));
        atomic_fetch_add_explicit(&h->reads, 1, memory_order_relaxed);
    }
    fetch_reset(f);
}

static void run_reader(void *context)
{
    struct reader *me = context;
    struct house *h = me->h;
    struct io_ring *ring = ring_of(h);
    struct fetch_options options = { .cache = h->cache, .ring = ring };
    struct fetch f;
    struct rand r;

    rand_seed(&r, 100 + me->number);
    fetch_init(&f, &options);
    while (!atomic_load(&h->is_done)) {
        uint64_t index = stand(h, me->number, &r);
        if (index == 0) {
            thread_yield();
            continue;
        }
        read_entry(h, &f, index);
        atomic_store(&h->reading[me->number], UINT64_MAX);
        (void)vlog_log_bytes(h->log);
    }
    fetch_deinit(&f);
    io_ring_destroy(ring);
}

/* ---- The background -------------------------------------------------------------------------- */

static void adopt(struct house *h, struct io_ring *ring)
{
    struct vlog_segment_info info[64];
    size_t count = vlog_segments(h->log, info, 64);

    for (size_t i = 0; i < count && i < 64 && h->file_count < FILES_MAX; i++) {
        if (info[i].is_active || !info[i].is_sealed)
            continue;
        CHECK(succeeded(vlog_barrier(h->log, ring, info[i].last_lsn)));
        CHECK(succeeded(vlog_adopt(h->log, ring, info[i].id, &h->files[h->file_count])));
        h->last_index[h->file_count++] =
            atomic_load_explicit(&h->published, memory_order_acquire) + 16;
        h->flushed_lsn = info[i].last_lsn;
        h->replay_from = info[i + 1].id;
    }
}

static struct status copy_value(void *context, uint32_t ordinal, struct bytes value)
{
    struct vlog_handle handle;
    return vlog_writer_add(context, ordinal, value, &handle);
}

static void rewrite(struct house *h, struct io_ring *ring, size_t i)
{
    struct vlog_writer *w;
    struct errbuf err;

    CHECK(succeeded(vlog_writer_create(h->log, ring, h->files[i].logical, &w)));
    CHECK(succeeded(vlog_scan(h->log, ring, h->files[i].logical, NULL, copy_value, w, &err)));
    CHECK(succeeded(vlog_writer_finish(w, &h->files[i])));
    CHECK(succeeded(vlog_install(h->log, &h->files[i])));
    h->rewritten++;
}

static void drop_oldest(struct house *h)
{
    uint64_t published = atomic_load_explicit(&h->published, memory_order_acquire);

    if (h->file_count == 0 || published < h->last_index[0] + DROP_BEHIND)
        return;
    uint64_t oldest = h->last_index[0];
    atomic_store(&h->oldest, oldest);
    for (uint32_t i = 0; i < READERS; i++) {
        while (atomic_load(&h->reading[i]) <= oldest)
            thread_yield();
    }
    vlog_drop(h->log, h->files[0].logical);
    h->file_count--;
    memmove(h->files, h->files + 1, h->file_count * sizeof *h->files);
    memmove(h->last_index, h->last_index + 1, h->file_count * sizeof *h->last_index);
    h->dropped++;
}

static void run_background(void *context)
{
    struct house *h = context;
    struct io_ring *ring = ring_of(h);
    struct rand r;

    rand_seed(&r, 2);
    while (!atomic_load(&h->is_done)) {
        futex_wait(&h->has_work, 0);
        atomic_store(&h->has_work, 0);
        uint64_t published = atomic_load(&h->published);
        while (vlog_work_step(h->log, ring, clock_ns(h->env.clock)) == VLOG_AGAIN)
            ;
        adopt(h, ring);
        if (h->file_count > 0)
            rewrite(h, ring, (size_t)rand_below(&r, h->file_count));
        drop_oldest(h);
        atomic_store(&h->swept, published);
    }
    io_ring_destroy(ring);
}

/* ---- All of it ------------------------------------------------------------------------------- */

static struct status on_entry(void *context, const struct vlog_replayed *e)
{
    struct house *h = context;
    uint8_t want[VALUE_MAX];

    CHECK(h->expected_index == 0 || e->index == h->expected_index);
    h->expected_index = e->index + 1;
    for (uint32_t i = 0; i < e->value_count; i++) {
        fill(e->index, i, want);
        CHECK(bytes_equal(e->values[i], bytes_of(want, value_size(e->index, i))));
    }
    h->replayed++;
    return status_ok();
}

static void open_log(struct house *h, enum vlog_mode mode, struct io_ring *ring)
{
    struct errbuf err = { { 0 } };
    struct vlog_config config = {
        .env = &h->env,
        .cache = h->cache,
        .dir = h->dir,
        .store_uuid = "0123456789abcdef",
        .options = { .mode = mode, .segment_size = SEGMENT_SIZE },
        .files = h->files,
        .file_count = h->file_count,
        .replay_from = h->replay_from,
        .flushed_lsn = h->flushed_lsn,
        .take_file_id = take_id,
        .id_context = h,
        .err = &err,
    };

    struct status s = vlog_open(&config, ring, on_entry, h, &h->log);
    if (failed(s))
        (void)fprintf(stderr, "open: %s\n", err.text);
    CHECK(succeeded(s));
    vlog_on_work(h->log, wake, h);
}

static void remove_dir(const char *dir)
{
    char path[512];
    DIR *d = opendir(dir);

    CHECK(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        (void)unlink(path);
    }
    (void)closedir(d);
    (void)rmdir(dir);
}

static uint64_t run(enum vlog_mode mode)
{
    struct house *h = calloc(1, sizeof *h);
    struct reader readers[READERS];
    struct thread *threads[READERS + 2];
    const char *why;

    CHECK(h != NULL);
    budget_init(&h->budget, 0);
    h->env = (struct env) {
        .alloc = alloc_heap(),
        .clock = clock_system(),
        .budget = &h->budget,
        .log = log_none(),
    };
    CHECK(succeeded(io_open_machine(alloc_heap(), IO_KIND_POSIX, &h->env.io, &why)));
    (void)snprintf(h->dir, sizeof h->dir, "/tmp/varve-vlog-prog-%ld", (long)getpid());
    CHECK(succeeded(io_mkdir(h->env.io, h->dir)));
    struct cache_options cache = { .size_bytes = CACHE_SIZE };
    CHECK(succeeded(cache_create(&h->env, &cache, &h->cache)));
    atomic_init(&h->next_id, 1);
    struct io_ring *ring = ring_of(h);
    open_log(h, mode, ring);

    for (uint32_t i = 0; i < READERS; i++) {
        atomic_init(&h->reading[i], UINT64_MAX);
        readers[i] = (struct reader) { .h = h, .number = i };
    }
    CHECK(succeeded(thread_start("writer", run_writer, h, &threads[0])));
    CHECK(succeeded(thread_start("background", run_background, h, &threads[1])));
    for (uint32_t i = 0; i < READERS; i++)
        CHECK(succeeded(thread_start("reader", run_reader, &readers[i], &threads[2 + i])));
    for (size_t i = 0; i < READERS + 2; i++)
        thread_join(threads[i]);

    vlog_close(h->log, ring);
    uint64_t flushed = h->flushed_lsn;
    open_log(h, mode, ring);
    CHECK(h->expected_index == ENTRIES + 1);
    CHECK(flushed == h->flushed_lsn && h->rewritten > 3 && h->dropped > 0);
    vlog_close(h->log, ring);

    io_ring_destroy(ring);
    cache_destroy(h->cache);
    remove_dir(h->dir);
    io_close_machine(h->env.io);
    uint64_t checks = atomic_load(&h->reads) + h->replayed;
    free(h);
    return checks;
}

int main(void)
{
    uint64_t checks = run(VLOG_RELAXED) + run(VLOG_DURABLE);
    printf("vlog_prog: %llu checks\n", (unsigned long long)checks);
    return 0;
}
