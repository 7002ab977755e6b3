/*
 * fuzz_log -- a log on a simulated machine for a fuzz target: files of any bytes, opened and read.
 *
 * Bytes that nobody checksummed would teach a fuzzer nothing but that checksums work; so the target
 * may ask for the checksums of what it made up to be put right first. Threads: one.
 */
#ifndef VARVE_TESTS_VLOG_FUZZ_LOG_H
#define VARVE_TESTS_VLOG_FUZZ_LOG_H

#include "base/budget.h"
#include "base/env.h"
#include "base/io_sim.h"

#include "cache/cache.h"
#include "vlog/format.h"

struct fuzz_log {
    struct io_sim *sim;
    struct io_ring *ring;
    struct budget budget;
    struct env env;
    struct cache *cache;
    struct vlog *log;
    uint64_t next_id;
};

extern const uint8_t fuzz_log_store[VLOG_UUID];

void fuzz_log_init(struct fuzz_log *f);
void fuzz_log_deinit(struct fuzz_log *f);

/* Create a file of these bytes. */
void fuzz_log_put(struct fuzz_log *f, uint64_t id, enum vlog_kind kind, const uint8_t *data,
                  size_t size);
/* Open with these value files; visit is called for what is replayed. */
struct status fuzz_log_open(struct fuzz_log *f, const struct vlog_file *files, size_t count,
                            vlog_visit_entry *visit, void *context);

/* Put right the checksums of the batches in a segment image, as far as their lengths make sense. */
void fuzz_log_mend_batches(uint8_t *data, size_t size, uint64_t id);

#endif
