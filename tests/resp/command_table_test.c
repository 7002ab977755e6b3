/* The command table says what it should, and COMMAND says what the table says. */
#include "support/gateway.h"
#include "support/reply_reader.h"

#include <criterion/criterion.h>

#include "resp/command.h"

#include <ctype.h>

static void check_command(const struct resp_command *c, const struct resp_command *container)
{
    for (const char *p = c->name; *p != '\0'; p++)
        cr_assert(islower((unsigned char)*p) || strchr("|-_", *p) != NULL, "%s", c->name);
    cr_assert_eq(strchr(c->name, '|') != NULL, container != NULL, "%s", c->name);
    if (container != NULL)
        cr_assert(bytes_has_prefix(bytes_str(c->name), bytes_str(container->name)));
    cr_assert_neq(c->arity, 0, "%s", c->name);
    cr_assert(c->run != NULL || c->subcommands != NULL, "%s", c->name);
    cr_assert_not((c->flags & RESP_CMD_WRITE) != 0 && (c->flags & RESP_CMD_READONLY) != 0, "%s",
                  c->name);
    cr_assert(c->summary != NULL && c->since != NULL && c->group != NULL && c->complexity != NULL,
              "%s", c->name);
    const struct resp_key_spec *k = NULL;
    while ((k = resp_command_next_spec(c, k)) != NULL) {
        cr_assert_geq(k->first, 1);
        cr_assert_geq(k->step, 1);
        uint32_t kinds = k->flags & (RESP_KEY_RO | RESP_KEY_RW | RESP_KEY_OW | RESP_KEY_RM);
        bool is_key = !(k->flags & RESP_KEY_NOT_KEY);
        cr_assert_eq(__builtin_popcount(kinds), is_key, "%s", c->name);
    }
}

Test(resp_command_table, is_consistent)
{
    struct resp_command_index index;
    const struct resp_command *c;
    size_t count = 0;

    resp_command_index_init(&index);
    for (; (c = resp_command_at(count)) != NULL; count++) {
        check_command(c, NULL);
        cr_assert_eq(resp_command_find(&index, bytes_str(c->name)), c, "%s comes twice", c->name);
        for (const struct resp_command *s = c->subcommands; s != NULL && s->name != NULL; s++) {
            check_command(s, c);
            cr_assert_eq(resp_command_find_full(&index, bytes_str(s->name)), s);
        }
    }
    cr_assert_eq(index.count, count);
}

Test(resp_command_table, names_are_found_in_any_case)
{
    struct resp_command_index index;

    resp_command_index_init(&index);
    cr_assert_str_eq(resp_command_find(&index, bytes_str("gEt"))->name, "get");
    cr_assert_str_eq(resp_command_find_full(&index, bytes_str("CLIENT|List"))->name, "client|list");
    static const char *const none[] = { "",
                                        "ge",
                                        "gett",
                                        "g\x45t\x20",
                                        "get|a",
                                        "client|",
                                        "|",
                                        "client|list|x",
                                        "\xc7"
                                        "et" };
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        cr_assert_null(resp_command_find_full(&index, bytes_str(none[i])), "'%s'", none[i]);
}

Test(resp_command_table, keys_are_where_it_says)
{
    static const struct {
        const char *name;
        size_t argc;
        struct resp_key_range range;
    } rows[] = {
        { "get", 2, { 1, 2, 1 } },  { "set", 5, { 1, 2, 1 } },   { "mget", 4, { 1, 4, 1 } },
        { "mset", 7, { 1, 7, 2 } }, { "watch", 3, { 1, 3, 1 } }, { "unlink", 2, { 1, 2, 1 } },
    };
    struct resp_command_index index;

    resp_command_index_init(&index);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct resp_command *c = resp_command_find(&index, bytes_str(rows[i].name));
        struct resp_key_range range = resp_command_keys(c->keys, rows[i].argc);
        cr_assert_eq(range.first, rows[i].range.first);
        cr_assert_eq(range.end, rows[i].range.end, "%s: end %zu", rows[i].name, range.end);
        cr_assert_eq(range.step, rows[i].range.step);
    }
}

/* COMMAND, COMMAND INFO and COMMAND DOCS in both versions are one well-formed reply each, with as
 * many elements as there are commands. */
Test(resp_command_table, is_told_whole)
{
    struct gateway g;
    struct resp_command_index index;

    resp_command_index_init(&index);
    gateway_open(&g);
    for (int version = 2; version <= 3; version++) {
        (void)gateway_ask(&g, 0, version == 2 ? "HELLO 2" : "HELLO 3");
        static const char *const lines[] = { "COMMAND", "COMMAND INFO", "COMMAND DOCS",
                                             "COMMAND DOCS get set client exec" };
        for (size_t i = 0; i < 4; i++) {
            size_t names = i == 3 ? 4 : index.count;
            bool is_map = i >= 2;
            const char *text = gateway_ask(&g, 0, lines[i]);
            struct bytes reply = bytes_of(text, g.out[0].size - 1);
            cr_assert(reply_is_well_formed(reply, 1), "%s", lines[i]);
            struct reply_element e = reply_take(&reply);
            cr_assert_eq(e.marker, is_map && version == 3 ? '%' : '*');
            cr_assert_eq((size_t)e.number, is_map ? 2 * names : names);
        }
    }
    gateway_close(&g);
}

/* The shape of COMMAND DOCS, as a Redis 7.0.15 server has it, with our words. */
Test(resp_command_table, docs_have_the_shape_of_redis)
{
    struct gateway g;

    gateway_open(&g);
    cr_assert_str_eq(
        gateway_ask(&g, 0, "COMMAND DOCS get"),
        "*2\r\n$3\r\nget\r\n*10\r\n$7\r\nsummary\r\n$26\r\nReads the string at a key.\r\n"
        "$5\r\nsince\r\n$5\r\n1.0.0\r\n$5\r\ngroup\r\n$6\r\nstring\r\n"
        "$10\r\ncomplexity\r\n$4\r\nO(1)\r\n$9\r\narguments\r\n*1\r\n*6\r\n$4\r\nname\r\n$"
        "3\r\nkey\r\n"
        "$4\r\ntype\r\n$3\r\nkey\r\n$14\r\nkey_spec_index\r\n:0\r\n");
    (void)gateway_ask(&g, 0, "HELLO 3");
    cr_assert_str_eq(
        gateway_ask(&g, 0, "COMMAND DOCS nosuch client|id"),
        "%1\r\n$9\r\nclient|id\r\n%4\r\n$7\r\nsummary\r\n$31\r\nTells the id of the connection.\r\n"
        "$5\r\nsince\r\n$5\r\n5.0.0\r\n$5\r\ngroup\r\n$10\r\nconnection\r\n"
        "$10\r\ncomplexity\r\n$4\r\nO(1)\r\n");
    gateway_close(&g);
}
