/*
 * The whole store under power cuts: log, tree, manifest, value files.
 *
 * A workload is a few operations out of eight (store_work.h): every one of up to four is run. A
 * state cut inside one of its first operations is a state of a shorter workload; so of each only
 * the last operation is traced, and cut after every event, in every state the simulated disk allows
 * (enumerate.h). Each state that was not met before, in any workload, must open; hold what was
 * acknowledged, with the operation under way wholly there or not at all; prove its own disk; take
 * writes; and be there again after reopening. Some recoveries are cut too.
 *
 * In relaxed mode, up to three operations: a kill loses nothing acknowledged, a power cut keeps a
 * prefix that is no shorter than what was flushed.
 *
 * After every two operations also a keyspace, a compaction of everything, a checkpoint: a copy is
 * not a store, or it is all that was acknowledged before.
 *
 * What flushes, compacts, rewrites, adopts, recycles is counted among the cuts, and must be there.
 *
 *   store_crash_prog                     as in CI
 *   store_crash_prog --all               with more states a cut (eight minutes)
 *   store_crash_prog durable|relaxed OPS just this workload: what a failure prints
 */
#include "base/check.h"
#include "base/hash.h"

#include "tests/crash/support/enumerate.h"
#include "tests/crash/support/store_work.h"
#include "tests/support/sanitized.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum { LENGTH_MAX = 8, RELAXED_LENGTH = 3 };
enum { LENGTH = 4, WORKLOAD_STEP = IS_SANITIZED ? 101 : 1 };

static const char letters[] = "pPdbrfso";

/* What only some operations do. */
enum activity { FLUSHES, COMPACTIONS, MOVES, REWRITES, COPIES, ADOPTIONS, RECYCLINGS, ACTIVITIES };
static const char *const activity_names[] = { "flush",     "compaction", "trivial move",
                                              "rewriting", "value copy", "adoption",
                                              "recycling" };

struct tally {
    struct crash_report report;
    uint64_t workloads;
    uint64_t cuts[ACTIVITIES]; /* In operations that did it. */
};

struct promised {
    uint64_t durable;  /* Writes that no power cut may lose, */
    uint64_t acked;    /* and no kill. */
    bool is_worked_on; /* The recovery acknowledged its own write. */
};

struct workload {
    char ops[LENGTH_MAX + 1];
    enum vlog_mode mode;
    struct store_contents after[LENGTH_MAX + 1]; /* [n]: after n writes. */
    unsigned writes;
    /* Of the last operation: */
    struct promised before;
    uint64_t counters[ACTIVITIES];
};

static struct store_work_options options_of(const struct workload *w)
{
    return (struct store_work_options) { .mode = w->mode };
}

/* ---- Verifying a state -------------------------------------------------------------------- */

static struct promised promised_by(const struct workload *w, const struct crash_state *state)
{
    struct promised p = w->before;

    for (size_t i = 0; i < state->mark_count; i++) {
        if (strcmp(state->marks[i].word, "ack") == 0)
            p.acked = state->marks[i].number;
        else if (strcmp(state->marks[i].word, "durable") == 0)
            p.durable = state->marks[i].number;
        else
            p.is_worked_on = true;
    }
    if (w->mode == VLOG_DURABLE || state->is_kill)
        p.durable = p.acked;
    else
        p.is_worked_on = false;
    return p;
}

/* What the state may hold: all that was promised, and any prefix of what was under way; after a
 * second cut the recovery's own write too, for sure if that was promised. */
static bool find_contents(const struct workload *w, const struct crash_state *state,
                          struct store_work *work, struct store_contents *out)
{
    struct promised p = promised_by(w, state);

    for (uint64_t n = p.durable; n <= p.acked + 1 && n <= w->writes; n++) {
        *out = w->after[n];
        if (!p.is_worked_on && store_work_holds(work, out))
            return true;
        store_contents_apply(out, 'w', STORE_WRITE_AFTERWARDS);
        if (state->cuts == 2 && store_work_holds(work, out))
            return true;
    }
    return false;
}

static bool verify_store(const struct workload *w, const struct crash_state *state,
                         struct errbuf *why)
{
    struct store_work_options options = options_of(w);
    struct store_work work;
    struct store_contents found;
    bool is_right = false;

    struct status s = store_work_open(&work, state->sim, &options);
    if (failed(s)) {
        errbuf_set(why, "%s: %s", status_name(s.code), work.store.err.text);
        return false;
    }
    if (!find_contents(w, state, &work, &found))
        errbuf_set(why, "wrong contents");
    else if (store_work_proves(&work, &found, why))
        is_right = state->cuts == 2 || store_work_goes_on(&work, &found, why);
    store_work_close(&work);
    return is_right;
}

