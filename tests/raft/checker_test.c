/*
 * The checker by hand: what must hold between replicas is broken, and is named. That the simulator
 * finds nothing says as much as its checker would have told.
 */
#include <criterion/criterion.h>

#include "raft/core.h"
#include "tests/raft/support/checker.h"

static struct cluster c;
static struct checker k;

static const struct raft_config config = { .window_entries = 64, .batch_entries = 16 };

static struct node *node(raft_id id)
{
    return &c.nodes[id];
}

/* Three voters in term 2; entry 1, of term 1, is on the disks of 1 and 2. Nobody leads. */
static void set_up(void)
{
    static const struct raft_conf conf = {
        .count = 3,
        .members = { { 1, RAFT_MEMBER_VOTER }, { 2, RAFT_MEMBER_VOTER }, { 3, RAFT_MEMBER_VOTER } }
    };
    static const struct cluster_hooks none = { .sent = NULL };
    static const struct raft_entry e = { .index = 1, .term = 1, .kind = RAFT_ENTRY_DATA };
    struct errbuf err = { .text = "" };

    cluster_init(&c, &config, &none, NULL);
    checker_init(&k, &c);
    c.now = 1000000;
    for (raft_id id = 1; id <= 3; id++) {
        struct node *n = cluster_add(&c, id, &conf);
        n->disk.hard.term = 2;
        n->disk.hard.vote = 1;
        n->disk.hard.acc_term = id < 3 ? 1 : 0;
        if (id < 3)
            disk_append(&n->disk, &e);
        cr_assert(cluster_start(&c, n, id, &err), "%s", err.text);
        checker_started(&k, n);
    }
    cr_assert_str_empty(k.text);
}

static void take_down(void)
{
    checker_deinit(&k);
    cluster_deinit(&c);
}

