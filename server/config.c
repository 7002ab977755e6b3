#include "server/config.h"

#include "base/check.h"

#include "resp/resp.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
    const char *name;
    uint64_t factor;
} UNITS[] = { { "", 1 },
              { "b", 1 },
              { "k", 1000 },
              { "kb", 1024 },
              { "m", 1000 * 1000 },
              { "mb", 1024 * 1024 },
              { "g", 1000 * 1000 * 1000 },
              { "gb", 1024 * 1024 * 1024 } };

static const char *const OUTPUT_CLASSES[CONFIG_OUTPUT_CLASSES] = { "normal", "slave", "pubsub" };

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static bool is_word(struct bytes text, const char *word)
{
    size_t size = strlen(word);

    if (text.size != size)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (lower(text.data[i]) != (uint8_t)word[i])
            return false;
    }
    return true;
}

const struct config_parameter *server_config_find(struct bytes name)
{
    for (const struct config_parameter *p = server_config_table(); p->name != NULL; p++) {
        if (is_word(name, p->name))
            return p;
    }
    return NULL;
}

/* ---- Where values are -------------------------------------------------------------------------
 */

static void *field(const struct server_config *c, const struct config_parameter *p)
{
    return (uint8_t *)c + p->offset;
}

/* The text of a parameter that is one: its field's, or what is remembered. */
static char **text_field(const struct server_config *c, const struct config_parameter *p)
{
    if (p->flags & CONFIG_NOTHING)
        return (char **)&c->remembered[p - server_config_table()];
    return field(c, p);
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

/* ---- Parsing ----------------------------------------------------------------------------------
 */

static struct status refuse(struct errbuf *err, const char *why)
{
    errbuf_set(err, "%s", why);
    return status_of(ST_INVALID);
}

/* Take digits off the front. False: there are none, or too many. */
static bool take_number(struct bytes *text, uint64_t *out)
{
    uint64_t n = 0;
    size_t i = 0;

    for (; i < text->size && text->data[i] >= '0' && text->data[i] <= '9'; i++) {
        if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(text->data[i] - '0'), &n))
            return false;
    }
    *text = bytes_skip(*text, i);
    *out = n;
    return i > 0;
}

static bool parse_memory(struct bytes text, uint64_t *out)
{
    uint64_t n;

    if (!take_number(&text, &n))
        return false;
    for (size_t i = 0; i < sizeof UNITS / sizeof UNITS[0]; i++) {
        if (is_word(text, UNITS[i].name))
            return !__builtin_mul_overflow(n, UNITS[i].factor, out);
    }
    return false;
}

static struct status check_range(const struct config_parameter *p, uint64_t n, struct errbuf *err)
{
    if (n >= p->min && n <= p->max)
        return status_ok();
    errbuf_set(err, "argument must be between %" PRIu64 " and %" PRIu64 " inclusive", p->min,
               p->max);
    return status_of(ST_INVALID);
}

static struct status parse_number(const struct config_parameter *p, struct bytes text,
                                  uint64_t *out, struct errbuf *err)
{
    bool is_negative = text.size > 0 && text.data[0] == '-';
    uint64_t n;

    if (is_negative)
        text = bytes_skip(text, 1);
    if (!take_number(&text, &n) || text.size > 0)
        return refuse(err, "argument couldn't be parsed into an integer");
    TRY(check_range(p, is_negative && n > 0 ? UINT64_MAX : n, err));
    *out = n;
    return status_ok();
}

static struct status parse_choice(const struct config_parameter *p, struct bytes text,
                                  uint64_t *out, struct errbuf *err)
{
    for (uint64_t i = 0; p->choices[i] != NULL; i++) {
        if (is_word(text, p->choices[i])) {
            *out = i;
            return status_ok();
        }
    }
    errbuf_set(err, "argument(s) must be one of the following: %s", p->choices[0]);
    for (uint64_t i = 1; p->choices[i] != NULL; i++) {
        size_t used = strlen(err->text);
        (void)snprintf(err->text + used, sizeof err->text - used, ", %s", p->choices[i]);
    }
    return status_of(ST_INVALID);
}

/* "1.25": digits, a point, digits; six of these count. */
static struct status parse_ratio(const struct config_parameter *p, struct bytes text, double *out,
                                 struct errbuf *err)
{
    uint64_t whole;
    double fraction = 0;
    double place = 0.1;

    if (!take_number(&text, &whole))
        return refuse(err, "argument must be a number");
    if (text.size > 0 && text.data[0] == '.') {
        text = bytes_skip(text, 1);
        while (text.size > 0 && text.data[0] >= '0' && text.data[0] <= '9') {
            fraction += place * (text.data[0] - '0');
            place /= 10;
            text = bytes_skip(text, 1);
        }
    }
    double value = (double)whole + fraction;
    if (text.size > 0)
        return refuse(err, "argument must be a number");
    if (value < (double)p->min || value > (double)p->max)
        return check_range(p, UINT64_MAX, err);
    *out = value;
    return status_ok();
}

