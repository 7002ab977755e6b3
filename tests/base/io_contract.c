#include "tests/base/io_contract.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/errbuf.h"
#include "base/rand.h"
#include "tests/support/must.h"

enum { PATIENCE_S = 100 };
static const uint64_t MS = 1000 * 1000;
static const uint64_t PATIENCE_NS = PATIENCE_S * 1000 * 1000000ull;

/* ---- Helpers ----------------------------------------------------------------------------- */

const char *io_contract_path(const struct io_contract_machine *m, const char *name)
{
    static char paths[4][256];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", m->dir, name);
    return path;
}

struct io_ring *io_contract_ring(struct io_contract_machine *m, unsigned entries)
{
    struct io_ring_options o = { .entries = entries,
                                 .is_thread_bound = m->binds_rings,
                                 .paces_reads = m->binds_rings,
                                 .polls_busily = m->binds_rings };
    struct io_ring *ring = NULL;

    MUST(io_ring_create(m->io, &o, &ring));
    return ring;
}

struct io_file *io_contract_open(struct io_contract_machine *m, const char *name, unsigned flags)
{
    struct io_file *file = NULL;

    MUST(io_open(m->io, io_contract_path(m, name), flags, &file));
    return file;
}

static void wait_until(struct io_contract_machine *m, struct io_ring *ring, struct io_op *op,
                       size_t count)
{
    uint64_t deadline_ns = clock_ns(m->clock) + PATIENCE_NS;
    size_t met = 0;

    while (op != NULL ? op->is_pending : met < count) {
        cr_assert_lt(clock_ns(m->clock), deadline_ns, "not done after %d s", PATIENCE_S);
        io_ring_wait(ring, deadline_ns);
        for (struct io_op *d = io_ring_done(ring); d != NULL; d = io_ring_done(ring)) {
            cr_assert_not(d->is_pending);
            met++;
        }
    }
}

void io_contract_wait(struct io_contract_machine *m, struct io_ring *ring, struct io_op *op)
{
    wait_until(m, ring, op, 0);
}

void io_contract_run(struct io_contract_machine *m, struct io_ring *ring, struct io_op *op)
{
    io_submit(ring, op);
    io_contract_wait(m, ring, op);
}

void io_contract_wait_all(struct io_contract_machine *m, struct io_ring *ring, size_t count)
{
    wait_until(m, ring, NULL, count);
}

void io_contract_fill(void *data, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i += 8)
        put_u64((uint8_t *)data + i, (seed << 32) + i);
}

static void *block(size_t size, uint64_t seed)
{
    void *data = aligned_alloc(IO_ALIGN, align_up(size, IO_ALIGN));

    cr_assert_not_null(data);
    io_contract_fill(data, align_up(size, IO_ALIGN), seed);
    return data;
}

/* An IO_DIRECT file, or NULL where the file system has none. */
static struct io_file *open_direct(struct io_contract_machine *m, const char *name, unsigned flags)
{
    struct io_file *file = NULL;
    struct status s = io_open(m->io, io_contract_path(m, name), flags | IO_DIRECT, &file);

    if (s.code == ST_UNSUPPORTED)
        cr_skip_test("no direct I/O in %s", m->dir);
    MUST(s);
    return file;
}

/* ---- Files ------------------------------------------------------------------------------- */

void io_contract_a_missing_file_is_not_found(struct io_contract_machine *m)
{
    struct io_file *file = NULL;

    MUST_BE(io_open(m->io, io_contract_path(m, "no"), IO_READ, &file), ST_NOT_FOUND);
    MUST_BE(io_open(m->io, io_contract_path(m, "no"), IO_READ | IO_WRITE, &file), ST_NOT_FOUND);
    MUST_BE(io_open(m->io, io_contract_path(m, "no/file"), IO_WRITE | IO_CREATE, &file),
            ST_NOT_FOUND);
    cr_assert_null(file);
}

void io_contract_an_exclusive_create_of_what_is_there_is_busy(struct io_contract_machine *m)
{
    unsigned flags = IO_WRITE | IO_CREATE | IO_EXCLUSIVE;
    struct io_file *file = NULL;

    io_close(io_contract_open(m, "f", flags));
    MUST_BE(io_open(m->io, io_contract_path(m, "f"), flags, &file), ST_BUSY);
    io_close(io_contract_open(m, "f", IO_WRITE | IO_CREATE));
}

