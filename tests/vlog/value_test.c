/*
 * Values after the log: segments adopted in place, values copied into files of their own, files
 * rewritten behind their logical id, read through the cache and from the memory tail.
 */
#include "tests/support/must.h"
#include "tests/vlog/support/log_house.h"

#include <stdlib.h>

static const struct vlog_options durable = { .mode = VLOG_DURABLE, .segment_size = 64 * 1024 };
static const struct vlog_options relaxed = { .mode = VLOG_RELAXED, .segment_size = 64 * 1024 };

/* A log with so many entries of two values each, and nothing in memory. */
static void values_init(struct log_house *h, const struct vlog_options *options, uint32_t entries)
{
    log_house_init(h, options, NULL);
    log_house_open(h);
    for (uint32_t i = 0; i < entries; i++) {
        MUST(log_fixture_append(&h->log, (struct log_shape) { 30, 2, 600 + i % 900 }));
        log_fixture_work(&h->log); /* Files filled to their end. */
    }
    vlog_roll(h->log.log);
    log_fixture_settle(&h->log);
}

/* Adopt every segment that can be, as a flush would: everything is flushed. */
static size_t adopt_all(struct log_house *h)
{
    struct vlog_segment_info info[64];
    size_t count = vlog_segments(h->log.log, info, 64);
    size_t adopted = 0;

    cr_assert_leq(count, 64);
    MUST(vlog_barrier(h->log.log, h->log.ring, vlog_written_lsn(h->log.log)));
    for (size_t i = 0; i < count; i++) {
        struct vlog_file file;
        if (info[i].is_active)
            continue;
        cr_assert(info[i].is_sealed);
        MUST(vlog_adopt(h->log.log, h->log.ring, info[i].id, &file));
        cr_assert_eq(file.logical, info[i].id);
        cr_assert_eq(file.physical, info[i].id);
        cr_assert(file.is_segment);
        cr_assert_eq(file.value_count, info[i].value_count);
        cr_assert_eq(file.value_bytes, info[i].value_bytes);
        log_fixture_record(&h->log, &file);
        adopted++;
    }
    h->log.flushed_lsn = vlog_written_lsn(h->log.log);
    h->log.replay_from = info[count - 1].id;
    return adopted;
}

static void read_all(struct log_house *h)
{
    const char *wrong = log_fixture_read_all(&h->log);
    cr_assert_null(wrong, "%s", wrong);
}

static bool is_there(struct log_house *h, const struct vlog_file *file)
{
    char name[VLOG_NAME_MAX];
    bool there;
    vlog_file_name(file, name, sizeof name);
    MUST(io_exists(h->log.env.io, name, &there));
    return there;
}

/* Adopted segments are no log any more, and their values are read as before, in this run and the
 * next. The file is as long as the manifest says. */
Test(vlog_value, adopted_segments_are_value_files)
{
    for (int mode = 0; mode < 2; mode++) {
        struct log_house h;
        struct vlog_segment_info info[64];
        values_init(&h, mode == 0 ? &durable : &relaxed, 150);
        cr_assert_gt(adopt_all(&h), 3);
        cr_assert_eq(vlog_segments(h.log.log, info, 64), 1);
        read_all(&h);
        log_house_reopen(&h);
        cr_assert_eq(h.log.replayed_first, 0);
        for (size_t i = 0; i < h.log.file_count; i++) {
            struct io_file *file;
            char name[VLOG_NAME_MAX];
            uint64_t size;
            vlog_file_name(&h.log.files[i], name, sizeof name);
            MUST(io_open(h.log.env.io, name, IO_READ, &file));
            MUST(io_size(file, &size));
            io_close(file);
            cr_assert_eq(size, h.log.files[i].size_bytes);
        }
        read_all(&h);
        log_house_deinit(&h);
    }
}

/* An adopted segment may still be log for a later memtable: it is replayed, and not listed. */
Test(vlog_value, an_adopted_segment_is_replayed_while_it_is_needed)
{
    struct log_house h;
    struct vlog_segment_info info[64];
    values_init(&h, &durable, 60);
    size_t adopted = adopt_all(&h);
    cr_assert_gt(adopted, 1);
    h.log.replay_from = 0;
    h.log.flushed_lsn = 5;
    log_house_reopen(&h);
    cr_assert_eq(h.log.replayed_first, 1);
    cr_assert_eq(h.log.replayed_last, 60);
    size_t count = vlog_segments(h.log.log, info, 64);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < h.log.file_count; j++)
            cr_assert_neq(info[i].id, h.log.files[j].logical);
    }
    read_all(&h);
    log_house_deinit(&h);
}

