#include "cache/cache.h"

#include "base/budget.h"
#include "base/check.h"

#include "cache/internal.h"

#include <string.h>

enum {
    BUCKET_BYTES = 2048, /* Of the cache to an index bucket: chains stay short from 1 KiB up. */
    SKETCH_LINE_BYTES = 16384, /* ... to a line of the sketch: 16 counters an entry of 2 KiB. */
    ENTRY_SHARE = 8,           /* The largest entry is this part of the cache, */
    ENTRY_MAX = 1 << 30,       /* and this at most. */
    TICK_INSERTS = 64,
    ERASE_BLOCKS = 8, /* Slot blocks walked with the mutex held. */
};

/* ---- Life --------------------------------------------------------------------------------- */

static uint64_t at_least(uint64_t v, uint64_t floor)
{
    return v > floor ? v : floor;
}

/* Charge size bytes for tables; they are not given back before the cache goes. */
static bool charge_table(struct cache *c, size_t size)
{
    if (!memory_charge(&c->memory, size))
        return false;
    c->table_bytes += size;
    return true;
}

static bool create_tables(struct cache *c, const struct cache_options *options)
{
    struct alloc *a = c->env->alloc;
    uint64_t size = options->size_bytes;
    uint64_t buckets = at_least(size / BUCKET_BYTES, 64);
    uint64_t lines = at_least(size / SKETCH_LINE_BYTES, 8);
    uint64_t blocks = size / CHUNK_SIZE_MIN / SLOTS_PER_BLOCK + 2;

    if (buckets > UINT32_MAX || lines > UINT32_MAX || blocks > UINT32_MAX / SLOTS_PER_BLOCK)
        return false;
    if (!memory_init(&c->memory, c->env, size))
        return false;
    c->table_bytes = atomic_load_explicit(&c->memory.held_bytes, memory_order_relaxed);
    if (!index_init(&c->index, a, (uint32_t)buckets, options->seed) ||
        !sketch_init(&c->sketch, a, (uint32_t)lines) || !notes_init(&c->notes, a) ||
        !slot_pool_init(&c->slots, a, (uint32_t)blocks))
        return false;
    return charge_table(c, sizeof *c + index_size(&c->index) + sketch_size(&c->sketch) +
                               notes_size() + blocks * sizeof c->slots.blocks[0]);
}

struct status cache_create(const struct env *env, const struct cache_options *options,
                           struct cache **out_cache)
{
    if (options->size_bytes < CACHE_SIZE_MIN)
        return status_of(ST_INVALID);
    struct cache *c = alloc_aligned(env->alloc, _Alignof(struct cache), sizeof *c);
    if (c == NULL)
        return status_of(ST_NO_MEMORY);
    memset(c, 0, sizeof *c);
    c->env = env;
    uint64_t entry_max = options->size_bytes / ENTRY_SHARE;
    c->entry_max = entry_max < ENTRY_MAX ? (uint32_t)entry_max : ENTRY_MAX;
    mutex_init(&c->mutex, RANK_CACHE);
    reads_init(&c->reads);
    policy_init(&c->policy, options->seed);
    if (!create_tables(c, options)) {
        cache_destroy(c);
        return status_of(ST_NO_MEMORY);
    }
    *out_cache = c;
    return status_ok();
}

static uint32_t slot_count(const struct cache *c)
{
    return c->slots.block_count * SLOTS_PER_BLOCK;
}

void cache_destroy(struct cache *c)
{
    if (c == NULL)
        return;
    struct alloc *a = c->env->alloc;
    for (uint32_t id = 1; id < slot_count(c); id++) {
        uint64_t word = slot_word(slot_at(&c->slots, id));
        CHECK(word_pins(word) == 0);
        if (word_state(word) == SLOT_LIVE)
            memory_give(&c->memory, word_chunk(word));
    }
    slot_pool_deinit(&c->slots);
    notes_deinit(&c->notes, a);
    sketch_deinit(&c->sketch, a);
    index_deinit(&c->index, a);
    if (c->memory.env != NULL)
        memory_deinit(&c->memory);
    reads_deinit(&c->reads);
    mutex_deinit(&c->mutex);
    alloc_free(a, c, sizeof *c);
}

size_t cache_entry_max(const struct cache *c)
{
    return c->entry_max;
}

/* ---- Looking up --------------------------------------------------------------------------- */

static struct cache_pin pin_of(const struct cache *c, uint32_t id, uint64_t word)
{
    struct slot *s = slot_at(&c->slots, id);

    return (struct cache_pin) {
        .slot = id,
        .size = s->size,
        .data = memory_data(&c->memory, word_chunk(word)),
        .header = s->header,
    };
}

