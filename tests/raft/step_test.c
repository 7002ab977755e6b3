/*
 * Corners of the step that a group seldom comes to: one replica, told things by hand.
 */
#include <criterion/criterion.h>

#include "raft/codec.h"
#include "tests/raft/support/lone.h"

static struct lone l;

static const struct raft_config config = {
    .seed = 3, .window_entries = 8, .batch_entries = 8, .terms = 4
};

enum { GROUP = 6, BASE = 5, LAST = 20 };

/* A leader of six in term 2; its log begins behind entry 5 and its memory behind entry 20. */
static void lead_with_a_long_log(void)
{
    static const struct raft_term_start start = { .term = 1, .first = BASE + 1 };
    struct raft_restore s = { .base_index = BASE,
                              .base_term = 1,
                              .last = LAST,
                              .applied = LAST,
                              .starts = &start,
                              .start_count = 1 };
    s.hard = (struct raft_hard) { .term = 1, .acc_term = 1, .commit = LAST };
    lone_start(&l, &config, GROUP, s);
    lone_lead(&l);
    cr_assert_eq(l.r->log.first, LAST + 1);
}

static void follow(void)
{
    lone_start(&l, &config, 3, (struct raft_restore) { .last = 0 });
    lone_receive(&l, 2, (struct raft_message) { .kind = RAFT_HEARTBEAT, .term = 1 });
    cr_assert_eq(l.r->leader, 2);
}

/* The next event finds heartbeats to be sent to all, which come first. */
static void let_beat(void)
{
    l.now_us = l.r->heartbeat_due_us;
}

static void mismatch(raft_id from, raft_index hint)
{
    lone_answer(&l, from,
                (struct raft_message) { .kind = RAFT_APPEND_RESP,
                                        .reject = true,
                                        .reason = RAFT_LOG_MISMATCH,
                                        .index = LAST,
                                        .hint_index = hint,
                                        .hint_term = 1 });
}

static void match(raft_id from)
{
    lone_answer(&l, from,
                (struct raft_message) { .kind = RAFT_APPEND_RESP, .index = l.r->log.last });
}

static struct raft_snapshot snapshot_at(raft_index index)
{
    struct raft_snapshot s = { .id = 7, .index = index, .term = 1, .conf_index = 0 };
    s.conf = l.r->conf;
    return s;
}

static void offer(raft_id peer, const struct raft_snapshot *s)
{
    struct raft_event ev = { .kind = RAFT_EVENT_OFFERED };
    ev.u.offered.peer = peer;
    ev.u.offered.snapshot = s;
    lone_step(&l, &ev);
}

/* ---- Telling in pieces -------------------------------------------------------------------- */

Test(raft_step, a_fetch_waits_for_room)
{
    lead_with_a_long_log();
    let_beat();
    mismatch(GROUP, 10);
    cr_assert_eq(lone_told(&l, RAFT_EFFECT_FETCH), 1);
    cr_assert_gt(l.told_count, l.room_least);
}

Test(raft_step, a_snapshot_waits_for_room)
{
    lead_with_a_long_log();
    struct raft_snapshot s = snapshot_at(LAST);
    let_beat();
    mismatch(GROUP, 3);
    cr_assert_eq(lone_told(&l, RAFT_EFFECT_SNAPSHOT_WANTED), 1);
    let_beat();
    offer(GROUP, &s);
    cr_assert_neq(lone_sent(&l, RAFT_SNAPSHOT, GROUP), NULL);
}

Test(raft_step, the_request_to_take_over_waits_for_room)
{
    lead_with_a_long_log();
    match(GROUP);
    let_beat();
    lone_peer_event(&l, RAFT_EVENT_TRANSFER, GROUP);
    cr_assert_neq(lone_sent(&l, RAFT_TIMEOUT_NOW, GROUP), NULL);
}

Test(raft_step, the_end_of_a_transfer_waits_for_room)
{
    lead_with_a_long_log();
    match(GROUP);
    lone_peer_event(&l, RAFT_EVENT_TRANSFER, GROUP);
    for (raft_id id = 2; id < GROUP; id++)
        match(id);
    let_beat();
    l.r->transfer_due_us = l.now_us;
    lone_event(&l, RAFT_EVENT_TIMER);
    cr_assert_eq(lone_told(&l, RAFT_EFFECT_TRANSFER_ENDED), 1);
    cr_assert_eq(l.r->transferee, 0);
}

