/* What a session remembers, and what it refuses to. */
#include "support/gateway.h"
#include "support/reply_reader.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

static void expect(struct gateway *g, const char *line, const char *reply)
{
    const char *got = gateway_ask(g, 0, line);
    cr_assert_str_eq(got, reply, "'%s' was answered '%s', expected '%s'", line, got, reply);
}

/* ---- Authentication: the answers are those of a Redis 7.0.15 server with requirepass ------- */

#define NOAUTH "-NOAUTH Authentication required.\r\n"
#define WRONGPASS "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
#define HELLO_NOAUTH                                                                               \
    "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "     \
    "AUTH <user> <pass> option can be used to authenticate the client and select the RESP "        \
    "protocol version at the same time\r\n"

Test(resp_session, nothing_but_greetings_without_the_password)
{
    struct gateway g;

    gateway_open(&g);
    g.password = "s";
    expect(&g, "PING", NOAUTH);
    expect(&g, "GET a", NOAUTH);
    expect(&g, "MULTI", NOAUTH);
    expect(&g, "EXEC",
           "-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\r\n");
    expect(&g, "COMMAND", NOAUTH);
    expect(&g, "CLIENT GETNAME", NOAUTH);
    expect(&g, "CLIENT", "-ERR wrong number of arguments for 'client' command\r\n");
    expect(&g, "GET", "-ERR wrong number of arguments for 'get' command\r\n");
    expect(&g, "FOO", "-ERR unknown command 'FOO', with args beginning with: \r\n");
    expect(&g, "AUTH", "-ERR wrong number of arguments for 'auth' command\r\n");
    expect(&g, "AUTH x", WRONGPASS);
    expect(&g, "AUTH a b", WRONGPASS);
    expect(&g, "AUTH a s", WRONGPASS);
    expect(&g, "AUTH a b c", "-ERR syntax error\r\n");
    expect(&g, "HELLO", HELLO_NOAUTH);
    expect(&g, "HELLO 3", HELLO_NOAUTH);
    expect(&g, "HELLO 3 SETNAME a", HELLO_NOAUTH);
    expect(&g, "HELLO 3 AUTH default x", WRONGPASS);
    expect(&g, "HELLO 4", "-NOPROTO unsupported protocol version\r\n");
    expect(&g, "RESET", "+RESET\r\n");
    expect(&g, "PING", NOAUTH);
    expect(&g, "AUTH s", "+OK\r\n");
    expect(&g, "PING", "+PONG\r\n");
    expect(&g, "RESET", "+RESET\r\n");
    expect(&g, "PING", NOAUTH);
    expect(&g, "AUTH default s", "+OK\r\n");
    expect(&g, "AUTH x", WRONGPASS);
    expect(&g, "PING", "+PONG\r\n");
    gateway_close(&g);
}

Test(resp_session, a_client_without_the_password_sends_little)
{
    struct gateway g;

    gateway_open(&g);
    g.password = "s";
    expect(&g, "*11", "-ERR Protocol error: unauthenticated multibulk length\r\n");
    expect(&g, "*2\r\n$4\r\nAUTH\r\n$16385",
           "-ERR Protocol error: unauthenticated bulk length\r\n");
    expect(&g, "*2\r\n$4\r\nAUTH\r\n$1\r\ns", "+OK\r\n");
    expect(&g, "*11", "");
    gateway_close(&g);
}

Test(resp_session, a_password_that_is_taken_away_locks_nobody_out)
{
    struct gateway g;

    gateway_open(&g);
    g.password = "s";
    expect(&g, "GET k", "-NOAUTH Authentication required.\r\n");
    g.password = NULL;
    expect(&g, "GET k", "$-1\r\n");
    g.password = "s";
    expect(&g, "GET k", "-NOAUTH Authentication required.\r\n");
    g.password = NULL;
    expect(&g, "*11", "");
    gateway_close(&g);
}

