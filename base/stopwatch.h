/*
 * stopwatch -- the monotonic clock for who asks it all the time: a reading costs 10 ns, not 23.
 *
 * Between readings of the clock, which its owner hands it now and then, it counts the processor's
 * ticks. How long a tick is it learns from one reading to the next. Where the processor's counter
 * does not run evenly, or the clock is not the machine's, each reading is one of the clock.
 *
 * A reading may lie before an earlier one by what was learned in between, some nanoseconds.
 *
 * Threads: one owner.
 */
#ifndef VARVE_BASE_STOPWATCH_H
#define VARVE_BASE_STOPWATCH_H

#include "base/clock.h"

#include <stdint.h>

struct stopwatch {
    struct clock *clock;
    uint64_t base_ns;
    uint64_t base_ticks;
    uint64_t ns_per_tick; /* Times 2^32; 0: not known, or not to be counted on. */
    uint8_t is_even;      /* The counter can be counted on. */
};

void stopwatch_init(struct stopwatch *w, struct clock *clock);
/* The clock says that it is now_ns now. */
void stopwatch_sync(struct stopwatch *w, uint64_t now_ns);
uint64_t stopwatch_ns(const struct stopwatch *w);

#endif
