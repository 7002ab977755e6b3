/*
 * Linearizable reads without an entry: ReadIndex (thesis 6.4), by number.
 *
 * The leader numbers reads upwards and never reuses a number. Every append and heartbeat carries
 * the newest; answers repeat it. When a majority has repeated n, we led when it answered, after
 * read n was numbered: all reads up to n may be served at the commit index they took down. At most
 * one round is under way only for reads; later ones ride on it or on appends.
 *
 * A follower asks its leader and keeps the question open, under a number that no earlier life of it
 * used.
 */
#include "raft/core.h"

/* ---- Asking --------------------------------------------------------------------------------- */

static struct raft_read *add(struct raft *r, raft_id from)
{
    struct raft_read *d = &r->reads[r->read_count++];
    *d = (struct raft_read) { .from = from, .since_us = r->now_us };
    return d;
}

static void number(struct raft *r, struct raft_read *d)
{
    d->seq = ++r->read_seq;
    d->index = r->log.commit;
    d->term = r->term;
}

static enum raft_reason refusal(const struct raft *r)
{
    if (r->read_count == r->config.reads)
        return RAFT_BUSY;
    if (r->role == RAFT_LEADER) {
        if (r->is_leaving)
            return RAFT_NOT_LEADER;
        return r->transferee != 0 ? RAFT_TRANSFERRING : RAFT_OK;
    }
    return r->leader == 0 ? RAFT_NO_LEADER : RAFT_OK;
}

/* On the leader: with a lease it is confirmed already; before the first entry of our own term is
 * committed it waits without a number. */
static void begin(struct raft *r, struct raft_read *d)
{
    raft_wake(r);
    if (!raft_has_own_commit(r) && !RAFT_MUTANT(B03_read_before_own_commit))
        return;
    number(r, d);
    if (raft_has_lease(r)) {
        d->state = RAFT_READ_CONFIRMED;
        d->by_lease = true;
    }
}

void raft_read(struct raft *r, uint64_t ctx)
{
    enum raft_reason why = refusal(r);

    r->fx->verdict = why;
    if (why != RAFT_OK)
        return;
    struct raft_read *d = add(r, r->config.id);
    d->ctx = ctx;
    if (r->role == RAFT_LEADER) {
        begin(r, d);
        return;
    }
    raft_wake(r);
    d->seq = ++r->read_seq;
    struct raft_message *m = raft_emit_message(r, RAFT_READ, r->leader, 0);
    CHECK(m != NULL);
    m->read_seq = d->seq;
}

void raft_recv_read(struct raft *r, const struct raft_message *m)
{
    enum raft_reason why = r->role == RAFT_LEADER ? refusal(r) : RAFT_NOT_LEADER;

    if (why != RAFT_OK) {
        struct raft_message *reply = raft_refuse(r, m, RAFT_READ_RESP, why);
        reply->read_seq = m->read_seq;
        return;
    }
    struct raft_read *d = add(r, m->from);
    d->remote_seq = m->read_seq;
    begin(r, d);
}

/* ---- Confirming ----------------------------------------------------------------------------- */

void raft_number_reads(struct raft *r)
{
    for (uint32_t i = 0; i < r->read_count; i++) {
        if (r->reads[i].seq == 0 && r->reads[i].state == RAFT_READ_WAITING)
            number(r, &r->reads[i]);
    }
}

static bool has_numbered(const struct raft *r)
{
    for (uint32_t i = 0; i < r->read_count; i++) {
        if (r->reads[i].seq != 0 && r->reads[i].state == RAFT_READ_WAITING)
            return true;
    }
    return false;
}

bool raft_read_needs(const struct raft *r, const struct raft_peer *p)
{
    return p->read_sent < r->read_seq && p->read_sent <= p->read_acked &&
           raft_conf_is_voter(&r->conf, p->id) && has_numbered(r);
}

/* The newest number that a majority has repeated. */
static uint64_t quorum_repeated(const struct raft *r)
{
    uint64_t values[RAFT_MEMBERS_MAX];

    if (RAFT_MUTANT(B06_reads_without_quorum))
        return r->read_seq;
    for (uint32_t i = 0; i < r->conf.count; i++)
        values[i] = r->peers[i].id == r->config.id ? r->read_seq : r->peers[i].read_acked;
    return raft_conf_quorum(&r->conf, values);
}

