/*
 * docs/configuration.md says of every parameter what the table says: its tables are written from
 * it. REWRITE=1 in the environment writes them anew.
 */
#include "server/config.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_MAX = 1 << 18 };

static void page_path(char out[512])
{
    const char *slash = strrchr(__FILE__, '/');

    (void)snprintf(out, 512, "%.*s/../../docs/configuration.md", (int)(slash - __FILE__), __FILE__);
}

static void read_page(struct buf *out)
{
    char path[512];
    int c;

    page_path(path);
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "cannot open %s", path);
    while ((c = fgetc(f)) != EOF)
        buf_append_u8(out, (uint8_t)c);
    fclose(f);
}

static void write_page(const struct buf *text)
{
    char path[512];

    page_path(path);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f, "cannot write %s", path);
    cr_assert_eq(fwrite(text->data, 1, text->size, f), text->size);
    fclose(f);
}

/* ---- The tables -------------------------------------------------------------------------------
 */

static void append_names(const struct config_parameter *p, struct buf *out)
{
    buf_append_format(out, "| `%s`", p->name);
    for (const struct config_parameter *a = server_config_table(); a->name != NULL; a++) {
        if (a->same_as != NULL && strcmp(a->same_as, p->name) == 0)
            buf_append_format(out, ", `%s`", a->name);
    }
}

static void append_initial(const struct config_parameter *p, struct buf *out)
{
    if (p->initial[0] == '\0')
        buf_append(out, bytes_str(" | "));
    else
        buf_append_format(out, " | `%s`", p->initial);
}

static void append_used(const struct config_parameter *p, struct buf *out)
{
    append_names(p, out);
    append_initial(p, out);
    buf_append(out, bytes_str(" | "));
    server_config_expected(p, out);
    buf_append_format(out, " | %s | %s |\n",
                      !(p->flags & CONFIG_MUTABLE)  ? "no"
                      : p->flags & CONFIG_PROTECTED ? "protected"
                                                    : "yes",
                      p->help);
}

static void append_unused(const struct config_parameter *p, struct buf *out)
{
    append_names(p, out);
    append_initial(p, out);
    buf_append_format(out, " | %s |\n", p->help);
}

static void append_table(unsigned flag, struct buf *out)
{
    buf_append(out, bytes_str(flag == 0
                                  ? "| parameter | initially | expects | CONFIG SET | what it does "
                                    "|\n|---|---|---|---|---|\n"
                                  : "| parameter | initially | why |\n|---|---|---|\n"));
    for (const struct config_parameter *p = server_config_table(); p->name != NULL; p++) {
        unsigned kind = p->flags & (CONFIG_NOTHING | CONFIG_REFUSED);
        if (p->same_as != NULL || kind != flag)
            continue;
        if (flag == 0)
            append_used(p, out);
        else
            append_unused(p, out);
    }
}

/* The page with what stands between "<!-- name -->" and "<!-- end -->" written anew. */
static void replace(struct buf *page, const char *name, unsigned flag)
{
    char begin[64];
    struct buf out;

    (void)snprintf(begin, sizeof begin, "<!-- %s -->\n", name);
    buf_append_u8(page, '\0');
    const char *text = (const char *)page->data;
    const char *at = strstr(text, begin);
    cr_assert_not_null(at, "the page has no table '%s'", name);
    const char *end = strstr(at, "<!-- end -->");
    cr_assert_not_null(end);
    buf_init(&out, alloc_heap(), PAGE_MAX);
    buf_append(&out, bytes_of(text, (size_t)(at - text) + strlen(begin)));
    append_table(flag, &out);
    buf_append(&out, bytes_str(end));
    buf_deinit(page);
    *page = out;
}

Test(server_configuration, the_page_says_what_the_table_says)
{
    struct buf page;
    struct buf fresh;

    buf_init(&page, alloc_heap(), PAGE_MAX);
    buf_init(&fresh, alloc_heap(), PAGE_MAX);
    read_page(&page);
    buf_append(&fresh, buf_bytes(&page));
    replace(&fresh, "used", 0);
    replace(&fresh, "remembered", CONFIG_NOTHING);
    replace(&fresh, "refused", CONFIG_REFUSED);
    cr_assert_not(fresh.is_failed);
    if (getenv("REWRITE") != NULL)
        write_page(&fresh);
    else
        cr_assert(bytes_equal(buf_bytes(&page), buf_bytes(&fresh)),
                  "docs/configuration.md is not what the table says: REWRITE=1 writes it anew");
    buf_deinit(&fresh);
    buf_deinit(&page);
}

/* Every parameter that redis-server 7.0.15 tells to CONFIG GET *, and those that 7.2 added. */
Test(server_configuration, every_parameter_of_redis_is_known)
{
    static const char *const NAMES[] = {
#include "redis_parameters.inc"
    };

    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        cr_assert_not_null(server_config_find(bytes_str(NAMES[i])), "%s", NAMES[i]);
}
