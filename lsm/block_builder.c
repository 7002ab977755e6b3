#include "lsm/block_builder.h"

#include "base/check.h"

struct lsm_block_row {
    uint64_t version;
    uint64_t expire_ms;
    uint32_t handle[4]; /* ref, ordinal, offset, length */
    uint32_t value_size;
    uint16_t key_size;
    uint16_t kind; /* type << 8 | kind */
};

enum {
    ROWS_MIN = 64,
    HANDLE_FIELDS = LSM_FIELDS - LSM_ROW_FIELDS,
    /* Of an entry, beside key and inline value: head, the widest row, the widest handle. */
    ENTRY_FIXED_MAX = LSM_HEAD_SIZE + (4 + 4 + 8 + 2 + 8 + 1) + 16,
};

/* ---- Shape -------------------------------------------------------------------------------- */

static unsigned width_of(uint64_t v)
{
    return v == 0 ? 0 : (unsigned)(71 - __builtin_clzll(v)) / 8;
}

static void range_take(struct lsm_block_range *r, uint64_t v, bool is_first)
{
    r->min = is_first || v < r->min ? v : r->min;
    r->max = is_first || v > r->max ? v : r->max;
}

static unsigned range_width(struct lsm_block_range r)
{
    return width_of(r.max - r.min);
}

static size_t common_prefix(struct bytes a, struct bytes b, size_t limit)
{
    size_t i = 0;

    limit = a.size < limit ? a.size : limit;
    limit = b.size < limit ? b.size : limit;
    for (; i + 8 <= limit; i += 8) {
        uint64_t differ = get_u64(a.data + i) ^ get_u64(b.data + i);
        if (differ != 0)
            return i + (size_t)__builtin_ctzll(differ) / 8;
    }
    while (i < limit && a.data[i] == b.data[i])
        i++;
    return i;
}

static uint16_t kind_of(const struct lsm_entry *e)
{
    return (uint16_t)((unsigned)e->type << 8 | (unsigned)e->kind);
}

/* Of what is stored inline for e. */
static size_t inline_size(const struct lsm_entry *e)
{
    return e->kind == LSM_PUT ? e->value.size : 0;
}

/* The shape after e is added. */
static struct lsm_block_shape shape_with(const struct lsm_block_builder *b,
                                         const struct lsm_entry *e)
{
    struct lsm_block_shape s = b->shape;
    bool is_first = s.count == 0;

    s.prefix_size = is_first ? e->key.size
                             : common_prefix(bytes_of(b->keys.data, b->rows[0].key_size), e->key,
                                             s.prefix_size);
    s.key_sum += e->key.size;
    range_take(&s.key_size, e->key.size, is_first);
    range_take(&s.version, e->version, is_first);
    range_take(&s.kind, kind_of(e), is_first);
    range_take(&s.expire, e->expire_ms, is_first);
    if (e->kind == LSM_PUT_HANDLE) {
        is_first = s.handle_count == 0;
        range_take(&s.handle[0], e->handle.file, is_first);
        range_take(&s.handle[1], e->handle.ordinal, is_first);
        range_take(&s.handle[2], e->handle.offset, is_first);
        range_take(&s.handle[3], e->handle.length, is_first);
        s.handle_count++;
    } else {
        range_take(&s.inline_size, inline_size(e), s.count == s.handle_count);
        s.inline_sum += inline_size(e);
    }
    s.count++;
    return s;
}

/* Header fields and sizes of a block of a given shape. */
struct layout {
    uint8_t widths[LSM_FIELDS];
    unsigned row_size;
    unsigned handle_size;
    uint8_t head_size_base;
    uint64_t key_unit;
    uint64_t key_bytes; /* At least. */
    uint64_t value_unit;
    uint64_t value_bytes;
    uint64_t size;
};

static uint64_t head_size_of(uint64_t key_size, size_t prefix_size)
{
    uint64_t suffix = key_size - prefix_size;
    return suffix < LSM_HEAD_SIZE ? suffix : LSM_HEAD_SIZE;
}

