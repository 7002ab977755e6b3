/*
 * raft_check() by hand: each invariant is broken in a replica that held it, and is named. A replica
 * that finds itself broken tells nothing of the step that broke it.
 */
#include <criterion/criterion.h>

#include "tests/raft/support/lone.h"

static struct lone l;

static const struct raft_config config = {
    .seed = 3, .window_entries = 64, .batch_entries = 16, .has_leases = true
};

/* The leader of term 1 of three; entry 1 is committed and applied, 2 and 3 are not. */
static void set_up(void)
{
    static const struct raft_entry two[] = { { .kind = RAFT_ENTRY_DATA },
                                             { .kind = RAFT_ENTRY_DATA } };
    struct raft_event propose = { .kind = RAFT_EVENT_PROPOSE };

    lone_start(&l, &config, 3, (struct raft_restore) { .last = 0 });
    l.now_us += config.election_us + 2000000; /* Behind the grace of a restart. */
    lone_lead(&l);
    lone_answer(&l, 2, (struct raft_message) { .kind = RAFT_APPEND_RESP, .index = 1 });
    lone_answer(&l, 3, (struct raft_message) { .kind = RAFT_APPEND_RESP, .index = 1 });
    lone_apply(&l);
    propose.u.propose.entries = two;
    propose.u.propose.entry_count = 2;
    lone_step(&l, &propose);
    cr_assert_eq(l.verdict, RAFT_OK);
    cr_assert_eq(raft_check(l.r), RAFT_INVARIANT_NONE);
    cr_assert_eq(l.r->log.commit, 1);
    cr_assert_eq(l.r->log.last, 3);
}

