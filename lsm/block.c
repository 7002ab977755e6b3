#include "lsm/block.h"

#include "base/check.h"

#include "cache/fetch.h"

#include <stddef.h>

static_assert(sizeof(struct lsm_block_hint) <= FETCH_HEADER_SIZE, "kept in a cache slot's header");
static_assert((int)LSM_KEY_MAX <= 0xffff, "prefix_size has 16 bits");

/* Offsets in the header, as in the table of block.h. */
enum {
    AT_COUNT = 0,
    AT_PREFIX_SIZE = 2,
    AT_WIDTHS = 4,
    AT_HEAD_SIZE_BASE = 14,
    AT_RESERVED_A = 15,
    AT_KEY_UNIT = 16,
    AT_VALUE_UNIT = 20,
    AT_VERSION_BASE = 24,
    AT_EXPIRE_BASE = 32,
    AT_KIND_BASE = 40,
    AT_RESERVED_B = 42,
    AT_REF_BASE = 44,
    AT_ORDINAL_BASE = 48,
    AT_OFFSET_BASE = 52,
    AT_LENGTH_BASE = 56,
    AT_KEY_BYTES = 60,
};
static_assert(AT_WIDTHS + LSM_FIELDS == AT_HEAD_SIZE_BASE, "a byte a width");
static_assert(AT_KEY_BYTES + 4 == LSM_BLOCK_HEADER, "the header is 64 bytes on disk");

/* The greatest width of each field. */
static const uint8_t width_max[LSM_FIELDS] = { 4, 4, 8, 2, 8, 1, 4, 4, 4, 4 };

static const uint64_t width_mask[9] = {
    0,
    UINT64_C(0xff),
    UINT64_C(0xffff),
    UINT64_C(0xffffff),
    UINT64_C(0xffffffff),
    UINT64_C(0xffffffffff),
    UINT64_C(0xffffffffffff),
    UINT64_C(0xffffffffffffff),
    UINT64_MAX,
};

/* Loads up to 8 bytes past the field: the trailer is there (block.h). */
static inline uint64_t field(const uint8_t *p, unsigned width)
{
    return get_u64(p) & width_mask[width];
}

static inline const uint8_t *widths_of(const uint8_t *data)
{
    return data + AT_WIDTHS;
}

static inline const uint8_t *heads_of(const struct lsm_block *b)
{
    return b->data + LSM_BLOCK_HEADER;
}

static inline const uint8_t *row_of(const struct lsm_block *b, uint32_t i)
{
    return heads_of(b) + (size_t)LSM_HEAD_SIZE * b->hint.count + (size_t)b->hint.row_size * i;
}

/* Where in a row a field begins: behind those before it. */
static inline unsigned row_at(const uint8_t *widths, enum lsm_block_field f)
{
    unsigned at = 0;
    for (unsigned i = 0; i < f; i++)
        at += widths[i];
    return at;
}

/* End of entry i's remainder, counted from the first remainder. */
static inline uint64_t key_end(const struct lsm_block *b, const uint8_t *row, uint32_t i)
{
    return (uint64_t)get_u32(b->data + AT_KEY_UNIT) * (i + 1) +
           field(row, widths_of(b->data)[LSM_FIELD_KEY_END]);
}

static inline uint64_t value_end(const struct lsm_block *b, const uint8_t *row, uint32_t i)
{
    const uint8_t *widths = widths_of(b->data);
    return (uint64_t)get_u32(b->data + AT_VALUE_UNIT) * (i + 1) +
           field(row + widths[LSM_FIELD_KEY_END], widths[LSM_FIELD_VALUE_END]);
}

static inline struct bytes remainder_of(const struct lsm_block *b, uint32_t i)
{
    const uint8_t *row = row_of(b, i);
    uint64_t begin = i == 0 ? 0 : key_end(b, row - b->hint.row_size, i - 1);
    uint64_t end = key_end(b, row, i);

    return bytes_of(b->data + b->hint.keys_at + b->hint.prefix_size + begin, end - begin);
}

/* How many bytes of the head are key: 8, or fewer where the key ends in it. */
static inline unsigned head_size(const struct lsm_block *b, uint32_t i)
{
    const uint8_t *widths = widths_of(b->data);
    unsigned base = b->data[AT_HEAD_SIZE_BASE];

    if (widths[LSM_FIELD_HEAD_SIZE] == 0)
        return base;
    return base + row_of(b, i)[row_at(widths, LSM_FIELD_HEAD_SIZE)];
}

static inline uint64_t version_of(const struct lsm_block *b, uint32_t i)
{
    const uint8_t *widths = widths_of(b->data);
    return get_u64(b->data + AT_VERSION_BASE) +
           field(row_of(b, i) + widths[LSM_FIELD_KEY_END] + widths[LSM_FIELD_VALUE_END],
                 widths[LSM_FIELD_VERSION]);
}