Test(raft_step, what_is_installed_instead_waits_for_room)
{
    follow();
    l.room_least = 2;
    struct raft_snapshot s = snapshot_at(9);
    lone_receive(&l, 2, (struct raft_message) { .kind = RAFT_SNAPSHOT, .snapshot = &s });
    cr_assert_eq(lone_told(&l, RAFT_EFFECT_INSTALL), 1);
    s.index = 12;
    s.id++;
    lone_receive(&l, 2, (struct raft_message) { .kind = RAFT_SNAPSHOT, .snapshot = &s });
    cr_assert_eq(lone_told(&l, RAFT_EFFECT_INSTALL_DROPPED), 1, "a newer one of the same leader");
    s.id++;
    s.term = 2;
    lone_receive(&l, 3, (struct raft_message) { .kind = RAFT_SNAPSHOT, .snapshot = &s, .term = 3 });
    cr_assert_eq(lone_told(&l, RAFT_EFFECT_INSTALL_DROPPED), 1, "another leader's");
    cr_assert_eq(lone_told(&l, RAFT_EFFECT_INSTALL), 1);
    cr_assert_eq(lone_told(&l, RAFT_EFFECT_PERSIST), 1);
    cr_assert_gt(l.told_count, l.room_least);
    s.index--;
    lone_receive(&l, 3, (struct raft_message) { .kind = RAFT_SNAPSHOT, .snapshot = &s, .term = 3 });
    cr_assert_eq(l.verdict, RAFT_INSTALLING, "an older one");
}

/* ---- What nobody sends -------------------------------------------------------------------- */

Test(raft_step, kinds_that_do_not_exist_are_malformed)
{
    follow();
    lone_receive(&l, 2, (struct raft_message) { .kind = RAFT_MESSAGE_KIND_END });
    cr_assert_eq(l.verdict, RAFT_MALFORMED);
    lone_receive(&l, 2, (struct raft_message) { .reason = RAFT_OK });
    cr_assert_eq(l.verdict, RAFT_MALFORMED);
    lone_event(&l, RAFT_EVENT_KIND_END);
    cr_assert_eq(l.verdict, RAFT_MALFORMED);
}

Test(raft_step, an_answer_from_the_future_renews_nothing)
{
    lead_with_a_long_log();
    lone_receive(&l, 2,
                 (struct raft_message) { .kind = RAFT_HEARTBEAT_RESP, .sent_us = l.now_us + 1 });
    cr_assert_eq(l.r->peers[1].acked_us, 0);
    lone_receive(&l, 2, (struct raft_message) { .kind = RAFT_HEARTBEAT_RESP, .sent_us = l.now_us });
    cr_assert_eq(l.r->peers[1].acked_us, l.now_us);
}

Test(raft_step, what_is_fetched_must_be_what_was_asked_for)
{
    struct raft_entry entries[9];
    struct raft_event ev = { .kind = RAFT_EVENT_FETCHED };
    for (raft_index i = 0; i < 9; i++)
        entries[i] = (struct raft_entry) { .index = 11 + i, .term = 1, .kind = RAFT_ENTRY_DATA };
    ev.u.fetched.peer = 2;
    ev.u.fetched.entries = entries;

    for (int wrong = 0; wrong < 5; wrong++) {
        lead_with_a_long_log();
        mismatch(2, 10);
        ev.u.fetched.entry_count = wrong == 0 ? 9 : 4; /* More than a batch. */
        entries[1].index = wrong == 1 ? 13 : 12;
        entries[1].term = wrong == 2 ? 2 : wrong == 3 ? 0 : 1;
        lone_step(&l, &ev);
        cr_assert_eq(l.verdict, wrong == 4 ? RAFT_OK : RAFT_MALFORMED, "case %d", wrong);
        cr_assert_eq(lone_sent(&l, RAFT_APPEND, 2) != NULL, wrong == 4, "case %d", wrong);
    }
}

