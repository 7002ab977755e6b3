/*
 * bench_random_read -- how often a second the device gives a random piece of some files, when so
 * many reads are asked for at a time.
 *
 *     bench_random_read DEPTH SECONDS BYTES FILE...
 *
 * One thread, one ring, reads around the page cache into memory that the kernel has pinned; who is
 * done is asked for again, and what was done meanwhile goes to the kernel with one call. So it is
 * the most a store over the same seam could read, and what bench/cold_get measures a server by.
 * Pieces begin at page boundaries, each page as likely as another. BYTES is their mean: where it is
 * not a whole number of pages, some have the page more that makes it up.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/histogram.h"
#include "base/io.h"
#include "base/process.h"
#include "base/rand.h"

enum { DEPTH_MAX = 4096, PIECE_MAX = 1 << 20, FILES_MAX = 4096, USAGE = 2 };

static const uint64_t NS_PER_S = 1000 * 1000 * 1000;

struct file {
    struct io_file *file;
    uint64_t pages_before; /* Of the files before it. */
    uint64_t pages;
};

struct piece {
    struct io_op op;
    uint64_t began_ns;
};

struct reader {
    struct io *io;
    struct io_ring *ring;
    struct file files[FILES_MAX];
    size_t file_count;
    uint64_t page_count;
    struct piece pieces[DEPTH_MAX];
    size_t depth;
    double pages_mean;
    size_t piece_max; /* Bytes. */
    uint8_t *memory;
    struct rand rand;
    uint64_t now_ns;
    uint64_t done;
    uint64_t done_bytes;
    struct status status; /* The last failure of a read. */
    struct histogram latency_us;
};

/* A file with less than a piece is left out. */
static struct status add_file(struct reader *r, const char *path)
{
    struct file *f = &r->files[r->file_count];
    uint64_t size;

    TRY(io_open(r->io, path, IO_READ | IO_DIRECT, &f->file));
    struct status s = io_size(f->file, &size);
    if (failed(s) || size < r->piece_max) {
        io_close(f->file);
        return s;
    }
    f->pages_before = r->page_count;
    f->pages = (size - r->piece_max) / IO_ALIGN + 1;
    r->page_count += f->pages;
    r->file_count++;
    return s;
}

static const struct file *file_of(const struct reader *r, uint64_t page)
{
    size_t low = 0;
    size_t high = r->file_count;

    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (r->files[middle].pages_before <= page)
            low = middle;
        else
            high = middle;
    }
    return &r->files[low];
}

static size_t draw_size(struct reader *r)
{
    size_t pages = (size_t)r->pages_mean;
    double rest = r->pages_mean - (double)pages;

    return (pages + (rest > 0 && rand_double(&r->rand) < rest)) * IO_ALIGN;
}

static void begin(struct reader *r, struct piece *p)
{
    uint64_t page = rand_below(&r->rand, r->page_count);
    const struct file *f = file_of(r, page);

    p->began_ns = r->now_ns;
    p->op = (struct io_op) {
        .opcode = IO_OP_READ,
        .file = f->file,
        .data = r->memory + (size_t)(p - r->pieces) * r->piece_max,
        .size = draw_size(r),
        .offset = (page - f->pages_before) * IO_ALIGN,
        .owner = p,
    };
    io_submit(r->ring, &p->op);
}

static void end(struct reader *r, struct piece *p)
{
    CHECK(failed(p->op.status) || p->op.done_size == p->op.size);
    if (failed(p->op.status))
        r->status = p->op.status;
    r->done++;
    r->done_bytes += p->op.done_size;
    histogram_add(&r->latency_us, (r->now_ns - p->began_ns) / 1000);
}

