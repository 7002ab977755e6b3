/*
 * hostile_prog -- one replica, a driver that keeps the law, and peers that say anything.
 *
 * raft_hostile_prog [FIRST SEED [SEEDS]]
 *
 * Messages are well-formed and near to what the replica has: terms, indexes and numbers around its
 * own, entries and snapshots that fit or do not, answers to questions that it asked or never did.
 * Half of the replicas are often made leader. Whatever they hear, no assertion fails, each write
 * goes on where the log ended, telling ends, and a timer that has run is not due again. They halt
 * when they are contradicted; that an invariant is broken only a leader can bring about that makes
 * two changes at once (I16, I17).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raft/codec.h"
#include "raft/core.h"

enum { SEEDS = 600, STEPS = 1500, IN_A_ROW = 10000 }; /* IN_A_ROW: what one event may need. */
enum { PEERS = 6 };                                   /* 2 .. 6 and strangers; we are 1. */
enum { LOG_MAX = 4096, STAMPS_MAX = 2048, BATCH_MAX = 16, CHANGES = 16 };

struct stamp {
    uint64_t seq;
    struct raft_mark mark;
};

struct hostile {
    struct rand rand;
    uint64_t seed;
    bool leads_often;
    struct raft_config config;
    struct raft *r;
    struct raft_effects fx;
    void *memory;
    void *fx_memory;
    uint64_t now_us;

    /* The driver's. */
    struct stamp stamps[STAMPS_MAX];
    uint32_t stamp_count;
    raft_index written; /* The log's end, and its entries. */
    struct raft_entry log[LOG_MAX];
    raft_index to_apply;
    bool is_staging;
    struct raft_snapshot staging;
    bool wants_snapshot[PEERS + 1];
    uint64_t offer_ids;
    bool is_fetching[PEERS + 1];
    raft_index fetch_first[PEERS + 1];
    raft_index fetch_last[PEERS + 1];

    /* What is said. */
    struct raft_message m;
    struct raft_entry entries[BATCH_MAX];
    struct raft_snapshot snapshot;
    uint8_t changes[CHANGES][RAFT_CHANGE_MAX];
    size_t change_sizes[CHANGES];
};

struct tally {
    uint64_t steps;
    uint64_t halts;
    uint64_t led;
    uint64_t failures;
};

static uint64_t below(struct hostile *h, uint64_t bound)
{
    return rand_below(&h->rand, bound);
}

static bool one_in(struct hostile *h, uint64_t n)
{
    return below(h, n) == 0;
}

static void fails(const struct hostile *h, struct tally *t, const char *what)
{
    printf("seed %llu: %s\n", (unsigned long long)h->seed, what);
    t->failures++;
}

/* ---- The driver --------------------------------------------------------------------------- */

static void write_down(struct hostile *h, const struct raft_persist *p, struct tally *t)
{
    if (p->snapshot != NULL)
        h->written = p->snapshot->index;
    if (p->truncate_from > 0)
        h->written = p->truncate_from - 1;
    for (uint32_t i = 0; i < p->entry_count; i++) {
        if (p->entries[i].index != h->written + 1)
            fails(h, t, "a write does not go on where the log ended");
        h->written = p->entries[i].index;
        h->log[h->written % LOG_MAX] = p->entries[i];
    }
    if (h->stamp_count < STAMPS_MAX)
        h->stamps[h->stamp_count++] = (struct stamp) { .seq = p->seq, .mark = p->mark };
}

