#include "base/rand.h"

#include <criterion/criterion.h>
#include <string.h>

/* The stream of a seed is part of what makes a failing run replayable: it must never change. */
Test(rand, a_seed_is_a_stream)
{
    struct rand a;
    struct rand b;

    rand_seed(&a, 42);
    rand_seed(&b, 42);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(rand_u64(&a), rand_u64(&b));
    rand_seed(&b, 43);
    cr_assert_neq(rand_u64(&a), rand_u64(&b));

    /* xoshiro256** from the state {1, 2, 3, 4}: the reference implementation's first numbers. */
    struct rand reference = { .state = { 1, 2, 3, 4 } };
    cr_assert_eq(rand_u64(&reference), 11520);
    cr_assert_eq(rand_u64(&reference), 0);
    cr_assert_eq(rand_u64(&reference), 1509978240);
    cr_assert_eq(rand_u64(&reference), 1215971899390074240);
}

Test(rand, below_is_uniform)
{
    static const uint64_t BOUNDS[] = { 1, 2, 3, 7, 10, 1000 };
    struct rand r;

    rand_seed(&r, 7);
    for (size_t i = 0; i < sizeof BOUNDS / sizeof BOUNDS[0]; i++) {
        uint64_t bound = BOUNDS[i];
        int counts[1000] = { 0 };
        for (uint64_t n = 0; n < 1000 * bound; n++) {
            uint64_t v = rand_below(&r, bound);
            cr_assert_lt(v, bound);
            counts[v]++;
        }
        /* Six deviations of a binomial with mean 1000. */
        for (uint64_t v = 0; v < bound && bound > 1; v++)
            cr_assert(counts[v] > 800 && counts[v] < 1200, "%d of %d in [0, %d)", counts[v], (int)v,
                      (int)bound);
    }
    for (int i = 0; i < 1000; i++)
        cr_assert_leq(rand_below(&r, UINT64_MAX), UINT64_MAX - 1);
}

Test(rand, doubles_fill_the_unit_interval)
{
    struct rand r;
    double sum = 0;

    rand_seed(&r, 9);
    for (int i = 0; i < 100000; i++) {
        double d = rand_double(&r);
        cr_assert(d >= 0 && d < 1);
        sum += d;
    }
    cr_assert_float_eq(sum / 100000, 0.5, 0.01);
}

Test(rand, fill_and_entropy_touch_every_byte)
{
    struct rand r;
    uint8_t seen[37] = { 0 };
    uint8_t data[39];

    rand_seed(&r, 11);
    for (int round = 0; round < 64; round++) {
        memset(data, 0, sizeof data);
        if (round % 2 == 0)
            rand_fill(&r, data + 1, 37);
        else
            rand_entropy(data + 1, 37);
        cr_assert(data[0] == 0 && data[38] == 0, "and none beside");
        for (int i = 0; i < 37; i++)
            seen[i] |= data[i + 1];
    }
    for (int i = 0; i < 37; i++)
        cr_assert_neq(seen[i], 0);
}
