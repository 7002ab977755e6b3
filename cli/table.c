#include "cli/table.h"

enum { COLUMNS_MAX = 16, WIDTH_MAX = 60 };

/* "name:value" of a line; false for another. */
struct line {
    struct bytes name;
    struct bytes value;
};

/* A value of facts, "calls=3,usec=10". */
struct facts {
    struct bytes names[COLUMNS_MAX];
    struct bytes values[COLUMNS_MAX];
    size_t count;
};

/* Where mark is first; the size if it is nowhere. */
static size_t find(struct bytes text, char mark)
{
    size_t at = 0;

    while (at < text.size && text.data[at] != (uint8_t)mark)
        at++;
    return at;
}

static struct bytes take_line(struct bytes *text)
{
    size_t size = find(*text, '\n');
    struct bytes line = bytes_of(text->data, size);

    *text = bytes_skip(*text, size < text->size ? size + 1 : size);
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    return line;
}

/* What lies before a mark, and behind it; false if there is none. */
static bool split(struct bytes text, char mark, struct bytes *out_before, struct bytes *out_behind)
{
    size_t size = find(text, mark);

    if (size == text.size)
        return false;
    *out_before = bytes_of(text.data, size);
    *out_behind = bytes_skip(text, size + 1);
    return true;
}

static bool parse_line(struct bytes text, struct line *out)
{
    return text.size > 0 && text.data[0] != '#' && split(text, ':', &out->name, &out->value) &&
           out->name.size <= WIDTH_MAX;
}

static bool parse_facts(struct bytes value, struct facts *out)
{
    out->count = 0;
    while (value.size > 0) {
        struct bytes fact = value;
        struct bytes rest = bytes_of(NULL, 0);
        if (out->count == COLUMNS_MAX)
            return false;
        if (!split(value, ',', &fact, &rest))
            fact = value;
        if (!split(fact, '=', &out->names[out->count], &out->values[out->count]))
            return false;
        out->count++;
        value = rest;
    }
    return out->count > 0;
}

static bool same_names(const struct facts *a, const struct facts *b)
{
    bool is_same = a->count == b->count;

    for (size_t i = 0; is_same && i < a->count; i++)
        is_same = bytes_equal(a->names[i], b->names[i]);
    return is_same;
}

static void append_padded(struct buf *out, struct bytes text, size_t width, bool is_right)
{
    size_t padding = text.size < width ? width - text.size : 0;

    if (is_right)
        buf_append_format(out, "%*s", (int)padding, "");
    buf_append(out, text);
    if (!is_right)
        buf_append_format(out, "%*s", (int)padding, "");
}

static void widen(size_t *width, struct bytes text)
{
    if (text.size > *width)
        *width = text.size;
}

/* The lines at the front of text whose values are facts of the same names, as a table; behind is
 * what follows them. */
static void append_facts(struct bytes text, size_t name_width, struct buf *out,
                         struct bytes *out_behind)
{
    size_t widths[COLUMNS_MAX] = { 0 };
    struct facts first = { .count = 0 };
    struct facts facts;
    struct line line;
    struct bytes rest = text;

    for (struct bytes next = text; *out_behind = next, next.size > 0;) {
        if (!parse_line(take_line(&next), &line) || !parse_facts(line.value, &facts) ||
            (first.count > 0 && !same_names(&first, &facts)))
            break;
        if (first.count == 0)
            first = facts;
        for (size_t i = 0; i < facts.count; i++) {
            widen(&widths[i], facts.names[i]);
            widen(&widths[i], facts.values[i]);
        }
    }
    for (bool is_head = true; is_head || rest.data != out_behind->data; is_head = false) {
        if (!is_head && (!parse_line(take_line(&rest), &line) || !parse_facts(line.value, &facts)))
            return;
        buf_append(out, bytes_str("  "));
        append_padded(out, is_head ? bytes_of("", 0) : line.name, name_width, false);
        for (size_t i = 0; i < first.count; i++) {
            buf_append(out, bytes_str("  "));
            append_padded(out, is_head ? first.names[i] : facts.values[i], widths[i], true);
        }
        buf_append_u8(out, '\n');
    }
}

/* The longest name from here to the section's end. */
static size_t name_width_of(struct bytes text)
{
    struct line line;
    size_t width = 0;

    while (text.size > 0) {
        struct bytes here = take_line(&text);
        if (here.size > 0 && here.data[0] == '#')
            break;
        if (parse_line(here, &line))
            widen(&width, line.name);
    }
    return width;
}

void cli_table_info(struct bytes text, struct buf *out)
{
    size_t width = name_width_of(text);
    struct facts facts;
    struct line line;

    while (text.size > 0) {
        struct bytes from = text;
        struct bytes here = take_line(&text);
        if (here.size > 0 && here.data[0] == '#') {
            buf_append(out, bytes_skip(here, here.size > 1 && here.data[1] == ' ' ? 2 : 1));
            width = name_width_of(text);
        } else if (parse_line(here, &line) && parse_facts(line.value, &facts)) {
            append_facts(from, width, out, &text);
            continue;
        } else if (parse_line(here, &line)) {
            buf_append(out, bytes_str("  "));
            append_padded(out, line.name, width + 2, false);
            buf_append(out, line.value);
        } else {
            buf_append(out, here);
        }
        buf_append_u8(out, '\n');
    }
}
