#include "tests/sim/support/state.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "tests/raft/support/text.h"

enum {
    START_US = 1000000,
    LATE_FACTOR = 100,
    STORM_PPM = 300000,
    SLOW_FACTOR = 50,
    CHECK_US = 20000,
    LIVE_ELECTIONS = 60, /* Progress within so many election timeouts, and */
    LIVE_US = 5000000,   /* this. */
};

uint64_t draw_delay(struct world *w, uint64_t mean)
{
    /* -log2(u) by the leading zeros of a random number, and a linear rest: exponential enough. */
    uint64_t u = rand_u64(&w->rand) | 1;
    uint64_t zeros = (uint64_t)__builtin_clzll(u);
    uint64_t rest = (u << zeros << 1) >> 44;
    uint64_t part = (zeros << 20) + ((1 << 20) - rest);
    return mean / 4 + (mean * part >> 21);
}

bool draw_ppm(struct world *w, uint64_t ppm)
{
    return ppm > 0 && rand_below(&w->rand, 1000000) < ppm;
}

void post(struct world *w, enum happening what, struct node *n, uint64_t delay, struct moment more)
{
    more.time = w->c.now + delay;
    more.kind = what;
    more.node = n != NULL ? n->id : 0;
    more.incarnation = n != NULL ? n->incarnation : 0;
    timeline_post(&w->timeline, more);
}

struct node *draw_up_node(struct world *w, uint32_t number)
{
    uint32_t count = 0;
    for (raft_id id = 1; id <= w->c.id_max; id++)
        count += node_is_up(&w->c.nodes[id]);
    if (count == 0)
        return NULL;
    uint32_t at = number % count;
    for (raft_id id = 1; id <= w->c.id_max; id++) {
        if (node_is_up(&w->c.nodes[id]) && at-- == 0)
            return &w->c.nodes[id];
    }
    return NULL;
}

struct node *find_leader(struct world *w)
{
    struct node *best = NULL;
    for (raft_id id = 1; id <= w->c.id_max; id++) {
        struct node *n = &w->c.nodes[id];
        if (node_is_up(n) && n->role == RAFT_LEADER && (best == NULL || n->term > best->term))
            best = n;
    }
    return best;
}

/* ---- Network ------------------------------------------------------------------------------ */

void send_through(struct world *w, struct packet *p)
{
    raft_id from = p->m.from;
    raft_id to = p->m.to;
    struct node *n = cluster_node(&w->c, to);
    bool is_storm = w->c.now < w->storm_until;
    if (n == NULL || n->state == NODE_NONE || w->blocked[from][to] > 0 ||
        (!w->is_live && draw_ppm(w, is_storm ? STORM_PPM : w->plan->drop_ppm))) {
        packet_unref(p);
        return;
    }
    uint64_t copies = 1 + draw_ppm(w, is_storm ? STORM_PPM : w->plan->duplicate_ppm);
    while (copies-- > 0) {
        uint64_t mean = w->plan->message_us;
        if (!w->is_live && draw_ppm(w, is_storm ? STORM_PPM : w->plan->late_ppm))
            mean *= LATE_FACTOR;
        packet_ref(p);
        post(w, HAPPENS_ARRIVAL, n, draw_delay(w, mean), (struct moment) { .data = p });
    }
    packet_unref(p);
}

static void on_sent(void *ctx, struct node *n, struct packet *p)
{
    struct world *w = ctx;
    checker_sent(&w->checker, n, p);
    w->v->messages++;
    mix(w, p->m.kind * 64 + p->m.to);
    mix(w, p->m.index * 1024 + p->m.term);
    uint64_t rarity = p->m.kind == RAFT_READ_RESP ? 4 : 64;
    if (!w->is_live && rand_below(&w->rand, rarity) == 0) {
        struct packet **place = &w->past[w->past_count++ % PAST_PACKETS];
        packet_unref(*place);
        packet_ref(p);
        *place = p;
    }
    send_through(w, p);
}

/* ---- Disks and state machines ------------------------------------------------------------- */

