/*
 * post -- what a command has for other clients than its own: messages, keyspace events, lines of
 * MONITOR, and the end of their connections.
 *
 * While the command runs its post is collected (resp_post_say, resp_post_kill). If what it wrote is
 * kept, the post is delivered (resp_post_deliver), with the ticket of the command's own reply: it
 * leaves for the receivers when the reply may leave, not before. Else it is dropped
 * (resp_post_drop), with the command's changes of subscriptions.
 *
 * To deliver is to append to what a session is sent, once a receiver. A turn delivers a bounded
 * number (resp_post_begin_turn); what is more waits in a queue, a copy a message however many
 * receive it, and goes on with the next turn. Nobody can tell: before a session runs a command, and
 * before a subscription ends, it is given what it has coming (resp_post_catch_up).
 *
 *   1. What is said has a number, rising. A session receives in the order of numbers.
 *   2. A session receives what was said on topics it subscribed to at that moment, whatever it has
 *      joined or left since.
 *   3. What does not fit the queue holds back further commands (resp_post_is_behind).
 *   4. A command's post has a limit; passing it is the command's failure.
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_POST_H
#define VARVE_RESP_POST_H

#include "base/buf.h"

#include "resp/topic.h"

struct resp_host;
struct resp_delivery;

struct resp_post {
    struct alloc *alloc;
    struct resp_host *host;
    struct resp_topics *topics;
    struct buf items; /* Of the command that runs: see post.c. */
    uint64_t number;  /* The last thing said. */

    struct resp_session *doomed; /* Whose connections the command ends. */

    struct resp_delivery *first; /* The queue. */
    struct resp_delivery *last;
    struct resp_subscription *at; /* Who is next to receive the first. */
    size_t queued_count;
    size_t queued_bytes;
    size_t turn_left; /* Deliveries that this turn may still make. */
    uint64_t delivered;
};

void resp_post_init(struct resp_post *p, struct alloc *alloc, struct resp_host *host,
                    struct resp_topics *topics, size_t items_max_bytes);
void resp_post_deinit(struct resp_post *p);

/* ---- Collecting ------------------------------------------------------------------------------ */

/*
 * Say something on a topic that has subscribers: room for size bytes is returned, to be filled at
 * once: a reply to version 2; NULL when there is no room, which shows in items.is_failed.
 */
uint8_t *resp_post_say(struct resp_post *p, struct resp_topic *topic, size_t size);
/* End a session's connection, without a word. */
void resp_post_kill(struct resp_post *p, struct resp_session *session);

/* ---- Delivering ------------------------------------------------------------------------------ */

void resp_post_deliver(struct resp_post *p, uint64_t ticket);
void resp_post_drop(struct resp_post *p);
/* A session ends; its own subscriptions with it. */
void resp_post_forget(struct resp_post *p, struct resp_session *session,
                      struct resp_subscriptions *own);

/* A new turn: deliver some of what waits. */
void resp_post_begin_turn(struct resp_post *p);
static inline bool resp_post_is_waiting(const struct resp_post *p)
{
    return p->first != NULL;
}
bool resp_post_is_behind(const struct resp_post *p);
/* Deliver to this session all that waits for it. */
void resp_post_catch_up(struct resp_post *p, struct resp_session *session);

#endif
