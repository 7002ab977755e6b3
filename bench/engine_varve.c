/*
 * varve -- the adapter of this store, through the header that its users have, and nothing else.
 *
 * --sync chooses the durable mode, its absence the relaxed one, in which a write that returned is
 * in the kernel: what an unsynced log is to the peers.
 */
#include "base/io.h"

#include "bench/adapter.h"
#include "bench/engines.h"

#include "embed/varve.h"

#include <inttypes.h>

#define TEXT_OF(x) #x
#define VERSION_TEXT(a, b, c) TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)

enum { MULTI_GET_MAX = 1024, COPY_ROOM = 64 << 10 };

struct varve_engine {
    struct engine engine;
    const struct env *env;
    struct varve *store;
};

struct varve_session {
    struct session session;
    struct varve_error error; /* Here, so that no call pays for room on the stack. */
    struct varve_batch *batch;
    struct buf copy;
    struct varve_slice keys[MULTI_GET_MAX];
    struct varve_pinned values[MULTI_GET_MAX];
    enum varve_code codes[MULTI_GET_MAX];
};

struct varve_iter {
    struct engine_iter iter;
    struct varve_iterator *it;
};

static struct varve *store_of(struct session *s)
{
    return ((struct varve_engine *)s->engine)->store;
}

static struct alloc *alloc_of(struct session *s)
{
    return ((struct varve_engine *)s->engine)->env->alloc;
}

/* The library's answer as a status, its words into err. */
static struct status answer(enum varve_code code, const struct varve_error *error,
                            struct errbuf *err)
{
    if (code == VARVE_OK)
        return status_ok();
    if (code == VARVE_NOT_FOUND)
        return status_of(ST_NOT_FOUND);
    errbuf_set(err, "varve: %s", error->text);
    return status_of(code == VARVE_CORRUPT ? ST_CORRUPT : ST_IO);
}

/* ---- Life --------------------------------------------------------------------------------- */

static struct status set_options(struct varve_options *o, const struct engine_open *open,
                                 struct errbuf *err)
{
    const struct flags *f = open->flags;
    struct varve_error error;

    varve_options_init(o);
    o->durability = open->sync ? VARVE_DURABLE : VARVE_RELAXED;
    o->cache_size = (uint64_t)f->cache_size;
    o->memory_limit = (uint64_t)f->memory;
    o->write_buffer_size = (uint64_t)f->write_buffer_size;
    o->write_buffer_count = (uint32_t)f->max_write_buffer_number;
    o->block_size = (uint32_t)f->block_size;
    if (f->bloom_bits <= 0) {
        errbuf_set(err, "--bloom_bits=%" PRId64 ": varve always has filters", f->bloom_bits);
        return status_of(ST_INVALID);
    }
    o->filter_bits = (uint32_t)f->bloom_bits;
    struct status s = answer(varve_options_parse(o, f->varve_options, &error), &error, err);
    if (failed(s))
        errbuf_prefix(err, "--varve_options");
    return s;
}

static struct status store_open_in(const struct engine_open *open, struct errbuf *err,
                                   struct engine **out_engine)
{
    struct varve_options options;
    struct varve_error error;
    char path[IO_PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/varve", open->path);
    TRY(set_options(&options, open, err));
    struct varve_engine *e = alloc_zeroed(open->env->alloc, sizeof *e);
    if (e == NULL)
        return status_of(ST_NO_MEMORY);
    e->engine.class = &ENGINE_VARVE;
    e->env = open->env;
    struct status s = answer(varve_open(path, &options, &e->store, &error), &error, err);
    if (failed(s))
        alloc_free(open->env->alloc, e, sizeof *e);
    else
        *out_engine = &e->engine;
    return s;
}

static void store_close_all(struct engine *engine)
{
    struct varve_engine *e = (struct varve_engine *)engine;

    varve_free(e->store);
    alloc_free(e->env->alloc, e, sizeof *e);
}

static void session_close(struct session *session)
{
    if (session == NULL)
        return;
    struct varve_session *s = (struct varve_session *)session;
    varve_batch_destroy(s->batch);
    buf_deinit(&s->copy);
    alloc_free(alloc_of(session), s, sizeof *s);
}

static struct status session_open(struct engine *engine, struct session **out_session)
{
    struct varve_engine *e = (struct varve_engine *)engine;
    struct varve_error error;
    struct varve_session *s = alloc_zeroed(e->env->alloc, sizeof *s);

