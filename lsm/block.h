/*
 * block -- a sorted run of entries in one piece of bytes: data blocks, index partitions and the
 * top index are all blocks.
 *
 * Made for a search that touches few cache lines. Of every key only what follows the prefix that
 * all keys of the block share is kept, and of that the first 8 bytes, as a number, stand in an
 * array of *heads*: a search guesses a place from the first and last head, compares a window of
 * heads at once, and looks at a key only where the head is equal. Everything else that is fixed in
 * size stands in one *row* an entry, fields packed to the bytes that the block's greatest value
 * needs after the least is subtracted: what all entries share takes no room, and one cache line
 * tells all about an entry. No field depends on the entry before it, so stepping back costs what
 * stepping forward costs.
 *
 *   1. count >= 1. Entries are in strict tree order (key rising, version falling).
 *   2. A block that passed lsm_block_check can be searched and decoded without looking at a length
 *      again: every offset in it is inside it.
 *
 * Format (docs/format/sst.md has a worked example), little-endian:
 *
 *   offset  size  field
 *        0     2  count          1 .. LSM_BLOCK_COUNT_MAX
 *        2     2  prefix_size    0 .. LSM_KEY_MAX
 *        4     1  key_end        width in a row: end of the key's remainder, less (i + 1) key_unit
 *        5     1  value_end      width: end of the value, less (i + 1) value_unit
 *        6     1  version        width: less version_base
 *        7     1  kind           width: type << 8 | kind, less kind_base
 *        8     1  expire         width: less expire_base
 *        9     1  head_size      width: bytes of the head that are key, less head_size_base
 *       10     1  ref            width in a handle, less ref_base; so are the next three
 *       11     1  ordinal
 *       12     1  offset
 *       13     1  length
 *       14     1  head_size_base 0 .. 8
 *       15     1  reserved, zero
 *       16     4  key_unit       least remainder of a key
 *       20     4  value_unit     least size of a value
 *       24     8  version_base
 *       32     8  expire_base
 *       40     2  kind_base
 *       42     2  reserved, zero
 *       44     4  ref_base
 *       48     4  ordinal_base
 *       52     4  offset_base
 *       56     4  length_base
 *       60     4  key_bytes      of all remainders
 *       64    8n  heads          8 bytes after the prefix, zero-filled, as a number
 *        *    rn  rows           r = the six row widths' sum
 *        *     *  prefix
 *        *     *  remainders     of each key what follows prefix and head
 *        *     *  values         inline bytes; a handle is its four packed fields
 *        *     *  zeros, up to where the block should end
 *
 * A rising field (key_end, value_end) is stored less (i + 1) times the least step, so that keys or
 * values of one size take no bytes in a row. After the block comes a trailer of LSM_BLOCK_TRAILER
 * bytes (lsm/table_format.h), which also makes it safe to load 8 bytes at any field.
 *
 * Threads: any; values only.
 */
#ifndef VARVE_LSM_BLOCK_H
#define VARVE_LSM_BLOCK_H

#include "base/errbuf.h"
#include "base/status.h"

#include "lsm/entry.h"

enum {
    LSM_BLOCK_HEADER = 64,
    LSM_BLOCK_TRAILER = 8,
    LSM_BLOCK_COUNT_MAX = 0xffff,
    LSM_BLOCK_MAX = 96 << 20, /* Bytes of a block: the greatest batch fits into one. */
    LSM_HEAD_SIZE = 8,
};

/* The widths, in the order of the header. */
enum lsm_block_field {
    LSM_FIELD_KEY_END,
    LSM_FIELD_VALUE_END,
    LSM_FIELD_VERSION,
    LSM_FIELD_KIND,
    LSM_FIELD_EXPIRE,
    LSM_FIELD_HEAD_SIZE,
    LSM_ROW_FIELDS, /* Those before stand in rows, those after in handles. */
    LSM_FIELD_REF = LSM_ROW_FIELDS,
    LSM_FIELD_ORDINAL,
    LSM_FIELD_OFFSET,
    LSM_FIELD_LENGTH,
    LSM_FIELDS,
};

/* What a search needs before it touches the block: kept in the cache slot (FETCH_HEADER_SIZE). */
struct lsm_block_hint {
    uint64_t head_first;
    uint64_t head_last;
    uint32_t keys_at;   /* Offset of the prefix, which the remainders follow. */
    uint32_t values_at; /* Offset of the values. */
    uint16_t count;
    uint16_t prefix_size;
    uint8_t row_size;
    uint8_t key_mean;    /* Bytes of a remainder, about. */
    uint16_t value_mean; /* Bytes of a value, about. */
};

struct lsm_block {
    const uint8_t *data;
    struct lsm_block_hint hint;
};

/*
 * Prove that a block from disk keeps invariant 2 and fill the hint. bytes ends before the trailer.
 * ref_count bounds the handles' ref. ST_CORRUPT, words in err. Order is not looked at.
 */
MUST_CHECK struct status lsm_block_check(struct bytes bytes, uint32_t ref_count,
                                         struct lsm_block_hint *out_hint, struct errbuf *err);

static inline struct lsm_block lsm_block_of(const void *data, const void *hint)
{
    struct lsm_block b = { .data = (const uint8_t *)data };
    memcpy(&b.hint, hint, sizeof b.hint);
    return b;
}

/*
 * The first entry at or after (key, version) in tree order; count if there is none.
 * *out_is_key: that entry is one of key.
 */
uint32_t lsm_block_seek(const struct lsm_block *b, struct bytes key, uint64_t version,
                        bool *out_is_key);

/* Entry i but for its key; bytes borrowed from the block. handle.file is the ref. */
void lsm_block_entry(const struct lsm_block *b, uint32_t i, struct lsm_entry *out);

/* Room that any key of the block needs, with slack for whole-word copies. */
size_t lsm_block_key_room(const struct lsm_block *b);
/* Write the prefix to key; once before any number of lsm_block_key. */
void lsm_block_prefix(const struct lsm_block *b, uint8_t *key);
/* Write what follows the prefix. Returns the key's size. */
size_t lsm_block_key(const struct lsm_block *b, uint32_t i, uint8_t *key);

/* Bytes of the block in use: where the zeros begin. */
size_t lsm_block_used(const struct lsm_block *b);

/* ---- For the builder and the search ------------------------------------------------------- */

/* The 8 bytes after the prefix as a number that sorts as they do. */
static inline uint64_t lsm_head_of(const uint8_t *p, size_t size)
{
    uint64_t head = 0;
    if (size >= LSM_HEAD_SIZE)
        return get_u64_be(p);
    for (size_t i = 0; i < size; i++)
        head |= (uint64_t)p[i] << (56 - 8 * i);
    return head;
}

/* Where head would stand if heads were spread evenly: to load what lies there. */
uint32_t lsm_heads_guess(uint32_t n, uint64_t first, uint64_t last, uint64_t head);

/* The number of heads < head; heads are sorted, first and last are heads[0] and heads[n - 1]. */
uint32_t lsm_heads_below(const uint8_t *heads, uint32_t n, uint64_t first, uint64_t last,
                         uint64_t head);

#endif
