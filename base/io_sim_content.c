#include "base/io_sim_content.h"

#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/hash.h"

/* ---- Memory ------------------------------------------------------------------------------- */

void *sim_take(size_t size)
{
    void *p = alloc_zeroed(alloc_heap(), size);

    CHECK(p != NULL);
    return p;
}

void sim_give(void *p, size_t size)
{
    alloc_free(alloc_heap(), p, size);
}

void *sim_room(void *list, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity)
        return list;
    size_t larger = *capacity == 0 ? 4 : *capacity * 2;
    void *p = alloc_resize(alloc_heap(), list, *capacity * size, larger * size);
    CHECK(p != NULL);
    *capacity = larger;
    return p;
}

/* ---- Pages -------------------------------------------------------------------------------- */

static void page_unref(struct sim_page *p)
{
    if (p != NULL && --p->refs == 0)
        sim_give(p, sizeof *p);
}

/* The page to write to at *slot: its own copy, or a fresh one. */
static struct sim_page *page_own(struct sim_page **slot)
{
    struct sim_page *old = *slot;

    if (old == NULL || old->refs > 1) {
        struct sim_page *own = alloc_bytes(alloc_heap(), sizeof *own);
        CHECK(own != NULL);
        if (old == NULL)
            memset(own->data, 0, SIM_PAGE);
        else
            memcpy(own->data, old->data, SIM_PAGE);
        page_unref(old);
        own->refs = 1;
        *slot = own;
    }
    (*slot)->is_hashed = false;
    return *slot;
}

static uint64_t page_hash(struct sim_page *p)
{
    if (!p->is_hashed) {
        p->hash = hash_bytes(bytes_of(p->data, SIM_PAGE), 0);
        p->is_hashed = true;
    }
    return p->hash;
}

/* ---- Contents ----------------------------------------------------------------------------- */

struct sim_content *sim_content_create(void)
{
    struct sim_content *c = sim_take(sizeof *c);

    c->refs = 1;
    return c;
}

struct sim_content *sim_content_ref(struct sim_content *c)
{
    c->refs++;
    return c;
}

void sim_content_unref(struct sim_content *c)
{
    if (c == NULL || --c->refs > 0)
        return;
    for (size_t i = 0; i < c->page_count; i++)
        page_unref(c->pages[i]);
    sim_give(c->pages, c->page_count * sizeof *c->pages);
    sim_give(c, sizeof *c);
}

/* Replace a shared content by a copy that shares its pages. */
static struct sim_content *content_own(struct sim_content **slot)
{
    struct sim_content *old = *slot;

    if (old->refs > 1) {
        struct sim_content *own = sim_content_create();
        own->size = old->size;
        own->is_ragged = old->is_ragged;
        own->page_count = old->page_count;
        if (old->page_count > 0)
            own->pages = sim_take(old->page_count * sizeof *own->pages);
        for (size_t i = 0; i < old->page_count; i++) {
            own->pages[i] = old->pages[i];
            if (own->pages[i] != NULL)
                own->pages[i]->refs++;
        }
        old->refs--;
        *slot = own;
    }
    (*slot)->is_hashed = false;
    return *slot;
}

/* Have at least count pages in the table: a power of two, so that appending is linear. */
static void content_reach(struct sim_content *c, size_t count)
{
    size_t larger = c->page_count == 0 ? 1 : c->page_count;

    if (count <= c->page_count)
        return;
    while (larger < count)
        larger *= 2;
    c->pages = alloc_resize(alloc_heap(), c->pages, c->page_count * sizeof *c->pages,
                            larger * sizeof *c->pages);
    CHECK(c->pages != NULL);
    memset(c->pages + c->page_count, 0, (larger - c->page_count) * sizeof *c->pages);
    c->page_count = larger;
}

void sim_content_read(const struct sim_content *c, uint64_t offset, void *data, size_t size)
{
    uint8_t *to = data;

    while (size > 0) {
        size_t index = (size_t)(offset / SIM_PAGE);
        size_t at = (size_t)(offset % SIM_PAGE);
        size_t part = SIM_PAGE - at < size ? SIM_PAGE - at : size;
        if (index < c->page_count && c->pages[index] != NULL)
            memcpy(to, c->pages[index]->data + at, part);
        else
            memset(to, 0, part);
        to += part;
        offset += part;
        size -= part;
    }
}

void sim_content_write(struct sim_content **slot, uint64_t offset, const void *data, size_t size)
{
    struct sim_content *c;
    const uint8_t *from = data;

    if (size == 0)
        return;
    c = content_own(slot);
    CHECK(offset + size <= SIM_FILE_MAX);
    if (offset + size > c->size)
        c->is_ragged = true;
    content_reach(c, (size_t)((offset + size + SIM_PAGE - 1) / SIM_PAGE));
    while (size > 0) {
        size_t at = (size_t)(offset % SIM_PAGE);
        size_t part = SIM_PAGE - at < size ? SIM_PAGE - at : size;
        struct sim_page *page = page_own(&c->pages[offset / SIM_PAGE]);
        memcpy(page->data + at, from, part);
        from += part;
        offset += part;
        size -= part;
    }
}

void sim_content_grow(struct sim_content **slot, uint64_t size)
{
    if ((*slot)->size < size)
        content_own(slot)->size = size;
}

