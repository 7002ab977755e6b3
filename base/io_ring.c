#include "base/io_host.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

enum { AWAKE, ASLEEP, RUNG };

struct status io_waker_init(struct io_waker *w)
{
    w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->fd < 0)
        return io_status_of_errno(errno);
    atomic_init(&w->state, AWAKE);
    return status_ok();
}

void io_waker_deinit(struct io_waker *w)
{
    (void)close(w->fd);
}

void io_waker_ring(struct io_waker *w)
{
    /* Release: what the caller wrote before; pairs with the exchange in io_waker_rouse. */
    if (atomic_exchange_explicit(&w->state, RUNG, memory_order_acq_rel) == ASLEEP) {
        uint64_t one = 1;
        ssize_t n;
        do {
            n = write(w->fd, &one, sizeof one);
        } while (n < 0 && errno == EINTR);
        /* EAGAIN: the counter is full, so the descriptor is ready already. */
        CHECK(n == sizeof one || errno == EAGAIN);
    }
}

bool io_waker_doze(struct io_waker *w)
{
    uint32_t expected = AWAKE;

    return atomic_compare_exchange_strong_explicit(&w->state, &expected, ASLEEP,
                                                   memory_order_acq_rel, memory_order_acquire);
}

bool io_waker_rouse(struct io_waker *w)
{
    /* The common turn of a busy ring costs a load. */
    if (atomic_load_explicit(&w->state, memory_order_acquire) == AWAKE)
        return false;
    return atomic_exchange_explicit(&w->state, AWAKE, memory_order_acq_rel) == RUNG;
}

/* ---- Waiting ----------------------------------------------------------------------------- */

static void run_timers(struct host_ring *r)
{
    if (r->timers.root == NULL)
        return;
    uint64_t now_ns = clock_ns(clock_system());
    for (struct io_op *op = io_timers_take(&r->timers, now_ns); op != NULL;
         op = io_timers_take(&r->timers, now_ns)) {
        io_op_settle(op, 0);
        io_op_list_push(&r->done, op);
    }
}

static uint64_t timeout_until(const struct host_ring *r, uint64_t deadline_ns)
{
    uint64_t timer_ns = io_timers_next_ns(&r->timers);

    if (timer_ns < deadline_ns)
        deadline_ns = timer_ns;
    if (deadline_ns == UINT64_MAX)
        return UINT64_MAX;
    uint64_t now_ns = clock_ns(clock_system());
    return deadline_ns > now_ns ? deadline_ns - now_ns : 0;
}

static bool has_passed(uint64_t deadline_ns)
{
    return deadline_ns != UINT64_MAX && clock_ns(clock_system()) >= deadline_ns;
}

bool io_host_adopt(struct host_ring *r, struct io_op *op)
{
    if (op->opcode == IO_OP_TIMER) {
        io_timers_add(&r->timers, op);
        return true;
    }
    if (io_host_is_socket_op(op))
        io_host_attach(op);
    return false;
}

void io_host_wait(struct io_ring *ring, uint64_t deadline_ns)
{
    struct host_ring *r = (struct host_ring *)ring;
    bool is_over = false;

    run_timers(r);
    while (!is_over) {
        bool may_sleep = deadline_ns != 0 && r->done.head == NULL && io_waker_doze(&r->waker);
        r->turn(r, may_sleep ? timeout_until(r, deadline_ns) : 0);
        bool is_rung = io_waker_rouse(&r->waker);
        run_timers(r);
        is_over = is_rung || !may_sleep || r->done.head != NULL || has_passed(deadline_ns);
    }
}

struct io_op *io_host_done(struct io_ring *ring)
{
    return io_op_list_pop(&((struct host_ring *)ring)->done);
}

void io_host_wake(struct io_ring *ring)
{
    io_waker_ring(&((struct host_ring *)ring)->waker);
}

void io_host_cancel(struct io_op *op)
{
    io_op_settle(op, ECANCELED);
    op->is_pending = false;
}

void io_host_release_ops(struct host_ring *r)
{
    struct io_op *op;

    while ((op = io_timers_take(&r->timers, UINT64_MAX)) != NULL)
        io_host_cancel(op);
    while ((op = io_op_list_pop(&r->done)) != NULL)
        op->is_pending = false;
}
