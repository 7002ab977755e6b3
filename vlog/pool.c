#include "vlog/pool.h"

#include "base/alloc.h"
#include "base/budget.h"
#include "base/check.h"

#include "vlog/log.h"

enum {
    FILL_CHUNK = 512 * 1024, /* About a quarter of a millisecond. */
    PREFAULT_CHUNK = 2 << 20,
    RETRY_NS = 100 * 1000 * 1000,
};

struct status vlog_pool_init(struct vlog_pool *p, struct vlog *v)
{
    p->block = alloc_aligned(v->env->alloc, IO_ALIGN, VLOG_BLOCK);
    if (p->block == NULL)
        return status_of(ST_NO_MEMORY);
    mutex_init(&p->lock, RANK_LOG_PREPARE);
    return status_ok();
}

void vlog_pool_unlink(struct vlog *v, uint64_t id, enum vlog_kind kind)
{
    char path[IO_PATH_MAX];
    struct status s = vlog_path(v->dir, id, kind, path);

    if (succeeded(s))
        s = io_unlink(v->env->io, path);
    status_ignore(s, "an empty segment or a pool file: harmless, found by the next open");
}

void vlog_pool_discard(struct vlog *v, struct vlog_segment *s)
{
    if (s == NULL)
        return;
    vlog_sources_take(&v->sources, s->id, true);
    vlog_segment_destroy(s);
}

/* A failed write or sync, but for a full disk, breaks the log: who knows what else was lost. */
static struct status judge(struct vlog *v, struct status s, const char *what, uint64_t id)
{
    if (failed(s) && s.code != ST_NO_SPACE)
        vlog_poison(v, "%s of segment file %08llu failed: %s", what, (unsigned long long)id,
                    status_text(s));
    return s;
}

struct status vlog_sync_dir(struct vlog *v)
{
    struct status s = io_sync_dir(v->env->io, v->dir);
    if (failed(s))
        vlog_poison(v, "sync of directory \"%s\" failed: %s", v->dir, status_text(s));
    return s;
}

/* ---- Files ----------------------------------------------------------------------------------- */

/* How segments are opened to be written. */
static unsigned write_flags(const struct vlog *v)
{
    if (v->options.mode == VLOG_RELAXED)
        return IO_WRITE;
    return IO_WRITE | IO_DSYNC | (v->is_direct ? IO_DIRECT : 0);
}

static struct status open_free(struct vlog *v, uint64_t id, unsigned flags, struct io_file **out)
{
    char path[IO_PATH_MAX];

    TRY(vlog_path(v->dir, id, VLOG_FREE, path));
    struct status s = io_open(v->env->io, path, flags, out);
    if (s.code == ST_UNSUPPORTED && (flags & IO_DIRECT)) {
        /* Found out with the first segment, while the log is being opened. The refused open may
         * have created the file. */
        v->is_direct = false;
        v->mode_reason = "the file system refuses O_DIRECT: writing through the page cache";
        s = io_open(v->env->io, path, flags & ~(unsigned)(IO_DIRECT | IO_EXCLUSIVE), out);
    }
    return s;
}

static void forget_file(struct vlog_pool *p, size_t i)
{
    p->files[i] = p->files[--p->file_count];
}

/* Create <id>.free and reserve its space. */
static struct status create_free(struct vlog *v, uint64_t id, uint64_t size, unsigned flags,
                                 struct io_file **out_file)
{
    struct io_file *file = NULL;
    struct status s = open_free(v, id, flags | IO_CREATE | IO_EXCLUSIVE, &file);

    if (failed(s))
        return s;
    s = io_allocate(file, 0, size);
    if (failed(s)) {
        io_close(file);
        vlog_pool_unlink(v, id, VLOG_FREE);
        return s;
    }
    vlog_count(&v->pool.created, 1);
    *out_file = file;
    return s;
}

static struct status take_id(struct vlog *v, uint64_t *out_id)
{
    TRY(v->take_file_id(v->id_context, out_id));
    CHECK(*out_id > 0);
    return status_ok();
}

/* The best pool file for a segment of size: a filled one before others. file_count if none. */
static size_t best_file(const struct vlog_pool *p, uint64_t size)
{
    size_t best = p->file_count;

    for (size_t i = 0; i < p->file_count; i++) {
        const struct vlog_free_file *f = &p->files[i];
        if (f->size < size)
            continue;
        if (f->filled == f->size)
            return i;
        if (best == p->file_count || f->filled > p->files[best].filled)
            best = i;
    }
    return best;
}

