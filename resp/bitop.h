/*
 * bitop -- what a BITOP has combined so far, kept in the session while it waits (resp/stream.h).
 *
 * Sources are taken one after another, so that one piece of one of them and the result are all that
 * is in memory; AND begins with the shortest, as nothing behind its end is left. What a source does
 * not hold (missing chunks, what lies behind its end) is zeros.
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_BITOP_H
#define VARVE_RESP_BITOP_H

#include "resp/bits.h"
#include "resp/sparse.h"

struct resp_bitop {
    struct resp_sparse result;
    uint64_t size_bytes; /* Of the result: of the longest source. */
    size_t first;        /* The argument to begin with. */
    size_t taken;        /* Sources that are in the result. */
    bool is_inverted;    /* NOT has been done. */
    size_t next_chunk;   /* Of the source that is being taken: none before is still to come. */
    bool is_held;        /* Nobody else writes: what was taken is good for the next run, too. */
};

/* Forget everything; for one that is all 0, too. */
void resp_bitop_reset(struct resp_bitop *b);

#endif
