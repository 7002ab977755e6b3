#include "base/bytes.h"

#include <criterion/criterion.h>

Test(bytes, order_is_memcmp_then_shorter_first)
{
    static const char *const SORTED[] = { "", "a", "aa", "ab", "b", "\xff" };
    size_t count = sizeof SORTED / sizeof SORTED[0];

    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            int c = bytes_compare(bytes_str(SORTED[i]), bytes_str(SORTED[j]));
            cr_assert_eq((c > 0) - (c < 0), (i > j) - (i < j));
            cr_assert_eq(bytes_equal(bytes_str(SORTED[i]), bytes_str(SORTED[j])), i == j);
        }
    cr_assert(bytes_has_prefix(bytes_str("abc"), bytes_str("")));
    cr_assert(bytes_has_prefix(bytes_str("abc"), bytes_str("ab")));
    cr_assert_not(bytes_has_prefix(bytes_str("ab"), bytes_str("abc")));
    cr_assert(bytes_equal(bytes_of(NULL, 0), bytes_str("")));
}

/* Every varint at a power of two and its neighbours comes back, in the size foretold. */
Test(bytes, varints_come_back)
{
    for (int bit = 0; bit < 64; bit++)
        for (int d = -1; d <= 1; d++) {
            uint64_t v = (UINT64_C(1) << bit) + (uint64_t)d;
            uint8_t coded[VARINT_MAX];
            uint64_t decoded = ~v;
            size_t size = put_varint(coded, v);
            struct bytes b = bytes_of(coded, size);
            cr_assert_eq(size, varint_size(v));
            cr_assert(take_varint(&b, &decoded));
            cr_assert_eq(decoded, v);
            cr_assert_eq(b.size, 0);
            for (size_t cut = 0; cut < size; cut++) {
                b = bytes_of(coded, cut);
                cr_assert_not(take_varint(&b, &decoded), "cut at %zu", cut);
                cr_assert_eq(b.size, cut);
            }
        }
}

Test(bytes, a_varint_has_one_spelling)
{
    static const uint8_t LONGER[] = { 0x81, 0x00 };
    static const uint8_t TOO_BIG[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2 };
    static const uint8_t ENDLESS[] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 1
    };
    struct bytes b = bytes_of(LONGER, sizeof LONGER);
    uint64_t v;

    cr_assert_not(take_varint(&b, &v));
    b = bytes_of(TOO_BIG, sizeof TOO_BIG);
    cr_assert_not(take_varint(&b, &v));
    b = bytes_of(ENDLESS, sizeof ENDLESS);
    cr_assert_not(take_varint(&b, &v));
}

Test(bytes, taking_more_than_there_is_changes_nothing)
{
    struct bytes b = bytes_str("abcdefg");
    struct bytes taken;
    uint64_t v64;
    uint32_t v32;
    uint8_t v8;

    cr_assert_not(take_u64(&b, &v64));
    cr_assert_not(take_bytes(&b, 8, &taken));
    cr_assert_eq(b.size, 7);
    cr_assert(take_u32(&b, &v32));
    cr_assert_eq(v32, 0x64636261);
    cr_assert_not(take_u32(&b, &v32));
    cr_assert(take_u8(&b, &v8));
    cr_assert(take_bytes(&b, 2, &taken));
    cr_assert(bytes_equal(taken, bytes_str("fg")));
    cr_assert_not(take_u8(&b, &v8));
}

Test(bytes, big_endian_sorts_as_numbers)
{
    uint8_t low[8];
    uint8_t high[8];

    put_u64_be(low, 0xff);
    put_u64_be(high, 0x100);
    cr_assert_lt(memcmp(low, high, 8), 0);
    cr_assert_eq(get_u64_be(high), 0x100);
    put_u32_be(low, 7);
    cr_assert_eq(get_u32_be(low), 7);
    cr_assert_eq(low[3], 7);
    put_u16_be(low, 0x0102);
    cr_assert_eq(get_u16_be(low), 0x0102);
    cr_assert_eq(low[0], 1);
}

Test(bytes, sizes_are_checked)
{
    size_t n = 42;

    cr_assert_not(add_sizes(SIZE_MAX, 1, &n));
    cr_assert(add_sizes(SIZE_MAX - 1, 1, &n) && n == SIZE_MAX);
    cr_assert_not(mul_sizes(SIZE_MAX / 2, 3, &n));
    cr_assert_eq(align_up(1, 4096), 4096);
    cr_assert_eq(align_up(4096, 4096), 4096);
    cr_assert_eq(align_down(4097, 4096), 4096);
}