static void begin_flush(struct world *w, struct node *n)
{
    struct driver *d = &w->drivers[n->id];
    uint64_t mean = w->plan->write_us;
    uint64_t wait = d->disk_hangs_until > w->c.now ? d->disk_hangs_until - w->c.now : 0;
    if (d->disk_slow_until > w->c.now)
        mean *= SLOW_FACTOR;
    d->is_flushing = true;
    d->flush_began = node_clock(n, w->c.now);
    post(w, HAPPENS_WRITTEN, n, wait + draw_delay(w, mean), (struct moment) { .number = n->seq });
}

static void on_write_queued(void *ctx, struct node *n)
{
    struct world *w = ctx;
    mix(w, n->seq);
    if (!w->drivers[n->id].is_flushing)
        begin_flush(w, n);
}

static void written(struct world *w, struct node *n, uint64_t seq)
{
    struct driver *d = &w->drivers[n->id];
    uint32_t count = 0;
    for (const struct disk_write *i = n->disk.first; i != NULL && i->seq <= seq; i = i->next)
        count++;
    d->is_flushing = false;
    /* One completion for all of them, or one for each: both are within the law. */
    bool is_single = rand_below(&w->rand, 4) == 0;
    uint32_t incarnation = n->incarnation;
    while (count > 0 && node_is_up(n) && !d->has_crashed && n->incarnation == incarnation &&
           !w->c.is_stopped) {
        cluster_disk_finish(&w->c, n, is_single ? 1 : count);
        count -= is_single ? 1 : count;
    }
    if (node_is_up(n) && !d->has_crashed && n->disk.first != NULL && !d->is_flushing)
        begin_flush(w, n);
}

static void on_apply_queued(void *ctx, struct node *n)
{
    struct world *w = ctx;
    struct driver *d = &w->drivers[n->id];
    if (d->is_applying)
        return;
    d->is_applying = true;
    uint64_t mean = w->plan->apply_us;
    if (d->apply_slow_until > w->c.now)
        mean = 100000;
    post(w, HAPPENS_APPLYING, n, draw_delay(w, mean), (struct moment) { .number = 0 });
}

static void save_and_compact(struct world *w, struct node *n)
{
    cluster_flush(&w->c, n);
    if (n->disk.saved.index < n->disk.base_index + w->plan->log_kept)
        return;
    raft_index to = n->disk.saved.index - w->plan->log_kept / 2;
    if (rand_below(&w->rand, 2) == 0) {
        struct raft_view v;
        raft_view(n->raft, &v);
        if (v.role == RAFT_LEADER && v.needed_index > 0 && to >= v.needed_index)
            to = v.needed_index - 1;
    }
    cluster_compact(&w->c, n, to);
}

static void applying(struct world *w, struct node *n)
{
    struct driver *d = &w->drivers[n->id];
    raft_index before = n->fsm.index;
    d->is_applying = false;
    cluster_apply(&w->c, n, 1 + (uint32_t)rand_below(&w->rand, 64));
    if (!node_is_up(n) || d->has_crashed)
        return;
    d->since_flush += (uint32_t)(n->fsm.index - before);
    if (d->since_flush >= w->plan->flush_every) {
        d->since_flush = 0;
        save_and_compact(w, n);
    }
    if (node_is_up(n) && n->fsm.index < n->announced)
        on_apply_queued(w, n);
}

static void on_fetch_wanted(void *ctx, struct node *n, raft_id peer, raft_index first,
                            raft_index last, uint64_t bytes_max)
{
    struct world *w = ctx;
    uint64_t count = 1 + rand_below(&w->rand, last - first + 1);
    (void)bytes_max;
    post(w, HAPPENS_FETCHING, n, draw_delay(w, w->plan->write_us),
         (struct moment) { .number = first, .other = first + count - 1, .peer = peer });
}

static void on_snapshot_wanted(void *ctx, struct node *n, raft_id peer)
{
    struct world *w = ctx;
    post(w, HAPPENS_OFFERING, n, draw_delay(w, w->plan->stage_us),
         (struct moment) { .number = peer });
}

