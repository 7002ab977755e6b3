/*
 * The tree against a model: the same random operations on both, under option sets so small that
 * flush, compaction, rolling, recycling, adoption and rewriting happen all the time.
 *
 * The model is an array: a few hundred adversarial keys, each with the number of its value or none;
 * a value is a function of its number. Every answer of the store, in both directions, at snapshots
 * too, is compared with it; and every so often all of it, and the store's proof of its own disk.
 *
 *   model_prog [operations a set] [seed] [set]
 */
#include "base/check.h"
#include "base/hash.h"
#include "base/rand.h"

#include "tests/support/sim_store.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In each set; a sanitizer makes each ten times as long. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { OPERATIONS = 100000 };
#else
enum { OPERATIONS = 1000000 };
#endif

enum { KEYS = 257, KEY_SIZE_MAX = 40, VALUE_SIZE_MAX = 6000, SNAPSHOTS = 6 };

struct key {
    uint8_t bytes[KEY_SIZE_MAX];
    size_t size;
};

/* What is there: 0 for nothing, else the number of the value. */
struct contents {
    uint64_t values[KEYS];
};

struct held_snapshot {
    struct lsm_snapshot *snapshot;
    struct contents contents;
};

struct set {
    const char *name;
    struct lsm_options options;
    size_t cache_size;
};

struct model {
    const struct set *set;
    struct io_sim *sim;
    struct sim_store stores[2]; /* The store, and a copy of it being looked at. */
    struct sim_store *store;    /* The one the checks go to. */
    struct rand rand;
    struct key keys[KEYS]; /* Sorted. */
    struct contents now;
    struct held_snapshot snapshots[SNAPSHOTS];
    uint64_t next_value;
    uint64_t operations;
    uint64_t large_share; /* Of values that are large, in percent; changes by phases. */
    uint64_t seed;
    uint8_t value[VALUE_SIZE_MAX];
    struct lsm_stats totals; /* Over reopenings. */
    struct vlog_stats log_totals;
    uint64_t checkpoints;
    uint64_t reopenings;
};

static struct model *current; /* For the failure line. */

static void fail(const char *what)
{
    fprintf(stderr, "model: set %s, seed %llu, operation %llu: %s\n", current->set->name,
            (unsigned long long)current->seed, (unsigned long long)current->operations, what);
    exit(1);
}

static void must(struct status s, const char *what)
{
    char text[700];
    if (succeeded(s))
        return;
    (void)snprintf(text, sizeof text, "%s: %s (%s:%u) %s %s", what, status_name(s.code), s.file,
                   s.line, current->store->err.text,
                   current->store->lsm != NULL && lsm_failure(current->store->lsm) != NULL
                       ? lsm_failure(current->store->lsm)
                       : "");
    fail(text);
}

/* ---- Keys and values ---------------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a;
    const struct key *y = b;
    return bytes_compare(bytes_of(x->bytes, x->size), bytes_of(y->bytes, y->size));
}

/* Shared prefixes, zeros and 0xff, one the prefix of another, the empty key. */
static void make_keys(struct model *m)
{
    static const uint8_t alphabet[] = { 0x00, 0x01, 'a', 'b', 0x7f, 0xff };
    for (size_t i = 0; i < KEYS; i++) {
        bool is_fresh;
        do {
            struct key *k = &m->keys[i];
            size_t shared = rand_below(&m->rand, 3) == 0 ? 18 : 0;
            memset(k->bytes, 'p', shared);
            k->size = shared + (i == 0 ? 0 : rand_below(&m->rand, KEY_SIZE_MAX - shared));
            for (size_t j = shared; j < k->size; j++)
                k->bytes[j] = alphabet[rand_below(&m->rand, sizeof alphabet)];
            is_fresh = true;
            for (size_t j = 0; j < i; j++)
                is_fresh &= compare_keys(&m->keys[j], k) != 0;
        } while (!is_fresh);
    }
    qsort(m->keys, KEYS, sizeof m->keys[0], compare_keys);
}

static struct bytes key_at(const struct model *m, size_t i)
{
    return bytes_of(m->keys[i].bytes, m->keys[i].size);
}

