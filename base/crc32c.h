/*
 * crc32c -- the checksum of everything on disk and wire (Castagnoli; ISA-L's three-stream code).
 *
 * Every checksum is salted with the place of what it covers, so that a good block in the wrong
 * place is a bad block: crc32c_salted(salt, bytes) = CRC-32C of the 8 salt bytes, then the bytes.
 */
#ifndef VARVE_BASE_CRC32C_H
#define VARVE_BASE_CRC32C_H

#include "base/bytes.h"

/* Extend crc (0 to begin) by data. crc32c(0, "123456789") is 0xe3069283. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

static inline uint32_t crc32c_salted(uint64_t salt, const void *data, size_t size)
{
    uint8_t s[8];
    put_u64(s, salt);
    return crc32c(crc32c(0, s, sizeof s), data, size);
}

#endif
