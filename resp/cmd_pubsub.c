#include "resp/cmd.h"

#include "resp/glob.h"
#include "resp/publish.h"
#include "resp/session.h"

/* ---- Subscribing ---------------------------------------------------------------------------- */

/* What a kind of subscription is called when it begins and when it ends. */
static const struct {
    const char *joined;
    const char *left;
} WORDS[] = {
    [RESP_TOPIC_CHANNEL] = { "subscribe", "unsubscribe" },
    [RESP_TOPIC_PATTERN] = { "psubscribe", "punsubscribe" },
    [RESP_TOPIC_SHARD] = { "ssubscribe", "sunsubscribe" },
};

/* Shard channels are counted apart. */
static int64_t count_of(const struct resp_session *s, enum resp_topic_kind kind)
{
    const uint32_t *counts = s->subscriptions.counts;

    return kind == RESP_TOPIC_SHARD ? counts[RESP_TOPIC_SHARD]
                                    : counts[RESP_TOPIC_CHANNEL] + counts[RESP_TOPIC_PATTERN];
}

/* It is a message more than a reply: CLIENT REPLY does not keep it back. */
static void confirm(struct resp_call *call, enum resp_topic_kind kind, const char *word,
                    struct bytes name)
{
    struct buf *before = call->reply->out;

    call->reply->out = call->out;
    resp_reply_push(call->reply, 3);
    resp_reply_bulk_str(call->reply, word);
    if (name.data == NULL)
        resp_reply_null(call->reply);
    else
        resp_reply_bulk(call->reply, name);
    resp_reply_int(call->reply, count_of(call->session, kind));
    call->reply->out = before;
}

static struct status subscribe(struct resp_call *call, enum resp_topic_kind kind)
{
    struct resp *r = call->resp;
    struct resp_session *s = call->session;

    for (size_t i = 1; i < call->argc; i++) {
        struct status st =
            resp_topics_join(&r->topics, s, &s->subscriptions, kind, call->argv[i], r->post.number);
        if (st.code == ST_LIMIT) {
            resp_reply_error(call->reply, "ERR too many subscriptions: at most %zu bytes of them",
                             r->topics.max_bytes);
            return status_ok();
        }
        TRY(st);
        confirm(call, kind, WORDS[kind].joined, call->argv[i]);
    }
    return status_ok();
}

static void leave(struct resp_call *call, struct resp_subscription *s)
{
    const struct resp_topic *topic = s->topic;

    resp_topics_leave(&call->resp->topics, s, call->resp->post.number);
    confirm(call, topic->kind, WORDS[topic->kind].left, resp_topic_name(topic));
}

static struct status unsubscribe_all(struct resp_call *call, enum resp_topic_kind kind)
{
    struct resp_subscription *s = resp_subscription_live(call->session->subscriptions.first[kind]);

    if (s == NULL)
        confirm(call, kind, WORDS[kind].left, bytes_of(NULL, 0));
    for (; s != NULL; s = resp_subscription_live(s->next_own))
        leave(call, s);
    return status_ok();
}

static struct status unsubscribe(struct resp_call *call, enum resp_topic_kind kind)
{
    const struct resp_topics *topics = &call->resp->topics;

    if (call->argc == 1)
        return unsubscribe_all(call, kind);
    for (size_t i = 1; i < call->argc; i++) {
        struct resp_topic *topic = resp_topic_find(topics, kind, call->argv[i]);
        struct resp_subscription *s =
            topic == NULL ? NULL
                          : resp_subscription_find(topics, topic, call->session, RESP_TOPIC_ON);
        if (s != NULL)
            leave(call, s);
        else
            confirm(call, kind, WORDS[kind].left, call->argv[i]);
    }
    return status_ok();
}

struct status resp_cmd_subscribe(struct resp_call *call)
{
    return subscribe(call, RESP_TOPIC_CHANNEL);
}

struct status resp_cmd_unsubscribe(struct resp_call *call)
{
    return unsubscribe(call, RESP_TOPIC_CHANNEL);
}