/* ---- Greetings ------------------------------------------------------------------------------ */

#define HELLO_BODY(proto, id)                                                                      \
    "$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n" RESP_REDIS_VERSION                    \
    "\r\n$5\r\nproto\r\n:" proto "\r\n$2\r\nid\r\n:" id                                            \
    "\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n"

Test(resp_session, hello_tells_who_is_there)
{
    struct gateway g;

    gateway_open(&g);
    expect(&g, "HELLO", "*14\r\n" HELLO_BODY("2", "1"));
    expect(&g, "HELLO 3 SETNAME me", "%7\r\n" HELLO_BODY("3", "1"));
    expect(&g, "CLIENT GETNAME", "$2\r\nme\r\n");
    expect(&g, "GET nope", "_\r\n");
    expect(&g, "HELLO 2", "*14\r\n" HELLO_BODY("2", "1"));
    g.password = "s";
    expect(&g, "HELLO 3 AUTH default s SETNAME you", "%7\r\n" HELLO_BODY("3", "1"));
    gateway_close(&g);
}

Test(resp_session, reset_makes_it_new)
{
    struct gateway g;

    gateway_open(&g);
    (void)gateway_ask(&g, 0, "HELLO 3 SETNAME me");
    (void)gateway_ask(&g, 0, "SELECT 3\r\nSET a 1\r\nWATCH a\r\nMULTI\r\nSET a 2");
    expect(&g, "RESET", "+RESET\r\n");
    expect(&g, "CLIENT GETNAME", "$-1\r\n");
    expect(&g, "GET a", "$-1\r\n");
    expect(&g, "EXEC", "-ERR EXEC without MULTI\r\n");
    cr_assert_not(resp_session_is_watching(g.clients[0]));
    gateway_close(&g);
}

/* ---- CLIENT --------------------------------------------------------------------------------- */

Test(resp_session, client_list_has_the_fields_clients_parse)
{
    struct gateway g;

    gateway_open(&g);
    (void)gateway_ask(&g, 1, "HELLO 3 SETNAME other");
    (void)gateway_ask(&g, 1, "SELECT 7\r\nMULTI\r\nGET a");
    expect(&g, "CLIENT SETINFO LIB-NAME redis-py(x)", "+OK\r\n");
    expect(&g, "CLIENT SETINFO lib-ver 8.0.0", "+OK\r\n");
    expect(&g, "CLIENT SETINFO foo bar", "-ERR Unrecognized option 'foo'\r\n");
    expect(&g, "CLIENT SETINFO lib-ver 'a b'",
           "-ERR lib-ver cannot contain spaces, newlines or special characters.\r\n");
    struct bytes reply = bytes_str(gateway_ask(&g, 0, "CLIENT LIST"));
    struct reply_element e = reply_take(&reply);
    char text[2048] = "";
    unsigned long long id;
    char mems[5][32];
    char flags[8];
    memcpy(text, e.bytes.data, e.bytes.size);
    int fields = sscanf(text,
                        "id=%llu addr=127.0.0.1:40000 laddr=127.0.0.1:6379 fd=8 name= age=5 "
                        "idle=1 flags=%7s db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=26 qbuf-free=0 "
                        "argv-mem=%31s multi-mem=%31s rbs=%31s rbp=%31s obl=0 oll=0 omem=0 "
                        "tot-mem=%31s events=r cmd=client|list user=default redir=-1 resp=2 "
                        "lib-name=redis-py(x) lib-ver=8.0.0\n",
                        &id, flags, mems[0], mems[1], mems[2], mems[3], mems[4]);
    cr_assert_eq(fields, 7, "%s", text);
    cr_assert_eq(id, 1);
    cr_assert_str_eq(flags, "N");
    const char *second = strchr(text, '\n') + 1;
    cr_assert_eq(strncmp(second, "id=2 ", 5), 0);
    cr_assert_not_null(strstr(second, " name=other "));
    cr_assert_not_null(strstr(second, " flags=x db=7 "));
    cr_assert_not_null(strstr(second, " multi=1 "));
    cr_assert_not_null(strstr(second, " resp=3 "));
    cr_assert_eq(text[strlen(text) - 1], '\n');

    reply = bytes_str(gateway_ask(&g, 0, "CLIENT LIST ID 2 99"));
    cr_assert(bytes_has_prefix(reply_take(&reply).bytes, bytes_str("id=2 ")));
    reply = bytes_str(gateway_ask(&g, 1, "DISCARD\r\nCLIENT INFO"));
    reply_skip(&reply);
    cr_assert(bytes_has_prefix(reply_take(&reply).bytes, bytes_str("txt:id=2 ")));
    gateway_close(&g);
}

