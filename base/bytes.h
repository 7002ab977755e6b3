/*
 * bytes -- a borrowed run of bytes, fixed-width little-endian fields, varints, checked sizes.
 *
 * struct bytes is what functions take and return when they do not own: pointer and length, never
 * terminated. Borrowed is the default; a function that keeps or copies says so in its header.
 *
 * Threads: any; values only.
 */
#ifndef VARVE_BASE_BYTES_H
#define VARVE_BASE_BYTES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *data;
    size_t size;
};

static inline struct bytes bytes_of(const void *data, size_t size)
{
    return (struct bytes) { .data = (const uint8_t *)data, .size = size };
}

/* The bytes of a C string, without its terminator. */
static inline struct bytes bytes_str(const char *s)
{
    return bytes_of(s, strlen(s));
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* The order of every tree in varve: memcmp, then the shorter first. <0, 0, >0. */
static inline int bytes_compare(struct bytes a, struct bytes b)
{
    size_t n = a.size < b.size ? a.size : b.size;
    int c = n == 0 ? 0 : memcmp(a.data, b.data, n);
    if (c != 0)
        return c;
    return a.size < b.size ? -1 : a.size > b.size;
}

static inline bool bytes_has_prefix(struct bytes b, struct bytes prefix)
{
    return b.size >= prefix.size &&
           (prefix.size == 0 || memcmp(b.data, prefix.data, prefix.size) == 0);
}

/* Requires: count <= b.size. */
static inline struct bytes bytes_skip(struct bytes b, size_t count)
{
    /* Nothing of nowhere is nowhere: C has no NULL + 0. */
    return bytes_of(count == 0 ? b.data : b.data + count, b.size - count);
}

/* Have the lines of memory that is about to be written brought near. Only a hint, at any address.
 */
static inline void prefetch_for_write(const void *p, size_t size)
{
    for (size_t i = 0; i < size; i += 64)
        __builtin_prefetch((const uint8_t *)p + i, 1);
}

/* Fixed-width fields. Any alignment. */
static inline void put_u16(uint8_t *p, uint16_t v)
{
    memcpy(p, &v, 2);
}
static inline void put_u32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, 4);
}
static inline void put_u64(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, 8);
}
static inline uint16_t get_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, 2);
    return v;
}
static inline uint32_t get_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}
static inline uint64_t get_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "disk and wire fields are little-endian");

/* Big-endian, for keys that must sort as numbers. */
static inline void put_u64_be(uint8_t *p, uint64_t v)
{
    put_u64(p, __builtin_bswap64(v));
}
static inline uint64_t get_u64_be(const uint8_t *p)
{
    return __builtin_bswap64(get_u64(p));
}
static inline void put_u32_be(uint8_t *p, uint32_t v)
{
    put_u32(p, __builtin_bswap32(v));
}
static inline uint32_t get_u32_be(const uint8_t *p)
{
    return __builtin_bswap32(get_u32(p));
}
static inline void put_u16_be(uint8_t *p, uint16_t v)
{
    put_u16(p, __builtin_bswap16(v));
}
static inline uint16_t get_u16_be(const uint8_t *p)
{
    return __builtin_bswap16(get_u16(p));
}

/* LEB128, least significant group first; VARINT_MAX bytes at most for 64 bits. */
enum { VARINT_MAX = 10 };

/* Write v at p (room for VARINT_MAX). Returns the bytes written. */
static inline size_t put_varint(uint8_t *p, uint64_t v)
{
    size_t n = 0;
    while (v >= 0x80) {
        p[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    p[n++] = (uint8_t)v;
    return n;
}

static inline size_t varint_size(uint64_t v)
{
    size_t n = 1;
    while (v >= 0x80) {
        n++;
        v >>= 7;
    }
    return n;
}

/* Take a varint off the front of *b. False, and nothing changed, if it is cut short, longer than
 * needed (a second spelling of the same number) or does not fit 64 bits. */
static inline bool take_varint(struct bytes *b, uint64_t *out_v)
{
    uint64_t v = 0;
    for (size_t n = 0; n < b->size && n < VARINT_MAX; n++) {
        uint8_t c = b->data[n];
        if (n == 9 && c > 1)
            return false;
        v |= (uint64_t)(c & 0x7f) << (7 * n);
        if (c < 0x80) {
            if (c == 0 && n > 0)
                return false;
            *out_v = v;
            *b = bytes_skip(*b, n + 1);
            return true;
        }
    }
    return false;
}

/* Take count bytes off the front of *b. False, and nothing changed, if there are fewer. */
static inline bool take_bytes(struct bytes *b, size_t count, struct bytes *out_taken)
{
    if (b->size < count)
        return false;
    *out_taken = bytes_of(b->data, count);
    *b = bytes_skip(*b, count);
    return true;
}
static inline bool take_u8(struct bytes *b, uint8_t *out_v)
{
    if (b->size < 1)
        return false;
    *out_v = b->data[0];
    *b = bytes_skip(*b, 1);
    return true;
}
static inline bool take_u32(struct bytes *b, uint32_t *out_v)
{
    if (b->size < 4)
        return false;
    *out_v = get_u32(b->data);
    *b = bytes_skip(*b, 4);
    return true;
}
static inline bool take_u64(struct bytes *b, uint64_t *out_v)
{
    if (b->size < 8)
        return false;
    *out_v = get_u64(b->data);
    *b = bytes_skip(*b, 8);
    return true;
}

/* Checked sizes. True, and *out set, when the result fits. */
static inline bool add_sizes(size_t a, size_t b, size_t *out_sum)
{
    return !__builtin_add_overflow(a, b, out_sum);
}
static inline bool mul_sizes(size_t a, size_t b, size_t *out_product)
{
    return !__builtin_mul_overflow(a, b, out_product);
}

/* Requires: alignment is a power of two and n + alignment does not overflow. */
static inline uint64_t align_up(uint64_t n, uint64_t alignment)
{
    return (n + alignment - 1) & ~(alignment - 1);
}
static inline uint64_t align_down(uint64_t n, uint64_t alignment)
{
    return n & ~(alignment - 1);
}

#endif
