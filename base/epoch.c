#include "base/epoch.h"

#include "base/check.h"

/*
 * Why a reader and a collector cannot miss each other. Entering is a compare-and-swap on the
 * reader's slot; looking is an atomic addition of zero to it. Read-modify-writes of one word have
 * one order. If the reader came first, the collector reads its epoch and keeps what was retired in
 * it or later. If the collector came first, the reader's swap reads from the collector's addition
 * and so synchronises with it: the reader sees every unlinking the collector did, and cannot reach
 * what is destroyed. The epoch a reader enters with may be stale; a smaller number only keeps
 * garbage longer.
 */

static inline uint64_t look(_Atomic uint64_t *entered)
{
    return atomic_fetch_add_explicit(entered, 0, memory_order_acq_rel);
}

void epoch_init(struct epoch *e)
{
    atomic_init(&e->current, 1);
    e->oldest = NULL;
    e->newest = NULL;
    for (int i = 0; i < EPOCH_SLOTS; i++) {
        atomic_init(&e->slots[i].entered, 0);
        atomic_init(&e->slots[i].mark, 0);
    }
}

void epoch_deinit(struct epoch *e)
{
    CHECK(epoch_oldest(e) == atomic_load_explicit(&e->current, memory_order_relaxed));
    /* Again while destroying retires more. */
    while (epoch_collect(e) > 0)
        ;
}

struct epoch_slot *epoch_enter(struct epoch *e, uint32_t hint)
{
    /* Acquire: a reader with this epoch sees what was unlinked in earlier ones. */
    uint64_t now = atomic_load_explicit(&e->current, memory_order_acquire);

    for (uint32_t i = 0; i < EPOCH_SLOTS; i++) {
        struct epoch_slot *slot = &e->slots[(hint + i) % EPOCH_SLOTS];
        uint64_t free = 0;
        if (i > 0 && atomic_load_explicit(&slot->entered, memory_order_relaxed) != 0)
            continue;
        if (atomic_compare_exchange_strong_explicit(&slot->entered, &free, now,
                                                    memory_order_acq_rel, memory_order_relaxed))
            return slot;
    }
    return NULL;
}

void epoch_leave(struct epoch_slot *slot)
{
    atomic_store_explicit(&slot->mark, 0, memory_order_relaxed);
    /* Release: the reads made inside come before the destruction that this allows. */
    atomic_store_explicit(&slot->entered, 0, memory_order_release);
}

uint64_t epoch_least_mark(struct epoch *e, uint64_t bound)
{
    for (int i = 0; i < EPOCH_SLOTS; i++) {
        if (look(&e->slots[i].entered) == 0)
            continue;
        uint64_t mark = atomic_load_explicit(&e->slots[i].mark, memory_order_acquire);
        if (mark < bound)
            bound = mark;
    }
    return bound;
}

uint64_t epoch_now(const struct epoch *e)
{
    return atomic_load_explicit(&e->current, memory_order_acquire);
}

uint64_t epoch_oldest(struct epoch *e)
{
    uint64_t oldest = atomic_load_explicit(&e->current, memory_order_acquire);

    for (int i = 0; i < EPOCH_SLOTS; i++) {
        uint64_t entered = look(&e->slots[i].entered);
        if (entered != 0 && entered < oldest)
            oldest = entered;
    }
    return oldest;
}

void epoch_retire(struct epoch *e, struct epoch_garbage *g)
{
    /* Release: whoever enters with the next epoch sees that g is unlinked. */
    g->epoch = atomic_fetch_add_explicit(&e->current, 1, memory_order_acq_rel);
    g->next = NULL;
    if (e->newest == NULL)
        e->oldest = g;
    else
        e->newest->next = g;
    e->newest = g;
}

size_t epoch_collect(struct epoch *e)
{
    size_t waiting = 0;

    if (e->oldest == NULL)
        return 0;
    uint64_t oldest = epoch_oldest(e);
    while (e->oldest != NULL && e->oldest->epoch < oldest) {
        struct epoch_garbage *g = e->oldest;
        e->oldest = g->next;
        if (e->oldest == NULL)
            e->newest = NULL;
        g->destroy(g);
    }
    for (const struct epoch_garbage *g = e->oldest; g != NULL; g = g->next)
        waiting++;
    return waiting;
}