#define BREAKS(invariant, ...)                                                                     \
    do {                                                                                           \
        set_up();                                                                                  \
        struct raft *r = l.r;                                                                      \
        __VA_ARGS__;                                                                               \
        cr_assert_eq(raft_check(r), invariant, "%s", #__VA_ARGS__);                                \
    } while (0)

#define HOLDS(...) BREAKS(RAFT_INVARIANT_NONE, __VA_ARGS__)

Test(raft_check, what_was_may_not_be_undone)
{
    BREAKS(RAFT_I2_TERM_GROWS, r->was_term++);
    BREAKS(RAFT_I3_VOTE_STAYS, r->vote = 2);
    HOLDS(r->was_vote = 0);
    BREAKS(RAFT_I5_LEADER_APPENDS, r->was_last++);
    HOLDS(r->was_last++, r->was_role = RAFT_FOLLOWER);
    HOLDS(r->was_last++, r->role = RAFT_FOLLOWER);
    HOLDS(r->was_last++, r->was_term--);
    BREAKS(RAFT_I6_COMMIT_GROWS, r->was_commit++);
    BREAKS(RAFT_I6_COMMIT_GROWS, r->log.commit = 4);
    BREAKS(RAFT_I24_APPLY_ONCE, r->was_announced++);
}

Test(raft_check, cursors_have_their_order)
{
    BREAKS(RAFT_I10_CURSORS, r->log.base_index = 2);
    BREAKS(RAFT_I10_CURSORS, r->log.applied = 2);
    BREAKS(RAFT_I10_CURSORS, r->log.announced = 2);
    BREAKS(RAFT_I10_CURSORS, r->log.marks.durable = 4);
    BREAKS(RAFT_I10_CURSORS, r->log.first = 5);
    BREAKS(RAFT_I10_CURSORS, r->log.ring_size = 2);
}

Test(raft_check, what_is_durable_was_written)
{
    BREAKS(RAFT_I12_DURABLE, r->log.marks.durable = 3, r->unwritten = 3);
    BREAKS(RAFT_I12_DURABLE, r->persisted_seq = r->persist_seq + 1);
    BREAKS(RAFT_I12_DURABLE, r->log.marks.fork_count = 1, r->log.marks.forks[0].index = 1);
    BREAKS(RAFT_I12_DURABLE, r->log.marks.fork_count = 1, r->log.marks.forks[0].index = 2,
           r->log.marks.forks[0].acc_term = 9);
    HOLDS(r->log.marks.fork_count = 1, r->log.marks.forks[0].index = 2,
          r->log.marks.forks[0].acc_term = 1);
}

Test(raft_check, what_is_committed_is_not_cut)
{
    BREAKS(RAFT_I26_TRUNCATE, r->cut_from = 1);
    HOLDS(r->cut_from = 2);
}

Test(raft_check, bytes_are_those_of_the_window)
{
    BREAKS(RAFT_I28_BYTES, r->log.first = 4, r->log.window_bytes = 1);
    HOLDS(r->log.first = 4);
    BREAKS(RAFT_I28_BYTES, r->log.commit = 3, r->uncommitted_bytes = 1);
    HOLDS(r->log.commit = 3, r->uncommitted_bytes = 1, r->role = RAFT_FOLLOWER);
}

Test(raft_check, a_conf_is_committed_and_makes_sense)
{
    BREAKS(RAFT_I15_CONF_CHAIN, r->conf_index = 2);
    BREAKS(RAFT_I15_CONF_CHAIN, r->conf.members[1].id = 1);
    BREAKS(RAFT_I16_ONE_CHANGE, r->log.changes = 2);
}

static void make_joint(struct raft *r)
{
    r->conf.members[2].role = RAFT_MEMBER_INCOMING;
    r->log.changes = 1;
}

static struct raft_entry *entry(struct raft *r, raft_index index)
{
    return &r->log.ring[index & (r->log.ring_size - 1)];
}

Test(raft_check, behind_a_joint_conf_it_is_left)
{
    HOLDS(make_joint(r), r->log.changes = 0);
    HOLDS(make_joint(r), entry(r, 2)->kind = RAFT_ENTRY_CONF);
    BREAKS(RAFT_I17_JOINT_LEAVES, make_joint(r));
    BREAKS(RAFT_I17_JOINT_LEAVES, make_joint(r), entry(r, 2)->kind = RAFT_ENTRY_CONF,
           entry(r, 2)->data.size = 1);
    BREAKS(RAFT_I17_JOINT_LEAVES, make_joint(r), r->log.first = 4); /* It is not in memory. */
}

Test(raft_check, a_leader_counts_what_it_may)
{
    BREAKS(RAFT_I11_OWN_TERM, r->counted = 1, r->own_first = 2);
    HOLDS(r->counted = 1);
    HOLDS(r->counted = 1, r->own_first = 2, r->role = RAFT_FOLLOWER);
    BREAKS(RAFT_I14_QUORUM, r->is_miscounted = true);
    BREAKS(RAFT_I18_LEADER_VOTES, r->conf.members[0].role = RAFT_MEMBER_LEARNER);
    HOLDS(r->conf.members[0].role = RAFT_MEMBER_LEARNER, r->is_leaving = true);
}

Test(raft_check, progress_is_that_of_the_members)
{
    BREAKS(RAFT_I19_PROGRESS, r->peers[1].id = 9);
    BREAKS(RAFT_I19_PROGRESS, r->peers[1].next = r->peers[1].match);
    BREAKS(RAFT_I19_PROGRESS, r->peers[1].match = 4, r->peers[1].next = 5);
    BREAKS(RAFT_I19_PROGRESS, r->peers[2].inflight_bytes++);
    BREAKS(RAFT_I19_PROGRESS, r->peers[2].inflight_count = r->config.inflight_messages + 1);
    HOLDS(r->peers[1].id = 9, r->role = RAFT_FOLLOWER);
    HOLDS(r->peers[0].next = r->peers[0].match = 7); /* Its own place says nothing. */
}

static void put_read(struct raft *r, uint64_t seq, raft_index index)
{
    r->reads[r->read_count++] =
        (struct raft_read) { .seq = seq, .index = index, .state = RAFT_READ_WAITING };
    if (seq > r->read_seq)
        r->read_seq = seq;
}

Test(raft_check, reads_are_numbered_upwards_after_an_own_entry)
{
    HOLDS(put_read(r, 5, 1), put_read(r, 6, 1));
    HOLDS(put_read(r, 0, 0)); /* Without a number yet. */
    BREAKS(RAFT_I20_READS, put_read(r, 5, 1), put_read(r, 5, 1));
    BREAKS(RAFT_I20_READS, put_read(r, 5, 1), r->read_seq = 4);
    BREAKS(RAFT_I20_READS, put_read(r, 5, 0));
    BREAKS(RAFT_I20_READS, put_read(r, 5, 2));
    HOLDS(put_read(r, 5, 2), r->reads[0].state = RAFT_READ_CONFIRMED);
    HOLDS(put_read(r, 5, 2), r->role = RAFT_FOLLOWER);
}

Test(raft_check, who_has_asked_another_to_take_over_has_no_lease)
{
    set_up();
    cr_assert_neq(raft_lease_until(l.r), 0);
    BREAKS(RAFT_I22_TRANSFER, r->was_asked = 2);
    HOLDS(r->was_asked = 2, r->has_sent_timeout_now = true);
}

Test(raft_check, who_has_halted_is_not_looked_at)
{
    HOLDS(r->was_term++, r->role = RAFT_HALTED);
}

/* The proposal would be written and sent; but something is wrong. */
Test(raft_check, a_broken_replica_tells_that_and_halts)
{
    static const struct raft_entry one = { .kind = RAFT_ENTRY_DATA };
    struct raft_event propose = { .kind = RAFT_EVENT_PROPOSE };
    propose.u.propose.entries = &one;
    propose.u.propose.entry_count = 1;
    set_up();
    l.r->is_miscounted = true;
    lone_step(&l, &propose);
    cr_assert_eq(l.told_count, 2);
    cr_assert_eq(l.told[0].kind, RAFT_EFFECT_ALARM);
    cr_assert_eq(l.told[0].u.alarm.alarm, RAFT_ALARM_INVARIANT);
    cr_assert_eq(l.told[0].u.alarm.detail, RAFT_I14_QUORUM);
    cr_assert_eq(l.told[1].kind, RAFT_EFFECT_ROLE);
    cr_assert_eq(l.told[1].u.role.role, RAFT_HALTED);
    cr_assert_eq(l.told[1].u.role.reason, RAFT_HALT_INVARIANT);
}

/* So does one that sounded another alarm in that step. */
Test(raft_check, alarms_of_a_broken_step_are_told)
{
    set_up();
    lone_answer(&l, 2, (struct raft_message) { .kind = RAFT_APPEND_RESP, .index = 3 });
    uint64_t seq = l.r->message_seq + 1;
    l.r->message_seq = seq;
    l.r->is_miscounted = true;
    lone_receive(&l, 2,
                 (struct raft_message) { .kind = RAFT_APPEND_RESP,
                                         .reject = true,
                                         .reason = RAFT_LOG_MISMATCH,
                                         .index = 1,
                                         .seq = seq });
    cr_assert_eq(lone_told(&l, RAFT_EFFECT_ALARM), 2);
    cr_assert_eq(l.told[0].u.alarm.alarm, RAFT_ALARM_PEER_LOST_ENTRIES);
    cr_assert_eq(lone_told(&l, RAFT_EFFECT_SEND), 0);
}
