/* Listeners: what happens when accepting fails, and when they are not wanted any more. */
#include "base/io_sim.h"

#include "server/listener.h"

#include <criterion/criterion.h>

static const uint64_t SECOND_NS = 1000 * 1000 * 1000;

struct fixture {
    struct io_sim *sim;
    struct io_ring *ring;
    struct server_listeners listeners;
    uint64_t now_ns;
};

static void add(struct fixture *f, const char *name)
{
    const struct io_listen_options options = { .address = "127.0.0.1" };
    struct io_socket *socket;
    struct errbuf err;

    cr_assert(succeeded(io_listen(io_sim_io(f->sim), &options, &err, &socket)));
    server_listeners_add(&f->listeners, socket, name);
}

static void open_one(struct fixture *f)
{
    const struct io_ring_options options = { .entries = 8 };

    *f = (struct fixture) { .sim = io_sim_create(NULL, NULL), .now_ns = SECOND_NS };
    cr_assert(succeeded(io_ring_create(io_sim_io(f->sim), &options, &f->ring)));
    server_listeners_init(&f->listeners, f->ring, log_none());
    add(f, "one");
}

static void close_all(struct fixture *f)
{
    cr_assert(server_listeners_are_gone(&f->listeners));
    io_ring_destroy(f->ring);
    io_sim_destroy(f->sim);
}

/* What the first one's ACCEPT said, with code in the place of its own answer if that is not OK. */
static struct status accepted(struct fixture *f, enum status_code code)
{
    struct server_listener *l = &f->listeners.places[0];
    struct io_socket *socket = NULL;
    struct io_op *op;

    io_ring_wait(f->ring, 0);
    op = io_ring_done(f->ring);
    cr_assert_eq(op, &l->accept);
    if (code != ST_OK) {
        io_socket_close(op->accepted);
        op->status = status_of(code);
    }
    struct status st = server_listeners_accepted(&f->listeners, l, f->now_ns, &socket);
    io_socket_close(socket);
    return st;
}

static void knock(struct fixture *f)
{
    struct io_socket *socket;
    uint16_t port = io_socket_port(f->listeners.places[0].socket);

    cr_assert(succeeded(io_connect(io_sim_io(f->sim), "127.0.0.1", port, &socket)));
    io_socket_close(socket);
}

Test(server_listener, who_comes_is_handed_out_and_the_next_awaited)
{
    struct fixture f;

    open_one(&f);
    for (int i = 0; i < 3; i++) {
        knock(&f);
        cr_assert(succeeded(accepted(&f, ST_OK)));
        cr_assert(f.listeners.places[0].accept.is_pending);
    }
    server_listeners_retire_all(&f.listeners);
    cr_assert_eq(accepted(&f, ST_OK).code, ST_CANCELLED);
    close_all(&f);
}

/* Not at once: that would be a loop for as long as there is no descriptor. */
Test(server_listener, after_a_failure_it_tries_again_later)
{
    struct fixture f;
    struct server_listener *l = &f.listeners.places[0];

    open_one(&f);
    knock(&f);
    cr_assert_eq(accepted(&f, ST_LIMIT).code, ST_LIMIT);
    cr_assert(l->is_refused && !l->accept.is_pending);
    server_listeners_look(&f.listeners, f.now_ns + 1);
    cr_assert(!l->accept.is_pending, "too early");
    f.now_ns += SECOND_NS / 2;
    server_listeners_look(&f.listeners, f.now_ns);
    cr_assert(l->accept.is_pending && l->is_refused);
    server_listeners_look(&f.listeners, f.now_ns + SECOND_NS);
    cr_assert(!l->is_refused);
    knock(&f);
    cr_assert(succeeded(accepted(&f, ST_OK)));
    server_listeners_retire_all(&f.listeners);
    cr_assert_eq(accepted(&f, ST_OK).code, ST_CANCELLED);
    close_all(&f);
}

Test(server_listener, one_that_retires_goes_while_it_waits_to_try_again)
{
    struct fixture f;

    open_one(&f);
    knock(&f);
    cr_assert_eq(accepted(&f, ST_LIMIT).code, ST_LIMIT);
    server_listeners_retire(&f.listeners.places[0]);
    close_all(&f);
}

/* Its ACCEPT may end in any way: it must not be tried again, on a socket that is shut down. */
Test(server_listener, one_that_retires_goes_though_accepting_failed)
{
    static const enum status_code codes[] = { ST_OK, ST_LIMIT, ST_NO_MEMORY, ST_IO };

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct fixture f;
        open_one(&f);
        server_listeners_retire(&f.listeners.places[0]);
        cr_assert(!server_listeners_are_gone(&f.listeners));
        cr_assert_eq(accepted(&f, codes[i]).code, codes[i] == ST_OK ? ST_CANCELLED : codes[i]);
        server_listeners_look(&f.listeners, f.now_ns + SECOND_NS);
        close_all(&f);
    }
}

/* CONFIG SET bind there and back in one turn: the name is wanted again before its socket is gone.
 */
Test(server_listener, one_that_retires_does_not_count)
{
    struct fixture f;

    open_one(&f);
    cr_assert(server_listeners_have(&f.listeners, "one"));
    cr_assert(!server_listeners_have(&f.listeners, "two"));
    server_listeners_retire(&f.listeners.places[0]);
    cr_assert(!server_listeners_have(&f.listeners, "one"));
    add(&f, "one");
    cr_assert(server_listeners_have(&f.listeners, "one"));
    cr_assert_eq(accepted(&f, ST_OK).code, ST_CANCELLED);
    server_listeners_retire_all(&f.listeners);
    io_ring_wait(f.ring, 0);
    cr_assert_eq(io_ring_done(f.ring), &f.listeners.places[1].accept);
    struct io_socket *socket;
    cr_assert_eq(server_listeners_accepted(&f.listeners, &f.listeners.places[1], 0, &socket).code,
                 ST_CANCELLED);
    close_all(&f);
}
