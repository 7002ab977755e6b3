#include "base/io_sim_machine.h"

#include <errno.h>

#include "base/check.h"
#include "base/hash.h"

/* What a look at a ring that has nothing ready costs: so that a driver that polls sees time go by
 * and what is under way arrive. */
enum { POLL_NS = 100 };

/* ---- What will happen -------------------------------------------------------------------------
 */

static bool comes_first(const struct sim_due *a, const struct sim_due *b)
{
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns;
    if (a->lot != b->lot)
        return a->lot < b->lot;
    return a->number < b->number;
}

static void sift_up(struct io_sim *sim, size_t i)
{
    struct sim_due due = sim->dues[i];

    while (i > 0 && comes_first(&due, &sim->dues[(i - 1) / 2])) {
        sim->dues[i] = sim->dues[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    sim->dues[i] = due;
}

static void sift_down(struct io_sim *sim, size_t i)
{
    struct sim_due due = sim->dues[i];

    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= sim->due_count)
            break;
        if (child + 1 < sim->due_count && comes_first(&sim->dues[child + 1], &sim->dues[child]))
            child++;
        if (!comes_first(&sim->dues[child], &due))
            break;
        sim->dues[i] = sim->dues[child];
        i = child;
    }
    sim->dues[i] = due;
}

void sim_schedule(struct io_sim *sim, struct io_op *op, uint64_t time_ns)
{
    sim->dues = sim_room(sim->dues, &sim->due_capacity, sim->due_count, sizeof *sim->dues);
    sim->dues[sim->due_count++] =
        (struct sim_due) { .time_ns = time_ns,
                           .lot = sim->options.seed == 0 ? 0 : rand_u64(&sim->order),
                           .number = sim->due_number++,
                           .op = op };
    sift_up(sim, sim->due_count - 1);
}

/* Take the due at index out of the heap. */
static struct sim_due take_due(struct io_sim *sim, size_t index)
{
    struct sim_due due = sim->dues[index];

    sim->due_count--;
    if (index < sim->due_count) {
        sim->dues[index] = sim->dues[sim->due_count];
        sift_up(sim, index);
        sift_down(sim, index);
    }
    return due;
}

/* ---- File ops ------------------------------------------------------------------------------- */

static struct sim_file *file_of(const struct io_op *op)
{
    return (struct sim_file *)op->file;
}

static struct sim_node *node_of(struct io_sim *sim, const struct io_op *op)
{
    return sim_disk_node(sim->disk, file_of(op)->number);
}

static uint64_t draw_latency(struct io_sim *sim)
{
    uint64_t least = sim->options.latency_min_ns;
    uint64_t most = sim->options.latency_max_ns;

    return most <= least ? least : least + rand_below(&sim->latency, most - least + 1);
}

/* How much of a write the disk has room for. */
static size_t room_for(struct io_sim *sim, const struct io_op *op)
{
    const struct sim_node *n = node_of(sim, op);
    uint64_t capacity = sim->options.capacity_bytes;
    uint64_t end = op->offset + op->size;

    if (capacity == 0 || sim_node_charge(n, end) == 0)
        return op->size;
    uint64_t left = capacity > sim->disk->used_bytes ? capacity - sim->disk->used_bytes : 0;
    uint64_t reach = n->charged_end + align_down(left, SIM_PAGE);
    if (reach >= end)
        return op->size;
    return reach > op->offset ? (size_t)(reach - op->offset) : 0;
}

static void begin_write(struct io_sim *sim, struct io_op *op)
{
    int error = sim_fault(sim, IO_SIM_WRITE);
    size_t size = error != 0 && sim->fault.is_clean ? 0 : op->size;

    if (error == 0 && op->offset + op->size > SIM_FILE_MAX) {
        error = EFBIG;
        size = 0;
    }
    if (error == 0) {
        size = room_for(sim, op);
        if (size < op->size)
            error = ENOSPC;
        op->done_size = size; /* That much will be there, whatever the status. */
    }
    op->scratch[SIM_OP_ERROR] = (uint64_t)error;
    if (size == 0)
        return;
    struct io_sim_event e = { .kind = IO_SIM_WRITING,
                              .file = file_of(op)->number,
                              .offset = op->offset,
                              .data = bytes_of(op->data, size) };
    CHECK(sim_emit(sim, &e) == 0);
    op->scratch[SIM_OP_START] = e.sequence;
    op->scratch[SIM_OP_BLOB] = (uintptr_t)sim_blob_ref(e.blob);
}

