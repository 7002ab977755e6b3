/* COMMAND: the command table, told to clients. */
#include "resp/cmd.h"

#include "resp/glob.h"
#include "resp/session.h"

#include <stdio.h>

struct status resp_reply_help(struct resp_call *call, const char *container,
                              const char *const *lines)
{
    struct resp_reply *r = call->reply;
    char text[128];
    size_t count = 0;

    while (lines[count] != NULL)
        count++;
    resp_reply_array(r, count + 3);
    (void)snprintf(text, sizeof text,
                   "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", container);
    resp_reply_status(r, text);
    for (size_t i = 0; i < count; i++)
        resp_reply_status(r, lines[i]);
    resp_reply_status(r, "HELP");
    resp_reply_status(r, "    Prints this help.");
    return status_ok();
}

/* ---- INFO ----------------------------------------------------------------------------------- */

/* The names of the bits of a word, from bit 0 up. */
static const char *const FLAG_NAMES[] = {
    "write", "readonly",     "denyoom", "admin",   "pubsub",           "noscript", "loading",
    "stale", "skip_slowlog", "fast",    "no_auth", "no_async_loading", "no_multi", "allow_busy"
};
static const char *const ACL_NAMES[] = { "@keyspace", "@read",      "@write",      "@string",
                                         "@bitmap",   "@pubsub",    "@admin",      "@fast",
                                         "@slow",     "@dangerous", "@connection", "@transaction",
                                         "@scripting" };
static const char *const KEY_FLAG_NAMES[] = {
    "RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "not_key", "variable_flags"
};
enum {
    FLAGS = sizeof FLAG_NAMES / sizeof FLAG_NAMES[0],
    ACLS = sizeof ACL_NAMES / sizeof ACL_NAMES[0],
    KEY_FLAGS = sizeof KEY_FLAG_NAMES / sizeof KEY_FLAG_NAMES[0],
};

static void reply_bits(struct resp_reply *r, uint32_t bits, const char *const *names, size_t count)
{
    bits &= (UINT32_C(1) << count) - 1;
    resp_reply_set(r, (size_t)__builtin_popcount(bits));
    for (size_t i = 0; i < count; i++) {
        if (bits >> i & 1)
            resp_reply_status(r, names[i]);
    }
}

static size_t count_tips(const struct resp_command *c)
{
    size_t count = 0;

    while (c->tips != NULL && c->tips[count] != NULL)
        count++;
    return count;
}

static size_t count_subcommands(const struct resp_command *c)
{
    size_t count = 0;

    while (c->subcommands != NULL && c->subcommands[count].name != NULL)
        count++;
    return count;
}

static void reply_pair_int(struct resp_reply *r, const char *name, int64_t value)
{
    resp_reply_bulk_str(r, name);
    resp_reply_int(r, value);
}

static void reply_pair_str(struct resp_reply *r, const char *name, const char *value)
{
    resp_reply_bulk_str(r, name);
    resp_reply_bulk_str(r, value);
}

static void reply_key_spec(struct resp_reply *r, const struct resp_key_spec *spec)
{
    resp_reply_map(r, 3);
    resp_reply_bulk_str(r, "flags");
    reply_bits(r, spec->flags, KEY_FLAG_NAMES, KEY_FLAGS);
    resp_reply_bulk_str(r, "begin_search");
    resp_reply_map(r, 2);
    reply_pair_str(r, "type", "index");
    resp_reply_bulk_str(r, "spec");
    resp_reply_map(r, 1);
    reply_pair_int(r, "index", spec->first);
    resp_reply_bulk_str(r, "find_keys");
    resp_reply_map(r, 2);
    reply_pair_str(r, "type", "range");
    resp_reply_bulk_str(r, "spec");
    resp_reply_map(r, 3);
    reply_pair_int(r, "lastkey", spec->last);
    reply_pair_int(r, "keystep", spec->step);
    reply_pair_int(r, "limit", 0);
}

/* All keys as one range, as clients older than specifications know it; zeroes for none. */
static struct resp_key_spec span_of(const struct resp_command *c)
{
    struct resp_key_spec span = { 0 };
    const struct resp_key_spec *k = resp_command_next_spec(c, NULL);

    if (k == NULL)
        return span;
    span = (struct resp_key_spec) { .first = k->first, .last = k->last, .step = k->step };
    span.last += k->last >= 0 ? k->first : 0;
    while ((k = resp_command_next_spec(c, k)) != NULL) {
        span.last = k->last >= 0 ? k->first + k->last : k->last;
        span.step = 1;
    }
    return span;
}

