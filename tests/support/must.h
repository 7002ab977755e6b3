/*
 * must -- Criterion assertions on a status, by name of what was called.
 */
#ifndef VARVE_TESTS_SUPPORT_MUST_H
#define VARVE_TESTS_SUPPORT_MUST_H

#include <criterion/criterion.h>

#include "base/status.h"

#define MUST_BE(expr, expected)                                                                    \
    do {                                                                                           \
        enum status_code code_ = (expr).code;                                                      \
        cr_assert_eq(code_, (expected), "%s: %s", #expr, status_name(code_));                      \
    } while (0)

#define MUST(expr) MUST_BE(expr, ST_OK)

#endif
