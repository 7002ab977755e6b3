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

/* One round over a, b, c, d, e; mixed: the round's function of b, c, d, its constant and word. */
static void turn(uint32_t v[5], uint32_t mixed)
{
    uint32_t a = rotate(v[0], 5) + v[4] + mixed;

    v[4] = v[3];
    v[3] = v[2];
    v[2] = rotate(v[1], 30);
    v[1] = v[0];
    v[0] = a;
}

static uint32_t choice(const uint32_t v[5])
{
    return (v[1] & v[2]) | (~v[1] & v[3]);
}

static uint32_t parity(const uint32_t v[5])
{
    return v[1] ^ v[2] ^ v[3];
}

static uint32_t majority(const uint32_t v[5])
{
    return (v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3]);
}

static void take_block(struct resp_sha1 *s, const uint8_t *block)
{
    uint32_t w[ROUNDS];
    uint32_t v[5];
    int i = 0;

    for (; i < 16; i++)
        w[i] = get_u32_be(block + 4 * i);
    for (; i < ROUNDS; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    memcpy(v, s->state, sizeof v);
    for (i = 0; i < 20; i++)
        turn(v, choice(v) + 0x5a827999 + w[i]);
    for (; i < 40; i++)
        turn(v, parity(v) + 0x6ed9eba1 + w[i]);
    for (; i < 60; i++)
        turn(v, majority(v) + 0x8f1bbcdc + w[i]);
    for (; i < ROUNDS; i++)
        turn(v, parity(v) + 0xca62c1d6 + w[i]);
    for (i = 0; i < 5; i++)
        s->state[i] += v[i];
}

/* Whole blocks are taken where they are. */
void resp_sha1_add(struct resp_sha1 *s, struct bytes bytes)
{
    while (bytes.size > 0) {
        size_t held = s->size_bytes % RESP_SHA1_BLOCK;
        size_t some = RESP_SHA1_BLOCK - held < bytes.size ? RESP_SHA1_BLOCK - held : bytes.size;
        if (some == RESP_SHA1_BLOCK) {
            take_block(s, bytes.data);
        } else {
            memcpy(s->block + held, bytes.data, some);
            if (held + some == RESP_SHA1_BLOCK)
                take_block(s, s->block);
        }
        s->size_bytes += some;
        bytes = bytes_skip(bytes, some);
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
