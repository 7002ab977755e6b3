#include "lsm/table_refs.h"

#include "base/hash.h"

#include "lsm/table_format.h"

enum { CAPACITY_MIN = 16 };

void table_refs_init(struct table_refs *r, struct alloc *a)
{
    *r = (struct table_refs) { .alloc = a };
}

void table_refs_deinit(struct table_refs *r)
{
    if (r->alloc == NULL)
        return;
    alloc_free(r->alloc, r->refs, r->capacity * sizeof *r->refs);
    alloc_free(r->alloc, r->slots, 2 * r->capacity * sizeof *r->slots);
    *r = (struct table_refs) { .alloc = NULL };
}

/* The slot that has logical, or the free one where it belongs. */
static uint32_t *slot_of(const struct table_refs *r, uint64_t logical)
{
    size_t mask = 2 * (size_t)r->capacity - 1;
    size_t i = hash_u64(logical) & mask;

    while (r->slots[i] != 0 && r->refs[r->slots[i] - 1].logical != logical)
        i = (i + 1) & mask;
    return &r->slots[i];
}

static struct status grow(struct table_refs *r)
{
    uint32_t capacity = r->capacity == 0 ? CAPACITY_MIN : 2 * r->capacity;
    struct lsm_table_ref *refs = alloc_array(r->alloc, capacity, sizeof *refs);
    uint32_t *slots = alloc_array(r->alloc, 2 * (size_t)capacity, sizeof *slots);

    if (refs == NULL || slots == NULL) {
        alloc_free(r->alloc, refs, capacity * sizeof *refs);
        alloc_free(r->alloc, slots, 2 * (size_t)capacity * sizeof *slots);
        return status_of(ST_NO_MEMORY);
    }
    struct table_refs old = *r;
    if (r->count > 0)
        memcpy(refs, r->refs, r->count * sizeof *refs);
    r->refs = refs;
    r->slots = slots;
    r->capacity = capacity;
    for (uint32_t i = 0; i < r->count; i++)
        *slot_of(r, refs[i].logical) = i + 1;
    table_refs_deinit(&old);
    return status_ok();
}

static struct status find_or_add(struct table_refs *r, uint64_t logical, uint32_t *out_ref)
{
    if (r->count == r->capacity) {
        if (r->count > TABLE_REF_MAX)
            return status_of(ST_LIMIT);
        TRY(grow(r));
    }
    uint32_t *slot = slot_of(r, logical);
    if (*slot == 0) {
        if (r->count == TABLE_REF_MAX)
            return status_of(ST_LIMIT);
        r->refs[r->count] = (struct lsm_table_ref) { .logical = logical };
        *slot = ++r->count;
    }
    *out_ref = *slot - 1;
    return status_ok();
}

struct status table_refs_add(struct table_refs *r, const struct vlog_handle *handle,
                             uint32_t *out_ref)
{
    uint32_t ref = r->last;

    if (r->count == 0 || r->refs[ref].logical != handle->file)
        TRY(find_or_add(r, handle->file, &ref));
    r->last = ref;
    r->refs[ref].live_values++;
    r->refs[ref].live_bytes += (uint64_t)handle->length + VLOG_VALUE_HEADER;
    *out_ref = ref;
    return status_ok();
}

size_t table_refs_memory(const struct table_refs *r)
{
    return r->capacity * (sizeof *r->refs + 2 * sizeof *r->slots);
}
