#include "lsm/table_writer.h"

#include "base/budget.h"
#include "base/check.h"

enum { PIECE_SIZE = 512 << 10, PIECES_SIZE = TABLE_WRITER_PIECES * PIECE_SIZE };

static struct status create_file(struct table_writer *w)
{
    unsigned flags = IO_WRITE | IO_CREATE | IO_TRUNCATE;
    struct status s = io_open(w->env->io, w->path, flags | IO_DIRECT, &w->file);

    if (s.code == ST_UNSUPPORTED)
        s = io_open(w->env->io, w->path, flags, &w->file);
    return s;
}

struct status table_writer_init(struct table_writer *w, const struct env *env, struct io_ring *ring,
                                const char *path)
{
    *w = (struct table_writer) { .env = env, .ring = ring };
    TRY(budget_charge(env->budget, BUDGET_JOB, PIECES_SIZE));
    uint8_t *pieces = alloc_aligned(env->alloc, IO_ALIGN, PIECES_SIZE);
    if (pieces == NULL) {
        budget_refund(env->budget, BUDGET_JOB, PIECES_SIZE);
        return status_of(ST_NO_MEMORY);
    }
    for (unsigned i = 0; i < TABLE_WRITER_PIECES; i++)
        w->pieces[i] = pieces + (size_t)i * PIECE_SIZE;
    w->path = alloc_bytes(env->alloc, strlen(path) + 1);
    if (w->path == NULL)
        return status_of(ST_NO_MEMORY);
    memcpy(w->path, path, strlen(path) + 1);
    return create_file(w);
}

/* Wait for the write of a piece, if one is under way. */
static void settle(struct table_writer *w, unsigned piece)
{
    struct io_op *op = &w->ops[piece];

    if (op->file == NULL)
        return;
    struct status s = io_wait(w->ring, op);
    if (failed(s) && succeeded(w->status))
        w->status = s;
    op->file = NULL;
}

static void settle_all(struct table_writer *w)
{
    for (unsigned i = 0; i < TABLE_WRITER_PIECES; i++)
        settle(w, i);
}

static void submit_piece(struct table_writer *w)
{
    struct io_op *op = &w->ops[w->current];

    *op = (struct io_op) { .opcode = IO_OP_WRITE,
                           .file = w->file,
                           .data = w->pieces[w->current],
                           .size = w->fill,
                           .offset = w->piece_at };
    io_submit(w->ring, op);
    /* Under way at once, not at the next wait: the device works while the next piece is filled. */
    io_ring_wait(w->ring, 0);
    w->piece_at += w->fill;
    w->fill = 0;
    w->current = (w->current + 1) % TABLE_WRITER_PIECES;
}

struct status table_writer_append(struct table_writer *w, struct bytes bytes)
{
    while (bytes.size > 0 && succeeded(w->status)) {
        size_t room = PIECE_SIZE - w->fill;
        size_t n = bytes.size < room ? bytes.size : room;
        memcpy(w->pieces[w->current] + w->fill, bytes.data, n);
        w->fill += n;
        bytes = bytes_skip(bytes, n);
        if (w->fill == PIECE_SIZE) {
            submit_piece(w);
            settle(w, w->current);
        }
    }
    return w->status;
}

struct status table_writer_finish(struct table_writer *w)
{
    CHECK(w->fill % IO_ALIGN == 0);
    if (w->fill > 0 && succeeded(w->status))
        submit_piece(w);
    settle_all(w);
    if (succeeded(w->status))
        w->status = io_sync(w->ring, w->file);
    if (succeeded(w->status)) {
        io_close(w->file);
        w->file = NULL;
    }
    return w->status;
}

void table_writer_deinit(struct table_writer *w)
{
    if (w->env == NULL)
        return;
    settle_all(w);
    if (w->file != NULL) {
        io_close(w->file);
        status_ignore(io_unlink(w->env->io, w->path),
                      "an orphan is removed when the store is opened next");
    }
    if (w->path != NULL)
        alloc_free(w->env->alloc, w->path, strlen(w->path) + 1);
    if (w->pieces[0] != NULL) {
        alloc_free(w->env->alloc, w->pieces[0], PIECES_SIZE);
        budget_refund(w->env->budget, BUDGET_JOB, PIECES_SIZE);
    }
    w->env = NULL;
}
