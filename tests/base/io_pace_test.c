/*
 * How many reads the device is given at a time, in a time of its own: with disks that answer in
 * lockstep, with such that do not, and with such that only look like it.
 */
#include <criterion/criterion.h>

#include "base/io_pace.h"
#include "tests/base/support/paced_world.h"

enum { US = 1000, MS = 1000 * US, MANY = 10000 };

/* Half of them, rounded up. */
static uint32_t half(uint32_t count)
{
    return (count + 1) / 2;
}

static void start_all(struct io_pace *p, uint64_t now_ns)
{
    while (io_pace_room(p) > 0)
        io_pace_start(p, now_ns);
}

static void want(struct io_pace *p, uint32_t count, uint64_t now_ns)
{
    for (uint32_t i = 0; i < count; i++)
        io_pace_want(p);
    start_all(p, now_ns);
}

/* All that is under way comes back together, then as many are wanted as before: at so many ns a
 * read that came back, until it is limited or has had its chance. */
static void lockstep(struct io_pace *p, uint32_t count, uint64_t *now_ns)
{
    want(p, count, *now_ns);
    for (int i = 0; i < 100 && !p->is_limited; i++) {
        uint32_t back = p->under_way;
        *now_ns += back * (uint64_t)US;
        io_pace_return(p, back, *now_ns);
        want(p, back, *now_ns);
    }
    cr_assert(p->is_limited);
}

/* ---- The rule -------------------------------------------------------------------------------- */

Test(base_io_pace, a_new_pace_holds_nothing)
{
    struct io_pace p = { 0 };

    want(&p, MANY, 0);
    cr_assert_eq(p.held, 0);
    cr_assert_eq(p.under_way, MANY);
}

Test(base_io_pace, half_of_what_is_wanted_is_under_way)
{
    for (uint32_t count = 2 * IO_PACE_LIMIT_MIN; count < 1000; count += 7) {
        struct io_pace p = { 0 };
        uint64_t now_ns = 0;

        lockstep(&p, count, &now_ns);
        uint32_t back = p.under_way;
        now_ns += back * (uint64_t)US;
        io_pace_return(&p, back, now_ns);
        want(&p, back, now_ns);
        cr_assert_eq(p.under_way, half(count), "%u of %u", p.under_way, count);
        cr_assert_eq(p.held, count - half(count));
    }
}

/* Where no more are wanted than may always be under way, none is ever held. */
Test(base_io_pace, few_reads_are_never_held)
{
    for (uint32_t count = 1; count <= IO_PACE_LIMIT_MIN; count++) {
        struct io_pace p = { 0 };
        for (uint64_t i = 0; i < 1000; i++) {
            want(&p, count - p.under_way, i * US);
            cr_assert_eq(p.held, 0);
            io_pace_return(&p, count, i * US);
        }
    }
}

/* The depth falls from fifty to one while the limit is in force. */
Test(base_io_pace, a_lone_read_starts_at_once)
{
    struct io_pace p = { 0 };
    uint64_t now_ns = 0;

    lockstep(&p, 50, &now_ns);
    while (p.under_way > 0) {
        io_pace_return(&p, p.under_way, now_ns += 100 * US);
        start_all(&p, now_ns);
    }
    cr_assert_eq(p.held, 0);
    for (int i = 0; i < 1000; i++) {
        io_pace_want(&p);
        cr_assert_eq(io_pace_room(&p), 1);
        io_pace_start(&p, now_ns);
        io_pace_return(&p, 1, now_ns += 60 * US);
    }
}

Test(base_io_pace, a_straggler_does_not_hide_a_bunch)
{
    struct io_pace p = { 0 };
    uint64_t now_ns = 0;

    want(&p, 50, now_ns);
    for (int i = 0; i < 100 && !p.is_limited; i++) {
        io_pace_return(&p, 1, now_ns += 10 * US);
        io_pace_return(&p, 49, now_ns += 500 * US);
        want(&p, 50, now_ns);
    }
    cr_assert(p.is_limited);
}

