#include "base/alloc.h"
#include "base/budget.h"
#include "base/check.h"

#include "vlog/log.h"

/*
 * All values of one file, in the order of their ordinals, which is the order they lie in: read
 * through a window that moves on with what is wanted, and skips what is not.
 */

enum { WINDOW_SIZE = 1 << 20 };

struct vlog_scanner {
    struct vlog *v;
    struct io_ring *ring;
    struct vlog_source *source;
    struct io_file *file;
    struct errbuf *err;
    uint8_t *data; /* Aligned; charged to BUDGET_JOB. */
    size_t capacity;
    uint64_t start; /* The window: bytes [start, start + size) of the file are in data. */
    size_t size;
    struct vlog_offsets directory; /* Of all values, */
    uint32_t next;                 /* of which this ordinal comes next. */
};

static struct status corrupt(const struct vlog_scanner *s, uint64_t offset, const char *what,
                             uint32_t number, const char *wrong)
{
    char name[VLOG_NAME_MAX];

    vlog_name(s->source->physical, s->source->is_segment ? VLOG_SEGMENT : VLOG_VALUES, name);
    errbuf_set(s->err, "%s at %llu: %s %u %s", name, (unsigned long long)offset, what, number,
               wrong);
    return status_of(ST_CORRUPT);
}

static void drop_window(struct vlog_scanner *s)
{
    alloc_free(s->v->env->alloc, s->data, s->capacity);
    budget_refund(s->v->env->budget, BUDGET_JOB, s->capacity);
    s->data = NULL;
    s->capacity = 0;
    s->size = 0;
}

static struct status grow_window(struct vlog_scanner *s, size_t capacity)
{
    if (capacity <= s->capacity)
        return status_ok();
    drop_window(s);
    TRY(budget_charge(s->v->env->budget, BUDGET_JOB, capacity));
    s->data = alloc_aligned(s->v->env->alloc, IO_ALIGN, capacity);
    if (s->data == NULL) {
        budget_refund(s->v->env->budget, BUDGET_JOB, capacity);
        return status_of(ST_NO_MEMORY);
    }
    s->capacity = capacity;
    return status_ok();
}

/* The bytes [offset, offset + size) of the file, borrowed until the next call. Fewer if it ends
 * before. */
static struct status look(struct vlog_scanner *s, uint64_t offset, size_t size, struct bytes *out)
{
    if (offset < s->start || offset + size > s->start + s->size) {
        uint64_t start = align_down(offset, IO_ALIGN);
        uint64_t end = align_up(offset + size, IO_ALIGN);
        if (end < start + WINDOW_SIZE)
            end = start + WINDOW_SIZE;
        TRY(grow_window(s, (size_t)(end - start)));
        s->start = start;
        s->size = 0;
        TRY(io_read(s->ring, s->file, s->data, (size_t)(end - start), start, &s->size));
    }
    uint64_t skip = offset - s->start;
    uint64_t left = s->size > skip ? s->size - skip : 0;
    *out = bytes_of(s->data + skip, left < size ? left : size);
    return status_ok();
}

/* ---- The directory --------------------------------------------------------------------------- */

static struct status check_footer(const struct vlog_scanner *s, struct bytes block)
{
    const struct vlog_file *info = &s->source->info;
    uint64_t at = info->size_bytes - VLOG_BLOCK;
    struct vlog_footer f;

    if (block.size < VLOG_BLOCK)
        return corrupt(s, at, "footer of file", (uint32_t)info->physical, "is cut off");
    struct status status = vlog_footer_read(block.data, s->err, &f);
    if (failed(status)) {
        errbuf_prefix(s->err, "footer of file %08llu", (unsigned long long)info->physical);
        return status;
    }
    if (f.physical != info->physical || f.logical != info->logical ||
        f.ordinal_end != info->ordinal_end || f.value_count != info->value_count ||
        f.value_bytes != info->value_bytes || f.directory != vlog_source_directory(s->source) ||
        memcmp(f.store, s->v->store, VLOG_UUID) != 0)
        return corrupt(s, at, "footer of file", (uint32_t)info->physical,
                       "is not what the manifest says");
    return status_ok();
}

/* Read the offsets of all values of a value file. */
static struct status read_directory(struct vlog_scanner *s, struct vlog_offsets *o)
{
    struct vlog_source *source = s->source;
    uint32_t ordinal_end = source->info.ordinal_end;
    uint32_t pages = (uint32_t)vlog_page_count(ordinal_end);
    struct bytes block;

    TRY(vlog_offsets_reserve(o, ordinal_end));
    for (uint32_t page = 0; page < pages; page++) {
        uint64_t at = vlog_source_directory(source) + (uint64_t)page * VLOG_BLOCK;
        TRY(look(s, at, VLOG_BLOCK, &block));
        const char *wrong = vlog_page_check(source->physical, page, block);
        if (wrong != NULL)
            return corrupt(s, at, "directory page", page, wrong);
        for (uint32_t i = 0; i < VLOG_PAGE_ORDINALS; i++) {
            uint32_t ordinal = page * VLOG_PAGE_ORDINALS + i;
            uint32_t offset = vlog_page_offset(block.data, i);
            if (offset != 0 && ordinal < ordinal_end)
                vlog_offsets_add(o, ordinal, offset, 0);
        }
    }
    TRY(look(s, source->info.size_bytes - VLOG_BLOCK, VLOG_BLOCK, &block));
    return check_footer(s, block);
}

