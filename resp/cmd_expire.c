#include "resp/cmd.h"

#include "resp/command.h"
#include "resp/entry.h"
#include "resp/expiry.h"
#include "resp/notify.h"

bool resp_expiry_of(const struct resp_call *call, struct resp_expiry form, int64_t value,
                    int64_t *out_ms)
{
    int64_t base = form.is_relative ? (int64_t)call->now_ms : 0;

    if (form.unit == RESP_EXPIRY_SECONDS && __builtin_mul_overflow(value, 1000, &value))
        return false;
    return !__builtin_add_overflow(value, base, out_ms);
}

struct status resp_fail_expiry(struct resp_call *call)
{
    resp_reply_error(call->reply, "ERR invalid expire time in '%s' command", call->command->name);
    return status_ok();
}

enum condition { IF_NONE = 1 << 0, IF_ANY = 1 << 1, IF_GREATER = 1 << 2, IF_LESS = 1 << 3 };

/* NX, XX, GT, LT from argument 3 on; false, and the error is replied, for anything else. */
static bool parse_conditions(struct resp_call *call, unsigned *out_conditions)
{
    unsigned c = 0;

    for (size_t i = 3; i < call->argc; i++) {
        if (resp_call_is(call, i, "nx")) {
            c |= IF_NONE;
        } else if (resp_call_is(call, i, "xx")) {
            c |= IF_ANY;
        } else if (resp_call_is(call, i, "gt")) {
            c |= IF_GREATER;
        } else if (resp_call_is(call, i, "lt")) {
            c |= IF_LESS;
        } else {
            resp_reply_error(call->reply, "ERR Unsupported option %.*s", (int)call->argv[i].size,
                             (const char *)call->argv[i].data);
            return false;
        }
    }
    if (c & IF_NONE && c != IF_NONE) {
        resp_reply_error(call->reply,
                         "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if (c & IF_GREATER && c & IF_LESS) {
        resp_reply_error(call->reply, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    *out_conditions = c;
    return true;
}

/* Never is later than any time. */
static bool conditions_hold(unsigned c, uint64_t old_ms, int64_t new_ms)
{
    bool has_old = old_ms != 0;

    if (c & IF_NONE && has_old)
        return false;
    if (c & IF_ANY && !has_old)
        return false;
    if (c & IF_GREATER && (!has_old || new_ms <= (int64_t)old_ms))
        return false;
    return !(c & IF_LESS && has_old && new_ms >= (int64_t)old_ms);
}

static struct status expire(struct resp_call *call, struct resp_expiry form)
{
    struct resp_entry e;
    unsigned conditions;
    int64_t value;
    int64_t when_ms;

    if (!parse_conditions(call, &conditions) || !resp_call_int(call, 2, &value))
        return status_ok();
    if (!resp_expiry_of(call, form, value, &when_ms))
        return resp_fail_expiry(call);
    TRY(resp_entry_open(call, call->argv[1], RESP_ENTRY_VALUE, &e));
    if (!e.is_live || !conditions_hold(conditions, e.expire_ms, when_ms)) {
        resp_reply_int(call->reply, 0);
        return status_ok();
    }
    resp_reply_int(call->reply, 1);
    if (when_ms <= (int64_t)call->now_ms)
        return resp_entry_delete(call, &e);
    TRY(resp_entry_set_expire(call, &e, (uint64_t)when_ms));
    resp_notify(call, RESP_EVENT_GENERIC, "expire", call->argv[1]);
    return status_ok();
}

struct status resp_cmd_expire(struct resp_call *call)
{
    return expire(call, (struct resp_expiry) { RESP_EXPIRY_SECONDS, true });
}

struct status resp_cmd_pexpire(struct resp_call *call)
{
    return expire(call, (struct resp_expiry) { RESP_EXPIRY_MILLISECONDS, true });
}

struct status resp_cmd_expireat(struct resp_call *call)
{
    return expire(call, (struct resp_expiry) { RESP_EXPIRY_SECONDS, false });
}

struct status resp_cmd_pexpireat(struct resp_call *call)
{
    return expire(call, (struct resp_expiry) { RESP_EXPIRY_MILLISECONDS, false });
}

/* Reply when the key's time is over, counted from from_ms: -2 without a key, -1 if never. */
static struct status reply_expiry(struct resp_call *call, enum resp_expiry_unit unit,
                                  uint64_t from_ms)
{
    struct resp_entry e;

    TRY(resp_entry_open(call, call->argv[1], RESP_ENTRY_FACTS, &e));
    resp_entry_score(call, &e);
    if (!e.is_live) {
        resp_reply_int(call->reply, -2);
    } else if (e.expire_ms == 0) {
        resp_reply_int(call->reply, -1);
    } else {
        uint64_t ms = e.expire_ms - from_ms;
        resp_reply_int(call->reply,
                       (int64_t)(unit == RESP_EXPIRY_SECONDS ? (ms + 500) / 1000 : ms));
    }
    return status_ok();
}

struct status resp_cmd_ttl(struct resp_call *call)
{
    return reply_expiry(call, RESP_EXPIRY_SECONDS, call->now_ms);
}

struct status resp_cmd_pttl(struct resp_call *call)
{
    return reply_expiry(call, RESP_EXPIRY_MILLISECONDS, call->now_ms);
}

struct status resp_cmd_expiretime(struct resp_call *call)
{
    return reply_expiry(call, RESP_EXPIRY_SECONDS, 0);
}

struct status resp_cmd_pexpiretime(struct resp_call *call)
{
    return reply_expiry(call, RESP_EXPIRY_MILLISECONDS, 0);
}

struct status resp_cmd_persist(struct resp_call *call)
{
    struct resp_entry e;

    TRY(resp_entry_open(call, call->argv[1], RESP_ENTRY_VALUE, &e));
    bool is_timed = e.is_live && e.expire_ms != 0;
    if (is_timed) {
        TRY(resp_entry_set_expire(call, &e, 0));
        resp_notify(call, RESP_EVENT_GENERIC, "persist", call->argv[1]);
    }
    resp_reply_int(call->reply, is_timed);
    return status_ok();
}
