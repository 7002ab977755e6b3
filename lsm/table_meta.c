#include "lsm/table.h"

#include "base/alloc.h"

void lsm_table_meta_deinit(struct lsm_table_meta *m, struct alloc *a)
{
    alloc_free(a, (void *)(uintptr_t)m->smallest.data, m->smallest.size);
    alloc_free(a, (void *)(uintptr_t)m->largest.data, m->largest.size);
    alloc_free(a, m->refs, m->ref_count * sizeof *m->refs);
    *m = (struct lsm_table_meta) { .id = 0 };
}

static bool copy_bytes(struct alloc *a, struct bytes from, struct bytes *to)
{
    *to = bytes_of(NULL, 0);
    if (from.size == 0)
        return true;
    uint8_t *p = alloc_bytes(a, from.size);
    if (p == NULL)
        return false;
    memcpy(p, from.data, from.size);
    *to = bytes_of(p, from.size);
    return true;
}

struct status lsm_table_meta_copy(const struct lsm_table_meta *m, struct alloc *a,
                                  struct lsm_table_meta *out)
{
    struct lsm_table_meta copy = *m;

    copy.refs = NULL;
    copy.largest = bytes_of(NULL, 0);
    if (!copy_bytes(a, m->smallest, &copy.smallest) || !copy_bytes(a, m->largest, &copy.largest))
        goto no_memory;
    if (m->ref_count > 0) {
        copy.refs = alloc_array(a, m->ref_count, sizeof *m->refs);
        if (copy.refs == NULL)
            goto no_memory;
        memcpy(copy.refs, m->refs, m->ref_count * sizeof *m->refs);
    }
    *out = copy;
    return status_ok();
no_memory:
    lsm_table_meta_deinit(&copy, a);
    return status_of(ST_NO_MEMORY);
}
