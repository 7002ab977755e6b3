#include "cache/slot.h"

#include "base/check.h"

#include <string.h>

bool slot_pool_init(struct slot_pool *p, struct alloc *a, uint32_t block_max)
{
    *p = (struct slot_pool) { .alloc = a, .block_max = block_max };
    p->blocks = alloc_array(a, block_max, sizeof(struct slot_block *));
    return p->blocks != NULL;
}

void slot_pool_deinit(struct slot_pool *p)
{
    for (uint32_t i = 0; i < p->block_count; i++)
        alloc_free(p->alloc, p->blocks[i], sizeof(struct slot_block));
    alloc_free(p->alloc, p->blocks, p->block_max * sizeof(struct slot_block *));
}

bool slot_pool_grow(struct slot_pool *p)
{
    if (p->block_count == p->block_max)
        return false;
    struct slot_block *block = alloc_aligned(p->alloc, 64, sizeof *block);
    if (block == NULL)
        return false;
    memset(block, 0, sizeof *block);
    uint32_t first = p->block_count * SLOTS_PER_BLOCK;
    p->blocks[p->block_count++] = block;
    /* Slot 0 stays out of use: its id means none. */
    for (uint32_t i = SLOTS_PER_BLOCK; i-- > (first == 0 ? 1 : 0);)
        slot_give(p, first + i);
    return true;
}

uint32_t slot_take(struct slot_pool *p)
{
    uint32_t id = p->free;

    if (id != 0)
        p->free = slot_node_at(p, id)->next;
    return id;
}

void slot_give(struct slot_pool *p, uint32_t id)
{
    DCHECK(word_state(slot_word(slot_at(p, id))) == SLOT_FREE);
    slot_node_at(p, id)->next = p->free;
    p->free = id;
}

/*
 * Orders. Pinning acquires: what the inserter wrote before it published the word is seen. Dropping
 * a pin releases, and killing, moving and closing acquire: what readers did with the bytes comes
 * before the bytes' reuse. All changes of a word in use are read-modify-writes, so a release by
 * any earlier reader is still in the sequence that the killer acquires.
 */

bool slot_try_pin(struct slot *s, uint64_t set, uint64_t clear, uint64_t *out_word)
{
    uint64_t word = slot_word(s);

    do {
        if (word_state(word) != SLOT_LIVE)
            return false;
        CHECK(word_pins(word) < SLOT_PINS_MAX);
    } while (!atomic_compare_exchange_weak_explicit(&s->word, &word, ((word + 1) | set) & ~clear,
                                                    memory_order_acquire, memory_order_relaxed));
    *out_word = word;
    return true;
}

bool slot_unpin(struct slot *s)
{
    uint64_t before = atomic_fetch_sub_explicit(&s->word, 1, memory_order_acq_rel);

    CHECK(word_pins(before) > 0);
    return word_pins(before) == 1 && word_state(before) == SLOT_LOOSE;
}

static uint64_t word_of(uint32_t chunk, enum slot_state state, uint32_t pins)
{
    return (uint64_t)chunk << SLOT_CHUNK_SHIFT | (uint64_t)state << SLOT_STATE_SHIFT | pins;
}

void slot_open(struct slot *s, uint32_t chunk, uint32_t size)
{
    DCHECK(word_state(slot_word(s)) == SLOT_FREE);
    s->size = size;
    memset(s->header, 0, sizeof s->header);
    atomic_store_explicit(&s->word, word_of(chunk, SLOT_LOOSE, 1), memory_order_relaxed);
}

void slot_publish(struct slot *s, struct cache_key key, enum fetch_kind kind, uint64_t flags)
{
    uint64_t word = slot_word(s);
    uint64_t live;

    CHECK(word_state(word) == SLOT_LOOSE && word_pins(word) > 0);
    atomic_store_explicit(&s->file, key.file, memory_order_relaxed);
    atomic_store_explicit(&s->offset, key.offset, memory_order_relaxed);
    do {
        live = word_of(word_chunk(word), SLOT_LIVE, word_pins(word)) |
               (uint64_t)kind << SLOT_KIND_SHIFT | flags;
    } while (!atomic_compare_exchange_weak_explicit(&s->word, &word, live, memory_order_release,
                                                    memory_order_relaxed));
}

bool slot_try_kill(struct slot *s)
{
    uint64_t word = slot_word(s);

    do {
        if (word_pins(word) > 0)
            return false;
        DCHECK(word_state(word) == SLOT_LIVE);
    } while (!atomic_compare_exchange_weak_explicit(&s->word, &word, 0, memory_order_acquire,
                                                    memory_order_relaxed));
    return true;
}

enum slot_state slot_erase(struct slot *s)
{
    uint64_t word = slot_word(s);
    uint64_t after;

    do {
        DCHECK(word_state(word) == SLOT_LIVE);
        after = word_pins(word) == 0 ? 0 : word_of(word_chunk(word), SLOT_LOOSE, word_pins(word));
    } while (!atomic_compare_exchange_weak_explicit(&s->word, &word, after, memory_order_acquire,
                                                    memory_order_relaxed));
    return word_state(after);
}

void slot_close(struct slot *s)
{
    DCHECK(word_state(slot_word(s)) == SLOT_LOOSE && word_pins(slot_word(s)) == 0);
    atomic_store_explicit(&s->word, 0, memory_order_relaxed);
}

bool slot_try_move(struct slot *s, uint32_t chunk)
{
    uint64_t word = slot_word(s);
    uint64_t after;

    do {
        if (word_pins(word) > 0 || word_state(word) != SLOT_LIVE)
            return false;
        after = (word & UINT32_MAX) | (uint64_t)chunk << SLOT_CHUNK_SHIFT;
    } while (!atomic_compare_exchange_weak_explicit(&s->word, &word, after, memory_order_acq_rel,
                                                    memory_order_relaxed));
    return true;
}

void slot_set_segment(struct slot *s, enum segment segment, uint32_t stamp)
{
    /* Under the mutex nobody else changes these bits: what differs is flipped. */
    uint64_t word = slot_word(s);
    uint64_t change = (uint64_t)(word_segment(word) ^ segment) << SLOT_SEGMENT_SHIFT |
                      (uint64_t)(word_stamp(word) ^ stamp) << SLOT_STAMP_SHIFT;

    atomic_fetch_xor_explicit(&s->word, change, memory_order_relaxed);
}

void slot_clear_touched(struct slot *s)
{
    atomic_fetch_and_explicit(&s->word, ~(uint64_t)SLOT_TOUCHED, memory_order_relaxed);
}
