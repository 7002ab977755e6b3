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
    struct resp_meta_object m;

    if (value.size != RESP_META_OBJECT_BYTES)
        return status_of(ST_CORRUPT);
    m.object = get_u64(value.data);
    m.size_bytes = get_u64(value.data + 8);
    if (m.size_bytes <= RESP_INLINE_MAX_BYTES || m.size_bytes > RESP_CHUNKED_MAX_BYTES)
        return status_of(ST_CORRUPT);
    *out = m;
    return status_ok();
}
