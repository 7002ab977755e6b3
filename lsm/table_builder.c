#include "lsm/table.h"

#include "base/budget.h"
#include "base/check.h"

#include "lsm/filter.h"
#include "lsm/index.h"
#include "lsm/liveness.h"
#include "lsm/manifest.h"
#include "lsm/table_format.h"
#include "lsm/table_refs.h"
#include "lsm/table_writer.h"

/*
 * Entries gather in a data block; a block that is full is sealed and handed to the writer, and its
 * separator to the index. What covers the whole table (hashes for the filter, ordinals for the
 * liveness blocks, index partitions) is kept until the end: about ten bytes a key.
 *
 * Data blocks end at page boundaries where that costs little, so that a cold read of one is a read
 * of one page: a block that would end up to PAD_MAX bytes before a page does is zero-filled up to
 * it. Where entries are larger than that, blocks follow one another directly, and each aims at the
 * page boundary that leaves it at least three quarters of its size.
 */
enum {
    BLOCK_SIZE_DEFAULT = 4096,
    FILTER_BITS_DEFAULT = 10,
    PAD_MAX = 256,
    SMALL_ALIGN = LSM_FILTER_LINE, /* Of index and filter where both are small. */
};

struct lsm_table_builder {
    const struct env *env;
    uint64_t id;
    uint32_t block_size;
    uint32_t filter_bits;
    struct table_writer writer;
    struct lsm_block_builder data;
    size_t data_limit; /* Of the block being filled, with trailer. */
    struct lsm_index_builder index;
    struct table_refs refs;
    struct buf block;         /* A finished block on its way to the writer. */
    struct buf hashes;        /* uint64_t, one a key. */
    struct buf live;          /* uint64_t, one a handle: ref << 32 | ordinal. */
    struct buf range_deletes; /* The body of their block. */
    uint64_t last_hash;
    struct buf first_key;
    struct lsm_table_meta meta; /* Counts only. */
    size_t charged;             /* To BUDGET_JOB, beside the writer's. */
    struct status status;       /* The first failure: all later calls repeat it. */
    uint8_t separator[LSM_KEY_MAX];
};

/* ---- Life --------------------------------------------------------------------------------- */

static void destroy(struct lsm_table_builder *b)
{
    struct alloc *a = b->env->alloc;

    table_writer_deinit(&b->writer);
    lsm_block_builder_deinit(&b->data);
    lsm_index_builder_deinit(&b->index);
    table_refs_deinit(&b->refs);
    buf_deinit(&b->block);
    buf_deinit(&b->hashes);
    buf_deinit(&b->live);
    buf_deinit(&b->range_deletes);
    buf_deinit(&b->first_key);
    budget_refund(b->env->budget, BUDGET_JOB, b->charged);
    alloc_free(a, b, sizeof *b);
}

/* Hold the budget to what is held. */
static struct status charge(struct lsm_table_builder *b)
{
    size_t held = sizeof *b + lsm_block_builder_memory(&b->data) +
                  lsm_index_builder_memory(&b->index) + table_refs_memory(&b->refs) +
                  b->block.capacity + b->hashes.capacity + b->live.capacity +
                  b->range_deletes.capacity;

    if (held > b->charged)
        TRY(budget_charge(b->env->budget, BUDGET_JOB, held - b->charged));
    else
        budget_refund(b->env->budget, BUDGET_JOB, b->charged - held);
    b->charged = held;
    return status_ok();
}

/* Where the block that begins at offset should end, as a size. */
static size_t block_limit(const struct lsm_table_builder *b, uint64_t offset)
{
    if (offset % IO_ALIGN == 0)
        return b->block_size;
    uint64_t least = offset + b->block_size - b->block_size / 4;
    return (size_t)(align_up(least, IO_ALIGN) - offset);
}

