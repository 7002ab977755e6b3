/*
 * The io_uring back end.
 *
 * A ring is one kernel ring. A thread-bound ring lets the kernel do its completion work only when
 * the thread asks (SINGLE_ISSUER, DEFER_TASKRUN): no interrupts, no atomic counts. A ring that is
 * passed around cannot have that, as the kernel ties both to one thread.
 *
 * Ops go into the submission queue as they come and to the kernel with the next wait: one system
 * call a turn, however many ops (two for a ring that polls busily, so that its waits can be told).
 * A full queue is handed over early. The kernel plugs the devices while it takes a queue, so a
 * write before fifty SENDs begins after them: io_ring_start is for that. Completions are taken in
 * batches. What the kernel left undone is asked for again: the rest of a short transfer, what a
 * signal or the exit of the submitting thread interrupted. Nothing that failed is.
 *
 * A ring that paces reads holds some of them back until others have come (io_pace.h), and hands
 * these over as soon as it has collected, before its thread gets to work on what came.
 *
 * Descriptors of sockets are blocking, and the kernel polls for them.
 */
#include "base/io_host.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/io_busy_poll.h"
#include "base/io_pace.h"
#include "base/io_regions.h"
#include "base/process.h"

enum { SUBMISSIONS_MAX = 512, NS_PER_S = 1000 * 1000 * 1000, RETRY_NS = 1000 * 1000 };

/* User data that is no op: ops are aligned. */
enum { TAG_BELL = 1, TAG_CANCEL = 2 };

/* In op->scratch[0]: a worker of the kernel's blocks in it. The op asks for that, or the kernel
 * said EAGAIN to it. */
enum { NEEDS_WORKER = 1 };

struct uring_ring {
    struct host_ring host;
    struct io_uring native;
    struct io_op_list backlog; /* The kernel would not take more submissions. */
    struct io_op_list held;    /* Reads that wait for others to come back, in order. */
    struct io_pace pace;
    uint32_t reads_back;       /* Not told to the pace yet. */
    struct io_regions regions; /* What the kernel has pinned. */
    size_t in_flight;          /* Ops in the submission queue or the kernel; */
    size_t in_devices;         /* ... those of files. */
    struct io_busy_poll busy_poll;
    bool paces_reads;
    bool polls_busily;
    bool is_enabled; /* Bound rings start with the first use, which names the thread. */
    bool is_bell_armed;
    bool is_draining;
};

/* ---- Submitting -------------------------------------------------------------------------- */

static void enable(struct uring_ring *r)
{
    if (r->is_enabled)
        return;
    /* liburing 2.3 declares io_uring_enable_rings but does not export it. */
    CHECK(io_uring_register((unsigned)r->native.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) ==
          0);
    /* Best effort: spares a look-up of the ring's descriptor in each call of this thread. */
    (void)io_uring_register_ring_fd(&r->native);
    r->is_enabled = true;
}

/* Hand over what is queued, and wait for nothing. */
static void hand_over(struct uring_ring *r)
{
    enable(r);
    (void)io_uring_submit(&r->native); /* What fails is tried again by the next turn. */
}

/* A free submission entry, or NULL if the kernel does not take what is queued. */
static struct io_uring_sqe *next_entry(struct uring_ring *r)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->native);

    if (sqe == NULL) {
        hand_over(r);
        sqe = io_uring_get_sqe(&r->native);
    }
    return sqe;
}

static void fill_transfer(const struct uring_ring *r, struct io_uring_sqe *sqe,
                          const struct io_op *op)
{
    int fd = io_host_fd(op->file);
    uint8_t *data = (uint8_t *)op->data + op->done_size;
    unsigned size = (unsigned)io_host_chunk(op);
    uint64_t offset = op->offset + op->done_size;

    bool is_read = op->opcode == IO_OP_READ;
    const struct io_region *region = NULL;

    if ((op->file->flags & IO_DIRECT) != 0 && r->regions.count > 0)
        region = io_regions_find(&r->regions, data, size);
    if (region != NULL && is_read)
        io_uring_prep_read_fixed(sqe, fd, data, size, offset, (int)region->slot);
    else if (region != NULL)
        io_uring_prep_write_fixed(sqe, fd, data, size, offset, (int)region->slot);
    else if (is_read)
        io_uring_prep_read(sqe, fd, data, size, offset);
    else
        io_uring_prep_write(sqe, fd, data, size, offset);
}

static void fill_sync(struct io_uring_sqe *sqe, const struct io_op *op)
{
    if (IO_HOST_SYNCS)
        io_uring_prep_fsync(sqe, io_host_fd(op->file), IORING_FSYNC_DATASYNC);
    else
        io_uring_prep_nop(sqe);
}