static void end_write(struct io_sim *sim, struct io_op *op)
{
    int error = (int)op->scratch[SIM_OP_ERROR];
    struct sim_blob *blob = (struct sim_blob *)(uintptr_t)op->scratch[SIM_OP_BLOB];
    bool is_durable = (op->file->flags & IO_DSYNC) != 0 && !sim->options.has_lying_sync;

    io_op_settle(op, error);
    if (blob == NULL)
        return;
    /* The buffer is the ring's until the op is done; a machine would have written either. */
    CHECK(memcmp(blob->data, op->data, blob->size) == 0);
    struct io_sim_event e = { .kind = IO_SIM_WRITTEN,
                              .outcome = is_durable ? IO_SIM_DURABLE : IO_SIM_DONE,
                              .file = file_of(op)->number,
                              .start = op->scratch[SIM_OP_START],
                              .is_cached = (op->file->flags & IO_DIRECT) == 0 };
    if (error != 0 && op->done_size == 0)
        sim_fail(sim, &e);
    CHECK(sim_emit(sim, &e) == 0);
    sim_blob_unref(blob);
}

/* One bit in each bad sector is not what was written, however often it is read. */
static void read_badly(struct io_sim *sim, const struct io_op *op)
{
    uint64_t end = op->offset + op->done_size;
    uint64_t place = sim->options.seed ^ hash_u64(file_of(op)->number);

    for (uint64_t sector = op->offset / SIM_SECTOR; sector * SIM_SECTOR < end; sector++) {
        uint64_t lot = hash_u64(place + hash_u64(sector + 1));
        uint64_t at = sector * SIM_SECTOR + lot / 8 % SIM_SECTOR;
        if ((lot >> 32) % 1000000 < sim->options.bad_sectors_per_million && at >= op->offset &&
            at < end)
            ((uint8_t *)op->data)[at - op->offset] ^= (uint8_t)(1u << lot % 8);
    }
}

static void end_read(struct io_sim *sim, struct io_op *op)
{
    int error = (int)op->scratch[SIM_OP_ERROR];
    const struct sim_content *c = node_of(sim, op)->live;

    if (error == 0 && op->offset < c->size) {
        uint64_t left = c->size - op->offset;
        op->done_size = left < op->size ? (size_t)left : op->size;
        sim_content_read(c, op->offset, op->data, op->done_size);
        if (sim->options.bad_sectors_per_million > 0)
            read_badly(sim, op);
    }
    io_op_settle(op, error);
}

static void end_sync(struct io_sim *sim, struct io_op *op)
{
    int error = (int)op->scratch[SIM_OP_ERROR];
    struct io_sim_event e = { .kind = IO_SIM_SYNCED,
                              .outcome = sim->options.has_lying_sync ? IO_SIM_LIED : IO_SIM_DONE,
                              .file = file_of(op)->number,
                              .start = op->scratch[SIM_OP_START] };

    if (error != 0)
        sim_fail(sim, &e);
    CHECK(sim_emit(sim, &e) == 0);
    io_op_settle(op, error);
}

static void begin_file_op(struct io_sim *sim, struct io_op *op)
{
    if (op->opcode == IO_OP_WRITE)
        begin_write(sim, op);
    else if (op->opcode == IO_OP_READ)
        op->scratch[SIM_OP_ERROR] = (uint64_t)sim_fault(sim, IO_SIM_READ);
    else
        op->scratch[SIM_OP_ERROR] = (uint64_t)sim_fault(sim, IO_SIM_SYNC);
    if (op->opcode == IO_OP_SYNC)
        op->scratch[SIM_OP_START] = sim->disk->sequence;
    file_of(op)->pending_ops++;
    sim_schedule(sim, op, sim->now_ns + draw_latency(sim));
}

static void end_file_op(struct io_sim *sim, struct io_op *op)
{
    file_of(op)->pending_ops--;
    if (op->opcode == IO_OP_WRITE)
        end_write(sim, op);
    else if (op->opcode == IO_OP_READ)
        end_read(sim, op);
    else
        end_sync(sim, op);
}

/* ---- Rings -------------------------------------------------------------------------------- */

static struct sim_ring *ring_of(const struct io_op *op)
{
    return (struct sim_ring *)(uintptr_t)op->scratch[SIM_OP_RING];
}

struct status sim_ring_create(struct io *io, const struct io_ring_options *options,
                              struct io_ring **out)
{
    struct sim_ring *r = sim_take(sizeof *r);

    (void)options; /* Any number of ops, one thread anyway. */
    r->ring.io = io;
    sim_of(io)->open_rings++;
    *out = &r->ring;
    return status_ok();
}

