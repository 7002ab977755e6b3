/* Lines split into words; what redis-server makes of the same lines is in tests/data/resp. */
#include "base/words.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

/* "[one][two]", with "!" at the end if a quote is not closed. */
static const char *split(const char *line, char *room, size_t room_size)
{
    uint8_t copy[128];
    size_t size = strlen(line);
    size_t at = 0;
    size_t n = 0;
    struct bytes word;
    enum words_result r;

    memcpy(copy, line, size);
    room[0] = '\0';
    while ((r = words_take(copy, size, &at, &word)) == WORDS_TAKEN) {
        cr_assert(word.data >= copy && word.data + word.size <= copy + at);
        n += (size_t)snprintf(room + n, room_size - n, "[%.*s]", (int)word.size,
                              (const char *)word.data);
    }
    (void)snprintf(room + n, room_size - n, "%s", r == WORDS_UNBALANCED ? "!" : "");
    return room;
}

Test(base_words, quotes_and_escapes_are_those_of_redis)
{
    static const char *const rows[][2] = {
        { "", "" },
        { " \t\v\f\r", "" },
        { "  one two\t", "[one][two]" },
        { "\"a b\" 'c d'", "[a b][c d]" },
        { "\"\" ''", "[][]" },
        { "a\"b c\"", "[ab c]" },
        { "\"a\"b", "!" },
        { "x \"a", "[x]!" },
        { "'a\\'b\\n'", "[a'b\\n]" },
        { "'a\\'", "!" },
        { "\"\\x41\\x4g\\\"\\q\"", "[Ax4g\"q]" },
        { "\\x41", "[\\x41]" },
        { "\"a\\", "!" },
    };
    char room[256];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_str_eq(split(rows[i][0], room, sizeof room), rows[i][1], "'%s'", rows[i][0]);
}
