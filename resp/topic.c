#include "resp/topic.h"

#include "base/check.h"
#include "base/hash.h"

void resp_topics_init(struct resp_topics *t, struct alloc *alloc, size_t max_bytes, uint64_t seed)
{
    *t = (struct resp_topics) { .alloc = alloc, .max_bytes = max_bytes, .seed = seed };
    resp_index_init(&t->topics, alloc);
    resp_index_init(&t->subscriptions, alloc);
}

void resp_topics_deinit(struct resp_topics *t)
{
    CHECK(t->held_bytes == 0 && t->changes == NULL);
    resp_index_deinit(&t->subscriptions);
    resp_index_deinit(&t->topics);
}

/* ---- Memory --------------------------------------------------------------------------------- */

static void *take(struct resp_topics *t, size_t size, struct status *out_status)
{
    void *block = NULL;

    if (size <= t->max_bytes - t->held_bytes)
        block = alloc_zeroed(t->alloc, size);
    else
        *out_status = status_of(ST_LIMIT);
    if (block != NULL)
        t->held_bytes += size;
    else if (succeeded(*out_status))
        *out_status = status_of(ST_NO_MEMORY);
    return block;
}

static void give(struct resp_topics *t, void *block, size_t size)
{
    alloc_free(t->alloc, block, size);
    t->held_bytes -= size;
}

/* ---- Topics --------------------------------------------------------------------------------- */

static uint64_t hash_topic(const struct resp_topics *t, enum resp_topic_kind kind,
                           struct bytes name)
{
    return hash_bytes(name, t->seed + kind);
}

static struct resp_topic *topic_of(struct resp_link *link)
{
    return (struct resp_topic *)link;
}

struct resp_topic *resp_topic_find(const struct resp_topics *t, enum resp_topic_kind kind,
                                   struct bytes name)
{
    struct resp_link *link = resp_index_first(&t->topics, hash_topic(t, kind, name));

    for (; link != NULL; link = resp_index_next(link)) {
        struct resp_topic *topic = topic_of(link);
        if (topic->kind == kind && bytes_equal(resp_topic_name(topic), name))
            return topic;
    }
    return NULL;
}

static struct status create_topic(struct resp_topics *t, enum resp_topic_kind kind,
                                  struct bytes name, struct resp_topic **out_topic)
{
    struct status st = status_ok();
    struct resp_topic *topic = take(t, sizeof *topic + name.size, &st);

    if (topic == NULL)
        return st;
    topic->kind = kind;
    topic->name_size = name.size;
    if (name.size > 0)
        memcpy(topic->name, name.data, name.size);
    topic->previous = t->last[kind];
    *(t->last[kind] != NULL ? &t->last[kind]->next : &t->first[kind]) = topic;
    t->last[kind] = topic;
    resp_index_add(&t->topics, &topic->link, hash_topic(t, kind, name));
    *out_topic = topic;
    return status_ok();
}

/* It goes when nobody has anything to do with it any more. */
static void let_go(struct resp_topics *t, struct resp_topic *topic)
{
    enum resp_topic_kind kind = topic->kind;

    if (topic->first != NULL || topic->deliveries > 0)
        return;
    *(topic->previous != NULL ? &topic->previous->next : &t->first[kind]) = topic->next;
    *(topic->next != NULL ? &topic->next->previous : &t->last[kind]) = topic->previous;
    resp_index_remove(&t->topics, &topic->link);
    give(t, topic, sizeof *topic + topic->name_size);
}

void resp_topic_hold(struct resp_topic *topic)
{
    topic->deliveries++;
}

void resp_topic_release(struct resp_topics *t, struct resp_topic *topic)
{
    topic->deliveries--;
    let_go(t, topic);
}

/* ---- Subscriptions -------------------------------------------------------------------------- */

static uint64_t hash_subscription(const struct resp_topic *topic,
                                  const struct resp_session *session)
{
    return hash_u64((uintptr_t)topic ^ hash_u64((uintptr_t)session));
}

static struct resp_subscription *subscription_of(struct resp_link *link)
{
    return (struct resp_subscription *)link;
}

struct resp_subscription *resp_subscription_find(const struct resp_topics *t,
                                                 const struct resp_topic *topic,
                                                 const struct resp_session *session,
                                                 uint64_t number)
{
    struct resp_link *link = resp_index_first(&t->subscriptions, hash_subscription(topic, session));

    for (; link != NULL; link = resp_index_next(link)) {
        struct resp_subscription *s = subscription_of(link);
        if (s->topic == topic && s->session == session && resp_subscription_hears(s, number))
            return s;
    }
    return NULL;
}

