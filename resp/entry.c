#include "resp/entry.h"

#include "base/check.h"

#include "resp/command.h"
#include "resp/notify.h"
#include "resp/session.h"

#include <stdlib.h>

/* Up to so many chunks an object is removed row by row; a range delete costs readers more. */
enum { POINT_DELETES_MAX = 64 };

static struct status init(struct resp_call *call, uint32_t database_id, struct bytes key,
                          struct resp_entry *out)
{
    if (key.size > RESP_KEY_MAX_BYTES)
        return status_of(ST_LIMIT);

    uint8_t *row_key = arena_take(call->arena, RESP_META_PREFIX + key.size);
    if (row_key == NULL)
        return status_of(ST_NO_MEMORY);
    *out = (struct resp_entry) {
        .place = resp_place_of(key, database_id, call->hash_seed),
        .database = call->database,
    };
    out->row_key = bytes_of(row_key, resp_place_meta(&out->place, row_key));
    return status_ok();
}

struct status resp_entry_init(struct resp_call *call, struct bytes key, struct resp_entry *out)
{
    return init(call, call->database_id, key, out);
}

struct status resp_entry_init_in(struct resp_call *call, uint32_t database, struct bytes key,
                                 struct resp_entry *out)
{
    TRY(init(call, call->store->ops->database_id(call->store, database), key, out));
    out->database = database;
    return status_ok();
}

static unsigned store_flags_of(enum resp_entry_part part)
{
    return part == RESP_ENTRY_FACTS ? STORE_META : 0;
}

/* Facts of a chunked string lie in its row's value. */
static struct status read_object(const struct store_row *row, struct resp_entry *e)
{
    struct resp_meta_object object;

    TRY(resp_meta_object_decode(row->value, &object));
    e->object = object.object;
    e->size_bytes = object.size_bytes;
    return status_ok();
}

static void note_use(struct resp_call *call, const struct resp_entry *e)
{
    if (!call->session->identity.leaves_no_trace)
        resp_touches_note(&call->resp->touches, &e->place, call->now_ms);
}

struct status resp_entry_load(struct resp_call *call, enum resp_entry_part part,
                              struct resp_entry *e)
{
    struct store_row row;
    struct status s = call->store->ops->get(call->store, e->row_key, store_flags_of(part), &row);

    if (failed(s) && s.code != ST_NOT_FOUND)
        return s;
    bool is_expirer = call->command == NULL;
    if (!is_expirer && call->command->flags & RESP_CMD_WRITE)
        note_use(call, e);
    return resp_entry_see(call, succeeded(s) ? &row : NULL, e);
}

struct status resp_entry_see(struct resp_call *call, const struct store_row *row,
                             struct resp_entry *e)
{
    e->is_stored = row != NULL;
    e->is_live = false;
    if (row == NULL)
        return status_ok();
    e->type = row->type;
    e->expire_ms = row->expire_ms;
    e->written_ms = row->written_ms;
    e->is_live = row->expire_ms == 0 || row->expire_ms > call->now_ms;
    switch (row->type) {
    case RESP_ROW_STRING:
        e->value = row->value;
        e->size_bytes = row->size;
        return status_ok();
    case RESP_ROW_STRING_CHUNKED:
        return read_object(row, e);
    default:
        return status_of(ST_CORRUPT);
    }
}

struct status resp_entry_open(struct resp_call *call, struct bytes key, enum resp_entry_part part,
                              struct resp_entry *out)
{
    TRY(resp_entry_init(call, key, out));
    return resp_entry_load(call, part, out);
}

void resp_entry_score(struct resp_call *call, const struct resp_entry *e)
{
    if (e->is_live) {
        call->hits++;
        return;
    }
    call->misses++;
    resp_notify(call, RESP_EVENT_MISS, "keymiss", e->place.key);
}

void resp_entry_use(struct resp_call *call, const struct resp_entry *e)
{
    resp_entry_score(call, e);
    if (e->is_live)
        note_use(call, e);
}

struct status resp_entry_lookup(struct resp_call *call, struct bytes key, enum resp_entry_part part,
                                struct resp_entry *out)
{
    TRY(resp_entry_open(call, key, part, out));
    resp_entry_use(call, out);
    return status_ok();
}

struct status resp_entry_visit(struct resp_call *call, enum resp_entry_part part,
                               resp_entry_visitor *visit, void *context)
{
    return resp_entry_visit_keys(call, resp_command_keys(call->command->keys, call->argc), part,
                                 visit, context);
}

static struct status visit_key(struct resp_call *call, enum resp_entry_part part, size_t arg,
                               resp_entry_visitor *visit, void *context)
{
    struct resp_entry e;

    TRY(resp_entry_open(call, call->argv[arg], part, &e));
    return visit(call, &e, arg, context);
}

