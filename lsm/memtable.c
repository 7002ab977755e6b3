#include "lsm/memtable.h"

#include "base/budget.h"
#include "base/check.h"

#include "lsm/page_pool.h"
#include "lsm/tree.h"

/* ---- Versions of a record ----------------------------------------------------------------- */

/*
 * One version of a key, newest first along `older`; what follows depends on the flags:
 * expire_ms u64 if VERSION_EXPIRES, then a handle (VERSION_HANDLE_SIZE bytes) for LSM_PUT_HANDLE,
 * or the value. Immutable once the record leads to it.
 */
struct version {
    struct version *older;
    uint64_t version;
    uint32_t value_size;
    uint8_t kind;
    uint8_t type;
    uint8_t expires;
    uint8_t reserved;
    uint8_t rest[];
};
enum { HANDLE_SIZE = 20, PREFETCH_MAX = 1024 };

static size_t version_size(const struct lsm_entry *e)
{
    size_t rest = e->kind == LSM_PUT ? e->value.size : e->kind == LSM_PUT_HANDLE ? HANDLE_SIZE : 0;
    return sizeof(struct version) + (e->expire_ms != 0 ? 8 : 0) + rest;
}

static void version_fill(struct version *v, const struct lsm_entry *e, struct version *older)
{
    uint8_t *p = v->rest;
    *v = (struct version) {
        .older = older,
        .version = e->version,
        .value_size = (uint32_t)e->value.size,
        .kind = (uint8_t)e->kind,
        .type = e->type,
        .expires = e->expire_ms != 0,
    };
    if (e->expire_ms != 0) {
        put_u64(p, e->expire_ms);
        p += 8;
    }
    if (e->kind == LSM_PUT_HANDLE) {
        put_u64(p, e->handle.file);
        put_u32(p + 8, e->handle.ordinal);
        put_u32(p + 12, e->handle.offset);
        put_u32(p + 16, e->handle.length);
    } else if (e->kind == LSM_PUT && e->value.size > 0) {
        memcpy(p, e->value.data, e->value.size);
    }
}

static void version_read(const struct lsm_record *r, const struct version *v, struct lsm_entry *out)
{
    const uint8_t *p = v->rest;
    *out = (struct lsm_entry) {
        .key = lsm_record_key(r),
        .version = v->version,
        .kind = v->kind,
        .type = v->type,
    };
    if (v->expires) {
        out->expire_ms = get_u64(p);
        p += 8;
    }
    if (v->kind == LSM_PUT)
        out->value = bytes_of(p, v->value_size);
    else if (v->kind == LSM_PUT_HANDLE)
        out->handle = (struct vlog_handle) { .file = get_u64(p),
                                             .ordinal = get_u32(p + 8),
                                             .offset = get_u32(p + 12),
                                             .length = get_u32(p + 16) };
}

static const struct version *newest_of(const struct lsm_record *r)
{
    /* Pairs with add's release: the version is complete. */
    return atomic_load_explicit(&r->versions, memory_order_acquire);
}

/* ---- The memtable ------------------------------------------------------------------------- */

/* A block of memory that did not fit a page. */
struct big_block {
    struct big_block *next;
    size_t size;
    uint8_t data[];
};

struct page_link {
    struct page_link *next;
};

/* A set of range deletes that was in use once; readers may still look at it. */
struct old_set {
    struct old_set *next;
    struct lsm_rangedel_set *set;
};

struct lsm_memtable {
    _Atomic uint32_t refs;
    const struct env *env;
    struct lsm_page_pool *pool;
    struct lsm_tree tree;
    /* Writer: the arena. */
    struct page_link *pages;
    struct page_link *reserved; /* Pages taken ahead by lsm_memtable_reserve. */
    size_t reserved_count;
    size_t used; /* Of the first page. */
    struct big_block *big_blocks;
    struct lsm_range_delete *range_deletes;
    size_t range_delete_count;
    struct old_set *old_sets;
    _Atomic(struct lsm_rangedel_set *) set;
    _Atomic size_t bytes;
    _Atomic uint64_t count;
};

