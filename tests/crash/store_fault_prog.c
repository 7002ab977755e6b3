/*
 * Every call that a store makes failing in turn: workloads run with the n-th call or allocation
 * failing, once or from then on, for every n. What was acknowledged is there meanwhile, after a
 * restart and after a power cut; the store opens, proves its disk and works on.
 *
 *   store_fault_prog [workloads]
 */
#include "tests/crash/support/store_workload.h"
#include "tests/crash/support/sweep.h"
#include "tests/support/sanitized.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* With sanitizers, one workload in so many. */
enum { WORKLOAD_STEP = IS_SANITIZED ? 4 : 1 };

static void run(void *context, struct io_sim *sim, struct alloc *alloc)
{
    status_ignore(store_workload_run(context, sim, alloc), "what it acknowledged is marked");
}

static bool sweep(struct store_workload *w, uint64_t seed, struct sweep_report *report)
{
    static const struct {
        const char *name;
        unsigned classes;
        int error;
    } faults[] = {
        { "read", IO_SIM_READ, EIO },
        { "write", IO_SIM_WRITE, EIO },
        { "write, disk full", IO_SIM_WRITE, ENOSPC },
        { "sync", IO_SIM_SYNC, EIO },
        { "sync of a directory", IO_SIM_SYNC_DIR, EIO },
        { "change of a name", IO_SIM_NAME, EIO },
        { "open", IO_SIM_OPEN, EMFILE },
        { "allocate, disk full", IO_SIM_SPACE, ENOSPC },
    };
    const struct sweep_scenario scenario = {
        .run = run, .verify = store_workload_verify, .context = w, .machine = { .seed = seed }
    };
    const char *what = "";
    char operations[64];
    bool is_right = true;

    store_workload_plan(w);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0] && is_right; i++) {
        what = faults[i].name;
        is_right = sweep_calls(&scenario, faults[i].classes, faults[i].error, report);
    }
    if (is_right) {
        what = "allocation";
        is_right = sweep_allocations(&scenario, report);
    }
    if (!is_right) {
        store_workload_format(w, operations, sizeof operations);
        fprintf(stderr, "store_fault: workload %s, %s, seed %llu: %s\n", operations, what,
                (unsigned long long)seed, report->failure.text);
    }
    return is_right;
}

int main(int argc, char **argv)
{
    struct store_workload workloads[] = {
        { .operations = { BATCH, FLUSH }, .count = 2 },
        { .operations = { BATCH, FLUSH, PUT_SMALL, SETTLE }, .count = 4 },
        { .operations = { BULK, SETTLE, THIN_OUT, SETTLE, PUT_SMALL }, .count = 5 },
        { .operations = { BATCH, SETTLE, BATCH, SETTLE, PUT_SMALL }, .count = 5 },
        { .operations = { BATCH, PUT_SMALL, FLUSH, RANGE_DELETE, SETTLE }, .count = 5 },
        { .operations = { PUT_BIG, FLUSH, BATCH, DELETE, SETTLE, REOPEN }, .count = 6 },
        { .operations = { BATCH, REOPEN, FLUSH, PUT_BIG, REOPEN, SETTLE }, .count = 6 },
    };
    size_t count = sizeof workloads / sizeof workloads[0];
    size_t wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : count;
    struct sweep_report report = { 0 };
    struct store_sums sums = { 0 };

    for (int is_relaxed = 0; is_relaxed < 2; is_relaxed++) {
        for (size_t i = 0; i < count && i < wanted; i += WORKLOAD_STEP) {
            workloads[i].is_relaxed = is_relaxed;
            workloads[i].sums = &sums;
            if (!sweep(&workloads[i], i + 1, &report))
                return 1;
        }
    }
    printf(
        "store_fault: %llu checks (%llu runs, %llu with a fault; %llu flushes, %llu compactions, "
        "%llu segments adopted, %llu rewritings)\n",
        (unsigned long long)report.verified, (unsigned long long)report.runs,
        (unsigned long long)report.faults, (unsigned long long)sums.flushes,
        (unsigned long long)sums.compactions, (unsigned long long)sums.adopted,
        (unsigned long long)sums.rewrites);
    /* Each kind of work was there to fail. */
    return sums.flushes > 0 && sums.compactions > 0 && sums.adopted > 0 && sums.rewrites > 0 ? 0
                                                                                             : 1;
}
