#include "txn/overlay.h"

#include "base/budget.h"
#include "base/check.h"
#include "base/hash.h"

enum { BUCKETS_MIN = 64 };

void txn_overlay_init(struct txn_overlay *o, const struct env *env)
{
    *o = (struct txn_overlay) { .env = env };
}

static size_t row_bytes(const struct txn_row *r)
{
    return sizeof *r + r->key_size + r->room;
}

static size_t range_bytes(const struct txn_range *r)
{
    return sizeof *r + r->begin_size + r->end_size;
}

static void hold(struct txn_overlay *o, size_t size)
{
    o->held_bytes += size;
    budget_force(o->env->budget, BUDGET_PENDING, size);
}

static void let_go(struct txn_overlay *o, size_t size)
{
    o->held_bytes -= size;
    budget_refund(o->env->budget, BUDGET_PENDING, size);
}

static struct txn_row **bucket_of(const struct txn_overlay *o, uint64_t hash)
{
    return &o->buckets[hash & (o->bucket_count - 1)];
}

/* ---- Order of writing --------------------------------------------------------------------- */

static void unlink_order(struct txn_overlay *o, struct txn_row *r)
{
    *(r->older != NULL ? &r->older->newer : &o->oldest) = r->newer;
    *(r->newer != NULL ? &r->newer->older : &o->newest) = r->older;
}

static void link_newest(struct txn_overlay *o, struct txn_row *r)
{
    r->older = o->newest;
    r->newer = NULL;
    *(o->newest != NULL ? &o->newest->newer : &o->oldest) = r;
    o->newest = r;
}

static void remove_row(struct txn_overlay *o, struct txn_row *r)
{
    struct txn_row **p = bucket_of(o, r->hash);
    while (*p != r)
        p = &(*p)->next;
    *p = r->next;
    unlink_order(o, r);
    o->row_count--;
    let_go(o, row_bytes(r));
    alloc_free(o->env->alloc, r, row_bytes(r));
}

static void remove_range(struct txn_overlay *o, struct txn_range **link)
{
    struct txn_range *r = *link;
    *link = r->next;
    let_go(o, range_bytes(r));
    alloc_free(o->env->alloc, r, range_bytes(r));
}

void txn_overlay_clear(struct txn_overlay *o)
{
    while (o->oldest != NULL)
        remove_row(o, o->oldest);
    while (o->ranges != NULL)
        remove_range(o, &o->ranges);
}

void txn_overlay_deinit(struct txn_overlay *o)
{
    txn_overlay_clear(o);
    alloc_free(o->env->alloc, o->buckets, o->bucket_count * sizeof(struct txn_row *));
    o->buckets = NULL;
    o->bucket_count = 0;
}

/* ---- Looking ------------------------------------------------------------------------------ */

static struct txn_row *find_hashed(const struct txn_overlay *o, struct bytes key, uint64_t hash)
{
    if (o->row_count == 0)
        return NULL;
    for (struct txn_row *r = *bucket_of(o, hash); r != NULL; r = r->next) {
        if (r->hash == hash && bytes_equal(txn_row_key(r), key))
            return r;
    }
    return NULL;
}

struct txn_row *txn_overlay_find(const struct txn_overlay *o, struct bytes key)
{
    return o->row_count == 0 ? NULL : find_hashed(o, key, hash_bytes(key, 0));
}

static bool range_covers(const struct txn_range *r, struct bytes key)
{
    return bytes_compare(bytes_of(r->bytes, r->begin_size), key) <= 0 &&
           bytes_compare(key, bytes_of(r->bytes + r->begin_size, r->end_size)) < 0;
}

const struct txn_range *txn_overlay_range(const struct txn_overlay *o, struct bytes key)
{
    const struct txn_range *r = o->ranges;
    while (r != NULL && !range_covers(r, key))
        r = r->next;
    return r;
}

/* ---- Writing ------------------------------------------------------------------------------ */

static struct status grow_buckets(struct txn_overlay *o)
{
    uint32_t count = o->bucket_count == 0 ? BUCKETS_MIN : o->bucket_count * 2;
    struct txn_row **old = o->buckets;
    uint32_t old_count = o->bucket_count;
    struct txn_row **buckets = alloc_array(o->env->alloc, count, sizeof(struct txn_row *));

