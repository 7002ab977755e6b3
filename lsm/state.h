/*
 * state -- what a reader loads with one pointer: the memtables and the version. Private to lsm/.
 *
 * A memtable in a state carries what the log has to keep for it: the LSNs it covers and the
 * segments its handles lead to. A segment leaves the log only when no memtable pins it; a memtable
 * lives as long as a state that holds it, a state as long as a reader (epoch) or cursor (count)
 * that may look at it. So no reader meets a handle to a recycled segment.
 *
 *   1. A state is immutable but for the open memtable's content. Its number is no other's.
 *   2. Replaced states are retired through the epoch; cursors hold a count.
 *
 * Threads: counts any; the rest under the tree's mutex.
 */
#ifndef VARVE_LSM_STATE_H
#define VARVE_LSM_STATE_H

#include "base/epoch.h"

#include "lsm/memtable.h"
#include "lsm/version.h"

enum { LSM_MEMTABLES_MAX = 64 };

/* A source of values outside tables' files: a log segment or a value file, by logical id. */
struct lsm_source {
    struct lsm_source *next;
    uint64_t logical;
    _Atomic uint32_t pins; /* Memtables whose handles may lead to it. */
};

struct lsm_mem {
    _Atomic uint32_t refs;
    struct alloc *alloc;
    struct lsm_memtable *table;
    uint64_t first_lsn; /* Of the batches applied into it; 0: none. */
    uint64_t last_lsn;
    _Atomic uint64_t log_bytes; /* What the log holds for it, padding included (an estimate). */
    uint64_t version_max;
    uint64_t ticket;                              /* Frozen memtables are numbered from 1. */
    struct lsm_edit_group groups[LSM_GROUPS_MAX]; /* Applied, at the freeze. */
    uint32_t group_count;
    struct buf sidecar;         /* Saved at the freeze. */
    struct lsm_source **pinned; /* Set at the freeze. */
    uint32_t pinned_count;
    bool is_cut_in_replay; /* Later entries of its segments were replayed into other memtables. */
    /* Flush (background): segments adopted for it that no durable edit names yet. A flush that is
     * tried again names them then. */
    struct vlog_file *adopted;
    uint32_t adopted_count;
};
MUST_CHECK struct status lsm_mem_create(const struct env *env, struct lsm_page_pool *pool,
                                        struct lsm_mem **out_mem);
/* Keep these pins (copied) until the memtable goes, in the place of those of a freeze that failed;
 * on failure they are dropped. */
MUST_CHECK struct status lsm_mem_keep_pins(struct lsm_mem *m, struct lsm_source *const *pins,
                                           uint32_t count);
void lsm_pins_drop(struct lsm_source *const *pins, uint32_t count);
void lsm_mem_ref(struct lsm_mem *m);
void lsm_mem_unref(struct lsm_mem *m);

struct lsm_state {
    struct epoch_garbage garbage;
    _Atomic uint32_t refs;
    struct alloc *alloc;
    uint64_t number;                           /* From 1, when it comes into force. */
    struct lsm_mem *mem;                       /* Open. */
    struct lsm_mem *frozen[LSM_MEMTABLES_MAX]; /* Newest first. */
    uint32_t frozen_count;
    struct lsm_version *version;
};
/* References to all parts are taken. */
MUST_CHECK struct status lsm_state_create(struct alloc *a, struct lsm_mem *mem,
                                          struct lsm_mem *const *frozen, uint32_t frozen_count,
                                          struct lsm_version *version,
                                          struct lsm_state **out_state);
void lsm_state_ref(struct lsm_state *s);
void lsm_state_unref(struct lsm_state *s);

#endif
