#include "txn/overlay.h"

#include "base/budget.h"
#include "base/check.h"

enum {
    BUCKETS_MIN = 64,
    BYTES_A_BUCKET = 256,   /* Of clean rows, when the table's room is reserved. */
    SPARE_BYTES = 512,      /* What a spare row has room for, itself included. */
    CLEAN_VALUE_MAX = 1024, /* Larger values are not kept: the caches below have them. */
    CLEAN_ROOM_MAX = 2048,  /* Nor what a larger one has left room for. */
    CLEAN_SLACK = 1 << 20,  /* Remembered beyond the maximum until the next eviction. */
    BUCKETS_KEPT = 1 << 16, /* When all rows are gone. */
    PARDONS_MAX = 16,       /* For each row that goes: more would be felt when all are in use. */
};

static size_t row_bytes(const struct txn_row *r)
{
    return sizeof *r + r->key_size + r->room;
}

static size_t range_bytes(const struct txn_range *r)
{
    return sizeof *r + r->begin_size + r->end_size;
}

/* Charged at once. What is let go, and rows that change sides, are settled now and then. */
static void hold(struct txn_overlay *o, size_t size)
{
    o->held_bytes += size;
    o->charged_bytes += size;
    budget_force(o->env->budget, BUDGET_PENDING, size);
}

static void let_go(struct txn_overlay *o, size_t size)
{
    o->held_bytes -= size;
}

static void charge_as(struct txn_overlay *o, enum budget_tag tag, size_t *charged, size_t size)
{
    if (size > *charged)
        budget_force(o->env->budget, tag, size - *charged);
    else if (size < *charged)
        budget_refund(o->env->budget, tag, *charged - size);
    *charged = size;
}

static size_t bucket_bytes(const struct txn_overlay *o)
{
    return o->bucket_capacity * sizeof(struct txn_bucket);
}

static size_t table_bytes(const struct txn_overlay *o)
{
    return bucket_bytes(o) + txn_doorkeeper_size(&o->doorkeeper);
}

/* What is left for clean rows. */
static size_t clean_room(const struct txn_overlay *o)
{
    size_t table = table_bytes(o);
    return o->clean_max_bytes > table ? o->clean_max_bytes - table : 0;
}

/* The table is the clean rows', where there may be any. */
static void settle(struct txn_overlay *o)
{
    bool keeps_rows = o->clean_max_bytes > 0;
    size_t dirty_bytes = o->held_bytes - o->clean_bytes;

    charge_as(o, BUDGET_PENDING, &o->charged_bytes,
              dirty_bytes + (keeps_rows ? 0 : table_bytes(o)));
    charge_as(o, BUDGET_ROWS, &o->clean_charged_bytes,
              o->clean_bytes + (keeps_rows ? table_bytes(o) : 0));
}

/* ---- The table ---------------------------------------------------------------------------- */

static struct txn_bucket *bucket_of(const struct txn_overlay *o, uint64_t hash)
{
    uint32_t i = (uint32_t)hash & (2 * o->round_size - 1);
    return &o->buckets[i < o->bucket_count ? i : i - o->round_size];
}

/* By bits that do not choose the bucket. */
static uint64_t mark_of(uint64_t hash)
{
    return UINT64_C(1) << (hash >> 58);
}

static void join_bucket(struct txn_bucket *b, struct txn_row *r)
{
    r->previous = NULL;
    r->next = b->first;
    if (r->next != NULL)
        r->next->previous = r;
    b->first = r;
    b->marks |= mark_of(r->hash);
}

static void leave_bucket(struct txn_bucket *b, struct txn_row *r)
{
    *(r->previous != NULL ? &r->previous->next : &b->first) = r->next;
    if (r->next != NULL)
        r->next->previous = r->previous;
    if (r->previous == NULL && r->next == NULL)
        b->marks = 0;
}

static struct status reserve_buckets(struct txn_overlay *o, uint32_t capacity)
{
    struct txn_bucket *buckets = alloc_resize(o->env->alloc, o->buckets, bucket_bytes(o),
                                              capacity * sizeof(struct txn_bucket));
    if (buckets == NULL)
        return status_of(ST_NO_MEMORY);
    o->buckets = buckets;
    o->bucket_capacity = capacity;
    return status_ok();
}

/* The first buckets. As many as a full cache will want are asked for, and touched when needed. The
 * doorkeeper is all there at once: the first row is a better time than when a busy store is full.
 */