struct status resp_entry_visit_keys(struct resp_call *call, struct resp_key_range range,
                                    enum resp_entry_part part, resp_entry_visitor *visit,
                                    void *context)
{
    struct resp_steps steps;

    resp_steps_begin(call, &steps);
    size_t arg = steps.from == 0 ? range.first : (size_t)steps.from;
    for (; arg < range.end; arg += range.step) {
        struct status s = visit_key(call, part, arg, visit, context);
        TRY(resp_steps_note(&steps, s, arg, arg + range.step));
    }
    return resp_steps_end(&steps);
}

/* Keep in mind that this row was written. */
static struct status note_written(struct resp_call *call, const struct resp_entry *e)
{
    struct resp_overlay *o = call->overlay;

    if (o == NULL)
        return status_ok();
    if (o->count == o->capacity) {
        size_t capacity = o->capacity == 0 ? 64 : 2 * o->capacity;
        struct bytes *rows = arena_take(call->arena, capacity * sizeof *rows);
        if (rows == NULL)
            return status_of(ST_NO_MEMORY);
        if (o->count > 0)
            memcpy(rows, o->rows, o->count * sizeof *rows);
        o->rows = rows;
        o->capacity = capacity;
    }
    o->rows[o->count++] = e->row_key;
    o->is_sorted = false;
    return status_ok();
}

/* Take the chunks of what is stored away. */
static struct status remove_chunks(struct resp_call *call, const struct resp_entry *e)
{
    struct store *s = call->store;
    uint8_t key[RESP_CHUNK_KEY_BYTES];
    uint8_t end[RESP_CHUNK_KEY_BYTES];

    if (!e->is_stored || e->type != RESP_ROW_STRING_CHUNKED)
        return status_ok();
    uint64_t chunks = (e->size_bytes + RESP_CHUNK_BYTES - 1) / RESP_CHUNK_BYTES;
    if (chunks > POINT_DELETES_MAX) {
        resp_place_chunk(&e->place, e->object, 0, key);
        resp_place_chunk(&e->place, e->object + 1, 0, end);
        return s->ops->remove_range(s, bytes_of(key, sizeof key), bytes_of(end, sizeof end));
    }
    for (uint32_t i = 0; i < chunks; i++) {
        resp_place_chunk(&e->place, e->object, i, key);
        TRY(s->ops->remove(s, bytes_of(key, sizeof key)));
    }
    return status_ok();
}

/* Make the expiry rows say expire_ms instead of what is stored. */
static struct status move_expiry(struct resp_call *call, const struct resp_entry *e,
                                 uint64_t expire_ms)
{
    struct store *s = call->store;
    uint64_t old_ms = e->is_stored ? e->expire_ms : 0;

    if (old_ms == expire_ms)
        return status_ok();
    uint8_t *key = arena_take(call->arena, RESP_EXPIRY_PREFIX + e->place.key.size);
    if (key == NULL)
        return status_of(ST_NO_MEMORY);
    if (old_ms != 0) {
        size_t size = resp_place_expiry(&e->place, old_ms, key);
        TRY(s->ops->remove(s, bytes_of(key, size)));
    }
    if (expire_ms == 0)
        return status_ok();
    size_t size = resp_place_expiry(&e->place, expire_ms, key);
    TRY(s->ops->put(s, &(struct store_put) { .key = bytes_of(key, size),
                                             .value = bytes_of(NULL, 0),
                                             .type = RESP_ROW_EXPIRY }));
    s->ops->expiry_hint(s, e->place.slot, expire_ms);
    return status_ok();
}

/* Count the change from what is stored to a key with this expiry; keys is 1, or 0 if it goes. */
static struct status count_change(struct resp_call *call, const struct resp_entry *e, int64_t keys,
                                  uint64_t expire_ms)
{
    struct store *s = call->store;
    int64_t old_expires = e->is_stored && e->expire_ms != 0;
    int64_t key_change = keys - (int64_t)e->is_stored;
    int64_t expire_change = (int64_t)(expire_ms != 0) - old_expires;

    if (key_change == 0 && expire_change == 0)
        return status_ok();
    return s->ops->count(s, e->place.database_id, key_change, expire_change);
}

/* What is stored is about to be replaced or removed: was it there only because nobody had looked
 * since its time was over? */
static void note_expired(struct resp_call *call, const struct resp_entry *e)
{
    if (!e->is_stored || e->is_live)
        return;
    call->expired++;
    resp_notify_in(call, e->database, RESP_EVENT_EXPIRED, "expired", e->place.key);
}

/* Put the meta row, and everything that goes with it. */
static struct status put_meta(struct resp_call *call, struct resp_entry *e, uint8_t type,
                              struct bytes value, uint64_t expire_ms)
{
    struct store *s = call->store;

    TRY(s->ops->put(s,
                    &(struct store_put) {
                        .key = e->row_key, .value = value, .type = type, .expire_ms = expire_ms }));
    TRY(move_expiry(call, e, expire_ms));
    TRY(count_change(call, e, 1, expire_ms));
    TRY(note_written(call, e));
    call->changes++;
    note_expired(call, e);
    if (!e->is_live)
        resp_notify_in(call, e->database, RESP_EVENT_NEW, "new", e->place.key);
    e->is_stored = true;
    e->is_live = true;
    e->type = type;
    e->expire_ms = expire_ms;
    return status_ok();
}

