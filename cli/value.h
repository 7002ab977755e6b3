/*
 * value -- a reply of the server, in either version of the protocol, as a tree.
 *
 * Threads: one owner.
 */
#ifndef VARVE_CLI_VALUE_H
#define VARVE_CLI_VALUE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum cli_type {
    CLI_NULL,
    CLI_STATUS,
    CLI_ERROR,
    CLI_INTEGER,
    CLI_BIG_NUMBER,
    CLI_DOUBLE,
    CLI_BOOLEAN,
    CLI_BULK,
    CLI_VERBATIM,
    CLI_ARRAY,
    CLI_SET,
    CLI_PUSH,
    CLI_MAP, /* items are key, value, key, value ... */
};

struct cli_value {
    enum cli_type type;
    struct bytes text; /* Of all that is no container: as it came, without what frames it. */
    struct cli_value *items;
    size_t count;
};

/* Containers in containers. */
enum { CLI_DEPTH_MAX = 64 };

/* Where the bytes of replies come from. */
struct cli_source {
    /* A line without its end, or size bytes and the line end behind them; borrowed from the arena
     * that the reply is read to. */
    struct status (*line)(struct cli_source *s, struct arena *arena, struct bytes *out);
    struct status (*bytes)(struct cli_source *s, struct arena *arena, size_t size,
                           struct bytes *out);
};

/* Read a reply; attributes in front of it are skipped. CORRUPT: it is none. NO_MEMORY; and what the
 * source says. */
MUST_CHECK struct status cli_value_read(struct cli_source *s, struct arena *arena,
                                        struct cli_value *out);

/* The item behind this key of a map, or of an array of keys and values; NULL if there is none. */
const struct cli_value *cli_value_find(const struct cli_value *map, const char *key);

static inline bool cli_value_is_container(const struct cli_value *v)
{
    return v->type >= CLI_ARRAY;
}

#endif
