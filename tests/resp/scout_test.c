/*
 * Commands of many steps over rows that are not in memory: how often they are run, and how often
 * each row is asked for, must not grow with the square of their number. Method: a store where every
 * row is cold once a request, which counts.
 */
#include "support/gateway.h"

#include "base/rand.h"

#include "resp/scout.h"

#include <criterion/criterion.h>

enum { FEW = 300, MANY = 3 * RESP_SCOUT_WAITS + 100 };

/* A line of commands, to be sent at once. */
struct script {
    struct gateway g;
    struct buf text;
};

static void open_script(struct script *s)
{
    gateway_open(&s->g);
    buf_init(&s->text, alloc_heap(), 64 << 20);
}

static void close_script(struct script *s)
{
    buf_deinit(&s->text);
    gateway_close(&s->g);
}

static void add_line(struct script *s, const char *line)
{
    buf_append_format(&s->text, "%s\r\n", line);
}

/* "command key0 key1 ...", with argument behind each key. */
static void add_keys(struct script *s, const char *command, int count, const char *argument)
{
    buf_append_format(&s->text, "*%d\r\n", 1 + count * (argument[0] == '\0' ? 1 : 2));
    buf_append_format(&s->text, "$%zu\r\n%s\r\n", strlen(command), command);
    for (int i = 0; i < count; i++) {
        buf_append_format(&s->text, "$8\r\nkey%05d\r\n", i);
        if (argument[0] != '\0')
            buf_append_format(&s->text, "$%zu\r\n%s\r\n", strlen(argument), argument);
    }
}

/* "command key0", "command key1" ... */
static void add_each(struct script *s, const char *command, int count)
{
    for (int i = 0; i < count; i++)
        buf_append_format(&s->text, "%s key%05d\r\n", command, i);
}

static struct bytes send(struct script *s)
{
    struct bytes answer = gateway_send(&s->g, 0, buf_bytes(&s->text));

    buf_reset(&s->text);
    return answer;
}

/* From here on rows are cold, and counted. */
static void make_cold(struct script *s)
{
    s->g.store.is_cold = true;
    s->g.store.gets = 0;
    s->g.runs = 0;
}

/* So many steps, all of which have to wait, each levels times: what is a window is run once a
 * level, and the whole once a level more. */
static void expect_few_runs(const struct script *s, size_t steps, size_t levels)
{
    size_t windows = steps / RESP_SCOUT_WAITS + 1;

    cr_assert_leq(s->g.runs, levels * (windows + 1) + 1, "%zu runs for %zu steps", s->g.runs,
                  steps);
    cr_assert_leq(s->g.store.gets, (2 * levels + 1) * steps + 2 * RESP_SCOUT_WAITS,
                  "%zu gets for %zu steps", s->g.store.gets, steps);
}

static bool ends_with(struct bytes text, const char *end)
{
    size_t size = strlen(end);

    return text.size >= size && memcmp(text.data + text.size - size, end, size) == 0;
}

static void expect_end(struct bytes answer, const char *end)
{
    cr_assert(ends_with(answer, end), "%.*s", answer.size > 400 ? 400 : (int)answer.size,
              (const char *)answer.data);
}

/* Queue, then count the runs of EXEC alone. */
static struct bytes exec(struct script *s)
{
    (void)send(s);
    make_cold(s);
    add_line(s, "EXEC");
    return send(s);
}

Test(resp_scout, a_transaction_over_many_cold_keys_is_run_a_few_times)
{
    for (int count = FEW; count <= MANY; count += MANY - FEW) {
        struct script s;
        open_script(&s);
        add_keys(&s, "MSET", count, "old");
        add_line(&s, "MULTI");
        add_each(&s, "GETDEL", count);
        add_line(&s, "DBSIZE");
        expect_end(exec(&s), "\r\n$3\r\nold\r\n:0\r\n");
        expect_few_runs(&s, (size_t)count, 1);
        close_script(&s);
    }
}

Test(resp_scout, keys_of_one_command_within_a_transaction_are_steps_too)
{
    struct script s;

    open_script(&s);
    add_keys(&s, "MSET", MANY, "old");
    add_line(&s, "MULTI");
    add_line(&s, "GET key00007");
    add_keys(&s, "MSETNX", MANY, "new");
    add_keys(&s, "DEL", MANY, "");
    add_keys(&s, "MSETNX", MANY, "new");
    add_line(&s, "GET key00007");
    expect_end(exec(&s), "*5\r\n$3\r\nold\r\n:0\r\n:3172\r\n:1\r\n$3\r\nnew\r\n");
    expect_few_runs(&s, 4 * (size_t)MANY, 1);
    close_script(&s);
}

