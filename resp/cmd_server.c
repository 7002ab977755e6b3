#include "resp/cmd.h"

#include "resp/glob.h"
#include "resp/number.h"
#include "resp/session.h"

struct status resp_cmd_time(struct resp_call *call)
{
    uint64_t us = call->store->ops->wall_us(call->store);
    char text[RESP_INT_MAX_CHARS];

    resp_reply_array(call->reply, 2);
    resp_reply_bulk(call->reply, bytes_of(text, resp_unsigned_format(us / 1000000, text)));
    resp_reply_bulk(call->reply, bytes_of(text, resp_unsigned_format(us % 1000000, text)));
    return status_ok();
}

/* ---- FLUSHDB, FLUSHALL ---------------------------------------------------------------------- */

/* "[ASYNC|SYNC]": the same here, as memory is given back in the background either way. */
static bool has_flush_words(const struct resp_call *call)
{
    return call->argc == 1 ||
           (call->argc == 2 && (resp_call_is(call, 1, "async") || resp_call_is(call, 1, "sync")));
}

static struct status flush(struct resp_call *call, uint32_t number)
{
    struct store *store = call->store;
    uint64_t keys;
    uint64_t expires;

    store->ops->counts(store, store->ops->database_id(store, number), &keys, &expires);
    return keys == 0 ? status_ok() : store->ops->database_clear(store, number);
}

struct status resp_cmd_flushdb(struct resp_call *call)
{
    if (!has_flush_words(call))
        return resp_fail_syntax(call);
    TRY(flush(call, call->session->identity.database));
    resp_reply_ok(call->reply);
    return status_ok();
}

struct status resp_cmd_flushall(struct resp_call *call)
{
    uint32_t count = call->store->ops->database_count(call->store);

    if (!has_flush_words(call))
        return resp_fail_syntax(call);
    for (uint32_t number = 0; number < count; number++)
        TRY(flush(call, number));
    resp_reply_ok(call->reply);
    return status_ok();
}

/* ---- INFO ----------------------------------------------------------------------------------- */

/* The sections Redis has that are told here, in its order. The host's own come before the
 * keyspace. */
static const char *const SECTIONS[] = { "Server", "Clients",     "Memory", "Persistence",
                                        "Stats",  "Replication", "CPU",    "Cluster" };

/* Does INFO with these arguments tell of the section? */
static bool is_section_wanted(const struct resp_call *call, const char *title)
{
    for (size_t i = 1; i < call->argc; i++) {
        if (resp_call_is(call, i, title) || resp_call_is(call, i, "default") ||
            resp_call_is(call, i, "all") || resp_call_is(call, i, "everything"))
            return true;
    }
    return call->argc == 1;
}

static void begin_section(struct buf *out, const char *title)
{
    buf_append_format(out, "%s# %s\r\n", out->size == 0 ? "" : "\r\n", title);
}

static void append_section(struct resp_call *call, const char *title, struct buf *out)
{
    struct resp_host *host = call->resp->options.host;

    if (!is_section_wanted(call, title))
        return;
    begin_section(out, title);
    host->ops->info(host, title, out);
}

static void append_keyspace(struct resp_call *call, struct buf *out)
{
    struct store *store = call->store;
    uint32_t count = store->ops->database_count(store);

    begin_section(out, "Keyspace");
    for (uint32_t number = 0; number < count; number++) {
        uint64_t keys;
        uint64_t expires;
        store->ops->counts(store, store->ops->database_id(store, number), &keys, &expires);
        if (keys > 0)
            buf_append_format(out, "db%u:keys=%llu,expires=%llu,avg_ttl=0\r\n", (unsigned)number,
                              (unsigned long long)keys, (unsigned long long)expires);
    }
}

struct status resp_cmd_info(struct resp_call *call)
{
    struct resp_host *host = call->resp->options.host;
    const char *title;
    struct buf text;

    buf_init(&text, call->resp->options.alloc, call->resp->options.iteration_max_bytes);
    for (size_t i = 0; i < sizeof SECTIONS / sizeof SECTIONS[0]; i++)
        append_section(call, SECTIONS[i], &text);
    for (size_t i = 0; (title = host->ops->info_section(host, i)) != NULL; i++)
        append_section(call, title, &text);
    if (is_section_wanted(call, "Keyspace"))
        append_keyspace(call, &text);
    struct status s = text.is_failed ? status_of(ST_NO_MEMORY) : status_ok();
    if (succeeded(s))
        resp_reply_verbatim(call->reply, "txt", buf_bytes(&text));
    buf_deinit(&text);
    return s;
}

/* ---- CONFIG --------------------------------------------------------------------------------- */

static bool is_pattern(struct bytes text)
{
    return memchr(text.data, '*', text.size) != NULL || memchr(text.data, '?', text.size) != NULL ||
           memchr(text.data, '[', text.size) != NULL;
}

