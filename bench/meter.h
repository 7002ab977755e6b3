/*
 * meter -- what this process has cost the machine so far: CPU, bytes written and read, memory.
 *
 * From getrusage and /proc, so it holds for any engine: its background threads, its page cache
 * writes (counted when a page is dirtied) and its direct writes alike.
 *
 * Threads: any; no state.
 */
#ifndef VARVE_BENCH_METER_H
#define VARVE_BENCH_METER_H

#include <stdint.h>

struct meter {
    uint64_t time_ns;       /* Monotonic. */
    uint64_t cpu_ns;        /* User and system, all threads. */
    uint64_t others_cpu_ns; /* By all other processes of the machine. */
    uint64_t written_bytes;
    uint64_t read_bytes; /* From the device. */
    uint64_t resident_bytes;
};

/* What cannot be read is 0. */
void meter_read(struct meter *m, uint64_t now_ns);
uint64_t meter_cpu_ns(void);
/* The differences; resident_bytes is that of end. */
struct meter meter_between(const struct meter *start, const struct meter *end);

#endif
