#include "base/clock.h"

#include <criterion/criterion.h>

Test(clock, system_clocks_move)
{
    struct clock *c = clock_system();
    uint64_t begin = clock_ns(c);

    while (clock_ns(c) == begin)
        ;
    cr_assert_gt(clock_ns(c), begin);
    cr_assert_gt(clock_wall_ms(c), UINT64_C(1600000000000), "after 2020");
    cr_assert_lt(clock_wall_ms(c), UINT64_C(10000000000000), "milliseconds, not microseconds");
}

Test(clock, test_clock_stands_until_told)
{
    struct clock_test t;

    clock_test_init(&t, 1234);
    cr_assert_eq(clock_wall_ms(&t.clock), 1234);
    cr_assert_eq(clock_ns(&t.clock), clock_ns(&t.clock));
    t.now_ns += 5;
    t.now_wall_ms = 1000;
    cr_assert_eq(clock_ns(&t.clock), 6);
    cr_assert_eq(clock_wall_ms(&t.clock), 1000);
}
