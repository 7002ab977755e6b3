/*
 * How long a leader waits for those it has just released: the decisions alone, without threads.
 */
#include "embed/crowd.h"

#include <criterion/criterion.h>

enum { ROUND_NS = 40 * 1000 };

/* One round with `released` callers, of whom all come back if the leader waits. Returns whether it
 * waited. */
static bool round_of(struct embed_crowd *c, uint32_t queued, uint32_t come_back, uint32_t meanwhile)
{
    bool waits = embed_crowd_is_worth_waiting(c, queued);

    if (waits) {
        queued += come_back;
        embed_crowd_note_wait(c, queued >= c->expected);
    }
    embed_crowd_note_round(c, queued, meanwhile, ROUND_NS);
    return waits;
}

Test(embed_crowd, a_lone_caller_never_waits)
{
    struct embed_crowd c = { 0 };

    for (int i = 0; i < 100; i++)
        cr_assert(!round_of(&c, 1, 0, 0));
}

/* Seven came while the first wrote: its successor waits for it, and from then on all go at once. */
Test(embed_crowd, callers_that_come_back_share_every_write)
{
    struct embed_crowd c = { 0 };

    cr_assert(!round_of(&c, 1, 0, 7));
    cr_assert_eq(c.expected, 8);
    cr_assert(round_of(&c, 7, 1, 0));
    for (int i = 0; i < 100; i++) {
        cr_assert(round_of(&c, 1, 7, 0));
        cr_assert_eq(c.expected, 8);
    }
}

/* Callers that never come back: less and less is waited for them, at most one round in 65. */
Test(embed_crowd, waits_in_vain_become_rare)
{
    struct embed_crowd c = { 0 };
    int waits = 0;

    for (int i = 0; i < 1000; i++)
        round_of(&c, 2, 0, 2);
    for (int i = 0; i < 65 * 20; i++)
        waits += round_of(&c, 2, 0, 2);
    cr_assert_eq(waits, 20);
}

/* After one that paid, waiting is taken up again at once. */
Test(embed_crowd, one_wait_that_pays_ends_the_rest)
{
    struct embed_crowd c = { 0 };

    for (int i = 0; i < 1000; i++)
        round_of(&c, 2, 0, 2);
    while (!round_of(&c, 2, 2, 2))
        ;
    cr_assert(round_of(&c, 2, 2, 2));
}

/* Fewer callers than before cost one wait. */
Test(embed_crowd, a_crowd_that_shrinks_is_waited_for_once)
{
    struct embed_crowd c = { 0 };

    (void)round_of(&c, 8, 0, 0);
    cr_assert(round_of(&c, 1, 3, 0));
    cr_assert_eq(c.expected, 4);
    cr_assert(!round_of(&c, 4, 0, 0));
}

Test(embed_crowd, patience_is_half_a_round_and_bounded)
{
    struct embed_crowd c = { 0 };

    embed_crowd_note_round(&c, 1, 0, ROUND_NS);
    cr_assert_eq(c.patience_ns, ROUND_NS / 2);
    embed_crowd_note_round(&c, 1, 0, UINT64_C(4000000));
    cr_assert_eq(c.patience_ns, EMBED_PATIENCE_NS_MAX);
}
