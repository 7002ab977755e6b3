/*
 * slowlog -- the commands that took long, newest first, as many as one wants to remember.
 *
 * An entry holds what Redis' does: at most 32 arguments of at most 128 bytes, and in their places
 * how much more there was.
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_SLOWLOG_H
#define VARVE_RESP_SLOWLOG_H

#include "base/alloc.h"
#include "base/bytes.h"

#include <stdint.h>

enum { RESP_SLOWLOG_ARGS = 32, RESP_SLOWLOG_ARG_BYTES = 128 };

struct resp_slow_entry {
    struct resp_slow_entry *older;
    struct resp_slow_entry *newer;
    size_t size; /* Of all of it. */
    uint64_t id;
    uint64_t time_s; /* Unix time. */
    uint64_t duration_us;
    struct bytes address; /* Behind the entry, as all bytes. */
    struct bytes name;
    size_t argc;
    struct bytes argv[RESP_SLOWLOG_ARGS];
};

struct resp_slowlog {
    struct alloc *alloc;
    struct resp_slow_entry *newest;
    struct resp_slow_entry *oldest;
    uint64_t count;
    uint64_t next_id;
};

struct resp_slow_command {
    const struct bytes *argv;
    size_t argc;
    uint64_t redacted; /* Bit i: argument i is nobody's business. */
    uint64_t time_s;
    uint64_t duration_us;
    struct bytes address;
    struct bytes name;
};

void resp_slowlog_init(struct resp_slowlog *l, struct alloc *alloc);
void resp_slowlog_reset(struct resp_slowlog *l);
/* Copies. Without memory it is not remembered. */
void resp_slowlog_add(struct resp_slowlog *l, const struct resp_slow_command *c);
/* Forget the oldest ones above this many. */
void resp_slowlog_trim(struct resp_slowlog *l, uint64_t count_max);

#endif
