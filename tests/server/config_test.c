#include "server/config.h"

#include <criterion/criterion.h>

static struct server_config make(void)
{
    struct server_config c;
    cr_assert(succeeded(server_config_init(&c, alloc_heap())));
    return c;
}

/* The words for a file's text that must be refused. */
static struct errbuf refused(const char *text)
{
    struct server_config c = make();
    struct errbuf err = { "" };
    struct status s = server_config_read_text(&c, NULL, "a.conf", bytes_str(text), &err);
    cr_assert_eq(s.code, ST_INVALID, "%s was taken", text);
    server_config_deinit(&c);
    return err;
}

static void says(const struct errbuf *err, const char *words)
{
    cr_assert(strstr(err->text, words) != NULL, "\"%s\" does not say \"%s\"", err->text, words);
}

Test(server_config, a_bad_line_names_file_line_and_what_was_expected)
{
    struct errbuf err = refused("# fine\nport 1\nport seven\n");
    says(&err, "a.conf:3");
    says(&err, "a number from 0 to 65535");
    err = refused("durability perhaps");
    says(&err, "a.conf:1");
    says(&err, "durable or relaxed");
    err = refused("\n\nmaxclient 5\n");
    says(&err, "a.conf:3");
    says(&err, "'maxclients'");
    err = refused("dir \"open\n");
    says(&err, "a quote is not closed");
    err = refused("timeout 1 2\n");
    says(&err, "wrong number of arguments");
    err = refused("cache-size 12parsecs\n");
    says(&err, "a size such as 64mb");
}

Test(server_config, a_refused_value_leaves_the_old_one)
{
    struct server_config c = make();
    struct errbuf err = { "" };
    struct bytes value = bytes_str("-1");

    c.port = 77;
    struct status s = server_config_set(&c, server_config_find(bytes_str("PORT")), &value, 1, &err);
    cr_assert_eq(s.code, ST_INVALID);
    cr_assert_eq(c.port, 77);
    server_config_deinit(&c);
}

/* Method: what CONFIG GET tells of each parameter is taken by CONFIG SET, and told again. */
Test(server_config, every_value_reads_back)
{
    struct server_config c = make();

    for (const struct config_parameter *p = server_config_table(); p->name != NULL; p++) {
        struct errbuf err = { "" };
        struct buf first;
        struct buf second;
        buf_init(&first, alloc_heap(), 4096);
        buf_init(&second, alloc_heap(), 4096);
        server_config_get(&c, p, &first);
        struct status s = server_config_set_text(&c, p, buf_bytes(&first), &err);
        cr_assert(succeeded(s), "%s: %s", p->name, err.text);
        server_config_get(&c, p, &second);
        cr_assert(bytes_equal(buf_bytes(&first), buf_bytes(&second)), "%s", p->name);
        buf_deinit(&first);
        buf_deinit(&second);
    }
    server_config_deinit(&c);
}

Test(server_config, quotes_escapes_and_units_are_redis)
{
    struct server_config c = make();
    struct errbuf err = { "" };
    struct status s = server_config_read_text(
        &c, NULL, "a",
        bytes_str("requirepass \"a \\x41\\\"\"\nmaxmemory 2GB\r\ncache-size 5k\nbind a b"), &err);
    cr_assert(succeeded(s), "%s", err.text);
    cr_assert_str_eq(c.requirepass, "a A\"");
    cr_assert_eq(c.maxmemory, (uint64_t)2 << 30);
    cr_assert_eq(c.cache_size, 5000);
    cr_assert_str_eq(c.bind, "a b");
    server_config_deinit(&c);
}

