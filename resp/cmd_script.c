/*
 * FUNCTION and SCRIPT, of a server that keeps neither: what is flushed was empty already. Tools and
 * tests flush them beside the data, and want to hear that it was done.
 */
#include "resp/cmd.h"

#include "resp/session.h"

/* "[ASYNC|SYNC]" behind the subcommand. */
static bool has_flush_words(const struct resp_call *call)
{
    return call->argc == 2 ||
           (call->argc == 3 && (resp_call_is(call, 2, "async") || resp_call_is(call, 2, "sync")));
}

struct status resp_cmd_function_flush(struct resp_call *call)
{
    if (call->argc > 3)
        return resp_fail_subcommand(call);
    if (!has_flush_words(call))
        return resp_fail(call, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
    resp_reply_ok(call->reply);
    return status_ok();
}

struct status resp_cmd_script_flush(struct resp_call *call)
{
    if (!has_flush_words(call))
        return resp_fail(call, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
    resp_reply_ok(call->reply);
    return status_ok();
}
