/* Clients: pipelines, replies that wait for the disk, connections that go in between. */
#include "support/sim_server.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

enum { LATENCY_NS = 500 * 1000 };
/* A value, and its reply; so much waits for a client before its commands do. */
enum { VALUE_SIZE = 60000, REPLY_SIZE = VALUE_SIZE + 10, OUTPUT_FULL = 1 << 20 };

/* Writes of many clients that come while one is under way go to the disk together, and each is
 * answered once it is there; whoever read them waits as long. */
Test(server_connection, writes_of_a_turn_share_a_write_and_wait_for_it)
{
    struct io_sim *sim = io_sim_create(
        &(struct io_sim_options) { .latency_min_ns = LATENCY_NS, .latency_max_ns = LATENCY_NS },
        NULL);
    struct sim_server s;

    sim_server_open(&s, sim, NULL);
    for (unsigned i = 0; i < 6; i++)
        cr_assert_str_eq(sim_client_ask(&s, i, "PING"), "+PONG\r\n");
    uint64_t before = io_sim_calls(sim, IO_SIM_WRITE);
    for (unsigned i = 0; i < 5; i++)
        sim_client_say(&s, i, "INCR n");
    sim_client_say(&s, 5, "GET n");
    for (int i = 0; i < 5; i++)
        sim_server_turn(&s, 0);
    for (unsigned i = 0; i < 6; i++)
        cr_assert_str_eq(sim_client_take(&s, i), "", "%u was told before it was durable", i);
    for (int i = 0; i < 10; i++)
        sim_server_turn(&s, LATENCY_NS);
    for (unsigned i = 0; i < 5; i++)
        cr_assert_eq(sim_client_take(&s, i)[0], ':', "%u", i);
    cr_assert_eq(sim_client_take(&s, 5)[0], '$');
    cr_assert_leq(io_sim_calls(sim, IO_SIM_WRITE) - before, 4);
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* Its write was evaluated: it becomes durable, though nobody is there to hear it. */
Test(server_connection, a_client_that_leaves_while_its_write_is_under_way)
{
    struct io_sim *sim = io_sim_create(
        &(struct io_sim_options) { .latency_min_ns = LATENCY_NS, .latency_max_ns = LATENCY_NS },
        NULL);
    struct sim_server s;

    sim_server_open(&s, sim, NULL);
    cr_assert_str_eq(sim_client_ask(&s, 1, "PING"), "+PONG\r\n");
    sim_client_say(&s, 0, "SET a 1");
    for (int i = 0; i < 3; i++)
        sim_server_turn(&s, 0);
    sim_client_leave(&s, 0);
    sim_client_say(&s, 1, "GET a");
    sim_server_settle(&s);
    cr_assert_str_eq(sim_client_take(&s, 1), "$1\r\n1\r\n");
    cr_assert_eq(roster_count(&s.server.reactor.roster, ROSTER_ALL), 1);
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* Whether or not an answer is wanted, of a QUIT or of bytes that are none of the protocol. */
Test(server_connection, who_wants_no_replies_can_leave)
{
    static const char *const LINES[] = { "CLIENT REPLY OFF\r\nQUIT", "CLIENT REPLY SKIP\r\nQUIT",
                                         "CLIENT REPLY OFF\r\nGET a\r\nQUIT\r\nGET a",
                                         "CLIENT REPLY OFF\r\n*1\r\n$-5" };
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;

    sim_server_open(&s, sim, NULL);
    for (unsigned i = 0; i < sizeof LINES / sizeof LINES[0]; i++) {
        cr_assert_str_eq(sim_client_ask(&s, i, LINES[i]), "", "%s", LINES[i]);
        cr_assert(s.clients[i].is_over, "%s", LINES[i]);
    }
    cr_assert_eq(roster_count(&s.server.reactor.roster, ROSTER_ALL), 0);
    sim_server_close(&s);
    io_sim_destroy(sim);
}

Test(server_connection, client_list_names_every_connection_and_its_descriptor)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;
    char expected[32];

    sim_server_open(&s, sim, NULL);
    cr_assert_str_eq(sim_client_ask(&s, 0, "MULTI\r\nPING"), "+OK\r\n+QUEUED\r\n");
    const char *list = sim_client_ask(&s, 1, "CLIENT LIST");
    (void)snprintf(expected, sizeof expected, " fd=%d name=",
                   io_socket_number(roster_first(&s.server.reactor.roster, ROSTER_ALL)->socket));
    cr_assert_not_null(strstr(list, expected), "%s", list);
    cr_assert_not_null(strstr(list, " flags=x db=0 sub=0 psub=0 ssub=0 multi=1 "), "%s", list);
    cr_assert_not_null(strstr(list, " cmd=client|list user=default redir=-1 resp=2"), "%s", list);
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* Ask for so many values of VALUE_SIZE bytes, and read none of them. */
static void ask_and_hear_nothing(struct sim_server *s, unsigned client, unsigned count)
{
    cr_assert_str_eq(sim_client_ask(s, client, "PING"), "+PONG\r\n");
    s->clients[client].is_deaf = true;
    for (unsigned i = 0; i < count; i++)
        sim_client_say(s, client, "GET v");
    sim_server_settle(s);
}

static uint64_t most_output(const struct sim_server *s)
{
    uint64_t most = 0;

    for (struct server_connection *c = roster_first(&s->server.reactor.roster, ROSTER_ALL);
         c != NULL; c = connection_next(c))
        most = connection_output(c) > most ? connection_output(c) : most;
    return most;
}

static void set_value(struct sim_server *s)
{
    static char line[VALUE_SIZE + 16];

    memcpy(line, "SET v ", 6);
    memset(line + 6, 'x', VALUE_SIZE);
    cr_assert_str_eq(sim_client_ask(s, 0, line), "+OK\r\n");
}

/* Without a limit a client that does not read is not let go: its commands wait while more than
 * 1 MiB is held for it. Others are served, and when it reads it is answered in full. */
Test(server_connection, a_client_that_does_not_read_is_held_back)
{
    enum { COUNT = 200 };
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;
    size_t heard = 0;

    sim_server_open(&s, sim, NULL);
    set_value(&s);
    ask_and_hear_nothing(&s, 1, COUNT);
    cr_assert_gt(most_output(&s), OUTPUT_FULL - VALUE_SIZE, "%llu bytes",
                 (unsigned long long)most_output(&s));
    cr_assert_leq(most_output(&s), OUTPUT_FULL + VALUE_SIZE + 64, "%llu bytes",
                  (unsigned long long)most_output(&s));
    cr_assert_str_eq(sim_client_ask(&s, 0, "PING"), "+PONG\r\n");
    cr_assert_eq(s.server.reactor.stats.outputs_exceeded, 0);
    s.clients[1].is_deaf = false;
    for (int i = 0; i < 1000 && heard < COUNT * REPLY_SIZE; i++) {
        sim_server_settle(&s);
        heard += strlen(sim_client_take(&s, 1));
    }
    cr_assert_eq(heard, COUNT * REPLY_SIZE, "%zu bytes", heard);
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* client-output-buffer-limit, its class for all who subscribe to nothing: with the reply that
 * reaches it, neither before nor later. */
Test(server_connection, a_client_that_does_not_read_goes_at_the_hard_limit)
{
    enum { HARD = 262144 };
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;
    uint64_t left = 0;

    sim_server_open(&s, sim, NULL);
    set_value(&s);
    cr_assert_str_eq(
        sim_client_ask(&s, 0, "CONFIG SET client-output-buffer-limit \"normal 262144 0 0\""),
        "+OK\r\n");
    ask_and_hear_nothing(&s, 1, 0);
    while (s.server.reactor.stats.outputs_exceeded == 0) {
        cr_assert_lt(most_output(&s), HARD);
        left = HARD - most_output(&s);
        sim_client_say(&s, 1, "GET v");
        sim_server_settle(&s);
    }
    cr_assert_leq(left, REPLY_SIZE, "%llu bytes below the limit", (unsigned long long)left);
    cr_assert_eq(s.server.reactor.stats.outputs_exceeded, 1);
    cr_assert_eq(roster_count(&s.server.reactor.roster, ROSTER_ALL), 1);
    cr_assert_str_eq(sim_client_ask(&s, 0, "PING"), "+PONG\r\n");
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* A turn ends with commands that are ready: they are not run any more, and nobody waits for that.
 */
Test(server_connection, a_stop_amid_a_pipeline_lets_everybody_go)
{
    enum { COMMANDS = 8000 };
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;

    sim_server_open(&s, sim, NULL);
    for (int i = 0; i < COMMANDS; i++)
        sim_client_say(&s, 0, "PING");
    while (roster_first(&s.server.reactor.roster, ROSTER_READY) == NULL)
        sim_server_turn(&s, 0);
    sim_server_close(&s);
    cr_assert_eq(roster_count(&s.server.reactor.roster, ROSTER_ALL), 0);
    io_sim_destroy(sim);
}
