/*
 * The simulated machine: calls that fail, disks that are full, bad or changed from outside.
 */
#include "tests/base/support/sim_box.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "tests/support/must.h"

/* fsyncgate: what a failed sync forgot is read until the power goes, and no later sync brings it
 * to the disk. */
Test(base_io_sim_fault, a_failed_sync_forgets_and_later_syncs_lie)
{
    bool has_lost = false;
    bool has_kept = false;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim_box b = sim_box_open(&(struct io_sim_options) { .seed = seed });
        sim_box_write_durably(&b, "f", "old");
        struct io_file *f = sim_box_file(&b, "f", IO_WRITE);
        MUST(io_write(b.ring, f, "new", 3, 0));
        io_sim_set_fault(b.sim, &(struct io_sim_fault) { .classes = IO_SIM_SYNC, .at = 1 });
        MUST_BE(io_sync(b.ring, f), ST_IO);
        MUST(io_sync(b.ring, f));
        io_close(f);
        cr_assert_eq(io_sim_faults_fired(b.sim), 1);
        cr_assert_str_eq(sim_box_text(&b, "f"), "new");
        cr_assert_eq(io_sim_pending(b.sim), 0);
        struct sim_box after = sim_box_cut(&b, IO_SIM_KEEP_ALL);
        const char *text = sim_box_text(&after, "f");
        has_lost |= strcmp(text, "old") == 0;
        has_kept |= strcmp(text, "new") == 0;
        sim_box_close(&after);
        sim_box_close(&b);
    }
    cr_assert(has_lost);
    cr_assert(has_kept);
}

Test(base_io_sim_fault, a_failed_directory_sync_forgets_too)
{
    bool has_lost = false;
    bool has_kept = false;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim_box b = sim_box_open(&(struct io_sim_options) { .seed = seed });
        sim_box_write(&b, "f", "abc");
        sim_box_sync(&b, "f");
        io_sim_set_fault(b.sim, &(struct io_sim_fault) { .classes = IO_SIM_SYNC_DIR, .at = 1 });
        MUST_BE(io_sync_dir(b.io, "."), ST_IO);
        MUST(io_sync_dir(b.io, "."));
        cr_assert(sim_box_has(&b, "f"));
        struct sim_box after = sim_box_cut(&b, IO_SIM_KEEP_ALL);
        has_lost |= !sim_box_has(&after, "f");
        has_kept |= sim_box_has(&after, "f");
        sim_box_close(&after);
        sim_box_close(&b);
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
            struct sim_box b = sim_box_open(&(struct io_sim_options) { .seed = seed });
            struct io_file *f =
                sim_box_file(&b, "f", IO_WRITE | IO_CREATE | (is_direct ? IO_DIRECT : 0));
            memset(data, 'o', IO_ALIGN);
            MUST(io_write(b.ring, f, data, IO_ALIGN, 0));
            MUST(io_sync(b.ring, f));
            MUST(io_sync_dir(b.io, "."));
            memset(data, 'n', IO_ALIGN);
            io_sim_set_fault(b.sim, &(struct io_sim_fault) {
                                        .classes = IO_SIM_WRITE, .at = 1, .error = ENOSPC });
            MUST_BE(io_write(b.ring, f, data, IO_ALIGN, 0), ST_NO_SPACE);
            MUST(io_sync(b.ring, f));
            struct sim_box after = sim_box_cut(&b, IO_SIM_KEEP_ALL);
            size_t left = new_sectors(after.sim);
            cr_assert_eq(new_sectors(b.sim), is_direct ? left : 4);
            is_mixed |= left > 0 && left < 4;
            sim_box_close(&after);
            io_close(f);
            sim_box_close(&b);
        }
        cr_assert(is_mixed);
    }
    free(data);
}

Test(base_io_sim_fault, the_nth_call_of_a_class_fails_once_or_for_ever)
{
    struct sim_box b = sim_box_open(NULL);
    struct io_file *f = NULL;

    io_sim_set_fault(b.sim, &(struct io_sim_fault) {
                                .classes = IO_SIM_OPEN | IO_SIM_NAME, .at = 3, .error = EMFILE });
    MUST(io_mkdir(b.io, "d"));
    sim_box_write(&b, "d/f", "abc");
    MUST_BE(io_open(b.io, "d/f", IO_READ, &f), ST_LIMIT);
    cr_assert_null(f);
    io_close(sim_box_file(&b, "d/f", IO_READ));
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
    sim_box_close(&b);
}

