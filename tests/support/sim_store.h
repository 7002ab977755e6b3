/*
 * sim_store -- a whole store in one thread over the simulated machine: log, tree, pipeline, driven
 * by the test. What the embedded store does with threads, a test does with calls.
 *
 * A write is proposed, the log driven until it is durable, the pipeline stepped, before the call
 * returns; the background works only when it is told to.
 */
#ifndef VARVE_TESTS_SIM_STORE_H
#define VARVE_TESTS_SIM_STORE_H

#include "base/budget.h"
#include "base/env.h"
#include "base/io_sim.h"

#include "cache/cache.h"

#include "lsm/lsm.h"

#include "txn/txn.h"

struct sim_store_options {
    const char *dir;
    struct lsm_options lsm;
    size_t cache_size;   /* 0: 256 KiB */
    struct alloc *alloc; /* NULL: the heap. */
    const struct lsm_sidecar *sidecar;
    bool must_exist; /* Do not create one. */
};

struct sim_store {
    struct io_sim *sim;
    struct budget budget;
    struct env env;
    struct cache *cache;
    struct io_ring *ring;
    struct lsm *lsm;
    struct txn_log_proposer log;
    struct txn_pipeline pipeline;
    struct txn_proposal proposal; /* Its batch is what sim_store_commit writes. */
    bool has_proposal;
    struct lsm_reader reader; /* Blocking. */
    bool has_reader;
    struct errbuf err;
};

/* On failure everything is closed again; err says why. */
MUST_CHECK struct status sim_store_open(struct sim_store *s, struct io_sim *sim,
                                        const struct sim_store_options *options);
/* Takes one that is not open. */
void sim_store_close(struct sim_store *s);

/* An empty batch to fill. */
struct lsm_batch *sim_store_batch(struct sim_store *s);
/* Make the batch durable, applied, visible. Works in the background when the tree asks for it. */
MUST_CHECK struct status sim_store_commit(struct sim_store *s);
/* The commit that has just failed: may it be there after the next open all the same? */
bool sim_store_is_unknown(const struct sim_store *s);
MUST_CHECK struct status sim_store_put(struct sim_store *s, struct bytes key, struct bytes value);

/* At most `steps` background quanta. True if there was nothing left to do. */
bool sim_store_work(struct sim_store *s, unsigned steps);
/* Freeze and flush; and settle if settles. NO_SPACE, BUSY: the store has stopped getting on with
 * it, for want of space or of memory. */
MUST_CHECK struct status sim_store_flush(struct sim_store *s, bool settles);
/* Let the log's idle seal fall due. */
void sim_store_seal(struct sim_store *s);
/* Compact all keys to the bottom. */
MUST_CHECK struct status sim_store_compact(struct sim_store *s);

#endif