/* What CLIENT LIST says that the second client asked for last, once it has sent the line. */
static void expect_last(struct gateway *g, const char *line, const char *command)
{
    char field[64];

    (void)gateway_ask(g, 1, line);
    (void)snprintf(field, sizeof field, " cmd=%s user=", command);
    const char *list = gateway_ask(g, 0, "CLIENT LIST ID 2");
    cr_assert_not_null(strstr(list, field), "after '%s': %s", line, list);
}

/* Refused or not, it is the last one. */
Test(resp_session, client_list_names_commands_that_were_refused)
{
    struct gateway g;

    gateway_open(&g);
    expect(&g, "PING", "+PONG\r\n");
    expect_last(&g, "", "NULL");
    expect_last(&g, "GET a", "get");
    expect_last(&g, "NOPE a", "NULL");
    expect_last(&g, "SET a", "set");
    expect_last(&g, "", "set");
    expect_last(&g, "CLIENT KILL", "client|kill");
    expect_last(&g, "CLIENT NOPE", "NULL");
    expect_last(&g, "MULTI", "multi");
    expect_last(&g, "INCR a", "incr");
    expect_last(&g, "MULTI", "multi");
    expect_last(&g, "WATCH a", "watch");
    expect_last(&g, "SUBSCRIBE", "subscribe");
    expect_last(&g, "NOPE", "NULL");
    expect_last(&g, "EXEC", "exec");
    expect_last(&g, "EXEC x", "exec");
    expect_last(&g, "RESET", "reset");
    g.password = "s";
    (void)gateway_ask(&g, 0, "AUTH s");
    expect_last(&g, "RESET", "reset");
    expect_last(&g, "DBSIZE", "dbsize");
    cr_assert_str_eq(gateway_ask(&g, 1, "DBSIZE"), NOAUTH);
    expect_last(&g, "AUTH x", "auth");
    expect_last(&g, "EXEC", "exec");
    gateway_close(&g);
}

/* ---- INFO, CONFIG, SHUTDOWN ----------------------------------------------------------------- */

/* The content of the string that the line is answered with. */
static void expect_text(struct gateway *g, const char *line, const char *text)
{
    struct bytes reply = bytes_str(gateway_ask(g, 0, line));
    struct reply_element e = reply_take(&reply);

    cr_assert(bytes_equal(e.bytes, bytes_str(text)), "'%s' was answered '%.*s'", line,
              (int)e.bytes.size, (const char *)e.bytes.data);
}

#define KEYSPACE                                                                                   \
    "# Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=0\r\ndb3:keys=1,expires=0,avg_ttl=0\r\n"
#define HEAD                                                                                       \
    "# Server\r\nof:Server\r\n\r\n# Clients\r\nof:Clients\r\n\r\n# Memory\r\nof:Memory\r\n\r\n"    \
    "# Persistence\r\nof:Persistence\r\n\r\n# Stats\r\nof:Stats\r\n\r\n"                           \
    "# Replication\r\nof:Replication\r\n\r\n# CPU\r\nof:CPU\r\n\r\n# Modules\r\n\r\n"
