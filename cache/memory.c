#include "cache/memory.h"

#include "base/alloc.h"
#include "base/budget.h"
#include "base/bytes.h"
#include "base/check.h"

enum {
    FREE_FLAG = 1u << 31,
    PAGE = 4096,
    SLAB_SIZE_MIN = 16 * 1024,
    SLAB_SIZE_MAX = 2 * 1024 * 1024,
    SPAN_SIZE = 2 * 1024 * 1024,
    SLABS_WANTED = 256, /* Enough that a part-filled slab a size is not much of the whole. */
    SPANS_WANTED =
        32, /* The kernel fills one at once, slabs not yet charged too: that is little. */
    CHUNKS_IN_SLAB_MIN = 8,
};
/* The class of a place that is one large buffer. */
enum { CLASS_LARGE = CHUNK_CLASSES_MAX };

static_assert(SLAB_SIZE_MAX / CHUNK_SIZE_MIN <= 1 << CHUNK_BITS, "a chunk's number fits its bits");

/* ---- Sizes -------------------------------------------------------------------------------- */

/* Class 0 is the least size; then the eighths of each doubling: a size of (8 + j) << shift bytes,
 * j in 1..8, rounded up. */
static uint32_t class_of(size_t size)
{
    if (size <= CHUNK_SIZE_MIN)
        return 0;
    unsigned bit = 63u - (unsigned)__builtin_clzll(size - 1);
    unsigned step = (unsigned)((size - 1) >> (bit - 3)) - CHUNK_STEPS;
    return (bit - 9) * CHUNK_STEPS + step + 1;
}

static uint32_t class_size(uint32_t chunk_class)
{
    if (chunk_class == 0)
        return CHUNK_SIZE_MIN;
    uint32_t shift = (chunk_class - 1) / CHUNK_STEPS + 6;
    return ((chunk_class - 1) % CHUNK_STEPS + CHUNK_STEPS + 1) << shift;
}

/* ---- Life --------------------------------------------------------------------------------- */

bool memory_init(struct memory *m, const struct env *env, uint64_t max_bytes)
{
    size_t slab_size = SLAB_SIZE_MAX;

    while (slab_size > SLAB_SIZE_MIN && slab_size > max_bytes / SLABS_WANTED)
        slab_size /= 2;
    *m = (struct memory) {
        .env = env,
        .max_bytes = max_bytes,
        .slab_size = slab_size,
        .chunk_size_max = slab_size / CHUNKS_IN_SLAB_MIN,
        .vacant = MEMORY_NONE,
        .spare = MEMORY_NONE,
        .hollow = MEMORY_NONE,
    };
    if (slab_size < SPAN_SIZE && max_bytes / SPAN_SIZE >= SPANS_WANTED)
        m->span_max = (uint32_t)(max_bytes / SPAN_SIZE + 1);
    m->class_count = class_of(m->chunk_size_max) + 1;
    for (uint32_t i = 0; i < m->class_count; i++)
        m->classes[i] = (struct memory_class) {
            .chunk_size = class_size(i),
            .with_room = MEMORY_NONE,
        };
    /* Slabs, and large buffers, of which there fit no more than chunks of the greatest size. */
    uint64_t slab_max = m->span_max > 0 ? m->span_max * (uint64_t)(SPAN_SIZE / slab_size)
                                        : max_bytes / slab_size + 1;
    uint64_t place_max = slab_max + (max_bytes / slab_size + 1) * CHUNKS_IN_SLAB_MIN;
    if (place_max > UINT32_MAX >> CHUNK_BITS)
        place_max = UINT32_MAX >> CHUNK_BITS;
    m->place_max = (uint32_t)place_max;
    size_t table_size =
        m->place_max * (sizeof m->places[0] + sizeof m->slabs[0]) + m->span_max * sizeof(uint8_t *);
    if (!memory_charge(m, table_size))
        return false;
    m->places = alloc_array(env->alloc, m->place_max, sizeof m->places[0]);
    m->slabs = alloc_array(env->alloc, m->place_max, sizeof m->slabs[0]);
    if (m->span_max > 0)
        m->spans = alloc_array(env->alloc, m->span_max, sizeof(uint8_t *));
    return m->places != NULL && m->slabs != NULL && (m->spans != NULL || m->span_max == 0);
}

void memory_deinit(struct memory *m)
{
    struct alloc *a = m->env->alloc;

    while (memory_drop_spare(m))
        ;
    for (uint32_t i = 0; i < m->class_count; i++)
        CHECK(m->classes[i].slab_count == 0);
    while (m->span_count > 0)
        alloc_free(a, m->spans[--m->span_count], SPAN_SIZE);
    alloc_free(a, m->spans, m->span_max * sizeof(uint8_t *));
    alloc_free(a, m->places, m->place_max * sizeof m->places[0]);
    alloc_free(a, m->slabs, m->place_max * sizeof m->slabs[0]);
    memory_refund(m, (size_t)atomic_load_explicit(&m->held_bytes, memory_order_relaxed));
}

