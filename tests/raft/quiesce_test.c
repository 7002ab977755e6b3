/*
 * Quiescence by hand: each thing that is not settled keeps a leader awake, and each event that
 * needs a sleeper wakes it, with its clock.
 */
#include <criterion/criterion.h>

#include "tests/raft/support/lone.h"

static struct lone l;

static const struct raft_config config = {
    .seed = 3, .window_entries = 64, .batch_entries = 16, .quiesce_after = 2
};

static void beat(void)
{
    l.now_us = l.r->heartbeat_due_us;
    lone_event(&l, RAFT_EVENT_TIMER);
}

/* The leader of term 1 of three. Entry 1 is on all disks, committed and applied; both others have
 * agreed to sleep. */
static void set_up(void)
{
    lone_start(&l, &config, 3, (struct raft_restore) { .last = 0 });
    lone_lead(&l);
    for (raft_id id = 2; id <= 3; id++)
        lone_answer(&l, id, (struct raft_message) { .kind = RAFT_APPEND_RESP, .index = 1 });
    lone_apply(&l);
    while (!raft_offers_quiet(l.r)) {
        beat();
        for (raft_id id = 2; id <= 3; id++)
            lone_answer(&l, id,
                        (struct raft_message) { .kind = RAFT_HEARTBEAT_RESP,
                                                .quiesce = raft_offers_quiet(l.r) });
    }
    cr_assert(!l.r->is_quiescent);
}

/* ---- Falling asleep ----------------------------------------------------------------------- */

