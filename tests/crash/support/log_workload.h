/*
 * log_workload -- operations of a log as a string, and the judgement of what is left of it.
 *
 *   s  a small entry, acknowledged      a  flush, adopting            o  close and open
 *   b  one with values                  c  flush, copying             k  be killed and open
 *   g  three in one batch               p  flush, the oldest pinned   w  rewrite a value file
 *   h  a hard state                     r  roll                       d  drop one
 *   i  the idle seal
 *
 * Threads: one.
 */
#ifndef VARVE_TESTS_CRASH_LOG_WORKLOAD_H
#define VARVE_TESTS_CRASH_LOG_WORKLOAD_H

#include "tests/crash/support/enumerate.h"
#include "tests/crash/support/log_owner.h"

extern const char LOG_OPS[]; /* All of them. */

struct log_workload {
    struct vlog_options options;
    struct io_sim_options machine;
    struct owner_history history;
    struct owner_marks marks;  /* Before those that a verified state was told. */
    size_t versions;           /* Of the history: the workload's own ... */
    size_t first_cut_versions; /* ... and with those of the recovery from a first cut. */
};
void log_workload_deinit(struct log_workload *w);

/* A machine with an empty directory for the log. */
struct io_sim *log_workload_machine(const struct log_workload *w);
/* Open a new log. The history begins anew. */
MUST_CHECK struct status log_workload_begin(struct log_workload *w, struct log_owner *o,
                                            struct io_sim *sim, struct alloc *alloc);
/* Do each of ops, up to the first that fails. */
MUST_CHECK struct status log_workload_do(struct log_owner *o, const char *ops);
/* What went wrong, for people. Borrowed from o. */
const char *log_workload_words(const struct log_owner *o);

/* Is what a state holds what was promised, and does it work on? A crash_verify; context is the
 * workload. */
bool log_workload_verify(void *context, const struct crash_state *state, struct errbuf *why);

#endif
