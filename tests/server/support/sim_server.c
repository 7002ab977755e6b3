#include "sim_server.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

#include "cache/cache.h"

#include <stdio.h>

static const uint64_t STEP_NS = 1000 * 1000;
enum {
    RECEIVED_MAX = 256 << 20,
    QUIET_TURNS = 50,
    TURNS_MAX = 1000000,
    ROWS_SIZE = 16 << 10,
};

static void must(struct status s, const char *what, const struct errbuf *err)
{
    if (failed(s))
        (void)fprintf(stderr, "%s: %s %s\n", what, status_name(s.code),
                      err == NULL ? "" : err->text);
    CHECK(succeeded(s));
}

/* ---- Life ---------------------------------------------------------------------------------- */

static void open_store(struct sim_server *s, const struct sim_server_options *o)
{
    struct server *server = &s->server;
    const struct cache_options cache = { .size_bytes = server->cache_bytes, .seed = 1 };
    struct errbuf err = { "" };
    const struct server_store_config config = {
        .env = &server->env,
        .dir = "/data/0",
        .options = o->lsm,
        .database_count = (uint32_t)server->config.databases,
        .rows_bytes = o->rows_size == 0 ? ROWS_SIZE : o->rows_size,
        .err = &err,
    };
    struct server_store_config c = config;
    bool is_there;

    must(io_exists(server->env.io, "/data", &is_there), "exists", NULL);
    if (!is_there)
        must(io_make_dir(server->env.io, "/data"), "mkdir", NULL);
    must(cache_create(&server->env, &cache, &server->cache), "cache", NULL);
    must(
        io_ring_create(server->env.io, &(struct io_ring_options) { .entries = 256 }, &server->ring),
        "ring", NULL);
    c.cache = server->cache;
    must(server_store_open(&c, server->ring, &server->store), "open", &err);
}

static void open_gateway(struct sim_server *s)
{
    struct server *server = &s->server;
    const struct resp_options resp = { .alloc = &server->client_memory.requests.alloc,
                                       .host = &server->host,
                                       .limits = RESP_LIMITS_DEFAULT };
    const struct io_listen_options listen = { .address = "127.0.0.1" };
    struct io_socket *socket;
    struct errbuf err;

    must(resp_create(&resp, &server->resp), "gateway", NULL);
    server_config_take_over(server);
    const struct server_reactor_config reactor = { .env = &server->env,
                                                   .config = &server->config,
                                                   .ring = server->ring,
                                                   .store = server->store,
                                                   .resp = server->resp,
                                                   .memory = &server->client_memory };
    server_reactor_init(&server->reactor, &reactor);
    must(io_listen(server->env.io, &listen, &err, &socket), "listen", &err);
    s->port = io_socket_port(socket);
    server_listeners_add(&server->reactor.listeners, socket, "sim");
}

void sim_server_open(struct sim_server *s, struct io_sim *sim,
                     const struct sim_server_options *options)
{
    const struct sim_server_options defaults = { .cache_size = 0 };
    const struct sim_server_options *o = options == NULL ? &defaults : options;
    const struct io_ring_options ring = { .entries = 256 };
    struct server *server = &s->server;

    *s = (struct sim_server) { .sim = sim };
    server->host.ops = &server_host_ops;
    server->env = (struct env) { .alloc = o->alloc == NULL ? alloc_heap() : o->alloc,
                                 .clock = io_sim_clock(sim),
                                 .io = io_sim_io(sim),
                                 .budget = &server->budget,
                                 .log = log_none() };
    budget_init(&server->budget, o->budget == 0 ? 64 << 20 : o->budget);
    server_client_memory_init(&server->client_memory, &server->env, 0, 0, 0);
    server->cache_bytes = o->cache_size == 0 ? 256 << 10 : o->cache_size;
    must(server_config_init(&server->config, server->env.alloc), "config", NULL);
    struct sim_server_options small = *o;
    if (small.lsm.log.segment_size == 0)
        small.lsm.log.segment_size = 1 << 20;
    if (small.lsm.write_buffer_size == 0)
        small.lsm.write_buffer_size = 1 << 20;
    open_store(s, &small);
    must(io_ring_create(server->env.io, &ring, &s->work_ring), "ring", NULL);
    must(io_ring_create(server->env.io, &ring, &s->client_ring), "ring", NULL);
    open_gateway(s);
}

void sim_server_close(struct sim_server *s)
{
    struct server *server = &s->server;

    for (unsigned i = 0; i < SIM_CLIENTS; i++)
        sim_client_leave(s, i);
    server_reactor_stop(&server->reactor);
    for (unsigned i = 0;
         server_reactor_turn(&server->reactor, clock_ns(server->env.clock) + STEP_NS); i++)
        CHECK(i < TURNS_MAX);
    server_reactor_deinit(&server->reactor);
    server_store_close(server->store);
    resp_destroy(server->resp);
    io_ring_destroy(s->client_ring);
    io_ring_destroy(s->work_ring);
    io_ring_destroy(server->ring);
    cache_destroy(server->cache);
    server_config_deinit(&server->config);
}

/* ---- Clients ------------------------------------------------------------------------------- */

