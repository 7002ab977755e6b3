#include "lsm/table_format.h"

#include "base/check.h"

#include "lsm/filter.h"

void table_block_seal(uint8_t *block, size_t size, enum table_block_type type, uint64_t file_id,
                      uint64_t offset)
{
    uint8_t *trailer = block + size;

    trailer[0] = (uint8_t)type;
    trailer[1] = 0;
    put_u16(trailer + 2, 0);
    put_u32(trailer + 4, crc32c_salted(table_salt(file_id, offset), block, size + 4));
}

static const char *type_name(enum table_block_type type)
{
    static const char *const names[] = {
        [TABLE_DATA] = "data block",
        [TABLE_INDEX] = "index partition",
        [TABLE_FILTER] = "filter partition",
        [TABLE_LIVENESS] = "liveness block",
        [TABLE_RANGE_DELETES] = "range deletes",
        [TABLE_PROPERTIES] = "properties",
        [TABLE_TAIL] = "tail",
    };
    return names[type];
}

struct status table_block_check(struct bytes block, enum table_block_type type, uint64_t file_id,
                                uint64_t offset, struct bytes *out_body, struct errbuf *err)
{
    const char *name = type_name(type);

    if (block.size < TABLE_TRAILER) {
        errbuf_set(err, "table %llu: %s at %llu: cut short", (unsigned long long)file_id, name,
                   (unsigned long long)offset);
        return status_of(ST_CORRUPT);
    }
    size_t size = block.size - TABLE_TRAILER;
    const uint8_t *trailer = block.data + size;
    uint32_t crc = crc32c_salted(table_salt(file_id, offset), block.data, size + 4);
    if (crc != get_u32(trailer + 4)) {
        errbuf_set(err, "table %llu: %s at %llu: checksum is %08x, expected %08x",
                   (unsigned long long)file_id, name, (unsigned long long)offset,
                   get_u32(trailer + 4), crc);
        return status_of(ST_CORRUPT);
    }
    if (trailer[0] != type || get_u16(trailer + 2) != 0) {
        errbuf_set(err, "table %llu: %s at %llu: is of type %u", (unsigned long long)file_id, name,
                   (unsigned long long)offset, trailer[0]);
        return status_of(ST_CORRUPT);
    }
    if (trailer[1] != 0) {
        errbuf_set(err, "table %llu: %s at %llu: unknown codec %u", (unsigned long long)file_id,
                   name, (unsigned long long)offset, trailer[1]);
        return status_of(ST_UNSUPPORTED);
    }
    *out_body = bytes_of(block.data, size);
    return status_ok();
}

void table_tail_encode(const struct table_tail *tail, uint64_t file_id, uint8_t *out)
{
    memset(out, 0, TABLE_TAIL_HEADER);
    put_u64(out, file_id);
    put_u32(out + 16, TABLE_VERSION);
    put_u32(out + 20, tail->ref_count);
    put_u64(out + 24, tail->entry_count);
    put_u64(out + 32, tail->index_offset);
    put_u64(out + 40, tail->filter_offset);
    put_u32(out + 48, tail->filter_parts);
    put_u32(out + 52, tail->filter_lines);
    put_u32(out + 56, tail->filter_probes);
    put_u32(out + 60, tail->top_size);
    put_u64(out + 64, tail->range_deletes.offset);
    put_u32(out + 72, tail->range_deletes.size);
    put_u32(out + 76, tail->range_delete_count);
    put_u64(out + 80, tail->properties.offset);
    put_u32(out + 88, tail->properties.size);
}

static bool lies_before(struct table_place place, uint64_t end)
{
    return place.offset <= end && place.size <= end - place.offset;
}

/* Nothing in the tail may lead outside of the file. */
static bool is_sane(const struct table_tail *t, uint64_t footer_offset, size_t body_size)
{
    if (footer_offset > TABLE_SIZE_MAX || t->index_offset > t->filter_offset ||
        t->filter_offset > footer_offset)
        return false;
    if (t->filter_parts > 0) {
        struct lsm_filter_shape shape = { t->filter_parts, t->filter_lines, t->filter_probes };
        if (!lsm_filter_is_sane(shape) ||
            lsm_filter_part_size(shape) * t->filter_parts > footer_offset - t->filter_offset)
            return false;
    }
    if (t->ref_count > TABLE_REF_MAX || !lies_before(t->range_deletes, footer_offset) ||
        !lies_before(t->properties, footer_offset))
        return false;
    if (t->range_delete_count > t->range_deletes.size / TABLE_RANGE_DELETE_HEADER)
        return false;
    return t->top_size <= body_size - TABLE_TAIL_HEADER - (TABLE_END_SIZE - TABLE_TRAILER);
}

struct status table_tail_decode(struct bytes body, uint64_t file_id, uint64_t footer_offset,
                                struct table_tail *out_tail, struct errbuf *err)
{
    const uint8_t *p = body.data;

    if (body.size < TABLE_TAIL_HEADER + TABLE_END_SIZE - TABLE_TRAILER || get_u64(p) != file_id) {
        errbuf_set(err, "table %llu: not its tail", (unsigned long long)file_id);
        return status_of(ST_CORRUPT);
    }
    if (get_u32(p + 16) != TABLE_VERSION || get_u64(p + 8) != 0) {
        errbuf_set(err, "table %llu: format version %u, features %llx are newer than this program",
                   (unsigned long long)file_id, get_u32(p + 16),
                   (unsigned long long)get_u64(p + 8));
        return status_of(ST_UNSUPPORTED);
    }
    struct table_tail t = {
        .ref_count = get_u32(p + 20),
        .entry_count = get_u64(p + 24),
        .index_offset = get_u64(p + 32),
        .filter_offset = get_u64(p + 40),
        .filter_parts = get_u32(p + 48),
        .filter_lines = get_u32(p + 52),
        .filter_probes = get_u32(p + 56),
        .top_size = get_u32(p + 60),
        .range_deletes = { get_u64(p + 64), get_u32(p + 72) },
        .range_delete_count = get_u32(p + 76),
        .properties = { get_u64(p + 80), get_u32(p + 88) },
    };
    if (!is_sane(&t, footer_offset, body.size)) {
        errbuf_set(err, "table %llu: impossible tail", (unsigned long long)file_id);
        return status_of(ST_CORRUPT);
    }
    *out_tail = t;
    return status_ok();
}

void table_range_delete_append(struct buf *out, const struct lsm_range_delete *d)
{
    buf_append_u32(out, (uint32_t)d->begin.size);
    buf_append_u32(out, (uint32_t)d->end.size);
    buf_append_u64(out, d->version);
    buf_append(out, d->begin);
    buf_append(out, d->end);
}

bool table_range_delete_take(struct bytes *p, struct lsm_range_delete *out)
{
    struct bytes rest = *p;
    uint32_t begin_size;
    uint32_t end_size;

    if (!take_u32(&rest, &begin_size) || !take_u32(&rest, &end_size) ||
        !take_u64(&rest, &out->version) || begin_size > LSM_KEY_MAX || end_size > LSM_KEY_MAX ||
        !take_bytes(&rest, begin_size, &out->begin) || !take_bytes(&rest, end_size, &out->end))
        return false;
    *p = rest;
    return true;
}
