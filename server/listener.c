#include "server/listener.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

enum {
    RETRY_NS = 100 * 1000 * 1000,
    REFUSED_NS = 1000 * 1000 * 1000, /* So long accepting must go well to be said to. */
};

void server_listeners_init(struct server_listeners *ls, struct io_ring *ring, struct log *log)
{
    *ls = (struct server_listeners) { .ring = ring, .log = log };
}

static void accept_next(struct server_listeners *ls, struct server_listener *l)
{
    l->retry_ns = 0;
    l->accept = (struct io_op) {
        .opcode = IO_OP_ACCEPT, .socket = l->socket, .owner = l, .tag = LISTENER_ACCEPT_TAG
    };
    io_submit(ls->ring, &l->accept);
}

void server_listeners_add(struct server_listeners *ls, struct io_socket *socket, const char *name)
{
    struct server_listener *l = ls->places;

    while (l->socket != NULL)
        l++;
    CHECK(l < ls->places + LISTENERS_MAX);
    *l = (struct server_listener) { .socket = socket };
    (void)snprintf(l->name, sizeof l->name, "%s", name);
    accept_next(ls, l);
}

bool server_listeners_have(const struct server_listeners *ls, const char *name)
{
    for (uint32_t i = 0; i < LISTENERS_MAX; i++) {
        const struct server_listener *l = &ls->places[i];
        if (l->socket != NULL && !l->is_retiring && strcmp(l->name, name) == 0)
            return true;
    }
    return false;
}

static void accept_later(struct server_listeners *ls, struct server_listener *l, uint64_t now_ns)
{
    if (!l->is_refused)
        log_warning(ls->log,
                    "Connections cannot be accepted, and wait: %s. It is tried again ten times a "
                    "second; if it stays, raise ulimit -n, or lower maxclients.",
                    status_text(l->accept.status));
    l->is_refused = true;
    l->refused_ns = now_ns;
    l->retry_ns = now_ns + RETRY_NS;
}

static void end(struct server_listener *l)
{
    io_socket_close(l->socket);
    *l = (struct server_listener) { .socket = NULL };
}

struct status server_listeners_accepted(struct server_listeners *ls, struct server_listener *l,
                                        uint64_t now_ns, struct io_socket **out_socket)
{
    struct status st = l->accept.status;

    if (succeeded(st))
        *out_socket = l->accept.accepted;
    if (l->is_retiring)
        end(l);
    else if (succeeded(st))
        accept_next(ls, l);
    else
        accept_later(ls, l, now_ns);
    return st;
}

static void look(struct server_listeners *ls, struct server_listener *l, uint64_t now_ns)
{
    if (l->retry_ns != 0 && now_ns >= l->retry_ns)
        accept_next(ls, l);
    if (!l->is_refused || now_ns - l->refused_ns < REFUSED_NS)
        return;
    log_notice(ls->log, "Connections are accepted again");
    l->is_refused = false;
}

void server_listeners_look(struct server_listeners *ls, uint64_t now_ns)
{
    for (uint32_t i = 0; i < LISTENERS_MAX; i++)
        look(ls, &ls->places[i], now_ns);
}

void server_listeners_retire(struct server_listener *l)
{
    l->is_retiring = true;
    if (l->accept.is_pending)
        io_socket_shutdown(l->socket);
    else
        end(l);
}

void server_listeners_retire_all(struct server_listeners *ls)
{
    for (uint32_t i = 0; i < LISTENERS_MAX; i++) {
        if (ls->places[i].socket != NULL)
            server_listeners_retire(&ls->places[i]);
    }
}

bool server_listeners_are_gone(const struct server_listeners *ls)
{
    for (uint32_t i = 0; i < LISTENERS_MAX; i++) {
        if (ls->places[i].socket != NULL)
            return false;
    }
    return true;
}
