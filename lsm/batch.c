#include "lsm/batch.h"

#include "base/check.h"
#include "base/hash.h"

#include "lsm/rangedel.h"

void lsm_batch_init(struct lsm_batch *b, struct alloc *a, uint32_t separation_min, size_t size_max)
{
    *b = (struct lsm_batch) { .separation_min = separation_min };
    buf_init(&b->body, a, size_max);
    buf_init(&b->values, a, size_max);
    buf_init(&b->spans, a, size_max);
}

void lsm_batch_deinit(struct lsm_batch *b)
{
    buf_deinit(&b->body);
    buf_deinit(&b->values);
    buf_deinit(&b->spans);
}

void lsm_batch_reset(struct lsm_batch *b)
{
    buf_reset(&b->body);
    buf_reset(&b->values);
    buf_reset(&b->spans);
    b->op_count = 0;
    b->value_count = 0;
    b->range_count = 0;
    b->put_count = 0;
    b->key_value_bytes = 0;
    b->is_distinct = false;
    b->is_sealed = false;
}

size_t lsm_batch_size(const struct lsm_batch *b)
{
    return b->body.size + b->values.size;
}

struct lsm_batch_mark lsm_batch_mark(const struct lsm_batch *b)
{
    return (struct lsm_batch_mark) {
        .body_size = b->body.size,
        .values_size = b->values.size,
        .spans_size = b->spans.size,
        .key_value_bytes = b->key_value_bytes,
        .op_count = b->op_count,
        .value_count = b->value_count,
        .range_count = b->range_count,
        .put_count = b->put_count,
    };
}

void lsm_batch_take_back(struct lsm_batch *b, struct lsm_batch_mark m)
{
    CHECK(!b->is_sealed);
    b->body.size = m.body_size;
    b->values.size = m.values_size;
    b->spans.size = m.spans_size;
    b->key_value_bytes = m.key_value_bytes;
    b->op_count = m.op_count;
    b->value_count = m.value_count;
    b->range_count = m.range_count;
    b->put_count = m.put_count;
    b->body.is_failed = false;
    b->values.is_failed = false;
    b->spans.is_failed = false;
}

/* Nothing of a failed operation is left. */
static struct status out_of_memory(struct lsm_batch *b, struct lsm_batch_mark m)
{
    lsm_batch_take_back(b, m);
    return status_of(ST_NO_MEMORY);
}

static void begin(struct lsm_batch *b)
{
    CHECK(!b->is_sealed);
    if (b->body.size == 0)
        (void)buf_extend(&b->body, LSM_BODY_HEADER);
}

/* The most an operation adds to the body beside its bytes: head, expiry, two lengths, keyspaces. */
enum { OP_OVERHEAD = 3 + 5 * VARINT_MAX };

/* Where an operation with so many bytes of its own is written; NULL: there is no memory. */
static uint8_t *open_op(struct lsm_batch *b, size_t size)
{
    begin(b);
    b->is_distinct = false;
    return buf_reserve(&b->body, OP_OVERHEAD + size) ? b->body.data + b->body.size : NULL;
}

/* What open_op gave is written up to end. */
static void close_op(struct lsm_batch *b, const uint8_t *end)
{
    b->body.size = (size_t)(end - b->body.data);
    b->op_count++;
}

static uint8_t *put_head(uint8_t *p, uint8_t kind, uint8_t type, uint64_t expire_ms)
{
    p[0] = kind;
    p[1] = expire_ms != 0 ? LSM_OP_HAS_EXPIRY : 0;
    p[2] = type;
    p += 3;
    return expire_ms != 0 ? p + put_varint(p, expire_ms) : p;
}

static uint8_t *put_bytes(uint8_t *p, struct bytes bytes)
{
    if (bytes.size > 0)
        memcpy(p, bytes.data, bytes.size);
    return p + bytes.size;
}

static uint8_t *put_sized(uint8_t *p, struct bytes bytes)
{
    return put_bytes(p + put_varint(p, bytes.size), bytes);
}