static void fill_socket(struct io_uring_sqe *sqe, const struct io_op *op)
{
    const struct host_socket *s = (const struct host_socket *)op->socket;
    uint8_t *data = (uint8_t *)op->data + op->done_size;
    size_t size = io_host_chunk(op);

    if (op->opcode == IO_OP_ACCEPT) {
        io_uring_prep_accept(sqe, s->fd, NULL, NULL, SOCK_CLOEXEC);
    } else if (op->opcode == IO_OP_RECV) {
        io_uring_prep_recv(sqe, s->fd, data, size, 0);
        /* A try that finds nothing costs as much as one that does. */
        if (s->is_drained)
            sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    } else {
        io_uring_prep_send(sqe, s->fd, data, size, MSG_NOSIGNAL | MSG_WAITALL);
    }
}

/* Queue op for the kernel. False if there is no room. */
static bool try_enqueue(struct uring_ring *r, struct io_op *op)
{
    struct io_uring_sqe *sqe = next_entry(r);

    if (sqe == NULL)
        return false;
    if (io_host_is_socket_op(op))
        fill_socket(sqe, op);
    else if (op->opcode == IO_OP_SYNC)
        fill_sync(sqe, op);
    else
        fill_transfer(r, sqe, op);
    if (op->scratch[0] == NEEDS_WORKER)
        sqe->flags |= IOSQE_ASYNC;
    io_uring_sqe_set_data(sqe, op);
    r->in_flight++;
    r->in_devices += !io_host_is_socket_op(op);
    return true;
}

static void enqueue(struct uring_ring *r, struct io_op *op)
{
    if (r->backlog.head != NULL || !try_enqueue(r, op))
        io_op_list_push(&r->backlog, op);
}

/* A read that the device itself answers. The page cache's need no pace. */
static bool is_paced(const struct uring_ring *r, const struct io_op *op)
{
    return r->paces_reads && op->opcode == IO_OP_READ && (op->file->flags & IO_DIRECT) != 0;
}

/* The reads whose turn it is. True if there were any. */
static bool start_held(struct uring_ring *r)
{
    uint32_t room = io_pace_room(&r->pace);
    bool ends_gap = room > 0 && io_pace_is_idle(&r->pace);
    uint64_t now_ns = ends_gap ? clock_ns(clock_system()) : 0;

    for (uint32_t i = 0; i < room; i++) {
        io_pace_start(&r->pace, now_ns);
        enqueue(r, io_op_list_pop(&r->held));
    }
    return room > 0;
}

static void submit(struct io_ring *ring, struct io_op *op)
{
    struct uring_ring *r = (struct uring_ring *)ring;

    if (io_host_adopt(&r->host, op))
        return;
    op->scratch[0] = op->wants_worker ? NEEDS_WORKER : 0;
    if (!is_paced(r, op)) {
        enqueue(r, op);
        return;
    }
    io_op_list_push(&r->held, op);
    io_pace_want(&r->pace);
    (void)start_held(r);
}

static void start(struct io_ring *ring)
{
    hand_over((struct uring_ring *)ring);
}

static void flush_backlog(struct uring_ring *r)
{
    while (r->backlog.head != NULL && try_enqueue(r, r->backlog.head))
        (void)io_op_list_pop(&r->backlog);
}

/* ---- Completing -------------------------------------------------------------------------- */

static void finish(struct uring_ring *r, struct io_op *op)
{
    if (io_host_is_socket_op(op))
        io_host_detach(op);
    r->reads_back += is_paced(r, op);
    io_op_list_push(&r->host.done, op);
}

/* True if op was not carried out and may be asked for again, unchanged. */
static bool is_unattempted(struct io_op *op, int error)
{
    switch (error) {
    case EINTR:
    case ECANCELED: /* The thread that submitted it has ended. */
        return true;
    case EAGAIN:
        if (io_host_is_socket_op(op))
            return true;
        if (op->scratch[0] == NEEDS_WORKER)
            return false;
        op->scratch[0] = NEEDS_WORKER;
        return true;
    default:
        return false;
    }
}

/* The kernel's success for op. True if op is over, and settled. */
static bool advance(struct io_op *op, int res)
{
    switch (op->opcode) {
    case IO_OP_READ:
    case IO_OP_WRITE:
        return io_host_advance(op, (size_t)res);
    case IO_OP_ACCEPT:
        io_host_accepted(op, res);
        return true;
    case IO_OP_RECV:
        op->done_size = (size_t)res;
        break;
    case IO_OP_SEND:
        op->done_size += (size_t)res;
        if (op->done_size < op->size)
            return false;
        break;
    case IO_OP_SYNC:
    case IO_OP_TIMER:
        break;
    }
    io_op_settle(op, 0);
    return true;
}

