/*
 * The POSIX back end: plain calls for files, epoll for sockets.
 *
 * It is what runs where a kernel or a sandbox refuses io_uring. File ops are executed one by one
 * inside io_ring_wait, in the order of submission: a ring has no depth here, so what wants
 * parallel reads uses several threads. Socket ops are tried at once and wait for an edge of their
 * socket only if the kernel would block, so a busy connection costs no more than its recv and send.
 *
 * Sockets are watched once, for both directions, edge-triggered, when they first have to wait. The
 * order "try, then sleep on the edge" loses nothing: an edge that comes between the two stays
 * queued in epoll, and a socket that is ready when it is added is reported at once.
 */
#include "base/io_host.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

enum { EVENTS_MAX = 128 };
enum { NS_PER_S = 1000 * 1000 * 1000, NS_PER_MS = 1000 * 1000 };

struct posix_ring {
    struct host_ring host;
    int epoll_fd;
    bool is_coarse; /* No epoll_pwait2: sleep in whole milliseconds. */
    struct io_op_list queued;
    struct host_socket *watched;
};

static void turn(struct host_ring *ring, uint64_t timeout_ns);

/* ---- Life -------------------------------------------------------------------------------- */

/* The doorbell is the event without a socket. Its edge is enough: the count is never read. */
static struct status watch_waker(struct posix_ring *r)
{
    struct epoll_event e = { .events = EPOLLIN | EPOLLET, .data.ptr = NULL };

    if (epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, r->host.waker.fd, &e) != 0)
        return io_status_of_errno(errno);
    return status_ok();
}

static struct status ring_create(struct io *io, const struct io_ring_options *options,
                                 struct io_ring **out)
{
    struct posix_ring *r = alloc_zeroed(io->alloc, sizeof *r);
    struct status s;

    (void)options; /* Size and thread of a ring make no difference to epoll. */
    if (r == NULL)
        return status_of(ST_NO_MEMORY);
    r->host.ring.io = io;
    r->host.turn = turn;
    s = io_waker_init(&r->host.waker);
    if (failed(s))
        goto out_ring;
    r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (r->epoll_fd < 0) {
        s = io_status_of_errno(errno);
        goto out_waker;
    }
    s = watch_waker(r);
    if (failed(s))
        goto out_epoll;
    *out = &r->host.ring;
    return s;

out_epoll:
    (void)close(r->epoll_fd);
out_waker:
    io_waker_deinit(&r->host.waker);
out_ring:
    alloc_free(io->alloc, r, sizeof *r);
    return s;
}

static void unwatch(struct host_socket *s)
{
    struct posix_ring *r = (struct posix_ring *)s->ring;

    if (s->prev != NULL)
        s->prev->next = s->next;
    else
        r->watched = s->next;
    if (s->next != NULL)
        s->next->prev = s->prev;
    s->ring = NULL;
    /* By hand, as a forked child may keep the description open, and so in the set. */
    (void)epoll_ctl(r->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
}

static void cancel_sleeper(struct io_op *op)
{
    if (op == NULL)
        return;
    io_host_detach(op);
    io_host_cancel(op);
}

static void ring_destroy(struct io_ring *ring)
{
    struct posix_ring *r = (struct posix_ring *)ring;
    struct io_op *op;

    while ((op = io_op_list_pop(&r->queued)) != NULL) {
        if (io_host_is_socket_op(op))
            io_host_detach(op);
        io_host_cancel(op);
    }
    while (r->watched != NULL) {
        cancel_sleeper(r->watched->receiver);
        cancel_sleeper(r->watched->sender);
        unwatch(r->watched);
    }
    io_host_release_ops(&r->host);
    (void)close(r->epoll_fd);
    io_waker_deinit(&r->host.waker);
    alloc_free(ring->io->alloc, r, sizeof *r);
}

/* ---- Socket ops -------------------------------------------------------------------------- */

/* The attempts below settle op and return true, or return false if the kernel would block. */

static bool try_receive(struct io_op *op)
{
    int fd = ((const struct host_socket *)op->socket)->fd;

    for (;;) {
        ssize_t n = recv(fd, op->data, op->size, 0);
        if (n >= 0) {
            op->done_size = (size_t)n;
            io_op_settle(op, 0);
            return true;
        }
        if (errno == EAGAIN)
            return false;
        if (io_host_socket_failed(op, errno))
            return true;
    }
}

static bool try_accept(struct io_op *op)
{
    const struct host_socket *listener = (const struct host_socket *)op->socket;

    for (;;) {
        int accepted = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (accepted >= 0) {
            io_host_accepted(op, accepted);
            return true;
        }
        /* A unix listener that was shut down says EAGAIN for ever. If the mark is set after this
         * look, so is the edge. */
        if (errno == EAGAIN && atomic_load_explicit(&listener->is_shut, memory_order_acquire))
            errno = EINVAL;
        if (errno == EAGAIN)
            return false;
        if (io_host_socket_failed(op, errno))
            return true;
    }
}

static bool try_send(struct io_op *op)
{
    int fd = ((const struct host_socket *)op->socket)->fd;

    while (op->done_size < op->size) {
        const uint8_t *rest = (const uint8_t *)op->data + op->done_size;
        ssize_t n = send(fd, rest, op->size - op->done_size, MSG_NOSIGNAL);
        if (n >= 0)
            op->done_size += (size_t)n;
        else if (errno == EAGAIN)
            return false;
        else if (io_host_socket_failed(op, errno))
            return true;
    }
    io_op_settle(op, 0);
    return true;
}

static bool try_op(struct io_op *op)
{
    switch (op->opcode) {
    case IO_OP_ACCEPT:
        return try_accept(op);
    case IO_OP_RECV:
        return try_receive(op);
    default:
        return try_send(op);
    }
}

/* Have the ring's epoll report s. 0 or an errno value. */
static int watch(struct posix_ring *r, struct host_socket *s)
{
    struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = s };

    CHECK(s->ring == NULL || s->ring == &r->host.ring);
    if (s->ring != NULL)
        return 0;
    if (epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, s->fd, &e) != 0)
        return errno;
    s->ring = &r->host.ring;
    s->prev = NULL;
    s->next = r->watched;
    if (r->watched != NULL)
        r->watched->prev = s;
    r->watched = s;
    return 0;
}

