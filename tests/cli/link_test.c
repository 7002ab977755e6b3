/* The connection: to the first address of a host that takes it. */
#include "cli/link.h"

#include <criterion/criterion.h>

#include <string.h>

static struct io_socket *listen_here(struct cli_link *l)
{
    const struct io_listen_options options = { .address = "127.0.0.1" };
    struct io_socket *listener = NULL;

    cr_assert(succeeded(io_listen(l->io, &options, &l->err, &listener)), "%s", l->err.text);
    return listener;
}

static void expect_peer(const struct cli_link *l, const char *prefix)
{
    char name[64];

    cr_assert_not_null(l->socket);
    io_socket_name(l->socket, true, name, sizeof name);
    cr_assert_eq(strncmp(name, prefix, strlen(prefix)), 0, "%s", name);
}

/* Two refuse, one takes it; once something was sent no other is tried: it would not know what was
 * said. */
Test(cli_link, addresses_are_tried_in_turn)
{
    static const struct resolve_addresses ALL = {
        { "127.0.0.2", "127.0.0.3", "127.0.0.1", "127.0.0.1" }, 4
    };
    struct bytes ping = bytes_str("PING");
    struct cli_link l;

    cr_assert(succeeded(cli_link_init(&l, alloc_heap())));
    struct io_socket *listener = listen_here(&l);
    cr_assert(succeeded(cli_link_connect_to(&l, &ALL, io_socket_port(listener))));
    cr_assert(succeeded(cli_link_send(&l, &ping, 1)), "%s", l.err.text);
    expect_peer(&l, "127.0.0.1:");
    io_socket_shutdown(l.socket);
    cr_assert(failed(cli_link_send(&l, &ping, 1)));
    cr_assert_null(l.socket);
    io_socket_close(listener);
    cli_link_deinit(&l);
}

Test(cli_link, the_last_refusal_is_told)
{
    static const struct resolve_addresses NONE = { { "127.0.0.2", "127.0.0.3" }, 2 };
    struct bytes ping = bytes_str("PING");
    struct cli_link l;

    cr_assert(succeeded(cli_link_init(&l, alloc_heap())));
    struct io_socket *listener = listen_here(&l);
    cr_assert(succeeded(cli_link_connect_to(&l, &NONE, io_socket_port(listener))));
    cr_assert(failed(cli_link_send(&l, &ping, 1)));
    cr_assert_str_eq(l.err.text, "Connection refused");
    cr_assert_null(l.socket);
    io_socket_close(listener);
    cli_link_deinit(&l);
}

Test(cli_link, a_name_leads_to_its_address)
{
    struct bytes ping = bytes_str("PING");
    struct cli_link l;

    cr_assert(succeeded(cli_link_init(&l, alloc_heap())));
    struct io_socket *listener = listen_here(&l);
    cr_assert(succeeded(cli_link_connect(&l, "localhost", io_socket_port(listener))), "%s",
              l.err.text);
    cr_assert(succeeded(cli_link_send(&l, &ping, 1)), "%s", l.err.text);
    expect_peer(&l, "127.0.0.1:");
    io_socket_close(listener);
    cli_link_deinit(&l);
}
