/* Strings of every length against a plain array of bytes. */
#include "support/gateway.h"

#include <criterion/criterion.h>

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>

enum { MODEL_MAX = 200 << 10 };

/* What the string should be. */
struct model {
    uint8_t bytes[MODEL_MAX];
    size_t size;
    bool exists;
};

static struct bytes words(struct gateway *g, const char *name, struct bytes a, struct bytes b,
                          size_t argc)
{
    struct bytes argv[4] = { bytes_str(name), bytes_str("key"), a, b };
    return gateway_command(g, 0, argv, argc);
}

/* The content of a bulk string reply. */
static struct bytes content(struct bytes reply)
{
    const uint8_t *end = memchr(reply.data, '\n', reply.size);
    cr_assert(end != NULL && reply.data[0] == '$');
    size_t header = (size_t)(end - reply.data) + 1;
    cr_assert_geq(reply.size, header + 2);
    return bytes_of(reply.data + header, reply.size - header - 2);
}

static void expect_content(struct gateway *g, const struct model *m)
{
    struct bytes reply = words(g, "GET", bytes_of("", 0), bytes_of("", 0), 2);
    if (!m->exists) {
        cr_assert(bytes_equal(reply, bytes_str("$-1\r\n")));
        return;
    }
    cr_assert(bytes_equal(content(reply), bytes_of(m->bytes, m->size)), "%zu bytes", m->size);
}

/* A length near one of the places where something changes. */
static size_t some_length(uint64_t r)
{
    static const size_t edges[] = { 0, 1, 2048, 16384, 32768, 65536, 81920, 131072 };
    size_t edge = edges[r % 8];
    size_t off = (r >> 8) % 5;
    return edge + off < 2 ? 0 : edge + off - 2;
}

static void fill(uint8_t *to, size_t size, uint64_t r)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(r + i + (i >> 8));
}

static void step(struct gateway *g, struct model *m, uint64_t r)
{
    static uint8_t bytes[MODEL_MAX];
    char number[32];
    char number2[32];
    size_t size = some_length(r >> 8);
    size_t offset = some_length(r >> 24);

    fill(bytes, size, r);
    switch (r % 6) {
    case 0:
        (void)words(g, "SET", bytes_of(bytes, size), bytes_of("", 0), 3);
        memcpy(m->bytes, bytes, size);
        m->size = size;
        m->exists = true;
        break;
    case 1:
        if (m->size + size > MODEL_MAX)
            break;
        (void)words(g, "APPEND", bytes_of(bytes, size), bytes_of("", 0), 3);
        memcpy(m->bytes + m->size, bytes, size);
        m->size += size;
        m->exists = true;
        break;
    case 2:
    case 3:
        if (size > 20000)
            size %= 20000;
        (void)snprintf(number, sizeof number, "%zu", offset);
        (void)words(g, "SETRANGE", bytes_str(number), bytes_of(bytes, size), 4);
        if (size == 0)
            break;
        if (offset > m->size)
            memset(m->bytes + m->size, 0, offset - m->size);
        memcpy(m->bytes + offset, bytes, size);
        m->size = offset + size > m->size ? offset + size : m->size;
        m->exists = true;
        break;
    case 4:
        if (r >> 40 & 1) {
            (void)words(g, "DEL", bytes_of("", 0), bytes_of("", 0), 2);
            m->size = 0;
            m->exists = false;
            cr_assert_eq(map_store_count(&g->store), 0, "a row is left over");
        } else {
            (void)words(g, "PEXPIRE", bytes_str("1000000"), bytes_of("", 0), 3);
        }
        break;
    default:
        (void)snprintf(number, sizeof number, "%zu", offset);
        (void)snprintf(number2, sizeof number2, "%zu", offset + size);
        struct bytes part = content(words(g, "GETRANGE", bytes_str(number), bytes_str(number2), 4));
        size_t there = offset < m->size ? m->size - offset : 0;
        there = there < size + 1 ? there : size + 1;
        cr_assert(bytes_equal(part, bytes_of(m->bytes + offset, there)));
        break;
    }
    expect_content(g, m);
}

static void run_model(bool is_cold, size_t steps, uint64_t seed)
{
    struct gateway g;
    struct model *m = calloc(1, sizeof *m);

    gateway_open(&g);
    g.store.is_cold = is_cold;
    for (size_t i = 0; i < steps; i++)
        step(&g, m, hash_u64(seed + i));
    gateway_close(&g);
    free(m);
}

/* Seeds are fixed: the same strings every time. */
Test(resp_string, of_every_length_is_what_was_written, .timeout = 60)
{
    run_model(false, 3000, 1);
}

Test(resp_string, of_every_length_is_what_was_written_when_rows_are_far, .timeout = 60)
{
    run_model(true, 800, 99);
}

static void set_long(struct gateway *g, size_t size)
{
    uint8_t *bytes = malloc(size);
    fill(bytes, size, 5);
    (void)words(g, "SET", bytes_of(bytes, size), bytes_of("", 0), 3);
    free(bytes);
}

