#include "cache/cache.h"

#include "base/bytes.h"
#include "base/io.h"
#include "base/rand.h"

#include "tests/cache/support/cache_env.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { KIB = 1024, MIB = 1024 * 1024 };

static struct cache_key key_of(uint64_t n)
{
    return (struct cache_key) { .file = 1 + n / 1000, .offset = n % 1000 * 4096 };
}

static struct cache_stats stats_of(struct cache_env *e)
{
    struct cache_stats s;

    cache_stats(e->cache, &s);
    return s;
}

static bool is_there(struct cache_env *e, struct cache_key key)
{
    struct cache_pin pin;
    bool is_hit = cache_lookup(e->cache, key, FETCH_DATA, FETCH_FILL_NONE, &pin);

    if (is_hit)
        cache_unpin(e->cache, pin.slot);
    return is_hit;
}

Test(cache, what_was_inserted_is_found_with_its_header)
{
    struct cache_env e;

    cache_env_open(&e, 4 * MIB, 0);
    for (uint64_t n = 0; n < 100; n++)
        cr_assert_not(cache_env_access(&e, key_of(n), 4096, FETCH_DATA, FETCH_FILL_NORMAL));
    for (uint64_t n = 0; n < 100; n++)
        cr_assert(cache_env_access(&e, key_of(n), 4096, FETCH_DATA, FETCH_FILL_NORMAL));
    cr_assert_not(is_there(&e, (struct cache_key) { .file = 1, .offset = 1 }));
    struct cache_stats s = stats_of(&e);
    cr_assert_eq(s.hits[FETCH_DATA], 100);
    cr_assert_eq(s.misses[FETCH_DATA], 100, "looking without a trace is not counted");
    cr_assert_eq(s.entry_count, 100);
    cache_env_close(&e);
}

/* A read of whole pages lands in the cache directly; other sizes waste an eighth at most. */
Test(cache, buffers_are_aligned_and_fit)
{
    struct cache_env e;

    cache_env_open(&e, 64 * MIB, 0);
    for (size_t size = 1; size < 300 * KIB; size += size < 9000 ? 37 : 1021) {
        struct cache_pin pin;
        uint64_t before = stats_of(&e).unlisted_bytes;
        cr_assert(succeeded(cache_reserve(e.cache, size, &pin)));
        uint64_t bytes = stats_of(&e).unlisted_bytes - before;
        cr_assert_eq((uintptr_t)pin.data % 64, 0, "size %zu", size);
        cr_assert_geq(bytes, size);
        cr_assert(bytes <= size + size / 8 || bytes <= 512 || bytes - size < 4096, "size %zu",
                  size);
        memset(pin.data, 0xee, size);
        cache_unpin(e.cache, pin.slot);
    }
    for (size_t size = IO_ALIGN; size <= 8 * MIB; size += size < 300 * KIB ? IO_ALIGN : 999424) {
        struct cache_pin pin;
        cr_assert(succeeded(cache_reserve(e.cache, size, &pin)));
        cr_assert_eq((uintptr_t)pin.data % IO_ALIGN, 0, "size %zu", size);
        cache_unpin(e.cache, pin.slot);
    }
    cr_assert_eq(stats_of(&e).unlisted_bytes, 0);
    cache_env_close(&e);
}

Test(cache, an_entry_too_large_is_refused)
{
    struct cache_env e;
    struct cache_pin pin;

    cache_env_open(&e, MIB, 0);
    cr_assert_eq(cache_reserve(e.cache, cache_entry_max(e.cache) + 1, &pin).code, ST_LIMIT);
    cr_assert(succeeded(cache_reserve(e.cache, cache_entry_max(e.cache), &pin)));
    cache_unpin(e.cache, pin.slot);
    cache_env_close(&e);
}

Test(cache, reserved_and_not_inserted_is_gone_at_unpin)
{
    struct cache_env e;
    struct cache_pin pin;

    cache_env_open(&e, MIB, 0);
    cr_assert(succeeded(cache_reserve(e.cache, 5000, &pin)));
    cache_insert(e.cache, pin.slot, key_of(1), FETCH_DATA, FETCH_FILL_NONE);
    cr_assert_not(is_there(&e, key_of(1)));
    cache_pin_again(e.cache, pin.slot);
    cache_unpin(e.cache, pin.slot);
    memset(pin.data, 1, 5000);
    cr_assert_gt(stats_of(&e).unlisted_bytes, 0);
    cache_unpin(e.cache, pin.slot);
    cr_assert_eq(stats_of(&e).unlisted_bytes, 0);
    cache_env_close(&e);
}

