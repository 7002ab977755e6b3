/*
 * sparse -- a long run of bytes in memory, of which only what is not zeros is held: by chunks, as
 * strings are stored.
 *
 * Threads: one owner.
 */
#ifndef VARVE_RESP_SPARSE_H
#define VARVE_RESP_SPARSE_H

#include "base/alloc.h"
#include "base/status.h"

#include "resp/keys.h"

struct resp_sparse {
    struct alloc *alloc;
    uint8_t **chunks; /* RESP_CHUNK_BYTES each; NULL: zeros. */
    size_t count;
    size_t held; /* Chunks that are not NULL. */
    size_t held_max;
};

/* All zeros. LIMIT comes later, with more than held_max_bytes that are not. */
MUST_CHECK struct status resp_sparse_init(struct resp_sparse *s, struct alloc *alloc,
                                          uint64_t size_bytes, size_t held_max_bytes);
void resp_sparse_deinit(struct resp_sparse *s); /* Takes one that is all 0. */

/* The chunk, zeros if it was not held. Requires: index < count. LIMIT, NO_MEMORY. */
MUST_CHECK struct status resp_sparse_take(struct resp_sparse *s, size_t index, uint8_t **out_chunk);
/* Make a chunk zeros. */
void resp_sparse_drop(struct resp_sparse *s, size_t index);

/* Bytes of memory it holds. */
size_t resp_sparse_held(const struct resp_sparse *s);

#endif
