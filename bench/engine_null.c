/*
 * null -- an engine that keeps nothing.
 *
 * Writes are dropped; a read makes the value the runner would have written; an iterator counts.
 * What a benchmark costs on it is what the runner costs: keys, values, checksums, clocks. Subtract
 * it from an engine's figure to see the engine.
 */
#include "bench/adapter.h"
#include "bench/engines.h"
#include "bench/value.h"

struct null_engine {
    struct engine engine;
    struct alloc *alloc;
    struct value_source values;
    size_t value_size;
};

struct null_session {
    struct session session;
    struct buf copy;
};

struct null_iter {
    struct engine_iter iter;
    uint8_t key[8];
    struct buf copy;
};

static struct null_engine *engine_of(struct session *s)
{
    return (struct null_engine *)s->engine;
}

static struct status null_open(const struct engine_open *open, struct errbuf *err,
                               struct engine **out_engine)
{
    struct alloc *a = open->env->alloc;
    const struct flags *f = open->flags;
    struct null_engine *e = alloc_zeroed(a, sizeof *e);

    if (e == NULL)
        return status_of(ST_NO_MEMORY);
    e->engine.class = &ENGINE_NULL;
    e->alloc = a;
    e->value_size = (size_t)f->value_size;
    struct status s = value_source_init(&e->values, a, f->compression_ratio, e->value_size);
    if (failed(s)) {
        errbuf_set(err, "no memory for %zu bytes of values", e->value_size);
        alloc_free(a, e, sizeof *e);
        return s;
    }
    *out_engine = &e->engine;
    return s;
}

static void null_close(struct engine *engine)
{
    struct null_engine *e = (struct null_engine *)engine;

    value_source_deinit(&e->values);
    alloc_free(e->alloc, e, sizeof *e);
}

static struct status null_session_open(struct engine *engine, struct session **out_session)
{
    struct null_engine *e = (struct null_engine *)engine;
    struct null_session *s = alloc_zeroed(e->alloc, sizeof *s);

    if (s == NULL)
        return status_of(ST_NO_MEMORY);
    s->session.engine = engine;
    buf_init(&s->copy, e->alloc, ADAPTER_COPY_MAX);
    *out_session = &s->session;
    return status_ok();
}

static void null_session_close(struct session *session)
{
    if (session == NULL)
        return;
    struct null_session *s = (struct null_session *)session;
    buf_deinit(&s->copy);
    alloc_free(engine_of(session)->alloc, s, sizeof *s);
}

static struct status null_put(struct session *session, struct bytes key, struct bytes value)
{
    (void)session;
    (void)key;
    (void)value;
    return status_ok();
}

static struct status null_delete(struct session *session, struct bytes key)
{
    (void)session;
    (void)key;
    return status_ok();
}

static struct status null_write(struct session *session, const struct engine_write *writes,
                                size_t count)
{
    (void)session;
    (void)writes;
    (void)count;
    return status_ok();
}

static struct status append_value(const struct null_engine *e, struct buf *copy, struct bytes key,
                                  struct bytes *out_value)
{
    uint8_t *data = buf_extend(copy, e->value_size);

    if (data == NULL)
        return status_of(ST_NO_MEMORY);
    value_make(&e->values, key, 0, e->value_size, data);
    *out_value = bytes_of(data, e->value_size);
    return status_ok();
}

static struct status null_get(struct session *session, struct bytes key, struct bytes *out_value)
{
    struct null_session *s = (struct null_session *)session;

    buf_reset(&s->copy);
    return append_value(engine_of(session), &s->copy, key, out_value);
}

static struct status null_multi_get(struct session *session, const struct bytes *keys, size_t count,
                                    struct bytes *out_values)
{
    struct null_session *s = (struct null_session *)session;

    buf_reset(&s->copy);
    /* Reserved at once: what is handed out must not move. */
    if (!buf_reserve(&s->copy, count * engine_of(session)->value_size))
        return status_of(ST_NO_MEMORY);
    for (size_t i = 0; i < count; i++)
        TRY(append_value(engine_of(session), &s->copy, keys[i], &out_values[i]));
    return status_ok();
}

static struct status null_iter_open(struct session *session, struct engine_iter **out_iter)
{
    struct null_iter *it = alloc_zeroed(engine_of(session)->alloc, sizeof *it);

    if (it == NULL)
        return status_of(ST_NO_MEMORY);
    it->iter.session = session;
    buf_init(&it->copy, engine_of(session)->alloc, ADAPTER_COPY_MAX);
    *out_iter = &it->iter;
    return status_ok();
}

static void null_iter_close(struct engine_iter *iter)
{
    struct null_iter *it = (struct null_iter *)iter;

    buf_deinit(&it->copy);
    alloc_free(engine_of(iter->session)->alloc, it, sizeof *it);
}

static void move_to(struct engine_iter *iter, uint64_t number)
{
    struct null_iter *it = (struct null_iter *)iter;

    put_u64_be(it->key, number);
    buf_reset(&it->copy);
    iter->key = bytes_of(it->key, sizeof it->key);
    iter->status = append_value(engine_of(iter->session), &it->copy, iter->key, &iter->value);
    iter->is_valid = succeeded(iter->status);
}

static void null_iter_first(struct engine_iter *iter)
{
    move_to(iter, 0);
}

static void null_iter_last(struct engine_iter *iter)
{
    move_to(iter, UINT64_MAX);
}

static void null_iter_seek(struct engine_iter *iter, struct bytes key)
{
    uint8_t head[8] = { 0 };

    memcpy(head, key.data, key.size < sizeof head ? key.size : sizeof head);
    move_to(iter, get_u64_be(head));
}

static void null_iter_next(struct engine_iter *iter)
{
    move_to(iter, get_u64_be(iter->key.data) + 1);
}

static void null_iter_prev(struct engine_iter *iter)
{
    move_to(iter, get_u64_be(iter->key.data) - 1);
}

static struct status null_wait(struct engine *engine)
{
    (void)engine;
    return status_ok();
}

static struct status null_text(struct engine *engine, enum engine_text what, FILE *out)
{
    (void)engine;
    (void)what;
    (void)out;
    return status_of(ST_NOT_FOUND);
}

/* It takes what concerns the keeping of data, of which it does none. */
static const enum flag_id FLAGS[] = { FLAG_sync, FLAG_cache_size, FLAG_disable_wal };

const struct engine_class ENGINE_NULL = {
    .name = "null",
    .summary = "keeps nothing: the cost of the runner itself",
    .version = "this build",
    .flags = FLAGS,
    .flag_count = sizeof FLAGS / sizeof FLAGS[0],
    .open = null_open,
    .close = null_close,
    .session_open = null_session_open,
    .session_close = null_session_close,
    .put = null_put,
    .delete = null_delete,
    .write = null_write,
    .get = null_get,
    .multi_get = null_multi_get,
    .iter_open = null_iter_open,
    .iter_close = null_iter_close,
    .iter_first = null_iter_first,
    .iter_last = null_iter_last,
    .iter_seek = null_iter_seek,
    .iter_next = null_iter_next,
    .iter_prev = null_iter_prev,
    .flush = null_wait,
    .compact = null_wait,
    .settle = null_wait,
    .text = null_text,
};
