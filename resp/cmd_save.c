/* SAVE and what belongs to it: checkpoints, as the host makes them. */
#include "resp/cmd.h"

#include "resp/session.h"

static const char IN_PROGRESS[] = "ERR Background save already in progress";

/* Waits for the end; nobody else does. */
struct status resp_cmd_save(struct resp_call *call)
{
    struct resp_host *host = call->resp->options.host;
    struct errbuf why = { "" };
    struct status s = host->ops->save(host, true, &why);

    if (s.code == ST_AGAIN)
        return s;
    if (s.code == ST_BUSY)
        return resp_fail(call, IN_PROGRESS);
    if (failed(s))
        resp_reply_error(call->reply, "ERR the checkpoint failed: %s", why.text);
    else
        resp_reply_ok(call->reply);
    return status_ok();
}

struct status resp_cmd_bgsave(struct resp_call *call)
{
    struct resp_host *host = call->resp->options.host;
    struct errbuf why = { "" };

    if (call->argc > 2 || (call->argc == 2 && !resp_call_is(call, 1, "schedule")))
        return resp_fail_syntax(call);
    struct status s = host->ops->save(host, false, &why);
    if (s.code == ST_BUSY)
        return resp_fail(call, IN_PROGRESS);
    if (failed(s))
        resp_reply_error(call->reply, "ERR the checkpoint failed: %s", why.text);
    else
        resp_reply_status(call->reply, "Background saving started");
    return status_ok();
}

struct status resp_cmd_lastsave(struct resp_call *call)
{
    struct resp_host *host = call->resp->options.host;

    resp_reply_int(call->reply, (int64_t)host->ops->last_save_s(host));
    return status_ok();
}

/* There is no append-only file: the log is made short instead. */
struct status resp_cmd_bgrewriteaof(struct resp_call *call)
{
    struct resp_host *host = call->resp->options.host;
    bool is_scheduled = false;

    if (failed(host->ops->shorten_log(host, &is_scheduled)))
        return resp_fail(call, "ERR Can't execute an AOF background rewriting. Please check the "
                               "server logs for more information.");
    resp_reply_status(call->reply, is_scheduled ? "Background append only file rewriting scheduled"
                                                : "Background append only file rewriting started");
    return status_ok();
}
