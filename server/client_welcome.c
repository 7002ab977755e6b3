/* Who comes in: it gets a session, or is told why it cannot stay. */
#include "server/client.h"

#include "base/log.h"

#include <string.h>

enum { NAME_SIZE = 128 };

static const char TOO_MANY[] = "-ERR max number of clients reached\r\n";
static const char PROTECTED[] =
    "-DENIED Redis is running in protected mode because protected mode is enabled and no password "
    "is set for the default user. In this mode connections are only accepted from the loopback "
    "interface. If you want to connect from external computers to Redis you may adopt one of the "
    "following solutions: 1) Just disable protected mode sending the command 'CONFIG SET "
    "protected-mode no' from the loopback interface by connecting to Redis from the same host the "
    "server is running, however MAKE SURE Redis is not publicly accessible from internet if you do "
    "so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable "
    "the protected mode by editing the Redis configuration file, and setting the protected mode "
    "option to 'no', and then restarting the server. 3) If you started the server manually just "
    "for testing, restart it with the '--protected-mode no' option. 4) Set up an authentication "
    "password for the default user. NOTE: You only need to do one of the above things in order for "
    "the server to start accepting connections from the outside.\r\n";

static bool is_local_name(const char *name)
{
    return strncmp(name, "127.", 4) == 0 || strncmp(name, "[::1]", 5) == 0 ||
           strncmp(name, "[::ffff:127.", 12) == 0 || strncmp(name, "unix:", 5) == 0;
}

/* Say why it cannot stay, and let it go when that is sent. */
static void turn_away(struct server_reactor *r, struct server_connection *c, const char *why)
{
    r->stats.connections_rejected++;
    buf_append(&c->out, bytes_str(why));
    server_connection_close_output(c, 0);
    c->is_closing = true;
    server_roster_join(&r->roster, ROSTER_HELD, c);
}

static void begin_session(struct server_reactor *r, struct server_connection *c, const char *peer,
                          const char *own)
{
    const struct resp_session_options options = { .id = c->id,
                                                  .address = peer,
                                                  .local_address = own,
                                                  .fd = io_socket_number(c->socket),
                                                  .owner = c };

    if (failed(resp_session_create(r->resp, &options, &c->session))) {
        server_client_close(r, c);
        server_client_bury(r, c);
        return;
    }
    r->client_count++;
    if (r->client_count > r->stats.clients_peak)
        r->stats.clients_peak = r->client_count;
    server_client_receive(r, c);
}

void server_client_welcome(struct server_reactor *r, struct io_socket *socket)
{
    const struct server_config *config = r->config;
    struct server_connection *c;
    char peer[NAME_SIZE];
    char own[NAME_SIZE];

    r->stats.connections_received++;
    io_socket_name(socket, true, peer, sizeof peer);
    io_socket_name(socket, false, own, sizeof own);
    if (failed(server_connection_create(r->memory, socket, r->next_id, r->now_ns, &c)))
        return;
    r->next_id++;
    server_roster_join(&r->roster, ROSTER_ALL, c);
    c->is_local = is_local_name(peer);
    log_debug(r->env->log, "Accepted %s", peer);
    if (r->client_count >= config->maxclients)
        turn_away(r, c, TOO_MANY);
    else if (config->protected_mode && config->requirepass[0] == '\0' && !c->is_local)
        turn_away(r, c, PROTECTED);
    else
        begin_session(r, c, peer, own);
}
