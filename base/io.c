#include "base/io.h"

#include <errno.h>

#include "base/check.h"
#include "base/io_host.h"

enum { ENTRIES_DEFAULT = 256 };

/* ---- Machines ---------------------------------------------------------------------------- */

struct status io_open_machine(struct alloc *a, enum io_kind want, struct io **out_io,
                              const char **out_why)
{
    const char *why = NULL;
    struct status s;

    if (want == IO_KIND_SIM)
        return status_of(ST_INVALID);
    if (want == IO_KIND_URING) {
        s = io_machine_uring(a, out_io, &why);
        if (succeeded(s) || s.code == ST_NO_MEMORY)
            goto out;
    } else {
        why = "asked for";
    }
    s = io_machine_posix(a, out_io);
out:
#ifdef VARVE_TEST_NO_SYNC
    why = "test build: NOTHING IS SYNCED";
#endif
    if (succeeded(s) && out_why != NULL)
        *out_why = why;
    return s;
}

void io_close_machine(struct io *io)
{
    if (io != NULL)
        io->table->close_machine(io);
}

enum io_kind io_kind(const struct io *io)
{
    return io->kind;
}

const char *io_kind_name(enum io_kind kind)
{
    switch (kind) {
    case IO_KIND_URING:
        return "io_uring";
    case IO_KIND_POSIX:
        return "posix";
    case IO_KIND_SIM:
        return "sim";
    }
    return "unknown";
}

/* ---- Names and directories --------------------------------------------------------------- */

struct status io_open(struct io *io, const char *path, unsigned flags, struct io_file **out_file)
{
    if ((flags & (IO_READ | IO_WRITE)) == 0)
        return status_of(ST_INVALID);
    if ((flags & (IO_CREATE | IO_TRUNCATE)) != 0 && (flags & IO_WRITE) == 0)
        return status_of(ST_INVALID);
    if ((flags & IO_EXCLUSIVE) != 0 && (flags & IO_CREATE) == 0)
        return status_of(ST_INVALID);
    return io->table->open(io, path, flags, out_file);
}

void io_close(struct io_file *file)
{
    if (file != NULL)
        file->io->table->close(file);
}

struct status io_size(struct io_file *file, uint64_t *out_size)
{
    return file->io->table->size(file, out_size);
}

struct status io_truncate(struct io_file *file, uint64_t size)
{
    if ((file->flags & IO_WRITE) == 0 || size > INT64_MAX)
        return status_of(ST_INVALID);
    return file->io->table->truncate(file, size);
}

struct status io_allocate(struct io_file *file, uint64_t offset, uint64_t size)
{
    if ((file->flags & IO_WRITE) == 0 || size == 0)
        return status_of(ST_INVALID);
    if (offset > INT64_MAX || size > INT64_MAX - offset)
        return status_of(ST_INVALID);
    return file->io->table->allocate(file, offset, size);
}

struct status io_mkdir(struct io *io, const char *path)
{
    return io->table->mkdir(io, path);
}

struct status io_rename(struct io *io, const char *from, const char *to)
{
    return io->table->rename(io, from, to);
}

struct status io_unlink(struct io *io, const char *path)
{
    return io->table->unlink(io, path);
}

struct status io_link(struct io *io, const char *from, const char *to)
{
    return io->table->link(io, from, to);
}

struct status io_exists(struct io *io, const char *path, bool *out_exists)
{
    return io->table->exists(io, path, out_exists);
}

struct status io_sync_dir(struct io *io, const char *path)
{
    return io->table->sync_dir(io, path);
}

struct status io_make_dir(struct io *io, const char *path)
{
    char parent[IO_PATH_MAX];
    size_t size = strlen(path);

    if (size == 0 || size >= sizeof parent)
        return status_of(ST_INVALID);
    TRY(io_mkdir(io, path));
    while (size > 1 && path[size - 1] == '/')
        size--;
    while (size > 0 && path[size - 1] != '/')
        size--;
    if (size == 0) {
        memcpy(parent, ".", 2);
    } else {
        memcpy(parent, path, size);
        parent[size > 1 ? size - 1 : 1] = '\0';
    }
    return io_sync_dir(io, parent);
}

struct status io_list(struct io *io, const char *path,
                      bool (*visit)(void *context, const char *name), void *context)
{
    return io->table->list(io, path, visit, context);
}

struct status io_lock_take(struct io *io, const char *path, struct errbuf *err,
                           struct io_lock **out_lock)
{
    return io->table->lock_take(io, path, err, out_lock);
}

