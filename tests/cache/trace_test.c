/*
 * Hit ratios on traces whose best answers are known, beside an exact LRU of the same number of
 * entries. Each test prints what it saw; what it asserts keeps a margin from that, and says what
 * the literature leads one to expect (Einziger, Friedman, Manes, "TinyLFU", 2017; Einziger, Eytan,
 * Friedman, Manes, "Adaptive software cache management", 2018).
 */
#include "base/check.h"
#include "base/rand.h"

#include "tests/cache/support/cache_env.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MIB = 1024 * 1024, CACHE_SIZE = 8 * MIB, BLOCK = 4096, KEYS_MAX = 1 << 20 };

/* ---- An exact LRU over key numbers -------------------------------------------------------- */

struct lru {
    uint32_t capacity;
    uint32_t count;
    uint32_t newer[KEYS_MAX + 1];
    uint32_t older[KEYS_MAX + 1]; /* The ring's joint is number KEYS_MAX. */
    bool is_in[KEYS_MAX];
};

static struct lru *lru_create(uint32_t capacity)
{
    struct lru *l = calloc(1, sizeof *l);

    CHECK(l != NULL);
    l->capacity = capacity;
    l->newer[KEYS_MAX] = KEYS_MAX;
    l->older[KEYS_MAX] = KEYS_MAX;
    return l;
}

static void lru_unlink(struct lru *l, uint32_t key)
{
    l->newer[l->older[key]] = l->newer[key];
    l->older[l->newer[key]] = l->older[key];
}

static bool lru_access(struct lru *l, uint32_t key)
{
    bool is_hit = l->is_in[key];

    if (is_hit) {
        lru_unlink(l, key);
    } else if (l->count == l->capacity) {
        uint32_t oldest = l->newer[KEYS_MAX];
        lru_unlink(l, oldest);
        l->is_in[oldest] = false;
    } else {
        l->count++;
    }
    l->is_in[key] = true;
    uint32_t newest = l->older[KEYS_MAX];
    l->older[key] = newest;
    l->newer[key] = KEYS_MAX;
    l->newer[newest] = key;
    l->older[KEYS_MAX] = key;
    return is_hit;
}

/* ---- Running a trace against both --------------------------------------------------------- */

struct race {
    struct cache_env e;
    struct lru *lru;
    uint64_t accesses;
    uint64_t hits;
    uint64_t lru_hits;
};

static uint32_t capacity_of(uint64_t size_bytes)
{
    struct cache_env e;
    struct cache_stats s;

    cache_env_open(&e, size_bytes, 0);
    for (uint64_t n = 0; n < size_bytes / BLOCK; n++)
        (void)cache_env_access(&e, (struct cache_key) { 1, n * BLOCK }, BLOCK, FETCH_DATA,
                               FETCH_FILL_NORMAL);
    cache_stats(e.cache, &s);
    cache_env_close(&e);
    return (uint32_t)s.entry_count;
}

static void race_open(struct race *r)
{
    *r = (struct race) { .lru = lru_create(capacity_of(CACHE_SIZE)) };
    cache_env_open(&r->e, CACHE_SIZE, 0);
}

static void race_close(struct race *r)
{
    cache_env_close(&r->e);
    free(r->lru);
}

static void access_both(struct race *r, uint64_t key)
{
    CHECK(key < KEYS_MAX);
    r->accesses++;
    r->hits += cache_env_access(&r->e, (struct cache_key) { 1, key * BLOCK }, BLOCK, FETCH_DATA,
                                FETCH_FILL_NORMAL);
    r->lru_hits += lru_access(r->lru, (uint32_t)key);
}

struct ratios {
    double ours;
    double lru;
};

/* Print and return the hit ratios since the last call. */
static struct ratios lap(struct race *r, const char *name)
{
    struct ratios ratios = {
        .ours = (double)r->hits / (double)r->accesses,
        .lru = (double)r->lru_hits / (double)r->accesses,
    };
    struct cache_stats s;

