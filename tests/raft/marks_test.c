/*
 * Log marks: what an acknowledged write releases.
 */
#include <criterion/criterion.h>

#include "base/rand.h"
#include "raft/marks.h"

static struct raft_mark mark(raft_term term, raft_index index)
{
    return (struct raft_mark) { .acc_term = term, .index = index };
}

Test(raft_marks, a_write_releases_what_it_holds)
{
    struct raft_marks m = { .durable = 3 };
    raft_marks_release(&m, mark(1, 5));
    cr_assert_eq(m.durable, 5);
    raft_marks_release(&m, mark(1, 4));
    cr_assert_eq(m.durable, 5);
}

/* Entries 4, 5 are written under leader 1, overwritten under 2, overwritten again under 3; the
 * writes are acknowledged late. No acknowledgement of an older leader releases index 4. */
Test(raft_marks, an_entry_overwritten_and_back_is_not_released_by_the_first_write)
{
    struct raft_marks m = { .durable = 3 };
    raft_marks_cut(&m, 2, 4);
    raft_marks_cut(&m, 3, 4);
    raft_marks_release(&m, mark(1, 5));
    cr_assert_eq(m.durable, 3);
    raft_marks_release(&m, mark(2, 5));
    cr_assert_eq(m.durable, 3);
    raft_marks_release(&m, mark(3, 5));
    cr_assert_eq(m.durable, 5);
    cr_assert_eq(m.fork_count, 0);
}

Test(raft_marks, a_cut_takes_back_what_was_durable)
{
    struct raft_marks m = { .durable = 9 };
    raft_marks_cut(&m, 2, 5);
    cr_assert_eq(m.durable, 4);
    raft_marks_release(&m, mark(1, 40));
    cr_assert_eq(m.durable, 4);
    raft_marks_release(&m, mark(2, 7));
    cr_assert_eq(m.durable, 7);
}

enum { LOG = 64, WRITES = 256 };

/* Against a log that remembers which write made each entry: what is released is on the disk,
 * always; and once all writes are acknowledged, everything is. More forks than there is room for,
 * too. */
Test(raft_marks, nothing_is_released_that_is_not_on_the_disk)
{
    struct rand rand;
    rand_seed(&rand, 77);
    for (int round = 0; round < 2000; round++) {
        struct raft_marks m = { .durable = 0 };
        int made_by[LOG + 1] = { 0 };
        struct raft_mark writes[WRITES];
        int count = 0;
        int done = 0;
        raft_index last = 0;
        raft_term term = 1;
        while (count < WRITES) {
            if (rand_below(&rand, 3) == 0 && last > 0) {
                raft_index from = 1 + rand_below(&rand, last);
                term += 1 + rand_below(&rand, 2);
                raft_marks_cut(&m, term, from);
                last = from - 1;
            }
            raft_index more = rand_below(&rand, 4);
            while (more-- > 0 && last < LOG)
                made_by[++last] = count;
            writes[count++] = mark(term, last);
            if (rand_below(&rand, 2) == 0) {
                done += (int)rand_below(&rand, (uint64_t)(count - done) + 1);
                if (done > 0)
                    raft_marks_release(&m, writes[done - 1]);
            }
            cr_assert_leq(m.durable, last);
            for (raft_index i = 1; i <= m.durable; i++)
                cr_assert_lt(made_by[i], done, "round %d: entry %lu", round, (unsigned long)i);
        }
        raft_marks_release(&m, writes[count - 1]);
        cr_assert_eq(m.durable, last);
    }
}
