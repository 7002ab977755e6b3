#include "resp/notify.h"

#include "resp/publish.h"
#include "resp/session.h"

#include <stdio.h>

/* In the order they are told in. */
static const struct {
    char letter;
    unsigned class;
} CLASSES[] = {
    { 'g', RESP_EVENT_GENERIC },  { '$', RESP_EVENT_STRING },  { 'l', RESP_EVENT_LIST },
    { 's', RESP_EVENT_SET },      { 'h', RESP_EVENT_HASH },    { 'z', RESP_EVENT_ZSET },
    { 'x', RESP_EVENT_EXPIRED },  { 'e', RESP_EVENT_EVICTED }, { 't', RESP_EVENT_STREAM },
    { 'd', RESP_EVENT_MODULE },   { 'n', RESP_EVENT_NEW },     { 'K', RESP_EVENT_KEYSPACE },
    { 'E', RESP_EVENT_KEYEVENT }, { 'm', RESP_EVENT_MISS },
};
enum { CLASS_COUNT = sizeof CLASSES / sizeof CLASSES[0] };

bool resp_events_parse(struct bytes text, unsigned *out_classes)
{
    unsigned classes = 0;

    for (size_t i = 0; i < text.size; i++) {
        size_t c = 0;
        while (c < CLASS_COUNT && CLASSES[c].letter != (char)text.data[i])
            c++;
        if (c == CLASS_COUNT && text.data[i] != 'A')
            return false;
        classes |= c == CLASS_COUNT ? RESP_EVENT_ALL : CLASSES[c].class;
    }
    *out_classes = classes;
    return true;
}

void resp_events_format(unsigned classes, char out[RESP_EVENTS_MAX_CHARS + 1])
{
    bool has_all = (classes & RESP_EVENT_ALL) == RESP_EVENT_ALL;
    size_t n = 0;

    if (has_all)
        out[n++] = 'A';
    for (size_t c = 0; c < CLASS_COUNT; c++) {
        bool is_said = has_all && (CLASSES[c].class & (RESP_EVENT_ALL | RESP_EVENT_NEW));
        if (classes & CLASSES[c].class && !is_said)
            out[n++] = CLASSES[c].letter;
    }
    out[n] = '\0';
}

/* "__keyspace@<database>__:<name>" says what. */
static void publish(struct resp_call *call, const char *form, uint32_t database, struct bytes name,
                    struct bytes what)
{
    char prefix[64];
    int size = snprintf(prefix, sizeof prefix, "%s@%u__:", form, (unsigned)database);
    size_t prefix_size = (size_t)size;
    uint8_t *channel = arena_take(call->arena, prefix_size + name.size);

    if (channel == NULL) {
        call->resp->post.items.is_failed = true;
        return;
    }
    memcpy(channel, prefix, prefix_size);
    memcpy(channel + prefix_size, name.data, name.size);
    (void)resp_publish(call->resp, RESP_TOPIC_CHANNEL, bytes_of(channel, prefix_size + name.size),
                       what);
}

void resp_notify_in(struct resp_call *call, uint32_t database, enum resp_event_class class,
                    const char *event, struct bytes key)
{
    const struct resp *r = call->resp;

    if (!(r->events & class) || !resp_has_listeners(r))
        return;
    if (r->events & RESP_EVENT_KEYSPACE)
        publish(call, "__keyspace", database, key, bytes_str(event));
    if (r->events & RESP_EVENT_KEYEVENT)
        publish(call, "__keyevent", database, bytes_str(event), key);
}

void resp_notify(struct resp_call *call, enum resp_event_class class, const char *event,
                 struct bytes key)
{
    resp_notify_in(call, call->database, class, event, key);
}
