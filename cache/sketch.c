#include "cache/sketch.h"

#include <string.h>

/* A word is 16 counters; a row of a line is two words. Row r takes five bits of the hash from
 * HASH_SHIFT + 5 r on: which word, which counter. The line comes from the low half of the hash. */
enum { COUNTER_BITS = 4, ROW_BITS = 5, HASH_SHIFT = 36 };

bool sketch_init(struct sketch *k, struct alloc *a, uint32_t line_count)
{
    k->line_count = line_count;
    k->lines = alloc_aligned(a, 64, sketch_size(k));
    atomic_init(&k->additions, 0);
    if (k->lines == NULL)
        return false;
    memset(k->lines, 0, sketch_size(k));
    return true;
}

void sketch_deinit(struct sketch *k, struct alloc *a)
{
    alloc_free(a, k->lines, sketch_size(k));
}

static struct sketch_line *line_of(const struct sketch *k, uint64_t hash)
{
    return &k->lines[(hash & UINT32_MAX) * k->line_count >> 32];
}

static _Atomic uint64_t *counter_of(struct sketch_line *line, uint64_t hash, int row,
                                    unsigned *out_shift)
{
    unsigned bits = (unsigned)(hash >> (HASH_SHIFT + ROW_BITS * row)) & ((1u << ROW_BITS) - 1);

    *out_shift = (bits >> 1) * COUNTER_BITS;
    return &line->words[2 * row + (bits & 1)];
}

static void add_one(struct sketch_line *line, uint64_t hash)
{
    for (int row = 0; row < SKETCH_ROWS; row++) {
        unsigned shift;
        _Atomic uint64_t *word = counter_of(line, hash, row, &shift);
        uint64_t counters = atomic_load_explicit(word, memory_order_relaxed);
        if ((counters >> shift & SKETCH_COUNT_MAX) < SKETCH_COUNT_MAX)
            atomic_store_explicit(word, counters + (UINT64_C(1) << shift), memory_order_relaxed);
    }
}

void sketch_add(struct sketch *k, const uint64_t *hashes, size_t count)
{
    /* The lines are far apart in memory: ask for all before touching the first. */
    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(line_of(k, hashes[i]), 1);
    for (size_t i = 0; i < count; i++)
        add_one(line_of(k, hashes[i]), hashes[i]);
    atomic_fetch_add_explicit(&k->additions, count, memory_order_relaxed);
}

unsigned sketch_estimate(const struct sketch *k, uint64_t hash)
{
    struct sketch_line *line = line_of(k, hash);
    unsigned least = SKETCH_COUNT_MAX;

    for (int row = 0; row < SKETCH_ROWS; row++) {
        unsigned shift;
        _Atomic uint64_t *word = counter_of(line, hash, row, &shift);
        uint64_t counters = atomic_load_explicit(word, memory_order_relaxed);
        unsigned count = (unsigned)(counters >> shift) & SKETCH_COUNT_MAX;
        if (count < least)
            least = count;
    }
    return least;
}

void sketch_halve(struct sketch *k)
{
    const uint64_t without_top_bits = UINT64_C(0x7777777777777777);
    uint64_t additions = atomic_load_explicit(&k->additions, memory_order_relaxed);

    for (uint32_t i = 0; i < k->line_count; i++)
        for (int j = 0; j < SKETCH_WORDS; j++) {
            _Atomic uint64_t *word = &k->lines[i].words[j];
            uint64_t counters = atomic_load_explicit(word, memory_order_relaxed);
            atomic_store_explicit(word, counters >> 1 & without_top_bits, memory_order_relaxed);
        }
    atomic_fetch_sub_explicit(&k->additions, additions - additions / 2, memory_order_relaxed);
}
