/*
 * expiry -- when each slot's next key expires: what to look at, and when.
 *
 * A binary heap of slots by time. It is memory only: after a start every slot is due at once, and
 * tells its next time when it has been looked at. A time may be earlier than the slot's next
 * expiry, never later.
 *
 * Threads: one.
 */
#ifndef VARVE_SERVER_EXPIRY_H
#define VARVE_SERVER_EXPIRY_H

#include <stdbool.h>
#include <stdint.h>

enum { EXPIRY_SLOTS = 16384 };

struct server_expiry {
    uint64_t due_ms[EXPIRY_SLOTS]; /* Of the slots in the heap. */
    uint16_t heap[EXPIRY_SLOTS];   /* Slots; the parent of i is (i - 1) / 2. */
    uint16_t place[EXPIRY_SLOTS];  /* 1 + where in the heap; 0: not there. */
    uint32_t count;
};

/* Every slot is due, or none. */
void server_expiry_init(struct server_expiry *e, bool is_due);
/* The slot's next time is no later than at_ms. */
void server_expiry_hint(struct server_expiry *e, uint32_t slot, uint64_t at_ms);
/* The slot that is due first, and when. False: there is none. */
bool server_expiry_next(const struct server_expiry *e, uint32_t *out_slot, uint64_t *out_ms);
/* Forget the slot that is due first: it is being looked at. */
void server_expiry_take(struct server_expiry *e);

#endif
