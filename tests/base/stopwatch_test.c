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

/* How many times in a row w was handed the time without the machine stopping in between. */
static unsigned sync_watch(struct stopwatch *w, unsigned prompt)
{
    const uint64_t prompt_ns = 20 * 1000;
    uint64_t base_ns = w->base_ns;
    uint64_t now_ns = clock_ns(clock_system());

    stopwatch_sync(w, now_ns);
    if (w->base_ns == base_ns)
        return prompt; /* It was too soon to learn from. */
    return clock_ns(clock_system()) - now_ns < prompt_ns ? prompt + 1 : 0;
}

/*
 * Method: beside the machine's clock, from which it learns what a tick is; what lies between two
 * readings of the clock lies between them, but for the inaccuracy of what was learned. Where the
 * machine stopped the test while it was learning, or long ago, nothing is said.
 */
Test(stopwatch, tells_the_machines_time)
{
    const uint64_t off_max_ns = 200 * 1000;
    const uint64_t fresh_ns = 3 * 1000 * 1000;
    const uint64_t patience_ns = UINT64_C(60) * 1000 * 1000 * 1000;
    struct stopwatch w;
    uint64_t began = clock_ns(clock_system());
    unsigned readings = 0;
    unsigned prompt = 0;

    stopwatch_init(&w, clock_system());
    while (readings < 10000) {
        prompt = sync_watch(&w, prompt);
        uint64_t before = clock_ns(clock_system());
        uint64_t told = stopwatch_ns(&w);
        uint64_t after = clock_ns(clock_system());
        cr_assert_lt(after - began, patience_ns, "%u readings", readings);
        if (w.is_even && (prompt < 2 || after - w.base_ns > fresh_ns))
            continue;
        cr_assert(told + off_max_ns >= before && told <= after + off_max_ns,
                  "%llu told, between %llu and %llu", (unsigned long long)told,
                  (unsigned long long)before, (unsigned long long)after);
        readings++;
    }
}
