/*
 * Messages, entries and what is stored, as bytes.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/rand.h"
#include "raft/codec.h"

/* docs/format/raft.md shows these bytes. */
static const uint8_t golden_append[] = {
    0x01, 0x05, 0x00, 0x00, 0x6b, 0x00, 0x00, 0x00, /* version 1, append, 107 bytes */
    0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* group 7 */
    0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* from 1 */
    0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* to 2 */
    0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* term 3 */
    0x39, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, /* seq, index, log_term, commit; one entry */
    0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* seq 9 */
    0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* index 4 */
    0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* log_term 2 */
    0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* commit 3 */
    0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* entry 5 */
    0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* of term 3 */
    0x03, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, /* 3 bytes of data */
    'a',  'b',  'c',
};
static struct raft_entry golden_entry(void)
{
    return (struct raft_entry) {
        .index = 5, .term = 3, .kind = RAFT_ENTRY_DATA, .data = bytes_str("abc")
    };
}

static struct raft_message golden_message(const struct raft_entry *e)
{
    return (struct raft_message) { .kind = RAFT_APPEND,
                                   .group = 7,
                                   .from = 1,
                                   .to = 2,
                                   .term = 3,
                                   .seq = 9,
                                   .index = 4,
                                   .log_term = 2,
                                   .commit = 3,
                                   .entries = e,
                                   .entry_count = 1 };
}

Test(raft_codec, an_append_of_version_1_has_these_bytes)
{
    struct raft_entry e = golden_entry();
    struct raft_message m = golden_message(&e);
    uint8_t out[256];
    size_t size = raft_message_put(&m, out);

    cr_assert_eq(size, sizeof golden_append);
    cr_assert_arr_eq(out, golden_append, sizeof golden_append);
}

Test(raft_codec, a_hard_state_of_version_1_has_these_bytes)
{
    static const uint8_t want[] = {
        1, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0,
        0, 5, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0,
        0, 0, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 3,
    };
    struct raft_hard h = { .term = 6, .vote = 2, .acc_term = 5, .commit = 9, .conf_index = 4 };
    uint8_t out[RAFT_HARD_MAX];
    struct raft_hard back;

    h.conf =
        (struct raft_conf) { .count = 2,
                             .auto_leave = true,
                             .members = { { 1, RAFT_MEMBER_VOTER }, { 2, RAFT_MEMBER_INCOMING } } };
    cr_assert_eq(raft_hard_put(&h, out), sizeof want);
    cr_assert_arr_eq(out, want, sizeof want);
    struct bytes in = bytes_of(out, sizeof want);
    cr_assert(succeeded(raft_hard_take(&in, &back)));
    cr_assert_eq(in.size, 0);
    cr_assert_eq(back.vote, 2);
    cr_assert_eq(back.conf.members[1].role, RAFT_MEMBER_INCOMING);
}

Test(raft_codec, a_change_of_version_1_has_these_bytes)
{
    static const uint8_t want[] = { 1, 1, 1, 5, 0, 0, 0, 0, 0, 0, 0, 2 };
    struct raft_change c = { .count = 1,
                             .auto_leave = true,
                             .ops = { { 5, RAFT_CHANGE_ADD_LEARNER } } };
    struct raft_change back;
    uint8_t out[RAFT_CHANGE_MAX];

    cr_assert_eq(raft_change_put(&c, out), sizeof want);
    cr_assert_arr_eq(out, want, sizeof want);
    cr_assert(succeeded(raft_change_read(bytes_of(out, sizeof want), &back)));
    cr_assert_eq(back.ops[0].id, 5);
    cr_assert(succeeded(raft_change_read(bytes_of(out, 0), &back)), "leave");
    cr_assert_eq(back.count, 0);
    cr_assert(failed(raft_change_read(bytes_of(out, sizeof want - 1), &back)));
}

enum { ENTRIES = 4, SIZE_MAX_ = 1024 };

