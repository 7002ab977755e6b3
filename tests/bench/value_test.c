#include "bench/value.h"

#include <criterion/criterion.h>

static struct value_source source;

static void set_up(void)
{
    cr_assert(succeeded(value_source_init(&source, alloc_heap(), 0.5, 100000)));
}

static void tear_down(void)
{
    value_source_deinit(&source);
}

TestSuite(bench_value, .init = set_up, .fini = tear_down);

static struct bytes make(const char *key, uint32_t generation, size_t size)
{
    static uint8_t value[100000];

    value_make(&source, bytes_str(key), generation, size, value);
    return bytes_of(value, size);
}

Test(bench_value, is_good_for_its_own_key_only)
{
    static const size_t SIZES[] = { 1, 7, 8, 9, 100, 1024, 4096, 100000 };

    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        struct bytes v = make("key one", 3, SIZES[i]);
        cr_assert(value_check(bytes_str("key one"), v), "size %zu", SIZES[i]);
        cr_assert(!value_check(bytes_str("key two"), v), "size %zu", SIZES[i]);
    }
}

/* The oracle of every benchmark can fail: one flipped bit, anywhere, is seen. */
Test(bench_value, any_flipped_bit_is_seen)
{
    uint8_t value[300];

    value_make(&source, bytes_str("k"), 1, sizeof value, value);
    for (size_t bit = 0; bit < sizeof value * 8; bit++) {
        value[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert(!value_check(bytes_str("k"), bytes_of(value, sizeof value)), "bit %zu", bit);
        value[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

Test(bench_value, cut_short_or_longer_is_seen)
{
    struct bytes v = make("k", 1, 1000);

    cr_assert(!value_check(bytes_str("k"), bytes_of(v.data, 999)));
    v = make("k", 1, 1001);
    cr_assert(!value_check(bytes_str("k"), bytes_of(v.data, 1000)));
}

Test(bench_value, differs_by_generation_and_repeats)
{
    uint8_t first[1024];

    memcpy(first, make("k", 1, 1024).data, 1024);
    cr_assert_arr_eq(make("k", 1, 1024).data, first, 1024);
    cr_assert(memcmp(make("k", 2, 1024).data, first, 1024) != 0);
}

/* Half of each 100 bytes repeats the other half; at ratio 1 nothing repeats. */
Test(bench_value, compresses_as_asked)
{
    struct value_source dense;
    size_t repeats = 0;
    size_t dense_repeats = 0;

    cr_assert(succeeded(value_source_init(&dense, alloc_heap(), 1, 0)));
    for (size_t i = 0; i < 100000; i += 100) {
        repeats += memcmp(source.filler + i, source.filler + i + 50, 50) == 0;
        dense_repeats += memcmp(dense.filler + i, dense.filler + i + 50, 50) == 0;
    }
    value_source_deinit(&dense);
    cr_assert_eq(repeats, 1000);
    cr_assert_eq(dense_repeats, 0);
}
