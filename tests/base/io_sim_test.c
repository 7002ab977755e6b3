/*
 * The simulated machine: the states a power cut leaves, faults, time, traces.
 */
#include "base/io_sim.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/rand.h"
#include "tests/support/must.h"

/* ---- Helpers ------------------------------------------------------------------------------ */

/* A machine and a ring on it. */
struct box {
    struct io_sim *sim;
    struct io *io;
    struct io_ring *ring;
};

static struct box box_of(struct io_sim *sim)
{
    struct box b = { .sim = sim, .io = io_sim_io(sim) };

    MUST(io_ring_create(b.io, NULL, &b.ring));
    return b;
}

static struct box box_open(const struct io_sim_options *options)
{
    return box_of(io_sim_create(options, NULL));
}

static void box_close(struct box *b)
{
    io_ring_destroy(b->ring);
    io_sim_destroy(b->sim);
}

static struct box box_cut(struct box *b, enum io_sim_keep keep)
{
    return box_of(io_sim_crash(b->sim, &(struct io_sim_choice) { .keep = keep }, NULL));
}

/* The machine after a power cut that keeps the units named by the bits of mask. */
static struct box box_cut_mask(struct box *b, uint64_t mask, bool grows, bool has_garbage)
{
    struct io_sim_choice choice = {
        .keep = IO_SIM_KEEP_MASK, .mask = &mask, .grows = grows, .has_garbage = has_garbage
    };
    return box_of(io_sim_crash(b->sim, &choice, NULL));
}

static struct io_file *file_open(struct box *b, const char *path, unsigned flags)
{
    struct io_file *f = NULL;

    MUST(io_open(b->io, path, flags, &f));
    return f;
}

/* Create path with text in it; not synced. */
static void write_new(struct box *b, const char *path, const char *text)
{
    struct io_file *f = file_open(b, path, IO_WRITE | IO_CREATE);

    MUST(io_write(b->ring, f, text, strlen(text), 0));
    io_close(f);
}

static void sync_path(struct box *b, const char *path)
{
    struct io_file *f = file_open(b, path, IO_WRITE);

    MUST(io_sync(b->ring, f));
    io_close(f);
}

/* Create path with text in it, and make both durable. */
static void write_durably(struct box *b, const char *path, const char *text)
{
    write_new(b, path, text);
    sync_path(b, path);
    MUST(io_sync_dir(b->io, "."));
}

static bool is_there(struct box *b, const char *path)
{
    bool exists = false;

    MUST(io_exists(b->io, path, &exists));
    return exists;
}

static uint64_t size_of(struct box *b, const char *path)
{
    struct io_file *f = file_open(b, path, IO_READ);
    uint64_t size = 0;

    MUST(io_size(f, &size));
    io_close(f);
    return size;
}

/* The file's content, as text; "(none)" if there is no file. In one of a few static buffers. */
static const char *text_of(struct box *b, const char *path)
{
    static char texts[4][8192];
    static unsigned turn;
    char *text = texts[turn++ % 4];
    size_t size = 0;

    if (!is_there(b, path))
        return "(none)";
    struct io_file *f = file_open(b, path, IO_READ);
    MUST(io_read(b->ring, f, text, sizeof texts[0] - 1, 0, &size));
    text[size] = '\0';
    io_close(f);
    return text;
}

/* ---- Names and power ------------------------------------------------------------------------ */

Test(base_io_sim_disk, a_file_is_gone_until_its_directory_is_synced)
{
    struct box b = box_open(NULL);

    write_new(&b, "f", "abc");
    sync_path(&b, "f");
    struct box none = box_cut(&b, IO_SIM_KEEP_NONE);
    struct box all = box_cut(&b, IO_SIM_KEEP_ALL);
    cr_assert_str_eq(text_of(&none, "f"), "(none)", "syncing the file did not sync its name");
    cr_assert_str_eq(text_of(&all, "f"), "abc");
    box_close(&none);
    box_close(&all);

    MUST(io_sync_dir(b.io, "."));
    none = box_cut(&b, IO_SIM_KEEP_NONE);
    cr_assert_str_eq(text_of(&none, "f"), "abc");
    box_close(&none);
    box_close(&b);
}

Test(base_io_sim_disk, an_unlinked_file_may_be_back_with_its_content)
{
    struct box b = box_open(NULL);

    write_durably(&b, "f", "abc");
    MUST(io_unlink(b.io, "f"));
    struct box back = box_cut(&b, IO_SIM_KEEP_NONE);
    cr_assert_str_eq(text_of(&back, "f"), "abc");
    box_close(&back);
    MUST(io_sync_dir(b.io, "."));
    struct box gone = box_cut(&b, IO_SIM_KEEP_NONE);
    cr_assert_not(is_there(&gone, "f"));
    box_close(&gone);
    box_close(&b);
}

