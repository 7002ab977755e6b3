#include "resp/keys.h"

#include "base/check.h"
#include "base/hash.h"

enum { TAG_CHUNK = 'D', TAG_META = 'M', TAG_EXPIRY = 'T' };

static_assert(TAG_EXPIRY >= RESP_DATABASE_MAX >> 24,
              "no database id begins with the byte that marks an expiry row");

const char *resp_row_type_name(uint8_t type)
{
    CHECK(type == RESP_ROW_STRING || type == RESP_ROW_STRING_CHUNKED);
    return "string";
}

/* CRC-16/XMODEM (polynomial 0x1021, not reflected, from zero) of each byte. */
static const uint16_t CRC16[256] = {
    0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7, 0x8108, 0x9129, 0xa14a, 0xb16b,
    0xc18c, 0xd1ad, 0xe1ce, 0xf1ef, 0x1231, 0x0210, 0x3273, 0x2252, 0x52b5, 0x4294, 0x72f7, 0x62d6,
    0x9339, 0x8318, 0xb37b, 0xa35a, 0xd3bd, 0xc39c, 0xf3ff, 0xe3de, 0x2462, 0x3443, 0x0420, 0x1401,
    0x64e6, 0x74c7, 0x44a4, 0x5485, 0xa56a, 0xb54b, 0x8528, 0x9509, 0xe5ee, 0xf5cf, 0xc5ac, 0xd58d,
    0x3653, 0x2672, 0x1611, 0x0630, 0x76d7, 0x66f6, 0x5695, 0x46b4, 0xb75b, 0xa77a, 0x9719, 0x8738,
    0xf7df, 0xe7fe, 0xd79d, 0xc7bc, 0x48c4, 0x58e5, 0x6886, 0x78a7, 0x0840, 0x1861, 0x2802, 0x3823,
    0xc9cc, 0xd9ed, 0xe98e, 0xf9af, 0x8948, 0x9969, 0xa90a, 0xb92b, 0x5af5, 0x4ad4, 0x7ab7, 0x6a96,
    0x1a71, 0x0a50, 0x3a33, 0x2a12, 0xdbfd, 0xcbdc, 0xfbbf, 0xeb9e, 0x9b79, 0x8b58, 0xbb3b, 0xab1a,
    0x6ca6, 0x7c87, 0x4ce4, 0x5cc5, 0x2c22, 0x3c03, 0x0c60, 0x1c41, 0xedae, 0xfd8f, 0xcdec, 0xddcd,
    0xad2a, 0xbd0b, 0x8d68, 0x9d49, 0x7e97, 0x6eb6, 0x5ed5, 0x4ef4, 0x3e13, 0x2e32, 0x1e51, 0x0e70,
    0xff9f, 0xefbe, 0xdfdd, 0xcffc, 0xbf1b, 0xaf3a, 0x9f59, 0x8f78, 0x9188, 0x81a9, 0xb1ca, 0xa1eb,
    0xd10c, 0xc12d, 0xf14e, 0xe16f, 0x1080, 0x00a1, 0x30c2, 0x20e3, 0x5004, 0x4025, 0x7046, 0x6067,
    0x83b9, 0x9398, 0xa3fb, 0xb3da, 0xc33d, 0xd31c, 0xe37f, 0xf35e, 0x02b1, 0x1290, 0x22f3, 0x32d2,
    0x4235, 0x5214, 0x6277, 0x7256, 0xb5ea, 0xa5cb, 0x95a8, 0x8589, 0xf56e, 0xe54f, 0xd52c, 0xc50d,
    0x34e2, 0x24c3, 0x14a0, 0x0481, 0x7466, 0x6447, 0x5424, 0x4405, 0xa7db, 0xb7fa, 0x8799, 0x97b8,
    0xe75f, 0xf77e, 0xc71d, 0xd73c, 0x26d3, 0x36f2, 0x0691, 0x16b0, 0x6657, 0x7676, 0x4615, 0x5634,
    0xd94c, 0xc96d, 0xf90e, 0xe92f, 0x99c8, 0x89e9, 0xb98a, 0xa9ab, 0x5844, 0x4865, 0x7806, 0x6827,
    0x18c0, 0x08e1, 0x3882, 0x28a3, 0xcb7d, 0xdb5c, 0xeb3f, 0xfb1e, 0x8bf9, 0x9bd8, 0xabbb, 0xbb9a,
    0x4a75, 0x5a54, 0x6a37, 0x7a16, 0x0af1, 0x1ad0, 0x2ab3, 0x3a92, 0xfd2e, 0xed0f, 0xdd6c, 0xcd4d,
    0xbdaa, 0xad8b, 0x9de8, 0x8dc9, 0x7c26, 0x6c07, 0x5c64, 0x4c45, 0x3ca2, 0x2c83, 0x1ce0, 0x0cc1,
    0xef1f, 0xff3e, 0xcf5d, 0xdf7c, 0xaf9b, 0xbfba, 0x8fd9, 0x9ff8, 0x6e17, 0x7e36, 0x4e55, 0x5e74,
    0x2e93, 0x3eb2, 0x0ed1, 0x1ef0,
};