/* Reads come back one by one under a limit: it goes, and those that it held start. */
Test(base_io_pace, a_limit_goes_with_the_lockstep)
{
    struct io_pace p = { 0 };
    uint64_t now_ns = 0;
    int returns = 0;

    lockstep(&p, 200, &now_ns);
    for (; p.is_limited && returns < MANY; returns++) {
        io_pace_return(&p, 1, now_ns += US);
        want(&p, 1, now_ns);
    }
    cr_assert_not(p.is_limited);
    cr_assert_leq(returns, 2 * 8 * 200, "%d", returns);
    start_all(&p, now_ns);
    cr_assert_eq(p.held, 0);
    for (int i = 0; i < MANY; i++) {
        io_pace_return(&p, 1, now_ns += US);
        want(&p, 1, now_ns);
        cr_assert_eq(p.held, 0);
    }
}

/* Half of the reads come back in the time of all: it was no lockstep. Tries get rare. */
Test(base_io_pace, a_limit_that_costs_is_dropped_and_seldom_tried_again)
{
    struct io_pace p = { 0 };
    uint64_t now_ns = 0;
    uint64_t limited[2] = { 0, 0 };

    want(&p, 50, now_ns);
    for (int i = 0; i < 100000; i++) {
        limited[i >= 50000] += p.is_limited;
        io_pace_return(&p, p.under_way, now_ns += 1000 * US);
        start_all(&p, now_ns);
        want(&p, 50 - p.under_way - p.held, now_ns);
    }
    cr_assert_gt(limited[0], 0);
    cr_assert_leq(limited[0], 500, "%llu bunches", (unsigned long long)limited[0]);
    cr_assert_leq(limited[1], 250, "%llu bunches", (unsigned long long)limited[1]);
}

/* ---- Pauses ---------------------------------------------------------------------------------- */

/* COUNT reads in lockstep, whose bunches take so much of a read, without and with a limit; it takes
 * PAUSE_NS longer until some bunch is asked for. */
struct paused_lockstep {
    uint32_t count;
    uint64_t free_ns;
    uint64_t limited_ns;
    int pause_free;    /* Before which bunch that comes without a limit, from 1 on; 0: none. */
    int pause_limited; /* The same of those with one. */
    uint64_t pause_ns;
};

/* How often a limit was given up within so many bunches. */
static int count_losses(const struct paused_lockstep *l, int bunches)
{
    struct io_pace p = { 0 };
    uint64_t now_ns = 1000ull * MS; /* No clock begins with the pace. */
    int seen[2] = { 0, 0 };
    int losses = 0;

    for (int i = 0; i < bunches; i++) {
        bool was_limited = p.is_limited;
        if (++seen[was_limited] == (was_limited ? l->pause_limited : l->pause_free)) {
            while (p.held + p.under_way > 0) {
                io_pace_return(&p, p.under_way, now_ns);
                start_all(&p, now_ns);
            }
            now_ns += l->pause_ns;
        }
        want(&p, l->count - p.under_way - p.held, now_ns);
        now_ns += p.under_way * (was_limited ? l->limited_ns : l->free_ns);
        io_pace_return(&p, p.under_way, now_ns);
        start_all(&p, now_ns);
        losses += was_limited && !p.is_limited;
    }
    return losses;
}

/* A limit that gains stays, wherever a pause is; one that loses goes at once, though the window
 * before it had a pause; and a pause is no loss. */
Test(base_io_pace, a_pause_is_not_judged)
{
    enum { BUNCHES = 80, COUNT = 50 };
    struct paused_lockstep l = { .count = COUNT, .free_ns = 2 * US, .limited_ns = US };
    const uint64_t pauses_ns[] = { 3 * MS, 100 * MS, 3600000ull * MS };

    cr_assert_eq(count_losses(&l, BUNCHES), 0);
    for (size_t i = 0; i < 3; i++) {
        l = (struct paused_lockstep) { .count = COUNT, .pause_ns = pauses_ns[i] };
        l.free_ns = 2 * US;
        l.limited_ns = US;
        for (l.pause_limited = 1; l.pause_limited < 20; l.pause_limited++)
            cr_assert_eq(count_losses(&l, BUNCHES), 0, "%d", l.pause_limited);
        l.pause_limited = 0;
        l.free_ns = US;
        l.limited_ns = 2 * US;
        for (l.pause_free = 1; l.pause_free < 10; l.pause_free++)
            cr_assert_geq(count_losses(&l, BUNCHES), 1, "%d", l.pause_free);
    }
}

