/*
 * io_backend -- what a back end of the I/O seam provides. Private to base/.
 *
 * io.c checks arguments and dispatches; a back end embeds the structs below at the front of its
 * own and fills the table. uring and posix share the plain calls (io_host.c); sim has its own.
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

    struct status (*ring_create)(struct io *io, unsigned entries, struct io_ring **out);
    void (*ring_destroy)(struct io_ring *ring);
    void (*submit)(struct io_ring *ring, struct io_op *op);
    void (*wait)(struct io_ring *ring, uint64_t deadline_ns);
    struct io_op *(*done)(struct io_ring *ring);
    void (*wake)(struct io_ring *ring);

    struct status (*listen)(struct io *io, const struct io_listen_options *options,
                            struct errbuf *err, struct io_socket **out);
    struct status (*connect)(struct io *io, const char *address, uint16_t port,
                             struct io_socket **out);
    uint16_t (*socket_port)(const struct io_socket *socket);
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
struct io_ring {
    struct io *io;
};
struct io_socket {
    struct io *io;
};
struct io_lock {
    struct io *io;
};

#endif
