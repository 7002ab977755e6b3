/*
 * Leading: the log of the term, what peers answer, commitment (5.3, 5.4.2; thesis 10.2.1 for the
 * leader's own disk in parallel with its followers'), and time.
 */
#include "raft/core.h"

struct raft_peer *raft_find_peer(struct raft *r, raft_id id)
{
    uint32_t i = raft_conf_find(&r->conf, id);
    return i < r->conf.count && id != r->config.id ? &r->peers[i] : NULL;
}

bool raft_has_own_commit(const struct raft *r)
{
    return r->role == RAFT_LEADER && r->log.commit >= r->own_first;
}

/* ---- Beginning ------------------------------------------------------------------------------ */

void raft_leader_append(struct raft *r, const struct raft_entry *e)
{
    struct raft_entry next = *e;

    CHECK(r->role == RAFT_LEADER);
    raft_wake(r);
    next.index = r->log.last + 1;
    next.term = r->term;
    raft_log_append(&r->log, &next, r->fx);
    r->log.acc_term = r->term;
    r->uncommitted_bytes += next.data.size;
    r->is_dirty = true;
}

static uint64_t tail_bytes(const struct raft *r)
{
    uint64_t sum = 0;
    for (raft_index i = r->log.commit + 1; i <= r->log.last; i++) {
        const struct raft_entry *e = raft_log_entry(&r->log, i);
        sum += e != NULL ? e->data.size : 0;
    }
    return sum;
}

/* 5.2 and 8: an empty entry first, as only entries of its own term tell a leader what is committed.
 */
void raft_become_leader(struct raft *r)
{
    static const struct raft_entry noop = { .kind = RAFT_ENTRY_NOOP };

    CHECK(r->role == RAFT_CANDIDATE);
    r->role = RAFT_LEADER;
    r->leader = r->config.id;
    for (uint32_t i = 0; i < r->conf.count; i++)
        raft_peer_reset(&r->peers[i], r->log.last);
    r->own_first = r->log.last + 1;
    r->counted = 0;
    r->is_leaving = false;
    r->has_sent_timeout_now = false;
    r->transferee = 0;
    r->was_asked = 0;
    r->idle_beats = 0;
    r->is_quiescent = false;
    r->quorum_grace_us = r->now_us;
    r->heartbeat_due_us = r->now_us + r->config.heartbeat_us;
    r->commit_due_us = RAFT_NEVER;
    if (!RAFT_MUTANT(RR18_no_first_entry))
        raft_leader_append(r, &noop);
    r->uncommitted_bytes = tail_bytes(r);
}

/* ---- Proposals ------------------------------------------------------------------------------ */

static enum raft_reason proposal_refusal(const struct raft *r, const struct raft_event *ev,
                                         uint64_t *out_bytes)
{
    uint32_t count = ev->u.propose.entry_count;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (ev->u.propose.entries[i].kind != RAFT_ENTRY_DATA)
            return RAFT_MALFORMED;
        bytes += ev->u.propose.entries[i].data.size;
    }
    if (r->role != RAFT_LEADER || r->is_leaving)
        return RAFT_NOT_LEADER;
    if (r->transferee != 0)
        return RAFT_TRANSFERRING;
    if (count == 0)
        return RAFT_NOTHING_TO_DO;
    if (count > r->config.batch_entries || count == r->config.window_entries ||
        bytes > r->config.uncommitted_bytes)
        return RAFT_TOO_LARGE;
    if (r->disk == RAFT_DISK_IS_FULL)
        return RAFT_DISK_FULL;
    if (r->disk == RAFT_DISK_IS_LOW && !ev->u.propose.frees_space &&
        !RAFT_MUTANT(M_low_disk_takes_all))
        return RAFT_DISK_LOW;
    /* One place is kept for the entry that leaves a joint conf. */
    if (count >= raft_log_room_to_propose(&r->log) ||
        r->uncommitted_bytes + bytes > r->config.uncommitted_bytes)
        return RAFT_BUSY;
    *out_bytes = bytes;
    return RAFT_OK;
}

void raft_propose(struct raft *r, const struct raft_event *ev)
{
    uint64_t bytes;
    enum raft_reason why = proposal_refusal(r, ev, &bytes);

    r->fx->verdict = why;
    if (why != RAFT_OK)
        return;
    r->fx->accepted_term = r->term;
    r->fx->accepted_first = r->log.last + 1;
    r->fx->taken_count = ev->u.propose.entry_count;
    for (uint32_t i = 0; i < ev->u.propose.entry_count; i++)
        raft_leader_append(r, &ev->u.propose.entries[i]);
}

/* ---- Commitment ----------------------------------------------------------------------------- */

static void match_values(const struct raft *r, uint64_t *values)
{
    for (uint32_t i = 0; i < r->conf.count; i++) {
        bool is_self = r->peers[i].id == r->config.id;
        raft_index own = RAFT_MUTANT(B18_own_disk_not_awaited) ? r->log.last : r->log.marks.durable;
        values[i] = is_self ? own : r->peers[i].match;
    }
}

