/*
 * catalog -- what the server knows of its databases beside their rows.
 *
 * Which id a database number has, how many keys each has and how many of them expire, which ids
 * were given up and wait to be purged, what ids may be given out, and the seed of keys' hashes.
 * It is changed by small records that travel within the batches whose rows they belong to
 * (lsm_batch_side), so that it is exact after every crash; with each flush it is saved whole.
 *
 * A store keeps two: the applied one, fed by the tree as batches are applied and replayed, and the
 * evaluated one, which also has what is pending.
 *
 *   1. Number n begins with id n; ids given out later start above all numbers. None is used again.
 *   2. Counts are of rows: a key whose time is over counts until it is removed.
 *
 * Threads: one. Format: docs/format/catalog.md.
 */
#ifndef VARVE_SERVER_CATALOG_H
#define VARVE_SERVER_CATALOG_H

#include "base/alloc.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CATALOG_NUMBERS_MAX = 16384, CATALOG_SLOTS = 16384 };

struct catalog_database {
    uint32_t id;
    uint64_t keys;
    uint64_t expires;
};

/* An id that no number has any more; its rows below next_slot are gone. */
struct catalog_purge {
    uint32_t id;
    uint32_t next_slot;
};

struct server_catalog {
    struct alloc *alloc;
    uint64_t hash_seed;     /* 0: not chosen yet. */
    uint64_t next_object;   /* Object ids below may have been given out. */
    uint32_t next_database; /* Likewise. */
    struct catalog_database *numbers;
    uint32_t number_count;
    uint32_t last; /* The number that was looked for last. */
    struct catalog_purge *purges;
    uint32_t purge_count;
    uint32_t purge_capacity;
    bool is_incomplete; /* No memory for a record: nothing here can be relied on. */
};

/* ---- Records ----------------------------------------------------------------------------------
 */

enum catalog_kind {
    CATALOG_SEED = 1,    /* value */
    CATALOG_COUNT = 2,   /* id, keys, expires: added */
    CATALOG_CLEAR = 3,   /* number, id: the new one; the old one is to be purged */
    CATALOG_PURGED = 4,  /* id, number: the next slot; CATALOG_SLOTS: all are */
    CATALOG_OBJECTS = 5, /* value: next_object */
    CATALOG_SWAP = 6     /* number, other: each has what the other had */
};

struct catalog_record {
    enum catalog_kind kind;
    uint32_t id;
    uint32_t number;
    uint32_t other;
    int64_t keys;
    int64_t expires;
    uint64_t value;
};

enum { CATALOG_RECORD_MAX = 32 };

/* Returns the bytes written to room. */
size_t catalog_record_encode(const struct catalog_record *r, uint8_t room[CATALOG_RECORD_MAX]);
/* CORRUPT */
MUST_CHECK struct status catalog_record_decode(struct bytes side, struct catalog_record *out);

/* ---- Life -------------------------------------------------------------------------------------
 */

/* Empty. NO_MEMORY. Requires: 0 < number_count <= CATALOG_NUMBERS_MAX. */
MUST_CHECK struct status server_catalog_init(struct server_catalog *c, struct alloc *alloc,
                                             uint32_t number_count);
void server_catalog_deinit(struct server_catalog *c);
/* Make *to what from is. NO_MEMORY leaves it. */
MUST_CHECK struct status server_catalog_copy(struct server_catalog *to,
                                             const struct server_catalog *from);

/* Carry a record out. One that cannot be marks the catalog incomplete. */
void server_catalog_apply(struct server_catalog *c, const struct catalog_record *r);

MUST_CHECK struct status server_catalog_save(const struct server_catalog *c, struct buf *out);
/* CORRUPT, UNSUPPORTED (a newer format), NO_MEMORY. Numbers beyond those saved keep their first
 * ids. */
MUST_CHECK struct status server_catalog_load(struct server_catalog *c, struct bytes saved);

/* ---- Asking -----------------------------------------------------------------------------------
 */

/* Requires: number < number_count. */
static inline uint32_t server_catalog_id(const struct server_catalog *c, uint32_t number)
{
    return c->numbers[number].id;
}
/* The database with this id; NULL if no number has it. */
struct catalog_database *server_catalog_find(struct server_catalog *c, uint32_t id);

#endif
