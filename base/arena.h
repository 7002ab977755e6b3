/*
 * arena -- memory that is given back all at once.
 *
 * A list of chunks from an allocator, bump-allocated. reset() keeps the chunks for the next round.
 * Has a maximum, given at init. Threads: one owner.
 */
#ifndef VARVE_BASE_ARENA_H
#define VARVE_BASE_ARENA_H

#include "base/alloc.h"
#include "base/bytes.h"

struct arena_chunk;

struct arena {
    struct alloc *alloc;
    struct arena_chunk *first;
    struct arena_chunk *current; /* Taken from now; NULL after init and reset. */
    size_t chunk_size;
    size_t size_max;
    size_t held_bytes; /* Sum of all chunks. */
};

void arena_init(struct arena *a, struct alloc *alloc, size_t chunk_size, size_t size_max);
void arena_deinit(struct arena *a);
/* Uninitialised, aligned to 16, valid until reset or deinit. NULL when the maximum is reached or
 * memory is out; what was taken before stays good. */
void *arena_take(struct arena *a, size_t size);
/* A copy of b in the arena; data NULL on failure. */
struct bytes arena_copy(struct arena *a, struct bytes b);
/* Everything taken is gone; the chunks stay for the next round. */
void arena_reset(struct arena *a);

#endif
