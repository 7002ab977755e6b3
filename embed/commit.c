#include "embed/internal.h"

#include "base/check.h"

#include <limits.h>

enum {
    SPINS = 200, /* A write to the kernel is often through by then; one to a device never is. */
    STALL_POLL_NS = 1000 * 1000,
    BUSY_POLL_NS = 10 * 1000 * 1000, /* A log that is led now is not idle for so long. */
};

struct status embed_commit_init(struct varve *v)
{
    struct embed_commit *c = &v->commit;
    /* The leader waits for each write before it does anything else. */
    const struct io_ring_options ring = { .entries = 8, .is_blocking = true };

    c->is_durable = v->options.durability != VARVE_RELAXED;
    mutex_init(&c->lock, RANK_COMMIT);
    TRY(io_ring_create(v->io, &ring, &c->ring));
    txn_log_proposer_init(&c->log, v->lsm, v->env.clock, 0);
    const struct txn_proposer proposer = txn_log_proposer_ops(&c->log);
    return txn_pipeline_init(&c->pipeline, &v->env, v->lsm, &proposer, c->ring);
}

void embed_commit_deinit(struct varve *v)
{
    io_ring_destroy(v->commit.ring);
    v->commit.ring = NULL;
    mutex_deinit(&v->commit.lock);
}

/* ---- Leading ------------------------------------------------------------------------------ */

static uint64_t now_ns(struct varve *v)
{
    return clock_ns(v->env.clock);
}

static void sleep_ns(struct varve *v, uint64_t ns)
{
    io_ring_wait(v->commit.ring, now_ns(v) + ns);
}

/* Wait until the tree takes a batch of this size; slow down as it asks. */
static struct status admit(struct varve *v, size_t size, bool is_delete_only)
{
    for (;;) {
        uint64_t delay;
        struct status s = lsm_admit(v->lsm, size, is_delete_only, &delay);
        if (succeeded(s) && delay > 0)
            sleep_ns(v, delay);
        if (s.code != ST_AGAIN)
            return s;
        sleep_ns(v, STALL_POLL_NS);
    }
}

/* Until the log has nothing to do. */
static void settle_log(struct varve *v, uint64_t now)
{
    while (vlog_write_wait(lsm_log(v->lsm), v->commit.ring, now) == VLOG_AGAIN)
        ;
}

/* Proposals that are through tell their waiters. Returns how many. */
static uint32_t finish(struct txn_proposal *done)
{
    uint32_t count = 0;
    while (done != NULL) {
        struct txn_proposal *next = done->next; /* The waiter may be gone after is_done. */
        struct embed_waiter *w = done->owner;
        w->status = done->state == TXN_APPLIED ? status_ok() : done->status;
        atomic_store_explicit(&w->is_done, true, memory_order_release);
        done = next;
        count++;
    }
    return count;
}

static void refuse(struct embed_waiter *w, struct status s)
{
    w->status = s;
    atomic_store_explicit(&w->is_done, true, memory_order_release);
}

/* The background keeps the clock's mark ahead; where it does not come to it, the leader must. */
static struct status propose(struct varve *v, struct txn_proposal *p)
{
    struct embed_commit *c = &v->commit;
    struct status s = txn_propose(&c->pipeline, p);

    if (s.code != ST_AGAIN)
        return s;
    TRY(txn_clock_keep_ahead(&c->pipeline.clock, c->ring));
    return txn_propose(&c->pipeline, p);
}

/* Propose the waiters' batches, then drive log and pipeline until each is applied or dropped.
 * Returns how many there were. */
static uint32_t lead_group(struct varve *v, struct embed_waiter *group, uint64_t now)
{
    struct embed_commit *c = &v->commit;
    uint32_t count = 0;
    uint32_t open = 0;

    for (struct embed_waiter *next; group != NULL; group = next) {
        next = group->next;
        count++;
        struct status s = admit(v, group->size, group->is_delete_only);
        if (succeeded(s))
            s = propose(v, group->proposal);
        if (failed(s))
            refuse(group, s);
        else
            open++;
    }
    while (open > 0) {
        (void)vlog_write_wait(lsm_log(v->lsm), c->ring, now);
        open -= finish(txn_pipeline_step(&c->pipeline));
    }
    /* A memtable that was frozen has ended the log's segment: see it through. */
    settle_log(v, now);
    return count;
}

/* Wait a little for those who are about to come back. */
static void gather(struct varve *v)
{
    struct embed_commit *c = &v->commit;
    uint64_t deadline = now_ns(v) + c->crowd.patience_ns;
    bool all_came;

    do {
        thread_yield();
        all_came = atomic_load_explicit(&c->waiting, memory_order_relaxed) >= c->crowd.expected;
    } while (!all_came && now_ns(v) < deadline);
    embed_crowd_note_wait(&c->crowd, all_came);
}

/* The group: all that wait. */
static struct embed_waiter *take_queue(struct embed_commit *c) REQUIRES(c->lock)
{
    struct embed_waiter *group = c->first;

    c->first = NULL;
    c->round++;
    atomic_store_explicit(&c->waiting, 0, memory_order_relaxed);
    return group;
}

/* Wake up to count callers that sleep on a bell. */
static void ring_bell(struct embed_bell *b, int count)
{
    atomic_fetch_add_explicit(&b->rings, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&b->sleepers, memory_order_seq_cst) > 0)
        futex_wake(&b->rings, count);
}

