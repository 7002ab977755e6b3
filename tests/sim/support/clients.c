/*
 * Clients that write and read without waiting for one another, and an operator who changes the
 * conf. Each knows only what a real one could: verdicts, what is applied at the node it asked, and
 * nothing at all when that node crashes.
 */
#include "tests/sim/support/state.h"

#include <stdlib.h>

#include "base/check.h"
#include "raft/codec.h"

enum { PAYLOAD_MAX = 512, BATCH_MAX = 16, OPERATOR_US = 500000, MEMBERS_WANTED_MAX = 14 };

static uint64_t until_next(struct world *w, uint64_t per_s)
{
    return 1 + draw_delay(w, 1000000 / per_s);
}

void clients_begin(struct world *w)
{
    post(w, HAPPENS_WRITES, NULL, until_next(w, w->plan->writes_per_s), (struct moment) { 0 });
    post(w, HAPPENS_READ, NULL, until_next(w, w->plan->reads_per_s), (struct moment) { 0 });
    post(w, HAPPENS_OPERATOR, NULL, OPERATOR_US, (struct moment) { 0 });
}

/* At the end nobody asks for anything: who is behind catches up by itself. */
static bool is_quiet(const struct world *w)
{
    return w->c.now < w->quiet_until ||
           (w->is_live && (w->live_serial != 0 || w->plan->is_silent_end));
}

/* Whom a client asks: mostly who led last, as far as it knows. */
static struct node *draw_server(struct world *w, bool any)
{
    struct node *n = &w->c.nodes[w->last_leader];
    if (!any && node_is_up(n) && rand_below(&w->rand, 8) != 0)
        return n;
    return draw_up_node(w, (uint32_t)rand_below(&w->rand, 1 << 20));
}

/* ---- Writes ------------------------------------------------------------------------------- */

static void claim(struct world *w, struct node *n, raft_term term, raft_index index,
                  uint64_t serial)
{
    struct driver *d = &w->drivers[n->id];
    if (d->claim_count == d->claim_capacity) {
        d->claim_capacity = d->claim_capacity == 0 ? 64 : 2 * d->claim_capacity;
        d->claims = realloc(d->claims, d->claim_capacity * sizeof d->claims[0]);
        CHECK(d->claims != NULL);
    }
    d->claims[d->claim_count++] = (struct claim) { .term = term, .index = index, .serial = serial };
}

static void end_write(struct world *w, uint64_t serial, enum outcome outcome)
{
    if (w->c.is_stopped)
        return;
    checker_end_write(&w->checker, serial, outcome);
    w->v->writes_done += outcome == OUTCOME_DONE;
    w->v->writes_unknown += outcome == OUTCOME_UNKNOWN;
    w->v->writes_refused += outcome == OUTCOME_REFUSED || outcome == OUTCOME_LOST;
}

void clients_write(struct world *w)
{
    struct node *n = draw_server(w, false);
    post(w, HAPPENS_WRITES, NULL, until_next(w, w->plan->writes_per_s), (struct moment) { 0 });
    if (n == NULL || is_quiet(w) || w->drivers[n->id].paused_until > w->c.now)
        return;
    uint32_t count = 1 + (uint32_t)rand_below(&w->rand, w->plan->batch_max);
    if (rand_below(&w->rand, 500) == 0)
        count = BATCH_MAX; /* More than some groups take at once. */
    struct raft_entry entries[BATCH_MAX];
    struct blob *blobs[BATCH_MAX];
    uint64_t first = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t serial = checker_begin_write(&w->checker);
        size_t size = FSM_SERIAL_SIZE;
        if (w->plan->payload_max > FSM_SERIAL_SIZE)
            size += rand_below(&w->rand, w->plan->payload_max - FSM_SERIAL_SIZE);
        blobs[i] = blob_new(&w->c.blobs, size);
        memset(blobs[i]->data, (int)(serial & 0xff), size);
        put_u64(blobs[i]->data, serial);
        entries[i] = (struct raft_entry) { .kind = RAFT_ENTRY_DATA,
                                           .data = bytes_of(blobs[i]->data, size),
                                           .blob = blobs[i] };
        first = i == 0 ? serial : first;
    }
    struct raft_event event = { .kind = RAFT_EVENT_PROPOSE };
    event.u.propose.entries = entries;
    event.u.propose.entry_count = count;
    event.u.propose.frees_space = rand_below(&w->rand, 4) == 0;
    enum raft_reason verdict = cluster_step(&w->c, n, &event);
    if (verdict == RAFT_OK &&
        n->space >= (event.u.propose.frees_space ? RAFT_DISK_IS_FULL : RAFT_DISK_IS_LOW))
        checker_fail(&w->checker, -1, "node %llu takes a write that its disk has no space for",
                     (unsigned long long)n->id);
    for (uint32_t i = 0; i < count; i++) {
        if (verdict != RAFT_OK) {
            end_write(w, first + i, OUTCOME_REFUSED);
        } else {
            checker_accepted(&w->checker, first + i, w->c.accepted_first + i);
            claim(w, n, w->c.accepted_term, w->c.accepted_first + i, first + i);
        }
        blob_unref(blobs[i]);
    }
    if (verdict == RAFT_NOT_LEADER && n->leader != 0 && n->leader < CLUSTER_IDS)
        w->last_leader = n->leader;
}