#define TAIL "# Cluster\r\nof:Cluster\r\n\r\n# Engine\r\nof:Engine\r\n\r\n" KEYSPACE
#define DEFAULT HEAD "# Errorstats\r\n\r\n" TAIL
#define ALL HEAD "# Commandstats\r\n\r\n# Errorstats\r\n\r\n# Latencystats\r\n\r\n" TAIL

Test(resp_session, info_tells_the_sections_that_are_asked_for)
{
    struct gateway g;

    gateway_open(&g);
    (void)gateway_ask(&g, 0, "SET a 1 EX 10\r\nSET b 1\r\nSELECT 3\r\nSET c 1");
    expect_text(&g, "INFO server", "# Server\r\nof:Server\r\n");
    expect_text(&g, "INFO engine KEYSPACE", "# Engine\r\nof:Engine\r\n\r\n" KEYSPACE);
    expect_text(&g, "INFO keyspace server keyspace", "# Server\r\nof:Server\r\n\r\n" KEYSPACE);
    expect_text(&g, "INFO nosuch", "");
    expect_text(&g, "INFO", DEFAULT);
    expect_text(&g, "INFO default", DEFAULT);
    resp_reset_stats(g.resp);
    expect_text(&g, "INFO everything", ALL);
    resp_reset_stats(g.resp);
    expect_text(&g, "INFO all cpu", ALL);
    (void)gateway_ask(&g, 0, "HELLO 3");
    expect_text(&g, "INFO cpu", "txt:# CPU\r\nof:CPU\r\n");
    gateway_close(&g);
}

Test(resp_session, config_is_set_all_or_nothing)
{
    struct gateway g;

    gateway_open(&g);
    expect(&g, "CONFIG SET hz 12 maxmemory x",
           "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be "
           "a memory value\r\n");
    expect(&g, "CONFIG SET hz 12 nope x",
           "-ERR Unknown option or number of arguments for CONFIG SET - 'nope'\r\n");
    expect(&g, "CONFIG GET hz", "*2\r\n$2\r\nhz\r\n$2\r\n10\r\n");
    expect(&g, "CONFIG SET hz 12 maxmemory 5", "+OK\r\n");
    expect(&g, "CONFIG GET h* MAX*",
           "*4\r\n$9\r\nmaxmemory\r\n$1\r\n5\r\n$2\r\nhz\r\n$2\r\n12\r\n");
    expect(&g, "CONFIG RESETSTAT", "+OK\r\n");
    cr_assert_eq(g.stat_resets, 1);
    gateway_close(&g);
}

Test(resp_session, shutdown_is_the_hosts)
{
    struct gateway g;

    gateway_open(&g);
    expect(&g, "SHUTDOWN SAVE", "-ERR Errors trying to SHUTDOWN. Check logs.\r\n");
    expect(&g, "SHUTDOWN NOSAVE now force", "");
    cr_assert(g.is_shut_down);
    cr_assert_eq(g.shutdown_flags, RESP_SHUTDOWN_NOSAVE | RESP_SHUTDOWN_NOW | RESP_SHUTDOWN_FORCE);
    expect(&g, "SHUTDOWN ABORT", "+OK\r\n");
    expect(&g, "SHUTDOWN ABORT", "-ERR No shutdown in progress.\r\n");
    gateway_close(&g);
}

Test(resp_session, time_is_the_stores)
{
    struct gateway g;

    gateway_open(&g);
    g.store.now_ms = 1700000000123;
    expect(&g, "TIME", "*2\r\n$10\r\n1700000000\r\n$6\r\n123042\r\n");
    gateway_close(&g);
}