struct status lsm_table_builder_create(const struct env *env, struct io_ring *ring, const char *dir,
                                       uint64_t id, const struct lsm_table_options *options,
                                       struct lsm_table_builder **out_builder)
{
    char name[LSM_NAME_MAX];
    char path[IO_PATH_MAX];
    uint32_t block_size = options->block_size != 0 ? options->block_size : BLOCK_SIZE_DEFAULT;
    uint32_t filter_bits = options->filter_bits != 0 ? options->filter_bits : FILTER_BITS_DEFAULT;

    if (block_size < LSM_BLOCK_SIZE_MIN || block_size > LSM_BLOCK_SIZE_MAX ||
        filter_bits > LSM_FILTER_BITS_MAX)
        return status_of(ST_INVALID);
    lsm_table_name(id, name, sizeof name);
    TRY(lsm_path(dir, name, path));
    struct lsm_table_builder *b = alloc_zeroed(env->alloc, sizeof *b);
    if (b == NULL)
        return status_of(ST_NO_MEMORY);
    b->env = env;
    b->id = id;
    b->block_size = block_size;
    b->filter_bits = filter_bits;
    b->data_limit = block_limit(b, 0);
    b->meta.version_min = UINT64_MAX;
    lsm_block_builder_init(&b->data, env->alloc);
    lsm_index_builder_init(&b->index, env->alloc);
    table_refs_init(&b->refs, env->alloc);
    buf_init(&b->block, env->alloc, TABLE_SIZE_MAX);
    buf_init(&b->hashes, env->alloc, TABLE_SIZE_MAX);
    buf_init(&b->live, env->alloc, TABLE_SIZE_MAX);
    buf_init(&b->range_deletes, env->alloc, TABLE_SIZE_MAX);
    buf_init(&b->first_key, env->alloc, LSM_KEY_MAX);
    struct status s = charge(b);
    if (succeeded(s))
        s = table_writer_init(&b->writer, env, ring, path);
    if (failed(s))
        destroy(b);
    else
        *out_builder = b;
    return s;
}

void lsm_table_builder_abandon(struct lsm_table_builder *b)
{
    if (b != NULL)
        destroy(b);
}

/* ---- Blocks ------------------------------------------------------------------------------- */

/* Seal size bytes at block, room for the trailer behind them, and write them. */
static struct status write_block(struct lsm_table_builder *b, uint8_t *block, size_t size,
                                 enum table_block_type type, struct table_place *out_place)
{
    uint64_t offset = table_writer_offset(&b->writer);

    if (offset + size + TABLE_TRAILER > TABLE_SIZE_MAX)
        return status_of(ST_LIMIT);
    table_block_seal(block, size, type, b->id, offset);
    TRY(table_writer_append(&b->writer, bytes_of(block, size + TABLE_TRAILER)));
    *out_place = (struct table_place) { offset, (uint32_t)(size + TABLE_TRAILER) };
    return status_ok();
}

/* Write what was put into b->block. */
static struct status write_buffered(struct lsm_table_builder *b, enum table_block_type type,
                                    struct table_place *out_place)
{
    size_t size = b->block.size;

    if (b->block.is_failed || !buf_reserve(&b->block, TABLE_TRAILER))
        return status_of(ST_NO_MEMORY);
    TRY(write_block(b, b->block.data, size, type, out_place));
    buf_reset(&b->block);
    return status_ok();
}

/* End the data block; separator lies at or after its last entry. Its end is aligned to alignment
 * (a power of two), or to a page if that is near. */
static struct status end_data_block(struct lsm_table_builder *b, struct bytes separator,
                                    uint64_t version, uint32_t alignment)
{
    size_t bound = lsm_block_builder_size(&b->data) + TABLE_TRAILER + IO_ALIGN;
    uint64_t offset = table_writer_offset(&b->writer);
    struct table_place place;

    if (!buf_reserve(&b->block, bound))
        return status_of(ST_NO_MEMORY);
    size_t used = lsm_block_builder_finish(&b->data, b->block.data);
    uint64_t end = offset + used + TABLE_TRAILER;
    uint64_t page_end = align_up(end, IO_ALIGN);
    uint64_t padded = page_end - end <= PAD_MAX ? page_end : align_up(end, alignment);
    memset(b->block.data + used, 0, padded - end);
    b->block.size = used + (padded - end);
    TRY(write_buffered(b, TABLE_DATA, &place));
    TRY(lsm_index_builder_add(&b->index, separator, version, (uint32_t)place.offset, place.size));
    lsm_block_builder_reset(&b->data);
    b->data_limit = block_limit(b, table_writer_offset(&b->writer));
    return charge(b);
}

