/*
 * Value files of any bytes: scanned whole, and read by handles. The input is the file's bytes
 * behind its header block; its first bytes say what a manifest would claim about the file, which
 * handle to read, and whether the checksums of directory, footer and one value are mended.
 */
#include "base/check.h"
#include "base/crc32c.h"

#include "tests/vlog/support/fuzz_log.h"

#include <stdlib.h>

enum { PREFIX = 16, INPUT_MAX = 64 * 1024, LOGICAL = 7, PHYSICAL = 9 };

static struct status on_value(void *context, uint32_t ordinal, struct bytes value)
{
    uint64_t *next = context;
    uint8_t sum = 0;

    CHECK(ordinal >= *next);
    *next = (uint64_t)ordinal + 1;
    for (size_t i = 0; i < value.size; i++) /* All of it is there. */
        sum = (uint8_t)(sum + value.data[i]);
    return sum == 0x5a ? status_of(ST_CANCELLED) : status_ok();
}

static struct status no_entry(void *context, const struct vlog_replayed *e)
{
    (void)context;
    (void)e;
    CHECK(!"a value file is not replayed");
    return status_ok();
}

/* Make directory, footer and the value of the handle look right to their checksums. */
static void mend(uint8_t *bytes, const struct vlog_file *file, const struct vlog_handle *h)
{
    uint64_t directory = file->size_bytes - vlog_end_size(file->ordinal_end);
    uint32_t pages = (uint32_t)vlog_page_count(file->ordinal_end);
    struct vlog_footer f = {
        .physical = PHYSICAL,
        .logical = LOGICAL,
        .value_count = file->value_count,
        .value_bytes = file->value_bytes,
        .end = directory,
        .directory = directory,
        .ordinal_end = file->ordinal_end,
    };

    for (uint32_t page = 0; page < pages; page++) {
        uint32_t offsets[VLOG_PAGE_ORDINALS];
        uint8_t *block = bytes + directory + (size_t)page * VLOG_BLOCK;
        memcpy(offsets, block + 16, sizeof offsets);
        vlog_page_write(PHYSICAL, page, offsets, VLOG_PAGE_ORDINALS, block);
    }
    memcpy(f.store, fuzz_log_store, VLOG_UUID);
    vlog_footer_write(&f, bytes + file->size_bytes - VLOG_BLOCK);
    uint64_t end = h->offset + (uint64_t)VLOG_VALUE_HEADER + h->length;
    if (h->offset >= VLOG_BLOCK && end <= directory) {
        struct bytes value = bytes_of(bytes + h->offset + VLOG_VALUE_HEADER, h->length);
        put_u32(bytes + h->offset, vlog_value_crc(LOGICAL, h->ordinal, value));
        put_u32(bytes + h->offset + 4, h->length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_log f;

    if (size < PREFIX || size > INPUT_MAX)
        return 0;
    struct vlog_handle handle = {
        .file = LOGICAL,
        .ordinal = get_u16(data),
        .offset = get_u32(data + 2),
        .length = get_u16(data + 6),
    };
    bool is_mended = data[8] & 1;
    size_t body = size - PREFIX;
    size_t total = align_up(VLOG_BLOCK + body, VLOG_BLOCK);
    struct vlog_file file = {
        .logical = LOGICAL,
        .physical = PHYSICAL,
        .size_bytes = total,
        .value_count = data[9],
        .value_bytes = get_u16(data + 10),
        .ordinal_end = get_u16(data + 12) % 4000,
    };
    uint8_t *bytes = calloc(1, total);
    CHECK(bytes != NULL);
    memcpy(bytes + VLOG_BLOCK, data + PREFIX, body);
    if (is_mended && total > vlog_end_size(file.ordinal_end))
        mend(bytes, &file, &handle);

    fuzz_log_init(&f);
    fuzz_log_put(&f, PHYSICAL, VLOG_VALUES, bytes, total);
    if (succeeded(fuzz_log_open(&f, &file, 1, no_entry, NULL))) {
        struct fetch_options options = { .cache = f.cache, .ring = f.ring };
        struct errbuf err = { { 0 } };
        struct fetch fetch;
        struct bytes value;
        uint64_t next = 0;
        struct status s = vlog_scan(f.log, f.ring, LOGICAL, NULL, on_value, &next, &err);
        CHECK(succeeded(s) || s.code == ST_CANCELLED || err.text[0] != '\0');
        fetch_init(&fetch, &options);
        s = vlog_read(f.log, &fetch, &handle, &value);
        CHECK(failed(s) || value.size == handle.length);
        fetch_deinit(&fetch);
    }
    fuzz_log_deinit(&f);
    free(bytes);
    return 0;
}
