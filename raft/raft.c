/*
 * The step: events to handlers, terms, timers, and the view.
 */
#include "raft/codec.h"
#include "raft/core.h"

void raft_halt(struct raft *r, enum raft_reason reason)
{
    raft_end_transfer(r, reason);
    raft_lose_reads(r, reason);
    r->role = RAFT_HALTED;
    r->leader = 0;
    r->halt_reason = reason;
    r->has_reply = false;
    r->is_dirty = false;
}

/* ---- Messages ------------------------------------------------------------------------------- */

/* Entries as only a leader of m->term can send them: one behind the other, terms never going down.
 */
static bool entries_make_sense(const struct raft_message *m)
{
    raft_term term = m->log_term;
    struct raft_change change;

    for (uint32_t i = 0; i < m->entry_count; i++) {
        const struct raft_entry *e = &m->entries[i];
        if (e->index != m->index + 1 + i || e->term < term || e->term == 0 || e->term > m->term)
            return false;
        if (e->kind == RAFT_ENTRY_CONF && failed(raft_change_read(e->data, &change)))
            return false;
        term = e->term;
    }
    return m->log_term <= m->term && (m->index == 0) == (m->log_term == 0);
}

static bool snapshot_makes_sense(const struct raft_message *m)
{
    const struct raft_snapshot *s = m->snapshot;
    return s != NULL && s->index > 0 && s->term > 0 && s->term <= m->term &&
           s->conf_index <= s->index && s->conf.count > 0 && raft_conf_is_valid(&s->conf);
}

static bool is_in_range(const struct raft_message *m)
{
    /* Who has seen no term yet says so when it needs to be heard, or may not grant a pre-vote. */
    bool has_term = m->term > 0 || m->kind == RAFT_WAKE || m->kind == RAFT_PREVOTE_RESP;

    return has_term && m->term < RAFT_NUMBER_MAX && m->index < RAFT_NUMBER_MAX &&
           m->log_term < RAFT_NUMBER_MAX && m->commit < RAFT_NUMBER_MAX &&
           m->hint_index < RAFT_NUMBER_MAX &&
           (m->snapshot == NULL || m->snapshot->index < RAFT_NUMBER_MAX);
}

static bool makes_sense(const struct raft_message *m)
{
    if (m->kind == 0 || m->kind >= RAFT_MESSAGE_KIND_END || !is_in_range(m))
        return false;
    if (m->kind == RAFT_APPEND)
        return entries_make_sense(m);
    if (m->kind == RAFT_SNAPSHOT)
        return snapshot_makes_sense(m);
    return m->kind != RAFT_TIMEOUT_NOW || m->commit <= m->index;
}

static enum raft_reason message_refusal(const struct raft *r, const struct raft_message *m)
{
    if (m->group != r->config.group)
        return RAFT_WRONG_GROUP;
    if ((m->to != r->config.id && !RAFT_MUTANT(B41_ids_not_compared)) || m->from == r->config.id ||
        m->from == 0)
        return RAFT_WRONG_REPLICA;
    return makes_sense(m) ? RAFT_OK : RAFT_MALFORMED;
}

/* From a term that is over. Its leader must learn that, or it and a voter with a later term would
 * ignore each other for ever (E1). */
static void recv_stale(struct raft *r, const struct raft_message *m)
{
    if (RAFT_MUTANT(B12_stale_leader_not_told))
        return;
    switch (m->kind) {
    case RAFT_APPEND:
        raft_refuse(r, m, RAFT_APPEND_RESP, RAFT_STALE_TERM)->index = m->index;
        break;
    case RAFT_HEARTBEAT:
        raft_refuse(r, m, RAFT_HEARTBEAT_RESP, RAFT_STALE_TERM);
        break;
    case RAFT_SNAPSHOT:
        raft_refuse(r, m, RAFT_SNAPSHOT_RESP, RAFT_STALE_TERM);
        break;
    case RAFT_VOTE:
        raft_refuse(r, m, RAFT_VOTE_RESP, RAFT_STALE_TERM);
        break;
    default:
        r->fx->verdict = RAFT_STALE_TERM;
        break;
    }
}

/* 5.1: a later term is taken up -- unless it asks for a vote that is withheld (thesis 4.2.3). */
static bool take_up_term(struct raft *r, const struct raft_message *m)
{
    if (m->kind == RAFT_VOTE && !m->force) {
        enum raft_reason why = raft_withholds(r);
        if (why != RAFT_OK) {
            r->fx->verdict = why;
            return false;
        }
    }
    raft_become_follower(r, m->term, 0);
    return true;
}

static void wake_up(struct raft *r, raft_id from)
{
    raft_tell_stranger(r, from);
    if (r->role != RAFT_LEADER && !r->is_quiescent)
        r->fx->verdict = RAFT_NOTHING_TO_DO;
    raft_wake(r);
}

