/*
 * key -- keys as db_bench and YCSB write them, and the order in which a permutation visits them.
 *
 * db_bench: an optional prefix, then the number as up to 8 bytes big-endian, then '0' bytes.
 * YCSB (insertorder=hashed): "user" and the decimal FNV-64 hash of the record's number.
 *
 * Threads: any; values only.
 */
#ifndef VARVE_BENCH_KEY_H
#define VARVE_BENCH_KEY_H

#include <stddef.h>
#include <stdint.h>

enum { KEY_SIZE_MAX = 1024, KEY_YCSB_SIZE_MAX = 24 };

struct key_shape {
    size_t size;              /* Up to KEY_SIZE_MAX. */
    size_t prefix_size;       /* Bytes of prefix if keys_per_prefix > 0. */
    uint64_t keys_per_prefix; /* 0: no prefix. */
    uint64_t key_count;       /* How many numbers there are; decides the number of prefixes. */
};

/* Write shape->size bytes. */
void key_encode(const struct key_shape *shape, uint64_t number, uint8_t *out_key);

/* Returns the size, at most KEY_YCSB_SIZE_MAX. */
size_t key_encode_ycsb(uint64_t record, uint8_t *out_key);

/* FNV-1 as YCSB has it: the low octet first, the sign dropped. */
uint64_t key_fnv64(uint64_t number);

/* A bijection of [0, count) that looks random: each number once, no table. */
struct permutation {
    uint64_t count;
    uint64_t mask; /* The power of two at or above count, less one. */
    unsigned shift;
    uint64_t salt;
};

void permutation_init(struct permutation *p, uint64_t count, uint64_t seed);
/* Requires: index < count. */
uint64_t permutation_at(const struct permutation *p, uint64_t index);

#endif
