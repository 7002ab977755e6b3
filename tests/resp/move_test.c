/* What it costs to give a key another place, and that nothing of it stays behind. */
#include "support/gateway.h"

#include "base/hash.h"

#include "resp/keys.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

enum { LONG_BYTES = 10 * RESP_CHUNK_BYTES + 77 };

static void set_long(struct gateway *g, const char *key, size_t size)
{
    uint8_t *content = malloc(size);

    for (size_t i = 0; i < size; i++)
        content[i] = (uint8_t)hash_u64(i + size);
    struct bytes argv[] = { bytes_str("SET"), bytes_str(key), bytes_of(content, size) };
    cr_assert(bytes_equal(gateway_command(g, 0, argv, 3), bytes_str("+OK\r\n")));
    free(content);
}

static void expect_long(struct gateway *g, const char *key, size_t size)
{
    struct bytes argv[] = { bytes_str("GET"), bytes_str(key) };
    struct bytes reply = gateway_command(g, 0, argv, 2);
    const uint8_t *content = memchr(reply.data, '\n', reply.size);

    cr_assert_not_null(content);
    content++;
    cr_assert_eq(reply.size - (size_t)(content - reply.data), size + 2, "%s", key);
    for (size_t i = 0; i < size; i++)
        cr_assert_eq(content[i], (uint8_t)hash_u64(i + size));
}

static void expect(struct gateway *g, const char *line, const char *answer)
{
    const char *said = gateway_ask(g, 0, line);
    cr_assert_str_eq(said, answer, "%s: %s", line, said);
}

/* Within a slot a long string is renamed by two rows, whatever it replaces. */
Test(resp_move, a_rename_within_a_slot_leaves_the_chunks_where_they_are)
{
    struct gateway g;

    gateway_open(&g);
    set_long(&g, "{s}a", LONG_BYTES);
    set_long(&g, "{s}b", 2 * LONG_BYTES);
    expect(&g, "PEXPIREAT {s}a 9999999999999", ":1\r\n");
    size_t puts = g.store.puts;
    size_t put_bytes = g.store.put_bytes;
    expect(&g, "RENAME {s}a {s}b", "+OK\r\n");
    cr_assert_eq(g.store.puts - puts, 2, "the meta row and the expiry row");
    cr_assert_lt(g.store.put_bytes - put_bytes, 100);
    expect_long(&g, "{s}b", LONG_BYTES);
    expect(&g, "PEXPIRETIME {s}b", ":9999999999999\r\n");
    expect(&g, "EXISTS {s}a", ":0\r\n");
    expect(&g, "APPEND {s}b x", ":163918\r\n");
    expect(&g, "DEL {s}b", ":1\r\n");
    cr_assert_eq(map_store_count(&g.store), 0);
    gateway_close(&g);
}

/* Elsewhere its chunks are written anew, and those it had are gone. */
Test(resp_move, a_long_string_that_leaves_its_slot_or_database_takes_its_chunks_along)
{
    static const char *const LINES[] = { "RENAME a b", "RENAMENX b c", "MOVE c 1" };
    struct gateway g;

    gateway_open(&g);
    set_long(&g, "a", LONG_BYTES);
    expect(&g, "PEXPIREAT a 9999999999999", ":1\r\n");
    size_t rows = map_store_count(&g.store);
    for (size_t i = 0; i < 3; i++) {
        expect(&g, LINES[i], i == 0 ? "+OK\r\n" : ":1\r\n");
        cr_assert_eq(map_store_count(&g.store), rows);
    }
    expect(&g, "SELECT 1", "+OK\r\n");
    expect_long(&g, "c", LONG_BYTES);
    expect(&g, "PEXPIRETIME c", ":9999999999999\r\n");
    expect(&g, "SWAPDB 0 1", "+OK\r\n");
    expect(&g, "DBSIZE", ":0\r\n");
    expect(&g, "SELECT 0", "+OK\r\n");
    expect_long(&g, "c", LONG_BYTES);
    gateway_close(&g);
}

