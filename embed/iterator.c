#include "embed/internal.h"

struct varve_iterator {
    struct varve *store;
    struct lsm_cursor *cursor;
    struct embed_slot *slot; /* Lends its ring. */
    bool keys_only;
};

/* The least key above all that begin with prefix; size 0 if there is none (it is all 0xff). */
static struct bytes prefix_end(struct bytes prefix, uint8_t *out)
{
    size_t n = prefix.size;
    while (n > 0 && prefix.data[n - 1] == 0xff)
        n--;
    if (n == 0)
        return bytes_of(NULL, 0);
    memcpy(out, prefix.data, n);
    out[n - 1]++;
    return bytes_of(out, n);
}

/* lower, upper and prefix as one pair of bounds. out_end has room for the prefix. */
static void narrow(const struct varve_iterator_options *o, uint8_t *out_end,
                   struct bytes *out_lower, struct bytes *out_upper)
{
    struct bytes prefix = bytes_of(o->prefix, o->prefix_size);
    struct bytes lower = bytes_of(o->lower, o->lower_size);
    struct bytes upper = bytes_of(o->upper, o->upper_size);

    if (prefix.size > 0) {
        struct bytes end = prefix_end(prefix, out_end);
        if (bytes_compare(prefix, lower) > 0)
            lower = prefix;
        if (upper.size == 0 || (end.size > 0 && bytes_compare(end, upper) < 0))
            upper = end;
    }
    *out_lower = lower;
    *out_upper = upper;
}

static enum varve_code check_options(const struct varve_iterator_options *o,
                                     struct varve_error *error)
{
    enum varve_code code = embed_check_key(o->lower, o->lower_size, error);
    if (code == VARVE_OK)
        code = embed_check_key(o->upper, o->upper_size, error);
    if (code == VARVE_OK)
        code = embed_check_key(o->prefix, o->prefix_size, error);
    return code;
}

static struct status open_cursor(struct varve *v, const struct varve_iterator_options *o,
                                 struct io_ring *ring, struct lsm_cursor **out)
{
    struct lsm_cursor_options options = {
        .keyspace = o->keyspace,
        .at = o->snapshot == NULL ? UINT64_MAX : lsm_snapshot_version(o->snapshot->snapshot),
        .keys_only = o->keys_only,
        .ring = ring,
    };
    uint8_t *end = alloc_bytes(v->env.alloc, o->prefix_size + 1);
    if (end == NULL)
        return status_of(ST_NO_MEMORY);
    narrow(o, end, &options.lower, &options.upper);
    struct status s = lsm_cursor_open(v->lsm, &options, out);
    alloc_free(v->env.alloc, end, o->prefix_size + 1);
    return s;
}

enum varve_code varve_iterator_create(struct varve *store,
                                      const struct varve_iterator_options *options,
                                      struct varve_iterator **out_iterator,
                                      struct varve_error *error)
{
    const struct varve_iterator_options all = { .snapshot = NULL };
    const struct varve_iterator_options *o = options == NULL ? &all : options;
    enum varve_code code = embed_check(store, error);

    if (code == VARVE_OK)
        code = check_options(o, error);
    if (code == VARVE_OK)
        code = embed_check_snapshot(store, o->snapshot, error);
    if (code == VARVE_OK)
        code = embed_check_keyspace(store, o->keyspace, o->snapshot, error);
    if (code != VARVE_OK)
        return code;
    if (out_iterator == NULL)
        return embed_invalid(error, "out_iterator is NULL");
    struct varve_iterator *it = alloc_zeroed(store->env.alloc, sizeof *it);
    if (it == NULL)
        return embed_error(error, status_of(ST_NO_MEMORY), "iterator", NULL);
    it->store = store;
    it->keys_only = o->keys_only;
    struct status s = embed_slot_take(store, &it->slot);
    if (succeeded(s)) {
        s = open_cursor(store, o, it->slot->ring, &it->cursor);
        if (failed(s))
            embed_slot_give(it->slot);
    }
    if (failed(s)) {
        alloc_free(store->env.alloc, it, sizeof *it);
        return embed_error(error, s, "iterator", NULL);
    }
    atomic_fetch_add_explicit(&store->held, 1, memory_order_relaxed);
    *out_iterator = it;
    return VARVE_OK;
}

