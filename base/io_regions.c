#include "base/io_regions.h"

#include <string.h>

#include "base/check.h"

struct status io_regions_init(struct io_regions *r, struct alloc *a, unsigned count_max)
{
    *r = (struct io_regions) { .count_max = count_max };
    if (count_max == 0)
        return status_ok();
    r->sorted = alloc_array(a, count_max, sizeof *r->sorted);
    return r->sorted != NULL ? status_ok() : status_of(ST_NO_MEMORY);
}

void io_regions_deinit(struct io_regions *r, struct alloc *a)
{
    alloc_free(a, r->sorted, r->count_max * sizeof *r->sorted);
    *r = (struct io_regions) { 0 };
}

/* How many regions start at or below address. */
static unsigned rank_of(const struct io_regions *r, uintptr_t address)
{
    unsigned low = 0;
    unsigned high = r->count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (r->sorted[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void io_regions_add(struct io_regions *r, const void *data, size_t size)
{
    struct io_region added = { .start = (uintptr_t)data,
                               .end = (uintptr_t)data + size,
                               .slot = r->count };
    unsigned at = rank_of(r, added.start);

    CHECK(r->count < r->count_max);
    CHECK(at == 0 || r->sorted[at - 1].end <= added.start);
    CHECK(at == r->count || added.end <= r->sorted[at].start);
    memmove(&r->sorted[at + 1], &r->sorted[at], (r->count - at) * sizeof added);
    r->sorted[at] = added;
    r->count++;
}

const struct io_region *io_regions_find(const struct io_regions *r, const void *data, size_t size)
{
    uintptr_t start = (uintptr_t)data;
    unsigned at = rank_of(r, start);

    if (at == 0 || size > r->sorted[at - 1].end - start || start >= r->sorted[at - 1].end)
        return NULL;
    return &r->sorted[at - 1];
}
