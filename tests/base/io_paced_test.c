/*
 * A ring that paces reads, with the limit in force: every read is done once, whole or with its
 * failure, none is forgotten, and none is asked for twice. That a wrong count does not go unnoticed
 * is seen when the ring is destroyed: it checks that all that started has come back.
 *
 * The limit is had by a device that is in lockstep everywhere: /dev/zero answers what it is asked
 * while it is asked, so all that the kernel is given at once is there at once. That it counts as
 * read around the page cache is told to the ring behind the machine's back.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io_host.h"
#include "base/rand.h"
#include "tests/base/io_contract.h"
#include "tests/base/io_machine.h"
#include "tests/support/must.h"

enum { DEPTH = 64, ROUNDS_MAX = 1000, READS = 6000, BLOCKS = 64 };

#define PACED(name)                                                                                \
    static void name(struct io_contract_machine *m);                                               \
    Test(base_io_paced, name, .timeout = 300)                                                      \
    {                                                                                              \
        io_machine_run(IO_KIND_URING, true, name);                                                 \
    }                                                                                              \
    Test(base_io_paced, name##_on_a_free_ring, .timeout = 300)                                     \
    {                                                                                              \
        io_machine_run(IO_KIND_URING, false, name);                                                \
    }                                                                                              \
    static void name(struct io_contract_machine *m)

static struct io_ring *paced_ring(struct io_contract_machine *m)
{
    struct io_ring_options o = { .is_thread_bound = m->binds_rings, .paces_reads = true };
    struct io_ring *ring = NULL;

    MUST(io_ring_create(m->io, &o, &ring));
    return ring;
}

static struct io_file *open_as_direct(struct io_contract_machine *m, const char *path,
                                      unsigned flags)
{
    struct io_file *f = NULL;

    MUST(io_open(m->io, path, flags, &f));
    f->flags |= IO_DIRECT;
    return f;
}

static uint8_t *blocks(size_t count)
{
    uint8_t *data = alloc_aligned(alloc_heap(), IO_ALIGN, count * IO_ALIGN);

    cr_assert_not_null(data);
    memset(data, 0xee, count * IO_ALIGN);
    return data;
}

static size_t take_done(struct io_ring *ring)
{
    size_t count = 0;

    while (io_ring_done(ring) != NULL)
        count++;
    return count;
}

/* Ask for DEPTH reads at a time, until one look does not bring them all: the others were held. */
static void come_into_lockstep(struct io_contract_machine *m, struct io_ring *ring, uint8_t *data)
{
    struct io_file *zero = open_as_direct(m, "/dev/zero", IO_READ);
    struct io_op ops[DEPTH] = { 0 };
    size_t count = DEPTH;
    int rounds = 0;

    for (; count == DEPTH && rounds < ROUNDS_MAX; rounds++) {
        for (size_t i = 0; i < DEPTH; i++) {
            ops[i] = (struct io_op) {
                .opcode = IO_OP_READ, .file = zero, .data = data + i * IO_ALIGN, .size = IO_ALIGN
            };
            io_submit(ring, &ops[i]);
        }
        io_ring_wait(ring, UINT64_MAX);
        count = take_done(ring);
        if (count < DEPTH)
            io_contract_wait_all(m, ring, DEPTH - count);
    }
    cr_assert_eq(count, DEPTH / 2, "%zu of %d in round %d", count, DEPTH, rounds);
    for (size_t i = 0; i < DEPTH; i++) {
        MUST(ops[i].status);
        cr_assert_eq(ops[i].done_size, IO_ALIGN);
        cr_assert_not(ops[i].is_pending);
        cr_assert_eq(data[i * IO_ALIGN], 0);
    }
    io_close(zero);
}

/* A file that tells each of its blocks from the others. */
static struct io_file *numbered_file(struct io_contract_machine *m, struct io_ring *ring,
                                     uint8_t *data)
{
    const char *path = io_contract_path(m, "numbered");
    struct io_file *f = io_contract_open(m, "numbered", IO_WRITE | IO_CREATE);
    struct io_file *out = NULL;

    for (size_t i = 0; i < BLOCKS; i++) {
        io_contract_fill(data, IO_ALIGN, i);
        MUST(io_write(ring, f, data, IO_ALIGN, i * IO_ALIGN));
    }
    MUST(io_sync(ring, f));
    io_close(f);
    if (failed(io_open(m->io, path, IO_READ | IO_DIRECT, &out)))
        out = open_as_direct(m, path, IO_READ);
    return out;
}

struct mixed {
    struct io_file *numbered;
    struct io_file *zero;
    struct io_file *broken; /* Page zero of this process is not mapped. */
    struct rand rand;
    uint8_t *data;
    struct io_op ops[DEPTH];
    size_t begun;
    size_t failures;
    size_t short_ones;
};

static void begin_any(struct mixed *x, struct io_ring *ring, struct io_op *op)
{
    size_t slot = (size_t)(op - x->ops);
    uint64_t kind = rand_below(&x->rand, 8);

    x->begun++;
    *op = (struct io_op) {
        .opcode = IO_OP_READ,
        .file = kind == 0   ? x->broken
                : kind == 1 ? x->zero
                            : x->numbered,
        .data = x->data + 2 * slot * IO_ALIGN,
        .size = 2 * IO_ALIGN,
        .offset = kind < 2 ? 0 : rand_below(&x->rand, BLOCKS) * IO_ALIGN,
        .tag = 1,
    };
    io_submit(ring, op);
}

