/*
 * The simulated machine: time, order, monitors, traces.
 */
#include "tests/base/support/sim_box.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/rand.h"
#include "tests/support/must.h"

/* ---- Time and order -------------------------------------------------------------------------- */

Test(base_io_sim_time, time_passes_only_while_somebody_waits)
{
    struct sim_box b = sim_box_open(&(struct io_sim_options) {
        .wall_ms = 5000, .latency_min_ns = 2000000, .latency_max_ns = 2000000 });
    struct clock *clock = io_sim_clock(b.sim);
    uint64_t start_ns = clock_ns(clock);

    struct io_file *f = sim_box_file(&b, "f", IO_WRITE | IO_CREATE);
    cr_assert_eq(clock_ns(clock), start_ns);
    MUST(io_write(b.ring, f, "abc", 3, 0));
    cr_assert_eq(clock_ns(clock), start_ns + 2000000);
    cr_assert_eq(clock_wall_ms(clock), 5002);
    io_ring_wait(b.ring, start_ns + 10000000);
    cr_assert_eq(clock_ns(clock), start_ns + 10000000);
    io_ring_wait(b.ring, UINT64_MAX); /* Nothing will ever happen: returns. */
    cr_assert_eq(clock_ns(clock), start_ns + 10000000);
    io_sim_advance(b.sim, 1000000);
    io_sim_set_wall_ms(b.sim, 7);
    cr_assert_eq(clock_wall_ms(clock), 7);
    cr_assert_eq(clock_ns(clock), start_ns + 11000000);
    io_close(f);
    sim_box_close(&b);
}

/* A driver that looks again and again without waiting sees what it started arrive. */
Test(base_io_sim_time, polling_gets_there)
{
    struct sim_box b =
        sim_box_open(&(struct io_sim_options) { .latency_min_ns = 50000, .latency_max_ns = 50000 });
    struct io_file *f = sim_box_file(&b, "f", IO_WRITE | IO_CREATE);
    struct io_op w = { .opcode = IO_OP_WRITE, .file = f, .data = "abc", .size = 3 };
    int looks = 0;

    io_submit(b.ring, &w);
    for (; w.is_pending && looks < 10000; looks++) {
        io_ring_wait(b.ring, 0);
        (void)io_ring_done(b.ring);
    }
    cr_assert_not(w.is_pending);
    cr_assert_gt(looks, 1);
    io_close(f);
    sim_box_close(&b);
}

/* The order in which ten writes complete. */
static uint64_t order_of(uint64_t seed)
{
    struct sim_box b = sim_box_open(&(struct io_sim_options) { .seed = seed });
    struct io_file *f = sim_box_file(&b, "f", IO_WRITE | IO_CREATE);
    struct io_op ops[10];
    uint64_t order = 0;
    size_t met = 0;

    for (uint32_t i = 0; i < 10; i++) {
        ops[i] = (struct io_op) {
            .opcode = IO_OP_WRITE, .file = f, .data = "x", .size = 1, .offset = i, .tag = i
        };
        io_submit(b.ring, &ops[i]);
    }
    while (met < 10) {
        io_ring_wait(b.ring, UINT64_MAX);
        for (struct io_op *op = io_ring_done(b.ring); op != NULL; op = io_ring_done(b.ring)) {
            order = order * 10 + op->tag;
            met++;
        }
    }
    io_close(f);
    sim_box_close(&b);
    return order;
}

Test(base_io_sim_time, one_seed_one_order)
{
    cr_assert_eq(order_of(0), 123456789);
    cr_assert_eq(order_of(5), order_of(5));
    cr_assert_neq(order_of(5), order_of(6));
    cr_assert_neq(order_of(5), 123456789);
}

/* ---- Traces ------------------------------------------------------------------------------- */

static void note_event(void *context, const struct io_sim_event *e)
{
    char *text = context;
    size_t at = strlen(text);
    char line[128];

    io_sim_event_format(e, line, sizeof line);
    snprintf(text + at, 2048 - at, "%s; ", line);
}

Test(base_io_sim_trace, a_monitor_sees_every_change_in_order)
{
    struct sim_box b = sim_box_open(NULL);
    char text[2048] = "";

    io_sim_set_monitor(b.sim, note_event, text);
    sim_box_write_durably(&b, "f", "abc");
    io_sim_mark(b.sim, "ack", 12);
    MUST(io_rename(b.io, "f", "g"));
    io_sim_set_monitor(b.sim, NULL, NULL);
    MUST(io_unlink(b.io, "g"));
    cr_assert_str_eq(text, "create f, file 2; write 2 to file 2 at 0, 3 bytes; "
                           "write 2 to file 2 is done; file 2 is synced; sync directory .; "
                           "ack 12; rename f to g; ");
    sim_box_close(&b);
}