static void carry_out(struct hostile *h, const struct raft_effect *e, struct tally *t)
{
    switch (e->kind) {
    case RAFT_EFFECT_PERSIST:
        write_down(h, &e->u.persist, t);
        break;
    case RAFT_EFFECT_APPLY:
        h->to_apply = e->u.apply.last;
        break;
    case RAFT_EFFECT_INSTALL:
        h->is_staging = true;
        h->staging = *e->u.install.snapshot;
        break;
    case RAFT_EFFECT_SNAPSHOT_WANTED:
        if (e->u.peer <= PEERS)
            h->wants_snapshot[e->u.peer] = true;
        break;
    case RAFT_EFFECT_FETCH:
        if (e->u.fetch.peer > PEERS)
            break;
        h->is_fetching[e->u.fetch.peer] = true;
        h->fetch_first[e->u.fetch.peer] = e->u.fetch.first;
        h->fetch_last[e->u.fetch.peer] = e->u.fetch.last;
        break;
    case RAFT_EFFECT_ROLE:
        t->led += e->u.role.role == RAFT_LEADER;
        break;
    case RAFT_EFFECT_ALARM:
        if (e->u.alarm.alarm == RAFT_ALARM_INVARIANT && e->u.alarm.detail != RAFT_I16_ONE_CHANGE &&
            e->u.alarm.detail != RAFT_I17_JOINT_LEAVES)
            fails(h, t, raft_invariant_name((enum raft_invariant)e->u.alarm.detail));
        break;
    default:
        break;
    }
}

static void step_once(struct hostile *h, const struct raft_event *ev, struct tally *t)
{
    raft_step(h->r, h->now_us, ev, &h->fx);
    t->steps++;
    for (uint32_t i = 0; i < h->fx.count; i++)
        carry_out(h, &h->fx.list[i], t);
}

/* What is told in pieces is told to its end, and what is due is done. */
static void step(struct hostile *h, const struct raft_event *ev, struct tally *t)
{
    static const struct raft_event timer = { .kind = RAFT_EVENT_TIMER };
    uint32_t rest = IN_A_ROW;

    step_once(h, ev, t);
    while ((h->fx.more || h->fx.deadline_us <= h->now_us) && --rest > 0)
        step_once(h, &timer, t);
    if (rest == 0)
        fails(h, t, "there is always more to tell, or to do");
}

static void persist_some(struct hostile *h, uint32_t count, struct tally *t)
{
    struct raft_event ev = { .kind = RAFT_EVENT_PERSISTED };
    const struct stamp newest = h->stamps[count - 1];

    ev.u.persisted.seq = newest.seq;
    ev.u.persisted.mark = newest.mark;
    h->stamp_count -= count;
    memmove(h->stamps, h->stamps + count, h->stamp_count * sizeof *h->stamps);
    step(h, &ev, t);
}

static void disk_moves(struct hostile *h, struct tally *t)
{
    if (h->stamp_count > 0)
        persist_some(h, 1 + (uint32_t)below(h, h->stamp_count), t);
}

static void is_applied(struct hostile *h, struct tally *t)
{
    struct raft_event ev = { .kind = RAFT_EVENT_APPLIED, .u.index = h->to_apply };
    step(h, &ev, t);
}

static void time_goes(struct hostile *h, struct tally *t)
{
    struct raft_event ev = { .kind = RAFT_EVENT_TIMER };
    if (h->fx.deadline_us != RAFT_NEVER && h->fx.deadline_us > h->now_us)
        h->now_us = h->fx.deadline_us;
    step(h, &ev, t);
}

/* ---- What is said ------------------------------------------------------------------------- */

static raft_index near_index(struct hostile *h)
{
    const struct raft_log *l = &h->r->log;
    const raft_index places[] = { l->last, l->commit, l->base_index, l->marks.durable, 0 };
    raft_index at = places[below(h, sizeof places / sizeof *places)] + below(h, 7);
    return at > 3 ? at - 3 : 0;
}

static raft_term near_term(struct hostile *h)
{
    raft_term at = h->r->term + 2;
    if (one_in(h, h->leads_often ? 60 : 4))
        at += below(h, 4) - 2;
    return at > 3 ? at - 2 : 1;
}

static raft_term term_of(struct hostile *h, raft_index index, raft_term otherwise)
{
    raft_term term = raft_log_term_at(&h->r->log, index);
    return term != 0 || index == 0 ? term : otherwise;
}