Test(resp_scout, many_cold_keys_of_a_command_are_looked_at_a_few_times)
{
    struct script s;

    open_script(&s);
    add_keys(&s, "MSET", MANY, "old");
    (void)send(&s);
    make_cold(&s);
    add_keys(&s, "MGET", MANY, "");
    expect_end(send(&s), "\r\n$3\r\nold\r\n");
    expect_few_runs(&s, MANY, 1);
    make_cold(&s);
    add_keys(&s, "MSETNX", MANY, "new");
    expect_end(send(&s), ":0\r\n");
    expect_few_runs(&s, MANY, 1);
    make_cold(&s);
    add_keys(&s, "EXISTS", MANY, "");
    expect_end(send(&s), ":3172\r\n");
    expect_few_runs(&s, MANY, 1);
    close_script(&s);
}

Test(resp_scout, many_cold_watched_keys_are_checked_a_few_times)
{
    struct script s;

    open_script(&s);
    add_keys(&s, "WATCH", MANY, "");
    add_line(&s, "MULTI\r\nSET a b");
    expect_end(exec(&s), "*1\r\n+OK\r\n");
    cr_assert_leq(s.g.runs, MANY / RESP_SCOUT_WAITS + 4);

    add_keys(&s, "WATCH", MANY, "");
    add_line(&s, "MULTI\r\nSET a b");
    (void)send(&s);
    (void)gateway_ask(&s.g, 1, "SET key03171 x");
    expect_end(exec(&s), "*-1\r\n");
    cr_assert_leq(s.g.runs, MANY / RESP_SCOUT_WAITS + 4);
    close_script(&s);
}

/* One that changes while others are waited for is seen, wherever it stands. */
static void write_watched(struct gateway *g, void *context)
{
    const char *line = context;

    g->between = NULL;
    (void)gateway_ask(g, 1, line);
    g->store.is_cold = true;
}

Test(resp_scout, a_watched_key_that_changes_while_the_queue_is_scouted_is_noticed)
{
    struct script s;

    open_script(&s);
    add_line(&s, "WATCH watched\r\nMULTI");
    add_each(&s, "SET new GET", 1);
    add_each(&s, "INCR", MANY);
    (void)send(&s);
    s.g.store.is_cold = true;
    s.g.between = write_watched;
    s.g.between_context = "SET watched x";
    add_line(&s, "EXEC");
    expect_end(send(&s), "*-1\r\n");
    cr_assert_str_eq(gateway_ask(&s.g, 1, "GET key00001"), "$-1\r\n");
    close_script(&s);
}

/* A row says that its content lies in chunks; all strings' chunks are read together then. */
Test(resp_scout, many_long_strings_wait_together)
{
    enum { STRINGS = 100 };
    struct script s;

    open_script(&s);
    add_line(&s, "MULTI");
    for (int i = 0; i < STRINGS; i++)
        buf_append_format(&s.text, "SETBIT key%05d 800000 1\r\n", i);
    add_line(&s, "EXEC");
    for (int i = 0; i < STRINGS; i++)
        buf_append_format(&s.text, "SETBIT key%05d 100 1\r\n", i);
    (void)send(&s);
    make_cold(&s);
    add_keys(&s, "MGET", STRINGS, "");
    (void)send(&s);
    cr_assert_leq(s.g.runs, 4);
    add_line(&s, "MULTI");
    for (int i = 0; i < STRINGS; i++)
        buf_append_format(&s.text, "GETBIT key%05d 100\r\n", i);
    expect_end(exec(&s), ":1\r\n:1\r\n");
    cr_assert_leq(s.g.runs, 4);
    close_script(&s);
}

