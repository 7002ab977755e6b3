#include "base/log.h"

#include "base/escape.h"

#include <stdio.h>

enum { LINE_MAX_BYTES = 1024 };

void log_line(struct log *l, enum log_level level, const char *format, ...)
{
    char raw[LINE_MAX_BYTES];
    char line[LINE_MAX_BYTES];
    va_list arguments;

    if (level < l->level)
        return;
    va_start(arguments, format);
    int n = vsnprintf(raw, sizeof raw, format, arguments);
    va_end(arguments);
    if (n < 0)
        return;
    (void)escape_text(line, sizeof line, raw);
    l->write(l, level, line);
}

static void drop(struct log *l, enum log_level level, const char *line)
{
    (void)l;
    (void)level;
    (void)line;
}

struct log *log_none(void)
{
    /* A level above all: nothing is even formatted. */
    static const struct log NONE = { .level = LOG_WARNING + 1, .write = drop };
    return (struct log *)&NONE;
}
