/* Replies: read, printed in every form, and what is made of those of COMMAND DOCS and INFO. */
#include "support/text_source.h"

#include <criterion/criterion.h>

#include "base/alloc.h"

#include "cli/docs.h"
#include "cli/print.h"
#include "cli/table.h"

static struct arena arena;
static struct buf out;

static void open(void)
{
    arena_init(&arena, alloc_heap(), 1 << 12, 1 << 24);
    buf_init(&out, alloc_heap(), 1 << 20);
}

static void close(void)
{
    arena_deinit(&arena);
    buf_deinit(&out);
}

TestSuite(cli_reply, .init = open, .fini = close);

static struct status read_reply(struct bytes text, struct cli_value *v)
{
    struct text_source source;

    text_source_init(&source, text);
    return cli_value_read(&source.source, &arena, v);
}

static const char *text(void)
{
    buf_append_u8(&out, '\0');
    return (const char *)out.data;
}

static void prints(const char *reply, enum cli_format format, const char *expected)
{
    struct cli_value v;

    buf_reset(&out);
    cr_assert(succeeded(read_reply(bytes_str(reply), &v)), "%s", reply);
    cli_print(format, &v, &out);
    cr_assert_str_eq(text(), expected);
}

#define NESTED "*3\r\n%2\r\n+k\r\n:1\r\n$1\r\nl\r\n~2\r\n,1.5\r\n#t\r\n*0\r\n_\r\n"

Test(cli_reply, is_printed_for_people)
{
    prints(NESTED, CLI_PEOPLE,
           "1) 1# k => (integer) 1\n"
           "   2# \"l\" => 1~ (double) 1.5\n"
           "      2~ (true)\n"
           "2) (empty array)\n"
           "3) (nil)\n");
    prints("=8\r\ntxt:a\r\nb\r\n", CLI_PEOPLE, "a\r\nb\n");
    prints("-ERR no\r\n", CLI_PEOPLE, "(error) ERR no\n");
    prints("!6\r\nERR no\r\n", CLI_PEOPLE, "(error) ERR no\n");
    prints("$5\r\na\"\\\n\x01\r\n", CLI_PEOPLE, "\"a\\\"\\\\\\n\\x01\"\n");
    prints("*-1\r\n", CLI_PEOPLE, "(nil)\n");
    prints("|1\r\n+ttl\r\n:3\r\n+value\r\n", CLI_PEOPLE, "value\n");
}

Test(cli_reply, is_printed_for_programs)
{
    prints(NESTED, CLI_RAW, "k 1\nl 1.5\n(true)\n\n\n");
    prints(NESTED, CLI_CSV, "\"k\",1,\"l\",1.5,true,,NULL\n");
    prints(NESTED, CLI_JSON, "[{\"k\":1,\"l\":[1.5,true]},[],null]\n");
    prints("$3\r\n\"\t\x01\r\n", CLI_JSON, "\"\\\"\\t\\u0001\"\n");
}

/* A reply that ends too early is waited for; what is none is refused; nothing is taken for what is
 * only announced. */
Test(cli_reply, that_is_damaged_is_never_misread)
{
    static const char *const bad[] = { "",
                                       "x\r\n",
                                       "\r\n",
                                       "$x\r\n",
                                       "$\r\n",
                                       "*99999999999\r\n",
                                       "*1\r\n?\r\n",
                                       "$4294967296\r\n",
                                       "%2147483647\r\n+a\r\n" };
    struct cli_value v;
    char deep[5 * (CLI_DEPTH_MAX + 2)];

    for (size_t size = 0; size < strlen(NESTED); size++)
        cr_assert(failed(read_reply(bytes_of(NESTED, size), &v)), "%zu bytes", size);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert(failed(read_reply(bytes_str(bad[i]), &v)), "%s", bad[i]);
    for (size_t i = 0; i < sizeof deep / 4; i++)
        memcpy(deep + 4 * i, "*1\r\n", 4);
    cr_assert_eq(read_reply(bytes_of(deep, sizeof deep / 4 * 4), &v).code, ST_CORRUPT);
    cr_assert_leq(arena.held_bytes, 1 << 20);
}

/* ---- COMMAND DOCS ---------------------------------------------------------------------------- */

