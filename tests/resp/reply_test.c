#include "resp/reply.h"

#include <criterion/criterion.h>

#include <math.h>

enum { OUT_MAX = 1 << 20 };

struct fixture {
    struct buf out;
    struct resp_reply r;
};

static void open_reply(struct fixture *f, int version, size_t size_max)
{
    buf_init(&f->out, alloc_heap(), size_max);
    resp_reply_init(&f->r, &f->out, version);
}

static void expect_and_close(struct fixture *f, const char *expected)
{
    cr_assert_not(f->out.is_failed);
    cr_assert(bytes_equal(buf_bytes(&f->out), bytes_str(expected)), "wrote '%.*s', expected '%s'",
              (int)f->out.size, (const char *)f->out.data, expected);
    buf_deinit(&f->out);
}

static void write_all(struct resp_reply *r)
{
    resp_reply_ok(r);
    resp_reply_status(r, "PONG");
    resp_reply_error(r, "ERR no %s", "way");
    resp_reply_int(r, -5);
    resp_reply_bool(r, true);
    resp_reply_bool(r, false);
    resp_reply_double(r, 3.141);
    resp_reply_double(r, -INFINITY);
    resp_reply_big_number(r, "1234567999999999999999999999999999999");
    resp_reply_bulk_str(r, "Hello\r\n");
    resp_reply_bulk(r, bytes_of(NULL, 0));
    resp_reply_verbatim(r, "txt", bytes_str("This is a verbatim\nstring"));
    resp_reply_null(r);
    resp_reply_null_array(r);
    resp_reply_array(r, 2);
    resp_reply_map(r, 3);
    resp_reply_set(r, 4);
    resp_reply_push(r, 5);
}

/* The forms were taken from a Redis 7.0.15 server (DEBUG PROTOCOL after HELLO 2 and HELLO 3). */
Test(resp_reply, version_2)
{
    struct fixture f;

    open_reply(&f, 2, OUT_MAX);
    write_all(&f.r);
    expect_and_close(&f, "+OK\r\n+PONG\r\n-ERR no way\r\n:-5\r\n:1\r\n:0\r\n$5\r\n3.141\r\n"
                         "$4\r\n-inf\r\n$37\r\n1234567999999999999999999999999999999\r\n"
                         "$7\r\nHello\r\n\r\n$0\r\n\r\n$25\r\nThis is a verbatim\nstring\r\n"
                         "$-1\r\n*-1\r\n*2\r\n*6\r\n*4\r\n*5\r\n");
}

Test(resp_reply, version_3)
{
    struct fixture f;

    open_reply(&f, 3, OUT_MAX);
    write_all(&f.r);
    expect_and_close(&f, "+OK\r\n+PONG\r\n-ERR no way\r\n:-5\r\n#t\r\n#f\r\n,3.141\r\n"
                         ",-inf\r\n(1234567999999999999999999999999999999\r\n"
                         "$7\r\nHello\r\n\r\n$0\r\n\r\n=29\r\ntxt:This is a verbatim\nstring\r\n"
                         "_\r\n_\r\n*2\r\n%3\r\n~4\r\n>5\r\n");
}

Test(resp_reply, an_error_is_one_line)
{
    struct fixture f;

    open_reply(&f, 2, OUT_MAX);
    resp_reply_error(&f.r, "ERR got '%s'\r\n", "a\r\nb");
    expect_and_close(&f, "-ERR got 'a  b'\r\n");
}

Test(resp_reply, sizes_said_at_the_end)
{
    struct fixture f;

    open_reply(&f, 3, OUT_MAX);
    resp_reply_int(&f.r, 1);
    struct resp_mark outer = resp_reply_mark(&f.r);
    resp_reply_bulk_str(&f.r, "a");
    struct resp_mark inner = resp_reply_mark(&f.r);
    for (int i = 0; i < 12; i++)
        resp_reply_int(&f.r, i);
    resp_reply_map_at(&f.r, inner, 6);
    resp_reply_array_at(&f.r, outer, 2);
    expect_and_close(&f, ":1\r\n*2\r\n$1\r\na\r\n%6\r\n:0\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n"
                         ":7\r\n:8\r\n:9\r\n:10\r\n:11\r\n");
}

Test(resp_reply, an_empty_container_said_at_the_end)
{
    struct fixture f;

    open_reply(&f, 2, OUT_MAX);
    resp_reply_map_at(&f.r, resp_reply_mark(&f.r), 0);
    expect_and_close(&f, "*0\r\n");
}

/* Whatever does not fit, the reply can be taken back and another one given. */
Test(resp_reply, a_reply_that_does_not_fit_can_be_taken_back)
{
    for (size_t room = 8; room < 60; room++) {
        struct fixture f;
        open_reply(&f, 2, room);
        resp_reply_int(&f.r, 7);
        struct resp_mark start = resp_reply_mark(&f.r);
        resp_reply_array(&f.r, 3);
        resp_reply_bulk_str(&f.r, "some text");
        resp_reply_verbatim(&f.r, "txt", bytes_str("more"));
        resp_reply_array_at(&f.r, start, 1);
        resp_reply_error(&f.r, "ERR %s", "x");
        cr_assert_eq(f.out.is_failed, room < 4 + 4 + 15 + 10 + 4 + 8, "%zu", room);
        resp_reply_rewind(&f.r, start);
        resp_reply_null(&f.r);
        if (room >= 9)
            expect_and_close(&f, ":7\r\n$-1\r\n");
        else
            buf_deinit(&f.out);
    }
}
