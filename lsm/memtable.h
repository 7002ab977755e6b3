/*
 * memtable -- the newest entries, in memory, in tree order.
 *
 * A B+tree whose nodes hold the 8-byte heads of keys after a per-node common prefix, so that a
 * search stays in one cache line run and touches a record only on a tie; one record a key with a
 * chain of versions, newest first. Records and keys live in an arena of big pages that is handed
 * from memtable to memtable. Single writer; readers never block: they read nodes optimistically
 * and check the node's version (optimistic lock coupling, Leis et al., 2016).
 *
 *   1. One writer at a time. Any number of readers at any time, without locks.
 *   2. A record is immutable once reachable; a reader sees a whole entry or none of it.
 *   3. Versions of a key are added in rising order (design.md, "Per key, versions only grow").
 *   4. Freezing is the owner's word: nothing is added after it.
 *
 * Threads: as 1. Every field read optimistically is a relaxed atomic.
 */
#ifndef VARVE_LSM_MEMTABLE_H
#define VARVE_LSM_MEMTABLE_H

#include "base/env.h"
#include "base/status.h"

#include "lsm/iter.h"
#include "lsm/rangedel.h"

#include <stdatomic.h>

/* Pages of 2 MiB (or page_size), kept for the next memtable. One pool a store. Internally locked;
 * pages are charged to BUDGET_MEMTABLE while they exist. */
struct lsm_page_pool;
MUST_CHECK struct status lsm_page_pool_create(const struct env *env, size_t page_size,
                                              size_t keep_max, struct lsm_page_pool **out_pool);
void lsm_page_pool_destroy(struct lsm_page_pool *p); /* Requires: all pages are back. */

struct lsm_memtable;

MUST_CHECK struct status lsm_memtable_create(const struct env *env, struct lsm_page_pool *pool,
                                             struct lsm_memtable **out_memtable);
/* Counted: the store, flushes, iterators. The last one out frees it. */
void lsm_memtable_ref(struct lsm_memtable *m);
void lsm_memtable_unref(struct lsm_memtable *m);

/* Entries that are best added together: their ways through the tree overlap. */
enum { LSM_MEMTABLE_WINDOW = 8 };

/*
 * Add entries (kind PUT, PUT_HANDLE or DELETE), LSM_MEMTABLE_WINDOW at most; bytes are copied.
 * Writer. ST_NO_MEMORY: those before one that found none are added.
 */
MUST_CHECK struct status lsm_memtable_add(struct lsm_memtable *m, const struct lsm_entry *entries,
                                          size_t count);
/* Make sure that `bytes` more of keys and values in `count` entries can be added without failing,
 * so that a durable batch can always be applied. Values of more than an eighth of a page are not
 * among them: their memory is their own. Writer. */
MUST_CHECK struct status lsm_memtable_reserve(struct lsm_memtable *m, size_t bytes, size_t count);
/* Those of one batch together: each call fragments all there are anew. Writer. */
MUST_CHECK struct status lsm_memtable_add_range_deletes(struct lsm_memtable *m,
                                                        const struct lsm_range_delete *deletes,
                                                        size_t count);

/*
 * The newest entry of key with version <= at: true, and *out (bytes borrowed for the memtable's
 * life). Range deletes are not looked at. Any thread.
 */
bool lsm_memtable_get(const struct lsm_memtable *m, struct bytes key, uint64_t at,
                      struct lsm_entry *out);
/* The newest range delete version <= at that covers key; 0 if none. Any thread (the set in use is
 * swapped atomically; old sets live as long as the memtable). */
uint64_t lsm_memtable_range_cover(const struct lsm_memtable *m, struct bytes key, uint64_t at);
/* The set in use; NULL if there are none. Lives as long as the memtable. */
const struct lsm_rangedel_set *lsm_memtable_range_deletes(const struct lsm_memtable *m);

/* An iter over all entries; sees every entry added before its moves. Holds a reference. */
MUST_CHECK struct status lsm_memtable_iter(struct lsm_memtable *m, struct lsm_iter **out_iter);

/* Bytes of pages in use, and entries (all versions). Any thread. */
size_t lsm_memtable_bytes(const struct lsm_memtable *m);
uint64_t lsm_memtable_count(const struct lsm_memtable *m);

size_t lsm_memtable_range_delete_count(const struct lsm_memtable *m); /* Writer. */

/* Prove the tree's shape: order, heads, prefixes, counts. Quiescent. For tests and DCHECK. */
void lsm_memtable_check_invariants(const struct lsm_memtable *m);

#endif
