/*
 * The cache under ThreadSanitizer: readers, inserters and an eraser on one small cache, so that
 * slots, chunks and slabs are reused all the time. Checked:
 *   - what a pin shows is what was inserted under that name, while it is pinned;
 *   - entries that stay pinned throughout are found by every lookup: a miss is never an accident;
 *   - the bytes charged never pass the promise, and all invariants hold at the end.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "base/rand.h"
#include "base/thread.h"

#include "tests/cache/support/cache_env.h"

#include <stdio.h>

enum {
    THREADS = 4,
    STEPS = 40000,
    KEYS = 3000,
    STAYING = 40,
    STAYING_FILE = 9,
    FILES = 5,
    SIZE = 1024 * 1024,
};

struct worker {
    struct cache_env *e;
    uint64_t seed;
    uint64_t hits;
    uint64_t checks;
};

static struct cache_key key_of(uint64_t n)
{
    return (struct cache_key) { .file = 1 + n % FILES, .offset = n * 4096 };
}

static size_t size_of(uint64_t n)
{
    return 32 + n * 97 % 5000 + (n % 61 == 0 ? 60000 : 0);
}

static void look_at_staying(struct worker *w, struct rand *r)
{
    struct cache_key key = { .file = STAYING_FILE, .offset = rand_below(r, STAYING) };
    struct cache_pin pin;

    CHECK(cache_lookup(w->e->cache, key, FETCH_INDEX, FETCH_FILL_NORMAL, &pin));
    CHECK(cache_env_is_filled(key, pin.data, pin.size));
    cache_unpin(w->e->cache, pin.slot);
}

/* Hold two entries at a time: one is read again after the other was looked for. */
static void look_at_two(struct worker *w, struct rand *r)
{
    uint64_t n = rand_below(r, KEYS);
    struct cache_pin pin;

    if (!cache_lookup(w->e->cache, key_of(n), FETCH_DATA, FETCH_FILL_NORMAL, &pin))
        return;
    CHECK(pin.size == size_of(n));
    uint64_t other = rand_below(r, KEYS);
    w->hits += cache_env_access(w->e, key_of(other), size_of(other), FETCH_DATA, FETCH_FILL_SCAN);
    CHECK(cache_env_is_filled(key_of(n), pin.data, pin.size));
    if (n % 7 == 0) {
        cache_pin_again(w->e->cache, pin.slot);
        cache_unpin(w->e->cache, pin.slot);
        CHECK(cache_env_is_filled(key_of(n), pin.data, pin.size));
    }
    cache_unpin(w->e->cache, pin.slot);
}

static void work(void *context)
{
    struct worker *w = context;
    struct rand r;

    rand_seed(&r, w->seed);
    for (int step = 0; step < STEPS; step++) {
        /* Half of the accesses go to a few hot keys, which threads then share. */
        uint64_t n = rand_below(&r, 2) == 0 ? rand_below(&r, 50) : rand_below(&r, KEYS);
        switch (rand_below(&r, 8)) {
        case 0:
            look_at_staying(w, &r);
            break;
        case 1:
            look_at_two(w, &r);
            break;
        case 2:
            w->hits += cache_env_access(w->e, key_of(n), size_of(n), FETCH_VALUE, FETCH_FILL_NONE);
            break;
        default:
            w->hits += cache_env_access(w->e, key_of(n), size_of(n),
                                        n % 11 == 0 ? FETCH_INDEX : FETCH_DATA, FETCH_FILL_NORMAL);
            break;
        }
        if (w->seed == 1 && step % 500 == 0) {
            uint64_t file = 1 + rand_below(&r, FILES);
            cache_erase_files(w->e->cache, &file, 1);
            cache_check(w->e->cache);
        }
        w->checks++;
    }
}

int main(void)
{
    struct cache_env e;
    struct worker workers[THREADS];
    struct thread *threads[THREADS];
    struct cache_pin staying[STAYING];
    struct cache_stats stats;
    uint64_t checks = 0;

    cache_env_open_shared(&e, SIZE);
    for (uint64_t i = 0; i < STAYING; i++) {
        struct cache_key key = { .file = STAYING_FILE, .offset = i };
        CHECK(succeeded(cache_reserve(e.cache, 300 + i * 40, &staying[i])));
        cache_env_fill(key, staying[i].data, staying[i].size);
        cache_insert(e.cache, staying[i].slot, key, FETCH_DATA, FETCH_FILL_NORMAL);
    }
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker) { .e = &e, .seed = (uint64_t)i + 1 };
        CHECK(succeeded(thread_start("cache", work, &workers[i], &threads[i])));
    }
    for (int i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
        CHECK(workers[i].hits > 0);
        checks += workers[i].checks;
    }
    CHECK(e.budget.peak_bytes <= SIZE);
    cache_stats(e.cache, &stats);
    CHECK(stats.evictions > 0 && stats.moves > 0 && stats.erasures > 0);
    for (int i = 0; i < STAYING; i++)
        cache_unpin(e.cache, staying[i].slot);
    cache_env_close(&e);
    printf("cache: %llu checks, %llu evictions, %llu moves, %llu erasures, %llu refused reserves\n",
           (unsigned long long)checks, (unsigned long long)stats.evictions,
           (unsigned long long)stats.moves, (unsigned long long)stats.erasures,
           (unsigned long long)stats.failed_reserves);
    return 0;
}