static void end_any(struct mixed *x, struct io_op *op)
{
    uint8_t want[2 * IO_ALIGN];

    cr_assert_eq(op->tag, 1, "handed out twice");
    op->tag = 0;
    if (op->file == x->broken) {
        MUST_BE(op->status, ST_IO);
        x->failures++;
        return;
    }
    MUST(op->status);
    if (op->file == x->zero) {
        cr_assert_eq(op->done_size, op->size);
        return;
    }
    size_t block = op->offset / IO_ALIGN;
    size_t count = block + 1 == BLOCKS ? 1 : 2;
    x->short_ones += count == 1;
    cr_assert_eq(op->done_size, count * IO_ALIGN);
    for (size_t i = 0; i < count; i++)
        io_contract_fill(want + i * IO_ALIGN, IO_ALIGN, block + i);
    cr_assert_eq(memcmp(op->data, want, op->done_size), 0, "block %zu", block);
}

/* Reads of a file, some beyond its end (asked for again, as what came was short), some of a device,
 * some that fail; as many as before at any time, and in the end none. */
PACED(reads_that_are_whole_short_and_broken_are_each_done_once)
{
    static struct mixed x;
    struct io_ring *ring = paced_ring(m);
    uint64_t limit_ns = clock_ns(m->clock) + 200 * 1000 * 1000000ull;
    struct io_op *op;

    x.data = blocks(2 * DEPTH);
    rand_seed(&x.rand, 11);
    come_into_lockstep(m, ring, x.data);
    x.numbered = numbered_file(m, ring, x.data);
    x.zero = open_as_direct(m, "/dev/zero", IO_READ);
    MUST(io_open(m->io, "/proc/self/mem", IO_READ, &x.broken));
    x.broken->flags |= IO_DIRECT;
    for (size_t i = 0; i < DEPTH; i++)
        begin_any(&x, ring, &x.ops[i]);
    for (size_t under_way = DEPTH; under_way > 0;) {
        cr_assert_lt(clock_ns(m->clock), limit_ns, "%zu of %zu reads are lost", under_way, x.begun);
        io_ring_wait(ring, limit_ns);
        while ((op = io_ring_done(ring)) != NULL) {
            end_any(&x, op);
            if (x.begun < READS)
                begin_any(&x, ring, op);
            else
                under_way--;
        }
    }
    cr_assert_gt(x.failures, 0);
    cr_assert_gt(x.short_ones, 0);
    io_ring_destroy(ring);
    io_close(x.numbered);
    io_close(x.zero);
    io_close(x.broken);
    alloc_free(alloc_heap(), x.data, 2 * DEPTH * IO_ALIGN);
}

/* Those that are held start in the order in which they were asked for. */
PACED(reads_that_are_held_keep_their_order)
{
    struct io_ring *ring = paced_ring(m);
    uint8_t *data = blocks(DEPTH);
    struct io_op ops[DEPTH] = { 0 };
    size_t next = 0;
    struct io_op *op;

    come_into_lockstep(m, ring, data);
    struct io_file *zero = open_as_direct(m, "/dev/zero", IO_READ);
    for (size_t i = 0; i < DEPTH; i++) {
        ops[i] = (struct io_op) {
            .opcode = IO_OP_READ, .file = zero, .data = data + i * IO_ALIGN, .size = IO_ALIGN
        };
        io_submit(ring, &ops[i]);
    }
    while (next < DEPTH) {
        io_ring_wait(ring, UINT64_MAX);
        while ((op = io_ring_done(ring)) != NULL)
            cr_assert_eq((size_t)(op - ops), next++);
    }
    io_ring_destroy(ring);
    io_close(zero);
    alloc_free(alloc_heap(), data, DEPTH * IO_ALIGN);
}

/* Nobody writes into the pipe, so half of the reads stay with the kernel. The others could be done
 * at once, and are held; at the end of the ring they are given back, not begun. */
PACED(destroy_gives_back_what_is_held)
{
    struct io_ring *ring = paced_ring(m);
    uint8_t *data = blocks(DEPTH);
    struct io_op ops[DEPTH] = { 0 };

    cr_assert_eq(mkfifo(io_contract_path(m, "pipe"), 0600), 0);
    come_into_lockstep(m, ring, data);
    struct io_file *pipe = open_as_direct(m, io_contract_path(m, "pipe"), IO_READ | IO_WRITE);
    struct io_file *zero = open_as_direct(m, "/dev/zero", IO_READ);
    for (size_t i = 0; i < DEPTH; i++) {
        ops[i] = (struct io_op) { .opcode = IO_OP_READ,
                                  .file = i < DEPTH / 2 ? pipe : zero,
                                  .data = data + i * IO_ALIGN,
                                  .size = IO_ALIGN };
        io_submit(ring, &ops[i]);
    }
    io_ring_wait(ring, 0);
    cr_assert_eq(take_done(ring), 0);
    io_ring_destroy(ring);
    for (size_t i = 0; i < DEPTH; i++) {
        MUST_BE(ops[i].status, ST_CANCELLED);
        cr_assert_not(ops[i].is_pending);
    }
    io_close(pipe);
    io_close(zero);
    alloc_free(alloc_heap(), data, DEPTH * IO_ALIGN);
}
