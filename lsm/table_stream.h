/*
 * table_stream -- a table's data blocks in file order, by large reads around the cache: one piece
 * is read while the other is used. For compactions and checks. Private to lsm/.
 *
 * Threads: one owner. Memory is charged to BUDGET_JOB.
 */
#ifndef VARVE_LSM_TABLE_STREAM_H
#define VARVE_LSM_TABLE_STREAM_H

#include "base/budget.h"

#include "lsm/table_reader.h"

struct stream_piece {
    uint8_t *data;
    uint64_t offset;
    size_t size; /* 0: nothing was read into it, nothing is under way. */
    struct io_op op;
};

struct table_stream {
    struct lsm_table *table;
    struct io_ring *ring;
    enum budget_tag tag;
    size_t piece_max;
    size_t read_size; /* Of the next read: doubles up to piece_max. */
    uint64_t end;     /* Of what is worth reading. */
    struct stream_piece pieces[2];
    uint8_t *joint; /* A block that lies across two pieces, or is larger than one. */
    size_t joint_capacity;
};

struct table_stream_options {
    struct io_ring *ring;
    enum budget_tag tag; /* What memory is charged to. */
    size_t read_first;   /* The size of the first read, */
    size_t read_max;     /* and of the largest. Multiples of IO_ALIGN. */
};

/* Nothing is read yet. s is good for table_stream_deinit whatever is answered. Requires: the table
 * is pinned. */
MUST_CHECK struct status table_stream_init(struct table_stream *s, struct lsm_table *t,
                                           const struct table_stream_options *options);
void table_stream_deinit(struct table_stream *s);

/* Begin to read at offset. */
void table_stream_begin(struct table_stream *s, uint64_t offset);
/* Has the block been read, at least in part, or is it being read? */
bool table_stream_covers(const struct table_stream *s, struct table_place place);

/* The bytes of a block, unverified; borrowed until the next call. Cheap for blocks in file order.
 */
MUST_CHECK struct status table_stream_get(struct table_stream *s, struct table_place place,
                                          struct bytes *out_block, struct errbuf *err);

#endif
