/*
 * level_iter -- the files of one level, end to end, as one iter. Private to lsm/.
 *
 * The files are sorted and disjoint; a table's iter is made when it is entered. Threads: one.
 */
#ifndef VARVE_LSM_LEVEL_ITER_H
#define VARVE_LSM_LEVEL_ITER_H

#include "lsm/version.h"

struct lsm_level_iter_options {
    const struct lsm_fence *fences; /* Borrowed for the iter's life, like the files. */
    uint32_t count;
    struct fetch *fetch;
    struct lsm_table_iter_options table;
};
MUST_CHECK struct status lsm_level_iter_create(struct alloc *a,
                                               const struct lsm_level_iter_options *options,
                                               struct lsm_iter **out_iter);

#endif
