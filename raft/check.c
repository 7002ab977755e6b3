/*
 * The invariants that one replica can see (raft.h). Run after every step in every build.
 */
#include "raft/core.h"

static bool cursors_hold(const struct raft_log *l)
{
    return l->base_index <= l->applied && l->applied <= l->announced && l->announced <= l->commit &&
           l->commit <= l->last && l->marks.durable <= l->last && l->first <= l->last + 1 &&
           l->last + 1 - l->first <= l->ring_size;
}

static bool marks_hold(const struct raft *r)
{
    const struct raft_marks *m = &r->log.marks;
    for (uint32_t i = 0; i < m->fork_count; i++) {
        if (m->forks[i].index <= m->durable || m->forks[i].acc_term > r->log.acc_term)
            return false;
    }
    return m->durable < r->unwritten && r->persisted_seq <= r->persist_seq;
}

static bool peer_holds(const struct raft *r, const struct raft_peer *p)
{
    uint64_t bytes = 0;

    if (p->id == r->config.id)
        return true;
    for (uint32_t i = 0; i < p->inflight_count; i++)
        bytes += p->inflight[(p->inflight_head + i) % r->config.inflight_messages].bytes;
    return p->match < p->next && p->match <= r->log.last && bytes == p->inflight_bytes &&
           p->inflight_count <= r->config.inflight_messages;
}

static bool progress_holds(const struct raft *r)
{
    if (r->role != RAFT_LEADER)
        return true;
    for (uint32_t i = 0; i < r->conf.count; i++) {
        if (r->peers[i].id != r->conf.members[i].id || !peer_holds(r, &r->peers[i]))
            return false;
    }
    return true;
}

static bool reads_hold(const struct raft *r)
{
    uint64_t before = 0;

    for (uint32_t i = 0; i < r->read_count; i++) {
        const struct raft_read *d = &r->reads[i];
        if (r->role != RAFT_LEADER || d->state != RAFT_READ_WAITING || d->seq == 0)
            continue;
        if (d->seq <= before || d->seq > r->read_seq || d->index < r->own_first ||
            d->index > r->log.commit)
            return false;
        before = d->seq;
    }
    return true;
}

static bool one_change(const struct raft *r)
{
    return r->log.changes <= 1;
}

/* Behind a joint conf the only change is the one that leaves it. */
static bool joint_leaves(const struct raft *r)
{
    if (r->log.changes == 0 || !raft_conf_is_joint(&r->conf))
        return true;
    for (raft_index i = r->log.last; i > r->log.commit; i--) {
        const struct raft_entry *e = raft_log_entry(&r->log, i);
        if (e != NULL && e->kind == RAFT_ENTRY_CONF)
            return e->data.size == 0;
    }
    return false;
}

static enum raft_invariant check_history(const struct raft *r)
{
    if (r->term < r->was_term)
        return RAFT_I2_TERM_GROWS;
    if (r->term == r->was_term && r->was_vote != 0 && r->vote != r->was_vote)
        return RAFT_I3_VOTE_STAYS;
    if (r->role == RAFT_LEADER && r->was_role == RAFT_LEADER && r->term == r->was_term &&
        r->log.last < r->was_last)
        return RAFT_I5_LEADER_APPENDS;
    if (r->log.commit < r->was_commit || r->log.commit > r->log.last)
        return RAFT_I6_COMMIT_GROWS;
    return r->log.announced < r->was_announced ? RAFT_I24_APPLY_ONCE : RAFT_INVARIANT_NONE;
}

static enum raft_invariant check_log(const struct raft *r)
{
    if (!cursors_hold(&r->log))
        return RAFT_I10_CURSORS;
    if (!marks_hold(r))
        return RAFT_I12_DURABLE;
    if (r->cut_from <= r->was_commit)
        return RAFT_I26_TRUNCATE;
    if (r->log.first > r->log.last && r->log.window_bytes != r->log.held.data.size)
        return RAFT_I28_BYTES;
    return RAFT_INVARIANT_NONE;
}

static enum raft_invariant check_conf(const struct raft *r)
{
    if (r->conf_index > r->log.commit || !raft_conf_is_valid(&r->conf))
        return RAFT_I15_CONF_CHAIN;
    if (!one_change(r))
        return RAFT_I16_ONE_CHANGE;
    return joint_leaves(r) ? RAFT_INVARIANT_NONE : RAFT_I17_JOINT_LEAVES;
}

static enum raft_invariant check_leader(const struct raft *r)
{
    if (r->role == RAFT_LEADER && r->counted != 0 && r->counted == r->log.commit &&
        r->counted < r->own_first)
        return RAFT_I11_OWN_TERM;
    if (r->is_miscounted)
        return RAFT_I14_QUORUM;
    if (r->role == RAFT_LEADER && !r->is_leaving && !raft_conf_is_voter(&r->conf, r->config.id))
        return RAFT_I18_LEADER_VOTES;
    if (!progress_holds(r))
        return RAFT_I19_PROGRESS;
    if (r->role == RAFT_LEADER && r->log.commit == r->log.last && r->uncommitted_bytes != 0)
        return RAFT_I28_BYTES;
    if (!reads_hold(r))
        return RAFT_I20_READS;
    return r->was_asked != 0 && raft_lease_until(r) != 0 ? RAFT_I22_TRANSFER : RAFT_INVARIANT_NONE;
}

enum raft_invariant raft_check(const struct raft *r)
{
    enum raft_invariant broken = RAFT_INVARIANT_NONE;

    if (r->role == RAFT_HALTED)
        return broken;
    broken = check_history(r);
    if (broken == RAFT_INVARIANT_NONE)
        broken = check_log(r);
    if (broken == RAFT_INVARIANT_NONE)
        broken = check_conf(r);
    if (broken == RAFT_INVARIANT_NONE)
        broken = check_leader(r);
    return broken;
}
