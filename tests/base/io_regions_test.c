#include <criterion/criterion.h>

#include "base/io_regions.h"

/* Against a table of bytes: every look-up, at every place and size, finds the region that holds all
 * of it or none. Regions are added in no order, some of them touching. */
Test(base_io_regions, a_look_up_finds_the_region_that_holds_all)
{
    static uint8_t space[256];
    const struct {
        size_t start;
        size_t size;
    } added[] = { { 200, 30 }, { 10, 5 }, { 15, 20 }, { 230, 26 }, { 100, 1 }, { 0, 3 } };
    enum { COUNT = sizeof added / sizeof added[0] };
    int owner[256];
    struct io_regions r;

    for (size_t i = 0; i < 256; i++)
        owner[i] = -1;
    cr_assert_eq(io_regions_init(&r, alloc_heap(), COUNT).code, ST_OK);
    cr_assert_null(io_regions_find(&r, space, 1));
    for (int i = 0; i < COUNT; i++) {
        io_regions_add(&r, space + added[i].start, added[i].size);
        for (size_t j = 0; j < added[i].size; j++)
            owner[added[i].start + j] = i;
    }
    for (size_t start = 0; start < 256; start++) {
        for (size_t size = 1; start + size <= 256; size++) {
            int want = owner[start];
            for (size_t j = start; j < start + size; j++)
                want = owner[j] == want ? want : -1;
            const struct io_region *got = io_regions_find(&r, space + start, size);
            if (want < 0)
                cr_assert_null(got, "%zu+%zu", start, size);
            else
                cr_assert_eq((int)got->slot, want, "%zu+%zu", start, size);
        }
    }
    io_regions_deinit(&r, alloc_heap());
}

Test(base_io_regions, a_table_without_room_finds_nothing)
{
    struct io_regions r;

    cr_assert_eq(io_regions_init(&r, alloc_heap(), 0).code, ST_OK);
    cr_assert_null(io_regions_find(&r, &r, 1));
    io_regions_deinit(&r, alloc_heap());
}
