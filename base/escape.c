#include "base/escape.h"

size_t escape_text(char *out, size_t size, const char *text)
{
    static const char DIGITS[16] = "0123456789abcdef";
    size_t n = 0;

    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c < 0x7f) {
            if (n + 1 >= size)
                break;
            out[n++] = (char)c;
        } else {
            if (n + 4 >= size)
                break;
            out[n++] = '\\';
            out[n++] = 'x';
            out[n++] = DIGITS[c >> 4];
            out[n++] = DIGITS[c & 15];
        }
    }
    out[n] = '\0';
    return n;
}
