#include "resp/number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Digits to a number; false for none, a foreign byte, or more than 64 bits. */
static bool parse_digits(struct bytes text, uint64_t *out_value)
{
    uint64_t value = 0;

    if (text.size == 0)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!is_digit(text.data[i]))
            return false;
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.data[i] - '0'), &value))
            return false;
    }
    *out_value = value;
    return true;
}

bool resp_int_parse(struct bytes text, int64_t *out_value)
{
    bool is_negative = text.size > 0 && text.data[0] == '-';
    uint64_t magnitude;

    if (is_negative)
        text = bytes_skip(text, 1);
    if (text.size == 0 || text.size > RESP_INT_MAX_CHARS)
        return false;
    if (text.data[0] == '0' && (text.size > 1 || is_negative))
        return false;
    if (!parse_digits(text, &magnitude))
        return false;
    if (magnitude > (uint64_t)INT64_MAX + is_negative)
        return false;
    *out_value = is_negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

bool resp_unsigned_parse(struct bytes text, uint64_t *out_value)
{
    return parse_digits(text, out_value);
}

size_t resp_unsigned_format(uint64_t value, char out[RESP_INT_MAX_CHARS])
{
    char reversed[RESP_INT_MAX_CHARS];
    size_t count = 0;

    do {
        reversed[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    for (size_t i = 0; i < count; i++)
        out[i] = reversed[count - 1 - i];
    return count;
}

size_t resp_int_format(int64_t value, char out[RESP_INT_MAX_CHARS])
{
    if (value >= 0)
        return resp_unsigned_format((uint64_t)value, out);

    char digits[RESP_INT_MAX_CHARS];
    size_t count = resp_unsigned_format(0 - (uint64_t)value, digits);
    out[0] = '-';
    memcpy(out + 1, digits, count);
    return count + 1;
}

size_t resp_double_format(double value, char out[RESP_DOUBLE_MAX_CHARS])
{
    if (isnan(value)) {
        memcpy(out, "nan", 3);
        return 3;
    }
    return (size_t)snprintf(out, RESP_DOUBLE_MAX_CHARS, "%.17g", value);
}

bool resp_float_parse(struct bytes text, long double *out_value)
{
    char copy[RESP_FLOAT_MAX_CHARS];
    char *end;

    if (text.size == 0 || text.size >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    if (copy[0] == ' ' || (copy[0] >= '\t' && copy[0] <= '\r'))
        return false;

    errno = 0;
    long double value = strtold(copy, &end);
    if (end != copy + text.size || isnan(value))
        return false;
    if (errno == ERANGE && (isinf(value) || fpclassify(value) == FP_ZERO))
        return false;
    *out_value = value;
    return true;
}

size_t resp_float_format(long double value, char out[RESP_FLOAT_MAX_CHARS])
{
    size_t count = (size_t)snprintf(out, RESP_FLOAT_MAX_CHARS, "%.17Lf", value);

    while (out[count - 1] == '0')
        count--;
    if (out[count - 1] == '.')
        count--;
    if (count == 2 && memcmp(out, "-0", 2) == 0) {
        out[0] = '0';
        count = 1;
    }
    return count;
}
