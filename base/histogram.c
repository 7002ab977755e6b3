#include "base/histogram.h"

#include <math.h>
#include <string.h>

enum { STEP_BITS = 5 };
_Static_assert(1 << STEP_BITS == HISTOGRAM_STEPS, "steps are a power of two");

static size_t bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (size_t)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - STEP_BITS;
    return (size_t)(shift + 1) * HISTOGRAM_STEPS + (size_t)(value >> shift) % HISTOGRAM_STEPS;
}

/* The least value in a bucket, and how many values it has. */
static double bucket_bounds(size_t bucket, double *out_width)
{
    if (bucket < HISTOGRAM_STEPS) {
        *out_width = 1;
        return (double)bucket;
    }
    int shift = (int)(bucket / HISTOGRAM_STEPS) - 1;
    *out_width = ldexp(1, shift);
    return ldexp((double)(HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS), shift);
}

void histogram_init(struct histogram *h)
{
    memset(h, 0, sizeof *h);
    h->min = UINT64_MAX;
}

void histogram_add(struct histogram *h, uint64_t value)
{
    double v = (double)value;

    h->count++;
    if (value < h->min)
        h->min = value;
    if (value > h->max)
        h->max = value;
    h->sum += v;
    h->sum_squares += v * v;
    h->buckets[bucket_of(value)]++;
}

void histogram_merge(struct histogram *h, const struct histogram *other)
{
    h->count += other->count;
    if (other->min < h->min)
        h->min = other->min;
    if (other->max > h->max)
        h->max = other->max;
    h->sum += other->sum;
    h->sum_squares += other->sum_squares;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        h->buckets[i] += other->buckets[i];
}

static double clamp(double v, double low, double high)
{
    return v < low ? low : v > high ? high : v;
}

double histogram_percentile(const struct histogram *h, double percent)
{
    double rank = percent / 100 * (double)h->count;
    double below = 0;

    if (h->count == 0)
        return 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        double here = (double)h->buckets[i];
        if (here > 0 && below + here >= rank) {
            double width;
            double low = bucket_bounds(i, &width);
            double part = clamp((rank - below) / here, 0, 1);
            return clamp(low + width * part, (double)h->min, (double)h->max);
        }
        below += here;
    }
    return (double)h->max;
}

uint64_t histogram_count_below(const struct histogram *h, uint64_t limit)
{
    uint64_t count = 0;
    double width;

    for (size_t i = 0; i < HISTOGRAM_BUCKETS && bucket_bounds(i, &width) < (double)limit; i++)
        count += h->buckets[i];
    return count;
}

double histogram_mean(const struct histogram *h)
{
    return h->count == 0 ? 0 : h->sum / (double)h->count;
}

double histogram_deviation(const struct histogram *h)
{
    double mean = histogram_mean(h);

    if (h->count == 0)
        return 0;
    /* Rounding may leave a little less than nothing. */
    return sqrt(fmax(0, h->sum_squares / (double)h->count - mean * mean));
}
