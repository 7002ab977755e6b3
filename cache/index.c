#include "cache/index.h"

#include "base/check.h"
#include "base/hash.h"

bool index_init(struct index *x, struct alloc *a, uint32_t bucket_count, uint64_t seed)
{
    x->seed = seed;
    x->bucket_count = bucket_count;
    x->buckets = alloc_array(a, bucket_count, sizeof x->buckets[0]);
    return x->buckets != NULL;
}

void index_deinit(struct index *x, struct alloc *a)
{
    alloc_free(a, x->buckets, index_size(x));
}

uint64_t index_hash(const struct index *x, struct cache_key key)
{
    return hash_u64(hash_u64(key.file ^ x->seed) + key.offset);
}

static inline _Atomic uint64_t *bucket_of(const struct index *x, uint64_t hash)
{
    return &x->buckets[(hash >> 32) * x->bucket_count >> 32];
}

uint32_t index_pin(const struct index *x, const struct slot_pool *p, struct cache_key key,
                   uint64_t hash, uint64_t set, uint64_t clear, uint64_t *out_word)
{
    const _Atomic uint64_t *bucket = bucket_of(x, hash);
    uint64_t begun = atomic_load_explicit(bucket, memory_order_acquire);
    uint32_t id = (uint32_t)begun;

    for (;;) {
        if (id != 0) {
            struct slot *s = slot_at(p, id);
            if (slot_is_named(s, key) && slot_try_pin(s, set, clear, out_word))
                return id;
            id = atomic_load_explicit(&s->next, memory_order_acquire);
        }
        uint64_t now = atomic_load_explicit(bucket, memory_order_acquire);
        if (now != begun) {
            begun = now;
            id = (uint32_t)begun;
        } else if (id == 0) {
            return 0;
        }
    }
}

bool index_has(const struct index *x, const struct slot_pool *p, struct cache_key key,
               uint64_t hash)
{
    uint32_t id = (uint32_t)atomic_load_explicit(bucket_of(x, hash), memory_order_relaxed);

    while (id != 0 && !slot_is_named(slot_at(p, id), key))
        id = atomic_load_explicit(&slot_at(p, id)->next, memory_order_relaxed);
    return id != 0;
}

/* Release: who finds the slot through this word sees its block, its name and its link. */
static void set_bucket(_Atomic uint64_t *bucket, uint32_t first)
{
    uint64_t before = atomic_load_explicit(bucket, memory_order_relaxed);
    uint64_t version = (before >> 32) + 1;

    atomic_store_explicit(bucket, version << 32 | first, memory_order_release);
}

void index_add(struct index *x, const struct slot_pool *p, uint32_t id, uint64_t hash)
{
    _Atomic uint64_t *bucket = bucket_of(x, hash);
    uint32_t first = (uint32_t)atomic_load_explicit(bucket, memory_order_relaxed);

    /* Release: who reads this link on its way through the slot's earlier chain sees that chain's
     * new version too. */
    atomic_store_explicit(&slot_at(p, id)->next, first, memory_order_release);
    set_bucket(bucket, id);
}

void index_remove(struct index *x, const struct slot_pool *p, uint32_t id)
{
    struct slot *s = slot_at(p, id);
    _Atomic uint64_t *bucket = bucket_of(x, index_hash(x, slot_key(s)));
    uint32_t first = (uint32_t)atomic_load_explicit(bucket, memory_order_relaxed);
    uint32_t after = atomic_load_explicit(&s->next, memory_order_relaxed);

    if (first == id) {
        set_bucket(bucket, after);
        return;
    }
    struct slot *before = slot_at(p, first);
    for (;;) {
        uint32_t next = atomic_load_explicit(&before->next, memory_order_relaxed);
        CHECK(next != 0);
        if (next == id)
            break;
        before = slot_at(p, next);
    }
    atomic_store_explicit(&before->next, after, memory_order_release);
    set_bucket(bucket, first);
}
