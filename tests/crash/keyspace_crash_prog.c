/*
 * The life of a keyspace under power cuts: made, written to, its keys deleted, its name forgotten
 * (embed/keyspace.c), cut after every event, in every state the disk allows (enumerate.h).
 *
 * Each state must be one that was passed through: so a name that is gone has left no key behind,
 * and what was acknowledged is there. In it the same name can be taken again, is given a number
 * that was never given before, and holds nothing.
 *
 * Both modes, from a memtable and from tables. In relaxed mode a power cut may go back as far as
 * the last flush, in order: that is why a drop flushes between the keys and the name there.
 */
#include "base/check.h"

#include "tests/crash/support/enumerate.h"
#include "tests/support/sim_store.h"

#include <stdio.h>
#include <string.h>

enum { KEYS = 3 };
static const size_t SIZES[KEYS] = { 20, 700, 9000 };

struct workload {
    const char
        *steps; /* c create, p put the next key, f flush, d delete the keys, n drop the name */
    enum vlog_mode mode;
    uint32_t id; /* Of the first keyspace. */
};

/* What there is after so many steps. */
struct contents {
    bool has_name;
    unsigned keys;
};

static struct contents contents_after(const char *steps, size_t count)
{
    struct contents c = { .has_name = false };

    for (size_t i = 0; i < count; i++) {
        if (steps[i] == 'c' || steps[i] == 'n')
            c.has_name = steps[i] == 'c';
        else if (steps[i] == 'p')
            c.keys++;
        else if (steps[i] == 'd')
            c.keys = 0;
    }
    return c;
}

static struct status open_store(struct sim_store *s, struct io_sim *sim, enum vlog_mode mode)
{
    const struct sim_store_options o = { .dir = "/s",
                                         .cache_size = 128 << 10,
                                         .lsm = { .log = { .mode = mode, .segment_size = 32 << 10 },
                                                  .write_buffer_size = 64 << 10,
                                                  .separation_min = 512,
                                                  .block_size = 512,
                                                  .reserve_size = 16 << 10 } };
    return sim_store_open(s, sim, &o);
}

static struct bytes key_of(unsigned i)
{
    static const char *const NAMES[KEYS] = { "a", "b", "c" };
    return bytes_str(NAMES[i]);
}

static struct status put_key(struct sim_store *s, uint32_t id, unsigned i)
{
    uint8_t value[9000];

    memset(value, 'a' + (int)i, SIZES[i]);
    TRY(lsm_batch_put(sim_store_batch(s),
                      &(struct lsm_put) {
                          .keyspace = id, .key = key_of(i), .value = bytes_of(value, SIZES[i]) }));
    return sim_store_commit(s);
}

static struct status do_step(struct sim_store *s, char step, uint32_t *id, unsigned *keys)
{
    switch (step) {
    case 'c':
        return lsm_keyspace_create(s->lsm, s->ring, "ks", id);
    case 'p':
        return put_key(s, *id, (*keys)++);
    case 'f':
        return sim_store_flush(s, false);
    case 'd':
        TRY(lsm_batch_delete_keyspace(sim_store_batch(s), *id));
        return sim_store_commit(s);
    default:
        return lsm_keyspace_drop(s->lsm, s->ring, "ks");
    }
}

/* Are exactly the first of the keys there, under this number? */
static bool holds_keys(struct sim_store *s, uint32_t id, unsigned keys)
{
    bool is_right = true;

    for (unsigned i = 0; i < KEYS; i++) {
        struct lsm_value v;
        struct status st = lsm_get(&s->reader, id, key_of(i), UINT64_MAX, 0, &v);
        if (i < keys)
            is_right &= succeeded(st) && v.size == SIZES[i] && v.value.data[0] == 'a' + i;
        else
            is_right &= st.code == ST_NOT_FOUND;
        lsm_reader_reset(&s->reader);
    }
    return is_right;
}

static bool holds(struct sim_store *s, const struct workload *w, struct contents c)
{
    uint32_t id;
    struct status st = lsm_keyspace_find(s->lsm, "ks", &id);

    if (c.has_name != succeeded(st) || (c.has_name && id != w->id))
        return false;
    return holds_keys(s, w->id, c.keys);
}

