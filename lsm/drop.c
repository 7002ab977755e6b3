#include "lsm/drop.h"

static void begin_key(struct lsm_drop *d, struct bytes key)
{
    memcpy(d->key, key.data, key.size);
    d->key_size = key.size;
    d->has_key = true;
    d->is_past_floor_entry = false;
}

bool lsm_drop_keeps(struct lsm_drop *d, const struct lsm_entry *e)
{
    d->is_new_key = !d->has_key || !bytes_equal(e->key, bytes_of(d->key, d->key_size));
    if (d->is_new_key)
        begin_key(d, e->key);
    if (e->version > d->floor)
        return true; /* (a) */
    if (d->is_past_floor_entry)
        return false; /* (c) */
    d->is_past_floor_entry = true;
    if (e->version < lsm_rangedel_cover(d->range_deletes, e->key, d->floor))
        return false; /* (b) */
    if (e->kind != LSM_DELETE)
        return true;
    return d->may_lie_below(d->context, e->key, bytes_of(NULL, 0));
}

bool lsm_drop_keeps_range(const struct lsm_drop *d, const struct lsm_range_delete *r)
{
    return r->version > d->floor || d->may_lie_below(d->context, r->begin, r->end);
}
