#include "base/io_sim_machine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "base/check.h"

enum { ADDRESS_MAX = 128, BACKLOG_DEFAULT = 511 };

/*
 * One end of a connection, or a listener. What the peer sent waits at the receiver, in a ring of
 * bytes; a connection that nobody has accepted waits at the listener, in a queue through
 * next_in_line.
 */
struct sim_socket {
    struct io_socket socket;
    struct sim_socket *next; /* Of all sockets. */
    struct sim_socket *peer; /* NULL: closed, refused, or a listener. */
    struct sim_socket *line; /* Listener: those who wait to be accepted. */
    struct sim_socket *next_in_line;
    struct io_op *receiver; /* RECV or ACCEPT that waits. */
    struct io_op *sender;   /* SEND that waits. */
    uint8_t *buffer;
    size_t buffer_size;
    size_t head;
    size_t count;
    bool is_listener;
    bool is_unix;
    bool is_refused; /* Nobody listened. */
    bool is_shut;    /* Nothing more comes in or goes out. */
    int backlog;
    uint16_t port;
    char address[ADDRESS_MAX];
};

static struct sim_socket *socket_of(const struct io_op *op)
{
    return (struct sim_socket *)op->socket;
}

static struct sim_socket *socket_create(struct io_sim *sim, const char *address, uint16_t port,
                                        bool is_unix)
{
    struct sim_socket *s = sim_take(sizeof *s);

    s->socket.io = &sim->io;
    s->is_unix = is_unix;
    s->port = port;
    snprintf(s->address, sizeof s->address, "%s", address);
    s->next = sim->sockets;
    sim->sockets = s;
    return s;
}

static bool is_address(const char *text, bool is_unix)
{
    unsigned char parsed[sizeof(struct in6_addr)];

    if (is_unix)
        return text[0] != '\0' && strlen(text) < ADDRESS_MAX;
    return inet_pton(AF_INET, text, parsed) == 1 || inet_pton(AF_INET6, text, parsed) == 1;
}

static struct sim_socket *find_listener(const struct io_sim *sim, const char *address,
                                        uint16_t port, bool is_unix)
{
    for (struct sim_socket *s = sim->sockets; s != NULL; s = s->next)
        if (s->is_listener && !s->is_shut && s->is_unix == is_unix &&
            strcmp(s->address, address) == 0 && s->port == port)
            return s;
    return NULL;
}

/* ---- Ops that can go on ------------------------------------------------------------------------
 */

/* Let op complete: next, as far as the order of things due allows. */
static void make_due(struct io_sim *sim, struct io_op *op)
{
    if (op->scratch[SIM_OP_IS_DUE] == 0)
        sim_schedule(sim, op, sim->now_ns);
    op->scratch[SIM_OP_IS_DUE] = 1;
}

static bool can_receive(const struct sim_socket *s)
{
    if (s->is_listener)
        return s->line != NULL || s->is_shut;
    return s->count > 0 || s->peer == NULL || s->is_shut || s->peer->is_shut;
}

static void look_at_receiver(struct io_sim *sim, struct sim_socket *s)
{
    if (s->receiver != NULL && can_receive(s))
        make_due(sim, s->receiver);
}

static void put_bytes(struct sim_socket *s, const uint8_t *from, size_t size)
{
    for (size_t left = size; left > 0;) {
        size_t tail = (s->head + s->count) % s->buffer_size;
        size_t part = s->buffer_size - tail < left ? s->buffer_size - tail : left;
        memcpy(s->buffer + tail, from, part);
        s->count += part;
        from += part;
        left -= part;
    }
}

static void take_bytes_out(struct sim_socket *s, uint8_t *to, size_t size)
{
    for (size_t left = size; left > 0;) {
        size_t part = s->buffer_size - s->head < left ? s->buffer_size - s->head : left;
        memcpy(to, s->buffer + s->head, part);
        s->head = (s->head + part) % s->buffer_size;
        s->count -= part;
        to += part;
        left -= part;
    }
}