static uint8_t *put_key(uint8_t *p, uint32_t keyspace, struct bytes key)
{
    p += put_varint(p, varint_size(keyspace) + key.size);
    p += put_varint(p, keyspace);
    return put_bytes(p, key);
}

static struct status check_room(const struct lsm_batch *b, uint32_t keyspace, struct bytes key,
                                size_t inline_size, size_t apart_size)
{
    size_t room = b->body.size_max - b->body.size - b->values.size;
    if (keyspace > LSM_KEYSPACE_MAX || key.size > LSM_USER_KEY_MAX)
        return status_of(ST_LIMIT);
    if (b->body.size + b->values.size > b->body.size_max || inline_size > room ||
        apart_size > room - inline_size ||
        room - inline_size - apart_size < LSM_BODY_HEADER + OP_OVERHEAD + key.size)
        return status_of(ST_LIMIT);
    return status_ok();
}

struct status lsm_batch_put(struct lsm_batch *b, const struct lsm_put *p)
{
    struct lsm_batch_mark m = lsm_batch_mark(b);
    bool is_apart = p->value.size >= b->separation_min;

    if (p->value.size > UINT32_MAX)
        return status_of(ST_LIMIT);
    TRY(check_room(b, p->keyspace, p->key, is_apart ? 0 : p->value.size,
                   is_apart ? p->value.size : 0));
    uint8_t *at = open_op(b, p->key.size + (is_apart ? 0 : p->value.size));
    if (at == NULL)
        return out_of_memory(b, m);
    at = put_head(at, is_apart ? LSM_PUT_HANDLE : LSM_PUT, p->type, p->expire_ms);
    at = put_key(at, p->keyspace, p->key);
    if (is_apart) {
        struct bytes span = bytes_of(NULL, p->value.size);
        at += put_varint(at, p->value.size);
        buf_append(&b->values, p->value);
        buf_append(&b->spans, bytes_of(&span, sizeof span));
        if (b->values.is_failed || b->spans.is_failed)
            return out_of_memory(b, m);
    } else {
        at = put_sized(at, p->value);
    }
    close_op(b, at);
    b->put_count++;
    b->value_count += is_apart;
    b->key_value_bytes += p->key.size + (is_apart ? 0 : p->value.size);
    return status_ok();
}

struct status lsm_batch_delete(struct lsm_batch *b, uint32_t keyspace, struct bytes key)
{
    struct lsm_batch_mark m = lsm_batch_mark(b);

    TRY(check_room(b, keyspace, key, 0, 0));
    uint8_t *at = open_op(b, key.size);
    if (at == NULL)
        return out_of_memory(b, m);
    close_op(b, put_key(put_head(at, LSM_DELETE, 0, 0), keyspace, key));
    b->key_value_bytes += key.size;
    return status_ok();
}

struct status lsm_batch_delete_range(struct lsm_batch *b, uint32_t keyspace, struct bytes begin_key,
                                     struct bytes end)
{
    struct lsm_batch_mark m = lsm_batch_mark(b);

    if (end.size > LSM_USER_KEY_MAX)
        return status_of(ST_LIMIT);
    TRY(check_room(b, keyspace, begin_key, end.size, 0));
    if (bytes_compare(begin_key, end) >= 0)
        return status_ok();
    if (b->range_count == LSM_BATCH_RANGES_MAX)
        return status_of(ST_LIMIT);
    uint8_t *at = open_op(b, begin_key.size + end.size);
    if (at == NULL)
        return out_of_memory(b, m);
    at = put_key(put_head(at, LSM_RANGE_DELETE, 0, 0), keyspace, begin_key);
    close_op(b, put_key(at, keyspace, end));
    b->range_count++;
    b->key_value_bytes += begin_key.size + end.size;
    return status_ok();
}

struct status lsm_batch_side(struct lsm_batch *b, struct bytes side)
{
    struct lsm_batch_mark m = lsm_batch_mark(b);

