/*
 * memory -- the cache's buffers: slabs cut into chunks of one size, and large buffers of their own.
 *
 * Chunk sizes are eight to a doubling, from 512 bytes to an eighth of a slab, so at most an eighth
 * of a chunk is unused; a size that is a multiple of 4 KiB gets a chunk that is one too, and lies
 * on such a boundary. Anything larger is allocated by itself. A slab is 2 MiB, or less in a small
 * cache, so that there are some hundreds of them for the sizes to share. A slab whose chunks are
 * all free is spare and serves any size next; the cache empties sparse slabs by moving entries.
 *
 * A look at a random block is mostly the translation of its address, so slabs that are smaller than
 * a huge page are cut from *spans* that are one, where the cache is large enough. A span is address
 * space and stays until the cache goes: its slabs are *hollow*, and charged when they get memory.
 *
 *   1. held_bytes, which all of the cache's memory is charged to, never passes max_bytes.
 *   2. A chunk in use has an owner, the id of its entry's slot.
 *
 * Private to cache/. Threads: under the cache's mutex; memory_data also by who has the chunk's
 * entry pinned, memory_prefetch by anybody.
 */
#ifndef VARVE_CACHE_MEMORY_H
#define VARVE_CACHE_MEMORY_H

#include "base/env.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A chunk's id: slab << 12 | number of the chunk in it. */
enum { CHUNK_BITS = 12, CHUNK_SIZE_MIN = 512, CHUNK_STEPS = 8, CHUNK_CLASSES_MAX = 1 + 9 * 8 };
enum { MEMORY_NONE = UINT32_MAX };

/* What a reader needs of a slab, apart from what changes with every chunk taken. Written under the
 * mutex; who has a chunk of it pinned sees what holds. */
struct memory_place {
    uint8_t *_Atomic data;
    _Atomic size_t chunk_size;
};

struct memory_slab {
    uint32_t *owners; /* Of each chunk; of a free one FREE_FLAG and the next free one. */
    uint32_t chunk_class;
    uint32_t chunk_count;
    uint32_t used;  /* Chunks in use. */
    uint32_t fresh; /* Chunks from this on were never used and are in no free list. */
    uint32_t free;  /* First free chunk below fresh. */
    bool is_closed; /* Being emptied: in no list. */
    uint32_t prev;  /* In its class's list of slabs with room; */
    uint32_t next;  /* also in spare, hollow, vacant. */
};

struct memory_class {
    uint32_t chunk_size;
    uint32_t with_room; /* First slab that has a free chunk. */
    uint32_t slab_count;
    uint64_t free_count; /* Chunks. */
};

struct memory {
    const struct env *env;
    uint64_t max_bytes;
    _Atomic uint64_t held_bytes; /* mutex to write. */
    uint64_t idle_bytes;         /* Of slabs, not in use by chunks. */
    size_t slab_size;
    size_t chunk_size_max;
    uint8_t **spans;
    uint32_t span_max; /* 0: slabs are allocated one by one. */
    uint32_t span_count;
    uint32_t place_max;
    uint32_t place_count; /* Places ever used. */
    uint32_t vacant;      /* First place in no use below that. */
    uint32_t spare;       /* First slab with memory and no class. */
    uint32_t spare_count;
    uint32_t hollow; /* First slab of a span that has no memory. */
    uint32_t class_count;
    struct memory_class classes[CHUNK_CLASSES_MAX];
    struct memory_place *places;
    struct memory_slab *slabs;
};

/* False: no memory. */
bool memory_init(struct memory *m, const struct env *env, uint64_t max_bytes);
/* Requires: no chunk in use. */
void memory_deinit(struct memory *m);

/* Charge bytes that somebody else allocates for the cache. False, and nothing charged, if that
 * would pass max_bytes or the node's budget. */
bool memory_charge(struct memory *m, size_t size);
void memory_refund(struct memory *m, size_t size);

/* A chunk for size bytes, owned by slot owner. False: there is no room now. */
bool memory_take(struct memory *m, size_t size, uint32_t owner, uint32_t *out_chunk);
void memory_give(struct memory *m, uint32_t chunk);
/* Bytes it takes: what its entry weighs. */
size_t memory_chunk_size(const struct memory *m, uint32_t chunk);

/* Where in its place a chunk begins. */
static inline size_t memory_offset(const struct memory_place *place, uint32_t chunk)
{
    return (chunk & ((1u << CHUNK_BITS) - 1)) *
           atomic_load_explicit(&place->chunk_size, memory_order_relaxed);
}

static inline uint8_t *memory_data(const struct memory *m, uint32_t chunk)
{
    const struct memory_place *place = &m->places[chunk >> CHUNK_BITS];
    return atomic_load_explicit(&place->data, memory_order_relaxed) + memory_offset(place, chunk);
}

/* Ask for the line at `at` of a chunk, which may have gone: only a hint, at any address. */
static inline void memory_prefetch(const struct memory *m, uint32_t chunk, size_t at)
{
    const struct memory_place *place = &m->places[chunk >> CHUNK_BITS];
    uintptr_t begin = (uintptr_t)atomic_load_explicit(&place->data, memory_order_relaxed);

    __builtin_prefetch((const void *)(begin + memory_offset(place, chunk) + at));
}

/* Is there room for another slab without giving anything up? */
bool memory_has_slab(const struct memory *m);
/* Give a spare slab's memory back, to be charged to something else. False if there is none. */
bool memory_drop_spare(struct memory *m);

/*
 * The slab that is cheapest to empty, of the size that has most to gain, if that size has a whole
 * slab's worth of free chunks and the slab is not refused by is_refused (an owner in it is
 * pinned); MEMORY_NONE if there is none.
 */
uint32_t memory_sparsest(const struct memory *m, bool (*is_pinned)(void *context, uint32_t owner),
                         void *context);
/* Take a slab out of its class's list, so that chunks for its owners are found elsewhere; and put
 * it back, unless it has become empty and thereby spare. */
void memory_close_slab(struct memory *m, uint32_t slab);
void memory_reopen_slab(struct memory *m, uint32_t slab);
/* The next chunk in use from number *cursor on, false at the end. */
bool memory_next_owner(const struct memory *m, uint32_t slab, uint32_t *cursor, uint32_t *out_chunk,
                       uint32_t *out_owner);

/* CHECK the counts against the slabs: O(chunks). */
void memory_check(const struct memory *m);

#endif
