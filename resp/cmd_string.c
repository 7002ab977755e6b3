#include "resp/cmd.h"

#include "resp/entry.h"
#include "resp/expiry.h"
#include "resp/match.h"
#include "resp/notify.h"
#include "resp/number.h"
#include "resp/session.h"
#include "resp/string.h"

/* ---- SET and its kin ------------------------------------------------------------------------ */

enum set_flag {
    SET_NX = 1 << 0,
    SET_XX = 1 << 1,
    SET_GET = 1 << 2,
    SET_KEEPTTL = 1 << 3,
    SET_PERSIST = 1 << 4,
    SET_EX = 1 << 5,
    SET_PX = 1 << 6,
    SET_EXAT = 1 << 7,
    SET_PXAT = 1 << 8,
    SET_MATCH = 1 << 9, /* IFEQ, IFNE, IFDEQ or IFDNE. */
};
#define SET_TIMES (SET_EX | SET_PX | SET_EXAT | SET_PXAT)

struct set_options {
    unsigned flags;
    struct bytes time;       /* With one of SET_TIMES. */
    struct resp_match match; /* With SET_MATCH. */
};

/* The words that SET and GETEX take behind their fixed arguments, and what each excludes. */
static const struct {
    const char *word;
    unsigned flag;
    unsigned excludes;
    bool is_of_set;
    bool is_of_getex;
} SET_WORDS[] = {
    { "nx", SET_NX, SET_XX | SET_MATCH, true, false },
    { "xx", SET_XX, SET_NX | SET_MATCH, true, false },
    { "ifeq", SET_MATCH, SET_NX | SET_XX | SET_MATCH, true, false },
    { "ifne", SET_MATCH, SET_NX | SET_XX | SET_MATCH, true, false },
    { "ifdeq", SET_MATCH, SET_NX | SET_XX | SET_MATCH, true, false },
    { "ifdne", SET_MATCH, SET_NX | SET_XX | SET_MATCH, true, false },
    { "get", SET_GET, 0, true, false },
    { "keepttl", SET_KEEPTTL, SET_TIMES, true, false },
    { "persist", SET_PERSIST, SET_TIMES, false, true },
    { "ex", SET_EX, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_EX), true, true },
    { "px", SET_PX, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_PX), true, true },
    { "exat", SET_EXAT, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_EXAT), true, true },
    { "pxat", SET_PXAT, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_PXAT), true, true },
};

/* Parse the options from argument arg on; false for a syntax error. */
static bool parse_set_options(const struct resp_call *call, size_t arg, bool is_getex,
                              struct set_options *out)
{
    enum { WORDS = sizeof SET_WORDS / sizeof SET_WORDS[0] };

    *out = (struct set_options) { 0 };
    for (; arg < call->argc; arg++) {
        size_t w = 0;
        while (w < WORDS && !resp_call_is(call, arg, SET_WORDS[w].word))
            w++;
        if (w == WORDS || out->flags & SET_WORDS[w].excludes ||
            !(is_getex ? SET_WORDS[w].is_of_getex : SET_WORDS[w].is_of_set))
            return false;
        out->flags |= SET_WORDS[w].flag;
        if (!(SET_WORDS[w].flag & (SET_TIMES | SET_MATCH)))
            continue;
        if (++arg == call->argc)
            return false;
        if (SET_WORDS[w].flag == SET_MATCH)
            out->match =
                (struct resp_match) { resp_match_kind_of(call->argv[arg - 1]), call->argv[arg] };
        else
            out->time = call->argv[arg];
    }
    return true;
}

/* When a written key's time is over, from an argument; false, and the error is replied, unless it
 * is a time after 1970. */
static bool parse_time(struct resp_call *call, struct bytes text, struct resp_expiry form,
                       uint64_t *out_ms)
{
    int64_t value;
    int64_t when_ms;

    if (!resp_int_parse(text, &value)) {
        status_ignore(resp_fail_integer(call), "it is replied");
        return false;
    }
    if (value <= 0 || !resp_expiry_of(call, form, value, &when_ms)) {
        status_ignore(resp_fail_expiry(call), "it is replied");
        return false;
    }
    *out_ms = (uint64_t)when_ms;
    return true;
}