static void lay_keys(const struct lsm_block_shape *s, struct layout *l)
{
    uint64_t held = s->prefix_size + LSM_HEAD_SIZE; /* Of a key, by prefix and head. */
    uint64_t head_min = head_size_of(s->key_size.min, s->prefix_size);
    uint64_t head_max = head_size_of(s->key_size.max, s->prefix_size);

    l->head_size_base = (uint8_t)head_min;
    l->widths[LSM_FIELD_HEAD_SIZE] = head_min != head_max;
    if (s->key_size.max <= held) {
        l->key_bytes = 0;
    } else if (s->key_size.min >= held) {
        l->key_bytes = s->key_sum - s->count * held;
        l->key_unit = s->key_size.min - held;
    } else {
        /* Some keys end within the head: counted as if nothing of it were held there. */
        l->key_bytes = s->key_sum - s->count * (uint64_t)s->prefix_size;
    }
    l->widths[LSM_FIELD_KEY_END] = (uint8_t)width_of(l->key_bytes - s->count * l->key_unit);
}

static void lay_values(const struct lsm_block_shape *s, struct layout *l)
{
    for (unsigned i = 0; i < HANDLE_FIELDS; i++) {
        unsigned width = s->handle_count == 0 ? 0 : range_width(s->handle[i]);
        l->widths[LSM_FIELD_REF + i] = (uint8_t)width;
        l->handle_size += width;
    }
    l->value_bytes = s->inline_sum + (uint64_t)s->handle_count * l->handle_size;
    if (s->handle_count == s->count)
        l->value_unit = l->handle_size;
    else if (s->handle_count == 0 || s->inline_size.min < l->handle_size)
        l->value_unit = s->inline_size.min;
    else
        l->value_unit = l->handle_size;
    l->widths[LSM_FIELD_VALUE_END] = (uint8_t)width_of(l->value_bytes - s->count * l->value_unit);
}

static struct layout layout_of(const struct lsm_block_shape *s)
{
    struct layout l = { .size = 0 };

    lay_keys(s, &l);
    lay_values(s, &l);
    l.widths[LSM_FIELD_VERSION] = (uint8_t)range_width(s->version);
    l.widths[LSM_FIELD_KIND] = (uint8_t)range_width(s->kind);
    l.widths[LSM_FIELD_EXPIRE] = (uint8_t)range_width(s->expire);
    for (unsigned i = 0; i < LSM_ROW_FIELDS; i++)
        l.row_size += l.widths[i];
    l.size = LSM_BLOCK_HEADER + (uint64_t)s->count * (LSM_HEAD_SIZE + l.row_size) + s->prefix_size +
             l.key_bytes + l.value_bytes;
    return l;
}

/* ---- Building ----------------------------------------------------------------------------- */

void lsm_block_builder_init(struct lsm_block_builder *b, struct alloc *a)
{
    *b = (struct lsm_block_builder) { .alloc = a };
    buf_init(&b->keys, a, LSM_BLOCK_MAX);
    buf_init(&b->values, a, LSM_BLOCK_MAX);
}

void lsm_block_builder_deinit(struct lsm_block_builder *b)
{
    if (b->alloc == NULL)
        return;
    alloc_free(b->alloc, b->rows, b->row_capacity * sizeof *b->rows);
    buf_deinit(&b->keys);
    buf_deinit(&b->values);
    b->alloc = NULL;
}

void lsm_block_builder_reset(struct lsm_block_builder *b)
{
    buf_reset(&b->keys);
    buf_reset(&b->values);
    b->shape = (struct lsm_block_shape) { .count = 0 };
}

size_t lsm_block_builder_memory(const struct lsm_block_builder *b)
{
    return b->row_capacity * sizeof *b->rows + b->keys.capacity + b->values.capacity;
}

static bool reserve_row(struct lsm_block_builder *b)
{
    if (b->shape.count < b->row_capacity)
        return true;
    size_t capacity = b->row_capacity == 0 ? ROWS_MIN : b->row_capacity * 2;
    void *rows = alloc_resize(b->alloc, b->rows, b->row_capacity * sizeof *b->rows,
                              capacity * sizeof *b->rows);
    if (rows == NULL)
        return false;
    b->rows = rows;
    b->row_capacity = capacity;
    return true;
}

static uint64_t bound_of(const struct lsm_block_shape *s)
{
    return LSM_BLOCK_HEADER + (uint64_t)s->count * ENTRY_FIXED_MAX + s->key_sum + s->inline_sum;
}