static void dispatch_message(struct raft *r, const struct raft_message *m)
{
    switch (m->kind) {
    case RAFT_VOTE:
        raft_recv_vote(r, m);
        break;
    case RAFT_VOTE_RESP:
        raft_recv_vote_resp(r, m);
        break;
    case RAFT_APPEND:
        raft_recv_append(r, m);
        break;
    case RAFT_APPEND_RESP:
        raft_recv_append_resp(r, m);
        break;
    case RAFT_HEARTBEAT:
        raft_recv_heartbeat(r, m);
        break;
    case RAFT_HEARTBEAT_RESP:
        raft_recv_heartbeat_resp(r, m);
        break;
    case RAFT_SNAPSHOT:
        raft_recv_snapshot(r, m);
        break;
    case RAFT_SNAPSHOT_RESP:
        raft_recv_snapshot_resp(r, m);
        break;
    case RAFT_READ:
        raft_recv_read(r, m);
        break;
    case RAFT_READ_RESP:
        raft_recv_read_resp(r, m);
        break;
    case RAFT_TIMEOUT_NOW:
        raft_recv_timeout_now(r, m);
        break;
    default: /* TIMEOUT_NOW_RESP */
        raft_recv_timeout_now_resp(r, m);
        break;
    }
}

/* Pre-votes speak of terms that nobody is in; that somebody is removed or wants to be heard is true
 * in any term. */
static bool dispatch_in_any_term(struct raft *r, const struct raft_message *m)
{
    switch (m->kind) {
    case RAFT_PREVOTE:
        raft_recv_prevote(r, m);
        return true;
    case RAFT_PREVOTE_RESP:
        raft_recv_prevote_resp(r, m);
        return true;
    case RAFT_REMOVED:
        raft_recv_removed(r, m);
        return true;
    case RAFT_WAKE:
        wake_up(r, m->from);
        return true;
    default:
        return false;
    }
}

static void receive(struct raft *r, const struct raft_message *m)
{
    r->fx->verdict = message_refusal(r, m);
    if (r->fx->verdict != RAFT_OK || dispatch_in_any_term(r, m))
        return;
    if (m->term < r->term &&
        !(RAFT_MUTANT(B15_answers_of_old_terms) && m->kind == RAFT_APPEND_RESP))
        recv_stale(r, m);
    else if (m->term <= r->term || take_up_term(r, m))
        dispatch_message(r, m);
}

/* ---- Other events --------------------------------------------------------------------------- */

static void applied(struct raft *r, raft_index index)
{
    if (index <= r->log.applied || index > r->log.announced)
        r->fx->verdict = RAFT_NOTHING_TO_DO;
    else
        r->log.applied = index;
}

static void compacted(struct raft *r, raft_index index)
{
    if (index <= r->log.base_index || index > r->log.applied || index > r->log.marks.durable)
        r->fx->verdict = RAFT_NOTHING_TO_DO;
    else
        raft_log_compact(&r->log, index, r->fx);
}

static void unreachable(struct raft *r, raft_id id)
{
    struct raft_peer *p = raft_find_peer(r, id);

    if (p == NULL) {
        r->fx->verdict = RAFT_NOT_MEMBER;
        return;
    }
    if (r->role == RAFT_LEADER || id == r->leader)
        raft_wake(r);
    if (r->role == RAFT_LEADER && p->progress != RAFT_SENDING)
        raft_peer_down(p, r->message_seq);
}

static void reachable(struct raft *r, raft_id id)
{
    struct raft_peer *p = raft_find_peer(r, id);

    if (r->role == RAFT_LEADER && p != NULL && p->progress == RAFT_DOWN)
        raft_peer_probe(p, p->match + 1, r->message_seq);
    else
        r->fx->verdict = RAFT_NOTHING_TO_DO;
}

static void step_down(struct raft *r)
{
    if (r->role == RAFT_LEADER)
        raft_become_follower(r, r->term, 0);
    else
        r->fx->verdict = RAFT_NOT_LEADER;
}

/* Who needs a leader that may sleep wakes it. */
static void wake_group(struct raft *r)
{
    if (!r->is_quiescent) {
        r->fx->verdict = RAFT_NOTHING_TO_DO;
        return;
    }
    if (r->role != RAFT_LEADER)
        (void)raft_emit_message(r, RAFT_WAKE, r->leader, 0);
    raft_wake(r);
}

