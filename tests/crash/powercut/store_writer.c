/*
 * store_writer -- a whole store under cutrun: what varve.h promises of a durable write, and of a
 * relaxed one.
 *
 *   store_writer durable|relaxed write|verify DIR uring|posix
 *
 * Several threads write, each to its own keys, one batch after the other. Batch n of a thread sets
 * or deletes one of its slots and sets its counter, at once. The counter says n, and the last batch
 * of each other thread that had returned before this one began. So a store says exactly which
 * batches it holds, and verifying is strict:
 *
 *   1. A counter is not below what was acknowledged, as the line "thread n". In durable mode that
 *      is every batch that returned; in relaxed mode what was there when the store was opened, and
 *      what had returned before a flush that returned.
 *   2. Every slot is as the batches up to the counter left it.
 *   3. What a batch could know of is there if the batch is: no hole in time, whichever of the log's
 *      files the kernel had written back by then. In relaxed mode that is the consistent prefix.
 *   4. The store proves its own files.
 *
 * Sizes are small and buffers smaller, so that flushes, compactions, adopted segments and rewritten
 * value files fall under the cut too.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/rand.h"
#include "base/thread.h"
#include "embed/varve.h"

enum { THREADS = 4, SLOTS = 64, VALUE_MAX = 40000, KEY_SIZE = 24, FLUSH_EVERY = 100 };
enum exit_code { IS_FINE = 0, IS_LOST = 1, IS_BROKEN = 3 };

struct counter {
    uint64_t n;
    uint64_t seen[THREADS]; /* Batches that had returned when batch n began. */
};

struct value {
    uint8_t *data;
    size_t size;
};

/* ---- What batch n of a thread does ---------------------------------------------------------- */

static struct rand stream_of(unsigned thread, uint64_t n)
{
    struct rand r;

    rand_seed(&r, n * THREADS + thread);
    return r;
}

static unsigned slot_of(unsigned thread, uint64_t n)
{
    struct rand r = stream_of(thread, n);

    return (unsigned)rand_below(&r, SLOTS);
}

/* False if it deletes. Half of the values are inline, half apart. Requires: room for VALUE_MAX. */
static bool make_value(unsigned thread, uint64_t n, struct value *out)
{
    struct rand r = stream_of(thread, n);

    (void)rand_below(&r, SLOTS);
    uint64_t kind = rand_below(&r, 16);
    if (kind == 0)
        return false;
    out->size = 1 + (size_t)rand_below(&r, kind < 8 ? 200 : kind < 15 ? 5000 : VALUE_MAX);
    rand_fill(&r, out->data, out->size);
    return true;
}

static size_t slot_key(char *key, unsigned thread, unsigned slot)
{
    return (size_t)snprintf(key, KEY_SIZE, "%u/slot/%03u", thread, slot);
}

static size_t counter_key(char *key, unsigned thread)
{
    return (size_t)snprintf(key, KEY_SIZE, "%u/counter", thread);
}

/* ---- Store --------------------------------------------------------------------------------- */

static struct varve *open_store(const char *mode, const char *dir, const char *backend)
{
    struct varve_options o;
    struct varve_error error;
    struct varve *store = NULL;

    varve_options_init(&o);
    o.io = strcmp(backend, "posix") == 0 ? VARVE_IO_POSIX : VARVE_IO_AUTO;
    o.durability = strcmp(mode, "relaxed") == 0 ? VARVE_RELAXED : VARVE_DURABLE;
    o.write_buffer_size = 1 << 20;
    o.log_segment_size = 256 << 10;
    o.log_size_max = 4 << 20;
    o.table_size = 256 << 10;
    o.level_base_size = 1 << 20;
    o.cache_size = 4 << 20;
    if (varve_open(dir, &o, &store, &error) != VARVE_OK) {
        fprintf(stderr, "store_writer: cannot open: %s\n", error.text);
        return NULL;
    }
    return store;
}

/* Zeros if the store has none. False if it cannot be read, and it is said why. */
static bool read_counter(struct varve *store, unsigned thread, struct counter *out)
{
    char key[KEY_SIZE];
    struct counter c = { .n = 0 };
    struct varve_error error = { .text = "" };
    size_t size = 0;
    size_t key_size = counter_key(key, thread);
    enum varve_code code = varve_get_copy(store, NULL, key, key_size, &c, sizeof c, &size, &error);

    if (code != VARVE_NOT_FOUND && (code != VARVE_OK || size != sizeof c)) {
        fprintf(stderr, "store_writer: %s: %s, %zu bytes %s\n", key, varve_code_name(code), size,
                error.text);
        return false;
    }
    *out = c;
    return true;
}

