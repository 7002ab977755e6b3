/*
 * io_regions -- which registered memory a buffer lies in. Private to base/.
 *
 * Regions sorted by address; a look-up is a binary search over an array that stays in the first
 * cache levels. Regions do not overlap and are never taken out.
 *
 * Threads: one.
 */
#ifndef VARVE_BASE_IO_REGIONS_H
#define VARVE_BASE_IO_REGIONS_H

#include "base/alloc.h"
#include "base/status.h"

struct io_region {
    uintptr_t start;
    uintptr_t end;
    unsigned slot; /* The number the kernel knows it by: in order of addition. */
};

/* Zero has no room. */
struct io_regions {
    struct io_region *sorted;
    unsigned count;
    unsigned count_max;
};

MUST_CHECK struct status io_regions_init(struct io_regions *r, struct alloc *a, unsigned count_max);
void io_regions_deinit(struct io_regions *r, struct alloc *a);
/* Requires: count < count_max, size > 0, no overlap with another. */
void io_regions_add(struct io_regions *r, const void *data, size_t size);
/* The region that all of [data, data + size) lies in, or NULL. */
const struct io_region *io_regions_find(const struct io_regions *r, const void *data, size_t size);

#endif
