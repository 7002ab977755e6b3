/*
 * timeline -- what is going to happen, in order of time and, at one time, in order of posting.
 *
 * Threads: one.
 */
#ifndef VARVE_TESTS_RAFT_TIMELINE_H
#define VARVE_TESTS_RAFT_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

struct moment {
    uint64_t time;
    uint32_t kind; /* The rest is the poster's. */
    uint32_t incarnation;
    uint64_t node;
    uint64_t number;
    uint64_t other;
    uint64_t peer;
    void *data;
};

struct moment_place {
    uint64_t time;
    uint64_t order;
    uint32_t at; /* Behind the last one in use: a free place. */
};

struct timeline {
    struct moment_place *heap;
    struct moment *moments; /* Where the heap's places say. */
    uint32_t count;
    uint32_t capacity;
    uint64_t posted;
};

void timeline_deinit(struct timeline *t);
void timeline_post(struct timeline *t, struct moment m);
/* The earliest, or NULL. Borrowed until the next call. */
const struct moment *timeline_first(const struct timeline *t);
/* Requires: one. */
struct moment timeline_take(struct timeline *t);

#endif
