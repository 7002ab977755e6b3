/*
 * The window and the terms of a log.
 */
#include <criterion/criterion.h>

#include "raft/log.h"

enum { RING = 8, STARTS = 4 };

struct log_fixture {
    struct raft_log log;
    struct raft_entry ring[RING];
    struct raft_term_start starts[STARTS];
    struct raft_effects fx;
    void *released[RING + 1];
};

static void setup(struct log_fixture *f)
{
    *f = (struct log_fixture) { .log = { .first = 1 } };
    f->log.ring = f->ring;
    f->log.ring_size = RING;
    f->log.starts = f->starts;
    f->log.start_max = STARTS;
    f->fx.released = f->released;
    f->fx.released_capacity = RING + 1;
}

/* One byte of payload each, owned by a number that is its index. */
static void append(struct log_fixture *f, raft_term term, enum raft_entry_kind kind)
{
    static const uint8_t byte = 'x';
    raft_index index = f->log.last + 1;
    struct raft_entry e = { .index = index,
                            .term = term,
                            .kind = kind,
                            .data = bytes_of(&byte, 1),
                            .blob = (void *)(uintptr_t)index };
    f->log.acc_term = term;
    raft_log_append(&f->log, &e, &f->fx);
}

static void append_terms(struct log_fixture *f, const char *terms)
{
    for (; *terms != '\0'; terms++)
        append(f, (raft_term)(*terms - '0'), RAFT_ENTRY_DATA);
}

Test(raft_log, terms_are_found_from_where_each_begins)
{
    struct log_fixture f;
    setup(&f);
    append_terms(&f, "1123");
    static const raft_term want[] = { 0, 1, 1, 2, 3, 0 };
    for (raft_index i = 0; i <= 5; i++)
        cr_assert_eq(raft_log_term_at(&f.log, i), want[i], "entry %lu", (unsigned long)i);
    cr_assert(raft_log_matches(&f.log, 0, 0));
    cr_assert(raft_log_matches(&f.log, 3, 2));
    cr_assert(!raft_log_matches(&f.log, 3, 3));
    cr_assert(!raft_log_matches(&f.log, 5, 0));
}

/* 5.4.1: the later last term wins; with equal ones the longer log. */
Test(raft_log, up_to_date_is_term_first)
{
    struct log_fixture f;
    setup(&f);
    append_terms(&f, "112");
    cr_assert(raft_log_is_up_to_date(&f.log, 1, 3));
    cr_assert(raft_log_is_up_to_date(&f.log, 3, 2));
    cr_assert(!raft_log_is_up_to_date(&f.log, 2, 2));
    cr_assert(!raft_log_is_up_to_date(&f.log, 9, 1));
}

Test(raft_log, a_hint_skips_a_term_at_a_time)
{
    struct log_fixture f;
    setup(&f);
    append_terms(&f, "1144455");
    cr_assert_eq(raft_log_hint(&f.log, 7, 5, 0), 7);
    cr_assert_eq(raft_log_hint(&f.log, 7, 4, 0), 5);
    cr_assert_eq(raft_log_hint(&f.log, 9, 3, 0), 2);
    cr_assert_eq(raft_log_hint(&f.log, 6, 3, 4), 4);
    cr_assert_eq(raft_log_hint(&f.log, 2, 0, 0), 0);
}

Test(raft_log, the_window_is_never_short_of_what_the_disk_can_make)
{
    struct log_fixture f;
    setup(&f);
    append_terms(&f, "11111111");
    cr_assert_eq(raft_log_room(&f.log), 0);
    raft_marks_release(&f.log.marks, (struct raft_mark) { .acc_term = 1, .index = 3 });
    cr_assert_eq(raft_log_room(&f.log), 3);
    cr_assert_eq(raft_log_room_to_propose(&f.log), 0, "nothing of it is committed");
    append_terms(&f, "11");
    cr_assert_eq(f.log.first, 3);
    cr_assert_eq(f.fx.released_count, 2);
    cr_assert_eq((uintptr_t)f.released[1], 2);
    cr_assert_eq(f.log.window_bytes, RING);
    cr_assert_null(raft_log_entry(&f.log, 2));
    cr_assert_eq(raft_log_term_at(&f.log, 2), 1);
}

Test(raft_log, a_change_stays_in_memory_until_it_is_committed_or_cut)
{
    struct log_fixture f;
    setup(&f);
    append(&f, 1, RAFT_ENTRY_CONF);
    append_terms(&f, "1111111");
    raft_marks_release(&f.log.marks, (struct raft_mark) { .acc_term = 1, .index = 8 });
    append_terms(&f, "11");
    const struct raft_entry *e = raft_log_entry(&f.log, 1);
    cr_assert_not_null(e);
    cr_assert_eq(e->kind, RAFT_ENTRY_CONF);
    cr_assert_eq(f.log.changes, 1);
    f.fx.released_count = 0;
    raft_log_cut(&f.log, 1, 2, &f.fx);
    cr_assert_eq(f.fx.released_count, RING + 1, "the window and what was beside it");
    cr_assert_eq(f.log.changes, 0);
    cr_assert_eq(f.log.last, 0);
    cr_assert_eq(f.log.window_bytes, 0);
    append_terms(&f, "2");
    cr_assert_eq(raft_log_last_term(&f.log), 2);
}

