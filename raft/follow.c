/*
 * Following a leader: AppendEntries, receiver (Figure 2, 5.3), and heartbeats.
 */
#include "raft/core.h"

/* The log is, up to index and no further, a prefix of the leader's. */
static void accepted_from(struct raft *r, raft_term term, raft_index index)
{
    if (r->log.last == index && r->log.acc_term < term) {
        r->log.acc_term = term;
        r->is_dirty = true;
    }
}

/* The first entry of m, by place, that is not in the log as it is. */
static uint32_t skip_known(const struct raft *r, const struct raft_message *m)
{
    uint32_t i = 0;
    while (i < m->entry_count &&
           (m->entries[i].index <= r->log.commit ||
            (RAFT_MUTANT(M_terms_not_compared)
                 ? m->entries[i].index <= r->log.last
                 : raft_log_matches(&r->log, m->entries[i].index, m->entries[i].term))))
        i++;
    return i;
}

/* Entries from m->entries[at] on contradict ours, if ours reach that far: drop ours (5.3). Never
 * because a message was short: what lies behind entries that match stays. */
static bool cut_conflict(struct raft *r, const struct raft_message *m, uint32_t at)
{
    raft_index from = m->entries[at].index;

    if (from > r->log.last || RAFT_MUTANT(M_short_append_cuts))
        return true;
    if (r->log.acc_term >= m->term) {
        raft_alarm(r, RAFT_ALARM_SENDER_CONFLICT, m->from, from);
        raft_halt(r, RAFT_HALT_CONFLICT);
        return false;
    }
    raft_log_cut(&r->log, from, m->term, r->fx);
    r->cut_from = from;
    r->is_dirty = true;
    r->truncate_from = from;
    r->unwritten = from;
    return true;
}

/* Where m's entries go on, terms do not fall. They would if the sender's log were not ours at the
 * commit index or below, where nothing of m is compared: no leader's is (5.4.3). */
static bool goes_on(struct raft *r, const struct raft_message *m, uint32_t at)
{
    raft_index before = m->entries[at].index - 1;

    if (m->entries[at].term >= raft_log_term_at(&r->log, before))
        return true;
    raft_alarm(r, RAFT_ALARM_SENDER_CONFLICT, m->from, before);
    raft_halt(r, RAFT_HALT_CONFLICT);
    return false;
}

/* Append what there is room for; the leader learns how far that was. */
static void append_rest(struct raft *r, const struct raft_message *m, uint32_t at)
{
    uint32_t first = at;

    while (at < m->entry_count && raft_log_room(&r->log) > 0 &&
           at - first < r->config.batch_entries &&
           raft_log_has_term_room(&r->log, m->entries[at].term)) {
        raft_log_append(&r->log, &m->entries[at], r->fx);
        at++;
    }
    r->fx->taken_first = first;
    r->fx->taken_count = at - first;
    if (at > first)
        r->is_dirty = true;
    else
        r->fx->verdict = RAFT_WINDOW_FULL;
}

static void refuse_append(struct raft *r, const struct raft_message *m, enum raft_reason reason)
{
    struct raft_message *reply = raft_refuse(r, m, RAFT_APPEND_RESP, reason);
    reply->index = m->index;
    reply->disk_full = r->disk == RAFT_DISK_IS_FULL;
    if (reason != RAFT_LOG_MISMATCH)
        return;
    /* Ours may agree with the leader's from here on downwards: its entry there has a term at most
     * that of the one it named. One round for each term, not for each entry. */
    raft_index floor = r->log.commit;
    reply->hint_index = raft_log_hint(&r->log, m->index, m->log_term, floor);
    reply->hint_term = raft_log_term_at(&r->log, reply->hint_index);
}

/* m's entries follow on what we have, or begin before our commit index, where all logs agree. */
static void accept_append(struct raft *r, const struct raft_message *m)
{
    uint32_t at = skip_known(r, m);

    if (at < m->entry_count && (!goes_on(r, m, at) || !cut_conflict(r, m, at)))
        return;
    if (at < m->entry_count)
        append_rest(r, m, at);

    raft_index matched = m->index + at + r->fx->taken_count;
    if (matched < r->log.commit)
        matched = r->log.commit;
    if (RAFT_MUTANT(M_matched_to_the_end))
        matched = r->log.last;
    accepted_from(r, m->term, matched);
    raft_index commit = m->commit < matched ? m->commit : matched;
    if (commit > r->log.commit)
        raft_commit_to(r, commit);
    struct raft_message *reply = raft_reply(r, m, RAFT_APPEND_RESP, !raft_is_durable(r, matched));
    reply->index = matched;
    reply->disk_full = r->disk == RAFT_DISK_IS_FULL;
}

void raft_recv_append(struct raft *r, const struct raft_message *m)
{
    if (!raft_hear_leader(r, m->from))
        return;
    if (r->is_installing && !RAFT_MUTANT(B43_appends_while_installing))
        refuse_append(r, m, RAFT_INSTALLING);
    else if (r->conf.count == 0)
        /* Changes are changes of something, and the conf that a group began with is no entry. */
        refuse_append(r, m, RAFT_NO_CONF);
    else if (r->disk == RAFT_DISK_IS_FULL && m->entry_count > 0)
        refuse_append(r, m, RAFT_DISK_FULL);
    else if (m->index > r->log.commit && !raft_log_matches(&r->log, m->index, m->log_term))
        refuse_append(r, m, RAFT_LOG_MISMATCH);
    else
        accept_append(r, m);
}

void raft_recv_heartbeat(struct raft *r, const struct raft_message *m)
{
    if (!raft_hear_leader(r, m->from))
        return;
    /* The leader names an entry that it knows to be here; its term proves that it is. */
    bool is_ours = raft_log_matches(&r->log, m->commit, m->log_term) ||
                   (RAFT_MUTANT(M_heartbeat_names_commit) && m->commit <= r->log.last);
    if (m->commit > r->log.commit && is_ours)
        raft_commit_to(r, m->commit);
    raft_take_quiet(r, m);
    struct raft_message *reply = raft_reply(r, m, RAFT_HEARTBEAT_RESP, false);
    reply->index = r->log.last;
    reply->installing = r->is_installing;
    reply->disk_full = r->disk == RAFT_DISK_IS_FULL;
    reply->quiesce = r->is_quiescent;
}
