/*
 * number -- numbers as the protocol and the commands spell them.
 *
 * An integer has exactly one accepted spelling: no plus sign, no leading zeros, no blanks, no
 * "-0". INCRBYFLOAT works in the machine's extended precision, as clients compare its text.
 *
 * Threads: any; values only. The C locale is taken for granted.
 */
#ifndef VARVE_RESP_NUMBER_H
#define VARVE_RESP_NUMBER_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RESP_INT_MAX_CHARS = 20,     /* "-9223372036854775808", "18446744073709551615". */
    RESP_DOUBLE_MAX_CHARS = 32,  /* "%.17g" of any double. */
    RESP_FLOAT_MAX_CHARS = 5120, /* "%.17Lf" of the greatest long double has 4952. */
};

/* The signed 64-bit integer that text spells, or false. */
bool resp_int_parse(struct bytes text, int64_t *out_value);

/* The same for what is read as unsigned: decimal digits only, leading zeros allowed (cursors). */
bool resp_unsigned_parse(struct bytes text, uint64_t *out_value);

/* Write value in decimal at out; returns the characters, not terminated. */
size_t resp_int_format(int64_t value, char out[RESP_INT_MAX_CHARS]);
size_t resp_unsigned_format(uint64_t value, char out[RESP_INT_MAX_CHARS]);

/* "%.17g", with "inf", "-inf" and "nan" spelled so. Returns the characters, not terminated. */
size_t resp_double_format(double value, char out[RESP_DOUBLE_MAX_CHARS]);

/* What strtold takes, entirely: no leading blank, not NaN, not out of range, and
 * shorter than RESP_FLOAT_MAX_CHARS. */
bool resp_float_parse(struct bytes text, long double *out_value);

/* "%.17Lf" without trailing zeros, and "0" for "-0". Requires: value is finite. */
size_t resp_float_format(long double value, char out[RESP_FLOAT_MAX_CHARS]);

#endif