static struct status make_table(struct txn_overlay *o)
{
    size_t wanted = o->clean_max_bytes / BYTES_A_BUCKET;
    if (o->clean_max_bytes > 0 && o->doorkeeper.words == NULL &&
        !txn_doorkeeper_init(&o->doorkeeper, o->env->alloc, wanted))
        return status_of(ST_NO_MEMORY);
    TRY(reserve_buckets(o, wanted < BUCKETS_MIN ? BUCKETS_MIN
                           : wanted < 1u << 30  ? (uint32_t)wanted
                                                : 1u << 30));
    memset(o->buckets, 0, BUCKETS_MIN * sizeof(struct txn_bucket));
    o->bucket_count = BUCKETS_MIN;
    o->round_size = BUCKETS_MIN;
    return status_ok();
}

struct status txn_overlay_prepare(struct txn_overlay *o)
{
    return o->bucket_count > 0 ? status_ok() : make_table(o);
}

/* One bucket more: half of the rows of the one that is split. Without memory for it the chains are
 * longer, that is all. */
static void grow_table(struct txn_overlay *o)
{
    if (o->bucket_count == o->bucket_capacity &&
        (o->bucket_capacity > UINT32_MAX / 4 || failed(reserve_buckets(o, 2 * o->bucket_capacity))))
        return;
    struct txn_bucket *from = &o->buckets[o->bucket_count - o->round_size];
    struct txn_bucket *to = &o->buckets[o->bucket_count];
    uint32_t mask = 2 * o->round_size - 1;
    struct txn_row *next = from->first;
    *from = (struct txn_bucket) { .first = NULL };
    *to = (struct txn_bucket) { .first = NULL };
    while (next != NULL) {
        struct txn_row *r = next;
        next = r->next;
        join_bucket(((uint32_t)r->hash & mask) == o->bucket_count ? to : from, r);
    }
    o->bucket_count++;
    if (o->bucket_count == 2 * o->round_size)
        o->round_size *= 2;
}

static struct txn_row *find(const struct txn_overlay *o, struct bytes key, uint64_t hash)
{
    if (o->row_count == 0)
        return NULL;
    const struct txn_bucket *b = bucket_of(o, hash);
    if ((b->marks & mark_of(hash)) == 0)
        return NULL;
    for (struct txn_row *r = b->first; r != NULL; r = r->next) {
        if (r->hash == hash && bytes_equal(txn_row_key(r), key))
            return r;
    }
    return NULL;
}

/* ---- Rows --------------------------------------------------------------------------------- */

static void link_newest(struct txn_row_list *l, struct txn_row *r)
{
    r->older = l->newest;
    r->newer = NULL;
    *(l->newest != NULL ? &l->newest->newer : &l->oldest) = r;
    l->newest = r;
}

static void unlink_row(struct txn_overlay *o, struct txn_row *r)
{
    struct txn_row_list *l = r->is_clean ? &o->clean : &o->dirty;
    *(r->older != NULL ? &r->older->newer : &l->oldest) = r->newer;
    *(r->newer != NULL ? &r->newer->older : &l->newest) = r->older;
    if (r->is_clean)
        o->clean_bytes -= row_bytes(r);
}

static void free_row(struct txn_overlay *o, struct txn_row *r)
{
    if (o->spare_count < o->spare_max && row_bytes(r) == SPARE_BYTES) {
        r->next = o->spare;
        o->spare = r;
        o->spare_count++;
        return;
    }
    let_go(o, row_bytes(r));
    alloc_free(o->env->alloc, r, row_bytes(r));
}

static size_t size_for(size_t key_size, size_t value_size)
{
    return sizeof(struct txn_row) + key_size + align_up(value_size, 16);
}

/* Memory for a row: key and room fill it. */
static struct txn_row *take_row(struct txn_overlay *o, size_t key_size, size_t value_size)
{
    size_t size = size_for(key_size, value_size);
    struct txn_row *r;

    if (o->spare_max > 0 && size < SPARE_BYTES)
        size = SPARE_BYTES;
    if (o->spare != NULL && size == SPARE_BYTES) {
        r = o->spare;
        o->spare = r->next;
        o->spare_count--;
    } else {
        r = alloc_bytes(o->env->alloc, size);
        if (r == NULL)
            return NULL;
        hold(o, size);
    }
    *r = (struct txn_row) { .key_size = (uint32_t)key_size,
                            .room = (uint32_t)(size - sizeof *r - key_size) };
    return r;
}

static void join_table(struct txn_overlay *o, struct txn_row *r)
{
    if (o->row_count >= o->bucket_count)
        grow_table(o);
    join_bucket(bucket_of(o, r->hash), r);
    o->row_count++;
}

/* Out of table and list. */
static void take_out(struct txn_overlay *o, struct txn_row *r)
{
    leave_bucket(bucket_of(o, r->hash), r);
    unlink_row(o, r);
    o->row_count--;
}