Test(raft_step, what_is_offered_must_fit_the_log)
{
    for (int wrong = 0; wrong < 8; wrong++) {
        lead_with_a_long_log();
        mismatch(2, 3);
        struct raft_snapshot s = snapshot_at(LAST);
        s.index = wrong == 0 ? 0 : wrong == 1 ? LAST + 1 : wrong == 2 ? BASE - 1 : LAST;
        s.conf_index = wrong == 3 ? LAST + 1 : 0;
        s.conf.count = wrong == 4 ? 0 : GROUP;
        s.conf.members[0].role = wrong == 5 ? RAFT_MEMBER_NONE : RAFT_MEMBER_VOTER;
        s.term = wrong == 6 ? 2 : 1;
        offer(2, &s);
        cr_assert_eq(l.verdict, wrong == 7 ? RAFT_OK : RAFT_MALFORMED, "case %d", wrong);
        cr_assert_eq(lone_sent(&l, RAFT_SNAPSHOT, 2) != NULL, wrong == 7, "case %d", wrong);
    }
}

/* The offer is made, but there is no room to send it: what its peer would take from the log begins
 * behind it. */
Test(raft_step, an_offer_keeps_the_log_behind_it)
{
    struct raft_view v;
    lead_with_a_long_log();
    for (raft_id id = 3; id <= GROUP; id++)
        match(id);
    mismatch(2, 3);
    raft_view(l.r, &v);
    cr_assert_eq(v.needed_index, l.r->log.last + 1, "no offer yet");
    struct raft_snapshot s = snapshot_at(LAST - 2);
    offer(2, &s);
    raft_view(l.r, &v);
    cr_assert_eq(v.needed_index, LAST - 1, "offered");
    l.r->peers[1].sending = RAFT_SENDING_OFFER;
    raft_view(l.r, &v);
    cr_assert_eq(v.needed_index, LAST - 1, "to be offered");
}

/* Of five terms four are remembered: nothing is known of entry 6, which is committed as all are. */
Test(raft_step, a_snapshot_of_a_forgotten_term_is_believed)
{
    static const struct raft_term_start starts[] = { { 1, 6 }, { 2, 8 }, { 3, 9 }, { 4, 10 } };
    struct raft_restore s = { .base_index = BASE,
                              .base_term = 1,
                              .last = LAST,
                              .applied = LAST,
                              .starts = starts,
                              .start_count = 4 };
    s.hard = (struct raft_hard) { .term = 4, .acc_term = 4, .commit = LAST };
    lone_start(&l, &config, 3, s);
    lone_lead(&l);
    cr_assert_eq(raft_term_at(l.r, 6), 0);
    mismatch(2, 3);
    struct raft_snapshot old = snapshot_at(6);
    offer(2, &old);
    cr_assert_eq(l.verdict, RAFT_OK);
}

/* What is committed here has term 3. A leader to whom its entry is one of term 2 is none, though it
 * is not compared; and what it has behind would not go on from ours. */
Test(raft_step, a_leader_whose_terms_fall_behind_the_commit_is_not_followed)
{
    static const struct raft_term_start starts[] = { { 1, 6 }, { 3, 9 } };
    static const struct raft_entry theirs[] = {
        { .index = LAST, .term = 2, .kind = RAFT_ENTRY_DATA },
        { .index = LAST + 1, .term = 2, .kind = RAFT_ENTRY_DATA },
    };
    struct raft_restore s = { .base_index = BASE,
                              .base_term = 1,
                              .last = LAST,
                              .applied = LAST,
                              .starts = starts,
                              .start_count = 2 };
    s.hard = (struct raft_hard) { .term = 3, .acc_term = 3, .commit = LAST };
    lone_start(&l, &config, 3, s);
    lone_receive(&l, 2,
                 (struct raft_message) { .kind = RAFT_APPEND,
                                         .term = 4,
                                         .index = LAST - 1,
                                         .log_term = 2,
                                         .entries = theirs,
                                         .entry_count = 2 });
    cr_assert_eq(lone_told(&l, RAFT_EFFECT_ALARM), 1);
    cr_assert_eq(l.told[0].u.alarm.alarm, RAFT_ALARM_SENDER_CONFLICT);
    cr_assert_eq(l.r->log.last, LAST);
    cr_assert_eq(raft_check(l.r), RAFT_INVARIANT_NONE);
}