void varve_iterator_destroy(struct varve_iterator *iterator)
{
    if (iterator == NULL)
        return;
    struct varve *v = iterator->store;
    lsm_cursor_close(iterator->cursor);
    embed_slot_give(iterator->slot);
    alloc_free(v->env.alloc, iterator, sizeof *iterator);
    atomic_fetch_sub_explicit(&v->held, 1, memory_order_release);
}

/* ---- Moves -------------------------------------------------------------------------------- */

static enum varve_code check(const struct varve_iterator *it, struct varve_error *error)
{
    if (it == NULL)
        return embed_invalid(error, "the iterator is NULL");
    return embed_check(it->store, error);
}

static enum varve_code moved(struct varve_iterator *it, struct status s, struct varve_error *error)
{
    return embed_error(error, s, "iterator", lsm_cursor_fetch(it->cursor)->err.text);
}

enum varve_code varve_iterator_first(struct varve_iterator *iterator, struct varve_error *error)
{
    enum varve_code code = check(iterator, error);
    return code != VARVE_OK ? code : moved(iterator, lsm_cursor_first(iterator->cursor), error);
}

enum varve_code varve_iterator_last(struct varve_iterator *iterator, struct varve_error *error)
{
    enum varve_code code = check(iterator, error);
    return code != VARVE_OK ? code : moved(iterator, lsm_cursor_last(iterator->cursor), error);
}

enum varve_code varve_iterator_seek(struct varve_iterator *iterator, const void *key,
                                    size_t key_size, struct varve_error *error)
{
    enum varve_code code = check(iterator, error);
    if (code == VARVE_OK)
        code = embed_check_key(key, key_size, error);
    if (code != VARVE_OK)
        return code;
    return moved(iterator, lsm_cursor_seek(iterator->cursor, bytes_of(key, key_size)), error);
}

enum varve_code varve_iterator_seek_for_prev(struct varve_iterator *iterator, const void *key,
                                             size_t key_size, struct varve_error *error)
{
    enum varve_code code = check(iterator, error);
    if (code == VARVE_OK)
        code = embed_check_key(key, key_size, error);
    if (code != VARVE_OK)
        return code;
    return moved(iterator, lsm_cursor_seek_for_prev(iterator->cursor, bytes_of(key, key_size)),
                 error);
}

static enum varve_code check_valid(const struct varve_iterator *it, struct varve_error *error)
{
    enum varve_code code = check(it, error);
    if (code == VARVE_OK && !lsm_cursor_is_valid(it->cursor))
        code = embed_invalid(error, "the iterator does not stand on an entry");
    return code;
}

enum varve_code varve_iterator_next(struct varve_iterator *iterator, struct varve_error *error)
{
    enum varve_code code = check_valid(iterator, error);
    return code != VARVE_OK ? code : moved(iterator, lsm_cursor_next(iterator->cursor), error);
}

enum varve_code varve_iterator_prev(struct varve_iterator *iterator, struct varve_error *error)
{
    enum varve_code code = check_valid(iterator, error);
    return code != VARVE_OK ? code : moved(iterator, lsm_cursor_prev(iterator->cursor), error);
}

/* ---- What it stands on -------------------------------------------------------------------- */

bool varve_iterator_valid(const struct varve_iterator *iterator)
{
    return iterator != NULL && lsm_cursor_is_valid(iterator->cursor);
}

struct varve_slice varve_iterator_key(const struct varve_iterator *iterator)
{
    if (!varve_iterator_valid(iterator))
        return (struct varve_slice) { .data = NULL, .size = 0 };
    struct bytes key = lsm_cursor_key(iterator->cursor);
    return (struct varve_slice) { .data = key.data, .size = key.size };
}

uint64_t varve_iterator_value_size(const struct varve_iterator *iterator)
{
    struct lsm_value v;
    if (!varve_iterator_valid(iterator))
        return 0;
    lsm_cursor_meta(iterator->cursor, &v);
    return v.size;
}

enum varve_code varve_iterator_value(struct varve_iterator *iterator, struct varve_slice *out_value,
                                     struct varve_error *error)
{
    struct lsm_value v;
    enum varve_code code = check_valid(iterator, error);

    if (code != VARVE_OK)
        return code;
    if (out_value == NULL)
        return embed_invalid(error, "out_value is NULL");
    if (iterator->keys_only)
        return embed_invalid(error, "the iterator was made with keys_only");
    struct status s = lsm_cursor_value(iterator->cursor, &v);
    if (succeeded(s))
        *out_value = (struct varve_slice) { .data = v.value.data, .size = v.value.size };
    return moved(iterator, s, error);
}
