#include "server/expiry.h"

#include "base/alloc.h"
#include "base/rand.h"

#include <criterion/criterion.h>

/* Method: random hints, earlier and later ones, then all slots in order. */
Test(server_expiry, the_slot_that_is_due_first_comes_first)
{
    struct server_expiry *e = alloc_bytes(alloc_heap(), sizeof *e);
    uint64_t *least = alloc_array(alloc_heap(), EXPIRY_SLOTS, sizeof *least);
    struct rand r;
    uint32_t slot;
    uint64_t at;
    uint64_t before = 0;
    uint32_t count = 0;

    rand_seed(&r, 7);
    server_expiry_init(e, false);
    cr_assert(!server_expiry_next(e, &slot, &at));
    for (int i = 0; i < 100000; i++) {
        slot = (uint32_t)rand_below(&r, EXPIRY_SLOTS / 2);
        at = 1 + rand_below(&r, 1000000);
        server_expiry_hint(e, slot, at);
        if (least[slot] == 0 || at < least[slot])
            least[slot] = at;
    }
    for (; server_expiry_next(e, &slot, &at); count++) {
        cr_assert(at >= before);
        cr_assert_eq(at, least[slot]);
        least[slot] = 0;
        before = at;
        server_expiry_take(e);
    }
    for (slot = 0; slot < EXPIRY_SLOTS; slot++)
        cr_assert_eq(least[slot], 0);
    cr_assert(count > EXPIRY_SLOTS / 4);
    alloc_free(alloc_heap(), e, sizeof *e);
    alloc_free(alloc_heap(), least, EXPIRY_SLOTS * sizeof *least);
}

Test(server_expiry, after_a_start_every_slot_is_due)
{
    struct server_expiry *e = alloc_bytes(alloc_heap(), sizeof *e);
    uint32_t slot;
    uint64_t at;
    uint32_t count = 0;

    for (server_expiry_init(e, true); server_expiry_next(e, &slot, &at); count++) {
        cr_assert_eq(at, 0);
        server_expiry_take(e);
    }
    cr_assert_eq(count, EXPIRY_SLOTS);
    alloc_free(alloc_heap(), e, sizeof *e);
}
