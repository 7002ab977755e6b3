#include "resp/index.h"

#include "base/check.h"

#include <string.h>

void resp_index_init(struct resp_index *t, struct alloc *alloc)
{
    *t = (struct resp_index) { .alloc = alloc,
                               .capacity = RESP_INDEX_FIRST,
                               .bucket_count = RESP_INDEX_FIRST };
    t->buckets = t->first;
}

static void give_back(struct resp_index *t)
{
    if (t->buckets != t->first)
        alloc_free(t->alloc, t->buckets, t->capacity * sizeof(struct resp_link *));
}

void resp_index_deinit(struct resp_index *t)
{
    CHECK(t->count == 0);
    give_back(t);
}

/* The largest power of two up to n. */
static size_t floor_power(size_t n)
{
    return (size_t)1 << (63 - __builtin_clzll(n));
}

/* Buckets below the split ones, and those they were split into, take one bit more of the hash. */
static size_t bucket_of(const struct resp_index *t, uint64_t hash)
{
    size_t power = floor_power(t->bucket_count);
    size_t wide = hash & (2 * power - 1);

    return wide < t->bucket_count ? wide : hash & (power - 1);
}

static void put(struct resp_index *t, struct resp_link *link)
{
    struct resp_link **bucket = &t->buckets[bucket_of(t, link->hash)];

    link->next = *bucket;
    *bucket = link;
}

/* Take everything out of a bucket and put it where it belongs. */
static void put_all(struct resp_index *t, struct resp_link *links)
{
    while (links != NULL) {
        struct resp_link *next = links->next;
        put(t, links);
        links = next;
    }
}

/* False: there is no memory. */
static bool double_capacity(struct resp_index *t)
{
    size_t size = t->capacity * sizeof(struct resp_link *);
    struct resp_link **buckets = t->buckets == t->first
                                     ? alloc_bytes(t->alloc, 2 * size)
                                     : alloc_resize(t->alloc, t->buckets, size, 2 * size);

    if (buckets == NULL)
        return false;
    if (t->buckets == t->first)
        memcpy(buckets, t->first, size);
    t->buckets = buckets;
    t->capacity *= 2;
    return true;
}

static void split_one(struct resp_index *t)
{
    if (t->bucket_count == t->capacity && !double_capacity(t))
        return;
    size_t from = t->bucket_count - floor_power(t->bucket_count);
    struct resp_link *links = t->buckets[from];
    t->buckets[from] = NULL;
    t->buckets[t->bucket_count++] = NULL;
    put_all(t, links);
}

static void merge_one(struct resp_index *t)
{
    struct resp_link *links = t->buckets[--t->bucket_count];

    put_all(t, links);
    if (t->bucket_count == RESP_INDEX_FIRST && t->buckets != t->first) {
        memcpy(t->first, t->buckets, sizeof t->first);
        give_back(t);
        t->buckets = t->first;
        t->capacity = RESP_INDEX_FIRST;
    }
}

void resp_index_add(struct resp_index *t, struct resp_link *link, uint64_t hash)
{
    link->hash = hash;
    put(t, link);
    t->count++;
    if (t->count > t->bucket_count)
        split_one(t);
}

void resp_index_remove(struct resp_index *t, struct resp_link *link)
{
    struct resp_link **at = &t->buckets[bucket_of(t, link->hash)];

    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    t->count--;
    if (t->bucket_count > RESP_INDEX_FIRST && t->count < t->bucket_count / 4)
        merge_one(t);
}

static struct resp_link *find(struct resp_link *link, uint64_t hash)
{
    while (link != NULL && link->hash != hash)
        link = link->next;
    return link;
}

struct resp_link *resp_index_first(const struct resp_index *t, uint64_t hash)
{
    return find(t->buckets[bucket_of(t, hash)], hash);
}

struct resp_link *resp_index_next(const struct resp_link *link)
{
    return find(link->next, link->hash);
}