    if (buckets == NULL)
        return status_of(ST_NO_MEMORY);
    o->buckets = buckets;
    o->bucket_count = count;
    for (struct txn_row *r = o->oldest; r != NULL; r = r->newer) {
        struct txn_row **b = bucket_of(o, r->hash);
        r->next = *b;
        *b = r;
    }
    alloc_free(o->env->alloc, old, old_count * sizeof(struct txn_row *));
    return status_ok();
}

static struct txn_row *make_row(struct txn_overlay *o, const struct txn_write *w, uint64_t hash)
{
    size_t room = align_up(w->value.size, 16);
    struct txn_row *r = alloc_bytes(o->env->alloc, sizeof *r + w->key.size + room);
    if (r == NULL)
        return NULL;
    *r = (struct txn_row) { .hash = hash,
                            .key_size = (uint32_t)w->key.size,
                            .room = (uint32_t)room };
    if (w->key.size > 0)
        memcpy(r->bytes, w->key.data, w->key.size);
    hold(o, row_bytes(r));
    return r;
}

struct status txn_overlay_write(struct txn_overlay *o, const struct txn_write *w)
{
    uint64_t hash = hash_bytes(w->key, 0);
    struct txn_row *r = find_hashed(o, w->key, hash);

    if (w->value.size > UINT32_MAX - 16 || w->key.size > UINT32_MAX)
        return status_of(ST_LIMIT);
    if (o->row_count >= o->bucket_count)
        TRY(grow_buckets(o));
    struct txn_row *outgrown = NULL; /* Goes last: w may borrow from it. */
    if (r != NULL && r->room >= w->value.size) {
        unlink_order(o, r);
    } else {
        outgrown = r;
        r = make_row(o, w, hash);
        if (r == NULL)
            return status_of(ST_NO_MEMORY);
        r->next = *bucket_of(o, hash);
        *bucket_of(o, hash) = r;
        o->row_count++;
    }
    link_newest(o, r);
    if (w->value.size > 0)
        memmove(r->bytes + r->key_size, w->value.data, w->value.size);
    r->value_size = (uint32_t)w->value.size;
    r->ticket = w->ticket;
    r->version = 0;
    r->expire_ms = w->expire_ms;
    r->type = w->type;
    r->is_delete = w->is_delete;
    if (outgrown != NULL)
        remove_row(o, outgrown);
    return status_ok();
}

struct status txn_overlay_write_range(struct txn_overlay *o, struct bytes begin, struct bytes end,
                                      uint64_t ticket)
{
    if (begin.size > LSM_USER_KEY_MAX || end.size > LSM_USER_KEY_MAX)
        return status_of(ST_LIMIT);
    struct txn_range *range = alloc_bytes(o->env->alloc, sizeof *range + begin.size + end.size);
    if (range == NULL)
        return status_of(ST_NO_MEMORY);
    *range = (struct txn_range) { .next = o->ranges,
                                  .ticket = ticket,
                                  .begin_size = (uint32_t)begin.size,
                                  .end_size = (uint32_t)end.size };
    memcpy(range->bytes, begin.data, begin.size);
    memcpy(range->bytes + begin.size, end.data, end.size);
    hold(o, range_bytes(range));
    o->ranges = range;
    for (struct txn_row *r = o->oldest; r != NULL;) {
        struct txn_row *newer = r->newer;
        if (range_covers(range, txn_row_key(r)))
            remove_row(o, r);
        r = newer;
    }
    return status_ok();
}

void txn_overlay_set_version(struct txn_overlay *o, uint64_t ticket, uint64_t version)
{
    for (struct txn_row *r = o->newest; r != NULL && r->ticket >= ticket; r = r->older) {
        if (r->ticket == ticket)
            r->version = version;
    }
    for (struct txn_range *r = o->ranges; r != NULL && r->ticket >= ticket; r = r->next) {
        if (r->ticket == ticket)
            r->version = version;
    }
}

void txn_overlay_retire(struct txn_overlay *o, uint64_t ticket)
{
    while (o->oldest != NULL && o->oldest->ticket <= ticket)
        remove_row(o, o->oldest);
    for (struct txn_range **p = &o->ranges; *p != NULL;) {
        if ((*p)->ticket <= ticket)
            remove_range(o, p);
        else
            p = &(*p)->next;
    }
}
