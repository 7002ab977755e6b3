#include "resp/reply.h"

#include "resp/number.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum { HEADER_MAX = 1 + RESP_INT_MAX_CHARS + 2 };

void resp_reply_init(struct resp_reply *r, struct buf *out, int version)
{
    *r = (struct resp_reply) { .out = out, .version = version };
}

void resp_reply_raw(struct resp_reply *r, struct bytes bytes)
{
    buf_append(r->out, bytes);
}

/* "<marker><number>\r\n" at out; returns its size. */
static size_t format_header(char marker, int64_t number, char out[HEADER_MAX])
{
    out[0] = marker;
    size_t n = 1 + resp_int_format(number, out + 1);
    out[n++] = '\r';
    out[n++] = '\n';
    return n;
}

static void put_header(struct resp_reply *r, char marker, int64_t number)
{
    char header[HEADER_MAX];
    size_t size = format_header(marker, number, header);

    buf_append(r->out, bytes_of(header, size));
}

/* "<marker><text>\r\n". */
static void put_line(struct resp_reply *r, char marker, struct bytes text)
{
    uint8_t *room = buf_extend(r->out, 1 + text.size + 2);

    if (room == NULL)
        return;
    room[0] = (uint8_t)marker;
    memcpy(room + 1, text.data, text.size);
    memcpy(room + 1 + text.size, "\r\n", 2);
}

void resp_reply_ok(struct resp_reply *r)
{
    buf_append(r->out, bytes_of("+OK\r\n", 5));
}

void resp_reply_status(struct resp_reply *r, const char *text)
{
    put_line(r, '+', bytes_str(text));
}

void resp_reply_error(struct resp_reply *r, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t size = length < 0 ? 0 : (size_t)length;
    if (size >= sizeof text)
        size = sizeof text - 1;
    while (size > 0 && (text[size - 1] == '\r' || text[size - 1] == '\n'))
        size--;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\r' || text[i] == '\n')
            text[i] = ' ';
    }
    r->errors++;
    put_line(r, '-', bytes_of(text, size));
}

void resp_reply_int(struct resp_reply *r, int64_t value)
{
    put_header(r, ':', value);
}

void resp_reply_bool(struct resp_reply *r, bool value)
{
    if (r->version == 2)
        resp_reply_int(r, value);
    else
        put_line(r, '#', bytes_of(value ? "t" : "f", 1));
}

void resp_reply_double(struct resp_reply *r, double value)
{
    char text[RESP_DOUBLE_MAX_CHARS];
    size_t size = resp_double_format(value, text);

    if (r->version == 2)
        resp_reply_bulk(r, bytes_of(text, size));
    else
        put_line(r, ',', bytes_of(text, size));
}

void resp_reply_big_number(struct resp_reply *r, const char *digits)
{
    if (r->version == 2)
        resp_reply_bulk_str(r, digits);
    else
        put_line(r, '(', bytes_str(digits));
}

uint8_t *resp_reply_bulk_room(struct resp_reply *r, size_t size)
{
    char header[HEADER_MAX];
    size_t header_size = format_header('$', (int64_t)size, header);
    uint8_t *room = buf_extend(r->out, header_size + size + 2);

    if (room == NULL)
        return NULL;
    memcpy(room, header, header_size);
    memcpy(room + header_size + size, "\r\n", 2);
    return room + header_size;
}

void resp_reply_bulk(struct resp_reply *r, struct bytes bytes)
{
    uint8_t *room = resp_reply_bulk_room(r, bytes.size);

    if (room != NULL && bytes.size > 0)
        memcpy(room, bytes.data, bytes.size);
}

void resp_reply_bulk_str(struct resp_reply *r, const char *text)
{
    resp_reply_bulk(r, bytes_str(text));
}

void resp_reply_verbatim(struct resp_reply *r, const char *format, struct bytes text)
{
    if (r->version == 2) {
        resp_reply_bulk(r, text);
        return;
    }
    put_header(r, '=', (int64_t)(text.size + 4));
    buf_append(r->out, bytes_of(format, 3));
    buf_append_u8(r->out, ':');
    buf_append(r->out, text);
    buf_append(r->out, bytes_of("\r\n", 2));
}

void resp_reply_null(struct resp_reply *r)
{
    resp_reply_raw(r, r->version == 2 ? bytes_of("$-1\r\n", 5) : bytes_of("_\r\n", 3));
}

void resp_reply_null_array(struct resp_reply *r)
{
    resp_reply_raw(r, r->version == 2 ? bytes_of("*-1\r\n", 5) : bytes_of("_\r\n", 3));
}

void resp_reply_array(struct resp_reply *r, size_t count)
{
    put_header(r, '*', (int64_t)count);
}

void resp_reply_map(struct resp_reply *r, size_t pairs)
{
    if (r->version == 2)
        put_header(r, '*', (int64_t)(2 * pairs));
    else
        put_header(r, '%', (int64_t)pairs);
}

void resp_reply_set(struct resp_reply *r, size_t count)
{
    put_header(r, r->version == 2 ? '*' : '~', (int64_t)count);
}

void resp_reply_push(struct resp_reply *r, size_t count)
{
    put_header(r, r->version == 2 ? '*' : '>', (int64_t)count);
}

void resp_reply_attribute(struct resp_reply *r, size_t pairs)
{
    put_header(r, '|', (int64_t)pairs);
}

struct resp_mark resp_reply_mark(const struct resp_reply *r)
{
    return (struct resp_mark) { .offset = r->out->size };
}

/* Open a gap at mark and write a header there. */
static void insert_header(struct resp_reply *r, struct resp_mark mark, char marker, size_t number)
{
    char header[HEADER_MAX];
    size_t size = format_header(marker, (int64_t)number, header);
    size_t moved = r->out->size - mark.offset;

    if (r->out->is_failed || buf_extend(r->out, size) == NULL)
        return;
    uint8_t *gap = r->out->data + mark.offset;
    memmove(gap + size, gap, moved);
    memcpy(gap, header, size);
}

void resp_reply_array_at(struct resp_reply *r, struct resp_mark mark, size_t count)
{
    insert_header(r, mark, '*', count);
}

void resp_reply_map_at(struct resp_reply *r, struct resp_mark mark, size_t pairs)
{
    if (r->version == 2)
        insert_header(r, mark, '*', 2 * pairs);
    else
        insert_header(r, mark, '%', pairs);
}

void resp_reply_rewind(struct resp_reply *r, struct resp_mark mark)
{
    r->out->size = mark.offset;
    r->out->is_failed = false;
}
