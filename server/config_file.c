/* Parameters from text: the lines of files and of those they include, and the flags. */
#include "server/config.h"

#include "base/words.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool server_config_split(struct bytes line, uint8_t *room, struct bytes words[CONFIG_WORDS_MAX],
                         size_t *out_count)
{
    enum words_result w = WORDS_TAKEN;
    size_t count = 0;

    if (line.size > 0)
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

enum { INCLUDE_DEPTH_MAX = 16, INCLUDED_MAX = 1 << 20 };

/* Where lines come from: for messages, and for what they include. */
struct reading {
    struct server_config *config;
    const struct config_source *source; /* NULL: nothing can be included. */
    const char *name;
    unsigned depth;
    bool is_file; /* Not flags. */
};

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

/* Lines of a file that say when to save add up; an empty one ends what was said before. */
static struct status add_save_points(struct server_config *c, const struct config_parameter *p,
                                     const struct bytes *values, size_t count, struct errbuf *err)
{
    struct buf text;

    buf_init(&text, c->alloc, SIZE_MAX);
    if (count != 1 || values[0].size > 0)
        server_config_get(c, p, &text);
    for (size_t i = 0; i < count; i++) {
        buf_append_u8(&text, ' ');
        buf_append(&text, values[i]);
    }
    struct status s = text.is_failed ? status_of(ST_NO_MEMORY)
                                     : server_config_set_text(c, p, buf_bytes(&text), err);
    buf_deinit(&text);
    return s;
}

static struct status set_by_name(const struct reading *r, struct bytes name,
                                 const struct bytes *values, size_t count, struct errbuf *err)
{
    const struct config_parameter *p = server_config_find(name);
    struct errbuf why = { "" };
    struct buf expected;

    if (p == NULL)
        return unknown(name, err);
    struct status s = r->is_file && p->type == CONFIG_SAVE
                          ? add_save_points(r->config, p, values, count, &why)
                          : server_config_set(r->config, p, values, count, &why);
    if (s.code != ST_INVALID)
        return s;
    if (server_config_target(p)->flags & CONFIG_REFUSED) {
        errbuf_set(err, "'%s': %s", p->name, why.text);
        return s;
    }
    p = server_config_target(p);
    if (p->type == CONFIG_CHOICE && p->choices[1] == NULL) {
        errbuf_set(err, "'%s': expected %s. %s", p->name, p->choices[0], p->help);
        return s;
    }
    buf_init(&expected, r->config->alloc, ERRBUF_SIZE);
    server_config_expected(p, &expected);
    errbuf_set(err, "'%s': %s; expected %.*s", p->name, why.text, (int)expected.size,
               (const char *)expected.data);
    buf_deinit(&expected);
    return s;
}

/* ---- Files ------------------------------------------------------------------------------------
 */

static struct status read_lines(const struct reading *r, struct bytes text, struct errbuf *err);

static struct status read_included(void *context, const char *path, struct errbuf *err)
{
    const struct reading *outer = context;
    struct reading r = *outer;
    struct buf text;

    r.name = path;
    r.depth++;
    r.is_file = true;
    if (r.depth > INCLUDE_DEPTH_MAX) {
        errbuf_set(err, "'%s' is included %d files deep: does it include itself?", path, r.depth);
        return status_of(ST_INVALID);
    }
    buf_init(&text, r.config->alloc, INCLUDED_MAX);
    struct status s = r.source->read(r.source->context, path, &text, err);
    if (succeeded(s))
        s = read_lines(&r, buf_bytes(&text), err);
    buf_deinit(&text);
    return s;
}

/* Files that are named, or that a pattern names. One that is named has to be there. */
static struct status include(const struct reading *r, const struct bytes *values, size_t count,
                             struct errbuf *err)
{
    char path[4096];

    if (count != 1 || values[0].size == 0 || values[0].size >= sizeof path || r->source == NULL) {
        errbuf_set(err, "'include': expected the path of a file, or a pattern of paths");
        return status_of(ST_INVALID);
    }
    (void)snprintf(path, sizeof path, "%.*s", (int)values[0].size, (const char *)values[0].data);
    struct reading inner = *r;
    if (strpbrk(path, "*?") == NULL)
        return read_included(&inner, path, err);
    return r->source->list(r->source->context, path, read_included, &inner, err);
}

bool server_config_is_include(struct bytes name)
{
    return name.size == 7 && strncasecmp((const char *)name.data, "include", 7) == 0;
}

static struct status take_words(const struct reading *r, const struct bytes *words, size_t count,
                                struct errbuf *err)
{
    if (server_config_is_include(words[0]))
        return include(r, words + 1, count - 1, err);
    return set_by_name(r, words[0], words + 1, count - 1, err);
}

static struct status read_line(const struct reading *r, struct bytes line, uint8_t *room,
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
    return take_words(r, words, count, err);
}

static struct status read_lines(const struct reading *r, struct bytes text, struct errbuf *err)
{
    struct alloc *alloc = r->config->alloc;
    struct status s = status_ok();
    size_t room_size = text.size + 1;
    uint8_t *room = alloc_bytes(alloc, room_size);

    if (room == NULL)
        return status_of(ST_NO_MEMORY);
    for (unsigned number = 1; text.size > 0 && succeeded(s); number++) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end == NULL ? text.size : (size_t)(end - text.data);
        s = read_line(r, bytes_of(text.data, size), room, err);
        if (s.code == ST_INVALID)
            errbuf_prefix(err, "%s:%u", r->name, number);
        text = bytes_skip(text, end == NULL ? size : size + 1);
    }
    alloc_free(alloc, room, room_size);
    return s;
}

struct status server_config_read_text(struct server_config *c, const struct config_source *source,
                                      const char *name, struct bytes text, struct errbuf *err)
{
    const struct reading r = { .config = c, .source = source, .name = name, .is_file = true };

    return read_lines(&r, text, err);
}

/* ---- Flags ------------------------------------------------------------------------------------
 */

static bool is_flag(const char *word)
{
    return word[0] == '-' && word[1] == '-' && word[2] != '\0';
}

struct status server_config_read_flags(struct server_config *c, const struct config_source *source,
                                       int argc, const char *const *argv, struct errbuf *err)
{
    const struct reading r = { .config = c, .source = source, .name = "flags" };

    for (int i = 0; i < argc;) {
        struct bytes words[CONFIG_WORDS_MAX];
        size_t count = 1;
        const char *flag = argv[i++];
        if (!is_flag(flag)) {
            errbuf_set(err, "'%s': expected --name value", flag);
            return status_of(ST_INVALID);
        }
        words[0] = bytes_str(flag + 2);
        while (i < argc && !is_flag(argv[i]) && count < CONFIG_WORDS_MAX)
            words[count++] = bytes_str(argv[i++]);
        struct status s = take_words(&r, words, count, err);
        if (s.code == ST_INVALID)
            errbuf_prefix(err, "%s", flag);
        TRY(s);
    }
    return status_ok();
}
