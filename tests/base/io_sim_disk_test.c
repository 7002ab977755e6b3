/*
 * The simulated disk: the states that a power cut leaves.
 */
#include "tests/base/support/sim_box.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

#include "tests/support/must.h"

/* ---- Names and power ------------------------------------------------------------------------ */

Test(base_io_sim_disk, a_file_is_gone_until_its_directory_is_synced)
{
    struct sim_box b = sim_box_open(NULL);

    sim_box_write(&b, "f", "abc");
    sim_box_sync(&b, "f");
    struct sim_box none = sim_box_cut(&b, IO_SIM_KEEP_NONE);
    struct sim_box all = sim_box_cut(&b, IO_SIM_KEEP_ALL);
    cr_assert_str_eq(sim_box_text(&none, "f"), "(none)", "syncing the file did not sync its name");
    cr_assert_str_eq(sim_box_text(&all, "f"), "abc");
    sim_box_close(&none);
    sim_box_close(&all);

    MUST(io_sync_dir(b.io, "."));
    none = sim_box_cut(&b, IO_SIM_KEEP_NONE);
    cr_assert_str_eq(sim_box_text(&none, "f"), "abc");
    sim_box_close(&none);
    sim_box_close(&b);
}

Test(base_io_sim_disk, an_unlinked_file_may_be_back_with_its_content)
{
    struct sim_box b = sim_box_open(NULL);

    sim_box_write_durably(&b, "f", "abc");
    MUST(io_unlink(b.io, "f"));
    struct sim_box back = sim_box_cut(&b, IO_SIM_KEEP_NONE);
    cr_assert_str_eq(sim_box_text(&back, "f"), "abc");
    sim_box_close(&back);
    MUST(io_sync_dir(b.io, "."));
    struct sim_box gone = sim_box_cut(&b, IO_SIM_KEEP_NONE);
    cr_assert_not(sim_box_has(&gone, "f"));
    sim_box_close(&gone);
    sim_box_close(&b);
}

/* Units: create, size, data, rename. */
Test(base_io_sim_disk, a_rename_may_arrive_before_the_data)
{
    struct sim_box b = sim_box_open(NULL);

    sim_box_write_durably(&b, "current", "old");
    sim_box_write(&b, "tmp", "new!");
    MUST(io_rename(b.io, "tmp", "current"));
    cr_assert_eq(io_sim_pending(b.sim), 4);

    struct sim_box after = sim_box_cut_mask(&b, 1 << 3, false, false);
    cr_assert_str_eq(sim_box_text(&after, "current"), "", "renamed, and empty");
    cr_assert_not(sim_box_has(&after, "tmp"));
    sim_box_close(&after);
    after = sim_box_cut_mask(&b, 1 << 3 | 1 << 1, false, false);
    cr_assert_eq(sim_box_size(&after, "current"), 4);
    cr_assert_str_eq(sim_box_text(&after, "current"), "", "four zeros");
    sim_box_close(&after);
    after = sim_box_cut_mask(&b, 1 << 1 | 1 << 2, false, false);
    cr_assert_str_eq(sim_box_text(&after, "current"), "old");
    cr_assert_not(sim_box_has(&after, "tmp"), "data without a name");
    sim_box_close(&after);
    sim_box_close(&b);
}

/* Whatever is kept: old or new under the name, never nothing. */
Test(base_io_sim_disk, a_rename_replaces_in_one)
{
    struct sim_box b = sim_box_open(NULL);

    sim_box_write_durably(&b, "current", "old");
    sim_box_write(&b, "tmp", "new");
    sim_box_sync(&b, "tmp");
    MUST(io_rename(b.io, "tmp", "current"));
    MUST(io_unlink(b.io, "current"));
    sim_box_write(&b, "current", "newest");
    MUST(io_rename(b.io, "current", "elsewhere"));
    for (uint64_t mask = 0; mask < UINT64_C(1) << io_sim_pending(b.sim); mask++) {
        struct sim_box after = sim_box_cut_mask(&b, mask, false, false);
        if (sim_box_has(&after, "elsewhere"))
            cr_assert_not(sim_box_has(&after, "current"));
        if (sim_box_has(&after, "tmp"))
            cr_assert_str_eq(sim_box_text(&after, "current"), "old");
        sim_box_close(&after);
    }
    sim_box_close(&b);
}

