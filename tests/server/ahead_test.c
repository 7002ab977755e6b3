/* Pipelines of requests for rows on the disk: what those behind the first need is read with it. */
#include "support/sim_server.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

enum {
    KEYS = 400,
    PIPELINE = 20,
    LATENCY_NS = 500 * 1000,
    CACHE_SIZE = 8 << 20,
    LEVELS = 5, /* Tail, filter, index, data; and one for chance. */
};

static const struct sim_server_options OPTIONS = { .cache_size = CACHE_SIZE };

static struct io_sim *make_machine(void)
{
    return io_sim_create(
        &(struct io_sim_options) { .latency_min_ns = LATENCY_NS, .latency_max_ns = LATENCY_NS },
        NULL);
}

/* Nothing of what is on the disk is in memory. */
static void open_cold(struct sim_server *s, struct io_sim *sim, size_t value_size)
{
    char line[64];
    struct buf value;

    sim_server_open(s, sim, &OPTIONS);
    buf_init(&value, s->server.env.alloc, SIZE_MAX);
    memset(buf_extend(&value, value_size), 'v', value_size);
    for (int i = 0; i < KEYS; i++) {
        (void)snprintf(line, sizeof line, "*3\r\n$3\r\nSET\r\n$7\r\nkey:%03d\r\n$%zu\r\nv%03d", i,
                       value_size + 4, i);
        sim_client_send(s, 0, bytes_str(line));
        sim_client_send(s, 0, buf_bytes(&value));
        sim_client_send(s, 0, bytes_str("\r\n"));
        sim_server_settle(s);
        cr_assert_str_eq(sim_client_take(s, 0), "+OK\r\n");
    }
    buf_deinit(&value);
    sim_server_flush(s);
    sim_client_leave(s, 0);
    sim_server_close(s);
    sim_server_open(s, sim, &OPTIONS);
}

/* The number of a pipeline's key: far from its neighbours'. */
static int key_at(int i)
{
    return i * 7 % KEYS;
}

static void send_gets(struct sim_server *s, unsigned client, int begin, int end)
{
    char text[64 * 64];
    size_t size = 0;

    for (int i = begin; i < end; i++)
        size += (size_t)snprintf(text + size, sizeof text - size,
                                 "*2\r\n$3\r\nGET\r\n$7\r\nkey:%03d\r\n", key_at(i));
    sim_client_send(s, client, bytes_of(text, size));
}

/* Replies to gets of values of four bytes, one after the other. */
static void expect_values(const char *reply, int begin, int end)
{
    for (int i = begin; i < end; i++, reply += strlen("$4\r\nv000\r\n")) {
        char expected[32];
        (void)snprintf(expected, sizeof expected, "$4\r\nv%03d\r\n", key_at(i));
        cr_assert(strncmp(reply, expected, strlen(expected)) == 0, "%d: %.30s", i, reply);
    }
    cr_assert_str_eq(reply, "");
}

