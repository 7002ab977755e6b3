/*
 * io_backend -- what a back end of the I/O seam provides. Private to base/.
 *
 * io.c checks arguments and dispatches; a back end embeds the structs below at the front of its
 * own and fills the table. uring and posix share the plain calls (io_host.c, io_socket.c); sim has
 * its own.
 *
 * What io.c does for all: refuses ops that break the contract (they never reach submit), sets
 * is_pending and clears the results before submit, clears is_pending when an op is handed out.
 */
#ifndef VARVE_BASE_IO_BACKEND_H
#define VARVE_BASE_IO_BACKEND_H

#include "base/io.h"

struct io_table {
    void (*close_machine)(struct io *io);

    struct status (*open)(struct io *io, const char *path, unsigned flags, struct io_file **out);
    void (*close)(struct io_file *file);
    struct status (*size)(struct io_file *file, uint64_t *out_size);
    struct status (*truncate)(struct io_file *file, uint64_t size);
    struct status (*allocate)(struct io_file *file, uint64_t offset, uint64_t size);
    struct status (*mkdir)(struct io *io, const char *path);
    struct status (*rename)(struct io *io, const char *from, const char *to);
    struct status (*unlink)(struct io *io, const char *path);
    struct status (*link)(struct io *io, const char *from, const char *to);
    struct status (*exists)(struct io *io, const char *path, bool *out_exists);
    struct status (*sync_dir)(struct io *io, const char *path);
    struct status (*list)(struct io *io, const char *path,
                          bool (*visit)(void *context, const char *name), void *context);
    struct status (*lock_take)(struct io *io, const char *path, struct errbuf *err,
                               struct io_lock **out);
    void (*lock_drop)(struct io_lock *lock);

    /* entries > 0. */
    struct status (*ring_create)(struct io *io, const struct io_ring_options *options,
                                 struct io_ring **out);
    void (*ring_destroy)(struct io_ring *ring);
    /* NULL where there is nothing to gain. */
    struct status (*ring_register_memory)(struct io_ring *ring, void *data, size_t size);
    void (*submit)(struct io_ring *ring, struct io_op *op);
    void (*start)(struct io_ring *ring); /* NULL: nothing is gained by it. */
    void (*wait)(struct io_ring *ring, uint64_t deadline_ns);
    struct io_op *(*done)(struct io_ring *ring);
    void (*wake)(struct io_ring *ring);
    /* The blocking conveniences, where there is a shorter way than the ring; NULL: io.c submits an
     * op and waits. op is a READ, WRITE or SYNC and is filled in like a done one. */
    void (*perform)(struct io_ring *ring, struct io_op *op);

    struct status (*listen)(struct io *io, const struct io_listen_options *options,
                            struct errbuf *err, struct io_socket **out);
    struct status (*connect)(struct io *io, const char *address, uint16_t port,
                             struct io_socket **out);
    uint16_t (*socket_port)(const struct io_socket *socket);
    int (*socket_number)(const struct io_socket *socket);
    void (*socket_name)(const struct io_socket *socket, bool peer, char *out_text, size_t size);
    void (*socket_shutdown)(struct io_socket *socket);
    void (*socket_close)(struct io_socket *socket);
};

struct io {
    const struct io_table *table;
    enum io_kind kind;
    struct alloc *alloc;
};
struct io_file {
    struct io *io;
    unsigned flags;
};
/* A queue of ops through op->next. Zero is empty. */
struct io_op_list {
    struct io_op *head;
    struct io_op *tail;
};

struct io_ring {
    struct io *io;
    struct io_op_list finished; /* io.c's: refused, or met while waiting for another. */
    bool is_roused;             /* io.c's: a wake may have been swallowed; do not sleep. */
    bool is_blocking;           /* io.c's: see struct io_ring_options. */
};
struct io_socket {
    struct io *io;
};
struct io_lock {
    struct io *io;
};

static inline void io_op_list_push(struct io_op_list *l, struct io_op *op)
{
    op->next = NULL;
    if (l->tail == NULL)
        l->head = op;
    else
        l->tail->next = op;
    l->tail = op;
}

/* NULL when empty. */
static inline struct io_op *io_op_list_pop(struct io_op_list *l)
{
    struct io_op *op = l->head;
    if (op == NULL)
        return NULL;
    l->head = op->next;
    if (l->head == NULL)
        l->tail = NULL;
    op->next = NULL;
    return op;
}

/* Give op the status of an errno value (0: OK). */
void io_op_settle(struct io_op *op, int error);
/* The status code of an errno value: status_code_of_errno and what only the seam knows. */
enum status_code io_code_of_errno(int error);
/* ... and the status of it (0: OK), which keeps the value for messages. */
struct status io_status_of_errno(int error);

#endif