Test(base_io_sim_disk, a_rename_across_directories_may_show_both_names_but_never_none)
{
    struct sim_box b = sim_box_open(NULL);
    bool has_seen_both = false;

    MUST(io_mkdir(b.io, "a"));
    MUST(io_mkdir(b.io, "b"));
    MUST(io_sync_dir(b.io, "."));
    sim_box_write(&b, "a/f", "abc");
    sim_box_sync(&b, "a/f");
    MUST(io_sync_dir(b.io, "a"));
    MUST(io_rename(b.io, "a/f", "b/g"));
    for (uint64_t mask = 0; mask < UINT64_C(1) << io_sim_pending(b.sim); mask++) {
        struct sim_box after = sim_box_cut_mask(&b, mask, false, false);
        bool is_old = sim_box_has(&after, "a/f");
        bool is_new = sim_box_has(&after, "b/g");
        cr_assert(is_old || is_new);
        has_seen_both |= is_old && is_new;
        sim_box_close(&after);
    }
    cr_assert(has_seen_both);

    /* The old name's directory alone is synced: the new name comes along. */
    MUST(io_sync_dir(b.io, "a"));
    struct sim_box after = sim_box_cut(&b, IO_SIM_KEEP_NONE);
    cr_assert_str_eq(sim_box_text(&after, "b/g"), "abc");
    cr_assert_not(sim_box_has(&after, "a/f"));
    sim_box_close(&after);
    sim_box_close(&b);
}

/* Whatever its name looks like: what is synced in a directory that was made so is there. */
Test(base_io_sim_disk, a_directory_that_was_made_to_last_does)
{
    static const char *const NAMES[] = { "a", "a/b", "c/", "a/b/d//", "./e" };

    struct sim_box b = sim_box_open(NULL);
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        char file[32];
        MUST(io_make_dir(b.io, NAMES[i]));
        MUST(io_make_dir(b.io, NAMES[i]));
        (void)snprintf(file, sizeof file, "%s/f", NAMES[i]);
        sim_box_write(&b, file, "abc");
        sim_box_sync(&b, file);
        MUST(io_sync_dir(b.io, NAMES[i]));
        struct sim_box after = sim_box_cut(&b, IO_SIM_KEEP_NONE);
        cr_assert_str_eq(sim_box_text(&after, file), "abc", "%s", NAMES[i]);
        sim_box_close(&after);
    }
    MUST_BE(io_make_dir(b.io, ""), ST_INVALID);
    sim_box_close(&b);
}

/* Two files take the same name in turn: the second only after the first. */
Test(base_io_sim_disk, a_name_is_replaced_in_order)
{
    struct sim_box b = sim_box_open(NULL);

    sim_box_write_durably(&b, "x", "x");
    sim_box_write_durably(&b, "y", "y");
    MUST(io_rename(b.io, "x", "current"));
    MUST(io_rename(b.io, "y", "current"));
    for (uint64_t mask = 0; mask < 4; mask++) {
        struct sim_box after = sim_box_cut_mask(&b, mask, false, false);
        if (strcmp(sim_box_text(&after, "current"), "y") == 0)
            cr_assert_not(sim_box_has(&after, "x"));
        sim_box_close(&after);
    }
    sim_box_close(&b);
}

/* Later changes of other names may arrive first; of one name they may not. */
Test(base_io_sim_disk, names_are_reordered_but_no_name_is)
{
    struct sim_box b = sim_box_open(NULL);
    bool is_reordered = false;

    sim_box_write_durably(&b, "old", "1");
    MUST(io_link(b.io, "old", "new"));
    MUST(io_unlink(b.io, "old"));
    sim_box_write(&b, "old", "2");
    for (uint64_t mask = 0; mask < UINT64_C(1) << io_sim_pending(b.sim); mask++) {
        struct sim_box after = sim_box_cut_mask(&b, mask, false, false);
        is_reordered |= !sim_box_has(&after, "new") && !sim_box_has(&after, "old");
        if (!sim_box_has(&after, "new") && sim_box_has(&after, "old"))
            cr_assert(sim_box_size(&after, "old") <= 1);
        sim_box_close(&after);
    }
    cr_assert(is_reordered, "unlink kept, link lost");
    sim_box_close(&b);
}

