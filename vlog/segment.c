#include "base/alloc.h"
#include "base/check.h"

#include "vlog/log.h"

/*
 * Segments that are still log, in a list, oldest first. The writer appends (and removes its own
 * active segment while that is empty); everything else is removed by the background thread, which
 * may therefore hold on to a segment without the lock.
 */

struct vlog_segment *vlog_segment_create(const struct env *env, uint64_t id, const uint8_t *store)
{
    struct vlog_segment *s = alloc_zeroed(env->alloc, sizeof *s);

    if (s == NULL)
        return NULL;
    s->id = id;
    s->seed = vlog_seed(store, id);
    vlog_offsets_init(&s->offsets, env);
    atomic_init(&s->end, VLOG_BLOCK);
    return s;
}

void vlog_segment_destroy(struct vlog_segment *s)
{
    if (s == NULL)
        return;
    struct alloc *a = s->offsets.env->alloc;
    io_close(s->file);
    vlog_offsets_deinit(&s->offsets);
    alloc_free(a, s, sizeof *s);
}

void vlog_list_append(struct vlog *v, struct vlog_segment *s)
{
    mutex_lock(&v->sources.lock);
    CHECK(v->newest == NULL || v->newest->id < s->id);
    if (v->newest == NULL) {
        v->oldest = s;
    } else {
        v->newest->is_rolled = true;
        v->newest->next = s;
    }
    v->newest = s;
    mutex_unlock(&v->sources.lock);
}

void vlog_list_remove(struct vlog *v, struct vlog_segment *s)
{
    mutex_lock(&v->sources.lock);
    struct vlog_segment *before = NULL;
    struct vlog_segment *at = v->oldest;
    while (at != s) {
        CHECK(at != NULL);
        before = at;
        at = at->next;
    }
    if (before == NULL)
        v->oldest = s->next;
    else
        before->next = s->next;
    if (v->newest == s)
        v->newest = before;
    mutex_unlock(&v->sources.lock);
}

struct vlog_segment *vlog_list_find(struct vlog *v, uint64_t id)
{
    mutex_lock(&v->sources.lock);
    struct vlog_segment *s = v->oldest;
    while (s != NULL && s->id != id)
        s = s->next;
    mutex_unlock(&v->sources.lock);
    return s;
}

bool vlog_segment_is_sealed(const struct vlog *v, const struct vlog_segment *s)
{
    /* Acquire: what the writer stored about a batch before it said that it was written. */
    uint64_t written = atomic_load_explicit(&v->written_lsn, memory_order_acquire);

    if (!s->is_rolled || atomic_load_explicit(&s->last_lsn, memory_order_relaxed) > written)
        return false;
    if (!atomic_load_explicit(&v->has_hard_states, memory_order_relaxed))
        return true;
    uint64_t next = atomic_load_explicit(&s->next->first_lsn, memory_order_relaxed);
    return next != 0 && next <= written;
}

static void fill_info(const struct vlog *v, const struct vlog_segment *s,
                      struct vlog_segment_info *out) REQUIRES(v->sources.lock)
{
    *out = (struct vlog_segment_info) {
        .id = s->id,
        .size_bytes = atomic_load_explicit(&s->end, memory_order_relaxed),
        .first_lsn = atomic_load_explicit(&s->first_lsn, memory_order_relaxed),
        .last_lsn = atomic_load_explicit(&s->last_lsn, memory_order_relaxed),
        .value_count = atomic_load_explicit(&s->value_count, memory_order_relaxed),
        .value_bytes = atomic_load_explicit(&s->value_bytes, memory_order_relaxed),
        .is_active = !s->is_rolled,
        .is_sealed = vlog_segment_is_sealed(v, s),
    };
}

size_t vlog_segments(struct vlog *v, struct vlog_segment_info *out, size_t max)
{
    size_t count = 0;

    mutex_lock(&v->sources.lock);
    for (const struct vlog_segment *s = v->oldest; s != NULL; s = s->next) {
        if (s->is_released)
            continue;
        if (count < max)
            fill_info(v, s, &out[count]);
        count++;
    }
    mutex_unlock(&v->sources.lock);
    return count;
}

uint64_t vlog_log_bytes(const struct vlog *v)
{
    /* The lock is not part of the log's value. */
    struct mutex *lock = (struct mutex *)&v->sources.lock;
    uint64_t bytes = 0;

    mutex_lock(lock);
    for (const struct vlog_segment *s = v->oldest; s != NULL; s = s->next) {
        if (!s->is_released)
            bytes += atomic_load_explicit(&s->end, memory_order_relaxed);
    }
    mutex_unlock(lock);
    return bytes;
}
