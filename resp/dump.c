#include "resp/dump.h"

#include "base/check.h"
#include "base/crc64.h"

#include "resp/lzf.h"
#include "resp/number.h"

enum { TYPE_STRING = 0, NO_CHECKSUM = 0 };

/* The upper two bits of a size's first byte, then whole first bytes. */
enum { SIZE_6_BITS = 0, SIZE_14_BITS = 1, SIZE_WIDE = 2, PACKED = 3 };
enum { SIZE_32_BITS = 0x80, SIZE_64_BITS = 0x81 };
enum { PACKED_INT8 = 0xc0, PACKED_INT16 = 0xc1, PACKED_INT32 = 0xc2, PACKED_LZF = 0xc3 };

/* ---- Writing -------------------------------------------------------------------------------- */

size_t resp_dump_head(uint64_t size, uint8_t out[RESP_DUMP_HEAD_MAX])
{
    out[0] = TYPE_STRING;
    if (size < 1 << 6) {
        out[1] = (uint8_t)size;
        return 2;
    }
    if (size < 1 << 14) {
        put_u16_be(out + 1, (uint16_t)(SIZE_14_BITS << 14 | size));
        return 3;
    }
    if (size <= UINT32_MAX) {
        out[1] = SIZE_32_BITS;
        put_u32_be(out + 2, (uint32_t)size);
        return 6;
    }
    out[1] = SIZE_64_BITS;
    put_u64_be(out + 2, size);
    return RESP_DUMP_HEAD_MAX;
}

size_t resp_dump_number(struct bytes content, uint8_t out[RESP_DUMP_HEAD_MAX])
{
    int64_t n;

    if (!resp_int_parse(content, &n) || n < INT32_MIN || n > INT32_MAX)
        return 0;
    out[0] = TYPE_STRING;
    if (n >= INT8_MIN && n <= INT8_MAX) {
        out[1] = PACKED_INT8;
        out[2] = (uint8_t)n;
        return 3;
    }
    if (n >= INT16_MIN && n <= INT16_MAX) {
        out[1] = PACKED_INT16;
        put_u16(out + 2, (uint16_t)n);
        return 4;
    }
    out[1] = PACKED_INT32;
    put_u32(out + 2, (uint32_t)n);
    return 6;
}

void resp_dump_foot(uint8_t *payload, size_t size)
{
    put_u16(payload + size - RESP_DUMP_FOOT, RESP_DUMP_VERSION);
    put_u64(payload + size - 8, crc64(0, payload, size - 8));
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* The size that begins with this byte; false for anything else. */
static bool take_size(struct bytes *b, uint8_t first, uint64_t *out)
{
    struct bytes field;
    uint8_t low;

    switch (first >> 6) {
    case SIZE_6_BITS:
        *out = first;
        return true;
    case SIZE_14_BITS:
        if (!take_u8(b, &low))
            return false;
        *out = (uint64_t)(first & 0x3f) << 8 | low;
        return true;
    case SIZE_WIDE:
        if (first == SIZE_32_BITS && take_bytes(b, 4, &field)) {
            *out = get_u32_be(field.data);
            return true;
        }
        if (first == SIZE_64_BITS && take_bytes(b, 8, &field)) {
            *out = get_u64_be(field.data);
            return true;
        }
        return false;
    default:
        return false;
    }
}

/* A size within the packed kind: there Redis takes the upper two bits of all else for none. */
static bool take_packed_size(struct bytes *b, uint64_t *out)
{
    uint8_t first;

    if (!take_u8(b, &first))
        return false;
    return take_size(b, first >> 6 == PACKED ? first & 0x3f : first, out);
}

static struct status read_number(struct bytes b, uint8_t kind, struct arena *arena,
                                 struct bytes *out)
{
    size_t size = (size_t)1 << (kind - PACKED_INT8);
    int64_t n;

    CHECK(b.size >= size); /* The foot is behind: no version begins like a kind. */
    if (kind == PACKED_INT8)
        n = (int64_t)(b.data[0] ^ 0x80u) - 0x80; /* Its sign, extended. */
    else if (kind == PACKED_INT16)
        n = (int16_t)get_u16(b.data);
    else
        n = (int32_t)get_u32(b.data);
    char *text = arena_take(arena, RESP_INT_MAX_CHARS);
    if (text == NULL)
        return status_of(ST_NO_MEMORY);
    *out = bytes_of(text, resp_int_format(n, text));
    return status_ok();
}

static struct status read_packed(struct bytes b, uint64_t size_max, struct arena *arena,
                                 struct bytes *out)
{
    uint64_t packed_size;
    uint64_t size;

    if (!take_packed_size(&b, &packed_size) || !take_packed_size(&b, &size) ||
        packed_size > b.size || size / RESP_LZF_RATIO_MAX > packed_size)
        return status_of(ST_CORRUPT);
    /* LibLZF answers 0 where it fails, which passes for an empty string. */
    if (size == 0) {
        *out = bytes_str("");
        return status_ok();
    }
    if (size > size_max)
        return status_of(ST_LIMIT);
    uint8_t *room = arena_take(arena, (size_t)size);
    if (room == NULL)
        return status_of(ST_NO_MEMORY);
    if (!resp_lzf_expand(bytes_of(b.data, (size_t)packed_size), room, (size_t)size))
        return status_of(ST_CORRUPT);
    *out = bytes_of(room, (size_t)size);
    return status_ok();
}

static struct status read_string(struct bytes b, uint64_t size_max, struct arena *arena,
                                 struct bytes *out)
{
    uint64_t size;
    uint8_t first;

    if (!take_u8(&b, &first))
        return status_of(ST_CORRUPT);
    if (first >= PACKED_INT8 && first <= PACKED_INT32)
        return read_number(b, first, arena, out);
    if (first == PACKED_LZF)
        return read_packed(b, size_max, arena, out);
    if (!take_size(&b, first, &size) || size > b.size)
        return status_of(ST_CORRUPT);
    if (size > size_max)
        return status_of(ST_LIMIT);
    *out = bytes_of(b.data, (size_t)size);
    return status_ok();
}

struct status resp_dump_read(struct bytes payload, uint64_t size_max, struct arena *arena,
                             struct bytes *out_string)
{
    uint8_t type;

    if (payload.size < RESP_DUMP_FOOT)
        return status_of(ST_INVALID);
    const uint8_t *foot = payload.data + payload.size - RESP_DUMP_FOOT;
    uint64_t checksum = get_u64(foot + 2);
    if (get_u16(foot) > RESP_DUMP_VERSION_MAX ||
        (checksum != NO_CHECKSUM && checksum != crc64(0, payload.data, payload.size - 8)))
        return status_of(ST_INVALID);
    /* From here on the foot is bytes like any: Redis reads on into it. */
    if (!take_u8(&payload, &type) || type != TYPE_STRING)
        return status_of(ST_CORRUPT);
    return read_string(payload, size_max, arena, out_string);
}
