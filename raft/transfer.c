/*
 * Handing leadership over (thesis 3.10). While it lasts nothing is proposed or read, so that the
 * target's log comes to equal ours, durably; then it is asked to campaign at once, by-passing
 * pre-vote and promises. From that moment there is no lease in this term. After an election timeout
 * service goes on here.
 */
#include "raft/core.h"

static enum raft_reason refusal(const struct raft *r, raft_id to)
{
    enum raft_member_role role = raft_conf_role(&r->conf, to);

    if (r->role != RAFT_LEADER || r->is_leaving)
        return RAFT_NOT_LEADER;
    if (to == r->config.id)
        return RAFT_TRANSFER_SELF;
    /* Each has an end that is told: the last one's may still wait for room. */
    if (r->transferee != 0 || r->has_transfer_ended)
        return RAFT_TRANSFERRING;
    /* One that is being demoted would have to stop again. */
    if (role != RAFT_MEMBER_VOTER && role != RAFT_MEMBER_INCOMING)
        return RAFT_TRANSFER_NOT_VOTER;
    return r->log.changes > 0 ? RAFT_CHANGE_PENDING : RAFT_OK;
}

void raft_transfer(struct raft *r, raft_id to)
{
    enum raft_reason why = refusal(r, to);

    r->fx->verdict = why;
    if (why != RAFT_OK)
        return;
    raft_wake(r);
    r->transferee = to;
    r->transfer_due_us = r->now_us + r->config.election_us;
    raft_transfer_if_ready(r);
}

static void ask(struct raft *r, struct raft_peer *p)
{
    p->timeout_now_due = true;
    r->asked_seq = r->message_seq;
    r->has_sent_timeout_now = true;
}

void raft_transfer_if_ready(struct raft *r)
{
    if (r->role != RAFT_LEADER || r->transferee == 0)
        return;
    struct raft_peer *p = raft_find_peer(r, r->transferee);
    if (r->was_asked == 0 && p->match == r->log.last) {
        r->was_asked = r->transferee;
        ask(r, p);
    }
}

void raft_end_transfer(struct raft *r, enum raft_reason reason)
{
    if (r->transferee == 0)
        return;
    r->has_transfer_ended = true;
    r->transfer_to = r->transferee;
    r->transfer_reason = reason;
    r->transferee = 0;
    r->was_asked = 0;
}

void raft_hand_over(struct raft *r)
{
    struct raft_peer *best = NULL;

    if (r->role != RAFT_LEADER || !r->is_leaving || r->was_asked != 0)
        return;
    for (uint32_t i = 0; i < r->conf.count; i++) {
        struct raft_peer *p = &r->peers[i];
        if (raft_conf_role(&r->conf, p->id) == RAFT_MEMBER_VOTER && p->match == r->log.last &&
            (best == NULL || p->acked_us > best->acked_us))
            best = p;
    }
    if (best == NULL)
        return;
    r->was_asked = best->id;
    ask(r, best);
}

void raft_recv_timeout_now(struct raft *r, const struct raft_message *m)
{
    if (!raft_hear_leader(r, m->from))
        return;
    /* Our log is the leader's; so is what it knows to be committed. We may have been made a voter
     * by an entry that we did not know to be. */
    bool is_equal = r->log.last == m->index && raft_log_last_term(&r->log) == m->log_term;
    if (is_equal && m->commit > r->log.commit)
        raft_commit_to(r, m->commit);
    if (r->role == RAFT_HALTED)
        return;
    enum raft_reason why = is_equal ? raft_may_campaign(r) : RAFT_LOG_BEHIND;
    if (why == RAFT_OK)
        raft_campaign_forced(r);
    else
        raft_refuse(r, m, RAFT_TIMEOUT_NOW_RESP, why);
}

void raft_recv_timeout_now_resp(struct raft *r, const struct raft_message *m)
{
    if (r->role == RAFT_LEADER && r->transferee == m->from && m->seq > r->asked_seq && m->reject)
        raft_end_transfer(r, RAFT_TRANSFER_REFUSED);
    else
        r->fx->verdict = RAFT_STALE_REPLY;
}