static struct raft_message random_message(struct rand *rand, struct raft_entry *entries,
                                          struct raft_snapshot *snapshot)
{
    static const uint8_t data[16] = "0123456789abcdef";
    struct raft_message m = { .kind = (enum raft_message_kind)(
                                  1 + rand_below(rand, RAFT_MESSAGE_KIND_END - 1)),
                              .reason = (enum raft_reason)rand_below(rand, RAFT_REASON_COUNT),
                              .reject = rand_below(rand, 2),
                              .force = rand_below(rand, 2),
                              .quiesce = rand_below(rand, 2),
                              .installing = rand_below(rand, 2),
                              .disk_full = rand_below(rand, 2),
                              .group = rand_u64(rand),
                              .from = rand_u64(rand),
                              .to = rand_u64(rand),
                              .term = rand_u64(rand),
                              .seq = rand_below(rand, 3),
                              .read_seq = rand_below(rand, 3),
                              .sent_us = rand_below(rand, 3),
                              .index = rand_below(rand, 3),
                              .log_term = rand_below(rand, 3),
                              .commit = rand_below(rand, 3),
                              .hint_index = rand_below(rand, 3),
                              .hint_term = rand_below(rand, 3) };
    if (m.kind == RAFT_APPEND) {
        m.entries = entries;
        m.entry_count = (uint32_t)rand_below(rand, ENTRIES + 1);
        for (uint32_t i = 0; i < m.entry_count; i++)
            entries[i] = (struct raft_entry) {
                .index = 1 + i,
                .term = 1 + rand_below(rand, 9),
                .kind = (enum raft_entry_kind)(1 + rand_below(rand, RAFT_ENTRY_KIND_END - 1)),
                .feature = (uint16_t)rand_u64(rand),
                .data = bytes_of(data, rand_below(rand, sizeof data)),
            };
    }
    if (m.kind == RAFT_SNAPSHOT) {
        *snapshot = (struct raft_snapshot) { .id = 4, .index = 9, .term = 2, .conf_index = 8 };
        snapshot->conf.count = 1;
        snapshot->conf.members[0] = (struct raft_member) { 3, RAFT_MEMBER_VOTER };
        m.snapshot = snapshot;
    }
    return m;
}

static struct status take(struct bytes *in, struct raft_message *out)
{
    static struct raft_entry entries[ENTRIES];
    static struct raft_snapshot snapshot;
    return raft_message_take(in, entries, ENTRIES, &snapshot, out);
}

/* Of every kind, with random fields: the same bytes back, nothing left over; cut anywhere it is
 * corrupt. */
Test(raft_codec, what_is_put_is_taken)
{
    struct rand rand;
    rand_seed(&rand, 1);
    for (int round = 0; round < 3000; round++) {
        struct raft_entry entries[ENTRIES];
        struct raft_snapshot snapshot;
        struct raft_message back;
        struct raft_message m = random_message(&rand, entries, &snapshot);
        uint8_t once[SIZE_MAX_];
        uint8_t twice[SIZE_MAX_];
        size_t size = raft_message_put(&m, once);
        cr_assert_eq(size, raft_message_size(&m));

        struct bytes in = bytes_of(once, size);
        cr_assert(succeeded(take(&in, &back)), "round %d", round);
        cr_assert_eq(in.size, 0);
        cr_assert_eq(raft_message_put(&back, twice), size);
        cr_assert_arr_eq(once, twice, size);
        cr_assert_eq(back.quiesce, m.quiesce);
        cr_assert_eq(back.hint_term, m.hint_term);
        for (size_t cut = 0; cut < size; cut++) {
            in = bytes_of(once, cut);
            cr_assert_eq(take(&in, &back).code, ST_CORRUPT, "cut at %zu of %zu", cut, size);
            cr_assert_eq(in.size, cut);
        }
    }
}

/* A changed byte gives another message, or none; taken ones have but one spelling. */
Test(raft_codec, any_changed_byte_is_another_message_or_none)
{
    for (size_t at = 0; at < sizeof golden_append; at++) {
        for (int bit = 0; bit < 8; bit++) {
            uint8_t bytes[sizeof golden_append];
            uint8_t again[SIZE_MAX_];
            struct raft_message back;
            memcpy(bytes, golden_append, sizeof bytes);
            bytes[at] ^= (uint8_t)(1 << bit);
            struct bytes in = bytes_of(bytes, sizeof bytes);
            if (failed(take(&in, &back)))
                continue;
            size_t size = raft_message_put(&back, again);
            cr_assert_eq(size, sizeof bytes - in.size);
            cr_assert_arr_eq(again, bytes, size);
        }
    }
}