static void reply_info(struct resp_reply *r, const struct resp_command *c)
{
    struct resp_key_spec span = span_of(c);
    const struct resp_key_spec *k = NULL;
    size_t specs = 0;

    resp_reply_array(r, 10);
    resp_reply_bulk_str(r, c->name);
    resp_reply_int(r, c->arity);
    reply_bits(r, c->flags, FLAG_NAMES, FLAGS);
    resp_reply_int(r, span.first);
    resp_reply_int(r, span.last);
    resp_reply_int(r, span.step);
    reply_bits(r, resp_command_acl(c), ACL_NAMES, ACLS);
    size_t tips = count_tips(c);
    resp_reply_set(r, tips);
    for (size_t i = 0; i < tips; i++)
        resp_reply_bulk_str(r, c->tips[i]);
    while ((k = resp_command_next_spec(c, k)) != NULL)
        specs++;
    resp_reply_set(r, specs);
    while ((k = resp_command_next_spec(c, k)) != NULL)
        reply_key_spec(r, k);
    size_t subcommands = count_subcommands(c);
    resp_reply_set(r, subcommands);
    for (size_t i = 0; i < subcommands; i++)
        reply_info(r, &c->subcommands[i]);
}

struct status resp_cmd_command(struct resp_call *call)
{
    const struct resp_command *c;

    resp_reply_array(call->reply, call->resp->commands.count);
    for (size_t i = 0; (c = resp_command_at(i)) != NULL; i++)
        reply_info(call->reply, c);
    return status_ok();
}

struct status resp_cmd_command_info(struct resp_call *call)
{
    if (call->argc == 2)
        return resp_cmd_command(call);
    resp_reply_array(call->reply, call->argc - 2);
    for (size_t i = 2; i < call->argc; i++) {
        const struct resp_command *c = resp_command_find_full(&call->resp->commands, call->argv[i]);
        if (c == NULL)
            resp_reply_null(call->reply);
        else
            reply_info(call->reply, c);
    }
    return status_ok();
}

struct status resp_cmd_command_count(struct resp_call *call)
{
    resp_reply_int(call->reply, (int64_t)call->resp->commands.count);
    return status_ok();
}

/* ---- DOCS ----------------------------------------------------------------------------------- */

static const char *arg_type_name(enum resp_arg_type type)
{
    switch (type) {
    case RESP_ARG_STRING:
        return "string";
    case RESP_ARG_INTEGER:
        return "integer";
    case RESP_ARG_DOUBLE:
        return "double";
    case RESP_ARG_KEY:
        return "key";
    case RESP_ARG_PATTERN:
        return "pattern";
    case RESP_ARG_UNIX_TIME:
        return "unix-time";
    case RESP_ARG_PURE_TOKEN:
        return "pure-token";
    case RESP_ARG_ONEOF:
        return "oneof";
    case RESP_ARG_BLOCK:
        return "block";
    }
    return "unknown";
}

static void reply_args(struct resp_reply *r, const struct resp_command_arg *args);

static void reply_arg(struct resp_reply *r, const struct resp_command_arg *a)
{
    static const char *const NAMES[] = { "optional", "multiple", "multiple_token" };

    resp_reply_map(r, 2 + (a->type == RESP_ARG_KEY) + (a->token != NULL) + (a->since != NULL) +
                          (a->flags != 0) + (a->args != NULL));
    reply_pair_str(r, "name", a->name);
    reply_pair_str(r, "type", arg_type_name(a->type));
    if (a->type == RESP_ARG_KEY)
        reply_pair_int(r, "key_spec_index", a->key_spec);
    if (a->token != NULL)
        reply_pair_str(r, "token", a->token);
    if (a->since != NULL)
        reply_pair_str(r, "since", a->since);
    if (a->flags != 0) {
        resp_reply_bulk_str(r, "flags");
        reply_bits(r, a->flags, NAMES, sizeof NAMES / sizeof NAMES[0]);
    }
    if (a->args != NULL)
        reply_args(r, a->args);
}

static void reply_args(struct resp_reply *r, const struct resp_command_arg *args)
{
    size_t count = 0;

    while (args[count].name != NULL)
        count++;
    resp_reply_bulk_str(r, "arguments");
    resp_reply_array(r, count);
    for (size_t i = 0; i < count; i++)
        reply_arg(r, &args[i]);
}

