#include "tests/raft/support/scene.h"

#include <stdlib.h>

#include "base/check.h"
#include "tests/raft/support/text.h"

#define ID(x) ((unsigned long long)(x))

enum {
    MESSAGE_US = 1000,
    WRITE_US = 500,
    APPLY_US = 100,
    FETCH_US = 100,
    OFFER_US = 1000,
    STAGE_US = 10000,
    MOMENT_US = 3000, /* How far apart two things are that follow from one another. */
};

enum what { ARRIVAL, WRITTEN, APPLYING, FETCHING, OFFERING, STAGING, SENT };

static void post(struct scene *s, enum what what, struct node *n, uint64_t delay,
                 struct moment more)
{
    more.time = s->c.now + delay;
    more.kind = what;
    more.node = n->id;
    more.incarnation = n->incarnation;
    timeline_post(&s->timeline, more);
}

static bool is_heartbeat(enum raft_message_kind kind)
{
    return kind == RAFT_HEARTBEAT || kind == RAFT_HEARTBEAT_RESP;
}

static bool is_shown(const struct scene *s, const struct raft_message *m)
{
    return !s->is_silent && (s->show_heartbeats || !is_heartbeat(m->kind) || m->quiesce);
}

/* ---- What the cluster asks for ------------------------------------------------------------ */

static void on_sent(void *ctx, struct node *n, struct packet *p)
{
    struct scene *s = ctx;
    checker_sent(&s->checker, n, p);
    const struct raft_message *m = &p->m;
    bool is_lost = cluster_node(&s->c, m->to) == NULL || s->cut[n->id][m->to];
    bool is_held = !is_lost && s->held[n->id][m->to];
    if ((is_lost || is_held) && is_shown(s, m)) {
        text_message(s->out, m);
        (void)fputs(is_lost ? " (lost)\n" : " (held)\n", s->out);
    }
    if (is_lost) {
        packet_unref(p);
    } else if (is_held) {
        p->next = NULL;
        *s->last_held = p;
        s->last_held = &p->next;
    } else {
        post(s, ARRIVAL, n, MESSAGE_US, (struct moment) { .data = p });
    }
}

static void on_write_queued(void *ctx, struct node *n)
{
    struct scene *s = ctx;
    if (!s->disk_held[n->id])
        post(s, WRITTEN, n, WRITE_US, (struct moment) { .number = n->seq });
}

static void on_apply_queued(void *ctx, struct node *n)
{
    struct scene *s = ctx;
    if (!s->apply_held[n->id])
        post(s, APPLYING, n, APPLY_US, (struct moment) { .number = 0 });
}

static void on_fetch_wanted(void *ctx, struct node *n, raft_id peer, raft_index first,
                            raft_index last, uint64_t bytes_max)
{
    struct scene *s = ctx;
    (void)bytes_max;
    if (s->snapshots_held[n->id])
        return;
    post(s, FETCHING, n, FETCH_US,
         (struct moment) { .number = first, .other = last, .peer = peer });
}

static void on_snapshot_wanted(void *ctx, struct node *n, raft_id peer)
{
    struct scene *s = ctx;
    s->wanted_by[peer] = n->id;
    if (!s->snapshots_held[n->id])
        post(s, OFFERING, n, OFFER_US, (struct moment) { .number = peer });
}

static void on_install_wanted(void *ctx, struct node *n)
{
    struct scene *s = ctx;
    if (!s->snapshots_held[n->id])
        post(s, STAGING, n, STAGE_US, (struct moment) { .number = n->install.id });
}

/* ---- What is told ------------------------------------------------------------------------- */

static void on_effect(void *ctx, struct node *n, const struct raft_effect *e)
{
    struct scene *s = ctx;
    checker_effect(&s->checker, n, e);
    if (!s->is_silent)
        text_effect(s->out, n->id, e, s->show_writes);
}

static void on_stepped(void *ctx, struct node *n, const struct raft_event *event,
                       const struct raft_effects *fx)
{
    struct scene *s = ctx;
    checker_stepped(&s->checker, n, event, fx);
    if (event->kind == RAFT_EVENT_RECV && fx->verdict != RAFT_OK && is_shown(s, event->u.message))
        (void)fprintf(s->out, "%llu leaves it: %s\n", ID(n->id), raft_reason_name(fx->verdict));
}

/* L9: an accepted entry is done or lost once its place is applied here. */
static void tell_claims(struct scene *s, struct node *n, const struct raft_entry *e)
{
    for (uint32_t i = 0; i < s->claim_count; i++) {
        struct claim *claim = &s->claims[i];
        if (claim->is_over || claim->node != n->id || claim->incarnation != n->incarnation ||
            claim->index != e->index)
            continue;
        claim->is_over = true;
        (void)fprintf(s->out, "%llu %s is %s at %llu/%llu\n", ID(n->id), claim->words,
                      claim->term == e->term ? "done" : "lost", ID(e->index), ID(e->term));
    }
}