Test(raft_codec, a_later_version_is_skipped_whole)
{
    uint8_t bytes[sizeof golden_append + 1];
    struct raft_message back;
    memcpy(bytes, golden_append, sizeof golden_append);
    bytes[0] = 2;
    struct bytes in = bytes_of(bytes, sizeof bytes);
    cr_assert_eq(take(&in, &back).code, ST_UNSUPPORTED);
    cr_assert_eq(in.size, 1);
    bytes[0] = 1;
    bytes[1] = RAFT_MESSAGE_KIND_END;
    in = bytes_of(bytes, sizeof bytes);
    cr_assert_eq(take(&in, &back).code, ST_UNSUPPORTED);
    cr_assert_eq(in.size, 1);
}

/* A field that only a later version knows: its bit is set and its 8 bytes are there. */
Test(raft_codec, a_later_field_is_skipped)
{
    struct raft_message m = { .kind = RAFT_WAKE, .group = 1, .from = 1, .to = 2, .term = 1 };
    uint8_t bytes[RAFT_MESSAGE_HEAD + 8];
    struct raft_message back;
    raft_message_put(&m, bytes);
    put_u32(bytes + 4, sizeof bytes);
    put_u16(bytes + 40, 1 << 12);
    put_u64(bytes + RAFT_MESSAGE_HEAD, 77);
    struct bytes in = bytes_of(bytes, sizeof bytes);
    cr_assert(succeeded(take(&in, &back)));
    cr_assert_eq(back.kind, RAFT_WAKE);
}

Test(raft_codec, more_entries_than_asked_for_are_refused)
{
    struct raft_entry many[ENTRIES + 1] = { 0 };
    struct raft_message m = golden_message(many);
    struct raft_message back;
    uint8_t bytes[SIZE_MAX_];
    for (uint32_t i = 0; i <= ENTRIES; i++)
        many[i] = golden_entry();
    m.entry_count = ENTRIES + 1;
    struct bytes in = bytes_of(bytes, raft_message_put(&m, bytes));
    cr_assert_eq(take(&in, &back).code, ST_LIMIT);
}

Test(raft_codec, a_count_is_not_believed)
{
    uint8_t bytes[sizeof golden_append];
    struct raft_message back;
    memcpy(bytes, golden_append, sizeof bytes);
    put_u32(bytes + 44, 0xffffffff);
    struct bytes in = bytes_of(bytes, sizeof bytes);
    cr_assert_eq(take(&in, &back).code, ST_CORRUPT);
}

Test(raft_codec, a_stored_conf_must_make_sense)
{
    struct raft_hard h = { .term = 6, .commit = 9, .conf_index = 4 };
    struct raft_hard back;
    uint8_t out[RAFT_HARD_MAX];

    h.conf = (struct raft_conf) { .count = 1, .members = { { 1, RAFT_MEMBER_LEARNER } } };
    struct bytes in = bytes_of(out, raft_hard_put(&h, out));
    cr_assert_eq(raft_hard_take(&in, &back).code, ST_CORRUPT, "nobody votes");
    h.conf.members[0].role = RAFT_MEMBER_VOTER;
    h.conf_index = 10;
    in = bytes_of(out, raft_hard_put(&h, out));
    cr_assert_eq(raft_hard_take(&in, &back).code, ST_CORRUPT, "newer than what is committed");
    h.conf_index = 4;
    raft_hard_put(&h, out);
    out[0] = 2;
    in = bytes_of(out, sizeof out);
    cr_assert_eq(raft_hard_take(&in, &back).code, ST_UNSUPPORTED);
}

/* ---- Refusals ----------------------------------------------------------------------------- */

/* What is good must be taken, and cut short anywhere it must not be. */
#define CUT_SHORT(take, good, length)                                                              \
    do {                                                                                           \
        struct bytes whole = bytes_of(good, length);                                               \
        cr_assert_eq((take)(&whole), ST_OK);                                                       \
        cr_assert_eq(whole.size, 0);                                                               \
        for (size_t cut = 0; cut < (length); cut++) {                                              \
            struct bytes in = bytes_of(good, cut);                                                 \
            cr_assert_eq((take)(&in), ST_CORRUPT, "cut at %zu", cut);                              \
            cr_assert_eq(in.size, cut);                                                            \
        }                                                                                          \
    } while (0)