/* The value with this number. */
static struct bytes value_of(struct model *m, uint64_t number)
{
    uint64_t h = hash_u64(number * 977 + 13);
    size_t size = number % 100 < 50 ? h % 200 : 512 + h % (VALUE_SIZE_MAX - 512);
    for (size_t j = 0; j + 8 <= size; j += 8)
        put_u64(m->value + j, h + j);
    for (size_t j = size & ~(size_t)7; j < size; j++)
        m->value[j] = (uint8_t)(number + j);
    return bytes_of(m->value, size);
}

static uint64_t fresh_value(struct model *m)
{
    bool is_large = rand_below(&m->rand, 100) < m->large_share;
    do {
        m->next_value++;
    } while ((m->next_value % 100 >= 50) != is_large);
    return m->next_value;
}

static void expect_value(struct model *m, struct bytes got, uint64_t number, const char *what)
{
    if (number == 0 || !bytes_equal(got, value_of(m, number)))
        fail(what);
}

/* ---- Operations --------------------------------------------------------------------------- */

static size_t any_key(struct model *m)
{
    return rand_below(&m->rand, KEYS);
}

static void add_put(struct model *m, struct lsm_batch *b)
{
    size_t i = any_key(m);
    uint64_t v = fresh_value(m);
    const struct lsm_put put = { .key = key_at(m, i), .value = value_of(m, v) };
    must(lsm_batch_put(b, &put), "batch put");
    m->now.values[i] = v;
}

static void add_delete(struct model *m, struct lsm_batch *b)
{
    size_t i = any_key(m);
    must(lsm_batch_delete(b, 0, key_at(m, i)), "batch delete");
    m->now.values[i] = 0;
}

static void add_range_delete(struct model *m, struct lsm_batch *b)
{
    size_t begin = any_key(m);
    size_t end = begin + rand_below(&m->rand, 12);
    if (end >= KEYS)
        end = KEYS - 1;
    must(lsm_batch_delete_range(b, 0, key_at(m, begin), key_at(m, end)), "batch delete_range");
    for (size_t i = begin; i < end; i++)
        m->now.values[i] = 0;
}

static void write_some(struct model *m, unsigned count, unsigned range_share)
{
    struct lsm_batch *b = sim_store_batch(m->store);
    while (count-- > 0) {
        unsigned roll = (unsigned)rand_below(&m->rand, 100);
        if (roll < range_share)
            add_range_delete(m, b);
        else if (roll < range_share + 15)
            add_delete(m, b);
        else
            add_put(m, b);
    }
    if (!lsm_batch_is_empty(b))
        must(sim_store_commit(m->store), "commit");
}

static void get_one(struct model *m, const struct contents *c, uint64_t at)
{
    size_t i = any_key(m);
    struct lsm_value v;
    struct status s = lsm_get(&m->store->reader, 0, key_at(m, i), at, 0, &v);
    if (s.code == ST_NOT_FOUND) {
        if (c->values[i] != 0)
            fail("a key is missing");
    } else {
        must(s, m->store->reader.fetch.err.text);
        expect_value(m, v.value, c->values[i], "a key has a wrong value");
    }
    lsm_reader_reset(&m->store->reader);
}

static void get_many(struct model *m)
{
    struct bytes keys[20];
    size_t which[20];
    struct status statuses[20];
    struct lsm_value values[20];
    const struct lsm_multi_get get = { .keys = keys, .count = 20, .at = UINT64_MAX };

    for (size_t i = 0; i < 20; i++) {
        which[i] = any_key(m);
        keys[i] = key_at(m, which[i]);
    }
    must(lsm_multi_get(&m->store->reader, &get, statuses, values), "multi_get");
    for (size_t i = 0; i < 20; i++) {
        uint64_t expected = m->now.values[which[i]];
        if (statuses[i].code == ST_NOT_FOUND && expected == 0)
            continue;
        must(statuses[i], "multi_get of a key");
        expect_value(m, values[i].value, expected, "multi_get has a wrong value");
    }
    lsm_reader_reset(&m->store->reader);
}

/* ---- Cursors ------------------------------------------------------------------------------ */

/* The next index from `from` in the direction that holds a value within [lower, upper); KEYS if
 * there is none. from may be one off either end. */
static size_t present(const struct contents *c, size_t from, bool is_back, size_t lower,
                      size_t upper)
{
    for (size_t i = from; i >= lower && i < upper; i += is_back ? (size_t)-1 : 1) {
        if (c->values[i] != 0)
            return i;
    }
    return KEYS;
}

