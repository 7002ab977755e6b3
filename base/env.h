/*
 * env -- the machine, as it is handed to a store: memory, time, files and threads' I/O, budget,
 * log.
 *
 * An env is made once, at the top (server, embedded open, bench, test), outlives all that it is
 * handed to, and is borrowed by everybody. What is not reached through it is not reached at all
 * (tests/tidy bans the calls elsewhere).
 */
#ifndef VARVE_BASE_ENV_H
#define VARVE_BASE_ENV_H

struct alloc;
struct budget;
struct clock;
struct io;
struct log;

struct env {
    struct alloc *alloc;
    struct clock *clock;
    struct io *io;
    struct budget *budget;
    struct log *log;
};

#endif
