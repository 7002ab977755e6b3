/*
 * io_sim_machine -- the simulated machine's parts, as its files see each other. Private to
 * base/io_sim*; what it does is said in io_sim.h.
 *
 *   io_sim.c       life, plain calls, faults, what tests do behind its back
 *   io_sim_ring.c  rings, file ops, the queue of what will happen
 *   io_sim_net.c   sockets
 */
#ifndef VARVE_BASE_IO_SIM_MACHINE_H
#define VARVE_BASE_IO_SIM_MACHINE_H

#include "base/io_backend.h"
#include "base/io_sim.h"
#include "base/io_sim_disk.h"
#include "base/io_sim_trace.h"
#include "base/rand.h"

enum { SIM_CLASSES = 7 };

/* The completion of an op, at a time. Of those due at one time the lowest lot comes first. */
struct sim_due {
    uint64_t time_ns;
    uint64_t lot;
    uint64_t number; /* Order of scheduling; makes the order total. */
    struct io_op *op;
};

struct sim_ring {
    struct io_ring ring;
    struct io_op_list done;
    bool is_woken;
};

struct sim_file {
    struct io_file file;
    uint64_t number;
    unsigned pending_ops;
};

struct sim_lock {
    struct io_lock lock;
    struct sim_lock *next;
    uint64_t number; /* Of the locked file. */
};

struct io_sim {
    struct io io; /* First. */
    struct clock clock;
    struct io_sim_options options;
    uint64_t now_ns;
    uint64_t wall_ms; /* When now_ns was 0. */
    struct sim_disk *disk;
    size_t sweep_at; /* Nodes on the disk when to look for unreachable ones. */

    struct rand order; /* One stream each, so that more of one does not change another. */
    struct rand latency;
    struct rand fates;
    struct rand network;

    struct io_sim_fault fault;
    bool is_fault_paused;
    uint64_t fault_calls;
    uint64_t fault_fired;
    uint64_t calls[SIM_CLASSES];

    io_sim_watch *watch;
    void *watch_context;
    io_sim_tap *tap;
    void *tap_context;
    struct io_sim_trace *trace;

    struct sim_due *dues; /* A binary heap. */
    size_t due_count;
    size_t due_capacity;
    uint64_t due_number;

    struct sim_socket *sockets; /* All of them. */
    uint16_t next_port;
    struct sim_lock *locks;
    size_t open_files;
    size_t open_rings;
};

static inline struct io_sim *sim_of(struct io *io)
{
    return (struct io_sim *)io;
}

/* ---- io_sim.c ------------------------------------------------------------------------------- */

/* Count a call of class. The errno value it shall fail with, or 0. */
int sim_fault(struct io_sim *sim, enum io_sim_class class);
/* Live through e on the disk, record it, show it. An errno value or 0. */
int sim_emit(struct io_sim *sim, struct io_sim_event *e);
/* e tells of something that failed: decide what happened all the same. */
void sim_fail(struct io_sim *sim, struct io_sim_event *e);

/* ---- io_sim_ring.c -------------------------------------------------------------------------- */

struct status sim_ring_create(struct io *io, const struct io_ring_options *options,
                              struct io_ring **out);
void sim_ring_destroy(struct io_ring *ring);
void sim_submit(struct io_ring *ring, struct io_op *op);
void sim_wait(struct io_ring *ring, uint64_t deadline_ns);
struct io_op *sim_done(struct io_ring *ring);
void sim_wake(struct io_ring *ring);
void sim_perform(struct io_ring *ring, struct io_op *op);
/* Let op complete at time_ns. */
void sim_schedule(struct io_sim *sim, struct io_op *op, uint64_t time_ns);

/* What the ring keeps in a pending op's scratch. */
enum sim_scratch {
    SIM_OP_RING,   /* The ring it was submitted to. */
    SIM_OP_ERROR,  /* The errno value it will fail with. */
    SIM_OP_START,  /* WRITE: its WRITING event; SYNC: the last event it covers. */
    SIM_OP_BLOB,   /* WRITE: what was handed in, to see that it stays so. */
    SIM_OP_IS_DUE, /* Of a socket: its completion is scheduled. */
};

/* ---- io_sim_net.c --------------------------------------------------------------------------- */

struct status sim_listen(struct io *io, const struct io_listen_options *options, struct errbuf *err,
                         struct io_socket **out);
struct status sim_connect(struct io *io, const char *address, uint16_t port,
                          struct io_socket **out);
uint16_t sim_socket_port(const struct io_socket *socket);
int sim_socket_number(const struct io_socket *socket);
void sim_socket_name(const struct io_socket *socket, bool peer, char *out_text, size_t size);
void sim_socket_shutdown(struct io_socket *socket);
void sim_socket_close(struct io_socket *socket);
/* Take up an op of a socket; it is scheduled when it can be done. */
void sim_socket_submit(struct io_sim *sim, struct io_op *op);
/* Do what was scheduled; the results of op are set. */
void sim_socket_complete(struct io_sim *sim, struct io_op *op);
/* Forget op; it is not scheduled any more. */
void sim_socket_forget(struct io_op *op);
/* The pending ops of all sockets that were submitted to ring, one by one; NULL at the end. */
struct io_op *sim_socket_op_on(struct io_sim *sim, const struct io_ring *ring);

#endif
