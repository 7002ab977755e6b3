#include "support/parse_stream.h"

#include <criterion/criterion.h>

static const struct resp_limits LIMITS = RESP_LIMITS_DEFAULT;

/* Parse the stream whole, at every cut into two, and byte by byte: always the same is found. */
static void expect_under(const struct resp_limits *limits, bool is_trusted, struct bytes stream,
                         const char *expected)
{
    for (size_t cut = 0; cut <= stream.size + 1; cut++) {
        struct parse_stream s = { .limits = limits, .is_trusted = is_trusted };
        struct buf out;
        s.first_piece = cut <= stream.size ? cut : 1;
        s.piece = cut <= stream.size ? 0 : 1;
        buf_init(&out, alloc_heap(), SIZE_MAX / 2);
        parse_stream_run(&s, stream, &out);
        cr_assert(bytes_equal(buf_bytes(&out), bytes_str(expected)),
                  "cut at %zu: found '%.*s', expected '%s'", cut, (int)out.size,
                  (const char *)out.data, expected);
        buf_deinit(&out);
    }
}

static void expect(const char *stream, const char *expected)
{
    expect_under(&LIMITS, true, bytes_str(stream), expected);
}

Test(resp_parse, arrays)
{
    expect("*1\r\n$4\r\nPING\r\n", "[PING]\n");
    expect("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
           "[SET][k][]\n[GET][k]\n");
    expect("*2\r\n$4\r\nECHO\r\n$12\r\na\r\nb*1\r\n$1\r\n\r\n", "[ECHO][a\r\nb*1\r\n$1\r\n]\n");
    expect("*2\r\n$3\r\nGET\r\n$11\r\nhello w", "...\n");
    expect("*2\r\n$3\r", "...\n");
}

Test(resp_parse, empty_requests_are_not_answered)
{
    expect("*0\r\n*-1\r\n*-9\r\n\r\n\n  \t\r\nPING\r\n", "\n\n\n\n\n\n[PING]\n");
}

/* The answers below were taken from a Redis 7.0.15 server. */
Test(resp_parse, malformed_arrays_get_the_words_of_redis)
{
    expect("*a\r\n", "!Protocol error: invalid multibulk length\n");
    expect("*\r\n", "!Protocol error: invalid multibulk length\n");
    expect("*+1\r\n", "!Protocol error: invalid multibulk length\n");
    expect("*03\r\n", "!Protocol error: invalid multibulk length\n");
    expect("*1048577\r\n", "!Protocol error: invalid multibulk length\n");
    expect("*2147483648\r\n", "!Protocol error: invalid multibulk length\n");
    expect("*99999999999999999999\r\n", "!Protocol error: invalid multibulk length\n");
    expect("*1048576\r\n", "...\n");
    expect("*1\r\nPING\r\n", "!Protocol error: expected '$', got 'P'\n");
    expect("*1\r\n\xff\r\n", "!Protocol error: expected '$', got '\xff'\n");
    expect("*1\r\n\r\n", "!Protocol error: expected '$', got '\r'\n");
    expect("*1\r\n$-1\r\n", "!Protocol error: invalid bulk length\n");
    expect("*1\r\n$a\r\n", "!Protocol error: invalid bulk length\n");
    expect("*1\r\n$\r\n", "!Protocol error: invalid bulk length\n");
    expect("*1\r\n$01\r\n", "!Protocol error: invalid bulk length\n");
    expect("*1\r\n$536870913\r\n", "!Protocol error: invalid bulk length\n");
    expect("*1\r\n$536870912\r\n", "...\n");
    expect("PING\r\n*1\r\n$4\r\nPING\r\n*x\r\nPING\r\n",
           "[PING]\n[PING]\n!Protocol error: invalid multibulk length\n");
}

/* Redis looks at neither byte behind a bulk string, nor at the one behind a header's '\r'. */
Test(resp_parse, line_ends_are_counted_not_read)
{
    expect("*1\r\n$4\r\nPINGxxPING\r\n", "[PING]\n[PING]\n");
    expect("*1\rX$4\rXPING\r\n", "[PING]\n");
}

Test(resp_parse, inline_words)
{
    expect("PING\n", "[PING]\n");
    expect("  SET  a\tb\v c \r\n", "[SET][a][b][c]\n");
    expect("PING\r\r\n", "[PING]\n");
    expect("EC\rHO\r\n", "[EC][HO]\n");
    expect("$4\r\nPING\r\n", "[$4]\n[PING]\n");
    expect("PING", "...\n");
}

Test(resp_parse, inline_quotes_and_escapes)
{
    expect("ECHO ''\r\n", "[ECHO][]\n");
    expect("ECHO \"\" ''\r\n", "[ECHO][][]\n");
    expect("P\"ING\"\r\n", "[PING]\n");
    expect("ECHO 'a\\'b\\n'\r\n", "[ECHO][a'b\\n]\n");
    expect("ECHO \"\\x41\\x4g\\n\\q\\\"\"\r\n", "[ECHO][Ax4g\nq\"]\n");
    expect("ECHO \"\\r\\t\\b\\a\\\\\"\r\n", "[ECHO][\r\t\b\a\\]\n");
    expect("ECHO \"\\xfF\\x0\"\r\n", "[ECHO][\xffx0]\n");
    expect("ECHO a\\nb\r\n", "[ECHO][a\\nb]\n");
    expect("ECHO \"it's\" 'say \"x\"'\r\n", "[ECHO][it's][say \"x\"]\n");
}

