#include "resp/number.h"

#include <criterion/criterion.h>

#include <math.h>

/* The answers were taken from a Redis 7.0.15 server (INCRBYFLOAT of 0). */
Test(resp_number, floats_are_read_and_written_as_redis_does)
{
    static const struct {
        const char *text;
        const char *sum;
    } rows[] = {
#include "float_rows.inc"
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[RESP_FLOAT_MAX_CHARS];
        long double value;
        bool is_float = resp_float_parse(bytes_str(rows[i].text), &value);
        cr_assert_eq(is_float, rows[i].sum != NULL, "'%s'", rows[i].text);
        if (!is_float)
            continue;
        size_t size = resp_float_format(value, out);
        cr_assert(bytes_equal(bytes_of(out, size), bytes_str(rows[i].sum)), "'%s' became %.*s",
                  rows[i].text, (int)size, out);
    }
}

Test(resp_number, infinity_is_read)
{
    long double value;

    cr_assert(resp_float_parse(bytes_str("-inf"), &value));
    cr_assert(isinf(value) && value < 0);
}

Test(resp_number, an_integer_has_one_spelling)
{
    static const char *const bad[] = { "",
                                       "-",
                                       "-0",
                                       "+1",
                                       "01",
                                       "-01",
                                       " 1",
                                       "1 ",
                                       "1a",
                                       "0x1",
                                       "1.0",
                                       "--1",
                                       "9223372036854775808",
                                       "-9223372036854775809",
                                       "18446744073709551616",
                                       "99999999999999999999",
                                       "999999999999999999999",
                                       "00000000000000000000000000000001" };
    static const int64_t good[] = { 0, 1, -1, 10, 99, 100, INT64_MAX, INT64_MIN, INT64_MIN + 1 };
    int64_t value = 77;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_not(resp_int_parse(bytes_str(bad[i]), &value), "'%s'", bad[i]);
    cr_assert_eq(value, 77);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char text[RESP_INT_MAX_CHARS];
        size_t size = resp_int_format(good[i], text);
        cr_assert(resp_int_parse(bytes_of(text, size), &value));
        cr_assert_eq(value, good[i]);
    }
}

Test(resp_number, unsigned_numbers_use_all_64_bits)
{
    uint64_t value = 77;

    cr_assert(resp_unsigned_parse(bytes_str("18446744073709551615"), &value));
    cr_assert_eq(value, UINT64_MAX);
    cr_assert(resp_unsigned_parse(bytes_str("007"), &value));
    cr_assert_eq(value, 7);
    cr_assert_not(resp_unsigned_parse(bytes_str("18446744073709551616"), &value));
    cr_assert_not(resp_unsigned_parse(bytes_str("-1"), &value));
    cr_assert_not(resp_unsigned_parse(bytes_str(""), &value));
    cr_assert_eq(value, 7);
}

Test(resp_number, doubles_have_seventeen_digits)
{
    char text[RESP_DOUBLE_MAX_CHARS];

    cr_assert(bytes_equal(bytes_of(text, resp_double_format(0.1, text)),
                          bytes_str("0.10000000000000001")));
    cr_assert(bytes_equal(bytes_of(text, resp_double_format(3, text)), bytes_str("3")));
    cr_assert(bytes_equal(bytes_of(text, resp_double_format(-INFINITY, text)), bytes_str("-inf")));
    cr_assert(bytes_equal(bytes_of(text, resp_double_format(-NAN, text)), bytes_str("nan")));
}
