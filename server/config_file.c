/* Parameters from text: the file's lines, and the flags. */
#include "server/config.h"

#include "base/words.h"

#include <stdio.h>
#include <string.h>

bool server_config_split(struct bytes line, uint8_t *room, struct bytes words[CONFIG_WORDS_MAX],
                         size_t *out_count)
{
    enum words_result w = WORDS_TAKEN;
    size_t count = 0;

    memcpy(room, line.data, line.size);
    for (size_t at = 0; count < CONFIG_WORDS_MAX && w == WORDS_TAKEN;) {
        w = words_take(room, line.size, &at, &words[count]);
        if (w == WORDS_UNBALANCED)
            return false;
        if (w == WORDS_TAKEN)
            count++;
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
    bool has_equals = memchr(name.data, '=', name.size) != NULL;
    errbuf_set(err, "unknown parameter '%.*s'; expected %s", (int)name.size,
               (const char *)name.data,
               has_equals ? "its name and its value as two words"
                          : "one that 'varve server --help' lists");
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

    while (line.size > 0 && words_is_blank(line.data[0]))
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