struct spot { /* A byte that makes no sense where it is. */
    size_t at;
    uint8_t byte;
    enum status_code code;
};

#define REFUSES(take, good, good_size, spots)                                                      \
    do {                                                                                           \
        for (size_t i = 0; i < sizeof(spots) / sizeof((spots)[0]); i++) {                          \
            uint8_t bytes[SIZE_MAX_];                                                              \
            memcpy(bytes, good, good_size);                                                        \
            bytes[(spots)[i].at] = (spots)[i].byte;                                                \
            struct bytes in = bytes_of(bytes, good_size);                                          \
            cr_assert_eq((take)(&in), (spots)[i].code, "byte %zu", (spots)[i].at);                 \
        }                                                                                          \
    } while (0)

static enum status_code take_hard(struct bytes *in)
{
    struct raft_hard h;
    return raft_hard_take(in, &h).code;
}

static enum status_code take_snapshot(struct bytes *in)
{
    struct raft_snapshot s;
    return raft_snapshot_take(in, &s).code;
}

static enum status_code take_entry(struct bytes *in)
{
    struct raft_entry e;
    return raft_entry_take(in, &e).code;
}

/* A change is a whole payload. */
static enum status_code take_change(struct bytes *in)
{
    struct raft_change c;
    enum status_code code = raft_change_read(*in, &c).code;
    if (code == ST_OK)
        *in = bytes_skip(*in, in->size);
    return code;
}

static enum status_code take_message(struct bytes *in)
{
    struct raft_message m;
    return take(in, &m).code;
}

static const struct raft_conf two_members = {
    .count = 2, .members = { { 1, RAFT_MEMBER_VOTER }, { 2, RAFT_MEMBER_LEARNER } }
};

Test(raft_codec, a_hard_state_that_makes_no_sense_is_refused)
{
    struct raft_hard h = { .term = 6, .vote = 2, .acc_term = 5, .commit = 9, .conf_index = 4 };
    uint8_t good[RAFT_HARD_MAX];
    h.conf = two_members;
    size_t size = raft_hard_put(&h, good);
    static const struct spot spots[] = {
        { 0, 0, ST_CORRUPT },                       /* no version */
        { 0, 255, ST_UNSUPPORTED },                 /* a later one */
        { 1, 1, ST_CORRUPT },                       /* no version is that late */
        { 24, 7, ST_CORRUPT },                      /* entries of a later term than its own */
        { 40, 10, ST_CORRUPT },                     /* a conf newer than what is committed */
        { 48, RAFT_MEMBERS_MAX + 1, ST_CORRUPT },   /* more members than there may be */
        { 49, 2, ST_CORRUPT },                      /* an unknown flag */
        { 49, 1, ST_CORRUPT },                      /* leaves a joint conf that it is not */
        { 58, RAFT_MEMBER_ROLE_COUNT, ST_CORRUPT }, /* an unknown role */
        { 58, RAFT_MEMBER_NONE, ST_CORRUPT },       /* a member that is none */
        { 59, 1, ST_CORRUPT },                      /* one member twice */
    };
    CUT_SHORT(take_hard, good, size);
    REFUSES(take_hard, good, size, spots);
}

Test(raft_codec, a_snapshot_that_makes_no_sense_is_refused)
{
    struct raft_snapshot s = { .id = 4, .index = 9, .term = 2, .conf_index = 8 };
    uint8_t good[RAFT_SNAPSHOT_MAX];
    s.conf = two_members;
    size_t size = raft_snapshot_put(&s, good);
    static const struct spot spots[] = {
        { 24, 10, ST_CORRUPT },                  /* a conf newer than the snapshot */
        { 42, RAFT_MEMBER_LEARNER, ST_CORRUPT }, /* nobody votes */
    };
    CUT_SHORT(take_snapshot, good, size);
    REFUSES(take_snapshot, good, size, spots);
}

