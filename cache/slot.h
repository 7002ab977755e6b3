/*
 * slot -- one entry's place in the cache: a line that lookups touch, and a node that they do not.
 *
 * A slot's word says everything that changes while others look: its state, who has it pinned,
 * where its bytes are. All transitions are single atomic operations on the word:
 *
 *   FREE  -> LOOSE  taken by a reserver, one pin           (mutex)
 *   LOOSE -> LIVE   inserted: lookups may pin it           (mutex)
 *   LIVE  -> FREE   evicted or erased; only without pins   (mutex)
 *   LIVE  -> LOOSE  erased while pinned                    (mutex)
 *   LOOSE -> FREE   by whoever drops the last pin          (mutex, after the drop)
 *
 * Pins rise from a LIVE word, or from a word that the caller has pinned already; so an unpinned
 * LOOSE slot is its last owner's alone. The chunk is part of the word: a compare-and-swap moves an
 * unpinned entry's bytes, and a reader has the address that was true when it pinned.
 *
 * Slots are never given back before the cache is destroyed: a lookup may look at a slot that has
 * meanwhile become another entry's, finds another name in it, and goes on.
 *
 * Private to cache/. Threads: as each function says.
 */
#ifndef VARVE_CACHE_SLOT_H
#define VARVE_CACHE_SLOT_H

#include "base/alloc.h"

#include "cache/cache.h"

#include <stdatomic.h>

/*
 * The word:
 *
 *    bits  field
 *    0-19  pins
 *   20-21  state
 *   22-24  kind (enum fetch_kind)
 *   25-26  segment (enum segment)
 *      27  touched: found by a lookup since the policy last looked
 *      28  scan: only scans have asked for it
 *   29-31  stamp: when it last went to the front of the window (policy.h)
 *   32-63  chunk (memory.h)
 */
enum slot_state { SLOT_FREE, SLOT_LOOSE, SLOT_LIVE };
enum segment { SEGMENT_WINDOW, SEGMENT_PROBATION, SEGMENT_PROTECTED, SEGMENTS };

enum {
    SLOT_PINS_MAX = (1 << 20) - 1,
    SLOT_STATE_SHIFT = 20,
    SLOT_KIND_SHIFT = 22,
    SLOT_SEGMENT_SHIFT = 25,
    SLOT_TOUCHED = 1 << 27,
    SLOT_SCAN = 1 << 28,
    SLOT_STAMP_SHIFT = 29,
    SLOT_STAMPS = 8,
    SLOT_CHUNK_SHIFT = 32,
};

struct slot {
    _Alignas(64) _Atomic uint64_t word;
    /* The name. Written in LOOSE; read by lookups at any time, believed only while pinned. */
    _Atomic uint64_t file;
    _Atomic uint64_t offset;
    _Atomic uint32_t next; /* In its index chain. mutex to write. */
    uint32_t size;         /* Written in LOOSE before any pin but the reserver's. */
    uint8_t header[FETCH_HEADER_SIZE];
};
_Static_assert(sizeof(struct slot) == 64, "a hit touches one line");

/* The policy's half: in a list while LIVE; next also chains free slots. mutex. */
struct slot_node {
    uint32_t prev;
    uint32_t next;
    uint32_t bytes; /* What it weighs: its chunk's size. */
};

enum { SLOTS_PER_BLOCK = 128 };

struct slot_block {
    struct slot slots[SLOTS_PER_BLOCK];
    struct slot_node nodes[SLOTS_PER_BLOCK];
};

struct slot_pool {
    struct alloc *alloc;
    struct slot_block **blocks; /* mutex to grow; an id's block is there before the id is seen. */
    uint32_t block_count;
    uint32_t block_max;
    uint32_t free; /* First free slot, 0: none. */
};

/* block_max bounds the slots; the table of blocks is taken at once. False: no memory. */
bool slot_pool_init(struct slot_pool *p, struct alloc *a, uint32_t block_max);
void slot_pool_deinit(struct slot_pool *p);
/* Add a block of free slots. False: no memory, or block_max reached. */
bool slot_pool_grow(struct slot_pool *p);
/* A FREE slot, 0 if there is none. mutex. */
uint32_t slot_take(struct slot_pool *p);
void slot_give(struct slot_pool *p, uint32_t id);

static inline struct slot *slot_at(const struct slot_pool *p, uint32_t id)
{
    return &p->blocks[id / SLOTS_PER_BLOCK]->slots[id % SLOTS_PER_BLOCK];
}
static inline struct slot_node *slot_node_at(const struct slot_pool *p, uint32_t id)
{
    return &p->blocks[id / SLOTS_PER_BLOCK]->nodes[id % SLOTS_PER_BLOCK];
}

static inline uint32_t word_pins(uint64_t word)
{
    return (uint32_t)word & SLOT_PINS_MAX;
}
static inline enum slot_state word_state(uint64_t word)
{
    return (enum slot_state)(word >> SLOT_STATE_SHIFT & 3);
}
static inline enum fetch_kind word_kind(uint64_t word)
{
    return (enum fetch_kind)(word >> SLOT_KIND_SHIFT & 7);
}
static inline enum segment word_segment(uint64_t word)
{
    return (enum segment)(word >> SLOT_SEGMENT_SHIFT & 3);
}
static inline uint32_t word_stamp(uint64_t word)
{
    return (uint32_t)(word >> SLOT_STAMP_SHIFT) % SLOT_STAMPS;
}
static inline uint32_t word_chunk(uint64_t word)
{
    return (uint32_t)(word >> SLOT_CHUNK_SHIFT);
}

static inline uint64_t slot_word(const struct slot *s)
{
    return atomic_load_explicit(&s->word, memory_order_relaxed);
}
static inline struct cache_key slot_key(const struct slot *s)
{
    return (struct cache_key) {
        .file = atomic_load_explicit(&s->file, memory_order_relaxed),
        .offset = atomic_load_explicit(&s->offset, memory_order_relaxed),
    };
}
static inline bool slot_is_named(const struct slot *s, struct cache_key key)
{
    return atomic_load_explicit(&s->file, memory_order_relaxed) == key.file &&
           atomic_load_explicit(&s->offset, memory_order_relaxed) == key.offset;
}

/* Pin a LIVE slot, setting the bits of set and clearing those of clear; *out_word is what it was
 * before. False if it is not LIVE. Any thread. The slot may have become another entry's: compare
 * the name again when pinned. */
bool slot_try_pin(struct slot *s, uint64_t set, uint64_t clear, uint64_t *out_word);
/* Drop one pin. True if the slot is now its dropper's alone, to be freed. Any thread that has it
 * pinned. */
bool slot_unpin(struct slot *s);

/* The rest under the cache's mutex. */

/* FREE -> LOOSE with one pin. */
void slot_open(struct slot *s, uint32_t chunk, uint32_t size);
/* LOOSE -> LIVE under this name, in no segment's list yet; flags: SLOT_SCAN or 0. */
void slot_publish(struct slot *s, struct cache_key key, enum fetch_kind kind, uint64_t flags);
/* LIVE -> FREE, unless it is pinned. */
bool slot_try_kill(struct slot *s);
/* LIVE -> FREE, or LOOSE if it is pinned. Returns the new state. */
enum slot_state slot_erase(struct slot *s);
/* LOOSE and unpinned -> FREE. */
void slot_close(struct slot *s);
/* Give an unpinned LIVE slot another chunk. False if it is pinned. */
bool slot_try_move(struct slot *s, uint32_t chunk);
void slot_set_segment(struct slot *s, enum segment segment, uint32_t stamp);
void slot_clear_touched(struct slot *s);

#endif
