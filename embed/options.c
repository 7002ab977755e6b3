#include "embed/options.h"

#include "embed/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

void varve_options_init(struct varve_options *options)
{
    if (options == NULL)
        return;
    *options = (struct varve_options) {
        .create_if_missing = true,
        .durability = VARVE_DURABLE,
        .cache_size = UINT64_C(256) << 20,
        .write_buffer_size = UINT64_C(64) << 20,
        .write_buffer_count = 3,
        .log_segment_size = UINT64_C(64) << 20,
        .log_size_max = UINT64_C(512) << 20,
        .value_separation_min = 2048,
        .block_size = 4096,
        .filter_bits = 10,
        .table_size = UINT64_C(64) << 20,
        .level_base_size = UINT64_C(256) << 20,
        .level_fanout = 10,
        .level0_compact = 4,
        .space_amp_target = 1.25,
    };
}

enum option_kind {
    OPTION_BOOL,
    OPTION_U32,
    OPTION_U64,
    OPTION_DOUBLE,
    OPTION_DURABILITY,
    OPTION_IO
};

struct option {
    const char *name;
    enum option_kind kind;
    size_t offset;
    uint64_t min;
    uint64_t max;
};

#define OPTION(field, kind, min, max)                                                              \
    {                                                                                              \
#field, kind, offsetof(struct varve_options, field), min, max                              \
    }

static const struct option table[] = {
    OPTION(create_if_missing, OPTION_BOOL, 0, 0),
    OPTION(error_if_exists, OPTION_BOOL, 0, 0),
    OPTION(durability, OPTION_DURABILITY, 0, 0),
    OPTION(io, OPTION_IO, 0, 0),
    OPTION(cache_size, OPTION_U64, CACHE_SIZE_MIN, UINT64_C(1) << 46),
    OPTION(memory_limit, OPTION_U64, 0, UINT64_C(1) << 46),
    OPTION(write_buffer_size, OPTION_U64, 64 << 10, UINT64_C(1) << 36),
    OPTION(write_buffer_count, OPTION_U32, 2, 64),
    OPTION(log_segment_size, OPTION_U64, 16 << 10, UINT64_C(1) << 31),
    OPTION(log_size_max, OPTION_U64, 64 << 10, UINT64_C(1) << 46),
    OPTION(value_separation_min, OPTION_U32, 512, UINT32_MAX),
    OPTION(block_size, OPTION_U32, 512, 1 << 20),
    OPTION(filter_bits, OPTION_U32, 1, 32),
    OPTION(table_size, OPTION_U64, 16 << 10, UINT64_C(1) << 36),
    OPTION(level_base_size, OPTION_U64, 16 << 10, UINT64_C(1) << 46),
    OPTION(level_fanout, OPTION_U32, 2, 100),
    OPTION(level0_compact, OPTION_U32, 1, 20),
    OPTION(space_amp_target, OPTION_DOUBLE, 0, 0),
};
enum { OPTION_COUNT = sizeof table / sizeof table[0] };

static const struct option *find_option(const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    }
    return NULL;
}

/* "64m" -> 67108864. */
static bool parse_size(const char *text, uint64_t *out)
{
    static const char units[] = "kmg";
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    unsigned long long v = strtoull(text, &end, 10);
    int shift = 0;
    if (*end != '\0') {
        const char *unit = strchr(units, *end | 0x20);
        if (unit == NULL || (end[1] != '\0' && strcasecmp(end + 1, "b") != 0))
            return false;
        shift = 10 * (int)(unit - units + 1);
    }
    if (v > UINT64_MAX >> shift)
        return false;
    *out = (uint64_t)v << shift;
    return true;
}

/* One of two words: which? */
static bool parse_word(const char *text, const char *zero, const char *one, bool *out)
{
    *out = strcasecmp(text, one) == 0;
    return *out || strcasecmp(text, zero) == 0;
}

static const char *expected_of(const struct option *o)
{
    switch (o->kind) {
    case OPTION_BOOL:
        return "yes or no";
    case OPTION_DURABILITY:
        return "durable or relaxed";
    case OPTION_IO:
        return "auto or posix";
    case OPTION_DOUBLE:
        return "a number from 1.05 to 100";
    default:
        return "a number";
    }
}

static bool set_number(void *field, const struct option *o, const char *text)
{
    uint64_t v;
    if (!parse_size(text, &v) || v < o->min || v > o->max)
        return false;
    if (o->kind == OPTION_U64)
        *(uint64_t *)field = v;
    else
        *(uint32_t *)field = (uint32_t)v;
    return true;
}

static bool set_double(void *field, const char *text)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end != '\0' || !(v >= 1.05 && v <= 100))
        return false;
    *(double *)field = v;
    return true;
}

