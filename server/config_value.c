/*
 * Values from text and back, in Redis' spelling and with its words for what is wrong.
 */
#include "server/config.h"

#include "resp/resp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int64_t factor;
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

static struct status refuse(struct errbuf *err, const char *why)
{
    errbuf_set(err, "%s", why);
    return status_of(ST_INVALID);
}

/* ---- Numbers ----------------------------------------------------------------------------------
 */

/* Take digits of a base off the front. False: there are none, or too many. */
static bool take_digits(struct bytes *text, int base, int64_t *out)
{
    int64_t n = 0;
    size_t i = 0;

    for (; i < text->size && text->data[i] >= '0' && text->data[i] < '0' + base; i++) {
        if (__builtin_mul_overflow(n, (int64_t)base, &n) ||
            __builtin_add_overflow(n, (int64_t)(text->data[i] - '0'), &n))
            return false;
    }
    *text = bytes_skip(*text, i);
    *out = n;
    return i > 0;
}

static bool parse_integer(struct bytes text, int base, int64_t *out)
{
    bool is_negative = text.size > 0 && text.data[0] == '-';
    int64_t n;

    if (is_negative)
        text = bytes_skip(text, 1);
    if (!take_digits(&text, base, &n) || text.size > 0)
        return false;
    *out = is_negative ? -n : n;
    return true;
}

/* As Redis reads it: no digits are none, too many are beyond any range (-1). */
static bool parse_memory(struct bytes text, int64_t *out)
{
    size_t digits = 0;
    int64_t n = 0;

    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    struct bytes number = bytes_of(text.data, digits);
    bool fits = digits == 0 || take_digits(&number, 10, &n);
    text = bytes_skip(text, digits);
    for (size_t i = 0; i < sizeof UNITS / sizeof UNITS[0]; i++) {
        if (!is_word(text, UNITS[i].name))
            continue;
        if (!fits || __builtin_mul_overflow(n, UNITS[i].factor, &n))
            n = -1;
        *out = n;
        return true;
    }
    return false;
}

static struct status check_range(const struct config_parameter *p, int64_t n, struct errbuf *err)
{
    if (n >= p->min && n <= p->max)
        return status_ok();
    if (p->type == CONFIG_OCTAL)
        errbuf_set(err, "argument must be between %" PRIo64 " and %" PRIo64 " inclusive",
                   (uint64_t)p->min, (uint64_t)p->max);
    else
        errbuf_set(err, "argument must be between %" PRId64 " and %" PRId64 " inclusive", p->min,
                   p->max);
    return status_of(ST_INVALID);
}

