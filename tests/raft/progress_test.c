/*
 * What a leader knows about a peer, and the limits on what is under way.
 */
#include <criterion/criterion.h>

#include "raft/progress.h"

enum { WINDOW = 4 };

static struct raft_inflight lane[WINDOW];
static const struct raft_config config = { .inflight_messages = WINDOW, .inflight_bytes = 100 };

static struct raft_peer replicating(raft_index match)
{
    struct raft_peer p = { .id = 2, .inflight = lane };
    raft_peer_reset(&p, match);
    raft_peer_acked(&p, match, 1, WINDOW);
    raft_peer_replicate(&p);
    return p;
}

Test(raft_progress, a_new_leader_knows_nothing)
{
    struct raft_peer p = { .id = 2, .inflight = lane, .match = 9 };
    raft_peer_reset(&p, 20);
    cr_assert_eq(p.progress, RAFT_PROBE);
    cr_assert_eq(p.match, 0);
    cr_assert_eq(p.next, 21);
}

Test(raft_progress, appends_are_limited_by_number_and_bytes)
{
    struct raft_peer p = replicating(10);
    for (raft_index i = 0; i < WINDOW; i++) {
        cr_assert(!raft_peer_is_full(&p, &config));
        raft_peer_sent(&p, 11 + i, 10, 5 + i, WINDOW);
    }
    cr_assert(raft_peer_is_full(&p, &config));
    raft_peer_acked(&p, 12, 9, WINDOW);
    cr_assert_eq(p.inflight_count, 2);
    cr_assert_eq(p.inflight_bytes, 20);
    raft_peer_sent(&p, 15, 90, 10, WINDOW);
    cr_assert(raft_peer_is_full(&p, &config), "110 bytes of 100");
    raft_peer_acked(&p, 15, 11, WINDOW);
    cr_assert_eq(p.inflight_bytes, 0);
    cr_assert_eq(p.next, 16);
}

Test(raft_progress, a_change_of_state_forgets_what_was_in_flight)
{
    struct raft_peer p = replicating(10);
    raft_peer_sent(&p, 11, 60, 5, WINDOW);
    raft_peer_sent(&p, 12, 60, 6, WINDOW);
    raft_peer_probe(&p, 3, 6);
    cr_assert_eq(p.next, 11, "never at or below match");
    cr_assert_eq(p.inflight_count, 0);
    cr_assert_eq(p.inflight_bytes, 0);
    cr_assert(!raft_peer_is_full(&p, &config));
    cr_assert_eq(p.epoch_seq, 6);
}

Test(raft_progress, a_probe_waits_for_its_answer)
{
    struct raft_peer p = { .id = 2, .inflight = lane };
    raft_peer_reset(&p, 10);
    cr_assert(!raft_peer_waits(&p, 99));
    raft_peer_sent(&p, 12, 5, 7, WINDOW);
    cr_assert_eq(p.probe_seq, 7);
    cr_assert_eq(p.next, 11, "a probe is not optimistic");
    cr_assert(!raft_peer_waits(&p, 6), "a heartbeat sent before it says nothing about it");
    cr_assert(raft_peer_waits(&p, 8));
}

Test(raft_progress, an_old_heartbeat_says_nothing_about_a_later_append)
{
    struct raft_peer p = replicating(10);
    raft_peer_sent(&p, 11, 5, 7, WINDOW);
    cr_assert(!raft_peer_waits(&p, 6));
    cr_assert(raft_peer_waits(&p, 8));
    raft_peer_sent(&p, 11, 0, 9, WINDOW);
    cr_assert_eq(p.inflight_count, 1, "an empty append is not in flight");
}

Test(raft_progress, an_offer_is_taken_by_who_has_its_index)
{
    struct raft_peer p = replicating(10);
    raft_peer_send_snapshot(&p, 8);
    p.offer.index = 12;
    cr_assert(!raft_peer_has_taken_offer(&p));
    p.sending = RAFT_SENDING_OFFERED;
    cr_assert(!raft_peer_has_taken_offer(&p));
    raft_peer_acked(&p, 12, 9, WINDOW);
    cr_assert(raft_peer_has_taken_offer(&p));
    raft_peer_down(&p, 10);
    cr_assert_eq(p.next, 13);
    cr_assert_eq(p.progress, RAFT_DOWN);
}

Test(raft_progress, an_offer_may_be_taken_before_it_is_made)
{
    struct raft_peer p = replicating(10);
    p.offer.index = 10;
    cr_assert(!raft_peer_has_taken_offer(&p), "nothing is offered");
    raft_peer_send_snapshot(&p, 3);
    cr_assert(!raft_peer_has_taken_offer(&p), "not yet");
    p.sending = RAFT_SENDING_OFFER;
    cr_assert(raft_peer_has_taken_offer(&p));
    p.sending = RAFT_SENDING_OFFERED;
    cr_assert(raft_peer_has_taken_offer(&p));
    p.offer.index = 11;
    cr_assert(!raft_peer_has_taken_offer(&p), "it lacks an entry");
}
