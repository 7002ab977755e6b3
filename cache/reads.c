#include "cache/reads.h"

#include "base/budget.h"
#include "base/check.h"
#include "base/hash.h"

#include "cache/internal.h"

enum { LINE = 64 };

/* ---- Blocks -------------------------------------------------------------------------------- */

static struct status take_loose(struct cache *c, uint32_t size, struct block_ref *out_block)
{
    size_t alignment = size % IO_ALIGN == 0 ? IO_ALIGN : LINE;
    size_t at = align_up(size, LINE);
    size_t allocation = at + sizeof(struct fetch_loose);

    TRY(budget_charge(c->env->budget, BUDGET_OTHER, allocation));
    uint8_t *data = alloc_aligned(c->env->alloc, alignment, allocation);
    if (data == NULL) {
        budget_refund(c->env->budget, BUDGET_OTHER, allocation);
        return status_of(ST_NO_MEMORY);
    }
    struct fetch_loose *loose = (struct fetch_loose *)(void *)(data + at);
    *loose = (struct fetch_loose) { .allocation = allocation, .data = data };
    atomic_init(&loose->refs, 1);
    *out_block =
        (struct block_ref) { .loose = loose, .size = size, .data = data, .header = loose->header };
    return status_ok();
}

struct status block_take(struct cache *c, uint32_t size, enum fetch_fill fill,
                         struct block_ref *out_block)
{
    struct cache_pin pin;

    if (fill == FETCH_FILL_NONE)
        return take_loose(c, size, out_block);
    struct status s = cache_reserve(c, size, &pin);
    if (s.code == ST_LIMIT || s.code == ST_NO_MEMORY)
        return take_loose(c, size, out_block);
    TRY(s);
    *out_block = (struct block_ref) {
        .slot = pin.slot, .size = size, .data = pin.data, .header = pin.header
    };
    return status_ok();
}

void block_share(struct cache *c, const struct block_ref *b)
{
    if (b->loose != NULL)
        /* Relaxed: the caller has a reference. */
        atomic_fetch_add_explicit(&b->loose->refs, 1, memory_order_relaxed);
    else
        cache_pin_again(c, b->slot);
}

void block_give(struct cache *c, const struct block_ref *b)
{
    if (b->loose == NULL) {
        cache_unpin(c, b->slot);
        return;
    }
    /* Release what this holder read; the last one acquires, and frees after all. */
    if (atomic_fetch_sub_explicit(&b->loose->refs, 1, memory_order_acq_rel) > 1)
        return;
    size_t allocation = b->loose->allocation;
    alloc_free(c->env->alloc, b->loose->data, allocation);
    budget_refund(c->env->budget, BUDGET_OTHER, allocation);
}

/* ---- Reads --------------------------------------------------------------------------------- */

void reads_init(struct reads *r)
{
    mutex_init(&r->mutex, RANK_FETCH);
}

void reads_deinit(struct reads *r)
{
    for (unsigned i = 0; i < READ_BUCKETS; i++)
        CHECK(r->buckets[i] == NULL);
    mutex_deinit(&r->mutex);
}

/* Files may be open around the page cache, so the device is asked for whole pages. */
static struct status take_raw(struct cache *c, struct read *r)
{
    uint64_t begin = align_down(r->request.offset, IO_ALIGN);
    uint64_t end = align_up(r->request.offset + r->request.size, IO_ALIGN);

    if (end - begin == r->request.size && (uintptr_t)r->block.data % IO_ALIGN == 0)
        return status_ok();
    TRY(budget_charge(c->env->budget, BUDGET_OTHER, end - begin));
    r->raw = alloc_aligned(c->env->alloc, IO_ALIGN, end - begin);
    if (r->raw == NULL) {
        budget_refund(c->env->budget, BUDGET_OTHER, end - begin);
        return status_of(ST_NO_MEMORY);
    }
    r->raw_size = end - begin;
    return status_ok();
}

static void give_raw(struct cache *c, struct read *r)
{
    if (r->raw == NULL)
        return;
    alloc_free(c->env->alloc, r->raw, r->raw_size);
    budget_refund(c->env->budget, BUDGET_OTHER, r->raw_size);
    r->raw = NULL;
}