/* Keep depth reads under way until the time is over, then wait for the last ones. */
static void run(struct reader *r, uint64_t until_ns)
{
    size_t under_way = r->depth;
    struct io_op *op;

    for (size_t i = 0; i < r->depth; i++)
        begin(r, &r->pieces[i]);
    while (under_way > 0) {
        io_ring_wait(r->ring, UINT64_MAX);
        r->now_ns = clock_ns(clock_system());
        while ((op = io_ring_done(r->ring)) != NULL) {
            end(r, op->owner);
            if (r->now_ns < until_ns && succeeded(r->status))
                begin(r, op->owner);
            else
                under_way--;
        }
    }
}

static struct status set_up(struct reader *r, int argc, char **argv)
{
    const struct io_ring_options options = { .entries = DEPTH_MAX,
                                             .is_thread_bound = true,
                                             .regions_max = 1 };

    TRY(io_open_machine(alloc_heap(), IO_KIND_URING, &r->io, NULL));
    TRY(io_ring_create(r->io, &options, &r->ring));
    r->memory = alloc_aligned(alloc_heap(), IO_ALIGN, r->depth * r->piece_max);
    if (r->memory == NULL)
        return status_of(ST_NO_MEMORY);
    memset(r->memory, 0, r->depth * r->piece_max);
    status_ignore(io_ring_register_memory(r->ring, r->memory, r->depth * r->piece_max),
                  "it is a hint");
    rand_seed(&r->rand, clock_ns(clock_system()));
    histogram_init(&r->latency_us);
    for (int i = 0; i < argc; i++)
        TRY(add_file(r, argv[i]));
    return r->page_count > 0 ? status_ok() : status_of(ST_INVALID);
}

static void tear_down(struct reader *r)
{
    io_ring_destroy(r->ring);
    for (size_t i = 0; i < r->file_count; i++)
        io_close(r->files[i].file);
    if (r->io != NULL)
        io_close_machine(r->io);
    alloc_free(alloc_heap(), r->memory, r->depth * r->piece_max);
}

static void report(const struct reader *r, double seconds, const struct process_usage *before)
{
    struct process_usage after;

    process_usage(&after);
    uint64_t cpu_us = after.user_us + after.system_us - before->user_us - before->system_us;
    double count = (double)r->done;
    printf("reads %llu\nreads_per_s %.0f\nbytes_per_read %.0f\ncpu_us_per_read %.2f\n"
           "p50_us %.0f\np99_us %.0f\n",
           (unsigned long long)r->done, count / seconds, (double)r->done_bytes / count,
           (double)cpu_us / count, histogram_percentile(&r->latency_us, 50),
           histogram_percentile(&r->latency_us, 99));
}

/* In one allocation: it is large. */
int main(int argc, char **argv)
{
    struct reader *r = alloc_zeroed(alloc_heap(), sizeof *r);
    uint64_t depth = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 0;
    uint64_t bytes = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    struct process_usage before;

    if (r == NULL || depth == 0 || depth > DEPTH_MAX || seconds <= 0 || bytes < IO_ALIGN ||
        bytes > PIECE_MAX || argc < 5 || argc - 4 > FILES_MAX) {
        (void)fprintf(stderr,
                      "usage: bench_random_read DEPTH SECONDS BYTES FILE...\n"
                      "DEPTH up to %d, BYTES from %d to %d, the mean of a read's\n",
                      DEPTH_MAX, IO_ALIGN, PIECE_MAX);
        return USAGE;
    }
    r->depth = depth;
    r->pages_mean = (double)bytes / IO_ALIGN;
    r->piece_max = (size_t)align_up(bytes, IO_ALIGN);
    struct status s = set_up(r, argc - 4, argv + 4);
    if (succeeded(s)) {
        process_usage(&before);
        uint64_t start_ns = r->now_ns = clock_ns(clock_system());
        run(r, start_ns + (uint64_t)(seconds * (double)NS_PER_S));
        s = r->status;
        report(r, (double)(r->now_ns - start_ns) / (double)NS_PER_S, &before);
    }
    if (failed(s))
        (void)fprintf(stderr, "bench_random_read: %s\n", status_text(s));
    tear_down(r);
    alloc_free(alloc_heap(), r, sizeof *r);
    return failed(s);
}