/* ---- Search ------------------------------------------------------------------------------- */

/* Compare the key of entry i with one of the same head, by what follows prefix and head: rest of
 * it, size bytes after the prefix in all. <0: the entry is before. */
static int compare_rest(const struct lsm_block *b, uint32_t i, struct bytes suffix)
{
    unsigned mine = head_size(b, i);
    unsigned theirs = suffix.size < LSM_HEAD_SIZE ? (unsigned)suffix.size : LSM_HEAD_SIZE;

    /* Zeros in a head may be key or filling: with equal heads the shorter is a prefix. */
    if (mine != theirs)
        return mine < theirs ? -1 : 1;
    if (mine < LSM_HEAD_SIZE)
        return 0;
    return bytes_compare(remainder_of(b, i), bytes_skip(suffix, LSM_HEAD_SIZE));
}

static bool is_before(const struct lsm_block *b, uint32_t i, struct bytes suffix, uint64_t version,
                      bool *out_is_key)
{
    int c = compare_rest(b, i, suffix);

    *out_is_key = c == 0;
    return c != 0 ? c < 0 : version_of(b, i) > version;
}

/*
 * Ask for the lines that the search and the decoding of what it finds will touch, where they are if
 * keys are spread evenly: header, prefix, row, remainder, value. All are known from the hint, so a
 * block that is in no near cache costs one round of misses instead of four.
 */
static void prefetch_near(const struct lsm_block *b, uint64_t head)
{
    const struct lsm_block_hint *h = &b->hint;
    size_t guess = lsm_heads_guess(h->count, h->head_first, h->head_last, head);
    const uint8_t *keys = b->data + h->keys_at;

    __builtin_prefetch(b->data);
    __builtin_prefetch(keys);
    __builtin_prefetch(keys - (size_t)h->row_size * (h->count - guess));
    __builtin_prefetch(keys + h->prefix_size + guess * h->key_mean);
    __builtin_prefetch(b->data + h->values_at + guess * h->value_mean);
}

uint32_t lsm_block_seek(const struct lsm_block *b, struct bytes key, uint64_t version,
                        bool *out_is_key)
{
    uint32_t n = b->hint.count;
    size_t prefix_size = b->hint.prefix_size;
    const uint8_t *heads = heads_of(b);

    *out_is_key = false;
    struct bytes suffix = bytes_skip(key, key.size < prefix_size ? key.size : prefix_size);
    uint64_t head = lsm_head_of(suffix.data, suffix.size);
    prefetch_near(b, head);
    if (prefix_size > 0) {
        size_t common = key.size - suffix.size;
        int c = common == 0 ? 0 : memcmp(key.data, b->data + b->hint.keys_at, common);
        if (c != 0)
            return c < 0 ? 0 : n;
        if (key.size < prefix_size)
            return 0;
    }
    uint32_t low = lsm_heads_below(heads, n, b->hint.head_first, b->hint.head_last, head);

    /* Entries with this head, mostly one, begin at low. Gallop over them, then halve. */
    uint32_t high = low;
    bool is_key = false;
    for (uint32_t step = 1; high < n && get_u64(heads + 8 * (size_t)high) == head; step *= 2) {
        if (!is_before(b, high, suffix, version, &is_key)) {
            *out_is_key = is_key;
            break;
        }
        low = high + 1;
        high = n - high > step ? high + step : n;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (get_u64(heads + 8 * (size_t)middle) == head &&
            is_before(b, middle, suffix, version, &is_key)) {
            low = middle + 1;
        } else {
            /* The last one to get here is the answer; if its head differs it is another key. */
            *out_is_key = get_u64(heads + 8 * (size_t)middle) == head && is_key;
            high = middle;
        }
    }
    return low;
}

/* ---- Decoding ----------------------------------------------------------------------------- */

static void decode_handle(const struct lsm_block *b, const uint8_t *p, struct vlog_handle *out)
{
    const uint8_t *widths = widths_of(b->data);

    out->file = get_u32(b->data + AT_REF_BASE) + field(p, widths[LSM_FIELD_REF]);
    p += widths[LSM_FIELD_REF];
    out->ordinal =
        get_u32(b->data + AT_ORDINAL_BASE) + (uint32_t)field(p, widths[LSM_FIELD_ORDINAL]);
    p += widths[LSM_FIELD_ORDINAL];
    out->offset = get_u32(b->data + AT_OFFSET_BASE) + (uint32_t)field(p, widths[LSM_FIELD_OFFSET]);
    p += widths[LSM_FIELD_OFFSET];
    out->length = get_u32(b->data + AT_LENGTH_BASE) + (uint32_t)field(p, widths[LSM_FIELD_LENGTH]);
}