static bool take_lead(struct embed_commit *c)
{
    mutex_lock(&c->lock);
    bool is_free = !c->has_leader;
    c->has_leader = true;
    mutex_unlock(&c->lock);
    return is_free;
}

/* Those of the group are released; of those that queue, one is woken to lead. */
static void leave_lead(struct varve *v, bool has_group)
{
    struct embed_commit *c = &v->commit;

    mutex_lock(&c->lock);
    bool must_watch = !c->is_watched && vlog_seal_deadline(lsm_log(v->lsm)) != UINT64_MAX;
    uint32_t round = c->round;
    bool is_wanted = c->first != NULL;
    c->is_watched |= must_watch;
    c->has_leader = false;
    mutex_unlock(&c->lock);
    if (has_group)
        ring_bell(&c->bells[(round - 1) % 2], INT_MAX);
    if (is_wanted)
        ring_bell(&c->bells[round % 2], 1);
    if (must_watch)
        io_ring_wake(v->background_ring);
}

/* Requires: the caller has the lead. group: the queue, if it was taken already. */
static void lead(struct varve *v, struct embed_waiter *group)
{
    struct embed_commit *c = &v->commit;

    if (group == NULL) {
        gather(v);
        mutex_lock(&c->lock);
        group = take_queue(c);
        mutex_unlock(&c->lock);
    }
    uint64_t begin = now_ns(v);
    uint32_t count = lead_group(v, group, begin);
    if (c->is_durable)
        embed_crowd_note_round(&c->crowd, count,
                               atomic_load_explicit(&c->waiting, memory_order_relaxed),
                               now_ns(v) - begin);
    leave_lead(v, true);
}

/* What to do next: lead, or sleep. */
struct turn {
    bool leads;
    struct embed_waiter *group; /* To lead at once; NULL: gather first. */
    uint32_t rings;             /* Of the bell, when there was a leader. */
};

/* Queue w, if it does not queue yet. */
static struct turn join(struct embed_commit *c, struct embed_waiter *w, bool is_queued)
{
    mutex_lock(&c->lock);
    uint32_t waiting = atomic_load_explicit(&c->waiting, memory_order_relaxed);
    if (!is_queued) {
        w->next = NULL;
        w->parity = c->round % 2;
        if (c->first == NULL)
            c->first = w;
        else
            c->last->next = w;
        c->last = w;
        atomic_store_explicit(&c->waiting, ++waiting, memory_order_relaxed);
    }
    struct turn t = { .leads = !c->has_leader && c->first != NULL };
    if (t.leads) {
        c->has_leader = true;
        if (!embed_crowd_is_worth_waiting(&c->crowd, waiting))
            t.group = take_queue(c);
    }
    /* A leader rings after it has given up the lead under the lock. */
    t.rings = atomic_load_explicit(&c->bells[w->parity].rings, memory_order_relaxed);
    mutex_unlock(&c->lock);
    return t;
}

/* Wait for the bell to be rung once more. */
static void await_bell(struct embed_commit *c, const struct embed_waiter *w, uint32_t rings)
{
    struct embed_bell *b = &c->bells[w->parity];

    for (int i = 0; i < SPINS && !c->is_durable; i++) {
        if (atomic_load_explicit(&w->is_done, memory_order_acquire) ||
            atomic_load_explicit(&b->rings, memory_order_acquire) != rings)
            return;
        thread_relax();
    }
    atomic_fetch_add_explicit(&b->sleepers, 1, memory_order_seq_cst);
    futex_wait(&b->rings, rings);
    atomic_fetch_sub_explicit(&b->sleepers, 1, memory_order_seq_cst);
}

struct status embed_commit(struct varve *v, struct txn_proposal *p, bool is_delete_only)
{
    struct embed_commit *c = &v->commit;
    struct embed_waiter w = { .proposal = p,
                              .size = lsm_batch_size(&p->batch),
                              .is_delete_only = is_delete_only };
    bool is_queued = false;

    p->owner = &w;
    while (!atomic_load_explicit(&w.is_done, memory_order_acquire)) {
        struct turn t = join(c, &w, is_queued);
        if (t.leads)
            lead(v, t.group);
        else
            await_bell(c, &w, t.rings);
        is_queued = true;
    }
    return w.status;
}

struct status embed_freeze(struct varve *v, uint64_t *out_ticket)
{
    while (!take_lead(&v->commit))
        thread_yield();
    struct status s = lsm_freeze(v->lsm, out_ticket);
    settle_log(v, now_ns(v));
    leave_lead(v, false);
    return s;
}

uint64_t embed_commit_idle(struct varve *v, uint64_t now)
{
    struct embed_commit *c = &v->commit;
    struct vlog *log = lsm_log(v->lsm);

    /* The log is its leader's, its deadline too. */
    mutex_lock(&c->lock);
    bool is_led = c->has_leader;
    c->has_leader = true;
    c->is_watched = true;
    mutex_unlock(&c->lock);
    if (is_led)
        return now + BUSY_POLL_NS;
    if (lsm_relieve(v->lsm) || vlog_seal_deadline(log) <= now)
        settle_log(v, now);
    uint64_t due = vlog_seal_deadline(log);
    mutex_lock(&c->lock);
    c->is_watched = due != UINT64_MAX;
    mutex_unlock(&c->lock);
    leave_lead(v, false);
    return due;
}