/* The kernel's failure for op. True if op is over, and settled. */
static bool fail(struct io_op *op, int error)
{
    if (is_unattempted(op, error))
        return false;
    if (io_host_is_socket_op(op))
        return io_host_socket_failed(op, error);
    io_op_settle(op, error);
    return true;
}

static void complete(struct uring_ring *r, struct io_op *op, const struct io_uring_cqe *cqe)
{
    int res = cqe->res;

    r->in_flight--;
    r->in_devices -= !io_host_is_socket_op(op);
    if (op->opcode == IO_OP_RECV)
        ((struct host_socket *)op->socket)->is_drained =
            (cqe->flags & IORING_CQE_F_SOCK_NONEMPTY) == 0;
    bool is_over = res >= 0 ? advance(op, res) : fail(op, -res);
    if (is_over) {
        finish(r, op);
    } else if (r->is_draining) {
        io_op_settle(op, ECANCELED);
        finish(r, op);
    } else {
        enqueue(r, op);
    }
}

/*
 * Reads came back: others take their place, now, so that the device works on them while the thread
 * works on what came.
 */
static void follow_up(struct uring_ring *r)
{
    if (r->reads_back == 0)
        return;
    io_pace_return(&r->pace, r->reads_back, clock_ns(clock_system()));
    r->reads_back = 0;
    if (start_held(r))
        hand_over(r);
}

static void collect(struct uring_ring *r)
{
    struct io_uring_cqe *cqe;
    unsigned head;
    unsigned count = 0;

    io_uring_for_each_cqe(&r->native, head, cqe)
    {
        uint64_t tag = cqe->user_data;
        count++;
        if (tag == TAG_BELL)
            r->is_bell_armed = (cqe->flags & IORING_CQE_F_MORE) != 0;
        else if (tag != TAG_CANCEL)
            complete(r, (struct io_op *)(uintptr_t)tag, cqe);
    }
    io_uring_cq_advance(&r->native, count);
    follow_up(r);
}

/* ---- Waiting ----------------------------------------------------------------------------- */

/* Have the doorbell's edges reported, until further notice. False if that must wait. */
static bool arm_bell(struct uring_ring *r)
{
    if (r->is_bell_armed)
        return true;
    struct io_uring_sqe *sqe = next_entry(r);
    if (sqe == NULL)
        return false;
    io_uring_prep_poll_multishot(sqe, r->host.waker.fd, POLLIN);
    io_uring_sqe_set_data64(sqe, TAG_BELL);
    r->is_bell_armed = true;
    return true;
}

