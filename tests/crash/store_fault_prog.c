/*
 * Every call that a whole store makes failing in turn, and every size of a disk that is too small.
 *
 * A scenario is a store with a past and a few operations (store_work.h); it is run with the n-th
 * read, write, sync, name, reservation or allocation failing, once or from then on, for every n
 * until nothing fails. After a failure:
 *
 *   - The store is healthy, and the operation never happened: it is done when it is asked for again
 *     and what was wanting is back. Or it is poisoned and says why: then it still reads, and
 * refuses all else without touching the disk. Only then may the operation turn out to have
 * happened.
 *   - No answer is wrong, before and after. Reads go on unless it is reads or memory that fail.
 *   - Opened again it holds what was acknowledged, and takes writes; also if the process is only
 *     killed, or the power fails, at that moment.
 *   - All memory and all of the budget are given back.
 *
 *   store_fault_prog [OPS]
 */
#include "base/check.h"

#include "tests/crash/support/store_work.h"
#include "tests/crash/support/sweep.h"
#include "tests/support/sanitized.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { WRITES_MAX = 16, SCENARIO_STEP = IS_SANITIZED ? 29 : 1 };

/* What the run of a scenario has been promised. */
struct story {
    struct store_contents after[WRITES_MAX]; /* [n]: after the first n acknowledged writes. */
    unsigned count;
    unsigned durable;            /* Writes that no power cut may lose. */
    struct store_contents maybe; /* And this, if is_unknown. */
    bool is_unknown;
};

struct scenario {
    const char *past;
    const char *ops;
    struct store_work_options options;
    struct io_sim_options machine;

    struct story begin;
    bool stops;          /* At the first failure: what a killed process leaves. */
    bool may_not_read;   /* The fault is one of reading. */
    struct story now;    /* Of the run. */
    struct errbuf wrong; /* What was wrong during it. */
    uint64_t refusals;   /* Failures that left a healthy store, */
    uint64_t poisonings; /* a poisoned one, */
    uint64_t failed_opens;
    uint64_t sizes;   /* Of disks tried. */
    uint64_t deletes; /* That a full one took. */
};

__attribute__((format(printf, 2, 3))) static void note_wrong(struct scenario *s, const char *format,
                                                             ...)
{
    char text[ERRBUF_SIZE];
    va_list args;

    if (s->wrong.text[0] != '\0')
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    errbuf_set(&s->wrong, "%s", text);
}

/* ---- A run ---------------------------------------------------------------------------------- */

struct run {
    struct scenario *scenario;
    struct store_work work;
    struct io_sim *sim;
    struct alloc *alloc;
};

/* Nothing fails, and there is room; or again. */
static void lift(struct run *r, bool is_lifted)
{
    sweep_pause(r->sim, r->alloc, is_lifted);
    io_sim_set_capacity(r->sim, is_lifted ? 0 : r->scenario->machine.capacity_bytes);
}

static struct store_contents *now_of(struct story *t)
{
    return &t->after[t->count];
}

static void acknowledge(struct story *t, char op)
{
    CHECK(t->count + 1 < WRITES_MAX);
    t->after[t->count + 1] = t->after[t->count];
    store_contents_apply(&t->after[t->count + 1], op, t->count);
    t->count++;
}

static void note_done(struct run *r, char op)
{
    struct story *t = &r->scenario->now;

    if (store_writes(op))
        acknowledge(t, op);
    if (!store_writes(op) || r->work.options.mode == VLOG_DURABLE)
        t->durable = t->count;
}

/* No answer may be wrong. (The sidecar may have been told of a write that then could not be applied
 * to the end: its outcome is unknown, the store poisoned.) */
static void look(struct run *r, bool must_read, const char *when)
{
    struct story *t = &r->scenario->now;
    struct store_contents expected = *now_of(t);
    struct errbuf why = { "" };

    if (t->is_unknown && r->work.side == t->maybe.side)
        expected.side = t->maybe.side;
    enum store_answer answer = store_work_look(&r->work, &expected, &why);

    if (answer == STORE_WRONG || (answer == STORE_REFUSED && must_read))
        note_wrong(r->scenario, "%s: %s", when, why.text);
}

/* The first call of a recovery that fails ends it, with words. False: it stays closed. */
static bool come_up(struct run *r)
{
    struct scenario *s = r->scenario;
    struct story *t = &s->now;
    struct status st = store_work_open(&r->work, r->sim, &s->options);

    if (failed(st)) {
        s->failed_opens++;
        if (r->work.store.err.text[0] == '\0')
            note_wrong(s, "an open failed (%s:%u) without a word", st.file, st.line);
        return false;
    }
    lift(r, true);
    if (t->is_unknown && store_work_holds(&r->work, &t->maybe)) {
        t->after[t->count + 1] = t->maybe;
        t->count++;
    }
    t->is_unknown = false;
    t->durable = t->count; /* What an open finds, it makes durable. */
    look(r, true, "after an open");
    lift(r, false);
    return true;
}

