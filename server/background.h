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

struct server_background;

MUST_CHECK struct status server_background_start(const struct env *env, struct txn_clock *clock,
                                                 struct server_background **out_background);
/* Ends after the quantum under way. Takes NULL. */
void server_background_stop(struct server_background *b);

#endif