static void on_applied(void *ctx, struct node *n, const struct raft_entry *e)
{
    struct scene *s = ctx;
    checker_applied(&s->checker, n, e);
    tell_claims(s, n, e);
}

static void on_saved(void *ctx, struct node *n)
{
    struct scene *s = ctx;
    checker_saved(&s->checker, n);
}

static void on_switched(void *ctx, struct node *n)
{
    struct scene *s = ctx;
    checker_switched(&s->checker, n);
    (void)fprintf(s->out, "%llu has the state of %llu/%llu\n", ID(n->id), ID(n->fsm.index),
                  ID(n->fsm.term));
}

static void on_read_served(void *ctx, struct node *n, const struct held_read *read)
{
    struct scene *s = ctx;
    checker_read(&s->checker, n, 0);
    (void)fprintf(s->out, "%llu read %llu served at %llu%s\n", ID(n->id), ID(read->ctx),
                  ID(read->index), read->by_lease ? " by lease" : "");
}

static void on_read_failed(void *ctx, struct node *n, uint64_t read_ctx, enum raft_reason reason)
{
    struct scene *s = ctx;
    (void)fprintf(s->out, "%llu read %llu failed: %s\n", ID(n->id), ID(read_ctx),
                  raft_reason_name(reason));
}

static void on_persisted(void *ctx, struct node *n)
{
    struct scene *s = ctx;
    checker_persisted(&s->checker, n);
}

static void on_started(void *ctx, struct node *n)
{
    struct scene *s = ctx;
    checker_started(&s->checker, n);
}

static const struct cluster_hooks hooks = {
    .sent = on_sent,
    .write_queued = on_write_queued,
    .apply_queued = on_apply_queued,
    .snapshot_wanted = on_snapshot_wanted,
    .install_wanted = on_install_wanted,
    .fetch_wanted = on_fetch_wanted,
    .read_served = on_read_served,
    .read_failed = on_read_failed,
    .applied = on_applied,
    .saved = on_saved,
    .effect = on_effect,
    .stepped = on_stepped,
    .persisted = on_persisted,
    .started = on_started,
    .switched = on_switched,
};

/* ---- Life --------------------------------------------------------------------------------- */

void scene_init(struct scene *s, const struct raft_config *config, FILE *out)
{
    memset(s, 0, sizeof *s);
    s->out = out;
    s->last_held = &s->first_held;
    cluster_init(&s->c, config, &hooks, s);
    s->c.now = 1000000;
    checker_init(&s->checker, &s->c);
}

void scene_deinit(struct scene *s)
{
    while (s->timeline.count > 0)
        packet_unref(timeline_take(&s->timeline).data);
    timeline_deinit(&s->timeline);
    while (s->first_held != NULL) {
        struct packet *p = s->first_held;
        s->first_held = p->next;
        packet_unref(p);
    }
    cluster_deinit(&s->c);
    checker_deinit(&s->checker);
}

bool scene_start(struct scene *s, struct node *n)
{
    struct errbuf err = { .text = "" };
    checker_restart(&s->checker, n);
    if (cluster_start(&s->c, n, n->id * 1000 + n->incarnation, &err))
        return true;
    (void)fprintf(s->out, "%llu does not start: %s\n", ID(n->id), err.text);
    return false;
}

void scene_apply(struct scene *s, struct node *n)
{
    cluster_apply(&s->c, n, UINT32_MAX);
    cluster_flush(&s->c, n);
}

void scene_claim(struct scene *s, struct node *n, const char *words, raft_term term,
                 raft_index index)
{
    CHECK(s->claim_count < sizeof s->claims / sizeof s->claims[0]);
    struct claim *claim = &s->claims[s->claim_count++];
    *claim = (struct claim) {
        .node = n->id, .incarnation = n->incarnation, .term = term, .index = index
    };
    (void)snprintf(claim->words, sizeof claim->words, "%s", words);
}

/* ---- Time --------------------------------------------------------------------------------- */

void scene_deliver(struct scene *s, struct packet *p)
{
    struct node *to = cluster_node(&s->c, p->m.to);
    bool arrives = to != NULL && node_is_up(to);
    if (is_shown(s, &p->m)) {
        text_message(s->out, &p->m);
        (void)fputs(arrives ? "\n" : " (nobody there)\n", s->out);
    }
    if (arrives)
        cluster_deliver(&s->c, to, p);
}

