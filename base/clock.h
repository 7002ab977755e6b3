/*
 * clock -- the door to time.
 *
 * Two clocks that mean different things: monotonic for durations and deadlines, wall for what
 * users see and for the hybrid timestamp. The simulator's clock moves only when told.
 *
 * Threads: any.
 */
#ifndef VARVE_BASE_CLOCK_H
#define VARVE_BASE_CLOCK_H

#include <stdint.h>

struct clock {
    uint64_t (*monotonic_ns)(struct clock *c); /* Since an arbitrary start; never back. */
    uint64_t (*wall_ms)(struct clock *c);      /* Since 1970-01-01 UTC; may jump either way. */
};

/* The machine's clocks. Stateless: one constant object. */
struct clock *clock_system(void);

static inline uint64_t clock_ns(struct clock *c)
{
    return c->monotonic_ns(c);
}
static inline uint64_t clock_wall_ms(struct clock *c)
{
    return c->wall_ms(c);
}

/* A clock that tests set by hand. */
struct clock_test {
    struct clock clock;
    uint64_t now_ns;
    uint64_t now_wall_ms;
};
void clock_test_init(struct clock_test *t, uint64_t wall_ms);

#endif
