/*
 * flags -- db_bench's flags, with its names, meanings and syntax, and a few of our own.
 *
 * One list makes the struct, the defaults, the parser and the help. --name=value, --name and
 * --noname for booleans; one dash does as well as two. A flag that is not in the list, a value out
 * of its range, or a flag the chosen engine cannot honour is an error: no flag is ignored.
 *
 * Where a default differs from db_bench's, it is the tuned profile both sides are compared at
 * (bench/README.md): no compression, Bloom filters of 10 bits, three write buffers.
 *
 * Threads: read-only once parsed; any.
 */
#ifndef VARVE_BENCH_FLAGS_H
#define VARVE_BENCH_FLAGS_H

#include "base/errbuf.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum flag_kind { FLAG_TEXT, FLAG_INT, FLAG_REAL, FLAG_BOOL };
enum flag_scope {
    FLAG_OF_RUN,    /* The runner honours it, whatever the engine. */
    FLAG_OF_ENGINE, /* Only the engines that list it do. */
};

typedef const char *flag_TEXT;
typedef int64_t flag_INT;
typedef double flag_REAL;
typedef bool flag_BOOL;

#define KIB INT64_C(1024)
#define FLAG_MOST INT64_C(0x3fffffffffffffff)

/* FLAG(kind, name, default, least, most, scope, help). The range is of INT and REAL. */
#define FLAG_LIST(FLAG)                                                                            \
    FLAG(TEXT, benchmarks, "fillseq,fillrandom,overwrite,readrandom,readseq,seekrandom", 0, 0,     \
         FLAG_OF_RUN,                                                                              \
         "what to run, in order; NAME[X3] repeats, NAME[W1] warms up, NAME[X3-W1] both")           \
    FLAG(TEXT, engine, "varve", 0, 0, FLAG_OF_RUN, "the engine under test")                        \
    FLAG(TEXT, db, "bench.data", 0, 0, FLAG_OF_RUN,                                                \
         "directory of the store; made, and emptied by fill*")                                     \
    FLAG(INT, num, 1000000, 1, FLAG_MOST, FLAG_OF_RUN, "number of keys, and of operations")        \
    FLAG(INT, reads, -1, -1, FLAG_MOST, FLAG_OF_RUN, "reads of each thread; -1: num")              \
    FLAG(INT, writes, -1, -1, FLAG_MOST, FLAG_OF_RUN, "writes of each thread; -1: num")            \
    FLAG(INT, deletes, -1, -1, FLAG_MOST, FLAG_OF_RUN, "deletes of each thread; -1: num")          \
    FLAG(INT, threads, 1, 1, 1024, FLAG_OF_RUN, "threads that call the engine")                    \
    FLAG(INT, duration, 0, 0, 1000000, FLAG_OF_RUN,                                                \
         "seconds, in place of a number of operations; 0: off")                                    \
    FLAG(INT, key_size, 16, 4, 1024, FLAG_OF_RUN, "bytes of a key")                                \
    FLAG(INT, prefix_size, 0, 0, 1000, FLAG_OF_RUN, "bytes of prefix, if --keys_per_prefix")       \
    FLAG(INT, keys_per_prefix, 0, 0, FLAG_MOST, FLAG_OF_RUN,                                       \
         "keys that share a prefix; 0: no prefixes")                                               \
    FLAG(INT, value_size, 100, 0, 64 * KIB * KIB, FLAG_OF_RUN, "bytes of a value")                 \
    FLAG(TEXT, value_size_distribution_type, "fixed", 0, 0, FLAG_OF_RUN,                           \
         "fixed, uniform or normal")                                                               \
    FLAG(INT, value_size_min, 100, 0, 64 * KIB * KIB, FLAG_OF_RUN, "least value, unless fixed")    \
    FLAG(INT, value_size_max, 102400, 0, 64 * KIB * KIB, FLAG_OF_RUN,                              \
         "greatest value, unless fixed")                                                           \
    FLAG(REAL, compression_ratio, 0.5, 0, 1, FLAG_OF_RUN,                                          \
         "part of a value that does not compress")                                                 \
    FLAG(INT, batch_size, 1, 1, 1000000, FLAG_OF_RUN,                                              \
         "writes in a batch; keys of a multireadrandom")                                           \
    FLAG(INT, seek_nexts, 0, 0, FLAG_MOST, FLAG_OF_RUN, "entries read after each seek")            \
    FLAG(BOOL, reverse_iterator, false, 0, 0, FLAG_OF_RUN, "seekrandom reads backwards")           \
    FLAG(INT, readwritepercent, 90, 0, 100, FLAG_OF_RUN,                                           \
         "reads in 100 operations of readrandomwriterandom")                                       \
    FLAG(INT, benchmark_write_rate_limit, 0, 0, FLAG_MOST, FLAG_OF_RUN,                            \
         "bytes a second all writers make; 0: no limit")                                           \
    FLAG(INT, benchmark_read_rate_limit, 0, 0, FLAG_MOST, FLAG_OF_RUN,                             \
         "reads a second all readers make; 0: no limit")                                           \
    FLAG(BOOL, use_existing_db, false, 0, 0, FLAG_OF_RUN,                                          \
         "keep what is in --db; fill* are skipped")                                                \
    FLAG(INT, seed, 0, 0, FLAG_MOST, FLAG_OF_RUN, "of all random numbers; 0: from the clock")      \
    FLAG(BOOL, histogram, false, 0, 0, FLAG_OF_RUN,                                                \
         "print the latencies of each kind of operation")                                          \
    FLAG(INT, stats_interval_seconds, 0, 0, 1000000, FLAG_OF_RUN,                                  \
         "print a line of progress this often; 0: off")                                            \
    FLAG(INT, report_interval_seconds, 0, 0, 1000000, FLAG_OF_RUN,                                 \
         "append to --report_file this often; 0: off")                                             \
    FLAG(TEXT, report_file, "report.csv", 0, 0, FLAG_OF_RUN, "CSV: secs_elapsed,interval_qps")     \
    FLAG(BOOL, confidence_interval_only, false, 0, 0, FLAG_OF_RUN,                                 \
         "of repeats, print only the interval of 95 %")                                            \
    /* Our own. */                                                                                 \
    FLAG(BOOL, verify, true, 0, 0, FLAG_OF_RUN, "check every value that is read against its key")  \
    FLAG(BOOL, permutation, false, 0, 0, FLAG_OF_RUN,                                              \
         "fillrandom, fillsync, overwrite: each key once, in random order")                        \
    FLAG(BOOL, settle, false, 0, 0, FLAG_OF_RUN,                                                   \
         "after writing: flush, wait for compactions, and count that too")                         \
    FLAG(BOOL, reopen, false, 0, 0, FLAG_OF_RUN,                                                   \
         "after writing (and settling): close and open the store")                                 \
    FLAG(TEXT, results, "", 0, 0, FLAG_OF_RUN,                                                     \
         "append a line of tab-separated figures for each benchmark")                              \
    FLAG(BOOL, progress, true, 0, 0, FLAG_OF_RUN, "show progress, if stderr is a terminal")        \
    FLAG(INT, fieldcount, 10, 1, 1000, FLAG_OF_RUN,                                                \
         "YCSB: fields of a record (stored as one value)")                                         \
    FLAG(INT, fieldlength, 100, 1, KIB *KIB, FLAG_OF_RUN, "YCSB: bytes of a field")                \
    FLAG(INT, maxscanlength, 100, 1, 100000, FLAG_OF_RUN, "YCSB: longest scan of workload E")      \
    /* Honoured by the engines that say so. */                                                     \
    FLAG(BOOL, sync, false, 0, 0, FLAG_OF_ENGINE, "every write is durable before it returns")      \
    FLAG(BOOL, disable_wal, false, 0, 0, FLAG_OF_ENGINE,                                           \
         "no log: what is not flushed dies with the process")                                      \
    FLAG(INT, cache_size, 32 * KIB * KIB, 0, FLAG_MOST, FLAG_OF_ENGINE, "bytes of cache")          \
    FLAG(INT, memory, 0, 0, FLAG_MOST, FLAG_OF_ENGINE,                                             \
         "bytes the engine may hold in all; 0: its default")                                       \
    FLAG(INT, block_size, 4096, 512, KIB *KIB, FLAG_OF_ENGINE, "bytes of a data block")            \
    FLAG(INT, bloom_bits, 10, -1, 64, FLAG_OF_ENGINE, "bits a key in filters; -1: no filters")     \
    FLAG(INT, write_buffer_size, 64 * KIB * KIB, 4 * KIB, FLAG_MOST, FLAG_OF_ENGINE,               \
         "bytes of a memtable")                                                                    \
    FLAG(INT, max_write_buffer_number, 3, 2, 64, FLAG_OF_ENGINE, "memtables at most")              \
    FLAG(INT, max_background_jobs, 2, 1, 64, FLAG_OF_ENGINE, "flushes and compactions at once")    \
    FLAG(INT, bytes_per_sync, KIB *KIB, 0, FLAG_MOST, FLAG_OF_ENGINE,                              \
         "write-back is asked for each so many bytes")                                             \
    FLAG(INT, recycle_log_file_num, 0, 0, 64, FLAG_OF_ENGINE, "old logs kept to be written again") \
    FLAG(INT, open_files, -1, -1, 1000000, FLAG_OF_ENGINE, "table files kept open; -1: all")       \
    FLAG(TEXT, compression_type, "none", 0, 0, FLAG_OF_ENGINE, "none or zstd")                     \
    FLAG(BOOL, verify_checksum, true, 0, 0, FLAG_OF_ENGINE,                                        \
         "the engine checks what it reads from disk")                                              \
    FLAG(BOOL, use_direct_reads, false, 0, 0, FLAG_OF_ENGINE, "read around the page cache")        \
    FLAG(BOOL, use_direct_io_for_flush_and_compaction, false, 0, 0, FLAG_OF_ENGINE,                \
         "background I/O around the page cache")                                                   \
    FLAG(BOOL, cache_index_and_filter_blocks, false, 0, 0, FLAG_OF_ENGINE,                         \
         "metadata in the cache, not on the heap")                                                 \
    FLAG(INT, min_blob_size, 256, 0, FLAG_MOST, FLAG_OF_ENGINE,                                    \
         "values from this size live apart")                                                       \
    FLAG(INT, blob_file_size, 256 * KIB * KIB, 4 * KIB, FLAG_MOST, FLAG_OF_ENGINE,                 \
         "bytes of a blob file")                                                                   \
    FLAG(BOOL, enable_blob_garbage_collection, true, 0, 0, FLAG_OF_ENGINE,                         \
         "rewrite old blob files")                                                                 \
    FLAG(REAL, blob_garbage_collection_age_cutoff, 0.25, 0, 1, FLAG_OF_ENGINE,                     \
         "part of the blob files that is old")                                                     \
    FLAG(REAL, blob_garbage_collection_force_threshold, 1.0, 0, 1, FLAG_OF_ENGINE,                 \
         "garbage that forces a rewrite")                                                          \
    FLAG(TEXT, varve_options, "", 0, 0, FLAG_OF_ENGINE,                                            \
         "of varve.h, beyond the flags: \"name=value; name=value\"")                               \
    FLAG(INT, map_size, INT64_C(1) << 40, KIB * KIB, FLAG_MOST, FLAG_OF_ENGINE,                    \
         "address space of a mapped store")

enum flag_id {
#define FLAG(kind, name, value, least, most, scope, help) FLAG_##name,
    FLAG_LIST(FLAG)
#undef FLAG
        FLAG_COUNT,
};

struct flags {
#define FLAG(kind, name, value, least, most, scope, help) flag_##kind name;
    FLAG_LIST(FLAG)
#undef FLAG
    bool is_given[FLAG_COUNT]; /* By enum flag_id: it was on the command line. */
};

void flags_init(struct flags *f);

/* Texts are borrowed from argv. ST_INVALID with the words in err. argv[0] is skipped. */
MUST_CHECK struct status flags_parse(struct flags *f, int argc, char **argv, struct errbuf *err);

/*
 * ST_INVALID if a flag of engines was given that is not among honoured (a list of count).
 */
MUST_CHECK struct status flags_check_engine(const struct flags *f, const char *engine,
                                            const enum flag_id *honoured, size_t count,
                                            struct errbuf *err);

void flags_print_help(FILE *out);

#endif
