/* Keys, and whole databases, that change their places. */
#include "resp/cmd.h"

#include "resp/entry.h"
#include "resp/notify.h"
#include "resp/number.h"
#include "resp/session.h"
#include "resp/string.h"

/* Load the key whose content is wanted and the one whose place it gets; both reads are started
 * before one of them is waited for. */
static struct status load_both(struct resp_call *call, struct resp_entry *from,
                               struct resp_entry *to)
{
    const struct store_ops *ops = call->store->ops;

    ops->prefetch(call->store, &to->row_key, 1, STORE_META);
    TRY(resp_entry_load(call, RESP_ENTRY_VALUE, from));
    return resp_entry_load(call, RESP_ENTRY_FACTS, to);
}

/* Put the one key into the other's place. Its chunks stay where they are if its object can be named
 * there; else they are written anew. */
static struct status move(struct resp_call *call, struct resp_entry *from, struct resp_entry *to)
{
    if (from->type == RESP_ROW_STRING_CHUNKED && resp_entry_is_beside(from, to))
        return resp_entry_give_object(call, from, to);
    TRY(resp_string_copy(call, from, to));
    return resp_entry_remove(call, from);
}

/* ---- RENAME, RENAMENX ----------------------------------------------------------------------- */

enum rename_outcome { RENAME_DONE, RENAME_NO_KEY, RENAME_TAKEN };

static struct status rename_key(struct resp_call *call, bool only_if_free,
                                enum rename_outcome *out_outcome)
{
    struct resp_entry from;
    struct resp_entry to;

    TRY(resp_entry_init(call, call->argv[1], &from));
    TRY(resp_entry_init(call, call->argv[2], &to));
    TRY(load_both(call, &from, &to));
    *out_outcome = !from.is_live ? RENAME_NO_KEY : RENAME_DONE;
    if (from.is_live && only_if_free && to.is_live)
        *out_outcome = RENAME_TAKEN;
    if (*out_outcome != RENAME_DONE || bytes_equal(call->argv[1], call->argv[2]))
        return status_ok();
    bool replaces = to.is_live;
    TRY(move(call, &from, &to));
    /* What takes the place of another key is new too; entry.c tells of free places alone. */
    if (replaces)
        resp_notify(call, RESP_EVENT_NEW, "new", call->argv[2]);
    resp_notify(call, RESP_EVENT_GENERIC, "rename_from", call->argv[1]);
    resp_notify(call, RESP_EVENT_GENERIC, "rename_to", call->argv[2]);
    return status_ok();
}

struct status resp_cmd_rename(struct resp_call *call)
{
    enum rename_outcome outcome;

    TRY(rename_key(call, false, &outcome));
    if (outcome == RENAME_NO_KEY)
        return resp_fail_no_key(call);
    resp_reply_ok(call->reply);
    return status_ok();
}

struct status resp_cmd_renamenx(struct resp_call *call)
{
    enum rename_outcome outcome;

    TRY(rename_key(call, true, &outcome));
    if (outcome == RENAME_NO_KEY)
        return resp_fail_no_key(call);
    resp_reply_int(call->reply, outcome == RENAME_DONE);
    return status_ok();
}

/* ---- COPY, MOVE ----------------------------------------------------------------------------- */

static struct status fail_same_place(struct resp_call *call)
{
    return resp_fail(call, "ERR source and destination objects are the same");
}

/* "[DB number] [REPLACE]"; false, and the error is replied. */
static bool parse_copy(struct resp_call *call, uint32_t *out_number, bool *out_replaces)
{
    *out_number = call->session->identity.database;
    *out_replaces = false;
    for (size_t i = 3; i < call->argc; i++) {
        if (resp_call_is(call, i, "replace")) {
            *out_replaces = true;
        } else if (resp_call_is(call, i, "db") && i + 1 < call->argc) {
            if (!resp_call_database(call, ++i, out_number))
                return false;
        } else {
            status_ignore(resp_fail_syntax(call), "it is replied");
            return false;
        }
    }
    return true;
}

/* Open the key of argument 1, and a key in another place: in the database of a number. */
static struct status open_elsewhere(struct resp_call *call, uint32_t number, struct bytes key,
                                    struct resp_entry *from, struct resp_entry *to)
{
    TRY(resp_entry_init(call, call->argv[1], from));
    TRY(resp_entry_init_in(call, number, key, to));
    return load_both(call, from, to);
}

struct status resp_cmd_copy(struct resp_call *call)
{
    struct resp_entry from;
    struct resp_entry to;
    uint32_t number;
    bool replaces;

    if (!parse_copy(call, &number, &replaces))
        return status_ok();
    if (number == call->session->identity.database && bytes_equal(call->argv[1], call->argv[2]))
        return fail_same_place(call);
    TRY(open_elsewhere(call, number, call->argv[2], &from, &to));
    resp_entry_use(call, &from);
    bool can_copy = from.is_live && (replaces || !to.is_live);
    if (can_copy) {
        bool was_live = to.is_live;
        TRY(resp_string_copy(call, &from, &to));
        if (was_live)
            resp_notify_in(call, number, RESP_EVENT_NEW, "new", call->argv[2]);
        resp_notify_in(call, number, RESP_EVENT_GENERIC, "copy_to", call->argv[2]);
    }
    resp_reply_int(call->reply, can_copy);
    return status_ok();
}

struct status resp_cmd_move(struct resp_call *call)
{
    struct resp_entry from;
    struct resp_entry to;
    uint32_t number;

    if (!resp_call_database(call, 2, &number))
        return status_ok();
    if (number == call->session->identity.database)
        return fail_same_place(call);
    TRY(open_elsewhere(call, number, call->argv[1], &from, &to));
    bool can_move = from.is_live && !to.is_live;
    if (can_move) {
        TRY(move(call, &from, &to));
        resp_notify(call, RESP_EVENT_GENERIC, "move_from", call->argv[1]);
        resp_notify_in(call, number, RESP_EVENT_GENERIC, "move_to", call->argv[1]);
    }
    resp_reply_int(call->reply, can_move);
    return status_ok();
}

/* ---- SWAPDB --------------------------------------------------------------------------------- */

/* A number of 32 bits; false for anything else. */
static bool parse_index(struct bytes text, int64_t *out_index)
{
    return resp_int_parse(text, out_index) && *out_index >= INT32_MIN && *out_index <= INT32_MAX;
}

struct status resp_cmd_swapdb(struct resp_call *call)
{
    const struct store_ops *ops = call->store->ops;
    uint32_t count = ops->database_count(call->store);
    int64_t a;
    int64_t b;

    if (!parse_index(call->argv[1], &a))
        return resp_fail(call, "ERR invalid first DB index");
    if (!parse_index(call->argv[2], &b))
        return resp_fail(call, "ERR invalid second DB index");
    if (a < 0 || a >= count || b < 0 || b >= count)
        return resp_fail(call, "ERR DB index is out of range");
    if (a != b)
        TRY(ops->database_swap(call->store, (uint32_t)a, (uint32_t)b));
    resp_reply_ok(call->reply);
    return status_ok();
}