static void put_change(struct hostile *h, struct raft_entry *e)
{
    uint64_t at = below(h, CHANGES);
    e->kind = RAFT_ENTRY_CONF;
    e->data = one_in(h, 3) ? bytes_str("") : bytes_of(h->changes[at], h->change_sizes[at]);
}

/* Where the log may not be cut it is mostly ours: to be contradicted is soon over. */
static void put_entries(struct hostile *h, struct raft_message *m)
{
    const struct raft_log *l = &h->r->log;
    raft_term term = m->log_term > 0 ? m->log_term : 1;

    m->entry_count = (uint32_t)below(h, BATCH_MAX + 1);
    m->entries = h->entries;
    for (uint32_t i = 0; i < m->entry_count; i++) {
        raft_index index = m->index + 1 + i;
        raft_term ours = raft_log_term_at(l, index);
        bool stays = index <= l->commit || l->acc_term >= m->term;
        if (ours != 0 && stays && !one_in(h, 500))
            term = ours;
        else if (one_in(h, 6))
            term += below(h, 3);
        if (term > m->term)
            term = m->term;
        h->entries[i] =
            (struct raft_entry) { .index = index, .term = term, .kind = RAFT_ENTRY_DATA };
        if (one_in(h, 30))
            put_change(h, &h->entries[i]);
        if (one_in(h, 1000))
            h->entries[i].index++;
    }
}

static void put_snapshot(struct hostile *h, struct raft_message *m)
{
    struct raft_snapshot *s = &h->snapshot;

    *s = (struct raft_snapshot) { .id = 1 + below(h, 5),
                                  .index = near_index(h) + below(h, 5),
                                  .conf = h->r->conf };
    s->term = term_of(h, s->index, 1 + below(h, m->term));
    s->conf_index = below(h, s->index + 1);
    if (s->conf.count == 0 || one_in(h, 20))
        s->conf = (struct raft_conf) { .count = 2,
                                       .members = { { 1 + below(h, 2), RAFT_MEMBER_VOTER },
                                                    { 3, RAFT_MEMBER_VOTER } } };
    m->snapshot = s;
}

static bool is_leaders(enum raft_message_kind kind)
{
    return kind == RAFT_APPEND || kind == RAFT_HEARTBEAT || kind == RAFT_SNAPSHOT ||
           kind == RAFT_TIMEOUT_NOW;
}

/* Two leaders of a term would only halt it. */
static void put_sender(struct hostile *h, struct raft_message *m)
{
    m->group = h->config.group;
    m->to = h->config.id;
    m->from = 2 + below(h, PEERS);
    if (!is_leaders(m->kind) || one_in(h, 200))
        return;
    if (h->r->role == RAFT_LEADER)
        m->term = h->r->term == 1 || one_in(h, 20) ? h->r->term + 1 : h->r->term - 1;
    else if (h->r->leader != 0 && m->term == h->r->term)
        m->from = h->r->leader;
}

static void put_numbers(struct hostile *h, struct raft_message *m)
{
    m->seq = one_in(h, 3) ? h->r->campaign_seq : h->r->message_seq + 2 - below(h, 5);
    m->read_seq = h->r->read_seq - below(h, 3);
    m->sent_us = h->now_us - below(h, h->now_us);
    m->index = near_index(h);
    m->log_term =
        one_in(h, 8) ? below(h, m->term + 1) : term_of(h, m->index, 1 + below(h, m->term));
    m->commit = one_in(h, 3) ? near_index(h) : m->index;
    m->hint_index = near_index(h);
    m->hint_term = one_in(h, 2) ? near_term(h) : term_of(h, m->hint_index, m->term);
}

static void hear(struct hostile *h, struct tally *t)
{
    struct raft_event ev = { .kind = RAFT_EVENT_RECV, .u.message = &h->m };
    step(h, &ev, t);
}

