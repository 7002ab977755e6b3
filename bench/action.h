/*
 * action -- what is done between benchmarks, once, on the whole store.
 *
 * Threads: the first.
 */
#ifndef VARVE_BENCH_ACTION_H
#define VARVE_BENCH_ACTION_H

#include "base/status.h"

struct run;

MUST_CHECK struct status action_flush(struct run *r);
MUST_CHECK struct status action_settle(struct run *r);
MUST_CHECK struct status action_compact(struct run *r);
MUST_CHECK struct status action_reopen(struct run *r);
MUST_CHECK struct status action_stats(struct run *r);
MUST_CHECK struct status action_level_stats(struct run *r);
MUST_CHECK struct status action_tables(struct run *r);

#endif
