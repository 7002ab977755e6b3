#include "lsm/table_reader.h"

#include "base/budget.h"
#include "base/check.h"

#include "cache/cache.h"

#include "lsm/liveness.h"
#include "lsm/manifest.h"

/* ---- Life --------------------------------------------------------------------------------- */

struct status lsm_table_open(const struct env *env, const char *dir,
                             const struct lsm_table_meta *meta, struct lsm_table **out_table)
{
    char name[LSM_NAME_MAX];
    char path[IO_PATH_MAX];

    if (meta->footer_offset >= meta->file_size || meta->file_size > TABLE_SIZE_MAX ||
        meta->ref_count > TABLE_REF_MAX)
        return status_of(ST_CORRUPT);
    lsm_table_name(meta->id, name, sizeof name);
    TRY(lsm_path(dir, name, path));
    struct lsm_table *t = alloc_aligned(env->alloc, 64, sizeof *t);
    if (t == NULL)
        return status_of(ST_NO_MEMORY);
    *t = (struct lsm_table) {
        .id = meta->id,
        .meta = meta,
        .env = env,
        .file_size = meta->file_size,
        .footer_offset = meta->footer_offset,
        .ref_count = meta->ref_count,
    };
    /* Around the page cache, as there is a cache already. */
    struct status s = io_open(env->io, path, IO_READ | IO_DIRECT, &t->file);
    if (s.code == ST_UNSUPPORTED)
        s = io_open(env->io, path, IO_READ, &t->file);
    if (failed(s)) {
        alloc_free(env->alloc, t, sizeof *t);
        return s;
    }
    mutex_init(&t->lock, RANK_CACHE);
    atomic_init(&t->holds, 1);
    budget_force(env->budget, BUDGET_TABLE_META, sizeof *t);
    *out_table = t;
    return status_ok();
}

size_t lsm_table_memory(const struct lsm_table *t)
{
    size_t size = sizeof *t;

    /* Acquire: see is_pinned. */
    if (atomic_load_explicit(&t->is_pinned, memory_order_acquire))
        size += t->top_capacity + t->hint_count * sizeof *t->hints;
    const struct lsm_rangedel_set *s =
        atomic_load_explicit(&t->range_deletes, memory_order_acquire);
    return size + (s != NULL ? lsm_rangedel_bytes(s) : 0);
}

static void hold(void *context)
{
    struct lsm_table *t = context;
    /* Relaxed: the caller holds the table already. */
    atomic_fetch_add_explicit(&t->holds, 1, memory_order_relaxed);
}

static void drop(void *context)
{
    struct lsm_table *t = context;

    /* Release what this holder did; the last one acquires what all did. */
    if (atomic_fetch_sub_explicit(&t->holds, 1, memory_order_acq_rel) > 1)
        return;
    budget_refund(t->env->budget, BUDGET_TABLE_META, lsm_table_memory(t));
    io_close(t->file);
    lsm_rangedel_destroy(atomic_load_explicit(&t->range_deletes, memory_order_relaxed));
    alloc_free(t->env->alloc, t->top_data, t->top_capacity);
    alloc_free(t->env->alloc, t->hints, t->hint_count * sizeof *t->hints);
    mutex_deinit(&t->lock);
    alloc_free(t->env->alloc, t, sizeof *t);
}

void lsm_table_close(struct lsm_table *t)
{
    if (t != NULL)
        drop(t);
}

const struct lsm_table_meta *lsm_table_meta(const struct lsm_table *t)
{
    return t->meta;
}

/* ---- Blocks ------------------------------------------------------------------------------- */

struct status table_corrupt(const struct lsm_table *t, struct errbuf *err, const char *what)
{
    errbuf_set(err, "table %llu: %s", (unsigned long long)t->id, what);
    return status_of(ST_CORRUPT);
}

struct status table_verify_block(const struct lsm_table *t, struct bytes block,
                                 enum table_block_type type, uint64_t offset, uint8_t *out_header,
                                 struct errbuf *err)
{
    struct bytes body;
    struct lsm_block_hint hint;

