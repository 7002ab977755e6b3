/* One connection reaches another: when what it says may leave, and what a slow listener costs. */
#include "support/sim_server.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

static const uint64_t MS = 1000 * 1000;

static void expect(struct sim_server *s, unsigned client, const char *line, const char *answer)
{
    const char *got = sim_client_ask(s, client, line);

    cr_assert_str_eq(got, answer, "'%s' was answered '%s'", line, got);
}

static void expect_pushed(struct sim_server *s, unsigned client, const char *text)
{
    const char *got = sim_client_take(s, client);

    cr_assert_str_eq(got, text, "client %u was sent '%s', not '%s'", client, got, text);
}

/* Has client been sent the line's end so far? It is taken. */
static bool was_sent(struct sim_server *s, unsigned client, const char *end)
{
    const char *got = sim_client_take(s, client);
    size_t size = strlen(got);

    return size >= strlen(end) && strcmp(got + size - strlen(end), end) == 0;
}

static bool info_says(struct sim_server *s, const char *field)
{
    return strstr(sim_client_ask(s, 7, "INFO everything"), field) != NULL;
}

#define SUBSCRIBED(channel, count) "*3\r\n$9\r\nsubscribe\r\n$1\r\n" channel "\r\n:" count "\r\n"
#define MESSAGE(channel, text) "*3\r\n$7\r\nmessage\r\n$1\r\n" channel "\r\n$1\r\n" text "\r\n"
#define SET_EVENT "*3\r\n$7\r\nmessage\r\n$18\r\n__keyevent@0__:set\r\n$1\r\na\r\n"

/* A disk that takes its time: what is evaluated stays pending until a turn waits. */
static struct io_sim *create_slow(void)
{
    const struct io_sim_options options = { .latency_min_ns = MS / 2, .latency_max_ns = MS / 2 };

    return io_sim_create(&options, NULL);
}

/* Client 1 hears of every SET, client 2 listens to channel c, client 3 watches all commands. */
static void open_listeners(struct sim_server *s)
{
    expect(s, 0, "CONFIG SET notify-keyspace-events E$", "+OK\r\n");
    (void)sim_client_ask(s, 1, "SUBSCRIBE __keyevent@0__:set");
    expect(s, 2, "SUBSCRIBE c", SUBSCRIBED("c", "1"));
    expect(s, 3, "MONITOR", "+OK\r\n");
}

/* Time stands still, so that the write is under way: nothing that depends on it has left, and what
 * does not has. Then it ends, and all of it comes. */
