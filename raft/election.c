/*
 * Elections (paper 5.2, 5.4.1): pre-vote (thesis 9.6), check-quorum and withheld votes
 * (thesis 4.2.3) as one feature. The five rules that keep them from locking each other up:
 *
 *   E1  A leader's message of an older term is answered with ours, so that it steps down once.
 *   E2  A pre-vote of an older term is refused with our term, not dropped.
 *   E3  A granted pre-vote names the term the candidate would have; a refused one names ours.
 *   E4  Who begins a pre-vote forgets the leader and all votes.
 *   E5  A refused pre-vote with a later term is taken up: the next campaign is above it.
 */
#include "raft/core.h"

void raft_draw_election(struct raft *r)
{
    uint64_t t = r->config.election_us;
    /* Rank moves the window, it never closes it: if nobody else campaigns, the last one does. */
    uint64_t wait = t + rand_below(&r->rand, t) + r->config.rank * (t / 2);
    r->election_due_us = r->now_us + wait;
}

enum raft_reason raft_withholds(const struct raft *r)
{
    if (RAFT_MUTANT(M_votes_not_withheld))
        return RAFT_OK;
    if (r->now_us < r->grace_until_us)
        return RAFT_RESTART_GRACE;
    /* By time alone: whatever made us forget the leader, its lease may count on us. */
    if (r->now_us < r->promise_until_us || r->role == RAFT_LEADER)
        return RAFT_LEADER_ALIVE;
    return RAFT_OK;
}

void raft_become_follower(struct raft *r, raft_term term, raft_id leader)
{
    bool is_deposed = term > r->term;
    bool has_changed = is_deposed || r->role != RAFT_FOLLOWER;

    CHECK(term >= r->term);
    if (r->role == RAFT_LEADER) {
        raft_end_transfer(r, is_deposed ? RAFT_OK : RAFT_TIMED_OUT);
        r->uncommitted_bytes = 0;
        r->is_leaving = false;
        r->commit_due_us = RAFT_NEVER;
    }
    if (is_deposed) {
        r->term = term;
        r->vote = 0;
        r->is_dirty = true;
        r->is_term_dirty = true;
        r->has_sent_timeout_now = false;
    }
    raft_lose_reads(r, RAFT_LEADER_CHANGED);
    r->role = RAFT_FOLLOWER;
    r->leader = leader;
    if (has_changed) {
        r->is_quiescent = false;
        raft_draw_election(r);
    }
}

bool raft_hear_leader(struct raft *r, raft_id from)
{
    if (r->role == RAFT_LEADER || (r->leader != 0 && r->leader != from)) {
        raft_alarm(r, RAFT_ALARM_SENDER_CONFLICT, from, r->term);
        raft_halt(r, RAFT_HALT_CONFLICT);
        return false;
    }
    if (r->role != RAFT_FOLLOWER || r->leader != from)
        raft_become_follower(r, r->term, from);
    r->promise_until_us = r->now_us + r->config.election_us;
    r->is_quiescent = false;
    raft_draw_election(r);
    return true;
}

/* ---- What is committed ------------------------------------------------------------------------
 */

/*
 * A conf is in force once it is known to be committed, and a candidate that does not know may need
 * votes that it cannot get, of a replica with a longer log that knows it is no voter any more. So
 * whoever speaks of votes says what it knows.
 */
static void tell_commit(const struct raft *r, struct raft_message *m)
{
    m->hint_term = raft_log_term_at(&r->log, r->log.commit);
    m->commit = m->hint_term != 0 ? r->log.commit : 0;
}

static void learn_commit(struct raft *r, const struct raft_message *m)
{
    if (RAFT_MUTANT(M_votes_tell_nothing))
        return;
    if (r->role != RAFT_LEADER && m->commit > r->log.commit &&
        raft_log_matches(&r->log, m->commit, m->hint_term))
        raft_commit_to(r, m->commit);
}

/* ---- Campaigning ---------------------------------------------------------------------------- */

enum raft_reason raft_may_campaign(const struct raft *r)
{
    if (!raft_conf_is_voter(&r->conf, r->config.id))
        return RAFT_NOT_PROMOTABLE;
    if (r->is_installing)
        return RAFT_INSTALLING;
    if (r->disk == RAFT_DISK_IS_FULL)
        return RAFT_DISK_FULL;
    if (raft_is_stalled(r))
        return RAFT_DISK_STALLED;
    /* A leader begins with an entry of its own. */
    if (raft_log_room(&r->log) == 0 || !raft_log_has_term_room(&r->log, r->term + 1))
        return RAFT_WINDOW_FULL;
    return RAFT_OK;
}

