/*
 * The whole store under power cuts: log, tree, manifest, value files.
 *
 * A workload is a few operations out of: put a small value, put one that lives apart, delete, a
 * batch, a range delete, flush, flush and settle (compaction, rewriting), close and reopen. Its
 * trace is cut after every event, in every state the simulated disk allows (enumerate.h). Each
 * state must open; hold what was acknowledged, with the operation under way wholly there or not at
 * all; prove its own disk; take writes; and be there again after reopening. Some recoveries are cut
 * too.
 *
 *   store_crash_prog [workloads] [seed]
 */
#include "base/rand.h"

#include "tests/crash/support/enumerate.h"
#include "tests/support/sanitized.h"
#include "tests/support/sim_store.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 4, OPERATIONS_MAX = 5, SIZE_BIG = 700, SIZE_SMALL = 24, WORK = 40 };

enum operation {
    PUT_SMALL,
    PUT_BIG,
    DELETE,
    BATCH,
    RANGE_DELETE,
    FLUSH,
    SETTLE,
    REOPEN,
    OPERATIONS
};

/* What each key holds: 0 nothing, else the number of its value. */
struct contents {
    unsigned values[KEYS];
};

struct workload {
    enum operation operations[OPERATIONS_MAX];
    unsigned count;
    struct contents after[OPERATIONS_MAX + 1]; /* [n]: after n operations. */
};

static const struct sim_store_options store_options = {
    .dir = "/s",
    .cache_size = 128 << 10,
    .lsm = { .log = { .segment_size = 16 << 10 },
             .write_buffer_size = 64 << 10,
             .log_size_max = 64 << 10,
             .separation_min = 512,
             .block_size = 512,
             .table_size = 16 << 10,
             .level_base_size = 16 << 10,
             .l0_compact = 1,
             .reserve_size = UINT64_MAX },
};

static void die(const char *what, struct status s, const struct sim_store *store)
{
    fprintf(stderr, "store_crash: %s: %s (%s:%u) %s\n", what, status_name(s.code), s.file, s.line,
            store->err.text);
    exit(1);
}

static struct bytes key_of(unsigned i, char *out)
{
    return bytes_of(out, (size_t)snprintf(out, 8, "k%u", i));
}

static struct bytes value_of(unsigned number, uint8_t *out)
{
    size_t size = number % 2 == 0 ? SIZE_BIG : SIZE_SMALL;
    memset(out, (int)('a' + number % 26), size);
    put_u32(out, number);
    return bytes_of(out, size);
}

/* ---- Operations --------------------------------------------------------------------------- */

static void add_put(struct lsm_batch *b, unsigned key, unsigned number)
{
    char k[8];
    uint8_t v[SIZE_BIG];
    const struct lsm_put put = { .key = key_of(key, k), .value = value_of(number, v) };
    if (failed(lsm_batch_put(b, &put)))
        abort();
}

/* Values are numbered by operation, odd ones are small. */
static unsigned number_of(unsigned n, bool is_big)
{
    return 2 * (n + 1) + (is_big ? 0 : 1);
}

static bool fill_batch(struct lsm_batch *b, enum operation op, unsigned n)
{
    char begin[8];
    char end[8];
    switch (op) {
    case PUT_SMALL:
        add_put(b, n % KEYS, number_of(n, false));
        return true;
    case PUT_BIG:
        add_put(b, (n + 1) % KEYS, number_of(n, true));
        return true;
    case DELETE:
        return succeeded(lsm_batch_delete(b, 0, key_of(0, begin)));
    case BATCH:
        add_put(b, 0, number_of(n, false));
        add_put(b, 1, number_of(n, true));
        add_put(b, 2, number_of(n, true));
        return true;
    case RANGE_DELETE:
        return succeeded(lsm_batch_delete_range(b, 0, key_of(1, begin), key_of(3, end)));
    default:
        return false;
    }
}

static void apply_to_model(struct contents *c, enum operation op, unsigned n)
{
    if (op == PUT_SMALL)
        c->values[n % KEYS] = number_of(n, false);
    else if (op == PUT_BIG)
        c->values[(n + 1) % KEYS] = number_of(n, true);
    else if (op == DELETE)
        c->values[0] = 0;
    else if (op == BATCH) {
        c->values[0] = number_of(n, false);
        c->values[1] = number_of(n, true);
        c->values[2] = number_of(n, true);
    } else if (op == RANGE_DELETE) {
        c->values[1] = 0;
        c->values[2] = 0;
    }
}

static void run_operation(struct sim_store *s, struct io_sim *sim, enum operation op, unsigned n)
{
    struct status st;
    if (fill_batch(sim_store_batch(s), op, n)) {
        st = sim_store_commit(s);
    } else if (op == REOPEN) {
        sim_store_close(s);
        st = sim_store_open(s, sim, &store_options);
    } else {
        st = sim_store_flush(s, op == SETTLE);
    }
    if (failed(st))
        die("an operation", st, s);
}

/* ---- Verifying a state -------------------------------------------------------------------- */

static bool holds(struct sim_store *s, const struct contents *c)
{
    for (unsigned i = 0; i < KEYS; i++) {
        char k[8];
        uint8_t v[SIZE_BIG];
        struct lsm_value got;
        struct status st = lsm_get(&s->reader, 0, key_of(i, k), UINT64_MAX, 0, &got);
        bool is_right = st.code == ST_NOT_FOUND
                            ? c->values[i] == 0
                            : succeeded(st) && c->values[i] != 0 &&
                                  bytes_equal(got.value, value_of(c->values[i], v));
        lsm_reader_reset(&s->reader);
        if (!is_right)
            return false;
    }
    return true;
}

