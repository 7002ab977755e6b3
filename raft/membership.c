/*
 * Changing the configuration: joint consensus only (thesis 4.3), in force when committed.
 *
 * A change takes effect on a replica when its commit index passes the entry, inside the step; the
 * state machine learns of it later and has no say. Nothing is ever rolled back. Why that is safe: a
 * leader appends change k+1 only when k is in force with it, that is, committed; each append that
 * carries k+1 carries a commit index of at least k; and commit index, entries and conf are one
 * write. So a replica that has k+1 in its log knows durably that k is committed, and one whose conf
 * is k-1 has no k+1. When k+1 is decided, by a quorum of k, everybody who could still campaign with
 * k-1 needs votes from a quorum that meets it, and lacks the entry (5.4.1). Confs k-1 and k are
 * neighbours, whose quorums meet; further apart is never. docs/decisions/raft.md has the model.
 */
#include "raft/codec.h"
#include "raft/core.h"

/* Often enough to outlast a few lost messages; afterwards whoever speaks up is told again. */
enum { FAREWELLS = 16 };

/* ---- In force ------------------------------------------------------------------------------- */

static struct raft_inflight *free_lane(const struct raft *r, const struct raft_peer *peers,
                                       uint32_t count)
{
    for (uint32_t lane = 0;; lane++) {
        struct raft_inflight *at = r->lanes + (size_t)lane * r->config.inflight_messages;
        uint32_t i = 0;
        while (i < count && peers[i].inflight != at)
            i++;
        if (i == count)
            return at;
        CHECK(lane < RAFT_MEMBERS_MAX);
    }
}

static bool is_among(const struct raft_peer *peers, uint32_t count, raft_id id, uint32_t *out_at)
{
    for (*out_at = 0; *out_at < count; ++*out_at) {
        if (peers[*out_at].id == id)
            return true;
    }
    return false;
}

/* Tell a replica that is none of ours. */
static void bid_farewell(struct raft *r, raft_id id, uint32_t times)
{
    for (uint32_t i = 0; i < r->farewell_count; i++) {
        if (r->farewells[i].id == id) {
            r->farewells[i].is_due = true;
            return;
        }
    }
    if (r->farewell_count == RAFT_MEMBERS_MAX)
        return; /* It will speak up. */
    r->farewells[r->farewell_count++] =
        (struct raft_farewell) { .id = id, .left = times, .is_due = true };
}

/* peers[i] belongs to members[i]: those that stay keep what is known of them. */
static void rebuild_peers(struct raft *r, const struct raft_conf *conf)
{
    struct raft_peer next[RAFT_MEMBERS_MAX];
    uint32_t at;
    uint32_t made = 0;

    for (uint32_t i = 0; i < conf->count; i++) {
        bool stays = is_among(r->peers, r->conf.count, conf->members[i].id, &at);
        next[i] = (struct raft_peer) { .id = conf->members[i].id };
        if (stays)
            next[i] = r->peers[at];
    }
    for (; made < conf->count; made++) {
        if (next[made].inflight == NULL) {
            next[made].inflight = free_lane(r, next, conf->count);
            raft_peer_reset(&next[made], r->log.last);
        }
    }
    for (uint32_t i = 0; i < r->conf.count; i++) {
        if (r->role == RAFT_LEADER && raft_conf_find(conf, r->peers[i].id) == conf->count)
            bid_farewell(r, r->peers[i].id, FAREWELLS);
    }
    for (uint32_t i = 0; i < conf->count; i++)
        r->peers[i] = next[i];
}

static void leader_conf_changed(struct raft *r)
{
    /* New voters have a full election timeout to answer. */
    r->quorum_grace_us = r->now_us;
    if (raft_conf_is_voter(&r->conf, r->config.id))
        return;
    /* Thesis 4.2.2: a leader that is none of the voters any more stops. Before, it tells them that
     * it is none, brings one of them up to date and asks it to take over -- for an election
     * timeout. */
    r->is_leaving = !RAFT_MUTANT(B36_demoted_leader_stays);
    r->leave_due_us = r->now_us + r->config.election_us;
    raft_heartbeat_all(r);
}

void raft_set_conf(struct raft *r, const struct raft_conf *conf, raft_index index)
{
    bool was_member = raft_conf_find(&r->conf, r->config.id) < r->conf.count;

    if (r->conf.count == 0)
        r->told_conf = RAFT_NEVER; /* The first conf is told, though no entry made it: index 0. */
    rebuild_peers(r, conf);
    r->conf = *conf;
    r->conf_index = index;
    r->is_dirty = true;
    /* Ids are never used again: who is out is out. */
    if (was_member && raft_conf_find(conf, r->config.id) == conf->count)
        raft_halt(r, RAFT_HALT_REMOVED);
    else if (r->role == RAFT_LEADER)
        leader_conf_changed(r);
}

static void activate(struct raft *r, const struct raft_entry *e)
{
    struct raft_conf conf = r->conf;
    struct raft_change change;

    if (failed(raft_change_read(e->data, &change)) || raft_conf_apply(&conf, &change) != RAFT_OK) {
        raft_halt(r, RAFT_HALT_CHANGE);
        return;
    }
    raft_set_conf(r, &conf, e->index);
}