static void offering(struct world *w, struct node *n, raft_id peer)
{
    w->v->snapshots++;
    /* Whatever is offered reaches to where the log begins. */
    bool of_saved = n->disk.saved.index >= n->disk.base_index && rand_below(&w->rand, 2) == 0;
    if (rand_below(&w->rand, 20) == 0) {
        struct raft_event none = { .kind = RAFT_EVENT_OFFERED };
        none.u.offered.peer = peer;
        (void)cluster_step(&w->c, n, &none);
        return;
    }
    (void)cluster_offer(&w->c, n, peer, of_saved);
}

static void on_install_wanted(void *ctx, struct node *n)
{
    struct world *w = ctx;
    post(w, HAPPENS_STAGING, n, draw_delay(w, w->plan->stage_us),
         (struct moment) { .number = n->install.id, .peer = n->install_from });
}

static void staging(struct world *w, struct node *n, uint64_t id, raft_id from)
{
    if (!n->is_installing || n->is_staged || n->install.id != id)
        return;
    bool has_failed =
        w->blocked[from][n->id] > 0 || (!w->is_live && draw_ppm(w, w->plan->drop_ppm));
    post(w, HAPPENS_SENT, cluster_node(&w->c, from), draw_delay(w, w->plan->message_us),
         (struct moment) { .number = id, .other = has_failed, .peer = n->id });
    cluster_stage(&w->c, n, has_failed);
}

/* ---- What is seen ------------------------------------------------------------------------- */

static void on_effect(void *ctx, struct node *n, const struct raft_effect *e)
{
    struct world *w = ctx;
    checker_effect(&w->checker, n, e);
    mix(w, (n->id << 8) + e->kind);
    if (e->kind == RAFT_EFFECT_COMMIT)
        mix(w, e->u.index);
    if (e->kind == RAFT_EFFECT_ROLE && e->u.role.role == RAFT_LEADER && n->role != RAFT_LEADER) {
        w->v->elections++;
        w->leader_before = w->last_leader;
        w->last_leader = n->id;
    }
    if (e->kind == RAFT_EFFECT_CONF) {
        for (uint32_t i = 0; i < e->u.conf.conf->count; i++) {
            struct node *member = cluster_node(&w->c, e->u.conf.conf->members[i].id);
            if (member != NULL)
                w->drivers[member->id].was_member = true;
        }
    }
    if (e->kind == RAFT_EFFECT_PERSIST && e->u.persist.truncate_from > 0 &&
        w->c.bug == CLUSTER_FAILS_TRUNCATED)
        clients_truncated(w, n, e->u.persist.truncate_from);
    if (is_traced(w)) {
        (void)fprintf(w->trace, "%10llu ", (unsigned long long)w->c.now);
        if (e->kind == RAFT_EFFECT_SEND) {
            text_message(w->trace, &e->u.send.message);
            (void)fprintf(w->trace, " (send, after %llu)\n", (unsigned long long)e->u.send.after);
        } else {
            text_effect(w->trace, n->id, e, true);
            if (e->kind == RAFT_EFFECT_APPLY || e->kind == RAFT_EFFECT_READ_READY ||
                e->kind == RAFT_EFFECT_READ_FAILED)
                (void)fprintf(w->trace, "%llu %s\n", (unsigned long long)n->id,
                              raft_effect_kind_name(e->kind));
        }
    }
}

/* What only the driver of n knows: how long its disk hangs, and when leases may not be used. */
static void check_driver(struct world *w, struct node *n, const struct raft_effects *fx)
{
    const struct driver *d = &w->drivers[n->id];
    uint64_t clock = n->clock_us;
    if (n->role == RAFT_LEADER && d->is_flushing && !fx->more &&
        clock > d->flush_began + 2 * (uint64_t)w->plan->config.election_us) {
        struct raft_view v; /* The process may have died before it was told. */
        raft_view(n->raft, &v);
        if (v.role == RAFT_LEADER)
            checker_fail(&w->checker, -1, "node %llu leads, and its disk hangs",
                         (unsigned long long)n->id);
    }
    if (clock >= d->no_lease_until)
        return;
    for (uint32_t i = 0; i < fx->count; i++) {
        if (fx->list[i].kind == RAFT_EFFECT_READ_READY && fx->list[i].u.read.by_lease)
            checker_fail(&w->checker, 21, "node %llu uses a lease that it must not use",
                         (unsigned long long)n->id);
    }
}