/* Units: create, size, data, rename. */
Test(base_io_sim_disk, a_rename_may_arrive_before_the_data)
{
    struct box b = box_open(NULL);

    write_durably(&b, "current", "old");
    write_new(&b, "tmp", "new!");
    MUST(io_rename(b.io, "tmp", "current"));
    cr_assert_eq(io_sim_pending(b.sim), 4);

    struct box after = box_cut_mask(&b, 1 << 3, false, false);
    cr_assert_str_eq(text_of(&after, "current"), "", "renamed, and empty");
    cr_assert_not(is_there(&after, "tmp"));
    box_close(&after);
    after = box_cut_mask(&b, 1 << 3 | 1 << 1, false, false);
    cr_assert_eq(size_of(&after, "current"), 4);
    cr_assert_str_eq(text_of(&after, "current"), "", "four zeros");
    box_close(&after);
    after = box_cut_mask(&b, 1 << 1 | 1 << 2, false, false);
    cr_assert_str_eq(text_of(&after, "current"), "old");
    cr_assert_not(is_there(&after, "tmp"), "data without a name");
    box_close(&after);
    box_close(&b);
}

/* Whatever is kept: old or new under the name, never nothing. */
Test(base_io_sim_disk, a_rename_replaces_in_one)
{
    struct box b = box_open(NULL);

    write_durably(&b, "current", "old");
    write_new(&b, "tmp", "new");
    sync_path(&b, "tmp");
    MUST(io_rename(b.io, "tmp", "current"));
    MUST(io_unlink(b.io, "current"));
    write_new(&b, "current", "newest");
    MUST(io_rename(b.io, "current", "elsewhere"));
    for (uint64_t mask = 0; mask < UINT64_C(1) << io_sim_pending(b.sim); mask++) {
        struct box after = box_cut_mask(&b, mask, false, false);
        if (is_there(&after, "elsewhere"))
            cr_assert_not(is_there(&after, "current"));
        if (is_there(&after, "tmp"))
            cr_assert_str_eq(text_of(&after, "current"), "old");
        box_close(&after);
    }
    box_close(&b);
}

Test(base_io_sim_disk, a_rename_across_directories_may_show_both_names_but_never_none)
{
    struct box b = box_open(NULL);
    bool has_seen_both = false;

    MUST(io_mkdir(b.io, "a"));
    MUST(io_mkdir(b.io, "b"));
    MUST(io_sync_dir(b.io, "."));
    write_new(&b, "a/f", "abc");
    sync_path(&b, "a/f");
    MUST(io_sync_dir(b.io, "a"));
    MUST(io_rename(b.io, "a/f", "b/g"));
    for (uint64_t mask = 0; mask < UINT64_C(1) << io_sim_pending(b.sim); mask++) {
        struct box after = box_cut_mask(&b, mask, false, false);
        bool is_old = is_there(&after, "a/f");
        bool is_new = is_there(&after, "b/g");
        cr_assert(is_old || is_new);
        has_seen_both |= is_old && is_new;
        box_close(&after);
    }
    cr_assert(has_seen_both);

    /* The old name's directory alone is synced: the new name comes along. */
    MUST(io_sync_dir(b.io, "a"));
    struct box after = box_cut(&b, IO_SIM_KEEP_NONE);
    cr_assert_str_eq(text_of(&after, "b/g"), "abc");
    cr_assert_not(is_there(&after, "a/f"));
    box_close(&after);
    box_close(&b);
}

/* Two files take the same name in turn: the second only after the first. */
Test(base_io_sim_disk, a_name_is_replaced_in_order)
{
    struct box b = box_open(NULL);

    write_durably(&b, "x", "x");
    write_durably(&b, "y", "y");
    MUST(io_rename(b.io, "x", "current"));
    MUST(io_rename(b.io, "y", "current"));
    for (uint64_t mask = 0; mask < 4; mask++) {
        struct box after = box_cut_mask(&b, mask, false, false);
        if (strcmp(text_of(&after, "current"), "y") == 0)
            cr_assert_not(is_there(&after, "x"));
        box_close(&after);
    }
    box_close(&b);
}

/* Later changes of other names may arrive first; of one name they may not. */
Test(base_io_sim_disk, names_are_reordered_but_no_name_is)
{
    struct box b = box_open(NULL);
    bool is_reordered = false;

    write_durably(&b, "old", "1");
    MUST(io_link(b.io, "old", "new"));
    MUST(io_unlink(b.io, "old"));
    write_new(&b, "old", "2");
    for (uint64_t mask = 0; mask < UINT64_C(1) << io_sim_pending(b.sim); mask++) {
        struct box after = box_cut_mask(&b, mask, false, false);
        is_reordered |= !is_there(&after, "new") && !is_there(&after, "old");
        if (!is_there(&after, "new") && is_there(&after, "old"))
            cr_assert(size_of(&after, "old") <= 1);
        box_close(&after);
    }
    cr_assert(is_reordered, "unlink kept, link lost");
    box_close(&b);
}

