#include "base/crc32c.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* RFC 3720, appendix B.4, and the check value of the catalogue of CRC parameters. */
Test(crc32c, known_vectors)
{
    uint8_t data[32];

    cr_assert_eq(crc32c(0, "123456789", 9), 0xe3069283);
    cr_assert_eq(crc32c(0, "", 0), 0);
    memset(data, 0, sizeof data);
    cr_assert_eq(crc32c(0, data, sizeof data), 0x8a9136aa);
    memset(data, 0xff, sizeof data);
    cr_assert_eq(crc32c(0, data, sizeof data), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        data[i] = (uint8_t)i;
    cr_assert_eq(crc32c(0, data, sizeof data), 0x46dd794e);
}

/* A checksum taken in pieces is the checksum of the whole, whatever the lengths and alignments. */
Test(crc32c, extends_over_any_split)
{
    uint8_t data[300];

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 37 + 11);
    for (size_t size = 0; size <= sizeof data; size += 13) {
        uint32_t whole = crc32c(0, data, size);
        for (size_t cut = 0; cut <= size; cut++)
            cr_assert_eq(crc32c(crc32c(0, data, cut), data + cut, size - cut), whole,
                         "%zu bytes cut at %zu", size, cut);
    }
}

/* The definition, bit by bit, against the library's instructions. */
static uint32_t crc_by_bits(uint32_t crc, const uint8_t *p, size_t size)
{
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}

Test(crc32c, agrees_with_the_definition)
{
    uint8_t data[5000];

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * i >> 3);
    for (size_t size = 0; size <= 520; size++)
        cr_assert_eq(crc32c(0, data, size), crc_by_bits(0, data, size), "size %zu", size);
    for (size_t begin = 0; begin < 16; begin++)
        cr_assert_eq(crc32c(0, data + begin, 4900), crc_by_bits(0, data + begin, 4900));
}

Test(crc32c, salt_is_eight_bytes_in_front)
{
    uint8_t joined[8 + 5] = { 0 };

    put_u64(joined, 0x0123456789abcdef);
    memcpy(joined + 8, "hello", 5);
    cr_assert_eq(crc32c_salted(0x0123456789abcdef, "hello", 5), crc32c(0, joined, sizeof joined));
    cr_assert_neq(crc32c_salted(1, "hello", 5), crc32c_salted(2, "hello", 5));
}
