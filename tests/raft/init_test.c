/*
 * Building a replica from what the disk held: data, checked before it is believed.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "raft/core.h"

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
    REFUSES(d.restore.last = RAFT_NUMBER_MAX);
    REFUSES(d.restore.hard.term = RAFT_NUMBER_MAX);
    REFUSES(d.restore.base_term = 3);
    REFUSES(d.starts[1].first = 4);
    REFUSES(d.restore.base_index = d.restore.base_term = 0; d.restore.applied = 0;
            d.starts[0].term = 0; d.starts[0].first = 1);
    REFUSES(d.restore.hard.term = d.restore.hard.acc_term = 1);
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

Test(raft_init, a_change_that_is_handed_over_must_be_one)
{
    static const struct raft_config narrow = { .id = 1, .window_entries = 4, .batch_entries = 4 };
    static const struct raft_term_start start = { 1, 1 };
    struct raft_entry entries[4];
    for (int wrong = 0; wrong < 6; wrong++) {
        struct raft_entry change = { .index = 2, .term = 1, .kind = RAFT_ENTRY_CONF };
        struct raft_restore s = { .last = 6, .applied = 1, .starts = &start, .start_count = 1 };
        struct errbuf err = { "" };
        struct raft *r;
        void *memory = malloc(raft_size(&narrow));
        for (raft_index i = 0; i < 4; i++)
            entries[i] = (struct raft_entry) { .index = 3 + i, .kind = RAFT_ENTRY_DATA };
        s.hard = (struct raft_hard) { .term = 1, .acc_term = 1, .commit = 1 };
        s.hard.conf.count = 1;
        s.hard.conf.members[0] = (struct raft_member) { 1, RAFT_MEMBER_VOTER };
        s.entries = entries;
        s.entry_count = 4;
        s.change = &change;
        change.kind = wrong == 1 ? RAFT_ENTRY_DATA : RAFT_ENTRY_CONF;
        change.index = wrong == 2 ? 1 : wrong == 3 ? 3 : 2;
        change.data = wrong == 4 ? bytes_str("nonsense") : bytes_str("");
        entries[3].kind = wrong == 5 ? RAFT_ENTRY_CONF : RAFT_ENTRY_DATA;
        enum status_code code = raft_init(&narrow, &s, 1, memory, &err, &r).code;
        cr_assert_eq(code, wrong == 0 ? ST_OK : ST_CORRUPT, "case %d", wrong);
        free(memory);
    }
}

/* Entries 4 .. 3 + count behind the base, of a term each; nothing is committed behind it. */
static void setup_terms(struct disk *d, uint32_t count)
{
    static struct raft_term_start starts[5];
    static struct raft_entry entries[5];
    setup(d);
    for (uint32_t i = 0; i < count; i++) {
        starts[i] = (struct raft_term_start) { .term = 2 + i, .first = 4 + i };
        entries[i] = (struct raft_entry) { .index = 4 + i, .kind = RAFT_ENTRY_DATA };
    }
    d->restore.hard.term = d->restore.hard.acc_term = 1 + count;
    d->restore.hard.commit = d->restore.applied = 3;
    d->restore.last = 3 + count;
    d->restore.starts = starts;
    d->restore.entries = entries;
    d->restore.start_count = d->restore.entry_count = count;
}

Test(raft_init, more_terms_than_there_is_room_for_are_a_limit)
{
    struct disk d;
    struct raft_view v;
    setup_terms(&d, 5);
    cr_assert_eq(open_disk(&d, &v), ST_LIMIT);
    d.restore.hard.commit = 4;
    cr_assert_eq(open_disk(&d, &v), ST_LIMIT);
    d.restore.hard.commit = 5;
    cr_assert_eq(open_disk(&d, &v), ST_OK);
}

/* As many as a log behind its base accepts while nothing of it is committed. */
Test(raft_init, terms_that_fill_the_list_can_be_restored)
{
    struct disk d;
    struct raft_view v;
    setup_terms(&d, 4);
    cr_assert_eq(open_disk(&d, &v), ST_OK);
    cr_assert_eq(v.last_term, 5);
}