/* Move what a waiting SEND has into the peer's buffer, as far as there is room. */
static void look_at_sender(struct io_sim *sim, struct sim_socket *s)
{
    struct io_op *op = s->sender;
    struct sim_socket *peer = s->peer;

    if (op == NULL || op->scratch[SIM_OP_IS_DUE] != 0)
        return;
    if (peer == NULL || peer->is_shut || s->is_shut) {
        op->scratch[SIM_OP_ERROR] = s->is_refused ? ECONNREFUSED : EPIPE;
        make_due(sim, op);
        return;
    }
    size_t room = peer->buffer_size - peer->count;
    size_t left = op->size - op->done_size;
    size_t part = left < room ? left : room;
    const uint8_t *from = (const uint8_t *)op->data + op->done_size;
    put_bytes(peer, from, part);
    op->done_size += part;
    if (part > 0 && sim->tap != NULL)
        sim->tap(sim->tap_context, &peer->socket, bytes_of(from, part));
    if (op->done_size == op->size)
        make_due(sim, op);
    look_at_receiver(sim, peer);
}

void sim_socket_submit(struct io_sim *sim, struct io_op *op)
{
    struct sim_socket *s = socket_of(op);

    if (op->opcode == IO_OP_SEND) {
        CHECK(s->sender == NULL);
        s->sender = op;
        look_at_sender(sim, s);
    } else {
        CHECK(s->receiver == NULL);
        CHECK(s->is_listener == (op->opcode == IO_OP_ACCEPT));
        s->receiver = op;
        look_at_receiver(sim, s);
    }
}

void sim_socket_forget(struct io_op *op)
{
    struct sim_socket *s = socket_of(op);
    struct io_op **place = op->opcode == IO_OP_SEND ? &s->sender : &s->receiver;

    CHECK(*place == op);
    *place = NULL;
}

struct io_op *sim_socket_op_on(struct io_sim *sim, const struct io_ring *ring)
{
    for (struct sim_socket *s = sim->sockets; s != NULL; s = s->next) {
        if (s->receiver != NULL && s->receiver->scratch[SIM_OP_RING] == (uintptr_t)ring)
            return s->receiver;
        if (s->sender != NULL && s->sender->scratch[SIM_OP_RING] == (uintptr_t)ring)
            return s->sender;
    }
    return NULL;
}

/* ---- Completing --------------------------------------------------------------------------- */

static void complete_accept(struct sim_socket *s, struct io_op *op)
{
    struct sim_socket *first = s->line;

    if (first == NULL) {
        io_op_settle(op, ECANCELED);
        return;
    }
    s->line = first->next_in_line;
    first->next_in_line = NULL;
    op->accepted = &first->socket;
    io_op_settle(op, 0);
}

static void complete_receive(struct io_sim *sim, struct sim_socket *s, struct io_op *op)
{
    size_t size = s->count < op->size ? s->count : op->size;

    if (size > 1 && sim->options.has_short_recv)
        size = 1 + (size_t)rand_below(&sim->network, size);
    take_bytes_out(s, op->data, size);
    op->done_size = size;
    io_op_settle(op, s->is_refused ? ECONNREFUSED : 0);
    if (s->peer != NULL)
        look_at_sender(sim, s->peer);
}

void sim_socket_complete(struct io_sim *sim, struct io_op *op)
{
    struct sim_socket *s = socket_of(op);

    sim_socket_forget(op);
    if (op->opcode == IO_OP_ACCEPT)
        complete_accept(s, op);
    else if (op->opcode == IO_OP_RECV)
        complete_receive(sim, s, op);
    else
        io_op_settle(op, (int)op->scratch[SIM_OP_ERROR]);
}

/* ---- Life --------------------------------------------------------------------------------- */

struct status sim_listen(struct io *io, const struct io_listen_options *options, struct errbuf *err,
                         struct io_socket **out)
{
    struct io_sim *sim = sim_of(io);
    uint16_t port = options->is_unix ? 0 : options->port;

    if (!is_address(options->address, options->is_unix)) {
        errbuf_set(err, "\"%s\" is no %s", options->address,
                   options->is_unix ? "path a socket can have" : "numeric address");
        return status_of(ST_INVALID);
    }
    if (port == 0 && !options->is_unix)
        port = sim->next_port++;
    if (find_listener(sim, options->address, port, options->is_unix) != NULL) {
        errbuf_set(err, "cannot listen on %s port %u: somebody does", options->address, port);
        return status_of(ST_BUSY);
    }
    struct sim_socket *s = socket_create(sim, options->address, port, options->is_unix);
    s->is_listener = true;
    s->backlog = options->backlog > 0 ? options->backlog : BACKLOG_DEFAULT;
    *out = &s->socket;
    return status_ok();
}

