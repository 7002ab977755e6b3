/*
 * Every state that a power cut can leave of a log: workloads of all its operations, cut after every
 * event, opened, judged, worked on, opened again; recoveries cut once more.
 *
 *   vlog_crash_prog [random workloads [seed]]
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/rand.h"
#include "tests/crash/support/log_workload.h"
#include "tests/support/sanitized.h"

enum {
    WORKLOAD_MAX = 32,
    RANDOM_DEFAULT = IS_SANITIZED ? 2 : 10,
    PAIR_STEP = IS_SANITIZED ? 23 : 1,
};

struct test {
    struct log_workload workload;
    struct crash_options options;
    struct crash_report report;
    struct rand rand;
    uint64_t workloads;
};

/* Run ops; what is run before them is not cut. False if a state was wrong. */
static bool run_workload(struct test *t, const char *before, const char *ops)
{
    struct log_workload *w = &t->workload;
    struct io_sim *sim = log_workload_machine(w);
    struct log_owner *o = malloc(sizeof *o);

    CHECK(o != NULL);
    struct status s = log_workload_begin(w, o, sim, alloc_heap());
    if (succeeded(s))
        s = log_workload_do(o, before);
    w->marks = o->marks;
    io_sim_trace_start(sim);
    if (succeeded(s))
        s = log_workload_do(o, ops);
    bool is_right = succeeded(s) && owner_check(o);
    if (!is_right)
        errbuf_set(&t->report.failure, "uncut: %s: %s", status_name(s.code), log_workload_words(o));
    struct io_sim_trace *trace = io_sim_trace_stop(sim);
    owner_close(o);
    free(o);
    io_sim_destroy(sim);

    w->versions = w->history.count;
    t->workloads++;
    is_right = is_right && crash_enumerate(trace, &t->options, log_workload_verify, w, &t->report);
    io_sim_trace_destroy(trace);
    if (!is_right)
        printf("vlog_crash: %s%s, \"%s\" then \"%s\": %s\n",
               w->options.mode == VLOG_RELAXED ? "relaxed" : "durable",
               w->machine.refuses_direct ? ", not direct" : "", before, ops,
               t->report.failure.text);
    return is_right;
}

/* All workloads of two operations (with sanitizers, one in so many), on an empty log, on one with a
 * value file, and on one that lets segments go from its middle and has used them again. */
static bool run_pairs(struct test *t)
{
    static const char *const befores[] = { "", "bgrbra", "brsrsrpr" };
    size_t ops = strlen(LOG_OPS);
    char pair[3] = "";

    for (size_t i = 0; i < 3 * ops * ops; i += PAIR_STEP) {
        pair[0] = LOG_OPS[i / ops % ops];
        pair[1] = LOG_OPS[i % ops];
        if (!run_workload(t, befores[i / ops / ops], pair))
            return false;
    }
    return true;
}

static void draw(struct rand *r, char *ops, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        ops[i] = LOG_OPS[rand_below(r, strlen(LOG_OPS))];
    ops[count] = '\0';
}

static bool run_random(struct test *t)
{
    char before[WORKLOAD_MAX];
    char ops[WORKLOAD_MAX];

    draw(&t->rand, before, rand_below(&t->rand, 12));
    draw(&t->rand, ops, 3 + rand_below(&t->rand, 6));
    return run_workload(t, before, ops);
}

static bool run_mode(struct test *t, enum vlog_mode mode, bool refuses_direct,
                     unsigned long random_count)
{
    t->workload.options = (struct vlog_options) { .mode = mode,
                                                  .segment_size = 24 * 1024,
                                                  .batch_size_max = 64 * 1024 };
    t->workload.machine.refuses_direct = refuses_direct;
    t->options.machine = t->workload.machine;
    if (!run_pairs(t))
        return false;
    for (unsigned long i = 0; i < random_count; i++)
        if (!run_random(t))
            return false;
    return true;
}

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : RANDOM_DEFAULT;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    struct test t = { .options = { .seed = seed,
                                   .exhaustive_max = 8,
                                   .random_count = 16,
                                   .structured_max = 16,
                                   .tear_step = 256,
                                   .second_cut_every = 16,
                                   .second_cut_states = 16 } };

    rand_seed(&t.rand, seed);
    bool is_right = run_mode(&t, VLOG_DURABLE, false, count) &&
                    run_mode(&t, VLOG_DURABLE, true, count) &&
                    run_mode(&t, VLOG_RELAXED, false, count);
    printf("vlog_crash: %llu checks (%llu workloads cut at %llu moments, %llu states made, "
           "%llu distinct verified, %llu after a second cut; seed %llu)\n",
           (unsigned long long)(t.report.distinct + t.report.second_distinct),
           (unsigned long long)t.workloads, (unsigned long long)t.report.points,
           (unsigned long long)t.report.states, (unsigned long long)t.report.distinct,
           (unsigned long long)t.report.second_distinct, (unsigned long long)seed);
    log_workload_deinit(&t.workload);
    return is_right ? 0 : 1;
}
