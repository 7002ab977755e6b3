#include "base/rand.h"

#include "lsm/index.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static size_t random_key(struct rand *r, uint8_t *key)
{
    static const uint8_t alphabet[] = { 0x00, 0x01, 0x7f, 0xfe, 0xff };
    size_t size = rand_below(r, 6);
    for (size_t i = 0; i < size; i++)
        key[i] = alphabet[rand_below(r, sizeof alphabet)];
    return size;
}

/* A separator lies at or after the one key and before the other, and is longer than neither. */
Test(lsm_index, separators_separate)
{
    struct rand r;
    uint8_t x[8];
    uint8_t y[8];
    uint8_t buffer[8];
    rand_seed(&r, 1);

    for (unsigned round = 0; round < 300000; round++) {
        struct bytes a = bytes_of(x, random_key(&r, x));
        struct bytes b = bytes_of(y, random_key(&r, y));
        if (bytes_compare(a, b) >= 0)
            continue;
        struct bytes s = lsm_index_separator(a, b, buffer);
        cr_assert(bytes_compare(a, s) <= 0 && bytes_compare(s, b) < 0);
        cr_assert_leq(s.size, a.size > b.size ? a.size : b.size);
    }
}

/* Where keys differ early, separators are short. */
Test(lsm_index, separators_are_short)
{
    uint8_t buffer[16];

    cr_assert_eq(lsm_index_separator(bytes_str("abcdefgh"), bytes_str("abd"), buffer).size, 8);
    cr_assert_eq(lsm_index_separator(bytes_str("abcdefgh"), bytes_str("abe"), buffer).size, 3);
    cr_assert_eq(lsm_index_separator(bytes_str("abcdefgh"), bytes_str("abdxyz"), buffer).size, 3);
    cr_assert_eq(lsm_index_separator(bytes_str("ab"), bytes_str("abdxyz"), buffer).size, 2);
}
