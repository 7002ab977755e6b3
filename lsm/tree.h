/*
 * tree -- the B+tree of a memtable: records by key. Private to lsm/.
 *
 * A node holds up to LSM_TREE_FANOUT entries, sorted. Beside each entry lies its *head*: the 8
 * bytes of the key behind the prefix that all keys of the node share, as a number; so a search runs
 * through one array of numbers and looks at a record only where heads tie. In leaves an entry is a
 * record; in inner nodes it is a child and the least key its subtree may hold (the first counts as
 * minus infinity).
 *
 * One writer; readers take no lock (optimistic lock coupling: Leis, Haubenschild, Neumann, 2019).
 * A node's `version` is odd while the writer changes it. A reader notes the (even) version, reads,
 * and checks that the version is the same: else it starts again. It never follows a pointer before
 * that check, and what a pointer leads to is never freed while the tree lives, so a reader that is
 * about to start again has done no harm.
 *
 * Memory order without fences (so that ThreadSanitizer sees it all): fields are stored with
 * release, so that none is seen before the odd version; and loaded with acquire, so that the check
 * comes after all of them. On x86 both are plain moves.
 *
 *   1. Keys of a node share its prefix; entries are strictly rising.
 *   2. Nodes and records are never moved or freed before the tree is.
 *   3. Every leaf is linked to its neighbours.
 *
 * Threads: as said.
 */
#ifndef VARVE_LSM_TREE_H
#define VARVE_LSM_TREE_H

#include "base/bytes.h"
#include "base/status.h"

#include <stdatomic.h>

enum { LSM_TREE_FANOUT = 64, LSM_TREE_DEPTH_MAX = 16 };

/* What the tree orders: its owner's, beginning with this. The key never changes. */
struct lsm_record {
    uint32_t key_size;
    uint32_t reserved;
    _Atomic(void *) versions; /* The owner's chain. */
    uint8_t key[];
};

static inline struct bytes lsm_record_key(const struct lsm_record *r)
{
    return bytes_of(r->key, r->key_size);
}

struct lsm_node {
    _Atomic uint64_t version;
    _Atomic uint32_t count;
    _Atomic uint32_t prefix_size;
    _Atomic(const struct lsm_record *) prefix_of; /* Its key begins with the prefix. */
    bool is_leaf;                                 /* Never changes. */
    _Atomic(struct lsm_node *) next;              /* Leaves. */
    _Atomic(struct lsm_node *) previous;
    _Atomic uint64_t heads[LSM_TREE_FANOUT];
    _Atomic(struct lsm_record *) records[LSM_TREE_FANOUT];
    _Atomic(struct lsm_node *) children[]; /* LSM_TREE_FANOUT of them in inner nodes. */
};

struct lsm_tree {
    _Atomic(struct lsm_node *) root;
    /* Memory for nodes: zero is not needed. NULL: out of memory. */
    void *(*take)(void *context, size_t size);
    void *context;
    /* Writer: taken before an insert that may split, so that it cannot fail half-way. */
    struct lsm_node *spare_leaf;
    struct lsm_node *spare_inner[LSM_TREE_DEPTH_MAX];
    uint32_t spare_inner_count;
    uint64_t splits;
    size_t leaf_count; /* Writer; here and below: nodes in the tree. */
    size_t inner_count;
};

MUST_CHECK struct status lsm_tree_init(struct lsm_tree *t,
                                       void *(*take)(void *context, size_t size), void *context);

/* The record with this key, or NULL. Any thread. */
struct lsm_record *lsm_tree_find(const struct lsm_tree *t, struct bytes key);

/* The way to a key, or to where it belongs. */
struct lsm_tree_path {
    struct lsm_node *nodes[LSM_TREE_DEPTH_MAX];
    uint32_t indexes[LSM_TREE_DEPTH_MAX];
    uint32_t depth; /* Of the leaf. */
    uint64_t leaf_version;
    uint64_t splits; /* Of the tree, when the path was found. */
    struct lsm_record *candidate;
};
/*
 * Writer: find a key in three steps, each of which asks for the memory that the next one needs; so
 * that with several keys on their way, one waits while the others are worked on.
 *
 *     lsm_tree_approach   down to the leaf
 *     lsm_tree_arrive     its place in the leaf
 *     lsm_tree_locate     the record with this key, or NULL
 *
 * Keys may be inserted in between; locate sees to it that the path is good then. Afterwards it is
 * good until something is inserted.
 */
void lsm_tree_approach(const struct lsm_tree *t, struct bytes key, struct lsm_tree_path *out_path);
void lsm_tree_arrive(struct bytes key, struct lsm_tree_path *path);
struct lsm_record *lsm_tree_locate(const struct lsm_tree *t, struct bytes key,
                                   struct lsm_tree_path *path);
/* Memory for nodes that `count` inserts take at most. Writer. */
size_t lsm_tree_insert_room(const struct lsm_tree *t, size_t count);
/* Writer. path: what locate said of its key, which is not there. NO_MEMORY: nothing has changed. */
MUST_CHECK struct status lsm_tree_insert(struct lsm_tree *t, struct lsm_tree_path *path,
                                         struct lsm_record *r);

/* A place in the tree: a record and where it was found. The record is for ever; the rest is a hint
 * that a move checks. */
struct lsm_tree_place {
    struct lsm_record *record; /* NULL: at the end. */
    const struct lsm_node *leaf;
    uint64_t version;
    uint32_t index;
};
/* The first record with a key >= key (is_after: > key). Any thread, and below. */
void lsm_tree_seek(const struct lsm_tree *t, struct bytes key, bool is_after,
                   struct lsm_tree_place *out);
/* The last record with a key < key. */
void lsm_tree_seek_before(const struct lsm_tree *t, struct bytes key, struct lsm_tree_place *out);
void lsm_tree_first(const struct lsm_tree *t, struct lsm_tree_place *out);
void lsm_tree_last(const struct lsm_tree *t, struct lsm_tree_place *out);
/* Requires: p->record is not NULL. */
void lsm_tree_next(const struct lsm_tree *t, struct lsm_tree_place *p);
void lsm_tree_prev(const struct lsm_tree *t, struct lsm_tree_place *p);

/* CHECK 1 and 3; returns the number of records. Quiescent. */
uint64_t lsm_tree_check(const struct lsm_tree *t);

#endif
