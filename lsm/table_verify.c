#include "lsm/table_reader.h"

#include "base/budget.h"
#include "base/buf.h"
#include "base/check.h"

#include "lsm/liveness.h"
#include "lsm/table_refs.h"

/*
 * One walk over all entries, beside which everything that is said about them elsewhere in the file
 * is checked: counts, bounds, digest, filter, liveness. One walk over all blocks for the separators
 * and to see that data, index and filter leave no gap between them.
 */
struct verify {
    struct lsm_table *table;
    struct fetch fetch;
    struct errbuf *err;
    uint8_t *filter; /* All partitions. */
    size_t filter_size;
    struct buf live; /* uint64_t: ref << 32 | ordinal, one a handle. */
    struct buf last_key;
    uint64_t last_version;
    uint64_t last_hash;
    struct lsm_table_meta counted; /* Of the entries; the bytes of keys are not set. */
    struct table_refs refs;        /* As the entries name them. */
};

static struct status bad(const struct verify *v, const char *what)
{
    return table_corrupt(v->table, v->err, what);
}

/* ---- Filter ------------------------------------------------------------------------------- */

static struct status load_filter(struct verify *v)
{
    struct lsm_table *t = v->table;
    uint32_t part_size = (uint32_t)lsm_filter_part_size(t->filter);
    size_t size = (size_t)part_size * t->filter.parts;

    if (t->filter.parts == 0)
        return status_ok();
    TRY(budget_charge(t->env->budget, BUDGET_JOB, size));
    v->filter_size = size;
    v->filter = alloc_bytes(t->env->alloc, size);
    if (v->filter == NULL)
        return status_of(ST_NO_MEMORY);
    for (uint32_t i = 0; i < t->filter.parts; i++) {
        struct table_place place = { t->filter_offset + (uint64_t)part_size * i, part_size };
        struct fetch_block part;
        TRY(table_fetch(t, &v->fetch, place, TABLE_FILTER, &part));
        memcpy(v->filter + (size_t)part_size * i, part.data.data, part_size);
        fetch_release(&v->fetch, &part);
    }
    return status_ok();
}

static bool filter_has(const struct verify *v, uint64_t hash)
{
    struct lsm_filter_shape shape = v->table->filter;
    size_t part_size = lsm_filter_part_size(shape);

    return shape.parts == 0 ||
           lsm_filter_may_have(shape, v->filter + part_size * lsm_filter_part(shape, hash), hash);
}

/* ---- Entries ------------------------------------------------------------------------------ */

/* The cursor gives logical ids. The builder numbered them as they came, and so does this. */
static struct status note_handle(struct verify *v, const struct lsm_entry *e)
{
    uint32_t ref;

    TRY(table_refs_add(&v->refs, &e->handle, &ref));
    buf_append_u64(&v->live, (uint64_t)ref << 32 | e->handle.ordinal);
    return v->live.is_failed ? status_of(ST_NO_MEMORY) : status_ok();
}

static struct status note_entry(struct verify *v, const struct lsm_entry *e)
{
    struct lsm_table_meta *c = &v->counted;
    struct bytes last = buf_bytes(&v->last_key);

    if (c->entry_count > 0 && lsm_entry_compare(last, v->last_version, e->key, e->version) >= 0)
        return bad(v, "entries are out of order");
    if (c->entry_count == 0 || !bytes_equal(last, e->key)) {
        v->last_hash = lsm_table_key_hash(e->key);
        if (!filter_has(v, v->last_hash))
            return bad(v, "the filter lacks a key");
        buf_reset(&v->last_key);
        buf_append(&v->last_key, e->key);
        if (v->last_key.is_failed)
            return status_of(ST_NO_MEMORY);
    }
    v->last_version = e->version;
    c->entry_count++;
    c->delete_count += e->kind == LSM_DELETE;
    c->key_bytes += e->key.size;
    c->value_bytes += e->value.size;
    c->digest += lsm_table_digest(v->last_hash, e->version);
    c->version_min = e->version < c->version_min ? e->version : c->version_min;
    c->version_max = e->version > c->version_max ? e->version : c->version_max;
    return e->kind == LSM_PUT_HANDLE ? note_handle(v, e) : status_ok();
}

static struct status walk_entries(struct verify *v)
{
    const struct lsm_table_meta *m = v->table->meta;
    struct lsm_table_iter_options options = { .read_ahead = true };
    struct lsm_iter *it;

    TRY(lsm_table_iter(v->table, &v->fetch, &options, &it));
    struct status s = lsm_iter_first(it);
    if (succeeded(s) && it->is_valid && m->range_delete_count == 0 &&
        !bytes_equal(it->entry.key, m->smallest))
        s = bad(v, "the smallest key is another");
    while (succeeded(s) && it->is_valid) {
        s = note_entry(v, &it->entry);
        if (succeeded(s))
            s = lsm_iter_next(it);
    }
    if (failed(s) && v->fetch.err.text[0] != '\0' && v->err->text[0] == '\0')
        *v->err = v->fetch.err;
    lsm_iter_destroy(it);
    return s;
}

