/*
 * list -- the value of --benchmarks, name by name.
 *
 * NAME, NAME[X3] (run three times), NAME[W2] (after two runs that do not count), NAME[X3-W2]; names
 * are separated by commas, an empty one is nothing.
 *
 * Threads: any; no state.
 */
#ifndef VARVE_BENCH_LIST_H
#define VARVE_BENCH_LIST_H

#include "bench/benchmark.h"

struct list_item {
    const struct benchmark *benchmark; /* NULL: the name was empty. */
    unsigned repeats;
    unsigned warmups;
};

/* Take the first name off *at. ST_INVALID with the words in err. */
MUST_CHECK struct status list_next(const char **at, struct errbuf *err, struct list_item *out_item);

#endif
