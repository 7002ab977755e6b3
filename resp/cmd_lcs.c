/* LCS. */
#include "resp/cmd.h"

#include "resp/entry.h"
#include "resp/lcs.h"
#include "resp/number.h"
#include "resp/session.h"
#include "resp/string.h"

struct lcs_options {
    bool has_length;
    bool has_index;
    bool has_match_lengths;
    int64_t match_min; /* Shorter runs are not shown. */
};

/* Parse the words behind the keys; false, and the error is replied. */
static bool parse_options(struct resp_call *call, struct lcs_options *out)
{
    *out = (struct lcs_options) { 0 };
    for (size_t arg = 3; arg < call->argc; arg++) {
        if (resp_call_is(call, arg, "idx")) {
            out->has_index = true;
        } else if (resp_call_is(call, arg, "len")) {
            out->has_length = true;
        } else if (resp_call_is(call, arg, "withmatchlen")) {
            out->has_match_lengths = true;
        } else if (resp_call_is(call, arg, "minmatchlen") && arg + 1 < call->argc) {
            if (!resp_call_int(call, ++arg, &out->match_min))
                return false;
        } else {
            status_ignore(resp_fail_syntax(call), "it is replied");
            return false;
        }
    }
    if (out->has_index && out->has_length) {
        resp_reply_error(call->reply,
                         "ERR If you want both the length and indexes, please just use IDX.");
        return false;
    }
    return true;
}

static struct status note_entry(struct resp_call *call, struct resp_entry *e, size_t arg,
                                void *context)
{
    struct resp_entry *entries = context;

    resp_entry_use(call, e);
    entries[arg - 1] = *e;
    return status_ok();
}

/* Redis' table has four bytes for each pair of places, and no more of them than a string may. */
static bool fits(const struct resp_call *call, const struct resp_entry *entries)
{
    uint64_t max = call->resp->options.limits.string_max_bytes / sizeof(uint32_t);
    uint64_t a = entries[0].is_live ? entries[0].size_bytes : 0;
    uint64_t b = entries[1].is_live ? entries[1].size_bytes : 0;
    uint64_t pairs;

    return !__builtin_mul_overflow(a + 1, b + 1, &pairs) && pairs <= max;
}

static void reply_index(struct resp_call *call, struct resp_lcs *l, const struct lcs_options *o)
{
    struct resp_reply *r = call->reply;
    struct resp_lcs_run run;
    size_t count = 0;

    resp_reply_map(r, 2);
    resp_reply_bulk_str(r, "matches");
    struct resp_mark matches = resp_reply_mark(r);
    while (resp_lcs_next(l, &run)) {
        if ((int64_t)run.size < o->match_min)
            continue;
        count++;
        resp_reply_array(r, o->has_match_lengths ? 3 : 2);
        resp_reply_array(r, 2);
        resp_reply_int(r, (int64_t)run.a);
        resp_reply_int(r, (int64_t)(run.a + run.size - 1));
        resp_reply_array(r, 2);
        resp_reply_int(r, (int64_t)run.b);
        resp_reply_int(r, (int64_t)(run.b + run.size - 1));
        if (o->has_match_lengths)
            resp_reply_int(r, (int64_t)run.size);
    }
    resp_reply_array_at(r, matches, count);
    resp_reply_bulk_str(r, "len");
    resp_reply_int(r, (int64_t)l->length);
}

static struct status reply_content(struct resp_call *call, struct resp_lcs *l)
{
    uint8_t *room = resp_reply_bulk_room(call->reply, l->length);
    struct resp_lcs_run run;
    size_t at = l->length;

    if (room == NULL)
        return status_of(ST_LIMIT);
    while (resp_lcs_next(l, &run)) {
        at -= run.size;
        memcpy(room + at, l->a.data + run.a, run.size);
    }
    return status_ok();
}

struct status resp_cmd_lcs(struct resp_call *call)
{
    struct lcs_options o;
    struct resp_entry entries[2];
    struct bytes a = bytes_of(NULL, 0);
    struct bytes b = bytes_of(NULL, 0);
    struct resp_lcs l;

    TRY(resp_entry_visit(call, RESP_ENTRY_VALUE, note_entry, entries));
    if (!resp_entry_is_string(&entries[0]) || !resp_entry_is_string(&entries[1]))
        return resp_fail(call, "ERR The specified keys must contain string values");
    if (!parse_options(call, &o))
        return status_ok();
    if (!fits(call, entries))
        return resp_fail(call, "ERR Insufficient memory, transient memory for LCS exceeds "
                               "proto-max-bulk-len");
    if (entries[0].is_live)
        TRY(resp_string_gather(call, &entries[0], &a));
    if (entries[1].is_live)
        TRY(resp_string_gather(call, &entries[1], &b));
    TRY(resp_lcs_init(&l, call->arena, a, b, !o.has_length));
    if (o.has_index)
        reply_index(call, &l, &o);
    else if (o.has_length)
        resp_reply_int(call->reply, (int64_t)l.length);
    else
        return reply_content(call, &l);
    return status_ok();
}
