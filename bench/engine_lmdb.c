/*
 * lmdb -- the adapter of LMDB.
 *
 * A copy-on-write B+tree in one mapped file: no log, no compaction, no checksums. Each put is a
 * transaction. Without --sync it survives the death of the process but not of the machine
 * (MDB_NOSYNC). Each session keeps one read transaction and renews it for every get.
 */
#include "bench/adapter.h"
#include "bench/engines.h"

#include <lmdb.h>

enum { READERS_MAX = 2048 };

struct map_engine {
    struct engine engine;
    const struct env *env;
    MDB_env *mdb;
    MDB_dbi dbi;
};

struct map_session {
    struct session session;
    MDB_txn *reader; /* Reset between gets. */
    struct buf copy;
};

struct map_iter {
    struct engine_iter iter;
    MDB_txn *reader;
    MDB_cursor *cursor;
};

static struct map_engine *engine_of(struct session *s)
{
    return (struct map_engine *)s->engine;
}

static struct status check(int error, struct errbuf *err)
{
    if (error == 0)
        return status_ok();
    if (error == MDB_NOTFOUND)
        return status_of(ST_NOT_FOUND);
    errbuf_set(err, "lmdb: %s", mdb_strerror(error));
    return status_of(ST_IO);
}

static MDB_val val_of(struct bytes b)
{
    return (MDB_val) { .mv_size = b.size, .mv_data = (void *)b.data };
}

/* ---- Life --------------------------------------------------------------------------------- */

static void map_close(struct engine *engine)
{
    struct map_engine *e = (struct map_engine *)engine;

    mdb_env_close(e->mdb);
    alloc_free(e->env->alloc, e, sizeof *e);
}

static struct status open_tree(struct map_engine *e, const struct engine_open *open,
                               struct errbuf *err)
{
    const unsigned flags = MDB_NOTLS | (open->sync ? 0 : MDB_NOSYNC);
    MDB_txn *txn;

    TRY(check(mdb_env_set_mapsize(e->mdb, (size_t)open->flags->map_size), err));
    TRY(check(mdb_env_set_maxreaders(e->mdb, READERS_MAX), err));
    TRY(check(mdb_env_open(e->mdb, open->path, flags, 0644), err));
    TRY(check(mdb_txn_begin(e->mdb, NULL, 0, &txn), err));
    struct status s = check(mdb_dbi_open(txn, NULL, 0, &e->dbi), err);
    if (failed(s)) {
        mdb_txn_abort(txn);
        return s;
    }
    return check(mdb_txn_commit(txn), err);
}

static struct status map_open(const struct engine_open *open, struct errbuf *err,
                              struct engine **out_engine)
{
    struct map_engine *e = alloc_zeroed(open->env->alloc, sizeof *e);

    if (e == NULL)
        return status_of(ST_NO_MEMORY);
    e->engine.class = &ENGINE_LMDB;
    e->env = open->env;
    struct status s = check(mdb_env_create(&e->mdb), err);
    if (succeeded(s))
        s = open_tree(e, open, err);
    if (failed(s))
        map_close(&e->engine);
    else
        *out_engine = &e->engine;
    return s;
}

static void map_session_close(struct session *session)
{
    if (session == NULL)
        return;
    struct map_session *s = (struct map_session *)session;
    mdb_txn_abort(s->reader);
    buf_deinit(&s->copy);
    alloc_free(engine_of(session)->env->alloc, s, sizeof *s);
}

static struct status map_session_open(struct engine *engine, struct session **out_session)
{
    struct map_engine *e = (struct map_engine *)engine;
    struct map_session *s = alloc_zeroed(e->env->alloc, sizeof *s);

    if (s == NULL)
        return status_of(ST_NO_MEMORY);
    s->session.engine = engine;
    buf_init(&s->copy, e->env->alloc, ADAPTER_COPY_MAX);
    struct status status = check(mdb_txn_begin(e->mdb, NULL, MDB_RDONLY, &s->reader), &engine->err);
    if (failed(status)) {
        map_session_close(&s->session);
        return status;
    }
    mdb_txn_reset(s->reader);
    *out_session = &s->session;
    return status;
}

/* ---- Writes and reads --------------------------------------------------------------------- */

static struct status apply(struct map_engine *e, MDB_txn *txn, const struct engine_write *w,
                           struct errbuf *err)
{
    MDB_val key = val_of(w->key);
    MDB_val value = val_of(w->value);

    if (!w->is_delete)
        return check(mdb_put(txn, e->dbi, &key, &value, 0), err);
    struct status s = check(mdb_del(txn, e->dbi, &key, NULL), err);
    return s.code == ST_NOT_FOUND ? status_ok() : s;
}

static struct status map_write(struct session *session, const struct engine_write *writes,
                               size_t count)
{
    struct map_engine *e = engine_of(session);
    struct status s = status_ok();
    MDB_txn *txn;

    TRY(check(mdb_txn_begin(e->mdb, NULL, 0, &txn), &session->err));
    for (size_t i = 0; i < count && succeeded(s); i++)
        s = apply(e, txn, &writes[i], &session->err);
    if (failed(s)) {
        mdb_txn_abort(txn);
        return s;
    }
    return check(mdb_txn_commit(txn), &session->err);
}

