/*
 * io_host -- what the two back ends that speak to a kernel share. Private to base/.
 *
 * Plain calls, locks and sockets are the same for io_uring and POSIX; the two differ only in how a
 * ring runs ops. So the tables differ in their ring entries alone, and files and sockets are the
 * structs below in both.
 *
 * Threads: a machine and its files any (the registry of locks has its own mutex); sockets as
 * io.h says.
 */
#ifndef VARVE_BASE_IO_HOST_H
#define VARVE_BASE_IO_HOST_H

#include "base/io_backend.h"
#include "base/thread.h"

#include <stdatomic.h>

/*
 * The power-cut harness proves itself by failing a build that only pretends to sync
 * (tests/crash/powercut). Such a build exists beside debug builds alone.
 */
#ifdef VARVE_TEST_NO_SYNC
#ifdef NDEBUG
#error "VARVE_TEST_NO_SYNC loses acknowledged data: never in a release build"
#endif
enum { IO_HOST_SYNCS = 0 };
#else
enum { IO_HOST_SYNCS = 1 };
#endif

/* One kernel call moves at most this much: below the kernel's own cap (2 GiB - 4 KiB), aligned. */
enum { IO_HOST_CHUNK = 1 << 30 };

/* ---- Machine, files, locks (io_host.c, io_lock.c) ------------------------------------------- */

struct host {
    struct io io;
    struct mutex lock;         /* Guards held; io_uring: rings come and go under it. */
    struct host_lock *held;    /* The in-process registry of locks. */
    bool has_blocking_sockets; /* io_uring polls by itself, and only on blocking sockets. */
};
struct host_file {
    struct io_file file;
    int fd;
};

/* The machines. On failure *out_why, if given, gets a static sentence. */
struct status io_machine_posix(struct alloc *a, struct io **out_io);
struct status io_machine_uring(struct alloc *a, struct io **out_io, const char **out_why);

/* Common part of both makers and closers. */
struct status io_host_create(struct alloc *a, const struct io_table *table, enum io_kind kind,
                             struct host **out_host);
void io_host_close_machine(struct io *io);

struct status io_host_open(struct io *io, const char *path, unsigned flags, struct io_file **out);
void io_host_close(struct io_file *file);
struct status io_host_size(struct io_file *file, uint64_t *out_size);
struct status io_host_truncate(struct io_file *file, uint64_t size);
struct status io_host_allocate(struct io_file *file, uint64_t offset, uint64_t size);
struct status io_host_mkdir(struct io *io, const char *path);
struct status io_host_rename(struct io *io, const char *from, const char *to);
struct status io_host_unlink(struct io *io, const char *path);
struct status io_host_link(struct io *io, const char *from, const char *to);
struct status io_host_exists(struct io *io, const char *path, bool *out_exists);
struct status io_host_sync_dir(struct io *io, const char *path);
struct status io_host_list(struct io *io, const char *path,
                           bool (*visit)(void *context, const char *name), void *context);
struct status io_host_lock_take(struct io *io, const char *path, struct errbuf *err,
                                struct io_lock **out);
void io_host_lock_drop(struct io_lock *lock);

/* The entries of the table that are the same for both. */
#define IO_HOST_TABLE_ENTRIES                                                                      \
    .close_machine = io_host_close_machine, .open = io_host_open, .close = io_host_close,          \
    .size = io_host_size, .truncate = io_host_truncate, .allocate = io_host_allocate,              \
    .mkdir = io_host_mkdir, .rename = io_host_rename, .unlink = io_host_unlink,                    \
    .link = io_host_link, .exists = io_host_exists, .sync_dir = io_host_sync_dir,                  \
    .list = io_host_list, .lock_take = io_host_lock_take, .lock_drop = io_host_lock_drop,          \
    .perform = io_host_perform, .listen = io_host_listen, .connect = io_host_connect,              \
    .socket_port = io_host_socket_port, .socket_number = io_host_socket_number,                    \
    .socket_name = io_host_socket_name, .socket_shutdown = io_host_socket_shutdown,                \
    .wait = io_host_wait, .done = io_host_done, .wake = io_host_wake

/* Run a file op to its end by plain calls. Results are set; is_pending is left alone. */
void io_host_perform(struct io_ring *ring, struct io_op *op);

/*
 * Account res (bytes moved by one kernel call for the rest of a READ or WRITE). True if the op is
 * over (status set); false if the rest, from op->done_size on, is still to be asked for.
 */
bool io_host_advance(struct io_op *op, size_t res);

static inline int io_host_fd(const struct io_file *file)
{
    return ((const struct host_file *)file)->fd;
}

