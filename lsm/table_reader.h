/*
 * table_reader -- an open table, as its readers share it. Private to lsm/.
 *
 * A table reads nothing when it is opened. Its tail is read by whoever needs it first, decoded into
 * the table and never changed again (is_pinned); so are its range deletes. All other blocks come
 * through the reader's fetch.
 *
 * Threads: any. What is pinned is written under the lock before is_pinned is set, and only read
 * after it was seen set.
 */
#ifndef VARVE_LSM_TABLE_READER_H
#define VARVE_LSM_TABLE_READER_H

#include "base/thread.h"

#include "lsm/filter.h"
#include "lsm/table.h"
#include "lsm/table_format.h"

#include <stdatomic.h>

struct lsm_table {
    /* What a get looks at, side by side. */
    struct lsm_filter_shape filter;
    _Atomic bool is_pinned; /* Publishes filter, tail, top and cache. */
    uint64_t filter_offset;
    uint64_t id;
    struct io_file *file;
    struct lsm_block top;
    const struct lsm_table_meta *meta; /* Borrowed until the close. */
    struct cache *cache;               /* Of the fetch that pinned; the hints are for it. */
    _Atomic uint32_t *hints; /* Slots of the filter partitions, then of the index partitions. */

    struct table_tail tail;
    uint8_t *top_data;
    size_t top_capacity;
    uint32_t hint_count;
    _Atomic(struct lsm_rangedel_set *) range_deletes;
    struct mutex lock; /* Pinning. */

    const struct env *env;
    uint64_t file_size;
    uint64_t footer_offset;
    uint32_t ref_count;
    _Atomic uint32_t holds; /* The owner, until the close, and device reads under way. */
};

/* Read and keep the tail, once. AGAIN, CORRUPT ... as fetch_get. */
MUST_CHECK struct status table_pin(struct lsm_table *t, struct fetch *f);

/* A block through the fetch, checked. part: which of its kind it is, for a filter or index
 * partition. */
MUST_CHECK struct status table_fetch_part(struct lsm_table *t, struct fetch *f,
                                          struct table_place place, enum table_block_type type,
                                          uint32_t part, struct fetch_block *out_block);
MUST_CHECK struct status table_fetch(struct lsm_table *t, struct fetch *f, struct table_place place,
                                     enum table_block_type type, struct fetch_block *out_block);

/* As above if it is in the cache; else false, and nothing is read. */
bool table_find(struct lsm_table *t, struct fetch *f, struct table_place place,
                enum table_block_type type, struct fetch_block *out_block);
/* As above from bytes at hand, which go into the cache. */
MUST_CHECK struct status table_fetch_given(struct lsm_table *t, struct fetch *f,
                                           struct table_place place, enum table_block_type type,
                                           struct bytes given, struct fetch_block *out_block);

/* As fetch's verify does it, for who reads a block another way: out_header has FETCH_HEADER_SIZE
 * bytes. */
MUST_CHECK struct status table_verify_block(const struct lsm_table *t, struct bytes block,
                                            enum table_block_type type, uint64_t offset,
                                            uint8_t *out_header, struct errbuf *err);

/* The place that entry i of an index block names: proven to lie between begin and end. */
MUST_CHECK struct status table_index_place(const struct lsm_table *t, const struct lsm_block *index,
                                           uint32_t i, uint64_t begin, uint64_t end,
                                           struct table_place *out_place, struct errbuf *err);
/* Partition i of the top index, and data block i of a partition. */
static inline struct status table_part_place(const struct lsm_table *t, uint32_t i,
                                             struct table_place *out_place, struct errbuf *err)
{
    return table_index_place(t, &t->top, i, t->tail.index_offset, t->tail.filter_offset, out_place,
                             err);
}
static inline struct status table_data_place(const struct lsm_table *t,
                                             const struct lsm_block *part, uint32_t i,
                                             struct table_place *out_place, struct errbuf *err)
{
    return table_index_place(t, part, i, 0, t->tail.index_offset, out_place, err);
}

/* Words for damage that no checksum shows. */
MUST_CHECK struct status table_corrupt(const struct lsm_table *t, struct errbuf *err,
                                       const char *what);

/* Entry i of a data block; for a handle, its file's logical id. The key is left alone. */
static inline void table_entry(const struct lsm_table *t, const struct lsm_block *data, uint32_t i,
                               struct lsm_entry *out)
{
    lsm_block_entry(data, i, out);
    if (out->kind == LSM_PUT_HANDLE)
        out->handle.file = t->meta->refs[out->handle.file].logical;
}

#endif
