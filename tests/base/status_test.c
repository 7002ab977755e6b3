/*
 * Tests of base/status: codes have distinct names, and errno values become what a caller can do.
 */
#include "base/status.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

enum { CODE_COUNT = ST_FAILED + 1 };

/* A name is what an operator greps for: present for every code, and no two alike. */
Test(base_status, names_are_distinct)
{
    for (int i = 0; i < CODE_COUNT; i++) {
        const char *name = status_name((enum status_code)i);

        cr_assert_str_neq(name, "unknown status", "code %d has no name", i);
        for (int j = 0; j < i; j++)
            cr_assert_str_neq(name, status_name((enum status_code)j), "codes %d and %d", i, j);
    }
    cr_assert_str_eq(status_name((enum status_code)CODE_COUNT), "unknown status");
}

Test(base_status, errno_becomes_what_the_caller_can_do)
{
    static const struct {
        int err;
        enum status_code code;
    } table[] = {
        { 0, ST_OK },
        { ENOENT, ST_NOT_FOUND },
        { ENOSPC, ST_NO_SPACE },
        { EDQUOT, ST_NO_SPACE },
        { ENOMEM, ST_NO_MEMORY },
        { EIO, ST_IO },
        { ECANCELED, ST_CANCELLED },
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        cr_assert_eq(status_code_of_errno(table[i].err), table[i].code, "errno %d", table[i].err);
}

/* A status remembers where it was made; OK was made nowhere. */
Test(base_status, knows_its_place)
{
    struct status s = status_of(ST_CORRUPT);

    cr_assert(failed(s));
    cr_assert_not_null(strstr(s.file, "tests/base/status_test.c"));
    cr_assert_eq(s.line, __LINE__ - 4);
    cr_assert(succeeded(status_ok()));
}

/* The machine's words where the machine spoke, the code's name else. */
Test(base_status, has_words_for_a_message)
{
    struct status s = status_of(ST_IO);

    cr_assert_str_eq(status_text(s), "input/output error");
    s.error = EACCES;
    cr_assert_str_eq(status_text(s), "Permission denied");
    s.error = UINT16_MAX;
    cr_assert_str_eq(status_text(s), "input/output error");
}
