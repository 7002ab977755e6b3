#include "server/rate.h"

static const uint64_t NS_PER_S = 1000 * 1000 * 1000;

void server_rate_sample(struct server_rate *rate, uint64_t total, uint64_t elapsed_ns)
{
    uint64_t n = total >= rate->last ? total - rate->last : 0;

    rate->samples[rate->next] = n * NS_PER_S / elapsed_ns;
    rate->next = (rate->next + 1) % RATE_SAMPLES;
    rate->last = total;
}

uint64_t server_rate_per_s(const struct server_rate *rate)
{
    uint64_t sum = 0;

    for (int i = 0; i < RATE_SAMPLES; i++)
        sum += rate->samples[i];
    return sum / RATE_SAMPLES;
}

void server_rate_reset(struct server_rate *rate)
{
    *rate = (struct server_rate) { .last = 0 };
}