static void hears_anything(struct hostile *h, struct tally *t)
{
    struct raft_message *m = &h->m;

    *m = (struct raft_message) { .term = near_term(h) };
    m->kind = (enum raft_message_kind)(1 + below(h, RAFT_MESSAGE_KIND_END - 1));
    if (m->kind == RAFT_REMOVED && !one_in(h, 50))
        m->kind = RAFT_APPEND;
    m->term += (m->kind == RAFT_PREVOTE || m->kind == RAFT_PREVOTE_RESP) && one_in(h, 2);
    m->reject = one_in(h, 3);
    m->reason = m->reject ? (enum raft_reason)below(h, RAFT_REASON_COUNT) : RAFT_OK;
    m->force = one_in(h, 4);
    m->quiesce = one_in(h, 2);
    m->installing = one_in(h, 4);
    m->disk_full = one_in(h, 6);
    put_sender(h, m);
    put_numbers(h, m);
    if (m->kind == RAFT_APPEND)
        put_entries(h, m);
    else if (m->kind == RAFT_SNAPSHOT)
        put_snapshot(h, m);
    hear(h, t);
}

/* An answer as a peer may give it: that it has everything, or why not. */
static void hears_an_answer(struct hostile *h, struct tally *t)
{
    static const enum raft_reason reasons[] = { RAFT_NO_CONF, RAFT_LOG_MISMATCH, RAFT_DISK_FULL,
                                                RAFT_INSTALLING };
    static const enum raft_message_kind kinds[] = { RAFT_APPEND_RESP, RAFT_APPEND_RESP,
                                                    RAFT_HEARTBEAT_RESP, RAFT_SNAPSHOT_RESP };
    struct raft_message *m = &h->m;

    *m = (struct raft_message) { .term = h->r->term > 0 ? h->r->term : 1 };
    m->kind = kinds[below(h, sizeof kinds / sizeof *kinds)];
    put_sender(h, m);
    put_numbers(h, m);
    m->seq = h->r->message_seq;
    m->read_seq = h->r->read_seq;
    m->sent_us = h->now_us;
    m->index = h->written;
    m->quiesce = !one_in(h, 3);
    m->reject = m->kind == RAFT_SNAPSHOT_RESP || (m->kind == RAFT_APPEND_RESP && one_in(h, 5));
    if (m->reject) {
        m->reason = reasons[below(h, sizeof reasons / sizeof *reasons)];
        m->index = near_index(h);
    }
    hear(h, t);
}

static void hears_a_vote(struct hostile *h, raft_id from, struct tally *t)
{
    bool is_pre = h->r->role == RAFT_PRECANDIDATE;

    h->m = (struct raft_message) { .kind = is_pre ? RAFT_PREVOTE_RESP : RAFT_VOTE_RESP,
                                   .group = h->config.group,
                                   .from = from,
                                   .to = h->config.id,
                                   .term = h->r->term + is_pre,
                                   .seq = h->r->campaign_seq };
    hear(h, t);
}

/* All vote for it. */
static void is_elected(struct hostile *h, struct tally *t)
{
    struct raft_event ev = { .kind = RAFT_EVENT_CAMPAIGN };

    if (h->r->role == RAFT_LEADER || !h->leads_often)
        return;
    h->now_us += 3 * (uint64_t)h->r->config.election_us; /* Promises are over. */
    step(h, &ev, t);
    for (int round = 0; round < 2; round++) {
        for (raft_id id = 2; id <= PEERS && h->r->role != RAFT_FOLLOWER; id++)
            hears_a_vote(h, id, t);
        if (h->stamp_count > 0)
            persist_some(h, h->stamp_count, t);
    }
}

/* ---- What is asked of it ------------------------------------------------------------------ */

static void is_asked_to_write(struct hostile *h, struct tally *t)
{
    struct raft_event ev = { .kind = RAFT_EVENT_PROPOSE };

    ev.u.propose.entries = h->entries;
    ev.u.propose.entry_count = 1 + (uint32_t)below(h, 6);
    for (uint32_t i = 0; i < ev.u.propose.entry_count; i++)
        h->entries[i] =
            (struct raft_entry) { .kind = RAFT_ENTRY_DATA,
                                  .data = bytes_of(h->changes[0], below(h, h->change_sizes[0])) };
    if (one_in(h, 4)) {
        ev.kind = RAFT_EVENT_CHANGE;
        ev.u.propose.entry_count = 1;
        put_change(h, &h->entries[0]);
    }
    step(h, &ev, t);
}

