#include "resp/post.h"

#include "resp/session.h"

enum {
    ITEMS_KEPT = 128 << 10,     /* More is given back when the command is over. */
    TURN_DELIVERIES = 192,      /* About a millisecond, most of it the kernel's. */
    BYTES_A_DELIVERY = 8 << 10, /* So much copying takes as long as one delivery. */
    QUEUE_MAX_COUNT = 1024,
    QUEUE_MAX_BYTES = 8 << 20,
};

/* What is said: an item is this and the bytes, one behind another. */
struct item {
    struct resp_topic *topic; /* Held. */
    uint64_t number;
    size_t size;
};

/* An item that waits in the queue. */
struct resp_delivery {
    struct resp_delivery *next;
    struct item item;
    uint64_t ticket;
    uint8_t bytes[];
};

void resp_post_init(struct resp_post *p, struct alloc *alloc, struct resp_host *host,
                    struct resp_topics *topics, size_t items_max_bytes)
{
    *p = (struct resp_post) {
        .alloc = alloc, .host = host, .topics = topics, .turn_left = TURN_DELIVERIES
    };
    buf_init(&p->items, alloc, items_max_bytes);
}

static size_t delivery_size(const struct resp_delivery *d)
{
    return sizeof *d + d->item.size;
}

/* ---- The queue ------------------------------------------------------------------------------ */

static void pop(struct resp_post *p)
{
    struct resp_delivery *d = p->first;

    p->first = d->next;
    if (p->first == NULL)
        p->last = NULL;
    p->queued_count--;
    p->queued_bytes -= delivery_size(d);
    resp_topic_release(p->topics, d->item.topic);
    alloc_free(p->alloc, d, delivery_size(d));
    p->at = p->first == NULL ? NULL : p->first->item.topic->first;
}

/* False: there is no memory. Takes over the item's hold of its topic. */
static bool push(struct resp_post *p, const struct item *item, struct bytes bytes, uint64_t ticket)
{
    struct resp_delivery *d = alloc_bytes(p->alloc, sizeof *d + item->size);

    if (d == NULL)
        return false;
    *d = (struct resp_delivery) { .item = *item, .ticket = ticket };
    memcpy(d->bytes, bytes.data, bytes.size);
    *(p->last != NULL ? &p->last->next : &p->first) = d;
    p->last = d;
    p->queued_count++;
    p->queued_bytes += delivery_size(d);
    return true;
}

void resp_post_deinit(struct resp_post *p)
{
    resp_post_drop(p);
    while (p->first != NULL)
        pop(p);
    buf_deinit(&p->items);
}

bool resp_post_is_behind(const struct resp_post *p)
{
    return p->queued_count >= QUEUE_MAX_COUNT || p->queued_bytes >= QUEUE_MAX_BYTES;
}

/* ---- Collecting ----------------------------------------------------------------------------- */

uint8_t *resp_post_say(struct resp_post *p, struct resp_topic *topic, size_t size)
{
    const struct item item = { .topic = topic, .number = p->number + 1, .size = size };
    uint8_t *room = buf_extend(&p->items, sizeof item + size);

    if (room == NULL)
        return NULL;
    memcpy(room, &item, sizeof item);
    resp_topic_hold(topic);
    p->number++;
    return room + sizeof item;
}

void resp_post_kill(struct resp_post *p, struct resp_session *session)
{
    if (session->is_doomed)
        return;
    session->is_doomed = true;
    session->next_doomed = p->doomed;
    p->doomed = session;
}

/* Take the next item of the command off; false at the end. */
static bool take_item(struct bytes *rest, struct item *out_item, struct bytes *out_bytes)
{
    struct bytes head;

    if (!take_bytes(rest, sizeof *out_item, &head))
        return false;
    memcpy(out_item, head.data, sizeof *out_item);
    return take_bytes(rest, out_item->size, out_bytes);
}

static void reset_items(struct resp_post *p)
{
    struct buf *b = &p->items;
    struct alloc *alloc = b->alloc;
    size_t size_max = b->size_max;

    buf_reset(b);
    if (b->capacity <= ITEMS_KEPT)
        return;
    buf_deinit(b);
    buf_init(b, alloc, size_max);
}

void resp_post_drop(struct resp_post *p)
{
    struct bytes rest = buf_bytes(&p->items);
    struct bytes bytes;
    struct item item;

    while (take_item(&rest, &item, &bytes))
        resp_topic_release(p->topics, item.topic);
    reset_items(p);
    for (; p->doomed != NULL; p->doomed = p->doomed->next_doomed)
        p->doomed->is_doomed = false;
    resp_topics_revert(p->topics);
}

