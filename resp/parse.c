#include "resp/parse.h"

#include "base/words.h"

#include "resp/number.h"

#include <stdio.h>

enum {
    ARGV_FIRST = 16,  /* Arguments there is room for after the first. */
    ARGV_KEPT = 1024, /* A longer array is given back when its request is done. */
};

void resp_parser_init(struct resp_parser *p, struct alloc *alloc, const struct resp_limits *limits,
                      bool is_trusted)
{
    *p = (struct resp_parser) { .alloc = alloc, .limits = limits, .is_trusted = is_trusted };
}

static void free_argv(struct resp_parser *p)
{
    alloc_free(p->alloc, p->argv, p->argv_capacity * sizeof *p->argv);
    p->argv = NULL;
    p->argv_capacity = 0;
}

void resp_parser_deinit(struct resp_parser *p)
{
    free_argv(p);
}

void resp_parser_trim(struct resp_parser *p)
{
    if (p->is_done || p->argc == 0)
        free_argv(p);
}

size_t resp_parser_held(const struct resp_parser *p)
{
    return p->argv_capacity * sizeof *p->argv;
}

size_t resp_parser_missing(const struct resp_parser *p, size_t size)
{
    size_t wanted = p->has_bulk ? p->position + p->bulk_bytes + 2 : p->searched + 1;
    return wanted > size ? wanted - size : 1;
}

static enum resp_parse_result bad(struct resp_parser *p, const char *error)
{
    (void)snprintf(p->error, sizeof p->error, "Protocol error: %s", error);
    return RESP_PARSE_BAD;
}

static bool grow_argv(struct resp_parser *p)
{
    size_t capacity = p->argv_capacity == 0 ? ARGV_FIRST : 2 * p->argv_capacity;
    struct bytes *argv = alloc_resize(p->alloc, p->argv, p->argv_capacity * sizeof *p->argv,
                                      capacity * sizeof *p->argv);
    if (argv == NULL)
        return false;
    p->argv = argv;
    p->argv_capacity = capacity;
    return true;
}

/*
 * Note the argument that lies at offset in the request. The bytes may move before the request is
 * complete, so until then a view's pointer is only its offset; finish() makes it one.
 */
static bool push_arg(struct resp_parser *p, size_t offset, size_t size)
{
    if (p->argc == p->argv_capacity && !grow_argv(p))
        return false;
    p->argv[p->argc++] = (struct bytes) { .data = (const uint8_t *)offset, .size = size };
    return true;
}

static enum resp_parse_result finish(struct resp_parser *p, const uint8_t *data,
                                     struct resp_request *out_request)
{
    for (size_t i = 0; i < p->argc; i++)
        p->argv[i].data = data + (size_t)p->argv[i].data;
    p->is_done = true;
    *out_request =
        (struct resp_request) { .argv = p->argv, .argc = p->argc, .size_bytes = p->position };
    return RESP_PARSE_REQUEST;
}

static void begin(struct resp_parser *p)
{
    if (p->argv_capacity > ARGV_KEPT)
        free_argv(p);
    p->is_done = false;
    p->has_bulk = false;
    p->has_count = false;
    p->position = 0;
    p->searched = 0;
    p->args_left = 0;
    p->argc = 0;
}

/*
 * Find the byte that ends the line at p->position. MORE if it has not come; BAD if the line is
 * longer than it may be, whether or not its end is at hand.
 */
static enum resp_parse_result find_line_end(struct resp_parser *p, const uint8_t *data, size_t size,
                                            char end, const char *too_long, size_t *out_end)
{
    size_t window = p->position + p->limits->line_max_bytes + 1;
    size_t stop = size < window ? size : window;
    const uint8_t *found = NULL;

    if (p->searched < p->position)
        p->searched = p->position;
    if (p->searched < stop)
        found = memchr(data + p->searched, end, stop - p->searched);
    if (found != NULL) {
        *out_end = (size_t)(found - data);
        return RESP_PARSE_REQUEST;
    }
    p->searched = stop;
    return stop == window ? bad(p, too_long) : RESP_PARSE_MORE;
}

/* What a header line says. */
struct header {
    bool is_number;
    int64_t number;
};

static enum resp_parse_result take_any_header(struct resp_parser *p, const uint8_t *data,
                                              size_t size, const char *too_long, struct header *out)
{
    size_t start = p->position + 1;
    size_t end;
    enum resp_parse_result r = find_line_end(p, data, size, '\r', too_long, &end);

    if (r != RESP_PARSE_REQUEST)
        return r;
    if (end + 1 >= size) {
        p->searched = end;
        return RESP_PARSE_MORE;
    }
    out->is_number =
        end > start && resp_int_parse(bytes_of(data + start, end - start), &out->number);
    p->position = end + 2;
    return RESP_PARSE_REQUEST;
}

