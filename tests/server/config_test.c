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
    struct status s = server_config_read_text(&c, "a.conf", bytes_str(text), &err);
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
        &c, "a", bytes_str("requirepass \"a \\x41\\\"\"\nmaxmemory 2GB\r\ncache-size 5k\nbind a b"),
        &err);
    cr_assert(succeeded(s), "%s", err.text);
    cr_assert_str_eq(c.requirepass, "a A\"");
    cr_assert_eq(c.maxmemory, (uint64_t)2 << 30);
    cr_assert_eq(c.cache_size, 5000);
    cr_assert_str_eq(c.bind, "a b");
    server_config_deinit(&c);
}