static struct status map_put(struct session *session, struct bytes key, struct bytes value)
{
    const struct engine_write w = { .key = key, .value = value };

    return map_write(session, &w, 1);
}

static struct status map_delete(struct session *session, struct bytes key)
{
    const struct engine_write w = { .key = key, .is_delete = true };

    return map_write(session, &w, 1);
}

static struct status map_get(struct session *session, struct bytes key, struct bytes *out_value)
{
    struct map_session *s = (struct map_session *)session;
    MDB_val k = val_of(key);
    MDB_val v;

    TRY(check(mdb_txn_renew(s->reader), &session->err));
    struct status status =
        check(mdb_get(s->reader, engine_of(session)->dbi, &k, &v), &session->err);
    if (succeeded(status))
        status = adapter_copy(&s->copy, bytes_of(v.mv_data, v.mv_size), out_value);
    mdb_txn_reset(s->reader);
    return status;
}

/* ---- Iterators ---------------------------------------------------------------------------- */

static void map_iter_close(struct engine_iter *iter)
{
    struct map_iter *it = (struct map_iter *)iter;

    if (it->cursor != NULL)
        mdb_cursor_close(it->cursor);
    if (it->reader != NULL)
        mdb_txn_abort(it->reader);
    alloc_free(engine_of(iter->session)->env->alloc, it, sizeof *it);
}

static struct status map_iter_open(struct session *session, struct engine_iter **out_iter)
{
    struct map_engine *e = engine_of(session);
    struct map_iter *it = alloc_zeroed(e->env->alloc, sizeof *it);

    if (it == NULL)
        return status_of(ST_NO_MEMORY);
    it->iter.session = session;
    struct status s = check(mdb_txn_begin(e->mdb, NULL, MDB_RDONLY, &it->reader), &session->err);
    if (succeeded(s))
        s = check(mdb_cursor_open(it->reader, e->dbi, &it->cursor), &session->err);
    if (failed(s))
        map_iter_close(&it->iter);
    else
        *out_iter = &it->iter;
    return s;
}

static void move_cursor(struct engine_iter *iter, MDB_cursor_op op, struct bytes to)
{
    struct map_iter *it = (struct map_iter *)iter;
    MDB_val key = val_of(to);
    MDB_val value;

    struct status s = check(mdb_cursor_get(it->cursor, &key, &value, op), &iter->session->err);
    iter->is_valid = succeeded(s);
    if (!iter->is_valid) {
        iter->status = s.code == ST_NOT_FOUND ? status_ok() : s;
        return;
    }
    iter->key = bytes_of(key.mv_data, key.mv_size);
    iter->value = bytes_of(value.mv_data, value.mv_size);
}

static void map_iter_first(struct engine_iter *iter)
{
    move_cursor(iter, MDB_FIRST, bytes_of(NULL, 0));
}

static void map_iter_last(struct engine_iter *iter)
{
    move_cursor(iter, MDB_LAST, bytes_of(NULL, 0));
}

static void map_iter_seek(struct engine_iter *iter, struct bytes key)
{
    move_cursor(iter, MDB_SET_RANGE, key);
}

static void map_iter_next(struct engine_iter *iter)
{
    move_cursor(iter, MDB_NEXT, bytes_of(NULL, 0));
}

static void map_iter_prev(struct engine_iter *iter)
{
    move_cursor(iter, MDB_PREV, bytes_of(NULL, 0));
}

/* ---- The whole store ---------------------------------------------------------------------- */

/* There is nothing in the background; what is not on the disk yet is in the page cache. */
static struct status map_flush(struct engine *engine)
{
    return check(mdb_env_sync(((struct map_engine *)engine)->mdb, 1), &engine->err);
}

static struct status map_text(struct engine *engine, enum engine_text what, FILE *out)
{
    MDB_stat stat;

    if (what != ENGINE_STATS)
        return status_of(ST_NOT_FOUND);
    TRY(check(mdb_env_stat(((struct map_engine *)engine)->mdb, &stat), &engine->err));
    fprintf(out, "depth %u, branch pages %zu, leaf pages %zu, overflow pages %zu, entries %zu\n",
            stat.ms_depth, stat.ms_branch_pages, stat.ms_leaf_pages, stat.ms_overflow_pages,
            stat.ms_entries);
    return status_ok();
}

static const enum flag_id FLAGS[] = { FLAG_sync, FLAG_map_size };

const struct engine_class ENGINE_LMDB = {
    .name = "lmdb",
    .summary = "LMDB",
    .version = BENCH_LMDB_VERSION,
    .flags = FLAGS,
    .flag_count = sizeof FLAGS / sizeof FLAGS[0],
    .open = map_open,
    .close = map_close,
    .session_open = map_session_open,
    .session_close = map_session_close,
    .put = map_put,
    .delete = map_delete,
    .write = map_write,
    .get = map_get,
    .iter_open = map_iter_open,
    .iter_close = map_iter_close,
    .iter_first = map_iter_first,
    .iter_last = map_iter_last,
    .iter_seek = map_iter_seek,
    .iter_next = map_iter_next,
    .iter_prev = map_iter_prev,
    .flush = map_flush,
    .settle = map_flush,
    .text = map_text,
};