/* Write the header of a new life into an open file and give it its new name. */
static struct status name_segment(struct vlog *v, struct io_ring *ring, struct io_file *file,
                                  uint64_t old_id, const struct vlog_header *h)
{
    char from[IO_PATH_MAX];
    char to[IO_PATH_MAX];

    TRY(vlog_path(v->dir, old_id, VLOG_FREE, from));
    TRY(vlog_path(v->dir, h->physical, VLOG_SEGMENT, to));
    vlog_header_write(h, v->pool.block);
    TRY(judge(v, io_write(ring, file, v->pool.block, VLOG_BLOCK, 0), "write", h->physical));
    vlog_count(&v->pool.written, VLOG_BLOCK);
    if (v->options.mode == VLOG_RELAXED)
        TRY(judge(v, io_sync(ring, file), "sync", h->physical));
    TRY(io_rename(v->env->io, from, to));
    return vlog_sync_dir(v);
}

/* Take a pool file, or create one, for segment id; *h learns its size and history. */
static struct status open_file(struct vlog *v, uint64_t id, struct vlog_header *h,
                               uint64_t *out_old_id, struct io_file **out_file)
    REQUIRES(v->pool.lock)
{
    struct vlog_pool *p = &v->pool;
    size_t i = best_file(p, h->size);

    if (i == p->file_count) {
        *out_old_id = id;
        return create_free(v, id, h->size, write_flags(v), out_file);
    }
    struct vlog_free_file f = p->files[i];
    if (p->filling != NULL && p->filling_id == f.id) {
        io_close(p->filling);
        p->filling = NULL;
    }
    forget_file(p, i);
    vlog_count(&p->recycled, f.has_lived);
    *out_old_id = f.id;
    h->size = f.size;
    h->recycled_from = f.id;
    return open_free(v, f.id, write_flags(v), out_file);
}

/*
 * A new segment, from the pool or fresh. Everything that can fail for want of memory comes before
 * the name: a segment that an open begins a run with must not appear on disk and then not be used,
 * as it would say that what the run wrote elsewhere is void.
 */
static struct status make(struct vlog *v, struct io_ring *ring, uint64_t size,
                          const struct vlog_resume *resume, struct vlog_segment **out_segment)
    REQUIRES(v->pool.lock)
{
    struct io_file *file = NULL;
    uint64_t old_id = 0;
    uint64_t id;

    TRY(take_id(v, &id));
    struct vlog_file info = { .logical = id, .physical = id, .is_segment = true };
    struct vlog_header h = {
        .kind = VLOG_SEGMENT,
        .physical = id,
        .logical = id,
        .size = size,
        .first_lsn = resume->first_lsn,
        .resume_lsn = resume->resume_lsn,
    };
    memcpy(h.store, v->store, VLOG_UUID);
    struct vlog_segment *segment = vlog_segment_create(v->env, id, v->store);
    if (segment == NULL)
        return status_of(ST_NO_MEMORY);
    struct status s = open_file(v, id, &h, &old_id, &file);
    if (failed(s))
        goto out;
    s = vlog_sources_put(&v->sources, &info, h.size);
    if (failed(s))
        goto out;
    s = name_segment(v, ring, file, old_id, &h);
out:
    if (succeeded(s)) {
        segment->size = h.size;
        segment->is_native = true;
        segment->file = file;
        *out_segment = segment;
    } else {
        if (file != NULL) {
            io_close(file);
            vlog_pool_unlink(v, old_id, VLOG_FREE);
        }
        vlog_sources_take(&v->sources, id, true);
        vlog_segment_destroy(segment);
    }
    return s;
}

/* ---- The writer ------------------------------------------------------------------------------ */

/* Size of the segment after the active one. */
static uint64_t next_size(const struct vlog *v, uint64_t active_size)
{
    uint64_t size = 2 * active_size;
    if (size < VLOG_FIRST_SIZE)
        size = VLOG_FIRST_SIZE;
    return size < v->options.segment_size ? size : v->options.segment_size;
}

struct status vlog_pool_take(struct vlog *v, struct io_ring *ring, uint64_t need,
                             const struct vlog_resume *resume, struct vlog_segment **out_segment)
{
    struct vlog_pool *p = &v->pool;
    struct vlog_segment *segment = NULL;
    struct status s = status_ok();

    mutex_lock(&v->pool.lock);
    if (p->next != NULL && (resume != NULL || p->next->size < need)) {
        vlog_pool_discard(v, p->next);
        p->next = NULL;
    }
    if (p->next != NULL) {
        segment = p->next;
        p->next = NULL;
    } else {
        static const struct vlog_resume none;
        uint64_t size = next_size(v, v->active != NULL ? v->active->size : 0);
        uint64_t least = need < VLOG_FIRST_SIZE ? VLOG_FIRST_SIZE : need;
        if (resume == NULL)
            resume = &none;
        s = make(v, ring, size < need ? need : size, resume, &segment);
        if (s.code == ST_NO_SPACE && least < size) /* A nearly full disk may have room for one. */
            s = make(v, ring, least, resume, &segment);
    }
    mutex_unlock(&v->pool.lock);
    if (succeeded(s))
        *out_segment = segment;
    return s;
}

