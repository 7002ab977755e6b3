#include "base/clock.h"

#include "txn/txn.h"

/*
 * The mark is raised when less than half of what it runs ahead is left. Versions follow the wall as
 * far as the mark allows. Where the wall has left the mark behind (after an idle hour; while the
 * mark cannot be raised) versions go on rising below it, one by one, and the wall is caught up with
 * once the mark is: a version late by the time of a manifest edit harms nothing, a write that waits
 * for one would be felt. There is room for billions: 2^18 to each millisecond that was left.
 */
enum { MARK_AHEAD_MS = 20000 };

static const uint64_t AHEAD = (uint64_t)MARK_AHEAD_MS << TXN_LOGICAL_BITS;

static uint64_t wall_version(const struct txn_clock *c)
{
    return clock_wall_ms(c->wall) << TXN_LOGICAL_BITS;
}

static struct status raise_mark(struct txn_clock *c, struct io_ring *ring, uint64_t from)
{
    uint64_t mark = from + AHEAD;
    TRY(lsm_raise_clock_mark(c->lsm, ring, mark));
    uint64_t old = atomic_load_explicit(&c->mark, memory_order_relaxed);
    while (old < mark && !atomic_compare_exchange_weak_explicit(
                             &c->mark, &old, mark, memory_order_release, memory_order_relaxed))
        ;
    return status_ok();
}

struct status txn_clock_init(struct txn_clock *c, struct clock *wall, struct lsm *l,
                             struct io_ring *ring)
{
    uint64_t seen = lsm_visible(l);
    uint64_t mark = lsm_clock_mark(l);

    c->wall = wall;
    c->lsm = l;
    /* Below the mark anything may have been given out before the last stop. */
    c->last = seen > mark ? seen : mark;
    atomic_init(&c->mark, 0);
    uint64_t now = wall_version(c);
    uint64_t from = now > c->last ? now : c->last;
    atomic_init(&c->wanted, from);
    return raise_mark(c, ring, from);
}

struct status txn_clock_now(struct txn_clock *c, uint64_t *out_version)
{
    uint64_t mark = atomic_load_explicit(&c->mark, memory_order_acquire);
    uint64_t now = wall_version(c);
    uint64_t next = now > c->last ? now : c->last + 1;

    if (next + AHEAD / 2 > mark)
        atomic_store_explicit(&c->wanted, next, memory_order_relaxed);
    if (next >= mark)
        next = c->last + 1;
    if (next >= mark)
        return status_of(ST_AGAIN);
    c->last = next;
    *out_version = next;
    return status_ok();
}

uint64_t txn_clock_read(const struct txn_clock *c)
{
    return c->last;
}

struct status txn_clock_keep_ahead(struct txn_clock *c, struct io_ring *ring)
{
    uint64_t wanted = atomic_load_explicit(&c->wanted, memory_order_relaxed);

    if (wanted + AHEAD / 2 <= atomic_load_explicit(&c->mark, memory_order_relaxed))
        return status_ok();
    return raise_mark(c, ring, wanted);
}
