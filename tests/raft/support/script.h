/*
 * script -- transcripts: commands, a line of dashes, and the trace that they must give.
 *
 *     # Why, and the source.
 *     nodes 3
 *     elect 1
 *     ----
 *     1 is leader, term 1
 *
 *     propose 1 x
 *     settle
 *     ----
 *     ...
 *
 * A trace ends with an empty line. The commands are in tests/data/raft/README.md.
 *
 * Threads: one.
 */
#ifndef VARVE_TESTS_RAFT_SCRIPT_H
#define VARVE_TESTS_RAFT_SCRIPT_H

#include "tests/raft/support/sights.h"

/* Run the transcript in text; out_page gets the whole of it again, with the traces that the core
 * gives now. out_fault (NULL: none) says what is wrong with the script itself or which invariant
 * was violated. Both are the caller's to free. What was seen is added to *seen. */
void script_run(const char *text, struct sights *seen, char **out_page, char **out_fault);

#endif
