/*
 * epoch -- when may memory that readers might still look at be given back?
 *
 * A reader enters an epoch, loads shared pointers, and leaves; nothing is counted on shared lines.
 * A writer unlinks an object, then retires it; it is freed once every reader that was inside at
 * the time has left (Fraser, "Practical lock-freedom", 2004, chapter 5).
 *
 *   1. What was reachable when epoch_enter returned is not destroyed before epoch_leave.
 *   2. A reader that entered after epoch_collect, epoch_oldest or epoch_least_mark looked at its
 *      slot sees everything that the looking thread wrote before: both sides read-modify-write the
 *      slot, and one of the two comes first. (Not fences: ThreadSanitizer does not know them.)
 *   3. Garbage is destroyed in the order it was retired.
 *
 * Entering costs one atomic operation on the reader's own line, leaving a store. A reader that
 * never leaves keeps all later garbage alive: never wait inside, count references instead.
 *
 * Threads: enter and leave any, a slot belongs to one reader from enter to leave; retire and
 * collect by one thread at a time; oldest and least_mark any.
 */
#ifndef VARVE_BASE_EPOCH_H
#define VARVE_BASE_EPOCH_H

#include "base/alloc.h"
#include "base/status.h"

#include <stdatomic.h>

enum { EPOCH_SLOTS = 256 };

struct epoch_slot {
    _Alignas(64) _Atomic uint64_t entered; /* shared: the reader's epoch; 0: the slot is free. */
    _Atomic uint64_t mark; /* shared: what the reader published with epoch_set_mark; else 0. */
};

struct epoch_garbage {
    struct epoch_garbage *next;
    uint64_t epoch;
    void (*destroy)(struct epoch_garbage *g);
};

/* Allocate with alloc_aligned(64). */
struct epoch {
    _Alignas(64) _Atomic uint64_t current; /* shared: from 1; moved on by each retire. */
    struct epoch_garbage *oldest;          /* collector */
    struct epoch_garbage *newest;          /* collector */
    struct epoch_slot slots[EPOCH_SLOTS];
};

void epoch_init(struct epoch *e);
/* Destroys all garbage. Requires: nobody inside. */
void epoch_deinit(struct epoch *e);

/* A slot for this reader, or NULL when all are taken (wait and try again). Threads find one near a
 * hint of their own, so that the same thread meets the same line. */
struct epoch_slot *epoch_enter(struct epoch *e, uint32_t hint);
void epoch_leave(struct epoch_slot *slot);

/* Say which version this reader reads at (the greatest visible when it entered), so that nothing
 * it may see is dropped. Requires: inside; mark > 0. */
static inline void epoch_set_mark(struct epoch_slot *slot, uint64_t mark)
{
    atomic_store_explicit(&slot->mark, mark, memory_order_release);
}
/* The least of bound and the marks of the readers inside; 0 while one of them has not said its
 * mark yet. A reader that enters later loads what the caller had published before this call. */
uint64_t epoch_least_mark(struct epoch *e, uint64_t bound);

/* g has been unlinked: destroy it when no reader can hold it. g is taken; destroy is called by a
 * later epoch_collect or epoch_deinit, and may retire more. */
void epoch_retire(struct epoch *e, struct epoch_garbage *g);
/* Destroy what can be. Returns the number still waiting. */
size_t epoch_collect(struct epoch *e);
/* The least epoch any reader is in; current if none. */
uint64_t epoch_oldest(struct epoch *e);
/* The epoch that readers enter from now on. Asked after a retire: once epoch_oldest has come to it,
 * all are gone who could reach what was retired. Any thread. */
uint64_t epoch_now(const struct epoch *e);

#endif