/* If nothing but bunches and long gaps comes, lockstep is seen as ever, and tried. */
Test(base_io_pace, gaps_that_are_always_long_count)
{
    for (uint64_t gap_ns = US; gap_ns < 3600000ull * MS; gap_ns *= 10) {
        struct io_pace p = { 0 };
        uint64_t now_ns = 0;
        int bunches = 0;

        for (; !p.is_limited; bunches++) {
            cr_assert_lt(bunches, 100, "%llu", (unsigned long long)gap_ns);
            want(&p, 50, now_ns += gap_ns);
            io_pace_return(&p, 50, now_ns += 500 * US);
        }
    }
}

/* ---- Fairness -------------------------------------------------------------------------------- */

/*
 * Whatever comes, in bunches of any size, at times that even run backwards: something may always
 * start when nothing is under way, a limit is never below what the header says, and a read that is
 * held starts when all that were before it have come back, at the latest.
 */
Test(base_io_pace, no_read_starves_whatever_comes_back)
{
    struct rand rand;
    uint64_t
        due[4096]; /* Of each held read, a circle: when so many have come back, it has started. */
    uint64_t wanted = 0;
    uint64_t started = 0;
    uint64_t back = 0;
    uint64_t limited = 0;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct io_pace p = { .is_limited = seed % 2 == 0 };
        rand_seed(&rand, seed);
        wanted = started = back = 0;
        for (int i = 0; i < 20000; i++) {
            for (uint64_t n = rand_below(&rand, 40); n > 0 && p.held + p.under_way < 1000; n--) {
                due[wanted++ % 4096] = back + p.held + p.under_way;
                io_pace_want(&p);
            }
            cr_assert(p.held == 0 || p.under_way >= IO_PACE_LIMIT_MIN || io_pace_room(&p) > 0);
            for (; io_pace_room(&p) > 0; started++)
                io_pace_start(&p, rand_u64(&rand));
            cr_assert(p.held == 0 || p.under_way >= IO_PACE_LIMIT_MIN);
            cr_assert(started == wanted || back < due[started % 4096], "seed %u", (unsigned)seed);
            limited += p.is_limited;
            if (p.under_way == 0)
                continue;
            uint32_t n = rand_below(&rand, 3) == 0 ? (uint32_t)rand_below(&rand, p.under_way) + 1
                                                   : p.under_way;
            io_pace_return(&p, n, rand_u64(&rand));
            back += n;
        }
        while (p.held + p.under_way > 0) {
            start_all(&p, 0);
            io_pace_return(&p, 1, 0);
            back++;
        }
        cr_assert_eq(back, wanted);
    }
    cr_assert_gt(limited, 0);
}

/* ---- Disks ----------------------------------------------------------------------------------- */

/* As measured here: a batch of n takes 45 + 12.5 n us, the thread 15 us for each. */
static const struct paced_world LOCKSTEP = { .disk = PACED_LOCKSTEP,
                                             .latency_ns = 45 * US,
                                             .read_ns = 12500,
                                             .ask_ns = 5 * US,
                                             .start_ns = 1300,
                                             .answer_ns = 9 * US,
                                             .wake_ns = 5 * US,
                                             .client_ns = 40 * US };

/* Answers a second, once it has settled. */
static double rate_of(const struct paced_world *how, bool ignores_pace, struct paced_world *out)
{
    *out = *how;
    out->ignores_pace = ignores_pace;
    paced_world_init(out, 7);
    paced_world_run(out, 500ull * MS);
    return paced_world_rate(out, 500ull * MS);
}

static double gain_of(const struct paced_world *how)
{
    static struct paced_world w;
    double bare = rate_of(how, true, &w);

    return rate_of(how, false, &w) / bare;
}

