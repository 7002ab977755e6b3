#include "resp/publish.h"

#include "resp/glob.h"
#include "resp/number.h"

enum { PARTS_MAX = 4, HEADER_MAX = 1 + RESP_INT_MAX_CHARS + 2 };

/* An array of bulk strings, as version 2 has it. */
struct message {
    struct bytes parts[PARTS_MAX];
    size_t count;
};

static size_t put_header(char marker, size_t number, uint8_t *out)
{
    char digits[RESP_INT_MAX_CHARS];
    size_t size = resp_unsigned_format(number, digits);

    out[0] = (uint8_t)marker;
    memcpy(out + 1, digits, size);
    memcpy(out + 1 + size, "\r\n", 2);
    return 1 + size + 2;
}

static void say(struct resp *r, struct resp_topic *topic, const struct message *m)
{
    uint8_t headers[1 + PARTS_MAX][HEADER_MAX];
    size_t sizes[1 + PARTS_MAX];
    size_t total = sizes[0] = put_header('*', m->count, headers[0]);

    for (size_t i = 0; i < m->count; i++) {
        sizes[1 + i] = put_header('$', m->parts[i].size, headers[1 + i]);
        total += sizes[1 + i] + m->parts[i].size + 2;
    }
    uint8_t *at = resp_post_say(&r->post, topic, total);
    if (at == NULL)
        return;
    memcpy(at, headers[0], sizes[0]);
    at += sizes[0];
    for (size_t i = 0; i < m->count; i++) {
        memcpy(at, headers[1 + i], sizes[1 + i]);
        at += sizes[1 + i];
        if (m->parts[i].size > 0)
            memcpy(at, m->parts[i].data, m->parts[i].size);
        at += m->parts[i].size;
        memcpy(at, "\r\n", 2);
        at += 2;
    }
}

static uint64_t publish_to_patterns(struct resp *r, struct bytes channel, struct bytes message)
{
    uint64_t count = 0;

    for (struct resp_topic *t = r->topics.first[RESP_TOPIC_PATTERN]; t != NULL; t = t->next) {
        if (t->count == 0 || !resp_glob_match(resp_topic_name(t), channel, false))
            continue;
        const struct message m = {
            .parts = { bytes_str("pmessage"), resp_topic_name(t), channel, message }, .count = 4
        };
        say(r, t, &m);
        count += t->count;
    }
    return count;
}

uint64_t resp_publish(struct resp *r, enum resp_topic_kind kind, struct bytes channel,
                      struct bytes message)
{
    struct resp_topic *topic = resp_topic_find(&r->topics, kind, channel);
    uint64_t count = 0;

    if (topic != NULL && topic->count > 0) {
        const char *word = kind == RESP_TOPIC_SHARD ? "smessage" : "message";
        const struct message m = { .parts = { bytes_str(word), channel, message }, .count = 3 };
        say(r, topic, &m);
        count = topic->count;
    }
    if (kind == RESP_TOPIC_CHANNEL)
        count += publish_to_patterns(r, channel, message);
    return count;
}
