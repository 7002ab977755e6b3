/*
 * How fast tables are built, walked and asked: one line a shape of entries. Nothing is asserted but
 * that the answers are right; the figures are for whoever changes the code.
 * Arguments: entries, gets, a part of the shape's name. An optimised build and some hundred
 * thousand entries make the figures mean something.
 */
#include "base/budget.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rand.h"

#include "cache/cache.h"

#include "lsm/manifest.h"
#include "lsm/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { KEY_SIZE = 20, VALUE_MAX = 1024 };

struct shape {
    const char *name;
    uint32_t value_size;
    bool is_handle;
    bool is_decimal;
};

struct bench {
    struct budget budget;
    struct env env;
    struct io_ring *ring;
    struct cache *cache;
    struct fetch fetch;
    char dir[64];
    size_t count;
    size_t get_count;
    const struct shape *shape;
    uint8_t value[VALUE_MAX];
};

static void must(struct status s)
{
    if (failed(s))
        fprintf(stderr, "%s from %s:%u\n", status_name(s.code), s.file, s.line);
    CHECK(succeeded(s));
}

static uint64_t now(void)
{
    return clock_ns(clock_system());
}

static struct bytes make_key(const struct bench *b, uint64_t i, uint8_t *key)
{
    if (b->shape->is_decimal) {
        char text[32];
        (void)snprintf(text, sizeof text, "%020llu", (unsigned long long)i * 7);
        memcpy(key, text, KEY_SIZE);
    } else {
        memcpy(key, "user", 4);
        put_u64_be(key + 4, (hash_u64(i) & 0xffff) | i << 16);
        put_u64_be(key + 12, hash_u64(i));
    }
    return bytes_of(key, KEY_SIZE);
}

static void make_entry(const struct bench *b, uint64_t i, uint8_t *key, struct lsm_entry *e)
{
    *e = (struct lsm_entry) { .key = make_key(b, i, key), .version = 1000 + hash_u64(i) % 65536 };
    if (b->shape->is_handle) {
        e->kind = LSM_PUT_HANDLE;
        e->handle = (struct vlog_handle) { .file = 5 + i % 3,
                                           .ordinal = (uint32_t)i,
                                           .offset = (uint32_t)(hash_u64(i) % (64 << 20)),
                                           .length = b->shape->value_size };
    } else {
        e->kind = LSM_PUT;
        e->value = bytes_of(b->value, b->shape->value_size);
    }
}

static double build(struct bench *b, struct lsm_table_meta *out_meta)
{
    struct lsm_table_options options = { .block_size = 0 };
    struct lsm_table_builder *builder;
    uint64_t begin = now();

    must(lsm_table_builder_create(&b->env, b->ring, b->dir, 1, &options, &builder));
    for (size_t i = 0; i < b->count; i++) {
        uint8_t key[KEY_SIZE];
        struct lsm_entry e;
        make_entry(b, i, key, &e);
        must(lsm_table_builder_add(builder, &e));
    }
    must(lsm_table_builder_finish(builder, out_meta));
    return (double)(now() - begin) / (double)b->count;
}

static double walk(struct bench *b, struct lsm_table *t, bool read_ahead)
{
    struct lsm_table_iter_options options = { .read_ahead = read_ahead };
    struct lsm_iter *it;
    size_t n = 0;
    uint64_t sum = 0;
    uint64_t begin = now();

    must(lsm_table_iter(t, &b->fetch, &options, &it));
    must(lsm_iter_first(it));
    while (it->is_valid) {
        sum += it->entry.version + it->entry.key.data[it->entry.key.size - 1];
        n++;
        must(lsm_iter_next(it));
    }
    CHECK(n == b->count && sum > 0);
    lsm_iter_destroy(it);
    return (double)(now() - begin) / (double)b->count;
}

static double get(struct bench *b, struct lsm_table *t, bool is_there, size_t span)
{
    struct rand r;
    size_t rounds = b->get_count;
    rand_seed(&r, 1);
    uint64_t begin = now();

    for (size_t n = 0; n < rounds; n++) {
        uint8_t bytes[KEY_SIZE];
        struct lsm_entry e;
        struct bytes key = make_key(b, rand_below(&r, span), bytes);
        if (!is_there)
            bytes[KEY_SIZE - 1] ^= 0x80;
        struct status s =
            lsm_table_get(t, &b->fetch, key, lsm_table_key_hash(key), UINT64_MAX, NULL, &e);
        CHECK(s.code == (is_there ? ST_OK : ST_NOT_FOUND));
        fetch_reset(&b->fetch);
    }
    return (double)(now() - begin) / (double)rounds;
}

static void run(struct bench *b, const struct shape *shape)
{
    struct lsm_table_meta meta;
    struct lsm_table *t;

    b->shape = shape;
    struct cache_options cache = { .size_bytes = 512u << 20, .seed = 1 };
    must(cache_create(&b->env, &cache, &b->cache));
    fetch_init(&b->fetch, &(struct fetch_options) { .cache = b->cache, .ring = b->ring });
    double add_ns = build(b, &meta);
    must(lsm_table_open(&b->env, b->dir, &meta, &t));
    double ahead_ns = walk(b, t, true);
    double cold_ns = walk(b, t, false);
    double warm_ns = walk(b, t, false);
    double get_ns = get(b, t, true, b->count);
    double near_ns = get(b, t, true, b->count < 1000 ? b->count : 1000);
    double miss_ns = get(b, t, false, b->count);
    printf(
        "%-16s %7.1f MB  add %5.0f  walk: ahead %4.0f cold %5.0f warm %4.0f  get %5.0f near %4.0f "
        "absent %4.0f ns\n",
        shape->name, (double)meta.file_size / 1e6, add_ns, ahead_ns, cold_ns, warm_ns, get_ns,
        near_ns, miss_ns);
    lsm_table_close(t);
    fetch_deinit(&b->fetch);
    cache_destroy(b->cache);
    lsm_table_meta_deinit(&meta, b->env.alloc);
}

