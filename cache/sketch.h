/*
 * sketch -- about how often a name was asked for lately: 4-bit counters, four to a name, the least
 * of which is the estimate (a count-min sketch; Cormode and Muthukrishnan, 2005).
 *
 * All four counters of a name lie in one cache line, one in each pair of its words. They stop at
 * 15, and all are halved once in a while, so that what was hot is forgotten.
 *
 * Private to cache/. Threads: adding and asking any, without a lock: additions that meet may lose
 * one of the two, which an estimate can bear. Halving by one thread at a time.
 */
#ifndef VARVE_CACHE_SKETCH_H
#define VARVE_CACHE_SKETCH_H

#include "base/alloc.h"

#include <stdatomic.h>

enum { SKETCH_WORDS = 8, SKETCH_ROWS = 4, SKETCH_COUNT_MAX = 15 };

struct sketch_line {
    _Alignas(64) _Atomic uint64_t words[SKETCH_WORDS];
};

struct sketch {
    struct sketch_line *lines;
    uint32_t line_count;
    _Atomic uint64_t additions; /* Since the last halving, which leaves half of them. */
};

bool sketch_init(struct sketch *k, struct alloc *a, uint32_t line_count);
void sketch_deinit(struct sketch *k, struct alloc *a);

static inline size_t sketch_size(const struct sketch *k)
{
    return k->line_count * sizeof k->lines[0];
}

/* Add one for each hash. */
void sketch_add(struct sketch *k, const uint64_t *hashes, size_t count);
/* 0 .. SKETCH_COUNT_MAX. */
unsigned sketch_estimate(const struct sketch *k, uint64_t hash);
void sketch_halve(struct sketch *k);

#endif
