/*
 * text -- messages, entries and effects as one line of a protocol trace.
 *
 * 4/2 is the entry with index 4 of term 2.
 *
 * Threads: any; values only.
 */
#ifndef VARVE_TESTS_RAFT_TEXT_H
#define VARVE_TESTS_RAFT_TEXT_H

#include <stdio.h>

#include "raft/raft.h"

void text_entry(FILE *out, const struct raft_entry *e);
/* "1v 2v 3l", and "auto" if it is left by itself. i: incoming, d: demoting. */
void text_conf(FILE *out, const struct raft_conf *conf);
void text_change(FILE *out, const struct raft_change *change);
/* "1->2 append term 2 ...", without a line's end. */
void text_message(FILE *out, const struct raft_message *m);
/* One line: role, term, cursors, conf. */
void text_view(FILE *out, const struct raft_view *v);
/* The whole line; nothing for what a trace leaves out (SEND, and PERSIST unless asked for). */
void text_effect(FILE *out, raft_id node, const struct raft_effect *e, bool with_writes);

#endif