Test(resp_session, counters_count)
{
    struct gateway g;

    gateway_open(&g);
    g.store.is_cold = true;
    (void)gateway_ask(&g, 0, "SET a 1\r\nGET a\r\nGET b\r\nMGET a b a\r\nFOO\r\nINCR a b");
    (void)gateway_ask(&g, 0, "MULTI\r\nGET a\r\nLPUSH a\r\nGET b\r\nDISCARD");
    (void)gateway_ask(&g, 0, "MULTI\r\nGET a\r\nAPPEND a x\r\nINCR a\r\nEXEC");
    const struct resp_stats *stats = resp_stats(g.resp);
    cr_assert_eq(stats->commands, 11); /* Run: not those that were refused, or only queued. */
    cr_assert_eq(stats->errors, 4);
    cr_assert_eq(stats->keyspace_hits, 4);
    cr_assert_eq(stats->keyspace_misses, 2);
    gateway_close(&g);
}

/*
 * A transaction that waits for rows begins anew, and finds the names as they were before it began.
 * Method: a name is asked for, given, given again, and then a row is read from afar.
 */
Test(resp_session, names_given_by_a_transaction_that_waits_are_taken_back)
{
    struct gateway g;

    gateway_open(&g);
    g.store.is_cold = true;
    const char *before[] = { "$-1\r\n", "$3\r\nold\r\n" };
    for (int i = 0; i < 2; i++) {
        char want[100];
        (void)gateway_ask(&g, 0, i == 0 ? "SET k v" : "CLIENT SETNAME old");
        (void)gateway_ask(&g, 0,
                          "MULTI\r\nCLIENT GETNAME\r\nCLIENT SETNAME a\r\nCLIENT SETNAME b\r\n"
                          "CLIENT SETINFO LIB-NAME l\r\nGET k");
        (void)snprintf(want, sizeof want, "*5\r\n%s+OK\r\n+OK\r\n+OK\r\n$1\r\nv\r\n", before[i]);
        expect(&g, "EXEC", want);
        expect(&g, "CLIENT GETNAME", "$1\r\nb\r\n");
    }
    gateway_close(&g);
}

/* ---- Limits --------------------------------------------------------------------------------- */

static void set_options(struct gateway *g, const struct resp_options *options)
{
    struct resp_options o = *options;

    resp_destroy(g->resp);
    o.alloc = &g->alloc.alloc;
    o.host = &g->host;
    o.limits = RESP_LIMITS_DEFAULT;
    struct status s = resp_create(&o, &g->resp);
    cr_assert(succeeded(s));
}

Test(resp_session, a_transaction_has_a_size)
{
    static const char TOO_LARGE[] =
        "-ERR transaction is too large: at most 3 commands of 200 bytes together\r\n";
    static const char ABORTED[] =
        "-EXECABORT Transaction discarded because of previous errors.\r\n";
    struct gateway g;

    gateway_open(&g);
    set_options(&g, &(struct resp_options) { .queue_max_bytes = 200, .queue_max_count = 3 });
    (void)gateway_ask(&g, 0, "MULTI\r\nGET a\r\nGET a\r\nGET a");
    expect(&g, "GET a", TOO_LARGE);
    expect(&g, "EXEC", ABORTED);
    expect(&g, "MULTI", "+OK\r\n");
    expect(
        &g,
        "SET a aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaa",
        TOO_LARGE);
    expect(&g, "GET b", "+QUEUED\r\n");
    expect(&g, "EXEC", ABORTED);
    expect(&g, "EXISTS a", ":0\r\n");
    gateway_close(&g);
}

#define TOO_LARGE_COMMAND                                                                          \
    "-ERR command is too large: a key, the reply or the writes exceed their limit\r\n"

/* Parse and run all requests; returns how the last one ended. */
static struct status run_all(struct gateway *g, const char *requests)
{
    struct resp_session *s = g->clients[0];
    struct buf *out = &g->out[0];
    uint8_t data[64];
    size_t size = strlen(requests);
    size_t done = 0;
    struct status last = status_ok();