/* ---- Delivering ----------------------------------------------------------------------------- */

/* Give a session what was said. False: the session is no more. */
static bool give(struct resp_post *p, struct resp_session *session, const struct item *item,
                 struct bytes bytes, uint64_t ticket)
{
    bool is_line = item->topic->kind == RESP_TOPIC_MONITOR;
    bool is_push = !is_line && session->identity.version >= 3;
    const struct resp_push out = { .first = is_push ? '>' : (char)bytes.data[0],
                                   .rest = bytes_skip(bytes, 1),
                                   .ticket = ticket };

    session->heard = item->number;
    /* MONITOR's lines are replies: CLIENT REPLY OFF keeps them back, and nothing is behind QUIT's.
     */
    if (is_line && (session->identity.is_muted || session->is_closing))
        return true;
    p->delivered++;
    return p->host->ops->push(p->host, session, &out);
}

/* From where the walk stands: give it to those who hear it, as far as the turn goes. */
static void walk(struct resp_post *p, const struct item *item, struct bytes bytes, uint64_t ticket)
{
    size_t cost = 1 + item->size / BYTES_A_DELIVERY;

    while (p->at != NULL && p->turn_left > 0) {
        struct resp_subscription *s = p->at;
        p->at = s->next;
        p->turn_left -= cost < p->turn_left ? cost : p->turn_left;
        if (resp_subscription_hears(s, item->number) && s->session->heard < item->number)
            (void)give(p, s->session, item, bytes, ticket); /* Gone or not, the walk goes on. */
    }
}

static void walk_queue(struct resp_post *p)
{
    while (p->first != NULL && p->turn_left > 0) {
        struct resp_delivery *d = p->first;
        walk(p, &d->item, bytes_of(d->bytes, d->item.size), d->ticket);
        if (p->at == NULL)
            pop(p);
    }
}

void resp_post_begin_turn(struct resp_post *p)
{
    p->turn_left = TURN_DELIVERIES;
    walk_queue(p);
}

/* Now, or what the turn has no time for later. */
static void deliver(struct resp_post *p, const struct item *item, struct bytes bytes,
                    uint64_t ticket)
{
    bool is_first = p->first == NULL;

    if (is_first) {
        p->at = item->topic->first;
        walk(p, item, bytes, ticket);
        if (p->at == NULL) {
            resp_topic_release(p->topics, item->topic);
            return;
        }
    }
    if (push(p, item, bytes, ticket))
        return;
    /* No memory to keep it: now then, however long it takes. */
    p->turn_left = SIZE_MAX;
    if (!is_first) {
        walk_queue(p);
        p->at = item->topic->first;
    }
    walk(p, item, bytes, ticket);
    resp_topic_release(p->topics, item->topic);
    p->turn_left = 0;
}

void resp_post_catch_up(struct resp_post *p, struct resp_session *session)
{
    if (p->last == NULL || session->heard >= p->last->item.number)
        return;
    for (const struct resp_delivery *d = p->first; d != NULL; d = d->next) {
        if (session->heard < d->item.number &&
            resp_subscription_find(p->topics, d->item.topic, session, d->item.number) != NULL &&
            !give(p, session, &d->item, bytes_of(d->bytes, d->item.size), d->ticket))
            return;
    }
    session->heard = p->last->item.number;
}

/* Whoever stands on a subscription goes on behind it. */
static void step_off(void *context, const struct resp_subscription *s)
{
    struct resp_post *p = context;

    if (p->at == s)
        p->at = s->next;
}

void resp_post_deliver(struct resp_post *p, uint64_t ticket)
{
    struct bytes rest = buf_bytes(&p->items);
    struct bytes bytes;
    struct item item;

    while (p->doomed != NULL) {
        struct resp_session *session = p->doomed;
        p->doomed = session->next_doomed;
        p->host->ops->close(p->host, session);
    }
    while (take_item(&rest, &item, &bytes))
        deliver(p, &item, bytes, ticket);
    reset_items(p);
    if (p->topics->changes == NULL)
        return;
    /* What was said before a subscription ended is for it. */
    resp_post_catch_up(p, p->topics->changes->session);
    resp_topics_keep(p->topics, step_off, p);
}

void resp_post_forget(struct resp_post *p, struct resp_session *session,
                      struct resp_subscriptions *own)
{
    resp_topics_drop(p->topics, own, step_off, p);
    for (struct resp_session **at = &p->doomed; *at != NULL; at = &(*at)->next_doomed) {
        if (*at == session) {
            *at = session->next_doomed;
            return;
        }
    }
}