void io_contract_contradictory_flags_are_invalid(struct io_contract_machine *m)
{
    const unsigned bad[] = { 0, IO_CREATE, IO_READ | IO_CREATE, IO_READ | IO_TRUNCATE,
                             IO_WRITE | IO_EXCLUSIVE };
    struct io_file *file = NULL;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        MUST_BE(io_open(m->io, io_contract_path(m, "f"), bad[i], &file), ST_INVALID);
}

/* Sizes around pages, at odd offsets, by ops and by the blocking calls alike. */
void io_contract_what_was_written_is_read(struct io_contract_machine *m)
{
    const size_t sizes[] = { 0, 1, 7, 512, 4095, 4096, 4097, 65536, 100001 };
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *f = io_contract_open(m, "f", IO_READ | IO_WRITE | IO_CREATE);
    uint8_t *out = block(1 << 17, 1);
    uint8_t *in = block(1 << 17, 2);

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint64_t offset = 3001 * i;
        size_t got = 99;
        struct io_op w = {
            .opcode = IO_OP_WRITE, .file = f, .data = out + i, .size = sizes[i], .offset = offset
        };
        struct io_op r = {
            .opcode = IO_OP_READ, .file = f, .data = in, .size = sizes[i], .offset = offset
        };
        io_contract_run(m, ring, &w);
        MUST(w.status);
        cr_assert_eq(w.done_size, sizes[i]);
        io_contract_run(m, ring, &r);
        MUST(r.status);
        cr_assert_eq(r.done_size, sizes[i]);
        cr_assert_eq(memcmp(in, out + i, sizes[i]), 0, "size %zu", sizes[i]);

        MUST(io_write(ring, f, out + 9 + i, sizes[i], offset));
        MUST(io_read(ring, f, in, sizes[i], offset, &got));
        cr_assert_eq(got, sizes[i]);
        cr_assert_eq(memcmp(in, out + 9 + i, sizes[i]), 0, "size %zu, blocking", sizes[i]);
    }
    io_ring_destroy(ring);
    io_close(f);
    free(out);
    free(in);
}

void io_contract_truncation_on_open_empties(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *f = io_contract_open(m, "f", IO_WRITE | IO_CREATE);
    uint64_t size = 0;

    MUST(io_write(ring, f, "abc", 3, 0));
    io_close(f);
    f = io_contract_open(m, "f", IO_WRITE | IO_TRUNCATE);
    MUST(io_size(f, &size));
    cr_assert_eq(size, 0);
    io_close(f);
    io_ring_destroy(ring);
}

void io_contract_a_read_at_the_end_is_short(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *f = io_contract_open(m, "f", IO_READ | IO_WRITE | IO_CREATE);
    uint8_t *data = block(8192, 3);
    uint8_t in[8192];
    const struct {
        uint64_t offset;
        size_t want;
    } cases[] = { { 0, 5000 }, { 4096, 904 }, { 4999, 1 }, { 5000, 0 }, { 9999, 0 } };

    MUST(io_write(ring, f, data, 5000, 0));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t got = 99;
        struct io_op r = { .opcode = IO_OP_READ,
                           .file = f,
                           .data = in,
                           .size = sizeof in,
                           .offset = cases[i].offset };
        io_contract_run(m, ring, &r);
        MUST(r.status);
        cr_assert_eq(r.done_size, cases[i].want);
        cr_assert_eq(memcmp(in, data + cases[i].offset % 8192, cases[i].want), 0);
        MUST(io_read(ring, f, in, sizeof in, cases[i].offset, &got));
        cr_assert_eq(got, cases[i].want);
    }
    io_ring_destroy(ring);
    io_close(f);
    free(data);
}

void io_contract_a_direct_read_at_the_end_is_short(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *f = open_direct(m, "f", IO_READ | IO_WRITE | IO_CREATE);
    uint8_t *data = block(8192, 3);
    uint8_t *in = block(16384, 4);
    size_t got = 0;

    MUST(io_write(ring, f, data, 8192, 0));
    MUST(io_truncate(f, 5000));
    struct io_op r = { .opcode = IO_OP_READ, .file = f, .data = in, .size = 16384 };
    io_contract_run(m, ring, &r);
    MUST(r.status);
    cr_assert_eq(r.done_size, 5000);
    cr_assert_eq(memcmp(in, data, 5000), 0);
    MUST(io_read(ring, f, in, 16384, 0, &got));
    cr_assert_eq(got, 5000);
    MUST(io_read(ring, f, in, 4096, 4096, &got));
    cr_assert_eq(got, 904);
    MUST(io_read(ring, f, in, 4096, 8192, &got));
    cr_assert_eq(got, 0);
    io_ring_destroy(ring);
    io_close(f);
    free(data);
    free(in);
}