/* ---- Adding ------------------------------------------------------------------------------- */

/* Bookkeeping of one entry that is in the block now. */
static struct status count_entry(struct lsm_table_builder *b, const struct lsm_entry *e,
                                 bool is_new_key, uint32_t ref)
{
    struct lsm_table_meta *m = &b->meta;

    if (m->entry_count == 0)
        buf_append(&b->first_key, e->key);
    if (is_new_key) {
        b->last_hash = lsm_table_key_hash(e->key);
        buf_append_u64(&b->hashes, b->last_hash);
    }
    if (e->kind == LSM_PUT_HANDLE)
        buf_append_u64(&b->live, (uint64_t)ref << 32 | e->handle.ordinal);
    if (b->first_key.is_failed || b->hashes.is_failed || b->live.is_failed)
        return status_of(ST_NO_MEMORY);
    m->entry_count++;
    m->delete_count += e->kind == LSM_DELETE;
    m->key_bytes += e->key.size;
    m->value_bytes += e->kind == LSM_PUT ? e->value.size : 0;
    m->digest += lsm_table_digest(b->last_hash, e->version);
    m->version_min = e->version < m->version_min ? e->version : m->version_min;
    m->version_max = e->version > m->version_max ? e->version : m->version_max;
    return status_ok();
}

/* Is e after the last entry? *out_is_new_key: and of another key. */
static struct status check_order(const struct lsm_table_builder *b, const struct lsm_entry *e,
                                 bool *out_is_new_key)
{
    *out_is_new_key = true;
    if (lsm_block_builder_count(&b->data) == 0)
        return status_ok();
    int c = bytes_compare(lsm_block_builder_last_key(&b->data), e->key);
    *out_is_new_key = c != 0;
    if (c > 0 || (c == 0 && lsm_block_builder_last_version(&b->data) <= e->version))
        return status_of(ST_CORRUPT);
    return status_ok();
}

/* End the data block because e does not fit any more. */
static struct status make_room(struct lsm_table_builder *b, const struct lsm_entry *e,
                               bool is_new_key)
{
    struct bytes last = lsm_block_builder_last_key(&b->data);

    if (is_new_key)
        return end_data_block(b, lsm_index_separator(last, e->key, b->separator), 0, 1);
    return end_data_block(b, last, lsm_block_builder_last_version(&b->data), 1);
}

static struct status add(struct lsm_table_builder *b, const struct lsm_entry *e)
{
    struct lsm_entry stored = *e;
    bool is_new_key;
    uint32_t ref = 0;

    if (e->kind != LSM_PUT && e->kind != LSM_PUT_HANDLE && e->kind != LSM_DELETE)
        return status_of(ST_INVALID);
    TRY(check_order(b, e, &is_new_key));
    if (e->kind == LSM_PUT_HANDLE) {
        TRY(table_refs_add(&b->refs, &e->handle, &ref));
        stored.handle.file = ref;
    }
    struct status s = lsm_block_builder_add(&b->data, &stored, b->data_limit - TABLE_TRAILER);
    if (s.code == ST_LIMIT) {
        if (lsm_block_builder_count(&b->data) > 0)
            TRY(make_room(b, e, is_new_key));
        s = lsm_block_builder_add(&b->data, &stored, LSM_BLOCK_MAX);
    }
    TRY(s);
    return count_entry(b, e, is_new_key, ref);
}

struct status lsm_table_builder_add(struct lsm_table_builder *b, const struct lsm_entry *e)
{
    if (succeeded(b->status))
        b->status = add(b, e);
    return b->status;
}