/* A segment that was found at open can be adopted, too, and released; neither is recycled. */
Test(vlog_value, segments_of_an_earlier_run_are_adopted_or_unlinked)
{
    struct log_house h;
    struct vlog_segment_info info[64];
    struct vlog_stats stats;
    values_init(&h, &durable, 100);
    log_house_reopen(&h);
    size_t count = vlog_segments(h.log.log, info, 64);
    cr_assert_gt(count, 3);
    vlog_release(h.log.log, h.log.ring, info[0].id);
    log_fixture_work(&h.log);
    struct vlog_file file = { .physical = info[0].id, .is_segment = true };
    cr_assert_not(is_there(&h, &file));
    vlog_stats(h.log.log, &stats);
    cr_assert_eq(stats.segments_recycled, 0);
    for (size_t i = 0; i + 1 < count; i++) {
        if (i > 0 && info[i].value_count > 0) {
            MUST(vlog_adopt(h.log.log, h.log.ring, info[i].id, &file));
            log_fixture_record(&h.log, &file);
        }
    }
    h.log.flushed_lsn = vlog_written_lsn(h.log.log);
    h.log.replay_from = info[count - 1].id;
    log_house_reopen(&h);
    for (uint64_t i = 1; i <= 100; i++) {
        if (h.log.entries[i].handles[0].file == info[0].id)
            continue;
        const char *wrong = log_fixture_read(&h.log, i, 0);
        cr_assert_null(wrong, "%s", wrong);
    }
    log_house_deinit(&h);
}

Test(vlog_value, only_a_sealed_segment_with_values_can_be_adopted)
{
    struct log_house h;
    struct vlog_segment_info info[4];
    struct vlog_file file;
    log_house_init(&h, &durable, NULL);
    log_house_open(&h);
    MUST(log_fixture_append(&h.log, (struct log_shape) { 30, 0, 0 }));
    cr_assert_eq(vlog_segments(h.log.log, info, 4), 1);
    MUST_BE(vlog_adopt(h.log.log, h.log.ring, info[0].id, &file), ST_INVALID);
    MUST_BE(vlog_adopt(h.log.log, h.log.ring, 4711, &file), ST_INVALID);
    vlog_roll(h.log.log);
    log_fixture_settle(&h.log);
    MUST_BE(vlog_adopt(h.log.log, h.log.ring, info[0].id, &file), ST_INVALID); /* No values. */
    MUST(log_fixture_append(&h.log, (struct log_shape) { 30, 1, 600 }));
    cr_assert_eq(vlog_segments(h.log.log, info, 4), 2);
    MUST_BE(vlog_adopt(h.log.log, h.log.ring, info[1].id, &file), ST_INVALID); /* Active. */
    vlog_roll(h.log.log);
    log_fixture_settle(&h.log);
    MUST(vlog_adopt(h.log.log, h.log.ring, info[1].id, &file));
    MUST_BE(vlog_adopt(h.log.log, h.log.ring, info[1].id, &file), ST_INVALID); /* Adopted. */
    log_house_deinit(&h);
}

/* ---- Copies -----------------------------------------------------------------------------------
 */

struct copying {
    struct log_house *h;
    struct vlog_writer *writer;
    uint32_t every; /* Of so many ordinals, keep the first. */
    uint64_t count;
};

static bool is_kept(void *context, uint32_t ordinal)
{
    const struct copying *c = context;
    return ordinal % c->every == 0;
}

static struct status copy_value(void *context, uint32_t ordinal, struct bytes value)
{
    struct copying *c = context;
    struct vlog_handle handle;
    c->count++;
    struct status s = vlog_writer_add(c->writer, ordinal, value, &handle);
    cr_assert(failed(s) || handle.file == vlog_writer_logical(c->writer));
    return s;
}

/* Rewrite a file, keeping every n-th value; what the manifest records. */
static struct vlog_file rewrite(struct log_house *h, uint64_t logical, uint32_t every)
{
    struct copying c = { .h = h, .every = every };
    struct vlog_file file;
    struct errbuf err = { { 0 } };

