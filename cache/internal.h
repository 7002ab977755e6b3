/*
 * internal -- the cache as its own files see it. Private to cache/.
 */
#ifndef VARVE_CACHE_INTERNAL_H
#define VARVE_CACHE_INTERNAL_H

#include "base/thread.h"

#include "cache/cache.h"
#include "cache/index.h"
#include "cache/memory.h"
#include "cache/notes.h"
#include "cache/policy.h"
#include "cache/reads.h"
#include "cache/sketch.h"
#include "cache/slot.h"

struct cache {
    /* Read by every lookup, written at creation only (but for what their headers say). */
    const struct env *env;
    struct index index;
    struct slot_pool slots;
    struct memory memory;
    struct sketch sketch;
    struct notes notes;
    struct reads reads;   /* Device reads under way, for fetches; has a mutex of its own. */
    uint64_t table_bytes; /* mutex */
    uint32_t entry_max;
    _Alignas(64) struct mutex mutex;
    struct policy policy;     /* mutex */
    uint64_t unlisted_bytes;  /* mutex */
    uint64_t inserts;         /* mutex */
    uint64_t erasures;        /* mutex */
    uint64_t moves;           /* mutex */
    uint64_t failed_reserves; /* mutex */
};

/* Evict a LIVE slot: out of index and lists, memory given back. False if it is pinned. mutex. */
bool cache_evict_slot(struct cache *c, uint32_t id);

#endif
