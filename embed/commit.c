#include "embed/internal.h"

#include "base/check.h"

#include <limits.h>

/* Followers look this often before they sleep: a write is often through by then. */
enum { SPINS = 200, STALL_POLL_NS = 1000 * 1000 };

struct status embed_commit_init(struct varve *v)
{
    struct embed_commit *c = &v->commit;
    /* The leader waits for each write before it does anything else. */
    const struct io_ring_options ring = { .entries = 8, .is_blocking = true };

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

/* Let the log write what is staged; wait for an op if it has nothing else to do. */
static enum vlog_step drive_log(struct varve *v)
{
    struct embed_commit *c = &v->commit;
    enum vlog_step step = vlog_write_step(lsm_log(v->lsm), c->ring, now_ns(v));
    if (step == VLOG_WANTS) {
        io_ring_wait(c->ring, UINT64_MAX);
        while (io_ring_done(c->ring) != NULL)
            ;
    }
    return step;
}

/* Until the log has nothing under way and nothing to do. */
static void settle_log(struct varve *v)
{
    enum vlog_step step;
    do {
        step = drive_log(v);
    } while (step == VLOG_AGAIN || step == VLOG_WANTS);
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

/* Propose the waiters' batches, then drive log and pipeline until each is applied or dropped. */
static void lead_group(struct varve *v, struct embed_waiter *group)
{
    struct embed_commit *c = &v->commit;
    uint32_t open = 0;

    while (group != NULL) {
        struct embed_waiter *next = group->next;
        struct status s = admit(v, group->size, group->is_delete_only);
        if (succeeded(s))
            s = propose(v, group->proposal);
        if (failed(s))
            refuse(group, s);
        else
            open++;
        group = next;
    }
    while (open > 0) {
        (void)drive_log(v);
        open -= finish(txn_pipeline_step(&c->pipeline));
    }
    /* A memtable that was frozen has ended the log's segment: see it through. */
    settle_log(v);
}

static bool take_lead(struct embed_commit *c)
{
    mutex_lock(&c->lock);
    bool is_free = !c->has_leader;
    c->has_leader = true;
    mutex_unlock(&c->lock);
    return is_free;
}

/* The next leader comes from those who are woken, or who come later. */
static void leave_lead(struct embed_commit *c)
{
    mutex_lock(&c->lock);
    c->has_leader = false;
    mutex_unlock(&c->lock);
    atomic_fetch_add_explicit(&c->round, 1, memory_order_release);
    if (atomic_load_explicit(&c->sleepers, memory_order_seq_cst) > 0)
        futex_wake(&c->round, INT_MAX);
}

/* Queue w; true if the caller is to lead, with all that waits in *out_group. */
static bool join(struct embed_commit *c, struct embed_waiter *w, bool is_queued,
                 struct embed_waiter **out_group)
{
    mutex_lock(&c->lock);
    if (!is_queued) {
        w->next = NULL;
        if (c->first == NULL)
            c->first = w;
        else
            c->last->next = w;
        c->last = w;
    }
    bool leads = !c->has_leader && c->first != NULL;
    if (leads) {
        c->has_leader = true;
        *out_group = c->first;
        c->first = NULL;
    }
    mutex_unlock(&c->lock);
    return leads;
}

/* Wait for the leader of this round to be through: look for a while, then sleep. */
static void await_round(struct embed_commit *c, const struct embed_waiter *w, uint32_t round)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&w->is_done, memory_order_acquire) ||
            atomic_load_explicit(&c->round, memory_order_acquire) != round)
            return;
        thread_relax();
    }
    atomic_fetch_add_explicit(&c->sleepers, 1, memory_order_seq_cst);
    futex_wait(&c->round, round);
    atomic_fetch_sub_explicit(&c->sleepers, 1, memory_order_seq_cst);
}

struct status embed_commit(struct varve *v, struct txn_proposal *p, bool is_delete_only)
{
    struct embed_commit *c = &v->commit;
    struct embed_waiter *group;
    struct embed_waiter w = { .proposal = p,
                              .size = lsm_batch_size(&p->batch),
                              .is_delete_only = is_delete_only };
    bool is_queued = false;

    p->owner = &w;
    while (!atomic_load_explicit(&w.is_done, memory_order_acquire)) {
        uint32_t round = atomic_load_explicit(&c->round, memory_order_acquire);
        if (join(c, &w, is_queued, &group)) {
            lead_group(v, group);
            leave_lead(c);
        } else {
            await_round(c, &w, round);
        }
        is_queued = true;
    }
    return w.status;
}

struct status embed_freeze(struct varve *v, uint64_t *out_ticket)
{
    while (!take_lead(&v->commit))
        thread_yield();
    struct status s = lsm_freeze(v->lsm, out_ticket);
    settle_log(v);
    leave_lead(&v->commit);
    return s;
}

uint64_t embed_commit_idle(struct varve *v, uint64_t now)
{
    struct vlog *log = lsm_log(v->lsm);

    /* The log is its leader's, its deadline too. */
    if (!take_lead(&v->commit))
        return now + STALL_POLL_NS; /* It is not idle. */
    uint64_t due = vlog_seal_deadline(log);
    if (due <= now) {
        settle_log(v);
        due = vlog_seal_deadline(log);
    }
    leave_lead(&v->commit);
    return due;
}