    MUST(vlog_writer_create(h->log.log, h->log.ring, logical, &c.writer));
    struct status s = vlog_scan(h->log.log, h->log.ring, logical, is_kept, copy_value, &c, &err);
    cr_assert(succeeded(s), "%s: %s", status_name(s.code), err.text);
    MUST(vlog_writer_finish(c.writer, &file));
    cr_assert_eq(file.logical, logical);
    cr_assert_neq(file.physical, logical);
    cr_assert_eq(file.value_count, c.count);
    cr_assert_not(file.is_segment);
    log_fixture_record(&h->log, &file);
    MUST(vlog_install(h->log.log, &file));
    return file;
}

/* Values with an ordinal divisible by `every` are there, the others are missed with words. */
static void expect_kept(struct log_house *h, uint32_t every)
{
    for (uint64_t i = 1; i <= h->log.last_index; i++) {
        for (uint32_t j = 0; j < h->log.entries[i].shape.value_count; j++) {
            uint32_t ordinal = h->log.entries[i].handles[j].ordinal;
            const char *wrong = log_fixture_read(&h->log, i, j);
            if (ordinal % every == 0)
                cr_assert_null(wrong, "%s", wrong);
            else
                cr_assert_not_null(wrong, "value %u is still there", ordinal);
        }
    }
}

/* Files are rewritten, again and again, with gaps; handles stay as they are, and the old files go.
 */
Test(vlog_value, a_file_is_rewritten_behind_its_logical_id)
{
    for (int mode = 0; mode < 2; mode++) {
        struct log_house h;
        values_init(&h, mode == 0 ? &durable : &relaxed, 150);
        adopt_all(&h);
        log_house_reopen(&h);
        log_fixture_work(&h.log);
        for (uint32_t every = 1; every <= 8; every *= 2) {
            struct vlog_file old[LOG_FILES_MAX];
            size_t count = h.log.file_count;
            memcpy(old, h.log.files, sizeof old);
            for (size_t i = 0; i < count; i++)
                rewrite(&h, old[i].logical, every);
            log_fixture_work(&h.log);
            for (size_t i = 0; i < count; i++) {
                cr_assert_not(is_there(&h, &old[i]), "an old generation is still there");
                cr_assert(is_there(&h, &h.log.files[i]));
            }
            expect_kept(&h, every);
            log_house_reopen(&h);
            expect_kept(&h, every);
        }
        for (size_t i = 0; i < h.log.file_count; i++)
            vlog_drop(h.log.log, h.log.files[i].logical);
        log_fixture_work(&h.log);
        for (size_t i = 0; i < h.log.file_count; i++)
            cr_assert_not(is_there(&h, &h.log.files[i]));
        log_house_deinit(&h);
    }
}

/* A directory of many pages, most of it gaps: one page is read, and the value. */
Test(vlog_value, a_later_generation_costs_one_directory_page)
{
    struct log_house h;
    struct vlog_options options = { .mode = VLOG_RELAXED, .segment_size = 1 << 20 };
    log_house_init(&h, &options, NULL);
    log_house_open(&h);
    for (uint32_t i = 0; i < 1000; i++)
        MUST(log_fixture_append(&h.log, (struct log_shape) { 8, 8, 20 }));
    vlog_roll(h.log.log);
    log_fixture_settle(&h.log);
    cr_assert_eq(adopt_all(&h), 1);
    cr_assert_gt(h.log.files[0].ordinal_end, 7 * VLOG_PAGE_ORDINALS);
    log_house_reopen(&h);
    rewrite(&h, h.log.files[0].logical, 100);
    log_fixture_work(&h.log);
    for (uint64_t i = 1; i <= 1000; i++) {
        struct vlog_stats before;
        struct vlog_stats after;
        for (uint32_t j = 0; j < 8; j++) {
            vlog_stats(h.log.log, &before);
            if (h.log.entries[i].handles[j].ordinal % 100 != 0)
                continue;
            cr_assert_null(log_fixture_read(&h.log, i, j));
            vlog_stats(h.log.log, &after);
            cr_assert_leq(after.device_reads, before.device_reads + 2);
            cr_assert_null(log_fixture_read(&h.log, i, j));
            vlog_stats(h.log.log, &before);
            cr_assert_eq(after.device_reads, before.device_reads, "not cached");
        }
    }
    log_house_deinit(&h);
}