static void give_buffer(struct io_sim *sim, struct sim_socket *s)
{
    s->buffer_size = sim->options.socket_buffer_bytes;
    s->buffer = sim_take(s->buffer_size);
}

/* The listener's end of a new connection, at the end of its line. */
static void stand_in_line(struct io_sim *sim, struct sim_socket *listener,
                          struct sim_socket *client)
{
    struct sim_socket *s = socket_create(sim, listener->address, listener->port, listener->is_unix);
    struct sim_socket **last = &listener->line;

    give_buffer(sim, s);
    give_buffer(sim, client);
    s->peer = client;
    client->peer = s;
    while (*last != NULL)
        last = &(*last)->next_in_line;
    *last = s;
    look_at_receiver(sim, listener);
}

static int line_length(const struct sim_socket *listener)
{
    int length = 0;

    for (const struct sim_socket *s = listener->line; s != NULL; s = s->next_in_line)
        length++;
    return length;
}

struct status sim_connect(struct io *io, const char *address, uint16_t port, struct io_socket **out)
{
    struct io_sim *sim = sim_of(io);
    bool is_unix = strchr(address, '/') != NULL;

    if (!is_address(address, is_unix))
        return status_of(ST_INVALID);
    struct sim_socket *listener = find_listener(sim, address, is_unix ? 0 : port, is_unix);
    struct sim_socket *s = socket_create(sim, address, is_unix ? 0 : sim->next_port++, is_unix);
    if (listener == NULL || line_length(listener) >= listener->backlog)
        s->is_refused = true;
    else
        stand_in_line(sim, listener, s);
    *out = &s->socket;
    return status_ok();
}

uint16_t sim_socket_port(const struct io_socket *socket)
{
    return ((const struct sim_socket *)socket)->port;
}

/* Its place among all, the oldest being 1. */
int sim_socket_number(const struct io_socket *socket)
{
    int number = 0;

    for (const struct sim_socket *s = (const struct sim_socket *)socket; s != NULL; s = s->next)
        number++;
    return number;
}

void sim_socket_name(const struct io_socket *socket, bool peer, char *out_text, size_t size)
{
    const struct sim_socket *s = (const struct sim_socket *)socket;

    if (peer)
        s = s->peer;
    if (s == NULL)
        snprintf(out_text, size, "not connected");
    else if (s->is_unix)
        snprintf(out_text, size, "unix:%s", s->address);
    else if (strchr(s->address, ':') != NULL)
        snprintf(out_text, size, "[%s]:%u", s->address, s->port);
    else
        snprintf(out_text, size, "%s:%u", s->address, s->port);
}

/* Something about s has changed for good: everybody who waits on it looks again. */
static void look_around(struct io_sim *sim, struct sim_socket *s)
{
    look_at_receiver(sim, s);
    look_at_sender(sim, s);
    if (s->peer != NULL) {
        look_at_receiver(sim, s->peer);
        look_at_sender(sim, s->peer);
    }
}

void sim_socket_shutdown(struct io_socket *socket)
{
    struct sim_socket *s = (struct sim_socket *)socket;

    s->is_shut = true;
    look_around(sim_of(socket->io), s);
}

void sim_socket_close(struct io_socket *socket)
{
    struct sim_socket *s = (struct sim_socket *)socket;
    struct io_sim *sim = sim_of(socket->io);
    struct sim_socket **at = &sim->sockets;

    CHECK(s->receiver == NULL);
    CHECK(s->sender == NULL);
    while (s->line != NULL) { /* Nobody will accept them now. */
        struct sim_socket *first = s->line;
        s->line = first->next_in_line;
        sim_socket_close(&first->socket);
    }
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    if (s->peer != NULL) {
        s->peer->peer = NULL;
        look_around(sim, s->peer);
    }
    sim_give(s->buffer, s->buffer_size);
    sim_give(s, sizeof *s);
}
