/*
 * listener -- what connections come in by: sockets that accept, one ACCEPT each at a time.
 *
 *   1. When there is no descriptor, or no memory, those who come wait in the kernel's queue, and
 *      accepting is tried again a little later. The log says so once, and when it is over.
 *   2. One that retires goes when its ACCEPT has ended, however it ended.
 *
 * Threads: the reactor's.
 */
#ifndef VARVE_SERVER_LISTENER_H
#define VARVE_SERVER_LISTENER_H

#include "base/io.h"
#include "base/log.h"

#include <stdbool.h>
#include <stdint.h>

enum { LISTENERS_MAX = 34, LISTENER_NAME_SIZE = 160, LISTENER_ACCEPT_TAG = 0x41434350 };

struct server_listener {
    struct io_socket *socket; /* NULL: the place is free. */
    char name[LISTENER_NAME_SIZE];
    bool is_retiring;
    struct io_op accept;
    uint64_t retry_ns; /* Accepting failed: when to try again; 0: it did not. */
    bool is_refused;   /* And it was said; until there was none for a while. */
    uint64_t refused_ns;
};

struct server_listeners {
    struct io_ring *ring;
    struct log *log;
    struct server_listener places[LISTENERS_MAX];
};

void server_listeners_init(struct server_listeners *ls, struct io_ring *ring, struct log *log);
/* Takes socket; name is copied. Requires: a place is free. */
void server_listeners_add(struct server_listeners *ls, struct io_socket *socket, const char *name);
/* Is there one of this name, that stays? */
bool server_listeners_have(const struct server_listeners *ls, const char *name);
/*
 * The ACCEPT of l is done; the next is asked for, if there is to be one. OK: *out_socket has come.
 * CANCELLED: nobody, as l retires. Else why nobody could be taken in.
 */
MUST_CHECK struct status server_listeners_accepted(struct server_listeners *ls,
                                                   struct server_listener *l, uint64_t now_ns,
                                                   struct io_socket **out_socket);
/* Now and then: try again where accepting failed. */
void server_listeners_look(struct server_listeners *ls, uint64_t now_ns);
/* Take in no more there, or anywhere. */
void server_listeners_retire(struct server_listener *l);
void server_listeners_retire_all(struct server_listeners *ls);
/* Have all gone? */
bool server_listeners_are_gone(const struct server_listeners *ls);

#endif
