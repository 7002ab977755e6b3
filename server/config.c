#include "server/config.h"

#include "base/check.h"

#include <inttypes.h>
#include <string.h>

bool server_config_is_called(const struct config_parameter *p, struct bytes text)
{
    const char *name = p->name;
    size_t size = strlen(name);

    if (text.size != size)
        return false;
    for (size_t i = 0; i < size; i++) {
        uint8_t c = text.data[i];
        if ((c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c) != (uint8_t)name[i])
            return false;
    }
    return true;
}

const struct config_parameter *server_config_find(struct bytes name)
{
    for (const struct config_parameter *p = server_config_table(); p->name != NULL; p++) {
        if (server_config_is_called(p, name))
            return p;
    }
    return NULL;
}

const struct config_parameter *server_config_target(const struct config_parameter *p)
{
    return p->same_as == NULL ? p : server_config_find(bytes_str(p->same_as));
}

/* ---- Where values are -------------------------------------------------------------------------
 */

static bool is_remembered(const struct config_parameter *p)
{
    return (p->flags & (CONFIG_NOTHING | CONFIG_REFUSED)) != 0;
}

static void *field(const struct server_config *c, const struct config_parameter *p)
{
    return (uint8_t *)c + p->offset;
}

/* The text of a parameter that is one: its field's, or what is remembered. */
static char **text_field(const struct server_config *c, const struct config_parameter *p)
{
    if (is_remembered(p))
        return (char **)&c->remembered[p - server_config_table()];
    return field(c, p);
}

static size_t value_size(const struct config_parameter *p)
{
    switch (p->type) {
    case CONFIG_YES_NO:
        return sizeof(bool);
    case CONFIG_RATIO:
        return sizeof(double);
    case CONFIG_PERCENTILES:
        return sizeof(struct config_percentiles);
    case CONFIG_OUTPUT_LIMIT:
        return CONFIG_OUTPUT_CLASSES * sizeof(struct config_output_limit);
    default:
        return sizeof(int64_t);
    }
}

static struct status set_string(struct server_config *c, char **to, struct bytes text)
{
    char *copy = alloc_bytes(c->alloc, text.size + 1);

    if (copy == NULL)
        return status_of(ST_NO_MEMORY);
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    if (*to != NULL)
        alloc_free(c->alloc, *to, strlen(*to) + 1);
    *to = copy;
    return status_ok();
}

/* ---- Setting ----------------------------------------------------------------------------------
 */

static struct status refuse(struct errbuf *err, const char *why)
{
    errbuf_set(err, "%s", why);
    return status_of(ST_INVALID);
}

/* What is remembered is kept as it would be told. */
static struct status remembered_text(const struct config_parameter *p, const struct bytes *values,
                                     size_t count, struct buf *out, struct errbuf *err)
{
    union config_value value = { 0 };

    if (config_is_text(p))
        return config_text_take(p, values, count, out, err);
    TRY(config_value_take(p, values, count, &value, err));
    config_value_tell(p, &value, out);
    return status_ok();
}

static struct status set_text(struct server_config *c, const struct config_parameter *p,
                              const struct bytes *values, size_t count, struct errbuf *err)
{
    char **to = text_field(c, p);
    struct buf text;

    buf_init(&text, c->alloc, SIZE_MAX);
    struct status s = remembered_text(p, values, count, &text, err);
    if (succeeded(s) && text.is_failed)
        s = status_of(ST_NO_MEMORY);
    else if (succeeded(s) && p->flags & CONFIG_REFUSED && *to != NULL &&
             !bytes_equal(buf_bytes(&text), bytes_str(*to)))
        s = refuse(err, p->help);
    if (succeeded(s))
        s = set_string(c, to, buf_bytes(&text));
    buf_deinit(&text);
    return s;
}

