#include "resp/sha1.h"

#include <criterion/criterion.h>

#include <stdio.h>

static void expect(struct resp_sha1 *s, const char *hex)
{
    uint8_t digest[RESP_SHA1_BYTES];
    char text[2 * RESP_SHA1_BYTES + 1];

    resp_sha1_end(s, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
    cr_assert_str_eq(text, hex);
}

/* The examples of FIPS 180, and the million of a's, in pieces of every size up to two blocks. */
Test(resp_sha1, known_digests_whatever_the_pieces)
{
    static const struct {
        const char *text;
        const char *hex;
    } rows[] = {
        { "", "da39a3ee5e6b4b0d3255bfef95601890afd80709" },
        { "abc", "a9993e364706816aba3e25717850c26c9cd0d89d" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "84983e441c3bd26ebaae4aa1f95129e5e54670f1" },
    };
    uint8_t as[128];
    struct resp_sha1 s;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        resp_sha1_init(&s);
        resp_sha1_add(&s, bytes_str(rows[i].text));
        expect(&s, rows[i].hex);
    }
    memset(as, 'a', sizeof as);
    resp_sha1_init(&s);
    for (size_t sent = 0, piece = 1; sent < 1000000; sent += piece, piece = piece % 128 + 1) {
        if (piece > 1000000 - sent)
            piece = 1000000 - sent;
        resp_sha1_add(&s, bytes_of(as, piece));
        if (piece == 1000000 - sent)
            break;
    }
    expect(&s, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}
