#include "resp/lzf.h"

enum { LITERAL_MAX = 32, SHORT_COPY_MAX = 7, COPY_EXTRA = 2 };

/* What is expanded so far, and where it ends at the latest. */
struct expanded {
    uint8_t *begin;
    uint8_t *next;
    uint8_t *end;
};

static bool take_literal(struct bytes *packed, size_t size, struct expanded *e)
{
    struct bytes literal;

    if (size > (size_t)(e->end - e->next) || !take_bytes(packed, size, &literal))
        return false;
    memcpy(e->next, literal.data, size);
    e->next += size;
    return true;
}

/* Byte by byte where the copy overlaps its source: it repeats what it has just written. */
static bool take_copy(struct bytes *packed, uint8_t control, struct expanded *e)
{
    size_t size = control >> 5;
    uint8_t more = 0;
    uint8_t low;

    if ((size == SHORT_COPY_MAX && !take_u8(packed, &more)) || !take_u8(packed, &low))
        return false;
    size += more + (size_t)COPY_EXTRA;
    size_t back = ((size_t)(control & 31) << 8 | low) + 1;
    if (size > (size_t)(e->end - e->next) || back > (size_t)(e->next - e->begin))
        return false;
    if (back >= size) {
        memcpy(e->next, e->next - back, size);
        e->next += size;
        return true;
    }
    for (; size > 0; size--, e->next++)
        *e->next = *(e->next - back);
    return true;
}

bool resp_lzf_expand(struct bytes packed, uint8_t *out, size_t size)
{
    struct expanded e = { .begin = out, .next = out, .end = out + size };
    uint8_t control;

    while (take_u8(&packed, &control)) {
        bool is_good = control < LITERAL_MAX ? take_literal(&packed, control + (size_t)1, &e)
                                             : take_copy(&packed, control, &e);
        if (!is_good)
            return false;
    }
    return e.next == e.end;
}
