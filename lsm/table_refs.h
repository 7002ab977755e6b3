/*
 * table_refs -- the reference table of a table being built: logical ids in the order of their first
 * handle, and how much of each is live here. Private to lsm/.
 *
 * Threads: one owner.
 */
#ifndef VARVE_LSM_TABLE_REFS_H
#define VARVE_LSM_TABLE_REFS_H

#include "base/alloc.h"

#include "lsm/table.h"

struct table_refs {
    struct alloc *alloc;
    struct lsm_table_ref *refs;
    uint32_t count;
    uint32_t capacity; /* A power of two, or 0. */
    uint32_t *slots;   /* 2 * capacity: index + 1 by hash of the logical id, 0 free. */
    uint32_t last;     /* The index found last: neighbours often share a file. */
};

void table_refs_init(struct table_refs *r, struct alloc *a);
void table_refs_deinit(struct table_refs *r);

/* Count a handle; *out_ref is its file's index. LIMIT: too many files; NO_MEMORY. */
MUST_CHECK struct status table_refs_add(struct table_refs *r, const struct vlog_handle *handle,
                                        uint32_t *out_ref);
size_t table_refs_memory(const struct table_refs *r);

#endif