bool memory_charge(struct memory *m, size_t size)
{
    uint64_t held = atomic_load_explicit(&m->held_bytes, memory_order_relaxed);

    if (size > m->max_bytes - held)
        return false;
    if (failed(budget_charge(m->env->budget, BUDGET_CACHE, size)))
        return false;
    atomic_store_explicit(&m->held_bytes, held + size, memory_order_relaxed);
    return true;
}

void memory_refund(struct memory *m, size_t size)
{
    uint64_t held = atomic_load_explicit(&m->held_bytes, memory_order_relaxed);

    CHECK(held >= size);
    atomic_store_explicit(&m->held_bytes, held - size, memory_order_relaxed);
    budget_refund(m->env->budget, BUDGET_CACHE, size);
}

/* ---- Places ------------------------------------------------------------------------------- */

static uint32_t take_place(struct memory *m)
{
    uint32_t place = m->vacant;

    if (place != MEMORY_NONE)
        m->vacant = m->slabs[place].next;
    else if (m->place_count < m->place_max)
        place = m->place_count++;
    return place;
}

static void set_place(struct memory *m, uint32_t place, uint8_t *data, size_t chunk_size)
{
    atomic_store_explicit(&m->places[place].data, data, memory_order_relaxed);
    atomic_store_explicit(&m->places[place].chunk_size, chunk_size, memory_order_relaxed);
}

static void give_place(struct memory *m, uint32_t place)
{
    m->slabs[place] = (struct memory_slab) { .next = m->vacant };
    set_place(m, place, NULL, 0);
    m->vacant = place;
}

/* A place with size bytes of its own, charged; MEMORY_NONE if there is no room. */
static uint32_t place_create(struct memory *m, size_t size, size_t alignment)
{
    uint32_t place = take_place(m);

    if (place == MEMORY_NONE)
        return MEMORY_NONE;
    if (!memory_charge(m, size))
        goto no_room;
    uint8_t *data = alloc_aligned(m->env->alloc, alignment, size);
    if (data == NULL)
        goto no_memory;
    set_place(m, place, data, size);
    m->slabs[place] = (struct memory_slab) { .chunk_class = CLASS_LARGE };
    return place;
no_memory:
    memory_refund(m, size);
no_room:
    give_place(m, place);
    return MEMORY_NONE;
}

static void place_destroy(struct memory *m, uint32_t place, size_t size)
{
    alloc_free(m->env->alloc, m->places[place].data, size);
    memory_refund(m, size);
    give_place(m, place);
}

/* ---- Slabs -------------------------------------------------------------------------------- */

static void list_with_room(struct memory *m, uint32_t slab)
{
    struct memory_class *k = &m->classes[m->slabs[slab].chunk_class];

    m->slabs[slab].prev = MEMORY_NONE;
    m->slabs[slab].next = k->with_room;
    if (k->with_room != MEMORY_NONE)
        m->slabs[k->with_room].prev = slab;
    k->with_room = slab;
}

static void unlist(struct memory *m, uint32_t slab)
{
    struct memory_slab *s = &m->slabs[slab];

    if (s->prev == MEMORY_NONE)
        m->classes[s->chunk_class].with_room = s->next;
    else
        m->slabs[s->prev].next = s->next;
    if (s->next != MEMORY_NONE)
        m->slabs[s->next].prev = s->prev;
}

static void give_hollow(struct memory *m, uint32_t slab)
{
    m->slabs[slab] = (struct memory_slab) { .next = m->hollow };
    m->hollow = slab;
}

/* Its slabs are hollow, the first on top, so that a span is filled from its beginning. */
static bool add_span(struct memory *m)
{
    if (m->span_count == m->span_max)
        return false;
    uint8_t *span = alloc_aligned(m->env->alloc, SPAN_SIZE, SPAN_SIZE);
    if (span == NULL)
        return false;
    m->spans[m->span_count++] = span;
    for (size_t end = SPAN_SIZE; end > 0; end -= m->slab_size) {
        uint32_t slab = take_place(m);
        if (slab == MEMORY_NONE)
            break;
        set_place(m, slab, span + end - m->slab_size, m->slab_size);
        give_hollow(m, slab);
    }
    return m->hollow != MEMORY_NONE;
}

static uint32_t create_slab(struct memory *m)
{
    if (m->span_max == 0)
        return place_create(m, m->slab_size, m->slab_size == SLAB_SIZE_MAX ? SLAB_SIZE_MAX : PAGE);
    if ((m->hollow == MEMORY_NONE && !add_span(m)) || !memory_charge(m, m->slab_size))
        return MEMORY_NONE;
    uint32_t slab = m->hollow;
    m->hollow = m->slabs[slab].next;
    return slab;
}