/* The first of CONFIG GET's arguments that names or matches the parameter; data NULL: none. */
static struct bytes matching_argument(const struct resp_call *call, const char *name)
{
    for (size_t i = 2; i < call->argc; i++) {
        if (resp_glob_match(call->argv[i], bytes_str(name), true))
            return call->argv[i];
    }
    return bytes_of(NULL, 0);
}

struct status resp_cmd_config_get(struct resp_call *call)
{
    struct resp_host *host = call->resp->options.host;
    struct resp_mark start = resp_reply_mark(call->reply);
    struct buf value;
    const char *name;
    size_t pairs = 0;

    buf_init(&value, call->resp->options.alloc, call->resp->options.iteration_max_bytes);
    for (size_t i = 0; (name = host->ops->config_get(host, i, &value)) != NULL; i++) {
        struct bytes argument = matching_argument(call, name);
        if (argument.data != NULL) {
            /* A parameter that was named is called as it was named. */
            resp_reply_bulk(call->reply, is_pattern(argument) ? bytes_str(name) : argument);
            resp_reply_bulk(call->reply, buf_bytes(&value));
            pairs++;
        }
        buf_reset(&value);
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

/* The pairs of CONFIG SET's arguments; false, and the error is replied, if a name comes twice. */
static bool take_pairs(struct resp_call *call, struct resp_config_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pairs[i] = (struct resp_config_pair) { .name = call->argv[2 + 2 * i],
                                               .value = call->argv[3 + 2 * i] };
        for (size_t j = 0; j < i; j++) {
            if (resp_text_equal(pairs[j].name, pairs[i].name)) {
                status_ignore(fail_config(call, &pairs[i], "duplicate parameter"), "it is replied");
                return false;
            }
        }
    }
    return true;
}

struct status resp_cmd_config_set(struct resp_call *call)
{
    struct resp_host *host = call->resp->options.host;
    size_t count = (call->argc - 2) / 2;
    struct errbuf why;
    size_t bad = 0;

    if (call->argc % 2 != 0)
        return resp_fail_syntax(call);
    struct resp_config_pair *pairs = arena_take(call->arena, count * sizeof *pairs);
    if (pairs == NULL)
        return status_of(ST_NO_MEMORY);
    if (!take_pairs(call, pairs, count))
        return status_ok();
    struct status s = host->ops->config_set(host, pairs, count, &bad, &why);
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

struct status resp_cmd_config_help(struct resp_call *call)
{
    static const char *const LINES[] = {
        "GET <pattern> [<pattern> ...]",
        "    The parameters that match a pattern, and their values.",
        "SET <parameter> <value> [<parameter> <value> ...]",
        "    Set parameters, all or none.",
        "RESETSTAT",
        "    Begin the counters of INFO anew.",
        NULL,
    };

    return resp_reply_help(call, "CONFIG", LINES);
}

/* ---- SHUTDOWN ------------------------------------------------------------------------------- */

/* "[NOSAVE|SAVE] [NOW] [FORCE]", or "ABORT" alone; false for anything else. */
static bool parse_shutdown(const struct resp_call *call, unsigned *out_flags, bool *out_is_abort)
{
    unsigned flags = 0;
    bool is_abort = false;

    for (size_t i = 1; i < call->argc; i++) {
        if (resp_call_is(call, i, "nosave"))
            flags |= RESP_SHUTDOWN_NOSAVE;
        else if (resp_call_is(call, i, "save"))
            flags |= RESP_SHUTDOWN_SAVE;
        else if (resp_call_is(call, i, "now"))
            flags |= RESP_SHUTDOWN_NOW;
        else if (resp_call_is(call, i, "force"))
            flags |= RESP_SHUTDOWN_FORCE;
        else if (resp_call_is(call, i, "abort"))
            is_abort = true;
        else
            return false;
    }
    if ((is_abort && flags != 0) || (flags & RESP_SHUTDOWN_NOSAVE && flags & RESP_SHUTDOWN_SAVE))
        return false;
    *out_flags = flags;
    *out_is_abort = is_abort;
    return true;
}

struct status resp_cmd_shutdown(struct resp_call *call)
{
    struct resp_host *host = call->resp->options.host;
    struct errbuf why;
    unsigned flags;
    bool is_abort;

    if (!parse_shutdown(call, &flags, &is_abort))
        return resp_fail_syntax(call);
    if (is_abort) {
        if (host->ops->shutdown_abort(host))
            resp_reply_ok(call->reply);
        else
            resp_reply_error(call->reply, "ERR No shutdown in progress.");
    } else if (failed(host->ops->shutdown(host, flags, &why))) {
        resp_reply_error(call->reply, "ERR %s", why.text);
    }
    return status_ok();
}