/* Values of segments not worth adopting go to a fresh logical file. */
Test(vlog_value, values_are_copied_to_a_fresh_file)
{
    struct log_house h;
    struct vlog_handle handles[200];
    struct vlog_file file;
    struct vlog_writer *w;
    uint8_t value[3000];
    log_house_init(&h, &durable, NULL);
    log_house_open(&h);
    MUST(vlog_writer_create(h.log.log, h.log.ring, 0, &w));
    for (uint32_t i = 0; i < 200; i++) {
        log_fixture_fill(i, 0, value, sizeof value);
        MUST(vlog_writer_add(w, i * 3, bytes_of(value, i * 15), &handles[i]));
        cr_assert_eq(handles[i].file, vlog_writer_logical(w));
        cr_assert_eq(handles[i].ordinal, i * 3);
        cr_assert_eq(handles[i].length, i * 15);
    }
    MUST_BE(vlog_writer_add(w, 3, bytes_of(value, 1), &handles[0]), ST_INVALID); /* Not rising. */
    MUST_BE(vlog_writer_add(w, UINT32_MAX, bytes_of(value, 1), &handles[0]), ST_LIMIT);
    uint64_t size = vlog_writer_size(w);
    MUST(vlog_writer_finish(w, &file));
    cr_assert_gt(file.size_bytes, size);
    cr_assert_eq(file.ordinal_end, 199 * 3 + 1);
    cr_assert_eq(file.value_count, 200);
    log_fixture_record(&h.log, &file);
    MUST(vlog_install(h.log.log, &file));
    for (int again = 0; again < 2; again++) {
        for (uint32_t i = 0; i < 200; i++) {
            struct fetch_options options = { .cache = h.log.cache, .ring = h.log.ring };
            struct fetch fetch;
            struct bytes read;
            fetch_init(&fetch, &options);
            MUST(vlog_read(h.log.log, &fetch, &handles[i], &read));
            log_fixture_fill(i, 0, value, sizeof value);
            cr_assert(bytes_equal(read, bytes_of(value, i * 15)));
            fetch_deinit(&fetch);
        }
        log_house_reopen(&h);
    }
    log_house_deinit(&h);
}

