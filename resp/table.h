/*
 * table -- the words the command table is written in: for table_*.c, one file a group, and
 * command.c, which puts the groups together.
 */
#ifndef VARVE_RESP_TABLE_H
#define VARVE_RESP_TABLE_H

#include "resp/cmd.h"
#include "resp/command.h"

extern const struct resp_command_group RESP_GROUP_BITMAP, RESP_GROUP_CONNECTION, RESP_GROUP_GENERIC,
    RESP_GROUP_PUBSUB, RESP_GROUP_SCRIPTING, RESP_GROUP_SERVER, RESP_GROUP_STRING,
    RESP_GROUP_TRANSACTIONS;

#define GROUP(commands)                                                                            \
    {                                                                                              \
        (commands), sizeof(commands) / sizeof(commands)[0]                                         \
    }

#define WRITE RESP_CMD_WRITE
#define READONLY RESP_CMD_READONLY
#define DENYOOM RESP_CMD_DENYOOM
#define ADMIN RESP_CMD_ADMIN
#define PUBSUB RESP_CMD_PUBSUB
#define NOSCRIPT RESP_CMD_NOSCRIPT
#define LOADING RESP_CMD_LOADING
#define STALE RESP_CMD_STALE
#define SKIP_SLOWLOG RESP_CMD_SKIP_SLOWLOG
#define FAST RESP_CMD_FAST
#define NO_AUTH RESP_CMD_NO_AUTH
#define NO_ASYNC_LOADING RESP_CMD_NO_ASYNC_LOADING
#define NO_MULTI RESP_CMD_NO_MULTI
#define ALLOW_BUSY RESP_CMD_ALLOW_BUSY
#define IN_MULTI RESP_CMD_IN_MULTI
#define IN_PUBSUB RESP_CMD_IN_PUBSUB
#define LIKE_WRITE RESP_CMD_LIKE_WRITE
#define PROTECTED RESP_CMD_PROTECTED
#define KEYSPACE RESP_ACL_KEYSPACE
#define STRING RESP_ACL_STRING
#define BITMAP RESP_ACL_BITMAP
#define MESSAGES RESP_ACL_PUBSUB
#define DANGEROUS RESP_ACL_DANGEROUS
#define CONNECTION RESP_ACL_CONNECTION
#define TRANSACTION RESP_ACL_TRANSACTION
#define SCRIPTING RESP_ACL_SCRIPTING

/* Which arguments are keys: the first; all; every second one. */
#define KEY_SPECS(...) ((const struct resp_key_spec[]) { __VA_ARGS__, { 0 } })
#define SPEC(...)                                                                                  \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define ONE_KEY(flags) KEY_SPECS(SPEC(flags, 1, 0, 1))
#define ALL_KEYS(flags) KEY_SPECS(SPEC(flags, 1, -1, 1))
#define KEYS_AND_VALUES(flags) KEY_SPECS(SPEC(flags, 1, -1, 2))

#define TIPS(...) ((const char *const[]) { __VA_ARGS__, NULL })
#define DOC(group_, since_, complexity_, summary_)                                                 \
    .group = (group_), .since = (since_), .complexity = (complexity_), .summary = (summary_)

#define ARGS(...) ((const struct resp_command_arg[]) { __VA_ARGS__, { 0 } })
#define ARG(name_, type_, ...)                                                                     \
    {                                                                                              \
        .name = (name_), .type = RESP_ARG_##type_, __VA_ARGS__                                     \
    }
#define TOKEN(name_, token_) ARG(name_, PURE_TOKEN, .token = (token_))
#define OPTIONAL RESP_ARG_OPTIONAL
#define MULTIPLE RESP_ARG_MULTIPLE

#endif
