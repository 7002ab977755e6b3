#include "resp/cmd.h"

#include "resp/entry.h"
#include "resp/session.h"

static struct status remove_live(struct resp_call *call, struct resp_entry *e, size_t arg,
                                 void *context)
{
    int64_t *removed = context;

    (void)arg;
    *removed += e->is_live;
    return resp_entry_delete(call, e);
}

struct status resp_cmd_del(struct resp_call *call)
{
    int64_t removed = 0;

    TRY(resp_entry_visit(call, RESP_ENTRY_FACTS, remove_live, &removed));
    resp_reply_int(call->reply, removed);
    return status_ok();
}

static struct status count_live(struct resp_call *call, struct resp_entry *e, size_t arg,
                                void *context)
{
    int64_t *live = context;

    (void)arg;
    *live += e->is_live;
    resp_entry_score(call, e);
    return status_ok();
}

struct status resp_cmd_exists(struct resp_call *call)
{
    int64_t live = 0;

    TRY(resp_entry_visit(call, RESP_ENTRY_FACTS, count_live, &live));
    resp_reply_int(call->reply, live);
    return status_ok();
}

static struct status touch_live(struct resp_call *call, struct resp_entry *e, size_t arg,
                                void *context)
{
    if (e->is_live)
        resp_touches_note(&call->resp->touches, &e->place, call->now_ms);
    return count_live(call, e, arg, context);
}

struct status resp_cmd_touch(struct resp_call *call)
{
    int64_t live = 0;

    TRY(resp_entry_visit(call, RESP_ENTRY_FACTS, touch_live, &live));
    resp_reply_int(call->reply, live);
    return status_ok();
}

struct status resp_cmd_type(struct resp_call *call)
{
    struct resp_entry e;

    TRY(resp_entry_open(call, call->argv[1], RESP_ENTRY_FACTS, &e));
    resp_entry_score(call, &e);
    resp_reply_status(call->reply, e.is_live ? resp_row_type_name(e.type) : "none");
    return status_ok();
}