    TRY(check_room(b, 0, bytes_of(NULL, 0), side.size, 0));
    uint8_t *at = open_op(b, side.size);
    if (at == NULL)
        return out_of_memory(b, m);
    close_op(b, put_sized(put_head(at, LSM_OP_SIDE, 0, 0), side));
    return status_ok();
}

struct status lsm_batch_delete_keyspace(struct lsm_batch *b, uint32_t keyspace)
{
    uint8_t end[VARINT_MAX];
    struct lsm_batch_mark m = lsm_batch_mark(b);

    TRY(check_room(b, keyspace, bytes_of(NULL, 0), 0, 0));
    if (b->range_count == LSM_BATCH_RANGES_MAX)
        return status_of(ST_LIMIT);
    uint8_t *at = open_op(b, 0);
    if (at == NULL)
        return out_of_memory(b, m);
    at = put_key(put_head(at, LSM_RANGE_DELETE, 0, 0), keyspace, bytes_of(NULL, 0));
    close_op(b, put_sized(at, lsm_keyspace_end(end, keyspace)));
    b->range_count++;
    return status_ok();
}

bool lsm_batch_is_empty(const struct lsm_batch *b)
{
    return b->op_count == 0;
}

bool lsm_batch_is_delete_only(const struct lsm_batch *b)
{
    return b->put_count == 0;
}

void lsm_batch_unseal(struct lsm_batch *b)
{
    b->is_sealed = false;
}

/* ---- Sealing ------------------------------------------------------------------------------ */

/* An operation and where its bytes lie, for normalising. */
struct placed_op {
    struct lsm_op op;
    uint32_t body_begin;
    uint32_t body_end;
    bool is_dropped;
};

static bool is_point(const struct placed_op *p)
{
    return p->op.kind == LSM_PUT || p->op.kind == LSM_PUT_HANDLE || p->op.kind == LSM_DELETE;
}

static struct status place_ops(const struct lsm_batch *b, struct placed_op *ops)
{
    struct lsm_op_reader r;
    TRY(lsm_op_reader_init(&r, buf_bytes(&b->body)));
    for (uint32_t i = 0; i < b->op_count; i++) {
        ops[i].body_begin = (uint32_t)(b->body.size - r.rest.size);
        TRY(lsm_op_next(&r, &ops[i].op));
        ops[i].body_end = (uint32_t)(b->body.size - r.rest.size);
    }
    return status_ok();
}

static_assert((int)LSM_BATCH_RANGES_MAX <= LSM_RANGEDEL_MAX / 2,
              "a memtable that is full but for one can take another batch");

/* The batch's range deletes, each with its place among the operations, from 1, for a version: what
 * covers a key newest is what comes last. NULL if there are none. */
static struct status gather_ranges(const struct lsm_batch *b, const struct placed_op *ops,
                                   struct lsm_rangedel_set **out_set)
{
    struct alloc *a = b->body.alloc;
    size_t count = b->range_count;
    size_t n = 0;

    *out_set = NULL;
    if (count == 0)
        return status_ok();
    struct lsm_range_delete *ranges = alloc_array(a, count, sizeof *ranges);
    if (ranges == NULL)
        return status_of(ST_NO_MEMORY);
    for (uint32_t i = 0; i < b->op_count && n < count; i++) {
        if (ops[i].op.kind == LSM_RANGE_DELETE)
            ranges[n++] = (struct lsm_range_delete) { ops[i].op.key, ops[i].op.value, i + 1u };
    }
    struct status s = lsm_rangedel_build(a, ranges, n, out_set);
    alloc_free(a, ranges, count * sizeof *ranges);
    return s;
}

/* The keys met, as operations by a hash of their key, numbered from 1; 0: free. */
struct key_set {
    uint32_t *slots;
    size_t slot_count; /* A power of two, at least twice the keys. */
};

