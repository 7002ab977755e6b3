/*
 * What a leader sends to each peer, read off the peer's progress: entries from memory, entries
 * fetched from the driver's log, heartbeats, snapshots, the request to take over.
 */
#include "raft/core.h"

/* Entries from first on that go into one message. */
static uint32_t batch_size(const struct raft *r, raft_index first, uint64_t *out_bytes)
{
    uint64_t bytes = 0;
    uint32_t count = 0;

    while (count < r->config.batch_entries && first + count <= r->log.last) {
        uint64_t size = raft_log_entry(&r->log, first + count)->data.size;
        if (count > 0 && bytes + size > r->config.message_bytes)
            break;
        bytes += size;
        count++;
    }
    *out_bytes = bytes;
    return count;
}

/* AppendEntries, sender: entries behind p->next, or none. False: no room for it in this step. */
static bool send_append(struct raft *r, struct raft_peer *p, const struct raft_entry *entries,
                        uint32_t count, uint64_t bytes)
{
    struct raft_message *m = raft_emit_message(r, RAFT_APPEND, p->id, 0);
    if (m == NULL)
        return false;
    m->seq = ++r->message_seq;
    m->index = p->next - 1;
    m->log_term = raft_log_term_at(&r->log, m->index);
    m->commit = RAFT_MUTANT(I15_append_without_commit) ? 0 : r->log.commit;
    m->read_seq = r->read_seq;
    m->sent_us = r->now_us;
    m->entries = entries;
    m->entry_count = count;
    p->read_sent = r->read_seq;
    p->nudge_due = false;
    raft_index last = m->index + count;
    p->commit_sent = last < m->commit ? last : m->commit;
    raft_peer_sent(p, last, bytes, m->seq, r->config.inflight_messages);
    return true;
}

/* Ask the driver for what is not in memory any more. */
static bool fetch(struct raft *r, struct raft_peer *p)
{
    struct raft_effect *e = raft_emit(r, RAFT_EFFECT_FETCH);
    if (e == NULL)
        return false;
    raft_index last = p->next + r->config.batch_entries - 1;
    e->u.fetch.peer = p->id;
    e->u.fetch.first = p->next;
    e->u.fetch.last = last < r->log.first ? last : r->log.first - 1;
    e->u.fetch.bytes_max = r->config.message_bytes;
    p->is_fetching = true;
    return true;
}

static bool has_term_of(const struct raft *r, raft_index index)
{
    return index == 0 || raft_log_term_at(&r->log, index) != 0;
}

/* Entries behind p->next can be sent no more: they are gone, or fetched ones could not be known for
 * what they are. Terms are forgotten from the front, but that of the base is not one of the list:
 * the one before p->next says nothing about the next. */
static bool is_out_of_reach(const struct raft *r, const struct raft_peer *p)
{
    if (p->next <= r->log.base_index || !has_term_of(r, p->next - 1))
        return true;
    return p->next < r->log.first && !has_term_of(r, p->next);
}

enum next_append { NOTHING, EMPTY, ENTRIES, FETCH, SNAPSHOT };

/* What to send to p next: the table of progress.h. */
static enum next_append choose(const struct raft *r, const struct raft_peer *p)
{
    bool has_entries = p->next <= r->log.last && !p->is_disk_full;

    if (p->progress == RAFT_SENDING || p->progress == RAFT_DOWN || p->is_fetching)
        return NOTHING;
    if (p->progress == RAFT_PROBE) {
        if (p->probe_seq != 0 ? !p->nudge_due : p->match == r->log.last)
            return NOTHING;
    } else if (!p->nudge_due && (!has_entries || raft_peer_is_full(p, &r->config))) {
        return NOTHING;
    }
    if (is_out_of_reach(r, p))
        return RAFT_MUTANT(B29_purged_log_waits)                        ? NOTHING
               : RAFT_MUTANT(B30_nudge_behind_the_base) && p->nudge_due ? EMPTY
                                                                        : SNAPSHOT;
    if (!has_entries || p->nudge_due)
        return EMPTY;
    return p->next < r->log.first ? FETCH : ENTRIES;
}

