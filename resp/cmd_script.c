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
    if (call->argc > 3) {
        struct bytes word = call->argv[1];
        resp_reply_error(call->reply,
                         "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try "
                         "FUNCTION HELP.",
                         word.size < 128 ? (int)word.size : 128, (const char *)word.data);
    } else if (!has_flush_words(call)) {
        return resp_fail(call, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
    } else {
        resp_reply_ok(call->reply);
    }
    return status_ok();
}

struct status resp_cmd_script_flush(struct resp_call *call)
{
    if (!has_flush_words(call))
        return resp_fail(call, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
    resp_reply_ok(call->reply);
    return status_ok();
}
