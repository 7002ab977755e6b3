#include "resp/glob.h"

#include <criterion/criterion.h>

#include <stdio.h>

static bool match(const char *pattern, const char *text)
{
    return resp_glob_match(bytes_str(pattern), bytes_str(text), false);
}

/* The answers were taken from a Redis 7.0.15 server (KEYS pattern over one key). */
Test(resp_glob, agrees_with_redis)
{
    static const struct {
        const char *pattern;
        const char *text;
        bool is_match;
    } rows[] = {
#include "glob_rows.inc"
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(match(rows[i].pattern, rows[i].text), rows[i].is_match, "'%s' on '%s'",
                     rows[i].pattern, rows[i].text);
}

Test(resp_glob, the_empty_text)
{
    cr_assert(match("", ""));
    cr_assert(match("*", ""));
    cr_assert(match("***", ""));
    cr_assert_not(match("?", ""));
    cr_assert_not(match("", "a"));
}

Test(resp_glob, case_is_ignored_on_request_only)
{
    cr_assert(resp_glob_match(bytes_str("Max*[A-C]"), bytes_str("mAXMEMORYb"), true));
    cr_assert_not(resp_glob_match(bytes_str("Max*"), bytes_str("maxmemory"), false));
}

/* A pattern that makes a backtracking matcher exponential: this must end, and soon. */
Test(resp_glob, many_stars_cost_no_more_than_pattern_times_text, .timeout = 10)
{
    static char text[20001];
    char pattern[201];

    memset(text, 'a', sizeof text - 1);
    for (size_t i = 0; i + 1 < sizeof pattern; i += 2) {
        pattern[i] = '*';
        pattern[i + 1] = 'a';
    }
    pattern[199] = 'b';
    pattern[200] = '\0';
    cr_assert_not(match(pattern, text));
}