void io_contract_a_big_transfer_is_whole(struct io_contract_machine *m)
{
    enum { SIZE = 24 << 20 };
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *f = io_contract_open(m, "f", IO_READ | IO_WRITE | IO_CREATE);
    uint8_t *out = block(SIZE, 5);
    uint8_t *in = block(SIZE, 6);
    struct io_op w = { .opcode = IO_OP_WRITE, .file = f, .data = out, .size = SIZE, .offset = 11 };
    struct io_op r = { .opcode = IO_OP_READ, .file = f, .data = in, .size = SIZE, .offset = 11 };

    io_contract_run(m, ring, &w);
    MUST(w.status);
    cr_assert_eq(w.done_size, SIZE);
    io_contract_run(m, ring, &r);
    MUST(r.status);
    cr_assert_eq(r.done_size, SIZE);
    cr_assert_eq(memcmp(in, out, SIZE), 0);
    io_ring_destroy(ring);
    io_close(f);
    free(out);
    free(in);
}

/* A ring of 4 gets 600 writes and then 600 reads at once, of blocks in random order. */
void io_contract_ops_beyond_the_ring_complete_once_each(struct io_contract_machine *m)
{
    enum { COUNT = 600, SIZE = 512 };
    struct io_ring *ring = io_contract_ring(m, 4);
    struct io_file *f = io_contract_open(m, "f", IO_READ | IO_WRITE | IO_CREATE);
    struct io_op *ops = calloc(COUNT, sizeof *ops);
    uint8_t *data = block(COUNT * SIZE, 7);
    uint8_t *in = block(COUNT * SIZE, 8);

    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < COUNT; i++) {
            size_t at = i * 7919 % COUNT * SIZE; /* 7919 and 600 have no common factor. */
            ops[i] = (struct io_op) { .opcode = pass == 0 ? IO_OP_WRITE : IO_OP_READ,
                                      .file = f,
                                      .data = (pass == 0 ? data : in) + at,
                                      .size = SIZE,
                                      .offset = at };
            io_submit(ring, &ops[i]);
        }
        for (size_t met = 0; met < COUNT;) {
            io_ring_wait(ring, clock_ns(m->clock) + PATIENCE_NS);
            for (struct io_op *d = io_ring_done(ring); d != NULL; d = io_ring_done(ring)) {
                cr_assert_eq(d->tag, 0, "handed out twice");
                d->tag = 1;
                MUST(d->status);
                cr_assert_eq(d->done_size, SIZE);
                met++;
            }
        }
        io_ring_wait(ring, 0);
        cr_assert_null(io_ring_done(ring));
    }
    cr_assert_eq(memcmp(in, data, COUNT * SIZE), 0);
    io_ring_destroy(ring);
    io_close(f);
    free(ops);
    free(data);
    free(in);
}

void io_contract_an_op_against_the_direction_is_invalid(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *writer = io_contract_open(m, "f", IO_WRITE | IO_CREATE);
    struct io_file *reader = io_contract_open(m, "f", IO_READ);
    char data[8] = "abcdefg";
    struct io_op r = { .opcode = IO_OP_READ, .file = writer, .data = data, .size = 8 };
    struct io_op w = { .opcode = IO_OP_WRITE, .file = reader, .data = data, .size = 8 };
    size_t got = 7;

    io_contract_run(m, ring, &r);
    MUST_BE(r.status, ST_INVALID);
    cr_assert_eq(r.error, EBADF);
    io_contract_run(m, ring, &w);
    MUST_BE(w.status, ST_INVALID);
    MUST_BE(io_read(ring, writer, data, 8, 0, &got), ST_INVALID);
    cr_assert_eq(got, 7, "outputs are written on success only");
    MUST_BE(io_write(ring, reader, data, 8, 0), ST_INVALID);
    MUST_BE(io_truncate(reader, 0), ST_INVALID);
    io_ring_destroy(ring);
    io_close(reader);
    io_close(writer);
}

