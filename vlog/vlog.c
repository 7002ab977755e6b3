#include "vlog/vlog.h"

#include "base/alloc.h"
#include "base/budget.h"
#include "base/check.h"

#include "vlog/log.h"

#include <stdarg.h>
#include <stdio.h>

/* Opening and closing, the poisoned state, numbers. */

enum {
    SEGMENT_SIZE = 64 * 1024 * 1024,
    SEGMENT_SIZE_MIN = 16 * 1024,
    SEGMENT_SIZE_MAX = 1 << 30,
    BATCH_SIZE = 64 * 1024 * 1024,
    BATCH_SIZE_MIN = 1024,
    BATCH_SIZE_MAX = 1 << 30,
    POOL_FILES = 4,
    SEAL_IDLE_NS = 10 * 1000 * 1000,
};

/* ---- Poisoned -------------------------------------------------------------------------------- */

void vlog_poison(struct vlog *v, const char *format, ...)
{
    char text[ERRBUF_SIZE];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    mutex_lock(&v->sources.lock);
    if (!atomic_load_explicit(&v->is_failed, memory_order_relaxed)) {
        errbuf_set(&v->failure, "%s", text);
        /* Release: who sees the flag sees the words. */
        atomic_store_explicit(&v->is_failed, true, memory_order_release);
    }
    mutex_unlock(&v->sources.lock);
}

const char *vlog_failure(const struct vlog *v)
{
    return vlog_is_failed(v) ? v->failure.text : NULL;
}

/* ---- Opening --------------------------------------------------------------------------------- */

static struct status fill_options(const struct vlog_config *config, struct vlog_options *out)
{
    struct vlog_options o = config->options;

    if (o.segment_size == 0)
        o.segment_size = SEGMENT_SIZE;
    if (o.batch_size_max == 0)
        o.batch_size_max = BATCH_SIZE;
    if (o.pool_max == 0)
        o.pool_max = POOL_FILES;
    if (o.seal_idle_ns == 0)
        o.seal_idle_ns = SEAL_IDLE_NS;
    if (o.segment_size < SEGMENT_SIZE_MIN || o.segment_size > SEGMENT_SIZE_MAX ||
        o.segment_size % IO_ALIGN != 0) {
        errbuf_set(config->err, "segment size %llu is not a multiple of %d from %d to %d",
                   (unsigned long long)o.segment_size, IO_ALIGN, SEGMENT_SIZE_MIN,
                   SEGMENT_SIZE_MAX);
        return status_of(ST_INVALID);
    }
    if (o.batch_size_max < BATCH_SIZE_MIN || o.batch_size_max > BATCH_SIZE_MAX) {
        errbuf_set(config->err, "batch size %u is not from %d to %d", o.batch_size_max,
                   BATCH_SIZE_MIN, BATCH_SIZE_MAX);
        return status_of(ST_INVALID);
    }
    if (o.pool_max > VLOG_POOL_MAX || (o.mode != VLOG_DURABLE && o.mode != VLOG_RELAXED)) {
        errbuf_set(config->err, "more than %d pool files, or no such mode", VLOG_POOL_MAX);
        return status_of(ST_INVALID);
    }
    *out = o;
    return status_ok();
}

/* Everything that is there before the log is read. */
static struct status prepare(struct vlog *v, const struct vlog_config *config)
{
    struct alloc *a = v->env->alloc;

    TRY(fill_options(config, &v->options));
    memcpy(v->store, config->store_uuid, VLOG_UUID);
    v->take_file_id = config->take_file_id;
    v->id_context = config->id_context;
    v->dir_size = strlen(config->dir) + 1;
    char *dir = alloc_bytes(a, v->dir_size);
    if (dir == NULL)
        return status_of(ST_NO_MEMORY);
    memcpy(dir, config->dir, v->dir_size);
    v->dir = dir;
    TRY(vlog_sources_init(&v->sources, v->env, config->cache, v->dir,
                          v->options.is_direct_value_io));
    for (size_t i = 0; i < config->file_count; i++)
        TRY(vlog_sources_put_file(&v->sources, &config->files[i]));
    TRY(vlog_pool_init(&v->pool, v));
    return vlog_images_init(v);
}

/* Go on where the log ended, in a fresh segment that says so. */
static struct status begin_run(struct vlog *v, const struct vlog_recovered *r, struct io_ring *ring)
{
    struct vlog_resume resume = { .first_lsn = r->next_lsn, .resume_lsn = r->good_lsn };
    uint64_t need = vlog_segment_need(vlog_hard_states_size(v), 0);
    struct vlog_segment *segment = NULL;
    struct vlog_image *image = NULL;

    v->resume_lsn = r->good_lsn;
    v->next_lsn = r->next_lsn;
    v->torn_batches = r->torn_batches;
    atomic_store_explicit(&v->written_lsn, r->next_lsn - 1, memory_order_relaxed);
    atomic_store_explicit(&v->durable_lsn, r->next_lsn - 1, memory_order_relaxed);
    atomic_store_explicit(&v->staged_lsn, r->good_lsn, memory_order_relaxed);
    TRY(vlog_image_take(v, need, &image));
    TRY(vlog_pool_take(v, ring, need, &resume, &segment));
    vlog_activate(v, segment, image);
    return status_ok();
}

