/*
 * sim_server -- the daemon without its threads, over the simulated machine: reactor, gateway,
 * store, and clients that talk to it through sockets, all in one thread and in simulated time.
 *
 * Time passes only in sim_server_turn with a wait. A turn without one does what is due now, so a
 * test decides what happens while a read or a write is under way.
 */
#ifndef VARVE_TESTS_SERVER_SIM_SERVER_H
#define VARVE_TESTS_SERVER_SIM_SERVER_H

#include "base/io_sim.h"

#include "server/server.h"

enum { SIM_CLIENTS = 8 };

struct sim_client {
    struct io_socket *socket; /* NULL: not connected. */
    struct io_op send;
    struct io_op recv;
    struct buf unsent; /* Behind what is being sent. */
    struct buf sending;
    struct buf received; /* Ended by a zero byte that is not counted. */
    uint8_t room[4096];
    bool is_deaf; /* Receives nothing. */
    bool is_over; /* The server has closed the connection. */
};

struct sim_server_options {
    struct lsm_options lsm; /* Segments and memtables not given have 1 MiB. */
    uint64_t cache_size;    /* 0: 256 KiB */
    uint64_t rows_size;     /* 0: 16 KiB: few, so that they come and go. */
    uint64_t budget;        /* 0: 64 MiB */
    struct alloc *alloc;    /* NULL: the heap. */
};

struct sim_server {
    struct server server; /* Its config is that of a fresh install. */
    struct io_sim *sim;
    struct io_ring *work_ring;
    struct io_ring *client_ring;
    uint16_t port;
    struct sim_client clients[SIM_CLIENTS];
};

/* The store is in "/data/0". Aborts the test if it cannot be opened. */
void sim_server_open(struct sim_server *s, struct io_sim *sim,
                     const struct sim_server_options *options);
/* Stops the server as SIGTERM does; its clients are gone. */
void sim_server_close(struct sim_server *s);

/* One turn of the reactor, that waits at most wait_ns for something to happen; then the clients
 * look what has come for them. */
void sim_server_turn(struct sim_server *s, uint64_t wait_ns);
/* Turns until nothing happens any more: no op is done and no command is ready. */
void sim_server_settle(struct sim_server *s);
/* The background, until it has nothing to do or cannot go on. */
void sim_server_work(struct sim_server *s);
/* All that is applied goes to tables. */
void sim_server_flush(struct sim_server *s);

/* Bytes to the server; a client is connected with its first. They leave as turns go by. */
void sim_client_send(struct sim_server *s, unsigned client, struct bytes bytes);
/* An inline command, "\r\n" added. */
void sim_client_say(struct sim_server *s, unsigned client, const char *line);
/* What has come and was not taken yet, as text; it is taken. Borrowed until the client's next. */
const char *sim_client_take(struct sim_server *s, unsigned client);
/* say, settle, take. */
const char *sim_client_ask(struct sim_server *s, unsigned client, const char *line);
/* Close the client's end, with whatever is under way. */
void sim_client_leave(struct sim_server *s, unsigned client);

#endif