static void on_stepped(void *ctx, struct node *n, const struct raft_event *event,
                       const struct raft_effects *fx)
{
    struct world *w = ctx;
    checker_stepped(&w->checker, n, event, fx);
    check_driver(w, n, fx);
    mix(w, (w->c.now << 8) + event->kind);
    mix(w, ((uint64_t)fx->verdict << 32) + fx->count);
    if (is_traced(w) && event->kind != RAFT_EVENT_DRAIN)
        (void)fprintf(w->trace, "%10llu %llu %s: %s\n", (unsigned long long)w->c.now,
                      (unsigned long long)n->id, raft_event_kind_name(event->kind),
                      raft_reason_name(fx->verdict));
}

static void on_applied(void *ctx, struct node *n, const struct raft_entry *e)
{
    struct world *w = ctx;
    checker_applied(&w->checker, n, e);
    clients_applied(w, n, e);
}

static void on_saved(void *ctx, struct node *n)
{
    struct world *w = ctx;
    checker_saved(&w->checker, n);
}

static void on_switched(void *ctx, struct node *n)
{
    struct world *w = ctx;
    checker_switched(&w->checker, n);
    clients_jumped(w, n);
}

static void on_read_served(void *ctx, struct node *n, const struct held_read *read)
{
    clients_served(ctx, n, read->ctx);
}

static void on_read_failed(void *ctx, struct node *n, uint64_t read_ctx, enum raft_reason reason)
{
    (void)reason;
    clients_refused(ctx, n, read_ctx);
}

static void on_persisted(void *ctx, struct node *n)
{
    struct world *w = ctx;
    checker_persisted(&w->checker, n);
}

static void on_started(void *ctx, struct node *n)
{
    struct world *w = ctx;
    checker_started(&w->checker, n);
}

static void on_crashed(void *ctx, struct node *n)
{
    struct world *w = ctx;
    w->drivers[n->id].has_crashed = w->has_crashed = true;
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
    .crashed = on_crashed,
};

/* ---- Starts and ends of replicas ---------------------------------------------------------- */

void crash_node(struct world *w, struct node *n, uint32_t kept, uint64_t down_us)
{
    if (!node_is_up(n))
        return;
    struct driver *d = &w->drivers[n->id];
    w->v->crashes++;
    clients_crashed(w, n);
    cluster_crash(&w->c, n, kept);
    d->is_flushing = d->is_applying = d->has_crashed = false;
    d->no_lease_until = 0;
    post(w, HAPPENS_RESTART, n, down_us, (struct moment) { .number = 0 });
    if (is_traced(w))
        (void)fprintf(w->trace, "%10llu %llu crashes\n", (unsigned long long)w->c.now,
                      (unsigned long long)n->id);
}

void start_node(struct world *w, struct node *n)
{
    struct errbuf err = { .text = "" };
    struct driver *d = &w->drivers[n->id];
    if (n->state != NODE_DOWN || w->c.is_stopped)
        return;
    if (d->wants_copy && d->has_copy) {
        disk_deinit(&n->disk);
        n->disk = d->copy;
        d->has_copy = false;
        w->checker.votes[n->id] = (struct vote) { .term = 0 };
        w->checker.may_forget[n->id] = true;
    }
    d->wants_copy = false;
    if (is_traced(w))
        (void)fprintf(w->trace, "%10llu %llu starts\n", (unsigned long long)w->c.now,
                      (unsigned long long)n->id);
    checker_restart(&w->checker, n);
    if (!cluster_start(&w->c, n, rand_u64(&w->rand), &err))
        checker_fail(&w->checker, 27, "node %llu does not start: %s", (unsigned long long)n->id,
                     err.text);
    if (d->has_crashed)
        crash_node(w, n, 0, 1000);
}

/* ---- The course of time ------------------------------------------------------------------- */