/* What is said, and what is told of it; NULL: refused, with these words. */
Test(server_config, values_are_taken_as_redis_takes_them)
{
    const struct {
        const char *name;
        const char *said;
        const char *told;
        const char *why;
    } rows[] = {
        { "maxmemory-clients", "1mb", "1048576", NULL },
        { "maxmemory-clients", "5%", "5%", NULL },
        { "hll-sparse-max-bytes", "", "0", NULL },
        { "hll-sparse-max-bytes", "kb", "0", NULL },
        { "hll-sparse-max-bytes", "9223372036854775808", NULL,
          "argument must be between 0 and 9223372036854775807 inclusive" },
        { "maxmemory", "99999999999999999999gb", NULL,
          "argument must be between 0 and 9223372036854775807 inclusive" },
        { "maxmemory", "1x", NULL, "argument must be a memory value" },
        { "oom-score-adj-values", "-2000 0 2000", "-2000 0 2000", NULL },
        { "oom-score-adj-values", "1 2", NULL, "wrong number of arguments" },
        { "oom-score-adj-values", "1 2 2001", NULL,
          "Invalid oom-score-adj-values, elements must be between -2000 and 2000." },
        { "shutdown-on-sigterm", "save now", "save now", NULL },
        { "shutdown-on-sigterm", "", NULL,
          "argument(s) must be one of the following: default, save, nosave, now, force" },
        { "client-output-buffer-limit", "",
          "normal 0 0 0 slave 268435456 67108864 60 pubsub "
          "33554432 8388608 60",
          NULL },
        { "client-output-buffer-limit", "normal 99999999999999999999 0 0", NULL,
          "Error in hard, soft or soft_seconds setting in buffer limit configuration." },
        { "latency-tracking-info-percentiles", "-1", NULL,
          "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]" },
        { "latency-tracking-info-percentiles", "1e1", NULL,
          "Invalid latency-tracking-info-percentiles parameters" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct server_config c = make();
        const struct config_parameter *p = server_config_find(bytes_str(rows[i].name));
        struct errbuf why = { "" };
        struct buf told;
        buf_init(&told, alloc_heap(), 1 << 10);
        struct status s = server_config_set_text(&c, p, bytes_str(rows[i].said), &why);
        server_config_get(&c, p, &told);
        if (rows[i].told != NULL)
            cr_assert(succeeded(s) && bytes_equal(buf_bytes(&told), bytes_str(rows[i].told)),
                      "%s '%s' is '%.*s' (%s)", rows[i].name, rows[i].said, (int)told.size,
                      (const char *)told.data, why.text);
        else
            cr_assert(failed(s) && strcmp(why.text, rows[i].why) == 0, "%s '%s': %s", rows[i].name,
                      rows[i].said, why.text);
        buf_deinit(&told);
        server_config_deinit(&c);
    }
}

/* ---- CONFIG REWRITE ---------------------------------------------------------------------------
 */

static struct status list_none(void *context, const char *pattern,
                               struct status (*visit)(void *context, const char *path,
                                                      struct errbuf *err),
                               void *visit_context, struct errbuf *err)
{
    (void)context;
    (void)pattern;
    (void)visit;
    (void)visit_context;
    (void)err;
    return status_ok();
}

static const struct config_source NONE = { .list = list_none };

static void expect_rewritten(const char *text, const char *set, const char *expected)
{
    struct server_config c = make();
    struct errbuf err = { "" };
    struct buf out;

    buf_init(&out, alloc_heap(), 1 << 16);
    struct status s = server_config_read_text(&c, &NONE, "a", bytes_str(text), &err);
    cr_assert(succeeded(s), "%s", err.text);
    s = server_config_read_text(&c, NULL, "b", bytes_str(set), &err);
    cr_assert(succeeded(s), "%s", err.text);
    cr_assert(succeeded(server_config_rewrite(&c, bytes_str(text), &out)));
    cr_assert(bytes_equal(buf_bytes(&out), bytes_str(expected)), "\"%s\" became:\n%.*s", text,
              (int)out.size, (const char *)out.data);
    buf_deinit(&out);
    server_config_deinit(&c);
}

#define GENERATED "# Generated by CONFIG REWRITE\n"

Test(server_config, rewriting_keeps_comments_order_and_what_it_does_not_know)
{
    expect_rewritten("dir /d\n# one\n\n\n  port 1\n#two\ninclude nosuch-*\nhz 10", "port 2",
                     "dir \"/d\"\n# one\n\nport 2\n#two\ninclude nosuch-*\nhz 10\n");
}

Test(server_config, rewriting_says_all_that_is_not_as_it_was_from_the_start)
{
    expect_rewritten("dir d\n", "maxclients 7\ntimeout 0\nrequirepass \"a \\\"\\x01\"",
                     "dir \"d\"\n" GENERATED "maxclients 7\nrequirepass \"a \\\"\\x01\"\n");
    expect_rewritten("", "dir d", GENERATED "dir \"d\"\n");
    expect_rewritten("dir d\n" GENERATED "hz 11\n", "timeout 4\nhz 12",
                     "dir \"d\"\n" GENERATED "hz 12\ntimeout 4\n");
}

Test(server_config, rewriting_drops_lines_that_were_overruled)
{
    expect_rewritten("dir d\nhz 3\nhz 4\n#\nhz 5\n", "slave-priority 3",
                     "dir \"d\"\nhz 5\n\n#\n\n" GENERATED "replica-priority 3\n");
    expect_rewritten("dir d\nunixsocket /x\nslave-priority 3\n", "unixsocket \"\"",
                     "dir \"d\"\n\nreplica-priority 3\n");
}

Test(server_config, rewriting_knows_parameters_of_several_lines)
{
    expect_rewritten("dir d\nsave 60 1\nsave 30 2\n", "cache-size 3mb",
                     "dir \"d\"\nsave 60 1\nsave 30 2\n" GENERATED "cache-size 3mb\n");
    expect_rewritten("dir d\nsave 60 1\nsave 30 2\n#\n", "save \"\"",
                     "dir \"d\"\nsave \"\"\n\n#\n");
    expect_rewritten("dir d\nclient-output-buffer-limit pubsub 1 2 3\n", "",
                     "dir \"d\"\nclient-output-buffer-limit normal 0 0 0\n" GENERATED
                     "client-output-buffer-limit slave 268435456 67108864 60\n"
                     "client-output-buffer-limit pubsub 1 2 3\n");
}

Test(server_config, numbers_have_as_many_digits_as_one_likes)
{
    struct server_config c = make();
    struct errbuf err = { "" };
    char text[600] = "space-amp-target 1.5";
    struct buf out;

    memset(text + strlen(text), '0', 500);
    struct status s = server_config_read_text(&c, NULL, "a", bytes_str(text), &err);
    cr_assert(succeeded(s), "%s", err.text);
    buf_init(&out, alloc_heap(), 100);
    server_config_get(&c, server_config_find(bytes_str("space-amp-target")), &out);
    server_config_get(&c, server_config_find(bytes_str("latency-tracking-info-percentiles")), &out);
    cr_assert(bytes_equal(buf_bytes(&out), bytes_str("1.550 99 99.9")), "%.*s", (int)out.size,
              (const char *)out.data);
    buf_deinit(&out);
    server_config_deinit(&c);
}

Test(server_config, rewriting_keeps_words_that_are_empty_or_quoted)
{
    expect_rewritten("dir d\nsave\n", "", "dir \"d\"\nsave \"\"\n");
    expect_rewritten("dir \"\"\nbind\n", "", "dir \"\"\nbind \"\"\n");
    expect_rewritten("dir d\nbind 1 \"\" 3 \"a 'b\"\n", "", "dir \"d\"\nbind \"1 3 a 'b\"\n");
    expect_rewritten("dir d\nnotify-keyspace-events KEA\n", "",
                     "dir \"d\"\nnotify-keyspace-events \"AKE\"\n");
}

/* ---- include ----------------------------------------------------------------------------------
 */

static struct status read_fake(void *context, const char *path, struct buf *out, struct errbuf *err)
{
    (void)context;
    if (strcmp(path, "one") == 0)
        buf_append(out, bytes_str("hz 50\ninclude two\n"));
    else if (strcmp(path, "two") == 0)
        buf_append(out, bytes_str("timeout 9\n"));
    else if (strcmp(path, "bad") == 0)
        buf_append(out, bytes_str("\ntimeout x\n"));
    else if (strcmp(path, "self") == 0)
        buf_append(out, bytes_str("include self\n"));
    else {
        errbuf_set(err, "'%s' is not there", path);
        return status_of(ST_NOT_FOUND);
    }
    return status_ok();
}

static struct status list_fake(void *context, const char *pattern,
                               struct status (*visit)(void *context, const char *path,
                                                      struct errbuf *err),
                               void *visit_context, struct errbuf *err)
{
    (void)context;
    (void)pattern;
    struct status s = visit(visit_context, "two", err);
    return failed(s) ? s : visit(visit_context, "one", err);
}

static const struct config_source FAKE = { .read = read_fake, .list = list_fake };

Test(server_config, a_file_includes_others_in_its_place)
{
    static const char *const texts[] = { "hz 1\ntimeout 1\ninclude one\nhz 60\n",
                                         "hz 1\nINCLUDE o*\nhz 60\n" };

    for (size_t i = 0; i < 2; i++) {
        struct server_config c = make();
        struct errbuf err = { "" };
        struct status s = server_config_read_text(&c, &FAKE, "a", bytes_str(texts[i]), &err);
        cr_assert(succeeded(s), "%s", err.text);
        cr_assert_eq(c.hz, 60);
        cr_assert_eq(c.timeout, 9);
        server_config_deinit(&c);
    }
}

Test(server_config, a_bad_include_says_which_file_and_line)
{
    static const struct {
        const char *text;
        const char *words;
    } rows[] = { { "hz 1\ninclude bad\n", "a:2: bad:2" },
                 { "include self\n", "does it include itself?" },
                 { "include\n", "expected the path of a file" } };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct server_config c = make();
        struct errbuf err = { "" };
        struct status s = server_config_read_text(&c, &FAKE, "a", bytes_str(rows[i].text), &err);
        cr_assert(failed(s));
        says(&err, rows[i].words);
        server_config_deinit(&c);
    }
}

/* ---- Parameters of Redis ----------------------------------------------------------------------
 */

Test(server_config, another_name_is_the_same_parameter)
{
    struct server_config c = make();
    struct errbuf err = { "" };
    struct buf value;

    buf_init(&value, alloc_heap(), 100);
    struct status s = server_config_set_text(&c, server_config_find(bytes_str("slave-priority")),
                                             bytes_str("7"), &err);
    cr_assert(succeeded(s), "%s", err.text);
    server_config_get(&c, server_config_find(bytes_str("replica-priority")), &value);
    cr_assert(bytes_equal(buf_bytes(&value), bytes_str("7")));
    buf_deinit(&value);
    server_config_deinit(&c);
}

Test(server_config, what_is_not_here_is_refused_with_the_reason)
{
    struct errbuf err = refused("tls-port 6380\n");
    says(&err, "There is no TLS yet");
    err = refused("cluster-enabled yes\n");
    says(&err, "There is no cluster yet");
    err = refused("rename-command FLUSHALL \"\"\n");
    says(&err, "access control lists");
    struct server_config c = make();
    struct status s = server_config_read_text(&c, NULL, "a", bytes_str("tls-port 0\n"), &err);
    cr_assert(succeeded(s));
    server_config_deinit(&c);
}
