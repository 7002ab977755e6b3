/*
 * overlay -- rows by key, over the tree. Private to txn/.
 *
 * Two of them stand over the tree: what a running command has written, and what evaluated commands
 * wrote that is not applied yet. A row is the newest write of its key there; a range delete hides
 * the rows that were there when it came, and what lies below the overlay.
 *
 * A row that has been applied may stay, *clean*, and rows read from the tree may join: then the
 * overlay is also a cache of rows, asked in one step where the tree needs a descent for each of its
 * sorted runs. Clean rows are the tree's newest by construction, as every write passes through
 * here. They go in the order they became clean, but once more round if they were asked for
 * meanwhile (CLOCK; Corbato, 1968): a few of those for each that goes, so that no turn goes all the
 * way round. The table grows a bucket at a time (linear hashing; Litwin, 1980), so that no turn
 * pays for all rows. When there is no room left, a row that was read joins only if its key was
 * asked for lately already: of data much larger than the rows' memory nearly every key is not, and
 * a row for each would be made, and another one let go, for nobody.
 *
 *   1. A key has at most one row.
 *   2. A row or range is dirty until the ticket that it was last written under is retired.
 *   3. A clean row of the current age is what the tree would answer.
 *   4. Clean rows leave in txn_overlay_evict only: what was found stays until then.
 *
 * Threads: one.
 */
#ifndef VARVE_TXN_OVERLAY_H
#define VARVE_TXN_OVERLAY_H

#include "base/env.h"
#include "base/status.h"

#include "lsm/lsm.h"

#include "txn/doorkeeper.h"

struct txn_row {
    struct txn_row *next; /* In its bucket, both ways: who goes walks no chain. */
    struct txn_row *previous;
    struct txn_row *older; /* In its list, both ways. */
    struct txn_row *newer;
    uint64_t hash;
    union {
        uint64_t ticket;  /* Of dirty rows. */
        uint64_t version; /* Of clean rows. */
    };
    uint64_t expire_ms;
    uint32_t key_size;
    uint32_t value_size;
    uint32_t room; /* Bytes behind the key that value may use. */
    uint32_t age;  /* Of clean rows: older than the overlay's: not to be believed. */
    uint8_t type;
    bool is_delete;
    bool is_clean;
    bool is_used;    /* Asked for since it was last looked at for eviction. */
    uint8_t bytes[]; /* Key, value. */
};

/* What hashes say of its rows decides most questions for a key that has none, without a look at
 * them: they lie anywhere. */
struct txn_bucket {
    struct txn_row *first;
    uint64_t marks; /* A bit of each row's hash, and of some that have gone; 0: it is empty. */
};

struct txn_row_list {
    struct txn_row *oldest;
    struct txn_row *newest;
};

struct txn_range {
    struct txn_range *next; /* Older. */
    uint64_t ticket;
    uint32_t begin_size;
    uint32_t end_size;
    uint8_t bytes[]; /* Begin, end. */
};

struct txn_overlay {
    const struct env *env;
    struct txn_bucket *buckets;
    uint32_t bucket_count;
    uint32_t bucket_capacity;
    uint32_t round_size; /* Buckets when this round of splitting began: a power of two. */
    uint32_t row_count;
    struct txn_row_list dirty; /* In order of last writing. */
    struct txn_range *ranges;  /* Newest first. */
    size_t held_bytes;
    size_t charged_bytes; /* To the budget, as pending. */
    bool has_repeats;     /* A ticket wrote something twice. Its owner resets it. */

    struct txn_row_list clean; /* In order of becoming so, or of their last pardon. */
    size_t clean_bytes;
    size_t clean_charged_bytes; /* To the budget, as rows; with the table. */
    size_t clean_max_bytes;     /* Of rows and table; 0: none are kept. */
    struct txn_doorkeeper doorkeeper;
    uint32_t age;

    struct txn_row *spare; /* Small rows to be used again. */
    uint32_t spare_count;
    uint32_t spare_max;
};

/* clean_max_bytes: of applied rows, and rows read, so much is kept (0: none). spare_max: of rows
 * that have left, so many are kept for the next (an overlay that is filled and cleared). */
void txn_overlay_init(struct txn_overlay *o, const struct env *env, size_t clean_max_bytes,
                      uint32_t spare_max);
void txn_overlay_deinit(struct txn_overlay *o);
void txn_overlay_clear(struct txn_overlay *o); /* Keeps the buckets, unless they are many. */

static inline struct bytes txn_row_key(const struct txn_row *r)
{
    return bytes_of(r->bytes, r->key_size);
}
static inline struct bytes txn_row_value(const struct txn_row *r)
{
    return bytes_of(r->bytes + r->key_size, r->value_size);
}

/* Have the bucket, then (a little later) the rows of a hash brought near. Only hints. */
void txn_overlay_prefetch(const struct txn_overlay *o, uint64_t hash);
void txn_overlay_prefetch_row(const struct txn_overlay *o, uint64_t hash);
/* The row of key, or NULL. hash is of key, the same function and seed always. */
struct txn_row *txn_overlay_find(const struct txn_overlay *o, struct bytes key, uint64_t hash);
/* The newest range delete that covers key, or NULL. (A row of the key was written later.) */
const struct txn_range *txn_overlay_range(const struct txn_overlay *o, struct bytes key);

struct txn_write {
    struct bytes key;
    uint64_t hash; /* Of key. */
    struct bytes value;
    uint64_t expire_ms;
    uint64_t ticket;
    uint8_t type;
    bool is_delete;
};
/* Put or replace the row. Bytes are copied. */
MUST_CHECK struct status txn_overlay_write(struct txn_overlay *o, const struct txn_write *w);
/* Dirty rows in the range go; the range is kept. is_final: nobody will ask for what lies in it
 * again, so clean rows need not be doubted. */
MUST_CHECK struct status txn_overlay_write_range(struct txn_overlay *o, struct bytes begin,
                                                 struct bytes end, uint64_t ticket, bool is_final);

/* So that the next row can join whatever memory is left: txn_overlay_adopt needs none. */
MUST_CHECK struct status txn_overlay_prepare(struct txn_overlay *o);
/* What txn_overlay_write has no memory for: a dirty row of another overlay comes over as it is, in
 * place of any of its key. Requires: o is prepared. */
void txn_overlay_adopt(struct txn_overlay *o, struct txn_overlay *from, struct txn_row *r,
                       uint64_t ticket);
/* The same for a range. */
void txn_overlay_adopt_range(struct txn_overlay *o, struct txn_overlay *from,
                             struct txn_range *range, uint64_t ticket, bool is_final);
/* The tree answered this for key: keep it if there is room, or if the key was asked for lately.
 * Copied. */
void txn_overlay_remember(struct txn_overlay *o, struct bytes key, uint64_t hash,
                          const struct lsm_value *v);

/* What was last written under this ticket or an earlier one is in the tree, with this version: rows
 * become clean, ranges leave. */
void txn_overlay_retire(struct txn_overlay *o, uint64_t ticket, uint64_t version);
/* Let clean rows go that are too many. */
void txn_overlay_evict(struct txn_overlay *o);

#endif
