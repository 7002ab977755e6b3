/* A disk that fails, and one that is full: what clients are told, and what is left. */
#include "support/sim_server.h"

#include "tests/support/must.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MISCONF_FAILED "-MISCONF the store has failed and refuses to go on; the log says why\r\n"
#define MISCONF_FULL "-MISCONF the disk is full: writes are refused until there is space\r\n"

static bool info_says(struct sim_server *s, const char *field)
{
    return strstr(sim_client_ask(s, 7, "INFO everything"), field) != NULL;
}

/* ---- A failed write or sync ---------------------------------------------------------------- */

/* The write of a SET fails: its client and whoever saw it hear nothing; the rest reads on. */
Test(server_failure, a_failed_log_write_ends_writing_and_not_reading)
{
    const struct io_sim_fault fault = { .classes = IO_SIM_WRITE, .at = 1, .is_for_ever = true };
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;

    sim_server_open(&s, sim, NULL);
    cr_assert_str_eq(sim_client_ask(&s, 0, "SET a 1"), "+OK\r\n");
    cr_assert_str_eq(sim_client_ask(&s, 1, "SET b 1"), "+OK\r\n");
    cr_assert_str_eq(sim_client_ask(&s, 2, "WATCH a"), "+OK\r\n");
    cr_assert(info_says(&s, "store_state:healthy\r\n"));
    cr_assert(info_says(&s, "aof_last_write_status:ok\r\n"));

    io_sim_set_fault(sim, &fault);
    sim_client_say(&s, 0, "SET a 2\r\nGET b");
    sim_server_turn(&s, 0);
    sim_server_turn(&s, 0);
    sim_client_say(&s, 1, "GET a");
    sim_server_settle(&s);
    cr_assert_str_eq(sim_client_take(&s, 0), "");
    cr_assert(s.clients[0].is_over);
    cr_assert(s.clients[1].is_over || strcmp(sim_client_take(&s, 1), "$1\r\n1\r\n") == 0);
    sim_client_leave(&s, 0);
    sim_client_leave(&s, 1);

    cr_assert_str_eq(sim_client_ask(&s, 3, "SET a 3"), MISCONF_FAILED);
    cr_assert_str_eq(sim_client_ask(&s, 3, "DEL a"), MISCONF_FAILED);
    cr_assert_str_eq(sim_client_ask(&s, 3, "FLUSHALL"), MISCONF_FAILED);
    cr_assert_str_eq(sim_client_ask(&s, 3, "MGET a b"), "*2\r\n$1\r\n1\r\n$1\r\n1\r\n");
    cr_assert_str_eq(sim_client_ask(&s, 3, "DBSIZE"), ":2\r\n");
    cr_assert_str_eq(sim_client_ask(&s, 3, "SCAN 0 MATCH a"), "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n");
    cr_assert_str_eq(sim_client_ask(&s, 2, "MULTI\r\nSET a 9\r\nEXEC"),
                     "+OK\r\n+QUEUED\r\n-EXECABORT Transaction discarded because of: MISCONF the "
                     "store has failed and refuses to go on; the log says why\r\n");
    cr_assert_str_eq(sim_client_ask(&s, 2, "MULTI\r\nGET a\r\nEXEC"),
                     "+OK\r\n+QUEUED\r\n*1\r\n$1\r\n1\r\n");
    cr_assert(info_says(&s, "store_state:failed\r\n"));
    cr_assert(info_says(&s, "aof_last_write_status:err\r\n"));
    cr_assert(!info_says(&s, "store_failure:\r\n"));

    io_sim_set_fault(sim, NULL);
    cr_assert_str_eq(sim_client_ask(&s, 3, "SET a 3"), MISCONF_FAILED, "until the restart");
    sim_server_close(&s);
    sim_server_open(&s, sim, NULL);
    const char *a = sim_client_ask(&s, 0, "GET a");
    cr_assert(strcmp(a, "$1\r\n1\r\n") == 0 || strcmp(a, "$1\r\n2\r\n") == 0, "%s", a);
    cr_assert_str_eq(sim_client_ask(&s, 0, "GET b"), "$1\r\n1\r\n");
    cr_assert_str_eq(sim_client_ask(&s, 0, "SET a 3"), "+OK\r\n");
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* In the background: nobody's write fails, and yet no more are taken. */
Test(server_failure, a_failed_flush_ends_writing_and_not_reading)
{
    const struct io_sim_fault fault = { .classes = IO_SIM_SYNC, .at = 1, .is_for_ever = true };
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;
    uint64_t ticket;

    sim_server_open(&s, sim, NULL);
    cr_assert_str_eq(sim_client_ask(&s, 0, "SET a 1 EX 10"), "+OK\r\n");
    io_sim_set_fault(sim, &fault);
    struct status frozen = lsm_freeze(s.server.store->lsm, &ticket);
    cr_assert(succeeded(frozen));
    sim_server_settle(&s);
    sim_server_work(&s);
    cr_assert_not_null(lsm_failure(s.server.store->lsm));
    cr_assert_str_eq(sim_client_ask(&s, 0, "SET a 2"), MISCONF_FAILED);
    cr_assert_str_eq(sim_client_ask(&s, 0, "GET a"), "$1\r\n1\r\n");
    cr_assert(info_says(&s, "store_state:failed\r\n"));
    io_sim_advance(sim, UINT64_C(11) * 1000 * 1000 * 1000);
    cr_assert_str_eq(sim_client_ask(&s, 0, "GET a"), "$-1\r\n", "nobody can remove it");
    sim_server_close(&s);
    io_sim_set_fault(sim, NULL);
    sim_server_open(&s, sim, NULL);
    cr_assert_str_eq(sim_client_ask(&s, 0, "SET a 2"), "+OK\r\n");
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* The log has taken it, the tree cannot any more: nobody would see it until the restart. */
Test(server_failure, what_is_written_and_not_applied_is_not_acknowledged)
{
    const struct io_sim_fault fault = { .classes = IO_SIM_SYNC, .at = 1, .is_for_ever = true };
    const struct io_sim_options slow = { .latency_min_ns = 500 * 1000,
                                         .latency_max_ns = 500 * 1000 };
    struct io_sim *sim = io_sim_create(&slow, NULL);
    struct sim_server s;
    uint64_t ticket;

    sim_server_open(&s, sim, NULL);
    cr_assert_str_eq(sim_client_ask(&s, 0, "SET a 1"), "+OK\r\n");
    MUST(lsm_freeze(s.server.store->lsm, &ticket));
    sim_server_settle(&s);
    io_sim_set_fault(sim, &fault);
    sim_client_say(&s, 0, "SET a 2");
    sim_client_say(&s, 1, "SET b 2");
    for (int i = 0; i < 3; i++)
        sim_server_turn(&s, 0);
    cr_assert_not_null(s.server.store->pipeline.oldest, "it is under way");
    sim_server_work(&s);
    cr_assert_not_null(lsm_failure(s.server.store->lsm));
    sim_server_settle(&s);
    cr_assert_str_eq(sim_client_take(&s, 0), "");
    cr_assert_str_eq(sim_client_take(&s, 1), "");
    cr_assert(s.clients[0].is_over && s.clients[1].is_over);
    cr_assert_str_eq(sim_client_ask(&s, 2, "MGET a b"), "*2\r\n$1\r\n1\r\n$-1\r\n");
    cr_assert_str_eq(sim_client_ask(&s, 2, "DBSIZE"), ":1\r\n");
    sim_server_close(&s);
    io_sim_set_fault(sim, NULL);
    sim_server_open(&s, sim, NULL);
    cr_assert_str_eq(sim_client_ask(&s, 0, "MGET a b"), "*2\r\n$1\r\n2\r\n$1\r\n2\r\n");
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* ---- A full disk --------------------------------------------------------------------------- */

enum { CAPACITY = 24 << 20, VALUE = 8000 };

/* Writes key:0 ... until the disk is full. Returns how many were acknowledged. */
static int fill_disk(struct sim_server *s, char first)
{
    static char line[VALUE + 64];
    int acknowledged = 0;

    for (int i = 0; i < CAPACITY / VALUE * 2; i++) {
        int n = snprintf(line, sizeof line, "SET key:%d ", i);
        memset(line + n, first, VALUE);
        line[n + VALUE] = '\0';
        sim_client_say(s, 0, line);
        const char *reply = "";
        for (int turn = 0; reply[0] == '\0' && turn < 200; turn++) {
            sim_server_turn(s, 1000 * 1000);
            sim_server_work(s);
            reply = sim_client_take(s, 0);
        }
        if (strcmp(reply, "+OK\r\n") != 0) {
            cr_assert(reply[0] == '\0' || strcmp(reply, MISCONF_FULL) == 0, "'%s'", reply);
            return acknowledged;
        }
        acknowledged++;
    }
    cr_assert_fail("the disk was not filled");
    return 0;
}

static void check_values(struct sim_server *s, int count, char first)
{
    char line[64];

    for (int i = 0; i < count; i++) {
        (void)snprintf(line, sizeof line, "GETRANGE key:%d -2 -1", i);
        const char *reply = sim_client_ask(s, 1, line);
        cr_assert(reply[4] == first && reply[5] == first, "%d of %d: %s", i, count, reply);
    }
}

Test(server_failure, a_full_disk_refuses_writes_until_there_is_space)
{
    struct io_sim *sim =
        io_sim_create(&(struct io_sim_options) { .capacity_bytes = CAPACITY }, NULL);
    struct sim_server s;

    sim_server_open(&s, sim, NULL);
    int count = fill_disk(&s, 'a');
    cr_assert_gt(count, 100, "%d", count);
    cr_assert_str_eq(sim_client_ask(&s, 2, "SET other 1"), MISCONF_FULL);
    cr_assert_str_eq(sim_client_ask(&s, 2, "MULTI\r\nSET other 1\r\nEXEC"),
                     "+OK\r\n+QUEUED\r\n-EXECABORT Transaction discarded because of: MISCONF the "
                     "disk is full: writes are refused until there is space\r\n");
    cr_assert_str_eq(sim_client_ask(&s, 2, "GET other"), "$-1\r\n");
    cr_assert_eq(strncmp(sim_client_ask(&s, 2, "SCAN 0 COUNT 3"), "*2\r\n", 4), 0);
    check_values(&s, count, 'a');
    cr_assert(info_says(&s, "store_state:full\r\n"));
    cr_assert(info_says(&s, "aof_last_write_status:err\r\n"));

    cr_assert_eq(sim_client_ask(&s, 3, "FLUSHALL")[0], '+');
    for (int i = 0; i < 300; i++) {
        sim_server_turn(&s, 10 * 1000 * 1000);
        sim_server_work(&s);
    }
    sim_client_leave(&s, 0);
    cr_assert_str_eq(sim_client_ask(&s, 2, "SET other 1"), "+OK\r\n");
    cr_assert(info_says(&s, "store_state:healthy\r\n"));
    cr_assert(info_says(&s, "aof_last_write_status:ok\r\n"));
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* Others fill the disk; the operator makes room, while the server runs or while it does not. */
Test(server_failure, space_that_comes_back_is_used)
{
    struct io_sim *sim =
        io_sim_create(&(struct io_sim_options) { .capacity_bytes = CAPACITY }, NULL);
    struct sim_server s;
    struct io_file *ballast;

    MUST(io_open(io_sim_io(sim), "/ballast", IO_WRITE | IO_CREATE, &ballast));
    MUST(io_allocate(ballast, 0, CAPACITY / 2));
    io_close(ballast);
    sim_server_open(&s, sim, NULL);
    int count = fill_disk(&s, 'a');
    sim_server_close(&s);
    sim_server_open(&s, sim, NULL);
    check_values(&s, count, 'a');
    cr_assert(fill_disk(&s, 'b') < count);
    cr_assert(io_sim_remove(sim, "/ballast"));
    for (int i = 0; i < 300; i++) {
        sim_server_turn(&s, 10 * 1000 * 1000);
        sim_server_work(&s);
    }
    (void)sim_client_take(&s, 0);
    int more = fill_disk(&s, 'c');
    cr_assert_gt(more, 100, "%d", more);
    sim_server_close(&s);
    sim_server_open(&s, sim, NULL);
    check_values(&s, more, 'c');
    sim_server_close(&s);
    io_sim_destroy(sim);
}