/* ---- Data and power ------------------------------------------------------------------------- */

/* Units: size, data. */
Test(base_io_sim_disk, an_append_may_lose_its_data_its_size_or_both)
{
    struct sim_box b = sim_box_open(NULL);

    sim_box_write_durably(&b, "f", "abc");
    struct io_file *f = sim_box_file(&b, "f", IO_WRITE);
    MUST(io_write(b.ring, f, "def", 3, 3));
    io_close(f);
    cr_assert_eq(io_sim_pending(b.sim), 2);
    const char *expected[] = { "abc", "abc\0\0\0", "abc", "abcdef" };
    const uint64_t sizes[] = { 3, 6, 3, 6 };
    for (uint64_t mask = 0; mask < 4; mask++) {
        struct sim_box after = sim_box_cut_mask(&b, mask, false, false);
        cr_assert_eq(sim_box_size(&after, "f"), sizes[mask]);
        cr_assert_eq(memcmp(sim_box_text(&after, "f"), expected[mask], sizes[mask]), 0);
        sim_box_close(&after);
    }
    struct sim_box grown = sim_box_cut_mask(&b, 2, true, false);
    cr_assert_str_eq(sim_box_text(&grown, "f"), "abcdef", "the data brought its length");
    sim_box_close(&grown);
    sim_box_sync(&b, "f");
    struct sim_box synced = sim_box_cut(&b, IO_SIM_KEEP_NONE);
    cr_assert_str_eq(sim_box_text(&synced, "f"), "abcdef");
    sim_box_close(&synced);
    sim_box_close(&b);
}

/* What lay beyond the end is gone for good. */
Test(base_io_sim_disk, data_without_its_size_does_not_come_back)
{
    struct sim_box b = sim_box_open(NULL);

    sim_box_write_durably(&b, "f", "abc");
    struct io_file *f = sim_box_file(&b, "f", IO_WRITE);
    MUST(io_write(b.ring, f, "def", 3, 3));
    io_close(f);
    struct sim_box after = sim_box_cut_mask(&b, 2, false, false);
    f = sim_box_file(&after, "f", IO_WRITE);
    MUST(io_truncate(f, 6));
    io_close(f);
    cr_assert_eq(sim_box_size(&after, "f"), 6);
    cr_assert_str_eq(sim_box_text(&after, "f"), "abc", "and zeros");
    sim_box_close(&after);
    sim_box_close(&b);
}

/* "A completed write is durable": with the size needed to read it, whoever grew the file. */
Test(base_io_sim_disk, a_durable_write_brings_the_size_it_needs)
{
    struct sim_box b = sim_box_open(NULL);

    sim_box_write_durably(&b, "f", "");
    sim_box_write(&b, "f", "abcdef");
    struct io_file *f = sim_box_file(&b, "f", IO_WRITE | IO_DSYNC);
    MUST(io_write(b.ring, f, "F", 1, 5));
    io_close(f);
    struct sim_box after = sim_box_cut(&b, IO_SIM_KEEP_NONE);
    cr_assert_str_eq(sim_box_text(&after, "f"), "abcdeF");
    sim_box_close(&after);
    sim_box_close(&b);
}

/* A size without its data may show anything; not where blocks had been allocated ahead. */
Test(base_io_sim_disk, lost_data_may_leave_garbage)
{
    struct sim_box b = sim_box_open(NULL);
    char data[1024];
    uint8_t first = 0;

    memset(data, 'x', sizeof data);
    for (int is_allocated = 0; is_allocated < 2; is_allocated++) {
        const char *path = is_allocated ? "allocated" : "plain";
        struct io_file *f = sim_box_file(&b, path, IO_WRITE | IO_CREATE);
        if (is_allocated)
            MUST(io_allocate(f, 0, 4096));
        MUST(io_write(b.ring, f, data, sizeof data, 0));
        io_close(f);
        MUST(io_sync_dir(b.io, "."));
        struct sim_box after =
            sim_box_cut_mask(&b, is_allocated ? 1 << 3 : 1 << 0, false, true); /* The size alone. */
        cr_assert_eq(sim_box_size(&after, path), 1024);
        cr_assert(io_sim_peek(after.sim, path, 0, &first, 1));
        for (uint64_t i = 1; i < 1024 && first == 0; i++)
            cr_assert(io_sim_peek(after.sim, path, i, &first, 1));
        cr_assert_eq(first == 0, is_allocated);
        sim_box_close(&after);
    }
    sim_box_close(&b);
}

