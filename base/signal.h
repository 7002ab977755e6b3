/*
 * signal -- the door to being asked to stop.
 *
 * SIGTERM, SIGINT and SIGHUP are taken by a thread that does nothing but wait for them, so that
 * what happens next is ordinary code: no handler, nothing that a handler may not do. SIGPIPE is
 * ignored: a peer that went away is the status of an op.
 *
 * Threads: start and stop by the process' first thread, start before it makes any other (threads
 * inherit what is blocked).
 */
#ifndef VARVE_BASE_SIGNAL_H
#define VARVE_BASE_SIGNAL_H

#include "base/status.h"

struct signal_watch;

/* on_signal is called for each, by the waiting thread, with a static name ("SIGTERM"). */
MUST_CHECK struct status signal_watch_start(void (*on_signal)(void *context, const char *name),
                                            void *context, struct signal_watch **out_watch);
/* No call is made after it. The signals do what they did before. Takes NULL. */
void signal_watch_stop(struct signal_watch *w);

#endif