static void destroy_slab(struct memory *m, uint32_t slab)
{
    if (m->span_max == 0) {
        place_destroy(m, slab, m->slab_size);
        return;
    }
    alloc_vacate(m->places[slab].data, m->slab_size);
    memory_refund(m, m->slab_size);
    give_hollow(m, slab);
}

/* A slab with memory and no class; MEMORY_NONE if there is no room for one. */
static uint32_t take_spare(struct memory *m)
{
    uint32_t slab = m->spare;

    if (slab != MEMORY_NONE) {
        m->spare = m->slabs[slab].next;
        m->spare_count--;
        return slab;
    }
    slab = create_slab(m);
    if (slab != MEMORY_NONE)
        m->idle_bytes += m->slab_size;
    return slab;
}

static void give_spare(struct memory *m, uint32_t slab)
{
    m->slabs[slab] = (struct memory_slab) { .next = m->spare };
    m->spare = slab;
    m->spare_count++;
}

bool memory_drop_spare(struct memory *m)
{
    uint32_t slab = m->spare;

    if (slab == MEMORY_NONE)
        return false;
    m->spare = m->slabs[slab].next;
    m->spare_count--;
    m->idle_bytes -= m->slab_size;
    destroy_slab(m, slab);
    return true;
}

bool memory_has_slab(const struct memory *m)
{
    uint64_t held = atomic_load_explicit(&m->held_bytes, memory_order_relaxed);
    return m->spare != MEMORY_NONE || m->max_bytes - held >= m->slab_size;
}

static size_t owners_size(const struct memory_slab *s)
{
    return s->chunk_count * sizeof s->owners[0];
}

/* Cut a spare slab into chunks of a class. */
static bool add_slab(struct memory *m, uint32_t chunk_class)
{
    struct memory_class *k = &m->classes[chunk_class];
    uint32_t slab = take_spare(m);

    if (slab == MEMORY_NONE)
        return false;
    struct memory_slab s = {
        .chunk_class = chunk_class,
        .chunk_count = (uint32_t)(m->slab_size / k->chunk_size),
        .free = MEMORY_NONE,
    };
    if (!memory_charge(m, owners_size(&s)))
        goto no_room;
    s.owners = alloc_bytes(m->env->alloc, owners_size(&s));
    if (s.owners == NULL)
        goto no_memory;
    m->slabs[slab] = s;
    atomic_store_explicit(&m->places[slab].chunk_size, k->chunk_size, memory_order_relaxed);
    k->slab_count++;
    k->free_count += s.chunk_count;
    list_with_room(m, slab);
    return true;
no_memory:
    memory_refund(m, owners_size(&s));
no_room:
    give_spare(m, slab);
    return false;
}

static void retire_slab(struct memory *m, uint32_t slab)
{
    struct memory_slab *s = &m->slabs[slab];
    struct memory_class *k = &m->classes[s->chunk_class];

    k->slab_count--;
    k->free_count -= s->chunk_count;
    memory_refund(m, owners_size(s));
    alloc_free(m->env->alloc, s->owners, owners_size(s));
    give_spare(m, slab);
}

/* ---- Chunks ------------------------------------------------------------------------------- */

static bool take_large(struct memory *m, size_t size, uint32_t *out_chunk)
{
    size = (size_t)align_up(size, PAGE);
    uint32_t place = place_create(m, size, PAGE);
    if (place == MEMORY_NONE)
        return false;
    *out_chunk = place << CHUNK_BITS;
    return true;
}

bool memory_take(struct memory *m, size_t size, uint32_t owner, uint32_t *out_chunk)
{
    if (size > m->chunk_size_max)
        return take_large(m, size, out_chunk);
    struct memory_class *k = &m->classes[class_of(size)];
    if (k->with_room == MEMORY_NONE && !add_slab(m, class_of(size)))
        return false;

    uint32_t slab = k->with_room;
    struct memory_slab *s = &m->slabs[slab];
    uint32_t number = s->free;
    if (number != MEMORY_NONE)
        s->free = s->owners[number] == MEMORY_NONE ? MEMORY_NONE : s->owners[number] & ~FREE_FLAG;
    else
        number = s->fresh++;
    s->owners[number] = owner;
    s->used++;
    k->free_count--;
    m->idle_bytes -= k->chunk_size;
    if (s->used == s->chunk_count)
        unlist(m, slab);
    *out_chunk = slab << CHUNK_BITS | number;
    return true;
}

