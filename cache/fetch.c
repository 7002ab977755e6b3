#include "cache/fetch.h"

#include "base/check.h"

#include "cache/fetch_index.h"
#include "cache/internal.h"

#include <limits.h>

static struct cache_key key_of(const struct fetch_request *request)
{
    return (struct cache_key) { .file = request->file_id, .offset = request->offset };
}

static bool look_up(struct fetch *f, const struct fetch_request *request, struct cache_pin *out_pin)
{
    return cache_lookup_hinted(f->options.cache, key_of(request), request->kind, f->options.fill,
                               request->hint, out_pin);
}

/* ---- Pins ---------------------------------------------------------------------------------- */

static struct fetch_block block_of(const struct fetch_pin *p)
{
    return (struct fetch_block) { .data = bytes_of(p->data, p->size), .header = p->header };
}

static void give_pin(struct fetch *f, const struct fetch_pin *p)
{
    struct block_ref b = { .loose = p->loose, .slot = p->slot };
    block_give(f->options.cache, &b);
}

static bool reserve_pin(struct fetch *f)
{
    struct alloc *a = f->options.cache->env->alloc;
    uint32_t capacity = 2 * f->pin_capacity;

    if (f->pin_count < f->pin_capacity)
        return true;
    struct fetch_pin *pins = alloc_bytes(a, capacity * sizeof *pins);
    if (pins == NULL)
        return false;
    memcpy(pins, f->pins, f->pin_count * sizeof *pins);
    if (f->pins != f->inline_pins)
        alloc_free(a, f->pins, f->pin_capacity * sizeof *pins);
    f->pins = pins;
    f->pin_capacity = capacity;
    return true;
}

/* Takes the reference b, also on failure. */
static struct status add_pin(struct fetch *f, const struct fetch_request *request,
                             const struct block_ref *b, struct fetch_block *out_block)
{
    if (b->size != request->size) {
        errbuf_set(&f->err, "file %llu at %llu: a block of %u bytes is asked for, it has %u",
                   (unsigned long long)request->file_id, (unsigned long long)request->offset,
                   request->size, b->size);
        block_give(f->options.cache, b);
        return status_of(ST_CORRUPT);
    }
    if (!reserve_pin(f)) {
        block_give(f->options.cache, b);
        return status_of(ST_NO_MEMORY);
    }
    struct fetch_pin *p = &f->pins[f->pin_count++];
    *p = (struct fetch_pin) { .file_id = request->file_id,
                              .offset = request->offset,
                              .data = b->data,
                              .header = b->header,
                              .loose = b->loose,
                              .slot = b->slot,
                              .size = b->size,
                              .count = 1 };
    fetch_index_note_pin(f, p->file_id, p->offset, f->pin_count - 1);
    *out_block = block_of(p);
    return status_ok();
}

static struct status pin_found(struct fetch *f, const struct fetch_request *request,
                               const struct cache_pin *pin, struct fetch_block *out_block)
{
    struct block_ref b = {
        .slot = pin->slot, .size = pin->size, .data = pin->data, .header = pin->header
    };
    return add_pin(f, request, &b, out_block);
}

/* The last one takes its place. */
static void remove_pin(struct fetch *f, uint32_t i)
{
    struct fetch_pin *p = &f->pins[i];

    give_pin(f, p);
    fetch_index_note_pin(f, p->file_id, p->offset, FETCH_NO_PIN);
    *p = f->pins[--f->pin_count];
    if (i < f->pin_count)
        fetch_index_note_pin(f, p->file_id, p->offset, i);
}

void fetch_release(struct fetch *f, const struct fetch_block *block)
{
    /* Mostly the latest. */
    for (uint32_t i = f->pin_count; i-- > 0;) {
        struct fetch_pin *p = &f->pins[i];
        if (p->header != block->header)
            continue;
        if (--p->count == 0)
            remove_pin(f, i);
        return;
    }
    CHECK(!"a block that is released is pinned");
}

/* ---- Life ---------------------------------------------------------------------------------- */

