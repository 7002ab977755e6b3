/*
 * bits -- the bits of a run of bytes: counted, found, combined, and read and written as numbers.
 *
 * Bit 0 is the highest of the first byte, bit 8 the highest of the second: as SETBIT counts.
 *
 * Threads: any; values only.
 */
#ifndef VARVE_RESP_BITS_H
#define VARVE_RESP_BITS_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many of the bits [begin, end) are set. Requires: begin <= end <= 8 * b.size. */
uint64_t resp_bits_count(struct bytes b, uint64_t begin, uint64_t end);

/* The first of the bits [begin, end) that has this value; end if none has. Requires: as above. */
uint64_t resp_bits_find(struct bytes b, uint64_t begin, uint64_t end, bool value);

enum resp_bits_op { RESP_BITS_AND, RESP_BITS_OR, RESP_BITS_XOR, RESP_BITS_NOT };

/* to becomes to op from; with NOT, which has one operand, it becomes not from. */
void resp_bits_combine(enum resp_bits_op op, uint8_t *to, const uint8_t *from, size_t size);

/* ---- Fields: numbers of a few bits, anywhere --------------------------------------------------
 */

struct resp_field {
    bool is_signed;
    unsigned width; /* In bits: 1 .. 63, or 64 if it is signed. */
};

/* A field lies within so many bytes, from the one of its first bit on. */
enum { RESP_FIELD_BYTES = 9 };

/* The number whose first bit is bit skip (0 .. 7) of bytes. */
int64_t resp_field_get(struct resp_field f, const uint8_t bytes[RESP_FIELD_BYTES], unsigned skip);
/* Write the low bits of value there. */
void resp_field_set(struct resp_field f, uint8_t bytes[RESP_FIELD_BYTES], unsigned skip,
                    int64_t value);

/* What becomes of a number that the field cannot hold. */
enum resp_field_overflow { RESP_FIELD_WRAP, RESP_FIELD_SATURATE, RESP_FIELD_FAIL };

/* base + amount as the field holds it; false if it is to fail. base is an unsigned number if the
 * field is unsigned. */
bool resp_field_add(struct resp_field f, enum resp_field_overflow overflow, int64_t base,
                    int64_t amount, int64_t *out_value);

#endif
