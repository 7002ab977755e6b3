/*
 * dir -- the directory a benchmark works in.
 *
 * --db names a directory that is ours to empty: it holds a file BENCH with the name of the engine
 * that made what is in store/, and nothing else is ever touched. A directory that is neither empty
 * nor ours is refused.
 *
 * Threads: one.
 */
#ifndef VARVE_BENCH_DIR_H
#define VARVE_BENCH_DIR_H

#include "base/env.h"
#include "base/errbuf.h"
#include "base/io.h"

/*
 * Make path ours, or see that it is, and that what it holds is the engine's; out_store gets the
 * path of the store. With keep, there must be a store and the engine must be its maker; without,
 * a store of another engine is removed.
 */
MUST_CHECK struct status dir_prepare(const struct env *env, const char *path, const char *engine,
                                     bool keep, struct errbuf *err, char *out_store, size_t size);

/* Remove all that is in the store's directory, and leave it empty. */
MUST_CHECK struct status dir_clear(const struct env *env, const char *store, struct errbuf *err);

/* Bytes that the files below path occupy on disk. 0 if it cannot be read. */
uint64_t dir_size(const char *path);

#endif
