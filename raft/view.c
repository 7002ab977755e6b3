/*
 * Looking inside: copies of the state for tests, reports and drivers.
 */
#include "raft/core.h"

const struct raft_entry *raft_entry_at(const struct raft *r, raft_index index)
{
    return raft_log_entry(&r->log, index);
}

raft_term raft_term_at(const struct raft *r, raft_index index)
{
    return raft_log_term_at(&r->log, index);
}

/* The first entry that some peer may still be sent from the log. */
static raft_index needed_index(const struct raft *r)
{
    raft_index needed = r->log.last + 1;

    if (r->role != RAFT_LEADER)
        return needed;
    for (uint32_t i = 0; i < r->conf.count; i++) {
        const struct raft_peer *p = &r->peers[i];
        raft_index from = p->match + 1;
        if (p->id == r->config.id || p->progress == RAFT_DOWN)
            continue;
        if (p->progress == RAFT_SENDING)
            from = p->sending == RAFT_SENDING_OFFER || p->sending == RAFT_SENDING_OFFERED
                       ? p->offer.index + 1
                       : needed;
        if (from < needed)
            needed = from;
    }
    return needed;
}

static struct raft_peer_view view_peer(const struct raft_peer *p, enum raft_member_role role)
{
    return (struct raft_peer_view) { .id = p->id,
                                     .role = role,
                                     .progress = p->progress,
                                     .match = p->match,
                                     .next = p->next,
                                     .inflight_messages = p->inflight_count,
                                     .inflight_bytes = p->inflight_bytes,
                                     .acked_us = p->acked_us,
                                     .is_disk_full = p->is_disk_full,
                                     .has_voted = p->has_voted,
                                     .granted = p->granted,
                                     .refusal = p->refusal };
}

static void view_log(const struct raft *r, struct raft_view *v)
{
    v->base_index = r->log.base_index;
    v->base_term = r->log.base_term;
    v->window_first = r->log.first;
    v->last = r->log.last;
    v->last_term = raft_log_last_term(&r->log);
    v->commit = r->log.commit;
    v->applied = r->log.applied;
    v->durable = r->log.marks.durable;
    v->acc_term = r->log.acc_term;
    v->persist_seq = r->persist_seq;
    v->persisted_seq = r->persisted_seq;
    v->window_bytes = r->log.window_bytes;
    v->uncommitted_bytes = r->uncommitted_bytes;
    v->needed_index = needed_index(r);
}

void raft_view(const struct raft *r, struct raft_view *out_view)
{
    struct raft_view v = { .group = r->config.group,
                           .id = r->config.id,
                           .role = r->role,
                           .halt_reason = r->halt_reason,
                           .term = r->term,
                           .vote = r->vote,
                           .leader = r->leader,
                           .conf_index = r->conf_index,
                           .conf = r->conf,
                           .has_pending_change = r->log.changes > 0,
                           .is_joint = raft_conf_is_joint(&r->conf),
                           .transferee = r->transferee,
                           .is_quiescent = r->is_quiescent,
                           .is_installing = r->is_installing,
                           .disk = r->disk,
                           .lease_until_us = raft_lease_until(r),
                           .reads_waiting = r->read_count,
                           .deadline_us = raft_deadline(r) };

    view_log(r, &v);
    for (uint32_t i = 0; i < r->conf.count; i++) {
        if (r->peers[i].id != r->config.id)
            v.peers[v.peer_count++] = view_peer(&r->peers[i], r->conf.members[i].role);
    }
    *out_view = v;
}