static void bury(struct world *w)
{
    if (!w->has_crashed)
        return;
    w->has_crashed = false;
    for (raft_id id = 1; id <= w->c.id_max; id++) {
        struct node *n = &w->c.nodes[id];
        if (w->drivers[id].has_crashed && node_is_up(n))
            crash_node(w, n, (uint32_t)rand_below(&w->rand, n->disk.writes + 1),
                       1000 + rand_below(&w->rand, 500000));
    }
}

static bool is_caught_up(struct world *w, struct node *leader)
{
    struct raft_view v;
    raft_view(leader->raft, &v);
    if (v.is_joint || v.transferee != 0 || v.reads_waiting > 0)
        return false;
    for (uint32_t i = 0; i < v.conf.count; i++) {
        struct node *n = cluster_node(&w->c, v.conf.members[i].id);
        if (n == NULL || n->state == NODE_GONE || n->state == NODE_NONE)
            continue;
        if (!node_is_up(n) || n->fsm.index < w->live_index)
            return false;
    }
    return true;
}

/* Who was removed is told, if it knows whom to ask. */
static bool are_removed_told(struct world *w, struct node *leader)
{
    for (raft_id id = 1; id <= w->c.id_max; id++) {
        const struct node *n = &w->c.nodes[id];
        if (node_is_up(n) && n->role != RAFT_HALTED && conf_member(&leader->conf, id) == NULL &&
            conf_member(&n->conf, id) != NULL && conf_member(&n->conf, leader->id) != NULL)
            return false;
    }
    return true;
}

static void check_progress(struct world *w)
{
    struct node *leader = find_leader(w);
    uint64_t bound = LIVE_US + (uint64_t)LIVE_ELECTIONS * w->plan->config.election_us;
    if (w->live_serial != 0)
        w->live_index = w->checker.places[w->live_serial];
    if (leader != NULL && w->live_index != 0 && is_caught_up(w, leader) &&
        are_removed_told(w, leader)) {
        w->v->simulated_us = w->c.now - START_US;
        w->c.is_stopped = true;
        return;
    }
    /* Who still applies is slow, not stuck: little goes into a message of some groups. */
    uint64_t applied = 0;
    for (raft_id id = 1; id <= w->c.id_max; id++)
        applied += w->c.nodes[id].fsm.index;
    if (applied > w->live_applied)
        w->live_since = w->c.now;
    w->live_applied = applied;
    if (w->c.now > w->live_since + bound) {
        checker_fail(&w->checker, 0, "no progress: %s",
                     leader == NULL                 ? "nobody leads"
                     : w->live_index == 0           ? "nothing commits"
                     : !are_removed_told(w, leader) ? "who was removed is not told"
                                                    : "not everybody catches up");
        return;
    }
    post(w, HAPPENS_CHECK, NULL, CHECK_US, (struct moment) { .number = 0 });
}

static void begin_liveness(struct world *w)
{
    w->is_live = true;
    w->live_since = w->c.now;
    w->live_from = w->checker.serials;
    if (w->plan->is_silent_end)
        w->live_index = w->checker.committed > 0 ? w->checker.committed : 1;
    faults_end(w);
    for (raft_id id = 1; id <= w->c.id_max; id++) {
        struct node *n = &w->c.nodes[id];
        if (node_is_up(n) && n->role == RAFT_HALTED && n->halt_reason == RAFT_HALT_DISK)
            crash_node(w, n, 0, 1000);
        if (n->state == NODE_DOWN)
            post(w, HAPPENS_RESTART, n, 1000, (struct moment) { .number = 0 });
    }
    check_progress(w);
}

