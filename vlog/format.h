/*
 * format -- the bytes of segments and value files. Private to vlog/; told for people, with a worked
 * example, in docs/format/log.md.
 *
 * Little-endian, fixed width. Every byte that means something is under a CRC-32C; what describes a
 * place is salted with it.
 *
 * A file begins with a header block and is one of two kinds. A *segment* goes on with batches; once
 * adopted, directory and footer follow the last one. A *value file* goes on with values, directory,
 * footer.
 *
 *   header block (4096)
 *   offset size field
 *        0    8 magic          "varvelog" or "varveval"
 *        8    4 crc            of bytes [12, 4096)
 *       12    4 version        1
 *       16   16 store          uuid of the store
 *       32    8 physical       the file's own id, as in its name
 *       40    8 logical        the id that handles name; == physical in a segment
 *       48    8 features       bits a reader must know; a set unknown one means UNSUPPORTED
 *       56    8 size           segment: bytes it may use, this block included; else 0
 *       64    8 first_lsn      segment begun by an open: LSN of its first batch; else 0
 *       72    8 resume_lsn     ... the last batch that the open found good (0: none)
 *       80    8 recycled_from  segment: the id the file had in the life before; 0: none
 *       88      zero
 *
 *   batch header (40), at a multiple of 8, of 4096 in durable mode
 *        0    4 crc            of bytes [4, 40), seeded with (store, id): vlog_seed
 *        4    4 payload_crc    of the payload, same seed
 *        8    4 length         of the payload: a multiple of 8
 *       12    4 count          of records, 1 or more
 *       16    8 lsn
 *       24    8 durable_lsn    the log was durable up to here when the batch was built
 *       32    4 first_ordinal  of the values in the payload
 *       36    2 flags          VLOG_BATCH_BLOCKS: begins and ends at multiples of 4096
 *       38    2 zero
 *       40      payload: records
 *
 *   record header (32)
 *        0    1 type           1 entry, 2 hard state, 3 seal
 *        1    3 zero
 *        4    4 group
 *        8    8 term
 *       16    8 index          of a hard state: commit
 *       24    4 body_length    of a hard state: 8, the vote; of a seal: 0
 *       28    4 value_count
 *       32      body, zeros up to a multiple of 8, then the values, each likewise padded
 *
 *   value header (8)
 *        0    4 crc            of logical id (8), ordinal (4), length (4), bytes
 *        4    4 length
 *        8      the bytes
 *
 *   directory page (4096), page n of the directory; ordinals [n * 1020, (n + 1) * 1020)
 *        0    4 crc            of bytes [4, 4096), salted with the physical id and n
 *        4    4 first_ordinal  n * 1020
 *        8    4 count          of offsets that are not zero
 *       12    4 zero
 *       16      1020 x 4: offset of the value's header in the file; 0: not here
 *
 *   footer (4096): the file's last block
 *        0    8 magic          "varveend"
 *        8    4 crc            of bytes [12, 4096)
 *       12    4 version        1
 *       16   16 store
 *       32    8 physical
 *       40    8 logical
 *       48    8 value_count
 *       56    8 value_bytes    headers included
 *       64    8 end            where the last batch or value ends
 *       72    8 directory      offset of its first page
 *       80    4 ordinal_end
 *       84    4 zero
 *       88    8 first_lsn      segment: of its batches; else 0
 *       96    8 last_lsn
 *      104      zero
 *
 * Threads: any; functions of their arguments.
 */
#ifndef VARVE_VLOG_FORMAT_H
#define VARVE_VLOG_FORMAT_H

#include "base/crc32c.h"
#include "base/errbuf.h"
#include "base/io.h"

#include "vlog/vlog.h"

enum {
    VLOG_FORMAT_VERSION = 1,
    VLOG_UNIT = 8,     /* Everything in a segment begins at a multiple of it. */
    VLOG_BLOCK = 4096, /* Header, directory page, footer; batches in durable mode. */
    VLOG_BATCH_HEADER = 40,
    VLOG_RECORD_HEADER = 32,
    VLOG_PAGE_ORDINALS = (VLOG_BLOCK - 16) / 4,
    VLOG_UUID = 16,
};
static_assert((int)VLOG_BLOCK == (int)IO_ALIGN, "blocks can be written around the page cache");
static_assert((int)VLOG_PAGE_ORDINALS == 1020, "as documented");

/* ---- Names -------------------------------------------------------------------------------- */

enum vlog_kind {
    VLOG_SEGMENT, /* 00000012.log */
    VLOG_FREE,    /* 00000012.free: a segment waiting for its next life */
    VLOG_VALUES,  /* 00000012.val */
};
enum { VLOG_NAME_MAX = 32 };

void vlog_name(uint64_t id, enum vlog_kind kind, char out_name[static VLOG_NAME_MAX]);
/* False if it is not exactly what vlog_name writes. */
bool vlog_name_parse(const char *name, uint64_t *out_id, enum vlog_kind *out_kind);

/* ---- Header block ------------------------------------------------------------------------- */

struct vlog_header {
    enum vlog_kind kind; /* VLOG_SEGMENT or VLOG_VALUES. */
    uint8_t store[VLOG_UUID];
    uint64_t physical;
    uint64_t logical;
    uint64_t size;
    /* Of a segment begun by an open; all zero for one that goes on where the one before ended. */
    uint64_t first_lsn;
    uint64_t resume_lsn;
    uint64_t recycled_from;
};
void vlog_header_write(const struct vlog_header *h, uint8_t block[static VLOG_BLOCK]);
/* CORRUPT, UNSUPPORTED; err (may be NULL) gets the reason. Fields are checked against nothing but
 * each other. */
