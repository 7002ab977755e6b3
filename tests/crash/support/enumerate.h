/*
 * enumerate -- every state that a power cut can leave behind, one after another.
 *
 * A crash is not one state but a set: what was durable, and any legal subset of what was pending.
 * Given the trace of a workload, crash_enumerate cuts the power after every event of it, makes the
 * states that the simulated disk allows there (base/io_sim.h), and hands each that it has not shown
 * before to verify, together with what the outside world had been told by then.
 *
 *   - Up to exhaustive_max pending units: all subsets. Above: none, all, every prefix, all but one,
 *     one alone, and random_count random subsets.
 *   - Where a file grew, each of those also with the data deciding the length, and with garbage
 *     where the length arrived and the data did not.
 *   - The newest write torn at every tear_step-th byte, with all or none of the rest.
 *   - Of one state in second_cut_every, the recovery that verify runs is a workload of its own:
 *     its trace is sampled for a second cut.
 *
 * Two states are the same if the disk's hash and the marks made before the cut are the same: an
 * empty disk is right before the first acknowledgement and wrong after it. What a state is tried
 * with follows from the seed and from itself, not from which states were met before.
 *
 * Threads: one.
 */
#ifndef VARVE_TESTS_CRASH_ENUMERATE_H
#define VARVE_TESTS_CRASH_ENUMERATE_H

#include "base/errbuf.h"
#include "base/io_sim.h"

struct crash_state {
    struct io_sim *sim;              /* Just switched on. Verify may change it; it is destroyed
                                        afterwards, so close what was opened on it. */
    const struct io_sim_mark *marks; /* All that were made before the cut, oldest first; after a
                                        second cut those of the recovery follow. */
    size_t mark_count;
    unsigned cuts; /* 1 or 2; 0: merely restarted (sweep.h). */
    bool is_kill;  /* All that was pending was kept, at both cuts, or all but the write under way:
                      as after kill -9, which the kernel survives. */
};

/* Is the state right? If not, say in why what is wrong. */
typedef bool crash_verify(void *context, const struct crash_state *state, struct errbuf *why);

/* States met so far, of several enumerations. */
struct crash_seen;
struct crash_seen *crash_seen_create(void);
void crash_seen_destroy(struct crash_seen *s); /* Takes NULL. */

struct crash_options {
    uint64_t seed;
    struct crash_seen
        *seen;             /* Borrowed: skip these, add others. NULL: of this enumeration alone. */
    uint64_t salt;         /* Of states in seen: what verify expects, beyond the marks. */
    size_t exhaustive_max; /* 0: 12 */
    size_t random_count;   /* 0: 256 */
    size_t structured_max; /* Prefixes, omissions and lone units at one point, of each; more
                              are thinned out evenly. 0: 512 */
    size_t tear_step;      /* Bytes. 0: 128 */
    size_t second_cut_every;       /* 0: no second cuts. */
    size_t second_cut_states;      /* At most, of one recovery. 0: 32 */
    struct io_sim_options machine; /* That verify gets. */
};

/* Sums over all enumerations it was passed to; zero it before the first. */
struct crash_report {
    uint64_t points;   /* Moments at which the power was cut. */
    uint64_t states;   /* Made. */
    uint64_t distinct; /* Verified: first cuts. */
    uint64_t second_distinct;
    uint64_t failures;     /* 0 or 1: the first ends the enumeration. */
    struct errbuf failure; /* Which cut of which trace, and what was wrong. */
};

/* False if a state was wrong. options may be NULL. */
bool crash_enumerate(const struct io_sim_trace *trace, const struct crash_options *options,
                     crash_verify *verify, void *context, struct crash_report *report);

#endif