void raft_leader_advance(struct raft *r)
{
    uint64_t values[RAFT_MEMBERS_MAX];

    /* A change that comes into force on the way may let more be committed. */
    for (;;) {
        if (r->role != RAFT_LEADER)
            return;
        match_values(r, values);
        raft_index index = raft_conf_quorum(&r->conf, values);
        if (index <= r->log.commit)
            return;
        /* Figure 8: entries of earlier terms are committed by one of ours behind them. */
        if (raft_log_term_at(&r->log, index) != r->term && !RAFT_MUTANT(B01_commit_old_term))
            return;
        r->counted = index;
        r->is_miscounted |= !raft_conf_reached(&r->conf, values, index);
        raft_commit_to(r, index);
        if (r->commit_due_us == RAFT_NEVER && r->conf.count > 1)
            r->commit_due_us = r->now_us + r->config.commit_delay_us;
    }
}

/* ---- Answers -------------------------------------------------------------------------------- */

/* p has answered m in our term: it had heard of no later one. */
static void note_answer(struct raft *r, struct raft_peer *p, const struct raft_message *m)
{
    if (m->sent_us > p->acked_us && m->sent_us <= r->now_us)
        p->acked_us = RAFT_MUTANT(B07_lease_from_the_answer) ? r->now_us : m->sent_us;
    if (m->read_seq > p->read_acked && m->read_seq <= p->read_sent)
        p->read_acked = m->read_seq;
    if (p->progress == RAFT_DOWN)
        raft_peer_probe(p, p->match + 1, r->message_seq);
}

static void append_accepted(struct raft *r, struct raft_peer *p, const struct raft_message *m)
{
    if (m->index > r->log.last || (p->lost_seq != 0 && m->seq <= p->lost_seq)) {
        r->fx->verdict = m->index > r->log.last ? RAFT_MALFORMED : RAFT_STALE_REPLY;
        return;
    }
    raft_peer_acked(p, m->index, r->message_seq, r->config.inflight_messages);
    if (p->progress == RAFT_PROBE && (p->match > 0 || m->seq > p->epoch_seq))
        raft_peer_replicate(p);
    /* Whatever snapshot it took: its log goes on from where we can (2.9). */
    else if (p->progress == RAFT_SENDING && p->match >= r->log.base_index)
        raft_peer_probe(p, p->match + 1, r->message_seq);
    else if (raft_peer_has_taken_offer(p))
        raft_peer_send_snapshot(p, r->message_seq); /* But our log has moved on: a newer one. */
    if (r->commit_due_us == RAFT_NEVER && p->commit_sent < r->log.commit &&
        p->commit_sent < p->match)
        r->commit_due_us = r->now_us + r->config.commit_delay_us;
}

/* It refuses to append behind what it had acknowledged in answer to a message that we sent after we
 * knew. Its disk has lost entries that were counted: begin again, and tell. */
static void peer_lost_entries(struct raft *r, struct raft_peer *p, const struct raft_message *m)
{
    raft_alarm(r, RAFT_ALARM_PEER_LOST_ENTRIES, p->id, p->match);
    p->match = 0;
    p->lost_seq = r->message_seq;
    raft_peer_probe(p, m->hint_index + 1, r->message_seq);
}

static void append_mismatched(struct raft *r, struct raft_peer *p, const struct raft_message *m)
{
    if (m->index <= p->match) {
        if (m->seq > p->match_seq)
            peer_lost_entries(r, p, m);
        else
            r->fx->verdict = RAFT_STALE_REPLY;
        return;
    }
    /* The other side of the hint: no entry of ours above its hint_term can be one of its own. */
    raft_index hint = m->hint_index < m->index ? m->hint_index : m->index - 1;
    hint = raft_log_hint(&r->log, hint, m->hint_term, p->match);
    raft_peer_probe(p, hint + 1, r->message_seq);
}

void raft_recv_append_resp(struct raft *r, const struct raft_message *m)
{
    struct raft_peer *p = raft_find_peer(r, m->from);

    if (p == NULL || r->role != RAFT_LEADER) {
        r->fx->verdict = p == NULL ? RAFT_NOT_MEMBER : RAFT_STALE_REPLY;
        return;
    }
    note_answer(r, p, m);
    p->refusal = m->reason;
    p->is_disk_full = m->disk_full;
    if (!m->reject) {
        append_accepted(r, p, m);
    } else if (m->seq <= p->epoch_seq) {
        r->fx->verdict = RAFT_STALE_REPLY;
    } else if (m->reason == RAFT_LOG_MISMATCH) {
        append_mismatched(r, p, m);
    } else if (m->reason == RAFT_NO_CONF && p->progress != RAFT_SENDING) {
        raft_peer_send_snapshot(p, r->message_seq);
    } else if (m->reason == RAFT_DISK_FULL && p->progress == RAFT_REPLICATE) {
        raft_peer_probe(p, p->match + 1, r->message_seq);
    }
}