    TRY(table_block_check(block, type, t->id, offset, &body, err));
    if (type == TABLE_FILTER && body.size + TABLE_TRAILER != lsm_filter_part_size(t->filter))
        return table_corrupt(t, err, "filter partition of another size");
    if (type != TABLE_DATA && type != TABLE_INDEX)
        return status_ok();
    struct status s = lsm_block_check(body, type == TABLE_DATA ? t->ref_count : 1, &hint, err);
    if (failed(s))
        errbuf_prefix(err, "table %llu at %llu", (unsigned long long)t->id,
                      (unsigned long long)offset);
    else
        memcpy(out_header, &hint, sizeof hint);
    return s;
}

static struct status verify(void *context, const struct fetch_request *request, struct bytes block,
                            uint8_t *out_header, struct errbuf *err)
{
    return table_verify_block(context, block, (enum table_block_type)request->cookie,
                              request->offset, out_header, err);
}

static enum fetch_kind kind_of(enum table_block_type type)
{
    switch (type) {
    case TABLE_INDEX:
        return FETCH_INDEX;
    case TABLE_FILTER:
        return FETCH_FILTER;
    default: /* The others are read once or rarely. */
        return FETCH_DATA;
    }
}

static struct fetch_request request_for(struct lsm_table *t, struct table_place place,
                                        enum table_block_type type)
{
    return (struct fetch_request) {
        .file = t->file,
        .file_id = t->id,
        .offset = place.offset,
        .size = place.size,
        .kind = kind_of(type),
        .verify = verify,
        .context = t,
        .cookie = type,
        .hold = hold,
        .drop = drop,
    };
}

struct status table_fetch(struct lsm_table *t, struct fetch *f, struct table_place place,
                          enum table_block_type type, struct fetch_block *out_block)
{
    struct fetch_request request = request_for(t, place, type);

    if (place.size <= TABLE_TRAILER)
        return table_corrupt(t, &f->err, "a block of no bytes");
    return fetch_get(f, &request, out_block);
}

struct status table_fetch_part(struct lsm_table *t, struct fetch *f, struct table_place place,
                               enum table_block_type type, uint32_t part,
                               struct fetch_block *out_block)
{
    struct fetch_request request = request_for(t, place, type);

    if (place.size <= TABLE_TRAILER)
        return table_corrupt(t, &f->err, "a block of no bytes");
    if (t->cache == f->options.cache)
        request.hint = &t->hints[type == TABLE_INDEX ? t->filter.parts + part : part];
    return fetch_get(f, &request, out_block);
}

bool table_find(struct lsm_table *t, struct fetch *f, struct table_place place,
                enum table_block_type type, struct fetch_block *out_block)
{
    struct fetch_request request = request_for(t, place, type);
    return fetch_find(f, &request, out_block);
}

struct status table_fetch_given(struct lsm_table *t, struct fetch *f, struct table_place place,
                                enum table_block_type type, struct bytes given,
                                struct fetch_block *out_block)
{
    struct fetch_request request = request_for(t, place, type);
    return fetch_get_given(f, &request, given, out_block);
}

struct status table_index_place(const struct lsm_table *t, const struct lsm_block *index,
                                uint32_t i, uint64_t begin, uint64_t end,
                                struct table_place *out_place, struct errbuf *err)
{
    struct lsm_entry e;

    lsm_block_entry(index, i, &e);
    uint64_t offset = begin + e.handle.offset;
    if (e.kind != LSM_PUT_HANDLE || e.handle.length <= TABLE_TRAILER || offset > end ||
        e.handle.length > end - offset)
        return table_corrupt(t, err, "the index leads outside of the table");
    *out_place = (struct table_place) { offset, e.handle.length };
    return status_ok();
}

/* ---- Pinning ------------------------------------------------------------------------------ */

/* What of a tail shall be pinned. */
struct pinned {
    struct table_tail tail;
    struct lsm_block top;
    uint8_t *top_data;
    size_t top_capacity;
    _Atomic uint32_t *hints;
    uint32_t hint_count;
};

static void free_pinned(struct alloc *a, struct pinned *p)
{
    alloc_free(a, p->top_data, p->top_capacity);
    alloc_free(a, p->hints, p->hint_count * sizeof *p->hints);
}