/* ---- Data and power ------------------------------------------------------------------------- */

/* Units: size, data. */
Test(base_io_sim_disk, an_append_may_lose_its_data_its_size_or_both)
{
    struct box b = box_open(NULL);

    write_durably(&b, "f", "abc");
    struct io_file *f = file_open(&b, "f", IO_WRITE);
    MUST(io_write(b.ring, f, "def", 3, 3));
    io_close(f);
    cr_assert_eq(io_sim_pending(b.sim), 2);
    const char *expected[] = { "abc", "abc\0\0\0", "abc", "abcdef" };
    const uint64_t sizes[] = { 3, 6, 3, 6 };
    for (uint64_t mask = 0; mask < 4; mask++) {
        struct box after = box_cut_mask(&b, mask, false, false);
        cr_assert_eq(size_of(&after, "f"), sizes[mask]);
        cr_assert_eq(memcmp(text_of(&after, "f"), expected[mask], sizes[mask]), 0);
        box_close(&after);
    }
    struct box grown = box_cut_mask(&b, 2, true, false);
    cr_assert_str_eq(text_of(&grown, "f"), "abcdef", "the data brought its length");
    box_close(&grown);
    sync_path(&b, "f");
    struct box synced = box_cut(&b, IO_SIM_KEEP_NONE);
    cr_assert_str_eq(text_of(&synced, "f"), "abcdef");
    box_close(&synced);
    box_close(&b);
}

/* What lay beyond the end is gone for good. */
Test(base_io_sim_disk, data_without_its_size_does_not_come_back)
{
    struct box b = box_open(NULL);

    write_durably(&b, "f", "abc");
    struct io_file *f = file_open(&b, "f", IO_WRITE);
    MUST(io_write(b.ring, f, "def", 3, 3));
    io_close(f);
    struct box after = box_cut_mask(&b, 2, false, false);
    f = file_open(&after, "f", IO_WRITE);
    MUST(io_truncate(f, 6));
    io_close(f);
    cr_assert_eq(size_of(&after, "f"), 6);
    cr_assert_str_eq(text_of(&after, "f"), "abc", "and zeros");
    box_close(&after);
    box_close(&b);
}

/* "A completed write is durable": with the size needed to read it, whoever grew the file. */
Test(base_io_sim_disk, a_durable_write_brings_the_size_it_needs)
{
    struct box b = box_open(NULL);

    write_durably(&b, "f", "");
    write_new(&b, "f", "abcdef");
    struct io_file *f = file_open(&b, "f", IO_WRITE | IO_DSYNC);
    MUST(io_write(b.ring, f, "F", 1, 5));
    io_close(f);
    struct box after = box_cut(&b, IO_SIM_KEEP_NONE);
    cr_assert_str_eq(text_of(&after, "f"), "abcdeF");
    box_close(&after);
    box_close(&b);
}

/* A size without its data may show anything; not where blocks had been allocated ahead. */
Test(base_io_sim_disk, lost_data_may_leave_garbage)
{
    struct box b = box_open(NULL);
    char data[1024];
    uint8_t first = 0;

    memset(data, 'x', sizeof data);
    for (int is_allocated = 0; is_allocated < 2; is_allocated++) {
        const char *path = is_allocated ? "allocated" : "plain";
        struct io_file *f = file_open(&b, path, IO_WRITE | IO_CREATE);
        if (is_allocated)
            MUST(io_allocate(f, 0, 4096));
        MUST(io_write(b.ring, f, data, sizeof data, 0));
        io_close(f);
        MUST(io_sync_dir(b.io, "."));
        struct box after =
            box_cut_mask(&b, is_allocated ? 1 << 3 : 1 << 0, false, true); /* The size alone. */
        cr_assert_eq(size_of(&after, path), 1024);
        cr_assert(io_sim_peek(after.sim, path, 0, &first, 1));
        for (uint64_t i = 1; i < 1024 && first == 0; i++)
            cr_assert(io_sim_peek(after.sim, path, i, &first, 1));
        cr_assert_eq(first == 0, is_allocated);
        box_close(&after);
    }
    box_close(&b);
}

Test(base_io_sim_disk, a_write_is_torn_between_sectors_and_within_one)
{
    struct box b = box_open(NULL);
    char old[1025];
    char new[1025];

    memset(old, 'o', 1024);
    memset(new, 'n', 1024);
    old[1024] = new[1024] = '\0';
    write_durably(&b, "f", old);
    struct io_file *f = file_open(&b, "f", IO_WRITE);
    MUST(io_write(b.ring, f, new, 1024, 0));
    io_close(f);
    cr_assert_eq(io_sim_pending(b.sim), 2);

    struct box later = box_cut_mask(&b, 2, false, false);
    cr_assert_eq(text_of(&later, "f")[511], 'o');
    cr_assert_eq(text_of(&later, "f")[512], 'n', "the later sector without the earlier");
    box_close(&later);
    struct io_sim_choice torn = { .keep = IO_SIM_KEEP_ALL, .torn = 1, .torn_bytes = 100 };
    struct box within = box_of(io_sim_crash(b.sim, &torn, NULL));
    cr_assert_eq(text_of(&within, "f")[99], 'n');
    cr_assert_eq(text_of(&within, "f")[100], 'o');
    cr_assert_eq(text_of(&within, "f")[511], 'o');
    cr_assert_eq(text_of(&within, "f")[512], 'n');
    box_close(&within);
    box_close(&b);
}

