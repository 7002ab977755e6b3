/*
 * words -- a line split the way redis.conf and inline requests are.
 *
 * Words lie between blanks. "..." keeps blanks and knows the escapes \n \r \t \b \a \xHH and
 * \ANY for ANY; '...' keeps all but \' for a quote. A quote may open in the middle of a word; what
 * follows its end must be a blank or nothing.
 *
 * Threads: any.
 */
#ifndef VARVE_BASE_WORDS_H
#define VARVE_BASE_WORDS_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum words_result {
    WORDS_TAKEN,
    WORDS_END,        /* Nothing but blanks was left. */
    WORDS_UNBALANCED, /* A quote is not closed, or something touches its end. */
};

static inline bool words_is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Take the word at or after *at; *at moves behind it. What it stands for is written over the word
 * itself, as it only gets shorter; *out_word borrows it from line. */
enum words_result words_take(uint8_t *line, size_t size, size_t *at, struct bytes *out_word);

#endif
