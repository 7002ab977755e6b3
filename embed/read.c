#include "embed/internal.h"

#include "base/check.h"

enum {
    BATCH_BYTES_KEPT = 1 << 20, /* Of a slot's batch, for the next that takes the slot. */
};

/* ---- Slots -------------------------------------------------------------------------------- */

static struct status make_ready(struct varve *v, struct embed_slot *slot, uint32_t hint)
{
    const struct io_ring_options options = { .entries = 64 };
    if (slot->is_ready)
        return status_ok();
    TRY(io_ring_create(v->io, &options, &slot->ring));
    lsm_reader_init(&slot->reader, v->lsm, slot->ring, hint);
    slot->pipeline = &v->commit.pipeline;
    txn_proposal_init(slot->pipeline, &slot->proposal);
    slot->is_ready = true;
    return status_ok();
}

static bool try_take(struct embed_slot *slot)
{
    return !atomic_load_explicit(&slot->is_taken, memory_order_relaxed) &&
           !atomic_exchange_explicit(&slot->is_taken, true, memory_order_acquire);
}

/* All fixed slots are taken (by pinned values): one from the list, or a new one for it. */
static struct status take_more(struct varve *v, struct embed_slot **out_slot)
{
    struct status s = status_ok();
    struct embed_slot *slot;

    mutex_lock(&v->lock);
    for (slot = v->more_slots; slot != NULL && !try_take(slot); slot = slot->next)
        ;
    if (slot == NULL) {
        slot = alloc_aligned(v->env.alloc, 64, sizeof *slot);
        if (slot == NULL) {
            s = status_of(ST_NO_MEMORY);
        } else {
            memset(slot, 0, sizeof *slot);
            atomic_init(&slot->is_taken, true);
            slot->is_extra = true;
            slot->next = v->more_slots;
            v->more_slots = slot;
        }
    }
    mutex_unlock(&v->lock);
    *out_slot = slot;
    return s;
}

struct status embed_slot_take(struct varve *v, struct embed_slot **out_slot)
{
    uint32_t hint = thread_hint();
    struct embed_slot *slot = NULL;

    for (uint32_t i = 0; i < EMBED_SLOTS && slot == NULL; i++) {
        struct embed_slot *candidate = &v->slots[(hint + i) % EMBED_SLOTS];
        if (try_take(candidate))
            slot = candidate;
    }
    if (slot == NULL)
        TRY(take_more(v, &slot));
    struct status s = make_ready(v, slot, hint);
    if (failed(s))
        atomic_store_explicit(&slot->is_taken, false, memory_order_release);
    else
        *out_slot = slot;
    return s;
}

/* One large value must not make a slot large for good. */
static void shrink(struct embed_slot *slot)
{
    const struct lsm_batch *b = &slot->proposal.batch;

    if (b->body.capacity + b->values.capacity <= BATCH_BYTES_KEPT)
        return;
    txn_proposal_deinit(slot->pipeline, &slot->proposal);
    txn_proposal_init(slot->pipeline, &slot->proposal);
}

void embed_slot_give(struct embed_slot *slot)
{
    lsm_reader_reset(&slot->reader);
    shrink(slot);
    atomic_store_explicit(&slot->is_taken, false, memory_order_release);
}

static void slot_deinit(struct embed_slot *slot)
{
    if (!slot->is_ready)
        return;
    lsm_reader_deinit(&slot->reader);
    txn_proposal_deinit(slot->pipeline, &slot->proposal);
    io_ring_destroy(slot->ring);
    slot->is_ready = false;
}

void embed_slots_deinit(struct varve *v)
{
    for (int i = 0; i < EMBED_SLOTS; i++)
        slot_deinit(&v->slots[i]);
    while (v->more_slots != NULL) {
        struct embed_slot *next = v->more_slots->next;
        slot_deinit(v->more_slots);
        alloc_free(v->env.alloc, v->more_slots, sizeof *v->more_slots);
        v->more_slots = next;
    }
}

/* ---- Get ---------------------------------------------------------------------------------- */

static const struct varve_read_options no_read_options = { .snapshot = NULL, .keyspace = 0 };

static uint64_t version_of(const struct varve_read_options *o)
{
    return o->snapshot == NULL ? UINT64_MAX : lsm_snapshot_version(o->snapshot->snapshot);
}

static struct status find(struct embed_slot *slot, const struct varve_read_options *o,
                          const void *key, size_t size, struct lsm_value *out)
{
    return lsm_get(&slot->reader, o->keyspace, bytes_of(key, size), version_of(o), 0, out);
}

static enum varve_code read_error(struct varve_error *error, const struct embed_slot *slot,
                                  struct status s)
{
    if (s.code == ST_NOT_FOUND) {
        embed_not_found(error);
        return VARVE_NOT_FOUND;
    }
    return embed_error(error, s, "get", slot->reader.fetch.err.text);
}

