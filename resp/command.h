/*
 * command -- the one table of commands, as data.
 *
 * What a command is called, how many arguments it takes, which of them are keys, what it does to
 * them, and how it is described to people, is said once, in table_*.c: a file a group. Dispatch,
 * arity errors, key extraction, COMMAND INFO, DOCS, LIST and COUNT all read it there.
 *
 * Invariants (checked by tests/resp/command_table_test.c):
 *   1. Names are lower case; a subcommand's is "container|word".
 *   2. arity counts the name: n is exactly n, -n at least n.
 *   3. A command is READONLY, WRITE or neither, and only one that is either has keys or a
 *      database to itself.
 *
 * Threads: any; constants, and an index that is written once.
 */
#ifndef VARVE_RESP_COMMAND_H
#define VARVE_RESP_COMMAND_H

#include "base/bytes.h"

#include "resp/call.h"
#include "resp/reply.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order COMMAND INFO lists them; the names are in cmd_command.c. */
enum resp_command_flag {
    RESP_CMD_WRITE = 1 << 0,
    RESP_CMD_READONLY = 1 << 1,
    RESP_CMD_DENYOOM = 1 << 2, /* Makes data grow. */
    RESP_CMD_ADMIN = 1 << 3,   /* MONITOR does not show it. */
    RESP_CMD_PUBSUB = 1 << 4,
    RESP_CMD_NOSCRIPT = 1 << 5,
    RESP_CMD_LOADING = 1 << 6, /* Also before the store is open. */
    RESP_CMD_STALE = 1 << 7,
    RESP_CMD_SKIP_SLOWLOG = 1 << 8,
    RESP_CMD_FAST = 1 << 9,
    RESP_CMD_NO_AUTH = 1 << 10, /* Also before authentication. */
    RESP_CMD_NO_ASYNC_LOADING = 1 << 11,
    RESP_CMD_NO_MULTI = 1 << 12,
    RESP_CMD_ALLOW_BUSY = 1 << 13,
    /* Not listed: */
    RESP_CMD_IN_MULTI = 1 << 14,   /* Runs at once, not queued, within MULTI. */
    RESP_CMD_IN_PUBSUB = 1 << 15,  /* Also for subscribers, in version 2. */
    RESP_CMD_LIKE_WRITE = 1 << 16, /* Waits while writes are paused. */
    RESP_CMD_PROTECTED = 1 << 17,  /* For those only whom the host lets debug. */
};

/* Categories of access control that the flags do not imply already; order as listed. */
enum resp_acl_category {
    RESP_ACL_KEYSPACE = 1 << 0,
    RESP_ACL_READ = 1 << 1,
    RESP_ACL_WRITE = 1 << 2,
    RESP_ACL_STRING = 1 << 3,
    RESP_ACL_BITMAP = 1 << 4,
    RESP_ACL_PUBSUB = 1 << 5,
    RESP_ACL_ADMIN = 1 << 6,
    RESP_ACL_FAST = 1 << 7,
    RESP_ACL_SLOW = 1 << 8,
    RESP_ACL_DANGEROUS = 1 << 9,
    RESP_ACL_CONNECTION = 1 << 10,
    RESP_ACL_TRANSACTION = 1 << 11,
    RESP_ACL_SCRIPTING = 1 << 12,
};

/* What a command does with the keys of a specification; order as listed. */
enum resp_key_flag {
    RESP_KEY_RO = 1 << 0, /* Reads the value, or facts about it. */
    RESP_KEY_RW = 1 << 1, /* Reads and changes it. */
    RESP_KEY_OW = 1 << 2, /* Replaces it unread. */
    RESP_KEY_RM = 1 << 3, /* Removes it. */
    RESP_KEY_ACCESS = 1 << 4,
    RESP_KEY_UPDATE = 1 << 5,
    RESP_KEY_INSERT = 1 << 6,
    RESP_KEY_DELETE = 1 << 7,
    RESP_KEY_NOT_KEY = 1 << 8, /* It only lies with a slot as keys do. */
    RESP_KEY_VARIABLE_FLAGS = 1 << 9,
};

/* Where a command has keys: one specification for each way it treats them. Lists end with one whose
 * first is 0. The keys are arguments first, first + step ... up to last: relative to first if >= 0,
 * counted from the end (-1 is the last argument) if negative. */