static uint16_t crc16(struct bytes b)
{
    uint16_t crc = 0;

    for (size_t i = 0; i < b.size; i++)
        crc = (uint16_t)(crc << 8 ^ CRC16[crc >> 8 ^ b.data[i]]);
    return crc;
}

uint32_t resp_key_slot(struct bytes key)
{
    const uint8_t *open = key.size == 0 ? NULL : memchr(key.data, '{', key.size);

    if (open != NULL) {
        struct bytes rest = bytes_skip(key, (size_t)(open - key.data) + 1);
        const uint8_t *close = rest.size == 0 ? NULL : memchr(rest.data, '}', rest.size);
        if (close != NULL && close != rest.data)
            key = bytes_of(rest.data, (size_t)(close - rest.data));
    }
    return crc16(key) % RESP_SLOTS;
}

struct resp_place resp_place_of(struct bytes key, uint32_t database_id, uint64_t hash_seed)
{
    return (struct resp_place) { .slot = resp_key_slot(key),
                                 .database_id = database_id,
                                 .hash = (uint32_t)hash_bytes(key, hash_seed),
                                 .key = key };
}

static void put_database(uint8_t *out, uint32_t slot, uint32_t database_id)
{
    DCHECK(slot < RESP_SLOTS);
    DCHECK(database_id <= RESP_DATABASE_MAX);
    put_u16_be(out, (uint16_t)slot);
    put_u32_be(out + 2, database_id);
}

void resp_meta_bound(uint32_t slot, uint32_t database_id, uint32_t hash,
                     uint8_t out[RESP_META_PREFIX])
{
    put_database(out, slot, database_id);
    out[RESP_DATABASE_PREFIX] = TAG_META;
    put_u32_be(out + RESP_DATABASE_PREFIX + 1, hash);
}

size_t resp_place_meta(const struct resp_place *p, uint8_t *out)
{
    resp_meta_bound(p->slot, p->database_id, p->hash, out);
    if (p->key.size > 0)
        memcpy(out + RESP_META_PREFIX, p->key.data, p->key.size);
    return RESP_META_PREFIX + p->key.size;
}

static void put_expiry_prefix(uint8_t *out, uint32_t slot, uint64_t expire_ms, uint32_t database_id,
                              uint32_t hash)
{
    put_u16_be(out, (uint16_t)slot);
    out[2] = TAG_EXPIRY;
    put_u64_be(out + 3, expire_ms);
    put_u32_be(out + 11, database_id);
    put_u32_be(out + 15, hash);
}

size_t resp_place_expiry(const struct resp_place *p, uint64_t expire_ms, uint8_t *out)
{
    put_expiry_prefix(out, p->slot, expire_ms, p->database_id, p->hash);
    if (p->key.size > 0)
        memcpy(out + RESP_EXPIRY_PREFIX, p->key.data, p->key.size);
    return RESP_EXPIRY_PREFIX + p->key.size;
}

