/*
 * connection -- a client's socket: bytes in, parsed in place; replies held until they may leave.
 *
 * Input is received into one buffer and parsed where it lies. Output is two buffers: one that is
 * being sent and one that commands append to; they change places when the first is through, so a
 * reply is never copied. Replies leave in order, each when the writes its command saw are applied:
 * the stream of output is cut into segments, a ticket each.
 *
 *   1. The bytes of a request do not move while it is being run; between runs they may.
 *   2. Tickets of segments never fall; a segment leaves when its ticket is applied.
 *   3. While more than a bounded amount of output waits (little, when memory is short), no further
 *      command is run and nothing more is received.
 *   4. A connection that is silent holds a small buffer for what it may send, and no other.
 *   5. Buffers are clients' memory (client_memory.h); a request too large for it ends the
 *      connection, not the server.
 *
 * Threads: the reactor's.
 */
#ifndef VARVE_SERVER_CONNECTION_H
#define VARVE_SERVER_CONNECTION_H

#include "base/buf.h"
#include "base/io.h"

#include "server/client_memory.h"
#include "server/roster.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resp_session;
struct server_command;

enum connection_tag {
    CONNECTION_RECV_TAG = 0x52454356,
    CONNECTION_SEND_TAG = 0x53454e44,
};

enum { CONNECTION_SEGMENTS = 32 };

/* Output up to a place in the stream may leave when ticket is applied. */
struct connection_segment {
    uint64_t end;
    uint64_t ticket;
};

struct server_connection {
    struct server_client_memory *memory;
    struct io_socket *socket;
    struct resp_session *session; /* NULL: it is told why it cannot stay. */
    uint64_t id;
    uint64_t made_ns;
    uint64_t active_ns; /* When it sent something last. */

    /* Input: [in_begin, in_end) is received and not consumed. */
    uint8_t *in;
    size_t in_begin;
    size_t in_end;
    size_t in_capacity;
    struct io_op recv;
    bool is_at_end;                 /* No more will come. */
    bool has_request;               /* One is parsed and has not run to its end. */
    struct server_command *command; /* That waits. */
    struct server_command *ahead;   /* That has run and holds rows for the next requests. */

    /* Output, as places in the stream: sent so far, the end of `sending`, the end of `out`. */
    struct buf sending;
    struct buf out;
    struct io_op send;
    uint64_t sent;
    uint64_t sending_end;
    uint64_t released; /* May leave up to here. */
    struct connection_segment segments[CONNECTION_SEGMENTS];
    uint32_t segment_first;
    uint32_t segment_count;
    uint64_t full_bytes;    /* More output than this, and commands wait. */
    uint64_t moved_ns;      /* When output left last, or commands began to wait for that. */
    uint64_t soft_since_ns; /* More output than the soft limit waits since then; 0: does not. */

    bool is_paused;       /* No command runs until output has left. */
    bool is_closing;      /* When what it waits for is sent. */
    bool is_closed;       /* Gone as soon as its ops are done. */
    bool is_watching;     /* Counted by the store. */
    bool is_local;        /* Of this machine. */
    uint64_t starving_ns; /* There is no memory for its reply since then; 0: there is. */

    uint8_t lists; /* 1 << enum roster_list: those it is in; the roster's. */
    struct roster_place places[ROSTER_LISTS];
};

/* Takes socket, also on failure. NO_MEMORY */
MUST_CHECK struct status server_connection_create(struct server_client_memory *memory,
                                                  struct io_socket *socket, uint64_t id,
                                                  uint64_t now_ns, struct server_connection **out);
/* Requires: no session, no command, no op pending, in no list. */
void server_connection_destroy(struct server_connection *c);

static inline bool connection_is_in(const struct server_connection *c, enum roster_list list)
{
    return (c->lists & 1u << list) != 0;
}

/* Is it in any list but that of all? */
static inline bool connection_is_queued(const struct server_connection *c)
{
    return (c->lists & ~(1u << ROSTER_ALL)) != 0;
}

/* The next by id. */
static inline struct server_connection *connection_next(const struct server_connection *c)
{
    return c->places[ROSTER_ALL].next;
}

/* ---- Input ------------------------------------------------------------------------------------
 */

static inline size_t connection_input(const struct server_connection *c)
{
    return c->in_end - c->in_begin;
}

/* Receive more behind what is there; missing is how much is needed at least, as announced.
 * NO_MEMORY: the budget does not allow it. Requires: no RECV pending. */
MUST_CHECK struct status server_connection_receive(struct server_connection *c,
                                                   struct io_ring *ring, size_t missing);
/* size bytes have been dealt with. */
void server_connection_consume(struct server_connection *c, size_t size);

/* ---- Output -----------------------------------------------------------------------------------
 */

/* Bytes that wait to be sent. */
static inline uint64_t connection_output(const struct server_connection *c)
{
    return c->sending_end - c->sent + c->out.size;
}

/* Is there so much that no further command should add to it? */
bool server_connection_is_full(const struct server_connection *c);
/* It does not read, but may still be sending: let it have more output than is good. False: memory
 * does not allow it. */
bool server_connection_bear(struct server_connection *c);
/* What was appended to c->out may leave when ticket is applied. */
void server_connection_close_output(struct server_connection *c, uint64_t ticket);
/* The ticket that all that is there waits for; 0: none. */
static inline uint64_t connection_ticket(const struct server_connection *c)
{
    uint32_t last = (c->segment_first + c->segment_count - 1) % CONNECTION_SEGMENTS;

    return c->segment_count == 0 ? 0 : c->segments[last].ticket;
}
/* Send what may leave, now that applied is applied. True: more waits for a ticket. */
bool server_connection_release(struct server_connection *c, struct io_ring *ring, uint64_t applied);
/* The SEND is done; false if it failed. */
bool server_connection_sent(struct server_connection *c);
/* It has been silent for a while: give back what it can do without. */
void server_connection_trim(struct server_connection *c);
/* Is output waiting for a ticket that will never be applied? */
bool server_connection_has_lost(const struct server_connection *c, uint64_t applied);

#endif
