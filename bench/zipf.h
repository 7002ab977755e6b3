/*
 * zipf -- which record is asked for next, as YCSB draws it.
 *
 * zipf: rank 0 is the most popular of items; rank i has weight 1 / (i + 1)^theta (Gray et al.,
 * "Quickly generating billion-record synthetic databases", SIGMOD 1994).
 * scrambled: a rank among 10^10 items, hashed onto the records, so that popular records lie
 * anywhere and the skew does not depend on how many there are.
 * latest: a rank counted back from the newest record; items grow as records are inserted.
 *
 * Threads: a generator is its owner's; copy one that has been initialised, as that costs a sum
 * over all items.
 */
#ifndef VARVE_BENCH_ZIPF_H
#define VARVE_BENCH_ZIPF_H

#include "base/rand.h"

#include <stdint.h>

struct zipf {
    uint64_t items;
    double theta;
    double zeta; /* Sum of all weights of items. */
    double zeta2;
    double alpha;
    double eta;
};

/* Requires: items > 0, 0 < theta < 1. */
void zipf_init(struct zipf *z, uint64_t items, double theta);
/* The 10^10 items of the scrambled generator at theta 0.99; their sum is known beforehand. */
void zipf_init_scrambled(struct zipf *z);
/* More items than before: adds their weights. Fewer are ignored. */
void zipf_grow(struct zipf *z, uint64_t items);

/* A rank in [0, items). */
uint64_t zipf_next(const struct zipf *z, struct rand *r);
/* A record in [0, records). */
uint64_t zipf_scrambled(const struct zipf *z, struct rand *r, uint64_t records);
/* A record in [0, records), the last the most popular. */
uint64_t zipf_latest(struct zipf *z, struct rand *r, uint64_t records);

#endif