static void receive(struct sim_server *s, struct sim_client *c)
{
    if (c->is_deaf || c->is_over || c->recv.is_pending)
        return;
    c->recv = (struct io_op) { .opcode = IO_OP_RECV,
                               .socket = c->socket,
                               .data = c->room,
                               .size = sizeof c->room,
                               .owner = c };
    io_submit(s->client_ring, &c->recv);
}

static void send_more(struct sim_server *s, struct sim_client *c)
{
    struct buf sent = c->sending;

    if (c->send.is_pending || c->unsent.size == 0)
        return;
    c->sending = c->unsent;
    c->unsent = sent;
    buf_reset(&c->unsent);
    c->send = (struct io_op) { .opcode = IO_OP_SEND,
                               .socket = c->socket,
                               .data = c->sending.data,
                               .size = c->sending.size,
                               .owner = c };
    io_submit(s->client_ring, &c->send);
}

/* Returns how many ops were done. */
static unsigned look_at_clients(struct sim_server *s)
{
    unsigned count = 0;
    struct io_op *op;

    io_ring_wait(s->client_ring, 0);
    while ((op = io_ring_done(s->client_ring)) != NULL) {
        struct sim_client *c = op->owner;
        count++;
        if (op == &c->send) {
            send_more(s, c);
            continue;
        }
        c->is_over = failed(op->status) || op->done_size == 0;
        if (!c->is_over)
            buf_append(&c->received, bytes_of(c->room, op->done_size));
        receive(s, c);
    }
    for (unsigned i = 0; i < SIM_CLIENTS; i++) {
        if (s->clients[i].socket != NULL)
            receive(s, &s->clients[i]);
    }
    return count;
}

void sim_client_send(struct sim_server *s, unsigned client, struct bytes bytes)
{
    struct sim_client *c = &s->clients[client];

    CHECK(client < SIM_CLIENTS);
    if (c->socket == NULL) {
        must(io_connect(s->server.env.io, "127.0.0.1", s->port, &c->socket), "connect", NULL);
        buf_init(&c->unsent, alloc_heap(), RECEIVED_MAX);
        buf_init(&c->sending, alloc_heap(), RECEIVED_MAX);
        buf_init(&c->received, alloc_heap(), RECEIVED_MAX);
        receive(s, c);
    }
    buf_append(&c->unsent, bytes);
    send_more(s, c);
}

void sim_client_say(struct sim_server *s, unsigned client, const char *line)
{
    sim_client_send(s, client, bytes_str(line));
    sim_client_send(s, client, bytes_str("\r\n"));
}

const char *sim_client_take(struct sim_server *s, unsigned client)
{
    struct sim_client *c = &s->clients[client];

    buf_append_u8(&c->received, 0);
    CHECK(!c->received.is_failed);
    c->received.size = 0;
    return (const char *)c->received.data;
}

const char *sim_client_ask(struct sim_server *s, unsigned client, const char *line)
{
    sim_client_say(s, client, line);
    sim_server_settle(s);
    return sim_client_take(s, client);
}

void sim_client_leave(struct sim_server *s, unsigned client)
{
    struct sim_client *c = &s->clients[client];

    if (c->socket == NULL)
        return;
    io_socket_shutdown(c->socket);
    while (c->send.is_pending || c->recv.is_pending) {
        io_ring_wait(s->client_ring, 0);
        while (io_ring_done(s->client_ring) != NULL)
            ;
    }
    io_socket_close(c->socket);
    buf_deinit(&c->unsent);
    buf_deinit(&c->sending);
    buf_deinit(&c->received);
    *c = (struct sim_client) { .socket = NULL };
}

/* ---- Time ---------------------------------------------------------------------------------- */

void sim_server_turn(struct sim_server *s, uint64_t wait_ns)
{
    uint64_t deadline_ns = wait_ns == 0 ? 0 : clock_ns(s->server.env.clock) + wait_ns;

    CHECK(server_reactor_turn(&s->server.reactor, deadline_ns));
    (void)look_at_clients(s);
}

void sim_server_settle(struct sim_server *s)
{
    unsigned quiet = 0;

    for (unsigned i = 0; quiet < QUIET_TURNS; i++) {
        CHECK(i < TURNS_MAX);
        CHECK(server_reactor_turn(&s->server.reactor, clock_ns(s->server.env.clock) + STEP_NS));
        bool is_idle = look_at_clients(s) == 0 &&
                       roster_first(&s->server.reactor.roster, ROSTER_READY) == NULL;
        quiet = is_idle ? quiet + 1 : 0;
    }
}

void sim_server_work(struct sim_server *s)
{
    struct lsm *lsm = s->server.store->lsm;

    status_ignore(txn_clock_keep_ahead(&s->server.store->pipeline.clock, s->work_ring),
                  "as the background");
    while (lsm_work_step(lsm, s->work_ring, clock_ns(s->server.env.clock)) == LSM_AGAIN)
        ;
}

void sim_server_flush(struct sim_server *s)
{
    struct lsm *lsm = s->server.store->lsm;
    uint64_t ticket;

    sim_server_settle(s);
    must(lsm_freeze(lsm, &ticket), "freeze", NULL);
    for (unsigned i = 0; lsm_flushed(lsm) < ticket; i++) {
        CHECK(i < TURNS_MAX);
        sim_server_turn(s, STEP_NS);
        sim_server_work(s);
    }
}