static void is_asked(struct hostile *h, struct tally *t)
{
    static const enum raft_event_kind kinds[] = { RAFT_EVENT_READ,     RAFT_EVENT_READ,
                                                  RAFT_EVENT_CAMPAIGN, RAFT_EVENT_TRANSFER,
                                                  RAFT_EVENT_TRANSFER, RAFT_EVENT_STEP_DOWN,
                                                  RAFT_EVENT_DISK,     RAFT_EVENT_LEASE,
                                                  RAFT_EVENT_WAKE,     RAFT_EVENT_CLOCK_JUMP };
    struct raft_event ev = { .kind = kinds[below(h, sizeof kinds / sizeof *kinds)] };

    if (ev.kind == RAFT_EVENT_READ)
        ev.u.ctx = t->steps;
    else if (ev.kind == RAFT_EVENT_TRANSFER)
        ev.u.peer = 1 + below(h, PEERS + 1);
    else if (ev.kind == RAFT_EVENT_DISK)
        ev.u.disk = (enum raft_disk)below(h, RAFT_DISK_IS_FAILED);
    else if (ev.kind == RAFT_EVENT_LEASE)
        ev.u.lease = (enum raft_lease_hold)below(h, 3);
    step(h, &ev, t);
}

/* About one of its peers, or a stranger. */
static void is_told_of_a_peer(struct hostile *h, struct tally *t)
{
    raft_id peer = 2 + below(h, PEERS - 1);
    raft_index at = h->r->log.applied;
    struct raft_snapshot s = { .id = ++h->offer_ids, .index = at, .conf = h->r->conf };
    struct raft_entry found[BATCH_MAX];
    struct raft_event ev = { .kind = one_in(h, 2) ? RAFT_EVENT_UNREACHABLE : RAFT_EVENT_REACHABLE,
                             .u.peer = peer };

    if (h->wants_snapshot[peer]) {
        h->wants_snapshot[peer] = false;
        s.term = raft_log_term_at(&h->r->log, at);
        s.conf_index = h->r->conf_index < at ? h->r->conf_index : at;
        ev.kind = RAFT_EVENT_OFFERED;
        ev.u.offered.peer = peer;
        ev.u.offered.snapshot = one_in(h, 5) ? NULL : &s;
    } else if (h->is_fetching[peer]) {
        h->is_fetching[peer] = false;
        ev.kind = RAFT_EVENT_FETCHED;
        ev.u.fetched.peer = peer;
        ev.u.fetched.entries = found;
        ev.u.fetched.entry_count = 0;
        for (raft_index i = h->fetch_first[peer];
             i <= h->fetch_last[peer] && ev.u.fetched.entry_count < BATCH_MAX; i++)
            found[ev.u.fetched.entry_count++] = h->log[i % LOG_MAX];
    } else if (one_in(h, 3)) {
        ev.kind = RAFT_EVENT_SENT;
        ev.u.sent.peer = peer;
        ev.u.sent.id =
            raft_find_peer(h->r, peer) != NULL ? raft_find_peer(h->r, peer)->offer.id : 0;
        ev.u.sent.has_failed = one_in(h, 2);
    }
    step(h, &ev, t);
}

static void is_staged_or_compacted(struct hostile *h, struct tally *t)
{
    struct raft_event ev = { .kind = RAFT_EVENT_COMPACTED, .u.index = near_index(h) };

    if (h->is_staging && one_in(h, 2)) {
        h->is_staging = false;
        ev.kind = RAFT_EVENT_STAGED;
        ev.u.staged.id = h->staging.id;
        ev.u.staged.index = h->staging.index;
        ev.u.staged.has_failed = one_in(h, 4);
    }
    step(h, &ev, t);
}

/* ---- Lives -------------------------------------------------------------------------------- */