/* A row of the table, in no list yet. */
static struct txn_row *make_row(struct txn_overlay *o, struct bytes key, uint64_t hash,
                                size_t value_size)
{
    if (failed(txn_overlay_prepare(o)))
        return NULL;
    struct txn_row *r = take_row(o, key.size, value_size);
    if (r == NULL)
        return NULL;
    if (key.size > 0)
        memcpy(r->bytes, key.data, key.size);
    r->hash = hash;
    join_table(o, r);
    return r;
}

static void remove_row(struct txn_overlay *o, struct txn_row *r)
{
    take_out(o, r);
    free_row(o, r);
}

static void fill_value(struct txn_row *r, struct bytes value)
{
    if (value.size > 0)
        memmove(r->bytes + r->key_size, value.data, value.size);
    r->value_size = (uint32_t)value.size;
}

static void make_clean(struct txn_overlay *o, struct txn_row *r, uint64_t version)
{
    r->is_clean = true;
    r->version = version;
    r->age = o->age;
    link_newest(&o->clean, r);
    o->clean_bytes += row_bytes(r);
}

static bool is_stale(const struct txn_overlay *o, const struct txn_row *r)
{
    return r->is_clean && r->age != o->age;
}

/* ---- Life --------------------------------------------------------------------------------- */

void txn_overlay_init(struct txn_overlay *o, const struct env *env, size_t clean_max_bytes,
                      uint32_t spare_max)
{
    *o = (struct txn_overlay) { .env = env,
                                .clean_max_bytes = clean_max_bytes,
                                .spare_max = spare_max };
}

static void remove_range(struct txn_overlay *o, struct txn_range **link)
{
    struct txn_range *r = *link;
    *link = r->next;
    let_go(o, range_bytes(r));
    alloc_free(o->env->alloc, r, range_bytes(r));
}

static void free_table(struct txn_overlay *o)
{
    alloc_free(o->env->alloc, o->buckets, bucket_bytes(o));
    txn_doorkeeper_deinit(&o->doorkeeper, o->env->alloc);
    o->buckets = NULL;
    o->bucket_count = 0;
    o->bucket_capacity = 0;
}

void txn_overlay_clear(struct txn_overlay *o)
{
    while (o->dirty.oldest != NULL)
        remove_row(o, o->dirty.oldest);
    while (o->ranges != NULL)
        remove_range(o, &o->ranges);
    while (o->clean.oldest != NULL)
        remove_row(o, o->clean.oldest);
    if (o->bucket_capacity > BUCKETS_KEPT)
        free_table(o);
    settle(o);
}

void txn_overlay_deinit(struct txn_overlay *o)
{
    txn_overlay_clear(o);
    o->spare_max = 0;
    while (o->spare != NULL) {
        struct txn_row *next = o->spare->next;
        free_row(o, o->spare);
        o->spare = next;
    }
    free_table(o);
    settle(o);
}

/* ---- Looking ------------------------------------------------------------------------------ */

void txn_overlay_prefetch(const struct txn_overlay *o, uint64_t hash)
{
    if (o->row_count > 0)
        __builtin_prefetch(bucket_of(o, hash));
}

void txn_overlay_prefetch_row(const struct txn_overlay *o, uint64_t hash)
{
    if (o->row_count == 0)
        return;
    const struct txn_bucket *b = bucket_of(o, hash);
    if ((b->marks & mark_of(hash)) != 0)
        prefetch_for_write(b->first, sizeof(struct txn_row) + 3 * 64);
}

struct txn_row *txn_overlay_find(const struct txn_overlay *o, struct bytes key, uint64_t hash)
{
    struct txn_row *r = find(o, key, hash);

    if (r == NULL || is_stale(o, r))
        return NULL;
    r->is_used = true;
    return r;
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

struct status txn_overlay_write(struct txn_overlay *o, const struct txn_write *w)
{
    struct txn_row *r = find(o, w->key, w->hash);
    struct txn_row *outgrown = NULL; /* Goes last: w may borrow from it. */

