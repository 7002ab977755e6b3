/*
 * Files written by format version 1, kept under tests/data/vlog/: today's program writes the same
 * bytes, and reads them back. REWRITE=1 writes them anew (a change of format, with its version).
 *
 * A file is kept without the zeros at its end.
 */
#include "tests/support/must.h"
#include "tests/vlog/support/log_house.h"

#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX = 64 * 1024 };

static const struct vlog_options modes[] = {
    { .mode = VLOG_DURABLE, .segment_size = 32 * 1024 },
    { .mode = VLOG_RELAXED, .segment_size = 32 * 1024 },
};

/* All kinds of records, two runs, a seal, an adopted segment, a value file with gaps. */
static void write_store(struct log_house *h, const struct vlog_options *options)
{
    struct vlog_hard_state state = { .group = 1, .term = 2, .vote = 3, .commit = 4 };
    struct vlog_file file;
    struct vlog_handle handle;
    struct vlog_writer *w;

    log_house_init(h, options, NULL);
    log_house_open(h);
    MUST(vlog_stage_hard_state(h->log.log, &state));
    MUST(log_fixture_stage(&h->log, (struct log_shape) { 5, 0, 0 }));
    MUST(log_fixture_append(&h->log, (struct log_shape) { 0, 2, 11 }));
    MUST(log_fixture_append(&h->log, (struct log_shape) { 9, 1, 30 }));
    vlog_roll(h->log.log);
    log_fixture_settle(&h->log);
    MUST(vlog_adopt(h->log.log, h->log.ring, 1, &file));
    log_fixture_record(&h->log, &file);
    MUST(vlog_writer_create(h->log.log, h->log.ring, 0, &w));
    MUST(vlog_writer_add(w, 1, bytes_str("one"), &handle));
    MUST(vlog_writer_add(w, 1025, bytes_str("a second page"), &handle));
    MUST(vlog_writer_finish(w, &file));
    log_fixture_record(&h->log, &file);
    MUST(log_fixture_append(&h->log, (struct log_shape) { 4, 0, 0 }));
    log_fixture_close(&h->log);
    log_house_open(h);
    MUST(log_fixture_append(&h->log, (struct log_shape) { 6, 0, 0 }));
    log_fixture_close(&h->log);
}

static void data_path(const char *mode, const char *name, char *out, size_t size)
{
    (void)snprintf(out, size, "tests/data/vlog/%s-%s", mode, name);
}

struct walk {
    struct log_house *h;
    const char *mode;
    unsigned files;
};

static void compare_file(void *context, const char *path, uint64_t size)
{
    struct walk *w = context;
    uint8_t *bytes = calloc(1, FILE_MAX);
    uint8_t *golden = calloc(1, FILE_MAX);
    const char *name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    char data[128];

    cr_assert_leq(size, FILE_MAX);
    cr_assert(io_sim_peek(w->h->sim, path, 0, bytes, size));
    data_path(w->mode, name, data, sizeof data);
    size_t used = size;
    while (used > 0 && bytes[used - 1] == 0)
        used--;
    if (getenv("REWRITE") != NULL) {
        FILE *out = fopen(data, "wb");
        cr_assert_not_null(out, "%s", data);
        cr_assert_eq(fwrite(bytes, 1, used, out), used);
        (void)fclose(out);
    }
    FILE *in = fopen(data, "rb");
    cr_assert_not_null(in, "%s is not there", data);
    cr_assert_eq(fread(golden, 1, FILE_MAX, in), used, "%s has another size", data);
    (void)fclose(in);
    for (size_t i = 0; i < used; i++)
        cr_assert_eq(bytes[i], golden[i], "%s differs at %zu", data, i);
    free(bytes);
    free(golden);
    w->files++;
}

Test(vlog_golden, the_bytes_are_those_of_version_1)
{
    for (int mode = 0; mode < 2; mode++) {
        struct log_house h;
        struct walk w = { .h = &h, .mode = mode == 0 ? "durable" : "relaxed" };
        write_store(&h, &modes[mode]);
        io_sim_walk(h.sim, compare_file, &w);
        cr_assert_geq(w.files, 4);
        log_house_deinit(&h);
    }
}

static void load_file(struct log_house *h, const char *mode, const char *name)
{
    uint8_t *golden = calloc(1, FILE_MAX);
    struct io_file *file;
    char data[128];

    data_path(mode, name, data, sizeof data);
    FILE *in = fopen(data, "rb");
    cr_assert_not_null(in, "%s is not there", data);
    size_t size = fread(golden, 1, FILE_MAX, in);
    (void)fclose(in);
    MUST(io_open(h->log.env.io, name, IO_WRITE | IO_CREATE, &file));
    MUST(io_write(h->log.ring, file, golden, align_up(size, VLOG_BLOCK), 0));
    io_close(file);
    free(golden);
}

Test(vlog_golden, files_of_version_1_are_read)
{
    static const char *const names[] = { "00000001.log", "00000002.log", "00000003.val",
                                         "00000004.log" };
    for (int mode = 0; mode < 2; mode++) {
        struct log_house written;
        struct log_house h;
        struct vlog_hard_state state;
        write_store(&written, &modes[mode]);
        log_house_init(&h, &modes[mode], NULL);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            load_file(&h, mode == 0 ? "durable" : "relaxed", names[i]);
        log_fixture_know(&h.log, &written.log);
        for (size_t i = 0; i < written.log.file_count; i++)
            log_fixture_record(&h.log, &written.log.files[i]);
        h.log.next_id = 100;
        log_house_open(&h);
        cr_assert_eq(h.log.replayed_first, 1);
        cr_assert_eq(h.log.replayed_last, 5);
        cr_assert(vlog_hard_state(h.log.log, 1, &state));
        cr_assert(state.term == 2 && state.vote == 3 && state.commit == 4);
        const char *wrong = log_fixture_read_all(&h.log);
        cr_assert_null(wrong, "%s", wrong);
        struct fetch_options options = { .cache = h.log.cache, .ring = h.log.ring };
        struct vlog_handle handle = { .file = 3, .ordinal = 1025, .offset = 4112, .length = 13 };
        struct fetch fetch;
        struct bytes value;
        fetch_init(&fetch, &options);
        MUST(vlog_read(h.log.log, &fetch, &handle, &value));
        cr_assert(bytes_equal(value, bytes_str("a second page")));
        fetch_deinit(&fetch);
        log_house_deinit(&h);
        log_house_deinit(&written);
    }
}