/* Is a block of this shape at most size_max bytes? Mostly a bound tells. */
static bool fits(const struct lsm_block_shape *s, size_t size_max)
{
    return bound_of(s) <= size_max || layout_of(s).size <= size_max;
}

struct status lsm_block_builder_add(struct lsm_block_builder *b, const struct lsm_entry *e,
                                    size_t size_max)
{
    if (b->shape.count == LSM_BLOCK_COUNT_MAX || e->key.size > LSM_KEY_MAX ||
        inline_size(e) > LSM_BLOCK_MAX)
        return status_of(ST_LIMIT);
    struct lsm_block_shape s = shape_with(b, e);
    if (!fits(&s, size_max < LSM_BLOCK_MAX ? size_max : LSM_BLOCK_MAX))
        return status_of(ST_LIMIT);
    /* One byte more than needed, so that keys of nothing stand somewhere, too. */
    if (!reserve_row(b) || !buf_reserve(&b->keys, e->key.size + 1) ||
        !buf_reserve(&b->values, inline_size(e)))
        return status_of(ST_NO_MEMORY);
    buf_append(&b->keys, e->key);
    if (e->kind == LSM_PUT)
        buf_append(&b->values, e->value);
    b->rows[b->shape.count] = (struct lsm_block_row) {
        .version = e->version,
        .expire_ms = e->expire_ms,
        .handle = { (uint32_t)e->handle.file, e->handle.ordinal, e->handle.offset,
                    e->handle.length },
        .value_size = (uint32_t)inline_size(e),
        .key_size = (uint16_t)e->key.size,
        .kind = kind_of(e),
    };
    b->shape = s;
    return status_ok();
}

size_t lsm_block_builder_size(const struct lsm_block_builder *b)
{
    return b->shape.count == 0 ? 0 : layout_of(&b->shape).size;
}

size_t lsm_block_builder_bound(const struct lsm_block_builder *b)
{
    return b->shape.count == 0 ? 0 : bound_of(&b->shape);
}

struct bytes lsm_block_builder_last_key(const struct lsm_block_builder *b)
{
    CHECK(b->shape.count > 0);
    size_t size = b->rows[b->shape.count - 1].key_size;
    return bytes_of(b->keys.data + b->keys.size - size, size);
}

uint64_t lsm_block_builder_last_version(const struct lsm_block_builder *b)
{
    CHECK(b->shape.count > 0);
    return b->rows[b->shape.count - 1].version;
}

/* ---- Finishing ---------------------------------------------------------------------------- */

/* The layout to write: as layout_of, with the remainders counted one by one. */
static struct layout exact_layout(const struct lsm_block_builder *b)
{
    const struct lsm_block_shape *s = &b->shape;
    struct layout l = layout_of(s);
    size_t held = s->prefix_size + LSM_HEAD_SIZE;
    uint64_t bytes = 0;

    if (s->key_size.min >= held || s->key_size.max <= held)
        return l;
    for (uint32_t i = 0; i < s->count; i++)
        bytes += b->rows[i].key_size > held ? b->rows[i].key_size - held : 0;
    l.key_bytes = bytes;
    l.row_size -= l.widths[LSM_FIELD_KEY_END];
    l.widths[LSM_FIELD_KEY_END] = (uint8_t)width_of(bytes);
    l.row_size += l.widths[LSM_FIELD_KEY_END];
    return l;
}

static void put_header(const struct lsm_block_shape *s, const struct layout *l, uint8_t *out)
{
    memset(out, 0, LSM_BLOCK_HEADER);
    put_u16(out, (uint16_t)s->count);
    put_u16(out + 2, (uint16_t)s->prefix_size);
    memcpy(out + 4, l->widths, LSM_FIELDS);
    out[14] = l->head_size_base;
    put_u32(out + 16, (uint32_t)l->key_unit);
    put_u32(out + 20, (uint32_t)l->value_unit);
    put_u64(out + 24, s->version.min);
    put_u64(out + 32, s->expire.min);
    put_u16(out + 40, (uint16_t)s->kind.min);
    for (unsigned i = 0; i < HANDLE_FIELDS; i++)
        put_u32(out + 44 + 4 * (size_t)i, (uint32_t)s->handle[i].min);
    put_u32(out + 60, (uint32_t)l->key_bytes);
}

