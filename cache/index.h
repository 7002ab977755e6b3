/*
 * index -- from a name to its slot, without a lock.
 *
 * Buckets of chained slots. A bucket is one word, {version, first slot}; its version rises after
 * every change of its chain. Changes are made under the cache's mutex; a lookup walks the chain
 * beside them. Private to cache/.
 *
 *   1. A lookup that finds nothing walked its whole chain as it was at one moment: if the bucket's
 *      word is still the one it started from, no slot of the chain was taken out or put in
 *      meanwhile, so no step led into another chain.
 *
 * Why the version is raised after unlinking and before reuse: a lookup that starts from the new
 * word cannot reach the slot any more; one that started from the old word and reads a link that
 * the slot's next life wrote must then see the new word too, and starts again.
 */
#ifndef VARVE_CACHE_INDEX_H
#define VARVE_CACHE_INDEX_H

#include "cache/slot.h"

struct index {
    _Atomic uint64_t *buckets; /* version << 32 | slot */
    uint32_t bucket_count;
    uint64_t seed;
};

bool index_init(struct index *x, struct alloc *a, uint32_t bucket_count, uint64_t seed);
void index_deinit(struct index *x, struct alloc *a);

static inline size_t index_size(const struct index *x)
{
    return x->bucket_count * sizeof x->buckets[0];
}

uint64_t index_hash(const struct index *x, struct cache_key key);

/* The slot of that name, pinned as by slot_try_pin; 0 if there is none. Any thread. Between the
 * look at the name and the pin the slot may have become another entry's: compare the name again,
 * and if it differs, unpin and ask again. */
uint32_t index_pin(const struct index *x, const struct slot_pool *p, struct cache_key key,
                   uint64_t hash, uint64_t set, uint64_t clear, uint64_t *out_word);

/* mutex. */
bool index_has(const struct index *x, const struct slot_pool *p, struct cache_key key,
               uint64_t hash);
void index_add(struct index *x, const struct slot_pool *p, uint32_t id, uint64_t hash);
void index_remove(struct index *x, const struct slot_pool *p, uint32_t id);

#endif