void io_contract_an_unaligned_direct_op_is_invalid(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *f = open_direct(m, "f", IO_READ | IO_WRITE | IO_CREATE);
    uint8_t *data = block(8192, 9);
    size_t got;

    MUST_BE(io_write(ring, f, data + 512, 4096, 0), ST_INVALID);
    MUST_BE(io_write(ring, f, data, 512, 0), ST_INVALID);
    MUST_BE(io_write(ring, f, data, 4096, 512), ST_INVALID);
    MUST_BE(io_read(ring, f, data, 4097, 0, &got), ST_INVALID);
    struct io_op w = { .opcode = IO_OP_WRITE, .file = f, .data = data + 8, .size = 4096 };
    io_contract_run(m, ring, &w);
    MUST_BE(w.status, ST_INVALID);
    MUST(io_write(ring, f, data, 4096, 4096));
    io_ring_destroy(ring);
    io_close(f);
    free(data);
}

void io_contract_an_offset_beyond_the_signed_range_is_invalid(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *f = io_contract_open(m, "f", IO_READ | IO_WRITE | IO_CREATE);
    char data[8] = "abcdefg";
    size_t got;

    MUST_BE(io_write(ring, f, data, 8, UINT64_MAX - 3), ST_INVALID);
    MUST_BE(io_write(ring, f, data, 8, (uint64_t)INT64_MAX - 3), ST_INVALID);
    MUST_BE(io_read(ring, f, data, 8, 1ull << 63, &got), ST_INVALID);
    MUST_BE(io_truncate(f, 1ull << 63), ST_INVALID);
    io_ring_destroy(ring);
    io_close(f);
}

/* A region in the middle of a buffer: ops inside it, across its ends and outside. More regions than
 * were announced are refused, and refused regions change nothing. */
void io_contract_registered_memory_moves_the_same_bytes(struct io_contract_machine *m)
{
    enum { BLOCKS = 12, SIZE = BLOCKS * IO_ALIGN };
    struct io_ring_options o = { .is_thread_bound = m->binds_rings, .regions_max = 2 };
    struct io_ring *ring = NULL;
    uint8_t *data = block(SIZE, 12);
    uint8_t *in = block(SIZE, 13);
    struct io_op ops[BLOCKS - 1];

    MUST(io_ring_create(m->io, &o, &ring));
    struct io_file *f = open_direct(m, "f", IO_READ | IO_WRITE | IO_CREATE);
    struct status first = io_ring_register_memory(ring, in + 8 * IO_ALIGN, 2 * IO_ALIGN);
    struct status second = io_ring_register_memory(ring, in + 2 * IO_ALIGN, 3 * IO_ALIGN);
    cr_assert_eq(first.code, second.code);
    cr_assert(succeeded(first) || first.code == ST_UNSUPPORTED || first.code == ST_NO_MEMORY);
    if (succeeded(first))
        MUST_BE(io_ring_register_memory(ring, in, IO_ALIGN), ST_LIMIT);
    MUST(io_write(ring, f, data, SIZE, 0));
    for (size_t i = 0; i < BLOCKS - 1; i++) {
        ops[i] = (struct io_op) { .opcode = IO_OP_READ,
                                  .file = f,
                                  .data = in + i * IO_ALIGN,
                                  .size = 2 * IO_ALIGN,
                                  .offset = i * IO_ALIGN };
        io_contract_run(m, ring, &ops[i]);
        MUST(ops[i].status);
        cr_assert_eq(ops[i].done_size, 2 * IO_ALIGN);
        cr_assert_eq(memcmp(ops[i].data, data + i * IO_ALIGN, 2 * IO_ALIGN), 0, "at %zu", i);
    }
    for (size_t i = 0; i < BLOCKS - 1; i++) {
        ops[i].opcode = IO_OP_WRITE;
        ops[i].offset += SIZE;
        io_contract_run(m, ring, &ops[i]);
        MUST(ops[i].status);
    }
    size_t got = 0;
    MUST(io_read(ring, f, in, SIZE, SIZE, &got));
    cr_assert_eq(got, SIZE);
    cr_assert_eq(memcmp(in, data, SIZE), 0);
    io_ring_destroy(ring);
    io_close(f);
    free(data);
    free(in);
}

