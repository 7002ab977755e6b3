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
#include "resp/entry.h"
#include "resp/keys.h"
#include "resp/sha1.h"

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
    uint32_t number;
    uint8_t digest[RESP_SHA1_BYTES];
    bool is_finished; /* The answer is found: run again, the command only replies it. */
};

/*
 * The walks of EXEC's commands, kept while it waits: those that wait themselves and those that have
 * ended. EXEC is run again for each block that one of them waits for, and would begin all of them
 * anew. What they found stays right, as nobody else writes from the first of them on
 * (STORE_CURSOR_EXACT).
 */
struct resp_kept_walk {
    struct resp_kept_walk *next;
    size_t place; /* Of the command in the queue; they rise. */
    struct resp_walk walk;
};
struct resp_kept_walks {
    struct resp_kept_walk *first;
    struct resp_kept_walk **at; /* Of this run: behind those of the commands before. */
};

void resp_walk_init(struct resp_walk *w, struct alloc *alloc, size_t found_max_bytes);
void resp_walk_deinit(struct resp_walk *w);
/* Close the cursor, forget what was found. */
void resp_walk_reset(struct resp_walk *w);

/* A run of EXEC begins. */
void resp_kept_walks_rewind(struct resp_kept_walks *k);
/* The command at this place is run: it goes on with the walk that was kept for it, if any. Places
 * rise within a run. Requires: w is as reset. */
void resp_kept_walks_resume(struct resp_kept_walks *k, size_t place, struct resp_walk *w);
/* Keep the walk of the command that was resumed last; w is as reset. NO_MEMORY; LIMIT: all
 * together have found more than one may. */
MUST_CHECK struct status resp_kept_walks_keep(struct resp_kept_walks *k, size_t place,
                                              struct resp_walk *w);
/* Is there one for the command that was resumed last? */
bool resp_kept_walks_has(const struct resp_kept_walks *k, size_t place);
size_t resp_kept_walks_held(const struct resp_kept_walks *k);
void resp_kept_walks_reset(struct resp_kept_walks *k, struct alloc *alloc);

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

/* Is this row one that the running transaction wrote? The cursor does not show what it holds.
 * Requires: its overlay, if any, is sorted. */
bool resp_walk_is_written(const struct resp_call *call, struct bytes row_key);
/* The live key that a row of the overlay holds, if it is of the call's database and has a position
 * in [from, to); else *out_is_there is false. */
MUST_CHECK struct status resp_walk_open_written(struct resp_call *call, struct bytes row,
                                                uint64_t from, uint64_t to, struct resp_entry *e,
                                                bool *out_is_there);

#endif
