/*
 * Any bytes as a payload of RESTORE: what is read is no longer than was allowed, and is read again
 * from what DUMP writes of it. As a checksum keeps all but a few inputs out, an input is also read
 * with a right one behind it. The first byte of the input says how long a string may be.
 */
#include "base/check.h"
#include "base/crc64.h"

#include "resp/dump.h"

#include <stdlib.h>

enum { ARENA_MAX = 8 << 20 };

/* The string that was read, as DUMP would write it, is that string. */
static void expect_back(struct bytes string)
{
    uint8_t *payload = malloc(RESP_DUMP_HEAD_MAX + string.size + RESP_DUMP_FOOT);
    struct arena arena;
    struct bytes back;

    CHECK(payload != NULL);
    arena_init(&arena, alloc_heap(), 4096, ARENA_MAX);
    size_t size = resp_dump_number(string, payload);
    if (size == 0) {
        size = resp_dump_head(string.size, payload);
        if (string.size > 0)
            memcpy(payload + size, string.data, string.size);
        size += string.size;
    }
    size += RESP_DUMP_FOOT;
    resp_dump_foot(payload, size);
    struct status s = resp_dump_read(bytes_of(payload, size), string.size, &arena, &back);
    CHECK(succeeded(s));
    CHECK(bytes_equal(back, string));
    arena_deinit(&arena);
    free(payload);
}

static void read_payload(struct bytes payload, uint64_t size_max)
{
    struct arena arena;
    struct bytes string;

    arena_init(&arena, alloc_heap(), 4096, ARENA_MAX);
    if (succeeded(resp_dump_read(payload, size_max, &arena, &string))) {
        CHECK(string.size <= size_max || string.size <= 11); /* Numbers need no room. */
        expect_back(string);
    }
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    uint64_t size_max = UINT64_C(1) << data[0] % 23;
    /* A copy of its own size: a read beyond it is seen. */
    uint8_t *payload = malloc(size - 1 + RESP_DUMP_FOOT);
    CHECK(payload != NULL);
    memcpy(payload, data + 1, size - 1);
    read_payload(bytes_of(payload, size - 1), size_max);
    put_u16(payload + size - 1, RESP_DUMP_VERSION);
    put_u64(payload + size - 1 + 2, crc64(0, payload, size - 1 + 2));
    read_payload(bytes_of(payload, size - 1 + RESP_DUMP_FOOT), size_max);
    free(payload);
    return 0;
}