Test(raft_step, a_refusal_of_an_earlier_offer_is_late)
{
    const struct raft_message no = {
        .kind = RAFT_SNAPSHOT_RESP, .reject = true, .reason = RAFT_SNAPSHOT_FAILED, .index = LAST
    };
    lead_with_a_long_log();
    mismatch(2, 3);
    struct raft_snapshot s = snapshot_at(LAST);
    offer(2, &s);
    lone_receive(&l, 2, no);
    cr_assert_eq(l.verdict, RAFT_STALE_REPLY);
    cr_assert_eq(l.r->peers[1].sending, RAFT_SENDING_OFFERED);
    lone_answer(&l, 2, no);
    cr_assert_eq(l.verdict, RAFT_OK);
    cr_assert_eq(l.r->peers[1].sending, RAFT_SENDING_LATER);
}

/* ---- Changes and proposals ---------------------------------------------------------------- */

static void propose(enum raft_event_kind kind, const struct raft_entry *entries, uint32_t count)
{
    struct raft_event ev = { .kind = kind };
    ev.u.propose.entries = entries;
    ev.u.propose.entry_count = count;
    lone_step(&l, &ev);
}

/* Alone, and leading: what is written is committed. */
static void lead_alone(const struct raft_config *c)
{
    lone_start(&l, c, 1, (struct raft_restore) { .last = 0 });
    lone_lead(&l);
    lone_apply(&l);
}

Test(raft_step, a_change_is_one_entry_that_says_so)
{
    static const struct raft_entry data[] = { { .kind = RAFT_ENTRY_DATA } };
    static const struct raft_entry two[] = { { .kind = RAFT_ENTRY_CONF },
                                             { .kind = RAFT_ENTRY_CONF } };
    struct raft_entry nonsense = { .kind = RAFT_ENTRY_CONF, .data = bytes_str("nonsense") };
    lead_alone(&config);
    propose(RAFT_EVENT_CHANGE, data, 1);
    cr_assert_eq(l.verdict, RAFT_CHANGE_MALFORMED);
    propose(RAFT_EVENT_CHANGE, two, 2);
    cr_assert_eq(l.verdict, RAFT_CHANGE_MALFORMED);
    propose(RAFT_EVENT_CHANGE, &nonsense, 1);
    cr_assert_eq(l.verdict, RAFT_CHANGE_MALFORMED);
    propose(RAFT_EVENT_CHANGE, two, 1);
    cr_assert_eq(l.verdict, RAFT_CHANGE_NOT_JOINT);
}

Test(raft_step, a_batch_that_never_fits_is_too_large)
{
    static const struct raft_config narrow = { .window_entries = 4, .batch_entries = 4 };
    struct raft_entry four[4];
    for (int i = 0; i < 4; i++)
        four[i] = (struct raft_entry) { .kind = RAFT_ENTRY_DATA };
    lead_alone(&narrow);
    propose(RAFT_EVENT_PROPOSE, four, 4);
    cr_assert_eq(l.verdict, RAFT_TOO_LARGE, "one place is kept");
    propose(RAFT_EVENT_PROPOSE, four, 3);
    cr_assert_eq(l.verdict, RAFT_OK);
    propose(RAFT_EVENT_PROPOSE, four, 1);
    cr_assert_eq(l.verdict, RAFT_BUSY);
}

/* The others have everything, but the own disk does not: its entries cannot leave the window. */
Test(raft_step, a_change_without_room_waits)
{
    static const struct raft_config narrow = { .window_entries = 4, .batch_entries = 4 };
    struct raft_change learner = { .count = 1, .ops = { { 9, RAFT_CHANGE_ADD_LEARNER } } };
    uint8_t bytes[RAFT_CHANGE_MAX];
    struct raft_entry change = { .kind = RAFT_ENTRY_CONF };
    struct raft_entry three[3];
    change.data = bytes_of(bytes, raft_change_put(&learner, bytes));
    for (int i = 0; i < 3; i++)
        three[i] = (struct raft_entry) { .kind = RAFT_ENTRY_DATA };
    lone_start(&l, &narrow, 3, (struct raft_restore) { .last = 0 });
    lone_lead(&l);
    match(2);
    propose(RAFT_EVENT_PROPOSE, three, 3);
    propose(RAFT_EVENT_CHANGE, &change, 1);
    cr_assert_eq(l.verdict, RAFT_OK);
    match(2);
    match(3);
    cr_assert_eq(l.r->log.commit, 5);
    propose(RAFT_EVENT_CHANGE, &change, 1);
    cr_assert_eq(l.verdict, RAFT_BUSY);
    lone_persist(&l);
    propose(RAFT_EVENT_CHANGE, &change, 1);
    cr_assert_eq(l.verdict, RAFT_CHANGE_EMPTY, "it is one");
}

