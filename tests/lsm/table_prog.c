/*
 * Threads that ask one table at once, from its first use on: the tail, the range deletes and every
 * block are read by whoever comes first, through a cache too small for the table.
 */
#include "support/table_fixture.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

#include <stdio.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 6, GETS = 300, KEYS = 4000 };

struct shared {
    struct env env;
    struct budget budget;
    struct cache *cache;
    struct entry_set set;
    struct lsm_table_meta meta;
    struct lsm_table *table;
    char dir[64];
    _Atomic uint64_t checks;
    _Atomic uint32_t arrived;
};

struct worker {
    struct shared *shared;
    uint32_t number;
    uint32_t round;
    struct thread *thread;
};

static void must(struct status s)
{
    if (failed(s))
        fprintf(stderr, "%s from %s:%u\n", status_name(s.code), s.file, s.line);
    CHECK(succeeded(s));
}

static void ask(struct shared *s, struct fetch *f, struct rand *r)
{
    const struct lsm_entry *want = &s->set.entries[rand_below(r, s->set.count)];
    struct lsm_entry e;

    must(lsm_table_get(s->table, f, want->key, lsm_table_key_hash(want->key), want->version, NULL,
                       &e));
    CHECK(entry_equal(&e, want));
    for (unsigned step = 0; step < LSM_TABLE_PREFETCH_STEPS; step++)
        lsm_table_prefetch(s->table, rand_u64(r), step);
    fetch_reset(f);
}

static void walk(struct shared *s, struct fetch *f, struct rand *r)
{
    size_t at = rand_below(r, s->set.count);
    struct lsm_iter *it;

    must(lsm_table_iter(s->table, f, NULL, &it));
    must(lsm_iter_seek(it, s->set.entries[at].key, s->set.entries[at].version));
    for (unsigned n = 0; n < 300 && it->is_valid; n++) {
        CHECK(entry_equal(&it->entry, &s->set.entries[at + n]));
        must(lsm_iter_next(it));
    }
    lsm_iter_destroy(it);
    fetch_reset(f);
}

static void run(void *context)
{
    struct worker *w = context;
    struct shared *s = w->shared;
    const struct lsm_rangedel_set *set;
    struct io_ring *ring;
    struct fetch f;
    struct rand r;

    rand_seed(&r, w->number + 100 * w->round);
    must(io_ring_create(s->env.io, NULL, &ring));
    fetch_init(&f, &(struct fetch_options) { .cache = s->cache, .ring = ring });
    atomic_fetch_add(&s->arrived, 1);
    while (atomic_load(&s->arrived) < (w->round + 1) * THREADS)
        thread_yield();
    must(lsm_table_range_deletes(s->table, &f, &set));
    CHECK(lsm_rangedel_count(set) == 1);
    for (unsigned n = 0; n < GETS; n++)
        ask(s, &f, &r);
    for (unsigned n = 0; n < 3; n++)
        walk(s, &f, &r);
    atomic_fetch_add(&s->checks, GETS + 3 * 300);
    CHECK(lsm_table_memory(s->table) > 0);
    fetch_deinit(&f);
    io_ring_destroy(ring);
}

static void build(struct shared *s)
{
    struct lsm_table_options options = { .block_size = 0 };
    struct entry_set_options o = { .style = STYLE_MIXED,
                                   .key_count = KEYS,
                                   .value_size_max = 200,
                                   .handle_percent = 30,
                                   .ref_count = 4 };
    struct lsm_range_delete d = { .begin = bytes_str("a"), .end = bytes_str("b"), .version = 3 };
    struct lsm_table_builder *b;
    struct io_ring *ring;
    struct rand r;

    rand_seed(&r, 1);
    entry_set_make(&s->set, &r, &o);
    must(io_ring_create(s->env.io, NULL, &ring));
    must(lsm_table_builder_create(&s->env, ring, s->dir, 1, &options, &b));
    must(lsm_table_builder_add_range_delete(b, &d));
    for (size_t i = 0; i < s->set.count; i++)
        must(lsm_table_builder_add(b, &s->set.entries[i]));
    must(lsm_table_builder_finish(b, &s->meta));
    io_ring_destroy(ring);
}

int main(void)
{
    static struct shared s;
    struct worker workers[THREADS];
    struct io *io;
    char path[128];

    budget_init(&s.budget, 0);
    must(io_open_machine(alloc_heap(), IO_KIND_POSIX, &io, NULL));
    s.env = (struct env) { .alloc = alloc_heap(),
                           .clock = clock_system(),
                           .io = io,
                           .budget = &s.budget,
                           .log = log_none() };
    (void)snprintf(s.dir, sizeof s.dir, "/tmp/table_prog.%d", (int)getpid());
    must(io_mkdir(io, s.dir));
    build(&s);
    must(cache_create(&s.env, &(struct cache_options) { .size_bytes = 256 << 10 }, &s.cache));
    for (uint32_t round = 0; round < ROUNDS; round++) {
        must(lsm_table_open(&s.env, s.dir, &s.meta, &s.table));
        for (uint32_t i = 0; i < THREADS; i++) {
            workers[i] = (struct worker) { .shared = &s, .number = i, .round = round };
            must(thread_start("table", run, &workers[i], &workers[i].thread));
        }
        for (uint32_t i = 0; i < THREADS; i++)
            thread_join(workers[i].thread);
        lsm_table_close(s.table);
    }
    cache_destroy(s.cache);
    lsm_table_meta_deinit(&s.meta, s.env.alloc);
    entry_set_free(&s.set);
    CHECK(atomic_load(&s.budget.total_bytes) == 0);
    (void)snprintf(path, sizeof path, "%s/00000001.sst", s.dir);
    must(io_unlink(io, path));
    (void)rmdir(s.dir);
    io_close_machine(io);
    printf("table: %llu checks\n", (unsigned long long)atomic_load(&s.checks));
    return 0;
}
