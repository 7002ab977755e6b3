/* Conditions on strings, which the redis-server of the transcripts does not know yet: what Redis
 * 8.4's documentation and tests say. */
#include "support/gateway.h"

#include <criterion/criterion.h>

static struct gateway g;

static void open(void)
{
    gateway_open(&g);
}

static void close(void)
{
    gateway_close(&g);
}

TestSuite(resp_match, .init = open, .fini = close);

static void ask(const char *line, const char *expected)
{
    const char *answer = gateway_ask(&g, 0, line);

    cr_assert_str_eq(answer, expected, "%s: %s", line, answer);
}

#define OK "+OK\r\n"
#define NIL "$-1\r\n"
#define SYNTAX "-ERR syntax error\r\n"

Test(resp_match, set_if_equal)
{
    ask("SET a b IFEQ x", NIL);
    ask("EXISTS a", ":0\r\n");
    ask("SET a b IFNE x", OK);
    ask("SET a c IFEQ x", NIL);
    ask("SET a c IFEQ \"\"", NIL);
    ask("SET a c ifeq b EX 100", OK);
    ask("GET a", "$1\r\nc\r\n");
    ask("TTL a", ":100\r\n");
    ask("SET a d IFNE c KEEPTTL", NIL);
    ask("SET a d IFNE b KEEPTTL", OK);
    ask("TTL a", ":100\r\n");
    ask("SET a e IFEQ d", OK);
    ask("TTL a", ":-1\r\n");
}

Test(resp_match, set_if_equal_and_get)
{
    ask("SET a b IFEQ x GET", NIL);
    ask("EXISTS a", ":0\r\n");
    ask("SET a b IFNE x GET", NIL);
    ask("SET a c IFEQ x GET", "$1\r\nb\r\n");
    ask("SET a c GET IFEQ b", "$1\r\nb\r\n");
    ask("SET a d IFNE c GET", "$1\r\nc\r\n");
    ask("GET a", "$1\r\nc\r\n");
}

Test(resp_match, conditions_exclude_each_other)
{
    ask("SET a b IFEQ", SYNTAX);
    ask("SET a b IFNE", SYNTAX);
    ask("SET a b IFEQ x NX", SYNTAX);
    ask("SET a b XX IFEQ x", SYNTAX);
    ask("SET a b IFEQ x IFNE y", SYNTAX);
    ask("SET a b IFEQ x IFDEQ y", SYNTAX);
    ask("SET a b EX 0 IFEQ x", "-ERR invalid expire time in 'set' command\r\n");
    ask("GETEX a IFEQ x", SYNTAX);
}

Test(resp_match, delex)
{
    ask("DELEX", "-ERR wrong number of arguments for 'delex' command\r\n");
    ask("DELEX a", ":0\r\n");
    ask("DELEX a IFEQ", "-ERR wrong number of arguments for 'delex' command\r\n");
    ask("DELEX a IFEQ b c", "-ERR wrong number of arguments for 'delex' command\r\n");
    ask("DELEX a IFEQ b", ":0\r\n");
    ask("DELEX a IFNE b", ":0\r\n");
    ask("DELEX a FOO b", ":0\r\n");
    ask("SET a b EX 100", OK);
    ask("DELEX a FOO b", "-ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE\r\n");
    ask("DELEX a IFEQ c", ":0\r\n");
    ask("DELEX a IFNE b", ":0\r\n");
    ask("DELEX a ifeq b", ":1\r\n");
    ask("EXISTS a", ":0\r\n");
    ask("SET a b", OK);
    ask("DELEX a IFNE c", ":1\r\n");
    ask("SET a b", OK);
    ask("DELEX a", ":1\r\n");
    ask("DBSIZE", ":0\r\n");
}

/* XXH3-64 of "Hello world", and of nothing. */
Test(resp_match, digests)
{
    ask("DIGEST a", NIL);
    ask("DELEX a IFDEQ 1", ":0\r\n");
    ask("SET a \"Hello world\"", OK);
    ask("DIGEST a", "$16\r\nb6acb9d84a38ff74\r\n");
    ask("SET a \"\"", OK);
    ask("DIGEST a", "$16\r\n2d06800538d394c2\r\n");
    ask("DELEX a IFDEQ 1", "-ERR must be exactly 16 hexadecimal characters\r\n");
    ask("SET a b IFDNE 1 GET", "-ERR must be exactly 16 hexadecimal characters\r\n");
    ask("SET a b IFDEQ b6acb9d84a38ff74", NIL);
    ask("SET a b IFDNE 2d06800538d394c2", NIL);
    ask("SET a \"\" IFDEQ 2D06800538D394C2 GET", "$0\r\n\r\n");
    ask("DELEX a IFDNE 2d06800538d394c2", ":0\r\n");
    ask("DELEX a IFDEQ 2d06800538d394c2", ":1\r\n");
}

/* A string in chunks, most of them missing, equals what it stands for. */
Test(resp_match, long_strings)
{
    enum { SIZE = 200000 };
    static uint8_t content[SIZE];
    struct bytes argv[5] = { bytes_str("SET"), bytes_str("b"), bytes_str("x"), bytes_str("IFEQ"),
                             bytes_of(content, SIZE) };

    ask("SETRANGE a 150000 x", ":150001\r\n");
    ask("SETRANGE a 199999 y", ":200000\r\n");
    ask("RESET", "+RESET\r\n");
    content[150000] = 'x';
    content[199999] = 'y';
    struct bytes del[4] = { bytes_str("DELEX"), bytes_str("a"), bytes_str("IFNE"), argv[4] };
    cr_assert(bytes_equal(gateway_command(&g, 0, del, 4), bytes_str(":0\r\n")));
    content[70000] = 1;
    cr_assert(bytes_equal(gateway_command(&g, 0, argv, 5), bytes_str(NIL)));
    del[2] = bytes_str("IFEQ");
    cr_assert(bytes_equal(gateway_command(&g, 0, del, 4), bytes_str(":0\r\n")));
    content[70000] = 0;
    cr_assert(bytes_equal(gateway_command(&g, 0, del, 4), bytes_str(":1\r\n")));
}
