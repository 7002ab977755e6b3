/*
 * index -- finds a table's data block without touching the blocks: separators in two levels.
 *
 * Behind each data block stands a separator: a (key, version) at or after the block's last entry
 * and before the next block's first. It is as short a key as lies between the two, with version 0;
 * only where the versions of one key go on in the next block it is the last entry itself. So the
 * first separator at or after (key, version) always names the one block to look in, however many
 * versions a key has.
 *
 * Separators fill index partitions, blocks of about 4 KiB; the last separator of each partition
 * fills the top index, one block that readers keep in memory.
 *
 * Threads: a builder one owner.
 */
#ifndef VARVE_LSM_INDEX_H
#define VARVE_LSM_INDEX_H

#include "lsm/block_builder.h"

/* A short key s with a <= s < b. buffer has room for a.size bytes. Borrowed from a, b or buffer.
 * Requires: a < b. */
struct bytes lsm_index_separator(struct bytes a, struct bytes b, uint8_t *buffer);

/* Partitions are finished as they fill, and kept until the data is written: in parts one after
 * another, each with room for its trailer, part_sizes (u32) telling their sizes with it. In the top
 * their offsets count from the first one. */
struct lsm_index_builder {
    struct lsm_block_builder partition;
    struct lsm_block_builder top;
    struct buf parts;
    struct buf part_sizes;
};

void lsm_index_builder_init(struct lsm_index_builder *b, struct alloc *a);
void lsm_index_builder_deinit(struct lsm_index_builder *b);
/* A data block of size bytes, trailer included, at offset, ends at separator. Rising. */
MUST_CHECK struct status lsm_index_builder_add(struct lsm_index_builder *b, struct bytes separator,
                                               uint64_t version, uint32_t offset, uint32_t size);
/* End the last partition, zero-filled so that all of them end at a multiple of alignment. */
MUST_CHECK struct status lsm_index_builder_finish(struct lsm_index_builder *b, uint32_t alignment);
/* Bytes of all partitions and the top if finished now, about. */
size_t lsm_index_builder_size(const struct lsm_index_builder *b);
size_t lsm_index_builder_memory(const struct lsm_index_builder *b);

#endif
