#include "base/errbuf.h"
#include "base/log.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(errbuf, layers_prefix_on_the_way_up)
{
    struct errbuf e = { 0 };

    errbuf_set(&e, "record at %d: bad checksum", 81920);
    errbuf_prefix(&e, "segment %08d", 12);
    errbuf_prefix(&e, "recover");
    cr_assert_str_eq(e.text, "recover: segment 00000012: record at 81920: bad checksum");
    errbuf_set(&e, "again: %s", e.text);
    cr_assert_str_eq(e.text, "again: recover: segment 00000012: record at 81920: bad checksum");
    memset(&e, 0, sizeof e);
    errbuf_prefix(&e, "alone");
    cr_assert_str_eq(e.text, "alone");
    errbuf_set(NULL, "nobody listens");
    errbuf_prefix(NULL, "nobody listens");
}

Test(errbuf, foreign_bytes_are_escaped)
{
    struct errbuf e = { 0 };

    errbuf_set(&e, "key %s", "a\n\x1b[31m\xff\x7f");
    cr_assert_str_eq(e.text, "key a\\x0a\\x1b[31m\\xff\\x7f");
}

/* However long, the text is terminated inside the buffer and ends with a whole escape. */
Test(errbuf, long_text_is_cut)
{
    struct errbuf e = { 0 };
    char text[3 * ERRBUF_SIZE];

    for (size_t shift = 0; shift < 8; shift++) {
        memset(text, '\n', sizeof text - 1);
        memset(text, 'x', shift);
        text[sizeof text - 1] = '\0';
        errbuf_set(&e, "%s", text);
        size_t length = strlen(e.text);
        cr_assert_lt(length, ERRBUF_SIZE);
        cr_assert_geq(length, ERRBUF_SIZE - 5);
        cr_assert_str_eq(e.text + length - 4, "\\x0a");
        errbuf_prefix(&e, "%s", "prefix");
        cr_assert_lt(strlen(e.text), ERRBUF_SIZE);
        cr_assert_eq(strncmp(e.text, "prefix: ", 8), 0);
    }
}

struct log_kept {
    struct log log;
    int count;
    enum log_level level;
    char line[2048];
};

static void keep(struct log *l, enum log_level level, const char *line)
{
    struct log_kept *k = (struct log_kept *)l;

    k->count++;
    k->level = level;
    snprintf(k->line, sizeof k->line, "%s", line);
}

Test(log, lines_below_the_level_are_dropped)
{
    struct log_kept k = { .log = { .level = LOG_NOTICE, .write = keep } };

    log_verbose(&k.log, "no");
    cr_assert_eq(k.count, 0);
    log_notice(&k.log, "store %d\nopen", 3);
    cr_assert_eq(k.count, 1);
    cr_assert_eq(k.level, LOG_NOTICE);
    cr_assert_str_eq(k.line, "store 3\\x0aopen");
    log_warning(log_none(), "nobody");
}

Test(log, a_line_is_bounded)
{
    struct log_kept k = { .log = { .level = LOG_DEBUG, .write = keep } };
    char text[5000];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_debug(&k.log, "%s", text);
    cr_assert_eq(strlen(k.line), 1023);
}
