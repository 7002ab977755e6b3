#include "base/clock.h"

#include "txn/txn.h"

enum { ONLY_TERM = 1 };

/* The next attempt may find room: the disk was full, or another has the memory. */
static bool is_passing(struct status s)
{
    return s.code == ST_NO_SPACE || s.code == ST_NO_MEMORY || s.code == ST_IO;
}

/* An index is used up only by success, so the group's log has no gaps. */
static struct status propose(void *context, struct txn_proposal *proposal)
{
    struct txn_log_proposer *p = context;
    const struct vlog_entry entry = {
        .group = LSM_GROUP_DATA,
        .term = ONLY_TERM,
        .index = p->next_index,
        .body = lsm_batch_body(&proposal->batch),
        .values = lsm_batch_values(&proposal->batch),
        .value_count = proposal->batch.value_count,
        .out_handles = proposal->handles,
    };
    uint64_t lsn;

    if (failed(p->refusal) && clock_ns(p->clock) < p->offer_ns)
        return status_of(ST_AGAIN);
    struct status s = vlog_stage(lsm_log(p->lsm), &entry, &lsn);
    if (s.code == ST_NO_SPACE)
        lsm_note_full(p->lsm);
    if (p->retry_ns != 0 && is_passing(s)) {
        p->refusal = s;
        p->offer_ns = clock_ns(p->clock) + p->retry_ns;
        return status_of(ST_AGAIN);
    }
    TRY(s);
    p->refusal = s;
    p->next_index++;
    proposal->place = (struct txn_place) {
        .group = entry.group, .term = entry.term, .index = entry.index, .lsn = lsn
    };
    return s;
}

static bool is_durable(void *context, const struct txn_proposal *proposal)
{
    const struct txn_log_proposer *p = context;
    return proposal->place.lsn <= vlog_written_lsn(lsm_log(p->lsm));
}

static const char *failure(void *context)
{
    const struct txn_log_proposer *p = context;
    return vlog_failure(lsm_log(p->lsm));
}

void txn_log_proposer_init(struct txn_log_proposer *p, struct lsm *l, struct clock *clock,
                           uint64_t retry_ns)
{
    *p = (struct txn_log_proposer) { .lsm = l,
                                     .clock = clock,
                                     .retry_ns = retry_ns,
                                     .next_index = lsm_applied(l, LSM_GROUP_DATA).index + 1 };
}

struct txn_proposer txn_log_proposer_ops(struct txn_log_proposer *p)
{
    return (struct txn_proposer) {
        .context = p, .propose = propose, .is_durable = is_durable, .failure = failure
    };
}
