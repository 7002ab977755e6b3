/* Who is let in, by hashes that have nothing to do with one another. */
#include "txn/doorkeeper.h"

#include "base/hash.h"

#include <criterion/criterion.h>

enum { KEYS = 4000 };

static uint64_t hash_of(uint64_t i)
{
    return hash_u64(i + 1);
}

static void open_doorkeeper(struct txn_doorkeeper *d)
{
    *d = (struct txn_doorkeeper) { .words = NULL };
    cr_assert(txn_doorkeeper_init(d, alloc_heap(), KEYS));
}

/* A quarter of its marks' number comes in between: those whose word three others came to are few
 * enough, four hardly any. */
Test(txn_doorkeeper, a_key_is_let_in_when_it_comes_again)
{
    struct txn_doorkeeper d;
    unsigned first = 0;
    unsigned second = 0;

    open_doorkeeper(&d);
    for (unsigned i = 0; i < KEYS / 4; i++)
        first += txn_doorkeeper_admits(&d, hash_of(i));
    for (unsigned i = 0; i < KEYS / 4; i++)
        second += txn_doorkeeper_admits(&d, hash_of(i));
    cr_assert_eq(first, 0, "%u strangers", first);
    cr_assert_gt(second, KEYS / 4 - KEYS / 100, "%u", second);
    cr_assert(txn_doorkeeper_admits(&d, hash_of(0)), "and again");
    txn_doorkeeper_deinit(&d, alloc_heap());
    cr_assert_eq(txn_doorkeeper_size(&d), 0);
}

/* However many come, all but a few are refused the first time; those of long ago are strangers. */
Test(txn_doorkeeper, what_came_long_ago_is_forgotten)
{
    struct txn_doorkeeper d;
    unsigned admitted = 0;

    open_doorkeeper(&d);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 20 * KEYS; i++)
            admitted += txn_doorkeeper_admits(&d, hash_of(i));
    }
    cr_assert_lt(admitted, 40 * KEYS / 4000, "%u", admitted);
    txn_doorkeeper_deinit(&d, alloc_heap());
}

/* The least there can be is of use, too. */
Test(txn_doorkeeper, one_of_no_keys_knows_the_last)
{
    struct txn_doorkeeper d = { .words = NULL };

    cr_assert(txn_doorkeeper_init(&d, alloc_heap(), 0));
    cr_assert(!txn_doorkeeper_admits(&d, hash_of(1)));
    cr_assert(txn_doorkeeper_admits(&d, hash_of(1)));
    txn_doorkeeper_deinit(&d, alloc_heap());
}
