#include "base/arena.h"

#include <criterion/criterion.h>

Test(arena, pieces_are_aligned_and_apart)
{
    struct arena a;
    uint8_t *pieces[200];

    arena_init(&a, alloc_heap(), 1024, 1 << 20);
    for (size_t i = 0; i < 200; i++) {
        pieces[i] = arena_take(&a, i + 1);
        cr_assert_not_null(pieces[i]);
        cr_assert_eq((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)i, i + 1);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t j = 0; j <= i; j++)
            cr_assert_eq(pieces[i][j], (uint8_t)i);
    arena_deinit(&a);
}

/* The same work after a reset takes no new memory, also with pieces above the chunk size. */
Test(arena, reset_reuses_the_chunks)
{
    struct alloc_test t;
    struct arena a;

    alloc_test_init(&t);
    arena_init(&a, &t.alloc, 1024, 1 << 20);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 50; i++)
            cr_assert_not_null(memset(arena_take(&a, i * 60 + 1), 1, i * 60 + 1));
        if (round == 0)
            t.calls = 0;
        arena_reset(&a);
    }
    cr_assert_eq(t.calls, 0);
    cr_assert_eq(t.live_bytes, a.held_bytes);
    arena_deinit(&a);
    cr_assert_eq(t.live_bytes, 0);
}

Test(arena, maximum_and_failures_are_answered)
{
    struct alloc_test t;
    struct arena a;

    alloc_test_init(&t);
    arena_init(&a, &t.alloc, 1024, 3000);
    cr_assert_not_null(arena_take(&a, 900));
    cr_assert_not_null(arena_take(&a, 900));
    cr_assert_null(arena_take(&a, 2000));
    cr_assert_null(arena_take(&a, SIZE_MAX));
    cr_assert_null(arena_take(&a, SIZE_MAX - 20));
    cr_assert_leq(a.held_bytes, 3000);
    cr_assert_not_null(arena_take(&a, 64), "what is left still serves");
    arena_deinit(&a);

    arena_init(&a, &t.alloc, 1024, 1 << 20);
    t.fail_at = 1;
    cr_assert_null(arena_copy(&a, bytes_str("abc")).data);
    struct bytes copy = arena_copy(&a, bytes_str("abc"));
    cr_assert(bytes_equal(copy, bytes_str("abc")));
    cr_assert_not_null(arena_copy(&a, bytes_of(NULL, 0)).data);
    arena_deinit(&a);
    cr_assert_eq(t.live_bytes, 0);
}