struct status server_config_set(struct server_config *c, const struct config_parameter *p,
                                const struct bytes *values, size_t count, struct errbuf *err)
{
    union config_value value = { 0 };

    p = server_config_target(p);
    for (size_t i = 0; i < count; i++) {
        if (values[i].size > 0 && memchr(values[i].data, '\0', values[i].size) != NULL)
            return refuse(err, "argument must not hold a zero byte");
    }
    if (is_remembered(p) || config_is_text(p))
        return set_text(c, p, values, count, err);
    memcpy(&value, field(c, p), value_size(p));
    TRY(config_value_take(p, values, count, &value, err));
    memcpy(field(c, p), &value, value_size(p));
    return status_ok();
}

/* Is its one text, as CONFIG SET has it, several words? */
static bool is_split(const struct config_parameter *p)
{
    return p->type == CONFIG_OUTPUT_LIMIT || p->type == CONFIG_SAVE ||
           p->type == CONFIG_PERCENTILES || p->type == CONFIG_CHOICES || p->type == CONFIG_SCORES;
}

struct status server_config_set_text(struct server_config *c, const struct config_parameter *p,
                                     struct bytes text, struct errbuf *err)
{
    struct bytes words[CONFIG_WORDS_MAX];
    size_t count;

    if (!is_split(server_config_target(p)))
        return server_config_set(c, p, &text, 1, err);
    uint8_t *room = alloc_bytes(c->alloc, text.size + 1);
    if (room == NULL)
        return status_of(ST_NO_MEMORY);
    struct status s = server_config_split(text, room, words, &count)
                          ? server_config_set(c, p, words, count, err)
                          : refuse(err, "unbalanced quotes");
    alloc_free(c->alloc, room, text.size + 1);
    return s;
}

/* ---- Telling ----------------------------------------------------------------------------------
 */

void server_config_get(const struct server_config *c, const struct config_parameter *p,
                       struct buf *out)
{
    union config_value value;

    p = server_config_target(p);
    if (is_remembered(p) || config_is_text(p)) {
        buf_append(out, bytes_str(*text_field(c, p)));
        return;
    }
    memcpy(&value, field(c, p), value_size(p));
    config_value_tell(p, &value, out);
}

/* The words of a parameter's initial value. */
static size_t initial_words(const struct config_parameter *p, uint8_t room[256],
                            struct bytes words[CONFIG_WORDS_MAX])
{
    size_t count = 1;

    words[0] = bytes_str(p->initial);
    if (is_split(p))
        CHECK(server_config_split(bytes_str(p->initial), room, words, &count));
    return count;
}

void server_config_initial(const struct config_parameter *p, struct buf *out)
{
    struct bytes words[CONFIG_WORDS_MAX];
    struct errbuf err;
    uint8_t room[256];

    p = server_config_target(p);
    struct status s = remembered_text(p, words, initial_words(p, room, words), out, &err);
    CHECK(succeeded(s)); /* The table's own values are right. */
}

bool server_config_is_same(const struct server_config *a, const struct server_config *b,
                           const struct config_parameter *p)
{
    struct buf texts[2];

    buf_init(&texts[0], a->alloc, SIZE_MAX);
    buf_init(&texts[1], a->alloc, SIZE_MAX);
    server_config_get(a, p, &texts[0]);
    server_config_get(b, p, &texts[1]);
    bool is_same = bytes_equal(buf_bytes(&texts[0]), buf_bytes(&texts[1]));
    buf_deinit(&texts[0]);
    buf_deinit(&texts[1]);
    return is_same;
}

static void append_choices(const struct config_parameter *p, struct buf *out)
{
    for (size_t i = 0; p->choices[i] != NULL; i++) {
        bool is_last = p->choices[i + 1] == NULL;
        buf_append_format(out, "%s%s", i == 0 ? "" : is_last ? " or " : ", ", p->choices[i]);
    }
}

/* "a number from 1 to 7". */
static void append_range(const struct config_parameter *p, const char *what, const char *unit,
                         struct buf *out)
{
    if (p->max == INT64_MAX && p->min == 0)
        buf_append(out, bytes_str(what));
    else if (p->max == INT64_MAX)
        buf_append_format(out, "%s from %" PRId64 "%s", what, p->min, unit);
    else
        buf_append_format(out, "%s from %" PRId64 " to %" PRId64 "%s", what, p->min, p->max, unit);
}