/* Open it under the fault in force, and if that fails, without. */
static bool come_up_at_last(struct run *r)
{
    if (come_up(r))
        return true;
    lift(r, true);
    bool is_up = come_up(r);
    if (!is_up)
        note_wrong(r->scenario, "it does not open any more: %s", r->work.store.err.text);
    lift(r, false);
    return is_up;
}

/* It reads; it refuses to write or flush, and leaves the disk alone. */
static void judge_poisoned(struct run *r)
{
    struct scenario *s = r->scenario;
    const unsigned changes =
        IO_SIM_WRITE | IO_SIM_SYNC | IO_SIM_SYNC_DIR | IO_SIM_NAME | IO_SIM_SPACE;
    uint64_t calls = io_sim_calls(r->sim, changes);

    s->poisonings++;
    if (s->machine.capacity_bytes != 0)
        note_wrong(s, "a full disk has poisoned it: %s", lsm_failure(r->work.store.lsm));
    if (lsm_failure(r->work.store.lsm)[0] == '\0')
        note_wrong(s, "it is poisoned without a word");
    lift(r, true);
    for (const char *op = "wdfs"; *op != '\0'; op++) {
        struct status st = store_work_do(&r->work, *op, s->now.count);
        /* What lies in no memtable need not be flushed. */
        if (st.code != ST_FAILED && (store_writes(*op) || failed(st)))
            note_wrong(s, "poisoned, it answers %s to '%c'", status_name(st.code), *op);
    }
    if (io_sim_calls(r->sim, changes) != calls)
        note_wrong(s, "poisoned, it touches the disk");
    look(r, true, "poisoned");
    lift(r, false);
}

/* A full disk takes no writes; does it take a delete? If so, it is one. */
static void try_delete(struct run *r)
{
    struct scenario *s = r->scenario;
    struct status st = store_work_do(&r->work, 'd', s->now.count);

    if (succeeded(st)) {
        note_done(r, 'd');
        s->deletes++;
    } else if (st.code != ST_NO_SPACE) {
        note_wrong(s, "on a full disk a delete says %s", status_name(st.code));
    }
}

/* It goes on reading, and what failed never happened. */
static void judge_healthy(struct run *r, char op, struct status failure)
{
    struct scenario *s = r->scenario;

    s->refusals++;
    if (s->machine.capacity_bytes != 0 && failure.code != ST_NO_SPACE)
        note_wrong(s, "on a full disk '%c' says %s", op, status_name(failure.code));
    if (r->work.is_unknown)
        note_wrong(s, "it is healthy, and '%c' failed with an unknown outcome", op);
    if (failure.code == ST_FAILED)
        note_wrong(s, "it is healthy, and '%c' failed as if it were not", op);
    lift(r, true);
    look(r, true, "healthy after a failure");
    lift(r, false);
    if (s->machine.capacity_bytes != 0)
        try_delete(r);
}

/* The operation again, when what was wanting is back. */
static void do_again(struct run *r, char op)
{
    lift(r, true);
    for (int i = 0; i < 20; i++) {
        io_sim_advance(r->sim, 50 * 1000 * 1000);
        (void)sim_store_work(&r->work.store, 100);
    }
    struct status st = store_work_do(&r->work, op, r->scenario->now.count);
    /* A directory that a failed checkpoint left behind is in the way of the next. */
    if (succeeded(st))
        note_done(r, op);
    else if (op != 'c' || st.code != ST_BUSY)
        note_wrong(r->scenario, "'%c' fails again when nothing is wanting: %s (%s:%u) %s", op,
                   status_name(st.code), st.file, st.line,
                   lsm_failure(r->work.store.lsm) == NULL ? "" : lsm_failure(r->work.store.lsm));
    lift(r, false);
}

/* False: this is the end of the run. */
static bool survive(struct run *r, char op, struct status failure)
{
    struct scenario *s = r->scenario;
    bool is_down = !r->work.is_open;

    if (!is_down) {
        is_down = lsm_failure(r->work.store.lsm) != NULL;
        s->now.is_unknown = is_down && r->work.is_unknown;
        s->now.maybe = *now_of(&s->now);
        store_contents_apply(&s->now.maybe, op, s->now.count);
        look(r, !s->may_not_read, "under the fault");
        if (is_down)
            judge_poisoned(r);
        else
            judge_healthy(r, op, failure);
    }
    if (s->stops || s->wrong.text[0] != '\0')
        return false;
    if (!is_down) {
        do_again(r, op);
        return true;
    }
    store_work_close(&r->work);
    return come_up_at_last(r);
}

