/*
 * Who is told two things that cannot both be true stops, and keeps what it has.
 */
#include <criterion/criterion.h>

#include "raft/raft.h"

static const struct raft_config config = { .group = 1, .id = 3, .seed = 3 };

enum { MEMORY = 1 << 19 };

static struct raft_effects fx;
static _Alignas(16) uint8_t memory[MEMORY];
static _Alignas(16) uint8_t fx_memory[MEMORY];

/* Entries 1 (term 1) and 2 (term 3), of which 1 is committed. */
static struct raft *replica(void)
{
    static const struct raft_term_start starts[] = { { 1, 1 }, { 3, 2 } };
    static const struct raft_entry entry = { .index = 2, .kind = RAFT_ENTRY_DATA };
    struct raft_restore s = { .last = 2, .applied = 1, .starts = starts, .start_count = 2 };
    struct errbuf err = { "" };
    struct raft *r;

    s.entries = &entry;
    s.entry_count = 1;
    s.hard = (struct raft_hard) { .term = 5, .acc_term = 3, .commit = 1 };
    s.hard.conf.count = 3;
    for (uint32_t i = 0; i < 3; i++)
        s.hard.conf.members[i] = (struct raft_member) { i + 1, RAFT_MEMBER_VOTER };
    cr_assert_leq(raft_size(&config), MEMORY);
    cr_assert_leq(raft_effects_size(&config), MEMORY);
    struct status made = raft_init(&config, &s, 1, memory, &err, &r);
    cr_assert(succeeded(made), "%s", err.text);
    raft_effects_init(&fx, &config, fx_memory);
    return r;
}

static void receive(struct raft *r, struct raft_message m)
{
    m.group = config.group;
    m.from = 1;
    m.to = config.id;
    m.term = 6;
    struct raft_event ev = { .kind = RAFT_EVENT_RECV, .u.message = &m };
    raft_step(r, 2, &ev, &fx);
}

static void cr_has_halted(const struct raft *r, enum raft_reason reason)
{
    struct raft_view v;
    raft_view(r, &v);
    cr_assert_eq(v.role, RAFT_HALTED);
    cr_assert_eq(v.halt_reason, reason);
    cr_assert_eq(v.last, 2);
    cr_assert_eq(fx.list[0].kind, RAFT_EFFECT_ALARM);
    cr_assert_eq(fx.list[0].u.alarm.peer, 1);
}

/* The snapshot has another entry 2 than ours; before its data are here its sender says that ours is
 * committed. */
Test(raft_halt, a_snapshot_that_contradicts_what_is_committed_meanwhile)
{
    struct raft *r = replica();
    struct raft_snapshot s = { .id = 9, .index = 2, .term = 6 };
    s.conf.count = 1;
    s.conf.members[0] = (struct raft_member) { 1, RAFT_MEMBER_VOTER };
    receive(r, (struct raft_message) { .kind = RAFT_SNAPSHOT, .snapshot = &s });
    receive(r, (struct raft_message) { .kind = RAFT_HEARTBEAT, .commit = 2, .log_term = 3 });
    struct raft_event staged = { .kind = RAFT_EVENT_STAGED };
    staged.u.staged.id = 9;
    staged.u.staged.index = 2;
    raft_step(r, 3, &staged, &fx);
    cr_has_halted(r, RAFT_HALT_CONFLICT);
}

Test(raft_halt, entries_that_contradict_what_their_leader_sent_before)
{
    struct raft *r = replica();
    struct raft_entry e = { .index = 2, .term = 6, .kind = RAFT_ENTRY_DATA };
    receive(r,
            (struct raft_message) { .kind = RAFT_APPEND, .index = 2, .log_term = 3, .commit = 1 });
    receive(r, (struct raft_message) { .kind = RAFT_APPEND,
                                       .index = 1,
                                       .log_term = 1,
                                       .commit = 1,
                                       .entries = &e,
                                       .entry_count = 1 });
    cr_has_halted(r, RAFT_HALT_CONFLICT);
}

/* After the end every event is answered, and nothing is done. */
Test(raft_halt, who_has_halted_is_silent)
{
    struct raft *r = replica();
    struct raft_event failed_disk = { .kind = RAFT_EVENT_DISK };
    failed_disk.u.disk = RAFT_DISK_IS_FAILED;
    raft_step(r, 2, &failed_disk, &fx);
    cr_assert_eq(fx.list[0].kind, RAFT_EFFECT_ROLE);
    cr_assert_eq(fx.list[0].u.role.reason, RAFT_HALT_DISK);
    for (enum raft_event_kind kind = 0; kind < RAFT_EVENT_KIND_END; kind++) {
        struct raft_event ev = { .kind = kind };
        raft_step(r, 9000000, &ev, &fx);
        cr_assert_eq(fx.verdict, RAFT_HALTED_GROUP);
        cr_assert_eq(fx.count, 0);
        cr_assert_eq(fx.deadline_us, RAFT_NEVER);
    }
}
