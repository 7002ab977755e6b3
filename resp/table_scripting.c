/* The command table: scripting. */
#include "resp/table.h"

#define FLUSH_ARGS                                                                                 \
    ARGS(ARG("async", ONEOF, .flags = OPTIONAL,                                                    \
             .args = ARGS(TOKEN("async", "ASYNC"), TOKEN("sync", "SYNC"))))

static const struct resp_command FUNCTION_SUBCOMMANDS[] = {
    {
        .name = "function|flush",
        .arity = -2,
        .flags = WRITE | NOSCRIPT,
        .acl = SCRIPTING,
        .tips = TIPS("request_policy:all_shards", "response_policy:all_succeeded"),
        DOC("scripting", "7.0.0", "O(1)", "Forgets all functions: there are none."),
        .args = FLUSH_ARGS,
        .run = resp_cmd_function_flush,
    },
    { 0 },
};

static const struct resp_command SCRIPT_SUBCOMMANDS[] = {
    {
        .name = "script|flush",
        .arity = -2,
        .flags = NOSCRIPT,
        .acl = SCRIPTING,
        .tips = TIPS("request_policy:all_nodes", "response_policy:all_succeeded"),
        DOC("scripting", "2.6.0", "O(1)", "Forgets all scripts: there are none."),
        .args = FLUSH_ARGS,
        .run = resp_cmd_script_flush,
    },
    { 0 },
};

static const struct resp_command COMMANDS[] = {
    {
        .name = "function",
        .arity = -2,
        .flags = 0,
        DOC("scripting", "7.0.0", "Depends on the subcommand.",
            "Holds the commands about functions."),
        .subcommands = FUNCTION_SUBCOMMANDS,
    },
    {
        .name = "script",
        .arity = -2,
        .flags = 0,
        DOC("scripting", "2.6.0", "Depends on the subcommand.",
            "Holds the commands about scripts."),
        .subcommands = SCRIPT_SUBCOMMANDS,
    },
};

const struct resp_command_group RESP_GROUP_SCRIPTING = GROUP(COMMANDS);
