#include "vlog/format.h"

#include <stdio.h>
#include <stdlib.h>

static const char suffixes[][8] = {
    [VLOG_SEGMENT] = ".log",
    [VLOG_FREE] = ".free",
    [VLOG_VALUES] = ".val",
};

void vlog_name(uint64_t id, enum vlog_kind kind, char out_name[static VLOG_NAME_MAX])
{
    (void)snprintf(out_name, VLOG_NAME_MAX, "%08llu%s", (unsigned long long)id, suffixes[kind]);
}

bool vlog_name_parse(const char *name, uint64_t *out_id, enum vlog_kind *out_kind)
{
    char written[VLOG_NAME_MAX];
    uint64_t id = 0;
    const char *p = name;

    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(id, 10, &id) ||
            __builtin_add_overflow(id, (uint64_t)(*p - '0'), &id))
            return false;
    }
    if (id == 0)
        return false;
    for (int kind = VLOG_SEGMENT; kind <= VLOG_VALUES; kind++) {
        if (strcmp(p, suffixes[kind]) != 0)
            continue;
        /* One name a file: no second spelling of a number. */
        vlog_name(id, (enum vlog_kind)kind, written);
        if (strcmp(name, written) != 0)
            return false;
        *out_id = id;
        *out_kind = (enum vlog_kind)kind;
        return true;
    }
    return false;
}

/* ---- Blocks ----------------------------------------------------------------------------------
 *
 * Header and footer begin alike: magic, crc, version, store, physical, logical.
 */

static const char segment_magic[] = "varvelog";
static const char values_magic[] = "varveval";
static const char footer_magic[] = "varveend";

static void block_begin(uint8_t *block, const char *magic, const uint8_t *store, uint64_t physical,
                        uint64_t logical)
{
    memset(block, 0, VLOG_BLOCK);
    memcpy(block, magic, 8);
    put_u32(block + 12, VLOG_FORMAT_VERSION);
    memcpy(block + 16, store, VLOG_UUID);
    put_u64(block + 32, physical);
    put_u64(block + 40, logical);
}

static void block_seal(uint8_t *block)
{
    put_u32(block + 8, crc32c(0, block + 12, VLOG_BLOCK - 12));
}

static struct status block_check(const uint8_t *block, struct errbuf *err)
{
    if (get_u32(block + 8) != crc32c(0, block + 12, VLOG_BLOCK - 12)) {
        errbuf_set(err, "bad checksum");
        return status_of(ST_CORRUPT);
    }
    if (get_u32(block + 12) != VLOG_FORMAT_VERSION) {
        errbuf_set(err, "format version %u, this program knows %d", get_u32(block + 12),
                   VLOG_FORMAT_VERSION);
        return status_of(ST_UNSUPPORTED);
    }
    return status_ok();
}

void vlog_header_write(const struct vlog_header *h, uint8_t block[static VLOG_BLOCK])
{
    block_begin(block, h->kind == VLOG_SEGMENT ? segment_magic : values_magic, h->store,
                h->physical, h->logical);
    put_u64(block + 56, h->size);
    put_u64(block + 64, h->first_lsn);
    put_u64(block + 72, h->resume_lsn);
    put_u64(block + 80, h->recycled_from);
    block_seal(block);
}

struct status vlog_header_read(const uint8_t block[static VLOG_BLOCK], struct errbuf *err,
                               struct vlog_header *out)
{
    struct vlog_header h;

    if (memcmp(block, segment_magic, 8) == 0) {
        h.kind = VLOG_SEGMENT;
    } else if (memcmp(block, values_magic, 8) == 0) {
        h.kind = VLOG_VALUES;
    } else {
        errbuf_set(err, "not a segment or value file");
        return status_of(ST_CORRUPT);
    }
    TRY(block_check(block, err));
    if (get_u64(block + 48) != 0) {
        errbuf_set(err, "features 0x%llx, this program knows none",
                   (unsigned long long)get_u64(block + 48));
        return status_of(ST_UNSUPPORTED);
    }
    memcpy(h.store, block + 16, VLOG_UUID);
    h.physical = get_u64(block + 32);
    h.logical = get_u64(block + 40);
    h.size = get_u64(block + 56);
    h.first_lsn = get_u64(block + 64);
    h.resume_lsn = get_u64(block + 72);
    h.recycled_from = get_u64(block + 80);
    bool is_session = h.first_lsn != 0 || h.resume_lsn != 0;
    if (h.kind == VLOG_SEGMENT &&
        (h.logical != h.physical || (is_session && h.first_lsn <= h.resume_lsn))) {
        errbuf_set(err, "contradicts itself");
        return status_of(ST_CORRUPT);
    }
    *out = h;
    return status_ok();
}

