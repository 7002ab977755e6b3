#include "resp/cmd.h"

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
    uint32_t id = store->ops->database_id(store, number);

    return store->ops->size(store, id) == 0 ? status_ok()
                                            : store->ops->database_clear(store, number);
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
        return status_ok();
    }
    struct status s = host->ops->shutdown(host, flags, &why);
    if (s.code == ST_AGAIN)
        return s;
    if (failed(s))
        resp_reply_error(call->reply, "ERR %s", why.text);
    return status_ok();
}