/* The top index, in memory of its own with slack behind it. */
static struct status copy_top(const struct lsm_table *t, struct bytes top, struct pinned *p,
                              struct errbuf *err)
{
    struct lsm_block_hint hint;
    struct status s = lsm_block_check(top, 1, &hint, err);

    if (failed(s)) {
        errbuf_prefix(err, "table %llu: top index", (unsigned long long)t->id);
        return s;
    }
    size_t capacity = top.size + LSM_BLOCK_TRAILER;
    p->top_data = alloc_aligned(t->env->alloc, LSM_FILTER_LINE, capacity);
    if (p->top_data == NULL)
        return status_of(ST_NO_MEMORY);
    p->top_capacity = capacity;
    memcpy(p->top_data, top.data, top.size);
    memset(p->top_data + top.size, 0, LSM_BLOCK_TRAILER);
    p->top = lsm_block_of(p->top_data, &hint);
    return status_ok();
}

static struct status decode_tail(const struct lsm_table *t, struct bytes body, struct pinned *p,
                                 struct errbuf *err)
{
    struct table_tail *tail = &p->tail;

    TRY(table_tail_decode(body, t->id, t->footer_offset, tail, err));
    if (tail->ref_count != t->ref_count || (tail->top_size == 0) != (tail->entry_count == 0))
        return table_corrupt(t, err, "tail and manifest disagree");
    if (tail->top_size > 0)
        TRY(copy_top(t, bytes_of(body.data + TABLE_TAIL_HEADER, tail->top_size), p, err));
    uint32_t hint_count = tail->filter_parts + p->top.hint.count;
    if (hint_count > 0) {
        p->hints = alloc_array(t->env->alloc, hint_count, sizeof *p->hints);
        if (p->hints == NULL)
            return status_of(ST_NO_MEMORY);
        p->hint_count = hint_count;
    }
    return status_ok();
}

/* Publish what was decoded, unless another reader was faster. */
static bool publish(struct lsm_table *t, struct cache *cache, const struct pinned *p)
{
    const struct table_tail *tail = &p->tail;

    mutex_lock(&t->lock);
    bool is_first = !atomic_load_explicit(&t->is_pinned, memory_order_relaxed);
    if (is_first) {
        t->tail = *tail;
        t->filter = (struct lsm_filter_shape) { tail->filter_parts, tail->filter_lines,
                                                tail->filter_probes };
        t->filter_offset = tail->filter_offset;
        t->top = p->top;
        t->top_data = p->top_data;
        t->top_capacity = p->top_capacity;
        t->hints = p->hints;
        t->hint_count = p->hint_count;
        t->cache = cache;
        budget_force(t->env->budget, BUDGET_TABLE_META,
                     p->top_capacity + p->hint_count * sizeof *p->hints);
        /* Release: publishes the fields above to who acquires it set. */
        atomic_store_explicit(&t->is_pinned, true, memory_order_release);
    }
    mutex_unlock(&t->lock);
    return is_first;
}

static struct status load_tail(struct lsm_table *t, struct fetch *f)
{
    struct table_place place = { t->footer_offset, (uint32_t)(t->file_size - t->footer_offset) };
    struct pinned p = { .top_data = NULL };
    struct fetch_block block;

    TRY(table_fetch(t, f, place, TABLE_TAIL, &block));
    struct bytes body = bytes_of(block.data.data, block.data.size - TABLE_TRAILER);
    struct status s = decode_tail(t, body, &p, &f->err);
    fetch_release(f, &block);
    if (failed(s) || !publish(t, f->options.cache, &p))
        free_pinned(t->env->alloc, &p);
    return s;
}

struct status table_pin(struct lsm_table *t, struct fetch *f)
{
    /* Acquire: see publish. */
    if (atomic_load_explicit(&t->is_pinned, memory_order_acquire))
        return status_ok();
    return load_tail(t, f);
}

/* ---- Point reads -------------------------------------------------------------------------- */

uint64_t lsm_table_key_hash(struct bytes key)
{
    return hash_bytes(key, 0);
}

