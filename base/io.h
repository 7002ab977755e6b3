/*
 * io -- the seam to files, sockets and waiting. Submit and complete; three back ends.
 *
 * A back end (struct io) is the machine: io_uring, POSIX calls, or the simulator. A ring
 * (struct io_ring) is one thread's queue to it. What takes time is an io_op: the caller fills it,
 * submits it, and finds it done on its ring later; the op and its buffer belong to the ring in
 * between. What a thread does rarely and never on a request's path (open, rename, list, sync of a
 * directory ...) is a plain call that returns when it is done.
 *
 *   1. An op completes exactly once, with all its bytes, or with a status. Short reads and writes
 *      are continued inside; a read that meets the end of the file completes OK with fewer bytes.
 *   2. A write is durable when it completed OK *and* the file was opened IO_DSYNC, or a later
 *      IO_OP_SYNC on the same file completed OK. A name (create, rename, unlink) is durable when
 *      io_sync_dir on its directory returned OK after it.
 *   3. A failed write or sync is final for that file: never retry it (fsyncgate); poison the owner.
 *   4. Ops of one ring may complete in any order. A sync covers writes that completed before it
 *      was submitted.
 *   5. IO_DIRECT files take buffers, offsets and sizes that are multiples of IO_ALIGN; others are
 *      refused with ST_INVALID, as is an op against the direction its file was opened for.
 *   6. What goes wrong with an op is the op's status; error keeps the errno for the message. A
 *      write that ran out of space part way says ST_NO_SPACE and in done_size how far it came.
 *   7. A socket has at most one RECV or ACCEPT and one SEND pending.
 *
 * Threads: struct io and files any (a file's ops may be submitted on any ring); a ring by one
 * thread at a time, except io_ring_wake which anybody may call. A socket belongs to the ring of its
 * first op until it is closed; io_socket_shutdown anybody may call.
 */
#ifndef VARVE_BASE_IO_H
#define VARVE_BASE_IO_H

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/errbuf.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IO_ALIGN = 4096, IO_PATH_MAX = 4096 };

struct io;
struct io_file;
struct io_ring;
struct io_socket;

/* ---- Back ends ---------------------------------------------------------------------------- */

enum io_kind { IO_KIND_URING, IO_KIND_POSIX, IO_KIND_SIM };

/*
 * Open the best back end the machine allows: io_uring, or POSIX if the kernel refuses it or
 * want says POSIX. *out_why (may be NULL) gets a static sentence when it is not io_uring, for the
 * log. The simulator has its own maker, base/io_sim.h.
 */
MUST_CHECK struct status io_open_machine(struct alloc *a, enum io_kind want, struct io **out_io,
                                         const char **out_why);
void io_close_machine(struct io *io);
enum io_kind io_kind(const struct io *io);
const char *io_kind_name(enum io_kind kind); /* "io_uring", "posix", "sim" */

/* ---- Names and directories: plain calls --------------------------------------------------- */

enum io_open_flags {
    IO_READ = 1 << 0,
    IO_WRITE = 1 << 1,
    IO_CREATE = 1 << 2,    /* Create if missing. */
    IO_EXCLUSIVE = 1 << 3, /* With IO_CREATE: fail with ST_BUSY if it is there. */
    IO_DIRECT = 1 << 4,    /* Around the page cache; ST_UNSUPPORTED where refused. */
    IO_DSYNC = 1 << 5,     /* A completed write is durable. */
    IO_TRUNCATE = 1 << 6,
};

MUST_CHECK struct status io_open(struct io *io, const char *path, unsigned flags,
                                 struct io_file **out_file);
/* Takes NULL. Requires: no op on it is pending. */
void io_close(struct io_file *file);

MUST_CHECK struct status io_size(struct io_file *file, uint64_t *out_size);
MUST_CHECK struct status io_truncate(struct io_file *file, uint64_t size);
/* Reserve blocks without changing the size. Best effort where the file system cannot. */
MUST_CHECK struct status io_allocate(struct io_file *file, uint64_t offset, uint64_t size);