void fetch_init(struct fetch *f, const struct fetch_options *options)
{
    f->options = *options;
    f->err.text[0] = '\0';
    f->pins = f->inline_pins;
    f->pin_count = 0;
    f->pin_capacity = FETCH_INLINE_PINS;
    f->wants = NULL;
    f->want_count = 0;
    f->index = (struct fetch_index) { .entries = NULL };
    f->has_waited = false;
    f->reads_wanted = 0;
    atomic_init(&f->reads_pending, 0);
    f->owner = NULL;
    f->device_reads = 0;
    f->device_read_bytes = 0;
}

static void unlist_waiter(struct read *r, struct fetch_want *w)
{
    struct fetch_want **place = &r->waiters;

    while (*place != w)
        place = &(*place)->next_waiter;
    *place = w->next_waiter;
    w->is_listed = false;
}

/* The caller's reference to r ends. Requires: mutex held. True: the caller destroys r, after
 * unlocking. */
static bool let_go(struct reads *reads, struct read *r) REQUIRES(reads->mutex)
{
    CHECK(r->refs > 0);
    if (--r->refs > 0)
        return false;
    if (r->state != READ_DONE)
        reads_unlist(reads, r); /* Nobody wants it any more, and nobody has begun it. */
    return true;
}

/* The want ends. */
static void forget(struct fetch *f, struct fetch_want *w)
{
    struct cache *c = f->options.cache;
    struct read *r = w->read;

    *(w->previous != NULL ? &w->previous->next : &f->wants) = w->next;
    if (w->next != NULL)
        w->next->previous = w->previous;
    f->want_count--;
    fetch_index_note_want(f, r->request.file_id, r->request.offset, NULL);
    mutex_lock(&c->reads.mutex);
    if (w->is_listed)
        unlist_waiter(r, w);
    if (r->state != READ_DONE)
        atomic_fetch_sub_explicit(&f->reads_pending, 1, memory_order_relaxed);
    bool is_last = let_go(&c->reads, r);
    mutex_unlock(&c->reads.mutex);
    if (is_last)
        read_destroy(c, r);
    alloc_free(c->env->alloc, w, sizeof *w);
}

void fetch_forget(struct fetch *f, uint64_t file_id)
{
    struct fetch_want *next;

    for (struct fetch_want *w = f->wants; w != NULL; w = next) {
        next = w->next;
        if (w->read->request.file_id == file_id)
            forget(f, w);
    }
}

void fetch_reset(struct fetch *f)
{
    fetch_index_reset(f);
    while (f->wants != NULL)
        forget(f, f->wants);
    for (uint32_t i = 0; i < f->pin_count; i++)
        give_pin(f, &f->pins[i]);
    f->pin_count = 0;
    f->has_waited = false;
    f->reads_wanted = 0;
}

void fetch_deinit(struct fetch *f)
{
    fetch_reset(f);
    if (f->pins != f->inline_pins)
        alloc_free(f->options.cache->env->alloc, f->pins, f->pin_capacity * sizeof *f->pins);
    f->pins = f->inline_pins;
    f->pin_capacity = FETCH_INLINE_PINS;
}

/* ---- Blocking ------------------------------------------------------------------------------ */

static void perform(struct fetch *f, struct read *r)
{
    uint8_t *data;
    size_t size;
    uint64_t offset;
    size_t done = 0;

    read_range(r, &data, &size, &offset);
    struct status s = io_read(f->options.ring, r->request.file, data, size, offset, &done);
    read_finish(f->options.cache, r, s, done);
    f->device_reads++;
    f->device_read_bytes += size;
}

/* Take over what a read that is done brought; the caller's reference to it stays. */
static struct status take_result(struct fetch *f, const struct fetch_request *request,
                                 const struct read *r, struct fetch_block *out_block)
{
    if (failed(r->status)) {
        f->err = r->err;
        return r->status;
    }
    block_share(f->options.cache, &r->block);
    return add_pin(f, request, &r->block, out_block);
}

/* Another thread reads the block: wait for it. Takes the caller's reference. */
static struct status wait_for(struct fetch *f, const struct fetch_request *request, struct read *r,
                              struct fetch_block *out_block)
{
    struct cache *c = f->options.cache;

