/*
 * store_workload -- a few operations on a whole store, and what must be there afterwards.
 *
 * Operations are: put a small value, put one that lives apart, delete, a batch, a range delete,
 * a bulk of values, its thinning out, flush, flush and settle (compaction, rewriting), close and
 * reopen. After each, "ack" is marked
 * with the number done. A verifier opens what is left of the store, proves its disk, looks for all
 * that was acknowledged, with the operation under way wholly there or not at all, writes more, and
 * opens it again.
 *
 * Threads: one.
 */
#ifndef VARVE_TESTS_CRASH_STORE_WORKLOAD_H
#define VARVE_TESTS_CRASH_STORE_WORKLOAD_H

#include "tests/crash/support/enumerate.h"

enum { STORE_KEYS = 20, STORE_OPERATIONS_MAX = 12 };

enum store_operation {
    PUT_SMALL,
    PUT_BIG,
    DELETE,
    BATCH,
    RANGE_DELETE,
    FLUSH,
    SETTLE,
    REOPEN,
    STORE_OPERATIONS, /* Those before are for drawing lots. */
    BULK,             /* Sixteen big values in a batch. */
    THIN_OUT,         /* Fourteen of them deleted. */
};

/* What each key holds: 0 nothing, else the number of its value. */
struct store_contents {
    unsigned values[STORE_KEYS];
};

/* What the runs of workloads saw, added up. */
struct store_sums {
    uint64_t flushes;
    uint64_t compactions;
    uint64_t adopted;
    uint64_t rewrites;
};

struct store_workload {
    enum store_operation operations[STORE_OPERATIONS_MAX];
    unsigned count;
    bool is_relaxed;                                       /* The log's mode. */
    struct store_sums *sums;                               /* NULL: not wanted. */
    struct store_contents after[STORE_OPERATIONS_MAX + 1]; /* [n]: after n operations. */
};

/* Fill w->after. */
void store_workload_plan(struct store_workload *w);

/*
 * Open, do the operations, close. A write that fails ends the run with its status; a flush may fail
 * and is forgotten, as it changes nothing that can be read. What the store holds is looked at after
 * each operation: "wrong" is marked if it is something else. Memory is taken from alloc (NULL: the
 * heap).
 */
MUST_CHECK struct status store_workload_run(const struct store_workload *w, struct io_sim *sim,
                                            struct alloc *alloc);

/* A crash_verify; context is the workload. */
bool store_workload_verify(void *context, const struct crash_state *state, struct errbuf *why);

/* "1 2 5": the operations, for a failure's message. */
void store_workload_format(const struct store_workload *w, char *out_text, size_t size);

#endif
