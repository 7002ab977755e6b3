#include "base/stopwatch.h"

#include <criterion/criterion.h>

Test(stopwatch, follows_a_clock_that_is_not_the_machines)
{
    struct clock_test clock;
    struct stopwatch w;

    clock_test_init(&clock, 1000);
    stopwatch_init(&w, &clock.clock);
    for (int i = 0; i < 5; i++) {
        clock.now_ns += 7 * 1000 * 1000;
        stopwatch_sync(&w, clock.now_ns);
        clock.now_ns += 3;
        cr_assert_eq(stopwatch_ns(&w), clock.now_ns);
    }
}

/* Method: beside the machine's clock for a while, in which it learns what a tick is; what lies
 * between two readings of the clock lies between them, within what the machine may stop for. */
Test(stopwatch, tells_the_machines_time)
{
    const uint64_t off_max_ns = 200 * 1000;
    struct stopwatch w;
    uint64_t began = clock_ns(clock_system());
    unsigned readings = 0;

    stopwatch_init(&w, clock_system());
    while (clock_ns(clock_system()) - began < 50 * 1000 * 1000) {
        stopwatch_sync(&w, clock_ns(clock_system()));
        uint64_t before = clock_ns(clock_system());
        uint64_t told = stopwatch_ns(&w);
        uint64_t after = clock_ns(clock_system());
        cr_assert(told + off_max_ns >= before && told <= after + off_max_ns,
                  "%llu told, between %llu and %llu", (unsigned long long)told,
                  (unsigned long long)before, (unsigned long long)after);
        readings++;
    }
    cr_assert_gt(readings, 100);
}
