/*
 * Snapshots (paper 7). Raft moves descriptors; the data travel by themselves.
 *
 * Leader:   a peer whose next entry is gone -> SNAPSHOT_WANTED -> OFFERED -> message SNAPSHOT,
 * again with heartbeats until the peer says it is installing -> an APPEND_RESP that reconnects, a
 * refusal, or SENT: a lost answer does not leave the peer in between.
 *
 * Receiver: INSTALL -> STAGED -> one write with the snapshot record -> APPEND_RESP once it is
 *           durable. All checks come before the state machine is touched; while data arrive nothing
 *           is appended.
 */
#include "raft/core.h"

/* ---- Leader --------------------------------------------------------------------------------- */

static bool offer_makes_sense(const struct raft *r, const struct raft_snapshot *s)
{
    raft_term term = raft_log_term_at(&r->log, s->index);
    return s->index > 0 && s->index <= r->log.applied && s->index >= r->log.base_index &&
           s->conf_index <= s->index && raft_conf_is_valid(&s->conf) && s->conf.count > 0 &&
           (term == 0 || term == s->term);
}

void raft_offered(struct raft *r, const struct raft_event *ev)
{
    struct raft_peer *p = raft_find_peer(r, ev->u.offered.peer);
    const struct raft_snapshot *s = ev->u.offered.snapshot;

    if (r->role != RAFT_LEADER || p == NULL || p->progress != RAFT_SENDING ||
        p->sending != RAFT_SENDING_WANTED) {
        r->fx->verdict = RAFT_NOTHING_TO_DO;
        return;
    }
    p->sending = RAFT_SENDING_LATER;
    if (s == NULL)
        return;
    if (!offer_makes_sense(r, s)) {
        r->fx->verdict = RAFT_MALFORMED;
        return;
    }
    p->offer = *s;
    p->sending = RAFT_SENDING_OFFER;
}

void raft_sent(struct raft *r, const struct raft_event *ev)
{
    struct raft_peer *p = raft_find_peer(r, ev->u.sent.peer);

    if (r->role != RAFT_LEADER || p == NULL || p->progress != RAFT_SENDING ||
        p->sending != RAFT_SENDING_OFFERED || p->offer.id != ev->u.sent.id) {
        r->fx->verdict = RAFT_NOTHING_TO_DO;
        return;
    }
    if (!ev->u.sent.has_failed) {
        /* The probe finds out what the peer has made of it. */
        raft_peer_probe(p, p->offer.index + 1, r->message_seq);
    } else if (!RAFT_MUTANT(B28_failed_snapshot_sticks)) {
        /* Not again at once: what failed may fail as quickly. */
        p->sending = RAFT_SENDING_LATER;
    }
}

void raft_recv_snapshot_resp(struct raft *r, const struct raft_message *m)
{
    struct raft_peer *p = raft_find_peer(r, m->from);

    /* Of an earlier offer: the driver may have been asked for the next one by now. */
    if (r->role != RAFT_LEADER || p == NULL || p->progress != RAFT_SENDING ||
        p->sending != RAFT_SENDING_OFFERED || m->seq != p->offer_seq) {
        r->fx->verdict = p == NULL ? RAFT_NOT_MEMBER : RAFT_STALE_REPLY;
        return;
    }
    p->refusal = m->reason;
    if (!RAFT_MUTANT(B28_failed_snapshot_sticks))
        p->sending = RAFT_SENDING_LATER;
}

void raft_emit_sending(struct raft *r, struct raft_peer *p)
{
    if (p->progress != RAFT_SENDING)
        return;
    if (p->sending == RAFT_SENDING_DUE) {
        struct raft_effect *e = raft_emit(r, RAFT_EFFECT_SNAPSHOT_WANTED);
        if (e == NULL)
            return;
        e->u.peer = p->id;
        p->sending = RAFT_SENDING_WANTED;
    } else if (p->sending == RAFT_SENDING_OFFER) {
        struct raft_message *m = raft_emit_message(r, RAFT_SNAPSHOT, p->id, 0);
        if (m == NULL)
            return;
        m->seq = ++r->message_seq;
        m->sent_us = r->now_us;
        m->snapshot = &p->offer;
        p->offer_seq = m->seq;
        p->sending = RAFT_SENDING_OFFERED;
    }
}

/* ---- Receiver ------------------------------------------------------------------------------- */

static void answer_matched(struct raft *r, const struct raft_message *m, raft_index index)
{
    struct raft_message *reply = raft_reply(r, m, RAFT_APPEND_RESP, !raft_is_durable(r, index));
    reply->index = index;
    reply->disk_full = r->disk == RAFT_DISK_IS_FULL;
}

static void drop_install(struct raft *r)
{
    r->is_installing = false;
    r->install_due = false;
    r->has_dropped = true;
    r->dropped = r->install;
}

