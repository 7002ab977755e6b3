/*
 * io_busy_poll -- whether a ring looks for a while before it lets its thread sleep. Private to
 * base/.
 *
 * Where something comes every few microseconds, to sleep and be woken costs more than the time in
 * between: two switches here, an interrupt that whoever has the news must send, and in a virtual
 * machine a trip through its host. A ring under load therefore looks at the kernel's flag in memory
 * instead, and yields at each look, so that others on its processor may run. As the kernel's
 * haltpoll does, and RocksDB's writers (write_thread_max_yield_usec).
 *
 * Waits are of two kinds: while a device is at work for the ring, or while only clients can end
 * them.
 *
 *   1. It looks only while the mean of its last waits for clients is below IO_BUSY_POLL_CLIENT_NS:
 *      an idle ring sleeps, and so does one whose clients think between commands, whatever it waits
 *      for.
 *      A wait for a device that was as short counts, too: with many clients there are no others.
 *   2. While a device is at work, it looks only if the mean of such waits is below
 *      IO_BUSY_POLL_DEVICE_NS, which a write and its flush stay below, but not on a slow disk.
 *   3. It looks for twice the bound of its kind and one look at most, then it sleeps.
 *   4. A look that takes IO_BUSY_POLL_SLOW_NS was somebody else's time on this processor. Who is
 *      woken there comes to run sooner than who yields, so the ring sleeps.
 *   5. After 3 and 4 it rests for some waits: for twice as many as the last time, but for less
 *      the more looks between were worth it. Where most are, rests are short; where few are, what
 *      looks cost tends to nothing.
 *
 * Neither ring nor clock is known here.
 *
 * Threads: one.
 */
#ifndef VARVE_BASE_IO_BUSY_POLL_H
#define VARVE_BASE_IO_BUSY_POLL_H

#include <stdbool.h>
#include <stdint.h>

enum {
    IO_BUSY_POLL_CLIENT_NS = 100 * 1000,
    IO_BUSY_POLL_DEVICE_NS = 250 * 1000,
    IO_BUSY_POLL_SLOW_NS = 100 * 1000
};

enum io_busy_poll_wait { IO_BUSY_POLL_CLIENT, IO_BUSY_POLL_DEVICE, IO_BUSY_POLL_WAITS };

struct io_busy_poll {
    /* Of the waits, none longer than one that lifts the mean over its bound. */
    uint64_t mean_ns[IO_BUSY_POLL_WAITS];
    enum io_busy_poll_wait wait;
    uint64_t begin_ns;
    uint64_t looked_ns;
    uint32_t rest;      /* Waits before it may look again; */
    uint32_t rest_next; /* ... when it looks for nothing the next time. */
    bool looks;
};

/* One that sleeps. */
void io_busy_poll_init(struct io_busy_poll *p);

/* The thread has nothing to do from now on. True: it looks. */
bool io_busy_poll_begin(struct io_busy_poll *p, enum io_busy_poll_wait wait, uint64_t now_ns);

/* It looked, for nothing. True: it looks once more. */
bool io_busy_poll_go_on(struct io_busy_poll *p, uint64_t now_ns);

/* It has something to do, however it waited. */
void io_busy_poll_end(struct io_busy_poll *p, uint64_t now_ns);

#endif