struct status lsm_table_builder_add_range_delete(struct lsm_table_builder *b,
                                                 const struct lsm_range_delete *d)
{
    struct lsm_table_meta *m = &b->meta;

    if (failed(b->status) || bytes_compare(d->begin, d->end) >= 0)
        return b->status;
    if (m->range_delete_count == LSM_RANGEDEL_MAX || d->begin.size > LSM_KEY_MAX ||
        d->end.size > LSM_KEY_MAX) {
        b->status = status_of(ST_LIMIT);
        return b->status;
    }
    if (m->range_delete_count == 0)
        buf_append_u32(&b->range_deletes, 0); /* The count, known at the end. */
    table_range_delete_append(&b->range_deletes, d);
    if (b->range_deletes.is_failed)
        b->status = status_of(ST_NO_MEMORY);
    m->range_delete_count++;
    m->version_min = d->version < m->version_min ? d->version : m->version_min;
    m->version_max = d->version > m->version_max ? d->version : m->version_max;
    return b->status;
}

uint64_t lsm_table_builder_size(const struct lsm_table_builder *b)
{
    uint64_t keys = b->hashes.size / sizeof(uint64_t);
    uint64_t handles = b->live.size / sizeof(uint64_t);

    return table_writer_offset(&b->writer) + lsm_block_builder_bound(&b->data) +
           lsm_index_builder_size(&b->index) + keys * b->filter_bits / 8 + 2 * handles +
           (uint64_t)b->refs.count * (TABLE_PROPERTIES_REF + LSM_LIVENESS_HEADER + TABLE_TRAILER) +
           b->range_deletes.size + IO_ALIGN;
}

uint64_t lsm_table_builder_count(const struct lsm_table_builder *b)
{
    return b->meta.entry_count;
}

bool lsm_table_builder_is_full(const struct lsm_table_builder *b)
{
    return table_writer_offset(&b->writer) >= TABLE_SIZE_MAX / 2 ||
           b->refs.count >= TABLE_REF_MAX / 2 || b->meta.range_delete_count >= LSM_RANGEDEL_MAX / 2;
}

/* ---- Finishing ---------------------------------------------------------------------------- */

/* The meta with all that is known before the last blocks are written; bytes and refs borrowed. */
static struct lsm_table_meta describe(const struct lsm_table_builder *b)
{
    struct lsm_table_meta m = b->meta;
    bool has_keys = m.entry_count > 0;

    m.id = b->id;
    m.refs = b->refs.refs;
    m.ref_count = b->refs.count;
    if (has_keys) {
        m.smallest = buf_bytes(&b->first_key);
        m.largest = lsm_block_builder_last_key(&b->data);
    }
    struct bytes rest = { .data = NULL };
    if (m.range_delete_count > 0)
        rest = bytes_skip(buf_bytes(&b->range_deletes), 4);
    struct lsm_range_delete d;
    while (table_range_delete_take(&rest, &d)) {
        if (!has_keys || bytes_compare(d.begin, m.smallest) < 0)
            m.smallest = d.begin;
        if (!has_keys || bytes_compare(d.end, m.largest) > 0) {
            m.largest = d.end;
            m.largest_exclusive = true;
        }
        has_keys = true;
    }
    return m;
}

static struct status write_index(struct lsm_table_builder *b, struct table_tail *tail,
                                 uint32_t alignment)
{
    struct table_place place;

    tail->index_offset = table_writer_offset(&b->writer);
    TRY(lsm_index_builder_finish(&b->index, alignment));
    uint8_t *part = b->index.parts.data;
    for (size_t i = 0; i < b->index.part_sizes.size; i += 4) {
        uint32_t size = get_u32(b->index.part_sizes.data + i);
        TRY(write_block(b, part, size - TABLE_TRAILER, TABLE_INDEX, &place));
        part += size;
    }
    tail->filter_offset = table_writer_offset(&b->writer);
    return status_ok();
}

static struct status write_filter(struct lsm_table_builder *b, struct table_tail *tail,
                                  struct lsm_filter_shape shape)
{
    size_t part_size = lsm_filter_part_size(shape);
    size_t size = part_size * shape.parts;
    struct table_place place;
    struct status s;

