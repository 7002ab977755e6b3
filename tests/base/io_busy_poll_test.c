/*
 * Whether a ring looks before its thread sleeps, in a time of its own.
 */
#include <criterion/criterion.h>

#include "base/io_busy_poll.h"

enum { US = 1000, SHORT_NS = 20 * US, LOOK_NS = US, LONG_NS = 1000 * US, MANY = 64 };
/* Of a device: longer than one may wait for clients. */
enum { WRITE_NS = IO_BUSY_POLL_CLIENT_NS + SHORT_NS };

struct world {
    struct io_busy_poll poll;
    uint64_t now_ns;
    uint64_t looked_ns; /* Of the last wait. */
};

/* A thread that has nothing to do for wait_ns, and looks each look_ns if it may. */
static void wait_for(struct world *w, enum io_busy_poll_wait wait, uint64_t wait_ns,
                     uint64_t look_ns)
{
    uint64_t news_ns = w->now_ns + wait_ns;
    uint64_t begin_ns = w->now_ns;
    bool looks = io_busy_poll_begin(&w->poll, wait, w->now_ns);

    while (looks && w->now_ns < news_ns) {
        w->now_ns += look_ns;
        looks = io_busy_poll_go_on(&w->poll, w->now_ns);
    }
    w->looked_ns = w->now_ns - begin_ns;
    if (w->now_ns < news_ns)
        w->now_ns = news_ns;
    io_busy_poll_end(&w->poll, w->now_ns);
    w->now_ns += US;
}

static void live_through(struct world *w, uint64_t wait_ns, uint64_t look_ns)
{
    wait_for(w, IO_BUSY_POLL_CLIENT, wait_ns, look_ns);
}

/* How many short waits it sleeps through before it looks. */
static int rest_of(struct world *w)
{
    int slept = 0;

    for (live_through(w, SHORT_NS, LOOK_NS); w->looked_ns == 0; slept++) {
        cr_assert_lt(slept, 10000);
        live_through(w, SHORT_NS, LOOK_NS);
    }
    return slept;
}

static struct world busy_world(void)
{
    struct world w = { .now_ns = 1 };

    io_busy_poll_init(&w.poll);
    for (int i = 0; i < MANY; i++)
        live_through(&w, SHORT_NS, LOOK_NS);
    cr_assert_eq(w.looked_ns, SHORT_NS);
    return w;
}

Test(base_io_busy_poll, a_new_one_sleeps)
{
    struct world w = { .now_ns = 1 };

    io_busy_poll_init(&w.poll);
    live_through(&w, SHORT_NS, LOOK_NS);
    cr_assert_eq(w.looked_ns, 0);
}

Test(base_io_busy_poll, short_waits_are_looked_through)
{
    (void)busy_world();
}

Test(base_io_busy_poll, an_idle_thread_sleeps)
{
    struct world w = { .now_ns = 1 };

    io_busy_poll_init(&w.poll);
    for (int i = 0; i < MANY; i++) {
        live_through(&w, LONG_NS, LOOK_NS);
        cr_assert_eq(w.looked_ns, 0);
    }
}

Test(base_io_busy_poll, waits_that_are_a_little_too_long_are_slept_through)
{
    struct world w = busy_world();

    for (int i = 0; i < MANY; i++)
        live_through(&w, IO_BUSY_POLL_CLIENT_NS + SHORT_NS, LOOK_NS);
    cr_assert_eq(w.looked_ns, 0);
}

Test(base_io_busy_poll, looking_has_an_end)
{
    struct world w = busy_world();

    live_through(&w, LONG_NS, LOOK_NS);
    cr_assert_eq(w.looked_ns, 2 * IO_BUSY_POLL_CLIENT_NS);
}

/* One client that says the next command at once: a write, and a wait for the client, in turn. */
Test(base_io_busy_poll, a_write_between_short_waits_is_looked_through)
{
    struct world w = busy_world();

    for (int i = 0; i < MANY; i++) {
        wait_for(&w, IO_BUSY_POLL_DEVICE, WRITE_NS, LOOK_NS);
        if (i > MANY / 2)
            cr_assert_eq(w.looked_ns, WRITE_NS);
        live_through(&w, SHORT_NS, LOOK_NS);
        cr_assert_eq(w.looked_ns, SHORT_NS);
    }
    wait_for(&w, IO_BUSY_POLL_DEVICE, LONG_NS, LOOK_NS);
    cr_assert_eq(w.looked_ns, 2 * IO_BUSY_POLL_DEVICE_NS);
}