/* The bytes of the next kernel call for op. */
static inline size_t io_host_chunk(const struct io_op *op)
{
    size_t rest = op->size - op->done_size;
    return rest < IO_HOST_CHUNK ? rest : IO_HOST_CHUNK;
}

/* ---- Sockets (io_socket.c) ------------------------------------------------------------------ */

struct host_socket {
    struct io_socket socket;
    int fd;
    bool is_unix;
    _Atomic bool is_shut;     /* Set before the kernel is told. */
    struct io_op *receiver;   /* The pending RECV or ACCEPT. */
    struct io_op *sender;     /* The pending SEND. */
    bool is_drained;          /* uring: the last RECV took all that had come. */
    struct io_ring *ring;     /* posix: whose epoll watches it; NULL before its first wait. */
    struct host_socket *next; /* posix: in the ring's list of watched sockets. */
    struct host_socket *prev;
};

struct status io_host_listen(struct io *io, const struct io_listen_options *options,
                             struct errbuf *err, struct io_socket **out);
struct status io_host_connect(struct io *io, const char *address, uint16_t port,
                              struct io_socket **out);
uint16_t io_host_socket_port(const struct io_socket *socket);
int io_host_socket_number(const struct io_socket *socket);
void io_host_socket_name(const struct io_socket *socket, bool peer, char *out_text, size_t size);
void io_host_socket_shutdown(struct io_socket *socket);
void io_host_socket_close(struct io_socket *socket);

/* Take note that a socket op is pending on its socket, and that it is over. */
void io_host_attach(struct io_op *op);
void io_host_detach(struct io_op *op);

static inline bool io_host_is_socket_op(const struct io_op *op)
{
    return op->opcode >= IO_OP_ACCEPT && op->opcode <= IO_OP_SEND;
}

/* Wrap the descriptor of an accepted connection of listener for op, or fail op. Takes fd. */
void io_host_accepted(struct io_op *op, int fd);
/*
 * Settle a socket op that the kernel refused with error. False if that only concerned a peer that
 * went away while it was accepted, or a signal: ask again.
 */
bool io_host_socket_failed(struct io_op *op, int error);

/* ---- Waking and waiting (io_ring.c) --------------------------------------------------------- */

/*
 * A ring's doorbell: an eventfd that is written to only when the owner sleeps, so that a wake of a
 * busy ring is one atomic exchange.
 *
 * AWAKE -> ASLEEP by the owner before it sleeps; anybody -> RUNG; RUNG -> AWAKE by the owner. The
 * exchange that finds ASLEEP writes the eventfd. That write may come late, when the owner has gone
 * on and sleeps again: the owner then finds ASLEEP, not RUNG, and sleeps on. The eventfd is watched
 * for its edge and never read.
 */
struct io_waker {
    int fd;
    _Atomic uint32_t state;
};
struct status io_waker_init(struct io_waker *w);
void io_waker_deinit(struct io_waker *w);
void io_waker_ring(struct io_waker *w);
/* Owner: about to sleep. False if it was rung: do not sleep. */
bool io_waker_doze(struct io_waker *w);
/* Owner: up again, or never slept. True if it was rung since the last call. */
bool io_waker_rouse(struct io_waker *w);

/* TIMER ops by deadline: a pairing heap through op->scratch, so that a timer costs no memory and
 * no kernel object. Zero is empty. (io_timers.c) */
struct io_timers {
    struct io_op *root;
};
void io_timers_add(struct io_timers *t, struct io_op *op);
/* The next deadline, UINT64_MAX if there is none. */
uint64_t io_timers_next_ns(const struct io_timers *t);
/* Take the earliest timer if it is due, else NULL. */
struct io_op *io_timers_take(struct io_timers *t, uint64_t now_ns);

/* The front of both rings. */
struct host_ring {
    struct io_ring ring;
    struct io_waker waker;
    struct io_timers timers;
    struct io_op_list done;
    /* One round: submit what is queued, sleep up to timeout_ns (0: do not; UINT64_MAX: for ever)
     * for completions or the doorbell, and collect into done what there is. */
    void (*turn)(struct host_ring *ring, uint64_t timeout_ns);
};
/* Make op pending. True if it was a timer, and so nothing is left to submit. */
bool io_host_adopt(struct host_ring *ring, struct io_op *op);
void io_host_wait(struct io_ring *ring, uint64_t deadline_ns);
struct io_op *io_host_done(struct io_ring *ring);
void io_host_wake(struct io_ring *ring);
/* For destroy: the timers and done ops become the caller's again. */
void io_host_release_ops(struct host_ring *ring);
/* Give op back to the caller of io_ring_destroy, cancelled. */
void io_host_cancel(struct io_op *op);

#endif
