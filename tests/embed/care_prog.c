/*
 * Everything at once that may be called at once: while batches are written, others read pairs at
 * one state (many at once, by snapshot, by iterator), hold pinned values and snapshots across
 * flushes, verify, compact, make keyspaces and drop them, and take checkpoints, which are opened
 * and must hold whole batches, too. A batch writes one number under a key and its twin, so half a
 * batch cannot be overlooked; some batches clear a range first, so that keys come and go.
 */
#include "embed/varve.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/rand.h"
#include "base/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WRITERS = 3, KEYS = 200, SECONDS = 4, VALUE_MAX = 3000, MANY = 150 };

struct shared {
    struct varve *store;
    struct varve_options options;
    char dir[64];
    _Atomic uint64_t checks;
    uint64_t deadline_ns;
};

struct worker {
    struct shared *shared;
    unsigned number;
    struct rand rand;
    struct varve_error error;
};

static void must(enum varve_code code, const struct varve_error *error)
{
    if (code != VARVE_OK)
        fprintf(stderr, "%s: %s\n", varve_code_name(code), error->text);
    CHECK(code == VARVE_OK);
}

static bool is_over(const struct shared *s)
{
    return clock_ns(clock_system()) >= s->deadline_ns;
}

/* "l/012" and its twin "r/012". */
static struct varve_slice key_of(char side, unsigned k, char *out)
{
    (void)snprintf(out, 16, "%c/%03u", side, k % 1000);
    return (struct varve_slice) { .data = out, .size = 5 };
}

static size_t value_of(uint64_t number, char *out)
{
    size_t size = 8 + number * 977 % (VALUE_MAX - 8);
    memset(out, (int)number, size);
    memcpy(out, &number, sizeof number);
    return size;
}

static uint64_t number_of(const void *data, size_t size)
{
    char whole[VALUE_MAX];
    uint64_t number;

    CHECK(size >= sizeof number);
    memcpy(&number, data, sizeof number);
    CHECK(value_of(number, whole) == size && memcmp(whole, data, size) == 0);
    return number;
}

/* ---- Writing -------------------------------------------------------------------------------- */

static void fill(struct worker *w, struct varve_batch *batch, uint64_t number)
{
    char value[VALUE_MAX];
    char begin[16];
    char end[16];
    unsigned first = (unsigned)rand_below(&w->rand, KEYS);
    unsigned count = 1 + (unsigned)rand_below(&w->rand, 8);
    bool clears = rand_below(&w->rand, 10) == 0;

    for (const char *side = "lr"; *side != '\0'; side++) {
        if (clears) {
            struct varve_slice b = key_of(*side, first, begin);
            struct varve_slice e = key_of(*side, first + 40, end);
            must(varve_batch_delete_range(batch, 0, b.data, b.size, e.data, e.size, &w->error),
                 &w->error);
        }
        for (unsigned i = 0; i < count; i++) {
            struct varve_slice k = key_of(*side, (first + i) % KEYS, begin);
            size_t size = value_of(number + i, value);
            must(varve_batch_put(batch, 0, k.data, k.size, value, size, &w->error), &w->error);
        }
    }
}

static void write_on(void *context)
{
    struct worker *w = context;
    struct varve_batch *batch;

    must(varve_batch_create(w->shared->store, &batch, &w->error), &w->error);
    for (uint64_t n = w->number * UINT64_C(1000000000); !is_over(w->shared); n += 10) {
        fill(w, batch, n);
        must(varve_write(w->shared->store, batch, &w->error), &w->error);
    }
    varve_batch_destroy(batch);
}

/* ---- Reading at one state ---------------------------------------------------------------------
 */

