/*
 * Threads that miss the same blocks at once: blocking ones and ones that drive a ring, over one
 * small cache, on a real file. Every block handed out is right; every hold is dropped; and of a
 * block that all ask for at once one blocking and one driven read are enough.
 */
#include "base/budget.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/env.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/thread.h"

#include "cache/cache.h"
#include "cache/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    THREADS = 4,
    ROUNDS = 400,
    FILE_SIZE = 1 << 20,
    TOGETHER = 60,
    ALONE_ID = 1,
    TOGETHER_ID = 2
};

struct shared {
    struct env env;
    struct budget budget;
    struct cache *cache;
    struct io_file *file;
    _Atomic int held;
    _Atomic uint64_t verified_together;
    _Atomic uint64_t checks;
    _Atomic uint32_t arrived; /* At the start of a round together. */
};

struct worker {
    struct shared *shared;
    unsigned number;
    struct thread *thread;
};

static void must(struct status s)
{
    if (failed(s))
        fprintf(stderr, "%s from %s:%u\n", status_name(s.code), s.file, s.line);
    CHECK(succeeded(s));
}

static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)(offset * 7 + (offset >> 8) * 13);
}

static struct status verify(void *context, const struct fetch_request *q, struct bytes block,
                            uint8_t *out_header, struct errbuf *err)
{
    struct shared *s = context;

    (void)err;
    for (size_t i = 0; i < block.size; i++)
        CHECK(block.data[i] == byte_at(q->offset + i));
    put_u64(out_header, q->offset);
    if (q->file_id == TOGETHER_ID)
        atomic_fetch_add(&s->verified_together, 1);
    return status_ok();
}

static void hold(void *context)
{
    atomic_fetch_add(&((struct shared *)context)->held, 1);
}

static void drop(void *context)
{
    atomic_fetch_sub(&((struct shared *)context)->held, 1);
}

static struct status get(struct shared *s, struct fetch *f, uint64_t id, uint64_t offset)
{
    const uint32_t size = 4000;
    struct fetch_block block;
    struct fetch_request q = { .file = s->file,
                               .file_id = id,
                               .offset = offset,
                               .size = size,
                               .verify = verify,
                               .context = s,
                               .hold = hold,
                               .drop = drop };
    struct status status = fetch_get(f, &q, &block);

    if (succeeded(status)) {
        CHECK(get_u64(block.header) == offset);
        CHECK(block.data.data[0] == byte_at(offset));
        CHECK(block.data.data[size - 1] == byte_at(offset + size - 1));
        atomic_fetch_add(&s->checks, 1);
    }
    return status;
}

/* Wait on the ring for f. Another thread's ring may bring its block: then this one is not told, and
 * looks now and then. */
static void drive(struct shared *s, struct fetch *f, struct io_ring *ring)
{
    (void)fetch_submit(f, ring);
    while (!fetch_is_ready(f)) {
        io_ring_wait(ring, clock_ns(s->env.clock) + 100000);
        for (struct io_op *op = io_ring_done(ring); op != NULL; op = io_ring_done(ring)) {
            while (fetch_complete(s->cache, op) != NULL)
                continue;
        }
    }
}

/* Take the rest of the ring's reads off it. */
static void drain(struct shared *s, struct io_ring *ring, struct fetch *f)
{
    fetch_reset(f);
    for (unsigned i = 0; i < 1000 && atomic_load(&s->held) > 0; i++) {
        io_ring_wait(ring, clock_ns(s->env.clock) + 1000000);
        for (struct io_op *op = io_ring_done(ring); op != NULL; op = io_ring_done(ring)) {
            while (fetch_complete(s->cache, op) != NULL)
                continue;
        }
    }
}

static void get_driven(struct shared *s, struct fetch *f, struct io_ring *ring, uint64_t id,
                       uint64_t offset)
{
    struct status status = get(s, f, id, offset);

    while (status.code == ST_AGAIN) {
        drive(s, f, ring);
        status = get(s, f, id, offset);
    }
    must(status);
}

static void run(void *context)
{
    struct worker *w = context;
    struct shared *s = w->shared;
    struct io_ring *ring;
    struct fetch f;
    struct rand r;
    bool is_driven = w->number % 2 == 0;

    rand_seed(&r, w->number);
    must(io_ring_create(s->env.io, NULL, &ring));
    fetch_init(&f, &(struct fetch_options) { .cache = s->cache, .ring = is_driven ? NULL : ring });
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t offset = rand_below(&r, 200) * 5000;
        if (rand_below(&r, 10) == 0 && is_driven) {
            /* Ask, perhaps submit, and walk away. */
            status_ignore(get(s, &f, ALONE_ID, offset), "forgotten below");
            if (rand_below(&r, 2) == 0)
                (void)fetch_submit(&f, ring);
        } else if (is_driven) {
            get_driven(s, &f, ring, ALONE_ID, offset);
        } else {
            must(get(s, &f, ALONE_ID, offset));
        }
        if (rand_below(&r, 3) == 0)
            fetch_reset(&f);
    }
    /* Together: all ask for the same fresh block at once. */
    for (uint32_t n = 0; n < TOGETHER; n++) {
        fetch_reset(&f);
        atomic_fetch_add(&s->arrived, 1);
        while (atomic_load(&s->arrived) < (n + 1) * THREADS)
            thread_yield();
        if (is_driven)
            get_driven(s, &f, ring, TOGETHER_ID, 1 + 8192 * (uint64_t)n);
        else
            must(get(s, &f, TOGETHER_ID, 1 + 8192 * (uint64_t)n));
    }
    drain(s, ring, &f);
    fetch_deinit(&f);
    io_ring_destroy(ring);
}

static void write_file(struct shared *s, const char *path)
{
    struct io_ring *ring;
    uint8_t *bytes = malloc(FILE_SIZE);

    for (uint64_t i = 0; i < FILE_SIZE; i++)
        bytes[i] = byte_at(i);
    must(io_ring_create(s->env.io, NULL, &ring));
    must(io_open(s->env.io, path, IO_WRITE | IO_CREATE, &s->file));
    must(io_write(ring, s->file, bytes, FILE_SIZE, 0));
    io_close(s->file);
    must(io_open(s->env.io, path, IO_READ, &s->file));
    io_ring_destroy(ring);
    free(bytes);
}

int main(void)
{
    static struct shared s;
    struct worker workers[THREADS];
    struct io *io;
    char path[64];

    budget_init(&s.budget, 0);
    must(io_open_machine(alloc_heap(), IO_KIND_POSIX, &io, NULL));
    s.env = (struct env) { .alloc = alloc_heap(),
                           .clock = clock_system(),
                           .io = io,
                           .budget = &s.budget,
                           .log = log_none() };
    (void)snprintf(path, sizeof path, "/tmp/fetch_prog.%d", (int)getpid());
    write_file(&s, path);
    must(cache_create(&s.env, &(struct cache_options) { .size_bytes = 1 << 20 }, &s.cache));
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker) { .shared = &s, .number = i };
        must(thread_start("fetch", run, &workers[i], &workers[i].thread));
    }
    for (unsigned i = 0; i < THREADS; i++)
        thread_join(workers[i].thread);
    CHECK(atomic_load(&s.held) == 0);
    CHECK(atomic_load(&s.verified_together) <= 2 * TOGETHER);
    cache_check(s.cache);
    cache_destroy(s.cache);
    CHECK(atomic_load(&s.budget.total_bytes) == 0);
    io_close(s.file);
    must(io_unlink(io, path));
    io_close_machine(io);
    printf("fetch: %llu checks\n", (unsigned long long)atomic_load(&s.checks));
    return 0;
}