struct status resp_cmd_psubscribe(struct resp_call *call)
{
    return subscribe(call, RESP_TOPIC_PATTERN);
}

struct status resp_cmd_punsubscribe(struct resp_call *call)
{
    return unsubscribe(call, RESP_TOPIC_PATTERN);
}

struct status resp_cmd_ssubscribe(struct resp_call *call)
{
    if (call->overlay != NULL)
        return resp_fail(call, "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
    return subscribe(call, RESP_TOPIC_SHARD);
}

struct status resp_cmd_sunsubscribe(struct resp_call *call)
{
    return unsubscribe(call, RESP_TOPIC_SHARD);
}

/* ---- Publishing ----------------------------------------------------------------------------- */

static struct status publish(struct resp_call *call, enum resp_topic_kind kind)
{
    uint64_t count = resp_publish(call->resp, kind, call->argv[1], call->argv[2]);

    resp_reply_int(call->reply, (int64_t)count);
    return status_ok();
}

struct status resp_cmd_publish(struct resp_call *call)
{
    return publish(call, RESP_TOPIC_CHANNEL);
}

struct status resp_cmd_spublish(struct resp_call *call)
{
    return publish(call, RESP_TOPIC_SHARD);
}

/* ---- PUBSUB --------------------------------------------------------------------------------- */

static struct status list_topics(struct resp_call *call, enum resp_topic_kind kind)
{
    struct resp_mark start = resp_reply_mark(call->reply);
    size_t count = 0;

    if (call->argc > 3)
        return resp_fail_subcommand(call);
    for (struct resp_topic *t = call->resp->topics.first[kind]; t != NULL; t = t->next) {
        struct bytes name = resp_topic_name(t);
        if (t->count == 0 || (call->argc == 3 && !resp_glob_match(call->argv[2], name, false)))
            continue;
        resp_reply_bulk(call->reply, name);
        count++;
    }
    resp_reply_array_at(call->reply, start, count);
    return status_ok();
}

static struct status count_subscribers(struct resp_call *call, enum resp_topic_kind kind)
{
    resp_reply_array(call->reply, 2 * (call->argc - 2));
    for (size_t i = 2; i < call->argc; i++) {
        const struct resp_topic *topic = resp_topic_find(&call->resp->topics, kind, call->argv[i]);
        resp_reply_bulk(call->reply, call->argv[i]);
        resp_reply_int(call->reply, topic == NULL ? 0 : topic->count);
    }
    return status_ok();
}

struct status resp_cmd_pubsub_channels(struct resp_call *call)
{
    return list_topics(call, RESP_TOPIC_CHANNEL);
}

struct status resp_cmd_pubsub_numsub(struct resp_call *call)
{
    return count_subscribers(call, RESP_TOPIC_CHANNEL);
}

struct status resp_cmd_pubsub_numpat(struct resp_call *call)
{
    resp_reply_int(call->reply, call->resp->topics.counts[RESP_TOPIC_PATTERN]);
    return status_ok();
}

struct status resp_cmd_pubsub_shardchannels(struct resp_call *call)
{
    return list_topics(call, RESP_TOPIC_SHARD);
}

struct status resp_cmd_pubsub_shardnumsub(struct resp_call *call)
{
    return count_subscribers(call, RESP_TOPIC_SHARD);
}

struct status resp_cmd_pubsub_help(struct resp_call *call)
{
    static const char *const LINES[] = {
        "CHANNELS [<pattern>]",
        "    The channels that have subscribers; all, or those that match the pattern.",
        "NUMPAT",
        "    How many patterns are subscribed to.",
        "NUMSUB [<channel> ...]",
        "    How many subscribers the channels have, those of patterns not counted.",
        "SHARDCHANNELS [<pattern>]",
        "    The shard channels that have subscribers, likewise.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    How many subscribers the shard channels have.",
        NULL,
    };

    return resp_reply_help(call, "PUBSUB", LINES);
}