Test(base_io_busy_poll, writes_of_a_client_that_thinks_are_slept_through)
{
    struct world w = busy_world();

    for (int i = 0; i < MANY; i++) {
        wait_for(&w, IO_BUSY_POLL_DEVICE, WRITE_NS, LOOK_NS);
        if (i > MANY / 2)
            cr_assert_eq(w.looked_ns, 0);
        live_through(&w, IO_BUSY_POLL_CLIENT_NS + SHORT_NS, LOOK_NS);
    }
}

/* Many clients: a write is always under way, and yet news are frequent. */
Test(base_io_busy_poll, short_waits_with_a_write_under_way_are_looked_through)
{
    struct world w = { .now_ns = 1 };

    io_busy_poll_init(&w.poll);
    for (int i = 0; i < MANY; i++)
        wait_for(&w, IO_BUSY_POLL_DEVICE, SHORT_NS, LOOK_NS);
    cr_assert_eq(w.looked_ns, SHORT_NS);
}

Test(base_io_busy_poll, a_slow_disk_is_slept_through_and_clients_are_not)
{
    struct world w = busy_world();

    for (int i = 0; i < MANY; i++) {
        wait_for(&w, IO_BUSY_POLL_DEVICE, LONG_NS, LOOK_NS);
        cr_assert_eq(w.looked_ns, 0);
        live_through(&w, SHORT_NS, LOOK_NS);
        cr_assert_eq(w.looked_ns, SHORT_NS);
    }
}

Test(base_io_busy_poll, one_long_wait_ends_it_until_waits_are_short_again)
{
    struct world w = busy_world();

    live_through(&w, LONG_NS, LOOK_NS);
    cr_assert(rest_of(&w) >= 8);
}

/* Short waits between make it forget; where they were not worth a look, it rests ever longer. */
Test(base_io_busy_poll, looks_for_nothing_become_rare)
{
    struct world w = busy_world();
    int count = 0;

    for (int i = 0; i < 10000; i++) {
        live_through(&w, SHORT_NS, LOOK_NS);
        bool was_worth = w.looked_ns > 0;
        live_through(&w, was_worth ? LONG_NS : SHORT_NS, LOOK_NS);
        count += was_worth;
    }
    cr_assert(count > 2 && count < 20, "%d", count);
    count = 0;
    for (int i = 0; i < 3 * 4096; i++) {
        live_through(&w, SHORT_NS, LOOK_NS);
        count += w.looked_ns > 0;
    }
    cr_assert(count > 4096, "%d", count);
}

/* Bad times are forgotten after some dozens of looks that were worth it. */
Test(base_io_busy_poll, a_look_for_nothing_now_and_then_does_not_end_it)
{
    struct world w = busy_world();
    int rest = 0;

    for (int i = 0; i < 8; i++) {
        live_through(&w, LONG_NS, LOOK_NS);
        rest = rest_of(&w);
    }
    cr_assert_gt(rest, 512);
    for (int i = 0; i < MANY; i++)
        live_through(&w, SHORT_NS, LOOK_NS);
    live_through(&w, LONG_NS, LOOK_NS);
    cr_assert_lt(rest_of(&w), 32);
}

Test(base_io_busy_poll, a_thread_that_must_share_its_processor_sleeps)
{
    struct world w = busy_world();

    live_through(&w, LONG_NS, IO_BUSY_POLL_SLOW_NS);
    cr_assert_eq(w.looked_ns, IO_BUSY_POLL_SLOW_NS);
    live_through(&w, SHORT_NS, LOOK_NS);
    cr_assert_eq(w.looked_ns, 0);
}

/* Of the time of waits that come to nothing, little is looked through, whatever comes between. */
Test(base_io_busy_poll, what_is_looked_through_for_nothing_is_bounded)
{
    struct world w = busy_world();
    uint64_t begin_ns = w.now_ns;
    uint64_t wasted_ns = 0;

    for (int i = 0; i < 1000; i++) {
        live_through(&w, i % 8 == 0 ? 10 * LONG_NS : SHORT_NS, LOOK_NS);
        if (i % 8 == 0)
            wasted_ns += w.looked_ns;
    }
    cr_assert(wasted_ns * 50 < w.now_ns - begin_ns, "%lu of %lu", (unsigned long)wasted_ns,
              (unsigned long)(w.now_ns - begin_ns));
}