/* Both sides show the same numbers under the same keys. */
static void walk(struct varve *store, const struct varve_snapshot *snapshot, struct worker *w)
{
    uint64_t seen[2][KEYS] = { { 0 } };
    const struct varve_iterator_options options = { .snapshot = snapshot };
    struct varve_iterator *it;
    struct varve_slice value;

    must(varve_iterator_create(store, &options, &it, &w->error), &w->error);
    for (must(varve_iterator_first(it, &w->error), &w->error); varve_iterator_valid(it);
         must(varve_iterator_next(it, &w->error), &w->error)) {
        struct varve_slice key = varve_iterator_key(it);
        char number[4] = "";
        CHECK(key.size == 5);
        memcpy(number, (const char *)key.data + 2, 3);
        must(varve_iterator_value(it, &value, &w->error), &w->error);
        CHECK(varve_iterator_value_size(it) == value.size);
        seen[*(const char *)key.data == 'r'][strtoul(number, NULL, 10)] =
            1 + number_of(value.data, value.size);
    }
    varve_iterator_destroy(it);
    CHECK(memcmp(seen[0], seen[1], sizeof seen[0]) == 0);
    atomic_fetch_add(&w->shared->checks, KEYS);
}

/* More keys than one round of the call takes: still one state. */
static void get_many(struct worker *w)
{
    struct varve_slice keys[2 * MANY];
    char texts[2 * MANY][16];
    struct varve_pinned values[2 * MANY];
    enum varve_code codes[2 * MANY];

    for (unsigned i = 0; i < MANY; i++) {
        keys[i] = key_of('l', i, texts[i]);
        keys[2 * MANY - 1 - i] = key_of('r', i, texts[2 * MANY - 1 - i]);
    }
    must(varve_multi_get(w->shared->store, NULL, keys, 2 * MANY, values, codes, &w->error),
         &w->error);
    for (unsigned i = 0; i < MANY; i++) {
        unsigned twin = 2 * MANY - 1 - i;
        CHECK(codes[i] == codes[twin]);
        CHECK(codes[i] == VARVE_OK || codes[i] == VARVE_NOT_FOUND);
        if (codes[i] == VARVE_OK)
            CHECK(number_of(values[i].data, values[i].size) ==
                  number_of(values[twin].data, values[twin].size));
        varve_unpin(w->shared->store, &values[i]);
        varve_unpin(w->shared->store, &values[twin]);
    }
    atomic_fetch_add(&w->shared->checks, MANY);
}

static void read_on(void *context)
{
    struct worker *w = context;
    while (!is_over(w->shared)) {
        get_many(w);
        walk(w->shared->store, NULL, w);
    }
}

/* What is held stays as it was, whatever is flushed, merged and rewritten meanwhile. */
static void hold_on(void *context)
{
    struct worker *w = context;
    struct varve *store = w->shared->store;

    while (!is_over(w->shared)) {
        struct varve_snapshot *snapshot;
        struct varve_pinned held[KEYS] = { { .data = NULL } };
        uint64_t numbers[KEYS];
        char text[16];
        must(varve_snapshot_take(store, &snapshot, &w->error), &w->error);
        const struct varve_read_options read = { .snapshot = snapshot };
        for (unsigned k = 0; k < KEYS; k++) {
            struct varve_slice key = key_of('l', k, text);
            enum varve_code code = varve_get(store, &read, key.data, key.size, &held[k], &w->error);
            CHECK(code == VARVE_OK || code == VARVE_NOT_FOUND);
            if (code == VARVE_OK)
                numbers[k] = number_of(held[k].data, held[k].size);
        }
        must(varve_flush(store, &w->error), &w->error);
        must(varve_compact(store, 0, NULL, 0, NULL, 0, &w->error), &w->error);
        walk(store, snapshot, w);
        for (unsigned k = 0; k < KEYS; k++) {
            if (held[k].hold != NULL)
                CHECK(number_of(held[k].data, held[k].size) == numbers[k]);
            varve_unpin(store, &held[k]);
        }
        varve_snapshot_release(store, snapshot);
    }
}

/* ---- Care -------------------------------------------------------------------------------------
 */

static void remove_dir(const char *path)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", path);
    CHECK(system(command) == 0);
}

static void check_copy(struct worker *w, const char *path)
{
    struct varve *copy;

    must(varve_open(path, &w->shared->options, &copy, &w->error), &w->error);
    must(varve_verify(copy, &w->error), &w->error);
    walk(copy, NULL, w);
    must(varve_put(copy, 0, "l/000", 5, "goes on", 7, &w->error), &w->error);
    must(varve_close(copy, &w->error), &w->error);
    varve_free(copy);
}

