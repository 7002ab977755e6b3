/*
 * WAIT, WAITAOF on a node without replicas.
 *
 * Replies leave in order, and each when what its command wrote is durable here. So when the answer
 * to WAIT leaves, everything this client wrote before is on the disk, and no replica will ever have
 * it: there is nothing to wait for. Where answered writes are with the kernel alone (durability
 * relaxed), WAITAOF says what Redis says without a log of its own.
 */
#include "resp/cmd.h"

#include "resp/number.h"

/* How long to wait at most: it need not be known, but must be right. */
static bool check_timeout(struct resp_call *call, size_t arg)
{
    int64_t timeout_ms;

    if (!resp_int_parse(call->argv[arg], &timeout_ms)) {
        resp_reply_error(call->reply, "ERR timeout is not an integer or out of range");
        return false;
    }
    if (timeout_ms < 0) {
        resp_reply_error(call->reply, "ERR timeout is negative");
        return false;
    }
    return true;
}

struct status resp_cmd_wait(struct resp_call *call)
{
    int64_t replicas;

    if (resp_call_int(call, 1, &replicas) && check_timeout(call, 2))
        resp_reply_int(call->reply, 0);
    return status_ok();
}

struct status resp_cmd_waitaof(struct resp_call *call)
{
    int64_t local;
    int64_t replicas;

    if (!resp_call_int(call, 1, &local))
        return status_ok();
    if (local < 0 || local > 1)
        return resp_fail(call, "ERR value is out of range, value must between 0 and 1");
    if (!resp_call_int(call, 2, &replicas))
        return status_ok();
    if (replicas < 0)
        return resp_fail(call, "ERR value is out of range, must be positive");
    if (!check_timeout(call, 3))
        return status_ok();
    bool is_durable = call->store->ops->is_durable(call->store);
    if (local > 0 && !is_durable)
        return resp_fail(call, "ERR WAITAOF cannot be used when numlocal is set but appendonly is "
                               "disabled.");
    resp_reply_array(call->reply, 2);
    resp_reply_int(call->reply, is_durable);
    resp_reply_int(call->reply, 0);
    return status_ok();
}
