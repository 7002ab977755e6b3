/*
 * The log under power cuts, failing calls and failing allocations: all legal states after every
 * event of short stories, and the n-th call failing for every n. What was acknowledged is there,
 * what is there is right, and the log works on.
 */
#include "tests/crash/support/sweep.h"
#include "tests/vlog/support/log_story.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

static const struct vlog_options modes[] = {
    { .mode = VLOG_DURABLE, .segment_size = 32 * 1024, .pool_max = 2 },
    { .mode = VLOG_RELAXED, .segment_size = 32 * 1024, .pool_max = 2 },
};

static const char *const stories[] = {
    "aaa",          "vvb",        "aob",      "vrvfa",     "sarab",
    "gggg",         "avgavgk",    "vvvvvrfv", "vrkafwva",  "vvrfwwdv",
    "aiaoa",        "vrvrvfkda",  "hav",      "ahrfwa",    "aaaarkfkaaaarkfka",
    "sarafkaorafa", "vovovrfowv", "avbavoav", "gbgrfgrfk", "vrfvrfwdwdv",
};
enum { STORIES = sizeof stories / sizeof *stories };

static bool verify(void *context, const struct crash_state *state, struct errbuf *why)
{
    return log_story_verify(context, state, why);
}

Test(vlog_crash, every_state_of_every_story_recovers)
{
    for (int mode = 0; mode < 2; mode++) {
        struct crash_report report = { .states = 0 };
        for (size_t i = 0; i < STORIES; i++) {
            struct log_story story;
            struct io_sim *sim = io_sim_create(NULL, NULL);
            struct crash_options options = {
                .seed = i + 1,
                .exhaustive_max = 6,
                .random_count = 8,
                .structured_max = 12,
                .tear_step = 1000,
                .second_cut_every = 40,
                .second_cut_states = 8,
            };
            io_sim_trace_start(sim);
            log_story_tell(&story, sim, NULL, &modes[mode], stories[i]);
            struct io_sim_trace *trace = io_sim_trace_stop(sim);
            bool is_right = crash_enumerate(trace, &options, verify, &story, &report);
            cr_assert(is_right, "story \"%s\", mode %d: %s", stories[i], mode, report.failure.text);
            io_sim_trace_destroy(trace);
            io_sim_destroy(sim);
            log_story_deinit(&story);
        }
        printf("vlog_crash: mode %d: %llu points, %llu states, %llu distinct, %llu after a second "
               "cut\n",
               mode, (unsigned long long)report.points, (unsigned long long)report.states,
               (unsigned long long)report.distinct, (unsigned long long)report.second_distinct);
        cr_assert_gt(report.distinct, 1000);
    }
}

/* ---- The n-th call ----------------------------------------------------------------------------
 */

struct telling {
    struct log_story story;
    const struct vlog_options *options;
    const char *script;
};

static void tell(void *context, struct io_sim *sim, struct alloc *alloc)
{
    struct telling *t = context;
    log_story_deinit(&t->story);
    log_story_tell(&t->story, sim, alloc, t->options, t->script);
}

static bool verify_telling(void *context, const struct crash_state *state, struct errbuf *why)
{
    struct telling *t = context;
    return log_story_verify(&t->story, state, why);
}

static const struct {
    unsigned classes;
    int error;
} faults[] = {
    { IO_SIM_WRITE, EIO },    { IO_SIM_SYNC, EIO },    { IO_SIM_SYNC_DIR, EIO },
    { IO_SIM_NAME, EIO },     { IO_SIM_OPEN, EMFILE }, { IO_SIM_SPACE, ENOSPC },
    { IO_SIM_WRITE, ENOSPC }, { IO_SIM_READ, EIO },    { IO_SIM_NAME, ENOSPC },
};

Test(vlog_crash, any_failing_call_is_answered)
{
    for (int mode = 0; mode < 2; mode++) {
        struct sweep_report report = { .runs = 0 };
        for (size_t i = 0; i < STORIES; i++) {
            struct telling t = { .options = &modes[mode], .script = stories[i] };
            struct sweep_scenario scenario = { .run = tell,
                                               .verify = verify_telling,
                                               .context = &t };
            for (size_t j = 0; j < sizeof faults / sizeof *faults; j++) {
                bool is_right = sweep_calls(&scenario, faults[j].classes, faults[j].error, &report);
                cr_assert(is_right, "story \"%s\", mode %d, calls 0x%x, error %d: %s", stories[i],
                          mode, faults[j].classes, faults[j].error, report.failure.text);
            }
            log_story_deinit(&t.story);
        }
        printf("vlog_crash: mode %d: %llu runs, %llu faults\n", mode,
               (unsigned long long)report.runs, (unsigned long long)report.faults);
    }
}

Test(vlog_crash, any_failing_allocation_is_answered)
{
    for (int mode = 0; mode < 2; mode++) {
        struct sweep_report report = { .runs = 0 };
        for (size_t i = 0; i < STORIES; i++) {
            struct telling t = { .options = &modes[mode], .script = stories[i] };
            struct sweep_scenario scenario = { .run = tell,
                                               .verify = verify_telling,
                                               .context = &t };
            bool is_right = sweep_allocations(&scenario, &report);
            cr_assert(is_right, "story \"%s\", mode %d: %s", stories[i], mode, report.failure.text);
            log_story_deinit(&t.story);
        }
        printf("vlog_crash: mode %d: %llu runs, %llu faults\n", mode,
               (unsigned long long)report.runs, (unsigned long long)report.faults);
    }
}
