#include "resp/glob.h"

enum { STARS_MAX = 1000 };

static int fold(uint8_t c, bool ignore_case)
{
    if (ignore_case && c >= 'A' && c <= 'Z')
        c = (uint8_t)(c + ('a' - 'A'));
    return (int8_t)c;
}

/*
 * Match one byte against the bracket whose '[' is at *at, and move *at behind the bracket. The
 * whole bracket is read even after a match, as only its end says where the pattern goes on.
 */
static bool match_bracket(struct bytes pattern, size_t *at, uint8_t byte, bool ignore_case)
{
    const uint8_t *p = pattern.data;
    int c = fold(byte, ignore_case);
    size_t i = *at + 1;
    bool is_negated = i < pattern.size && p[i] == '^';
    bool is_match = false;

    if (is_negated)
        i++;
    while (i < pattern.size && p[i] != ']') {
        if (p[i] == '\\' && i + 1 < pattern.size) {
            /* A quoted byte is compared as it is, whatever the case. */
            is_match |= p[i + 1] == byte;
            i += 2;
        } else if (i + 2 < pattern.size && p[i + 1] == '-') {
            /* The ends are put in order as they stand, and folded afterwards. */
            bool in_order = (int8_t)p[i] <= (int8_t)p[i + 2];
            int low = fold(in_order ? p[i] : p[i + 2], ignore_case);
            int high = fold(in_order ? p[i + 2] : p[i], ignore_case);
            is_match |= low <= c && c <= high;
            i += 3;
        } else {
            is_match |= fold(p[i], ignore_case) == c;
            i++;
        }
    }
    *at = i < pattern.size ? i + 1 : i;
    return is_match != is_negated;
}

/* Match one byte against the element at *at, which is not a '*', and move *at behind it. */
static bool match_one(struct bytes pattern, size_t *at, uint8_t byte, bool ignore_case)
{
    switch (pattern.data[*at]) {
    case '?':
        *at += 1;
        return true;
    case '[':
        return match_bracket(pattern, at, byte, ignore_case);
    case '\\':
        if (*at + 1 < pattern.size)
            *at += 1;
        break;
    default:
        break;
    }
    int wanted = fold(pattern.data[*at], ignore_case);
    *at += 1;
    return wanted == fold(byte, ignore_case);
}

bool resp_glob_match(struct bytes pattern, struct bytes text, bool ignore_case)
{
    size_t p = 0;
    size_t t = 0;
    size_t retry_p = SIZE_MAX; /* Behind the last '*' seen; SIZE_MAX: none yet. */
    size_t retry_t = 0;        /* The text that '*' has swallowed so far ends here. */
    unsigned stars = 0;

    if (text.size == 0)
        return pattern.size == 0;
    while (t < text.size) {
        if (p < pattern.size && pattern.data[p] == '*') {
            while (p < pattern.size && pattern.data[p] == '*')
                p++;
            if (p == pattern.size)
                return true;
            if (++stars > STARS_MAX)
                return false;
            retry_p = p;
            retry_t = t;
            continue;
        }
        if (p < pattern.size && match_one(pattern, &p, text.data[t], ignore_case)) {
            t++;
            continue;
        }
        if (retry_p == SIZE_MAX)
            return false;
        p = retry_p;
        t = ++retry_t;
    }
    while (p < pattern.size && pattern.data[p] == '*')
        p++;
    return p == pattern.size;
}