/* A checkpoint: there, and right, if it was acknowledged; else no store at all, or right. */
static bool verify_copy(const struct workload *w, const struct crash_state *state,
                        struct errbuf *why)
{
    struct store_work_options options = options_of(w);
    struct store_work copy;
    char dir[32];
    bool is_promised = false;

    for (size_t i = 0; i < state->mark_count; i++)
        is_promised |= strcmp(state->marks[i].word, "durable") == 0;
    store_work_copy_dir(w->writes, dir, sizeof dir);
    options.dir = dir;
    options.must_exist = true;
    struct status s = store_work_open(&copy, state->sim, &options);
    if (failed(s)) {
        errbuf_set(why, "the copy: %s: %s", status_name(s.code), copy.store.err.text);
        return !is_promised;
    }
    bool is_right = store_work_proves(&copy, &w->after[w->writes], why);
    errbuf_prefix(why, "the copy");
    store_work_close(&copy);
    return is_right;
}

static bool verify(void *context, const struct crash_state *state, struct errbuf *why)
{
    const struct workload *w = context;
    bool is_copied = strchr(w->ops, 'c') != NULL && state->cuts == 1;

    return verify_store(w, state, why) && (!is_copied || verify_copy(w, state, why));
}

/* ---- One workload --------------------------------------------------------------------------- */

static void read_counters(struct store_work *w, uint64_t out[ACTIVITIES])
{
    struct lsm_stats tree;
    struct vlog_stats log;

    lsm_stats(w->store.lsm, &tree);
    vlog_stats(lsm_log(w->store.lsm), &log);
    out[FLUSHES] = tree.flushes;
    out[COMPACTIONS] = tree.compactions;
    out[MOVES] = tree.trivial_moves;
    out[REWRITES] = tree.rewrites;
    out[COPIES] = log.values_copied;
    out[ADOPTIONS] = tree.segments_adopted;
    out[RECYCLINGS] = log.segments_recycled;
}

static void die(const struct workload *w, const char *what, struct status s,
                const struct store_work *work)
{
    fprintf(stderr, "store_crash: \"%s\": %s: %s (%s:%u) %s\n", w->ops, what, status_name(s.code),
            s.file, s.line, work->store.err.text);
    exit(1);
}

static void run(struct workload *w, struct store_work *work, char op)
{
    uint64_t before[ACTIVITIES] = { 0 };

    if (op != 'o')
        read_counters(work, before);
    if (store_writes(op)) {
        w->after[w->writes + 1] = w->after[w->writes];
        store_contents_apply(&w->after[w->writes + 1], op, w->writes);
    }
    struct status s = store_work_do(work, op, w->writes);
    if (failed(s))
        die(w, "an operation", s, work);
    w->writes += store_writes(op);
    /* Tell the outside world what it may rely on. */
    io_sim_mark(work->sim, store_writes(op) ? "ack" : "durable", w->writes);
    read_counters(work, w->counters);
    for (int i = 0; i < ACTIVITIES; i++)
        w->counters[i] -= before[i];
}

/* Run all, and trace the last: the opening of a new store, if there are no operations. */
static struct io_sim_trace *record(struct workload *w)
{
    struct store_work_options options = options_of(w);
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct store_work work;
    size_t length = strlen(w->ops);

    if (length == 0)
        io_sim_trace_start(sim);
    struct status s = store_work_open(&work, sim, &options);
    if (failed(s))
        die(w, "open", s, &work);
    w->after[0] = (struct store_contents) { .side = 0 };
    w->writes = 0;
    w->before = (struct promised) { .durable = 0 };
    for (size_t i = 0; i < length; i++) {
        if (i + 1 == length)
            io_sim_trace_start(sim);
        w->before.acked = w->writes;
        if (i > 0 && !store_writes(w->ops[i - 1]))
            w->before.durable = w->writes;
        run(w, &work, w->ops[i]);
    }
    struct io_sim_trace *trace = io_sim_trace_stop(sim);
    store_work_close(&work);
    io_sim_destroy(sim);
    return trace;
}

/* States that must hold the same, whatever led to them, are the same. */
static uint64_t expectation_of(const struct workload *w)
{
    uint64_t hash = hash_u64(w->before.durable << 32 ^ w->before.acked << 1 ^ w->mode);

    for (uint64_t n = w->mode == VLOG_DURABLE ? w->before.acked : 0; n <= w->writes; n++)
        hash = hash_bytes(bytes_of(&w->after[n], sizeof w->after[n]), hash);
    return hash;
}

static bool run_workload(struct workload *w, const struct crash_options *base, struct tally *t)
{
    struct crash_options options = *base;
    uint64_t points = t->report.points;
    struct io_sim_trace *trace = record(w);

    options.seed = hash_bytes(bytes_str(w->ops), 1);
    options.salt = expectation_of(w);
    bool is_right = crash_enumerate(trace, &options, verify, w, &t->report);
    io_sim_trace_destroy(trace);
    t->workloads++;
    for (int i = 0; i < ACTIVITIES; i++)
        t->cuts[i] += w->counters[i] > 0 ? t->report.points - points : 0;
    if (!is_right)
        fprintf(stderr, "store_crash: %s\nagain: store_crash_prog %s \"%s\"\n",
                t->report.failure.text, w->mode == VLOG_DURABLE ? "durable" : "relaxed", w->ops);
    return is_right;
}