#define TELLS(number, ...)                                                                         \
    do {                                                                                           \
        set_up();                                                                                  \
        __VA_ARGS__;                                                                               \
        cr_assert_eq(k.invariant, number, "I%d: %s", k.invariant, #__VA_ARGS__);                   \
        cr_assert_eq(k.text[0] != '\0', number != 0, "%s", #__VA_ARGS__);                          \
        cr_assert_eq(c.is_stopped, number != 0);                                                   \
        take_down();                                                                               \
    } while (0)

#define HOLDS(...) TELLS(0, __VA_ARGS__)

static void leads(raft_id id, raft_term term)
{
    struct raft_effect e = { .kind = RAFT_EFFECT_ROLE };
    e.u.role.role = RAFT_LEADER;
    e.u.role.term = term;
    e.u.role.leader = id;
    checker_effect(&k, node(id), &e);
}

/* What is written after the hard state of the disk: `more` of it is added to that. */
static void writes(raft_id id, raft_index truncate_from, const struct raft_entry *entry,
                   struct raft_hard more)
{
    struct raft_effect e = { .kind = RAFT_EFFECT_PERSIST };
    struct raft_hard hard = node(id)->disk.hard;
    hard.term += more.term;
    hard.vote += more.vote;
    hard.commit += more.commit;
    hard.acc_term += more.acc_term;
    e.u.persist = (struct raft_persist) { .seq = node(id)->seq + 1,
                                          .truncate_from = truncate_from,
                                          .entries = entry,
                                          .entry_count = entry != NULL,
                                          .hard = &hard };
    checker_effect(&k, node(id), &e);
}

static void commits(raft_id id, raft_index index)
{
    struct raft_effect e = { .kind = RAFT_EFFECT_COMMIT, .u.index = index };
    checker_effect(&k, node(id), &e);
}

static void may_apply(raft_id id, raft_index first, raft_index last)
{
    struct raft_effect e = { .kind = RAFT_EFFECT_APPLY, .u.apply = { first, last } };
    checker_effect(&k, node(id), &e);
}

static void applies(raft_id id, struct raft_entry e)
{
    e.kind = RAFT_ENTRY_DATA;
    (void)fsm_apply(&node(id)->fsm, &e);
    checker_applied(&k, node(id), &e);
}

static void sends(struct raft_message m)
{
    struct packet p = { .m = m };
    checker_sent(&k, node(m.from), &p);
}

static void leads_already(raft_id id, raft_term term)
{
    node(id)->role = RAFT_LEADER;
    node(id)->term = term;
}

/* It leads, and both others have just answered it. */
static void has_lease(raft_id id)
{
    struct raft *r = node(id)->raft;
    r->role = RAFT_LEADER;
    r->config.has_leases = node(id)->config.has_leases = true;
    for (uint32_t i = 0; i < r->conf.count; i++)
        r->peers[i].acked_us = r->now_us;
    leads_already(id, r->term);
}

static const struct raft_hard SAME = { .term = 0 };

Test(raft_checker, one_leader_a_term)
{
    HOLDS(leads(1, 3), leads(2, 4));
    TELLS(1, leads(1, 3), leads(2, 3));
}

Test(raft_checker, what_is_written_goes_on)
{
    HOLDS(writes(1, 0, NULL, (struct raft_hard) { .term = 1, .vote = 1 }));
    TELLS(2, writes(1, 0, NULL, (struct raft_hard) { .term = (raft_term)-1 }));
    TELLS(3, writes(1, 0, NULL, (struct raft_hard) { .vote = 1 }));
    TELLS(6, node(1)->disk.hard.commit = 1,
          writes(1, 0, NULL, (struct raft_hard) { .commit = (raft_index)-1 }));
    TELLS(12, writes(1, 0, NULL, (struct raft_hard) { .acc_term = (raft_term)-1 }));
    TELLS(2, checker_persisted(&k, node(1)), node(1)->disk.hard.term--,
          checker_persisted(&k, node(1)));
    TELLS(3, checker_persisted(&k, node(1)), node(1)->disk.hard.vote++,
          checker_persisted(&k, node(1)));
}

Test(raft_checker, equal_index_and_term_is_the_same_entry)
{
    struct raft_entry e = { .index = 2, .term = 2, .kind = RAFT_ENTRY_DATA };
    struct raft_entry other = { .index = 2, .term = 2, .kind = RAFT_ENTRY_NOOP };
    HOLDS(writes(1, 0, &e, SAME), writes(2, 0, &e, SAME));
    TELLS(4, writes(1, 0, &e, SAME), writes(2, 0, &other, SAME));
    TELLS(-1, writes(3, 0, &e, SAME)); /* A gap: it has no entry 1. */
}

/* I15 */
Test(raft_checker, what_a_change_stands_on)
{
    struct raft_entry one = { .index = 1, .term = 2, .kind = RAFT_ENTRY_CONF };
    struct raft_entry two = { .index = 2, .term = 2, .kind = RAFT_ENTRY_CONF };
    HOLDS(writes(1, 0, &two, SAME));
    TELLS(15, leads_already(1, 2), writes(1, 0, &two, SAME));
    TELLS(15, disk_append(&node(3)->disk, &one), node(3)->written_last = 1,
          writes(3, 0, &two, SAME));
    HOLDS(disk_append(&node(3)->disk, &one), node(3)->written_last = 1,
          writes(3, 0, &two, (struct raft_hard) { .commit = 1 }));
    TELLS(15, writes(1, 0, NULL, (struct raft_hard) { .commit = 2 }));
}

Test(raft_checker, what_may_be_cut_off)
{
    HOLDS(writes(1, 1, NULL, SAME));
    TELLS(5, leads_already(1, 2), writes(1, 1, NULL, SAME));
    TELLS(26, node(1)->disk.hard.commit = 1, writes(1, 1, NULL, SAME));
    TELLS(-1, writes(1, 3, NULL, SAME));
}

Test(raft_checker, what_is_committed)
{
    HOLDS(commits(1, 1));
    TELLS(6, commits(1, 1), commits(1, 1));
    TELLS(11, leads_already(1, 2), commits(1, 1));
    HOLDS(leads_already(1, 1), commits(1, 1));
    TELLS(14, leads_already(1, 1), disk_deinit(&node(2)->disk), disk_init(&node(2)->disk),
          commits(1, 1));
    TELLS(7, commits(1, 1), k.history[1].term = 2, commits(2, 1));
    HOLDS(commits(1, 1), leads(2, 3));
    TELLS(8, commits(1, 1), leads(3, 3));
    TELLS(8, commits(1, 1), k.history[1].term = 2, leads(2, 3));
}

Test(raft_checker, what_is_applied)
{
    struct raft_entry e = { .index = 1, .term = 1 };
    struct raft_entry other = { .index = 1, .term = 2 };
    HOLDS(commits(1, 1), may_apply(1, 1, 1), applies(1, e), applies(2, e));
    TELLS(24, may_apply(1, 1, 1));
    TELLS(24, k.committed = 9, may_apply(1, 1, 2)); /* It is not durable. */
    TELLS(24, commits(1, 1), may_apply(1, 2, 2));
    TELLS(24, applies(1, e));
    TELLS(7, commits(1, 1), applies(1, e), applies(2, other));
    TELLS(9, commits(1, 1), applies(1, e), node(2)->fsm.digest++, applies(2, e));
    TELLS(9, commits(1, 1), applies(1, e), node(2)->fsm.index = 1, checker_switched(&k, node(2)));
    TELLS(25, node(2)->fsm.index = 1, node(2)->fsm.digest = 1, checker_switched(&k, node(2)));
}

Test(raft_checker, what_is_said)
{
    struct raft_message ack = { .kind = RAFT_APPEND_RESP, .from = 2, .to = 1, .term = 2 };
    struct raft_message vote = { .kind = RAFT_VOTE_RESP, .from = 2, .to = 1, .term = 2 };
    struct raft_effect e = { .kind = RAFT_EFFECT_SEND };
    e.u.send.message = (struct raft_message) { .kind = RAFT_HEARTBEAT, .from = 1, .to = 9 };
    HOLDS(leads_already(1, 2), ack.index = 1, sends(ack), sends(vote));
    TELLS(12, leads_already(1, 2), ack.index = 2, sends(ack));
    TELLS(3, vote.term = 3, sends(vote));
    TELLS(3, vote.term = 2, vote.to = 3, sends(vote));
    TELLS(3, sends((struct raft_message) { .kind = RAFT_VOTE, .from = 1, .to = 2, .term = 3 }));
    TELLS(-1, sends((struct raft_message) { .kind = RAFT_HEARTBEAT, .from = 1, .to = 1 }));
    TELLS(29, checker_effect(&k, node(1), &e));
    HOLDS(e.u.send.message.to = 3, checker_effect(&k, node(1), &e));
}

Test(raft_checker, what_a_lease_excludes)
{
    struct raft_message over = { .kind = RAFT_TIMEOUT_NOW, .from = 1, .to = 2, .term = 2 };
    HOLDS(leads_already(1, 2), sends(over));
    TELLS(22, has_lease(1), sends(over));
    HOLDS(has_lease(1), over.kind = RAFT_HEARTBEAT, sends(over));
    TELLS(21, has_lease(1), leads(2, 3));
    HOLDS(has_lease(1), leads(2, 1));
    HOLDS(has_lease(1), node(1)->raft->has_sent_timeout_now = true, leads(2, 3));
    HOLDS(has_lease(1), c.now += 60000000, leads(2, 3));
}

Test(raft_checker, what_is_restored)
{
    HOLDS(checker_started(&k, node(1)));
    TELLS(27, node(1)->disk.hard.vote = 2, checker_started(&k, node(1)));
    TELLS(27, node(1)->disk.hard.acc_term = 0, checker_started(&k, node(1)));
    TELLS(27, node(1)->disk.count = 0, checker_started(&k, node(1)));
}

/* A write, and what has become of it. */
static uint64_t begins(void)
{
    uint64_t serial = checker_begin_write(&k);
    checker_accepted(&k, serial, 1);
    return serial;
}

static uint64_t is_applied(uint64_t serial)
{
    uint8_t payload[FSM_SERIAL_SIZE];
    k.committed = 1;
    put_u64(payload, serial);
    applies(1, (struct raft_entry) {
                   .index = 1, .term = 1, .data = bytes_of(payload, sizeof payload) });
    return serial;
}

static uint64_t ends(uint64_t serial, enum outcome outcome)
{
    checker_end_write(&k, serial, outcome);
    return serial;
}

Test(raft_checker, what_clients_are_told)
{
    HOLDS(ends(is_applied(begins()), OUTCOME_DONE), checker_read(&k, node(1), k.floor));
    HOLDS(ends(begins(), OUTCOME_LOST), ends(begins(), OUTCOME_REFUSED));
    /* 2 has not applied it. Begun after what is at 1 was seen. */
    TELLS(20, ends(is_applied(begins()), OUTCOME_DONE), checker_read(&k, node(2), k.floor));
    TELLS(20, k.floor = 1, is_applied(begins()));
    TELLS(23, ends(is_applied(begins()), OUTCOME_LOST));
    TELLS(23, ends(is_applied(begins()), OUTCOME_REFUSED));
    TELLS(23, is_applied(ends(begins(), OUTCOME_LOST)));
    TELLS(23, is_applied(ends(begins(), OUTCOME_REFUSED)));
    TELLS(23, ends(ends(begins(), OUTCOME_LOST), OUTCOME_UNKNOWN));
    TELLS(23, ends(begins(), OUTCOME_DONE));
}
