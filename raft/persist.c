/*
 * What the disk is asked and what it has answered (L1 to L3). Term, vote, commit index,
 * configuration and entries of a step are one write: whoever has entry k+1 durably knows durably
 * that a change at k was committed (membership.c), and no term is ever without its vote.
 */
#include "raft/core.h"

bool raft_is_durable(const struct raft *r, raft_index index)
{
    if (RAFT_MUTANT(B24_ack_not_durable))
        return true;
    return !r->is_term_dirty && r->term_seq <= r->persisted_seq && index <= r->log.marks.durable;
}

bool raft_is_stalled(const struct raft *r)
{
    return r->persisted_seq < r->persist_seq &&
           r->now_us >= r->write_since_us + r->config.disk_stall_us;
}

static void fill_hard(struct raft *r)
{
    r->hard = (struct raft_hard) { .term = r->term,
                                   .vote = r->vote,
                                   .acc_term = r->log.acc_term,
                                   .commit = r->log.commit,
                                   .conf_index = r->conf_index,
                                   .conf = r->conf };
}

void raft_emit_persist(struct raft *r)
{
    if (!r->is_dirty)
        return;
    uint32_t count = (uint32_t)(r->log.last + 1 - r->unwritten);
    const struct raft_entry *entries = NULL;
    if (count > 0) {
        entries = raft_pool_log(r, r->unwritten, count);
        CHECK(entries != NULL);
    }
    struct raft_effect *e = raft_emit(r, RAFT_EFFECT_PERSIST);
    CHECK(e != NULL);

    if (r->persisted_seq == r->persist_seq)
        r->write_since_us = r->now_us;
    r->persist_seq++;
    if (r->is_term_dirty)
        r->term_seq = r->persist_seq;
    fill_hard(r);
    e->u.persist = (struct raft_persist) {
        .seq = r->persist_seq,
        .mark = { .acc_term = r->log.acc_term, .index = r->log.last },
        .snapshot = r->has_restored ? &r->restored : NULL,
        .truncate_from = r->truncate_from,
        .entries = entries,
        .entry_count = count,
        .hard = &r->hard,
    };
    r->is_dirty = false;
    r->is_term_dirty = false;
    r->has_restored = false;
    r->truncate_from = 0;
    r->unwritten = r->log.last + 1;
}

void raft_persisted(struct raft *r, const struct raft_event *ev)
{
    uint64_t seq = ev->u.persisted.seq;

    if (seq > r->persist_seq) {
        r->fx->verdict = RAFT_MALFORMED;
        return;
    }
    raft_marks_release(&r->log.marks, ev->u.persisted.mark);
    if (seq > r->persisted_seq) {
        r->persisted_seq = seq;
        r->write_since_us = r->now_us; /* The disk moves, however long its queue is. */
    }
    raft_own_vote_is_durable(r);
}

void raft_disk_changed(struct raft *r, enum raft_disk disk)
{
    r->disk = disk;
    /* A failed write is never retried and what it held is unknown: no vote, no answer (L2). */
    if (disk == RAFT_DISK_IS_FAILED)
        raft_halt(r, RAFT_HALT_DISK);
}
