#include "base/alloc.h"
#include "base/budget.h"
#include "base/check.h"

#include "vlog/log.h"

/*
 * The writer: batches to the device, one at a time, and from one segment to the next.
 *
 * Group commit needs no timer: while a write is under way, what is staged gathers in the next
 * batch. When the segment is full, its last batch is submitted and the next segment becomes active
 * at once, so that staging goes on in the other image during that write.
 */

enum { ROLL_RETRY_NS = 10 * 1000 * 1000, PREFETCH_MAX = 2048 };

/* ---- Images ---------------------------------------------------------------------------------- */

static void image_free(struct vlog *v, struct vlog_image *image)
{
    alloc_free(v->env->alloc, image->data, image->capacity);
    budget_refund(v->env->budget, BUDGET_LOG_TAIL, image->capacity);
    image->data = NULL;
    image->capacity = 0;
}

static struct status image_resize(struct vlog *v, struct vlog_image *image, size_t capacity)
{
    if (image->capacity == capacity)
        return status_ok();
    TRY(budget_charge(v->env->budget, BUDGET_LOG_TAIL, capacity));
    uint8_t *data = alloc_aligned(v->env->alloc, IO_ALIGN, capacity);
    if (data == NULL) {
        budget_refund(v->env->budget, BUDGET_LOG_TAIL, capacity);
        return status_of(ST_NO_MEMORY);
    }
    mutex_lock(&v->pool.lock);
    image_free(v, image);
    image->data = data;
    image->capacity = capacity;
    image->prefaulted = 0;
    mutex_unlock(&v->pool.lock);
    return status_ok();
}

struct status vlog_images_init(struct vlog *v)
{
    for (int i = 0; i < VLOG_IMAGES; i++)
        TRY(image_resize(v, &v->images[i], v->options.segment_size));
    return status_ok();
}

struct status vlog_image_take(struct vlog *v, uint64_t size, struct vlog_image **out_image)
{
    struct vlog_image *image = &v->images[v->image == &v->images[0]];

    /* Disown it first, then look for readers: see struct vlog_image. */
    atomic_store_explicit(&image->segment, 0, memory_order_seq_cst);
    if (atomic_load_explicit(&image->readers, memory_order_seq_cst) > 0)
        return status_of(ST_AGAIN);
    TRY(image_resize(v, image, size > v->options.segment_size ? size : v->options.segment_size));
    *out_image = image;
    return status_ok();
}

void vlog_images_deinit(struct vlog *v)
{
    for (int i = 0; i < VLOG_IMAGES; i++)
        image_free(v, &v->images[i]);
}

/* ---- Rolling --------------------------------------------------------------------------------- */

void vlog_activate(struct vlog *v, struct vlog_segment *s, struct vlog_image *image)
{
    CHECK(v->batch.count == 0 && image->capacity >= s->size);
    v->active = s;
    v->image = image;
    v->next_start = VLOG_BLOCK;
    v->has_asked_next = false;
    /* A reader that sees whose bytes these are sees their memory, too. */
    atomic_store_explicit(&image->segment, s->id, memory_order_seq_cst);
    vlog_list_append(v, s);
    vlog_stage_hard_states(v);
}

static struct status roll_to_next(struct vlog *v, struct io_ring *ring)
{
    struct vlog_resume resume = { .first_lsn = v->next_lsn, .resume_lsn = v->resume_lsn };
    struct vlog_segment *next = NULL;
    struct vlog_image *image = NULL;
    uint64_t need =
        vlog_segment_need(v->roll.payload + vlog_hard_states_size(v), v->roll.value_count);

    TRY(vlog_image_take(v, need, &image));
    TRY(vlog_pool_take(v, ring, need, v->has_batch ? NULL : &resume, &next));
    vlog_activate(v, next, image);
    return status_ok();
}

/* An active segment that was never written to is not kept when another takes its place. */
static void discard_empty(struct vlog *v, struct vlog_segment *s)
{
    vlog_list_remove(v, s);
    vlog_sources_take(&v->sources, s->id, true);
    vlog_segment_destroy(s);
}

