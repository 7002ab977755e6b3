#include "base/alloc.h"
#include "base/check.h"

#include "vlog/log.h"

/*
 * Staging: entries become records of the open batch, in the active segment's image, at the offsets
 * they will have on disk. Runs on the writer's thread; takes no lock, makes no system call.
 */

size_t vlog_entry_size(const struct vlog_entry *e)
{
    size_t size = VLOG_RECORD_HEADER + vlog_padded(e->body.size);
    for (uint32_t i = 0; i < e->value_count; i++)
        size += vlog_value_size(e->values[i].size);
    return size;
}

/* The segment is too small for what comes next: have it rolled, or say why it cannot be. */
static struct status need_roll(struct vlog *v, uint64_t size, uint32_t value_count)
{
    if (v->roll.has_failed) {
        v->roll.has_failed = false;
        return v->roll.status;
    }
    v->roll.is_wanted = true;
    v->roll.payload = size;
    v->roll.value_count = value_count;
    return status_of(ST_AGAIN);
}

/* Would a batch that ends at end leave room for what must follow? A seal batch always fits, and
 * directory and footer always fit after it. */
static bool fits(const struct vlog *v, uint64_t end, uint64_t ordinals)
{
    return ordinals <= VLOG_ORDINAL_MAX &&
           align_up(end, VLOG_BLOCK) + VLOG_SEAL_ROOM + vlog_end_size((uint32_t)ordinals) <=
               v->active->size;
}

uint64_t vlog_segment_need(uint64_t payload, uint64_t ordinals)
{
    return align_up(VLOG_BLOCK + VLOG_BATCH_HEADER + payload, VLOG_BLOCK) + VLOG_SEAL_ROOM +
           vlog_end_size((uint32_t)ordinals);
}

static void open_batch(struct vlog *v)
{
    struct vlog_open_batch *b = &v->batch;

    b->start = v->next_start;
    b->end = v->next_start + VLOG_BATCH_HEADER;
    b->first_ordinal = v->active->offsets.end;
    b->is_seal = false;
}

/* Room in the open batch for a record of size bytes with value_count values. */
static struct status make_room(struct vlog *v, uint64_t size, uint32_t value_count)
{
    struct vlog_open_batch *b = &v->batch;
    struct vlog_offsets *offsets = &v->active->offsets;
    uint64_t ordinals = (uint64_t)offsets->end + value_count;

    if (v->roll.is_wanted && v->roll.payload > 0)
        return status_of(ST_AGAIN);
    if (b->count == 0)
        open_batch(v);
    if (!fits(v, b->end + size, ordinals))
        return need_roll(v, size, value_count);
    if (b->count > 0 && b->end + size - b->start - VLOG_BATCH_HEADER > v->options.batch_size_max)
        return status_of(ST_AGAIN);
    return value_count > 0 ? vlog_offsets_reserve(offsets, ordinals) : status_ok();
}

/* Header and body. Requires: room. Returns where the values go. */
static uint8_t *put_record(uint8_t *at, const struct vlog_record *r, struct bytes body)
{
    size_t padded = vlog_padded(body.size);

    vlog_record_write(r, at);
    at += VLOG_RECORD_HEADER;
    if (body.size > 0)
        memcpy(at, body.data, body.size);
    memset(at + body.size, 0, padded - body.size);
    return at + padded;
}

/* A record without values. Requires: room. */
static void stage_record(struct vlog *v, const struct vlog_record *r, struct bytes body)
{
    struct vlog_open_batch *b = &v->batch;

    b->end = (uint64_t)(put_record(v->image->data + b->end, r, body) - v->image->data);
    b->count++;
}

void vlog_stage_seal(struct vlog *v)
{
    static const struct vlog_record seal = { .type = VLOG_SEAL };

    CHECK(v->batch.count == 0);
    open_batch(v);
    stage_record(v, &seal, bytes_of(NULL, 0));
    v->batch.is_seal = true;
}

struct status vlog_stage(struct vlog *v, const struct vlog_entry *e, uint64_t *out_lsn)
{
    uint64_t size = vlog_entry_size(e);

    if (vlog_is_failed(v))
        return status_of(ST_FAILED);
    if (size > v->options.batch_size_max || e->value_count > VLOG_ORDINAL_MAX)
        return status_of(ST_LIMIT);
    TRY(make_room(v, size, e->value_count));