/* Two readers of one block: the second insert keeps its entry for its reader alone. */
Test(cache, the_second_insert_of_a_name_stays_out)
{
    struct cache_env e;
    struct cache_pin first;
    struct cache_pin second;
    struct cache_pin found;

    cache_env_open(&e, MIB, 0);
    cr_assert(succeeded(cache_reserve(e.cache, 4096, &first)));
    cr_assert(succeeded(cache_reserve(e.cache, 4096, &second)));
    put_u64(first.data, 1);
    put_u64(second.data, 2);
    cache_insert(e.cache, first.slot, key_of(1), FETCH_DATA, FETCH_FILL_NORMAL);
    cache_insert(e.cache, second.slot, key_of(1), FETCH_DATA, FETCH_FILL_NORMAL);
    cr_assert(cache_lookup(e.cache, key_of(1), FETCH_DATA, FETCH_FILL_NORMAL, &found));
    cr_assert_eq(get_u64(found.data), 1);
    cr_assert_eq(get_u64(second.data), 2);
    cr_assert_eq(stats_of(&e).entry_count, 1);
    cache_unpin(e.cache, first.slot);
    cache_unpin(e.cache, second.slot);
    cache_unpin(e.cache, found.slot);
    cr_assert_eq(stats_of(&e).unlisted_bytes, 0);
    cache_env_close(&e);
}

/* Many times the cache's size goes through while some entries are pinned: they stay as they were,
 * and are found. */
Test(cache, pinned_entries_are_neither_moved_nor_evicted)
{
    enum { PINNED = 50 };
    struct cache_env e;
    struct cache_pin pins[PINNED];

    cache_env_open(&e, 2 * MIB, 0);
    for (uint64_t n = 0; n < PINNED; n++) {
        cr_assert_not(cache_env_access(&e, key_of(n), 4000, FETCH_DATA, FETCH_FILL_NORMAL));
        cr_assert(cache_lookup(e.cache, key_of(n), FETCH_DATA, FETCH_FILL_NONE, &pins[n]));
    }
    for (uint64_t n = 1000; n < 10000; n++)
        (void)cache_env_access(&e, key_of(n), 700 + n % 9000, FETCH_DATA, FETCH_FILL_NORMAL);
    cache_check(e.cache);
    for (uint64_t n = 0; n < PINNED; n++) {
        struct cache_pin again;
        cr_assert(cache_lookup(e.cache, key_of(n), FETCH_DATA, FETCH_FILL_NONE, &again));
        cr_assert_eq(again.data, pins[n].data);
        cr_assert(cache_env_is_filled(key_of(n), pins[n].data, 4000));
        cache_unpin(e.cache, again.slot);
        cache_unpin(e.cache, pins[n].slot);
    }
    cache_env_close(&e);
}

Test(cache, all_pinned_is_no_memory_and_passes)
{
    enum { MAX = 2000 };
    struct cache_env e;
    static struct cache_pin pins[MAX];
    struct cache_pin pin;
    uint64_t count = 0;

    cache_env_open(&e, MIB, 0);
    while (count < MAX && succeeded(cache_reserve(e.cache, 4096, &pins[count]))) {
        cache_insert(e.cache, pins[count].slot, key_of(count), FETCH_DATA, FETCH_FILL_NORMAL);
        count++;
    }
    cr_assert(count > 180 && count < 256, "%d pins of 4 KiB in 1 MiB", (int)count);
    cr_assert_eq(cache_reserve(e.cache, 4096, &pin).code, ST_NO_MEMORY);
    cr_assert_eq(cache_reserve(e.cache, 100, &pin).code, ST_NO_MEMORY);
    cr_assert_eq(stats_of(&e).failed_reserves, 3);
    cache_unpin(e.cache, pins[7].slot);
    cr_assert(succeeded(cache_reserve(e.cache, 4096, &pins[7])));
    for (uint64_t n = 0; n < count; n++)
        cache_unpin(e.cache, pins[n].slot);
    cache_env_close(&e);
}

