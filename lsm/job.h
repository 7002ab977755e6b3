/*
 * job -- background work in quanta: flush, compaction, rewriting. Private to lsm/.
 *
 * A job is made by the scheduler (work.c), advanced by steps of one quantum, and gone when a step
 * answers LSM_JOB_DONE or LSM_JOB_FAILED. It commits its own edit. A flush may run while a
 * compaction stands still between two steps.
 *
 *   1. Inputs are marked busy from creation to the end: no two jobs share one.
 *   2. A failed job has changed nothing: its outputs are unlinked.
 *
 * Threads: the background's.
 */
#ifndef VARVE_LSM_JOB_H
#define VARVE_LSM_JOB_H

#include "lsm/drop.h"
#include "lsm/version.h"

struct lsm_mem;

enum { LSM_REQUESTS_MAX = 16 };

/* A user's wish to have a range compacted to the bottom. */
struct lsm_compact_request {
    uint64_t ticket;
    uint8_t *begin; /* Owned, keyspace included. */
    size_t begin_size;
    uint8_t *end;
    size_t end_size;
    uint32_t level; /* How far it has come: files above this level are done. */
    bool is_active;
};

enum lsm_job_step { LSM_JOB_DONE, LSM_JOB_AGAIN, LSM_JOB_FAILED };

struct lsm_job;

/* Write a frozen memtable to L0. */
MUST_CHECK struct status lsm_flush_create(struct lsm *l, struct io_ring *ring, struct lsm_mem *mem,
                                          struct lsm_job **out_job);

/* Merge files of one level with those they overlap in the next. */
struct lsm_compaction {
    uint32_t level;        /* Of the upper inputs. */
    uint32_t output_level; /* Of the lower inputs and of the outputs. */
    struct lsm_file **upper;
    uint32_t upper_count;
    struct lsm_file **lower;
    uint32_t lower_count;
    bool is_move; /* Nothing to merge with: the upper inputs just change level. */
    const char *reason;
};
/* Takes over the compaction's arrays. */
MUST_CHECK struct status lsm_compact_create(struct lsm *l, struct io_ring *ring,
                                            struct lsm_compaction *c, struct lsm_job **out_job);
void lsm_compaction_deinit(struct lsm_compaction *c, struct alloc *a);

/* Copy the live values of a value file to its next generation. */
MUST_CHECK struct status lsm_rewrite_create(struct lsm *l, struct io_ring *ring, uint64_t logical,
                                            struct lsm_job **out_job);

enum lsm_job_step lsm_job_step(struct lsm_job *job, struct io_ring *ring,
                               struct status *out_status);
/* Give up between two steps (close, a compaction in the way). Takes NULL. */
void lsm_job_abandon(struct lsm_job *job);

/* ---- For the jobs' own files -------------------------------------------------------------- */

struct lsm_job {
    enum lsm_job_step (*step)(struct lsm_job *job, struct io_ring *ring, struct status *out_status);
    void (*destroy)(struct lsm_job *job); /* Frees it; outputs not committed are unlinked. */
    struct lsm *lsm;
    const char *name;         /* "flush": for the words of a failure, which go on with */
    const struct errbuf *err; /* these of the job's reads. */
};

/*
 * The tables a merge writes: entries through the drop rule into builders that are cut at the target
 * size and between keys; range deletes cut at the same bounds.
 */
struct lsm_output {
    struct lsm *lsm;
    struct io_ring *ring;
    struct lsm_edit *edit; /* Finished tables are added to it. */
    uint32_t level;
    uint64_t size_target;
    /* Cut also where an output would overlap too much of the level after the next. */
    const struct lsm_level *grandparents;
    uint32_t grandparent_at;
    uint64_t grandparent_bytes;
    struct lsm_table_builder *builder;
    struct lsm_drop drop;
    uint8_t *keys;     /* Three of LSM_KEY_MAX: the drop rule's, last_key, cut. */
    uint8_t *last_key; /* Of the last entry added. */
    size_t last_key_size;
    bool has_last_key;
    uint8_t *cut; /* First key of the output being built; range deletes are cut here. */
    size_t cut_size;
    bool has_cut;
    uint64_t written_bytes;
    uint64_t kept;
    uint64_t dropped;
};
MUST_CHECK struct status lsm_output_init(struct lsm_output *o, struct lsm *l, struct io_ring *ring,
                                         struct lsm_edit *edit, uint32_t level);
void lsm_output_deinit(struct lsm_output *o);
/* *out_keep: whether the entry goes into the output; the caller may then change its handle. */
bool lsm_output_wants(struct lsm_output *o, const struct lsm_entry *e);
/* Requires: lsm_output_wants just said yes for this entry's key and version. */
MUST_CHECK struct status lsm_output_add(struct lsm_output *o, const struct lsm_entry *e);
MUST_CHECK struct status lsm_output_finish(struct lsm_output *o);

#endif