static void note_lookup(struct cache *c, uint64_t hash, enum note_outcome outcome,
                        enum fetch_kind kind, enum fetch_fill fill)
{
    struct notes_pad *pad = notes_mine(&c->notes);

    notes_count(pad, outcome, kind);
    if (fill != FETCH_FILL_NORMAL || !notes_access(pad, &c->sketch, hash))
        return;
    /* Housekeeping is done by whoever fills a ring, or by the next one. */
    if (mutex_try_lock(&c->mutex)) {
        policy_tick(c);
        mutex_unlock(&c->mutex);
    }
}

void cache_prefetch(struct cache *c, uint32_t hint, unsigned step, size_t at)
{
    if (hint == 0)
        return;
    struct slot *s = slot_at(&c->slots, hint);
    if (step == 0)
        __builtin_prefetch(s, 1);
    else
        /* Whose bytes it has now matters little. */
        memory_prefetch(&c->memory, word_chunk(slot_word(s)), at);
}

/* How a lookup changes the word of the slot it finds. */
struct mark {
    uint64_t set;
    uint64_t clear;
};

static struct mark mark_of(enum fetch_fill fill)
{
    static const struct mark MARKS[] = {
        [FETCH_FILL_NORMAL] = { .set = SLOT_TOUCHED, .clear = SLOT_SCAN },
        [FETCH_FILL_SCAN] = { .set = SLOT_TOUCHED },
        [FETCH_FILL_NONE] = { .set = 0 },
    };
    return MARKS[fill];
}

/* Pin slot id if it has this name; 0 otherwise. */
static uint32_t pin_named(struct cache *c, uint32_t id, struct cache_key key, struct mark m,
                          uint64_t *out_word)
{
    struct slot *s = slot_at(&c->slots, id);

    if (!slot_is_named(s, key) || !slot_try_pin(s, m.set, m.clear, out_word))
        return 0;
    if (slot_is_named(s, key))
        return id;
    cache_unpin(c, id);
    return 0;
}

static uint32_t pin_indexed(struct cache *c, struct cache_key key, uint64_t hash, struct mark m,
                            uint64_t *out_word)
{
    uint32_t id = index_pin(&c->index, &c->slots, key, hash, m.set, m.clear, out_word);

    while (id != 0 && !slot_is_named(slot_at(&c->slots, id), key)) {
        cache_unpin(c, id);
        id = index_pin(&c->index, &c->slots, key, hash, m.set, m.clear, out_word);
    }
    return id;
}

bool cache_lookup_hinted(struct cache *c, struct cache_key key, enum fetch_kind kind,
                         enum fetch_fill fill, _Atomic uint32_t *hint, struct cache_pin *out_pin)
{
    struct mark m = mark_of(fill);
    uint64_t hash = index_hash(&c->index, key);
    uint64_t word = 0;
    uint32_t id = 0;

    if (hint != NULL) {
        /* Acquire: the slot's block of slots is there when its number is. */
        uint32_t hinted = atomic_load_explicit(hint, memory_order_acquire);
        id = hinted == 0 ? 0 : pin_named(c, hinted, key, m, &word);
    }
    if (id == 0) {
        id = pin_indexed(c, key, hash, m, &word);
        if (id != 0 && hint != NULL)
            /* Release: see above. */
            atomic_store_explicit(hint, id, memory_order_release);
    }
    if (fill != FETCH_FILL_NONE) {
        enum note_outcome outcome = id == 0 ? NOTE_MISS : policy_outcome(&c->policy, word);
        note_lookup(c, hash, outcome, kind, fill);
    }
    if (id == 0)
        return false;
    *out_pin = pin_of(c, id, word);
    return true;
}

bool cache_lookup(struct cache *c, struct cache_key key, enum fetch_kind kind, enum fetch_fill fill,
                  struct cache_pin *out_pin)
{
    return cache_lookup_hinted(c, key, kind, fill, NULL, out_pin);
}

/* ---- Making room -------------------------------------------------------------------------- */

/* Give an unlisted or killed slot's bytes and the slot back. */
static void release(struct cache *c, uint32_t id, uint32_t chunk)
{
    memory_give(&c->memory, chunk);
    slot_give(&c->slots, id);
}

bool cache_evict_slot(struct cache *c, uint32_t id)
{
    struct slot *s = slot_at(&c->slots, id);
    uint64_t word = slot_word(s);

    if (!slot_try_kill(s))
        return false;
    index_remove(&c->index, &c->slots, id);
    policy_remove(c, id, word_segment(word));
    release(c, id, word_chunk(word));
    c->policy.evictions++;
    return true;
}

static bool is_pinned(void *context, uint32_t owner)
{
    const struct cache *c = context;
    uint64_t word = slot_word(slot_at(&c->slots, owner));

    return word_pins(word) > 0 || word_state(word) != SLOT_LIVE;
}

