/*
 * The index by itself, as hard as it goes: two buckets, so long chains; a writer that takes slots
 * out and puts them back under other names without pause; readers that walk the chains meanwhile.
 * A name that is there all the time is found by every lookup, and a slot pinned under a name that
 * still has it when looked at again keeps it until unpinned.
 */
#include "base/alloc.h"
#include "base/check.h"
#include "base/rand.h"
#include "base/thread.h"

#include "cache/index.h"

#include <stdio.h>

enum { READERS = 3, BUCKETS = 2, STAYING = 12, MOVING = 24, NAMES = 60, ROUNDS = 300000 };

struct shared {
    struct index index;
    struct slot_pool pool;
    _Atomic uint32_t is_stopping;
    _Atomic uint32_t begun; /* Readers that have looked something up. */
    _Atomic uint64_t lookups;
    _Atomic uint64_t pins;
    _Atomic uint64_t renamed;
};

static struct cache_key staying_name(uint64_t n)
{
    return (struct cache_key) { .file = 1, .offset = n };
}

static struct cache_key moving_name(uint64_t n)
{
    return (struct cache_key) { .file = 2, .offset = n };
}

static uint32_t find(struct shared *s, struct cache_key name)
{
    uint64_t word;

    return index_pin(&s->index, &s->pool, name, index_hash(&s->index, name), SLOT_TOUCHED, 0,
                     &word);
}

static void read_on(void *context)
{
    struct shared *s = context;
    struct rand r;
    uint64_t lookups = 0;
    uint64_t pins = 0;
    uint64_t renamed = 0;

    rand_seed(&r, (uintptr_t)&r);
    while (atomic_load_explicit(&s->is_stopping, memory_order_relaxed) == 0) {
        struct cache_key name = staying_name(rand_below(&r, STAYING));
        uint32_t id = find(s, name);
        while (id != 0 && !slot_is_named(slot_at(&s->pool, id), name)) {
            (void)slot_unpin(slot_at(&s->pool, id));
            id = find(s, name);
        }
        CHECK(id != 0);
        (void)slot_unpin(slot_at(&s->pool, id));

        name = moving_name(rand_below(&r, NAMES));
        id = find(s, name);
        if (id != 0) {
            struct slot *slot = slot_at(&s->pool, id);
            if (slot_is_named(slot, name)) {
                CHECK(slot->size == name.offset);
                pins++;
            } else {
                renamed++;
            }
            (void)slot_unpin(slot);
        }
        if (lookups == 0)
            atomic_fetch_add(&s->begun, 1);
        lookups += 2;
    }
    atomic_fetch_add(&s->lookups, lookups);
    atomic_fetch_add(&s->pins, pins);
    atomic_fetch_add(&s->renamed, renamed);
}

/* The writer is one thread, so that it needs no mutex. */
static uint32_t put(struct shared *s, struct cache_key name)
{
    uint32_t id = slot_take(&s->pool);

    CHECK(id != 0);
    slot_open(slot_at(&s->pool, id), 0, (uint32_t)name.offset);
    slot_publish(slot_at(&s->pool, id), name, FETCH_DATA, 0);
    index_add(&s->index, &s->pool, id, index_hash(&s->index, name));
    CHECK(!slot_unpin(slot_at(&s->pool, id)));
    return id;
}

static void churn(struct shared *s, uint32_t *moving, struct rand *r)
{
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t which = rand_below(r, MOVING);
        struct cache_key name = moving_name(rand_below(r, NAMES));
        if (!slot_try_kill(slot_at(&s->pool, moving[which])))
            continue;
        index_remove(&s->index, &s->pool, moving[which]);
        slot_give(&s->pool, moving[which]);
        while (index_has(&s->index, &s->pool, name, index_hash(&s->index, name)))
            name = moving_name((name.offset + 1) % NAMES);
        moving[which] = put(s, name);
    }
}

int main(void)
{
    struct shared s = { 0 };
    struct thread *threads[READERS];
    uint32_t moving[MOVING];
    struct rand r;

    rand_seed(&r, 1);
    CHECK(index_init(&s.index, alloc_heap(), BUCKETS, 7));
    CHECK(slot_pool_init(&s.pool, alloc_heap(), 1) && slot_pool_grow(&s.pool));
    for (uint64_t i = 0; i < MOVING; i++) {
        moving[i] = put(&s, moving_name(i));
        if (i % 2 == 0)
            (void)put(&s, staying_name(i / 2));
    }
    for (int i = 0; i < READERS; i++)
        CHECK(succeeded(thread_start("reader", read_on, &s, &threads[i])));
    while (atomic_load(&s.begun) < READERS)
        thread_yield();
    churn(&s, moving, &r);
    atomic_store_explicit(&s.is_stopping, 1, memory_order_relaxed);
    for (int i = 0; i < READERS; i++)
        thread_join(threads[i]);
    printf("index: %llu checks, %llu pins, %llu renamed before the pin\n",
           (unsigned long long)s.lookups, (unsigned long long)s.pins,
           (unsigned long long)s.renamed);
    CHECK(s.pins > 0);
    slot_pool_deinit(&s.pool);
    index_deinit(&s.index, alloc_heap());
    return 0;
}
