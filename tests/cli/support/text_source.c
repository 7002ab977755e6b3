#include "text_source.h"

static struct status line(struct cli_source *s, struct arena *arena, struct bytes *out)
{
    struct text_source *t = (struct text_source *)s;
    const uint8_t *end = t->rest.size == 0 ? NULL : memchr(t->rest.data, '\r', t->rest.size);

    if (end == NULL || end + 1 == t->rest.data + t->rest.size)
        return status_of(ST_IO);
    size_t size = (size_t)(end - t->rest.data);
    *out = arena_copy(arena, bytes_of(t->rest.data, size));
    t->rest = bytes_skip(t->rest, size + 2);
    return status_ok();
}

static struct status bytes(struct cli_source *s, struct arena *arena, size_t size,
                           struct bytes *out)
{
    struct text_source *t = (struct text_source *)s;

    if (t->rest.size < size + 2)
        return status_of(ST_IO);
    *out = arena_copy(arena, bytes_of(t->rest.data, size));
    t->rest = bytes_skip(t->rest, size + 2);
    return status_ok();
}

void text_source_init(struct text_source *t, struct bytes text)
{
    *t = (struct text_source) { .source = { .line = line, .bytes = bytes }, .rest = text };
}
