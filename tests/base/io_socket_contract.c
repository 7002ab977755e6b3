#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/errbuf.h"
#include "tests/base/io_contract.h"
#include "tests/support/must.h"

static const char *const HERE = "127.0.0.1";

/* ---- Helpers ----------------------------------------------------------------------------- */

static struct io_op op_on(enum io_opcode opcode, struct io_socket *socket, void *data, size_t size)
{
    return (struct io_op) { .opcode = opcode, .socket = socket, .data = data, .size = size };
}

static struct io_socket *listen_here(struct io_contract_machine *m)
{
    struct io_listen_options o = { .address = HERE };
    struct errbuf err = { "" };
    struct io_socket *s = NULL;

    cr_assert_eq(io_listen(m->io, &o, &err, &s).code, ST_OK, "%s", err.text);
    return s;
}

static struct io_socket *connect_to(struct io_contract_machine *m, struct io_socket *listener)
{
    struct io_socket *s = NULL;

    MUST(io_connect(m->io, HERE, io_socket_port(listener), &s));
    return s;
}

struct io_contract_pair io_contract_connect(struct io_contract_machine *m, struct io_ring *ring)
{
    struct io_contract_pair p = { .listener = listen_here(m) };
    struct io_op accept = op_on(IO_OP_ACCEPT, p.listener, NULL, 0);

    io_submit(ring, &accept);
    p.client = connect_to(m, p.listener);
    io_contract_wait(m, ring, &accept);
    MUST(accept.status);
    p.server = accept.accepted;
    return p;
}

void io_contract_disconnect(struct io_contract_pair *p)
{
    io_socket_close(p->client);
    io_socket_close(p->server);
    io_socket_close(p->listener);
}

/* RECV on socket until size bytes are there. */
static void receive_all(struct io_contract_machine *m, struct io_ring *ring,
                        struct io_socket *socket, void *data, size_t size)
{
    for (size_t got = 0; got < size;) {
        struct io_op r = op_on(IO_OP_RECV, socket, (uint8_t *)data + got, size - got);
        io_contract_run(m, ring, &r);
        MUST(r.status);
        cr_assert_gt(r.done_size, 0, "the stream ended after %zu of %zu", got, size);
        got += r.done_size;
    }
}

/* ---- Cases ------------------------------------------------------------------------------- */

void io_contract_bytes_travel_both_ways(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_contract_pair p = io_contract_connect(m, ring);
    char in[8] = "";

    for (int i = 0; i < 20; i++) {
        struct io_op ask = op_on(IO_OP_SEND, p.client, "ping", 4);
        struct io_op answer = op_on(IO_OP_SEND, p.server, "pong!", 5);
        /* Half of the time the receiver is there first. */
        struct io_op r = op_on(IO_OP_RECV, p.server, in, sizeof in);
        if (i % 2 == 0) {
            io_submit(ring, &r);
            io_ring_wait(ring, 0);
            io_contract_run(m, ring, &ask);
            if (r.is_pending)
                io_contract_wait(m, ring, &r);
            MUST(r.status);
            cr_assert_gt(r.done_size, 0);
            receive_all(m, ring, p.server, in + r.done_size, 4 - r.done_size);
        } else {
            io_contract_run(m, ring, &ask);
            receive_all(m, ring, p.server, in, 4);
        }
        cr_assert_eq(memcmp(in, "ping", 4), 0);
        MUST(ask.status);
        cr_assert_eq(ask.done_size, 4);
        io_contract_run(m, ring, &answer);
        receive_all(m, ring, p.client, in, 5);
        cr_assert_eq(memcmp(in, "pong!", 5), 0);
    }
    io_contract_disconnect(&p);
    io_ring_destroy(ring);
}

void io_contract_a_pending_accept_ends_with_shutdown(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_socket *listener = listen_here(m);
    struct io_op a = op_on(IO_OP_ACCEPT, listener, NULL, 0);

    io_submit(ring, &a);
    io_ring_wait(ring, 0);
    cr_assert_null(io_ring_done(ring));
    io_socket_shutdown(listener);
    io_contract_wait(m, ring, &a);
    MUST_BE(a.status, ST_CANCELLED);
    cr_assert_null(a.accepted);
    io_contract_run(m, ring, &a); /* And from then on. */
    MUST_BE(a.status, ST_CANCELLED);
    io_socket_close(listener);
    io_ring_destroy(ring);
}

void io_contract_a_pending_recv_ends_with_shutdown(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_contract_pair p = io_contract_connect(m, ring);
    char in[8];
    struct io_op mine = op_on(IO_OP_RECV, p.client, in, sizeof in);
    struct io_op peer = op_on(IO_OP_RECV, p.server, in, sizeof in);

    io_submit(ring, &mine);
    io_submit(ring, &peer);
    io_ring_wait(ring, 0);
    io_socket_shutdown(p.client);
    io_contract_wait_all(m, ring, 2);
    MUST(mine.status);
    cr_assert_eq(mine.done_size, 0);
    MUST(peer.status);
    cr_assert_eq(peer.done_size, 0);
    io_contract_disconnect(&p);
    io_ring_destroy(ring);
}

