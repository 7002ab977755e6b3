/* Topics, what is said on them, and that nobody can tell when it is delivered. */
#include "support/gateway.h"

#include <criterion/criterion.h>

#include <stdio.h>

#include "base/rand.h"

#include "resp/index.h"
#include "resp/topic.h"

/* ---- The table of links ---------------------------------------------------------------------- */

enum { THINGS = 20000 };

struct thing {
    struct resp_link link;
    uint64_t key;
    bool is_in;
};

static bool finds(const struct resp_index *t, const struct thing *thing)
{
    struct resp_link *link = resp_index_first(t, thing->key % 5000);

    while (link != NULL && link != &thing->link)
        link = resp_index_next(link);
    return link != NULL;
}

/* Method: things come and go at random, several under one hash, with memory for growth and without;
 * what is in is found, what is not is not. */
Test(resp_pubsub, an_index_finds_what_is_in_it)
{
    struct thing *things = alloc_array(alloc_heap(), THINGS, sizeof *things);
    struct alloc_test alloc;
    struct resp_index t;
    struct rand r;

    for (int is_short = 0; is_short < 2; is_short++) {
        alloc_test_init(&alloc);
        alloc.fail_at = is_short;
        alloc.fail_for_ever = true;
        rand_seed(&r, 11);
        resp_index_init(&t, &alloc.alloc);
        for (int step = 0; step < 4 * THINGS; step++) {
            struct thing *thing = &things[rand_below(&r, is_short ? 300 : THINGS)];
            thing->key = (uint64_t)(thing - things);
            cr_assert_eq(finds(&t, thing), thing->is_in);
            if (thing->is_in)
                resp_index_remove(&t, &thing->link);
            else
                resp_index_add(&t, &thing->link, thing->key % 5000);
            thing->is_in = !thing->is_in;
        }
        for (int i = 0; i < THINGS; i++) {
            if (things[i].is_in)
                resp_index_remove(&t, &things[i].link);
            things[i].is_in = false;
        }
        cr_assert_eq(t.count, 0);
        resp_index_deinit(&t);
        cr_assert_eq(alloc.live_bytes, 0);
    }
    alloc_free(alloc_heap(), things, THINGS * sizeof *things);
}

/* ---- Topics ---------------------------------------------------------------------------------- */

static void count_gone(void *context, const struct resp_subscription *s)
{
    (void)s;
    ++*(int *)context;
}

/* What a command did to subscriptions and does not keep never was; what it joined and left, and
 * what it left and joined again, comes out right either way. */
Test(resp_pubsub, a_commands_changes_can_be_taken_back)
{
    struct resp_session *me = (struct resp_session *)(uintptr_t)64; /* Never looked into. */
    struct resp_subscriptions own = { { NULL }, { NULL }, { 0 } };
    const enum resp_topic_kind kind = RESP_TOPIC_CHANNEL;
    struct bytes a = bytes_str("a");
    struct resp_topics t;

    for (int is_kept = 0; is_kept < 2; is_kept++) {
        int gone = 0;
        resp_topics_init(&t, alloc_heap(), 1 << 20, 1);
        cr_assert(succeeded(resp_topics_join(&t, me, &own, kind, a, 0)));
        resp_topics_keep(&t, count_gone, &gone);
        struct resp_topic *topic = resp_topic_find(&t, kind, a);
        resp_topics_leave(&t, resp_subscription_find(&t, topic, me, RESP_TOPIC_ON), 5);
        cr_assert_eq(t.counts[kind], 0);
        cr_assert(succeeded(resp_topics_join(&t, me, &own, kind, a, 7)));
        cr_assert_eq(topic->count, 1);
        cr_assert(succeeded(resp_topics_join(&t, me, &own, kind, bytes_str("b"), 7)));
        struct resp_topic *b = resp_topic_find(&t, kind, bytes_str("b"));
        resp_topics_leave(&t, resp_subscription_find(&t, b, me, RESP_TOPIC_ON), 8);
        cr_assert_not_null(resp_subscription_find(&t, topic, me, 5));
        cr_assert_null(resp_subscription_find(&t, topic, me, 6));
        cr_assert_not_null(resp_subscription_find(&t, topic, me, 8));
        if (is_kept)
            resp_topics_keep(&t, count_gone, &gone);
        else
            resp_topics_revert(&t);
        cr_assert_eq(gone, is_kept ? 2 : 0);
        cr_assert_eq(own.counts[kind], 1);
        cr_assert_eq(t.counts[kind], 1);
        cr_assert_null(resp_topic_find(&t, kind, bytes_str("b")));
        cr_assert_eq(resp_subscription_find(&t, topic, me, 6) != NULL, !is_kept);
        resp_topics_drop(&t, &own, count_gone, &gone);
        cr_assert_eq(t.held_bytes, 0);
        resp_topics_deinit(&t);
    }
}

