/*
 * rocksdb -- the adapter of RocksDB, through its C API; plain, and with values apart (BlobDB).
 *
 * Tuned as the peer of every comparison is (bench/README.md): Bloom filters, an LRU cache of the
 * bytes given, 64 MiB write buffers, dynamic level bytes, index and filters on the heap, a blob
 * cache that is the block cache.
 */
#include "bench/adapter.h"
#include "bench/engines.h"

#include <rocksdb/c.h>

enum { MULTI_GET_MAX = 1024 };

struct rocks_engine {
    struct engine engine;
    const struct env *env;
    rocksdb_t *db;
    rocksdb_column_family_handle_t *family;
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *table;
    rocksdb_cache_t *cache;
    rocksdb_readoptions_t *read;
    rocksdb_writeoptions_t *write;
};

struct rocks_session {
    struct session session;
    rocksdb_writebatch_t *batch;
    struct buf copy;
    const char *keys[MULTI_GET_MAX];
    size_t key_sizes[MULTI_GET_MAX];
    rocksdb_pinnableslice_t *values[MULTI_GET_MAX];
    char *errors[MULTI_GET_MAX];
};

struct rocks_iter {
    struct engine_iter iter;
    rocksdb_iterator_t *it;
};

static struct rocks_engine *engine_of(struct session *s)
{
    return (struct rocks_engine *)s->engine;
}

/* The library's message, if there is one, into err. Frees it. */
static struct status take_error(char *message, struct errbuf *err)
{
    if (message == NULL)
        return status_ok();
    errbuf_set(err, "rocksdb: %s", message);
    rocksdb_free(message);
    return status_of(ST_IO);
}

/* ---- Life --------------------------------------------------------------------------------- */

static void set_table_options(struct rocks_engine *e, const struct flags *f)
{
    e->table = rocksdb_block_based_options_create();
    e->cache = rocksdb_cache_create_lru((size_t)f->cache_size);
    rocksdb_block_based_options_set_block_cache(e->table, e->cache);
    rocksdb_block_based_options_set_block_size(e->table, (size_t)f->block_size);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(e->table,
                                                                  f->cache_index_and_filter_blocks);
    if (f->bloom_bits > 0)
        rocksdb_block_based_options_set_filter_policy(
            e->table, rocksdb_filterpolicy_create_bloom_full((double)f->bloom_bits));
    rocksdb_options_set_block_based_table_factory(e->options, e->table);
}

static void set_blob_options(struct rocks_engine *e, const struct flags *f)
{
    rocksdb_options_set_enable_blob_files(e->options, 1);
    rocksdb_options_set_min_blob_size(e->options, (uint64_t)f->min_blob_size);
    rocksdb_options_set_blob_file_size(e->options, (uint64_t)f->blob_file_size);
    rocksdb_options_set_enable_blob_gc(e->options, f->enable_blob_garbage_collection);
    rocksdb_options_set_blob_gc_age_cutoff(e->options, f->blob_garbage_collection_age_cutoff);
    rocksdb_options_set_blob_gc_force_threshold(e->options,
                                                f->blob_garbage_collection_force_threshold);
    rocksdb_options_set_blob_cache(e->options, e->cache);
}

static struct status set_options(struct rocks_engine *e, const struct engine_open *open,
                                 struct errbuf *err)
{
    const struct flags *f = open->flags;
    int compression = rocksdb_no_compression;

    if (strcmp(f->compression_type, "zstd") == 0) {
        compression = rocksdb_zstd_compression;
    } else if (strcmp(f->compression_type, "none") != 0) {
        errbuf_set(err, "--compression_type=%s: expected none or zstd", f->compression_type);
        return status_of(ST_INVALID);
    }
    rocksdb_options_set_create_if_missing(e->options, 1);
    rocksdb_options_set_write_buffer_size(e->options, (size_t)f->write_buffer_size);
    rocksdb_options_set_max_write_buffer_number(e->options, (int)f->max_write_buffer_number);
    rocksdb_options_set_max_background_jobs(e->options, (int)f->max_background_jobs);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(e->options, 1);
    rocksdb_options_set_bytes_per_sync(e->options, (uint64_t)f->bytes_per_sync);
    rocksdb_options_set_recycle_log_file_num(e->options, (size_t)f->recycle_log_file_num);
    rocksdb_options_set_max_open_files(e->options, (int)f->open_files);
    rocksdb_options_set_compression(e->options, compression);
    rocksdb_options_set_use_direct_reads(e->options, f->use_direct_reads);
    rocksdb_options_set_use_direct_io_for_flush_and_compaction(
        e->options, f->use_direct_io_for_flush_and_compaction);
    set_table_options(e, f);
    e->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(e->read, f->verify_checksum);
    e->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(e->write, open->sync);
    rocksdb_writeoptions_disable_WAL(e->write, f->disable_wal);
    return status_ok();
}

