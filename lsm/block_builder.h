/*
 * block_builder -- puts entries into a block (lsm/block.h).
 *
 * Entries are staged until the block is finished, because widths and prefix depend on all of them;
 * what the finished block would take is known after each.
 *
 * Threads: one owner.
 */
#ifndef VARVE_LSM_BLOCK_BUILDER_H
#define VARVE_LSM_BLOCK_BUILDER_H

#include "base/buf.h"

#include "lsm/block.h"

struct lsm_block_range {
    uint64_t min;
    uint64_t max;
};

/* What widths, bases and sizes follow from. */
struct lsm_block_shape {
    uint32_t count;
    uint32_t handle_count;
    size_t prefix_size;
    uint64_t key_sum;
    uint64_t inline_sum;
    struct lsm_block_range key_size;
    struct lsm_block_range inline_size; /* Of entries without handle. */
    struct lsm_block_range version;
    struct lsm_block_range kind; /* type << 8 | kind */
    struct lsm_block_range expire;
    struct lsm_block_range handle[4]; /* ref, ordinal, offset, length */
};

struct lsm_block_row;

struct lsm_block_builder {
    struct alloc *alloc;
    struct lsm_block_row *rows;
    size_t row_capacity;
    struct buf keys;   /* Whole keys, one after another. */
    struct buf values; /* Inline values. */
    struct lsm_block_shape shape;
};

void lsm_block_builder_init(struct lsm_block_builder *b, struct alloc *a);
void lsm_block_builder_deinit(struct lsm_block_builder *b);
/* Empty; keeps the memory. */
void lsm_block_builder_reset(struct lsm_block_builder *b);

static inline uint32_t lsm_block_builder_count(const struct lsm_block_builder *b)
{
    return b->shape.count;
}
/* Memory held, for the owner's budget. */
size_t lsm_block_builder_memory(const struct lsm_block_builder *b);

/*
 * Bytes copied; handle.file is the ref. Requires: after the last entry in tree order.
 * ST_LIMIT: the block would be larger than size_max (or LSM_BLOCK_MAX); nothing was added. Never
 * too hopeful; a few bytes an entry too careful where some keys end within the head and others do
 * not. ST_NO_MEMORY.
 */
MUST_CHECK struct status lsm_block_builder_add(struct lsm_block_builder *b,
                                               const struct lsm_entry *e, size_t size_max);

/* At least the bytes of the block if finished now. */
size_t lsm_block_builder_size(const struct lsm_block_builder *b);
/* At least that, some 30 bytes an entry more, known at once. */
size_t lsm_block_builder_bound(const struct lsm_block_builder *b);
/* The last key added. Requires: count > 0. Borrowed until the next call. */
struct bytes lsm_block_builder_last_key(const struct lsm_block_builder *b);
uint64_t lsm_block_builder_last_version(const struct lsm_block_builder *b);

/* Write the block to out: room for lsm_block_builder_size + LSM_BLOCK_TRAILER. Returns its size,
 * without trailer. Requires: count > 0. */
size_t lsm_block_builder_finish(const struct lsm_block_builder *b, uint8_t *out);

#endif