static bool works_on(struct sim_store *s, struct io_sim *sim, const struct contents *c,
                     struct errbuf *why)
{
    struct contents now = *c;
    apply_to_model(&now, BATCH, WORK);
    bool is_written = fill_batch(sim_store_batch(s), BATCH, WORK) && succeeded(sim_store_commit(s));
    if (is_written)
        io_sim_mark(sim, "work", WORK);
    if (!is_written || failed(sim_store_flush(s, true))) {
        errbuf_set(why, "it does not take writes: %s", s->err.text);
        return false;
    }
    sim_store_close(s);
    struct status st = sim_store_open(s, sim, &store_options);
    if (failed(st) || !holds(s, &now)) {
        errbuf_set(why, "after more writes and a reopening: %s %s", status_name(st.code),
                   s->err.text);
        return false;
    }
    return true;
}

/* What the state may hold, of what the outside world was told: all acknowledged operations, and the
 * one under way or not; after a second cut the recovery's own batch too, for sure if it was marked.
 */
static bool find_contents(const struct workload *w, const struct crash_state *state,
                          struct sim_store *s, struct contents *out)
{
    uint64_t acked = 0;
    bool is_worked = false;

    for (size_t i = 0; i < state->mark_count; i++) {
        if (strcmp(state->marks[i].word, "ack") == 0)
            acked = state->marks[i].number;
        else
            is_worked = true;
    }
    for (uint64_t n = acked; n <= acked + 1 && n <= w->count; n++) {
        struct contents c = w->after[n];
        if (!is_worked && holds(s, &c)) {
            *out = c;
            return true;
        }
        apply_to_model(&c, BATCH, WORK);
        if (state->cuts == 2 && holds(s, &c)) {
            *out = c;
            return true;
        }
    }
    return false;
}

static bool verify(void *context, const struct crash_state *state, struct errbuf *why)
{
    struct sim_store s;
    struct errbuf err = { "" };
    struct contents found;
    bool is_right = false;

    struct status st = sim_store_open(&s, state->sim, &store_options);
    if (failed(st)) {
        errbuf_set(why, "%s: %s", status_name(st.code), s.err.text);
        return false;
    }
    st = lsm_verify(s.lsm, s.ring, &err);
    if (failed(st))
        errbuf_set(why, "%s", err.text);
    else if (!find_contents(context, state, &s, &found))
        errbuf_set(why, "wrong contents");
    else
        is_right = state->cuts == 2 || works_on(&s, state->sim, &found, why);
    sim_store_close(&s);
    return is_right;
}

/* ---- Workloads ---------------------------------------------------------------------------- */

static struct io_sim_trace *record(struct workload *w)
{
    struct sim_store s;
    struct io_sim *sim = io_sim_create(NULL, NULL);

    io_sim_trace_start(sim);
    struct status st = sim_store_open(&s, sim, &store_options);
    if (failed(st))
        die("open", st, &s);
    w->after[0] = (struct contents) { .values = { 0 } };
    io_sim_mark(sim, "ack", 0);
    for (unsigned n = 0; n < w->count; n++) {
        w->after[n + 1] = w->after[n];
        apply_to_model(&w->after[n + 1], w->operations[n], n);
        run_operation(&s, sim, w->operations[n], n);
        io_sim_mark(sim, "ack", n + 1);
    }
    sim_store_close(&s);
    struct io_sim_trace *trace = io_sim_trace_stop(sim);
    io_sim_destroy(sim);
    return trace;
}

static bool run_workload(struct workload *w, uint64_t seed, struct crash_report *report)
{
    const struct crash_options options = { .seed = seed,
                                           .exhaustive_max = 7,
                                           .random_count = 16,
                                           .structured_max = 32,
                                           .tear_step = 1024,
                                           .second_cut_every = 61,
                                           .second_cut_states = 8 };
    struct io_sim_trace *trace = record(w);
    bool is_right = crash_enumerate(trace, &options, verify, w, report);
    io_sim_trace_destroy(trace);
    if (!is_right) {
        fprintf(stderr, "store_crash: workload");
        for (unsigned i = 0; i < w->count; i++)
            fprintf(stderr, " %d", (int)w->operations[i]);
        fprintf(stderr, ", seed %llu: %s\n", (unsigned long long)seed, report->failure.text);
    }
    return is_right;
}

int main(int argc, char **argv)
{
    unsigned random_count = argc > 1       ? (unsigned)strtoul(argv[1], NULL, 10)
                            : IS_SANITIZED ? 20
                                           : 400;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    struct crash_report report = { .points = 0 };
    struct rand rand;
    unsigned workloads = 0;

    (void)mallopt(M_MMAP_THRESHOLD, 64 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 512 << 20);
    rand_seed(&rand, seed);
    /* Every pair, then random ones of four. */
    for (unsigned i = 0; i < OPERATIONS * OPERATIONS; i++, workloads++) {
        struct workload w = { .count = 2, .operations = { i / OPERATIONS, i % OPERATIONS } };
        if (!run_workload(&w, seed + i, &report))
            return 1;
    }
    for (unsigned i = 0; i < random_count; i++, workloads++) {
        struct workload w = { .count = 4 };
        for (unsigned j = 0; j < w.count; j++)
            w.operations[j] = (enum operation)rand_below(&rand, OPERATIONS);
        if (!run_workload(&w, seed + 1000 + i, &report))
            return 1;
    }
    printf("store_crash: %llu checks (%u workloads, %llu cuts, %llu distinct states, %llu after a "
           "second cut), seed %llu\n",
           (unsigned long long)(report.distinct + report.second_distinct), workloads,
           (unsigned long long)report.points, (unsigned long long)report.distinct,
           (unsigned long long)report.second_distinct, (unsigned long long)seed);
    return 0;
}
