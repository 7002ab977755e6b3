/*
 * cache -- blocks of files in memory, under one byte budget.
 *
 * An entry is a block named by (file id, offset): an aligned buffer that the cache owns, and 32
 * bytes of decoded header beside it. Who misses reserves a buffer, reads into it, and inserts it;
 * whoever finds it pins it while using it. What stays is decided by W-TinyLFU with bytes as weight
 * (Einziger, Friedman, Manes, "TinyLFU", 2017): a small window takes what is new, and what leaves
 * the window must have been asked for more often than what it would displace from the main part,
 * which is split into probation and protected. The window's share follows the workload.
 *
 *   1. The bytes held (slabs, large buffers, slots, tables) never pass size_bytes, nor what the
 *      node's budget grants.
 *   2. A pinned entry's bytes do not move or change. Eviction takes unpinned entries only.
 *   3. A reserved entry is its reserver's alone until it is inserted; not inserted, it is gone at
 *      its last unpin. An inserted entry is read-only.
 *   4. A lookup finds an entry that was inserted before it and not evicted or erased: a miss is
 *      never an accident of what other threads do meanwhile.
 *   5. Two entries of one name never both live: the second insert leaves its entry un-inserted.
 *
 * A hit takes no lock: it reads one word of the index, pins the slot with one compare-and-swap on
 * the one line it needs anyway, and notes the access in a ring near the thread. A miss, insert or
 * last unpin of an un-inserted entry takes the cache's mutex (RANK_CACHE) for about a microsecond.
 *
 * A file id is unique within the cache and never used again; who shares one cache between stores
 * puts the store's number into the upper bits.
 *
 * Threads: any, but create and destroy. A reserved entry by one thread at a time.
 */
#ifndef VARVE_CACHE_CACHE_H
#define VARVE_CACHE_CACHE_H

#include "base/env.h"
#include "base/status.h"

#include "cache/kind.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache;

enum { CACHE_SIZE_MIN = 128 * 1024 };

struct cache_options {
    uint64_t size_bytes; /* All of it, tables included; at least CACHE_SIZE_MIN. */
    uint64_t seed;       /* Of the hashes. Anything; the same in a replayed simulation. */
};

/* Takes memory as it fills, not at once. env (alloc, budget) is borrowed for life.
 * INVALID: size_bytes too small. NO_MEMORY. */
MUST_CHECK struct status cache_create(const struct env *env, const struct cache_options *options,
                                      struct cache **out_cache);
/* Requires: nothing is pinned. Takes NULL. */
void cache_destroy(struct cache *c);

/* ---- Entries ------------------------------------------------------------------------------ */

struct cache_key {
    uint64_t file;
    uint64_t offset;
};

/* A pinned entry. The pointers are good until cache_unpin(slot). */
struct cache_pin {
    uint32_t slot; /* Names the entry to the cache; never 0. */
    uint32_t size; /* As reserved. */
    uint8_t *data;
    uint8_t *header; /* FETCH_HEADER_SIZE bytes. */
};

/*
 * Find and pin. kind is for the statistics; fill says how the access counts: NORMAL is remembered
 * by the admission sketch, SCAN only keeps what is in the window a little longer, NONE leaves no
 * trace at all.
 */
bool cache_lookup(struct cache *c, struct cache_key key, enum fetch_kind kind, enum fetch_fill fill,
                  struct cache_pin *out_pin);

/*
 * As cache_lookup for who asks for the same block again and again: *hint is where it was found
 * last, 0 at first, and spares the way through the index while it holds. Any threads may share it.
 */
bool cache_lookup_hinted(struct cache *c, struct cache_key key, enum fetch_kind kind,
                         enum fetch_fill fill, _Atomic uint32_t *hint, struct cache_pin *out_pin);

/*
 * Begin to load what a lookup with this hint will touch, one dependent line a step: its slot, then
 * the block's bytes at `at`. Who takes step 0 for several blocks and then step 1 for all has their
 * misses overlap. Counts nothing, promises nothing.
 */
enum { CACHE_PREFETCH_STEPS = 2 };
void cache_prefetch(struct cache *c, uint32_t hint, unsigned step, size_t at);

/*
 * A buffer of size bytes, pinned, un-inserted, uninitialised but for a zeroed header: to fill.
 * data is aligned to IO_ALIGN if size is a multiple of it, else to 64.
 * LIMIT: larger than cache_entry_max. NO_MEMORY: all there is is pinned. In both cases the caller
 * reads into memory of its own.
 */
MUST_CHECK struct status cache_reserve(struct cache *c, size_t size, struct cache_pin *out_pin);
size_t cache_entry_max(const struct cache *c);

/*
 * Publish a filled entry under key; the caller's pin stays. From now on it is read-only. If the
 * key is there already (somebody else read the same block), or fill is NONE, it stays un-inserted
 * and good for the caller until unpinned.
 * Requires: reserved by the caller, not inserted before.
 */
void cache_insert(struct cache *c, uint32_t slot, struct cache_key key, enum fetch_kind kind,
                  enum fetch_fill fill);

/* Pin a slot once more that the caller has pinned (to hand it on). */
void cache_pin_again(struct cache *c, uint32_t slot);
void cache_unpin(struct cache *c, uint32_t slot);

/* Drop all entries of these files; pinned ones go at their last unpin. Walks the slots, in pieces,
 * with the mutex let go between them. Inserts for such a file must have ended. */
void cache_erase_files(struct cache *c, const uint64_t *files, size_t count);

/* ---- Numbers ------------------------------------------------------------------------------ */

struct cache_stats {
    uint64_t size_bytes;
    uint64_t held_bytes;     /* <= size_bytes. All that is charged. */
    uint64_t table_bytes;    /* ... of which slots, index, sketch and rings. */
    uint64_t idle_bytes;     /* ... of which taken by slabs and not by entries. */
    uint64_t entry_count;    /* Inserted ones. */
    uint64_t unlisted_bytes; /* Buffers that are reserved, or erased and still pinned. */
    uint64_t window_bytes;
    uint64_t probation_bytes;
    uint64_t protected_bytes;
    double window_share; /* What the window is let to have of the three, 0..1. */
    /* Lookups by kind; those with FETCH_FILL_NONE are not counted. */
    uint64_t hits[FETCH_KINDS];
    uint64_t misses[FETCH_KINDS];
    uint64_t inserts;
    uint64_t evictions;       /* Main victims, and window victims that were refused. */
    uint64_t refusals;        /* Window victims that lost against main ones. */
    uint64_t admissions;      /* ... that won, or found room. */
    uint64_t erasures;        /* By cache_erase_files. */
    uint64_t moves;           /* Entries copied to empty a slab. */
    uint64_t failed_reserves; /* All there was was pinned. */
};
/* Each figure is exact at some moment during the call. */
void cache_stats(struct cache *c, struct cache_stats *out);

/* CHECK every structural invariant: O(entries), takes the mutex. For tests and debug commands. */
void cache_check(struct cache *c);

#endif