/* ---- The background -------------------------------------------------------------------------- */

bool vlog_pool_found(struct vlog *v, uint64_t id)
{
    struct vlog_pool *p = &v->pool;
    struct io_file *file = NULL;
    uint64_t size = 0;

    bool is_of_use = v->options.mode == VLOG_DURABLE && p->file_count < v->options.pool_max;
    if (is_of_use) {
        struct status s = open_free(v, id, IO_READ, &file);
        if (succeeded(s))
            s = io_size(file, &size);
        io_close(file);
        is_of_use = succeeded(s) && size > 0 && size <= v->options.segment_size;
    }
    if (!is_of_use)
        return false;
    p->files[p->file_count++] = (struct vlog_free_file) {
        .id = id,
        .size = v->options.segment_size,
        .filled = align_down(size, VLOG_BLOCK),
        .has_lived = true,
    };
    return true;
}

/* Zero-fill a little more of file i. */
static struct status fill(struct vlog *v, struct io_ring *ring, size_t i) REQUIRES(v->pool.lock)
{
    struct vlog_pool *p = &v->pool;
    struct vlog_free_file *f = &p->files[i];

    if (p->zeros == NULL) {
        TRY(budget_charge(v->env->budget, BUDGET_LOG_TAIL, FILL_CHUNK));
        p->zeros = alloc_aligned(v->env->alloc, IO_ALIGN, FILL_CHUNK);
        if (p->zeros == NULL) {
            budget_refund(v->env->budget, BUDGET_LOG_TAIL, FILL_CHUNK);
            return status_of(ST_NO_MEMORY);
        }
        memset(p->zeros, 0, FILL_CHUNK);
    }
    if (p->filling != NULL && p->filling_id != f->id) {
        io_close(p->filling);
        p->filling = NULL;
    }
    if (p->filling == NULL) {
        TRY(open_free(v, f->id, IO_WRITE | (v->is_direct ? IO_DIRECT : 0), &p->filling));
        p->filling_id = f->id;
        TRY(io_allocate(p->filling, 0, f->size));
    }
    uint64_t size = f->size - f->filled < FILL_CHUNK ? f->size - f->filled : FILL_CHUNK;
    TRY(judge(v, io_write(ring, p->filling, p->zeros, (size_t)size, f->filled), "write", f->id));
    f->filled += size;
    vlog_count(&p->written, size);
    if (f->filled == f->size) {
        TRY(judge(v, io_sync(ring, p->filling), "sync", f->id));
        io_close(p->filling);
        p->filling = NULL;
    }
    return status_ok();
}

/* One step towards a ready next segment. */
static struct status prepare_next(struct vlog *v, struct io_ring *ring, uint64_t size)
    REQUIRES(v->pool.lock)
{
    static const struct vlog_resume none;
    struct vlog_pool *p = &v->pool;

    if (v->options.mode == VLOG_DURABLE) {
        size_t i = best_file(p, size);
        if (i == p->file_count) {
            struct io_file *file = NULL;
            uint64_t id;
            TRY(take_id(v, &id));
            TRY(create_free(v, id, size, IO_WRITE, &file));
            io_close(file);
            p->files[p->file_count++] = (struct vlog_free_file) { .id = id, .size = size };
        }
        if (p->files[i].filled < p->files[i].size)
            return fill(v, ring, i);
    }
    return make(v, ring, size, &none, &p->next);
}

/* The images' memory is fresh in a young store, and putting pages behind it dear: some of it for
 * the next segment, of this size. False if all of that has pages. */
static bool prefault(struct vlog *v, uint64_t size) REQUIRES(v->pool.lock)
{
    for (int i = 0; i < VLOG_IMAGES; i++) {
        struct vlog_image *image = &v->images[i];
        size_t end = image->prefaulted + PREFAULT_CHUNK;
        if (image->prefaulted < size && end <= image->capacity) {
            alloc_prefault(image->data + image->prefaulted, PREFAULT_CHUNK);
            image->prefaulted = end;
            return true;
        }
    }
    return false;
}

/* With nothing to prepare: finish one file that was used, or found, before it was filled; let go
 * of one that the growing log left behind (size is the next segment's). False if there is none. */
