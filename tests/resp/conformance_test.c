/*
 * The transcripts of tests/data/resp, which a real Redis answered (tests/resp/record.py), played to
 * the gateway: every answer is the same, byte for byte.
 */
#include "support/gateway.h"

#include <criterion/criterion.h>

#include <stdio.h>

/* Bytes as record.py writes them. */
static void escape(struct bytes from, struct buf *to)
{
    for (size_t i = 0; i < from.size; i++) {
        uint8_t c = from.data[i];
        if (c == '\n' || c == '\r' || c == '\\')
            buf_append_format(to, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : '\\');
        else if (c >= 32 && c < 127)
            buf_append_u8(to, c);
        else
            buf_append_format(to, "\\x%02x", c);
    }
}

/* Send the line behind ">" and leave the escaped answer in to. */
static void ask(struct gateway *g, size_t client, const char *line, struct buf *to)
{
    struct buf request;

    buf_init(&request, alloc_heap(), SIZE_MAX / 2);
    buf_append_format(&request, "%s\r\n", line);
    buf_reset(to);
    escape(gateway_send(g, client, buf_bytes(&request)), to);
    if (g->clients[client] == NULL)
        buf_append(to, bytes_str(" (closed)"));
    buf_deinit(&request);
}

static size_t play(const char *name, bool is_cold)
{
    static char line[1 << 16];
    char path[512];
    struct gateway g;
    struct buf answer;
    size_t checked = 0;
    size_t number = 0;

    const char *slash = strrchr(__FILE__, '/');
    (void)snprintf(path, sizeof path, "%.*s/../data/resp/%s.txt", (int)(slash - __FILE__), __FILE__,
                   name);
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "cannot open %s", path);
    gateway_open(&g);
    g.store.is_cold = is_cold;
    buf_init(&answer, alloc_heap(), SIZE_MAX / 2);
    while (fgets(line, sizeof line, f) != NULL) {
        size_t client = 0;
        char *said = line;
        number++;
        line[strcspn(line, "\n")] = '\0';
        if (*said >= '0' && *said <= '9')
            client = (size_t)(*said++ - '0');
        if (*said == '.') {
            buf_reset(&answer);
            escape(gateway_take(&g, client), &answer);
            if (g.clients[client] == NULL)
                buf_append(&answer, bytes_str(" (closed)"));
        } else if (*said == '>' || *said == '!') {
            ask(&g, client, said + 2, &answer);
        } else if (*said == '<') {
            cr_assert(bytes_equal(buf_bytes(&answer), bytes_str(said + 2)),
                      "%s.txt:%zu: answered '%.*s', Redis '%s'", name, number, (int)answer.size,
                      (const char *)answer.data, said + 2);
            checked++;
        }
    }
    buf_deinit(&answer);
    gateway_close(&g);
    fclose(f);
    return checked;
}

/* cold: every row must be read from afar first, so every command is run again at least once. */
static void conforms(const char *name, size_t least)
{
    cr_assert_geq(play(name, false), least);
    cr_assert_geq(play(name, true), least);
}

Test(resp_conformance, strings)
{
    conforms("string", 140);
}

Test(resp_conformance, numbers)
{
    conforms("number", 65);
}

Test(resp_conformance, common_subsequences)
{
    conforms("lcs", 60);
}

Test(resp_conformance, single_bits_and_fields)
{
    conforms("bit", 160);
}

Test(resp_conformance, whole_bitmaps)
{
    conforms("bitmap", 180);
}

Test(resp_conformance, keys)
{
    conforms("key", 140);
}

Test(resp_conformance, keys_that_move_and_travel)
{
    conforms("generic", 420);
}

Test(resp_conformance, digests_of_data)
{
    conforms("digest", 35);
}

Test(resp_conformance, transactions)
{
    conforms("multi", 180);
}

Test(resp_conformance, connections_and_unknown_commands)
{
    conforms("connection", 110);
}

Test(resp_conformance, administration)
{
    conforms("admin", 30);
}

Test(resp_conformance, command_table)
{
    conforms("command", 11);
}

Test(resp_conformance, messages_and_clients)
{
    conforms("pubsub", 200);
}

Test(resp_conformance, keyspace_events)
{
    conforms("notify", 150);
}
