/*
 * adapter -- what the adapters of foreign libraries share.
 *
 * Threads: as the objects they are given.
 */
#ifndef VARVE_BENCH_ADAPTER_H
#define VARVE_BENCH_ADAPTER_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/status.h"

#include "bench/engine.h"

/* The greatest value or group of values a session keeps a copy of. */
enum { ADAPTER_COPY_MAX = 1 << 30 };

/* Copy value into copy, emptied first, and say where it is. */
MUST_CHECK struct status adapter_copy(struct buf *copy, struct bytes value,
                                      struct bytes *out_value);

/* Sleep. */
void adapter_pause(uint64_t ns);

/* Wait until this process has used next to no CPU for a tenth of a second: for libraries that do
 * not tell when their background threads are done. */
void adapter_wait_idle(struct clock *clock);

#endif
