/*
 * buf -- a growable run of bytes with a maximum.
 *
 * An append that would pass the maximum, or finds no memory, sets is_failed and is dropped whole,
 * as is every later one, so that what is there is a prefix of what was meant; check once at the
 * end. Threads: one owner.
 */
#ifndef VARVE_BASE_BUF_H
#define VARVE_BASE_BUF_H

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/status.h"

struct buf {
    struct alloc *alloc;
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t size_max;
    bool is_failed; /* Sticky until reset. */
    bool is_short;  /* If it failed: for want of memory, not for the maximum. */
};

void buf_init(struct buf *b, struct alloc *alloc, size_t size_max);
void buf_deinit(struct buf *b);
/* Empty; keeps the memory. */
void buf_reset(struct buf *b);
/* Room for size more bytes at the end, uninitialised, counted in b->size; valid until the next
 * call that may grow b. NULL on failure. */
uint8_t *buf_extend(struct buf *b, size_t size);
/* Make capacity for size more without counting them. False, and is_failed, on failure. */
bool buf_reserve(struct buf *b, size_t size);
void buf_append(struct buf *b, struct bytes bytes);
void buf_append_u8(struct buf *b, uint8_t v);
void buf_append_u16(struct buf *b, uint16_t v);
void buf_append_u32(struct buf *b, uint32_t v);
void buf_append_u64(struct buf *b, uint64_t v);
void buf_append_varint(struct buf *b, uint64_t v);
/* Needs a byte more than the text for a moment, within the maximum. */
__attribute__((format(printf, 2, 3))) void buf_append_format(struct buf *b, const char *format,
                                                             ...);
/* Drop the first count bytes; the rest moves to the front. Requires: count <= b->size. */
void buf_consume(struct buf *b, size_t count);

static inline struct bytes buf_bytes(const struct buf *b)
{
    return bytes_of(b->data, b->size);
}

#endif
