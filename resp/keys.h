/*
 * keys -- where a user's key lies among the rows of a store.
 *
 * Every row begins with its hash slot, so that a range of slots is a range of rows. A string of up
 * to RESP_INLINE_MAX_BYTES is one row; a longer one is a row that names an object, and the
 * object's rows, RESP_CHUNK_BYTES of content each. A chunk that is missing or short is zeros up to
 * the size of the string.
 *
 *   meta      slot(2) database(4) 'M' hash32(4) key          type, expiry; see resp_meta_object
 *   chunk     slot(2) database(4) 'D' object(8) index(4)     content
 *   expiry    slot(2) 'T' expire ms(8) database(4) hash32(4) key          nothing
 *
 * Numbers in keys are big-endian, so that rows sort as the numbers do. Keys of a database lie in
 * the order of their hashes: that is what makes a SCAN cursor a small number.
 *
 *   1. Database ids stay below RESP_DATABASE_MAX, so that no database's rows meet the 'T' rows.
 *   2. A meta row with an expiry has its expiry row; an expiry row may be left over, and means
 *      nothing unless the meta row has the same expiry.
 *   3. Object ids are never given out twice: rows of a dead object cannot be taken for another's.
 *
 * Threads: any; values only. Format: docs/format/keys.md.
 */
#ifndef VARVE_RESP_KEYS_H
#define VARVE_RESP_KEYS_H

#include "base/bytes.h"
#include "base/status.h"

#include "resp/resp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The type byte of a row. Never reused; later data types add theirs. */
enum resp_row_type {
    RESP_ROW_STRING = 1,         /* meta: the content itself */
    RESP_ROW_STRING_CHUNKED = 2, /* meta: object and size */
    RESP_ROW_CHUNK = 3,
    RESP_ROW_EXPIRY = 4,
};

enum {
    RESP_INLINE_MAX_BYTES = 64 << 10,
    RESP_CHUNK_BYTES = 16 << 10,

    RESP_META_PREFIX = RESP_DATABASE_PREFIX + 1 + 4, /* Before the user's key. */
    RESP_OBJECT_PREFIX = RESP_DATABASE_PREFIX + 1 + 8,
    RESP_CHUNK_KEY_BYTES = RESP_OBJECT_PREFIX + 4,
    RESP_EXPIRY_PREFIX = 2 + 1 + 8 + 4 + 4,
};

#define RESP_DATABASE_MAX UINT32_C(0x40000000)

/* As far as the index of a chunk reaches. */
#define RESP_CHUNKED_MAX_BYTES ((uint64_t)UINT32_MAX * RESP_CHUNK_BYTES)

/* What TYPE calls it. Requires: the type of a meta row. */
const char *resp_row_type_name(uint8_t type);

/* The slot of a key: CRC-16 (XMODEM) of what stands between its first '{' and the '}' after it,
 * if there is anything, else of all of it. */
uint32_t resp_key_slot(struct bytes key);

/* Where a user's key lies. */
struct resp_place {
    uint32_t slot;
    uint32_t database_id;
    uint32_t hash;
    struct bytes key; /* Borrowed. */
};

struct resp_place resp_place_of(struct bytes key, uint32_t database_id, uint64_t hash_seed);

/* Write a row's key at out, which has room for its prefix and the user's key; returns its size. */
size_t resp_place_meta(const struct resp_place *p, uint8_t *out);
size_t resp_place_expiry(const struct resp_place *p, uint64_t expire_ms, uint8_t *out);
size_t resp_place_chunk(const struct resp_place *p, uint64_t object, uint32_t index,
                        uint8_t out[RESP_CHUNK_KEY_BYTES]);

/* The first meta row of a database at or after (slot, hash), as a key to seek to. */
void resp_meta_bound(uint32_t slot, uint32_t database_id, uint32_t hash,
                     uint8_t out[RESP_META_PREFIX]);
/* The bounds of a slot's expiry rows up to and with expire_ms. */
void resp_expiry_bounds(uint32_t slot, uint64_t expire_ms, uint8_t out_begin[RESP_EXPIRY_PREFIX],
                        uint8_t out_end[RESP_EXPIRY_PREFIX]);

/* What kind of row is this, and where does it belong? CORRUPT for a key that is none of the
 * above. */
enum resp_key_kind { RESP_KEY_META, RESP_KEY_CHUNK, RESP_KEY_EXPIRY };
struct resp_row_key {
    enum resp_key_kind kind;
    struct resp_place place; /* Without hash and key for a chunk. Borrowed from the row's key. */
    uint64_t expire_ms;      /* Of an expiry row. */
    uint64_t object;         /* Of a chunk, as the next. */
    uint32_t index;
};
MUST_CHECK struct status resp_row_key_decode(struct bytes row_key, struct resp_row_key *out);

/* The value of a RESP_ROW_STRING_CHUNKED meta row: object id, then size, little-endian. */
struct resp_meta_object {
    uint64_t object;
    uint64_t size_bytes;
};
enum { RESP_META_OBJECT_BYTES = 16 };
void resp_meta_object_encode(const struct resp_meta_object *m, uint8_t out[RESP_META_OBJECT_BYTES]);
MUST_CHECK struct status resp_meta_object_decode(struct bytes value, struct resp_meta_object *out);

#endif