    if (w->value.size > UINT32_MAX - SPARE_BYTES || w->key.size > UINT32_MAX)
        return status_of(ST_LIMIT);
    if (r != NULL && !r->is_clean && r->ticket == w->ticket)
        o->has_repeats = true;
    if (r != NULL && r->room >= w->value.size) {
        unlink_row(o, r);
    } else {
        outgrown = r;
        r = make_row(o, w->key, w->hash, w->value.size);
        if (r == NULL)
            return status_of(ST_NO_MEMORY);
    }
    r->is_clean = false;
    link_newest(&o->dirty, r);
    fill_value(r, w->value);
    r->ticket = w->ticket;
    r->expire_ms = w->expire_ms;
    r->type = w->type;
    r->is_delete = w->is_delete;
    if (outgrown != NULL)
        remove_row(o, outgrown);
    return status_ok();
}

static void join_range(struct txn_overlay *o, struct txn_range *range, bool is_final)
{
    hold(o, range_bytes(range));
    range->next = o->ranges;
    o->ranges = range;
    o->has_repeats = true;
    if (!is_final)
        o->age++;
    for (struct txn_row *r = o->dirty.oldest; r != NULL;) {
        struct txn_row *newer = r->newer;
        if (range_covers(range, txn_row_key(r)))
            remove_row(o, r);
        r = newer;
    }
}

struct status txn_overlay_write_range(struct txn_overlay *o, struct bytes begin, struct bytes end,
                                      uint64_t ticket, bool is_final)
{
    if (begin.size > LSM_USER_KEY_MAX || end.size > LSM_USER_KEY_MAX)
        return status_of(ST_LIMIT);
    struct txn_range *range = alloc_bytes(o->env->alloc, sizeof *range + begin.size + end.size);
    if (range == NULL)
        return status_of(ST_NO_MEMORY);
    *range = (struct txn_range) { .ticket = ticket,
                                  .begin_size = (uint32_t)begin.size,
                                  .end_size = (uint32_t)end.size };
    memcpy(range->bytes, begin.data, begin.size);
    memcpy(range->bytes + begin.size, end.data, end.size);
    join_range(o, range, is_final);
    return status_ok();
}

void txn_overlay_adopt(struct txn_overlay *o, struct txn_overlay *from, struct txn_row *r,
                       uint64_t ticket)
{
    struct txn_row *old = find(o, txn_row_key(r), r->hash);

    CHECK(!r->is_clean && o->bucket_count > 0);
    take_out(from, r);
    let_go(from, row_bytes(r));
    hold(o, row_bytes(r));
    if (old != NULL)
        remove_row(o, old);
    r->ticket = ticket;
    join_table(o, r);
    link_newest(&o->dirty, r);
}

void txn_overlay_adopt_range(struct txn_overlay *o, struct txn_overlay *from,
                             struct txn_range *range, uint64_t ticket, bool is_final)
{
    struct txn_range **link = &from->ranges;

    while (*link != range)
        link = &(*link)->next;
    *link = range->next;
    let_go(from, range_bytes(range));
    range->ticket = ticket;
    join_range(o, range, is_final);
}

/* Is there room for a row without another's leaving? */
static bool has_room(const struct txn_overlay *o, size_t key_size, size_t value_size)
{
    return o->bucket_count == 0 || o->clean_bytes + size_for(key_size, value_size) <= clean_room(o);
}

void txn_overlay_remember(struct txn_overlay *o, struct bytes key, uint64_t hash,
                          const struct lsm_value *v)
{
    if (v->size > CLEAN_VALUE_MAX || v->size != v->value.size || v->is_delete ||
        o->clean_max_bytes == 0 || o->clean_bytes >= o->clean_max_bytes + CLEAN_SLACK)
        return;
    struct txn_row *r = find(o, key, hash);
    if (r != NULL && !is_stale(o, r))
        return;
    if (r != NULL)
        remove_row(o, r);
    else if (!has_room(o, key.size, v->size) && !txn_doorkeeper_admits(&o->doorkeeper, hash))
        return;
    r = make_row(o, key, hash, v->value.size);
    if (r == NULL)
        return;
    fill_value(r, v->value);
    r->expire_ms = v->expire_ms;
    r->type = v->type;
    make_clean(o, r, v->version);
}

/* ---- Applied ------------------------------------------------------------------------------ */

void txn_overlay_retire(struct txn_overlay *o, uint64_t ticket, uint64_t version)
{
    struct txn_row *r;

    while ((r = o->dirty.oldest) != NULL && r->ticket <= ticket) {
        if (o->clean_max_bytes == 0 || r->value_size > CLEAN_VALUE_MAX ||
            r->room > CLEAN_ROOM_MAX) {
            remove_row(o, r);
            continue;
        }
        unlink_row(o, r);
        make_clean(o, r, version);
    }
    for (struct txn_range **p = &o->ranges; *p != NULL;) {
        if ((*p)->ticket <= ticket)
            remove_range(o, p);
        else
            p = &(*p)->next;
    }
}

void txn_overlay_evict(struct txn_overlay *o)
{
    size_t room = clean_room(o);
    unsigned pardons = 0;

    while (o->clean_bytes > room) {
        struct txn_row *r = o->clean.oldest;
        bool is_pardoned = r->is_used && !is_stale(o, r) && pardons < PARDONS_MAX;
        if (!is_pardoned) {
            remove_row(o, r);
            pardons = 0;
            continue;
        }
        unlink_row(o, r);
        r->is_used = false;
        make_clean(o, r, r->version);
        pardons++;
    }
    settle(o);
}