/* L9: done or lost, once its place is applied where it was accepted. */
void clients_applied(struct world *w, struct node *n, const struct raft_entry *e)
{
    struct driver *d = &w->drivers[n->id];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < d->claim_count; i++) {
        struct claim c = d->claims[i];
        if (c.index != e->index) {
            d->claims[kept++] = c;
            continue;
        }
        bool is_done = c.term == e->term;
        end_write(w, c.serial, is_done ? OUTCOME_DONE : OUTCOME_LOST);
        if (is_done && w->is_live && w->live_serial == 0 && c.serial > w->live_from)
            w->live_serial = c.serial;
    }
    d->claim_count = kept;
}

static void give_up(struct world *w, struct node *n, raft_index up_to, enum outcome outcome,
                    raft_index from)
{
    struct driver *d = &w->drivers[n->id];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < d->claim_count; i++) {
        if (d->claims[i].index <= up_to && d->claims[i].index >= from)
            end_write(w, d->claims[i].serial, outcome);
        else
            d->claims[kept++] = d->claims[i];
    }
    d->claim_count = kept;
}

void clients_jumped(struct world *w, struct node *n)
{
    give_up(w, n, n->fsm.index, OUTCOME_UNKNOWN, 0);
}

void clients_truncated(struct world *w, struct node *n, raft_index from)
{
    give_up(w, n, UINT64_MAX, OUTCOME_LOST, from);
}

void clients_crashed(struct world *w, struct node *n)
{
    give_up(w, n, UINT64_MAX, OUTCOME_UNKNOWN, 0);
    w->drivers[n->id].asked_count = 0;
}

/* ---- Reads -------------------------------------------------------------------------------- */

void clients_read(struct world *w)
{
    struct node *n = draw_server(w, w->plan->follower_reads);
    post(w, HAPPENS_READ, NULL, until_next(w, w->plan->reads_per_s), (struct moment) { 0 });
    /* Now and then the one that led before: it may not know yet. */
    if (rand_below(&w->rand, 4) == 0 && node_is_up(&w->c.nodes[w->leader_before]))
        n = &w->c.nodes[w->leader_before];
    if (n == NULL || is_quiet(w) || w->drivers[n->id].paused_until > w->c.now)
        return;
    struct driver *d = &w->drivers[n->id];
    if (d->asked_count == d->asked_capacity) {
        d->asked_capacity = d->asked_capacity == 0 ? 64 : 2 * d->asked_capacity;
        d->asked = realloc(d->asked, d->asked_capacity * sizeof d->asked[0]);
        CHECK(d->asked != NULL);
    }
    uint64_t ctx = ++w->reads_made;
    d->asked[d->asked_count++] =
        (struct asked) { .ctx = ctx, .floor = w->checker.floor, .at_us = w->c.now };
    if (cluster_event(&w->c, n, RAFT_EVENT_READ, ctx) != RAFT_OK)
        clients_refused(w, n, ctx);
}