static void finish_socket_op(struct posix_ring *r, struct io_op *op)
{
    io_host_detach(op);
    io_op_list_push(&r->host.done, op);
}

static void start_socket_op(struct posix_ring *r, struct io_op *op)
{
    if (!try_op(op)) {
        int error = watch(r, (struct host_socket *)op->socket);
        if (error == 0)
            return;
        io_op_settle(op, error);
    }
    finish_socket_op(r, op);
}

static void retry_socket_op(struct posix_ring *r, struct io_op *op)
{
    if (op != NULL && try_op(op))
        finish_socket_op(r, op);
}

static void socket_close(struct io_socket *socket)
{
    struct host_socket *s = (struct host_socket *)socket;

    if (s->ring != NULL)
        unwatch(s);
    io_host_socket_close(socket);
}

/* ---- Waiting ----------------------------------------------------------------------------- */

static void submit(struct io_ring *ring, struct io_op *op)
{
    struct posix_ring *r = (struct posix_ring *)ring;

    if (!io_host_adopt(&r->host, op))
        io_op_list_push(&r->queued, op);
}

static void run_queued(struct posix_ring *r)
{
    struct io_op *op;

    while ((op = io_op_list_pop(&r->queued)) != NULL) {
        switch (op->opcode) {
        case IO_OP_READ:
        case IO_OP_WRITE:
        case IO_OP_SYNC:
            io_host_perform(&r->host.ring, op);
            io_op_list_push(&r->host.done, op);
            break;
        default:
            start_socket_op(r, op);
            break;
        }
    }
}

/* epoll_wait for timeout_ns; UINT64_MAX: for ever. The count of events. */
static int sleep_on_epoll(struct posix_ring *r, struct epoll_event *events, uint64_t timeout_ns)
{
    struct timespec t = { .tv_sec = (time_t)(timeout_ns / NS_PER_S),
                          .tv_nsec = (long)(timeout_ns % NS_PER_S) };
    int n = -1;

    if (timeout_ns == 0 || timeout_ns == UINT64_MAX) {
        n = epoll_wait(r->epoll_fd, events, EVENTS_MAX, timeout_ns == 0 ? 0 : -1);
    } else if (!r->is_coarse) {
        n = epoll_pwait2(r->epoll_fd, events, EVENTS_MAX, &t, NULL);
        r->is_coarse = n < 0 && errno != EINTR;
    }
    if (r->is_coarse && n < 0) {
        uint64_t timeout_ms = timeout_ns / NS_PER_MS + 1;
        n = epoll_wait(r->epoll_fd, events, EVENTS_MAX,
                       timeout_ms < INT32_MAX ? (int)timeout_ms : INT32_MAX);
    }
    CHECK(n >= 0 || errno == EINTR);
    return n < 0 ? 0 : n;
}

static void poll_sockets(struct posix_ring *r, uint64_t timeout_ns)
{
    struct epoll_event events[EVENTS_MAX];
    int n;

    if (timeout_ns == 0 && r->watched == NULL)
        return;
    n = sleep_on_epoll(r, events, timeout_ns);
    for (int i = 0; i < n; i++) {
        struct host_socket *s = events[i].data.ptr;
        if (s == NULL)
            continue;
        if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
            retry_socket_op(r, s->receiver);
        if ((events[i].events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
            retry_socket_op(r, s->sender);
    }
}

static void turn(struct host_ring *ring, uint64_t timeout_ns)
{
    struct posix_ring *r = (struct posix_ring *)ring;

    run_queued(r);
    poll_sockets(r, r->host.done.head == NULL ? timeout_ns : 0);
}

static const struct io_table POSIX_TABLE = {
    IO_HOST_TABLE_ENTRIES, .ring_create = ring_create,   .ring_destroy = ring_destroy,
    .submit = submit,      .socket_close = socket_close,
};

struct status io_machine_posix(struct alloc *a, struct io **out_io)
{
    struct host *h = NULL;

    TRY(io_host_create(a, &POSIX_TABLE, IO_KIND_POSIX, &h));
    *out_io = &h->io;
    return status_ok();
}