/* "1.25": digits, a point, digits. */
static bool parse_decimal(struct bytes text, double *out)
{
    const double digits_max = 1e15; /* More do not fit. */
    double scale = 1;
    double fraction = 0;
    double whole = 0;
    size_t digits = 0;

    for (; digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9'; digits++)
        whole = 10 * whole + (text.data[digits] - '0');
    if (digits == 0)
        return false;
    text = bytes_skip(text, digits);
    if (text.size > 0 && text.data[0] == '.') {
        text = bytes_skip(text, 1);
        while (text.size > 0 && text.data[0] >= '0' && text.data[0] <= '9') {
            bool counts = scale < digits_max;
            fraction = counts ? 10 * fraction + (text.data[0] - '0') : fraction;
            scale = counts ? 10 * scale : scale;
            text = bytes_skip(text, 1);
        }
    }
    *out = whole + fraction / scale;
    return text.size == 0;
}

static struct status parse_ratio(const struct config_parameter *p, struct bytes text, double *out,
                                 struct errbuf *err)
{
    double value;

    if (!parse_decimal(text, &value))
        return refuse(err, "argument must be a number");
    if (value < (double)p->min || value > (double)p->max)
        return check_range(p, p->max + 1, err);
    *out = value;
    return status_ok();
}

/* ---- Words ------------------------------------------------------------------------------------
 */

static struct status parse_choice(const struct config_parameter *p, struct bytes text, int64_t *out,
                                  struct errbuf *err)
{
    for (int64_t i = 0; p->choices[i] != NULL; i++) {
        if (is_word(text, p->choices[i])) {
            *out = i;
            return status_ok();
        }
    }
    errbuf_set(err, "argument(s) must be one of the following: %s", p->choices[0]);
    for (size_t i = 1; p->choices[i] != NULL; i++) {
        size_t used = strlen(err->text);
        (void)snprintf(err->text + used, sizeof err->text - used, ", %s", p->choices[i]);
    }
    return status_of(ST_INVALID);
}

static struct status parse_yes_no(struct bytes text, bool *out, struct errbuf *err)
{
    if (!is_word(text, "yes") && !is_word(text, "no"))
        return refuse(err, "argument must be 'yes' or 'no'");
    *out = is_word(text, "yes");
    return status_ok();
}

/* Bytes are told as a number, a share as it was said. */
static struct status take_share(const struct config_parameter *p, struct bytes text,
                                struct buf *out, struct errbuf *err)
{
    int64_t n;

    if (text.size > 0 && text.data[text.size - 1] == '%') {
        if (!parse_integer(bytes_of(text.data, text.size - 1), 10, &n) || n < 0)
            return refuse(err, "argument must be a memory or percent value");
        if (n > 100)
            return refuse(err, "percentage argument must be less or equal to 100");
        buf_append(out, text);
        return status_ok();
    }
    if (!parse_memory(text, &n))
        return refuse(err, "argument must be a memory or percent value");
    TRY(check_range(p, n, err));
    buf_append_format(out, "%" PRId64, n);
    return status_ok();
}

/* Seconds and changes, again and again; one empty word for none. */
static struct status check_save(const struct bytes *words, size_t count, struct errbuf *err)
{
    if (count == 0 || (count == 1 && words[0].size == 0))
        return status_ok();
    for (size_t i = 0; i < count; i++) {
        int64_t n;
        if (!parse_integer(words[i], 10, &n) || n < (i % 2 == 0 ? 1 : 0))
            return refuse(err, "Invalid save parameters");
    }
    return count % 2 == 0 ? status_ok() : refuse(err, "Invalid save parameters");
}

static struct status check_scores(const struct config_parameter *p, const struct bytes *words,
                                  size_t count, struct errbuf *err)
{
    if (count != CONFIG_SCORES_COUNT)
        return refuse(err, "wrong number of arguments");
    for (size_t i = 0; i < count; i++) {
        int64_t n;
        if (!parse_integer(words[i], 10, &n) || n < p->min || n > p->max) {
            errbuf_set(err, "Invalid %s, elements must be between %" PRId64 " and %" PRId64 ".",
                       p->name, p->min, p->max);
            return status_of(ST_INVALID);
        }
    }
    return status_ok();
}

static struct status take_choices(const struct config_parameter *p, const struct bytes *words,
                                  size_t count, struct buf *out, struct errbuf *err)
{
    int64_t place;

    if (count == 0)
        return parse_choice(p, bytes_of(NULL, 0), &place, err);
    for (size_t i = 0; i < count; i++) {
        TRY(parse_choice(p, words[i], &place, err));
        buf_append_format(out, "%s%s", i > 0 ? " " : "", p->choices[place]);
    }
    return status_ok();
}

bool config_is_text(const struct config_parameter *p)
{
    return p->type == CONFIG_TEXT || p->type == CONFIG_WORDS || p->type == CONFIG_SAVE ||
           p->type == CONFIG_CHOICES || p->type == CONFIG_SHARE || p->type == CONFIG_SCORES;
}

struct status config_text_take(const struct config_parameter *p, const struct bytes *words,
                               size_t count, struct buf *out, struct errbuf *err)
{
    if (p->type == CONFIG_CHOICES)
        return take_choices(p, words, count, out, err);
    if (p->type == CONFIG_SAVE)
        TRY(check_save(words, count, err));
    else if (p->type != CONFIG_WORDS && p->type != CONFIG_SCORES && count != 1)
        return refuse(err, "wrong number of arguments");
    if (p->type == CONFIG_SHARE)
        return take_share(p, words[0], out, err);
    if (p->type == CONFIG_SCORES)
        TRY(check_scores(p, words, count, err));
    for (size_t i = 0; i < count; i++) {
        if (words[i].size > 0 && out->size > 0)
            buf_append_u8(out, ' ');
        buf_append(out, words[i]);
    }
    return status_ok();
}

/* ---- Several numbers --------------------------------------------------------------------------
 */

static struct status parse_percentiles(const struct bytes *words, size_t count,
                                       struct config_percentiles *out, struct errbuf *err)
{
    struct config_percentiles p = { .count = 0 };

    if (count == 1 && words[0].size == 0)
        count = 0;
    if (count > CONFIG_PERCENTILES_MAX)
        return refuse(err, "too many percentiles");
    for (; p.count < count; p.count++) {
        double *value = &p.values[p.count];
        bool is_negative = words[p.count].size > 0 && words[p.count].data[0] == '-';
        if (!parse_decimal(bytes_skip(words[p.count], is_negative), value))
            return refuse(err, "Invalid latency-tracking-info-percentiles parameters");
        if (*value > 100 || (is_negative && *value > 0))
            return refuse(err, "latency-tracking-info-percentiles parameters should sit between "
                               "[0.0,100.0]");
    }
    *out = p;
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

static bool parse_output_limit(const struct bytes *words, struct config_output_limit *l)
{
    int64_t hard;
    int64_t soft;
    int64_t seconds;

    if (!parse_memory(words[0], &hard) || !parse_memory(words[1], &soft) ||
        !parse_integer(words[2], 10, &seconds) || hard < 0 || soft < 0 || seconds < 0)
        return false;
    *l = (struct config_output_limit) { .hard_bytes = (uint64_t)hard,
                                        .soft_bytes = (uint64_t)soft,
                                        .soft_s = (uint64_t)seconds };
    return true;
}

static struct status parse_output_limits(const struct bytes *words, size_t count,
                                         struct config_output_limit *limits, struct errbuf *err)
{
    struct config_output_limit taken[CONFIG_OUTPUT_CLASSES];

    memcpy(taken, limits, sizeof taken);
    if (count == 1 && words[0].size == 0)
        count = 0;
    if (count % 4 != 0)
        return refuse(err, "Wrong number of arguments in buffer limit configuration.");
    for (size_t i = 0; i < count; i += 4) {
        int class = output_class(words[i]);
        if (class < 0)
            return refuse(err, "Invalid client class specified in buffer limit configuration.");
        if (!parse_output_limit(&words[i + 1], &taken[class]))
            return refuse(err, "Error in hard, soft or soft_seconds setting in buffer limit "
                               "configuration.");
    }
    memcpy(limits, taken, sizeof taken);
    return status_ok();
}

/* ---- All --------------------------------------------------------------------------------------
 */

static struct status parse_events(struct bytes text, int64_t *out, struct errbuf *err)
{
    unsigned classes;

    if (!resp_events_parse(text, &classes))
        return refuse(err, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
    *out = classes;
    return status_ok();
}

static struct status take_number(const struct config_parameter *p, struct bytes text, int64_t *out,
                                 struct errbuf *err)
{
    int64_t n = 0;

    if (p->type == CONFIG_MEMORY && !parse_memory(text, &n))
        return refuse(err, "argument must be a memory value");
    if (p->type == CONFIG_OCTAL && !parse_integer(text, 8, &n))
        return refuse(err, "argument couldn't be parsed as an octal number");
    if (p->type == CONFIG_NUMBER && !parse_integer(text, 10, &n))
        return refuse(err, "argument couldn't be parsed into an integer");
    TRY(check_range(p, n, err));
    *out = n;
    return status_ok();
}

struct status config_value_take(const struct config_parameter *p, const struct bytes *words,
                                size_t count, union config_value *value, struct errbuf *err)
{
    if (p->type == CONFIG_OUTPUT_LIMIT)
        return parse_output_limits(words, count, value->limits, err);
    if (p->type == CONFIG_PERCENTILES)
        return parse_percentiles(words, count, &value->percentiles, err);
    if (count != 1)
        return refuse(err, "wrong number of arguments");
    switch (p->type) {
    case CONFIG_YES_NO:
        return parse_yes_no(words[0], &value->is_yes, err);
    case CONFIG_RATIO:
        return parse_ratio(p, words[0], &value->ratio, err);
    case CONFIG_CHOICE:
        return parse_choice(p, words[0], &value->number, err);
    case CONFIG_EVENTS:
        return parse_events(words[0], &value->number, err);
    default:
        return take_number(p, words[0], &value->number, err);
    }
}

void config_output_limit_tell(const struct config_output_limit *l, int class, struct buf *out)
{
    buf_append_format(out, "%s %" PRIu64 " %" PRIu64 " %" PRIu64, OUTPUT_CLASSES[class],
                      l->hard_bytes, l->soft_bytes, l->soft_s);
}

static void tell_events(unsigned classes, struct buf *out)
{
    char text[RESP_EVENTS_MAX_CHARS + 1];

    resp_events_format(classes, text);
    buf_append(out, bytes_str(text));
}

void config_value_tell(const struct config_parameter *p, const union config_value *value,
                       struct buf *out)
{
    switch (p->type) {
    case CONFIG_YES_NO:
        buf_append(out, bytes_str(value->is_yes ? "yes" : "no"));
        break;
    case CONFIG_OCTAL:
        buf_append_format(out, "%" PRIo64, (uint64_t)value->number);
        break;
    case CONFIG_RATIO:
        buf_append_format(out, "%.10g", value->ratio);
        break;
    case CONFIG_CHOICE:
        buf_append(out, bytes_str(p->choices[value->number]));
        break;
    case CONFIG_EVENTS:
        tell_events((unsigned)value->number, out);
        break;
    case CONFIG_PERCENTILES:
        for (uint32_t i = 0; i < value->percentiles.count; i++)
            buf_append_format(out, "%s%.10g", i > 0 ? " " : "", value->percentiles.values[i]);
        break;
    case CONFIG_OUTPUT_LIMIT:
        for (int i = 0; i < CONFIG_OUTPUT_CLASSES; i++) {
            if (i > 0)
                buf_append_u8(out, ' ');
            config_output_limit_tell(&value->limits[i], i, out);
        }
        break;
    default:
        buf_append_format(out, "%" PRId64, value->number);
        break;
    }
}
