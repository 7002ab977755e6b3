/*
 * Recovery on any bytes. The input is what follows the header block of one or two segments; its
 * first byte says whether checksums are mended, where the second segment begins, and whether the
 * first is a value file as well. Opening ends with an answer in bounded memory, replayed entries
 * lie within what was given, and a log that opened opens again to the same entries.
 */
#include "base/check.h"
#include "base/hash.h"

#include "tests/vlog/support/fuzz_log.h"

#include <stdlib.h>

enum { SIZE_MAX_EACH = 64 * 1024 };

struct replayed {
    uint64_t count;
    uint64_t hash;
    uint64_t last_lsn;
};

static struct status on_entry(void *context, const struct vlog_replayed *e)
{
    struct replayed *r = context;

    CHECK(e->lsn >= r->last_lsn);
    r->last_lsn = e->lsn;
    r->count++;
    r->hash = hash_bytes(e->body, r->hash ^ e->index);
    for (uint32_t i = 0; i < e->value_count; i++) {
        CHECK(e->handles[i].length == e->values[i].size);
        r->hash = hash_bytes(e->values[i], r->hash ^ e->handles[i].offset);
    }
    return status_ok();
}

/* A segment: a header block, then the input. */
static void put_segment(struct fuzz_log *f, uint64_t id, const uint8_t *data, size_t size,
                        bool is_mended)
{
    size_t total = VLOG_BLOCK + size;
    uint8_t *bytes = malloc(total);
    struct vlog_header h = {
        .kind = VLOG_SEGMENT,
        .physical = id,
        .logical = id,
        .size = total,
        .first_lsn = id == 1,
    };

    CHECK(bytes != NULL);
    memcpy(h.store, fuzz_log_store, VLOG_UUID);
    vlog_header_write(&h, bytes);
    if (size > 0)
        memcpy(bytes + VLOG_BLOCK, data, size);
    if (is_mended)
        fuzz_log_mend_batches(bytes, total, id);
    fuzz_log_put(f, id, VLOG_SEGMENT, bytes, total);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_log f;
    struct replayed first = { .count = 0 };
    struct replayed again = { .count = 0 };

    if (size < 2 || size > SIZE_MAX_EACH)
        return 0;
    bool is_mended = data[0] & 1;
    bool is_two = data[0] & 2;
    size_t cut = is_two ? (size - 2) * data[1] / 255 : size - 2;
    fuzz_log_init(&f);
    size_t held = atomic_load(&f.budget.total_bytes);
    put_segment(&f, 1, data + 2, cut, is_mended);
    if (is_two)
        put_segment(&f, 2, data + 2 + cut, size - 2 - cut, is_mended);
    struct status s = fuzz_log_open(&f, NULL, 0, on_entry, &first);
    /* One segment at a time, its offsets, two images. */
    CHECK(atomic_load(&f.budget.peak_bytes) <= held + 3 * (VLOG_BLOCK + size) + 256 * 1024);
    if (succeeded(s)) {
        vlog_close(f.log, f.ring);
        f.log = NULL;
        s = fuzz_log_open(&f, NULL, 0, on_entry, &again);
        CHECK(succeeded(s) && again.count == first.count && again.hash == first.hash);
    }
    fuzz_log_deinit(&f);
    return 0;
}