/* ---- Range deletes and bounds ------------------------------------------------------------- */

static struct status check_bounds(struct verify *v)
{
    const struct lsm_table_meta *m = v->table->meta;
    const struct lsm_rangedel_set *set;
    struct bytes last = buf_bytes(&v->last_key);
    bool has_largest = v->counted.entry_count > 0 && bytes_equal(last, m->largest);

    if (v->counted.entry_count > 0 && bytes_compare(last, m->largest) > 0)
        return bad(v, "a key is greater than the largest");
    TRY(lsm_table_range_deletes(v->table, &v->fetch, &set));
    size_t count = set == NULL ? 0 : lsm_rangedel_count(set);
    if (count != m->range_delete_count)
        return bad(v, "range deletes are miscounted");
    for (size_t i = 0; i < count; i++) {
        struct lsm_range_delete d;
        lsm_rangedel_at(set, i, &d);
        if (bytes_compare(d.begin, m->smallest) < 0 || bytes_compare(d.end, m->largest) > 0)
            return bad(v, "a range delete reaches beyond the bounds");
        has_largest = has_largest || (m->largest_exclusive && bytes_equal(d.end, m->largest));
        v->counted.version_min =
            d.version < v->counted.version_min ? d.version : v->counted.version_min;
        v->counted.version_max =
            d.version > v->counted.version_max ? d.version : v->counted.version_max;
    }
    return has_largest ? status_ok() : bad(v, "the largest key is another");
}

static struct status check_counts(struct verify *v)
{
    const struct lsm_table_meta *m = v->table->meta;
    const struct lsm_table_meta *c = &v->counted;

    if (c->entry_count != m->entry_count || c->entry_count != v->table->tail.entry_count ||
        c->delete_count != m->delete_count)
        return bad(v, "entries are miscounted");
    if (c->key_bytes != m->key_bytes || c->value_bytes != m->value_bytes)
        return bad(v, "bytes are miscounted");
    if (c->version_min != m->version_min || c->version_max != m->version_max)
        return bad(v, "versions lie outside of their bounds");
    return c->digest == m->digest ? status_ok() : bad(v, "the digest is another");
}

/* ---- Liveness ----------------------------------------------------------------------------- */

/* What a liveness block says, compared with the sorted handles as it is decoded. */
struct liveness_check {
    const uint64_t *next;
    size_t left;
    uint32_t ref;
    bool is_same;
};

static void compare_run(void *context, uint32_t first, uint32_t count)
{
    struct liveness_check *c = context;

    for (uint64_t i = 0; i < count && c->is_same; i++) {
        c->is_same = c->left > 0 && *c->next == ((uint64_t)c->ref << 32 | (first + i));
        c->next += c->left > 0;
        c->left -= c->left > 0;
    }
}

static struct status compare_liveness(struct verify *v, const uint64_t *live, size_t count)
{
    const struct lsm_table_meta *m = v->table->meta;
    struct liveness_check c = { .next = live, .left = count, .is_same = true };

    if (v->refs.count != m->ref_count)
        return bad(v, "a reference leads to nothing");
    for (c.ref = 0; c.ref < m->ref_count; c.ref++) {
        const struct lsm_table_ref *counted = &v->refs.refs[c.ref];
        if (counted->logical != m->refs[c.ref].logical)
            return bad(v, "references are out of order");
        if (counted->live_values != m->refs[c.ref].live_values ||
            counted->live_bytes != m->refs[c.ref].live_bytes)
            return bad(v, "live values are miscounted");
        struct status s = lsm_table_liveness(v->table, &v->fetch, c.ref, compare_run, &c);
        if (failed(s)) {
            *v->err = v->fetch.err;
            return s;
        }
        if (!c.is_same)
            return bad(v, "liveness and handles disagree");
    }
    return c.left == 0 ? status_ok() : bad(v, "liveness and handles disagree");
}

static struct status check_liveness(struct verify *v)
{
    const struct env *env = v->table->env;
    size_t count = v->live.size / sizeof(uint64_t);

    TRY(budget_charge(env->budget, BUDGET_JOB, v->live.size + 1));
    uint64_t *scratch = alloc_bytes(env->alloc, v->live.size + 1);
    struct status s = scratch == NULL ? status_of(ST_NO_MEMORY) : status_ok();
    if (succeeded(s)) {
        uint64_t *sorted = lsm_liveness_sort((uint64_t *)(void *)v->live.data, scratch, count);
        s = compare_liveness(v, sorted, count);
    }
    alloc_free(env->alloc, scratch, v->live.size + 1);
    budget_refund(env->budget, BUDGET_JOB, v->live.size + 1);
    return s;
}

/* ---- Index -------------------------------------------------------------------------------- */

/* The separator behind a block that begins where the last one ended. */
struct index_walk {
    uint64_t data_end; /* So far. */
    uint64_t index_end;
    struct buf separator; /* Of the last data block. */
    uint64_t version;
    struct buf key;
    bool has_separator;
};

static bool read_key(const struct lsm_block *b, uint32_t i, struct buf *out)
{
    buf_reset(out);
    uint8_t *p = buf_extend(out, lsm_block_key_room(b));
    if (p == NULL)
        return false;
    lsm_block_prefix(b, p);
    out->size = lsm_block_key(b, i, p);
    return true;
}