static bool is_file_op(const struct io_op *op)
{
    return op->opcode == IO_OP_READ || op->opcode == IO_OP_WRITE || op->opcode == IO_OP_SYNC;
}

/* The op is over without having been done. What it had begun may have happened in part. */
static void cancel(struct io_sim *sim, struct io_op *op)
{
    if (is_file_op(op)) {
        op->scratch[SIM_OP_ERROR] = ECANCELED;
        op->done_size = 0;
        end_file_op(sim, op);
    }
    io_op_settle(op, ECANCELED);
    op->is_pending = false;
}

/* An op of ring that was scheduled, not any more; NULL if there is none. */
static struct io_op *take_due_on(struct io_sim *sim, const struct sim_ring *ring)
{
    for (size_t i = 0; i < sim->due_count; i++)
        if (ring_of(sim->dues[i].op) == ring)
            return take_due(sim, i).op;
    return NULL;
}

void sim_ring_destroy(struct io_ring *ring)
{
    struct sim_ring *r = (struct sim_ring *)ring;
    struct io_sim *sim = sim_of(ring->io);
    struct io_op *op;

    while ((op = take_due_on(sim, r)) != NULL) {
        if (!is_file_op(op) && op->opcode != IO_OP_TIMER)
            sim_socket_forget(op);
        cancel(sim, op);
    }
    while ((op = sim_socket_op_on(sim, ring)) != NULL) {
        sim_socket_forget(op);
        cancel(sim, op);
    }
    while ((op = io_op_list_pop(&r->done)) != NULL)
        op->is_pending = false;
    sim->open_rings--;
    sim_give(r, sizeof *r);
}

void sim_submit(struct io_ring *ring, struct io_op *op)
{
    struct io_sim *sim = sim_of(ring->io);

    memset(op->scratch, 0, sizeof op->scratch);
    op->scratch[SIM_OP_RING] = (uintptr_t)ring;
    if (is_file_op(op))
        begin_file_op(sim, op);
    else if (op->opcode == IO_OP_TIMER)
        sim_schedule(sim, op, op->deadline_ns > sim->now_ns ? op->deadline_ns : sim->now_ns);
    else
        sim_socket_submit(sim, op);
}

/* Complete the next due op of any ring; not handed out yet. Requires: there is one. */
static struct io_op *happen(struct io_sim *sim)
{
    struct sim_due due = take_due(sim, 0);
    struct io_op *op = due.op;

    if (due.time_ns > sim->now_ns)
        sim->now_ns = due.time_ns;
    if (is_file_op(op))
        end_file_op(sim, op);
    else if (op->opcode == IO_OP_TIMER)
        io_op_settle(op, 0);
    else
        sim_socket_complete(sim, op);
    return op;
}

/* The same, handed out by its ring. */
static void happen_on_ring(struct io_sim *sim)
{
    struct io_op *op = happen(sim);

    io_op_list_push(&ring_of(op)->done, op);
}

void sim_perform(struct io_ring *ring, struct io_op *op)
{
    struct io_sim *sim = sim_of(ring->io);
    struct io_op *done;

    sim_submit(ring, op);
    while ((done = happen(sim)) != op)
        io_op_list_push(&ring_of(done)->done, done);
}

void sim_wait(struct io_ring *ring, uint64_t deadline_ns)
{
    struct sim_ring *r = (struct sim_ring *)ring;
    struct io_sim *sim = sim_of(ring->io);
    uint64_t limit = deadline_ns > sim->now_ns ? deadline_ns : sim->now_ns;

    while (!r->is_woken && r->done.head == NULL) {
        if (sim->due_count == 0 || sim->dues[0].time_ns > limit) {
            /* For ever, with nothing to come: only the caller can make something happen. */
            if (limit == sim->now_ns && sim->due_count > 0)
                sim->now_ns += POLL_NS;
            else if (limit != UINT64_MAX)
                sim->now_ns = limit;
            break;
        }
        happen_on_ring(sim);
    }
    /* What else is ready at this moment comes along; all of it, or with a seed, perhaps. */
    while (r->done.head != NULL && sim->due_count > 0 && sim->dues[0].time_ns <= sim->now_ns &&
           (sim->options.seed == 0 || rand_below(&sim->order, 2) == 0))
        happen_on_ring(sim);
    r->is_woken = false;
}

struct io_op *sim_done(struct io_ring *ring)
{
    return io_op_list_pop(&((struct sim_ring *)ring)->done);
}

void sim_wake(struct io_ring *ring)
{
    ((struct sim_ring *)ring)->is_woken = true;
}
