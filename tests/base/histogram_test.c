#include "base/histogram.h"

#include "base/rand.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

Test(histogram, empty_is_zero)
{
    struct histogram h;

    histogram_init(&h);
    cr_assert_eq(histogram_percentile(&h, 50), 0);
    cr_assert_eq(histogram_mean(&h), 0);
    cr_assert_eq(histogram_deviation(&h), 0);
}

/* Any single value, the greatest included, is reported as itself. */
Test(histogram, one_value_is_exact)
{
    for (int bit = 0; bit < 64; bit++)
        for (int d = -1; d <= 1; d++) {
            struct histogram h;
            uint64_t v = (UINT64_C(1) << bit) + (uint64_t)d;
            histogram_init(&h);
            histogram_add(&h, v);
            cr_assert_eq(histogram_percentile(&h, 0), (double)v);
            cr_assert_eq(histogram_percentile(&h, 99.9), (double)v);
        }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Against the sorted samples: percentiles within the promised relative error. */
Test(histogram, percentiles_are_within_the_error)
{
    enum { COUNT = 20000 };
    static uint64_t samples[COUNT];
    struct histogram h;
    struct histogram halves[2];
    struct rand r;

    rand_seed(&r, 1);
    histogram_init(&h);
    histogram_init(&halves[0]);
    histogram_init(&halves[1]);
    for (int i = 0; i < COUNT; i++) {
        samples[i] = rand_u64(&r) >> (20 + rand_below(&r, 40));
        histogram_add(&h, samples[i]);
        histogram_add(&halves[i % 2], samples[i]);
    }
    histogram_merge(&halves[0], &halves[1]);
    qsort(samples, COUNT, sizeof samples[0], compare);
    for (double p = 0.5; p < 100; p += 0.5) {
        double exact = (double)samples[(size_t)(p / 100 * COUNT)];
        double seen = histogram_percentile(&h, p);
        cr_assert_leq(fabs(seen - exact), exact * 0.04 + 1, "p%g: %g for %g", p, seen, exact);
        cr_assert_eq(seen, histogram_percentile(&halves[0], p), "merged is the same");
    }
    cr_assert_eq(h.min, samples[0]);
    cr_assert_eq(h.max, samples[COUNT - 1]);
    cr_assert_eq(histogram_percentile(&h, 100), (double)h.max);
}

Test(histogram, mean_and_deviation)
{
    static const uint64_t SAMPLES[] = { 2, 4, 4, 4, 5, 5, 7, 9 };
    struct histogram h;

    histogram_init(&h);
    for (size_t i = 0; i < 8; i++)
        histogram_add(&h, SAMPLES[i]);
    cr_assert_float_eq(histogram_mean(&h), 5, 1e-9);
    cr_assert_float_eq(histogram_deviation(&h), 2, 1e-9);
}
