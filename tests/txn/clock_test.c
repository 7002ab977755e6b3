/* The clock's versions and the mark they stay below. */
#include "tests/support/must.h"
#include "tests/support/sim_store.h"

#include "base/clock.h"

#include <criterion/criterion.h>

enum { HOUR_MS = 3600 * 1000 };

struct fixture {
    struct io_sim *sim;
    struct sim_store store;
};

static void open_store(struct fixture *f)
{
    MUST(sim_store_open(&f->store, f->sim, &(struct sim_store_options) { .dir = "/store" }));
}

static void open_fixture(struct fixture *f)
{
    f->sim = io_sim_create(NULL, NULL);
    open_store(f);
}

static void close_fixture(struct fixture *f)
{
    sim_store_close(&f->store);
    io_sim_destroy(f->sim);
}

static struct txn_clock *clock_of(struct fixture *f)
{
    return &f->store.pipeline.clock;
}

static uint64_t now(struct fixture *f)
{
    uint64_t version;
    MUST(txn_clock_now(clock_of(f), &version));
    return version;
}

static uint64_t wall_ms(struct fixture *f)
{
    return clock_wall_ms(io_sim_clock(f->sim));
}

static uint64_t writes(struct fixture *f)
{
    return io_sim_calls(f->sim, IO_SIM_WRITE | IO_SIM_SYNC);
}

Test(txn_clock, versions_rise_and_follow_the_wall)
{
    struct fixture f;
    uint64_t last = 0;

    open_fixture(&f);
    for (int i = 0; i < 1000; i++) {
        uint64_t version = now(&f);
        cr_assert_gt(version, last);
        cr_assert_eq(txn_clock_read(clock_of(&f)), version);
        cr_assert_eq(txn_physical_ms(version), wall_ms(&f));
        last = version;
        if (i % 3 == 0)
            io_sim_advance(f.sim, 1000 * 1000);
    }
    io_sim_set_wall_ms(f.sim, wall_ms(&f) - HOUR_MS);
    cr_assert_eq(now(&f), last + 1);
    close_fixture(&f);
}

/* Ten minutes of a version each 100 ms: the mark moves when it is asked to, and never in between.
 */
Test(txn_clock, giving_out_versions_does_no_io_and_the_mark_keeps_ahead)
{
    struct fixture f;
    uint64_t raised = 0;

    open_fixture(&f);
    for (int i = 0; i < 6000; i++) {
        uint64_t before = writes(&f);
        uint64_t version = now(&f);
        cr_assert_eq(writes(&f), before);
        cr_assert_lt(version, lsm_clock_mark(f.store.lsm));
        cr_assert_eq(txn_physical_ms(version), wall_ms(&f));
        MUST(txn_clock_keep_ahead(clock_of(&f), f.store.ring));
        raised += writes(&f) > before;
        io_sim_advance(f.sim, 100 * 1000 * 1000);
    }
    cr_assert(raised >= 30 && raised <= 70, "%llu", (unsigned long long)raised);
    close_fixture(&f);
}

/* Nobody raised the mark for an hour: versions go on below it, and catch up once it is raised. */
Test(txn_clock, a_wall_that_left_the_mark_behind_is_caught_up_with)
{
    struct fixture f;

    open_fixture(&f);
    uint64_t first = now(&f);
    io_sim_advance(f.sim, (uint64_t)HOUR_MS * 1000 * 1000);
    cr_assert_eq(now(&f), first + 1);
    cr_assert_eq(now(&f), first + 2);
    MUST(txn_clock_keep_ahead(clock_of(&f), f.store.ring));
    cr_assert_eq(txn_physical_ms(now(&f)), wall_ms(&f));
    close_fixture(&f);
}

Test(txn_clock, a_mark_that_is_used_up_stops_versions_until_it_is_raised)
{
    struct fixture f;
    uint64_t version;

    open_fixture(&f);
    uint64_t last = now(&f);
    atomic_store(&clock_of(&f)->mark, last + 2);
    cr_assert_eq(now(&f), last + 1);
    cr_assert_eq(txn_clock_now(clock_of(&f), &version).code, ST_AGAIN);
    cr_assert_eq(txn_clock_read(clock_of(&f)), last + 1);
    MUST(lsm_batch_delete(sim_store_batch(&f.store), 0, bytes_str("k")));
    cr_assert_eq(txn_propose(&f.store.pipeline, &f.store.proposal).code, ST_AGAIN);
    cr_assert_eq(f.store.proposal.state, TXN_BUILDING);

    MUST(txn_clock_keep_ahead(clock_of(&f), f.store.ring));
    MUST(sim_store_commit(&f.store));
    cr_assert_gt(f.store.proposal.version, last + 1);
    close_fixture(&f);
}

/* Whatever the wall says after the next start. */
Test(txn_clock, a_new_start_begins_above_all_that_was_given_out)
{
    struct fixture f;

    open_fixture(&f);
    uint64_t last = now(&f);
    for (int i = 0; i < 4; i++) {
        sim_store_close(&f.store);
        io_sim_set_wall_ms(f.sim, wall_ms(&f) - (uint64_t)(i % 2) * HOUR_MS);
        open_store(&f);
        uint64_t version = now(&f);
        cr_assert_gt(version, last);
        last = version;
    }
    close_fixture(&f);
}
