#include "bench/key.h"

#include "base/bytes.h"
#include "base/hash.h"

/* The low size bytes of number, most significant first. */
static void put_big_endian(uint8_t *p, uint64_t number, size_t size)
{
    uint8_t all[8];

    put_u64_be(all, number);
    memcpy(p, all + sizeof all - size, size);
}

/* number, then '0' bytes, into size bytes. */
static void fill_number(uint8_t *p, uint64_t number, size_t size)
{
    size_t digits = size < 8 ? size : 8;

    put_big_endian(p, number, digits);
    memset(p + digits, '0', size - digits);
}

void key_encode(const struct key_shape *shape, uint64_t number, uint8_t *out_key)
{
    size_t prefix_size = 0;

    if (shape->keys_per_prefix > 0) {
        uint64_t prefixes = shape->key_count / shape->keys_per_prefix;
        prefix_size = shape->prefix_size;
        fill_number(out_key, prefixes == 0 ? 0 : number % prefixes, prefix_size);
    }
    fill_number(out_key + prefix_size, number, shape->size - prefix_size);
}

uint64_t key_fnv64(uint64_t number)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (int i = 0; i < 8; i++) {
        h ^= number & 0xff;
        number >>= 8;
        h *= UINT64_C(1099511628211);
    }
    /* The absolute value of a signed number; its least value has none and stays (as in Java). */
    return h >> 63 != 0 ? 0 - h : h;
}

size_t key_encode_ycsb(uint64_t record, uint8_t *out_key)
{
    uint64_t n = key_fnv64(record);
    uint8_t digits[20];
    size_t first = sizeof digits;

    do {
        digits[--first] = (uint8_t)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    memcpy(out_key, "user", 4);
    memcpy(out_key + 4, digits + first, sizeof digits - first);
    return 4 + sizeof digits - first;
}

void permutation_init(struct permutation *p, uint64_t count, uint64_t seed)
{
    unsigned bits = 1;

    while (bits < 63 && UINT64_C(1) << bits < count)
        bits++;
    *p = (struct permutation) {
        .count = count,
        .mask = (UINT64_C(1) << bits) - 1,
        .shift = (bits + 1) / 2,
        .salt = hash_u64(seed + 1),
    };
}

/*
 * Within a power of two, multiplying by an odd number, adding, and folding the high half onto the
 * low one are bijections, so a chain of them is. What falls outside [0, count) is sent through
 * again: the walk stays on one cycle of the bijection and so ends, after fewer than two rounds on
 * average, at a number nobody else ends at.
 */
uint64_t permutation_at(const struct permutation *p, uint64_t index)
{
    uint64_t x = index;

    do {
        x = (x * UINT64_C(0x9e3779b97f4a7c15) + p->salt) & p->mask;
        x ^= x >> p->shift;
        x = (x * UINT64_C(0xbf58476d1ce4e5b9) + (p->salt >> 32)) & p->mask;
        x ^= x >> p->shift;
        x = (x * UINT64_C(0x94d049bb133111eb)) & p->mask;
        x ^= x >> p->shift;
    } while (x >= p->count);
    return x;
}
