#include "tests/raft/support/checker.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"

enum { CONTRACT = -1 };

#define ID(x) ((unsigned long long)(x))

void checker_init(struct checker *k, struct cluster *c)
{
    memset(k, 0, sizeof *k);
    k->c = c;
    k->entries_capacity = 4096;
    k->entries = calloc(k->entries_capacity, sizeof k->entries[0]);
    CHECK(k->entries != NULL);
}

void checker_deinit(struct checker *k)
{
    for (uint64_t i = 0; i < k->history_capacity; i++)
        free(k->history[i].conf);
    free(k->leaders);
    free(k->history);
    free(k->entries);
    free(k->outcomes);
    free(k->floors);
    free(k->places);
}

void checker_fail(struct checker *k, int invariant, const char *format, ...)
{
    k->c->is_stopped = !k->goes_on;
    if (k->text[0] != '\0')
        return;
    k->invariant = invariant;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(k->text, sizeof k->text, format, args);
    va_end(args);
}

/* Room for [0, needed), new places zeroed. */
static void *grow(void *array, uint64_t *capacity, uint64_t needed, size_t size)
{
    if (needed <= *capacity)
        return array;
    uint64_t grown = *capacity == 0 ? 256 : *capacity;
    while (grown < needed)
        grown *= 2;
    array = realloc(array, grown * size);
    CHECK(array != NULL);
    memset((char *)array + *capacity * size, 0, (grown - *capacity) * size);
    *capacity = grown;
    return array;
}

static struct committed *history_at(struct checker *k, raft_index index)
{
    k->history = grow(k->history, &k->history_capacity, index + 1, sizeof k->history[0]);
    return &k->history[index];
}

/* ---- I4: log matching --------------------------------------------------------------------- */

static struct written *written_at(struct checker *k, raft_index index, raft_term term)
{
    uint64_t mask = k->entries_capacity - 1;
    uint64_t at = hash_u64(index * 0x9e3779b97f4a7c15 ^ term) & mask;
    while (k->entries[at].index != 0 &&
           (k->entries[at].index != index || k->entries[at].term != term))
        at = (at + 1) & mask;
    return &k->entries[at];
}

static void grow_written(struct checker *k)
{
    struct written *old = k->entries;
    uint64_t count = k->entries_capacity;
    k->entries_capacity *= 2;
    k->entries = calloc(k->entries_capacity, sizeof k->entries[0]);
    CHECK(k->entries != NULL);
    for (uint64_t i = 0; i < count; i++) {
        if (old[i].index != 0)
            *written_at(k, old[i].index, old[i].term) = old[i];
    }
    free(old);
}

/* Equal (index, term) has the same entry and the same term before it; by induction all entries up
 * to it are equal. */
static void check_matching(struct checker *k, struct node *n, const struct raft_entry *e,
                           raft_term term_before)
{
    struct written *w = written_at(k, e->index, e->term);
    uint64_t hash = fsm_entry_hash(e);
    if (w->index == 0) {
        *w = (struct written) {
            .index = e->index, .term = e->term, .term_before = term_before, .hash = hash
        };
        if (++k->entries_count * 2 > k->entries_capacity)
            grow_written(k);
        return;
    }
    if (w->hash != hash || w->term_before != term_before)
        checker_fail(k, 4, "node %llu writes another entry %llu of term %llu", ID(n->id),
                     ID(e->index), ID(e->term));
}

/* ---- Writes ------------------------------------------------------------------------------- */

/* What the log will hold at index once the writes under way are done. */
static raft_term term_to_be(const struct node *n, raft_index index)
{
    const struct disk_write *newest = n->disk.newest;
    if (newest != NULL && newest->entry_count > 0 &&
        index - newest->entries[0].index < newest->entry_count)
        return newest->entries[index - newest->entries[0].index].term;
    raft_term term = disk_term_at(&n->disk, index);
    for (const struct disk_write *w = n->disk.first; w != NULL; w = w->next) {
        if (w->snapshot != NULL)
            term = w->snapshot->index == index ? w->snapshot->term : 0;
        if (w->truncate_from > 0 && index >= w->truncate_from)
            term = 0;
        if (w->entry_count > 0 && index >= w->entries[0].index &&
            index < w->entries[0].index + w->entry_count)
            term = w->entries[index - w->entries[0].index].term;
    }
    return term;
}

