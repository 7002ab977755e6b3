/*
 * hash -- 64-bit hashes of bytes (xxHash's XXH3) and of numbers. Not for secrets.
 */
#ifndef VARVE_BASE_HASH_H
#define VARVE_BASE_HASH_H

#include "base/bytes.h"

uint64_t hash_bytes(struct bytes b, uint64_t seed);

/* A bijection that spreads close numbers (the finaliser of splitmix64). */
static inline uint64_t hash_u64(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

#endif
