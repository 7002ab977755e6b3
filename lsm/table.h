/*
 * table -- an SST: entries in tree order in a file that never changes.
 *
 * Data blocks, index and filter partitions of about 4 KiB, one liveness block per value file it
 * refers to, range deletes, properties, footer. A handle in a block is {index into the table's
 * reference table, ordinal, offset hint, length}; the table of logical ids lies in the manifest
 * (lsm/version.h) and is handed in at open, so that ingesting a file maps ids without touching a
 * block.
 *
 *   1. Every byte is covered by exactly one checksum, salted with the file's id and offset.
 *   2. Entries are in strict tree order; smallest and largest in the properties are exact.
 *   3. The liveness block of reference r has a bit set for ordinal o iff exactly one entry in this
 *      table has handle (r, o); live_values and live_bytes of r are their count and sum.
 *   4. Opening reads no block: what a reader needs at open (struct lsm_table_meta) comes from the
 *      manifest. Footer and top index are read with the first use and then pinned.
 *
 * Threads: a builder one; a table any.
 * Format: docs/format/sst.md.
 */
#ifndef VARVE_LSM_TABLE_H
#define VARVE_LSM_TABLE_H

#include "base/env.h"
#include "base/hash.h"
#include "base/io.h"

#include "cache/fetch.h"

#include "lsm/iter.h"
#include "lsm/rangedel.h"

/* One reference of a table: a value file and how much of it is live here. */
struct lsm_table_ref {
    uint64_t logical;
    uint64_t live_values;
    uint64_t live_bytes; /* Headers (VLOG_VALUE_HEADER) included. */
};

/* All that the manifest keeps about a table. Owned by who holds it (lsm_table_meta_deinit). */
struct lsm_table_meta {
    uint64_t id; /* File number: names the file and salts its checksums. */
    uint64_t file_size;
    struct bytes smallest; /* Least and greatest key, range deletes' bounds included. */
    struct bytes largest; /* Included (a range delete's end is exclusive: see largest_exclusive). */
    bool largest_exclusive; /* largest is only a range delete's end. */
    uint64_t version_min;
    uint64_t version_max;
    uint64_t entry_count;
    uint64_t delete_count;
    uint64_t range_delete_count;
    uint64_t key_bytes;
    uint64_t value_bytes; /* Inline. */
    uint64_t digest;      /* Sum of lsm_table_digest over all entries: what a compaction read is
                             what it wrote and what it dropped. */
    uint64_t footer_offset;
    struct lsm_table_ref *refs;
    uint32_t ref_count;
};
void lsm_table_meta_deinit(struct lsm_table_meta *m, struct alloc *a);
MUST_CHECK struct status lsm_table_meta_copy(const struct lsm_table_meta *m, struct alloc *a,
                                             struct lsm_table_meta *out);

/* Rebuild the meta from the file alone: for tools, repair and ingestion. refs name the logical ids
 * of when it was written. CORRUPT, UNSUPPORTED: words in err. */
MUST_CHECK struct status lsm_table_meta_read(const struct env *env, struct io_ring *ring,
                                             const char *dir, uint64_t id,
                                             struct lsm_table_meta *out_meta, struct errbuf *err);

/* Options out of these ranges are INVALID (filter bits: see lsm/filter.h). */
enum { LSM_BLOCK_SIZE_MIN = 512, LSM_BLOCK_SIZE_MAX = 1 << 20 };
/* What a table may be meant to have: half of what its format can. */
#define LSM_TABLE_SIZE_MAX (UINT64_C(2) << 30)

struct lsm_table_options {
    uint32_t block_size;  /* Data block target; 0: 4096. */
    uint32_t filter_bits; /* Bits a key; 0: 10. */
};

/* ---- Building ----------------------------------------------------------------------------- */

struct lsm_table_builder;

/* Creates dir/<id>.sst. Writes go out in large pieces on ring, overlapped with building. */
MUST_CHECK struct status lsm_table_builder_create(const struct env *env, struct io_ring *ring,
                                                  const char *dir, uint64_t id,
                                                  const struct lsm_table_options *options,
                                                  struct lsm_table_builder **out_builder);