static void check_hard(struct checker *k, struct node *n, const struct raft_hard *hard,
                       const struct raft_hard *before)
{
    if (hard->term < before->term)
        checker_fail(k, 2, "node %llu writes term %llu after %llu", ID(n->id), ID(hard->term),
                     ID(before->term));
    if (hard->term == before->term && before->vote != 0 && hard->vote != before->vote)
        checker_fail(k, 3, "node %llu votes for %llu and for %llu in term %llu", ID(n->id),
                     ID(before->vote), ID(hard->vote), ID(hard->term));
    if (hard->commit < before->commit)
        checker_fail(k, 6, "node %llu writes commit %llu after %llu", ID(n->id), ID(hard->commit),
                     ID(before->commit));
    if (hard->acc_term < before->acc_term)
        checker_fail(k, 12, "node %llu writes acc_term %llu after %llu", ID(n->id),
                     ID(hard->acc_term), ID(before->acc_term));
    if (hard->commit > n->written_last || hard->conf_index > hard->commit)
        checker_fail(k, 15, "node %llu writes commit %llu, conf %llu, last %llu", ID(n->id),
                     ID(hard->commit), ID(hard->conf_index), ID(n->written_last));
}

/* I15: whoever stores a change knows durably that the one before it is committed; and a leader
 * makes none before an entry of its own term is. */
static void check_conf_chain(struct checker *k, struct node *n, const struct raft_persist *p)
{
    raft_index last_conf = 0;
    for (uint32_t i = 0; i < p->entry_count; i++) {
        if (p->entries[i].kind != RAFT_ENTRY_CONF)
            continue;
        raft_index index = p->entries[i].index;
        if (n->role == RAFT_LEADER && p->entries[i].term == n->term &&
            term_to_be(n, p->hard->commit) != n->term)
            checker_fail(k, 15, "leader %llu makes change %llu, and knows %llu to be committed",
                         ID(n->id), ID(index), ID(p->hard->commit));
        if (last_conf == 0) {
            /* What is behind the first entry of this write is gone with it. */
            raft_index j = p->entries[0].index - 1;
            for (; j > p->hard->commit && j > n->disk.base_index; j--) {
                const struct raft_entry *e = disk_entry(&n->disk, j);
                if (e != NULL && e->kind == RAFT_ENTRY_CONF && e->term == term_to_be(n, j))
                    last_conf = j;
            }
        }
        if (last_conf > p->hard->commit)
            checker_fail(k, 15, "node %llu stores change %llu with %llu not known committed",
                         ID(n->id), ID(index), ID(last_conf));
        last_conf = index;
    }
}

static void check_persist(struct checker *k, struct node *n, const struct raft_persist *p)
{
    const struct raft_hard *before = disk_newest_hard(&n->disk);
    raft_index last = n->written_last;
    if (p->snapshot != NULL) {
        if (!n->is_staged || n->staged.index != p->snapshot->index)
            checker_fail(k, CONTRACT, "node %llu records a snapshot that is not staged (L12)",
                         ID(n->id));
        if (p->snapshot->index < before->commit)
            checker_fail(k, 6, "node %llu installs snapshot %llu below its commit %llu", ID(n->id),
                         ID(p->snapshot->index), ID(before->commit));
        last = p->snapshot->index;
    }
    if (p->truncate_from > 0) {
        if (p->truncate_from <= before->commit)
            checker_fail(k, 26, "node %llu truncates from %llu, committed to %llu", ID(n->id),
                         ID(p->truncate_from), ID(before->commit));
        if (n->role == RAFT_LEADER && p->snapshot == NULL)
            checker_fail(k, 5, "node %llu truncates while it leads", ID(n->id));
        if (p->truncate_from > last + 1)
            checker_fail(k, CONTRACT, "node %llu truncates from %llu, last %llu", ID(n->id),
                         ID(p->truncate_from), ID(last));
        last = p->truncate_from - 1;
    }
    for (uint32_t i = 0; i < p->entry_count && !k->c->is_stopped; i++) {
        const struct raft_entry *e = &p->entries[i];
        if (e->index != last + 1) {
            checker_fail(k, CONTRACT, "node %llu writes entry %llu behind %llu", ID(n->id),
                         ID(e->index), ID(last));
            break;
        }
        raft_term term_before = i > 0                 ? p->entries[i - 1].term
                                : p->snapshot != NULL ? p->snapshot->term
                                                      : term_to_be(n, last);
        check_matching(k, n, e, term_before);
        last = e->index;
    }
    raft_index kept = n->written_last;
    n->written_last = last;
    check_hard(k, n, p->hard, before);
    n->written_last = kept;
    check_conf_chain(k, n, p);
    if (p->seq <= n->seq)
        checker_fail(k, CONTRACT, "node %llu: write %llu after %llu (L1)", ID(n->id), ID(p->seq),
                     ID(n->seq));
}

