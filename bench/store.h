/*
 * store -- the store under test, as a run opens, empties, settles and closes it.
 *
 * Threads: the first; no worker is running.
 */
#ifndef VARVE_BENCH_STORE_H
#define VARVE_BENCH_STORE_H

#include "bench/run.h"

/* Make the directory ours; without --use_existing_db, empty. */
MUST_CHECK struct status store_prepare(struct run *r);
/* Have the store open, every write durable or not. */
MUST_CHECK struct status store_open(struct run *r, bool sync);
MUST_CHECK struct status store_open_empty(struct run *r, bool sync);
/* Close and open again; how long opening took. out_open_ns may be NULL. */
MUST_CHECK struct status store_reopen(struct run *r, uint64_t *out_open_ns);
MUST_CHECK struct status store_settle(struct run *r);
void store_close(struct run *r);

#endif
