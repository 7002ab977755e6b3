/*
 * Rewriting of value files as readers and the driver of the background meet it.
 */
#include "base/rand.h"

#include "tests/support/must.h"
#include "tests/support/sim_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES = 16, VALUE_SIZE = 3500, STEPS = 400 };

static const struct sim_store_options options = {
    .dir = "/s",
    .lsm = { .log = { .segment_size = 16 << 10 },
             .write_buffer_size = 64 << 10,
             .separation_min = 512,
             .block_size = 512,
             .l0_compact = 1,
             .reserve_size = UINT64_MAX },
};

static struct bytes key_of(unsigned i, char *out)
{
    return bytes_of(out, (size_t)snprintf(out, 8, "k%03u", i));
}

static struct bytes value_of(unsigned i, size_t size, uint8_t *out)
{
    memset(out, (int)('a' + i % 26), size);
    return bytes_of(out, size);
}

/* count values of size bytes each, in one value file; then all but the first kept ones deleted. */
static void put_values(struct sim_store *s, unsigned count, size_t size)
{
    uint8_t *value = malloc(size);
    struct lsm_batch *b = sim_store_batch(s);
    char k[8];

    for (unsigned i = 0; i < count; i++) {
        const struct lsm_put put = { .key = key_of(i, k), .value = value_of(i, size, value) };
        MUST(lsm_batch_put(b, &put));
    }
    free(value);
    MUST(sim_store_commit(s));
    MUST(sim_store_flush(s, true));
}

static void delete_from(struct sim_store *s, unsigned first, unsigned count)
{
    struct lsm_batch *b = sim_store_batch(s);
    char k[8];

    for (unsigned i = first; i < count; i++)
        MUST(lsm_batch_delete(b, 0, key_of(i, k)));
    MUST(sim_store_commit(s));
    MUST(sim_store_flush(s, false));
}

static uint64_t rewrites(struct sim_store *s)
{
    struct lsm_stats stats;
    lsm_stats(s->lsm, &stats);
    return stats.rewrites;
}

/*
 * A get that came before a value was deleted may be slow: compaction and rewriting, which know of
 * no reader as old as that, may both be over before it reads the value. Here it is two gets in one
 * epoch.
 */
Test(store_rewrite, a_slow_reader_still_finds_its_values)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_store s;
    struct lsm_reader slow;
    struct lsm_value value;
    uint8_t expected[VALUE_SIZE];
    char k[8];

    MUST(sim_store_open(&s, sim, &options));
    put_values(&s, VALUES, VALUE_SIZE);
    lsm_reader_init(&slow, s.lsm, s.ring, 7);
    MUST(lsm_get(&slow, 0, key_of(0, k), UINT64_MAX, 0, &value));
    uint64_t version = value.version;

    delete_from(&s, 2, VALUES);
    (void)sim_store_work(&s, STEPS);
    MUST(lsm_get(&slow, 0, key_of(VALUES - 1, k), version, 0, &value));
    cr_assert(bytes_equal(value.value, value_of(VALUES - 1, VALUE_SIZE, expected)));
    lsm_reader_deinit(&slow);

    MUST(sim_store_flush(&s, true));
    cr_assert_gt(rewrites(&s), 0, "the file is rewritten when the reader has left");
    MUST(lsm_get(&s.reader, 0, key_of(1, k), UINT64_MAX, 0, &value));
    cr_assert(bytes_equal(value.value, value_of(1, VALUE_SIZE, expected)));
    sim_store_close(&s);
    io_sim_destroy(sim);
}

/* ---- Quanta ------------------------------------------------------------------------------- */

/* Bytes submitted to be written since the last look. */
static void count_bytes(void *context, const struct io_sim_event *e)
{
    uint64_t *bytes = context;
    if (e->kind == IO_SIM_WRITING)
        *bytes += e->data.size;
}

/* Nothing else can be done by the background while a step copies: no flush, so writers may wait. */
Test(store_rewrite, a_step_copies_no_more_than_a_quantum)
{
    enum { COUNT = 128, KEPT = 40, SIZE = 64 << 10, QUANTUM = 2 << 20 };
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_store_options o = options;
    struct sim_store s;
    uint64_t bytes = 0;
    uint64_t total = 0;
    uint64_t most = 0;

    o.lsm.log.segment_size = 16 << 20;
    MUST(sim_store_open(&s, sim, &o));
    put_values(&s, COUNT, SIZE);
    delete_from(&s, KEPT, COUNT);
    io_sim_set_monitor(sim, count_bytes, &bytes);
    for (int i = 0; i < 10000 && rewrites(&s) == 0; i++) {
        if (sim_store_work(&s, 1))
            io_sim_advance(sim, 50 * 1000 * 1000);
        most = bytes > most ? bytes : most;
        total += bytes;
        bytes = 0;
    }
    io_sim_set_monitor(sim, NULL, NULL);
    cr_assert_gt(rewrites(&s), 0);
    cr_assert_gt(total, (uint64_t)KEPT * SIZE, "%llu bytes", (unsigned long long)total);
    cr_assert_leq(most, QUANTUM, "%llu bytes in one step", (unsigned long long)most);
    sim_store_close(&s);
    io_sim_destroy(sim);
}

/* ---- Urgency ------------------------------------------------------------------------------ */

/* A writer that never lets the levels come to rest: small entries all over the tree, and big values
 * of which few live. Garbage must not wait for a quiet moment that does not come. */
Test(store_rewrite, levels_that_never_rest_do_not_keep_garbage)
{
    enum { ROUNDS = 800, SMALL = 100, BIG = 8, BIG_KEYS = 40 };
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_store_options o = options;
    struct sim_store s;
    struct rand rand;
    uint8_t value[VALUE_SIZE];
    char k[16];

    rand_seed(&rand, 3);
    o.lsm.table_size = 8 << 10;
    o.lsm.level_base_size = 16 << 10;
    o.lsm.level_fanout = 2;
    o.lsm.job_quantum_entries = 64;
    MUST(sim_store_open(&s, sim, &o));
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct lsm_batch *b = sim_store_batch(&s);
        for (unsigned i = 0; i < SMALL + BIG; i++) {
            struct lsm_put put = { .key = bytes_of(k, 0) };
            put.key.size =
                (size_t)snprintf(k, sizeof k, "%c%07u", i < SMALL ? 's' : 'b',
                                 (unsigned)rand_below(&rand, i < SMALL ? 20000 : BIG_KEYS));
            put.value = value_of(round, i < SMALL ? 20 : VALUE_SIZE, value);
            MUST(lsm_batch_put(b, &put));
        }
        MUST(sim_store_commit(&s));
        (void)sim_store_work(&s, 4);
    }
    /* Short of a rest, rewriting gets its turn. (Without one it had none.) */
    cr_assert_gt(rewrites(&s), 10, "%llu", (unsigned long long)rewrites(&s));
    sim_store_close(&s);
    io_sim_destroy(sim);
}