void server_config_expected(const struct config_parameter *p, struct buf *out)
{
    p = server_config_target(p);
    switch (p->type) {
    case CONFIG_YES_NO:
        buf_append(out, bytes_str("yes or no"));
        break;
    case CONFIG_NUMBER:
    case CONFIG_RATIO:
        append_range(p, "a number", "", out);
        break;
    case CONFIG_OCTAL:
        buf_append_format(out, "an octal number from %" PRIo64 " to %" PRIo64, (uint64_t)p->min,
                          (uint64_t)p->max);
        break;
    case CONFIG_MEMORY:
        append_range(
            p, p->max == INT64_MAX && p->min == 0 ? "a size such as 64mb" : "a size such as 64mb,",
            " bytes", out);
        break;
    case CONFIG_SHARE:
        buf_append(out, bytes_str("a size such as 64mb, or a share such as 5%"));
        break;
    case CONFIG_CHOICE:
        append_choices(p, out);
        break;
    case CONFIG_CHOICES:
        buf_append(out, bytes_str("one or more of "));
        append_choices(p, out);
        break;
    case CONFIG_TEXT:
        buf_append(out, bytes_str("one word, or a text in quotes"));
        break;
    case CONFIG_WORDS:
        buf_append(out, bytes_str("words"));
        break;
    case CONFIG_SCORES:
        append_range(p, "three numbers, each", "", out);
        break;
    case CONFIG_SAVE:
        buf_append(out, bytes_str("pairs of seconds and changes, or \"\""));
        break;
    case CONFIG_PERCENTILES:
        buf_append(out, bytes_str("numbers from 0 to 100"));
        break;
    case CONFIG_OUTPUT_LIMIT:
        buf_append(out, bytes_str("a class (normal, replica or pubsub), a size, a size and a "
                                  "number of seconds"));
        break;
    case CONFIG_EVENTS:
        buf_append(out, bytes_str("letters of KEg$lshzxetdmn and A"));
        break;
    }
}

/* ---- Life -------------------------------------------------------------------------------------
 */

struct status server_config_init(struct server_config *c, struct alloc *alloc)
{
    struct errbuf err = { "" };

    *c = (struct server_config) { .alloc = alloc };
    TRY(set_string(c, &c->file, bytes_str("")));
    for (const struct config_parameter *p = server_config_table(); p->name != NULL; p++) {
        struct bytes words[CONFIG_WORDS_MAX];
        uint8_t room[256];
        if (p->same_as != NULL)
            continue;
        struct status s = server_config_set(c, p, words, initial_words(p, room, words), &err);
        if (failed(s)) {
            CHECK(s.code == ST_NO_MEMORY); /* The table's own values are right. */
            server_config_deinit(c);
            return s;
        }
    }
    return status_ok();
}

static void free_string(struct server_config *c, char **text)
{
    if (*text != NULL)
        alloc_free(c->alloc, *text, strlen(*text) + 1);
    *text = NULL;
}

void server_config_deinit(struct server_config *c)
{
    for (const struct config_parameter *p = server_config_table(); p->name != NULL; p++) {
        if (p->same_as == NULL && (is_remembered(p) || config_is_text(p)))
            free_string(c, text_field(c, p));
    }
    free_string(c, &c->file);
}

struct status server_config_check(const struct server_config *c, struct errbuf *err)
{
    if (c->level0_slow < c->level0_compact || c->level0_stop <= c->level0_slow)
        return refuse(err, "level0-compact <= level0-slow < level0-stop must hold");
    if (c->port == 0 && c->unixsocket[0] == '\0')
        return refuse(err, "port is 0 and there is no unixsocket: nothing to listen on");
    if (strcmp(c->dbfilename, "0") == 0)
        return refuse(err, "dbfilename: '0' is the store itself");
    if (c->dbfilename[0] == '\0' || c->dbfilename[0] == '.' || strchr(c->dbfilename, '/') != NULL)
        return refuse(err, "dbfilename can't be a path, just a filename");
    return status_ok();
}