void resp_expiry_bounds(uint32_t slot, uint64_t expire_ms, uint8_t out_begin[RESP_EXPIRY_PREFIX],
                        uint8_t out_end[RESP_EXPIRY_PREFIX])
{
    put_expiry_prefix(out_begin, slot, 0, 0, 0);
    if (expire_ms < UINT64_MAX) {
        put_expiry_prefix(out_end, slot, expire_ms + 1, 0, 0);
    } else {
        put_expiry_prefix(out_end, slot, 0, 0, 0);
        out_end[2] = TAG_EXPIRY + 1;
    }
}

size_t resp_place_chunk(const struct resp_place *p, uint64_t object, uint32_t index,
                        uint8_t out[RESP_CHUNK_KEY_BYTES])
{
    put_database(out, p->slot, p->database_id);
    out[RESP_DATABASE_PREFIX] = TAG_CHUNK;
    put_u64_be(out + RESP_DATABASE_PREFIX + 1, object);
    put_u32_be(out + RESP_OBJECT_PREFIX, index);
    return RESP_CHUNK_KEY_BYTES;
}

void resp_database_range(uint32_t slot, uint32_t database_id,
                         uint8_t room[2 * RESP_DATABASE_PREFIX], struct bytes *out_begin,
                         struct bytes *out_end)
{
    put_database(room, slot, database_id);
    put_database(room + RESP_DATABASE_PREFIX, slot, database_id + 1);
    *out_begin = bytes_of(room, RESP_DATABASE_PREFIX);
    *out_end = bytes_of(room + RESP_DATABASE_PREFIX, RESP_DATABASE_PREFIX);
}

static struct status decode_expiry(struct bytes k, struct resp_row_key *out)
{
    if (k.size < RESP_EXPIRY_PREFIX)
        return status_of(ST_CORRUPT);
    out->kind = RESP_KEY_EXPIRY;
    out->expire_ms = get_u64_be(k.data + 3);
    out->place.database_id = get_u32_be(k.data + 11);
    out->place.hash = get_u32_be(k.data + 15);
    out->place.key = bytes_skip(k, RESP_EXPIRY_PREFIX);
    return status_ok();
}

struct status resp_row_key_decode(struct bytes k, struct resp_row_key *out)
{
    struct resp_row_key row = { 0 };

    if (k.size < 3)
        return status_of(ST_CORRUPT);
    row.place.slot = get_u16_be(k.data);
    if (row.place.slot >= RESP_SLOTS)
        return status_of(ST_CORRUPT);
    if (k.data[2] == TAG_EXPIRY) {
        TRY(decode_expiry(k, &row));
        *out = row;
        return status_ok();
    }
    if (k.size < RESP_META_PREFIX)
        return status_of(ST_CORRUPT);
    row.place.database_id = get_u32_be(k.data + 2);
    if (row.place.database_id >= RESP_DATABASE_MAX)
        return status_of(ST_CORRUPT);
    if (k.data[RESP_DATABASE_PREFIX] == TAG_META) {
        row.kind = RESP_KEY_META;
        row.place.hash = get_u32_be(k.data + RESP_DATABASE_PREFIX + 1);
        row.place.key = bytes_skip(k, RESP_META_PREFIX);
    } else if (k.data[RESP_DATABASE_PREFIX] == TAG_CHUNK && k.size == RESP_CHUNK_KEY_BYTES) {
        row.kind = RESP_KEY_CHUNK;
        row.object = get_u64_be(k.data + RESP_DATABASE_PREFIX + 1);
        row.index = get_u32_be(k.data + RESP_OBJECT_PREFIX);
    } else {
        return status_of(ST_CORRUPT);
    }
    *out = row;
    return status_ok();
}

void resp_meta_object_encode(const struct resp_meta_object *m, uint8_t out[RESP_META_OBJECT_BYTES])
{
    put_u64(out, m->object);
    put_u64(out + 8, m->size_bytes);
}

struct status resp_meta_object_decode(struct bytes value, struct resp_meta_object *out)
{
    if (value.size != RESP_META_OBJECT_BYTES)
        return status_of(ST_CORRUPT);
    out->object = get_u64(value.data);
    out->size_bytes = get_u64(value.data + 8);
    return status_ok();
}