/* Copy an unpinned entry to another chunk of its size. False if it has been pinned meanwhile. */
static bool move_entry(struct cache *c, uint32_t id, uint32_t chunk)
{
    struct slot *s = slot_at(&c->slots, id);
    uint32_t to;

    if (!memory_take(&c->memory, s->size, id, &to))
        return false;
    /* Readers may read the old bytes beside this; nobody writes them. */
    memcpy(memory_data(&c->memory, to), memory_data(&c->memory, chunk), s->size);
    bool is_moved = slot_try_move(s, to);
    memory_give(&c->memory, is_moved ? chunk : to);
    c->moves += is_moved;
    return is_moved;
}

/* Free a whole slab by moving its entries into the free chunks of others. False if no size has so
 * many of them. */
static bool empty_slab(struct cache *c)
{
    uint32_t slab = memory_sparsest(&c->memory, is_pinned, c);
    uint32_t cursor = 0;
    uint32_t chunk;
    uint32_t owner;

    if (slab == MEMORY_NONE)
        return false;
    memory_close_slab(&c->memory, slab);
    bool is_moved = true;
    while (is_moved && memory_next_owner(&c->memory, slab, &cursor, &chunk, &owner))
        is_moved = move_entry(c, owner, chunk);
    memory_reopen_slab(&c->memory, slab);
    return is_moved;
}

/* One step towards room: for a chunk, or for bytes outside of slabs. False if all is pinned. */
static bool make_room(struct cache *c, bool needs_bytes)
{
    if (needs_bytes && memory_drop_spare(&c->memory))
        return true;
    return empty_slab(c) || policy_evict(c);
}

/* A slot. More of them are made while there is memory, so that entries that have become smaller
 * can become more. */
static uint32_t take_slot(struct cache *c)
{
    for (;;) {
        uint32_t id = slot_take(&c->slots);
        if (id != 0)
            return id;
        if (charge_table(c, sizeof(struct slot_block))) {
            if (slot_pool_grow(&c->slots))
                continue;
            memory_refund(&c->memory, sizeof(struct slot_block));
            c->table_bytes -= sizeof(struct slot_block);
        }
        if (!make_room(c, true))
            return 0;
    }
}

/* ---- Entries ------------------------------------------------------------------------------ */

/* Under the mutex. False if all there is is pinned. */
static bool reserve(struct cache *c, uint32_t size, struct cache_pin *out_pin)
{
    uint32_t id = take_slot(c);
    uint32_t chunk;

    if (id == 0)
        return false;
    while (!memory_take(&c->memory, size, id, &chunk))
        if (!make_room(c, size > c->memory.chunk_size_max)) {
            slot_give(&c->slots, id);
            return false;
        }
    struct slot *s = slot_at(&c->slots, id);
    uint32_t bytes = (uint32_t)memory_chunk_size(&c->memory, chunk);
    slot_node_at(&c->slots, id)->bytes = bytes;
    c->unlisted_bytes += bytes;
    slot_open(s, chunk, size);
    *out_pin = pin_of(c, id, slot_word(s));
    return true;
}

struct status cache_reserve(struct cache *c, size_t size, struct cache_pin *out_pin)
{
    CHECK(size > 0);
    if (size > c->entry_max)
        return status_of(ST_LIMIT);
    mutex_lock(&c->mutex);
    bool is_reserved = reserve(c, (uint32_t)size, out_pin);
    c->failed_reserves += !is_reserved;
    mutex_unlock(&c->mutex);
    return is_reserved ? status_ok() : status_of(ST_NO_MEMORY);
}

void cache_insert(struct cache *c, uint32_t slot, struct cache_key key, enum fetch_kind kind,
                  enum fetch_fill fill)
{
    uint64_t hash = index_hash(&c->index, key);
    enum segment segment = policy_entrance(kind, fill);

    if (fill == FETCH_FILL_NONE)
        return;
    mutex_lock(&c->mutex);
    if (!index_has(&c->index, &c->slots, key, hash)) {
        slot_publish(slot_at(&c->slots, slot), key, kind, fill == FETCH_FILL_SCAN ? SLOT_SCAN : 0);
        index_add(&c->index, &c->slots, slot, hash);
        c->unlisted_bytes -= slot_node_at(&c->slots, slot)->bytes;
        policy_insert(c, slot, segment);
        if (++c->inserts % TICK_INSERTS == 0)
            policy_tick(c);
    }
    mutex_unlock(&c->mutex);
}

void cache_pin_again(struct cache *c, uint32_t slot)
{
    uint64_t before =
        atomic_fetch_add_explicit(&slot_at(&c->slots, slot)->word, 1, memory_order_relaxed);

    CHECK(word_pins(before) > 0 && word_pins(before) < SLOT_PINS_MAX);
}

