/*
 * The faults of a plan, as they happen: whom they hit is worked out here.
 */
#include "tests/sim/support/state.h"

#include "base/check.h"

static struct node *target(struct world *w, const struct planned *f)
{
    struct node *leader = f->at_leader ? find_leader(w) : NULL;
    return leader != NULL ? leader : draw_up_node(w, f->who);
}

/* ---- Links -------------------------------------------------------------------------------- */

static struct cut *begin_cut(struct world *w, const struct planned *f)
{
    uint32_t i = w->next_fault % CUTS_MAX;
    struct cut *cut = &w->cuts[i];
    if (cut->until != 0)
        return NULL;
    *cut = (struct cut) { .until = w->c.now + f->duration_us };
    post(w, HAPPENS_HEAL, NULL, f->duration_us, (struct moment) { .number = i });
    return cut;
}

static void block(struct world *w, struct cut *cut, raft_id from, raft_id to)
{
    if (from == to || cut->links[from][to])
        return;
    cut->links[from][to] = true;
    w->blocked[from][to]++;
}

void faults_heal(struct world *w, uint32_t number)
{
    struct cut *cut = &w->cuts[number];
    for (raft_id from = 0; from < CLUSTER_IDS; from++) {
        for (raft_id to = 0; to < CLUSTER_IDS; to++)
            w->blocked[from][to] -= cut->links[from][to];
    }
    *cut = (struct cut) { .until = 0 };
}

static void cut_links(struct world *w, const struct planned *f)
{
    struct node *n = target(w, f);
    struct cut *cut = n != NULL ? begin_cut(w, f) : NULL;
    raft_id bridge = f->other % w->c.id_max + 1;
    if (cut == NULL)
        return;
    for (raft_id a = 1; a <= w->c.id_max; a++) {
        for (raft_id b = 1; b <= w->c.id_max; b++) {
            bool is_apart = (f->who >> (a % 20) & 1) != (f->who >> (b % 20) & 1);
            bool is_meant = f->fault == FAULT_CUT_NODE    ? a == n->id || b == n->id
                            : f->fault == FAULT_CUT_LINK  ? a == n->id && b % 3 == f->other % 3
                            : f->fault == FAULT_PARTITION ? is_apart
                                                          : is_apart && a != bridge && b != bridge;
            if (is_meant)
                block(w, cut, a, b);
        }
    }
}

/* Whatever a leader believes to be its time, this shows: elections come as early as promises allow.
 * Half of the time all others restart first, and may have forgotten theirs. */
static void usurp(struct world *w, const struct planned *f)
{
    enum { TRIES = 40 };
    uint64_t election_us = w->plan->config.election_us;
    struct node *leader = find_leader(w);
    struct cut *cut = leader != NULL ? begin_cut(w, f) : NULL;
    if (cut == NULL)
        return;
    raft_id id_max = w->c.id_max;
    for (raft_id id = 1; id <= id_max; id++) {
        block(w, cut, leader->id, id);
        block(w, cut, id, leader->id);
    }
    for (raft_id id = 1; id <= id_max; id++) {
        struct node *n = &w->c.nodes[id];
        if (n == leader || !node_is_up(n))
            continue;
        if (f->other % 2 == 0) {
            crash_node(w, n, UINT32_MAX, 1000);
            n->incarnation++; /* Of the life to come, which the tries are meant for. */
        }
        for (uint64_t i = 0; i < TRIES; i++)
            post(w, HAPPENS_CAMPAIGN, n, 2000 + (i + (f->who + id) % 7) * election_us / 20,
                 (struct moment) { 0 });
        if (f->other % 2 == 0)
            n->incarnation--;
    }
}

static void replay(struct world *w, uint32_t number)
{
    for (uint32_t i = 0; i < 1 + number % 16; i++) {
        struct packet *p = w->past[rand_below(&w->rand, PAST_PACKETS)];
        if (p == NULL)
            continue;
        if (rand_below(&w->rand, 8) == 0) {
            struct raft_message m = p->m;
            m.group++; /* Of another group, by a mistake on the way. */
            p = packet_copy(&m);
        } else {
            packet_ref(p);
        }
        send_through(w, p);
    }
}

/* ---- Processes and disks ------------------------------------------------------------------ */

static void crash(struct world *w, struct node *n, const struct planned *f)
{
    crash_node(w, n, f->other % (n->disk.writes + 1), f->duration_us);
}

static void fail_disk(struct world *w, struct node *n, const struct planned *f)
{
    cluster_disk_fail(&w->c, n);
    if (w->c.bug == CLUSTER_RETRIES_SYNC && node_is_up(n))
        crash_node(w, n, 0, f->duration_us);
    /* The operator restarts it, halted as it is; of the failed write nothing is left. */
}

