/*
 * queue -- the commands a client has sent since MULTI, and the keys it watches.
 *
 * Both are copies in the session's memory, bounded; nothing in the store knows of them.
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_QUEUE_H
#define VARVE_RESP_QUEUE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"

#include "resp/command.h"
#include "resp/store.h"

#include <stddef.h>
#include <stdint.h>

struct resp_queue {
    struct buf bytes; /* Commands one after another, see queue.c. */
    size_t count;
    size_t count_max;
};

void resp_queue_init(struct resp_queue *q, struct alloc *alloc, size_t size_max, size_t count_max);
void resp_queue_deinit(struct resp_queue *q);
/* Empty; gives the memory back. */
void resp_queue_reset(struct resp_queue *q);

/* Add a command. Copies. LIMIT: it does not fit; the queue is as it was. */
MUST_CHECK struct status resp_queue_push(struct resp_queue *q, const struct resp_command *command,
                                         const struct bytes *argv, size_t argc);

/* A place in the queue; zero is the beginning. */
struct resp_queue_place {
    size_t offset;
};
struct resp_queued {
    const struct resp_command *command;
    const struct bytes *argv; /* The array in the arena, the arguments borrowed from the queue. */
    size_t argc;
};
/* The command at place, which moves on. NOT_FOUND at the end; NO_MEMORY. */
MUST_CHECK struct status resp_queue_next(const struct resp_queue *q, struct resp_queue_place *place,
                                         struct arena *arena, struct resp_queued *out);

struct resp_watched {
    uint32_t database; /* The number, not the id. */
    struct bytes key;  /* Borrowed from the watches. */
    struct store_watch token;
};

struct resp_watches {
    struct buf bytes;
    size_t count;
    size_t count_max;
};

void resp_watches_init(struct resp_watches *w, struct alloc *alloc, size_t size_max,
                       size_t count_max);
void resp_watches_deinit(struct resp_watches *w);
void resp_watches_reset(struct resp_watches *w);

/* Add a key. Copies. LIMIT as above. */
MUST_CHECK struct status resp_watches_push(struct resp_watches *w,
                                           const struct resp_watched *watched);
/* Take back what was pushed since the watches had this size and count. */
void resp_watches_rewind(struct resp_watches *w, size_t size, size_t count);
/* The key at *offset, which moves on; false at the end. */
bool resp_watches_next(const struct resp_watches *w, size_t *offset, struct resp_watched *out);

#endif
