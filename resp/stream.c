#include "resp/stream.h"

#include "base/check.h"

#include "resp/string.h"

void resp_stream_init(struct resp_stream *s)
{
    *s = (struct resp_stream) { 0 };
}

void resp_stream_reset(struct resp_stream *s)
{
    if (!s->is_open)
        return;
    if (s->cursor != NULL)
        s->store->ops->cursor_close(s->cursor);
    resp_stream_init(s);
}

/* Over the key's chunks and its own row, which lies behind them. AGAIN, NO_MEMORY. */
static struct status open_cursor(struct resp_stream *s, struct resp_call *call, bool is_exact)
{
    struct resp_entry *e = &s->entry;
    uint8_t first[RESP_CHUNK_KEY_BYTES];
    uint8_t *upper = arena_take(call->arena, e->row_key.size + 1);
    bool has_chunks = e->is_live && e->type == RESP_ROW_STRING_CHUNKED;
    struct bytes lower = e->row_key;

    if (upper == NULL)
        return status_of(ST_NO_MEMORY);
    memcpy(upper, e->row_key.data, e->row_key.size);
    upper[e->row_key.size] = 0;
    if (has_chunks)
        lower = bytes_of(first, resp_place_chunk(&e->place, e->object, 0, first));
    s->store = call->store;
    TRY(s->store->ops->cursor_open(s->store, lower, bytes_of(upper, e->row_key.size + 1),
                                   is_exact ? STORE_CURSOR_EXACT : 0, &s->cursor));
    s->store->ops->cursor_seek(s->cursor, e->row_key);
    return status_ok();
}

/*
 * Look at the key's row through the cursor. It may be another than the one that the cursor was
 * opened for, if the key was written while the command waited: with other chunks it needs another
 * cursor, of a later moment.
 */
static struct status settle(struct resp_stream *s, struct resp_call *call, bool is_exact)
{
    struct bytes key;
    struct store_row row;

    for (;;) {
        uint64_t object = s->entry.object;
        struct status st = s->store->ops->cursor_next(s->cursor, &key, &row);
        if (failed(st) && st.code != ST_NOT_FOUND)
            return st;
        TRY(resp_entry_see(call, succeeded(st) ? &row : NULL, &s->entry));
        if (!s->entry.is_live || s->entry.type != RESP_ROW_STRING_CHUNKED ||
            s->entry.object == object)
            break;
        s->store->ops->cursor_close(s->cursor);
        s->cursor = NULL;
        TRY(open_cursor(s, call, is_exact));
    }
    s->is_settled = true;
    return status_ok();
}

/* The key's place and row, of this run. */
static struct status place(struct resp_stream *s, struct resp_call *call, struct bytes key)
{
    struct resp_entry e;

    TRY(resp_entry_init(call, key, &e));
    s->entry.place = e.place;
    s->entry.row_key = e.row_key;
    return status_ok();
}

struct status resp_stream_open(struct resp_stream *s, struct resp_call *call, struct bytes key,
                               const struct resp_stream_options *options)
{
    bool has_value = s->is_settled && s->entry.type == RESP_ROW_STRING;

    /* Only a cursor among chunks has anything to go on with. */
    if (s->cursor == NULL || has_value) {
        resp_stream_reset(s);
        s->is_open = true;
        TRY(resp_entry_open(call, key, RESP_ENTRY_VALUE, &s->entry));
        struct resp_entry *e = &s->entry;
        bool is_long = e->is_live && e->type == RESP_ROW_STRING_CHUNKED &&
                       e->size_bytes > RESP_STREAM_SHORT_BYTES &&
                       options->most_bytes > RESP_STREAM_SHORT_BYTES && call->overlay == NULL;
        CHECK(!options->is_exact || call->overlay == NULL);
        if (!is_long && !options->is_exact) {
            if (!options->is_scored)
                resp_entry_use(call, e);
            return status_ok();
        }
        TRY(open_cursor(s, call, options->is_exact));
    } else {
        TRY(place(s, call, key));
    }
    if (!s->is_settled)
        TRY(settle(s, call, options->is_exact));
    if (!options->is_scored)
        resp_entry_use(call, &s->entry);
    return status_ok();
}

static uint32_t chunk_at(uint64_t offset)
{
    return (uint32_t)(offset / RESP_CHUNK_BYTES);
}

void resp_stream_want(struct resp_stream *s, struct resp_call *call, uint64_t begin, uint64_t end)
{
    uint8_t first[RESP_CHUNK_KEY_BYTES];

    CHECK(s->entry.is_live && end <= s->entry.size_bytes);
    if (s->is_begun)
        return;
    s->is_begun = true;
    s->position = begin;
    s->end = end;
    if (begin >= end || s->entry.type != RESP_ROW_STRING_CHUNKED)
        return;
    if (s->cursor == NULL) {
        resp_string_prefetch(call, &s->entry, begin, end - begin);
        return;
    }
    resp_place_chunk(&s->entry.place, s->entry.object, chunk_at(begin), first);
    s->store->ops->cursor_seek(s->cursor, bytes_of(first, sizeof first));
}

/* The next row of the cursor, if it is one of the chunks wanted. */
static struct status next_row(struct resp_stream *s, struct resp_piece *out)
{
    struct bytes key;
    struct store_row row;
    struct resp_row_key where;

    TRY(s->store->ops->cursor_next(s->cursor, &key, &row));
    TRY(resp_row_key_decode(key, &where));
    uint64_t offset = (uint64_t)where.index * RESP_CHUNK_BYTES;
    if (where.kind != RESP_KEY_CHUNK || where.object != s->entry.object || offset >= s->end)
        return status_of(ST_NOT_FOUND);
    if (row.type != RESP_ROW_CHUNK || row.value.size > RESP_CHUNK_BYTES)
        return status_of(ST_CORRUPT);
    *out = (struct resp_piece) { .offset = offset, .bytes = row.value };
    return status_ok();
}

struct status resp_stream_next(struct resp_stream *s, struct resp_call *call,
                               struct resp_piece *out)
{
    CHECK(s->is_begun);
    while (s->position < s->end) {
        if (s->entry.type == RESP_ROW_STRING) {
            s->position = s->end;
            *out = (struct resp_piece) { .bytes = resp_string_inline(&s->entry) };
            return status_ok();
        }
        uint32_t index = chunk_at(s->position);
        *out = (struct resp_piece) { .offset = (uint64_t)index * RESP_CHUNK_BYTES };
        struct status st = s->cursor != NULL
                               ? next_row(s, out)
                               : resp_string_chunk(call, &s->entry, index, &out->bytes);
        if (st.code == ST_NOT_FOUND)
            break;
        if (failed(st))
            return st;
        s->position = out->offset + RESP_CHUNK_BYTES;
        if (out->bytes.size > 0)
            return status_ok();
    }
    s->position = s->end;
    return status_of(ST_NOT_FOUND);
}
