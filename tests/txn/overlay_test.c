/* What the overlay answers beside a plain map, while rows are written, applied, kept and evicted.
 */
#include "txn/overlay.h"

#include "base/budget.h"
#include "base/hash.h"
#include "base/rand.h"

#include "tests/support/must.h"

#include <criterion/criterion.h>

#include <stdio.h>

enum { KEYS = 3000, KEY_SIZE = 8 };

struct fixture {
    struct alloc_test alloc;
    struct budget budget;
    struct env env;
    struct txn_overlay overlay;
};

static void open_fixture(struct fixture *f, size_t clean_max_bytes)
{
    alloc_test_init(&f->alloc);
    budget_init(&f->budget, 0);
    f->env = (struct env) { .alloc = &f->alloc.alloc, .budget = &f->budget };
    txn_overlay_init(&f->overlay, &f->env, clean_max_bytes, 0);
}

static void close_fixture(struct fixture *f)
{
    txn_overlay_deinit(&f->overlay);
    cr_assert_eq(f->budget.total_bytes, 0);
    cr_assert_eq(f->alloc.live_bytes, 0);
}

static struct bytes key_of(unsigned i, char room[KEY_SIZE + 1])
{
    (void)snprintf(room, KEY_SIZE + 1, "k%07u", i % 10000000);
    return bytes_of(room, KEY_SIZE);
}

static void write_row(struct fixture *f, unsigned i, uint64_t value, uint64_t ticket)
{
    char room[KEY_SIZE + 1];
    struct bytes key = key_of(i, room);
    MUST(txn_overlay_write(&f->overlay, &(struct txn_write) { .key = key,
                                                              .hash = hash_bytes(key, 0),
                                                              .value = bytes_of(&value, 8),
                                                              .ticket = ticket }));
}

static const struct txn_row *find(struct fixture *f, unsigned i)
{
    char room[KEY_SIZE + 1];
    struct bytes key = key_of(i, room);
    return txn_overlay_find(&f->overlay, key, hash_bytes(key, 0));
}

static void remember(struct fixture *f, unsigned i, uint64_t value)
{
    char room[KEY_SIZE + 1];
    struct bytes key = key_of(i, room);
    const struct lsm_value v = { .value = bytes_of(&value, 8), .size = 8, .version = 1 };
    txn_overlay_remember(&f->overlay, key, hash_bytes(key, 0), &v);
}

static uint64_t value_of(const struct txn_row *r)
{
    return get_u64(txn_row_value(r).data);
}

/* Whatever is written, applied, read and evicted: a row that is there is the newest. */
Test(txn_overlay, a_row_that_is_found_is_the_newest)
{
    struct fixture f;
    uint64_t newest[KEYS] = { 0 };
    uint64_t applied = 0;
    struct rand rand;

    rand_seed(&rand, 5);
    open_fixture(&f, 100 << 10);
    for (uint64_t ticket = 1; ticket <= 300; ticket++) {
        for (int n = 0; n < 40; n++) {
            unsigned i = (unsigned)rand_below(&rand, KEYS);
            const struct txn_row *r = find(&f, i);
            cr_assert(r == NULL || value_of(r) == newest[i]);
            if (r == NULL)
                cr_assert_leq(newest[i], applied, "a pending row is missing");
            if (rand_below(&rand, 3) == 0 && r == NULL)
                remember(&f, i, newest[i]);
            else
                write_row(&f, i, newest[i] = ticket, ticket);
        }
        if (ticket % 3 == 0) {
            applied = ticket - 1;
            txn_overlay_retire(&f.overlay, applied, applied);
            txn_overlay_evict(&f.overlay);
            cr_assert_leq(f.budget.held_bytes[BUDGET_ROWS], 100u << 10);
            cr_assert_lt(f.overlay.clean_bytes, f.budget.held_bytes[BUDGET_ROWS]);
        }
    }
    cr_assert_gt(f.overlay.clean_bytes, 50 << 10);
    close_fixture(&f);
}

/* CLOCK: of rows that became clean before, those asked for stay. */
Test(txn_overlay, rows_that_are_asked_for_stay)
{
    struct fixture f;
    unsigned kept = 0;

    open_fixture(&f, 64 << 10);
    for (unsigned i = 0; i < 10 * KEYS; i++) {
        write_row(&f, i + 10, i, i + 1);
        txn_overlay_retire(&f.overlay, i + 1, i + 1);
        if (i >= 10)
            (void)find(&f, i % 10 + 10);
        txn_overlay_evict(&f.overlay);
    }
    for (unsigned i = 10; i < 20; i++)
        kept += find(&f, i) != NULL;
    cr_assert_eq(kept, 10);
    cr_assert_null(find(&f, 1000));
    close_fixture(&f);
}

