/* The command table: transactions. */
#include "resp/table.h"

static const struct resp_command COMMANDS[] = {
    {
        .name = "multi",
        .arity = 1,
        .flags = NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY | IN_MULTI,
        .acl = TRANSACTION,
        DOC("transactions", "1.2.0", "O(1)",
            "Begins a transaction: commands are queued until EXEC."),
        .run = resp_cmd_multi,
    },
    {
        .name = "exec",
        .arity = 1,
        .flags = NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG | IN_MULTI,
        .acl = TRANSACTION,
        DOC("transactions", "1.2.0", "Depends on the queued commands.",
            "Runs the queued commands, all at one moment."),
        .run = resp_cmd_exec,
    },
    {
        .name = "discard",
        .arity = 1,
        .flags = NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY | IN_MULTI,
        .acl = TRANSACTION,
        DOC("transactions", "2.0.0", "O(N), N queued commands", "Drops the queued commands."),
        .run = resp_cmd_discard,
    },
    {
        .name = "watch",
        .arity = -2,
        .flags = NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY | IN_MULTI,
        .acl = TRANSACTION,
        .keys = ALL_KEYS(RESP_KEY_RO),
        DOC("transactions", "2.2.0", "O(N), N keys",
            "Makes EXEC do nothing if a key changes before it."),
        .args = ARGS(ARG("key", KEY, .flags = MULTIPLE)),
        .run = resp_cmd_watch,
    },
    {
        .name = "unwatch",
        .arity = 1,
        .flags = NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY,
        .acl = TRANSACTION,
        DOC("transactions", "2.2.0", "O(1)", "Forgets the watched keys."),
        .run = resp_cmd_unwatch,
    },
};

const struct resp_command_group RESP_GROUP_TRANSACTIONS = GROUP(COMMANDS);
