#include "tests/crash/support/store_workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/sim_store.h"

/* A batch's big values are most of their segment, which is adopted; one alone is copied. A bulk of
 * them is worth rewriting when it was thinned out. */
enum {
    KEYS = STORE_KEYS,
    BULK_FIRST = 4,
    SIZE_BIG = 3500,
    SIZE_SMALL = 24,
    WORK = 40,
    PATIENCE = 300,
};

static const struct sim_store_options options_durable = {
    .dir = "/s",
    .patience = PATIENCE,
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

static struct sim_store_options options_of(const struct store_workload *w, struct alloc *alloc)
{
    struct sim_store_options o = options_durable;
    o.alloc = alloc;
    o.lsm.log.mode = w->is_relaxed ? VLOG_RELAXED : VLOG_DURABLE;
    return o;
}

/* ---- Operations --------------------------------------------------------------------------- */
static struct bytes key_of(unsigned i, char *out)
{
    return bytes_of(out, (size_t)snprintf(out, 8, "k%02u", i));
}

static struct bytes value_of(unsigned number, uint8_t *out)
{
    size_t size = number % 2 == 0 ? SIZE_BIG : SIZE_SMALL;
    memset(out, (int)('a' + number % 26), size);
    put_u32(out, number);
    return bytes_of(out, size);
}

static bool add_put(struct lsm_batch *b, unsigned key, unsigned number)
{
    char k[8];
    uint8_t v[SIZE_BIG];
    const struct lsm_put put = { .key = key_of(key, k), .value = value_of(number, v) };
    return succeeded(lsm_batch_put(b, &put));
}

/* Values are numbered by operation, odd ones are small. */
static unsigned number_of(unsigned n, bool is_big)
{
    return 2 * (n + 1) + (is_big ? 0 : 1);
}

static bool fill_batch(struct lsm_batch *b, enum store_operation op, unsigned n)
{
    char begin[8];
    char end[8];
    switch (op) {
    case PUT_SMALL:
        return add_put(b, n % KEYS, number_of(n, false));
    case PUT_BIG:
        return add_put(b, (n + 1) % KEYS, number_of(n, true));
    case BULK:
        for (unsigned i = BULK_FIRST; i < KEYS; i++) {
            if (!add_put(b, i, number_of(n, true)))
                return false;
        }
        return true;
    case THIN_OUT:
        for (unsigned i = BULK_FIRST + 2; i < KEYS; i++) {
            if (failed(lsm_batch_delete(b, 0, key_of(i, begin))))
                return false;
        }
        return true;
    case DELETE:
        return succeeded(lsm_batch_delete(b, 0, key_of(0, begin)));
    case BATCH:
        return add_put(b, 0, number_of(n, false)) && add_put(b, 1, number_of(n, true)) &&
               add_put(b, 2, number_of(n, true));
    case RANGE_DELETE:
        return succeeded(lsm_batch_delete_range(b, 0, key_of(1, begin), key_of(3, end)));
    default:
        return false;
    }
}

static void apply_to_model(struct store_contents *c, enum store_operation op, unsigned n)
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
    } else if (op == BULK) {
        for (unsigned i = BULK_FIRST; i < KEYS; i++)
            c->values[i] = number_of(n, true);
    } else if (op == THIN_OUT) {
        for (unsigned i = BULK_FIRST + 2; i < KEYS; i++)
            c->values[i] = 0;
    }
}

/* ---- Verifying a state -------------------------------------------------------------------- */

enum answer { RIGHT, WRONG, UNREADABLE };

/* Does the store hold this? A machine that fails may keep it from saying so. */
static enum answer look(struct sim_store *s, const struct store_contents *c)
{
    for (unsigned i = 0; i < KEYS; i++) {
        char k[8];
        uint8_t v[SIZE_BIG];
        struct lsm_value got;
        bool is_right;
        struct status st = lsm_get(&s->reader, 0, key_of(i, k), UINT64_MAX, 0, &got);
        if (succeeded(st))
            is_right = c->values[i] != 0 && bytes_equal(got.value, value_of(c->values[i], v));
        else
            is_right = st.code == ST_NOT_FOUND && c->values[i] == 0;
        lsm_reader_reset(&s->reader);
        if (failed(st) && st.code != ST_NOT_FOUND && st.code != ST_CORRUPT)
            return UNREADABLE;
        if (!is_right)
            return WRONG;
    }
    return RIGHT;
}

static bool holds(struct sim_store *s, const struct store_contents *c)
{
    return look(s, c) == RIGHT;
}