static void *take_big(struct lsm_memtable *m, size_t size)
{
    struct big_block *b = alloc_bytes(m->env->alloc, sizeof *b + size);
    if (b == NULL)
        return NULL;
    b->size = sizeof *b + size;
    b->next = m->big_blocks;
    m->big_blocks = b;
    budget_force(m->env->budget, BUDGET_MEMTABLE, b->size);
    return b->data;
}

static bool add_page(struct lsm_memtable *m)
{
    struct page_link *page = m->reserved;
    if (page != NULL) {
        m->reserved = page->next;
        m->reserved_count--;
    } else {
        page = lsm_page_take(m->pool);
    }
    if (page == NULL)
        return false;
    page->next = m->pages;
    m->pages = page;
    m->used = align_up(sizeof *page, 16);
    return true;
}

/* Memory that lives as long as the memtable, aligned to 16; NULL when there is none. */
static void *take(void *context, size_t size)
{
    struct lsm_memtable *m = context;
    size_t page_size = lsm_page_size(m->pool);
    size_t rounded = align_up(size, 16);

    if (rounded > page_size / 8) {
        void *p = take_big(m, rounded);
        if (p != NULL)
            atomic_fetch_add_explicit(&m->bytes, rounded, memory_order_relaxed);
        return p;
    }
    if (m->pages == NULL || m->used + rounded > page_size) {
        if (!add_page(m))
            return NULL;
    }
    void *p = (uint8_t *)m->pages + m->used;
    m->used += rounded;
    atomic_store_explicit(&m->bytes,
                          atomic_load_explicit(&m->bytes, memory_order_relaxed) + rounded,
                          memory_order_relaxed);
    return p;
}

struct status lsm_memtable_create(const struct env *env, struct lsm_page_pool *pool,
                                  struct lsm_memtable **out_memtable)
{
    struct lsm_memtable *m = alloc_zeroed(env->alloc, sizeof *m);
    if (m == NULL)
        return status_of(ST_NO_MEMORY);
    atomic_init(&m->refs, 1);
    m->env = env;
    m->pool = pool;
    struct status s = lsm_tree_init(&m->tree, take, m);
    if (failed(s)) {
        lsm_memtable_unref(m);
        return s;
    }
    *out_memtable = m;
    return s;
}

void lsm_memtable_ref(struct lsm_memtable *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
}

static void give_pages(struct lsm_memtable *m, struct page_link *page)
{
    while (page != NULL) {
        struct page_link *next = page->next;
        lsm_page_give(m->pool, page);
        page = next;
    }
}

