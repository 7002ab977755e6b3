/*
 * Epochs under ThreadSanitizer: readers follow a shared pointer and check that what they see has
 * not been destroyed, while one writer replaces it, retires the old one and collects. A floor
 * taken by the writer from the readers' marks is never above what a reader then inside reads at.
 */
#include "base/alloc.h"
#include "base/check.h"
#include "base/epoch.h"
#include "base/thread.h"

#include <stdio.h>

enum { READERS = 3, REPLACEMENTS = 30000, MAGIC = 0x5ca1ab1e };

struct object {
    struct epoch_garbage garbage;
    uint64_t magic;
    uint64_t version;
};

struct shared {
    struct epoch epoch;
    _Atomic(struct object *) current; /* Release: publishes the object. */
    _Atomic uint64_t visible;
    _Atomic uint64_t floor;
    _Atomic uint32_t is_stopping;
    _Atomic uint64_t reads;
};

static void destroy(struct epoch_garbage *g)
{
    struct object *o = (struct object *)g;

    o->magic = 0;
    alloc_free(alloc_heap(), o, sizeof *o);
}

static struct object *object_create(uint64_t version)
{
    struct object *o = alloc_zeroed(alloc_heap(), sizeof *o);

    CHECK(o != NULL);
    o->garbage.destroy = destroy;
    o->magic = MAGIC;
    o->version = version;
    return o;
}

static void read_on(void *context)
{
    struct shared *s = context;
    uint64_t reads = 0;

    while (atomic_load_explicit(&s->is_stopping, memory_order_relaxed) == 0) {
        struct epoch_slot *slot = epoch_enter(&s->epoch, (uint32_t)reads);
        CHECK(slot != NULL);
        struct object *o = atomic_load_explicit(&s->current, memory_order_acquire);
        uint64_t visible = atomic_load_explicit(&s->visible, memory_order_acquire);
        epoch_set_mark(slot, visible);
        for (int i = 0; i < 4; i++) {
            CHECK(o->magic == MAGIC);
            CHECK(atomic_load_explicit(&s->floor, memory_order_acquire) <= visible);
            if (i == 2 && reads % 64 == 0)
                thread_yield();
        }
        CHECK(o->version <= visible + 1);
        epoch_leave(slot);
        reads++;
    }
    atomic_fetch_add(&s->reads, reads);
}

int main(void)
{
    struct shared *s = alloc_aligned(alloc_heap(), 64, sizeof *s);
    struct thread *threads[READERS];

    CHECK(s != NULL);
    epoch_init(&s->epoch);
    atomic_init(&s->current, object_create(1));
    atomic_init(&s->visible, 1);
    atomic_init(&s->floor, 0);
    atomic_init(&s->is_stopping, 0);
    atomic_init(&s->reads, 0);
    for (int i = 0; i < READERS; i++)
        CHECK(succeeded(thread_start("reader", read_on, s, &threads[i])));
    for (uint64_t version = 2; version < REPLACEMENTS; version++) {
        struct object *old =
            atomic_exchange_explicit(&s->current, object_create(version), memory_order_acq_rel);
        epoch_retire(&s->epoch, &old->garbage);
        atomic_store_explicit(&s->visible, version, memory_order_release);
        if (version % 8 == 0) {
            uint64_t floor = epoch_least_mark(&s->epoch, version);
            if (floor > 0)
                atomic_store_explicit(&s->floor, floor, memory_order_release);
            (void)epoch_collect(&s->epoch);
        }
    }
    atomic_store_explicit(&s->is_stopping, 1, memory_order_relaxed);
    for (int i = 0; i < READERS; i++)
        thread_join(threads[i]);
    epoch_deinit(&s->epoch);
    destroy(&atomic_load(&s->current)->garbage);
    printf("epoch: %llu checks\n", (unsigned long long)atomic_load(&s->reads));
    alloc_free(alloc_heap(), s, sizeof *s);
    return 0;
}