/* Durable and not committed, it has left the window; an entry before it is committed. */
Test(raft_step, a_change_is_held_until_it_is_committed)
{
    static const struct raft_config narrow = { .window_entries = 4, .batch_entries = 4 };
    struct raft_change learner = { .count = 1, .ops = { { 9, RAFT_CHANGE_ADD_LEARNER } } };
    uint8_t bytes[RAFT_CHANGE_MAX];
    struct raft_entry entries[4];
    lone_start(&l, &narrow, 3, (struct raft_restore) { .last = 0 });
    for (raft_index first = 1; first < 8; first += 4) {
        for (raft_index i = 0; i < 4; i++)
            entries[i] =
                (struct raft_entry) { .index = first + i, .term = 1, .kind = RAFT_ENTRY_DATA };
        if (first == 1) {
            entries[1].kind = RAFT_ENTRY_CONF;
            entries[1].data = bytes_of(bytes, raft_change_put(&learner, bytes));
        }
        lone_receive(&l, 2,
                     (struct raft_message) { .kind = RAFT_APPEND,
                                             .term = 1,
                                             .index = first - 1,
                                             .log_term = first > 1,
                                             .entries = entries,
                                             .entry_count = 4 });
        lone_persist(&l);
    }
    cr_assert_eq(l.r->log.held.index, 2);
    lone_receive(&l, 2,
                 (struct raft_message) { .kind = RAFT_HEARTBEAT, .commit = 1, .log_term = 1 });
    cr_assert_eq(l.r->log.commit, 1);
    cr_assert_eq(l.r->log.held.index, 2);
    lone_receive(&l, 2,
                 (struct raft_message) { .kind = RAFT_HEARTBEAT, .commit = 2, .log_term = 1 });
    cr_assert_eq(l.r->log.held.index, 0);
    cr_assert_eq(l.r->conf.count, 4);
}

/* ---- Taking over -------------------------------------------------------------------------- */

static void take_over(raft_index index, raft_term log_term)
{
    lone_receive(
        &l, 2,
        (struct raft_message) { .kind = RAFT_TIMEOUT_NOW, .index = index, .log_term = log_term });
}

Test(raft_step, who_is_to_take_over_has_the_very_log)
{
    struct raft_entry e = { .index = 1, .term = 1, .kind = RAFT_ENTRY_DATA };
    follow();
    lone_receive(
        &l, 2,
        (struct raft_message) { .kind = RAFT_APPEND, .term = 2, .entries = &e, .entry_count = 1 });
    take_over(2, 2);
    cr_assert_eq(l.verdict, RAFT_LOG_BEHIND, "another end");
    take_over(1, 2);
    cr_assert_eq(l.verdict, RAFT_LOG_BEHIND, "another term");
    take_over(1, 1);
    cr_assert_eq(l.r->role, RAFT_CANDIDATE);
}

Test(raft_step, only_a_refusal_of_the_one_who_was_asked_counts)
{
    const struct raft_message no = { .kind = RAFT_TIMEOUT_NOW_RESP, .reject = true };
    const struct raft_message yes = { .kind = RAFT_TIMEOUT_NOW_RESP };
    lead_with_a_long_log();
    match(2);
    lone_peer_event(&l, RAFT_EVENT_TRANSFER, 2);
    lone_answer(&l, 3, no);
    cr_assert_eq(l.verdict, RAFT_STALE_REPLY, "another one");
    lone_answer(&l, 2, yes);
    cr_assert_eq(l.verdict, RAFT_STALE_REPLY, "no refusal");
    lone_receive(&l, 2, no);
    cr_assert_eq(l.verdict, RAFT_STALE_REPLY, "of an earlier question");
    lone_answer(&l, 2, no);
    cr_assert_eq(l.verdict, RAFT_OK);
    cr_assert_eq(lone_told(&l, RAFT_EFFECT_TRANSFER_ENDED), 1);
    follow();
    lone_receive(&l, 2, no);
    cr_assert_eq(l.verdict, RAFT_STALE_REPLY, "it does not lead");
}

