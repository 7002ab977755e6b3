/*
 * bench -- `varve bench`: db_bench's and YCSB's workloads on varve and, beside it, on its peers.
 *
 * See README.md for what is measured and how; bench/compare runs two engines in turn.
 *
 * Threads: called by the process' first thread; starts and ends its own.
 */
#ifndef VARVE_BENCH_BENCH_H
#define VARVE_BENCH_BENCH_H

/* argv[0] is skipped; the rest are flags (--help lists them). Prints to stdout, complains to
 * stderr. Returns the exit status of the process: 0; 1 if a benchmark failed; 2 for a bad flag. */
int bench_main(int argc, char **argv);

#endif
