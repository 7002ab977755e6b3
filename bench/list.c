#include "bench/list.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 64, TIMES_MAX = 100000 };

static struct status say_bad(const char *text, size_t size, struct errbuf *err)
{
    errbuf_set(err, "\"%.*s\": after a name may follow [X3], [W1] or [X3-W1]", (int)size, text);
    return status_of(ST_INVALID);
}

/* "X3-W1" in [at, end). */
static bool parse_arguments(const char *at, const char *end, struct list_item *item)
{
    while (at < end) {
        char *after;
        if (*at != 'X' && *at != 'W')
            return false;
        long n = strtol(at + 1, &after, 10);
        if (after == at + 1 || after > end || n < (*at == 'X') || n > TIMES_MAX)
            return false;
        if (*at == 'X')
            item->repeats = (unsigned)n;
        else
            item->warmups = (unsigned)n;
        at = after;
        if (at < end && *at++ != '-')
            return false;
    }
    return true;
}

struct status list_next(const char **at, struct errbuf *err, struct list_item *out_item)
{
    const char *text = *at;
    size_t size = strcspn(text, ",");
    size_t name_size = strcspn(text, ",[");
    struct list_item item = { .repeats = 1 };
    char name[NAME_SIZE];

    if (name_size < size &&
        (text[size - 1] != ']' || !parse_arguments(text + name_size + 1, text + size - 1, &item)))
        return say_bad(text, size, err);
    (void)snprintf(name, sizeof name, "%.*s", (int)name_size, text);
    if (name_size > 0) {
        item.benchmark = benchmark_find(name, err);
        if (item.benchmark == NULL)
            return status_of(ST_INVALID);
    }
    *at = text + size + (text[size] == ',');
    *out_item = item;
    return status_ok();
}
