#include "bench/names.h"

#include <criterion/criterion.h>

static const char *fruit_at(size_t index)
{
    static const char *const NAMES[] = { "apple", "pear", "plum", "pineapple" };

    return index < sizeof NAMES / sizeof NAMES[0] ? NAMES[index] : NULL;
}

Test(bench_names, distance_counts_edits)
{
    cr_assert_eq(names_distance("", ""), 0);
    cr_assert_eq(names_distance("abc", "abc"), 0);
    cr_assert_eq(names_distance("", "abc"), 3);
    cr_assert_eq(names_distance("abc", "abd"), 1);
    cr_assert_eq(names_distance("abc", "ab"), 1);
    cr_assert_eq(names_distance("abc", "acb"), 1);
    cr_assert_eq(names_distance("kitten", "sitting"), 3);
}

Test(bench_names, close_ones_come_nearest_first)
{
    char text[64];

    names_close("aple", fruit_at, "--", text, sizeof text);
    cr_assert_str_eq(text, "--apple");
    names_close("appel", fruit_at, "", text, sizeof text);
    cr_assert_str_eq(text, "apple");
    names_close("xyzzy", fruit_at, "", text, sizeof text);
    cr_assert_str_eq(text, "");
    names_close("apple", fruit_at, "", text, sizeof text);
    cr_assert_str_eq(text, "apple, pineapple");
}