/* A sector is written whole: what was put into it earlier is in it. */
Test(base_io_sim_disk, writes_of_one_sector_arrive_in_order)
{
    struct box b = box_open(NULL);

    write_durably(&b, "f", "......");
    struct io_file *f = file_open(&b, "f", IO_WRITE);
    MUST(io_write(b.ring, f, "ab", 2, 0));
    MUST(io_write(b.ring, f, "bc", 2, 1));
    MUST(io_write(b.ring, f, "d", 1, 4));
    io_close(f);
    const char *expected[] = { "......", "ab....", "abc...", "abc...",
                               "abc.d.", "abc.d.", "abc.d.", "abc.d." };
    for (uint64_t mask = 0; mask < 8; mask++) {
        struct box after = box_cut_mask(&b, mask, false, false);
        cr_assert_str_eq(text_of(&after, "f"), expected[mask]);
        box_close(&after);
    }
    box_close(&b);
}

Test(base_io_sim_disk, direct_writes_are_volatile_and_dsync_writes_are_not)
{
    struct box b = box_open(NULL);
    char *block = aligned_alloc(IO_ALIGN, IO_ALIGN);
    const unsigned flags[] = { IO_DIRECT, IO_DIRECT | IO_DSYNC, IO_DSYNC };
    const bool is_kept[] = { false, true, true };

    memset(block, 'x', IO_ALIGN);
    for (int i = 0; i < 3; i++) {
        struct io_file *f = file_open(&b, "f", IO_WRITE | IO_CREATE | IO_TRUNCATE | flags[i]);
        MUST(io_sync_dir(b.io, "."));
        MUST(io_write(b.ring, f, block, IO_ALIGN, 0));
        io_close(f);
        struct box after = box_cut(&b, IO_SIM_KEEP_NONE);
        cr_assert_eq(size_of(&after, "f") == IO_ALIGN, is_kept[i]);
        box_close(&after);
        sync_path(&b, "f");
    }
    free(block);
    box_close(&b);
}

/* While a durable write is under way, any part of it may be on the disk. */
Test(base_io_sim_disk, a_write_under_way_is_pending)
{
    struct box b =
        box_open(&(struct io_sim_options) { .latency_min_ns = 1000, .latency_max_ns = 1000 });
    char data[1025] = "";

    memset(data, 'o', 1024);
    write_durably(&b, "f", data);
    memset(data, 'n', 1024);
    struct io_file *f = file_open(&b, "f", IO_READ | IO_WRITE | IO_DSYNC);
    struct io_op w = { .opcode = IO_OP_WRITE, .file = f, .data = data, .size = 1024 };
    io_submit(b.ring, &w);
    io_ring_wait(b.ring, 0);
    cr_assert(w.is_pending);
    cr_assert_eq(io_sim_pending(b.sim), 2);
    struct box half = box_cut_mask(&b, 2, false, false);
    cr_assert_eq(text_of(&half, "f")[0], 'o');
    cr_assert_eq(text_of(&half, "f")[512], 'n');
    box_close(&half);
    io_ring_wait(b.ring, UINT64_MAX);
    cr_assert_eq(io_ring_done(b.ring), &w);
    cr_assert_eq(io_sim_pending(b.sim), 0);
    io_close(f);
    box_close(&b);
}

/* The buffer of a pending write is the ring's: changing it is a bug of the caller. */
Test(base_io_sim_disk, a_buffer_that_changes_under_a_write_is_noticed, .signal = SIGABRT)
{
    struct box b = box_open(NULL);
    struct io_file *f = file_open(&b, "f", IO_WRITE | IO_CREATE);
    char data[4] = "abc";
    struct io_op w = { .opcode = IO_OP_WRITE, .file = f, .data = data, .size = 3 };

    io_submit(b.ring, &w);
    data[1] = 'x';
    io_ring_wait(b.ring, UINT64_MAX);
}