Test(resp_scout, digests_of_many_values_and_long_ones_are_made_a_few_times)
{
    struct script s;

    open_script(&s);
    add_keys(&s, "MSET", MANY, "old");
    (void)send(&s);
    make_cold(&s);
    buf_append_format(&s.text, "*%d\r\n$5\r\nDEBUG\r\n", MANY + 2);
    buf_append_format(&s.text, "$12\r\nDIGEST-VALUE\r\n");
    for (int i = 0; i < MANY; i++)
        buf_append_format(&s.text, "$8\r\nkey%05d\r\n", i);
    expect_end(send(&s), "+ba20bcf735067374a734e38a56d1dd936fc1cfc5\r\n");
    expect_few_runs(&s, MANY, 1);

    s.g.store.is_cold = false;
    (void)gateway_ask(&s.g, 0, "SETRANGE long 4000000 x");
    for (int i = 0; i < 4000000; i += 16384)
        buf_append_format(&s.text, "SETRANGE long %d x\r\n", i);
    (void)send(&s);
    make_cold(&s);
    (void)gateway_ask(&s.g, 0, "DEBUG DIGEST-VALUE long");
    cr_assert_leq(s.g.runs, 3);
    close_script(&s);
}

Test(resp_scout, keys_of_the_database_that_the_queue_selects_are_scouted)
{
    struct script s;

    open_script(&s);
    add_line(&s, "SELECT 3");
    add_keys(&s, "MSET", MANY, "old");
    add_line(&s, "SELECT 0\r\nMULTI\r\nSELECT 3");
    add_each(&s, "GET", MANY);
    add_line(&s, "SELECT 4");
    add_each(&s, "GET", FEW);
    expect_end(exec(&s), "\r\n$-1\r\n");
    expect_few_runs(&s, MANY + FEW, 1);
    cr_assert_str_eq(gateway_ask(&s.g, 0, "SELECT 3\r\nGET key00009"), "+OK\r\n$3\r\nold\r\n");
    close_script(&s);
}

/* A walk waits at each row of its own; those before and behind it in the queue do not begin anew.
 */
static uint64_t bytes_read_by_walks(struct script *s, bool is_cold)
{
    s->g.store.is_cold = is_cold;
    s->g.store.read_bytes = 0;
    s->g.runs = 0;
    add_line(s, "MULTI\r\nINCR n\r\nKEYS *\r\nSET key00001 new\r\nKEYS *1\r\nSCAN 0 COUNT 1000");
    add_line(s, "DEBUG DIGEST\r\nKEYS none\r\nEXEC");
    struct bytes answer = send(s);
    cr_assert(answer.size > 16);
    cr_assert_eq(memcmp(answer.data + answer.size - 4, "*0\r\n", 4), 0);
    return s->g.store.read_bytes;
}

Test(resp_scout, walks_of_a_transaction_go_on_where_they_were)
{
    struct script s;

    open_script(&s);
    add_keys(&s, "MSET", FEW, "old");
    (void)send(&s);
    uint64_t warm = bytes_read_by_walks(&s, false);
    uint64_t cold = bytes_read_by_walks(&s, true);
    cr_assert_gt(s.g.runs, FEW);
    cr_assert_lt(s.g.runs, 2 * FEW + 20);
    cr_assert_lt(cold, 3 * warm, "%lu bytes, %lu if nothing is cold", (unsigned long)cold,
                 (unsigned long)warm);
    close_script(&s);
}

/* One that was interrupted leaves nothing behind for the next. */
Test(resp_scout, a_walk_of_a_transaction_that_fails_is_forgotten)
{
    struct script s;

    open_script(&s);
    add_keys(&s, "MSET", FEW, "old");
    (void)send(&s);
    s.g.store.is_cold = true;
    add_line(&s, "MULTI\r\nKEYS *");
    buf_append_format(&s.text, "*2\r\n$3\r\nGET\r\n$64001\r\n%064001d\r\n", 0);
    expect_end(exec(&s), "-EXECABORT Transaction discarded because of: ERR command is too large: a "
                         "key, the reply or the writes exceed their limit\r\n");
    s.g.store.is_cold = false;
    add_line(&s, "DEL key00000\r\nMULTI\r\nKEYS key00001");
    expect_end(exec(&s), "*1\r\n*1\r\n$8\r\nkey00001\r\n");
    add_line(&s, "MULTI\r\nKEYS key00000");
    expect_end(exec(&s), "*1\r\n*0\r\n");
    close_script(&s);
}