    if (shape.parts == 0)
        return status_ok();
    TRY(budget_charge(b->env->budget, BUDGET_JOB, size));
    uint8_t *parts = alloc_zeroed(b->env->alloc, size);
    s = parts == NULL ? status_of(ST_NO_MEMORY) : status_ok();
    if (succeeded(s))
        lsm_filter_add(shape, parts, (const uint64_t *)(const void *)b->hashes.data,
                       b->hashes.size / sizeof(uint64_t));
    for (uint32_t i = 0; i < shape.parts && succeeded(s); i++)
        s = write_block(b, parts + i * part_size, part_size - TABLE_TRAILER, TABLE_FILTER, &place);
    alloc_free(b->env->alloc, parts, size);
    budget_refund(b->env->budget, BUDGET_JOB, size);
    tail->filter_parts = shape.parts;
    tail->filter_lines = shape.lines;
    tail->filter_probes = shape.probes;
    return s;
}

/* One block a reference; live is sorted, so each has its ordinals in a row. places: of each. */
static struct status write_liveness_blocks(struct lsm_table_builder *b, const uint64_t *live,
                                           uint32_t *ordinals, struct table_place *places)
{
    size_t count = b->live.size / sizeof *live;

    for (size_t i = 0; i < count;) {
        uint32_t ref = (uint32_t)(live[i] >> 32);
        size_t n = 0;
        for (; i < count && live[i] >> 32 == ref; i++) {
            if (n > 0 && (uint32_t)live[i] == ordinals[n - 1])
                return status_of(ST_CORRUPT); /* Two entries with one value. */
            ordinals[n++] = (uint32_t)live[i];
        }
        lsm_liveness_encode(ref, ordinals, n, &b->block);
        TRY(write_buffered(b, TABLE_LIVENESS, &places[ref]));
    }
    return status_ok();
}

static struct status write_liveness(struct lsm_table_builder *b, struct table_place *places)
{
    size_t count = b->live.size / sizeof(uint64_t);
    size_t size = count * (sizeof(uint64_t) + sizeof(uint32_t));

    if (count == 0)
        return status_ok();
    TRY(budget_charge(b->env->budget, BUDGET_JOB, size));
    uint64_t *scratch = alloc_bytes(b->env->alloc, size);
    struct status s = scratch == NULL ? status_of(ST_NO_MEMORY) : status_ok();
    if (succeeded(s)) {
        uint64_t *sorted = lsm_liveness_sort((uint64_t *)(void *)b->live.data, scratch, count);
        s = write_liveness_blocks(b, sorted, (uint32_t *)(scratch + count), places);
    }
    alloc_free(b->env->alloc, scratch, size);
    budget_refund(b->env->budget, BUDGET_JOB, size);
    return s;
}

static struct status write_range_deletes(struct lsm_table_builder *b, struct table_tail *tail)
{
    if (b->meta.range_delete_count == 0)
        return status_ok();
    tail->range_delete_count = (uint32_t)b->meta.range_delete_count;
    put_u32(b->range_deletes.data, tail->range_delete_count);
    buf_append(&b->block, buf_bytes(&b->range_deletes));
    return write_buffered(b, TABLE_RANGE_DELETES, &tail->range_deletes);
}

static struct status write_properties(struct lsm_table_builder *b, const struct lsm_table_meta *m,
                                      const struct table_place *places, struct table_tail *tail)
{
    struct buf *out = &b->block;
    const uint64_t numbers[] = {
        m->id,          m->version_min,  m->version_max,
        m->entry_count, m->delete_count, m->range_delete_count,
        m->key_bytes,   m->value_bytes,  m->digest,
    };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        buf_append_u64(out, numbers[i]);
    buf_append_u32(out, (uint32_t)m->smallest.size);
    buf_append_u32(out, (uint32_t)m->largest.size);
    buf_append_u32(out, m->largest_exclusive);
    buf_append_u32(out, m->ref_count);
    for (uint32_t i = 0; i < m->ref_count; i++) {
        buf_append_u64(out, m->refs[i].logical);
        buf_append_u64(out, m->refs[i].live_values);
        buf_append_u64(out, m->refs[i].live_bytes);
        buf_append_u64(out, places[i].offset);
        buf_append_u32(out, places[i].size);
        buf_append_u32(out, 0);
    }
    buf_append(out, m->smallest);
    buf_append(out, m->largest);
    return write_buffered(b, TABLE_PROPERTIES, &tail->properties);
}