/* A sync covers what had completed when it was submitted, no more. */
Test(base_io_sim_disk, a_sync_does_not_cover_what_is_under_way)
{
    struct box b =
        box_open(&(struct io_sim_options) { .latency_min_ns = 1000, .latency_max_ns = 1000 });

    write_durably(&b, "f", "....");
    struct io_file *f = file_open(&b, "f", IO_WRITE);
    struct io_op w = { .opcode = IO_OP_WRITE, .file = f, .data = "ab", .size = 2 };
    struct io_op s = { .opcode = IO_OP_SYNC, .file = f };
    io_submit(b.ring, &w);
    io_submit(b.ring, &s);
    for (size_t met = 0; met < 2;) {
        io_ring_wait(b.ring, UINT64_MAX);
        while (io_ring_done(b.ring) != NULL)
            met++;
    }
    struct box after = box_cut(&b, IO_SIM_KEEP_NONE);
    cr_assert_str_eq(text_of(&after, "f"), "....");
    box_close(&after);
    io_close(f);
    box_close(&b);
}

Test(base_io_sim_disk, a_truncation_is_lost_or_kept_and_nothing_survives_it)
{
    struct box b = box_open(NULL);

    write_durably(&b, "f", "abcdef");
    struct io_file *f = file_open(&b, "f", IO_WRITE);
    MUST(io_truncate(f, 2));
    MUST(io_write(b.ring, f, "X", 1, 4));
    io_close(f);
    /* Units: cut, size, data. What lies beyond the cut needs the cut. */
    for (uint64_t mask = 0; mask < 8; mask++) {
        struct box after = box_cut_mask(&b, mask, false, false);
        const char *text = text_of(&after, "f");
        if (mask == 0)
            cr_assert_str_eq(text, "abcdef");
        else
            cr_assert_str_eq(text, "ab", "and zeros, if anything");
        if (mask == 7)
            cr_assert_eq(memcmp(text, "ab\0\0X", 5), 0);
        box_close(&after);
    }
    /* A durable write after a truncation that nobody synced takes it along. */
    f = file_open(&b, "f", IO_WRITE | IO_TRUNCATE | IO_DSYNC);
    MUST(io_write(b.ring, f, "new", 3, 0));
    io_close(f);
    for (uint64_t mask = 0; mask < UINT64_C(1) << io_sim_pending(b.sim); mask++) {
        struct box after = box_cut_mask(&b, mask, false, false);
        cr_assert_str_eq(text_of(&after, "f"), "new");
        box_close(&after);
    }
    box_close(&b);
}

/* ---- Faults ------------------------------------------------------------------------------- */

/* fsyncgate: what a failed sync forgot is read until the power goes, and no later sync brings it
 * to the disk. */
Test(base_io_sim_fault, a_failed_sync_forgets_and_later_syncs_lie)
{
    bool has_lost = false;
    bool has_kept = false;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct box b = box_open(&(struct io_sim_options) { .seed = seed });
        write_durably(&b, "f", "old");
        struct io_file *f = file_open(&b, "f", IO_WRITE);
        MUST(io_write(b.ring, f, "new", 3, 0));
        io_sim_set_fault(b.sim, &(struct io_sim_fault) { .classes = IO_SIM_SYNC, .at = 1 });
        MUST_BE(io_sync(b.ring, f), ST_IO);
        MUST(io_sync(b.ring, f));
        io_close(f);
        cr_assert_eq(io_sim_faults_fired(b.sim), 1);
        cr_assert_str_eq(text_of(&b, "f"), "new");
        cr_assert_eq(io_sim_pending(b.sim), 0);
        struct box after = box_cut(&b, IO_SIM_KEEP_ALL);
        const char *text = text_of(&after, "f");
        has_lost |= strcmp(text, "old") == 0;
        has_kept |= strcmp(text, "new") == 0;
        box_close(&after);
        box_close(&b);
    }
    cr_assert(has_lost);
    cr_assert(has_kept);
}

Test(base_io_sim_fault, a_failed_directory_sync_forgets_too)
{
    bool has_lost = false;
    bool has_kept = false;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct box b = box_open(&(struct io_sim_options) { .seed = seed });
        write_new(&b, "f", "abc");
        sync_path(&b, "f");
        io_sim_set_fault(b.sim, &(struct io_sim_fault) { .classes = IO_SIM_SYNC_DIR, .at = 1 });
        MUST_BE(io_sync_dir(b.io, "."), ST_IO);
        MUST(io_sync_dir(b.io, "."));
        cr_assert(is_there(&b, "f"));
        struct box after = box_cut(&b, IO_SIM_KEEP_ALL);
        has_lost |= !is_there(&after, "f");
        has_kept |= is_there(&after, "f");
        box_close(&after);
        box_close(&b);
    }
    cr_assert(has_lost);
    cr_assert(has_kept);
}

/* The number of sectors of four that are new, in what is read or in what a power cut leaves. */
static size_t new_sectors(struct io_sim *sim)
{
    uint8_t data[4 * 512];
    size_t new = 0;

    cr_assert(io_sim_peek(sim, "f", 0, data, sizeof data));
    for (size_t sector = 0; sector < 4; sector++) {
        for (size_t i = 0; i < 512; i++)
            cr_assert_eq(data[sector * 512 + i], data[sector * 512]);
        new += data[sector * 512] == 'n';
    }
    return new;
}