Test(vlog_value, an_abandoned_or_empty_file_is_gone)
{
    struct log_house h;
    struct vlog_handle handle;
    struct vlog_file file = { .is_segment = false };
    struct vlog_writer *w;
    log_house_init(&h, &durable, NULL);
    log_house_open(&h);
    MUST(vlog_writer_create(h.log.log, h.log.ring, 0, &w));
    file.physical = vlog_writer_logical(w);
    cr_assert(is_there(&h, &file));
    MUST(vlog_writer_add(w, 0, bytes_str("hello"), &handle));
    vlog_writer_abandon(w);
    cr_assert_not(is_there(&h, &file));
    MUST(vlog_writer_create(h.log.log, h.log.ring, 0, &w));
    file.physical = vlog_writer_logical(w);
    MUST_BE(vlog_writer_finish(w, &file), ST_INVALID);
    cr_assert_not(is_there(&h, &file));
    vlog_writer_abandon(NULL);
    log_house_deinit(&h);
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

/* Fresh values come from memory: no device read, however they are asked for. */
Test(vlog_value, fresh_values_are_read_from_the_memory_tail)
{
    struct log_house h;
    struct vlog_stats stats;
    log_house_init(&h, &durable, NULL);
    log_house_open(&h);
    for (uint32_t i = 0; i < 22; i++)
        MUST(log_fixture_append(&h.log, (struct log_shape) { 30, 2, 1000 }));
    vlog_stats(h.log.log, &stats);
    cr_assert_gt(stats.rolls, 0);
    read_all(&h);
    vlog_stats(h.log.log, &stats);
    cr_assert_eq(stats.device_reads, 0);
    cr_assert_eq(stats.tail_hits, 44);
    /* Without a ring, too; and staged values before they are written. */
    struct fetch_options options = { .cache = h.log.cache };
    struct fetch fetch;
    struct bytes value;
    fetch_init(&fetch, &options);
    MUST(log_fixture_stage(&h.log, (struct log_shape) { 30, 1, 1000 }));
    MUST(vlog_read(h.log.log, &fetch, &h.log.entries[23].handles[0], &value));
    cr_assert_eq(value.size, 1000);
    fetch_deinit(&fetch);
    log_house_deinit(&h);
}

/* A non-blocking read says what it wants, and finds it when it comes back; its file may be replaced
 * meanwhile. */
Test(vlog_value, a_read_survives_the_rewriting_of_its_file)
{
    struct log_house h;
    values_init(&h, &durable, 40);
    adopt_all(&h);
    log_house_reopen(&h);
    struct fetch_options options = { .cache = h.log.cache };
    struct fetch fetch;
    struct bytes value;
    const struct vlog_handle *handle = &h.log.entries[7].handles[1];
    struct vlog_file old = h.log.files[0];
    fetch_init(&fetch, &options);
    MUST_BE(vlog_read(h.log.log, &fetch, handle, &value), ST_AGAIN);
    rewrite(&h, old.logical, 1);
    log_fixture_work(&h.log);
    cr_assert(is_there(&h, &old), "unlinked under a reader");
    cr_assert(fetch_submit(&fetch, h.log.ring));
    while (!fetch_is_ready(&fetch)) {
        io_ring_wait(h.log.ring, UINT64_MAX);
        for (struct io_op *op; (op = io_ring_done(h.log.ring)) != NULL;) {
            while (fetch_complete(h.log.cache, op) != NULL)
                ;
        }
    }
    /* Run again: the new file this time, so the directory is wanted, then the value. */
    for (int i = 0; i < 2; i++) {
        MUST_BE(vlog_read(h.log.log, &fetch, handle, &value), ST_AGAIN);
        cr_assert(fetch_submit(&fetch, h.log.ring));
        while (!fetch_is_ready(&fetch)) {
            io_ring_wait(h.log.ring, UINT64_MAX);
            for (struct io_op *op; (op = io_ring_done(h.log.ring)) != NULL;) {
                while (fetch_complete(h.log.cache, op) != NULL)
                    ;
            }
        }
    }
    MUST(vlog_read(h.log.log, &fetch, handle, &value));
    cr_assert_eq(value.size, handle->length);
    fetch_deinit(&fetch);
    log_fixture_work(&h.log);
    cr_assert_not(is_there(&h, &old), "the last reader has left");
    log_house_deinit(&h);
}

/* The memory tail is of the first generation: what it fills the cache with is not taken for a block
 * of the file that replaced it. Method: value k of the new file lies where value k - 1 of the
 * segment lay, and all are of one size. */
Test(vlog_value, the_tail_of_a_rewritten_segment_is_still_its_own)
{
    struct log_house h;
    struct log_shape shape = { 8, LOG_VALUES_MAX, 72 };
    log_house_init(&h, &relaxed, NULL);
    log_house_open(&h);
    MUST(log_fixture_append(&h.log, shape));
    vlog_roll(h.log.log);
    log_fixture_settle(&h.log);
    cr_assert_eq(adopt_all(&h), 1);
    uint32_t first = h.log.entries[1].handles[0].offset;
    cr_assert_eq(first, VLOG_BLOCK + vlog_value_size(72));
    rewrite(&h, h.log.files[0].logical, 1);
    log_fixture_work(&h.log);
    read_all(&h); /* From the tail. */
    struct vlog_stats stats;
    vlog_stats(h.log.log, &stats);
    cr_assert_eq(stats.tail_hits, LOG_VALUES_MAX);
    for (int i = 0; i < 3; i++) {
        MUST(log_fixture_append(&h.log, (struct log_shape) { 10, 0, 0 }));
        vlog_roll(h.log.log);
        log_fixture_settle(&h.log);
    }
    read_all(&h); /* From the new file. */
    vlog_stats(h.log.log, &stats);
    cr_assert_eq(stats.tail_hits, LOG_VALUES_MAX);
    log_house_deinit(&h);
}

/* A handle that no table should hold costs an error, not a crash. */
Test(vlog_value, a_bad_handle_is_corrupt_with_words)
{
    struct log_house h;
    values_init(&h, &durable, 40);
    adopt_all(&h);
    log_house_reopen(&h);
    struct vlog_handle good = h.log.entries[7].handles[1];
    struct vlog_handle rows[] = { good, good, good, good, good, good };
    rows[0].file = 4711;
    rows[1].offset = 1;
    rows[2].offset = UINT32_MAX;
    rows[3].length = UINT32_MAX;
    rows[4].ordinal = UINT32_MAX;
    rows[5].ordinal ^= 1;
    for (int generation = 0; generation < 2; generation++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            struct fetch_options options = { .cache = h.log.cache, .ring = h.log.ring };
            struct fetch fetch;
            struct bytes value;
            fetch_init(&fetch, &options);
            struct status s = vlog_read(h.log.log, &fetch, &rows[i], &value);
            /* A later generation does not need the offset. */
            if (generation == 0 || (i != 1 && i != 2 && i != 5))
                cr_assert_eq(s.code, ST_CORRUPT, "row %zu: %s", i, status_name(s.code));
            if (failed(s))
                cr_assert_gt(strlen(fetch.err.text), 10);
            fetch_deinit(&fetch);
        }
        rewrite(&h, good.file, 1);
        log_fixture_work(&h.log);
    }
    log_house_deinit(&h);
}

