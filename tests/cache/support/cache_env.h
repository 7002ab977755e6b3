/*
 * A cache on a test's own env: an allocator that can fail and counts, a budget, a cache.
 */
#ifndef VARVE_TESTS_CACHE_ENV_H
#define VARVE_TESTS_CACHE_ENV_H

#include "base/alloc.h"
#include "base/budget.h"
#include "base/env.h"

#include "cache/cache.h"

struct cache_env {
    struct alloc_test alloc;
    struct budget budget;
    struct env env;
    struct cache *cache;
};

/* The node's budget has no cap of its own unless cap_bytes says so. */
void cache_env_open(struct cache_env *e, uint64_t size_bytes, size_t cap_bytes);
/* As above on the heap allocator, for several threads. */
void cache_env_open_shared(struct cache_env *e, uint64_t size_bytes);
/* Destroys the cache; CHECKs that all memory and budget came back. */
void cache_env_close(struct cache_env *e);

/* The bytes that an entry of that name must hold, wherever it is read. */
void cache_env_fill(struct cache_key key, uint8_t *data, size_t size);
bool cache_env_is_filled(struct cache_key key, const uint8_t *data, size_t size);

/* Look up; on a miss reserve, fill and insert. Unpins. True if it was a hit. CHECKs the bytes. */
bool cache_env_access(struct cache_env *e, struct cache_key key, size_t size, enum fetch_kind kind,
                      enum fetch_fill fill);

#endif
