#include "cache/slot.h"

#include "base/alloc.h"

#include <criterion/criterion.h>

static const struct cache_key NAME = { .file = 3, .offset = 4096 };

/* A LIVE slot of the given chunk without pins. */
static struct slot live_slot(uint32_t chunk)
{
    struct slot s = { 0 };

    slot_open(&s, chunk, 100);
    slot_publish(&s, NAME, FETCH_VALUE, SLOT_SCAN);
    cr_assert_not(slot_unpin(&s));
    return s;
}

Test(slot, the_word_keeps_its_fields_apart)
{
    struct slot s = live_slot(0xfedcba98);
    uint64_t word;

    slot_set_segment(&s, SEGMENT_PROTECTED, 5);
    for (uint32_t pins = 0; pins < 1000; pins++)
        cr_assert(slot_try_pin(&s, SLOT_TOUCHED, SLOT_SCAN, &word));
    word = slot_word(&s);
    cr_assert_eq(word_pins(word), 1000);
    cr_assert_eq(word_state(word), SLOT_LIVE);
    cr_assert_eq(word_kind(word), FETCH_VALUE);
    cr_assert_eq(word_segment(word), SEGMENT_PROTECTED);
    cr_assert_eq(word_stamp(word), 5);
    cr_assert_eq(word_chunk(word), 0xfedcba98);
    cr_assert(word & SLOT_TOUCHED);
    cr_assert_not(word & SLOT_SCAN);
    slot_set_segment(&s, SEGMENT_WINDOW, 2);
    slot_clear_touched(&s);
    word = slot_word(&s);
    cr_assert_eq(word_pins(word), 1000);
    cr_assert_eq(word_segment(word), SEGMENT_WINDOW);
    cr_assert_eq(word_stamp(word), 2);
    cr_assert_not(word & SLOT_TOUCHED);
}

Test(slot, a_pinned_slot_is_neither_killed_nor_moved)
{
    struct slot s = live_slot(7);
    uint64_t word;

    cr_assert(slot_try_move(&s, 8));
    cr_assert(slot_try_pin(&s, 0, 0, &word));
    cr_assert_eq(word_chunk(word), 8);
    cr_assert_not(slot_try_move(&s, 9));
    cr_assert_not(slot_try_kill(&s));
    cr_assert_eq(word_chunk(slot_word(&s)), 8);
    cr_assert_not(slot_unpin(&s), "a LIVE slot has no last owner");
    cr_assert(slot_try_kill(&s));
    cr_assert_not(slot_try_pin(&s, 0, 0, &word));
}

Test(slot, the_last_pin_of_a_loose_slot_owns_it)
{
    struct slot s = live_slot(7);
    uint64_t word;

    cr_assert(slot_try_pin(&s, 0, 0, &word));
    cr_assert(slot_try_pin(&s, 0, 0, &word));
    cr_assert_eq(slot_erase(&s), SLOT_LOOSE);
    cr_assert_not(slot_try_pin(&s, 0, 0, &word), "what is erased is not found any more");
    cr_assert_not(slot_unpin(&s));
    cr_assert(slot_unpin(&s));
    cr_assert_eq(word_chunk(slot_word(&s)), 7);
    slot_close(&s);
    cr_assert_eq(word_state(slot_word(&s)), SLOT_FREE);

    s = live_slot(7);
    cr_assert_eq(slot_erase(&s), SLOT_FREE, "without pins at once");
}

/* Every slot of a pool comes once, never slot 0, and comes back. */
Test(slot, the_pool_hands_out_each_slot_once)
{
    struct slot_pool p;
    bool is_seen[3 * SLOTS_PER_BLOCK] = { 0 };
    uint32_t count = 0;

    cr_assert(slot_pool_init(&p, alloc_heap(), 3));
    cr_assert_eq(slot_take(&p), 0);
    while (slot_pool_grow(&p))
        for (uint32_t id = slot_take(&p); id != 0; id = slot_take(&p)) {
            cr_assert_not(is_seen[id]);
            is_seen[id] = true;
            count++;
        }
    cr_assert_eq(count, 3 * SLOTS_PER_BLOCK - 1);
    cr_assert_not(is_seen[0]);
    slot_give(&p, 200);
    cr_assert_eq(slot_take(&p), 200);
    slot_pool_deinit(&p);
}