/* Every flipped bit of a value, its header, or the directory page that leads to it is reported, by
 * a read and by a scan. */
static struct status ignore_value(void *context, uint32_t ordinal, struct bytes value)
{
    (void)context;
    (void)ordinal;
    (void)value;
    return status_ok();
}

Test(vlog_value, damage_of_a_value_file_is_reported)
{
    for (int generation = 0; generation < 2; generation++) {
        struct log_house h;
        values_init(&h, &durable, 10);
        adopt_all(&h);
        log_house_reopen(&h);
        if (generation == 1) {
            rewrite(&h, h.log.files[0].logical, 2);
            log_fixture_work(&h.log);
        }
        log_fixture_close(&h.log);
        struct vlog_file file = h.log.files[0];
        char name[VLOG_NAME_MAX];
        vlog_file_name(&file, name, sizeof name);
        struct io_sim_choice all = { .keep = IO_SIM_KEEP_ALL };
        struct io_sim_image *image = io_sim_crash_image(h.sim, &all);
        uint64_t missed = 0;
        for (uint64_t at = VLOG_BLOCK; at < file.size_bytes; at += 7) {
            struct io_sim *damaged = io_sim_create(NULL, image);
            struct errbuf err = { { 0 } };
            cr_assert(io_sim_flip(damaged, name, at * 8 + at % 8));
            log_fixture_move(&h.log, io_sim_io(damaged), io_sim_clock(damaged));
            log_house_open(&h);
            struct status s =
                vlog_scan(h.log.log, h.log.ring, file.logical, NULL, ignore_value, NULL, &err);
            bool is_wrong = false;
            for (uint64_t i = 1; i <= 10; i++) {
                for (uint32_t j = 0; j < 2; j++) {
                    if (generation == 1 && h.log.entries[i].handles[j].ordinal % 2 != 0)
                        continue;
                    const char *wrong = log_fixture_read(&h.log, i, j);
                    is_wrong |= wrong != NULL;
                    cr_assert(wrong == NULL || strstr(wrong, name) != NULL, "%s", wrong);
                }
            }
            if (failed(s)) {
                cr_assert_eq(s.code, ST_CORRUPT);
                cr_assert(strstr(err.text, "0000000") != NULL, "%s", err.text);
            } else {
                /* Log records and padding, which nobody reads in a value file. */
                cr_assert_not(is_wrong, "a scan missed what a read found at %lu",
                              (unsigned long)at);
                missed++;
            }
            log_fixture_move(&h.log, io_sim_io(h.sim), io_sim_clock(h.sim));
            io_sim_destroy(damaged);
        }
        cr_assert_lt(missed, (generation == 0 ? 7 : 2) * (file.size_bytes / 7) / 8);
        io_sim_image_destroy(image);
        log_house_deinit(&h);
    }
}

/* A file that is not what the manifest says cannot be installed or opened. */
Test(vlog_value, an_impossible_file_is_refused)
{
    struct log_house h;
    log_house_init(&h, &durable, NULL);
    log_house_open(&h);
    struct vlog_file good = {
        .logical = 5, .physical = 6, .size_bytes = 16384, .value_count = 1, .ordinal_end = 1
    };
    struct vlog_file rows[] = { good, good, good, good, good, good };
    rows[0].logical = 0;
    rows[1].physical = 0;
    rows[2].is_segment = true;
    rows[3].size_bytes = 12288;
    rows[4].size_bytes = 16385;
    rows[5].ordinal_end = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        MUST_BE(vlog_install(h.log.log, &rows[i]), ST_INVALID);
    log_house_deinit(&h);
}