static int output_class(struct bytes text)
{
    for (int i = 0; i < CONFIG_OUTPUT_CLASSES; i++) {
        if (is_word(text, OUTPUT_CLASSES[i]))
            return i;
    }
    return is_word(text, "replica") ? CONFIG_OUTPUT_REPLICA : -1;
}

static struct status parse_output_limits(struct server_config *c, const struct bytes *values,
                                         size_t count, struct errbuf *err)
{
    struct config_output_limit limits[CONFIG_OUTPUT_CLASSES];
    struct bytes seconds;

    memcpy(limits, c->output_limits, sizeof limits);
    if (count == 0 || count % 4 != 0)
        return refuse(err, "Wrong number of arguments in buffer limit configuration.");
    for (size_t i = 0; i < count; i += 4) {
        int class = output_class(values[i]);
        if (class < 0)
            return refuse(err, "Invalid client class specified in buffer limit configuration.");
        struct config_output_limit *l = &limits[class];
        seconds = values[i + 3];
        if (!parse_memory(values[i + 1], &l->hard_bytes) ||
            !parse_memory(values[i + 2], &l->soft_bytes) || !take_number(&seconds, &l->soft_s) ||
            seconds.size > 0)
            return refuse(err, "Error in hard, soft or soft_seconds setting in buffer limit "
                               "configuration.");
    }
    memcpy(c->output_limits, limits, sizeof limits);
    return status_ok();
}

static struct status parse_events(struct bytes text, uint64_t *out, struct errbuf *err)
{
    unsigned classes;

    if (!resp_events_parse(text, &classes))
        return refuse(err, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
    *out = classes;
    return status_ok();
}

static struct status parse_yes_no(struct bytes text, bool *out, struct errbuf *err)
{
    if (!is_word(text, "yes") && !is_word(text, "no"))
        return refuse(err, "argument must be 'yes' or 'no'");
    *out = is_word(text, "yes");
    return status_ok();
}

/* Check what a parameter that does nothing is set to; it is remembered as it was written. */
static struct status check_remembered(const struct config_parameter *p, struct bytes text,
                                      struct errbuf *err)
{
    uint64_t n;
    bool yes;

    switch (p->type) {
    case CONFIG_YES_NO:
        return parse_yes_no(text, &yes, err);
    case CONFIG_NUMBER:
        return parse_number(p, text, &n, err);
    case CONFIG_MEMORY:
        return parse_memory(text, &n) ? status_ok()
                                      : refuse(err, "argument must be a memory value");
    default:
        return status_ok();
    }
}

static struct status set_words(struct server_config *c, const struct config_parameter *p,
                               const struct bytes *values, size_t count)
{
    struct buf text;

    buf_init(&text, c->alloc, SIZE_MAX);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_u8(&text, ' ');
        buf_append(&text, values[i]);
    }
    struct status s = text.is_failed ? status_of(ST_NO_MEMORY)
                                     : set_string(c, text_field(c, p), buf_bytes(&text));
    buf_deinit(&text);
    return s;
}

struct status server_config_set(struct server_config *c, const struct config_parameter *p,
                                const struct bytes *values, size_t count, struct errbuf *err)
{
    struct bytes text = count > 0 ? values[0] : bytes_of("", 0);
    uint64_t n;

    for (size_t i = 0; i < count; i++) {
        if (values[i].size > 0 && memchr(values[i].data, '\0', values[i].size) != NULL)
            return refuse(err, "argument must not hold a zero byte");
    }
    if (p->type == CONFIG_WORDS)
        return set_words(c, p, values, count);
    if (p->type == CONFIG_OUTPUT_LIMIT)
        return parse_output_limits(c, values, count, err);
    if (count != 1)
        return refuse(err, "wrong number of arguments");
    if (p->flags & CONFIG_NOTHING) {
        TRY(check_remembered(p, text, err));
        return set_string(c, text_field(c, p), text);
    }
    switch (p->type) {
    case CONFIG_YES_NO:
        return parse_yes_no(text, field(c, p), err);
    case CONFIG_NUMBER:
        return parse_number(p, text, field(c, p), err);
    case CONFIG_MEMORY:
        if (!parse_memory(text, &n))
            return refuse(err, "argument must be a memory value");
        TRY(check_range(p, n, err));
        *(uint64_t *)field(c, p) = n;
        return status_ok();
    case CONFIG_RATIO:
        return parse_ratio(p, text, field(c, p), err);
    case CONFIG_CHOICE:
        return parse_choice(p, text, field(c, p), err);
    case CONFIG_EVENTS:
        return parse_events(text, field(c, p), err);
    default:
        return set_string(c, text_field(c, p), text);
    }
}