Test(base_io_sim_disk, a_write_is_torn_between_sectors_and_within_one)
{
    struct sim_box b = sim_box_open(NULL);
    char old[1025];
    char new[1025];

    memset(old, 'o', 1024);
    memset(new, 'n', 1024);
    old[1024] = new[1024] = '\0';
    sim_box_write_durably(&b, "f", old);
    struct io_file *f = sim_box_file(&b, "f", IO_WRITE);
    MUST(io_write(b.ring, f, new, 1024, 0));
    io_close(f);
    cr_assert_eq(io_sim_pending(b.sim), 2);

    struct sim_box later = sim_box_cut_mask(&b, 2, false, false);
    cr_assert_eq(sim_box_text(&later, "f")[511], 'o');
    cr_assert_eq(sim_box_text(&later, "f")[512], 'n', "the later sector without the earlier");
    sim_box_close(&later);
    struct io_sim_choice torn = { .keep = IO_SIM_KEEP_ALL, .torn = 1, .torn_bytes = 100 };
    struct sim_box within = sim_box_of(io_sim_crash(b.sim, &torn, NULL));
    cr_assert_eq(sim_box_text(&within, "f")[99], 'n');
    cr_assert_eq(sim_box_text(&within, "f")[100], 'o');
    cr_assert_eq(sim_box_text(&within, "f")[511], 'o');
    cr_assert_eq(sim_box_text(&within, "f")[512], 'n');
    sim_box_close(&within);
    sim_box_close(&b);
}

/* A sector is written whole: what was put into it earlier is in it. */
Test(base_io_sim_disk, writes_of_one_sector_arrive_in_order)
{
    struct sim_box b = sim_box_open(NULL);

    sim_box_write_durably(&b, "f", "......");
    struct io_file *f = sim_box_file(&b, "f", IO_WRITE);
    MUST(io_write(b.ring, f, "ab", 2, 0));
    MUST(io_write(b.ring, f, "bc", 2, 1));
    MUST(io_write(b.ring, f, "d", 1, 4));
    io_close(f);
    const char *expected[] = { "......", "ab....", "abc...", "abc...",
                               "abc.d.", "abc.d.", "abc.d.", "abc.d." };
    for (uint64_t mask = 0; mask < 8; mask++) {
        struct sim_box after = sim_box_cut_mask(&b, mask, false, false);
        cr_assert_str_eq(sim_box_text(&after, "f"), expected[mask]);
        sim_box_close(&after);
    }
    sim_box_close(&b);
}

Test(base_io_sim_disk, direct_writes_are_volatile_and_dsync_writes_are_not)
{
    struct sim_box b = sim_box_open(NULL);
    char *block = aligned_alloc(IO_ALIGN, IO_ALIGN);
    const unsigned flags[] = { IO_DIRECT, IO_DIRECT | IO_DSYNC, IO_DSYNC };
    const bool is_kept[] = { false, true, true };

    memset(block, 'x', IO_ALIGN);
    for (int i = 0; i < 3; i++) {
        struct io_file *f = sim_box_file(&b, "f", IO_WRITE | IO_CREATE | IO_TRUNCATE | flags[i]);
        MUST(io_sync_dir(b.io, "."));
        MUST(io_write(b.ring, f, block, IO_ALIGN, 0));
        io_close(f);
        struct sim_box after = sim_box_cut(&b, IO_SIM_KEEP_NONE);
        cr_assert_eq(sim_box_size(&after, "f") == IO_ALIGN, is_kept[i]);
        sim_box_close(&after);
        sim_box_sync(&b, "f");
    }
    free(block);
    sim_box_close(&b);
}