    if (s == NULL)
        return status_of(ST_NO_MEMORY);
    s->session.engine = engine;
    buf_init(&s->copy, e->env->alloc, ADAPTER_COPY_MAX);
    struct status status =
        answer(varve_batch_create(e->store, &s->batch, &error), &error, &engine->err);
    if (succeeded(status) && !buf_reserve(&s->copy, COPY_ROOM))
        status = status_of(ST_NO_MEMORY);
    if (failed(status))
        session_close(&s->session);
    else
        *out_session = &s->session;
    return status;
}

/* ---- Writes ------------------------------------------------------------------------------- */

static struct status put(struct session *session, struct bytes key, struct bytes value)
{
    struct varve_session *s = (struct varve_session *)session;

    return answer(varve_put(store_of(session), VARVE_DEFAULT_KEYSPACE, key.data, key.size,
                            value.data, value.size, &s->error),
                  &s->error, &session->err);
}

static struct status erase(struct session *session, struct bytes key)
{
    struct varve_session *s = (struct varve_session *)session;

    return answer(
        varve_delete(store_of(session), VARVE_DEFAULT_KEYSPACE, key.data, key.size, &s->error),
        &s->error, &session->err);
}

static enum varve_code add(struct varve_batch *batch, const struct engine_write *w,
                           struct varve_error *error)
{
    if (w->is_delete)
        return varve_batch_delete(batch, VARVE_DEFAULT_KEYSPACE, w->key.data, w->key.size, error);
    return varve_batch_put(batch, VARVE_DEFAULT_KEYSPACE, w->key.data, w->key.size, w->value.data,
                           w->value.size, error);
}

static struct status write_batch(struct session *session, const struct engine_write *writes,
                                 size_t count)
{
    struct varve_session *s = (struct varve_session *)session;
    enum varve_code code = VARVE_OK;

    varve_batch_clear(s->batch);
    for (size_t i = 0; i < count && code == VARVE_OK; i++)
        code = add(s->batch, &writes[i], &s->error);
    if (code == VARVE_OK)
        code = varve_write(store_of(session), s->batch, &s->error);
    return answer(code, &s->error, &session->err);
}

/* ---- Reads -------------------------------------------------------------------------------- */

/* Into the session's buffer at once; again if the value turns out to be larger than that. */
static struct status get(struct session *session, struct bytes key, struct bytes *out_value)
{
    struct varve_session *s = (struct varve_session *)session;
    size_t size;

    for (;;) {
        size_t room = s->copy.capacity;
        TRY(answer(varve_get_copy(store_of(session), NULL, key.data, key.size, s->copy.data, room,
                                  &size, &s->error),
                   &s->error, &session->err));
        if (size <= room)
            break;
        if (!buf_reserve(&s->copy, size))
            return status_of(ST_NO_MEMORY);
    }
    *out_value = bytes_of(s->copy.data, size);
    return status_ok();
}

/* Copy what is pinned, room made for all at once: what is handed out must not move. */
static struct status copy_pinned(struct varve_session *s, size_t count, struct bytes *out_values)
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++)
        total += s->codes[i] == VARVE_OK ? s->values[i].size : 0;
    buf_reset(&s->copy);
    uint8_t *at = buf_extend(&s->copy, total);
    if (at == NULL)
        return status_of(ST_NO_MEMORY);
    for (size_t i = 0; i < count; i++) {
        out_values[i] = bytes_of(NULL, 0);
        if (s->codes[i] != VARVE_OK)
            continue;
        memcpy(at, s->values[i].data, s->values[i].size);
        out_values[i] = bytes_of(at, s->values[i].size);
        at += s->values[i].size;
    }
    return status_ok();
}

