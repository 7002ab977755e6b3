/*
 * ycsb -- the core workloads A to F of the Yahoo! Cloud Serving Benchmark.
 *
 *   A  50 % read, 50 % update             zipfian
 *   B  95 % read, 5 % update              zipfian
 *   C  100 % read                         zipfian
 *   D  95 % read, 5 % insert              latest
 *   E  95 % scan, 5 % insert              zipfian, scans of 1 to --maxscanlength records
 *   F  50 % read, 50 % read-modify-write  zipfian
 *
 * --num records are loaded (ycsbload) under hashed keys; --reads operations are run, shared by all
 * threads. A record is stored as one value of fieldcount * fieldlength bytes; an update writes all
 * of it without reading it first. Only records whose insert has ended, and that of all before
 * them, are asked for.
 *
 * Threads: any, between ycsb_start and the end of the benchmark.
 */
#ifndef VARVE_BENCH_YCSB_H
#define VARVE_BENCH_YCSB_H

#include "base/thread.h"

#include "bench/zipf.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { YCSB_WINDOW = 1 << 16 }; /* Inserts under way at most. */

struct worker;

/* Parts of the operations; what is left is read-modify-write. */
struct ycsb_mix {
    double read;
    double update;
    double insert;
    double scan;
    bool is_latest;
};
extern const struct ycsb_mix YCSB_A;
extern const struct ycsb_mix YCSB_B;
extern const struct ycsb_mix YCSB_C;
extern const struct ycsb_mix YCSB_D;
extern const struct ycsb_mix YCSB_E;
extern const struct ycsb_mix YCSB_F;

struct ycsb {
    struct zipf scrambled;
    struct zipf latest;
    uint64_t drawn_records;     /* What the scrambled zipfian is drawn over: with those to come. */
    _Atomic uint64_t inserted;  /* The next record to insert. */
    _Atomic uint64_t available; /* All records below have been inserted. */
    struct mutex mutex;
    bool ended[YCSB_WINDOW]; /* mutex: inserts that ended, by record modulo the window. */
};

void ycsb_init(struct ycsb *y);
void ycsb_deinit(struct ycsb *y);

/* Before the threads: this many records are there, and about so many operations will follow. */
void ycsb_start(struct ycsb *y, const struct ycsb_mix *mix, uint64_t records, uint64_t operations);

/* The record's insert has ended. */
void ycsb_acknowledge(struct ycsb *y, uint64_t record);

/* What each thread does: its share of the records, or operations of the benchmark's mix. */
void ycsb_load(struct worker *w);
void ycsb_run(struct worker *w);

#endif
