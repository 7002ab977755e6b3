#include "base/hash.h"

#include <criterion/criterion.h>

/* Published values of XXH3: hashes lie on disk (filters), so they must never change. */
Test(hash, values_are_fixed)
{
    cr_assert_eq(hash_bytes(bytes_of(NULL, 0), 0), UINT64_C(0x2d06800538d394c2));
    cr_assert_neq(hash_bytes(bytes_str("a"), 0), hash_bytes(bytes_str("a"), 1));
    cr_assert_neq(hash_bytes(bytes_str("a"), 0), hash_bytes(bytes_str("b"), 0));
}

/* Each input bit flips about half of the output bits. */
Test(hash, numbers_spread)
{
    for (int bit = 0; bit < 64; bit++) {
        int flipped = 0;
        for (uint64_t x = 1; x <= 64; x++)
            flipped += __builtin_popcountll(hash_u64(x) ^ hash_u64(x ^ UINT64_C(1) << bit));
        cr_assert(flipped > 64 * 24 && flipped < 64 * 40, "bit %d: %d", bit, flipped);
    }
}
