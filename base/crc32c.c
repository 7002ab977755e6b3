#include "base/crc32c.h"

#include <isa-l/crc.h>
#include <limits.h>

/*
 * ISA-L's crc32_iscsi is the bare remainder: it neither starts from all ones nor inverts at the
 * end. CRC-32C does both, and inverting on the way in undoes the last call's inversion, so that
 * crc32c(crc32c(0, a), b) is the checksum of a followed by b. Its length is an int.
 */
uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    unsigned char *p = (unsigned char *)data; /* Not written to; ISA-L's type lacks the const. */

    crc = ~crc;
    while (size > 0) {
        int n = size < INT_MAX ? (int)size : INT_MAX;
        crc = crc32_iscsi(p, n, crc);
        p += n;
        size -= (size_t)n;
    }
    return ~crc;
}