struct resp_key_spec {
    uint32_t flags;
    int first;
    int last;
    int step;
};

enum resp_arg_type {
    RESP_ARG_STRING,
    RESP_ARG_INTEGER,
    RESP_ARG_DOUBLE,
    RESP_ARG_KEY,
    RESP_ARG_PATTERN,
    RESP_ARG_UNIX_TIME,
    RESP_ARG_PURE_TOKEN,
    RESP_ARG_ONEOF,
    RESP_ARG_BLOCK,
};

enum resp_arg_flag {
    RESP_ARG_OPTIONAL = 1 << 0,
    RESP_ARG_MULTIPLE = 1 << 1,
    RESP_ARG_MULTIPLE_TOKEN = 1 << 2, /* The token is repeated with it. */
};

/* An argument as COMMAND DOCS tells it. Lists of arguments end with one without a name. */
struct resp_command_arg {
    const char *name;
    enum resp_arg_type type;
    uint32_t flags;
    const char *token; /* May be NULL, as all below. */
    const char *since;
    int key_spec;                        /* Of a KEY: which specification finds it. */
    const struct resp_command_arg *args; /* Of ONEOF and BLOCK. */
};

struct resp_command {
    const char *name;
    int arity;
    uint32_t flags;
    uint32_t acl;
    const struct resp_key_spec *keys; /* NULL: none. */
    const char *const *tips;          /* NULL, or ended by NULL. */
    const char *summary;
    const char *since;
    const char *group;
    const char *complexity;
    const char *deprecated_since;
    const char *replaced_by;
    const struct resp_command_arg *args;
    const struct resp_command *subcommands; /* NULL, or ended by one without a name. */
    resp_command_fn *run;                   /* NULL for a container that does nothing itself. */
};

/* Commands of one group, as COMMAND DOCS names it. */
struct resp_command_group {
    const struct resp_command *commands;
    size_t count;
};

/* The command at place i of the table, group after group; NULL past the last one. */
const struct resp_command *resp_command_at(size_t i);

/* All categories: those of the table and those its flags imply. */
uint32_t resp_command_acl(const struct resp_command *c);

enum { RESP_COMMAND_SLOTS = 512 };

/* Names to commands. */
struct resp_command_index {
    struct {
        uint8_t group;     /* 1 + that of the group; 0 is free. */
        uint8_t command;   /* Place in it. */
        uint8_t name_size; /* Of its name: most that are not it differ here. */
    } slots[RESP_COMMAND_SLOTS];
    size_t count;
};

void resp_command_index_init(struct resp_command_index *index);

/* The command of the table called name, in any case of letters; NULL if there is none. */
const struct resp_command *resp_command_find(const struct resp_command_index *index,
                                             struct bytes name);

/* The subcommand of container that word names, likewise. */
const struct resp_command *resp_command_find_sub(const struct resp_command *container,
                                                 struct bytes word);

/* "config" and "config|get" both. */
const struct resp_command *resp_command_find_full(const struct resp_command_index *index,
                                                  struct bytes name);

/* The command that argv names: a subcommand where there are some and it says more than the
 * container. NULL: none. */
const struct resp_command *resp_command_lookup(const struct resp_command_index *index,
                                               const struct bytes *argv, size_t argc);
/* Is c, which lookup gave for argv, a command that may have so many words? If not, why is replied.
 */
bool resp_command_may_be_called(const struct resp_command *c,
                                const struct resp_command_index *index, const struct bytes *argv,
                                size_t argc, struct resp_reply *reply);

/* Places of a request's keys: first, first + step ... < end. */
struct resp_key_range {
    size_t first;
    size_t end;
    size_t step;
};

/* The keys that spec finds in a request of argc arguments, whose number is right. */
struct resp_key_range resp_command_keys(const struct resp_key_spec *spec, size_t argc);
/* The specification after spec, NULL after the last; of c the first, or NULL, if spec is NULL. */
const struct resp_key_spec *resp_command_next_spec(const struct resp_command *c,
                                                   const struct resp_key_spec *spec);

/* "wrong number of arguments for 'get' command". */
void resp_command_reply_arity_error(const struct resp_command *c, struct resp_reply *reply);

#endif
