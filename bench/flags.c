#include "bench/flags.h"

#include "bench/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct flag {
    const char *name;
    enum flag_kind kind;
    enum flag_scope scope;
    size_t offset;
    double least;
    double most;
    const char *help;
};

static const struct flag TABLE[FLAG_COUNT] = {
#define FLAG(kind_, name_, value_, least_, most_, scope_, help_)                                   \
    { .name = #name_,                                                                              \
      .kind = FLAG_##kind_,                                                                        \
      .scope = scope_,                                                                             \
      .offset = offsetof(struct flags, name_),                                                     \
      .least = (double)(least_),                                                                   \
      .most = (double)(most_),                                                                     \
      .help = help_ },
    FLAG_LIST(FLAG)
#undef FLAG
};

void flags_init(struct flags *f)
{
    *f = (struct flags) {
#define FLAG(kind, name_, value, least, most, scope, help) .name_ = value,
        FLAG_LIST(FLAG)
#undef FLAG
    };
}

static const char *name_at(size_t index)
{
    return index < FLAG_COUNT ? TABLE[index].name : NULL;
}

static const struct flag *find(const char *name, size_t size)
{
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (strlen(TABLE[i].name) == size && memcmp(TABLE[i].name, name, size) == 0)
            return &TABLE[i];
    }
    return NULL;
}

static struct status say_unknown(const char *name, struct errbuf *err)
{
    char close[256];

    names_close(name, name_at, "--", close, sizeof close);
    if (close[0] != '\0')
        errbuf_set(err, "unknown flag --%s; did you mean %s?", name, close);
    else
        errbuf_set(err, "unknown flag --%s; --help lists them all", name);
    return status_of(ST_INVALID);
}

static struct status say_bad(const struct flag *flag, const char *value, struct errbuf *err)
{
    if (flag->kind == FLAG_BOOL)
        errbuf_set(err, "--%s=%s: expected true or false", flag->name, value);
    else
        errbuf_set(err, "--%s=%s: expected a number from %.15g to %.15g", flag->name, value,
                   flag->least, flag->most);
    return status_of(ST_INVALID);
}

static bool parse_bool(const char *text, bool *out_value)
{
    static const char *const YES[] = { "1", "true", "t", "yes", "y" };
    static const char *const NO[] = { "0", "false", "f", "no", "n" };

    for (size_t i = 0; i < sizeof YES / sizeof YES[0]; i++) {
        if (strcmp(text, YES[i]) == 0 || strcmp(text, NO[i]) == 0) {
            *out_value = strcmp(text, YES[i]) == 0;
            return true;
        }
    }
    return false;
}

static bool parse_int(const char *text, int64_t *out_value)
{
    char *end;

    errno = 0;
    long long v = strtoll(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0')
        return false;
    *out_value = v;
    return true;
}

static bool parse_real(const char *text, double *out_value)
{
    char *end;

    errno = 0;
    double v = strtod(text, &end);
    if (errno != 0 || end == text || *end != '\0')
        return false;
    *out_value = v;
    return true;
}

static bool in_range(const struct flag *flag, double v)
{
    return v >= flag->least && v <= flag->most;
}

static struct status set(struct flags *f, const struct flag *flag, const char *text,
                         struct errbuf *err)
{
    void *field = (char *)f + flag->offset;
    bool good = true;
    int64_t number;
    double real;

    switch (flag->kind) {
    case FLAG_TEXT:
        *(const char **)field = text;
        break;
    case FLAG_INT:
        good = parse_int(text, &number) && in_range(flag, (double)number);
        if (good)
            *(int64_t *)field = number;
        break;
    case FLAG_REAL:
        good = parse_real(text, &real) && in_range(flag, real);
        if (good)
            *(double *)field = real;
        break;
    case FLAG_BOOL:
        good = parse_bool(text, (bool *)field);
        break;
    }
    if (!good)
        return say_bad(flag, text, err);
    f->is_given[flag - TABLE] = true;
    return status_ok();
}

/* One argument, dashes and all. */
static struct status parse_argument(struct flags *f, const char *argument, struct errbuf *err)
{
    if (argument[0] != '-' || argument[1] == '\0') {
        errbuf_set(err, "\"%s\" is not a flag; flags are --name=value", argument);
        return status_of(ST_INVALID);
    }
    const char *name = argument + (argument[1] == '-' ? 2 : 1);
    size_t size = strcspn(name, "=");
    const struct flag *flag = find(name, size);

    if (name[size] == '=') {
        if (flag != NULL)
            return set(f, flag, name + size + 1, err);
    } else if (flag != NULL) {
        if (flag->kind == FLAG_BOOL)
            return set(f, flag, "true", err);
        errbuf_set(err, "--%s needs a value: --%s=...", flag->name, flag->name);
        return status_of(ST_INVALID);
    } else if (strncmp(name, "no", 2) == 0) {
        flag = find(name + 2, size - 2);
        if (flag != NULL && flag->kind == FLAG_BOOL)
            return set(f, flag, "false", err);
    }
    char word[64];
    (void)snprintf(word, sizeof word, "%.*s", (int)(size < sizeof word ? size : sizeof word - 1),
                   name);
    return say_unknown(word, err);
}

struct status flags_parse(struct flags *f, int argc, char **argv, struct errbuf *err)
{
    for (int i = 1; i < argc; i++)
        TRY(parse_argument(f, argv[i], err));
    return status_ok();
}

static bool is_among(enum flag_id id, const enum flag_id *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == id)
            return true;
    }
    return false;
}

struct status flags_check_engine(const struct flags *f, const char *engine,
                                 const enum flag_id *honoured, size_t count, struct errbuf *err)
{
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (!f->is_given[i] || TABLE[i].scope != FLAG_OF_ENGINE ||
            is_among((enum flag_id)i, honoured, count))
            continue;
        char takes[ERRBUF_SIZE] = "";
        size_t used = 0;
        for (size_t j = 0; j < count && used < sizeof takes; j++) {
            int n = snprintf(takes + used, sizeof takes - used, " --%s", TABLE[honoured[j]].name);
            used += n > 0 ? (size_t)n : 0;
        }
        errbuf_set(err, "the engine %s has no --%s; of the engines' flags it takes:%s", engine,
                   TABLE[i].name, takes);
        return status_of(ST_INVALID);
    }
    return status_ok();
}

static void print_default(FILE *out, const struct flag *flag, const struct flags *f)
{
    const void *field = (const char *)f + flag->offset;

    switch (flag->kind) {
    case FLAG_TEXT:
        fprintf(out, "\"%s\"", *(const char *const *)field);
        break;
    case FLAG_INT:
        fprintf(out, "%lld", (long long)*(const int64_t *)field);
        break;
    case FLAG_REAL:
        fprintf(out, "%g", *(const double *)field);
        break;
    case FLAG_BOOL:
        fprintf(out, "%s", *(const bool *)field ? "true" : "false");
        break;
    }
}

static void print_scope(FILE *out, enum flag_scope scope, const struct flags *defaults)
{
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (TABLE[i].scope != scope)
            continue;
        fprintf(out, "  --%s=", TABLE[i].name);
        print_default(out, &TABLE[i], defaults);
        fprintf(out, "\n        %s\n", TABLE[i].help);
    }
}

void flags_print_help(FILE *out)
{
    struct flags defaults;

    flags_init(&defaults);
    fprintf(out, "Flags, with their defaults:\n");
    print_scope(out, FLAG_OF_RUN, &defaults);
    fprintf(out, "\nFlags that only some engines have:\n");
    print_scope(out, FLAG_OF_ENGINE, &defaults);
}
