#include "resp/sha1.h"

enum { ROUNDS = 80, SIZE_BYTES = 8 };

void resp_sha1_init(struct resp_sha1 *s)
{
    *s = (struct resp_sha1) { .state = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
                                         0xc3d2e1f0 } };
}

static uint32_t rotate(uint32_t x, int by)
{
    return x << by | x >> (32 - by);
}

/* The function and the constant of a round: there are four of each. */
static uint32_t mix(int round, uint32_t b, uint32_t c, uint32_t d)
{
    switch (round / 20) {
    case 0:
        return ((b & c) | (~b & d)) + 0x5a827999;
    case 1:
        return (b ^ c ^ d) + 0x6ed9eba1;
    case 2:
        return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    default:
        return (b ^ c ^ d) + 0xca62c1d6;
    }
}

static void take_block(struct resp_sha1 *s, const uint8_t *block)
{
    uint32_t w[ROUNDS];
    uint32_t a = s->state[0];
    uint32_t b = s->state[1];
    uint32_t c = s->state[2];
    uint32_t d = s->state[3];
    uint32_t e = s->state[4];

    for (int i = 0; i < 16; i++)
        w[i] = get_u32_be(block + 4 * i);
    for (int i = 16; i < ROUNDS; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t next = rotate(a, 5) + mix(i, b, c, d) + e + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    s->state[0] += a;
    s->state[1] += b;
    s->state[2] += c;
    s->state[3] += d;
    s->state[4] += e;
}

void resp_sha1_add(struct resp_sha1 *s, struct bytes bytes)
{
    while (bytes.size > 0) {
        size_t held = s->size_bytes % RESP_SHA1_BLOCK;
        size_t some = RESP_SHA1_BLOCK - held < bytes.size ? RESP_SHA1_BLOCK - held : bytes.size;
        memcpy(s->block + held, bytes.data, some);
        s->size_bytes += some;
        bytes = bytes_skip(bytes, some);
        if (held + some == RESP_SHA1_BLOCK)
            take_block(s, s->block);
    }
}

void resp_sha1_end(struct resp_sha1 *s, uint8_t out[RESP_SHA1_BYTES])
{
    static const uint8_t PADDING[RESP_SHA1_BLOCK] = { 0x80 };
    uint8_t bits[SIZE_BYTES];

    put_u64_be(bits, s->size_bytes * 8);
    size_t held = s->size_bytes % RESP_SHA1_BLOCK;
    size_t end = RESP_SHA1_BLOCK - SIZE_BYTES;
    resp_sha1_add(s, bytes_of(PADDING, held < end ? end - held : end + RESP_SHA1_BLOCK - held));
    resp_sha1_add(s, bytes_of(bits, sizeof bits));
    for (int i = 0; i < RESP_SHA1_BYTES / 4; i++)
        put_u32_be(out + 4 * i, s->state[i]);
}

void resp_sha1_of(struct bytes bytes, uint8_t out[RESP_SHA1_BYTES])
{
    struct resp_sha1 s;

    resp_sha1_init(&s);
    resp_sha1_add(&s, bytes);
    resp_sha1_end(&s, out);
}
