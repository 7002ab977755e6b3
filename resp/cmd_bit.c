/* Single bits, and numbers of a few bits: SETBIT, GETBIT, BITFIELD and BITFIELD_RO. */
#include "resp/cmd.h"

#include "resp/bits.h"
#include "resp/entry.h"
#include "resp/notify.h"
#include "resp/number.h"
#include "resp/session.h"
#include "resp/string.h"

#include "base/check.h"

#include <stdlib.h>

/* The offset in bits that an argument names; "#n" is n fields of width bits, where there are
 * fields. False, and the error is replied, if no string reaches so far. */
static bool parse_offset(struct resp_call *call, size_t arg, unsigned width, uint64_t *out)
{
    struct bytes text = call->argv[arg];
    uint64_t max_bytes = call->resp->options.limits.string_max_bytes;
    bool is_scaled = width > 0 && text.size > 0 && text.data[0] == '#';
    int64_t offset;

    if (is_scaled)
        text = bytes_skip(text, 1);
    if (!resp_int_parse(text, &offset) || offset < 0 ||
        (is_scaled && __builtin_mul_overflow(offset, (int64_t)width, &offset)) ||
        (uint64_t)offset / 8 >= max_bytes) {
        resp_reply_error(call->reply, "ERR bit offset is not an integer or out of range");
        return false;
    }
    *out = (uint64_t)offset;
    return true;
}

/* ---- Single bits ---------------------------------------------------------------------------- */

/* A byte of the string; behind its end there are zeros. */
static struct status read_byte(struct resp_call *call, const struct resp_entry *e, uint64_t place,
                               uint8_t *out)
{
    *out = 0;
    if (!e->is_live || place >= e->size_bytes)
        return status_ok();
    return resp_string_read(call, e, place, 1, out);
}

struct status resp_cmd_getbit(struct resp_call *call)
{
    struct resp_entry e;
    uint64_t offset;
    uint8_t byte;

    if (!parse_offset(call, 2, 0, &offset))
        return status_ok();
    TRY(resp_entry_lookup(call, call->argv[1], RESP_ENTRY_VALUE, &e));
    if (!resp_entry_is_string(&e))
        return resp_fail_type(call);
    TRY(read_byte(call, &e, offset / 8, &byte));
    resp_reply_int(call->reply, byte >> (7 - offset % 8) & 1);
    return status_ok();
}

struct status resp_cmd_setbit(struct resp_call *call)
{
    struct resp_entry e;
    uint64_t offset;
    int64_t bit;
    uint8_t byte;

    if (!parse_offset(call, 2, 0, &offset))
        return status_ok();
    if (!resp_int_parse(call->argv[3], &bit) || (bit & ~INT64_C(1)) != 0)
        return resp_fail(call, "ERR bit is not an integer or out of range");
    TRY(resp_entry_open(call, call->argv[1], RESP_ENTRY_VALUE, &e));
    if (!resp_entry_is_string(&e))
        return resp_fail_type(call);
    TRY(read_byte(call, &e, offset / 8, &byte));
    unsigned shift = 7 - offset % 8;
    int64_t old = byte >> shift & 1;
    bool grows = !e.is_live || offset / 8 >= e.size_bytes;
    if (grows || old != bit) {
        byte = (uint8_t)((byte & ~(1u << shift)) | (unsigned)bit << shift);
        TRY(resp_string_write(call, &e, offset / 8, bytes_of(&byte, 1)));
        resp_notify(call, RESP_EVENT_STRING, "setbit", e.place.key);
    }
    resp_reply_int(call->reply, old);
    return status_ok();
}

/* ---- Fields: what is asked for --------------------------------------------------------------- */

enum verb { VERB_GET, VERB_SET, VERB_INCRBY };

struct field_op {
    enum verb verb;
    enum resp_field_overflow overflow;
    struct resp_field field;
    uint64_t offset; /* In bits. */
    int64_t value;   /* Set, or added. */
};

struct field_ops {
    struct field_op *ops; /* In the arena. */
    size_t count;
    uint64_t size_bytes; /* What the string must have for all that is written; 0: nothing is. */
};

static bool parse_field(struct resp_call *call, size_t arg, struct resp_field *out)
{
    struct bytes text = call->argv[arg];
    int64_t width;

    out->is_signed = text.size > 0 && text.data[0] == 'i';
    if (text.size > 1 && (out->is_signed || text.data[0] == 'u') &&
        resp_int_parse(bytes_skip(text, 1), &width) && width >= 1 &&
        width <= (out->is_signed ? 64 : 63)) {
        out->width = (unsigned)width;
        return true;
    }
    resp_reply_error(call->reply, "ERR Invalid bitfield type. Use something like i16 u8. Note that "
                                  "u64 is not supported but i64 is.");
    return false;
}