/* Files of the log that hold nothing of use. */
static void remove_leftovers(struct vlog *v, const struct vlog_recovered *r)
{
    for (size_t i = 0; i < r->leftover_count; i++)
        vlog_pool_unlink(v, r->leftovers[i].id, r->leftovers[i].kind);
}

/* Without a last write. Takes a half-open log. */
static void teardown(struct vlog *v)
{
    struct alloc *a = v->env->alloc;

    if (v->dir == NULL)
        goto out;
    vlog_pool_deinit(&v->pool, v);
    while (v->oldest != NULL) {
        struct vlog_segment *s = v->oldest;
        v->oldest = s->next;
        vlog_segment_destroy(s);
    }
    vlog_sources_deinit(&v->sources);
    vlog_images_deinit(v);
    alloc_free(a, v->hard_states, v->hard_state_capacity * sizeof *v->hard_states);
    alloc_free(a, (char *)v->dir, v->dir_size);
out:
    alloc_free(a, v, sizeof *v);
}

struct status vlog_open(const struct vlog_config *config, struct io_ring *ring,
                        vlog_visit_entry *visit, void *context, struct vlog **out_vlog)
{
    struct alloc *a = config->env->alloc;
    struct vlog_recovered r = { .good_lsn = 0 };
    struct vlog *v = alloc_aligned(a, 64, sizeof *v);

    errbuf_set(config->err, "%s", "");
    if (v == NULL)
        return status_of(ST_NO_MEMORY);
    memset(v, 0, sizeof *v);
    v->env = config->env;
    v->is_direct = config->options.mode == VLOG_DURABLE; /* Until it is refused. */
    struct status s = prepare(v, config);
    if (failed(s))
        goto out;
    s = vlog_recover(v, config, ring, visit, context, &r);
    if (failed(s))
        goto out;
    s = config->on_read != NULL ? config->on_read(config->read_context) : status_ok();
    if (failed(s))
        goto out;
    s = begin_run(v, &r, ring);
    if (failed(s)) {
        errbuf_set(config->err, "making a segment in \"%s\" failed: %s", v->dir,
                   vlog_is_failed(v) ? v->failure.text : status_text(s));
        goto out;
    }
    remove_leftovers(v, &r);
out:
    alloc_free(a, r.leftovers, r.leftovers_size);
    if (failed(s)) {
        if (config->err != NULL && config->err->text[0] == '\0')
            errbuf_set(config->err, "opening the log in \"%s\" failed: %s", config->dir,
                       status_text(s));
        teardown(v);
    } else {
        *out_vlog = v;
    }
    return s;
}

void vlog_close(struct vlog *v, struct io_ring *ring)
{
    if (v == NULL)
        return;
    if (!vlog_is_failed(v))
        vlog_write_last(v, ring);
    teardown(v);
}

/* ---- Numbers --------------------------------------------------------------------------------- */

uint64_t vlog_written_lsn(const struct vlog *v)
{
    return atomic_load_explicit(&v->written_lsn, memory_order_acquire);
}

uint64_t vlog_staged_lsn(const struct vlog *v)
{
    return atomic_load_explicit(&v->staged_lsn, memory_order_relaxed);
}

void vlog_file_name(const struct vlog_file *file, char *out_name, size_t size)
{
    char name[VLOG_NAME_MAX];

    vlog_name(file->physical, file->is_segment ? VLOG_SEGMENT : VLOG_VALUES, name);
    (void)snprintf(out_name, size, "%s", name);
}

bool vlog_owns_name(const char *name, uint64_t *out_id)
{
    enum vlog_kind kind;
    return vlog_name_parse(name, out_id, &kind);
}

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void vlog_stats(const struct vlog *v, struct vlog_stats *out)
{
    *out = (struct vlog_stats) {
        .mode = v->options.mode,
        .is_direct = v->is_direct,
        .mode_reason = v->mode_reason,
        .batches = load(&v->batches),
        .entries = load(&v->entries),
        .payload_bytes = load(&v->payload_bytes),
        .written_bytes = load(&v->batch_bytes) + load(&v->other_bytes) + load(&v->pool.written),
        .segments_created = load(&v->pool.created),
        .segments_recycled = load(&v->pool.recycled),
        .segments_adopted = load(&v->adopted),
        .segments_released = load(&v->released),
        .rolls = load(&v->rolls),
        .seal_batches = load(&v->seal_batches),
        .values_copied = load(&v->values_copied),
        .torn_batches = v->torn_batches,
        .device_reads = load(&v->sources.device_reads),
    };
    for (int i = 0; i < VLOG_IMAGES; i++)
        out->tail_hits += load(&v->images[i].hits);
}