Test(raft_codec, an_entry_that_makes_no_sense_is_refused)
{
    struct raft_entry e = golden_entry();
    uint8_t good[RAFT_ENTRY_HEAD + 3];
    raft_entry_put_head(&e, good);
    memcpy(good + RAFT_ENTRY_HEAD, "abc", 3);
    static const struct spot spots[] = {
        { 0, 0, ST_CORRUPT },                    /* index 0 */
        { 8, 0, ST_CORRUPT },                    /* term 0 */
        { 16, 4, ST_CORRUPT },                   /* more data than there are */
        { 20, 0, ST_CORRUPT },                   /* no kind */
        { 20, RAFT_ENTRY_KIND_END, ST_CORRUPT }, /* an unknown one */
        { 21, 1, ST_CORRUPT },                   /* reserved */
    };
    CUT_SHORT(take_entry, good, sizeof good);
    REFUSES(take_entry, good, sizeof good, spots);
}

Test(raft_codec, a_change_that_makes_no_sense_is_refused)
{
    struct raft_change c = { .count = 2,
                             .ops = { { 5, RAFT_CHANGE_ADD_LEARNER }, { 6, RAFT_CHANGE_REMOVE } } };
    uint8_t good[RAFT_CHANGE_MAX];
    size_t size = raft_change_put(&c, good);
    static const struct spot spots[] = {
        { 0, 2, ST_CORRUPT },                       /* a later version */
        { 1, 0, ST_CORRUPT },                       /* nothing at all is spelled otherwise */
        { 1, 1, ST_CORRUPT },                       /* something left over */
        { 1, 3, ST_CORRUPT },                       /* something missing */
        { 1, RAFT_CHANGES_MAX + 1, ST_CORRUPT },    /* more than there may be */
        { 2, 2, ST_CORRUPT },                       /* an unknown flag */
        { 3, 0, ST_CORRUPT },                       /* nobody */
        { 11, 0, ST_CORRUPT },                      /* nothing to be done */
        { 11, RAFT_CHANGE_REMOVE + 1, ST_CORRUPT }, /* something unknown */
    };
    struct bytes whole = bytes_of(good, size);
    cr_assert_eq(take_change(&whole), ST_OK);
    for (size_t cut = 1; cut < size; cut++) {
        struct bytes in = bytes_of(good, cut);
        cr_assert_eq(take_change(&in), ST_CORRUPT, "cut at %zu", cut);
    }
    REFUSES(take_change, good, size, spots);
}

Test(raft_codec, a_message_that_makes_no_sense_is_refused)
{
    static const struct spot spots[] = {
        { 0, 0, ST_CORRUPT },                 /* no version */
        { 1, 0, ST_CORRUPT },                 /* no kind */
        { 1, RAFT_HEARTBEAT, ST_CORRUPT },    /* a kind without entries */
        { 2, 32, ST_CORRUPT },                /* an unknown flag */
        { 3, RAFT_REASON_COUNT, ST_CORRUPT }, /* an unknown reason */
        { 4, 47, ST_CORRUPT },                /* shorter than its head */
        { 4, 0x6c, ST_CORRUPT },              /* longer than what there is */
        { 4, 0x50, ST_CORRUPT },              /* too short for its entry */
        { 42, 1, ST_CORRUPT },                /* reserved */
        { 44, 0, ST_CORRUPT },                /* bytes that nobody claims */
        { 48, 0, ST_CORRUPT },                /* a field that is spelled out, and zero */
        { 80, 0, ST_CORRUPT },                /* an entry that makes no sense */
    };
    CUT_SHORT(take_message, golden_append, sizeof golden_append);
    REFUSES(take_message, golden_append, sizeof golden_append, spots);
}

Test(raft_codec, an_offer_without_its_snapshot_is_refused)
{
    struct raft_message m = { .kind = RAFT_SNAPSHOT, .group = 1, .from = 1, .to = 2, .term = 1 };
    uint8_t bytes[RAFT_MESSAGE_HEAD];
    raft_message_put(&m, bytes);
    struct bytes in = bytes_of(bytes, sizeof bytes);
    cr_assert_eq(take_message(&in), ST_CORRUPT);
}