/* What needs its node up, in the same life. */
static void happen_to(struct world *w, struct node *n, const struct moment *m)
{
    struct driver *d = &w->drivers[n->id];
    switch ((enum happening)m->kind) {
    case HAPPENS_WRITTEN:
        written(w, n, m->number);
        break;
    case HAPPENS_APPLYING:
        applying(w, n);
        break;
    case HAPPENS_FETCHING:
        cluster_fetch(&w->c, n, m->peer, m->number, m->other, UINT64_MAX);
        break;
    case HAPPENS_OFFERING:
        offering(w, n, m->number);
        break;
    case HAPPENS_STAGING:
        staging(w, n, m->number, m->peer);
        break;
    case HAPPENS_SENT:
        cluster_sent(&w->c, n, m->peer, m->number, m->other != 0);
        break;
    case HAPPENS_REACHABLE:
        (void)cluster_event(&w->c, n, RAFT_EVENT_REACHABLE, m->number);
        break;
    case HAPPENS_DISK_OK:
        (void)cluster_event(&w->c, n, RAFT_EVENT_DISK, RAFT_DISK_IS_OK);
        break;
    case HAPPENS_LEASE_FREE:
        if (d->no_lease_until == UINT64_MAX)
            d->no_lease_until = 0;
        (void)cluster_event(&w->c, n, RAFT_EVENT_LEASE, RAFT_LEASE_FREE);
        break;
    case HAPPENS_CAMPAIGN:
        if (n->role == RAFT_FOLLOWER || n->role == RAFT_PRECANDIDATE)
            (void)cluster_event(&w->c, n, RAFT_EVENT_CAMPAIGN, 0);
        break;
    default:
        break;
    }
}

static void arrive(struct world *w, struct packet *p)
{
    struct node *n = cluster_node(&w->c, p->m.to);
    /* An address that another replica has now. */
    if (n->state == NODE_GONE)
        n = draw_up_node(w, (uint32_t)p->m.seq);
    if (n != NULL && node_is_up(n)) {
        if (is_traced(w)) {
            (void)fprintf(w->trace, "%10llu ", (unsigned long long)w->c.now);
            text_message(w->trace, &p->m);
            (void)fputc('\n', w->trace);
        }
        cluster_deliver(&w->c, n, p);
    }
    packet_unref(p);
}

static void happen(struct world *w, struct moment *m)
{
    struct node *n = m->node != 0 ? &w->c.nodes[m->node] : NULL;
    uint64_t paused_until = w->drivers[m->node].paused_until;
    if (n != NULL && paused_until > w->c.now && m->kind != HAPPENS_RESTART) {
        m->time = paused_until;
        timeline_post(&w->timeline, *m);
        return;
    }
    switch ((enum happening)m->kind) {
    case HAPPENS_ARRIVAL:
        arrive(w, m->data);
        break;
    case HAPPENS_RESTART:
        start_node(w, n);
        break;
    case HAPPENS_HEAL:
        faults_heal(w, (uint32_t)m->number);
        break;
    case HAPPENS_WRITES:
        clients_write(w);
        break;
    case HAPPENS_READ:
        clients_read(w);
        break;
    case HAPPENS_OPERATOR:
        operator_tidy(w);
        break;
    case HAPPENS_CHECK:
        check_progress(w);
        break;
    default:
        if (node_is_up(n) && n->incarnation == m->incarnation)
            happen_to(w, n, m);
        break;
    }
}

static void timer(struct world *w, struct node *n)
{
    struct driver *d = &w->drivers[n->id];
    if (d->paused_until > w->c.now) {
        w->c.deadlines[n->id] = d->paused_until;
        return;
    }
    (void)cluster_event(&w->c, n, RAFT_EVENT_TIMER, 0);
}

static void run(struct world *w)
{
    uint64_t safety_end = START_US + w->plan->safety_us;
    while (!w->c.is_stopped) {
        struct node *n = NULL;
        const struct moment *first = timeline_first(&w->timeline);
        uint64_t deadline = cluster_next_deadline(&w->c, &n);
        uint64_t next = first->time < deadline ? first->time : deadline;
        const struct planned *f = &w->plan->faults[w->next_fault];
        bool has_fault = !w->is_live && w->next_fault < w->plan->fault_count;
        if (has_fault && START_US + f->at_us <= next) {
            w->c.now = START_US + f->at_us > w->c.now ? START_US + f->at_us : w->c.now;
            w->next_fault++;
            if (!f->is_left_out)
                faults_happen(w, f);
        } else if (!w->is_live && next >= safety_end) {
            w->c.now = safety_end > w->c.now ? safety_end : w->c.now;
            begin_liveness(w);
        } else if (first->time <= deadline) {
            struct moment m = timeline_take(&w->timeline);
            w->c.now = m.time > w->c.now ? m.time : w->c.now;
            happen(w, &m);
        } else {
            w->c.now = deadline > w->c.now ? deadline : w->c.now;
            timer(w, n);
        }
        bury(w);
    }
}