void vlog_footer_write(const struct vlog_footer *f, uint8_t block[static VLOG_BLOCK])
{
    block_begin(block, footer_magic, f->store, f->physical, f->logical);
    put_u64(block + 48, f->value_count);
    put_u64(block + 56, f->value_bytes);
    put_u64(block + 64, f->end);
    put_u64(block + 72, f->directory);
    put_u32(block + 80, f->ordinal_end);
    put_u64(block + 88, f->first_lsn);
    put_u64(block + 96, f->last_lsn);
    block_seal(block);
}

struct status vlog_footer_read(const uint8_t block[static VLOG_BLOCK], struct errbuf *err,
                               struct vlog_footer *out)
{
    struct vlog_footer f;

    if (memcmp(block, footer_magic, 8) != 0) {
        errbuf_set(err, "not a footer");
        return status_of(ST_CORRUPT);
    }
    TRY(block_check(block, err));
    memcpy(f.store, block + 16, VLOG_UUID);
    f.physical = get_u64(block + 32);
    f.logical = get_u64(block + 40);
    f.value_count = get_u64(block + 48);
    f.value_bytes = get_u64(block + 56);
    f.end = get_u64(block + 64);
    f.directory = get_u64(block + 72);
    f.ordinal_end = get_u32(block + 80);
    f.first_lsn = get_u64(block + 88);
    f.last_lsn = get_u64(block + 96);
    if (f.directory % VLOG_BLOCK != 0 || f.end > f.directory || f.value_count > f.ordinal_end) {
        errbuf_set(err, "contradicts itself");
        return status_of(ST_CORRUPT);
    }
    *out = f;
    return status_ok();
}

/* ---- Batches -------------------------------------------------------------------------------- */

uint32_t vlog_seed(const uint8_t store[static VLOG_UUID], uint64_t segment)
{
    uint8_t salt[VLOG_UUID + 8];
    memcpy(salt, store, VLOG_UUID);
    put_u64(salt + VLOG_UUID, segment);
    return crc32c(0, salt, sizeof salt);
}

void vlog_batch_write(const struct vlog_batch *b, uint32_t seed, uint8_t *at)
{
    put_u32(at + 4, crc32c(seed, at + VLOG_BATCH_HEADER, b->length));
    put_u32(at + 8, b->length);
    put_u32(at + 12, b->count);
    put_u64(at + 16, b->lsn);
    put_u64(at + 24, b->durable_lsn);
    put_u32(at + 32, b->first_ordinal);
    put_u16(at + 36, b->flags);
    put_u16(at + 38, 0);
    put_u32(at, crc32c(seed, at + 4, VLOG_BATCH_HEADER - 4));
}

bool vlog_batch_read_header(struct bytes bytes, uint32_t seed, struct vlog_batch *out)
{
    const uint8_t *p = bytes.data;

    if (bytes.size < VLOG_BATCH_HEADER)
        return false;
    /* Cheap tests first: recovery looks at every multiple of 8. */
    uint32_t length = get_u32(p + 8);
    if (length < VLOG_RECORD_HEADER || length % VLOG_UNIT != 0 || get_u32(p + 12) == 0 ||
        get_u16(p + 36) > VLOG_BATCH_BLOCKS || get_u16(p + 38) != 0 ||
        get_u32(p) != crc32c(seed, p + 4, VLOG_BATCH_HEADER - 4))
        return false;
    out->length = length;
    out->count = get_u32(p + 12);
    out->lsn = get_u64(p + 16);
    out->durable_lsn = get_u64(p + 24);
    out->first_ordinal = get_u32(p + 32);
    out->flags = get_u16(p + 36);
    return true;
}

bool vlog_batch_read(struct bytes bytes, uint32_t seed, struct vlog_batch *out)
{
    struct vlog_batch b;

    if (!vlog_batch_read_header(bytes, seed, &b) || b.length > bytes.size - VLOG_BATCH_HEADER ||
        get_u32(bytes.data + 4) != crc32c(seed, bytes.data + VLOG_BATCH_HEADER, b.length))
        return false;
    *out = b;
    return true;
}

void vlog_record_write(const struct vlog_record *r, uint8_t *at)
{
    put_u32(at, r->type); /* And three zeros. */
    put_u32(at + 4, r->group);
    put_u64(at + 8, r->term);
    put_u64(at + 16, r->index);
    put_u32(at + 24, r->body_length);
    put_u32(at + 28, r->value_count);
}