/* Rows that are read join while there is room. After that, keys asked for once, however many, drive
 * nobody out; one asked for twice is kept. */
Test(txn_overlay, a_key_read_once_drives_out_no_other)
{
    struct fixture f;
    unsigned kept = 0;
    unsigned count = 0; /* Of keys read until there was no room. */

    open_fixture(&f, 256 << 10);
    for (uint32_t before = UINT32_MAX; f.overlay.row_count != before; count++) {
        before = f.overlay.row_count;
        remember(&f, count, count);
        txn_overlay_evict(&f.overlay);
    }
    unsigned rows = f.overlay.row_count;
    cr_assert_gt(f.budget.held_bytes[BUDGET_ROWS], 255u << 10, "there was room");
    for (unsigned i = count; i < 20 * count; i++) {
        remember(&f, i, i);
        txn_overlay_evict(&f.overlay);
    }
    for (unsigned i = 0; i < count; i++)
        kept += find(&f, i) != NULL;
    cr_assert_geq(kept, rows - 20 * count / 4000, "%u of %u", kept, rows);
    remember(&f, 7 * count, 1);
    cr_assert_null(find(&f, 7 * count));
    remember(&f, 7 * count, 1);
    txn_overlay_evict(&f.overlay);
    cr_assert_not_null(find(&f, 7 * count));
    close_fixture(&f);
}

/* What is written becomes a row, room or not: the last ones are there. */
Test(txn_overlay, a_write_asks_no_doorkeeper)
{
    struct fixture f;
    unsigned kept = 0;

    open_fixture(&f, 64 << 10);
    for (unsigned i = 0; i < KEYS; i++) {
        write_row(&f, i, i, i + 1);
        txn_overlay_retire(&f.overlay, i + 1, i + 1);
        txn_overlay_evict(&f.overlay);
    }
    cr_assert_lt(f.overlay.row_count, KEYS / 2);
    for (unsigned i = KEYS - 100; i < KEYS; i++)
        kept += find(&f, i) != NULL;
    cr_assert_eq(kept, 100);
    close_fixture(&f);
}

/* Rows, table and doorkeeper, however little of them there may be. */
Test(txn_overlay, all_that_is_held_is_charged)
{
    static const size_t MAX_BYTES[] = { 0, 1, 100, 4 << 10, 64 << 10, 1 << 20 };
    struct fixture f;

    for (unsigned n = 0; n < sizeof MAX_BYTES / sizeof MAX_BYTES[0]; n++) {
        open_fixture(&f, MAX_BYTES[n]);
        for (unsigned i = 0; i < 2 * KEYS; i++) {
            remember(&f, i % KEYS, i);
            write_row(&f, i / 2, i, i + 1);
            txn_overlay_retire(&f.overlay, i, i);
            txn_overlay_evict(&f.overlay);
            cr_assert_eq(f.budget.total_bytes, f.alloc.live_bytes, "%zu", MAX_BYTES[n]);
        }
        close_fixture(&f);
    }
}

/* Without memory for a row, the table or the doorkeeper what is read is not kept, and what is
 * written is refused; the next time there may be some. */
Test(txn_overlay, every_allocation_may_fail)
{
    const uint64_t value = 2;
    struct bytes key = bytes_str("k");
    const struct txn_write w = {
        .key = key, .hash = hash_bytes(key, 0), .value = bytes_of(&value, 8), .ticket = 1
    };
    struct fixture f;

    for (uint64_t fail_at = 1; fail_at <= 3; fail_at++) {
        open_fixture(&f, 64 << 10);
        f.alloc.fail_at = fail_at;
        remember(&f, 1, 1);
        cr_assert_null(find(&f, 1), "%llu", (unsigned long long)fail_at);
        remember(&f, 1, 1);
        cr_assert_not_null(find(&f, 1));
        close_fixture(&f);
        open_fixture(&f, 64 << 10);
        f.alloc.fail_at = fail_at;
        cr_assert_eq(txn_overlay_write(&f.overlay, &w).code, ST_NO_MEMORY);
        MUST(txn_overlay_write(&f.overlay, &w));
        cr_assert_not_null(txn_overlay_find(&f.overlay, key, w.hash));
        txn_overlay_evict(&f.overlay);
        cr_assert_eq(f.budget.total_bytes, f.alloc.live_bytes);
        close_fixture(&f);
    }
}