/* True if only the kernel can tell whether something is done. */
static bool needs_kernel(const struct uring_ring *r)
{
    unsigned flags = IO_URING_READ_ONCE(*r->native.sq.kflags);

    return io_uring_sq_ready(&r->native) > 0 ||
           (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/* The system call of a turn. 0 or more: fine; else a negated errno value. */
static int enter(struct uring_ring *r, uint64_t timeout_ns)
{
    struct io_uring_cqe *cqe;
    struct __kernel_timespec t = { .tv_sec = (int64_t)(timeout_ns / NS_PER_S),
                                   .tv_nsec = (int64_t)(timeout_ns % NS_PER_S) };

    if (timeout_ns == 0)
        return needs_kernel(r) ? io_uring_submit_and_get_events(&r->native) : 0;
    if (timeout_ns == UINT64_MAX)
        return io_uring_submit_and_wait(&r->native, 1);
    return io_uring_submit_and_wait_timeout(&r->native, &cqe, 1, &t, NULL);
}

/* Something is done, or the kernel says that it would be if it were asked. */
static bool has_news(const struct uring_ring *r)
{
    return io_uring_cq_ready(&r->native) > 0 || needs_kernel(r);
}

/*
 * What enter does, for a thread that may be back at work sooner than it would be asleep. The
 * kernel's flag ends the looking and decides no more than that: it may stay up after its work was
 * done, until there is more, and only a call that may sleep finds out.
 */
static int enter_busily(struct uring_ring *r, uint64_t timeout_ns)
{
    struct io_busy_poll *p = &r->busy_poll;
    int result = enter(r, 0);

    if (result < 0 || io_uring_cq_ready(&r->native) > 0)
        return result;
    uint64_t begin_ns = clock_ns(clock_system());
    uint64_t elapsed_ns = 0;
    bool looks = io_busy_poll_begin(
        p, r->in_devices > 0 ? IO_BUSY_POLL_DEVICE : IO_BUSY_POLL_CLIENT, begin_ns);
    while (looks && elapsed_ns < timeout_ns && !has_news(r)) {
        (void)sched_yield();
        uint64_t now_ns = clock_ns(clock_system());
        elapsed_ns = now_ns - begin_ns;
        looks = io_busy_poll_go_on(p, now_ns);
    }
    if (io_uring_cq_ready(&r->native) > 0 || elapsed_ns >= timeout_ns)
        result = enter(r, 0);
    else
        result = enter(r, timeout_ns == UINT64_MAX ? UINT64_MAX : timeout_ns - elapsed_ns);
    io_busy_poll_end(p, clock_ns(clock_system()));
    return result;
}

/* With one processor whoever has the news cannot run while somebody looks for it; with a quota of
 * one, looking is taken from the time that it may run. */
static bool has_processors(void)
{
    return process_processors_milli() > PROCESS_ONE_PROCESSOR;
}

/* The kernel had no memory for submissions. Once something completed it may have; if nothing is
 * under way, only time helps. */
static void hold_back(struct uring_ring *r)
{
    struct timespec t = { .tv_nsec = RETRY_NS };

    if (io_uring_cq_ready(&r->native) == 0)
        (void)nanosleep(&t, NULL);
}

static void turn(struct host_ring *ring, uint64_t timeout_ns)
{
    struct uring_ring *r = (struct uring_ring *)ring;

    enable(r);
    flush_backlog(r);
    bool is_short_of_room = (timeout_ns > 0 && !arm_bell(r)) || r->backlog.head != NULL;
    if (is_short_of_room && timeout_ns > RETRY_NS)
        timeout_ns = RETRY_NS;
    int result =
        timeout_ns > 0 && r->polls_busily ? enter_busily(r, timeout_ns) : enter(r, timeout_ns);
    if (result == -EAGAIN || result == -EBUSY || result == -ENOMEM)
        hold_back(r);
    else /* EEXIST: a second thread on a bound ring. EBADR: the kernel lost a completion. */
        CHECK(result >= 0 || result == -ETIME || result == -EINTR);
    collect(r);
}

/* ---- Life -------------------------------------------------------------------------------- */

/* Two tries: what we like, and what every kernel since 5.19 has. */
static int init_native(struct uring_ring *r, const struct io_ring_options *o)
{
    unsigned submissions = o->entries < SUBMISSIONS_MAX ? o->entries : SUBMISSIONS_MAX;
    unsigned base = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL;
    struct io_uring_params p = { .cq_entries =
                                     2 * (o->entries < UINT16_MAX ? o->entries : UINT16_MAX) };
    int result;

    r->is_enabled = !o->is_thread_bound;
    p.flags = base;
    if (o->is_thread_bound) {
        p.flags |= IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                   IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED;
        result = io_uring_queue_init_params(submissions, &r->native, &p);
        if (result != -EINVAL)
            return result;
        p.flags = base | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
        r->is_enabled = true;
    }
    return io_uring_queue_init_params(submissions, &r->native, &p);
}

/*
 * Rings are mapped and unmapped under the machine's lock: the kernel hands out an address again
 * at once, and only so is it known, also to a race detector, that one thread's ring had gone before
 * another's came.
 */
static int map_native(struct uring_ring *r, const struct io_ring_options *o)
{
    struct host *h = (struct host *)r->host.ring.io;

    mutex_lock(&h->lock);
    int result = init_native(r, o);
    mutex_unlock(&h->lock);
    return result;
}

static void unmap_native(struct uring_ring *r)
{
    struct host *h = (struct host *)r->host.ring.io;

    mutex_lock(&h->lock);
    io_uring_queue_exit(&r->native);
    mutex_unlock(&h->lock);
}

/* A kernel that grants no table makes the hint mean nothing; the ring is as good as before. */
static struct status init_regions(struct uring_ring *r, unsigned count_max)
{
    if (count_max == 0 || io_uring_register_buffers_sparse(&r->native, count_max) != 0)
        return status_ok();
    return io_regions_init(&r->regions, r->host.ring.io->alloc, count_max);
}

static struct status ring_register_memory(struct io_ring *ring, void *data, size_t size)
{
    struct uring_ring *r = (struct uring_ring *)ring;
    struct iovec v = { .iov_base = data, .iov_len = size };
    __u64 tag = 0;

    if (r->regions.count == r->regions.count_max)
        return status_of(ST_LIMIT);
    int result = io_uring_register_buffers_update_tag(&r->native, r->regions.count, &v, &tag, 1);
    if (result != 1)
        return status_of(result < 0 ? io_code_of_errno(-result) : ST_UNSUPPORTED);
    io_regions_add(&r->regions, data, size);
    return status_ok();
}

static struct status ring_create(struct io *io, const struct io_ring_options *options,
                                 struct io_ring **out)
{
    struct uring_ring *r = alloc_zeroed(io->alloc, sizeof *r);
    struct status s;

    if (r == NULL)
        return status_of(ST_NO_MEMORY);
    r->host.ring.io = io;
    r->host.turn = turn;
    r->paces_reads = options->paces_reads;
    r->polls_busily = options->polls_busily && has_processors();
    io_busy_poll_init(&r->busy_poll);
    s = io_waker_init(&r->host.waker);
    if (failed(s))
        goto out_ring;
    int result = map_native(r, options);
    if (result != 0) {
        s = io_status_of_errno(-result);
        goto out_waker;
    }
    s = init_regions(r, options->regions_max);
    if (failed(s))
        goto out_native;
    *out = &r->host.ring;
    return s;

out_native:
    unmap_native(r);
out_waker:
    io_waker_deinit(&r->host.waker);
out_ring:
    alloc_free(io->alloc, r, sizeof *r);
    return s;
}

/*
 * The kernel writes into buffers of ops it has: none may be left when this returns. Closing the
 * ring would cancel them too, but only some time later.
 */
static void drain(struct uring_ring *r)
{
    struct io_op *op;

    r->is_draining = true;
    while ((op = io_op_list_pop(&r->held)) != NULL) {
        io_pace_drop(&r->pace);
        io_op_settle(op, ECANCELED);
        io_op_list_push(&r->host.done, op);
    }
    while ((op = io_op_list_pop(&r->backlog)) != NULL) {
        io_op_settle(op, ECANCELED);
        finish(r, op);
    }
    while (r->in_flight > 0) {
        struct io_uring_sqe *sqe = next_entry(r);
        if (sqe != NULL) {
            io_uring_prep_cancel(sqe, NULL, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
            io_uring_sqe_set_data64(sqe, TAG_CANCEL);
        }
        turn(&r->host, 100 * (uint64_t)RETRY_NS);
    }
    follow_up(r);
    CHECK(r->pace.under_way == 0 && r->in_devices == 0);
}

static void ring_destroy(struct io_ring *ring)
{
    struct uring_ring *r = (struct uring_ring *)ring;

    drain(r);
    unmap_native(r);
    io_regions_deinit(&r->regions, ring->io->alloc);
    io_host_release_ops(&r->host);
    io_waker_deinit(&r->host.waker);
    alloc_free(ring->io->alloc, r, sizeof *r);
}

static const struct io_table URING_TABLE = {
    IO_HOST_TABLE_ENTRIES,
    .ring_create = ring_create,
    .ring_destroy = ring_destroy,
    .ring_register_memory = ring_register_memory,
    .submit = submit,
    .start = start,
    .socket_close = io_host_socket_close,
};

/* ---- Machine ----------------------------------------------------------------------------- */

static const char *explain(int error)
{
    switch (error) {
    case ENOSYS:
        return "this kernel has no io_uring";
    case EPERM:
    case EACCES:
        return "io_uring is forbidden here (kernel.io_uring_disabled, or a sandbox)";
    case ENOMEM:
        return "io_uring may not lock the memory it needs (RLIMIT_MEMLOCK)";
    case EINVAL:
        return "the io_uring of this kernel is older than 5.19";
    default:
        return "io_uring cannot be set up";
    }
}

/* A ring that works, of the age we need. 0 or an errno value. */
static int probe(void)
{
    struct io_uring_params p = { .flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL };
    unsigned features = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;
    struct io_uring ring;
    int error = EINVAL;

    int result = io_uring_queue_init_params(1, &ring, &p);
    if (result != 0)
        return -result;
    if ((p.features & features) == features) {
        io_uring_prep_nop(io_uring_get_sqe(&ring));
        result = io_uring_submit_and_wait(&ring, 1);
        error = result < 0 ? -result : 0;
    }
    io_uring_queue_exit(&ring);
    return error;
}

struct status io_machine_uring(struct alloc *a, struct io **out_io, const char **out_why)
{
    struct host *h = NULL;
    int error = probe();

    if (error != 0) {
        *out_why = explain(error);
        return status_of(ST_UNSUPPORTED);
    }
    TRY(io_host_create(a, &URING_TABLE, IO_KIND_URING, &h));
    h->has_blocking_sockets = true;
    *out_io = &h->io;
    return status_ok();
}
