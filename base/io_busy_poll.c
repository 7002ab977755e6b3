#include "base/io_busy_poll.h"

/* The mean is one of some MEMORY waits, and a single one of WAIT_MAX_NS lifts it over its bound. */
enum { MEMORY = 8, WAIT_MAX_NS = MEMORY * IO_BUSY_POLL_MEAN_NS };

static void remember(struct io_busy_poll *p, uint64_t wait_ns)
{
    if (wait_ns > WAIT_MAX_NS)
        wait_ns = WAIT_MAX_NS;
    p->mean_ns = (p->mean_ns * (MEMORY - 1) + wait_ns) / MEMORY;
}

void io_busy_poll_init(struct io_busy_poll *p)
{
    *p = (struct io_busy_poll) { .mean_ns = WAIT_MAX_NS };
}

bool io_busy_poll_begin(struct io_busy_poll *p, uint64_t now_ns)
{
    p->begin_ns = now_ns;
    p->looked_ns = now_ns;
    p->is_over = p->mean_ns >= IO_BUSY_POLL_MEAN_NS;
    return !p->is_over;
}

bool io_busy_poll_go_on(struct io_busy_poll *p, uint64_t now_ns)
{
    bool is_slow = now_ns - p->looked_ns >= IO_BUSY_POLL_SLOW_NS;

    p->looked_ns = now_ns;
    p->is_over = is_slow || now_ns - p->begin_ns >= IO_BUSY_POLL_LIMIT_NS;
    if (p->is_over)
        remember(p, WAIT_MAX_NS);
    return !p->is_over;
}

void io_busy_poll_end(struct io_busy_poll *p, uint64_t now_ns)
{
    remember(p, now_ns - p->begin_ns);
}
