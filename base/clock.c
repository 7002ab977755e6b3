#include "base/clock.h"

#include <time.h>

enum { NS_PER_S = 1000 * 1000 * 1000, MS_PER_S = 1000, NS_PER_MS = 1000 * 1000 };

static uint64_t system_monotonic_ns(struct clock *c)
{
    struct timespec t;

    (void)c;
    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* Cannot fail: the clock and pointer are valid. */
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t system_wall_ms(struct clock *c)
{
    struct timespec t;

    (void)c;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * MS_PER_S + (uint64_t)t.tv_nsec / NS_PER_MS;
}

struct clock *clock_system(void)
{
    static const struct clock SYSTEM = {
        .monotonic_ns = system_monotonic_ns,
        .wall_ms = system_wall_ms,
    };
    return (struct clock *)&SYSTEM; /* Never written to, like alloc_heap(). */
}

static uint64_t test_monotonic_ns(struct clock *c)
{
    return ((struct clock_test *)c)->now_ns;
}

static uint64_t test_wall_ms(struct clock *c)
{
    return ((struct clock_test *)c)->now_wall_ms;
}

void clock_test_init(struct clock_test *t, uint64_t wall_ms)
{
    *t = (struct clock_test) {
        .clock = { .monotonic_ns = test_monotonic_ns, .wall_ms = test_wall_ms },
        .now_ns = 1,
        .now_wall_ms = wall_ms,
    };
}