/* Whatever sizes come, and however they change, the bytes held stay under the promise and are used
 * well: nine tenths are entries when the sizes have settled. */
Test(cache, never_over_its_bytes)
{
    static const struct {
        size_t least;
        size_t most;
    } PHASES[] = { { 4096, 4096 }, { 600, 900 },     { 100, 20000 }, { 30000, 400000 },
                   { 3000, 5000 }, { 16384, 16384 }, { 1, 1000000 }, { 1024, 1024 },
                   { 8192, 8192 }, { 512, 512 } };
    enum { SIZE = 16 * MIB };
    struct cache_env e;
    struct rand r;
    uint64_t n = 0;

    rand_seed(&r, 5);
    cache_env_open(&e, SIZE, 0);
    for (size_t i = 0; i < sizeof PHASES / sizeof PHASES[0]; i++) {
        uint64_t through = 0;
        while (through < 4 * (uint64_t)SIZE) {
            size_t size = PHASES[i].least + rand_below(&r, PHASES[i].most - PHASES[i].least + 1);
            struct cache_pin pin;
            cr_assert(succeeded(cache_reserve(e.cache, size, &pin)));
            cache_insert(e.cache, pin.slot, key_of(n++), FETCH_DATA, FETCH_FILL_NORMAL);
            cache_unpin(e.cache, pin.slot);
            through += size;
            cr_assert_leq(e.budget.total_bytes, SIZE);
            cr_assert_leq(e.alloc.live_bytes, e.budget.total_bytes);
        }
        cache_check(e.cache);
        struct cache_stats s = stats_of(&e);
        uint64_t used = s.window_bytes + s.probation_bytes + s.protected_bytes;
        printf("cache: sizes %zu-%zu: %d %% entries, %d %% tables, %d %% idle, %d entries, "
               "%d moves\n",
               PHASES[i].least, PHASES[i].most, (int)(100 * used / SIZE),
               (int)(100 * s.table_bytes / SIZE), (int)(100 * s.idle_bytes / SIZE),
               (int)s.entry_count, (int)s.moves);
        if (PHASES[i].least == PHASES[i].most)
            cr_assert_geq(used, (uint64_t)SIZE * 80 / 100);
        else
            cr_assert_geq(used, (uint64_t)SIZE * 70 / 100);
    }
    cr_assert_leq(e.budget.peak_bytes, SIZE);
    cache_env_close(&e);
}

/* Slabs of a cache that is large enough are parts of huge pages: their memory goes when other sizes
 * need the bytes, and comes back. */
Test(cache, slabs_of_a_span_go_and_come_again)
{
    enum { SIZE = 64 * MIB, ROUNDS = 3 };
    struct cache_env e;
    uint64_t n = 0;

    cache_env_open(&e, SIZE, 0);
    for (int round = 0; round < ROUNDS; round++) {
        static const size_t SIZES[] = { 4096, 700 * KIB };
        for (int i = 0; i < 2; i++) {
            uint64_t first = n;
            for (size_t through = 0; through < 2 * (size_t)SIZE; through += SIZES[i])
                cr_assert_not(
                    cache_env_access(&e, key_of(n++), SIZES[i], FETCH_DATA, FETCH_FILL_NORMAL));
            for (uint64_t k = first; k < n; k++) {
                if (is_there(&e, key_of(k)))
                    cr_assert(
                        cache_env_access(&e, key_of(k), SIZES[i], FETCH_DATA, FETCH_FILL_NORMAL));
            }
            cache_check(e.cache);
            struct cache_stats s = stats_of(&e);
            cr_assert_geq(s.window_bytes + s.probation_bytes + s.protected_bytes,
                          (uint64_t)SIZE * 80 / 100);
        }
    }
    cr_assert_leq(e.budget.peak_bytes, SIZE);
    cache_env_close(&e);
}