static void begin_install(struct raft *r, const struct raft_message *m)
{
    if (r->is_installing)
        drop_install(r);
    r->is_installing = true;
    r->install_due = true;
    r->install = *m->snapshot;
    r->install_from = m->from;
    r->install_term = m->term;
    r->install_seq = m->seq;
    r->install_sent_us = m->sent_us;
}

static bool contradicts(const struct raft *r, const struct raft_snapshot *s)
{
    raft_term term = raft_log_term_at(&r->log, s->index);
    return s->index <= r->log.commit && term != 0 && term != s->term;
}

/* InstallSnapshot, receiver (Figure 13). */
void raft_recv_snapshot(struct raft *r, const struct raft_message *m)
{
    const struct raft_snapshot *s = m->snapshot;

    if (!raft_hear_leader(r, m->from))
        return;
    if (contradicts(r, s)) {
        raft_alarm(r, RAFT_ALARM_SENDER_CONFLICT, m->from, s->index);
        raft_halt(r, RAFT_HALT_CONFLICT);
    } else if (s->index <= r->log.commit) {
        r->fx->verdict = RAFT_SNAPSHOT_OLD;
        answer_matched(r, m, r->log.commit);
    } else if (raft_log_matches(&r->log, s->index, s->term) ||
               (RAFT_MUTANT(B25_conflict_kept) && s->index <= r->log.last)) {
        /* Rule 6: what we have is what it describes; keep what follows. */
        raft_commit_to(r, s->index);
        answer_matched(r, m, s->index);
    } else if (r->disk == RAFT_DISK_IS_FULL) {
        raft_refuse(r, m, RAFT_SNAPSHOT_RESP, RAFT_DISK_FULL)->index = s->index;
    } else if (r->is_installing && m->term == r->install_term && s->index <= r->install.index) {
        r->fx->verdict = RAFT_INSTALLING;
    } else {
        begin_install(r, m);
    }
}

/* Rule 7: the log does not hold the snapshot's last entry, so all of it goes. */
static void replace_log(struct raft *r)
{
    raft_log_reset(&r->log, r->install.index, r->install.term, r->term, r->fx);
    r->restored = r->install;
    r->has_restored = true;
    r->truncate_from = 0;
    r->unwritten = r->log.last + 1;
    r->is_dirty = true;
    if (RAFT_MUTANT(B27_snapshot_clears_vote))
        r->vote = 0;
    if (RAFT_MUTANT(B26_snapshot_conf_ignored) && r->conf.count > 0)
        return;
    raft_set_conf(r, &r->restored.conf, r->restored.conf_index);
}

/* The reply goes to whoever leads now; what was installed is committed in any term. */
static void answer_install(struct raft *r, enum raft_message_kind kind, enum raft_reason reason,
                           raft_index index)
{
    struct raft_message asked = { .from = r->leader };

    if (r->leader == 0)
        return;
    if (r->leader == r->install_from && r->term == r->install_term) {
        asked.seq = r->install_seq;
        asked.sent_us = r->install_sent_us;
    }
    bool waits = reason == RAFT_OK && !RAFT_MUTANT(M_snapshot_ack_not_durable);
    struct raft_message *reply = raft_reply(r, &asked, kind, waits);
    reply->reject = reason != RAFT_OK;
    reply->reason = reason;
    reply->index = index;
}

void raft_staged(struct raft *r, const struct raft_event *ev)
{
    if (!r->is_installing || ev->u.staged.id != r->install.id ||
        ev->u.staged.index != r->install.index) {
        r->fx->verdict = RAFT_NOTHING_TO_DO;
        return;
    }
    if (ev->u.staged.has_failed) {
        r->is_installing = false;
        answer_install(r, RAFT_SNAPSHOT_RESP, RAFT_SNAPSHOT_FAILED, r->install.index);
    } else if (r->install.index <= r->log.commit) {
        /* Nothing was appended since the offer was found to contradict our log: with its entry
         * there committed, it contradicts that. */
        raft_alarm(r, RAFT_ALARM_SENDER_CONFLICT, r->install_from, r->install.index);
        raft_halt(r, RAFT_HALT_CONFLICT);
    } else {
        r->is_installing = false;
        replace_log(r);
        answer_install(r, RAFT_APPEND_RESP, RAFT_OK, r->install.index);
    }
}

void raft_emit_install(struct raft *r)
{
    if (r->has_dropped) {
        struct raft_effect *e = raft_emit(r, RAFT_EFFECT_INSTALL_DROPPED);
        if (e == NULL)
            return;
        e->u.install.from = r->install_from;
        e->u.install.snapshot = &r->dropped;
        r->has_dropped = false;
    }
    if (r->install_due) {
        struct raft_effect *e = raft_emit(r, RAFT_EFFECT_INSTALL);
        if (e == NULL)
            return;
        e->u.install.from = r->install_from;
        e->u.install.snapshot = &r->install;
        r->install_due = false;
    }
}