static bool parse_overflow(struct resp_call *call, size_t arg, enum resp_field_overflow *out)
{
    if (resp_call_is(call, arg, "wrap"))
        *out = RESP_FIELD_WRAP;
    else if (resp_call_is(call, arg, "sat"))
        *out = RESP_FIELD_SATURATE;
    else if (resp_call_is(call, arg, "fail"))
        *out = RESP_FIELD_FAIL;
    else {
        resp_reply_error(call->reply, "ERR Invalid OVERFLOW type specified");
        return false;
    }
    return true;
}

/* Parse the words behind the verb: field, offset, and what is written. */
static bool parse_op(struct resp_call *call, size_t arg, struct field_op *op,
                     uint64_t *out_size_bytes)
{
    if (!parse_field(call, arg, &op->field) ||
        !parse_offset(call, arg + 1, op->field.width, &op->offset))
        return false;
    if (op->verb == VERB_GET)
        return true;
    uint64_t end = (op->offset + op->field.width + 7) / 8;
    if (end > *out_size_bytes)
        *out_size_bytes = end;
    return resp_call_int(call, arg + 2, &op->value);
}

/* Parse all of them; false, and the error is replied. Requires: ops has room for argc of them. */
static bool parse_ops(struct resp_call *call, struct field_ops *out)
{
    enum resp_field_overflow overflow = RESP_FIELD_WRAP;

    for (size_t arg = 2; arg < call->argc;) {
        size_t behind = call->argc - arg - 1;
        struct field_op *op = &out->ops[out->count];
        op->overflow = overflow;
        if (resp_call_is(call, arg, "overflow") && behind >= 1) {
            if (!parse_overflow(call, arg + 1, &overflow))
                return false;
            arg += 2;
            continue;
        }
        if (resp_call_is(call, arg, "get") && behind >= 2) {
            op->verb = VERB_GET;
        } else if (resp_call_is(call, arg, "set") && behind >= 3) {
            op->verb = VERB_SET;
        } else if (resp_call_is(call, arg, "incrby") && behind >= 3) {
            op->verb = VERB_INCRBY;
        } else {
            status_ignore(resp_fail_syntax(call), "it is replied");
            return false;
        }
        if (!parse_op(call, arg + 1, op, &out->size_bytes))
            return false;
        out->count++;
        arg += op->verb == VERB_GET ? 3 : 4;
    }
    return true;
}

/* ---- Fields: the parts of the string they lie in ----------------------------------------------
 */

/* A part of the string, in memory while the fields in it are read and written. Apart from each
 * other by a chunk's border at least, so that a chunk is written once. */
struct span {
    uint64_t begin;
    uint64_t end;
    uint8_t *bytes; /* In the arena; zeros behind the end, for fields that reach over it. */
    bool is_changed;
};

struct spans {
    struct span *all; /* By place. */
    size_t count;
};

static int compare_spans(const void *a, const void *b)
{
    const struct span *x = a;
    const struct span *y = b;

    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* Does what begins here belong to the span before it? */
static bool adjoins(const struct span *s, uint64_t begin, bool is_inline)
{
    return is_inline || begin < s->end ||
           begin / RESP_CHUNK_BYTES == (s->end - 1) / RESP_CHUNK_BYTES;
}

/* Where the fields lie in a string of size bytes. Requires: out->all has room for all ops. */
static void find_spans(const struct field_ops *ops, uint64_t size, struct spans *out)
{
    size_t kept = 0;

    out->count = 0;
    for (size_t i = 0; i < ops->count; i++) {
        const struct field_op *op = &ops->ops[i];
        uint64_t begin = op->offset / 8;
        uint64_t end = (op->offset + op->field.width + 7) / 8;
        if (begin < size)
            out->all[out->count++] =
                (struct span) { .begin = begin, .end = end < size ? end : size };
    }
    qsort(out->all, out->count, sizeof *out->all, compare_spans);
    for (size_t i = 0; i < out->count; i++) {
        struct span *last = &out->all[kept == 0 ? 0 : kept - 1];
        if (kept == 0 || !adjoins(last, out->all[i].begin, size <= RESP_INLINE_MAX_BYTES))
            out->all[kept++] = out->all[i];
        else if (out->all[i].end > last->end)
            last->end = out->all[i].end;
    }
    out->count = kept;
}

/* Read what the spans hold; what is not there yet is zeros. */
static struct status read_spans(struct resp_call *call, const struct resp_entry *e,
                                struct spans *spans)
{
    uint64_t old_size = e->is_live ? e->size_bytes : 0;

    for (size_t i = 0; i < spans->count; i++) {
        const struct span *s = &spans->all[i];
        if (s->begin < old_size)
            resp_string_prefetch(call, e, s->begin,
                                 (s->end < old_size ? s->end : old_size) - s->begin);
    }
    for (size_t i = 0; i < spans->count; i++) {
        struct span *s = &spans->all[i];
        size_t size = (size_t)(s->end - s->begin);
        uint64_t there = s->begin < old_size ? old_size - s->begin : 0;
        s->bytes = arena_take(call->arena, size + RESP_FIELD_BYTES);
        if (s->bytes == NULL)
            return status_of(ST_NO_MEMORY);
        if (there > size)
            there = size;
        if (there > 0)
            TRY(resp_string_read(call, e, s->begin, (size_t)there, s->bytes));
        memset(s->bytes + there, 0, size + RESP_FIELD_BYTES - there);
    }
    return status_ok();
}

/* Where the byte at place is in memory; its span in *out_span. NULL: behind the string's end. */
static uint8_t *find_byte(const struct spans *spans, uint64_t place, struct span **out_span)
{
    size_t low = 0;
    size_t high = spans->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (spans->all[middle].end <= place)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == spans->count)
        return NULL;
    *out_span = &spans->all[low];
    return spans->all[low].bytes + (place - spans->all[low].begin);
}

