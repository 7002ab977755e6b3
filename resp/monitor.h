/*
 * monitor -- the line that MONITOR shows of a command that has run.
 *
 *     +1339518083.107412 [0 127.0.0.1:60866] "set" "key" "a\nb"
 *
 * It is post as messages are: it leaves when the command's reply may, and never if the command is
 * dropped. Administrative commands are not shown, nor are passwords. A line that finds no memory is
 * left out: who looks on does not make commands fail.
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_MONITOR_H
#define VARVE_RESP_MONITOR_H

#include "resp/session.h"

static inline bool resp_has_monitors(const struct resp *r)
{
    return r->topics.counts[RESP_TOPIC_MONITOR] > 0;
}

static inline bool resp_session_is_monitor(const struct resp_session *s)
{
    return s->subscriptions.counts[RESP_TOPIC_MONITOR] > 0;
}

/* Show the call, which has run. Requires: resp_has_monitors. */
void resp_monitor_show(struct resp_call *call);

#endif