/* While a durable write is under way, any part of it may be on the disk. */
Test(base_io_sim_disk, a_write_under_way_is_pending)
{
    struct sim_box b =
        sim_box_open(&(struct io_sim_options) { .latency_min_ns = 1000, .latency_max_ns = 1000 });
    char data[1025] = "";

    memset(data, 'o', 1024);
    sim_box_write_durably(&b, "f", data);
    memset(data, 'n', 1024);
    struct io_file *f = sim_box_file(&b, "f", IO_READ | IO_WRITE | IO_DSYNC);
    struct io_op w = { .opcode = IO_OP_WRITE, .file = f, .data = data, .size = 1024 };
    io_submit(b.ring, &w);
    io_ring_wait(b.ring, 0);
    cr_assert(w.is_pending);
    cr_assert_eq(io_sim_pending(b.sim), 2);
    struct sim_box half = sim_box_cut_mask(&b, 2, false, false);
    cr_assert_eq(sim_box_text(&half, "f")[0], 'o');
    cr_assert_eq(sim_box_text(&half, "f")[512], 'n');
    sim_box_close(&half);
    io_ring_wait(b.ring, UINT64_MAX);
    cr_assert_eq(io_ring_done(b.ring), &w);
    cr_assert_eq(io_sim_pending(b.sim), 0);
    io_close(f);
    sim_box_close(&b);
}

/* The buffer of a pending write is the ring's: changing it is a bug of the caller. */
Test(base_io_sim_disk, a_buffer_that_changes_under_a_write_is_noticed, .signal = SIGABRT)
{
    struct sim_box b = sim_box_open(NULL);
    struct io_file *f = sim_box_file(&b, "f", IO_WRITE | IO_CREATE);
    char data[4] = "abc";
    struct io_op w = { .opcode = IO_OP_WRITE, .file = f, .data = data, .size = 3 };

    io_submit(b.ring, &w);
    data[1] = 'x';
    io_ring_wait(b.ring, UINT64_MAX);
}

/* A sync covers what had completed when it was submitted, no more. */
Test(base_io_sim_disk, a_sync_does_not_cover_what_is_under_way)
{
    struct sim_box b =
        sim_box_open(&(struct io_sim_options) { .latency_min_ns = 1000, .latency_max_ns = 1000 });

    sim_box_write_durably(&b, "f", "....");
    struct io_file *f = sim_box_file(&b, "f", IO_WRITE);
    struct io_op w = { .opcode = IO_OP_WRITE, .file = f, .data = "ab", .size = 2 };
    struct io_op s = { .opcode = IO_OP_SYNC, .file = f };
    io_submit(b.ring, &w);
    io_submit(b.ring, &s);
    for (size_t met = 0; met < 2;) {
        io_ring_wait(b.ring, UINT64_MAX);
        while (io_ring_done(b.ring) != NULL)
            met++;
    }
    struct sim_box after = sim_box_cut(&b, IO_SIM_KEEP_NONE);
    cr_assert_str_eq(sim_box_text(&after, "f"), "....");
    sim_box_close(&after);
    io_close(f);
    sim_box_close(&b);
}

Test(base_io_sim_disk, a_truncation_is_lost_or_kept_and_nothing_survives_it)
{
    struct sim_box b = sim_box_open(NULL);

    sim_box_write_durably(&b, "f", "abcdef");
    struct io_file *f = sim_box_file(&b, "f", IO_WRITE);
    MUST(io_truncate(f, 2));
    MUST(io_write(b.ring, f, "X", 1, 4));
    io_close(f);
    /* Units: cut, size, data. What lies beyond the cut needs the cut. */
    for (uint64_t mask = 0; mask < 8; mask++) {
        struct sim_box after = sim_box_cut_mask(&b, mask, false, false);
        const char *text = sim_box_text(&after, "f");
        if (mask == 0)
            cr_assert_str_eq(text, "abcdef");
        else
            cr_assert_str_eq(text, "ab", "and zeros, if anything");
        if (mask == 7)
            cr_assert_eq(memcmp(text, "ab\0\0X", 5), 0);
        sim_box_close(&after);
    }
    /* A durable write after a truncation that nobody synced takes it along. */
    f = sim_box_file(&b, "f", IO_WRITE | IO_TRUNCATE | IO_DSYNC);
    MUST(io_write(b.ring, f, "new", 3, 0));
    io_close(f);
    for (uint64_t mask = 0; mask < UINT64_C(1) << io_sim_pending(b.sim); mask++) {
        struct sim_box after = sim_box_cut_mask(&b, mask, false, false);
        cr_assert_str_eq(sim_box_text(&after, "f"), "new");
        sim_box_close(&after);
    }
    sim_box_close(&b);
}
