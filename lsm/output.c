#include "lsm/internal.h"

#include "base/check.h"

struct status lsm_output_init(struct lsm_output *o, struct lsm *l, struct io_ring *ring,
                              struct lsm_edit *edit, uint32_t level)
{
    *o = (struct lsm_output) {
        .lsm = l,
        .ring = ring,
        .edit = edit,
        .level = level,
        .size_target = level == 0 ? UINT64_MAX : l->options.table_size,
    };
    o->keys = alloc_bytes(l->env->alloc, 3 * (size_t)LSM_KEY_MAX);
    if (o->keys == NULL)
        return status_of(ST_NO_MEMORY);
    o->drop.key = o->keys;
    o->last_key = o->keys + LSM_KEY_MAX;
    o->cut = o->last_key + LSM_KEY_MAX;
    return status_ok();
}

void lsm_output_deinit(struct lsm_output *o)
{
    if (o->lsm == NULL)
        return;
    lsm_table_builder_abandon(o->builder);
    o->builder = NULL;
    alloc_free(o->lsm->env->alloc, o->keys, 3 * (size_t)LSM_KEY_MAX);
    o->keys = NULL;
}

static struct status ensure_builder(struct lsm_output *o)
{
    uint64_t id;
    if (o->builder != NULL)
        return status_ok();
    TRY(lsm_take_id(o->lsm, &id));
    const struct lsm_table_options options = {
        .block_size = o->lsm->options.block_size,
        .filter_bits = o->lsm->options.filter_bits,
    };
    return lsm_table_builder_create(o->lsm->env, o->ring, o->lsm->dir, id, &options, &o->builder);
}

/* The part of range delete r that lies in [begin, end) (size 0 end: no bound; no begin: none). */
static bool clip(struct lsm_range_delete *r, const struct lsm_output *o, struct bytes end)
{
    struct bytes begin = bytes_of(o->cut, o->cut_size);
    if (o->has_cut && bytes_compare(r->begin, begin) < 0)
        r->begin = begin;
    if (end.size > 0 && bytes_compare(r->end, end) > 0)
        r->end = end;
    return bytes_compare(r->begin, r->end) < 0;
}

/* Range deletes between the last cut and end that must be kept go into the output being closed. */
static struct status add_range_deletes(struct lsm_output *o, struct bytes end)
{
    size_t count = o->drop.range_deletes == NULL ? 0 : lsm_rangedel_count(o->drop.range_deletes);
    for (size_t i = 0; i < count; i++) {
        struct lsm_range_delete r;
        lsm_rangedel_at(o->drop.range_deletes, i, &r);
        if (!clip(&r, o, end) || !lsm_drop_keeps_range(&o->drop, &r))
            continue;
        TRY(ensure_builder(o));
        TRY(lsm_table_builder_add_range_delete(o->builder, &r));
    }
    return status_ok();
}

/* Close the output; the next one begins at key (size 0: there is none). */
static struct status cut_at(struct lsm_output *o, struct bytes key)
{
    struct lsm_table_meta meta;
    struct lsm_file *file;

    TRY(add_range_deletes(o, key));
    if (o->builder != NULL) {
        struct lsm_table_builder *b = o->builder;
        o->builder = NULL;
        TRY(lsm_table_builder_finish(b, &meta));
        o->written_bytes += meta.file_size;
        TRY(lsm_file_create(o->lsm, &meta, &file));
        TRY(lsm_edit_add(o->edit, o->level, file));
    }
    if (key.size > 0) {
        memcpy(o->cut, key.data, key.size);
        o->cut_size = key.size;
        o->has_cut = true;
    }
    return status_ok();
}

/* Would the output overlap too much of the level after the next, so that moving it on would cost
 * more than its size is worth? Counted as keys pass the grandparents' bounds. */
static bool overlaps_too_much(struct lsm_output *o, struct bytes key)
{
    const struct lsm_level *g = o->grandparents;
    while (g != NULL && o->grandparent_at < g->count &&
           bytes_compare(g->fences[o->grandparent_at].file->meta.largest, key) < 0) {
        if (o->builder != NULL)
            o->grandparent_bytes += g->fences[o->grandparent_at].file->meta.file_size;
        o->grandparent_at++;
    }
    return o->grandparent_bytes > 10 * o->size_target;
}

bool lsm_output_wants(struct lsm_output *o, const struct lsm_entry *e)
{
    bool keeps = lsm_drop_keeps(&o->drop, e);
    o->kept += keeps;
    o->dropped += !keeps;
    return keeps;
}

struct status lsm_output_add(struct lsm_output *o, const struct lsm_entry *e)
{
    bool is_new_key =
        !o->has_last_key || !bytes_equal(e->key, bytes_of(o->last_key, o->last_key_size));
    if (is_new_key) {
        /* Only between keys: a level is searched for one file a key. */
        bool is_far = overlaps_too_much(o, e->key);
        if (o->builder != NULL && (is_far || lsm_table_builder_size(o->builder) >= o->size_target ||
                                   lsm_table_builder_is_full(o->builder))) {
            TRY(cut_at(o, e->key));
            o->grandparent_bytes = 0;
        }
        memcpy(o->last_key, e->key.data, e->key.size);
        o->last_key_size = e->key.size;
        o->has_last_key = true;
    }
    TRY(ensure_builder(o));
    return lsm_table_builder_add(o->builder, e);
}

struct status lsm_output_finish(struct lsm_output *o)
{
    return cut_at(o, bytes_of(NULL, 0));
}
