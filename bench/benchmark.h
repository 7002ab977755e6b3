/*
 * benchmark -- the benchmarks there are, by db_bench's names.
 *
 * A benchmark is either work, done by each worker thread, or an action, done once on the whole
 * store between others.
 *
 * Threads: the table is constant.
 */
#ifndef VARVE_BENCH_BENCHMARK_H
#define VARVE_BENCH_BENCHMARK_H

#include "base/errbuf.h"
#include "base/status.h"

#include <stdio.h>

struct run;
struct worker;
struct ycsb_mix;

enum benchmark_trait {
    TRAIT_FRESH = 1 << 0,        /* Begins with an empty store; skipped under --use_existing_db. */
    TRAIT_WRITES = 1 << 1,       /* --settle and --reopen come after it. */
    TRAIT_SYNC = 1 << 2,         /* Every write durable. */
    TRAIT_NUM_1000TH = 1 << 3,   /* num / 1000 keys and operations. */
    TRAIT_VALUE_100K = 1 << 4,   /* Values of 100,000 bytes. */
    TRAIT_BATCH_1000 = 1 << 5,   /* Batches of 1000. */
    TRAIT_ONE_THREAD = 1 << 6,   /* Whatever --threads says. */
    TRAIT_EXTRA_THREAD = 1 << 7, /* One more, that writes and is not in the figures. */
    TRAIT_LONG_KEY = 1 << 8,     /* Keys one byte longer than any that was written. */
    TRAIT_READS_1000TH = 1 << 9, /* reads / 1000. */
    TRAIT_YCSB = 1 << 10,        /* Keys, values and final lines of YCSB. */
    TRAIT_NO_STORE = 1 << 11,
    TRAIT_OF_READS = 1 << 12,   /* How many: --reads. */
    TRAIT_OF_DELETES = 1 << 13, /* --deletes. */
    TRAIT_OF_BOTH = 1 << 14,    /* The greater of --reads and --writes. */
    TRAIT_WHOLE = 1 << 15,      /* Whatever --duration says. */
};

enum benchmark_need {
    NEED_PUT = 1 << 0,
    NEED_DELETE = 1 << 1,
    NEED_WRITE = 1 << 2,
    NEED_GET = 1 << 3,
    NEED_MULTI_GET = 1 << 4,
    NEED_ITER = 1 << 5,
    NEED_FLUSH = 1 << 6,
    NEED_COMPACT = 1 << 7,
    NEED_SETTLE = 1 << 8,
    NEED_TEXT = 1 << 9,
};

enum benchmark_message {
    MESSAGE_NONE,
    MESSAGE_FOUND,
    MESSAGE_READ_WRITE,
    MESSAGE_UPDATES,
    MESSAGE_4K
};

struct benchmark {
    const char *name;
    const char *summary;
    void (*work)(struct worker *w);
    struct status (*act)(struct run *r);
    unsigned traits;
    unsigned needs;
    enum benchmark_message message;
    const struct ycsb_mix *mix; /* Of ycsb_run. */
};

/* The benchmark of that name, or NULL with those of like names, or all, in err. */
const struct benchmark *benchmark_find(const char *name, struct errbuf *err);
void benchmark_print_list(FILE *out);

#endif