MUST_CHECK struct status vlog_header_read(const uint8_t block[static VLOG_BLOCK],
                                          struct errbuf *err, struct vlog_header *out);

/* ---- Batches ------------------------------------------------------------------------------ */

enum { VLOG_BATCH_BLOCKS = 1 };

struct vlog_batch {
    uint64_t lsn;
    uint64_t durable_lsn;
    uint32_t length;
    uint32_t count;
    uint32_t first_ordinal;
    uint16_t flags;
};

/* Where the checksums of a segment's batches begin. */
uint32_t vlog_seed(const uint8_t store[static VLOG_UUID], uint64_t segment);
/* Write the header of a batch whose payload lies behind it. */
void vlog_batch_write(const struct vlog_batch *b, uint32_t seed, uint8_t *at);
/* Is there a whole, unharmed batch at the front of bytes? */
bool vlog_batch_read(struct bytes bytes, uint32_t seed, struct vlog_batch *out);
/* Is there an unharmed batch *header* at the front of bytes? */
bool vlog_batch_read_header(struct bytes bytes, uint32_t seed, struct vlog_batch *out);

/* What the header at `at` says the LSN is, right or wrong. */
static inline uint64_t vlog_batch_lsn(const uint8_t *at)
{
    return get_u64(at + 16);
}

/* Where the batch after one that ends at offset begins. */
static inline uint64_t vlog_batch_start(uint64_t offset, uint16_t flags)
{
    return align_up(offset, flags & VLOG_BATCH_BLOCKS ? VLOG_BLOCK : VLOG_UNIT);
}

enum vlog_record_type { VLOG_ENTRY = 1, VLOG_HARD_STATE = 2, VLOG_SEAL = 3 };

struct vlog_record {
    uint8_t type;
    uint32_t group;
    uint64_t term;
    uint64_t index;
    uint32_t body_length;
    uint32_t value_count;
};
void vlog_record_write(const struct vlog_record *r, uint8_t *at);
/* Take a record's header off the front of *payload, and its body. False: not one. */
bool vlog_record_take(struct bytes *payload, struct vlog_record *out, struct bytes *out_body);

static inline uint64_t vlog_padded(uint64_t size)
{
    return align_up(size, VLOG_UNIT);
}

/* ---- Values ------------------------------------------------------------------------------- */

/* More values than a file of 4 GiB can hold: a greater ordinal is a bad one. */
enum { VLOG_ORDINAL_MAX = 1 << 28 };

/* Checksum of a value, wherever it is stored. */
uint32_t vlog_value_crc(uint64_t logical, uint32_t ordinal, struct bytes value);
/* Header, bytes, padding. Room for vlog_value_size(value.size). */
void vlog_value_write(uint64_t logical, uint32_t ordinal, struct bytes value, uint8_t *at);
/* Take a value with its header and padding off the front of *bytes. NULL, or what is wrong. */
const char *vlog_value_take(struct bytes *bytes, uint64_t logical, uint32_t ordinal,
                            struct bytes *out_value);
/* Header and bytes that should be this value, without padding. NULL, or what is wrong. */
const char *vlog_value_check(struct bytes stored, uint64_t logical, uint32_t ordinal);

static inline uint64_t vlog_value_size(uint64_t length)
{
    return vlog_padded(VLOG_VALUE_HEADER + length);
}

/* ---- Directory and footer ----------------------------------------------------------------- */

static inline uint64_t vlog_page_count(uint32_t ordinal_end)
{
    return ((uint64_t)ordinal_end + VLOG_PAGE_ORDINALS - 1) / VLOG_PAGE_ORDINALS;
}
/* Bytes of directory and footer. */
static inline uint64_t vlog_end_size(uint32_t ordinal_end)
{
    return (vlog_page_count(ordinal_end) + 1) * VLOG_BLOCK;
}

/* offsets[i] belongs to ordinal page * VLOG_PAGE_ORDINALS + i. */
void vlog_page_write(uint64_t physical, uint32_t page, const uint32_t *offsets, uint32_t count,
                     uint8_t block[static VLOG_BLOCK]);
/* NULL, or what is wrong. */
const char *vlog_page_check(uint64_t physical, uint32_t page, struct bytes block);
/* Requires: a checked page, and slot < VLOG_PAGE_ORDINALS. */
static inline uint32_t vlog_page_offset(const uint8_t *block, uint32_t slot)
{
    return get_u32(block + 16 + 4 * (size_t)slot);
}

struct vlog_footer {
    uint8_t store[VLOG_UUID];
    uint64_t physical;
    uint64_t logical;
    uint64_t value_count;
    uint64_t value_bytes;
    uint64_t end;
    uint64_t directory;
    uint32_t ordinal_end;
    uint64_t first_lsn;
    uint64_t last_lsn;
};
void vlog_footer_write(const struct vlog_footer *f, uint8_t block[static VLOG_BLOCK]);
MUST_CHECK struct status vlog_footer_read(const uint8_t block[static VLOG_BLOCK],
                                          struct errbuf *err, struct vlog_footer *out);

#endif
