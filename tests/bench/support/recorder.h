/*
 * recorder -- an engine for tests of the runner: a small sorted map that counts what it is asked,
 * and can be told to lie or to fail.
 *
 * Threads: any; one lock. There is one recorder a process.
 */
#ifndef VARVE_TESTS_BENCH_RECORDER_H
#define VARVE_TESTS_BENCH_RECORDER_H

#include "bench/engine.h"

struct recorder {
    uint64_t opens;
    uint64_t sync_opens;
    uint64_t puts;
    uint64_t batches;
    uint64_t batch_writes;
    uint64_t deletes;
    uint64_t gets;
    uint64_t seeks;
    uint64_t entries;
    uint64_t out_of_order; /* Puts of a key below the one before. */
    uint64_t overwrites;
    size_t value_size;  /* Of the last put. */
    uint64_t puts_hash; /* Of all keys and values in the order they came. */
    /* Told by the test. */
    uint64_t lie_at;  /* The read with this number (from 1) has a flipped bit. */
    uint64_t fail_at; /* The put with this number fails. */
    uint64_t reads;   /* Values handed out. */
};

extern const struct engine_class RECORDER;

struct recorder *recorder(void);
/* All counts and commands 0, nothing stored. */
void recorder_reset(void);

#endif