/* ---- Values ---------------------------------------------------------------------------------- */

/* *out_size: of the value with its header. */
static struct status scan_value(struct vlog_scanner *s, uint32_t ordinal, uint32_t offset,
                                vlog_visit_value *visit, void *context, size_t *out_size)
{
    uint64_t end = s->source->end;
    struct bytes stored;

    if (offset < VLOG_BLOCK || offset + (uint64_t)VLOG_VALUE_HEADER > end)
        return corrupt(s, offset, "value", ordinal, "is not in the file");
    TRY(look(s, offset, VLOG_VALUE_HEADER, &stored));
    if (stored.size < VLOG_VALUE_HEADER)
        return corrupt(s, offset, "value", ordinal, "is cut off");
    size_t size = VLOG_VALUE_HEADER + (size_t)get_u32(stored.data + 4);
    if (offset + size > end)
        return corrupt(s, offset, "value", ordinal, "reaches beyond the file");
    TRY(look(s, offset, size, &stored));
    const char *wrong =
        stored.size < size ? "is cut off" : vlog_value_check(stored, s->source->logical, ordinal);
    if (wrong != NULL)
        return corrupt(s, offset, "value", ordinal, wrong);
    *out_size = size;
    return visit(context, ordinal, bytes_skip(stored, VLOG_VALUE_HEADER));
}

struct status vlog_scanner_step(struct vlog_scanner *s, vlog_wanted *wanted,
                                vlog_visit_value *visit, void *context, uint64_t bytes_max,
                                bool *out_is_done)
{
    const struct vlog_offsets *o = &s->directory;
    uint64_t bytes = 0;
    size_t size;

    for (; s->next < o->end && bytes < bytes_max; s->next++) {
        if (o->at[s->next] == 0 || (wanted != NULL && !wanted(context, s->next)))
            continue;
        TRY(scan_value(s, s->next, o->at[s->next], visit, context, &size));
        bytes += size;
    }
    *out_is_done = s->next >= o->end;
    return status_ok();
}

/* ---- Life ------------------------------------------------------------------------------------ */

/* The file, kept from being closed until vlog_source_drop; NULL if there is none. */
static struct vlog_source *hold_source(struct vlog *v, uint64_t logical)
{
    struct epoch_slot *slot;
    while ((slot = epoch_enter(v->sources.epoch, thread_hint())) == NULL)
        thread_yield();
    struct vlog_source *s = vlog_sources_find(&v->sources, logical);
    if (s != NULL)
        vlog_source_hold(s);
    epoch_leave(slot);
    return s;
}

/* A segment that is still log has its directory in memory. It is copied: the segment may go. */
static struct status copy_directory(struct vlog_scanner *s, const struct vlog_segment *segment)
{
    const struct vlog_offsets *o = &segment->offsets;

    mutex_lock(&s->v->sources.lock);
    bool is_sealed = vlog_segment_is_sealed(s->v, segment);
    mutex_unlock(&s->v->sources.lock);
    if (!is_sealed)
        return status_of(ST_INVALID);
    TRY(vlog_offsets_reserve(&s->directory, o->end));
    for (uint32_t i = 0; i < o->end; i++) {
        if (o->at[i] != 0)
            vlog_offsets_add(&s->directory, i, o->at[i], 0);
    }
    return status_ok();
}

static struct status open_source(struct vlog_scanner *s, uint64_t logical)
{
    const struct vlog_segment *segment = vlog_list_find(s->v, logical);

    s->source = hold_source(s->v, logical);
    if (s->source == NULL) {
        errbuf_set(s->err, "there is no value file %08llu", (unsigned long long)logical);
        return status_of(ST_NOT_FOUND);
    }
    TRY(vlog_source_open(s->source, s->err, &s->file));
    return segment != NULL ? copy_directory(s, segment) : read_directory(s, &s->directory);
}

struct status vlog_scanner_open(struct vlog *v, struct io_ring *ring, uint64_t logical,
                                struct errbuf *err, struct vlog_scanner **out_scanner)
{
    struct vlog_scanner *s = alloc_zeroed(v->env->alloc, sizeof *s);

    if (s == NULL)
        return status_of(ST_NO_MEMORY);
    s->v = v;
    s->ring = ring;
    s->err = err;
    vlog_offsets_init(&s->directory, v->env);
    struct status status = open_source(s, logical);
    if (failed(status))
        vlog_scanner_close(s);
    else
        *out_scanner = s;
    return status;
}

void vlog_scanner_close(struct vlog_scanner *s)
{
    if (s == NULL)
        return;
    drop_window(s);
    vlog_offsets_deinit(&s->directory);
    if (s->source != NULL)
        vlog_source_drop(s->source);
    alloc_free(s->v->env->alloc, s, sizeof *s);
}

struct status vlog_scan(struct vlog *v, struct io_ring *ring, uint64_t logical, vlog_wanted *wanted,
                        vlog_visit_value *visit, void *context, struct errbuf *err)
{
    struct vlog_scanner *s;
    bool is_done;

    TRY(vlog_scanner_open(v, ring, logical, err, &s));
    struct status status = vlog_scanner_step(s, wanted, visit, context, UINT64_MAX, &is_done);
    vlog_scanner_close(s);
    return status;
}