static_assert((int)LSM_TABLE_PREFETCH_STEPS == 2 + CACHE_PREFETCH_STEPS,
              "two lines of the table, then the cache's");

void lsm_table_prefetch(const struct lsm_table *t, uint64_t key_hash, unsigned step)
{
    if (step == 0) {
        __builtin_prefetch(t);
        __builtin_prefetch(&t->top);
        return;
    }
    /* Acquire: see publish. */
    if (!atomic_load_explicit(&t->is_pinned, memory_order_acquire) || t->filter.parts == 0)
        return;
    const _Atomic uint32_t *hint = &t->hints[lsm_filter_part(t->filter, key_hash)];
    if (step == 1)
        __builtin_prefetch((const void *)hint);
    else
        /* Acquire: the slot is there when its number is. */
        cache_prefetch(t->cache, atomic_load_explicit(hint, memory_order_acquire), step - 2,
                       (size_t)LSM_FILTER_LINE * lsm_filter_line(t->filter, key_hash));
}

/* NOT_FOUND if the filter knows that the table lacks the key. */
static struct status ask_filter(struct lsm_table *t, struct fetch *f, uint64_t key_hash)
{
    uint32_t size = (uint32_t)lsm_filter_part_size(t->filter);
    uint32_t part = lsm_filter_part(t->filter, key_hash);
    struct table_place place = { t->filter_offset + (uint64_t)size * part, size };
    struct fetch_block block;

    TRY(table_fetch_part(t, f, place, TABLE_FILTER, part, &block));
    return lsm_filter_may_have(t->filter, block.data.data, key_hash) ? status_ok()
                                                                     : status_of(ST_NOT_FOUND);
}

/* The data block that holds the first entry at or after (key, at), if any does. */
static struct status find_block(struct lsm_table *t, struct fetch *f, struct bytes key, uint64_t at,
                                struct table_place *out_place)
{
    struct table_place place;
    struct fetch_block block;
    bool is_key;

    uint32_t i = lsm_block_seek(&t->top, key, at, &is_key);
    if (i == t->top.hint.count)
        return status_of(ST_NOT_FOUND);
    TRY(table_part_place(t, i, &place, &f->err));
    TRY(table_fetch_part(t, f, place, TABLE_INDEX, i, &block));
    struct lsm_block part = lsm_block_of(block.data.data, block.header);
    i = lsm_block_seek(&part, key, at, &is_key);
    if (i == part.hint.count)
        return table_corrupt(t, &f->err, "an index partition ends before its separator");
    return table_data_place(t, &part, i, out_place, &f->err);
}

/* The data block that holds the key, if any does. */
static struct status locate(struct lsm_table *t, struct fetch *f, struct bytes key,
                            uint64_t key_hash, uint64_t at, struct table_place *out_place)
{
    TRY(table_pin(t, f));
    if (t->tail.top_size == 0)
        return status_of(ST_NOT_FOUND);
    if (t->filter.parts > 0)
        TRY(ask_filter(t, f, key_hash));
    return find_block(t, f, key, at, out_place);
}

struct status lsm_table_get(struct lsm_table *t, struct fetch *f, struct bytes key,
                            uint64_t key_hash, uint64_t at, struct table_place *place,
                            struct lsm_entry *out)
{
    struct table_place unknown = { 0 };
    struct fetch_block block;
    bool is_key;

    if (place == NULL)
        place = &unknown;
    if (place->size == 0)
        TRY(locate(t, f, key, key_hash, at, place));
    TRY(table_fetch(t, f, *place, TABLE_DATA, &block));
    struct lsm_block data = lsm_block_of(block.data.data, block.header);
    uint32_t i = lsm_block_seek(&data, key, at, &is_key);
    if (!is_key)
        return status_of(ST_NOT_FOUND);
    table_entry(t, &data, i, out);
    out->key = key;
    return status_ok();
}

/* ---- Range deletes and liveness ----------------------------------------------------------- */

static struct status decode_range_deletes(struct lsm_table *t, struct bytes body,
                                          struct lsm_rangedel_set **out_set, struct errbuf *err)
{
    uint32_t count;