static bool parse_set_time(struct resp_call *call, const struct set_options *o, uint64_t *out_ms)
{
    struct resp_expiry form = {
        .unit = o->flags & (SET_EX | SET_EXAT) ? RESP_EXPIRY_SECONDS : RESP_EXPIRY_MILLISECONDS,
        .is_relative = (o->flags & (SET_EX | SET_PX)) != 0,
    };

    *out_ms = 0;
    return !(o->flags & SET_TIMES) || parse_time(call, o->time, form, out_ms);
}

/* Set, and say so. */
static struct status set(struct resp_call *call, struct resp_entry *e, struct bytes value,
                         uint64_t expire_ms, bool has_new_time)
{
    TRY(resp_entry_set_string(call, e, value, expire_ms));
    resp_notify(call, RESP_EVENT_STRING, "set", e->place.key);
    if (has_new_time)
        resp_notify(call, RESP_EVENT_GENERIC, "expire", e->place.key);
    return status_ok();
}

/* May the key be set, as it is? *out_answer: RESP_MATCH_REPLIED after an error. */
static struct status may_set(struct resp_call *call, const struct set_options *o,
                             const struct resp_entry *e, enum resp_match_answer *out_answer)
{
    bool is_refused = (o->flags & SET_NX && e->is_live) || (o->flags & SET_XX && !e->is_live);

    *out_answer = is_refused ? RESP_MATCH_NO : RESP_MATCH_YES;
    if (!(o->flags & SET_MATCH))
        return status_ok();
    return resp_match(call, e, &o->match, out_answer);
}

struct status resp_cmd_set(struct resp_call *call)
{
    struct set_options o;
    struct resp_entry e;
    uint64_t expire_ms;
    enum resp_match_answer answer;

    if (!parse_set_options(call, 3, false, &o))
        return resp_fail_syntax(call);
    if (!parse_set_time(call, &o, &expire_ms))
        return status_ok();
    TRY(resp_entry_open(call, call->argv[1],
                        o.flags & (SET_GET | SET_MATCH) ? RESP_ENTRY_VALUE : RESP_ENTRY_FACTS, &e));
    if (o.flags & SET_GET)
        resp_entry_use(call, &e);
    if (o.flags & SET_GET && !resp_entry_is_string(&e))
        return resp_fail_type(call);
    TRY(may_set(call, &o, &e, &answer));
    if (answer == RESP_MATCH_REPLIED)
        return status_ok();
    if (o.flags & SET_GET && e.is_live)
        TRY(resp_string_reply(call, &e));
    else if (o.flags & SET_GET || answer == RESP_MATCH_NO)
        resp_reply_null(call->reply);
    if (answer == RESP_MATCH_NO)
        return status_ok();
    TRY(set(call, &e, call->argv[2], o.flags & SET_KEEPTTL && e.is_live ? e.expire_ms : expire_ms,
            o.flags & SET_TIMES));
    if (!(o.flags & SET_GET))
        resp_reply_ok(call->reply);
    return status_ok();
}

struct status resp_cmd_setnx(struct resp_call *call)
{
    struct resp_entry e;

    TRY(resp_entry_open(call, call->argv[1], RESP_ENTRY_FACTS, &e));
    bool is_free = !e.is_live;
    if (is_free)
        TRY(set(call, &e, call->argv[2], 0, false));
    resp_reply_int(call->reply, is_free);
    return status_ok();
}

static struct status set_for(struct resp_call *call, enum resp_expiry_unit unit)
{
    struct resp_entry e;
    uint64_t expire_ms;

    if (!parse_time(call, call->argv[2], (struct resp_expiry) { unit, true }, &expire_ms))
        return status_ok();
    TRY(resp_entry_open(call, call->argv[1], RESP_ENTRY_FACTS, &e));
    TRY(set(call, &e, call->argv[3], expire_ms, true));
    resp_reply_ok(call->reply);
    return status_ok();
}

struct status resp_cmd_setex(struct resp_call *call)
{
    return set_for(call, RESP_EXPIRY_SECONDS);
}

struct status resp_cmd_psetex(struct resp_call *call)
{
    return set_for(call, RESP_EXPIRY_MILLISECONDS);
}