static bool works_on(struct sim_store *s, const struct sim_store_options *options,
                     const struct store_contents *c, struct errbuf *why)
{
    struct io_sim *sim = s->sim;
    struct store_contents now = *c;
    apply_to_model(&now, BATCH, WORK);
    bool is_written = fill_batch(sim_store_batch(s), BATCH, WORK) && succeeded(sim_store_commit(s));
    if (is_written)
        io_sim_mark(sim, "work", WORK);
    if (!is_written || failed(sim_store_flush(s, true))) {
        errbuf_set(why, "it does not take writes: %s", s->err.text);
        return false;
    }
    sim_store_close(s);
    struct status st = sim_store_open(s, sim, options);
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
static bool find_contents(const struct store_workload *w, const struct crash_state *state,
                          struct sim_store *s, struct store_contents *out)
{
    uint64_t acked = 0;
    bool is_worked = false;

    for (size_t i = 0; i < state->mark_count; i++) {
        if (strcmp(state->marks[i].word, "wrong") == 0)
            return false;
        if (strcmp(state->marks[i].word, "ack") == 0)
            acked = state->marks[i].number;
        else
            is_worked = true;
    }
    /* In relaxed mode a power cut may take what only the kernel had. */
    uint64_t least = w->is_relaxed && !state->is_kill ? 0 : acked;
    for (uint64_t n = least; n <= acked + 1 && n <= w->count; n++) {
        struct store_contents c = w->after[n];
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

bool store_workload_verify(void *context, const struct crash_state *state, struct errbuf *why)
{
    struct sim_store_options options = options_of(context, NULL);
    struct sim_store s;
    struct errbuf err = { "" };
    struct store_contents found;
    bool is_right = false;

    struct status st = sim_store_open(&s, state->sim, &options);
    if (failed(st)) {
        errbuf_set(why, "%s: %s", status_name(st.code), s.err.text);
        return false;
    }
    st = lsm_verify(s.lsm, s.ring, &err);
    if (failed(st))
        errbuf_set(why, "%s (%s:%u): %s", status_name(st.code), st.file, st.line, err.text);
    else if (!find_contents(context, state, &s, &found))
        errbuf_set(why, "wrong contents");
    else
        is_right = state->cuts == 2 || works_on(&s, &options, &found, why);
    sim_store_close(&s);
    return is_right;
}

/* ---- Running ------------------------------------------------------------------------------ */

void store_workload_plan(struct store_workload *w)
{
    w->after[0] = (struct store_contents) { .values = { 0 } };
    for (unsigned n = 0; n < w->count; n++) {
        w->after[n + 1] = w->after[n];
        apply_to_model(&w->after[n + 1], w->operations[n], n);
    }
}

static struct status run_operation(struct sim_store *s, const struct sim_store_options *options,
                                   enum store_operation op, unsigned n)
{
    struct io_sim *sim = s->sim;

    if (op == REOPEN) {
        sim_store_close(s);
        return sim_store_open(s, sim, options);
    }
    if (op == FLUSH || op == SETTLE) {
        status_ignore(sim_store_flush(s, op == SETTLE), "it changes nothing that can be read");
        return status_ok();
    }
    return fill_batch(sim_store_batch(s), op, n) ? sim_store_commit(s) : status_of(ST_NO_MEMORY);
}

static void count_work(struct sim_store *s, struct store_sums *sums)
{
    struct lsm_stats stats;

    if (s->lsm == NULL)
        return;
    lsm_stats(s->lsm, &stats);
    sums->flushes += stats.flushes;
    sums->compactions += stats.compactions;
    sums->adopted += stats.segments_adopted;
    sums->rewrites += stats.rewrites;
}

struct status store_workload_run(const struct store_workload *w, struct io_sim *sim,
                                 struct alloc *alloc)
{
    struct sim_store_options options = options_of(w, alloc);
    struct sim_store s;

    TRY(sim_store_open(&s, sim, &options));
    struct status st = status_ok();
    io_sim_mark(sim, "ack", 0);
    for (unsigned n = 0; n < w->count && succeeded(st); n++) {
        st = run_operation(&s, &options, w->operations[n], n);
        if (succeeded(st))
            io_sim_mark(sim, "ack", n + 1);
        if (succeeded(st) && look(&s, &w->after[n + 1]) == WRONG)
            io_sim_mark(sim, "wrong", n + 1);
    }
    if (w->sums != NULL)
        count_work(&s, w->sums);
    sim_store_close(&s);
    return st;
}

void store_workload_format(const struct store_workload *w, char *out_text, size_t size)
{
    size_t at = 0;
    out_text[0] = '\0';
    for (unsigned i = 0; i < w->count && at + 8 < size; i++)
        at += (size_t)snprintf(out_text + at, size - at, "%s%d", i == 0 ? "" : " ",
                               (int)w->operations[i]);
}