/* What was sent before the close arrives, then the end, as often as it is asked for. */
void io_contract_a_closed_peer_is_the_end_of_the_stream(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_contract_pair p = io_contract_connect(m, ring);
    char in[8] = "";
    struct io_op last = op_on(IO_OP_SEND, p.client, "bye", 3);

    io_contract_run(m, ring, &last);
    MUST(last.status);
    io_socket_close(p.client);
    p.client = NULL;
    receive_all(m, ring, p.server, in, 3);
    cr_assert_eq(memcmp(in, "bye", 3), 0);
    for (int i = 0; i < 2; i++) {
        struct io_op r = op_on(IO_OP_RECV, p.server, in, sizeof in);
        io_contract_run(m, ring, &r);
        MUST(r.status);
        cr_assert_eq(r.done_size, 0);
    }
    io_contract_disconnect(&p);
    io_ring_destroy(ring);
}

/* As a status, not as a signal. A first send may still be taken. */
void io_contract_a_send_to_a_closed_peer_fails(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_contract_pair p = io_contract_connect(m, ring);
    struct io_op s = { 0 };

    io_socket_close(p.client);
    p.client = NULL;
    for (int i = 0; i < 20000 && s.status.code == ST_OK; i++) {
        struct io_op pause = { .opcode = IO_OP_TIMER,
                               .deadline_ns = clock_ns(m->clock) + 1000 * 1000 };
        s = op_on(IO_OP_SEND, p.server, "x", 1);
        io_contract_run(m, ring, &s);
        io_contract_run(m, ring, &pause);
    }
    MUST_BE(s.status, ST_IO);
    io_contract_disconnect(&p);
    io_ring_destroy(ring);
}

void io_contract_a_refused_connection_fails_its_first_op(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_socket *listener = listen_here(m);
    uint16_t port = io_socket_port(listener);
    char in[8];

    io_socket_close(listener);
    for (int i = 0; i < 2; i++) {
        struct io_socket *s = NULL;
        struct status status = io_connect(m->io, HERE, port, &s);
        if (succeeded(status)) {
            struct io_op op = op_on(i == 0 ? IO_OP_SEND : IO_OP_RECV, s, in, sizeof in);
            memset(in, 0, sizeof in);
            io_contract_run(m, ring, &op);
            status = op.status;
        }
        MUST_BE(status, ST_IO);
        io_socket_close(s);
    }
    io_ring_destroy(ring);
}

/* One SEND of 1 MiB, far beyond what the kernel buffers, read in odd pieces. */
void io_contract_a_slow_reader_gets_every_byte(struct io_contract_machine *m)
{
    enum { SIZE = 1 << 20, PIECE = 7001 };
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_contract_pair p = io_contract_connect(m, ring);
    uint8_t *out = malloc(SIZE);
    uint8_t *in = malloc(SIZE);
    size_t got = 0;

    io_contract_fill(out, SIZE, 1);
    struct io_op s = op_on(IO_OP_SEND, p.client, out, SIZE);
    io_submit(ring, &s);
    while (got < SIZE) {
        size_t want = SIZE - got < PIECE ? SIZE - got : PIECE;
        struct io_op r = op_on(IO_OP_RECV, p.server, in + got, want);
        io_contract_run(m, ring, &r);
        MUST(r.status);
        cr_assert_gt(r.done_size, 0);
        cr_assert_leq(r.done_size, want);
        got += r.done_size;
    }
    if (s.is_pending)
        io_contract_wait(m, ring, &s);
    MUST(s.status);
    cr_assert_eq(s.done_size, SIZE);
    cr_assert_eq(memcmp(in, out, SIZE), 0);
    io_contract_disconnect(&p);
    io_ring_destroy(ring);
    free(out);
    free(in);
}

/* A SEND that is stuck on a full buffer does not hold up a RECV on the same socket. */
void io_contract_a_socket_sends_while_it_receives(struct io_contract_machine *m)
{
    enum { SIZE = 8 << 20 };
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_contract_pair p = io_contract_connect(m, ring);
    uint8_t *out = malloc(SIZE);
    uint8_t *in = malloc(SIZE);
    char small[4];

    io_contract_fill(out, SIZE, 2);
    struct io_op big = op_on(IO_OP_SEND, p.server, out, SIZE);
    struct io_op r = op_on(IO_OP_RECV, p.server, small, sizeof small);
    struct io_op s = op_on(IO_OP_SEND, p.client, "stop", 4);
    io_submit(ring, &big);
    io_submit(ring, &r);
    io_ring_wait(ring, 0);
    io_contract_run(m, ring, &s);
    if (r.is_pending)
        io_contract_wait(m, ring, &r);
    MUST(r.status);
    cr_assert(big.is_pending, "8 MiB fit into the socket: the case shows nothing");
    receive_all(m, ring, p.client, in, SIZE);
    if (big.is_pending)
        io_contract_wait(m, ring, &big);
    MUST(big.status);
    cr_assert_eq(memcmp(in, out, SIZE), 0);
    io_contract_disconnect(&p);
    io_ring_destroy(ring);
    free(out);
    free(in);
}

