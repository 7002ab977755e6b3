/*
 * background -- the one thread that flushes, compacts and rewrites, with a ring of its own, and
 * keeps the clock's mark ahead of the reactor.
 *
 * It runs lsm_work_step for as long as there is something to do, and sleeps until woken, a second
 * at most.
 *
 * Threads: start and stop by one thread.
 */
#ifndef VARVE_SERVER_BACKGROUND_H
#define VARVE_SERVER_BACKGROUND_H

#include "base/env.h"
#include "base/status.h"

#include "lsm/lsm.h"

#include "txn/txn.h"

#include <stdatomic.h>

struct server_background;

/* Work that is done between quanta. The giver's until it is given, and when it is done. */
struct background_job {
    void (*run)(struct background_job *job, struct io_ring *ring);
    void (*done)(struct background_job *job); /* Called after is_done is set. */
    void *context;
    struct status status;
    _Atomic bool is_done; /* shared: released with status */
};

static inline bool background_job_is_done(const struct background_job *job)
{
    return atomic_load_explicit(&job->is_done, memory_order_acquire);
}

MUST_CHECK struct status server_background_start(const struct env *env, struct txn_clock *clock,
                                                 struct server_background **out_background);
/* One at a time. */
void server_background_give(struct server_background *b, struct background_job *job);
/* Ends after the quantum or the job under way. Takes NULL. */
void server_background_stop(struct server_background *b);

#endif
