/*
 * crc64 -- the checksum of others' formats: CRC-64 as Redis uses it (Jones' polynomial, reflected,
 * from zero and without a final inversion), through ISA-L. What varve writes for itself has crc32c.
 */
#ifndef VARVE_BASE_CRC64_H
#define VARVE_BASE_CRC64_H

#include "base/bytes.h"

/* Extend crc (0 to begin) by data. crc64(0, "123456789") is 0xe9c6d914c4b8d9ca. */
uint64_t crc64(uint64_t crc, const void *data, size_t size);

#endif
