#include "base/io_sim_disk.h"

#include <errno.h>

#include "base/check.h"

static uint64_t end_of(const struct sim_record *r)
{
    return r->offset + r->size;
}

void sim_content_apply(struct sim_content **content, const struct sim_record *r)
{
    switch (r->kind) {
    case SIM_SIZE:
        sim_content_grow(content, r->offset);
        break;
    case SIM_DATA:
        sim_content_write(content, r->offset, r->blob->data + r->blob_at, r->size);
        break;
    case SIM_CUT:
        sim_content_cut(content, r->offset);
        break;
    default:
        CHECK(r->kind <= SIM_CUT);
    }
}

/* ---- Taking records apart -------------------------------------------------------------------- */

/* Divide the DATA record at index into what lies below offset and, at index + 1, the rest. */
static void split(struct sim_node *n, size_t index, uint64_t offset)
{
    struct sim_record *upper = sim_record_insert(n, index + 1);
    struct sim_record *lower = &n->pending[index];
    size_t below = (size_t)(offset - lower->offset);

    *upper = *lower;
    upper->blob = sim_blob_ref(lower->blob);
    upper->offset += below;
    upper->blob_at += below;
    upper->size -= below;
    lower->size = below;
}

/* Divide the DATA record at index into one a sector. */
static void split_sectors(struct sim_node *n, size_t index)
{
    for (;;) {
        const struct sim_record *r = &n->pending[index];
        uint64_t next = align_down(r->offset, SIM_SECTOR) + SIM_SECTOR;
        if (end_of(r) <= next)
            return;
        split(n, index++, next);
    }
}

/* ---- Making data durable -----------------------------------------------------------------------
 */

/*
 * Mark the part of the earlier DATA record at index that shares sectors with [low, high), dividing
 * it as needed. Returns how many records that added.
 */
static size_t mark_overlap(struct sim_node *n, size_t index, uint64_t low, uint64_t high)
{
    size_t added = 0;
    uint64_t first = align_down(low, SIM_SECTOR);
    uint64_t last = align_up(high, SIM_SECTOR);

    if (end_of(&n->pending[index]) <= first || n->pending[index].offset >= last)
        return 0;
    if (end_of(&n->pending[index]) > last) {
        split(n, index, last);
        added++;
    }
    if (n->pending[index].offset < first) {
        split(n, index, first);
        added++;
        index++;
    }
    n->pending[index].is_marked = true;
    return added;
}

/* Mark what the marked record at index cannot do without. Returns how many records that added
 * before it. */
static size_t mark_needs(struct sim_node *n, size_t index)
{
    size_t added = 0;

    for (size_t k = index; k-- > 0;) {
        const struct sim_record *r = &n->pending[index + added];
        struct sim_record *earlier = &n->pending[k];
        if (earlier->is_marked)
            continue;
        if (r->kind == SIM_DATA && earlier->kind == SIM_DATA)
            added += mark_overlap(n, k, r->offset, end_of(r));
        else if (earlier->kind == SIM_CUT && (r->kind != SIM_DATA || earlier->offset < end_of(r)))
            earlier->is_marked = true;
    }
    return added;
}

/* A cut becomes durable before the records it came after: nothing of them may come back. */
static void clip_before(struct sim_node *n, size_t index)
{
    uint64_t size = n->pending[index].offset;

    for (size_t i = 0; i < index; i++) {
        struct sim_record *r = &n->pending[i];
        if (r->is_marked || r->kind == SIM_CUT)
            continue;
        if (r->kind == SIM_SIZE && r->offset > size)
            r->offset = size;
        if (r->kind == SIM_DATA && r->offset >= size)
            r->size = 0;
        if (r->kind == SIM_DATA && r->size > 0 && end_of(r) > size)
            r->size = (size_t)(size - r->offset);
    }
}

static bool is_spent(const struct sim_record *r, uint64_t unused)
{
    (void)unused;
    return r->is_marked || (r->kind == SIM_DATA && r->size == 0);
}

/* Make the marked records, and all that they need, durable. */
static void settle_marked(struct sim_node *n)
{
    size_t marked = 0;

    for (size_t i = 0; i < n->pending_count; i++)
        marked += n->pending[i].is_marked;
    if (marked < n->pending_count) {
        for (size_t i = n->pending_count; i-- > 0;)
            if (n->pending[i].is_marked)
                i += mark_needs(n, i);
        for (size_t i = 0; i < n->pending_count; i++)
            if (n->pending[i].is_marked && n->pending[i].kind == SIM_CUT)
                clip_before(n, i);
    }
    for (size_t i = 0; i < n->pending_count; i++)
        if (n->pending[i].is_marked)
            sim_content_apply(&n->durable, &n->pending[i]);
    sim_records_filter(n, is_spent, 0);
}

static bool is_covered(const struct sim_record *r, uint64_t start)
{
    return r->done != 0 && r->done <= start;
}

static void sync_file(struct sim_node *n, const struct io_sim_event *e)
{
    if (e->outcome == IO_SIM_LIED)
        return;
    for (size_t i = 0; i < n->pending_count; i++) {
        if (!is_covered(&n->pending[i], e->start))
            continue;
        if (e->outcome == IO_SIM_FAILED && n->pending[i].kind == SIM_DATA)
            split_sectors(n, i);
        /* A sector has one fate, however often it was written: it is written back once. */
        const struct sim_record *r = &n->pending[i];
        uint64_t thing = r->kind == SIM_DATA ? r->offset / SIM_SECTOR : ~r->sequence;
        n->pending[i].is_marked = e->outcome != IO_SIM_FAILED || sim_coin(e->seed, thing);
    }
    settle_marked(n);
    if (e->outcome == IO_SIM_FAILED)
        sim_records_filter(n, is_covered, e->start); /* Forgotten: clean pages, lost data. */
}