/* ---- GET and its kin ------------------------------------------------------------------------ */

/* Open the key of a reading command and reply its content, null, or WRONGTYPE. */
static struct status get(struct resp_call *call, struct resp_entry *e)
{
    TRY(resp_entry_lookup(call, call->argv[1], RESP_ENTRY_VALUE, e));
    if (!e->is_live)
        resp_reply_null(call->reply);
    else if (!resp_entry_is_string(e))
        return resp_fail_type(call);
    else
        return resp_string_reply(call, e);
    return status_ok();
}

struct status resp_cmd_get(struct resp_call *call)
{
    struct resp_entry e;

    return get(call, &e);
}

struct status resp_cmd_getset(struct resp_call *call)
{
    struct resp_entry e;

    TRY(get(call, &e));
    if (!resp_entry_is_string(&e))
        return status_ok();
    return set(call, &e, call->argv[2], 0, false);
}

struct status resp_cmd_getdel(struct resp_call *call)
{
    struct resp_entry e;

    TRY(get(call, &e));
    if (!e.is_live || !resp_entry_is_string(&e))
        return status_ok();
    return resp_entry_delete(call, &e);
}

struct status resp_cmd_getex(struct resp_call *call)
{
    struct set_options o;
    struct resp_entry e;
    uint64_t expire_ms;

    if (!parse_set_options(call, 2, true, &o))
        return resp_fail_syntax(call);
    TRY(resp_entry_lookup(call, call->argv[1], RESP_ENTRY_VALUE, &e));
    if (!e.is_live) {
        resp_reply_null(call->reply);
        return status_ok();
    }
    if (!resp_entry_is_string(&e))
        return resp_fail_type(call);
    if (!parse_set_time(call, &o, &expire_ms))
        return status_ok();
    TRY(resp_string_reply(call, &e));
    if (!(o.flags & SET_TIMES) && !(o.flags & SET_PERSIST && e.expire_ms != 0))
        return status_ok();
    if (expire_ms != 0 && expire_ms <= call->now_ms)
        return resp_entry_delete(call, &e);
    TRY(resp_entry_set_expire(call, &e, expire_ms));
    resp_notify(call, RESP_EVENT_GENERIC, expire_ms != 0 ? "expire" : "persist", e.place.key);
    return status_ok();
}

static struct status reply_string_or_null(struct resp_call *call, struct resp_entry *e, size_t arg,
                                          void *context)
{
    (void)arg;
    (void)context;
    resp_entry_use(call, e);
    if (e->is_live && resp_entry_is_string(e))
        return resp_string_reply(call, e);
    resp_reply_null(call->reply);
    return status_ok();
}

struct status resp_cmd_mget(struct resp_call *call)
{
    resp_reply_array(call->reply, call->argc - 1);
    return resp_entry_visit(call, RESP_ENTRY_VALUE, reply_string_or_null, NULL);
}

struct status resp_cmd_strlen(struct resp_call *call)
{
    struct resp_entry e;

    TRY(resp_entry_lookup(call, call->argv[1], RESP_ENTRY_FACTS, &e));
    if (!resp_entry_is_string(&e))
        return resp_fail_type(call);
    resp_reply_int(call->reply, e.is_live ? (int64_t)e.size_bytes : 0);
    return status_ok();
}

/* ---- Several keys at once ------------------------------------------------------------------- */

static struct status set_from_next_arg(struct resp_call *call, struct resp_entry *e, size_t arg,
                                       void *context)
{
    (void)context;
    return set(call, e, call->argv[arg + 1], 0, false);
}

struct status resp_cmd_mset(struct resp_call *call)
{
    if (call->argc % 2 == 0) {
        resp_command_reply_arity_error(call->command, call->reply);
        return status_ok();
    }
    TRY(resp_entry_visit(call, RESP_ENTRY_FACTS, set_from_next_arg, NULL));
    resp_reply_ok(call->reply);
    return status_ok();
}

static struct status note_live(struct resp_call *call, struct resp_entry *e, size_t arg,
                               void *context)
{
    bool *any_live = context;

    (void)call;
    (void)arg;
    *any_live |= e->is_live;
    return status_ok();
}