/* The name, and the map that describes the command. */
static void reply_docs(struct resp_reply *r, const struct resp_command *c)
{
    bool is_deprecated = c->deprecated_since != NULL;
    size_t subcommands = count_subcommands(c);

    resp_reply_bulk_str(r, c->name);
    resp_reply_map(r, 4 + (size_t)(is_deprecated ? 3 : 0) + (c->args != NULL) + (subcommands > 0));
    reply_pair_str(r, "summary", c->summary);
    reply_pair_str(r, "since", c->since);
    reply_pair_str(r, "group", c->group);
    reply_pair_str(r, "complexity", c->complexity);
    if (is_deprecated) {
        resp_reply_bulk_str(r, "doc_flags");
        resp_reply_set(r, 1);
        resp_reply_status(r, "deprecated");
        reply_pair_str(r, "deprecated_since", c->deprecated_since);
        reply_pair_str(r, "replaced_by", c->replaced_by);
    }
    if (c->args != NULL)
        reply_args(r, c->args);
    if (subcommands > 0) {
        resp_reply_bulk_str(r, "subcommands");
        resp_reply_map(r, subcommands);
        for (size_t i = 0; i < subcommands; i++)
            reply_docs(r, &c->subcommands[i]);
    }
}

struct status resp_cmd_command_docs(struct resp_call *call)
{
    struct resp_reply *r = call->reply;
    struct resp_mark start = resp_reply_mark(r);
    size_t count = 0;

    if (call->argc == 2) {
        resp_reply_map(r, call->resp->commands.count);
        const struct resp_command *c;
        for (size_t i = 0; (c = resp_command_at(i)) != NULL; i++)
            reply_docs(r, c);
        return status_ok();
    }
    for (size_t i = 2; i < call->argc; i++) {
        const struct resp_command *c = resp_command_find_full(&call->resp->commands, call->argv[i]);
        if (c == NULL)
            continue;
        reply_docs(r, c);
        count++;
    }
    resp_reply_map_at(r, start, count);
    return status_ok();
}

/* ---- GETKEYS -------------------------------------------------------------------------------- */

/* Shard channels are no keys, though they lie with slots as keys do. */
static bool has_keys(const struct resp_command *c)
{
    const struct resp_key_spec *spec = NULL;

    while (c->keys != NULL && (spec = resp_command_next_spec(c, spec)) != NULL) {
        if (!(spec->flags & RESP_KEY_NOT_KEY))
            return true;
    }
    return false;
}

/* What the request that the arguments from 2 on are would call; NULL, and the error is replied. */
static const struct resp_command *take_request(struct resp_call *call)
{
    const struct bytes *argv = call->argv + 2;
    size_t argc = call->argc - 2;
    const struct resp_command *c = resp_command_find(&call->resp->commands, argv[0]);

    if (c != NULL && c->subcommands != NULL && argc > 1)
        c = resp_command_find_sub(c, argv[1]);
    if (c == NULL)
        status_ignore(resp_fail(call, "ERR Invalid command specified"), "it is replied");
    else if (!has_keys(c))
        status_ignore(resp_fail(call, "ERR The command has no key arguments"), "it is replied");
    else if (c->arity >= 0 ? argc != (size_t)c->arity : argc < (size_t)-c->arity)
        status_ignore(resp_fail(call, "ERR Invalid number of arguments specified for command"),
                      "it is replied");
    else
        return c;
    return NULL;
}

static bool has_word(const struct resp_call *call, size_t from, const char *word)
{
    for (size_t i = from; i < call->argc; i++) {
        if (resp_call_is(call, i, word))
            return true;
    }
    return false;
}

/* What the request does to the keys of the specification: for some it depends on other words. */
static uint32_t flags_of(const struct resp_call *call, const struct resp_command *c,
                         const struct resp_key_spec *spec)
{
    const size_t options = 5; /* Behind COMMAND GETKEYSANDFLAGS SET key value. */

    if (!(spec->flags & RESP_KEY_VARIABLE_FLAGS))
        return spec->flags;
    if (resp_text_is(bytes_str(c->name), "set"))
        return has_word(call, options, "get") ? RESP_KEY_RW | RESP_KEY_ACCESS | RESP_KEY_UPDATE
                                              : RESP_KEY_OW | RESP_KEY_UPDATE;
    if (resp_text_is(bytes_str(c->name), "bitfield") && !has_word(call, 4, "set") &&
        !has_word(call, 4, "incrby"))
        return RESP_KEY_RO | RESP_KEY_ACCESS;
    return spec->flags & ~(uint32_t)RESP_KEY_VARIABLE_FLAGS;
}

