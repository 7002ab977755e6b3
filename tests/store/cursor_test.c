/*
 * Cursors over keys with many versions.
 */
#include "base/rand.h"

#include "tests/support/must.h"
#include "tests/support/sim_store.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct sim_store_options options = {
    .dir = "/s",
    .lsm = { .log = { .segment_size = 64 << 10, .mode = VLOG_RELAXED },
             .write_buffer_size = 64 << 20,
             .separation_min = 512,
             .block_size = 512,
             .table_size = 16 << 10,
             .level_base_size = 16 << 10,
             .reserve_size = UINT64_MAX },
};

/* ---- Moving, also where a move has to wait ------------------------------------------------ */

static void wait_for_reads(struct sim_store *s, struct lsm_cursor *c)
{
    struct io_op *op;

    (void)fetch_submit(lsm_cursor_fetch(c), s->ring);
    while (!fetch_is_ready(lsm_cursor_fetch(c))) {
        io_ring_wait(s->ring, UINT64_MAX);
        while ((op = io_ring_done(s->ring)) != NULL) {
            while (fetch_complete(s->cache, op) != NULL)
                ;
        }
    }
}

enum move { FIRST, LAST, NEXT, PREV };

static void move(struct sim_store *s, struct lsm_cursor *c, enum move m)
{
    struct status st;
    for (;;) {
        st = m == FIRST  ? lsm_cursor_first(c)
             : m == LAST ? lsm_cursor_last(c)
             : m == NEXT ? lsm_cursor_next(c)
                         : lsm_cursor_prev(c);
        if (st.code != ST_AGAIN)
            break;
        wait_for_reads(s, c);
    }
    MUST(st);
}

/* ---- Versions ----------------------------------------------------------------------------- */

enum { KEYS = 6, WRITES = 400, SNAPSHOTS = 5, NONE = -1 };

struct past {
    struct lsm_snapshot *snapshot;
    int values[KEYS];
};

static struct bytes key_of(unsigned i, char *out)
{
    return bytes_of(out, (size_t)snprintf(out, 8, "k%u", i));
}

/* Key i stands at the cursor with the value that was written as number n. */
static void check_shown(struct lsm_cursor *c, unsigned i, int n)
{
    char k[8];
    char v[16];
    struct lsm_value value;

    cr_assert(lsm_cursor_is_valid(c), "k%u is missing", i);
    cr_assert(bytes_equal(lsm_cursor_key(c), key_of(i, k)));
    lsm_cursor_meta(c, &value);
    cr_assert(bytes_equal(value.value, bytes_of(v, (size_t)snprintf(v, sizeof v, "%d", n))),
              "k%u: %.*s, not %d", i, (int)value.value.size, value.value.data, n);
}

static void check_past(struct sim_store *s, const struct past *p, bool is_blocking)
{
    struct lsm_cursor_options o = { .at = lsm_snapshot_version(p->snapshot),
                                    .ring = is_blocking ? s->ring : NULL };
    struct lsm_cursor *c;

    MUST(lsm_cursor_open(s->lsm, &o, &c));
    move(s, c, FIRST);
    for (unsigned i = 0; i < KEYS; i++) {
        if (p->values[i] == NONE)
            continue;
        check_shown(c, i, p->values[i]);
        move(s, c, NEXT);
    }
    cr_assert_not(lsm_cursor_is_valid(c));
    move(s, c, LAST);
    for (unsigned i = KEYS; i-- > 0;) {
        if (p->values[i] == NONE)
            continue;
        check_shown(c, i, p->values[i]);
        move(s, c, PREV);
    }
    cr_assert_not(lsm_cursor_is_valid(c));
    lsm_cursor_close(c);
}

static void write_one(struct sim_store *s, struct rand *rand, int n, int *values)
{
    unsigned i = (unsigned)rand_below(rand, KEYS);
    char k[8];
    char v[16];
    struct lsm_batch *b = sim_store_batch(s);
    const struct lsm_put put = { .key = key_of(i, k),
                                 .value = bytes_of(v, (size_t)snprintf(v, sizeof v, "%d", n)) };

    if (rand_below(rand, 30) == 0) {
        MUST(lsm_batch_delete(b, 0, put.key));
        values[i] = NONE;
    } else {
        MUST(lsm_batch_put(b, &put));
        values[i] = n;
    }
    MUST(sim_store_commit(s));
}

/* Every snapshot, both ways, blocking and not, over versions in memory and in several tables. */
Test(store_cursor, sees_of_each_key_the_version_of_its_snapshot)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_store s;
    struct past past[SNAPSHOTS];
    struct rand rand;
    int values[KEYS] = { NONE, NONE, NONE, NONE, NONE, NONE };

    rand_seed(&rand, 5);
    MUST(sim_store_open(&s, sim, &options));
    for (int n = 0; n < WRITES; n++) {
        write_one(&s, &rand, n, values);
        if ((n + 1) % (WRITES / SNAPSHOTS) == 0) {
            struct past *p = &past[n / (WRITES / SNAPSHOTS)];
            MUST(lsm_snapshot_take(s.lsm, &p->snapshot));
            memcpy(p->values, values, sizeof values);
        }
        if (n == WRITES / 3 || n == WRITES / 2)
            MUST(sim_store_flush(&s, n == WRITES / 2));
    }
    for (int i = 0; i < SNAPSHOTS; i++) {
        check_past(&s, &past[i], true);
        check_past(&s, &past[i], false);
    }
    for (int i = 0; i < SNAPSHOTS; i++)
        lsm_snapshot_release(s.lsm, past[i].snapshot);
    sim_store_close(&s);
    io_sim_destroy(sim);
}

/* ---- A hot key ---------------------------------------------------------------------------- */

static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

/* A counter was raised very often since the last flush. Who passes it, on either side, with an old
 * snapshot or a new one, does not pass every version of it, least of all every version for every
 * version. */
Test(store_cursor, passes_a_hot_key_in_a_few_steps)
{
    enum { VERSIONS = 40000, PASSES = 200 };
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_store s;
    struct past now = { .values = { 0, VERSIONS, 0, NONE, NONE, NONE } };
    struct past old = { .values = { 0, 0, 0, NONE, NONE, NONE } };
    struct rand rand;
    char k[8];
    char v[16];

    rand_seed(&rand, 5);
    MUST(sim_store_open(&s, sim, &options));
    for (unsigned i = 0; i < 3; i++)
        MUST(sim_store_put(&s, key_of(i, k), bytes_str("0")));
    MUST(lsm_snapshot_take(s.lsm, &old.snapshot));
    for (int n = 1; n <= VERSIONS; n++)
        MUST(sim_store_put(&s, key_of(1, k), bytes_of(v, (size_t)snprintf(v, sizeof v, "%d", n))));
    MUST(lsm_snapshot_take(s.lsm, &now.snapshot));

    double begun = cpu_seconds();
    for (int i = 0; i < PASSES; i++) {
        check_past(&s, &now, true);
        check_past(&s, &old, true);
    }
    double spent = cpu_seconds() - begun;
    cr_assert_lt(spent, 1.0, "%d passes took %.2f s of processor time", PASSES, spent);
    lsm_snapshot_release(s.lsm, old.snapshot);
    lsm_snapshot_release(s.lsm, now.snapshot);
    sim_store_close(&s);
    io_sim_destroy(sim);
}