Test(raft_step, a_transfer_begins_when_the_end_of_the_last_is_told)
{
    lead_with_a_long_log();
    l.r->has_transfer_ended = true; /* In a step without room. */
    lone_peer_event(&l, RAFT_EVENT_TRANSFER, 2);
    cr_assert_eq(l.verdict, RAFT_TRANSFERRING);
    cr_assert_eq(lone_told(&l, RAFT_EFFECT_TRANSFER_ENDED), 1);
    lone_peer_event(&l, RAFT_EVENT_TRANSFER, 2);
    cr_assert_eq(l.verdict, RAFT_OK);
}

/* ---- Logs --------------------------------------------------------------------------------- */

/* Everything the peer had is gone; what it acknowledges after we know counts again, and nothing
 * that was under way before. */
Test(raft_step, after_a_loss_only_new_answers_count)
{
    lead_with_a_long_log();
    match(2);
    const uint64_t old_seq = l.r->message_seq;
    let_beat();
    lone_event(&l, RAFT_EVENT_TIMER);
    lone_answer(&l, 2,
                (struct raft_message) { .kind = RAFT_APPEND_RESP,
                                        .reject = true,
                                        .reason = RAFT_LOG_MISMATCH,
                                        .index = LAST,
                                        .hint_index = 10,
                                        .hint_term = 1 });
    cr_assert_eq(lone_told(&l, RAFT_EFFECT_ALARM), 1);
    lone_receive(&l, 2,
                 (struct raft_message) { .kind = RAFT_APPEND_RESP, .index = LAST, .seq = old_seq });
    cr_assert_eq(l.verdict, RAFT_STALE_REPLY);
    cr_assert_eq(l.r->peers[1].match, 0);
    let_beat();
    lone_event(&l, RAFT_EVENT_TIMER);
    lone_answer(&l, 2, (struct raft_message) { .kind = RAFT_APPEND_RESP, .index = 10 });
    cr_assert_eq(l.r->peers[1].match, 10);
    lone_answer(&l, 2, (struct raft_message) { .kind = RAFT_APPEND_RESP, .index = 99 });
    cr_assert_eq(l.verdict, RAFT_MALFORMED, "it cannot have that");
}

Test(raft_step, a_log_is_compacted_forwards_as_far_as_it_is_durable)
{
    struct raft_event ev = { .kind = RAFT_EVENT_COMPACTED, .u.index = BASE };
    lead_with_a_long_log();
    lone_step(&l, &ev);
    cr_assert_eq(l.verdict, RAFT_NOTHING_TO_DO, "where it begins");
    ev.u.index = LAST + 1;
    lone_step(&l, &ev);
    cr_assert_eq(l.verdict, RAFT_NOTHING_TO_DO, "not applied");
    ev.u.index = LAST;
    lone_step(&l, &ev);
    cr_assert_eq(l.verdict, RAFT_OK);
}

/* The record that a snapshot took the log's place is not written yet. */
Test(raft_step, a_log_that_is_being_replaced_is_not_compacted)
{
    struct raft_event staged = { .kind = RAFT_EVENT_STAGED };
    struct raft_event compacted = { .kind = RAFT_EVENT_COMPACTED, .u.index = 9 };
    follow();
    struct raft_snapshot s = snapshot_at(9);
    lone_receive(&l, 2, (struct raft_message) { .kind = RAFT_SNAPSHOT, .snapshot = &s });
    staged.u.staged.id = s.id;
    staged.u.staged.index = 9;
    lone_step(&l, &staged);
    cr_assert_eq(l.r->log.base_index, 9);
    lone_step(&l, &compacted);
    cr_assert_eq(l.verdict, RAFT_NOTHING_TO_DO);
}

/* ---- Sleeping ----------------------------------------------------------------------------- */

