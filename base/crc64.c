#include "base/crc64.h"

#include <isa-l/crc64.h>

/* ISA-L inverts on the way in and on the way out, this form does neither. */
uint64_t crc64(uint64_t crc, const void *data, size_t size)
{
    return size == 0 ? crc : ~crc64_jones_refl(~crc, data, size);
}
