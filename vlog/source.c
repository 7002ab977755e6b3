#include "vlog/source.h"

#include "base/alloc.h"
#include "base/check.h"

#include "cache/cache.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * The map: open addressing with linear probes. Entries are added in place: source is published
 * after id, so a reader that meets the id early finds no source yet, which is as if it had come a
 * moment before. An entry whose source was taken keeps its id (probes must not stop there) until
 * the map is copied into a larger one; readers of the old one are waited for by the epoch.
 */
struct map_entry {
    _Atomic uint64_t id; /* 0: free. Never changes once set. */
    _Atomic(struct vlog_source *) source;
};
struct vlog_map {
    struct epoch_garbage garbage;
    struct alloc *alloc;
    size_t capacity; /* A power of two. */
    size_t used;     /* Entries with an id; at most 3/4 of capacity. */
    struct map_entry entries[];
};

enum { MAP_CAPACITY_MIN = 64, REAP_MAX = 16 };

static size_t map_size(size_t capacity)
{
    return sizeof(struct vlog_map) + capacity * sizeof(struct map_entry);
}

static struct vlog_map *map_create(struct alloc *a, size_t capacity)
{
    struct vlog_map *m = alloc_zeroed(a, map_size(capacity));
    if (m != NULL) {
        m->alloc = a;
        m->capacity = capacity;
    }
    return m;
}

static void map_destroy(struct epoch_garbage *g)
{
    struct vlog_map *m = (struct vlog_map *)g;
    alloc_free(m->alloc, m, map_size(m->capacity));
}
static_assert(offsetof(struct vlog_map, garbage) == 0, "map_destroy casts");

/* The entry of id, or the free one where it would go. */
static struct map_entry *map_probe(struct vlog_map *m, uint64_t id)
{
    /* Ids are dense numbers: neighbours in the map are neighbours in time. */
    for (size_t i = (size_t)id;; i++) {
        struct map_entry *e = &m->entries[i & (m->capacity - 1)];
        uint64_t there = atomic_load_explicit(&e->id, memory_order_relaxed);
        if (there == id || there == 0)
            return e;
    }
}

/* Requires: room. */
static void map_add(struct vlog_map *m, uint64_t id, struct vlog_source *s)
{
    struct map_entry *e = map_probe(m, id);
    if (atomic_load_explicit(&e->id, memory_order_relaxed) == 0) {
        m->used++;
        atomic_store_explicit(&e->id, id, memory_order_relaxed);
    }
    atomic_store_explicit(&e->source, s, memory_order_release);
}

struct vlog_source *vlog_sources_find(struct vlog_sources *t, uint64_t logical)
{
    struct vlog_map *m = atomic_load_explicit(&t->map, memory_order_acquire);
    if (logical == 0)
        return NULL;
    return atomic_load_explicit(&map_probe(m, logical)->source, memory_order_acquire);
}

/* Make room for one more; the map is copied without the entries that were taken. */
static struct status map_grow(struct vlog_sources *t) REQUIRES(t->lock)
{
    struct vlog_map *old = atomic_load_explicit(&t->map, memory_order_relaxed);
    size_t live = 0;

    if (4 * (old->used + 1) <= 3 * old->capacity)
        return status_ok();
    for (size_t i = 0; i < old->capacity; i++)
        live += atomic_load_explicit(&old->entries[i].source, memory_order_relaxed) != NULL;
    size_t capacity = MAP_CAPACITY_MIN;
    while (capacity < 2 * (live + 1))
        capacity *= 2;
    struct vlog_map *m = map_create(t->env->alloc, capacity);
    if (m == NULL)
        return status_of(ST_NO_MEMORY);
    for (size_t i = 0; i < old->capacity; i++) {
        struct map_entry *e = &old->entries[i];
        struct vlog_source *s = atomic_load_explicit(&e->source, memory_order_relaxed);
        if (s != NULL)
            map_add(m, atomic_load_explicit(&e->id, memory_order_relaxed), s);
    }
    atomic_store_explicit(&t->map, m, memory_order_release);
    old->garbage.destroy = map_destroy;
    epoch_retire(t->epoch, &old->garbage);
    return status_ok();
}

/* ---- Life ------------------------------------------------------------------------------------ */

