#include "base/budget.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

Test(budget, a_refused_charge_changes_nothing)
{
    struct budget b;

    budget_init(&b, 100);
    cr_assert(succeeded(budget_charge(&b, BUDGET_CACHE, 60)));
    cr_assert_eq(budget_charge(&b, BUDGET_JOB, 41).code, ST_NO_MEMORY);
    cr_assert_eq(budget_charge(&b, BUDGET_JOB, SIZE_MAX).code, ST_NO_MEMORY);
    cr_assert_eq(b.total_bytes, 60);
    cr_assert_eq(budget_left(&b), 40);
    cr_assert(succeeded(budget_charge(&b, BUDGET_JOB, 40)));
    cr_assert_eq(budget_left(&b), 0);
    budget_refund(&b, BUDGET_CACHE, 60);
    cr_assert_eq(b.held_bytes[BUDGET_CACHE], 0);
    cr_assert_eq(b.held_bytes[BUDGET_JOB], 40);
    cr_assert_eq(b.peak_bytes, 100);
}

Test(budget, force_passes_the_cap_and_shows)
{
    struct budget b;

    budget_init(&b, 100);
    budget_force(&b, BUDGET_PENDING, 150);
    cr_assert_eq(budget_left(&b), 0);
    cr_assert_eq(b.peak_bytes, 150);
    cr_assert_eq(budget_charge(&b, BUDGET_OTHER, 1).code, ST_NO_MEMORY);
}

Test(budget, no_cap_refuses_nothing)
{
    struct budget b;

    budget_init(&b, 0);
    cr_assert(succeeded(budget_charge(&b, BUDGET_OTHER, SIZE_MAX / 2)));
    cr_assert_eq(budget_left(&b), SIZE_MAX);
}

Test(budget, every_tag_has_a_name_of_its_own)
{
    for (int i = 0; i < BUDGET_TAGS; i++) {
        cr_assert_gt(strlen(budget_tag_name(i)), 0);
        for (int j = 0; j < i; j++)
            cr_assert_neq(strcmp(budget_tag_name(i), budget_tag_name(j)), 0);
    }
}
