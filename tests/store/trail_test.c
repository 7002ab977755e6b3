/*
 * Gets that are run again when their block has been read, and what may have happened meanwhile.
 */
#include "lsm/internal.h"

#include "tests/support/must.h"
#include "tests/support/sim_store.h"

#include <stdio.h>

enum { FAR_TABLES = 70 }; /* More in level 0 than a get looks at ahead. */

static const struct sim_store_options options = {
    .dir = "/s",
    .lsm = { .log = { .segment_size = 64 << 10, .mode = VLOG_RELAXED },
             .write_buffer_size = 64 << 20,
             .l0_compact = 2 * FAR_TABLES,
             .l0_slow = 3 * FAR_TABLES,
             .l0_stop = 4 * FAR_TABLES,
             .reserve_size = UINT64_MAX },
    .cache_size = 4 << 20,
};

struct fixture {
    struct io_sim *sim;
    struct sim_store store;
    struct lsm_trail trails[LSM_TRAILS];
    struct lsm_reader reader; /* Does not block. */
};

static void begin_reading(struct fixture *f)
{
    lsm_reader_init(&f->reader, f->store.lsm, NULL, 1);
    f->reader.trails = f->trails;
}

static void open(struct fixture *f)
{
    f->sim = io_sim_create(NULL, NULL);
    MUST(sim_store_open(&f->store, f->sim, &options));
    begin_reading(f);
}

/* With a cache that knows no block. */
static void reopen(struct fixture *f)
{
    lsm_reader_deinit(&f->reader);
    sim_store_close(&f->store);
    MUST(sim_store_open(&f->store, f->sim, &options));
    begin_reading(f);
}

static void close(struct fixture *f)
{
    lsm_reader_deinit(&f->reader);
    sim_store_close(&f->store);
    io_sim_destroy(f->sim);
}

static void put(struct fixture *f, const char *key, const char *value)
{
    MUST(sim_store_put(&f->store, bytes_str(key), bytes_str(value)));
}

static struct status get(struct fixture *f, const char *key, struct lsm_value *out)
{
    return lsm_get(&f->reader, 0, bytes_str(key), UINT64_MAX, 0, out);
}

/* What it wants is read, and it stands nowhere meanwhile, as a command does. */
static void wait_for_reads(struct fixture *f)
{
    struct io_op *op;

    lsm_reader_leave(&f->reader);
    (void)fetch_submit(&f->reader.fetch, f->store.ring);
    while (!fetch_is_ready(&f->reader.fetch)) {
        io_ring_wait(f->store.ring, UINT64_MAX);
        while ((op = io_ring_done(f->store.ring)) != NULL) {
            while (fetch_complete(f->store.cache, op) != NULL)
                ;
        }
    }
}

/* Until it has left a trail to the data block, which is there then. */
static void get_half_way(struct fixture *f, const char *key)
{
    uint32_t before = f->reader.trail_count;
    struct lsm_value v;

    while (f->reader.trail_count == before) {
        cr_assert_eq(get(f, key, &v).code, ST_AGAIN);
        wait_for_reads(f);
    }
}

static void check(struct fixture *f, const char *key, const char *value)
{
    struct lsm_value v;
    struct status st;

    while ((st = get(f, key, &v)).code == ST_AGAIN)
        wait_for_reads(f);
    if (value == NULL) {
        cr_assert_eq(st.code, ST_NOT_FOUND, "%s: %s", key, status_name(st.code));
    } else {
        MUST(st);
        cr_assert(bytes_equal(v.value, bytes_str(value)), "%s: %.*s, not %s", key,
                  (int)v.value.size, v.value.data, value);
    }
    lsm_reader_reset(&f->reader);
}

static void delete_range(struct fixture *f, const char *begin, const char *end)
{
    MUST(lsm_batch_delete_range(sim_store_batch(&f->store), 0, bytes_str(begin), bytes_str(end)));
    MUST(sim_store_commit(&f->store));
}

/* Two tables, the older one below; nothing is in the cache. */
static void open_two(struct fixture *f)
{
    open(f);
    put(f, "a", "old");
    put(f, "b", "old");
    MUST(sim_store_flush(&f->store, false));
    put(f, "b", "new");
    put(f, "c", "new");
    MUST(sim_store_flush(&f->store, false));
    reopen(f);
}

Test(store_trail, is_followed_while_nothing_changes)
{
    struct fixture f;
    struct lsm_value v;

    open_two(&f);
    get_half_way(&f, "a");
    cr_assert_eq(f.reader.trail_count, 1);
    /* A trail that is not followed would not lead here. */
    f.trails[0].offset += 4096;
    cr_assert_eq(get(&f, "a", &v).code, ST_AGAIN);
    f.trails[0].offset -= 4096;
    fetch_reset(&f.reader.fetch);
    check(&f, "a", "old");
    check(&f, "b", "new");
    check(&f, "c", "new");
    check(&f, "d", NULL);
    close(&f);
}

