/*
 * link -- the connection to the server: commands out, replies in, waiting for each.
 *
 * Threads: one.
 */
#ifndef VARVE_CLI_LINK_H
#define VARVE_CLI_LINK_H

#include "base/buf.h"
#include "base/errbuf.h"
#include "base/io.h"
#include "base/resolve.h"

#include "cli/value.h"

struct cli_link {
    struct cli_source source;
    struct io *io;
    struct io_ring *ring;
    struct io_socket *socket; /* NULL: not connected. */
    struct resolve_addresses addresses;
    uint32_t tried; /* Of them. */
    uint16_t port;
    bool has_sent;
    struct buf in; /* Received. */
    size_t taken;  /* Of it. */
    struct buf out;
    struct errbuf err; /* Why the last call failed. */
};

MUST_CHECK struct status cli_link_init(struct cli_link *l, struct alloc *alloc);
void cli_link_deinit(struct cli_link *l); /* Takes a half-made one. */

/* host: a name, a numeric address, or the path of a socket. The first command shows whether
 * somebody is there; as long as nothing was sent, a host's next address is tried where one fails.
 */
MUST_CHECK struct status cli_link_connect(struct cli_link *l, const char *host, uint16_t port);
/* The same for addresses that are known. *copied*. */
MUST_CHECK struct status
cli_link_connect_to(struct cli_link *l, const struct resolve_addresses *addresses, uint16_t port);
void cli_link_disconnect(struct cli_link *l);

/* Send a command, and wait until it is on its way; read a reply. What fails disconnects. */
MUST_CHECK struct status cli_link_send(struct cli_link *l, const struct bytes *argv, size_t argc);
MUST_CHECK struct status cli_link_read(struct cli_link *l, struct arena *arena,
                                       struct cli_value *out);

#endif