Test(server_pubsub, what_a_write_has_for_others_leaves_when_it_is_durable)
{
    struct io_sim *sim = create_slow();
    struct sim_server s;

    sim_server_open(&s, sim, NULL);
    open_listeners(&s);
    expect(&s, 4, "PING", "+PONG\r\n");
    (void)sim_client_take(&s, 3);
    sim_client_say(&s, 0, "SET a 1\r\nPUBLISH c x");
    for (int i = 0; i < 4; i++)
        sim_server_turn(&s, 0);
    cr_assert(server_store_is_busy(s.server.store), "it is evaluated, and not durable");
    expect_pushed(&s, 0, "");
    expect_pushed(&s, 1, "");
    expect_pushed(&s, 2, "");
    expect_pushed(&s, 3, "");
    sim_server_settle(&s);
    expect_pushed(&s, 0, "+OK\r\n:1\r\n");
    expect_pushed(&s, 1, SET_EVENT);
    expect_pushed(&s, 2, MESSAGE("c", "x"));
    cr_assert(was_sent(&s, 3, "\"PUBLISH\" \"c\" \"x\"\r\n"));

    sim_client_say(&s, 0, "SET a 1");
    sim_server_turn(&s, 0);
    sim_server_turn(&s, 0);
    sim_client_say(&s, 4, "PUBLISH c y");
    for (int i = 0; i < 4; i++)
        sim_server_turn(&s, 0);
    cr_assert(server_store_is_busy(s.server.store));
    expect_pushed(&s, 4, ":1\r\n");
    expect_pushed(&s, 2, MESSAGE("c", "y"));
    expect_pushed(&s, 1, "");
    sim_server_settle(&s);
    expect_pushed(&s, 1, SET_EVENT);
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* The write of a SET fails: nobody hears of it, of what its connection said behind it, or of what
 * others said who had seen it. */
Test(server_pubsub, a_write_that_is_lost_is_told_to_nobody)
{
    const struct io_sim_fault fault = { .classes = IO_SIM_WRITE, .at = 1, .is_for_ever = true };
    struct io_sim *sim = create_slow();
    struct sim_server s;

    sim_server_open(&s, sim, NULL);
    open_listeners(&s);
    expect(&s, 5, "SUBSCRIBE d", SUBSCRIBED("d", "1"));
    (void)sim_client_take(&s, 3);
    io_sim_set_fault(sim, &fault);
    sim_client_say(&s, 0, "SET a 1\r\nPUBLISH c x");
    sim_server_turn(&s, 0);
    sim_server_turn(&s, 0);
    sim_client_say(&s, 4, "GET a\r\nPUBLISH d y");
    for (int i = 0; i < 4; i++)
        sim_server_turn(&s, 0);
    cr_assert_null(server_store_failure(s.server.store), "nobody knows yet");
    sim_server_settle(&s);
    for (unsigned client = 0; client < 6; client++)
        expect_pushed(&s, client, "");
    cr_assert_not_null(server_store_failure(s.server.store));
    /* Who was to be told has been let go, and knows that it missed something. */
    cr_assert(s.clients[1].is_over && s.clients[2].is_over && s.clients[3].is_over);
    for (unsigned client = 0; client < 6; client++)
        sim_client_leave(&s, client);
    sim_server_settle(&s);
    /* Messages still pass. */
    expect(&s, 6, "SUBSCRIBE c", SUBSCRIBED("c", "1"));
    expect(&s, 7, "PUBLISH c z", ":1\r\n");
    expect_pushed(&s, 6, MESSAGE("c", "z"));
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* The store has no room for what a command writes: its events go with it. */
Test(server_pubsub, a_refused_command_leaves_no_event)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;

    sim_server_open(&s, sim, NULL);
    open_listeners(&s);
    expect(&s, 0, "SET a x", "+OK\r\n");
    expect_pushed(&s, 1, SET_EVENT);
    expect(&s, 0, "MULTI\r\nSET a 1\r\nINCR a\r\nGET\r\nEXEC",
           "+OK\r\n+QUEUED\r\n+QUEUED\r\n-ERR wrong number of arguments for 'get' command\r\n"
           "-EXECABORT Transaction discarded because of previous errors.\r\n");
    expect(&s, 0, "SET a 1 XX NX", "-ERR syntax error\r\n");
    expect(&s, 0, "SET a 1 NX", "$-1\r\n");
    expect_pushed(&s, 1, "");
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* ---- Expired -------------------------------------------------------------------------------- */

#define EXPIRED(key) "*3\r\n$7\r\nmessage\r\n$22\r\n__keyevent@0__:expired\r\n$1\r\n" key "\r\n"

static void listen_to_expired(struct sim_server *s, unsigned client)
{
    expect(s, 0, "CONFIG SET notify-keyspace-events Ex", "+OK\r\n");
    (void)sim_client_ask(s, client, "SUBSCRIBE __keyevent@0__:expired");
}

/* At its time, once, nobody asking for the key; and where a write finds the key first, before that
 * write's own. */
Test(server_pubsub, expired_is_told_once_when_the_time_comes)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;

    sim_server_open(&s, sim, NULL);
    listen_to_expired(&s, 1);
    expect(&s, 0, "SET k 1 PX 2000", "+OK\r\n");
    io_sim_advance(sim, 1500 * MS);
    sim_server_settle(&s);
    expect_pushed(&s, 1, "");
    io_sim_advance(sim, 500 * MS);
    sim_server_settle(&s);
    expect_pushed(&s, 1, EXPIRED("k"));
    expect(&s, 0, "GET k", "$-1\r\n");
    expect(&s, 0, "SET k 2", "+OK\r\n");
    expect_pushed(&s, 1, "");

    s.server.reactor.chores.is_expiry_off = true;
    expect(&s, 0, "SET k 1 PX 1000", "+OK\r\n");
    expect(&s, 0, "SET l 1 PX 1000", "+OK\r\n");
    io_sim_advance(sim, 1000 * MS);
    expect(&s, 0, "GET k", "$-1\r\n");
    expect_pushed(&s, 1, "");
    expect(&s, 0, "SET k 3", "+OK\r\n");
    expect_pushed(&s, 1, EXPIRED("k"));
    expect(&s, 0, "DEL l", ":0\r\n");
    expect_pushed(&s, 1, EXPIRED("l"));
    s.server.reactor.chores.is_expiry_off = false;
    sim_server_settle(&s);
    expect_pushed(&s, 1, "");
    cr_assert_eq(resp_stats(s.server.resp)->expired_keys, 3);
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* The removal is lost, so it is not told. After the restart it happens and is told, unless it had
 * reached the disk in spite of the failure. */
Test(server_pubsub, expired_is_not_told_of_a_removal_that_is_lost)
{
    const struct io_sim_fault fault = { .classes = IO_SIM_WRITE, .at = 1, .is_for_ever = true };
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;

    sim_server_open(&s, sim, NULL);
    listen_to_expired(&s, 1);
    expect(&s, 0, "SET k 1 PX 1000", "+OK\r\n");
    io_sim_set_fault(sim, &fault);
    io_sim_advance(sim, 1000 * MS);
    sim_server_settle(&s);
    cr_assert_not_null(server_store_failure(s.server.store));
    expect_pushed(&s, 1, "");
    io_sim_set_fault(sim, NULL);
    sim_server_close(&s);
    sim_server_open(&s, sim, NULL);
    /* Before the first look at slots. */
    s.server.reactor.chores.is_expiry_off = true;
    listen_to_expired(&s, 1);
    bool is_there = strcmp(sim_client_ask(&s, 0, "DBSIZE"), ":1\r\n") == 0;
    s.server.reactor.chores.is_expiry_off = false;
    sim_server_settle(&s);
    expect_pushed(&s, 1, is_there ? EXPIRED("k") : "");
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* ---- Slow listeners -------------------------------------------------------------------------- */

enum { HEAD_SIZE = 64, STEP = 10 << 10, HARD = 100 << 10, SOFT = 60 << 10 };

/* The subscriber's connection; NULL: it is gone. */
static struct server_connection *subscriber(const struct sim_server *s)
{
    for (struct server_connection *c = roster_first(&s->server.reactor.roster, ROSTER_ALL);
         c != NULL; c = connection_next(c)) {
        if (c->session != NULL && resp_session_is_subscriber(c->session))
            return c;
    }
    return NULL;
}

/* A message whose push has this many bytes. */
static void publish(struct sim_server *s, size_t push_size)
{
    char head[HEAD_SIZE];
    size_t size = push_size;
    char *line = malloc(HEAD_SIZE + push_size);

    cr_assert_not_null(line);
    while ((size_t)snprintf(head, sizeof head, "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$%zu\r\n", size) +
               size + 2 >
           push_size)
        size--;
    int n = snprintf(line, HEAD_SIZE, "PUBLISH c ");
    memset(line + n, 'x', size);
    line[(size_t)n + size] = '\0';
    (void)sim_client_ask(s, 0, line);
    free(line);
}

/* Client 1 subscribes and reads no more; what the network holds for it is full. */
static void open_deaf(struct sim_server *s, struct io_sim *sim, const char *limits)
{
    char line[128];

    sim_server_open(s, sim, NULL);
    (void)snprintf(line, sizeof line, "CONFIG SET client-output-buffer-limit \"pubsub %s\"",
                   limits);
    expect(s, 0, line, "+OK\r\n");
    expect(s, 1, "SUBSCRIBE c", SUBSCRIBED("c", "1"));
    s->clients[1].is_deaf = true;
    for (int i = 0; connection_output(subscriber(s)) == 0; i++) {
        cr_assert_lt(i, 1000);
        publish(s, STEP);
    }
}

/* By messages that are as long as an inline command may be, at most. */
static void fill_to(struct sim_server *s, uint64_t bytes)
{
    uint64_t left = bytes - connection_output(subscriber(s));

    for (; left > 2 * STEP; left -= STEP)
        publish(s, STEP);
    publish(s, left);
}

/* At the limit to the byte: one byte less stays. */
Test(server_pubsub, a_deaf_subscriber_goes_at_the_hard_limit)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;

    open_deaf(&s, sim, "102400 0 0");
    fill_to(&s, HARD - 1);
    cr_assert_not_null(subscriber(&s));
    cr_assert(info_says(&s, "client_output_buffer_limit_disconnections:0\r\n"));
    sim_server_close(&s);
    open_deaf(&s, sim, "102400 0 0");
    fill_to(&s, HARD);
    cr_assert_null(subscriber(&s));
    cr_assert(info_says(&s, "client_output_buffer_limit_disconnections:1\r\n"));
    cr_assert(info_says(&s, "pubsub_channels:0\r\n"));
    expect(&s, 0, "PUBLISH c x", ":0\r\n");
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* For longer than so many seconds at the soft limit; a client that falls below it in between begins
 * anew. Other classes have limits of their own. */
Test(server_pubsub, a_deaf_subscriber_goes_some_time_after_the_soft_limit)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;

    open_deaf(&s, sim, "0 61440 5");
    fill_to(&s, SOFT - 1);
    io_sim_advance(sim, 20000 * MS);
    sim_server_settle(&s);
    cr_assert_not_null(subscriber(&s), "below the limit for ever");
    publish(&s, STEP);
    sim_server_settle(&s);
    io_sim_advance(sim, 4000 * MS);
    sim_server_settle(&s);
    cr_assert_not_null(subscriber(&s), "not so long");
    s.clients[1].is_deaf = false;
    sim_server_settle(&s);
    cr_assert_eq(connection_output(subscriber(&s)), 0);
    s.clients[1].is_deaf = true;
    io_sim_advance(sim, 4000 * MS);
    sim_server_settle(&s);
    cr_assert_not_null(subscriber(&s));
    while (connection_output(subscriber(&s)) < SOFT)
        publish(&s, STEP);
    io_sim_advance(sim, 4000 * MS);
    sim_server_settle(&s);
    cr_assert_not_null(subscriber(&s), "it was below in between");
    io_sim_advance(sim, 2500 * MS);
    sim_server_settle(&s);
    cr_assert_null(subscriber(&s));
    cr_assert(info_says(&s, "client_output_buffer_limit_disconnections:1\r\n"));
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* ---- Pauses ---------------------------------------------------------------------------------- */

/* Writes wait, and what would be a write; reads do not. All go on when it is over, and keys expire
 * again. */
Test(server_pubsub, a_pause_of_writes)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;

    sim_server_open(&s, sim, NULL);
    listen_to_expired(&s, 1);
    expect(&s, 0, "SET k 1 PX 100", "+OK\r\n");
    expect(&s, 4, "MULTI\r\nSET m 1", "+OK\r\n+QUEUED\r\n");
    expect(&s, 0, "CLIENT PAUSE 5000 WRITE", "+OK\r\n");
    expect(&s, 0, "SET a 1", "");
    expect(&s, 2, "PUBLISH c x", "");
    expect(&s, 4, "EXEC", "");
    expect(&s, 3, "GET a", "$-1\r\n");
    expect(&s, 3, "MULTI\r\nGET a\r\nEXEC", "+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n");
    cr_assert(info_says(&s, "blocked_clients:3\r\n"));
    io_sim_advance(sim, 2000 * MS);
    sim_server_settle(&s);
    expect(&s, 3, "GET k", "$-1\r\n");
    expect_pushed(&s, 1, "");
    io_sim_advance(sim, 2000 * MS);
    sim_server_settle(&s);
    expect_pushed(&s, 0, "");
    sim_client_leave(&s, 2);
    io_sim_advance(sim, 1000 * MS);
    sim_server_settle(&s);
    expect_pushed(&s, 0, "+OK\r\n");
    expect_pushed(&s, 4, "*1\r\n+OK\r\n");
    expect_pushed(&s, 1, EXPIRED("k"));
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* All commands wait but a monitor's; a second pause makes the first longer, never shorter, and
 * CLIENT UNPAUSE ends it. */
Test(server_pubsub, a_pause_of_all)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;

    sim_server_open(&s, sim, NULL);
    expect(&s, 1, "MONITOR", "+OK\r\n");
    expect(&s, 0, "CLIENT PAUSE 1000 ALL\r\nGET a", "+OK\r\n");
    cr_assert(bytes_has_prefix(bytes_str(sim_client_ask(&s, 1, "PING")), bytes_str("+PONG\r\n")));
    io_sim_advance(sim, 1000 * MS);
    sim_server_settle(&s);
    expect_pushed(&s, 0, "$-1\r\n");
    expect(&s, 0, "CLIENT PAUSE 60000 WRITE\r\nCLIENT PAUSE 10 WRITE", "+OK\r\n+OK\r\n");
    io_sim_advance(sim, 1000 * MS);
    expect(&s, 2, "SET a 1", "");
    expect(&s, 0, "CLIENT UNPAUSE", "+OK\r\n");
    expect_pushed(&s, 2, "+OK\r\n");
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* ---- The end of connections ------------------------------------------------------------------ */

Test(server_pubsub, client_kill)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;

    sim_server_open(&s, sim, NULL);
    expect(&s, 0, "CLIENT ID", ":1\r\n");
    expect(&s, 1, "SUBSCRIBE c", SUBSCRIBED("c", "1"));
    expect(&s, 2, "SUBSCRIBE c", SUBSCRIBED("c", "1"));
    expect(&s, 3, "CLIENT ID", ":4\r\n");
    expect(&s, 0, "CLIENT KILL ID 2", ":1\r\n");
    cr_assert(s.clients[1].is_over);
    expect(&s, 0, "PUBLISH c x", ":1\r\n");
    expect(&s, 0, "MULTI\r\nCLIENT KILL TYPE pubsub\r\nCLIENT KILL TYPE pubsub\r\nEXEC",
           "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:0\r\n");
    cr_assert(s.clients[2].is_over);
    expect(&s, 0, "CLIENT KILL SKIPME yes", ":1\r\n");
    cr_assert(s.clients[3].is_over);
    expect(&s, 0, "CLIENT KILL ID 1 SKIPME no", ":1\r\n");
    cr_assert(s.clients[0].is_over);
    expect(&s, 4, "PING", "+PONG\r\n");
    sim_server_close(&s);
    io_sim_destroy(sim);
}