static void run(void *context, struct io_sim *sim, struct alloc *alloc)
{
    struct scenario *s = context;
    struct run r = { .scenario = s, .sim = sim, .alloc = alloc };

    s->now = s->begin;
    s->wrong.text[0] = '\0';
    s->options.alloc = alloc;
    bool is_up = come_up(&r);
    if (!is_up && !s->stops)
        is_up = come_up_at_last(&r);
    for (const char *op = s->ops; is_up && *op != '\0'; op++) {
        struct status st = store_work_do(&r.work, *op, s->now.count);
        if (succeeded(st))
            note_done(&r, *op);
        else
            is_up = survive(&r, *op, st);
    }
    store_work_close(&r.work);
    if (atomic_load(&r.work.store.budget.total_bytes) != 0)
        note_wrong(s, "%zu bytes of the budget are not given back",
                   atomic_load(&r.work.store.budget.total_bytes));
    s->options.alloc = NULL;
}

/* ---- What it leaves ------------------------------------------------------------------------- */

static bool find_contents(const struct story *t, const struct crash_state *state,
                          struct store_work *w, struct store_contents *out)
{
    for (unsigned n = state->cuts == 0 ? t->count : t->durable; n <= t->count; n++) {
        *out = t->after[n];
        if (store_work_holds(w, out))
            return true;
    }
    *out = t->maybe;
    return t->is_unknown && store_work_holds(w, out);
}

static bool verify(void *context, const struct crash_state *state, struct errbuf *why)
{
    const struct scenario *s = context;
    struct store_work w;
    struct store_contents found;
    bool is_right = false;

    if (s->wrong.text[0] != '\0') {
        errbuf_set(why, "%s", s->wrong.text);
        return false;
    }
    io_sim_set_capacity(state->sim, 0);
    struct status st = store_work_open(&w, state->sim, &s->options);
    if (failed(st)) {
        errbuf_set(why, "%s: %s", status_name(st.code), w.store.err.text);
        return false;
    }
    if (!find_contents(&s->now, state, &w, &found))
        errbuf_set(why, "wrong contents (%u acknowledged%s)", s->now.count,
                   s->now.is_unknown ? ", one unknown" : "");
    else
        is_right = store_work_proves(&w, &found, why) && store_work_goes_on(&w, &found, why);
    store_work_close(&w);
    return is_right;
}

/* ---- Scenarios ------------------------------------------------------------------------------ */

/* The disk on which it begins. */
static struct io_sim_image *make_past(struct scenario *s)
{
    struct io_sim *sim = io_sim_create(&s->machine, NULL);
    struct io_sim_choice all = { .keep = IO_SIM_KEEP_ALL };
    struct store_work w;

    s->begin = (struct story) { .count = 0 };
    if (s->past != NULL) {
        CHECK(succeeded(store_work_open(&w, sim, &s->options)));
        for (const char *op = s->past; *op != '\0'; op++) {
            CHECK(succeeded(store_work_do(&w, *op, s->begin.count)));
            if (store_writes(*op))
                acknowledge(&s->begin, *op);
        }
        store_work_close(&w);
    }
    s->begin.durable = s->begin.count; /* A close makes it so. */
    struct io_sim_image *image = io_sim_crash_image(sim, &all);
    io_sim_destroy(sim);
    return image;
}

struct fault {
    unsigned classes;
    int error;
};
static const struct fault faults[] = {
    { IO_SIM_READ, EIO },     { IO_SIM_WRITE, EIO },
    { IO_SIM_WRITE, ENOSPC }, { IO_SIM_SYNC, EIO },
    { IO_SIM_SYNC_DIR, EIO }, { IO_SIM_NAME, EIO },
    { IO_SIM_NAME, ENOSPC },  { IO_SIM_OPEN, EMFILE },
    { IO_SIM_SPACE, ENOSPC }, { IO_SIM_WRITE | IO_SIM_NAME | IO_SIM_SPACE, ENOSPC },
    { IO_SIM_ALL, EIO },
};

static bool sweep_all(struct scenario *s, struct sweep_scenario *scenario,
                      struct sweep_report *report)
{
    bool is_right = true;

    for (int once = 0; once < 2 && is_right; once++) {
        scenario->times = once ? SWEEP_ONCE : SWEEP_FOR_EVER;
        s->stops = !once;
        for (size_t i = 0; i < sizeof faults / sizeof faults[0] && is_right; i++) {
            s->may_not_read = (faults[i].classes & (IO_SIM_READ | IO_SIM_OPEN)) != 0;
            is_right = sweep_calls(scenario, faults[i].classes, faults[i].error, report);
            if (!is_right)
                errbuf_prefix(&report->failure, "calls %x, errno %d", faults[i].classes,
                              faults[i].error);
        }
        s->may_not_read = true;
        is_right = is_right && sweep_allocations(scenario, report);
    }
    return is_right;
}

