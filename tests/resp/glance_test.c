/* What is seen at a glance is what the parser will find; everything else is not understood. */
#include "resp/keys.h"

#include "support/gateway.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

static size_t glance(struct gateway *g, struct bytes data, uint8_t *room, struct bytes *row_key)
{
    /* In memory of its own size, so that a look beyond it is seen. */
    uint8_t *copy = malloc(data.size + 1);
    memcpy(copy, data.data, data.size);
    size_t size = resp_session_glance(g->clients[0], &g->store.store, bytes_of(copy, data.size),
                                      room, row_key);
    free(copy);
    return size;
}

Test(resp_glance, a_whole_plain_request_shows_its_row)
{
    static const char set[] = "*3\r\n$3\r\nSET\r\n$5\r\nk{t}1\r\n$2\r\nvv\r\n*1\r\n";
    enum { SIZE = sizeof set - 1 - 4 };
    struct gateway g;
    uint8_t room[RESP_GLANCE_MAX];
    uint8_t expected[RESP_META_PREFIX + 5];
    struct bytes row;

    gateway_open(&g);
    cr_assert_str_eq(gateway_ask(&g, 0, "PING"), "+PONG\r\n");
    struct store *s = &g.store.store;
    struct resp_place place =
        resp_place_of(bytes_str("k{t}1"), s->ops->database_id(s, 0), s->ops->hash_seed(s));
    size_t size = resp_place_meta(&place, expected);
    for (size_t n = 0; n < sizeof set; n++) {
        size_t seen = glance(&g, bytes_of(set, n), room, &row);
        cr_assert_eq(seen, n < SIZE ? 0u : (size_t)SIZE, "of %zu bytes", n);
        cr_assert(n < SIZE ? row.size == 0 : bytes_equal(row, bytes_of(expected, size)));
    }
    gateway_close(&g);
}

Test(resp_glance, what_is_not_plain_is_not_understood)
{
    static const char *const others[] = {
        "PING\r\n",
        "*1\r\n$4\r\nPING\r\n",
        "*-1\r\n",
        "*0\r\n",
        "*2\r\n$3\r\nGET\r\n$-1\r\n",
        "*2\r\n$3\r\nGET\r\n$99999999999999999999\r\nk\r\n",
        "*9\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na"
        "\r\n$1\r\na\r\n",
        "*2\r\n:3\r\nGET\r\n$1\r\nk\r\n",
    };
    struct gateway g;
    uint8_t room[RESP_GLANCE_MAX];
    struct bytes row;

    gateway_open(&g);
    cr_assert_str_eq(gateway_ask(&g, 0, "PING"), "+PONG\r\n");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        cr_assert_eq(glance(&g, bytes_str(others[i]), room, &row), 0, "%s", others[i]);
        cr_assert_eq(row.size, 0);
    }
    gateway_close(&g);
}

Test(resp_glance, what_only_reads_is_known)
{
    static const struct {
        const char *request;
        bool reads;
    } cases[] = {
        { "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", true },
        { "*2\r\n$6\r\nstrlen\r\n$1\r\nk\r\n", true },
        { "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n", false },
        { "*2\r\n$3\r\nNEV\r\n$1\r\nk\r\n", false },
        { "*2\r\n$9\r\nGET", false },
        { "GET k\r\n", false },
        { "", false },
    };
    struct gateway g;

    gateway_open(&g);
    cr_assert_str_eq(gateway_ask(&g, 0, "PING"), "+PONG\r\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_assert_eq(resp_session_glance_reads(g.clients[0], bytes_str(cases[i].request)),
                     cases[i].reads, "%s", cases[i].request);
    gateway_close(&g);
}
