#include "recorder.h"

#include "base/hash.h"
#include "base/thread.h"

#include <stdlib.h>

struct entry {
    struct bytes key;
    struct bytes value;
};

struct map {
    struct engine engine;
    struct mutex mutex;
    struct entry *entries; /* Sorted. */
    size_t count;
    size_t capacity;
    struct entry last; /* Key of the put before. */
};

struct map_session {
    struct session session;
    struct bytes copies[1000];
};

struct map_iter {
    struct engine_iter iter;
    size_t at;
};

static struct recorder counts;

struct recorder *recorder(void)
{
    return &counts;
}

void recorder_reset(void)
{
    memset(&counts, 0, sizeof counts);
}

static struct bytes copy(struct bytes b)
{
    uint8_t *data = malloc(b.size + 1);

    memcpy(data, b.data, b.size);
    return bytes_of(data, b.size);
}

static struct status map_open(const struct engine_open *open, struct errbuf *err,
                              struct engine **out_engine)
{
    struct map *m = calloc(1, sizeof *m);

    (void)err;
    m->engine.class = &RECORDER;
    mutex_init(&m->mutex, RANK_LOG);
    counts.opens++;
    counts.sync_opens += open->sync;
    counts.entries = 0;
    *out_engine = &m->engine;
    return status_ok();
}

static void free_entry(struct entry *e)
{
    free((void *)e->key.data);
    free((void *)e->value.data);
}

static void map_close(struct engine *engine)
{
    struct map *m = (struct map *)engine;

    for (size_t i = 0; i < m->count; i++)
        free_entry(&m->entries[i]);
    free(m->entries);
    free((void *)m->last.key.data);
    mutex_deinit(&m->mutex);
    free(m);
}

static struct status map_session_open(struct engine *engine, struct session **out_session)
{
    struct map_session *s = calloc(1, sizeof *s);

    s->session.engine = engine;
    *out_session = &s->session;
    return status_ok();
}

static void map_session_close(struct session *session)
{
    struct map_session *s = (struct map_session *)session;

    for (size_t i = 0; i < sizeof s->copies / sizeof s->copies[0]; i++)
        free((void *)s->copies[i].data);
    free(s);
}

