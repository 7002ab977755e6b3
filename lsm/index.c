#include "lsm/index.h"

#include "base/check.h"

#include "lsm/table_format.h"

/* A partition is filled up to a whole page when no more than this is lost: one read then suffices.
 */
enum { PAD_MAX = 256 };

struct bytes lsm_index_separator(struct bytes a, struct bytes b, uint8_t *buffer)
{
    size_t n = a.size < b.size ? a.size : b.size;
    size_t i = 0;

    DCHECK(bytes_compare(a, b) < 0);
    while (i < n && a.data[i] == b.data[i])
        i++;
    if (i == a.size)
        return a; /* b goes on where a ends. */
    if (b.size > i + 1)
        return bytes_of(b.data, i + 1);
    if (a.data[i] + 1 < b.data[i]) {
        memcpy(buffer, a.data, i);
        buffer[i] = (uint8_t)(a.data[i] + 1);
        return bytes_of(buffer, i + 1);
    }
    return a;
}

void lsm_index_builder_init(struct lsm_index_builder *b, struct alloc *a)
{
    lsm_block_builder_init(&b->partition, a);
    lsm_block_builder_init(&b->top, a);
    buf_init(&b->parts, a, TABLE_SIZE_MAX);
    buf_init(&b->part_sizes, a, TABLE_SIZE_MAX);
}

void lsm_index_builder_deinit(struct lsm_index_builder *b)
{
    lsm_block_builder_deinit(&b->partition);
    lsm_block_builder_deinit(&b->top);
    buf_deinit(&b->parts);
    buf_deinit(&b->part_sizes);
}

/* Where a partition that ends at `end` shall end: at a page if that is near, else as asked. */
static size_t padded_end(size_t end, uint32_t alignment)
{
    size_t page_end = align_up(end, IO_ALIGN);
    return page_end - end <= PAD_MAX ? page_end : align_up(end, alignment);
}

static struct status end_partition(struct lsm_index_builder *b, uint32_t alignment)
{
    size_t bound = lsm_block_builder_size(&b->partition) + TABLE_TRAILER + IO_ALIGN;
    size_t begin = b->parts.size;

    if (!buf_reserve(&b->parts, bound) || !buf_reserve(&b->part_sizes, 4))
        return status_of(ST_NO_MEMORY);
    uint8_t *p = b->parts.data + begin;
    size_t used = lsm_block_builder_finish(&b->partition, p);
    size_t size = padded_end(begin + used + TABLE_TRAILER, alignment) - begin;
    memset(p + used, 0, size - used);
    b->parts.size = begin + size;
    buf_append_u32(&b->part_sizes, (uint32_t)size);

    struct lsm_entry e = { .key = lsm_block_builder_last_key(&b->partition),
                           .version = lsm_block_builder_last_version(&b->partition),
                           .kind = LSM_PUT_HANDLE,
                           .handle = { .offset = (uint32_t)begin, .length = (uint32_t)size } };
    TRY(lsm_block_builder_add(&b->top, &e, LSM_BLOCK_MAX));
    lsm_block_builder_reset(&b->partition);
    return status_ok();
}

struct status lsm_index_builder_add(struct lsm_index_builder *b, struct bytes separator,
                                    uint64_t version, uint32_t offset, uint32_t size)
{
    struct lsm_entry e = { .key = separator,
                           .version = version,
                           .kind = LSM_PUT_HANDLE,
                           .handle = { .offset = offset, .length = size } };

    struct status s = lsm_block_builder_add(&b->partition, &e, TABLE_INDEX_SIZE - TABLE_TRAILER);
    if (s.code != ST_LIMIT)
        return s;
    if (lsm_block_builder_count(&b->partition) > 0)
        TRY(end_partition(b, 1));
    return lsm_block_builder_add(&b->partition, &e, LSM_BLOCK_MAX);
}

struct status lsm_index_builder_finish(struct lsm_index_builder *b, uint32_t alignment)
{
    return lsm_block_builder_count(&b->partition) == 0 ? status_ok() : end_partition(b, alignment);
}

size_t lsm_index_builder_size(const struct lsm_index_builder *b)
{
    return b->parts.size + lsm_block_builder_bound(&b->partition) +
           lsm_block_builder_bound(&b->top) + 2 * TABLE_TRAILER;
}

size_t lsm_index_builder_memory(const struct lsm_index_builder *b)
{
    return lsm_block_builder_memory(&b->partition) + lsm_block_builder_memory(&b->top) +
           b->parts.capacity + b->part_sizes.capacity;
}
