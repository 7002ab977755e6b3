#include "vlog/offsets.h"

#include "base/alloc.h"
#include "base/budget.h"
#include "base/check.h"

void vlog_offsets_init(struct vlog_offsets *o, const struct env *env)
{
    *o = (struct vlog_offsets) { .env = env };
}

void vlog_offsets_deinit(struct vlog_offsets *o)
{
    size_t size = o->capacity * sizeof *o->at;

    alloc_free(o->env->alloc, o->at, size);
    budget_refund(o->env->budget, BUDGET_LOG_TAIL, size);
    vlog_offsets_init(o, o->env);
}

struct status vlog_offsets_reserve(struct vlog_offsets *o, uint64_t end)
{
    if (end <= o->capacity)
        return status_ok();
    if (end > VLOG_ORDINAL_MAX)
        return status_of(ST_LIMIT);
    uint64_t capacity = o->capacity < 512 ? 512 : 2 * (uint64_t)o->capacity;
    if (capacity < end)
        capacity = end;
    size_t old_size = o->capacity * sizeof *o->at;
    size_t size = (size_t)capacity * sizeof *o->at;
    TRY(budget_charge(o->env->budget, BUDGET_LOG_TAIL, size - old_size));
    uint32_t *at = alloc_resize(o->env->alloc, o->at, old_size, size);
    if (at == NULL) {
        budget_refund(o->env->budget, BUDGET_LOG_TAIL, size - old_size);
        return status_of(ST_NO_MEMORY);
    }
    o->at = at;
    o->capacity = (uint32_t)capacity;
    return status_ok();
}

void vlog_offsets_add(struct vlog_offsets *o, uint32_t ordinal, uint32_t offset, uint32_t length)
{
    CHECK(ordinal >= o->end && ordinal < o->capacity);
    if (ordinal > o->end)
        memset(o->at + o->end, 0, (ordinal - o->end) * sizeof *o->at);
    o->at[ordinal] = offset;
    o->end = ordinal + 1;
    o->value_count++;
    o->value_bytes += VLOG_VALUE_HEADER + (uint64_t)length;
}

static void encode_end(const struct vlog_offsets *o, const struct vlog_footer *f, uint8_t *out)
{
    uint32_t pages = (uint32_t)vlog_page_count(o->end);

    for (uint32_t page = 0; page < pages; page++) {
        uint32_t first = page * VLOG_PAGE_ORDINALS;
        uint32_t count = o->end - first;
        if (count > VLOG_PAGE_ORDINALS)
            count = VLOG_PAGE_ORDINALS;
        vlog_page_write(f->physical, page, o->at + first, count, out);
        out += VLOG_BLOCK;
    }
    vlog_footer_write(f, out);
}

struct status vlog_offsets_write_end(const struct vlog_offsets *o, struct vlog_footer *f,
                                     struct io_ring *ring, struct io_file *file)
{
    size_t size = vlog_end_size(o->end);

    f->ordinal_end = o->end;
    f->value_count = o->value_count;
    f->value_bytes = o->value_bytes;
    TRY(budget_charge(o->env->budget, BUDGET_JOB, size));
    struct status s = status_of(ST_NO_MEMORY);
    uint8_t *end = alloc_aligned(o->env->alloc, IO_ALIGN, size);
    if (end != NULL) {
        encode_end(o, f, end);
        s = io_write(ring, file, end, size, f->directory);
    }
    alloc_free(o->env->alloc, end, size);
    budget_refund(o->env->budget, BUDGET_JOB, size);
    return s;
}
