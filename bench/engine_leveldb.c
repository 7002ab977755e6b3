/*
 * leveldb -- the adapter of LevelDB, through its C API.
 *
 * LevelDB reads its first thousand tables through mmap and then keeps no block of them in its
 * cache: its cache is the page cache, and with --verify_checksum it checks a block at every read.
 * Run the reads both ways; without is the harder peer (bench/README.md).
 */
#include "bench/adapter.h"
#include "bench/engines.h"

#include <leveldb/c.h>

struct level_engine {
    struct engine engine;
    const struct env *env;
    leveldb_t *db;
    leveldb_options_t *options;
    leveldb_cache_t *cache;
    leveldb_filterpolicy_t *filter;
    leveldb_readoptions_t *read;
    leveldb_writeoptions_t *write;
};

struct level_session {
    struct session session;
    leveldb_writebatch_t *batch;
    char *value; /* What the last get gave: the library's malloc, freed at the next. */
};

struct level_iter {
    struct engine_iter iter;
    leveldb_iterator_t *it;
};

static struct level_engine *engine_of(struct session *s)
{
    return (struct level_engine *)s->engine;
}

/* The library's message, if there is one, into err. Frees it. */
static struct status take_error(char *message, struct errbuf *err)
{
    if (message == NULL)
        return status_ok();
    errbuf_set(err, "leveldb: %s", message);
    leveldb_free(message);
    return status_of(ST_IO);
}

static void set_options(struct level_engine *e, const struct flags *f, bool sync)
{
    e->options = leveldb_options_create();
    e->cache = leveldb_cache_create_lru((size_t)f->cache_size);
    e->read = leveldb_readoptions_create();
    e->write = leveldb_writeoptions_create();
    leveldb_options_set_create_if_missing(e->options, 1);
    leveldb_options_set_cache(e->options, e->cache);
    leveldb_options_set_write_buffer_size(e->options, (size_t)f->write_buffer_size);
    leveldb_options_set_block_size(e->options, (size_t)f->block_size);
    leveldb_options_set_max_open_files(e->options, f->open_files < 0 ? 10000 : (int)f->open_files);
    leveldb_options_set_compression(e->options, leveldb_no_compression);
    if (f->bloom_bits > 0) {
        e->filter = leveldb_filterpolicy_create_bloom((int)f->bloom_bits);
        leveldb_options_set_filter_policy(e->options, e->filter);
    }
    leveldb_options_set_paranoid_checks(e->options, f->verify_checksum);
    leveldb_readoptions_set_verify_checksums(e->read, f->verify_checksum);
    leveldb_writeoptions_set_sync(e->write, sync);
}

static void level_close(struct engine *engine)
{
    struct level_engine *e = (struct level_engine *)engine;

    if (e->db != NULL)
        leveldb_close(e->db);
    leveldb_writeoptions_destroy(e->write);
    leveldb_readoptions_destroy(e->read);
    leveldb_options_destroy(e->options);
    leveldb_cache_destroy(e->cache);
    if (e->filter != NULL)
        leveldb_filterpolicy_destroy(e->filter);
    alloc_free(e->env->alloc, e, sizeof *e);
}

static struct status level_open(const struct engine_open *open, struct errbuf *err,
                                struct engine **out_engine)
{
    char *message = NULL;
    struct level_engine *e = alloc_zeroed(open->env->alloc, sizeof *e);

    if (e == NULL)
        return status_of(ST_NO_MEMORY);
    e->engine.class = &ENGINE_LEVELDB;
    e->env = open->env;
    set_options(e, open->flags, open->sync);
    e->db = leveldb_open(e->options, open->path, &message);
    struct status s = take_error(message, err);
    if (failed(s))
        level_close(&e->engine);
    else
        *out_engine = &e->engine;
    return s;
}

static struct status level_session_open(struct engine *engine, struct session **out_session)
{
    struct level_engine *e = (struct level_engine *)engine;
    struct level_session *s = alloc_zeroed(e->env->alloc, sizeof *s);

    if (s == NULL)
        return status_of(ST_NO_MEMORY);
    s->session.engine = engine;
    s->batch = leveldb_writebatch_create();
    *out_session = &s->session;
    return status_ok();
}

static void level_session_close(struct session *session)
{
    if (session == NULL)
        return;
    struct level_session *s = (struct level_session *)session;
    leveldb_writebatch_destroy(s->batch);
    leveldb_free(s->value);
    alloc_free(engine_of(session)->env->alloc, s, sizeof *s);
}

static struct status level_put(struct session *session, struct bytes key, struct bytes value)
{
    struct level_engine *e = engine_of(session);
    char *message = NULL;

    leveldb_put(e->db, e->write, (const char *)key.data, key.size, (const char *)value.data,
                value.size, &message);
    return take_error(message, &session->err);
}

static struct status level_delete(struct session *session, struct bytes key)
{
    struct level_engine *e = engine_of(session);
    char *message = NULL;

    leveldb_delete(e->db, e->write, (const char *)key.data, key.size, &message);
    return take_error(message, &session->err);
}

static struct status level_write(struct session *session, const struct engine_write *writes,
                                 size_t count)
{
    struct level_session *s = (struct level_session *)session;
    struct level_engine *e = engine_of(session);
    char *message = NULL;

    leveldb_writebatch_clear(s->batch);
    for (size_t i = 0; i < count; i++) {
        const struct engine_write *w = &writes[i];
        if (w->is_delete)
            leveldb_writebatch_delete(s->batch, (const char *)w->key.data, w->key.size);
        else
            leveldb_writebatch_put(s->batch, (const char *)w->key.data, w->key.size,
                                   (const char *)w->value.data, w->value.size);
    }
    leveldb_write(e->db, e->write, s->batch, &message);
    return take_error(message, &session->err);
}