/* Around the page cache reads see what is left; through it, the whole write, until power fails. */
Test(base_io_sim_fault, a_failed_write_leaves_some_of_its_sectors)
{
    char *data = aligned_alloc(IO_ALIGN, IO_ALIGN);

    for (int is_direct = 0; is_direct < 2; is_direct++) {
        bool is_mixed = false;
        for (uint64_t seed = 1; seed <= 20; seed++) {
            struct box b = box_open(&(struct io_sim_options) { .seed = seed });
            struct io_file *f =
                file_open(&b, "f", IO_WRITE | IO_CREATE | (is_direct ? IO_DIRECT : 0));
            memset(data, 'o', IO_ALIGN);
            MUST(io_write(b.ring, f, data, IO_ALIGN, 0));
            MUST(io_sync(b.ring, f));
            MUST(io_sync_dir(b.io, "."));
            memset(data, 'n', IO_ALIGN);
            io_sim_set_fault(b.sim, &(struct io_sim_fault) {
                                        .classes = IO_SIM_WRITE, .at = 1, .error = ENOSPC });
            MUST_BE(io_write(b.ring, f, data, IO_ALIGN, 0), ST_NO_SPACE);
            MUST(io_sync(b.ring, f));
            struct box after = box_cut(&b, IO_SIM_KEEP_ALL);
            size_t left = new_sectors(after.sim);
            cr_assert_eq(new_sectors(b.sim), is_direct ? left : 4);
            is_mixed |= left > 0 && left < 4;
            box_close(&after);
            io_close(f);
            box_close(&b);
        }
        cr_assert(is_mixed);
    }
    free(data);
}

Test(base_io_sim_fault, the_nth_call_of_a_class_fails_once_or_for_ever)
{
    struct box b = box_open(NULL);
    struct io_file *f = NULL;

    io_sim_set_fault(b.sim, &(struct io_sim_fault) {
                                .classes = IO_SIM_OPEN | IO_SIM_NAME, .at = 3, .error = EMFILE });
    MUST(io_mkdir(b.io, "d"));
    write_new(&b, "d/f", "abc");
    MUST_BE(io_open(b.io, "d/f", IO_READ, &f), ST_LIMIT);
    cr_assert_null(f);
    io_close(file_open(&b, "d/f", IO_READ));
    cr_assert_eq(io_sim_faults_fired(b.sim), 1);

    io_sim_set_fault(
        b.sim, &(struct io_sim_fault) { .classes = IO_SIM_NAME, .at = 2, .is_for_ever = true });
    MUST(io_link(b.io, "d/f", "d/g"));
    MUST_BE(io_unlink(b.io, "d/g"), ST_IO);
    MUST_BE(io_rename(b.io, "d/g", "d/h"), ST_IO);
    cr_assert_eq(io_sim_faults_fired(b.sim), 2);
    io_sim_set_fault(b.sim, NULL);
    MUST(io_unlink(b.io, "d/g"));
    cr_assert_eq(io_sim_calls(b.sim, IO_SIM_NAME), 5);
    box_close(&b);
}

/* A process that is gone does nothing more; what it had written is the kernel's. */
Test(base_io_sim_fault, what_fails_cleanly_did_nothing)
{
    struct box b = box_open(NULL);

    write_durably(&b, "f", "old");
    struct io_file *f = file_open(&b, "f", IO_WRITE);
    MUST(io_write(b.ring, f, "new", 3, 0));
    size_t pending = io_sim_pending(b.sim);
    io_sim_set_fault(b.sim,
                     &(struct io_sim_fault) {
                         .classes = IO_SIM_ALL, .at = 1, .is_for_ever = true, .is_clean = true });
    MUST_BE(io_write(b.ring, f, "xyz", 3, 0), ST_IO);
    MUST_BE(io_sync(b.ring, f), ST_IO);
    MUST_BE(io_truncate(f, 0), ST_IO);
    MUST_BE(io_unlink(b.io, "f"), ST_IO);
    MUST_BE(io_sync_dir(b.io, "."), ST_IO);
    cr_assert_eq(io_sim_faults_fired(b.sim), 5);
    io_sim_set_fault(b.sim, NULL);
    cr_assert_eq(io_sim_pending(b.sim), pending);
    cr_assert_str_eq(text_of(&b, "f"), "new");
    io_close(f);
    box_close(&b);
}

Test(base_io_sim_fault, a_lying_sync_promises_nothing)
{
    struct box b = box_open(&(struct io_sim_options) { .has_lying_sync = true });

    write_durably(&b, "f", "abc");
    struct io_file *f = file_open(&b, "f", IO_WRITE | IO_DSYNC);
    MUST(io_write(b.ring, f, "def", 3, 3));
    io_close(f);
    struct box none = box_cut(&b, IO_SIM_KEEP_NONE);
    struct box all = box_cut(&b, IO_SIM_KEEP_ALL);
    cr_assert_not(is_there(&none, "f"));
    cr_assert_str_eq(text_of(&all, "f"), "abcdef");
    box_close(&none);
    box_close(&all);
    box_close(&b);
}