/* Does data block i of part lie right behind the last one, between the two separators? */
static struct status check_data_block(struct verify *v, struct index_walk *w,
                                      const struct lsm_block *part, uint32_t i)
{
    struct table_place place;
    struct fetch_block block;
    struct lsm_entry e;

    TRY(table_data_place(v->table, part, i, &place, v->err));
    if (place.offset != w->data_end)
        return bad(v, "data blocks do not follow one another");
    w->data_end += place.size;
    TRY(table_fetch(v->table, &v->fetch, place, TABLE_DATA, &block));
    struct lsm_block data = lsm_block_of(block.data.data, block.header);
    bool is_good = read_key(&data, 0, &w->key);
    lsm_block_entry(&data, 0, &e);
    if (is_good && w->has_separator)
        is_good = lsm_entry_compare(buf_bytes(&w->separator), w->version, buf_bytes(&w->key),
                                    e.version) < 0;
    uint32_t last = data.hint.count - 1u;
    is_good = is_good && read_key(&data, last, &w->key) && read_key(part, i, &w->separator);
    lsm_block_entry(&data, last, &e);
    uint64_t version = e.version;
    lsm_block_entry(part, i, &e);
    w->version = e.version;
    w->has_separator = true;
    if (is_good)
        is_good = lsm_entry_compare(buf_bytes(&w->key), version, buf_bytes(&w->separator),
                                    w->version) <= 0;
    fetch_release(&v->fetch, &block);
    if (w->key.is_failed || w->separator.is_failed)
        return status_of(ST_NO_MEMORY);
    return is_good ? status_ok() : bad(v, "a separator does not separate");
}

static struct status check_part(struct verify *v, struct index_walk *w, uint32_t i)
{
    struct lsm_table *t = v->table;
    struct table_place place;
    struct fetch_block block;
    struct lsm_entry e;

    TRY(table_part_place(t, i, &place, v->err));
    if (place.offset != w->index_end)
        return bad(v, "index partitions do not follow one another");
    w->index_end += place.size;
    TRY(table_fetch(t, &v->fetch, place, TABLE_INDEX, &block));
    struct lsm_block part = lsm_block_of(block.data.data, block.header);
    struct status s = status_ok();
    for (uint32_t n = 0; n < part.hint.count && succeeded(s); n++)
        s = check_data_block(v, w, &part, n);
    fetch_release(&v->fetch, &block);
    TRY(s);
    lsm_block_entry(&t->top, i, &e);
    if (!read_key(&t->top, i, &w->key))
        return status_of(ST_NO_MEMORY);
    return bytes_equal(buf_bytes(&w->key), buf_bytes(&w->separator)) && e.version == w->version
               ? status_ok()
               : bad(v, "the top index disagrees with a partition");
}

static struct status check_index(struct verify *v)
{
    struct lsm_table *t = v->table;
    struct index_walk w = { .index_end = t->tail.index_offset };
    struct status s = status_ok();

    buf_init(&w.separator, t->env->alloc, 2 * LSM_KEY_MAX);
    buf_init(&w.key, t->env->alloc, 2 * LSM_KEY_MAX);
    for (uint32_t i = 0; i < t->top.hint.count && succeeded(s); i++)
        s = check_part(v, &w, i);
    if (succeeded(s) && (w.data_end != t->tail.index_offset || w.index_end != t->filter_offset))
        s = bad(v, "there are gaps between the blocks");
    buf_deinit(&w.separator);
    buf_deinit(&w.key);
    return s;
}

/* ---- All of it ---------------------------------------------------------------------------- */

static struct status verify(struct verify *v)
{
    TRY(table_pin(v->table, &v->fetch));
    TRY(load_filter(v));
    TRY(walk_entries(v));
    TRY(check_bounds(v));
    TRY(check_counts(v));
    TRY(check_liveness(v));
    return check_index(v);
}

struct status lsm_table_verify(struct lsm_table *t, struct io_ring *ring, struct cache *cache,
                               struct errbuf *err)
{
    struct alloc *a = t->env->alloc;
    struct fetch_options options = { .cache = cache, .ring = ring, .fill = FETCH_FILL_NONE };
    struct errbuf words = { .text = "" };
    struct verify v = { .table = t, .err = &words, .counted.version_min = UINT64_MAX };

    fetch_init(&v.fetch, &options);
    buf_init(&v.live, a, TABLE_SIZE_MAX);
    buf_init(&v.last_key, a, LSM_KEY_MAX);
    table_refs_init(&v.refs, a);
    struct status s = verify(&v);
    if (failed(s) && err != NULL)
        *err = words.text[0] != '\0' ? words : v.fetch.err;
    table_refs_deinit(&v.refs);
    alloc_free(a, v.filter, v.filter_size);
    budget_refund(t->env->budget, BUDGET_JOB, v.filter_size);
    buf_deinit(&v.live);
    buf_deinit(&v.last_key);
    fetch_deinit(&v.fetch);
    return s;
}