Test(base_io_pace, a_disk_in_lockstep_works_while_the_thread_does)
{
    struct paced_world how = LOCKSTEP;

    for (how.clients = 40; how.clients <= 320; how.clients *= 2) {
        double gain = gain_of(&how);
        cr_assert_gt(gain, 1.4, "%u clients: %.2f", how.clients, gain);
    }
    /* With a thread that has nothing to do, smaller batches are all that comes of it. */
    how.ask_ns = how.answer_ns = US;
    how.clients = 50;
    double gain = gain_of(&how);
    cr_assert_gt(gain, 0.9, "%.2f", gain);
}

/* From local to far away, with a few clients or many, with little work or much. */
Test(base_io_pace, a_parallel_disk_is_never_limited)
{
    static struct paced_world w;
    const uint64_t latencies_us[] = { 60, 150, 400, 1000, 5000 };

    for (size_t i = 0; i < 5; i++) {
        for (uint32_t clients = 20; clients <= 320; clients *= 4) {
            for (uint64_t work_us = 1; work_us <= 8; work_us *= 8) {
                w = LOCKSTEP;
                w.disk = PACED_PARALLEL;
                w.clients = clients;
                w.latency_ns = latencies_us[i] * US / 2;
                w.jitter_ns = latencies_us[i] * US;
                w.read_ns = 15625; /* 64,000 a second. */
                w.ask_ns = w.answer_ns = work_us * US;
                paced_world_init(&w, i);
                paced_world_run(&w, 300ull * MS);
                cr_assert_eq(w.reads_held, 0, "%llu us, %u clients, %llu us of work",
                             (unsigned long long)latencies_us[i], clients,
                             (unsigned long long)work_us);
            }
        }
    }
}

/* The same latency for all, and answers that are told of every so often: bunches without lockstep.
 * However far the disk, a limit costs little and mostly gains. */
Test(base_io_pace, a_disk_that_only_looks_like_lockstep_loses_little)
{
    const uint64_t latencies_us[] = { 50, 100, 300, 1000, 5000 };
    const uint64_t periods_us[] = { 0, 50, 100, 300 };

    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < 4; j++) {
            for (uint32_t clients = 50; clients <= 200; clients *= 4) {
                struct paced_world how = LOCKSTEP;
                how.disk = PACED_PARALLEL;
                how.clients = clients;
                how.latency_ns = latencies_us[i] * US;
                how.period_ns = periods_us[j] * US;
                how.read_ns = 0;
                how.ask_ns = US;
                how.answer_ns = 2 * US;
                double gain = gain_of(&how);
                cr_assert_gt(gain, 0.85, "%llu us every %llu us, %u clients: %.2f",
                             (unsigned long long)latencies_us[i], (unsigned long long)periods_us[j],
                             clients, gain);
            }
        }
    }
}

/* Faster than the thread's turns it looks like lockstep, too: the thread is what all wait for. */
Test(base_io_pace, a_fast_disk_loses_nothing)
{
    struct paced_world how = LOCKSTEP;

    how.disk = PACED_PARALLEL;
    how.read_ns = 0;
    for (how.clients = 20; how.clients <= 320; how.clients *= 4) {
        for (how.latency_ns = 10 * US; how.latency_ns <= 40 * US; how.latency_ns *= 2) {
            double gain = gain_of(&how);
            cr_assert_gt(gain, 0.99, "%u clients: %.3f", how.clients, gain);
        }
    }
}

/* The store moves, the machine is resized: the pace goes with the disk, there and back. */
Test(base_io_pace, the_pace_follows_the_disk)
{
    static struct paced_world w;

    w = LOCKSTEP;
    w.clients = 50;
    w.answer_ns = 3 * US; /* With more, the two halves alternate by themselves. */
    paced_world_init(&w, 3);
    for (int i = 0; i < 3; i++) {
        w.disk = PACED_LOCKSTEP;
        w.latency_ns = 45 * US;
        w.read_ns = 12500;
        uint64_t held = w.reads_held;
        paced_world_run(&w, 300ull * MS);
        cr_assert_gt(w.reads_held, held);
        w.disk = PACED_PARALLEL;
        w.latency_ns = w.jitter_ns = MS;
        w.read_ns = 1 * US;
        paced_world_run(&w, 300ull * MS);
        held = w.reads_held;
        paced_world_run(&w, 300ull * MS);
        cr_assert_eq(w.reads_held, held);
    }
}
