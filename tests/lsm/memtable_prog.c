/*
 * A memtable under ThreadSanitizer: one writer adds versions of keys and range deletes while
 * readers get, seek and walk both ways. What the writer has said to be there is found, whole and in
 * order, whatever is added meanwhile.
 *
 * Operation j (from 1) writes key j * STRIDE % KEYS with version j, so every key's versions are
 * known without a model: KEYS apart.
 */
#include "base/alloc.h"
#include "base/budget.h"
#include "base/check.h"
#include "base/rand.h"
#include "base/thread.h"

#include "lsm/memtable.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    READERS = 3,
    KEYS = 9973,
    STRIDE = 3571,
    OPS = 3 * KEYS,
    GROUPS = 16,
    RANGE_EVERY = 701, /* Operations from one range delete to the next. */
    WALK = 150,
    KEY_ROOM = 128,
};

struct shared {
    struct lsm_memtable *memtable;
    _Atomic uint64_t acknowledged; /* Release: operations up to it are there. */
    _Atomic uint64_t checks;
    uint32_t rank_of[KEYS];
    uint32_t key_at[KEYS]; /* By rank. */
};

struct reader {
    struct shared *shared;
    uint64_t seed;
    uint64_t checks;
};

/* Groups sort by their first bytes; within one, keys share long prefixes and differ in length. */
static struct bytes key_of(uint32_t k, uint8_t *out)
{
    uint64_t mixed = k * UINT64_C(0x9e3779b97f4a7c15);
    size_t n = 0;
    out[n++] = 0;
    out[n++] = (uint8_t)(k % GROUPS * 7);
    for (uint32_t i = 0; i < k % 5 * 11; i++)
        out[n++] = 'p';
    put_u64(out + n, mixed);
    n += k % 3 == 0 ? 2 : 8;
    put_u32(out + n, k);
    return bytes_of(out, n + 4);
}

static uint32_t key_of_op(uint64_t j)
{
    return (uint32_t)(j * STRIDE % KEYS);
}

/* The value of operation j: its number, over and over. */
static struct bytes value_of(uint64_t j, uint8_t *out)
{
    for (size_t i = 0; i < 6; i++)
        put_u64(out + 8 * i, j);
    return bytes_of(out, j % 48);
}

/* The newest operation <= at on the key of operation j <= at. */
static uint64_t newest_op(uint64_t j, uint64_t at)
{
    return j + (at - j) / KEYS * KEYS;
}

static int compare_keys(const void *a, const void *b)
{
    uint8_t x[KEY_ROOM];
    uint8_t y[KEY_ROOM];
    return bytes_compare(key_of(*(const uint32_t *)a, x), key_of(*(const uint32_t *)b, y));
}

/* The i-th range delete, of version i * RANGE_EVERY, covers one group. */
static void add_range(struct lsm_memtable *m, uint64_t i)
{
    uint8_t begin[2] = { 0, (uint8_t)(i % GROUPS * 7) };
    uint8_t end[2] = { 0, (uint8_t)(i % GROUPS * 7 + 1) };
    struct lsm_range_delete r = { .begin = bytes_of(begin, 2),
                                  .end = bytes_of(end, 2),
                                  .version = i * RANGE_EVERY };
    CHECK(succeeded(lsm_memtable_add_range_deletes(m, &r, 1)));
}

static void write_all(void *context)
{
    struct shared *s = context;
    uint8_t key[KEY_ROOM];
    uint8_t value[64];

    for (uint64_t j = 1; j <= OPS; j++) {
        struct lsm_entry e = { .key = key_of(key_of_op(j), key),
                               .version = j,
                               .kind = j % 9 == 0 ? LSM_DELETE : LSM_PUT };
        if (e.kind == LSM_PUT)
            e.value = value_of(j, value);
        CHECK(succeeded(lsm_memtable_add(s->memtable, &e, 1)));
        if (j % RANGE_EVERY == 0)
            add_range(s->memtable, j / RANGE_EVERY);
        atomic_store_explicit(&s->acknowledged, j, memory_order_release);
    }
}

static void check_entry(const struct lsm_entry *e)
{
    uint8_t key[KEY_ROOM];
    uint8_t value[64];
    uint64_t j = e->version;

    CHECK(j >= 1 && j <= OPS);
    CHECK(bytes_equal(e->key, key_of(key_of_op(j), key)));
    CHECK(e->kind == (j % 9 == 0 ? LSM_DELETE : LSM_PUT));
    if (e->kind == LSM_PUT)
        CHECK(bytes_equal(e->value, value_of(j, value)));
}

static void check_gets(struct reader *r, struct rand *rand, uint64_t at)
{
    const struct lsm_memtable *m = r->shared->memtable;
    uint8_t key[KEY_ROOM];
    struct lsm_entry e;
    uint64_t j = 1 + rand_below(rand, at);
    uint32_t k = key_of_op(j);

    CHECK(lsm_memtable_get(m, key_of(k, key), at, &e));
    CHECK(e.version == newest_op(j, at));
    check_entry(&e);
    CHECK(lsm_memtable_get(m, key_of(k, key), j, &e));
    CHECK(e.version == j);
    check_entry(&e);

    uint64_t range = at / RANGE_EVERY;
    while (range > 0 && range % GROUPS != k % GROUPS)
        range--;
    CHECK(lsm_memtable_range_cover(m, key_of(k, key), at) == range * RANGE_EVERY);
    r->checks += 3;
}