/* Requires: after the last one in tree order. Bytes are copied. */
MUST_CHECK struct status lsm_table_builder_add(struct lsm_table_builder *b,
                                               const struct lsm_entry *e);
MUST_CHECK struct status lsm_table_builder_add_range_delete(struct lsm_table_builder *b,
                                                            const struct lsm_range_delete *d);
/* Bytes the file would have if finished now (an estimate within a few blocks). */
uint64_t lsm_table_builder_size(const struct lsm_table_builder *b);
uint64_t lsm_table_builder_count(const struct lsm_table_builder *b);
/* Is it half-way to one of the format's limits (size, references, range deletes)? Then it is time
 * to end the table: what one more key adds always fits. */
bool lsm_table_builder_is_full(const struct lsm_table_builder *b);
/* Write the rest, sync the file (not the directory). *out_meta is the caller's. The builder is
 * gone either way; a failed file is unlinked. */
MUST_CHECK struct status lsm_table_builder_finish(struct lsm_table_builder *b,
                                                  struct lsm_table_meta *out_meta);
void lsm_table_builder_abandon(struct lsm_table_builder *b); /* Takes NULL. Unlinks. */

/* ---- Reading ------------------------------------------------------------------------------ */

struct lsm_table;
struct table_place;

/* meta is borrowed for the table's life. Opens the file; reads nothing. */
MUST_CHECK struct status lsm_table_open(const struct env *env, const char *dir,
                                        const struct lsm_table_meta *meta,
                                        struct lsm_table **out_table);
void lsm_table_close(struct lsm_table *t); /* Takes NULL. */
const struct lsm_table_meta *lsm_table_meta(const struct lsm_table *t);

/*
 * The newest entry of key with version <= at: OK and *out (its key is key, its value borrowed from
 * f); NOT_FOUND; AGAIN; CORRUPT (words in f->err). key_hash is lsm_table_key_hash(key), computed
 * once a get. place, if not NULL, is of the data block: size 0 while it is not known, set when it
 * is; what is known already is not searched for.
 */
MUST_CHECK struct status lsm_table_get(struct lsm_table *t, struct fetch *f, struct bytes key,
                                       uint64_t key_hash, uint64_t at, struct table_place *place,
                                       struct lsm_entry *out);
uint64_t lsm_table_key_hash(struct bytes key);
/* One entry's part of a table's digest. */
static inline uint64_t lsm_table_digest(uint64_t key_hash, uint64_t version)
{
    return hash_u64(key_hash + hash_u64(version));
}
/* Start loading what a get looks at first, down to the key's line of the filter, one dependent line
 * a step: who takes each step for several tables has their misses overlap. */
enum { LSM_TABLE_PREFETCH_STEPS = 4 };
void lsm_table_prefetch(const struct lsm_table *t, uint64_t key_hash, unsigned step);

/* Range deletes of the table: loaded on first use, then kept; *out_set NULL if it has none. */
MUST_CHECK struct status lsm_table_range_deletes(struct lsm_table *t, struct fetch *f,
                                                 const struct lsm_rangedel_set **out_set);

struct lsm_table_iter_options {
    bool read_ahead; /* Sequential: large reads around the cache (compaction, flush checks). */
};
/* f is borrowed for the iter's life, and not reset during it. read_ahead needs a blocking fetch;
 * with another it is not done. */
MUST_CHECK struct status lsm_table_iter(struct lsm_table *t, struct fetch *f,
                                        const struct lsm_table_iter_options *options,
                                        struct lsm_iter **out_iter);

/* The ordinals of reference ref that entries of this table have. Calls visit with rising runs. */
MUST_CHECK struct status
lsm_table_liveness(struct lsm_table *t, struct fetch *f, uint32_t ref,
                   void (*visit)(void *context, uint32_t first, uint32_t count), void *context);

/* Read everything and prove 1-3. Words in err. */
MUST_CHECK struct status lsm_table_verify(struct lsm_table *t, struct io_ring *ring,
                                          struct cache *cache, struct errbuf *err);

/* Bytes of pinned metadata (charged to BUDGET_TABLE_META). */
size_t lsm_table_memory(const struct lsm_table *t);

#endif
