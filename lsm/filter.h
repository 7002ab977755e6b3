/*
 * filter -- might this table hold this key? A blocked Bloom filter (Putze, Sanders, Singler,
 * "Cache-, hash- and space-efficient Bloom filters", 2007).
 *
 * All bits of a key lie in one line of 64 bytes, so a test costs one cache miss. Lines are grouped
 * into partitions, which are read and cached by themselves. Partition, line and bits follow from
 * the key's hash alone: a reader goes to the line without looking at an index, may prefetch it for
 * several tables at once, and learns that a key is absent before it has touched anything else.
 *
 *   1. A key that was added is always found.
 *   2. With 10 bits a key about one absent key in a hundred is found too.
 *
 * A partition is `lines` lines and a last line that is zero up to its trailer, so that partitions
 * of a full table are one page each.
 *
 * Threads: any; values only.
 */
#ifndef VARVE_LSM_FILTER_H
#define VARVE_LSM_FILTER_H

#include "base/hash.h"

enum {
    LSM_FILTER_LINE = 64,
    LSM_FILTER_LINES_MAX = 63, /* In a partition: 64 lines with the last one are a page. */
    LSM_FILTER_PROBES_MAX = 7, /* Nine bits of a hash each. */
    LSM_FILTER_BITS_MAX = 32,  /* A key. */
};

struct lsm_filter_shape {
    uint32_t parts;
    uint32_t lines; /* In a partition. */
    uint32_t probes;
};

/* For key_count keys of bits bits each; parts 0 without keys. */
struct lsm_filter_shape lsm_filter_shape_of(uint64_t key_count, uint32_t bits);
/* May such a shape come from a file? */
bool lsm_filter_is_sane(struct lsm_filter_shape shape);

/* Bytes of a partition, trailer included. */
static inline uint64_t lsm_filter_part_size(struct lsm_filter_shape s)
{
    return ((uint64_t)s.lines + 1) * LSM_FILTER_LINE;
}

/* The high half of the hash picks the partition, the low half the line, a mix of all the bits. */
static inline uint32_t lsm_filter_part(struct lsm_filter_shape s, uint64_t hash)
{
    return (uint32_t)((hash >> 32) * s.parts >> 32);
}
static inline uint32_t lsm_filter_line(struct lsm_filter_shape s, uint64_t hash)
{
    return (uint32_t)((hash & UINT32_MAX) * s.lines >> 32);
}

static inline bool lsm_filter_may_have(struct lsm_filter_shape s, const uint8_t *part,
                                       uint64_t hash)
{
    const uint8_t *line = part + (size_t)LSM_FILTER_LINE * lsm_filter_line(s, hash);
    uint64_t bits = hash_u64(hash);
    uint64_t found = 1;

    for (uint32_t i = 0; i < s.probes; i++, bits >>= 9)
        found &= get_u64(line + (bits >> 6 & 7) * 8) >> (bits & 63);
    return found & 1;
}

/* parts: all partitions, one after another, zeroed at first. */
void lsm_filter_add(struct lsm_filter_shape s, uint8_t *parts, const uint64_t *hashes,
                    size_t count);

#endif