/* Fields are written as whole words, each over the one before: what lies beyond the last is
 * written later (or is the trailer). */
static uint8_t *put_field(uint8_t *p, uint64_t v, unsigned width)
{
    put_u64(p, v);
    return p + width;
}

static void put_heads_and_rows(const struct lsm_block_builder *b, const struct layout *l,
                               uint8_t *heads)
{
    const struct lsm_block_shape *s = &b->shape;
    const uint8_t *key = b->keys.data;
    uint8_t *p = heads + (size_t)LSM_HEAD_SIZE * s->count;
    size_t held = s->prefix_size + LSM_HEAD_SIZE;
    uint64_t key_end = 0;
    uint64_t value_end = 0;

    for (uint32_t i = 0; i < s->count; i++) {
        const struct lsm_block_row *r = &b->rows[i];
        put_u64(heads + LSM_HEAD_SIZE * (size_t)i,
                lsm_head_of(key + s->prefix_size, r->key_size - s->prefix_size));
        key += r->key_size;
        key_end += (r->key_size > held ? r->key_size - held : 0) - l->key_unit;
        value_end += (r->kind & 0xff) == LSM_PUT_HANDLE ? l->handle_size : r->value_size;
        value_end -= l->value_unit;
        p = put_field(p, key_end, l->widths[LSM_FIELD_KEY_END]);
        p = put_field(p, value_end, l->widths[LSM_FIELD_VALUE_END]);
        p = put_field(p, r->version - s->version.min, l->widths[LSM_FIELD_VERSION]);
        p = put_field(p, r->kind - s->kind.min, l->widths[LSM_FIELD_KIND]);
        p = put_field(p, r->expire_ms - s->expire.min, l->widths[LSM_FIELD_EXPIRE]);
        p = put_field(p, head_size_of(r->key_size, s->prefix_size) - l->head_size_base,
                      l->widths[LSM_FIELD_HEAD_SIZE]);
    }
}

/* Prefix and remainders. Returns their end. */
static uint8_t *put_keys(const struct lsm_block_builder *b, uint8_t *p)
{
    const struct lsm_block_shape *s = &b->shape;
    const uint8_t *key = b->keys.data;
    size_t held = s->prefix_size + LSM_HEAD_SIZE;

    if (s->prefix_size > 0)
        memcpy(p, key, s->prefix_size);
    p += s->prefix_size;
    for (uint32_t i = 0; i < s->count; i++) {
        size_t size = b->rows[i].key_size;
        if (size > held) {
            memcpy(p, key + held, size - held);
            p += size - held;
        }
        key += size;
    }
    return p;
}

static uint8_t *put_values(const struct lsm_block_builder *b, const struct layout *l, uint8_t *p)
{
    const struct lsm_block_shape *s = &b->shape;
    const uint8_t *value = b->values.data;

    if (s->handle_count == 0) {
        if (s->inline_sum > 0)
            memcpy(p, value, s->inline_sum);
        return p + s->inline_sum;
    }
    for (uint32_t i = 0; i < s->count; i++) {
        const struct lsm_block_row *r = &b->rows[i];
        if ((r->kind & 0xff) == LSM_PUT_HANDLE) {
            for (unsigned k = 0; k < HANDLE_FIELDS; k++)
                p = put_field(p, r->handle[k] - s->handle[k].min, l->widths[LSM_FIELD_REF + k]);
        } else if (r->value_size > 0) {
            memcpy(p, value, r->value_size);
            p += r->value_size;
            value += r->value_size;
        }
    }
    return p;
}

size_t lsm_block_builder_finish(const struct lsm_block_builder *b, uint8_t *out)
{
    CHECK(b->shape.count > 0);
    struct layout l = exact_layout(b);
    size_t rows_end =
        LSM_BLOCK_HEADER + (size_t)b->shape.count * (LSM_HEAD_SIZE + (size_t)l.row_size);

    put_header(&b->shape, &l, out);
    put_heads_and_rows(b, &l, out + LSM_BLOCK_HEADER);
    uint8_t *p = put_keys(b, out + rows_end);
    p = put_values(b, &l, p);
    return (size_t)(p - out);
}