/* ---- Elections ---------------------------------------------------------------------------- */

static void check_leader(struct checker *k, struct node *n, raft_term term)
{
    k->leaders = grow(k->leaders, &k->leaders_capacity, term + 1, sizeof k->leaders[0]);
    raft_id other = k->leaders[term];
    if (other != 0 && other != n->id)
        checker_fail(k, 1, "nodes %llu and %llu lead term %llu", ID(other), ID(n->id), ID(term));
    k->leaders[term] = n->id;

    struct raft_view v;
    raft_view(n->raft, &v);
    /* It may win late, when others lead later terms: what they commit it need not have. */
    raft_index must = k->committed;
    while (must > 0 && k->history[must].known_in >= term)
        must--;
    if (v.last < must)
        checker_fail(k, 8, "leader %llu of term %llu has %llu entries of %llu committed", ID(n->id),
                     ID(term), ID(v.last), ID(must));
    if (must > v.base_index) {
        raft_term theirs = raft_term_at(n->raft, must);
        if (theirs != 0 && k->history[must].term != 0 && theirs != k->history[must].term)
            checker_fail(k, 8, "leader %llu of term %llu lacks entry %llu of term %llu", ID(n->id),
                         ID(term), ID(must), ID(k->history[must].term));
    }
    for (raft_id id = 1; id < CLUSTER_IDS; id++) {
        struct node *o = &k->c->nodes[id];
        if (o == n || !node_is_up(o) || o->role != RAFT_LEADER || !o->config.has_leases)
            continue;
        raft_view(o->raft, &v);
        uint64_t clock = node_clock(o, k->c->now);
        if (v.term < term && v.lease_until_us > clock)
            checker_fail(k, 21, "%llu leads term %llu while %llu has a lease of term %llu",
                         ID(n->id), ID(term), ID(id), ID(v.term));
    }
}

/* ---- Commitment --------------------------------------------------------------------------- */

static bool holds_durably(struct checker *k, raft_id id, raft_index index, raft_term term)
{
    const struct node *n = cluster_node(k->c, id);
    if (n == NULL || n->state == NODE_NONE)
        return false;
    if (n->state == NODE_GONE)
        return true; /* It held what it acknowledged until it went. */
    return n->disk.base_index > index || disk_term_at(&n->disk, index) == term;
}

static bool is_voter_of(enum raft_member_role role, bool is_new_half)
{
    return role == RAFT_MEMBER_VOTER ||
           role == (is_new_half ? RAFT_MEMBER_INCOMING : RAFT_MEMBER_DEMOTING);
}

/* I14, worked out from the disks. */
static bool has_quorum(struct checker *k, const struct raft_conf *conf, raft_index index,
                       raft_term term)
{
    for (int half = 0; half < 2; half++) {
        uint32_t voters = 0;
        uint32_t holders = 0;
        for (uint32_t i = 0; i < conf->count; i++) {
            if (!is_voter_of(conf->members[i].role, half == 1))
                continue;
            voters++;
            holders += holds_durably(k, conf->members[i].id, index, term);
        }
        if (holders * 2 <= voters)
            return false;
    }
    return true;
}

/* The same by the conf that n has in force. */
static bool has_quorum_inside(struct checker *k, const struct node *n, raft_index index,
                              raft_term term)
{
    struct raft_view v;
    raft_view(n->raft, &v);
    return has_quorum(k, &v.conf, index, term);
}

