#include "cache/sketch.h"

#include "base/hash.h"

#include <criterion/criterion.h>

static void add_times(struct sketch *k, uint64_t name, int times)
{
    uint64_t hash = hash_u64(name);

    for (int i = 0; i < times; i++)
        sketch_add(k, &hash, 1);
}

/* Never too little; and seldom too much while there are no more names than room for them. */
Test(sketch, estimates_are_never_low_and_seldom_high)
{
    enum { NAMES = 4000 };
    struct sketch k;
    int high = 0;

    cr_assert(sketch_init(&k, alloc_heap(), NAMES / 8));
    for (uint64_t name = 1; name <= NAMES; name++)
        add_times(&k, name, (int)(name % 10));
    for (uint64_t name = 1; name <= NAMES; name++) {
        unsigned seen = sketch_estimate(&k, hash_u64(name));
        cr_assert_geq(seen, name % 10);
        high += seen > name % 10 + 2;
    }
    cr_assert_leq(high, NAMES / 10, "%d of %d", high, NAMES);
    sketch_deinit(&k, alloc_heap());
}

Test(sketch, counters_stop_at_fifteen_and_halve)
{
    struct sketch k;

    cr_assert(sketch_init(&k, alloc_heap(), 64));
    add_times(&k, 1, 1000);
    add_times(&k, 2, 5);
    cr_assert_eq(sketch_estimate(&k, hash_u64(1)), 15);
    cr_assert_eq(k.additions, 1005);
    sketch_halve(&k);
    cr_assert_eq(sketch_estimate(&k, hash_u64(1)), 7);
    cr_assert_eq(sketch_estimate(&k, hash_u64(2)), 2);
    cr_assert_eq(k.additions, 502);
    sketch_deinit(&k, alloc_heap());
}