/* Of learners, too: they do not count, but may know more (learn_commit). */
static void ask_for_votes(struct raft *r)
{
    r->campaign_seq = ++r->message_seq;
    for (uint32_t i = 0; i < r->conf.count; i++) {
        struct raft_peer *p = &r->peers[i];
        p->has_voted = false;
        p->granted = false;
        p->refusal = RAFT_OK;
        p->vote_due = p->id != r->config.id;
    }
    raft_draw_election(r);
}

static void vote_for_self(struct raft *r)
{
    struct raft_peer *self = &r->peers[raft_conf_find(&r->conf, r->config.id)];
    self->has_voted = true;
    self->granted = true;
}

static void become_candidate(struct raft *r, bool is_forced)
{
    CHECK(r->role != RAFT_LEADER);
    raft_lose_reads(r, RAFT_LEADER_CHANGED);
    r->role = RAFT_CANDIDATE;
    r->leader = 0;
    r->term++;
    r->vote = r->config.id;
    r->is_dirty = true;
    r->is_term_dirty = true;
    r->is_forced = is_forced;
    r->is_quiescent = false;
    r->has_sent_timeout_now = false;
    ask_for_votes(r);
    /* Our own vote counts as everybody's: once it is durable. */
    r->vote_seq = r->persist_seq + 1;
}

static enum raft_vote_count count_votes(const struct raft *r)
{
    bool has_voted[RAFT_MEMBERS_MAX];
    bool granted[RAFT_MEMBERS_MAX];

    for (uint32_t i = 0; i < r->conf.count; i++) {
        has_voted[i] = r->peers[i].has_voted;
        granted[i] = r->peers[i].granted;
    }
    return raft_conf_votes(&r->conf, has_voted, granted);
}

static void tally(struct raft *r)
{
    enum raft_vote_count count = count_votes(r);

    if (count == RAFT_VOTE_LOST || !raft_conf_is_voter(&r->conf, r->config.id))
        raft_become_follower(r, r->term, 0);
    else if (count == RAFT_VOTE_WON && r->role == RAFT_PRECANDIDATE)
        become_candidate(r, false);
    else if (count == RAFT_VOTE_WON)
        raft_become_leader(r);
}

void raft_campaign(struct raft *r)
{
    enum raft_reason why = r->role == RAFT_LEADER ? RAFT_NOTHING_TO_DO : raft_may_campaign(r);

    /* Our own vote is promised to the leader's lease as everybody's is. */
    if (why == RAFT_OK && r->config.has_leases)
        why = raft_withholds(r);

    if (why != RAFT_OK) {
        r->fx->verdict = why;
        return;
    }
    raft_lose_reads(r, RAFT_LEADER_CHANGED);
    r->role = RAFT_PRECANDIDATE;
    r->leader = 0; /* E4 */
    r->is_quiescent = false;
    ask_for_votes(r);
    vote_for_self(r);
    tally(r);
}

void raft_campaign_forced(struct raft *r)
{
    CHECK(raft_may_campaign(r) == RAFT_OK);
    become_candidate(r, true);
}

void raft_own_vote_is_durable(struct raft *r)
{
    uint32_t self = raft_conf_find(&r->conf, r->config.id);

    if (r->role != RAFT_CANDIDATE || r->persisted_seq < r->vote_seq || r->peers[self].has_voted)
        return;
    vote_for_self(r);
    tally(r);
}

void raft_emit_votes(struct raft *r)
{
    bool is_pre = r->role == RAFT_PRECANDIDATE;

    if (!is_pre && r->role != RAFT_CANDIDATE)
        return;
    uint64_t after = !is_pre && r->persisted_seq < r->vote_seq ? r->vote_seq : 0;
    if (RAFT_MUTANT(M_campaign_not_durable))
        after = 0;
    for (uint32_t i = 0; i < r->conf.count; i++) {
        struct raft_peer *p = &r->peers[i];
        if (!p->vote_due)
            continue;
        struct raft_message *m =
            raft_emit_message(r, is_pre ? RAFT_PREVOTE : RAFT_VOTE, p->id, after);
        if (m == NULL)
            return;
        m->term = is_pre ? r->term + 1 : r->term;
        m->seq = r->campaign_seq;
        m->index = r->log.last;
        m->log_term = raft_log_last_term(&r->log);
        m->force = !is_pre && r->is_forced;
        tell_commit(r, m);
        p->vote_due = false;
    }
}