    /* Acquire: what the reader wrote before it said done. */
    while (atomic_load_explicit(&r->is_done, memory_order_acquire) == 0)
        futex_wait(&r->is_done, 0);
    struct status s = take_result(f, request, r, out_block);
    mutex_lock(&c->reads.mutex);
    bool is_last = let_go(&c->reads, r);
    mutex_unlock(&c->reads.mutex);
    if (is_last)
        read_destroy(c, r);
    return s;
}

static struct status read_and_share(struct fetch *f, const struct fetch_request *request,
                                    struct read *r, struct fetch_block *out_block)
{
    struct cache *c = f->options.cache;

    perform(f, r);
    struct status s = take_result(f, request, r, out_block);
    mutex_lock(&c->reads.mutex);
    reads_unlist(&c->reads, r);
    r->state = READ_DONE;
    /* Release: result and block are seen by who sees it set. Under the mutex, because the last one
     * to let go frees r. */
    atomic_store_explicit(&r->is_done, 1, memory_order_release);
    if (r->refs > 1)
        futex_wake(&r->is_done, INT_MAX);
    bool is_last = let_go(&c->reads, r);
    mutex_unlock(&c->reads.mutex);
    if (is_last)
        read_destroy(c, r);
    return s;
}

/* What a fetch that missed finds when it asks again with the reads locked. */
struct second_look {
    struct read *read; /* Under way; or NULL. */
    struct cache_pin pin;
    bool is_in_cache;
};

static struct second_look look_again(struct cache *c, const struct fetch_request *request,
                                     bool is_blocking) REQUIRES(c->reads.mutex)
{
    struct second_look found = { .read = *reads_place(&c->reads, request, is_blocking) };

    if (found.read == NULL)
        found.is_in_cache =
            cache_lookup(c, key_of(request), request->kind, FETCH_FILL_NONE, &found.pin);
    return found;
}

static struct status get_blocking(struct fetch *f, const struct fetch_request *request,
                                  struct fetch_block *out_block)
{
    struct cache *c = f->options.cache;
    struct read *r;

    TRY(read_create(c, request, f->options.fill, true, &r));
    mutex_lock(&c->reads.mutex);
    struct second_look found = look_again(c, request, true);
    if (found.read != NULL) {
        found.read->refs++;
    } else if (!found.is_in_cache) {
        r->state = READ_UNDERWAY;
        reads_list(&c->reads, r);
    }
    mutex_unlock(&c->reads.mutex);
    if (found.read == NULL && !found.is_in_cache)
        return read_and_share(f, request, r, out_block);
    r->refs = 0;
    read_destroy(c, r);
    if (found.is_in_cache)
        return pin_found(f, request, &found.pin, out_block);
    return wait_for(f, request, found.read, out_block);
}

/* ---- Non-blocking -------------------------------------------------------------------------- */

static void add_want(struct fetch *f, struct fetch_want *w, struct read *r)
{
    *w = (struct fetch_want) {
        .next = f->wants, .next_waiter = r->waiters, .fetch = f, .read = r, .is_listed = true
    };
    if (w->next != NULL)
        w->next->previous = w;
    f->wants = w;
    f->want_count++;
    r->waiters = w;
    f->reads_wanted += r->state == READ_WANTED;
    f->has_waited = true;
    atomic_fetch_add_explicit(&f->reads_pending, 1, memory_order_relaxed);
}

static struct status get_later(struct fetch *f, const struct fetch_request *request,
                               struct fetch_block *out_block)
{
    struct cache *c = f->options.cache;
    struct read *r;
    struct fetch_want *w = alloc_bytes(c->env->alloc, sizeof *w);

