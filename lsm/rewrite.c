/*
 * rewrite -- value GC: the live values of a value file, copied to its next generation.
 *
 * What is live is the union of the tables' liveness blocks: no look-up in the tree, no write to it.
 * Ordinals are kept, handles never change; one edit swaps logical -> physical. The set can only
 * shrink while the copy runs (a value's entry moves between tables, or is dropped; nothing new
 * comes to refer to a file that no memtable refers to), so the copy has all that is needed. Who
 * reads in an older version at a version of its own holds a snapshot, and what that sees no merge
 * drops; other readers of older versions have left before the job was made (work.c).
 */
#include "lsm/internal.h"

#include "base/check.h"

/* A quantum: so many tables' liveness read, or bytes of values copied. */
enum { TABLES_A_STEP = 16, BYTES_A_STEP = 1 << 20 };

struct rewrite {
    struct lsm_job job;
    uint64_t logical;
    struct lsm_state *state; /* A count is held. */
    struct lsm_edit edit;
    struct fetch fetch;
    uint64_t *live; /* Bitmap of ordinals; NULL until the first step. */
    uint32_t ordinal_end;
    uint64_t live_values;
    uint32_t level; /* The next table to ask is number `at` of this one. */
    uint32_t at;
    struct vlog_scanner *scanner;
    struct vlog_writer *writer;
    bool is_committed;
};

static size_t bitmap_bytes(const struct rewrite *r)
{
    return ((size_t)r->ordinal_end + 63) / 64 * sizeof(uint64_t);
}

static void rewrite_destroy(struct lsm_job *job)
{
    struct rewrite *r = (struct rewrite *)job;
    struct alloc *a = job->lsm->env->alloc;

    vlog_scanner_close(r->scanner);
    vlog_writer_abandon(r->writer);
    if (!r->is_committed)
        lsm_edit_discard(job->lsm, &r->edit);
    lsm_edit_deinit(&r->edit);
    alloc_free(a, r->live, r->live == NULL ? 0 : bitmap_bytes(r));
    fetch_deinit(&r->fetch);
    lsm_state_unref(r->state);
    alloc_free(a, r, sizeof *r);
}

static void mark_run(void *context, uint32_t first, uint32_t count)
{
    struct rewrite *r = context;
    for (uint32_t o = first; o - first < count && o < r->ordinal_end; o++)
        r->live[o / 64] |= UINT64_C(1) << o % 64;
}

static bool is_live(void *context, uint32_t ordinal)
{
    const struct rewrite *r = context;
    return ordinal < r->ordinal_end && (r->live[ordinal / 64] >> ordinal % 64 & 1) != 0;
}

/* ---- Steps -------------------------------------------------------------------------------- */

static struct status begin(struct rewrite *r)
{
    const struct lsm_value_file *old = lsm_version_value_file(r->state->version, r->logical);

    if (old == NULL)
        return status_of(ST_CORRUPT); /* It was picked from this version. */
    r->ordinal_end = old->file.ordinal_end;
    r->live_values = old->live_values;
    r->live = alloc_zeroed(r->job.lsm->env->alloc, bitmap_bytes(r));
    return r->live == NULL ? status_of(ST_NO_MEMORY) : status_ok();
}

static struct status mark_table(struct rewrite *r, const struct lsm_file *f)
{
    struct status s = status_ok();
    for (uint32_t i = 0; i < f->meta.ref_count && succeeded(s); i++) {
        if (f->meta.refs[i].logical == r->logical)
            s = lsm_table_liveness(f->table, &r->fetch, i, mark_run, r);
    }
    fetch_reset(&r->fetch);
    return s;
}

static struct status mark_some(struct rewrite *r)
{
    const struct lsm_version *v = r->state->version;
    for (uint32_t n = 0; n < TABLES_A_STEP && r->level < LSM_LEVELS; n++) {
        if (r->at < v->levels[r->level].count) {
            TRY(mark_table(r, v->levels[r->level].fences[r->at].file));
            r->at++;
        } else {
            r->at = 0;
            r->level++;
        }
    }
    return status_ok();
}

static struct status copy_value(void *context, uint32_t ordinal, struct bytes value)
{
    struct rewrite *r = context;
    struct vlog_handle ignored;
    return vlog_writer_add(r->writer, ordinal, value, &ignored);
}

static struct status copy_some(struct rewrite *r, struct io_ring *ring, bool *out_is_done)
{
    struct vlog *log = r->job.lsm->log;

    if (r->writer == NULL)
        TRY(vlog_writer_create(log, ring, r->logical, &r->writer));
    if (r->scanner == NULL)
        TRY(vlog_scanner_open(log, ring, r->logical, &r->fetch.err, &r->scanner));
    return vlog_scanner_step(r->scanner, is_live, copy_value, r, BYTES_A_STEP, out_is_done);
}

static struct status commit(struct rewrite *r, struct io_ring *ring)
{
    struct lsm *l = r->job.lsm;
    struct vlog_writer *w = r->writer;
    struct vlog_file file;

    r->writer = NULL;
    TRY(vlog_writer_finish(w, &file));
    TRY(lsm_edit_value_file(&r->edit, &file));
    if (file.value_count < r->live_values)
        return status_of(ST_CORRUPT);
    TRY(lsm_edit_commit(l, ring, &r->edit, NULL));
    r->is_committed = true;
    atomic_fetch_add_explicit(&l->counters.rewrites, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&l->counters.rewrite_written_bytes, file.size_bytes,
                              memory_order_relaxed);
    return status_ok();
}

static enum lsm_job_step rewrite_step(struct lsm_job *job, struct io_ring *ring,
                                      struct status *out_status)
{
    struct rewrite *r = (struct rewrite *)job;
    bool is_copied = false;
    struct status s = r->live == NULL ? begin(r) : status_ok();

    if (succeeded(s))
        s = r->level < LSM_LEVELS ? mark_some(r) : copy_some(r, ring, &is_copied);
    if (succeeded(s) && !is_copied)
        return LSM_JOB_AGAIN;
    if (succeeded(s))
        s = commit(r, ring);
    if (succeeded(s))
        return LSM_JOB_DONE;
    *out_status = s;
    return LSM_JOB_FAILED;
}

struct status lsm_rewrite_create(struct lsm *l, struct io_ring *ring, uint64_t logical,
                                 struct lsm_job **out_job)
{
    struct rewrite *r = alloc_zeroed(l->env->alloc, sizeof *r);
    if (r == NULL)
        return status_of(ST_NO_MEMORY);
    r->job = (struct lsm_job) { .step = rewrite_step,
                                .destroy = rewrite_destroy,
                                .lsm = l,
                                .name = "rewriting",
                                .err = &r->fetch.err };
    r->logical = logical;
    r->state = lsm_state_hold(l);
    lsm_edit_init(&r->edit, l->env->alloc);
    const struct fetch_options options = { .cache = l->cache,
                                           .ring = ring,
                                           .fill = FETCH_FILL_NONE };
    fetch_init(&r->fetch, &options);
    *out_job = &r->job;
    return status_ok();
}
