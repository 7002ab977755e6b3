#include "txn/txn.h"

/* The mark runs this far ahead of the wall, and is raised when less than half is left. */
enum { MARK_AHEAD_MS = 20000 };

static uint64_t wall_version(const struct txn_clock *c)
{
    return clock_wall_ms(c->wall) << TXN_LOGICAL_BITS;
}

static struct status raise_mark(struct txn_clock *c, struct io_ring *ring, uint64_t from)
{
    uint64_t mark = from + ((uint64_t)MARK_AHEAD_MS << TXN_LOGICAL_BITS);
    TRY(lsm_raise_clock_mark(c->lsm, ring, mark));
    c->mark = mark;
    return status_ok();
}

struct status txn_clock_init(struct txn_clock *c, struct clock *wall, struct lsm *l,
                             struct io_ring *ring)
{
    uint64_t seen = lsm_visible(l);
    uint64_t mark = lsm_clock_mark(l);

    *c = (struct txn_clock) { .wall = wall, .lsm = l };
    /* Below the mark anything may have been given out before the last stop. */
    c->last = seen > mark ? seen : mark;
    uint64_t now = wall_version(c);
    return raise_mark(c, ring, now > c->last ? now : c->last);
}

struct status txn_clock_now(struct txn_clock *c, struct io_ring *ring, uint64_t *out_version)
{
    uint64_t now = wall_version(c);
    uint64_t next = now > c->last ? now : c->last + 1;

    if (next + ((uint64_t)(MARK_AHEAD_MS / 2) << TXN_LOGICAL_BITS) > c->mark) {
        struct status s = raise_mark(c, ring, next);
        /* While the old mark still covers it, a failure to raise it harms nothing yet. */
        if (failed(s) && next >= c->mark)
            return s;
    }
    c->last = next;
    *out_version = next;
    return status_ok();
}

uint64_t txn_clock_read(struct txn_clock *c)
{
    uint64_t now = wall_version(c);
    if (now > c->last && now < c->mark)
        c->last = now;
    return c->last;
}