void sim_content_cut(struct sim_content **slot, uint64_t size)
{
    struct sim_content *c = *slot;

    if (c->size == size && !c->is_ragged)
        return;
    c = content_own(slot);
    size_t kept = (size_t)((size + SIM_PAGE - 1) / SIM_PAGE);
    for (size_t i = kept; i < c->page_count; i++) {
        page_unref(c->pages[i]);
        c->pages[i] = NULL;
    }
    size_t at = (size_t)(size % SIM_PAGE);
    if (at > 0 && kept <= c->page_count && c->pages[kept - 1] != NULL)
        memset(page_own(&c->pages[kept - 1])->data + at, 0, SIM_PAGE - at);
    c->size = size;
    c->is_ragged = false;
}

uint64_t sim_content_hash(struct sim_content *c)
{
    static const uint8_t zeros[SIM_PAGE];
    uint64_t hash = hash_u64(c->size + 1);
    uint64_t zero_hash = 0;

    CHECK(!c->is_ragged);
    if (c->is_hashed)
        return c->hash;
    for (size_t i = 0; i < (c->size + SIM_PAGE - 1) / SIM_PAGE; i++) {
        uint64_t page;
        if (i < c->page_count && c->pages[i] != NULL) {
            page = page_hash(c->pages[i]);
        } else {
            if (zero_hash == 0)
                zero_hash = hash_bytes(bytes_of(zeros, SIM_PAGE), 0);
            page = zero_hash;
        }
        hash = hash_u64(hash ^ page);
    }
    c->hash = hash;
    c->is_hashed = true;
    return hash;
}

/* ---- Blobs and names ------------------------------------------------------------------------ */

struct sim_blob *sim_blob_create(struct bytes bytes)
{
    struct sim_blob *b = alloc_bytes(alloc_heap(), sizeof *b + bytes.size);

    CHECK(b != NULL);
    b->refs = 1;
    b->size = bytes.size;
    if (bytes.size > 0)
        memcpy(b->data, bytes.data, bytes.size);
    return b;
}

struct sim_blob *sim_blob_ref(struct sim_blob *b)
{
    b->refs++;
    return b;
}

void sim_blob_unref(struct sim_blob *b)
{
    if (b != NULL && --b->refs == 0)
        sim_give(b, sizeof *b + b->size);
}

struct sim_name *sim_name_create(struct bytes text)
{
    struct sim_name *n = sim_take(sizeof *n + text.size + 1);

    n->refs = 1;
    n->size = (uint32_t)text.size;
    if (text.size > 0)
        memcpy(n->text, text.data, text.size);
    return n;
}

struct sim_name *sim_name_ref(struct sim_name *n)
{
    n->refs++;
    return n;
}

void sim_name_unref(struct sim_name *n)
{
    if (n != NULL && --n->refs == 0)
        sim_give(n, sizeof *n + n->size + 1);
}

static struct bytes name_bytes(const struct sim_name *n)
{
    return bytes_of(n->text, n->size);
}

/* ---- Tables of names ------------------------------------------------------------------------ */

struct sim_names *sim_names_create(void)
{
    struct sim_names *t = sim_take(sizeof *t);

    t->refs = 1;
    return t;
}

struct sim_names *sim_names_ref(struct sim_names *t)
{
    t->refs++;
    return t;
}

void sim_names_unref(struct sim_names *t)
{
    if (t == NULL || --t->refs > 0)
        return;
    for (size_t i = 0; i < t->count; i++)
        sim_name_unref(t->list[i].name);
    sim_give(t->list, t->capacity * sizeof *t->list);
    sim_give(t, sizeof *t);
}

static struct sim_names *names_own(struct sim_names **slot)
{
    struct sim_names *old = *slot;

    if (old->refs > 1) {
        struct sim_names *own = sim_names_create();
        own->count = old->count;
        own->capacity = old->count;
        if (old->count > 0)
            own->list = sim_take(old->count * sizeof *own->list);
        for (size_t i = 0; i < old->count; i++) {
            own->list[i] = old->list[i];
            sim_name_ref(own->list[i].name);
        }
        old->refs--;
        *slot = own;
    }
    return *slot;
}

/* Where name is, or where it would be. */
static size_t names_place(const struct sim_names *t, struct bytes name)
{
    size_t low = 0;
    size_t high = t->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (bytes_compare(name_bytes(t->list[middle].name), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool names_is_at(const struct sim_names *t, size_t place, struct bytes name)
{
    return place < t->count && bytes_equal(name_bytes(t->list[place].name), name);
}

uint64_t sim_names_find(const struct sim_names *t, struct bytes name)
{
    size_t place = names_place(t, name);

    return names_is_at(t, place, name) ? t->list[place].number : 0;
}

void sim_names_set(struct sim_names **slot, struct sim_name *name, uint64_t number)
{
    struct sim_names *t = names_own(slot);
    size_t place = names_place(t, name_bytes(name));

    if (!names_is_at(t, place, name_bytes(name))) {
        t->list = sim_room(t->list, &t->capacity, t->count, sizeof *t->list);
        memmove(t->list + place + 1, t->list + place, (t->count - place) * sizeof *t->list);
        t->list[place].name = sim_name_ref(name);
        t->count++;
    }
    t->list[place].number = number;
}

void sim_names_remove(struct sim_names **slot, const struct sim_name *name)
{
    size_t place = names_place(*slot, name_bytes(name));

    if (!names_is_at(*slot, place, name_bytes(name)))
        return;
    struct sim_names *t = names_own(slot);
    sim_name_unref(t->list[place].name);
    t->count--;
    memmove(t->list + place, t->list + place + 1, (t->count - place) * sizeof *t->list);
}