void lsm_block_entry(const struct lsm_block *b, uint32_t i, struct lsm_entry *out)
{
    const uint8_t *widths = widths_of(b->data);
    const uint8_t *row = row_of(b, i);
    uint64_t begin = i == 0 ? 0 : value_end(b, row - b->hint.row_size, i - 1);
    uint64_t end = value_end(b, row, i);
    const uint8_t *value = b->data + b->hint.values_at + begin;

    const uint8_t *p = row + widths[LSM_FIELD_KEY_END] + widths[LSM_FIELD_VALUE_END];
    out->version = get_u64(b->data + AT_VERSION_BASE) + field(p, widths[LSM_FIELD_VERSION]);
    p += widths[LSM_FIELD_VERSION];
    unsigned kind = get_u16(b->data + AT_KIND_BASE) + (unsigned)field(p, widths[LSM_FIELD_KIND]);
    p += widths[LSM_FIELD_KIND];
    out->expire_ms = get_u64(b->data + AT_EXPIRE_BASE) + field(p, widths[LSM_FIELD_EXPIRE]);
    out->kind = (enum lsm_kind)(kind & 0xff);
    out->type = (uint8_t)(kind >> 8);
    if (out->kind == LSM_PUT_HANDLE) {
        out->value = bytes_of(NULL, 0);
        decode_handle(b, value, &out->handle);
    } else {
        out->value = bytes_of(value, end - begin);
        out->handle = (struct vlog_handle) { .file = 0 };
    }
}

size_t lsm_block_key_room(const struct lsm_block *b)
{
    /* The longest remainder is at most what is left when all others are of the least size. */
    uint64_t others = (uint64_t)get_u32(b->data + AT_KEY_UNIT) * (b->hint.count - 1u);
    uint64_t room =
        b->hint.prefix_size + LSM_HEAD_SIZE + (get_u32(b->data + AT_KEY_BYTES) - others);
    return room < LSM_KEY_MAX + LSM_HEAD_SIZE ? room : LSM_KEY_MAX + LSM_HEAD_SIZE;
}

void lsm_block_prefix(const struct lsm_block *b, uint8_t *key)
{
    memcpy(key, b->data + b->hint.keys_at, b->hint.prefix_size);
}

size_t lsm_block_key(const struct lsm_block *b, uint32_t i, uint8_t *key)
{
    size_t at = b->hint.prefix_size;

    put_u64_be(key + at, get_u64(heads_of(b) + 8 * (size_t)i));
    at += head_size(b, i);
    struct bytes rest = remainder_of(b, i);
    memcpy(key + at, rest.data, rest.size);
    return at + rest.size;
}

size_t lsm_block_used(const struct lsm_block *b)
{
    uint32_t last = b->hint.count - 1u;
    return b->hint.values_at + value_end(b, row_of(b, last), last);
}

/* ---- Checking ----------------------------------------------------------------------------- */

static struct status corrupt(struct errbuf *err, const char *what)
{
    errbuf_set(err, "block: %s", what);
    return status_of(ST_CORRUPT);
}

/* Header and the sizes of the regions; the hint is filled when they fit. */
static struct status check_header(struct bytes bytes, struct lsm_block_hint *out_hint,
                                  struct errbuf *err)
{
    const uint8_t *p = bytes.data;

    if (bytes.size < LSM_BLOCK_HEADER + LSM_HEAD_SIZE || bytes.size > LSM_BLOCK_MAX)
        return corrupt(err, "impossible size");
    uint32_t count = get_u16(p + AT_COUNT);
    uint32_t prefix_size = get_u16(p + AT_PREFIX_SIZE);
    if (count == 0 || prefix_size > LSM_KEY_MAX)
        return corrupt(err, "impossible count or prefix");
    for (unsigned i = 0; i < LSM_FIELDS; i++) {
        if (widths_of(p)[i] > width_max[i])
            return corrupt(err, "impossible width");
    }
    if (p[AT_HEAD_SIZE_BASE] > LSM_HEAD_SIZE || p[AT_RESERVED_A] != 0 ||
        get_u16(p + AT_RESERVED_B) != 0)
        return corrupt(err, "impossible header");

    uint32_t row_size = row_at(widths_of(p), LSM_ROW_FIELDS);
    uint64_t keys_at = LSM_BLOCK_HEADER + (uint64_t)count * (LSM_HEAD_SIZE + row_size);
    uint64_t values_at = keys_at + prefix_size + get_u32(p + AT_KEY_BYTES);
    if (values_at > bytes.size)
        return corrupt(err, "keys reach past the end");
    *out_hint = (struct lsm_block_hint) {
        .head_first = get_u64(p + LSM_BLOCK_HEADER),
        .head_last = get_u64(p + LSM_BLOCK_HEADER + (size_t)LSM_HEAD_SIZE * (count - 1)),
        .keys_at = (uint32_t)keys_at,
        .values_at = (uint32_t)values_at,
        .count = (uint16_t)count,
        .prefix_size = (uint16_t)prefix_size,
        .row_size = (uint8_t)row_size,
    };
    return status_ok();
}

