/*
 * Leases (thesis 6.4.1), off by default. While a majority promises not to vote, nobody else can
 * lead, and the leader answers reads from its own state. What makes that true:
 *
 *   - the promise runs from when the followers were asked, by our clock, not from their answer;
 *   - it is shorter than theirs by the drift between two clocks, and a slack;
 *   - it begins once an entry of our own term has been applied;
 *   - it ends when we ask somebody to take over, for the rest of the term: that message may arrive
 *     late and what it starts overrides promises;
 *   - a restarted replica has forgotten its promises: no vote for one election timeout;
 *   - a clock that jumped does not tell when a promise is over either: no vote for one more; and
 *     for ten no lease;
 *   - the driver may hold leases while a region is split or merged.
 */
#include "raft/core.h"

enum { JUMP_TIMEOUTS = 10 };

uint64_t raft_quorum_acked(const struct raft *r, uint64_t self)
{
    uint64_t values[RAFT_MEMBERS_MAX];

    for (uint32_t i = 0; i < r->conf.count; i++)
        values[i] = r->peers[i].id == r->config.id ? self : r->peers[i].acked_us;
    return raft_conf_quorum(&r->conf, values);
}

static uint64_t promised_until(const struct raft *r)
{
    uint64_t t = r->config.election_us;
    uint64_t start = raft_quorum_acked(r, r->now_us);
    uint64_t length = t - t * r->config.lease_drift_ppm / 1000000 - r->config.lease_slack_us;
    if (RAFT_MUTANT(M_lease_too_long))
        length = t + t / 2;
    return start == 0 ? 0 : start + length;
}

uint64_t raft_lease_until(const struct raft *r)
{
    if (!r->config.has_leases || r->role != RAFT_LEADER || r->is_leaving)
        return 0;
    if ((r->has_sent_timeout_now && !RAFT_MUTANT(B08_lease_outlives_transfer)) ||
        r->lease_hold == RAFT_LEASE_SUSPENDED || r->now_us < r->lease_barred_until_us)
        return 0;
    if (r->log.applied < r->own_first)
        return 0;
    uint64_t until = promised_until(r);
    if (r->lease_hold == RAFT_LEASE_NO_RENEWAL && until > r->lease_frozen_us)
        until = r->lease_frozen_us;
    return until;
}

bool raft_has_lease(const struct raft *r)
{
    return r->now_us < raft_lease_until(r);
}

void raft_hold_lease(struct raft *r, enum raft_lease_hold hold)
{
    if (hold == RAFT_LEASE_NO_RENEWAL && r->lease_hold != RAFT_LEASE_NO_RENEWAL)
        r->lease_frozen_us = raft_lease_until(r);
    r->lease_hold = RAFT_MUTANT(B10_lease_not_held) ? RAFT_LEASE_FREE : hold;
}

void raft_bar_lease(struct raft *r)
{
    if (RAFT_MUTANT(B11_clock_jump_believed))
        return;
    r->lease_barred_until_us = r->now_us + (uint64_t)JUMP_TIMEOUTS * r->config.election_us;
    if (!r->config.has_leases || r->role == RAFT_LEADER)
        return;
    r->grace_until_us = r->now_us + r->config.election_us;
    raft_draw_election(r);
}