    memcpy(data, requests, size);
    buf_reset(out);
    while (resp_session_parse(s, data + done, size - done, out) == RESP_PARSE_REQUEST) {
        map_store_begin(&g->store);
        last = resp_session_run(s, &g->store.store, false, out);
        if (succeeded(last))
            map_store_keep(&g->store);
        else
            map_store_drop(&g->store);
        resp_settle(g->resp, succeeded(last), 0);
        done += resp_session_request_size(s);
    }
    g->returned[0] = out->size;
    return last;
}

/* A reply that does not fit is an error, and what its command wrote is dropped. */
Test(resp_session, a_reply_has_a_size)
{
    struct gateway g;
    char line[256] = "SET a ";

    gateway_open(&g);
    g.reply_max = 150;
    memset(line + 6, 'x', 100);
    expect(&g, line, "+OK\r\n");
    cr_assert_eq(run_all(&g, "MGET a a\r\n").code, ST_LIMIT);
    cr_assert(bytes_equal(buf_bytes(&g.out[0]), bytes_str(TOO_LARGE_COMMAND)));
    cr_assert(succeeded(run_all(&g, "GET a\r\n")));
    cr_assert_eq(run_all(&g, "COMMAND\r\n").code, ST_LIMIT);
    cr_assert(bytes_equal(buf_bytes(&g.out[0]), bytes_str(TOO_LARGE_COMMAND)));
    cr_assert_eq(run_all(&g, "MULTI\r\nSET a y GET\r\nGET z\r\nPING\r\nGET z\r\nEXEC\r\n").code,
                 ST_LIMIT);
    cr_assert(g.out[0].is_failed, "there is no room for the error either");
    expect(&g, "STRLEN a", ":100\r\n");
    gateway_close(&g);
}

Test(resp_session, a_key_has_a_size)
{
    struct gateway g;
    uint8_t *key = malloc(RESP_KEY_MAX_BYTES + 1);

    gateway_open(&g);
    memset(key, 'k', RESP_KEY_MAX_BYTES + 1);
    struct bytes set[3] = { bytes_str("SET"), bytes_of(key, RESP_KEY_MAX_BYTES), bytes_str("v") };
    cr_assert(bytes_equal(gateway_command(&g, 0, set, 3), bytes_str("+OK\r\n")));
    cr_assert(bytes_equal(gateway_command(&g, 0, (struct bytes[]) { bytes_str("GET"), set[1] }, 2),
                          bytes_str("$1\r\nv\r\n")));
    set[1].size++;
    cr_assert(bytes_equal(gateway_command(&g, 0, set, 3), bytes_str(TOO_LARGE_COMMAND)));
    expect(&g, "DBSIZE", ":1\r\n");
    free(key);
    gateway_close(&g);
}

/* ---- Failures ------------------------------------------------------------------------------- */

/* Whichever write of a command fails: the answer says so, nothing of it stays, and the session is
 * what it was. */
Test(resp_session, a_failed_write_leaves_nothing)
{
    static const char *const lines[] = { "SET k new EX 10",
                                         "MSET k new j new",
                                         "GETSET k new",
                                         "APPEND k new",
                                         "SETRANGE k 70000 new",
                                         "DEL k long",
                                         "EXPIRE k 100",
                                         "INCR n",
                                         "FLUSHDB",
                                         "SET long short",
                                         "GETDEL long",
                                         "PERSIST n" };
    static const struct {
        enum status_code code;
        const char *reply;
    } kinds[] = {
        { ST_LIMIT, TOO_LARGE_COMMAND },
        { ST_NO_MEMORY, "-OOM command not allowed: the memory budget is spent\r\n" },
        { ST_NO_SPACE, "-MISCONF the disk is full: writes are refused until there is space\r\n" },
        { ST_FAILED, "-MISCONF the store has failed and refuses to go on; the log says why\r\n" },
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        bool is_done = false;
        for (size_t n = 1; !is_done; n++) {
            struct gateway g;
            size_t kind = n % (sizeof kinds / sizeof kinds[0]);
            gateway_open(&g);
            (void)gateway_ask(&g, 0, "SET k old\r\nSET n 5 EX 1000\r\nSETRANGE long 100000 x");
            size_t rows = map_store_count(&g.store);
            g.store.fail_at = n;
            g.store.fail_with = kinds[kind].code;
            const char *reply = gateway_ask(&g, 0, lines[i]);
            is_done = g.store.fail_at > 0;
            g.store.fail_at = 0;
            if (!is_done) {
                cr_assert_str_eq(reply, kinds[kind].reply);
                cr_assert_eq(map_store_count(&g.store), rows);
                expect(&g, "DBSIZE", ":3\r\n");
                expect(&g, "GET k", "$3\r\nold\r\n");
                expect(&g, "TTL n", ":1000\r\n");
                expect(&g, "STRLEN long", ":100001\r\n");
            }
            gateway_close(&g);
            cr_assert(n > 1 || !is_done, "'%s' wrote nothing", lines[i]);
        }
    }
}

