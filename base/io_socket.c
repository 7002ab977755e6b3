/*
 * Sockets of the kernel back ends: making and naming them. Moving bytes is the rings' business.
 *
 * io_uring wants blocking descriptors (on others it hands EAGAIN up instead of polling), epoll
 * wants non-blocking ones; connecting never waits in either case.
 */
#include "base/io_host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"

enum { BACKLOG_DEFAULT = 511, KEEPALIVE_PROBES = 3 };

/* One of the three families we speak. */
struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    };
    socklen_t size;
};

/* False if text is no numeric address (or, if is_unix, too long for a path). */
static bool parse_address(const char *text, uint16_t port, bool is_unix, struct address *out)
{
    memset(out, 0, sizeof *out);
    if (is_unix) {
        size_t size = strlen(text);
        if (size == 0 || size >= sizeof out->local.sun_path)
            return false;
        out->local.sun_family = AF_UNIX;
        memcpy(out->local.sun_path, text, size + 1);
        out->size = sizeof out->local;
        return true;
    }
    if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        out->size = sizeof out->v4;
        return true;
    }
    if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(port);
        out->size = sizeof out->v6;
        return true;
    }
    return false;
}

/* Best effort: a connection without these still works, only slower or longer. */
static void set_option(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

static struct host_socket *socket_create(struct io *io, int fd, bool is_unix)
{
    struct host_socket *s = alloc_zeroed(io->alloc, sizeof *s);

    if (s == NULL) {
        (void)close(fd);
        return NULL;
    }
    s->socket.io = io;
    s->fd = fd;
    s->is_unix = is_unix;
    return s;
}

/* ---- Listening --------------------------------------------------------------------------- */

/* Accepted connections inherit these on Linux. */
static void prepare_listener(int fd, const struct io_listen_options *o)
{
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (o->keepalive_s > 0) {
        int idle_s = o->keepalive_s < INT16_MAX ? (int)o->keepalive_s : INT16_MAX;
        int interval_s = idle_s / KEEPALIVE_PROBES;
        set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle_s);
        set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, interval_s > 0 ? interval_s : 1);
        set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
    }
}

/* True if nobody listens on path any more: its server died. One that lives sees a connection come
 * and go. */
static bool is_stale(const struct address *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool stale = fd >= 0 && connect(fd, &a->any, a->size) != 0 && errno == ECONNREFUSED;

    if (fd >= 0)
        (void)close(fd);
    return stale;
}

static int bind_address(int fd, const struct address *a, bool is_unix)
{
    if (bind(fd, &a->any, a->size) == 0)
        return 0;
    if (is_unix && errno == EADDRINUSE && is_stale(a)) {
        if (unlink(a->local.sun_path) == 0 && bind(fd, &a->any, a->size) == 0)
            return 0;
    }
    return errno;
}

static int open_listener(struct io *io, const struct io_listen_options *o, const struct address *a,
                         int *out_fd)
{
    bool is_blocking = ((const struct host *)io)->has_blocking_sockets;
    int fd =
        socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | (is_blocking ? 0 : SOCK_NONBLOCK), 0);

    if (fd < 0)
        return errno;
    if (!o->is_unix)
        prepare_listener(fd, o);
    int error = bind_address(fd, a, o->is_unix);
    if (error == 0 && o->is_unix && o->unix_mode != 0 && chmod(o->address, o->unix_mode) != 0)
        error = errno;
    if (error == 0 && listen(fd, o->backlog > 0 ? o->backlog : BACKLOG_DEFAULT) != 0)
        error = errno;
    if (error != 0)
        (void)close(fd);
    else
        *out_fd = fd;
    return error;
}

struct status io_host_listen(struct io *io, const struct io_listen_options *options,
                             struct errbuf *err, struct io_socket **out)
{
    struct address a;
    int fd = -1;

    if (!parse_address(options->address, options->port, options->is_unix, &a)) {
        errbuf_set(err, "\"%s\" is no %s", options->address,
                   options->is_unix ? "path a socket can have" : "numeric address");
        return status_of(ST_INVALID);
    }
    int error = open_listener(io, options, &a, &fd);
    if (error != 0) {
        errno = error; /* For %m. */
        if (options->is_unix)
            errbuf_set(err, "cannot listen on %s: %m", options->address);
        else
            errbuf_set(err, "cannot listen on %s port %u: %m", options->address, options->port);
        return status_of(error == EADDRINUSE ? ST_BUSY : io_code_of_errno(error));
    }
    struct host_socket *s = socket_create(io, fd, options->is_unix);
    if (s == NULL)
        return status_of(ST_NO_MEMORY);
    *out = &s->socket;
    return status_ok();
}

/* ---- Connecting -------------------------------------------------------------------------- */