/* A node whose budget has less left than the cache may have: the cache makes do. */
Test(cache, the_budget_of_the_node_is_kept)
{
    struct cache_env e;

    cache_env_open(&e, 8 * MIB, 3 * MIB);
    for (uint64_t n = 0; n < 3000; n++)
        cr_assert_not(cache_env_access(&e, key_of(n), 4096, FETCH_DATA, FETCH_FILL_NORMAL));
    cr_assert_leq(e.budget.peak_bytes, 3 * MIB);
    cr_assert_gt(stats_of(&e).entry_count, 400);
    cache_env_close(&e);
}

Test(cache, too_small_is_refused)
{
    struct alloc_test a;
    struct budget b;
    struct env env = { .alloc = &a.alloc, .budget = &b };
    struct cache *c;

    alloc_test_init(&a);
    budget_init(&b, 0);
    cr_assert_eq(cache_create(&env, &(struct cache_options) { .size_bytes = 1000 }, &c).code,
                 ST_INVALID);
    cr_assert(succeeded(
        cache_create(&env, &(struct cache_options) { .size_bytes = CACHE_SIZE_MIN }, &c)));
    struct cache_env e = { .env = env, .cache = c };
    for (uint64_t n = 0; n < 200; n++)
        (void)cache_env_access(&e, key_of(n % 37), 3000, FETCH_DATA, FETCH_FILL_NORMAL);
    cr_assert_gt(stats_of(&e).hits[FETCH_DATA], 0);
    cache_destroy(c);
    cr_assert_eq(a.live_bytes, 0);
    cache_destroy(NULL);
}

/* Each allocation of a run fails in turn, once and for ever: never a crash, a leak, or a wrong
 * byte; the worst is a refused reserve. */
Test(cache, every_allocation_may_fail)
{
    for (int for_ever = 0; for_ever < 2; for_ever++)
        for (uint64_t fail_at = 1;; fail_at++) {
            struct cache_env e;
            struct cache_options options = { .size_bytes = 256 * KIB };
            alloc_test_init(&e.alloc);
            budget_init(&e.budget, 0);
            e.env = (struct env) { .alloc = &e.alloc.alloc, .budget = &e.budget };
            e.alloc.fail_at = fail_at;
            e.alloc.fail_for_ever = for_ever;
            struct status s = cache_create(&e.env, &options, &e.cache);
            if (failed(s)) {
                cr_assert_eq(s.code, ST_NO_MEMORY);
                cr_assert_eq(e.alloc.live_bytes, 0);
                cr_assert_eq(e.budget.total_bytes, 0);
                continue;
            }
            for (uint64_t n = 0; n < 300; n++)
                (void)cache_env_access(&e, key_of(n % 100), 500 + n % 100 * 60, FETCH_DATA,
                                       FETCH_FILL_NORMAL);
            bool is_over = e.alloc.calls < fail_at;
            cache_env_close(&e);
            if (is_over)
                break;
        }
}

Test(cache, erased_files_are_gone_and_pinned_ones_stay_readable)
{
    struct cache_env e;
    struct cache_pin pin;

    cache_env_open(&e, 32 * MIB, 0);
    for (uint64_t n = 0; n < 5000; n++)
        cr_assert_not(cache_env_access(&e, key_of(n), 4096, FETCH_DATA, FETCH_FILL_NORMAL));
    cr_assert(cache_lookup(e.cache, key_of(1500), FETCH_DATA, FETCH_FILL_NORMAL, &pin));
    cache_erase_files(e.cache, (const uint64_t[]) { 2, 4, 77 }, 3);
    cache_check(e.cache);
    for (uint64_t n = 0; n < 5000; n++)
        cr_assert_eq(is_there(&e, key_of(n)), key_of(n).file != 2 && key_of(n).file != 4);
    cr_assert(cache_env_is_filled(key_of(1500), pin.data, 4096));
    cr_assert_eq(stats_of(&e).erasures, 2000);
    cr_assert_eq(stats_of(&e).unlisted_bytes, 4096);
    cache_unpin(e.cache, pin.slot);
    cr_assert_eq(stats_of(&e).unlisted_bytes, 0);
    cache_env_close(&e);
}