MUST_CHECK struct status io_mkdir(struct io *io, const char *path); /* OK if it is there already. */
MUST_CHECK struct status io_rename(struct io *io, const char *from, const char *to);
/* A file's name, or an empty directory. */
MUST_CHECK struct status io_unlink(struct io *io, const char *path);
MUST_CHECK struct status io_link(struct io *io, const char *from, const char *to);
MUST_CHECK struct status io_exists(struct io *io, const char *path, bool *out_exists);
MUST_CHECK struct status io_sync_dir(struct io *io, const char *path);
/* io_mkdir, and its name is durable: nothing in a directory outlives the directory's own name. */
MUST_CHECK struct status io_make_dir(struct io *io, const char *path);
/* The names in a directory (without . and ..), sorted. Calls visit for each until it returns
 * false. Names are borrowed for the call. */
MUST_CHECK struct status io_list(struct io *io, const char *path,
                                 bool (*visit)(void *context, const char *name), void *context);

/*
 * Take the exclusive lock that says "this directory is mine": creates path, locks it (flock and an
 * in-process registry), writes holder text (pid, host, time). ST_BUSY with the holder's text in
 * err if somebody, this process included, has it. The file stays when the lock is dropped or its
 * holder dies; only the lock on it counts.
 */
struct io_lock;
MUST_CHECK struct status io_lock_take(struct io *io, const char *path, struct errbuf *err,
                                      struct io_lock **out_lock);
void io_lock_drop(struct io_lock *lock);

/* ---- Ops ---------------------------------------------------------------------------------- */

enum io_opcode {
    IO_OP_READ,   /* file, data, size, offset */
    IO_OP_WRITE,  /* file, data, size, offset */
    IO_OP_SYNC,   /* file: data and the size needed to read it (fdatasync) */
    IO_OP_ACCEPT, /* socket (listening); the new one in accepted */
    IO_OP_RECV,   /* socket, data, size: completes with 1..size bytes, 0 at the end of the stream */
    IO_OP_SEND,   /* socket, data, size: completes when all is taken by the kernel */
    IO_OP_TIMER,  /* deadline_ns on the monotonic clock */
};

struct io_op {
    enum io_opcode opcode;
    bool is_pending; /* Owned by the ring. Cleared before the op is handed out as done. */
    /* A hint for a durable write on a busy thread: it is begun by a thread of the kernel's wherever
     * a processor is free, for the price of waking it. */
    bool wants_worker;
    struct io_file *file;
    struct io_socket *socket;
    void *data; /* Borrowed until done; written to by READ and RECV. */
    size_t size;
    uint64_t offset;
    uint64_t deadline_ns;
    /* Results. */
    struct status status;
    int error; /* The errno behind a failure, 0 if none; for messages only. */
    size_t done_size;
    struct io_socket *accepted;
    /* The submitter's. */
    void *owner;
    uint32_t tag;
    /* The back end's. */
    struct io_op *next;
    uint64_t scratch[6];
};

struct io_ring_options {
    /* How many ops the ring is sized for; more are taken too, at the price of extra system calls.
     * Connections with a RECV pending count. 0: 256. */
    unsigned entries;
    /* One thread for life: the first to submit or wait also waits, and destroys the ring. Cheaper
     * on io_uring, so reactors say it; a ring that waiting callers pass around must not. */
    bool is_thread_bound;
    /* Files' ops are done inside io_submit, by plain calls: for a driver that would wait for each
     * one anyway, and is spared the ring's hand-over of synchronous writes to kernel threads. */
    bool is_blocking;
    /* Direct reads may begin later than the next wait: where the device gives all its answers at
     * once, half of them are held until others have come back. For a thread that works on what
     * came: the device works meanwhile. */
    bool paces_reads;
    /* A wait may begin with looking instead of sleeping, while waits are short (io_busy_poll.h). A
     * hint, heeded by io_uring where there are processors to spare. */
    bool polls_busily;
    /* How many regions io_ring_register_memory may name. */
    unsigned regions_max;
};

MUST_CHECK struct status io_ring_create(struct io *io, const struct io_ring_options *options,
                                        struct io_ring **out_ring);
/* Cancels and drains what is pending: afterwards ops and buffers are the caller's again, with
 * status ST_CANCELLED if they had not been done. Takes NULL. */
void io_ring_destroy(struct io_ring *ring);