/* Between two keys that a walk showed one after the other, nothing was left out. */
static void check_gap(const struct shared *s, int64_t low, int64_t high, uint64_t at)
{
    for (int64_t rank = low + 1; rank < high; rank++) {
        struct lsm_entry e;
        uint8_t key[KEY_ROOM];
        CHECK(!lsm_memtable_get(s->memtable, key_of(s->key_at[rank], key), at, &e));
    }
}

/* All versions <= at of the keys met, in order; to the left if is_back. */
static void walk(struct reader *r, struct rand *rand, bool is_back)
{
    const struct shared *s = r->shared;
    uint64_t at = atomic_load_explicit(&s->acknowledged, memory_order_acquire);
    uint8_t key[KEY_ROOM];
    struct lsm_iter *it;
    struct lsm_entry last = { .version = 0 };
    uint32_t probe = (uint32_t)rand_below(rand, KEYS);

    CHECK(succeeded(lsm_memtable_iter(s->memtable, &it)));
    if (is_back)
        CHECK(succeeded(lsm_iter_seek_before(it, key_of(probe, key), 0)));
    else
        CHECK(succeeded(lsm_iter_seek(it, key_of(probe, key), UINT64_MAX)));
    int64_t edge = (int64_t)s->rank_of[probe] + (is_back ? 1 : -1);
    for (int i = 0; i < WALK && it->is_valid; i++) {
        struct lsm_entry e = it->entry;
        int64_t rank = s->rank_of[key_of_op(e.version)];
        check_entry(&e);
        if (last.version != 0 && bytes_equal(last.key, e.key)) {
            CHECK(e.version == (is_back ? last.version + KEYS : last.version - KEYS));
        } else if (is_back) {
            CHECK(e.version <= KEYS); /* The oldest. */
            CHECK(rank < edge);
            check_gap(s, rank, edge, at);
            CHECK(last.version == 0 || last.version + KEYS > at);
        } else {
            CHECK(e.version + KEYS > at); /* The newest. */
            CHECK(last.version <= KEYS);
            CHECK(rank > edge);
            check_gap(s, edge, rank, at);
        }
        edge = rank;
        last = e;
        r->checks++;
        CHECK(succeeded(is_back ? lsm_iter_prev(it) : lsm_iter_next(it)));
    }
    lsm_iter_destroy(it);
}

/* Back and forth around one place, while nodes split under it. */
static void turn(struct reader *r, struct rand *rand)
{
    struct lsm_iter *it;
    uint8_t key[KEY_ROOM];

    CHECK(succeeded(lsm_memtable_iter(r->shared->memtable, &it)));
    CHECK(succeeded(
        lsm_iter_seek(it, key_of((uint32_t)rand_below(rand, KEYS), key), rand_below(rand, OPS))));
    for (int i = 0; i < 20 && it->is_valid; i++) {
        struct lsm_entry before = it->entry;
        bool is_back = rand_below(rand, 2) == 0;
        CHECK(succeeded(is_back ? lsm_iter_prev(it) : lsm_iter_next(it)));
        if (!it->is_valid)
            break;
        check_entry(&it->entry);
        int c = lsm_entry_compare(before.key, before.version, it->entry.key, it->entry.version);
        CHECK(is_back ? c > 0 : c < 0);
        r->checks++;
    }
    lsm_iter_destroy(it);
}

static void read_on(void *context)
{
    struct reader *r = context;
    struct shared *s = r->shared;
    struct rand rand;
    uint64_t at;

    rand_seed(&rand, r->seed);
    do {
        at = atomic_load_explicit(&s->acknowledged, memory_order_acquire);
        for (int i = 0; at > 0 && i < 50; i++)
            check_gets(r, &rand, at);
        walk(r, &rand, false);
        walk(r, &rand, true);
        turn(r, &rand);
        CHECK(lsm_memtable_count(s->memtable) >= at);
    } while (at < OPS);
    atomic_fetch_add(&s->checks, r->checks);
}

int main(void)
{
    static struct shared s;
    struct budget budget;
    struct env env = { .alloc = alloc_heap(), .budget = &budget };
    struct lsm_page_pool *pool;
    struct thread *threads[READERS + 1];
    struct reader readers[READERS];

    for (uint32_t k = 0; k < KEYS; k++)
        s.key_at[k] = k;
    qsort(s.key_at, KEYS, sizeof s.key_at[0], compare_keys);
    for (uint32_t rank = 0; rank < KEYS; rank++)
        s.rank_of[s.key_at[rank]] = rank;
    budget_init(&budget, 0);
    CHECK(succeeded(lsm_page_pool_create(&env, 64 << 10, 4, &pool)));
    CHECK(succeeded(lsm_memtable_create(&env, pool, &s.memtable)));
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct reader) { .shared = &s, .seed = (uint64_t)i };
        CHECK(succeeded(thread_start("reader", read_on, &readers[i], &threads[i])));
    }
    CHECK(succeeded(thread_start("writer", write_all, &s, &threads[READERS])));
    for (int i = 0; i <= READERS; i++)
        thread_join(threads[i]);
    lsm_memtable_check_invariants(s.memtable);
    CHECK(lsm_memtable_count(s.memtable) == OPS);
    lsm_memtable_unref(s.memtable);
    lsm_page_pool_destroy(pool);
    CHECK(budget.total_bytes == 0);
    printf("memtable: %llu checks\n", (unsigned long long)atomic_load(&s.checks));
    return 0;
}
