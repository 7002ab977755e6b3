/*
 * flush -- a frozen memtable becomes a table in L0, and its log may go.
 *
 * In order: (1) the flush barrier: the log is on the device up to the memtable's last entry, so
 * that the manifest never runs ahead of the log; (2) for each segment its values lie in: adopt it
 * (half or more of its bytes are values), or have the values copied into a value file; (3) merge
 * the memtable through the drop rule into a table; (4) one edit names table, value files, applied
 * indexes, sidecar and where the log now starts; (5) the state lets the memtable go.
 */
#include "lsm/internal.h"

#include "base/check.h"

struct flush {
    struct lsm_job job;
    struct lsm_mem *mem;     /* A count is held, here and below. */
    struct lsm_state *state; /* As of the start: what lies below, which value files are named. */
    struct lsm_edit edit;
    struct lsm_output output;
    struct fetch fetch;
    struct lsm_iter *iter;
    struct vlog_writer *values; /* Copies; NULL until the first. */
    uint32_t value_ordinal;
    uint64_t last_named; /* Logical id that was last found named; 0: none. */
    bool is_prepared;
    bool is_committed;
};

static bool may_lie_below(void *context, struct bytes begin, struct bytes end)
{
    const struct lsm_version *v = context;
    for (uint32_t i = 0; i < v->levels[0].count; i++) {
        if (lsm_file_overlaps(v->levels[0].fences[i].file, begin, end.size > 0 ? end : begin))
            return true;
    }
    return lsm_version_may_lie_below(v, 0, begin, end);
}

static void flush_destroy(struct lsm_job *job)
{
    struct flush *f = (struct flush *)job;
    struct lsm *l = job->lsm;

    lsm_iter_destroy(f->iter);
    lsm_output_deinit(&f->output);
    vlog_writer_abandon(f->values);
    if (!f->is_committed)
        lsm_edit_discard(l, &f->edit);
    lsm_edit_deinit(&f->edit);
    fetch_deinit(&f->fetch);
    lsm_state_unref(f->state);
    lsm_mem_unref(f->mem);
    alloc_free(l->env->alloc, f, sizeof *f);
}

/* ---- Segments ----------------------------------------------------------------------------- */

static struct status remember_adopted(struct lsm_mem *m, const struct vlog_file *file)
{
    struct vlog_file *files = alloc_resize(m->alloc, m->adopted, m->adopted_count * sizeof *files,
                                           (m->adopted_count + 1) * sizeof *files);
    if (files == NULL)
        return status_of(ST_NO_MEMORY);
    m->adopted = files;
    files[m->adopted_count++] = *file;
    return status_ok();
}

/* Adopt what is ours, sealed, and mostly values; values of the other segments will be copied. */
static struct status adopt_segments(struct flush *f, struct io_ring *ring,
                                    const struct vlog_segment_info *infos, size_t count)
{
    struct lsm *l = f->job.lsm;
    for (size_t i = 0; i < count; i++) {
        const struct vlog_segment_info *info = &infos[i];
        bool is_ours = info->first_lsn != 0 && info->first_lsn <= f->mem->last_lsn &&
                       info->last_lsn >= f->mem->first_lsn;
        if (!is_ours || !info->is_sealed || info->value_count == 0 ||
            info->value_bytes * 2 < info->size_bytes)
            continue;
        struct vlog_file file;
        TRY(vlog_adopt(l->log, ring, info->id, &file));
        if (info->last_lsn > l->adopted_tail.last_lsn)
            l->adopted_tail = *info;
        TRY(remember_adopted(f->mem, &file));
        atomic_fetch_add_explicit(&l->counters.segments_adopted, 1, memory_order_relaxed);
    }
    for (uint32_t i = 0; i < f->mem->adopted_count; i++)
        TRY(lsm_edit_value_file(&f->edit, &f->mem->adopted[i]));
    return status_ok();
}

/* The first segment that holds entries beyond the memtable, adopted or not. A memtable that was cut
 * in the middle of the replay leaves the start where it was: what follows it in the same segments
 * is in later memtables. */
static void set_log_start(struct flush *f, const struct vlog_segment_info *infos, size_t count)
{
    const struct vlog_segment_info *tail = &f->job.lsm->adopted_tail;
    if (f->mem->is_cut_in_replay)
        return;
    for (size_t i = 0; i < count; i++) {
        if (infos[i].is_active || infos[i].last_lsn > f->mem->last_lsn) {
            f->edit.log_start = infos[i].id;
            break;
        }
    }
    if (f->edit.log_start != 0 && tail->last_lsn > f->mem->last_lsn && tail->id < f->edit.log_start)
        f->edit.log_start = tail->id;
    f->edit.flushed_lsn = f->mem->last_lsn;
}

static struct status settle_segments(struct flush *f, struct io_ring *ring)
{
    struct lsm *l = f->job.lsm;
    struct alloc *a = l->env->alloc;
    /* The writer may add some meanwhile: those are not ours. */
    size_t room = vlog_segments(l->log, NULL, 0) + 1;
    struct vlog_segment_info *infos = alloc_array(a, room, sizeof *infos);

    if (infos == NULL)
        return status_of(ST_NO_MEMORY);
    size_t count = vlog_segments(l->log, infos, room);
    count = count < room ? count : room;
    set_log_start(f, infos, count);
    struct status s = adopt_segments(f, ring, infos, count);
    alloc_free(a, infos, room * sizeof *infos);
    return s;
}