void io_contract_direct_durable_writes_are_read_back(struct io_contract_machine *m)
{
    enum { BLOCKS = 16 };
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *f = open_direct(m, "f", IO_READ | IO_WRITE | IO_CREATE | IO_DSYNC);
    uint8_t *data = block(BLOCKS * IO_ALIGN, 10);
    uint8_t *in = block(BLOCKS * IO_ALIGN, 11);
    struct io_op ops[BLOCKS];
    size_t got = 0;

    for (size_t i = 0; i < BLOCKS; i++) {
        /* The hints change nothing. */
        ops[i] = (struct io_op) { .opcode = IO_OP_WRITE,
                                  .wants_worker = i % 2 == 0,
                                  .file = f,
                                  .data = data + i * IO_ALIGN,
                                  .size = IO_ALIGN,
                                  .offset = i * IO_ALIGN };
        io_submit(ring, &ops[i]);
        if (i % 3 == 0)
            io_ring_start(ring);
    }
    io_contract_wait_all(m, ring, BLOCKS);
    for (size_t i = 0; i < BLOCKS; i++)
        MUST(ops[i].status);
    MUST(io_read(ring, f, in, BLOCKS * IO_ALIGN, 0, &got));
    cr_assert_eq(got, BLOCKS * IO_ALIGN);
    cr_assert_eq(memcmp(in, data, got), 0);
    io_ring_destroy(ring);
    io_close(f);
    free(data);
    free(in);
}

void io_contract_a_sync_after_writes_is_ok(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *f = io_contract_open(m, "f", IO_WRITE | IO_CREATE);
    struct io_op s = { .opcode = IO_OP_SYNC, .file = f };

    MUST(io_write(ring, f, "abc", 3, 0));
    io_contract_run(m, ring, &s);
    MUST(s.status);
    MUST(io_write(ring, f, "def", 3, 3));
    MUST(io_sync(ring, f));
    MUST(io_sync_dir(m->io, m->dir));
    MUST_BE(io_sync_dir(m->io, io_contract_path(m, "no")), ST_NOT_FOUND);
    io_ring_destroy(ring);
    io_close(f);
}

void io_contract_size_truncate_allocate(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *f = io_contract_open(m, "f", IO_READ | IO_WRITE | IO_CREATE);
    uint64_t size = 99;
    uint8_t in[16] = { 1 };
    size_t got = 0;

    MUST(io_size(f, &size));
    cr_assert_eq(size, 0);
    MUST(io_allocate(f, 0, 65536));
    MUST(io_size(f, &size));
    cr_assert_eq(size, 0, "reserving blocks does not change the size");
    MUST(io_write(ring, f, "0123456789", 10, 0));
    MUST(io_truncate(f, 4));
    MUST(io_truncate(f, 12));
    MUST(io_size(f, &size));
    cr_assert_eq(size, 12);
    MUST(io_read(ring, f, in, sizeof in, 0, &got));
    cr_assert_eq(got, 12);
    cr_assert_eq(memcmp(in, "0123\0\0\0\0\0\0\0\0", 12), 0);
    MUST_BE(io_allocate(f, 0, 0), ST_INVALID);
    io_ring_destroy(ring);
    io_close(f);
}

void io_contract_a_file_serves_two_rings(struct io_contract_machine *m)
{
    struct io_ring *a = io_contract_ring(m, 0);
    struct io_ring *b = io_contract_ring(m, 0);
    struct io_file *f = io_contract_open(m, "f", IO_READ | IO_WRITE | IO_CREATE);
    char in[4] = "";
    struct io_op w1 = { .opcode = IO_OP_WRITE, .file = f, .data = "ab", .size = 2 };
    struct io_op w2 = { .opcode = IO_OP_WRITE, .file = f, .data = "cd", .size = 2, .offset = 2 };
    struct io_op r = { .opcode = IO_OP_READ, .file = f, .data = in, .size = 4 };

    io_submit(a, &w1);
    io_submit(b, &w2);
    io_contract_wait(m, b, &w2);
    io_contract_wait(m, a, &w1);
    io_contract_run(m, a, &r);
    cr_assert_eq(memcmp(in, "abcd", 4), 0);
    io_ring_destroy(a);
    io_ring_destroy(b);
    io_close(f);
}

void io_contract_an_unlinked_file_lives_while_open(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *f = io_contract_open(m, "f", IO_READ | IO_WRITE | IO_CREATE);
    char in[3];
    size_t got = 0;
    bool exists = true;

    MUST(io_write(ring, f, "abc", 3, 0));
    MUST(io_unlink(m->io, io_contract_path(m, "f")));
    MUST(io_exists(m->io, io_contract_path(m, "f"), &exists));
    cr_assert_not(exists);
    MUST(io_read(ring, f, in, 3, 0, &got));
    cr_assert_eq(memcmp(in, "abc", 3), 0);
    io_ring_destroy(ring);
    io_close(f);
}

/* ---- Names ------------------------------------------------------------------------------- */