    cache_stats(r->e.cache, &s);
    printf("trace: %-28s hits %5.1f %%  lru %5.1f %%  window share %4.1f %%\n", name,
           100 * ratios.ours, 100 * ratios.lru, 100 * s.window_share);
    r->accesses = r->hits = r->lru_hits = 0;
    return ratios;
}

/* ---- Zipf, from a table of cumulated weights --------------------------------------------- */

struct zipf {
    uint32_t count;
    double *cumulated;
};

static struct zipf zipf_create(uint32_t count, double exponent)
{
    struct zipf z = { .count = count, .cumulated = calloc(count, sizeof(double)) };
    double sum = 0;

    CHECK(z.cumulated != NULL);
    for (uint32_t i = 0; i < count; i++)
        z.cumulated[i] = sum += pow(i + 1, -exponent);
    return z;
}

static uint32_t zipf_next(const struct zipf *z, struct rand *rand)
{
    double v = rand_double(rand) * z->cumulated[z->count - 1];
    uint32_t low = 0;
    uint32_t high = z->count - 1;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (z->cumulated[middle] <= v)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The hit ratio of the best that looks at frequencies only: the hottest entries pinned. */
static double zipf_best(const struct zipf *z, uint32_t capacity)
{
    return z->cumulated[capacity - 1] / z->cumulated[z->count - 1];
}

/* Spread ranks over key numbers, so that neighbours in rank are none in name. */
static uint32_t scatter(uint32_t rank, uint32_t count)
{
    return (uint32_t)((uint64_t)rank * 2654435761u % count);
}

Test(trace, zipf_is_near_the_best)
{
    enum { KEYS = 100003, ACCESSES = 400000 };
    static const double EXPONENTS[] = { 0.7, 0.9, 0.99 };

    for (size_t i = 0; i < sizeof EXPONENTS / sizeof EXPONENTS[0]; i++) {
        struct zipf z = zipf_create(KEYS, EXPONENTS[i]);
        struct race r;
        struct rand rand;
        char name[64];
        rand_seed(&rand, 1);
        race_open(&r);
        for (int n = 0; n < ACCESSES; n++)
            access_both(&r, scatter(zipf_next(&z, &rand), KEYS));
        (void)lap(&r, "zipf, warming up");
        for (int n = 0; n < ACCESSES; n++)
            access_both(&r, scatter(zipf_next(&z, &rand), KEYS));
        double best = zipf_best(&z, r.lru->capacity);
        snprintf(name, sizeof name, "zipf %.2f (best %.1f %%)", EXPONENTS[i], 100 * best);
        struct ratios seen = lap(&r, name);
        cr_assert_geq(seen.ours, 0.85 * best);
        cr_assert_geq(seen.ours, seen.lru + 0.04);
        race_close(&r);
        free(z.cumulated);
    }
}

/* One-time accesses, as many as others, that do not say they are a scan. */
Test(trace, one_time_blocks_do_not_wash_the_cache)
{
    enum { KEYS = 20011, ACCESSES = 600000 };
    struct zipf z = zipf_create(KEYS, 0.99);
    struct race r;
    struct rand rand;

    rand_seed(&rand, 2);
    race_open(&r);
    for (int n = 0; n < ACCESSES; n++)
        access_both(&r,
                    n % 2 == 0 ? scatter(zipf_next(&z, &rand), KEYS) : (uint32_t)(KEYS + n / 2));
    struct ratios seen = lap(&r, "zipf 0.99 and a scan");
    double best = zipf_best(&z, r.lru->capacity) / 2;
    cr_assert_geq(seen.ours, 0.85 * best);
    cr_assert_geq(seen.ours, seen.lru + 0.06);
    race_close(&r);
    free(z.cumulated);
}

/* A loop a little larger than the cache: LRU evicts each block just before it is wanted; the best
 * keeps what it has: cache / loop. */
Test(trace, a_loop_larger_than_the_cache)
{
    static const double FACTORS[] = { 1.1, 1.5, 3 };

    for (size_t i = 0; i < sizeof FACTORS / sizeof FACTORS[0]; i++) {
        struct race r;
        char name[64];
        race_open(&r);
        uint64_t loop = (uint64_t)(FACTORS[i] * r.lru->capacity);
        for (uint64_t n = 0; n < 10 * loop; n++)
            access_both(&r, n % loop);
        (void)lap(&r, "loop, first ten rounds");
        for (uint64_t n = 0; n < 10 * loop; n++)
            access_both(&r, n % loop);
        snprintf(name, sizeof name, "loop of %.1f caches", FACTORS[i]);
        struct ratios seen = lap(&r, name);
        cr_assert_leq(seen.lru, 0.01);
        cr_assert_geq(seen.ours, 0.85 / FACTORS[i]);
        race_close(&r);
    }
}

/* The hot set is another one every so often. A pure LFU would keep the old one for long. */
Test(trace, a_new_hot_set_is_learned)
{
    enum { HOT = 1500, SHIFT = 60000, SHIFTS = 8 };
    struct race r;
    struct rand rand;

    rand_seed(&rand, 3);
    race_open(&r);
    for (uint64_t shift = 0; shift < SHIFTS; shift++) {
        for (int part = 0; part < 2; part++) {
            for (int n = 0; n < SHIFT / 2; n++)
                access_both(&r, rand_below(&rand, 10) > 0
                                    ? shift * HOT + rand_below(&rand, HOT)
                                    : SHIFTS * HOT + rand_below(&rand, 500000));
            struct ratios seen = lap(&r, part == 0 ? "hot set, just changed" : "hot set, later");
            if (part == 1) {
                cr_assert_geq(seen.ours, 0.85, "90 %% goes to a set that fits");
            } else {
                cr_assert_geq(seen.ours, 0.55);
            }
        }
    }
    race_close(&r);
}

/* Blocks are wanted some times soon after they are new, and never again: recency is all, and the
 * window must grow to get it. */
Test(trace, recency_grows_the_window)
{
    enum { ACCESSES = 800000, REACH = 1200 };
    struct race r;
    struct rand rand;
    uint64_t newest = REACH;

    rand_seed(&rand, 4);
    race_open(&r);
    for (int lap_number = 0; lap_number < 4; lap_number++) {
        for (int n = 0; n < ACCESSES / 4; n++) {
            newest += n % 4 == 0;
            access_both(&r, newest - rand_below(&rand, REACH));
        }
        struct ratios seen = lap(&r, "only the newest are wanted");
        if (lap_number == 3)
            cr_assert_geq(seen.ours, seen.lru - 0.03);
    }
    race_close(&r);
}

/* Back and forth between a workload for recency and one for frequency: the share follows. */
Test(trace, the_window_follows_the_workload)
{
    enum { ACCESSES = 600000, REACH = 1200, KEYS = 50021 };
    struct zipf z = zipf_create(KEYS, 0.9);
    struct race r;
    struct rand rand;
    uint64_t newest = KEYS + REACH;

    rand_seed(&rand, 5);
    race_open(&r);
    for (int turn = 0; turn < 4; turn++) {
        for (int half = 0; half < 2; half++) {
            for (int n = 0; n < ACCESSES / 2; n++) {
                newest += turn % 2 == 0 && n % 4 == 0;
                access_both(&r, turn % 2 == 0 ? newest - rand_below(&rand, REACH)
                                              : scatter(zipf_next(&z, &rand), KEYS));
            }
            struct ratios seen = lap(&r, turn % 2 == 0 ? "turn for recency" : "turn for frequency");
            if (half == 1 && turn % 2 == 0)
                cr_assert_geq(seen.ours, seen.lru - 0.03);
            if (half == 1 && turn % 2 == 1)
                cr_assert_geq(seen.ours, seen.lru + 0.08);
        }
    }
    race_close(&r);
    free(z.cumulated);
}
