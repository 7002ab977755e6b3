#include "tests/cache/support/cache_env.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"

static void open_on(struct cache_env *e, struct alloc *a, uint64_t size_bytes, size_t cap_bytes)
{
    struct cache_options options = { .size_bytes = size_bytes, .seed = 1 };

    budget_init(&e->budget, cap_bytes);
    e->env = (struct env) { .alloc = a, .budget = &e->budget };
    CHECK(succeeded(cache_create(&e->env, &options, &e->cache)));
}

void cache_env_open(struct cache_env *e, uint64_t size_bytes, size_t cap_bytes)
{
    alloc_test_init(&e->alloc);
    open_on(e, &e->alloc.alloc, size_bytes, cap_bytes);
}

void cache_env_open_shared(struct cache_env *e, uint64_t size_bytes)
{
    alloc_test_init(&e->alloc);
    open_on(e, alloc_heap(), size_bytes, 0);
}

void cache_env_close(struct cache_env *e)
{
    cache_check(e->cache);
    cache_destroy(e->cache);
    CHECK(e->alloc.live_bytes == 0);
    CHECK(e->budget.total_bytes == 0);
}

static uint64_t pattern_of(struct cache_key key)
{
    return hash_u64(hash_u64(key.file) + key.offset);
}

/* The whole of small entries; the head and the tail of large ones. */
void cache_env_fill(struct cache_key key, uint8_t *data, size_t size)
{
    uint64_t v = pattern_of(key);

    for (size_t i = 0; i + 8 <= size; i += size > 1024 ? size - 8 : 8)
        put_u64(data + i, v + i);
}

bool cache_env_is_filled(struct cache_key key, const uint8_t *data, size_t size)
{
    uint64_t v = pattern_of(key);

    for (size_t i = 0; i + 8 <= size; i += size > 1024 ? size - 8 : 8)
        if (get_u64(data + i) != v + i)
            return false;
    return true;
}

bool cache_env_access(struct cache_env *e, struct cache_key key, size_t size, enum fetch_kind kind,
                      enum fetch_fill fill)
{
    struct cache_pin pin;
    bool is_hit = cache_lookup(e->cache, key, kind, fill, &pin);

    if (is_hit) {
        CHECK(pin.size == size);
        CHECK(get_u64(pin.header) == key.offset);
        CHECK(cache_env_is_filled(key, pin.data, size));
    } else {
        if (failed(cache_reserve(e->cache, size, &pin)))
            return false;
        cache_env_fill(key, pin.data, size);
        put_u64(pin.header, key.offset);
        cache_insert(e->cache, pin.slot, key, kind, fill);
    }
    cache_unpin(e->cache, pin.slot);
    return is_hit;
}