void io_contract_directories_are_made_once(struct io_contract_machine *m)
{
    bool exists = false;

    MUST(io_mkdir(m->io, io_contract_path(m, "d")));
    MUST(io_mkdir(m->io, io_contract_path(m, "d")));
    MUST(io_exists(m->io, io_contract_path(m, "d"), &exists));
    cr_assert(exists);
    MUST_BE(io_mkdir(m->io, io_contract_path(m, "no/d")), ST_NOT_FOUND);
    io_close(io_contract_open(m, "f", IO_WRITE | IO_CREATE));
    MUST_BE(io_mkdir(m->io, io_contract_path(m, "f")), ST_INVALID);
    io_close(io_contract_open(m, "d/f", IO_WRITE | IO_CREATE));
}

void io_contract_rename_replaces(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *f;
    char in[2] = "";
    size_t got = 0;
    bool exists = true;

    for (const char *name = "ab"; *name != '\0'; name++) {
        f = io_contract_open(m, *name == 'a' ? "a" : "b", IO_WRITE | IO_CREATE);
        MUST(io_write(ring, f, name, 1, 0));
        io_close(f);
    }
    MUST(io_rename(m->io, io_contract_path(m, "a"), io_contract_path(m, "b")));
    MUST(io_exists(m->io, io_contract_path(m, "a"), &exists));
    cr_assert_not(exists);
    f = io_contract_open(m, "b", IO_READ);
    MUST(io_read(ring, f, in, 2, 0, &got));
    cr_assert_eq(got, 1);
    cr_assert_eq(in[0], 'a');
    io_close(f);
    MUST_BE(io_rename(m->io, io_contract_path(m, "a"), io_contract_path(m, "c")), ST_NOT_FOUND);
    io_ring_destroy(ring);
}

void io_contract_link_gives_a_second_name(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *f = io_contract_open(m, "a", IO_WRITE | IO_CREATE);
    char in[4];
    size_t got = 0;

    MUST(io_link(m->io, io_contract_path(m, "a"), io_contract_path(m, "b")));
    MUST_BE(io_link(m->io, io_contract_path(m, "a"), io_contract_path(m, "b")), ST_BUSY);
    MUST_BE(io_link(m->io, io_contract_path(m, "no"), io_contract_path(m, "c")), ST_NOT_FOUND);
    MUST(io_unlink(m->io, io_contract_path(m, "a")));
    MUST(io_write(ring, f, "late", 4, 0));
    io_close(f);
    f = io_contract_open(m, "b", IO_READ);
    MUST(io_read(ring, f, in, 4, 0, &got));
    cr_assert_eq(got, 4);
    cr_assert_eq(memcmp(in, "late", 4), 0);
    io_close(f);
    io_ring_destroy(ring);
}

void io_contract_unlink_of_nothing_is_not_found(struct io_contract_machine *m)
{
    bool exists = true;

    MUST_BE(io_unlink(m->io, io_contract_path(m, "no")), ST_NOT_FOUND);
    MUST(io_exists(m->io, io_contract_path(m, "no"), &exists));
    cr_assert_not(exists);
}

void io_contract_unlink_takes_an_empty_directory(struct io_contract_machine *m)
{
    bool exists = true;

    MUST(io_mkdir(m->io, io_contract_path(m, "d")));
    io_close(io_contract_open(m, "d/f", IO_WRITE | IO_CREATE));
    MUST_BE(io_unlink(m->io, io_contract_path(m, "d")), ST_IO);
    MUST(io_unlink(m->io, io_contract_path(m, "d/f")));
    MUST(io_unlink(m->io, io_contract_path(m, "d")));
    MUST(io_exists(m->io, io_contract_path(m, "d"), &exists));
    cr_assert_not(exists);
    MUST(io_mkdir(m->io, io_contract_path(m, "d")));
    io_close(io_contract_open(m, "d/f", IO_WRITE | IO_CREATE));
}

struct listing {
    char text[256];
    size_t limit;
    size_t count;
};

static bool note_name(void *context, const char *name)
{
    struct listing *l = context;

    strncat(l->text, name, sizeof l->text - strlen(l->text) - 1);
    strncat(l->text, " ", sizeof l->text - strlen(l->text) - 1);
    return ++l->count < l->limit;
}