/* On a long string a small change costs a chunk, not the string: written bytes are counted. */
Test(resp_string, a_small_change_of_a_long_string_costs_a_chunk)
{
    struct gateway g;

    gateway_open(&g);
    set_long(&g, 8 << 20);
    g.store.put_bytes = 0;
    cr_assert_str_eq(gateway_ask(&g, 0, "APPEND key x"), ":8388609\r\n");
    cr_assert_leq(g.store.put_bytes, 256);
    g.store.put_bytes = 0;
    cr_assert_str_eq(gateway_ask(&g, 0, "APPEND key y"), ":8388610\r\n");
    cr_assert_leq(g.store.put_bytes, 256);
    g.store.put_bytes = 0;
    cr_assert_str_eq(gateway_ask(&g, 0, "SETRANGE key 5000000 abc"), ":8388610\r\n");
    cr_assert_leq(g.store.put_bytes, (16 << 10) + 256);
    g.store.put_bytes = 0;
    g.store.gets = 0;
    cr_assert(bytes_equal(words(&g, "GETRANGE", bytes_str("4999999"), bytes_str("5000003"), 4),
                          bytes_str("$5\r\n\x8f"
                                    "abc\x93\r\n")));
    cr_assert_eq(g.store.put_bytes, 0);
    cr_assert_eq(g.store.gets, 2);
    g.store.put_bytes = 0;
    cr_assert_str_eq(gateway_ask(&g, 0, "EXPIRE key 100"), ":1\r\n");
    cr_assert_leq(g.store.put_bytes, 256);
    cr_assert_str_eq(gateway_ask(&g, 0, "STRLEN key"), ":8388610\r\n");
    cr_assert_str_eq(gateway_ask(&g, 0, "DEL key"), ":1\r\n");
    cr_assert_eq(map_store_count(&g.store), 0);
    gateway_close(&g);
}

/* The gap of a far SETRANGE is not stored. */
Test(resp_string, holes_are_zeros_and_cost_nothing)
{
    struct gateway g;

    gateway_open(&g);
    cr_assert_str_eq(gateway_ask(&g, 0, "SET key start"), "+OK\r\n");
    g.store.put_bytes = 0;
    cr_assert_str_eq(gateway_ask(&g, 0, "SETRANGE key 500000000 end"), ":500000003\r\n");
    cr_assert_leq(g.store.put_bytes, 20000);
    cr_assert_str_eq(gateway_ask(&g, 0, "GETRANGE key 0 4"), "$5\r\nstart\r\n");
    struct bytes zeros =
        content(words(&g, "GETRANGE", bytes_str("100000000"), bytes_str("100099999"), 4));
    cr_assert_eq(zeros.size, 100000);
    for (size_t i = 0; i < zeros.size; i++)
        cr_assert_eq(zeros.data[i], 0);
    cr_assert(bytes_equal(words(&g, "GETRANGE", bytes_str("-4"), bytes_str("-1"), 4),
                          bytes_of("$4\r\n\0end\r\n", 10)));
    gateway_close(&g);
}

/* An object whose key has expired is taken away by the next write, whatever that is. */
Test(resp_string, a_dead_object_leaves_no_chunks)
{
    static const char *const writes[] = { "SET key short", "APPEND key x", "SETRANGE key 70000 x",
                                          "INCR key",      "DEL key",      "GETSET key x" };

    for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++) {
        for (size_t size = 70000; size < 3 << 20; size += 1 << 20) {
            struct gateway g;
            gateway_open(&g);
            set_long(&g, size);
            cr_assert_str_eq(gateway_ask(&g, 0, "PEXPIRE key 10"), ":1\r\n");
            g.store.now_ms += 11;
            cr_assert_str_eq(gateway_ask(&g, 0, "GET key"), "$-1\r\n");
            (void)gateway_ask(&g, 0, writes[i]);
            (void)gateway_ask(&g, 0, "DEL key");
            cr_assert_eq(map_store_count(&g.store), 0, "%s", writes[i]);
            cr_assert_str_eq(gateway_ask(&g, 0, "DBSIZE"), ":0\r\n");
            gateway_close(&g);
        }
    }
}

Test(resp_string, a_long_string_is_no_number)
{
    struct gateway g;

    gateway_open(&g);
    set_long(&g, 70000);
    cr_assert_str_eq(gateway_ask(&g, 0, "INCR key"),
                     "-ERR value is not an integer or out of range\r\n");
    cr_assert_str_eq(gateway_ask(&g, 0, "INCRBYFLOAT key 1"),
                     "-ERR value is not a valid float\r\n");
    cr_assert_str_eq(gateway_ask(&g, 0, "TYPE key"), "+string\r\n");
    gateway_close(&g);
}

/* All rows of a request are asked for before it waits for the first. */
Test(resp_string, reads_of_one_command_are_started_together)
{
    struct gateway g;

    gateway_open(&g);
    cr_assert_str_eq(gateway_ask(&g, 0, "MSET a 1 b 2 c 3 d 4 e 5"), "+OK\r\n");
    set_long(&g, 1 << 20);
    g.store.is_cold = true;
    g.runs = 0;
    cr_assert_str_eq(gateway_ask(&g, 0, "MGET a b c d e"),
                     "*5\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n");
    cr_assert_eq(g.runs, 2);
    g.runs = 0;
    (void)gateway_ask(&g, 0, "GET key");
    cr_assert_eq(g.runs, 3, "one wait for the key, one for all of its chunks");
    g.runs = 0;
    (void)gateway_ask(&g, 0, "MULTI\r\nGET a\r\nGET b\r\nINCR c\r\nMGET d e\r\nEXEC");
    cr_assert_eq(g.runs, 7, "EXEC waits once");
    gateway_close(&g);
}

/* However many keys there are: a command runs again for thousands of them, not for a few. */
Test(resp_string, reads_of_a_thousand_keys_are_started_together)
{
    enum { KEYS = 1000 };
    struct gateway g;
    struct buf line;

    gateway_open(&g);
    buf_init(&line, alloc_heap(), 1 << 20);
    buf_append_format(&line, "EXISTS");
    for (int i = 0; i < KEYS; i++)
        buf_append_format(&line, " key%d", i);
    buf_append_u8(&line, '\0');
    g.store.is_cold = true;
    cr_assert_str_eq(gateway_ask(&g, 0, (const char *)line.data), ":0\r\n");
    cr_assert_eq(g.runs, 2);
    buf_deinit(&line);
    gateway_close(&g);
}