/*
 * A pinned value holds its slot: the block in the cache is pinned by the slot's fetch. An epoch
 * must not be held that long, so what lies in a memtable is copied; so is a value when all fixed
 * slots are taken, as a slot has a ring, and a process so many files.
 */
struct copy {
    size_t size;
    uint8_t data[];
};

enum hold_kind { HOLD_SLOT = 0, HOLD_COPY = 1 };

static void *tag_hold(void *p, enum hold_kind kind)
{
    return (void *)((uintptr_t)p | kind);
}

static struct status pin_copy(struct varve *v, struct bytes value, struct varve_pinned *out)
{
    struct copy *c = alloc_bytes(v->env.alloc, sizeof *c + value.size);
    if (c == NULL)
        return status_of(ST_NO_MEMORY);
    c->size = value.size;
    if (value.size > 0)
        memcpy(c->data, value.data, value.size);
    *out = (struct varve_pinned) { .data = c->data,
                                   .size = value.size,
                                   .hold = tag_hold(c, HOLD_COPY) };
    atomic_fetch_add_explicit(&v->held, 1, memory_order_relaxed);
    return status_ok();
}

enum varve_code varve_get(struct varve *store, const struct varve_read_options *options,
                          const void *key, size_t key_size, struct varve_pinned *out_value,
                          struct varve_error *error)
{
    const struct varve_read_options *o = options == NULL ? &no_read_options : options;
    struct embed_slot *slot;
    struct lsm_value value;
    enum varve_code code = embed_check(store, error);

    if (code == VARVE_OK)
        code = embed_check_key(key, key_size, error);
    if (code != VARVE_OK)
        return code;
    if (out_value == NULL)
        return embed_invalid(error, "out_value is NULL");
    code = embed_check_snapshot(store, o->snapshot, error);
    if (code == VARVE_OK)
        code = embed_check_keyspace(store, o->keyspace, o->snapshot, error);
    if (code != VARVE_OK)
        return code;
    struct status s = embed_slot_take(store, &slot);
    if (failed(s))
        return embed_error(error, s, "get", NULL);
    s = find(slot, o, key, key_size, &value);
    if (succeeded(s) && (value.is_in_memtable || slot->is_extra)) {
        s = pin_copy(store, value.value, out_value);
        code = embed_error(error, s, "get", NULL);
    } else if (succeeded(s)) {
        lsm_reader_leave(&slot->reader);
        *out_value = (struct varve_pinned) { .data = value.value.data,
                                             .size = value.value.size,
                                             .hold = tag_hold(slot, HOLD_SLOT) };
        atomic_fetch_add_explicit(&store->held, 1, memory_order_relaxed);
        return VARVE_OK;
    } else {
        code = read_error(error, slot, s);
    }
    embed_slot_give(slot);
    return code;
}

void varve_unpin(struct varve *store, struct varve_pinned *value)
{
    if (store == NULL || value == NULL || value->hold == NULL)
        return;
    uintptr_t hold = (uintptr_t)value->hold;
    if ((hold & HOLD_COPY) != 0) {
        struct copy *c = (struct copy *)(hold & ~(uintptr_t)HOLD_COPY);
        alloc_free(store->env.alloc, c, sizeof *c + c->size);
    } else {
        embed_slot_give((struct embed_slot *)hold);
    }
    atomic_fetch_sub_explicit(&store->held, 1, memory_order_release);
    *value = (struct varve_pinned) { .data = NULL, .size = 0, .hold = NULL };
}

enum varve_code varve_get_copy(struct varve *store, const struct varve_read_options *options,
                               const void *key, size_t key_size, void *buffer, size_t room,
                               size_t *out_size, struct varve_error *error)
{
    const struct varve_read_options *o = options == NULL ? &no_read_options : options;
    struct embed_slot *slot;
    struct lsm_value value;
    enum varve_code code = embed_check(store, error);

    if (code == VARVE_OK)
        code = embed_check_key(key, key_size, error);
    if (code != VARVE_OK)
        return code;
    if (out_size == NULL || (buffer == NULL && room > 0))
        return embed_invalid(error, "out_size or buffer is NULL");
    code = embed_check_snapshot(store, o->snapshot, error);
    if (code == VARVE_OK)
        code = embed_check_keyspace(store, o->keyspace, o->snapshot, error);
    if (code != VARVE_OK)
        return code;
    struct status s = embed_slot_take(store, &slot);
    if (failed(s))
        return embed_error(error, s, "get", NULL);
    s = find(slot, o, key, key_size, &value);
    if (succeeded(s)) {
        size_t copied = value.value.size < room ? value.value.size : room;
        if (copied > 0)
            memcpy(buffer, value.value.data, copied);
        *out_size = value.value.size;
    }
    code = read_error(error, slot, s);
    embed_slot_give(slot);
    return code;
}

/* ---- Many --------------------------------------------------------------------------------- */

enum { MULTI_CHUNK = 64 };

