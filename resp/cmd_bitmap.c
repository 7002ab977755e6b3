/* BITCOUNT and BITPOS: all bits of a string, or a part of them. */
#include "resp/cmd.h"

#include "resp/bits.h"
#include "resp/number.h"
#include "resp/session.h"
#include "resp/stream.h"

/* ---- Which bits ------------------------------------------------------------------------------ */

#define NOT_AN_INTEGER "ERR value is not an integer or out of range"
#define SYNTAX_ERROR "ERR syntax error"

/* What the arguments say of the range, before the string's size is known. */
struct range {
    const char *error; /* NULL: none. It is replied only if the key exists. */
    bool is_given;
    bool has_end;
    bool is_in_bits;
    bool is_empty; /* Whatever the string has. */
    int64_t start;
    int64_t end; /* Belongs to it. */
};

/* Bits of the string, [begin, end). */
struct bit_range {
    uint64_t begin;
    uint64_t end;
};

static const char *parse_unit(const struct resp_call *call, size_t arg, bool *out_is_in_bits)
{
    *out_is_in_bits = resp_call_is(call, arg, "bit");
    return *out_is_in_bits || resp_call_is(call, arg, "byte") ? NULL : SYNTAX_ERROR;
}

/* "[start end [BYTE|BIT]]" */
static void parse_count_range(const struct resp_call *call, struct range *out)
{
    *out = (struct range) { .is_given = call->argc > 2, .has_end = true };
    if (call->argc == 2)
        return;
    if (call->argc == 3 || call->argc > 5)
        out->error = SYNTAX_ERROR;
    else if (!resp_int_parse(call->argv[2], &out->start) ||
             !resp_int_parse(call->argv[3], &out->end))
        out->error = NOT_AN_INTEGER;
    else if (out->start < 0 && out->end < 0 && out->start > out->end)
        out->is_empty = true;
    else if (call->argc == 5)
        out->error = parse_unit(call, 4, &out->is_in_bits);
}

/* "[start [end [BYTE|BIT]]]" */
static void parse_find_range(const struct resp_call *call, struct range *out)
{
    *out = (struct range) { .is_given = call->argc > 3, .has_end = call->argc > 4, .end = -1 };
    if (call->argc == 3)
        return;
    if (call->argc > 6)
        out->error = SYNTAX_ERROR;
    else if (!resp_int_parse(call->argv[3], &out->start))
        out->error = NOT_AN_INTEGER;
    else if (call->argc == 6)
        out->error = parse_unit(call, 5, &out->is_in_bits);
    if (out->error == NULL && out->has_end && !resp_int_parse(call->argv[4], &out->end))
        out->error = NOT_AN_INTEGER;
}

/* A place counted from the end, if it is negative; never before the beginning. */
static int64_t place_of(int64_t place, int64_t total)
{
    if (place < 0)
        place += total;
    return place < 0 ? 0 : place;
}

/* Which bits those are of a string of size bytes. */
static struct bit_range resolve(const struct range *r, uint64_t size)
{
    int64_t total = (int64_t)(r->is_in_bits ? 8 * size : size);
    uint64_t unit = r->is_in_bits ? 1 : 8;

    if (!r->is_given)
        return (struct bit_range) { 0, 8 * size };
    int64_t start = place_of(r->start, total);
    int64_t end = place_of(r->end, total);
    if (end >= total)
        end = total - 1;
    if (r->is_empty || start > end)
        return (struct bit_range) { 0, 0 };
    return (struct bit_range) { (uint64_t)start * unit, ((uint64_t)end + 1) * unit };
}

/* No string has more bytes than this in the range. */
static uint64_t most_bytes(const struct range *r)
{
    if (!r->is_given || (r->start < 0) != (r->end < 0))
        return UINT64_MAX;
    return r->end < r->start ? 1 : (uint64_t)(r->end - r->start) + 1;
}

/* Open the string, and find out which bits are asked for. *out_is_there: there are any. Otherwise
 * an error has been replied, or the answer for an absent key. */
