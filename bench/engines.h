/*
 * engines -- the engines there are, each in engine_<name>.c.
 *
 * The peers are compiled in where scripts/build-peers has been run.
 */
#ifndef VARVE_BENCH_ENGINES_H
#define VARVE_BENCH_ENGINES_H

#include "bench/engine.h"

extern const struct engine_class ENGINE_VARVE;
extern const struct engine_class ENGINE_ROCKSDB;      /* RocksDB, tuned. */
extern const struct engine_class ENGINE_ROCKSDB_BLOB; /* With values apart (BlobDB). */
extern const struct engine_class ENGINE_LEVELDB;
extern const struct engine_class ENGINE_LMDB;
extern const struct engine_class ENGINE_BARE; /* No store: durable appends, the physical limit. */
extern const struct engine_class ENGINE_NULL; /* No store: what the runner itself costs. */

#endif
