#include "reply_reader.h"

#include "base/check.h"

#include "resp/number.h"

#include <string.h>

/* Take a line, without its end. */
static struct bytes take_line(struct bytes *reply)
{
    const uint8_t *end = reply->size == 0 ? NULL : memchr(reply->data, '\r', reply->size);

    CHECK(end != NULL);
    struct bytes line = bytes_of(reply->data, (size_t)(end - reply->data));
    CHECK(reply->size >= line.size + 2 && end[1] == '\n');
    *reply = bytes_skip(*reply, line.size + 2);
    return line;
}

static int64_t number_of(struct bytes line)
{
    int64_t number;
    bool is_number = resp_int_parse(line, &number);

    CHECK(is_number);
    return number;
}

static void take_content(struct bytes *reply, struct reply_element *e)
{
    if (e->number < 0) {
        CHECK(e->number == -1);
        e->is_null = true;
        return;
    }
    bool is_whole = take_bytes(reply, (size_t)e->number, &e->bytes);
    CHECK(is_whole);
    CHECK(reply->size >= 2 && memcmp(reply->data, "\r\n", 2) == 0);
    *reply = bytes_skip(*reply, 2);
}

struct reply_element reply_take(struct bytes *reply)
{
    struct reply_element e = { 0 };
    struct bytes line = take_line(reply);

    CHECK(line.size > 0);
    e.marker = (char)line.data[0];
    line = bytes_skip(line, 1);
    switch (e.marker) {
    case '+':
    case '-':
    case ',':
    case '(':
    case '#':
        e.bytes = line;
        return e;
    case '_':
        CHECK(line.size == 0);
        e.is_null = true;
        return e;
    case ':':
        e.number = number_of(line);
        return e;
    case '$':
    case '=':
        e.number = number_of(line);
        take_content(reply, &e);
        return e;
    case '*':
    case '~':
    case '>':
        e.number = number_of(line);
        e.is_null = e.number < 0;
        return e;
    case '%':
        e.number = 2 * number_of(line);
        return e;
    default:
        CHECK(e.marker == 0); /* No such element. */
        return e;
    }
}

void reply_skip(struct bytes *reply)
{
    for (int64_t left = 1; left > 0; left--) {
        struct reply_element e = reply_take(reply);
        if (strchr("*~>%", e.marker) != NULL && !e.is_null)
            left += e.number;
    }
}

void reply_take_container(struct bytes *reply, char marker, int64_t count)
{
    struct reply_element e = reply_take(reply);

    CHECK(e.marker == marker);
    CHECK(e.number == count);
}

void reply_take_string(struct bytes *reply, const char *text)
{
    struct reply_element e = reply_take(reply);

    CHECK(bytes_equal(e.bytes, bytes_str(text)));
}

bool reply_is_well_formed(struct bytes reply, size_t count)
{
    for (size_t i = 0; i < count; i++)
        reply_skip(&reply);
    return reply.size == 0;
}
