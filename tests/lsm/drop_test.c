#include "base/alloc.h"

#include "lsm/drop.h"

#include <criterion/criterion.h>

/* One merge at floor 10. What may lie below is `below`. */
struct merge {
    struct lsm_drop drop;
    uint8_t key[LSM_KEY_MAX];
    bool below;
};

static bool may_lie_below(void *context, struct bytes begin, struct bytes end)
{
    (void)begin;
    (void)end;
    return ((struct merge *)context)->below;
}

static void begin(struct merge *m, bool below, const struct lsm_range_delete *range)
{
    *m = (struct merge) { .below = below };
    m->drop = (struct lsm_drop) {
        .floor = 10, .may_lie_below = may_lie_below, .context = m, .key = m->key
    };
    if (range != NULL) {
        struct lsm_rangedel_set *set;
        cr_assert(succeeded(lsm_rangedel_build(alloc_heap(), range, 1, &set)));
        m->drop.range_deletes = set;
    }
}

static void end(struct merge *m)
{
    lsm_rangedel_destroy((struct lsm_rangedel_set *)m->drop.range_deletes);
}

static bool keeps(struct merge *m, const char *key, uint64_t version, enum lsm_kind kind)
{
    const struct lsm_entry e = { .key = bytes_str(key), .version = version, .kind = kind };
    return lsm_drop_keeps(&m->drop, &e);
}

/* (a) Somebody may read between the floor and it, or at it. */
Test(lsm_drop, a_above_the_floor_everything_is_kept)
{
    const struct lsm_range_delete all = { bytes_str("a"), bytes_str("z"), 30 };
    struct merge m;
    begin(&m, false, &all);
    cr_assert(keeps(&m, "k", 20, LSM_PUT));
    cr_assert(keeps(&m, "k", 15, LSM_DELETE));
    cr_assert(keeps(&m, "k", 12, LSM_PUT));
    cr_assert(keeps(&m, "k", 11, LSM_PUT_HANDLE));
    /* The range delete of 30 is no reason: a reader at the floor does not see it. */
    cr_assert(keeps(&m, "k", 10, LSM_PUT));
    end(&m);
}

/* (b) */
Test(lsm_drop, b_the_floor_entry_is_kept_if_it_is_a_put)
{
    struct merge m;
    begin(&m, false, NULL);
    cr_assert(keeps(&m, "a", 10, LSM_PUT));
    cr_assert(keeps(&m, "b", 3, LSM_PUT_HANDLE));
    end(&m);
}

Test(lsm_drop, b_a_delete_goes_where_nothing_lies_below)
{
    struct merge m;
    begin(&m, false, NULL);
    cr_assert_not(keeps(&m, "a", 9, LSM_DELETE));
    cr_assert_not(keeps(&m, "a", 8, LSM_PUT)); /* And nothing comes back. */
    end(&m);
    begin(&m, true, NULL);
    cr_assert(keeps(&m, "a", 9, LSM_DELETE));
    cr_assert_not(keeps(&m, "a", 8, LSM_PUT));
    end(&m);
}

Test(lsm_drop, b_a_range_delete_at_or_below_the_floor_hides)
{
    const struct lsm_range_delete some = { bytes_str("b"), bytes_str("d"), 7 };
    struct merge m;
    begin(&m, true, &some);
    cr_assert(keeps(&m, "a", 5, LSM_PUT));
    cr_assert_not(keeps(&m, "b", 5, LSM_PUT));
    cr_assert(keeps(&m, "c", 7, LSM_PUT)); /* Of the same batch, put after it. */
    cr_assert_not(keeps(&m, "c", 6, LSM_PUT));
    cr_assert(keeps(&m, "ca", 8, LSM_PUT));
    cr_assert_not(keeps(&m, "cb", 6, LSM_DELETE));
    cr_assert(keeps(&m, "d", 5, LSM_PUT)); /* The end is not included. */
    end(&m);
}

/* (c) */
Test(lsm_drop, c_what_is_older_than_the_floor_entry_goes)
{
    struct merge m;
    begin(&m, true, NULL);
    cr_assert(keeps(&m, "k", 12, LSM_PUT));
    cr_assert(m.drop.is_new_key);
    cr_assert(keeps(&m, "k", 9, LSM_PUT));
    cr_assert_not(m.drop.is_new_key);
    cr_assert_not(keeps(&m, "k", 8, LSM_PUT));
    cr_assert_not(keeps(&m, "k", 1, LSM_DELETE));
    cr_assert(keeps(&m, "kk", 1, LSM_PUT)); /* The next key begins anew. */
    cr_assert(m.drop.is_new_key);
    end(&m);
}

Test(lsm_drop, c_older_entries_go_with_a_hidden_floor_entry)
{
    const struct lsm_range_delete some = { bytes_str("k"), bytes_str("l"), 9 };
    struct merge m;
    begin(&m, true, &some);
    cr_assert_not(keeps(&m, "k", 8, LSM_PUT));
    cr_assert_not(keeps(&m, "k", 7, LSM_PUT));
    end(&m);
}

Test(lsm_drop, a_range_delete_goes_when_all_see_it_and_nothing_lies_below)
{
    const struct lsm_range_delete old = { bytes_str("b"), bytes_str("d"), 10 };
    const struct lsm_range_delete fresh = { bytes_str("b"), bytes_str("d"), 11 };
    struct merge m;
    begin(&m, false, NULL);
    cr_assert_not(lsm_drop_keeps_range(&m.drop, &old));
    cr_assert(lsm_drop_keeps_range(&m.drop, &fresh));
    end(&m);
    begin(&m, true, NULL);
    cr_assert(lsm_drop_keeps_range(&m.drop, &old));
    end(&m);
}