void memory_give(struct memory *m, uint32_t chunk)
{
    uint32_t slab = chunk >> CHUNK_BITS;
    uint32_t number = chunk & ((1u << CHUNK_BITS) - 1);
    struct memory_slab *s = &m->slabs[slab];

    if (s->chunk_class == CLASS_LARGE) {
        place_destroy(m, slab, m->places[slab].chunk_size);
        return;
    }
    struct memory_class *k = &m->classes[s->chunk_class];
    CHECK(number < s->fresh && s->used > 0 && (s->owners[number] & FREE_FLAG) == 0);
    s->owners[number] = s->free == MEMORY_NONE ? MEMORY_NONE : FREE_FLAG | s->free;
    s->free = number;
    k->free_count++;
    m->idle_bytes += k->chunk_size;
    if (s->used-- == s->chunk_count && !s->is_closed)
        list_with_room(m, slab);
    if (s->used == 0 && !s->is_closed) {
        unlist(m, slab);
        retire_slab(m, slab);
    }
}

size_t memory_chunk_size(const struct memory *m, uint32_t chunk)
{
    return m->places[chunk >> CHUNK_BITS].chunk_size;
}

/* ---- Emptying a slab ---------------------------------------------------------------------- */

static bool has_pinned(const struct memory *m, uint32_t slab,
                       bool (*is_pinned)(void *context, uint32_t owner), void *context)
{
    uint32_t cursor = 0;
    uint32_t chunk;
    uint32_t owner;

    while (memory_next_owner(m, slab, &cursor, &chunk, &owner))
        if (is_pinned(context, owner))
            return true;
    return false;
}

uint32_t memory_sparsest(const struct memory *m, bool (*is_pinned)(void *context, uint32_t owner),
                         void *context)
{
    const struct memory_class *best = NULL;
    uint32_t sparsest = MEMORY_NONE;

    for (uint32_t i = 0; i < m->class_count; i++) {
        const struct memory_class *k = &m->classes[i];
        if (k->free_count >= m->slab_size / k->chunk_size &&
            (best == NULL || k->free_count * k->chunk_size > best->free_count * best->chunk_size))
            best = k;
    }
    if (best == NULL)
        return MEMORY_NONE;
    for (uint32_t slab = best->with_room; slab != MEMORY_NONE; slab = m->slabs[slab].next)
        if ((sparsest == MEMORY_NONE || m->slabs[slab].used < m->slabs[sparsest].used) &&
            !has_pinned(m, slab, is_pinned, context))
            sparsest = slab;
    return sparsest;
}

void memory_close_slab(struct memory *m, uint32_t slab)
{
    unlist(m, slab);
    m->slabs[slab].is_closed = true;
}

void memory_reopen_slab(struct memory *m, uint32_t slab)
{
    m->slabs[slab].is_closed = false;
    if (m->slabs[slab].used == 0)
        retire_slab(m, slab);
    else
        list_with_room(m, slab);
}

bool memory_next_owner(const struct memory *m, uint32_t slab, uint32_t *cursor, uint32_t *out_chunk,
                       uint32_t *out_owner)
{
    const struct memory_slab *s = &m->slabs[slab];

    for (uint32_t i = *cursor; i < s->fresh; i++)
        if ((s->owners[i] & FREE_FLAG) == 0) {
            *cursor = i + 1;
            *out_chunk = slab << CHUNK_BITS | i;
            *out_owner = s->owners[i];
            return true;
        }
    return false;
}

/* ---- Checking ----------------------------------------------------------------------------- */

void memory_check(const struct memory *m)
{
    uint64_t free_counts[CHUNK_CLASSES_MAX] = { 0 };
    uint32_t slab_counts[CHUNK_CLASSES_MAX] = { 0 };
    uint64_t idle = m->spare_count * (uint64_t)m->slab_size;

    for (uint32_t i = 0; i < m->place_count; i++) {
        const struct memory_slab *s = &m->slabs[i];
        uint32_t used = 0;
        uint32_t cursor = 0;
        uint32_t chunk;
        uint32_t owner;
        if (s->owners == NULL)
            continue;
        while (memory_next_owner(m, i, &cursor, &chunk, &owner))
            used++;
        CHECK(used == s->used && used > 0);
        CHECK(s->fresh <= s->chunk_count);
        free_counts[s->chunk_class] += s->chunk_count - used;
        slab_counts[s->chunk_class]++;
        idle += m->slab_size - (uint64_t)used * m->places[i].chunk_size;
    }
    for (uint32_t i = 0; i < m->class_count; i++) {
        CHECK(m->classes[i].free_count == free_counts[i]);
        CHECK(m->classes[i].slab_count == slab_counts[i]);
    }
    CHECK(m->idle_bytes == idle);
    CHECK(atomic_load_explicit(&m->held_bytes, memory_order_relaxed) <= m->max_bytes);
}