struct status server_config_set_text(struct server_config *c, const struct config_parameter *p,
                                     struct bytes text, struct errbuf *err)
{
    struct bytes words[CONFIG_WORDS_MAX];
    size_t count;

    if (p->type != CONFIG_OUTPUT_LIMIT)
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

static void append_output_limits(const struct server_config *c, struct buf *out)
{
    for (int i = 0; i < CONFIG_OUTPUT_CLASSES; i++) {
        const struct config_output_limit *l = &c->output_limits[i];
        buf_append_format(out, "%s%s %" PRIu64 " %" PRIu64 " %" PRIu64, i > 0 ? " " : "",
                          OUTPUT_CLASSES[i], l->hard_bytes, l->soft_bytes, l->soft_s);
    }
}

static void append_events(uint64_t classes, struct buf *out)
{
    char text[RESP_EVENTS_MAX_CHARS + 1];

    resp_events_format((unsigned)classes, text);
    buf_append(out, bytes_str(text));
}

void server_config_get(const struct server_config *c, const struct config_parameter *p,
                       struct buf *out)
{
    if (p->flags & CONFIG_NOTHING || p->type == CONFIG_TEXT || p->type == CONFIG_WORDS) {
        buf_append(out, bytes_str(*text_field(c, p)));
        return;
    }
    switch (p->type) {
    case CONFIG_YES_NO:
        buf_append(out, bytes_str(*(bool *)field(c, p) ? "yes" : "no"));
        break;
    case CONFIG_RATIO:
        buf_append_format(out, "%.10g", *(double *)field(c, p));
        break;
    case CONFIG_CHOICE:
        buf_append(out, bytes_str(p->choices[*(uint64_t *)field(c, p)]));
        break;
    case CONFIG_OUTPUT_LIMIT:
        append_output_limits(c, out);
        break;
    case CONFIG_EVENTS:
        append_events(*(uint64_t *)field(c, p), out);
        break;
    default:
        buf_append_format(out, "%" PRIu64, *(uint64_t *)field(c, p));
        break;
    }
}

void server_config_expected(const struct config_parameter *p, struct buf *out)
{
    switch (p->type) {
    case CONFIG_YES_NO:
        buf_append(out, bytes_str("yes or no"));
        break;
    case CONFIG_NUMBER:
    case CONFIG_RATIO:
        buf_append_format(out, "a number from %" PRIu64 " to %" PRIu64, p->min, p->max);
        break;
    case CONFIG_MEMORY:
        buf_append_format(out, "a size such as 64mb, from %" PRIu64 " to %" PRIu64 " bytes", p->min,
                          p->max);
        break;
    case CONFIG_CHOICE:
        for (uint64_t i = 0; p->choices[i] != NULL; i++)
            buf_append_format(out, "%s%s",
                              i == 0                      ? ""
                              : p->choices[i + 1] == NULL ? " or "
                                                          : ", ",
                              p->choices[i]);
        break;
    case CONFIG_TEXT:
        buf_append(out, bytes_str("one word, or a text in quotes"));
        break;
    case CONFIG_WORDS:
        buf_append(out, bytes_str("words"));
        break;
    case CONFIG_OUTPUT_LIMIT:
        buf_append(out, bytes_str("a class (normal), a size, a size and a number of seconds"));
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
        size_t count = 1;
        words[0] = bytes_str(p->initial);
        if (p->type == CONFIG_OUTPUT_LIMIT)
            CHECK(server_config_split(bytes_str(p->initial), room, words, &count));
        struct status s = server_config_set(c, p, words, count, &err);
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
        if (p->flags & CONFIG_NOTHING || p->type == CONFIG_TEXT || p->type == CONFIG_WORDS)
            free_string(c, text_field(c, p));
    }
    free_string(c, &c->file);
}

struct status server_config_check(const struct server_config *c, struct errbuf *err)
{
    const uint64_t memory_min = 32 << 20;

    if (c->maxmemory != 0 && c->maxmemory < memory_min)
        return refuse(err, "maxmemory: at least 32mb are needed");
    if (c->level0_slow < c->level0_compact || c->level0_stop <= c->level0_slow)
        return refuse(err, "level0-compact <= level0-slow < level0-stop must hold");
    if (c->client_query_buffer_limit < c->proto_max_bulk_len)
        return refuse(err, "client-query-buffer-limit is less than proto-max-bulk-len");
    if (c->port == 0 && c->unixsocket[0] == '\0')
        return refuse(err, "port is 0 and there is no unixsocket: nothing to listen on");
    return status_ok();
}
