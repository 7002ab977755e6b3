#include "base/alloc.h"

#include <criterion/criterion.h>
#include <string.h>

Test(alloc, heap_keeps_bytes_over_resize)
{
    struct alloc *a = alloc_heap();
    uint8_t *p = alloc_bytes(a, 10);

    memset(p, 7, 10);
    p = alloc_resize(a, p, 10, 100000);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(p[i], 7);
    alloc_free(a, p, 100000);
    alloc_free(a, NULL, 0);
    cr_assert_null(alloc_bytes(a, 0));
}

/* Whatever heap the tests run on: where it can be told, memory is as good as before. */
Test(alloc, a_heap_that_keeps_nothing_gives_memory)
{
    struct alloc *a = alloc_heap();
    enum { SIZE = 1 << 20 };

    (void)alloc_heap_keep_nothing();
    for (int i = 1; i <= 3; i++) {
        uint8_t *p = alloc_bytes(a, SIZE);
        cr_assert_not_null(p);
        memset(p, i, SIZE);
        cr_assert_eq(p[SIZE - 1], i);
        alloc_free(a, p, SIZE);
    }
}

Test(alloc, aligned_is_aligned)
{
    for (size_t alignment = 1; alignment <= 1 << 21; alignment *= 2) {
        void *p = alloc_aligned(alloc_heap(), alignment, 3 * alignment + 5);
        cr_assert_not_null(p);
        cr_assert_eq((uintptr_t)p % alignment, 0);
        alloc_free(alloc_heap(), p, 3 * alignment + 5);
    }
}

Test(alloc, arrays_are_zeroed_and_never_overflow)
{
    uint64_t *p = alloc_array(alloc_heap(), 1000, sizeof *p);

    for (int i = 0; i < 1000; i++)
        cr_assert_eq(p[i], 0);
    alloc_free(alloc_heap(), p, 1000 * sizeof *p);
    cr_assert_null(alloc_array(alloc_heap(), SIZE_MAX / 2, 3));
}

/* The test allocator fails the numbered call and only it, or all from it on. */
Test(alloc, test_allocator_fails_on_command)
{
    struct alloc_test t;

    alloc_test_init(&t);
    t.fail_at = 3;
    void *p = alloc_bytes(&t.alloc, 10);
    void *q = alloc_aligned(&t.alloc, 64, 20);
    cr_assert(p != NULL && q != NULL);
    cr_assert_null(alloc_resize(&t.alloc, p, 10, 30));
    p = alloc_resize(&t.alloc, p, 10, 30);
    cr_assert_not_null(p);
    cr_assert_eq(t.calls, 4);
    cr_assert_eq(t.live_bytes, 50);

    t.fail_at = 1;
    t.fail_for_ever = true;
    cr_assert_null(alloc_bytes(&t.alloc, 1));
    cr_assert_null(alloc_bytes(&t.alloc, 1));
    alloc_free(&t.alloc, p, 30);
    alloc_free(&t.alloc, q, 20);
    cr_assert_eq(t.live_bytes, 0);
}