static struct status key_failed(enum varve_code code, struct errbuf *err)
{
    errbuf_set(err, "varve: a key of multi_get: %s", varve_code_name(code));
    return status_of(code == VARVE_CORRUPT ? ST_CORRUPT : ST_IO);
}

static struct status multi_get(struct session *session, const struct bytes *keys, size_t count,
                               struct bytes *out_values)
{
    struct varve_session *s = (struct varve_session *)session;

    if (count > MULTI_GET_MAX) {
        errbuf_set(&session->err, "at most %d keys at once", MULTI_GET_MAX);
        return status_of(ST_LIMIT);
    }
    for (size_t i = 0; i < count; i++)
        s->keys[i] = (struct varve_slice) { .data = keys[i].data, .size = keys[i].size };
    TRY(answer(
        varve_multi_get(store_of(session), NULL, s->keys, count, s->values, s->codes, &s->error),
        &s->error, &session->err));
    struct status status = copy_pinned(s, count, out_values);
    for (size_t i = 0; i < count; i++) {
        if (s->codes[i] == VARVE_OK)
            varve_unpin(store_of(session), &s->values[i]);
        else if (s->codes[i] != VARVE_NOT_FOUND)
            status = key_failed(s->codes[i], &session->err);
    }
    return status;
}

/* ---- Iterators ---------------------------------------------------------------------------- */

static struct status iter_open(struct session *session, struct engine_iter **out_iter)
{
    struct varve_error error;
    struct varve_iter *it = alloc_zeroed(alloc_of(session), sizeof *it);

    if (it == NULL)
        return status_of(ST_NO_MEMORY);
    it->iter.session = session;
    struct status s = answer(varve_iterator_create(store_of(session), NULL, &it->it, &error),
                             &error, &session->err);
    if (failed(s))
        alloc_free(alloc_of(session), it, sizeof *it);
    else
        *out_iter = &it->iter;
    return s;
}

static void iter_close(struct engine_iter *iter)
{
    struct varve_iter *it = (struct varve_iter *)iter;

    varve_iterator_destroy(it->it);
    alloc_free(alloc_of(iter->session), it, sizeof *it);
}

static struct varve_error *error_of(struct engine_iter *iter)
{
    return &((struct varve_session *)iter->session)->error;
}

/* Where the library's iterator is after a move. */
static void look(struct engine_iter *iter, enum varve_code code)
{
    struct varve_iter *it = (struct varve_iter *)iter;
    struct varve_slice value = { .data = NULL };

    iter->is_valid = code == VARVE_OK && varve_iterator_valid(it->it);
    if (iter->is_valid) {
        struct varve_slice key = varve_iterator_key(it->it);
        iter->key = bytes_of(key.data, key.size);
        code = varve_iterator_value(it->it, &value, error_of(iter));
        iter->value = bytes_of(value.data, value.size);
        iter->is_valid = code == VARVE_OK;
    }
    iter->status = answer(code, error_of(iter), &iter->session->err);
}

static void iter_first(struct engine_iter *iter)
{
    struct varve_iter *it = (struct varve_iter *)iter;

    look(iter, varve_iterator_first(it->it, error_of(iter)));
}

static void iter_last(struct engine_iter *iter)
{
    struct varve_iter *it = (struct varve_iter *)iter;

    look(iter, varve_iterator_last(it->it, error_of(iter)));
}

static void iter_seek(struct engine_iter *iter, struct bytes key)
{
    struct varve_iter *it = (struct varve_iter *)iter;

    look(iter, varve_iterator_seek(it->it, key.data, key.size, error_of(iter)));
}

static void iter_next(struct engine_iter *iter)
{
    struct varve_iter *it = (struct varve_iter *)iter;

    look(iter, varve_iterator_next(it->it, error_of(iter)));
}

static void iter_prev(struct engine_iter *iter)
{
    struct varve_iter *it = (struct varve_iter *)iter;

    look(iter, varve_iterator_prev(it->it, error_of(iter)));
}

/* ---- The whole store ---------------------------------------------------------------------- */

static struct status flush(struct engine *engine)
{
    struct varve_error error;

    return answer(varve_flush(((struct varve_engine *)engine)->store, &error), &error,
                  &engine->err);
}