/* May id be lost for good, as far as any conf still in force is concerned? */
static bool is_dispensable(struct world *w, raft_id id)
{
    for (raft_id other = 1; other <= w->c.id_max; other++) {
        struct node *n = &w->c.nodes[other];
        if (n->state == NODE_NONE || n->state == NODE_GONE)
            continue;
        const struct raft_conf *conf = &n->disk.hard.conf;
        for (int half = 0; half < 2; half++) {
            uint32_t voters = 0;
            uint32_t alive = 0;
            for (uint32_t i = 0; i < conf->count; i++) {
                enum raft_member_role role = conf->members[i].role;
                if (role != RAFT_MEMBER_VOTER &&
                    role != (half == 0 ? RAFT_MEMBER_DEMOTING : RAFT_MEMBER_INCOMING))
                    continue;
                raft_id member = conf->members[i].id;
                voters++;
                alive += member != id && w->c.nodes[member].state != NODE_GONE;
            }
            if (voters > 0 && alive * 2 <= voters)
                return false;
        }
    }
    return true;
}

static bool is_change_pending(struct world *w)
{
    for (raft_id id = 1; id <= w->c.id_max; id++) {
        struct node *n = &w->c.nodes[id];
        if (!node_is_up(n))
            continue;
        struct raft_view v;
        raft_view(n->raft, &v);
        for (raft_index i = v.commit + 1; i <= v.last; i++) {
            const struct raft_entry *e = raft_entry_at(n->raft, i);
            if (e != NULL && e->kind == RAFT_ENTRY_CONF)
                return true;
        }
        if (v.is_joint)
            return true;
    }
    return false;
}

static void wipe(struct world *w, struct node *n)
{
    uint32_t down = 0;
    for (raft_id id = 1; id <= w->c.id_max; id++)
        down += w->c.nodes[id].state == NODE_DOWN;
    if (down > 0 || is_change_pending(w) || !is_dispensable(w, n->id))
        return;
    clients_crashed(w, n);
    cluster_remove(&w->c, n);
}

/* A learner is never counted on, so it may lose what it acknowledged. A copy is made the first
 * time and comes back the second. */
static void old_copy(struct world *w, struct node *n, const struct planned *f)
{
    struct driver *d = &w->drivers[n->id];
    for (raft_id id = 1; id <= w->c.id_max; id++) {
        const struct node *o = &w->c.nodes[id];
        const struct raft_member *m = conf_member(&o->disk.hard.conf, n->id);
        if (o->state != NODE_NONE && o->state != NODE_GONE &&
            (m == NULL || m->role != RAFT_MEMBER_LEARNER))
            return;
    }
    if (is_change_pending(w))
        return;
    if (!d->has_copy) {
        crash_node(w, n, 0, f->duration_us);
        disk_copy(&d->copy, &n->disk);
        d->has_copy = true;
        return;
    }
    crash_node(w, n, 0, f->duration_us);
    d->wants_copy = true;
}

static void disk_space(struct world *w, struct node *n, enum raft_disk disk, uint64_t duration_us)
{
    (void)cluster_event(&w->c, n, RAFT_EVENT_DISK, disk);
    post(w, HAPPENS_DISK_OK, n, duration_us, (struct moment) { 0 });
}

static void compact_all(struct world *w)
{
    for (raft_id id = 1; id <= w->c.id_max; id++) {
        struct node *n = &w->c.nodes[id];
        if (!node_is_up(n) || w->drivers[id].paused_until > w->c.now)
            continue;
        cluster_flush(&w->c, n);
        cluster_compact(&w->c, n, n->disk.saved.index);
    }
}

/* ---- All of them -------------------------------------------------------------------------- */