void io_lock_drop(struct io_lock *lock)
{
    if (lock != NULL)
        lock->io->table->lock_drop(lock);
}

/* ---- Ops --------------------------------------------------------------------------------- */

enum status_code io_code_of_errno(int error)
{
    switch (error) {
    case EBADF: /* Against the direction of the file: descriptors are never wrong here. */
        return ST_INVALID;
    case EMFILE:
    case ENFILE:
        return ST_LIMIT;
    case ENOBUFS:
        return ST_NO_MEMORY;
    default:
        return status_code_of_errno(error);
    }
}

struct status io_status_of_errno(int error)
{
    struct status s = status_ok();

    if (error != 0) {
        s = status_of(io_code_of_errno(error));
        s.error = (uint16_t)error;
    }
    return s;
}

void io_op_settle(struct io_op *op, int error)
{
    op->error = error;
    op->status = io_status_of_errno(error);
}

/* The errno value with which a READ or WRITE is refused before it reaches a back end, or 0. */
static int refuse_transfer(const struct io_op *op)
{
    unsigned direction = op->opcode == IO_OP_READ ? IO_READ : IO_WRITE;

    if ((op->file->flags & direction) == 0)
        return EBADF;
    if (op->offset > INT64_MAX || op->size > INT64_MAX - op->offset)
        return EINVAL;
    if ((op->file->flags & IO_DIRECT) != 0) {
        uint64_t mixed = op->offset | op->size | (uint64_t)(uintptr_t)op->data;
        if (mixed % IO_ALIGN != 0)
            return EINVAL;
    }
    return 0;
}

static int refuse(const struct io_op *op)
{
    switch (op->opcode) {
    case IO_OP_READ:
    case IO_OP_WRITE:
        CHECK(op->file != NULL);
        return refuse_transfer(op);
    case IO_OP_SYNC:
        CHECK(op->file != NULL);
        return 0;
    case IO_OP_RECV:
        CHECK(op->socket != NULL);
        return op->size == 0 ? EINVAL : 0;
    case IO_OP_ACCEPT:
    case IO_OP_SEND:
        CHECK(op->socket != NULL);
        return 0;
    case IO_OP_TIMER:
        return 0;
    }
    return EINVAL;
}

/* Make op the ring's. False if it was refused and is settled already. */
static bool start(struct io_op *op)
{
    CHECK(!op->is_pending);
    op->is_pending = true;
    op->status = status_ok();
    op->error = 0;
    op->done_size = 0;
    op->accepted = NULL;
    op->next = NULL;
    int error = refuse(op);
    if (error != 0)
        io_op_settle(op, error);
    return error == 0;
}

struct status io_ring_create(struct io *io, const struct io_ring_options *options,
                             struct io_ring **out_ring)
{
    struct io_ring_options o = options != NULL ? *options : (struct io_ring_options) { 0 };

    if (o.entries == 0)
        o.entries = ENTRIES_DEFAULT;
    TRY(io->table->ring_create(io, &o, out_ring));
    (*out_ring)->is_blocking = o.is_blocking;
    return status_ok();
}

void io_ring_destroy(struct io_ring *ring)
{
    if (ring == NULL)
        return;
    for (struct io_op *op = io_op_list_pop(&ring->finished); op != NULL;
         op = io_op_list_pop(&ring->finished))
        op->is_pending = false;
    ring->io->table->ring_destroy(ring);
}

struct status io_ring_register_memory(struct io_ring *ring, void *data, size_t size)
{
    CHECK(size > 0);
    CHECK(size <= 1 << 30);
    if (ring->io->table->ring_register_memory == NULL)
        return status_of(ST_UNSUPPORTED);
    return ring->io->table->ring_register_memory(ring, data, size);
}

static bool is_file_op(const struct io_op *op)
{
    return op->opcode == IO_OP_READ || op->opcode == IO_OP_WRITE || op->opcode == IO_OP_SYNC;
}

void io_submit(struct io_ring *ring, struct io_op *op)
{
    bool is_done = !start(op);
    if (!is_done && ring->is_blocking && is_file_op(op) && ring->io->table->perform != NULL) {
        ring->io->table->perform(ring, op);
        is_done = true;
    }
    if (is_done)
        io_op_list_push(&ring->finished, op);
    else
        ring->io->table->submit(ring, op);
}

