/*
 * merge -- many iters as one, in tree order. Private to lsm/.
 *
 * A binary heap of the children, the one to show on top. Entries of different children may be
 * versions of one key; (key, version) itself is unique. Turning round (prev after next) moves every
 * other child to its side of the current entry.
 *
 * Threads: one.
 */
#ifndef VARVE_LSM_MERGE_H
#define VARVE_LSM_MERGE_H

#include "base/alloc.h"

#include "lsm/iter.h"

/* Takes over the children (also on failure) and destroys them with itself. The array is copied. */
MUST_CHECK struct status lsm_merge_create(struct alloc *a, struct lsm_iter **children, size_t count,
                                          struct lsm_iter **out_iter);

#endif
