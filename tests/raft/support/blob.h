/*
 * blob -- counted payloads, as a driver would own them, for the simulated cluster.
 *
 * One blob may be a whole received frame with many entries pointing into it. A pool counts the
 * blobs that live, so that a run can end with the proof that none leaked.
 *
 * Threads: one.
 */
#ifndef VARVE_TESTS_RAFT_BLOB_H
#define VARVE_TESTS_RAFT_BLOB_H

#include <stdint.h>

#include "base/bytes.h"
#include "raft/raft.h"

struct blob_pool {
    uint64_t live;
};

struct blob {
    struct blob_pool *pool;
    uint32_t refs;
    uint32_t size;
    uint8_t data[];
};

/* One reference, the caller's; data is not filled in. */
struct blob *blob_new(struct blob_pool *pool, size_t size);
struct blob *blob_copy(struct blob_pool *pool, struct bytes data);
void blob_ref(struct blob *b);   /* NULL: nothing. */
void blob_unref(struct blob *b); /* NULL: nothing. */

/* The references of a run of entries. */
void entries_ref(const struct raft_entry *entries, uint32_t count);
void entries_unref(const struct raft_entry *entries, uint32_t count);

#endif
