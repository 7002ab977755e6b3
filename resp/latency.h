/*
 * latency -- events that took longer than somebody wants: their times, the last 160 of each kind.
 *
 * Events of the same second are one sample, the worst of them.
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_LATENCY_H
#define VARVE_RESP_LATENCY_H

#include "base/buf.h"
#include "base/bytes.h"

#include <stddef.h>
#include <stdint.h>

enum { RESP_LATENCY_SAMPLES = 160, RESP_LATENCY_GRAPH_COLUMNS = 80 };

/* What is watched. */
enum resp_latency_event {
    RESP_LATENCY_COMMAND,
    RESP_LATENCY_FAST_COMMAND, /* One that should be, by its flags. */
    RESP_LATENCY_EXPIRE_CYCLE, /* Removing keys whose time is over, of one turn. */
    RESP_LATENCY_EVENTS,
};

struct resp_latency_sample {
    uint64_t time_s; /* Unix time; 0: none. */
    uint64_t duration_ms;
};

struct resp_latency_series {
    struct resp_latency_sample samples[RESP_LATENCY_SAMPLES]; /* A ring. */
    uint32_t next;
    uint64_t max_ms; /* Of all time. */
};

struct resp_latency {
    struct resp_latency_series events[RESP_LATENCY_EVENTS];
};

const char *resp_latency_name(enum resp_latency_event event);
/* The series of an event with samples; NULL: there is none. */
const struct resp_latency_series *resp_latency_find(const struct resp_latency *l,
                                                    struct bytes name);
void resp_latency_note(struct resp_latency *l, enum resp_latency_event event, uint64_t time_s,
                       uint64_t duration_ms);
/* Sample i, the oldest first; false if there are no more. */
bool resp_latency_sample(const struct resp_latency_series *s, size_t i,
                         struct resp_latency_sample *out);
/* The newest; its time is 0 if there is none. */
struct resp_latency_sample resp_latency_latest(const struct resp_latency_series *s);
/* A picture of the samples, for people. */
void resp_latency_draw(const struct resp_latency_series *s, const char *name, uint64_t now_s,
                       struct buf *out);
/* What the samples say and what may be done, for people. */
void resp_latency_advise(const struct resp_latency *l, uint64_t threshold_ms, uint64_t now_s,
                         struct buf *out);

#endif
