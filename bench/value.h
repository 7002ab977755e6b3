/*
 * value -- values that say whose they are.
 *
 * A value is made from its key, a generation and a size, and can be checked against its key alone:
 *
 *   offset  size  field
 *        0     4  CRC-32C, salted with the hash of the key, of all that follows
 *        4     4  generation
 *        8     *  a slice of the filler, placed by key and generation
 *
 * The filler is 100-byte pieces of which a part (the compression ratio) is random and repeated, as
 * in db_bench. A value of fewer than 8 bytes is the first bytes of the key's hash.
 *
 * Threads: a source is read-only once made; any.
 */
#ifndef VARVE_BENCH_VALUE_H
#define VARVE_BENCH_VALUE_H

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/status.h"

struct value_source {
    struct alloc *alloc;
    uint8_t *filler;
    size_t filler_size;
};

/* Can make values up to size_max bytes. Same ratio, same filler, on every machine. */
MUST_CHECK struct status value_source_init(struct value_source *v, struct alloc *alloc,
                                           double compression_ratio, size_t size_max);
void value_source_deinit(struct value_source *v);

/* Write size bytes. Requires: size is at most the source's size_max. */
void value_make(const struct value_source *v, struct bytes key, uint32_t generation, size_t size,
                uint8_t *out_value);

/* Was value made for key, by whatever source and generation? */
bool value_check(struct bytes key, struct bytes value);

#endif
