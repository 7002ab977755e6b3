/*
 * table_writer -- writes a new file front to back in large aligned pieces, several being written
 * while the next is filled. Private to lsm/.
 *
 * Around the page cache where the machine allows it: what is written is read next by the cache, not
 * by the kernel, and copying costs the one background core more than the device does.
 *
 * A device takes what is queued as one: with a single write under way it, not the merge, set the
 * pace of compaction. Pieces may become durable in any order; only the sync at the end promises
 * anything.
 *
 *   1. A failed write is final: every later call repeats it, and the file is unlinked.
 *
 * Threads: one owner. Memory is charged to BUDGET_JOB.
 */
#ifndef VARVE_LSM_TABLE_WRITER_H
#define VARVE_LSM_TABLE_WRITER_H

#include "base/env.h"
#include "base/io.h"

enum { TABLE_WRITER_PIECES = 8 };

struct table_writer {
    const struct env *env;
    struct io_ring *ring;
    struct io_file *file;
    char *path; /* Owned. */
    uint8_t *pieces[TABLE_WRITER_PIECES];
    struct io_op ops[TABLE_WRITER_PIECES];
    unsigned current;     /* The piece being filled. */
    size_t fill;          /* Bytes in it. */
    uint64_t piece_at;    /* Its offset in the file. */
    struct status status; /* The first failure. */
};

/* Creates path. w is good for table_writer_deinit whatever is answered. */
MUST_CHECK struct status table_writer_init(struct table_writer *w, const struct env *env,
                                           struct io_ring *ring, const char *path);
/* Bytes are copied. Waits when all pieces are full. */
MUST_CHECK struct status table_writer_append(struct table_writer *w, struct bytes bytes);
/* Bytes appended so far: where the next one will be. */
static inline uint64_t table_writer_offset(const struct table_writer *w)
{
    return w->piece_at + w->fill;
}
/* Write the rest, sync the file, close it. Requires: the offset is a multiple of IO_ALIGN. */
MUST_CHECK struct status table_writer_finish(struct table_writer *w);
/* Give everything back; the file is unlinked unless it was finished. */
void table_writer_deinit(struct table_writer *w);

#endif