    if (!take_u32(&body, &count) || count != t->tail.range_delete_count)
        return table_corrupt(t, err, "range deletes are miscounted");
    size_t size = ((size_t)count + 1) * sizeof(struct lsm_range_delete);
    struct lsm_range_delete *deletes = alloc_bytes(t->env->alloc, size);
    if (deletes == NULL)
        return status_of(ST_NO_MEMORY);
    struct status s = status_ok();
    for (uint32_t i = 0; i < count && succeeded(s); i++) {
        if (!table_range_delete_take(&body, &deletes[i]))
            s = table_corrupt(t, err, "a range delete is damaged");
    }
    if (succeeded(s) && body.size > 0)
        s = table_corrupt(t, err, "range deletes are miscounted");
    if (succeeded(s))
        s = lsm_rangedel_build(t->env->alloc, deletes, count, out_set);
    alloc_free(t->env->alloc, deletes, size);
    return s;
}

struct status lsm_table_range_deletes(struct lsm_table *t, struct fetch *f,
                                      const struct lsm_rangedel_set **out_set)
{
    struct lsm_rangedel_set *set = NULL;
    struct fetch_block block;

    if (t->meta->range_delete_count > 0)
        /* Acquire: the set was built by another thread, perhaps. */
        set = atomic_load_explicit(&t->range_deletes, memory_order_acquire);
    if (t->meta->range_delete_count == 0 || set != NULL) {
        *out_set = set;
        return status_ok();
    }
    TRY(table_pin(t, f));
    TRY(table_fetch(t, f, t->tail.range_deletes, TABLE_RANGE_DELETES, &block));
    struct status s = decode_range_deletes(
        t, bytes_of(block.data.data, block.data.size - TABLE_TRAILER), &set, &f->err);
    fetch_release(f, &block);
    TRY(s);
    struct lsm_rangedel_set *other = NULL;
    /* Release: publishes the set; acquire: the one of who was faster. */
    if (atomic_compare_exchange_strong_explicit(&t->range_deletes, &other, set,
                                                memory_order_acq_rel, memory_order_acquire)) {
        budget_force(t->env->budget, BUDGET_TABLE_META, lsm_rangedel_bytes(set));
    } else {
        lsm_rangedel_destroy(set);
        set = other;
    }
    *out_set = set;
    return status_ok();
}

/* Where the properties say that ref's liveness block is. */
static struct status liveness_place(struct lsm_table *t, struct fetch *f, uint32_t ref,
                                    struct table_place *out_place)
{
    struct fetch_block block;

    TRY(table_fetch(t, f, t->tail.properties, TABLE_PROPERTIES, &block));
    size_t at = TABLE_PROPERTIES_HEADER + (size_t)TABLE_PROPERTIES_REF * ref;
    struct status s = status_ok();
    if (block.data.size < at + TABLE_PROPERTIES_REF + TABLE_TRAILER) {
        s = table_corrupt(t, &f->err, "properties lack a reference");
    } else {
        const uint8_t *p = block.data.data + at;
        *out_place = (struct table_place) { get_u64(p + 24), get_u32(p + 32) };
        if (out_place->offset > t->footer_offset ||
            out_place->size > t->footer_offset - out_place->offset)
            s = table_corrupt(t, &f->err, "a liveness block lies outside of the table");
    }
    fetch_release(f, &block);
    return s;
}

struct status lsm_table_liveness(struct lsm_table *t, struct fetch *f, uint32_t ref,
                                 void (*visit)(void *context, uint32_t first, uint32_t count),
                                 void *context)
{
    struct table_place place;
    struct fetch_block block;

    if (ref >= t->ref_count)
        return status_of(ST_INVALID);
    TRY(table_pin(t, f));
    TRY(liveness_place(t, f, ref, &place));
    TRY(table_fetch(t, f, place, TABLE_LIVENESS, &block));
    struct status s = lsm_liveness_decode(
        bytes_of(block.data.data, block.data.size - TABLE_TRAILER), ref, visit, context);
    fetch_release(f, &block);
    if (s.code == ST_CORRUPT)
        return table_corrupt(t, &f->err, "a liveness block is damaged");
    return s;
}