/* Gets of keys that one of several tables has, all of which are asked, as in the upper levels of a
 * tree: with and without loading their filters' lines together first. */
enum { TABLES = 6 };

static double get_of_many(struct bench *b, struct lsm_table **tables, bool has_prefetch)
{
    struct rand r;
    rand_seed(&r, 2);
    uint64_t begin = now();

    for (size_t n = 0; n < b->get_count; n++) {
        uint8_t bytes[KEY_SIZE];
        struct lsm_entry e;
        struct bytes key = make_key(b, rand_below(&r, b->count), bytes);
        uint64_t hash = lsm_table_key_hash(key);
        unsigned found = 0;
        for (unsigned step = 0; step < LSM_TABLE_PREFETCH_STEPS && has_prefetch; step++) {
            for (unsigned i = 0; i < TABLES; i++)
                lsm_table_prefetch(tables[i], hash, step);
        }
        for (unsigned i = 0; i < TABLES; i++)
            found +=
                succeeded(lsm_table_get(tables[i], &b->fetch, key, hash, UINT64_MAX, NULL, &e));
        CHECK(found == 1);
        fetch_reset(&b->fetch);
    }
    return (double)(now() - begin) / (double)b->get_count;
}

static void build_part(struct bench *b, uint64_t part, struct lsm_table_meta *out_meta)
{
    struct lsm_table_options options = { .block_size = 0 };
    struct lsm_table_builder *builder;

    must(lsm_table_builder_create(&b->env, b->ring, b->dir, 1 + part, &options, &builder));
    for (uint64_t i = part; i < b->count; i += TABLES) {
        uint8_t key[KEY_SIZE];
        struct lsm_entry e;
        make_entry(b, i, key, &e);
        must(lsm_table_builder_add(builder, &e));
    }
    must(lsm_table_builder_finish(builder, out_meta));
}

static void run_many(struct bench *b, const struct shape *shape)
{
    struct lsm_table_meta metas[TABLES];
    struct lsm_table *tables[TABLES];
    struct cache_options cache = { .size_bytes = 512u << 20, .seed = 1 };

    b->shape = shape;
    must(cache_create(&b->env, &cache, &b->cache));
    fetch_init(&b->fetch, &(struct fetch_options) { .cache = b->cache, .ring = b->ring });
    for (unsigned i = 0; i < TABLES; i++) {
        build_part(b, i, &metas[i]);
        must(lsm_table_open(&b->env, b->dir, &metas[i], &tables[i]));
    }
    (void)get_of_many(b, tables, false);
    double apart_ns = get_of_many(b, tables, false);
    double together_ns = get_of_many(b, tables, true);
    printf("one of %d tables: get %5.0f, with prefetch %5.0f ns\n", TABLES, apart_ns, together_ns);
    for (unsigned i = 0; i < TABLES; i++) {
        char path[128];
        lsm_table_close(tables[i]);
        lsm_table_meta_deinit(&metas[i], b->env.alloc);
        (void)snprintf(path, sizeof path, "%s/%08u.sst", b->dir, 1 + i);
        must(io_unlink(b->env.io, path));
    }
    fetch_deinit(&b->fetch);
    cache_destroy(b->cache);
}

int main(int argc, char **argv)
{
    static const struct shape shapes[] = {
        { "handles", 1024, true, false },      { "inline 20", 20, false, false },
        { "inline 100", 100, false, false },   { "decimal 100", 100, false, true },
        { "inline 1024", 1024, false, false },
    };
    static struct bench b;
    const char *why = NULL;

    b.count = argc > 1 ? strtoull(argv[1], NULL, 10) : 4000;
    b.get_count = argc > 2 ? strtoull(argv[2], NULL, 10) : b.count;
    const char *only = argc > 3 ? argv[3] : "";
    budget_init(&b.budget, 0);
    struct io *io;
    must(io_open_machine(alloc_heap(), IO_KIND_URING, &io, &why));
    b.env = (struct env) { .alloc = alloc_heap(),
                           .clock = clock_system(),
                           .io = io,
                           .budget = &b.budget,
                           .log = log_none() };
    must(io_ring_create(io, NULL, &b.ring));
    (void)snprintf(b.dir, sizeof b.dir, "/tmp/table_speed.%d", (int)getpid());
    must(io_mkdir(io, b.dir));
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (strstr(shapes[i].name, only) != NULL)
            run(&b, &shapes[i]);
    }
    run_many(&b, &shapes[2]);
    (void)rmdir(b.dir);
    io_ring_destroy(b.ring);
    io_close_machine(io);
    printf("table_speed: %zu checks\n", 5 * b.count * (sizeof shapes / sizeof *shapes));
    return 0;
}