/* A range in which somebody may look again makes every clean row doubtful; a final one none. */
Test(txn_overlay, a_range_makes_clean_rows_doubtful)
{
    struct fixture f;

    open_fixture(&f, 1 << 20);
    write_row(&f, 1, 1, 1);
    txn_overlay_retire(&f.overlay, 1, 1);
    write_row(&f, 2, 2, 2);
    MUST(txn_overlay_write_range(&f.overlay, bytes_str("x"), bytes_str("y"), 2, true));
    cr_assert_not_null(find(&f, 1));
    MUST(txn_overlay_write_range(&f.overlay, bytes_str("k"), bytes_str("l"), 2, false));
    cr_assert_null(find(&f, 1));
    cr_assert_null(find(&f, 2));
    cr_assert_not_null(txn_overlay_range(&f.overlay, bytes_str("k1")));
    write_row(&f, 1, 3, 3);
    cr_assert_eq(value_of(find(&f, 1)), 3);
    txn_overlay_retire(&f.overlay, 3, 3);
    cr_assert_eq(find(&f, 1)->version, 3);
    cr_assert_null(txn_overlay_range(&f.overlay, bytes_str("k1")));
    close_fixture(&f);
}

Test(txn_overlay, a_ticket_that_repeats_itself_is_noticed)
{
    struct fixture f;

    open_fixture(&f, 1 << 20);
    write_row(&f, 1, 1, 1);
    write_row(&f, 1, 2, 2);
    write_row(&f, 2, 2, 2);
    cr_assert(!f.overlay.has_repeats);
    write_row(&f, 1, 3, 2);
    cr_assert(f.overlay.has_repeats);
    close_fixture(&f);
}

/* Large values are not kept once they are applied. */
Test(txn_overlay, large_values_leave_when_they_are_applied)
{
    static uint8_t large[4096];
    struct fixture f;
    struct bytes key = bytes_str("large");

    open_fixture(&f, 1 << 20);
    MUST(txn_overlay_write(&f.overlay, &(struct txn_write) { .key = key,
                                                             .hash = hash_bytes(key, 0),
                                                             .value = bytes_of(large, sizeof large),
                                                             .ticket = 1 }));
    cr_assert_not_null(txn_overlay_find(&f.overlay, key, hash_bytes(key, 0)));
    txn_overlay_retire(&f.overlay, 1, 1);
    txn_overlay_evict(&f.overlay);
    cr_assert_null(txn_overlay_find(&f.overlay, key, hash_bytes(key, 0)));
    cr_assert_eq(f.budget.held_bytes[BUDGET_PENDING], 0);
    close_fixture(&f);
}

/* A command that wrote many rows leaves nothing of them to the next, the table neither. */
Test(txn_overlay, many_rows_leave_with_their_table)
{
    struct fixture f;

    open_fixture(&f, 0);
    for (unsigned i = 0; i < 200000; i++)
        write_row(&f, i, i, 1);
    txn_overlay_clear(&f.overlay);
    cr_assert_leq(f.budget.total_bytes, 1 << 20);
    write_row(&f, 1, 1, 1);
    cr_assert_eq(value_of(find(&f, 1)), 1);
    close_fixture(&f);
}

/* Nor the room that a large value has left to a small one. */
Test(txn_overlay, a_small_value_in_a_large_row_leaves_too)
{
    static uint8_t large[1 << 20];
    struct fixture f;
    struct bytes key = bytes_str("key");
    struct txn_write w = {
        .key = key, .hash = hash_bytes(key, 0), .value = bytes_of(large, sizeof large), .ticket = 1
    };

    open_fixture(&f, 4 << 20);
    MUST(txn_overlay_write(&f.overlay, &w));
    w.value.size = 1;
    w.ticket = 2;
    MUST(txn_overlay_write(&f.overlay, &w));
    txn_overlay_retire(&f.overlay, 2, 2);
    txn_overlay_evict(&f.overlay);
    cr_assert_eq(f.overlay.clean_bytes, 0);
    close_fixture(&f);
}

/* When all rows are in use, those that go do so at once: nobody waits for all the others to be
 * looked at. */
Test(txn_overlay, a_row_goes_without_a_look_at_all_others)
{
    struct fixture f;
    unsigned looked_at = 0;

    open_fixture(&f, 256 << 10);
    unsigned count = 0;
    for (uint32_t before = 1; f.overlay.row_count != before; count++) {
        before = f.overlay.row_count;
        write_row(&f, count, count, count + 1);
        txn_overlay_retire(&f.overlay, count + 1, count + 1);
        txn_overlay_evict(&f.overlay);
    }
    cr_assert_gt(count, 1000);
    for (unsigned i = 0; i < count; i++)
        (void)find(&f, i);
    for (unsigned i = 1; i <= 10; i++) {
        write_row(&f, count + i, i, count + 1 + i);
        txn_overlay_retire(&f.overlay, count + 1 + i, count + 1 + i);
    }
    txn_overlay_evict(&f.overlay);
    for (const struct txn_row *r = f.overlay.clean.oldest; r != NULL; r = r->newer)
        looked_at += !r->is_used;
    cr_assert_lt(looked_at, count / 4, "%u of %u", looked_at, count);
    close_fixture(&f);
}
