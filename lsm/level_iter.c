#include "lsm/level_iter.h"

struct level_iter {
    struct lsm_iter iter;
    struct alloc *alloc;
    struct lsm_level_iter_options options;
    struct lsm_level level; /* Just the fences, for lsm_level_find. */
    struct lsm_iter *table; /* The iter of file `at`; NULL before the first move. */
    uint32_t at;
    struct lsm_iter *ahead; /* The iter of file ahead_at, being entered; or NULL. */
    uint32_t ahead_at;
    bool is_crossing; /* A move left file at's table and waits for the first block ahead. */
};

/* Make the iter of file the current one. */
static struct status enter(struct level_iter *l, uint32_t file)
{
    if (l->table != NULL && l->at == file)
        return status_ok();
    struct lsm_iter *table;
    TRY(lsm_table_iter(l->options.fences[file].file->table, l->options.fetch, &l->options.table,
                       &table));
    lsm_iter_destroy(l->table);
    l->table = table;
    l->at = file;
    return status_ok();
}

static void show(struct level_iter *l)
{
    l->iter.is_valid = l->table != NULL && l->table->is_valid;
    if (l->iter.is_valid)
        l->iter.entry = l->table->entry;
}

static struct status at_end(struct level_iter *l)
{
    l->iter.is_valid = false;
    return status_ok();
}

static void drop_ahead(struct level_iter *l)
{
    lsm_iter_destroy(l->ahead);
    l->ahead = NULL;
}

/*
 * To the end of `file` that comes first in the direction, or of the next file that has entries (one
 * may hold range deletes only); the end of the level if there is none. Files before the first wrap
 * to UINT32_MAX. The current table is left only when the new one stands on an entry.
 */
static struct status go_into(struct level_iter *l, uint32_t file, bool is_back)
{
    while (file < l->options.count) {
        if (l->ahead == NULL || l->ahead_at != file) {
            drop_ahead(l);
            TRY(lsm_table_iter(l->options.fences[file].file->table, l->options.fetch,
                               &l->options.table, &l->ahead));
            l->ahead_at = file;
        }
        TRY(is_back ? lsm_iter_last(l->ahead) : lsm_iter_first(l->ahead));
        if (l->ahead->is_valid) {
            lsm_iter_destroy(l->table);
            l->table = l->ahead;
            l->at = file;
            l->ahead = NULL;
            show(l);
            return status_ok();
        }
        file += is_back ? UINT32_MAX : 1;
    }
    drop_ahead(l);
    return at_end(l);
}

static struct status level_seek(struct lsm_iter *it, struct bytes key, uint64_t version)
{
    struct level_iter *l = (struct level_iter *)it;
    l->is_crossing = false;
    uint32_t file = lsm_level_find(&l->level, key);
    if (file == l->options.count)
        return at_end(l);
    TRY(enter(l, file));
    TRY(lsm_iter_seek(l->table, key, version));
    if (!l->table->is_valid)
        return go_into(l, file + 1, false);
    show(l);
    return status_ok();
}

static struct status level_seek_before(struct lsm_iter *it, struct bytes key, uint64_t version)
{
    struct level_iter *l = (struct level_iter *)it;
    l->is_crossing = false;
    uint32_t file = lsm_level_find(&l->level, key);
    if (file == l->options.count)
        return go_into(l, file - 1, true);
    TRY(enter(l, file));
    TRY(lsm_iter_seek_before(l->table, key, version));
    if (!l->table->is_valid)
        return go_into(l, file - 1, true);
    show(l);
    return status_ok();
}

static struct status level_first(struct lsm_iter *it)
{
    struct level_iter *l = (struct level_iter *)it;
    l->is_crossing = false;
    return go_into(l, 0, false);
}

static struct status level_last(struct lsm_iter *it)
{
    struct level_iter *l = (struct level_iter *)it;
    l->is_crossing = false;
    return go_into(l, l->options.count - 1, true);
}

/* Past the end of a table the move goes on in the next one; made again after AGAIN, it goes on
 * there and does not ask the ended table. */
static struct status cross(struct level_iter *l, bool is_back)
{
    struct status s = go_into(l, l->at + (is_back ? UINT32_MAX : 1), is_back);
    l->is_crossing = s.code == ST_AGAIN;
    return s;
}

static struct status level_next(struct lsm_iter *it)
{
    struct level_iter *l = (struct level_iter *)it;
    if (!l->is_crossing) {
        TRY(lsm_iter_next(l->table));
        if (l->table->is_valid) {
            l->iter.entry = l->table->entry;
            return status_ok();
        }
    }
    return cross(l, false);
}

static struct status level_prev(struct lsm_iter *it)
{
    struct level_iter *l = (struct level_iter *)it;
    if (!l->is_crossing) {
        TRY(lsm_iter_prev(l->table));
        if (l->table->is_valid) {
            l->iter.entry = l->table->entry;
            return status_ok();
        }
    }
    return cross(l, true);
}

static void level_destroy(struct lsm_iter *it)
{
    struct level_iter *l = (struct level_iter *)it;
    lsm_iter_destroy(l->table);
    lsm_iter_destroy(l->ahead);
    alloc_free(l->alloc, l, sizeof *l);
}

static const struct lsm_iter_ops level_ops = {
    .seek = level_seek,
    .seek_before = level_seek_before,
    .first = level_first,
    .last = level_last,
    .next = level_next,
    .prev = level_prev,
    .destroy = level_destroy,
};

struct status lsm_level_iter_create(struct alloc *a, const struct lsm_level_iter_options *options,
                                    struct lsm_iter **out_iter)
{
    struct level_iter *l = alloc_zeroed(a, sizeof *l);
    if (l == NULL)
        return status_of(ST_NO_MEMORY);
    l->iter.ops = &level_ops;
    l->alloc = a;
    l->options = *options;
    l->level = (struct lsm_level) { .fences = (struct lsm_fence *)options->fences,
                                    .count = options->count };
    *out_iter = &l->iter;
    return status_ok();
}
