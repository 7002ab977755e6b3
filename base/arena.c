#include "base/arena.h"

#include "base/check.h"

enum { ARENA_ALIGN = 16 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* Of the allocation, this header included. */
    size_t used; /* Likewise. Stale in chunks after current. */
};

static_assert(sizeof(struct arena_chunk) <= 2 * ARENA_ALIGN, "the header is small");

enum { HEADER_SIZE = 2 * ARENA_ALIGN };

void arena_init(struct arena *a, struct alloc *alloc, size_t chunk_size, size_t size_max)
{
    CHECK(chunk_size > HEADER_SIZE);
    *a = (struct arena) { .alloc = alloc, .chunk_size = chunk_size, .size_max = size_max };
}

void arena_deinit(struct arena *a)
{
    struct arena_chunk *c = a->first;

    while (c != NULL) {
        struct arena_chunk *next = c->next;
        alloc_free(a->alloc, c, c->size);
        c = next;
    }
    *a = (struct arena) { 0 };
}

/* A fresh chunk with room for size, linked after current. */
static struct arena_chunk *add_chunk(struct arena *a, size_t size)
{
    size_t chunk_size = size + HEADER_SIZE;

    if (chunk_size < a->chunk_size)
        chunk_size = a->chunk_size;
    if (a->held_bytes > a->size_max || chunk_size > a->size_max - a->held_bytes)
        return NULL;
    struct arena_chunk *c = alloc_aligned(a->alloc, ARENA_ALIGN, chunk_size);
    if (c == NULL)
        return NULL;
    struct arena_chunk **link = a->current == NULL ? &a->first : &a->current->next;
    *c = (struct arena_chunk) { .next = *link, .size = chunk_size, .used = HEADER_SIZE };
    *link = c;
    a->held_bytes += chunk_size;
    return c;
}

void *arena_take(struct arena *a, size_t size)
{
    if (size > a->size_max)
        return NULL;
    size = (size_t)align_up(size, ARENA_ALIGN);
    if (a->current == NULL && a->first != NULL) {
        a->current = a->first;
        a->current->used = HEADER_SIZE;
    }
    /* Kept chunks that are too small for this are passed over until the next reset. */
    while (a->current == NULL || a->current->size - a->current->used < size) {
        struct arena_chunk *next = a->current == NULL ? NULL : a->current->next;
        if (next == NULL) {
            next = add_chunk(a, size);
            if (next == NULL)
                return NULL;
        }
        next->used = HEADER_SIZE;
        a->current = next;
    }
    void *p = (uint8_t *)a->current + a->current->used;
    a->current->used += size;
    return p;
}

struct bytes arena_copy(struct arena *a, struct bytes b)
{
    uint8_t *p = arena_take(a, b.size == 0 ? 1 : b.size);

    if (p == NULL)
        return bytes_of(NULL, 0);
    if (b.size > 0)
        memcpy(p, b.data, b.size);
    return bytes_of(p, b.size);
}

void arena_reset(struct arena *a)
{
    a->current = NULL;
}