static bool set_field(struct varve_options *options, const struct option *o, const char *text)
{
    void *field = (char *)options + o->offset;
    bool flag;

    switch (o->kind) {
    case OPTION_BOOL:
        if (!parse_word(text, "no", "yes", &flag))
            return false;
        *(bool *)field = flag;
        return true;
    case OPTION_DURABILITY:
        if (!parse_word(text, "durable", "relaxed", &flag))
            return false;
        options->durability = flag ? VARVE_RELAXED : VARVE_DURABLE;
        return true;
    case OPTION_IO:
        if (!parse_word(text, "auto", "posix", &flag))
            return false;
        options->io = flag ? VARVE_IO_POSIX : VARVE_IO_AUTO;
        return true;
    case OPTION_DOUBLE:
        return set_double(field, text);
    default:
        return set_number(field, o, text);
    }
}

static enum varve_code bad_value(struct varve_error *error, const struct option *o,
                                 const char *value)
{
    char text[200];
    if (o->kind == OPTION_U32 || o->kind == OPTION_U64)
        (void)snprintf(text, sizeof text,
                       "option %s: \"%.60s\": a number from %llu to %llu expected", o->name, value,
                       (unsigned long long)o->min, (unsigned long long)o->max);
    else
        (void)snprintf(text, sizeof text, "option %s: \"%.60s\": %s expected", o->name, value,
                       expected_of(o));
    return embed_invalid(error, text);
}

/* Cut white space off both ends, in place. */
static char *trim(char *text)
{
    while (*text == ' ' || *text == '\t' || *text == '\n')
        text++;
    size_t n = strlen(text);
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t' || text[n - 1] == '\n'))
        text[--n] = '\0';
    return text;
}

static enum varve_code parse_assignment(struct varve_options *options, char *text,
                                        struct varve_error *error)
{
    char message[200];
    char *name = trim(text);
    if (*name == '\0')
        return VARVE_OK;
    char *equals = strchr(name, '=');
    if (equals == NULL) {
        (void)snprintf(message, sizeof message, "\"%.60s\": name=value expected", name);
        return embed_invalid(error, message);
    }
    *equals = '\0';
    name = trim(name);
    char *value = trim(equals + 1);
    const struct option *o = find_option(name);
    if (o == NULL) {
        (void)snprintf(message, sizeof message, "there is no option \"%.60s\"", name);
        return embed_invalid(error, message);
    }
    return set_field(options, o, value) ? VARVE_OK : bad_value(error, o, value);
}

enum { TEXT_MAX = 4096 };

enum varve_code varve_options_parse(struct varve_options *options, const char *text,
                                    struct varve_error *error)
{
    char copy[TEXT_MAX];
    struct varve_options parsed;
    enum varve_code code = VARVE_OK;

    if (options == NULL || text == NULL)
        return embed_invalid(error, "options or text is NULL");
    if (strlen(text) >= TEXT_MAX)
        return embed_invalid(error, "the option text is longer than 4095 bytes");
    memcpy(copy, text, strlen(text) + 1);
    parsed = *options;
    char *rest = copy;
    while (code == VARVE_OK && rest != NULL) {
        char *end = strchr(rest, ';');
        if (end != NULL)
            *end = '\0';
        code = parse_assignment(&parsed, rest, error);
        rest = end == NULL ? NULL : end + 1;
    }
    if (code == VARVE_OK)
        *options = parsed;
    return code;
}

enum varve_code embed_options_check(const struct varve_options *options, struct varve_error *error)
{
    char message[200];
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &table[i];
        const void *field = (const char *)options + o->offset;
        uint64_t v;
        if (o->kind == OPTION_U64)
            v = *(const uint64_t *)field;
        else if (o->kind == OPTION_U32)
            v = *(const uint32_t *)field;
        else
            continue;
        if (v < o->min || v > o->max) {
            (void)snprintf(message, sizeof message,
                           "option %s is %llu: a number from %llu to %llu expected (was "
                           "varve_options_init called?)",
                           o->name, (unsigned long long)v, (unsigned long long)o->min,
                           (unsigned long long)o->max);
            return embed_invalid(error, message);
        }
    }
    if (options->durability != VARVE_DURABLE && options->durability != VARVE_RELAXED)
        return embed_invalid(error, "option durability: durable or relaxed expected");
    if (options->io != VARVE_IO_AUTO && options->io != VARVE_IO_POSIX)
        return embed_invalid(error, "option io: auto or posix expected");
    uint64_t least = options->cache_size +
                     options->write_buffer_size * options->write_buffer_count +
                     options->log_segment_size * 2;
    if (options->memory_limit != 0 && options->memory_limit < least) {
        (void)snprintf(message, sizeof message,
                       "option memory_limit is %llu: cache, memtables and two log segments alone "
                       "take %llu",
                       (unsigned long long)options->memory_limit, (unsigned long long)least);
        return embed_invalid(error, message);
    }
    if (!(options->space_amp_target >= 1.05 && options->space_amp_target <= 100))
        return embed_invalid(error, "option space_amp_target: a number from 1.05 to 100 expected");
    if ((options->log_segment_size & 4095) != 0)
        return embed_invalid(error, "option log_segment_size: a multiple of 4096 expected");
    return VARVE_OK;
}