    if (w == NULL)
        return status_of(ST_NO_MEMORY);
    struct status s = read_create(c, request, f->options.fill, false, &r);
    if (failed(s)) {
        alloc_free(c->env->alloc, w, sizeof *w);
        return s;
    }
    mutex_lock(&c->reads.mutex);
    struct second_look found = look_again(c, request, false);
    bool is_first = found.read == NULL && !found.is_in_cache;
    if (is_first) {
        reads_list(&c->reads, r);
        add_want(f, w, r);
    } else if (found.read != NULL) {
        found.read->refs++;
        add_want(f, w, found.read);
    }
    mutex_unlock(&c->reads.mutex);
    if (!is_first) {
        r->refs = 0;
        read_destroy(c, r);
    }
    if (!found.is_in_cache) {
        fetch_index_note_want(f, request->file_id, request->offset, w);
        return status_of(ST_AGAIN);
    }
    alloc_free(c->env->alloc, w, sizeof *w);
    return pin_found(f, request, &found.pin, out_block);
}

/*
 * The block of a want whose read is done; the want ends. One that failed stays, so that the
 * operation hears of it wherever it asks, until it ends: what was asked for ahead is asked for
 * again, and would be read, and fail, for ever.
 */
static struct status end_want(struct fetch *f, const struct fetch_request *request,
                              struct fetch_want *w, struct fetch_block *out_block)
{
    struct status s = take_result(f, request, w->read, out_block);

    if (succeeded(s))
        forget(f, w);
    return s;
}

static bool is_done(struct fetch *f, const struct read *r)
{
    struct cache *c = f->options.cache;

    if (fetch_is_ready(f))
        return true;
    mutex_lock(&c->reads.mutex);
    bool done = r->state == READ_DONE;
    mutex_unlock(&c->reads.mutex);
    return done;
}

void fetch_settle(struct fetch *f)
{
    enum { FEW = 64 };
    struct fetch_block block;
    struct fetch_want *next;

    if (f->want_count <= FEW || !fetch_is_ready(f))
        return;
    for (struct fetch_want *w = f->wants; w != NULL; w = next) {
        next = w->next;
        if (failed(w->read->status) || failed(end_want(f, &w->read->request, w, &block)))
            continue;
        f->pins[f->pin_count - 1].count = 0;
    }
}

/* Where the block is pinned, FETCH_NO_PIN if it is not; *out_want is who waits for it, or NULL. */
static uint32_t find_own(const struct fetch *f, const struct fetch_request *request,
                         struct fetch_want **out_want)
{
    *out_want = NULL;
    if (fetch_index_is_built(f)) {
        const struct fetch_index_entry *e = fetch_index_find(f, request->file_id, request->offset);
        *out_want = e == NULL ? NULL : e->want;
        return e == NULL ? FETCH_NO_PIN : e->pin;
    }
    for (uint32_t i = f->pin_count; i-- > 0;) {
        const struct fetch_pin *p = &f->pins[i];
        if (p->file_id == request->file_id && p->offset == request->offset)
            return i;
    }
    for (struct fetch_want *w = f->wants; w != NULL; w = w->next) {
        const struct fetch_request *q = &w->read->request;
        if (q->file_id == request->file_id && q->offset == request->offset) {
            *out_want = w;
            break;
        }
    }
    return FETCH_NO_PIN;
}

/* Is the block pinned or wanted already? Then *out_status and *out_block. */
static bool resume(struct fetch *f, const struct fetch_request *request, struct status *out_status,
                   struct fetch_block *out_block)
{
    struct fetch_want *w;

    if (!fetch_index_is_built(f))
        fetch_index_build(f);
    uint32_t pin = find_own(f, request, &w);
    if (pin != FETCH_NO_PIN && f->pins[pin].size == request->size) {
        f->pins[pin].count++;
        *out_block = block_of(&f->pins[pin]);
        *out_status = status_ok();
        return true;
    }
    if (w == NULL)
        return false;
    *out_status = is_done(f, w->read) ? end_want(f, request, w, out_block) : status_of(ST_AGAIN);
    return true;
}

struct status fetch_get(struct fetch *f, const struct fetch_request *request,
                        struct fetch_block *out_block)
{
    struct cache_pin pin;
    struct status s;

    if (f->has_waited && resume(f, request, &s, out_block))
        return s;
    if (look_up(f, request, &pin))
        return pin_found(f, request, &pin, out_block);
    return f->options.ring != NULL ? get_blocking(f, request, out_block)
                                   : get_later(f, request, out_block);
}

