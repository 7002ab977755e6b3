/* INFO: sections of lines, the host's and the gateway's. */
#include "resp/cmd.h"

#include "resp/session.h"

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