struct status vlog_sources_init(struct vlog_sources *t, const struct env *env, struct cache *cache,
                                const char *dir, bool is_direct)
{
    struct epoch *epoch = alloc_aligned(env->alloc, 64, sizeof *epoch);
    struct vlog_map *map = map_create(env->alloc, MAP_CAPACITY_MIN);

    if (epoch == NULL || map == NULL) {
        alloc_free(env->alloc, epoch, sizeof *epoch);
        alloc_free(env->alloc, map, map_size(MAP_CAPACITY_MIN));
        return status_of(ST_NO_MEMORY);
    }
    *t = (struct vlog_sources) {
        .env = env,
        .cache = cache,
        .dir = dir,
        .read_flags = IO_READ | (is_direct ? IO_DIRECT : 0),
        .epoch = epoch,
    };
    epoch_init(epoch);
    mutex_init(&t->lock, RANK_VLOG);
    atomic_init(&t->map, map);
    return status_ok();
}

void vlog_sources_deinit(struct vlog_sources *t)
{
    if (t->epoch == NULL)
        return;
    struct vlog_map *m = atomic_load_explicit(&t->map, memory_order_relaxed);
    for (size_t i = 0; i < m->capacity; i++) {
        struct vlog_source *s = atomic_load_explicit(&m->entries[i].source, memory_order_relaxed);
        if (s != NULL)
            vlog_source_drop(s);
    }
    epoch_deinit(t->epoch);
    while (vlog_sources_reap(t))
        ;
    map_destroy(&m->garbage);
    alloc_free(t->env->alloc, t->epoch, sizeof *t->epoch);
    mutex_deinit(&t->lock);
    t->epoch = NULL;
}

struct status vlog_path(const char *dir, uint64_t id, enum vlog_kind kind,
                        char out_path[static IO_PATH_MAX])
{
    char name[VLOG_NAME_MAX];

    vlog_name(id, kind, name);
    int size = snprintf(out_path, IO_PATH_MAX, "%s/%s", dir, name);
    return size > 0 && size < IO_PATH_MAX ? status_ok() : status_of(ST_LIMIT);
}

/* ---- Changes --------------------------------------------------------------------------------- */

/* No reader can find the source any more: give up the table's reference. */
static void source_unlisted(struct epoch_garbage *g)
{
    vlog_source_drop((char *)g - offsetof(struct vlog_source, garbage));
}

static void unlist(struct vlog_sources *t, struct vlog_source *s, bool is_doomed) REQUIRES(t->lock)
{
    /* Relaxed: the table's reference goes after it, and that is a release. */
    atomic_store_explicit(&s->is_doomed, is_doomed, memory_order_relaxed);
    s->garbage.destroy = source_unlisted;
    epoch_retire(t->epoch, &s->garbage);
}

static void wake(struct vlog_sources *t)
{
    if (t->wake != NULL)
        t->wake(t->wake_context);
}

struct status vlog_sources_put(struct vlog_sources *t, const struct vlog_file *info, uint64_t end)
{
    struct vlog_source *s = alloc_zeroed(t->env->alloc, sizeof *s);

    if (s == NULL)
        return status_of(ST_NO_MEMORY);
    s->table = t;
    s->logical = info->logical;
    s->physical = info->physical;
    s->is_segment = info->is_segment;
    s->end = end;
    s->ordinal_end = info->ordinal_end > 0 ? info->ordinal_end : UINT32_MAX;
    s->info = *info;
    atomic_init(&s->refs, 1);

    mutex_lock(&t->lock);
    struct vlog_source *old = vlog_sources_find(t, info->logical);
    struct status status = old == NULL ? map_grow(t) : status_ok();
    if (succeeded(status)) {
        map_add(atomic_load_explicit(&t->map, memory_order_relaxed), info->logical, s);
        if (old != NULL)
            unlist(t, old, true);
    }
    mutex_unlock(&t->lock);
    if (failed(status))
        alloc_free(t->env->alloc, s, sizeof *s);
    else if (old != NULL)
        wake(t);
    return status;
}

struct status vlog_sources_put_file(struct vlog_sources *t, const struct vlog_file *f)
{
    uint64_t around = VLOG_BLOCK + vlog_end_size(f->ordinal_end);

    if (f->logical == 0 || f->physical == 0 || (f->is_segment && f->logical != f->physical) ||
        f->ordinal_end == 0 || f->ordinal_end > VLOG_ORDINAL_MAX || f->size_bytes % VLOG_BLOCK ||
        f->size_bytes <= around || f->size_bytes > UINT32_MAX)
        return status_of(ST_INVALID);
    return vlog_sources_put(t, f, f->size_bytes - vlog_end_size(f->ordinal_end));
}

void vlog_sources_take(struct vlog_sources *t, uint64_t logical, bool is_doomed)
{
    mutex_lock(&t->lock);
    struct vlog_source *s = vlog_sources_find(t, logical);
    if (s != NULL) {
        struct vlog_map *m = atomic_load_explicit(&t->map, memory_order_relaxed);
        atomic_store_explicit(&map_probe(m, logical)->source, NULL, memory_order_release);
        unlist(t, s, is_doomed);
    }
    mutex_unlock(&t->lock);
    if (s != NULL)
        wake(t);
}