static struct asked take_asked(struct world *w, struct node *n, uint64_t ctx)
{
    struct driver *d = &w->drivers[n->id];
    for (uint32_t i = 0; i < d->asked_count; i++) {
        if (d->asked[i].ctx != ctx)
            continue;
        struct asked a = d->asked[i];
        d->asked[i] = d->asked[--d->asked_count];
        return a;
    }
    checker_fail(&w->checker, -1, "node %llu ends read %llu, which nobody waits for (L10)",
                 (unsigned long long)n->id, (unsigned long long)ctx);
    return (struct asked) { .ctx = 0 };
}

void clients_served(struct world *w, struct node *n, uint64_t ctx)
{
    struct asked a = take_asked(w, n, ctx);
    w->v->reads_served++;
    checker_read(&w->checker, n, a.floor);
}

void clients_refused(struct world *w, struct node *n, uint64_t ctx)
{
    (void)take_asked(w, n, ctx);
}

/* ---- The operator ------------------------------------------------------------------------- */

static bool is_gone(struct world *w, raft_id id)
{
    struct node *n = cluster_node(&w->c, id);
    return n == NULL || n->state == NODE_GONE;
}

/* A new replica that was in no conf yet, or 0. */
static raft_id draw_newcomer(struct world *w)
{
    for (raft_id id = 1; id <= w->c.id_max; id++) {
        if (node_is_up(&w->c.nodes[id]) && !w->drivers[id].was_member)
            return id;
    }
    if (w->next_id >= CLUSTER_IDS)
        return 0;
    struct node *n = cluster_add(&w->c, w->next_id++, NULL);
    n->rank = (uint32_t)rand_below(&w->rand, w->plan->rank_max + 1);
    n->disk.bug = w->c.nodes[1].disk.bug;
    start_node(w, n);
    return n->id;
}

static void add_op(struct raft_change *change, raft_id id, enum raft_change_op op)
{
    change->ops[change->count].id = id;
    change->ops[change->count++].op = op;
}

/* Whether a majority of the voters that conf would have are alive: the operator takes care. */
static bool is_sane(struct world *w, struct raft_conf conf, const struct raft_change *change)
{
    if (change->count > 0 && raft_conf_apply(&conf, change) != RAFT_OK)
        return true; /* The core has to refuse it. */
    /* Who may have lost what it acknowledged does not vote any more. */
    for (uint32_t i = 0; i < change->count; i++) {
        if (change->ops[i].id >= CLUSTER_IDS)
            continue;
        const struct driver *d = &w->drivers[change->ops[i].id];
        if (change->ops[i].op == RAFT_CHANGE_ADD_VOTER &&
            (d->has_copy || d->wants_copy || w->checker.may_forget[change->ops[i].id]))
            return false;
    }
    for (int half = 0; half < 2; half++) {
        uint32_t voters = 0;
        uint32_t alive = 0;
        for (uint32_t i = 0; i < conf.count; i++) {
            enum raft_member_role role = conf.members[i].role;
            if (role != RAFT_MEMBER_VOTER &&
                role != (half == 0 ? RAFT_MEMBER_DEMOTING : RAFT_MEMBER_INCOMING))
                continue;
            voters++;
            alive += !is_gone(w, conf.members[i].id);
        }
        if (alive * 2 <= voters)
            return false;
    }
    return true;
}

/* What a careless operator asks for: the core refuses it, or it makes sense by chance. */
static void draw_any_change(struct world *w, const struct raft_view *v, struct raft_change *change)
{
    uint32_t count = (uint32_t)rand_below(&w->rand, 5);
    if (count == 4) {
        for (uint32_t i = 0; i < RAFT_CHANGES_MAX; i++)
            add_op(change, CLUSTER_IDS + i, RAFT_CHANGE_ADD_LEARNER); /* More than there may be. */
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        raft_id id = 1 + rand_below(&w->rand, w->c.id_max);
        bool is_member = false;
        for (uint32_t j = 0; j < v->conf.count; j++)
            is_member |= v->conf.members[j].id == id;
        /* But for one thing: ids are never used again. */
        if (is_member || !w->drivers[id].was_member)
            add_op(change, id,
                   (enum raft_change_op)(RAFT_CHANGE_ADD_VOTER + rand_below(&w->rand, 3)));
    }
}