/*
 * Name memory that many direct ops will move data to and from (a slab of a cache), so that the
 * kernel pins it once and not in each op. A hint: where it is refused (ST_LIMIT, ST_NO_MEMORY:
 * locked memory is limited) or means nothing (ST_UNSUPPORTED), ops work as before. The memory is
 * borrowed until the ring is destroyed. By the ring's thread. Requires: size <= 1 GiB, no overlap
 * with another region.
 */
MUST_CHECK struct status io_ring_register_memory(struct io_ring *ring, void *data, size_t size);

/* Queue op. Takes effect no later than the next io_ring_wait (but see paces_reads). Cannot fail:
 * errors come as the op's status. The result fields need no initial value. Requires:
 * !op->is_pending. */
void io_submit(struct io_ring *ring, struct io_op *op);

/* Begin what is queued now, at the price of a system call, and not behind what else a turn queues:
 * a kernel may hold a device's requests back until it has seen the last op it was handed. A hint:
 * where it means nothing it does nothing. */
void io_ring_start(struct io_ring *ring);

/*
 * Submit what is queued; then wait until at least one op is done, deadline_ns on the monotonic
 * clock has passed (0: do not wait; UINT64_MAX: for ever) or io_ring_wake was called. May also
 * return early with nothing done. Then io_ring_done hands out the done ops one by one, NULL when
 * there are no more; what is not asked for stays and makes the next io_ring_wait return at once.
 */
void io_ring_wait(struct io_ring *ring, uint64_t deadline_ns);
struct io_op *io_ring_done(struct io_ring *ring);
/* From any thread: make a waiting or the next io_ring_wait return. What the caller wrote before is
 * seen by the ring's thread after that return. Several wakes may make one return. */
void io_ring_wake(struct io_ring *ring);

/* Wait until op, submitted on this ring before, is done; it is not handed out then. Returns its
 * status. Other ops that are done meanwhile stay to be handed out. */
MUST_CHECK struct status io_wait(struct io_ring *ring, struct io_op *op);

/* Convenience for blocking callers: one op, done on return (other ops of the ring may complete
 * meanwhile and stay to be handed out). The machine's back ends use a plain call: for a single op
 * it costs no more than a ring. */
MUST_CHECK struct status io_read(struct io_ring *ring, struct io_file *file, void *data,
                                 size_t size, uint64_t offset, size_t *out_size);
MUST_CHECK struct status io_write(struct io_ring *ring, struct io_file *file, const void *data,
                                  size_t size, uint64_t offset);
MUST_CHECK struct status io_sync(struct io_ring *ring, struct io_file *file);

/* ---- Sockets ------------------------------------------------------------------------------ */

struct io_listen_options {
    const char *address; /* "127.0.0.1", "::1", or a path if is_unix */
    uint16_t port;       /* 0: any; io_socket_port tells. */
    bool is_unix;
    unsigned unix_mode;   /* Who may connect to the path, as chmod has it; 0: as it comes. */
    int backlog;          /* 0: 511. */
    unsigned keepalive_s; /* Of accepted connections; 0: no keepalive. */
};
MUST_CHECK struct status io_listen(struct io *io, const struct io_listen_options *options,
                                   struct errbuf *err, struct io_socket **out_socket);
/*
 * Begin to connect to a numeric address, or to a unix path (has a '/'; port is ignored), without
 * waiting: a peer that cannot be reached shows as the failure of the first RECV or SEND.
 */
MUST_CHECK struct status io_connect(struct io *io, const char *address, uint16_t port,
                                    struct io_socket **out_socket);
uint16_t io_socket_port(const struct io_socket *socket);
/* What the machine calls it (a file descriptor): for people. */
int io_socket_number(const struct io_socket *socket);
/* "127.0.0.1:50312" of the other (peer) or this side. Truncated to size, terminated. */
void io_socket_name(const struct io_socket *socket, bool peer, char *out_text, size_t size);
/* Shut down both directions: a pending RECV, SEND or ACCEPT completes soon (RECV with what has
 * arrived or the end of the stream, ACCEPT with ST_CANCELLED). Any thread. */
void io_socket_shutdown(struct io_socket *socket);
/* Requires: no op on it is pending. Takes NULL. What was sent is still delivered. */
void io_socket_close(struct io_socket *socket);

#endif
