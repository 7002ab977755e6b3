/*
 * table_format -- where things are in an SST. Private to lsm/.
 *
 *   data blocks        one after another from offset 0 (lsm/block.h)
 *   index partitions   blocks: key and version are a separator (lsm/index.h), the handle's offset
 *                      and length name the data block, ref and ordinal are 0
 *   filter partitions  all of one size (lsm/filter.h)
 *   liveness blocks    one a reference (lsm/liveness.h)
 *   range deletes      one block, absent if there are none
 *   properties         one block
 *   tail               one block, to the end of the file; its place is in the manifest, and can be
 *                      found from the file's last TABLE_END_SIZE bytes
 *
 * Every byte of the file belongs to one of these, and each ends in a trailer:
 *
 *   offset  size  field
 *        0     1  type      enum table_block_type
 *        1     1  codec     0: bytes as they are; others are reserved
 *        2     2  reserved  zero
 *        4     4  crc       CRC-32C, salted with the file's id and the block's offset
 *                           (table_salt), of the block and the first 4 bytes of its trailer
 *
 * Tail, little-endian:
 *
 *   offset  size  field
 *        0     8  file id
 *        8     8  feature bits   zero; a reader refuses bits that it does not know
 *       16     4  format version TABLE_VERSION
 *       20     4  reference count
 *       24     8  entry count
 *       32     8  index offset   where the data ends and the index partitions begin
 *       40     8  filter offset
 *       48     4  filter partitions; 0: none
 *       52     4  filter lines   in a partition
 *       56     4  filter probes
 *       60     4  top size       of the top index: 0 without entries
 *       64     8  range deletes: offset
 *       72     4  ... size, with trailer
 *       76     4  ... count
 *       80     8  properties: offset
 *       88     4  ... size, with trailer
 *       92    36  reserved, zero
 *      128     *  top index      a block: its handles name the index partitions
 *        *     *  zeros, so that the file ends at a multiple of IO_ALIGN
 *     -24      4  size of the tail, with trailer
 *     -20      4  format version
 *     -16      8  TABLE_MAGIC
 *      -8      8  trailer
 *
 * Properties:
 *
 *   offset  size  field
 *        0     8  file id
 *        8     8  least version          40  8  range deletes
 *       16     8  greatest version       48  8  bytes of keys
 *       24     8  entries                56  8  bytes of inline values
 *       32     8  deletes                64  8  digest
 *       72     4  size of the smallest key
 *       76     4  size of the largest key
 *       80     4  1: the largest key is only a range delete's end
 *       84     4  reference count
 *       88    40  a reference: logical id when written, live values, live bytes, offset of the
 *                 liveness block (8 each), its size with trailer (4), zero (4)
 *        *     *  smallest key, largest key
 *
 * Range deletes: count u32, then of each: size of begin u32, size of end u32, version u64, begin,
 * end.
 */
#ifndef VARVE_LSM_TABLE_FORMAT_H
#define VARVE_LSM_TABLE_FORMAT_H

#include "base/buf.h"
#include "base/crc32c.h"
#include "base/errbuf.h"
#include "base/hash.h"
#include "base/io.h"

#include "lsm/block.h"
#include "lsm/rangedel.h"

#define TABLE_MAGIC UINT64_C(0x7473736576726176) /* "varvesst" */
#define TABLE_SIZE_MAX ((uint64_t)UINT32_MAX)    /* Offsets in index blocks have 32 bits. */

enum table_block_type {
    TABLE_DATA = 1,
    TABLE_INDEX = 2,
    TABLE_FILTER = 3,
    TABLE_LIVENESS = 4,
    TABLE_RANGE_DELETES = 5,
    TABLE_PROPERTIES = 6,
    TABLE_TAIL = 7,
};

enum {
    TABLE_VERSION = 1,
    TABLE_TRAILER = LSM_BLOCK_TRAILER,
    TABLE_TAIL_HEADER = 128,
    TABLE_END_SIZE = 24,
    TABLE_PROPERTIES_HEADER = 88,
    TABLE_PROPERTIES_REF = 40,
    TABLE_RANGE_DELETE_HEADER = 16,
    TABLE_REF_MAX = 0xffff,
    TABLE_INDEX_SIZE = 4096, /* Target of an index partition, with trailer. */
};

/* A block in the file; size includes the trailer. */
struct table_place {
    uint64_t offset;
    uint32_t size;
};

/* The tail, decoded. */
struct table_tail {
    uint64_t entry_count;
    uint64_t index_offset;
    uint64_t filter_offset;
    uint32_t filter_parts;
    uint32_t filter_lines;
    uint32_t filter_probes;
    uint32_t top_size;
    uint32_t ref_count;
    uint32_t range_delete_count;
    struct table_place range_deletes;
    struct table_place properties;
};

static inline uint64_t table_salt(uint64_t file_id, uint64_t offset)
{
    return hash_u64(file_id) ^ offset;
}

/* Seal a block of size bytes, to be written at offset, with the trailer behind it. */
void table_block_seal(uint8_t *block, size_t size, enum table_block_type type, uint64_t file_id,
                      uint64_t offset);
/* Check a block with its trailer. *out_body: without. CORRUPT; UNSUPPORTED codec; words in err. */
MUST_CHECK struct status table_block_check(struct bytes block, enum table_block_type type,
                                           uint64_t file_id, uint64_t offset,
                                           struct bytes *out_body, struct errbuf *err);

/* Write the fixed part of the tail; TABLE_TAIL_HEADER bytes. */
void table_tail_encode(const struct table_tail *tail, uint64_t file_id, uint8_t *out);
/* body: of a checked tail. Every place is proven to lie in the file, before footer_offset. */
MUST_CHECK struct status table_tail_decode(struct bytes body, uint64_t file_id,
                                           uint64_t footer_offset, struct table_tail *out_tail,
                                           struct errbuf *err);

/* Range deletes as they stand in their block. Append; failure shows in out. */
void table_range_delete_append(struct buf *out, const struct lsm_range_delete *d);
/* Take one off the front of *p; bytes borrowed. False if it is not one. */
bool table_range_delete_take(struct bytes *p, struct lsm_range_delete *out);

#endif