bool fetch_find(struct fetch *f, const struct fetch_request *request, struct fetch_block *out_block)
{
    struct cache_pin pin;

    return look_up(f, request, &pin) && succeeded(pin_found(f, request, &pin, out_block));
}

struct status fetch_get_given(struct fetch *f, const struct fetch_request *request,
                              struct bytes given, struct fetch_block *out_block)
{
    struct cache *c = f->options.cache;
    struct cache_pin pin;
    struct block_ref b;

    CHECK(given.size == request->size);
    if (look_up(f, request, &pin))
        return pin_found(f, request, &pin, out_block);
    TRY(block_take(c, request->size, f->options.fill, &b));
    if (given.size > 0)
        memcpy(b.data, given.data, given.size);
    struct status s =
        request->verify(request->context, request, bytes_of(b.data, b.size), b.header, &f->err);
    if (failed(s)) {
        block_give(c, &b);
        return s;
    }
    if (b.loose == NULL)
        cache_insert(c, b.slot, key_of(request), request->kind, f->options.fill);
    return add_pin(f, request, &b, out_block);
}

/* ---- Drivers ------------------------------------------------------------------------------- */

bool fetch_submit(struct fetch *f, struct io_ring *ring)
{
    struct cache *c = f->options.cache;
    bool is_any = false;

    for (struct fetch_want *w = f->wants; w != NULL; w = w->next) {
        struct read *r = w->read;
        mutex_lock(&c->reads.mutex);
        bool is_mine = r->state == READ_WANTED;
        if (is_mine) {
            r->state = READ_UNDERWAY;
            r->refs++; /* The op's, until it was accounted for. */
        }
        is_any = is_any || r->state == READ_UNDERWAY;
        mutex_unlock(&c->reads.mutex);
        if (!is_mine)
            continue;
        uint8_t *data;
        r->op = (struct io_op) {
            .opcode = IO_OP_READ, .file = r->request.file, .owner = r, .tag = FETCH_OP_TAG
        };
        read_range(r, &data, &r->op.size, &r->op.offset);
        r->op.data = data;
        f->device_reads++;
        f->device_read_bytes += r->op.size;
        io_submit(ring, &r->op);
    }
    f->reads_wanted = 0;
    return is_any;
}

/* The read is over: unlist it, and keep of the waiters those that waited for nothing else. */
static void end_read(struct cache *c, struct read *r) REQUIRES(c->reads.mutex)
{
    struct fetch_want **place = &r->waiters;

    reads_unlist(&c->reads, r);
    r->state = READ_DONE;
    while (*place != NULL) {
        struct fetch_want *w = *place;
        /* Release: the fetch's thread, when it sees 0, sees the blocks. Only under the mutex does
         * it fall, so one read alone finds itself the last. */
        if (atomic_fetch_sub_explicit(&w->fetch->reads_pending, 1, memory_order_acq_rel) == 1) {
            place = &w->next_waiter;
        } else {
            w->is_listed = false;
            *place = w->next_waiter;
        }
    }
}

struct fetch *fetch_complete(struct cache *cache, struct io_op *op)
{
    struct read *r = op->owner;
    struct fetch *ready = NULL;

    CHECK(op->tag == FETCH_OP_TAG);
    /* Without the mutex: once a read is under way, only who completes it changes its state. */
    bool is_new = r->state == READ_UNDERWAY;
    if (is_new)
        read_finish(cache, r, op->status, op->done_size);
    mutex_lock(&cache->reads.mutex);
    if (is_new)
        end_read(cache, r);
    bool is_last = false;
    if (r->waiters != NULL) {
        ready = r->waiters->fetch;
        unlist_waiter(r, r->waiters);
    } else {
        is_last = let_go(&cache->reads, r);
    }
    mutex_unlock(&cache->reads.mutex);
    if (is_last)
        read_destroy(cache, r);
    return ready;
}

bool fetch_is_ready(const struct fetch *f)
{
    /* Acquire: see end_read. */
    return atomic_load_explicit(&f->reads_pending, memory_order_acquire) == 0;
}
