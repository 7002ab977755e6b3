#include "bench/zipf.h"

#include "bench/key.h"

#include <math.h>

static double sum_weights(uint64_t from, uint64_t to, double theta)
{
    double sum = 0;

    for (uint64_t i = from; i < to; i++)
        sum += 1 / pow((double)(i + 1), theta);
    return sum;
}

/* What depends on items and zeta. */
static void derive(struct zipf *z)
{
    z->eta = (1 - pow(2 / (double)z->items, 1 - z->theta)) / (1 - z->zeta2 / z->zeta);
}

static void init_with_zeta(struct zipf *z, uint64_t items, double theta, double zeta)
{
    *z = (struct zipf) {
        .items = items,
        .theta = theta,
        .zeta = zeta,
        .zeta2 = sum_weights(0, 2, theta),
        .alpha = 1 / (1 - theta),
    };
    derive(z);
}

void zipf_init(struct zipf *z, uint64_t items, double theta)
{
    init_with_zeta(z, items, theta, sum_weights(0, items, theta));
}

void zipf_init_scrambled(struct zipf *z)
{
    init_with_zeta(z, UINT64_C(10000000000), 0.99, 26.46902820178302);
}

void zipf_grow(struct zipf *z, uint64_t items)
{
    if (items <= z->items)
        return;
    z->zeta += sum_weights(z->items, items, z->theta);
    z->items = items;
    derive(z);
}

uint64_t zipf_next(const struct zipf *z, struct rand *r)
{
    double u = rand_double(r);
    double uz = u * z->zeta;

    /* The two most popular exactly; the rest by inverting the integral of the weights. */
    if (uz < 1)
        return 0;
    if (uz < z->zeta2)
        return z->items > 1 ? 1 : 0;
    uint64_t rank = (uint64_t)((double)z->items * pow(z->eta * u - z->eta + 1, z->alpha));
    return rank < z->items ? rank : z->items - 1;
}

uint64_t zipf_scrambled(const struct zipf *z, struct rand *r, uint64_t records)
{
    return key_fnv64(zipf_next(z, r)) % records;
}

uint64_t zipf_latest(struct zipf *z, struct rand *r, uint64_t records)
{
    zipf_grow(z, records);
    uint64_t back = zipf_next(z, r);
    return back < records ? records - 1 - back : 0;
}