Test(server_ahead, a_pipeline_of_cold_reads_waits_once)
{
    struct io_sim *sim = make_machine();
    struct sim_server s;

    open_cold(&s, sim, 0);
    send_gets(&s, 0, 0, PIPELINE);
    sim_server_settle(&s);
    expect_values(sim_client_take(&s, 0), 0, PIPELINE);
    cr_assert_leq(s.server.reactor.stats.commands_blocked, (uint64_t)LEVELS);
    cr_assert_eq(s.server.store->ahead, 0u);
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* Each block is read once, also where the cache is too small to keep it until it is asked for. */
Test(server_ahead, what_was_read_ahead_is_there_when_it_is_asked_for)
{
    enum { VALUE = 1500 };
    struct io_sim *sim = make_machine();
    struct sim_server s;

    open_cold(&s, sim, VALUE);
    uint64_t before = s.server.store->device_reads;
    for (int round = 0; round < 10; round++) {
        send_gets(&s, 0, round * PIPELINE, (round + 1) * PIPELINE);
        sim_server_settle(&s);
        cr_assert_eq(strlen(sim_client_take(&s, 0)), PIPELINE * (strlen("$1504\r\n\r\n") + 1504));
    }
    cr_assert_leq(s.server.store->device_reads - before, 10u * PIPELINE + 32);
    cr_assert_leq(s.server.reactor.stats.commands_blocked, 10u * LEVELS);
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* What a request behind reads is what the one before it wrote, whatever was read ahead. */
Test(server_ahead, a_write_in_between_is_seen)
{
    static const char PIPE[] = "*2\r\n$3\r\nGET\r\n$7\r\nkey:001\r\n"
                               "*3\r\n$3\r\nSET\r\n$7\r\nkey:002\r\n$3\r\nnew\r\n"
                               "*2\r\n$3\r\nGET\r\n$7\r\nkey:002\r\n"
                               "*2\r\n$3\r\nDEL\r\n$7\r\nkey:003\r\n"
                               "*2\r\n$3\r\nGET\r\n$7\r\nkey:003\r\n"
                               "*3\r\n$6\r\nAPPEND\r\n$7\r\nkey:004\r\n$1\r\n+\r\n"
                               "*2\r\n$3\r\nGET\r\n$7\r\nkey:004\r\n";
    struct io_sim *sim = make_machine();
    struct sim_server s;

    open_cold(&s, sim, 0);
    sim_client_send(&s, 0, bytes_str(PIPE));
    sim_server_settle(&s);
    cr_assert_str_eq(sim_client_take(&s, 0), "$4\r\nv001\r\n+OK\r\n$3\r\nnew\r\n:1\r\n$-1\r\n"
                                             ":5\r\n$5\r\nv004+\r\n");
    cr_assert_eq(s.server.store->ahead, 0u);
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* The n-th read of a pipeline fails, for each n: requests that need it are told, others are
 * answered, and it is read again when it is asked for again. */
Test(server_ahead, a_read_that_fails_fails_who_needs_it)
{
    struct io_sim *sim = make_machine();
    struct sim_server s;

    open_cold(&s, sim, 0);
    sim_server_close(&s);
    for (uint64_t n = 1; n < 16; n++) {
        sim_server_open(&s, sim, &OPTIONS);
        io_sim_set_fault(sim, &(struct io_sim_fault) { .classes = IO_SIM_READ, .at = n });
        send_gets(&s, 0, 0, PIPELINE);
        sim_server_settle(&s);
        const char *reply = sim_client_take(&s, 0);
        for (int i = 0; i < PIPELINE; i++) {
            const char *end = strstr(reply, "\r\n");
            cr_assert_not_null(end, "the answer to %d is missing", i);
            if (*reply == '$')
                end = strstr(end + 2, "\r\n");
            cr_assert(*reply == '-' || (reply[5] == '0' + key_at(i) / 100), "%.20s", reply);
            reply = end + 2;
        }
        cr_assert_str_eq(reply, "");
        io_sim_set_fault(sim, NULL);
        send_gets(&s, 0, 0, PIPELINE);
        sim_server_settle(&s);
        expect_values(sim_client_take(&s, 0), 0, PIPELINE);
        sim_server_close(&s);
    }
    io_sim_destroy(sim);
}

Test(server_ahead, all_together_hold_a_part_of_the_cache)
{
    struct io_sim *sim = make_machine();
    struct sim_server s;
    uint32_t most = 0;

    open_cold(&s, sim, 0);
    for (unsigned client = 0; client < SIM_CLIENTS; client++)
        send_gets(&s, client, (int)client * PIPELINE, (int)(client + 1) * PIPELINE);
    for (int turn = 0; turn < 1000; turn++) {
        sim_server_turn(&s, LATENCY_NS / 4);
        most = s.server.store->ahead > most ? s.server.store->ahead : most;
    }
    cr_assert_eq(most, s.server.store->ahead_max);
    cr_assert_leq(most, (uint32_t)CACHE_SIZE / (64 << 10));
    for (unsigned client = 0; client < SIM_CLIENTS; client++)
        expect_values(sim_client_take(&s, client), (int)client * PIPELINE,
                      (int)(client + 1) * PIPELINE);
    cr_assert_eq(s.server.store->ahead, 0u);
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* A client goes at any moment of its waiting: nothing of it stays. */
Test(server_ahead, a_client_that_goes_leaves_nothing)
{
    struct io_sim *sim = make_machine();
    struct sim_server s;

    open_cold(&s, sim, 0);
    sim_server_close(&s);
    for (int turns = 0; turns < 12; turns++) {
        sim_server_open(&s, sim, &OPTIONS);
        send_gets(&s, 0, 0, PIPELINE);
        for (int turn = 0; turn < turns; turn++)
            sim_server_turn(&s, LATENCY_NS / 4);
        sim_client_leave(&s, 0);
        sim_server_settle(&s);
        cr_assert_eq(s.server.store->ahead, 0u);
        cr_assert_eq(s.server.reactor.waiting_count, 0u);
        sim_server_close(&s);
    }
    io_sim_destroy(sim);
}

/* While a client does not take its replies, nothing is held for what it asked behind them. */
Test(server_ahead, nothing_is_held_for_a_client_that_does_not_read)
{
    enum { VALUE = 60 << 10 };
    struct io_sim *sim = make_machine();
    struct sim_server s;

    open_cold(&s, sim, VALUE);
    s.clients[0].is_deaf = true;
    for (int i = 0; i < 4; i++)
        send_gets(&s, 0, 0, 2 * PIPELINE);
    sim_server_settle(&s);
    cr_assert(roster_first(&s.server.reactor.roster, ROSTER_ALL)->is_paused);
    cr_assert_eq(s.server.store->ahead, 0u);
    sim_server_close(&s);
    io_sim_destroy(sim);
}
