#include "tests/raft/support/timeline.h"

#include <stdlib.h>

#include "base/check.h"

void timeline_deinit(struct timeline *t)
{
    free(t->heap);
    free(t->moments);
    *t = (struct timeline) { .count = 0 };
}

static bool is_before(const struct moment_place *a, const struct moment_place *b)
{
    return a->time != b->time ? a->time < b->time : a->order < b->order;
}

static void grow(struct timeline *t)
{
    uint32_t capacity = t->capacity == 0 ? 256 : 2 * t->capacity;
    t->heap = realloc(t->heap, capacity * sizeof t->heap[0]);
    t->moments = realloc(t->moments, capacity * sizeof t->moments[0]);
    CHECK(t->heap != NULL && t->moments != NULL);
    for (; t->capacity < capacity; t->capacity++)
        t->heap[t->capacity].at = t->capacity;
}

void timeline_post(struct timeline *t, struct moment m)
{
    if (t->count == t->capacity)
        grow(t);
    uint32_t at = t->count++;
    struct moment_place posted = { .time = m.time, .order = t->posted++, .at = t->heap[at].at };
    t->moments[posted.at] = m;
    while (at > 0 && is_before(&posted, &t->heap[(at - 1) / 4])) {
        t->heap[at] = t->heap[(at - 1) / 4];
        at = (at - 1) / 4;
    }
    t->heap[at] = posted;
}

const struct moment *timeline_first(const struct timeline *t)
{
    return t->count > 0 ? &t->moments[t->heap[0].at] : NULL;
}

struct moment timeline_take(struct timeline *t)
{
    CHECK(t->count > 0);
    uint32_t taken = t->heap[0].at;
    struct moment_place moved = t->heap[--t->count];
    uint32_t at = 0;
    for (;;) {
        uint32_t best = 4 * at + 1;
        if (best >= t->count)
            break;
        for (uint32_t i = best + 1; i < 4 * at + 5 && i < t->count; i++) {
            if (is_before(&t->heap[i], &t->heap[best]))
                best = i;
        }
        if (!is_before(&t->heap[best], &moved))
            break;
        t->heap[at] = t->heap[best];
        at = best;
    }
    t->heap[at] = moved;
    t->heap[t->count].at = taken;
    return t->moments[taken];
}