static bool send_entries(struct raft *r, struct raft_peer *p)
{
    uint64_t bytes;
    uint32_t count = batch_size(r, p->next, &bytes);
    const struct raft_entry *entries = raft_pool_log(r, p->next, count);
    return entries != NULL && send_append(r, p, entries, count, bytes);
}

static void replicate_to(struct raft *r, struct raft_peer *p)
{
    bool has_room = true;

    while (has_room) {
        switch (choose(r, p)) {
        case NOTHING:
            return;
        case EMPTY:
            has_room = send_append(r, p, NULL, 0, 0);
            break;
        case ENTRIES:
            has_room = send_entries(r, p);
            break;
        case FETCH:
            has_room = fetch(r, p);
            break;
        case SNAPSHOT:
            raft_peer_send_snapshot(p, r->message_seq);
            return;
        }
    }
}

static bool fetched_makes_sense(const struct raft *r, const struct raft_event *ev, raft_index first)
{
    for (uint32_t i = 0; i < ev->u.fetched.entry_count; i++) {
        const struct raft_entry *e = &ev->u.fetched.entries[i];
        if (e->index != first + i || e->term == 0 || e->term != raft_log_term_at(&r->log, e->index))
            return false;
    }
    return ev->u.fetched.entry_count <= r->config.batch_entries;
}

void raft_fetched(struct raft *r, const struct raft_event *ev)
{
    struct raft_peer *p = raft_find_peer(r, ev->u.fetched.peer);
    uint32_t count = ev->u.fetched.entry_count;
    uint64_t bytes = 0;

    if (r->role != RAFT_LEADER || p == NULL || !p->is_fetching) {
        r->fx->verdict = RAFT_NOTHING_TO_DO;
        return;
    }
    p->is_fetching = false;
    if (count == 0) {
        raft_peer_send_snapshot(p, r->message_seq);
        return;
    }
    if (ev->u.fetched.entries[0].index != p->next || p->is_disk_full) {
        r->fx->verdict = RAFT_NOTHING_TO_DO; /* Things have moved on; it is asked for again. */
        return;
    }
    if (!has_term_of(r, p->next - 1) || !fetched_makes_sense(r, ev, p->next)) {
        r->fx->verdict = RAFT_MALFORMED;
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        bytes += ev->u.fetched.entries[i].data.size;
    const struct raft_entry *entries = raft_pool_copy(r, ev->u.fetched.entries, count);
    CHECK(send_append(r, p, entries, count, bytes));
}

static bool send_heartbeat(struct raft *r, struct raft_peer *p)
{
    struct raft_message *m = raft_emit_message(r, RAFT_HEARTBEAT, p->id, 0);
    if (m == NULL)
        return false;
    raft_index commit = p->match < r->log.commit ? p->match : r->log.commit;
    m->seq = ++r->message_seq;
    m->log_term = raft_log_term_at(&r->log, commit);
    m->commit = m->log_term != 0 ? commit : 0;
    if (RAFT_MUTANT(M_heartbeat_names_commit))
        m->commit = r->log.commit;
    m->read_seq = r->read_seq;
    m->sent_us = r->now_us;
    if (raft_offers_quiet(r)) {
        m->quiesce = true;
        m->index = r->log.last;
    }
    p->read_sent = r->read_seq;
    if (m->commit > p->commit_sent)
        p->commit_sent = m->commit;
    p->heartbeat_due = false;
    return true;
}

static bool send_timeout_now(struct raft *r, struct raft_peer *p)
{
    struct raft_message *m = raft_emit_message(r, RAFT_TIMEOUT_NOW, p->id, 0);
    if (m == NULL)
        return false;
    m->seq = ++r->message_seq;
    m->index = r->log.last;
    m->log_term = raft_log_last_term(&r->log);
    m->commit = r->log.commit;
    p->timeout_now_due = false;
    return true;
}

void raft_emit_replication(struct raft *r)
{
    if (r->role != RAFT_LEADER)
        return;
    for (uint32_t i = 0; i < r->conf.count; i++) {
        struct raft_peer *p = &r->peers[i];
        if (p->id == r->config.id)
            continue;
        replicate_to(r, p);
        raft_emit_sending(r, p);
        if ((p->heartbeat_due || raft_read_needs(r, p)) && !send_heartbeat(r, p))
            return;
        if (p->timeout_now_due && !send_timeout_now(r, p))
            return;
    }
}