struct status resp_cmd_msetnx(struct resp_call *call)
{
    bool any_live = false;

    if (call->argc % 2 == 0) {
        resp_command_reply_arity_error(call->command, call->reply);
        return status_ok();
    }
    TRY(resp_entry_visit(call, RESP_ENTRY_FACTS, note_live, &any_live));
    if (!any_live)
        TRY(resp_entry_visit(call, RESP_ENTRY_FACTS, set_from_next_arg, NULL));
    resp_reply_int(call->reply, !any_live);
    return status_ok();
}

/* ---- Parts of strings ----------------------------------------------------------------------- */

/* Would a string of both sizes together be longer than strings may be? Replies the error. */
static bool is_too_long(struct resp_call *call, uint64_t a, uint64_t b)
{
    uint64_t max = call->resp->options.limits.string_max_bytes;

    if (a <= max && b <= max - a)
        return false;
    resp_reply_error(call->reply, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return true;
}

struct status resp_cmd_append(struct resp_call *call)
{
    struct resp_entry e;
    struct bytes bytes = call->argv[2];

    TRY(resp_entry_open(call, call->argv[1], RESP_ENTRY_VALUE, &e));
    if (!resp_entry_is_string(&e))
        return resp_fail_type(call);
    uint64_t old_size = e.is_live ? e.size_bytes : 0;
    if (is_too_long(call, old_size, bytes.size))
        return status_ok();
    if (bytes.size > 0)
        TRY(resp_string_write(call, &e, old_size, bytes));
    else if (e.is_live)
        TRY(resp_entry_set_expire(call, &e, e.expire_ms)); /* Written, if with what was there. */
    else
        TRY(resp_entry_set_string(call, &e, bytes, 0));
    resp_notify(call, RESP_EVENT_STRING, "append", e.place.key);
    resp_reply_int(call->reply, (int64_t)(old_size + bytes.size));
    return status_ok();
}

struct status resp_cmd_setrange(struct resp_call *call)
{
    struct resp_entry e;
    struct bytes bytes = call->argv[3];
    int64_t offset;

    if (!resp_call_int(call, 2, &offset))
        return status_ok();
    if (offset < 0)
        return resp_fail(call, "ERR offset is out of range");
    TRY(resp_entry_open(call, call->argv[1], RESP_ENTRY_VALUE, &e));
    if (!resp_entry_is_string(&e))
        return resp_fail_type(call);
    uint64_t size = e.is_live ? e.size_bytes : 0;
    if (bytes.size > 0) {
        if (is_too_long(call, (uint64_t)offset, bytes.size))
            return status_ok();
        TRY(resp_string_write(call, &e, (uint64_t)offset, bytes));
        size = e.size_bytes;
        resp_notify(call, RESP_EVENT_STRING, "setrange", e.place.key);
    }
    resp_reply_int(call->reply, (int64_t)size);
    return status_ok();
}

/* Negative places count from the end; both ends belong to the range. */
static bool clip_range(int64_t start, int64_t end, uint64_t size, uint64_t *out_offset,
                       size_t *out_size)
{
    int64_t length = (int64_t)size;

    if (start < 0 && end < 0 && start > end)
        return false;
    if (start < 0)
        start = start < -length ? 0 : start + length;
    if (end < 0)
        end = end < -length ? 0 : end + length;
    if (end >= length)
        end = length - 1;
    if (start > end)
        return false;
    *out_offset = (uint64_t)start;
    *out_size = (size_t)(end - start + 1);
    return true;
}

struct status resp_cmd_getrange(struct resp_call *call)
{
    struct resp_entry e;
    int64_t start;
    int64_t end;
    uint64_t offset;
    size_t size;

    if (!resp_call_int(call, 2, &start) || !resp_call_int(call, 3, &end))
        return status_ok();
    TRY(resp_entry_lookup(call, call->argv[1], RESP_ENTRY_VALUE, &e));
    if (!resp_entry_is_string(&e))
        return resp_fail_type(call);
    if (e.is_live && clip_range(start, end, e.size_bytes, &offset, &size))
        return resp_string_reply_part(call, &e, offset, size);
    resp_reply_bulk(call->reply, bytes_of(NULL, 0));
    return status_ok();
}
