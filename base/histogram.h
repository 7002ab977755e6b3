/*
 * histogram -- how long things took: counts in buckets of bounded relative error (HDR form:
 * powers of two, 32 linear steps in each, so under 3.2 %).
 *
 * Fixed size (15 KiB), no allocation; values are nanoseconds by convention. Values below 32 have a
 * bucket each; above, the bucket is the leading bit and the five bits after it.
 *
 * Threads: one writer, no reader beside it; merge to combine.
 */
#ifndef VARVE_BASE_HISTOGRAM_H
#define VARVE_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_STEPS = 32, HISTOGRAM_BUCKETS = 60 * HISTOGRAM_STEPS };

struct histogram {
    uint64_t count;
    uint64_t min; /* UINT64_MAX when empty. */
    uint64_t max;
    double sum;
    double sum_squares;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_init(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t value);
void histogram_merge(struct histogram *h, const struct histogram *other);
/* The value below which percent (0..100) of the samples lie, interpolated within a bucket
 * and never outside [min, max]. 0 when empty. */
double histogram_percentile(const struct histogram *h, double percent);
/* The samples in buckets that begin below limit: those below it, as far as the buckets tell. */
uint64_t histogram_count_below(const struct histogram *h, uint64_t limit);
/* 0 when empty, here and below. */
double histogram_mean(const struct histogram *h);
/* Standard deviation of the samples themselves (divided by count). */
double histogram_deviation(const struct histogram *h);

#endif
