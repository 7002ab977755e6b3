/*
 * What commands cost is counted once, whatever they waited for; what took long is remembered as
 * Redis does. The clock of the gateway's host is the test's: each look at it is a step, and DEBUG
 * SLEEP moves it.
 */
#include "support/gateway.h"
#include "support/reply_reader.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

static void open_timed(struct gateway *g)
{
    gateway_open(g);
    g->step_ns = 2000;
    *resp_slow(g->resp) = (struct resp_slow) { .slowlog_us = 10000,
                                               .slowlog_max = 3,
                                               .latency_threshold_ms = 100,
                                               .tracks_times = true,
                                               .percentiles = { 50, 99.9 },
                                               .percentile_count = 2 };
}

static void expect_has(struct gateway *g, const char *line, const char *words)
{
    const char *got = gateway_ask(g, 0, line);
    cr_assert_not_null(strstr(got, words), "'%s' does not say '%s' but:\n%s", line, words, got);
}

static void expect_lacks(struct gateway *g, const char *line, const char *words)
{
    const char *got = gateway_ask(g, 0, line);
    cr_assert_null(strstr(got, words), "'%s' says '%s':\n%s", line, words, got);
}

static void expect(struct gateway *g, const char *line, const char *reply)
{
    const char *got = gateway_ask(g, 0, line);
    cr_assert_str_eq(got, reply, "'%s' was answered '%s', expected '%s'", line, got, reply);
}

/* ---- Counting ------------------------------------------------------------------------------- */

Test(resp_account, commands_are_counted_with_their_time)
{
    struct gateway g;

    open_timed(&g);
    (void)gateway_ask(&g, 0, "SET a 1\r\nSET a 2\r\nGET a\r\nCONFIG GET hz");
    expect_has(&g, "INFO commandstats",
               "cmdstat_set:calls=2,usec=4,usec_per_call=2.00,rejected_calls=0,failed_calls=0\r\n");
    expect_has(&g, "INFO commandstats", "cmdstat_config|get:calls=1,");
    expect_has(&g, "INFO latencystats", "latency_percentiles_usec_set:p50=2.000,p99.9=2.000\r\n");
    expect_lacks(&g, "INFO", "cmdstat_");
    expect_lacks(&g, "INFO default", "latency_percentiles");
    expect_has(&g, "INFO all", "cmdstat_set:");
    expect(&g, "CONFIG RESETSTAT", "+OK\r\n");
    expect_lacks(&g, "INFO commandstats", "cmdstat_set:");
    gateway_close(&g);
}

/* A command whose rows have to be read runs several times, and is counted once. */
Test(resp_account, a_command_that_waited_is_one_call)
{
    struct gateway g;

    open_timed(&g);
    (void)gateway_ask(&g, 0, "SET a 1");
    g.store.is_cold = true;
    (void)gateway_ask(&g, 0, "CONFIG RESETSTAT");
    (void)gateway_ask(&g, 0, "GET a\r\nMULTI\r\nGET a\r\nGET b\r\nINCRBY a x\r\nEXEC");
    cr_assert_gt(g.runs, 8);
    expect_has(&g, "INFO commandstats", "cmdstat_get:calls=3,");
    expect_has(&g, "INFO commandstats", "cmdstat_exec:calls=1,");
    expect_has(&g, "INFO commandstats", "cmdstat_multi:calls=1,");
    expect_has(&g, "INFO commandstats", "cmdstat_incrby:calls=1,");
    expect_has(&g, "INFO errorstats", "errorstat_ERR:count=1\r\n");
    gateway_close(&g);
}

Test(resp_account, what_is_refused_is_no_call_and_what_fails_is_one)
{
    struct gateway g;

    open_timed(&g);
    (void)gateway_ask(&g, 0,
                      "SET a x\r\nGET\r\nINCR a\r\nNOSUCH\r\nCONFIG GET\r\nMULTI\r\nSET\r\n"
                      "EXEC\r\nEXEC\r\nAUTH a b");
    expect_has(&g, "INFO commandstats",
               "cmdstat_get:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0\r\n");
    expect_has(
        &g, "INFO commandstats",
        "cmdstat_incr:calls=1,usec=2,usec_per_call=2.00,rejected_calls=0,failed_calls=1\r\n");
    expect_has(&g, "INFO commandstats", "cmdstat_config|get:calls=0,");
    expect_has(&g, "INFO commandstats",
               "cmdstat_exec:calls=2,usec=4,usec_per_call=2.00,"
               "rejected_calls=0,failed_calls=2\r\n");
    expect_has(&g, "INFO errorstats", "errorstat_ERR:count=6\r\nerrorstat_EXECABORT:count=1\r\n");
    gateway_close(&g);
}