/* ---- Writing ------------------------------------------------------------------------------- */

struct crew {
    struct varve *store;
    bool is_relaxed;
    _Atomic uint64_t returned[THREADS]; /* Each thread's last batch that did. */
};

struct writer {
    struct crew *crew;
    unsigned thread;
    enum varve_code code; /* Why it ended. */
};

static void acknowledge(unsigned thread, uint64_t n)
{
    char line[48];
    int size = snprintf(line, sizeof line, "%u %" PRIu64 "\n", thread, n);

    CHECK(write(STDOUT_FILENO, line, (size_t)size) == size);
}

static void look_around(struct crew *crew, uint64_t out_returned[THREADS])
{
    for (unsigned i = 0; i < THREADS; i++)
        out_returned[i] = atomic_load(&crew->returned[i]);
}

/* What had returned before a flush is as durable as in the other mode after it. */
static enum varve_code flush_and_acknowledge(struct crew *crew)
{
    uint64_t returned[THREADS];

    look_around(crew, returned);
    enum varve_code code = varve_flush(crew->store, NULL);
    for (unsigned i = 0; i < THREADS && code == VARVE_OK; i++)
        acknowledge(i, returned[i]);
    return code;
}

static enum varve_code write_batch(const struct writer *w, struct varve_batch *batch, uint64_t n,
                                   struct value *v)
{
    char key[KEY_SIZE];
    size_t size = slot_key(key, w->thread, slot_of(w->thread, n));
    struct counter c = { .n = n };

    look_around(w->crew, c.seen);
    varve_batch_clear(batch);
    if (make_value(w->thread, n, v))
        CHECK(varve_batch_put(batch, 0, key, size, v->data, v->size, NULL) == VARVE_OK);
    else
        CHECK(varve_batch_delete(batch, 0, key, size, NULL) == VARVE_OK);
    size = counter_key(key, w->thread);
    CHECK(varve_batch_put(batch, 0, key, size, &c, sizeof c, NULL) == VARVE_OK);
    return varve_write(w->crew->store, batch, NULL);
}

static void run_writer(void *context)
{
    struct writer *w = context;
    struct crew *crew = w->crew;
    struct value v = { .data = malloc(VALUE_MAX) };
    struct varve_batch *batch = NULL;

    CHECK(v.data != NULL);
    CHECK(varve_batch_create(crew->store, &batch, NULL) == VARVE_OK);
    for (uint64_t n = atomic_load(&crew->returned[w->thread]) + 1; w->code == VARVE_OK; n++) {
        w->code = write_batch(w, batch, n, &v);
        if (w->code != VARVE_OK)
            break;
        atomic_store(&crew->returned[w->thread], n);
        if (!crew->is_relaxed)
            acknowledge(w->thread, n);
        else if (w->thread == 0 && n % FLUSH_EVERY == 0)
            w->code = flush_and_acknowledge(crew);
    }
    varve_batch_destroy(batch);
    free(v.data);
}

static enum exit_code write_all(struct varve *store, bool is_relaxed)
{
    struct crew crew = { .store = store, .is_relaxed = is_relaxed };
    struct writer writers[THREADS];
    struct thread *threads[THREADS];
    enum exit_code code = IS_FINE;

    for (unsigned i = 0; i < THREADS; i++) {
        struct counter c;
        if (!read_counter(store, i, &c))
            return IS_BROKEN;
        atomic_store(&crew.returned[i], c.n);
    }
    /* It is there, and was before this process. The first line tells cutrun that it may cut: from
     * here on every call may fail. */
    for (unsigned i = 0; i < THREADS; i++)
        acknowledge(i, atomic_load(&crew.returned[i]));
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i] = (struct writer) { .crew = &crew, .thread = i };
        CHECK(succeeded(thread_start("writer", run_writer, &writers[i], &threads[i])));
    }
    for (unsigned i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
        /* Who met the failure, and who came after. */
        if (writers[i].code != VARVE_FAILED && writers[i].code != VARVE_IO) {
            fprintf(stderr, "store_writer: thread %u: %s\n", i, varve_code_name(writers[i].code));
            code = IS_BROKEN;
        }
    }
    return code;
}

