/*
 * crowd -- how many callers a leader waits for before it writes. Private to embed/.
 *
 * Callers of durable writes that come back with the next one fall into two halves: one waits for
 * the device while the other half's write is under way, each write carries half of them, and each
 * caller waits for two. If the leader waits instead for those whom the last round released, who
 * need a fraction of a write to come back, all go with one write. So a leader expects as many as
 * were there in the last round, released or waiting, and is patient for half of what a round takes.
 * If they do not come, it does without them, and the more often that happened, the more rounds pass
 * until one is patient again: callers that come at random times lose one per cent.
 *
 * Nothing here looks at a clock or waits: the leader says what happened.
 * Threads: the leader's, or under its lock.
 */
#ifndef VARVE_EMBED_CROWD_H
#define VARVE_EMBED_CROWD_H

#include <stdbool.h>
#include <stdint.h>

enum { EMBED_PATIENCE_NS_MAX = 100 * 1000, EMBED_CROWD_REST_MAX = 64 };

/* All zero: expects nobody. */
struct embed_crowd {
    uint32_t expected;
    uint32_t rest;      /* Rounds that are still not to wait. */
    uint32_t next_rest; /* Rounds not to wait after the next time in vain. */
    uint64_t patience_ns;
};

/* A round is through: it wrote for `released` callers, and `waiting` more have come meanwhile. */
void embed_crowd_note_round(struct embed_crowd *c, uint32_t released, uint32_t waiting,
                            uint64_t round_ns);

/* Should the leader of `waiting` callers wait for more? */
static inline bool embed_crowd_is_worth_waiting(const struct embed_crowd *c, uint32_t waiting)
{
    return waiting < c->expected && c->rest == 0;
}

/* The leader has waited. Have all come that were expected? */
void embed_crowd_note_wait(struct embed_crowd *c, bool all_came);

#endif