/* Errors are found wherever they are in a reply, and strings that look like errors are none. */
Test(resp_account, errors_are_counted_inside_of_replies)
{
    struct gateway g;

    open_timed(&g);
    g.may_debug = true;
    (void)gateway_ask(&g, 0,
                      "SET a '\\r\\n-NOT an error\\r\\n'\r\nSET b \"\r\n-NOT an error\r\n\"");
    (void)gateway_ask(&g, 0,
                      "SET c -NO\r\nMULTI\r\nGET c\r\nDEBUG ERROR 'WHY not'\r\nGET b\r\n"
                      "DEBUG ERROR alone\r\nMGET a b c\r\nDEBUG ERROR 'WHY not'\r\nEXEC");
    expect_has(&g, "INFO errorstats", "errorstat_WHY:count=2\r\n");
    expect_has(&g, "INFO errorstats", "errorstat_ERR:count=1\r\n");
    expect_lacks(&g, "INFO errorstats", "NO");
    gateway_close(&g);
}

/* ---- SLOWLOG -------------------------------------------------------------------------------- */

Test(resp_account, slow_commands_are_remembered_newest_first)
{
    struct gateway g;
    char line[64];

    open_timed(&g);
    for (int i = 1; i <= 5; i++) {
        (void)snprintf(line, sizeof line, "DEBUG SLEEP 0.0%d", i);
        (void)gateway_ask(&g, 0, line);
    }
    (void)gateway_ask(&g, 0, "CLIENT SETNAME me\r\nGET a");
    expect(&g, "SLOWLOG LEN", ":3\r\n");
    struct bytes reply = bytes_str(gateway_ask(&g, 0, "SLOWLOG GET 2"));
    cr_assert_eq(reply_take(&reply).number, 2);
    cr_assert_eq(reply_take(&reply).number, 6);
    cr_assert_eq(reply_take(&reply).number, 4, "the id");
    (void)reply_take(&reply);
    cr_assert_eq(reply_take(&reply).number, 50002);
    cr_assert_eq(reply_take(&reply).number, 3);
    expect_has(&g, "SLOWLOG GET -1", "$4\r\n0.03\r\n$15\r\n127.0.0.1:40000\r\n$0\r\n");
    expect(&g, "SLOWLOG RESET", "+OK\r\n");
    expect(&g, "SLOWLOG GET", "*0\r\n");
    gateway_close(&g);
}

Test(resp_account, slow_commands_are_shortened_and_secrets_left_out)
{
    struct gateway g;
    struct bytes argv[40];
    char big[201];

    open_timed(&g);
    resp_slow(g.resp)->slowlog_us = 0;
    memset(big, 'A', sizeof big);
    big[200] = '\0';
    argv[0] = bytes_str("MGET");
    for (size_t i = 1; i < 40; i++)
        argv[i] = bytes_str("k");
    argv[5] = bytes_str(big);
    (void)gateway_command(&g, 0, argv, 40);
    big[128] = '\0';
    char expected[256];
    (void)snprintf(expected, sizeof expected, "$147\r\n%s... (72 more bytes)\r\n", big);
    expect_has(&g, "SLOWLOG GET 1", expected);
    (void)gateway_command(&g, 0, argv, 40);
    expect_has(&g, "SLOWLOG GET 1", "$1\r\nk\r\n$22\r\n... (9 more arguments)\r\n$15\r\n127.");
    (void)gateway_ask(&g, 0, "HELLO 2 AUTH default secret");
    expect_lacks(&g, "SLOWLOG GET 1", "secret");
    (void)gateway_ask(&g, 0, "MULTI\r\nAUTH default secret\r\nPING\r\nEXEC");
    expect_has(&g, "SLOWLOG GET 2", "$10\r\n(redacted)\r\n$10\r\n(redacted)\r\n");
    expect_lacks(&g, "SLOWLOG GET -1", "EXEC");
    gateway_close(&g);
}

