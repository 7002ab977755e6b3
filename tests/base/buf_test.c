#include "base/buf.h"

#include <criterion/criterion.h>

Test(buf, appends_every_form)
{
    static const uint8_t EXPECTED[] = { 'a', 'b', 1, 2, 3, 4, 0,    0,    0,   5,   0,
                                        0,   0,   0, 0, 0, 0, 0xac, 0x02, 'n', '=', '7' };
    struct buf b;

    buf_init(&b, alloc_heap(), 1000);
    buf_append(&b, bytes_str("ab"));
    buf_append_u8(&b, 1);
    buf_append_u16(&b, 0x0302);
    buf_append_u32(&b, 4);
    buf_append_u64(&b, 5);
    buf_append_varint(&b, 300);
    buf_append_format(&b, "n=%d", 7);
    cr_assert_not(b.is_failed);
    cr_assert(bytes_equal(buf_bytes(&b), bytes_of(EXPECTED, sizeof EXPECTED)));
    buf_consume(&b, 2);
    cr_assert(bytes_equal(buf_bytes(&b), bytes_of(EXPECTED + 2, sizeof EXPECTED - 2)));
    buf_consume(&b, b.size);
    cr_assert_eq(b.size, 0);
    buf_deinit(&b);
}

/* Past the maximum nothing is appended any more, so that what is there is a prefix. */
Test(buf, maximum_is_kept_and_failure_is_sticky)
{
    struct buf b;

    buf_init(&b, alloc_heap(), 100);
    for (int i = 0; i < 100; i++)
        buf_append_u8(&b, (uint8_t)i);
    cr_assert_not(b.is_failed);
    cr_assert_leq(b.capacity, 100);
    buf_append_u8(&b, 0);
    cr_assert(b.is_failed);
    buf_consume(&b, 50);
    buf_append_u8(&b, 0);
    cr_assert_eq(b.size, 50, "sticky");
    cr_assert_null(buf_extend(&b, 1));
    cr_assert_not(buf_reserve(&b, 1));
    buf_reset(&b);
    cr_assert_not_null(buf_extend(&b, 100));
    buf_deinit(&b);

    buf_init(&b, alloc_heap(), SIZE_MAX);
    buf_append_u8(&b, 1);
    cr_assert_null(buf_extend(&b, SIZE_MAX), "no overflow, no wrap");
    buf_deinit(&b);
}

Test(buf, an_allocation_that_fails_is_a_failed_append)
{
    struct alloc_test t;
    struct buf b;

    alloc_test_init(&t);
    buf_init(&b, &t.alloc, 10000);
    t.fail_at = 2;
    for (int i = 0; i < 200; i++)
        buf_append_u8(&b, (uint8_t)i);
    cr_assert(b.is_failed);
    cr_assert_eq(b.size, 64);
    buf_deinit(&b);
    cr_assert_eq(t.live_bytes, 0);
}

Test(buf, extending_by_nothing_is_a_place)
{
    struct buf b;

    buf_init(&b, alloc_heap(), 10);
    cr_assert_not_null(buf_extend(&b, 0));
    cr_assert_eq(b.size, 0);
    buf_deinit(&b);
}
