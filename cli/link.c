#include "cli/link.h"

#include "base/alloc.h"
#include "base/process.h"

enum {
    RECEIVED_AT_ONCE = 64 << 10,
    REPLY_MAX_BYTES = 1 << 30,
    COMMAND_MAX_BYTES = 1 << 30,
};

static struct cli_link *of(struct cli_source *s)
{
    return (struct cli_link *)s;
}

/* An op on the connection, to its end. */
static struct status run(struct cli_link *l, struct io_op *op)
{
    char room[128];

    op->socket = l->socket;
    io_submit(l->ring, op);
    struct status s = io_wait(l->ring, op);
    if (failed(s))
        errbuf_set(&l->err, "%s",
                   op->error != 0 ? process_error_text(op->error, room, sizeof room)
                                  : status_text(s));
    return s;
}

static struct status receive(struct cli_link *l)
{
    if (l->taken > RECEIVED_AT_ONCE) {
        buf_consume(&l->in, l->taken);
        l->taken = 0;
    }
    uint8_t *room = buf_extend(&l->in, RECEIVED_AT_ONCE);
    if (room == NULL) {
        errbuf_set(&l->err, "the reply is too large");
        return status_of(ST_NO_MEMORY);
    }
    struct io_op op = { .opcode = IO_OP_RECV, .data = room, .size = RECEIVED_AT_ONCE };
    struct status s = run(l, &op);
    l->in.size -= RECEIVED_AT_ONCE - (failed(s) ? 0 : op.done_size);
    if (succeeded(s) && op.done_size == 0) {
        errbuf_set(&l->err, "Server closed the connection");
        return status_of(ST_IO);
    }
    return s;
}

static struct status take(struct cli_link *l, struct arena *arena, size_t size, struct bytes *out)
{
    *out = arena_copy(arena, bytes_of(l->in.data + l->taken, size));
    l->taken += size;
    return out->data == NULL ? status_of(ST_NO_MEMORY) : status_ok();
}

static struct status source_line(struct cli_source *source, struct arena *arena, struct bytes *out)
{
    struct cli_link *l = of(source);
    size_t seen = 0;

    for (;;) {
        size_t size = l->in.size - l->taken;
        const uint8_t *line = size == 0 ? NULL : l->in.data + l->taken;
        const uint8_t *end = size == seen ? NULL : memchr(line + seen, '\n', size - seen);
        if (end != NULL) {
            size = (size_t)(end - line);
            TRY(take(l, arena, size + 1, out));
            out->size = size > 0 && line[size - 1] == '\r' ? size - 1 : size;
            return status_ok();
        }
        seen = size;
        TRY(receive(l));
    }
}

static struct status source_bytes(struct cli_source *source, struct arena *arena, size_t size,
                                  struct bytes *out)
{
    struct cli_link *l = of(source);

    while (l->in.size - l->taken < size + 2)
        TRY(receive(l));
    TRY(take(l, arena, size, out));
    l->taken += 2;
    return status_ok();
}

struct status cli_link_init(struct cli_link *l, struct alloc *alloc)
{
    const struct io_ring_options options = { .entries = 4, .is_thread_bound = true };

    *l = (struct cli_link) { .source = { .line = source_line, .bytes = source_bytes } };
    buf_init(&l->in, alloc, REPLY_MAX_BYTES);
    buf_init(&l->out, alloc, COMMAND_MAX_BYTES);
    TRY(io_open_machine(alloc, IO_KIND_POSIX, &l->io, NULL));
    return io_ring_create(l->io, &options, &l->ring);
}

void cli_link_deinit(struct cli_link *l)
{
    cli_link_disconnect(l);
    io_ring_destroy(l->ring);
    if (l->io != NULL)
        io_close_machine(l->io);
    buf_deinit(&l->in);
    buf_deinit(&l->out);
}

void cli_link_disconnect(struct cli_link *l)
{
    io_socket_close(l->socket);
    l->socket = NULL;
}

/* The next address of those that are left. */
static struct status connect_to_next(struct cli_link *l)
{
    struct status s = status_of(ST_NOT_FOUND);

    cli_link_disconnect(l);
    while (failed(s) && l->tried < l->addresses.count)
        s = io_connect(l->io, l->addresses.text[l->tried++], l->port, &l->socket);
    if (failed(s))
        errbuf_set(&l->err, "%s", status_text(s));
    return s;
}

struct status cli_link_connect_to(struct cli_link *l, const struct resolve_addresses *addresses,
                                  uint16_t port)
{
    buf_reset(&l->in);
    l->taken = 0;
    l->has_sent = false;
    l->addresses = *addresses;
    l->tried = 0;
    l->port = port;
    return connect_to_next(l);
}

static struct status connect_to_path(struct cli_link *l, const char *path)
{
    struct status s = io_connect(l->io, path, 0, &l->socket);

    buf_reset(&l->in);
    l->taken = 0;
    l->addresses.count = 0;
    l->tried = 0;
    if (failed(s))
        errbuf_set(&l->err, "%s",
                   s.code == ST_INVALID ? "no socket can have this path" : status_text(s));
    return s;
}

struct status cli_link_connect(struct cli_link *l, const char *host, uint16_t port)
{
    struct resolve_addresses addresses;

    if (strchr(host, '/') != NULL)
        return connect_to_path(l, host);
    TRY(resolve_host(host, &l->err, &addresses));
    return cli_link_connect_to(l, &addresses, port);
}

static struct status send_out(struct cli_link *l)
{
    struct io_op op = { .opcode = IO_OP_SEND, .data = l->out.data, .size = l->out.size };

    return run(l, &op);
}

struct status cli_link_send(struct cli_link *l, const struct bytes *argv, size_t argc)
{
    buf_reset(&l->out);
    buf_append_format(&l->out, "*%zu\r\n", argc);
    for (size_t i = 0; i < argc; i++) {
        buf_append_format(&l->out, "$%zu\r\n", argv[i].size);
        buf_append(&l->out, argv[i]);
        buf_append(&l->out, bytes_str("\r\n"));
    }
    if (l->out.is_failed) {
        errbuf_set(&l->err, "the command is too large");
        return status_of(ST_LIMIT);
    }
    struct status s = send_out(l);
    while (failed(s) && !l->has_sent && l->tried < l->addresses.count) {
        s = connect_to_next(l);
        if (succeeded(s))
            s = send_out(l);
    }
    if (failed(s))
        cli_link_disconnect(l);
    l->has_sent = succeeded(s);
    return s;
}

struct status cli_link_read(struct cli_link *l, struct arena *arena, struct cli_value *out)
{
    struct status s = cli_value_read(&l->source, arena, out);

    if (s.code == ST_CORRUPT)
        errbuf_set(&l->err, "what answers does not speak the protocol");
    if (failed(s))
        cli_link_disconnect(l);
    return s;
}
