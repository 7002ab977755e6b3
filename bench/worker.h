/*
 * worker -- one thread of a benchmark: its random numbers, its session, its tally.
 *
 * A benchmark's work is a loop:
 *
 *     while (worker_more(w, 1)) {
 *         ... worker_put(w, worker_key(w, n)) ...
 *         worker_done(w, OP_WRITE, 1);
 *     }
 *
 * One look at the clock an operation, at its end: its time is what passed since the last end, so
 * making key and value is in it, as in db_bench.
 *
 * Threads: the worker's own; only progress is read by others.
 */
#ifndef VARVE_BENCH_WORKER_H
#define VARVE_BENCH_WORKER_H

#include "base/buf.h"
#include "base/thread.h"

#include "bench/run.h"

struct worker {
    struct run *run;
    unsigned index;
    struct thread *thread;
    struct rand rand;
    struct session *session;
    struct tally tally;
    bool is_background; /* Its tally is not part of the result. */

    uint64_t last_ns;     /* End of the operation before. */
    uint64_t deadline_ns; /* --duration; 0: none. */
    uint64_t begun;
    uint64_t limit;
    uint32_t generation; /* Of the next value. */

    uint8_t key[KEY_SIZE_MAX + 1];
    struct buf value; /* The last made. */
    struct buf scan;  /* The last copied out of an iterator. */

    struct engine_write *writes; /* A batch: run->batch_size of them, and their bytes. */
    struct bytes *batch_keys;
    struct bytes *batch_values;
    uint8_t *batch_key_bytes;
    uint8_t *batch_value_bytes;

    struct status status; /* The first failure. */
    struct errbuf err;
    _Alignas(64) _Atomic uint64_t progress;
};

/* Allocates; the thread is not started. A half-made worker may be destroyed. */
MUST_CHECK struct status worker_create(struct run *r, unsigned index, struct worker **out_worker);
/* Requires: the thread has ended. Takes NULL. */
void worker_destroy(struct worker *w);
/* The thread: session, gate, the benchmark's work, done. context is the worker. */
void worker_main(void *context);

/* May count more operations begin? Never after a failure of any worker. */
bool worker_more(struct worker *w, uint64_t count);
/* count operations of a kind have ended. */
void worker_done(struct worker *w, enum op_kind kind, uint64_t count);
/* Note the time of a part of an operation, without counting one. Returns it. */
uint64_t worker_lap(struct worker *w, enum op_kind kind);

/* Key number n, as this run writes keys. Borrowed until the next. */
struct bytes worker_key(struct worker *w, uint64_t n);
/* A key drawn uniformly. */
struct bytes worker_random_key(struct worker *w);
/* A new value for key, of the size this run draws. Borrowed until the next. */
struct bytes worker_value(struct worker *w, struct bytes key);

/* The same, of this size. data is NULL if there is no memory; at most run->values.filler_size. */
struct bytes worker_value_sized(struct worker *w, struct bytes key, size_t size);

/* Engine calls, counted and checked. False on a failure, which has been noted and stops the run. */
bool worker_put(struct worker *w, struct bytes key);
bool worker_put_value(struct worker *w, struct bytes key, struct bytes value);
bool worker_delete(struct worker *w, struct bytes key);
/* *out_found tells whether there was a value; *out_value is borrowed until the session's next
 * call. */
bool worker_get(struct worker *w, struct bytes key, bool *out_found, struct bytes *out_value);
/* Was value written for key? If not, that is a failure. True at once without --verify. */
bool worker_verify(struct worker *w, struct bytes key, struct bytes value);
/* Copy out and verify where a valid iterator is. */
bool worker_take(struct worker *w, const struct engine_iter *it);
/* Note a failure; the words are those of the session. Returns false. */
bool worker_fail(struct worker *w, struct status s, const char *what);

/* Sleep as long as all writers together are ahead of --benchmark_write_rate_limit (the readers of
 * --benchmark_read_rate_limit), size bytes (one read) having just been done. */
void worker_pace_write(struct worker *w, uint64_t size);
void worker_pace_read(struct worker *w, uint64_t reads);

#endif
