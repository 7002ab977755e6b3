#include "resp/sparse.h"

#include "base/check.h"

struct status resp_sparse_init(struct resp_sparse *s, struct alloc *alloc, uint64_t size_bytes,
                               size_t held_max_bytes)
{
    size_t count = (size_t)((size_bytes + RESP_CHUNK_BYTES - 1) / RESP_CHUNK_BYTES);
    uint8_t **chunks = alloc_zeroed(alloc, (count == 0 ? 1 : count) * sizeof *chunks);

    if (chunks == NULL)
        return status_of(ST_NO_MEMORY);
    *s = (struct resp_sparse) { .alloc = alloc,
                                .chunks = chunks,
                                .count = count,
                                .held_max = held_max_bytes / RESP_CHUNK_BYTES };
    return status_ok();
}

void resp_sparse_deinit(struct resp_sparse *s)
{
    if (s->chunks == NULL)
        return;
    for (size_t i = 0; i < s->count; i++)
        resp_sparse_drop(s, i);
    alloc_free(s->alloc, s->chunks, (s->count == 0 ? 1 : s->count) * sizeof *s->chunks);
    *s = (struct resp_sparse) { 0 };
}

struct status resp_sparse_take(struct resp_sparse *s, size_t index, uint8_t **out_chunk)
{
    CHECK(index < s->count);
    if (s->chunks[index] == NULL) {
        if (s->held == s->held_max)
            return status_of(ST_LIMIT);
        s->chunks[index] = alloc_zeroed(s->alloc, RESP_CHUNK_BYTES);
        if (s->chunks[index] == NULL)
            return status_of(ST_NO_MEMORY);
        s->held++;
    }
    *out_chunk = s->chunks[index];
    return status_ok();
}

void resp_sparse_drop(struct resp_sparse *s, size_t index)
{
    if (s->chunks[index] == NULL)
        return;
    alloc_free(s->alloc, s->chunks[index], RESP_CHUNK_BYTES);
    s->chunks[index] = NULL;
    s->held--;
}

size_t resp_sparse_held(const struct resp_sparse *s)
{
    return s->held * RESP_CHUNK_BYTES + s->count * sizeof *s->chunks;
}