static struct status put_chunks(struct resp_call *call, const struct resp_entry *e, uint64_t object,
                                struct bytes value)
{
    struct store *s = call->store;
    uint8_t key[RESP_CHUNK_KEY_BYTES];

    for (uint32_t i = 0; value.size > 0; i++) {
        size_t size = value.size < RESP_CHUNK_BYTES ? value.size : RESP_CHUNK_BYTES;
        resp_place_chunk(&e->place, object, i, key);
        TRY(s->ops->put(s, &(struct store_put) { .key = bytes_of(key, sizeof key),
                                                 .value = bytes_of(value.data, size),
                                                 .type = RESP_ROW_CHUNK }));
        value = bytes_skip(value, size);
    }
    return status_ok();
}

struct status resp_entry_set_chunked(struct resp_call *call, struct resp_entry *e, uint64_t object,
                                     uint64_t size_bytes, uint64_t expire_ms)
{
    uint8_t value[RESP_META_OBJECT_BYTES];

    if (object != e->object)
        TRY(remove_chunks(call, e));
    resp_meta_object_encode(
        &(struct resp_meta_object) { .object = object, .size_bytes = size_bytes }, value);
    TRY(put_meta(call, e, RESP_ROW_STRING_CHUNKED, bytes_of(value, sizeof value), expire_ms));
    e->object = object;
    e->size_bytes = size_bytes;
    return status_ok();
}

struct status resp_entry_set_string(struct resp_call *call, struct resp_entry *e,
                                    struct bytes value, uint64_t expire_ms)
{
    if (value.size > RESP_INLINE_MAX_BYTES) {
        uint64_t object = call->store->ops->fresh_id(call->store);
        TRY(put_chunks(call, e, object, value));
        return resp_entry_set_chunked(call, e, object, value.size, expire_ms);
    }
    TRY(remove_chunks(call, e));
    TRY(put_meta(call, e, RESP_ROW_STRING, value, expire_ms));
    e->value = value;
    e->size_bytes = value.size;
    return status_ok();
}

struct status resp_entry_set_expire(struct resp_call *call, struct resp_entry *e,
                                    uint64_t expire_ms)
{
    CHECK(e->is_live);
    if (expire_ms != 0 && expire_ms <= call->now_ms)
        return resp_entry_remove(call, e);
    if (e->type == RESP_ROW_STRING_CHUNKED)
        return resp_entry_set_chunked(call, e, e->object, e->size_bytes, expire_ms);
    CHECK(e->value.size == e->size_bytes);
    return put_meta(call, e, e->type, e->value, expire_ms);
}

/* Remove the meta row, and what goes with it but for chunks. */
static struct status remove_meta(struct resp_call *call, struct resp_entry *e)
{
    struct store *s = call->store;

    TRY(s->ops->remove(s, e->row_key));
    TRY(move_expiry(call, e, 0));
    TRY(count_change(call, e, 0, 0));
    TRY(note_written(call, e));
    call->changes++;
    note_expired(call, e);
    e->is_stored = false;
    e->is_live = false;
    return status_ok();
}

struct status resp_entry_remove(struct resp_call *call, struct resp_entry *e)
{
    if (!e->is_stored)
        return status_ok();
    TRY(remove_chunks(call, e));
    return remove_meta(call, e);
}

struct status resp_entry_delete(struct resp_call *call, struct resp_entry *e)
{
    bool was_live = e->is_live;

    TRY(resp_entry_remove(call, e));
    if (was_live)
        resp_notify_in(call, e->database, RESP_EVENT_GENERIC, "del", e->place.key);
    return status_ok();
}

struct status resp_entry_give_object(struct resp_call *call, struct resp_entry *from,
                                     struct resp_entry *to)
{
    CHECK(from->is_live && from->type == RESP_ROW_STRING_CHUNKED && resp_entry_is_beside(from, to));
    TRY(resp_entry_set_chunked(call, to, from->object, from->size_bytes, from->expire_ms));
    return remove_meta(call, from);
}

static int compare_rows(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

void resp_overlay_sort(struct resp_overlay *o)
{
    size_t kept = 0;

    if (o->is_sorted || o->count == 0)
        return;
    qsort(o->rows, o->count, sizeof *o->rows, compare_rows);
    for (size_t i = 0; i < o->count; i++) {
        if (kept == 0 || !bytes_equal(o->rows[kept - 1], o->rows[i]))
            o->rows[kept++] = o->rows[i];
    }
    o->count = kept;
    o->is_sorted = true;
}

bool resp_overlay_has(const struct resp_overlay *o, struct bytes row_key)
{
    return o->count > 0 && bsearch(&row_key, o->rows, o->count, sizeof *o->rows, compare_rows);
}