void io_ring_start(struct io_ring *ring)
{
    if (ring->io->table->start != NULL)
        ring->io->table->start(ring);
}

void io_ring_wait(struct io_ring *ring, uint64_t deadline_ns)
{
    if (ring->is_blocking && ring->finished.head != NULL)
        return;
    if (ring->finished.head != NULL || ring->is_roused)
        deadline_ns = 0;
    ring->is_roused = false;
    ring->io->table->wait(ring, deadline_ns);
}

struct io_op *io_ring_done(struct io_ring *ring)
{
    struct io_op *op = io_op_list_pop(&ring->finished);

    if (op == NULL)
        op = ring->io->table->done(ring);
    if (op != NULL)
        op->is_pending = false;
    return op;
}

void io_ring_wake(struct io_ring *ring)
{
    ring->io->table->wake(ring);
}

/* Take op out of the ops kept for later. False if it is not among them. */
static bool take_finished(struct io_ring *ring, const struct io_op *op)
{
    struct io_op_list kept = { .head = NULL };
    bool is_there = false;

    for (struct io_op *met = io_op_list_pop(&ring->finished); met != NULL;
         met = io_op_list_pop(&ring->finished)) {
        if (met == op)
            is_there = true;
        else
            io_op_list_push(&kept, met);
    }
    ring->finished = kept;
    return is_there;
}

/* Wait until op is done; keep others that are met on the way. */
static void wait_for(struct io_ring *ring, const struct io_op *op)
{
    const struct io_table *table = ring->io->table;
    bool is_done = false;

    if (take_finished(ring, op))
        return;
    while (!is_done) {
        table->wait(ring, UINT64_MAX);
        for (struct io_op *met = table->done(ring); met != NULL; met = table->done(ring)) {
            if (met == op)
                is_done = true;
            else
                io_op_list_push(&ring->finished, met);
        }
    }
    /* The waits above may have consumed a wake that was meant for the caller's loop. */
    ring->is_roused = true;
}

struct status io_wait(struct io_ring *ring, struct io_op *op)
{
    if (op->is_pending)
        wait_for(ring, op);
    op->is_pending = false;
    return op->status;
}

static struct status run(struct io_ring *ring, struct io_op *op)
{
    if (start(op)) {
        if (ring->io->table->perform != NULL) {
            ring->io->table->perform(ring, op);
        } else {
            ring->io->table->submit(ring, op);
            wait_for(ring, op);
        }
    }
    op->is_pending = false;
    return op->status;
}

struct status io_read(struct io_ring *ring, struct io_file *file, void *data, size_t size,
                      uint64_t offset, size_t *out_size)
{
    struct io_op op = {
        .opcode = IO_OP_READ, .file = file, .data = data, .size = size, .offset = offset
    };

    TRY(run(ring, &op));
    *out_size = op.done_size;
    return status_ok();
}

struct status io_write(struct io_ring *ring, struct io_file *file, const void *data, size_t size,
                       uint64_t offset)
{
    struct io_op op = { .opcode = IO_OP_WRITE,
                        .file = file,
                        .data = (void *)(uintptr_t)data,
                        .size = size,
                        .offset = offset };

    return run(ring, &op);
}

struct status io_sync(struct io_ring *ring, struct io_file *file)
{
    struct io_op op = { .opcode = IO_OP_SYNC, .file = file };

    return run(ring, &op);
}

/* ---- Sockets ----------------------------------------------------------------------------- */

struct status io_listen(struct io *io, const struct io_listen_options *options, struct errbuf *err,
                        struct io_socket **out_socket)
{
    return io->table->listen(io, options, err, out_socket);
}

struct status io_connect(struct io *io, const char *address, uint16_t port,
                         struct io_socket **out_socket)
{
    return io->table->connect(io, address, port, out_socket);
}

uint16_t io_socket_port(const struct io_socket *socket)
{
    return socket->io->table->socket_port(socket);
}

int io_socket_number(const struct io_socket *socket)
{
    return socket->io->table->socket_number(socket);
}

void io_socket_name(const struct io_socket *socket, bool peer, char *out_text, size_t size)
{
    CHECK(size > 0);
    socket->io->table->socket_name(socket, peer, out_text, size);
}

void io_socket_shutdown(struct io_socket *socket)
{
    socket->io->table->socket_shutdown(socket);
}

void io_socket_close(struct io_socket *socket)
{
    if (socket != NULL)
        socket->io->table->socket_close(socket);
}