static struct status open_range(struct resp_call *call, const struct range *r, int64_t if_absent,
                                struct bit_range *out, bool *out_is_there)
{
    struct resp_stream *s = &call->session->stream;
    const struct resp_stream_options options = { .most_bytes = most_bytes(r) };

    *out_is_there = false;
    TRY(resp_stream_open(s, call, call->argv[1], &options));
    if (!s->entry.is_live) {
        resp_reply_int(call->reply, if_absent);
        return status_ok();
    }
    if (!resp_entry_is_string(&s->entry))
        return resp_fail_type(call);
    if (r->error != NULL)
        return resp_fail(call, r->error);
    *out = resolve(r, s->entry.size_bytes);
    resp_stream_want(s, call, out->begin / 8, (out->end + 7) / 8);
    *out_is_there = true;
    return status_ok();
}

/* The bits of a piece that are in the range, counted from the piece's first. */
static struct bit_range within(const struct bit_range *r, const struct resp_piece *p)
{
    uint64_t first = 8 * p->offset;
    uint64_t last = first + 8 * (uint64_t)p->bytes.size;
    uint64_t begin = r->begin > first ? r->begin : first;
    uint64_t end = r->end < last ? r->end : last;

    if (begin >= end) /* Where bytes are missing, only. */
        return (struct bit_range) { 0, 0 };
    return (struct bit_range) { begin - first, end - first };
}

/* ---- The commands ---------------------------------------------------------------------------- */

struct status resp_cmd_bitcount(struct resp_call *call)
{
    struct resp_stream *s = &call->session->stream;
    struct resp_piece piece;
    struct range range;
    struct bit_range bits;
    struct status st;
    bool is_there;

    parse_count_range(call, &range);
    TRY(open_range(call, &range, 0, &bits, &is_there));
    if (!is_there)
        return status_ok();
    while (succeeded(st = resp_stream_next(s, call, &piece))) {
        struct bit_range part = within(&bits, &piece);
        s->tally += resp_bits_count(piece.bytes, part.begin, part.end);
    }
    if (st.code != ST_NOT_FOUND)
        return st;
    resp_reply_int(call->reply, (int64_t)s->tally);
    return status_ok();
}

/* The first bit of the range with this value; its end if there is none. The stream's tally is the
 * bit up to which there is none so far. */
static struct status find(struct resp_call *call, const struct bit_range *bits, bool value,
                          uint64_t *out)
{
    struct resp_stream *s = &call->session->stream;
    struct resp_piece piece;
    struct status st;

    if (s->tally < bits->begin)
        s->tally = bits->begin;
    while (succeeded(st = resp_stream_next(s, call, &piece))) {
        struct bit_range part = within(bits, &piece);
        if (part.begin == part.end)
            continue;
        uint64_t first = 8 * piece.offset;
        if (!value && first + part.begin > s->tally)
            break; /* What is missing is zeros. */
        uint64_t found = resp_bits_find(piece.bytes, part.begin, part.end, value);
        s->tally = first + found;
        if (found < part.end)
            break;
    }
    if (failed(st) && st.code != ST_NOT_FOUND)
        return st;
    *out = failed(st) && value ? bits->end : s->tally;
    return status_ok();
}

struct status resp_cmd_bitpos(struct resp_call *call)
{
    struct range range;
    struct bit_range bits;
    bool is_there;
    int64_t bit;
    uint64_t found;

    if (!resp_call_int(call, 2, &bit))
        return status_ok();
    if (bit != 0 && bit != 1)
        return resp_fail(call, "ERR The bit argument must be 1 or 0.");
    parse_find_range(call, &range);
    TRY(open_range(call, &range, bit == 0 ? 0 : -1, &bits, &is_there));
    if (!is_there)
        return status_ok();
    TRY(find(call, &bits, bit == 1, &found));
    /* Behind a string whose end was not named there are zeros. */
    bool is_found = found < bits.end || (bit == 0 && !range.has_end && bits.begin < bits.end);
    resp_reply_int(call->reply, is_found ? (int64_t)found : -1);
    return status_ok();
}
