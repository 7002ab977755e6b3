/* DEBUG: what tests of the server and of clients use. Behind the host's gate, see session.c. */
#include "resp/cmd.h"

#include "resp/number.h"
#include "resp/session.h"

#include <math.h>

static struct resp_host *host_of(const struct resp_call *call)
{
    return call->resp->options.host;
}

static struct status debug_sleep(struct resp_call *call)
{
    const double us_per_s = 1e6;
    const double longest_s = 3600;
    long double parsed;
    double seconds = resp_float_parse(call->argv[2], &parsed) ? (double)parsed : 0;

    if (isnan(seconds) || seconds < 0)
        seconds = 0;
    if (seconds > longest_s)
        seconds = longest_s;
    host_of(call)->ops->debug_sleep(host_of(call), (uint64_t)(seconds * us_per_s));
    resp_reply_ok(call->reply);
    return status_ok();
}

static struct status debug_set_active_expire(struct resp_call *call)
{
    int64_t value;

    host_of(call)->ops->debug_expire(host_of(call),
                                     resp_int_parse(call->argv[2], &value) && value != 0);
    resp_reply_ok(call->reply);
    return status_ok();
}

static struct status debug_log(struct resp_call *call)
{
    host_of(call)->ops->debug_log(host_of(call), call->argv[2]);
    resp_reply_ok(call->reply);
    return status_ok();
}

static struct status debug_error(struct resp_call *call)
{
    resp_reply_error(call->reply, "%.*s", (int)call->argv[2].size,
                     (const char *)call->argv[2].data);
    return status_ok();
}

/* ---- PROTOCOL ------------------------------------------------------------------------------- */

static struct status protocol_attribute(struct resp_call *call)
{
    struct resp_reply *r = call->reply;

    if (r->version > 2) {
        resp_reply_attribute(r, 1);
        resp_reply_bulk_str(r, "key-popularity");
        resp_reply_array(r, 2);
        resp_reply_bulk_str(r, "key:123");
        resp_reply_int(r, 90);
    }
    resp_reply_bulk_str(r, "Some real reply following the attribute");
    return status_ok();
}

static struct status protocol_push(struct resp_call *call)
{
    if (call->reply->version == 2)
        return resp_fail(call, "ERR RESP2 is not supported by this command");
    resp_reply_push(call->reply, 2);
    resp_reply_bulk_str(call->reply, "server-cpu-usage");
    resp_reply_int(call->reply, 42);
    resp_reply_bulk_str(call->reply, "Some real reply following the push reply");
    return status_ok();
}

static void protocol_container(struct resp_call *call, const char *type)
{
    struct resp_reply *r = call->reply;
    const int count = 3;
    bool is_map = type[0] == 'm';

    if (is_map)
        resp_reply_map(r, count);
    else if (type[0] == 's')
        resp_reply_set(r, count);
    else
        resp_reply_array(r, count);
    for (int i = 0; i < count; i++) {
        resp_reply_int(r, i);
        if (is_map)
            resp_reply_bool(r, i == 1);
    }
}

/* A value of each type of the protocol, those that Redis answers. */
static struct status debug_protocol(struct resp_call *call)
{
    struct resp_reply *r = call->reply;

    if (resp_call_is(call, 2, "string"))
        resp_reply_bulk_str(r, "Hello World");
    else if (resp_call_is(call, 2, "integer"))
        resp_reply_int(r, 12345);
    else if (resp_call_is(call, 2, "double"))
        resp_reply_double(r, 3.141);
    else if (resp_call_is(call, 2, "bignum"))
        resp_reply_big_number(r, "1234567999999999999999999999999999999");
    else if (resp_call_is(call, 2, "null"))
        resp_reply_null(r);
    else if (resp_call_is(call, 2, "array"))
        protocol_container(call, "array");
    else if (resp_call_is(call, 2, "set"))
        protocol_container(call, "set");
    else if (resp_call_is(call, 2, "map"))
        protocol_container(call, "map");
    else if (resp_call_is(call, 2, "attrib"))
        return protocol_attribute(call);
    else if (resp_call_is(call, 2, "push"))
        return protocol_push(call);
    else if (resp_call_is(call, 2, "verbatim"))
        resp_reply_verbatim(r, "txt", bytes_str("This is a verbatim\nstring"));
    else if (resp_call_is(call, 2, "true"))
        resp_reply_bool(r, true);
    else if (resp_call_is(call, 2, "false"))
        resp_reply_bool(r, false);
    else
        return resp_fail(call,
                         "ERR Wrong protocol type name. Please use one of the following: "
                         "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|"
                         "true|false");
    return status_ok();
}

/* ---- All ------------------------------------------------------------------------------------ */

static struct status debug_help(struct resp_call *call)
{
    static const char *const LINES[] = {
        "DIGEST",
        "    A digest of all keys of all databases, the same as Redis' for the same data.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    Digests of the values at the keys.",
        "ERROR <string>",
        "    Reply the string as an error.",
        "LOG <message>",
        "    Write the message to the server's log.",
        "OBJECT <key>",
        "    How the value at the key is kept, in a line.",
        "PROTOCOL <type>",
        "    Reply a value of the type: string, integer, double, bignum, null, array, set, map,",
        "    attrib, push, verbatim, true, false.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    0: keys are not removed when their time is over, only hidden. 1: they are.",
        "SLEEP <seconds>",
        "    Stop serving for so long. Decimals allowed.",
        NULL,
    };

    return resp_reply_help(call, "DEBUG", LINES);
}

static const struct {
    const char *word;
    size_t argc_min; /* With DEBUG and the word. */
    size_t argc_max;
    resp_command_fn *run;
} SUBCOMMANDS[] = {
    { "digest", 2, 2, resp_cmd_debug_digest },
    { "digest-value", 2, SIZE_MAX, resp_cmd_debug_digest_value },
    { "error", 3, 3, debug_error },
    { "help", 2, 2, debug_help },
    { "log", 3, 3, debug_log },
    { "object", 3, 3, resp_cmd_debug_object },
    { "protocol", 3, 3, debug_protocol },
    { "set-active-expire", 3, 3, debug_set_active_expire },
    { "sleep", 3, 3, debug_sleep },
};

struct status resp_cmd_debug(struct resp_call *call)
{
    for (size_t i = 0; i < sizeof SUBCOMMANDS / sizeof SUBCOMMANDS[0]; i++) {
        if (resp_call_is(call, 1, SUBCOMMANDS[i].word) && call->argc >= SUBCOMMANDS[i].argc_min &&
            call->argc <= SUBCOMMANDS[i].argc_max)
            return SUBCOMMANDS[i].run(call);
    }
    return resp_fail_subcommand(call);
}
