/* The removal of keys whose time is over, and the rows that tell of it. */
#include "support/gateway.h"

#include <criterion/criterion.h>

#include "resp/keys.h"

static void expire(struct gateway *g, const char *key, size_t max, size_t expected_removed,
                   uint64_t expected_next_ms)
{
    size_t removed;
    uint64_t next_ms;
    struct status s;

    do {
        map_store_begin(&g->store);
        s = resp_expire_slot(g->resp, &g->store.store, resp_key_slot(bytes_str(key)), max, &removed,
                             &next_ms);
        if (succeeded(s))
            map_store_keep(&g->store);
        else
            map_store_drop(&g->store);
        resp_settle(g->resp, succeeded(s), 0);
    } while (s.code == ST_AGAIN);
    map_store_forget(&g->store);
    cr_assert(succeeded(s));
    cr_assert_eq(removed, expected_removed);
    cr_assert_eq(next_ms, expected_next_ms);
}

Test(resp_expire, removes_what_is_due_and_tells_what_is_next)
{
    for (int is_cold = 0; is_cold < 2; is_cold++) {
        struct gateway g;
        gateway_open(&g);
        uint64_t start = g.store.now_ms;
        (void)gateway_ask(&g, 0, "SET {t}a 1 PX 10");
        cr_assert_eq(g.store.hinted_slot, resp_key_slot(bytes_str("t")));
        cr_assert_eq(g.store.hinted_ms, start + 10);
        (void)gateway_ask(&g, 0, "SET {t}b 1 PX 20");
        (void)gateway_ask(&g, 0, "SETRANGE {t}b 100000 x");
        (void)gateway_ask(&g, 0, "SET {t}c 1 PX 30");
        (void)gateway_ask(&g, 0, "SET {t}d 1");
        g.store.is_cold = is_cold;
        expire(&g, "t", 100, 0, start + 10);
        g.store.now_ms = start + 20;
        cr_assert_str_eq(gateway_ask(&g, 0, "EXISTS {t}a {t}b {t}c {t}d"), ":2\r\n");
        cr_assert_str_eq(gateway_ask(&g, 0, "DBSIZE"), ":4\r\n");
        expire(&g, "t", 1, 1, start + 20);
        expire(&g, "t", 100, 1, start + 30);
        cr_assert_str_eq(gateway_ask(&g, 0, "DBSIZE"), ":2\r\n");
        g.store.now_ms = start + 100;
        expire(&g, "t", 100, 1, 0);
        cr_assert_eq(resp_stats(g.resp)->expired_keys, 3);
        cr_assert_str_eq(gateway_ask(&g, 0, "DBSIZE"), ":1\r\n");
        cr_assert_eq(map_store_count(&g.store), 1);
        gateway_close(&g);
    }
}

