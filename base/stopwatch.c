#include "base/stopwatch.h"

#include <stdbool.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const uint64_t LEARN_NS = 1000 * 1000;
static const uint64_t FORGET_NS = UINT64_C(4) * 1000 * 1000 * 1000;

#if defined(__x86_64__)

static uint64_t ticks(void)
{
    return __builtin_ia32_rdtsc();
}

/* "Invariant TSC": the counter runs at one rate, whatever the processor does. */
static bool is_even(void)
{
    const unsigned leaf = 0x80000007;
    const unsigned invariant = 1 << 8;
    unsigned a;
    unsigned b;
    unsigned c;
    unsigned d;

    return __get_cpuid(leaf, &a, &b, &c, &d) != 0 && (d & invariant) != 0;
}

#else

static uint64_t ticks(void)
{
    return 0;
}

static bool is_even(void)
{
    return false;
}

#endif

void stopwatch_init(struct stopwatch *w, struct clock *clock)
{
    *w = (struct stopwatch) { .clock = clock, .is_even = clock == clock_system() && is_even() };
    w->base_ns = clock_ns(clock);
    w->base_ticks = ticks();
}

void stopwatch_sync(struct stopwatch *w, uint64_t now_ns)
{
    uint64_t elapsed_ns = now_ns - w->base_ns;

    if (!w->is_even || elapsed_ns < LEARN_NS)
        return;
    uint64_t now_ticks = ticks();
    uint64_t elapsed_ticks = now_ticks - w->base_ticks;
    /* What is longer does not fit, and says nothing new. */
    if (elapsed_ns < FORGET_NS && elapsed_ticks > 0)
        w->ns_per_tick = (elapsed_ns << 32) / elapsed_ticks;
    w->base_ns = now_ns;
    w->base_ticks = now_ticks;
}

uint64_t stopwatch_ns(const struct stopwatch *w)
{
    if (w->ns_per_tick == 0)
        return clock_ns(w->clock);
    unsigned __int128 elapsed = (unsigned __int128)(ticks() - w->base_ticks) * w->ns_per_tick;
    return w->base_ns + (uint64_t)(elapsed >> 32);
}