static void copy_on(void *context)
{
    struct worker *w = context;
    char path[96];

    (void)snprintf(path, sizeof path, "%s/copy", w->shared->dir);
    while (!is_over(w->shared)) {
        must(varve_checkpoint(w->shared->store, path, &w->error), &w->error);
        check_copy(w, path);
        remove_dir(path);
        must(varve_verify(w->shared->store, &w->error), &w->error);
    }
}

static void count_name(void *context, const char *name, varve_keyspace keyspace)
{
    CHECK(name[0] != '\0' && (keyspace == 0) == (strcmp(name, "default") == 0));
    ++*(unsigned *)context;
}

/* Keyspaces come and go; a new one is empty, whatever lay in those before it. */
static void name_on(void *context)
{
    struct worker *w = context;
    struct varve *store = w->shared->store;
    struct varve_statistics statistics;

    while (!is_over(w->shared)) {
        varve_keyspace keyspace;
        varve_keyspace found;
        struct varve_iterator *it;
        unsigned names = 0;
        must(varve_keyspace_create(store, "passing", &keyspace, &w->error), &w->error);
        must(varve_keyspace_find(store, "passing", &found, &w->error), &w->error);
        CHECK(found == keyspace);
        const struct varve_iterator_options options = { .keyspace = keyspace };
        must(varve_iterator_create(store, &options, &it, &w->error), &w->error);
        must(varve_put(store, keyspace, "k", 1, "v", 1, &w->error), &w->error);
        must(varve_iterator_first(it, &w->error), &w->error);
        CHECK(!varve_iterator_valid(it));
        varve_iterator_destroy(it);
        must(varve_keyspace_list(store, count_name, &names, &w->error), &w->error);
        CHECK(names == 2);
        must(varve_keyspace_drop(store, "passing", &w->error), &w->error);
        must(varve_statistics(store, &statistics, &w->error), &w->error);
        CHECK(statistics.failure == NULL);
        atomic_fetch_add(&w->shared->checks, 1);
    }
}

/* ---- All --------------------------------------------------------------------------------------
 */

static void run_all(struct shared *s)
{
    static void (*const others[])(void *) = { read_on, hold_on, copy_on, name_on };
    enum { THREADS = WRITERS + sizeof others / sizeof others[0] };
    struct thread *threads[THREADS];
    static struct worker workers[THREADS];

    s->deadline_ns = clock_ns(clock_system()) + SECONDS * UINT64_C(1000000000);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker) { .shared = s, .number = i };
        rand_seed(&workers[i].rand, i + 1);
        CHECK(succeeded(thread_start("worker", i < WRITERS ? write_on : others[i - WRITERS],
                                     &workers[i], &threads[i])));
    }
    for (unsigned i = 0; i < THREADS; i++)
        thread_join(threads[i]);
}

int main(void)
{
    static struct shared s = { .dir = "/tmp/varve-care-XXXXXX" };
    struct worker w = { .shared = &s };
    char path[96];

    CHECK(mkdtemp(s.dir) != NULL);
    (void)snprintf(path, sizeof path, "%s/s", s.dir);
    varve_options_init(&s.options);
    must(varve_options_parse(&s.options,
                             "durability=relaxed; cache_size=1m; write_buffer_size=128k; "
                             "log_segment_size=128k; log_size_max=1m; table_size=64k; "
                             "level_base_size=128k; value_separation_min=1024",
                             &w.error),
         &w.error);
    must(varve_open(path, &s.options, &s.store, &w.error), &w.error);
    run_all(&s);
    must(varve_settle(s.store, &w.error), &w.error);
    must(varve_verify(s.store, &w.error), &w.error);
    must(varve_close(s.store, &w.error), &w.error);
    varve_free(s.store);
    must(varve_open(path, &s.options, &s.store, &w.error), &w.error);
    walk(s.store, NULL, &w);
    must(varve_close(s.store, &w.error), &w.error);
    varve_free(s.store);
    remove_dir(s.dir);
    printf("care: %llu checks\n", (unsigned long long)atomic_load(&s.checks));
    return 0;
}
