/* DUMP, RESTORE: values that travel between servers. */
#include "resp/cmd.h"

#include "resp/dump.h"
#include "resp/entry.h"
#include "resp/notify.h"
#include "resp/number.h"
#include "resp/session.h"
#include "resp/string.h"

struct status resp_cmd_dump(struct resp_call *call)
{
    uint8_t head[RESP_DUMP_HEAD_MAX];
    struct resp_entry e;
    size_t head_size = 0;
    size_t content_size = 0;

    TRY(resp_entry_lookup(call, call->argv[1], RESP_ENTRY_VALUE, &e));
    if (!e.is_live) {
        resp_reply_null(call->reply);
        return status_ok();
    }
    if (e.type == RESP_ROW_STRING)
        head_size = resp_dump_number(resp_string_inline(&e), head);
    if (head_size == 0) {
        head_size = resp_dump_head(e.size_bytes, head);
        content_size = (size_t)e.size_bytes;
    }
    size_t size = head_size + content_size + RESP_DUMP_FOOT;
    uint8_t *room = resp_reply_bulk_room(call->reply, size);
    if (room == NULL)
        return status_of(ST_LIMIT);
    memcpy(room, head, head_size);
    TRY(resp_string_read(call, &e, 0, content_size, room + head_size));
    resp_dump_foot(room, size);
    return status_ok();
}

/* ---- RESTORE -------------------------------------------------------------------------------- */

struct restore_options {
    bool replaces;
    bool is_absolute;
    bool has_frequency; /* Checked, and not kept: nothing is evicted by it. */
    bool has_idle_time;
    int64_t idle_s;
};

static bool fail_option(struct resp_call *call, const char *text)
{
    status_ignore(resp_fail(call, text), "it is replied");
    return false;
}

/* "[REPLACE] [ABSTTL] [IDLETIME seconds | FREQ frequency]"; false, and the error is replied. */
static bool parse_restore(struct resp_call *call, struct restore_options *o)
{
    *o = (struct restore_options) { 0 };
    for (size_t i = 4; i < call->argc; i++) {
        bool has_value = i + 1 < call->argc;
        int64_t value;
        if (resp_call_is(call, i, "replace")) {
            o->replaces = true;
        } else if (resp_call_is(call, i, "absttl")) {
            o->is_absolute = true;
        } else if (resp_call_is(call, i, "idletime") && has_value && !o->has_frequency) {
            if (!resp_call_int(call, ++i, &value))
                return false;
            if (value < 0)
                return fail_option(call, "ERR Invalid IDLETIME value, must be >= 0");
            o->has_idle_time = true;
            o->idle_s = value;
        } else if (resp_call_is(call, i, "freq") && has_value && !o->has_idle_time) {
            if (!resp_call_int(call, ++i, &value))
                return false;
            if (value < 0 || value > UINT8_MAX)
                return fail_option(call, "ERR Invalid FREQ value, must be >= 0 and <= 255");
            o->has_frequency = true;
        } else {
            return fail_option(call, "ERR syntax error");
        }
    }
    return true;
}

static void note_idle_time(struct resp_call *call, const struct resp_entry *e, uint64_t idle_s)
{
    uint64_t now_s = call->now_ms / 1000;
    uint64_t at_ms = call->now_ms - 1000 * (idle_s < now_s ? idle_s : now_s);

    resp_touches_restore(&call->resp->touches, &e->place, at_ms);
}

/* When the key's time is over, 0 for never; false, and the error is replied. */
static bool parse_restore_time(struct resp_call *call, const struct restore_options *o,
                               uint64_t *out_ms)
{
    int64_t time;

    if (!resp_call_int(call, 2, &time))
        return false;
    if (time < 0)
        return fail_option(call, "ERR Invalid TTL value, must be >= 0");
    /* Beyond 64 bits Redis' sum is negative: long over. */
    bool is_relative = time != 0 && !o->is_absolute;
    if (is_relative && __builtin_add_overflow(time, (int64_t)call->now_ms, &time))
        time = 1;
    *out_ms = (uint64_t)time;
    return true;
}

struct status resp_cmd_restore(struct resp_call *call)
{
    struct restore_options o;
    struct resp_entry e;
    struct bytes string;
    uint64_t expire_ms;

    if (!parse_restore(call, &o))
        return status_ok();
    TRY(resp_entry_open(call, call->argv[1], RESP_ENTRY_FACTS, &e));
    if (e.is_live && !o.replaces)
        return resp_fail(call, "BUSYKEY Target key name already exists.");
    if (!parse_restore_time(call, &o, &expire_ms))
        return status_ok();
    struct status s = resp_dump_read(call->argv[3], call->resp->options.limits.bulk_max_bytes,
                                     call->arena, &string);
    if (s.code == ST_INVALID)
        return resp_fail(call, "ERR DUMP payload version or checksum are wrong");
    if (s.code == ST_CORRUPT)
        return resp_fail(call, "ERR Bad data format");
    TRY(s);
    resp_reply_ok(call->reply);
    if (expire_ms != 0 && expire_ms <= call->now_ms)
        return resp_entry_delete(call, &e);
    TRY(resp_entry_set_string(call, &e, string, expire_ms));
    if (o.has_idle_time)
        note_idle_time(call, &e, (uint64_t)o.idle_s);
    resp_notify(call, RESP_EVENT_GENERIC, "restore", call->argv[1]);
    return status_ok();
}
