/*
 * tally -- what one run of a benchmark came to: counts, times, latencies, costs.
 *
 * A worker keeps one; the runner merges them and adds what the process as a whole has cost.
 *
 * Threads: one writer.
 */
#ifndef VARVE_BENCH_TALLY_H
#define VARVE_BENCH_TALLY_H

#include "base/histogram.h"

#include "bench/meter.h"

#include <stdbool.h>
#include <stdint.h>

/* What a caller waited for. Latencies are kept apart by it. */
enum op_kind {
    OP_READ,
    OP_WRITE,
    OP_DELETE,
    OP_SEEK,
    OP_UPDATE,
    OP_INSERT, /* YCSB, from here ... */
    OP_SCAN,
    OP_READ_MODIFY_WRITE, /* Of an OP_READ and an OP_UPDATE that are counted too. */
    OP_CRC,               /* ... to here. */
    OP_HASH,
    OP_OTHER,
    OP_KINDS,
};

/* A call that takes longer is a stall. */
enum { STALL_NS = 1000 * 1000 };

struct tally {
    uint64_t start_ns;
    uint64_t finish_ns;
    double busy_seconds;    /* Sum over the threads. */
    uint64_t done;          /* Operations. */
    uint64_t bytes;         /* Of keys and values, as db_bench counts them for its MB/s. */
    uint64_t written_bytes; /* Of keys and values given to the engine to write. */
    uint64_t stall_ns;      /* Sum of the calls that took longer than STALL_NS. */
    uint64_t reads;
    uint64_t found;
    uint64_t writes;
    uint64_t failed[OP_KINDS]; /* Records that YCSB says are there and were not. */
    struct histogram kinds[OP_KINDS];
    struct meter cost;      /* While the workers ran. */
    struct meter settled;   /* From the start until settled; with --settle. */
    bool is_settled;        /* settled is set. */
    uint64_t on_disk_bytes; /* Of the store, at the end. */
    unsigned thread_count;  /* Merged. */
};

void tally_init(struct tally *t);
/* Add what another worker did. */
void tally_merge(struct tally *t, const struct tally *other);
double tally_elapsed_seconds(const struct tally *t);
double tally_ops_per_second(const struct tally *t);
/* The latencies of all calls, whatever their kind. */
void tally_calls(const struct tally *t, struct histogram *out_all);

/* "read", "write" ...: as db_bench names it. */
const char *op_kind_name(enum op_kind kind);
/* "READ", "UPDATE" ...: as YCSB does. */
const char *op_kind_ycsb_name(enum op_kind kind);

#endif
