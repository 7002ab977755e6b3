#include "row_check.h"

#include "base/check.h"

#include "resp/keys.h"

/* What has been seen of a named database. */
struct tally {
    uint64_t keys;
    uint64_t expires;
    uint64_t chunks;
};

static bool is_named(const struct map_store *m, uint32_t database_id)
{
    for (uint32_t i = 0; i < MAP_DATABASES; i++) {
        if (m->databases[i] == database_id)
            return true;
    }
    return false;
}

static const struct map_row *find(const struct map_store *m, struct bytes key)
{
    size_t low = 0;
    size_t high = m->committed.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = bytes_compare(m->committed.rows[middle].key, key);
        if (c == 0)
            return m->committed.rows[middle].is_deleted ? NULL : &m->committed.rows[middle];
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static void check_place(struct map_store *m, const struct resp_place *p)
{
    uint64_t seed = m->store.ops->hash_seed(&m->store);
    struct resp_place right = resp_place_of(p->key, p->database_id, seed);

    CHECK(p->slot == right.slot);
    CHECK(p->hash == right.hash);
    CHECK(p->key.size <= RESP_KEY_MAX_BYTES);
}

/* How many chunks of the object are stored; each must lie within the string. */
static uint64_t count_chunks(const struct map_store *m, const struct resp_place *p,
                             const struct resp_meta_object *o)
{
    uint8_t first[RESP_CHUNK_KEY_BYTES];
    uint64_t count = 0;

    resp_place_chunk(p, o->object, 0, first);
    for (size_t i = 0; i < m->committed.count; i++) {
        const struct map_row *row = &m->committed.rows[i];
        if (row->is_deleted || row->key.size != RESP_CHUNK_KEY_BYTES ||
            memcmp(row->key.data, first, RESP_OBJECT_PREFIX) != 0)
            continue;
        uint64_t begin =
            (uint64_t)get_u32_be(row->key.data + RESP_OBJECT_PREFIX) * RESP_CHUNK_BYTES;
        CHECK(row->type == RESP_ROW_CHUNK);
        CHECK(row->expire_ms == 0);
        CHECK(row->value.size > 0 && row->value.size <= RESP_CHUNK_BYTES);
        CHECK(begin + row->value.size <= o->size_bytes);
        count++;
    }
    return count;
}

static void check_meta(struct map_store *m, const struct map_row *row,
                       const struct resp_row_key *key, struct tally *t)
{
    check_place(m, &key->place);
    t->keys++;
    if (row->type == RESP_ROW_STRING_CHUNKED) {
        struct resp_meta_object object;
        struct status s = resp_meta_object_decode(row->value, &object);
        CHECK(succeeded(s));
        CHECK(object.size_bytes > RESP_INLINE_MAX_BYTES);
        t->chunks += count_chunks(m, &key->place, &object);
    } else {
        CHECK(row->type == RESP_ROW_STRING);
        CHECK(row->value.size <= RESP_INLINE_MAX_BYTES);
    }
    if (row->expire_ms != 0) {
        uint8_t expiry[RESP_EXPIRY_PREFIX + RESP_KEY_MAX_BYTES];
        size_t size = resp_place_expiry(&key->place, row->expire_ms, expiry);
        CHECK(find(m, bytes_of(expiry, size)) != NULL);
        t->expires++;
    }
}

static void check_expiry(struct map_store *m, const struct map_row *row,
                         const struct resp_row_key *key)
{
    uint8_t meta[RESP_META_PREFIX + RESP_KEY_MAX_BYTES];
    size_t size = resp_place_meta(&key->place, meta);
    const struct map_row *owner = find(m, bytes_of(meta, size));

    check_place(m, &key->place);
    CHECK(row->type == RESP_ROW_EXPIRY);
    CHECK(row->value.size == 0);
    CHECK(owner != NULL);
    CHECK(owner->expire_ms == key->expire_ms);
}

void row_check(struct map_store *m)
{
    struct tally seen = { 0 };
    struct tally counted = { 0 };
    uint64_t chunks = 0;

    for (size_t i = 0; i < m->committed.count; i++) {
        const struct map_row *row = &m->committed.rows[i];
        struct resp_row_key key;
        if (row->is_deleted)
            continue;
        struct status s = resp_row_key_decode(row->key, &key);
        CHECK(succeeded(s));
        if (!is_named(m, key.place.database_id))
            continue;
        if (key.kind == RESP_KEY_META)
            check_meta(m, row, &key, &seen);
        else if (key.kind == RESP_KEY_EXPIRY)
            check_expiry(m, row, &key);
        else
            chunks++;
    }
    CHECK(chunks == seen.chunks);
    for (uint32_t number = 0; number < MAP_DATABASES; number++) {
        uint64_t keys;
        uint64_t expires;
        m->store.ops->counts(&m->store, m->databases[number], &keys, &expires);
        counted.keys += keys;
        counted.expires += expires;
    }
    CHECK(counted.keys == seen.keys);
    CHECK(counted.expires == seen.expires);
}
