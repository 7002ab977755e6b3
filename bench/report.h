/*
 * report -- the lines that are printed: db_bench's to the byte, YCSB's, and ours.
 *
 * db_bench's lines are what people's scripts parse, so nothing of ours is put into them: our own
 * begin with "#". Durations are nanoseconds inside and microseconds in print.
 *
 * Threads: any; no state.
 */
#ifndef VARVE_BENCH_REPORT_H
#define VARVE_BENCH_REPORT_H

#include "bench/tally.h"

#include <stddef.h>
#include <stdio.h>

/* "fillrandom   :       4.526 micros/op 220944 ops/sec 9.052 seconds 2000000 operations;  219.3
 * MB/s" and what message adds. */
void report_line(FILE *out, const char *name, const struct tally *t, const char *message);

/* "Microseconds per read:", count, percentiles and buckets, an empty line. */
void report_histogram(FILE *out, enum op_kind kind, const struct histogram *h);

/* Ours: what db_bench does not say. */
void report_costs(FILE *out, const char *name, const struct tally *t);

/* YCSB's final lines. */
void report_ycsb(FILE *out, const struct tally *t);

/* Repeats of a benchmark: operations and megabytes a second of each, MB/s 0 if not told. */
struct report_runs {
    size_t count;
    const double *ops_per_second;
    const double *mb_per_second;
};
/* The running average, after each repeat but the first. */
void report_average(FILE *out, const char *name, struct report_runs runs);
/* The average and median of all; the median sorts a copy kept in scratch (count doubles). */
void report_final(FILE *out, const char *name, struct report_runs runs, double *scratch);
/* "[CI95 n runs]": in place of both. */
void report_interval(FILE *out, const char *name, struct report_runs runs);

/* One row a run; the header is the names of its columns. */
struct report_row {
    const char *name;
    const char *engine;
    int64_t key_size;
    int64_t value_size;
};
void report_row_header(FILE *out);
void report_row(FILE *out, const struct report_row *row, const struct tally *t);

#endif
