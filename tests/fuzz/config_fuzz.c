/*
 * Any bytes as a configuration file: taken or refused with words that say where, never a crash; and
 * what was taken stays tellable.
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct server_config c;
    struct errbuf err = { "" };

    CHECK(succeeded(server_config_init(&c, alloc_heap())));
    struct status s = server_config_read_text(&c, NULL, "f.conf", bytes_of(data, size), &err);
    if (succeeded(s))
        s = server_config_check(&c, &err);
    else
        CHECK(s.code == ST_INVALID || s.code == ST_NO_MEMORY || s.code == ST_LIMIT);
    CHECK(succeeded(s) || err.text[0] != '\0');
    read_back(&c);
    server_config_deinit(&c);
    return 0;
}
