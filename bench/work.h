/*
 * work -- what each thread of a benchmark does, and the actions between benchmarks.
 *
 * Meanings are db_bench's; see benchmark.c for which is which.
 *
 * Threads: a worker's own; actions the first thread.
 */
#ifndef VARVE_BENCH_WORK_H
#define VARVE_BENCH_WORK_H

#include "bench/worker.h"

/* work_write.c: puts and deletes, in batches of --batch_size. */
void work_fill_sequential(struct worker *w);
void work_fill_random(struct worker *w); /* A permutation with --permutation. */
void work_fill_unique(struct worker *w);
void work_delete_sequential(struct worker *w);
void work_delete_random(struct worker *w);

/* work_read.c */
void work_read_random(struct worker *w);
void work_multi_read_random(struct worker *w);
void work_read_forward(struct worker *w);
void work_read_backward(struct worker *w);
void work_new_iterator(struct worker *w);
void work_seek_random(struct worker *w);
void work_crc32c(struct worker *w);
void work_xxh3(struct worker *w);

/* work_mixed.c: the first thread of a *_while_writing writes until the others are done. */
void work_read_while_writing(struct worker *w);
void work_seek_while_writing(struct worker *w);
void work_iterate_while_writing(struct worker *w);
void work_read_or_write(struct worker *w);
void work_update(struct worker *w);
void work_append(struct worker *w);

#endif