/* Write the spans that were changed; the last one first, so that the string has its size at once.
 */
static struct status write_spans(struct resp_call *call, struct resp_entry *e,
                                 const struct spans *spans)
{
    for (size_t i = spans->count; i > 0; i--) {
        const struct span *s = &spans->all[i - 1];
        if (s->is_changed)
            TRY(resp_string_write(call, e, s->begin,
                                  bytes_of(s->bytes, (size_t)(s->end - s->begin))));
    }
    return status_ok();
}

/* ---- Fields: what is done -------------------------------------------------------------------- */

/* Returns whether it wrote something else than there was; is_new: the string grows, so it did. */
static bool run_op(struct resp_call *call, const struct field_op *op, const struct spans *spans,
                   bool is_new)
{
    static const uint8_t zeros[RESP_FIELD_BYTES];
    struct span *span = NULL;
    uint8_t *bytes = find_byte(spans, op->offset / 8, &span);
    unsigned skip = op->offset % 8;
    int64_t old = resp_field_get(op->field, bytes == NULL ? zeros : bytes, skip);
    int64_t new;

    if (op->verb == VERB_GET) {
        resp_reply_int(call->reply, old);
        return false;
    }
    CHECK(bytes != NULL); /* All that is written lies within the string's new size. */
    bool is_sum = op->verb == VERB_INCRBY;
    if (!resp_field_add(op->field, op->overflow, is_sum ? old : op->value, is_sum ? op->value : 0,
                        &new)) {
        resp_reply_null(call->reply);
        return false;
    }
    resp_field_set(op->field, bytes, skip, new);
    span->is_changed |= old != new;
    resp_reply_int(call->reply, is_sum ? new : old);
    return is_new || old != new;
}

static struct status run_ops(struct resp_call *call, struct resp_entry *e,
                             const struct field_ops *ops)
{
    struct spans spans = { .all = arena_take(call->arena, ops->count * sizeof *spans.all) };
    uint64_t old_size = e->is_live ? e->size_bytes : 0;

    if (spans.all == NULL)
        return status_of(ST_NO_MEMORY);
    find_spans(ops, ops->size_bytes > old_size ? ops->size_bytes : old_size, &spans);
    TRY(read_spans(call, e, &spans));
    resp_reply_array(call->reply, ops->count);
    bool grows = ops->size_bytes > old_size;
    bool is_changed = false;
    for (size_t i = 0; i < ops->count; i++)
        is_changed |= run_op(call, &ops->ops[i], &spans, grows);
    if (grows)
        spans.all[spans.count - 1].is_changed = true; /* Whatever was written. */
    TRY(write_spans(call, e, &spans));
    if (is_changed)
        resp_notify(call, RESP_EVENT_STRING, "setbit", e->place.key);
    return status_ok();
}

static struct status bitfield(struct resp_call *call, bool is_read_only)
{
    struct field_ops ops = { .ops = arena_take(call->arena, call->argc * sizeof *ops.ops) };
    struct resp_entry e;

    if (ops.ops == NULL)
        return status_of(ST_NO_MEMORY);
    if (!parse_ops(call, &ops))
        return status_ok();
    if (ops.size_bytes > 0 && is_read_only)
        return resp_fail(call, "ERR BITFIELD_RO only supports the GET subcommand");
    TRY(resp_entry_open(call, call->argv[1], RESP_ENTRY_VALUE, &e));
    if (ops.size_bytes == 0)
        resp_entry_use(call, &e);
    if (!resp_entry_is_string(&e))
        return resp_fail_type(call);
    return run_ops(call, &e, &ops);
}

struct status resp_cmd_bitfield(struct resp_call *call)
{
    return bitfield(call, false);
}

struct status resp_cmd_bitfield_ro(struct resp_call *call)
{
    return bitfield(call, true);
}