static void hit_node(struct world *w, struct node *n, const struct planned *f)
{
    struct driver *d = &w->drivers[n->id];
    raft_id other = f->other % w->c.id_max + 1;
    uint64_t until = w->c.now + f->duration_us;
    switch (f->fault) {
    case FAULT_CRASH:
        crash(w, n, f);
        break;
    case FAULT_CRASH_IN_EFFECTS:
        n->effects_until_crash = 1 + f->other % 40;
        break;
    case FAULT_PAUSE:
        d->paused_until = until;
        break;
    case FAULT_DISK_SLOW:
        d->disk_slow_until = until;
        break;
    case FAULT_DISK_HANGS:
        d->disk_hangs_until = until;
        break;
    case FAULT_DISK_FAILS:
        fail_disk(w, n, f);
        break;
    case FAULT_DISK_LOW:
        disk_space(w, n, RAFT_DISK_IS_LOW, f->duration_us);
        break;
    case FAULT_DISK_FULL:
        disk_space(w, n, RAFT_DISK_IS_FULL, f->duration_us);
        break;
    case FAULT_RATE:
        if (w->plan->rate_max_ppm > 0)
            node_set_rate(n, w->c.now,
                          (int32_t)(f->other % (2 * (uint32_t)w->plan->rate_max_ppm + 1)) -
                              w->plan->rate_max_ppm);
        break;
    case FAULT_TRANSFER:
        if (f->who % 4 == 0 && node_is_up(&w->c.nodes[other])) /* It will not want to. */
            disk_space(w, &w->c.nodes[other], RAFT_DISK_IS_FULL, f->duration_us);
        (void)cluster_event(&w->c, n, RAFT_EVENT_TRANSFER, other);
        break;
    case FAULT_STEP_DOWN:
        (void)cluster_event(&w->c, n, RAFT_EVENT_STEP_DOWN, 0);
        break;
    case FAULT_CAMPAIGN:
        (void)cluster_event(&w->c, n, RAFT_EVENT_CAMPAIGN, 0);
        break;
    case FAULT_WIPE:
        wipe(w, n);
        break;
    case FAULT_OLD_COPY:
        old_copy(w, n, f);
        break;
    case FAULT_UNREACHABLE:
        (void)cluster_event(&w->c, n, RAFT_EVENT_UNREACHABLE, other);
        post(w, HAPPENS_REACHABLE, n, f->duration_us, (struct moment) { .number = other });
        break;
    case FAULT_LEASE_HOLD:
        if (f->other % 2 == 1)
            d->no_lease_until = UINT64_MAX;
        (void)cluster_event(&w->c, n, RAFT_EVENT_LEASE, 1 + f->other % 2);
        post(w, HAPPENS_LEASE_FREE, n, f->duration_us, (struct moment) { 0 });
        break;
    case FAULT_CLOCK_JUMP:
        n->clock_offset_us += (int64_t)(f->other % 8 * (w->plan->config.election_us / 2));
        (void)cluster_event(&w->c, n, RAFT_EVENT_CLOCK_JUMP, 0);
        if (d->no_lease_until != UINT64_MAX)
            d->no_lease_until = n->clock_us + 10 * (uint64_t)w->plan->config.election_us;
        break;
    case FAULT_WAKE:
        (void)cluster_event(&w->c, n, RAFT_EVENT_WAKE, 0);
        break;
    case FAULT_SLOW_APPLY:
        d->apply_slow_until = until;
        break;
    default:
        break;
    }
}

void faults_happen(struct world *w, const struct planned *f)
{
    w->v->fault_seen[f->fault]++;
    mix(w, f->fault);
    if (is_traced(w))
        (void)fprintf(w->trace, "%10llu fault %s\n", (unsigned long long)w->c.now,
                      fault_name(f->fault));
    switch (f->fault) {
    case FAULT_CUT_NODE:
    case FAULT_CUT_LINK:
    case FAULT_PARTITION:
    case FAULT_BRIDGE:
        cut_links(w, f);
        return;
    case FAULT_STORM:
        w->storm_until = w->c.now + f->duration_us;
        return;
    case FAULT_QUIET:
        w->quiet_until = w->c.now + 3 * f->duration_us;
        return;
    case FAULT_CHANGE:
        operator_change(w, f->who);
        return;
    case FAULT_COMPACT:
        compact_all(w);
        return;
    case FAULT_USURP:
        usurp(w, f);
        return;
    case FAULT_REPLAY:
        replay(w, f->who);
        return;
    default:
        break;
    }
    struct node *n = target(w, f);
    if (n != NULL && w->drivers[n->id].paused_until <= w->c.now)
        hit_node(w, n, f);
}

void faults_end(struct world *w)
{
    for (uint32_t i = 0; i < CUTS_MAX; i++)
        faults_heal(w, i);
    w->storm_until = w->quiet_until = 0;
    for (raft_id id = 1; id <= w->c.id_max; id++) {
        struct driver *d = &w->drivers[id];
        struct node *n = &w->c.nodes[id];
        d->paused_until = d->disk_hangs_until = d->disk_slow_until = d->apply_slow_until = 0;
        n->effects_until_crash = 0;
        if (!node_is_up(n) || n->role == RAFT_HALTED)
            continue;
        (void)cluster_event(&w->c, n, RAFT_EVENT_DISK, RAFT_DISK_IS_OK);
        (void)cluster_event(&w->c, n, RAFT_EVENT_LEASE, RAFT_LEASE_FREE);
        d->no_lease_until = d->no_lease_until == UINT64_MAX ? 0 : d->no_lease_until;
        for (raft_id other = 1; other <= w->c.id_max; other++) {
            /* That a peer is gone only the transport can tell a group that sleeps. */
            bool is_gone = w->c.nodes[other].state == NODE_GONE;
            if (other != id)
                (void)cluster_event(&w->c, n,
                                    is_gone ? RAFT_EVENT_UNREACHABLE : RAFT_EVENT_REACHABLE, other);
        }
    }
}
