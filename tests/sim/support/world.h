/*
 * world -- one simulated run: a cluster, the weather and faults of its plan, clients, an operator.
 *
 * First the safety phase: faults, with all invariants checked after every event. Then the liveness
 * phase: faults end, everything restarts; within a bound the group has a leader, commits what it is
 * asked, leaves joint confs, and everybody has the same state. One run of a plan is the same as
 * another, to the bit: `hash` says so.
 *
 * Threads: one a world.
 */
#ifndef VARVE_TESTS_SIM_WORLD_H
#define VARVE_TESTS_SIM_WORLD_H

#include <stdio.h>

#include "tests/raft/support/checker.h"
#include "tests/raft/support/timeline.h"
#include "tests/sim/support/plan.h"

struct verdict {
    bool has_failed;
    int invariant; /* As in struct checker; 0 with has_failed: no progress. */
    char text[512];
    uint64_t at_us;
    uint64_t hash;
    uint64_t steps;
    uint64_t simulated_us;
    uint64_t messages;
    uint64_t elections;
    uint64_t writes_done;
    uint64_t writes_unknown;
    uint64_t writes_refused;
    uint64_t reads_served;
    uint64_t crashes;
    uint64_t changes;
    uint64_t snapshots;
    uint64_t checks;
    uint64_t fault_seen[FAULT_KINDS];
    struct sights seen;
};

struct world_bugs {
    enum cluster_bug cluster;
    enum disk_bug disk;
};

/* trace: where to tell what happens from trace_from_us on; NULL: nowhere. bugs: NULL, none. */
void world_run(const struct plan *p, const struct world_bugs *bugs, FILE *trace,
               uint64_t trace_from_us, struct verdict *out_v);

#endif
