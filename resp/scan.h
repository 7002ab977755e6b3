/*
 * scan -- walking the keys of a database, for SCAN, KEYS and RANDOMKEY.
 *
 * A walk goes through the meta rows in the order (slot, hash) on a pinned version of the store,
 * and skips what lies between by seeking. It may have to wait for a read at any row; its state is
 * kept in the session then, and the command, run again, goes on where it was.
 *
 * A position is slot << 32 | hash: what a SCAN cursor is. It says nothing about the server, so
 * cursors survive restarts, and hold whatever happens to the keys meanwhile: every key that is
 * there from the first call to the last is seen, as its position never changes.
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_SCAN_H
#define VARVE_RESP_SCAN_H

#include "base/buf.h"

#include "resp/call.h"
#include "resp/keys.h"

/* Above every position: the walk is over. */
#define RESP_POSITION_END ((uint64_t)RESP_SLOTS << 32)

struct resp_walk {
    struct store *store;
    struct store_cursor *cursor; /* NULL: not open, or to be opened again. */
    bool is_begun;
    uint32_t database_id;
    uint64_t position; /* Of the row it is at, or where it goes on. */
    size_t seeks;
    /* The command's own: what it must know when it is run again. */
    bool has_wrapped;
    size_t seen_count;
    uint64_t seen_position; /* Of the last one seen. */
    struct buf found;       /* Bulk strings of the keys that belong to the answer. */
    size_t found_count;
};

void resp_walk_init(struct resp_walk *w, struct alloc *alloc, size_t found_max_bytes);
void resp_walk_deinit(struct resp_walk *w);
/* Close the cursor, forget what was found. */
void resp_walk_reset(struct resp_walk *w);

/* Begin at a position, or go on where a run before this one had to stop. AGAIN, NO_MEMORY. */
MUST_CHECK struct status resp_walk_open(struct resp_walk *w, struct resp_call *call,
                                        uint64_t position);

/* Go to a position, back or forth. */
MUST_CHECK struct status resp_walk_move(struct resp_walk *w, struct resp_call *call,
                                        uint64_t position);

/* The next live key of the database; w->position is its. NOT_FOUND: there is none before end, or
 * seeks_max seeks were made; w->position is where to go on, RESP_POSITION_END at the end. AGAIN:
 * call again. CORRUPT, IO. */
struct resp_walked {
    struct bytes row_key; /* Borrowed until the next call, as key. */
    struct bytes key;
    uint8_t type;
};
MUST_CHECK struct status resp_walk_next(struct resp_walk *w, struct resp_call *call,
                                        size_t seeks_max, struct resp_walked *out);

/* Note a key that belongs to the answer. */
void resp_walk_found(struct resp_walk *w, struct bytes key);

#endif