static void check_commit(struct checker *k, struct node *n, raft_index index)
{
    raft_index before = k->matched_commit[n->id];
    if (index <= before && before != 0)
        checker_fail(k, 6, "node %llu announces commit %llu after %llu", ID(n->id), ID(index),
                     ID(before));
    k->matched_commit[n->id] = index;
    if (index > k->committed && n->role == RAFT_LEADER) {
        raft_term term = raft_term_at(n->raft, index);
        if (term != n->term)
            checker_fail(k, 11, "leader %llu of term %llu commits entry %llu of term %llu",
                         ID(n->id), ID(n->term), ID(index), ID(term));
        /* By the conf that n was told last, if there is a change on the way: until that is in
         * force it does not count, and a joint conf needs the old half in any case. */
        if (!has_quorum(k, &n->conf, index, term) && !has_quorum_inside(k, n, index, term))
            checker_fail(k, 14, "leader %llu commits %llu without a quorum of disks", ID(n->id),
                         ID(index));
    }
    for (raft_index i = before + 1; i <= index; i++) {
        raft_term term = raft_term_at(n->raft, i);
        if (term == 0)
            continue; /* Of a snapshot, or not remembered. */
        struct committed *h = history_at(k, i);
        if (h->term == 0)
            h->term = term;
        if (h->known_in == 0 || h->known_in > n->term)
            h->known_in = n->term;
        if (h->term != term)
            checker_fail(k, 7, "node %llu commits entry %llu of term %llu, it was of term %llu",
                         ID(n->id), ID(i), ID(term), ID(h->term));
    }
    (void)history_at(k, index);
    if (index > k->committed)
        k->committed = index;
}

/* ---- Requests ----------------------------------------------------------------------------- */

static bool is_request(enum raft_message_kind kind)
{
    return kind == RAFT_PREVOTE || kind == RAFT_VOTE || kind == RAFT_APPEND ||
           kind == RAFT_HEARTBEAT || kind == RAFT_SNAPSHOT || kind == RAFT_TIMEOUT_NOW;
}

/* I29, when it is told: whoever is a member then may be none when the message leaves, behind a
 * write. The conf in force is that of the newest write, but after a restart. */
static void check_receiver(struct checker *k, struct node *n, const struct raft_message *m)
{
    if (!is_request(m->kind) || conf_member(&disk_newest_hard(&n->disk)->conf, m->to) != NULL)
        return;
    struct raft_view v;
    raft_view(n->raft, &v);
    if (conf_member(&v.conf, m->to) == NULL)
        checker_fail(k, 29, "node %llu sends %s to %llu, which is no member", ID(n->id),
                     raft_message_kind_name(m->kind), ID(m->to));
}

/* ---- Hooks -------------------------------------------------------------------------------- */

