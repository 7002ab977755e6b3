#include "lsm/liveness.h"

#include "base/check.h"

/*
 * Radix sort, least byte first. A byte that all numbers share is skipped, which is most of them:
 * few references, ordinals below a million.
 */
uint64_t *lsm_liveness_sort(uint64_t *numbers, uint64_t *scratch, size_t count)
{
    uint64_t differ = 0;

    for (size_t i = 1; i < count; i++)
        differ |= numbers[i] ^ numbers[0];
    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t place[256] = { 0 };
        if ((differ >> shift & 0xff) == 0)
            continue;
        for (size_t i = 0; i < count; i++)
            place[numbers[i] >> shift & 0xff]++;
        size_t sum = 0;
        for (unsigned byte = 0; byte < 256; byte++) {
            size_t n = place[byte];
            place[byte] = sum;
            sum += n;
        }
        for (size_t i = 0; i < count; i++)
            scratch[place[numbers[i] >> shift & 0xff]++] = numbers[i];
        uint64_t *sorted = scratch;
        scratch = numbers;
        numbers = sorted;
    }
    return numbers;
}

void lsm_liveness_encode(uint32_t ref, const uint32_t *ordinals, size_t count, struct buf *out)
{
    uint64_t end = 0; /* Of the last run. */

    CHECK(count >= 1 && count <= UINT32_MAX);
    buf_append_u32(out, ref);
    buf_append_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count;) {
        size_t length = 1;
        while (i + length < count && ordinals[i + length] == ordinals[i] + length)
            length++;
        buf_append_varint(out, (ordinals[i] - end) << 1 | (length > 1));
        if (length > 1)
            buf_append_varint(out, length - 2);
        end = ordinals[i] + length;
        i += length;
    }
}

struct status lsm_liveness_decode(struct bytes body, uint32_t ref, lsm_liveness_visit *visit,
                                  void *context)
{
    const uint64_t limit = UINT64_C(1) << 32;
    uint32_t stored_ref;
    uint32_t count;
    uint64_t end = 0;
    uint64_t seen = 0;

    if (!take_u32(&body, &stored_ref) || !take_u32(&body, &count) || stored_ref != ref ||
        count == 0)
        return status_of(ST_CORRUPT);
    while (body.size > 0) {
        uint64_t gap;
        uint64_t length = 0;
        if (!take_varint(&body, &gap) || ((gap & 1) != 0 && !take_varint(&body, &length)))
            return status_of(ST_CORRUPT);
        length = (gap & 1) == 0 ? 1 : length >= limit ? limit : length + 2;
        gap >>= 1;
        if ((gap == 0 && seen > 0) || gap >= limit || end + gap + length > limit)
            return status_of(ST_CORRUPT);
        visit(context, (uint32_t)(end + gap), (uint32_t)length);
        end += gap + length;
        seen += length;
    }
    return seen == count ? status_ok() : status_of(ST_CORRUPT);
}