bool vlog_record_take(struct bytes *payload, struct vlog_record *out, struct bytes *out_body)
{
    struct bytes rest = *payload;
    struct bytes header;
    struct bytes body;
    struct vlog_record r;

    if (!take_bytes(&rest, VLOG_RECORD_HEADER, &header) || get_u32(header.data) > UINT8_MAX)
        return false;
    r.type = header.data[0];
    r.group = get_u32(header.data + 4);
    r.term = get_u64(header.data + 8);
    r.index = get_u64(header.data + 16);
    r.body_length = get_u32(header.data + 24);
    r.value_count = get_u32(header.data + 28);
    if (!take_bytes(&rest, vlog_padded(r.body_length), &body))
        return false;
    *payload = rest;
    *out = r;
    *out_body = bytes_of(body.data, r.body_length);
    return true;
}

/* ---- Values --------------------------------------------------------------------------------- */

uint32_t vlog_value_crc(uint64_t logical, uint32_t ordinal, struct bytes value)
{
    uint8_t salt[16];
    put_u64(salt, logical);
    put_u32(salt + 8, ordinal);
    put_u32(salt + 12, (uint32_t)value.size);
    return crc32c(crc32c(0, salt, sizeof salt), value.data, value.size);
}

void vlog_value_write(uint64_t logical, uint32_t ordinal, struct bytes value, uint8_t *at)
{
    size_t size = VLOG_VALUE_HEADER + value.size;

    put_u32(at, vlog_value_crc(logical, ordinal, value));
    put_u32(at + 4, (uint32_t)value.size);
    if (value.size > 0)
        memcpy(at + VLOG_VALUE_HEADER, value.data, value.size);
    memset(at + size, 0, vlog_padded(size) - size);
}

const char *vlog_value_check(struct bytes stored, uint64_t logical, uint32_t ordinal)
{
    if (stored.size < VLOG_VALUE_HEADER)
        return "cut short";
    struct bytes value = bytes_skip(stored, VLOG_VALUE_HEADER);
    if (get_u32(stored.data + 4) != value.size)
        return "has another length";
    if (get_u32(stored.data) != vlog_value_crc(logical, ordinal, value))
        return "has a bad checksum";
    return NULL;
}

const char *vlog_value_take(struct bytes *bytes, uint64_t logical, uint32_t ordinal,
                            struct bytes *out_value)
{
    struct bytes rest = *bytes;
    struct bytes padded;

    if (rest.size < VLOG_VALUE_HEADER)
        return "is cut short";
    uint32_t length = get_u32(rest.data + 4);
    if (!take_bytes(&rest, vlog_value_size(length), &padded))
        return "is cut short";
    struct bytes stored = bytes_of(padded.data, VLOG_VALUE_HEADER + (size_t)length);
    const char *wrong = vlog_value_check(stored, logical, ordinal);
    if (wrong != NULL)
        return wrong;
    *bytes = rest;
    *out_value = bytes_skip(stored, VLOG_VALUE_HEADER);
    return NULL;
}

/* ---- Directory ------------------------------------------------------------------------------ */

static uint32_t page_crc(uint64_t physical, uint32_t page, const uint8_t *block)
{
    uint8_t salt[12];
    put_u64(salt, physical);
    put_u32(salt + 8, page);
    return crc32c(crc32c(0, salt, sizeof salt), block + 4, VLOG_BLOCK - 4);
}

void vlog_page_write(uint64_t physical, uint32_t page, const uint32_t *offsets, uint32_t count,
                     uint8_t block[static VLOG_BLOCK])
{
    uint32_t present = 0;

    memset(block, 0, VLOG_BLOCK);
    for (uint32_t i = 0; i < count; i++) {
        put_u32(block + 16 + 4 * (size_t)i, offsets[i]);
        present += offsets[i] != 0;
    }
    put_u32(block + 4, page * VLOG_PAGE_ORDINALS);
    put_u32(block + 8, present);
    put_u32(block, page_crc(physical, page, block));
}

const char *vlog_page_check(uint64_t physical, uint32_t page, struct bytes block)
{
    if (block.size != VLOG_BLOCK || get_u32(block.data) != page_crc(physical, page, block.data))
        return "has a bad checksum";
    if (get_u32(block.data + 4) != page * VLOG_PAGE_ORDINALS)
        return "belongs elsewhere";
    return NULL;
}