void checker_effect(struct checker *k, struct node *n, const struct raft_effect *e)
{
    k->checks++;
    k->seen.effects[e->kind]++;
    switch (e->kind) {
    case RAFT_EFFECT_PERSIST:
        check_persist(k, n, &e->u.persist);
        break;
    case RAFT_EFFECT_SEND:
        check_receiver(k, n, &e->u.send.message);
        break;
    case RAFT_EFFECT_COMMIT:
        check_commit(k, n, e->u.index);
        break;
    case RAFT_EFFECT_ROLE:
        if (e->u.role.role == RAFT_LEADER && n->role != RAFT_LEADER)
            check_leader(k, n, e->u.role.term);
        k->seen.reasons[e->u.role.reason]++;
        break;
    case RAFT_EFFECT_APPLY:
        if (e->u.apply.first != n->announced + 1 || e->u.apply.last < e->u.apply.first)
            checker_fail(k, 24, "node %llu applies %llu to %llu after %llu (L6)", ID(n->id),
                         ID(e->u.apply.first), ID(e->u.apply.last), ID(n->announced));
        if (e->u.apply.last > disk_last(&n->disk) && e->u.apply.last > n->disk.base_index)
            checker_fail(k, 24, "node %llu applies %llu, durable is %llu (L6)", ID(n->id),
                         ID(e->u.apply.last), ID(disk_last(&n->disk)));
        if (e->u.apply.last > k->committed)
            checker_fail(k, 24, "node %llu applies %llu, committed is %llu", ID(n->id),
                         ID(e->u.apply.last), ID(k->committed));
        break;
    case RAFT_EFFECT_READ_FAILED:
        k->seen.reasons[e->u.read.reason]++;
        break;
    case RAFT_EFFECT_TRANSFER_ENDED:
        k->seen.reasons[e->u.transfer.reason]++;
        break;
    case RAFT_EFFECT_ALARM:
        k->seen.alarms[e->u.alarm.alarm]++;
        if (e->u.alarm.alarm == RAFT_ALARM_INVARIANT)
            checker_fail(k, (int)e->u.alarm.detail, "node %llu halts itself: %s", ID(n->id),
                         raft_invariant_name((enum raft_invariant)e->u.alarm.detail));
        if (e->u.alarm.alarm == RAFT_ALARM_SENDER_CONFLICT)
            checker_fail(k, 7, "node %llu: %llu contradicts what is committed", ID(n->id),
                         ID(e->u.alarm.peer));
        if (e->u.alarm.alarm == RAFT_ALARM_PEER_LOST_ENTRIES && !k->may_forget[e->u.alarm.peer])
            checker_fail(k, 12, "node %llu: %llu lost what it said was durable", ID(n->id),
                         ID(e->u.alarm.peer));
        break;
    default:
        break;
    }
}

void checker_stepped(struct checker *k, struct node *n, const struct raft_event *event,
                     const struct raft_effects *fx)
{
    k->seen.reasons[fx->verdict]++;
    uint64_t released = 0;
    if (fx->taken_count > 0) {
        const struct raft_entry *entries =
            event->kind == RAFT_EVENT_RECV ? event->u.message->entries : event->u.propose.entries;
        for (uint32_t i = 0; i < fx->taken_count; i++)
            released += entries[fx->taken_first + i].blob == NULL &&
                        entries[fx->taken_first + i].data.size > 0;
    }
    if (released > 0)
        checker_fail(k, 28, "node %llu took an entry without its payload", ID(n->id));
    if (fx->deadline_us <= n->clock_us && event->kind == RAFT_EVENT_TIMER && !fx->more)
        checker_fail(k, CONTRACT, "node %llu: a timer that is due is due again (L16)", ID(n->id));
    if (n->role == RAFT_HALTED && n->halt_reason == RAFT_HALT_INVARIANT)
        checker_fail(k, CONTRACT, "node %llu halted: %s", ID(n->id),
                     raft_reason_name(n->halt_reason));
}

/* What must be durable before it is said (I12). */
static void check_promise(struct checker *k, struct node *n, const struct raft_message *m)
{
    const struct raft_hard *hard = &n->disk.hard;
    if (m->kind == RAFT_VOTE_RESP && !m->reject && (hard->term != m->term || hard->vote != m->to) &&
        hard->term <= m->term)
        checker_fail(k, 3, "node %llu grants %llu term %llu; stored are term %llu, vote %llu",
                     ID(n->id), ID(m->to), ID(m->term), ID(hard->term), ID(hard->vote));
    if (m->kind == RAFT_APPEND_RESP && !m->reject) {
        struct node *leader = cluster_node(k->c, m->to);
        bool is_current = leader != NULL && node_is_up(leader) && leader->term == m->term &&
                          leader->role == RAFT_LEADER && m->term == n->term;
        raft_term term = disk_term_at(&n->disk, m->index);
        if (m->index > disk_last(&n->disk) && is_current)
            checker_fail(k, 12, "node %llu acknowledges %llu, durable is %llu", ID(n->id),
                         ID(m->index), ID(disk_last(&n->disk)));
        raft_term theirs = is_current ? raft_term_at(leader->raft, m->index) : 0;
        if (theirs != 0 && m->index > n->disk.base_index && term != theirs)
            checker_fail(k, 12, "node %llu acknowledges %llu of term %llu; durable is term %llu",
                         ID(n->id), ID(m->index), ID(theirs), ID(term));
    }
    if (m->kind == RAFT_VOTE && (hard->term < m->term || hard->vote != n->id) &&
        hard->term <= m->term)
        checker_fail(k, 3, "node %llu asks for votes of term %llu before its own is stored",
                     ID(n->id), ID(m->term));
}

