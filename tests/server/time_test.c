/* What time it is to a command. */
#include "support/sim_server.h"

#include "base/clock.h"

#include <criterion/criterion.h>

#include <stdio.h>

static const uint64_t NS_PER_MS = 1000 * 1000;

/* After a restart versions go on from the persisted mark, ahead of the wall; keys must not. */
Test(server_time, keys_expire_on_time_after_a_restart)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;
    char line[64];

    sim_server_open(&s, sim, NULL);
    cr_assert_str_eq(sim_client_ask(&s, 0, "SET a 1 PX 5000"), "+OK\r\n");
    sim_server_close(&s);
    for (int i = 0; i < 3; i++) {
        sim_server_open(&s, sim, NULL);
        uint64_t wall_ms = clock_wall_ms(io_sim_clock(sim));
        (void)snprintf(line, sizeof line, "SET b 1 PXAT %llu", (unsigned long long)wall_ms + 1000);
        cr_assert_str_eq(sim_client_ask(&s, 0, line), "+OK\r\n");
        cr_assert_str_eq(sim_client_ask(&s, 0, "SET c 1 PX 100"), "+OK\r\n");
        io_sim_advance(sim, 100 * NS_PER_MS);
        cr_assert_str_eq(sim_client_ask(&s, 0, "MGET a b c"),
                         "*3\r\n$1\r\n1\r\n$1\r\n1\r\n$-1\r\n");
        sim_server_close(&s);
    }
    io_sim_destroy(sim);
}

/* Nobody writes, so nobody asks for a version: time goes on all the same. */
Test(server_time, keys_expire_where_nobody_writes)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;

    sim_server_open(&s, sim, NULL);
    cr_assert_str_eq(sim_client_ask(&s, 0, "SET a 1 EX 3600"), "+OK\r\n");
    io_sim_advance(sim, 3599 * 1000 * NS_PER_MS);
    cr_assert_str_eq(sim_client_ask(&s, 0, "GET a"), "$1\r\n1\r\n");
    io_sim_advance(sim, 1000 * NS_PER_MS);
    cr_assert_str_eq(sim_client_ask(&s, 0, "GET a"), "$-1\r\n");
    cr_assert_str_eq(sim_client_ask(&s, 0, "DBSIZE"), ":0\r\n", "it is removed, too");
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* The background did not raise the mark: writes are not held up, and the next start is above them.
 */
Test(server_time, writes_after_an_idle_day_wait_for_nothing)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;

    sim_server_open(&s, sim, NULL);
    cr_assert_str_eq(sim_client_ask(&s, 0, "INCR a"), ":1\r\n");
    io_sim_advance(sim, UINT64_C(24) * 3600 * 1000 * NS_PER_MS);
    cr_assert_str_eq(sim_client_ask(&s, 0, "INCR a"), ":2\r\n");
    sim_server_close(&s);
    sim_server_open(&s, sim, NULL);
    cr_assert_str_eq(sim_client_ask(&s, 0, "INCR a"), ":3\r\n");
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* Versions are used up and the mark cannot be raised: writes wait, reads go on; then all is well.
 */
Test(server_time, without_a_version_writes_wait_and_reads_go_on)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;

    sim_server_open(&s, sim, NULL);
    cr_assert_str_eq(sim_client_ask(&s, 0, "SET a 1"), "+OK\r\n");
    struct txn_clock *clock = &s.server.store->pipeline.clock;
    atomic_store(&clock->mark, clock->last + 1);
    cr_assert_str_eq(sim_client_ask(&s, 0, "SET a 2"), "");
    cr_assert_str_eq(sim_client_ask(&s, 1, "SET b 2"), "");
    cr_assert_str_eq(sim_client_ask(&s, 2, "GET b"), "$-1\r\n");
    sim_server_work(&s);
    sim_server_settle(&s);
    cr_assert_str_eq(sim_client_take(&s, 0), "+OK\r\n");
    cr_assert_str_eq(sim_client_take(&s, 1), "+OK\r\n");
    cr_assert_str_eq(sim_client_ask(&s, 2, "MGET a b"), "*2\r\n$1\r\n2\r\n$1\r\n2\r\n");
    sim_server_close(&s);
    io_sim_destroy(sim);
}