/* The index of the first entry at or after key. */
static size_t find(const struct map *m, struct bytes key)
{
    size_t low = 0;
    size_t high = m->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (bytes_compare(m->entries[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct map *m, size_t i, struct bytes key)
{
    return i < m->count && bytes_equal(m->entries[i].key, key);
}

static void insert(struct map *m, size_t i, struct bytes key)
{
    if (m->count == m->capacity) {
        m->capacity = m->capacity == 0 ? 64 : 2 * m->capacity;
        m->entries = realloc(m->entries, m->capacity * sizeof *m->entries);
    }
    memmove(&m->entries[i + 1], &m->entries[i], (m->count - i) * sizeof *m->entries);
    m->entries[i] = (struct entry) { .key = copy(key) };
    m->count++;
}

static struct status put_locked(struct map *m, struct bytes key, struct bytes value)
{
    size_t i = find(m, key);

    if (++counts.puts == counts.fail_at)
        return status_of(ST_IO);
    counts.out_of_order += m->last.key.data != NULL && bytes_compare(key, m->last.key) < 0;
    free((void *)m->last.key.data);
    m->last.key = copy(key);
    counts.value_size = value.size;
    counts.puts_hash = hash_bytes(value, hash_bytes(key, counts.puts_hash));
    if (is_at(m, i, key))
        counts.overwrites++;
    else
        insert(m, i, key);
    free((void *)m->entries[i].value.data);
    m->entries[i].value = copy(value);
    counts.entries = m->count;
    return status_ok();
}

static void delete_locked(struct map *m, struct bytes key)
{
    size_t i = find(m, key);

    counts.deletes++;
    if (!is_at(m, i, key))
        return;
    free_entry(&m->entries[i]);
    memmove(&m->entries[i], &m->entries[i + 1], (m->count - i - 1) * sizeof *m->entries);
    counts.entries = --m->count;
}

static struct map *lock(struct session *s) UNCHECKED
{
    struct map *m = (struct map *)s->engine;

    mutex_lock(&m->mutex);
    return m;
}

static void unlock(struct map *m) UNCHECKED
{
    mutex_unlock(&m->mutex);
}

static struct status map_put(struct session *session, struct bytes key, struct bytes value)
{
    struct map *m = lock(session);
    struct status s = put_locked(m, key, value);

    unlock(m);
    if (failed(s))
        errbuf_set(&session->err, "told to fail");
    return s;
}

static struct status map_delete(struct session *session, struct bytes key)
{
    struct map *m = lock(session);

    delete_locked(m, key);
    unlock(m);
    return status_ok();
}

static struct status map_write(struct session *session, const struct engine_write *writes,
                               size_t count)
{
    struct map *m = lock(session);
    struct status s = status_ok();

    counts.batches++;
    counts.batch_writes += count;
    for (size_t i = 0; i < count && succeeded(s); i++) {
        if (writes[i].is_delete)
            delete_locked(m, writes[i].key);
        else
            s = put_locked(m, writes[i].key, writes[i].value);
    }
    unlock(m);
    return s;
}

/* A copy of entry i, with a bit flipped if this is the read to lie at. */
static struct bytes hand_out(struct map *m, size_t i)
{
    struct bytes value = copy(m->entries[i].value);

    if (++counts.reads == counts.lie_at)
        ((uint8_t *)value.data)[value.size / 2] ^= 1;
    return value;
}

static struct status map_multi_get(struct session *session, const struct bytes *keys, size_t count,
                                   struct bytes *out_values)
{
    struct map_session *s = (struct map_session *)session;
    struct map *m = lock(session);

    for (size_t i = 0; i < count; i++) {
        size_t at = find(m, keys[i]);
        counts.gets++;
        free((void *)s->copies[i].data);
        s->copies[i] = is_at(m, at, keys[i]) ? hand_out(m, at) : bytes_of(NULL, 0);
        out_values[i] = s->copies[i];
    }
    unlock(m);
    return status_ok();
}

static struct status map_get(struct session *session, struct bytes key, struct bytes *out_value)
{
    struct status s = map_multi_get(session, &key, 1, out_value);

    return failed(s) || out_value->data != NULL ? s : status_of(ST_NOT_FOUND);
}

static struct status map_iter_open(struct session *session, struct engine_iter **out_iter)
{
    struct map_iter *it = calloc(1, sizeof *it);

    it->iter.session = session;
    *out_iter = &it->iter;
    return status_ok();
}

static void map_iter_close(struct engine_iter *iter)
{
    free((void *)iter->value.data);
    free((void *)iter->key.data);
    free(iter);
}

static void move_to(struct engine_iter *iter, size_t at)
{
    struct map *m = lock(iter->session);

    ((struct map_iter *)iter)->at = at;
    free((void *)iter->value.data);
    free((void *)iter->key.data);
    iter->key = iter->value = bytes_of(NULL, 0);
    iter->is_valid = at < m->count;
    if (iter->is_valid) {
        iter->key = copy(m->entries[at].key);
        iter->value = hand_out(m, at);
    }
    unlock(m);
}

static void map_iter_first(struct engine_iter *iter)
{
    move_to(iter, 0);
}

static void map_iter_last(struct engine_iter *iter)
{
    move_to(iter, ((struct map *)iter->session->engine)->count - 1);
}

static void map_iter_seek(struct engine_iter *iter, struct bytes key)
{
    struct map *m = lock(iter->session);
    size_t at = find(m, key);

    counts.seeks++;
    unlock(m);
    move_to(iter, at);
}

static void map_iter_next(struct engine_iter *iter)
{
    move_to(iter, ((struct map_iter *)iter)->at + 1);
}

static void map_iter_prev(struct engine_iter *iter)
{
    move_to(iter, ((struct map_iter *)iter)->at - 1);
}

static struct status map_wait(struct engine *engine)
{
    (void)engine;
    return status_ok();
}

const struct engine_class RECORDER = {
    .name = "recorder",
    .summary = "for tests",
    .version = "1",
    .open = map_open,
    .close = map_close,
    .session_open = map_session_open,
    .session_close = map_session_close,
    .put = map_put,
    .delete = map_delete,
    .write = map_write,
    .get = map_get,
    .multi_get = map_multi_get,
    .iter_open = map_iter_open,
    .iter_close = map_iter_close,
    .iter_first = map_iter_first,
    .iter_last = map_iter_last,
    .iter_seek = map_iter_seek,
    .iter_next = map_iter_next,
    .iter_prev = map_iter_prev,
    .flush = map_wait,
    .settle = map_wait,
};
