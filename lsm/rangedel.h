/*
 * rangedel -- range deletes, fragmented: for a key, which is the newest range delete that hides it?
 *
 * A range delete (begin, end, version) hides every version < its own of keys in [begin, end). A set
 * of them is cut at all begins and ends into disjoint fragments, sorted by begin; of each, the
 * versions that cover it are found newest first. n deletes take O(n log n) memory however they
 * overlap. Immutable once built; memtables build a new set when one is added (they are rare),
 * tables when they are first asked.
 *
 * Threads: a built set any.
 */
#ifndef VARVE_LSM_RANGEDEL_H
#define VARVE_LSM_RANGEDEL_H

#include "base/alloc.h"
#include "base/status.h"

#include "lsm/entry.h"

struct lsm_range_delete {
    struct bytes begin; /* Keyspace included, both. */
    struct bytes end;   /* Not included. */
    uint64_t version;
};

struct lsm_rangedel_set;

enum { LSM_RANGEDEL_MAX = 1 << 22 }; /* Deletes in one set. */

/* deletes in any order, overlapping at will; bytes are copied. ST_LIMIT: more than
 * LSM_RANGEDEL_MAX. */
MUST_CHECK struct status lsm_rangedel_build(struct alloc *a, const struct lsm_range_delete *deletes,
                                            size_t count, struct lsm_rangedel_set **out_set);
void lsm_rangedel_destroy(struct lsm_rangedel_set *s);

/* The newest version <= at of a range delete that covers key; 0 if none. set may be NULL. */
uint64_t lsm_rangedel_cover(const struct lsm_rangedel_set *s, struct bytes key, uint64_t at);

/* As above, and how far the answer reaches: *out_until is the end of the fragment (or the begin of
 * the next one if none covers key; size 0: no bound). Borrowed from the set. For iterators, which
 * skip what is hidden. */
uint64_t lsm_rangedel_cover_until(const struct lsm_rangedel_set *s, struct bytes key, uint64_t at,
                                  struct bytes *out_until);

/* The deletes it was built from, in begin order, for compaction and flush. */
size_t lsm_rangedel_count(const struct lsm_rangedel_set *s);
void lsm_rangedel_at(const struct lsm_rangedel_set *s, size_t i, struct lsm_range_delete *out);
size_t lsm_rangedel_bytes(const struct lsm_rangedel_set *s);

#endif
