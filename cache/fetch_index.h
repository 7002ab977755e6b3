/*
 * fetch_index -- which blocks a fetch has or waits for, found by their places. Private to cache/.
 *
 * A command that reads many keys runs again when its reads are done, and asks for each of its
 * blocks again: looking each up among all the others would cost the square of their number. A fetch
 * with a few blocks has no index and looks at all of them. One that cannot have the memory for it
 * goes on without.
 *
 * An open hash table, at most three quarters full; what it no longer has stays as an entry without
 * pin and want until the reset.
 *
 * Threads: the fetch's.
 */
#ifndef VARVE_CACHE_FETCH_INDEX_H
#define VARVE_CACHE_FETCH_INDEX_H

#include "cache/fetch.h"

enum { FETCH_INDEX_FROM = 32 }; /* Pins and wants. */
#define FETCH_NO_PIN UINT32_MAX

struct fetch_index_entry {
    uint64_t file_id;
    uint64_t offset;
    struct fetch_want *want; /* NULL: none. */
    uint32_t pin;            /* Its place, or FETCH_NO_PIN. */
    bool is_used;
};

static inline bool fetch_index_is_built(const struct fetch *f)
{
    return f->index.capacity > 0;
}

/* Index what the fetch has, if that is much, and no failure before forbids. */
void fetch_index_build(struct fetch *f);
/* NULL: the block is neither pinned nor wanted. Requires: built. */
struct fetch_index_entry *fetch_index_find(const struct fetch *f, uint64_t file_id,
                                           uint64_t offset);
/* The block is pinned at this place (FETCH_NO_PIN: not any more); it is wanted (NULL: not any
 * more). Nothing if there is no index. */
void fetch_index_note_pin(struct fetch *f, uint64_t file_id, uint64_t offset, uint32_t pin);
void fetch_index_note_want(struct fetch *f, uint64_t file_id, uint64_t offset,
                           struct fetch_want *want);
/* No index any more. */
void fetch_index_reset(struct fetch *f);

#endif