void io_contract_a_list_is_sorted_and_stops(struct io_contract_machine *m)
{
    const char *const names[] = { "m", "a10", "z", "a9", ".hidden" };
    struct listing all = { .limit = 99 };
    struct listing two = { .limit = 2 };
    struct listing none = { .limit = 99 };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        io_close(io_contract_open(m, names[i], IO_WRITE | IO_CREATE));
    MUST(io_mkdir(m->io, io_contract_path(m, "dir")));
    MUST(io_list(m->io, m->dir, note_name, &all));
    cr_assert_str_eq(all.text, ".hidden a10 a9 dir m z ");
    MUST(io_list(m->io, m->dir, note_name, &two));
    cr_assert_str_eq(two.text, ".hidden a10 ");
    MUST(io_list(m->io, io_contract_path(m, "dir"), note_name, &none));
    cr_assert_eq(none.count, 0);
    MUST_BE(io_list(m->io, io_contract_path(m, "no"), note_name, &none), ST_NOT_FOUND);
}

void io_contract_a_lock_is_exclusive_and_names_its_holder(struct io_contract_machine *m)
{
    struct io_lock *lock = NULL;
    struct io_lock *other = NULL;
    struct errbuf err = { "" };

    MUST(io_lock_take(m->io, io_contract_path(m, "LOCK"), &err, &lock));
    MUST_BE(io_lock_take(m->io, io_contract_path(m, "LOCK"), &err, &other), ST_BUSY);
    cr_assert_not_null(strstr(err.text, "LOCK"), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "process "), "%s", err.text);
    cr_assert_null(other);
    MUST_BE(io_lock_take(m->io, io_contract_path(m, "no/LOCK"), &err, &other), ST_NOT_FOUND);
    MUST(io_lock_take(m->io, io_contract_path(m, "LOCK2"), &err, &other));
    io_lock_drop(other);
    io_lock_drop(lock);
    MUST(io_lock_take(m->io, io_contract_path(m, "LOCK"), &err, &lock));
    io_lock_drop(lock);
}

/* ---- Waiting ----------------------------------------------------------------------------- */

void io_contract_a_wait_without_deadline_returns_at_once(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);

    io_ring_wait(ring, 0);
    cr_assert_null(io_ring_done(ring));
    io_ring_wait(ring, 1); /* Long past. */
    cr_assert_null(io_ring_done(ring));
    io_ring_destroy(ring);
}

void io_contract_a_wait_ends_at_its_deadline(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    uint64_t start_ns = clock_ns(m->clock);
    int turns = 0;

    while (clock_ns(m->clock) < start_ns + 20 * MS) {
        io_ring_wait(ring, start_ns + 20 * MS);
        cr_assert_null(io_ring_done(ring));
        cr_assert_lt(++turns, 20, "the ring spins instead of sleeping");
    }
    cr_assert_lt(clock_ns(m->clock), start_ns + PATIENCE_NS);
    io_ring_destroy(ring);
}

void io_contract_timers_fire_in_order_and_not_early(struct io_contract_machine *m)
{
    enum { COUNT = 100 };
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_op timers[COUNT];
    uint64_t start_ns = clock_ns(m->clock);
    uint64_t last_ns = 0;

    for (size_t i = 0; i < COUNT; i++) {
        /* 37 and 100 have no common factor: all different, in no order. */
        timers[i] = (struct io_op) { .opcode = IO_OP_TIMER,
                                     .deadline_ns = start_ns + (i * 37 % COUNT) * MS / 4 };
        io_submit(ring, &timers[i]);
    }
    for (size_t met = 0; met < COUNT;) {
        io_ring_wait(ring, UINT64_MAX);
        for (struct io_op *d = io_ring_done(ring); d != NULL; d = io_ring_done(ring)) {
            MUST(d->status);
            cr_assert_geq(d->deadline_ns, last_ns);
            cr_assert_geq(clock_ns(m->clock), d->deadline_ns, "early");
            last_ns = d->deadline_ns;
            met++;
        }
    }
    io_ring_destroy(ring);
}

void io_contract_a_wake_ends_the_next_wait(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);

    io_ring_wake(ring);
    io_ring_wake(ring);
    io_ring_wait(ring, UINT64_MAX);
    cr_assert_null(io_ring_done(ring));
    /* And it is used up: the next wait lasts. */
    uint64_t deadline_ns = clock_ns(m->clock) + 5 * MS;
    for (int turns = 0; clock_ns(m->clock) < deadline_ns; turns++) {
        cr_assert_lt(turns, 10);
        io_ring_wait(ring, deadline_ns);
    }
    io_ring_destroy(ring);
}

