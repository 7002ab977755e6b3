/*
 * paced_world -- a thread that serves clients from a disk, in a time of its own, for what a pace
 * does to them. Nothing here looks at the clock.
 *
 * Each client asks, waits for its answer, and asks again. The thread works in turns: it takes the
 * reads that came back, starts held ones at once, answers, takes what clients ask, starts what may
 * start at the turn's end, and sleeps when there is nothing to do.
 */
#ifndef VARVE_TESTS_BASE_PACED_WORLD_H
#define VARVE_TESTS_BASE_PACED_WORLD_H

#include "base/io_pace.h"
#include "base/rand.h"

enum { PACED_CLIENTS_MAX = 1024 };

enum paced_disk {
    PACED_LOCKSTEP, /* Takes what is queued until the queue is empty, then tells of all of it. */
    PACED_PARALLEL, /* Each read by itself, a latency and up to a jitter after it began. */
};

struct paced_client {
    uint64_t asks_ns; /* UINT64_MAX: waits for its read. */
    uint64_t done_ns; /* UINT64_MAX: its read is not under way. */
};

struct paced_world {
    /* How it is. */
    enum paced_disk disk;
    uint64_t latency_ns; /* PACED_LOCKSTEP: of a batch, beside its reads. */
    uint64_t jitter_ns;  /* PACED_PARALLEL. */
    uint64_t period_ns;  /* PACED_PARALLEL: it tells of what is done when so much is over. */
    uint64_t read_ns;    /* PACED_LOCKSTEP: of each. PACED_PARALLEL: between two beginnings. */
    uint64_t ask_ns;     /* The thread's, for a request; */
    uint64_t start_ns;   /* ... to start a read; */
    uint64_t answer_ns;  /* ... for a read that came back. */
    uint64_t wake_ns;    /* ... to get up. */
    uint64_t client_ns;  /* From an answer to the next request. */
    uint32_t clients;
    bool ignores_pace; /* All reads start at once. */
    /* What comes of it. */
    struct io_pace pace;
    uint64_t now_ns;
    uint64_t busy_until_ns; /* The disk. */
    uint64_t answers;
    uint64_t reads_held; /* That had to wait for another to come back. */
    struct rand rand;
    struct paced_client all[PACED_CLIENTS_MAX];
    uint32_t held[PACED_CLIENTS_MAX]; /* Clients, a circle. */
    uint32_t held_first;
};

/* Requires: the first part is filled in, the rest zero. */
void paced_world_init(struct paced_world *w, uint64_t seed);
void paced_world_run(struct paced_world *w, uint64_t for_ns);
/* ... and how many answers a second were given meanwhile. */
double paced_world_rate(struct paced_world *w, uint64_t for_ns);

#endif
