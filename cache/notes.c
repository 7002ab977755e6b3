#include "cache/notes.h"

#include "base/thread.h"

#include <string.h>

bool notes_init(struct notes *n, struct alloc *a)
{
    n->pads = alloc_aligned(a, 64, notes_size());
    if (n->pads != NULL)
        memset(n->pads, 0, notes_size());
    return n->pads != NULL;
}

void notes_deinit(struct notes *n, struct alloc *a)
{
    alloc_free(a, n->pads, notes_size());
}

struct notes_pad *notes_mine(const struct notes *n)
{
    return &n->pads[thread_hint() % NOTES_PADS];
}

void notes_count(struct notes_pad *pad, enum note_outcome outcome, enum fetch_kind kind)
{
    atomic_fetch_add_explicit(&pad->counts[outcome][kind], 1, memory_order_relaxed);
}

bool notes_access(struct notes_pad *pad, struct sketch *sketch, uint64_t hash)
{
    uint32_t i = atomic_load_explicit(&pad->ring_count, memory_order_relaxed);
    uint64_t hashes[NOTES_RING];

    atomic_store_explicit(&pad->ring[i % NOTES_RING], hash, memory_order_relaxed);
    atomic_store_explicit(&pad->ring_count, i + 1, memory_order_relaxed);
    if ((i + 1) % NOTES_RING != 0)
        return false;
    for (int j = 0; j < NOTES_RING; j++)
        hashes[j] = atomic_load_explicit(&pad->ring[j], memory_order_relaxed);
    sketch_add(sketch, hashes, NOTES_RING);
    return true;
}

void notes_sum(const struct notes *n, struct notes_sum *out)
{
    memset(out, 0, sizeof *out);
    for (int p = 0; p < NOTES_PADS; p++)
        for (int o = 0; o < NOTE_OUTCOMES; o++)
            for (int k = 0; k < FETCH_KINDS; k++) {
                const _Atomic uint64_t *count = &n->pads[p].counts[o][k];
                uint64_t v = atomic_load_explicit(count, memory_order_relaxed);
                out->counts[o][k] += v;
                out->totals[o] += v;
            }
}