/* Requires: no open batch. False: try again at once. */
static bool try_roll(struct vlog *v, struct io_ring *ring, uint64_t now_ns)
{
    struct vlog_segment *old = v->active;
    bool is_empty = atomic_load_explicit(&old->first_lsn, memory_order_relaxed) == 0;

    if (v->roll.payload == 0 && (is_empty || now_ns < v->roll.retry_ns)) {
        v->roll.is_wanted = !is_empty;
        return true;
    }
    struct status s = roll_to_next(v, ring);
    if (s.code == ST_AGAIN)
        return false;
    if (succeeded(s)) {
        if (is_empty)
            discard_empty(v, old);
        v->roll = (struct vlog_roll) { .is_wanted = false };
        vlog_count(&v->rolls, 1);
        vlog_wake_work(v);
    } else if (v->roll.payload == 0) {
        v->roll.retry_ns = now_ns + ROLL_RETRY_NS;
    } else {
        /* The next stage that needs it hears why, and has it tried again. */
        v->roll = (struct vlog_roll) { .has_failed = true, .status = s };
    }
    return true;
}

void vlog_roll(struct vlog *v)
{
    v->roll.is_wanted = true;
    v->roll.retry_ns = 0;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* The open batch gets its header and padding and becomes v->write; the next begins behind it. */
static void close_batch(struct vlog *v)
{
    struct vlog_open_batch *b = &v->batch;
    struct vlog_segment *s = v->active;
    uint16_t flags = v->options.mode == VLOG_DURABLE ? VLOG_BATCH_BLOCKS : 0;
    uint64_t end = vlog_batch_start(b->end, flags);
    struct vlog_batch header = {
        .lsn = v->next_lsn,
        .durable_lsn = atomic_load_explicit(&v->durable_lsn, memory_order_acquire),
        .length = (uint32_t)(b->end - b->start - VLOG_BATCH_HEADER),
        .count = b->count,
        .first_ordinal = b->first_ordinal,
        .flags = flags,
    };

    CHECK(header.durable_lsn < header.lsn);
    memset(v->image->data + b->end, 0, end - b->end);
    vlog_batch_write(&header, s->seed, v->image->data + b->start);
    v->write.op = (struct io_op) {
        .opcode = IO_OP_WRITE,
        /* One entry: somebody only waits. Several: the thread is at work while it is written. */
        .wants_worker = b->count > 1,
        .file = s->file,
        .data = v->image->data + b->start,
        .size = end - b->start,
        .offset = b->start,
        .tag = VLOG_OP_TAG,
    };
    v->write.segment = s;
    v->write.lsn = header.lsn;

    if (atomic_load_explicit(&s->first_lsn, memory_order_relaxed) == 0)
        atomic_store_explicit(&s->first_lsn, header.lsn, memory_order_relaxed);
    atomic_store_explicit(&s->last_lsn, header.lsn, memory_order_relaxed);
    atomic_store_explicit(&s->end, end, memory_order_relaxed);
    atomic_store_explicit(&s->value_count, s->offsets.value_count, memory_order_relaxed);
    atomic_store_explicit(&s->value_bytes, s->offsets.value_bytes, memory_order_relaxed);
    vlog_count(&v->batches, 1);
    vlog_count(&v->payload_bytes, header.length);
    vlog_count(&v->batch_bytes, end - b->start);
    vlog_count(&v->seal_batches, b->is_seal);
    v->recorded_lsn = header.durable_lsn;
    if (!b->is_seal)
        v->content_lsn = header.lsn;
    v->has_batch = true;
    v->next_lsn++;
    v->next_start = end;
    b->count = 0;
    /* The next batch is likely as long, and the memory for it cold: it comes during the write. */
    prefetch_for_write(v->image->data + end,
                       v->write.op.size < PREFETCH_MAX ? v->write.op.size : PREFETCH_MAX);
}

/* Account for the write that completed. */
static void write_end(struct vlog *v, uint64_t now_ns)
{
    struct vlog_write *w = &v->write;

    w->is_under_way = false;
    if (failed(w->op.status)) {
        vlog_poison(v, "write of batch %llu to segment %08llu at %llu failed: %s",
                    (unsigned long long)w->lsn, (unsigned long long)w->segment->id,
                    (unsigned long long)w->op.offset, status_text(w->op.status));
        return;
    }
    v->idle_since_ns = now_ns;
    bool is_last = w->segment != v->active;
    /* Release: who sees the batch acknowledged sees what was stored about it. The segment may be
     * given away from here on. */
    atomic_store_explicit(&v->written_lsn, w->lsn, memory_order_release);
    if (v->options.mode == VLOG_DURABLE)
        atomic_store_explicit(&v->durable_lsn, w->lsn, memory_order_release);
    if (is_last)
        vlog_wake_work(v);
}

/* Put the open batch on its way; in relaxed mode, or when told to wait, it is written on return. */
static void write_begin(struct vlog *v, struct io_ring *ring, uint64_t now_ns, bool waits)
{
    struct vlog_write *w = &v->write;

    close_batch(v);
    w->is_under_way = true;
    if (v->options.mode == VLOG_RELAXED || waits) {
        w->op.status = io_write(ring, w->op.file, w->op.data, w->op.size, w->op.offset);
        write_end(v, now_ns);
    } else {
        io_submit(ring, &w->op);
        io_ring_start(ring); /* Clients wait for it; what its caller queues next can wait for it. */
    }
    if (!v->has_asked_next && vlog_pool_wants_next(v->next_start, v->active->size)) {
        v->has_asked_next = true;
        vlog_wake_work(v);
    }
}

/* Is there something durable that no batch header says so of? */
static bool wants_seal(const struct vlog *v)
{
    uint64_t durable = atomic_load_explicit(&v->durable_lsn, memory_order_relaxed);
    return (durable < v->content_lsn ? durable : v->content_lsn) > v->recorded_lsn;
}

uint64_t vlog_seal_deadline(const struct vlog *v)
{
    if (vlog_is_failed(v) || v->write.is_under_way || v->batch.count > 0 || !wants_seal(v))
        return UINT64_MAX;
    return v->idle_since_ns + v->options.seal_idle_ns;
}

static enum vlog_step step(struct vlog *v, struct io_ring *ring, uint64_t now_ns, bool waits)
{
    if (v->write.is_under_way) {
        if (v->write.op.is_pending)
            return VLOG_WANTS;
        write_end(v, now_ns);
    }
    if (vlog_is_failed(v))
        return VLOG_BROKEN;
    if (now_ns >= vlog_seal_deadline(v))
        vlog_stage_seal(v);
    if (v->batch.count > 0)
        write_begin(v, ring, now_ns, waits);
    if (v->roll.is_wanted && !vlog_is_failed(v) && !try_roll(v, ring, now_ns))
        return VLOG_AGAIN;
    if (vlog_is_failed(v) && !v->write.is_under_way)
        return VLOG_BROKEN;
    if (v->write.is_under_way)
        return VLOG_WANTS;
    return v->batch.count > 0 ? VLOG_AGAIN : VLOG_IDLE;
}

enum vlog_step vlog_write_step(struct vlog *v, struct io_ring *ring, uint64_t now_ns)
{
    return step(v, ring, now_ns, false);
}

enum vlog_step vlog_write_wait(struct vlog *v, struct io_ring *ring, uint64_t now_ns)
{
    CHECK(!v->write.is_under_way);
    return step(v, ring, now_ns, true);
}

void vlog_write_last(struct vlog *v, struct io_ring *ring)
{
    uint64_t now_ns = v->idle_since_ns; /* Nothing will be idle after this. */

    CHECK(!v->write.is_under_way);
    if (v->batch.count > 0 && !vlog_is_failed(v))
        write_begin(v, ring, now_ns, true);
    if (vlog_is_failed(v))
        return;
    status_ignore(vlog_make_durable(v, ring, vlog_written_lsn(v)), "a failure is remembered");
    if (vlog_is_failed(v) || !wants_seal(v))
        return;
    vlog_stage_seal(v);
    write_begin(v, ring, now_ns, true);
    if (!vlog_is_failed(v))
        status_ignore(vlog_make_durable(v, ring, vlog_written_lsn(v)), "nobody waits for a seal");
}
