#include "tests/raft/support/blob.h"

#include <stdlib.h>

#include "base/check.h"

struct blob *blob_new(struct blob_pool *pool, size_t size)
{
    struct blob *b = malloc(sizeof *b + size);
    CHECK(b != NULL);
    *b = (struct blob) { .pool = pool, .refs = 1, .size = (uint32_t)size };
    pool->live++;
    return b;
}

struct blob *blob_copy(struct blob_pool *pool, struct bytes data)
{
    struct blob *b = blob_new(pool, data.size);
    if (data.size > 0)
        memcpy(b->data, data.data, data.size);
    return b;
}

void blob_ref(struct blob *b)
{
    if (b == NULL)
        return;
    CHECK(b->refs > 0);
    b->refs++;
}

void blob_unref(struct blob *b)
{
    if (b == NULL)
        return;
    CHECK(b->refs > 0);
    if (--b->refs > 0)
        return;
    b->pool->live--;
    free(b);
}

void entries_ref(const struct raft_entry *entries, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        blob_ref(entries[i].blob);
}

void entries_unref(const struct raft_entry *entries, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        blob_unref(entries[i].blob);
}
