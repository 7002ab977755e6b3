#include "raft/progress.h"

#include "base/check.h"

#include "raft/mutant.h"

static void clear_inflight(struct raft_peer *p)
{
    p->inflight_head = 0;
    p->inflight_count = 0;
    if (!RAFT_MUTANT(M_inflight_bytes_leak))
        p->inflight_bytes = 0;
}

static void enter(struct raft_peer *p, enum raft_progress progress, uint64_t seq)
{
    p->progress = progress;
    p->epoch_seq = seq;
    p->probe_seq = 0;
    p->is_fetching = false;
    p->nudge_due = false;
    clear_inflight(p);
}

void raft_peer_reset(struct raft_peer *p, raft_index last)
{
    *p = (struct raft_peer) { .id = p->id, .inflight = p->inflight, .next = last + 1 };
}

void raft_peer_probe(struct raft_peer *p, raft_index next, uint64_t seq)
{
    enter(p, RAFT_PROBE, seq);
    p->next = next > p->match ? next : p->match + 1;
}

void raft_peer_replicate(struct raft_peer *p)
{
    enter(p, RAFT_REPLICATE, p->epoch_seq);
    p->next = p->match + 1;
}

void raft_peer_send_snapshot(struct raft_peer *p, uint64_t seq)
{
    enter(p, RAFT_SENDING, seq);
    p->sending = RAFT_SENDING_DUE;
}

bool raft_peer_has_taken_offer(const struct raft_peer *p)
{
    return p->progress == RAFT_SENDING &&
           (p->sending == RAFT_SENDING_OFFER || p->sending == RAFT_SENDING_OFFERED) &&
           p->match >= p->offer.index;
}

void raft_peer_down(struct raft_peer *p, uint64_t seq)
{
    enter(p, RAFT_DOWN, seq);
    p->next = p->match + 1;
}

void raft_peer_sent(struct raft_peer *p, raft_index last, uint64_t bytes, uint64_t seq,
                    uint32_t inflight_max)
{
    if (p->progress == RAFT_PROBE) {
        p->probe_seq = seq;
        return;
    }
    if (last < p->next)
        return; /* Empty: nothing is in flight but a question. */
    CHECK(p->inflight_count < inflight_max);
    uint32_t at = (p->inflight_head + p->inflight_count) % inflight_max;
    p->inflight[at] = (struct raft_inflight) { .last = last, .bytes = bytes, .seq = seq };
    p->inflight_count++;
    p->inflight_bytes += bytes;
    p->next = last + 1;
}

void raft_peer_acked(struct raft_peer *p, raft_index index, uint64_t seq, uint32_t inflight_max)
{
    if (RAFT_MUTANT(B14_any_answer_is_the_last))
        index = p->next - 1;
    if (index > p->match) {
        p->match = index;
        p->match_seq = seq;
    }
    if (p->next <= p->match)
        p->next = p->match + 1;
    while (p->inflight_count > 0 && p->inflight[p->inflight_head].last <= p->match) {
        p->inflight_bytes -= p->inflight[p->inflight_head].bytes;
        p->inflight_head = (p->inflight_head + 1) % inflight_max;
        p->inflight_count--;
    }
}

bool raft_peer_is_full(const struct raft_peer *p, const struct raft_config *c)
{
    return p->inflight_count == c->inflight_messages || p->inflight_bytes >= c->inflight_bytes;
}

bool raft_peer_waits(const struct raft_peer *p, uint64_t seq)
{
    if (p->progress == RAFT_PROBE)
        return p->probe_seq != 0 && p->probe_seq < seq;
    return p->inflight_count > 0 && p->inflight[p->inflight_head].seq < seq;
}
