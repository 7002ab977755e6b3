/* ROLE, REPLICAOF, FAILOVER: of a server that stands alone. */
#include "resp/cmd.h"

#include "resp/number.h"

struct status resp_cmd_role(struct resp_call *call)
{
    resp_reply_array(call->reply, 3);
    resp_reply_bulk_str(call->reply, "master");
    resp_reply_int(call->reply, 0);
    resp_reply_array(call->reply, 0);
    return status_ok();
}

struct status resp_cmd_replicaof(struct resp_call *call)
{
    int64_t port;

    if (resp_call_is(call, 1, "no") && resp_call_is(call, 2, "one")) {
        resp_reply_ok(call->reply);
        return status_ok();
    }
    if (!resp_int_parse(call->argv[2], &port) || port < 0 || port > 65535)
        return resp_fail(call, "ERR Invalid master port");
    return resp_fail(call, "ERR there is no replication yet");
}

struct failover {
    bool has_target;
    bool has_timeout;
    bool is_forced;
    bool is_abort;
};

/* False, and the error is replied. */
static bool parse_failover(struct resp_call *call, struct failover *out)
{
    struct failover f = { .has_target = false };
    int64_t number;
    size_t i = 1;

    for (; i < call->argc; i++) {
        if (resp_call_is(call, i, "timeout") && i + 1 < call->argc && !f.has_timeout) {
            if (!resp_int_parse(call->argv[++i], &number)) {
                status_ignore(resp_fail_integer(call), "it is replied");
                return false;
            }
            if (number <= 0) {
                status_ignore(resp_fail(call, "ERR FAILOVER timeout must be greater than 0"),
                              "it is replied");
                return false;
            }
            f.has_timeout = true;
        } else if (resp_call_is(call, i, "abort") && call->argc == 2) {
            f.is_abort = true;
        } else if (resp_call_is(call, i, "to") && i + 2 < call->argc && !f.has_target) {
            if (!resp_int_parse(call->argv[i + 2], &number)) {
                status_ignore(resp_fail_integer(call), "it is replied");
                return false;
            }
            i += 2;
            f.has_target = true;
        } else if (resp_call_is(call, i, "force") && !f.is_forced) {
            f.is_forced = true;
        } else {
            status_ignore(resp_fail_syntax(call), "it is replied");
            return false;
        }
    }
    *out = f;
    return true;
}

struct status resp_cmd_failover(struct resp_call *call)
{
    struct failover f;

    if (!parse_failover(call, &f))
        return status_ok();
    if (f.is_abort)
        return resp_fail(call, "ERR No failover in progress.");
    return resp_fail(call, "ERR FAILOVER requires connected replicas.");
}
