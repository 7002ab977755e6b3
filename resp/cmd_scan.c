#include "resp/cmd.h"

#include "resp/entry.h"
#include "resp/glob.h"
#include "resp/number.h"
#include "resp/scan.h"
#include "resp/session.h"

enum { SCAN_COUNT_DEFAULT = 10, SCAN_SEEKS_MIN = 64 };

/* What SCAN and KEYS are asked for. */
struct wanted {
    uint64_t position;
    uint64_t count;       /* Keys to look at before the page ends. */
    struct bytes pattern; /* "*": any. */
    struct bytes type;    /* data NULL: any. */
};

static bool is_wanted(const struct wanted *wanted, struct bytes key, uint8_t type)
{
    if (!bytes_equal(wanted->pattern, bytes_str("*")) &&
        !resp_glob_match(wanted->pattern, key, false))
        return false;
    return wanted->type.data == NULL || resp_text_is(wanted->type, resp_row_type_name(type));
}

/* Add what the running transaction wrote to the keys found. */
static struct status find_overlaid(struct resp_call *call, struct resp_walk *w,
                                   const struct wanted *wanted, uint64_t from, uint64_t to)
{
    if (call->overlay == NULL)
        return status_ok();
    for (size_t i = 0; i < call->overlay->count; i++) {
        struct resp_entry e;
        bool is_there;
        TRY(resp_walk_open_written(call, call->overlay->rows[i], from, to, &e, &is_there));
        if (is_there && is_wanted(wanted, e.place.key, e.type))
            resp_walk_found(w, e.place.key);
    }
    return status_ok();
}

/* Walk from the wanted position on, until enough keys were seen (all that share the last one's
 * position with it) or enough seeks were made. w->position is where the next page begins. */
static struct status find(struct resp_call *call, struct resp_walk *w, const struct wanted *wanted,
                          size_t seeks_max)
{
    struct resp_walked row;

    if (w->is_finished)
        return status_ok();
    if (call->overlay != NULL)
        resp_overlay_sort(call->overlay);
    TRY(resp_walk_open(w, call, wanted->position));
    for (;;) {
        struct status s = resp_walk_next(w, call, seeks_max, &row);
        if (s.code == ST_NOT_FOUND)
            break;
        if (failed(s))
            return s;
        if (w->seen_count >= wanted->count && w->position != w->seen_position)
            break;
        w->seen_count++;
        w->seen_position = w->position;
        if (!resp_walk_is_written(call, row.row_key) && is_wanted(wanted, row.key, row.type))
            resp_walk_found(w, row.key);
    }
    TRY(find_overlaid(call, w, wanted, wanted->position, w->position));
    w->is_finished = true;
    return w->found.is_failed ? status_of(ST_LIMIT) : status_ok();
}

static void reply_found(struct resp_call *call, const struct resp_walk *w)
{
    resp_reply_array(call->reply, w->found_count);
    resp_reply_raw(call->reply, buf_bytes(&w->found));
}

static uint64_t count_keys(struct resp_call *call)
{
    return call->store->ops->size(call->store, call->database_id);
}

/* There is nothing to walk over. That there is something is a hint, for which nobody need wait. */
static bool is_empty(struct resp_call *call)
{
    uint64_t keys;
    uint64_t expires;

    call->store->ops->counts(call->store, call->database_id, &keys, &expires);
    return keys == 0 && count_keys(call) == 0;
}

/* Parse "[MATCH pattern] [COUNT count] [TYPE type]"; false, and the error is replied. */
static bool parse_scan(struct resp_call *call, struct wanted *out)
{
    *out = (struct wanted) { .count = SCAN_COUNT_DEFAULT, .pattern = bytes_str("*") };
    if (!resp_unsigned_parse(call->argv[1], &out->position)) {
        resp_reply_error(call->reply, "ERR invalid cursor");
        return false;
    }
    for (size_t i = 2; i < call->argc; i += 2) {
        int64_t count;
        bool has_value = i + 1 < call->argc;
        if (has_value && resp_call_is(call, i, "count")) {
            if (!resp_call_int(call, i + 1, &count))
                return false;
            if (count < 1)
                goto syntax;
            out->count = (uint64_t)count;
        } else if (has_value && resp_call_is(call, i, "match")) {
            out->pattern = call->argv[i + 1];
        } else if (has_value && resp_call_is(call, i, "type")) {
            out->type = call->argv[i + 1];
        } else {
            goto syntax;
        }
    }
    return true;
syntax:
    status_ignore(resp_fail_syntax(call), "it is replied");
    return false;
}

struct status resp_cmd_scan(struct resp_call *call)
{
    struct resp_walk *w = &call->session->walk;
    struct wanted wanted;
    char cursor[RESP_INT_MAX_CHARS];

    if (!parse_scan(call, &wanted))
        return status_ok();
    bool is_over = wanted.position >= RESP_POSITION_END || (!w->is_begun && is_empty(call));
    if (!is_over) {
        uint64_t seeks_max = wanted.count > SCAN_SEEKS_MIN ? wanted.count : SCAN_SEEKS_MIN;
        TRY(find(call, w, &wanted, seeks_max));
        is_over = w->position == RESP_POSITION_END;
    }
    size_t size = resp_unsigned_format(is_over ? 0 : w->position, cursor);
    resp_reply_array(call->reply, 2);
    resp_reply_bulk(call->reply, bytes_of(cursor, size));
    reply_found(call, w);
    return status_ok();
}

struct status resp_cmd_keys(struct resp_call *call)
{
    struct resp_walk *w = &call->session->walk;
    struct wanted wanted = { .count = UINT64_MAX, .pattern = call->argv[1] };

    if (w->is_begun || !is_empty(call))
        TRY(find(call, w, &wanted, SIZE_MAX));
    reply_found(call, w);
    return status_ok();
}

/* The first key at or after a random position, going round once. */
struct status resp_cmd_randomkey(struct resp_call *call)
{
    struct resp_walk *w = &call->session->walk;
    struct resp_walked row;
    struct resp_entry e;

    if (call->overlay != NULL)
        resp_overlay_sort(call->overlay);
    if (w->is_begun || !is_empty(call)) {
        TRY(resp_walk_open(w, call, call->store->ops->random(call->store) % RESP_POSITION_END));
        for (;;) {
            struct status s = resp_walk_next(w, call, SIZE_MAX, &row);
            if (s.code == ST_NOT_FOUND && !w->has_wrapped) {
                w->has_wrapped = true;
                TRY(resp_walk_move(w, call, 0));
                continue;
            }
            if (s.code == ST_NOT_FOUND)
                break;
            if (failed(s))
                return s;
            if (resp_walk_is_written(call, row.row_key))
                continue;
            resp_reply_bulk(call->reply, row.key);
            return status_ok();
        }
    }
    for (size_t i = 0; call->overlay != NULL && i < call->overlay->count; i++) {
        bool is_there;
        TRY(resp_walk_open_written(call, call->overlay->rows[i], 0, RESP_POSITION_END, &e,
                                   &is_there));
        if (is_there) {
            resp_reply_bulk(call->reply, e.place.key);
            return status_ok();
        }
    }
    resp_reply_null(call->reply);
    return status_ok();
}

struct status resp_cmd_dbsize(struct resp_call *call)
{
    resp_reply_int(call->reply, (int64_t)count_keys(call));
    return status_ok();
}
