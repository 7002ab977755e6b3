/*
 * Opening a store that cannot be opened.
 */
#include "tests/support/must.h"
#include "tests/support/sim_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct sim_store_options options = {
    .dir = "/s",
    .lsm = { .log = { .segment_size = 16 << 10 }, .write_buffer_size = 64 << 10 },
};

static uint64_t disk_of(struct io_sim *sim)
{
    const struct io_sim_choice all = { .keep = IO_SIM_KEEP_ALL };
    struct io_sim_image *image = io_sim_crash_image(sim, &all);
    uint64_t hash = io_sim_image_hash(image);
    io_sim_image_destroy(image);
    return hash;
}

static void find_log(void *context, const char *path, uint64_t size)
{
    char *out = context;
    if (size > 8192 && strstr(path, ".log") != NULL)
        (void)snprintf(out, 64, "%s", path);
}

/* A supervisor starts a daemon again and again: that must not fill the disk, nor spoil what a
 * repair would look at. */
Test(store_open, a_store_that_does_not_open_is_as_it_was)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_store s;
    char log[64] = "";

    MUST(sim_store_open(&s, sim, &options));
    for (int i = 0; i < 3; i++)
        MUST(sim_store_put(&s, bytes_str("key"), bytes_str("value")));
    sim_store_close(&s);
    io_sim_walk(sim, find_log, log);
    cr_assert(log[0] != '\0');
    cr_assert(io_sim_flip(sim, log, (4096 + 48) * 8));

    uint64_t before = disk_of(sim);
    for (int i = 0; i < 3; i++) {
        MUST_BE(sim_store_open(&s, sim, &options), ST_CORRUPT);
        cr_assert_eq(disk_of(sim), before, "the disk was changed by open number %d", i + 1);
    }
    io_sim_destroy(sim);
}

/* On a full disk the manifest finds room and the first segment does not: one manifest must be left,
 * not one more with every try. */
Test(store_open, tries_on_a_full_disk_pile_nothing_up)
{
    const struct io_sim_fault full = {
        .classes = IO_SIM_SPACE, .at = 2, .is_for_ever = true, .error = ENOSPC
    };
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_store s;

    MUST(sim_store_open(&s, sim, &options));
    MUST(sim_store_put(&s, bytes_str("key"), bytes_str("value")));
    sim_store_close(&s);
    uint64_t used = 0;
    for (int i = 0; i < 5; i++) {
        io_sim_set_fault(sim, &full);
        struct status st = sim_store_open(&s, sim, &options);
        io_sim_set_fault(sim, NULL);
        MUST_BE(st, ST_NO_SPACE);
        if (i == 0)
            used = io_sim_used_bytes(sim);
        cr_assert_leq(io_sim_used_bytes(sim), used);
    }
    MUST(sim_store_open(&s, sim, &options));
    struct lsm_value value;
    MUST(lsm_get(&s.reader, 0, bytes_str("key"), UINT64_MAX, 0, &value));
    sim_store_close(&s);
    io_sim_destroy(sim);
}
