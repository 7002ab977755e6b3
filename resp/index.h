/*
 * index -- a hash table of things that carry their own link.
 *
 * Linear hashing: one bucket is split for every thing that is added beyond their number, one is
 * merged when enough have gone. No call ever moves more than a bucket, so none takes long; the
 * array of buckets alone is copied when it doubles. Growth that finds no memory is put off: chains
 * get longer, nothing fails.
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_INDEX_H
#define VARVE_RESP_INDEX_H

#include "base/alloc.h"

#include <stddef.h>
#include <stdint.h>

enum { RESP_INDEX_FIRST = 16 };

struct resp_link {
    struct resp_link *next;
    uint64_t hash;
};

struct resp_index {
    struct alloc *alloc;
    struct resp_link **buckets; /* first, or allocated. */
    size_t capacity;
    size_t bucket_count; /* A power of two of them, and as many as have been split beyond it. */
    size_t count;
    struct resp_link *first[RESP_INDEX_FIRST];
};

/* Does not move afterwards. */
void resp_index_init(struct resp_index *t, struct alloc *alloc);
/* Requires: nothing in it. */
void resp_index_deinit(struct resp_index *t);
/* link is borrowed until it is removed. */
void resp_index_add(struct resp_index *t, struct resp_link *link, uint64_t hash);
/* Requires: it is in t. */
void resp_index_remove(struct resp_index *t, struct resp_link *link);
/* The first thing with this hash, and the next one with the hash of this; NULL: none. */
struct resp_link *resp_index_first(const struct resp_index *t, uint64_t hash);
struct resp_link *resp_index_next(const struct resp_link *link);

/* Bytes of memory it holds. */
static inline size_t resp_index_held(const struct resp_index *t)
{
    return t->buckets == t->first ? 0 : t->capacity * sizeof(struct resp_link *);
}

#endif