static void dispatch(struct raft *r, const struct raft_event *ev)
{
    switch (ev->kind) {
    case RAFT_EVENT_DRAIN:
    case RAFT_EVENT_TIMER:
        break;
    case RAFT_EVENT_RECV:
        receive(r, ev->u.message);
        break;
    case RAFT_EVENT_PROPOSE:
        raft_propose(r, ev);
        break;
    case RAFT_EVENT_CHANGE:
        raft_propose_change(r, ev);
        break;
    case RAFT_EVENT_READ:
        raft_read(r, ev->u.ctx);
        break;
    case RAFT_EVENT_PERSISTED:
        raft_persisted(r, ev);
        break;
    case RAFT_EVENT_APPLIED:
        applied(r, ev->u.index);
        break;
    case RAFT_EVENT_COMPACTED:
        compacted(r, ev->u.index);
        break;
    case RAFT_EVENT_FETCHED:
        raft_fetched(r, ev);
        break;
    case RAFT_EVENT_OFFERED:
        raft_offered(r, ev);
        break;
    case RAFT_EVENT_SENT:
        raft_sent(r, ev);
        break;
    case RAFT_EVENT_STAGED:
        raft_staged(r, ev);
        break;
    case RAFT_EVENT_UNREACHABLE:
        unreachable(r, ev->u.peer);
        break;
    case RAFT_EVENT_REACHABLE:
        reachable(r, ev->u.peer);
        break;
    case RAFT_EVENT_TRANSFER:
        raft_transfer(r, ev->u.peer);
        break;
    case RAFT_EVENT_CAMPAIGN:
        raft_campaign(r);
        break;
    case RAFT_EVENT_STEP_DOWN:
        step_down(r);
        break;
    case RAFT_EVENT_DISK:
        raft_disk_changed(r, ev->u.disk);
        break;
    case RAFT_EVENT_LEASE:
        raft_hold_lease(r, ev->u.lease);
        break;
    case RAFT_EVENT_CLOCK_JUMP:
        raft_bar_lease(r);
        break;
    case RAFT_EVENT_WAKE:
        wake_group(r);
        break;
    default:
        r->fx->verdict = RAFT_MALFORMED;
        break;
    }
}

/* ---- The step ------------------------------------------------------------------------------- */

static void run_timers(struct raft *r)
{
    if (r->role == RAFT_HALTED)
        return;
    raft_expire_reads(r);
    if (r->role == RAFT_LEADER) {
        raft_leader_timers(r);
    } else if (!r->is_quiescent && r->now_us >= r->election_due_us) {
        if (raft_may_campaign(r) == RAFT_OK)
            raft_campaign(r);
        else
            raft_seek_leader(r);
    }
}

uint64_t raft_deadline(const struct raft *r)
{
    uint64_t due = RAFT_NEVER;

    if (r->role == RAFT_HALTED)
        return RAFT_NEVER;
    if (r->role == RAFT_LEADER)
        due = raft_leader_deadline(r);
    else if (!r->is_quiescent)
        due = r->election_due_us;
    uint64_t reads = raft_reads_deadline(r);
    return due < reads ? due : reads;
}

static void reset_effects(struct raft *r, struct raft_effects *fx)
{
    fx->count = 0;
    fx->entries_used = 0;
    fx->released_count = 0;
    fx->verdict = RAFT_OK;
    fx->accepted_term = 0;
    fx->accepted_first = 0;
    fx->taken_first = 0;
    fx->taken_count = 0;
    fx->more = false;
    r->fx = fx;
    r->slice_count = 0;
}

/* A step that broke an invariant, or halted, tells nothing but that. */
static void tell_halt(struct raft *r, enum raft_invariant broken)
{
    uint32_t kept = 0;
    struct raft_effects *fx = r->fx;

    for (uint32_t i = 0; i < fx->count; i++) {
        if (fx->list[i].kind == RAFT_EFFECT_ALARM)
            fx->list[kept++] = fx->list[i];
    }
    fx->count = kept;
    if (broken != RAFT_INVARIANT_NONE)
        raft_alarm(r, RAFT_ALARM_INVARIANT, 0, broken);
    raft_emit_halted(r);
}

/* What the next step is compared with. A cut belongs to the step that made it: the commit index may
 * have passed it since, with what was appended in its place. */
static void remember(struct raft *r)
{
    r->was_term = r->term;
    r->was_vote = r->vote;
    r->was_commit = r->log.commit;
    r->was_announced = r->log.announced;
    r->was_last = r->log.last;
    r->was_role = r->role;
    r->cut_from = RAFT_NEVER;
}

void raft_step(struct raft *r, uint64_t now_us, const struct raft_event *ev,
               struct raft_effects *fx)
{
    reset_effects(r, fx);
    if (now_us > r->now_us)
        r->now_us = now_us;
    if (r->role == RAFT_HALTED)
        fx->verdict = RAFT_HALTED_GROUP;
    else
        dispatch(r, ev);
    run_timers(r);
    raft_leader_advance(r);
    raft_leave_if_ready(r);
    raft_transfer_if_ready(r);
    raft_hand_over(r);
    raft_confirm_reads(r);
    if (r->role != RAFT_HALTED)
        raft_emit_all(r);
    enum raft_invariant broken = raft_check(r);
    if (broken != RAFT_INVARIANT_NONE)
        raft_halt(r, RAFT_HALT_INVARIANT);
    if (r->role == RAFT_HALTED)
        tell_halt(r, broken);
    remember(r);
    fx->deadline_us = fx->more ? r->now_us : raft_deadline(r);
    r->fx = NULL;
}