static struct status write_tail(struct lsm_table_builder *b, struct table_tail *tail)
{
    const struct lsm_block_builder *top = &b->index.top;
    uint64_t offset = table_writer_offset(&b->writer);
    size_t bound = lsm_block_builder_size(top) + TABLE_TAIL_HEADER + 2 * (size_t)IO_ALIGN;
    struct table_place place;

    if (!buf_reserve(&b->block, bound))
        return status_of(ST_NO_MEMORY);
    uint8_t *p = b->block.data;
    if (lsm_block_builder_count(top) > 0)
        tail->top_size = (uint32_t)lsm_block_builder_finish(top, p + TABLE_TAIL_HEADER);
    table_tail_encode(tail, b->id, p);
    size_t used = TABLE_TAIL_HEADER + tail->top_size;
    size_t size = align_up(offset + used + TABLE_END_SIZE, IO_ALIGN) - offset;
    uint8_t *end = p + size - TABLE_END_SIZE;
    memset(p + used, 0, size - used);
    put_u32(end, (uint32_t)size);
    put_u32(end + 4, TABLE_VERSION);
    put_u64(end + 8, TABLE_MAGIC);
    b->block.size = size - TABLE_TRAILER;
    return write_buffered(b, TABLE_TAIL, &place);
}

/* All that follows the data. m gets the places that readers need. */
static struct status write_rest(struct lsm_table_builder *b, struct lsm_table_meta *m,
                                struct table_place *places)
{
    struct table_tail tail = { .entry_count = m->entry_count, .ref_count = m->ref_count };
    struct lsm_filter_shape shape =
        lsm_filter_shape_of(b->hashes.size / sizeof(uint64_t), b->filter_bits);
    bool is_small = shape.parts <= 1 && b->index.parts.size == 0;
    uint32_t alignment = is_small ? SMALL_ALIGN : IO_ALIGN;

    if (m->entry_count > 0)
        TRY(end_data_block(b, lsm_block_builder_last_key(&b->data), 0, alignment));
    TRY(write_index(b, &tail, alignment));
    TRY(write_filter(b, &tail, shape));
    TRY(write_liveness(b, places));
    TRY(write_range_deletes(b, &tail));
    TRY(write_properties(b, m, places, &tail));
    m->footer_offset = table_writer_offset(&b->writer);
    TRY(write_tail(b, &tail));
    m->file_size = table_writer_offset(&b->writer);
    return table_writer_finish(&b->writer);
}

static struct status finish(struct lsm_table_builder *b, struct lsm_table_meta *out_meta)
{
    struct alloc *a = b->env->alloc;
    struct lsm_table_meta borrowed = describe(b);
    struct lsm_table_meta m;

    if (borrowed.entry_count == 0 && borrowed.range_delete_count == 0)
        return status_of(ST_INVALID); /* A table of nothing has no keys to be found by. */
    TRY(lsm_table_meta_copy(&borrowed, a, &m));
    size_t places_size = (m.ref_count + 1) * sizeof(struct table_place);
    struct table_place *places = alloc_zeroed(a, places_size);
    struct status s = places == NULL ? status_of(ST_NO_MEMORY) : write_rest(b, &m, places);
    alloc_free(a, places, places_size);
    if (failed(s))
        lsm_table_meta_deinit(&m, a);
    else
        *out_meta = m;
    return s;
}

struct status lsm_table_builder_finish(struct lsm_table_builder *b, struct lsm_table_meta *out_meta)
{
    struct status s = b->status;

    if (succeeded(s))
        s = finish(b, out_meta);
    destroy(b);
    return s;
}
