/*
 * campaign -- many seeds, on all cores; and what to do with one that fails.
 */
#ifndef VARVE_TESTS_SIM_CAMPAIGN_H
#define VARVE_TESTS_SIM_CAMPAIGN_H

#include "tests/sim/support/world.h"

struct campaign {
    uint64_t first_seed;
    uint64_t seeds;
    uint64_t seconds;  /* Simulated, of each safety phase. */
    uint32_t jobs;     /* Processes. */
    uint32_t off;      /* enum plan_switch. */
    bool must_see_all; /* Large enough to show each effect, reason and fault. */
    struct world_bugs bugs;
};

/* All seeds; each hundredth twice, to compare hashes. Tells totals, and failures shrunk. */
bool campaign_run(const struct campaign *c);
/* The seed c->first_seed alone. only: the faults that happen ("3,7,8"; NULL: all). */
bool campaign_replay(const struct campaign *c, const char *only, uint64_t trace_from_us);
/* Seeds in order until one fails, at most c->seeds of them; how many that took, or 0. */
uint64_t campaign_catch(const struct campaign *c, struct verdict *out_v);

#endif