Test(resp_pubsub, subscriptions_have_a_limit)
{
    struct resp_session *me = (struct resp_session *)(uintptr_t)64;
    struct resp_subscriptions own = { { NULL }, { NULL }, { 0 } };
    struct resp_topics t;
    struct status st = status_ok();
    uint32_t count = 0;
    char name[16];
    int gone = 0;

    resp_topics_init(&t, alloc_heap(), 10000, 1);
    for (; succeeded(st); count++) {
        int n = snprintf(name, sizeof name, "%u", count);
        st = resp_topics_join(&t, me, &own, RESP_TOPIC_PATTERN, bytes_of(name, (size_t)n), 0);
    }
    cr_assert_eq(st.code, ST_LIMIT);
    cr_assert_eq(own.counts[RESP_TOPIC_PATTERN], count - 1);
    cr_assert(t.held_bytes <= 10000 && count > 20);
    resp_topics_drop(&t, &own, count_gone, &gone);
    cr_assert_eq(gone, count - 1);
    resp_topics_deinit(&t);
}

/* ---- Delivery -------------------------------------------------------------------------------- */

enum { CROWD = 550, MADE_IN_TURN = 192 };

static size_t count_of(struct bytes text, const char *word)
{
    size_t count = 0;
    size_t size = strlen(word);

    for (size_t i = 0; i + size <= text.size; i++)
        count += memcmp(text.data + i, word, size) == 0;
    return count;
}

/* As many patterns as that, each of which matches "x". */
static void subscribe_crowd(struct gateway *g, size_t client)
{
    char line[64];

    (void)gateway_ask(g, client, "HELLO 3");
    for (int i = 0; i < CROWD; i++) {
        (void)snprintf(line, sizeof line, "PSUBSCRIBE [x%d]", i);
        (void)gateway_ask(g, client, line);
    }
}

static bool ends_with(struct bytes text, const char *end)
{
    size_t size = strlen(end);

    return text.size >= size && memcmp(text.data + text.size - size, end, size) == 0;
}

static struct bytes say(struct gateway *g, size_t client, const char *line)
{
    char request[128];
    int n = snprintf(request, sizeof request, "%s\r\n", line);

    return gateway_send(g, client, bytes_of(request, (size_t)n));
}

/* More is due than a turn delivers: the rest comes with the next turn, or before whatever the
 * receiver is answered next, but once. */
Test(resp_pubsub, what_waits_comes_before_the_next_answer)
{
    struct gateway g;

    for (int is_asked = 0; is_asked < 2; is_asked++) {
        gateway_open(&g);
        g.deliver_at_once = false;
        subscribe_crowd(&g, 1);
        (void)gateway_ask(&g, 2, "SUBSCRIBE x");
        resp_begin_turn(g.resp);
        cr_assert_str_eq(gateway_ask(&g, 0, "PUBLISH x 1"), ":551\r\n");
        cr_assert_str_eq(gateway_ask(&g, 0, "PUBLISH x 2"), ":551\r\n");
        cr_assert(resp_is_delivering(g.resp));
        cr_assert_eq(count_of(gateway_take(&g, 1), "pmessage"), MADE_IN_TURN - 1);
        cr_assert_eq(count_of(gateway_take(&g, 2), "message"), 1);
        if (is_asked) {
            struct bytes got = say(&g, 1, "PING");
            cr_assert_eq(count_of(got, "pmessage"), 2 * CROWD - MADE_IN_TURN + 1);
            cr_assert(ends_with(got, "+PONG\r\n"));
        }
        while (resp_is_delivering(g.resp))
            resp_begin_turn(g.resp);
        cr_assert_eq(count_of(gateway_take(&g, 1), "pmessage"),
                     is_asked ? 0 : 2 * CROWD - MADE_IN_TURN + 1);
        cr_assert_eq(count_of(gateway_take(&g, 2), "message"), 1);
        gateway_close(&g);
    }
}