/* ---- All of them ---------------------------------------------------------------------------- */

/* The workload that number stands for in base eight, of a length. */
static void spell(unsigned number, unsigned length, char *out)
{
    for (unsigned i = length; i-- > 0; number /= 8)
        out[i] = letters[number % 8];
    out[length] = '\0';
}

static bool run_all(enum vlog_mode mode, unsigned length_max, const struct crash_options *options,
                    struct tally *t)
{
    bool is_right = true;

    for (unsigned length = 0, count = 1; length <= length_max; length++, count *= 8) {
        for (unsigned i = 0; i < count && is_right; i++) {
            struct workload w = { .mode = mode };
            spell(i, length, w.ops);
            if (length < 2 || i % WORKLOAD_STEP == 0)
                is_right = run_workload(&w, options, t);
        }
    }
    return is_right;
}

/* Two of the eight and one of the rarer ones. */
static bool run_rare(const struct crash_options *options, struct tally *t)
{
    bool is_right = true;

    for (unsigned i = 0; i < 3 * 64 && is_right; i += WORKLOAD_STEP) {
        struct workload w = { .mode = VLOG_DURABLE };
        spell(i / 3, 2, w.ops);
        w.ops[2] = "kmc"[i % 3];
        is_right = run_workload(&w, options, t);
    }
    return is_right;
}

/* Those that a part of all might leave without a rewriting or a recycled segment. */
static bool run_named(const struct crash_options *options, struct tally *t)
{
    static const char *const named[] = { "bsrs", "bsbs", "bfds", "pfpf" };
    bool is_right = true;

    for (size_t i = 0; i < sizeof named / sizeof *named && is_right; i++) {
        struct workload w = { .mode = VLOG_DURABLE };
        memcpy(w.ops, named[i], strlen(named[i]) + 1);
        is_right = run_workload(&w, options, t);
    }
    return is_right;
}

/* Is what makes a store more than a log among what was cut? */
static bool is_complete(const struct tally *t)
{
    bool is_all = true;

    for (int i = 0; i < ACTIVITIES; i++) {
        printf("%s%s %llu", i == 0 ? "store_crash: cuts inside operations with " : ", ",
               activity_names[i], (unsigned long long)t->cuts[i]);
        is_all &= t->cuts[i] > 0;
    }
    printf("\n");
    if (!is_all)
        fprintf(stderr, "store_crash: something above was never cut\n");
    if (!IS_SANITIZED && t->report.distinct < 100000) {
        fprintf(stderr, "store_crash: fewer than 100000 distinct states\n");
        is_all = false;
    }
    return is_all;
}

int main(int argc, char **argv)
{
    struct crash_options options = { .exhaustive_max = 7,
                                     .random_count = 16,
                                     .structured_max = 32,
                                     .tear_step = 1024,
                                     .second_cut_every = 61,
                                     .second_cut_states = 8,
                                     .seen = crash_seen_create() };
    struct tally t = { .workloads = 0 };
    bool is_right;

    (void)mallopt(M_MMAP_THRESHOLD, 64 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 512 << 20);
    if (argc > 1 && strcmp(argv[1], "--all") == 0) {
        options.exhaustive_max = 9;
        options.random_count = 64;
        options.structured_max = 512;
        options.tear_step = 128;
        options.second_cut_every = 31;
    }
    if (argc > 2) {
        struct workload w = { .mode = argv[1][0] == 'r' ? VLOG_RELAXED : VLOG_DURABLE };
        CHECK(strlen(argv[2]) <= LENGTH_MAX);
        memcpy(w.ops, argv[2], strlen(argv[2]) + 1);
        is_right = run_workload(&w, &options, &t);
    } else {
        is_right = run_all(VLOG_DURABLE, LENGTH, &options, &t) &&
                   run_all(VLOG_RELAXED, RELAXED_LENGTH, &options, &t) && run_rare(&options, &t) &&
                   run_named(&options, &t) && is_complete(&t);
    }
    crash_seen_destroy(options.seen);
    printf("store_crash: %llu checks (%llu workloads, %llu cuts, %llu distinct states, %llu after "
           "a second cut)\n",
           (unsigned long long)(t.report.distinct + t.report.second_distinct),
           (unsigned long long)t.workloads, (unsigned long long)t.report.points,
           (unsigned long long)t.report.distinct, (unsigned long long)t.report.second_distinct);
    return is_right ? 0 : 1;
}