/* The steps after which the store may be: *out_first to *out_last. */
static void allowed_steps(const struct workload *w, const struct crash_state *state,
                          size_t *out_first, size_t *out_last)
{
    size_t done = state->mark_count;

    *out_last = done < strlen(w->steps) ? done + 1 : done;
    *out_first = done;
    /* Names are of the manifest, which is synced in every mode; so is a flush. */
    if (w->mode == VLOG_RELAXED && !state->is_kill) {
        while (*out_first > 0 && strchr("cfn", w->steps[*out_first - 1]) == NULL)
            (*out_first)--;
    }
}

/* The name is free, or is freed now: who takes it finds nothing of the one before. */
static bool starts_anew(struct sim_store *s, const struct workload *w)
{
    uint32_t id;
    unsigned keys = 0;

    if (succeeded(lsm_keyspace_find(s->lsm, "ks", &id)) &&
        failed(lsm_keyspace_drop(s->lsm, s->ring, "ks")))
        return false;
    if (failed(lsm_keyspace_create(s->lsm, s->ring, "ks", &id)))
        return false;
    return id > w->id && holds_keys(s, id, 0) && succeeded(do_step(s, 'p', &id, &keys)) &&
           holds_keys(s, id, 1);
}

static bool verify(void *context, const struct crash_state *state, struct errbuf *why)
{
    const struct workload *w = context;
    struct sim_store s;
    size_t first;
    size_t last;
    bool is_right = false;

    struct status st = open_store(&s, state->sim, w->mode);
    if (failed(st)) {
        errbuf_set(why, "%s: %s", status_name(st.code), s.err.text);
        return false;
    }
    allowed_steps(w, state, &first, &last);
    for (size_t i = first; i <= last; i++)
        is_right |= holds(&s, w, contents_after(w->steps, i));
    if (!is_right)
        errbuf_set(why, "not as after any of steps %zu to %zu", first, last);
    else if (last > 1 && !(is_right = starts_anew(&s, w)))
        errbuf_set(why, "a new keyspace is not new");
    sim_store_close(&s);
    return is_right;
}

static bool run_workload(const char *steps, enum vlog_mode mode, struct crash_report *report)
{
    const struct crash_options options = {
        .seed = 1, .exhaustive_max = 7, .random_count = 16, .structured_max = 24, .tear_step = 1024
    };
    struct workload w = { .steps = steps, .mode = mode };
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_store s;
    unsigned keys = 0;

    struct status st = open_store(&s, sim, mode);
    io_sim_trace_start(sim);
    for (size_t i = 0; steps[i] != '\0' && succeeded(st); i++) {
        st = do_step(&s, steps[i], &w.id, &keys);
        io_sim_mark(sim, "ack", i + 1);
    }
    CHECK(succeeded(st));
    struct io_sim_trace *trace = io_sim_trace_stop(sim);
    sim_store_close(&s);
    io_sim_destroy(sim);
    bool is_right = crash_enumerate(trace, &options, verify, &w, report);
    if (!is_right)
        printf("keyspace_crash: %s, \"%s\": %s\n", mode == VLOG_DURABLE ? "durable" : "relaxed",
               steps, report->failure.text);
    io_sim_trace_destroy(trace);
    return is_right;
}

int main(void)
{
    static const char *const DURABLE[] = { "cpppdn", "cpppfdn", "cpfppdfn" };
    static const char *const RELAXED[] = { "cpppdfn", "cpppfdfn" };
    struct crash_report report = { 0 };
    bool is_right = true;

    for (size_t i = 0; i < sizeof DURABLE / sizeof *DURABLE && is_right; i++)
        is_right = run_workload(DURABLE[i], VLOG_DURABLE, &report);
    for (size_t i = 0; i < sizeof RELAXED / sizeof *RELAXED && is_right; i++)
        is_right = run_workload(RELAXED[i], VLOG_RELAXED, &report);
    if (is_right) {
        /* That the test sees what it is for: without the flush, the name can go before the keys. */
        struct crash_report broken = { 0 };
        is_right = !run_workload("cpppdn", VLOG_RELAXED, &broken);
    }
    printf("keyspace_crash: %llu checks (cut at %llu moments, %llu states made)\n",
           (unsigned long long)report.distinct, (unsigned long long)report.points,
           (unsigned long long)report.states);
    return is_right ? 0 : 1;
}