static bool tidy(struct vlog *v, struct io_ring *ring, uint64_t size, struct status *out_status)
    REQUIRES(v->pool.lock)
{
    struct vlog_pool *p = &v->pool;

    for (size_t i = 0; i < p->file_count; i++) {
        if (p->files[i].size < size) {
            vlog_pool_unlink(v, p->files[i].id, VLOG_FREE);
            forget_file(p, i);
            return true;
        }
        if (p->files[i].filled < p->files[i].size) {
            *out_status = fill(v, ring, i);
            return true;
        }
    }
    return false;
}

bool vlog_pool_step(struct vlog *v, struct io_ring *ring, uint64_t now_ns)
{
    struct vlog_pool *p = &v->pool;
    struct status s = status_ok();
    bool has_worked = true;

    if (now_ns < p->retry_ns)
        return false;
    mutex_lock(&v->pool.lock);
    mutex_lock(&v->sources.lock);
    uint64_t active_end = atomic_load_explicit(&v->newest->end, memory_order_relaxed);
    uint64_t active_size = v->newest->size;
    mutex_unlock(&v->sources.lock);
    uint64_t size = next_size(v, active_size);
    if (p->next == NULL && vlog_pool_wants_next(active_end, active_size))
        s = prepare_next(v, ring, size);
    else
        has_worked = (p->next != NULL && prefault(v, size)) || tidy(v, ring, size, &s);
    if (failed(s)) {
        /* The writer tries by itself when it must; here it can wait. A file that could not be
         * filled is not kept. */
        p->retry_ns = now_ns + RETRY_NS;
        has_worked = false;
        if (p->filling != NULL) {
            io_close(p->filling);
            p->filling = NULL;
            for (size_t i = 0; i < p->file_count; i++) {
                if (p->files[i].id == p->filling_id) {
                    vlog_pool_unlink(v, p->filling_id, VLOG_FREE);
                    forget_file(p, i);
                    break;
                }
            }
        }
    }
    mutex_unlock(&v->pool.lock);
    return has_worked;
}

/* Rename a segment's file into the pool. Durable with the next sync of the directory: should the
 * old name come back first, the header of the new life says which one it was. */
static struct status recycle(struct vlog *v, struct vlog_segment *s) REQUIRES(v->pool.lock)
{
    struct vlog_pool *p = &v->pool;
    char from[IO_PATH_MAX];
    char to[IO_PATH_MAX];
    uint64_t filled;

    TRY(vlog_path(v->dir, s->id, VLOG_SEGMENT, from));
    TRY(vlog_path(v->dir, s->id, VLOG_FREE, to));
    TRY(io_size(s->file, &filled));
    TRY(io_rename(v->env->io, from, to));
    p->files[p->file_count++] = (struct vlog_free_file) {
        .id = s->id,
        .size = s->size,
        .filled = filled < s->size ? align_down(filled, VLOG_BLOCK) : s->size,
        .has_lived = true,
    };
    return status_ok();
}

static bool is_worth_keeping(const struct vlog *v, const struct vlog_segment *s)
{
    return s->is_native && v->options.mode == VLOG_DURABLE && s->size == v->options.segment_size &&
           v->pool.file_count < v->options.pool_max;
}

void vlog_pool_give(struct vlog *v, struct vlog_segment *s)
{
    mutex_lock(&v->pool.lock);
    bool is_recycled = is_worth_keeping(v, s) && succeeded(recycle(v, s));
    mutex_unlock(&v->pool.lock);
    vlog_sources_take(&v->sources, s->id, !is_recycled);
}

/* ---- The end --------------------------------------------------------------------------------- */

void vlog_pool_deinit(struct vlog_pool *p, struct vlog *v)
{
    if (p->block == NULL)
        return;
    mutex_lock(&v->pool.lock);
    /* Filled at some cost: it may be the first segment of the next run. */
    bool is_kept = p->next != NULL && !vlog_is_failed(v) && is_worth_keeping(v, p->next) &&
                   succeeded(recycle(v, p->next));
    mutex_unlock(&v->pool.lock);
    if (is_kept)
        vlog_sources_take(&v->sources, p->next->id, false);
    if (is_kept)
        vlog_segment_destroy(p->next);
    else
        vlog_pool_discard(v, p->next);
    io_close(p->filling);
    if (p->zeros != NULL) {
        alloc_free(v->env->alloc, p->zeros, FILL_CHUNK);
        budget_refund(v->env->budget, BUDGET_LOG_TAIL, FILL_CHUNK);
    }
    alloc_free(v->env->alloc, p->block, VLOG_BLOCK);
    mutex_deinit(&p->lock);
    p->block = NULL;
}
