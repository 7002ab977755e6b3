#include "resp/scan.h"

#include "resp/reply.h"

void resp_walk_init(struct resp_walk *w, struct alloc *alloc, size_t found_max_bytes)
{
    *w = (struct resp_walk) { 0 };
    buf_init(&w->found, alloc, found_max_bytes);
}

static void close_cursor(struct resp_walk *w)
{
    if (w->cursor != NULL)
        w->store->ops->cursor_close(w->cursor);
    w->cursor = NULL;
}

void resp_walk_deinit(struct resp_walk *w)
{
    close_cursor(w);
    buf_deinit(&w->found);
}

void resp_walk_reset(struct resp_walk *w)
{
    struct alloc *alloc = w->found.alloc;
    size_t found_max_bytes = w->found.size_max;

    if (!w->is_begun)
        return;
    resp_walk_deinit(w);
    resp_walk_init(w, alloc, found_max_bytes);
}

/* ---- Those of EXEC's commands ---------------------------------------------------------------- */

void resp_kept_walks_rewind(struct resp_kept_walks *k)
{
    k->at = &k->first;
}

/* Hand a walk over; from is as reset. */
static void hand_over(struct resp_walk *from, struct resp_walk *to)
{
    struct buf empty = to->found;

    *to = *from;
    *from = (struct resp_walk) { .found = empty };
}

bool resp_kept_walks_has(const struct resp_kept_walks *k, size_t place)
{
    return *k->at != NULL && (*k->at)->place == place;
}

void resp_kept_walks_resume(struct resp_kept_walks *k, size_t place, struct resp_walk *w)
{
    while (*k->at != NULL && (*k->at)->place < place)
        k->at = &(*k->at)->next;
    if (resp_kept_walks_has(k, place))
        hand_over(&(*k->at)->walk, w);
}

size_t resp_kept_walks_held(const struct resp_kept_walks *k)
{
    size_t held = 0;

    for (const struct resp_kept_walk *n = k->first; n != NULL; n = n->next)
        held += sizeof *n + n->walk.found.capacity;
    return held;
}

struct status resp_kept_walks_keep(struct resp_kept_walks *k, size_t place, struct resp_walk *w)
{
    if (resp_kept_walks_held(k) + w->found.size > w->found.size_max)
        return status_of(ST_LIMIT);
    if (!resp_kept_walks_has(k, place)) {
        struct resp_kept_walk *n = alloc_zeroed(w->found.alloc, sizeof *n);
        if (n == NULL)
            return status_of(ST_NO_MEMORY);
        n->place = place;
        n->next = *k->at;
        *k->at = n;
        resp_walk_init(&n->walk, w->found.alloc, w->found.size_max);
    }
    if (w->is_finished)
        close_cursor(w);
    hand_over(w, &(*k->at)->walk);
    return status_ok();
}

void resp_kept_walks_reset(struct resp_kept_walks *k, struct alloc *alloc)
{
    while (k->first != NULL) {
        struct resp_kept_walk *next = k->first->next;
        resp_walk_deinit(&k->first->walk);
        alloc_free(alloc, k->first, sizeof *k->first);
        k->first = next;
    }
    k->at = NULL;
}

/* ---- Walking --------------------------------------------------------------------------------- */

static void bound_of(const struct resp_walk *w, uint64_t position, uint8_t out[RESP_META_PREFIX])
{
    resp_meta_bound((uint32_t)(position >> 32), w->database_id, (uint32_t)position, out);
}

struct status resp_walk_open(struct resp_walk *w, struct resp_call *call, uint64_t position)
{
    uint8_t lower[RESP_META_PREFIX];
    uint8_t upper[2];
    /* A transaction reads rows and walks over them, and all of it must agree. */
    unsigned flags = STORE_CURSOR_KEYS | (call->overlay != NULL ? STORE_CURSOR_EXACT : 0);

    if (w->cursor != NULL)
        return status_ok();
    if (!w->is_begun) {
        w->is_begun = true;
        w->store = call->store;
        w->database_id = call->database_id;
        w->position = position;
    }
    bound_of(w, w->position, lower);
    put_u16_be(upper, RESP_SLOTS);
    return call->store->ops->cursor_open(call->store, bytes_of(lower, sizeof lower),
                                         bytes_of(upper, sizeof upper), flags, &w->cursor);
}

struct status resp_walk_move(struct resp_walk *w, struct resp_call *call, uint64_t position)
{
    close_cursor(w);
    w->position = position;
    return resp_walk_open(w, call, position);
}

/* Where the walk goes on when it has met this row: the position of its own next meta row. */
static uint64_t position_behind(const struct resp_walk *w, const struct resp_row_key *row)
{
    uint64_t slot = (uint64_t)row->place.slot << 32;
    bool is_before = row->kind != RESP_KEY_EXPIRY && row->place.database_id <= w->database_id;

    return is_before ? slot : slot + (UINT64_C(1) << 32);
}

struct status resp_walk_next(struct resp_walk *w, struct resp_call *call, size_t seeks_max,
                             struct resp_walked *out)
{
    for (;;) {
        struct bytes key;
        struct store_row row;
        struct resp_row_key row_key;
        struct status s = w->store->ops->cursor_next(w->cursor, &key, &row);
        if (s.code == ST_NOT_FOUND)
            w->position = RESP_POSITION_END;
        if (failed(s))
            return s;
        TRY(resp_row_key_decode(key, &row_key));

        if (row_key.kind == RESP_KEY_META && row_key.place.database_id == w->database_id) {
            if (row.expire_ms != 0 && row.expire_ms <= call->now_ms)
                continue;
            w->position = (uint64_t)row_key.place.slot << 32 | row_key.place.hash;
            *out =
                (struct resp_walked) { .row_key = key, .key = row_key.place.key, .type = row.type };
            return status_ok();
        }
        w->position = position_behind(w, &row_key);
        if (w->position == RESP_POSITION_END || w->seeks == seeks_max)
            return status_of(ST_NOT_FOUND);
        uint8_t bound[RESP_META_PREFIX];
        bound_of(w, w->position, bound);
        w->store->ops->cursor_seek(w->cursor, bytes_of(bound, sizeof bound));
        w->seeks++;
    }
}

void resp_walk_found(struct resp_walk *w, struct bytes key)
{
    struct resp_reply r;

    resp_reply_init(&r, &w->found, 2);
    resp_reply_bulk(&r, key);
    w->found_count++;
}

bool resp_walk_is_written(const struct resp_call *call, struct bytes row_key)
{
    return call->overlay != NULL && resp_overlay_has(call->overlay, row_key);
}

struct status resp_walk_open_written(struct resp_call *call, struct bytes row, uint64_t from,
                                     uint64_t to, struct resp_entry *e, bool *out_is_there)
{
    struct resp_row_key key;

    TRY(resp_row_key_decode(row, &key));
    uint64_t position = (uint64_t)key.place.slot << 32 | key.place.hash;
    *out_is_there = false;
    if (key.place.database_id != call->database_id || position < from || position >= to)
        return status_ok();
    *e = (struct resp_entry) { .place = key.place, .database = call->database, .row_key = row };
    TRY(resp_entry_load(call, RESP_ENTRY_FACTS, e));
    *out_is_there = e->is_live;
    return status_ok();
}