    struct vlog_record r = {
        .type = VLOG_ENTRY,
        .group = e->group,
        .term = e->term,
        .index = e->index,
        .body_length = (uint32_t)e->body.size,
        .value_count = e->value_count,
    };
    uint8_t *at = put_record(v->image->data + v->batch.end, &r, e->body);
    struct vlog_offsets *offsets = &v->active->offsets;
    for (uint32_t i = 0; i < e->value_count; i++) {
        uint32_t ordinal = offsets->end;
        uint32_t offset = (uint32_t)(at - v->image->data);
        vlog_value_write(v->active->id, ordinal, e->values[i], at);
        vlog_offsets_add(offsets, ordinal, offset, (uint32_t)e->values[i].size);
        e->out_handles[i] = (struct vlog_handle) {
            .file = v->active->id,
            .ordinal = ordinal,
            .offset = offset,
            .length = (uint32_t)e->values[i].size,
        };
        at += vlog_value_size(e->values[i].size);
    }
    v->batch.end += size;
    v->batch.count++;
    vlog_count(&v->entries, 1);
    atomic_store_explicit(&v->staged_lsn, v->next_lsn, memory_order_relaxed);
    *out_lsn = v->next_lsn;
    return status_ok();
}

/* ---- Hard states ------------------------------------------------------------------------------
 *
 * A few numbers a group, kept here by rising group and logged again at the head of each segment, so
 * that old segments can go without them.
 */

/* Where group is, or would be. */
static size_t hard_state_find(const struct vlog *v, uint32_t group)
{
    size_t low = 0;
    size_t high = v->hard_state_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (v->hard_states[middle].group < group)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct status vlog_hard_state_keep(struct vlog *v, const struct vlog_hard_state *h)
{
    size_t i = hard_state_find(v, h->group);

    if (i < v->hard_state_count && v->hard_states[i].group == h->group) {
        v->hard_states[i] = *h;
        return status_ok();
    }
    if (v->hard_state_count == v->hard_state_capacity) {
        size_t capacity = v->hard_state_capacity == 0 ? 8 : 2 * v->hard_state_capacity;
        struct vlog_hard_state *grown =
            alloc_resize(v->env->alloc, v->hard_states, v->hard_state_capacity * sizeof *grown,
                         capacity * sizeof *grown);
        if (grown == NULL)
            return status_of(ST_NO_MEMORY);
        v->hard_states = grown;
        v->hard_state_capacity = capacity;
    }
    memmove(&v->hard_states[i + 1], &v->hard_states[i],
            (v->hard_state_count - i) * sizeof *v->hard_states);
    v->hard_states[i] = *h;
    v->hard_state_count++;
    atomic_store_explicit(&v->has_hard_states, true, memory_order_relaxed);
    return status_ok();
}

enum { VOTE_SIZE = 8, HARD_STATE_SIZE = VLOG_RECORD_HEADER + VOTE_SIZE };

/* Requires: room. */
static void put_hard_state(struct vlog *v, const struct vlog_hard_state *h)
{
    struct vlog_record r = {
        .type = VLOG_HARD_STATE,
        .group = h->group,
        .term = h->term,
        .index = h->commit,
        .body_length = VOTE_SIZE,
    };
    uint8_t vote[VOTE_SIZE];

    put_u64(vote, h->vote);
    stage_record(v, &r, bytes_of(vote, sizeof vote));
}

struct status vlog_stage_hard_state(struct vlog *v, const struct vlog_hard_state *h)
{
    if (vlog_is_failed(v))
        return status_of(ST_FAILED);
    TRY(make_room(v, HARD_STATE_SIZE, 0));
    TRY(vlog_hard_state_keep(v, h));
    put_hard_state(v, h);
    atomic_store_explicit(&v->staged_lsn, v->next_lsn, memory_order_relaxed);
    return status_ok();
}

bool vlog_hard_state_read(const struct vlog_record *r, struct bytes body,
                          struct vlog_hard_state *out)
{
    if (r->value_count != 0 || body.size != VOTE_SIZE)
        return false;
    *out = (struct vlog_hard_state) {
        .group = r->group,
        .term = r->term,
        .vote = get_u64(body.data),
        .commit = r->index,
    };
    return true;
}

bool vlog_hard_state(const struct vlog *v, uint32_t group, struct vlog_hard_state *out)
{
    size_t i = hard_state_find(v, group);

    if (i == v->hard_state_count || v->hard_states[i].group != group)
        return false;
    *out = v->hard_states[i];
    return true;
}

uint64_t vlog_hard_states_size(const struct vlog *v)
{
    return v->hard_state_count * HARD_STATE_SIZE;
}

void vlog_stage_hard_states(struct vlog *v)
{
    if (v->hard_state_count == 0)
        return;
    open_batch(v);
    for (size_t i = 0; i < v->hard_state_count; i++)
        put_hard_state(v, &v->hard_states[i]);
    CHECK(v->batch.end <= v->active->size);
}
