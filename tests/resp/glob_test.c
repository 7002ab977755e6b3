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
    cr_assert_not(match("*", ""));
    cr_assert_not(match("***", ""));
    cr_assert_not(match("?", ""));
    cr_assert_not(match("", "a"));
}

Test(resp_glob, case_is_ignored_on_request_only)
{
    cr_assert(resp_glob_match(bytes_str("Max*[A-C]"), bytes_str("mAXMEMORYb"), true));
    cr_assert_not(resp_glob_match(bytes_str("Max*"), bytes_str("maxmemory"), false));
}

/* A pattern that makes a backtracking matcher exponential: this must end, and soon. */
Test(resp_glob, many_stars_cost_no_more_than_pattern_times_text, .timeout = 100)
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

/* Redis gives up on patterns that would nest its matcher deeper; so what it finds is found here. */
Test(resp_glob, a_pattern_has_a_thousand_stars_at_most)
{
    static char pattern[2 * 1002 + 1];
    static char text[1002 + 1];

    for (size_t i = 0; i < 1001; i++) {
        pattern[2 * i] = '*';
        pattern[2 * i + 1] = 'a';
        text[i] = 'a';
    }
    cr_assert_not(match(pattern, text), "1001 runs");
    cr_assert(match(pattern + 2, text), "1000 runs");
    pattern[2 * 1001] = '*';
    cr_assert(match(pattern + 2, text), "1000 runs, and one at the end");
}
