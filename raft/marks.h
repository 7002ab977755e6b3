/*
 * marks -- which entries the disk's acknowledgements release.
 *
 * A write is stamped with a mark: the term of the leader whose entries were accepted, and the last
 * index then. Under one leader a log only grows, so an acknowledged mark speaks for all entries up
 * to its index -- unless the log has been cut since, under a newer leader. Each such cut is a fork:
 * entries from its index on are released only by a mark of its term or a later one. So entries that
 * were overwritten and overwritten back while writes were under way are never taken for the ones on
 * disk.
 *
 * Threads: one owner.
 */
#ifndef VARVE_RAFT_MARKS_H
#define VARVE_RAFT_MARKS_H

#include "raft/raft.h"

enum { RAFT_FORKS_MAX = 8 };

struct raft_marks {
    raft_index durable; /* Entries up to here are durable as they are in the log. */
    uint32_t fork_count;
    struct raft_mark forks[RAFT_FORKS_MAX]; /* Unacknowledged cuts; terms and indexes ascend. */
};

/* The log was cut under the leader of acc_term: from and what is behind it is new or gone. */
void raft_marks_cut(struct raft_marks *m, raft_term acc_term, raft_index from);
/* A write with this mark is durable. Requires: marks come in the order of their writes, mostly; an
 * older one releases nothing new. */
void raft_marks_release(struct raft_marks *m, struct raft_mark mark);

#endif