void lsm_memtable_unref(struct lsm_memtable *m)
{
    if (m == NULL || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct alloc *a = m->env->alloc;
    give_pages(m, m->pages);
    give_pages(m, m->reserved);
    while (m->big_blocks != NULL) {
        struct big_block *next = m->big_blocks->next;
        budget_refund(m->env->budget, BUDGET_MEMTABLE, m->big_blocks->size);
        alloc_free(a, m->big_blocks, m->big_blocks->size);
        m->big_blocks = next;
    }
    while (m->old_sets != NULL) {
        struct old_set *next = m->old_sets->next;
        lsm_rangedel_destroy(m->old_sets->set);
        alloc_free(a, m->old_sets, sizeof *m->old_sets);
        m->old_sets = next;
    }
    lsm_rangedel_destroy(atomic_load(&m->set));
    alloc_free(a, m->range_deletes, m->range_delete_count * sizeof *m->range_deletes);
    alloc_free(a, m, sizeof *m);
}

/* ---- Writing ------------------------------------------------------------------------------ */

static struct lsm_record *make_record(struct lsm_memtable *m, struct bytes key)
{
    struct lsm_record *r = take(m, sizeof *r + key.size);
    if (r == NULL)
        return NULL;
    r->key_size = (uint32_t)key.size;
    r->reserved = 0;
    atomic_init(&r->versions, NULL);
    memcpy(r->key, key.data, key.size);
    return r;
}

/* What follows in the arena is cold, and written first by the next entry, likely one of this size.
 */
static void prefetch_next(const struct lsm_memtable *m, const struct lsm_entry *e)
{
    size_t size = sizeof(struct lsm_record) + e->key.size + version_size(e);

    prefetch_for_write((const uint8_t *)m->pages + m->used,
                       size < PREFETCH_MAX ? size : PREFETCH_MAX);
}

static struct status add(struct lsm_memtable *m, const struct lsm_entry *e,
                         struct lsm_tree_path *path)
{
    struct lsm_record *r = lsm_tree_locate(&m->tree, e->key, path);
    bool is_new = r == NULL;

    DCHECK(e->kind == LSM_PUT || e->kind == LSM_PUT_HANDLE || e->kind == LSM_DELETE);
    if (is_new)
        r = make_record(m, e->key);
    struct version *v = r == NULL ? NULL : take(m, version_size(e));
    if (v == NULL)
        return status_of(ST_NO_MEMORY);
    struct version *older = atomic_load_explicit(&r->versions, memory_order_relaxed);
    CHECK(older == NULL || older->version < e->version);
    version_fill(v, e, older);
    atomic_store_explicit(&r->versions, v, memory_order_release);
    if (is_new)
        TRY(lsm_tree_insert(&m->tree, path, r));
    prefetch_next(m, e);
    atomic_store_explicit(&m->count, atomic_load_explicit(&m->count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    return status_ok();
}

struct status lsm_memtable_add(struct lsm_memtable *m, const struct lsm_entry *entries,
                               size_t count)
{
    struct lsm_tree_path paths[LSM_MEMTABLE_WINDOW];

    CHECK(count <= LSM_MEMTABLE_WINDOW);
    for (size_t i = 0; i < count; i++)
        lsm_tree_approach(&m->tree, entries[i].key, &paths[i]);
    for (size_t i = 0; i < count; i++)
        lsm_tree_arrive(entries[i].key, &paths[i]);
    for (size_t i = 0; i < count; i++)
        TRY(add(m, &entries[i], &paths[i]));
    return status_ok();
}

struct status lsm_memtable_reserve(struct lsm_memtable *m, size_t bytes, size_t count)
{
    size_t page_size = lsm_page_size(m->pool);
    size_t per_entry =
        sizeof(struct version) + sizeof(struct lsm_record) + VARINT_MAX + 8 + 32 + HANDLE_SIZE;
    size_t wanted = bytes + count * per_entry + lsm_tree_insert_room(&m->tree, count);
    size_t left = m->pages == NULL ? 0 : page_size - m->used;

    /* An eighth of each page may be lost at its end. */
    left += m->reserved_count * (page_size - page_size / 8);
    while (left < wanted) {
        struct page_link *page = lsm_page_take(m->pool);
        if (page == NULL)
            return status_of(ST_NO_MEMORY);
        page->next = m->reserved;
        m->reserved = page;
        m->reserved_count++;
        left += page_size - page_size / 8;
    }
    return status_ok();
}

static bool copy_range(struct lsm_memtable *m, const struct lsm_range_delete *from,
                       struct lsm_range_delete *out)
{
    uint8_t *p = take(m, from->begin.size + from->end.size);
    if (p == NULL)
        return false;
    memcpy(p, from->begin.data, from->begin.size);
    memcpy(p + from->begin.size, from->end.data, from->end.size);
    out->begin = bytes_of(p, from->begin.size);
    out->end = bytes_of(p + from->begin.size, from->end.size);
    out->version = from->version;
    return true;
}

struct status lsm_memtable_add_range_deletes(struct lsm_memtable *m,
                                             const struct lsm_range_delete *deletes, size_t count)
{
    struct alloc *a = m->env->alloc;
    size_t total = m->range_delete_count + count;
    struct lsm_rangedel_set *set = NULL;
    struct status s = status_of(ST_NO_MEMORY);
    struct lsm_range_delete *all = alloc_array(a, total, sizeof *all);
    struct old_set *old = alloc_zeroed(a, sizeof *old);

    if (all == NULL || old == NULL)
        goto out;
    if (m->range_delete_count > 0)
        memcpy(all, m->range_deletes, m->range_delete_count * sizeof *all);
    for (size_t i = 0; i < count; i++) {
        if (!copy_range(m, &deletes[i], &all[m->range_delete_count + i]))
            goto out;
    }
    s = lsm_rangedel_build(a, all, total, &set);
    if (failed(s))
        goto out;
    old->set = atomic_load_explicit(&m->set, memory_order_relaxed);
    old->next = m->old_sets;
    m->old_sets = old;
    old = NULL;
    /* Pairs with the readers' acquire: the set is complete. */
    atomic_store_explicit(&m->set, set, memory_order_release);
    alloc_free(a, m->range_deletes, m->range_delete_count * sizeof *all);
    m->range_deletes = all;
    m->range_delete_count = total;
    atomic_fetch_add_explicit(&m->bytes, lsm_rangedel_bytes(set), memory_order_relaxed);
    return s;
out:
    alloc_free(a, all, total * sizeof *all);
    alloc_free(a, old, sizeof *old);
    return s;
}

/* ---- Reading ------------------------------------------------------------------------------ */

static const struct version *version_at(const struct lsm_record *r, uint64_t at)
{
    const struct version *v = newest_of(r);
    while (v != NULL && v->version > at)
        v = v->older;
    return v;
}

bool lsm_memtable_get(const struct lsm_memtable *m, struct bytes key, uint64_t at,
                      struct lsm_entry *out)
{
    const struct lsm_record *r = lsm_tree_find(&m->tree, key);
    const struct version *v = r == NULL ? NULL : version_at(r, at);
    if (v == NULL)
        return false;
    version_read(r, v, out);
    return true;
}

const struct lsm_rangedel_set *lsm_memtable_range_deletes(const struct lsm_memtable *m)
{
    return atomic_load_explicit(&m->set, memory_order_acquire);
}

uint64_t lsm_memtable_range_cover(const struct lsm_memtable *m, struct bytes key, uint64_t at)
{
    const struct lsm_rangedel_set *set = lsm_memtable_range_deletes(m);
    return set == NULL ? 0 : lsm_rangedel_cover(set, key, at);
}

size_t lsm_memtable_bytes(const struct lsm_memtable *m)
{
    return atomic_load_explicit(&m->bytes, memory_order_relaxed);
}

uint64_t lsm_memtable_count(const struct lsm_memtable *m)
{
    return atomic_load_explicit(&m->count, memory_order_relaxed);
}

size_t lsm_memtable_range_delete_count(const struct lsm_memtable *m)
{
    return m->range_delete_count;
}

void lsm_memtable_check_invariants(const struct lsm_memtable *m)
{
    uint64_t versions = 0;
    struct lsm_tree_place p;

    (void)lsm_tree_check(&m->tree);
    for (lsm_tree_first(&m->tree, &p); p.record != NULL; lsm_tree_next(&m->tree, &p)) {
        const struct version *v = newest_of(p.record);
        CHECK(v != NULL);
        for (; v != NULL; v = v->older, versions++)
            CHECK(v->older == NULL || v->older->version < v->version);
    }
    CHECK(versions == lsm_memtable_count(m));
}

/* ---- The iter ----------------------------------------------------------------------------- */

struct memtable_iter {
    struct lsm_iter iter;
    struct lsm_memtable *memtable; /* A count is held. */
    struct lsm_tree_place place;
    const struct version *version; /* Of place.record. */
};

static struct status show(struct memtable_iter *it, const struct version *v)
{
    it->version = v;
    it->iter.is_valid = v != NULL;
    if (v != NULL)
        version_read(it->place.record, v, &it->iter.entry);
    return status_ok();
}

static const struct version *oldest_of(const struct lsm_record *r)
{
    const struct version *v = newest_of(r);
    while (v != NULL && v->older != NULL)
        v = v->older;
    return v;
}

/* The version after which `v` comes: the next newer one of the chain; NULL if v is the newest. */
static const struct version *newer_than(const struct lsm_record *r, const struct version *v)
{
    const struct version *n = newest_of(r);
    if (n == v)
        return NULL;
    while (n->older != v)
        n = n->older;
    return n;
}

static struct status show_first_of_place(struct memtable_iter *it)
{
    return show(it, it->place.record == NULL ? NULL : newest_of(it->place.record));
}

static struct status show_last_of_place(struct memtable_iter *it)
{
    return show(it, it->place.record == NULL ? NULL : oldest_of(it->place.record));
}

static struct status iter_seek(struct lsm_iter *base, struct bytes key, uint64_t version)
{
    struct memtable_iter *it = (struct memtable_iter *)base;
    const struct lsm_tree *t = &it->memtable->tree;

    lsm_tree_seek(t, key, false, &it->place);
    if (it->place.record == NULL || !bytes_equal(lsm_record_key(it->place.record), key))
        return show_first_of_place(it);
    const struct version *v = version_at(it->place.record, version);
    if (v != NULL)
        return show(it, v);
    lsm_tree_next(t, &it->place);
    return show_first_of_place(it);
}

static struct status iter_seek_before(struct lsm_iter *base, struct bytes key, uint64_t version)
{
    struct memtable_iter *it = (struct memtable_iter *)base;
    const struct lsm_tree *t = &it->memtable->tree;
    struct lsm_record *r = lsm_tree_find(t, key);

    /* Newer versions of key come before (key, version); the last of them is the oldest. */
    if (r != NULL) {
        const struct version *before = NULL;
        for (const struct version *v = newest_of(r); v != NULL && v->version > version;
             v = v->older)
            before = v;
        if (before != NULL) {
            lsm_tree_seek(t, key, false, &it->place);
            return show(it, before);
        }
    }
    lsm_tree_seek_before(t, key, &it->place);
    return show_last_of_place(it);
}

static struct status iter_first(struct lsm_iter *base)
{
    struct memtable_iter *it = (struct memtable_iter *)base;
    lsm_tree_first(&it->memtable->tree, &it->place);
    return show_first_of_place(it);
}

static struct status iter_last(struct lsm_iter *base)
{
    struct memtable_iter *it = (struct memtable_iter *)base;
    lsm_tree_last(&it->memtable->tree, &it->place);
    return show_last_of_place(it);
}

static struct status iter_next(struct lsm_iter *base)
{
    struct memtable_iter *it = (struct memtable_iter *)base;
    if (it->version->older != NULL)
        return show(it, it->version->older);
    lsm_tree_next(&it->memtable->tree, &it->place);
    return show_first_of_place(it);
}

static struct status iter_prev(struct lsm_iter *base)
{
    struct memtable_iter *it = (struct memtable_iter *)base;
    const struct version *newer = newer_than(it->place.record, it->version);
    if (newer != NULL)
        return show(it, newer);
    lsm_tree_prev(&it->memtable->tree, &it->place);
    return show_last_of_place(it);
}

static void iter_destroy(struct lsm_iter *base)
{
    struct memtable_iter *it = (struct memtable_iter *)base;
    struct alloc *a = it->memtable->env->alloc;
    lsm_memtable_unref(it->memtable);
    alloc_free(a, it, sizeof *it);
}

static const struct lsm_iter_ops memtable_iter_ops = {
    .seek = iter_seek,
    .seek_before = iter_seek_before,
    .first = iter_first,
    .last = iter_last,
    .next = iter_next,
    .prev = iter_prev,
    .destroy = iter_destroy,
};

struct status lsm_memtable_iter(struct lsm_memtable *m, struct lsm_iter **out_iter)
{
    struct memtable_iter *it = alloc_zeroed(m->env->alloc, sizeof *it);
    if (it == NULL)
        return status_of(ST_NO_MEMORY);
    it->iter.ops = &memtable_iter_ops;
    it->memtable = m;
    lsm_memtable_ref(m);
    *out_iter = &it->iter;
    return status_ok();
}