/* Do something random to one of a few files. */
static void do_something(struct sim_box *b, struct rand *r)
{
    static const char *const names[] = { "a", "b", "c", "d/a", "d/b" };
    const char *name = names[rand_below(r, 5)];
    const char *other = names[rand_below(r, 5)];
    unsigned flags = IO_READ | IO_WRITE | (rand_below(r, 2) == 0 ? IO_CREATE : 0) |
                     (rand_below(r, 4) == 0 ? IO_DSYNC : 0) |
                     (rand_below(r, 8) == 0 ? IO_TRUNCATE : 0);
    char data[3000];
    struct io_file *f = NULL;

    switch (rand_below(r, 8)) {
    case 0:
        status_ignore(io_rename(b->io, name, other), "may be missing");
        break;
    case 1:
        status_ignore(io_unlink(b->io, name), "may be missing");
        break;
    case 2:
        status_ignore(io_link(b->io, name, other), "may be missing");
        break;
    case 3:
        status_ignore(io_sync_dir(b->io, rand_below(r, 2) == 0 ? "." : "d"), "may fail");
        break;
    default:
        if (failed(io_open(b->io, name, flags, &f)))
            return;
        memset(data, (int)rand_below(r, 256), sizeof data);
        for (uint64_t i = rand_below(r, 4); i > 0; i--)
            status_ignore(
                io_write(b->ring, f, data, 1 + rand_below(r, sizeof data), rand_below(r, 4000)),
                "may fail");
        if (rand_below(r, 3) == 0)
            status_ignore(io_truncate(f, rand_below(r, 5000)), "may fail");
        if (rand_below(r, 3) == 0)
            status_ignore(io_sync(b->ring, f), "may fail");
        io_close(f);
    }
}

static uint64_t hash_of(struct io_sim_image *image)
{
    uint64_t hash = io_sim_image_hash(image);

    io_sim_image_destroy(image);
    return hash;
}

/*
 * A trace lived through again leaves the same disk, with the same things pending: whatever is
 * kept, the two give the same state. Random work with random failures, 200 seeds.
 */
Test(base_io_sim_trace, a_trace_can_be_lived_through_again)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct sim_box b = sim_box_open(&(struct io_sim_options) { .seed = seed });
        struct rand r;
        rand_seed(&r, seed);
        MUST(io_mkdir(b.io, "d"));
        for (int i = 0; i < 20; i++)
            do_something(&b, &r);
        io_sim_trace_start(b.sim);
        for (int i = 0; i < 60; i++) {
            if (i % 10 == 0)
                io_sim_set_fault(b.sim, &(struct io_sim_fault) { .classes = IO_SIM_ALL,
                                                                 .at = 1 + rand_below(&r, 20) });
            do_something(&b, &r);
        }
        struct io_sim_trace *trace = io_sim_trace_stop(b.sim);
        struct io_sim_replay *replay = io_sim_replay_create(trace);
        while (io_sim_replay_next(replay))
            ;
        cr_assert_eq(io_sim_replay_units(replay).count, io_sim_pending(b.sim));
        for (int i = 0; i < 20; i++) {
            struct io_sim_choice choice = { .keep = IO_SIM_KEEP_RANDOM, .seed = rand_u64(&r) };
            choice.grows = i % 2 == 0;
            choice.has_garbage = i % 3 == 0;
            cr_assert_eq(hash_of(io_sim_crash_image(b.sim, &choice)),
                         hash_of(io_sim_replay_crash(replay, &choice)), "seed %d", (int)seed);
        }
        io_sim_replay_destroy(replay);
        io_sim_trace_destroy(trace);
        sim_box_close(&b);
    }
}

/*
 * With everything kept, a power cut changes nothing that reads could see; with everything synced,
 * neither does one that keeps nothing.
 */
Test(base_io_sim_trace, keeping_all_is_what_reads_saw)
{
    static const char *const names[] = { "a", "b", "c", "d/a", "d/b" };

    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct sim_box b = sim_box_open(&(struct io_sim_options) { .seed = seed });
        struct rand r;
        rand_seed(&r, seed);
        MUST(io_mkdir(b.io, "d"));
        for (int i = 0; i < 60; i++)
            do_something(&b, &r);
        struct sim_box all = sim_box_cut(&b, IO_SIM_KEEP_ALL);
        for (size_t i = 0; i < 5; i++) {
            cr_assert_str_eq(sim_box_text(&all, names[i]), sim_box_text(&b, names[i]));
            if (sim_box_has(&b, names[i]))
                cr_assert_eq(sim_box_size(&all, names[i]), sim_box_size(&b, names[i]));
            if (sim_box_has(&b, names[i]))
                sim_box_sync(&b, names[i]);
        }
        MUST(io_sync_dir(b.io, "."));
        MUST(io_sync_dir(b.io, "d"));
        struct sim_box none = sim_box_cut(&b, IO_SIM_KEEP_NONE);
        for (size_t i = 0; i < 5; i++)
            cr_assert_str_eq(sim_box_text(&none, names[i]), sim_box_text(&b, names[i]), "seed %d",
                             (int)seed);
        sim_box_close(&none);
        sim_box_close(&all);
        sim_box_close(&b);
    }
}

Test(base_io_sim_trace, equal_disks_have_equal_hashes)
{
    struct io_sim_choice all = { .keep = IO_SIM_KEEP_ALL };
    struct sim_box a = sim_box_open(NULL);
    struct sim_box b = sim_box_open(NULL);

    sim_box_write(&a, "x", "1");
    sim_box_write(&a, "y", "2");
    sim_box_write(&b, "y", "other");
    sim_box_write(&b, "x", "1");
    cr_assert_neq(hash_of(io_sim_crash_image(a.sim, &all)),
                  hash_of(io_sim_crash_image(b.sim, &all)));
    struct io_file *f = sim_box_file(&b, "y", IO_WRITE | IO_TRUNCATE);
    MUST(io_write(b.ring, f, "2", 1, 0));
    io_close(f);
    cr_assert_eq(hash_of(io_sim_crash_image(a.sim, &all)),
                 hash_of(io_sim_crash_image(b.sim, &all)));
    MUST(io_rename(b.io, "y", "z"));
    cr_assert_neq(hash_of(io_sim_crash_image(a.sim, &all)),
                  hash_of(io_sim_crash_image(b.sim, &all)));
    sim_box_close(&a);
    sim_box_close(&b);
}
