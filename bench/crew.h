/*
 * crew -- the worker threads of one execution of a benchmark, and who watches over them.
 *
 * Threads: called by the first; it starts the others and outlives them.
 */
#ifndef VARVE_BENCH_CREW_H
#define VARVE_BENCH_CREW_H

#include "bench/run.h"

/*
 * Run the benchmark the run is set up for: start its threads together, wait for all, and merge
 * what they did into r->tally, costs included. *out_begin is the meter as they started.
 * The first failure of a worker is the result, its words in r->err.
 */
MUST_CHECK struct status crew_work(struct run *r, struct meter *out_begin);

#endif
