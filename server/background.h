/*
 * background -- the one thread that flushes, compacts and rewrites, with a ring of its own.
 *
 * It runs lsm_work_step for as long as there is something to do, and sleeps until woken.
 *
 * Threads: start and stop by one thread.
 */
#ifndef VARVE_SERVER_BACKGROUND_H
#define VARVE_SERVER_BACKGROUND_H

#include "base/env.h"
#include "base/status.h"

#include "lsm/lsm.h"

struct server_background;

MUST_CHECK struct status server_background_start(const struct env *env, struct lsm *lsm,
                                                 struct server_background **out_background);
/* Ends after the quantum under way. Takes NULL. */
void server_background_stop(struct server_background *b);

#endif