static void draw_change(struct world *w, const struct raft_view *v, uint32_t number,
                        struct raft_change *change)
{
    change->auto_leave = number % 3 != 0;
    if (number % 11 == 0) {
        draw_any_change(w, v, change);
        return;
    }
    if (v->is_joint)
        return; /* Leave. */
    uint32_t ops = 1 + number / 3 % 3;
    for (uint32_t i = 0; i < ops; i++) {
        const struct raft_member *m = &v->conf.members[rand_below(&w->rand, v->conf.count)];
        for (uint32_t j = 0; j < v->conf.count; j++) {
            if (is_gone(w, v->conf.members[j].id))
                m = &v->conf.members[j];
        }
        bool is_crowded = v->conf.count >= MEMBERS_WANTED_MAX;
        raft_id newcomer = is_crowded ? 0 : draw_newcomer(w);
        if (m->role == RAFT_MEMBER_VOTER && (is_gone(w, m->id) || rand_below(&w->rand, 2) == 0))
            add_op(change, m->id, RAFT_CHANGE_ADD_LEARNER);
        else if (m->role == RAFT_MEMBER_LEARNER && !is_gone(w, m->id) &&
                 rand_below(&w->rand, 3) != 0)
            add_op(change, m->id, RAFT_CHANGE_ADD_VOTER);
        else if (m->role == RAFT_MEMBER_LEARNER)
            add_op(change, m->id, RAFT_CHANGE_REMOVE);
        else if (newcomer != 0)
            add_op(change, newcomer,
                   rand_below(&w->rand, 3) == 0 ? RAFT_CHANGE_ADD_VOTER : RAFT_CHANGE_ADD_LEARNER);
    }
}

void operator_change(struct world *w, uint32_t number)
{
    struct node *n = find_leader(w);
    if (n == NULL || w->drivers[n->id].paused_until > w->c.now)
        return;
    struct raft_view v;
    raft_view(n->raft, &v);
    struct raft_change change = { .count = 0 };
    draw_change(w, &v, number, &change);
    if (!is_sane(w, v.conf, &change))
        return;
    raft_term term;
    raft_index index;
    if (!node_is_up(n) || cluster_change(&w->c, n, &change, &term, &index) != RAFT_OK)
        return;
    w->v->changes++;
    for (uint32_t i = 0; i < v.peer_count; i++) {
        for (uint32_t j = 0; j < change.count; j++) {
            if (change.ops[j].id == v.peers[i].id && change.ops[j].op == RAFT_CHANGE_ADD_VOTER &&
                v.peers[i].progress == RAFT_SENDING)
                checker_fail(&w->checker, -1, "node %llu makes %llu a voter, without its state",
                             (unsigned long long)n->id, (unsigned long long)v.peers[i].id);
        }
    }
}

void operator_tidy(struct world *w)
{
    post(w, HAPPENS_OPERATOR, NULL, OPERATOR_US, (struct moment) { 0 });
    for (raft_id id = 1; id <= w->c.id_max; id++) {
        struct node *n = &w->c.nodes[id];
        if (!node_is_up(n) || n->role != RAFT_HALTED)
            continue;
        if (n->halt_reason == RAFT_HALT_REMOVED) {
            clients_crashed(w, n);
            cluster_remove(&w->c, n);
        } else if (n->halt_reason == RAFT_HALT_DISK) {
            crash_node(w, n, 0, 1000);
        } else {
            checker_fail(&w->checker, -1, "node %llu halted: %s", (unsigned long long)id,
                         raft_reason_name(n->halt_reason));
        }
    }
    struct node *leader = find_leader(w);
    if (!w->is_live || leader == NULL)
        return;
    struct raft_view v;
    raft_view(leader->raft, &v);
    if (v.is_joint)
        operator_change(w, 1); /* With care: it is left. */
}
