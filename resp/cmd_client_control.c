/* CLIENT, where it changes what clients may do or are told; cmd_client.c has who they are. */
#include "resp/cmd.h"

#include "resp/client_filter.h"
#include "resp/number.h"
#include "resp/session.h"

/* ---- KILL ----------------------------------------------------------------------------------- */

/* Ends the connections that the filter lets through, once the command is known to stay; the
 * client's own when it has its reply. Returns how many. */
static uint64_t kill_some(struct resp_call *call, const struct resp_client_filter *f)
{
    struct resp_host *host = call->resp->options.host;
    uint64_t count = 0;

    for (struct resp_session *s = host->ops->next_session(host, NULL); s != NULL;
         s = host->ops->next_session(host, s)) {
        if (s->is_doomed || !resp_client_filter_passes(f, s))
            continue;
        count++;
        if (s == call->session)
            s->is_closing = true;
        else
            resp_post_kill(&call->resp->post, s);
    }
    return count;
}

/* "CLIENT KILL ip:port", the form before filters. */
static struct status kill_address(struct resp_call *call)
{
    const struct resp_client_filter f = { .address = call->argv[2] };

    if (kill_some(call, &f) == 0)
        return resp_fail(call, "ERR No such client");
    resp_reply_ok(call->reply);
    return status_ok();
}

struct status resp_cmd_client_kill(struct resp_call *call)
{
    struct resp_client_filter f;

    if (call->argc == 3)
        return kill_address(call);
    if (resp_client_filter_parse(call, &f))
        resp_reply_int(call->reply, (int64_t)kill_some(call, &f));
    return status_ok();
}

/* ---- REPLY ---------------------------------------------------------------------------------- */

struct status resp_cmd_client_reply(struct resp_call *call)
{
    struct resp_session *s = call->session;

    if (resp_call_is(call, 2, "on")) {
        s->identity.is_muted = false;
        s->identity.skips_reply = false;
        call->reply->out = call->out;
        resp_reply_ok(call->reply);
    } else if (resp_call_is(call, 2, "off")) {
        s->identity.is_muted = true;
        call->reply->out = &call->resp->muted;
    } else if (resp_call_is(call, 2, "skip")) {
        s->identity.skips_next = !s->identity.is_muted;
    } else {
        return resp_fail_syntax(call);
    }
    return status_ok();
}

/* ---- PAUSE ---------------------------------------------------------------------------------- */

static struct status fail_timeout(struct resp_call *call, const char *what)
{
    resp_reply_error(call->reply, "ERR timeout is %s", what);
    return status_ok();
}

/* A pause within a pause makes it longer and stricter, never the opposite. */
struct status resp_cmd_client_pause(struct resp_call *call)
{
    struct resp_pause *pause = &call->resp->pause;
    enum resp_pause_mode mode = RESP_PAUSE_ALL;
    uint64_t until_ms;
    int64_t ms;

    if (call->argc > 4)
        return resp_fail_subcommand(call);
    if (call->argc == 4 && resp_call_is(call, 3, "write"))
        mode = RESP_PAUSE_WRITE;
    else if (call->argc == 4 && !resp_call_is(call, 3, "all"))
        return resp_fail(call, "ERR CLIENT PAUSE mode must be WRITE or ALL");
    if (!resp_int_parse(call->argv[2], &ms))
        return fail_timeout(call, "not an integer or out of range");
    if (ms < 0)
        return fail_timeout(call, "negative");
    /* Beyond 64 bits Redis' sum is negative: long over. */
    if (__builtin_add_overflow(call->now_ms, (uint64_t)ms, &until_ms) || until_ms > INT64_MAX)
        until_ms = 0;
    if (pause->until_ms <= call->now_ms)
        *pause = (struct resp_pause) { .mode = mode, .until_ms = until_ms };
    pause->mode = mode > pause->mode ? mode : pause->mode;
    pause->until_ms = until_ms > pause->until_ms ? until_ms : pause->until_ms;
    resp_reply_ok(call->reply);
    return status_ok();
}

struct status resp_cmd_client_unpause(struct resp_call *call)
{
    call->resp->pause = (struct resp_pause) { .until_ms = 0 };
    resp_reply_ok(call->reply);
    return status_ok();
}

/* ---- UNBLOCK -------------------------------------------------------------------------------- */

/* No command waits for other clients yet, so nobody can be freed from one. */
struct status resp_cmd_client_unblock(struct resp_call *call)
{
    int64_t id;

    if (call->argc > 4)
        return resp_fail_subcommand(call);
    if (call->argc == 4 && !resp_call_is(call, 3, "timeout") && !resp_call_is(call, 3, "error"))
        return resp_fail(call, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    if (!resp_call_int(call, 2, &id))
        return status_ok();
    resp_reply_int(call->reply, 0);
    return status_ok();
}

/* ---- What the client is spared --------------------------------------------------------------- */

static struct status set_switch(struct resp_call *call, bool *to)
{
    if (!resp_call_is(call, 2, "on") && !resp_call_is(call, 2, "off"))
        return resp_fail_syntax(call);
    *to = resp_call_is(call, 2, "on");
    resp_reply_ok(call->reply);
    return status_ok();
}

struct status resp_cmd_client_no_evict(struct resp_call *call)
{
    return set_switch(call, &call->session->identity.is_kept);
}

struct status resp_cmd_client_no_touch(struct resp_call *call)
{
    return set_switch(call, &call->session->identity.leaves_no_trace);
}

/* ---- Tracking: nobody can ask for it yet ------------------------------------------------------
 */

struct status resp_cmd_client_caching(struct resp_call *call)
{
    return resp_fail(call, "ERR CLIENT CACHING can be called only when the client is in tracking "
                           "mode with OPTIN or OPTOUT mode enabled");
}

struct status resp_cmd_client_getredir(struct resp_call *call)
{
    resp_reply_int(call->reply, -1);
    return status_ok();
}

struct status resp_cmd_client_trackinginfo(struct resp_call *call)
{
    struct resp_reply *r = call->reply;

    resp_reply_map(r, 3);
    resp_reply_bulk_str(r, "flags");
    resp_reply_set(r, 1);
    resp_reply_bulk_str(r, "off");
    resp_reply_bulk_str(r, "redirect");
    resp_reply_int(r, -1);
    resp_reply_bulk_str(r, "prefixes");
    resp_reply_array(r, 0);
    return status_ok();
}