/* ---- Values ------------------------------------------------------------------------------- */

/* Does the manifest name this logical file, or will with this edit? */
static bool is_named(struct flush *f, uint64_t logical)
{
    if (logical == f->last_named)
        return true;
    bool is_found = lsm_version_value_file(f->state->version, logical) != NULL;
    for (uint32_t i = 0; i < f->edit.value_file_count && !is_found; i++)
        is_found = f->edit.value_files[i].logical == logical;
    if (is_found)
        f->last_named = logical;
    return is_found;
}

/* The value's segment returns to the pool: copy the value out of it. */
static struct status copy_value(struct flush *f, struct io_ring *ring, struct lsm_entry *e)
{
    struct bytes value;
    struct vlog_handle handle;

    if (f->values == NULL)
        TRY(vlog_writer_create(f->job.lsm->log, ring, 0, &f->values));
    struct status s = vlog_read(f->job.lsm->log, &f->fetch, &e->handle, &value);
    if (succeeded(s))
        s = vlog_writer_add(f->values, f->value_ordinal, value, &handle);
    fetch_reset(&f->fetch);
    TRY(s);
    f->value_ordinal++;
    e->handle = handle;
    return s;
}

/* ---- Steps -------------------------------------------------------------------------------- */

static struct status prepare(struct flush *f, struct io_ring *ring)
{
    struct lsm *l = f->job.lsm;

    TRY(vlog_barrier(l->log, ring, f->mem->last_lsn));
    TRY(settle_segments(f, ring));
    TRY(lsm_output_init(&f->output, l, ring, &f->edit, 0));
    f->output.drop.floor = lsm_floor(l);
    f->output.drop.range_deletes = lsm_memtable_range_deletes(f->mem->table);
    f->output.drop.may_lie_below = may_lie_below;
    f->output.drop.context = f->state->version;
    TRY(lsm_memtable_iter(f->mem->table, &f->iter));
    TRY(lsm_iter_first(f->iter));
    f->is_prepared = true;
    return status_ok();
}

static struct status merge_some(struct flush *f, struct io_ring *ring)
{
    for (uint32_t n = f->job.lsm->options.job_quantum_entries; n > 0 && f->iter->is_valid; n--) {
        struct lsm_entry e = f->iter->entry;
        if (lsm_output_wants(&f->output, &e)) {
            if (e.kind == LSM_PUT_HANDLE && !is_named(f, e.handle.file))
                TRY(copy_value(f, ring, &e));
            TRY(lsm_output_add(&f->output, &e));
        }
        TRY(lsm_iter_next(f->iter));
    }
    return status_ok();
}

static struct status commit(struct flush *f, struct io_ring *ring)
{
    struct lsm *l = f->job.lsm;

    TRY(lsm_output_finish(&f->output));
    if (f->values != NULL) {
        struct vlog_file copies;
        struct vlog_writer *w = f->values;
        f->values = NULL;
        TRY(vlog_writer_finish(w, &copies));
        TRY(lsm_edit_value_file(&f->edit, &copies));
    }
    memcpy(f->edit.groups, f->mem->groups, sizeof f->mem->groups);
    f->edit.group_count = f->mem->group_count;
    if (l->has_sidecar) {
        f->edit.has_sidecar = true;
        f->edit.sidecar = buf_bytes(&f->mem->sidecar);
    }
    TRY(lsm_edit_commit(l, ring, &f->edit, f->mem));
    f->is_committed = true;
    atomic_fetch_add_explicit(&l->counters.flushes, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&l->counters.flush_bytes, f->output.written_bytes,
                              memory_order_relaxed);
    atomic_store_explicit(&l->flushed_ticket, f->mem->ticket, memory_order_release);
    return status_ok();
}

static enum lsm_job_step flush_step(struct lsm_job *job, struct io_ring *ring,
                                    struct status *out_status)
{
    struct flush *f = (struct flush *)job;
    struct status s = f->is_prepared ? merge_some(f, ring) : prepare(f, ring);

    if (succeeded(s) && f->iter->is_valid)
        return LSM_JOB_AGAIN;
    if (succeeded(s))
        s = commit(f, ring);
    if (succeeded(s))
        return LSM_JOB_DONE;
    *out_status = s;
    return LSM_JOB_FAILED;
}

struct status lsm_flush_create(struct lsm *l, struct io_ring *ring, struct lsm_mem *mem,
                               struct lsm_job **out_job)
{
    struct flush *f = alloc_zeroed(l->env->alloc, sizeof *f);
    if (f == NULL)
        return status_of(ST_NO_MEMORY);
    f->job = (struct lsm_job) { .step = flush_step,
                                .destroy = flush_destroy,
                                .lsm = l,
                                .name = "flush",
                                .err = &f->fetch.err };
    f->mem = mem;
    lsm_mem_ref(mem);
    f->state = lsm_state_hold(l);
    lsm_edit_init(&f->edit, l->env->alloc);
    const struct fetch_options options = { .cache = l->cache,
                                           .ring = ring,
                                           .fill = FETCH_FILL_NONE };
    fetch_init(&f->fetch, &options);
    *out_job = &f->job;
    return status_ok();
}
