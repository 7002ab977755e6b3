/* CONFIG: the host's parameters. */
#include "resp/cmd.h"

#include "resp/glob.h"
#include "resp/session.h"

static bool is_pattern(struct bytes text)
{
    return memchr(text.data, '*', text.size) != NULL || memchr(text.data, '?', text.size) != NULL ||
           memchr(text.data, '[', text.size) != NULL;
}

struct parameter {
    struct bytes name;
    bool is_hidden;     /* From patterns. */
    struct bytes asked; /* The first argument that names or matches it; data NULL: none. */
};

static struct status list_parameters(struct resp_call *call, struct parameter **out,
                                     size_t *out_count)
{
    struct resp_host *host = call->resp->options.host;
    const char *name;
    unsigned flags;
    size_t count = 0;

    while (host->ops->config_get(host, count, &flags, NULL) != NULL)
        count++;
    struct parameter *list = arena_take(call->arena, count * sizeof *list);
    if (list == NULL)
        return status_of(ST_NO_MEMORY);
    for (size_t i = 0; (name = host->ops->config_get(host, i, &flags, NULL)) != NULL; i++)
        list[i] = (struct parameter) { .name = bytes_str(name),
                                       .is_hidden = (flags & RESP_CONFIG_HIDDEN) != 0 };
    *out = list;
    *out_count = count;
    return status_ok();
}

/* A client may send a million arguments; what passes over all of them here is a few hundred names,
 * not the other way round. */
static void ask_for(struct bytes argument, struct parameter *list, size_t count)
{
    bool has_pattern = is_pattern(argument);

    for (struct parameter *p = list; p < list + count; p++) {
        bool is_meant = has_pattern ? p->asked.data == NULL && !p->is_hidden &&
                                          resp_glob_match(argument, p->name, true)
                                    : resp_text_equal(argument, p->name);
        if (is_meant && p->asked.data == NULL)
            p->asked = argument;
        if (is_meant && !has_pattern)
            return;
    }
}

struct status resp_cmd_config_get(struct resp_call *call)
{
    struct resp_host *host = call->resp->options.host;
    struct parameter *list;
    struct buf value;
    unsigned flags;
    size_t count;
    size_t pairs = 0;

    TRY(list_parameters(call, &list, &count));
    for (size_t i = 2; i < call->argc; i++)
        ask_for(call->argv[i], list, count);
    struct resp_mark start = resp_reply_mark(call->reply);
    buf_init(&value, call->resp->options.alloc, call->resp->options.iteration_max_bytes);
    for (size_t i = 0; i < count; i++) {
        if (list[i].asked.data == NULL)
            continue;
        /* A parameter that was named is called as it was named. */
        bool is_named = !is_pattern(list[i].asked);
        (void)host->ops->config_get(host, i, &flags, &value);
        resp_reply_bulk(call->reply, is_named ? list[i].asked : list[i].name);
        resp_reply_bulk(call->reply, buf_bytes(&value));
        buf_reset(&value);
        pairs++;
    }
    buf_deinit(&value);
    resp_reply_map_at(call->reply, start, pairs);
    return status_ok();
}

static struct status fail_config(struct resp_call *call, const struct resp_config_pair *pair,
                                 const char *why)
{
    resp_reply_error(call->reply,
                     "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s",
                     (int)pair->name.size, (const char *)pair->name.data, why);
    return status_ok();
}

/* What is set may be nobody's business. */
static void redact_secrets(struct resp_call *call)
{
    struct resp_host *host = call->resp->options.host;
    const char *name;
    unsigned flags;

    for (size_t i = 0; (name = host->ops->config_get(host, i, &flags, NULL)) != NULL; i++) {
        for (size_t j = 2; flags & RESP_CONFIG_SECRET && j + 1 < call->argc; j += 2) {
            if (resp_call_is(call, j, name))
                resp_call_redact(call, j + 1);
        }
    }
}

struct status resp_cmd_config_set(struct resp_call *call)
{
    struct resp_host *host = call->resp->options.host;
    size_t count = (call->argc - 2) / 2;
    struct errbuf why;
    size_t bad = 0;

    redact_secrets(call);
    if (call->argc % 2 != 0)
        return resp_fail_syntax(call);
    struct resp_config_pair *pairs = arena_take(call->arena, count * sizeof *pairs);
    if (pairs == NULL)
        return status_of(ST_NO_MEMORY);
    for (size_t i = 0; i < count; i++)
        pairs[i] = (struct resp_config_pair) { .name = call->argv[2 + 2 * i],
                                               .value = call->argv[3 + 2 * i] };
    struct status s = host->ops->config_set(host, call->session, pairs, count, &bad, &why);
    if (s.code == ST_NOT_FOUND)
        resp_reply_error(call->reply,
                         "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                         (int)pairs[bad].name.size, (const char *)pairs[bad].name.data);
    else if (failed(s))
        return fail_config(call, &pairs[bad], why.text);
    else
        resp_reply_ok(call->reply);
    return status_ok();
}

struct status resp_cmd_config_resetstat(struct resp_call *call)
{
    struct resp_host *host = call->resp->options.host;

    resp_reset_stats(call->resp);
    host->ops->reset_stats(host);
    resp_reply_ok(call->reply);
    return status_ok();
}

struct status resp_cmd_config_rewrite(struct resp_call *call)
{
    struct resp_host *host = call->resp->options.host;
    struct errbuf why = { "" };
    struct status s = host->ops->config_rewrite(host, &why);

    if (s.code == ST_NOT_FOUND)
        return resp_fail(call, "ERR The server is running without a config file");
    if (failed(s))
        resp_reply_error(call->reply, "ERR Rewriting config file: %s", why.text);
    else
        resp_reply_ok(call->reply);
    return status_ok();
}

struct status resp_cmd_config_help(struct resp_call *call)
{
    static const char *const LINES[] = {
        "GET <pattern> [<pattern> ...]",
        "    The parameters that match a pattern, and their values.",
        "SET <parameter> <value> [<parameter> <value> ...]",
        "    Set parameters, all or none.",
        "RESETSTAT",
        "    Begin the counters of INFO anew.",
        "REWRITE",
        "    Write what is set into the configuration file.",
        NULL,
    };

    return resp_reply_help(call, "CONFIG", LINES);
}
