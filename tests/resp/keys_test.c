#include "resp/keys.h"

#include <criterion/criterion.h>

#include "base/hash.h"

/* The slots are those a Redis 7.0.15 server in cluster mode gives (CLUSTER KEYSLOT). */
Test(resp_keys, slots_are_those_of_redis)
{
    static const struct {
        const char *key;
        uint32_t slot;
    } rows[] = {
        { "", 0 },
        { "a", 15495 },
        { "foo", 12182 },
        { "123456789", 12739 },
        { "{user1000}.following", 3443 },
        { "{user1000}.followers", 3443 },
        { "foo{}{bar}", 8363 },
        { "foo{{bar}}zap", 4015 },
        { "foo{bar}{zap}", 5061 },
        { "{}", 15257 },
        { "{", 4092 },
        { "}{a}", 15495 },
        { "a{b", 13340 },
        { "{a}b", 15495 },
        { "key:000000000042", 7803 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(resp_key_slot(bytes_str(rows[i].key)), rows[i].slot, "'%s'", rows[i].key);
}

/* Against the definition, a bit at a time, for every length around the steps of four bytes. */
Test(resp_keys, slots_are_crc16)
{
    uint8_t key[40];

    for (size_t size = 0; size <= sizeof key; size++) {
        for (size_t i = 0; i < size; i++)
            key[i] = (uint8_t)(hash_u64(size * 64 + i) | 0x80); /* No braces. */
        uint32_t crc = 0;
        for (size_t i = 0; i < size; i++) {
            crc ^= (uint32_t)key[i] << 8;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xffff;
        }
        cr_assert_eq(resp_key_slot(bytes_of(key, size)), crc % 16384, "%zu bytes", size);
    }
}

static const struct resp_place PLACE = { .slot = 0x1234,
                                         .database_id = 0x01020304,
                                         .hash = 0xa1b2c3d4,
                                         .key = { (const uint8_t *)"key", 3 } };

static void expect_bytes(const uint8_t *data, size_t size, const char *expected,
                         size_t expected_size)
{
    cr_assert(bytes_equal(bytes_of(data, size), bytes_of(expected, expected_size)));
}

/* The examples of docs/format/keys.md. */
Test(resp_keys, rows_have_the_documented_bytes)
{
    uint8_t row[64];
    uint8_t value[RESP_META_OBJECT_BYTES];

    expect_bytes(row, resp_place_meta(&PLACE, row),
                 "\x12\x34\x01\x02\x03\x04M\xa1\xb2\xc3\xd4"
                 "key",
                 14);
    expect_bytes(row, resp_place_expiry(&PLACE, 0x1122334455667788, row),
                 "\x12\x34T\x11\x22\x33\x44\x55\x66\x77\x88\x01\x02\x03\x04\xa1\xb2\xc3\xd4"
                 "key",
                 22);
    expect_bytes(row, resp_place_chunk(&PLACE, 0x0102030405060708, 9, row),
                 "\x12\x34\x01\x02\x03\x04"
                 "D\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x00\x09",
                 19);
    resp_meta_object_encode(&(struct resp_meta_object) { .object = 7, .size_bytes = 70000 }, value);
    expect_bytes(value, sizeof value, "\7\0\0\0\0\0\0\0\x70\x11\1\0\0\0\0\0", 16);
}

Test(resp_keys, rows_are_read_as_they_were_written)
{
    uint8_t row[64];
    struct resp_row_key key;

    struct status s = resp_row_key_decode(bytes_of(row, resp_place_meta(&PLACE, row)), &key);
    cr_assert(succeeded(s));
    cr_assert_eq(key.kind, RESP_KEY_META);
    cr_assert_eq(key.place.slot, PLACE.slot);
    cr_assert_eq(key.place.database_id, PLACE.database_id);
    cr_assert_eq(key.place.hash, PLACE.hash);
    cr_assert(bytes_equal(key.place.key, PLACE.key));

    s = resp_row_key_decode(bytes_of(row, resp_place_expiry(&PLACE, 99, row)), &key);
    cr_assert(succeeded(s));
    cr_assert_eq(key.kind, RESP_KEY_EXPIRY);
    cr_assert_eq(key.expire_ms, 99);
    cr_assert_eq(key.place.slot, PLACE.slot);
    cr_assert_eq(key.place.database_id, PLACE.database_id);
    cr_assert_eq(key.place.hash, PLACE.hash);
    cr_assert(bytes_equal(key.place.key, PLACE.key));

    s = resp_row_key_decode(bytes_of(row, resp_place_chunk(&PLACE, 5, 6, row)), &key);
    cr_assert(succeeded(s));
    cr_assert_eq(key.kind, RESP_KEY_CHUNK);
    cr_assert_eq(key.object, 5);
    cr_assert_eq(key.index, 6);
}

/* Every row cut short, and with every byte of its head changed, is CORRUPT or another row; the
 * sanitizers see to it that nothing beyond it is read. */
Test(resp_keys, damaged_rows_are_never_misread)
{
    for (int kind = 0; kind < 3; kind++) {
        uint8_t row[64];
        struct resp_row_key key;
        size_t size = kind == 0   ? resp_place_meta(&PLACE, row)
                      : kind == 1 ? resp_place_expiry(&PLACE, 99, row)
                                  : resp_place_chunk(&PLACE, 5, 6, row);
        size_t least = kind == 0 ? RESP_META_PREFIX : kind == 1 ? RESP_EXPIRY_PREFIX : size;
        for (size_t cut = 0; cut < least; cut++) {
            uint8_t *copy = malloc(cut + 1);
            memcpy(copy, row, cut);
            struct status s = resp_row_key_decode(bytes_of(copy, cut), &key);
            cr_assert_eq(s.code, ST_CORRUPT, "kind %d cut at %zu", kind, cut);
            free(copy);
        }
        row[0] = 0xff;
        cr_assert_eq(resp_row_key_decode(bytes_of(row, size), &key).code, ST_CORRUPT);
    }
    struct resp_meta_object object;
    cr_assert_eq(resp_meta_object_decode(bytes_of("123456789012345", 15), &object).code,
                 ST_CORRUPT);
    static const uint64_t sizes[] = { 0, 65536, 65537, UINT64_C(1) << 45, UINT64_MAX };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t value[RESP_META_OBJECT_BYTES];
        resp_meta_object_encode(&(struct resp_meta_object) { 7, sizes[i] }, value);
        struct status s = resp_meta_object_decode(bytes_of(value, sizeof value), &object);
        cr_assert_eq(s.code, i == 2 || i == 3 ? ST_OK : ST_CORRUPT);
    }
}

/* All rows of a database in a slot lie within its range, and no expiry row does. */
Test(resp_keys, a_database_is_a_range_of_rows)
{
    static const uint32_t ids[] = { 1, 2, 255, 256, RESP_DATABASE_MAX - 1 };
    uint8_t room[2 * RESP_DATABASE_PREFIX];
    uint8_t row[64];

    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct bytes begin;
        struct bytes end;
        resp_database_range(PLACE.slot, ids[i], room, &begin, &end);
        for (size_t j = 0; j < sizeof ids / sizeof ids[0]; j++) {
            struct resp_place place = PLACE;
            place.database_id = ids[j];
            for (int kind = 0; kind < 3; kind++) {
                size_t size = kind == 0   ? resp_place_meta(&place, row)
                              : kind == 1 ? resp_place_expiry(&place, 99, row)
                                          : resp_place_chunk(&place, UINT64_MAX, UINT32_MAX, row);
                struct bytes key = bytes_of(row, size);
                bool is_inside = bytes_compare(begin, key) <= 0 && bytes_compare(key, end) < 0;
                cr_assert_eq(is_inside, i == j && kind != 1);
            }
        }
    }
}

Test(resp_keys, expiry_rows_sort_by_time)
{
    uint8_t begin[RESP_EXPIRY_PREFIX];
    uint8_t end[RESP_EXPIRY_PREFIX];
    uint8_t row[64];
    static const uint64_t times[] = { 0, 1, 255, 256, 1700000000000, UINT64_MAX };

    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        resp_expiry_bounds(PLACE.slot, times[i], begin, end);
        for (size_t j = 0; j < sizeof times / sizeof times[0]; j++) {
            struct bytes key = bytes_of(row, resp_place_expiry(&PLACE, times[j], row));
            bool is_inside = bytes_compare(bytes_of(begin, sizeof begin), key) <= 0 &&
                             bytes_compare(key, bytes_of(end, sizeof end)) < 0;
            cr_assert_eq(is_inside, times[j] <= times[i]);
        }
    }
}