/* ---- LATENCY -------------------------------------------------------------------------------- */

Test(resp_account, events_that_took_long_are_sampled)
{
    struct gateway g;

    open_timed(&g);
    expect_has(&g, "LATENCY DOCTOR", "Nothing took longer than 100 ms.");
    (void)gateway_ask(&g, 0, "DEBUG SLEEP 0.3\r\nDEBUG SLEEP 0.05");
    resp_note_expire_cycle(g.resp, 7000, 99 * 1000 * 1000);
    resp_note_expire_cycle(g.resp, 7000, 100 * 1000 * 1000);
    resp_note_expire_cycle(g.resp, 9000, 120 * 1000 * 1000);
    expect(&g, "LATENCY HISTORY expire-cycle", "*2\r\n*2\r\n:7\r\n:100\r\n*2\r\n:9\r\n:120\r\n");
    expect_has(&g, "LATENCY LATEST", "*2\r\n*4\r\n$7\r\ncommand\r\n");
    expect_has(&g, "LATENCY LATEST", "*4\r\n$12\r\nexpire-cycle\r\n:9\r\n:120\r\n:120\r\n");
    expect_has(&g, "LATENCY GRAPH command", "command - high 300 ms, low 300 ms (all time high 300");
    expect_has(&g, "LATENCY GRAPH expire-cycle", "high 120 ms, low 100 ms");
    expect_has(&g, "LATENCY DOCTOR", "expire-cycle: 2 samples, 110 ms on average");
    expect(&g, "LATENCY RESET expire-cycle nosuch", ":1\r\n");
    expect(&g, "LATENCY HISTORY expire-cycle", "*0\r\n");
    expect(&g, "LATENCY RESET", ":1\r\n");
    expect(&g, "LATENCY LATEST", "*0\r\n");
    gateway_close(&g);
}

/* More samples than there is room for: the oldest go, and the picture shows the last 80. */
Test(resp_account, the_oldest_samples_go)
{
    struct gateway g;

    open_timed(&g);
    for (uint64_t i = 0; i < 1000; i++)
        resp_note_expire_cycle(g.resp, (1000 + i) * 1000, (200 + i) * 1000 * 1000);
    struct bytes reply = bytes_str(gateway_ask(&g, 0, "LATENCY HISTORY expire-cycle"));
    cr_assert_eq(reply_take(&reply).number, 160);
    (void)reply_take(&reply);
    cr_assert_eq(reply_take(&reply).number, 1840);
    expect_has(&g, "LATENCY GRAPH expire-cycle", "high 1199 ms, low 1120 ms (all time high 1199");
    gateway_close(&g);
}

Test(resp_account, histograms_add_up)
{
    struct gateway g;

    open_timed(&g);
    expect(&g, "LATENCY HISTOGRAM set", "*0\r\n");
    (void)gateway_ask(&g, 0, "SET a 1\r\nSET a 1\r\nHELLO 3");
    g.step_ns = 900;
    (void)gateway_ask(&g, 0, "SET a 1\r\nCONFIG GET hz");
    expect(&g, "LATENCY HISTOGRAM set nosuch",
           "%1\r\n$3\r\nset\r\n%2\r\n$5\r\ncalls\r\n:3\r\n$14\r\nhistogram_usec\r\n%2\r\n:1\r\n:1"
           "\r\n:2\r\n:3\r\n");
    expect_has(&g, "LATENCY HISTOGRAM config",
               "%1\r\n$10\r\nconfig|get\r\n%2\r\n$5\r\ncalls\r\n:1");
    gateway_close(&g);
}

/* ---- PING ----------------------------------------------------------------------------------- */

Test(resp_account, who_asks_whether_it_is_well_is_told_when_it_cannot_write)
{
    struct gateway g;

    gateway_open(&g);
    expect(&g, "PING", "+PONG\r\n");
    g.health = status_of(ST_NO_SPACE);
    expect(&g, "PING", "-MISCONF the disk is full: writes are refused until there is space\r\n");
    g.health = status_of(ST_FAILED);
    expect(&g, "PING", "-MISCONF the store has failed and refuses to go on; the log says why\r\n");
    expect(&g, "ECHO a", "$1\r\na\r\n");
    g.health = status_ok();
    expect(&g, "PING", "+PONG\r\n");
    gateway_close(&g);
}
