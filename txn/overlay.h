/*
 * overlay -- rows that are not in the tree yet, by key. Private to txn/.
 *
 * Two of them stand over the tree: what a running command has written, and what evaluated commands
 * wrote that is not applied yet. A row is the newest write of its key there; a range delete hides
 * the rows that were there when it came, and what lies below the overlay.
 *
 *   1. A key has at most one row.
 *   2. A row or range leaves with the ticket that it was last written under.
 *
 * Threads: one.
 */
#ifndef VARVE_TXN_OVERLAY_H
#define VARVE_TXN_OVERLAY_H

#include "base/env.h"
#include "base/status.h"

#include "lsm/lsm.h"

struct txn_row {
    struct txn_row *next;  /* In its bucket. */
    struct txn_row *older; /* In order of last writing, both ways. */
    struct txn_row *newer;
    uint64_t hash;
    uint64_t ticket;
    uint64_t version; /* 0 until the proposal has one. */
    uint64_t expire_ms;
    uint32_t key_size;
    uint32_t value_size;
    uint32_t room; /* Bytes behind the key that value may use. */
    uint8_t type;
    bool is_delete;
    uint8_t bytes[]; /* Key, value. */
};

struct txn_range {
    struct txn_range *next; /* Older. */
    uint64_t ticket;
    uint64_t version; /* 0 until the proposal has one. */
    uint32_t begin_size;
    uint32_t end_size;
    uint8_t bytes[]; /* Begin, end. */
};

struct txn_overlay {
    const struct env *env;
    struct txn_row **buckets; /* bucket_count, a power of two. */
    uint32_t bucket_count;
    uint32_t row_count;
    struct txn_row *oldest;
    struct txn_row *newest;
    struct txn_range *ranges; /* Newest first. */
    size_t held_bytes;
};

void txn_overlay_init(struct txn_overlay *o, const struct env *env);
void txn_overlay_deinit(struct txn_overlay *o);
void txn_overlay_clear(struct txn_overlay *o); /* Keeps the buckets. */

static inline struct bytes txn_row_key(const struct txn_row *r)
{
    return bytes_of(r->bytes, r->key_size);
}
static inline struct bytes txn_row_value(const struct txn_row *r)
{
    return bytes_of(r->bytes + r->key_size, r->value_size);
}

/* The row of key, or NULL. */
struct txn_row *txn_overlay_find(const struct txn_overlay *o, struct bytes key);
/* The newest range delete that covers key, or NULL. (A row of the key was written later.) */
const struct txn_range *txn_overlay_range(const struct txn_overlay *o, struct bytes key);

struct txn_write {
    struct bytes key;
    struct bytes value;
    uint64_t expire_ms;
    uint64_t ticket;
    uint8_t type;
    bool is_delete;
};
/* Put or replace the row. Bytes are copied. */
MUST_CHECK struct status txn_overlay_write(struct txn_overlay *o, const struct txn_write *w);
/* Rows in the range go; the range is kept. */
MUST_CHECK struct status txn_overlay_write_range(struct txn_overlay *o, struct bytes begin,
                                                 struct bytes end, uint64_t ticket);

/* What was written under ticket has this version now. */
void txn_overlay_set_version(struct txn_overlay *o, uint64_t ticket, uint64_t version);
/* What was last written under this ticket or an earlier one leaves: the tree has it. */
void txn_overlay_retire(struct txn_overlay *o, uint64_t ticket);

#endif