static void expect_at(struct model *m, struct lsm_cursor *c, const struct contents *contents,
                      size_t expected, bool reads)
{
    struct lsm_value v;
    if (!lsm_cursor_is_valid(c)) {
        if (expected != KEYS)
            fail("a cursor ended early");
        return;
    }
    if (expected == KEYS)
        fail("a cursor shows a key that is not there");
    if (!bytes_equal(lsm_cursor_key(c), key_at(m, expected)))
        fail("a cursor shows the wrong key");
    if (reads) {
        must(lsm_cursor_value(c, &v), lsm_cursor_fetch(c)->err.text);
        expect_value(m, v.value, contents->values[expected], "a cursor shows a wrong value");
    }
}

/* A walk with turns within random bounds. */
static void walk(struct model *m, const struct contents *c, uint64_t at, bool is_whole)
{
    struct lsm_cursor *cursor;
    size_t lower = is_whole ? 0 : any_key(m);
    size_t upper = is_whole ? KEYS : lower + rand_below(&m->rand, KEYS - lower + 1);
    bool is_back = rand_below(&m->rand, 2) == 0;
    size_t place;
    const struct lsm_cursor_options o = {
        .lower = is_whole ? bytes_of(NULL, 0) : key_at(m, lower),
        .upper = upper == KEYS ? bytes_of(NULL, 0) : key_at(m, upper),
        .at = at,
        .ring = m->store->ring,
    };
    if (upper < KEYS && m->keys[upper].size == 0)
        return; /* A bound of no bytes is no bound. */
    must(lsm_cursor_open(m->store->lsm, &o, &cursor), "cursor");
    if (is_whole || rand_below(&m->rand, 2) == 0) {
        must(is_back ? lsm_cursor_last(cursor) : lsm_cursor_first(cursor), "cursor end");
        place = is_back ? present(c, upper - 1, true, lower, upper)
                        : present(c, lower, false, lower, upper);
    } else {
        size_t target = any_key(m);
        must(is_back ? lsm_cursor_seek_for_prev(cursor, key_at(m, target))
                     : lsm_cursor_seek(cursor, key_at(m, target)),
             "cursor seek");
        if (is_back)
            place = present(c, target < upper ? target : upper - 1, true, lower, upper);
        else
            place = present(c, target > lower ? target : lower, false, lower, upper);
    }
    for (unsigned steps = is_whole ? 2 * KEYS : 30; steps > 0; steps--) {
        expect_at(m, cursor, c, place, rand_below(&m->rand, 2) == 0);
        if (place == KEYS)
            break;
        if (!is_whole && rand_below(&m->rand, 5) == 0)
            is_back = !is_back;
        must(is_back ? lsm_cursor_prev(cursor) : lsm_cursor_next(cursor), "cursor move");
        place = present(c, is_back ? place - 1 : place + 1, is_back, lower, upper);
    }
    lsm_cursor_close(cursor);
}

/* ---- Snapshots, care ---------------------------------------------------------------------- */

static void change_snapshot(struct model *m)
{
    struct held_snapshot *h = &m->snapshots[rand_below(&m->rand, SNAPSHOTS)];
    if (h->snapshot != NULL) {
        lsm_snapshot_release(m->store->lsm, h->snapshot);
        h->snapshot = NULL;
        return;
    }
    must(lsm_snapshot_take(m->store->lsm, &h->snapshot), "snapshot");
    h->contents = m->now;
}

static void read_snapshot(struct model *m)
{
    const struct held_snapshot *h = &m->snapshots[rand_below(&m->rand, SNAPSHOTS)];
    if (h->snapshot == NULL)
        return;
    uint64_t at = lsm_snapshot_version(h->snapshot);
    get_one(m, &h->contents, at);
    walk(m, &h->contents, at, false);
}

static void add_totals(struct model *m)
{
    struct lsm_stats s;
    struct vlog_stats v;
    lsm_stats(m->store->lsm, &s);
    vlog_stats(lsm_log(m->store->lsm), &v);
    m->totals.flushes += s.flushes;
    m->totals.compactions += s.compactions;
    m->totals.trivial_moves += s.trivial_moves;
    m->totals.rewrites += s.rewrites;
    m->totals.segments_adopted += s.segments_adopted;
    m->log_totals.rolls += v.rolls;
    m->log_totals.segments_recycled += v.segments_recycled;
    m->log_totals.values_copied += v.values_copied;
}

