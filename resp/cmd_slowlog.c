/* SLOWLOG: the commands that took long. */
#include "resp/cmd.h"

#include "resp/number.h"
#include "resp/session.h"

static void reply_entry(struct resp_reply *r, const struct resp_slow_entry *e)
{
    resp_reply_array(r, 6);
    resp_reply_int(r, (int64_t)e->id);
    resp_reply_int(r, (int64_t)e->time_s);
    resp_reply_int(r, (int64_t)e->duration_us);
    resp_reply_array(r, e->argc);
    for (size_t i = 0; i < e->argc; i++)
        resp_reply_bulk(r, e->argv[i]);
    resp_reply_bulk(r, e->address);
    resp_reply_bulk(r, e->name);
}

struct status resp_cmd_slowlog_get(struct resp_call *call)
{
    const struct resp_slowlog *l = &call->resp->slowlog;
    int64_t count = 10;

    if (call->argc > 3)
        return resp_fail_subcommand(call);
    if (call->argc == 3 && (!resp_int_parse(call->argv[2], &count) || count < -1))
        return resp_fail(call, "ERR count should be greater than or equal to -1");
    uint64_t shown = count == -1 || (uint64_t)count > l->count ? l->count : (uint64_t)count;
    resp_reply_array(call->reply, shown);
    for (const struct resp_slow_entry *e = l->newest; shown > 0; e = e->older, shown--)
        reply_entry(call->reply, e);
    return status_ok();
}

struct status resp_cmd_slowlog_len(struct resp_call *call)
{
    resp_reply_int(call->reply, (int64_t)call->resp->slowlog.count);
    return status_ok();
}

struct status resp_cmd_slowlog_reset(struct resp_call *call)
{
    resp_slowlog_reset(&call->resp->slowlog);
    resp_reply_ok(call->reply);
    return status_ok();
}

struct status resp_cmd_slowlog_help(struct resp_call *call)
{
    static const char *const LINES[] = {
        "GET [<count>]",
        "    The last commands that took long, 10 or <count>, -1 for all: number, Unix time,",
        "    microseconds, arguments, the client's address and name.",
        "LEN",
        "    How many are remembered.",
        "RESET",
        "    Forget them.",
        NULL,
    };

    return resp_reply_help(call, "SLOWLOG", LINES);
}
