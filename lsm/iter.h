/*
 * iter -- a cursor over entries in tree order (key rising, version falling).
 *
 * Memtables, tables, levels and the merge of all of them are iters; a reader never learns which
 * one it holds. Every version of every key is shown, newest first; hiding is the reader's business.
 *
 *   1. A new iter is not valid. After a move that answered OK it is valid, or at the end.
 *   2. ST_AGAIN from a move: blocks are wanted (the iter's fetch recorded them). The iter has not
 *      moved and is where it was; make the same call again when they are there.
 *   3. Any other failure is final for this iter: it is not valid and every move repeats it.
 *   4. entry (bytes included) is borrowed until the next move of the same iter.
 *
 * Threads: one at a time.
 */
#ifndef VARVE_LSM_ITER_H
#define VARVE_LSM_ITER_H

#include "lsm/entry.h"

struct lsm_iter;

struct lsm_iter_ops {
    /* To the first entry at or after (key, version) in tree order: version UINT64_MAX is before
     * all versions of key. */
    struct status (*seek)(struct lsm_iter *it, struct bytes key, uint64_t version);
    /* To the last entry before (key, version) in tree order. */
    struct status (*seek_before)(struct lsm_iter *it, struct bytes key, uint64_t version);
    struct status (*first)(struct lsm_iter *it);
    struct status (*last)(struct lsm_iter *it);
    struct status (*next)(struct lsm_iter *it); /* Requires: valid. */
    struct status (*prev)(struct lsm_iter *it); /* Requires: valid. */
    void (*destroy)(struct lsm_iter *it);       /* Frees it. */
};

struct lsm_iter {
    const struct lsm_iter_ops *ops;
    bool is_valid;
    struct lsm_entry entry; /* Set by the implementation while valid. */
};

MUST_CHECK static inline struct status lsm_iter_seek(struct lsm_iter *it, struct bytes key,
                                                     uint64_t version)
{
    return it->ops->seek(it, key, version);
}
MUST_CHECK static inline struct status lsm_iter_seek_before(struct lsm_iter *it, struct bytes key,
                                                            uint64_t version)
{
    return it->ops->seek_before(it, key, version);
}
MUST_CHECK static inline struct status lsm_iter_first(struct lsm_iter *it)
{
    return it->ops->first(it);
}
MUST_CHECK static inline struct status lsm_iter_last(struct lsm_iter *it)
{
    return it->ops->last(it);
}
MUST_CHECK static inline struct status lsm_iter_next(struct lsm_iter *it)
{
    return it->ops->next(it);
}
MUST_CHECK static inline struct status lsm_iter_prev(struct lsm_iter *it)
{
    return it->ops->prev(it);
}
static inline void lsm_iter_destroy(struct lsm_iter *it)
{
    if (it != NULL)
        it->ops->destroy(it);
}

#endif
