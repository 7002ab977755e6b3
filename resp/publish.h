/*
 * publish -- from a message to those who are to receive it, and MONITOR's lines.
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_PUBLISH_H
#define VARVE_RESP_PUBLISH_H

#include "resp/session.h"

/* Does anybody subscribe to channels or patterns? */
static inline bool resp_has_listeners(const struct resp *r)
{
    return r->topics.counts[RESP_TOPIC_CHANNEL] + r->topics.counts[RESP_TOPIC_PATTERN] > 0;
}

/* Collect a message on a channel (or shard channel) with the post of the command that runs. Returns
 * how many receive it, a client once for each of its subscriptions. */
uint64_t resp_publish(struct resp *r, enum resp_topic_kind kind, struct bytes channel,
                      struct bytes message);

#endif
