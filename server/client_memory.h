/*
 * client_memory -- what clients may take of the budget: requests, replies, sessions.
 *
 * Allocators that charge what they hand out, so that nothing a client makes the server keep is
 * forgotten. A client that sends and never reads holds what it was given for as long as it likes;
 * therefore clients leave to the tree and the log what those are to have (the reserve), and replies
 * leave something to requests: other clients' commands and writes go on.
 *
 *   1. A block above CLIENT_BLOCK_FREE bytes is refused when less than it is left. Smaller ones are
 *      never refused: an error, a number, a short value always finds its way out.
 *   2. What the reserve's owners already hold is not kept for them a second time.
 *
 * Threads: the reactor's.
 */
#ifndef VARVE_SERVER_CLIENT_MEMORY_H
#define VARVE_SERVER_CLIENT_MEMORY_H

#include "base/alloc.h"
#include "base/budget.h"
#include "base/env.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLIENT_BLOCK_FREE = 16 << 10 };

struct server_client_memory;

/* An allocator whose blocks are charged under one tag. */
struct server_client_alloc {
    struct alloc alloc; /* First. */
    struct server_client_memory *memory;
    enum budget_tag tag;
    uint64_t reserve_bytes; /* Left to others. */
};

struct server_client_memory {
    struct alloc *below;
    struct budget *budget;
    struct server_client_alloc requests; /* And sessions. */
    struct server_client_alloc replies;
    uint64_t patience_bytes; /* Replies together up to which those who do not read are served on. */
};

/* Does not move afterwards. env's parts are borrowed. */
void server_client_memory_init(struct server_client_memory *m, const struct env *env,
                               uint64_t reserve_bytes, uint64_t requests_bytes,
                               uint64_t patience_bytes);

/* Bytes left for replies; and is that so little that clients had better take the ones they have
 * before they ask for more? */
size_t server_client_memory_left(const struct server_client_memory *m);
bool server_client_memory_is_short(const struct server_client_memory *m);
/* Is there so much left that a client which sends and does not read may be served on? */
bool server_client_memory_is_patient(const struct server_client_memory *m);

#endif
