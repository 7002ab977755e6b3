#include "cache/fetch_index.h"

#include "base/hash.h"

#include "cache/internal.h"

enum { CAPACITY_MIN = 128 };

static struct alloc *alloc_of(const struct fetch *f)
{
    return f->options.cache->env->alloc;
}

/* The block's entry, or the free one where it belongs. */
static struct fetch_index_entry *place_of(const struct fetch_index *x, uint64_t file_id,
                                          uint64_t offset)
{
    uint32_t mask = x->capacity - 1;
    uint32_t at = (uint32_t)hash_u64(hash_u64(file_id) ^ offset) & mask;

    while (x->entries[at].is_used &&
           (x->entries[at].file_id != file_id || x->entries[at].offset != offset))
        at = (at + 1) & mask;
    return &x->entries[at];
}

/* Room for one entry more. False: there is none, and no index any more until the reset. */
static bool reserve(struct fetch *f, uint32_t wanted)
{
    struct fetch_index *x = &f->index;
    uint32_t capacity = x->capacity == 0 ? CAPACITY_MIN : x->capacity;

    while (wanted > capacity / 4 * 3)
        capacity *= 2;
    if (capacity == x->capacity)
        return true;
    struct fetch_index grown = {
        .entries = alloc_zeroed(alloc_of(f), capacity * sizeof *grown.entries),
        .capacity = capacity,
    };
    if (grown.entries == NULL) {
        fetch_index_reset(f);
        x->is_refused = true;
        return false;
    }
    for (uint32_t i = 0; i < x->capacity; i++) {
        const struct fetch_index_entry *e = &x->entries[i];
        if (!e->is_used || (e->want == NULL && e->pin == FETCH_NO_PIN))
            continue;
        *place_of(&grown, e->file_id, e->offset) = *e;
        grown.count++;
    }
    alloc_free(alloc_of(f), x->entries, x->capacity * sizeof *x->entries);
    *x = grown;
    return true;
}

/* The block's entry, made if it is missing; NULL: no memory for it. */
static struct fetch_index_entry *entry_of(struct fetch *f, uint64_t file_id, uint64_t offset)
{
    if (!reserve(f, f->index.count + 1))
        return NULL;
    struct fetch_index_entry *e = place_of(&f->index, file_id, offset);
    if (!e->is_used) {
        *e = (struct fetch_index_entry) {
            .file_id = file_id, .offset = offset, .pin = FETCH_NO_PIN, .is_used = true
        };
        f->index.count++;
    }
    return e;
}

void fetch_index_build(struct fetch *f)
{
    uint32_t count = f->pin_count + f->want_count;

    if (f->index.is_refused || count <= FETCH_INDEX_FROM || !reserve(f, count + 1))
        return;
    for (uint32_t i = 0; i < f->pin_count; i++)
        fetch_index_note_pin(f, f->pins[i].file_id, f->pins[i].offset, i);
    for (struct fetch_want *w = f->wants; w != NULL; w = w->next)
        fetch_index_note_want(f, w->read->request.file_id, w->read->request.offset, w);
}

struct fetch_index_entry *fetch_index_find(const struct fetch *f, uint64_t file_id, uint64_t offset)
{
    struct fetch_index_entry *e = place_of(&f->index, file_id, offset);
    return e->is_used ? e : NULL;
}

void fetch_index_note_pin(struct fetch *f, uint64_t file_id, uint64_t offset, uint32_t pin)
{
    struct fetch_index_entry *e = fetch_index_is_built(f) ? entry_of(f, file_id, offset) : NULL;

    if (e != NULL)
        e->pin = pin;
}

void fetch_index_note_want(struct fetch *f, uint64_t file_id, uint64_t offset,
                           struct fetch_want *want)
{
    struct fetch_index_entry *e = fetch_index_is_built(f) ? entry_of(f, file_id, offset) : NULL;

    if (e != NULL)
        e->want = want;
}

void fetch_index_reset(struct fetch *f)
{
    alloc_free(alloc_of(f), f->index.entries, f->index.capacity * sizeof *f->index.entries);
    f->index = (struct fetch_index) { .entries = NULL };
}