/* Add the key of operation i; false if it is there. */
static bool meet_key(struct key_set *set, const struct placed_op *ops, uint32_t i)
{
    size_t mask = set->slot_count - 1;
    /* Where the table lies is as good as a random seed: keys may be strangers'. */
    size_t at = hash_bytes(ops[i].op.key, (uintptr_t)set->slots) & mask;

    while (set->slots[at] != 0) {
        if (bytes_equal(ops[set->slots[at] - 1].op.key, ops[i].op.key))
            return false;
        at = (at + 1) & mask;
    }
    set->slots[at] = i + 1;
    return true;
}

/* Drop points that a later point on the same key, or a later range delete, makes meaningless: with
 * one version for all they would be two entries of one (key, version), or be taken for newer than
 * the range delete that came after them. Returns how many. */
static uint32_t drop_overwritten(struct placed_op *ops, uint32_t count, struct key_set *met,
                                 const struct lsm_rangedel_set *ranges)
{
    uint32_t dropped = 0;

    for (uint32_t i = count; i-- > 0;) {
        struct placed_op *p = &ops[i];
        if (!is_point(p))
            continue;
        bool is_last = meet_key(met, ops, i);
        p->is_dropped = !is_last || lsm_rangedel_cover(ranges, p->op.key, UINT64_MAX) > i + 1u;
        dropped += p->is_dropped;
    }
    return dropped;
}

/* Close the gaps the dropped operations leave in body, values and spans. */
static void squeeze(struct lsm_batch *b, const struct placed_op *ops, uint32_t dropped)
{
    size_t body_size = LSM_BODY_HEADER;
    size_t values_from = 0;
    size_t values_size = 0;
    uint32_t value_count = 0;
    struct bytes *spans = (struct bytes *)b->spans.data;

    for (uint32_t i = 0; i < b->op_count; i++) {
        size_t size = ops[i].body_end - ops[i].body_begin;
        size_t value_size = ops[i].op.kind == LSM_PUT_HANDLE ? ops[i].op.value_size : 0;
        if (!ops[i].is_dropped) {
            memmove(b->body.data + body_size, b->body.data + ops[i].body_begin, size);
            body_size += size;
            if (ops[i].op.kind == LSM_PUT_HANDLE) {
                memmove(b->values.data + values_size, b->values.data + values_from, value_size);
                values_size += value_size;
                spans[value_count++].size = value_size;
            }
        }
        values_from += value_size;
    }
    b->body.size = body_size;
    b->values.size = values_size;
    b->spans.size = value_count * sizeof(struct bytes);
    b->value_count = value_count;
    b->op_count -= dropped;
}

static struct status normalise(struct lsm_batch *b)
{
    struct alloc *a = b->body.alloc;
    size_t count = b->op_count;
    struct lsm_rangedel_set *ranges = NULL;
    struct status s = status_ok();
    struct placed_op *ops = alloc_array(a, count, sizeof *ops);
    struct key_set met = { .slot_count = 4 };

    while (met.slot_count < 2 * count)
        met.slot_count *= 2;
    met.slots = alloc_array(a, met.slot_count, sizeof *met.slots);
    if (ops == NULL || met.slots == NULL) {
        s = status_of(ST_NO_MEMORY);
        goto out;
    }
    s = place_ops(b, ops);
    if (succeeded(s))
        s = gather_ranges(b, ops, &ranges);
    if (failed(s))
        goto out;
    uint32_t dropped = drop_overwritten(ops, (uint32_t)count, &met, ranges);
    DCHECK(dropped == 0 || !b->is_distinct);
    if (dropped > 0)
        squeeze(b, ops, dropped);
out:
    lsm_rangedel_destroy(ranges);
    alloc_free(a, ops, count * sizeof *ops);
    alloc_free(a, met.slots, met.slot_count * sizeof *met.slots);
    return s;
}

#ifdef NDEBUG
enum { DISTRUSTS = false };
#else
enum { DISTRUSTS = true }; /* What is declared is checked. */
#endif