static void check_no_lease(struct checker *k, const struct node *n)
{
    struct raft_view v;
    raft_view(n->raft, &v);
    if (v.lease_until_us != 0)
        checker_fail(k, 22, "node %llu sends TIMEOUT_NOW and keeps its lease", ID(n->id));
}

void checker_sent(struct checker *k, struct node *n, const struct packet *p)
{
    const struct raft_message *m = &p->m;
    k->checks++;
    k->seen.messages[m->kind]++;
    k->seen.reasons[m->reason]++;
    check_promise(k, n, m);
    if (m->from != n->id || m->to == n->id || m->to == 0)
        checker_fail(k, CONTRACT, "node %llu sends as %llu to %llu", ID(n->id), ID(m->from),
                     ID(m->to));
    if (m->kind == RAFT_TIMEOUT_NOW)
        check_no_lease(k, n);
}

void checker_persisted(struct checker *k, struct node *n)
{
    struct vote *v = &k->votes[n->id];
    const struct raft_hard *hard = &n->disk.hard;
    if (hard->term < v->term)
        checker_fail(k, 2, "node %llu: durable term %llu after %llu", ID(n->id), ID(hard->term),
                     ID(v->term));
    if (hard->term == v->term && v->vote != 0 && hard->vote != v->vote)
        checker_fail(k, 3, "node %llu: durable votes for %llu and %llu in term %llu", ID(n->id),
                     ID(v->vote), ID(hard->vote), ID(hard->term));
    *v = (struct vote) { .term = hard->term, .vote = hard->vote };
}

void checker_restart(struct checker *k, struct node *n)
{
    checker_persisted(k, n); /* Of the writes that the crash let through. */
    k->matched_commit[n->id] = 0;
}

void checker_started(struct checker *k, struct node *n)
{
    struct raft_view v;
    raft_view(n->raft, &v);
    const struct raft_hard *h = &n->disk.hard;
    k->matched_commit[n->id] = v.commit;
    if (v.commit > k->committed) {
        /* It was stored, and the crash came before it was announced. */
        (void)history_at(k, v.commit);
        k->committed = v.commit;
        k->history[v.commit].term = raft_term_at(n->raft, v.commit);
        k->history[v.commit].known_in = v.term;
    }
    if (v.term != h->term || v.vote != h->vote || v.acc_term != h->acc_term || v.commit < h->commit)
        checker_fail(k, 27, "node %llu does not restore its hard state", ID(n->id));
    if (v.last != disk_last(&n->disk) || v.base_index != n->disk.base_index)
        checker_fail(k, 27, "node %llu restores %llu..%llu of %llu..%llu", ID(n->id),
                     ID(v.base_index), ID(v.last), ID(n->disk.base_index), ID(disk_last(&n->disk)));
}

/* The state after index is the one that every replica had after it. */
static void check_state(struct checker *k, struct node *n)
{
    struct committed *h = history_at(k, n->fsm.index);
    if (h->digest == 0)
        h->digest = n->fsm.digest;
    if (h->digest != n->fsm.digest)
        checker_fail(k, 9, "node %llu has another state at %llu", ID(n->id), ID(n->fsm.index));
}