static uint64_t failures_of(const struct scenario *s)
{
    return s->refusals + s->poisonings + s->failed_opens;
}

/* Disks with room for nothing more, for one block more ... until all goes well. */
static bool sweep_space(struct scenario *s, struct sweep_scenario *scenario,
                        struct sweep_report *report)
{
    struct io_sim *sim = io_sim_create(NULL, scenario->start);
    uint64_t capacity = io_sim_used_bytes(sim);
    bool is_right = true;
    uint64_t before;

    io_sim_destroy(sim);
    s->may_not_read = false;
    do {
        before = failures_of(s);
        capacity +=
            IO_ALIGN * (s->machine.refuses_direct || s->options.mode == VLOG_RELAXED ? 7 : 1);
        s->machine.capacity_bytes = scenario->machine.capacity_bytes = capacity;
        for (int i = 0; i < 2 && is_right; i++) {
            s->stops = i == 0;
            is_right = sweep_run(scenario, report);
        }
        if (!is_right)
            errbuf_prefix(&report->failure, "a disk of %llu bytes", (unsigned long long)capacity);
        s->sizes++;
    } while (is_right && failures_of(s) != before);
    s->machine.capacity_bytes = scenario->machine.capacity_bytes = 0;
    return is_right;
}

static bool run_scenario(struct scenario *s, struct sweep_report *report)
{
    struct io_sim_image *start = make_past(s);
    struct sweep_scenario scenario = {
        .run = run, .verify = verify, .context = s, .start = start, .machine = s->machine
    };
    bool is_right = sweep_all(s, &scenario, report) && sweep_space(s, &scenario, report);

    io_sim_image_destroy(start);
    if (!is_right)
        printf("store_fault: %s%s, \"%s\" after \"%s\", %s: %s\n",
               s->options.mode == VLOG_RELAXED ? "relaxed" : "durable",
               s->machine.refuses_direct ? ", not direct" : "", s->ops,
               s->past == NULL ? "nothing" : s->past, s->stops ? "ending there" : "going on",
               report->failure.text);
    return is_right;
}

int main(int argc, char **argv)
{
    static const char *const workloads[][2] = {
        { NULL, "p" },   { "", "Pf" },     { "p", "b" },       { "b", "f" },
        { "Ps", "bs" },  { "bs", "rs" },   { "bsr", "s" },     { "pfPf", "ps" },
        { "Pp", "oP" },  { "bf", "doPf" }, { "k", "psbsrs" },  { "bPsp", "dsobs" },
        { "ps", "Psm" }, { "bsPs", "rm" }, { "P", "pPpPpPs" }, { "bsrs", "bs" },
    };
    static const char *const durable_only[][2] = { { "P", "kp" }, { "bsP", "c" }, { "k", "ko" } };
    enum { WORKLOADS = sizeof workloads / sizeof *workloads };
    struct sweep_report report = { 0 };
    uint64_t scenarios = 0;
    struct scenario s = { .past = NULL };
    bool is_right = true;

    (void)mallopt(M_MMAP_THRESHOLD, 64 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 512 << 20);
    for (int mode = 0; mode < 4; mode++) {
        size_t count = mode < 3 ? WORKLOADS : sizeof durable_only / sizeof *durable_only;
        s.options.mode = mode == 2 ? VLOG_RELAXED : VLOG_DURABLE;
        s.machine.refuses_direct = mode == 1;
        for (size_t i = (size_t)mode % SCENARIO_STEP; i < count && is_right; i += SCENARIO_STEP) {
            const char *const *w = mode < 3 ? workloads[i] : durable_only[i];
            if (argc > 1 && strcmp(argv[1], w[1]) != 0)
                continue;
            s.past = w[0];
            s.ops = w[1];
            s.machine.seed = 1 + i;
            scenarios++;
            is_right = run_scenario(&s, &report);
        }
    }
    printf("store_fault: %llu checks (%llu scenarios, %llu runs, %llu with a fault; %llu sizes of "
           "disks with %llu deletes on full ones; %llu left a healthy store, %llu a poisoned one, "
           "%llu none)\n",
           (unsigned long long)report.verified, (unsigned long long)scenarios,
           (unsigned long long)report.runs, (unsigned long long)report.faults,
           (unsigned long long)s.sizes, (unsigned long long)s.deletes,
           (unsigned long long)s.refusals, (unsigned long long)s.poisonings,
           (unsigned long long)s.failed_opens);
    if (is_right && argc == 1 && !IS_SANITIZED && (scenarios < 40 || s.deletes == 0)) {
        printf("store_fault: too little was tried\n");
        is_right = false;
    }
    return is_right ? 0 : 1;
}
