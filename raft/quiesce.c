/*
 * Quiescence: an idle group costs nothing, not even heartbeats.
 *
 * A leader that has had nothing to do for a number of beats, and whose peers have everything,
 * offers quiet with its heartbeats; a follower that agrees that the log ends where the leader says,
 * all of it committed, stops its clock and answers so. When all have, the leader stops, too.
 * Whoever needs it wakes it, by any message; whoever did not agree or has been restarted still has
 * its clock, and its pre-vote wakes everybody -- or its WAKE, if it cannot be elected: a learner
 * that was down must not be left behind, nor one that was removed meanwhile be left in ignorance.
 * That a leader's machine has died while all are quiet only the driver can see: it says
 * UNREACHABLE.
 */
#include "raft/core.h"

/* One that is back from DOWN and lacks nothing is not probed before there is an entry to send. */
static bool has_it_all(const struct raft *r, const struct raft_peer *p)
{
    return (p->progress == RAFT_REPLICATE || p->progress == RAFT_PROBE) &&
           p->match == r->log.last &&
           p->acked_us + 2 * (uint64_t)r->config.heartbeat_us >= r->now_us;
}

static bool is_idle(const struct raft *r)
{
    if (r->log.commit != r->log.last || r->log.marks.durable != r->log.last ||
        r->log.applied != r->log.last)
        return false;
    if (r->read_count > 0 || r->transferee != 0 || r->is_leaving || r->farewell_count > 0 ||
        raft_conf_is_joint(&r->conf))
        return false;
    for (uint32_t i = 0; i < r->conf.count; i++) {
        if (r->peers[i].id != r->config.id && !has_it_all(r, &r->peers[i]) &&
            !RAFT_MUTANT(B50_sleeps_with_work_left))
            return false;
    }
    return true;
}

static bool all_are_quiet(const struct raft *r)
{
    for (uint32_t i = 0; i < r->conf.count; i++) {
        if (r->peers[i].id != r->config.id && !r->peers[i].is_quiet)
            return false;
    }
    return true;
}

/* Who has agreed may have been woken since by what we do now: all are asked again. */
static void forget_quiet(struct raft *r)
{
    if (r->idle_beats == 0)
        return; /* Nobody has been asked. */
    r->idle_beats = 0;
    r->quiet_seq = r->message_seq;
    for (uint32_t i = 0; i < r->conf.count; i++)
        r->peers[i].is_quiet = false;
}

bool raft_offers_quiet(const struct raft *r)
{
    return r->config.quiesce_after > 0 && r->idle_beats >= r->config.quiesce_after;
}

/* At each beat of the leader. */
void raft_quiesce_beat(struct raft *r)
{
    if (!is_idle(r)) {
        forget_quiet(r);
        return;
    }
    if (raft_offers_quiet(r) && all_are_quiet(r))
        r->is_quiescent = true;
    else if (r->idle_beats < r->config.quiesce_after)
        r->idle_beats++;
}

/* A follower hears an offer. */
void raft_take_quiet(struct raft *r, const struct raft_message *m)
{
    if (m->quiesce && ((m->index == r->log.last && r->log.commit == r->log.last) ||
                       RAFT_MUTANT(B50_sleeps_with_work_left)))
        r->is_quiescent = true;
}

void raft_wake(struct raft *r)
{
    bool has_slept = r->is_quiescent;

    r->is_quiescent = false;
    if (r->role == RAFT_LEADER)
        forget_quiet(r);
    if (!has_slept)
        return;
    if (r->role == RAFT_LEADER) {
        r->quorum_grace_us = r->now_us;
        r->heartbeat_due_us = r->now_us + r->config.heartbeat_us;
        raft_heartbeat_all(r);
    } else {
        raft_draw_election(r);
    }
}

void raft_seek_leader(struct raft *r)
{
    raft_draw_election(r);
    /* A leader that has us cannot sleep before the change that added us is in our log; one that has
     * us no more would only be woken again and again. */
    if (raft_conf_find(&r->conf, r->config.id) == r->conf.count && r->log.changes == 0)
        return;
    for (uint32_t i = 0; i < r->conf.count && !RAFT_MUTANT(B50_learner_cannot_wake); i++) {
        if (r->conf.members[i].id != r->config.id)
            (void)raft_emit_message(r, RAFT_WAKE, r->conf.members[i].id, 0);
    }
}