static void rocks_close(struct engine *engine)
{
    struct rocks_engine *e = (struct rocks_engine *)engine;

    if (e->db != NULL) {
        rocksdb_column_family_handle_destroy(e->family);
        rocksdb_close(e->db);
    }
    if (e->write != NULL)
        rocksdb_writeoptions_destroy(e->write);
    if (e->read != NULL)
        rocksdb_readoptions_destroy(e->read);
    if (e->table != NULL)
        rocksdb_block_based_options_destroy(e->table);
    if (e->cache != NULL)
        rocksdb_cache_destroy(e->cache);
    rocksdb_options_destroy(e->options);
    alloc_free(e->env->alloc, e, sizeof *e);
}

static struct status open_class(const struct engine_class *class, const struct engine_open *open,
                                struct errbuf *err, struct engine **out_engine)
{
    const char *family_name = "default";
    char *message = NULL;
    struct rocks_engine *e = alloc_zeroed(open->env->alloc, sizeof *e);

    if (e == NULL)
        return status_of(ST_NO_MEMORY);
    e->engine.class = class;
    e->env = open->env;
    e->options = rocksdb_options_create();
    struct status s = set_options(e, open, err);
    if (failed(s))
        goto out;
    if (class == &ENGINE_ROCKSDB_BLOB)
        set_blob_options(e, open->flags);
    const rocksdb_options_t *options = e->options;
    e->db = rocksdb_open_column_families(e->options, open->path, 1, &family_name, &options,
                                         &e->family, &message);
    s = take_error(message, err);
out:
    if (failed(s))
        rocks_close(&e->engine);
    else
        *out_engine = &e->engine;
    return s;
}

static struct status rocks_open(const struct engine_open *open, struct errbuf *err,
                                struct engine **out_engine)
{
    return open_class(&ENGINE_ROCKSDB, open, err, out_engine);
}

static struct status blob_open(const struct engine_open *open, struct errbuf *err,
                               struct engine **out_engine)
{
    return open_class(&ENGINE_ROCKSDB_BLOB, open, err, out_engine);
}

static struct status rocks_session_open(struct engine *engine, struct session **out_session)
{
    struct rocks_engine *e = (struct rocks_engine *)engine;
    struct rocks_session *s = alloc_zeroed(e->env->alloc, sizeof *s);

    if (s == NULL)
        return status_of(ST_NO_MEMORY);
    s->session.engine = engine;
    s->batch = rocksdb_writebatch_create();
    buf_init(&s->copy, e->env->alloc, ADAPTER_COPY_MAX);
    *out_session = &s->session;
    return status_ok();
}

static void rocks_session_close(struct session *session)
{
    if (session == NULL)
        return;
    struct rocks_session *s = (struct rocks_session *)session;
    rocksdb_writebatch_destroy(s->batch);
    buf_deinit(&s->copy);
    alloc_free(engine_of(session)->env->alloc, s, sizeof *s);
}

/* ---- Writes and reads --------------------------------------------------------------------- */

static struct status rocks_put(struct session *session, struct bytes key, struct bytes value)
{
    struct rocks_engine *e = engine_of(session);
    char *message = NULL;

    rocksdb_put(e->db, e->write, (const char *)key.data, key.size, (const char *)value.data,
                value.size, &message);
    return take_error(message, &session->err);
}

static struct status rocks_delete(struct session *session, struct bytes key)
{
    struct rocks_engine *e = engine_of(session);
    char *message = NULL;

    rocksdb_delete(e->db, e->write, (const char *)key.data, key.size, &message);
    return take_error(message, &session->err);
}

static struct status rocks_write(struct session *session, const struct engine_write *writes,
                                 size_t count)
{
    struct rocks_session *s = (struct rocks_session *)session;
    struct rocks_engine *e = engine_of(session);
    char *message = NULL;

    rocksdb_writebatch_clear(s->batch);
    for (size_t i = 0; i < count; i++) {
        const struct engine_write *w = &writes[i];
        if (w->is_delete)
            rocksdb_writebatch_delete(s->batch, (const char *)w->key.data, w->key.size);
        else
            rocksdb_writebatch_put(s->batch, (const char *)w->key.data, w->key.size,
                                   (const char *)w->value.data, w->value.size);
    }
    rocksdb_write(e->db, e->write, s->batch, &message);
    return take_error(message, &session->err);
}

static struct bytes slice_bytes(const rocksdb_pinnableslice_t *slice)
{
    size_t size;
    const char *data = rocksdb_pinnableslice_value(slice, &size);

    return bytes_of(data, size);
}

static struct status rocks_get(struct session *session, struct bytes key, struct bytes *out_value)
{
    struct rocks_session *s = (struct rocks_session *)session;
    struct rocks_engine *e = engine_of(session);
    char *message = NULL;

