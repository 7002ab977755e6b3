/* Runs of bits against the same told bit by bit. */
#include <criterion/criterion.h>

#include "base/hash.h"

#include "resp/bits.h"

enum { SIZE = 97, BITS = 8 * SIZE };

static bool bit_of(const uint8_t *bytes, uint64_t i)
{
    return bytes[i / 8] >> (7 - i % 8) & 1;
}

/* Bytes with long runs of one value among them, or next to no structure. */
static void fill(uint8_t *bytes, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i++) {
        uint64_t r = hash_u64(seed << 16 | i / (1 + seed % 40));
        bytes[i] = r % 4 == 0 ? 0x00 : r % 4 == 1 ? 0xff : (uint8_t)(r >> 8);
    }
}

Test(resp_bits, are_counted_and_found_in_any_range)
{
    uint8_t bytes[SIZE];

    for (uint64_t seed = 0; seed < 60; seed++) {
        struct bytes b = bytes_of(bytes, SIZE);
        fill(bytes, SIZE, seed);
        for (uint64_t n = 0; n < 400; n++) {
            uint64_t begin = hash_u64(seed << 20 | n) % (BITS + 1);
            uint64_t end = begin + hash_u64(seed << 20 | n << 10) % (BITS + 1 - begin);
            uint64_t count = 0;
            uint64_t first[2] = { end, end };
            for (uint64_t i = end; i > begin; i--) {
                count += bit_of(bytes, i - 1);
                first[bit_of(bytes, i - 1)] = i - 1;
            }
            cr_assert_eq(resp_bits_count(b, begin, end), count);
            cr_assert_eq(resp_bits_find(b, begin, end, false), first[0]);
            cr_assert_eq(resp_bits_find(b, begin, end, true), first[1]);
        }
    }
}

Test(resp_bits, are_combined_to_the_last_byte)
{
    for (size_t size = 0; size <= SIZE; size++) {
        uint8_t a[SIZE + 1] = { 0 };
        uint8_t b[SIZE + 1] = { 0 };
        fill(a, size, size);
        fill(b, size, size + 1000);
        for (int op = RESP_BITS_AND; op <= RESP_BITS_NOT; op++) {
            uint8_t to[SIZE + 1];
            memcpy(to, a, sizeof to);
            resp_bits_combine((enum resp_bits_op)op, to, b, size);
            for (size_t i = 0; i < size; i++) {
                unsigned expected[] = { a[i] & b[i], a[i] | b[i], a[i] ^ b[i], (uint8_t)~b[i] };
                cr_assert_eq(to[i], expected[op]);
            }
            cr_assert_eq(to[size], 0, "written behind the end");
        }
    }
}

/* Every width at every place: what is written is read, and nothing beside it changes. */
Test(resp_bits, fields_of_every_width_lie_at_every_place)
{
    for (unsigned width = 1; width <= 64; width++) {
        for (unsigned skip = 0; skip < 8; skip++) {
            struct resp_field f = { .is_signed = true, .width = width };
            uint8_t before[RESP_FIELD_BYTES];
            uint8_t bytes[RESP_FIELD_BYTES];
            fill(before, sizeof before, 7 * width + skip);
            memcpy(bytes, before, sizeof bytes);
            uint64_t value = hash_u64(width << 8 | skip);
            resp_field_set(f, bytes, skip, (int64_t)value);
            uint64_t read = (uint64_t)resp_field_get(f, bytes, skip);
            uint64_t mask = UINT64_MAX >> (64 - width);
            cr_assert_eq(read & mask, value & mask);
            cr_assert_eq(read >> (width - 1) == 0, !(value >> (width - 1) & 1), "not its sign");
            for (uint64_t i = 0; i < 8 * sizeof bytes; i++) {
                bool is_of_field = i >= skip && i < skip + width;
                bool expected =
                    is_of_field ? value >> (width - 1 - (i - skip)) & 1 : bit_of(before, i);
                cr_assert_eq(bit_of(bytes, i), expected, "width %u, skip %u, bit %d", width, skip,
                             (int)i);
            }
            if (width < 64) {
                f.is_signed = false;
                cr_assert_eq((uint64_t)resp_field_get(f, bytes, skip), value & mask);
            }
        }
    }
}

/* Every pair of small numbers against arithmetic without an end. */
Test(resp_bits, a_field_overflows_as_it_is_told)
{
    for (unsigned width = 1; width <= 5; width++) {
        for (int is_signed = 0; is_signed < 2; is_signed++) {
            struct resp_field f = { .is_signed = is_signed, .width = width };
            int64_t span = INT64_C(1) << width;
            int64_t min = is_signed ? -span / 2 : 0;
            int64_t max = min + span - 1;
            for (int64_t base = min; base <= max; base++) {
                for (int64_t amount = -3 * span; amount <= 3 * span; amount++) {
                    int64_t sum = base + amount;
                    bool fits = sum >= min && sum <= max;
                    int64_t got = 99;
                    cr_assert_eq(resp_field_add(f, RESP_FIELD_FAIL, base, amount, &got), fits);
                    cr_assert_eq(got, fits ? sum : 99);
                    cr_assert(resp_field_add(f, RESP_FIELD_SATURATE, base, amount, &got));
                    cr_assert_eq(got, sum < min ? min : sum > max ? max : sum);
                    cr_assert(resp_field_add(f, RESP_FIELD_WRAP, base, amount, &got));
                    cr_assert(got >= min && got <= max && (got - sum) % span == 0);
                }
            }
        }
    }
}
