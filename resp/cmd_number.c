#include "resp/cmd.h"

#include "resp/entry.h"
#include "resp/notify.h"
#include "resp/number.h"
#include "resp/string.h"

#include <math.h>

/* The short string a number may be spelled in; nothing, which is no number, for a longer one. */
static struct bytes digits_of(const struct resp_entry *e)
{
    return e->type == RESP_ROW_STRING ? resp_string_inline(e) : bytes_of(NULL, 0);
}

static struct status add(struct resp_call *call, int64_t amount)
{
    struct resp_entry e;
    int64_t value = 0;
    char text[RESP_INT_MAX_CHARS];

    TRY(resp_entry_open(call, call->argv[1], RESP_ENTRY_VALUE, &e));
    if (!resp_entry_is_string(&e))
        return resp_fail_type(call);
    if (e.is_live && !resp_int_parse(digits_of(&e), &value))
        return resp_fail_integer(call);
    if (__builtin_add_overflow(value, amount, &value))
        return resp_fail(call, "ERR increment or decrement would overflow");
    size_t size = resp_int_format(value, text);
    TRY(resp_entry_set_string(call, &e, bytes_of(text, size), e.is_live ? e.expire_ms : 0));
    resp_notify(call, RESP_EVENT_STRING, "incrby", e.place.key);
    resp_reply_int(call->reply, value);
    return status_ok();
}

struct status resp_cmd_incr(struct resp_call *call)
{
    return add(call, 1);
}

struct status resp_cmd_decr(struct resp_call *call)
{
    return add(call, -1);
}

struct status resp_cmd_incrby(struct resp_call *call)
{
    int64_t amount;

    if (!resp_call_int(call, 2, &amount))
        return status_ok();
    return add(call, amount);
}

struct status resp_cmd_decrby(struct resp_call *call)
{
    int64_t amount;

    if (!resp_call_int(call, 2, &amount))
        return status_ok();
    if (amount == INT64_MIN)
        return resp_fail(call, "ERR decrement would overflow");
    return add(call, -amount);
}

struct status resp_cmd_incrbyfloat(struct resp_call *call)
{
    struct resp_entry e;
    long double value = 0;
    long double amount;
    char text[RESP_FLOAT_MAX_CHARS];

    TRY(resp_entry_open(call, call->argv[1], RESP_ENTRY_VALUE, &e));
    if (!resp_entry_is_string(&e))
        return resp_fail_type(call);
    if ((e.is_live && !resp_float_parse(digits_of(&e), &value)) ||
        !resp_float_parse(call->argv[2], &amount))
        return resp_fail(call, "ERR value is not a valid float");
    value += amount;
    if (isnan(value) || isinf(value))
        return resp_fail(call, "ERR increment would produce NaN or Infinity");
    size_t size = resp_float_format(value, text);
    TRY(resp_entry_set_string(call, &e, bytes_of(text, size), e.is_live ? e.expire_ms : 0));
    resp_notify(call, RESP_EVENT_STRING, "incrbyfloat", e.place.key);
    resp_reply_bulk(call->reply, bytes_of(text, size));
    return status_ok();
}
