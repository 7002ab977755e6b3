#include "base/epoch.h"

#include <criterion/criterion.h>

struct counted {
    struct epoch_garbage garbage; /* First: what destroy is given. */
    struct epoch *epoch;
    struct counted *child; /* Retired when this is destroyed. */
    int *destroyed;
    int order;
};

static void destroy(struct epoch_garbage *g)
{
    struct counted *c = (struct counted *)g;

    c->order = ++*c->destroyed;
    if (c->child != NULL)
        epoch_retire(c->epoch, &c->child->garbage);
}

static struct counted counted_of(struct epoch *e, int *destroyed)
{
    return (struct counted) { .garbage.destroy = destroy, .epoch = e, .destroyed = destroyed };
}

Test(epoch, garbage_waits_for_who_was_inside)
{
    static struct epoch e;
    int destroyed = 0;
    struct counted a = counted_of(&e, &destroyed);
    struct counted b = counted_of(&e, &destroyed);

    epoch_init(&e);
    struct epoch_slot *before = epoch_enter(&e, 0);
    epoch_retire(&e, &a.garbage);
    struct epoch_slot *between = epoch_enter(&e, 1);
    epoch_retire(&e, &b.garbage);
    cr_assert_eq(epoch_collect(&e), 2);
    epoch_leave(before);
    cr_assert_eq(epoch_collect(&e), 1);
    cr_assert_eq(a.order, 1, "only readers from before it hold it");
    struct epoch_slot *after = epoch_enter(&e, 1);
    epoch_leave(between);
    cr_assert_eq(epoch_collect(&e), 0);
    cr_assert_eq(b.order, 2);
    epoch_leave(after);
    epoch_deinit(&e);
}

Test(epoch, deinit_destroys_what_destroying_retires)
{
    static struct epoch e;
    int destroyed = 0;
    struct counted a = counted_of(&e, &destroyed);
    struct counted b = counted_of(&e, &destroyed);

    epoch_init(&e);
    a.child = &b;
    epoch_retire(&e, &a.garbage);
    epoch_deinit(&e);
    cr_assert_eq(destroyed, 2);
}

/* Who asks for the epoch after a retire knows later that no reader of before is left, though others
 * have come. */
Test(epoch, the_oldest_comes_to_now_when_old_readers_have_left)
{
    static struct epoch e;
    int destroyed = 0;
    struct counted a = counted_of(&e, &destroyed);

    epoch_init(&e);
    struct epoch_slot *before = epoch_enter(&e, 1);
    epoch_retire(&e, &a.garbage);
    uint64_t now = epoch_now(&e);
    struct epoch_slot *after = epoch_enter(&e, 2);
    cr_assert_lt(epoch_oldest(&e), now);
    epoch_leave(before);
    cr_assert_geq(epoch_oldest(&e), now);
    epoch_leave(after);
    epoch_deinit(&e);
}

Test(epoch, slots_run_out_and_come_back)
{
    static struct epoch e;
    struct epoch_slot *slots[EPOCH_SLOTS];

    epoch_init(&e);
    for (uint32_t i = 0; i < EPOCH_SLOTS; i++) {
        slots[i] = epoch_enter(&e, 7);
        cr_assert_not_null(slots[i]);
        for (uint32_t j = 0; j < i; j++)
            cr_assert_neq(slots[i], slots[j]);
    }
    cr_assert_null(epoch_enter(&e, 3));
    epoch_leave(slots[200]);
    cr_assert_eq(epoch_enter(&e, 3), slots[200]);
    for (int i = 0; i < EPOCH_SLOTS; i++)
        epoch_leave(slots[i]);
    epoch_deinit(&e);
}

Test(epoch, least_mark_is_zero_until_it_is_said)
{
    static struct epoch e;

    epoch_init(&e);
    cr_assert_eq(epoch_least_mark(&e, 100), 100);
    struct epoch_slot *a = epoch_enter(&e, 5);
    cr_assert_eq(epoch_least_mark(&e, 100), 0);
    epoch_set_mark(a, 70);
    struct epoch_slot *b = epoch_enter(&e, 5);
    epoch_set_mark(b, 40);
    cr_assert_eq(epoch_least_mark(&e, 100), 40);
    cr_assert_eq(epoch_least_mark(&e, 30), 30);
    epoch_leave(b);
    cr_assert_eq(epoch_least_mark(&e, 100), 70);
    b = epoch_enter(&e, 5);
    cr_assert_eq(epoch_least_mark(&e, 100), 0, "a slot's old mark is not the next reader's");
    epoch_leave(a);
    epoch_leave(b);
    epoch_deinit(&e);
}