/* ---- Voting --------------------------------------------------------------------------------- */

/* Thesis 9.6: would we vote for it? Nothing changes here by being asked, but that we wake. */
static enum raft_reason prevote_refusal(const struct raft *r, const struct raft_message *m)
{
    if (m->term <= r->term)
        return RAFT_STALE_TERM;
    enum raft_reason why = raft_withholds(r);
    if (why != RAFT_OK)
        return why;
    return raft_log_is_up_to_date(&r->log, m->index, m->log_term) ? RAFT_OK : RAFT_LOG_BEHIND;
}

void raft_recv_prevote(struct raft *r, const struct raft_message *m)
{
    raft_tell_stranger(r, m->from);
    /* Somebody misses the leader. If it lives, it wakes as well and speaks before our promise is
     * over; if not, we must not sleep through the election. */
    if (r->is_quiescent && r->role != RAFT_LEADER)
        r->promise_until_us = r->now_us + r->config.election_us;
    raft_wake(r);
    enum raft_reason why = prevote_refusal(r, m);
    struct raft_message *reply;
    if (why != RAFT_OK) {
        reply = raft_refuse(r, m, RAFT_PREVOTE_RESP, why); /* E2 */
    } else {
        reply = raft_reply(r, m, RAFT_PREVOTE_RESP, false);
        reply->term = m->term; /* E3 */
    }
    learn_commit(r, m);
    tell_commit(r, reply);
}

/* A vote is only ever counted for the campaign it answers. What it tells about the log always
 * counts, and may change who is to be counted. */
static void take_vote(struct raft *r, const struct raft_message *m, enum raft_role role)
{
    learn_commit(r, m);
    struct raft_peer *p = raft_find_peer(r, m->from);
    if (r->role != role || m->seq != r->campaign_seq || p == NULL) {
        r->fx->verdict = p == NULL ? RAFT_NOT_MEMBER : RAFT_STALE_REPLY;
        return;
    }
    p->has_voted = true;
    p->granted = !m->reject;
    p->refusal = m->reason;
    tally(r);
}

void raft_recv_prevote_resp(struct raft *r, const struct raft_message *m)
{
    if (m->reject && m->term > r->term && !RAFT_MUTANT(B12_prevote_term_ignored)) {
        raft_become_follower(r, m->term, 0); /* E5 */
        return;
    }
    if (!m->reject && m->term != r->term + 1) {
        r->fx->verdict = RAFT_STALE_REPLY;
        return;
    }
    take_vote(r, m, RAFT_PRECANDIDATE);
}

/* One vote a term (5.2), and only for a log that has all that ours has (5.4.1). A promise holds in
 * the term we are in, too: we may have learnt of that term from anybody since we made it, and what
 * makes us forget the leader does not end its lease. */
static enum raft_reason vote_refusal(const struct raft *r, const struct raft_message *m)
{
    if (!RAFT_MUTANT(M_votes_twice) && (r->vote != 0 ? r->vote != m->from : r->leader != 0))
        return RAFT_VOTED;
    if (r->config.has_leases && !m->force) {
        enum raft_reason why = raft_withholds(r);
        if (why != RAFT_OK)
            return why;
    }
    return raft_log_is_up_to_date(&r->log, m->index, m->log_term) ? RAFT_OK : RAFT_LOG_BEHIND;
}

/* RequestVote, receiver (Figure 2). m->term is ours by now. */
void raft_recv_vote(struct raft *r, const struct raft_message *m)
{
    enum raft_reason why = vote_refusal(r, m);

    learn_commit(r, m);
    if (why != RAFT_OK) {
        tell_commit(r, raft_refuse(r, m, RAFT_VOTE_RESP, why));
        return;
    }
    CHECK(r->role != RAFT_LEADER);
    if (r->vote == 0 || RAFT_MUTANT(M_votes_twice)) {
        r->vote = m->from;
        r->is_dirty = true;
        raft_draw_election(r);
    }
    tell_commit(r, raft_reply(r, m, RAFT_VOTE_RESP, !RAFT_MUTANT(M_vote_not_durable)));
}

void raft_recv_vote_resp(struct raft *r, const struct raft_message *m)
{
    take_vote(r, m, RAFT_CANDIDATE);
}
