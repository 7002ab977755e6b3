/*
 * drop -- which versions a merge may leave out. Private to lsm/.
 *
 * A merge (flush, compaction) meets the entries of its inputs in tree order: of each key, newest
 * first. Let F be the floor: every reader there is or will be reads at some X >= F. Let R(k) be the
 * newest range delete <= F among the merge's inputs that covers k, 0 if none.
 *
 * The rule, for the entries e1, e2, ... (versions v1 > v2 > ...) of a key k in the inputs:
 *
 *   (a) v > F: keep. Some reader at X in [F, v) must not see it, one at X >= v must.
 *   (b) The first e with v <= F ("the floor entry"):
 *       - v < R(k): drop. Every X >= F sees the range delete, which hides it.
 *       - it is a put: keep. A reader at F sees it.
 *       - it is a delete: keep, unless nothing older than it can lie below the output (then to read
 *         it and to find nothing are the same).
 *   (c) Every later e (v <= F, older than the floor entry): drop. Every X >= F sees the floor
 * entry, or what made it go in (b): a range delete newer than both; or, where a delete went,
 * nothing can be left below and these are dropped as well.
 *
 * Why a delete that is dropped resurrects nothing: older versions of k lie (i) in the inputs, and
 * are dropped by (c); (ii) in levels below the output: the caller says there are none there that
 * may hold k; (iii) above the inputs: no, versions only grow upward (lsm.h, invariant 1), and a
 * compaction takes every overlapping file of its levels. A value that was applied but not yet
 * published has a version > visible >= F and falls under (a).
 *
 * A range delete V is kept unless V <= F and nothing older can lie below in its range: what it hid
 * in the inputs is dropped by (b) and (c) in this same merge. Where it is kept, its output is cut
 * at the bounds of the output files, so that a file's range is honest.
 *
 * The same for expired entries: nothing. Expiry is the reader's; only a delete removes.
 *
 * Threads: one.
 */
#ifndef VARVE_LSM_DROP_H
#define VARVE_LSM_DROP_H

#include "lsm/entry.h"
#include "lsm/rangedel.h"

/* May keys in [begin, end] (end included; size 0: just begin) have versions below the output? */
typedef bool lsm_may_lie_below(void *context, struct bytes begin, struct bytes end);

struct lsm_drop {
    uint64_t floor;
    const struct lsm_rangedel_set *range_deletes; /* Of the inputs; NULL: none. */
    lsm_may_lie_below *may_lie_below;
    void *context;
    uint8_t *key; /* The key being decided; LSM_KEY_MAX bytes, the owner's. */
    size_t key_size;
    bool has_key;
    bool is_past_floor_entry;
    bool is_new_key; /* Answer for the caller: the last entry began a key. */
};

/* Feed the entries in order: keep e? */
bool lsm_drop_keeps(struct lsm_drop *d, const struct lsm_entry *e);
/* Keep this range delete of the inputs? */
bool lsm_drop_keeps_range(const struct lsm_drop *d, const struct lsm_range_delete *r);

#endif
