/*
 * notes -- what lookups leave behind, near the thread that made them: counters, and a ring of
 * hashes that goes to the sketch when it is full.
 *
 * A thread writes to the pad that its hint picks. Counters are exact; when two threads share a pad
 * they may overwrite each other's hashes in the ring, which loses an access of many for the
 * sketch. Private to cache/. Threads: any.
 */
#ifndef VARVE_CACHE_NOTES_H
#define VARVE_CACHE_NOTES_H

#include "cache/kind.h"
#include "cache/sketch.h"

enum { NOTES_PADS = 16, NOTES_RING = 64 };

/* Edge hits are those that would be lost first if that side were smaller (policy.h). */
enum note_outcome {
    NOTE_MISS,
    NOTE_HIT,
    NOTE_HIT_WINDOW_EDGE,
    NOTE_HIT_MAIN_EDGE,
    NOTE_OUTCOMES,
};

struct notes_pad {
    _Alignas(64) _Atomic uint64_t counts[NOTE_OUTCOMES][FETCH_KINDS];
    _Atomic uint32_t ring_count;
    _Atomic uint64_t ring[NOTES_RING];
};

struct notes {
    struct notes_pad *pads;
};

struct notes_sum {
    uint64_t counts[NOTE_OUTCOMES][FETCH_KINDS];
    uint64_t totals[NOTE_OUTCOMES];
};

bool notes_init(struct notes *n, struct alloc *a);
void notes_deinit(struct notes *n, struct alloc *a);

static inline size_t notes_size(void)
{
    return NOTES_PADS * sizeof(struct notes_pad);
}

/* The calling thread's pad. */
struct notes_pad *notes_mine(const struct notes *n);
void notes_count(struct notes_pad *pad, enum note_outcome outcome, enum fetch_kind kind);
/* Note an access for the sketch. True if this filled the ring and it was added. */
bool notes_access(struct notes_pad *pad, struct sketch *sketch, uint64_t hash);
void notes_sum(const struct notes *n, struct notes_sum *out);

#endif
