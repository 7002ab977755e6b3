#include "base/words.h"

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that the escape behind a backslash at line[i] stands for; *i moves to its last byte. */
static uint8_t unescape(const uint8_t *line, size_t size, size_t *i)
{
    uint8_t c = line[*i + 1];

    if (c == 'x' && *i + 3 < size) {
        int high = hex_digit(line[*i + 2]);
        int low = hex_digit(line[*i + 3]);
        if (high >= 0 && low >= 0) {
            *i += 3;
            return (uint8_t)(high * 16 + low);
        }
    }
    *i += 1;
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return c;
    }
}

enum words_result words_take(uint8_t *line, size_t size, size_t *at, struct bytes *out_word)
{
    uint8_t quote = 0;
    size_t i = *at;
    size_t n = 0;

    while (i < size && words_is_blank(line[i]))
        i++;
    uint8_t *out = line + i;
    if (i == size) {
        *at = i;
        return WORDS_END;
    }
    for (; i < size; i++) {
        uint8_t c = line[i];
        if (quote == 0) {
            if (words_is_blank(c))
                break;
            if (c == '"' || c == '\'')
                quote = c;
            else
                out[n++] = c;
        } else if (c == quote) {
            quote = 0;
            i++;
            if (i < size && !words_is_blank(line[i]))
                return WORDS_UNBALANCED;
            break;
        } else if (c == '\\' && quote == '"' && i + 1 < size) {
            out[n++] = unescape(line, size, &i);
        } else if (c == '\\' && quote == '\'' && i + 1 < size && line[i + 1] == '\'') {
            out[n++] = '\'';
            i++;
        } else {
            out[n++] = c;
        }
    }
    *at = i;
    *out_word = bytes_of(out, n);
    return quote == 0 ? WORDS_TAKEN : WORDS_UNBALANCED;
}
