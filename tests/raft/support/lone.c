#include "tests/raft/support/lone.h"

enum { ROOM_LEAST = 4 };

void lone_start(struct lone *l, const struct raft_config *config, uint32_t voters,
                struct raft_restore restore)
{
    struct errbuf err = { .text = "" };

    l->config = *config;
    l->config.id = LONE_SELF;
    l->config.group = 1;
    l->now_us = 1;
    l->room_least = ROOM_LEAST;
    l->seq = 0;
    restore.hard.conf = (struct raft_conf) { .count = voters };
    for (uint32_t i = 0; i < voters; i++)
        restore.hard.conf.members[i] =
            (struct raft_member) { .id = i + 1, .role = RAFT_MEMBER_VOTER };
    CHECK(raft_size(&l->config) > 0 && raft_size(&l->config) <= LONE_MEMORY);
    CHECK(raft_effects_size(&l->config) <= LONE_MEMORY);
    raft_effects_init(&l->fx, &l->config, l->fx_memory);
    CHECK(succeeded(raft_init(&l->config, &restore, l->now_us, l->memory, &err, &l->r)));
}

/* ---- Telling, whole and in pieces --------------------------------------------------------- */

static bool is_same(const struct raft_effect *a, const struct raft_effect *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind != RAFT_EFFECT_SEND)
        return true;
    const struct raft_message *m = &a->u.send.message;
    const struct raft_message *n = &b->u.send.message;
    return a->u.send.after == b->u.send.after && m->kind == n->kind && m->to == n->to &&
           m->term == n->term && m->seq == n->seq && m->index == n->index &&
           m->commit == n->commit && m->entry_count == n->entry_count && m->reject == n->reject;
}

static void take_down(struct lone *l, const struct raft_effect *told, uint32_t *count)
{
    for (uint32_t i = 0; i < l->fx.count; i++) {
        const struct raft_effect *e = &l->fx.list[i];
        CHECK(*count < LONE_TOLD);
        if (told != NULL)
            CHECK(*count < l->told_count && is_same(e, &told[*count]));
        else
            l->told[*count] = *e;
        ++*count;
        if (e->kind == RAFT_EFFECT_PERSIST) {
            l->seq = e->u.persist.seq;
            l->mark = e->u.persist.mark;
        }
    }
}

/* told: what must be told; NULL: take it down. Returns how much it is. */
static uint32_t step_and_drain(struct lone *l, const struct raft_event *ev, uint32_t room,
                               const struct raft_effect *told)
{
    struct raft_event drain = { .kind = RAFT_EVENT_DRAIN };
    uint32_t count = 0;

    l->fx.capacity = room;
    raft_step(l->r, l->now_us, ev, &l->fx);
    l->verdict = l->fx.verdict;
    take_down(l, told, &count);
    while (l->fx.more) {
        raft_step(l->r, l->now_us, &drain, &l->fx);
        take_down(l, told, &count);
    }
    return count;
}

void lone_step(struct lone *l, const struct raft_event *ev)
{
    size_t size = raft_size(&l->config);

    memcpy(l->copy, l->memory, size);
    l->told_count = step_and_drain(l, ev, LONE_TOLD, NULL);
    for (uint32_t room = l->room_least; room < l->told_count; room++) {
        memcpy(l->memory, l->copy, size);
        CHECK(step_and_drain(l, ev, room, l->told) == l->told_count);
    }
}

void lone_event(struct lone *l, enum raft_event_kind kind)
{
    struct raft_event ev = { .kind = kind };
    lone_step(l, &ev);
}

void lone_peer_event(struct lone *l, enum raft_event_kind kind, raft_id peer)
{
    struct raft_event ev = { .kind = kind, .u.peer = peer };
    lone_step(l, &ev);
}

/* ---- The rest of the group ---------------------------------------------------------------- */

void lone_receive(struct lone *l, raft_id from, struct raft_message m)
{
    struct raft_event ev = { .kind = RAFT_EVENT_RECV, .u.message = &m };

    m.group = l->config.group;
    m.from = from;
    m.to = l->config.id;
    if (m.term == 0)
        m.term = l->r->term;
    lone_step(l, &ev);
}

void lone_answer(struct lone *l, raft_id from, struct raft_message m)
{
    m.seq = l->r->message_seq;
    m.sent_us = l->now_us;
    lone_receive(l, from, m);
}

void lone_persist(struct lone *l)
{
    struct raft_event ev = { .kind = RAFT_EVENT_PERSISTED };

    ev.u.persisted.seq = l->seq;
    ev.u.persisted.mark = l->mark;
    lone_step(l, &ev);
}

void lone_apply(struct lone *l)
{
    struct raft_event ev = { .kind = RAFT_EVENT_APPLIED, .u.index = l->r->log.announced };
    lone_step(l, &ev);
}

void lone_lead(struct lone *l)
{
    uint32_t voters = l->r->conf.count;

    lone_event(l, RAFT_EVENT_CAMPAIGN);
    for (raft_id id = 2; id <= voters && l->r->role == RAFT_PRECANDIDATE; id++)
        lone_receive(l, id,
                     (struct raft_message) { .kind = RAFT_PREVOTE_RESP,
                                             .seq = l->r->campaign_seq,
                                             .term = l->r->term + 1 });
    lone_persist(l);
    for (raft_id id = 2; id <= voters && l->r->role == RAFT_CANDIDATE; id++)
        lone_receive(l, id,
                     (struct raft_message) { .kind = RAFT_VOTE_RESP, .seq = l->r->campaign_seq });
    CHECK(l->r->role == RAFT_LEADER);
    lone_persist(l);
}

/* ---- What was told ------------------------------------------------------------------------ */

uint32_t lone_told(const struct lone *l, enum raft_effect_kind kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < l->told_count; i++)
        count += l->told[i].kind == kind;
    return count;
}

const struct raft_message *lone_sent(const struct lone *l, enum raft_message_kind kind, raft_id to)
{
    const struct raft_message *found = NULL;
    for (uint32_t i = 0; i < l->told_count; i++) {
        const struct raft_effect *e = &l->told[i];
        if (e->kind == RAFT_EFFECT_SEND && e->u.send.message.kind == kind &&
            e->u.send.message.to == to)
            found = &e->u.send.message;
    }
    return found;
}