/* 200 connections with a RECV pending each on a ring sized for 8; some send, some do not. */
void io_contract_many_connections_are_served(struct io_contract_machine *m)
{
    enum { COUNT = 200, ROUNDS = 5 };
    struct io_ring *ring = io_contract_ring(m, 8);
    struct io_socket *listener = listen_here(m);
    struct io_socket *clients[COUNT];
    struct io_socket *servers[COUNT];
    static struct io_op receives[COUNT];
    static struct io_op sends[COUNT];
    static uint8_t in[COUNT][8];
    static uint8_t out[COUNT][8];

    for (size_t i = 0; i < COUNT; i++) {
        struct io_op a = op_on(IO_OP_ACCEPT, listener, NULL, 0);
        clients[i] = connect_to(m, listener);
        io_contract_run(m, ring, &a);
        MUST(a.status);
        servers[i] = a.accepted;
        receives[i] = op_on(IO_OP_RECV, servers[i], in[i], 8);
        io_submit(ring, &receives[i]);
    }
    for (uint64_t round = 0; round < ROUNDS; round++) {
        size_t expected = 0;
        for (size_t i = round % 2; i < COUNT; i += 2) {
            put_u64(out[i], round * COUNT + i);
            sends[i] = op_on(IO_OP_SEND, clients[i], out[i], 8);
            io_submit(ring, &sends[i]);
            expected += 2;
        }
        io_contract_wait_all(m, ring, expected);
        for (size_t i = round % 2; i < COUNT; i += 2) {
            MUST(receives[i].status);
            size_t got = receives[i].done_size;
            cr_assert_gt(got, 0);
            receive_all(m, ring, servers[i], in[i] + got, 8 - got);
            cr_assert_eq(get_u64(in[i]), round * COUNT + i);
            io_submit(ring, &receives[i]);
        }
    }
    for (size_t i = 0; i < COUNT; i++)
        io_socket_close(clients[i]);
    io_contract_wait_all(m, ring, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        cr_assert_eq(receives[i].done_size, 0);
        io_socket_close(servers[i]);
    }
    io_socket_close(listener);
    io_ring_destroy(ring);
}

void io_contract_names_and_ports_of_sockets(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_contract_pair p = io_contract_connect(m, ring);
    char here[64];
    char there[64];
    char want[64];
    char tiny[5];

    cr_assert_neq(io_socket_port(p.listener), 0);
    snprintf(want, sizeof want, "127.0.0.1:%u", io_socket_port(p.listener));
    cr_assert(io_socket_number(p.client) > 0 && io_socket_number(p.server) > 0);
    cr_assert_neq(io_socket_number(p.client), io_socket_number(p.server));
    io_socket_name(p.client, true, there, sizeof there);
    cr_assert_str_eq(there, want);
    io_socket_name(p.server, false, here, sizeof here);
    cr_assert_str_eq(here, want);
    io_socket_name(p.client, false, here, sizeof here);
    io_socket_name(p.server, true, there, sizeof there);
    cr_assert_str_eq(here, there);
    io_socket_name(p.client, true, tiny, sizeof tiny);
    cr_assert_str_eq(tiny, "127.");
    io_contract_disconnect(&p);
    io_ring_destroy(ring);
}

void io_contract_a_taken_port_is_busy(struct io_contract_machine *m)
{
    struct io_socket *first = listen_here(m);
    struct io_listen_options o = { .address = HERE, .port = io_socket_port(first) };
    struct io_socket *second = NULL;
    struct errbuf err = { "" };

    MUST_BE(io_listen(m->io, &o, &err, &second), ST_BUSY);
    cr_assert_neq(err.text[0], '\0');
    cr_assert_null(second);
    io_socket_close(first);
}

void io_contract_a_word_is_no_address(struct io_contract_machine *m)
{
    struct io_listen_options o = { .address = "localhost" };
    struct io_socket *s = NULL;
    struct errbuf err = { "" };

    MUST_BE(io_listen(m->io, &o, &err, &s), ST_INVALID);
    cr_assert_not_null(strstr(err.text, "localhost"));
    MUST_BE(io_connect(m->io, "localhost", 1, &s), ST_INVALID);
    cr_assert_null(s);
}

void io_contract_a_recv_of_nothing_is_invalid(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_contract_pair p = io_contract_connect(m, ring);
    char in[1];
    struct io_op r = op_on(IO_OP_RECV, p.client, in, 0);
    struct io_op s = op_on(IO_OP_SEND, p.client, in, 0);

    io_contract_run(m, ring, &r);
    MUST_BE(r.status, ST_INVALID);
    io_contract_run(m, ring, &s); /* Nothing to send is sent at once. */
    MUST(s.status);
    io_contract_disconnect(&p);
    io_ring_destroy(ring);
}