static void put_conf(struct hostile *h, struct raft_conf *conf)
{
    conf->count = (uint32_t)below(h, PEERS); /* None: it is to be added. */
    for (uint32_t i = 0; i < conf->count; i++)
        conf->members[i] = (struct raft_member) { i + 1, RAFT_MEMBER_VOTER };
    if (conf->count > 1 && one_in(h, 3))
        conf->members[below(h, conf->count)].role = RAFT_MEMBER_LEARNER;
}

static void put_changes(struct hostile *h)
{
    for (uint32_t i = 0; i < CHANGES; i++) {
        struct raft_change change = { .count = 1 + (uint32_t)below(h, 3),
                                      .auto_leave = one_in(h, 2) };
        raft_id id = 0;
        for (uint32_t j = 0; j < change.count; j++) {
            change.ops[j].id = id += 1 + below(h, 3);
            change.ops[j].op = (enum raft_change_op)(1 + below(h, RAFT_CHANGE_REMOVE));
        }
        h->change_sizes[i] = raft_change_put(&change, h->changes[i]);
    }
}

/* Little room for everything, so that it runs out. */
static void begin(struct hostile *h, uint64_t seed)
{
    struct raft_restore restore = { .last = 0 };
    struct errbuf err = { .text = "" };

    *h = (struct hostile) { .seed = seed, .leads_often = seed % 2 == 0, .now_us = 1 };
    rand_seed(&h->rand, seed);
    h->config = (struct raft_config) { .group = 1,
                                       .id = 1,
                                       .seed = seed,
                                       .has_leases = one_in(h, 2),
                                       .window_entries = 4U << below(h, 5),
                                       .batch_entries = 1 + (uint32_t)below(h, 4),
                                       .cache_bytes = 1 + below(h, 50),
                                       .inflight_messages = 1 + (uint32_t)below(h, 4),
                                       .quiesce_after = (uint32_t)below(h, 3),
                                       .reads = 1 + (uint32_t)below(h, 6),
                                       .terms = 2 + (uint32_t)below(h, 6) };
    put_conf(h, &restore.hard.conf);
    put_changes(h);
    h->memory = malloc(raft_size(&h->config));
    h->fx_memory = malloc(raft_effects_size(&h->config));
    CHECK(h->memory != NULL && h->fx_memory != NULL);
    raft_effects_init(&h->fx, &h->config, h->fx_memory);
    CHECK(succeeded(raft_init(&h->config, &restore, h->now_us, h->memory, &err, &h->r)));
}

static void live(struct hostile *h, struct tally *t)
{
    static void (*const turns[])(struct hostile *, struct tally *) = {
        hears_anything,    hears_anything,    hears_anything,
        hears_anything,    hears_anything,    hears_an_answer,
        hears_an_answer,   hears_an_answer,   disk_moves,
        disk_moves,        is_applied,        time_goes,
        is_asked_to_write, is_asked_to_write, is_asked,
        is_told_of_a_peer, is_told_of_a_peer, is_staged_or_compacted,
        is_elected,
    };

    for (int i = 0; i < STEPS && h->r->role != RAFT_HALTED; i++) {
        h->now_us += one_in(h, 20) ? below(h, 1500000) : below(h, 20000);
        turns[below(h, sizeof turns / sizeof *turns)](h, t);
    }
    t->halts += h->r->role == RAFT_HALTED;
}

int main(int argc, char **argv)
{
    static struct hostile h;
    struct tally t = { .steps = 0 };
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t seeds = argc > 2 ? strtoull(argv[2], NULL, 10) : SEEDS;

    for (uint64_t seed = first; seed < first + seeds; seed++) {
        begin(&h, seed);
        live(&h, &t);
        free(h.memory);
        free(h.fx_memory);
    }
    printf("hostile: %llu checks; %llu replicas of %llu halted, %llu times one led\n",
           (unsigned long long)t.steps, (unsigned long long)t.halts, (unsigned long long)seeds,
           (unsigned long long)t.led);
    return t.failures > 0 || t.led == 0;
}