/* The library copies the value out itself; its copy is the session's. */
static struct status level_get(struct session *session, struct bytes key, struct bytes *out_value)
{
    struct level_session *s = (struct level_session *)session;
    struct level_engine *e = engine_of(session);
    char *message = NULL;
    size_t size;

    leveldb_free(s->value);
    s->value = leveldb_get(e->db, e->read, (const char *)key.data, key.size, &size, &message);
    TRY(take_error(message, &session->err));
    if (s->value == NULL)
        return status_of(ST_NOT_FOUND);
    *out_value = bytes_of(s->value, size);
    return status_ok();
}

static struct status level_iter_open(struct session *session, struct engine_iter **out_iter)
{
    struct level_engine *e = engine_of(session);
    struct level_iter *it = alloc_zeroed(e->env->alloc, sizeof *it);

    if (it == NULL)
        return status_of(ST_NO_MEMORY);
    it->iter.session = session;
    it->it = leveldb_create_iterator(e->db, e->read);
    *out_iter = &it->iter;
    return status_ok();
}

static void level_iter_close(struct engine_iter *iter)
{
    struct level_iter *it = (struct level_iter *)iter;

    leveldb_iter_destroy(it->it);
    alloc_free(engine_of(iter->session)->env->alloc, it, sizeof *it);
}

/* Where the library's iterator is now. */
static void look(struct level_iter *it)
{
    char *message = NULL;
    size_t size;

    it->iter.is_valid = leveldb_iter_valid(it->it);
    if (!it->iter.is_valid) {
        leveldb_iter_get_error(it->it, &message);
        it->iter.status = take_error(message, &it->iter.session->err);
        return;
    }
    const char *data = leveldb_iter_key(it->it, &size);
    it->iter.key = bytes_of(data, size);
    data = leveldb_iter_value(it->it, &size);
    it->iter.value = bytes_of(data, size);
}

static void level_iter_first(struct engine_iter *iter)
{
    leveldb_iter_seek_to_first(((struct level_iter *)iter)->it);
    look((struct level_iter *)iter);
}

static void level_iter_last(struct engine_iter *iter)
{
    leveldb_iter_seek_to_last(((struct level_iter *)iter)->it);
    look((struct level_iter *)iter);
}

static void level_iter_seek(struct engine_iter *iter, struct bytes key)
{
    leveldb_iter_seek(((struct level_iter *)iter)->it, (const char *)key.data, key.size);
    look((struct level_iter *)iter);
}

static void level_iter_next(struct engine_iter *iter)
{
    leveldb_iter_next(((struct level_iter *)iter)->it);
    look((struct level_iter *)iter);
}

static void level_iter_prev(struct engine_iter *iter)
{
    leveldb_iter_prev(((struct level_iter *)iter)->it);
    look((struct level_iter *)iter);
}

/* The memtable is written out before a range is compacted, even one that holds nothing. */
static struct status level_flush(struct engine *engine)
{
    struct level_engine *e = (struct level_engine *)engine;
    static const char BEYOND[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";

    leveldb_compact_range(e->db, BEYOND, sizeof BEYOND - 1, BEYOND, sizeof BEYOND - 1);
    return status_ok();
}

static struct status level_settle(struct engine *engine)
{
    TRY(level_flush(engine));
    adapter_wait_idle(((struct level_engine *)engine)->env->clock);
    return status_ok();
}

static struct status level_compact(struct engine *engine)
{
    leveldb_compact_range(((struct level_engine *)engine)->db, NULL, 0, NULL, 0);
    return status_ok();
}

static struct status level_text(struct engine *engine, enum engine_text what, FILE *out)
{
    const char *name = what == ENGINE_SSTABLES ? "leveldb.sstables" : "leveldb.stats";
    char *text = leveldb_property_value(((struct level_engine *)engine)->db, name);

    if (text == NULL)
        return status_of(ST_NOT_FOUND);
    fprintf(out, "%s\n", text);
    leveldb_free(text);
    return status_ok();
}

static const enum flag_id FLAGS[] = {
    FLAG_sync,       FLAG_cache_size,        FLAG_block_size,      FLAG_bloom_bits,
    FLAG_open_files, FLAG_write_buffer_size, FLAG_verify_checksum,
};

const struct engine_class ENGINE_LEVELDB = {
    .name = "leveldb",
    .summary = "LevelDB",
    .version = BENCH_LEVELDB_VERSION,
    .flags = FLAGS,
    .flag_count = sizeof FLAGS / sizeof FLAGS[0],
    .open = level_open,
    .close = level_close,
    .session_open = level_session_open,
    .session_close = level_session_close,
    .put = level_put,
    .delete = level_delete,
    .write = level_write,
    .get = level_get,
    .iter_open = level_iter_open,
    .iter_close = level_iter_close,
    .iter_first = level_iter_first,
    .iter_last = level_iter_last,
    .iter_seek = level_iter_seek,
    .iter_next = level_iter_next,
    .iter_prev = level_iter_prev,
    .flush = level_flush,
    .compact = level_compact,
    .settle = level_settle,
    .text = level_text,
};
