#include "cli/value.h"

/* A decimal number that takes all of text. */
static bool parse_number(struct bytes text, int64_t *out)
{
    bool is_negative = text.size > 0 && text.data[0] == '-';
    int64_t number = 0;

    if (is_negative)
        text = bytes_skip(text, 1);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' ||
            __builtin_mul_overflow(number, INT64_C(10), &number) ||
            __builtin_add_overflow(number, (int64_t)(text.data[i] - '0'), &number))
            return false;
    }
    *out = is_negative ? -number : number;
    return text.size > 0;
}

static struct status read_value(struct cli_source *s, struct arena *arena, unsigned depth,
                                struct cli_value *out);

/* count items. Room is taken as they come: a number is not yet a reply. */
static struct status read_items(struct cli_source *s, struct arena *arena, unsigned depth,
                                size_t count, struct cli_value *out)
{
    size_t capacity = 0;

    if (depth == CLI_DEPTH_MAX)
        return status_of(ST_CORRUPT);
    while (out->count < count) {
        if (out->count == capacity) {
            size_t more = capacity == 0 ? 8 : 2 * capacity;
            struct cli_value *items =
                arena_take(arena, (more < count ? more : count) * sizeof *items);
            if (items == NULL)
                return status_of(ST_NO_MEMORY);
            if (out->count > 0)
                memcpy(items, out->items, out->count * sizeof *items);
            out->items = items;
            capacity = more;
        }
        TRY(read_value(s, arena, depth + 1, &out->items[out->count]));
        out->count++;
    }
    return status_ok();
}

static struct status read_text(struct cli_source *s, struct arena *arena, enum cli_type type,
                               int64_t size, struct cli_value *out)
{
    out->type = size < 0 ? CLI_NULL : type;
    if (size < 0)
        return status_ok();
    TRY(s->bytes(s, arena, (size_t)size, &out->text));
    if (type == CLI_VERBATIM && out->text.size >= 4)
        out->text = bytes_skip(out->text, 4); /* "txt:" */
    return status_ok();
}

/* What a line begins with, and what then follows. */
enum form { FORM_LINE, FORM_TEXT, FORM_ITEMS, FORM_PAIRS };
static const struct {
    char mark;
    enum form form;
    enum cli_type type;
} KINDS[] = {
    { '+', FORM_LINE, CLI_STATUS },   { '-', FORM_LINE, CLI_ERROR },
    { ':', FORM_LINE, CLI_INTEGER },  { '(', FORM_LINE, CLI_BIG_NUMBER },
    { ',', FORM_LINE, CLI_DOUBLE },   { '#', FORM_LINE, CLI_BOOLEAN },
    { '_', FORM_LINE, CLI_NULL },     { '$', FORM_TEXT, CLI_BULK },
    { '=', FORM_TEXT, CLI_VERBATIM }, { '!', FORM_TEXT, CLI_ERROR },
    { '*', FORM_ITEMS, CLI_ARRAY },   { '~', FORM_ITEMS, CLI_SET },
    { '>', FORM_ITEMS, CLI_PUSH },    { '%', FORM_PAIRS, CLI_MAP },
    { '|', FORM_PAIRS, CLI_MAP },
};

static struct status read_value(struct cli_source *s, struct arena *arena, unsigned depth,
                                struct cli_value *out)
{
    struct bytes line;
    int64_t size;

    TRY(s->line(s, arena, &line));
    for (size_t i = 0; line.size > 0 && i < sizeof KINDS / sizeof KINDS[0]; i++) {
        if (line.data[0] != (uint8_t)KINDS[i].mark)
            continue;
        struct bytes rest = bytes_skip(line, 1);
        *out = (struct cli_value) { .type = KINDS[i].type, .text = rest };
        if (KINDS[i].form == FORM_LINE)
            return status_ok();
        out->text = bytes_of(NULL, 0);
        if (!parse_number(rest, &size) || size > INT32_MAX)
            return status_of(ST_CORRUPT);
        if (KINDS[i].form == FORM_TEXT || size < 0)
            return read_text(s, arena, KINDS[i].type, size, out);
        size_t items = (size_t)size * (KINDS[i].form == FORM_PAIRS ? 2 : 1);
        TRY(read_items(s, arena, depth, items, out));
        return line.data[0] == '|' ? read_value(s, arena, depth, out) : status_ok();
    }
    return status_of(ST_CORRUPT);
}

struct status cli_value_read(struct cli_source *s, struct arena *arena, struct cli_value *out)
{
    return read_value(s, arena, 0, out);
}

const struct cli_value *cli_value_find(const struct cli_value *map, const char *key)
{
    for (size_t i = 0; i + 1 < map->count; i += 2) {
        if (bytes_equal(map->items[i].text, bytes_str(key)))
            return &map->items[i + 1];
    }
    return NULL;
}