/* What is no row's business happens when its turn comes, once. */
Test(resp_scout, a_scout_does_nothing_that_cannot_be_taken_back)
{
    struct script s;

    open_script(&s);
    add_line(&s, "SUBSCRIBE other");
    (void)gateway_send(&s.g, 1, buf_bytes(&s.text));
    buf_reset(&s.text);
    add_line(&s, "MULTI");
    add_each(&s, "INCR", MANY);
    add_line(&s, "KEYS *9\r\nDBSIZE\r\nDEBUG SLEEP 1\r\nCLIENT SETNAME me\r\nPUBLISH other word");
    add_each(&s, "INCR", MANY);
    expect_end(exec(&s), "\r\n:2\r\n");
    expect_few_runs(&s, 3 * (size_t)MANY, 1);
    cr_assert_eq(s.g.slept_us, 1000000);
    cr_assert_str_eq(gateway_ask(&s.g, 0, "CLIENT GETNAME"), "$2\r\nme\r\n");
    struct bytes heard = gateway_take(&s.g, 1);
    expect_end(heard, "$7\r\nmessage\r\n$5\r\nother\r\n$4\r\nword\r\n");
    cr_assert_eq(heard.size, strlen("*3\r\n$7\r\nmessage\r\n$5\r\nother\r\n$4\r\nword\r\n"));
    close_script(&s);
}

/* A failure that a scout meets is the command's, if it comes to it by right. */
Test(resp_scout, what_fails_while_scouting_is_answered_when_its_turn_comes)
{
    struct script s;

    open_script(&s);
    add_line(&s, "SET key00005 text");
    add_line(&s, "MULTI\r\nGET cold");
    add_each(&s, "INCR", 10);
    buf_append_format(&s.text, "*2\r\n$3\r\nGET\r\n$64001\r\n%064001d\r\n", 0);
    expect_end(exec(&s), "-EXECABORT Transaction discarded because of: ERR command is too large: a "
                         "key, the reply or the writes exceed their limit\r\n");
    cr_assert_leq(s.g.runs, 4);
    cr_assert_str_eq(gateway_ask(&s.g, 0, "GET key00004"), "$-1\r\n");
    close_script(&s);
}

/*
 * Whatever a scout has seen and done, the answers are those of a store where nothing is cold.
 * Method: the same transactions at random, short ones and one of several windows.
 */
static void add_random_command(struct buf *text, struct rand *r)
{
    static const char *const FORMS[] = {
        "GET k%u",
        "SET k%u %u",
        "INCR k%u",
        "DEL k%u k%u",
        "MGET k%u k%u",
        "APPEND k%u xyz",
        "SETRANGE k%u 70000 x",
        "GETRANGE k%u 69990 70001",
        "RENAME k%u k%u",
        "COPY k%u k%u REPLACE",
        "MSETNX k%u 1 k%u 2",
        "SELECT %u",
        "GETDEL k%u",
        "BITOP OR k%u k%u k1",
        "STRLEN k%u",
        "MOVE k%u 2",
        "DBSIZE",
        "EXISTS k%u k%u",
        "PERSIST k%u",
        "EXPIRE k%u 100",
        "KEYS *7%u",
        "SCAN 0 MATCH *%u* COUNT 20",
        "SCAN %u COUNT 10",
        "DEBUG DIGEST",
    };
    const char *form = FORMS[rand_below(r, sizeof FORMS / sizeof FORMS[0])];
    unsigned keys = form[0] == 'S' && form[2] == 'L' ? 3 : 600;

    for (; *form != '\0'; form++) {
        if (*form == '%') {
            buf_append_format(text, "%u", (unsigned)rand_below(r, keys));
            form++;
        } else {
            buf_append_u8(text, (uint8_t)*form);
        }
    }
    buf_append(text, bytes_str("\r\n"));
}

Test(resp_scout, answers_are_those_of_rows_in_memory)
{
    struct script cold;
    struct gateway warm;
    struct rand r;

    open_script(&cold);
    gateway_open(&warm);
    rand_seed(&r, 7);
    cold.g.store.is_cold = true;
    for (int i = 0; i < 30; i++) {
        int commands = i == 29 ? 4 * RESP_SCOUT_WAITS : 50;
        add_line(&cold, "MULTI");
        for (int k = 0; k < commands; k++)
            add_random_command(&cold.text, &r);
        add_line(&cold, "EXEC");
        struct bytes expected = gateway_send(&warm, 0, buf_bytes(&cold.text));
        struct bytes answer = send(&cold);
        cr_assert(bytes_equal(answer, expected), "transaction %d", i);
    }
    gateway_close(&warm);
    close_script(&cold);
}
