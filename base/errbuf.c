#include "base/errbuf.h"

#include "base/escape.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void errbuf_set(struct errbuf *e, const char *format, ...)
{
    char raw[ERRBUF_SIZE];
    va_list arguments;

    if (e == NULL)
        return;
    va_start(arguments, format);
    int n = vsnprintf(raw, sizeof raw, format, arguments);
    va_end(arguments);
    (void)escape_text(e->text, sizeof e->text, n < 0 ? "" : raw);
}

void errbuf_prefix(struct errbuf *e, const char *format, ...)
{
    char raw[ERRBUF_SIZE];
    char joined[ERRBUF_SIZE];
    va_list arguments;

    if (e == NULL)
        return;
    va_start(arguments, format);
    int n = vsnprintf(raw, sizeof raw, format, arguments);
    va_end(arguments);
    size_t used = escape_text(joined, sizeof joined, n < 0 ? "" : raw);
    if (e->text[0] != '\0')
        (void)snprintf(joined + used, sizeof joined - used, ": %s", e->text);
    memcpy(e->text, joined, sizeof joined);
}
