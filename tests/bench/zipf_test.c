#include "bench/zipf.h"

#include "bench/key.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { DRAWS = 1000000, ITEMS = 1000 };

static uint32_t hits[ITEMS * 10];

/* Is the share of hits what it should be, within six standard deviations of a binomial? */
static void assert_share(uint64_t count, double p, const char *what)
{
    double share = (double)count / DRAWS;
    double slack = 6 * sqrt(p * (1 - p) / DRAWS);

    cr_assert(fabs(share - p) < slack, "%s: %f, expected %f +- %f", what, share, p, slack);
}

static double weight(uint64_t rank, uint64_t items)
{
    double zeta = 0;

    for (uint64_t i = 1; i <= items; i++)
        zeta += pow(1.0 / (double)i, 0.99);
    return pow(1.0 / (double)(rank + 1), 0.99) / zeta;
}

static void draw(const struct zipf *z)
{
    struct rand r;

    rand_seed(&r, 7);
    memset(hits, 0, sizeof hits);
    for (int i = 0; i < DRAWS; i++)
        hits[zipf_next(z, &r)]++;
}

/* The two most popular are exact; the rest is Gray's approximation, good to a few per cent. */
Test(bench_zipf, ranks_are_as_frequent_as_their_weight)
{
    struct zipf z;
    double head = 0;
    uint64_t head_hits = 0;

    zipf_init(&z, ITEMS, 0.99);
    draw(&z);
    assert_share(hits[0], weight(0, ITEMS), "rank 0");
    assert_share(hits[1], weight(1, ITEMS), "rank 1");
    for (uint64_t i = 0; i < 100; i++) {
        head += weight(i, ITEMS);
        head_hits += hits[i];
    }
    cr_assert(fabs((double)head_hits / DRAWS - head) < 0.02, "first 100: %f, expected %f",
              (double)head_hits / DRAWS, head);
}

Test(bench_zipf, every_rank_is_in_range_and_most_are_drawn)
{
    struct zipf z;
    int drawn = 0;

    zipf_init(&z, ITEMS, 0.99);
    draw(&z);
    for (int i = 0; i < ITEMS * 10; i++) {
        cr_assert(i < ITEMS || hits[i] == 0, "rank %d", i);
        drawn += hits[i] > 0;
    }
    cr_assert(drawn > ITEMS * 0.99, "%d drawn", drawn);
}

Test(bench_zipf, grown_is_the_same_as_made_larger)
{
    struct zipf grown;
    struct zipf made;

    zipf_init(&grown, 10, 0.99);
    zipf_grow(&grown, 500);
    zipf_grow(&grown, ITEMS);
    zipf_grow(&grown, 3);
    zipf_init(&made, ITEMS, 0.99);
    cr_assert_eq(grown.items, made.items);
    cr_assert_float_eq(grown.zeta, made.zeta, 1e-9);
    cr_assert_float_eq(grown.eta, made.eta, 1e-9);
}

/* zeta(10^10, 0.99) as YCSB has it, against Euler and Maclaurin: the sum up to m and the integral
 * beyond. */
Test(bench_zipf, the_precomputed_sum_is_right)
{
    struct zipf z;
    const uint64_t m = 1000000;
    const double n = 1e10;
    double sum = 0;

    for (uint64_t i = 1; i <= m; i++)
        sum += pow((double)i, -0.99);
    sum += (pow(n, 0.01) - pow((double)m, 0.01)) / 0.01;
    sum += (pow(n, -0.99) - pow((double)m, -0.99)) / 2;
    zipf_init_scrambled(&z);
    cr_assert_float_eq(z.zeta, sum, 1e-5, "%.9f against %.9f", z.zeta, sum);
}

/* The share of the most popular record is that among 10^10 items, wherever it lies, however many
 * records there are. */
Test(bench_zipf, scrambled_skew_does_not_depend_on_the_records)
{
    static const uint64_t RECORDS[] = { ITEMS, ITEMS * 10 };
    struct zipf z;

    zipf_init_scrambled(&z);
    for (size_t c = 0; c < 2; c++) {
        struct rand r;
        uint64_t best = key_fnv64(0) % RECORDS[c];
        rand_seed(&r, 11);
        memset(hits, 0, sizeof hits);
        for (int i = 0; i < DRAWS; i++)
            hits[zipf_scrambled(&z, &r, RECORDS[c])]++;
        /* Others hash onto it too: about one in RECORDS of the rest. */
        double p = 1 / z.zeta;
        assert_share(hits[best], p + (1 - p) / (double)RECORDS[c], "most popular");
        for (uint64_t i = 0; i < RECORDS[c]; i++)
            cr_assert(hits[i] <= hits[best], "record %d", (int)i);
    }
}

Test(bench_zipf, latest_prefers_the_newest_and_follows_it)
{
    struct zipf z;
    struct rand r;

    zipf_init(&z, 10, 0.99);
    rand_seed(&r, 3);
    memset(hits, 0, sizeof hits);
    for (uint64_t records = 10; records < ITEMS; records++)
        cr_assert(zipf_latest(&z, &r, records) < records);
    for (int i = 0; i < DRAWS; i++)
        hits[zipf_latest(&z, &r, ITEMS)]++;
    assert_share(hits[ITEMS - 1], weight(0, ITEMS), "the newest");
    assert_share(hits[ITEMS - 2], weight(1, ITEMS), "the one before");
    cr_assert(hits[0] < hits[ITEMS - 1] / 100);
}
