/*
 * Any bytes as a configuration file: taken or refused with words that say where, never a crash; and
 * what was taken stays tellable, and is what CONFIG REWRITE writes.
 */
#include "base/alloc.h"
#include "base/check.h"

#include "server/config.h"

static void read_back(const struct server_config *c)
{
    struct buf text;
    buf_init(&text, alloc_heap(), 1 << 20);
    for (const struct config_parameter *p = server_config_table(); p->name != NULL; p++) {
        buf_reset(&text);
        server_config_get(c, p, &text);
        CHECK(!text.is_failed);
    }
    buf_deinit(&text);
}

/* What CONFIG REWRITE makes of the file is taken, and says the same. */
static void rewrite(const struct server_config *c, struct bytes text)
{
    struct server_config again;
    struct errbuf err = { "" };
    struct buf fresh;

    buf_init(&fresh, alloc_heap(), SIZE_MAX);
    CHECK(succeeded(server_config_rewrite(c, text, &fresh)));
    CHECK(succeeded(server_config_init(&again, alloc_heap())));
    CHECK(succeeded(server_config_read_text(&again, NULL, "g.conf", buf_bytes(&fresh), &err)));
    for (const struct config_parameter *p = server_config_table(); p->name != NULL; p++)
        CHECK(server_config_is_same(c, &again, p));
    server_config_deinit(&again);
    buf_deinit(&fresh);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct server_config c;
    struct errbuf err = { "" };

    CHECK(succeeded(server_config_init(&c, alloc_heap())));
    struct status s = server_config_read_text(&c, NULL, "f.conf", bytes_of(data, size), &err);
    if (succeeded(s))
        rewrite(&c, bytes_of(data, size));
    if (succeeded(s))
        s = server_config_check(&c, &err);
    else
        CHECK(s.code == ST_INVALID || s.code == ST_NO_MEMORY || s.code == ST_LIMIT);
    CHECK(succeeded(s) || err.text[0] != '\0');
    read_back(&c);
    server_config_deinit(&c);
    return 0;
}
