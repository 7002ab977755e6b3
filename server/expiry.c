#include "server/expiry.h"

#include "base/check.h"

void server_expiry_init(struct server_expiry *e, bool is_due)
{
    e->count = is_due ? EXPIRY_SLOTS : 0;
    for (uint32_t i = 0; i < EXPIRY_SLOTS; i++) {
        e->due_ms[i] = 0;
        e->heap[i] = (uint16_t)i;
        e->place[i] = (uint16_t)(is_due ? i + 1 : 0);
    }
}

static void put(struct server_expiry *e, uint32_t at, uint16_t slot)
{
    e->heap[at] = slot;
    e->place[slot] = (uint16_t)(at + 1);
}

static void sift_up(struct server_expiry *e, uint32_t at, uint16_t slot)
{
    while (at > 0) {
        uint32_t parent = (at - 1) / 2;
        if (e->due_ms[e->heap[parent]] <= e->due_ms[slot])
            break;
        put(e, at, e->heap[parent]);
        at = parent;
    }
    put(e, at, slot);
}

static void sift_down(struct server_expiry *e, uint32_t at, uint16_t slot)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= e->count)
            break;
        if (child + 1 < e->count && e->due_ms[e->heap[child + 1]] < e->due_ms[e->heap[child]])
            child++;
        if (e->due_ms[slot] <= e->due_ms[e->heap[child]])
            break;
        put(e, at, e->heap[child]);
        at = child;
    }
    put(e, at, slot);
}

void server_expiry_hint(struct server_expiry *e, uint32_t slot, uint64_t at_ms)
{
    CHECK(slot < EXPIRY_SLOTS);
    if (e->place[slot] == 0) {
        e->due_ms[slot] = at_ms;
        sift_up(e, e->count++, (uint16_t)slot);
    } else if (at_ms < e->due_ms[slot]) {
        e->due_ms[slot] = at_ms;
        sift_up(e, e->place[slot] - 1u, (uint16_t)slot);
    }
}

bool server_expiry_next(const struct server_expiry *e, uint32_t *out_slot, uint64_t *out_ms)
{
    if (e->count == 0)
        return false;
    *out_slot = e->heap[0];
    *out_ms = e->due_ms[e->heap[0]];
    return true;
}

void server_expiry_take(struct server_expiry *e)
{
    CHECK(e->count > 0);
    e->place[e->heap[0]] = 0;
    e->count--;
    if (e->count > 0)
        sift_down(e, 0, e->heap[e->count]);
}