struct resp_subscription *resp_subscription_live(struct resp_subscription *s)
{
    while (s != NULL && s->until != RESP_TOPIC_ON)
        s = s->next_own;
    return s;
}

static void count(struct resp_topics *t, const struct resp_subscription *s, bool goes_on)
{
    struct resp_topic *topic = s->topic;

    if (!goes_on) {
        topic->count--;
        s->own->counts[topic->kind]--;
        t->counts[topic->kind] -= topic->count == 0;
        return;
    }
    t->counts[topic->kind] += topic->count == 0;
    s->own->counts[topic->kind]++;
    topic->count++;
}

static void list(struct resp_subscription *s)
{
    struct resp_topic *topic = s->topic;
    struct resp_subscriptions *own = s->own;

    s->previous = topic->last;
    *(topic->last != NULL ? &topic->last->next : &topic->first) = s;
    topic->last = s;
    s->previous_own = own->last[topic->kind];
    *(s->previous_own != NULL ? &s->previous_own->next_own : &own->first[topic->kind]) = s;
    own->last[topic->kind] = s;
}

static void unlist(struct resp_subscription *s)
{
    struct resp_topic *topic = s->topic;
    struct resp_subscriptions *own = s->own;

    *(s->previous != NULL ? &s->previous->next : &topic->first) = s->next;
    *(s->next != NULL ? &s->next->previous : &topic->last) = s->previous;
    *(s->previous_own != NULL ? &s->previous_own->next_own : &own->first[topic->kind]) =
        s->next_own;
    *(s->next_own != NULL ? &s->next_own->previous_own : &own->last[topic->kind]) = s->previous_own;
}

static void note_change(struct resp_topics *t, struct resp_subscription *s)
{
    s->next_change = t->changes;
    t->changes = s;
}

struct status resp_topics_join(struct resp_topics *t, struct resp_session *session,
                               struct resp_subscriptions *own, enum resp_topic_kind kind,
                               struct bytes name, uint64_t number)
{
    struct resp_topic *topic = resp_topic_find(t, kind, name);
    struct status st = status_ok();

    if (topic != NULL && resp_subscription_find(t, topic, session, RESP_TOPIC_ON) != NULL)
        return status_ok();
    if (topic == NULL)
        TRY(create_topic(t, kind, name, &topic));
    struct resp_subscription *s = take(t, sizeof *s, &st);
    if (s == NULL) {
        let_go(t, topic);
        return st;
    }
    s->topic = topic;
    s->session = session;
    s->own = own;
    s->since = number;
    s->until = RESP_TOPIC_ON;
    s->is_new = true;
    list(s);
    resp_index_add(&t->subscriptions, &s->link, hash_subscription(topic, session));
    count(t, s, true);
    note_change(t, s);
    return status_ok();
}

void resp_topics_leave(struct resp_topics *t, struct resp_subscription *s, uint64_t number)
{
    CHECK(s->until == RESP_TOPIC_ON);
    s->until = number;
    count(t, s, false);
    if (!s->is_new)
        note_change(t, s);
}

static void destroy(struct resp_topics *t, struct resp_subscription *s)
{
    struct resp_topic *topic = s->topic;

    unlist(s);
    resp_index_remove(&t->subscriptions, &s->link);
    give(t, s, sizeof *s);
    let_go(t, topic);
}

void resp_topics_keep(struct resp_topics *t, resp_subscription_gone_fn *gone, void *context)
{
    while (t->changes != NULL) {
        struct resp_subscription *s = t->changes;
        t->changes = s->next_change;
        s->is_new = false;
        if (s->until == RESP_TOPIC_ON)
            continue;
        gone(context, s);
        destroy(t, s);
    }
}

void resp_topics_revert(struct resp_topics *t)
{
    while (t->changes != NULL) {
        struct resp_subscription *s = t->changes;
        t->changes = s->next_change;
        if (s->is_new) {
            if (s->until == RESP_TOPIC_ON)
                count(t, s, false);
            destroy(t, s); /* Nothing that was said since is being delivered yet. */
        } else {
            s->until = RESP_TOPIC_ON;
            count(t, s, true);
        }
    }
}

void resp_topics_drop(struct resp_topics *t, struct resp_subscriptions *own,
                      resp_subscription_gone_fn *gone, void *context)
{
    /* All changes are of one session. */
    if (t->changes != NULL && t->changes->own == own)
        t->changes = NULL;
    for (int kind = 0; kind < RESP_TOPIC_KINDS; kind++) {
        while (own->first[kind] != NULL) {
            struct resp_subscription *s = own->first[kind];
            if (s->until == RESP_TOPIC_ON)
                count(t, s, false);
            gone(context, s);
            destroy(t, s);
        }
    }
}