void lsm_batch_declare_distinct(struct lsm_batch *b)
{
    b->is_distinct = true;
}

struct status lsm_batch_seal(struct lsm_batch *b, uint64_t version)
{
    if (!b->is_sealed) {
        begin(b);
        if (b->body.is_failed)
            return status_of(ST_NO_MEMORY);
        put_u32(b->body.data + 8, b->op_count);
        put_u32(b->body.data + 12, b->value_count);
        if (b->op_count > 1 && (!b->is_distinct || DISTRUSTS))
            TRY(normalise(b));
        struct bytes *spans = (struct bytes *)b->spans.data;
        size_t at = 0;
        for (uint32_t i = 0; i < b->value_count; i++) {
            spans[i].data = b->values.data + at;
            at += spans[i].size;
        }
        b->is_sealed = true;
    }
    put_u64(b->body.data, version);
    put_u32(b->body.data + 8, b->op_count);
    put_u32(b->body.data + 12, b->value_count);
    return status_ok();
}

uint64_t lsm_batch_version(const struct lsm_batch *b)
{
    CHECK(b->is_sealed);
    return get_u64(b->body.data);
}

struct bytes lsm_batch_body(const struct lsm_batch *b)
{
    CHECK(b->is_sealed);
    return buf_bytes(&b->body);
}

const struct bytes *lsm_batch_values(const struct lsm_batch *b)
{
    CHECK(b->is_sealed);
    return (const struct bytes *)b->spans.data;
}

/* ---- Reading a body ----------------------------------------------------------------------- */

struct status lsm_op_reader_init(struct lsm_op_reader *r, struct bytes body)
{
    if (body.size < LSM_BODY_HEADER)
        return status_of(ST_CORRUPT);
    *r = (struct lsm_op_reader) {
        .rest = bytes_skip(body, LSM_BODY_HEADER),
        .version = get_u64(body.data),
        .op_count = get_u32(body.data + 8),
        .value_count = get_u32(body.data + 12),
    };
    return status_ok();
}

static bool take_sized(struct bytes *rest, size_t size_max, struct bytes *out)
{
    uint64_t size;
    return take_varint(rest, &size) && size <= size_max && take_bytes(rest, (size_t)size, out);
}

static bool take_op(struct lsm_op_reader *r, struct lsm_op *op)
{
    uint8_t flags;
    struct bytes *rest = &r->rest;

    *op = (struct lsm_op) { 0 };
    if (!take_u8(rest, &op->kind) || !take_u8(rest, &flags) || !take_u8(rest, &op->type) ||
        (flags & ~LSM_OP_HAS_EXPIRY) != 0)
        return false;
    if (flags != 0 && !take_varint(rest, &op->expire_ms))
        return false;
    if (!take_sized(rest, op->kind == LSM_OP_SIDE ? SIZE_MAX : LSM_KEY_MAX, &op->key))
        return false;
    switch (op->kind) {
    case LSM_PUT:
        return take_sized(rest, SIZE_MAX, &op->value);
    case LSM_PUT_HANDLE:
        op->value_ordinal = r->values_read++;
        return take_varint(rest, &op->value_size) && op->value_size <= UINT32_MAX &&
               op->value_ordinal < r->value_count;
    case LSM_RANGE_DELETE:
        return take_sized(rest, LSM_KEY_MAX, &op->value);
    case LSM_DELETE:
    case LSM_OP_SIDE:
        return true;
    default:
        return false;
    }
}

struct status lsm_op_next(struct lsm_op_reader *r, struct lsm_op *out)
{
    if (r->ops_read == r->op_count)
        return r->rest.size == 0 && r->values_read == r->value_count ? status_of(ST_NOT_FOUND)
                                                                     : status_of(ST_CORRUPT);
    if (!take_op(r, out))
        return status_of(ST_CORRUPT);
    r->ops_read++;
    return status_ok();
}