void checker_applied(struct checker *k, struct node *n, const struct raft_entry *e)
{
    k->checks++;
    struct committed *h = history_at(k, e->index);
    if (k->c->fault != NULL)
        checker_fail(k, 9, "node %llu: %s", ID(n->id), k->c->fault);
    if (e->index > k->committed)
        checker_fail(k, 24, "node %llu applies %llu, committed is %llu", ID(n->id), ID(e->index),
                     ID(k->committed));
    if (h->term == 0)
        h->term = e->term;
    if (h->term != e->term)
        checker_fail(k, 7, "node %llu applies %llu of term %llu, it was of term %llu", ID(n->id),
                     ID(e->index), ID(e->term), ID(h->term));
    check_state(k, n);
    if (e->kind == RAFT_ENTRY_CONF) {
        if (h->conf == NULL) {
            h->conf = malloc(sizeof *h->conf);
            CHECK(h->conf != NULL);
            *h->conf = n->fsm.conf;
        }
        if (!conf_equal(h->conf, &n->fsm.conf))
            checker_fail(k, 15, "node %llu has another conf at %llu", ID(n->id), ID(e->index));
    }
    if (e->index <= k->applied)
        return;
    k->applied = e->index;
    uint64_t serial = fsm_serial_of(e);
    if (serial == 0 || serial > k->serials)
        return;
    h->serial = serial;
    enum outcome o = (enum outcome)k->outcomes[serial];
    if (o == OUTCOME_LOST || o == OUTCOME_REFUSED)
        checker_fail(k, 23, "write %llu was reported failed and is applied at %llu", ID(serial),
                     ID(e->index));
    if (k->places[serial] != 0 && k->places[serial] != e->index)
        checker_fail(k, 23, "write %llu was accepted at %llu and is applied at %llu", ID(serial),
                     ID(k->places[serial]), ID(e->index));
    if (e->index <= k->floors[serial])
        checker_fail(k, 20, "write %llu takes effect at %llu, and began after %llu", ID(serial),
                     ID(e->index), ID(k->floors[serial]));
}

/* A crash now would restore an older conf than the state machine was built with (L7). */
void checker_saved(struct checker *k, struct node *n)
{
    k->checks++;
    if (n->disk.saved.conf_index > n->disk.hard.conf_index)
        checker_fail(k, CONTRACT, "node %llu: saved with the conf of %llu, durable is that of %llu",
                     ID(n->id), ID(n->disk.saved.conf_index), ID(n->disk.hard.conf_index));
}

void checker_switched(struct checker *k, struct node *n)
{
    check_state(k, n);
    if (n->fsm.index > k->committed)
        checker_fail(k, 25, "node %llu installs %llu, committed is %llu", ID(n->id),
                     ID(n->fsm.index), ID(k->committed));
}

/* ---- Clients ------------------------------------------------------------------------------ */

uint64_t checker_begin_write(struct checker *k)
{
    uint64_t serial = ++k->serials;
    if (serial >= k->serials_capacity) {
        uint64_t capacity = k->serials_capacity;
        k->outcomes = grow(k->outcomes, &capacity, serial + 1, sizeof k->outcomes[0]);
        capacity = k->serials_capacity;
        k->floors = grow(k->floors, &capacity, serial + 1, sizeof k->floors[0]);
        capacity = k->serials_capacity;
        k->places = grow(k->places, &capacity, serial + 1, sizeof k->places[0]);
        k->serials_capacity = capacity;
    }
    k->outcomes[serial] = OUTCOME_WAITING;
    k->floors[serial] = k->floor;
    return serial;
}

void checker_accepted(struct checker *k, uint64_t serial, raft_index index)
{
    k->places[serial] = index;
}

void checker_end_write(struct checker *k, uint64_t serial, enum outcome outcome)
{
    if (k->outcomes[serial] != OUTCOME_WAITING)
        checker_fail(k, 23, "write %llu has two outcomes", ID(serial));
    k->outcomes[serial] = (uint8_t)outcome;
    raft_index index = k->places[serial];
    bool is_applied = index != 0 && index <= k->applied && k->history[index].serial == serial;
    if (outcome == OUTCOME_DONE && !is_applied)
        checker_fail(k, 23, "write %llu was reported done and is not at %llu", ID(serial),
                     ID(index));
    if ((outcome == OUTCOME_LOST || outcome == OUTCOME_REFUSED) && is_applied)
        checker_fail(k, 23, "write %llu was applied at %llu and is reported failed", ID(serial),
                     ID(index));
    if (outcome == OUTCOME_DONE && index > k->floor)
        k->floor = index;
}

void checker_read(struct checker *k, struct node *n, raft_index floor)
{
    k->checks++;
    if (n->fsm.index < floor)
        checker_fail(k, 20, "a read at node %llu saw %llu and began after %llu", ID(n->id),
                     ID(n->fsm.index), ID(floor));
    if (n->fsm.index > k->floor)
        k->floor = n->fsm.index;
}
