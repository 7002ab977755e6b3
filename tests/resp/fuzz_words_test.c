/*
 * The fuzzer of sessions knows every command: its dictionary has all names and option words, and
 * one of its inputs calls each command with arguments of the right kinds. Both are written from the
 * command table. REWRITE=1 in the environment writes them anew.
 */
#include "base/buf.h"

#include "resp/command.h"

#include <criterion/criterion.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1 << 18 };

/* The file is text; or, with REWRITE, becomes it. */
static void must_be(const char *name, const struct buf *text)
{
    const char *slash = strrchr(__FILE__, '/');
    char path[512];

    cr_assert_not(text->is_failed);
    (void)snprintf(path, sizeof path, "%.*s/../data/fuzz/%s", (int)(slash - __FILE__), __FILE__,
                   name);
    bool is_new = getenv("REWRITE") != NULL;
    FILE *f = fopen(path, is_new ? "w" : "r");
    cr_assert_not_null(f, "cannot open %s", path);
    if (is_new) {
        cr_assert_eq(fwrite(text->data, 1, text->size, f), text->size);
    } else {
        char *there = malloc(TEXT_MAX);
        cr_assert_not_null(there);
        size_t size = fread(there, 1, TEXT_MAX, f);
        cr_assert(size == text->size && memcmp(there, text->data, size) == 0,
                  "%s is not what the command table says: REWRITE=1 writes it anew", name);
        free(there);
    }
    cr_assert_eq(fclose(f), 0);
}

/* In capitals, a blank for the bar of a subcommand. */
static void append_name(struct buf *out, const char *name)
{
    for (const char *p = name; *p != '\0'; p++)
        buf_append_u8(out, *p == '|' ? ' ' : (uint8_t)toupper((unsigned char)*p));
}

/* ---- The dictionary ------------------------------------------------------------------------- */

static void append_word(struct buf *out, const char *word)
{
    char line[100];
    int size = snprintf(line, sizeof line, "\"%s\"\n", word);

    cr_assert_lt(size, (int)sizeof line);
    if (word[0] != '\0' &&
        (out->size == 0 || memmem(out->data, out->size, line, (size_t)size) == NULL))
        buf_append(out, bytes_of(line, (size_t)size));
}

static void append_tokens(struct buf *out, const struct resp_command_arg *args)
{
    for (const struct resp_command_arg *a = args; a != NULL && a->name != NULL; a++) {
        if (a->token != NULL)
            append_word(out, a->token);
        append_tokens(out, a->args);
    }
}

static void append_words(struct buf *out, const struct resp_command *c)
{
    buf_append_u8(out, '"');
    append_name(out, c->name);
    buf_append(out, bytes_str("\"\n"));
    append_tokens(out, c->args);
}

/* ---- The calls ------------------------------------------------------------------------------ */

static void append_argument(struct buf *out, const struct resp_command_arg *a, bool is_full);

/* All arguments, or those that must be. */
static void append_arguments(struct buf *out, const struct resp_command_arg *args, bool is_full)
{
    for (const struct resp_command_arg *a = args; a != NULL && a->name != NULL; a++) {
        if (is_full || !(a->flags & RESP_ARG_OPTIONAL))
            append_argument(out, a, is_full);
    }
}

static void append_argument(struct buf *out, const struct resp_command_arg *a, bool is_full)
{
    static const char *const VALUES[] = {
        [RESP_ARG_STRING] = " 1", [RESP_ARG_INTEGER] = " 1", [RESP_ARG_DOUBLE] = " 1.5",
        [RESP_ARG_KEY] = " k",    [RESP_ARG_PATTERN] = " *", [RESP_ARG_UNIX_TIME] = " 4000000000",
    };

    if (a->token != NULL)
        buf_append_format(out, " %s", a->token);
    if (a->type == RESP_ARG_ONEOF)
        append_argument(out, &a->args[0], is_full);
    else if (a->type == RESP_ARG_BLOCK)
        append_arguments(out, a->args, is_full);
    else if (a->type != RESP_ARG_PURE_TOKEN)
        buf_append(out, bytes_str(VALUES[a->type]));
}

/* A key that is there, the call with few arguments, and with many; then a client as new. */
static void append_calls(struct buf *out, const struct resp_command *c)
{
    static const char *const ENDS[] = { "quit", "shutdown", "client|kill" };

    for (size_t i = 0; i < sizeof ENDS / sizeof ENDS[0]; i++) {
        if (strcmp(c->name, ENDS[i]) == 0)
            return;
    }
    for (int is_full = 0; is_full < 2; is_full++) {
        buf_append(out, bytes_str("SET k 1\r\n"));
        append_name(out, c->name);
        append_arguments(out, c->args, is_full);
        buf_append(out, bytes_str("\r\nRESET\r\n"));
    }
}

static void for_each(struct buf *out, void (*append)(struct buf *, const struct resp_command *))
{
    const struct resp_command *c;

    for (size_t i = 0; (c = resp_command_at(i)) != NULL; i++) {
        append(out, c);
        for (const struct resp_command *s = c->subcommands; s != NULL && s->name != NULL; s++)
            append(out, s);
    }
}

Test(resp_fuzz_words, the_dictionary_is_that_of_the_table)
{
    struct buf text;

    buf_init(&text, alloc_heap(), TEXT_MAX);
    for_each(&text, append_words);
    must_be("resp_session.dict", &text);
    buf_deinit(&text);
}

Test(resp_fuzz_words, an_input_calls_every_command)
{
    struct buf text;

    buf_init(&text, alloc_heap(), TEXT_MAX);
    buf_append_u8(&text, ' '); /* Nothing fails, rows are at hand. */
    for_each(&text, append_calls);
    must_be("resp_session/every_command", &text);
    buf_deinit(&text);
}