static void set_up(struct world *w, const struct world_bugs *bugs)
{
    const struct plan *p = w->plan;
    cluster_init(&w->c, &p->config, &hooks, w);
    checker_init(&w->checker, &w->c);
    rand_seed(&w->rand, p->seed ^ 0x5851f42d4c957f2d);
    w->c.now = START_US;
    w->c.through_codec = p->through_codec;
    cluster_limit_effects(&w->c, (int32_t)p->effects_room);
    if (bugs != NULL)
        w->c.bug = bugs->cluster;
    struct raft_conf conf = { .count = p->voters + p->learners };
    for (uint32_t i = 0; i < conf.count; i++)
        conf.members[i] = (struct raft_member) { .id = i + 1,
                                                 .role = i < p->voters ? RAFT_MEMBER_VOTER
                                                                       : RAFT_MEMBER_LEARNER };
    w->next_id = conf.count + 1;
    for (uint32_t i = 0; i < conf.count; i++) {
        struct node *n = cluster_add(&w->c, i + 1, &conf);
        if (bugs != NULL)
            n->disk.bug = bugs->disk;
        w->drivers[n->id].was_member = true;
        n->rank = (uint32_t)rand_below(&w->rand, p->rank_max + 1);
        if (p->rate_max_ppm > 0)
            n->rate_ppm =
                (int32_t)rand_below(&w->rand, 2 * (uint64_t)p->rate_max_ppm + 1) - p->rate_max_ppm;
        start_node(w, n);
    }
    clients_begin(w);
}

static void take_down(struct world *w)
{
    while (w->timeline.count > 0) {
        struct moment m = timeline_take(&w->timeline);
        packet_unref(m.data);
    }
    timeline_deinit(&w->timeline);
    for (int i = 0; i < PAST_PACKETS; i++)
        packet_unref(w->past[i]);
    for (raft_id id = 0; id < CLUSTER_IDS; id++) {
        struct driver *d = &w->drivers[id];
        free(d->claims);
        free(d->asked);
        if (d->has_copy)
            disk_deinit(&d->copy);
    }
    cluster_deinit(&w->c);
    checker_deinit(&w->checker);
}

static void tell_nodes(struct world *w)
{
    for (raft_id id = 1; id <= w->c.id_max; id++) {
        struct node *n = &w->c.nodes[id];
        if (!node_is_up(n))
            continue;
        struct raft_view v;
        raft_view(n->raft, &v);
        text_view(w->trace, &v);
        (void)fputs("; conf ", w->trace);
        text_conf(w->trace, &v.conf);
        (void)fprintf(w->trace, " of %llu\n", (unsigned long long)v.conf_index);
    }
}

void world_run(const struct plan *p, const struct world_bugs *bugs, FILE *trace,
               uint64_t trace_from_us, struct verdict *out_v)
{
    struct world *w = calloc(1, sizeof *w);
    CHECK(w != NULL);
    memset(out_v, 0, sizeof *out_v);
    w->plan = p;
    w->v = out_v;
    w->trace = trace;
    w->trace_from_us = trace_from_us;
    set_up(w, bugs);
    run(w);
    const struct checker *k = &w->checker;
    out_v->has_failed = k->text[0] != '\0';
    out_v->invariant = k->invariant;
    memcpy(out_v->text, k->text, sizeof out_v->text);
    out_v->at_us = w->c.now - START_US;
    out_v->simulated_us = w->c.now - START_US;
    out_v->hash = w->hash;
    out_v->steps = w->c.steps;
    out_v->checks = k->checks;
    out_v->seen = k->seen;
    if (trace != NULL)
        tell_nodes(w);
    take_down(w);
    free(w);
}
