/*
 * rate -- how much a second, from a total that grows: the mean of the last samples.
 *
 * Threads: one at a time.
 */
#ifndef VARVE_SERVER_RATE_H
#define VARVE_SERVER_RATE_H

#include <stdint.h>

enum { RATE_SAMPLES = 16 };

struct server_rate {
    uint64_t samples[RATE_SAMPLES]; /* Per second. */
    uint64_t last;                  /* The total at the last one. */
    uint32_t next;
};

/* The total elapsed_ns (not 0) after the last sample. One that is smaller began anew. */
void server_rate_sample(struct server_rate *rate, uint64_t total, uint64_t elapsed_ns);
uint64_t server_rate_per_s(const struct server_rate *rate);
/* As if nothing had been; the total starts at 0 too. */
void server_rate_reset(struct server_rate *rate);

#endif