/* ---- Writing -------------------------------------------------------------------------------- */

static void begin_write(struct sim_disk *d, struct sim_node *n, struct io_sim_event *e)
{
    uint64_t end = e->offset + e->data.size;
    uint64_t charge = sim_node_charge(n, end);

    e->blob = e->blob == NULL ? sim_blob_create(e->data) : sim_blob_ref(e->blob);
    e->data = bytes_of(e->blob->data, e->blob->size);
    if (e->data.size == 0) {
        sim_blob_unref(e->blob);
        e->blob = NULL;
        e->data = bytes_of(NULL, 0);
        return;
    }
    n->charged_end += charge;
    d->used_bytes += charge;
    if (end > n->live->size || end > n->durable->size)
        sim_record_add(n, SIM_SIZE, e->sequence)->offset = end;
    struct sim_record *r = sim_record_add(n, SIM_DATA, e->sequence);
    r->offset = e->offset;
    r->size = e->data.size;
    r->blob = e->blob;
}

/* Where the records of the write that began at start are: [first, last). */
static void find_write(const struct sim_node *n, uint64_t start, size_t *out_first,
                       size_t *out_last)
{
    size_t last = n->pending_count;

    while (last > 0 && n->pending[last - 1].sequence > start)
        last--;
    *out_last = last;
    while (last > 0 && n->pending[last - 1].sequence == start)
        last--;
    *out_first = last;
}

/* Reads see these data from now on. */
static void show(struct sim_node *n, const struct sim_record *r)
{
    sim_content_grow(&n->live, end_of(r));
    sim_content_apply(&n->live, r);
}

static bool is_dropped(const struct sim_record *r, uint64_t sequence)
{
    return r->sequence == sequence && !r->is_marked;
}

/* Leave a subset of the sectors of a failed write, and of the size no more than they need. Reads
 * see that, or, from the page cache, all of it. */
static void tear_write(struct sim_node *n, const struct io_sim_event *e)
{
    size_t first;
    size_t last;
    uint64_t end = 0;

    find_write(n, e->start, &first, &last);
    for (size_t i = first; i < last; i++) {
        if (n->pending[i].kind != SIM_DATA)
            continue;
        size_t before = n->pending_count;
        split_sectors(n, i);
        last += n->pending_count - before;
        struct sim_record *r = &n->pending[i];
        if (e->is_cached)
            show(n, r);
        r->is_marked = sim_coin(e->seed, r->offset / SIM_SECTOR);
        if (r->is_marked)
            end = end_of(r);
    }
    for (size_t i = first; i < last; i++) {
        struct sim_record *r = &n->pending[i];
        if (r->kind != SIM_SIZE)
            continue;
        r->is_marked = end > 0;
        if (r->offset > end)
            r->offset = end;
    }
    sim_records_filter(n, is_dropped, e->start);
}

static void end_write(struct sim_node *n, const struct io_sim_event *e)
{
    size_t first;
    size_t last;

    if (e->outcome == IO_SIM_FAILED)
        tear_write(n, e);
    find_write(n, e->start, &first, &last);
    for (size_t i = first; i < last; i++) {
        struct sim_record *r = &n->pending[i];
        r->done = e->sequence;
        r->is_marked = e->outcome == IO_SIM_DURABLE;
        if (r->kind == SIM_DATA)
            show(n, r);
    }
    if (e->outcome == IO_SIM_DURABLE)
        settle_marked(n);
}

static void truncate_file(struct sim_disk *d, struct sim_node *n, const struct io_sim_event *e)
{
    struct sim_record *r = sim_record_add(n, SIM_CUT, e->sequence);

    r->done = e->sequence;
    r->offset = e->offset;
    sim_content_apply(&n->live, r);
    sim_node_uncharge(d, n, e->offset);
}

static void allocate_space(struct sim_disk *d, struct sim_node *n, const struct io_sim_event *e)
{
    uint64_t end = e->offset + e->size;
    uint64_t charge = sim_node_charge(n, end);

    n->charged_end += charge;
    d->used_bytes += charge;
    if (n->allocated_end < end)
        n->allocated_end = end;
}

int sim_file_apply(struct sim_disk *d, struct io_sim_event *e)
{
    struct sim_node *n = sim_disk_node(d, e->file);

    if (n == NULL)
        return EBADF;
    CHECK(!n->is_dir);
    switch (e->kind) {
    case IO_SIM_WRITING:
        begin_write(d, n, e);
        return 0;
    case IO_SIM_WRITTEN:
        end_write(n, e);
        return 0;
    case IO_SIM_SYNCED:
        sync_file(n, e);
        return 0;
    case IO_SIM_TRUNCATED:
        truncate_file(d, n, e);
        return 0;
    case IO_SIM_ALLOCATED:
        allocate_space(d, n, e);
        return 0;
    default:
        CHECK(e->kind >= IO_SIM_TRUNCATED);
        return EINVAL;
    }
}
