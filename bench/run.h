/*
 * run -- a benchmark being run: the store, the threads, and what they share.
 *
 * A run is made once a process from the flags; each benchmark of the list is then executed on it.
 * Worker threads wait at a gate until all have their session, start together, and note in their
 * tally what they do. The first thread waits for them, shows progress, and takes the meter at both
 * ends.
 *
 *   1. Every value that is read is checked (--verify); the first that is wrong stops the run, and
 *      the process ends with an error.
 *   2. A failed call stops all threads; nothing is reported of that benchmark.
 *   3. Preparation (opening, sessions, memory) is outside of what is timed.
 *
 * Threads: struct run belongs to the first thread but for its atomics; a worker to its own.
 */
#ifndef VARVE_BENCH_RUN_H
#define VARVE_BENCH_RUN_H

#include "base/clock.h"
#include "base/env.h"
#include "base/io.h"
#include "base/rand.h"
#include "base/status.h"
#include "base/thread.h"

#include "bench/benchmark.h"
#include "bench/engine.h"
#include "bench/key.h"
#include "bench/tally.h"
#include "bench/value.h"
#include "bench/ycsb.h"

#include <stdatomic.h>
#include <stdio.h>

struct run {
    const struct env *env;
    const struct flags *flags;
    const struct engine_class *class;
    FILE *out;
    struct errbuf *err;
    char store[IO_PATH_MAX];
    struct engine *engine; /* NULL: not open. */
    bool is_open_with_sync;
    uint64_t seed;
    struct value_source values;
    struct tally *tally; /* Of the last execution. */
    struct permutation permutation;
    struct ycsb ycsb;

    /* The benchmark being executed; set before its threads start. */
    const struct benchmark *benchmark;
    struct key_shape keys;
    uint64_t num;
    uint64_t value_size_min;
    uint64_t value_size_max;
    size_t batch_size;
    unsigned thread_count;
    unsigned repeat;        /* How often this benchmark ran before. */
    uint64_t worker_serial; /* Workers made so far: no two have the same random numbers. */
    uint64_t start_ns;

    _Atomic uint32_t ready;   /* Workers that have come to the gate. */
    _Atomic uint32_t is_open; /* The gate; waited on. */
    struct mutex mutex;
    struct condition left;    /* A worker has. */
    unsigned running;         /* mutex: workers not done. */
    _Atomic uint32_t readers; /* Of them those that a background writer waits for. */
    _Atomic bool is_stopped;
    _Atomic uint64_t paced_writes; /* Bytes written under --benchmark_write_rate_limit. */
    _Atomic uint64_t paced_reads;
};

/* Fills in everything that does not depend on the benchmark. err is borrowed for life. */
MUST_CHECK struct status run_init(struct run *r, const struct env *env, const struct flags *flags,
                                  const struct engine_class *class, FILE *out, struct errbuf *err);
/* Closes the store if it is open. */
void run_deinit(struct run *r);

/* Can every benchmark of --benchmarks be run on this engine? ST_INVALID with the words if not. */
MUST_CHECK struct status run_check(struct run *r);
/* Run them all, in order. */
MUST_CHECK struct status run_all(struct run *r);

#endif
