#include "resp/monitor.h"

#include "resp/cmd.h"

#include <stdio.h>

enum { HEAD_MAX = 256, US_PER_S = 1000000 };

/* A byte as it is written between quotes; returns the size. */
static size_t escape(uint8_t c, char out[5])
{
    static const char NAMED[] = "\n\r\t\a\b\\\"";
    static const char NAMES[] = "nrtab\\\"";
    const char *named = c == '\0' ? NULL : strchr(NAMED, c);

    if (named != NULL)
        return (size_t)snprintf(out, 5, "\\%c", NAMES[named - NAMED]);
    if (c >= ' ' && c <= '~')
        return (size_t)snprintf(out, 5, "%c", c);
    return (size_t)snprintf(out, 5, "\\x%02x", c);
}

/* ` "text"`, escaped, at out; NULL: measured alone. Returns the size. */
static size_t quote(struct bytes text, uint8_t *out)
{
    char escaped[5];
    size_t size = 0;

    if (out != NULL)
        memcpy(out, " \"", 2);
    size += 2;
    for (size_t i = 0; i < text.size; i++) {
        size_t n = escape(text.data[i], escaped);
        if (out != NULL)
            memcpy(out + size, escaped, n);
        size += n;
    }
    if (out != NULL)
        out[size] = '"';
    return size + 1;
}

static size_t quote_all(const struct resp_call *call, uint8_t *out)
{
    size_t size = 0;

    for (size_t i = 0; i < call->argc; i++) {
        bool is_secret = i < 64 && call->redacted >> i & 1;
        size += quote(is_secret ? bytes_str("(redacted)") : call->argv[i],
                      out == NULL ? NULL : out + size);
    }
    return size;
}

void resp_monitor_show(struct resp_call *call)
{
    struct resp_post *post = &call->resp->post;
    uint64_t us = call->store->ops->wall_us(call->store);
    char head[HEAD_MAX];

    if (call->command->flags & RESP_CMD_ADMIN || post->items.is_failed)
        return;
    int n = snprintf(head, sizeof head, "+%llu.%06llu [%u %s]", (unsigned long long)us / US_PER_S,
                     (unsigned long long)us % US_PER_S, (unsigned)call->session->identity.database,
                     call->session->address);
    size_t head_size = (size_t)n < sizeof head ? (size_t)n : sizeof head - 1;
    size_t size = head_size + quote_all(call, NULL);
    uint8_t *room = resp_post_say(post, call->resp->topics.first[RESP_TOPIC_MONITOR], size + 2);
    if (room == NULL) {
        post->items.is_failed = false;
        return;
    }
    memcpy(room, head, head_size);
    (void)quote_all(call, room + head_size);
    memcpy(room + size, "\r\n", 2);
}

struct status resp_cmd_monitor(struct resp_call *call)
{
    struct resp_session *s = call->session;

    if (call->overlay != NULL)
        return resp_fail(call, "ERR MONITOR isn't allowed for DENY BLOCKING client");
    if (resp_session_is_monitor(s))
        return status_ok(); /* Silently, as Redis. */
    TRY(resp_topics_join(&call->resp->topics, s, &s->subscriptions, RESP_TOPIC_MONITOR,
                         bytes_str(""), call->resp->post.number));
    resp_reply_ok(call->reply);
    return status_ok();
}