/* ---- Verifying ----------------------------------------------------------------------------- */

/* The last batch up to count that touched each slot; 0 if none. */
static void last_batches(unsigned thread, uint64_t count, uint64_t last[SLOTS])
{
    memset(last, 0, SLOTS * sizeof last[0]);
    for (uint64_t n = 1; n <= count; n++)
        last[slot_of(thread, n)] = n;
}

static bool is_slot_right(struct varve *store, unsigned thread, unsigned slot, uint64_t last,
                          struct value *v)
{
    char key[KEY_SIZE];
    struct varve_pinned got = { 0 };
    struct varve_error error = { .text = "" };
    size_t key_size = slot_key(key, thread, slot);
    bool is_set = last != 0 && make_value(thread, last, v);

    enum varve_code code = varve_get(store, NULL, key, key_size, &got, &error);
    bool is_right = code == (is_set ? VARVE_OK : VARVE_NOT_FOUND);
    if (is_right && is_set)
        is_right = got.size == v->size && memcmp(got.data, v->data, v->size) == 0;
    if (!is_right)
        fprintf(stderr,
                "store_writer: %s is not as batch %" PRIu64 " left it (%s): %s, %zu bytes %s\n",
                key, last, is_set ? "set" : "deleted", varve_code_name(code), got.size, error.text);
    varve_unpin(store, &got);
    return is_right;
}

static bool is_thread_right(struct varve *store, unsigned thread, uint64_t acknowledged)
{
    uint64_t last[SLOTS];
    struct value v = { .data = malloc(VALUE_MAX) };
    struct counter c = { .n = 0 };
    bool is_right = read_counter(store, thread, &c);

    CHECK(v.data != NULL);
    if (is_right && c.n < acknowledged) {
        fprintf(stderr, "store_writer: thread %u: %" PRIu64 " acknowledged, %" PRIu64 " there\n",
                thread, acknowledged, c.n);
        is_right = false;
    }
    last_batches(thread, c.n, last);
    for (unsigned slot = 0; slot < SLOTS && is_right; slot++)
        is_right = is_slot_right(store, thread, slot, last[slot], &v);
    free(v.data);
    return is_right;
}

/* What a thread's last batch could know of is there. */
static bool has_no_hole(struct varve *store, unsigned thread)
{
    struct counter c;
    struct counter other;
    bool is_right = read_counter(store, thread, &c);

    for (unsigned i = 0; i < THREADS && is_right; i++) {
        if (!read_counter(store, i, &other))
            return false;
        if (other.n >= c.seen[i])
            continue;
        fprintf(stderr,
                "store_writer: batch %" PRIu64 " of thread %u is there, and came after batch "
                "%" PRIu64 " of thread %u, of which there are %" PRIu64 "\n",
                c.n, thread, c.seen[i], i, other.n);
        is_right = false;
    }
    return is_right;
}

static enum exit_code verify(struct varve *store)
{
    uint64_t acknowledged[THREADS] = { 0 };
    struct varve_error error = { .text = "" };
    unsigned thread;
    uint64_t n;
    bool is_right = true;

    while (scanf("%u %" SCNu64, &thread, &n) == 2) {
        CHECK(thread < THREADS);
        if (n > acknowledged[thread])
            acknowledged[thread] = n;
    }
    for (unsigned i = 0; i < THREADS && is_right; i++)
        is_right = is_thread_right(store, i, acknowledged[i]) && has_no_hole(store, i);
    if (is_right && varve_verify(store, &error) != VARVE_OK) {
        fprintf(stderr, "store_writer: the store is damaged: %s\n", error.text);
        is_right = false;
    }
    return is_right ? IS_FINE : IS_LOST;
}

int main(int argc, char **argv)
{
    enum exit_code code;

    if (argc != 5) {
        fputs("usage: store_writer durable|relaxed write|verify dir uring|posix\n", stderr);
        return IS_BROKEN;
    }
    bool is_verifying = strcmp(argv[2], "verify") == 0;
    struct varve *store = open_store(argv[1], argv[3], argv[4]);
    if (store == NULL)
        return is_verifying ? IS_LOST : IS_BROKEN;
    code = is_verifying ? verify(store) : write_all(store, strcmp(argv[1], "relaxed") == 0);
    varve_free(store);
    return code;
}