/* A scan of many times the cache passes through the window: what was hot before it still is. */
Test(cache, scans_leave_the_main_part_alone)
{
    struct cache_env e;
    uint64_t kept = 0;

    cache_env_open(&e, 4 * MIB, 0);
    for (int round = 0; round < 4; round++)
        for (uint64_t n = 0; n < 700; n++)
            (void)cache_env_access(&e, key_of(n), 4096, FETCH_DATA, FETCH_FILL_NORMAL);
    for (uint64_t n = 10000; n < 40000; n++)
        (void)cache_env_access(&e, key_of(n), 4096, FETCH_DATA, FETCH_FILL_SCAN);
    for (uint64_t n = 0; n < 700; n++)
        kept += is_there(&e, key_of(n));
    cr_assert_geq(kept, 680, "%d of 700", (int)kept);
    cache_env_close(&e);
}

/* Reads without a trace neither insert nor keep anything alive. */
Test(cache, compaction_reads_leave_no_trace)
{
    struct cache_env e;

    cache_env_open(&e, 2 * MIB, 0);
    for (uint64_t n = 0; n < 2000; n++)
        cr_assert_not(cache_env_access(&e, key_of(n), 4096, FETCH_DATA, FETCH_FILL_NONE));
    struct cache_stats s = stats_of(&e);
    cr_assert_eq(s.entry_count, 0);
    cr_assert_eq(s.hits[FETCH_DATA] + s.misses[FETCH_DATA], 0);
    cache_env_close(&e);
}

/* Metadata goes past the window: a flood of one-time blocks does not reach it. */
Test(cache, metadata_enters_protected)
{
    struct cache_env e;
    uint64_t kept = 0;

    cache_env_open(&e, 4 * MIB, 0);
    for (uint64_t n = 0; n < 150; n++)
        (void)cache_env_access(&e, key_of(n), 4096, n % 3 == 0 ? FETCH_INDEX : FETCH_FILTER,
                               FETCH_FILL_NORMAL);
    cr_assert_gt(stats_of(&e).protected_bytes, 0);
    for (uint64_t n = 1000; n < 5000; n++)
        (void)cache_env_access(&e, key_of(n), 4096, FETCH_DATA, FETCH_FILL_NORMAL);
    for (uint64_t n = 0; n < 150; n++)
        kept += is_there(&e, key_of(n));
    cr_assert_eq(kept, 150);
    cache_env_close(&e);
}

/* Against a table of what was inserted and never erased: random operations, everything checked. */
Test(cache, random_operations_agree_with_a_model)
{
    enum { KEYS = 400, PINS = 30 };
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct cache_env e;
        struct rand r;
        struct cache_pin pins[PINS];
        uint64_t pin_keys[PINS];
        int count = 0;
        rand_seed(&r, seed);
        cache_env_open(&e, 256 * KIB << rand_below(&r, 4), 0);
        for (int step = 0; step < 4000; step++) {
            uint64_t n = rand_below(&r, KEYS) * 13;
            size_t size = 16 + n * 7 % 6000;
            if (count < PINS && rand_below(&r, 4) == 0 &&
                cache_lookup(e.cache, key_of(n), FETCH_DATA, FETCH_FILL_NORMAL, &pins[count])) {
                cr_assert_eq(pins[count].size, size);
                pin_keys[count++] = n;
            } else if (count > 0 && rand_below(&r, 4) == 0) {
                count--;
                cr_assert(cache_env_is_filled(key_of(pin_keys[count]), pins[count].data,
                                              pins[count].size),
                          "seed %d", (int)seed);
                cache_unpin(e.cache, pins[count].slot);
            } else if (rand_below(&r, 300) == 0) {
                uint64_t file = 1 + rand_below(&r, 7);
                cache_erase_files(e.cache, &file, 1);
                for (uint64_t k = 0; k < KEYS; k++)
                    cr_assert(key_of(k * 13).file != file || !is_there(&e, key_of(k * 13)));
            } else {
                (void)cache_env_access(&e, key_of(n), size, (enum fetch_kind)(n % FETCH_KINDS),
                                       (enum fetch_fill)rand_below(&r, 3));
            }
            if (step % 200 == 0)
                cache_check(e.cache);
        }
        while (count > 0)
            cache_unpin(e.cache, pins[--count].slot);
        cache_env_close(&e);
    }
}
