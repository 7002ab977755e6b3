#include "base/rand.h"

#include "lsm/filter.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static bool has(struct lsm_filter_shape s, const uint8_t *parts, uint64_t hash)
{
    return lsm_filter_may_have(
        s, parts + (size_t)lsm_filter_part(s, hash) * lsm_filter_part_size(s), hash);
}

/* A filter of n keys of bits bits; the rate at which keys that were not added are found. */
static double false_rate(struct rand *r, size_t n, uint32_t bits)
{
    struct lsm_filter_shape s = lsm_filter_shape_of(n, bits);
    uint8_t *parts = calloc(s.parts, lsm_filter_part_size(s));
    uint64_t *hashes = calloc(n, sizeof *hashes);
    size_t found = 0;

    cr_assert(lsm_filter_is_sane(s));
    for (size_t i = 0; i < n; i++)
        hashes[i] = rand_u64(r);
    lsm_filter_add(s, parts, hashes, n);
    for (size_t i = 0; i < n; i++)
        cr_assert(has(s, parts, hashes[i]), "an added key is missed");
    for (uint32_t p = 0; p < s.parts; p++) {
        const uint8_t *last = parts + (p + 1) * lsm_filter_part_size(s) - LSM_FILTER_LINE;
        for (unsigned i = 0; i < LSM_FILTER_LINE; i++)
            cr_assert_eq(last[i], 0, "the last line is the trailer's");
    }
    for (size_t i = 0; i < 200000; i++)
        found += has(s, parts, rand_u64(r));
    free(hashes);
    free(parts);
    return (double)found / 200000;
}

/* No key that was added is missed; of others, at ten bits a key, fewer than two in a hundred are
 * found, whatever the number of keys. */
Test(lsm_filter, false_positives_are_rare)
{
    static const size_t counts[] = { 1, 10, 51, 1000, 3300, 30000, 300000 };
    struct rand r;
    rand_seed(&r, 1);

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        double rate = false_rate(&r, counts[i], 10);
        printf("filter of %zu keys, 10 bits: %.2f %% false\n", counts[i], 100 * rate);
        cr_assert_lt(rate, 0.02);
    }
}

/* More bits, fewer false ones. */
Test(lsm_filter, bits_pay)
{
    struct rand r;
    double before = 1;
    rand_seed(&r, 2);

    for (uint32_t bits = 2; bits <= 16; bits += 2) {
        double rate = false_rate(&r, 50000, bits);
        printf("filter of 50000 keys, %u bits: %.3f %% false\n", bits, 100 * rate);
        cr_assert_lt(rate, before);
        before = rate;
    }
}
