#include "base/crc64.h"

#include <criterion/criterion.h>

/* The definition, bit by bit: Jones' polynomial, reflected. */
static uint64_t crc_by_bits(uint64_t crc, const uint8_t *p, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT64_C(0x95ac9329ac4bc9b5) : 0);
    }
    return crc;
}

Test(crc64, agrees_with_the_definition_over_any_split)
{
    uint8_t data[600];

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * i >> 3);
    cr_assert_eq(crc64(0, "123456789", 9), UINT64_C(0xe9c6d914c4b8d9ca));
    cr_assert_eq(crc64(0, NULL, 0), 0);
    for (size_t size = 0; size <= sizeof data; size += 7) {
        uint64_t whole = crc_by_bits(0, data, size);
        for (size_t cut = 0; cut <= size; cut += 5)
            cr_assert_eq(crc64(crc64(0, data, cut), data + cut, size - cut), whole,
                         "%zu bytes cut at %zu", size, cut);
    }
}