static const char DOCS[] =
    "*4\r\n$3\r\nset\r\n*4\r\n+summary\r\n+Sets.\r\n+arguments\r\n*3\r\n"
    "*4\r\n+name\r\n+key\r\n+type\r\n+key\r\n"
    "*6\r\n+name\r\n+value\r\n+type\r\n+string\r\n+flags\r\n*1\r\n+multiple\r\n"
    "*8\r\n+name\r\n+time\r\n+type\r\n+oneof\r\n+flags\r\n*1\r\n+optional\r\n+arguments\r\n*2\r\n"
    "*6\r\n+name\r\n+s\r\n+type\r\n+integer\r\n+token\r\n+EX\r\n"
    "*6\r\n+name\r\n+k\r\n+type\r\n+pure-token\r\n+token\r\n+KEEP\r\n"
    "$6\r\nconfig\r\n*4\r\n+summary\r\n+Holds.\r\n+subcommands\r\n*4\r\n"
    "+config|get\r\n*4\r\n+summary\r\n+Reads.\r\n+arguments\r\n*1\r\n"
    "*4\r\n+name\r\n+parameter\r\n+type\r\n+string\r\n"
    "+config|help\r\n*2\r\n+summary\r\n+Helps.\r\n";

static const char *hinted(const struct cli_docs *d, const char *line)
{
    buf_reset(&out);
    d->helper.hint(&d->helper, bytes_str(line), &out);
    return text();
}

static const char *completed(const struct cli_docs *d, const char *line, size_t n)
{
    buf_reset(&out);
    return d->helper.complete(&d->helper, bytes_str(line), n, &out) ? text() : NULL;
}

Test(cli_reply, docs_complete_and_hint)
{
    struct cli_docs d;
    struct cli_value v;

    cli_docs_init(&d, alloc_heap());
    cr_assert_str_eq(hinted(&d, "set "), "");
    cr_assert(succeeded(read_reply(bytes_str(DOCS), &v)));
    cr_assert(succeeded(cli_docs_load(&d, &v)));
    cr_assert_str_eq(hinted(&d, "set"), "");
    cr_assert_str_eq(hinted(&d, "set "), "key value [value ...] [EX s|KEEP]");
    cr_assert_str_eq(hinted(&d, "SET k"), " value [value ...] [EX s|KEEP]");
    cr_assert_str_eq(hinted(&d, "set k v EX 5"), "");
    cr_assert_str_eq(hinted(&d, "config get "), "parameter");
    cr_assert_str_eq(completed(&d, "s", 0), "set");
    cr_assert_null(completed(&d, "s", 1));
    cr_assert_str_eq(completed(&d, "C", 0), "CONFIG");
    cr_assert_str_eq(completed(&d, "config ", 1), "config help");
    cr_assert_null(completed(&d, "set k", 0));
    buf_reset(&out);
    cli_docs_explain(&d, bytes_str("config"), &out);
    cr_assert_not_null(strstr(text(), "config get parameter\n  Reads."));
    buf_reset(&out);
    cli_docs_explain(&d, bytes_str("conf"), &out);
    cr_assert_str_eq(text(), "No command is called that.\n");
    cli_docs_deinit(&d);
}

/* ---- INFO -------------------------------------------------------------------------------------
 */

Test(cli_reply, info_becomes_tables)
{
    cli_table_info(bytes_str("# Server\r\nname:varve\r\nlonger_name:1\r\n\r\n# Keyspace\r\n"
                             "db0:keys=100,expires=1\r\ndb11:keys=2,expires=30\r\nx:a=1\r\n"),
                   &out);
    cr_assert_str_eq(text(), "Server\n"
                             "  name         varve\n"
                             "  longer_name  1\n"
                             "\n"
                             "Keyspace\n"
                             "        keys  expires\n"
                             "  db0    100        1\n"
                             "  db11     2       30\n"
                             "        a\n"
                             "  x     1\n");
}

/* Whatever a server calls INFO. */
Test(cli_reply, info_of_any_bytes_is_shown)
{
    static const char *const texts[] = {
        "",      "\n",           "#",          ":",
        "a:",    ":b",           "a:=",        "a:=,=",
        "a:b=c", "a:b=c\nd:b=c", "a:b=c,\r\n", "# \n#\n\r\nnothing"
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        cli_table_info(bytes_str(texts[i]), &out);
    cr_assert_not(out.is_failed);
}