Test(raft_log, a_cut_forgets_terms_and_what_was_durable)
{
    struct log_fixture f;
    setup(&f);
    append_terms(&f, "1123");
    raft_marks_release(&f.log.marks, (struct raft_mark) { .acc_term = 3, .index = 4 });
    raft_log_cut(&f.log, 3, 5, &f.fx);
    cr_assert_eq(f.log.last, 2);
    cr_assert_eq(f.log.marks.durable, 2);
    cr_assert_eq(raft_log_last_term(&f.log), 1);
    append_terms(&f, "5");
    cr_assert_eq(raft_log_term_at(&f.log, 3), 5);
}

Test(raft_log, terms_without_room_are_forgotten_from_below_commit)
{
    struct log_fixture f;
    setup(&f);
    append_terms(&f, "1234");
    cr_assert(!raft_log_has_term_room(&f.log, 5));
    cr_assert(raft_log_has_term_room(&f.log, 4));
    f.log.commit = 2;
    cr_assert(raft_log_has_term_room(&f.log, 5));
    append_terms(&f, "5");
    cr_assert_eq(raft_log_term_at(&f.log, 1), 0, "forgotten, as if it were compacted");
    cr_assert_eq(raft_log_term_at(&f.log, 2), 2);
}

Test(raft_log, compaction_remembers_the_entry_before)
{
    struct log_fixture f;
    setup(&f);
    append_terms(&f, "1122");
    f.log.commit = f.log.announced = f.log.applied = 3;
    raft_marks_release(&f.log.marks, (struct raft_mark) { .acc_term = 2, .index = 4 });
    raft_log_compact(&f.log, 3, &f.fx);
    cr_assert_eq(f.log.base_index, 3);
    cr_assert_eq(raft_log_term_at(&f.log, 3), 2);
    cr_assert_eq(raft_log_term_at(&f.log, 4), 2);
    cr_assert_eq(raft_log_term_at(&f.log, 2), 0);
    cr_assert_eq(f.log.first, 4);
}

Test(raft_log, a_snapshot_takes_the_place_of_all)
{
    struct log_fixture f;
    setup(&f);
    append_terms(&f, "11");
    raft_log_reset(&f.log, 50, 4, 5, &f.fx);
    cr_assert_eq(f.fx.released_count, 2);
    cr_assert_eq(f.log.last, 50);
    cr_assert_eq(raft_log_last_term(&f.log), 4);
    cr_assert_eq(f.log.marks.durable, 0, "its record is not written yet");
    raft_marks_release(&f.log.marks, (struct raft_mark) { .acc_term = 4, .index = 2 });
    cr_assert_eq(f.log.marks.durable, 0, "nor by a write of the old log");
    raft_marks_release(&f.log.marks, (struct raft_mark) { .acc_term = 5, .index = 50 });
    cr_assert_eq(f.log.marks.durable, 50);
    cr_assert_eq(raft_log_room(&f.log), RING);
    append_terms(&f, "5");
    cr_assert_eq(raft_log_entry(&f.log, 51)->term, 5);
}

/* Five terms, four places: that of entry 1 is not known any more. */
Test(raft_log, forgotten_terms_match_nothing)
{
    struct log_fixture f;
    setup(&f);
    append_terms(&f, "12");
    f.log.commit = 2;
    append_terms(&f, "345");
    cr_assert_eq(raft_log_term_at(&f.log, 1), 0);
    cr_assert(!raft_log_matches(&f.log, 1, 0));
    cr_assert(!raft_log_matches(&f.log, 1, 1));
    cr_assert(raft_log_matches(&f.log, 2, 2));
    cr_assert_eq(raft_log_hint(&f.log, 5, 0, 0), 1, "no further than what is known");
}

Test(raft_log, what_is_not_in_memory_has_no_entry)
{
    struct log_fixture f;
    setup(&f);
    append_terms(&f, "11");
    cr_assert_eq(raft_log_entry(&f.log, 0), NULL);
    cr_assert_eq(raft_log_entry(&f.log, 3), NULL, "behind the last");
    f.log.held.index = 5;
    cr_assert_eq(raft_log_entry(&f.log, 4), NULL, "beside the one that is held");
    cr_assert_eq(raft_log_entry(&f.log, 5), &f.log.held);
}
