/*
 * Every call that a log makes failing in turn: workloads run with the n-th call or allocation
 * failing, once or from then on, for every n. What was acknowledged is there after a restart and
 * after a power cut, and the log works on.
 *
 *   vlog_fault_prog [seeds]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "tests/crash/support/log_workload.h"
#include "tests/crash/support/sweep.h"
#include "tests/support/sanitized.h"

/* With sanitizers, one workload in so many. */
enum { SEEDS_DEFAULT = IS_SANITIZED ? 1 : 2, WORKLOAD_STEP = IS_SANITIZED ? 3 : 1 };

/* What the sweeps run. */
struct scenario {
    struct log_workload workload; /* First: the context of the verifier. */
    const char *ops;
};

static void run(void *context, struct io_sim *sim, struct alloc *alloc)
{
    struct scenario *s = context;
    struct log_owner *o = malloc(sizeof *o);

    CHECK(o != NULL);
    s->workload.versions = 0;
    struct status status = log_workload_begin(&s->workload, o, sim, alloc);
    if (succeeded(status))
        status = log_workload_do(o, s->ops);
    status_ignore(status, "what it acknowledged before it failed is marked");
    owner_close(o);
    free(o);
    s->workload.versions = s->workload.history.count;
}

static bool sweep(struct scenario *s, uint64_t seed, struct sweep_report *report)
{
    static const struct {
        unsigned classes;
        int error;
    } faults[] = {
        { IO_SIM_READ, EIO },    { IO_SIM_WRITE, EIO },    { IO_SIM_WRITE, ENOSPC },
        { IO_SIM_SYNC, EIO },    { IO_SIM_SYNC_DIR, EIO }, { IO_SIM_NAME, EIO },
        { IO_SIM_NAME, ENOSPC }, { IO_SIM_OPEN, EMFILE },  { IO_SIM_SPACE, ENOSPC },
        { IO_SIM_ALL, EIO },
    };
    struct io_sim *sim = log_workload_machine(&s->workload);
    struct io_sim_choice all = { .keep = IO_SIM_KEEP_ALL };
    struct io_sim_image *start = io_sim_crash_image(sim, &all);
    struct sweep_scenario scenario = { .run = run,
                                       .verify = log_workload_verify,
                                       .context = s,
                                       .start = start,
                                       .machine = s->workload.machine };
    bool is_right = true;

    scenario.machine.seed = seed;
    io_sim_destroy(sim);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0] && is_right; i++)
        is_right = sweep_calls(&scenario, faults[i].classes, faults[i].error, report);
    is_right = is_right && sweep_allocations(&scenario, report);
    io_sim_image_destroy(start);
    if (!is_right)
        printf("vlog_fault: %s%s, \"%s\", seed %llu: %s\n",
               s->workload.options.mode == VLOG_RELAXED ? "relaxed" : "durable",
               s->workload.machine.refuses_direct ? ", not direct" : "", s->ops,
               (unsigned long long)seed, report->failure.text);
    return is_right;
}

int main(int argc, char **argv)
{
    static const char *const workloads[] = {
        "s",   "b",    "gg",   "shs",  "sis",      "brb",     "bros",      "bra",     "brarb",
        "brc", "brcw", "braw", "brad", "bgrbrasb", "srsrsab", "brsrsrprb", "bkbrakb", "bgrarow",
    };
    uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : SEEDS_DEFAULT;
    struct sweep_report report = { 0 };
    struct scenario s = { .workload = { .options = { .segment_size = 24 * 1024,
                                                     .batch_size_max = 64 * 1024 } } };
    uint64_t scenarios = 0;
    bool is_right = true;

    for (int mode = 0; mode < 3; mode++) {
        s.workload.options.mode = mode == 2 ? VLOG_RELAXED : VLOG_DURABLE;
        s.workload.machine.refuses_direct = mode == 1;
        size_t count = sizeof workloads / sizeof workloads[0];
        for (size_t i = (size_t)mode % WORKLOAD_STEP; i < count && is_right; i += WORKLOAD_STEP) {
            s.ops = workloads[i];
            scenarios++;
            for (uint64_t seed = 1; seed <= seeds && is_right; seed++)
                is_right = sweep(&s, seed, &report);
        }
    }
    printf("vlog_fault: %llu checks (%llu scenarios, %llu runs, %llu with a fault)\n",
           (unsigned long long)report.verified, (unsigned long long)scenarios,
           (unsigned long long)report.runs, (unsigned long long)report.faults);
    log_workload_deinit(&s.workload);
    return is_right ? 0 : 1;
}
