#include "base/check.h"

#include "txn/txn.h"

struct status txn_pipeline_init(struct txn_pipeline *p, const struct env *env, struct lsm *l,
                                const struct txn_proposer *proposer, struct io_ring *ring)
{
    *p = (struct txn_pipeline) { .env = env, .lsm = l, .proposer = *proposer, .next_ticket = 1 };
    return txn_clock_init(&p->clock, env->clock, l, ring);
}

void txn_pipeline_deinit(struct txn_pipeline *p)
{
    CHECK(p->oldest == NULL && p->refused == NULL);
}

void txn_proposal_init(struct txn_pipeline *p, struct txn_proposal *proposal)
{
    *proposal = (struct txn_proposal) { .state = TXN_BUILDING };
    lsm_batch_init(&proposal->batch, p->env->alloc, lsm_options(p->lsm)->separation_min,
                   TXN_BATCH_MAX);
}

void txn_proposal_deinit(struct txn_pipeline *p, struct txn_proposal *proposal)
{
    lsm_batch_deinit(&proposal->batch);
    alloc_free(p->env->alloc, proposal->handles,
               proposal->handle_capacity * sizeof *proposal->handles);
    proposal->handles = NULL;
    proposal->handle_capacity = 0;
}

static void append(struct txn_proposal **first, struct txn_proposal **last,
                   struct txn_proposal *proposal)
{
    proposal->next = NULL;
    if (*first == NULL)
        *first = proposal;
    else
        (*last)->next = proposal;
    *last = proposal;
}

static struct status reserve_handles(struct txn_pipeline *p, struct txn_proposal *proposal)
{
    uint32_t count = proposal->batch.value_count;
    const struct bytes *values = lsm_batch_values(&proposal->batch);

    proposal->value_bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        proposal->value_bytes += values[i].size;
    if (count <= proposal->handle_capacity)
        return status_ok();
    struct vlog_handle *handles =
        alloc_resize(p->env->alloc, proposal->handles, proposal->handle_capacity * sizeof *handles,
                     count * sizeof *handles);
    if (handles == NULL)
        return status_of(ST_NO_MEMORY);
    proposal->handles = handles;
    proposal->handle_capacity = count;
    return status_ok();
}

static struct status drop(struct txn_proposal *proposal, struct status s)
{
    proposal->state = TXN_DROPPED;
    proposal->status = s;
    return s;
}

static struct status hand_over(struct txn_pipeline *p, struct txn_proposal *proposal)
{
    TRY(p->proposer.propose(p->proposer.context, proposal));
    proposal->state = TXN_PROPOSED;
    append(&p->oldest, &p->newest, proposal);
    return status_ok();
}

struct status txn_propose(struct txn_pipeline *p, struct txn_proposal *proposal)
{
    struct status s = txn_clock_now(&p->clock, &proposal->version);

    if (s.code == ST_AGAIN)
        return s;
    if (succeeded(s))
        s = lsm_batch_seal(&proposal->batch, proposal->version);
    if (succeeded(s))
        s = reserve_handles(p, proposal);
    if (failed(s))
        return drop(proposal, s);
    proposal->ticket = p->next_ticket;
    /* Behind one that waits for room, so that the order of versions is that of the log. */
    s = p->refused != NULL ? status_of(ST_AGAIN) : hand_over(p, proposal);
    if (s.code == ST_AGAIN) {
        append(&p->refused, &p->refused_last, proposal);
        s = status_ok();
    }
    if (failed(s))
        return drop(proposal, s);
    p->next_ticket++;
    return s;
}

struct finished {
    struct txn_proposal *first;
    struct txn_proposal *last;
};

static void propose_refused(struct txn_pipeline *p, struct finished *done)
{
    while (p->refused != NULL) {
        struct txn_proposal *proposal = p->refused;
        struct txn_proposal *next = proposal->next;
        struct status s = hand_over(p, proposal);
        if (s.code == ST_AGAIN) {
            proposal->next = next;
            return;
        }
        p->refused = next;
        if (failed(s)) {
            status_ignore(drop(proposal, s), "it is in the proposal");
            append(&done->first, &done->last, proposal);
        }
    }
}

static struct status apply(struct txn_pipeline *p, const struct txn_proposal *proposal)
{
    const struct lsm_apply a = {
        .group = proposal->place.group,
        .term = proposal->place.term,
        .index = proposal->place.index,
        .lsn = proposal->place.lsn,
        .body = lsm_batch_body(&proposal->batch),
        .handles = proposal->handles,
        .value_bytes = proposal->value_bytes,
    };
    TRY(lsm_apply(p->lsm, &a));
    lsm_publish(p->lsm, proposal->version);
    return status_ok();
}

/* One that cannot be applied is the last: lsm_apply has poisoned the tree, if it was not before. It
 * is in the log, and there after a restart; until then nobody would see it who was told of it. */
static void apply_durable(struct txn_pipeline *p, struct finished *done)
{
    struct status s = status_ok();

    while (succeeded(s) && p->oldest != NULL &&
           p->proposer.is_durable(p->proposer.context, p->oldest)) {
        struct txn_proposal *proposal = p->oldest;
        p->oldest = proposal->next;
        s = apply(p, proposal);
        if (succeeded(s)) {
            proposal->state = TXN_APPLIED;
            proposal->status = s;
            p->applied_ticket = proposal->ticket;
        } else {
            status_ignore(drop(proposal, s), "it is in the proposal");
        }
        append(&done->first, &done->last, proposal);
    }
}

/* Nothing will become durable any more: what waits has an unknown outcome, and is not applied. */
static void drop_all(struct txn_pipeline *p, struct finished *done)
{
    struct txn_proposal *lists[2] = { p->oldest, p->refused };
    p->oldest = NULL;
    p->refused = NULL;
    for (int i = 0; i < 2; i++) {
        while (lists[i] != NULL) {
            struct txn_proposal *proposal = lists[i];
            lists[i] = proposal->next;
            status_ignore(drop(proposal, status_of(ST_FAILED)), "it is in the proposal");
            append(&done->first, &done->last, proposal);
        }
    }
}

struct txn_proposal *txn_pipeline_step(struct txn_pipeline *p)
{
    struct finished done = { NULL, NULL };

    apply_durable(p, &done);
    if (p->proposer.failure(p->proposer.context) != NULL || lsm_failure(p->lsm) != NULL)
        drop_all(p, &done);
    else
        propose_refused(p, &done);
    return done.first;
}