Test(resp_parse, unbalanced_quotes_are_an_error)
{
    expect("\"PING\r\n", "!Protocol error: unbalanced quotes in request\n");
    expect("'PING\r\n", "!Protocol error: unbalanced quotes in request\n");
    expect("\"PI\"NG\r\n", "!Protocol error: unbalanced quotes in request\n");
    expect("P\"IN\"G\r\n", "!Protocol error: unbalanced quotes in request\n");
    expect("ECHO \"a\\\"\r\n", "!Protocol error: unbalanced quotes in request\n");
    expect("ECHO \"a\\\n", "!Protocol error: unbalanced quotes in request\n");
}

Test(resp_parse, a_client_that_is_not_trusted_sends_little)
{
    struct bytes many = bytes_str("*11\r\n");
    struct bytes enough = bytes_str("*10\r\n$16384\r\n");
    struct bytes large = bytes_str("*1\r\n$16385\r\n");

    expect_under(&LIMITS, false, many, "!Protocol error: unauthenticated multibulk length\n");
    expect_under(&LIMITS, false, large, "!Protocol error: unauthenticated bulk length\n");
    expect_under(&LIMITS, false, enough, "...\n");
}

/* Small limits, so that every cut can be tried around them. */
Test(resp_parse, limits_hold_wherever_the_stream_is_cut)
{
    struct resp_limits small = {
        .args_max = 4, .bulk_max_bytes = 8, .line_max_bytes = 16, .request_max_bytes = 40
    };

    expect_under(&small, true, bytes_str("0123456789abcdef\n"), "[0123456789abcdef]\n");
    expect_under(&small, true, bytes_str("0123456789abcdefg\n"),
                 "!Protocol error: too big inline request\n");
    expect_under(&small, true, bytes_str("*12345678901234567\r\n"),
                 "!Protocol error: too big mbulk count string\n");
    expect_under(&small, true, bytes_str("*1\r\n$12345678901234567\r\n"),
                 "!Protocol error: too big bulk count string\n");
    expect_under(&small, true, bytes_str("*1\r\nABCDEFGHIJKLMNOPQRS"),
                 "!Protocol error: too big bulk count string\n");
    expect_under(&small, true, bytes_str("*5\r\n"), "!Protocol error: invalid multibulk length\n");
    expect_under(&small, true, bytes_str("*1\r\n$9\r\n"), "!Protocol error: invalid bulk length\n");
    expect_under(&small, true, bytes_str("*2\r\n$8\r\n12345678\r\n$8\r\n12345678\r\nPING\n"),
                 "[12345678][12345678]\n[PING]\n");
    expect_under(&small, true, bytes_str("*3\r\n$8\r\n12345678\r\n$8\r\n12345678\r\n$8\r\n1"),
                 "!Protocol error: too big request\n");
}

/* A request that announces the largest sizes and sends nothing costs nothing. */
Test(resp_parse, memory_is_taken_for_what_arrived_only)
{
    struct alloc_test alloc;
    struct resp_parser parser;
    struct resp_request request;
    uint8_t stream[] = "*1048576\r\n$3\r\nfoo\r\n$536870912\r\nx";

    alloc_test_init(&alloc);
    resp_parser_init(&parser, &alloc.alloc, &LIMITS, true);
    cr_assert_eq(resp_parse(&parser, stream, sizeof stream - 1, &request), RESP_PARSE_MORE);
    cr_assert_leq(alloc.live_bytes, 256);
    cr_assert_eq(alloc.live_bytes, resp_parser_held(&parser));
    cr_assert_eq(resp_parser_missing(&parser, sizeof stream - 1), 536870912 - 1 + 2);
    resp_parser_deinit(&parser);
    cr_assert_eq(alloc.live_bytes, 0);
}

Test(resp_parse, a_long_argument_array_is_given_back)
{
    struct alloc_test alloc;
    struct resp_parser parser;
    struct resp_request request;
    struct buf stream;

    alloc_test_init(&alloc);
    resp_parser_init(&parser, &alloc.alloc, &LIMITS, true);
    buf_init(&stream, alloc_heap(), 1 << 20);
    buf_append(&stream, bytes_str("*5000\r\n"));
    for (size_t i = 0; i < 5000; i++)
        buf_append(&stream, bytes_str("$1\r\nx\r\n"));
    cr_assert_eq(resp_parse(&parser, stream.data, stream.size, &request), RESP_PARSE_REQUEST);
    cr_assert_eq(request.argc, 5000);
    cr_assert_eq(request.size_bytes, stream.size);
    cr_assert_eq(request.argv[4999].data, stream.data + stream.size - 3);
    cr_assert_eq(resp_parse(&parser, stream.data, 0, &request), RESP_PARSE_MORE);
    cr_assert_eq(alloc.live_bytes, 0);
    buf_deinit(&stream);
    resp_parser_deinit(&parser);
}

Test(resp_parse, every_failed_allocation_is_answered)
{
    for (uint64_t n = 1; n <= 3; n++) {
        struct alloc_test alloc;
        struct resp_parser parser;
        struct resp_request request;
        char stream[256] = "*20\r\n";
        size_t size = strlen(stream);

        for (size_t i = 0; i < 20; i++, size += 7)
            memcpy(stream + size, "$1\r\nx\r\n", 8);
        alloc_test_init(&alloc);
        alloc.fail_at = n;
        resp_parser_init(&parser, &alloc.alloc, &LIMITS, true);
        enum resp_parse_result r = resp_parse(&parser, (uint8_t *)stream, size, &request);
        cr_assert_eq(r, n <= 2 ? RESP_PARSE_BAD : RESP_PARSE_REQUEST);
        resp_parser_deinit(&parser);
        cr_assert_eq(alloc.live_bytes, 0);
    }
}
