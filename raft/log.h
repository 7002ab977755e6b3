/*
 * log -- what a replica remembers of its log: the last entries, and the terms of all.
 *
 * 1. base <= applied <= announced <= commit <= last; durable <= last.
 * 2. The window is [first, last] and a ring. An entry can leave it once it is durable: then it is
 * the driver's to fetch, and its term, which is remembered, proves that it is the one. It stays as
 *    long as it is not applied, if there is room. Room is never short of what the disk can make: a
 *    log full of entries that nobody can commit yet could not be committed by a new leader either.
 *    A change of the conf that leaves before it is committed is held beside the window.
 * 3. Terms never go down along the log, so where each begins tells the term of every entry. When
 *    there is no room the oldest is forgotten, as if compacted; never one above commit.
 * 4. Under one accepting leader the log only grows; it is cut only under a newer one, behind
 *    commit.
 *
 * References to payload are counted in window_bytes; those that leave are added to fx->released.
 *
 * Threads: one owner.
 */
#ifndef VARVE_RAFT_LOG_H
#define VARVE_RAFT_LOG_H

#include "raft/marks.h"
#include "raft/raft.h"

struct raft_log {
    raft_index base_index;
    raft_term base_term;
    raft_index last;
    raft_index commit;
    raft_index announced; /* In APPLY effects. */
    raft_index applied;
    raft_term acc_term;
    struct raft_marks marks;

    raft_index first; /* Of the window; last + 1 when it is empty. */
    struct raft_entry *ring;
    uint32_t ring_size;     /* A power of two. */
    struct raft_entry held; /* A CONF entry above commit and below first; index 0: none. */
    uint64_t window_bytes;
    uint64_t cache_bytes;
    uint32_t changes; /* CONF entries in (commit, last]. */

    struct raft_term_start *starts;
    uint32_t start_count;
    uint32_t start_max;
};

/* 0 if index is not in [base_index, last] or its term was forgotten. */
raft_term raft_log_term_at(const struct raft_log *l, raft_index index);
raft_term raft_log_last_term(const struct raft_log *l);
bool raft_log_matches(const struct raft_log *l, raft_index index, raft_term term);
/* 5.4.1: the log that ends with (index, term) has all that ours has. */
bool raft_log_is_up_to_date(const struct raft_log *l, raft_index index, raft_term term);
/* The last entry at or before index whose term is at most term: where logs may still agree. Not
 * below floor. */
raft_index raft_log_hint(const struct raft_log *l, raft_index index, raft_term term,
                         raft_index floor);
/* NULL if it is not in memory. */
const struct raft_entry *raft_log_entry(const struct raft_log *l, raft_index index);

/* Entries that can be appended, after what is durable has left. */
uint32_t raft_log_room(const struct raft_log *l);
/* The same, but what is not committed stays. */
uint32_t raft_log_room_to_propose(const struct raft_log *l);
/* Whether an entry of this term can be appended as far as terms are concerned (3). */
bool raft_log_has_term_room(const struct raft_log *l, raft_term term);
/* Takes e's reference. Requires: room, term room, e->index == last + 1, no lower term than the
 * last. */
void raft_log_append(struct raft_log *l, const struct raft_entry *e, struct raft_effects *fx);
/* Drop from and all behind it, under the leader of acc_term. Requires: from > commit. */
void raft_log_cut(struct raft_log *l, raft_index from, raft_term acc_term, struct raft_effects *fx);
/* A snapshot takes the log's place. */
void raft_log_reset(struct raft_log *l, raft_index index, raft_term term, raft_term acc_term,
                    struct raft_effects *fx);
/* Forget up to index. Requires: applied. */
void raft_log_compact(struct raft_log *l, raft_index index, struct raft_effects *fx);
/* Let go of a held change. Requires: there is one. */
void raft_log_release_held(struct raft_log *l, struct raft_effects *fx);
/* Let go of entries beyond the cache. */
void raft_log_evict(struct raft_log *l, struct raft_effects *fx);

#endif