void raft_commit_to(struct raft *r, raft_index index)
{
    raft_index from = r->log.commit + 1;

    CHECK(index >= from);
    CHECK(index <= r->log.last);
    r->log.commit = index;
    if (r->role == RAFT_LEADER) {
        for (raft_index i = from; i <= index; i++) {
            const struct raft_entry *e = raft_log_entry(&r->log, i);
            r->uncommitted_bytes -= e != NULL && !RAFT_MUTANT(M_quota_leaks) ? e->data.size : 0;
        }
    }
    for (raft_index i = from; i <= index && r->log.changes > 0; i++) {
        const struct raft_entry *e = raft_log_entry(&r->log, i);
        if (e == NULL || e->kind != RAFT_ENTRY_CONF)
            continue;
        r->log.changes--;
        activate(r, e);
    }
    if (r->log.held.index != 0 && r->log.held.index <= index)
        raft_log_release_held(&r->log, r->fx);
    if (raft_has_own_commit(r))
        raft_number_reads(r);
}

/* ---- Proposing ------------------------------------------------------------------------------ */

static enum raft_reason gate(const struct raft *r)
{
    if (r->role != RAFT_LEADER || r->is_leaving)
        return RAFT_NOT_LEADER;
    if (r->transferee != 0)
        return RAFT_TRANSFERRING;
    /* The 2015 bug of single-server changes, and a recovered joint conf that would be left before
     * it is committed: no change before an entry of our own term. */
    if (!raft_has_own_commit(r) && !RAFT_MUTANT(B02_change_before_own_commit))
        return RAFT_TERM_NOT_COMMITTED;
    if (r->log.changes > 0 && !RAFT_MUTANT(RR17_two_changes_at_once))
        return RAFT_CHANGE_PENDING;
    if (r->disk == RAFT_DISK_IS_FULL)
        return RAFT_DISK_FULL;
    return raft_log_room_to_propose(&r->log) > 0 ? RAFT_OK : RAFT_BUSY;
}

/* A replica whose log a snapshot is to replace would vote without it. */
static bool promotes_behind(struct raft *r, const struct raft_change *change)
{
    for (uint32_t i = 0; i < change->count; i++) {
        struct raft_peer *p = raft_find_peer(r, change->ops[i].id);
        if (change->ops[i].op == RAFT_CHANGE_ADD_VOTER && p != NULL &&
            p->progress == RAFT_SENDING && !RAFT_MUTANT(B32_promotes_behind))
            return true;
    }
    return false;
}

static enum raft_reason change_refusal(struct raft *r, const struct raft_event *ev)
{
    struct raft_conf conf = r->conf;
    struct raft_change change;
    enum raft_reason why = gate(r);

    if (why != RAFT_OK)
        return why;
    if (ev->u.propose.entry_count != 1 || ev->u.propose.entries[0].kind != RAFT_ENTRY_CONF ||
        failed(raft_change_read(ev->u.propose.entries[0].data, &change)))
        return RAFT_CHANGE_MALFORMED;
    why = raft_conf_apply(&conf, &change);
    if (why != RAFT_OK)
        return why;
    return promotes_behind(r, &change) ? RAFT_CHANGE_BEHIND : RAFT_OK;
}

void raft_propose_change(struct raft *r, const struct raft_event *ev)
{
    r->fx->verdict = change_refusal(r, ev);
    if (r->fx->verdict != RAFT_OK)
        return;
    r->fx->accepted_term = r->term;
    r->fx->accepted_first = r->log.last + 1;
    r->fx->taken_count = 1;
    raft_leader_append(r, &ev->u.propose.entries[0]);
}

void raft_leave_if_ready(struct raft *r)
{
    static const struct raft_entry leave = { .kind = RAFT_ENTRY_CONF };

    if (r->role == RAFT_LEADER && r->conf.auto_leave && gate(r) == RAFT_OK)
        raft_leader_append(r, &leave);
}

/* ---- Removed ones --------------------------------------------------------------------------- */

void raft_tell_stranger(struct raft *r, raft_id id)
{
    if (r->role == RAFT_LEADER && raft_conf_find(&r->conf, id) == r->conf.count &&
        !RAFT_MUTANT(RR28_removed_are_not_told))
        bid_farewell(r, id, 1);
}

void raft_emit_farewells(struct raft *r)
{
    for (uint32_t i = 0; i < r->farewell_count && r->role == RAFT_LEADER;) {
        struct raft_farewell *f = &r->farewells[i];
        if (f->is_due) {
            struct raft_message *m = raft_emit_message(r, RAFT_REMOVED, f->id, 0);
            if (m == NULL)
                return;
            m->index = r->conf_index;
            f->is_due = false;
            f->left--;
        }
        if (f->left == 0)
            *f = r->farewells[--r->farewell_count];
        else
            i++;
    }
    if (r->role != RAFT_LEADER)
        r->farewell_count = 0;
}

/* From a leader whose conf is newer than ours and has us no more. One that never heard of us, as
 * its conf is older, says the same in vain. */
void raft_recv_removed(struct raft *r, const struct raft_message *m)
{
    if (raft_conf_find(&r->conf, r->config.id) < r->conf.count && m->index > r->conf_index)
        raft_halt(r, RAFT_HALT_REMOVED);
    else
        r->fx->verdict = RAFT_NOTHING_TO_DO;
}
