#include "base/buf.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>

enum { CAPACITY_MIN = 64 };

void buf_init(struct buf *b, struct alloc *alloc, size_t size_max)
{
    *b = (struct buf) { .alloc = alloc, .size_max = size_max };
}

void buf_deinit(struct buf *b)
{
    alloc_free(b->alloc, b->data, b->capacity);
    *b = (struct buf) { 0 };
}

void buf_reset(struct buf *b)
{
    b->size = 0;
    b->is_failed = false;
}

/* Doubles, so that appending is linear overall; at least to needed, at most to size_max. */
static bool grow(struct buf *b, size_t needed)
{
    size_t capacity = b->capacity <= b->size_max / 2 ? b->capacity * 2 : b->size_max;

    if (capacity < CAPACITY_MIN)
        capacity = CAPACITY_MIN < b->size_max ? CAPACITY_MIN : b->size_max;
    if (capacity < needed)
        capacity = needed;
    uint8_t *data = alloc_resize(b->alloc, b->data, b->capacity, capacity);
    if (data == NULL)
        return false;
    b->data = data;
    b->capacity = capacity;
    return true;
}

bool buf_reserve(struct buf *b, size_t size)
{
    if (b->is_failed)
        return false;
    if (size <= b->capacity - b->size)
        return true;
    bool fits = size <= b->size_max - b->size;
    if (fits && grow(b, b->size + size))
        return true;
    b->is_failed = true;
    b->is_short = fits;
    return false;
}

uint8_t *buf_extend(struct buf *b, size_t size)
{
    /* At least one byte: nothing extended by nothing is still somewhere, not NULL. */
    if (!buf_reserve(b, size == 0 && b->data == NULL ? 1 : size))
        return NULL;
    uint8_t *p = b->data + b->size;
    b->size += size;
    return p;
}

void buf_append(struct buf *b, struct bytes bytes)
{
    if (bytes.size == 0)
        return;
    uint8_t *p = buf_extend(b, bytes.size);
    if (p != NULL)
        memcpy(p, bytes.data, bytes.size);
}

void buf_append_u8(struct buf *b, uint8_t v)
{
    buf_append(b, bytes_of(&v, sizeof v));
}

void buf_append_u16(struct buf *b, uint16_t v)
{
    uint8_t *p = buf_extend(b, sizeof v);
    if (p != NULL)
        put_u16(p, v);
}

void buf_append_u32(struct buf *b, uint32_t v)
{
    uint8_t *p = buf_extend(b, sizeof v);
    if (p != NULL)
        put_u32(p, v);
}

void buf_append_u64(struct buf *b, uint64_t v)
{
    uint8_t *p = buf_extend(b, sizeof v);
    if (p != NULL)
        put_u64(p, v);
}

void buf_append_varint(struct buf *b, uint64_t v)
{
    uint8_t *p = buf_extend(b, varint_size(v));
    if (p != NULL)
        (void)put_varint(p, v);
}

void buf_append_format(struct buf *b, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    CHECK(n >= 0);
    /* vsnprintf terminates what it writes: one byte more, given back. */
    uint8_t *p = buf_extend(b, (size_t)n + 1);
    if (p == NULL)
        return;
    va_start(arguments, format);
    (void)vsnprintf((char *)p, (size_t)n + 1, format, arguments);
    va_end(arguments);
    b->size--;
}

void buf_consume(struct buf *b, size_t count)
{
    CHECK(count <= b->size);
    b->size -= count;
    if (b->size > 0 && count > 0)
        memmove(b->data, b->data + count, b->size);
}
