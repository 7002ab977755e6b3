#include "base/alloc.h"
#include "base/budget.h"
#include "base/check.h"

#include "vlog/log.h"

/*
 * What happens beside the writer: the flush barrier, and segments leaving the log, either as value
 * files (adoption) or into the pool.
 */

/* ---- Durability ------------------------------------------------------------------------------ */

/* The oldest segment after `after` with a batch in (durable, lsn], or NULL. */
static struct vlog_segment *next_to_sync(struct vlog *v, uint64_t after, uint64_t durable,
                                         uint64_t lsn)
{
    mutex_lock(&v->sources.lock);
    struct vlog_segment *s = v->oldest;
    for (; s != NULL; s = s->next) {
        uint64_t first = atomic_load_explicit(&s->first_lsn, memory_order_relaxed);
        uint64_t last = atomic_load_explicit(&s->last_lsn, memory_order_relaxed);
        if (s->id > after && first != 0 && first <= lsn && last > durable)
            break;
    }
    mutex_unlock(&v->sources.lock);
    return s;
}

struct status vlog_make_durable(struct vlog *v, struct io_ring *ring, uint64_t lsn)
{
    uint64_t durable = atomic_load_explicit(&v->durable_lsn, memory_order_acquire);
    uint64_t after = 0;

    CHECK(lsn <= vlog_written_lsn(v));
    if (vlog_is_failed(v))
        return status_of(ST_FAILED);
    if (lsn <= durable)
        return status_ok();
    /* Only relaxed mode gets here. A sync covers what was written before it was submitted, and all
     * up to lsn was. */
    for (;;) {
        struct vlog_segment *s = next_to_sync(v, after, durable, lsn);
        if (s == NULL)
            break;
        after = s->id;
        struct status status = io_sync(ring, s->file);
        if (failed(status)) {
            vlog_poison(v, "sync of segment %08llu failed: %s", (unsigned long long)s->id,
                        status_text(status));
            return status;
        }
    }
    atomic_store_explicit(&v->durable_lsn, lsn, memory_order_release);
    return status_ok();
}

struct status vlog_barrier(struct vlog *v, struct io_ring *ring, uint64_t lsn)
{
    return vlog_make_durable(v, ring, lsn);
}

/* ---- Leaving the log ------------------------------------------------------------------------- */

/* The file of a segment, to write behind its batches. Found at open, it is not open yet. */
static struct status writable(struct vlog *v, struct vlog_segment *s)
{
    char path[IO_PATH_MAX];

    if (s->file != NULL)
        return status_ok();
    TRY(vlog_path(v->dir, s->id, VLOG_SEGMENT, path));
    return io_open(v->env->io, path, IO_WRITE, &s->file);
}

/* Directory and footer at offset `at`, durable; the file is cut behind them. */
static struct status end_segment(struct vlog *v, struct io_ring *ring, struct vlog_segment *s,
                                 uint64_t at)
{
    struct vlog_footer f = {
        .physical = s->id,
        .logical = s->id,
        .end = atomic_load_explicit(&s->end, memory_order_relaxed),
        .directory = at,
        .first_lsn = atomic_load_explicit(&s->first_lsn, memory_order_relaxed),
        .last_lsn = atomic_load_explicit(&s->last_lsn, memory_order_relaxed),
    };

    memcpy(f.store, v->store, VLOG_UUID);
    TRY(vlog_offsets_write_end(&s->offsets, &f, ring, s->file));
    vlog_count(&v->other_bytes, vlog_end_size(s->offsets.end));
    TRY(io_truncate(s->file, at + vlog_end_size(s->offsets.end)));
    /* In every mode: the cut as well, and batches of a relaxed segment. */
    return io_sync(ring, s->file);
}

struct status vlog_adopt(struct vlog *v, struct io_ring *ring, uint64_t segment,
                         struct vlog_file *out_file)
{
    struct vlog_segment *s = vlog_list_find(v, segment);

    if (vlog_is_failed(v))
        return status_of(ST_FAILED);
    if (s == NULL || s->offsets.value_count == 0)
        return status_of(ST_INVALID);
    mutex_lock(&v->sources.lock);
    bool is_ready = !s->is_released && vlog_segment_is_sealed(v, s);
    mutex_unlock(&v->sources.lock);
    if (!is_ready)
        return status_of(ST_INVALID);

    uint64_t directory = align_up(atomic_load_explicit(&s->end, memory_order_relaxed), VLOG_BLOCK);
    TRY(writable(v, s));
    struct status status = end_segment(v, ring, s, directory);
    if (failed(status)) {
        if (status.code != ST_NO_SPACE && status.code != ST_NO_MEMORY)
            vlog_poison(v, "ending segment %08llu failed: %s", (unsigned long long)segment,
                        status_text(status));
        return status;
    }
    struct vlog_source *source = vlog_sources_find(&v->sources, segment);
    source->info.size_bytes = directory + vlog_end_size(s->offsets.end);
    source->info.value_count = s->offsets.value_count;
    source->info.value_bytes = s->offsets.value_bytes;
    source->info.ordinal_end = s->offsets.end;
    *out_file = source->info;
    vlog_list_remove(v, s);
    vlog_segment_destroy(s);
    vlog_count(&v->adopted, 1);
    return status_ok();
}

/* Let go of one segment that was released and may leave now. False if there is none. */
static bool release_one(struct vlog *v)
{
    mutex_lock(&v->sources.lock);
    struct vlog_segment *s = v->oldest;
    while (s != NULL && !(s->is_released && vlog_segment_is_sealed(v, s)))
        s = s->next;
    mutex_unlock(&v->sources.lock);
    if (s == NULL)
        return false;
    vlog_list_remove(v, s);
    vlog_pool_give(v, s);
    vlog_segment_destroy(s);
    vlog_count(&v->released, 1);
    return true;
}

void vlog_release(struct vlog *v, struct io_ring *ring, uint64_t segment)
{
    (void)ring; /* Names only; the zeros behind what was used are written by vlog_work_step. */
    mutex_lock(&v->sources.lock);
    for (struct vlog_segment *s = v->oldest; s != NULL; s = s->next) {
        if (s->id == segment) {
            CHECK(s->is_rolled);
            s->is_released = true;
        }
    }
    mutex_unlock(&v->sources.lock);
    while (release_one(v))
        ;
}

/* ---- Value files ----------------------------------------------------------------------------- */

struct status vlog_install(struct vlog *v, const struct vlog_file *file)
{
    return vlog_sources_put_file(&v->sources, file);
}

void vlog_drop(struct vlog *v, uint64_t logical)
{
    vlog_sources_take(&v->sources, logical, true);
}

/* ---- Steps ----------------------------------------------------------------------------------- */

enum vlog_step vlog_work_step(struct vlog *v, struct io_ring *ring, uint64_t now_ns)
{
    if (vlog_is_failed(v))
        return VLOG_BROKEN;
    if (vlog_pool_step(v, ring, now_ns) || release_one(v) || vlog_sources_reap(&v->sources))
        return VLOG_AGAIN;
    return vlog_is_failed(v) ? VLOG_BROKEN : VLOG_IDLE;
}

void vlog_on_work(struct vlog *v, void (*wake)(void *context), void *context)
{
    v->wake_work = wake;
    v->wake_context = context;
    v->sources.wake = wake;
    v->sources.wake_context = context;
}
