/*
 * Threads on one store: writers, readers and an iterator, over sizes so small that flushes and
 * compactions run all the time, and are asked for besides. Every acknowledged write is read back,
 * by whoever asks. In both modes: writers of a durable store wait for each other, those of a
 * relaxed one hardly ever.
 */
#include "embed/varve.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/rand.h"
#include "base/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WRITERS = 4, READERS = 2, KEYS = 500, SECONDS = 3 };

struct shared {
    struct varve *store;
    _Atomic uint64_t acknowledged[WRITERS][KEYS]; /* The last number written to a key. */
    _Atomic uint64_t checks;
    uint64_t deadline_ns;
};

struct worker {
    struct shared *shared;
    unsigned number;
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

static size_t key_of(unsigned writer, unsigned k, char *out)
{
    return (size_t)snprintf(out, 32, "w%u/%05u", writer, k);
}

/* A value says whose it is and which: long ones live apart. */
static size_t value_of(uint64_t number, char *out)
{
    size_t size = 8 + number * 131 % 900;
    for (size_t i = 0; i < size; i += 8)
        memcpy(out + i, &number, 8);
    return size;
}

static void write_on(void *context)
{
    struct worker *w = context;
    struct shared *s = w->shared;
    struct varve_error error = { .text = "" };
    struct rand r;
    char key[32];
    char value[1024];

    rand_seed(&r, w->number);
    for (uint64_t n = 1; !is_over(s); n++) {
        unsigned k = (unsigned)rand_below(&r, KEYS);
        must(varve_put(s->store, 0, key, key_of(w->number, k, key), value, value_of(n, value),
                       &error),
             &error);
        atomic_store_explicit(&s->acknowledged[w->number][k], n, memory_order_release);
    }
}

/* The number a value carries; it is whole. */
static uint64_t number_of(const void *data, size_t size)
{
    char want[1024];
    uint64_t number;
    CHECK(size >= 8);
    memcpy(&number, data, 8);
    CHECK(value_of(number, want) == size && memcmp(data, want, size) == 0);
    return number;
}

static void read_one(struct shared *s, unsigned writer, unsigned k)
{
    struct varve_error error = { .text = "" };
    struct varve_pinned got;
    char key[32];
    size_t key_size = key_of(writer, k, key);
    uint64_t at = atomic_load_explicit(&s->acknowledged[writer][k], memory_order_acquire);
    enum varve_code code = varve_get(s->store, NULL, key, key_size, &got, &error);

    if (code == VARVE_NOT_FOUND) {
        CHECK(at == 0);
        return;
    }
    must(code, &error);
    CHECK(number_of(got.data, got.size) >= at);
    varve_unpin(s->store, &got);
}

static void read_on(void *context)
{
    struct worker *w = context;
    struct rand r;
    uint64_t checks = 0;

    rand_seed(&r, 100 + w->number);
    for (; !is_over(w->shared); checks++)
        read_one(w->shared, (unsigned)rand_below(&r, WRITERS), (unsigned)rand_below(&r, KEYS));
    atomic_fetch_add(&w->shared->checks, checks);
}

/* One state, both ways: rising keys, whole values, as many backward as forward. */
static void walk(struct shared *s)
{
    struct varve_error error = { .text = "" };
    struct varve_iterator *it;
    struct varve_slice value;
    char last[32] = "";
    uint64_t count = 0;

    must(varve_iterator_create(s->store, NULL, &it, &error), &error);
    for (must(varve_iterator_first(it, &error), &error); varve_iterator_valid(it);
         must(varve_iterator_next(it, &error), &error)) {
        struct varve_slice key = varve_iterator_key(it);
        CHECK(key.size == 8 && memcmp(key.data, last, 8) > 0);
        memcpy(last, key.data, 8);
        must(varve_iterator_value(it, &value, &error), &error);
        (void)number_of(value.data, value.size);
        count++;
    }
    atomic_fetch_add(&s->checks, count);
    for (must(varve_iterator_last(it, &error), &error); varve_iterator_valid(it);
         must(varve_iterator_prev(it, &error), &error))
        count--;
    CHECK(count == 0);
    varve_iterator_destroy(it);
}

static void walk_on(void *context)
{
    struct worker *w = context;
    struct varve_error error = { .text = "" };
    while (!is_over(w->shared)) {
        walk(w->shared);
        must(varve_flush(w->shared->store, &error), &error);
    }
}

static void run_all(struct shared *s)
{
    struct thread *threads[WRITERS + READERS + 1];
    struct worker workers[WRITERS + READERS + 1];

    s->deadline_ns = clock_ns(clock_system()) + SECONDS * UINT64_C(1000000000);
    for (unsigned i = 0; i < WRITERS + READERS + 1; i++) {
        workers[i] = (struct worker) { .shared = s, .number = i };
        CHECK(succeeded(thread_start("worker",
                                     i < WRITERS             ? write_on
                                     : i < WRITERS + READERS ? read_on
                                                             : walk_on,
                                     &workers[i], &threads[i])));
    }
    for (unsigned i = 0; i < WRITERS + READERS + 1; i++)
        thread_join(threads[i]);
}

static void run_mode(const char *mode, struct shared *s)
{
    char dir[] = "/tmp/varve-threads-XXXXXX";
    char path[64];
    char command[80];
    char text[256];
    struct varve_error error = { .text = "" };
    struct varve_options options;

    CHECK(mkdtemp(dir) != NULL);
    (void)snprintf(path, sizeof path, "%s/s", dir);
    varve_options_init(&options);
    (void)snprintf(text, sizeof text,
                   "durability=%s; cache_size=1m; write_buffer_size=128k; "
                   "log_segment_size=128k; log_size_max=1m; table_size=64k; "
                   "level_base_size=128k; value_separation_min=512",
                   mode);
    must(varve_options_parse(&options, text, &error), &error);
    must(varve_open(path, &options, &s->store, &error), &error);
    run_all(s);
    for (int i = 0; i < 2; i++) {
        for (unsigned k = 0; k < WRITERS * KEYS; k++)
            read_one(s, k / KEYS, k % KEYS);
        must(varve_close(s->store, &error), &error);
        varve_free(s->store);
        must(varve_open(path, &options, &s->store, &error), &error);
    }
    must(varve_verify(s->store, &error), &error);
    must(varve_close(s->store, &error), &error);
    varve_free(s->store);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
    CHECK(system(command) == 0);
}

int main(void)
{
    static struct shared relaxed;
    static struct shared durable;

    run_mode("relaxed", &relaxed);
    run_mode("durable", &durable);
    printf("threads: %llu checks\n",
           (unsigned long long)(atomic_load(&relaxed.checks) + atomic_load(&durable.checks)));
    return 0;
}