/* What was said before a subscription ended is for it, what came before it began is not; and a
 * session may go while it is being given something. */
Test(resp_pubsub, subscriptions_come_and_go_while_messages_wait)
{
    struct gateway g;

    gateway_open(&g);
    g.deliver_at_once = false;
    subscribe_crowd(&g, 1);
    subscribe_crowd(&g, 2);
    subscribe_crowd(&g, 3);
    resp_begin_turn(g.resp);
    cr_assert_str_eq(gateway_ask(&g, 0, "PUBLISH x 1"), ":1650\r\n");
    struct bytes got = say(&g, 1, "PUNSUBSCRIBE [x549]");
    cr_assert(ends_with(got, "punsubscribe\r\n$6\r\n[x549]\r\n:549\r\n"));
    cr_assert_eq(count_of(got, "pmessage"), CROWD);
    got = say(&g, 1, "SUBSCRIBE x");
    cr_assert_eq(count_of(got, "message"), 0);
    got = say(&g, 2, "QUIT");
    cr_assert_eq(count_of(got, "pmessage"), CROWD);
    while (resp_is_delivering(g.resp))
        resp_begin_turn(g.resp);
    cr_assert_eq(count_of(gateway_take(&g, 1), "message"), 0);
    cr_assert_eq(count_of(gateway_take(&g, 3), "pmessage"), CROWD);
    resp_begin_turn(g.resp);
    (void)gateway_ask(&g, 0, "PUBLISH x 2");
    (void)gateway_ask(&g, 0, "CLIENT KILL TYPE pubsub"); /* The walk stands among them. */
    cr_assert_str_eq(gateway_ask(&g, 0, "PUBLISH x 3"), ":0\r\n");
    while (resp_is_delivering(g.resp))
        resp_begin_turn(g.resp);
    gateway_close(&g);
}

/* There is no memory to keep what a turn has no time for: it is delivered now. */
Test(resp_pubsub, without_memory_it_is_delivered_now)
{
    struct gateway g;

    gateway_open(&g);
    g.deliver_at_once = false;
    subscribe_crowd(&g, 1);
    resp_begin_turn(g.resp);
    (void)gateway_ask(&g, 0, "PUBLISH x 1");
    (void)gateway_take(&g, 1);
    (void)gateway_ask(&g, 0, "PUBLISH x 2"); /* What it takes to collect is there now. */
    g.alloc.fail_at = 1;
    g.alloc.fail_for_ever = true;
    cr_assert_str_eq(gateway_ask(&g, 0, "PUBLISH x 3"), ":550\r\n");
    g.alloc.fail_at = 0;
    cr_assert(!resp_is_delivering(g.resp));
    cr_assert_eq(count_of(gateway_take(&g, 1), "pmessage"), 3 * CROWD - MADE_IN_TURN);
    gateway_close(&g);
}

/* Each allocation fails in turn: the command is refused or done, and nothing is left behind. */
Test(resp_pubsub, every_allocation_may_fail)
{
    static const char *const LINES[] = { "SUBSCRIBE new", "PSUBSCRIBE new*", "PUBLISH x 1",
                                         "MULTI\r\nSUBSCRIBE y\r\nPUBLISH y 1\r\nSET k 1\r\nEXEC" };
    struct gateway g;

    for (size_t line = 0; line < sizeof LINES / sizeof LINES[0]; line++) {
        for (uint64_t at = 1; at < 12; at++) {
            gateway_open(&g);
            (void)gateway_ask(&g, 0, "CONFIG SET notify-keyspace-events KEA");
            (void)gateway_ask(&g, 1, "SUBSCRIBE x");
            (void)gateway_ask(&g, 1, "PSUBSCRIBE __key*");
            (void)gateway_ask(&g, 0, "PING");
            g.alloc.fail_at = at;
            struct bytes got = say(&g, 0, LINES[line]);
            bool is_refused = count_of(got, "-OOM") + count_of(got, "-EXECABORT") > 0;
            g.alloc.fail_at = 0;
            cr_assert(got.size > 0);
            cr_assert(!is_refused || gateway_take(&g, 1).size == 0);
            cr_assert(!is_refused || strcmp(gateway_ask(&g, 1, "PUBSUB NUMSUB"), "") != 0);
            if (g.clients[0] != NULL && is_refused)
                cr_assert(!resp_session_is_subscriber(g.clients[0]));
            gateway_close(&g);
        }
    }
}