    rocksdb_pinnableslice_t *slice =
        rocksdb_get_pinned(e->db, e->read, (const char *)key.data, key.size, &message);
    TRY(take_error(message, &session->err));
    if (slice == NULL)
        return status_of(ST_NOT_FOUND);
    struct status status = adapter_copy(&s->copy, slice_bytes(slice), out_value);
    rocksdb_pinnableslice_destroy(slice);
    return status;
}

/* Make room for count copies at once: what is handed out must not move. */
static struct status copy_values(struct rocks_session *s, size_t count, struct bytes *out_values)
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++)
        total += s->values[i] != NULL ? slice_bytes(s->values[i]).size : 0;
    buf_reset(&s->copy);
    uint8_t *at = buf_extend(&s->copy, total);
    if (at == NULL)
        return status_of(ST_NO_MEMORY);
    for (size_t i = 0; i < count; i++) {
        out_values[i] = bytes_of(NULL, 0);
        if (s->values[i] == NULL)
            continue;
        struct bytes v = slice_bytes(s->values[i]);
        memcpy(at, v.data, v.size);
        out_values[i] = bytes_of(at, v.size);
        at += v.size;
    }
    return status_ok();
}

static struct status rocks_multi_get(struct session *session, const struct bytes *keys,
                                     size_t count, struct bytes *out_values)
{
    struct rocks_session *s = (struct rocks_session *)session;
    struct rocks_engine *e = engine_of(session);
    struct status status = status_ok();

    if (count > MULTI_GET_MAX) {
        errbuf_set(&session->err, "at most %d keys at once", MULTI_GET_MAX);
        return status_of(ST_LIMIT);
    }
    for (size_t i = 0; i < count; i++) {
        s->keys[i] = (const char *)keys[i].data;
        s->key_sizes[i] = keys[i].size;
    }
    rocksdb_batched_multi_get_cf(e->db, e->read, e->family, count, s->keys, s->key_sizes, s->values,
                                 s->errors, false);
    for (size_t i = 0; i < count; i++) {
        struct status one = take_error(s->errors[i], &session->err);
        if (failed(one))
            status = one;
    }
    if (succeeded(status))
        status = copy_values(s, count, out_values);
    for (size_t i = 0; i < count; i++)
        rocksdb_pinnableslice_destroy(s->values[i]);
    return status;
}

/* ---- Iterators ---------------------------------------------------------------------------- */

static struct status rocks_iter_open(struct session *session, struct engine_iter **out_iter)
{
    struct rocks_engine *e = engine_of(session);
    struct rocks_iter *it = alloc_zeroed(e->env->alloc, sizeof *it);

    if (it == NULL)
        return status_of(ST_NO_MEMORY);
    it->iter.session = session;
    it->it = rocksdb_create_iterator(e->db, e->read);
    *out_iter = &it->iter;
    return status_ok();
}

static void rocks_iter_close(struct engine_iter *iter)
{
    struct rocks_iter *it = (struct rocks_iter *)iter;

    rocksdb_iter_destroy(it->it);
    alloc_free(engine_of(iter->session)->env->alloc, it, sizeof *it);
}

/* Where the library's iterator is now. */
static void look(struct rocks_iter *it)
{
    char *message = NULL;
    size_t size;

    it->iter.is_valid = rocksdb_iter_valid(it->it);
    if (!it->iter.is_valid) {
        rocksdb_iter_get_error(it->it, &message);
        it->iter.status = take_error(message, &it->iter.session->err);
        return;
    }
    const char *data = rocksdb_iter_key(it->it, &size);
    it->iter.key = bytes_of(data, size);
    data = rocksdb_iter_value(it->it, &size);
    it->iter.value = bytes_of(data, size);
}

static void rocks_iter_first(struct engine_iter *iter)
{
    rocksdb_iter_seek_to_first(((struct rocks_iter *)iter)->it);
    look((struct rocks_iter *)iter);
}

static void rocks_iter_last(struct engine_iter *iter)
{
    rocksdb_iter_seek_to_last(((struct rocks_iter *)iter)->it);
    look((struct rocks_iter *)iter);
}

static void rocks_iter_seek(struct engine_iter *iter, struct bytes key)
{
    rocksdb_iter_seek(((struct rocks_iter *)iter)->it, (const char *)key.data, key.size);
    look((struct rocks_iter *)iter);
}

static void rocks_iter_next(struct engine_iter *iter)
{
    rocksdb_iter_next(((struct rocks_iter *)iter)->it);
    look((struct rocks_iter *)iter);
}

static void rocks_iter_prev(struct engine_iter *iter)
{
    rocksdb_iter_prev(((struct rocks_iter *)iter)->it);
    look((struct rocks_iter *)iter);
}