/* Whether a replica that remembers so many terms campaigns. */
static enum raft_reason campaign(const struct disk *d, uint32_t terms)
{
    struct raft_config wide = config;
    struct errbuf err = { "" };
    struct raft_effects fx;
    struct raft *r;

    wide.terms = terms;
    void *memory = malloc(raft_size(&wide));
    void *fx_memory = malloc(raft_effects_size(&wide));
    raft_effects_init(&fx, &wide, fx_memory);
    cr_assert(succeeded(raft_init(&wide, &d->restore, 1000, memory, &err, &r)), "%s", err.text);
    raft_step(r, 1000, &(struct raft_event) { .kind = RAFT_EVENT_CAMPAIGN }, &fx);
    enum raft_reason verdict = fx.verdict;
    free(memory);
    free(fx_memory);
    return verdict;
}

/* However many elections led to nothing, a restart makes room for more. */
Test(raft_init, a_replica_restored_with_the_terms_it_wants_campaigns)
{
    struct raft_restore fresh = { .last = 0 };
    struct raft_restore endless = { .start_count = 3 << 20 };
    struct disk d;

    cr_assert_eq(raft_terms_wanted(&fresh), 128);
    setup_terms(&d, 4);
    cr_assert_eq(campaign(&d, 4), RAFT_WINDOW_FULL);
    cr_assert_eq(raft_terms_wanted(&d.restore), 4 + 128);
    cr_assert_eq(campaign(&d, raft_terms_wanted(&d.restore)), RAFT_OK);
    d.restore.hard.commit = 5; /* Entry 6 begins the first term that is not committed. */
    cr_assert_eq(raft_terms_wanted(&d.restore), 3 + 128);

    struct raft_term_start *starts = malloc(endless.start_count * sizeof *starts);
    for (uint32_t i = 0; i < endless.start_count; i++)
        starts[i] = (struct raft_term_start) { .term = 1 + i, .first = 1 + i };
    endless.starts = starts;
    cr_assert_eq(raft_terms_wanted(&endless), 1 << 20);
    free(starts);
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

    static const struct raft_config nonsense[] = {
        { .id = 1, .election_us = 9 }, /* Its tenth is no time at all. */
        { .id = 1, .rank = RAFT_MEMBERS_MAX + 1 },
        { .id = 1, .window_entries = 2, .batch_entries = 1 },
        { .id = 1, .window_entries = 2 << 20 },
        { .id = 1, .inflight_messages = (1 << 20) + 1 },
        { .id = 1, .reads = (1 << 20) + 1 },
        { .id = 1, .terms = 1 },
        { .id = 1, .terms = (1 << 20) + 1 },
    };
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++)
        cr_assert_eq(raft_size(&nonsense[i]), 0, "options %zu", i);

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

/* More terms than are remembered, and entries than are kept: the newest of both. */
Test(raft_init, of_many_terms_the_newest_are_remembered)
{
    struct disk d;
    struct raft_view v;
    struct raft_term_start starts[6];
    struct raft_entry entries[9];
    setup(&d);
    for (raft_index i = 0; i < 6; i++)
        starts[i] = (struct raft_term_start) { .term = 1 + i, .first = 4 + i };
    for (raft_index i = 0; i < 9; i++)
        entries[i] = (struct raft_entry) { .index = 1 + i, .kind = RAFT_ENTRY_DATA };
    d.restore.hard.term = d.restore.hard.acc_term = 6;
    d.restore.hard.commit = d.restore.applied = d.restore.last = 9;
    d.restore.starts = starts;
    d.restore.start_count = 6;
    d.restore.entry_count = 0;
    cr_assert_eq(open_disk(&d, &v), ST_OK);
    cr_assert_eq(v.last_term, 6);
    d.restore.base_index = d.restore.base_term = 0;
    d.restore.hard.commit = d.restore.applied = 0;
    starts[0].first = 1;
    d.restore.start_count = 1;
    d.restore.entries = entries;
    d.restore.entry_count = 9;
    cr_assert_eq(open_disk(&d, &v), ST_LIMIT, "a window of eight");
}
