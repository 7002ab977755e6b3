/*
 * rand -- pseudo-random numbers from a seed (xoshiro256**, seeded by splitmix64).
 *
 * Not for secrets. A generator is a value owned by who uses it; two with the same seed give the
 * same numbers on every machine. rand_entropy() is the one door to true randomness.
 */
#ifndef VARVE_BASE_RAND_H
#define VARVE_BASE_RAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rand {
    uint64_t state[4];
};

void rand_seed(struct rand *r, uint64_t seed);
uint64_t rand_u64(struct rand *r);
/* Uniform in [0, bound). Requires: bound > 0. */
uint64_t rand_below(struct rand *r, uint64_t bound);
/* Uniform in [0, 1). */
double rand_double(struct rand *r);
void rand_fill(struct rand *r, void *data, size_t size);

/* size bytes from the operating system. Never fails on a running Linux; aborts if it does. */
void rand_entropy(void *data, size_t size);

#endif
