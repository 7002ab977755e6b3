/*
 * lcs -- the longest common subsequence of two strings, and the runs of bytes that it is made of.
 *
 * L(i, j) is its length for the first i bytes of the one string and the first j of the other. Along
 * the shorter string neighbours differ by 0 or 1, so a row of the table is a row of bits, and the
 * next one follows from it 64 columns at a time, by an addition (Hyyro 2004). So the table has a
 * bit where plain dynamic programming has a number, and takes a 64th of the steps.
 *
 * Of all longest subsequences it is the one that Redis finds: from the ends of both strings back,
 * where bytes differ, a byte of the first string is left out if that keeps more than leaving out
 * one of the second.
 *
 * Threads: any; memory is the caller's arena.
 */
#ifndef VARVE_RESP_LCS_H
#define VARVE_RESP_LCS_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/status.h"

struct resp_lcs {
    struct bytes a; /* Borrowed. */
    struct bytes b;
    size_t length;
    /* A row for each number of bytes of the longer string; a bit of it for each byte of the
     * shorter, lowest first: 0 where the length grows. NULL: only the length is known. */
    uint8_t *rows;
    size_t row_bytes;
    size_t i; /* Where going back stands: L(i, j) is left. */
    size_t j;
    size_t left;
};

/* Compare. has_runs: they will be asked for. NO_MEMORY. */
MUST_CHECK struct status resp_lcs_init(struct resp_lcs *l, struct arena *arena, struct bytes a,
                                       struct bytes b, bool has_runs);

/* Bytes that are the same in both strings. */
struct resp_lcs_run {
    size_t a; /* Where it begins in the one. */
    size_t b; /* And in the other. */
    size_t size;
};

/* The runs, from the last to the first; false: there are no more. Requires: has_runs. */
bool resp_lcs_next(struct resp_lcs *l, struct resp_lcs_run *out);

#endif
