#include "base/io_busy_poll.h"

/* A mean is one of some MEMORY waits, and a single one of MEMORY times its bound lifts it over
 * that. */
enum { MEMORY = 8 };

/* How many times its bound a look may last. */
enum { LIMIT = 2 };

/* A look for nothing doubles the next rest, one that pays takes 1 / PAID of it: with fewer than six
 * of these to one of those ((1 - 1 / PAID)^6 < 1/2) rests grow. Under load there are some 300. */
enum { REST_MIN = 8, REST_MAX = 4096, PAID = 8 };

static const uint64_t BOUND_NS[IO_BUSY_POLL_WAITS] = { IO_BUSY_POLL_CLIENT_NS,
                                                       IO_BUSY_POLL_DEVICE_NS };

void io_busy_poll_init(struct io_busy_poll *p)
{
    *p = (struct io_busy_poll) { 0 };
    for (int i = 0; i < IO_BUSY_POLL_WAITS; i++)
        p->mean_ns[i] = MEMORY * BOUND_NS[i];
}

static bool is_short(const struct io_busy_poll *p, enum io_busy_poll_wait wait)
{
    return p->mean_ns[wait] < BOUND_NS[wait];
}

bool io_busy_poll_begin(struct io_busy_poll *p, enum io_busy_poll_wait wait, uint64_t now_ns)
{
    p->wait = wait;
    p->begin_ns = now_ns;
    p->looked_ns = now_ns;
    p->looks = is_short(p, IO_BUSY_POLL_CLIENT) && is_short(p, wait) && p->rest == 0;
    p->rest -= p->rest > 0;
    return p->looks;
}

bool io_busy_poll_go_on(struct io_busy_poll *p, uint64_t now_ns)
{
    bool is_slow = now_ns - p->looked_ns >= IO_BUSY_POLL_SLOW_NS;

    p->looked_ns = now_ns;
    p->looks = !is_slow && now_ns - p->begin_ns < LIMIT * BOUND_NS[p->wait];
    if (!p->looks) {
        p->rest_next = 2 * p->rest_next + REST_MIN;
        if (p->rest_next > REST_MAX)
            p->rest_next = REST_MAX;
        p->rest = p->rest_next;
    }
    return p->looks;
}

static void note(struct io_busy_poll *p, enum io_busy_poll_wait wait, uint64_t wait_ns)
{
    if (wait_ns > MEMORY * BOUND_NS[wait])
        wait_ns = MEMORY * BOUND_NS[wait];
    p->mean_ns[wait] = (p->mean_ns[wait] * (MEMORY - 1) + wait_ns) / MEMORY;
}

void io_busy_poll_end(struct io_busy_poll *p, uint64_t now_ns)
{
    uint64_t wait_ns = now_ns - p->begin_ns;

    note(p, p->wait, wait_ns);
    if (p->wait == IO_BUSY_POLL_DEVICE && wait_ns < IO_BUSY_POLL_CLIENT_NS)
        note(p, IO_BUSY_POLL_CLIENT, wait_ns);
    if (p->looks)
        p->rest_next -= (p->rest_next + PAID - 1) / PAID;
}
