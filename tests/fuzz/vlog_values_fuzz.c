/*
 * Value files of any bytes: scanned whole, and read by handles. The input says what a manifest
 * claims about the file, which handle to read, where the directory says values are, and what lies
 * there; then one byte of the whole is changed, or none. Checksums of directory and footer are
 * right, so that everything behind them is reached.
 */
#include "base/check.h"

#include "tests/vlog/support/fuzz_log.h"

#include <stdlib.h>

enum { PREFIX = 24, ITEM = 6, INPUT_MAX = 64 * 1024, LOGICAL = 7, PHYSICAL = 9 };

/* Who reads a value uses all of it: a sanitizer sees what is not there. */
static struct status on_value(void *context, uint32_t ordinal, struct bytes value)
{
    uint64_t *next = context;
    uint8_t sum = 0;

    CHECK(ordinal >= *next);
    *next = (uint64_t)ordinal + 1;
    for (size_t i = 0; i < value.size; i++)
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

/* The directory: items of ordinal and offset. */
static void put_directory(uint8_t *at, const struct vlog_file *file, const uint8_t *items,
                          size_t count)
{
    uint32_t pages = (uint32_t)vlog_page_count(file->ordinal_end);
    uint32_t *offsets = calloc(pages, VLOG_PAGE_ORDINALS * sizeof *offsets);

    CHECK(offsets != NULL);
    for (size_t i = 0; i < count; i++)
        offsets[get_u16(items + i * ITEM) % file->ordinal_end] = get_u32(items + i * ITEM + 2);
    for (uint32_t page = 0; page < pages; page++)
        vlog_page_write(PHYSICAL, page, offsets + page * VLOG_PAGE_ORDINALS, VLOG_PAGE_ORDINALS,
                        at + (size_t)page * VLOG_BLOCK);
    free(offsets);
}

static void put_footer(uint8_t *at, const struct vlog_file *file, uint64_t directory)
{
    struct vlog_footer f = {
        .physical = PHYSICAL,
        .logical = LOGICAL,
        .value_count = file->value_count,
        .value_bytes = file->value_bytes,
        .end = directory,
        .directory = directory,
        .ordinal_end = file->ordinal_end,
    };

    memcpy(f.store, fuzz_log_store, VLOG_UUID);
    vlog_footer_write(&f, at);
}

/* Make what the handle leads to a value, if it leads into the values. */
static void put_value(uint8_t *bytes, uint64_t end, const struct vlog_handle *h)
{
    if (h->offset < VLOG_BLOCK || h->offset + (uint64_t)VLOG_VALUE_HEADER + h->length > end)
        return;
    struct bytes value = bytes_of(bytes + h->offset + VLOG_VALUE_HEADER, h->length);
    put_u32(bytes + h->offset, vlog_value_crc(LOGICAL, h->ordinal, value));
    put_u32(bytes + h->offset + 4, h->length);
}

static void read_all(struct fuzz_log *f, const struct vlog_handle *handle)
{
    struct fetch_options options = { .cache = f->cache, .ring = f->ring };
    struct errbuf err = { { 0 } };
    struct fetch fetch;
    struct bytes value;
    uint64_t next = 0;

    struct status s = vlog_scan(f->log, f->ring, LOGICAL, NULL, on_value, &next, &err);
    CHECK(succeeded(s) || s.code == ST_CANCELLED || err.text[0] != '\0');
    fetch_init(&fetch, &options);
    s = vlog_read(f->log, &fetch, handle, &value);
    CHECK(failed(s) || value.size == handle->length);
    fetch_deinit(&fetch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_log f;

    if (size < PREFIX || size > INPUT_MAX)
        return 0;
    struct vlog_handle handle = {
        .file = LOGICAL,
        .ordinal = get_u16(data),
        .offset = VLOG_BLOCK + get_u16(data + 2),
        .length = get_u16(data + 4),
    };
    size_t items = data[6];
    if (items > (size - PREFIX) / ITEM)
        items = (size - PREFIX) / ITEM;
    size_t body = size - PREFIX - items * ITEM;
    uint64_t directory = align_up(VLOG_BLOCK + body, VLOG_BLOCK);
    struct vlog_file file = {
        .logical = LOGICAL,
        .physical = PHYSICAL,
        .value_count = data[7],
        .value_bytes = get_u16(data + 8),
        .ordinal_end = 1 + get_u16(data + 10) % 3000,
    };
    file.size_bytes = directory + vlog_end_size(file.ordinal_end);
    uint8_t *bytes = calloc(1, file.size_bytes);
    CHECK(bytes != NULL);
    memcpy(bytes + VLOG_BLOCK, data + PREFIX + items * ITEM, body);
    put_value(bytes, directory, &handle);
    put_directory(bytes + directory, &file, data + PREFIX, items);
    put_footer(bytes + file.size_bytes - VLOG_BLOCK, &file, directory);
    bytes[get_u32(data + 12) % file.size_bytes] ^= data[16];

    fuzz_log_init(&f);
    fuzz_log_put(&f, PHYSICAL, VLOG_VALUES, bytes, file.size_bytes);
    if (succeeded(fuzz_log_open(&f, &file, 1, no_entry, NULL)))
        read_all(&f, &handle);
    fuzz_log_deinit(&f);
    free(bytes);
    return 0;
}
