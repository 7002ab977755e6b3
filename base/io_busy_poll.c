#include "base/io_busy_poll.h"

/* The mean is one of some MEMORY waits, and a single one of WAIT_MAX_NS lifts it over its bound. */
enum { MEMORY = 8, WAIT_MAX_NS = MEMORY * IO_BUSY_POLL_MEAN_NS };

/* A look for nothing doubles the next rest, one that pays takes 1 / PAID of it: with fewer than six
 * of these to one of those ((1 - 1 / PAID)^6 < 1/2) rests grow. Under load there are some 300. */
enum { REST_MIN = 8, REST_MAX = 4096, PAID = 8 };

void io_busy_poll_init(struct io_busy_poll *p)
{
    *p = (struct io_busy_poll) { .mean_ns = WAIT_MAX_NS };
}

bool io_busy_poll_begin(struct io_busy_poll *p, uint64_t now_ns)
{
    p->begin_ns = now_ns;
    p->looked_ns = now_ns;
    p->looks = p->mean_ns < IO_BUSY_POLL_MEAN_NS && p->rest == 0;
    p->rest -= p->rest > 0;
    return p->looks;
}

bool io_busy_poll_go_on(struct io_busy_poll *p, uint64_t now_ns)
{
    bool is_slow = now_ns - p->looked_ns >= IO_BUSY_POLL_SLOW_NS;

    p->looked_ns = now_ns;
    p->looks = !is_slow && now_ns - p->begin_ns < IO_BUSY_POLL_LIMIT_NS;
    if (!p->looks) {
        p->rest_next = 2 * p->rest_next + REST_MIN;
        if (p->rest_next > REST_MAX)
            p->rest_next = REST_MAX;
        p->rest = p->rest_next;
    }
    return p->looks;
}

void io_busy_poll_end(struct io_busy_poll *p, uint64_t now_ns)
{
    uint64_t wait_ns = now_ns - p->begin_ns;

    if (wait_ns > WAIT_MAX_NS)
        wait_ns = WAIT_MAX_NS;
    p->mean_ns = (p->mean_ns * (MEMORY - 1) + wait_ns) / MEMORY;
    if (p->looks)
        p->rest_next -= (p->rest_next + PAID - 1) / PAID;
}
