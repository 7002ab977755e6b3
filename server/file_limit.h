/*
 * file_limit -- of the files that may be open (ulimit -n), how many are the clients'.
 *
 * Each client is an open file, and so are each table and each value file of the store, as long as
 * they live. The store is left FILE_LIMIT_STORE of them; of a limit so low that this would leave
 * the clients less than it, each side has half.
 *
 * Threads: one at a time.
 */
#ifndef VARVE_SERVER_FILE_LIMIT_H
#define VARVE_SERVER_FILE_LIMIT_H

#include <stdint.h>

enum { FILE_LIMIT_STORE = 1024 };

/* The clients' part of a limit; at least one. */
uint64_t file_limit_clients(uint64_t files);

/* How many of so many clients there can be, once the kernel has been asked to allow them; what it
 * allows is left in *out_files. */
uint64_t file_limit_raise(uint64_t clients, uint64_t *out_files);

#endif