static struct status settle(struct engine *engine)
{
    struct varve_error error;

    TRY(flush(engine));
    return answer(varve_settle(((struct varve_engine *)engine)->store, &error), &error,
                  &engine->err);
}

static struct status compact(struct engine *engine)
{
    struct varve_error error;

    return answer(varve_compact(((struct varve_engine *)engine)->store, VARVE_DEFAULT_KEYSPACE,
                                NULL, 0, NULL, 0, &error),
                  &error, &engine->err);
}

static void print_levels(const struct varve_statistics *s, FILE *out)
{
    fprintf(out, "Level Files Size(MB)\n--------------------\n");
    for (int i = 0; i < 7; i++)
        fprintf(out, "  %d %8" PRIu64 " %8.0f\n", i, s->table_files[i],
                (double)s->table_bytes[i] / 1048576);
}

static void print_counters(const struct varve_statistics *s, FILE *out)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        { "keys_written", s->keys_written },
        { "user_bytes", s->user_bytes },
        { "log_bytes_written", s->log_bytes_written },
        { "log_rolls", s->log_rolls },
        { "flushes", s->flushes },
        { "flush_bytes", s->flush_bytes },
        { "compactions", s->compactions },
        { "trivial_moves", s->trivial_moves },
        { "compaction_bytes_read", s->compaction_bytes_read },
        { "compaction_bytes_written", s->compaction_bytes_written },
        { "rewrites", s->rewrites },
        { "rewrite_bytes", s->rewrite_bytes },
        { "segments_adopted", s->segments_adopted },
        { "segments_recycled", s->segments_recycled },
        { "stall_us", s->stall_us },
        { "cache_hits", s->cache_hits },
        { "cache_misses", s->cache_misses },
        { "cache_bytes", s->cache_bytes },
        { "memtable_bytes", s->memtable_bytes },
        { "memory_bytes", s->memory_bytes },
        { "memory_peak_bytes", s->memory_peak_bytes },
        { "value_files", s->value_files },
        { "value_file_bytes", s->value_file_bytes },
        { "value_live_bytes", s->value_live_bytes },
        { "log_bytes", s->log_bytes },
        { "disk_bytes", s->disk_bytes },
        { "live_bytes", s->live_bytes },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        fprintf(out, "%-26s %" PRIu64 "\n", rows[i].name, rows[i].value);
    fprintf(out, "%-26s %s\n", "io", s->io);
}

static struct status text(struct engine *engine, enum engine_text what, FILE *out)
{
    struct varve_statistics statistics;
    struct varve_error error;

    if (what == ENGINE_SSTABLES)
        return status_of(ST_NOT_FOUND);
    TRY(answer(varve_statistics(((struct varve_engine *)engine)->store, &statistics, &error),
               &error, &engine->err));
    if (what == ENGINE_STATS)
        print_counters(&statistics, out);
    print_levels(&statistics, out);
    return status_ok();
}

static const enum flag_id FLAGS[] = {
    FLAG_sync,
    FLAG_cache_size,
    FLAG_memory,
    FLAG_write_buffer_size,
    FLAG_max_write_buffer_number,
    FLAG_block_size,
    FLAG_bloom_bits,
    FLAG_varve_options,
};

const struct engine_class ENGINE_VARVE = {
    .name = "varve",
    .summary = "this store",
    .version = VERSION_TEXT(VARVE_VERSION_MAJOR, VARVE_VERSION_MINOR, VARVE_VERSION_PATCH),
    .flags = FLAGS,
    .flag_count = sizeof FLAGS / sizeof FLAGS[0],
    .open = store_open_in,
    .close = store_close_all,
    .session_open = session_open,
    .session_close = session_close,
    .put = put,
    .delete = erase,
    .write = write_batch,
    .get = get,
    .multi_get = multi_get,
    .iter_open = iter_open,
    .iter_close = iter_close,
    .iter_first = iter_first,
    .iter_last = iter_last,
    .iter_seek = iter_seek,
    .iter_next = iter_next,
    .iter_prev = iter_prev,
    .flush = flush,
    .settle = settle,
    .compact = compact,
    .text = text,
};
