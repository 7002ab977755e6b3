/*
 * Building a replica from what the disk held: data, checked before it is believed.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "raft/codec.h"
#include "raft/raft.h"

static const struct raft_config config = {
    .group = 1, .id = 1, .seed = 3, .window_entries = 8, .batch_entries = 4, .terms = 4
};

/* Entries 4 .. 6 in terms 1 1 2 behind a base at (3, 1); 5 is committed. */
struct disk {
    struct raft_term_start starts[2];
    struct raft_entry entries[3];
    struct raft_restore restore;
};

static void setup(struct disk *d)
{
    *d = (struct disk) { .starts = { { 1, 4 }, { 2, 6 } } };
    for (raft_index i = 0; i < 3; i++)
        d->entries[i] = (struct raft_entry) { .index = 4 + i, .kind = RAFT_ENTRY_DATA };
    d->restore = (struct raft_restore) { .base_index = 3,
                                         .base_term = 1,
                                         .last = 6,
                                         .applied = 4,
                                         .starts = d->starts,
                                         .start_count = 2,
                                         .entries = d->entries,
                                         .entry_count = 3 };
    d->restore.hard = (struct raft_hard) { .term = 2, .acc_term = 2, .commit = 5 };
    d->restore.hard.conf =
        (struct raft_conf) { .count = 1, .members = { { 1, RAFT_MEMBER_VOTER } } };
}

static enum status_code open_disk(const struct disk *d, struct raft_view *out_view)
{
    struct errbuf err = { "" };
    struct raft *r;
    void *memory = malloc(raft_size(&config));
    struct status s = raft_init(&config, &d->restore, 1000, memory, &err, &r);
    if (succeeded(s)) {
        cr_assert_eq(raft_check(r), RAFT_INVARIANT_NONE);
        raft_view(r, out_view);
    } else {
        cr_assert(err.text[0] != '\0');
    }
    free(memory);
    return s.code;
}

Test(raft_init, a_replica_is_what_its_disk_says)
{
    struct disk d;
    struct raft_view v;
    setup(&d);
    cr_assert_eq(open_disk(&d, &v), ST_OK);
    cr_assert_eq(v.role, RAFT_FOLLOWER);
    cr_assert_eq(v.commit, 5);
    cr_assert_eq(v.durable, 6);
    cr_assert_eq(v.last_term, 2);
    cr_assert_eq(v.window_first, 4);
}

Test(raft_init, what_was_applied_is_committed)
{
    struct disk d;
    struct raft_view v;
    setup(&d);
    d.restore.applied = 6;
    cr_assert_eq(open_disk(&d, &v), ST_OK);
    cr_assert_eq(v.commit, 6);
}

Test(raft_init, a_new_replica_has_nothing)
{
    struct disk d = { .restore = { .last = 0 } };
    struct raft_view v;
    cr_assert_eq(open_disk(&d, &v), ST_OK);
    cr_assert_eq(v.conf.count, 0);
}

#define REFUSES(change)                                                                            \
    do {                                                                                           \
        struct disk d;                                                                             \
        struct raft_view v;                                                                        \
        setup(&d);                                                                                 \
        change;                                                                                    \
        cr_assert_eq(open_disk(&d, &v), ST_CORRUPT, #change);                                      \
    } while (0)

Test(raft_init, a_disk_that_contradicts_itself_is_refused)
{
    REFUSES(d.restore.hard.commit = 7);
    REFUSES(d.restore.applied = 2);
    REFUSES(d.restore.applied = 7);
    REFUSES(d.restore.hard.acc_term = 3);
    REFUSES(d.restore.hard.term = UINT64_MAX);
    REFUSES(d.restore.hard.acc_term = 1);
    REFUSES(d.restore.hard.conf_index = 6);
    REFUSES(d.restore.hard.conf.members[0].role = RAFT_MEMBER_LEARNER);
    REFUSES(d.restore.base_term = 0);
    REFUSES(d.restore.base_term = 2);
    REFUSES(d.restore.start_count = 0);
    REFUSES(d.starts[0].first = 5);
    REFUSES(d.starts[1].term = 1);
    REFUSES(d.starts[1].first = 7);
    REFUSES(d.starts[0].term = 0);
    REFUSES(d.restore.entries++; d.restore.entry_count--; d.restore.hard.commit = 3);
    REFUSES(d.restore.entry_count = 4);
    REFUSES(d.entries[1].index = 9);
    REFUSES(d.entries[2].kind = RAFT_ENTRY_CONF; d.entries[2].data = bytes_str("nonsense"));
    REFUSES(d.entries[2].kind = d.entries[1].kind = RAFT_ENTRY_CONF; d.restore.hard.commit = 4);
    REFUSES(d.restore.change = &d.entries[0]);
}

Test(raft_init, more_terms_than_there_is_room_for_are_a_limit)
{
    struct disk d;
    struct raft_view v;
    struct raft_term_start starts[4] = { { 2, 4 }, { 3, 5 }, { 4, 6 }, { 5, 7 } };
    struct raft_entry entries[4];
    setup(&d);
    for (raft_index i = 0; i < 4; i++)
        entries[i] = (struct raft_entry) { .index = 4 + i, .kind = RAFT_ENTRY_DATA };
    d.restore.hard.term = d.restore.hard.acc_term = 5;
    d.restore.hard.commit = 3;
    d.restore.applied = 3;
    d.restore.last = 7;
    d.restore.starts = starts;
    d.restore.start_count = 4;
    d.restore.entries = entries;
    d.restore.entry_count = 4;
    cr_assert_eq(open_disk(&d, &v), ST_LIMIT);
    d.restore.hard.commit = 4;
    cr_assert_eq(open_disk(&d, &v), ST_OK);
}

Test(raft_init, options_that_make_no_sense_have_no_size)
{
    struct raft_config c = config;
    cr_assert_gt(raft_size(&c), 0);
    c.window_entries = 6;
    cr_assert_eq(raft_size(&c), 0);
    c = config;
    c.batch_entries = 16;
    cr_assert_eq(raft_effects_size(&c), 0);
    c = config;
    c.election_us = 1000;
    c.heartbeat_us = 1000;
    cr_assert_eq(raft_size(&c), 0);
    c = config;
    c.id = 0;
    cr_assert_eq(raft_size(&c), 0);
    c = config;
    c.election_us = 1000000;
    c.lease_slack_us = 1000000;
    cr_assert_eq(raft_size(&c), 0);

    struct disk d;
    struct raft *r;
    struct errbuf err = { "" };
    setup(&d);
    cr_assert_eq(raft_init(&c, &d.restore, 0, NULL, &err, &r).code, ST_INVALID);
}

/* A snapshot may take the place of a full window and of the change that is held beside it. */
Test(raft_init, one_step_can_give_back_the_window_and_a_held_change)
{
    static _Alignas(16) uint8_t memory[1 << 20];
    struct raft_config c = { .id = 1, .window_entries = 64, .batch_entries = 16 };
    struct raft_effects fx;
    cr_assert_leq(raft_effects_size(&c), sizeof memory);
    raft_effects_init(&fx, &c, memory);
    cr_assert_eq(fx.released_capacity, 65);
}