/* What a client says to itself comes behind the answer, as with Redis 7.2; in a transaction behind
 * its own, and only what it listened to at that moment. */
Test(resp_pubsub, what_a_client_says_to_itself)
{
    struct gateway g;

    gateway_open(&g);
    (void)gateway_ask(&g, 0, "HELLO 3");
    (void)gateway_ask(&g, 0, "SUBSCRIBE a");
    cr_assert_str_eq(gateway_ask(&g, 0, "PUBLISH a 1"),
                     ":1\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n");
    cr_assert_str_eq(gateway_ask(&g, 0,
                                 "MULTI\r\nPUBLISH b 0\r\nSUBSCRIBE b\r\nPUBLISH b 1\r\n"
                                 "UNSUBSCRIBE b\r\nPUBLISH b 2\r\nEXEC"),
                     "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
                     "*5\r\n:0\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n:1\r\n"
                     ">3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1\r\n:0\r\n"
                     ">3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$1\r\n1\r\n");
    gateway_close(&g);
}

/* ---- MONITOR --------------------------------------------------------------------------------- */

static void expect_shown(struct gateway *g, const char *line, const char *shown)
{
    char expected[512] = "";

    (void)say(g, 0, line);
    struct bytes got = gateway_take(g, 1);
    if (shown[0] != '\0')
        (void)snprintf(expected, sizeof expected, " [0 127.0.0.1:40000] %s\r\n", shown);
    cr_assert_eq(got.size > 0, shown[0] != '\0', "%s: %.*s", line, (int)got.size,
                 (const char *)got.data);
    cr_assert(ends_with(got, expected), "%s: %.*s", line, (int)got.size, (const char *)got.data);
    /* "+1700000000.001042": seconds, a point, six digits. */
    cr_assert(got.size == 0 || (got.data[0] == '+' && got.data[11] == '.' && got.data[18] == ' '));
}

Test(resp_pubsub, monitor_shows_what_is_run)
{
    struct gateway g;

    gateway_open(&g);
    (void)gateway_ask(&g, 0, "PING");
    cr_assert_str_eq(gateway_ask(&g, 1, "MONITOR"), "+OK\r\n");
    expect_shown(&g, "set a 1", "\"set\" \"a\" \"1\"");
    expect_shown(&g, "SET \"a\\x01\\n\\r\\t\\a\\b\\\"\\\\z\" \"\\xff ~'\"",
                 "\"SET\" \"a\\x01\\n\\r\\t\\a\\b\\\"\\\\z\" \"\\xff ~'\"");
    expect_shown(&g, "AUTH x", "\"AUTH\" \"(redacted)\"");
    expect_shown(&g, "AUTH default y", "\"AUTH\" \"(redacted)\" \"(redacted)\"");
    expect_shown(&g, "HELLO 3 AUTH default y SETNAME z",
                 "\"HELLO\" \"3\" \"AUTH\" \"(redacted)\" \"(redacted)\" \"SETNAME\" \"z\"");
    expect_shown(&g, "FOO", "");
    expect_shown(&g, "GET", "");
    expect_shown(&g, "CONFIG GET hz", "");
    expect_shown(&g, "CLIENT LIST", "");
    expect_shown(&g, "client SetName q", "\"client\" \"SetName\" \"q\"");
    expect_shown(&g, "SET x y NX XX", "\"SET\" \"x\" \"y\" \"NX\" \"XX\"");
    expect_shown(&g, "MULTI", "\"MULTI\"");
    expect_shown(&g, "GET b", "");
    (void)say(&g, 0, "EXEC");
    struct bytes got = gateway_take(&g, 1);
    cr_assert_eq(count_of(got, "\"GET\" \"b\"\r\n"), 1);
    cr_assert(ends_with(got, "\"EXEC\"\r\n"));
    cr_assert_str_eq(gateway_ask(&g, 1, "RESET"), "+RESET\r\n");
    expect_shown(&g, "GET a", "");
    gateway_close(&g);
}