Test(base_io_sim_fault, a_full_disk_takes_what_fits_and_deleting_makes_room)
{
    struct box b = box_open(&(struct io_sim_options) { .capacity_bytes = 16384 });
    uint8_t data[12288] = { 0 };
    uint64_t size = 0;

    struct io_file *f = file_open(&b, "f", IO_READ | IO_WRITE | IO_CREATE);
    struct io_file *g = file_open(&b, "g", IO_READ | IO_WRITE | IO_CREATE);
    MUST(io_write(b.ring, f, data, 12288, 0));
    struct io_op w = { .opcode = IO_OP_WRITE, .file = g, .data = data, .size = 12288, .offset = 0 };
    io_submit(b.ring, &w);
    io_ring_wait(b.ring, UINT64_MAX);
    cr_assert_eq(io_ring_done(b.ring), &w);
    MUST_BE(w.status, ST_NO_SPACE);
    cr_assert_eq(w.done_size, 4096);
    MUST(io_size(g, &size));
    cr_assert_eq(size, 4096);
    cr_assert_eq(io_sim_used_bytes(b.sim), 16384);
    MUST_BE(io_allocate(g, 4096, 1), ST_NO_SPACE);
    MUST(io_write(b.ring, g, data, 4096, 0));

    MUST(io_unlink(b.io, "f"));
    MUST_BE(io_write(b.ring, g, data, 1, 4096), ST_NO_SPACE);
    io_close(f);
    cr_assert_eq(io_sim_used_bytes(b.sim), 4096);
    MUST(io_allocate(g, 4096, 4096));
    cr_assert_eq(io_sim_used_bytes(b.sim), 8192);
    MUST(io_write(b.ring, g, data, 4096, 4096));
    cr_assert_eq(io_sim_used_bytes(b.sim), 8192);
    MUST(io_truncate(g, 0));
    cr_assert_eq(io_sim_used_bytes(b.sim), 0);
    io_close(g);
    box_close(&b);
}

Test(base_io_sim_fault, where_direct_is_refused_nothing_is_created)
{
    struct box b = box_open(&(struct io_sim_options) { .refuses_direct = true });
    struct io_file *f = NULL;

    MUST_BE(io_open(b.io, "f", IO_WRITE | IO_CREATE | IO_DIRECT, &f), ST_UNSUPPORTED);
    cr_assert_not(is_there(&b, "f"));
    box_close(&b);
}

Test(base_io_sim_fault, bad_sectors_stay_bad)
{
    struct box b =
        box_open(&(struct io_sim_options) { .seed = 7, .bad_sectors_per_million = 100000 });
    enum { SIZE = 1 << 16 };
    uint8_t *data = calloc(1, SIZE);
    uint8_t *again = calloc(1, SIZE);
    size_t bad = 0;
    size_t got = 0;
    struct io_file *f = file_open(&b, "f", IO_READ | IO_WRITE | IO_CREATE);

    MUST(io_write(b.ring, f, data, SIZE, 0));
    MUST(io_read(b.ring, f, data, SIZE, 0, &got));
    for (size_t i = 0; i < SIZE; i++)
        bad += data[i] != 0;
    cr_assert(bad > 2 && bad < 40, "%zu of 128 sectors are bad", bad);
    for (size_t i = 0; i < SIZE; i += 1000) { /* Whatever the pieces. */
        size_t size = SIZE - i < 1000 ? SIZE - i : 1000;
        MUST(io_read(b.ring, f, again + i, size, i, &got));
    }
    cr_assert_eq(memcmp(data, again, SIZE), 0);
    free(data);
    free(again);
    io_close(f);
    box_close(&b);
}

static void note_path(void *context, const char *path, uint64_t size)
{
    char *text = context;
    size_t at = strlen(text);

    snprintf(text + at, 256 - at, "%s=%d ", path, (int)size);
}

Test(base_io_sim_fault, the_disk_can_be_changed_behind_its_back)
{
    struct box b = box_open(NULL);
    char text[256] = "";
    uint8_t byte = 0;

    MUST(io_mkdir(b.io, "d"));
    write_durably(&b, "f", "abc");
    write_new(&b, "d/g", "defg");
    io_sim_walk(b.sim, note_path, text);
    cr_assert_str_eq(text, "d/g=4 f=3 ");
    cr_assert(io_sim_flip(b.sim, "f", 8)); /* b becomes c. */
    cr_assert_str_eq(text_of(&b, "f"), "acc");
    cr_assert(io_sim_peek(b.sim, "f", 1, &byte, 1));
    cr_assert_eq(byte, 'c');
    cr_assert_not(io_sim_flip(b.sim, "f", 24), "beyond the end");
    cr_assert_not(io_sim_flip(b.sim, "no", 0));
    cr_assert(io_sim_poke(b.sim, "f", 0, bytes_str("xy")));
    cr_assert(io_sim_resize(b.sim, "f", 2));
    cr_assert(io_sim_remove(b.sim, "d/g"));
    cr_assert_not(is_there(&b, "d/g"));
    struct box after = box_cut(&b, IO_SIM_KEEP_NONE);
    cr_assert_str_eq(text_of(&after, "f"), "xy");
    box_close(&after);
    box_close(&b);
}