void cache_unpin(struct cache *c, uint32_t slot)
{
    struct slot *s = slot_at(&c->slots, slot);

    if (!slot_unpin(s))
        return;
    mutex_lock(&c->mutex);
    uint32_t chunk = word_chunk(slot_word(s));
    slot_close(s);
    c->unlisted_bytes -= slot_node_at(&c->slots, slot)->bytes;
    release(c, slot, chunk);
    mutex_unlock(&c->mutex);
}

/* ---- Erasing ------------------------------------------------------------------------------ */

static bool is_among(const uint64_t *files, size_t count, uint64_t file)
{
    size_t low = 0;

    while (count > 0) {
        size_t half = count / 2;
        if (files[low + half] < file) {
            low += half + 1;
            count -= half + 1;
        } else if (files[low + half] > file) {
            count = half;
        } else {
            return true;
        }
    }
    return false;
}

static void erase(struct cache *c, uint32_t id)
{
    struct slot *s = slot_at(&c->slots, id);
    uint64_t word = slot_word(s);
    bool is_unpinned = slot_erase(s) == SLOT_FREE;

    index_remove(&c->index, &c->slots, id);
    policy_remove(c, id, word_segment(word));
    if (is_unpinned)
        release(c, id, word_chunk(word));
    else
        c->unlisted_bytes += slot_node_at(&c->slots, id)->bytes; /* The last unpin waits for us. */
    c->erasures++;
}

void cache_erase_files(struct cache *c, const uint64_t *files, size_t count)
{
    uint32_t id = 1;

    for (size_t i = 1; i < count; i++)
        CHECK(files[i - 1] < files[i]);
    for (;;) {
        mutex_lock(&c->mutex);
        uint32_t end = slot_count(c);
        bool is_last = end <= id + ERASE_BLOCKS * SLOTS_PER_BLOCK; /* end is 0 at first. */
        if (!is_last)
            end = id + ERASE_BLOCKS * SLOTS_PER_BLOCK;
        for (; id < end; id++) {
            struct slot *s = slot_at(&c->slots, id);
            if (word_state(slot_word(s)) == SLOT_LIVE && is_among(files, count, slot_key(s).file))
                erase(c, id);
        }
        mutex_unlock(&c->mutex);
        if (is_last)
            return;
    }
}

/* ---- Numbers ------------------------------------------------------------------------------ */

void cache_stats(struct cache *c, struct cache_stats *out)
{
    struct notes_sum sum;

    mutex_lock(&c->mutex);
    const struct policy *p = &c->policy;
    *out = (struct cache_stats) {
        .size_bytes = c->memory.max_bytes,
        .held_bytes = atomic_load_explicit(&c->memory.held_bytes, memory_order_relaxed),
        .table_bytes = c->table_bytes,
        .idle_bytes = c->memory.idle_bytes,
        .entry_count = policy_count(p),
        .unlisted_bytes = c->unlisted_bytes,
        .window_bytes = p->lists[SEGMENT_WINDOW].bytes,
        .probation_bytes = p->lists[SEGMENT_PROBATION].bytes,
        .protected_bytes = p->lists[SEGMENT_PROTECTED].bytes,
        .window_share = p->window_share,
        .inserts = c->inserts,
        .evictions = p->evictions,
        .refusals = p->refusals,
        .admissions = p->admissions,
        .erasures = c->erasures,
        .moves = c->moves,
        .failed_reserves = c->failed_reserves,
    };
    mutex_unlock(&c->mutex);
    notes_sum(&c->notes, &sum);
    for (int k = 0; k < FETCH_KINDS; k++) {
        out->hits[k] = sum.counts[NOTE_HIT][k] + sum.counts[NOTE_HIT_WINDOW_EDGE][k] +
                       sum.counts[NOTE_HIT_MAIN_EDGE][k];
        out->misses[k] = sum.counts[NOTE_MISS][k];
    }
}

void cache_check(struct cache *c)
{
    uint64_t unlisted = 0;
    uint32_t live = 0;

    mutex_lock(&c->mutex);
    memory_check(&c->memory);
    policy_check(c);
    for (uint32_t id = 1; id < slot_count(c); id++) {
        const struct slot *s = slot_at(&c->slots, id);
        struct cache_key key = slot_key(s);
        switch (word_state(slot_word(s))) {
        case SLOT_LIVE:
            CHECK(index_has(&c->index, &c->slots, key, index_hash(&c->index, key)));
            live++;
            break;
        case SLOT_LOOSE:
            unlisted += slot_node_at(&c->slots, id)->bytes;
            break;
        case SLOT_FREE:
            break;
        }
    }
    CHECK(live == policy_count(&c->policy));
    CHECK(unlisted == c->unlisted_bytes);
    mutex_unlock(&c->mutex);
}