/* Take one dead source off the stack. One thread takes, so that none can come back unnoticed. */
static struct vlog_source *take_dead(struct vlog_sources *t)
{
    struct vlog_source *s = atomic_load_explicit(&t->dead, memory_order_acquire);

    while (s != NULL && !atomic_compare_exchange_weak_explicit(
                            &t->dead, &s, s->next_dead, memory_order_acquire, memory_order_acquire))
        ;
    return s;
}

/* Close the file, unlink it if it is doomed. True: its blocks are to be dropped from the cache. */
static bool bury(struct vlog_sources *t, struct vlog_source *s)
{
    bool is_doomed = atomic_load_explicit(&s->is_doomed, memory_order_relaxed);
    bool was_read = atomic_load_explicit(&s->was_read, memory_order_relaxed);
    char path[IO_PATH_MAX];

    io_close(atomic_load_explicit(&s->file, memory_order_relaxed));
    if (is_doomed) {
        struct status status =
            vlog_path(t->dir, s->physical, s->is_segment ? VLOG_SEGMENT : VLOG_VALUES, path);
        if (succeeded(status))
            status = io_unlink(t->env->io, path);
        status_ignore(status, "what is left is found and removed by the next open");
    }
    alloc_free(t->env->alloc, s, sizeof *s);
    return is_doomed && was_read;
}

int vlog_compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

bool vlog_sources_reap(struct vlog_sources *t)
{
    uint64_t ids[REAP_MAX];
    size_t id_count = 0;
    size_t count = 0;

    mutex_lock(&t->lock);
    (void)epoch_collect(t->epoch);
    mutex_unlock(&t->lock);
    for (; count < REAP_MAX; count++) {
        struct vlog_source *s = take_dead(t);
        if (s == NULL)
            break;
        uint64_t id = s->physical;
        if (bury(t, s))
            ids[id_count++] = id;
    }
    if (id_count > 0) {
        /* A walk over the whole cache: for several files at once. */
        qsort(ids, id_count, sizeof *ids, vlog_compare_ids);
        cache_erase_files(t->cache, ids, id_count);
    }
    return count > 0;
}

/* ---- Reading --------------------------------------------------------------------------------- */

void vlog_source_hold(void *source)
{
    struct vlog_source *s = source;
    /* Relaxed: the caller has a reference or stands in an epoch, so the count is not zero. */
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->table->device_reads, 1, memory_order_relaxed);
}

void vlog_source_drop(void *source)
{
    struct vlog_source *s = source;
    struct vlog_sources *t = s->table;

    /* Release what was done with the file; acquire everybody's before it is closed. */
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
        return;
    s->next_dead = atomic_load_explicit(&t->dead, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&t->dead, &s->next_dead, s, memory_order_release,
                                                  memory_order_relaxed))
        ;
}

/* The manifest names it, so one that is missing is damage; never that a key is not there. */
static struct status refused(const struct vlog_source *s, struct status status, struct errbuf *err)
{
    char name[VLOG_NAME_MAX];

    vlog_name(s->physical, s->is_segment ? VLOG_SEGMENT : VLOG_VALUES, name);
    errbuf_set(err, "%s, which holds values, cannot be opened: %s", name, status_name(status.code));
    return status.code == ST_NOT_FOUND ? status_of(ST_CORRUPT) : status;
}

struct status vlog_source_open(struct vlog_source *s, struct errbuf *err, struct io_file **out_file)
{
    struct vlog_sources *t = s->table;
    struct io_file *file = atomic_load_explicit(&s->file, memory_order_acquire);
    struct status status = status_ok();
    char path[IO_PATH_MAX];

    if (file != NULL) {
        *out_file = file;
        return status;
    }
    TRY(vlog_path(t->dir, s->physical, s->is_segment ? VLOG_SEGMENT : VLOG_VALUES, path));
    mutex_lock(&t->lock);
    file = atomic_load_explicit(&s->file, memory_order_relaxed);
    if (file == NULL) {
        status = io_open(t->env->io, path, t->read_flags, &file);
        if (status.code == ST_UNSUPPORTED)
            status = io_open(t->env->io, path, IO_READ, &file);
        if (succeeded(status))
            atomic_store_explicit(&s->file, file, memory_order_release);
    }
    mutex_unlock(&t->lock);
    if (failed(status))
        return refused(s, status, err);
    *out_file = file;
    return status;
}
