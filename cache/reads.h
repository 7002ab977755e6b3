/*
 * reads -- the device reads that are wanted or under way, by the block they are for, so that who
 * misses a block that is coming waits for it instead of reading it again. Private to cache/.
 *
 * A read is made by the first fetch that misses, listed, performed by a blocking caller or through
 * a ring, and unlisted when it is done: by then its block is in the cache, so whoever misses both
 * the list and, asking once more with the list locked, the cache, is the first again.
 *
 *   1. Of one block at most one blocking and one non-blocking read are listed.
 *   2. A read lives while somebody refers to it: wants, joined blocking callers, and whoever
 *      performs it. Its block is its own reference to the cache's entry or the loose block.
 *
 * Threads: lists, states and counts under the mutex; block and status are written by the performer
 * before the state becomes DONE, and only read after.
 */
#ifndef VARVE_CACHE_READS_H
#define VARVE_CACHE_READS_H

#include "base/thread.h"

#include "cache/cache.h"
#include "cache/fetch.h"

/* A block outside of the cache: what is not to be inserted, what is too large, what comes when all
 * of the cache is pinned. It stands behind its data in one allocation. */
struct fetch_loose {
    _Atomic uint32_t refs;
    size_t allocation;
    uint8_t *data;
    uint8_t header[FETCH_HEADER_SIZE];
};

/* A reference to a block. */
struct block_ref {
    struct fetch_loose *loose; /* NULL: slot. */
    uint32_t slot;
    uint32_t size;
    uint8_t *data;
    uint8_t *header;
};

/* Room for a block of size bytes, the caller's to fill. */
MUST_CHECK struct status block_take(struct cache *c, uint32_t size, enum fetch_fill fill,
                                    struct block_ref *out_block);
void block_share(struct cache *c, const struct block_ref *b);
void block_give(struct cache *c, const struct block_ref *b);

enum read_state { READ_WANTED, READ_UNDERWAY, READ_DONE };

struct read {
    struct io_op op;
    struct fetch_request request;
    enum fetch_fill fill;
    bool is_blocking;
    struct read *next;          /* In its bucket. mutex */
    struct fetch_want *waiters; /* mutex */
    uint32_t refs;              /* mutex */
    enum read_state state;      /* mutex */
    _Atomic uint32_t is_done;   /* What joined blocking callers sleep on. */
    struct block_ref block;
    uint8_t *raw; /* Where the device's aligned bytes go; NULL: straight into the block. */
    size_t raw_size;
    struct status status;
    struct errbuf err;
};

/* A fetch that asked for a block and did not get it yet. */
struct fetch_want {
    struct fetch_want *next; /* Of the fetch. */
    struct fetch_want *previous;
    struct fetch_want
        *next_waiter; /* Of the read, until it is done and the fetch was told. mutex */
    struct fetch *fetch;
    struct read *read;
    bool is_listed; /* Among the read's waiters. mutex */
};

enum { READ_BUCKETS = 1024 };

struct reads {
    struct mutex mutex;
    struct read *buckets[READ_BUCKETS];
};

void reads_init(struct reads *r);
void reads_deinit(struct reads *r); /* Requires: none is listed. */

/* A read with one reference and room for its block; the context is held. Not listed. */
MUST_CHECK struct status read_create(struct cache *c, const struct fetch_request *request,
                                     enum fetch_fill fill, bool is_blocking,
                                     struct read **out_read);
/* Requires: unlisted, no reference left. */
void read_destroy(struct cache *c, struct read *r);

struct read **reads_place(struct reads *r, const struct fetch_request *request, bool is_blocking)
    REQUIRES(r->mutex);
void reads_list(struct reads *r, struct read *read) REQUIRES(r->mutex);
void reads_unlist(struct reads *r, struct read *read) REQUIRES(r->mutex);

/* The aligned range to read. */
void read_range(const struct read *r, uint8_t **out_data, size_t *out_size, uint64_t *out_offset);
/* The device answered: s, with done bytes. Verify, insert, let go of the context. */
void read_finish(struct cache *c, struct read *r, struct status s, size_t done);

#endif
