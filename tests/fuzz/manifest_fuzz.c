/*
 * Any bytes as the payload of an edit: refused, or an edit whose own encoding is read back as the
 * same edit.
 */
#include "base/alloc.h"
#include "base/check.h"

#include "lsm/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lsm_edit first;
    struct lsm_edit second;
    struct buf once;
    struct buf twice;

    struct status s = lsm_edit_decode(bytes_of(data, size), alloc_heap(), &first);
    if (succeeded(s)) {
        buf_init(&once, alloc_heap(), SIZE_MAX / 2);
        buf_init(&twice, alloc_heap(), SIZE_MAX / 2);
        lsm_edit_encode(&first, &once);
        CHECK(succeeded(lsm_edit_decode(buf_bytes(&once), alloc_heap(), &second)));
        lsm_edit_encode(&second, &twice);
        CHECK(bytes_equal(buf_bytes(&once), buf_bytes(&twice)));
        CHECK(first.added_count == second.added_count);
        CHECK(first.dropped_count == second.dropped_count);
        CHECK(first.keyspace_count == second.keyspace_count);
        lsm_edit_deinit(&second);
        buf_deinit(&once);
        buf_deinit(&twice);
    } else {
        CHECK(s.code == ST_CORRUPT || s.code == ST_UNSUPPORTED);
    }
    lsm_edit_deinit(&first);
    return 0;
}