static void offer_quiet(raft_index last, raft_index commit)
{
    lone_receive(&l, 2,
                 (struct raft_message) { .kind = RAFT_HEARTBEAT,
                                         .quiesce = true,
                                         .index = last,
                                         .commit = commit,
                                         .log_term = commit > 0 ? 1 : 0 });
}

Test(raft_step, who_lacks_something_does_not_sleep)
{
    struct raft_entry e = { .index = 1, .term = 1, .kind = RAFT_ENTRY_DATA };
    follow();
    lone_receive(&l, 2,
                 (struct raft_message) { .kind = RAFT_APPEND, .entries = &e, .entry_count = 1 });
    offer_quiet(2, 0);
    cr_assert(!l.r->is_quiescent, "an entry");
    offer_quiet(1, 0);
    cr_assert(!l.r->is_quiescent, "that it is committed");
    offer_quiet(2, 1);
    cr_assert(!l.r->is_quiescent, "an entry behind what is committed");
    offer_quiet(1, 1);
    cr_assert(l.r->is_quiescent);
}

/* Its conf, of a snapshot, does not have it yet; the change that adds it is in its log. */
Test(raft_step, who_is_about_to_be_a_member_asks_for_its_leader)
{
    struct raft_event staged = { .kind = RAFT_EVENT_STAGED };
    struct raft_change learner = { .count = 1, .ops = { { LONE_SELF, RAFT_CHANGE_ADD_LEARNER } } };
    uint8_t bytes[RAFT_CHANGE_MAX];
    struct raft_entry e = { .index = 10, .term = 1, .kind = RAFT_ENTRY_CONF };
    struct raft_snapshot s = { .id = 7, .index = 9, .term = 1 };
    e.data = bytes_of(bytes, raft_change_put(&learner, bytes));
    s.conf.count = 1;
    s.conf.members[0] = (struct raft_member) { .id = 2, .role = RAFT_MEMBER_VOTER };
    lone_start(&l, &config, 0, (struct raft_restore) { .last = 0 });
    lone_receive(&l, 2, (struct raft_message) { .kind = RAFT_SNAPSHOT, .snapshot = &s, .term = 1 });
    staged.u.staged.id = s.id;
    staged.u.staged.index = s.index;
    lone_step(&l, &staged);
    lone_persist(&l);
    l.now_us = l.r->election_due_us;
    lone_event(&l, RAFT_EVENT_TIMER);
    cr_assert_eq(lone_sent(&l, RAFT_WAKE, 2), NULL, "nobody knows it");
    lone_receive(
        &l, 2,
        (struct raft_message) {
            .kind = RAFT_APPEND, .index = 9, .log_term = 1, .entries = &e, .entry_count = 1 });
    cr_assert_eq(l.r->log.changes, 1);
    l.now_us = l.r->election_due_us;
    lone_event(&l, RAFT_EVENT_TIMER);
    cr_assert_neq(lone_sent(&l, RAFT_WAKE, 2), NULL);
}

static uint64_t campaigns_at(uint32_t rank)
{
    struct raft_config ranked = config;
    ranked.rank = rank;
    lone_start(&l, &ranked, 3, (struct raft_restore) { .last = 0 });
    return l.r->election_due_us;
}

Test(raft_step, who_has_a_lower_rank_campaigns_sooner)
{
    uint64_t first = campaigns_at(0);
    cr_assert_eq(campaigns_at(3), first + 3 * (uint64_t)(l.r->config.election_us / 2));
}

Test(raft_step, with_a_lease_a_read_asks_nobody)
{
    struct raft_config leased = config;
    struct raft_event read = { .kind = RAFT_EVENT_READ };
    leased.has_leases = true;
    lone_start(&l, &leased, 3, (struct raft_restore) { .last = 0 });
    l.now_us += l.r->config.election_us + 2000000; /* Behind the grace of a restart. */
    lone_lead(&l);
    match(2);
    match(3);
    lone_apply(&l);
    lone_step(&l, &read);
    cr_assert_eq(l.verdict, RAFT_OK);
    cr_assert_eq(lone_told(&l, RAFT_EFFECT_READ_READY), 1);
    cr_assert_eq(lone_told(&l, RAFT_EFFECT_SEND), 0);
}
