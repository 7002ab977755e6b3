/*
 * topic -- who listens to what: channels, patterns, shard channels, and what MONITOR shows.
 *
 * A topic is there while somebody subscribes to it, or while something said on it is still being
 * delivered. Its subscriptions are in order of joining; a session has its own by kind, in order
 * too.
 *
 * Everything that is said gets a number (post.h). A subscription hears the numbers above `since` up
 * to `until`. A command that subscribes or unsubscribes does so at once, to be counted, but until
 * it is known to stay (resp_topics_keep) its changes can be taken back (resp_topics_revert).
 *
 *   1. A topic's count is of subscriptions that go on: what was left is not counted, what was
 *      joined is.
 *   2. All changes belong to the command that runs; in between there are none.
 *   3. Memory of topics and subscriptions together has a limit.
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_TOPIC_H
#define VARVE_RESP_TOPIC_H

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/status.h"

#include "resp/index.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resp_session;

enum resp_topic_kind {
    RESP_TOPIC_CHANNEL,
    RESP_TOPIC_PATTERN,
    RESP_TOPIC_SHARD,
    RESP_TOPIC_MONITOR, /* One, without a name: the commands that are run. */
    RESP_TOPIC_KINDS,
};

struct resp_topic {
    struct resp_link link; /* By kind and name. */
    enum resp_topic_kind kind;
    uint32_t count;      /* Subscribers. */
    uint32_t deliveries; /* Under way. */
    struct resp_subscription *first;
    struct resp_subscription *last;
    struct resp_topic *next; /* Of the kind. */
    struct resp_topic *previous;
    size_t name_size;
    uint8_t name[];
};

struct resp_subscription {
    struct resp_link link; /* By topic and session. */
    struct resp_topic *topic;
    struct resp_session *session;
    struct resp_subscriptions *own; /* The session's. */
    uint64_t since;
    uint64_t until;                 /* UINT64_MAX: it goes on. */
    struct resp_subscription *next; /* Of the topic. */
    struct resp_subscription *previous;
    struct resp_subscription *next_own; /* Of the session and kind. */
    struct resp_subscription *previous_own;
    struct resp_subscription *next_change; /* Of the command that runs. */
    bool is_new;                           /* It began with that command. */
};

/* A session's subscriptions. Zero is none. */
struct resp_subscriptions {
    struct resp_subscription *first[RESP_TOPIC_KINDS];
    struct resp_subscription *last[RESP_TOPIC_KINDS];
    uint32_t counts[RESP_TOPIC_KINDS]; /* Of those that go on. */
};

struct resp_topics {
    struct alloc *alloc;
    struct resp_index topics;
    struct resp_index subscriptions;
    struct resp_topic *first[RESP_TOPIC_KINDS];
    struct resp_topic *last[RESP_TOPIC_KINDS];
    uint32_t counts[RESP_TOPIC_KINDS]; /* Topics that have subscribers. */
    struct resp_subscription *changes;
    size_t held_bytes;
    size_t max_bytes;
    uint64_t seed;
};

/* Does not move afterwards. */
void resp_topics_init(struct resp_topics *t, struct alloc *alloc, size_t max_bytes, uint64_t seed);
/* Requires: no subscriptions. */
void resp_topics_deinit(struct resp_topics *t);

/* The topic, with or without subscribers; NULL: there is none. */
struct resp_topic *resp_topic_find(const struct resp_topics *t, enum resp_topic_kind kind,
                                   struct bytes name);
static inline struct bytes resp_topic_name(const struct resp_topic *topic)
{
    return bytes_of(topic->name, topic->name_size);
}

/* Does it hear what has this number? */
static inline bool resp_subscription_hears(const struct resp_subscription *s, uint64_t number)
{
    return s->since < number && number <= s->until;
}
/* The session's subscription that hears the number (RESP_TOPIC_ON: that goes on); NULL: none. */
#define RESP_TOPIC_ON UINT64_MAX
struct resp_subscription *resp_subscription_find(const struct resp_topics *t,
                                                 const struct resp_topic *topic,
                                                 const struct resp_session *session,
                                                 uint64_t number);

/* Subscribe, from what is said after number on. Nothing changes if it does already. LIMIT,
 * NO_MEMORY. */
MUST_CHECK struct status resp_topics_join(struct resp_topics *t, struct resp_session *session,
                                          struct resp_subscriptions *own, enum resp_topic_kind kind,
                                          struct bytes name, uint64_t number);
/* End a subscription that goes on, after number. */
void resp_topics_leave(struct resp_topics *t, struct resp_subscription *s, uint64_t number);
/* s, or the next of its session and kind that goes on. NULL: none; s may be. */
struct resp_subscription *resp_subscription_live(struct resp_subscription *s);

/* A subscription is about to go. */
typedef void resp_subscription_gone_fn(void *context, const struct resp_subscription *s);

/* The command's changes stay. */
void resp_topics_keep(struct resp_topics *t, resp_subscription_gone_fn *gone, void *context);
/* They are as if they had never been. */
void resp_topics_revert(struct resp_topics *t);
/* All of a session's go, at its end. */
void resp_topics_drop(struct resp_topics *t, struct resp_subscriptions *own,
                      resp_subscription_gone_fn *gone, void *context);

/* Something on the topic is being delivered; it is done. */
void resp_topic_hold(struct resp_topic *topic);
void resp_topic_release(struct resp_topics *t, struct resp_topic *topic);

#endif