/* Nor are memtables looked at again, until more is visible. */
Test(store_trail, leads_past_memtables_that_a_reader_has_seen)
{
    struct fixture f;
    struct lsm_value v;

    open_two(&f);
    get_half_way(&f, "a");
    put(&f, "a", "newer");
    /* A trail that says it has seen this leads past it. */
    uint64_t seen = f.trails[0].at;
    f.trails[0].at = lsm_visible(f.store.lsm);
    cr_assert_lt(seen, f.trails[0].at);
    MUST(get(&f, "a", &v));
    cr_assert(bytes_equal(v.value, bytes_str("old")));
    f.trails[0].at = seen;
    check(&f, "a", "newer");
    close(&f);
}

/* Whatever hashes say. */
Test(store_trail, of_one_key_is_no_others)
{
    struct fixture f;

    open_two(&f);
    get_half_way(&f, "a");
    get_half_way(&f, "b");
    f.trails[0].hash ^= f.trails[1].hash;
    f.trails[1].hash ^= f.trails[0].hash;
    f.trails[0].hash ^= f.trails[1].hash;
    check(&f, "b", "new");
    check(&f, "a", "old");
    close(&f);
}

/* What is written between the runs is seen by the second, wherever it has gone by then. */
Test(store_trail, hides_nothing_that_is_written_meanwhile)
{
    enum { NOTHING, FLUSH, COMPACT, PLACES };

    for (int place = NOTHING; place < PLACES; place++) {
        for (int is_delete = 0; is_delete < 3; is_delete++) {
            struct fixture f;
            open_two(&f);
            get_half_way(&f, "a");
            if (is_delete == 2)
                delete_range(&f, "a", "b");
            else if (is_delete == 1) {
                MUST(lsm_batch_delete(sim_store_batch(&f.store), 0, bytes_str("a")));
                MUST(sim_store_commit(&f.store));
            } else {
                put(&f, "a", "newer");
            }
            if (place == FLUSH)
                MUST(sim_store_flush(&f.store, false));
            else if (place == COMPACT)
                MUST(sim_store_compact(&f.store));
            check(&f, "a", is_delete != 0 ? NULL : "newer");
            close(&f);
        }
    }
}

/*
 * A memtable is frozen within an apply, and its table may be there before the publish behind it. A
 * get of then passes over what the table has of the key; were there a trail to the table below, the
 * next run would see it, and not what was published in between.
 */
Test(store_trail, none_leads_below_what_is_not_visible_yet)
{
    struct fixture f;
    struct lsm_value v;

    open(&f);
    put(&f, "b", "old");
    put(&f, "d", "old");
    MUST(sim_store_flush(&f.store, false));
    uint64_t before = lsm_visible(f.store.lsm);
    put(&f, "b", "new");
    put(&f, "c", "new");
    MUST(sim_store_flush(&f.store, false));
    reopen(&f);
    uint64_t now = lsm_visible(f.store.lsm);
    check(&f, "c", "new"); /* The upper block is there: no trail leads to it. */
    atomic_store(&f.store.lsm->visible, before);
    while (get(&f, "b", &v).code == ST_AGAIN) {
        wait_for_reads(&f);
        if (f.reader.trail_count > 0)
            break;
    }
    lsm_publish(f.store.lsm, now);
    check(&f, "b", "new");
    close(&f);
}

/* The filters are asked by hash on this way, too. */
Test(store_trail, a_key_is_found_below_more_tables_than_are_looked_at_ahead)
{
    struct fixture f;
    char value[16];

    open(&f);
    put(&f, "k", "lowest");
    put(&f, "z", "lowest");
    for (int i = 0; i < FAR_TABLES; i++) {
        MUST(sim_store_flush(&f.store, false));
        (void)snprintf(value, sizeof value, "%d", i);
        put(&f, "a", value);
        put(&f, "z", value);
    }
    MUST(sim_store_flush(&f.store, false));
    reopen(&f);
    check(&f, "k", "lowest");
    (void)snprintf(value, sizeof value, "%d", FAR_TABLES - 1);
    check(&f, "a", value);
    check(&f, "z", value);
    check(&f, "m", NULL);
    close(&f);
}

/* The second run would not meet it on the trail. */
Test(store_trail, none_leads_below_a_range_delete)
{
    struct fixture f;

    open(&f);
    put(&f, "a", "old");
    put(&f, "z", "old");
    MUST(sim_store_flush(&f.store, false));
    delete_range(&f, "a", "b");
    put(&f, "z", "new");
    MUST(sim_store_flush(&f.store, false));
    reopen(&f);
    check(&f, "a", NULL);
    check(&f, "z", "new");
    close(&f);
}
