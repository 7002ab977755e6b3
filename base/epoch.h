/*
 * epoch -- when may memory that readers might still look at be given back?
 *
 * A reader enters an epoch, loads shared pointers, and leaves; nothing is counted on shared lines.
 * A writer unlinks an object, then retires it; it is freed once every reader that was inside at
 * the time has left (Fraser, "Practical lock-freedom", 2004, chapter 5).
 *
 * Threads: enter and leave any registered slot, one thread a slot at a time; retire and collect by
 * one thread at a time.
 */
#ifndef VARVE_BASE_EPOCH_H
#define VARVE_BASE_EPOCH_H

#include "base/alloc.h"
#include "base/status.h"

#include <stdatomic.h>

enum { EPOCH_SLOTS = 256 };

struct epoch_slot {
    _Alignas(64) _Atomic uint64_t entered; /* The epoch the reader is in; 0: outside. */
    _Atomic uint64_t mark; /* The reader's, published on entry (txn: its version). */
    _Atomic uint32_t is_taken;
};

struct epoch_garbage {
    struct epoch_garbage *next;
    uint64_t epoch;
    void (*destroy)(struct epoch_garbage *g);
};

struct epoch {
    _Alignas(64) _Atomic uint64_t current;
    struct epoch_garbage *oldest; /* collector */
    struct epoch_garbage *newest; /* collector */
    struct epoch_slot slots[EPOCH_SLOTS];
};

void epoch_init(struct epoch *e);
/* Destroys all garbage. Requires: nobody inside. */
void epoch_deinit(struct epoch *e);

/* A slot for this reader, or NULL when all are taken. Threads find one near a hint of their own,
 * so that the same thread meets the same line. */
struct epoch_slot *epoch_enter(struct epoch *e, uint32_t hint);
void epoch_leave(struct epoch_slot *slot);

/* g has been unlinked: destroy it when no reader can hold it. g is taken. */
void epoch_retire(struct epoch *e, struct epoch_garbage *g);
/* Destroy what can be. Returns the number still waiting. */
size_t epoch_collect(struct epoch *e);
/* The least epoch any reader is in; current if none. */
uint64_t epoch_oldest(const struct epoch *e);

#endif