static struct status reply_keys(struct resp_call *call, bool with_flags)
{
    const struct resp_command *c = take_request(call);
    const struct resp_key_spec *spec = NULL;
    struct resp_mark start = resp_reply_mark(call->reply);
    size_t count = 0;

    if (c == NULL)
        return status_ok();
    while ((spec = resp_command_next_spec(c, spec)) != NULL) {
        struct resp_key_range range = resp_command_keys(spec, call->argc - 2);
        for (size_t i = range.first; i < range.end; i += range.step, count++) {
            if (with_flags)
                resp_reply_array(call->reply, 2);
            resp_reply_bulk(call->reply, call->argv[2 + i]);
            if (with_flags)
                reply_bits(call->reply, flags_of(call, c, spec), KEY_FLAG_NAMES, KEY_FLAGS);
        }
    }
    resp_reply_array_at(call->reply, start, count);
    return status_ok();
}

struct status resp_cmd_command_getkeys(struct resp_call *call)
{
    return reply_keys(call, false);
}

struct status resp_cmd_command_getkeysandflags(struct resp_call *call)
{
    return reply_keys(call, true);
}

/* ---- LIST ----------------------------------------------------------------------------------- */

enum filter_kind { FILTER_NONE, FILTER_MODULE, FILTER_CATEGORY, FILTER_PATTERN };

struct filter {
    enum filter_kind kind;
    struct bytes text;
};

static bool is_let_through(const struct filter *f, const struct resp_command *c)
{
    switch (f->kind) {
    case FILTER_NONE:
        return true;
    case FILTER_MODULE:
        return false;
    case FILTER_CATEGORY:
        for (size_t i = 0; i < ACLS; i++) {
            if (resp_command_acl(c) >> i & 1 && resp_text_is(f->text, ACL_NAMES[i] + 1))
                return true;
        }
        return false;
    case FILTER_PATTERN:
        return resp_glob_match(f->text, bytes_str(c->name), true);
    }
    return false;
}

/* List the command and its subcommands, as far as they are let through; answers how many are. */
static size_t list(struct resp_reply *r, const struct filter *f, const struct resp_command *c)
{
    size_t count = 0;

    if (is_let_through(f, c)) {
        resp_reply_bulk_str(r, c->name);
        count++;
    }
    for (const struct resp_command *s = c->subcommands; s != NULL && s->name != NULL; s++)
        count += list(r, f, s);
    return count;
}

struct status resp_cmd_command_list(struct resp_call *call)
{
    struct filter f = { 0 };
    struct resp_mark start = resp_reply_mark(call->reply);

    if (call->argc == 5 && resp_call_is(call, 2, "filterby")) {
        f.text = call->argv[4];
        if (resp_call_is(call, 3, "module"))
            f.kind = FILTER_MODULE;
        else if (resp_call_is(call, 3, "aclcat"))
            f.kind = FILTER_CATEGORY;
        else if (resp_call_is(call, 3, "pattern"))
            f.kind = FILTER_PATTERN;
        else
            return resp_fail_syntax(call);
    } else if (call->argc != 2) {
        return resp_fail_syntax(call);
    }
    const struct resp_command *c;
    size_t count = 0;
    for (size_t i = 0; (c = resp_command_at(i)) != NULL; i++)
        count += list(call->reply, &f, c);
    resp_reply_array_at(call->reply, start, count);
    return status_ok();
}

struct status resp_cmd_command_help(struct resp_call *call)
{
    static const char *const LINES[] = {
        "(no subcommand)",
        "    What there is to know about every command, as programs want it.",
        "COUNT",
        "    The number of commands.",
        "DOCS [<command-name> ...]",
        "    What commands are for and which arguments they take, as people want it.",
        "    All commands, if none is named.",
        "GETKEYS <full-command>",
        "    The keys of a request.",
        "GETKEYSANDFLAGS <full-command>",
        "    The keys of a request, and what it does to them.",
        "INFO [<command-name> ...]",
        "    As without a subcommand, for the named commands.",
        "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
        "    The names of all commands, or of those that pass the filter.",
        NULL,
    };

    return resp_reply_help(call, "COMMAND", LINES);
}