static int open_connection(struct io *io, const struct address *a, int *out_fd)
{
    int error = 0;
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return errno;
    if (a->any.sa_family != AF_UNIX)
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (connect(fd, &a->any, a->size) != 0 && errno != EINPROGRESS && errno != EINTR)
        error = errno;
    if (error == 0 && ((const struct host *)io)->has_blocking_sockets && fcntl(fd, F_SETFL, 0) != 0)
        error = errno;
    if (error != 0)
        (void)close(fd);
    else
        *out_fd = fd;
    return error;
}

struct status io_host_connect(struct io *io, const char *address, uint16_t port,
                              struct io_socket **out)
{
    struct address a;
    bool is_unix = strchr(address, '/') != NULL;
    int fd = -1;

    if (!parse_address(address, port, is_unix, &a))
        return status_of(ST_INVALID);
    int error = open_connection(io, &a, &fd);
    if (error != 0)
        return io_status_of_errno(error);
    struct host_socket *s = socket_create(io, fd, is_unix);
    if (s == NULL)
        return status_of(ST_NO_MEMORY);
    *out = &s->socket;
    return status_ok();
}

/* ---- Ops --------------------------------------------------------------------------------- */

void io_host_accepted(struct io_op *op, int fd)
{
    const struct host_socket *listener = (const struct host_socket *)op->socket;
    struct host_socket *s = socket_create(listener->socket.io, fd, listener->is_unix);

    if (s == NULL) {
        io_op_settle(op, ENOMEM);
        return;
    }
    op->accepted = &s->socket;
    io_op_settle(op, 0);
}

/* Failures of accept that belong to the connection, not to the listener (accept(2)). */
static bool is_of_peer(int error)
{
    switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
        return true;
    default:
        return false;
    }
}

bool io_host_socket_failed(struct io_op *op, int error)
{
    if (error == EINTR || (op->opcode == IO_OP_ACCEPT && is_of_peer(error)))
        return false;
    /* Accepting on a listener that was shut down. */
    if (op->opcode == IO_OP_ACCEPT && error == EINVAL)
        error = ECANCELED;
    io_op_settle(op, error);
    return true;
}

static struct io_op **place_of(const struct io_op *op)
{
    struct host_socket *s = (struct host_socket *)op->socket;

    return op->opcode == IO_OP_SEND ? &s->sender : &s->receiver;
}

void io_host_attach(struct io_op *op)
{
    CHECK(*place_of(op) == NULL);
    *place_of(op) = op;
}

void io_host_detach(struct io_op *op)
{
    CHECK(*place_of(op) == op);
    *place_of(op) = NULL;
}

/* ---- Naming and closing ------------------------------------------------------------------ */

uint16_t io_host_socket_port(const struct io_socket *socket)
{
    const struct host_socket *s = (const struct host_socket *)socket;
    struct address a;

    a.size = sizeof a.local;
    if (getsockname(s->fd, &a.any, &a.size) != 0)
        return 0;
    if (a.any.sa_family == AF_INET)
        return ntohs(a.v4.sin_port);
    return a.any.sa_family == AF_INET6 ? ntohs(a.v6.sin6_port) : 0;
}

int io_host_socket_number(const struct io_socket *socket)
{
    return ((const struct host_socket *)socket)->fd;
}

void io_host_socket_name(const struct io_socket *socket, bool peer, char *out_text, size_t size)
{
    const struct host_socket *s = (const struct host_socket *)socket;
    char host[INET6_ADDRSTRLEN] = "?";
    struct address a;

    memset(&a, 0, sizeof a);
    a.size = sizeof a.local;
    int r = peer ? getpeername(s->fd, &a.any, &a.size) : getsockname(s->fd, &a.any, &a.size);
    if (r != 0) {
        (void)snprintf(out_text, size, "not connected");
    } else if (a.any.sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &a.v4.sin_addr, host, sizeof host);
        (void)snprintf(out_text, size, "%s:%u", host, ntohs(a.v4.sin_port));
    } else if (a.any.sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &a.v6.sin6_addr, host, sizeof host);
        (void)snprintf(out_text, size, "[%s]:%u", host, ntohs(a.v6.sin6_port));
    } else {
        (void)snprintf(out_text, size, "unix:%.*s", (int)sizeof a.local.sun_path, a.local.sun_path);
    }
}

void io_host_socket_shutdown(struct io_socket *socket)
{
    struct host_socket *s = (struct host_socket *)socket;

    atomic_store_explicit(&s->is_shut, true, memory_order_release);
    /* Fails only where there is nothing to shut down. */
    (void)shutdown(s->fd, SHUT_RDWR);
}

void io_host_socket_close(struct io_socket *socket)
{
    struct host_socket *s = (struct host_socket *)socket;

    CHECK(s->receiver == NULL);
    CHECK(s->sender == NULL);
    (void)close(s->fd);
    alloc_free(socket->io->alloc, s, sizeof *s);
}