/* All three after the other is changed and removed. */
Test(resp_move, a_copy_shares_nothing)
{
    static const char *const COPIES[] = { "{a}1", "b", "a" };
    struct gateway g;

    gateway_open(&g);
    set_long(&g, "a", LONG_BYTES);
    expect(&g, "COPY a {a}1", ":1\r\n");
    expect(&g, "COPY a b", ":1\r\n");
    expect(&g, "COPY a a DB 1", ":1\r\n");
    expect(&g, "SETRANGE a 20000 changed", ":163917\r\n");
    expect(&g, "DEL a", ":1\r\n");
    for (size_t i = 0; i < 3; i++) {
        if (i == 2)
            expect(&g, "SELECT 1", "+OK\r\n");
        expect_long(&g, COPIES[i], LONG_BYTES);
    }
    gateway_close(&g);
}

/* What is missing of a string with holes is not written by a copy either. */
Test(resp_move, holes_stay_holes)
{
    struct gateway g;

    gateway_open(&g);
    expect(&g, "SETRANGE a 100000000 x", ":100000001\r\n");
    expect(&g, "COPY a b", ":1\r\n");
    expect(&g, "RENAME b c", "+OK\r\n");
    expect(&g, "STRLEN c", ":100000001\r\n");
    expect(&g, "GETRANGE c 100000000 -1", "$1\r\nx\r\n");
    cr_assert_eq(map_store_count(&g.store), 4, "two meta rows, two chunks");
    gateway_close(&g);
}

Test(resp_move, an_idle_time_begins_with_the_last_use)
{
    struct gateway g;

    gateway_open(&g);
    expect(&g, "SET a 1", "+OK\r\n");
    g.store.now_ms += 5999;
    expect(&g, "OBJECT IDLETIME a", ":5\r\n");
    expect(&g, "EXISTS a", ":1\r\n");
    expect(&g, "TYPE a", "+string\r\n");
    expect(&g, "TTL a", ":-1\r\n");
    expect(&g, "CLIENT NO-TOUCH ON", "+OK\r\n");
    expect(&g, "GET a", "$1\r\n1\r\n");
    expect(&g, "OBJECT IDLETIME a", ":5\r\n");
    expect(&g, "CLIENT NO-TOUCH OFF", "+OK\r\n");
    expect(&g, "GET a", "$1\r\n1\r\n");
    expect(&g, "OBJECT IDLETIME a", ":0\r\n");
    g.store.now_ms += 2000;
    expect(&g, "TOUCH a b", ":1\r\n");
    expect(&g, "OBJECT IDLETIME a", ":0\r\n");
    g.store.now_ms += 2000;
    expect(&g, "OBJECT IDLETIME a", ":2\r\n");
    expect(&g, "APPEND a 1", ":2\r\n");
    expect(&g, "OBJECT IDLETIME a", ":0\r\n");
    g.store.now_ms -= 3000;
    expect(&g, "OBJECT IDLETIME a", ":0\r\n");
    gateway_close(&g);
}

#define TEN "\\x00\\xc0\\n\\t\\x00\\xbem\\x06\\x89Z(\\x00\\n"

Test(resp_move, a_key_is_restored_with_its_idle_time)
{
    struct gateway g;

    gateway_open(&g);
    g.store.now_ms += 100000;
    expect(&g, "RESTORE a 0 \"" TEN "\" IDLETIME 10", "+OK\r\n");
    expect(&g, "OBJECT IDLETIME a", ":10\r\n");
    g.store.now_ms += 3000;
    expect(&g, "OBJECT IDLETIME a", ":13\r\n");
    expect(&g, "SET a 1", "+OK\r\n");
    expect(&g, "OBJECT IDLETIME a", ":0\r\n");
    g.store.now_ms += 2000;
    expect(&g, "OBJECT IDLETIME a", ":2\r\n");
    expect(&g, "RESTORE a 0 \"" TEN "\" REPLACE IDLETIME 9223372036854775807", "+OK\r\n");
    expect(&g, "GET a", "$2\r\n10\r\n");
    expect(&g, "OBJECT IDLETIME a", ":0\r\n");
    gateway_close(&g);
}

