/*
 * io_pace -- how many reads the device is given at a time. Private to base/.
 *
 * Some disks answer in lockstep, virtual ones above all: they take reads until their queue is empty
 * and only then say that any is done. Whoever gives such a disk all reads at once gets all answers
 * at once, and then the disk idles while the thread works on them, and the thread sleeps while the
 * disk works. Given half of the reads, it works on the others meanwhile. A disk that answers each
 * read as it is done must not be held back like that: its reads wait for nobody.
 *
 * So the pace finds out which it is. It suspects lockstep where nearly all of what is under way
 * comes back together, again and again, and then tries: at most half of the reads that are wanted
 * are under way at a time. If fewer reads come back in the same time than before, it was wrong (a
 * far disk whose answers are collected looks like lockstep, too), and the next try is longer away
 * each time. If not, it stays so for a term, and then looks again at what comes without a limit.
 * Where the disk is faster than the thread's turns a limit costs nothing: what the thread works on
 * came back before it asked.
 *
 *   1. A read that is wanted is held until it is started, and under way from then on until it has
 *      come back for good, whole or failed, however often the kernel is asked for the rest of it.
 *   2. Nothing is held while nothing is under way. So for each read that is held another one is
 *      due, and with it the next look at io_pace_room.
 *   3. A limit is never below half of the reads wanted of late, nor below IO_PACE_LIMIT_MIN. So a
 *      read waits for about one bunch before it, and where no more are wanted none is held.
 *   4. Where a read is held at least IO_PACE_LIMIT_MIN are under way, and bunches out of so many
 *      are what is judged: as long as anything is held, the judgement goes on and can be revoked.
 *   5. Time decides whether a limit is kept, and nothing else: 1 to 4 hold whatever a clock says.
 *   6. A gap in which no read is wanted, for far longer than a bunch takes, is in no window: the
 *      one it would be in begins anew. Shorter gaps are what lockstep costs, and count. Where all
 *      gaps are long they count after a few, so that windows end.
 *
 * Which of the held reads starts is the caller's to say; in the order they came, no read waits for
 * ever. Neither ring nor op nor clock is known here.
 *
 * Threads: one.
 */
#ifndef VARVE_BASE_IO_PACE_H
#define VARVE_BASE_IO_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum { IO_PACE_LIMIT_MIN = 16, IO_PACE_ALL = 1024 };

/* Zero is a pace that has seen nothing, and holds nothing. */
struct io_pace {
    uint32_t held;
    uint32_t under_way;
    uint32_t wanted_peak; /* Held and under way when a bunch came back: the greatest of late. */
    uint32_t share;       /* Of what was under way, in a read's bunch: a mean, of IO_PACE_ALL. */
    bool is_limited;
    /* The window: some bunches long, with a limit or without one from end to end. */
    uint32_t window_reads; /* That came back in it. */
    uint64_t window_ns;    /* When it began. */
    uint64_t returned_ns;  /* When reads came back last. */
    uint64_t gap_max_ns;   /* The longest gap that counts; 0: not known yet. */
    uint64_t free_cost_ns; /* Of a read, in the last window without a limit. */
    uint32_t term;         /* Windows since the limit was set. */
    uint32_t rest;         /* Windows before the next try; */
    uint32_t rest_next;    /* ... when it fails as well. */
};

/* One more read is wanted. */
static inline void io_pace_want(struct io_pace *p)
{
    p->held++;
}

/* How many of the held reads may start now. */
uint32_t io_pace_room(const struct io_pace *p);

/* Nothing is under way: the next start ends a gap. */
static inline bool io_pace_is_idle(const struct io_pace *p)
{
    return p->under_way == 0;
}

/* One of the held reads starts, at now_ns of the clock that io_pace_return is told; it is looked at
 * only where io_pace_is_idle. Requires: io_pace_room(p) > 0. */
void io_pace_start(struct io_pace *p, uint64_t now_ns);

/* One of the held reads is given up. */
static inline void io_pace_drop(struct io_pace *p)
{
    p->held--;
}

/* So many of the reads under way were found to be back, together, at now_ns of any clock. Requires:
 * 0 < count, and no more than are under way. */
void io_pace_return(struct io_pace *p, uint32_t count, uint64_t now_ns);

#endif