/* However a key's expiry changes, there is one expiry row for it, with that time. */
Test(resp_expire, expiry_rows_follow_the_keys)
{
    static const struct {
        const char *line;
        size_t rows; /* Of the key: meta and expiry. */
    } steps[] = {
        { "SET k v", 1 },
        { "EXPIRE k 100", 2 },
        { "EXPIRE k 200", 2 },
        { "EXPIRE k 200", 2 },
        { "APPEND k x", 2 },
        { "SETRANGE k 0 y", 2 },
        { "PERSIST k", 1 },
        { "GETEX k EX 50", 2 },
        { "GETEX k PERSIST", 1 },
        { "SET k v PX 9000", 2 },
        { "SET k w KEEPTTL", 2 },
        { "SET k w", 1 },
        { "SETEX k 10 v", 2 },
        { "GETSET k v", 1 },
        { "PEXPIREAT k 9999999999999", 2 },
        { "EXPIRE k -1", 0 },
        { "SET k 1 EX 5", 2 },
        { "INCR k", 2 },
        { "INCRBYFLOAT k 0.5", 2 },
        { "GETDEL k", 0 },
        { "MSET k v", 1 },
        { "PEXPIRE k 10", 2 },
        { "MSET k v", 1 },
        { "EXPIRE k 10", 2 },
        { "DEL k", 0 },
        { "SETEX k 5 x", 2 },
        { "GETEX k PXAT 1", 0 },
    };
    struct gateway g;

    gateway_open(&g);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        cr_assert_neq(gateway_ask(&g, 0, steps[i].line)[0], '-', "%s", steps[i].line);
        cr_assert_eq(map_store_count(&g.store), steps[i].rows, "%s: %zu rows", steps[i].line,
                     map_store_count(&g.store));
        if (steps[i].rows < 2)
            continue;
        struct resp_row_key meta;
        struct resp_row_key expiry;
        struct status s = resp_row_key_decode(map_store_at(&g.store, 0)->key, &meta);
        cr_assert(succeeded(s) && meta.kind == RESP_KEY_META);
        s = resp_row_key_decode(map_store_at(&g.store, 1)->key, &expiry);
        cr_assert(succeeded(s) && expiry.kind == RESP_KEY_EXPIRY);
        cr_assert_eq(expiry.expire_ms, map_store_at(&g.store, 0)->expire_ms);
        cr_assert_eq(expiry.place.hash, meta.place.hash);
        cr_assert(bytes_equal(expiry.place.key, bytes_str("k")));
        uint64_t keys;
        uint64_t expires;
        g.store.store.ops->counts(&g.store.store, 1, &keys, &expires);
        cr_assert_eq(keys, 1);
        cr_assert_eq(expires, 1);
    }
    gateway_close(&g);
}

/* A dead key is absent for every command, before anybody has removed it. */
Test(resp_expire, a_dead_key_is_absent)
{
    static const struct {
        const char *line;
        const char *reply;
    } rows[] = {
        { "GET k", "$-1\r\n" },
        { "EXISTS k", ":0\r\n" },
        { "TYPE k", "+none\r\n" },
        { "TTL k", ":-2\r\n" },
        { "PEXPIRETIME k", ":-2\r\n" },
        { "STRLEN k", ":0\r\n" },
        { "GETRANGE k 0 -1", "$0\r\n\r\n" },
        { "PERSIST k", ":0\r\n" },
        { "EXPIRE k 100", ":0\r\n" },
        { "DEL k", ":0\r\n" },
        { "GETDEL k", "$-1\r\n" },
        { "GETEX k PERSIST", "$-1\r\n" },
        { "SET k w XX", "$-1\r\n" },
        { "SET k w GET", "$-1\r\n" },
        { "SETNX k w", ":1\r\n" },
        { "MSETNX k w", ":1\r\n" },
        { "APPEND k w", ":1\r\n" },
        { "INCR k", ":1\r\n" },
        { "SETRANGE k 1 w", ":2\r\n" },
        { "SET k w KEEPTTL", "+OK\r\n" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gateway g;
        gateway_open(&g);
        (void)gateway_ask(&g, 0, "SET k 77 PX 10");
        g.store.now_ms += 10;
        cr_assert_str_eq(gateway_ask(&g, 0, rows[i].line), rows[i].reply, "%s", rows[i].line);
        const char *ttl = gateway_ask(&g, 0, "TTL k");
        cr_assert(ttl[1] == '-', "%s: kept the dead key's expiry", rows[i].line);
        gateway_close(&g);
    }
}

/* After FLUSHDB the old rows wait for the purge; their expiry rows go and take nothing with them,
 * and a key of the same name lives on. */
Test(resp_expire, rows_of_a_flushed_database_are_left_to_the_purge)
{
    struct gateway g;

    gateway_open(&g);
    uint64_t start = g.store.now_ms;
    (void)gateway_ask(&g, 0, "SET {t}a 1 PX 10");
    (void)gateway_ask(&g, 0, "FLUSHDB");
    (void)gateway_ask(&g, 0, "SET {t}a 2 PX 500");
    g.store.now_ms = start + 100;
    expire(&g, "t", 10, 0, start + 500);
    cr_assert_str_eq(gateway_ask(&g, 0, "GET {t}a"), "$1\r\n2\r\n");
    cr_assert_eq(map_store_count(&g.store), 3, "the old meta row is left");
    gateway_close(&g);
}
