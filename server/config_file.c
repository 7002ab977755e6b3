/* Parameters from text: the file's lines, and the flags. */
#include "server/config.h"

#include <stdio.h>

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that the escape behind the backslash at *i stands for; *i moves to its last byte. */
static uint8_t unescape(struct bytes line, size_t *i)
{
    const uint8_t *at = line.data + *i + 1;
    size_t left = line.size - *i - 1;

    if (left >= 3 && at[0] == 'x' && hex_digit(at[1]) >= 0 && hex_digit(at[2]) >= 0) {
        *i += 3;
        return (uint8_t)(hex_digit(at[1]) << 4 | hex_digit(at[2]));
    }
    *i += 1;
    switch (at[0]) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return at[0];
    }
}

/* The word at *at, into room; *at moves behind it. False: its quote is not closed, or something
 * touches the quote's end. */
static bool take_word(struct bytes line, size_t *at, uint8_t *room, size_t *out_size)
{
    uint8_t quote = 0;
    size_t n = 0;
    size_t i = *at;

    for (; i < line.size; i++) {
        uint8_t c = line.data[i];
        if (quote == 0 && is_blank(c))
            break;
        if (quote == 0 && (c == '"' || c == '\'')) {
            quote = c;
        } else if (quote != 0 && c == quote) {
            quote = 0;
            i++;
            if (i < line.size && !is_blank(line.data[i]))
                return false;
            break;
        } else if (quote == '"' && c == '\\' && i + 1 < line.size) {
            room[n++] = unescape(line, &i);
        } else {
            room[n++] = c;
        }
    }
    *at = i;
    *out_size = n;
    return quote == 0;
}

bool server_config_split(struct bytes line, uint8_t *room, struct bytes words[CONFIG_WORDS_MAX],
                         size_t *out_count)
{
    size_t count = 0;

    for (size_t at = 0;;) {
        while (at < line.size && is_blank(line.data[at]))
            at++;
        if (at == line.size || count == CONFIG_WORDS_MAX)
            break;
        size_t size;
        if (!take_word(line, &at, room, &size))
            return false;
        words[count++] = bytes_of(room, size);
        room += size;
    }
    *out_count = count;
    return true;
}

/* ---- Words to parameters ----------------------------------------------------------------------
 */

/* How many letters two names differ by, in place; names as long as one another only. */
static bool is_near(struct bytes a, const char *b)
{
    size_t size = strlen(b);
    size_t differences = 0;

    if (a.size + 1 < size || size + 1 < a.size)
        return false;
    for (size_t i = 0, j = 0; i < a.size && j < size; i++, j++) {
        if (a.data[i] == (uint8_t)b[j])
            continue;
        differences++;
        if (a.size < size)
            i--; /* A letter is missing. */
        else if (a.size > size)
            j--; /* One is too many. */
        if (differences > 2)
            return false;
    }
    return differences <= 2;
}

static struct status unknown(struct bytes name, struct errbuf *err)
{
    for (const struct config_parameter *p = server_config_table(); p->name != NULL; p++) {
        if (is_near(name, p->name)) {
            errbuf_set(err, "unknown parameter '%.*s'; expected a parameter, perhaps '%s'",
                       (int)name.size, (const char *)name.data, p->name);
            return status_of(ST_INVALID);
        }
    }
    errbuf_set(err, "unknown parameter '%.*s'; expected one that 'varve server --help' lists",
               (int)name.size, (const char *)name.data);
    return status_of(ST_INVALID);
}

static struct status set_by_name(struct server_config *c, struct bytes name,
                                 const struct bytes *values, size_t count, struct errbuf *err)
{
    const struct config_parameter *p = server_config_find(name);
    struct errbuf why = { "" };
    struct buf expected;

    if (p == NULL)
        return unknown(name, err);
    struct status s = server_config_set(c, p, values, count, &why);
    if (s.code != ST_INVALID)
        return s;
    buf_init(&expected, c->alloc, ERRBUF_SIZE);
    server_config_expected(p, &expected);
    errbuf_set(err, "'%s': %s; expected %.*s", p->name, why.text, (int)expected.size,
               (const char *)expected.data);
    buf_deinit(&expected);
    return s;
}

static struct status read_line(struct server_config *c, struct bytes line, uint8_t *room,
                               struct errbuf *err)
{
    struct bytes words[CONFIG_WORDS_MAX];
    size_t count;

    while (line.size > 0 && is_blank(line.data[0]))
        line = bytes_skip(line, 1);
    if (line.size == 0 || line.data[0] == '#')
        return status_ok();
    if (!server_config_split(line, room, words, &count)) {
        errbuf_set(err, "a quote is not closed; expected a name and its values");
        return status_of(ST_INVALID);
    }
    return set_by_name(c, words[0], words + 1, count - 1, err);
}

struct status server_config_read_text(struct server_config *c, const char *name, struct bytes text,
                                      struct errbuf *err)
{
    struct status s = status_ok();
    size_t room_size = text.size + 1;
    uint8_t *room = alloc_bytes(c->alloc, room_size);

    if (room == NULL)
        return status_of(ST_NO_MEMORY);
    for (unsigned number = 1; text.size > 0 && succeeded(s); number++) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end == NULL ? text.size : (size_t)(end - text.data);
        s = read_line(c, bytes_of(text.data, size), room, err);
        if (s.code == ST_INVALID)
            errbuf_prefix(err, "%s:%u", name, number);
        text = bytes_skip(text, end == NULL ? size : size + 1);
    }
    alloc_free(c->alloc, room, room_size);
    return s;
}

static bool is_flag(const char *word)
{
    return word[0] == '-' && word[1] == '-' && word[2] != '\0';
}

struct status server_config_read_flags(struct server_config *c, int argc, const char *const *argv,
                                       struct errbuf *err)
{
    for (int i = 0; i < argc;) {
        struct bytes values[CONFIG_WORDS_MAX];
        size_t count = 0;
        const char *flag = argv[i++];
        if (!is_flag(flag)) {
            errbuf_set(err, "'%s': expected --name value", flag);
            return status_of(ST_INVALID);
        }
        while (i < argc && !is_flag(argv[i]) && count < CONFIG_WORDS_MAX)
            values[count++] = bytes_str(argv[i++]);
        struct status s = set_by_name(c, bytes_str(flag + 2), values, count, err);
        if (s.code == ST_INVALID)
            errbuf_prefix(err, "%s", flag);
        TRY(s);
    }
    return status_ok();
}