/* Remainders are key_unit or longer and fill key_bytes exactly; only a full head has one; no key
 * is too long. */
static struct status check_keys(const struct lsm_block *b, struct errbuf *err)
{
    const uint8_t *widths = widths_of(b->data);
    uint32_t unit = get_u32(b->data + AT_KEY_UNIT);
    unsigned head_base = b->data[AT_HEAD_SIZE_BASE];
    uint64_t begin = 0;

    if (widths[LSM_FIELD_KEY_END] == 0 && widths[LSM_FIELD_HEAD_SIZE] == 0) {
        if (unit > 0 && head_base != LSM_HEAD_SIZE)
            return corrupt(err, "bad head size");
        if ((uint64_t)b->hint.prefix_size + head_base + unit > LSM_KEY_MAX)
            return corrupt(err, "key too long");
        begin = (uint64_t)unit * b->hint.count;
    } else {
        for (uint32_t i = 0; i < b->hint.count; i++) {
            uint64_t end = key_end(b, row_of(b, i), i);
            unsigned head = head_size(b, i);
            if (end < begin + unit || b->hint.prefix_size + head + (end - begin) > LSM_KEY_MAX)
                return corrupt(err, "bad key offset");
            if (head > LSM_HEAD_SIZE || (end > begin && head != LSM_HEAD_SIZE))
                return corrupt(err, "bad head size");
            begin = end;
        }
    }
    if (begin != get_u32(b->data + AT_KEY_BYTES))
        return corrupt(err, "keys do not fill their room");
    return status_ok();
}

static bool is_stored_kind(unsigned kind)
{
    return kind == LSM_PUT || kind == LSM_PUT_HANDLE || kind == LSM_DELETE;
}

/* Values rise and end inside; a handle is as long as its fields; a delete has none; refs exist. */
static struct status check_values(const struct lsm_block *b, size_t size, uint32_t ref_count,
                                  struct errbuf *err)
{
    const uint8_t *widths = widths_of(b->data);
    unsigned kind_at = row_at(widths, LSM_FIELD_KIND);
    unsigned kind_base = get_u16(b->data + AT_KIND_BASE);
    uint64_t ref_base = get_u32(b->data + AT_REF_BASE);
    uint64_t room = size - b->hint.values_at;
    uint64_t handle_size = widths[LSM_FIELD_REF] + widths[LSM_FIELD_ORDINAL] +
                           widths[LSM_FIELD_OFFSET] + widths[LSM_FIELD_LENGTH];
    uint64_t begin = 0;

    for (uint32_t i = 0; i < b->hint.count; i++) {
        const uint8_t *row = row_of(b, i);
        unsigned kind = (kind_base + (unsigned)field(row + kind_at, widths[LSM_FIELD_KIND])) & 0xff;
        uint64_t end = value_end(b, row, i);
        if (end < begin || end > room)
            return corrupt(err, "bad value offset");
        if (!is_stored_kind(kind))
            return corrupt(err, "unknown kind of entry");
        if ((kind == LSM_DELETE && end != begin) ||
            (kind == LSM_PUT_HANDLE && end != begin + handle_size))
            return corrupt(err, "bad value size");
        if (kind == LSM_PUT_HANDLE &&
            ref_base + field(b->data + b->hint.values_at + begin, widths[LSM_FIELD_REF]) >=
                ref_count)
            return corrupt(err, "reference out of range");
        begin = end;
    }
    return status_ok();
}

struct status lsm_block_check(struct bytes bytes, uint32_t ref_count,
                              struct lsm_block_hint *out_hint, struct errbuf *err)
{
    struct lsm_block b = { .data = bytes.data };

    TRY(check_header(bytes, &b.hint, err));
    TRY(check_keys(&b, err));
    TRY(check_values(&b, bytes.size, ref_count, err));
    uint32_t key_mean = get_u32(bytes.data + AT_KEY_BYTES) / b.hint.count;
    size_t value_mean = (lsm_block_used(&b) - b.hint.values_at) / b.hint.count;
    b.hint.key_mean = key_mean < UINT8_MAX ? (uint8_t)key_mean : UINT8_MAX;
    b.hint.value_mean = value_mean < UINT16_MAX ? (uint16_t)value_mean : UINT16_MAX;
    *out_hint = b.hint;
    return status_ok();
}
