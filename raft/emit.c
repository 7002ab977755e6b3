/*
 * Telling: effects are read off the state, so that telling may stop when they are full (L17).
 */
#include "raft/core.h"

struct raft_effect *raft_emit(struct raft *r, enum raft_effect_kind kind)
{
    struct raft_effects *fx = r->fx;

    if (fx->count == fx->capacity) {
        fx->more = true;
        return NULL;
    }
    struct raft_effect *e = &fx->list[fx->count++];
    *e = (struct raft_effect) { .kind = kind };
    return e;
}

struct raft_message *raft_emit_message(struct raft *r, enum raft_message_kind kind, raft_id to,
                                       uint64_t after)
{
    struct raft_effect *e = raft_emit(r, RAFT_EFFECT_SEND);
    if (e == NULL)
        return NULL;
    e->u.send.after = after;
    struct raft_message *m = &e->u.send.message;
    m->kind = kind;
    m->group = r->config.group;
    m->from = r->config.id;
    m->to = to;
    m->term = r->term;
    return m;
}

struct raft_message *raft_reply(struct raft *r, const struct raft_message *m,
                                enum raft_message_kind kind, bool waits)
{
    CHECK(!r->has_reply);
    r->has_reply = true;
    r->reply_waits = waits;
    r->reply = (struct raft_message) { .kind = kind,
                                       .group = r->config.group,
                                       .from = r->config.id,
                                       .to = m->from,
                                       .term = r->term,
                                       .seq = m->seq,
                                       .read_seq = m->read_seq,
                                       .sent_us = m->sent_us };
    return &r->reply;
}

struct raft_message *raft_refuse(struct raft *r, const struct raft_message *m,
                                 enum raft_message_kind kind, enum raft_reason reason)
{
    struct raft_message *reply = raft_reply(r, m, kind, false);
    reply->reject = true;
    reply->reason = reason;
    r->fx->verdict = reason;
    return reply;
}

void raft_alarm(struct raft *r, enum raft_alarm alarm, raft_id peer, uint64_t detail)
{
    struct raft_effect *e = raft_emit(r, RAFT_EFFECT_ALARM);
    CHECK(e != NULL); /* Alarms come before all that is told. */
    e->u.alarm.alarm = alarm;
    e->u.alarm.peer = peer;
    e->u.alarm.detail = detail;
}

/* ---- Entries for effects -------------------------------------------------------------------- */

const struct raft_entry *raft_pool_copy(struct raft *r, const struct raft_entry *e, uint32_t count)
{
    struct raft_effects *fx = r->fx;

    CHECK(count <= fx->entries_capacity - fx->entries_used);
    struct raft_entry *at = &fx->entries[fx->entries_used];
    memcpy(at, e, count * sizeof *e);
    fx->entries_used += count;
    return at;
}

/* What has been copied in this step for the disk or another peer does again. */
static const struct raft_entry *find_slice(const struct raft *r, raft_index first, uint32_t count)
{
    for (uint32_t i = 0; i < r->slice_count; i++) {
        const struct raft_slice *s = &r->slices[i];
        if (first >= s->first && first + count <= s->first + s->count)
            return &r->fx->entries[s->at + (first - s->first)];
    }
    return NULL;
}

const struct raft_entry *raft_pool_log(struct raft *r, raft_index first, uint32_t count)
{
    struct raft_effects *fx = r->fx;
    const struct raft_entry *found = find_slice(r, first, count);

    if (found != NULL)
        return found;
    if (count > fx->entries_capacity - fx->entries_used) {
        fx->more = true;
        return NULL;
    }
    uint32_t at = fx->entries_used;
    for (uint32_t i = 0; i < count; i++)
        fx->entries[at + i] = *raft_log_entry(&r->log, first + i);
    fx->entries_used += count;
    if (r->slice_count < RAFT_SLICES_MAX)
        r->slices[r->slice_count++] =
            (struct raft_slice) { .first = first, .count = count, .at = at };
    return &fx->entries[at];
}

/* ---- All there is to tell ------------------------------------------------------------------- */

static void emit_role(struct raft *r)
{
    if (r->role == r->told_role && r->term == r->told_term && r->leader == r->told_leader)
        return;
    struct raft_effect *e = raft_emit(r, RAFT_EFFECT_ROLE);
    CHECK(e != NULL);
    e->u.role.role = r->role;
    e->u.role.term = r->term;
    e->u.role.leader = r->leader;
    e->u.role.reason = r->halt_reason;
    r->told_role = r->role;
    r->told_term = r->term;
    r->told_leader = r->leader;
}

static void emit_reply(struct raft *r)
{
    if (!r->has_reply)
        return;
    /* Behind PERSIST, so that what it waits for is in the newest write. */
    bool has_writes = r->persisted_seq < r->persist_seq;
    struct raft_message *m = raft_emit_message(r, r->reply.kind, r->reply.to,
                                               r->reply_waits && has_writes ? r->persist_seq : 0);
    CHECK(m != NULL);
    *m = r->reply;
    r->has_reply = false;
}

static void emit_commit(struct raft *r)
{
    if (r->told_commit == r->log.commit)
        return;
    struct raft_effect *e = raft_emit(r, RAFT_EFFECT_COMMIT);
    if (e == NULL)
        return;
    e->u.index = r->log.commit;
    r->told_commit = r->log.commit;
}

/* L6: committed, and durable here, too. */
static void emit_apply(struct raft *r)
{
    struct raft_log *l = &r->log;
    raft_index last = l->commit < l->marks.durable ? l->commit : l->marks.durable;
    if (RAFT_MUTANT(M_apply_not_durable))
        last = l->commit;

    if (last <= l->announced)
        return;
    struct raft_effect *e = raft_emit(r, RAFT_EFFECT_APPLY);
    if (e == NULL)
        return;
    e->u.apply.first = l->announced + 1;
    e->u.apply.last = last;
    l->announced = last;
}

static void emit_conf(struct raft *r)
{
    if (r->told_conf == r->conf_index)
        return;
    struct raft_effect *e = raft_emit(r, RAFT_EFFECT_CONF);
    if (e == NULL)
        return;
    e->u.conf.conf = &r->conf;
    e->u.conf.index = r->conf_index;
    r->told_conf = r->conf_index;
}

static void emit_transfer(struct raft *r)
{
    if (!r->has_transfer_ended)
        return;
    struct raft_effect *e = raft_emit(r, RAFT_EFFECT_TRANSFER_ENDED);
    if (e == NULL)
        return;
    e->u.transfer.to = r->transfer_to;
    e->u.transfer.reason = r->transfer_reason;
    r->has_transfer_ended = false;
}

void raft_emit_all(struct raft *r)
{
    emit_role(r);
    raft_emit_persist(r);
    emit_reply(r);
    raft_emit_votes(r);
    raft_emit_replication(r);
    raft_emit_farewells(r);
    raft_emit_install(r);
    emit_commit(r);
    emit_conf(r);
    emit_apply(r);
    raft_emit_reads(r);
    emit_transfer(r);
    raft_log_evict(&r->log, r->fx);
}

void raft_emit_halted(struct raft *r)
{
    emit_role(r);
    raft_emit_reads(r);
    emit_transfer(r);
}