static struct sim_store_options store_options(const struct model *m, const char *dir)
{
    struct sim_store_options o = { .dir = dir,
                                   .lsm = m->set->options,
                                   .cache_size = m->set->cache_size };
    /* Every other opening in the other mode: only the durable one recycles segments. */
    if (m->reopenings % 2 == 1)
        o.lsm.log.mode = o.lsm.log.mode == VLOG_DURABLE ? VLOG_RELAXED : VLOG_DURABLE;
    return o;
}

static void verify(struct model *m)
{
    struct errbuf err = { "" };
    struct status s = lsm_verify(m->store->lsm, m->store->ring, &err);
    must(s, err.text);
    walk(m, &m->now, UINT64_MAX, true);
}

static void reopen(struct model *m)
{
    for (int i = 0; i < SNAPSHOTS; i++) {
        if (m->snapshots[i].snapshot != NULL)
            lsm_snapshot_release(m->store->lsm, m->snapshots[i].snapshot);
        m->snapshots[i].snapshot = NULL;
    }
    verify(m);
    add_totals(m);
    sim_store_close(m->store);
    m->reopenings++;
    const struct sim_store_options o = store_options(m, "/store");
    must(sim_store_open(m->store, m->sim, &o), "reopen");
    verify(m);
}

struct copy_dir {
    char path[32];
    struct io *io;
};

static bool remove_name(void *context, const char *name)
{
    char path[IO_PATH_MAX];
    const struct copy_dir *dir = context;
    (void)snprintf(path, sizeof path, "%s/%s", dir->path, name);
    must(io_unlink(dir->io, path), "removal of a copied file");
    return true;
}

/* A checkpoint opens as a store and holds what was there. */
static void checkpoint(struct model *m)
{
    struct errbuf err = { "" };
    struct copy_dir dir = { .io = io_sim_io(m->sim) };

    (void)snprintf(dir.path, sizeof dir.path, "/copy%llu", (unsigned long long)m->checkpoints);
    must(sim_store_flush(m->store, false), "flush before a checkpoint");
    struct status s = lsm_checkpoint(m->store->lsm, m->store->ring, dir.path, &err);
    must(s, err.text);
    const struct sim_store_options o = store_options(m, dir.path);
    m->store = &m->stores[1];
    must(sim_store_open(m->store, m->sim, &o), "open of the copy");
    verify(m);
    sim_store_close(m->store);
    m->store = &m->stores[0];
    must(io_list(dir.io, dir.path, remove_name, &dir), "list of the copy");
    m->checkpoints++;
}

static void one_operation(struct model *m)
{
    unsigned roll = (unsigned)rand_below(&m->rand, 1000);
    if (roll < 420)
        write_some(m, 1, 1);
    else if (roll < 470)
        write_some(m, 1 + (unsigned)rand_below(&m->rand, 8), 5);
    else if (roll < 800)
        get_one(m, &m->now, UINT64_MAX);
    else if (roll < 820)
        get_many(m);
    else if (roll < 850)
        walk(m, &m->now, UINT64_MAX, false);
    else if (roll < 870)
        change_snapshot(m);
    else if (roll < 900)
        read_snapshot(m);
    else
        (void)sim_store_work(m->store, 1 + (unsigned)rand_below(&m->rand, 6));
}

static void rare_operation(struct model *m)
{
    uint64_t ticket;
    uint64_t n = m->operations;
    if (n % 4001 == 0)
        m->large_share = rand_below(&m->rand, 3) * 45; /* 0, 45, 90 */
    if (n % 1511 == 0)
        must(sim_store_flush(m->store, false), "flush");
    if (n % 7019 == 0)
        must(lsm_compact(m->store->lsm, 0, bytes_of(NULL, 0), bytes_of(NULL, 0), &ticket),
             "compact");
    if (n % 9001 == 0)
        must(sim_store_flush(m->store, true), "settle");
    if (n % 12007 == 0)
        checkpoint(m);
    if (n % 5003 == 0)
        reopen(m);
}

static void expect_seen(const struct model *m, uint64_t count, const char *what)
{
    (void)m;
    if (count == 0) {
        char text[64];
        (void)snprintf(text, sizeof text, "no %s was seen", what);
        fail(text);
    }
}