/* ---- The whole store ---------------------------------------------------------------------- */

static struct status rocks_flush(struct engine *engine)
{
    struct rocks_engine *e = (struct rocks_engine *)engine;
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    char *message = NULL;

    rocksdb_flushoptions_set_wait(options, 1);
    rocksdb_flush(e->db, options, &message);
    rocksdb_flushoptions_destroy(options);
    return take_error(message, &engine->err);
}

static bool has_work(struct rocks_engine *e)
{
    static const char *const PROPERTIES[] = {
        "rocksdb.mem-table-flush-pending",
        "rocksdb.num-running-flushes",
        "rocksdb.compaction-pending",
        "rocksdb.num-running-compactions",
    };

    for (size_t i = 0; i < sizeof PROPERTIES / sizeof PROPERTIES[0]; i++) {
        uint64_t value = 0;
        if (rocksdb_property_int(e->db, PROPERTIES[i], &value) == 0 && value != 0)
            return true;
    }
    return false;
}

static struct status rocks_settle(struct engine *engine)
{
    const uint64_t pause_ns = 1000 * 1000;
    struct rocks_engine *e = (struct rocks_engine *)engine;

    TRY(rocks_flush(engine));
    /* Between a compaction and the next that follows from it there is a moment of nothing. */
    for (int quiet = 0; quiet < 5; quiet = has_work(e) ? 0 : quiet + 1)
        adapter_pause(pause_ns);
    return status_ok();
}

static struct status rocks_compact(struct engine *engine)
{
    rocksdb_compact_range(((struct rocks_engine *)engine)->db, NULL, 0, NULL, 0);
    return status_ok();
}

static struct status rocks_text(struct engine *engine, enum engine_text what, FILE *out)
{
    static const char *const NAMES[] = {
        [ENGINE_STATS] = "rocksdb.stats",
        [ENGINE_LEVELSTATS] = "rocksdb.levelstats",
        [ENGINE_SSTABLES] = "rocksdb.sstables",
    };
    char *text = rocksdb_property_value(((struct rocks_engine *)engine)->db, NAMES[what]);

    if (text == NULL)
        return status_of(ST_NOT_FOUND);
    fprintf(out, "%s\n", text);
    rocksdb_free(text);
    return status_ok();
}

#define COMMON_FLAGS                                                                               \
    FLAG_sync, FLAG_disable_wal, FLAG_cache_size, FLAG_block_size, FLAG_bloom_bits,                \
        FLAG_write_buffer_size, FLAG_max_write_buffer_number, FLAG_max_background_jobs,            \
        FLAG_bytes_per_sync, FLAG_recycle_log_file_num, FLAG_open_files, FLAG_compression_type,    \
        FLAG_verify_checksum, FLAG_use_direct_reads, FLAG_use_direct_io_for_flush_and_compaction,  \
        FLAG_cache_index_and_filter_blocks
static const enum flag_id PLAIN_FLAGS[] = { COMMON_FLAGS };
static const enum flag_id BLOB_FLAGS[] = {
    COMMON_FLAGS,
    FLAG_min_blob_size,
    FLAG_blob_file_size,
    FLAG_enable_blob_garbage_collection,
    FLAG_blob_garbage_collection_age_cutoff,
    FLAG_blob_garbage_collection_force_threshold,
};

#define COMMON_TABLE                                                                               \
    .version = BENCH_ROCKSDB_VERSION, .close = rocks_close, .session_open = rocks_session_open,    \
    .session_close = rocks_session_close, .put = rocks_put, .delete = rocks_delete,                \
    .write = rocks_write, .get = rocks_get, .multi_get = rocks_multi_get,                          \
    .iter_open = rocks_iter_open, .iter_close = rocks_iter_close, .iter_first = rocks_iter_first,  \
    .iter_last = rocks_iter_last, .iter_seek = rocks_iter_seek, .iter_next = rocks_iter_next,      \
    .iter_prev = rocks_iter_prev, .flush = rocks_flush, .compact = rocks_compact,                  \
    .settle = rocks_settle, .text = rocks_text

const struct engine_class ENGINE_ROCKSDB = {
    .name = "rocksdb",
    .summary = "RocksDB, tuned",
    .flags = PLAIN_FLAGS,
    .flag_count = sizeof PLAIN_FLAGS / sizeof PLAIN_FLAGS[0],
    .open = rocks_open,
    COMMON_TABLE,
};

const struct engine_class ENGINE_ROCKSDB_BLOB = {
    .name = "rocksdb-blob",
    .summary = "RocksDB, tuned, values in blob files",
    .flags = BLOB_FLAGS,
    .flag_count = sizeof BLOB_FLAGS / sizeof BLOB_FLAGS[0],
    .open = blob_open,
    COMMON_TABLE,
};
