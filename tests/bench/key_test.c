#include "bench/key.h"

#include "base/bytes.h"

#include <criterion/criterion.h>

/* 8 bytes big-endian, then '0' bytes: what db_bench writes for 0x0102030405060708. */
Test(bench_key, is_big_endian_and_padded_with_zero_digits)
{
    const struct key_shape shape = { .size = 11, .key_count = 1 };
    uint8_t key[11];

    key_encode(&shape, UINT64_C(0x0102030405060708), key);
    cr_assert_arr_eq(key,
                     "\1\2\3\4\5\6\7\10"
                     "000",
                     11);
}

Test(bench_key, shorter_than_a_number_keeps_the_low_bytes)
{
    const struct key_shape shape = { .size = 4, .key_count = 1 };
    uint8_t key[4];

    key_encode(&shape, UINT64_C(0x0102030405060708), key);
    cr_assert_arr_eq(key, "\5\6\7\10", 4);
}

/* Prefix number = key number modulo the number of prefixes. */
Test(bench_key, begins_with_its_prefix)
{
    const struct key_shape shape = {
        .size = 20, .prefix_size = 10, .keys_per_prefix = 10, .key_count = 100
    };
    uint8_t key[20];

    key_encode(&shape, 23, key);
    cr_assert_arr_eq(key, "\0\0\0\0\0\0\0\00300\0\0\0\0\0\0\0\02700", 20);
}

Test(bench_key, orders_as_the_numbers_do)
{
    const struct key_shape shape = { .size = 16, .key_count = 1 };
    uint8_t a[16];
    uint8_t b[16];

    for (uint64_t n = 0; n < 100000; n += 37) {
        key_encode(&shape, n, a);
        key_encode(&shape, n + 1, b);
        cr_assert(bytes_compare(bytes_of(a, 16), bytes_of(b, 16)) < 0, "%zu", (size_t)n);
    }
}

/* The first records of every YCSB run with hashed insert order. */
Test(bench_key, of_ycsb_is_the_hashed_record)
{
    static const char *const KEYS[] = { "user6284781860667377211", "user8517097267634966620",
                                        "user1820151046732198393" };
    uint8_t key[KEY_YCSB_SIZE_MAX];

    for (uint64_t record = 0; record < 3; record++) {
        size_t size = key_encode_ycsb(record, key);
        cr_assert(bytes_equal(bytes_of(key, size), bytes_str(KEYS[record])), "record %d: %.*s",
                  (int)record, (int)size, (char *)key);
    }
}

/* Every number once, for counts around powers of two, and not in order. */
Test(bench_key, permutation_visits_each_number_once)
{
    static const uint64_t COUNTS[] = { 1, 2, 3, 7, 8, 9, 1000, 1023, 1024, 1025, 65536, 100001 };
    static uint8_t seen[100001];

    for (size_t c = 0; c < sizeof COUNTS / sizeof COUNTS[0]; c++) {
        struct permutation p;
        uint64_t in_place = 0;
        permutation_init(&p, COUNTS[c], c);
        memset(seen, 0, sizeof seen);
        for (uint64_t i = 0; i < COUNTS[c]; i++) {
            uint64_t n = permutation_at(&p, i);
            cr_assert(n < COUNTS[c] && !seen[n], "count %d index %d", (int)COUNTS[c], (int)i);
            seen[n] = 1;
            in_place += n == i;
        }
        cr_assert(COUNTS[c] < 1000 || in_place < 20, "count %d: %d in place", (int)COUNTS[c],
                  (int)in_place);
    }
}

/* Neighbours land far apart: half of the steps up, mean distance a third of the range. */
Test(bench_key, permutation_looks_random)
{
    enum { COUNT = 100000 };
    struct permutation p;
    uint64_t up = 0;
    double distance = 0;

    permutation_init(&p, COUNT, 42);
    for (uint64_t i = 1; i < COUNT; i++) {
        uint64_t a = permutation_at(&p, i - 1);
        uint64_t b = permutation_at(&p, i);
        up += b > a;
        distance += b > a ? (double)(b - a) : (double)(a - b);
    }
    cr_assert(up > COUNT * 0.48 && up < COUNT * 0.52, "%d steps up", (int)up);
    distance /= COUNT;
    cr_assert(distance > COUNT * 0.30 && distance < COUNT * 0.37, "mean distance %f", distance);
}
