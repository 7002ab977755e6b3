/* INFO: sections of lines, the host's and the gateway's. */
#include "resp/cmd.h"

#include "resp/session.h"

/* There are none. */
static void tell_modules(const struct resp *resp, struct buf *out)
{
    (void)resp;
    (void)out;
}

static void tell_commands(const struct resp *resp, struct buf *out)
{
    resp_figures_tell_commands(&resp->figures, out);
}

static void tell_errors(const struct resp *resp, struct buf *out)
{
    resp_figures_tell_errors(&resp->figures, out);
}

static void tell_times(const struct resp *resp, struct buf *out)
{
    if (resp->slow.tracks_times)
        resp_figures_tell_times(&resp->figures, resp->slow.percentiles, resp->slow.percentile_count,
                                out);
}

/* The sections Redis has, in its order. The host's own come before the keyspace. */
static const struct {
    const char *title;
    bool is_special; /* Told to those only who ask for it, or for all. */
    void (*tell)(const struct resp *resp, struct buf *out); /* NULL: the host does. */
} SECTIONS[] = {
    { .title = "Server" },
    { .title = "Clients" },
    { .title = "Memory" },
    { .title = "Persistence" },
    { .title = "Stats" },
    { .title = "Replication" },
    { .title = "CPU" },
    { .title = "Modules", .tell = tell_modules },
    { .title = "Commandstats", .is_special = true, .tell = tell_commands },
    { .title = "Errorstats", .tell = tell_errors },
    { .title = "Latencystats", .is_special = true, .tell = tell_times },
    { .title = "Cluster" },
};

/* Does INFO with these arguments tell of the section? */
static bool is_section_wanted(const struct resp_call *call, const char *title, bool is_special)
{
    for (size_t i = 1; i < call->argc; i++) {
        if (resp_call_is(call, i, title) || (resp_call_is(call, i, "default") && !is_special) ||
            resp_call_is(call, i, "all") || resp_call_is(call, i, "everything"))
            return true;
    }
    return call->argc == 1 && !is_special;
}

static void begin_section(struct buf *out, const char *title)
{
    buf_append_format(out, "%s# %s\r\n", out->size == 0 ? "" : "\r\n", title);
}

static void append_host_section(struct resp_call *call, const char *title, struct buf *out)
{
    struct resp_host *host = call->resp->options.host;

    if (!is_section_wanted(call, title, false))
        return;
    begin_section(out, title);
    host->ops->info(host, title, out);
}

static void append_section(struct resp_call *call, size_t i, struct buf *out)
{
    if (SECTIONS[i].tell == NULL) {
        append_host_section(call, SECTIONS[i].title, out);
    } else if (is_section_wanted(call, SECTIONS[i].title, SECTIONS[i].is_special)) {
        begin_section(out, SECTIONS[i].title);
        SECTIONS[i].tell(call->resp, out);
    }
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
        append_section(call, i, &text);
    for (size_t i = 0; (title = host->ops->info_section(host, i)) != NULL; i++)
        append_host_section(call, title, &text);
    if (is_section_wanted(call, "Keyspace", false))
        append_keyspace(call, &text);
    struct status s = text.is_failed ? status_of(ST_NO_MEMORY) : status_ok();
    if (succeeded(s))
        resp_reply_verbatim(call->reply, "txt", buf_bytes(&text));
    buf_deinit(&text);
    return s;
}