/* The sum over its rows in the store. */
Test(resp_move, memory_usage_is_that_of_the_rows)
{
    static const char *const KEYS[] = { "a", "b", "c" };
    struct gateway g;
    size_t told = 0;
    size_t there = 0;

    gateway_open(&g);
    expect(&g, "SET a 12345", "+OK\r\n");
    expect(&g, "SET b 12345 PXAT 9999999999999", "+OK\r\n");
    set_long(&g, "c", LONG_BYTES);
    for (size_t i = 0; i < 3; i++) {
        char line[32];
        (void)snprintf(line, sizeof line, "MEMORY USAGE %s", KEYS[i]);
        told += strtoul(gateway_ask(&g, 0, line) + 1, NULL, 10);
    }
    for (size_t i = 0; i < map_store_count(&g.store); i++) {
        const struct map_row *row = map_store_at(&g.store, i);
        there += row->key.size + row->value.size;
    }
    cr_assert_eq(told, there, "%zu, %zu", told, there);
    gateway_close(&g);
}

Test(resp_move, waitaof_knows_how_durable_the_store_is)
{
    struct gateway g;

    gateway_open(&g);
    expect(&g, "WAITAOF 1 0 0", "*2\r\n:1\r\n:0\r\n");
    expect(&g, "WAITAOF 0 3 100", "*2\r\n:1\r\n:0\r\n");
    expect(&g, "WAITAOF 2 0 0", "-ERR value is out of range, value must between 0 and 1\r\n");
    expect(&g, "WAITAOF 1 -1 0", "-ERR value is out of range, must be positive\r\n");
    expect(&g, "WAITAOF 1 0 -1", "-ERR timeout is negative\r\n");
    expect(&g, "WAITAOF x 0 0", "-ERR value is not an integer or out of range\r\n");
    g.store.is_relaxed = true;
    expect(&g, "WAITAOF 0 0 0", "*2\r\n:0\r\n:0\r\n");
    expect(&g, "WAITAOF 1 0 0",
           "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.\r\n");
    gateway_close(&g);
}

/* A write that fails at any place of the command leaves everything where it was. */
Test(resp_move, a_failed_write_moves_nothing)
{
    static const char *const LINES[] = { "RENAME {s}a {s}b", "RENAME {s}a c", "COPY {s}a c",
                                         "MOVE {s}a 1",      "SWAPDB 0 1",    "RENAME d e" };

    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++) {
        struct gateway g;
        size_t failed_at = 1;

        gateway_open(&g);
        set_long(&g, "{s}a", LONG_BYTES);
        expect(&g, "SET {s}b 1 PXAT 9999999999999", "+OK\r\n");
        expect(&g, "SET d 1 PXAT 9999999999999", "+OK\r\n");
        for (;; failed_at++) {
            size_t rows = map_store_count(&g.store);
            g.store.fail_at = failed_at;
            g.store.fail_with = ST_LIMIT;
            const char *said = gateway_ask(&g, 0, LINES[i]);
            if (g.store.fail_at > 0 || said[0] != '-')
                break;
            cr_assert_eq(map_store_count(&g.store), rows);
            expect(&g, "EXISTS {s}a {s}b d", ":3\r\n");
            expect(&g, "DBSIZE", ":3\r\n");
            expect_long(&g, "{s}a", LONG_BYTES);
        }
        cr_assert_gt(failed_at, i == 4 ? 1 : 3, "%s", LINES[i]);
        g.store.fail_at = 0;
        gateway_close(&g);
    }
}
