#include "cli/print.h"

static void append_str(struct buf *out, const char *text)
{
    buf_append(out, bytes_str(text));
}

/* How text stands between quotes. */
struct quoting {
    const char *named; /* Characters that are a backslash and a letter, */
    const char *names; /* and these letters. */
    bool is_json;      /* Which is text: bytes outside of ASCII go out as they are. */
};

static void append_quoted(const struct quoting *q, struct bytes text, struct buf *out)
{
    buf_append_u8(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        const char *named = c == 0 ? NULL : strchr(q->named, c);
        if (named != NULL)
            buf_append_format(out, "\\%c", q->names[named - q->named]);
        else if (c >= ' ' && (c < 127 || q->is_json))
            buf_append_u8(out, c);
        else if (q->is_json)
            buf_append_format(out, "\\u%04x", c);
        else
            buf_append_format(out, "\\x%02x", c);
    }
    buf_append_u8(out, '"');
}

void cli_print_quoted(struct bytes text, struct buf *out)
{
    static const struct quoting people = { .named = "\n\r\t\a\b\\\"", .names = "nrtab\\\"" };

    append_quoted(&people, text, out);
}

static bool is_true(const struct cli_value *v)
{
    return bytes_equal(v->text, bytes_str("t"));
}

/* ---- For people ------------------------------------------------------------------------------ */

static void print_people(const struct cli_value *v, size_t indent, struct buf *out);

/* "(empty array)" */
static void print_empty(enum cli_type type, struct buf *out)
{
    buf_append_format(out, "(empty %s)",
                      type == CLI_MAP    ? "hash"
                      : type == CLI_SET  ? "set"
                      : type == CLI_PUSH ? "push"
                                         : "array");
}

/* Each item behind its number, items of items indented by the numbers before them. */
static void print_items(const struct cli_value *v, size_t indent, struct buf *out)
{
    size_t step = v->type == CLI_MAP ? 2 : 1;
    char mark = v->type == CLI_MAP ? '#' : v->type == CLI_SET ? '~' : ')';
    int digits = 0;

    for (size_t n = v->count / step; n > 0; n /= 10)
        digits++;
    for (size_t i = 0; i < v->count; i += step) {
        if (i > 0)
            buf_append_format(out, "\n%*s", (int)indent, "");
        buf_append_format(out, "%*zu%c ", digits, i / step + 1, mark);
        print_people(&v->items[i], indent + (size_t)digits + 2, out);
        if (step == 1)
            continue;
        append_str(out, " => ");
        print_people(&v->items[i + 1], indent + (size_t)digits + 2, out);
    }
}

static void print_people(const struct cli_value *v, size_t indent, struct buf *out)
{
    switch (v->type) {
    case CLI_NULL:
        append_str(out, "(nil)");
        break;
    case CLI_ERROR:
        append_str(out, "(error) ");
        buf_append(out, v->text);
        break;
    case CLI_INTEGER:
    case CLI_BIG_NUMBER:
        append_str(out, "(integer) ");
        buf_append(out, v->text);
        break;
    case CLI_DOUBLE:
        append_str(out, "(double) ");
        buf_append(out, v->text);
        break;
    case CLI_BOOLEAN:
        append_str(out, is_true(v) ? "(true)" : "(false)");
        break;
    case CLI_BULK:
        cli_print_quoted(v->text, out);
        break;
    case CLI_STATUS:
    case CLI_VERBATIM:
        buf_append(out, v->text);
        break;
    default:
        if (v->count == 0)
            print_empty(v->type, out);
        else
            print_items(v, indent, out);
    }
}

/* ---- For programs ---------------------------------------------------------------------------- */

static void print_raw(const struct cli_value *v, struct buf *out)
{
    for (size_t i = 0; i < v->count; i++) {
        if (i > 0)
            buf_append_u8(out, v->type == CLI_MAP && i % 2 == 1 ? ' ' : '\n');
        print_raw(&v->items[i], out);
    }
    if (v->type == CLI_BOOLEAN)
        append_str(out, is_true(v) ? "(true)" : "(false)");
    else if (!cli_value_is_container(v) && v->type != CLI_NULL)
        buf_append(out, v->text);
}

static void print_csv(const struct cli_value *v, struct buf *out)
{
    for (size_t i = 0; i < v->count; i++) {
        if (i > 0)
            buf_append_u8(out, ',');
        print_csv(&v->items[i], out);
    }
    if (v->type == CLI_ERROR)
        append_str(out, "ERROR,");
    if (v->type == CLI_NULL)
        append_str(out, "NULL");
    else if (v->type == CLI_BOOLEAN)
        append_str(out, is_true(v) ? "true" : "false");
    else if (v->type == CLI_INTEGER || v->type == CLI_BIG_NUMBER || v->type == CLI_DOUBLE)
        buf_append(out, v->text);
    else if (!cli_value_is_container(v))
        cli_print_quoted(v->text, out);
}

static void print_json_text(struct bytes text, struct buf *out)
{
    static const struct quoting json = { .named = "\n\f\r\t\b\\\"",
                                         .names = "nfrtb\\\"",
                                         .is_json = true };

    append_quoted(&json, text, out);
}

static void print_json(const struct cli_value *v, struct buf *out)
{
    bool is_map = v->type == CLI_MAP;

    switch (v->type) {
    case CLI_NULL:
        append_str(out, "null");
        break;
    case CLI_BOOLEAN:
        append_str(out, is_true(v) ? "true" : "false");
        break;
    case CLI_INTEGER:
    case CLI_DOUBLE:
        buf_append(out, v->text);
        break;
    case CLI_ERROR:
        append_str(out, "error:");
        print_json_text(v->text, out);
        break;
    case CLI_ARRAY:
    case CLI_SET:
    case CLI_PUSH:
    case CLI_MAP:
        buf_append_u8(out, is_map ? '{' : '[');
        for (size_t i = 0; i < v->count; i++) {
            bool is_key = is_map && i % 2 == 0;
            if (i > 0)
                buf_append_u8(out, is_map && !is_key ? ':' : ',');
            if (is_key && !cli_value_is_container(&v->items[i]))
                print_json_text(v->items[i].text, out);
            else
                print_json(&v->items[i], out);
        }
        buf_append_u8(out, is_map ? '}' : ']');
        break;
    default:
        print_json_text(v->text, out);
    }
}

void cli_print(enum cli_format format, const struct cli_value *v, struct buf *out)
{
    switch (format) {
    case CLI_RAW:
        print_raw(v, out);
        break;
    case CLI_CSV:
        print_csv(v, out);
        break;
    case CLI_JSON:
        print_json(v, out);
        break;
    default:
        print_people(v, 0, out);
    }
    buf_append_u8(out, '\n');
}
