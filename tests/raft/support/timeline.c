#include "tests/raft/support/timeline.h"

#include <stdlib.h>

#include "base/check.h"

void timeline_deinit(struct timeline *t)
{
    free(t->heap);
    *t = (struct timeline) { .count = 0 };
}

static bool is_before(const struct moment *a, const struct moment *b)
{
    return a->time != b->time ? a->time < b->time : a->order < b->order;
}

void timeline_post(struct timeline *t, struct moment m)
{
    if (t->count == t->capacity) {
        t->capacity = t->capacity == 0 ? 256 : 2 * t->capacity;
        t->heap = realloc(t->heap, t->capacity * sizeof t->heap[0]);
        CHECK(t->heap != NULL);
    }
    m.order = t->posted++;
    uint32_t at = t->count++;
    while (at > 0 && is_before(&m, &t->heap[(at - 1) / 4])) {
        t->heap[at] = t->heap[(at - 1) / 4];
        at = (at - 1) / 4;
    }
    t->heap[at] = m;
}

const struct moment *timeline_first(const struct timeline *t)
{
    return t->count > 0 ? &t->heap[0] : NULL;
}

struct moment timeline_take(struct timeline *t)
{
    CHECK(t->count > 0);
    struct moment first = t->heap[0];
    struct moment moved = t->heap[--t->count];
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
    return first;
}