void raft_confirm_reads(struct raft *r)
{
    if (r->role != RAFT_LEADER || r->read_count == 0)
        return;
    uint64_t confirmed = quorum_repeated(r);
    for (uint32_t i = 0; i < r->read_count; i++) {
        struct raft_read *d = &r->reads[i];
        if (d->state == RAFT_READ_WAITING && d->seq != 0 && d->seq <= confirmed)
            d->state = RAFT_READ_CONFIRMED;
    }
}

void raft_recv_read_resp(struct raft *r, const struct raft_message *m)
{
    for (uint32_t i = 0; i < r->read_count; i++) {
        struct raft_read *d = &r->reads[i];
        if (r->role == RAFT_LEADER || d->seq != m->read_seq || d->state != RAFT_READ_WAITING)
            continue;
        d->state = m->reject ? RAFT_READ_LOST : RAFT_READ_CONFIRMED;
        d->reason = m->reason;
        d->index = m->index;
        d->term = r->term;
        return;
    }
    r->fx->verdict = RAFT_STALE_REPLY;
}

/* ---- Ending --------------------------------------------------------------------------------- */

void raft_lose_reads(struct raft *r, enum raft_reason reason)
{
    if (RAFT_MUTANT(B05_reads_outlive_the_leader) && reason == RAFT_LEADER_CHANGED)
        return;
    for (uint32_t i = 0; i < r->read_count; i++) {
        if (r->reads[i].state != RAFT_READ_WAITING)
            continue;
        r->reads[i].state = RAFT_READ_LOST;
        r->reads[i].reason = reason;
    }
}

/* A leader's reads end with its leadership at the latest; a follower's question may have been lost.
 */
static bool expires(const struct raft *r, const struct raft_read *d)
{
    return r->role != RAFT_LEADER && d->state == RAFT_READ_WAITING;
}

void raft_expire_reads(struct raft *r)
{
    for (uint32_t i = 0; i < r->read_count; i++) {
        struct raft_read *d = &r->reads[i];
        if (expires(r, d) && r->now_us >= d->since_us + r->config.election_us) {
            d->state = RAFT_READ_LOST;
            d->reason = RAFT_TIMED_OUT;
        }
    }
}

uint64_t raft_reads_deadline(const struct raft *r)
{
    for (uint32_t i = 0; i < r->read_count; i++) {
        if (expires(r, &r->reads[i]))
            return r->reads[i].since_us + r->config.election_us;
    }
    return RAFT_NEVER;
}

/* The answer to a follower. */
static bool emit_answer(struct raft *r, const struct raft_read *d)
{
    if (r->role == RAFT_HALTED)
        return true; /* Silence is an answer, in time. */
    struct raft_message *m = raft_emit_message(r, RAFT_READ_RESP, d->from, 0);
    if (m == NULL)
        return false;
    m->read_seq = d->remote_seq;
    m->reject = d->state == RAFT_READ_LOST;
    m->reason = d->reason;
    m->index = m->reject ? 0 : d->index;
    return true;
}

static bool emit_result(struct raft *r, const struct raft_read *d)
{
    bool is_ready = d->state == RAFT_READ_CONFIRMED;
    struct raft_effect *e =
        raft_emit(r, is_ready ? RAFT_EFFECT_READ_READY : RAFT_EFFECT_READ_FAILED);
    if (e == NULL)
        return false;
    e->u.read.ctx = d->ctx;
    e->u.read.reason = d->reason;
    e->u.read.index = is_ready ? d->index : 0;
    e->u.read.term = is_ready ? d->term : 0;
    e->u.read.seq = d->seq;
    e->u.read.by_lease = d->by_lease;
    return true;
}

void raft_emit_reads(struct raft *r)
{
    uint32_t kept = 0;
    bool has_room = true;

    for (uint32_t i = 0; i < r->read_count; i++) {
        struct raft_read *d = &r->reads[i];
        bool is_told = has_room && d->state != RAFT_READ_WAITING;
        if (is_told) {
            has_room = d->from == r->config.id ? emit_result(r, d) : emit_answer(r, d);
            is_told = has_room;
        }
        if (!is_told)
            r->reads[kept++] = *d;
    }
    r->read_count = kept;
}