/* The same in a transaction: nothing of any of its commands stays. */
Test(resp_session, a_failed_write_leaves_nothing_of_a_transaction)
{
    bool is_done = false;

    for (size_t n = 1; !is_done; n++) {
        struct gateway g;
        gateway_open(&g);
        (void)gateway_ask(&g, 0, "SET k old\r\nHELLO 2\r\nMULTI\r\nSET k 1\r\nSELECT 5\r\nHELLO 3");
        (void)gateway_ask(&g, 0,
                          "SET other 1 EX 10\r\nSETRANGE long 100000 x\r\nSELECT 0\r\n"
                          "FLUSHALL\r\nSET k 2");
        g.store.fail_at = n;
        g.store.fail_with = ST_LIMIT;
        const char *reply = gateway_ask(&g, 0, "EXEC");
        is_done = g.store.fail_at > 0;
        g.store.fail_at = 0;
        if (is_done) {
            cr_assert_gt(n, 5);
            cr_assert_eq(reply[0], '*');
            expect(&g, "GET k", "$1\r\n2\r\n");
        } else {
            cr_assert_str_eq(reply, "-EXECABORT Transaction discarded because of: "
                                    "ERR command is too large: a key, the reply or the writes "
                                    "exceed their limit\r\n");
            expect(&g, "EXEC", "-ERR EXEC without MULTI\r\n");
            expect(&g, "GET k", "$3\r\nold\r\n");
            expect(&g, "GET nope", "$-1\r\n");
            expect(&g, "DBSIZE", ":1\r\n");
        }
        gateway_close(&g);
    }
}

/* The n-th allocation fails, for every n: an error or the answer, never a crash or a leak. */
Test(resp_session, every_failed_allocation_is_answered, .timeout = 60)
{
    static const char *const lines[] = {
        "HELLO 3 SETNAME somebody",
        "SET k v EX 10",
        "MGET k a b",
        "WATCH k",
        "MULTI",
        "SET k w",
        "SETRANGE k 70000 x",
        "KEYS *",
        "EXEC",
        "SCAN 0",
        "INFO",
        "CLIENT LIST",
        "CONFIG GET *",
        "COMMAND DOCS",
        "RANDOMKEY",
        "CLIENT SETINFO LIB-VER 1",
        "CONFIG SET hz 5",
        "RESET",
    };
    bool is_done = false;

    for (uint64_t n = 1; !is_done; n++) {
        struct gateway g;
        gateway_open(&g);
        (void)gateway_ask(&g, 0, "PING");
        g.alloc.fail_at = n;
        for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
            const char *reply = gateway_ask(&g, 0, lines[i]);
            cr_assert(reply_is_well_formed(bytes_of(reply, g.out[0].size - 1), 1), "%s", lines[i]);
        }
        is_done = g.alloc.fail_at > 0;
        gateway_close(&g);
    }
}