/* Values of one call share a slot's reads, but each is unpinned on its own: they are copied. */
static enum varve_code multi_get_chunk(struct varve *v, struct embed_slot *slot,
                                       const struct varve_read_options *o, uint64_t at,
                                       const struct varve_slice *keys, size_t count,
                                       struct varve_pinned *out_values, enum varve_code *out_codes,
                                       struct varve_error *error)
{
    struct bytes wanted[MULTI_CHUNK];
    struct status statuses[MULTI_CHUNK];
    struct lsm_value values[MULTI_CHUNK];

    for (size_t i = 0; i < count; i++)
        wanted[i] = bytes_of(keys[i].data, keys[i].size);
    const struct lsm_multi_get m = {
        .keys = wanted, .count = count, .keyspace = o->keyspace, .at = at
    };
    struct status s = lsm_multi_get(&slot->reader, &m, statuses, values);
    if (failed(s))
        return read_error(error, slot, s);
    for (size_t i = 0; i < count; i++) {
        if (succeeded(statuses[i]))
            statuses[i] = pin_copy(v, values[i].value, &out_values[i]);
        out_codes[i] = VARVE_NOT_FOUND;
        if (statuses[i].code != ST_NOT_FOUND)
            out_codes[i] =
                embed_error(error, statuses[i], "multi_get", slot->reader.fetch.err.text);
    }
    lsm_reader_reset(&slot->reader);
    return VARVE_OK;
}

enum varve_code varve_multi_get(struct varve *store, const struct varve_read_options *options,
                                const struct varve_slice *keys, size_t count,
                                struct varve_pinned *out_values, enum varve_code *out_codes,
                                struct varve_error *error)
{
    const struct varve_read_options *o = options == NULL ? &no_read_options : options;
    struct lsm_snapshot *snapshot = NULL;
    struct embed_slot *slot;
    enum varve_code code = embed_check(store, error);

    if (code == VARVE_OK && count > 0 && (keys == NULL || out_values == NULL || out_codes == NULL))
        code = embed_invalid(error, "an array is NULL");
    for (size_t i = 0; i < count && code == VARVE_OK; i++)
        code = embed_check_key(keys[i].data, keys[i].size, error);
    if (code == VARVE_OK)
        code = embed_check_snapshot(store, o->snapshot, error);
    if (code == VARVE_OK)
        code = embed_check_keyspace(store, o->keyspace, o->snapshot, error);
    if (code != VARVE_OK || count == 0)
        return code;
    struct status s = embed_slot_take(store, &slot);
    if (failed(s))
        return embed_error(error, s, "multi_get", NULL);
    /* One state for all chunks. */
    uint64_t at = version_of(o);
    if (at == UINT64_MAX && count > MULTI_CHUNK) {
        s = lsm_snapshot_take(store->lsm, &snapshot);
        at = succeeded(s) ? lsm_snapshot_version(snapshot) : at;
    }
    memset(out_values, 0, count * sizeof *out_values);
    code = embed_error(error, s, "multi_get", NULL);
    for (size_t i = 0; i < count && code == VARVE_OK; i += MULTI_CHUNK) {
        size_t n = count - i < MULTI_CHUNK ? count - i : MULTI_CHUNK;
        code =
            multi_get_chunk(store, slot, o, at, keys + i, n, out_values + i, out_codes + i, error);
    }
    for (size_t i = 0; i < count && code != VARVE_OK; i++)
        varve_unpin(store, &out_values[i]);
    lsm_snapshot_release(store->lsm, snapshot);
    embed_slot_give(slot);
    return code;
}

/* ---- Snapshots ---------------------------------------------------------------------------- */

enum varve_code varve_snapshot_take(struct varve *store, struct varve_snapshot **out_snapshot,
                                    struct varve_error *error)
{
    enum varve_code code = embed_check(store, error);
    if (code != VARVE_OK)
        return code;
    if (out_snapshot == NULL)
        return embed_invalid(error, "out_snapshot is NULL");
    struct varve_snapshot *s = alloc_zeroed(store->env.alloc, sizeof *s);
    if (s == NULL)
        return embed_error(error, status_of(ST_NO_MEMORY), "snapshot", NULL);
    s->store = store;
    struct status st = lsm_snapshot_take(store->lsm, &s->snapshot);
    if (failed(st)) {
        alloc_free(store->env.alloc, s, sizeof *s);
        return embed_error(error, st, "snapshot", NULL);
    }
    atomic_fetch_add_explicit(&store->held, 1, memory_order_relaxed);
    *out_snapshot = s;
    return VARVE_OK;
}

void varve_snapshot_release(struct varve *store, struct varve_snapshot *snapshot)
{
    if (store == NULL || snapshot == NULL)
        return;
    lsm_snapshot_release(store->lsm, snapshot->snapshot);
    alloc_free(store->env.alloc, snapshot, sizeof *snapshot);
    atomic_fetch_sub_explicit(&store->held, 1, memory_order_release);
}