static void run_set(const struct set *set, uint64_t operations, uint64_t seed)
{
    struct model *m = calloc(1, sizeof *m);
    CHECK(m != NULL);
    current = m;
    m->set = set;
    m->seed = seed;
    m->large_share = 45;
    m->store = &m->stores[0];
    rand_seed(&m->rand, seed);
    make_keys(m);
    m->sim = io_sim_create(NULL, NULL);
    const struct sim_store_options o = store_options(m, "/store");
    must(sim_store_open(m->store, m->sim, &o), "open");
    while (m->operations < operations) {
        m->operations++;
        one_operation(m);
        rare_operation(m);
    }
    reopen(m);
    sim_store_close(m->store);
    if (operations >= 100000) {
        expect_seen(m, m->totals.flushes, "flush");
        expect_seen(m, m->totals.compactions, "compaction");
        expect_seen(m, m->log_totals.rolls, "roll");
        expect_seen(m, m->log_totals.segments_recycled, "recycling");
        expect_seen(m, m->totals.segments_adopted, "adoption");
        expect_seen(m, m->totals.rewrites, "rewriting");
        expect_seen(m, m->checkpoints, "checkpoint");
    }
    printf("model %s: %llu operations, %llu flushes, %llu compactions, %llu moves, %llu rolls, "
           "%llu recycled, %llu adopted, %llu copied, %llu rewrites, %llu checkpoints, seed %llu\n",
           set->name, (unsigned long long)m->operations, (unsigned long long)m->totals.flushes,
           (unsigned long long)m->totals.compactions, (unsigned long long)m->totals.trivial_moves,
           (unsigned long long)m->log_totals.rolls,
           (unsigned long long)m->log_totals.segments_recycled,
           (unsigned long long)m->totals.segments_adopted,
           (unsigned long long)m->log_totals.values_copied, (unsigned long long)m->totals.rewrites,
           (unsigned long long)m->checkpoints, (unsigned long long)seed);
    (void)fflush(stdout);
    io_sim_destroy(m->sim);
    free(m);
}

/* ---- Option sets -------------------------------------------------------------------------- */

#define TINY                                                                                       \
    .write_buffer_size = 64 << 10, .write_buffer_count = 3, .log_size_max = 256 << 10,             \
    .separation_min = 512, .table_size = 16 << 10, .level_base_size = 32 << 10, .level_fanout = 4, \
    .l0_compact = 2, .reserve_size = UINT64_MAX, .job_quantum_entries = 16

static const struct set sets[] = {
    { "durable", { TINY, .log = { .segment_size = 64 << 10 } }, 0 },
    { "relaxed", { TINY, .log = { .mode = VLOG_RELAXED, .segment_size = 64 << 10 } }, 0 },
    { "small-segments", { TINY, .log = { .mode = VLOG_RELAXED, .segment_size = 16 << 10 } }, 0 },
    { "small-blocks",
      { TINY, .block_size = 512, .log = { .mode = VLOG_RELAXED, .segment_size = 32 << 10 } },
      0 },
    { "small-cache",
      { TINY, .log = { .mode = VLOG_RELAXED, .segment_size = 64 << 10 } },
      128 << 10 },
    { "many-memtables",
      { TINY, .l0_slow = 40, .l0_stop = 60,
        .log = { .mode = VLOG_RELAXED, .segment_size = 32 << 10 } },
      1 << 20 },
    { "tight-space",
      { TINY, .space_amp_target = 1.05, .log = { .mode = VLOG_RELAXED, .segment_size = 32 << 10 } },
      0 },
    { "few-filter-bits",
      { TINY, .filter_bits = 1, .log = { .segment_size = 32 << 10 } },
      512 << 10 },
};
enum { SETS = sizeof sets / sizeof sets[0] };

int main(int argc, char **argv)
{
    uint64_t operations = argc > 1 ? strtoull(argv[1], NULL, 10) : OPERATIONS;
    /* Job buffers come and go: keep their pages. */
    (void)mallopt(M_MMAP_THRESHOLD, 64 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 512 << 20);
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    for (int i = 0; i < SETS; i++) {
        if (argc > 3 && strcmp(argv[3], sets[i].name) != 0)
            continue;
        run_set(&sets[i], operations, seed + (uint64_t)i);
    }
    printf("model: %d checks\n", argc > 3 ? 1 : SETS);
    return 0;
}