/*
 * Take the line at p->position: a marker, a number, '\r' and one byte more, which Redis does not
 * look at. is_number is false if it is none; the position moves behind the line.
 */
static inline enum resp_parse_result take_header(struct resp_parser *p, const uint8_t *data,
                                                 size_t size, const char *too_long,
                                                 struct header *out)
{
    size_t start = p->position + 1;
    size_t i = start;
    int64_t number = 0;

    /* Nearly always a few digits, all of them here. */
    while (i < size && i < start + 9 && data[i] >= '0' && data[i] <= '9')
        number = 10 * number + (data[i++] - '0');
    if (i + 1 < size && data[i] == '\r' && i > start && (data[start] != '0' || i == start + 1)) {
        p->position = i + 2;
        *out = (struct header) { .is_number = true, .number = number };
        return RESP_PARSE_REQUEST;
    }
    return take_any_header(p, data, size, too_long, out);
}

static enum resp_parse_result take_count(struct resp_parser *p, const uint8_t *data, size_t size)
{
    struct header h;
    enum resp_parse_result r = take_header(p, data, size, "too big mbulk count string", &h);

    if (r != RESP_PARSE_REQUEST)
        return r;
    if (!h.is_number || (h.number > 0 && (uint64_t)h.number > p->limits->args_max))
        return bad(p, "invalid multibulk length");
    if (!p->is_trusted && h.number > RESP_UNTRUSTED_ARGS_MAX)
        return bad(p, "unauthenticated multibulk length");
    p->has_count = true;
    p->args_left = h.number > 0 ? (size_t)h.number : 0;
    return RESP_PARSE_REQUEST;
}

static inline enum resp_parse_result take_bulk_header(struct resp_parser *p, const uint8_t *data,
                                                      size_t size)
{
    size_t line = p->position;
    struct header h;
    enum resp_parse_result r = take_header(p, data, size, "too big bulk count string", &h);

    if (r != RESP_PARSE_REQUEST)
        return r;
    if (data[line] != '$') {
        (void)snprintf(p->error, sizeof p->error, "Protocol error: expected '$', got '%c'",
                       data[line]);
        return RESP_PARSE_BAD;
    }
    if (!h.is_number || h.number < 0 || (uint64_t)h.number > p->limits->bulk_max_bytes)
        return bad(p, "invalid bulk length");
    if (!p->is_trusted && h.number > RESP_UNTRUSTED_BULK_MAX_BYTES)
        return bad(p, "unauthenticated bulk length");
    p->has_bulk = true;
    p->bulk_bytes = (size_t)h.number;
    return RESP_PARSE_REQUEST;
}

static enum resp_parse_result parse_array(struct resp_parser *p, const uint8_t *data, size_t size,
                                          struct resp_request *out_request)
{
    enum resp_parse_result r;

    if (!p->has_count) {
        r = take_count(p, data, size);
        if (r != RESP_PARSE_REQUEST)
            return r;
    }
    while (p->args_left > 0) {
        if (!p->has_bulk) {
            r = take_bulk_header(p, data, size);
            if (r != RESP_PARSE_REQUEST)
                return r;
        }
        size_t end = p->position + p->bulk_bytes + 2;
        p->is_too_big = end > p->limits->request_max_bytes;
        if (p->is_too_big)
            return bad(p, "too big request");
        if (end > size)
            return RESP_PARSE_MORE;
        if (!push_arg(p, p->position, p->bulk_bytes))
            return bad(p, "out of memory");
        p->position = end;
        p->has_bulk = false;
        p->args_left--;
    }
    return finish(p, data, out_request);
}

static enum resp_parse_result parse_inline(struct resp_parser *p, uint8_t *data, size_t size,
                                           struct resp_request *out_request)
{
    size_t end;
    enum resp_parse_result r = find_line_end(p, data, size, '\n', "too big inline request", &end);

    if (r != RESP_PARSE_REQUEST)
        return r;
    p->position = end + 1;
    if (end > 0 && data[end - 1] == '\r')
        end--;
    for (size_t at = 0;;) {
        struct bytes word;
        enum words_result w = words_take(data, end, &at, &word);
        if (w == WORDS_END)
            return finish(p, data, out_request);
        if (w == WORDS_UNBALANCED)
            return bad(p, "unbalanced quotes in request");
        if (!push_arg(p, (size_t)(word.data - data), word.size))
            return bad(p, "out of memory");
    }
}

enum resp_parse_result resp_parse(struct resp_parser *p, uint8_t *data, size_t size,
                                  struct resp_request *out_request)
{
    if (p->is_done)
        begin(p);
    if (p->error[0] != '\0')
        return RESP_PARSE_BAD;
    if (size == 0)
        return RESP_PARSE_MORE;
    if (data[0] == '*')
        return parse_array(p, data, size, out_request);
    return parse_inline(p, data, size, out_request);
}