/* ---- Time and order -------------------------------------------------------------------------- */

Test(base_io_sim_time, time_passes_only_while_somebody_waits)
{
    struct box b = box_open(&(struct io_sim_options) {
        .wall_ms = 5000, .latency_min_ns = 2000000, .latency_max_ns = 2000000 });
    struct clock *clock = io_sim_clock(b.sim);
    uint64_t start_ns = clock_ns(clock);

    struct io_file *f = file_open(&b, "f", IO_WRITE | IO_CREATE);
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
    box_close(&b);
}

/* A driver that looks again and again without waiting sees what it started arrive. */
Test(base_io_sim_time, polling_gets_there)
{
    struct box b =
        box_open(&(struct io_sim_options) { .latency_min_ns = 50000, .latency_max_ns = 50000 });
    struct io_file *f = file_open(&b, "f", IO_WRITE | IO_CREATE);
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
    box_close(&b);
}

/* The order in which ten writes complete. */
static uint64_t order_of(uint64_t seed)
{
    struct box b = box_open(&(struct io_sim_options) { .seed = seed });
    struct io_file *f = file_open(&b, "f", IO_WRITE | IO_CREATE);
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
    box_close(&b);
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
    struct box b = box_open(NULL);
    char text[2048] = "";

    io_sim_set_monitor(b.sim, note_event, text);
    write_durably(&b, "f", "abc");
    io_sim_mark(b.sim, "ack", 12);
    MUST(io_rename(b.io, "f", "g"));
    io_sim_set_monitor(b.sim, NULL, NULL);
    MUST(io_unlink(b.io, "g"));
    cr_assert_str_eq(text, "create f, file 2; write 2 to file 2 at 0, 3 bytes; "
                           "write 2 to file 2 is done; file 2 is synced; sync directory .; "
                           "ack 12; rename f to g; ");
    box_close(&b);
}

/* Do something random to one of a few files. */
static void do_something(struct box *b, struct rand *r)
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
        struct box b = box_open(&(struct io_sim_options) { .seed = seed });
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
        box_close(&b);
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
        struct box b = box_open(&(struct io_sim_options) { .seed = seed });
        struct rand r;
        rand_seed(&r, seed);
        MUST(io_mkdir(b.io, "d"));
        for (int i = 0; i < 60; i++)
            do_something(&b, &r);
        struct box all = box_cut(&b, IO_SIM_KEEP_ALL);
        for (size_t i = 0; i < 5; i++) {
            cr_assert_str_eq(text_of(&all, names[i]), text_of(&b, names[i]));
            if (is_there(&b, names[i]))
                cr_assert_eq(size_of(&all, names[i]), size_of(&b, names[i]));
            if (is_there(&b, names[i]))
                sync_path(&b, names[i]);
        }
        MUST(io_sync_dir(b.io, "."));
        MUST(io_sync_dir(b.io, "d"));
        struct box none = box_cut(&b, IO_SIM_KEEP_NONE);
        for (size_t i = 0; i < 5; i++)
            cr_assert_str_eq(text_of(&none, names[i]), text_of(&b, names[i]), "seed %d", (int)seed);
        box_close(&none);
        box_close(&all);
        box_close(&b);
    }
}

Test(base_io_sim_trace, equal_disks_have_equal_hashes)
{
    struct io_sim_choice all = { .keep = IO_SIM_KEEP_ALL };
    struct box a = box_open(NULL);
    struct box b = box_open(NULL);

    write_new(&a, "x", "1");
    write_new(&a, "y", "2");
    write_new(&b, "y", "other");
    write_new(&b, "x", "1");
    cr_assert_neq(hash_of(io_sim_crash_image(a.sim, &all)),
                  hash_of(io_sim_crash_image(b.sim, &all)));
    struct io_file *f = file_open(&b, "y", IO_WRITE | IO_TRUNCATE);
    MUST(io_write(b.ring, f, "2", 1, 0));
    io_close(f);
    cr_assert_eq(hash_of(io_sim_crash_image(a.sim, &all)),
                 hash_of(io_sim_crash_image(b.sim, &all)));
    MUST(io_rename(b.io, "y", "z"));
    cr_assert_neq(hash_of(io_sim_crash_image(a.sim, &all)),
                  hash_of(io_sim_crash_image(b.sim, &all)));
    box_close(&a);
    box_close(&b);
}