void scene_misdeliver(struct scene *s, struct packet *p, raft_id at)
{
    text_message(s->out, &p->m);
    (void)fprintf(s->out, " (at %llu)\n", ID(at));
    cluster_deliver(&s->c, cluster_node(&s->c, at), p);
}

void scene_stage(struct scene *s, struct node *n, bool has_failed)
{
    struct moment told = { .number = n->install.id, .other = has_failed, .peer = n->install_from };
    (void)fprintf(s->out, "%llu %s\n", ID(n->id),
                  has_failed ? "loses the snapshot's data" : "has the snapshot's data");
    cluster_stage(&s->c, n, has_failed);
    post(s, SENT, n, MESSAGE_US, told);
}

static void offer(struct scene *s, struct node *n, raft_id peer)
{
    uint64_t id = cluster_offer(&s->c, n, peer, false);
    if (id == 0)
        (void)fprintf(s->out, "%llu has no snapshot for %llu\n", ID(n->id), ID(peer));
}

static void happen(struct scene *s, const struct moment *m)
{
    struct node *n = cluster_node(&s->c, m->node);
    if (m->kind == ARRIVAL) {
        struct packet *p = m->data;
        scene_deliver(s, p);
        packet_unref(p);
        return;
    }
    if (!node_is_up(n) || n->incarnation != m->incarnation)
        return;
    switch ((enum what)m->kind) {
    case WRITTEN:
        if (!s->disk_held[n->id] && n->disk.first != NULL && n->disk.first->seq <= m->number)
            cluster_disk_finish(&s->c, n, 1);
        break;
    case APPLYING:
        if (!s->apply_held[n->id])
            scene_apply(s, n);
        break;
    case FETCHING:
        cluster_fetch(&s->c, n, m->peer, m->number, m->other, UINT64_MAX);
        break;
    case OFFERING:
        offer(s, n, m->number);
        break;
    case STAGING:
        if (n->install.id == m->number)
            scene_stage(s, n, false);
        break;
    case SENT: {
        struct node *owner = cluster_node(&s->c, m->peer);
        cluster_sent(&s->c, owner, n->id, m->number, m->other != 0);
        break;
    }
    case ARRIVAL:
        break;
    }
}

void scene_run(struct scene *s, uint64_t until)
{
    while (!s->c.is_stopped) {
        const struct moment *first = timeline_first(&s->timeline);
        struct node *n = NULL;
        uint64_t deadline = cluster_next_deadline(&s->c, &n);
        uint64_t next = first != NULL ? first->time : RAFT_NEVER;
        if (next > until && deadline > until)
            break;
        if (next <= deadline) {
            struct moment m = timeline_take(&s->timeline);
            s->c.now = m.time > s->c.now ? m.time : s->c.now;
            happen(s, &m);
        } else {
            s->c.now = deadline > s->c.now ? deadline : s->c.now;
            (void)cluster_event(&s->c, n, RAFT_EVENT_TIMER, 0);
        }
    }
    if (until > s->c.now && until != RAFT_NEVER)
        s->c.now = until;
}

void scene_settle(struct scene *s)
{
    for (int i = 0; i < 1000 && !s->c.is_stopped; i++) {
        const struct moment *first = timeline_first(&s->timeline);
        struct node *n = NULL;
        uint64_t deadline = cluster_next_deadline(&s->c, &n);
        if (first != NULL)
            scene_run(s, first->time);
        else if (deadline <= s->c.now + MOMENT_US)
            scene_run(s, deadline);
        else
            break;
    }
}

struct packet *scene_take_held(struct scene *s, raft_id from, raft_id to, uint32_t kind,
                               uint32_t count, bool newest)
{
    uint32_t matching = 0;
    for (struct packet *p = s->first_held; p != NULL; p = p->next)
        matching += (from == 0 || p->m.from == from) && (to == 0 || p->m.to == to) &&
                    (kind == 0 || p->m.kind == kind);
    uint32_t skipped = newest && matching > count ? matching - count : 0;
    struct packet *taken = NULL;
    struct packet **taken_end = &taken;
    struct packet **at = &s->first_held;
    while (*at != NULL) {
        struct packet *p = *at;
        bool is_match = (from == 0 || p->m.from == from) && (to == 0 || p->m.to == to) &&
                        (kind == 0 || p->m.kind == kind);
        if (is_match && skipped > 0) {
            skipped--;
            is_match = false;
        }
        if (!is_match || count == 0) {
            at = &p->next;
            continue;
        }
        count--;
        *at = p->next;
        p->next = NULL;
        *taken_end = p;
        taken_end = &p->next;
    }
    s->last_held = &s->first_held;
    while (*s->last_held != NULL)
        s->last_held = &(*s->last_held)->next;
    return taken;
}