void raft_recv_heartbeat_resp(struct raft *r, const struct raft_message *m)
{
    struct raft_peer *p = raft_find_peer(r, m->from);

    if (p == NULL || r->role != RAFT_LEADER) {
        r->fx->verdict = p == NULL ? RAFT_NOT_MEMBER : RAFT_STALE_REPLY;
        return;
    }
    note_answer(r, p, m);
    p->is_disk_full = m->disk_full;
    p->is_quiet = m->quiesce && m->seq > r->quiet_seq && raft_offers_quiet(r);
    if (p->progress == RAFT_SENDING) {
        /* The offer got lost, or is over: offer again. */
        if (p->sending == RAFT_SENDING_OFFERED && !m->installing && m->seq > p->offer_seq &&
            !RAFT_MUTANT(B28_failed_snapshot_sticks))
            p->sending = RAFT_SENDING_OFFER;
    } else if (p->match < r->log.last && raft_peer_waits(p, m->seq)) {
        /* This heartbeat was sent after an append that is not answered: it may be lost. */
        p->nudge_due = true;
    }
}

/* ---- Time ----------------------------------------------------------------------------------- */

void raft_heartbeat_all(struct raft *r)
{
    for (uint32_t i = 0; i < r->conf.count; i++) {
        struct raft_peer *p = &r->peers[i];
        p->heartbeat_due = p->id != r->config.id;
        if (p->progress == RAFT_SENDING && p->sending == RAFT_SENDING_LATER && !p->is_disk_full)
            p->sending = RAFT_SENDING_DUE;
    }
    for (uint32_t i = 0; i < r->farewell_count; i++)
        r->farewells[i].is_due = true;
}

/* The beat keeps its origin: groups that began apart stay apart. */
static void beat(struct raft *r)
{
    uint64_t late = r->now_us - r->heartbeat_due_us;
    r->heartbeat_due_us += (late / r->config.heartbeat_us + 1) * r->config.heartbeat_us;
    raft_quiesce_beat(r);
    if (r->is_quiescent)
        return;
    raft_heartbeat_all(r);
    if (r->was_asked != 0)
        raft_find_peer(r, r->was_asked)->timeout_now_due = true;
}

/* No append has carried the commit index to these in time. */
static void tell_commit(struct raft *r)
{
    r->commit_due_us = RAFT_NEVER;
    for (uint32_t i = 0; i < r->conf.count; i++) {
        struct raft_peer *p = &r->peers[i];
        if (p->id != r->config.id && p->commit_sent < p->match && p->commit_sent < r->log.commit)
            p->heartbeat_due = true;
    }
}

/* Thesis 6.2: a leader that a majority has not answered for an election timeout is none. */
static uint64_t quorum_ends(const struct raft *r)
{
    uint64_t acked = raft_quorum_acked(r, RAFT_NEVER);
    if (acked == RAFT_NEVER || r->is_quiescent)
        return RAFT_NEVER;
    if (acked < r->quorum_grace_us)
        acked = r->quorum_grace_us;
    return acked + r->config.election_us;
}

static uint64_t stall_ends(const struct raft *r)
{
    if (r->persisted_seq == r->persist_seq || RAFT_MUTANT(B44_leads_with_a_hung_disk))
        return RAFT_NEVER;
    return r->write_since_us + r->config.disk_stall_us;
}

void raft_leader_timers(struct raft *r)
{
    if (r->now_us >= r->heartbeat_due_us && !r->is_quiescent)
        beat(r);
    if (r->now_us >= r->commit_due_us)
        tell_commit(r);
    if (r->transferee != 0 && r->now_us >= r->transfer_due_us)
        raft_end_transfer(r, RAFT_TIMED_OUT);
    if (r->now_us >= stall_ends(r)) {
        /* Others could commit without us for ever; somebody with a disk should lead. */
        raft_alarm(r, RAFT_ALARM_DISK_STALLED, 0, r->now_us - r->write_since_us);
        raft_become_follower(r, r->term, 0);
    } else if (r->now_us >= quorum_ends(r) || (r->is_leaving && r->now_us >= r->leave_due_us)) {
        raft_become_follower(r, r->term, 0);
    }
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t raft_leader_deadline(const struct raft *r)
{
    uint64_t due = r->is_quiescent ? RAFT_NEVER : r->heartbeat_due_us;
    due = sooner(due, r->commit_due_us);
    if (r->transferee != 0)
        due = sooner(due, r->transfer_due_us);
    due = sooner(due, stall_ends(r));
    due = sooner(due, quorum_ends(r));
    return r->is_leaving ? sooner(due, r->leave_due_us) : due;
}