/* A process that is gone does nothing more; what it had written is the kernel's. */
Test(base_io_sim_fault, what_fails_cleanly_did_nothing)
{
    struct sim_box b = sim_box_open(NULL);

    sim_box_write_durably(&b, "f", "old");
    struct io_file *f = sim_box_file(&b, "f", IO_WRITE);
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
    cr_assert_str_eq(sim_box_text(&b, "f"), "new");
    io_close(f);
    sim_box_close(&b);
}

Test(base_io_sim_fault, a_lying_sync_promises_nothing)
{
    struct sim_box b = sim_box_open(&(struct io_sim_options) { .has_lying_sync = true });

    sim_box_write_durably(&b, "f", "abc");
    struct io_file *f = sim_box_file(&b, "f", IO_WRITE | IO_DSYNC);
    MUST(io_write(b.ring, f, "def", 3, 3));
    io_close(f);
    struct sim_box none = sim_box_cut(&b, IO_SIM_KEEP_NONE);
    struct sim_box all = sim_box_cut(&b, IO_SIM_KEEP_ALL);
    cr_assert_not(sim_box_has(&none, "f"));
    cr_assert_str_eq(sim_box_text(&all, "f"), "abcdef");
    sim_box_close(&none);
    sim_box_close(&all);
    sim_box_close(&b);
}

Test(base_io_sim_fault, a_full_disk_takes_what_fits_and_deleting_makes_room)
{
    struct sim_box b = sim_box_open(&(struct io_sim_options) { .capacity_bytes = 16384 });
    uint8_t data[12288] = { 0 };
    uint64_t size = 0;

    struct io_file *f = sim_box_file(&b, "f", IO_READ | IO_WRITE | IO_CREATE);
    struct io_file *g = sim_box_file(&b, "g", IO_READ | IO_WRITE | IO_CREATE);
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
    sim_box_close(&b);
}

Test(base_io_sim_fault, where_direct_is_refused_nothing_is_created)
{
    struct sim_box b = sim_box_open(&(struct io_sim_options) { .refuses_direct = true });
    struct io_file *f = NULL;

    MUST_BE(io_open(b.io, "f", IO_WRITE | IO_CREATE | IO_DIRECT, &f), ST_UNSUPPORTED);
    cr_assert_not(sim_box_has(&b, "f"));
    sim_box_close(&b);
}

Test(base_io_sim_fault, bad_sectors_stay_bad)
{
    struct sim_box b =
        sim_box_open(&(struct io_sim_options) { .seed = 7, .bad_sectors_per_million = 100000 });
    enum { SIZE = 1 << 16 };
    uint8_t *data = calloc(1, SIZE);
    uint8_t *again = calloc(1, SIZE);
    size_t bad = 0;
    size_t got = 0;
    struct io_file *f = sim_box_file(&b, "f", IO_READ | IO_WRITE | IO_CREATE);

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
    sim_box_close(&b);
}

static void note_path(void *context, const char *path, uint64_t size)
{
    char *text = context;
    size_t at = strlen(text);

    snprintf(text + at, 256 - at, "%s=%d ", path, (int)size);
}

Test(base_io_sim_fault, the_disk_can_be_changed_behind_its_back)
{
    struct sim_box b = sim_box_open(NULL);
    char text[256] = "";
    uint8_t byte = 0;

    MUST(io_mkdir(b.io, "d"));
    sim_box_write_durably(&b, "f", "abc");
    sim_box_write(&b, "d/g", "defg");
    io_sim_walk(b.sim, note_path, text);
    cr_assert_str_eq(text, "d/g=4 f=3 ");
    cr_assert(io_sim_flip(b.sim, "f", 8)); /* b becomes c. */
    cr_assert_str_eq(sim_box_text(&b, "f"), "acc");
    cr_assert(io_sim_peek(b.sim, "f", 1, &byte, 1));
    cr_assert_eq(byte, 'c');
    cr_assert_not(io_sim_flip(b.sim, "f", 24), "beyond the end");
    cr_assert_not(io_sim_flip(b.sim, "no", 0));
    cr_assert(io_sim_poke(b.sim, "f", 0, bytes_str("xy")));
    cr_assert(io_sim_resize(b.sim, "f", 2));
    cr_assert(io_sim_remove(b.sim, "d/g"));
    cr_assert_not(sim_box_has(&b, "d/g"));
    struct sim_box after = sim_box_cut(&b, IO_SIM_KEEP_NONE);
    cr_assert_str_eq(sim_box_text(&after, "f"), "xy");
    sim_box_close(&after);
    sim_box_close(&b);
}
