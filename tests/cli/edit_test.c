/* Keys pressed, and the line that comes of it. */
#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/hash.h"

#include "cli/edit.h"

#include <stdio.h>

static struct cli_edit edit;
static struct buf out;

static bool complete(const struct cli_helper *h, struct bytes line, size_t n, struct buf *to)
{
    static const char *const WORDS[] = { "set", "setex" };

    (void)h;
    if (!bytes_has_prefix(bytes_str("set"), line) || n >= 2)
        return false;
    buf_append(to, bytes_str(WORDS[n]));
    return true;
}

static void hint(const struct cli_helper *h, struct bytes line, struct buf *to)
{
    (void)h;
    if (bytes_equal(line, bytes_str("get ")))
        buf_append(to, bytes_str("key"));
}

static const struct cli_helper HELPER = { .complete = complete, .hint = hint };

static void open(void)
{
    cli_edit_init(&edit, alloc_heap(), &HELPER);
    buf_init(&out, alloc_heap(), 1 << 24);
}

static void close(void)
{
    cli_edit_deinit(&edit);
    buf_deinit(&out);
}

TestSuite(cli_edit, .init = open, .fini = close);

static enum cli_edit_result type(const char *keys)
{
    enum cli_edit_result result = CLI_EDIT_MORE;

    cli_edit_begin(&edit, "> ", 20, &out);
    for (const char *k = keys; *k != '\0' && result == CLI_EDIT_MORE; k++)
        result = cli_edit_key(&edit, (uint8_t)*k, &out);
    return result;
}

static void becomes(const char *keys, const char *line)
{
    cr_assert_eq(type(keys), CLI_EDIT_MORE);
    cr_assert(bytes_equal(buf_bytes(&edit.line), bytes_str(line)), "%s: %.*s", line,
              (int)edit.line.size, (const char *)edit.line.data);
}

#define UP "\033[A"
#define DOWN "\033[B"
#define RIGHT "\033[C"
#define LEFT "\033[D"

Test(cli_edit, keys_move_and_delete)
{
    becomes("abc" LEFT LEFT "x", "axbc");
    becomes("abc\001x\005y", "xabcy");
    becomes("abc\033[Hx\033[Fy", "xabcy");
    becomes("abc\033[1~x\033[4~y", "xabcy");
    becomes("abc\002\002\006x", "abxc");
    becomes("abc\177\010", "a");
    becomes("abc\001\033[3~\004", "c");
    becomes("abc\001" LEFT "\177" RIGHT RIGHT RIGHT RIGHT "x", "abcx");
    becomes("one two  \027x", "one x");
    becomes("one two\027\027\027", "");
    becomes("abc" LEFT "\013", "ab");
    becomes("abc" LEFT "\025", "c");
    becomes("a\033Ob\033[99;5uc", "ac");
}

/* Characters of several bytes are one to the cursor. */
Test(cli_edit, characters_stay_whole)
{
    becomes("a\xc3\xa9\xe2\x82\xac" LEFT LEFT "x", "ax\xc3\xa9\xe2\x82\xac");
    becomes("\xe2\x82\xac\177", "");
}

Test(cli_edit, lines_end)
{
    cr_assert_eq(type("abc\r"), CLI_EDIT_DONE);
    cr_assert(bytes_equal(buf_bytes(&edit.line), bytes_str("abc")));
    cr_assert_eq(type("abc\003"), CLI_EDIT_DROPPED);
    cr_assert_eq(type("\004"), CLI_EDIT_END);
    cr_assert_eq(type("a\177\004"), CLI_EDIT_END);
}

Test(cli_edit, history_is_walked_and_bounded)
{
    cli_edit_remember(&edit, bytes_str("one"));
    cli_edit_remember(&edit, bytes_str("two"));
    cli_edit_remember(&edit, bytes_str("two"));
    cli_edit_remember(&edit, bytes_str(""));
    cli_edit_remember(&edit, bytes_str("not\none"));
    cr_assert_eq(edit.history_count, 2);
    becomes(UP, "two");
    becomes(UP UP UP, "one");
    becomes("dra" UP UP DOWN DOWN "ft", "draft");
    becomes(UP "x" DOWN, "");
    for (int i = 0; i < 2 * CLI_HISTORY_MAX; i++) {
        char line[32];
        (void)snprintf(line, sizeof line, "line %d", i);
        cli_edit_remember(&edit, bytes_str(line));
    }
    cr_assert_eq(edit.history_count, CLI_HISTORY_MAX);
    becomes(UP, "line 1999");
    cr_assert_leq(edit.history.size, 16 * CLI_HISTORY_MAX);
}

Test(cli_edit, tab_goes_through_what_is_meant)
{
    becomes("s\t", "set");
    becomes("s\t\t", "setex");
    becomes("s\t\t\t", "s");
    becomes("s\t\t\t\t", "set");
    becomes("s\t x", "set x");
    becomes("x\t", "x");
}

Test(cli_edit, hints_are_grey_and_gone_at_the_end)
{
    becomes("get ", "get ");
    buf_append_u8(&out, '\0');
    cr_assert_not_null(strstr((const char *)out.data, "> get \033[90mkey\033[0m\033[0K\r\033[6C"));
    buf_reset(&out);
    (void)cli_edit_key(&edit, '\r', &out);
    buf_append_u8(&out, '\0');
    cr_assert_str_eq((const char *)out.data, "\r> get \033[0K\r\033[6C\n");
}

/* A line that is wider than the terminal is shown in part; the cursor stays on it. */
Test(cli_edit, wide_lines_are_shown_in_part)
{
    becomes("0123456789012345678901234567890", "0123456789012345678901234567890");
    buf_reset(&out);
    (void)cli_edit_key(&edit, 'x', &out);
    buf_append_u8(&out, '\0');
    cr_assert_str_eq((const char *)out.data, "\r> 5678901234567890x\033[0K\r\033[19C");
}

/* Any bytes at all. */
Test(cli_edit, takes_whatever_is_pressed)
{
    cli_edit_remember(&edit, bytes_str("something"));
    cli_edit_begin(&edit, "> ", 20, &out);
    for (uint64_t i = 0; i < 200000; i++) {
        uint64_t r = hash_u64(i);
        uint8_t key = r % 3 == 0   ? (uint8_t)(r >> 8)
                      : r % 3 == 1 ? (uint8_t)(r >> 8) % 32
                                   : "abc \033[ABCD~"[(r >> 8) % 12];
        if (cli_edit_key(&edit, key, &out) != CLI_EDIT_MORE)
            cli_edit_begin(&edit, "> ", 20, &out);
        cr_assert_leq(edit.cursor, edit.line.size);
        if (edit.line.size > 300)
            cli_edit_begin(&edit, "> ", 20, &out);
        buf_reset(&out);
    }
}
