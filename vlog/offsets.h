/*
 * offsets -- where each value of a file is, by ordinal: a directory while it is being built.
 * Private to vlog/.
 *
 * A dense array; ordinal i that the file does not hold has offset 0. Becomes pages and footer when
 * the file ends (vlog_offsets_end).
 *
 * Threads: one owner.
 */
#ifndef VARVE_VLOG_OFFSETS_H
#define VARVE_VLOG_OFFSETS_H

#include "base/env.h"

#include "vlog/format.h"

struct vlog_offsets {
    const struct env *env;
    uint32_t *at;      /* Charged to BUDGET_LOG_TAIL. */
    uint32_t end;      /* All ordinals are below it. */
    uint32_t capacity; /* Of at. */
    uint64_t value_count;
    uint64_t value_bytes; /* Headers included. */
};

void vlog_offsets_init(struct vlog_offsets *o, const struct env *env); /* env: borrowed. */
void vlog_offsets_deinit(struct vlog_offsets *o);
/* Room for ordinals below end. LIMIT past VLOG_ORDINAL_MAX. NO_MEMORY. */
MUST_CHECK struct status vlog_offsets_reserve(struct vlog_offsets *o, uint64_t end);
/* Requires: room, and ordinal >= end. */
void vlog_offsets_add(struct vlog_offsets *o, uint32_t ordinal, uint32_t offset, uint32_t length);

/*
 * Write the end of a file: directory pages and footer, vlog_end_size(o->end) bytes from
 * f->directory on. f says what the file is; the counts are filled in here.
 */
MUST_CHECK struct status vlog_offsets_write_end(const struct vlog_offsets *o, struct vlog_footer *f,
                                                struct io_ring *ring, struct io_file *file);

#endif
