/*
 * The whole store under power cuts: log, tree, manifest, value files.
 *
 * The trace of a workload (store_workload.h) is cut after every event, in every state the simulated
 * disk allows (enumerate.h); each state is verified. Some recoveries are cut too.
 *
 *   store_crash_prog [workloads] [seed]
 */
#include "base/rand.h"

#include "tests/crash/support/store_workload.h"
#include "tests/support/sanitized.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

static struct io_sim_trace *record(const struct store_workload *w)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);

    io_sim_trace_start(sim);
    struct status st = store_workload_run(w, sim, NULL);
    if (failed(st)) {
        fprintf(stderr, "store_crash: an operation: %s (%s:%u)\n", status_name(st.code), st.file,
                st.line);
        exit(1);
    }
    struct io_sim_trace *trace = io_sim_trace_stop(sim);
    io_sim_destroy(sim);
    return trace;
}

static bool run_workload(struct store_workload *w, uint64_t seed, struct crash_report *report)
{
    const struct crash_options options = { .seed = seed,
                                           .exhaustive_max = 7,
                                           .random_count = 16,
                                           .structured_max = 32,
                                           .tear_step = 1024,
                                           .second_cut_every = 61,
                                           .second_cut_states = 8 };
    char operations[64];

    store_workload_plan(w);
    struct io_sim_trace *trace = record(w);
    bool is_right = crash_enumerate(trace, &options, store_workload_verify, w, report);
    io_sim_trace_destroy(trace);
    if (!is_right) {
        store_workload_format(w, operations, sizeof operations);
        fprintf(stderr, "store_crash: workload %s, seed %llu: %s\n", operations,
                (unsigned long long)seed, report->failure.text);
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
    /* One that rewrites a value file, every pair, then random ones of four. */
    struct store_sums sums = { 0 };
    struct store_workload rewriting = { .operations = { BULK, SETTLE, THIN_OUT, SETTLE },
                                        .count = 4,
                                        .sums = &sums };
    if (!run_workload(&rewriting, seed, &report))
        return 1;
    workloads++;
    for (unsigned i = 0; i < STORE_OPERATIONS * STORE_OPERATIONS; i++, workloads++) {
        struct store_workload w = { .count = 2,
                                    .operations = { i / STORE_OPERATIONS, i % STORE_OPERATIONS } };
        if (!run_workload(&w, seed + i, &report))
            return 1;
    }
    for (unsigned i = 0; i < random_count; i++, workloads++) {
        struct store_workload w = { .count = 4 };
        for (unsigned j = 0; j < w.count; j++)
            w.operations[j] = (enum store_operation)rand_below(&rand, STORE_OPERATIONS);
        if (!run_workload(&w, seed + 1000 + i, &report))
            return 1;
    }
    printf("store_crash: %llu checks (%u workloads, %llu cuts, %llu distinct states, %llu after a "
           "second cut), seed %llu\n",
           (unsigned long long)(report.distinct + report.second_distinct), workloads,
           (unsigned long long)report.points, (unsigned long long)report.distinct,
           (unsigned long long)report.second_distinct, (unsigned long long)seed);
    return sums.rewrites > 0 && sums.adopted > 0 ? 0 : 1;
}