struct status read_create(struct cache *c, const struct fetch_request *request,
                          enum fetch_fill fill, bool is_blocking, struct read **out_read)
{
    struct read *r = alloc_zeroed(c->env->alloc, sizeof *r);

    if (r == NULL)
        return status_of(ST_NO_MEMORY);
    r->request = *request;
    r->fill = fill;
    r->is_blocking = is_blocking;
    r->refs = 1;
    struct status s = block_take(c, request->size, fill, &r->block);
    if (failed(s)) {
        alloc_free(c->env->alloc, r, sizeof *r);
        return s;
    }
    s = take_raw(c, r);
    if (failed(s)) {
        block_give(c, &r->block);
        alloc_free(c->env->alloc, r, sizeof *r);
        return s;
    }
    if (request->hold != NULL)
        request->hold(request->context);
    *out_read = r;
    return status_ok();
}

static void drop_context(struct read *r)
{
    if (r->request.drop != NULL)
        r->request.drop(r->request.context);
    r->request.drop = NULL;
}

void read_destroy(struct cache *c, struct read *r)
{
    CHECK(r->refs == 0);
    drop_context(r);
    give_raw(c, r);
    block_give(c, &r->block);
    alloc_free(c->env->alloc, r, sizeof *r);
}

static bool is_for(const struct read *r, const struct fetch_request *request)
{
    return r->request.file_id == request->file_id && r->request.offset == request->offset;
}

static struct read **bucket_of(struct reads *r, const struct fetch_request *request)
{
    return &r->buckets[hash_u64(request->file_id ^ hash_u64(request->offset)) % READ_BUCKETS];
}

struct read **reads_place(struct reads *r, const struct fetch_request *request, bool is_blocking)
{
    struct read **place = bucket_of(r, request);

    while (*place != NULL && !(is_for(*place, request) && (*place)->is_blocking == is_blocking))
        place = &(*place)->next;
    return place;
}

void reads_list(struct reads *r, struct read *read)
{
    struct read **place = reads_place(r, &read->request, read->is_blocking);

    CHECK(*place == NULL);
    *place = read;
}

void reads_unlist(struct reads *r, struct read *read)
{
    struct read **place = reads_place(r, &read->request, read->is_blocking);

    CHECK(*place == read);
    *place = read->next;
    read->next = NULL;
}

void read_range(const struct read *r, uint8_t **out_data, size_t *out_size, uint64_t *out_offset)
{
    bool is_raw = r->raw != NULL;

    *out_data = is_raw ? r->raw : r->block.data;
    *out_size = is_raw ? r->raw_size : r->request.size;
    *out_offset = is_raw ? align_down(r->request.offset, IO_ALIGN) : r->request.offset;
}

static struct status accept_bytes(struct read *r, size_t done)
{
    const struct fetch_request *q = &r->request;
    size_t skip = r->raw != NULL ? q->offset % IO_ALIGN : 0;

    if (done < skip + q->size) {
        errbuf_set(&r->err, "file %llu ends within the block at %llu",
                   (unsigned long long)q->file_id, (unsigned long long)q->offset);
        return status_of(ST_CORRUPT);
    }
    if (r->raw != NULL)
        memcpy(r->block.data, r->raw + skip, q->size);
    return q->verify(q->context, q, bytes_of(r->block.data, q->size), r->block.header, &r->err);
}

void read_finish(struct cache *c, struct read *r, struct status s, size_t done)
{
    const struct fetch_request *q = &r->request;

    if (failed(s))
        errbuf_set(&r->err, "file %llu at %llu: read failed", (unsigned long long)q->file_id,
                   (unsigned long long)q->offset);
    else
        s = accept_bytes(r, done);
    if (succeeded(s) && r->block.loose == NULL)
        cache_insert(c, r->block.slot,
                     (struct cache_key) { .file = q->file_id, .offset = q->offset }, q->kind,
                     r->fill);
    r->status = s;
    give_raw(c, r);
    drop_context(r);
}