#define SLEEPS(expected, ...)                                                                      \
    do {                                                                                           \
        set_up();                                                                                  \
        struct raft *r = l.r;                                                                      \
        r->now_us = r->heartbeat_due_us;                                                           \
        __VA_ARGS__;                                                                               \
        raft_quiesce_beat(r);                                                                      \
        cr_assert_eq(r->is_quiescent, expected, "%s", #__VA_ARGS__);                               \
    } while (0)

Test(raft_quiesce, a_leader_sleeps_when_all_is_settled_and_agreed)
{
    SLEEPS(true, (void)r);
    SLEEPS(true, r->peers[1].progress = RAFT_PROBE);
    SLEEPS(false, r->idle_beats--);
    SLEEPS(false, r->peers[2].is_quiet = false);
}

Test(raft_quiesce, its_own_work_keeps_a_leader_awake)
{
    SLEEPS(false, r->log.last++);
    SLEEPS(false, r->log.marks.durable--);
    SLEEPS(false, r->log.applied--);
    SLEEPS(false, r->read_count = 1);
    SLEEPS(false, r->transferee = 2);
    SLEEPS(false, r->is_leaving = true);
    SLEEPS(false, r->farewell_count = 1);
    SLEEPS(false, r->conf.members[2].role = RAFT_MEMBER_DEMOTING);
    /* What is not committed is on no other disk: the peers would not be settled, either. */
    SLEEPS(false, r->log.commit--);
}

Test(raft_quiesce, a_follower_that_is_not_settled_keeps_a_leader_awake)
{
    SLEEPS(false, r->peers[1].match = 0);
    SLEEPS(false, r->peers[1].progress = RAFT_DOWN);
    SLEEPS(false, r->peers[2].progress = RAFT_SENDING);
    SLEEPS(true, r->now_us = r->peers[2].acked_us + 2 * (uint64_t)r->config.heartbeat_us);
    SLEEPS(false, r->now_us = r->peers[2].acked_us + 2 * (uint64_t)r->config.heartbeat_us + 1);
}

static bool agrees(uint64_t seq)
{
    lone_receive(
        &l, 3, (struct raft_message) { .kind = RAFT_HEARTBEAT_RESP, .quiesce = true, .seq = seq });
    return l.r->peers[2].is_quiet;
}

/* Whoever kept it awake, all are asked again from the start. */
Test(raft_quiesce, who_was_kept_awake_asks_again)
{
    SLEEPS(false, r->peers[1].match = 0);
    cr_assert_eq(l.r->idle_beats, 0);
    cr_assert(!l.r->peers[2].is_quiet);
    l.r->peers[1].match = 1;
    raft_quiesce_beat(l.r);
    cr_assert(!agrees(l.r->quiet_seq + 1), "nobody was asked yet");
    raft_quiesce_beat(l.r);
    cr_assert(raft_offers_quiet(l.r));
    cr_assert(!agrees(l.r->quiet_seq), "to an earlier offer");
    cr_assert(agrees(l.r->quiet_seq + 1));
}

/* ---- Waking ------------------------------------------------------------------------------- */

static void sleep_as_leader(void)
{
    set_up();
    beat();
    cr_assert(l.r->is_quiescent);
    cr_assert_eq(lone_told(&l, RAFT_EFFECT_SEND), 0);
    cr_assert_eq(l.fx.deadline_us, RAFT_NEVER);
    l.now_us += 100 * (uint64_t)l.r->config.election_us;
}

/* It speaks to all at once, leads on however long it slept, and has its clock. */
static void check_leader_woke(const char *by)
{
    cr_assert_eq(l.r->role, RAFT_LEADER, "%s", by);
    cr_assert(!l.r->is_quiescent, "%s", by);
    cr_assert_not_null(lone_sent(&l, RAFT_HEARTBEAT, 2), "%s", by);
    cr_assert_not_null(lone_sent(&l, RAFT_HEARTBEAT, 3), "%s", by);
    cr_assert_leq(l.fx.deadline_us, l.now_us + l.r->config.heartbeat_us, "%s", by);
    cr_assert_eq(l.r->idle_beats, 0, "%s", by);
    cr_assert(!l.r->peers[1].is_quiet && !l.r->peers[2].is_quiet, "%s", by);
}

#define WAKES(role, ...)                                                                           \
    do {                                                                                           \
        sleep_as_##role();                                                                         \
        __VA_ARGS__;                                                                               \
        check_##role##_woke(#__VA_ARGS__);                                                         \
    } while (0)

static void propose(void)
{
    static const struct raft_entry e = { .kind = RAFT_ENTRY_DATA };
    struct raft_event ev = { .kind = RAFT_EVENT_PROPOSE };
    ev.u.propose.entries = &e;
    ev.u.propose.entry_count = 1;
    lone_step(&l, &ev);
    cr_assert_eq(l.verdict, RAFT_OK);
}

static void hear(raft_id from, enum raft_message_kind kind, raft_term term)
{
    lone_receive(&l, from,
                 (struct raft_message) { .kind = kind, .term = term, .index = 1, .log_term = 1 });
}

Test(raft_quiesce, what_needs_a_leader_wakes_it)
{
    WAKES(leader, propose());
    WAKES(leader, lone_event(&l, RAFT_EVENT_READ));
    WAKES(leader, lone_event(&l, RAFT_EVENT_WAKE));
    WAKES(leader, lone_peer_event(&l, RAFT_EVENT_TRANSFER, 2));
    WAKES(leader, lone_peer_event(&l, RAFT_EVENT_UNREACHABLE, 3));
    WAKES(leader, hear(2, RAFT_READ, 1));
    WAKES(leader, hear(2, RAFT_WAKE, 1));
    WAKES(leader, hear(2, RAFT_PREVOTE, 2));
}

/* It is none any more, and campaigns again. */
Test(raft_quiesce, who_leads_no_more_does_not_sleep)
{
    sleep_as_leader();
    hear(2, RAFT_HEARTBEAT_RESP, 9);
    cr_assert_eq(l.r->role, RAFT_FOLLOWER);
    cr_assert(!l.r->is_quiescent);
    cr_assert_eq(l.fx.deadline_us, l.r->election_due_us);
    sleep_as_leader();
    lone_event(&l, RAFT_EVENT_STEP_DOWN);
    cr_assert(!l.r->is_quiescent);
    cr_assert_eq(l.fx.deadline_us, l.r->election_due_us);
}

Test(raft_quiesce, what_concerns_nobody_lets_a_leader_sleep)
{
    sleep_as_leader();
    lone_event(&l, RAFT_EVENT_TIMER);
    cr_assert(l.r->is_quiescent);
    lone_peer_event(&l, RAFT_EVENT_REACHABLE, 3);
    cr_assert(l.r->is_quiescent);
    hear(2, RAFT_HEARTBEAT_RESP, 1);
    cr_assert(l.r->is_quiescent);
    cr_assert_eq(l.fx.deadline_us, RAFT_NEVER);
}

static void sleep_as_follower(void)
{
    lone_start(&l, &config, 3, (struct raft_restore) { .last = 0 });
    lone_receive(&l, 2,
                 (struct raft_message) { .kind = RAFT_HEARTBEAT, .term = 1, .quiesce = true });
    lone_persist(&l);
    cr_assert(l.r->is_quiescent);
    cr_assert_eq(l.fx.deadline_us, RAFT_NEVER);
    l.now_us += 100 * (uint64_t)l.r->config.election_us;
}

/* It has a whole election timeout, from now. */
static void check_follower_woke(const char *by)
{
    cr_assert_eq(l.r->role, RAFT_FOLLOWER, "%s", by);
    cr_assert(!l.r->is_quiescent, "%s", by);
    cr_assert_geq(l.r->election_due_us, l.now_us + l.r->config.election_us, "%s", by);
    cr_assert_neq(l.fx.deadline_us, RAFT_NEVER, "%s", by);
}

Test(raft_quiesce, what_needs_a_leader_wakes_a_follower)
{
    WAKES(follower, lone_event(&l, RAFT_EVENT_WAKE));
    cr_assert_not_null(lone_sent(&l, RAFT_WAKE, 2));
    WAKES(follower, lone_event(&l, RAFT_EVENT_READ));
    cr_assert_not_null(lone_sent(&l, RAFT_READ, 2));
    WAKES(follower, lone_peer_event(&l, RAFT_EVENT_UNREACHABLE, 2));
    WAKES(follower, hear(3, RAFT_WAKE, 1));
    WAKES(follower, hear(3, RAFT_PREVOTE, 2));
    /* The leader it has may live, and is woken by the same question. */
    cr_assert_eq(lone_sent(&l, RAFT_PREVOTE_RESP, 3)->reason, RAFT_LEADER_ALIVE);
    WAKES(follower, lone_receive(&l, 2, (struct raft_message) { .kind = RAFT_HEARTBEAT }));
    WAKES(follower, hear(3, RAFT_HEARTBEAT_RESP, 9));
}

Test(raft_quiesce, who_is_gone_matters_if_it_led)
{
    sleep_as_follower();
    lone_peer_event(&l, RAFT_EVENT_UNREACHABLE, 3);
    cr_assert(l.r->is_quiescent);
}
