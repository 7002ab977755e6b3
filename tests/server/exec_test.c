/* Transactions that have to wait for reads, and others' commands meanwhile. */
#include "support/sim_server.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

enum { KEYS = 400, LATENCY_NS = 500 * 1000 };

static struct io_sim *make_machine(void)
{
    return io_sim_create(
        &(struct io_sim_options) { .latency_min_ns = LATENCY_NS, .latency_max_ns = LATENCY_NS },
        NULL);
}

static void fill(struct sim_server *s)
{
    char line[64];

    for (int i = 0; i < KEYS; i++) {
        (void)snprintf(line, sizeof line, "SET key:%d value", i);
        sim_client_say(s, 0, line);
    }
    sim_server_flush(s);
    sim_client_leave(s, 0);
}

/* Nothing of what is on the disk is in memory. */
static void open_cold(struct sim_server *s, struct io_sim *sim)
{
    sim_server_open(s, sim, NULL);
    fill(s);
    sim_server_close(s);
    sim_server_open(s, sim, NULL);
}

static void open_again(struct sim_server *s, struct io_sim *sim)
{
    sim_server_close(s);
    sim_server_open(s, sim, NULL);
}

static void begin_exec(struct sim_server *s, const char *const *lines)
{
    cr_assert_str_eq(sim_client_ask(s, 0, "MULTI"), "+OK\r\n");
    for (; *lines != NULL; lines++)
        cr_assert_str_eq(sim_client_ask(s, 0, *lines), "+QUEUED\r\n");
    sim_client_say(s, 0, "EXEC");
    for (int i = 0; s->server.reactor.stats.commands_blocked == 0; i++) {
        cr_assert_lt(i, 10, "it did not have to wait");
        sim_server_turn(s, 0);
    }
}

/* GET x, KEYS *, DBSIZE, GET x: before x was written or after, but all four. */
static void check_agreement(const char *reply)
{
    bool has_x = strstr(reply, "\r\n$1\r\nx\r\n") != NULL;
    const char *get = has_x ? "$1\r\n1\r\n" : "$-1\r\n";
    char head[32];
    char tail[32];

    (void)snprintf(head, sizeof head, "*4\r\n%s*%d\r\n", get, KEYS + has_x);
    (void)snprintf(tail, sizeof tail, "\r\n:%d\r\n%s", KEYS + has_x, get);
    cr_assert(strncmp(reply, head, strlen(head)) == 0, "%.40s", reply);
    cr_assert_str_eq(reply + strlen(reply) - strlen(tail), tail);
}

/*
 * GET, KEYS, GET of a key that another client creates or deletes, at every moment of the
 * transaction's waiting in turn.
 */
Test(server_exec, walks_and_reads_are_of_one_moment)
{
    static const char *const LINES[] = { "GET x", "KEYS *", "DBSIZE", "GET x", NULL };
    struct io_sim *sim = make_machine();
    struct sim_server s;
    bool is_there = false;
    int waited = 0;

    open_cold(&s, sim);
    for (int moment = 0; moment < 12; moment++) {
        begin_exec(&s, LINES);
        for (int i = 0; i < moment; i++)
            sim_server_turn(&s, LATENCY_NS);
        sim_client_say(&s, 1, is_there ? "DEL x" : "SET x 1");
        for (int i = 0; i < 10; i++)
            sim_server_turn(&s, 0);
        if (sim_client_take(&s, 0)[0] != '\0')
            break; /* The transaction was over by then. */
        waited++;
        sim_server_settle(&s);

        check_agreement(sim_client_take(&s, 0));
        cr_assert_str_eq(sim_client_take(&s, 1), is_there ? ":1\r\n" : "+OK\r\n");
        is_there = !is_there;
        sim_server_flush(&s);
        open_again(&s, sim);
    }
    cr_assert_gt(waited, 3, "%d", waited);
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* What it holds back are writes. */
Test(server_exec, others_read_while_a_walk_waits)
{
    static const char *const LINES[] = { "KEYS *", "SET y 1", NULL };
    struct io_sim *sim = make_machine();
    struct sim_server s;

    open_cold(&s, sim);
    cr_assert_str_eq(sim_client_ask(&s, 1, "SET x 1"), "+OK\r\n");
    begin_exec(&s, LINES);
    sim_client_say(&s, 1, "GET x");
    sim_client_say(&s, 1, "SET x 2");
    sim_client_say(&s, 2, "GET x");
    for (int i = 0; i < 10; i++)
        sim_server_turn(&s, 0);
    cr_assert_str_eq(sim_client_take(&s, 1), "$1\r\n1\r\n");
    cr_assert_str_eq(sim_client_take(&s, 2), "$1\r\n1\r\n");
    cr_assert_str_eq(sim_client_take(&s, 0), "");
    sim_server_settle(&s);
    cr_assert_str_eq(sim_client_take(&s, 1), "+OK\r\n");
    cr_assert_str_eq(sim_client_ask(&s, 2, "MGET x y"), "*2\r\n$1\r\n2\r\n$1\r\n1\r\n");
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* Two transactions that walk and write, and one that only writes: one after another. */
Test(server_exec, walks_take_turns)
{
    static const char *const LINES[] = { "KEYS x*", "SET x0 1", NULL };
    struct io_sim *sim = make_machine();
    struct sim_server s;

    open_cold(&s, sim);
    begin_exec(&s, LINES);
    sim_client_say(&s, 1, "MULTI\r\nKEYS x*\r\nSET x1 1\r\nEXEC");
    sim_client_say(&s, 2, "SET x2 1");
    sim_server_settle(&s);
    cr_assert_str_eq(sim_client_take(&s, 0), "*2\r\n*0\r\n+OK\r\n");
    cr_assert_str_eq(sim_client_take(&s, 2), "+OK\r\n");
    const char *second = sim_client_take(&s, 1);
    cr_assert_not_null(strstr(second, "$2\r\nx0\r\n"), "%s", second);
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* A random place is the same place when the command comes back to it with the block it wanted. */
Test(server_exec, randomkey_of_cold_data_ends)
{
    static const char *const LINES[] = { "RANDOMKEY", NULL };
    struct io_sim *sim = make_machine();
    struct sim_server s;

    open_cold(&s, sim);
    for (int i = 0; i < 20; i++) {
        begin_exec(&s, LINES);
        sim_server_settle(&s);
        cr_assert_eq(strncmp(sim_client_take(&s, 0), "*1\r\n$", 5), 0);
        cr_assert_lt(s.server.reactor.stats.commands_blocked, 12);
        open_again(&s, sim);
    }
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* Flushing within a transaction that is run several times uses one id of a database. */
Test(server_exec, flushdb_over_cold_data_takes_one_id)
{
    static const char *const LINES[] = { "GET key:1",        "FLUSHDB", "GET key:1",
                                         "MGET key:7 key:8", "SET a 1", NULL };
    struct io_sim *sim = make_machine();
    struct sim_server s;

    open_cold(&s, sim);
    uint32_t before = s.server.store->evaluated.next_database;
    begin_exec(&s, LINES);
    sim_server_settle(&s);
    cr_assert_str_eq(sim_client_take(&s, 0),
                     "*5\r\n$5\r\nvalue\r\n+OK\r\n$-1\r\n*2\r\n$-1\r\n$-1\r\n+OK\r\n");
    cr_assert_eq(s.server.store->evaluated.next_database, before + 1);
    cr_assert_str_eq(sim_client_ask(&s, 0, "DBSIZE"), ":1\r\n");
    sim_server_close(&s);
    io_sim_destroy(sim);
}
