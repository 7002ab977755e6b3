/*
 * histogram -- how long things took: counts in buckets of bounded relative error (HDR form:
 * powers of two, 32 linear steps in each, so under 3.2 %).
 *
 * Fixed size, no allocation; values are nanoseconds by convention. Threads: one writer; merge to
 * combine.
 */
#ifndef VARVE_BASE_HISTOGRAM_H
#define VARVE_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_STEPS = 32, HISTOGRAM_BUCKETS = 60 * HISTOGRAM_STEPS };

struct histogram {
    uint64_t count;
    uint64_t min;
    uint64_t max;
    double sum;
    double sum_squares;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_init(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t value);
void histogram_merge(struct histogram *h, const struct histogram *other);
/* The value below which percent (0..100) of the samples lie, interpolated. 0 when empty. */
double histogram_percentile(const struct histogram *h, double percent);
double histogram_mean(const struct histogram *h);
double histogram_deviation(const struct histogram *h);

#endif