void io_contract_what_is_not_collected_stays(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_op a = { .opcode = IO_OP_TIMER, .deadline_ns = 1 };
    struct io_op b = { .opcode = IO_OP_TIMER, .deadline_ns = 2 };

    io_submit(ring, &a);
    io_submit(ring, &b);
    io_ring_wait(ring, UINT64_MAX);
    cr_assert_eq(io_ring_done(ring), &a);
    io_ring_wait(ring, UINT64_MAX);
    cr_assert_eq(io_ring_done(ring), &b);
    cr_assert_null(io_ring_done(ring));
    io_ring_destroy(ring);
}

void io_contract_blocking_calls_leave_other_ops_alone(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *f = io_contract_open(m, "f", IO_READ | IO_WRITE | IO_CREATE);
    char in[3];
    size_t got = 0;
    struct io_op timer = { .opcode = IO_OP_TIMER, .deadline_ns = 1 };
    struct io_op w = { .opcode = IO_OP_WRITE, .file = f, .data = "xyz", .size = 3, .offset = 100 };

    io_submit(ring, &timer);
    io_submit(ring, &w);
    MUST(io_write(ring, f, "abc", 3, 0));
    MUST(io_read(ring, f, in, 3, 0, &got));
    MUST(io_sync(ring, f));
    cr_assert_eq(memcmp(in, "abc", 3), 0);
    cr_assert(timer.is_pending);
    cr_assert(w.is_pending);
    io_contract_wait_all(m, ring, 2);
    cr_assert_not(timer.is_pending);
    MUST(w.status);
    io_ring_destroy(ring);
    io_close(f);
}

void io_contract_waiting_for_one_op_leaves_the_others(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *f = io_contract_open(m, "f", IO_READ | IO_WRITE | IO_CREATE);
    struct io_op a = { .opcode = IO_OP_WRITE, .file = f, .data = "abc", .size = 3 };
    struct io_op b = { .opcode = IO_OP_WRITE, .file = f, .data = "xyz", .size = 3, .offset = 3 };
    struct io_op timer = { .opcode = IO_OP_TIMER, .deadline_ns = 1 };

    io_submit(ring, &timer);
    io_submit(ring, &a);
    io_submit(ring, &b);
    MUST(io_wait(ring, &b));
    cr_assert_not(b.is_pending);
    MUST(io_wait(ring, &a)); /* Done already, perhaps: met on the way. */
    MUST(io_wait(ring, &a)); /* Nothing to wait for any more. */
    cr_assert(timer.is_pending);
    io_contract_wait_all(m, ring, 1);
    cr_assert_not(timer.is_pending);
    io_ring_destroy(ring);
    io_close(f);
}

void io_contract_a_blocking_call_swallows_no_wake(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *f = io_contract_open(m, "f", IO_WRITE | IO_CREATE);

    io_ring_wake(ring);
    MUST(io_write(ring, f, "abc", 3, 0));
    MUST(io_sync(ring, f));
    io_ring_wait(ring, UINT64_MAX);
    io_ring_destroy(ring);
    io_close(f);
}

void io_contract_destroy_cancels_what_is_pending(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_contract_pair p = io_contract_connect(m, ring);
    struct io_file *f = io_contract_open(m, "f", IO_WRITE | IO_CREATE);
    char in[16];
    char in2[16];
    struct io_op timer = { .opcode = IO_OP_TIMER, .deadline_ns = UINT64_MAX - 1 };
    struct io_op r = { .opcode = IO_OP_RECV, .socket = p.client, .data = in, .size = sizeof in };
    struct io_op r2 = { .opcode = IO_OP_RECV, .socket = p.server, .data = in2, .size = 16 };
    struct io_op a = { .opcode = IO_OP_ACCEPT, .socket = p.listener };
    struct io_op w = { .opcode = IO_OP_WRITE, .file = f, .data = "abc", .size = 3 };

    io_submit(ring, &timer);
    io_submit(ring, &r);
    io_submit(ring, &a);
    io_ring_wait(ring, 0);
    io_submit(ring, &r2); /* These two the ring has not seen yet. */
    io_submit(ring, &w);
    io_ring_destroy(ring);
    struct io_op *ops[] = { &timer, &r, &a, &r2, &w };
    for (size_t i = 0; i < 5; i++)
        cr_assert_not(ops[i]->is_pending, "op %zu", i);
    for (size_t i = 0; i < 4; i++)
        MUST_BE(ops[i]->status, ST_CANCELLED);
    cr_assert(w.status.code == ST_CANCELLED || w.done_size == 3);
    io_contract_disconnect(&p);
    io_close(f);
}
